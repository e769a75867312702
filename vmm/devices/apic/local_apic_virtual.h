// SPDX-License-Identifier: BSD-2-Clause
/* A local APIC whose page (struct local_apic.page) a processor with APIC virtualization uses as the
 * virtual-APIC page. Sections are those of the Intel SDM vol. 3C, Sep 2023, chapter "APIC
 * Virtualization and Virtual Interrupts".
 *
 * While the guest runs, the processor reads registers in the page, moves the highest request from
 * IRR to ISR, and executes the guest's writes to TPR, EOI and, for IPIs to itself, to ICR and SELF
 * IPI. The guest interrupt status of the VMCS (RVI, SVI) always has the highest bits of IRR and
 * ISR. So it is computed from the page before an entry and never read back. Around each entry the
 * owner of the APIC does this, besides what local_apic.h says:
 *
 *     local_apic_accept as before; nothing to inject
 *     local_apic_reload, local_apic_show
 *     the VMCS gets local_apic_interrupt_status and the four local_apic_eoi_exits
 *     enter; exits for single registers: local_apic_written, local_apic_ended
 *
 * In one thing the processor differs from the APIC: TMR keeps its bit of a vector that the guest
 * sends to itself. So if that vector was level-triggered before, its end exits as if it still were.
 *
 * While the APIC is not virtual, the page is an array like any other. */
#ifndef VMM_DEVICES_APIC_LOCAL_APIC_VIRTUAL_H
#define VMM_DEVICES_APIC_LOCAL_APIC_VIRTUAL_H

#include "vmm/devices/apic/local_apic.h"

/* Returns whether a processor that virtualizes the APIC does the same as this APIC in its current
 * mode. It does not for an APIC that is disabled, globally or by software: such an APIC refuses
 * IPIs to itself, but processors do not. It does not for an xAPIC outside the default base either,
 * because all vCPUs of a guest share one place for the APIC-access page. */
bool local_apic_can_be_virtual(const struct local_apic *apic);

/* Sets whether the processor itself takes interrupts out of the page (is_virtual). merge_ticks,
 * ticks of the TSC: see struct local_apic. */
void local_apic_set_virtual(struct local_apic *apic, bool is_virtual, uint64_t merge_ticks);

/* Copies into the page the registers that have their place elsewhere, if any has changed. While
 * apic->is_shown is set, none has changed, and local_apic_can_be_virtual has not changed either. */
void local_apic_show(struct local_apic *apic);

/* Computes local_apic_pending_vector and local_apic_interrupt_status after the processor may have
 * changed the page. */
void local_apic_reload(struct local_apic *apic);

/* Returns the guest interrupt status, "Guest Non-Register State": SVI in bits 15:8, RVI in bits
 * 7:0. */
static inline uint16_t local_apic_interrupt_status(const struct local_apic *apic)
{
    return apic->interrupt_status;
}

/* Returns the EOI-exit bitmap of vectors 64 * quarter and higher, "Controls for APIC
 * Virtualization"; quarter: 0..3. A level-triggered interrupt exits when it ends, because its end
 * concerns others. */
uint64_t local_apic_eoi_exits(const struct local_apic *apic, unsigned quarter);

/* Handles an APIC-write VM exit, "APIC-Write VM Exits": the guest has written the page at offset,
 * 0..0xfff, and this function executes the write. May send IPIs. The page then shows the register's
 * real content. */
void local_apic_written(struct local_apic *apic, uint32_t offset, uint64_t now_tsc);

/* Handles an EOI-induced VM exit, "EOI Virtualization": the processor has ended the interrupt of
 * this vector and left the guest. */
void local_apic_ended(struct local_apic *apic, uint8_t vector);

/* Returns whether RDMSR or WRMSR of an x2APIC register, index 0x800..0x8ff, may be left to the
 * processor. The processor reads the page without a check which registers exist, and executes
 * writes of three registers ("Virtualizing MSR-Based APIC Accesses"). */
bool local_apic_msr_passes(uint32_t index, bool is_write);

#endif
