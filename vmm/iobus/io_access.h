// SPDX-License-Identifier: BSD-2-Clause
/* One port or MMIO access, as the bus and the devices see it. */
#ifndef VMM_IOBUS_IO_ACCESS_H
#define VMM_IOBUS_IO_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

struct io_access {
    uint64_t address; /* port number or guest-physical address of the first byte */
    uint64_t value;   /* write: what is written, upper bytes 0; read: set by whoever answers */
    uint8_t size;     /* in bytes: 1, 2, 4 or 8 */
    bool is_write;
};

/* What a device says of an access that reached it. */
enum io_outcome {
    IO_HANDLED,
    IO_DECLINED, /* not mine after all: the bus asks the next candidate */
};

/* Runs on the vCPU that made the access. May register and remove ranges of the same bus. */
typedef enum io_outcome io_handler(void *context, struct io_access *access);

#endif
