// SPDX-License-Identifier: BSD-2-Clause
/* What a guest may write to CR0, CR4, EFER and XCR0. */
#include "tests/unit/cpuid_processors.h"

#include "arch/x86/msr.h"
#include "vmm/policy/control_registers.h"
#include "vmm/policy/xcr0.h"

static void test_cr0(void **state)
{
    struct control_registers now = {.cr0 = CR0_PE | CR0_ET};
    uint64_t result = 0;

    (void)state;
    assert_true(cr0_write(&now, CR0_PE, &result));
    assert_int_equal(result, CR0_PE | CR0_ET);
    assert_true(cr0_write(&now, 0xffffffff, &result));
    assert_int_equal(result, 0xe005003f);
    assert_false(cr0_write(&now, BIT(32) | CR0_PE, &result));
    assert_false(cr0_write(&now, CR0_PG, &result));
    assert_false(cr0_write(&now, CR0_PE | CR0_NW, &result));
    assert_true(cr0_write(&now, CR0_PE | CR0_NW | CR0_CD, &result));

    /* Into IA-32e mode: PAE has to be on, and 64-bit code cannot be what runs. */
    now.efer = EFER_LME;
    assert_false(cr0_write(&now, CR0_PG | CR0_PE, &result));
    now.cr4 = CR4_PAE;
    assert_true(cr0_write(&now, CR0_PG | CR0_PE, &result));
    now.cs_l = true;
    assert_false(cr0_write(&now, CR0_PG | CR0_PE, &result));

    /* And out of it. */
    now.cr0 |= CR0_PG;
    now.efer |= EFER_LMA;
    assert_false(cr0_write(&now, CR0_PE, &result));
    now.cs_l = false;
    assert_true(cr0_write(&now, CR0_PE, &result));
    now.cr4 |= CR4_PCIDE;
    assert_false(cr0_write(&now, CR0_PE, &result));
}

static void test_cr4(void **state)
{
    struct cpuid_board board = full_board;
    struct control_registers now = {.cr0 = CR0_PE | CR0_ET};

    (void)state;
    assert_int_equal(cr4_allowed_mask(&board), 0x770fbf);
    assert_true(cr4_write(&board, &now, 0x750fbf)); /* all but PCIDE */
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit != 17)
            assert_int_equal(cr4_write(&board, &now, BIT(bit)),
                             (UINT64_C(0x750fbf) >> bit & 1) != 0);
    board.host = meagre;
    assert_int_equal(cr4_allowed_mask(&board) & (CR4_SMEP | CR4_OSXSAVE | CR4_UMIP), 0);
    board.host = generous;

    assert_false(cr4_write(&board, &now, CR4_PCIDE | CR4_PAE));
    now.efer = EFER_LME | EFER_LMA;
    now.cr4 = CR4_PAE;
    assert_true(cr4_write(&board, &now, CR4_PCIDE | CR4_PAE));
    now.cr3 = 0x1001;
    assert_false(cr4_write(&board, &now, CR4_PCIDE | CR4_PAE));
    now.cr4 |= CR4_PCIDE;
    assert_true(cr4_write(&board, &now, CR4_PCIDE | CR4_PAE | CR4_PGE));
    assert_false(cr4_write(&board, &now, CR4_PGE));
}

static void test_efer(void **state)
{
    struct cpuid_board board = full_board;
    struct control_registers now = {.cr0 = CR0_PE};
    uint64_t result = 0;

    (void)state;
    assert_true(efer_write(&board, &now, EFER_SCE | EFER_LME | EFER_NXE, &result));
    assert_int_equal(result, 0x901);
    now.disables_execute_disable = true;
    assert_false(efer_write(&board, &now, EFER_NXE, &result));
    assert_true(efer_write(&board, &now, EFER_SCE, &result));
    now.disables_execute_disable = false;
    assert_true(efer_write(&board, &now, EFER_LMA, &result));
    assert_int_equal(result, 0);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(efer_write(&board, &now, BIT(bit), &result),
                         bit == 0 || bit == 8 || bit == 10 || bit == 11);
    now.cr0 |= CR0_PG;
    assert_false(efer_write(&board, &now, EFER_LME, &result));
    now.efer = EFER_LME | EFER_LMA;
    assert_false(efer_write(&board, &now, 0, &result));
    assert_true(efer_write(&board, &now, EFER_LME, &result));
    assert_int_equal(result, EFER_LME | EFER_LMA);
    board.host = meagre;
    assert_int_equal(efer_allowed_mask(&board), 0);
}

static void test_xcr0(void **state)
{
    (void)state;
    /* All values of the low ten bits against the rules, said differently. */
    for (uint64_t value = 0; value < 1024; value++) {
        bool valid = (value & 1) && (value & ~UINT64_C(0x2e7)) == 0;
        if ((value & 6) == 4)
            valid = false;
        if ((value & 0xe0) != 0 && (value & 0xe6) != 0xe6)
            valid = false;
        assert_int_equal(xcr0_is_valid(value, 0x2e7), valid);
    }
    assert_false(xcr0_is_valid(BIT(63) | 1, 0x2e7));
    assert_false(xcr0_is_valid(0x207, 0x007));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cr0),
        cmocka_unit_test(test_cr4),
        cmocka_unit_test(test_efer),
        cmocka_unit_test(test_xcr0),
    };
    return cmocka_run_group_tests_name("control_registers", tests, NULL, NULL);
}
