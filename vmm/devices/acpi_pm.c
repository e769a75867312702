// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/acpi_pm.h"

#include "vmm/base/time.h"

/* PM1 status and enable registers: 4.8.3.1, tables 4.11 and 4.12. The bits of missing hardware
 * (sleep button, PCI Express wake) are reserved: they ignore writes and read 0. */
#define PM1_TMR    0x0001
#define PM1_GBL    0x0020
#define PM1_PWRBTN 0x0100
#define PM1_RTC    0x0400
#define PM1_EVENTS (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_RTC)

/* PM1 control register: 4.8.3.2, table 4.13. */
#define CNT_SCI_EN        0x0001
#define CNT_BM_RLD        0x0002
#define CNT_SLP_TYP       0x1c00
#define CNT_SLP_TYP_SHIFT 10
#define CNT_SLP_EN        0x2000
/* The bits of a write that are stored. The platform sets and clears SCI_EN (4.8.3.2.1); GBL_RLS and
 * SLP_EN are write-only. */
#define CNT_STORED (CNT_BM_RLD | CNT_SLP_TYP)

#define RESET_HARD    0x02
#define RESET_CPU     0x04
#define RESET_FULL    0x08 /* a power cycle as well, which makes no difference to a guest */
#define RESET_CONTROL (RESET_HARD | RESET_CPU | RESET_FULL)

/* 4.8.3.3 "Power Management Timer": TMR_STS is set whenever the timer's top bit changes. */
#define TIMER_TOP_BIT 31

static void drive_sci(struct acpi_pm *pm)
{
    bool level = pm->control & CNT_SCI_EN && pm->status & pm->enable & PM1_EVENTS;

    if (level != pm->sci_level) {
        pm->sci_level = level;
        line_set(&pm->wires.sci, level);
    }
}

static void catch_up(struct acpi_pm *pm, uint64_t now_ns)
{
    uint64_t ticks = pm->timer_ticks;

    if (now_ns > pm->timer_base_ns)
        ticks = scale_u64(now_ns - pm->timer_base_ns, ACPI_PM_TIMER_HZ, NS_PER_SECOND);
    if (ticks <= pm->timer_ticks)
        return;
    if (ticks >> TIMER_TOP_BIT != pm->timer_ticks >> TIMER_TOP_BIT)
        pm->status |= PM1_TMR;
    pm->timer_ticks = ticks;
    drive_sci(pm);
}

void acpi_pm_init(struct acpi_pm *pm, const struct acpi_pm_wires *wires, uint64_t now_ns)
{
    *pm = (struct acpi_pm){.wires = *wires};
    line_set(&pm->wires.sci, false);
    acpi_pm_reset(pm, now_ns);
}

void acpi_pm_reset(struct acpi_pm *pm, uint64_t now_ns)
{
    pm->status = pm->enable = pm->control = 0;
    pm->smi_command = pm->reset_control = 0;
    pm->timer_base_ns = now_ns;
    pm->timer_ticks = 0;
    drive_sci(pm);
}

static uint8_t read_byte(const struct acpi_pm *pm, unsigned offset)
{
    uint64_t events = pm->status | (uint64_t)pm->enable << 16 | (uint64_t)pm->control << 32;

    if (offset >= ACPI_PM_BLOCK_BYTES)
        return 0xff;
    if (offset >= ACPI_PM_TIMER)
        return (uint8_t)(pm->timer_ticks >> 8 * (offset - ACPI_PM_TIMER));
    return (uint8_t)(events >> 8 * offset);
}

uint32_t acpi_pm_read(struct acpi_pm *pm, unsigned offset, unsigned size_bytes, uint64_t now_ns)
{
    uint32_t value = 0;

    catch_up(pm, now_ns);
    for (unsigned i = 0; i < size_bytes && i < 4; i++)
        value |= (uint32_t)read_byte(pm, offset + i) << 8 * i;
    return value;
}

/* The part of an access that falls on the 16-bit register at `base`: the value of its bits, and the
 * mask of the bits that are accessed. */
struct lane {
    uint16_t value, mask;
};

static struct lane lane_of(unsigned base, unsigned offset, unsigned size_bytes, uint32_t value)
{
    struct lane lane = {0, 0};

    for (unsigned i = 0; i < size_bytes && i < 4; i++) {
        unsigned byte = offset + i - base;

        if (byte < 2) {
            lane.value |= (uint16_t)((value >> 8 * i & 0xff) << 8 * byte);
            lane.mask |= (uint16_t)(0xff << 8 * byte);
        }
    }
    return lane;
}

void acpi_pm_write(struct acpi_pm *pm, unsigned offset, unsigned size_bytes, uint32_t value,
                   uint64_t now_ns)
{
    struct lane status = lane_of(ACPI_PM1_STATUS, offset, size_bytes, value);
    struct lane enable = lane_of(ACPI_PM1_ENABLE, offset, size_bytes, value);
    struct lane control = lane_of(ACPI_PM1_CONTROL, offset, size_bytes, value);
    uint16_t stored = control.mask & CNT_STORED;

    catch_up(pm, now_ns);
    pm->status &= (uint16_t)~status.value;
    pm->enable = (uint16_t)((pm->enable & ~enable.mask) | (enable.value & PM1_EVENTS));
    pm->control = (uint16_t)((pm->control & ~stored) | (control.value & stored));
    drive_sci(pm);
    /* 4.8.3.2.1: SLP_EN starts the transition to the state in SLP_TYP, which is in the same byte.
     */
    if (control.value & CNT_SLP_EN &&
        (pm->control & CNT_SLP_TYP) >> CNT_SLP_TYP_SHIFT == ACPI_SLP_TYP_S5 &&
        pm->wires.power_off != NULL)
        pm->wires.power_off(pm->wires.context);
}

uint8_t acpi_pm_read_smi_command(const struct acpi_pm *pm)
{
    return pm->smi_command;
}

void acpi_pm_write_smi_command(struct acpi_pm *pm, uint8_t value, uint64_t now_ns)
{
    catch_up(pm, now_ns);
    pm->smi_command = value;
    if (value == ACPI_SMI_ENABLE)
        pm->control |= CNT_SCI_EN;
    else if (value == ACPI_SMI_DISABLE)
        pm->control &= (uint16_t)~CNT_SCI_EN;
    drive_sci(pm);
}

uint8_t acpi_pm_read_reset_control(const struct acpi_pm *pm)
{
    return pm->reset_control;
}

void acpi_pm_write_reset_control(struct acpi_pm *pm, uint8_t value)
{
    bool reset = value & ~pm->reset_control & RESET_CPU;

    pm->reset_control = value & RESET_CONTROL;
    if (reset && pm->wires.reset_board != NULL)
        pm->wires.reset_board(pm->wires.context);
}

void acpi_pm_rtc_alarm(struct acpi_pm *pm, uint64_t now_ns)
{
    catch_up(pm, now_ns);
    pm->status |= PM1_RTC;
    drive_sci(pm);
}

void acpi_pm_press_power_button(struct acpi_pm *pm, uint64_t now_ns)
{
    catch_up(pm, now_ns);
    pm->status |= PM1_PWRBTN;
    drive_sci(pm);
}

uint64_t acpi_pm_next_deadline(const struct acpi_pm *pm)
{
    uint64_t carry, seconds, rest;

    if (!(pm->control & CNT_SCI_EN) || !(pm->enable & PM1_TMR) || pm->sci_level)
        return TIME_NEVER;
    carry = ((pm->timer_ticks >> TIMER_TOP_BIT) + 1) << TIMER_TOP_BIT;
    seconds = carry / ACPI_PM_TIMER_HZ;
    rest = carry % ACPI_PM_TIMER_HZ;
    /* Rounded up, so that the carry has happened at this nanosecond. */
    return pm->timer_base_ns + seconds * NS_PER_SECOND +
           (rest * NS_PER_SECOND + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;
}

void acpi_pm_run(struct acpi_pm *pm, uint64_t now_ns)
{
    catch_up(pm, now_ns);
}
