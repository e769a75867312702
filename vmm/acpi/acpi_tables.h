/* The guest's ACPI tables: RSDP, RSDT, XSDT, FADT, FACS and DSDT, written from a description of the
 * board. ACPI Specification 6.5, chapter 5 "ACPI Software Programming Model". There is no MADT: the
 * board has a pair of 8259As and no APIC. */
#ifndef VMM_ACPI_ACPI_TABLES_H
#define VMM_ACPI_ACPI_TABLES_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* Where software looks for the RSDP on a PC (5.2.5.1): on 16 bytes in these 128 KiB. */
#define ACPI_SEARCH_FIRST 0xe0000u
#define ACPI_SEARCH_LAST  0xfffffu

/* More than the tables ever take. */
#define ACPI_TABLES_BYTES_MAX 4096

struct acpi_port_range {
    uint16_t first;
    uint8_t count;
};

struct acpi_board {
    /* Fixed hardware (4.8): the PM1a event block's 4 ports, the control block's 2, the timer's 4.
     */
    uint16_t pm1_event_port;
    uint16_t pm1_control_port;
    uint16_t pm_timer_port;
    uint16_t smi_command_port;
    uint8_t acpi_enable; /* what to write to the SMI command port */
    uint8_t acpi_disable;
    uint8_t sci_irq; /* 0..15, at the 8259As; level, shareable */
    uint16_t reset_port;
    uint8_t reset_value;
    uint8_t s5_sleep_type; /* SLP_TYP for soft off, 0..7 */
    uint8_t century_index; /* CMOS index of the RTC's century, 0 for none */

    /* Devices in their usual places: 0x3f8 with line 4, 0x70 with line 8, 0x60/0x64 with 1 and 12.
     * PICs, timer and speaker are always there. */
    bool com1;
    bool rtc;
    bool i8042;

    /* Ports in use that belong to no device with a driver. */
    const struct acpi_port_range *reserved;
    size_t reserved_count; /* 0..8 */
};

/* The board that vmm/machine.c builds. */
extern const struct acpi_board acpi_board_pc;

/* Writes all tables for a guest that sees buffer at guest-physical address base; the RSDP is at
 * base itself. base: a multiple of 64 with base + size_bytes inside ACPI_SEARCH_FIRST..LAST. The
 * memory has to stay writable for the guest, as the FACS holds the global lock. *used_bytes is how
 * much was written, at most ACPI_TABLES_BYTES_MAX.
 * STATUS_OUT_OF_RANGE: base is elsewhere; STATUS_INVALID: the board description breaks its ranges;
 * STATUS_NO_MEMORY: size_bytes is too small. */
MUST_USE enum status acpi_tables_build(const struct acpi_board *board, gpa_t base, uint8_t *buffer,
                                       size_t size_bytes, size_t *used_bytes);

#endif
