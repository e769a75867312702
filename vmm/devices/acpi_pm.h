// SPDX-License-Identifier: BSD-2-Clause
/* ACPI fixed hardware: the PM1a event and control blocks, the power management timer, the SMI
 * command port and the reset register. Sections are those of the ACPI Specification 6.5.
 *
 * The FADT describes this chip with: PM1_EVT_LEN 4, PM1_CNT_LEN 2, PM_TMR_LEN 4, TMR_VAL_EXT
 * (32-bit timer), RESET_REG_SUP, WBINVD; SLP_BUTTON set (fixed hardware has no sleep button);
 * PWR_BUTTON and FIX_RTC clear (fixed hardware has the power button and the RTC's alarm). There are
 * no general-purpose events, no PM1b and no PM2.
 *
 * There is no system management mode behind the chip. So in legacy mode (SCI_EN clear) events set
 * their status bits and cause no interrupt, and GBL_RLS has no firmware to call.
 *
 * All now_ns are times on the guest's clock and do not run backwards. */
#ifndef VMM_DEVICES_ACPI_PM_H
#define VMM_DEVICES_ACPI_PM_H

#include "vmm/devices/line.h"

#include <stdint.h>

#define ACPI_PM_TIMER_HZ 3579545

/* Offsets in the register block. */
enum {
    ACPI_PM1_STATUS = 0x0,  /* 16 bits */
    ACPI_PM1_ENABLE = 0x2,  /* 16 bits */
    ACPI_PM1_CONTROL = 0x4, /* 16 bits */
    ACPI_PM_TIMER = 0x8,    /* 32 bits, read-only */
    ACPI_PM_BLOCK_BYTES = 0xc,
};

enum {
    ACPI_SMI_COMMAND_PORT = 0xb2,
    ACPI_SMI_ENABLE = 0xa0,  /* FADT.ACPI_ENABLE */
    ACPI_SMI_DISABLE = 0xa1, /* FADT.ACPI_DISABLE */

    ACPI_RESET_PORT = 0xcf9,
    ACPI_RESET_VALUE = 0x06, /* FADT.RESET_VALUE */

    ACPI_SLP_TYP_S5 = 5, /* \_S5 */
};

struct acpi_pm_wires {
    struct line sci; /* line 9, level-triggered, asserted when high */

    /* Called when the guest asks for S5 or for a reset. Null ignores the request. reset_board may
     * call acpi_pm_reset. */
    void (*power_off)(void *context);
    void (*reset_board)(void *context);
    void *context;
};

struct acpi_pm {
    struct acpi_pm_wires wires;
    bool sci_level;

    uint16_t status, enable, control;
    uint8_t smi_command, reset_control;

    uint64_t timer_base_ns; /* the time at which the timer was 0 */
    uint64_t timer_ticks;   /* at the last call, with all bits, not only 32 */
};

/* Connects the chip to its wires (copied) and resets it at now_ns. */
void acpi_pm_init(struct acpi_pm *pm, const struct acpi_pm_wires *wires, uint64_t now_ns);

/* Does a power-on reset: legacy mode, no events, the timer is 0 at now_ns. */
void acpi_pm_reset(struct acpi_pm *pm, uint64_t now_ns);

/* Reads size_bytes (1, 2 or 4) from `offset` in the block, with any alignment. Each byte is read by
 * itself, but all bytes of the timer are of the same moment. Bytes outside the block read 0xff. */
uint32_t acpi_pm_read(struct acpi_pm *pm, unsigned offset, unsigned size_bytes, uint64_t now_ns);

/* Writes size_bytes (1, 2 or 4) of value at `offset`; each byte changes only its own eight bits. A
 * 1 clears a status bit. Reserved bits and the timer ignore writes. SLP_EN together with SLP_TYP 5
 * switches the guest off. No other sleeping state exists, so other types do nothing. */
void acpi_pm_write(struct acpi_pm *pm, unsigned offset, unsigned size_bytes, uint32_t value,
                   uint64_t now_ns);

/* Read and write port 0xb2. A read returns the last command. ACPI_SMI_ENABLE sets SCI_EN and
 * ACPI_SMI_DISABLE clears it; other commands do nothing (4.8.3.2.1, 5.2.9 "SMI_CMD"). */
uint8_t acpi_pm_read_smi_command(const struct acpi_pm *pm);
void acpi_pm_write_smi_command(struct acpi_pm *pm, uint8_t value, uint64_t now_ns);

/* Read and write port 0xcf9, RST_CNT of the PIIX and ICH: bit 1 selects a hard reset, and a change
 * of bit 2 from 0 to 1 resets. A soft reset (bit 1 clear, INIT) resets the whole machine as well,
 * because the guest has no firmware in which the processor could start again. */
uint8_t acpi_pm_read_reset_control(const struct acpi_pm *pm);
void acpi_pm_write_reset_control(struct acpi_pm *pm, uint8_t value);

/* Handles a short press of the power button (4.8.2.2.1.1): sets PWRBTN_STS, which raises the SCI if
 * the guest has enabled it. */
void acpi_pm_press_power_button(struct acpi_pm *pm, uint64_t now_ns);

/* Handles a rise of the RTC's interrupt line: sets RTC_STS, which raises the SCI if the guest has
 * enabled it (4.8.2.2.3 "Real Time Clock Alarm"). */
void acpi_pm_rtc_alarm(struct acpi_pm *pm, uint64_t now_ns);

/* Returns the time at which the timer's next carry will raise the SCI; TIME_NEVER if it will not.
 * Each call of the functions above can change this time. */
uint64_t acpi_pm_next_deadline(const struct acpi_pm *pm);

/* Updates the chip to now_ns. Several carries since the last call set TMR_STS once. Does nothing if
 * nothing is due. */
void acpi_pm_run(struct acpi_pm *pm, uint64_t now_ns);

#endif
