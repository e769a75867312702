// SPDX-License-Identifier: BSD-2-Clause
/* Decodes one x86 instruction of those that kernels use on memory-mapped registers and for string
 * port I/O. */
#ifndef ARCH_X86_INSN_INSN_DECODE_H
#define ARCH_X86_INSN_INSN_DECODE_H

#include "vmm/base/types.h"

#define INSN_LENGTH_MAX 15

/* The size of code, from the D and L bits of CS. Compatibility mode is INSN_MODE_16 or _32. */
enum insn_mode {
    INSN_MODE_16,
    INSN_MODE_32,
    INSN_MODE_64,
};

/* The first eight are in the order of bits 5:3 of their opcodes. The shifts and the bit tests are
 * in the order of ModRM.reg. */
enum insn_op {
    INSN_ADD,
    INSN_OR,
    INSN_ADC,
    INSN_SBB,
    INSN_AND,
    INSN_SUB,
    INSN_XOR,
    INSN_CMP,
    INSN_ROL,
    INSN_ROR,
    INSN_RCL,
    INSN_RCR,
    INSN_SHL, /* also ModRM.reg 6, which the manual names SAL or leaves out */
    INSN_SHR,
    INSN_SAR,
    INSN_BT,
    INSN_BTS,
    INSN_BTR,
    INSN_BTC,
    INSN_MOV,
    INSN_MOVNTI,
    INSN_MOVZX,
    INSN_MOVSX, /* also MOVSXD */
    INSN_MOVBE,
    INSN_TEST,
    INSN_NOT,
    INSN_NEG,
    INSN_INC,
    INSN_DEC,
    INSN_XCHG,
    INSN_XADD,
    INSN_CMPXCHG,
    INSN_CMPXCHG8B, /* CMPXCHG16B if the operand has 16 bytes */
    INSN_PUSH,
    INSN_POP,
    INSN_SHLD,
    INSN_SHRD,
    INSN_BSF,
    INSN_BSR,
    INSN_CMOV,
    INSN_SET,
    INSN_MUL,
    /* Without a source: of the accumulator. Else destination := source * (third, or the
     * destination). */
    INSN_IMUL,
    INSN_DIV,
    INSN_IDIV,
    /* Instructions that change RIP, or rSP other than by PUSH and POP. */
    INSN_ENTER, /* nesting level 0 */
    INSN_LEAVE,
    INSN_CALL,
    INSN_JMP,
    INSN_RET,
    /* Instructions of insn_system.h, with an operand in memory. */
    INSN_JMP_FAR,
    INSN_MOV_FROM_SEGMENT,
    INSN_MOV_TO_SEGMENT,
    INSN_SLDT,
    INSN_STR,
    INSN_SMSW,
    INSN_LLDT,
    INSN_LTR,
    /* Moves of 4, 8 or 16 bytes between memory and an XMM or MMX register. A load clears the other
     * bytes of an XMM register. */
    INSN_VECTOR_LOAD,
    INSN_VECTOR_STORE,
    /* The string instructions, last in this enum. Their operands are implied: memory.segment:[rSI],
     * ES:[rDI] and the accumulator. */
    INSN_MOVS,
    INSN_CMPS,
    INSN_STOS,
    INSN_LODS,
    INSN_SCAS,
    INSN_INS,
    INSN_OUTS,
};

/* In the order in which instructions number them. */
enum insn_segment_register {
    INSN_ES,
    INSN_CS,
    INSN_SS,
    INSN_DS,
    INSN_FS,
    INSN_GS,
    INSN_SEGMENT_COUNT,
};

enum insn_register {
    INSN_RAX,
    INSN_RCX,
    INSN_RDX,
    INSN_RBX,
    INSN_RSP,
    INSN_RBP,
    INSN_RSI,
    INSN_RDI, /* R8 to R15 are 8 to 15 */
    INSN_GPR_COUNT = 16,
    INSN_RIP = 16, /* as a base: the address of the next instruction */
    INSN_NO_REGISTER = 17,
};

enum insn_operand_kind {
    INSN_OPERAND_NONE,
    INSN_OPERAND_REGISTER,
    INSN_OPERAND_MEMORY,
    INSN_OPERAND_IMMEDIATE,
    INSN_OPERAND_SEGMENT, /* reg: enum insn_segment_register */
    INSN_OPERAND_XMM,     /* reg: 0 to 15 */
    INSN_OPERAND_MMX,     /* reg: 0 to 7 */
};

struct insn_operand {
    enum insn_operand_kind kind;
    uint8_t reg;        /* register operands: 0 to 15 */
    bool high_byte;     /* AH, CH, DH or BH: bits 15:8 of reg, which is 0 to 3 */
    uint8_t size_bytes; /* 1, 2, 4, 8; 16 for CMPXCHG16B and vectors; 4, 6, 10 for far pointers */
};

/* segment:[base + index * scale + displacement], cut to the address size. */
struct insn_memory {
    enum insn_segment_register segment; /* after a segment prefix, or the default */
    uint8_t base;                       /* 0 to 15, INSN_RIP or INSN_NO_REGISTER */
    uint8_t index;                      /* 0 to 15 or INSN_NO_REGISTER */
    uint8_t scale;                      /* 1, 2, 4 or 8 */
    uint64_t displacement;              /* sign-extended; for opcodes A0 to A3 the whole address */
};

enum insn_repeat {
    INSN_REPEAT_NONE,
    INSN_REPEAT_E, /* F3: REP, REPE */
    INSN_REPEAT_NE /* F2: REPNE; acts as REP on strings that compare nothing */
};

struct insn {
    enum insn_op op;
    uint8_t length;             /* bytes, 1 to 15 */
    uint8_t operand_size_bytes; /* of the operation: 1, 2, 4, 8, 16 */
    uint8_t address_size_bytes; /* 2, 4, 8 */
    bool lock;
    bool is_aligned;         /* the operand in memory has to be aligned at any CPL; else #GP */
    uint8_t condition;       /* of CMOVcc and SETcc: 0 to 15, as the opcodes number it */
    enum insn_repeat repeat; /* the last F2 or F3 prefix; only strings use it */
    struct insn_operand destination; /* the first operand in the manual's order */
    struct insn_operand source;
    struct insn_operand third; /* IMUL, SHLD, SHRD: an immediate or CL */
    struct insn_memory memory; /* valid if an operand is INSN_OPERAND_MEMORY */
    uint64_t immediate; /* sign-extended from its encoded size; for ENTER, the size of the frame */
};

enum insn_result {
    INSN_DECODED,
    INSN_INCOMPLETE,  /* the bytes end before the instruction does */
    INSN_TOO_LONG,    /* more than 15 bytes: #GP(0) */
    INSN_UNDEFINED,   /* #UD */
    INSN_UNSUPPORTED, /* not decoded here; it may be a valid instruction */
};

/* Decodes the instruction at bytes[0].
 *   count: how many bytes there are; bytes after the 15th are not read;
 *   mode: the default sizes, as CS.D and CS.L select them.
 *
 * Decodes
 *   MOV (not to or from control and debug registers), MOVZX, MOVSX, MOVSXD, MOVBE, MOVNTI, CMOVcc,
 *     SETcc, XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B;
 *   ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, NOT, NEG, INC, DEC, MUL, IMUL, DIV, IDIV, the
 *     shifts and rotates, SHLD, SHRD, BT, BTS, BTR, BTC, BSF, BSR, all string instructions;
 *   PUSH and POP (not of segments and flags), ENTER without nesting, LEAVE, near CALL and RET, and
 *     near JMP through a register or memory;
 *   with a memory operand only: far JMP, MOV to and from a segment register, SLDT, STR, SMSW, LLDT,
 *     LTR; MOVAPS, MOVAPD, MOVDQA, MOVUPS, MOVUPD, MOVDQU, LDDQU, MOVNTPS, MOVNTPD, MOVNTDQ,
 *     MOVNTQ, MOVSS, MOVSD, MOVD and MOVQ.
 * Everything else is INSN_UNSUPPORTED, also vector moves with VEX and EVEX.
 *
 * Returns
 *   INSN_DECODED: *insn is complete;
 *   INSN_UNSUPPORTED: insn->length is the length of a vector move, or 0 if the length is not known;
 *     the rest of *insn is zero;
 *   any other result: *insn is zero.
 *
 * Intel SDM vol. 2A, Sep 2023, chapter 2 "Instruction Format"; vol. 2D, appendix A "Opcode Map". */
MUST_USE enum insn_result insn_decode(const uint8_t *bytes, size_t count, enum insn_mode mode,
                                      struct insn *insn);

/* Returns the operation's name in lower case ("cmpxchg"), for traces. Never null. */
const char *insn_op_name(enum insn_op op);

#endif
