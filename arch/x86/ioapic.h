// SPDX-License-Identifier: BSD-2-Clause
/* Programs the machine's I/O APICs, which decide for each global system interrupt (GSI) to which
 * processor and as which vector it goes. Intel 82093AA datasheet, "I/O APIC Registers"; later I/O
 * APICs differ in the number of pins. */
#ifndef ARCH_X86_IOAPIC_H
#define ARCH_X86_IOAPIC_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

struct ioapic {
    hpa_t base;
    uint32_t gsi_base; /* the GSI of pin 0 */
    uint32_t pin_count;
};

/* How a device drives its line. ISA: active high, edge. PCI: active low, level. */
struct ioapic_trigger {
    bool is_active_low;
    bool is_level;
};

/* Fills in *ioapic: reads the number of pins. Masks all pins, except those that the firmware sends
 * to system management mode. base is mapped uncached.
 *   STATUS_NOT_FOUND: nothing answers at base. */
MUST_USE enum status ioapic_init(struct ioapic *ioapic, hpa_t base, uint32_t gsi_base);

/* Returns the one of count I/O APICs that has this GSI, or null. */
const struct ioapic *ioapic_find(const struct ioapic *ioapics, size_t count, uint32_t gsi);

/* Unmasks the GSI, which from then on arrives as vector (16 to 254) at the processor with this APIC
 * ID. The registers are accessed through an index, so there may be one caller at a time for each
 * I/O APIC.
 *   STATUS_NOT_FOUND: the I/O APIC does not have this GSI.
 *   STATUS_INVALID: the vector is out of range.
 *   STATUS_OUT_OF_RANGE: the ID is above 254; only interrupt remapping could reach it. */
MUST_USE enum status ioapic_route(const struct ioapic *ioapic, uint32_t gsi,
                                  struct ioapic_trigger trigger, uint8_t vector, uint32_t apic_id);

/* Masks the GSI.
 *   STATUS_NOT_FOUND: the I/O APIC does not have this GSI. */
MUST_USE enum status ioapic_mask(const struct ioapic *ioapic, uint32_t gsi);

#endif
