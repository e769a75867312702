// SPDX-License-Identifier: BSD-2-Clause
/* The guest's registers other than the general ones, for instructions executed in its stead. The
 * functions are those that struct insn_env and struct insn_system ask for
 * (arch/x86/insn/insn_state.h, insn_system.h). All of them work on the current VMCS and on the
 * processor they run on. The context begins with a struct vcpu *, the vCPU that the VMCS belongs
 * to. */
#ifndef VMM_VCPU_REGISTERS_H
#define VMM_VCPU_REGISTERS_H

#include "arch/x86/insn/insn_system.h"

/* Read or write the MMX or XMM register that operand names. Intel SDM vol. 3A, Sep 2023, tables
 * "Action Taken By MMX Instructions for Different Combinations of EM, MP and TS" and "Action Taken
 * for Combinations of OSFXSR, OSXMMEXCPT, SSE, SSE2, SSE3, EM, MP, and TS".
 * INSN_ACCESS_OK: the register was read or written.
 * INSN_ACCESS_FAULT: *fault is one of these:
 *   #UD with CR0.EM, or for XMM registers without CR4.OSFXSR;
 *   #NM with CR0.TS;
 *   #MF for MMX registers while an x87 exception is pending. */
enum insn_access_result vcpu_vector_read(void *context, const struct insn_operand *operand,
                                         uint8_t bytes[16], struct insn_fault *fault);
enum insn_access_result vcpu_vector_write(void *context, const struct insn_operand *operand,
                                          const uint8_t bytes[16], struct insn_fault *fault);

/* Read or load the guest's register that the name says, as the guest sees it. number is of enum
 * insn_segment_register, INSN_LDTR or INSN_TR. vcpu_read_ldt returns base and limit 0 if LDTR is
 * unusable. */
uint64_t vcpu_read_cr0(void *context);
uint64_t vcpu_read_cr4(void *context);
bool vcpu_in_ia32e_mode(void *context);
uint16_t vcpu_read_selector(void *context, unsigned number);
struct insn_segment vcpu_read_segment(void *context, unsigned number);
void vcpu_load_segment(void *context, unsigned number, uint16_t selector,
                       const struct insn_segment *segment);
struct insn_table vcpu_read_gdt(void *context);
struct insn_table vcpu_read_ldt(void *context);

#endif
