// SPDX-License-Identifier: BSD-2-Clause
/* Kernels made for the Multiboot loader, and the RAM that they are loaded to. */
#ifndef TESTS_UNIT_MULTIBOOT_FILE_H
#define TESTS_UNIT_MULTIBOOT_FILE_H

#include "tests/unit/loader_file.h"

#include "vmm/loader/memory_layout.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* The file formats as the Multiboot and ELF specifications draw them; nothing is shared with the
 * code. */
struct header {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 52, "ELF header");

struct program_header {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct information {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
        mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm;
};
_Static_assert(offsetof(struct information, mmap_length) == 44, "information");
_Static_assert(offsetof(struct information, boot_loader_name) == 64, "information");

struct module {
    uint32_t start, end, string, reserved;
};

struct mmap_entry {
    uint32_t size;
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

#define ELF_FILE_BYTES 0x3000
#define HEADER_AT      0x1000
#define MAX_SEGMENTS   70

static struct loader_entry entry;
static uint8_t *ram;
static uint64_t ram_bytes;

/* ELF kernels are put together here, then written to the file. */
static struct header header;
static struct elf_header elf;
static struct program_header segments[MAX_SEGMENTS];

static inline void write_header(size_t at, size_t bytes)
{
    header.checksum = -(header.magic + header.flags);
    memcpy(file + at, &header, bytes);
}

static inline void write_elf(void)
{
    resize(ELF_FILE_BYTES);
    for (size_t i = 0; i < ELF_FILE_BYTES; i++)
        file[i] = (uint8_t)(i * 13 + 5);
    memset(file, 0, HEADER_AT);
    memcpy(file, &elf, sizeof(elf));
    memcpy(file + elf.phoff, segments, sizeof(segments[0]) * MAX_SEGMENTS);
    write_header(HEADER_AT, 12);
}

static inline void free_ram(void)
{
    if (ram != NULL)
        munmap(ram, ram_bytes);
    ram = NULL;
}

static inline int set_up(void **state)
{
    (void)state;
    guest = (struct guest_config){.name = "mb", .memory_bytes = 16 * MIB};
    header = (struct header){.magic = 0x1badb002, .flags = 3};
    elf = (struct elf_header){
        .ident = {0x7f, 'E', 'L', 'F', 1, 1, 1},
        .type = 2,
        .machine = 3,
        .version = 1,
        .entry = 0x400010,
        .phoff = 52,
        .ehsize = 52,
        .phentsize = 32,
        .phnum = 2,
    };
    memset(segments, 0, sizeof(segments));
    segments[0] = (struct program_header){1, 0x1000, 0x400000, 0x400000, 0x1800, 0x1800, 7, 4096};
    segments[1] = (struct program_header){1, 0x2800, 0x402000, 0x402000, 0x800, 0x5000, 7, 4096};
    write_elf();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    release_files();
    free_ram();
    return 0;
}

#define KERNEL_REFUSED(expected_status, expected_message)                                          \
    REFUSED(expected_status, "guest 'mb': " expected_message)

static inline void load(void)
{
    free_ram();
    ram_bytes = guest.memory_bytes;
    ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
               -1, 0);
    assert_ptr_not_equal(ram, MAP_FAILED);
    if (check() != STATUS_OK)
        fail_msg("%s", message);
    assert_string_equal(message, "");
    assert_int_equal(loader_load(&guest, ram, GPA(0xe0000), &entry), STATUS_OK);
}

static const struct information *information(void)
{
    return (const struct information *)(ram + entry.rbx);
}

static inline const char *text(uint32_t gpa)
{
    assert_in_range(gpa, 0x1000, 0x9fbff);
    return (const char *)ram + gpa;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
