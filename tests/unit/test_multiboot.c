// SPDX-License-Identifier: BSD-2-Clause
/* Multiboot kernels in ELF files. */
#include "tests/unit/multiboot_file.h"

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
    KERNEL_REFUSED(STATUS_UNSUPPORTED,
                   "\\k: the Multiboot kernel leaves no page free below 640 KiB for "
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
    KERNEL_REFUSED(STATUS_OUT_OF_RANGE,
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
    KERNEL_REFUSED(STATUS_OUT_OF_RANGE,
                   "\\i: an initrd of 2048 MiB finds no room beside the Multiboot "
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
    KERNEL_REFUSED(
        STATUS_INVALID,
        "\\k: the Multiboot kernel's entry 0xc0401800 is outside its image; link it again");
    elf.entry = 0x401fff; /* between the segments */
    write_elf();
    KERNEL_REFUSED(
        STATUS_INVALID,
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
    KERNEL_REFUSED(
        STATUS_UNSUPPORTED,
        "\\k: the Multiboot kernel wants 0x800 bytes at 0xe0000, which is neither within "
        "0x1000-0x9fbff nor between 1 MiB and 3 GiB; link it elsewhere");
    segments[1].paddr = 0x1000000;
    write_elf();
    KERNEL_REFUSED(STATUS_OUT_OF_RANGE,
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
    KERNEL_REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel's segments at 0x400000 and 0x4017ff "
                                   "overlap; link it again");
    segments[1].paddr = 0x401800;
    write_elf();
    assert_int_equal(check(), STATUS_OK);
    segments[1].paddr = 0x400000 - 0x5000 + 1; /* the second in the file, the first in memory */
    write_elf();
    KERNEL_REFUSED(STATUS_INVALID, "\\k: the Multiboot kernel's segments at 0x3fb001 and 0x400000 "
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
    KERNEL_REFUSED(STATUS_UNSUPPORTED,
                   "\\k: the Multiboot kernel has more than 64 loadable segments; "
                   "link it with fewer");
    segments[64].type = 4;  /* a note is none */
    segments[10].memsz = 0; /* neither is an empty one */
    segments[10].filesz = 0;
    write_elf();
    assert_int_equal(check(), STATUS_OK);
    elf.phnum = 0;
    write_elf();
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot kernel's ELF file has no loadable segment; link "
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
    KERNEL_REFUSED(STATUS_UNSUPPORTED,
                   "\\k: the Multiboot kernel is a 64-bit ELF file, and Multiboot "
                   "starts 32-bit code; convert it with objcopy -O elf32-i386");
    elf.ident[4] = 1;
    elf.machine = 62;
    write_elf();
    KERNEL_REFUSED(STATUS_UNSUPPORTED,
                   "\\k: the Multiboot kernel is an ELF file for another machine "
                   "than the i386 (class 1, data 1, machine 62)");
    elf.machine = 3;
    elf.type = 3;
    write_elf();
    KERNEL_REFUSED(STATUS_UNSUPPORTED,
                   "\\k: the Multiboot kernel is an ELF file of type 3, and 2 (EXEC) "
                   "is needed; link it statically, at a fixed address");
    elf.type = 2;
    elf.ident[0] = 0;
    write_elf();
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot kernel is neither an ELF file nor does its header "
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
    KERNEL_REFUSED(STATUS_UNSUPPORTED,
                   "\\k: the Multiboot header requires what is not known here: flags "
                   "0x000b, of which 0x0007 are known");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_elf),     TEST(test_information),         TEST(test_information_place),
        TEST(test_module),  TEST(test_entry_is_translated), TEST(test_segment_places),
        TEST(test_overlap), TEST(test_segment_count),       TEST(test_elf_refusals),
        TEST(test_flags),
    };
    return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
