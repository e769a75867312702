// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/board/board.h"

#include "arch/x86/cpu.h"
#include "vmm/base/clock.h"
#include "vmm/devices/cmos_setup.h"
#include "vmm/host/cpus.h"

/* Sets the deadline of one device, which may be the same as before; that frequent case is only a
 * compare. If the board's earliest deadline moves, calls hooks.deadline_moved. */
static void set_deadline(struct board *board, enum board_device_number device, uint64_t deadline_ns)
{
    uint64_t earliest_ns = TIME_NEVER, ticks;

    if (board->deadlines_ns[device] == deadline_ns)
        return;
    board->deadlines_ns[device] = deadline_ns;
    for (unsigned i = 0; i < DEVICE_COUNT; i++) {
        if (board->deadlines_ns[i] < earliest_ns)
            earliest_ns = board->deadlines_ns[i];
    }
    if (earliest_ns == board->deadline_ns)
        return;
    board->deadline_ns = earliest_ns;
    ticks = clock_ticks_from_ns(earliest_ns);
    atomic_store_explicit(&board->deadline_tsc,
                          ticks == UINT64_MAX ? UINT64_MAX : board->start_tsc + ticks,
                          memory_order_relaxed);
    board->hooks.deadline_moved(board->hooks.context);
}

void board_update_timer(struct board *board, enum board_device_number device)
{
    set_deadline(board, device, board_devices[device].next_deadline(board));
}

static void update_all(struct board *board)
{
    for (unsigned i = 0; i < DEVICE_COUNT; i++) {
        if (board_devices[i].next_deadline != NULL)
            board_update_timer(board, (enum board_device_number)i);
    }
}

void board_run_until(struct board *board, uint64_t now_tsc)
{
    uint64_t now_ns;

    if (now_tsc < board_deadline_tsc(board))
        return;
    board_lock(board);
    now_ns = clock_ns_from_ticks(now_tsc - board->start_tsc);
    for (unsigned i = 0; i < DEVICE_COUNT; i++) {
        if (board_devices[i].run != NULL)
            board_devices[i].run(board, now_ns);
    }
    update_all(board);
    board_unlock(board);
}

static void set_pic(void *context, unsigned irq, bool level)
{
    struct board *board = context;

    i8259_pair_set_line(&board->pic, irq, level);
}

static void set_ioapic(void *context, unsigned pin, bool level)
{
    struct board *board = context;

    i82093aa_set_line(&board->ioapic, pin, level);
}

static struct line irq_line(struct board *board, enum board_irq irq)
{
    return irq_lines_source(&board->lines, irq, SOURCE_DEVICE);
}

/* Puts the 8259s' INT on LINT0 of the processors and on pin 0 of the I/O APIC, where software may
 * make an ExtINT of it. */
static void on_pic_output(void *context, bool level)
{
    struct board *board = context;

    apic_bus_set_lint(&board->apics, 0, level);
    i82093aa_set_line(&board->ioapic, 0, level);
}

/* Drives the RTC's line. A rising line also sets the alarm status of power management. */
static void set_rtc_irq(void *context, bool level)
{
    struct board *board = context;
    struct line irq = irq_line(board, IRQ_RTC);

    line_set(&irq, level);
    if (level) {
        acpi_pm_rtc_alarm(&board->acpi_pm, board_now_ns(board));
        board_update_timer(board, DEVICE_ACPI_PM);
    }
}

static bool send_from_ioapic(void *context, const struct apic_message *message)
{
    struct board *board = context;

    return apic_bus_send(&board->apics, message, NULL);
}

/* Reports the end of a line's interrupt to whoever drives the line. Both controllers report it
 * while the line may still be lowered without another request. So the hook is called now, with the
 * board locked; board->ending_on says so to set_line_from_outside. */
static void end_line(struct board *board, unsigned line)
{
    atomic_store_explicit(&board->ending_on, cpu_this(), memory_order_relaxed);
    board->hooks.line_ended(board->hooks.context, line);
    atomic_store_explicit(&board->ending_on, NULL, memory_order_relaxed);
}

static void on_pic_end_of_interrupt(void *context, unsigned irq)
{
    end_line(context, irq);
}

static void on_ioapic_end_of_interrupt(void *context, unsigned pin)
{
    if (pin != 0) /* pin 0 is the 8259s' */
        end_line(context, pin == IRQ_LINES_IOAPIC_TIMER ? (unsigned)IRQ_TIMER : pin);
}

static void on_apic_end_of_interrupt(void *context, uint8_t vector)
{
    struct board *board = board_lock(context);

    i82093aa_eoi(&board->ioapic, vector);
    board_unlock(board);
}

static void set_line_from_outside(void *context, bool level)
{
    const struct board_wire *wire = context;
    bool is_locked =
        atomic_load_explicit(&wire->board->ending_on, memory_order_relaxed) == cpu_this();

    if (!is_locked)
        board_lock(wire->board);
    line_set(&wire->line, level);
    if (!is_locked)
        board_unlock(wire->board);
}

struct line board_line(struct board *board, unsigned line)
{
    return (struct line){.set = set_line_from_outside, .context = &board->wires[line]};
}

static void wire_interrupt_controllers(struct board *board)
{
    irq_lines_init(&board->lines, &(struct irq_lines_outputs){.set_pic = set_pic,
                                                              .set_ioapic = set_ioapic,
                                                              .context = board});
    apic_bus_init(&board->apics, &(struct apic_bus_wires){.kick = board->hooks.kick,
                                                          .is_own = board->hooks.is_own,
                                                          .context = board->hooks.context,
                                                          .eoi = on_apic_end_of_interrupt,
                                                          .eoi_context = board});
    i82093aa_init(&board->ioapic, &(struct i82093aa_wires){
                                      .send = send_from_ioapic,
                                      .end_of_interrupt = on_ioapic_end_of_interrupt,
                                      .context = board,
                                  });
    i8259_pair_init(&board->pic, (struct line){.set = on_pic_output, .context = board});
    i8259_pair_on_end_of_interrupt(&board->pic, on_pic_end_of_interrupt, board);
    for (unsigned line = 0; line < IRQ_LINE_COUNT; line++)
        board->wires[line] =
            (struct board_wire){board, irq_lines_source(&board->lines, line, SOURCE_ATTACHMENT)};
}

static bool transmit_serial(void *context, uint8_t byte)
{
    struct board *board = context;

    return board->hooks.serial_transmit(board->hooks.context, byte);
}

static void power_off(void *context)
{
    struct board *board = context;

    board->hooks.power_off(board->hooks.context);
}

static void ask_for_reset(void *context)
{
    struct board *board = context;

    board->hooks.reset(board->hooks.context);
}

static void shut_down(void *context)
{
    struct board *board = context;

    board->hooks.shut_down(board->hooks.context);
}

static void wire_testdev(struct board *board)
{
    struct testdev_wires wires = {.memory = board->config.testdev_memory};

    for (unsigned line = 0; line < IRQ_LINE_COUNT; line++)
        wires.lines[line] = irq_lines_source(&board->lines, line, SOURCE_TESTDEV);
    testdev_init(&board->testdev, &wires);
    fw_cfg_init(&board->fw_cfg, board->config.ram_bytes, (uint16_t)board->config.cpu_count);
}

static void wire_devices(struct board *board)
{
    board->pit.out[0] = irq_line(board, IRQ_TIMER);
    board->port_61.pit = &board->pit;
    uart16550_init(&board->com1, &(struct uart16550_wires){
                                     .irq = irq_line(board, IRQ_COM1),
                                     .transmit = transmit_serial,
                                     .context = board,
                                 });
    i8042_init(&board->i8042, &(struct i8042_wires){
                                  .keyboard_irq = irq_line(board, IRQ_KEYBOARD),
                                  .auxiliary_irq = irq_line(board, IRQ_AUX),
                                  .reset_board = ask_for_reset,
                                  .context = board,
                              });
    acpi_pm_init(&board->acpi_pm,
                 &(struct acpi_pm_wires){
                     .sci = irq_line(board, IRQ_SCI),
                     .power_off = power_off,
                     .reset_board = ask_for_reset,
                     .context = board,
                 },
                 0);
    debug_console_init(&board->debug_console, board->hooks.debug_byte, board->hooks.context);
    debug_exit_init(&board->debug_exit, board->hooks.debug_exit, board->hooks.context);
    shutdown_port_init(&board->shutdown_port, shut_down, board);
    if (board->config.testdev_memory != NULL)
        wire_testdev(board);
}

void board_init(struct board *board, const struct board_hooks *hooks,
                const struct board_config *config)
{
    *board = (struct board){
        .hooks = *hooks,
        .config = *config,
        .deadline_ns = TIME_NEVER,
        .deadline_tsc = UINT64_MAX,
    };
    for (unsigned i = 0; i < DEVICE_COUNT; i++)
        board->deadlines_ns[i] = TIME_NEVER;
    wire_interrupt_controllers(board);
    wire_devices(board);
}

static void reset_devices(struct board *board, const struct board_device *devices, size_t count)
{
    uint64_t now_ns = board_now_ns(board);

    for (size_t i = 0; i < count; i++) {
        if (devices[i].reset != NULL)
            devices[i].reset(board, now_ns);
    }
}

static void reset(struct board *board)
{
    reset_devices(board, board_devices, DEVICE_COUNT);
    if (board->config.testdev_memory != NULL)
        reset_devices(board, testdev_devices, TESTDEV_DEVICE_COUNT);
    update_all(board);
}

void board_power_on(struct board *board, uint64_t wall_seconds)
{
    struct mc146818 *rtc = &board->rtc;

    board_lock(board);
    board->start_tsc = rdtsc();
    mc146818_init(rtc, (struct line){.set = set_rtc_irq, .context = board}, wall_seconds, 0);
    cmos_setup(rtc, board->config.low_ram_end, board->config.high_ram_bytes);
    reset(board);
    board_unlock(board);
}

void board_reset(struct board *board)
{
    board_lock(board);
    reset(board);
    board_unlock(board);
}

void board_retry_interrupts(struct board *board)
{
    board_lock(board);
    i82093aa_retry(&board->ioapic);
    board_unlock(board);
}

uint8_t board_acknowledge_interrupt(struct board *board)
{
    uint8_t vector;

    board_lock(board);
    vector = i8259_pair_acknowledge(&board->pic);
    board_unlock(board);
    return vector;
}

size_t board_serial_space(struct board *board)
{
    size_t space;

    board_lock(board);
    space = uart16550_receive_space(&board->com1);
    board_unlock(board);
    return space;
}

void board_serial_receive(struct board *board, uint8_t byte)
{
    board_lock(board);
    uart16550_receive(&board->com1, byte, board_now_ns(board));
    board_update_timer(board, DEVICE_COM1);
    board_unlock(board);
}

void board_serial_ready(struct board *board)
{
    board_lock(board);
    uart16550_transmit_ready(&board->com1, board_now_ns(board));
    board_update_timer(board, DEVICE_COM1);
    board_unlock(board);
}
