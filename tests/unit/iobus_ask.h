// SPDX-License-Identifier: BSD-2-Clause
/* An access as the run loop makes it (vmm/run/io.h, vmm/run/mmio.h): the shortest way first. */
#ifndef TESTS_UNIT_IOBUS_ASK_H
#define TESTS_UNIT_IOBUS_ASK_H

#include "vmm/iobus/fast.h"

/* As iobus_access. What is no access of a port goes there at once, on a bus of ports. */
static inline void access_as_run_loop(struct iobus *bus, struct iobus_reader *reader,
                                      struct io_access *access)
{
    struct iobus_question question = {0};
    uint64_t value, tsc = iobus_read_tsc();
    enum iobus_answer answer;

    if (bus->address_last != IOBUS_PORT_LAST)
        answer = iobus_question_memory(bus, reader, access, &question);
    else if (access->size > 4 || access->address > IOBUS_PORT_LAST)
        answer = IOBUS_NOT_ASKED;
    else
        answer = iobus_question_port(bus, reader, access, &question);
    switch (answer) {
    case IOBUS_CALL:
        if (!iobus_ask(reader, &question, access, &value, &tsc))
            iobus_access_declined(question.table, reader, access, question.call);
        else if (!access->is_write)
            access->value = value & iobus_byte_masks[access->size];
        break;
    case IOBUS_NOBODY:
        if (!access->is_write)
            access->value = iobus_byte_masks[access->size];
        break;
    case IOBUS_NOT_ASKED: iobus_access(bus, reader, access); break;
    }
}

#endif
