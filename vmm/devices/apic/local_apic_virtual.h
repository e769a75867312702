// SPDX-License-Identifier: BSD-2-Clause
/* A local APIC whose page (struct local_apic.page) a processor with APIC virtualization uses as the
 * virtual-APIC page. Sections cited are those of the Intel SDM vol. 3C, Sep 2023, chapter "APIC
 * Virtualization and Virtual Interrupts".
 *
 * While the guest runs, the processor reads registers in the page, takes the highest request from
 * IRR to ISR, and carries out what the guest writes to TPR, EOI and, for IPIs to itself, to ICR and
 * SELF IPI. The guest interrupt status of the VMCS (RVI, SVI) is always the highest bits of IRR and
 * ISR: so it is worked out from the page before an entry and never read back. Around the guest's
 * running the owner of the APIC does this, besides what local_apic.h says:
 *
 *     local_apic_accept as before; nothing to inject
 *     local_apic_reload, local_apic_show
 *     the VMCS gets local_apic_interrupt_status and the four local_apic_eoi_exits
 *     enter; exits for single registers: local_apic_written, local_apic_ended
 *
 * One thing is the processor's way and not the APIC's: TMR keeps its bit of a vector that the guest
 * sends to itself. So a vector that was level-triggered before exits when it ends, as if it were.
 *
 * While the APIC is not virtual, everything is as if the page were an array like any other. */
#ifndef VMM_DEVICES_APIC_LOCAL_APIC_VIRTUAL_H
#define VMM_DEVICES_APIC_LOCAL_APIC_VIRTUAL_H

#include "vmm/devices/apic/local_apic.h"

/* Whether a processor that virtualizes the APIC does what this one would do, in the mode that it is
 * in. Not so for an APIC that is disabled, globally or by software: it would refuse IPIs to itself,
 * which processors do not. Nor for an xAPIC elsewhere than at the default base, as all vCPUs of a
 * guest share one place for the APIC-access page. */
bool local_apic_can_be_virtual(const struct local_apic *apic);

/* From now on the processor takes interrupts out of the page by itself (is_virtual), or no longer.
 * merge_ticks, ticks of the TSC: see struct local_apic. */
void local_apic_set_virtual(struct local_apic *apic, bool is_virtual, uint64_t merge_ticks);

/* Copies into the page what does not live there, if any of it has changed: while apic->is_shown,
 * none has, nor has what local_apic_can_be_virtual goes by. */
void local_apic_show(struct local_apic *apic);

/* Works out local_apic_pending_vector and local_apic_interrupt_status after the processor may have
 * changed the page. */
void local_apic_reload(struct local_apic *apic);

/* "Guest Non-Register State", guest interrupt status: SVI in bits 15:8, RVI in bits 7:0. */
static inline uint16_t local_apic_interrupt_status(const struct local_apic *apic)
{
    return apic->interrupt_status;
}

/* "Controls for APIC Virtualization", the EOI-exit bitmap of vectors 64 * quarter and up; quarter:
 * 0..3. The end of a level-triggered interrupt concerns others. */
uint64_t local_apic_eoi_exits(const struct local_apic *apic, unsigned quarter);

/* "APIC-Write VM Exits": the guest has written the page at offset, 0..0xfff; carries the write out.
 * May send IPIs. The page then shows what the register really holds. */
void local_apic_written(struct local_apic *apic, uint32_t offset, uint64_t now_tsc);

/* "EOI Virtualization": the processor has ended the interrupt of this vector and left to tell. */
void local_apic_ended(struct local_apic *apic, uint8_t vector);

/* Whether RDMSR or WRMSR of an x2APIC register, index 0x800..0x8ff, may be left to the processor:
 * it reads the page without a look at which registers there are, and carries out writes of three
 * registers ("Virtualizing MSR-Based APIC Accesses"). */
bool local_apic_msr_passes(uint32_t index, bool is_write);

#endif
