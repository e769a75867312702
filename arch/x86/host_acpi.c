// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/host_acpi.h"

#include "vmm/base/bits.h"

#include <string.h>

/* No table of a real machine is nearly as large. A table that claims to be larger is broken. */
#define TABLE_BYTES_MAX (16 * MIB)

#define HEADER_BYTES  36 /* ACPI 6.5, 5.2.6 "System Description Table Header" */
#define RSDP_BYTES_V1 20
#define RSDP_BYTES_V2 36

struct reader {
    struct host_acpi *acpi;
    host_acpi_memory *memory;
    void *context;
};

/* Reads an unaligned little-endian value: tables are packed. */
static uint16_t get16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint64_t get64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static bool sums_to_zero(const uint8_t *bytes, uint64_t size_bytes)
{
    uint8_t sum = 0;
    for (uint64_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

static const uint8_t *reach(const struct reader *reader, uint64_t address, uint64_t size_bytes)
{
    if (address == 0 || address > UINT64_MAX - size_bytes)
        return NULL;
    return reader->memory(reader->context, address, size_bytes);
}

/* Returns the table at address with its whole length, or null if the length or the checksum is
 * wrong. */
static const uint8_t *open_table(const struct reader *reader, uint64_t address,
                                 uint32_t *size_bytes)
{
    const uint8_t *table = reach(reader, address, HEADER_BYTES);
    if (table == NULL)
        return NULL;
    *size_bytes = get32(table + 4);
    if (*size_bytes < HEADER_BYTES || *size_bytes > TABLE_BYTES_MAX)
        return NULL;
    table = reach(reader, address, *size_bytes);
    return table != NULL && sums_to_zero(table, *size_bytes) ? table : NULL;
}

static bool has_signature(const uint8_t *table, const char *signature)
{
    return memcmp(table, signature, 4) == 0;
}

/* --- MADT: ACPI 6.5, 5.2.12 "Multiple APIC Description Table" --- */

static void add_cpu(struct host_acpi *acpi, uint32_t apic_id, uint32_t flags)
{
    /* Neither enabled nor online capable: a socket that is empty and stays empty. */
    if (BITS(flags, 1, 0) == 0)
        return;
    for (size_t i = 0; i < acpi->cpu_count; i++) {
        /* Both kinds of entry may list IDs below 255. */
        if (acpi->cpus[i].apic_id == apic_id)
            return;
    }
    if (acpi->cpu_count == HOST_ACPI_CPUS_MAX) {
        acpi->rejected_count++;
        return;
    }
    acpi->cpus[acpi->cpu_count++] =
        (struct host_acpi_cpu){.apic_id = apic_id, .is_enabled = (flags & 1) != 0};
}

static void read_local_apic(struct host_acpi *acpi, const uint8_t *entry)
{
    if (entry[3] != 0xff) /* the broadcast ID is never a processor */
        add_cpu(acpi, entry[3], get32(entry + 4));
}

static void read_local_x2apic(struct host_acpi *acpi, const uint8_t *entry)
{
    if (get32(entry + 4) != UINT32_MAX)
        add_cpu(acpi, get32(entry + 4), get32(entry + 8));
}

static void read_ioapic(struct host_acpi *acpi, const uint8_t *entry)
{
    uint32_t base = get32(entry + 4);

    if (acpi->ioapic_count == HOST_ACPI_IOAPICS_MAX || base == 0 || !is_aligned(base, 256)) {
        acpi->rejected_count++;
        return;
    }
    acpi->ioapics[acpi->ioapic_count++] = (struct host_acpi_ioapic){
        .base = HPA(base),
        .gsi_base = get32(entry + 8),
    };
}

/* Polarity and trigger are those of table "MPS INTI Flags": 0 is the bus's own, for ISA active high
 * and edge; 1 is active high or edge; 3 is the opposite; 2 is reserved. */
static void read_source_override(struct host_acpi *acpi, const uint8_t *entry)
{
    uint16_t flags = get16(entry + 8);

    if (entry[2] != 0 || entry[3] >= HOST_ACPI_ISA_IRQS) { /* bus 0 is ISA */
        acpi->rejected_count++;
        return;
    }
    acpi->isa_irqs[entry[3]] = (struct host_acpi_irq){
        .gsi = get32(entry + 4),
        .is_active_low = BITS(flags, 1, 0) == 3,
        .is_level = BITS(flags, 3, 2) == 3,
    };
}

static void read_address_override(struct host_acpi *acpi, const uint8_t *entry)
{
    acpi->lapic_base = HPA(get64(entry + 4));
}

static const struct madt_entry {
    uint8_t size_bytes;
    void (*read)(struct host_acpi *acpi, const uint8_t *entry);
} madt_entries[] = {
    [0] = {8, read_local_apic},        /* Processor Local APIC */
    [1] = {12, read_ioapic},           /* I/O APIC */
    [2] = {10, read_source_override},  /* Interrupt Source Override */
    [5] = {12, read_address_override}, /* Local APIC Address Override */
    [9] = {16, read_local_x2apic},     /* Processor Local x2APIC */
};

static void read_madt(const struct reader *reader, const uint8_t *table, uint32_t size_bytes)
{
    struct host_acpi *acpi = reader->acpi;

    if (size_bytes < HEADER_BYTES + 8 || acpi->has_madt) {
        acpi->rejected_count++;
        return;
    }
    acpi->has_madt = true;
    acpi->lapic_base = HPA(get32(table + HEADER_BYTES));
    acpi->has_8259 = (get32(table + HEADER_BYTES + 4) & 1) != 0;
    acpi->ioapic_count = 0;

    for (uint32_t at = HEADER_BYTES + 8; at < size_bytes;) {
        const uint8_t *entry = table + at;
        uint32_t left = size_bytes - at;

        /* Without a length the next entry cannot be found either. */
        if (left < 2 || entry[1] < 2 || entry[1] > left) {
            acpi->rejected_count++;
            return;
        }
        if (entry[0] < ARRAY_COUNT(madt_entries) && madt_entries[entry[0]].read != NULL) {
            if (entry[1] >= madt_entries[entry[0]].size_bytes)
                madt_entries[entry[0]].read(acpi, entry);
            else
                acpi->rejected_count++;
        }
        at += entry[1];
    }
}

/* --- FADT: ACPI 6.5, 5.2.9 "Fixed ACPI Description Table" --- */

enum fadt_offset {
    FADT_PM1A_CNT_BLK = 64,
    FADT_PM1B_CNT_BLK = 68,
    FADT_PM_TMR_BLK = 76,
    FADT_PM1_CNT_LEN = 89,
    FADT_PM_TMR_LEN = 91,
    FADT_FLAGS = 112,
    FADT_RESET_REG = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_PM1A_CNT_BLK = 172,
    FADT_X_PM1B_CNT_BLK = 184,
    FADT_X_PM_TMR_BLK = 208,
};

#define FADT_BYTES_V1      116
#define FADT_TMR_VAL_EXT   BIT(8)
#define FADT_RESET_REG_SUP BIT(10)
#define FADT_HW_REDUCED    BIT(20)

/* A Generic Address Structure (ACPI 6.5, 5.2.3.2): space, width, offset, access, address. */
#define ADDRESS_BYTES        12
#define ADDRESS_SPACE_MEMORY 0
#define ADDRESS_SPACE_IO     1
#define ADDRESS_SPACE_NONE   0xff /* our own value: neither of the two, or an impossible place */

struct address {
    uint8_t space;
    uint64_t value;
};

/* Reads the structure at offset, for a register of register_bytes. */
static struct address read_address(const uint8_t *table, uint32_t size_bytes, uint32_t offset,
                                   uint32_t register_bytes)
{
    struct address address = {.space = ADDRESS_SPACE_NONE};

    if (size_bytes < offset + ADDRESS_BYTES)
        return address;
    address.value = get64(table + offset + 4);
    if (address.value != 0 &&
        ((table[offset] == ADDRESS_SPACE_MEMORY && is_aligned(address.value, register_bytes)) ||
         (table[offset] == ADDRESS_SPACE_IO && address.value <= 0x10000 - register_bytes)))
        address.space = table[offset];
    return address;
}

/* Returns the port of a register block from the older, 32-bit field; 0 if there is none. */
static uint16_t read_port(const uint8_t *table, uint32_t offset, uint32_t register_bytes)
{
    uint32_t port = get32(table + offset);

    return port <= 0x10000 - register_bytes ? (uint16_t)port : 0;
}

static void read_pm_timer(struct host_acpi_pm_timer *timer, const uint8_t *table,
                          uint32_t size_bytes)
{
    struct address address = read_address(table, size_bytes, FADT_X_PM_TMR_BLK, 4);

    timer->is_32bit = (get32(table + FADT_FLAGS) & FADT_TMR_VAL_EXT) != 0;
    if (address.space != ADDRESS_SPACE_NONE) {
        timer->kind = address.space == ADDRESS_SPACE_IO ? PM_TIMER_PORT : PM_TIMER_MEMORY;
        timer->address = address.value;
        return;
    }
    if (table[FADT_PM_TMR_LEN] != 4)
        return;
    timer->address = read_port(table, FADT_PM_TMR_BLK, 4);
    if (timer->address != 0)
        timer->kind = PM_TIMER_PORT;
}

/* Returns the port of a PM1 control register; 0 if there is none. No PC has this register in
 * memory. */
static uint16_t read_pm1_control(const uint8_t *table, uint32_t size_bytes, uint32_t offset,
                                 uint32_t extended_offset)
{
    struct address address = read_address(table, size_bytes, extended_offset, 2);

    if (address.space == ADDRESS_SPACE_IO)
        return (uint16_t)address.value;
    return table[FADT_PM1_CNT_LEN] >= 2 ? read_port(table, offset, 2) : 0;
}

static void read_reset(struct host_acpi_reset *reset, const uint8_t *table, uint32_t size_bytes)
{
    struct address address = read_address(table, size_bytes, FADT_RESET_REG, 1);

    if ((get32(table + FADT_FLAGS) & FADT_RESET_REG_SUP) == 0 || size_bytes <= FADT_RESET_VALUE ||
        address.space == ADDRESS_SPACE_NONE)
        return;
    reset->kind = address.space == ADDRESS_SPACE_IO ? RESET_PORT : RESET_MEMORY;
    reset->address = address.value;
    reset->value = table[FADT_RESET_VALUE];
}

static void read_fadt(const struct reader *reader, const uint8_t *table, uint32_t size_bytes)
{
    struct host_acpi *acpi = reader->acpi;

    if (size_bytes < FADT_BYTES_V1) {
        acpi->rejected_count++;
        return;
    }
    read_reset(&acpi->reset, table, size_bytes);
    /* Hardware-reduced machines do not have the fixed hardware. */
    if ((get32(table + FADT_FLAGS) & FADT_HW_REDUCED) != 0)
        return;
    read_pm_timer(&acpi->pm_timer, table, size_bytes);
    acpi->pm1a_control_port =
        read_pm1_control(table, size_bytes, FADT_PM1A_CNT_BLK, FADT_X_PM1A_CNT_BLK);
    acpi->pm1b_control_port =
        read_pm1_control(table, size_bytes, FADT_PM1B_CNT_BLK, FADT_X_PM1B_CNT_BLK);
}

/* --- HPET: IA-PC HPET Specification 1.0a, 3.2.4 "The ACPI 2.0 HPET Description Table" --- */

#define HPET_BASE_ADDRESS   40
#define HPET_REGISTER_BYTES 1024

static void read_hpet(const struct reader *reader, const uint8_t *table, uint32_t size_bytes)
{
    struct address address =
        read_address(table, size_bytes, HPET_BASE_ADDRESS, HPET_REGISTER_BYTES);

    if (address.space != ADDRESS_SPACE_MEMORY)
        reader->acpi->rejected_count++;
    else if (reader->acpi->hpet_address.value ==
             0) /* a machine may have several: the first counts */
        reader->acpi->hpet_address = HPA(address.value);
}

/* --- The root --- */

static const struct table_reader {
    const char *signature;
    void (*read)(const struct reader *reader, const uint8_t *table, uint32_t size_bytes);
} table_readers[] = {
    {"APIC", read_madt},
    {"FACP", read_fadt},
    {"HPET", read_hpet},
};

/* Reads one table if it is of a kind used here. Tables of other kinds may be broken. */
static void read_table(const struct reader *reader, uint64_t address)
{
    uint32_t size_bytes;
    const uint8_t *head = reach(reader, address, HEADER_BYTES);

    if (head == NULL) {
        reader->acpi->rejected_count++;
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(table_readers); i++) {
        if (!has_signature(head, table_readers[i].signature))
            continue;
        const uint8_t *table = open_table(reader, address, &size_bytes);
        if (table != NULL)
            table_readers[i].read(reader, table, size_bytes);
        else
            reader->acpi->rejected_count++;
    }
}

/* Reads the tables that a root table names by addresses of pointer_bytes (4 or 8) after its header.
 * Returns false if it is no root table. ACPI 6.5, 5.2.7 "Root System Description Table" and 5.2.8
 * "Extended ...". */
static bool read_root(const struct reader *reader, uint64_t address, const char *signature,
                      uint32_t pointer_bytes)
{
    uint32_t size_bytes;
    const uint8_t *root = open_table(reader, address, &size_bytes);

    if (root == NULL || !has_signature(root, signature))
        return false;
    for (uint32_t at = HEADER_BYTES; size_bytes - at >= pointer_bytes; at += pointer_bytes)
        read_table(reader, pointer_bytes == 8 ? get64(root + at) : get32(root + at));
    return true;
}

/* Reads the root pointer and the root table. Returns false if they are not valid. ACPI 6.5, 5.2.5.3
 * "Root System Description Pointer (RSDP) Structure". */
static bool read_rsdp(const struct reader *reader, uint64_t address)
{
    const uint8_t *rsdp = reach(reader, address, RSDP_BYTES_V1);

    if (rsdp == NULL || memcmp(rsdp, "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp, RSDP_BYTES_V1))
        return false;
    uint64_t rsdt = get32(rsdp + 16);
    if (rsdp[15] >= 2) {
        rsdp = reach(reader, address, RSDP_BYTES_V2);
        if (rsdp != NULL && sums_to_zero(rsdp, RSDP_BYTES_V2) &&
            read_root(reader, get64(rsdp + 24), "XSDT", 8))
            return true;
        reader->acpi->rejected_count++; /* the older root table may still be valid */
    }
    return read_root(reader, rsdt, "RSDT", 4);
}

enum status host_acpi_read(struct host_acpi *acpi, hpa_t rsdp, host_acpi_memory *memory,
                           void *context)
{
    const struct reader reader = {.acpi = acpi, .memory = memory, .context = context};

    memset(acpi, 0, sizeof(*acpi));
    acpi->has_8259 = true;
    acpi->lapic_base = HPA(0xfee00000);
    acpi->ioapic_count = 1;
    acpi->ioapics[0] = (struct host_acpi_ioapic){.base = HPA(0xfec00000), .gsi_base = 0};
    for (uint32_t irq = 0; irq < HOST_ACPI_ISA_IRQS; irq++)
        acpi->isa_irqs[irq] = (struct host_acpi_irq){.gsi = irq};

    if (rsdp.value == 0)
        return STATUS_NOT_FOUND;
    if (!read_rsdp(&reader, rsdp.value))
        return STATUS_INVALID;
    return acpi->has_madt ? STATUS_OK : STATUS_NOT_FOUND;
}
