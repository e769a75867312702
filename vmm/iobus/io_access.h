// SPDX-License-Identifier: BSD-2-Clause
/* One port or MMIO access, as the bus and the devices see it. */
#ifndef VMM_IOBUS_IO_ACCESS_H
#define VMM_IOBUS_IO_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

struct io_access {
    uint64_t address; /* port number or guest-physical address of the first byte */
    uint64_t value;   /* write: the value written, upper bytes 0; read: the handler's result */
    uint8_t size;     /* in bytes: 1, 2, 4 or 8 */
    bool is_write;
    void *initiator; /* whose access it is: what the reader was attached with (iobus.h). Null: it is
                        nobody's any more, as it was queued meanwhile */
};

/* A device's answer to an access. */
enum io_outcome {
    IO_HANDLED,
    IO_DECLINED, /* the device does not want it: the bus asks the next candidate */
};

/* A handler may run on any vCPU, or outside of all: on whose behalf it runs, only access->initiator
 * says. It may register and remove ranges of the same bus. */
typedef enum io_outcome io_handler(void *context, struct io_access *access);

#endif
