// SPDX-License-Identifier: BSD-2-Clause
/* A few local APICs on a bus, and the calls of their wires. */
#ifndef TESTS_UNIT_LOCAL_APIC_FIXTURE_H
#define TESTS_UNIT_LOCAL_APIC_FIXTURE_H

#include "tests/unit/unit.h"

#include "vmm/devices/apic/apic_bus.h"

#include <string.h>

#define APIC_COUNT 4

struct apic_fixture {
    struct local_apic apic[APIC_COUNT];
    struct apic_bus bus;
    unsigned kicks[APIC_COUNT];
    unsigned eoi_count;
    uint8_t eoi_vector;
    uint64_t now;
};

static void fixture_kick(void *context, unsigned index)
{
    ((struct apic_fixture *)context)->kicks[index]++;
}

static void fixture_eoi(void *context, uint8_t vector)
{
    struct apic_fixture *fixture = context;
    fixture->eoi_count++;
    fixture->eoi_vector = vector;
}

/* As after power-up; IDs 0, 1, 2, ... */
static inline struct apic_fixture *fixture_new(struct apic_fixture *fixture)
{
    struct apic_bus_wires wires = {
        .kick = fixture_kick, .context = fixture, .eoi = fixture_eoi, .eoi_context = fixture};
    memset(fixture, 0, sizeof(*fixture));
    apic_bus_init(&fixture->bus, &wires);
    for (unsigned index = 0; index < APIC_COUNT; index++) {
        struct local_apic_config config = {.id = index,
                                           .is_bsp = index == 0,
                                           .has_x2apic = true,
                                           .has_tsc_deadline = true,
                                           .physical_address_bits = 39};
        assert_true(apic_bus_add(&fixture->bus, &fixture->apic[index], &config));
    }
    return fixture;
}

static inline uint32_t reg_read(struct apic_fixture *fixture, unsigned index, uint32_t offset)
{
    uint64_t value = UINT64_MAX;
    assert_true(local_apic_mmio_read(&fixture->apic[index], offset, 4, fixture->now, &value));
    assert_true(value <= UINT32_MAX);
    return (uint32_t)value;
}

static inline void reg_write(struct apic_fixture *fixture, unsigned index, uint32_t offset,
                             uint32_t value)
{
    assert_true(local_apic_mmio_write(&fixture->apic[index], offset, 4, fixture->now, value));
}

static inline bool msr_write(struct apic_fixture *fixture, unsigned index, uint32_t msr,
                             uint64_t value)
{
    return local_apic_write_msr(&fixture->apic[index], msr, fixture->now, value);
}

static inline bool msr_read(struct apic_fixture *fixture, unsigned index, uint32_t msr,
                            uint64_t *value)
{
    return local_apic_read_msr(&fixture->apic[index], msr, fixture->now, value);
}

/* Accepts and returns what came besides fixed interrupts. */
static inline struct local_apic_events accept_all(struct apic_fixture *fixture, unsigned index)
{
    struct local_apic_events none = {0};
    bool has_events = local_apic_accept(&fixture->apic[index]);
    return has_events ? local_apic_take_events(&fixture->apic[index]) : none;
}

/* Accepts; the pending vector. */
static inline int pending(struct apic_fixture *fixture, unsigned index)
{
    (void)accept_all(fixture, index);
    return local_apic_pending_vector(&fixture->apic[index]);
}

static inline void enable_all(struct apic_fixture *fixture)
{
    for (unsigned index = 0; index < APIC_COUNT; index++)
        reg_write(fixture, index, 0xf0, 0x1ff);
}

static inline void enter_x2apic(struct apic_fixture *fixture, unsigned index)
{
    uint64_t base = local_apic_base(&fixture->apic[index]);
    assert_true(local_apic_write_base(&fixture->apic[index], base | 0xc00));
}

/* An IPI by MMIO. */
static inline void ipi(struct apic_fixture *fixture, unsigned source, uint8_t destination,
                       uint32_t low)
{
    reg_write(fixture, source, 0x310, (uint32_t)destination << 24);
    reg_write(fixture, source, 0x300, low);
}

/* A bit for each APIC where accepting brings up vector; takes it there and ends it. */
static inline unsigned who_gets(struct apic_fixture *fixture, int vector)
{
    unsigned who = 0;
    for (unsigned index = 0; index < APIC_COUNT; index++) {
        if (pending(fixture, index) != vector)
            continue;
        who |= 1u << index;
        (void)local_apic_acknowledge(&fixture->apic[index]);
        if (fixture->apic[index].mode == LOCAL_APIC_X2APIC)
            assert_true(msr_write(fixture, index, 0x80b, 0));
        else
            reg_write(fixture, index, 0xb0, 0);
    }
    return who;
}

#endif
