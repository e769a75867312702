// SPDX-License-Identifier: BSD-2-Clause
/* The other processors, started as test suites do it: code copied to address 0, INIT and at once a
 * start-up message to all but oneself, then waiting until as many as fw_cfg names have come. Intel
 * SDM vol. 3A, "MP Initialization Protocol Algorithm for MP Systems". */
#include "tests/multiboot/suite.h"

enum {
    ICR_NMI = 4 << 8,
    ICR_INIT = 5 << 8,
    ICR_STARTUP = 6 << 8,
    ICR_ASSERT = 1 << 14,
    ICR_ALL_BUT_SELF = 3 << 18,
    ICR_ALL = 2 << 18,
};

#define VECTOR_CALL 0x40
#define VECTOR_HERE 0x41
#define VECTOR_TICK 0x42

#define PATIENCE_TICKS UINT64_C(100000000) /* of the TSC */

extern const uint8_t sipi_code[], sipi_code_end[];
extern volatile uint32_t other_cpu_cr0, other_cpu_edx, other_cpu_cs;

static volatile uint32_t online_count = 1;
static volatile uint64_t online_ids = 1;
static volatile uint64_t seen_tsc[SUITE_CPUS_MAX];
static volatile uint32_t base_flags[SUITE_CPUS_MAX];
static volatile uint32_t called_count;
static volatile uint64_t called_ids;

static unsigned own_id(void)
{
    return apic_read(APIC_ID) >> 24;
}

void suite_other_cpu(void);
void suite_other_cpu(void)
{
    unsigned id = own_id();

    load_idt();
    apic_write(APIC_SVR, 0x1ff);
    base_flags[id % SUITE_CPUS_MAX] = (uint32_t)rdmsr(IA32_APIC_BASE);
    __atomic_fetch_or(&online_ids, UINT64_C(1) << id, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&online_count, 1, __ATOMIC_SEQ_CST);
    for (;;)
        __asm__ volatile("sti; hlt" ::: "memory");
}

static void on_call(unsigned vector)
{
    unsigned id = own_id();

    if (vector != VECTOR_CALL)
        return;
    seen_tsc[id % SUITE_CPUS_MAX] = rdtsc();
    __atomic_fetch_or(&called_ids, UINT64_C(1) << id, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&called_count, 1, __ATOMIC_SEQ_CST);
}

static bool wait_until(const volatile uint32_t *counter, uint32_t want)
{
    uint64_t start = rdtsc();

    while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < want && rdtsc() - start < PATIENCE_TICKS)
        relax();
    return *counter == want;
}

static void send(uint32_t icr, uint32_t destination)
{
    while (apic_read(APIC_ICR) & 1 << 12)
        relax();
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, icr);
}

static void check_start(void)
{
    uint32_t others = (uint32_t)suite.cpus - 1;

    memcpy((void *)0, sipi_code, (size_t)(sipi_code_end - sipi_code));
    send(ICR_ALL_BUT_SELF | ICR_INIT | ICR_ASSERT, 0);
    send(ICR_ALL_BUT_SELF | ICR_STARTUP, 0);
    check("processors: all come", wait_until(&online_count, others + 1), true);
    check("processors: their APIC IDs", online_ids, (UINT64_C(1) << suite.cpus) - 1);
    if (others == 0)
        return;
    check("other processor: CR0 as INIT leaves it", other_cpu_cr0, 0x60000010);
    check("other processor: CS of the message", other_cpu_cs, 0);
    check("other processor: EDX has the signature", other_cpu_edx, cpuid(1, 0).eax);
    for (unsigned id = 1; id < suite.cpus; id++)
        check_at("other processor: APIC base", id, base_flags[id], APIC_PAGE | APIC_BASE_EN);
    send(ICR_ALL_BUT_SELF | ICR_STARTUP, 0);
    check("a start-up message to those that run is ignored", online_count, others + 1);
}

static void check_messages(void)
{
    uint32_t others = (uint32_t)suite.cpus - 1;
    uint64_t before, after;

    irq_hook = on_call;
    interrupts_on();
    send(ICR_ASSERT | VECTOR_CALL, 0);
    check("message: to itself by its ID", wait_until(&called_count, 1), true);
    send(1 << 18 | ICR_ASSERT | VECTOR_CALL, 0);
    check("message: to itself by the shorthand", wait_until(&called_count, 2), true);
    send(ICR_ALL | ICR_ASSERT | VECTOR_CALL, 0);
    check("message: to all by the shorthand", wait_until(&called_count, 3 + others), true);
    send(ICR_ASSERT | VECTOR_CALL, 0xff);
    check("message: to all by the address", wait_until(&called_count, 4 + 2 * others), true);
    for (unsigned id = 1; id < suite.cpus; id++) {
        called_count = 0;
        called_ids = 0;
        before = rdtsc();
        send(ICR_ASSERT | VECTOR_CALL, id);
        check_at("message: to one", id, wait_until(&called_count, 1), true);
        after = rdtsc();
        check_at("message: came to", id, called_ids, UINT64_C(1) << id);
        check_at("TSC: in step with", id, seen_tsc[id] >= before && seen_tsc[id] <= after, true);
    }
    interrupts_off();
    irq_hook = NULL;

    forget_irqs();
    send(ICR_NMI | ICR_ASSERT, 0);
    check("NMI: to itself", wait_until(&irq_counts[2], 1), true);
    send(ICR_ALL_BUT_SELF | ICR_NMI | ICR_ASSERT, 0);
    check("NMI: to all but itself", wait_until(&irq_counts[2], 1 + others), true);
}

/* Intel SDM vol. 3A, "APIC Timer". */
static void check_timer(void)
{
    uint64_t start, patience;

    forget_irqs();
    interrupts_on();
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, VECTOR_TICK);
    start = rdtsc();
    apic_write(APIC_TIMER_INITIAL, 0x10000);
    check("timer: one shot", wait_until(&irq_counts[VECTOR_TICK], 1), true);
    check("timer: not before its time", rdtsc() - start >= 0x10000, true);
    check("timer: stands at 0", apic_read(APIC_TIMER_CURRENT), 0);
    apic_write(APIC_LVT_TIMER, VECTOR_TICK | 1 << 17);
    apic_write(APIC_TIMER_INITIAL, 0x20000);
    patience = rdtsc();
    while (irq_counts[VECTOR_TICK] < 4 && rdtsc() - patience < PATIENCE_TICKS)
        relax();
    apic_write(APIC_TIMER_INITIAL, 0);
    check("timer: periodic", irq_counts[VECTOR_TICK] >= 4, true);

    if (cpuid(1, 0).ecx & 1u << 24) {
        forget_irqs();
        apic_write(APIC_LVT_TIMER, VECTOR_HERE | 2 << 17);
        __asm__ volatile("mfence" ::: "memory");
        wrmsr(0x6e0, rdtsc());
        __asm__ volatile("nop");
        check("timer: a deadline that is past", irq_counts[VECTOR_HERE], 1);
        check("timer: then it is not armed", rdmsr(0x6e0), 0);
    }
    apic_write(APIC_LVT_TIMER, 1 << 16);
    interrupts_off();
}

void check_processors(void)
{
    apic_write(APIC_SVR, 0x1ff);
    check_start();
    check_messages();
    check_timer();
}
