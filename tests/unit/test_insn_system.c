// SPDX-License-Identifier: BSD-2-Clause
/* Segment registers and branches: what programs on this processor cannot try. */
#include "tests/unit/insn_machine.h"

#include "arch/x86/insn/insn_system.h"

#define MOV_EBX_PTR_TO_SS "\x8e\x13"
#define MOV_EBX_PTR_TO_DS "\x8e\x1b"
#define MOV_DS_TO_EBX_PTR "\x8c\x1b"
#define LTR_EBX_PTR       "\x0f\x00\x1b"
#define LLDT_EBX_PTR      "\x0f\x00\x13"
#define SLDT_EBX_PTR      "\x0f\x00\x03"
#define SMSW_EBX_PTR      "\x0f\x01\x23"
#define JMP_FAR_EBX_PTR   "\xff\x2b"

#define OPERAND 0x100
#define GDT     0x800
#define LDT     0xa00

static uint64_t cr4;
static bool ia32e;
static uint32_t ldt_limit;
static uint16_t selectors[INSN_TR + 1];
static struct insn_segment loaded[INSN_TR + 1];

static uint64_t read_cr0(void *context)
{
    (void)context;
    return 0x80050033;
}

static uint64_t read_cr4(void *context)
{
    (void)context;
    return cr4;
}

static bool in_ia32e_mode(void *context)
{
    (void)context;
    return ia32e;
}

static uint16_t read_selector(void *context, unsigned number)
{
    (void)context;
    return selectors[number];
}

static void load_segment(void *context, unsigned number, uint16_t selector,
                         const struct insn_segment *segment)
{
    (void)context;
    selectors[number] = selector;
    loaded[number] = *segment;
}

static struct insn_table read_gdt(void *context)
{
    (void)context;
    return (struct insn_table){GDT, 0x7f};
}

static struct insn_table read_ldt(void *context)
{
    (void)context;
    return (struct insn_table){LDT, ldt_limit};
}

static const struct insn_system fake_system = {
    .read_cr0 = read_cr0,
    .read_cr4 = read_cr4,
    .in_ia32e_mode = in_ia32e_mode,
    .read_selector = read_selector,
    .load_segment = load_segment,
    .read_gdt = read_gdt,
    .read_ldt = read_ldt,
    .table_read = env_read,
    .table_write = env_write,
};

/* Base 0x11223344, limit 0xfffff, the rest by rights (as the VMCS has them). */
static void put_descriptor(uint64_t at, uint32_t rights)
{
    uint64_t raw = UINT64_C(0x110f00223344ffff) | (uint64_t)(rights & 0xf0ff) << 40;

    memcpy(ram + at, &raw, 8);
}

static void begin(enum insn_mode mode)
{
    reset(mode);
    env.system = &fake_system;
    cr4 = 0;
    ia32e = mode == INSN_MODE_64;
    ldt_limit = 0;
    memset(loaded, 0, sizeof(loaded));
    for (unsigned i = 0; i < ARRAY_COUNT(selectors); i++)
        selectors[i] = (uint16_t)(0x1000 + i);
    s.gpr[INSN_RBX] = OPERAND;
    put_descriptor(GDT + 8, 0xc093);    /* data, 32-bit, granular */
    put_descriptor(GDT + 0x10, 0xc09a); /* code, not accessed yet */
    put_descriptor(GDT + 0x18, 0xc0f3); /* data of DPL 3 */
    put_descriptor(GDT + 0x20, 0xc013); /* absent */
    put_descriptor(GDT + 0x28, 0xc098); /* code that cannot be read */
    put_descriptor(GDT + 0x30, 0xa09b); /* 64-bit code */
    put_descriptor(GDT + 0x38, 0x0089); /* TSS, and 8 bytes more */
    put_descriptor(GDT + 0x48, 0x0082); /* LDT, and 8 bytes more */
    put_descriptor(GDT + 0x58, 0xe09b); /* code with L and D */
    put_descriptor(GDT + 0x60, 0xc091); /* read-only data */
    put_descriptor(LDT, 0xc093);
}

static void put_operand(uint64_t value)
{
    memcpy(ram + OPERAND, &value, 8);
}

/* The operand is the selector; the fault's error code, too. */
static void expect_selector_fault(const char *bytes, size_t count, uint16_t selector,
                                  uint8_t vector)
{
    put_operand(selector);
    expect_fault_(bytes, count, vector);
    assert_true(fault.has_error_code);
    assert_int_equal(fault.error_code, selector & ~3);
}

#define EXPECT_SELECTOR_FAULT(bytes, selector, vector)                                             \
    expect_selector_fault(bytes, sizeof(bytes) - 1, selector, vector)

static void test_data_segments(void **state)
{
    (void)state;
    begin(INSN_MODE_32);
    put_operand(8);
    assert_int_equal(RUN(MOV_EBX_PTR_TO_DS), INSN_DONE);
    assert_int_equal(selectors[INSN_DS], 8);
    assert_int_equal(loaded[INSN_DS].base, 0x11223344);
    assert_int_equal(loaded[INSN_DS].limit, UINT32_MAX);
    assert_int_equal(loaded[INSN_DS].access_rights, 0xc093);
    assert_string_equal(trace, "r100/2 r808/8 ");
    put_operand(0x10); /* readable code; the accessed bit is set */
    assert_int_equal(RUN(MOV_EBX_PTR_TO_DS), INSN_DONE);
    assert_int_equal(loaded[INSN_DS].access_rights, 0xc09b);
    assert_int_equal(ram[GDT + 0x15], 0x9b);
    put_operand(3); /* null, whatever its RPL */
    assert_int_equal(RUN(MOV_EBX_PTR_TO_DS), INSN_DONE);
    assert_int_equal(loaded[INSN_DS].access_rights, UNUSABLE);
    assert_int_equal(loaded[INSN_DS].base, 0);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 0x80, VECTOR_GP); /* beyond the table */
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 4, VECTOR_GP);    /* there is no LDT */
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 0x20, VECTOR_NP);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 0x28, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 0x38, VECTOR_GP); /* a system segment */
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 0xb, VECTOR_GP);  /* RPL 3, DPL 0 */
    ldt_limit = 7;
    put_operand(4);
    assert_int_equal(RUN(MOV_EBX_PTR_TO_DS), INSN_DONE);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 0xc, VECTOR_GP);
    s.cpl = 3;
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_DS, 8, VECTOR_GP);
    put_operand(0x1b);
    assert_int_equal(RUN(MOV_EBX_PTR_TO_DS), INSN_DONE);
    assert_int_equal(RUN(MOV_DS_TO_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "w100/2 ");
    assert_int_equal(ram[OPERAND], 0x1b);
}

static void test_stack_segment(void **state)
{
    (void)state;
    begin(INSN_MODE_32);
    put_operand(8);
    assert_int_equal(RUN(MOV_EBX_PTR_TO_SS), INSN_DONE);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 0, VECTOR_GP); /* no null but in 64-bit mode */
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 0x10, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 0x1b, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 0x60, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 0x20, VECTOR_SS);
    begin(INSN_MODE_64);
    put_operand(0);
    assert_int_equal(RUN(MOV_EBX_PTR_TO_SS), INSN_DONE);
    assert_int_equal(selectors[INSN_SS], 0);
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 3, VECTOR_GP);
    s.cpl = 1;
    put_operand(1);
    assert_int_equal(RUN(MOV_EBX_PTR_TO_SS), INSN_DONE);
    assert_int_equal(loaded[INSN_SS].access_rights, UNUSABLE | 1 << 5); /* CPL lives there */
    s.cpl = 3;
    EXPECT_SELECTOR_FAULT(MOV_EBX_PTR_TO_SS, 3, VECTOR_GP);
}

static void test_without_descriptors(void **state)
{
    (void)state;
    begin(INSN_MODE_16);
    s.protected_mode = false;
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++)
        s.segments[i] = (struct insn_segment){0, 0xffff, 0x93};
    put_operand(0xa000);
    assert_int_equal(RUN("\x8e\x1e\x00\x01"), INSN_DONE); /* mov ds, [0x100] */
    assert_string_equal(trace, "r100/2 ");
    assert_int_equal(loaded[INSN_DS].base, 0xa0000);
    assert_int_equal(loaded[INSN_DS].limit, 0xffff);
    EXPECT_FAULT("\x0f\x00\x1e\x00\x01", VECTOR_UD); /* ltr */
    put_operand(0x12345678);
    assert_int_equal(RUN("\xff\x2e\x00\x01"), INSN_DONE); /* jmp far [0x100] */
    assert_int_equal(s.rip, 0x5678 - 4);
    assert_int_equal(selectors[INSN_CS], 0x1234);
    assert_int_equal(loaded[INSN_CS].base, 0x12340);
}

static void test_system_segments(void **state)
{
    (void)state;
    begin(INSN_MODE_64);
    put_operand(0x38);
    ram[GDT + 0x41] = 0x55; /* base 63:32 */
    ram[GDT + 0x43] = 0xff;
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0x38, VECTOR_GP); /* not canonical */
    ram[GDT + 0x43] = 0;
    assert_int_equal(RUN(LTR_EBX_PTR), INSN_DONE);
    assert_int_equal(selectors[INSN_TR], 0x38);
    assert_int_equal(loaded[INSN_TR].base, 0x550011223344);
    assert_int_equal(loaded[INSN_TR].limit, 0xfffff);
    assert_int_equal(loaded[INSN_TR].access_rights, 0x8b);
    assert_int_equal(ram[GDT + 0x3d], 0x8b);
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0x38, VECTOR_GP); /* busy now */
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0x48, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 8, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0, VECTOR_GP);
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0x78, VECTOR_GP); /* half of it beyond the table */
    put_operand(0x48);
    assert_int_equal(RUN(LLDT_EBX_PTR), INSN_DONE);
    assert_int_equal(loaded[INSN_LDTR].access_rights, 0x82);
    ram[GDT + 0x55] = 1; /* a type in the upper half */
    EXPECT_SELECTOR_FAULT(LLDT_EBX_PTR, 0x48, VECTOR_GP);
    put_operand(0);
    assert_int_equal(RUN(LLDT_EBX_PTR), INSN_DONE);
    assert_int_equal(loaded[INSN_LDTR].access_rights, UNUSABLE);
    s.cpl = 3;
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0, VECTOR_GP);
    assert_string_equal(trace, ""); /* not even the operand was read */

    begin(INSN_MODE_32); /* eight bytes here, and 16-bit tasks */
    put_descriptor(GDT + 0x38, 0x0081);
    put_operand(0x38);
    assert_int_equal(RUN(LTR_EBX_PTR), INSN_DONE);
    assert_int_equal(loaded[INSN_TR].access_rights, 0x83);
    put_descriptor(GDT + 0x38, 0x0009);
    EXPECT_SELECTOR_FAULT(LTR_EBX_PTR, 0x38, VECTOR_NP);
}

static void test_stores(void **state)
{
    (void)state;
    begin(INSN_MODE_64);
    put_operand(UINT64_MAX);
    assert_int_equal(RUN(SMSW_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "w100/2 "); /* two bytes, whatever the operand size */
    assert_int_equal(ram[OPERAND], 0x33);
    assert_int_equal(ram[OPERAND + 2], 0xff);
    assert_int_equal(RUN("\x48\x0f\x00\x03"), INSN_DONE); /* sldt with REX.W */
    assert_string_equal(trace, "w100/2 ");
    assert_int_equal(ram[OPERAND], INSN_LDTR);
    s.cpl = 3;
    assert_int_equal(RUN(SLDT_EBX_PTR), INSN_DONE);
    cr4 = CR4_UMIP;
    EXPECT_FAULT(SLDT_EBX_PTR, VECTOR_GP);
    assert_int_equal(RUN(MOV_DS_TO_EBX_PTR), INSN_DONE);
    env.system = NULL;
    assert_int_equal(RUN(MOV_DS_TO_EBX_PTR), INSN_FAILED);
}

static void put_far(uint32_t offset, uint16_t selector)
{
    memcpy(ram + OPERAND, &offset, 4);
    memcpy(ram + OPERAND + 4, &selector, 2);
}

static void test_far_jump(void **state)
{
    (void)state;
    begin(INSN_MODE_32);
    put_far(0x12345678, 0x10);
    assert_int_equal(RUN(JMP_FAR_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "r100/6 r810/8 w815/1 ");
    assert_int_equal(s.rip, 0x12345676);
    assert_int_equal(selectors[INSN_CS], 0x10);
    assert_int_equal(loaded[INSN_CS].access_rights, 0xc09b);
    ram[GDT + 0x16] = 0; /* a limit of 64 KiB */
    s.rip = 0x1000;
    EXPECT_FAULT(JMP_FAR_EBX_PTR, VECTOR_GP);
    put_far(0x1234, 8);
    EXPECT_FAULT(JMP_FAR_EBX_PTR, VECTOR_GP); /* data */
    assert_int_equal(fault.error_code, 8);
    put_far(0x1234, 0);
    EXPECT_FAULT(JMP_FAR_EBX_PTR, VECTOR_GP);
    put_far(0x1234, 0x38);
    assert_int_equal(RUN(JMP_FAR_EBX_PTR), INSN_FAILED); /* a task */
    s.cpl = 3;
    put_far(0x1234, 0x2b);
    EXPECT_FAULT(JMP_FAR_EBX_PTR, VECTOR_GP); /* DPL 0 */
    put_descriptor(GDT + 0x28, 0xc09c);       /* conforming: from outer levels, too */
    assert_int_equal(RUN(JMP_FAR_EBX_PTR), INSN_DONE);
    assert_int_equal(selectors[INSN_CS], 0x2b);

    begin(INSN_MODE_64);
    memcpy(ram + OPERAND, &(uint64_t){0x123456789abc}, 8);
    memcpy(ram + OPERAND + 8, &(uint16_t){0x33}, 2);
    EXPECT_FAULT("\x48" JMP_FAR_EBX_PTR, VECTOR_GP); /* RPL 3 */
    ram[OPERAND + 8] = 0x30;
    assert_int_equal(RUN("\x48" JMP_FAR_EBX_PTR), INSN_DONE);
    assert_string_equal(trace, "r100/10 r830/8 ");
    assert_int_equal(s.rip, 0x123456789abc - 3);
    s.rip = 0x1000;
    ram[OPERAND + 7] = 0x80; /* not canonical */
    EXPECT_FAULT("\x48" JMP_FAR_EBX_PTR, VECTOR_GP);
    ram[OPERAND + 7] = 0;
    ram[OPERAND + 8] = 0x58;
    EXPECT_FAULT("\x48" JMP_FAR_EBX_PTR, VECTOR_GP); /* L and D */
    ram[OPERAND + 8] = 0x10;
    EXPECT_FAULT("\x48" JMP_FAR_EBX_PTR, VECTOR_GP); /* beyond a compatibility segment */
}

/* --- Near branches and frames --- */

static void test_near_branches(void **state)
{
    (void)state;
    begin(INSN_MODE_64);
    s.gpr[INSN_RSP] = 0x800;
    put_operand(0x5000);
    assert_int_equal(RUN("\xff\x23"), INSN_DONE); /* jmp [rbx] */
    assert_int_equal(s.rip + 2, 0x5000);
    s.rip = 0x1000;
    assert_int_equal(RUN("\xff\x13"), INSN_DONE); /* call [rbx] */
    assert_string_equal(trace, "pr100/8 pw7f8/8 r100/8 w7f8/8 ");
    assert_int_equal(s.rip + 2, 0x5000);
    assert_int_equal(s.gpr[INSN_RSP], 0x7f8);
    assert_int_equal(ram[0x7f8], 0x02);
    assert_int_equal(ram[0x7f9], 0x10);
    assert_int_equal(RUN("\xc2\x10\x00"), INSN_DONE); /* ret 16 */
    assert_int_equal(s.rip + 3, 0x1002);
    assert_int_equal(s.gpr[INSN_RSP], 0x810);
    s.rip = 0x1000;
    assert_int_equal(RUN("\xe8\xfb\xff\xff\xff"), INSN_DONE); /* call itself */
    assert_int_equal(s.rip + 5, 0x1000);
    s.rip = 0x1000;
    put_operand(UINT64_C(0x1111111111111111));
    EXPECT_FAULT("\xff\x23", VECTOR_GP);
    assert_int_equal(fault.error_code, 0);
    EXPECT_FAULT("\xff\x13", VECTOR_GP); /* nothing was pushed */
    s.gpr[INSN_RSP] = OPERAND;
    EXPECT_FAULT("\xc3", VECTOR_GP); /* nothing was popped */

    begin(INSN_MODE_32);
    s.segments[INSN_CS].limit = 0xffff;
    put_operand(0x10000);
    EXPECT_FAULT("\xff\x23", VECTOR_GP);
    put_operand(0xffff);
    assert_int_equal(RUN("\xff\x23"), INSN_DONE);
    s.rip = 0xfffe;
    s.gpr[INSN_RSP] = 0x800;
    assert_int_equal(RUN("\x66\xe8\x10\x00"), INSN_DONE); /* 16 bits wrap */
    assert_int_equal((uint32_t)s.rip + 4, 0x12);
    assert_string_equal(trace, "w7fe/2 ");
}

static void test_frames(void **state)
{
    (void)state;
    begin(INSN_MODE_32);
    s.segments[INSN_SS].access_rights &= ~0x4000u; /* a 16-bit stack under 32-bit code */
    s.gpr[INSN_RSP] = 0x45670800;
    s.gpr[INSN_RBP] = 0x11112222;
    assert_int_equal(RUN("\xc8\x34\x12\x00"), INSN_DONE); /* enter 0x1234, 0 */
    assert_string_equal(trace, "w7fc/4 ");
    assert_int_equal(s.gpr[INSN_RBP], 0x456707fc);
    assert_int_equal(s.gpr[INSN_RSP], 0x4567f5c8);
    assert_int_equal(RUN("\xc9"), INSN_DONE); /* leave */
    assert_string_equal(trace, "r7fc/4 ");
    assert_int_equal(s.gpr[INSN_RBP], 0x11112222);
    assert_int_equal(s.gpr[INSN_RSP], 0x45670800);
    s.segments[INSN_SS].limit = 0x7ff;
    s.gpr[INSN_RBP] = 0x800;
    EXPECT_FAULT("\xc9", VECTOR_SS);
}

static void test_division_faults(void **state)
{
    (void)state;
    begin(INSN_MODE_64);
    s.gpr[INSN_RAX] = 5;
    EXPECT_FAULT("\x48\xf7\x33", VECTOR_DE); /* div by 0 */
    assert_false(fault.has_error_code);
    assert_string_equal(trace, "r100/8 ");
    put_operand(2);
    s.gpr[INSN_RDX] = 2;
    EXPECT_FAULT("\x48\xf7\x33", VECTOR_DE); /* the quotient has 65 bits */
    s.gpr[INSN_RDX] = 1;
    assert_int_equal(RUN("\x48\xf7\x33"), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RAX], 0x8000000000000002);
    assert_int_equal(s.gpr[INSN_RDX], 1);
    put_operand(UINT64_MAX); /* idiv: the smallest number by -1 */
    s.gpr[INSN_RDX] = UINT64_MAX;
    s.gpr[INSN_RAX] = (uint64_t)INT64_MIN;
    EXPECT_FAULT("\x48\xf7\x3b", VECTOR_DE);
    s.gpr[INSN_RAX]++;
    assert_int_equal(RUN("\x48\xf7\x3b"), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RAX], INT64_MAX);
    s.gpr[INSN_RAX] = 0x8000; /* idiv byte: -32768 by -1 */
    EXPECT_FAULT("\xf6\x3b", VECTOR_DE);
    s.gpr[INSN_RAX] = 0x80; /* 128 by -1 is -128: it fits */
    assert_int_equal(RUN("\xf6\x3b"), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RAX], 0x80);
}

/* --- Vector registers --- */

static uint8_t vector[16];
static uint8_t vector_fault; /* 0: none */

static enum insn_access_result vector_read(void *context, const struct insn_operand *operand,
                                           uint8_t bytes[16], struct insn_fault *why)
{
    (void)context;
    assert_true(operand->kind == INSN_OPERAND_XMM || operand->kind == INSN_OPERAND_MMX);
    if (vector_fault != 0) {
        *why = (struct insn_fault){.vector = vector_fault};
        return INSN_ACCESS_FAULT;
    }
    memcpy(bytes, vector, 16);
    return INSN_ACCESS_OK;
}

static enum insn_access_result vector_write(void *context, const struct insn_operand *operand,
                                            const uint8_t bytes[16], struct insn_fault *why)
{
    (void)context;
    (void)operand;
    (void)why;
    memcpy(vector, bytes, 16);
    return INSN_ACCESS_OK;
}

static void test_vector_moves(void **state)
{
    (void)state;
    begin(INSN_MODE_64);
    assert_int_equal(RUN("\x0f\x29\x03"), INSN_FAILED); /* there are none */
    env.vector_read = vector_read;
    env.vector_write = vector_write;
    memset(vector, 0x5a, 16);
    assert_int_equal(RUN("\x0f\x29\x03"), INSN_DONE); /* movaps [rbx], xmm0 */
    assert_string_equal(trace, "w100/16 ");
    assert_int_equal(ram[OPERAND + 15], 0x5a);
    s.gpr[INSN_RBX] = OPERAND + 8;
    EXPECT_FAULT("\x0f\x29\x03", VECTOR_GP);
    EXPECT_FAULT("\x66\x0f\x6f\x03", VECTOR_GP); /* movdqa */
    s.cpl = 3;
    s.rflags |= RFLAGS_AC;
    s.alignment_mask = true;
    assert_int_equal(RUN("\x0f\x11\x03"), INSN_DONE); /* movups need not be aligned, */
    s.gpr[INSN_RBX] = OPERAND + 4;
    EXPECT_FAULT("\x0f\x7f\x03", VECTOR_AC); /* eight bytes of MMX do where AC asks for it */
    s.cpl = 0;
    memset(vector, 0xff, 16);
    assert_int_equal(RUN("\xf3\x0f\x10\x03"), INSN_DONE); /* movss xmm0, [rbx] clears the rest */
    assert_string_equal(trace, "r104/4 ");
    assert_int_equal(vector[3], 0x5a);
    assert_int_equal(vector[4], 0);
    assert_int_equal(vector[15], 0);
    hole = 0x2000;
    hole_end = 0x3000;
    s.gpr[INSN_RBX] = 0x1ff8;
    EXPECT_FAULT("\x0f\x11\x03", VECTOR_PF); /* the second page is not there: nothing stored */
    assert_int_equal(fault.cr2, 0x2000);
    vector_fault = VECTOR_MF;
    EXPECT_FAULT("\x0f\x6f\x03", VECTOR_MF); /* before the memory is read */
    assert_string_equal(trace, "");
    vector_fault = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_segments),
        cmocka_unit_test(test_stack_segment),
        cmocka_unit_test(test_without_descriptors),
        cmocka_unit_test(test_system_segments),
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_far_jump),
        cmocka_unit_test(test_near_branches),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_division_faults),
        cmocka_unit_test(test_vector_moves),
    };
    return cmocka_run_group_tests_name("insn_system", tests, NULL, NULL);
}
