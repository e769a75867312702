// SPDX-License-Identifier: BSD-2-Clause
/* The device that test suites for virtual machines know as QEMU's "pc-testdev": a latch that
 * returns what was written, ports that raise and lower interrupt lines, memory in which every
 * access traps, and a port that drops a page from the monitor's translations. There is no
 * datasheet; the device behaves as QEMU's does. */
#ifndef VMM_DEVICES_TESTDEV_H
#define VMM_DEVICES_TESTDEV_H

#include "vmm/devices/line.h"

#include <stdint.h>

#define TESTDEV_LATCH_PORT   0xe0 /* an access has 1, 2 or 4 bytes */
#define TESTDEV_LATCH_COUNT  4
#define TESTDEV_FLUSH_PORT   0xe4 /* 4 bytes in one access */
#define TESTDEV_FLUSH_COUNT  4
#define TESTDEV_BYTES_PORT   0xe8 /* the same latch, one byte in one access */
#define TESTDEV_LINE_PORT    0x2000
#define TESTDEV_LINE_COUNT   24         /* one port for each line, one byte in one access */
#define TESTDEV_MEMORY       0xff000000 /* guest-physical */
#define TESTDEV_MEMORY_BYTES 0x10000

struct testdev_wires {
    struct line lines[TESTDEV_LINE_COUNT]; /* the device drives each line as a source of its own */
    /* Called when the guest asks to drop all copies of this page's translation, in the monitor and
     * in the processor. page: guest-physical, below 4 GiB, a multiple of 4 KiB; it need not be
     * memory. The guest sees no difference. Null: there is nothing to drop. */
    void (*flush_page)(void *context, uint64_t page);
    void *context;
    uint8_t *memory; /* the device's TESTDEV_MEMORY_BYTES; null: reads are all ones, writes do
                        nothing */
};

struct testdev {
    struct testdev_wires wires;
    uint32_t latch;
};

/* Sets up the device, copies the wires, and resets it. */
void testdev_init(struct testdev *testdev, const struct testdev_wires *wires);

/* Sets the latch and the memory to zero and the lines low. */
void testdev_reset(struct testdev *testdev);

/* Read and write the latch, four bytes: size_bytes (1, 2 or 4) at offset 0..3. Each byte keeps what
 * was last written to it. Bytes after the fourth read as ones and ignore writes. */
uint32_t testdev_latch_read(const struct testdev *testdev, unsigned offset, unsigned size_bytes);
void testdev_latch_write(struct testdev *testdev, unsigned offset, unsigned size_bytes,
                         uint32_t value);

/* Read and write the flush port. A write of 4 bytes is an address in the page to drop and calls
 * flush_page; other sizes do nothing. Reads are 0. */
uint32_t testdev_flush_read(const struct testdev *testdev);
void testdev_flush_write(const struct testdev *testdev, unsigned size_bytes, uint32_t value);

/* Read and write the port of line 0..23: a byte other than 0 raises the line, 0 lowers it. Reads
 * are 0. Other lines do not exist: an access does nothing. */
uint8_t testdev_line_read(const struct testdev *testdev, unsigned line);
void testdev_line_write(struct testdev *testdev, unsigned line, uint8_t value);

/* Read and write the memory: size_bytes (1..8) at any offset, little-endian. Bytes behind its end
 * read as ones and ignore writes. */
uint64_t testdev_memory_read(const struct testdev *testdev, uint64_t offset, unsigned size_bytes);
void testdev_memory_write(struct testdev *testdev, uint64_t offset, unsigned size_bytes,
                          uint64_t value);

#endif
