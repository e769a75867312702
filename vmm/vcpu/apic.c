// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/apic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/registers.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/vcpu/apicv.h"
#include "vmm/vcpu/stop.h"

/* Segment access rights of a processor in real mode, in the VMCS's layout (SDM vol. 3C, "Format of
 * Access Rights"). */
#define RIGHTS_REAL_CODE 0x009b
#define RIGHTS_REAL_DATA 0x0093
#define RIGHTS_LDT       0x0082
#define RIGHTS_TSS_BUSY  0x008b

/* SDM vol. 3A, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
#define RESET_CS_SELECTOR 0xf000
#define RESET_CS_BASE     0xf0000 /* the board's BIOS area; there is none at 0xffff0000 */
#define RESET_RIP         0xfff0

#define APIC_PAGE_MASK (~(uint64_t)(LOCAL_APIC_MMIO_BYTES - 1) & ((UINT64_C(1) << 52) - 1))

uint64_t vcpu_guest_tsc(const struct vcpu *vcpu)
{
    return rdtsc() + vcpu->tsc_offset;
}

void vcpu_set_guest_tsc(struct vcpu *vcpu, uint64_t value)
{
    uint64_t offset = value - rdtsc();

    local_apic_tsc_adjusted(&vcpu->apic, offset - vcpu->tsc_offset);
    vcpu->tsc_offset = offset;
    vmcs_write64(VMCS_TSC_OFFSET, offset);
    vcpu_look_at_apic(vcpu);
}

uint64_t vcpu_apic_deadline_tsc(const struct vcpu *vcpu)
{
    uint64_t deadline = local_apic_next_deadline(&vcpu->apic);

    return deadline == LOCAL_APIC_NO_DEADLINE ? UINT64_MAX : deadline - vcpu->tsc_offset;
}

void vcpu_look_at_apic(struct vcpu *vcpu)
{
    vcpu_apicv_follow(vcpu);
    vcpu_look_at_interrupts(vcpu);
    if (vcpu_apic_deadline_tsc(vcpu) < vcpu->deadline_tsc)
        vcpu_note(vcpu, ATTENTION_TIMER);
}

/* Returns whether the register at this offset of the page decides if an APIC takes a message:
 * logical destination, destination format, or spurious-interrupt vector. */
static bool may_open_apic(uint32_t offset)
{
    return offset >= 0xd0 && offset <= 0xf0;
}

/* Ends an interrupt. This is by far the most frequent access. It needs no time, and it does not
 * move the timer's deadline. */
static inline bool end_interrupt(struct vcpu *vcpu)
{
    if (!local_apic_eoi(&vcpu->apic, LOCAL_APIC_XAPIC))
        return false;
    vcpu_look_at_interrupts(vcpu);
    return true;
}

/* Sends an interrupt. This does not concern the timer either: at most the vCPU sends an IPI to
 * itself. */
static inline bool send_interrupt(struct vcpu *vcpu, uint64_t value)
{
    if (!local_apic_send(&vcpu->apic, (uint32_t)value))
        return false;
    vcpu_look_at_interrupts(vcpu);
    return true;
}

static __attribute__((noinline)) bool access_register(struct vcpu *vcpu, uint32_t offset,
                                                      struct io_access *access)
{
    struct local_apic *apic = &vcpu->apic;
    bool is_own;

    if (access->is_write)
        is_own =
            local_apic_mmio_write(apic, offset, access->size, vcpu_guest_tsc(vcpu), access->value);
    else
        is_own =
            local_apic_mmio_read(apic, offset, access->size, vcpu_guest_tsc(vcpu), &access->value);
    if (access->is_write && may_open_apic(offset))
        board_retry_interrupts(&vcpu->guest->board);
    vcpu_look_at_apic(vcpu);
    return is_own;
}

static inline bool access_apic(struct vcpu *vcpu, struct io_access *access)
{
    uint32_t offset = access->address & (LOCAL_APIC_MMIO_BYTES - 1);

    /* The base's flags are below its page number. Neither has bits above the physical address. */
    if ((access->address ^ local_apic_base(&vcpu->apic)) / LOCAL_APIC_MMIO_BYTES != 0)
        return false;
    if (offset == LOCAL_APIC_EOI_OFFSET && access->is_write && access->size == 4)
        return end_interrupt(vcpu);
    if (offset == LOCAL_APIC_ICR_OFFSET && access->is_write && access->size == 4)
        return send_interrupt(vcpu, access->value);
    return access_register(vcpu, offset, access);
}

enum io_outcome vcpu_on_local_apic(void *context, struct io_access *access)
{
    struct vcpu *vcpu = access->initiator;

    (void)context;
    return vcpu != NULL && access_apic(vcpu, access) ? IO_HANDLED : IO_DECLINED;
}

void vcpu_apic_written(struct vcpu *vcpu, uint32_t offset)
{
    local_apic_written(&vcpu->apic, offset, vcpu_guest_tsc(vcpu));
    if (may_open_apic(offset))
        board_retry_interrupts(&vcpu->guest->board);
    vcpu_look_at_apic(vcpu);
}

bool vcpu_write_apic_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    if (!local_apic_write_msr(&vcpu->apic, index, vcpu_guest_tsc(vcpu), value))
        return false;
    if (may_open_apic((index - IA32_X2APIC_FIRST) * 16))
        board_retry_interrupts(&vcpu->guest->board);
    vcpu_look_at_apic(vcpu);
    return true;
}

bool vcpu_write_apic_base(struct vcpu *vcpu, uint64_t value)
{
    struct guest *guest = vcpu->guest;
    uint64_t old_page = local_apic_base(&vcpu->apic) & APIC_PAGE_MASK;
    uint64_t new_page;

    if (!local_apic_write_base(&vcpu->apic, value))
        return false;
    board_retry_interrupts(&guest->board);
    vcpu_look_at_apic(vcpu);
    new_page = local_apic_base(&vcpu->apic) & APIC_PAGE_MASK;
    if (new_page != old_page)
        vcpu->apic_page = guest_move_apic_page(guest, vcpu->apic_page, new_page);
    return true;
}

static struct vmx_segment real_segment(uint16_t selector, uint64_t base, uint32_t access_rights)
{
    return (struct vmx_segment){
        .selector = selector, .base = base, .limit = 0xffff, .access_rights = access_rights};
}

/* Returns the state that INIT leaves, with CS:IP as given. Memory, MSRs, FPU and the time-stamp
 * counter keep their values; the general registers get those of a reset. */
static struct vmx_start_state state_after_init(uint16_t cs_selector, uint64_t cs_base, uint64_t rip)
{
    struct vmx_start_state state = {
        .rip = rip,
        .cr0 = CR0_ET | CR0_CD | CR0_NW,
        .gdtr = {.limit = 0xffff},
        .idtr = {.limit = 0xffff},
    };

    state.gpr[GPR_RDX] = cpuid(1, 0).eax; /* family, model, stepping */
    for (unsigned i = 0; i < SEGMENT_LDTR; i++)
        state.segments[i] = real_segment(0, 0, RIGHTS_REAL_DATA);
    state.segments[SEGMENT_CS] = real_segment(cs_selector, cs_base, RIGHTS_REAL_CODE);
    state.segments[SEGMENT_LDTR] = real_segment(0, 0, RIGHTS_LDT);
    state.segments[SEGMENT_TR] = real_segment(0, 0, RIGHTS_TSS_BUSY);
    return state;
}

static void restart(struct vcpu *vcpu, const struct vmx_start_state *state)
{
    vmx_vcpu_restart(&vcpu->vmx, state);
    vcpu->event.info = 0;
    vcpu->nmis_pending = 0;
    vcpu->halted = false;
    vcpu->vmcs_halts = false;
}

static void take_init(struct vcpu *vcpu)
{
    struct vmx_start_state state = state_after_init(RESET_CS_SELECTOR, RESET_CS_BASE, RESET_RIP);

    local_apic_init_signal(&vcpu->apic);
    vcpu_apicv_follow(vcpu);
    restart(vcpu, &state);
    vcpu->waits_for_startup = vcpu->index != 0; /* the vCPU that boots begins at the reset vector */
}

static void take_startup(struct vcpu *vcpu, uint8_t vector)
{
    struct vmx_start_state state =
        state_after_init((uint16_t)(vector << 8), (uint64_t)vector << 12, 0);

    if (!vcpu->waits_for_startup)
        return; /* a processor that does not wait for a start-up message ignores it */
    restart(vcpu, &state);
    vcpu->waits_for_startup = false;
}

/* Returns whether only what arrives at the APIC can wake the vCPU: it waits for its start-up
 * message, or it has halted with interrupts off. */
static bool sleeps_deeply(const struct vcpu *vcpu)
{
    return vcpu->waits_for_startup || (vcpu->halted && vcpu->is_dead && vcpu->nmis_pending == 0);
}

/* Adds count NMIs to those that wait. A processor remembers one NMI while it handles another one
 * (SDM vol. 3A, "Handling Multiple NMIs"). A vCPU that handles none would have taken the first NMI
 * as soon as it came, so for it two may wait. */
static void hold_nmis(struct vcpu *vcpu, unsigned count)
{
    bool handles_one =
        (vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_NMI) != 0 ||
        (vcpu->event.info != 0 && INTERRUPTION_TYPE(vcpu->event.info) == INTERRUPTION_NMI);
    unsigned held = vcpu->nmis_pending + count, most = handles_one ? 1 : 2;

    vcpu->nmis_pending = (uint8_t)(held < most ? held : most);
}

void vcpu_accept_interrupts(struct vcpu *vcpu)
{
    bool was_dead = vcpu->is_dead;
    struct local_apic_events events;

    /* This vCPU counts as alive while it looks. Otherwise another vCPU that sends it something and
     * then dies itself would find all vCPUs dead. */
    if (was_dead)
        guest_remove_dead(vcpu->guest);
    if (local_apic_accept(&vcpu->apic)) {
        events = local_apic_take_events(&vcpu->apic);
        if (events.init)
            take_init(vcpu);
        if (events.startup)
            take_startup(vcpu, events.startup_vector);
        if (events.nmi && !vcpu->waits_for_startup)
            hold_nmis(vcpu, events.nmi);
    }
    if (sleeps_deeply(vcpu))
        vcpu_die(vcpu);
    else
        vcpu->is_dead = false;
}

void vcpu_wait_for_startup(struct vcpu *vcpu)
{
    /* The first vCPU runs the guest's timers meanwhile, and on the first processor the console. */
    if (vcpu->index == 0) {
        cpu_let_interrupts_in();
        return;
    }
    if (atomic_load_explicit(&vcpu->notes.attention, memory_order_acquire) == 0 &&
        !local_apic_needs_attention(&vcpu->apic))
        cpus_wait();
}
