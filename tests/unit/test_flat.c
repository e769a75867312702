// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/loader_file.h"

#include "vmm/loader/memory_layout.h"

#include <stdlib.h>
#include <string.h>

#define FLAT_BYTES_MAX (608 * 1024)

static void set_file(const void *content, size_t size)
{
    resize(size);
    memcpy(file, content, size);
}

static int set_up(void **state)
{
    (void)state;
    guest = (struct guest_config){.name = "t", .memory_bytes = 2 * MIB};
    set_file("\xeb\xfe", 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    release_files();
    return 0;
}

static void test_load(void **state)
{
    uint8_t *ram = calloc(1, 2 * MIB);
    struct loader_entry entry;

    (void)state;
    assert_int_equal(check(), STATUS_OK);
    assert_string_equal(message, "");
    assert_int_equal(loader_load(&guest, ram, GPA(0xe0000), &entry), STATUS_OK);
    assert_int_equal(entry.mode, LOADER_MODE_REAL);
    assert_int_equal(entry.rip, 0x7c00);
    assert_int_equal(entry.code_selector, 0);
    assert_int_equal(entry.data_selector, 0);
    assert_int_equal(entry.rdx, 0x80);
    assert_int_equal(entry.rflags, 0x202);
    assert_memory_equal(ram + 0x7c00, "\xeb\xfe\0", 3);
    assert_int_equal(ram[0x400] | ram[0x401] << 8, 0x3f8);
    assert_int_equal(ram[0x40e] | ram[0x40f] << 8, 0x9fc0);
    assert_int_equal(ram[0x413] | ram[0x414] << 8, 639);
    free(ram);
}

static void test_sizes(void **state)
{
    uint8_t *large = calloc(1, FLAT_BYTES_MAX + 1), *ram = calloc(1, 2 * MIB);
    struct loader_entry entry;

    (void)state;
    memset(large, 0x90, FLAT_BYTES_MAX + 1);
    set_file(large, FLAT_BYTES_MAX);
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_OK);
    assert_int_equal(ram[0x9fbff], 0x90);
    assert_int_equal(ram[0x9fc00], 1); /* the EBDA's own size */
    set_file(large, FLAT_BYTES_MAX + 1);
    REFUSED(STATUS_INVALID, "guest 't': \\k: neither a Linux bzImage nor a Multiboot kernel, and "
                            "with 622593 bytes too large for a flat 16-bit binary, which may have "
                            "622592");
    assert_int_equal(loader_load(&guest, ram, GPA(0), &entry), STATUS_INVALID);
    guest.kernel.size_bytes = 0;
    REFUSED(STATUS_INVALID, "guest 't': \\k: the file is empty; copy it to the volume again");
    free(large);
    free(ram);
}

static void test_nothing_is_ignored(void **state)
{
    (void)state;
    strcpy(guest.cmdline, "x");
    REFUSED(STATUS_INVALID, "guest 't': \\k: a flat 16-bit binary, which takes no command line; "
                            "leave the line cmdline out");
    guest.cmdline[0] = '\0';
    guest.initrd = guest.kernel;
    REFUSED(STATUS_INVALID, "guest 't': \\i: the kernel is a flat 16-bit binary, which takes no "
                            "initrd; leave the line initrd out");
    guest.initrd = (struct blob){0};
    guest.memory_bytes = 3 * MIB;
    REFUSED(STATUS_OUT_OF_RANGE,
            "guest 't': \\k: 3145728 bytes of memory are not a positive multiple of 2 MiB");
    guest.memory_bytes = 0;
    assert_int_equal(check(), STATUS_OUT_OF_RANGE);
}

static void test_multiboot_is_found(void **state)
{
    static const uint32_t header[] = {0x1badb002, 3, (uint32_t) - (0x1badb002 + 3)};
    static const uint32_t header2[] = {0xe85250d6, 0, 24, (uint32_t) - (0xe85250d6 + 24)};
    uint8_t *image = calloc(1, 40000);

    (void)state;
    /* The last places where each may stand. */
    memcpy(image + 8192 - 12, header, sizeof(header));
    set_file(image, 40000);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_MULTIBOOT);
    file[8191] ^= 1; /* the checksum is wrong */
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);
    set_file(image, 8192);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_MULTIBOOT);
    set_file(image, 8191);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);

    memset(image, 0, 40000);
    memcpy(image + 102, header, sizeof(header)); /* on 2 bytes, not on 4 */
    set_file(image, 40000);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);

    memset(image, 0, 40000);
    memcpy(image + 8192, header, sizeof(header)); /* too late */
    set_file(image, 40000);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);

    memset(image, 0, 40000);
    memcpy(image + 32768 - 16, header2, sizeof(header2));
    set_file(image, 40000);
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_MULTIBOOT2);
    REFUSED(STATUS_UNSUPPORTED,
            "guest 't': \\k: this is a Multiboot2 kernel without a Multiboot 1 header, which this "
            "version does not start; build it with one");
    memcpy(file + 400, header, sizeof(header)); /* with both, the first kind is taken */
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_MULTIBOOT);
    file[400] ^= 1;
    memmove(file + 8, file, 39992); /* too late */
    assert_int_equal(guest_format_of(guest.kernel), GUEST_FORMAT_FLAT);
    free(image);
}

static void test_elf(void **state)
{
    (void)state;
    set_file("\177ELF\2\1\1", 7);
    REFUSED(STATUS_UNSUPPORTED, "guest 't': \\k: this is an ELF file, which does not start by "
                                "itself; for Linux use the bzImage (/boot/vmlinuz-...), not "
                                "vmlinux");
}

static void test_layout(void **state)
{
    struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX];
    struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX];
    uint64_t offset;

    (void)state;
    assert_int_equal(guest_ram_layout(2 * MIB, ranges), 4);
    assert_int_equal(ranges[3].gpa.value, 1 * MIB);
    assert_int_equal(ranges[3].size_bytes, 1 * MIB);
    assert_int_equal(guest_ram_layout(3 * GIB, ranges), 4);
    assert_int_equal(guest_ram_layout(3 * GIB + 2 * MIB, ranges), 5);
    assert_int_equal(ranges[4].gpa.value, 4 * GIB);
    assert_int_equal(ranges[4].size_bytes, 2 * MIB);
    assert_int_equal(ranges[4].offset_bytes, 3 * GIB);

    assert_int_equal(guest_ram_blocks(5 * GIB, blocks), 3);
    assert_int_equal(blocks[0].gpa.value, 0);
    assert_int_equal(blocks[0].size_bytes, 0xa0000);
    assert_int_equal(blocks[1].gpa.value, 0xe0000);
    assert_int_equal(blocks[1].size_bytes, 3 * GIB - 0xe0000);
    assert_int_equal(blocks[1].offset_bytes, 0xe0000);
    assert_int_equal(blocks[2].gpa.value, 4 * GIB);
    assert_int_equal(blocks[2].size_bytes, 2 * GIB);

    assert_true(guest_ram_offset(5 * GIB, GPA(0), 0xa0000, &offset));
    assert_false(guest_ram_offset(5 * GIB, GPA(0), 0xa0001, &offset));
    assert_false(guest_ram_offset(5 * GIB, GPA(0xa0000), 1, &offset));
    assert_false(guest_ram_offset(5 * GIB, GPA(0xdffff), 2, &offset));
    assert_true(guest_ram_offset(5 * GIB, GPA(0xe0000), 1, &offset));
    assert_false(guest_ram_offset(5 * GIB, GPA(3 * GIB), 1, &offset));
    assert_true(guest_ram_offset(5 * GIB, GPA(6 * GIB - 1), 1, &offset));
    assert_int_equal(offset, 5 * GIB - 1);
    assert_false(guest_ram_offset(5 * GIB, GPA(6 * GIB - 1), UINT64_MAX, &offset));
    assert_false(guest_ram_offset(5 * GIB, GPA(UINT64_MAX), 1, &offset));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_load),
        TEST(test_sizes),
        TEST(test_nothing_is_ignored),
        TEST(test_multiboot_is_found),
        TEST(test_elf),
        TEST(test_layout),
    };
    return cmocka_run_group_tests_name("flat", tests, NULL, NULL);
}
