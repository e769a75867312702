// SPDX-License-Identifier: BSD-2-Clause
/* The executor against the processor this runs on: random instructions with random registers, flags
 * and memory, executed both ways. */
#include "tests/unit/insn_native_run.h"
#include "tests/unit/opcode_bytes.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"
#include "tests/unit/unit.h"

#include "arch/x86/insn/insn_address.h"
#include "arch/x86/insn/insn_execute.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DATA_BYTES   256
#define STATUS_FLAGS UINT64_C(0x8d5)

static uint8_t *code, *data;     /* two adjacent pages below 4 GiB, the first executable */
static uint8_t copy[DATA_BYTES]; /* what the executor works on */

/* Numbers at which carries and signs turn over come often. */
static uint64_t random_value(void)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     0x7f,
                                     0x80,
                                     0xff,
                                     0x7fff,
                                     0x8000,
                                     0xffff,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x0f,
                                     0x10,
                                     INT64_MAX,
                                     UINT64_MAX,
                                     (uint64_t)INT64_MIN,
                                     0x8080808080808080};

    return random_below(3) != 0 ? edges[random_below(ARRAY_COUNT(edges))] : random_u64();
}

static enum insn_access_result copy_range(gva_t address, size_t size_bytes, uint8_t **bytes)
{
    uint64_t offset = address.value - (uint64_t)(uintptr_t)data;

    if (offset > DATA_BYTES || size_bytes > DATA_BYTES - offset)
        return INSN_ACCESS_FAILED;
    *bytes = copy + offset;
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_read(void *context, gva_t address, void *to, size_t size_bytes,
                                        struct insn_fault *fault)
{
    uint8_t *bytes;

    (void)context;
    (void)fault;
    if (copy_range(address, size_bytes, &bytes) != INSN_ACCESS_OK)
        return INSN_ACCESS_FAILED;
    memcpy(to, bytes, size_bytes);
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_write(void *context, gva_t address, const void *from,
                                         size_t size_bytes, struct insn_fault *fault)
{
    uint8_t *bytes;

    (void)context;
    (void)fault;
    if (copy_range(address, size_bytes, &bytes) != INSN_ACCESS_OK)
        return INSN_ACCESS_FAILED;
    memcpy(bytes, from, size_bytes);
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_probe(void *context, gva_t address, size_t size_bytes,
                                         bool is_write, struct insn_fault *fault)
{
    uint8_t *bytes;

    (void)context;
    (void)is_write;
    (void)fault;
    return copy_range(address, size_bytes, &bytes);
}

static uint8_t xmm[16][16], mmx[8][8]; /* the executor's */

static enum insn_access_result env_vector_read(void *context, const struct insn_operand *operand,
                                               uint8_t bytes[16], struct insn_fault *fault)
{
    (void)context;
    (void)fault;
    if (operand->kind == INSN_OPERAND_XMM)
        memcpy(bytes, xmm[operand->reg], 16);
    else
        memcpy(bytes, mmx[operand->reg], 8);
    return INSN_ACCESS_OK;
}

static enum insn_access_result env_vector_write(void *context, const struct insn_operand *operand,
                                                const uint8_t bytes[16], struct insn_fault *fault)
{
    (void)context;
    (void)fault;
    if (operand->kind == INSN_OPERAND_XMM)
        memcpy(xmm[operand->reg], bytes, 16);
    else
        memcpy(mmx[operand->reg], bytes, 8);
    return INSN_ACCESS_OK;
}

static const struct insn_env env = {.read = env_read,
                                    .write = env_write,
                                    .probe = env_probe,
                                    .vector_read = env_vector_read,
                                    .vector_write = env_vector_write};

static const struct opcode opcodes[] = {
#define ALU(a) O1(a), O1((a) + 1), O1((a) + 2), O1((a) + 3)
    ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30), ALU(0x38),
    O1(0x63),  O1(0x80),  O1(0x81),  O1(0x83),  O1(0x84),  O1(0x85),  O1(0x86),  O1(0x87),
    O1(0x88),  O1(0x89),  O1(0x8a),  O1(0x8b),  O1(0x8f),  O1(0xa4),  O1(0xa5),  O1(0xa6),
    O1(0xa7),  O1(0xaa),  O1(0xab),  O1(0xac),  O1(0xad),  O1(0xae),  O1(0xaf),  O1(0xc0),
    O1(0xc1),  O1(0xc6),  O1(0xc7),  O1(0xd0),  O1(0xd1),  O1(0xd2),  O1(0xd3),  O1(0xf6),
    O1(0xf7),  O1(0xfe),  O1(0xff),  O2(0xa3),  O2(0xab),  O2(0xb0),  O2(0xb1),  O2(0xb3),
    O2(0xb6),  O2(0xb7),  O2(0xba),  O2(0xbb),  O2(0xbe),  O2(0xbf),  O2(0xc0),  O2(0xc1),
    O2(0xc3),  O2(0xc7),  O3(0xf0),  O3(0xf1),  O1(0x50),  O1(0x57),  O1(0x58),  O1(0x5f),
    O1(0x68),  O1(0x69),  O1(0x6a),  O1(0x6b),  O1(0xc2),  O1(0xc3),  O1(0xc8),  O1(0xc9),
    O1(0xe8),  O1(0xf6),  O1(0xf7),  O1(0xf7),  O1(0xff),  O1(0xff),  O2(0x10),  O2(0x11),
    O2(0x28),  O2(0x29),  O2(0x2b),  O2(0x6e),  O2(0x6f),  O2(0x7e),  O2(0x7f),  O2(0xa4),
    O2(0xa5),  O2(0xac),  O2(0xad),  O2(0xaf),  O2(0xbc),  O2(0xbd),  O2(0xd6),  O2(0xe7),
    O2(0xf0),  O2(0x40),  O2(0x43),  O2(0x44),  O2(0x46),  O2(0x4c),  O2(0x4d),  O2(0x4f),
    O2(0x4a),  O2(0x90),  O2(0x92),  O2(0x95),  O2(0x97),  O2(0x98),  O2(0x9b),  O2(0x9e),
    O2(0x9d),  O1(0xa0),  O1(0xa1),  O1(0xa2),  O1(0xa3),
};

/* One instruction, its memory operand near a register that setup_registers will aim at data. True
 * when it is one with its address in it, A0 to A3. */
static bool make_code(uint8_t *bytes)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf3, 0xf2, 0x66};
    size_t at = 0, operands, o = random_below(ARRAY_COUNT(opcodes));

    while (random_below(3) == 0)
        bytes[at++ % 4] = prefixes[random_below(ARRAY_COUNT(prefixes))];
    at = at < 4 ? at : 4;
    if (random_below(2) == 0)
        bytes[at++] = (uint8_t)(0x40 | random_below(16));
    memcpy(bytes + at, opcodes[o].bytes, opcodes[o].length);
    at += opcodes[o].length;
    operands = at;
    while (at < 16)
        bytes[at++] = (uint8_t)random_u64();
    if (opcodes[o].bytes[0] == 0xe8) /* to the next instruction */
        memset(bytes + operands, 0, 4);
    if (opcodes[o].bytes[0] == 0xc8) { /* a small frame, without nesting */
        bytes[operands] %= 64;
        bytes[operands + 1] = bytes[operands + 2] = 0;
    }
    return opcodes[o].length == 1 && opcodes[o].bytes[0] >= 0xa0 && opcodes[o].bytes[0] <= 0xa3;
}

static bool is_double(const struct insn *insn)
{
    return insn->op == INSN_CMPXCHG8B;
}

/* Chooses registers so that the operands lie within data[]; false where that cannot be. */
static bool setup_registers(const struct insn *insn, struct registers *r)
{
    uint64_t middle = (uint64_t)(uintptr_t)data + DATA_BYTES / 2;
    uint64_t target = is_double(insn) || insn->is_aligned ? middle : middle - 8 + random_below(16);
    const struct insn_memory *m = &insn->memory;
    bool in_memory =
        insn->destination.kind == INSN_OPERAND_MEMORY || insn->source.kind == INSN_OPERAND_MEMORY;

    for (unsigned i = 0; i < 16; i++)
        r->gpr[i] = random_value();
    r->rflags = (random_u64() & STATUS_FLAGS) | (random_below(2) ? RFLAGS_DF : 0) | 0x202;
    if (random_below(3) == 0)
        r->gpr[INSN_RDX] = r->gpr[INSN_RAX];

    if (insn->op >= INSN_MOVS) {
        r->gpr[INSN_RSI] = middle + random_below(16);
        r->gpr[INSN_RDI] = middle - random_below(16);
        if (insn->repeat != INSN_REPEAT_NONE)
            r->gpr[INSN_RCX] = random_below(9);
        return true;
    }
    if (insn->op == INSN_PUSH || insn->op == INSN_POP || insn->op == INSN_CALL ||
        insn->op == INSN_RET || insn->op == INSN_ENTER)
        r->gpr[INSN_RSP] = middle;
    if (insn->op == INSN_LEAVE)
        r->gpr[INSN_RBP] = middle;
    if (insn->op >= INSN_DIV && insn->op <= INSN_IDIV && random_below(2) == 0)
        r->gpr[INSN_RDX] = random_below(2) == 0 ? 0 : (uint64_t)((int64_t)r->gpr[INSN_RAX] >> 63);
    if (!in_memory)
        return true;
    if (m->base == INSN_NO_REGISTER || m->base == INSN_RIP || m->base == m->index)
        return false;
    if (m->base == INSN_RSP && (insn->op == INSN_PUSH || insn->op == INSN_POP) &&
        (m->index != INSN_NO_REGISTER || m->displacement + 8 > 16))
        return false;
    if (insn->op >= INSN_BT && insn->op <= INSN_BTC && insn->source.kind == INSN_OPERAND_REGISTER) {
        if (insn->source.reg == m->base || insn->source.reg == m->index)
            return false;
        r->gpr[insn->source.reg] = (uint64_t)(int64_t)((int)random_below(600) - 300);
        if (insn->operand_size_bytes == 4) /* what lies above the operand does not count */
            r->gpr[insn->source.reg] ^= random_u64() << 32;
    }
    if (m->base == INSN_RSP && (insn->op == INSN_PUSH || insn->op == INSN_POP))
        return true;
    r->gpr[m->base] = target - m->displacement;
    if (m->index != INSN_NO_REGISTER)
        r->gpr[m->base] -= r->gpr[m->index] * m->scale;
    if (insn->address_size_bytes == 4) /* the upper halves do not count */
        r->gpr[m->base] ^= random_u64() << 32;
    /* A comparison that comes out equal, now and then. */
    if (random_below(2) == 0 && m->base != INSN_RAX && m->index != INSN_RAX &&
        m->base != INSN_RDX && m->index != INSN_RDX) {
        if (is_double(insn)) {
            memcpy(&r->gpr[INSN_RAX], data + DATA_BYTES / 2, insn->operand_size_bytes / 2);
            memcpy(&r->gpr[INSN_RDX], data + DATA_BYTES / 2 + insn->operand_size_bytes / 2,
                   insn->operand_size_bytes / 2);
        } else {
            memcpy(&r->gpr[INSN_RAX], (void *)(uintptr_t)target, 8);
        }
    }
    return true;
}

/* The flags that the manual defines after insn. */
static uint64_t defined_flags(const struct insn *insn, uint64_t rcx)
{
    unsigned bits = 8 * insn->operand_size_bytes;
    unsigned count = (unsigned)(insn->source.kind == INSN_OPERAND_REGISTER ? rcx : insn->immediate);
    uint64_t defined = UINT64_MAX;

    switch (insn->op) {
    case INSN_OR:
    case INSN_AND:
    case INSN_XOR:
    case INSN_TEST: return ~RFLAGS_AF;
    case INSN_BT:
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC: return ~(RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF);
    case INSN_MUL:
    case INSN_IMUL: return ~(RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF);
    case INSN_DIV:
    case INSN_IDIV: return ~STATUS_FLAGS;
    case INSN_BSF:
    case INSN_BSR: return ~STATUS_FLAGS | RFLAGS_ZF;
    case INSN_SHLD:
    case INSN_SHRD:
        count = (insn->third.kind == INSN_OPERAND_REGISTER ? (unsigned)rcx
                                                           : (unsigned)insn->immediate) &
                (bits == 64 ? 63 : 31);
        if (count == 0)
            return UINT64_MAX;
        return count == 1 ? ~RFLAGS_AF : ~(RFLAGS_AF | RFLAGS_OF);
    case INSN_ROL:
    case INSN_ROR:
    case INSN_RCL:
    case INSN_RCR:
    case INSN_SHL:
    case INSN_SHR:
    case INSN_SAR:
        count &= bits == 64 ? 63 : 31;
        if (count == 0)
            return UINT64_MAX;
        if (count != 1)
            defined &= ~RFLAGS_OF;
        if (insn->op < INSN_SHL)
            return defined;
        if (count >= bits && insn->op != INSN_SAR)
            defined &= ~RFLAGS_CF;
        return defined & ~RFLAGS_AF;
    default: return UINT64_MAX;
    }
}

static void put_address(const struct insn *insn, uint8_t *bytes)
{
    uint64_t address = (uint64_t)(uintptr_t)data + 64;

    memcpy(bytes + insn->length - insn->address_size_bytes, &address, insn->address_size_bytes);
}

/* What neither manual defines, double shifts by more than the operand's bits, and where the two
 * differ: AMD's processors take the prefix 66 before near branches for 16 bits. */
static bool is_undefined(const struct insn *insn, uint64_t rcx)
{
    uint64_t count = insn->third.kind == INSN_OPERAND_REGISTER ? rcx : insn->immediate;

    if (insn->op == INSN_CALL || insn->op == INSN_JMP || insn->op == INSN_RET)
        return memchr(code, 0x66, 5) != NULL;

    return (insn->op == INSN_SHLD || insn->op == INSN_SHRD) && insn->operand_size_bytes == 2 &&
           (count & 31) > 16;
}

/* A branch has to come out behind itself: puts this address where the branch takes its own from. */
static void aim_branch(const struct insn *insn, struct insn_state *state)
{
    uint64_t next = state->rip + insn->length;
    struct insn_access accesses[INSN_ACCESSES_MAX];
    struct insn_fault fault;
    uint8_t *bytes;
    unsigned count;

    if (insn->op != INSN_CALL && insn->op != INSN_JMP && insn->op != INSN_RET)
        return;
    if (insn->destination.kind == INSN_OPERAND_REGISTER) {
        state->gpr[insn->destination.reg] = native_registers.gpr[insn->destination.reg] = next;
        return;
    }
    if (insn_effective_address(insn, state, accesses, &count, &fault) == INSN_DONE && count != 0 &&
        accesses[0].is_read && copy_range(accesses[0].address, 8, &bytes) == INSN_ACCESS_OK) {
        memcpy(bytes, &next, 8);
        memcpy(data + (bytes - copy), &next, 8);
    }
}

static void randomize_vectors(void)
{
    for (unsigned i = 0; i < sizeof(xmm); i++)
        xmm[i / 16][i % 16] = (uint8_t)random_u64();
    for (unsigned i = 0; i < sizeof(mmx); i++)
        mmx[i / 8][i % 8] = (uint8_t)random_u64();
    memcpy(native_xmm, xmm, sizeof(xmm));
    memcpy(native_mmx, mmx, sizeof(mmx));
}

static int setup(void **state)
{
    (void)state;
    code = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    data = code + PAGE_SIZE;
    return code == MAP_FAILED;
}

static bool processor_has_movbe(void)
{
    unsigned eax, ebx, ecx = 0, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_MOVBE) != 0;
}

static void test_against_processor(void **unused)
{
    bool has_movbe = processor_has_movbe();
    unsigned seen[INSN_OUTS + 1] = {0}, tried = 0;

    (void)unused;
    random_begin("SEED");
    for (unsigned round = 0; round < rounds(600000); round++) {
        struct insn_state state = {
            .mode = INSN_MODE_64, .protected_mode = true, .cpl = 3, .linear_address_bits = 48};
        struct insn_fault fault;
        struct insn insn;
        uint64_t flags;
        bool same, has_address;

        has_address = make_code(code);
        if (insn_decode(code, 15, INSN_MODE_64, &insn) != INSN_DECODED)
            continue;
        if (has_address) {
            put_address(&insn, code);
            if (insn_decode(code, 15, INSN_MODE_64, &insn) != INSN_DECODED)
                fail();
        }
        for (unsigned i = 0; i < DATA_BYTES; i += 8) {
            uint64_t value = random_value();
            memcpy(data + i, &value, 8);
        }
        if (!setup_registers(&insn, &native_registers) && !has_address)
            continue;
        memcpy(copy, data, DATA_BYTES);
        memcpy(state.gpr, native_registers.gpr, sizeof(state.gpr));
        state.rflags = native_registers.rflags;
        state.rip = (uint64_t)(uintptr_t)code;
        state.segments[INSN_CS].limit = UINT32_MAX;
        if (is_undefined(&insn, state.gpr[INSN_RCX]))
            continue;
        aim_branch(&insn, &state);
        randomize_vectors();
        flags = defined_flags(&insn, state.gpr[INSN_RCX]);
        if (insn.op == INSN_MOVBE && !has_movbe)
            continue;
        if (insn_execute(&insn, &state, &env, 100, &fault) != INSN_DONE)
            continue; /* out of data[]: it cannot be run here either */

        memcpy(code + insn.length, (uint8_t[]){0xff, 0x25, 0, 0, 0, 0}, 6); /* jmp [rip] */
        memcpy(code + insn.length + 6, &(const void *){native_back}, 8);
        native_code = code;
        native_run();
        seen[insn.op]++;
        tried++;
        /* CMPXCHG of a 32-bit register that does not compare: the manual has DEST := TEMP, which
         * clears the upper half; AMD's processors leave it alone. */
        if (insn.op == INSN_CMPXCHG && insn.operand_size_bytes == 4 &&
            insn.destination.kind == INSN_OPERAND_REGISTER && !(state.rflags & RFLAGS_ZF))
            native_registers.gpr[insn.destination.reg] &= UINT32_MAX;
        /* BSF and BSR of 0 leave a 32-bit register alone, or clear its upper half. */
        if ((insn.op == INSN_BSF || insn.op == INSN_BSR) && (state.rflags & RFLAGS_ZF))
            native_registers.gpr[insn.destination.reg] = state.gpr[insn.destination.reg];
        same = state.rip == (uint64_t)(uintptr_t)code &&
               memcmp(xmm, native_xmm, sizeof(xmm)) == 0 &&
               memcmp(mmx, native_mmx, sizeof(mmx)) == 0 &&
               memcmp(state.gpr, native_registers.gpr, sizeof(state.gpr)) == 0 &&
               memcmp(copy, data, DATA_BYTES) == 0 &&
               ((state.rflags ^ native_registers.rflags) & flags) == 0;
        if (same)
            continue;
        for (unsigned i = 0; i < insn.length; i++)
            print_error("%02x ", code[i]);
        print_error("%s: flags %llx, processor %llx; memory %s\n", insn_op_name(insn.op),
                    (unsigned long long)state.rflags, (unsigned long long)native_registers.rflags,
                    memcmp(copy, data, DATA_BYTES) == 0 ? "same" : "differs");
        for (unsigned i = 0; i < 16; i++)
            print_error("%2u: %016llx, processor %016llx\n", i, (unsigned long long)state.gpr[i],
                        (unsigned long long)native_registers.gpr[i]);
        fail();
    }
    print_message("%u instructions\n", tried);
    for (unsigned op = 0; op < INSN_INS; op++) {
        if (op >= INSN_JMP_FAR && op <= INSN_LTR) /* not for programs */
            continue;
        if (seen[op] < rounds(100) && (op != INSN_MOVBE || has_movbe))
            fail_msg("%s was tried only %u times", insn_op_name((enum insn_op)op), seen[op]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_processor)};

    return cmocka_run_group_tests_name("insn_native", tests, setup, NULL);
}
