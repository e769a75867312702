#include "arch/x86/insn/insn_opcodes.h"

/* The six opcodes of an arithmetic instruction that have a ModRM byte or could; the two with the
 * accumulator and an immediate touch no memory. */
#define ARITHMETIC(base, operation, lock)                                                          \
    [(base) + 0] = {FORM_E_G, operation, OPCODE_BYTE | (lock)},                                    \
              [(base) + 1] = {FORM_E_G, operation, (lock)},                                        \
              [(base) + 2] = {FORM_G_E, operation, OPCODE_BYTE},                                   \
              [(base) + 3] = {FORM_G_E, operation, 0}

#define STRING(base, operation, more)                                                              \
    [(base) + 0] = {FORM_STRING, operation, OPCODE_BYTE | (more)},                                 \
              [(base) + 1] = {FORM_STRING, operation, (more)}

/* Intel SDM vol. 2D, table A-2. */
const struct insn_opcode insn_opcodes[256] = {
    ARITHMETIC(0x00, INSN_ADD, OPCODE_LOCK),
    ARITHMETIC(0x08, INSN_OR, OPCODE_LOCK),
    ARITHMETIC(0x10, INSN_ADC, OPCODE_LOCK),
    ARITHMETIC(0x18, INSN_SBB, OPCODE_LOCK),
    ARITHMETIC(0x20, INSN_AND, OPCODE_LOCK),
    ARITHMETIC(0x28, INSN_SUB, OPCODE_LOCK),
    ARITHMETIC(0x30, INSN_XOR, OPCODE_LOCK),
    ARITHMETIC(0x38, INSN_CMP, 0),
    [0x63] = {FORM_G_E, INSN_MOVSX, OPCODE_ONLY_64 | OPCODE_SOURCE_32}, /* else ARPL */
    STRING(0x6c, INSN_INS, OPCODE_PORT),
    STRING(0x6e, INSN_OUTS, OPCODE_PORT),
    [0x80] = {FORM_GROUP, GROUP_80, 0},
    [0x81] = {FORM_GROUP, GROUP_81, 0},
    [0x82] = {FORM_GROUP, GROUP_80, OPCODE_NO_64},
    [0x83] = {FORM_GROUP, GROUP_83, 0},
    [0x84] = {FORM_E_G, INSN_TEST, OPCODE_BYTE},
    [0x85] = {FORM_E_G, INSN_TEST, 0},
    [0x86] = {FORM_E_G, INSN_XCHG, OPCODE_BYTE | OPCODE_LOCK},
    [0x87] = {FORM_E_G, INSN_XCHG, OPCODE_LOCK},
    [0x88] = {FORM_E_G, INSN_MOV, OPCODE_BYTE},
    [0x89] = {FORM_E_G, INSN_MOV, 0},
    [0x8a] = {FORM_G_E, INSN_MOV, OPCODE_BYTE},
    [0x8b] = {FORM_G_E, INSN_MOV, 0},
    [0x8f] = {FORM_GROUP, GROUP_8F, 0},
    [0xa0] = {FORM_A_O, INSN_MOV, OPCODE_BYTE},
    [0xa1] = {FORM_A_O, INSN_MOV, 0},
    [0xa2] = {FORM_O_A, INSN_MOV, OPCODE_BYTE},
    [0xa3] = {FORM_O_A, INSN_MOV, 0},
    STRING(0xa4, INSN_MOVS, 0),
    STRING(0xa6, INSN_CMPS, 0),
    STRING(0xaa, INSN_STOS, 0),
    STRING(0xac, INSN_LODS, 0),
    STRING(0xae, INSN_SCAS, 0),
    [0xc0] = {FORM_GROUP, GROUP_C0, 0},
    [0xc1] = {FORM_GROUP, GROUP_C1, 0},
    [0xc6] = {FORM_GROUP, GROUP_C6, 0},
    [0xc7] = {FORM_GROUP, GROUP_C7, 0},
    [0xd0] = {FORM_GROUP, GROUP_D0, 0},
    [0xd1] = {FORM_GROUP, GROUP_D1, 0},
    [0xd2] = {FORM_GROUP, GROUP_D2, 0},
    [0xd3] = {FORM_GROUP, GROUP_D3, 0},
    [0xf6] = {FORM_GROUP, GROUP_F6, 0},
    [0xf7] = {FORM_GROUP, GROUP_F7, 0},
    [0xfe] = {FORM_GROUP, GROUP_FE, 0},
    [0xff] = {FORM_GROUP, GROUP_FF, 0},
};

/* Table A-3. */
const struct insn_opcode insn_opcodes_0f[256] = {
    [0xa3] = {FORM_E_G, INSN_BT, 0},
    [0xab] = {FORM_E_G, INSN_BTS, OPCODE_LOCK},
    [0xb0] = {FORM_E_G, INSN_CMPXCHG, OPCODE_BYTE | OPCODE_LOCK},
    [0xb1] = {FORM_E_G, INSN_CMPXCHG, OPCODE_LOCK},
    [0xb3] = {FORM_E_G, INSN_BTR, OPCODE_LOCK},
    [0xb6] = {FORM_G_E, INSN_MOVZX, OPCODE_SOURCE_8},
    [0xb7] = {FORM_G_E, INSN_MOVZX, OPCODE_SOURCE_16},
    [0xba] = {FORM_GROUP, GROUP_0FBA, 0},
    [0xbb] = {FORM_E_G, INSN_BTC, OPCODE_LOCK},
    [0xbe] = {FORM_G_E, INSN_MOVSX, OPCODE_SOURCE_8},
    [0xbf] = {FORM_G_E, INSN_MOVSX, OPCODE_SOURCE_16},
    [0xc0] = {FORM_E_G, INSN_XADD, OPCODE_BYTE | OPCODE_LOCK},
    [0xc1] = {FORM_E_G, INSN_XADD, OPCODE_LOCK},
    [0xc3] = {FORM_E_G, INSN_MOVNTI, OPCODE_MEMORY | OPCODE_NO_PREFIX | OPCODE_NO_16},
    [0xc7] = {FORM_GROUP, GROUP_0FC7, 0},
};

/* Table A-4. With F2 these are CRC32. */
const struct insn_opcode insn_opcodes_0f38_f0[2] = {
    {FORM_G_E, INSN_MOVBE, OPCODE_MEMORY | OPCODE_NO_REPEAT},
    {FORM_E_G, INSN_MOVBE, OPCODE_MEMORY | OPCODE_NO_REPEAT},
};

#define GROUP_1(form, flags)                                                                       \
    {                                                                                              \
        {form, INSN_ADD, (flags) | OPCODE_LOCK}, {form, INSN_OR, (flags) | OPCODE_LOCK},           \
            {form, INSN_ADC, (flags) | OPCODE_LOCK}, {form, INSN_SBB, (flags) | OPCODE_LOCK},      \
            {form, INSN_AND, (flags) | OPCODE_LOCK}, {form, INSN_SUB, (flags) | OPCODE_LOCK},      \
            {form, INSN_XOR, (flags) | OPCODE_LOCK}, {form, INSN_CMP, (flags)},                    \
    }

#define GROUP_2(form, flags)                                                                       \
    {                                                                                              \
        {form, INSN_ROL, flags}, {form, INSN_ROR, flags}, {form, INSN_RCL, flags},                 \
            {form, INSN_RCR, flags}, {form, INSN_SHL, flags}, {form, INSN_SHR, flags},             \
            {form, INSN_SHL, flags}, {form, INSN_SAR, flags},                                      \
    }

/* 4 to 7 are MUL, IMUL, DIV and IDIV. */
#define GROUP_3(immediate, flags)                                                                  \
    {                                                                                              \
        {immediate, INSN_TEST, flags}, {immediate, INSN_TEST, flags},                              \
            {FORM_E, INSN_NOT, (flags) | OPCODE_LOCK}, {FORM_E, INSN_NEG, (flags) | OPCODE_LOCK},  \
    }

#define UNDEFINED                                                                                  \
    {                                                                                              \
        FORM_UNDEFINED, 0, 0                                                                       \
    }

/* Table A-6. /7 of C6 and C7 with a register is XABORT and XBEGIN: the decoder leaves those to
 * FORM_UNKNOWN, as it does with calls, jumps and 0F C7's other instructions. */
const struct insn_opcode insn_groups[GROUP_COUNT][8] = {
    [GROUP_80] = GROUP_1(FORM_E_IB, OPCODE_BYTE),
    [GROUP_81] = GROUP_1(FORM_E_IZ, 0),
    [GROUP_83] = GROUP_1(FORM_E_IB, 0),
    [GROUP_8F] = {{FORM_E, INSN_POP, OPCODE_STACK},
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED},
    [GROUP_C0] = GROUP_2(FORM_E_IB, OPCODE_BYTE),
    [GROUP_C1] = GROUP_2(FORM_E_IB, 0),
    [GROUP_C6] = {{FORM_E_IB, INSN_MOV, OPCODE_BYTE},
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED},
    [GROUP_C7] = {{FORM_E_IZ, INSN_MOV, 0},
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED},
    [GROUP_D0] = GROUP_2(FORM_E_1, OPCODE_BYTE),
    [GROUP_D1] = GROUP_2(FORM_E_1, 0),
    [GROUP_D2] = GROUP_2(FORM_E_CL, OPCODE_BYTE),
    [GROUP_D3] = GROUP_2(FORM_E_CL, 0),
    [GROUP_F6] = GROUP_3(FORM_E_IB, OPCODE_BYTE),
    [GROUP_F7] = GROUP_3(FORM_E_IZ, 0),
    [GROUP_FE] = {{FORM_E, INSN_INC, OPCODE_BYTE | OPCODE_LOCK},
                  {FORM_E, INSN_DEC, OPCODE_BYTE | OPCODE_LOCK},
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED,
                  UNDEFINED},
    [GROUP_FF] = {[0] = {FORM_E, INSN_INC, OPCODE_LOCK},
                  [1] = {FORM_E, INSN_DEC, OPCODE_LOCK},
                  [6] = {FORM_E, INSN_PUSH, OPCODE_STACK},
                  [7] = UNDEFINED},
    [GROUP_0FBA] = {UNDEFINED,
                    UNDEFINED,
                    UNDEFINED,
                    UNDEFINED,
                    {FORM_E_IB, INSN_BT, 0},
                    {FORM_E_IB, INSN_BTS, OPCODE_LOCK},
                    {FORM_E_IB, INSN_BTR, OPCODE_LOCK},
                    {FORM_E_IB, INSN_BTC, OPCODE_LOCK}},
    [GROUP_0FC7] = {[1] = {FORM_E, INSN_CMPXCHG8B, OPCODE_MEMORY | OPCODE_LOCK | OPCODE_DOUBLE}},
};

bool insn_is_vector_move(uint8_t opcode)
{
    switch (opcode) {
    case 0x10: /* MOVUPS, MOVUPD, MOVSS, MOVSD */
    case 0x11:
    case 0x12: /* MOVLPS, MOVLPD, MOVDDUP, MOVSLDUP */
    case 0x13:
    case 0x16: /* MOVHPS, MOVHPD, MOVSHDUP */
    case 0x17:
    case 0x28: /* MOVAPS, MOVAPD */
    case 0x29:
    case 0x2b: /* MOVNTPS, MOVNTPD */
    case 0x6e: /* MOVD, MOVQ */
    case 0x6f: /* MOVQ, MOVDQA, MOVDQU */
    case 0x7e:
    case 0x7f:
    case 0xd6: /* MOVQ */
    case 0xe7: /* MOVNTQ, MOVNTDQ */
    case 0xf0: /* LDDQU */ return true;
    default: return false;
    }
}

const char *insn_op_name(enum insn_op op)
{
    static const char names[][12] = {
        [INSN_ADD] = "add",     [INSN_OR] = "or",           [INSN_ADC] = "adc",
        [INSN_SBB] = "sbb",     [INSN_AND] = "and",         [INSN_SUB] = "sub",
        [INSN_XOR] = "xor",     [INSN_CMP] = "cmp",         [INSN_ROL] = "rol",
        [INSN_ROR] = "ror",     [INSN_RCL] = "rcl",         [INSN_RCR] = "rcr",
        [INSN_SHL] = "shl",     [INSN_SHR] = "shr",         [INSN_SAR] = "sar",
        [INSN_BT] = "bt",       [INSN_BTS] = "bts",         [INSN_BTR] = "btr",
        [INSN_BTC] = "btc",     [INSN_MOV] = "mov",         [INSN_MOVNTI] = "movnti",
        [INSN_MOVZX] = "movzx", [INSN_MOVSX] = "movsx",     [INSN_MOVBE] = "movbe",
        [INSN_TEST] = "test",   [INSN_NOT] = "not",         [INSN_NEG] = "neg",
        [INSN_INC] = "inc",     [INSN_DEC] = "dec",         [INSN_XCHG] = "xchg",
        [INSN_XADD] = "xadd",   [INSN_CMPXCHG] = "cmpxchg", [INSN_CMPXCHG8B] = "cmpxchg8b",
        [INSN_PUSH] = "push",   [INSN_POP] = "pop",         [INSN_MOVS] = "movs",
        [INSN_CMPS] = "cmps",   [INSN_STOS] = "stos",       [INSN_LODS] = "lods",
        [INSN_SCAS] = "scas",   [INSN_INS] = "ins",         [INSN_OUTS] = "outs",
    };

    return (size_t)op < ARRAY_COUNT(names) ? names[op] : "?";
}
