// SPDX-License-Identifier: BSD-2-Clause
/* Choosing memory, with a firmware whose map has several free ranges, some of which it refuses to
 * give. Nothing is read or written there. */
#include "tests/unit/firmware_fixture.h"

#include "arch/x86/host_acpi.c"
#include "boot/guests.c"
#include "boot/uefi.c"
#include "vmm/monitor/demand.c"

static struct uefi uefi;

/* No guest has files here. */
EFI_STATUS volume_read(struct uefi *of, struct volume *volume, const char *path, uint64_t bytes_max,
                       struct blob *blob)
{
    (void)of;
    (void)volume;
    (void)path;
    (void)bytes_max;
    (void)blob;
    return EFI_NOT_FOUND;
}

static void add_range(uint64_t base, uint64_t end, EFI_MEMORY_TYPE type)
{
    firmware_add_range(type, base, end - base);
}

static int set_up(void **state)
{
    (void)state;
    firmware_reset();
    uefi = (struct uefi){.system = &firmware.system, .services = &firmware.services};
    return 0;
}

static void test_the_highest_place(void **state)
{
    (void)state;
    add_range(0x100000, 0x40000000, EfiConventionalMemory);
    add_range(0x50000000, 0x60000000, EfiBootServicesData);
    add_range(0x100000000, 0x100301000, EfiConventionalMemory);
    add_range(0x40000000, 0x50000000, EfiConventionalMemory);
    assert_int_equal(uefi_allocate(&uefi, 2 * MIB, PAGE_SIZE_LARGE), 0x100000000);
    assert_int_equal(uefi_allocate(&uefi, 2 * MIB, PAGE_SIZE_LARGE), 0x4fe00000);
    assert_int_equal(uefi_allocate(&uefi, 5000, PAGE_SIZE), 0x1002ff000);
    assert_int_equal(uefi_allocate_below(&uefi, PAGE_SIZE, PAGE_SIZE, 0x200000), 0x1ff000);
    assert_null(uefi_allocate_below(&uefi, PAGE_SIZE, PAGE_SIZE, MIB));
    assert_null(uefi_allocate(&uefi, 0, PAGE_SIZE));
    assert_null(uefi_allocate(&uefi, UINT64_MAX, PAGE_SIZE));
    assert_string_equal(firmware.said, "");
    assert_int_equal(uefi.allocation_count, 4);
    uefi_release_all(&uefi);
    assert_int_equal(firmware.pages_taken, 0);
}

/* The whole upper range is refused: the range right below it is smaller than any of the last steps
 * down, and is found all the same. */
static void test_a_refused_range_is_left(void **state)
{
    (void)state;
    add_range(0x10000000, 0x10001000, EfiConventionalMemory);
    add_range(0x3ffff000, 0x40000000, EfiConventionalMemory);
    add_range(0x40001000, 0x80000000, EfiConventionalMemory);
    firmware_refuse(0x40001000, 0x80000000);
    assert_int_equal(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE), 0x3ffff000);
    assert_int_equal(firmware.maps_read, 1);
    assert_in_range(firmware.refusals, 2, 24);
    firmware_refuse(0x3ffff000, 0x40000000);
    assert_int_equal(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE), 0x10000000);
    assert_string_equal(firmware.said, "");
    uefi_release_all(&uefi);
}

/* The next lower place is tried, and the lowest one of a range, too. */
static void test_places_within_a_range(void **state)
{
    (void)state;
    add_range(0x40000000, 0x80000000, EfiConventionalMemory);
    firmware_refuse(0x7fe00000, 0x80000000);
    assert_int_equal(uefi_allocate(&uefi, 2 * MIB, PAGE_SIZE_LARGE), 0x7fc00000);
    assert_int_equal(firmware.refusals, 1);
    firmware_refuse(0x40200000, 0x80000000);
    assert_int_equal(uefi_allocate(&uefi, 2 * MIB, PAGE_SIZE_LARGE), 0x40000000);
    uefi_release_all(&uefi);
}

/* Address 0 is no place, also not as the lowest one. */
static void test_never_address_0(void **state)
{
    (void)state;
    add_range(0, 0x4000, EfiConventionalMemory);
    firmware_refuse(0x1000, 0x4000);
    assert_null(uefi_allocate(&uefi, PAGE_SIZE, PAGE_SIZE));
    assert_int_equal(firmware.refusals, 3);
    assert_string_equal(firmware.said,
                        "portcullis: the firmware refuses memory that its map lists as free: "
                        "for 4 KiB 3 places from 0x1000 to 0x3000 were tried\n");
}

static void test_everything_refused(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 20; i++)
        add_range(i << 32, (i << 32) + GIB, EfiConventionalMemory);
    firmware_refuse(0, UINT64_MAX);
    assert_null(uefi_allocate(&uefi, 512 * MIB, PAGE_SIZE_LARGE));
    assert_int_equal(firmware.maps_read, 1);
    assert_in_range(firmware.refusals, 20 * 2, 20 * 12);
    assert_non_null(strstr(firmware.said, "for 524288 KiB"));
    assert_non_null(strstr(firmware.said, "from 0x100000000 to 0x1420000000 were tried"));
    assert_int_equal(uefi.allocation_count, 0);
}

/* Pieces of guest RAM: the largest first; where the firmware refuses a size, half of it. */
static void test_pieces(void **state)
{
    uint64_t size_bytes = 3 * GIB;

    (void)state;
    add_range(0x100000, 0x80000000, EfiConventionalMemory);     /* 2047 MiB */
    add_range(0x100000000, 0x140100000, EfiConventionalMemory); /* 1025 MiB */
    assert_int_equal(uefi_allocate_piece(&uefi, &size_bytes, PAGE_SIZE_LARGE), 0x200000);
    assert_int_equal(size_bytes, 2046 * MIB);
    size_bytes = 3 * GIB - size_bytes;
    assert_int_equal(uefi_allocate_piece(&uefi, &size_bytes, PAGE_SIZE_LARGE), 0x100000000);
    assert_int_equal(size_bytes, 1024 * MIB);
    size_bytes = 2 * MIB;
    assert_null(uefi_allocate_piece(&uefi, &size_bytes, PAGE_SIZE_LARGE));
    assert_string_equal(firmware.said, "");
    uefi_release_all(&uefi);
}

static void test_refused_pieces(void **state)
{
    uint64_t size_bytes = GIB, sum = 0;

    (void)state;
    add_range(0x40000000, 0x80000000, EfiConventionalMemory);
    firmware_refuse(0x7ff00000, 0x7ff01000);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t piece_bytes = size_bytes - sum;

        if (uefi_allocate_piece(&uefi, &piece_bytes, PAGE_SIZE_LARGE) == NULL)
            break;
        sum += piece_bytes;
        assert_int_equal(piece_bytes % PAGE_SIZE_LARGE, 0);
    }
    assert_int_equal(sum, GIB - 2 * MIB); /* all except what is refused */
    assert_non_null(strstr(firmware.said, "for 2048 KiB 1 places from 0x7fe00000 to 0x7fe00000"));
    uefi_release_all(&uefi);
}

/* --- Guests' RAM --- */

static struct config config;
static struct boot_info boot;

/* Allocates the guests' RAM as if their files had been read. */
static EFI_STATUS allocate_guests(void)
{
    boot.guest_count = config.guest_count;
    for (size_t i = 0; i < config.guest_count; i++) {
        sections[i] = &config.guests[i];
        boot.guests[i].memory_bytes = config.guests[i].memory_bytes;
    }
    return guests_allocate_ram(&uefi, &config, &boot);
}

static void test_guests_between_holes(void **state)
{
    (void)state;
    config.guest_count = 2;
    config.schedule = SCHEDULE_PARALLEL;
    config.guests[0] =
        (struct config_guest){.name = "large", .memory_bytes = 3200 * MIB, .memory_line = 3};
    config.guests[1] =
        (struct config_guest){.name = "second", .memory_bytes = 512 * MIB, .memory_line = 7};
    add_range(0x100000, 0xb0000000, EfiConventionalMemory);
    add_range(0xb0000000, 0xc0000000, EfiReservedMemoryType);
    add_range(0x100000000, 0x140000000, EfiConventionalMemory);
    assert_int_equal(allocate_guests(), EFI_SUCCESS);
    assert_int_equal(boot.guests[0].ram.count, 2);
    assert_int_equal(boot.guests[0].ram.piece[0].base.value, 0x200000);
    assert_int_equal(ram_pieces_bytes(&boot.guests[0].ram), 3200 * MIB);
    assert_int_equal(ram_pieces_bytes(&boot.guests[1].ram), 512 * MIB);
    assert_string_equal(firmware.said,
                        "portcullis: guest 'large': its memory lies in 2 pieces, between the "
                        "machine's holes\n");
    uefi_release_all(&uefi);

    /* More than there is: the message says how much would do. */
    set_up(NULL);
    add_range(0x100000, 0xb0000000, EfiConventionalMemory);
    add_range(0x100000000, 0x140000000, EfiConventionalMemory);
    config.guests[1].memory_bytes = 1024 * MIB;
    assert_int_equal(allocate_guests(), EFI_OUT_OF_RESOURCES);
    assert_non_null(strstr(firmware.said, "2 pieces"));
    assert_string_equal(strchr(firmware.said, '\n') + 1,
                        "portcullis: portcullis.conf:7: guest 'second' wants 1024 MiB of "
                        "memory, and 638 MiB are free; write memory = 638M or less\n");
    uefi_release_all(&uefi);
    assert_int_equal(firmware.pages_taken, 0);

    /* In sequence the guests share RAM, each as much as it has. */
    set_up(NULL);
    add_range(0x100000, 0xb0000000, EfiConventionalMemory);
    add_range(0x100000000, 0x140000000, EfiConventionalMemory);
    config.schedule = SCHEDULE_SEQUENCE;
    assert_int_equal(allocate_guests(), EFI_SUCCESS);
    assert_int_equal(ram_pieces_bytes(&boot.guests[0].ram), 3200 * MIB);
    assert_int_equal(ram_pieces_bytes(&boot.guests[1].ram), 1024 * MIB);
    assert_int_equal(boot.guests[1].ram.piece[0].base.value,
                     boot.guests[0].ram.piece[0].base.value);
    uefi_release_all(&uefi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_highest_place, set_up),
        cmocka_unit_test_setup(test_a_refused_range_is_left, set_up),
        cmocka_unit_test_setup(test_places_within_a_range, set_up),
        cmocka_unit_test_setup(test_never_address_0, set_up),
        cmocka_unit_test_setup(test_everything_refused, set_up),
        cmocka_unit_test_setup(test_pieces, set_up),
        cmocka_unit_test_setup(test_refused_pieces, set_up),
        cmocka_unit_test_setup(test_guests_between_holes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
