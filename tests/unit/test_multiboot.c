// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/rounds.h"
#include "tests/unit/unit.h"

#include "vmm/loader/loader.h"
#include "vmm/loader/memory_layout.h"

#include <stdio.h>
#include <stdlib.h>
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

static uint8_t *file; /* exactly as large as the test says, so that reading past it is seen */
static uint8_t *initrd;
static struct guest_config guest;
static struct loader_entry entry;
static char message[512];
static uint8_t *ram;
static uint64_t ram_bytes;

/* ELF kernels are put together here, then written to the file. */
static struct header header;
static struct elf_header elf;
static struct program_header segments[MAX_SEGMENTS];

static void resize(size_t size)
{
    file = realloc(file, size);
    guest.kernel = (struct blob){.data = file, .size_bytes = size};
}

static void write_header(size_t at, size_t bytes)
{
    header.checksum = -(header.magic + header.flags);
    memcpy(file + at, &header, bytes);
}

static void write_elf(void)
{
    resize(ELF_FILE_BYTES);
    for (size_t i = 0; i < ELF_FILE_BYTES; i++)
        file[i] = (uint8_t)(i * 13 + 5);
    memset(file, 0, HEADER_AT);
    memcpy(file, &elf, sizeof(elf));
    memcpy(file + elf.phoff, segments, sizeof(segments[0]) * MAX_SEGMENTS);
    write_header(HEADER_AT, 12);
}

static void set_initrd(size_t size)
{
    initrd = realloc(initrd, size);
    for (size_t i = 0; i < size; i++)
        initrd[i] = (uint8_t)(i * 7 + 1);
    guest.initrd = (struct blob){.data = initrd, .size_bytes = size};
}

static void free_ram(void)
{
    if (ram != NULL)
        munmap(ram, ram_bytes);
    ram = NULL;
}

static int set_up(void **state)
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

static int tear_down(void **state)
{
    (void)state;
    free(file);
    free(initrd);
    file = initrd = NULL;
    free_ram();
    return 0;
}

static enum status check(void)
{
    return loader_check(&guest, "\\k", "\\i", message, sizeof(message));
}

#define REFUSED(expected_status, expected_message)                                                 \
    do {                                                                                           \
        enum status checked = check();                                                             \
        assert_string_equal(message, "guest 'mb': " expected_message);                             \
        assert_int_equal(checked, expected_status);                                                \
    } while (0)

static void load(void)
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

static const char *text(uint32_t gpa)
{
    assert_in_range(gpa, 0x1000, 0x9fbff);
    return (const char *)ram + gpa;
}

static void test_elf(void **state)
{
    uint64_t descriptor;

    (void)state;
    load();
    assert_int_equal(entry.mode, LOADER_MODE_PROTECTED32);
    assert_int_equal(entry.rip, 0x400010);
    assert_int_equal(entry.rax, 0x2badb002);
    assert_int_equal(entry.rflags, 2);
    assert_memory_equal(ram + 0x400000, file + 0x1000, 0x1800);
    for (size_t i = 0x401800; i < 0x402000; i++)
        assert_int_equal(ram[i], 0);
    assert_memory_equal(ram + 0x402000, file + 0x2800, 0x800);
    for (size_t i = 0x402800; i < 0x410000; i++)
        assert_int_equal(ram[i], 0);

    /* Flat, 4 GiB, 32 bits: code execute/read, data read/write. */
    assert_in_range(entry.gdt_base, 0x1000, 0x9fbe8);
    assert_true(entry.code_selector + 7 <= entry.gdt_limit);
    assert_true(entry.data_selector + 7 <= entry.gdt_limit);
    memcpy(&descriptor, ram + entry.gdt_base + entry.code_selector, 8);
    assert_int_equal(descriptor, 0x00cf9b000000ffff);
    memcpy(&descriptor, ram + entry.gdt_base + entry.data_selector, 8);
    assert_int_equal(descriptor, 0x00cf93000000ffff);
    memcpy(&descriptor, ram + entry.gdt_base, 8);
    assert_int_equal(descriptor, 0);
}

static void test_information(void **state)
{
    static const struct mmap_entry map[] = {{20, 0, 0x9fc00, 1},
                                            {20, 0x9fc00, 0x400, 2},
                                            {20, 0xe0000, 0x20000, 2},
                                            {20, 0x100000, 3 * GIB - 1 * MIB, 1},
                                            {20, 4 * GIB, 1 * GIB, 1}};

    (void)state;
    load();
    assert_int_equal(entry.rbx % 4, 0);
    assert_in_range(entry.rbx, 0x1000, 0x9fbff);
    assert_int_equal(information()->flags, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_int_equal(information()->mem_lower, 639);
    assert_int_equal(information()->mem_upper, 15 * 1024);
    assert_int_equal(information()->mmap_length, 4 * 24);
    assert_string_equal(text(information()->cmdline), "mb");
    assert_string_equal(text(information()->boot_loader_name), "Portcullis");
    assert_int_equal(information()->mods_count, 0);

    guest.memory_bytes = 4 * GIB;
    strcpy(guest.cmdline, "a=1 b");
    load();
    assert_string_equal(text(information()->cmdline), "mb a=1 b");
    assert_int_equal(information()->mem_upper, 3 * MIB - 1024);
    assert_int_equal(information()->mmap_length, sizeof(map));
    assert_memory_equal(text(information()->mmap_addr), map, sizeof(map));

    /* The longest strings. */
    memset(guest.name, 'n', sizeof(guest.name) - 1);
    memset(guest.cmdline, 'c', sizeof(guest.cmdline) - 1);
    set_initrd(1);
    load();
    assert_int_equal(strlen(text(information()->cmdline)), 31 + 1 + 2047);
    assert_string_equal(text(information()->boot_loader_name), "Portcullis");
    assert_string_equal(text(((const struct module *)text(information()->mods_addr))->string),
                        "initrd");
}

/* The information's page moves out of the image's way, and is never page 0. */
static void test_information_place(void **state)
{
    (void)state;
    load();
    assert_int_equal(entry.rbx, 0x9000);
    /* A segment over it, up to 0x9fff. */
    segments[1].paddr = segments[1].vaddr = 0x8f00;
    segments[1].memsz = 0x1100;
    write_elf();
    load();
    assert_int_equal(entry.rbx, 0xa000);
    assert_memory_equal(ram + 0x8f00, file + 0x2800, 0x800);
    segments[1].memsz = 0x1101;
    write_elf();
    load();
    assert_int_equal(entry.rbx, 0xb000);
    segments[1].memsz = 0x9fc00 - 0x8f00; /* all above */
    write_elf();
    load();
    assert_int_equal(entry.rbx, 0x1000);
    segments[1].paddr = 0x1001;
    segments[1].memsz = 0x9fc00 - 0x1001;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED, "\\k: the Multiboot kernel leaves no page free below 640 KiB for "
                                "the information it is to get; link it higher");
}

static void test_module(void **state)
{
    const struct module *module;

    (void)state;
    set_initrd(5000);
    load();
    assert_int_equal(information()->mods_count, 1);
    module = (const struct module *)text(information()->mods_addr);
    assert_int_equal(module->start, 0x407000);
    assert_int_equal(module->end, 0x407000 + 5000);
    assert_int_equal(module->reserved, 0);
    assert_string_equal(text(module->string), "initrd");
    assert_memory_equal(ram + module->start, initrd, 5000);

    /* Up to the last byte behind the image; then in front of it. */
    set_initrd(16 * MIB - 0x407000);
    load();
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x407000);
    assert_memory_equal(ram + 0x407000, initrd, 16 * MIB - 0x407000);
    guest.memory_bytes = 6 * MIB;
    set_initrd(3 * MIB);
    load();
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x100000);
    assert_memory_equal(ram + 0x100000, initrd, 3 * MIB);
    assert_memory_equal(ram + 0x400000, file + 0x1000, 0x1800);
    set_initrd(3 * MIB + 1);
    REFUSED(STATUS_OUT_OF_RANGE,
            "\\i: it needs at least 8 MiB, and the guest has 6; write memory = 8M");
    guest.memory_bytes = 8 * MIB;
    load();
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x407000);

    /* Between two segments. */
    segments[1].paddr = 0xa00000;
    write_elf();
    guest.memory_bytes = 12 * MIB;
    set_initrd(4 * MIB);
    load();
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x402000);

    /* There is no memory that would do. */
    segments[1].paddr = 0x60000000;
    segments[1].memsz = 0x60000000;
    write_elf();
    guest.memory_bytes = 4 * GIB;
    guest.initrd.size_bytes = 2 * GIB;
    REFUSED(STATUS_OUT_OF_RANGE, "\\i: an initrd of 2048 MiB finds no room beside the Multiboot "
                                 "kernel below 3 GiB; use a smaller one");
}

/* Linked high, loaded low. */
static void test_entry_is_translated(void **state)
{
    (void)state;
    segments[0].vaddr = 0xc0400000;
    elf.entry = 0xc04017ff;
    write_elf();
    load();
    assert_int_equal(entry.rip, 0x4017ff);
    elf.entry = 0x400123; /* physical already */
    write_elf();
    load();
    assert_int_equal(entry.rip, 0x400123);
    elf.entry = 0xc0401800;
    write_elf();
    REFUSED(STATUS_INVALID,
            "\\k: the Multiboot kernel's entry 0xc0401800 is outside its image; link it again");
    elf.entry = 0x401fff; /* between the segments */
    write_elf();
    REFUSED(STATUS_INVALID,
            "\\k: the Multiboot kernel's entry 0x401fff is outside its image; link it again");
}

static void test_segment_places(void **state)
{
    static const struct {
        uint32_t paddr, memsz;
        enum status expected;
    } cases[] = {
        {0x1000, 0x800, STATUS_OK},
        {0x9f400, 0x800, STATUS_OK},
        {0x9f401, 0x800, STATUS_UNSUPPORTED}, /* extended BIOS data area */
        {0xfff, 0x800, STATUS_UNSUPPORTED},
        {0, 0x800, STATUS_UNSUPPORTED},
        {0xe0000, 0x800, STATUS_UNSUPPORTED}, /* ACPI tables */
        {0xff800, 0x801, STATUS_UNSUPPORTED},
        {0x100000, 0x800, STATUS_OK},
        {0xfff800, 0x800, STATUS_OK},
        {0xfff801, 0x800, STATUS_OUT_OF_RANGE},
        {0xbffff800, 0x800, STATUS_OUT_OF_RANGE},
        {0xbffff801, 0x800, STATUS_UNSUPPORTED},
        {0xfffff800, 0xffffffff, STATUS_UNSUPPORTED},
        {0x402000, 0xffffffff, STATUS_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        segments[1].paddr = cases[i].paddr;
        segments[1].memsz = cases[i].memsz;
        write_elf();
        assert_int_equal(check(), cases[i].expected);
    }
    segments[1].paddr = 0xe0000;
    segments[1].memsz = 0x800;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED,
            "\\k: the Multiboot kernel wants 0x800 bytes at 0xe0000, which is neither within "
            "0x1000-0x9fbff nor between 1 MiB and 3 GiB; link it elsewhere");
    segments[1].paddr = 0x1000000;
    write_elf();
    REFUSED(STATUS_OUT_OF_RANGE,
            "\\k: it needs at least 18 MiB, and the guest has 16; write memory = 18M");
    guest.memory_bytes = 18 * MIB;
    load();
    assert_memory_equal(ram + 0x1000000, file + 0x2800, 0x800);
}

static void test_overlap(void **state)
{
    (void)state;
    segments[1].paddr = 0x4017ff;
    write_elf();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel's segments at 0x400000 and 0x4017ff "
                            "overlap; link it again");
    segments[1].paddr = 0x401800;
    write_elf();
    assert_int_equal(check(), STATUS_OK);
    segments[1].paddr = 0x400000 - 0x5000 + 1; /* the second in the file, the first in memory */
    write_elf();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel's segments at 0x3fb001 and 0x400000 "
                            "overlap; link it again");
    segments[1].paddr--;
    write_elf();
    load();
    assert_memory_equal(ram + 0x3fb000, file + 0x2800, 0x800);
    /* One inserted between two. */
    segments[2] = segments[1];
    segments[2].paddr = 0x3ffffe;
    segments[2].filesz = segments[2].memsz = 2;
    segments[1].memsz = 0x4ffe;
    elf.phnum = 3;
    write_elf();
    load();
    segments[2].memsz = 3;
    write_elf();
    assert_int_equal(check(), STATUS_INVALID);
    segments[2].memsz = 2;
    segments[1].memsz++;
    write_elf();
    assert_int_equal(check(), STATUS_INVALID);
}

static void test_segment_count(void **state)
{
    (void)state;
    for (unsigned i = 2; i < MAX_SEGMENTS; i++)
        segments[i] =
            (struct program_header){1, 0x2800, 0, 0x800000 + i * 0x1000, 0x10, 0x1000, 7, 4096};
    elf.phnum = 64;
    write_elf();
    load();
    assert_memory_equal(ram + 0x800000 + 63 * 0x1000, file + 0x2800, 0x10);
    elf.phnum = 65;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED, "\\k: the Multiboot kernel has more than 64 loadable segments; "
                                "link it with fewer");
    segments[64].type = 4;  /* a note is none */
    segments[10].memsz = 0; /* neither is an empty one */
    segments[10].filesz = 0;
    write_elf();
    assert_int_equal(check(), STATUS_OK);
    elf.phnum = 0;
    write_elf();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel's ELF file has no loadable segment; link "
                            "it again");
}

static void test_elf_refusals(void **state)
{
    static const char damaged[] =
        "guest 'mb': \\k: the Multiboot kernel's ELF headers contradict themselves or the file is "
        "truncated; copy it to the volume again";

    (void)state;
    elf.ident[4] = 2;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED, "\\k: the Multiboot kernel is a 64-bit ELF file, and Multiboot "
                                "starts 32-bit code; convert it with objcopy -O elf32-i386");
    elf.ident[4] = 1;
    elf.machine = 62;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED, "\\k: the Multiboot kernel is an ELF file for another machine "
                                "than the i386 (class 1, data 1, machine 62)");
    elf.machine = 3;
    elf.type = 3;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED, "\\k: the Multiboot kernel is an ELF file of type 3, and 2 (EXEC) "
                                "is needed; link it statically, at a fixed address");
    elf.type = 2;
    elf.ident[0] = 0;
    write_elf();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel is neither an ELF file nor does its header "
                            "give addresses (flag 16); build it as ELF32");
    elf.ident[0] = 0x7f;

#define DAMAGED(change)                                                                            \
    do {                                                                                           \
        struct elf_header old_elf = elf;                                                           \
        struct program_header old_segment = segments[1];                                           \
        change;                                                                                    \
        write_elf();                                                                               \
        memcpy(file, &elf, sizeof(elf));                                                           \
        assert_int_equal(check(), STATUS_INVALID);                                                 \
        assert_string_equal(message, damaged);                                                     \
        elf = old_elf;                                                                             \
        segments[1] = old_segment;                                                                 \
    } while (0)
    DAMAGED(elf.phentsize = 31);
    DAMAGED(segments[1].filesz = 0x801);
    DAMAGED(segments[1].offset = 0x2801);
    DAMAGED(segments[1].offset = 0xffffffff);
    DAMAGED(segments[1].memsz = 0x7ff);
    write_elf();
    assert_int_equal(check(), STATUS_OK);
    elf.phoff = ELF_FILE_BYTES - 63;
    memcpy(file, &elf, sizeof(elf));
    assert_int_equal(check(), STATUS_INVALID);
    assert_string_equal(message, damaged);
    elf.phoff = 0xffffffff;
    memcpy(file, &elf, sizeof(elf));
    assert_int_equal(check(), STATUS_INVALID);
    assert_string_equal(message, damaged);
}

static void test_flags(void **state)
{
    (void)state;
    header.flags = 0;
    write_elf();
    load(); /* the information is whole even when not asked for */
    assert_int_equal(information()->flags & 0x41, 0x41);
    /* A video mode is not there; the kernel sees that and starts all the same. */
    header.flags = 7;
    write_elf();
    load();
    assert_int_equal(information()->flags & (1 << 11 | 1 << 12), 0);
    header.flags = 0xfffe0007; /* bits 17-31 are optional */
    write_elf();
    assert_int_equal(check(), STATUS_OK);
    for (unsigned bit = 3; bit < 16; bit++) {
        header.flags = 1u << bit;
        write_elf();
        assert_int_equal(check(), STATUS_UNSUPPORTED);
    }
    header.flags = 0x000b;
    write_elf();
    REFUSED(STATUS_UNSUPPORTED, "\\k: the Multiboot header requires what is not known here: flags "
                                "0x000b, of which 0x0007 are known");
}

/* --- Addresses in the header: any file format, here none --- */

#define RAW_BYTES     0x2345
#define RAW_HEADER_AT 0x40

static void write_raw(void)
{
    resize(RAW_BYTES);
    for (size_t i = 0; i < RAW_BYTES; i++)
        file[i] = (uint8_t)(i * 11 + 3);
    write_header(RAW_HEADER_AT, sizeof(header));
}

static void start_raw(void)
{
    header.flags = 0x10003;
    header.header_addr = 0x100020;
    header.load_addr = 0x100000; /* the file's first 0x20 bytes are left out */
    header.load_end_addr = 0x102000;
    header.bss_end_addr = 0x103001;
    header.entry_addr = 0x103000;
    write_raw();
}

static void test_addresses(void **state)
{
    (void)state;
    start_raw();
    set_initrd(10);
    load();
    assert_int_equal(entry.mode, LOADER_MODE_PROTECTED32);
    assert_int_equal(entry.rip, 0x103000);
    assert_memory_equal(ram + 0x100000, file + 0x20, 0x2000);
    for (size_t i = 0x102000; i < 0x104000; i++)
        assert_int_equal(ram[i], 0);
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x104000);

    header.load_end_addr = 0; /* to the end of the file */
    write_raw();
    load();
    assert_memory_equal(ram + 0x100000, file + 0x20, RAW_BYTES - 0x20);
    assert_int_equal(ram[0x100000 + RAW_BYTES - 0x20], 0);
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x104000);
    header.bss_end_addr = 0; /* none */
    header.entry_addr = 0x100000 + RAW_BYTES - 0x20 - 1;
    write_raw();
    load();
    assert_int_equal(((const struct module *)text(information()->mods_addr))->start, 0x103000);
    header.entry_addr++;
    write_raw();
    REFUSED(STATUS_INVALID,
            "\\k: the Multiboot kernel's entry 0x102325 is outside its image; link it again");
    header.load_end_addr = 0x102000;
    header.entry_addr = 0x101fff;
    write_raw();
    load();

    /* They go before what the ELF header says, whatever that is. */
    elf.ident[4] = 2;
    header.header_addr = 0x100000 + HEADER_AT;
    header.load_addr = 0x100000;
    header.entry_addr = 0x100100;
    write_elf();
    write_header(HEADER_AT, sizeof(header));
    load();
    assert_memory_equal(ram + 0x100000, file, 0x2000);
}

static void test_address_refusals(void **state)
{
    (void)state;
    start_raw();
    header.load_addr = 0x100021;
    write_raw();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot header's load_addr 0x100021 and header_addr "
                            "0x100020 put the image's beginning outside the file; correct the "
                            "header");
    header.load_addr = 0x100020 - RAW_HEADER_AT - 1;
    write_raw();
    assert_int_equal(check(), STATUS_INVALID);
    header.load_addr++;
    write_raw();
    assert_int_equal(check(), STATUS_UNSUPPORTED); /* begins below 1 MiB */

    start_raw();
    header.load_end_addr = 0x100000;
    write_raw();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot header's load_end_addr 0x100000 is not above its "
                            "load_addr 0x100000; correct the header");
    header.load_end_addr = 0x100000 + RAW_BYTES - 0x20 + 1;
    write_raw();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel is truncated: it has 9029 bytes of 9030; "
                            "copy it to the volume again");
    header.load_end_addr--;
    write_raw();
    assert_int_equal(check(), STATUS_OK);
    header.bss_end_addr = header.load_end_addr - 1;
    write_raw();
    REFUSED(STATUS_INVALID, "\\k: the Multiboot header's bss_end_addr 0x102324 is below the end "
                            "of what is loaded, 0x102325; correct the header");
    header.bss_end_addr = 0xffffffff;
    write_raw();
    assert_int_equal(check(), STATUS_UNSUPPORTED);

    start_raw();
    resize(RAW_HEADER_AT + 31);
    REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel is truncated within its header; copy it to "
                            "the volume again");
}

/* Whatever a file says: no read outside it, no write outside the RAM, and what is accepted has its
 * information where the specification wants it. The sanitisers watch. */
static void test_mutations(void **state)
{
    static const uint32_t values[] = {0,          1,          0x1000,     0x9fc00,   0x100000,
                                      0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff};
    unsigned long long seed = 1;
    unsigned accepted = 0;

    (void)state;
    guest.memory_bytes = 8 * MIB;
    set_initrd(0x1234);
    for (unsigned round = 0; round < rounds(4000); round++) {
        write_elf();
        if (round & 1) {
            start_raw();
            header.flags = 3;
        }
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            size_t from = round & 1 ? RAW_HEADER_AT + 12 : 4, to = round & 1 ? 20 : 52 + 64 - 4;
            uint32_t value;

            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            value = (seed >> 40) % 3 == 0 ? (uint32_t)(seed >> 20)
                                          : values[(seed >> 33) % ARRAY_COUNT(values)];
            memcpy(file + from + (seed >> 45) % to / 2 * 2, &value, 4);
        }
        if (check() == STATUS_OK) {
            accepted++;
            load();
            assert_in_range(entry.rbx, 0x1000, 0x9ebff);
            assert_in_range(entry.rip, 0x1000, 8 * MIB - 1);
        } else {
            assert_int_not_equal(message[0], '\0');
        }
        guest.kernel.size_bytes = seed >> 50; /* and truncated */
        if (guest.kernel.size_bytes <= (round & 1 ? RAW_BYTES : ELF_FILE_BYTES)) {
            resize(guest.kernel.size_bytes + 1);
            (void)check();
        }
    }
    assert_true(accepted > rounds(100));
}

/* --- A kernel as assembler and linker make it --- */

static const char kernel_source[] = "bits 32\n"
                                    "section .multiboot\n"
                                    " dd 0x1badb002, 3, -(0x1badb002 + 3)\n"
                                    "section .text\n"
                                    "global start\n"
                                    "start: cmp eax, 0x2badb002\n"
                                    " mov eax, [counter]\n"
                                    " jmp start\n"
                                    "section .data\n"
                                    "value: dd 0x12345678\n"
                                    "section .bss\n"
                                    "counter: resd 5000\n";

static void test_linked_kernel(void **state)
{
    char directory[] = "/tmp/portcullis-multiboot-XXXXXX", path[64], command[320];
    static const uint8_t code[] = {0x3d, 0x02, 0xb0, 0xad, 0x2b, 0xa1};
    FILE *stream;
    long size;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/k.asm", directory);
    stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(fputs(kernel_source, stream) < 0, 0);
    assert_int_equal(fclose(stream), 0);
    snprintf(command, sizeof(command),
             "cd %s && nasm -f elf32 -o k.o k.asm && ld -m elf_i386 -Ttext-segment=0x200000 "
             "--section-start=.multiboot=0x200000 -e start -o k k.o",
             directory);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof(path), "%s/k", directory);
    stream = fopen(path, "rb");
    assert_non_null(stream);
    fseek(stream, 0, SEEK_END);
    size = ftell(stream);
    rewind(stream);
    resize((size_t)size);
    assert_int_equal(fread(file, 1, (size_t)size, stream), size);
    assert_int_equal(fclose(stream), 0);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);

    assert_int_equal(guest_format(guest.kernel), GUEST_FORMAT_MULTIBOOT);
    load();
    assert_in_range(entry.rip, 0x200000, 0x210000);
    assert_memory_equal(ram + entry.rip, code, sizeof(code));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_elf),       TEST(test_information),         TEST(test_information_place),
        TEST(test_module),    TEST(test_entry_is_translated), TEST(test_segment_places),
        TEST(test_overlap),   TEST(test_segment_count),       TEST(test_elf_refusals),
        TEST(test_flags),     TEST(test_addresses),           TEST(test_address_refusals),
        TEST(test_mutations), TEST(test_linked_kernel),
    };
    return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
