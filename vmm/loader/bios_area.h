// SPDX-License-Identifier: BSD-2-Clause
/* What BIOS-era software expects in a PC's memory, and the state in which it expects the chips:
 * interrupt vectors with handlers that acknowledge, the BIOS data areas, the reset vector. IBM,
 * "PS/2 and PC BIOS Interface Technical Reference", sections "Interrupt Vector Table", "BIOS Data
 * Area", "ROM BIOS Data and System Identification".
 *
 *     0000:0000  256 vectors, all into the BIOS
 *     0040:0000  BIOS data area
 *     9fc0:0000  extended BIOS data area, 1 KiB
 *     f000:0000  nothing: room for other tables (GUEST_BIOS_TABLES_BYTES)
 *     f000:e000  the handlers
 *     f000:fff0  reset vector, date, model
 *
 * The handlers acknowledge hardware interrupts (vectors 0x08-0x0f, 0x70-0x77). The tick at
 * 0040:006c counts from 0 when the guest starts. Three services exist: INT 11h (equipment), INT 12h
 * (size of low memory) and INT 18h/19h (reset). INT 13h and 15h fail as unsupported; all others
 * return. */
#ifndef VMM_LOADER_BIOS_AREA_H
#define VMM_LOADER_BIOS_AREA_H

#include "vmm/base/types.h"

/* Writes all of these areas into a guest's RAM: the parts of page 0 that are not 0, the first byte
 * of the extended BIOS data area, and GUEST_BIOS_AREA
 * without its first GUEST_BIOS_TABLES_BYTES, up to 1 MiB. ram: at least 1 MiB, zeroed, in
 * the layout of vmm/loader/memory_layout.h. */
void bios_area_write(uint8_t *ram);

struct bios_port_write {
    uint16_t port;
    uint8_t value;
};

/* The bytes that a BIOS writes to the chips before it starts anything, in this order: 8259As at
 * vectors 0x08 and 0x70 with timer, keyboard and cascade unmasked; 8254 counter 0 with the full
 * count (18.2 Hz), counter 1 at the refresh rate. The monitor writes them to the guest's ports
 * before the guest's first instruction. */
extern const struct bios_port_write bios_port_writes[];
extern const size_t bios_port_write_count;

#endif
