// SPDX-License-Identifier: BSD-2-Clause
/* The machine's own pair of 8259s, which the monitor has no use for. */
#ifndef ARCH_X86_LEGACY_PIC_H
#define ARCH_X86_LEGACY_PIC_H

/* Moves both to the vectors VECTOR_LEGACY_PIC.. and masks every input. Even so an input that falls
 * at the wrong time gives a spurious IRQ 7 or 15: those vectors are counted and not ended
 * (traps.h). Harmless where there are none. Intel 8259A datasheet, "Initialization Command Words".
 */
void legacy_pic_disable(void);

#endif
