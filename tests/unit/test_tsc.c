// SPDX-License-Identifier: BSD-2-Clause
/* The TSC measured against made timers: sound, dead, stopping, disturbed. */
#include "tests/unit/unit.h"

#include "arch/x86/cpu.h"

#include <string.h>

/* The machine's ports, memory and TSC, replaced by the machine below. */
static uint8_t fake_inb(uint16_t port);
static uint32_t fake_inl(uint16_t port);
static void fake_outb(uint16_t port, uint8_t value);
static uint32_t fake_mmio_read32(uint64_t address);
static void fake_mmio_write32(uint64_t address, uint32_t value);
static uint64_t fake_rdtsc(void);
#define inb           fake_inb
#define inl           fake_inl
#define outb          fake_outb
#define mmio_read32   fake_mmio_read32
#define mmio_write32  fake_mmio_write32
#define rdtsc_ordered fake_rdtsc

/* Not in the portable library. */
#include "arch/x86/tsc.c"
#include "arch/x86/tsc_rate.c"

#define TSC_HZ       UINT64_C(3000000000)
#define ACCESS_TICKS 3000 /* a microsecond */
#define PM_TIMER     0x608
#define HPET         UINT64_C(0xfed00000)
#define HPET_HZ      14318180
#define HPET_FS      69841279

/* --- The machine: its time is the TSC, and goes on with each access --- */

static struct {
    uint64_t now;
    uint64_t access_ticks;

    enum { NOWHERE, DEAD, COUNTS, STOPS } pm_timer, hpet, pit;
    uint32_t pm_timer_start; /* its upper byte is not to be trusted, with 24 bits */
    bool pm_timer_is_in_memory;
    uint32_t hpet_period, hpet_configuration;
    uint64_t pit_done; /* when OUT goes high */
    uint16_t pit_count;
    unsigned pit_bytes;
    uint8_t gate;

    uint64_t disturbance;      /* what every disturbed access takes besides */
    unsigned disturbed_access; /* each so many accesses; 0: none */
    unsigned accesses;
} machine;

static struct host_acpi acpi;

static uint64_t ticks_of(uint64_t hz, unsigned kind)
{
    uint64_t tsc = kind == STOPS && machine.now > TSC_HZ / 100 ? TSC_HZ / 100 : machine.now;

    return (uint64_t)((unsigned __int128)tsc * hz / TSC_HZ);
}

static void pass_time(void)
{
    machine.now += machine.access_ticks;
    machine.accesses++;
    if (machine.disturbed_access != 0 && machine.accesses % machine.disturbed_access == 0)
        machine.now += machine.disturbance;
}

static uint64_t fake_rdtsc(void)
{
    return machine.now += 20;
}

static uint32_t pm_timer_value(void)
{
    if (machine.pm_timer == DEAD)
        return UINT32_MAX;
    return (uint32_t)(machine.pm_timer_start + ticks_of(3579545, machine.pm_timer));
}

static uint32_t fake_inl(uint16_t port)
{
    assert_int_equal(port, PM_TIMER);
    assert_false(machine.pm_timer_is_in_memory);
    pass_time();
    return pm_timer_value();
}

static uint32_t fake_mmio_read32(uint64_t address)
{
    pass_time();
    switch (address) {
    case PM_TIMER: assert_true(machine.pm_timer_is_in_memory); return pm_timer_value();
    case HPET + 4: return machine.hpet_period;
    case HPET + 0x10: return machine.hpet_configuration;
    case HPET + 0xf0:
        if (machine.hpet == DEAD || (machine.hpet_configuration & 1) == 0)
            return 0;
        return (uint32_t)(0xfffff000 + ticks_of(HPET_HZ, machine.hpet));
    default: fail(); return 0;
    }
}

static void fake_mmio_write32(uint64_t address, uint32_t value)
{
    pass_time();
    assert_int_equal(address, HPET + 0x10);
    machine.hpet_configuration = value;
}

static uint8_t fake_inb(uint16_t port)
{
    uint8_t output;

    pass_time();
    assert_int_equal(port, 0x61);
    if (machine.pit == NOWHERE)
        return 0xff;
    output = machine.pit != DEAD && machine.now >= machine.pit_done ? 0x20 : 0;
    return (uint8_t)(machine.gate | output | 0x10);
}

static void fake_outb(uint16_t port, uint8_t value)
{
    pass_time();
    switch (port) {
    case 0x61: machine.gate = value & 0x0f; break;
    case 0x43:
        assert_int_equal(value, 0xb0);
        machine.pit_bytes = 0;
        machine.pit_done = UINT64_MAX;
        break;
    case 0x42:
        machine.pit_count = (uint16_t)(machine.pit_count >> 8 | value << 8);
        if (++machine.pit_bytes == 2 && (machine.gate & 1) != 0)
            machine.pit_done =
                machine.now - machine.access_ticks / 2 +
                (uint64_t)((machine.pit_count + 1) * (double)TSC_HZ / (14318180.0 / 12));
        break;
    default: fail();
    }
}

static int reset(void **state)
{
    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.access_ticks = ACCESS_TICKS;
    machine.pm_timer = machine.hpet = machine.pit = COUNTS;
    machine.hpet_period = HPET_FS;
    machine.gate = 0x0e;
    memset(&acpi, 0, sizeof(acpi));
    acpi.pm_timer.kind = PM_TIMER_PORT;
    acpi.pm_timer.address = PM_TIMER;
    acpi.hpet_address = HPA(HPET);
    return 0;
}

static struct tsc_reading measured(enum tsc_clock clock)
{
    struct tsc_reading readings[TSC_CLOCK_COUNT] = {0};

    tsc_measure_timers(&acpi, readings);
    assert_int_equal(readings[TSC_BY_STALL].kind, TSC_CLOCK_ABSENT);
    assert_int_equal(readings[TSC_BY_CPUID].kind, TSC_CLOCK_ABSENT);
    return readings[clock];
}

static void assert_right(struct tsc_reading reading)
{
    assert_int_equal(reading.kind, TSC_CLOCK_RATE);
    assert_in_range(reading.hz, TSC_HZ - TSC_HZ / 5000, TSC_HZ + TSC_HZ / 5000);
}

/* --- The tests --- */

static void test_sound(void **state)
{
    (void)state;
    for (enum tsc_clock clock = 0; clock < TSC_TIMER_COUNT; clock++)
        assert_right(measured(clock));
}

static void test_nothing_is_left_behind(void **state)
{
    (void)state;
    machine.hpet_configuration = 0x2;
    assert_right(measured(TSC_BY_HPET));
    assert_int_equal(machine.hpet_configuration, 0x2);
    assert_int_equal(machine.gate, 0x0e);
    machine.hpet_configuration = 0x1;
    assert_right(measured(TSC_BY_HPET));
    assert_int_equal(machine.hpet_configuration, 0x1);
}

static void test_pm_timer(void **state)
{
    (void)state;
    /* It wraps, at 24 bits and at 32; the bits beyond mean nothing. */
    machine.pm_timer_start = 0xaafffff0;
    assert_right(measured(TSC_BY_PM_TIMER));
    machine.pm_timer_start = 0xfffffff0;
    acpi.pm_timer.is_32bit = true;
    assert_right(measured(TSC_BY_PM_TIMER));
    acpi.pm_timer.kind = PM_TIMER_MEMORY;
    machine.pm_timer_is_in_memory = true;
    assert_right(measured(TSC_BY_PM_TIMER));
    acpi.pm_timer.kind = PM_TIMER_NONE;
    assert_int_equal(measured(TSC_BY_PM_TIMER).kind, TSC_CLOCK_ABSENT);
}

static void test_hpet_that_is_none(void **state)
{
    static const uint32_t periods[] = {0, 1, 999999, 100000001, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(periods); i++) {
        machine.hpet_period = periods[i];
        machine.hpet_configuration = UINT32_MAX;
        assert_int_equal(measured(TSC_BY_HPET).kind, TSC_CLOCK_ABSENT);
        assert_int_equal(machine.hpet_configuration, UINT32_MAX);
    }
    acpi.hpet_address = HPA(0);
    assert_int_equal(measured(TSC_BY_HPET).kind, TSC_CLOCK_ABSENT);
}

static void test_dead(void **state)
{
    (void)state;
    machine.pm_timer = machine.hpet = machine.pit = DEAD;
    for (enum tsc_clock clock = 0; clock < TSC_TIMER_COUNT; clock++)
        assert_int_equal(measured(clock).kind, TSC_CLOCK_STUCK);
    assert_int_equal(machine.gate, 0x0e);
    /* A counter is given up long before one that is slow. */
    machine.accesses = 0;
    assert_int_equal(measure_pm_timer(&acpi.pm_timer).kind, TSC_CLOCK_STUCK);
    assert_in_range(machine.accesses, READS_UNCHANGED_MAX, READS_MAX / 10);
}

/* They count when first looked at, and then no more. */
static void test_stopping(void **state)
{
    (void)state;
    machine.pm_timer = machine.hpet = STOPS;
    for (enum tsc_clock clock = 0; clock < TSC_BY_8254; clock++) {
        machine.now = 0;
        assert_int_equal(measured(clock).kind, TSC_CLOCK_STUCK);
    }
}

/* Nobody answers at port 0x61: OUT is high from the first look on. */
static void test_no_pit(void **state)
{
    (void)state;
    machine.pit = NOWHERE;
    assert_int_equal(measured(TSC_BY_8254).kind, TSC_CLOCK_STUCK);
}

/* In a virtual machine an access takes long, and some take a millisecond more. */
static void test_virtual_machine(void **state)
{
    (void)state;
    machine.access_ticks = 10 * ACCESS_TICKS;
    machine.disturbance = TSC_HZ / 1000;
    machine.disturbed_access = 5000;
    for (enum tsc_clock clock = 0; clock < TSC_TIMER_COUNT; clock++)
        assert_right(measured(clock));
}

/* Every reading is off: no five rounds agree. */
static uint64_t jitter;

static void jittering_wait(void *context, uint64_t microseconds)
{
    const uint64_t *step = context;

    machine.now += TSC_HZ / 1000000 * microseconds + jitter;
    jitter += *step;
}

static void test_wait(void **state)
{
    uint64_t none = 0, much = TSC_HZ / 1000;
    struct tsc_reading reading;

    (void)state;
    jitter = 0;
    assert_right(tsc_measure_wait(jittering_wait, &none));
    reading = tsc_measure_wait(jittering_wait, &much);
    assert_int_equal(reading.kind, TSC_CLOCK_UNSTEADY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sound, reset),
        cmocka_unit_test_setup(test_nothing_is_left_behind, reset),
        cmocka_unit_test_setup(test_pm_timer, reset),
        cmocka_unit_test_setup(test_hpet_that_is_none, reset),
        cmocka_unit_test_setup(test_dead, reset),
        cmocka_unit_test_setup(test_stopping, reset),
        cmocka_unit_test_setup(test_no_pit, reset),
        cmocka_unit_test_setup(test_virtual_machine, reset),
        cmocka_unit_test_setup(test_wait, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
