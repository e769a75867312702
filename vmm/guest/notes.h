// SPDX-License-Identifier: BSD-2-Clause
/* Notes to a vCPU: what others want it to look at before it next enters its guest. */
#ifndef VMM_GUEST_NOTES_H
#define VMM_GUEST_NOTES_H

#include "vmm/base/types.h"

#include <stdatomic.h>

struct cpu;

/* What a note may say: bits of vcpu_notes.attention. */
enum vcpu_attention {
    ATTENTION_STOP = 1,      /* the guest is no longer running */
    ATTENTION_INTERRUPT = 2, /* an interrupt may be waiting */
    ATTENTION_TIMER = 4,     /* a deadline has moved */
    ATTENTION_DUMP = 8,      /* somebody wants to see the registers */
    ATTENTION_QUIESCE = 16,  /* somebody waits for this vCPU to be done with replaced tables */
    ATTENTION_CONSOLE = 32,  /* the console has work; the first processor's vCPU */
    ATTENTION_EVENT = 64,    /* its own: something is queued or blocked, or the vCPU is halted */
    ATTENTION_KICKED = 128,  /* one of the notes came with an interrupt */
};

/* The notes to one vCPU, which is their owner. */
struct vcpu_notes {
    struct cpu *cpu;            /* where the vCPU lives */
    _Atomic uint32_t attention; /* of enum vcpu_attention */
    _Atomic uint64_t look_tsc;  /* exits from then on look at more than themselves: the vCPU's
                                 * deadline, or 0 where there may be a note */
};

/* The owner's note to itself, between two exits. */
static inline void notes_add(struct vcpu_notes *notes, uint32_t attention)
{
    (void)atomic_fetch_or_explicit(&notes->attention, attention, memory_order_relaxed);
    atomic_store_explicit(&notes->look_tsc, 0, memory_order_relaxed);
}

/* Leaves a note of enum vcpu_attention. The owner reads it before it next enters its guest; if it
 * is inside, it leaves for that. From any processor. */
void notes_leave(struct vcpu_notes *notes, uint32_t attention);

#endif
