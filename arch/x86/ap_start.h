// SPDX-License-Identifier: BSD-2-Clause
/* Starts application processors. Intel SDM vol. 3A (Sep 2023), "Multiple-Processor (MP)
 * Initialization". */
#ifndef ARCH_X86_AP_START_H
#define ARCH_X86_AP_START_H

#include "arch/x86/memory/page_table.h"

/* The pages below 1 MiB that a start needs: code, parameters, and the first level of page tables,
 * which a processor in real mode can load only from below 4 GiB. */
#define AP_START_PAGES 3

/* Puts the trampoline into AP_START_PAGES pages at area and maps them in table, which is in force
 * on this processor and which the others will use. area is below 1 MiB; 0 if there is none.
 *   STATUS_OUT_OF_RANGE: area is 0, or not whole pages below 1 MiB.
 *   other errors: those of page_table_map. */
MUST_USE enum status ap_start_prepare(struct page_table *table, hpa_t area);

/* Starts the processor with this APIC ID: it calls function(context) on its stack, in 64-bit mode
 * with the monitor's page tables, interrupts off and no IDT loaded. Returns after the messages are
 * sent; function has to report that the processor runs. Until then the processor uses the
 * parameters: no other may be started before this one has reported or is given up.
 *   stack_top: the address after the stack's last byte;
 *   wait_us: waits at least so many microseconds.
 *   STATUS_OUT_OF_RANGE, STATUS_UNSUPPORTED: see lapic_send_init. */
MUST_USE enum status ap_start(uint32_t apic_id, uint64_t stack_top, void (*function)(void *),
                              void *context, void (*wait_us)(uint64_t microseconds));

/* Ends the starting of processors. The pages stay as they are: a processor that wakes late halts in
 * them. */
void ap_start_finish(void);

#endif
