// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/monitor/power.h"

#include "arch/x86/cpu.h"
#include "arch/x86/firmware_call.h"
#include "arch/x86/lapic.h"
#include "arch/x86/paging.h"
#include "arch/x86/platform_power.h"
#include "arch/x86/vmx.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/time.h"
#include "vmm/host/cpus.h"

/* Firmware is likely to use addresses below this, whatever its memory map says: flash, chipset and
 * PCI configuration registers, its own reserved memory. */
#define LOW_BYTES (4 * GIB)

/* The time that the firmware may take. */
#define FIRMWARE_NS (10 * NS_PER_SECOND)

/* The timer's vector has the highest priority, because a bug may have been found in the handler of
 * any interrupt. The timer looks at the clock every 1 to 50 ms. */
#define TIMER_VECTOR VECTOR_LAST
#define TIMER_COUNT  10000

/* Enough for 1 TiB in pages of 2 MiB. */
#define TABLE_PAGES_MAX 1024

static struct {
    const struct boot_info *boot;
    struct firmware_state firmware;
    struct page_table table;
    size_t table_pages;
    uint64_t give_up_tsc; /* from this time on the firmware is stopped */
    bool has_table;       /* the table is usable, and the processors' own descriptor tables are
                           * loaded */
} self;

void power_begin(const struct boot_info *boot)
{
    self.boot = boot;
    firmware_state_read(&self.firmware);
}

static void *allocate_table(void *context)
{
    if (self.table_pages >= TABLE_PAGES_MAX)
        return NULL;
    self.table_pages++;
    return heap_allocate(context, PAGE_SIZE, PAGE_SIZE);
}

/* Maps a range in large pages, and widens it for that: the firmware's own tables have no gaps
 * either. */
static enum status map(uint64_t base, uint64_t size_bytes)
{
    uint64_t begin = align_down(base, PAGE_SIZE_LARGE);

    return page_table_map(&self.table, begin, align_up(base + size_bytes, PAGE_SIZE_LARGE) - begin,
                          PAGE_WRITE | PAGE_EXECUTE | PAGE_FIRMWARE);
}

static enum status map_range(const struct memory_range *range)
{
    if (range->kind == MEMORY_RESERVED || range->base.value + range->size_bytes <= LOW_BYTES)
        return STATUS_OK;
    return map(range->base.value, range->size_bytes);
}

void power_prepare(struct heap *heap)
{
    struct page_source source = {.allocate = allocate_table, .context = heap};
    enum status status =
        page_table_init(&self.table, paging_levels(), paging_has_huge_pages(), &source);

    if (status == STATUS_OK)
        status = map(0, LOW_BYTES);
    self.has_table = status == STATUS_OK;
    for (size_t i = 0; i < self.boot->memory_count && status == STATUS_OK; i++)
        status = map_range(&self.boot->memory[i]);
    if (status != STATUS_OK)
        log_line(
            "not all memory is mapped for the firmware's switching off (%s): it may fail there",
            status_name(status));
}

static void call_power_off(void *context)
{
    (void)context;
    self.boot->firmware_power_off(self.boot->efi_runtime_services);
}

/* Calls the firmware with interrupts on, so that a timer can end a service that does not return.
 * Runtime services may be called so (UEFI 2.10, 2.3.4). */
static void call_power_off_interruptibly(void *context)
{
    sti();
    call_power_off(context);
    cli();
}

static void on_timer(void *context)
{
    (void)context;
    if (rdtsc() >= self.give_up_tsc)
        trap_give_up_guarded_call();
    else
        lapic_start_timer(TIMER_VECTOR, TIMER_COUNT);
}

/* Calls the firmware to switch the machine off. Before the clock runs, nothing bounds its time.
 * Returns whether the firmware has returned; otherwise *fault says how the call ended. */
static bool call_firmware(struct trap_fault *fault)
{
    bool has_returned;

    if (clock_tsc_hz() == 0)
        return firmware_call(&self.firmware, &self.table, call_power_off, NULL, fault);
    self.give_up_tsc = rdtsc() + clock_ticks_from_ns(FIRMWARE_NS);
    trap_set_interrupt_handler(TIMER_VECTOR, on_timer, NULL);
    lapic_start_timer(TIMER_VECTOR, TIMER_COUNT);
    has_returned =
        firmware_call(&self.firmware, &self.table, call_power_off_interruptibly, NULL, fault);
    lapic_stop_timer();
    return has_returned;
}

static void log_firmware_failure(bool has_returned, const struct trap_fault *fault)
{
    if (has_returned)
        log_line("the firmware does not switch the machine off: ResetSystem returned");
    else if (fault->vector == TIMER_VECTOR)
        log_line("the firmware does not switch the machine off: ResetSystem was still at 0x%lx "
                 "after %lu seconds",
                 fault->rip, FIRMWARE_NS / NS_PER_SECOND);
    else
        log_line("the firmware does not switch the machine off: ResetSystem ended with %s at "
                 "0x%lx, cr2 0x%lx",
                 trap_exception_name(fault->vector), fault->rip, fault->cr2);
}

void power_off(void)
{
    const struct host_acpi *acpi = &self.boot->acpi;
    struct cpu *cpu = cpu_this();
    struct trap_fault fault = {.vector = 0};
    bool has_returned = true;

    if (cpu->is_in_vmx_operation)
        vmx_disable();
    cpu->is_in_vmx_operation = false;
    if (self.has_table)
        has_returned = call_firmware(&fault);
    else
        call_power_off(NULL);
    log_firmware_failure(has_returned, &fault);
    if (acpi->pm1a_control_port == 0)
        return;
    log_line("trying ACPI's PM1 control register at I/O port 0x%x", acpi->pm1a_control_port);
    platform_power_off(acpi);
}

_Noreturn void power_reset(void)
{
    if (self.has_table)
        write_cr3(page_table_cr3(&self.table)); /* the reset register may be in memory */
    platform_reset(&self.boot->acpi);
}
