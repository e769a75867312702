// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/board/board.h"

#include "arch/x86/cpu.h"
#include "vmm/base/clock.h"
#include "vmm/host/cpus.h"

/* A PC's firmware tells the size of memory through these bytes of CMOS RAM (IBM PC/AT Technical
 * Reference, "Real-Time Clock/CMOS RAM Information"; 0x34 by later custom). */
enum cmos {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_MEMORY = 0x15,          /* KiB, 16 bits */
    CMOS_EXTENDED_MEMORY = 0x17,      /* KiB above 1 MiB, 16 bits */
    CMOS_EXTENDED_MEMORY_POST = 0x30, /* the same again */
    CMOS_MEMORY_ABOVE_16M = 0x34,     /* 64 KiB units, 16 bits */
};

#define CMOS_EQUIPMENT_FPU 0x02
#define BASE_MEMORY_KIB    640

/* --- Time --- */

/* After anything that may have moved the deadline of one device: the common case, that nothing
 * changed, is a compare. */
static void set_deadline(struct machine *machine, enum machine_timer timer, uint64_t deadline_ns)
{
    uint64_t earliest_ns = TIME_NEVER, ticks;

    if (machine->deadlines_ns[timer] == deadline_ns)
        return;
    machine->deadlines_ns[timer] = deadline_ns;
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        if (machine->deadlines_ns[i] < earliest_ns)
            earliest_ns = machine->deadlines_ns[i];
    }
    if (earliest_ns == machine->deadline_ns)
        return;
    machine->deadline_ns = earliest_ns;
    ticks = clock_ticks_from_ns(earliest_ns);
    atomic_store_explicit(&machine->deadline_tsc,
                          ticks == UINT64_MAX ? UINT64_MAX : machine->start_tsc + ticks,
                          memory_order_relaxed);
    machine->hooks.deadline_moved(machine->hooks.context);
}

void machine_update_timer(struct machine *machine, enum machine_timer timer)
{
    switch (timer) {
    case TIMER_PIT: set_deadline(machine, timer, i8254_next_deadline(&machine->pit)); break;
    case TIMER_RTC: set_deadline(machine, timer, mc146818_next_deadline(&machine->rtc)); break;
    case TIMER_COM1: set_deadline(machine, timer, uart16550_next_deadline(&machine->com1)); break;
    case TIMER_I8042: set_deadline(machine, timer, i8042_next_deadline(&machine->i8042)); break;
    case TIMER_ACPI_PM:
        set_deadline(machine, timer, acpi_pm_next_deadline(&machine->acpi_pm));
        break;
    case TIMER_COUNT: break;
    }
}

static void update_all(struct machine *machine)
{
    for (unsigned timer = 0; timer < TIMER_COUNT; timer++)
        machine_update_timer(machine, (enum machine_timer)timer);
}

void machine_run_until(struct machine *machine, uint64_t now_tsc)
{
    uint64_t now_ns;

    if (now_tsc < machine_deadline_tsc(machine))
        return;
    machine_lock(machine);
    now_ns = clock_ns_from_ticks(now_tsc - machine->start_tsc);
    i8254_run(&machine->pit, now_ns);
    mc146818_run(&machine->rtc, now_ns);
    uart16550_run(&machine->com1, now_ns);
    i8042_run(&machine->i8042, now_ns);
    acpi_pm_run(&machine->acpi_pm, now_ns);
    update_all(machine);
    machine_unlock(machine);
}

/* --- Lines --- */

static void set_pic(void *context, unsigned irq, bool level)
{
    struct machine *machine = context;

    i8259_pair_set_line(&machine->pic, irq, level);
}

static void set_ioapic(void *context, unsigned pin, bool level)
{
    struct machine *machine = context;

    i82093aa_set_line(&machine->ioapic, pin, level);
}

static struct line irq_line(struct machine *machine, enum machine_irq irq)
{
    return irq_lines_source(&machine->lines, irq, SOURCE_DEVICE);
}

/* The 8259s' INT goes to LINT0 of the processors and to pin 0 of the I/O APIC, where software may
 * make an ExtINT of it. */
static void on_pic_output(void *context, bool level)
{
    struct machine *machine = context;

    apic_bus_set_lint(&machine->apics, 0, level);
    i82093aa_set_line(&machine->ioapic, 0, level);
}

/* The RTC's line goes to the power management's alarm status, too. */
static void set_rtc_irq(void *context, bool level)
{
    struct machine *machine = context;
    struct line irq = irq_line(machine, IRQ_RTC);

    line_set(&irq, level);
    if (level) {
        acpi_pm_rtc_alarm(&machine->acpi_pm, machine_now_ns(machine));
        machine_update_timer(machine, TIMER_ACPI_PM);
    }
}

static bool send_from_ioapic(void *context, const struct apic_message *message)
{
    struct machine *machine = context;

    return apic_bus_send(&machine->apics, message, NULL);
}

/* Both controllers tell of the end while the line may still be lowered without another request;
 * so whoever drives it is told now, with the board locked, and machine_line knows. */
static void tell_line_ended(struct machine *machine, unsigned line)
{
    atomic_store_explicit(&machine->ending_on, cpu_this(), memory_order_relaxed);
    machine->hooks.line_ended(machine->hooks.context, line);
    atomic_store_explicit(&machine->ending_on, NULL, memory_order_relaxed);
}

static void on_pic_end_of_interrupt(void *context, unsigned irq)
{
    tell_line_ended(context, irq);
}

static void on_ioapic_end_of_interrupt(void *context, unsigned pin)
{
    if (pin != 0) /* that is the 8259s' */
        tell_line_ended(context, pin == IRQ_LINES_IOAPIC_TIMER ? (unsigned)IRQ_TIMER : pin);
}

static void on_apic_end_of_interrupt(void *context, uint8_t vector)
{
    struct machine *machine = machine_lock(context);

    i82093aa_eoi(&machine->ioapic, vector);
    machine_unlock(machine);
}

static void set_line_from_outside(void *context, bool level)
{
    const struct machine_wire *wire = context;
    bool is_locked =
        atomic_load_explicit(&wire->machine->ending_on, memory_order_relaxed) == cpu_this();

    if (!is_locked)
        machine_lock(wire->machine);
    line_set(&wire->line, level);
    if (!is_locked)
        machine_unlock(wire->machine);
}

struct line machine_line(struct machine *machine, unsigned line)
{
    return (struct line){.set = set_line_from_outside, .context = &machine->wires[line]};
}

static void wire_interrupt_controllers(struct machine *machine)
{
    irq_lines_init(&machine->lines, &(struct irq_lines_outputs){.set_pic = set_pic,
                                                                .set_ioapic = set_ioapic,
                                                                .context = machine});
    apic_bus_init(&machine->apics, &(struct apic_bus_wires){.kick = machine->hooks.kick,
                                                            .is_own = machine->hooks.is_own,
                                                            .context = machine->hooks.context,
                                                            .eoi = on_apic_end_of_interrupt,
                                                            .eoi_context = machine});
    i82093aa_init(&machine->ioapic, &(struct i82093aa_wires){
                                        .send = send_from_ioapic,
                                        .end_of_interrupt = on_ioapic_end_of_interrupt,
                                        .context = machine,
                                    });
    i8259_pair_init(&machine->pic, (struct line){.set = on_pic_output, .context = machine});
    i8259_pair_on_end_of_interrupt(&machine->pic, on_pic_end_of_interrupt, machine);
    for (unsigned line = 0; line < IRQ_LINE_COUNT; line++)
        machine->wires[line] = (struct machine_wire){
            machine, irq_lines_source(&machine->lines, line, SOURCE_ATTACHMENT)};
}

/* --- What else leaves the board --- */

static bool transmit_serial(void *context, uint8_t byte)
{
    struct machine *machine = context;

    return machine->hooks.serial_transmit(machine->hooks.context, byte);
}

static void power_off(void *context)
{
    struct machine *machine = context;

    machine->hooks.power_off(machine->hooks.context);
}

static void ask_for_reset(void *context)
{
    struct machine *machine = context;

    machine->hooks.reset(machine->hooks.context);
}

static void shut_down(void *context)
{
    struct machine *machine = context;

    machine->hooks.shut_down(machine->hooks.context);
}

static void wire_testdev(struct machine *machine)
{
    struct testdev_wires wires = {.memory = machine->config.testdev_memory};

    for (unsigned line = 0; line < IRQ_LINE_COUNT; line++)
        wires.lines[line] = irq_lines_source(&machine->lines, line, SOURCE_TESTDEV);
    testdev_init(&machine->testdev, &wires);
    fw_cfg_init(&machine->fw_cfg, machine->config.ram_bytes, (uint16_t)machine->config.cpu_count);
}

static void wire_devices(struct machine *machine)
{
    machine->pit.out[0] = irq_line(machine, IRQ_TIMER);
    machine->port_61.pit = &machine->pit;
    uart16550_init(&machine->com1, &(struct uart16550_wires){
                                       .irq = irq_line(machine, IRQ_COM1),
                                       .transmit = transmit_serial,
                                       .context = machine,
                                   });
    i8042_init(&machine->i8042, &(struct i8042_wires){
                                    .keyboard_irq = irq_line(machine, IRQ_KEYBOARD),
                                    .auxiliary_irq = irq_line(machine, IRQ_AUX),
                                    .reset_machine = ask_for_reset,
                                    .context = machine,
                                });
    acpi_pm_init(&machine->acpi_pm,
                 &(struct acpi_pm_wires){
                     .sci = irq_line(machine, IRQ_SCI),
                     .power_off = power_off,
                     .reset_machine = ask_for_reset,
                     .context = machine,
                 },
                 0);
    debug_console_init(&machine->debug_console, machine->hooks.debug_byte, machine->hooks.context);
    debug_exit_init(&machine->debug_exit, machine->hooks.debug_exit, machine->hooks.context);
    shutdown_port_init(&machine->shutdown_port, shut_down, machine);
    if (machine->config.testdev_memory != NULL)
        wire_testdev(machine);
}

void machine_init(struct machine *machine, const struct machine_hooks *hooks,
                  const struct machine_config *config)
{
    *machine = (struct machine){
        .hooks = *hooks,
        .config = *config,
        .deadline_ns = TIME_NEVER,
        .deadline_tsc = UINT64_MAX,
    };
    for (unsigned i = 0; i < TIMER_COUNT; i++)
        machine->deadlines_ns[i] = TIME_NEVER;
    wire_interrupt_controllers(machine);
    wire_devices(machine);
}

/* --- Power-on and reset --- */

static void set_cmos16(struct mc146818 *rtc, unsigned index, uint64_t value)
{
    uint64_t clamped = value > 0xffff ? 0xffff : value;

    mc146818_set_cmos(rtc, index, (uint8_t)clamped);
    mc146818_set_cmos(rtc, index + 1, (uint8_t)(clamped >> 8));
}

static void reset(struct machine *machine)
{
    uint64_t now_ns = machine_now_ns(machine);

    i8259_pair_reset(&machine->pic);
    i82093aa_reset(&machine->ioapic);
    i8254_reset(&machine->pit, now_ns);
    port_61_reset(&machine->port_61, now_ns);
    mc146818_reset(&machine->rtc, now_ns);
    uart16550_reset(&machine->com1);
    uart16550_set_modem(&machine->com1, UART16550_CTS | UART16550_DSR | UART16550_DCD, now_ns);
    i8042_reset(&machine->i8042);
    acpi_pm_reset(&machine->acpi_pm, now_ns);
    shutdown_port_reset(&machine->shutdown_port);
    if (machine->config.testdev_memory != NULL) {
        testdev_reset(&machine->testdev);
        fw_cfg_reset(&machine->fw_cfg);
    }
    update_all(machine);
}

void machine_power_on(struct machine *machine, uint64_t wall_seconds)
{
    uint64_t ram_bytes = machine->config.ram_bytes;
    uint64_t extended_kib = ram_bytes / KIB - KIB;
    uint64_t above_16m = ram_bytes > 16 * MIB ? ram_bytes - 16 * MIB : 0;
    struct mc146818 *rtc = &machine->rtc;

    machine_lock(machine);
    machine->start_tsc = rdtsc();
    mc146818_init(rtc, (struct line){.set = set_rtc_irq, .context = machine}, wall_seconds, 0);
    mc146818_set_cmos(rtc, CMOS_EQUIPMENT, CMOS_EQUIPMENT_FPU);
    set_cmos16(rtc, CMOS_BASE_MEMORY, BASE_MEMORY_KIB);
    set_cmos16(rtc, CMOS_EXTENDED_MEMORY, extended_kib);
    set_cmos16(rtc, CMOS_EXTENDED_MEMORY_POST, extended_kib);
    set_cmos16(rtc, CMOS_MEMORY_ABOVE_16M, above_16m / (64 * KIB));
    reset(machine);
    machine_unlock(machine);
}

void machine_reset(struct machine *machine)
{
    machine_lock(machine);
    reset(machine);
    machine_unlock(machine);
}

/* --- The processor's side --- */

void machine_retry_interrupts(struct machine *machine)
{
    machine_lock(machine);
    i82093aa_retry(&machine->ioapic);
    machine_unlock(machine);
}

uint8_t machine_acknowledge_interrupt(struct machine *machine)
{
    uint8_t vector;

    machine_lock(machine);
    vector = i8259_pair_acknowledge(&machine->pic);
    machine_unlock(machine);
    return vector;
}

/* --- COM1's far side --- */

size_t machine_serial_space(struct machine *machine)
{
    size_t space;

    machine_lock(machine);
    space = uart16550_receive_space(&machine->com1);
    machine_unlock(machine);
    return space;
}

void machine_serial_receive(struct machine *machine, uint8_t byte)
{
    machine_lock(machine);
    uart16550_receive(&machine->com1, byte, machine_now_ns(machine));
    machine_update_timer(machine, TIMER_COM1);
    machine_unlock(machine);
}

void machine_serial_ready(struct machine *machine)
{
    machine_lock(machine);
    uart16550_transmit_ready(&machine->com1, machine_now_ns(machine));
    machine_update_timer(machine, TIMER_COM1);
    machine_unlock(machine);
}
