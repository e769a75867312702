// SPDX-License-Identifier: BSD-2-Clause
/* The work of attachments after they are attached: on the vCPU that rings, at a deadline, and
 * later. */
#include "vmm/attachments/attachment.h"
#include "vmm/base/format.h"
#include "vmm/base/time.h"

#include <string.h>

/* Most of what one call of attachments_work or attachments_run does: so many events raised, and so
 * many writes handed to devices, before it looks whether there were enough of them. One zone is
 * always drained as a whole; a ring has at most ATTACHMENT_RING_MAX entries. */
#define RAISES_MAX 32
#define WRITES_MAX ATTACHMENT_RING_MAX

/* Rings */

/* Reports that there is work. The exchanges of has_work here and in attachments_work are ordered,
 * so everything posted before this call is seen by an attachments_work that comes later. */
static void want_work(struct attachments *set)
{
    if (!atomic_exchange_explicit(&set->has_work, true, memory_order_acq_rel) &&
        set->setup.work_wanted != NULL)
        set->setup.work_wanted(set->setup.context);
}

static void on_postponed(void *context)
{
    want_work(context);
}

void attachments_init_line(struct attachments *set, struct line_trigger *trigger, unsigned line,
                           bool is_level)
{
    line_trigger_init(trigger, set->setup.lines[line], is_level);
    trigger->postponed = on_postponed;
    trigger->postponed_context = set;
}

/* Keeps a trace of a ring. It holds the name, not a reference, because the doorbell may be detached
 * before the trace is printed. */
static void note_trace(const struct attachment *doorbells, const struct io_access *access)
{
    struct attachments *set = doorbells->set;

    spinlock_acquire(&set->trace_lock);
    if (set->trace_count == ATTACHMENT_TRACES_MAX) {
        set->trace_missed++;
    } else {
        struct attachment_trace *trace =
            &set->traces[(set->trace_first + set->trace_count++) % ATTACHMENT_TRACES_MAX];

        trace->access = *access;
        trace->access.initiator = NULL; /* it may be gone when the trace is printed */
        trace->missed = set->trace_missed;
        memcpy(trace->name, doorbells->spec.name, sizeof(trace->name));
        set->trace_missed = 0;
    }
    spinlock_release(&set->trace_lock);
}

void attachment_raise(struct attachment *trigger)
{
    if (trigger->spec.is_level) {
        line_trigger_raise(&trigger->level);
        return;
    }
    if (trigger->spec.has_message) {
        message_trigger_raise(&trigger->message);
        return;
    }
    atomic_fetch_add_explicit(&trigger->pulses_raised, 1, memory_order_relaxed);
    line_trigger_raise(&trigger->set->pulses[trigger->spec.line]);
}

void attachment_rung(void *context, const struct io_access *access)
{
    struct attachment *doorbells = context;
    struct attachments *set = doorbells->set;

    if (doorbells->spec.has_line)
        line_trigger_raise(&set->pulses[doorbells->spec.line]);
    if (doorbells->spec.has_message)
        message_trigger_raise(&doorbells->message);
    if (doorbells->trigger != NULL)
        attachment_raise(doorbells->trigger);
    if (doorbells->drain != NULL)
        atomic_store_explicit(&doorbells->drain->wants_drain, true, memory_order_relaxed);
    if (doorbells->spec.is_traced)
        note_trace(doorbells, access);
    if (doorbells->drain != NULL || doorbells->spec.is_traced)
        want_work(set);
}

static bool take_trace(struct attachments *set, struct attachment_trace *trace)
{
    bool is_there;

    spinlock_acquire(&set->trace_lock);
    is_there = set->trace_count != 0;
    if (is_there) {
        *trace = set->traces[set->trace_first];
        set->trace_first = (set->trace_first + 1) % ATTACHMENT_TRACES_MAX;
        set->trace_count--;
    }
    spinlock_release(&set->trace_lock);
    return is_there;
}

static void print_traces(struct attachments *set)
{
    struct attachment_trace trace;
    unsigned printed = 0;

    while (printed < ATTACHMENT_TRACES_MAX && take_trace(set, &trace)) {
        printed++;
        if (set->setup.trace != NULL)
            set->setup.trace(set->setup.context, trace.name, &trace.access, trace.missed);
    }
    if (printed == ATTACHMENT_TRACES_MAX)
        want_work(set);
}

/* Calls act for every attachment, without the set's lock. */
static void visit_all(struct attachments *set,
                      void (*act)(void *context, struct attachment *attachment), void *context)
{
    struct attachment *before = NULL, *at;

    while ((at = attachments_next(set, before)) != NULL) {
        if (before != NULL)
            attachment_release(before);
        act(context, at);
        before = at;
    }
    if (before != NULL)
        attachment_release(before);
}

/* What one call may still do. */
struct share {
    uint64_t raises, writes;
    bool is_short; /* something was left because the share was used up */
};

/* Drains a zone, unless the share is used up. */
static void drain_within(struct share *share, struct attachment *zone)
{
    uint64_t before;

    if (share->writes == 0) {
        share->is_short = true;
        atomic_store_explicit(&zone->wants_drain, true, memory_order_relaxed);
        return;
    }
    before = atomic_load_explicit(&zone->zone.drained, memory_order_relaxed);
    coalesced_zone_drain(&zone->zone);
    before = atomic_load_explicit(&zone->zone.drained, memory_order_relaxed) - before;
    share->writes -= before < share->writes ? before : share->writes;
}

/* Raises what attachments_raise has left, within the share. */
static void raise_within(struct share *share, struct attachment *trigger)
{
    uint64_t left = atomic_load_explicit(&trigger->raises_left, memory_order_relaxed);
    uint64_t count = left < share->raises ? left : share->raises;

    for (uint64_t i = 0; i < count; i++)
        attachment_raise(trigger);
    share->raises -= count;
    share->is_short |=
        atomic_fetch_sub_explicit(&trigger->raises_left, count, memory_order_relaxed) != count;
}

static void do_work(void *context, struct attachment *attachment)
{
    if (attachment_is_zone(attachment) &&
        atomic_exchange_explicit(&attachment->wants_drain, false, memory_order_acq_rel))
        drain_within(context, attachment);
    if (attachment->spec.kind == ATTACHMENT_TRIGGER)
        raise_within(context, attachment);
    if (attachment_is_level(attachment))
        line_trigger_continue(&attachment->level);
}

void attachments_work(struct attachments *set)
{
    struct share share = {.raises = RAISES_MAX, .writes = WRITES_MAX};

    if (!atomic_exchange_explicit(&set->has_work, false, memory_order_acq_rel))
        return;
    for (unsigned line = 0; line < ATTACHMENT_LINES; line++)
        line_trigger_continue(&set->pulses[line]);
    visit_all(set, do_work, &share);
    print_traces(set);
    if (share.is_short)
        want_work(set);
}

/* Deadlines */

/* A zone stores its own deadline before it calls this function. attachments_run stores TIME_NEVER
 * here before it looks at the zones. So either attachments_run finds the zone's deadline, or this
 * call comes after its store and its result stays. */
void attachments_deadline_set(void *context, uint64_t deadline_ns)
{
    struct attachments *set = context;
    uint64_t earliest_ns = atomic_load_explicit(&set->deadline_ns, memory_order_relaxed);

    /* The exchange is done even if the value does not change, so that this order holds. */
    while (!atomic_compare_exchange_weak_explicit(
        &set->deadline_ns, &earliest_ns, earliest_ns < deadline_ns ? earliest_ns : deadline_ns,
        memory_order_acq_rel, memory_order_relaxed)) {
    }
    if (deadline_ns < earliest_ns && set->setup.deadline_changed != NULL)
        set->setup.deadline_changed(set->setup.context);
}

/* A zone that is due, and what the call may still do. */
struct due {
    struct share share;
    uint64_t now_ns;
    uint64_t earliest_ns;
};

static void run_zone(void *context, struct attachment *attachment)
{
    struct due *due = context;

    if (attachment_is_zone(attachment) &&
        coalesced_zone_next_deadline(&attachment->zone) <= due->now_ns && due->share.writes != 0)
        drain_within(&due->share, attachment);
}

static void gather_deadline(void *context, struct attachment *attachment)
{
    struct due *due = context;

    if (attachment_is_zone(attachment)) {
        uint64_t deadline_ns = coalesced_zone_next_deadline(&attachment->zone);

        if (deadline_ns < due->earliest_ns)
            due->earliest_ns = deadline_ns;
    }
}

void attachments_run(struct attachments *set, uint64_t now_ns)
{
    struct due due = {.share = {.writes = WRITES_MAX}, .now_ns = now_ns, .earliest_ns = TIME_NEVER};

    if (now_ns < attachments_next_deadline(set))
        return;
    (void)atomic_exchange_explicit(&set->deadline_ns, TIME_NEVER, memory_order_acq_rel);
    visit_all(set, run_zone, &due);
    visit_all(set, gather_deadline, &due);
    if (due.earliest_ns != TIME_NEVER)
        attachments_deadline_set(set, due.earliest_ns);
}

/* Triggers */

/* Raises the first events at once, and leaves the rest to attachments_work. */
static void raise_many(struct attachment *trigger, uint64_t count)
{
    uint64_t now = count < RAISES_MAX ? count : RAISES_MAX;

    for (uint64_t i = 0; i < now; i++)
        attachment_raise(trigger);
    if (count == now)
        return;
    atomic_fetch_add_explicit(&trigger->raises_left, count - now, memory_order_relaxed);
    want_work(trigger->set);
}

enum status attachments_raise(struct attachments *set, const char *name, uint64_t count,
                              char *message, size_t message_bytes)
{
    struct attachment *found = attachments_find(set, name);
    enum status status = STATUS_OK;

    if (found == NULL) {
        format_text(message, message_bytes, "nothing is attached under the name '%.40s'", name);
        return STATUS_NOT_FOUND;
    }
    if (found->spec.kind == ATTACHMENT_TRIGGER) {
        raise_many(found, count);
    } else {
        format_text(message, message_bytes, "%s is a %s; only a trigger can be raised", name,
                    attachment_kind_name(found->spec.kind));
        status = STATUS_INVALID;
    }
    attachment_release(found);
    return status;
}

void attachments_end_of_interrupt(struct attachments *set, unsigned line)
{
    struct attachment *trigger;

    if (line >= ATTACHMENT_LINES ||
        !(atomic_load_explicit(&set->level_lines, memory_order_relaxed) >> line & 1))
        return;
    trigger = attachments_find_level(set, line);
    if (trigger == NULL)
        return;
    line_trigger_end_of_interrupt(&trigger->level);
    attachment_release(trigger);
}

/* All of them */

static void reset_one(void *context, struct attachment *attachment)
{
    (void)context;
    if (attachment_is_zone(attachment)) {
        coalesced_zone_drop(&attachment->zone);
        atomic_store_explicit(&attachment->wants_drain, false, memory_order_relaxed);
    }
    atomic_store_explicit(&attachment->raises_left, 0, memory_order_relaxed);
    if (attachment_is_level(attachment))
        line_trigger_reset(&attachment->level);
}

void attachments_reset(struct attachments *set)
{
    spinlock_acquire(&set->removal_lock);
    visit_all(set, reset_one, NULL);
    for (unsigned line = 0; line < ATTACHMENT_LINES; line++)
        line_trigger_reset(&set->pulses[line]);
    spinlock_acquire(&set->trace_lock);
    set->trace_count = 0;
    set->trace_missed = 0;
    spinlock_release(&set->trace_lock);
    atomic_store_explicit(&set->has_work, false, memory_order_relaxed);
    atomic_store_explicit(&set->deadline_ns, TIME_NEVER, memory_order_release);
    spinlock_release(&set->removal_lock);
}

struct visitor {
    void (*visit)(void *context, const struct attachment_report *report);
    void *context;
};

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void report_trigger(const struct attachment *trigger, struct attachment_report *report)
{
    if (trigger->spec.is_level) {
        report->raised = get(&trigger->level.raised);
        report->delivered = get(&trigger->level.delivered);
        report->pending = get(&trigger->level.pending);
    } else if (trigger->spec.has_message) {
        uint64_t lost = get(&trigger->message.lost); /* read first, so that it is never more than
                                                        raised */

        report->raised = get(&trigger->message.raised);
        report->delivered = report->raised - lost;
    } else
        report->raised = report->delivered = get(&trigger->pulses_raised);
}

static void report(void *context, struct attachment *attachment)
{
    const struct visitor *visitor = context;
    struct attachment_report report = {.spec = attachment->spec};

    switch (attachment->spec.kind) {
    case ATTACHMENT_DOORBELL:
        for (uint32_t i = 0; i < attachment->spec.count; i++)
            report.rings += doorbell_rings(&attachment->doorbells[i]);
        break;
    case ATTACHMENT_ZONE:
        report.queued = coalesced_zone_queued(&attachment->zone);
        report.drained = get(&attachment->zone.drained);
        report.batches = get(&attachment->zone.batches);
        report.full = get(&attachment->zone.full);
        report.unanswered = get(&attachment->zone.unanswered);
        report.waiting = atomic_load_explicit(&attachment->zone.waiting, memory_order_relaxed);
        memcpy(report.device, attachment->device, sizeof(report.device));
        break;
    case ATTACHMENT_TRIGGER: report_trigger(attachment, &report); break;
    }
    visitor->visit(visitor->context, &report);
}

void attachments_for_each(struct attachments *set,
                          void (*visit)(void *context, const struct attachment_report *report),
                          void *context)
{
    visit_all(set, report, &(struct visitor){.visit = visit, .context = context});
}
