// SPDX-License-Identifier: BSD-2-Clause
/* ACPI tables as software without any other hint finds them: ACPI Specification 6.5, 5.2.5.1
 * "Finding the RSDP on IA-PC Systems", down to the MADT (5.2.12). */
#include "tests/multiboot/suite.h"

#define SEARCH_FIRST 0xe0000
#define SEARCH_END   0x100000

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char ids[26];
};

enum {
    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_PM_TIMER = 76,
    MADT_LOCAL_APIC = 36,
    MADT_ENTRIES = 44
};
enum { ENTRY_LOCAL_APIC = 0, ENTRY_IO_APIC = 1, ENTRY_OVERRIDE = 2 };

static uint32_t load32(uint64_t at)
{
    uint32_t value;

    memcpy(&value, (const void *)at, sizeof(value));
    return value;
}

/* Returns whether a table of this signature is there, whole and within the firmware's area. */
static bool is_table(uint64_t at, const char *signature)
{
    const struct header *header = (const struct header *)at;

    return at >= SEARCH_FIRST && at < SEARCH_END && memcmp(header->signature, signature, 4) == 0 &&
           header->length >= sizeof(*header) && header->length <= SEARCH_END - at &&
           sum(at, header->length) == 0;
}

/* The table in a root table whose entries have that size; 0: it is not there, or there twice. */
static uint64_t find(uint64_t root, const char *signature, unsigned entry_bytes)
{
    const struct header *header = (const struct header *)root;
    uint64_t found = 0;

    for (unsigned at = sizeof(*header); at + entry_bytes <= header->length; at += entry_bytes) {
        uint64_t table = 0;

        memcpy(&table, (const void *)(root + at), entry_bytes);
        if (!is_table(table, signature))
            continue;
        if (found != 0)
            return 0;
        found = table;
    }
    return found;
}

static void check_madt(uint64_t madt)
{
    const struct header *header = (const struct header *)madt;
    unsigned cpus = 0, io_apics = 0;
    uint64_t ids = 0, timer_gsi = 0, at = madt + MADT_ENTRIES;

    check("MADT: address of the local APICs", load32(madt + MADT_LOCAL_APIC), APIC_PAGE);
    check("MADT: 8259As are there", load32(madt + MADT_LOCAL_APIC + 4), 1);
    while (at + 2 <= madt + header->length) {
        const uint8_t *entry = (const uint8_t *)at;

        if (entry[1] < 2)
            break;
        if (entry[0] == ENTRY_LOCAL_APIC && (entry[4] & 1)) {
            cpus++;
            ids |= UINT64_C(1) << (entry[3] & 63);
        } else if (entry[0] == ENTRY_IO_APIC) {
            io_apics++;
            check("MADT: address of the I/O APIC", load32(at + 4), 0xfec00000);
            check("MADT: its first interrupt", load32(at + 8), 0);
        } else if (entry[0] == ENTRY_OVERRIDE && entry[3] == 0)
            timer_gsi = load32(at + 4);
        at += entry[1];
    }
    check("MADT: entries end with it", at, madt + header->length);
    check("MADT: processors", cpus, suite.cpus);
    check("MADT: their APIC IDs", ids, (UINT64_C(1) << suite.cpus) - 1);
    check("MADT: I/O APICs", io_apics, 1);
    check("MADT: input of the timer's line", timer_gsi, 2);
}

static void check_root(const char *what, uint64_t root, const char *signature, unsigned entry_bytes)
{
    uint64_t fadt, madt;
    bool is_whole = is_table(root, signature);

    say(what);
    check("root table", is_whole, true);
    if (!is_whole)
        return;
    fadt = find(root, "FACP", entry_bytes);
    madt = find(root, "APIC", entry_bytes);
    check("FADT is there", fadt != 0, true);
    check("MADT is there", madt != 0, true);
    if (fadt != 0) {
        check("DSDT", is_table(load32(fadt + FADT_DSDT), "DSDT"), true);
        check("FACS", load32(load32(fadt + FADT_FACS)), 0x53434146);
        check("FADT: port of the timer", load32(fadt + FADT_PM_TIMER), 0x608);
    }
    if (madt != 0)
        check_madt(madt);
}

void check_acpi(void)
{
    const struct rsdp *rsdp = NULL;
    unsigned count = 0;

    for (uint64_t at = SEARCH_FIRST; at < SEARCH_END; at += 16) {
        if (memcmp((const void *)at, "RSD PTR ", 8) != 0 || sum(at, 20) != 0)
            continue;
        rsdp = (const struct rsdp *)at;
        count++;
    }
    check("RSDP: found by its signature, once", count, 1);
    if (rsdp == NULL)
        return;
    check("RSDP: revision", rsdp->revision, 2);
    check("RSDP: length", rsdp->length, sizeof(*rsdp));
    check("RSDP: checksum of all", sum((uint64_t)rsdp, sizeof(*rsdp)), 0);
    check_root("by the RSDT:", rsdp->rsdt, "RSDT", 4);
    check_root("by the XSDT:", rsdp->xsdt, "XSDT", 8);
}
