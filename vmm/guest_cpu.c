#include "vmm/guest_cpu.h"

#include "arch/x86/cpu.h"
#include "arch/x86/insn/insn_execute.h"
#include "arch/x86/insn/insn_string_io.h"
#include "arch/x86/memory/guest_paging.h"
#include "arch/x86/msr.h"
#include "vmm/exits.h"
#include "vmm/guest.h"

#include <string.h>

/* So many iterations of a repeated string instruction are made for one exit; between exits
 * interrupts get their turn. */
#define ITERATIONS_MAX 64

#define PENDING_SINGLE_STEP BIT(14) /* of the VMCS's pending debug exceptions */

/* What one instruction works with, taken out of the VMCS once. */
struct guest_cpu {
    struct vcpu *vcpu;
    struct insn_state state;
    struct guest_paging paging;
};

/* --- Registers --- */

static uint32_t read_pkru(void)
{
    uint64_t cr4 = read_cr4();
    uint32_t pkru;

    write_cr4(cr4 |
              CR4_PKE); /* else RDPKRU is #UD; the monitor has no user pages for keys to act on */
    __asm__ volatile("rdpkru" : "=a"(pkru) : "c"(0) : "rdx");
    write_cr4(cr4);
    return pkru;
}

static void load_paging(struct guest_cpu *cpu)
{
    struct guest_paging *paging = &cpu->paging;

    *paging = (struct guest_paging){
        .cr0 = vmx_vcpu_cr0(),
        .cr3 = vmcs_read_natural(VMCS_GUEST_CR3),
        .cr4 = vmx_vcpu_cr4(),
        .efer = vmcs_read64(VMCS_GUEST_IA32_EFER),
        .rflags = vmcs_read_natural(VMCS_GUEST_RFLAGS),
        .physical_address_bits = cpu->vcpu->physical_address_bits,
        .has_1g_pages = cpu->vcpu->has_1g_pages,
    };
    if (guest_paging_mode(paging) == GUEST_PAGING_PAE) {
        for (unsigned i = 0; i < 4; i++)
            paging->pdpte[i] = vmcs_read64((enum vmcs_field64)(VMCS_GUEST_PDPTE0 + 2 * i));
    }
    if ((paging->cr4 & CR4_PKE) != 0)
        paging->pkru = read_pkru();
}

static enum insn_mode code_mode(const struct guest_cpu *cpu, uint32_t cs_access_rights)
{
    if ((cpu->paging.efer & EFER_LMA) != 0 && (cs_access_rights & ACCESS_RIGHTS_L) != 0)
        return INSN_MODE_64;
    return (cs_access_rights & ACCESS_RIGHTS_D) != 0 ? INSN_MODE_32 : INSN_MODE_16;
}

static void load(struct guest_cpu *cpu, struct vcpu *vcpu)
{
    struct insn_state *state = &cpu->state;

    cpu->vcpu = vcpu;
    load_paging(cpu);
    for (unsigned i = 0; i < INSN_GPR_COUNT; i++)
        state->gpr[i] = vmx_vcpu_gpr(&vcpu->vmx, i);
    state->rip = vmcs_read_natural(VMCS_GUEST_RIP);
    state->rflags = cpu->paging.rflags;
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        struct vmx_segment segment = vmx_vcpu_segment((enum segment)i);
        state->segments[i] = (struct insn_segment){
            .base = segment.base, .limit = segment.limit, .access_rights = segment.access_rights};
    }
    state->mode = code_mode(cpu, state->segments[INSN_CS].access_rights);
    state->protected_mode = cpu->paging.cr0 & CR0_PE;
    state->alignment_mask = cpu->paging.cr0 & CR0_AM;
    state->cpl = (uint8_t)ACCESS_RIGHTS_DPL(state->segments[INSN_SS].access_rights);
    state->linear_address_bits = (cpu->paging.cr4 & CR4_LA57) != 0 ? 57 : 48;
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

/* --- Memory: linear to guest-physical, then RAM or the MMIO bus --- */

static bool read_table(void *context, gpa_t address, size_t size_bytes, uint64_t *value)
{
    struct guest_cpu *cpu = context;
    const uint8_t *memory = guest_memory(cpu->vcpu->guest, address, size_bytes);

    if (memory == NULL)
        return false;
    *value = size_bytes == 4
                 ? __atomic_load_n((const uint32_t *)(const void *)memory, __ATOMIC_RELAXED)
                 : __atomic_load_n((const uint64_t *)(const void *)memory, __ATOMIC_RELAXED);
    return true;
}

static bool exchange_table(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                           uint64_t desired)
{
    struct guest_cpu *cpu = context;
    void *memory = guest_memory(cpu->vcpu->guest, address, size_bytes);
    uint32_t expected32 = (uint32_t)expected;

    if (memory == NULL)
        return false;
    if (size_bytes == 4)
        return __atomic_compare_exchange_n((uint32_t *)memory, &expected32, (uint32_t)desired,
                                           false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n((uint64_t *)memory, &expected, desired, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static enum insn_access_result translate(struct guest_cpu *cpu, gva_t address,
                                         enum guest_access_kind kind, gpa_t *physical,
                                         struct insn_fault *fault)
{
    const struct guest_paging_memory tables = {
        .context = cpu, .read = read_table, .compare_exchange = exchange_table};
    const struct guest_access access = {.kind = kind, .cpl = cpu->state.cpl};
    struct guest_translation translation;

    switch (guest_paging_translate(&cpu->paging, &tables, address, &access, &translation)) {
    case GUEST_PAGING_OK: *physical = translation.address; return INSN_ACCESS_OK;
    case GUEST_PAGING_FAULT:
        *fault = (struct insn_fault){.vector = VECTOR_PF,
                                     .has_error_code = true,
                                     .error_code = translation.error_code,
                                     .cr2 = address.value};
        return INSN_ACCESS_FAULT;
    case GUEST_PAGING_NO_TABLE:
    case GUEST_PAGING_RETRY: break;
    }
    return INSN_ACCESS_FAILED;
}

/* An access of up to 16 bytes lies in one page or in two. */
struct pieces {
    unsigned count;
    struct {
        gpa_t address;
        size_t size_bytes;
    } piece[2];
};

static enum insn_access_result translate_all(struct guest_cpu *cpu, gva_t address,
                                             size_t size_bytes, enum guest_access_kind kind,
                                             struct pieces *pieces, struct insn_fault *fault)
{
    pieces->count = 0;
    while (size_bytes > 0) {
        size_t in_page = PAGE_SIZE - (address.value & (PAGE_SIZE - 1));
        size_t length = size_bytes < in_page ? size_bytes : in_page;
        gpa_t physical;
        enum insn_access_result result = translate(cpu, address, kind, &physical, fault);

        if (result != INSN_ACCESS_OK)
            return result;
        pieces->piece[pieces->count].address = physical;
        pieces->piece[pieces->count++].size_bytes = length;
        address.value += length;
        size_bytes -= length;
    }
    return INSN_ACCESS_OK;
}

/* The bus takes 1, 2, 4 or 8 bytes: the largest of these that still fit, low address first. */
static void access_mmio(struct guest_cpu *cpu, gpa_t address, uint8_t *data, size_t size_bytes,
                        bool is_write)
{
    struct vcpu *vcpu = cpu->vcpu;

    while (size_bytes > 0) {
        uint8_t size = size_bytes >= 8 ? 8 : size_bytes >= 4 ? 4 : size_bytes >= 2 ? 2 : 1;
        struct io_access access = {.address = address.value, .size = size, .is_write = is_write};

        if (is_write)
            memcpy(&access.value, data, size);
        iobus_access(&vcpu->guest->mmio, &vcpu->mmio_reader, &access);
        if (!is_write)
            memcpy(data, &access.value, size);
        address.value += size;
        data += size;
        size_bytes -= size;
    }
}

static void access_pieces(struct guest_cpu *cpu, const struct pieces *pieces, uint8_t *data,
                          bool is_write)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        size_t size_bytes = pieces->piece[i].size_bytes;
        uint8_t *memory = guest_memory(cpu->vcpu->guest, pieces->piece[i].address, size_bytes);

        if (memory == NULL)
            access_mmio(cpu, pieces->piece[i].address, data, size_bytes, is_write);
        else if (is_write)
            memcpy(memory, data, size_bytes);
        else
            memcpy(data, memory, size_bytes);
        data += size_bytes;
    }
}

static enum insn_access_result on_read(void *context, gva_t address, void *data, size_t size_bytes,
                                       struct insn_fault *fault)
{
    struct guest_cpu *cpu = context;
    struct pieces pieces;
    enum insn_access_result result =
        translate_all(cpu, address, size_bytes, GUEST_ACCESS_READ, &pieces, fault);

    if (result == INSN_ACCESS_OK)
        access_pieces(cpu, &pieces, data, false);
    return result;
}

static enum insn_access_result on_write(void *context, gva_t address, const void *data,
                                        size_t size_bytes, struct insn_fault *fault)
{
    struct guest_cpu *cpu = context;
    struct pieces pieces;
    uint8_t copy[16];
    enum insn_access_result result =
        translate_all(cpu, address, size_bytes, GUEST_ACCESS_WRITE, &pieces, fault);

    if (result == INSN_ACCESS_OK) {
        memcpy(copy, data, size_bytes);
        access_pieces(cpu, &pieces, copy, true);
    }
    return result;
}

static enum insn_access_result on_probe(void *context, gva_t address, size_t size_bytes,
                                        bool is_write, struct insn_fault *fault)
{
    struct pieces pieces;

    return translate_all(context, address, size_bytes,
                         is_write ? GUEST_ACCESS_WRITE : GUEST_ACCESS_READ, &pieces, fault);
}

static enum insn_access_result access_port(struct guest_cpu *cpu, struct io_access *access)
{
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

static struct insn_env environment(struct guest_cpu *cpu)
{
    return (struct insn_env){
        .context = cpu,
        .read = on_read,
        .write = on_write,
        .probe = on_probe,
        .port_read = on_port_read,
        .port_write = on_port_write,
    };
}

/* --- Execution --- */

static enum exit_action inject(struct vcpu *vcpu, const struct insn_fault *fault)
{
    if (fault->vector == VECTOR_PF)
        vcpu_inject_page_fault(vcpu, GVA(fault->cr2), fault->error_code);
    else
        vcpu_inject_exception(vcpu, (enum trap_vector)fault->vector, fault->error_code);
    return EXIT_RESUME;
}

static unsigned iterations_max(const struct guest_cpu *cpu)
{
    return (cpu->state.rflags & RFLAGS_TF) != 0 ? 1 : ITERATIONS_MAX;
}

static enum exit_action finish(struct guest_cpu *cpu, enum insn_outcome outcome,
                               const struct insn_fault *fault)
{
    if (outcome != INSN_FAILED)
        store(cpu);
    switch (outcome) {
    case INSN_DONE: return EXIT_NEXT_INSTRUCTION;
    case INSN_AGAIN:
        /* Single-stepping traps after each iteration, with RIP on the instruction. */
        if ((cpu->state.rflags & RFLAGS_TF) != 0)
            vmcs_write_natural(VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, PENDING_SINGLE_STEP);
        return EXIT_RESUME;
    case INSN_FAULT: return inject(cpu->vcpu, fault);
    case INSN_FAILED: break;
    }
    guest_stop(cpu->vcpu->guest,
               "the paging structures of an instruction's operand are not in RAM");
    return EXIT_RESUME;
}

/* Fetches and decodes the instruction at RIP; reads the second page only if the first does not hold
 * all of it. */
static enum insn_result fetch_and_decode(struct guest_cpu *cpu, struct insn *insn,
                                         uint8_t bytes[INSN_LENGTH_MAX], size_t *count,
                                         enum insn_access_result *access, struct insn_fault *fault)
{
    uint64_t linear = cpu->state.segments[INSN_CS].base + cpu->state.rip;
    enum insn_result result = INSN_INCOMPLETE;

    if (cpu->state.mode != INSN_MODE_64)
        linear = (uint32_t)linear;
    *access = INSN_ACCESS_OK;
    for (*count = 0; *count < INSN_LENGTH_MAX && result == INSN_INCOMPLETE;) {
        gva_t address = GVA(linear + *count);
        size_t in_page = PAGE_SIZE - (address.value & (PAGE_SIZE - 1));
        size_t left = INSN_LENGTH_MAX - *count;
        size_t length = left < in_page ? left : in_page;
        const uint8_t *memory;
        gpa_t physical;

        *access = translate(cpu, address, GUEST_ACCESS_EXECUTE, &physical, fault);
        if (*access != INSN_ACCESS_OK)
            return INSN_UNSUPPORTED;
        memory = guest_memory(cpu->vcpu->guest, physical, length);
        if (memory == NULL) {
            *access = INSN_ACCESS_FAILED;
            return INSN_UNSUPPORTED;
        }
        memcpy(bytes + *count, memory, length);
        *count += length;
        result = insn_decode(bytes, *count, cpu->state.mode, insn);
    }
    return result;
}

static enum exit_action stop_at_instruction(struct vcpu *vcpu, const uint8_t *bytes, gpa_t address)
{
    guest_stop(
        vcpu->guest,
        "the instruction %02x %02x %02x %02x %02x %02x %02x %02x that touches MMIO at 0x%lx is "
        "not one that is emulated",
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        address.value);
    return EXIT_RESUME;
}

enum exit_action guest_cpu_execute(struct vcpu *vcpu, gpa_t address)
{
    struct guest_cpu cpu;
    struct insn insn;
    struct insn_fault fault = {0};
    enum insn_access_result access;
    uint8_t bytes[INSN_LENGTH_MAX] = {0};
    size_t count;

    load(&cpu, vcpu);
    switch (fetch_and_decode(&cpu, &insn, bytes, &count, &access, &fault)) {
    case INSN_DECODED: break;
    case INSN_UNDEFINED: vcpu_inject_exception(vcpu, VECTOR_UD, 0); return EXIT_RESUME;
    case INSN_INCOMPLETE: /* 15 bytes and no end */
    case INSN_TOO_LONG: return exit_general_protection(vcpu);
    case INSN_UNSUPPORTED:
        if (access == INSN_ACCESS_FAULT)
            return inject(vcpu, &fault);
        return stop_at_instruction(vcpu, bytes, address);
    }
    struct insn_env env = environment(&cpu);
    enum insn_outcome outcome = insn_execute(&insn, &cpu.state, &env, iterations_max(&cpu), &fault);

    vcpu->decoded_length = insn.length;
    return finish(&cpu, outcome, &fault);
}

enum exit_action guest_cpu_string_io(struct vcpu *vcpu, const struct exit_io *io)
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
    struct guest_cpu cpu;
    struct insn_fault fault = {0};

    load(&cpu, vcpu);
    struct insn_env env = environment(&cpu);
    enum insn_outcome outcome =
        insn_string_io(&string_io, &cpu.state, &env, iterations_max(&cpu), &fault);
    return finish(&cpu, outcome, &fault);
}

/* --- For dumps --- */

/* Dumps leave the guest's accessed flags alone: an entry counts as changed without being written.
 */
static bool leave_table_alone(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                              uint64_t desired)
{
    (void)context;
    (void)address;
    (void)size_bytes;
    (void)expected;
    (void)desired;
    return true;
}

size_t guest_cpu_peek(struct vcpu *vcpu, gva_t address, void *data, size_t size_bytes)
{
    struct guest_cpu cpu = {.vcpu = vcpu};
    const struct guest_paging_memory tables = {
        .context = &cpu, .read = read_table, .compare_exchange = leave_table_alone};
    const struct guest_access access = {.kind = GUEST_ACCESS_READ, .implicit_supervisor = true};
    size_t done = 0;

    load_paging(&cpu);
    while (done < size_bytes) {
        gva_t at = GVA(address.value + done);
        size_t in_page = PAGE_SIZE - (at.value & (PAGE_SIZE - 1));
        size_t length = size_bytes - done < in_page ? size_bytes - done : in_page;
        struct guest_translation translation;
        const uint8_t *memory;

        if (guest_paging_translate(&cpu.paging, &tables, at, &access, &translation) !=
            GUEST_PAGING_OK)
            break;
        memory = guest_memory(vcpu->guest, translation.address, length);
        if (memory == NULL)
            break;
        memcpy((uint8_t *)data + done, memory, length);
        done += length;
    }
    return done;
}
