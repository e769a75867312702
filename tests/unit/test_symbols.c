// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

/* What linker.ld and tools/mksymbols lay out in the monitor's image, here by hand: two functions,
 * at 0x1000 and 0x1040 of an image whose code goes up to 0x2000. The bounds are labels, as there.
 */
__asm__(".data\n"
        ".balign 4096\n"
        ".globl image_begin, text_begin, text_end, symbols_begin, symbols_end\n"
        "image_begin:\n"
        "    .zero 0x1000\n"
        "text_begin:\n"
        "    .zero 0x1000\n"
        "text_end:\n"
        "symbols_begin:\n"
        "    .long 2\n"
        "    .long 0x1010, 20\n"
        "    .long 0x1040, 26\n"
        "    .asciz \"first\"\n"
        "    .asciz \"second\"\n"
        "symbols_end:\n"
        ".text\n");

#include "vmm/host/symbols.c"

static void expect(uint64_t image_offset, const char *name, uint64_t expected_offset)
{
    uint64_t offset = 77;
    const char *found = symbol_lookup((uint64_t)image_begin + image_offset, &offset);

    if (name == NULL) {
        assert_null(found);
        assert_int_equal(offset, 77);
    } else {
        assert_string_equal(found, name);
        assert_int_equal(offset, expected_offset);
    }
}

static void test_lookup(void **state)
{
    (void)state;
    expect(0x0, NULL, 0);
    expect(0xfff, NULL, 0);
    expect(0x1000, NULL, 0); /* code in front of the first function */
    expect(0x1010, "first", 0);
    expect(0x103f, "first", 0x2f);
    expect(0x1040, "second", 0);
    expect(0x1fff, "second", 0xfbf);
    expect(0x2000, NULL, 0);
    expect(UINT64_MAX / 2, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lookup)};

    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
