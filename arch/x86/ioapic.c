// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/ioapic.h"

#include "arch/x86/cpu.h"
#include "vmm/base/bits.h"

#define IOREGSEL 0x00
#define IOWIN    0x10

#define IOAPICVER     0x01
#define IOREDTBL(pin) (0x10 + 2 * (pin)) /* the low half; the high half is the next register */
#define PINS_MAX      240 /* the registers that IOREGSEL's 8 bits can select from 0x10 on */

#define ENTRY_DELIVERY     0x700u
#define ENTRY_DELIVERY_SMI 0x200u
#define ENTRY_ACTIVE_LOW   BIT(13)
#define ENTRY_LEVEL        BIT(15)
#define ENTRY_MASKED       BIT(16)

static uint32_t read_register(const struct ioapic *ioapic, uint32_t index)
{
    mmio_write32(ioapic->base.value + IOREGSEL, index);
    return mmio_read32(ioapic->base.value + IOWIN);
}

static void write_register(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
    mmio_write32(ioapic->base.value + IOREGSEL, index);
    mmio_write32(ioapic->base.value + IOWIN, value);
}

/* Writes an entry. It is masked first and unmasked last, so that no half-written entry sends an
 * interrupt. */
static void write_entry(const struct ioapic *ioapic, uint32_t pin, uint64_t entry)
{
    write_register(ioapic, IOREDTBL(pin), (uint32_t)ENTRY_MASKED);
    write_register(ioapic, IOREDTBL(pin) + 1, (uint32_t)(entry >> 32));
    write_register(ioapic, IOREDTBL(pin), (uint32_t)entry);
}

enum status ioapic_init(struct ioapic *ioapic, hpa_t base, uint32_t gsi_base)
{
    *ioapic = (struct ioapic){.base = base, .gsi_base = gsi_base};

    uint32_t version = read_register(ioapic, IOAPICVER);
    if (version == 0 || version == UINT32_MAX)
        return STATUS_NOT_FOUND;
    uint32_t pins = (uint32_t)BITS(version, 23, 16) + 1;
    ioapic->pin_count = pins < PINS_MAX / 2 ? pins : PINS_MAX / 2;

    for (uint32_t pin = 0; pin < ioapic->pin_count; pin++) {
        uint32_t entry = read_register(ioapic, IOREDTBL(pin));
        /* Writing "edge" also clears the remote IRR of a level interrupt that was never ended. */
        if ((entry & ENTRY_DELIVERY) != ENTRY_DELIVERY_SMI)
            write_entry(ioapic, pin, ENTRY_MASKED);
    }
    return STATUS_OK;
}

static bool has_gsi(const struct ioapic *ioapic, uint32_t gsi)
{
    return gsi >= ioapic->gsi_base && gsi - ioapic->gsi_base < ioapic->pin_count;
}

const struct ioapic *ioapic_find(const struct ioapic *ioapics, size_t count, uint32_t gsi)
{
    for (size_t i = 0; i < count; i++) {
        if (has_gsi(&ioapics[i], gsi))
            return &ioapics[i];
    }
    return NULL;
}

enum status ioapic_route(const struct ioapic *ioapic, uint32_t gsi, struct ioapic_trigger trigger,
                         uint8_t vector, uint32_t apic_id)
{
    if (!has_gsi(ioapic, gsi))
        return STATUS_NOT_FOUND;
    if (vector < 16 || vector > 254)
        return STATUS_INVALID;
    if (apic_id > 254)
        return STATUS_OUT_OF_RANGE;
    /* Delivery mode 0 is fixed, destination mode 0 a physical ID. */
    write_entry(ioapic, gsi - ioapic->gsi_base,
                (uint64_t)apic_id << 56 | vector | (trigger.is_active_low ? ENTRY_ACTIVE_LOW : 0) |
                    (trigger.is_level ? ENTRY_LEVEL : 0));
    return STATUS_OK;
}

enum status ioapic_mask(const struct ioapic *ioapic, uint32_t gsi)
{
    if (!has_gsi(ioapic, gsi))
        return STATUS_NOT_FOUND;
    write_entry(ioapic, gsi - ioapic->gsi_base, ENTRY_MASKED);
    return STATUS_OK;
}
