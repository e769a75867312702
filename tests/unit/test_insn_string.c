// SPDX-License-Identifier: BSD-2-Clause
/* String instructions and string port I/O: repeating, restarting, faults in the middle. */
#include "tests/unit/insn_machine.h"

#include "arch/x86/insn/insn_string_io.h"

static void test_repeat(void **state)
{
    struct insn_state before;

    (void)state;
    reset(INSN_MODE_32);
    s.gpr[INSN_RSI] = 0x100;
    s.gpr[INSN_RDI] = 0x200;
    s.gpr[INSN_RCX] = 10;
    for (unsigned i = 0; i < 10; i++)
        ram[0x100 + i] = (uint8_t)(i + 1);
    assert_int_equal(run_times("\xf3\xa4", 2, 4), INSN_AGAIN);
    assert_int_equal(s.gpr[INSN_RCX], 6);
    assert_int_equal(s.gpr[INSN_RSI], 0x104);
    assert_int_equal(s.gpr[INSN_RDI], 0x204);
    assert_int_equal(run_times("\xf3\xa4", 2, 6), INSN_DONE); /* exactly enough */
    assert_memory_equal(ram + 0x100, ram + 0x200, 10);
    before = s;
    assert_int_equal(run_times("\xf3\xa4", 2, 4), INSN_DONE); /* a count of 0: nothing */
    assert_string_equal(trace, "");
    assert_memory_equal(&before, &s, sizeof(s));

    /* The third iteration faults: two have happened. */
    read_only = 0x1000;
    s.gpr[INSN_RDI] = 0xff8;
    s.gpr[INSN_RCX] = 5;
    s.gpr[INSN_RAX] = 0xaabbccdd;
    assert_int_equal(RUN("\xf3\xab"), INSN_FAULT); /* rep stosd */
    assert_int_equal(fault.cr2, 0x1000);
    assert_int_equal(s.gpr[INSN_RCX], 3);
    assert_int_equal(s.gpr[INSN_RDI], 0x1000);
    read_only = UINT64_MAX;
    assert_int_equal(RUN("\xf3\xab"), INSN_DONE);
    assert_int_equal(ram[0x100b], 0xaa);
    assert_int_equal(ram[0x100c], 0);

    /* Downwards, and a zero count by address size. */
    s.rflags |= RFLAGS_DF;
    s.gpr[INSN_RCX] = 0x10002;
    s.gpr[INSN_RDI] = 0x10004;
    assert_int_equal(RUN("\x67\xf3\xab"), INSN_DONE); /* CX, DI */
    assert_int_equal(s.gpr[INSN_RCX], 0x10000);
    assert_int_equal(s.gpr[INSN_RDI], 0x1fffc);

    s.rflags = 2;
    s.gpr[INSN_RDI] = 0x200;
    s.gpr[INSN_RCX] = 100;
    s.gpr[INSN_RAX] = 5;
    assert_int_equal(RUN("\xf2\xae"), INSN_DONE); /* repne scasb finds the fifth */
    assert_int_equal(s.gpr[INSN_RDI], 0x205);
    assert_int_equal(s.gpr[INSN_RCX], 95);
    assert_true(s.rflags & RFLAGS_ZF);
    s.gpr[INSN_RSI] = 0x100;
    s.gpr[INSN_RDI] = 0x200;
    ram[0x203] = 9;
    assert_int_equal(RUN("\xf3\xa6"), INSN_DONE); /* repe cmpsb stops at the difference: 4 < 9 */
    assert_int_equal(s.gpr[INSN_RSI], 0x104);
    assert_true(s.rflags & RFLAGS_CF);
}

static void test_string_segments(void **state)
{
    (void)state;
    reset(INSN_MODE_32);
    s.segments[INSN_ES].base = 0x4000;
    s.segments[INSN_FS].base = 0x5000;
    s.gpr[INSN_RSI] = s.gpr[INSN_RDI] = 0x10;
    assert_int_equal(RUN("\x64\xa4"), INSN_DONE); /* the override is the source's alone */
    assert_string_equal(trace, "pr5010/1 pw4010/1 r5010/1 w4010/1 ");
    s.segments[INSN_ES].access_rights = DATA_RO;
    EXPECT_FAULT("\xaa", VECTOR_GP);
    EXPECT_FAULT("\x6c", VECTOR_GP);
    assert_int_equal(RUN("\xae"), INSN_DONE);
}

static void test_string_in(void **state)
{
    struct insn_string_io io = {.port = 0x1f0,
                                .size_bytes = 2,
                                .is_in = true,
                                .repeat = true,
                                .address_size_bytes = 4,
                                .segment = INSN_ES};

    (void)state;
    reset(INSN_MODE_32);
    s.gpr[INSN_RDI] = 0x0ffa;
    s.gpr[INSN_RCX] = 5;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 2, &fault), INSN_AGAIN);
    assert_string_equal(trace, "pwffa/2 in1f0/2 wffa/2 pwffc/2 in1f0/2 wffc/2 ");
    assert_int_equal(ram[0xffa], 0x10);
    assert_int_equal(ram[0xffc], 0x11);
    /* The page after is not writable: the port is not read for it. */
    read_only = 0x1000;
    trace[0] = 0;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_FAULT);
    assert_string_equal(trace, "pwffe/2 in1f0/2 wffe/2 pw1000/2 ");
    assert_int_equal(fault.cr2, 0x1000);
    assert_int_equal(s.gpr[INSN_RCX], 2);
    assert_int_equal(s.gpr[INSN_RDI], 0x1000);
    assert_int_equal(s.rip, 0x1000);
    read_only = UINT64_MAX;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_int_equal(ram[0x1002], 0x14);
    assert_int_equal(s.gpr[INSN_RCX], 0);
    trace[0] = 0;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_string_equal(trace, "");
    io.repeat = false; /* once, whatever the count */
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RCX], 0);
    assert_int_equal(s.gpr[INSN_RDI], 0x1006);
    s.segments[INSN_ES].limit = 0x1006;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_FAULT);
    assert_int_equal(fault.vector, VECTOR_GP);
}

static void test_string_out(void **state)
{
    struct insn_string_io io = {.port = 0x3f8,
                                .size_bytes = 1,
                                .repeat = true,
                                .address_size_bytes = 8,
                                .segment = INSN_GS};

    (void)state;
    reset(INSN_MODE_64);
    s.segments[INSN_GS].base = 0x1000;
    memcpy(ram + 0x1100, "\x01\x02\x03", 3);
    s.gpr[INSN_RSI] = 0x102;
    s.gpr[INSN_RCX] = 3;
    s.rflags |= RFLAGS_DF;
    port_value = 0;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_int_equal(port_value, 0x030201);
    assert_int_equal(s.gpr[INSN_RSI], 0xff);
    /* 32- and 16-bit addresses: the registers' other bits. */
    io.address_size_bytes = 4;
    s.gpr[INSN_RSI] = UINT64_C(0xaaaa00000000);
    s.gpr[INSN_RCX] = UINT64_C(0xbbbb00000001);
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RSI], 0xffffffff);
    assert_int_equal(s.gpr[INSN_RCX], 0);
    s.gpr[INSN_RCX] = UINT64_C(0xbbbb00000000); /* a count of 0 */
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RCX], UINT64_C(0xbbbb00000000));
    reset(INSN_MODE_16);
    io.address_size_bytes = 2;
    s.gpr[INSN_RSI] = 0x1ffff;
    s.gpr[INSN_RCX] = 0x10002;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_DONE);
    assert_string_equal(trace, "rffff/1 out3f8/1 r0/1 out3f8/1 ");
    assert_int_equal(s.gpr[INSN_RSI], 0x10001);
    assert_int_equal(s.gpr[INSN_RCX], 0x10000);
    hole_end = 0x10; /* memory that faults: the port is not written */
    trace[0] = 0;
    s.gpr[INSN_RCX] = 1;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_FAULT);
    assert_string_equal(trace, "r1/1 ");
    hole_end = 0;
    ports_fail = true;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_FAILED);
    assert_int_equal(s.gpr[INSN_RCX], 1);
    env.port_write = NULL;
    assert_int_equal(insn_execute_string_io(&io, &s, &env, 100, &fault), INSN_FAILED);
    /* The decoded instruction does the same. */
    reset(INSN_MODE_64);
    s.gpr[INSN_RDX] = 0x123400e9;
    s.gpr[INSN_RSI] = 0x100;
    assert_int_equal(RUN("\x6e"), INSN_DONE);
    assert_string_equal(trace, "r100/1 oute9/1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_string_segments),
        cmocka_unit_test(test_string_in),
        cmocka_unit_test(test_string_out),
    };
    return cmocka_run_group_tests_name("insn_string", tests, NULL, NULL);
}
