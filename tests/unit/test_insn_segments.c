// SPDX-License-Identifier: BSD-2-Clause
/* insn_segments: random instructions of all kinds, in all modes, executed with all segment
 * registers and with nothing in those that it leaves out. */
#include "tests/unit/insn_machine.h"
#include "tests/unit/random.h"

#include "arch/x86/insn/insn_address.h"

#define ROUNDS 400000

/* Registers that reach into the 64 KiB of memory as a rule, and segments with limits that matter.
 */
static void random_registers(void)
{
    for (unsigned i = 0; i < INSN_GPR_COUNT; i++)
        s.gpr[i] = random_u64() >> 49;
    s.rflags = (random_u64() & 0x8d5) | 2;
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        s.segments[i].base = random_u64() >> 50;
        s.segments[i].limit = (uint32_t)(random_u64() >> 47);
        s.segments[i].access_rights ^= (uint32_t)random_u64() & 0x4000;
    }
}

static enum insn_mode random_mode(void)
{
    static const enum insn_mode modes[] = {INSN_MODE_16, INSN_MODE_32, INSN_MODE_64};

    return modes[random_u64() % 3];
}

/* True if the instruction was one that can be executed here. */
static bool compare(void)
{
    static char trace_of_all[sizeof(trace)];
    uint8_t bytes[INSN_LENGTH_MAX];
    struct insn_state start, all;
    struct insn_fault fault_of_all;
    enum insn_outcome outcome;
    struct insn insn;

    reset(random_mode());
    random_registers();
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(random_u64() >> 32);
    if (insn_decode(bytes, sizeof(bytes), s.mode, &insn) != INSN_DECODED ||
        (insn.op >= INSN_JMP_FAR && insn.op <= INSN_VECTOR_STORE))
        return false;
    start = s;
    fault = (struct insn_fault){0};
    outcome = insn_execute(&insn, &s, &env, 4, &fault);
    all = s;
    fault_of_all = fault;
    memcpy(trace_of_all, trace, sizeof(trace));

    reset(start.mode);
    s = start;
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        if ((insn_segments(&insn, s.mode) & 1u << i) == 0)
            s.segments[i] = (struct insn_segment){.access_rights = UNUSABLE};
    }
    fault = (struct insn_fault){0};
    assert_int_equal(insn_execute(&insn, &s, &env, 4, &fault), outcome);
    memcpy(s.segments, all.segments, sizeof(s.segments));
    assert_memory_equal(&s, &all, sizeof(s));
    assert_memory_equal(&fault, &fault_of_all, sizeof(fault));
    assert_string_equal(trace, trace_of_all);
    return true;
}

static void test_random(void **state)
{
    unsigned compared = 0;

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++)
        compared += compare();
    assert_true(compared > ROUNDS / 10);
}

static unsigned segments_of(const char *bytes, size_t count, enum insn_mode mode)
{
    struct insn insn;

    assert_int_equal(insn_decode((const uint8_t *)bytes, count, mode, &insn), INSN_DECODED);
    return insn_segments(&insn, mode);
}

#define SEGMENTS(bytes, mode) segments_of(bytes, sizeof(bytes) - 1, mode)

/* As few as possible: each that is asked for costs an exit where another monitor is below. */
static void test_few(void **state)
{
    (void)state;
    assert_int_equal(SEGMENTS("\x89\x03", INSN_MODE_64), 0);                 /* mov [rbx], eax */
    assert_int_equal(SEGMENTS("\x65\x89\x03", INSN_MODE_64), 1u << INSN_GS); /* mov gs:[rbx] */
    assert_int_equal(SEGMENTS("\x89\x03", INSN_MODE_32), 1u << INSN_DS);     /* mov [ebx], eax */
    assert_int_equal(SEGMENTS("\x89\x45\x00", INSN_MODE_32), 1u << INSN_SS); /* mov [ebp], eax */
    assert_int_equal(SEGMENTS("\xa4", INSN_MODE_64), 0);                     /* movsb */
    assert_int_equal(SEGMENTS("\xa4", INSN_MODE_32), 1u << INSN_DS | 1u << INSN_ES);
    assert_int_equal(SEGMENTS("\xff\x33", INSN_MODE_64), 0); /* push [rbx] */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
