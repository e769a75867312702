// SPDX-License-Identifier: BSD-2-Clause
/* Silences the machine's own pair of 8259s, which the monitor does not use. */
#ifndef ARCH_X86_LEGACY_PIC_H
#define ARCH_X86_LEGACY_PIC_H

/* Moves both 8259s to the vectors from VECTOR_LEGACY_PIC on and masks every input. An input that
 * falls at the wrong time can still cause a spurious IRQ 7 or 15: traps.h counts those vectors and
 * does not end them. Has no effect if there are no 8259s. Intel 8259A datasheet, "Initialization
 * Command Words". */
void legacy_pic_disable(void);

#endif
