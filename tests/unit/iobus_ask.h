/* An access as the run loop makes it (vmm/exit_io.h, vmm/exit_mmio.h): the shortest way first. */
#ifndef TESTS_UNIT_IOBUS_ASK_H
#define TESTS_UNIT_IOBUS_ASK_H

#include "vmm/iobus/ask.h"

/* As iobus_access. What is no access of a port goes there at once, on a bus of ports. */
static inline void access_as_run_loop(struct iobus *bus, struct iobus_reader *reader,
                                      struct io_access *access)
{
    struct iobus_asked asked;
    uint64_t value, tsc = iobus_read_tsc();
    enum iobus_answer answer;

    if (bus->address_last != IOBUS_PORT_LAST)
        answer = iobus_ask_memory(bus, reader, access, &value, &tsc, &asked);
    else if (access->size > 4 || access->address > IOBUS_PORT_LAST)
        answer = IOBUS_NOT_ASKED;
    else
        answer = iobus_ask_port(bus, reader, access, &value, &tsc, &asked);
    switch (answer) {
    case IOBUS_ANSWERED:
        if (!access->is_write)
            access->value = value & iobus_byte_masks[access->size];
        break;
    case IOBUS_NOT_ASKED: iobus_access(bus, reader, access); break;
    case IOBUS_DECLINED: iobus_access_declined(asked.table, reader, access, asked.call); break;
    }
}

#endif
