// SPDX-License-Identifier: BSD-2-Clause
/* The time of the machine, and how processors wait. */
#include "tests/fake/processor.h"

#include "arch/x86/instructions.h"

#include <time.h>

/* A processor that polls another one gives the other's thread the host's processor now and then. */
#define PAUSES_A_SLEEP 16
#define SLEEP_NS       50000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* All accesses to these are relaxed: reading a clock orders nothing between processors, and
 * ThreadSanitizer is to see what the monitor itself orders. */
static _Atomic uint64_t now;
static _Atomic uint64_t first_deadline; /* of all waits: when a PAUSE has to wake them */
static uint64_t pause_ticks;

void fake_time_begin(void)
{
    now = 1000;
    first_deadline = FAKE_NEVER;
    pause_ticks = 1000;
}

void fake_set_pause_ticks(uint64_t ticks)
{
    pause_ticks = ticks;
}

void fake_lock(void)
{
    (void)pthread_mutex_lock(&lock);
}

void fake_unlock(void)
{
    (void)pthread_mutex_unlock(&lock);
}

uint64_t fake_now(void)
{
    return atomic_load_explicit(&now, memory_order_relaxed);
}

void fake_wake(void)
{
    (void)pthread_cond_broadcast(&changed);
}

void fake_advance(uint64_t ticks)
{
    uint64_t after = atomic_fetch_add_explicit(&now, ticks, memory_order_relaxed) + ticks;

    if (after < atomic_load_explicit(&first_deadline, memory_order_relaxed))
        return;
    fake_lock();
    atomic_store_explicit(&first_deadline, FAKE_NEVER,
                          memory_order_relaxed); /* each that still waits sets it again */
    fake_wake();
    fake_unlock();
}

static uint64_t deadline_of(const struct fake_processor *processor)
{
    return processor->wait_deadline < processor->apic.timer_deadline
               ? processor->wait_deadline
               : processor->apic.timer_deadline;
}

/* If all processors wait and none has a reason to go on, lets the time be the first deadline.
 * Returns whether it did so. */
static bool leap(void)
{
    uint64_t earliest = FAKE_NEVER;

    for (unsigned i = 0; i < fake_processor_count(); i++) {
        struct fake_processor *processor = fake_processor_at(i);

        if (processor->state != FAKE_RUNNING)
            continue;
        if (processor->is_over == NULL || processor->is_over(processor) ||
            fake_now() >= processor->wait_deadline)
            return false;
        if (deadline_of(processor) < earliest)
            earliest = deadline_of(processor);
    }
    if (earliest == FAKE_NEVER)
        fake_misuse("all processors wait, and nothing will ever wake one");
    if (earliest > fake_now())
        atomic_store_explicit(&now, earliest, memory_order_relaxed);
    fake_wake();
    return true;
}

void fake_wait(bool (*is_over)(struct fake_processor *processor), uint64_t deadline)
{
    struct fake_processor *self = fake_this();

    fake_lock();
    self->is_over = is_over;
    self->wait_deadline = deadline;
    while (!is_over(self) && fake_now() < deadline) {
        if (leap())
            continue;
        if (deadline_of(self) < atomic_load_explicit(&first_deadline, memory_order_relaxed))
            atomic_store_explicit(&first_deadline, deadline_of(self), memory_order_relaxed);
        (void)pthread_cond_wait(&changed, &lock);
    }
    self->is_over = NULL;
    self->wait_deadline = FAKE_NEVER;
    fake_unlock();
}

uint64_t rdtsc(void)
{
    fake_advance(1);
    return fake_now() + fake_this()->tsc_offset;
}

uint64_t rdtsc_ordered(void)
{
    return rdtsc();
}

void cpu_pause(void)
{
    static _Thread_local unsigned count;

    if (fake_processor_count() > 1 && ++count % PAUSES_A_SLEEP == 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
    fake_advance(pause_ticks);
    fake_take_events();
}

static bool has_event(struct fake_processor *processor)
{
    return (atomic_load(&processor->nmi_pending) && !processor->nmi_blocked) ||
           fake_apic_pending(processor) >= 0;
}

void hlt(void)
{
    if (!fake_this()->interrupts_on)
        fake_stop();
    fake_wait(has_event, FAKE_NEVER);
    fake_take_events();
}

void sti_hlt(void)
{
    fake_this()->interrupts_on = true;
    hlt();
}

void cpu_let_interrupts_in(void)
{
    sti();
    fake_advance(pause_ticks);
    fake_take_events();
    cli();
}
