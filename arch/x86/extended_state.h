// SPDX-License-Identifier: BSD-2-Clause
/* Accesses the state that XSAVE manages: x87, SSE, AVX and later vector registers. The monitor's
 * own code does not use these registers, so the guest's values stay in the processor across exits
 * and entries. The functions below serve a guest's move between one of these registers and a
 * device. */
#ifndef ARCH_X86_EXTENDED_STATE_H
#define ARCH_X86_EXTENDED_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Sets all of this state to its initial configuration on this processor, and XCR0 to 1, so that no
 * guest sees another guest's registers. Expects CR4.OSXSAVE to be set if the processor has XSAVE.
 * SDM vol. 1 (Sep 2023), "Operation of XRSTOR". */
void extended_state_reset(void);

/* Tests XSAVEC on this processor. Returns whether it stores the upper halves of the YMM registers
 * where the compacted format has them, after the header; true if there is no XSAVEC or no AVX.
 * Loses the processor's extended state.
 *
 * Bochs 2.7 stores everything that follows the SSE registers 160 bytes too low, at the end of
 * these, and its XRSTOR does not look there: a kernel that switches tasks with the two loses vector
 * registers. SDM vol. 1 (Sep 2023), "Compacted Format of the Extended Region of an XSAVE Area". */
bool extended_state_compacts_rightly(void);

/* Read and write XMM register number 0 to 15, 16 bytes. The bits of a wider register above the XMM
 * register do not change. */
void extended_state_read_xmm(unsigned number, uint8_t bytes[16]);
void extended_state_write_xmm(unsigned number, const uint8_t bytes[16]);

/* Read and write MMX register number 0 to 7, 8 bytes. As after every MMX instruction, the tags of
 * the x87 registers are then all valid and TOP is 0. No x87 exception may be pending. */
void extended_state_read_mmx(unsigned number, uint8_t bytes[8]);
void extended_state_write_mmx(unsigned number, const uint8_t bytes[8]);

/* Returns whether an unmasked x87 exception is pending (ES of the status word), which the next MMX
 * or waiting x87 instruction would report as #MF. */
bool extended_state_has_x87_exception(void);

#endif
