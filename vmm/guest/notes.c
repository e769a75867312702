// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/guest/notes.h"

#include "vmm/host/cpus.h"

void notes_leave(struct vcpu_notes *notes, uint32_t attention)
{
    if (notes->cpu == cpu_this()) {
        notes_add(notes, attention);
        return;
    }
    /* Whoever was the first since the owner last took its notes has kicked it. What it noted itself
     * says nothing about that: it may be in its guest with such a note. */
    uint32_t before = atomic_fetch_or_explicit(&notes->attention, attention | ATTENTION_KICKED,
                                               memory_order_seq_cst);

    atomic_store_explicit(&notes->look_tsc, 0, memory_order_seq_cst);
    if ((before & ATTENTION_KICKED) == 0)
        cpus_kick(notes->cpu);
}
