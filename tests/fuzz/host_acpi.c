// SPDX-License-Identifier: BSD-2-Clause
/* The machine's ACPI tables: any content, at places and of types that make sense, with sums that are
 * right more often than not. */
#include "arch/x86/host_acpi.h"
#include "tests/fuzz/input.h"

enum { MEMORY_BASE = 0xe0000, MEMORY_BYTES = 0x1000, CALLS_MAX = 1000 };

static uint8_t memory[MEMORY_BYTES];
static void *given[CALLS_MAX]; /* copies of just what was asked for, watched by the sanitizer */
static unsigned calls;

static const void *memory_at(void *context, uint64_t address, uint64_t size_bytes)
{
    (void)context;
    EXPECT(size_bytes > 0);
    EXPECT(calls < CALLS_MAX);
    if (address < MEMORY_BASE || size_bytes > MEMORY_BYTES ||
        address - MEMORY_BASE > MEMORY_BYTES - size_bytes)
        return NULL;
    given[calls] = malloc(size_bytes);
    memcpy(given[calls], memory + (address - MEMORY_BASE), size_bytes);
    return given[calls++];
}

static void put(size_t at, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count && at + i < MEMORY_BYTES; i++)
        memory[at + i] = ((const uint8_t *)bytes)[i];
}

/* Sets the byte at sum_at so that the sum of the range is 0. */
static void add_up(size_t at, size_t count, size_t sum_at)
{
    uint8_t sum = 0;

    if (at + count > MEMORY_BYTES)
        return;
    memory[sum_at] = 0;
    for (size_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + memory[at + i]);
    memory[sum_at] = (uint8_t)-sum;
}

/* A table with the header of ACPI 6.5, 5.2.6, and the input's bytes behind it. */
static void put_table(struct input *input, size_t at)
{
    static const char *const signatures[] = {"APIC", "FACP", "HPET", "RSDT", "XSDT", "DSDT"};
    uint8_t what = input_u8(input), count = input_u8(input);
    uint32_t length = 36u + count;

    for (unsigned i = 0; i < count; i++) {
        uint8_t byte = input_u8(input);

        put(at + 36 + i, &byte, 1);
    }
    put(at, signatures[what % 6], 4);
    if (what & 0x80)
        length = input_u32(input);
    put(at + 4, &length, 4);
    memory[at + 8] = what >> 4 & 7;
    if (!(what & 0x40) && length <= MEMORY_BYTES)
        add_up(at, length, at + 9);
}

static void fill_memory(struct input *input)
{
    uint8_t revision = input_u8(input) & 2, table_count = input_u8(input) % 6;
    uint64_t root = MEMORY_BASE + 0x40;
    uint32_t root_bytes = 36u + table_count * (revision != 0 ? 8u : 4u);

    memset(memory, 0, sizeof(memory));
    for (size_t i = 0; i < table_count; i++) {
        uint64_t address = MEMORY_BASE + 0x100 + i * 0x200;

        put_table(input, (size_t)(address - MEMORY_BASE));
        put(0x40 + 36 + i * (revision != 0 ? 8 : 4), &address, revision != 0 ? 8 : 4);
    }
    put(0x40, revision != 0 ? "XSDT" : "RSDT", 4);
    put(0x44, &root_bytes, 4);
    add_up(0x40, root_bytes, 0x49);
    put(0, "RSD PTR ", 8);
    memory[15] = revision;
    put(16, &root, 4);
    put(20, &(uint32_t){36}, 4);
    put(24, &root, 8);
    while (input_left(input)) { /* anything else anywhere */
        uint16_t at = input_u16(input) % MEMORY_BYTES;

        memory[at] = input_u8(input);
    }
    add_up(0, 20, 8);
    add_up(0, 36, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct host_acpi acpi;
    struct input input = {data, data + size_bytes};
    enum status status;

    fill_memory(&input);
    memset(&acpi, 0x5a, sizeof(acpi));
    status = host_acpi_read(&acpi, HPA(MEMORY_BASE), memory_at, NULL);
    while (calls > 0)
        free(given[--calls]);
    EXPECT(acpi.cpu_count <= HOST_ACPI_CPUS_MAX);
    EXPECT(acpi.ioapic_count <= HOST_ACPI_IOAPICS_MAX);
    EXPECT(acpi.pm_timer.kind <= PM_TIMER_MEMORY);
    EXPECT(status != STATUS_OK || acpi.has_madt);
    EXPECT(status == STATUS_OK || (acpi.cpu_count == 0 && acpi.ioapic_count == 1));
    return 0;
}
