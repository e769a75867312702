// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/notify/line_trigger.h"

#include <string.h>

void line_trigger_init(struct line_trigger *trigger, struct line line, bool is_level)
{
    memset(trigger, 0, sizeof(*trigger));
    trigger->line = line;
    trigger->is_level = is_level;
}

/* Sets a value that only the driving CPU writes and others read for a report. */
static void set(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void forget(struct line_trigger *trigger)
{
    trigger->raised_taken = get(&trigger->raised);
    trigger->ended_taken = get(&trigger->ended);
    set(&trigger->pending, 0);
    line_set(&trigger->line, false);
}

/* Handles events until none is left, or *steps is 0. Returns whether none is left. A look that finds
 * none is no step: each look is for another post, and so for another event. */
static inline bool drive_edges(struct line_trigger *trigger, unsigned *steps)
{
    uint64_t raised = get(&trigger->raised);

    while (trigger->raised_taken != raised) {
        if (__builtin_expect((*steps)-- == 0, 0)) {
            *steps = 0;
            return false;
        }
        line_set(&trigger->line, false);
        line_set(&trigger->line, true);
        set(&trigger->delivered, get(&trigger->delivered) + 1);
        trigger->raised_taken++;
    }
    return true;
}

/* Handles ends until none is left, or *steps is 0, and then all events. Ends come before new events:
 * an end can only belong to an event that was on the line before. Returns whether nothing is
 * left. */
static __attribute__((noinline)) bool drive_level(struct line_trigger *trigger, unsigned *steps)
{
    uint64_t pending = get(&trigger->pending);
    uint64_t ended = get(&trigger->ended);
    uint64_t raised = get(&trigger->raised);
    uint64_t news = raised - trigger->raised_taken;

    if (*steps == 0)
        return false;
    --*steps; /* for an end that ends nothing, too */
    for (; pending != 0 && trigger->ended_taken != ended; trigger->ended_taken++, --*steps) {
        if (*steps == 0)
            return false;
        pending--;
        set(&trigger->pending, pending);
        set(&trigger->delivered, get(&trigger->delivered) + 1);
        line_set(&trigger->line, false);
        if (pending != 0)
            line_set(&trigger->line, true);
    }
    trigger->ended_taken = ended; /* nothing was pending for the others */
    trigger->raised_taken = raised;
    set(&trigger->pending, pending + news);
    if (pending == 0 && news != 0)
        line_set(&trigger->line, true);
    return true;
}

/* Looks at what was posted and handles it, as far as *steps go. Returns whether nothing is left. */
static inline bool handle_posts(struct line_trigger *trigger, unsigned *steps)
{
    if (__builtin_expect(atomic_load_explicit(&trigger->wants_reset, memory_order_relaxed), 0) &&
        atomic_exchange_explicit(&trigger->wants_reset, false, memory_order_acq_rel)) {
        forget(trigger);
        return true;
    }
    return trigger->is_level ? drive_level(trigger, steps) : drive_edges(trigger, steps);
}

/* Takes the right to drive what was postponed. Returns false if nothing is, or another CPU was
 * first. */
static bool take_postponed(struct line_trigger *trigger)
{
    return atomic_load_explicit(&trigger->is_postponed, memory_order_relaxed) &&
           atomic_exchange_explicit(&trigger->is_postponed, false, memory_order_seq_cst);
}

/* Leaves what was posted to the next caller. Returns false if the trigger was closed meanwhile and
 * this CPU has to go on. The order is: set is_postponed, then look at is_closed. line_trigger_close
 * goes the other way round. So at least one of the two sees the other, and nothing of a closed
 * trigger stays postponed. */
static __attribute__((noinline)) bool postpone(struct line_trigger *trigger)
{
    atomic_store_explicit(&trigger->is_postponed, true, memory_order_seq_cst);
    if (atomic_load_explicit(&trigger->is_closed, memory_order_seq_cst))
        return !take_postponed(trigger);
    if (trigger->postponed != NULL)
        trigger->postponed(trigger->postponed_context);
    return true;
}

/* Handles posts until there are none or this call has done its share; only the one CPU that drives
 * calls it. seen: the posts that this CPU knows of. The subtraction acquires what those released
 * who posted: a CPU that finds posts left sees them in its next look. The posts of a closed trigger
 * are forgotten, and no share limits that: only those who already use the trigger can post. */
static __attribute__((noinline)) void drive_on(struct line_trigger *trigger, uint64_t seen)
{
    unsigned steps = LINE_TRIGGER_BATCH;

    do {
        if (__builtin_expect(atomic_load_explicit(&trigger->is_closed, memory_order_relaxed), 0)) {
            forget(trigger);
        } else if (__builtin_expect(!handle_posts(trigger, &steps), 0)) {
            if (postpone(trigger))
                return;
            continue;
        }
        seen = atomic_fetch_sub_explicit(&trigger->unhandled, seen, memory_order_acq_rel) - seen;
    } while (seen != 0);
}

/* Drives the line for a post that was just made, unless another CPU does already. The addition
 * releases the post. */
static void drive(struct line_trigger *trigger)
{
    if (__builtin_expect(
            atomic_fetch_add_explicit(&trigger->unhandled, 1, memory_order_seq_cst) == 0, 1))
        drive_on(trigger, 1);
    else
        line_trigger_continue(trigger);
}

void line_trigger_continue(struct line_trigger *trigger)
{
    if (take_postponed(trigger))
        drive_on(trigger, atomic_load_explicit(&trigger->unhandled, memory_order_acquire));
}

void line_trigger_raise(struct line_trigger *trigger)
{
    if (atomic_load_explicit(&trigger->is_closed, memory_order_relaxed))
        return;
    atomic_fetch_add_explicit(&trigger->raised, 1, memory_order_relaxed);
    drive(trigger);
}

void line_trigger_end_of_interrupt(struct line_trigger *trigger)
{
    if (!trigger->is_level)
        return;
    atomic_fetch_add_explicit(&trigger->ended, 1, memory_order_relaxed);
    drive(trigger);
}

void line_trigger_reset(struct line_trigger *trigger)
{
    atomic_store_explicit(&trigger->wants_reset, true, memory_order_relaxed);
    drive(trigger);
}

void line_trigger_close(struct line_trigger *trigger)
{
    atomic_store_explicit(&trigger->is_closed, true, memory_order_seq_cst);
    drive(trigger);
}
