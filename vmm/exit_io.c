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
    struct exit_io io = exit_qualification_io(vmcs_read_natural(VMCS_EXIT_QUALIFICATION));

    if (io.is_string)
        return guest_cpu_string_io(vcpu, &io);

    struct io_access access = {
        .address = io.port,
        .size = io.size_bytes,
        .is_write = !io.is_in,
        .value = io.is_in ? 0 : vcpu->vmx.registers.gpr[GPR_RAX] & bytes_mask(io.size_bytes),
    };
    iobus_access(&vcpu->guest->ports, &vcpu->ports_reader, &access);
    if (io.is_in)
        set_accumulator(vcpu, io.size_bytes, access.value);
    return EXIT_NEXT_INSTRUCTION;
}
