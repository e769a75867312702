// SPDX-License-Identifier: BSD-2-Clause
/* The firmware configuration device of QEMU's PCs: a selector, and a byte stream of the selected
 * item. QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device".
 *
 * The device has the items by which software recognises its machine: signature, interface revision,
 * RAM size, processor counts, the timer's interrupt override. All other items (UUID, display, boot
 * menu, kernel, command line, the directory of files with its count of 0) read as zeros, as items
 * that do not exist do. There is no DMA interface, and the revision shows that. */
#ifndef VMM_DEVICES_FW_CFG_H
#define VMM_DEVICES_FW_CFG_H

#include <stdint.h>

#define FW_CFG_PORT       0x510
#define FW_CFG_PORT_COUNT 2

enum {
    FW_CFG_SELECTOR = 0, /* port 0x510: 16 bits, write-only */
    FW_CFG_DATA = 1,     /* port 0x511: one byte with each read */
};

/* Selector values. Bit 15 marks items of this architecture. Bit 14 asks for write access, which no
 * item has. */
enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,       /* "QEMU" */
    FW_CFG_ID = 0x01,              /* 32 bits; bit 0: this interface, bit 1: DMA */
    FW_CFG_RAM_SIZE = 0x03,        /* 64 bits, in bytes */
    FW_CFG_NB_CPUS = 0x05,         /* 16 bits: processors at the start */
    FW_CFG_MAX_CPUS = 0x0f,        /* 16 bits: the highest APIC ID, plus 1 */
    FW_CFG_FILE_DIR = 0x19,        /* 32 bits, big-endian: the number of files */
    FW_CFG_IRQ0_OVERRIDE = 0x8002, /* 32 bits; 1: IRQ 0 is global system interrupt 2 */
};

struct fw_cfg {
    uint64_t ram_bytes;
    uint16_t cpu_count;
    uint16_t key;   /* the selected item */
    uint8_t offset; /* of the next byte; stays at the end of the longest item */
};

/* Sets up the device and resets it. ram_bytes: all of the guest's memory. cpu_count: the number of
 * its processors, whose APIC IDs are 0 to cpu_count - 1. */
void fw_cfg_init(struct fw_cfg *cfg, uint64_t ram_bytes, uint16_t cpu_count);

/* Selects the first byte of the signature. */
void fw_cfg_reset(struct fw_cfg *cfg);

/* Reads size_bytes (1 or 2) from FW_CFG_SELECTOR or FW_CFG_DATA. A byte of FW_CFG_DATA is the next
 * byte of the selected item; behind the item's end it is 0. For every other read nothing drives the
 * bus, so all bits are ones. */
uint16_t fw_cfg_read(struct fw_cfg *cfg, unsigned offset, unsigned size_bytes);

/* Writes size_bytes (1 or 2). 16 bits to FW_CFG_SELECTOR select an item at its first byte. Every
 * other write does nothing. */
void fw_cfg_write(struct fw_cfg *cfg, unsigned offset, unsigned size_bytes, uint16_t value);

#endif
