// SPDX-License-Identifier: BSD-2-Clause
/* The 64 KiB of trapping memory at 0xff000000: every size and direction, read-modify-write,
 * strings in both directions. Each instruction is carried out there and on RAM, and both have to
 * be the same afterwards. */
#include "tests/multiboot/suite.h"

#define DEVICE       UINT64_C(0xff000000)
#define DEVICE_BYTES 0x10000
#define LATCH        0xe0

#define PATTERN UINT64_C(0x8123456789abcdef)
#define OPERAND UINT64_C(0xf0e1d2c3b4a59687)

struct result {
    uint64_t memory, reg, flags;
};

/* What the manual defines after all of these: CF, ZF, SF, OF, PF. */
#define FLAGS "0x8c5"

/* One instruction with a memory operand (%[m]) and a register (%[r]) of 8 bytes. */
#define INSTRUCTION(function, text)                                                                \
    static struct result function(volatile uint64_t *at)                                           \
    {                                                                                              \
        struct result result = {.reg = OPERAND};                                                   \
        uint64_t rax = PATTERN;                                                                    \
                                                                                                   \
        *at = PATTERN;                                                                             \
        __asm__ volatile("pushq $3\n\tpopfq\n\t" text                                              \
                         "\n\tpushfq\n\tpopq %[flags]\n\tandq $" FLAGS ", %[flags]"                \
                         : [m] "+m"(*at), [r] "+r"(result.reg), [flags] "=&r"(result.flags),       \
                           "+a"(rax)                                                               \
                         :                                                                         \
                         : "cc", "memory");                                                        \
        result.memory = *at;                                                                       \
        result.reg ^= rax;                                                                         \
        return result;                                                                             \
    }

#define ALL_SIZES(name)                                                                            \
    INSTRUCTION(name##_8, "lock " #name "b %b[r], %[m]")                                           \
    INSTRUCTION(name##_16, #name "w %w[r], %[m]")                                                  \
    INSTRUCTION(name##_32, "lock " #name "l %k[r], %[m]")                                          \
    INSTRUCTION(name##_64, #name "q %q[r], %[m]")

ALL_SIZES(add)
ALL_SIZES(or)
ALL_SIZES(adc)
ALL_SIZES(sbb)
ALL_SIZES(and)
ALL_SIZES(sub)
ALL_SIZES(xor)
ALL_SIZES(xadd)
ALL_SIZES(cmpxchg)
INSTRUCTION(xchg_8, "xchgb %b[r], %[m]")
INSTRUCTION(xchg_16, "xchgw %w[r], %[m]")
INSTRUCTION(xchg_32, "xchgl %k[r], %[m]")
INSTRUCTION(xchg_64, "xchgq %q[r], %[m]")
INSTRUCTION(store_8, "movb %b[r], %[m]")
INSTRUCTION(store_16, "movw %w[r], %[m]")
INSTRUCTION(store_32, "movl %k[r], %[m]")
INSTRUCTION(store_64, "movq %q[r], %[m]")
INSTRUCTION(load_8, "movb %[m], %b[r]")
INSTRUCTION(load_16, "movw %[m], %w[r]")
INSTRUCTION(load_32, "movl %[m], %k[r]")
INSTRUCTION(load_64, "movq %[m], %q[r]")
INSTRUCTION(movzx, "movzbl %[m], %k[r]")
INSTRUCTION(movsx, "movswq %[m], %q[r]")
INSTRUCTION(movsxd, "movslq %[m], %q[r]")
INSTRUCTION(immediate, "movq $-77, %[m]")
INSTRUCTION(inc_8, "lock incb %[m]")
INSTRUCTION(inc_64, "incq %[m]")
INSTRUCTION(dec_16, "lock decw %[m]")
INSTRUCTION(neg_32, "lock negl %[m]")
INSTRUCTION(not_64, "lock notq %[m]")
INSTRUCTION(compare, "cmpl %k[r], %[m]")
INSTRUCTION(compare_from, "cmpq %[m], %q[r]")
INSTRUCTION(test_8, "testb $0x81, %[m]")
INSTRUCTION(add_from, "addq %[m], %q[r]")
INSTRUCTION(push_pop, "pushq %[m]\n\taddq $3, (%%rsp)\n\tpopq %[m]")
INSTRUCTION(not_exchanged, "incq %%rax\n\tlock cmpxchgq %q[r], %[m]")

#define ROW(function)                                                                              \
    {                                                                                              \
#function, function                                                                        \
    }

static const struct {
    const char *name;
    struct result (*run)(volatile uint64_t *at);
} instructions[] = {
    ROW(store_8),    ROW(store_16),   ROW(store_32),      ROW(store_64),     ROW(load_8),
    ROW(load_16),    ROW(load_32),    ROW(load_64),       ROW(movzx),        ROW(movsx),
    ROW(movsxd),     ROW(immediate),  ROW(add_8),         ROW(add_16),       ROW(add_32),
    ROW(add_64),     ROW(or_8),       ROW(or_16),         ROW(or_32),        ROW(or_64),
    ROW(adc_8),      ROW(adc_16),     ROW(adc_32),        ROW(adc_64),       ROW(sbb_8),
    ROW(sbb_16),     ROW(sbb_32),     ROW(sbb_64),        ROW(and_8),        ROW(and_16),
    ROW(and_32),     ROW(and_64),     ROW(sub_8),         ROW(sub_16),       ROW(sub_32),
    ROW(sub_64),     ROW(xor_8),      ROW(xor_16),        ROW(xor_32),       ROW(xor_64),
    ROW(xadd_8),     ROW(xadd_16),    ROW(xadd_32),       ROW(xadd_64),      ROW(cmpxchg_8),
    ROW(cmpxchg_16), ROW(cmpxchg_32), ROW(cmpxchg_64),    ROW(xchg_8),       ROW(xchg_16),
    ROW(xchg_32),    ROW(xchg_64),    ROW(inc_8),         ROW(inc_64),       ROW(dec_16),
    ROW(neg_32),     ROW(not_64),     ROW(compare),       ROW(compare_from), ROW(test_8),
    ROW(add_from),   ROW(push_pop),   ROW(not_exchanged),
};

static void check_instructions(void)
{
    static uint64_t ram[4];
    static const unsigned offsets[] = {0x100, 0x103, DEVICE_BYTES - 8};

    for (unsigned i = 0; i < ARRAY_COUNT(instructions); i++) {
        struct result want = instructions[i].run(&ram[1]);

        for (unsigned n = 0; n < ARRAY_COUNT(offsets); n++) {
            struct result got = instructions[i].run((volatile uint64_t *)(DEVICE + offsets[n]));

            if (memcmp(&got, &want, sizeof(got)) == 0 && n + 1 < ARRAY_COUNT(offsets))
                continue;
            check(instructions[i].name, got.memory, want.memory);
            if (got.reg != want.reg || got.flags != want.flags) {
                check_at("its registers at", offsets[n], got.reg, want.reg);
                check_at("its flags at", offsets[n], got.flags, want.flags);
            }
        }
    }
}

/* --- Strings --- */

#define STRING(function, text)                                                                     \
    static void function(uint64_t *to, uint64_t *from, uint64_t *count, uint64_t rax)              \
    {                                                                                              \
        __asm__ volatile(text : "+D"(*to), "+S"(*from), "+c"(*count) : "a"(rax) : "memory", "cc"); \
    }

STRING(movs_8, "rep movsb")
STRING(movs_16, "rep movsw")
STRING(movs_32, "rep movsl")
STRING(movs_64, "rep movsq")
STRING(movs_down, "std\n\trep movsb\n\tcld")
STRING(stos_8, "rep stosb")
STRING(stos_64, "rep stosq")
STRING(cmps_8, "repe cmpsb")
STRING(cmps_32, "repe cmpsl")
STRING(scas_8, "repne scasb")

static const struct {
    const char *name;
    void (*run)(uint64_t *to, uint64_t *from, uint64_t *count, uint64_t rax);
    uint16_t count;
    bool goes_down;
} strings[] = {
    {"REP MOVSB", movs_8, 61, false},        {"REP MOVSW", movs_16, 30, false},
    {"REP MOVSD", movs_32, 15, false},       {"REP MOVSQ", movs_64, 8, false},
    {"REP MOVSB down", movs_down, 61, true}, {"REP STOSB", stos_8, 61, false},
    {"REP STOSQ", stos_64, 8, false},        {"REPE CMPSB", cmps_8, 61, false},
    {"REPE CMPSD", cmps_32, 15, false},      {"REPNE SCASB", scas_8, 61, false},
};

#define STRING_BYTES 64

/* 64 bytes from and to are filled, then the instruction runs: a checksum over both and over the
 * registers, taken relative to where they began. */
static uint64_t string_result(unsigned row, uint64_t to, uint64_t from)
{
    uint64_t first_to = to, first_from = from, count = strings[row].count, result = 0;
    uint64_t start = strings[row].goes_down ? STRING_BYTES - 1 : 0;

    for (unsigned i = 0; i < STRING_BYTES; i++) {
        *(volatile uint8_t *)(from + i) = (uint8_t)(i * 37 + 11);
        *(volatile uint8_t *)(to + i) = (uint8_t)(i * 37 + 11 + (i >= 40));
    }
    to += start;
    from += start;
    strings[row].run(&to, &from, &count, PATTERN ^ 0x77);
    result = (to - first_to) + ((from - first_from) << 8) + (count << 16);
    for (unsigned i = 0; i < STRING_BYTES; i++) {
        result = result * 31 + *(volatile uint8_t *)(first_to + i);
        result = result * 31 + *(volatile uint8_t *)(first_from + i);
    }
    return result;
}

static void check_strings(void)
{
    static uint8_t ram[2 * STRING_BYTES];
    uint64_t a = (uint64_t)ram, b = (uint64_t)ram + STRING_BYTES;

    for (unsigned i = 0; i < ARRAY_COUNT(strings); i++) {
        uint64_t want = string_result(i, a, b);

        check(strings[i].name, string_result(i, DEVICE + 0xfc1, b), want); /* across a page */
        check("from there", string_result(i, a, DEVICE + 0xffc), want);
        check("both there", string_result(i, DEVICE + 0x2000, DEVICE + 0x3000), want);
    }
}

/* Between a port and this memory, across pages: both ends trap. */
static void check_string_io(void)
{
    static uint8_t ram[1024];
    uint64_t device = DEVICE + 4032;

    outl(LATCH, 0x99aabbcc);
    memset((void *)device, 0, sizeof(ram));
    rep_inb(LATCH, (void *)device, sizeof(ram));
    memset(ram, 0xcc, sizeof(ram));
    check("REP INSB to there", (uint64_t)memcmp((void *)device, ram, sizeof(ram)), 0);
    *(volatile uint32_t *)(device + 64) = 0x11223344;
    rep_outl(LATCH, (void *)device, 17);
    check("REP OUTSD from there", inl(LATCH), 0x11223344);
}

/* --- Its edges --- */

static void check_edges(void)
{
    volatile uint64_t *last = (volatile uint64_t *)(DEVICE + DEVICE_BYTES - 8);

    *last = PATTERN;
    check("the last 8 bytes", *last, PATTERN);
    check("behind it: nothing", mmio_read(DEVICE + DEVICE_BYTES), 0xffffffff);
    check("in front of it: nothing", mmio_read(DEVICE - 4), 0xffffffff);
    check("across its end: what is there, and ones",
          *(volatile uint64_t *)(DEVICE + DEVICE_BYTES - 4), PATTERN >> 32 | UINT64_C(-1) << 32);
}

void check_memory_device(void)
{
    if (!suite.testdev)
        return;
    check("trapping memory is zero at first", *(volatile uint64_t *)(DEVICE + 0x8000), 0);
    check_instructions();
    check_strings();
    check_string_io();
    check_edges();
}
