/* An access as the run loop makes it for IN and OUT (vmm/exit_io.h): the shortest way first. */
#ifndef TESTS_UNIT_IOBUS_PORT_H
#define TESTS_UNIT_IOBUS_PORT_H

#include "vmm/iobus/iobus.h"

/* As iobus_access. What is no access of a port goes there at once. */
static inline void access_as_run_loop(struct iobus *bus, struct iobus_reader *reader,
                                      struct io_access *access)
{
    struct iobus_asked asked;
    uint64_t value, tsc = iobus_read_tsc();

    if (access->size > 4 || access->address > IOBUS_PORT_LAST) {
        iobus_access(bus, reader, access);
        return;
    }
    switch (iobus_ask_port(bus, reader, access, &value, &tsc, &asked)) {
    case IOBUS_ANSWERED:
        if (!access->is_write)
            access->value = value & iobus_byte_masks[access->size];
        break;
    case IOBUS_NOT_ASKED: iobus_access(bus, reader, access); break;
    case IOBUS_DECLINED: iobus_access_declined(asked.table, reader, access, asked.call); break;
    }
}

#endif
