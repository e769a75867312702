// SPDX-License-Identifier: BSD-2-Clause
/* Plain loads, stores and comparisons against the executor: random instructions, in all modes, done
 * both ways. */
#include "tests/unit/insn_machine.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

#include "arch/x86/insn/insn_plain.h"

#include <stdlib.h>

/* What the executor asked its surroundings for. */
static struct {
    unsigned count;
    uint64_t address, value;
    size_t size_bytes;
    bool is_write;
} seen;

static enum insn_access_result any_read(void *context, gva_t address, void *data, size_t size_bytes,
                                        struct insn_fault *fault_)
{
    (void)context;
    (void)fault_;
    seen.count++;
    seen.address = address.value;
    seen.size_bytes = size_bytes;
    seen.value = random_u64() & bytes_mask((unsigned)size_bytes);
    seen.is_write = false;
    memcpy(data, &seen.value, size_bytes);
    return INSN_ACCESS_OK;
}

static enum insn_access_result any_write(void *context, gva_t address, const void *data,
                                         size_t size_bytes, struct insn_fault *fault_)
{
    (void)context;
    (void)fault_;
    seen.count++;
    seen.address = address.value;
    seen.size_bytes = size_bytes;
    seen.value = 0;
    seen.is_write = true;
    memcpy(&seen.value, data, size_bytes);
    return INSN_ACCESS_OK;
}

static void random_registers(void)
{
    for (unsigned i = 0; i < INSN_GPR_COUNT; i++)
        s.gpr[i] = random_below(2) != 0 ? random_u64() : random_u64() >> (33 + random_below(31));
    s.rip = random_u64() >> 17;
    s.rflags = (random_u64() & 0x8d5) | 2; /* OF, SF, ZF, AF, PF, CF, as they may be */
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++)
        s.segments[i].base = random_u64() >> 36;
    env.read = any_read;
    env.write = any_write;
    seen.count = 0;
}

static void make_code(uint8_t bytes[INSN_LENGTH_MAX])
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0x64, 0x26, 0x2e, 0xf3, 0x65, 0x36};
    static const uint8_t moves[] = {0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1,
                                    0xa2, 0xa3, 0xc6, 0xc7, 0x63};
    static const uint8_t moves_0f[] = {0xb6, 0xb7, 0xbe, 0xbf, 0xc3};
    static const uint8_t comparisons[] = {0x38, 0x39, 0x3a, 0x3b, 0x80, 0x81,
                                          0x83, 0x84, 0x85, 0xf6, 0xf7};
    size_t at = 0;

    for (size_t i = 0; i < INSN_LENGTH_MAX; i++)
        bytes[i] = (uint8_t)random_u64();
    while (at < 3 && random_below(3) == 0)
        bytes[at++] = prefixes[random_below(ARRAY_COUNT(prefixes))];
    if (random_below(2) == 0)
        bytes[at++] = (uint8_t)(0x40 | random_below(16));
    switch (random_below(6)) {
    case 0: break;
    case 1:
        bytes[at++] = 0x0f;
        bytes[at] = moves_0f[random_below(ARRAY_COUNT(moves_0f))];
        break;
    case 2:
    case 3:
        bytes[at] = comparisons[random_below(ARRAY_COUNT(comparisons))];
        if (bytes[at] >= 0xf6)
            bytes[at + 1] &= 0xcf; /* /0 and /1, TEST */
        else if (bytes[at] >= 0x80 && bytes[at] <= 0x83)
            bytes[at + 1] |= 0x38; /* /7, CMP */
        break;
    default: bytes[at] = moves[random_below(ARRAY_COUNT(moves))]; break;
    }
}

static bool has_rsp(const struct insn *insn, const struct insn_operand *operand)
{
    return (operand->kind == INSN_OPERAND_REGISTER && operand->reg == INSN_RSP) ||
           (operand->kind == INSN_OPERAND_MEMORY && insn->memory.base == INSN_RSP);
}

static bool should_be_plain(const struct insn *insn)
{
    unsigned in_memory = (insn->destination.kind == INSN_OPERAND_MEMORY) +
                         (insn->source.kind == INSN_OPERAND_MEMORY);

    return (insn->op == INSN_MOV || insn->op == INSN_MOVNTI || insn->op == INSN_MOVZX ||
            insn->op == INSN_MOVSX || insn->op == INSN_CMP || insn->op == INSN_TEST) &&
           in_memory == 1 && !has_rsp(insn, &insn->destination) && !has_rsp(insn, &insn->source);
}

static unsigned simple; /* how many had a simple address */

/* True if it was compared. */
static bool compare(const struct insn *insn, const struct insn_plain *plain)
{
    uint64_t gpr[INSN_GPR_COUNT], rflags = s.rflags;

    memcpy(gpr, s.gpr, sizeof(gpr));
    gpr[INSN_RSP] = 0xbad;
    if (insn_execute(insn, &s, &env, 1, &fault) != INSN_DONE)
        return false; /* an address that is not canonical: no exit comes from it */
    assert_int_equal(plain->length, insn->length);
    if (seen.count != 1)
        return false; /* around the end of 4 GiB */
    assert_int_equal(plain->size_bytes, seen.size_bytes);
    assert_int_equal(plain->is_store, seen.is_write);
    assert_int_equal(plain->is_comparison, insn->op == INSN_CMP || insn->op == INSN_TEST);

    uint64_t offset = insn_plain_page_offset(plain, gpr);

    assert_true(offset < PAGE_SIZE);
    if (plain->has_segment_base)
        offset += s.segments[plain->segment].base;
    assert_int_equal(offset % PAGE_SIZE, seen.address % PAGE_SIZE);
    gpr[INSN_RSP] = 0;
    if (plain->not_simple != UINT64_MAX) {
        simple++;
        assert_int_equal(plain->not_simple, plain->size_bytes - 1);
        assert_int_equal(insn_plain_simple_address(plain, gpr) % PAGE_SIZE,
                         seen.address % PAGE_SIZE);
    }
    assert_int_equal(plain->misaligned, plain->size_bytes - 1);
    if (plain->is_store)
        assert_int_equal(insn_plain_stored(plain, gpr), seen.value);
    else if (plain->is_comparison)
        insn_plain_compared(plain, gpr, seen.value, &rflags);
    else
        insn_plain_loaded(plain, gpr, seen.value);
    assert_int_equal(s.rflags, rflags);
    gpr[INSN_RSP] = s.gpr[INSN_RSP];
    assert_memory_equal(gpr, s.gpr, sizeof(gpr));
    return true;
}

static void test_as_the_executor(void **state)
{
    unsigned compared[3] = {0}, comparisons[2] = {0}, others = 0;

    (void)state;
    for (unsigned round = 0; round < rounds(400000); round++) {
        enum insn_mode mode = (enum insn_mode)random_below(3);
        uint8_t bytes[INSN_LENGTH_MAX];
        struct insn_plain plain;
        struct insn insn;

        make_code(bytes);
        if (insn_decode(bytes, sizeof(bytes), mode, &insn) != INSN_DECODED)
            continue;
        reset(mode);
        random_registers();
        assert_int_equal(insn_make_plain(&insn, mode, s.rip, &plain), should_be_plain(&insn));
        if (!should_be_plain(&insn))
            others++;
        else if (compare(&insn, &plain)) {
            compared[mode]++;
            if (plain.is_comparison)
                comparisons[plain.has_memory_last]++;
        }
    }
    for (unsigned mode = 0; mode < 3; mode++)
        assert_true(compared[mode] > rounds(4000));
    assert_true(comparisons[0] > rounds(4000) && comparisons[1] > rounds(4000));
    assert_true(others > rounds(4000));
    assert_true(simple > rounds(1000));
}

static struct insn_plain plain_of(const char *bytes, size_t count)
{
    struct insn_plain plain;
    struct insn insn;
    uint8_t buffer[INSN_LENGTH_MAX] = {0};

    memcpy(buffer, bytes, count);
    assert_int_equal(insn_decode(buffer, count, INSN_MODE_64, &insn), INSN_DECODED);
    assert_true(insn_make_plain(&insn, INSN_MODE_64, 0x700a, &plain));
    return plain;
}

#define PLAIN(bytes) plain_of(bytes, sizeof(bytes) - 1)

/* A few that can be read. */
static void test_examples(void **state)
{
    uint64_t gpr[INSN_GPR_COUNT] = {[INSN_RAX] = UINT64_MAX, [INSN_RBX] = 0x5004};
    struct insn_plain plain = PLAIN("\x8b\x43\x0c"); /* mov eax, [rbx + 0xc] */

    (void)state;
    assert_int_equal(insn_plain_page_offset(&plain, gpr), 0x010);
    insn_plain_loaded(&plain, gpr, 0x12345678);
    assert_int_equal(gpr[INSN_RAX], 0x12345678);
    plain = PLAIN("\x8a\x23"); /* mov ah, [rbx] */
    insn_plain_loaded(&plain, gpr, 0xab);
    assert_int_equal(gpr[INSN_RAX], 0x1234ab78);
    plain = PLAIN("\x66\x0f\xbe\x03"); /* movsx ax, byte [rbx] */
    insn_plain_loaded(&plain, gpr, 0x80);
    assert_int_equal(gpr[INSN_RAX], 0x1234ff80);
    plain = PLAIN("\x48\x63\x03"); /* movsxd rax, dword [rbx] */
    insn_plain_loaded(&plain, gpr, 0x80000000);
    assert_int_equal(gpr[INSN_RAX], 0xffffffff80000000);
    plain = PLAIN("\x48\xc7\x03\xfe\xff\xff\xff"); /* mov qword [rbx], -2 */
    assert_int_equal(insn_plain_stored(&plain, gpr), (uint64_t)-2);
    plain = PLAIN("\xc6\x03\xfe"); /* mov byte [rbx], 0xfe */
    assert_int_equal(insn_plain_stored(&plain, gpr), 0xfe);
    plain = PLAIN("\x88\x3b"); /* mov [rbx], bh */
    assert_int_equal(insn_plain_stored(&plain, gpr), 0x50);
    plain = PLAIN("\x89\x05\xf0\x0f\x00\x00"); /* mov [rip + 0xff0], eax */
    assert_int_equal(insn_plain_page_offset(&plain, gpr), 0);
}

static uint64_t flags_after(const struct insn_plain *plain, const uint64_t *gpr, uint64_t value)
{
    uint64_t rflags = RFLAGS_IF | RFLAGS_DF | 2;

    assert_true(plain->is_comparison);
    assert_false(plain->is_store);
    insn_plain_compared(plain, gpr, value, &rflags);
    assert_int_equal(rflags & (RFLAGS_IF | RFLAGS_DF), RFLAGS_IF | RFLAGS_DF);
    return rflags & (RFLAGS_CF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF);
}

static void test_examples_of_comparisons(void **state)
{
    uint64_t gpr[INSN_GPR_COUNT] = {[INSN_RAX] = 0x2200000005, [INSN_RBX] = 0x5004};
    struct insn_plain plain = PLAIN("\x39\x43\x0c"); /* cmp [rbx + 0xc], eax */

    (void)state;
    assert_int_equal(insn_plain_page_offset(&plain, gpr), 0x010);
    assert_int_equal(flags_after(&plain, gpr, 5), RFLAGS_ZF);
    assert_int_equal(flags_after(&plain, gpr, 4), RFLAGS_CF | RFLAGS_SF);
    assert_int_equal(flags_after(&plain, gpr, 6), 0);
    plain = PLAIN("\x3b\x43\x0c"); /* cmp eax, [rbx + 0xc] */
    assert_int_equal(flags_after(&plain, gpr, 6), RFLAGS_CF | RFLAGS_SF);
    plain = PLAIN("\x81\x3b\x69\x42\x46\x54"); /* cmp dword [rbx], "iBFT" */
    assert_int_equal(flags_after(&plain, gpr, 0x54464269), RFLAGS_ZF);
    assert_int_equal(flags_after(&plain, gpr, 0xffffffff), RFLAGS_SF);
    plain = PLAIN("\x48\x83\x3b\xff"); /* cmp qword [rbx], -1 */
    assert_int_equal(flags_after(&plain, gpr, UINT64_MAX), RFLAGS_ZF);
    assert_int_equal(flags_after(&plain, gpr, 0xffffffff), RFLAGS_CF);
    plain = PLAIN("\x38\x3b"); /* cmp [rbx], bh */
    assert_int_equal(flags_after(&plain, gpr, 0x50), RFLAGS_ZF);
    plain = PLAIN("\xf6\x03\x80"); /* test byte [rbx], 0x80 */
    assert_int_equal(flags_after(&plain, gpr, 0x7f), RFLAGS_ZF);
    assert_int_equal(flags_after(&plain, gpr, 0xff), RFLAGS_SF);
    plain = PLAIN("\x66\x85\x03"); /* test [rbx], ax */
    assert_int_equal(flags_after(&plain, gpr, 0xfffa), RFLAGS_ZF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_executor),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_examples_of_comparisons),
    };

    random_begin("SEED");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
