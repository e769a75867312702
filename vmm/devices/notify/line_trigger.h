// SPDX-License-Identifier: BSD-2-Clause
/* A line trigger: an event, from anywhere, that becomes an interrupt on a line. KVM calls this an
 * irqfd, and the level-triggered kind a resamplefd (Linux, Documentation/virt/kvm/api.rst,
 * "KVM_IRQFD").
 *
 * Edge: each event is a rising edge. The line stays high between events, because an 8259A drops an
 * edge whose line goes low before the acknowledge (Intel 8259A datasheet, order number 231468,
 * "Edge and Level Triggered Modes"). The input belongs to this trigger alone and is edge-triggered.
 * Level: each event is one interrupt. The line is high while events are pending. An end of
 * interrupt removes one event: the line goes low and, if there are more events, high again. So an
 * edge-triggered controller sees one edge for each event as well.
 *
 * Events and ends may come from any number of CPUs at once, and from within the line's own
 * listener. Nobody waits: each caller posts what happened, and the first one drives the line also
 * for those who post meanwhile. So no lock is held while the line changes, and the line's listener
 * may hold or take any lock.
 *
 * One call does at most LINE_TRIGGER_BATCH steps, however many others post: a step is an event, an
 * end, or a look at what was posted. What is left then is postponed: the next caller goes on with
 * it, or whoever follows the trigger's postponed hook. */
#ifndef VMM_DEVICES_NOTIFY_LINE_TRIGGER_H
#define VMM_DEVICES_NOTIFY_LINE_TRIGGER_H

#include "vmm/devices/line.h"

#include <stdatomic.h>
#include <stdint.h>

#define LINE_TRIGGER_BATCH 16

struct line_trigger {
    /* Driven only by this trigger; with a second driver, edges would be lost. */
    struct line line;
    bool is_level;
    /* Called when a call has left work behind, in the state in which the call was made. It arranges
     * for line_trigger_continue to be called soon, but does not call it. Null: the work waits for
     * the next event, end or line_trigger_continue. */
    void (*postponed)(void *context);
    void *postponed_context;

    /* Any CPU writes these. */
    _Atomic uint64_t raised;    /* events since the beginning */
    _Atomic uint64_t ended;     /* ends of interrupt on the line, whoever had asserted it */
    _Atomic bool wants_reset;   /* drop the pending events */
    _Atomic bool is_closed;     /* accept no more events */
    _Atomic uint64_t unhandled; /* posts that the driving CPU has not handled yet */
    _Atomic bool is_postponed;  /* there are such posts, and no CPU drives the line: the CPU that
                                   sets this back to false drives it next */

    /* Only the driving CPU writes these; others may read the atomic ones. */
    uint64_t raised_taken, ended_taken;
    _Atomic uint64_t pending;   /* level: events whose interrupt has not ended */
    _Atomic uint64_t delivered; /* edge: edges; level: ends that removed an event */
};

/* Sets up the trigger. The line is low at this moment. */
void line_trigger_init(struct line_trigger *trigger, struct line line, bool is_level);

/* Raises one event: exactly one interrupt, if the guest ends each interrupt. When this function
 * returns, the line has been driven, or another CPU is about to drive it, or that is postponed. */
void line_trigger_raise(struct line_trigger *trigger);

/* Handles the end of an interrupt on this line. Does nothing if no event is pending, because
 * another source may have asserted the line, and nothing for edges. */
void line_trigger_end_of_interrupt(struct line_trigger *trigger);

/* Drops pending events and lowers the line; the counters keep their values. */
void line_trigger_reset(struct line_trigger *trigger);

/* Does what line_trigger_reset does, for good: later events are ignored, and nothing is postponed
 * any more. */
void line_trigger_close(struct line_trigger *trigger);

/* Goes on with what was postponed, by one batch at most. Costs one load if nothing was. */
void line_trigger_continue(struct line_trigger *trigger);

#endif
