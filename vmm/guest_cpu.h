/* The guest's processor as the instruction executor sees it: registers out of the VMCS and back,
 * linear memory through the guest's page tables to RAM or the MMIO bus. */
#ifndef VMM_GUEST_CPU_H
#define VMM_GUEST_CPU_H

#include "arch/x86/exits/exit_qualification.h"
#include "vmm/vcpu.h"

/* Executes the instruction at RIP in the guest's stead: one that touched MMIO at address. What
 * cannot be executed stops the guest with the reason. */
enum exit_action guest_cpu_execute(struct vcpu *vcpu, gpa_t address);

/* Executes INS or OUTS, REP or not, as an I/O exit describes it. */
enum exit_action guest_cpu_string_io(struct vcpu *vcpu, const struct exit_io *io);

/* Copies up to size_bytes from the guest's linear memory as its supervisor sees it, for dumps: no
 * fault, no side effect on the guest, MMIO left alone. Returns how many bytes could be read. */
size_t guest_cpu_peek(struct vcpu *vcpu, gva_t address, void *data, size_t size_bytes);

#endif
