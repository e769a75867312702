// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/apic/local_apic_virtual.h"

#include "vmm/base/bits.h"
#include "vmm/devices/apic/local_apic_state.h"

#define BASE_PAGE_MASK (~(uint64_t)(LOCAL_APIC_MMIO_BYTES - 1))

bool local_apic_can_be_virtual(const struct local_apic *apic)
{
    if ((apic->svr & SVR_ENABLE) == 0)
        return false;
    return apic->mode == LOCAL_APIC_X2APIC ||
           (apic->mode == LOCAL_APIC_XAPIC &&
            (apic->base & BASE_PAGE_MASK) == LOCAL_APIC_DEFAULT_BASE);
}

void local_apic_set_virtual(struct local_apic *apic, bool is_virtual, uint64_t merge_ticks)
{
    apic->is_virtual = is_virtual;
    apic->merge_ticks = merge_ticks;
    apic->is_shown = false;
    local_apic_update(apic);
    apic->has_news = true; /* somebody else delivers a pending vector from now on */
}

void local_apic_show(struct local_apic *apic)
{
    if (apic->is_shown)
        return;
    APIC_REGISTER(apic, REGISTER_ID) = local_apic_shown_id(apic);
    APIC_REGISTER(apic, REGISTER_VERSION) = LOCAL_APIC_VERSION;
    APIC_REGISTER(apic, REGISTER_EOI) = 0;
    APIC_REGISTER(apic, REGISTER_LDR) = local_apic_shown_ldr(apic);
    APIC_REGISTER(apic, REGISTER_DFR) = apic->dfr;
    APIC_REGISTER(apic, REGISTER_SVR) = apic->svr;
    APIC_REGISTER(apic, REGISTER_ESR) = apic->esr;
    APIC_REGISTER(apic, REGISTER_LVT_CMCI) = apic->lvt[LOCAL_APIC_LVT_CMCI];
    for (unsigned number = REGISTER_LVT_TIMER; number <= REGISTER_LVT_ERROR; number++)
        APIC_REGISTER(apic, number) = apic->lvt[number - REGISTER_LVT_TIMER];
    APIC_REGISTER(apic, REGISTER_INITIAL_COUNT) = apic->initial_count;
    APIC_REGISTER(apic, REGISTER_DIVIDE) = apic->divide_configuration;
    APIC_REGISTER(apic, REGISTER_SELF_IPI) = 0;
    apic->is_shown = true;
}

void local_apic_reload(struct local_apic *apic)
{
    bool has_news = apic->has_news;

    local_apic_update(apic);
    apic->has_news = has_news;
}

uint64_t local_apic_eoi_exits(const struct local_apic *apic, unsigned quarter)
{
    return APIC_REGISTER(apic, REGISTER_TMR + 2 * quarter) |
           (uint64_t)APIC_REGISTER(apic, REGISTER_TMR + 2 * quarter + 1) << 32;
}

void local_apic_written(struct local_apic *apic, uint32_t offset, uint64_t now_tsc)
{
    unsigned number = offset >> 4;
    unsigned write = apic->mode == LOCAL_APIC_X2APIC ? X2APIC_WRITE : XAPIC_WRITE;

    if (number != REGISTER_ICR) /* ICR exists only in the page */
        apic->is_shown = false; /* bits that the register does not keep must not stay in the page */
    if (number >= REGISTER_COUNT || (local_apic_register_access(number) & write) == 0)
        return;
    uint32_t value = APIC_REGISTER(apic, number);
    local_apic_catch_up(apic, now_tsc);
    local_apic_write_register(apic, number, value);
}

void local_apic_ended(struct local_apic *apic, uint8_t vector)
{
    local_apic_update(apic);
    local_apic_finish_interrupt(apic, vector);
}

bool local_apic_msr_passes(uint32_t index, bool is_write)
{
    unsigned number = index - 0x800;

    if (number >= REGISTER_COUNT)
        return false;
    if (is_write)
        return number == REGISTER_TPR || number == REGISTER_EOI || number == REGISTER_SELF_IPI;
    return (local_apic_register_access(number) & X2APIC_READ) != 0 &&
           number != REGISTER_CURRENT_COUNT;
}
