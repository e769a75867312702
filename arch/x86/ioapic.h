// SPDX-License-Identifier: BSD-2-Clause
/* The machine's I/O APICs: which global system interrupt (GSI) goes to which processor as which
 * vector. Intel 82093AA datasheet, "I/O APIC Registers"; later ones differ in the number of pins.
 */
#ifndef ARCH_X86_IOAPIC_H
#define ARCH_X86_IOAPIC_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

struct ioapic {
    hpa_t base;
    uint32_t gsi_base; /* the GSI of pin 0 */
    uint32_t pin_count;
};

/* How the device drives its line. ISA: high, edge. PCI: low, level. */
struct ioapic_trigger {
    bool is_active_low;
    bool is_level;
};

/* Reads the number of pins and masks all of them, but those that the firmware sends to system
 * management mode. base is mapped uncached. STATUS_NOT_FOUND if nothing answers there. */
MUST_USE enum status ioapic_init(struct ioapic *ioapic, hpa_t base, uint32_t gsi_base);

/* Of count I/O APICs the one with this GSI, or null. */
const struct ioapic *ioapic_find(const struct ioapic *ioapics, size_t count, uint32_t gsi);

/* Unmasks the GSI: from here on it arrives as vector (16..254) at the processor with the id
 * apic_id. The registers are reached through an index: one caller at a time for each I/O APIC.
 * STATUS_NOT_FOUND: not one of its GSIs. STATUS_INVALID: the vector. STATUS_OUT_OF_RANGE: ids above
 * 254 can be reached through interrupt remapping alone. */
MUST_USE enum status ioapic_route(const struct ioapic *ioapic, uint32_t gsi,
                                  struct ioapic_trigger trigger, uint8_t vector, uint32_t apic_id);

/* STATUS_NOT_FOUND: not one of its GSIs. */
MUST_USE enum status ioapic_mask(const struct ioapic *ioapic, uint32_t gsi);

#endif
