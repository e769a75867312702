// SPDX-License-Identifier: BSD-2-Clause
/* What lapic_init makes of an APIC that firmware has used. */
#include "tests/unit/unit.h"

#include "arch/x86/cpu.h"

#include <string.h>

/* The processor's own access to its APIC, replaced by the registers below. */
static uint64_t fake_rdmsr(uint32_t index);
static void fake_wrmsr(uint32_t index, uint64_t value);
static uint32_t fake_mmio_read32(uint64_t address);
static void fake_mmio_write32(uint64_t address, uint32_t value);
#define rdmsr        fake_rdmsr
#define wrmsr        fake_wrmsr
#define mmio_read32  fake_mmio_read32
#define mmio_write32 fake_mmio_write32

/* Not in the portable library. */
#include "arch/x86/lapic.c"

#define APIC_BASE UINT64_C(0xfee00000)

static uint64_t apic_base_msr;
static uint32_t registers[0x400 / 16];
static unsigned eoi_count;
static uint8_t ended[256];

static uint64_t fake_rdmsr(uint32_t index)
{
    assert_int_equal(index, IA32_APIC_BASE);
    return apic_base_msr;
}

static void fake_wrmsr(uint32_t index, uint64_t value)
{
    assert_int_equal(index, IA32_APIC_BASE);
    apic_base_msr = value;
}

static uint32_t *fake_register(uint64_t address)
{
    assert_true(address >= APIC_BASE && address - APIC_BASE < 0x400 && address % 16 == 0);
    return &registers[(address - APIC_BASE) / 16];
}

static uint32_t fake_mmio_read32(uint64_t address)
{
    return *fake_register(address);
}

/* The highest in service; -1: none. */
static int highest_in_service(void)
{
    for (int vector = 255; vector >= 0; vector--) {
        if ((registers[LAPIC_ISR / 16 + vector / 32] >> (vector % 32) & 1) != 0)
            return vector;
    }
    return -1;
}

static void fake_mmio_write32(uint64_t address, uint32_t value)
{
    if (address == APIC_BASE + LAPIC_EOI) {
        int vector = highest_in_service();

        eoi_count++;
        if (vector >= 0) {
            ended[vector]++;
            registers[LAPIC_ISR / 16 + vector / 32] &= ~(UINT32_C(1) << (vector % 32));
        }
    }
    *fake_register(address) = value;
}

static void put_in_service(uint8_t vector)
{
    registers[LAPIC_ISR / 16 + vector / 32] |= UINT32_C(1) << (vector % 32);
}

static int reset(void **state)
{
    (void)state;
    memset(&mode, 0, sizeof(mode));
    memset(registers, 0, sizeof(registers));
    memset(ended, 0, sizeof(ended));
    eoi_count = 0;
    apic_base_msr = APIC_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP;
    registers[LAPIC_VERSION / 16] = 0x00050014;
    return 0;
}

static void test_nothing_in_service(void **state)
{
    (void)state;
    assert_int_equal(lapic_init(), STATUS_OK);
    assert_int_equal(eoi_count, 0);
    assert_int_equal(registers[LAPIC_SVR / 16], SVR_ENABLE | VECTOR_SPURIOUS);
}

static void test_all_in_service_are_ended(void **state)
{
    static const uint8_t vectors[] = {16, 31, 32, 0x40, 0x68, 0x95, 0xd1, 254, 255};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++)
        put_in_service(vectors[i]);
    assert_int_equal(lapic_init(), STATUS_OK);
    assert_int_equal(highest_in_service(), -1);
    assert_int_equal(eoi_count, ARRAY_COUNT(vectors));
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++)
        assert_int_equal(ended[vectors[i]], 1);
}

/* What cannot be in service is left alone, whatever the registers read. */
static void test_reserved_vectors(void **state)
{
    (void)state;
    put_in_service(15);
    assert_int_equal(lapic_init(), STATUS_OK);
    assert_int_equal(eoi_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_in_service, reset),
        cmocka_unit_test_setup(test_all_in_service_are_ended, reset),
        cmocka_unit_test_setup(test_reserved_vectors, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
