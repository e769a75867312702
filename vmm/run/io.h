// SPDX-License-Identifier: BSD-2-Clause
/* Handles I/O instructions: makes a struct io_access from the exit qualification, which the bus
 * answers. The functions are inline because guests make this exit most often: the run loop has free
 * registers, which a separate function would have to save. */
#ifndef VMM_RUN_IO_H
#define VMM_RUN_IO_H

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/vmcs.h"
#include "vmm/guest/guest.h"
#include "vmm/iobus/fast.h"
#include "vmm/vcpu/vcpu.h"

/* Returns the port access that a qualification describes. The instruction is not a string
 * instruction. */
static inline __attribute__((always_inline)) struct io_access
exit_io_access(const struct vcpu *vcpu, uint64_t qualification, bool is_write)
{
    uint64_t size_bytes = EXIT_IO_SIZE_BYTES(qualification);

    return (struct io_access){
        .address = EXIT_IO_PORT(qualification),
        .value = is_write ? vcpu->vmx.registers.gpr[GPR_RAX] & iobus_byte_masks[size_bytes] : 0,
        .size = (uint8_t)size_bytes,
        .is_write = is_write,
    };
}

/* Puts the value that IN has read into the accumulator. IN to AL and AX keeps the rest of RAX; IN
 * to EAX clears the upper half (SDM vol. 2A, "IN"). */
static inline void exit_io_set_accumulator(struct vcpu *vcpu, uint64_t size_bytes, uint64_t value)
{
    uint64_t *rax = &vcpu->vmx.registers.gpr[GPR_RAX];

    if (size_bytes == 1)
        *(uint8_t *)rax = (uint8_t)value;
    else if (size_bytes == 2)
        *(uint16_t *)rax = (uint16_t)value;
    else
        *rax = (uint32_t)value;
}

/* Makes an access that the fast half did not make, and sets the accumulator after a read. table and
 * call are those of iobus_access_slow: call is the one that declined the access, or null. Reads the
 * access from the VMCS again, so that the fast half need not keep it. */
void exit_io_slow(struct vcpu *vcpu, const struct iobus_table *table,
                  const struct iobus_call *call);

/* Makes one port access. *tsc is the time-stamp of the exit, and becomes one taken at the end. */
static inline __attribute__((always_inline)) void
exit_io_port(struct vcpu *vcpu, uint64_t qualification, bool is_write, uint64_t *tsc)
{
    struct io_access access = exit_io_access(vcpu, qualification, is_write);
    struct iobus_found found;
    uint64_t value;

    if (__builtin_expect(!iobus_fast(&vcpu->guest->ports, true, &vcpu->ports_reader, &access,
                                     &found, &value, tsc),
                         0)) {
        exit_io_slow(vcpu, found.table, found.call);
        *tsc = iobus_read_tsc();
    } else if (!is_write)
        exit_io_set_accumulator(vcpu, EXIT_IO_SIZE_BYTES(qualification), value);
}

/* Executes IN or OUT. *tsc is the time-stamp of the exit, and becomes one taken at the end. Returns
 * false for a string instruction; then nothing has happened. */
static inline __attribute__((always_inline)) bool exit_io_instruction(struct vcpu *vcpu,
                                                                      uint64_t *tsc)
{
    uint64_t qualification = vmcs_exit_qualification();

    if (__builtin_expect((qualification & EXIT_IO_STRING) != 0, 0))
        return false;
    /* The compiler makes two copies, each for one direction. */
    if ((qualification & EXIT_IO_IN) == 0)
        exit_io_port(vcpu, qualification, true, tsc);
    else
        exit_io_port(vcpu, qualification, false, tsc);
    return true;
}

#endif
