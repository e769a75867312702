// SPDX-License-Identifier: BSD-2-Clause
/* The guest's ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, MADT and DSDT, written from a description
 * of the board. ACPI Specification 6.5, chapter 5 "ACPI Software Programming Model". */
#ifndef VMM_ACPI_ACPI_TABLES_H
#define VMM_ACPI_ACPI_TABLES_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* Software looks for the RSDP of a PC (5.2.5.1) in these 128 KiB, at multiples of 16 bytes. */
#define ACPI_SEARCH_FIRST 0xe0000u
#define ACPI_SEARCH_LAST  0xfffffu

/* An upper bound of the bytes that the tables take together. */
#define ACPI_TABLES_BYTES_MAX 16384

#define ACPI_CPUS_MAX 288

struct acpi_port_range {
    uint16_t first;
    uint8_t count;
};

/* How an ISA line reaches the I/O APIC, if it differs from "the same input, edge, active high"
 * (5.2.12.5, "MPS INTI Flags"). */
enum acpi_polarity { ACPI_ACTIVE_HIGH = 1, ACPI_ACTIVE_LOW = 3 };
enum acpi_trigger { ACPI_EDGE = 1, ACPI_LEVEL = 3 };

struct acpi_irq_override {
    uint8_t isa_irq; /* 0..15 */
    uint8_t gsi;     /* the I/O APIC's input, 0..23 */
    enum acpi_polarity polarity;
    enum acpi_trigger trigger;
};

struct acpi_board {
    /* The number of processors, 0..ACPI_CPUS_MAX. Their APIC IDs are 0..cpu_count - 1. With 0
     * processors the board has a pair of 8259As and no APIC: no MADT is written, and the fields up
     * to override_count are ignored. */
    uint32_t cpu_count;
    uint32_t local_apic_address; /* page aligned, as io_apic_address is */
    uint32_t io_apic_address;
    uint8_t io_apic_id;
    const struct acpi_irq_override *overrides;
    size_t override_count; /* 0..16 */

    /* Fixed hardware (4.8). Ports: the PM1a event block 4, the PM1a control block 2, the timer
     * 4. */
    uint16_t pm1_event_port;
    uint16_t pm1_control_port;
    uint16_t pm_timer_port;
    uint16_t smi_command_port;
    uint8_t acpi_enable; /* what software writes to the SMI command port */
    uint8_t acpi_disable;
    uint8_t sci_irq; /* 0..15 at the 8259As, level, shareable; see overrides */
    uint16_t reset_port;
    uint8_t reset_value;
    uint8_t s5_sleep_type; /* SLP_TYP for soft off, 0..7 */
    uint8_t century_index; /* CMOS index of the RTC's century; 0: there is none */

    /* Devices at their usual places: COM1 at 0x3f8 with line 4, the RTC at 0x70 with line 8, the
     * i8042 at 0x60 and 0x64 with lines 1 and 12. The PICs, the timer and the speaker are always
     * there. */
    bool com1;
    bool rtc;
    bool i8042;

    /* Ports that are in use and belong to no device with a driver. */
    const struct acpi_port_range *reserved;
    size_t reserved_count; /* 0..8 */
};

/* The board that vmm/board/board.c builds. Its cpu_count is 0; the caller puts the guest's number
 * in. IRQ 0 arrives at input 2 of the I/O APIC; the SCI arrives at input 9, level, active high. */
extern const struct acpi_board acpi_board_pc;

/* Writes all tables for a guest that sees buffer at guest-physical address base; the RSDP lies at
 * base itself. base: a multiple of 64, with base + size_bytes inside ACPI_SEARCH_FIRST..LAST. The
 * guest has to be able to write to this memory later, because the FACS holds the global lock. Sets
 * *used_bytes, on success only, to the number of bytes written, at most ACPI_TABLES_BYTES_MAX.
 * STATUS_OUT_OF_RANGE: base or base + size_bytes breaks the rule above.
 * STATUS_INVALID: a field of the board is outside its range.
 * STATUS_NO_MEMORY: size_bytes is too small. */
MUST_USE enum status acpi_tables_build(const struct acpi_board *board, gpa_t base, uint8_t *buffer,
                                       size_t size_bytes, size_t *used_bytes);

#endif
