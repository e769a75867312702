// SPDX-License-Identifier: BSD-2-Clause
/* Sections are those of Intel's MultiProcessor Specification 1.4. */
#include "vmm/acpi/mp_table.h"

#include "vmm/acpi/table.h"
#include "vmm/base/bits.h"

#include <string.h>

#define SPECIFICATION_1_4 4

struct floating_pointer { /* 4.1 */
    char signature[4];
    uint32_t table_address;
    uint8_t length; /* in units of 16 bytes */
    uint8_t specification;
    uint8_t checksum;
    uint8_t features[5]; /* 0: there is a table, and no IMCR */
} __attribute__((packed));

struct mp_header { /* 4.2 "MP Configuration Table Header" */
    char signature[4];
    uint16_t length;
    uint8_t specification;
    uint8_t checksum;
    char oem_id[8];
    char product_id[12];
    uint32_t oem_table_address;
    uint16_t oem_table_length;
    uint16_t entry_count;
    uint32_t local_apic_address;
    uint16_t extended_length;
    uint8_t extended_checksum;
    uint8_t reserved;
} __attribute__((packed));

/* Table 4-3 "Base MP Configuration Table Entry Types" */
enum {
    TYPE_PROCESSOR = 0,
    TYPE_BUS = 1,
    TYPE_IO_APIC = 2,
    TYPE_IO_INTERRUPT = 3,
    TYPE_LOCAL_INTERRUPT = 4,
};

struct processor_entry { /* 4.3.1 */
    uint8_t type;
    uint8_t apic_id;
    uint8_t apic_version;
    uint8_t flags;
    uint32_t signature;
    uint32_t features;
    uint32_t reserved[2];
} __attribute__((packed));

enum { PROCESSOR_ENABLED = 1, PROCESSOR_BOOTS = 2 };

struct bus_entry { /* 4.3.2 */
    uint8_t type;
    uint8_t id;
    char name[6]; /* filled with blanks */
} __attribute__((packed));

struct io_apic_entry { /* 4.3.3 */
    uint8_t type;
    uint8_t id;
    uint8_t version;
    uint8_t flags;
    uint32_t address;
} __attribute__((packed));

enum { IO_APIC_ENABLED = 1 };
#define IO_APIC_VERSION 0x20

struct interrupt_entry { /* 4.3.4 "I/O Interrupt Assignment Entries", 4.3.5 "Local..." */
    uint8_t type;
    uint8_t interrupt_type;
    uint16_t flags; /* bits 1:0 polarity, 3:2 trigger mode, in the MADT's values */
    uint8_t source_bus;
    uint8_t source_irq;
    uint8_t apic_id;
    uint8_t pin;
} __attribute__((packed));

enum { INTERRUPT_INT = 0, INTERRUPT_NMI = 1, INTERRUPT_EXTINT = 3 }; /* table 4-10 */

_Static_assert(sizeof(struct floating_pointer) == 16 && sizeof(struct mp_header) == 44 &&
                   sizeof(struct processor_entry) == 20 && sizeof(struct bus_entry) == 8 &&
                   sizeof(struct io_apic_entry) == 8 && sizeof(struct interrupt_entry) == 8,
               "lengths of the MP table's structures");

#define ISA_BUS       0
#define ISA_IRQS      16
#define CASCADE_IRQ   2    /* between the 8259As: no device has it */
#define EXTINT_PIN    0    /* of the I/O APIC: the 8259As' INT */
#define ALL_APICS     0xff /* as the destination of a local interrupt */
#define CONFORMING    0    /* polarity and trigger as the bus has them: ISA active high, edge */
#define OTHER_ENTRIES (1 + 1 + 1 + (ISA_IRQS - 1) + 2) /* bus, I/O APIC, ExtINT, lines, local */
#define TABLE_BYTES(n)                                                                             \
    (sizeof(struct mp_header) + (n) * sizeof(struct processor_entry) +                             \
     OTHER_ENTRIES * sizeof(struct bus_entry))

_Static_assert(sizeof(struct floating_pointer) + TABLE_BYTES(MP_CPUS_MAX) <= MP_TABLE_BYTES_MAX,
               "upper bound");

/* The table while it is written. */
struct writer {
    uint8_t *to;
    uint16_t entry_count;
};

static void append(struct writer *writer, const void *entry, size_t size_bytes)
{
    memcpy(writer->to, entry, size_bytes);
    writer->to += size_bytes;
    writer->entry_count++;
}

static void append_processors(struct writer *writer, uint32_t count,
                              const struct mp_processor *processor)
{
    for (uint32_t id = 0; id < count; id++) {
        struct processor_entry entry = {
            .type = TYPE_PROCESSOR,
            .apic_id = (uint8_t)id,
            .apic_version = processor->local_apic_version,
            .flags = PROCESSOR_ENABLED | (id == 0 ? PROCESSOR_BOOTS : 0),
            .signature = processor->signature & 0xfff,
            .features = processor->features,
        };

        append(writer, &entry, sizeof(entry));
    }
}

static void append_interrupt(struct writer *writer, struct interrupt_entry entry)
{
    append(writer, &entry, sizeof(entry));
}

/* Appends the ISA lines as the MADT has them: each at the pin of its number, with the bus's polarity
 * and trigger mode, unless there is an override. */
static void append_isa_lines(struct writer *writer, const struct acpi_board *board)
{
    for (uint8_t irq = 0; irq < ISA_IRQS; irq++) {
        struct interrupt_entry entry = {
            .type = TYPE_IO_INTERRUPT,
            .interrupt_type = INTERRUPT_INT,
            .flags = CONFORMING,
            .source_bus = ISA_BUS,
            .source_irq = irq,
            .apic_id = board->io_apic_id,
            .pin = irq,
        };

        for (size_t i = 0; i < board->override_count; i++) {
            if (board->overrides[i].isa_irq == irq) {
                entry.pin = board->overrides[i].gsi;
                entry.flags =
                    (uint16_t)(board->overrides[i].polarity | board->overrides[i].trigger << 2);
            }
        }
        if (irq != CASCADE_IRQ)
            append_interrupt(writer, entry);
    }
}

/* Appends the wires of the local APICs: the 8259As' INT at LINT0, NMI at LINT1. */
static void append_local_interrupts(struct writer *writer)
{
    append_interrupt(writer, (struct interrupt_entry){.type = TYPE_LOCAL_INTERRUPT,
                                                      .interrupt_type = INTERRUPT_EXTINT,
                                                      .flags = CONFORMING,
                                                      .source_bus = ISA_BUS,
                                                      .apic_id = ALL_APICS,
                                                      .pin = 0});
    append_interrupt(writer, (struct interrupt_entry){.type = TYPE_LOCAL_INTERRUPT,
                                                      .interrupt_type = INTERRUPT_NMI,
                                                      .flags = ACPI_ACTIVE_HIGH | ACPI_EDGE << 2,
                                                      .source_bus = ISA_BUS,
                                                      .apic_id = ALL_APICS,
                                                      .pin = 1});
}

static void write_table(uint8_t *at, const struct acpi_board *board,
                        const struct mp_processor *processor)
{
    const struct bus_entry isa = {.type = TYPE_BUS, .id = ISA_BUS, .name = "ISA   "};
    const struct io_apic_entry io_apic = {.type = TYPE_IO_APIC,
                                          .id = board->io_apic_id,
                                          .version = IO_APIC_VERSION,
                                          .flags = IO_APIC_ENABLED,
                                          .address = board->io_apic_address};
    struct writer writer = {.to = at + sizeof(struct mp_header)};
    struct mp_header header = {.specification = SPECIFICATION_1_4,
                               .local_apic_address = board->local_apic_address};

    append_processors(&writer, board->cpu_count, processor);
    append(&writer, &isa, sizeof(isa));
    append(&writer, &io_apic, sizeof(io_apic));
    append_interrupt(&writer, (struct interrupt_entry){.type = TYPE_IO_INTERRUPT,
                                                       .interrupt_type = INTERRUPT_EXTINT,
                                                       .flags = CONFORMING,
                                                       .source_bus = ISA_BUS,
                                                       .apic_id = board->io_apic_id,
                                                       .pin = EXTINT_PIN});
    append_isa_lines(&writer, board);
    append_local_interrupts(&writer);

    memcpy(header.signature, "PCMP", sizeof(header.signature));
    memcpy(header.oem_id, ACPI_OEM_ID "  ", sizeof(header.oem_id));
    memcpy(header.product_id, ACPI_OEM_TABLE_ID "    ", sizeof(header.product_id));
    header.length = (uint16_t)(writer.to - at);
    header.entry_count = writer.entry_count;
    memcpy(at, &header, sizeof(header));
    header.checksum = acpi_checksum(at, header.length);
    memcpy(at, &header, sizeof(header));
}

static void write_pointer(uint8_t *at, uint32_t table_address)
{
    struct floating_pointer pointer = {.table_address = table_address,
                                       .length = sizeof(pointer) / 16,
                                       .specification = SPECIFICATION_1_4};

    memcpy(pointer.signature, "_MP_", sizeof(pointer.signature));
    pointer.checksum = acpi_checksum(&pointer, sizeof(pointer));
    memcpy(at, &pointer, sizeof(pointer));
}

static bool is_valid(const struct acpi_board *board)
{
    if (board->cpu_count == 0 || board->cpu_count > MP_CPUS_MAX || board->override_count > 16)
        return false;
    for (size_t i = 0; i < board->override_count; i++)
        if (board->overrides[i].isa_irq >= ISA_IRQS || board->overrides[i].gsi > 23)
            return false;
    return true;
}

enum status mp_table_build(const struct acpi_board *board, const struct mp_processor *processor,
                           gpa_t base, uint8_t *buffer, size_t size_bytes, size_t *used_bytes)
{
    const size_t pointer_bytes = sizeof(struct floating_pointer);

    if (!is_aligned(base.value, 16) || base.value < MP_SEARCH_FIRST ||
        base.value > MP_SEARCH_LAST || size_bytes > MP_SEARCH_LAST + 1 - base.value)
        return STATUS_OUT_OF_RANGE;
    if (!is_valid(board))
        return STATUS_INVALID;
    if (size_bytes < pointer_bytes + TABLE_BYTES(board->cpu_count))
        return STATUS_NO_MEMORY;
    write_table(buffer + pointer_bytes, board, processor);
    write_pointer(buffer, (uint32_t)(base.value + pointer_bytes));
    *used_bytes = pointer_bytes + TABLE_BYTES(board->cpu_count);
    return STATUS_OK;
}
