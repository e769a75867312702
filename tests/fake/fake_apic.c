// SPDX-License-Identifier: BSD-2-Clause
/* The processors' local APICs, as xAPIC and as x2APIC. Intel SDM vol. 3A (Sep 2023), "Advanced
 * Programmable Interrupt Controller (APIC)". Messages go to one processor by its physical ID; the
 * timer is one-shot. */
#include "tests/fake/processor.h"

#include "arch/x86/msr.h"

#include <string.h>

#define ID            0x20
#define VERSION       0x30
#define TPR           0x80
#define PPR           0xa0
#define EOI           0xb0
#define SVR           0xf0
#define ISR           0x100
#define IRR           0x200
#define ESR           0x280
#define LVT_CMCI      0x2f0
#define ICR           0x300
#define ICR_HIGH      0x310
#define LVT_TIMER     0x320
#define LVT_ERROR     0x370
#define INITIAL_COUNT 0x380
#define CURRENT_COUNT 0x390
#define DIVIDE        0x3e0

#define VERSION_VALUE 0x00060015 /* 7 LVT entries */
#define LVT_MASKED    0x10000u
#define SVR_ENABLE    0x100u

enum delivery { FIXED = 0, NMI = 4, INIT = 5, STARTUP = 6 };

static uint32_t *at(struct fake_apic *apic, uint32_t offset)
{
    if (offset % 16 != 0 || offset / 16 >= 0x40)
        fake_misuse("no register of the local APIC is at 0x%x", offset);
    return &apic->registers[offset / 16];
}

static bool is_set(struct fake_apic *apic, uint32_t bits, unsigned vector)
{
    return (*at(apic, bits + vector / 32 * 16) >> vector % 32 & 1) != 0;
}

static void set(struct fake_apic *apic, uint32_t bits, unsigned vector, bool on)
{
    uint32_t mask = UINT32_C(1) << vector % 32;
    uint32_t *word = at(apic, bits + vector / 32 * 16);

    *word = on ? *word | mask : *word & ~mask;
}

static int highest(struct fake_apic *apic, uint32_t bits)
{
    for (int vector = 255; vector >= 16; vector--) {
        if (is_set(apic, bits, (unsigned)vector))
            return vector;
    }
    return -1;
}

void fake_apic_reset(struct fake_processor *processor)
{
    struct fake_apic *apic = &processor->apic;

    memset(apic, 0, sizeof(*apic));
    for (uint32_t lvt = LVT_TIMER; lvt <= LVT_ERROR; lvt += 16)
        *at(apic, lvt) = LVT_MASKED;
    *at(apic, LVT_CMCI) = LVT_MASKED;
    *at(apic, SVR) = 0xff;
    apic->timer_deadline = FAKE_NEVER;
    processor->wait_deadline = FAKE_NEVER;
}

bool fake_apic_is_x2apic(struct fake_processor *processor)
{
    return (*fake_msr_find(processor, IA32_APIC_BASE) & APIC_BASE_EXTD) != 0;
}

static void request(struct fake_processor *processor, unsigned vector)
{
    if (vector < 16)
        fake_misuse("a message with the illegal vector %u", vector);
    set(&processor->apic, IRR, vector, true);
    atomic_store_explicit(&processor->apic.has_request, true, memory_order_relaxed);
    fake_wake();
}

static unsigned timer_divisor(struct fake_apic *apic)
{
    uint32_t value = *at(apic, DIVIDE);
    unsigned code = (value & 3) | (value >> 1 & 4);

    return code == 7 ? 1 : 2u << code;
}

static void run_timer(struct fake_processor *processor)
{
    struct fake_apic *apic = &processor->apic;
    uint32_t lvt = *at(apic, LVT_TIMER);

    if (fake_now() < apic->timer_deadline)
        return;
    apic->timer_deadline = FAKE_NEVER;
    if ((lvt & LVT_MASKED) == 0)
        set(apic, IRR, lvt & 0xff, true);
}

int fake_apic_pending(struct fake_processor *processor)
{
    struct fake_apic *apic = &processor->apic;
    int pending, in_service;
    int priority = (int)(*at(apic, TPR) >> 4 & 0xf);

    run_timer(processor);
    pending = highest(apic, IRR);
    in_service = highest(apic, ISR);
    if (in_service >> 4 > priority)
        priority = in_service >> 4;
    if ((*at(apic, SVR) & SVR_ENABLE) == 0 || pending < 0 || pending >> 4 <= priority)
        return -1;
    return pending;
}

int fake_apic_acknowledge(struct fake_processor *processor)
{
    struct fake_apic *apic = &processor->apic;
    int vector;

    if (!atomic_load_explicit(&apic->has_request, memory_order_relaxed) &&
        fake_now() < apic->timer_deadline)
        return -1;
    fake_lock();
    vector = fake_apic_pending(processor);
    if (vector >= 0) {
        set(apic, IRR, (unsigned)vector, false);
        set(apic, ISR, (unsigned)vector, true);
    }
    atomic_store_explicit(&apic->has_request, highest(apic, IRR) >= 0, memory_order_relaxed);
    fake_unlock();
    return vector;
}

static void end_of_interrupt(struct fake_apic *apic)
{
    int vector = highest(apic, ISR);

    if (vector >= 0)
        set(apic, ISR, (unsigned)vector, false);
}

static void send(uint32_t command, uint32_t destination)
{
    struct fake_processor *target = NULL;

    if ((command & 0xc0800) != 0)
        fake_misuse("a message by logical address or shorthand: ICR 0x%x", command);
    for (unsigned i = 0; i < fake_processor_count(); i++) {
        if (fake_processor_at(i)->apic_id == destination)
            target = fake_processor_at(i);
    }
    if (target == NULL)
        return; /* nobody there accepts it */
    switch (command >> 8 & 7) {
    case FIXED:
        if (target->state == FAKE_RUNNING)
            request(target, command & 0xff);
        return;
    case NMI:
        atomic_store(&target->nmi_pending, true);
        fake_wake();
        return;
    case INIT:
        if (target->state != FAKE_RUNNING)
            target->has_init = true;
        return;
    case STARTUP:
        if (target->has_init)
            fake_start_up(target, (uint8_t)command);
        return;
    default: fake_misuse("a message with the delivery mode %u", command >> 8 & 7);
    }
}

void fake_raise_interrupt(unsigned processor, uint8_t vector)
{
    fake_lock();
    request(fake_processor_at(processor), vector);
    fake_unlock();
}

void fake_raise_nmi(unsigned processor)
{
    fake_lock();
    atomic_store(&fake_processor_at(processor)->nmi_pending, true);
    fake_wake();
    fake_unlock();
}

static uint32_t read_id(struct fake_processor *processor)
{
    return fake_apic_is_x2apic(processor) ? processor->apic_id : processor->apic_id << 24;
}

static uint32_t current_count(struct fake_apic *apic)
{
    if (apic->timer_deadline == FAKE_NEVER || fake_now() >= apic->timer_deadline)
        return 0;
    return (uint32_t)((apic->timer_deadline - fake_now()) / timer_divisor(apic));
}

uint32_t fake_apic_read(struct fake_processor *processor, uint32_t offset)
{
    struct fake_apic *apic = &processor->apic;
    uint32_t value;

    fake_lock();
    run_timer(processor);
    switch (offset) {
    case ID: value = read_id(processor); break;
    case VERSION: value = VERSION_VALUE; break;
    case CURRENT_COUNT: value = current_count(apic); break;
    default: value = *at(apic, offset); break;
    }
    fake_unlock();
    return value;
}

void fake_apic_write(struct fake_processor *processor, uint32_t offset, uint64_t value)
{
    struct fake_apic *apic = &processor->apic;

    fake_lock();
    switch (offset) {
    case EOI: end_of_interrupt(apic); break;
    case ICR:
        if (fake_apic_is_x2apic(processor))
            send((uint32_t)value, (uint32_t)(value >> 32));
        else
            send((uint32_t)value, *at(apic, ICR_HIGH) >> 24);
        break;
    case INITIAL_COUNT:
        *at(apic, INITIAL_COUNT) = (uint32_t)value;
        apic->timer_deadline =
            value == 0 ? FAKE_NEVER : fake_now() + (uint32_t)value * (uint64_t)timer_divisor(apic);
        break;
    case ID:
    case VERSION:
    case PPR:
    case CURRENT_COUNT: fake_misuse("a write to the local APIC's read-only register 0x%x", offset);
    default: *at(apic, offset) = (uint32_t)value; break;
    }
    fake_unlock();
}
