// SPDX-License-Identifier: BSD-2-Clause
/* What the configured guests demand of the machine: processors, and memory for the monitor itself.
 * The boot stage asks the firmware for this memory before it leaves. Pure functions. */
#ifndef VMM_MONITOR_DEMAND_H
#define VMM_MONITOR_DEMAND_H

#include "vmm/boot_info.h"

/* Returns the number of processors that the guests need: all vCPUs of guests in parallel, those of
 * the largest guest of a sequence. */
uint32_t demand_processors(const struct boot_info *boot);

/* Return the size of the guest's heap, and the least size with which the guest can be created: its
 * buses with the board, and what is attached in the configuration. Without a size in the
 * configuration a heap is 2 MiB larger than that, for what is attached at the prompt. */
uint64_t demand_heap(const struct guest_config *guest);
uint64_t demand_heap_least(const struct guest_config *guest);

struct memory_demand {
    uint64_t processors_bytes;  /* stacks and structures of the processors that are started */
    uint64_t guests_bytes;      /* vCPUs, page tables, buses */
    uint64_t attachments_bytes; /* doorbells, zones and triggers of the configuration */
    uint64_t total_bytes;       /* with what all share; a multiple of 2 MiB */
};

/* Returns the memory that the monitor needs for the guests, schedule and processors of boot. Of
 * guests in parallel all exist at once, of a sequence one. */
struct memory_demand demand_memory(const struct boot_info *boot);

#endif
