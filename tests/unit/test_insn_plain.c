/* Plain loads and stores against the executor: random instructions, in all modes, done both ways.
 */
#include "tests/unit/insn_machine.h"

#include "arch/x86/insn/insn_plain.h"

#include <stdlib.h>
#include <time.h>

#define ROUNDS 400000

static uint64_t random_state;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned random_below(unsigned limit)
{
    return (unsigned)(random_u64() >> 33) % limit;
}

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
    size_t at = 0;

    for (size_t i = 0; i < INSN_LENGTH_MAX; i++)
        bytes[i] = (uint8_t)random_u64();
    while (at < 3 && random_below(3) == 0)
        bytes[at++] = prefixes[random_below(ARRAY_COUNT(prefixes))];
    if (random_below(2) == 0)
        bytes[at++] = (uint8_t)(0x40 | random_below(16));
    switch (random_below(4)) {
    case 0: break;
    case 1:
        bytes[at++] = 0x0f;
        bytes[at] = moves_0f[random_below(ARRAY_COUNT(moves_0f))];
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
            insn->op == INSN_MOVSX) &&
           in_memory == 1 && !has_rsp(insn, &insn->destination) && !has_rsp(insn, &insn->source);
}

/* True if it was compared. */
static bool compare(const struct insn *insn, const struct insn_plain *plain)
{
    uint64_t gpr[INSN_GPR_COUNT], rflags = s.rflags;

    memcpy(gpr, s.gpr, sizeof(gpr));
    gpr[INSN_RSP] = 0xbad;
    if (insn_execute(insn, &s, &env, 1, &fault) != INSN_DONE)
        return false; /* an address that is not canonical: no exit is told of such a one */
    assert_int_equal(s.rflags, rflags);
    assert_int_equal(plain->length, insn->length);
    if (seen.count != 1)
        return false; /* around the end of 4 GiB */
    assert_int_equal(plain->size_bytes, seen.size_bytes);
    assert_int_equal(plain->is_store, seen.is_write);

    uint64_t offset = insn_plain_page_offset(plain, gpr);

    assert_true(offset < PAGE_SIZE);
    if (plain->has_segment_base)
        offset += s.segments[plain->segment].base;
    assert_int_equal(offset % PAGE_SIZE, seen.address % PAGE_SIZE);
    if (plain->is_store)
        assert_int_equal(insn_plain_stored(plain, gpr), seen.value);
    else
        insn_plain_loaded(plain, gpr, seen.value);
    gpr[INSN_RSP] = s.gpr[INSN_RSP];
    assert_memory_equal(gpr, s.gpr, sizeof(gpr));
    return true;
}

static void test_as_the_executor(void **state)
{
    unsigned compared[3] = {0}, others = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum insn_mode mode = (enum insn_mode)random_below(3);
        uint8_t bytes[INSN_LENGTH_MAX];
        struct insn_plain plain;
        struct insn insn;

        make_code(bytes);
        if (insn_decode(bytes, sizeof(bytes), mode, &insn) != INSN_DECODED)
            continue;
        reset(mode);
        random_registers();
        assert_int_equal(insn_plain(&insn, mode, s.rip, &plain), should_be_plain(&insn));
        if (!should_be_plain(&insn))
            others++;
        else
            compared[mode] += compare(&insn, &plain);
    }
    for (unsigned mode = 0; mode < 3; mode++)
        assert_true(compared[mode] > ROUNDS / 100);
    assert_true(others > ROUNDS / 100);
}

static struct insn_plain plain_of(const char *bytes, size_t count)
{
    struct insn_plain plain;
    struct insn insn;
    uint8_t buffer[INSN_LENGTH_MAX] = {0};

    memcpy(buffer, bytes, count);
    assert_int_equal(insn_decode(buffer, count, INSN_MODE_64, &insn), INSN_DECODED);
    assert_true(insn_plain(&insn, INSN_MODE_64, 0x700a, &plain));
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

int main(void)
{
    const char *seed = getenv("SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_executor),
        cmocka_unit_test(test_examples),
    };

    random_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2 + 1;
    print_message("SEED=%llu\n", (unsigned long long)random_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
