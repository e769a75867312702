// SPDX-License-Identifier: BSD-2-Clause
/* The rarer half of the I/O instructions; io.h has the frequent half. */
#include "vmm/run/io.h"

#include "vmm/run/exits.h"
#include "vmm/vcpu/execute.h"

void exit_io_slow(struct vcpu *vcpu, const struct iobus_table *table, const struct iobus_call *call)
{
    uint64_t qualification = vmcs_read_natural(VMCS_EXIT_QUALIFICATION);
    bool is_write = (qualification & EXIT_IO_IN) == 0;
    struct io_access access = exit_io_access(vcpu, qualification, is_write);

    iobus_access_slow(&vcpu->guest->ports, &vcpu->ports_reader, &access, table, call);
    if (!is_write)
        exit_io_set_accumulator(vcpu, access.size, access.value);
}

enum exit_action exit_io_string(struct vcpu *vcpu)
{
    struct exit_io io = exit_qualification_io(vmcs_read_natural(VMCS_EXIT_QUALIFICATION));

    return vcpu_string_io(vcpu, &io);
}
