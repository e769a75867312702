// SPDX-License-Identifier: BSD-2-Clause
/* Wakes application processors. Intel SDM vol. 3A (Sep 2023), "Multiple-Processor (MP)
 * Initialization". */
#ifndef ARCH_X86_AP_START_H
#define ARCH_X86_AP_START_H

#include "arch/x86/memory/page_table.h"

/* Pages below 1 MiB that starting needs: code, parameters, and the first level of page tables,
 * which a processor in real mode can load from below 4 GiB only. */
#define AP_START_PAGES 3

/* Puts the trampoline into AP_START_PAGES pages at area, below 1 MiB, and maps them in table, which
 * is in force here and which the others will use. area: 0 if there is none. STATUS_OUT_OF_RANGE:
 * not whole pages below 1 MiB; else as page_table_map. */
MUST_USE enum status ap_start_prepare(struct page_table *table, hpa_t area);

/* Sets the processor with this APIC id going: function(context) on its stack, in 64-bit mode with
 * the monitor's page tables, interrupts off, no IDT loaded. wait_us waits so many microseconds, at
 * least. Returns when the messages are out; whether the processor came is for function to say. The
 * parameters are in use until then: no other may be started before it has come or is given up.
 * STATUS_OUT_OF_RANGE, STATUS_UNSUPPORTED: as lapic_send_init. */
MUST_USE enum status ap_start(uint32_t apic_id, uint64_t stack_top, void (*function)(void *),
                              void *context, void (*wait_us)(uint64_t microseconds));

/* No more processors will be started. The pages stay: whoever wakes late halts in them. */
void ap_start_finish(void);

#endif
