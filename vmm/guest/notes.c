// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/guest/notes.h"

#include "vmm/host/cpus.h"

void notes_leave(struct vcpu_notes *notes, uint32_t attention)
{
    if (notes->cpu == cpu_this()) {
        notes_add(notes, attention);
        return;
    }
    /* The first sender since the owner last took its notes has kicked the owner. A note that the
     * owner left for itself says nothing about a kick: the owner may be in its guest with such a
     * note. */
    uint32_t before = atomic_fetch_or_explicit(&notes->attention, attention | ATTENTION_KICKED,
                                               memory_order_seq_cst);

    atomic_store_explicit(&notes->look_tsc, 0, memory_order_seq_cst);
    if ((before & ATTENTION_KICKED) == 0)
        cpus_kick(notes->cpu);
}
