// SPDX-License-Identifier: BSD-2-Clause
/* What the comparison with the processor cannot show: faults, other modes, the order of accesses.
 */
#include "tests/unit/insn_machine.h"

#include "arch/x86/insn/insn_address.h"

#define MOV_EAX_TO_EBX_PTR "\x89\x03"         /* mov [rbx], eax */
#define ADD_EAX_TO_EBX_PTR "\x01\x03"         /* add [rbx], eax */
#define LOAD_FROM_EBP      "\x8b\x45\x00"     /* mov eax, [rbp] */
#define LOAD_FROM_ES       "\x26\x8b\x03"     /* mov eax, es:[ebx] */
#define STORE_TO_CS        "\x2e\x89\x03"     /* mov cs:[ebx], eax */
#define LOAD_FROM_CS       "\x2e\x8b\x03"     /* mov eax, cs:[ebx] */
#define LOAD_FROM_GS       "\x65\x8b\x45\x00" /* mov eax, gs:[rbp] */

static void test_order_of_accesses(void **state)
{
    (void)state;
    reset(INSN_MODE_64);
    s.gpr[INSN_RBX] = 0x100;
    s.gpr[INSN_RSP] = 0x800;
    s.gpr[INSN_RSI] = 0x200;
    s.gpr[INSN_RDI] = 0x300;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "w100/4 ");
    assert_int_equal(RUN("\x8b\x03"), INSN_DONE);
    assert_string_equal(trace, "r100/4 ");
    assert_int_equal(RUN("\x39\x03"), INSN_DONE); /* cmp [rbx], eax */
    assert_string_equal(trace, "r100/4 ");
    assert_int_equal(RUN(ADD_EAX_TO_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "pw100/4 r100/4 w100/4 ");
    s.gpr[INSN_RAX] = 1; /* cmpxchg that does not compare: written back all the same */
    assert_int_equal(RUN("\xf0\x0f\xb1\x0b"), INSN_DONE);
    assert_string_equal(trace, "pw100/4 r100/4 w100/4 ");
    assert_int_equal(RUN("\xff\x33"), INSN_DONE); /* push [rbx] */
    assert_string_equal(trace, "pr100/8 pw7f8/8 r100/8 w7f8/8 ");
    assert_int_equal(RUN("\x8f\x03"), INSN_DONE); /* pop [rbx] */
    assert_string_equal(trace, "pr7f8/8 pw100/8 r7f8/8 w100/8 ");
    assert_int_equal(RUN("\xa5"), INSN_DONE); /* movsd */
    assert_string_equal(trace, "pr200/4 pw300/4 r200/4 w300/4 ");
    assert_int_equal(RUN("\x48\x0f\xc7\x0b"), INSN_DONE); /* cmpxchg16b [rbx] */
    assert_string_equal(trace, "pw100/16 r100/16 w100/16 ");
}

/* A page that is not there, a page that cannot be written, an access across the edge of either. */
static void test_page_faults(void **state)
{
    (void)state;
    reset(INSN_MODE_64);
    hole = 0x2000;
    hole_end = 0x3000;
    read_only = 0x5000;
    s.gpr[INSN_RBX] = 0x1ffe;
    s.gpr[INSN_RSP] = 0x6000;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_PF);
    assert_int_equal(fault.cr2, 0x2000);
    assert_int_equal(fault.error_code, 2);
    s.gpr[INSN_RBX] = 0x5000;
    EXPECT_FAULT(ADD_EAX_TO_EBX_PTR, VECTOR_PF);
    assert_string_equal(trace, "pw5000/4 "); /* not read in vain, and the fault is a write's */
    assert_int_equal(fault.error_code, 3);
    EXPECT_FAULT("\x0f\xb1\x0b", VECTOR_PF); /* cmpxchg */
    EXPECT_FAULT("\xff\x33", VECTOR_PF);     /* push: it is the stack that faults */
    assert_int_equal(fault.cr2, 0x5ff8);
    EXPECT_FAULT("\x8f\x03", VECTOR_PF);         /* pop: rsp stays */
    EXPECT_FAULT("\x48\x0f\xc7\x0b", VECTOR_PF); /* cmpxchg16b */
    EXPECT_FAULT("\x87\x03", VECTOR_PF);         /* xchg */
    s.gpr[INSN_RSI] = 0x100;
    s.gpr[INSN_RDI] = 0x5000;
    EXPECT_FAULT("\xa4", VECTOR_PF);
    assert_string_equal(trace, "pr100/1 pw5000/1 ");
    s.gpr[INSN_RSI] = 0x2fff; /* both sides fault: the source's comes first */
    EXPECT_FAULT("\xa4", VECTOR_PF);
    assert_int_equal(fault.cr2, 0x2fff);
}

static enum insn_access_result env_retry(void *context, gva_t address, void *data,
                                         size_t size_bytes, struct insn_fault *f)
{
    return address.value == 0x3000 ? INSN_ACCESS_RETRY
                                   : env_read(context, address, data, size_bytes, f);
}

/* A callback may ask for the guest to be entered again: then nothing has happened, except for the
 * iterations that are complete. */
static void test_retry(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
    } rows[] = {
        {"\x8b\x03", 2},     /* mov eax, [ebx] */
        {"\x01\x03", 2},     /* add [ebx], eax */
        {"\xff\x33", 2},     /* push dword [ebx] */
        {"\xff\x13", 2},     /* call [ebx] */
        {"\xf7\x33", 2},     /* div dword [ebx] */
        {"\xa4", 1},         /* movsb */
        {"\xf3\xa6", 2},     /* repe cmpsb */
        {"\xc9", 1},         /* leave */
        {"\x0f\xc7\x0b", 3}, /* cmpxchg8b [ebx] */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct insn_state before;

        reset(INSN_MODE_32);
        env.read = env_retry;
        s.gpr[INSN_RBX] = s.gpr[INSN_RSI] = s.gpr[INSN_RBP] = 0x3000;
        s.gpr[INSN_RDI] = s.gpr[INSN_RSP] = 0x2000;
        s.gpr[INSN_RCX] = 5;
        before = s;
        assert_int_equal(run_times(rows[i].bytes, rows[i].count, 1000), INSN_RETRY);
        assert_memory_equal(&before, &s, sizeof(s));
        assert_null(strstr(trace, " w"));
    }
    reset(INSN_MODE_32);
    env.read = env_retry;
    s.gpr[INSN_RSI] = 0x2ffd;
    s.gpr[INSN_RDI] = 0x2000;
    s.gpr[INSN_RCX] = 5;
    assert_int_equal(RUN("\xf3\xa4"), INSN_RETRY); /* rep movsb */
    assert_int_equal(s.gpr[INSN_RCX], 2);
    assert_int_equal(s.gpr[INSN_RSI], 0x3000);
}

static void test_limits_and_types(void **state)
{
    (void)state;
    reset(INSN_MODE_32);
    s.segments[INSN_DS] = (struct insn_segment){0x1000, 0xfff, DATA_RW};
    s.gpr[INSN_RAX] = 0x11223344;
    s.gpr[INSN_RBX] = 0xffc;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    assert_int_equal(ram[0x1ffc], 0x44);
    s.gpr[INSN_RBX] = 0xffd;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);
    assert_true(fault.has_error_code);
    assert_int_equal(fault.error_code, 0);
    assert_string_equal(trace, "");
    s.gpr[INSN_RBX] = 0xfffffffe; /* offset and limit wrap: still beyond */
    s.segments[INSN_DS].limit = UINT32_MAX;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);

    /* Expand-down: what is above the limit, up to 64 KiB or 4 GiB. */
    s.segments[INSN_DS] = (struct insn_segment){0, 0xfff, DATA_DOWN_RW};
    s.gpr[INSN_RBX] = 0xfff;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);
    s.gpr[INSN_RBX] = 0x1000;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    s.segments[INSN_DS].access_rights &= ~0x4000u;
    s.gpr[INSN_RBX] = 0xfffc;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    s.gpr[INSN_RBX] = 0xfffd;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);

    reset(INSN_MODE_32);
    s.gpr[INSN_RBX] = 0x100;
    EXPECT_FAULT(STORE_TO_CS, VECTOR_GP);
    assert_int_equal(RUN(LOAD_FROM_CS), INSN_DONE);
    s.segments[INSN_CS].access_rights = CODE_X;
    EXPECT_FAULT(LOAD_FROM_CS, VECTOR_GP);
    s.segments[INSN_DS].access_rights = DATA_RO;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);
    EXPECT_FAULT(ADD_EAX_TO_EBX_PTR, VECTOR_GP);
    assert_int_equal(RUN("\x03\x03"), INSN_DONE); /* add eax, [ebx] */
    s.segments[INSN_ES].access_rights = UNUSABLE;
    EXPECT_FAULT(LOAD_FROM_ES, VECTOR_GP);
    /* The stack segment has a vector of its own, by default and by prefix. */
    s.segments[INSN_SS].limit = 0xff;
    s.gpr[INSN_RBP] = 0xfd;
    EXPECT_FAULT(LOAD_FROM_EBP, VECTOR_SS);
    EXPECT_FAULT("\x36\x8b\x03", VECTOR_SS);
    s.gpr[INSN_RSP] = 0x102;
    EXPECT_FAULT("\xff\x33", VECTOR_SS);
}

static void test_real_mode(void **state)
{
    (void)state;
    reset(INSN_MODE_16);
    s.protected_mode = false;
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++)
        s.segments[i] = (struct insn_segment){0x4000, 0xffff, 0x93};
    s.segments[INSN_CS].access_rights = CODE_X; /* types mean nothing here */
    s.gpr[INSN_RBX] = 0xabcd0ffe;
    s.gpr[INSN_RSI] = 0xffff0004;
    s.gpr[INSN_RAX] = 0x55667788;
    assert_int_equal(RUN("\x2e\x89\x00"), INSN_DONE); /* mov cs:[bx+si], ax */
    assert_string_equal(trace, "w5002/2 ");
    assert_int_equal(ram[0x5003], 0x77);
    s.gpr[INSN_RBX] = 0xfffb; /* the sum wraps at 64 KiB, the operand does not */
    EXPECT_FAULT("\x89\x00", VECTOR_GP);
    assert_false(fault.has_error_code);
    s.gpr[INSN_RBX] = 0xfffd;
    assert_int_equal(RUN("\x89\x00"), INSN_DONE);
    assert_string_equal(trace, "w4001/2 ");
    s.gpr[INSN_RBP] = 0xffff;
    EXPECT_FAULT("\x8b\x46\x00", VECTOR_SS); /* mov ax, [bp] */
    s.segments[INSN_SS].base = 0;
    s.gpr[INSN_RSP] = 0x12340000;                         /* SP wraps, the rest of ESP stays */
    assert_int_equal(RUN("\xff\x36\x10\x00"), INSN_DONE); /* push word [0x10] */
    assert_int_equal(s.gpr[INSN_RSP], 0x1234fffe);
    /* Virtual-8086 mode: types do not count, error codes do. */
    s.protected_mode = true;
    s.rflags |= RFLAGS_VM;
    s.cpl = 3;
    assert_int_equal(RUN("\x2e\x89\x00"), INSN_DONE);
    EXPECT_FAULT("\x8b\x46\x00", VECTOR_SS);
    assert_true(fault.has_error_code);
}

static void test_64_bit_addresses(void **state)
{
    (void)state;
    reset(INSN_MODE_64);
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) /* none of it counts but FS and GS bases */
        s.segments[i] = (struct insn_segment){0x100, 0, UNUSABLE};
    s.gpr[INSN_RBX] = 0x200;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "w200/4 ");
    s.gpr[INSN_RBP] = 0x200;
    assert_int_equal(RUN(LOAD_FROM_GS), INSN_DONE);
    assert_string_equal(trace, "r300/4 ");
    s.gpr[INSN_RBX] = BIT(47) - 3; /* its last byte is not canonical */
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);
    s.gpr[INSN_RBP] = BIT(47);
    EXPECT_FAULT(LOAD_FROM_EBP, VECTOR_SS);
    EXPECT_FAULT(LOAD_FROM_GS, VECTOR_GP);
    s.gpr[INSN_RSP] = BIT(63);
    EXPECT_FAULT("\x41\x8f\xc0", VECTOR_SS); /* pop r8 */
    s.linear_address_bits = 57;
    EXPECT_FAULT(LOAD_FROM_GS, VECTOR_PF); /* canonical now, if not there */
    s.gpr[INSN_RBX] = UINT64_MAX;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_GP);
    /* 32-bit addresses wrap before the segment's base is added. */
    s.gpr[INSN_RBX] = UINT64_C(0xdead00000200);
    assert_int_equal(RUN("\x67\x8b\x83\x10\xff\xff\xff"), INSN_DONE);
    assert_string_equal(trace, "r110/4 ");
    assert_int_equal(RUN("\x8b\x05\x00\x01\x00\x00"), INSN_DONE); /* mov eax, [rip+0x100] */
    assert_string_equal(trace, "r1106/4 ");
    assert_int_equal(s.rip, 0x1000);
}

static void test_alignment(void **state)
{
    (void)state;
    reset(INSN_MODE_64);
    s.gpr[INSN_RBX] = 0x102;
    s.cpl = 3;
    s.rflags |= RFLAGS_AC;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    s.alignment_mask = true;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_AC);
    assert_true(fault.has_error_code);
    assert_int_equal(RUN("\x66\x89\x03"), INSN_DONE);
    s.cpl = 0;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    s.gpr[INSN_RBX] = 0x108;
    EXPECT_FAULT("\x48\x0f\xc7\x0b", VECTOR_GP); /* cmpxchg16b, off its 16 bytes */
    assert_int_equal(RUN("\x0f\xc7\x0b"), INSN_DONE);
}

/* The segment's base carries the operand over the end of 32-bit linear addresses. */
static void test_linear_wrap(void **state)
{
    (void)state;
    reset(INSN_MODE_32);
    s.segments[INSN_DS].base = 0xfffff000;
    s.gpr[INSN_RBX] = 0xffe;
    s.gpr[INSN_RAX] = 0x11223344;
    assert_int_equal(RUN(MOV_EAX_TO_EBX_PTR), INSN_DONE);
    assert_int_equal(top_page[0xffe], 0x44);
    assert_int_equal(top_page[0xfff], 0x33);
    assert_int_equal(ram[0], 0x22);
    assert_int_equal(ram[1], 0x11);
    s.gpr[INSN_RAX] = 1;
    assert_int_equal(RUN(ADD_EAX_TO_EBX_PTR), INSN_DONE);
    assert_int_equal(RUN("\x8b\x0b"), INSN_DONE); /* mov ecx, [ebx] */
    assert_int_equal(s.gpr[INSN_RCX], 0x11223345);
    hole_end = 0x1000;
    EXPECT_FAULT(MOV_EAX_TO_EBX_PTR, VECTOR_PF);
    assert_int_equal(top_page[0xffe], 0x45);
    assert_int_equal(fault.cr2, 0);
}

static void test_stack(void **state)
{
    (void)state;
    reset(INSN_MODE_32);
    s.gpr[INSN_RSP] = 0x800;
    s.gpr[INSN_RBX] = 0x100;
    ram[0x800] = 0x12;
    assert_int_equal(RUN("\x8f\x04\x24"), INSN_DONE); /* pop [esp]: above what was popped */
    assert_int_equal(ram[0x804], 0x12);
    assert_int_equal(s.gpr[INSN_RSP], 0x804);
    assert_int_equal(RUN("\xff\x34\x24"), INSN_DONE); /* push [esp] */
    assert_int_equal(ram[0x800], 0x12);
    assert_int_equal(RUN("\x8f\xc4"), INSN_DONE); /* pop esp */
    assert_int_equal(s.gpr[INSN_RSP], 0x12);
    s.segments[INSN_SS].access_rights &= ~0x4000u; /* a 16-bit stack under 32-bit code */
    s.gpr[INSN_RSP] = 0x45670002;
    s.segments[INSN_SS].limit = 0xfffd;
    EXPECT_FAULT("\xff\x33", VECTOR_SS); /* at 0xfffe */
    s.gpr[INSN_RSP] = 0x45670004;
    assert_int_equal(RUN("\xff\x33"), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RSP], 0x45670000);
}

static void test_bit_strings(void **state)
{
    (void)state;
    reset(INSN_MODE_32);
    s.gpr[INSN_RBX] = 0x100;
    s.gpr[INSN_RAX] = (uint32_t)-33;
    assert_int_equal(RUN("\x0f\xab\x03"), INSN_DONE); /* bts [ebx], eax */
    assert_string_equal(trace, "pwf8/4 rf8/4 wf8/4 ");
    assert_int_equal(ram[0xfb], 0x80);
    assert_int_equal(RUN("\x0f\xa3\x03"), INSN_DONE); /* bt */
    assert_true(s.rflags & RFLAGS_CF);
    assert_int_equal(RUN("\x66\x0f\xa3\x03"), INSN_DONE); /* bt word */
    assert_string_equal(trace, "rfa/2 ");
    assert_int_equal(RUN("\x0f\xba\x2b\xe1"), INSN_DONE); /* bts dword [ebx], 0xe1: modulo 32 */
    assert_int_equal(ram[0x100], 2);
}

static void test_effective_address(void **state)
{
    const uint8_t store[] = {0x88, 0x84, 0x8b, 0x34, 0x12, 0, 0}; /* mov [rbx+rcx*4+0x1234], al */
    const uint8_t registers[] = {0x88, 0xc3};
    struct insn_access accesses[INSN_ACCESSES_MAX];
    struct insn insn;
    unsigned count;

    (void)state;
    reset(INSN_MODE_64);
    s.gpr[INSN_RBX] = 0xfec00000;
    s.gpr[INSN_RCX] = 4;
    assert_int_equal(insn_decode(store, 7, INSN_MODE_64, &insn), INSN_DECODED);
    assert_int_equal(insn_effective_address(&insn, &s, accesses, &count, &fault), INSN_DONE);
    assert_int_equal(count, 1);
    assert_int_equal(accesses[0].address.value, 0xfec01244);
    assert_int_equal(accesses[0].size_bytes, 1);
    assert_true(accesses[0].is_write && !accesses[0].is_read);
    assert_int_equal(insn_decode(registers, 2, INSN_MODE_64, &insn), INSN_DECODED);
    assert_int_equal(insn_effective_address(&insn, &s, accesses, &count, &fault), INSN_DONE);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_accesses),
        cmocka_unit_test(test_page_faults),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_limits_and_types),
        cmocka_unit_test(test_real_mode),
        cmocka_unit_test(test_64_bit_addresses),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_linear_wrap),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_bit_strings),
        cmocka_unit_test(test_effective_address),
    };
    return cmocka_run_group_tests_name("insn_execute", tests, NULL, NULL);
}
