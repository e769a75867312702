// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/insn_mnemonics.h"
#include "tests/unit/opcode_bytes.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"
#include "tests/unit/unit.h"

#include "arch/x86/insn/insn_decode.h"
#include "vmm/base/bits.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int8_t op_of[ZYDIS_MNEMONIC_MAX_VALUE + 1]; /* enum insn_op, or -1 */
static ZydisDecoder decoders[3];
static uint64_t accepted, refused, vector_moves;

/* Of the mnemonics above, the vector moves. */
static bool is_vector(const ZydisDecodedInstruction *z)
{
    return z->opcode_map == ZYDIS_OPCODE_MAP_0F &&
           (op_of[z->mnemonic] == INSN_VECTOR_LOAD || z->opcode == 0x10 || z->opcode == 0x11);
}

static int setup(void **state)
{
    (void)state;
    memset(op_of, -1, sizeof(op_of));
    for (size_t i = 0; i < ARRAY_COUNT(mnemonics); i++)
        op_of[mnemonics[i].mnemonic] = (int8_t)mnemonics[i].op;
    ZydisDecoderInit(&decoders[INSN_MODE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[INSN_MODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[INSN_MODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return 0;
}

/* MOV to and from segment registers, SLDT and the like, and vector moves: with memory only. */
static bool needs_memory(const ZydisDecodedInstruction *z)
{
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        return z->opcode == 0x8c || z->opcode == 0x8e;
    return z->opcode_map == ZYDIS_OPCODE_MAP_0F && (z->opcode <= 0x01 || is_vector(z));
}

static bool is_listed_implied(const ZydisDecodedInstruction *z)
{
    switch (z->opcode) {
    case 0x68:
    case 0x6a:
    case 0xc2:
    case 0xc3:
    case 0xc9:
    case 0xe8: return true;
    case 0xc8: return z->raw.imm[1].value.u % 32 == 0;
    default: return z->opcode >= 0x50 && z->opcode <= 0x5f;
    }
}

static bool is_listed(const ZydisDecodedInstruction *z)
{
    if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || op_of[z->mnemonic] < 0)
        return false;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
        if (is_listed_implied(z))
            return true;
        if (z->mnemonic == ZYDIS_MNEMONIC_CALL || z->mnemonic == ZYDIS_MNEMONIC_JMP)
            return z->opcode == 0xff &&
                   (z->raw.modrm.reg == 2 || z->raw.modrm.reg == 4 || z->raw.modrm.reg == 5);
        if ((z->opcode >= 0xa0 && z->opcode <= 0xa7) || (z->opcode >= 0xaa && z->opcode <= 0xaf) ||
            (z->opcode >= 0x6c && z->opcode <= 0x6f))
            return true;
    }
    if (z->opcode_map == ZYDIS_OPCODE_MAP_0F) {
        if (z->opcode >= 0x20 && z->opcode <= 0x26) /* control, debug and test registers */
            return false;
    }
    if (needs_memory(z) && z->raw.modrm.mod == 3)
        return false;
    return (z->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
}

static uint8_t zydis_gpr(ZydisRegister reg, bool *high)
{
    *high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
    if (*high)
        return (uint8_t)(reg - ZYDIS_REGISTER_AH);
    if (reg == ZYDIS_REGISTER_NONE)
        return INSN_NO_REGISTER;
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return INSN_RIP;
    /* SPL to DIL come after AH to BH and are 4 to 7; ZydisRegisterGetId counts all of them. */
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
        return (uint8_t)(reg - ZYDIS_REGISTER_AL);
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return (uint8_t)(reg - ZYDIS_REGISTER_SPL + 4);
    return (uint8_t)ZydisRegisterGetId(reg);
}

/* Zydis 4.0 takes SIB base 101 with ModRM.mod 00 for R13D and no displacement where REX.B is set
 * and addresses have 32 bits. It is no register (Intel SDM vol. 2A, table 2-3 "32-Bit Addressing
 * Forms with the SIB Byte", note 1, and table 2-5 "Special Cases of REX Encodings");
 * test_no_base_with_rex_b asks the processor. */
static bool is_zydis_mistake(const struct insn *insn, const ZydisDecodedOperand *z)
{
    return insn->address_size_bytes == 4 && insn->memory.base == INSN_NO_REGISTER &&
           z->mem.base == ZYDIS_REGISTER_R13D && z->mem.disp.value == 0;
}

static const char *compare_operand(const struct insn *insn, const struct insn_operand *ours,
                                   const ZydisDecodedOperand *z)
{
    const struct insn_memory *m = &insn->memory;
    enum insn_operand_kind kind = INSN_OPERAND_REGISTER;
    bool high;

    if (z->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        switch (ZydisRegisterGetClass(z->reg.value)) {
        case ZYDIS_REGCLASS_SEGMENT: kind = INSN_OPERAND_SEGMENT; break;
        case ZYDIS_REGCLASS_XMM: kind = INSN_OPERAND_XMM; break;
        case ZYDIS_REGCLASS_MMX: kind = INSN_OPERAND_MMX; break;
        default: break;
        }
    }
    if (kind == INSN_OPERAND_XMM || kind == INSN_OPERAND_MMX || kind == INSN_OPERAND_SEGMENT)
        return ours->kind == kind && ours->reg == ZydisRegisterGetId(z->reg.value) ? NULL
                                                                                   : "register";
    /* MOVSXD with 16-bit operands reads 2 bytes (Intel SDM vol. 2B, "MOVSX/MOVSXD"); Zydis has 4,
     * as AMD's processors do. */
    if (z->size != ours->size_bytes * 8 &&
        !(insn->op == INSN_MOVSX && insn->operand_size_bytes == 2 && z->size == 32))
        return "operand size";
    switch (z->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (ours->kind != INSN_OPERAND_REGISTER || zydis_gpr(z->reg.value, &high) != ours->reg ||
            high != ours->high_byte)
            return "register";
        return NULL;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (ours->kind != INSN_OPERAND_IMMEDIATE ||
            (z->imm.value.u ^ insn->immediate) &
                bytes_mask(z->imm.is_signed ? 8 : ours->size_bytes))
            return "immediate";
        return NULL;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        if (ours->kind != INSN_OPERAND_MEMORY)
            return "operand kind";
        if (is_zydis_mistake(insn, z))
            return NULL;
        if (zydis_gpr(z->mem.base, &high) != m->base)
            return "base";
        if (zydis_gpr(z->mem.index, &high) != m->index)
            return "index";
        if (m->index != INSN_NO_REGISTER && z->mem.scale != m->scale)
            return "scale";
        if (((uint64_t)z->mem.disp.value ^ m->displacement) & bytes_mask(insn->address_size_bytes))
            return "displacement";
        if (m->segment + ZYDIS_REGISTER_ES != (unsigned)z->mem.segment)
            return "segment";
        return NULL;
    default: return "operand kind";
    }
}

static const char *compare_string(const struct insn *insn, const ZydisDecodedInstruction *z,
                                  const ZydisDecodedOperand *operands)
{
    bool source = false;

    if (insn->destination.kind != INSN_OPERAND_NONE || insn->source.kind != INSN_OPERAND_NONE)
        return "string operands";
    for (unsigned i = 0; i < z->operand_count; i++) {
        const ZydisDecodedOperand *o = &operands[i];

        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (o->size != insn->operand_size_bytes * 8)
            return "string size";
        if (ZydisRegisterGetId(o->mem.base) == INSN_RSI) {
            source = true;
            if (insn->memory.segment + ZYDIS_REGISTER_ES != (unsigned)o->mem.segment)
                return "string segment";
        }
    }
    if (source != (insn->op != INSN_STOS && insn->op != INSN_SCAS && insn->op != INSN_INS))
        return "string source";
    return NULL;
}

static enum insn_op expected_op(const ZydisDecodedInstruction *z,
                                const ZydisDecodedOperand *operands)
{
    if (is_vector(z))
        return operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? INSN_VECTOR_STORE : INSN_VECTOR_LOAD;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && z->opcode == 0x8c)
        return INSN_MOV_FROM_SEGMENT;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && z->opcode == 0x8e)
        return INSN_MOV_TO_SEGMENT;
    if (z->mnemonic == ZYDIS_MNEMONIC_JMP && z->raw.modrm.reg == 5)
        return INSN_JMP_FAR;
    return (enum insn_op)op_of[z->mnemonic];
}

static bool needs_alignment(const ZydisDecodedInstruction *z, const struct insn *insn)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVNTPS:
    case ZYDIS_MNEMONIC_MOVNTPD:
    case ZYDIS_MNEMONIC_MOVNTDQ: return true;
    default: return insn->op == INSN_CMPXCHG8B && insn->operand_size_bytes == 16;
    }
}

static const char *compare(const struct insn *insn, const ZydisDecodedInstruction *z,
                           const ZydisDecodedOperand *operands)
{
    const struct insn_operand *ours[] = {&insn->destination, &insn->source, &insn->third};
    const char *difference;
    unsigned visible;

    if (insn->length != z->length)
        return "length";
    if (insn->op != expected_op(z, operands))
        return "operation";
    if ((insn->op == INSN_CMOV || insn->op == INSN_SET) && insn->condition != (z->opcode & 15))
        return "condition";
    if (insn->address_size_bytes * 8 != z->address_width)
        return "address size";
    if (insn->lock != ((z->attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0))
        return "lock";
    if (insn->op >= INSN_MOVS)
        return compare_string(insn, z, operands);
    difference = NULL;
    visible = insn->op == INSN_ENTER ? 1 : z->operand_count_visible;
    for (unsigned i = 0; i < 3 && difference == NULL; i++) {
        if ((i < visible) != (ours[i]->kind != INSN_OPERAND_NONE))
            difference = "operand count";
        else if (i < visible)
            difference = compare_operand(insn, ours[i], &operands[i]);
    }
    /* NOTRACK means something to guests with CET only; here it is what it was, a prefix for DS. */
    if ((z->attributes & ZYDIS_ATTRIB_HAS_NOTRACK) != 0 && difference != NULL &&
        strcmp(difference, "segment") == 0 && insn->memory.segment == INSN_DS)
        difference = NULL;
    if (insn->is_aligned != needs_alignment(z, insn))
        difference = "alignment";
    /* Zydis gives 16 bits for CMPXCHG8B and MOVNTI where those are the default, and has other ideas
     * of what the width of vector and system instructions is. */
    if (insn->op != INSN_CMPXCHG8B && insn->op != INSN_MOVNTI && insn->op < INSN_JMP_FAR &&
        z->operand_width != insn->operand_size_bytes * 8)
        difference = "operation size";
    return difference;
}

static void check_bytes(const uint8_t *bytes, size_t count, enum insn_mode mode)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderContext context;
    struct insn insn;
    const char *difference = NULL;
    enum insn_result result = insn_decode(bytes, count, mode, &insn);
    ZyanStatus status = ZydisDecoderDecodeInstruction(&decoders[mode], &context, bytes, count, &z);
    bool valid = ZYAN_SUCCESS(status);

    if (result == INSN_DECODED) {
        accepted++;
        if (!valid)
            difference = "accepted what is invalid";
        else if (!is_listed(&z))
            difference = "accepted what is not listed";
        else {
            ZydisDecoderDecodeOperands(&decoders[mode], &context, &z, operands, z.operand_count);
            difference = compare(&insn, &z, operands);
        }
    } else {
        refused++;
        if (valid && is_listed(&z))
            difference = "refused what is listed";
        else if (valid && result == INSN_UNDEFINED &&
                 z.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY)
            difference = "called undefined what is not";
        else if (result == INSN_UNSUPPORTED && insn.length != 0) {
            vector_moves++;
            if (valid && z.length != insn.length)
                difference = "length of a vector move";
        }
        if (status == ZYDIS_STATUS_NO_MORE_DATA && result != INSN_INCOMPLETE &&
            result != INSN_UNSUPPORTED && result != INSN_UNDEFINED)
            difference = "does not say that bytes are missing";
    }
    if (difference == NULL)
        return;
    fprintf(stderr, "%s, result %d, zydis %x length %d, in mode %d:", difference, (int)result,
            (unsigned)status, valid ? z.length : 0, (int)mode);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "\n");
    fail();
}

/* Every opcode that a listed instruction has. */
static const struct opcode opcodes[] = {
#define ALU(a) O1(a), O1((a) + 1), O1((a) + 2), O1((a) + 3), O1((a) + 4), O1((a) + 5)
    ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30), ALU(0x38),
    O1(0x63),  O1(0x6c),  O1(0x6d),  O1(0x6e),  O1(0x6f),  O1(0x80),  O1(0x81),  O1(0x82),
    O1(0x83),  O1(0x84),  O1(0x85),  O1(0x86),  O1(0x87),  O1(0x88),  O1(0x89),  O1(0x8a),
    O1(0x8b),  O1(0x8f),  O1(0xa0),  O1(0xa1),  O1(0xa2),  O1(0xa3),  O1(0xa4),  O1(0xa5),
    O1(0xa6),  O1(0xa7),  O1(0xa8),  O1(0xaa),  O1(0xab),  O1(0xac),  O1(0xad),  O1(0xae),
    O1(0xaf),  O1(0xc0),  O1(0xc1),  O1(0xc6),  O1(0xc7),  O1(0xd0),  O1(0xd1),  O1(0xd2),
    O1(0xd3),  O1(0xf6),  O1(0xf7),  O1(0xfe),  O1(0xff),  O1(0x50),  O1(0x51),  O1(0x52),
    O1(0x53),  O1(0x54),  O1(0x55),  O1(0x56),  O1(0x57),  O1(0x58),  O1(0x59),  O1(0x5a),
    O1(0x5b),  O1(0x5c),  O1(0x5d),  O1(0x5e),  O1(0x5f),  O1(0x68),  O1(0x69),  O1(0x6a),
    O1(0x6b),  O1(0x8c),  O1(0x8e),  O1(0xc2),  O1(0xc3),  O1(0xc8),  O1(0xc9),  O1(0xe8),
    O2(0x00),  O2(0x01),  O2(0x11),  O2(0x29),  O2(0x2b),  O2(0x6e),  O2(0x7e),  O2(0xa4),
    O2(0xa5),  O2(0xac),  O2(0xad),  O2(0xaf),  O2(0xbc),  O2(0xbd),  O2(0xd6),  O2(0xf0),
    O2(0x40),  O2(0x41),  O2(0x42),  O2(0x43),  O2(0x44),  O2(0x45),  O2(0x46),  O2(0x47),
    O2(0x48),  O2(0x49),  O2(0x4a),  O2(0x4b),  O2(0x4c),  O2(0x4d),  O2(0x4e),  O2(0x4f),
    O2(0x90),  O2(0x91),  O2(0x92),  O2(0x93),  O2(0x94),  O2(0x95),  O2(0x96),  O2(0x97),
    O2(0x98),  O2(0x99),  O2(0x9a),  O2(0x9b),  O2(0x9c),  O2(0x9d),  O2(0x9e),  O2(0x9f),
    O2(0xa3),  O2(0xab),  O2(0xb0),  O2(0xb1),  O2(0xb3),  O2(0xb6),  O2(0xb7),  O2(0xba),
    O2(0xbb),  O2(0xbe),  O2(0xbf),  O2(0xc0),  O2(0xc1),  O2(0xc3),  O2(0xc7),  O3(0xf0),
    O3(0xf1),  O2(0x10),  O2(0x28),  O2(0x6f),  O2(0x7f),  O2(0xe7),  O1(0xc5), /* vector moves with
                                                                                   VEX, for their
                                                                                   length */
    O1(0xc4),
};

/* Two prefixes at most here; longer runs are left to chance. */
static const uint8_t prefixes[][2] = {
    {0, 0},       {0x66, 0},    {0x67, 0},    {0x66, 0x67}, {0xf0, 0},    {0xf2, 0},
    {0xf3, 0},    {0x66, 0xf2}, {0x66, 0xf3}, {0xf0, 0xf2}, {0x66, 0xf0}, {0x2e, 0},
    {0x64, 0},    {0x64, 0x26}, {0x67, 0x36}, {0x40, 0},    {0x41, 0},    {0x42, 0},
    {0x44, 0},    {0x48, 0},    {0x4f, 0},    {0x66, 0x48}, {0x48, 0x66}, {0xf0, 0x48},
    {0x67, 0x47}, {0x65, 0x41}, {0xf2, 0x48}, {0xf3, 0x4c},
};

static size_t put_prefix(uint8_t *bytes, const uint8_t *prefix)
{
    size_t at = 0;

    while (at < 2 && prefix[at] != 0) {
        bytes[at] = prefix[at];
        at++;
    }
    return at;
}

/* Each listed opcode with each ModRM byte, each prefix, in each mode. */
static void test_each_encoding(void **state)
{
    uint8_t bytes[INSN_LENGTH_MAX];

    (void)state;
    for (unsigned mode = INSN_MODE_16; mode <= INSN_MODE_64; mode++) {
        for (size_t p = 0; p < ARRAY_COUNT(prefixes); p++) {
            for (size_t o = 0; o < ARRAY_COUNT(opcodes); o++) {
                for (unsigned modrm = 0; modrm < 256; modrm++) {
                    size_t at = put_prefix(bytes, prefixes[p]);

                    memcpy(bytes + at, opcodes[o].bytes, opcodes[o].length);
                    at += opcodes[o].length;
                    bytes[at++] = (uint8_t)modrm;
                    bytes[at++] = (uint8_t)(modrm * 0x2f + o * 0x65); /* SIB or what comes next */
                    for (unsigned i = 0; at < sizeof(bytes); i++)
                        bytes[at++] = (uint8_t)(0x81 + 0x11 * i);
                    check_bytes(bytes, sizeof(bytes), (enum insn_mode)mode);
                }
            }
        }
    }
}

/* MOV with every ModRM, SIB and REX byte and address size. */
static void test_each_address(void **state)
{
    (void)state;
    for (unsigned mode = INSN_MODE_16; mode <= INSN_MODE_64; mode++) {
        for (unsigned rex = 0; rex < (mode == INSN_MODE_64 ? 16 : 1); rex += 1) {
            for (unsigned form = 0; form < 256 * 256 * 2; form++) {
                uint8_t bytes[INSN_LENGTH_MAX] = {form >> 16 ? 0x67 : 0x64};
                size_t at = 1;

                if ((form >> 8 & 0xc0) == 0xc0 || (form >> 8 & 0x38) != 0x08)
                    continue;
                if (rex != 0)
                    bytes[at++] = (uint8_t)(0x40 | rex);
                bytes[at++] = 0x8b;
                bytes[at++] = (uint8_t)(form >> 8);
                bytes[at++] = (uint8_t)form;
                for (unsigned i = 0; at < sizeof(bytes); i++)
                    bytes[at++] = (uint8_t)(0xf8 - 0x11 * i);
                check_bytes(bytes, sizeof(bytes), (enum insn_mode)mode);
            }
        }
    }
}

/* Half of them noise, half a listed opcode behind a run of prefixes, all of them also cut short. */
static void test_random(void **state)
{
    static const uint8_t prefix_bytes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67,
                                           0xf0, 0xf2, 0xf3, 0x40, 0x48, 0x4d, 0x66, 0x67};

    (void)state;
    random_begin("SEED");
    for (unsigned round = 0; round < rounds(1000000); round++) {
        enum insn_mode mode = (enum insn_mode)(round % 3);
        uint8_t bytes[16];
        uint64_t low = random_u64(), high = random_u64(), choice = random_u64();
        size_t count = choice >> 32 & 7 ? 15 : choice >> 35 & 15;
        struct insn insn;

        memcpy(bytes, &low, 8);
        memcpy(bytes + 8, &high, 8);
        if (choice & 1) {
            size_t at = 0, o = (choice >> 8 & 0xffff) % ARRAY_COUNT(opcodes);

            while (at < 12 && (low >> 4 * at & 3) != 0) {
                bytes[at] = prefix_bytes[high >> 4 * at & 15];
                at++;
            }
            memcpy(bytes + at, opcodes[o].bytes, opcodes[o].length);
        }
        check_bytes(bytes, count, mode);
        if (insn_decode(bytes, 15, mode, &insn) == INSN_DECODED && count < insn.length) {
            struct insn cut;
            assert_int_equal(insn_decode(bytes, count, mode, &cut), INSN_INCOMPLETE);
        }
    }
    print_message("%llu accepted, %llu refused, %llu of them vector moves\n",
                  (unsigned long long)accepted, (unsigned long long)refused,
                  (unsigned long long)vector_moves);
    assert_true(accepted > rounds(500000));
}

static void test_too_long(void **state)
{
    uint8_t bytes[16];
    struct insn insn;

    (void)state;
    memset(bytes, 0x66, sizeof(bytes));
    assert_int_equal(insn_decode(bytes, 16, INSN_MODE_64, &insn), INSN_TOO_LONG);
    bytes[13] = 0x88;
    bytes[14] = 0x00;
    assert_int_equal(insn_decode(bytes, 16, INSN_MODE_64, &insn), INSN_DECODED);
    assert_int_equal(insn.length, 15);
    bytes[13] = 0x66;
    bytes[14] = 0x88;
    assert_int_equal(insn_decode(bytes, 16, INSN_MODE_64, &insn), INSN_TOO_LONG);
    assert_int_equal(insn_decode(bytes, 14, INSN_MODE_64, &insn), INSN_INCOMPLETE);
    assert_int_equal(insn_decode(bytes, 0, INSN_MODE_64, &insn), INSN_INCOMPLETE);
}

static void test_vector_moves(void **state)
{
    static const uint8_t movaps[] = {0x0f, 0x29, 0x44, 0x24, 0x10};
    static const uint8_t movlps[] = {0x0f, 0x13, 0x44, 0x24, 0x10};
    static const uint8_t vmovdqu[] = {0xc4, 0xc1, 0x7e, 0x7f, 0x84, 0x24, 0, 1, 0, 0};
    struct insn insn;

    (void)state;
    assert_int_equal(insn_decode(movaps, 5, INSN_MODE_64, &insn), INSN_DECODED);
    assert_int_equal(insn.op, INSN_VECTOR_STORE);
    assert_int_equal(insn.operand_size_bytes, 16);
    assert_int_equal(insn_decode(movlps, 5, INSN_MODE_64, &insn), INSN_UNSUPPORTED);
    assert_int_equal(insn.length, 5);
    assert_int_equal(insn_decode(vmovdqu, 10, INSN_MODE_64, &insn), INSN_UNSUPPORTED);
    assert_int_equal(insn.length, 10);
}

/* lea ecx, [eax + 0x300000] with 32-bit addresses and REX.B, run as it is. */
static void test_no_base_with_rex_b(void **state)
{
    uint64_t result;

    (void)state;
    __asm__("mov $0x1000, %%r13d\n\t"
            "mov $0x20, %%eax\n\t"
            ".byte 0x67, 0x41, 0x8d, 0x0c, 0x05, 0x00, 0x00, 0x30, 0x00"
            : "=c"(result)
            :
            : "rax", "r13");
    assert_int_equal(result, 0x300020);
}

static void test_names(void **state)
{
    (void)state;
    for (int op = INSN_ADD; op <= INSN_OUTS; op++)
        assert_true(insn_op_name((enum insn_op)op)[0] >= 'a');
    assert_string_equal(insn_op_name(INSN_CMPXCHG8B), "cmpxchg8b");
    assert_string_equal(insn_op_name((enum insn_op)(INSN_OUTS + 1)), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_encoding), cmocka_unit_test(test_each_address),
        cmocka_unit_test(test_random),        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_vector_moves),  cmocka_unit_test(test_no_base_with_rex_b),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("insn", tests, setup, NULL);
}
