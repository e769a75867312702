// SPDX-License-Identifier: BSD-2-Clause
/* What the boot stage makes of the firmware's memory map: it changes and grows while the monitor
 * leaves the firmware, and has holes where guests' RAM shall lie. */
#include "tests/heart/boot_fixture.h"

static size_t count_reserved(void)
{
    size_t count = 0;

    for (size_t i = 0; i < boot.memory_count; i++)
        count += boot.memory[i].base.value >= RESERVED_BASE;
    return count;
}

/* The map changes between GetMemoryMap and ExitBootServices: the monitor takes the last one, and
 * tries eight times in all. */
static void test_map_changes(void **state)
{
    (void)state;
    for (unsigned changes = 0; changes < 8; changes++) {
        reset(FIRMWARE_NO_CALL);
        map_changes.left = changes;
        map_changes.ranges = 3;
        assert_true(boots());
        assert_int_equal(count_reserved(), 3 * changes);
    }
    reset(FIRMWARE_NO_CALL);
    map_changes.left = 8;
    expect_refusal("does not let go of the machine (EFI_INVALID_PARAMETER)");
}

/* The map outgrows the buffer, which has room for 64 more descriptors and the rest of its page. */
static void test_map_grows(void **state)
{
    (void)state;
    map_changes.left = 1;
    map_changes.ranges = 60;
    assert_true(boots());
    assert_int_equal(count_reserved(), 60);
    reset(FIRMWARE_NO_CALL);
    map_changes.left = 1;
    map_changes.ranges = 300;
    expect_refusal("gives no memory map (EFI_BUFFER_TOO_SMALL)");
}

/* A reserved hole of 64 MiB in the arena: RAM that does not fit on one side lies on both. */
static void boot_with_a_hole(const char *text)
{
    uint64_t hole = (uint64_t)arena + 192 * MIB;

    reset(FIRMWARE_NO_CALL);
    firmware.ranges[0].NumberOfPages = 192 * MIB / PAGE_SIZE;
    firmware_add_range(EfiReservedMemoryType, hole, 64 * MIB);
    firmware_add_range(EfiConventionalMemory, hole + 64 * MIB, ARENA_BYTES - 256 * MIB);
    set_configuration(text);
}

static void test_ram_in_pieces(void **state)
{
    (void)state;
    boot_with_a_hole("[guest a]\nkernel = a.bin\nmemory = 320M\ncpus = 2\n"
                     "[guest b]\nkernel = b.bin\nmemory = 2M\n");
    assert_true(boots());
    assert_int_equal(boot.guests[0].ram.count, 2);
    assert_int_equal(boot.guests[1].ram.count, 1);
    /* The guests of a sequence share the largest one's. */
    boot_with_a_hole("[monitor]\nschedule = sequence\n"
                     "[guest a]\nkernel = a.bin\nmemory = 4M\ncpus = 2\n"
                     "[guest b]\nkernel = b.bin\nmemory = 320M\n");
    assert_true(boots());
    assert_int_equal(boot.guests[1].ram.count, 2);
    assert_int_equal(boot.guests[0].ram.count, 1);
    assert_int_equal(boot.guests[0].ram.piece[0].base.value,
                     boot.guests[1].ram.piece[0].base.value);
    boot_with_a_hole("[guest a]\nkernel = a.bin\nmemory = 600M\n");
    expect_refusal("portcullis.conf:3: guest 'a' wants 600 MiB of memory");
    assert_said("write memory = ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_map_changes, set_up),
        cmocka_unit_test_setup(test_map_grows, set_up),
        cmocka_unit_test_setup(test_ram_in_pieces, set_up),
    };

    fake_begin(1);
    fake_serial_begin(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
