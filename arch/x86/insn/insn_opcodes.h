// SPDX-License-Identifier: BSD-2-Clause
/* The opcode map: the instruction of each opcode and the encoding of its operands. */
#ifndef ARCH_X86_INSN_INSN_OPCODES_H
#define ARCH_X86_INSN_INSN_OPCODES_H

#include "arch/x86/insn/insn_decode.h"

/* Operands in the letters of Intel SDM vol. 2D, appendix A.2: E is a register or memory by ModRM,
 * G the register in ModRM.reg, I an immediate, O an address in the instruction, J an offset to RIP,
 * S the segment register in ModRM.reg, V and P the XMM and MMX register there, Z the register in
 * the opcode. */
enum insn_form {
    FORM_UNKNOWN, /* not decoded here */
    FORM_UNDEFINED,
    FORM_GROUP,    /* ModRM.reg selects the entry */
    FORM_PREFIXED, /* the prefixes 66, F3 and F2 select the entry */
    FORM_E_G,
    FORM_G_E,
    FORM_E,
    FORM_E_IB, /* the immediate is one byte */
    FORM_E_IZ, /* the immediate has 2 bytes for 16-bit operands, else 4 */
    FORM_E_1,
    FORM_E_CL,
    FORM_G_E_IB,
    FORM_G_E_IZ,
    FORM_E_G_IB,
    FORM_E_G_CL,
    FORM_E_S,
    FORM_S_E,
    FORM_E_V,
    FORM_V_E,
    FORM_E_P,
    FORM_P_E,
    FORM_WITHOUT_MODRM, /* the first form without a ModRM byte; all forms below have none */
    FORM_NOTHING = FORM_WITHOUT_MODRM,
    FORM_Z,
    FORM_IB,
    FORM_IW,
    FORM_IZ,
    FORM_IW_IB,
    FORM_JZ,
    FORM_A_O,
    FORM_O_A,
    FORM_STRING,
};

enum insn_opcode_flags {
    OPCODE_BYTE = 1 << 0,       /* the operands are bytes */
    OPCODE_LOCK = 1 << 1,       /* takes LOCK if the destination is memory */
    OPCODE_MEMORY = 1 << 2,     /* E has to be memory */
    OPCODE_NO_64 = 1 << 3,      /* undefined in 64-bit mode */
    OPCODE_ONLY_64 = 1 << 4,    /* a different instruction outside of 64-bit mode */
    OPCODE_STACK = 1 << 5,      /* 8 bytes by default in 64-bit mode; 4 cannot be selected there */
    OPCODE_PORT = 1 << 6,       /* at most 4 bytes */
    OPCODE_SOURCE_8 = 1 << 7,   /* E is narrower than G: 1 byte */
    OPCODE_SOURCE_16 = 1 << 8,  /* E is narrower than G: 2 bytes */
    OPCODE_SOURCE_32 = 1 << 9,  /* E is narrower than G: 4 bytes, or 2 for 16-bit operands */
    OPCODE_NO_PREFIX = 1 << 10, /* undefined with 66, F2 or F3 */
    OPCODE_NO_REPEAT = 1 << 11, /* a different instruction, or none, with F2 or F3 */
    OPCODE_NO_16 = 1 << 12,     /* 4 bytes also where 2 are the default */
    OPCODE_DOUBLE = 1 << 13,    /* 8 bytes, or 16 with REX.W */
    OPCODE_NEAR = 1 << 14,      /* 8 bytes in 64-bit mode, whatever the prefixes */
    OPCODE_FAR = 1 << 15,       /* E has 2 more bytes, for a selector */
    OPCODE_NOT_REGISTER = 1 << 16, /* E is a register: not decoded here */
    OPCODE_ALIGNED = 1 << 17,      /* the operand in memory has to be aligned */
    OPCODE_4 = 1 << 18,            /* 4 bytes, or 8 with REX.W: MOVD, MOVQ */
    OPCODE_ONLY_4 = 1 << 19,       /* 4 bytes */
    OPCODE_ONLY_8 = 1 << 20,
    OPCODE_ONLY_16 = 1 << 21,
};

enum insn_group {
    GROUP_80,
    GROUP_81,
    GROUP_83,
    GROUP_8F,
    GROUP_C0,
    GROUP_C1,
    GROUP_C6,
    GROUP_C7,
    GROUP_D0,
    GROUP_D1,
    GROUP_D2,
    GROUP_D3,
    GROUP_F6,
    GROUP_F7,
    GROUP_FE,
    GROUP_FF,
    GROUP_0F00,
    GROUP_0F01,
    GROUP_0FBA,
    GROUP_0FC7,
    GROUP_COUNT,
};

enum insn_prefixed {
    PREFIXED_10,
    PREFIXED_11,
    PREFIXED_28,
    PREFIXED_29,
    PREFIXED_2B,
    PREFIXED_6E,
    PREFIXED_6F,
    PREFIXED_7E,
    PREFIXED_7F,
    PREFIXED_BC,
    PREFIXED_BD,
    PREFIXED_D6,
    PREFIXED_E7,
    PREFIXED_F0,
    PREFIXED_COUNT,
};

/* The columns of insn_prefixed. F3 and F2 take precedence over 66. */
enum insn_mandatory_prefix {
    MANDATORY_NONE,
    MANDATORY_66,
    MANDATORY_F3,
    MANDATORY_F2,
    MANDATORY_COUNT,
};

struct insn_opcode {
    uint8_t form; /* enum insn_form */
    /* enum insn_op; with FORM_GROUP enum insn_group, with FORM_PREFIXED enum insn_prefixed. */
    uint8_t op;
    uint32_t flags; /* enum insn_opcode_flags */
};

/* The one-byte opcodes, those after 0F, and those after 0F 38 from F0 on. */
extern const struct insn_opcode insn_opcodes[256];
extern const struct insn_opcode insn_opcodes_0f[256];
extern const struct insn_opcode insn_opcodes_0f38_f0[2];
extern const struct insn_opcode insn_groups[GROUP_COUNT][8];
extern const struct insn_opcode insn_prefixed[PREFIXED_COUNT][MANDATORY_COUNT];

/* Returns whether opcode, after 0F (as an SSE instruction or in VEX map 1), is a move between a
 * vector register and memory. All of these moves have a ModRM byte and no immediate. */
bool insn_is_vector_move(uint8_t opcode);

#endif
