/* The opcode map: what each opcode is and how its operands are encoded. */
#ifndef ARCH_X86_INSN_INSN_OPCODES_H
#define ARCH_X86_INSN_INSN_OPCODES_H

#include "arch/x86/insn/insn_decode.h"

/* Operands in the letters of Intel SDM vol. 2D, appendix A.2: E is a register or memory by ModRM,
 * G the register in ModRM.reg, I an immediate, O an address in the instruction. */
enum insn_form {
    FORM_UNKNOWN, /* not decoded here */
    FORM_UNDEFINED,
    FORM_GROUP, /* ModRM.reg selects the entry */
    FORM_E_G,
    FORM_G_E,
    FORM_E,
    FORM_E_IB, /* a byte */
    FORM_E_IZ, /* 2 bytes for 16-bit operands, else 4 */
    FORM_E_1,
    FORM_E_CL,
    FORM_A_O,
    FORM_O_A,
    FORM_STRING,
};

enum insn_opcode_flags {
    OPCODE_BYTE = 1 << 0,       /* the operands are bytes */
    OPCODE_LOCK = 1 << 1,       /* takes LOCK if the destination is memory */
    OPCODE_MEMORY = 1 << 2,     /* E has to be memory */
    OPCODE_NO_64 = 1 << 3,      /* undefined in 64-bit mode */
    OPCODE_ONLY_64 = 1 << 4,    /* another instruction outside of 64-bit mode */
    OPCODE_STACK = 1 << 5,      /* 8 bytes by default in 64-bit mode, 4 do not exist */
    OPCODE_PORT = 1 << 6,       /* at most 4 bytes */
    OPCODE_SOURCE_8 = 1 << 7,   /* E is narrower than G: 1 byte */
    OPCODE_SOURCE_16 = 1 << 8,  /* 2 bytes */
    OPCODE_SOURCE_32 = 1 << 9,  /* 4 bytes, 2 for 16-bit operands */
    OPCODE_NO_PREFIX = 1 << 10, /* undefined with 66, F2 or F3 */
    OPCODE_NO_REPEAT = 1 << 11, /* another instruction, or none, with F2 or F3 */
    OPCODE_NO_16 = 1 << 12,     /* 4 bytes even where 2 are the default */
    OPCODE_DOUBLE = 1 << 13,    /* 8 bytes, 16 with REX.W */
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
    GROUP_0FBA,
    GROUP_0FC7,
    GROUP_COUNT,
};

struct insn_opcode {
    uint8_t form;   /* enum insn_form */
    uint8_t op;     /* enum insn_op; with FORM_GROUP, enum insn_group */
    uint16_t flags; /* enum insn_opcode_flags */
};

/* One-byte opcodes, those after 0F, and those after 0F 38 from F0 on. */
extern const struct insn_opcode insn_opcodes[256];
extern const struct insn_opcode insn_opcodes_0f[256];
extern const struct insn_opcode insn_opcodes_0f38_f0[2];
extern const struct insn_opcode insn_groups[GROUP_COUNT][8];

/* Is opcode, after 0F (as an SSE instruction or in VEX map 1), a move between a vector register and
 * memory? All of them have a ModRM byte and no immediate. */
bool insn_is_vector_move(uint8_t opcode);

#endif
