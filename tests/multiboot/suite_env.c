// SPDX-License-Identifier: BSD-2-Clause
/* What a Multiboot kernel finds at its entry. Multiboot Specification 0.6.96, 3.2 "Machine state"
 * and 3.3 "Boot information format". */
#include "tests/multiboot/suite.h"

struct suite suite;

struct information {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, symbols[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
};

struct module {
    uint32_t start, end, string, reserved;
};

struct mmap_entry {
    uint32_t size;
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

#define LOW_END UINT64_C(0x9fc00)

enum { FLAG_MEMORY = 1 << 0, FLAG_CMDLINE = 1 << 2, FLAG_MODULES = 1 << 3, FLAG_MMAP = 1 << 6 };

/* --- Registers --- */

static void check_registers(void)
{
    const struct entry_registers *entry = &entry_registers;

    check("EAX has the magic number", entry->eax, 0x2badb002);
    check("CR0: PE set, PG clear", entry->cr0 & 0x80000001, 1);
    check("CR4 is as after reset", entry->cr4, 0);
    check("EFER is as after reset", entry->efer, 0);
    check("EFLAGS: IF, VM, DF, TF clear", entry->eflags & 0x20700, 0);
    check("A20 is on", entry->a20_is_off, 0);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        check_at("segment limit", i, entry->limits[i], 0xffffffff);
        check_at("segment: present, DPL 0, accessed, 32 bits, granularity", i,
                 entry->rights[i] & 0x00d0fb00, i == SEGMENT_CS ? 0x00c09b00 : 0x00c09300);
    }
    check("BSS is zero", entry->bss_dirty_at, 0);
}

/* --- The structure --- */

/* Within RAM the map calls usable, not in page 0, and not in the image. */
static bool is_in_low_memory(uint64_t address, uint64_t bytes)
{
    return address >= 0x1000 && address + bytes <= LOW_END;
}

/* The value of "KEY=" in the command line; not there: all ones. */
static uint64_t number(const char *cmdline, const char *key)
{
    size_t length = strlen(key);

    for (const char *at = cmdline; *at != '\0'; at++) {
        uint64_t value = 0;

        if (at != cmdline && at[-1] != ' ')
            continue;
        if (memcmp(at, key, length) != 0 || at[length] != '=')
            continue;
        for (at += length + 1; *at >= '0' && *at <= '9'; at++)
            value = value * 10 + (uint64_t)(*at - '0');
        return value;
    }
    return UINT64_MAX;
}

static void check_cmdline(const struct information *information)
{
    const char *cmdline = (const char *)(uint64_t)information->cmdline;

    check("the command line is in low memory",
          is_in_low_memory(information->cmdline, strlen(cmdline) + 1), true);
    say("the command line is:");
    say(cmdline);
    suite.cpus = number(cmdline, "cpus");
    suite.memory_mib = number(cmdline, "memory");
    suite.module_bytes = number(cmdline, "module");
    suite.testdev = number(cmdline, "testdev");
    check("the command line has the configuration",
          suite.cpus != 0 && suite.cpus <= SUITE_CPUS_MAX && suite.memory_mib <= 3072 &&
              suite.module_bytes <= MIB && suite.testdev <= 1,
          true);
}

static void check_map(const struct information *information)
{
    const struct {
        uint64_t base, length;
        uint32_t type;
    } want[] = {
        {0, LOW_END, 1},
        {LOW_END, 0xa0000 - LOW_END, 2},
        {0xe0000, 0x20000, 2},
        {MIB, (suite.memory_mib - 1) * MIB, 1},
    };
    uint64_t at = information->mmap_addr, end = at + information->mmap_length;
    unsigned count = 0;

    check("mem_lower", information->mem_lower, LOW_END / KIB);
    check("mem_upper", information->mem_upper, (suite.memory_mib - 1) * KIB);
    check("the memory map is in low memory", is_in_low_memory(at, information->mmap_length), true);
    while (at < end && count < ARRAY_COUNT(want)) {
        const struct mmap_entry *entry = (const struct mmap_entry *)at;

        check_at("memory map: size", count, entry->size, sizeof(*entry) - sizeof(entry->size));
        check_at("memory map: base", count, entry->base, want[count].base);
        check_at("memory map: length", count, entry->length, want[count].length);
        check_at("memory map: type", count, entry->type, want[count].type);
        at += entry->size + sizeof(entry->size);
        count++;
    }
    check("memory map: entries", count, ARRAY_COUNT(want));
    check("memory map: ends with its last entry", at, end);
}

/* Byte i of the module is 7 * i + 3 + i / 256. */
static uint64_t first_wrong_byte(const struct module *module)
{
    const uint8_t *bytes = (const uint8_t *)(uint64_t)module->start;
    uint64_t count = module->end - module->start;

    for (uint64_t i = 0; i < count; i++)
        if (bytes[i] != (uint8_t)(7 * i + 3 + i / 256))
            return i;
    return count;
}

static void check_modules(const struct information *information)
{
    const struct module *module = (const struct module *)(uint64_t)information->mods_addr;
    const char *string;

    check("modules: count", information->mods_count, suite.module_bytes != 0);
    if (suite.module_bytes == 0 || information->mods_count != 1)
        return;
    string = (const char *)(uint64_t)module->string;
    check("modules: the list is in low memory",
          is_in_low_memory(information->mods_addr, sizeof(*module)), true);
    check("module: length", module->end - module->start, suite.module_bytes);
    check("module: on a page", module->start % 4096, 0);
    check("module: clear of the image",
          module->end <= (uint64_t)image_start || module->start >= (uint64_t)bss_end, true);
    check("module: in RAM", module->start >= MIB && module->end <= suite.memory_mib * MIB, true);
    check("module: bytes, up to", first_wrong_byte(module), suite.module_bytes);
    check("module: the string is in low memory",
          is_in_low_memory(module->string, strlen(string) + 1), true);
    say("the module is:");
    say(string);
}

/* All RAM that the map calls usable keeps what is written; each page gets a number of its own. */
static void check_memory(void)
{
    uint64_t first = (uint64_t)bss_end + suite.module_bytes + 0x2000;
    uint64_t end = suite.memory_mib * MIB, bad = 0;

    first = (first + 0xfff) & ~UINT64_C(0xfff);
    for (uint64_t page = first; page < end; page += 0x1000)
        *(volatile uint64_t *)page = ~page;
    for (uint64_t page = first; page < end; page += 0x1000)
        bad += *(volatile uint64_t *)page != ~page;
    check("RAM up to its end: pages that lose", bad, 0);
    check("behind the RAM nothing answers", *(volatile uint32_t *)end, 0xffffffff);
    check("nor where a PC has its display", *(volatile uint32_t *)0xb8000, 0xffffffff);
}

void check_environment(void)
{
    const struct information *information =
        (const struct information *)(uint64_t)entry_registers.ebx;
    const uint32_t flags = FLAG_MEMORY | FLAG_CMDLINE | FLAG_MODULES | FLAG_MMAP;

    check_registers();
    check("the information is in low memory",
          is_in_low_memory(entry_registers.ebx, sizeof(*information)), true);
    check("flags: memory, command line, modules, map", information->flags & flags, flags);
    check("flags: nothing that is not there", information->flags & ~(flags | 1 << 9), 0);
    check_cmdline(information);
    check_map(information);
    check_modules(information);
    check_memory();
}
