// SPDX-License-Identifier: BSD-2-Clause
/* Starts the monitor: takes the machine over from the firmware and runs the guests. */
#include "arch/x86/backtrace.h"
#include "arch/x86/cpu.h"
#include "arch/x86/fatal.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/lapic.h"
#include "arch/x86/legacy_pic.h"
#include "arch/x86/paging.h"
#include "arch/x86/tsc.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"
#include "vmm/host/symbols.h"
#include "vmm/memory/heap.h"
#include "vmm/monitor/demand.h"
#include "vmm/monitor/monitor.h"
#include "vmm/monitor/power.h"

#define CONSOLE_VECTOR VECTOR_FIRST

/* The monitor's state that belongs to no other file. */
static struct {
    const struct boot_info *boot;
    struct heap heap;
    struct monitor monitor;
} self;

static _Noreturn void switch_off(void)
{
    log_line("machine off, exit code %lu", self.monitor.exit_code);
    console_flush();
    cpus_stop_others();
    power_off();
    log_line("the machine is still on: please switch it off by hand");
    console_flush();
    cpu_stop();
}

/* Logs what happens after a bug in the monitor. With on_last_exit = poweroff switches the machine
 * off, or else resets it; otherwise returns. Called when the dump is printed, on any processor,
 * whatever the other processors do. */
static void stop_after_error(void)
{
    bool is_unattended = self.boot->on_last_exit == ON_LAST_EXIT_POWEROFF;

    log_line("%s", is_unattended
                       ? "the machine is switched off after this error (on_last_exit = poweroff)"
                       : "stopped after this error: reset the machine or switch it off by hand");
    console_flush();
    if (!is_unattended)
        return;
    power_off();
    log_line("the machine is still on and is reset now");
    console_flush();
    power_reset();
}

/* Resets the machine if stop_after_error has failed as well, and on_last_exit = poweroff. */
static void reset_after_error(void)
{
    if (self.boot->on_last_exit == ON_LAST_EXIT_POWEROFF)
        power_reset();
}

/* Switches the machine off because the monitor cannot continue. Called after the firmware is gone.
 * Logs what is wrong (what) and what to do about it (remedy). */
static _Noreturn void give_up(const char *what, const char *remedy)
{
    log_line("%s; %s", what, remedy);
    self.monitor.exit_code = EXIT_CODE_STOPPED;
    switch_off();
}

static void require(enum status status, const char *what)
{
    if (status != STATUS_OK)
        give_up(what, status_name(status));
}

/* Starts the clock at the rate that the boot stage has measured. Logs the clock it was measured by,
 * and the clocks that gave another rate. */
static void start_clock(const struct tsc_calibration *tsc)
{
    const char *note = "";
    char text[80];

    clock_init(tsc->frequency_hz);
    if (!tsc_is_invariant())
        note = cpu_is_virtual() ? "; the virtual machine does not say that it is invariant"
                                : "; it is not invariant, time may drift";
    log_line("TSC at %lu kHz by the %s%s", tsc->frequency_hz / 1000, tsc_clock_name(tsc->clock),
             note);
    for (enum tsc_clock clock = 0; clock < TSC_CLOCK_COUNT; clock++) {
        if (tsc_contradicts(tsc, clock)) {
            tsc_describe(tsc, clock, text, sizeof(text));
            log_line("TSC: %s", text);
        }
    }
}

/* Returns the interrupt of the machine's serial port: the configured one, or else the usual IRQ of
 * the port's number since the PC/AT. */
static struct host_acpi_irq console_interrupt(const struct boot_info *boot)
{
    const uint16_t com1 = 0x3f8, com3 = 0x3e8;
    uint32_t irq = boot->console_irq;

    if (irq == CONSOLE_IRQ_OF_PORT)
        irq = boot->console_port == com1 || boot->console_port == com3 ? 4 : 3;
    if (irq < HOST_ACPI_ISA_IRQS)
        return boot->acpi.isa_irqs[irq];
    return (struct host_acpi_irq){.gsi = irq, .is_active_low = true, .is_level = true}; /* as PCI */
}

/* Routes the serial line's interrupt and tries it. Returns true if it works; otherwise it is
 * masked. */
static bool use_console_interrupt(const struct host_acpi_irq *irq)
{
    struct ioapic ioapics[HOST_ACPI_IOAPICS_MAX];
    struct ioapic_trigger trigger = {.is_active_low = irq->is_active_low,
                                     .is_level = irq->is_level};
    const struct ioapic *ioapic;
    size_t count = 0;

    for (size_t i = 0; i < self.boot->acpi.ioapic_count; i++) {
        if (ioapic_init(&ioapics[count], self.boot->acpi.ioapics[i].base,
                        self.boot->acpi.ioapics[i].gsi_base) == STATUS_OK)
            count++;
    }
    ioapic = ioapic_find(ioapics, count, irq->gsi);
    if (ioapic == NULL ||
        ioapic_route(ioapic, irq->gsi, trigger, CONSOLE_VECTOR, lapic_id()) != STATUS_OK)
        return false;
    if (console_use_interrupt(CONSOLE_VECTOR))
        return true;
    (void)!ioapic_mask(ioapic, irq->gsi);
    return false;
}

static void begin_console_service(const struct boot_info *boot)
{
    struct host_acpi_irq irq = console_interrupt(boot);

    if (boot->console_port == BOOT_NO_CONSOLE)
        return;
    if (use_console_interrupt(&irq))
        return;
    log_line(
        "the serial line's interrupt does not arrive at I/O APIC input %u: the line is polled; "
        "if the firmware's setup shows another IRQ, set console_irq in [monitor] to it",
        irq.gsi);
    console_poll();
}

static void start_vmx(void)
{
    char message[256];

    if (cpus_enable_vmx(message, sizeof(message)) != STATUS_OK)
        give_up(message, "the boot stage had found nothing wrong");
    if (!cpu_this()->has_sound_xsavec)
        log_line("this processor's XSAVEC misplaces what it saves, as in Bochs 2.7: guests do not "
                 "see it");
    if (cpu_this()->apic_fault != NULL)
        log_line("this processor's APIC virtualization %s: not for apic = auto",
                 cpu_this()->apic_fault);
}

/* Continues the start on the monitor's own stack, and goes over to its page tables: they do not map
 * the firmware's stack. */
static _Noreturn void run_on_own_stack(void)
{
    const struct boot_info *boot = self.boot;

    backtrace_set_symbolizer(symbol_lookup);
    fatal_set_hooks(&(struct fatal_hooks){
        .begin = console_seize, .stop = stop_after_error, .last = reset_after_error});
    require(paging_enable(&cpu_this()->page_table), "paging");
    power_prepare(&self.heap);
    legacy_pic_disable();
    require(lapic_init(), "the local APIC");
    start_clock(&boot->tsc);
    start_vmx();
    cpus_start_others(boot, demand_processors(boot));

    self.monitor.environment = (struct guest_environment){.boot = boot, .heap = &self.heap};
    commands_install(&self.monitor);
    begin_console_service(boot);
    schedule_guests(&self.monitor);
    heap_check(&self.heap);
    switch_off();
}

void monitor_main(const struct boot_info *boot)
{
    cpus_begin();
    self.boot = boot;
    power_begin(boot);
    if (console_init(boot->console_port, boot->console_baud) != STATUS_OK &&
        boot->console_port != BOOT_NO_CONSOLE)
        cpu_stop(); /* there is no console to print to */
    log_line("has the machine");
    require(heap_init(&self.heap, (void *)boot->heap.value, boot->heap_bytes), "heap");
    if (boot->heap_poisons) {
        log_line("released memory of the heap is poisoned (heap = poison)");
        heap_poison(&self.heap, fatal_error);
    }
    paging_disable_control_flow_enforcement();
    require(cpus_init(boot, &self.heap), "memory for the first processor");
    /* The firmware's stack is not used any more. */
    call_on_stack(cpu_this()->stack_top, run_on_own_stack);
}
