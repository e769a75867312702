// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_decode.h"

#include "arch/x86/insn/insn_opcodes.h"

#include <string.h>

struct cursor {
    const uint8_t *bytes;
    size_t count; /* at most INSN_LENGTH_MAX */
    size_t at;
    bool ran_out; /* a fetch went beyond count and returned 0 */
};

struct prefixes {
    bool operand_size, address_size, lock;
    uint8_t repeat;  /* 0xf2, 0xf3 or 0 */
    uint8_t segment; /* enum insn_segment_register, or INSN_SEGMENT_COUNT without an override */
    uint8_t rex;     /* 0x40 to 0x4f, or 0 */
};

#define REX_B 0x1
#define REX_X 0x2
#define REX_R 0x4
#define REX_W 0x8

struct modrm {
    uint8_t mod, reg, rm; /* reg without REX.R, rm without REX.B */
};

static uint64_t fetch(struct cursor *cursor, unsigned size_bytes)
{
    uint64_t value = 0;

    if (cursor->count - cursor->at < size_bytes) {
        cursor->ran_out = true;
        cursor->at = cursor->count;
        return 0;
    }
    for (unsigned i = 0; i < size_bytes; i++)
        value |= (uint64_t)cursor->bytes[cursor->at++] << 8 * i;
    return value;
}

static uint64_t fetch_signed(struct cursor *cursor, unsigned size_bytes)
{
    uint64_t value = fetch(cursor, size_bytes);
    uint64_t sign = UINT64_C(1) << (8 * size_bytes - 1);

    return (value ^ sign) - sign;
}

/* Reads the prefixes and returns the opcode byte. Of several prefixes of one kind the last counts;
 * a REX that is not the last prefix has no effect. In 64-bit mode the overrides of ES, CS, SS and
 * DS are ignored, so an earlier FS or GS stays in force. Intel SDM vol. 2A, 2.1.1 "Instruction
 * Prefixes" and 2.2.1 "REX Prefixes". */
static uint8_t read_prefixes(struct cursor *cursor, enum insn_mode mode, struct prefixes *prefixes)
{
    *prefixes = (struct prefixes){.segment = INSN_SEGMENT_COUNT};
    for (;;) {
        uint8_t byte = (uint8_t)fetch(cursor, 1);

        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (mode != INSN_MODE_64)
                prefixes->segment = byte >> 3 & 3;
            break;
        case 0x64: prefixes->segment = INSN_FS; break;
        case 0x65: prefixes->segment = INSN_GS; break;
        case 0x66: prefixes->operand_size = true; break;
        case 0x67: prefixes->address_size = true; break;
        case 0xf0: prefixes->lock = true; break;
        case 0xf2:
        case 0xf3: prefixes->repeat = byte; break;
        default:
            if (mode != INSN_MODE_64 || byte >> 4 != 4)
                return byte;
            prefixes->rex = byte;
            continue;
        }
        prefixes->rex = 0;
    }
}

static uint8_t operand_size(const struct prefixes *prefixes, enum insn_mode mode, uint32_t flags)
{
    bool wide = (mode == INSN_MODE_16) == prefixes->operand_size;

    if (flags & OPCODE_BYTE)
        return 1;
    if (flags & (OPCODE_ONLY_4 | OPCODE_ONLY_8 | OPCODE_ONLY_16))
        return flags & OPCODE_ONLY_4 ? 4 : flags & OPCODE_ONLY_8 ? 8 : 16;
    if (flags & OPCODE_4)
        return prefixes->rex & REX_W ? 8 : 4;
    if ((flags & OPCODE_NEAR) && mode == INSN_MODE_64)
        return 8;
    if (flags & OPCODE_DOUBLE)
        return prefixes->rex & REX_W ? 16 : 8;
    if (prefixes->rex & REX_W)
        return flags & OPCODE_PORT ? 4 : 8;
    if (!wide && !(flags & OPCODE_NO_16))
        return 2;
    return mode == INSN_MODE_64 && (flags & OPCODE_STACK) ? 8 : 4;
}

static uint8_t address_size(const struct prefixes *prefixes, enum insn_mode mode)
{
    if (mode == INSN_MODE_64)
        return prefixes->address_size ? 4 : 8;
    return (mode == INSN_MODE_16) == prefixes->address_size ? 4 : 2;
}

/* Intel SDM vol. 2A, table 2-1 "16-Bit Addressing Forms with the ModR/M Byte". */
static void read_memory_16(struct cursor *cursor, const struct modrm *modrm, struct insn_memory *m)
{
    static const uint8_t base[8] = {INSN_RBX, INSN_RBX, INSN_RBP, INSN_RBP,
                                    INSN_RSI, INSN_RDI, INSN_RBP, INSN_RBX};
    static const uint8_t index[4] = {INSN_RSI, INSN_RDI, INSN_RSI, INSN_RDI};

    if (modrm->mod == 0 && modrm->rm == 6) {
        m->displacement = fetch_signed(cursor, 2);
        return;
    }
    m->base = base[modrm->rm];
    if (modrm->rm < 4)
        m->index = index[modrm->rm];
    if (modrm->mod != 0)
        m->displacement = fetch_signed(cursor, modrm->mod);
}

/* Intel SDM vol. 2A, tables 2-2 and 2-3, and 2.2.1.6 "RIP-Relative Addressing". */
static void read_memory_32(struct cursor *cursor, const struct modrm *modrm, uint8_t rex,
                           bool is_64, struct insn_memory *m)
{
    uint8_t base = modrm->rm;

    if (modrm->rm == 4) {
        uint8_t sib = (uint8_t)fetch(cursor, 1);
        uint8_t index = (uint8_t)((sib >> 3 & 7) | (rex & REX_X ? 8 : 0));

        base = sib & 7;
        if (index != INSN_RSP) {
            m->index = index;
            m->scale = (uint8_t)(1 << (sib >> 6));
        }
    }
    if (modrm->mod == 0 && base == INSN_RBP) {
        if (is_64 && modrm->rm != 4)
            m->base = INSN_RIP;
        m->displacement = fetch_signed(cursor, 4);
        return;
    }
    m->base = (uint8_t)(base | (rex & REX_B ? 8 : 0));
    if (modrm->mod != 0)
        m->displacement = fetch_signed(cursor, modrm->mod == 1 ? 1 : 4);
}

static void read_memory(struct cursor *cursor, const struct modrm *modrm,
                        const struct prefixes *prefixes, enum insn_mode mode, struct insn *insn)
{
    struct insn_memory *m = &insn->memory;

    if (insn->address_size_bytes == 2)
        read_memory_16(cursor, modrm, m);
    else
        read_memory_32(cursor, modrm, prefixes->rex, mode == INSN_MODE_64, m);
    if (prefixes->segment == INSN_SEGMENT_COUNT && (m->base == INSN_RSP || m->base == INSN_RBP))
        m->segment = INSN_SS;
}

static struct insn_operand register_operand(uint8_t number, uint8_t size_bytes, uint8_t rex)
{
    struct insn_operand operand = {
        .kind = INSN_OPERAND_REGISTER, .reg = number, .size_bytes = size_bytes};

    /* Without REX, byte registers 4 to 7 are AH, CH, DH and BH. */
    if (size_bytes == 1 && rex == 0 && number >= 4) {
        operand.reg = number - 4;
        operand.high_byte = true;
    }
    return operand;
}

static struct insn_operand memory_operand(uint8_t size_bytes)
{
    return (struct insn_operand){.kind = INSN_OPERAND_MEMORY, .size_bytes = size_bytes};
}

static struct insn_operand immediate_operand(uint8_t size_bytes)
{
    return (struct insn_operand){.kind = INSN_OPERAND_IMMEDIATE, .size_bytes = size_bytes};
}

static uint8_t e_size_of(uint32_t flags, uint8_t size)
{
    if (flags & OPCODE_SOURCE_8)
        return 1;
    if (flags & OPCODE_SOURCE_16)
        return 2;
    if (flags & OPCODE_SOURCE_32)
        return size == 2 ? 2 : 4;
    if (flags & OPCODE_FAR)
        return size + 2;
    return size;
}

static void read_immediate(struct cursor *cursor, struct insn_operand *operand, uint8_t size_bytes,
                           struct insn *insn)
{
    *operand = immediate_operand(size_bytes);
    insn->immediate = fetch_signed(cursor, size_bytes);
}

/* Reads the operands of a form that has a ModRM byte, and the immediate after it. */
static void read_operands(struct cursor *cursor, const struct insn_opcode *opcode,
                          const struct modrm *modrm, const struct prefixes *prefixes,
                          enum insn_mode mode, struct insn *insn)
{
    uint8_t size = insn->operand_size_bytes;
    uint8_t e_size = e_size_of(opcode->flags, size), z_size = size == 2 ? 2 : 4;
    uint8_t reg = (uint8_t)(modrm->reg | (prefixes->rex & REX_R ? 8 : 0));
    struct insn_operand e, g;

    if (modrm->mod == 3) {
        e = register_operand((uint8_t)(modrm->rm | (prefixes->rex & REX_B ? 8 : 0)), e_size,
                             prefixes->rex);
    } else {
        read_memory(cursor, modrm, prefixes, mode, insn);
        e = memory_operand(e_size);
    }
    g = register_operand(reg, size, prefixes->rex);
    switch ((enum insn_form)opcode->form) {
    case FORM_E_S:
    case FORM_S_E:
        g = (struct insn_operand){INSN_OPERAND_SEGMENT, modrm->reg, false, 2};
        e.size_bytes = 2;
        break;
    case FORM_E_V:
    case FORM_V_E: g = (struct insn_operand){INSN_OPERAND_XMM, reg, false, size}; break;
    case FORM_E_P:
    case FORM_P_E: g = (struct insn_operand){INSN_OPERAND_MMX, modrm->reg, false, size}; break;
    default: break;
    }

    insn->destination = e;
    switch ((enum insn_form)opcode->form) {
    case FORM_G_E:
    case FORM_G_E_IB:
    case FORM_G_E_IZ:
    case FORM_S_E:
    case FORM_V_E:
    case FORM_P_E:
        insn->destination = g;
        insn->source = e;
        if (opcode->form == FORM_G_E_IB || opcode->form == FORM_G_E_IZ)
            read_immediate(cursor, &insn->third, opcode->form == FORM_G_E_IB ? 1 : z_size, insn);
        break;
    case FORM_E_G:
    case FORM_E_S:
    case FORM_E_V:
    case FORM_E_P: insn->source = g; break;
    case FORM_E_G_IB:
        insn->source = g;
        read_immediate(cursor, &insn->third, 1, insn);
        break;
    case FORM_E_G_CL:
        insn->source = g;
        insn->third = register_operand(INSN_RCX, 1, 0);
        break;
    case FORM_E_IB: read_immediate(cursor, &insn->source, 1, insn); break;
    case FORM_E_IZ: read_immediate(cursor, &insn->source, z_size, insn); break;
    case FORM_E_1:
        insn->source = immediate_operand(1);
        insn->immediate = 1;
        break;
    case FORM_E_CL: insn->source = register_operand(INSN_RCX, 1, 0); break;
    default: break;
    }
}

/* Reads the operands of a form without a ModRM byte. Returns false for ENTER with nesting. */
static bool read_implied(struct cursor *cursor, const struct insn_opcode *opcode,
                         uint8_t opcode_byte, const struct prefixes *prefixes, struct insn *insn)
{
    uint8_t size = insn->operand_size_bytes, z_size = size == 2 ? 2 : 4;
    struct insn_operand a = register_operand(INSN_RAX, size, prefixes->rex);
    struct insn_operand o = memory_operand(size);

    switch ((enum insn_form)opcode->form) {
    case FORM_A_O:
    case FORM_O_A:
        insn->destination = opcode->form == FORM_A_O ? a : o;
        insn->source = opcode->form == FORM_A_O ? o : a;
        insn->memory.displacement = fetch(cursor, insn->address_size_bytes);
        break;
    case FORM_Z:
        insn->destination = register_operand(
            (uint8_t)((opcode_byte & 7) | (prefixes->rex & REX_B ? 8 : 0)), size, prefixes->rex);
        break;
    case FORM_IB: read_immediate(cursor, &insn->destination, 1, insn); break;
    case FORM_IZ:
    case FORM_JZ: read_immediate(cursor, &insn->destination, z_size, insn); break;
    case FORM_IW:
    case FORM_IW_IB:
        insn->destination = immediate_operand(2);
        insn->immediate = fetch(cursor, 2); /* a number of bytes, which has no sign */
        return opcode->form == FORM_IW || fetch(cursor, 1) % 32 == 0;
    default: break;
    }
    return true;
}

/* Segment registers 6 and 7 do not exist, and MOV cannot load CS. */
static bool is_segment_undefined(const struct insn_opcode *opcode, const struct modrm *modrm)
{
    return (opcode->form == FORM_E_S || opcode->form == FORM_S_E) &&
           (modrm->reg >= INSN_SEGMENT_COUNT ||
            (opcode->form == FORM_S_E && modrm->reg == INSN_CS));
}

static enum insn_result fail(struct insn *insn, enum insn_result result)
{
    memset(insn, 0, sizeof(*insn));
    return result;
}

static enum insn_result ended_early(const struct cursor *cursor, struct insn *insn)
{
    return fail(insn, cursor->count == INSN_LENGTH_MAX ? INSN_TOO_LONG : INSN_INCOMPLETE);
}

/* Handles an opcode that was not found: works out the length of a vector move, and nothing for
 * other instructions. VEX (Intel SDM vol. 2A, 2.3): C5 is followed by one byte more, C4 by two; the
 * low 5 bits of the first byte after C4 are the opcode map. Outside of 64-bit mode C4 and C5 are
 * LES and LDS unless the top two bits of the next byte (then ModRM.mod) are 11. */
static enum insn_result unsupported(struct cursor *cursor, const struct prefixes *prefixes,
                                    uint8_t escape, uint8_t opcode, enum insn_mode mode,
                                    struct insn *insn)
{
    struct insn_memory m;
    struct modrm modrm;
    uint8_t address_bytes = address_size(prefixes, mode), rex = 0, byte;

    if (escape == 0 && (opcode == 0xc4 || opcode == 0xc5)) {
        uint8_t map = 1;

        byte = (uint8_t)fetch(cursor, 1);
        if (cursor->ran_out)
            return ended_early(cursor, insn);
        if (mode != INSN_MODE_64 && byte >> 6 != 3)
            return fail(insn, INSN_UNSUPPORTED);
        if (opcode == 0xc4) {
            map = byte & 0x1f;
            fetch(cursor, 1);
        }
        opcode = (uint8_t)fetch(cursor, 1);
        if (cursor->ran_out)
            return ended_early(cursor, insn);
        escape = map == 1 ? 0x0f : 0;
    }
    if (escape != 0x0f || !insn_is_vector_move(opcode))
        return fail(insn, INSN_UNSUPPORTED);

    byte = (uint8_t)fetch(cursor, 1);
    modrm = (struct modrm){byte >> 6, byte >> 3 & 7, byte & 7};
    if (modrm.mod != 3 && address_bytes == 2)
        read_memory_16(cursor, &modrm, &m);
    else if (modrm.mod != 3)
        read_memory_32(cursor, &modrm, rex, mode == INSN_MODE_64, &m);
    if (cursor->ran_out)
        return ended_early(cursor, insn);
    fail(insn, INSN_UNSUPPORTED);
    insn->length = (uint8_t)cursor->at;
    return INSN_UNSUPPORTED;
}

static bool is_undefined(const struct insn_opcode *opcode, const struct prefixes *prefixes,
                         const struct insn *insn)
{
    bool any_prefix = prefixes->operand_size || prefixes->repeat != 0;

    if ((opcode->flags & OPCODE_NO_PREFIX) && any_prefix)
        return true;
    /* "An undefined opcode exception will also be generated if the LOCK prefix is used with any
     * instruction not in the above list" or "the source operand is a memory operand". */
    return prefixes->lock &&
           (!(opcode->flags & OPCODE_LOCK) || insn->destination.kind != INSN_OPERAND_MEMORY);
}

/* Finds the opcode's entry. Sets *byte to the last opcode byte and *escape to the byte before
 * it. */
static const struct insn_opcode *find_opcode(struct cursor *cursor, uint8_t *byte, uint8_t *escape)
{
    static const struct insn_opcode unknown = {FORM_UNKNOWN, 0, 0};

    *escape = 0;
    if (*byte != 0x0f)
        return &insn_opcodes[*byte];
    *escape = 0x0f;
    *byte = (uint8_t)fetch(cursor, 1);
    if (*byte != 0x38)
        return &insn_opcodes_0f[*byte];
    *escape = 0x38;
    *byte = (uint8_t)fetch(cursor, 1);
    return *byte == 0xf0 || *byte == 0xf1 ? &insn_opcodes_0f38_f0[*byte - 0xf0] : &unknown;
}

/* Intel SDM vol. 2A, 2.1.2 "Instructions", about mandatory prefixes. */
static enum insn_mandatory_prefix mandatory_prefix(const struct prefixes *prefixes)
{
    if (prefixes->repeat != 0)
        return prefixes->repeat == 0xf3 ? MANDATORY_F3 : MANDATORY_F2;
    return prefixes->operand_size ? MANDATORY_66 : MANDATORY_NONE;
}

enum insn_result insn_decode(const uint8_t *bytes, size_t count, enum insn_mode mode,
                             struct insn *insn)
{
    struct cursor cursor = {bytes, count < INSN_LENGTH_MAX ? count : INSN_LENGTH_MAX, 0, false};
    struct prefixes prefixes;
    struct modrm modrm = {0, 0, 0};
    const struct insn_opcode *opcode;
    uint8_t byte = read_prefixes(&cursor, mode, &prefixes), escape;
    bool is_supported = true;

    memset(insn, 0, sizeof(*insn));
    opcode = find_opcode(&cursor, &byte, &escape);
    if (cursor.ran_out)
        return ended_early(&cursor, insn);
    if (opcode->form == FORM_PREFIXED)
        opcode = &insn_prefixed[opcode->op][mandatory_prefix(&prefixes)];
    if ((opcode->flags & OPCODE_NO_64) && mode == INSN_MODE_64)
        return fail(insn, INSN_UNDEFINED);
    if (opcode->form == FORM_UNKNOWN || ((opcode->flags & OPCODE_ONLY_64) && mode != INSN_MODE_64))
        return unsupported(&cursor, &prefixes, escape, byte, mode, insn);
    if ((opcode->flags & OPCODE_NO_REPEAT) && prefixes.repeat != 0)
        return fail(insn, INSN_UNSUPPORTED);

    if (opcode->form < FORM_WITHOUT_MODRM) {
        uint8_t next = (uint8_t)fetch(&cursor, 1);
        if (cursor.ran_out)
            return ended_early(&cursor, insn);
        modrm = (struct modrm){next >> 6, next >> 3 & 7, next & 7};
        if (opcode->form == FORM_GROUP)
            opcode = &insn_groups[opcode->op][modrm.reg];
        if (opcode->form == FORM_UNKNOWN)
            return fail(insn, INSN_UNSUPPORTED);
        if (opcode->form == FORM_UNDEFINED)
            return fail(insn, INSN_UNDEFINED);
        if (is_segment_undefined(opcode, &modrm) ||
            ((opcode->flags & OPCODE_MEMORY) && modrm.mod == 3))
            return fail(insn, INSN_UNDEFINED);
        if ((opcode->flags & OPCODE_NOT_REGISTER) && modrm.mod == 3)
            return fail(insn, INSN_UNSUPPORTED);
    }

    insn->op = (enum insn_op)opcode->op;
    insn->operand_size_bytes = operand_size(&prefixes, mode, opcode->flags);
    insn->address_size_bytes = address_size(&prefixes, mode);
    insn->lock = prefixes.lock;
    insn->is_aligned = (opcode->flags & OPCODE_ALIGNED) ||
                       ((opcode->flags & OPCODE_DOUBLE) && insn->operand_size_bytes == 16);
    insn->condition = byte & 15;
    insn->repeat = prefixes.repeat == 0xf3   ? INSN_REPEAT_E
                   : prefixes.repeat == 0xf2 ? INSN_REPEAT_NE
                                             : INSN_REPEAT_NONE;
    insn->memory = (struct insn_memory){
        .segment = prefixes.segment == INSN_SEGMENT_COUNT
                       ? INSN_DS
                       : (enum insn_segment_register)prefixes.segment,
        .base = INSN_NO_REGISTER,
        .index = INSN_NO_REGISTER,
        .scale = 1,
    };

    if (opcode->form < FORM_WITHOUT_MODRM)
        read_operands(&cursor, opcode, &modrm, &prefixes, mode, insn);
    else
        is_supported = read_implied(&cursor, opcode, byte, &prefixes, insn);
    if (cursor.ran_out)
        return ended_early(&cursor, insn);
    if (!is_supported)
        return fail(insn, INSN_UNSUPPORTED);
    if (is_undefined(opcode, &prefixes, insn))
        return fail(insn, INSN_UNDEFINED);
    insn->length = (uint8_t)cursor.at;
    return INSN_DECODED;
}
