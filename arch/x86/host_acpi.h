// SPDX-License-Identifier: BSD-2-Clause
/* Reads from the machine's ACPI tables what the monitor needs: processors, I/O APICs, how ISA
 * interrupts are wired, timers, how to switch the machine off and reset it. ACPI 6.5, 5.2 "ACPI
 * System Description Tables". Pure. The tables are the firmware's, so everything in them is checked
 * before it is used. */
#ifndef ARCH_X86_HOST_ACPI_H
#define ARCH_X86_HOST_ACPI_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define HOST_ACPI_CPUS_MAX    256
#define HOST_ACPI_IOAPICS_MAX 16
#define HOST_ACPI_ISA_IRQS    16

/* Returns a pointer to [address, +size_bytes) of physical memory, or null if a part of it is not
 * memory that may be read without side effects. size_bytes is 1 or more. */
typedef const void *host_acpi_memory(void *context, uint64_t address, uint64_t size_bytes);

struct host_acpi_cpu {
    uint32_t apic_id;
    bool is_enabled; /* false: it may be plugged in later, at most */
};

struct host_acpi_ioapic {
    hpa_t base;
    uint32_t gsi_base;
};

struct host_acpi_irq {
    uint32_t gsi;
    bool is_active_low;
    bool is_level;
};

/* The ACPI power-management timer: a counter at 3579545 Hz (ACPI 6.5, 4.8.3.3). */
struct host_acpi_pm_timer {
    enum { PM_TIMER_NONE, PM_TIMER_PORT, PM_TIMER_MEMORY } kind;
    uint64_t address; /* I/O port or physical address of a 32-bit register */
    bool is_32bit;    /* false: 24 bits count, and the upper 8 are not reliable */
};

/* The register that resets the machine when value is written to it (ACPI 6.5, 4.8.3.6 "Reset
 * Register"). */
struct host_acpi_reset {
    enum { RESET_NONE, RESET_PORT, RESET_MEMORY } kind;
    uint64_t address; /* I/O port or physical address of an 8-bit register */
    uint8_t value;
};

struct host_acpi {
    bool has_madt;
    bool has_8259; /* MADT flag PCAT_COMPAT: there is a pair of 8259s to silence */
    hpa_t lapic_base;
    size_t cpu_count;
    struct host_acpi_cpu cpus[HOST_ACPI_CPUS_MAX];
    size_t ioapic_count;
    struct host_acpi_ioapic ioapics[HOST_ACPI_IOAPICS_MAX];
    struct host_acpi_irq isa_irqs[HOST_ACPI_ISA_IRQS]; /* by ISA IRQ number */
    struct host_acpi_pm_timer pm_timer;
    hpa_t hpet_address; /* the HPET's 1024 bytes of registers; 0: there is none */
    /* 16 bits, with SLP_TYP and SLP_EN (ACPI 6.5, 4.8.3.2.1); 0: none. */
    uint16_t pm1a_control_port;
    uint16_t pm1b_control_port; /* gets the same writes; 0: none */
    struct host_acpi_reset reset;
    unsigned rejected_count; /* tables and entries skipped because malformed or too many */
};

/* Reads the tables, beginning with the root pointer.
 *   rsdp: the root pointer's address; 0 if the firmware has none;
 *   memory, context: give access to the tables; the memory does not change during the call.
 *   *acpi: filled in and usable whatever the result. What the tables do not say is as on a PC
 *     without ACPI: one I/O APIC at 0xfec00000 from GSI 0, ISA IRQ n on GSI n, active high and edge
 *     triggered, 8259s present, local APICs at 0xfee00000, no processors listed, no timers, no
 *     registers. It has no pointers into the tables.
 * Returns
 *   STATUS_OK: the root and a MADT are valid.
 *   STATUS_NOT_FOUND: rsdp is 0, or there is no valid MADT.
 *   STATUS_INVALID: the root pointer or root table is not valid or lies outside memory. */
MUST_USE enum status host_acpi_read(struct host_acpi *acpi, hpa_t rsdp, host_acpi_memory *memory,
                                    void *context);

#endif
