// SPDX-License-Identifier: BSD-2-Clause
/* Notes to a vCPU: others ask it to look at something before it next enters its guest. */
#ifndef VMM_GUEST_NOTES_H
#define VMM_GUEST_NOTES_H

#include "vmm/base/types.h"

#include <stdatomic.h>

struct cpu;

/* The bits of vcpu_notes.attention. */
enum vcpu_attention {
    ATTENTION_STOP = 1,      /* the guest is no longer running */
    ATTENTION_INTERRUPT = 2, /* an interrupt may be waiting */
    ATTENTION_TIMER = 4,     /* a deadline has moved */
    ATTENTION_DUMP = 8,      /* somebody waits for the registers to be printed */
    ATTENTION_QUIESCE = 16,  /* somebody waits until this vCPU no longer uses replaced tables */
    ATTENTION_CONSOLE = 32,  /* the console has work; only for the first processor's vCPU */
    ATTENTION_EVENT = 64,    /* from the vCPU itself: an event is queued or waits, or the vCPU is
                              * halted */
    ATTENTION_KICKED = 128,  /* one of the notes came with an interrupt */
};

/* The notes to one vCPU, which is their owner. */
struct vcpu_notes {
    struct cpu *cpu;            /* the processor that the vCPU belongs to */
    _Atomic uint32_t attention; /* bits of enum vcpu_attention */
    _Atomic uint64_t look_tsc;  /* an exit at this time or later makes the vCPU look at more than
                                 * the exit: its deadline, or 0 if there may be a note */
};

/* Leaves a note of the owner to itself. attention is of enum vcpu_attention. Called between two
 * exits. */
static inline void notes_add(struct vcpu_notes *notes, uint32_t attention)
{
    (void)atomic_fetch_or_explicit(&notes->attention, attention, memory_order_relaxed);
    atomic_store_explicit(&notes->look_tsc, 0, memory_order_relaxed);
}

/* Leaves a note. attention is of enum vcpu_attention. The owner reads the note before it next
 * enters its guest; if it is in its guest, the kick makes it exit. Called on any processor. */
void notes_leave(struct vcpu_notes *notes, uint32_t attention);

#endif
