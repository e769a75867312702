// SPDX-License-Identifier: BSD-2-Clause
/* Multiboot kernels whose header has the addresses, in any file format; files with random errors;
 * one as assembler and linker make it. */
#include "tests/unit/multiboot_file.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

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
    KERNEL_REFUSED(
        STATUS_INVALID,
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
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot header's load_addr 0x100021 and header_addr "
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
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot header's load_end_addr 0x100000 is not above its "
                   "load_addr 0x100000; correct the header");
    header.load_end_addr = 0x100000 + RAW_BYTES - 0x20 + 1;
    write_raw();
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot kernel is truncated: it has 9029 bytes of 9030; "
                   "copy it to the volume again");
    header.load_end_addr--;
    write_raw();
    assert_int_equal(check(), STATUS_OK);
    header.bss_end_addr = header.load_end_addr - 1;
    write_raw();
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot header's bss_end_addr 0x102324 is below the end "
                   "of what is loaded, 0x102325; correct the header");
    header.bss_end_addr = 0xffffffff;
    write_raw();
    assert_int_equal(check(), STATUS_UNSUPPORTED);

    start_raw();
    resize(RAW_HEADER_AT + 31);
    KERNEL_REFUSED(STATUS_INVALID,
                   "\\k: the Multiboot kernel is truncated within its header; copy it to "
                   "the volume again");
}

/* Whatever a file says: no read outside it, no write outside the RAM, and what is accepted has its
 * information where the specification wants it. The sanitisers watch. */
static void test_mutations(void **state)
{
    static const uint32_t values[] = {0,          1,          0x1000,     0x9fc00,   0x100000,
                                      0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff};
    uint64_t random = 0;
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

            random = random_u64();
            value = (random >> 40) % 3 == 0 ? (uint32_t)(random >> 20)
                                            : values[(random >> 33) % ARRAY_COUNT(values)];
            memcpy(file + from + (random >> 45) % to / 2 * 2, &value, 4);
        }
        if (check() == STATUS_OK) {
            accepted++;
            load();
            assert_in_range(entry.rbx, 0x1000, 0x9ebff);
            assert_in_range(entry.rip, 0x1000, 8 * MIB - 1);
        } else {
            assert_int_not_equal(message[0], '\0');
        }
        guest.kernel.size_bytes = random >> 50; /* and truncated */
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

    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_MULTIBOOT);
    load();
    assert_in_range(entry.rip, 0x200000, 0x210000);
    assert_memory_equal(ram + entry.rip, code, sizeof(code));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_addresses),
        TEST(test_address_refusals),
        TEST(test_mutations),
        TEST(test_linked_kernel),
    };
    return cmocka_run_group_tests_name("multiboot_addresses", tests, NULL, NULL);
}
