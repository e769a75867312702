// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/lapic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "vmm/base/bits.h"

#define CPUID_1_EDX_APIC       BIT(9)
#define CPUID_1_ECX_X2APIC     BIT(21)
#define APIC_BASE_ADDRESS(msr) ((msr)&UINT64_C(0x000ffffffffff000))

/* Offsets of the xAPIC registers (SDM vol. 3A, table "Local APIC Register Address Map"). */
enum lapic_register {
    LAPIC_ID = 0x20,
    LAPIC_VERSION = 0x30,
    LAPIC_TPR = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_SVR = 0xf0,
    LAPIC_ISR = 0x100, /* 8 registers, 16 bytes apart */
    LAPIC_ESR = 0x280,
    LAPIC_LVT_CMCI = 0x2f0,
    LAPIC_ICR = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERFORMANCE = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_INITIAL_COUNT = 0x380,
    LAPIC_DIVIDE = 0x3e0,
};

#define DIVIDE_BY_128      0xau
#define SVR_ENABLE         0x100u
#define LVT_MASKED         0x10000u
#define LVT_DELIVERY       0x700u
#define LVT_DELIVERY_SMI   0x200u
#define LVT_DELIVERY_NMI   0x400u
#define VERSION_MAX_LVT(v) BITS(v, 23, 16)

#define ICR_FIXED        0x000u
#define ICR_NMI          0x400u
#define ICR_INIT         0x500u
#define ICR_STARTUP      0x600u
#define ICR_PENDING      0x1000u
#define ICR_LEVEL_ASSERT 0x4000u

/* The most reads while a message is sent: that takes microseconds, a read of the register tens of
 * nanoseconds. */
#define SEND_POLLS_MAX 1000000

/* The mode of all processors, set by the first processor's lapic_init. */
static struct {
    bool is_set;
    bool is_x2apic;
    uint64_t base;
} mode;

static uint32_t read_register(enum lapic_register offset)
{
    if (mode.is_x2apic)
        return (uint32_t)rdmsr(IA32_X2APIC_FIRST + offset / 16);
    return mmio_read32(mode.base + offset);
}

static void write_register(enum lapic_register offset, uint32_t value)
{
    if (mode.is_x2apic)
        wrmsr(IA32_X2APIC_FIRST + offset / 16, value);
    else
        mmio_write32(mode.base + offset, value);
}

hpa_t lapic_base(void)
{
    return HPA(APIC_BASE_ADDRESS(rdmsr(IA32_APIC_BASE)));
}

bool lapic_is_x2apic(void)
{
    return (rdmsr(IA32_APIC_BASE) & (APIC_BASE_ENABLE | APIC_BASE_EXTD)) ==
           (APIC_BASE_ENABLE | APIC_BASE_EXTD);
}

/* Sets this processor's APIC to the mode of the first processor. For transitions see SDM vol. 3A,
 * figure "Local x2APIC State Transitions": x2APIC mode is entered only from xAPIC mode, and xAPIC
 * mode is entered from x2APIC mode only through "disabled". */
static void set_mode(void)
{
    uint64_t msr = rdmsr(IA32_APIC_BASE);
    uint64_t bsp = msr & APIC_BASE_BSP;

    if (!mode.is_set) {
        mode.is_x2apic = lapic_is_x2apic();
        mode.base = APIC_BASE_ADDRESS(msr);
        mode.is_set = true;
    }
    if (lapic_is_x2apic() && !mode.is_x2apic) {
        wrmsr(IA32_APIC_BASE, mode.base | bsp);
        msr = rdmsr(IA32_APIC_BASE);
    }
    if ((msr & APIC_BASE_ENABLE) == 0 || APIC_BASE_ADDRESS(msr) != mode.base) {
        /* If the APIC is in x2APIC mode already, both mode bits have to stay. */
        wrmsr(IA32_APIC_BASE, mode.base | bsp | APIC_BASE_ENABLE | (msr & APIC_BASE_EXTD));
    }
    if (mode.is_x2apic && !lapic_is_x2apic())
        wrmsr(IA32_APIC_BASE, mode.base | bsp | APIC_BASE_ENABLE | APIC_BASE_EXTD);
}

/* Masks an LVT entry. A masked entry also has to hold a legal vector: an illegal one is an error of
 * its own (SDM vol. 3A, "Error Handling"). */
static void mask_lvt(enum lapic_register lvt)
{
    if ((read_register(lvt) & LVT_DELIVERY) != LVT_DELIVERY_SMI)
        write_register(lvt, LVT_MASKED | VECTOR_SPURIOUS);
}

/* Ends the interrupts that the firmware took and did not end: they would hold back all interrupts
 * of lower priority. An EOI ends the highest in service (SDM vol. 3A, "Signaling Interrupt
 * Servicing Completion"), so the loop goes from the highest vector down, and ends each once. */
static void end_interrupts(void)
{
    for (unsigned vector = 255; vector >= 16; vector--) {
        if (lapic_is_in_service((uint8_t)vector))
            lapic_eoi();
    }
}

enum status lapic_init(void)
{
    struct cpuid_result features = cpuid(1, 0);

    if ((features.edx & CPUID_1_EDX_APIC) == 0)
        return STATUS_UNSUPPORTED;
    if (mode.is_set && mode.is_x2apic && (features.ecx & CPUID_1_ECX_X2APIC) == 0)
        return STATUS_UNSUPPORTED;
    set_mode();

    /* LVT entries cannot be unmasked while software has disabled the APIC, so it is enabled
     * first. */
    write_register(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    write_register(LAPIC_TPR, 0);

    uint64_t max_lvt = VERSION_MAX_LVT(read_register(LAPIC_VERSION));
    mask_lvt(LAPIC_LVT_TIMER); /* one-shot: also disarms a TSC deadline */
    write_register(LAPIC_INITIAL_COUNT, 0);
    mask_lvt(LAPIC_LVT_LINT0); /* the 8259s */
    write_register(LAPIC_LVT_LINT1, LVT_DELIVERY_NMI);
    mask_lvt(LAPIC_LVT_ERROR);
    if (max_lvt >= 4)
        mask_lvt(LAPIC_LVT_PERFORMANCE);
    if (max_lvt >= 5)
        mask_lvt(LAPIC_LVT_THERMAL);
    if (max_lvt >= 6)
        mask_lvt(LAPIC_LVT_CMCI);
    write_register(LAPIC_ESR, 0);

    end_interrupts();
    return STATUS_OK;
}

uint32_t lapic_id(void)
{
    uint32_t id = read_register(LAPIC_ID);
    return mode.is_x2apic ? id : id >> 24;
}

void lapic_start_timer(uint8_t vector, uint32_t count)
{
    write_register(LAPIC_DIVIDE, DIVIDE_BY_128);
    write_register(LAPIC_LVT_TIMER, vector); /* one-shot */
    write_register(LAPIC_INITIAL_COUNT, count);
}

void lapic_stop_timer(void)
{
    mask_lvt(LAPIC_LVT_TIMER);
    write_register(LAPIC_INITIAL_COUNT, 0);
}

void lapic_eoi(void)
{
    write_register(LAPIC_EOI, 0);
}

bool lapic_is_in_service(uint8_t vector)
{
    enum lapic_register isr = LAPIC_ISR + 16 * (vector / 32u);

    if (!mode.is_set)
        return false;
    return (read_register(isr) >> (vector % 32) & 1) != 0;
}

static bool wait_until_sent(void)
{
    for (unsigned i = 0; i < SEND_POLLS_MAX; i++) {
        if ((read_register(LAPIC_ICR) & ICR_PENDING) == 0)
            return true;
        cpu_pause();
    }
    return false;
}

static enum status send(uint32_t apic_id, uint32_t command)
{
    if (mode.is_x2apic) {
        /* Writes to x2APIC registers do not wait for earlier stores, but the receiver has to see
         * what was stored before the message (SDM vol. 3A, "MSR Access in x2APIC Mode"). */
        mfence();
        lfence();
        wrmsr(IA32_X2APIC_ICR, (uint64_t)apic_id << 32 | command);
        return STATUS_OK;
    }
    if (apic_id > 0xfe) /* 0xff addresses all processors */
        return STATUS_OUT_OF_RANGE;
    /* The message before has been sent, as this function waits for each. Interrupts are off, so no
     * handler sends a message between the two halves. */
    write_register(LAPIC_ICR_HIGH, apic_id << 24);
    write_register(LAPIC_ICR, command);
    return wait_until_sent() ? STATUS_OK : STATUS_UNSUPPORTED;
}

enum status lapic_send_interrupt(uint32_t apic_id, uint8_t vector)
{
    if (vector < 16)
        return STATUS_INVALID;
    return send(apic_id, ICR_FIXED | ICR_LEVEL_ASSERT | vector);
}

enum status lapic_send_nmi(uint32_t apic_id)
{
    return send(apic_id, ICR_NMI | ICR_LEVEL_ASSERT);
}

enum status lapic_send_init(uint32_t apic_id)
{
    return send(apic_id, ICR_INIT | ICR_LEVEL_ASSERT);
}

enum status lapic_send_startup(uint32_t apic_id, uint8_t page)
{
    return send(apic_id, ICR_STARTUP | ICR_LEVEL_ASSERT | page);
}
