/* I/O instructions: the exit qualification becomes a struct io_access, the bus answers. */
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/vmcs.h"
#include "vmm/exits.h"
#include "vmm/guest.h"
#include "vmm/guest_cpu.h"

/* IN to AL and AX leaves the rest of RAX alone, IN to EAX clears it (SDM vol. 2A, "IN"). */
static void set_accumulator(struct vcpu *vcpu, unsigned size_bytes, uint64_t value)
{
    uint64_t *rax = &vcpu->vmx.registers.gpr[GPR_RAX];

    if (size_bytes == 4)
        *rax = (uint32_t)value;
    else
        *rax = (*rax & ~bytes_mask(size_bytes)) | value;
}

enum exit_action exit_io_instruction(struct vcpu *vcpu)
{
    uint64_t qualification = vmcs_read_natural(VMCS_EXIT_QUALIFICATION);

    if (__builtin_expect((qualification & EXIT_IO_STRING) != 0, 0)) {
        struct exit_io io = exit_qualification_io(qualification);

        return guest_cpu_string_io(vcpu, &io);
    }

    unsigned size_bytes = EXIT_IO_SIZE_BYTES(qualification);
    struct io_access access = {
        .address = EXIT_IO_PORT(qualification),
        .size = (uint8_t)size_bytes,
        .is_write = (qualification & EXIT_IO_IN) == 0,
        .value = vcpu->vmx.registers.gpr[GPR_RAX] & bytes_mask(size_bytes),
    };
    iobus_access(&vcpu->guest->ports, &vcpu->ports_reader, &access);
    if (!access.is_write)
        set_accumulator(vcpu, size_bytes, access.value);
    return EXIT_NEXT_INSTRUCTION;
}
