// SPDX-License-Identifier: BSD-2-Clause
/* Pieces of RAM: each byte of a guest's memory lies in one place of one piece. */
#include "tests/unit/unit.h"

#include "vmm/loader/memory_layout.h"
#include "vmm/memory/ram_pieces.h"

static const struct ram_pieces three = {
    .piece = {{{0x40000000}, 2 * MIB}, {{0x100000000}, 3 * GIB}, {{0x80000000}, 6 * MIB}},
    .count = 3,
};

static void expect_part(uint64_t offset, uint64_t size, uint64_t base, uint64_t part_bytes)
{
    struct ram_piece part = ram_pieces_part(&three, offset, size);

    assert_int_equal(part.size_bytes, part_bytes);
    if (part_bytes != 0)
        assert_int_equal(part.base.value, base);
}

static void test_parts(void **state)
{
    (void)state;
    assert_int_equal(ram_pieces_bytes(&three), 3 * GIB + 8 * MIB);
    expect_part(0, 1, 0x40000000, 1);
    expect_part(0, UINT64_MAX, 0x40000000, 2 * MIB);
    expect_part(2 * MIB - 1, 2, 0x401fffff, 1);
    expect_part(2 * MIB, 4 * GIB, 0x100000000, 3 * GIB);
    expect_part(3 * GIB, 4 * MIB, 0x1bfe00000, 2 * MIB);
    expect_part(3 * GIB + 2 * MIB, 4 * MIB, 0x80000000, 4 * MIB);
    expect_part(3 * GIB + 8 * MIB - 1, 4 * MIB, 0x805fffff, 1);
    expect_part(3 * GIB + 8 * MIB, 1, 0, 0);
    expect_part(UINT64_MAX, 1, 0, 0);
}

static void test_first(void **state)
{
    struct ram_pieces first = ram_pieces_first(&three, 2 * MIB);

    (void)state;
    assert_int_equal(first.count, 1);
    assert_int_equal(ram_pieces_bytes(&first), 2 * MIB);
    first = ram_pieces_first(&three, 4 * MIB);
    assert_int_equal(first.count, 2);
    assert_int_equal(first.piece[1].base.value, 0x100000000);
    assert_int_equal(first.piece[1].size_bytes, 2 * MIB);
    first = ram_pieces_first(&three, 100 * GIB);
    assert_int_equal(ram_pieces_bytes(&first), ram_pieces_bytes(&three));
    assert_int_equal(ram_pieces_first(&three, 0).count, 0);
}

/* The parts of all blocks of a guest cover its memory except the hole below 1 MiB, each byte once,
 * in 2 MiB pages as far as the layout allows. */
static void test_blocks_over_pieces(void **state)
{
    struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX];
    uint64_t memory_bytes = ram_pieces_bytes(&three), covered_bytes = 0, next = 0;
    size_t count = guest_ram_blocks(memory_bytes, blocks);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(blocks[i].offset_bytes >= next);
        for (uint64_t done = 0; done < blocks[i].size_bytes;) {
            uint64_t offset = blocks[i].offset_bytes + done;
            struct ram_piece part = ram_pieces_part(&three, offset, blocks[i].size_bytes - done);

            assert_true(part.size_bytes > 0);
            assert_int_equal((part.base.value ^ offset) % PAGE_SIZE_LARGE, 0);
            done += part.size_bytes;
            covered_bytes += part.size_bytes;
        }
        next = blocks[i].offset_bytes + blocks[i].size_bytes;
    }
    assert_int_equal(covered_bytes, memory_bytes - (GUEST_FIRMWARE_AREA - GUEST_LOW_HOLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_blocks_over_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
