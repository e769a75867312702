// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_opcodes.h"

/* The four opcodes of an arithmetic instruction that have a ModRM byte. The two with the
 * accumulator and an immediate access no memory. */
#define ARITHMETIC(base, operation, lock)                                                          \
    [(base) + 0] = {FORM_E_G, operation, OPCODE_BYTE | (lock)},                                    \
              [(base) + 1] = {FORM_E_G, operation, (lock)},                                        \
              [(base) + 2] = {FORM_G_E, operation, OPCODE_BYTE},                                   \
              [(base) + 3] = {FORM_G_E, operation, 0}

#define STRING(base, operation, more)                                                              \
    [(base) + 0] = {FORM_STRING, operation, OPCODE_BYTE | (more)},                                 \
              [(base) + 1] = {FORM_STRING, operation, (more)}

/* The eight opcodes of half a row, each of which names a register. */
#define EIGHT(base, form, operation, flags) [(base)...(base) + 7] = {form, operation, flags}

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
    EIGHT(0x50, FORM_Z, INSN_PUSH, OPCODE_STACK),
    EIGHT(0x58, FORM_Z, INSN_POP, OPCODE_STACK),
    [0x63] = {FORM_G_E, INSN_MOVSX,
              OPCODE_ONLY_64 | OPCODE_SOURCE_32}, /* ARPL outside of 64-bit mode */
    [0x68] = {FORM_IZ, INSN_PUSH, OPCODE_STACK},
    [0x69] = {FORM_G_E_IZ, INSN_IMUL, 0},
    [0x6a] = {FORM_IB, INSN_PUSH, OPCODE_STACK},
    [0x6b] = {FORM_G_E_IB, INSN_IMUL, 0},
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
    [0x8c] = {FORM_E_S, INSN_MOV_FROM_SEGMENT, OPCODE_NOT_REGISTER},
    [0x8e] = {FORM_S_E, INSN_MOV_TO_SEGMENT, OPCODE_NOT_REGISTER},
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
    [0xc2] = {FORM_IW, INSN_RET, OPCODE_NEAR},
    [0xc3] = {FORM_NOTHING, INSN_RET, OPCODE_NEAR},
    [0xc6] = {FORM_GROUP, GROUP_C6, 0},
    [0xc7] = {FORM_GROUP, GROUP_C7, 0},
    [0xc8] = {FORM_IW_IB, INSN_ENTER, OPCODE_STACK},
    [0xc9] = {FORM_NOTHING, INSN_LEAVE, OPCODE_STACK},
    [0xd0] = {FORM_GROUP, GROUP_D0, 0},
    [0xd1] = {FORM_GROUP, GROUP_D1, 0},
    [0xd2] = {FORM_GROUP, GROUP_D2, 0},
    [0xd3] = {FORM_GROUP, GROUP_D3, 0},
    [0xe8] = {FORM_JZ, INSN_CALL, OPCODE_NEAR},
    [0xf6] = {FORM_GROUP, GROUP_F6, 0},
    [0xf7] = {FORM_GROUP, GROUP_F7, 0},
    [0xfe] = {FORM_GROUP, GROUP_FE, 0},
    [0xff] = {FORM_GROUP, GROUP_FF, 0},
};

/* Table A-3. */
const struct insn_opcode insn_opcodes_0f[256] = {
    [0x00] = {FORM_GROUP, GROUP_0F00, 0},
    [0x01] = {FORM_GROUP, GROUP_0F01, 0},
    [0x10] = {FORM_PREFIXED, PREFIXED_10, 0},
    [0x11] = {FORM_PREFIXED, PREFIXED_11, 0},
    [0x28] = {FORM_PREFIXED, PREFIXED_28, 0},
    [0x29] = {FORM_PREFIXED, PREFIXED_29, 0},
    [0x2b] = {FORM_PREFIXED, PREFIXED_2B, 0},
    EIGHT(0x40, FORM_G_E, INSN_CMOV, 0),
    EIGHT(0x48, FORM_G_E, INSN_CMOV, 0),
    [0x6e] = {FORM_PREFIXED, PREFIXED_6E, 0},
    [0x6f] = {FORM_PREFIXED, PREFIXED_6F, 0},
    [0x7e] = {FORM_PREFIXED, PREFIXED_7E, 0},
    [0x7f] = {FORM_PREFIXED, PREFIXED_7F, 0},
    EIGHT(0x90, FORM_E, INSN_SET, OPCODE_BYTE),
    EIGHT(0x98, FORM_E, INSN_SET, OPCODE_BYTE),
    [0xa3] = {FORM_E_G, INSN_BT, 0},
    [0xa4] = {FORM_E_G_IB, INSN_SHLD, 0},
    [0xa5] = {FORM_E_G_CL, INSN_SHLD, 0},
    [0xab] = {FORM_E_G, INSN_BTS, OPCODE_LOCK},
    [0xac] = {FORM_E_G_IB, INSN_SHRD, 0},
    [0xad] = {FORM_E_G_CL, INSN_SHRD, 0},
    [0xaf] = {FORM_G_E, INSN_IMUL, 0},
    [0xb0] = {FORM_E_G, INSN_CMPXCHG, OPCODE_BYTE | OPCODE_LOCK},
    [0xb1] = {FORM_E_G, INSN_CMPXCHG, OPCODE_LOCK},
    [0xb3] = {FORM_E_G, INSN_BTR, OPCODE_LOCK},
    [0xb6] = {FORM_G_E, INSN_MOVZX, OPCODE_SOURCE_8},
    [0xb7] = {FORM_G_E, INSN_MOVZX, OPCODE_SOURCE_16},
    [0xba] = {FORM_GROUP, GROUP_0FBA, 0},
    [0xbb] = {FORM_E_G, INSN_BTC, OPCODE_LOCK},
    [0xbc] = {FORM_PREFIXED, PREFIXED_BC, 0},
    [0xbd] = {FORM_PREFIXED, PREFIXED_BD, 0},
    [0xbe] = {FORM_G_E, INSN_MOVSX, OPCODE_SOURCE_8},
    [0xbf] = {FORM_G_E, INSN_MOVSX, OPCODE_SOURCE_16},
    [0xc0] = {FORM_E_G, INSN_XADD, OPCODE_BYTE | OPCODE_LOCK},
    [0xc1] = {FORM_E_G, INSN_XADD, OPCODE_LOCK},
    [0xc3] = {FORM_E_G, INSN_MOVNTI, OPCODE_MEMORY | OPCODE_NO_PREFIX | OPCODE_NO_16},
    [0xc7] = {FORM_GROUP, GROUP_0FC7, 0},
    [0xd6] = {FORM_PREFIXED, PREFIXED_D6, 0},
    [0xe7] = {FORM_PREFIXED, PREFIXED_E7, 0},
    [0xf0] = {FORM_PREFIXED, PREFIXED_F0, 0},
};

/* Table A-4. With F2 these opcodes are CRC32. */
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

#define GROUP_3(immediate, flags)                                                                  \
    {                                                                                              \
        {immediate, INSN_TEST, flags}, {immediate, INSN_TEST, flags},                              \
            {FORM_E, INSN_NOT, (flags) | OPCODE_LOCK}, {FORM_E, INSN_NEG, (flags) | OPCODE_LOCK},  \
            {FORM_E, INSN_MUL, flags}, {FORM_E, INSN_IMUL, flags}, {FORM_E, INSN_DIV, flags},      \
            {FORM_E, INSN_IDIV, flags},                                                            \
    }

#define UNDEFINED                                                                                  \
    {                                                                                              \
        FORM_UNDEFINED, 0, 0                                                                       \
    }

/* Table A-6. ModRM.reg 7 of C6 and C7 with a register is XABORT and XBEGIN. The decoder reports
 * these as FORM_UNKNOWN, as it does far calls and the other instructions of 0F 00, 01 and C7. */
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
                  [2] = {FORM_E, INSN_CALL, OPCODE_NEAR},
                  [4] = {FORM_E, INSN_JMP, OPCODE_NEAR},
                  [5] = {FORM_E, INSN_JMP_FAR, OPCODE_MEMORY | OPCODE_FAR},
                  [6] = {FORM_E, INSN_PUSH, OPCODE_STACK},
                  [7] = UNDEFINED},
    [GROUP_0F00] = {[0] = {FORM_E, INSN_SLDT, OPCODE_NOT_REGISTER | OPCODE_SOURCE_16},
                    [1] = {FORM_E, INSN_STR, OPCODE_NOT_REGISTER | OPCODE_SOURCE_16},
                    [2] = {FORM_E, INSN_LLDT, OPCODE_NOT_REGISTER | OPCODE_SOURCE_16},
                    [3] = {FORM_E, INSN_LTR, OPCODE_NOT_REGISTER | OPCODE_SOURCE_16}},
    [GROUP_0F01] = {[4] = {FORM_E, INSN_SMSW, OPCODE_NOT_REGISTER | OPCODE_SOURCE_16}},
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

#define LOAD(flags)                                                                                \
    {                                                                                              \
        FORM_V_E, INSN_VECTOR_LOAD, (flags) | OPCODE_NOT_REGISTER                                  \
    }
#define STORE(flags)                                                                               \
    {                                                                                              \
        FORM_E_V, INSN_VECTOR_STORE, (flags) | OPCODE_NOT_REGISTER                                 \
    }
#define UNALIGNED OPCODE_ONLY_16
#define ALIGNED   (OPCODE_ONLY_16 | OPCODE_ALIGNED)
#define ELSEWHERE                                                                                  \
    {                                                                                              \
        FORM_UNKNOWN, 0, 0                                                                         \
    }

/* Columns: no prefix, 66, F3, F2. F3 0F BC and BD are TZCNT and LZCNT, or what they are without F3,
 * depending on the processor. */
const struct insn_opcode insn_prefixed[PREFIXED_COUNT][MANDATORY_COUNT] = {
    [PREFIXED_10] = {LOAD(UNALIGNED), LOAD(UNALIGNED), LOAD(OPCODE_ONLY_4), LOAD(OPCODE_ONLY_8)},
    [PREFIXED_11] = {STORE(UNALIGNED), STORE(UNALIGNED), STORE(OPCODE_ONLY_4),
                     STORE(OPCODE_ONLY_8)},
    [PREFIXED_28] = {LOAD(ALIGNED), LOAD(ALIGNED), ELSEWHERE, ELSEWHERE},
    [PREFIXED_29] = {STORE(ALIGNED), STORE(ALIGNED), ELSEWHERE, ELSEWHERE},
    [PREFIXED_2B] = {STORE(ALIGNED), STORE(ALIGNED), ELSEWHERE, ELSEWHERE},
    [PREFIXED_6E] = {{FORM_P_E, INSN_VECTOR_LOAD, OPCODE_4 | OPCODE_NOT_REGISTER},
                     LOAD(OPCODE_4),
                     ELSEWHERE,
                     ELSEWHERE},
    [PREFIXED_6F] = {{FORM_P_E, INSN_VECTOR_LOAD, OPCODE_ONLY_8 | OPCODE_NOT_REGISTER},
                     LOAD(ALIGNED),
                     LOAD(UNALIGNED),
                     ELSEWHERE},
    [PREFIXED_7E] = {{FORM_E_P, INSN_VECTOR_STORE, OPCODE_4 | OPCODE_NOT_REGISTER},
                     STORE(OPCODE_4),
                     LOAD(OPCODE_ONLY_8),
                     ELSEWHERE},
    [PREFIXED_7F] = {{FORM_E_P, INSN_VECTOR_STORE, OPCODE_ONLY_8 | OPCODE_NOT_REGISTER},
                     STORE(ALIGNED),
                     STORE(UNALIGNED),
                     ELSEWHERE},
    [PREFIXED_BC] = {{FORM_G_E, INSN_BSF, 0},
                     {FORM_G_E, INSN_BSF, 0},
                     ELSEWHERE,
                     {FORM_G_E, INSN_BSF, 0}},
    [PREFIXED_BD] = {{FORM_G_E, INSN_BSR, 0},
                     {FORM_G_E, INSN_BSR, 0},
                     ELSEWHERE,
                     {FORM_G_E, INSN_BSR, 0}},
    [PREFIXED_D6] = {ELSEWHERE, STORE(OPCODE_ONLY_8), ELSEWHERE, ELSEWHERE},
    [PREFIXED_E7] = {{FORM_E_P, INSN_VECTOR_STORE, OPCODE_ONLY_8 | OPCODE_NOT_REGISTER},
                     STORE(ALIGNED),
                     ELSEWHERE,
                     ELSEWHERE},
    [PREFIXED_F0] = {ELSEWHERE, ELSEWHERE, ELSEWHERE, LOAD(UNALIGNED)},
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
        [INSN_ADD] = "add",
        [INSN_OR] = "or",
        [INSN_ADC] = "adc",
        [INSN_SBB] = "sbb",
        [INSN_AND] = "and",
        [INSN_SUB] = "sub",
        [INSN_XOR] = "xor",
        [INSN_CMP] = "cmp",
        [INSN_ROL] = "rol",
        [INSN_ROR] = "ror",
        [INSN_RCL] = "rcl",
        [INSN_RCR] = "rcr",
        [INSN_SHL] = "shl",
        [INSN_SHR] = "shr",
        [INSN_SAR] = "sar",
        [INSN_BT] = "bt",
        [INSN_BTS] = "bts",
        [INSN_BTR] = "btr",
        [INSN_BTC] = "btc",
        [INSN_MOV] = "mov",
        [INSN_MOVNTI] = "movnti",
        [INSN_MOVZX] = "movzx",
        [INSN_MOVSX] = "movsx",
        [INSN_MOVBE] = "movbe",
        [INSN_TEST] = "test",
        [INSN_NOT] = "not",
        [INSN_NEG] = "neg",
        [INSN_INC] = "inc",
        [INSN_DEC] = "dec",
        [INSN_XCHG] = "xchg",
        [INSN_XADD] = "xadd",
        [INSN_CMPXCHG] = "cmpxchg",
        [INSN_CMPXCHG8B] = "cmpxchg8b",
        [INSN_PUSH] = "push",
        [INSN_POP] = "pop",
        [INSN_MOVS] = "movs",
        [INSN_SHLD] = "shld",
        [INSN_SHRD] = "shrd",
        [INSN_BSF] = "bsf",
        [INSN_BSR] = "bsr",
        [INSN_CMOV] = "cmov",
        [INSN_SET] = "set",
        [INSN_MUL] = "mul",
        [INSN_IMUL] = "imul",
        [INSN_DIV] = "div",
        [INSN_IDIV] = "idiv",
        [INSN_ENTER] = "enter",
        [INSN_LEAVE] = "leave",
        [INSN_CALL] = "call",
        [INSN_JMP] = "jmp",
        [INSN_RET] = "ret",
        [INSN_JMP_FAR] = "jmp far",
        [INSN_MOV_FROM_SEGMENT] = "mov",
        [INSN_MOV_TO_SEGMENT] = "mov",
        [INSN_SLDT] = "sldt",
        [INSN_STR] = "str",
        [INSN_SMSW] = "smsw",
        [INSN_LLDT] = "lldt",
        [INSN_LTR] = "ltr",
        [INSN_VECTOR_LOAD] = "movdqu",
        [INSN_VECTOR_STORE] = "movdqu",
        [INSN_CMPS] = "cmps",
        [INSN_STOS] = "stos",
        [INSN_LODS] = "lods",
        [INSN_SCAS] = "scas",
        [INSN_INS] = "ins",
        [INSN_OUTS] = "outs",
    };

    return (size_t)op < ARRAY_COUNT(names) ? names[op] : "?";
}
