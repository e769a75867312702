// SPDX-License-Identifier: BSD-2-Clause
/* I/O instructions: the exit qualification becomes a struct io_access, the bus answers. Inline, as
 * it is the exit that a guest makes most: the run loop has the registers free that a function of
 * its own would have to save. */
#ifndef VMM_RUN_IO_H
#define VMM_RUN_IO_H

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/vmcs.h"
#include "vmm/guest/guest.h"
#include "vmm/iobus/fast.h"
#include "vmm/vcpu/vcpu.h"

/* The port access of a qualification, which is not that of a string instruction. */
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

/* IN to AL and AX leaves the rest of RAX alone, IN to EAX clears it (SDM vol. 2A, "IN"). */
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

/* The slow half: an access that call declined; with null, one that is made from the beginning.
 * Takes it from the VMCS once more, so that nothing has to be kept for it. */
void exit_io_slow(struct vcpu *vcpu, const struct iobus_table *table,
                  const struct iobus_call *call);

/* *tsc as for iobus_fast. */
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

/* One IN or OUT, carried out. *tsc: of the exit; then of the end of what was done. False: a string
 * instruction, nothing has happened. */
static inline __attribute__((always_inline)) bool exit_io_instruction(struct vcpu *vcpu,
                                                                      uint64_t *tsc)
{
    uint64_t qualification = vmcs_exit_qualification();

    if (__builtin_expect((qualification & EXIT_IO_STRING) != 0, 0))
        return false;
    /* Two copies, each of which knows its direction. */
    if ((qualification & EXIT_IO_IN) == 0)
        exit_io_port(vcpu, qualification, true, tsc);
    else
        exit_io_port(vcpu, qualification, false, tsc);
    return true;
}

#endif
