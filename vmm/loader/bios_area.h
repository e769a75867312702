// SPDX-License-Identifier: BSD-2-Clause
/* What software of the BIOS's time finds in a PC's memory, and how it finds the chips: interrupt
 * vectors with handlers that acknowledge, the BIOS data areas, the reset vector. IBM, "PS/2 and PC
 * BIOS Interface Technical Reference", sections "Interrupt Vector Table", "BIOS Data Area", "ROM
 * BIOS Data and System Identification".
 *
 *     0000:0000  256 vectors, all into the BIOS
 *     0040:0000  BIOS data area
 *     9fc0:0000  extended BIOS data area, 1 KiB
 *     f000:e000  the handlers
 *     f000:fff0  reset vector, date, model
 *
 * Hardware interrupts (vectors 0x08-0x0f, 0x70-0x77) are acknowledged and the tick at 0040:006c
 * counts on, from 0 when the guest starts. Of the services there are INT 11h (equipment), INT 12h
 * (size of low memory) and INT 18h/19h (reset); INT 13h and 15h fail as unsupported, all others
 * return. */
#ifndef VMM_LOADER_BIOS_AREA_H
#define VMM_LOADER_BIOS_AREA_H

#include "vmm/base/types.h"

/* Writes all of it into a guest's RAM: everything of page 0 that is not 0, the extended BIOS data
 * area's first byte, and GUEST_BIOS_AREA up to 1 MiB. ram: zeroed, at least 1 MiB of it, laid out
 * as vmm/loader/memory_layout.h has it. */
void bios_area_write(uint8_t *ram);

struct bios_port_write {
    uint16_t port;
    uint8_t value;
};

/* What a BIOS writes to the chips before it starts anything, a byte each, in this order: 8259As at
 * vectors 0x08 and 0x70 with timer, keyboard and cascade unmasked; 8254 counter 0 with the full
 * count (18.2 Hz), counter 1 at the refresh rate. To be played to the guest's ports before its
 * first instruction. */
extern const struct bios_port_write bios_port_writes[];
extern const size_t bios_port_write_count;

#endif
