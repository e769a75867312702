// SPDX-License-Identifier: BSD-2-Clause
/* ACPI Specification 6.5, 5.2.12 "Multiple APIC Description Table (MADT)". */
#include "vmm/acpi/madt.h"

#include "vmm/acpi/table.h"

#include <string.h>

#define MADT_REVISION 6

enum { MADT_PCAT_COMPAT = 1 << 0 }; /* the board has 8259As as well */

struct madt {
    struct acpi_header header;
    uint32_t local_apic_address;
    uint32_t flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt) == 44, "MADT");

enum { /* 5.2.12, "Interrupt Controller Structure Types" */
       TYPE_LOCAL_APIC = 0,
       TYPE_IO_APIC = 1,
       TYPE_INTERRUPT_SOURCE_OVERRIDE = 2,
       TYPE_LOCAL_APIC_NMI = 4,
       TYPE_LOCAL_X2APIC = 9,
       TYPE_LOCAL_X2APIC_NMI = 10,
};

enum { LOCAL_APIC_ENABLED = 1 << 0 };

/* The first ID that needs the x2APIC form of the structures: the first form has 8 bits for an ID,
 * and 255 is its broadcast. */
#define LOCAL_APIC_ID_END 255

struct local_apic { /* 5.2.12.2 */
    uint8_t type, length;
    uint8_t processor_uid, apic_id;
    uint32_t flags;
} __attribute__((packed));

struct local_x2apic { /* 5.2.12.12 */
    uint8_t type, length;
    uint16_t reserved;
    uint32_t apic_id, flags, processor_uid;
} __attribute__((packed));

struct io_apic { /* 5.2.12.3 */
    uint8_t type, length;
    uint8_t id, reserved;
    uint32_t address, gsi_base;
} __attribute__((packed));

struct interrupt_source_override { /* 5.2.12.5 */
    uint8_t type, length;
    uint8_t bus, source; /* bus 0: ISA */
    uint32_t gsi;
    uint16_t flags;
} __attribute__((packed));

struct local_apic_nmi { /* 5.2.12.7 */
    uint8_t type, length;
    uint8_t processor_uid; /* 0xff: all processors */
    uint16_t flags;
    uint8_t lint;
} __attribute__((packed));

struct local_x2apic_nmi { /* 5.2.12.13 */
    uint8_t type, length;
    uint16_t flags;
    uint32_t processor_uid; /* all ones: all processors */
    uint8_t lint;
    uint8_t reserved[3];
} __attribute__((packed));

_Static_assert(sizeof(struct local_apic) == 8 && sizeof(struct local_x2apic) == 16 &&
                   sizeof(struct io_apic) == 12 && sizeof(struct interrupt_source_override) == 10 &&
                   sizeof(struct local_apic_nmi) == 6 && sizeof(struct local_x2apic_nmi) == 12,
               "lengths of the MADT's structures");

#define NMI_LINT 1

static bool has_x2apic_ids(const struct acpi_board *board)
{
    return board->cpu_count > LOCAL_APIC_ID_END;
}

size_t madt_bytes(const struct acpi_board *board)
{
    size_t local_apics = board->cpu_count, x2apics = 0;

    if (has_x2apic_ids(board)) {
        x2apics = board->cpu_count - LOCAL_APIC_ID_END;
        local_apics = LOCAL_APIC_ID_END;
    }
    return sizeof(struct madt) + local_apics * sizeof(struct local_apic) +
           x2apics * sizeof(struct local_x2apic) + sizeof(struct io_apic) +
           board->override_count * sizeof(struct interrupt_source_override) +
           sizeof(struct local_apic_nmi) + (x2apics != 0 ? sizeof(struct local_x2apic_nmi) : 0);
}

static uint8_t *append(uint8_t *to, const void *structure, size_t size_bytes)
{
    memcpy(to, structure, size_bytes);
    return to + size_bytes;
}

static uint8_t *append_processor(uint8_t *to, uint32_t id)
{
    struct local_apic xapic = {.type = TYPE_LOCAL_APIC,
                               .length = sizeof(xapic),
                               .processor_uid = (uint8_t)id,
                               .apic_id = (uint8_t)id,
                               .flags = LOCAL_APIC_ENABLED};
    struct local_x2apic x2apic = {.type = TYPE_LOCAL_X2APIC,
                                  .length = sizeof(x2apic),
                                  .apic_id = id,
                                  .processor_uid = id,
                                  .flags = LOCAL_APIC_ENABLED};

    return id < LOCAL_APIC_ID_END ? append(to, &xapic, sizeof(xapic))
                                  : append(to, &x2apic, sizeof(x2apic));
}

static uint8_t *append_override(uint8_t *to, const struct acpi_irq_override *wire)
{
    struct interrupt_source_override override = {
        .type = TYPE_INTERRUPT_SOURCE_OVERRIDE,
        .length = sizeof(override),
        .source = wire->isa_irq,
        .gsi = wire->gsi,
        .flags = (uint16_t)(wire->polarity | wire->trigger << 2),
    };

    return append(to, &override, sizeof(override));
}

/* Appends the NMI's wiring: NMI arrives at LINT1 of every processor, edge-triggered, active
 * high. */
static uint8_t *append_nmi(uint8_t *to, bool has_x2apic)
{
    const uint16_t flags = ACPI_ACTIVE_HIGH | ACPI_EDGE << 2;
    struct local_apic_nmi xapic = {.type = TYPE_LOCAL_APIC_NMI,
                                   .length = sizeof(xapic),
                                   .processor_uid = 0xff,
                                   .flags = flags,
                                   .lint = NMI_LINT};
    struct local_x2apic_nmi x2apic = {.type = TYPE_LOCAL_X2APIC_NMI,
                                      .length = sizeof(x2apic),
                                      .processor_uid = UINT32_MAX,
                                      .flags = flags,
                                      .lint = NMI_LINT};

    to = append(to, &xapic, sizeof(xapic));
    return has_x2apic ? append(to, &x2apic, sizeof(x2apic)) : to;
}

void madt_write(uint8_t *at, const struct acpi_board *board)
{
    size_t size_bytes = madt_bytes(board);
    struct madt madt = {.header = acpi_begin("APIC", MADT_REVISION, size_bytes),
                        .local_apic_address = board->local_apic_address,
                        .flags = MADT_PCAT_COMPAT};
    struct io_apic io_apic = {.type = TYPE_IO_APIC,
                              .length = sizeof(io_apic),
                              .id = board->io_apic_id,
                              .address = board->io_apic_address};
    uint8_t *to = append(at, &madt, sizeof(madt));

    for (uint32_t id = 0; id < board->cpu_count; id++)
        to = append_processor(to, id);
    to = append(to, &io_apic, sizeof(io_apic));
    for (size_t i = 0; i < board->override_count; i++)
        to = append_override(to, &board->overrides[i]);
    append_nmi(to, has_x2apic_ids(board));
    acpi_finish(at, size_bytes);
}
