// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/execute.h"

#include "arch/x86/insn/insn_address.h"
#include "arch/x86/insn/insn_execute.h"
#include "arch/x86/insn/insn_string_io.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx.h"
#include "vmm/guest/guest.h"
#include "vmm/vcpu/control.h"
#include "vmm/vcpu/debug.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/linear.h"
#include "vmm/vcpu/registers.h"
#include "vmm/vcpu/stop.h"

#include <string.h>

/* The number of iterations of a repeated string instruction for one exit; interrupts get their turn
 * between exits. */
#define ITERATIONS_MAX 64

/* The state that one instruction works with, read from the VMCS once. */
struct guest_cpu {
    struct vcpu *vcpu; /* first, as registers.h requires */
    struct insn_state state;
    struct vcpu_linear linear;
    const struct vcpu_violation *violation; /* null once the instruction is known to have made it */
    uint64_t met;                           /* breakpoints that its accesses have met */
};

static enum insn_mode code_mode(const struct guest_cpu *cpu, uint32_t cs_access_rights)
{
    if ((cpu->linear.paging.efer & EFER_LMA) != 0 && (cs_access_rights & ACCESS_RIGHTS_L) != 0)
        return INSN_MODE_64;
    return (cs_access_rights & ACCESS_RIGHTS_D) != 0 ? INSN_MODE_32 : INSN_MODE_16;
}

/* Loads what fetch and decoding need: RIP, the mode of the code, and how to translate addresses. */
static void load_code(struct guest_cpu *cpu, struct vcpu *vcpu)
{
    cpu->vcpu = vcpu;
    vcpu_linear_init(&cpu->linear, vcpu);
    cpu->state.rip = vmcs_read_natural(VMCS_GUEST_RIP);
    cpu->state.mode = code_mode(cpu, vmcs_read32(VMCS_GUEST_CS_ACCESS_RIGHTS));
}

/* Loads the rest of the state. segments are those that the instruction needs, as bits by enum
 * insn_segment_register. Each costs three VMREADs, which exit if the monitor itself runs on KVM. */
static void load_operands(struct guest_cpu *cpu, unsigned segments)
{
    struct insn_state *state = &cpu->state;
    struct vcpu *vcpu = cpu->vcpu;

    for (unsigned i = 0; i < INSN_GPR_COUNT; i++)
        state->gpr[i] = vmx_vcpu_gpr(&vcpu->vmx, i);
    state->rflags = cpu->linear.paging.rflags;
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        if ((segments & BIT(i)) != 0)
            state->segments[i] = vcpu_read_segment(cpu, i);
    }
    state->protected_mode = cpu->linear.paging.cr0 & CR0_PE;
    state->alignment_mask = cpu->linear.paging.cr0 & CR0_AM;
    state->cpl = cpu->linear.cpl;
    state->linear_address_bits = (cpu->linear.paging.cr4 & CR4_LA57) != 0 ? 57 : 48;
}

static void store(const struct guest_cpu *cpu)
{
    for (unsigned i = 0; i < INSN_GPR_COUNT; i++) {
        if (i != INSN_RSP)
            cpu->vcpu->vmx.registers.gpr[i] = cpu->state.gpr[i];
    }
    vmcs_write_natural(VMCS_GUEST_RSP, cpu->state.gpr[INSN_RSP]);
    vmcs_write_natural(VMCS_GUEST_RFLAGS, cpu->state.rflags);
}

/* Remembers the breakpoints that an access meets. */
static void meet(struct guest_cpu *cpu, enum breakpoint_access access, uint64_t address,
                 size_t size_bytes)
{
    if (cpu->vcpu->is_watched)
        cpu->met |= vcpu_debug_met(cpu->vcpu, access, address, size_bytes);
}

/* Looks whether an access of the instruction is the one that caused the exit, or one was before.
 * insn_execute probes all accesses before it makes the first, if there are several: so the answer
 * is there before anything happens. */
static bool has_caused_exit(struct guest_cpu *cpu, gva_t address, size_t size_bytes, bool is_write)
{
    const struct vcpu_violation *violation = cpu->violation;

    if (violation != NULL && violation->is_write == is_write &&
        ((violation->linear - address.value) & violation->linear_mask) < size_bytes)
        cpu->violation = NULL;
    return cpu->violation == NULL;
}

static enum insn_access_result on_read(void *context, gva_t address, void *data, size_t size_bytes,
                                       struct insn_fault *fault)
{
    struct guest_cpu *cpu = context;

    if (!has_caused_exit(cpu, address, size_bytes, false))
        return INSN_ACCESS_RETRY;
    meet(cpu, BREAKPOINT_READ, address.value, size_bytes);
    return vcpu_linear_read(&cpu->linear, address, data, size_bytes, fault);
}

static enum insn_access_result on_write(void *context, gva_t address, const void *data,
                                        size_t size_bytes, struct insn_fault *fault)
{
    struct guest_cpu *cpu = context;

    if (!has_caused_exit(cpu, address, size_bytes, true))
        return INSN_ACCESS_RETRY;
    meet(cpu, BREAKPOINT_WRITE, address.value, size_bytes);
    return vcpu_linear_write(&cpu->linear, address, data, size_bytes, fault);
}

static enum insn_access_result on_probe(void *context, gva_t address, size_t size_bytes,
                                        bool is_write, struct insn_fault *fault)
{
    struct guest_cpu *cpu = context;

    (void)has_caused_exit(cpu, address, size_bytes, is_write);
    return vcpu_linear_probe(&cpu->linear, address, size_bytes, is_write, fault);
}

static enum insn_access_result access_port(struct guest_cpu *cpu, struct io_access *access)
{
    meet(cpu, BREAKPOINT_PORT, access->address, access->size);
    iobus_access(&cpu->vcpu->guest->ports, &cpu->vcpu->ports_reader, access);
    return INSN_ACCESS_OK;
}

static enum insn_access_result on_port_read(void *context, uint16_t port, size_t size_bytes,
                                            uint32_t *value)
{
    struct io_access access = {.address = port, .size = (uint8_t)size_bytes};
    enum insn_access_result result = access_port(context, &access);

    *value = (uint32_t)access.value;
    return result;
}

static enum insn_access_result on_port_write(void *context, uint16_t port, size_t size_bytes,
                                             uint32_t value)
{
    struct io_access access = {
        .address = port, .size = (uint8_t)size_bytes, .is_write = true, .value = value};

    return access_port(context, &access);
}

/* Returns the view that the processor has when it accesses descriptors itself: CPL 0, and SMAP
 * without exception. */
static struct vcpu_linear as_processor(const struct guest_cpu *cpu)
{
    struct vcpu_linear linear = cpu->linear;

    linear.cpl = 0;
    linear.paging.rflags &= ~RFLAGS_AC;
    return linear;
}

static enum insn_access_result on_table_read(void *context, gva_t address, void *data,
                                             size_t size_bytes, struct insn_fault *fault)
{
    struct vcpu_linear linear = as_processor(context);

    return vcpu_linear_read(&linear, address, data, size_bytes, fault);
}

static enum insn_access_result on_table_write(void *context, gva_t address, const void *data,
                                              size_t size_bytes, struct insn_fault *fault)
{
    struct vcpu_linear linear = as_processor(context);

    return vcpu_linear_write(&linear, address, data, size_bytes, fault);
}

/* DR7's L0 to L3 and LE (SDM vol. 3A, "Task Switching"). */
#define DR7_LOCAL (BIT(0) | BIT(2) | BIT(4) | BIT(6) | BIT(8))

static bool on_enter_task(void *context, const uint32_t *cr3)
{
    struct guest_cpu *cpu = context;
    uint64_t cr0 = vmx_vcpu_cr0(&cpu->vcpu->vmx) | CR0_TS;

    vmx_vcpu_set_cr0(&cpu->vcpu->vmx, cr0);
    vmcs_write_natural(VMCS_GUEST_DR7, vmcs_read_natural(VMCS_GUEST_DR7) & ~DR7_LOCAL);
    if (cr3 != NULL && (cr0 & CR0_PG) != 0 && !vcpu_load_cr3(cpu->vcpu, *cr3))
        return false;
    vcpu_linear_init(&cpu->linear, cpu->vcpu);
    return true;
}

static const struct insn_system system_registers = {
    .read_cr0 = vcpu_read_cr0,
    .read_cr4 = vcpu_read_cr4,
    .in_ia32e_mode = vcpu_in_ia32e_mode,
    .read_selector = vcpu_read_selector,
    .read_segment = vcpu_read_segment,
    .load_segment = vcpu_load_segment,
    .read_gdt = vcpu_read_gdt,
    .read_ldt = vcpu_read_ldt,
    .enter_task = on_enter_task,
    .table_read = on_table_read,
    .table_write = on_table_write,
};

static struct insn_env environment(struct guest_cpu *cpu)
{
    return (struct insn_env){
        .context = cpu,
        .read = on_read,
        .write = on_write,
        .probe = on_probe,
        .port_read = on_port_read,
        .port_write = on_port_write,
        .vector_read = vcpu_vector_read,
        .vector_write = vcpu_vector_write,
        .system = &system_registers,
    };
}

static enum exit_action inject(struct vcpu *vcpu, const struct insn_fault *fault)
{
    if (fault->vector == VECTOR_PF)
        events_inject_page_fault(vcpu, GVA(fault->cr2), fault->error_code);
    else
        events_inject_exception(vcpu, (enum trap_vector)fault->vector, fault->error_code);
    return EXIT_RESUME;
}

/* Enters the guest again as it is, without the translations that the processor has kept: it fetches
 * what is there now. So the guest makes progress, or comes back with another exit. */
static enum exit_action enter_again(struct vcpu *vcpu)
{
    vmx_invalidate_vpid(vcpu->vmx.vpid);
    return EXIT_RESUME;
}

static unsigned iterations_max(const struct guest_cpu *cpu)
{
    return (cpu->state.rflags & RFLAGS_TF) != 0 || cpu->vcpu->is_watched ? 1 : ITERATIONS_MAX;
}

static enum exit_action finish(struct guest_cpu *cpu, enum insn_outcome outcome,
                               const struct insn_fault *fault)
{
    if (outcome != INSN_FAILED)
        store(cpu);
    switch (outcome) {
    case INSN_DONE: events_pend_breakpoints(cpu->met); return EXIT_NEXT_INSTRUCTION;
    case INSN_AGAIN:
        /* A debug trap comes after each iteration, with RIP on the instruction. */
        events_leave_shadow();
        events_pend_breakpoints(cpu->met);
        events_pend_single_step(cpu->state.rflags);
        return EXIT_RESUME;
    case INSN_FAULT: return inject(cpu->vcpu, fault);
    case INSN_RETRY: return enter_again(cpu->vcpu);
    case INSN_FAILED: break;
    }
    return vcpu_refuse(
        cpu->vcpu, VECTOR_UD,
        "an instruction's operand cannot be reached: paging structures that are not in RAM, "
        "or a far jump that is not one to a code segment");
}

/* Bits of insn_cache_key.code. CS's access rights have bits 16:0; the bits above are what else
 * fetch and decoding depend on. */
#define CODE_IS_LEGACY  (UINT32_C(1) << 20)
#define CODE_HAS_PSE    (UINT32_C(1) << 21)
#define CODE_MODE(mode) ((uint32_t)(mode) << 24)

struct insn_cache_key vcpu_legacy_code_key(const struct vcpu *vcpu, uint64_t rip,
                                           uint32_t cs_access_rights)
{
    const struct guest_paging paging = {.cr0 = vmx_vcpu_cr0(&vcpu->vmx),
                                        .cr4 = vmx_vcpu_cr4(&vcpu->vmx)};
    enum guest_paging_mode mode = guest_paging_mode_of(&paging);
    uint32_t linear = (uint32_t)(rip + vmcs_read_natural(VMCS_GUEST_CS_BASE));
    struct insn_cache_key key = {
        .linear = linear,
        .code = cs_access_rights | CODE_IS_LEGACY | CODE_MODE(mode) |
                ((paging.cr4 & CR4_PSE) != 0 ? CODE_HAS_PSE : 0),
    };

    if (mode == GUEST_PAGING_PAE)
        key.root = vmcs_read64((enum vmcs_field64)(VMCS_GUEST_PDPTE0 + 2 * (linear >> 30)));
    else if (mode == GUEST_PAGING_32_BIT)
        key.root = vmcs_read_natural(VMCS_GUEST_CR3);
    return key;
}

/* An instruction while it is fetched. */
struct fetched {
    uint8_t bytes[INSN_LENGTH_MAX];
    size_t count;
    struct guest_translation translation; /* of the first byte */
    enum insn_access_result access;
    struct insn_fault fault;
};

/* Fetches and decodes the instruction at RIP. Reads the second page only if the first does not hold
 * all of the instruction. */
static enum insn_result fetch_and_decode(struct guest_cpu *cpu, struct insn *insn,
                                         struct fetched *fetched)
{
    uint64_t linear = cpu->state.rip;
    enum insn_result result = INSN_INCOMPLETE;

    if (cpu->state.mode != INSN_MODE_64)
        linear = (uint32_t)(linear + vmcs_read_natural(VMCS_GUEST_CS_BASE));
    *fetched = (struct fetched){.access = INSN_ACCESS_OK};
    while (fetched->count < INSN_LENGTH_MAX && result == INSN_INCOMPLETE) {
        gva_t address = GVA(linear + fetched->count);
        size_t in_page = PAGE_SIZE - (address.value & (PAGE_SIZE - 1));
        size_t left = INSN_LENGTH_MAX - fetched->count;
        size_t length = left < in_page ? left : in_page;
        struct guest_translation translation;
        const uint8_t *memory;

        fetched->access = vcpu_linear_translate(&cpu->linear, address, GUEST_ACCESS_EXECUTE,
                                                &translation, &fetched->fault);
        if (fetched->access != INSN_ACCESS_OK)
            return INSN_UNSUPPORTED;
        if (fetched->count == 0)
            fetched->translation = translation;
        memory = guest_memory(cpu->vcpu->guest, translation.address, length);
        if (memory == NULL) {
            fetched->access = INSN_ACCESS_FAILED;
            return INSN_UNSUPPORTED;
        }
        memcpy(fetched->bytes + fetched->count, memory, length);
        fetched->count += length;
        result = insn_decode(fetched->bytes, fetched->count, cpu->state.mode, insn);
    }
    return result;
}

static const void *memory_of_guest(void *context, gpa_t address, size_t size_bytes)
{
    return guest_memory(context, address, size_bytes);
}

/* Keeps the instruction in the vCPU's insn_cache if it is a plain one. */
static void remember(const struct guest_cpu *cpu, const struct insn *insn,
                     const struct fetched *fetched)
{
    const struct insn_cache_source source = {.bytes = fetched->bytes,
                                             .translation = &fetched->translation,
                                             .memory = memory_of_guest,
                                             .context = cpu->vcpu->guest};
    struct insn_cache_key key;
    struct insn_plain plain;

    if (cpu->vcpu->is_watched || !insn_make_plain(insn, cpu->state.mode, cpu->state.rip, &plain) ||
        plain.is_store != cpu->violation->is_write)
        return;
    plain.cause = cpu->violation->cause;
    key = vcpu_code_key(cpu->vcpu, vmcs_guest_rip());
    insn_cache_keep(&cpu->vcpu->insn_cache, &key, &plain, &source);
}

static uint64_t count_exits(const struct vcpu *vcpu)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
        count += vcpu->exits[i].count;
    return count;
}

/* Refuses an instruction that is not emulated, if the exit after the last one is due to it again.
 * At the first time it need not be what the processor executed: for example another vCPU has
 * replaced the first byte of that by INT3. */
static enum exit_action refuse_instruction(struct vcpu *vcpu, uint64_t rip, const uint8_t *bytes,
                                           gpa_t address)
{
    struct vcpu_unknown *unknown = &vcpu->unknown;
    uint64_t exit_count = count_exits(vcpu);

    if (unknown->rip != rip || unknown->exit_count + 1 != exit_count ||
        memcmp(unknown->bytes, bytes, sizeof(unknown->bytes)) != 0) {
        unknown->rip = rip;
        unknown->exit_count = exit_count;
        memcpy(unknown->bytes, bytes, sizeof(unknown->bytes));
        return enter_again(vcpu);
    }
    return vcpu_refuse(
        vcpu, VECTOR_UD,
        "the instruction %02x %02x %02x %02x %02x %02x %02x %02x that touches MMIO at 0x%lx is "
        "not one that is emulated",
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        address.value);
}

enum exit_action vcpu_execute(struct vcpu *vcpu, const struct vcpu_violation *violation)
{
    struct guest_cpu cpu = {.violation = violation};
    struct insn insn;
    struct fetched fetched;
    struct insn_fault fault = {0};

    load_code(&cpu, vcpu);
    switch (fetch_and_decode(&cpu, &insn, &fetched)) {
    case INSN_DECODED: break;
    case INSN_UNDEFINED: events_inject_exception(vcpu, VECTOR_UD, 0); return EXIT_RESUME;
    case INSN_INCOMPLETE: /* 15 bytes without an end */
    case INSN_TOO_LONG: events_inject_exception(vcpu, VECTOR_GP, 0); return EXIT_RESUME;
    case INSN_UNSUPPORTED:
        /* The processor has fetched the instruction, but it is no longer where it was. */
        if (fetched.access != INSN_ACCESS_OK)
            return enter_again(vcpu);
        return refuse_instruction(vcpu, cpu.state.rip, fetched.bytes, violation->address);
    }
    if (insn.op == INSN_INS || insn.op == INSN_OUTS)
        return enter_again(vcpu);
    remember(&cpu, &insn, &fetched);
    vcpu->decoded_length = insn.length;
    load_operands(&cpu, insn_segments(&insn, cpu.state.mode));
    struct insn_env env = environment(&cpu);
    enum insn_outcome outcome = insn_execute(&insn, &cpu.state, &env, iterations_max(&cpu), &fault);

    enum exit_action action = finish(&cpu, outcome, &fault);

    if (outcome == INSN_DONE && insn.op >= INSN_CALL && insn.op <= INSN_JMP_FAR) {
        vmcs_write_natural(VMCS_GUEST_RIP, cpu.state.rip);
        events_pend_branch_step(cpu.state.rflags);
    }
    vcpu->begins_shadow = insn.op == INSN_MOV_TO_SEGMENT && insn.destination.reg == INSN_SS;
    return action == EXIT_NEXT_INSTRUCTION ? EXIT_NEXT_DECODED : action;
}

enum exit_action vcpu_string_io(struct vcpu *vcpu, const struct exit_io *io)
{
    struct exit_string_io information =
        exit_information_string_io(vmcs_read32(VMCS_EXIT_INSTRUCTION_INFO));
    struct insn_string_io string_io = {
        .port = io->port,
        .size_bytes = io->size_bytes,
        .is_in = io->is_in,
        .repeat = io->has_rep,
        .address_size_bytes = information.address_size_bytes,
        .segment = io->is_in ? INSN_ES : (enum insn_segment_register)information.segment,
    };
    struct guest_cpu cpu = {.violation = NULL};
    struct insn_fault fault = {0};

    load_code(&cpu, vcpu);
    load_operands(&cpu, insn_segments_that_count(1u << string_io.segment, cpu.state.mode));
    struct insn_env env = environment(&cpu);
    enum insn_outcome outcome =
        insn_execute_string_io(&string_io, &cpu.state, &env, iterations_max(&cpu), &fault);
    return finish(&cpu, outcome, &fault);
}

enum exit_action vcpu_switch_task(struct vcpu *vcpu, struct insn_task_switch *task,
                                  const uint32_t *error_code)
{
    struct guest_cpu cpu = {.violation = NULL};
    struct insn_fault fault = {0};
    enum insn_outcome outcome;

    load_code(&cpu, vcpu);
    load_operands(&cpu, INSN_SEGMENTS_ALL);
    struct insn_env env = environment(&cpu);

    outcome = insn_switch_task(task, &cpu.state, &env, &fault);
    if (task->is_entered) {
        vcpu->event.info = 0;
        store(&cpu);
        vmcs_write_natural(VMCS_GUEST_RIP, cpu.state.rip);
    }
    if (outcome == INSN_DONE && error_code != NULL) {
        load_code(&cpu, vcpu);
        load_operands(&cpu, INSN_SEGMENTS_ALL);
        outcome = insn_task_push(task, *error_code, &cpu.state, &env, &fault);
        if (outcome == INSN_DONE)
            store(&cpu);
    }
    switch (outcome) {
    case INSN_DONE: break;
    case INSN_AGAIN: break; /* only for string instructions */
    case INSN_FAULT: return inject(vcpu, &fault);
    case INSN_RETRY: /* the switch is done in part, and cannot begin again */
    case INSN_FAILED:
        return vcpu_refuse(vcpu, VECTOR_TS,
                           "task switch to TSS 0x%04x: what belongs to it is not in RAM",
                           task->selector);
    }
    return EXIT_RESUME;
}
