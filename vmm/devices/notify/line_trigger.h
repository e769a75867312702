// SPDX-License-Identifier: BSD-2-Clause
/* A line trigger: an event, from anywhere, that becomes an interrupt on a line. KVM calls this an
 * irqfd, and the level-triggered kind a resamplefd (Linux, Documentation/virt/kvm/api.rst,
 * "KVM_IRQFD").
 *
 * Edge: each event is a rising edge. The line rests high between events, because an 8259A forgets
 * an edge whose line goes low before the acknowledge (Intel 8259A datasheet, order number 231468,
 * "Edge and Level Triggered Modes"): the input is this trigger's alone, and looks for edges. Level:
 * each event is one interrupt; the line is high while events are pending, an end of interrupt takes
 * one away, and the line goes low and, if there are more, high again: so that a controller that
 * looks for edges sees one for each as well.
 *
 * Events and ends may come from any number of CPUs at once, and from within the line's own
 * listener. Nobody waits: what happens is posted, and the first to post drives the line for those
 * who post meanwhile. So no lock is held while the line changes, and whoever listens to the line
 * may hold or take whatever lock it likes. */
#ifndef VMM_DEVICES_NOTIFY_LINE_TRIGGER_H
#define VMM_DEVICES_NOTIFY_LINE_TRIGGER_H

#include "vmm/devices/line.h"

#include <stdatomic.h>
#include <stdint.h>

struct line_trigger {
    /* Driven by this trigger alone, or edges get lost in one another. */
    struct line line;
    bool is_level;

    /* Posted by anybody. */
    _Atomic uint64_t raised;    /* events since the beginning */
    _Atomic uint64_t ended;     /* ends of interrupt on the line, whoever asked for it */
    _Atomic bool wants_reset;   /* forget what is pending */
    _Atomic bool is_closed;     /* take no more events */
    _Atomic uint64_t unhandled; /* posts that the one who drives has not looked at yet */

    /* Of the one who drives, but for looking. */
    uint64_t raised_taken, ended_taken;
    _Atomic uint64_t pending;   /* level: events whose interrupt has not ended */
    _Atomic uint64_t delivered; /* edge: edges; level: ends that took an event away */
};

/* The line is taken to be low. */
void line_trigger_init(struct line_trigger *trigger, struct line line, bool is_level);

/* An event: exactly one interrupt, if whoever takes it ends each. When this returns, the line was
 * driven, or another CPU is at it. */
void line_trigger_raise(struct line_trigger *trigger);

/* The guest ended an interrupt on this line. Without an event pending, and for edges, nothing
 * happens: the line may be anybody's. */
void line_trigger_end_of_interrupt(struct line_trigger *trigger);

/* Forgets pending events and lowers the line; the counters go on. */
void line_trigger_reset(struct line_trigger *trigger);

/* The same for good: later events are ignored. */
void line_trigger_close(struct line_trigger *trigger);

#endif
