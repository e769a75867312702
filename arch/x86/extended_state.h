// SPDX-License-Identifier: BSD-2-Clause
/* The state that XSAVE manages: x87, SSE, AVX and later vector registers. The monitor's own code
 * touches none of it, so the guest's stays in the processor across exits and entries; for a guest's
 * move between one of these registers and a device it is reached with the functions below. */
#ifndef ARCH_X86_EXTENDED_STATE_H
#define ARCH_X86_EXTENDED_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Brings all of it to its initial configuration on this processor, XCR0 to 1: no guest sees
 * another's registers. CR4.OSXSAVE is set where there is XSAVE. SDM vol. 1 (Sep 2023), "Operation
 * of XRSTOR". */
void extended_state_reset(void);

/* Tries XSAVEC on this processor: whether it stores the upper halves of the YMM registers where the
 * compacted format has them, behind the header. Bochs 2.7 stores everything behind the SSE
 * registers 160 bytes too low, at the end of these, and its XRSTOR does not look there: a kernel
 * that switches tasks with the two loses vector registers. True where there is no XSAVEC or no AVX.
 * Loses the processor's extended state. SDM vol. 1 (Sep 2023), "Compacted Format of the Extended
 * Region of an XSAVE Area". */
bool extended_state_compacts_rightly(void);

/* XMM register number 0..15, 16 bytes. What lies above it in a wider register stays. */
void extended_state_read_xmm(unsigned number, uint8_t bytes[16]);
void extended_state_write_xmm(unsigned number, const uint8_t bytes[16]);

/* MMX register number 0..7, 8 bytes. As after every MMX instruction, the x87 registers' tags are
 * then all valid and TOP is 0. No x87 exception may be pending. */
void extended_state_read_mmx(unsigned number, uint8_t bytes[8]);
void extended_state_write_mmx(unsigned number, const uint8_t bytes[8]);

/* Is an unmasked x87 exception pending (ES of the status word), which the next MMX or waiting x87
 * instruction reports as #MF? */
bool extended_state_has_x87_exception(void);

#endif
