// SPDX-License-Identifier: BSD-2-Clause
/* Interrupt and exception vectors. Intel SDM vol. 3A, "Interrupt and Exception Handling". */
#ifndef ARCH_X86_VECTORS_H
#define ARCH_X86_VECTORS_H

/* Mnemonics from SDM vol. 3A, table "Protected-Mode Exceptions and Interrupts". */
enum trap_vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_MC = 18,
    VECTOR_XM = 19,
    VECTOR_VE = 20,
    VECTOR_CP = 21,

    /* A masked pair of 8259s can still deliver a spurious IRQ 7 or 15 to these (legacy_pic.h). */
    VECTOR_LEGACY_PIC = 0x20,
    VECTOR_LEGACY_PIC_LAST = 0x2f,

    /* The monitor's own interrupts. A higher vector has a higher priority class. */
    VECTOR_FIRST = 0x30,
    VECTOR_LAST = 0xfe,

    VECTOR_SPURIOUS = 0xff,
};

#endif
