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

static void drive_edges(struct line_trigger *trigger)
{
    for (uint64_t raised = get(&trigger->raised); trigger->raised_taken != raised;
         trigger->raised_taken++) {
        line_set(&trigger->line, false);
        line_set(&trigger->line, true);
        set(&trigger->delivered, get(&trigger->delivered) + 1);
    }
}

/* Handles ends before new events: an end can only belong to an event that was on the line
 * before. */
static void drive_level(struct line_trigger *trigger)
{
    uint64_t pending = get(&trigger->pending);
    uint64_t ended = get(&trigger->ended);
    uint64_t raised = get(&trigger->raised);
    uint64_t news = raised - trigger->raised_taken;

    for (; trigger->ended_taken != ended; trigger->ended_taken++) {
        if (pending == 0)
            continue;
        pending--;
        set(&trigger->pending, pending);
        set(&trigger->delivered, get(&trigger->delivered) + 1);
        line_set(&trigger->line, false);
        if (pending != 0)
            line_set(&trigger->line, true);
    }
    trigger->raised_taken = raised;
    set(&trigger->pending, pending + news);
    if (pending == 0 && news != 0)
        line_set(&trigger->line, true);
}

/* Handles all posts, unless another CPU does already. The addition releases the post and the
 * subtraction acquires it: a CPU that finds posts left sees them in its next round. */
static void drive(struct line_trigger *trigger)
{
    uint64_t seen = 1;

    if (atomic_fetch_add_explicit(&trigger->unhandled, 1, memory_order_acq_rel) != 0)
        return;
    do {
        bool is_closed = atomic_load_explicit(&trigger->is_closed, memory_order_relaxed);

        if (atomic_exchange_explicit(&trigger->wants_reset, false, memory_order_relaxed) ||
            is_closed)
            forget(trigger);
        else if (trigger->is_level)
            drive_level(trigger);
        else
            drive_edges(trigger);
        seen = atomic_fetch_sub_explicit(&trigger->unhandled, seen, memory_order_acq_rel) - seen;
    } while (seen != 0);
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
    atomic_store_explicit(&trigger->is_closed, true, memory_order_relaxed);
    drive(trigger);
}
