#include "vmm/machine.h"

#include "arch/x86/cpu.h"
#include "vmm/clock.h"

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

uint64_t machine_now_ns(const struct machine *machine)
{
    return clock_ns_from_ticks(rdtsc() - machine->start_tsc);
}

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
    machine->deadline_tsc = ticks == UINT64_MAX ? UINT64_MAX : machine->start_tsc + ticks;
}

static void update_pit(struct machine *machine)
{
    set_deadline(machine, TIMER_PIT, i8254_next_deadline(&machine->pit));
}

static void update_rtc(struct machine *machine)
{
    set_deadline(machine, TIMER_RTC, mc146818_next_deadline(&machine->rtc));
}

static void update_com1(struct machine *machine)
{
    set_deadline(machine, TIMER_COM1, uart16550_next_deadline(&machine->com1));
}

static void update_i8042(struct machine *machine)
{
    set_deadline(machine, TIMER_I8042, i8042_next_deadline(&machine->i8042));
}

static void update_acpi_pm(struct machine *machine)
{
    set_deadline(machine, TIMER_ACPI_PM, acpi_pm_next_deadline(&machine->acpi_pm));
}

static void update_all(struct machine *machine)
{
    update_pit(machine);
    update_rtc(machine);
    update_com1(machine);
    update_i8042(machine);
    update_acpi_pm(machine);
}

void machine_run_until(struct machine *machine, uint64_t now_tsc)
{
    uint64_t now_ns;

    if (now_tsc < machine->deadline_tsc)
        return;
    now_ns = clock_ns_from_ticks(now_tsc - machine->start_tsc);
    i8254_run(&machine->pit, now_ns);
    mc146818_run(&machine->rtc, now_ns);
    uart16550_run(&machine->com1, now_ns);
    i8042_run(&machine->i8042, now_ns);
    acpi_pm_run(&machine->acpi_pm, now_ns);
    update_all(machine);
}

/* --- Ports: each handler takes the accesses that its row of the table below lets through --- */

static enum io_outcome access_pic(struct machine *machine, enum i8259_which which,
                                  struct io_access *access)
{
    if (access->is_write)
        i8259_write(&machine->pic, which, access->address & 1, (uint8_t)access->value);
    else
        access->value = i8259_read(&machine->pic, which, access->address & 1);
    return IO_HANDLED;
}

static enum io_outcome on_pic_master(void *context, struct io_access *access)
{
    return access_pic(context, I8259_MASTER, access);
}

static enum io_outcome on_pic_slave(void *context, struct io_access *access)
{
    return access_pic(context, I8259_SLAVE, access);
}

static enum io_outcome on_elcr(void *context, struct io_access *access)
{
    struct machine *machine = context;
    enum i8259_which which = access->address & 1 ? I8259_SLAVE : I8259_MASTER;

    if (access->is_write)
        i8259_elcr_write(&machine->pic, which, (uint8_t)access->value);
    else
        access->value = i8259_elcr_read(&machine->pic, which);
    return IO_HANDLED;
}

static enum io_outcome on_pit(void *context, struct io_access *access)
{
    struct machine *machine = context;
    unsigned offset = access->address & 3;

    if (access->is_write)
        i8254_write(&machine->pit, offset, (uint8_t)access->value, machine_now_ns(machine));
    else
        access->value = i8254_read(&machine->pit, offset, machine_now_ns(machine));
    update_pit(machine);
    return IO_HANDLED;
}

static enum io_outcome on_port_61(void *context, struct io_access *access)
{
    struct machine *machine = context;

    if (access->is_write) {
        port_61_write(&machine->port_61, (uint8_t)access->value, machine_now_ns(machine));
        update_pit(machine);
    } else
        access->value = port_61_read(&machine->port_61, machine_now_ns(machine));
    return IO_HANDLED;
}

static enum io_outcome on_rtc(void *context, struct io_access *access)
{
    struct machine *machine = context;
    unsigned offset = access->address & 1;

    if (access->is_write)
        mc146818_write(&machine->rtc, offset, (uint8_t)access->value, machine_now_ns(machine));
    else
        access->value = mc146818_read(&machine->rtc, offset, machine_now_ns(machine));
    update_rtc(machine);
    return IO_HANDLED;
}

static enum io_outcome on_i8042(void *context, struct io_access *access)
{
    struct machine *machine = context;
    uint16_t port = (uint16_t)access->address;

    if (access->is_write)
        i8042_write(&machine->i8042, port, (uint8_t)access->value, machine_now_ns(machine));
    else
        access->value = i8042_read(&machine->i8042, port, machine_now_ns(machine));
    update_i8042(machine);
    return IO_HANDLED;
}

static enum io_outcome on_com1(void *context, struct io_access *access)
{
    struct machine *machine = context;
    unsigned offset = access->address & 7;

    if (access->is_write)
        uart16550_write(&machine->com1, offset, (uint8_t)access->value, machine_now_ns(machine));
    else
        access->value = uart16550_read(&machine->com1, offset, machine_now_ns(machine));
    update_com1(machine);
    return IO_HANDLED;
}

static enum io_outcome on_acpi_pm(void *context, struct io_access *access)
{
    struct machine *machine = context;
    unsigned offset = (unsigned)(access->address - BOARD_ACPI_PM_PORT);

    if (access->is_write)
        acpi_pm_write(&machine->acpi_pm, offset, access->size, (uint32_t)access->value,
                      machine_now_ns(machine));
    else
        access->value =
            acpi_pm_read(&machine->acpi_pm, offset, access->size, machine_now_ns(machine));
    update_acpi_pm(machine);
    return IO_HANDLED;
}

static enum io_outcome on_smi_command(void *context, struct io_access *access)
{
    struct machine *machine = context;

    if (access->is_write) {
        acpi_pm_write_smi_command(&machine->acpi_pm, (uint8_t)access->value,
                                  machine_now_ns(machine));
        update_acpi_pm(machine);
    } else
        access->value = acpi_pm_read_smi_command(&machine->acpi_pm);
    return IO_HANDLED;
}

static enum io_outcome on_reset_control(void *context, struct io_access *access)
{
    struct machine *machine = context;

    if (access->is_write)
        acpi_pm_write_reset_control(&machine->acpi_pm, (uint8_t)access->value);
    else
        access->value = acpi_pm_read_reset_control(&machine->acpi_pm);
    return IO_HANDLED;
}

static enum io_outcome on_debug_console(void *context, struct io_access *access)
{
    struct machine *machine = context;

    if (access->is_write)
        debug_console_write(&machine->debug_console, (uint8_t)access->value);
    else
        access->value = debug_console_read(&machine->debug_console);
    return IO_HANDLED;
}

static enum io_outcome on_debug_exit(void *context, struct io_access *access)
{
    struct machine *machine = context;

    if (access->is_write)
        debug_exit_write(&machine->debug_exit, access->size, (uint32_t)access->value);
    else
        access->value = debug_exit_read(&machine->debug_exit, access->size);
    return IO_HANDLED;
}

#define SIZES_1_2_4 (1 | 2 | 4)

/* The board's port map. docs/board.md shows it with what each chip is for. */
static const struct {
    const char *name;
    uint16_t first;
    uint16_t port_count;
    uint8_t access_sizes;
    io_handler *handler;
} board_ports[] = {
    {"i8259 master", 0x20, 2, IOBUS_SIZES_1, on_pic_master},
    {"i8254", 0x40, 4, IOBUS_SIZES_1, on_pit},
    {"i8042 data", I8042_PORT_DATA, 1, IOBUS_SIZES_1, on_i8042},
    {"port 61", 0x61, 1, IOBUS_SIZES_1, on_port_61},
    {"i8042 command", I8042_PORT_COMMAND, 1, IOBUS_SIZES_1, on_i8042},
    {"mc146818", 0x70, 2, IOBUS_SIZES_1, on_rtc},
    {"port 92", I8042_PORT_A, 1, IOBUS_SIZES_1, on_i8042},
    {"i8259 slave", 0xa0, 2, IOBUS_SIZES_1, on_pic_slave},
    {"acpi smi command", ACPI_SMI_COMMAND_PORT, 1, IOBUS_SIZES_1, on_smi_command},
    {"debug console", DEBUG_CONSOLE_PORT, 1, IOBUS_SIZES_1, on_debug_console},
    {"debug exit", DEBUG_EXIT_PORT, DEBUG_EXIT_PORT_COUNT, SIZES_1_2_4, on_debug_exit},
    {"uart16550 com1", BOARD_COM1_PORT, UART16550_PORT_COUNT, IOBUS_SIZES_1, on_com1},
    {"i8259 elcr", 0x4d0, 2, IOBUS_SIZES_1, on_elcr},
    {"acpi pm", BOARD_ACPI_PM_PORT, ACPI_PM_BLOCK_BYTES, SIZES_1_2_4, on_acpi_pm},
    {"acpi reset", ACPI_RESET_PORT, 1, IOBUS_SIZES_1, on_reset_control},
};

static enum status register_ports(struct machine *machine, struct iobus *ports)
{
    struct iobus_range ranges[ARRAY_COUNT(board_ports)];

    for (size_t i = 0; i < ARRAY_COUNT(board_ports); i++)
        ranges[i] = (struct iobus_range){
            .name = board_ports[i].name,
            .first = board_ports[i].first,
            .length_bytes = board_ports[i].port_count,
            .access_sizes = board_ports[i].access_sizes,
            .handler = board_ports[i].handler,
            .context = machine,
        };
    return iobus_update(
        ports, &(struct iobus_update){.additions = ranges, .addition_count = ARRAY_COUNT(ranges)},
        NULL);
}

/* --- Lines --- */

static void set_irq(void *context, bool level)
{
    const struct machine_wire *wire = context;

    i8259_pair_set_line(&wire->machine->pic, wire->irq, level);
}

/* The RTC's line goes to the PIC, and to the power management's alarm status. */
static void set_rtc_irq(void *context, bool level)
{
    const struct machine_wire *wire = context;
    struct machine *machine = wire->machine;

    set_irq(context, level);
    if (level) {
        acpi_pm_rtc_alarm(&machine->acpi_pm, machine_now_ns(machine));
        update_acpi_pm(machine);
    }
}

static struct line irq_line(struct machine *machine, enum machine_irq irq)
{
    return (struct line){.set = set_irq, .context = &machine->wires[irq]};
}

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

static void wire_lines(struct machine *machine)
{
    for (unsigned irq = 0; irq < IRQ_COUNT; irq++)
        machine->wires[irq] = (struct machine_wire){.machine = machine, .irq = irq};
    i8259_pair_init(&machine->pic, (struct line){0});
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
}

enum status machine_init(struct machine *machine, const struct machine_hooks *hooks,
                         struct iobus *ports)
{
    *machine =
        (struct machine){.hooks = *hooks, .deadline_ns = TIME_NEVER, .deadline_tsc = UINT64_MAX};
    for (unsigned i = 0; i < TIMER_COUNT; i++)
        machine->deadlines_ns[i] = TIME_NEVER;
    wire_lines(machine);
    return register_ports(machine, ports);
}

/* --- Power-on and reset --- */

static void set_cmos16(struct mc146818 *rtc, unsigned index, uint64_t value)
{
    uint64_t clamped = value > 0xffff ? 0xffff : value;

    mc146818_set_cmos(rtc, index, (uint8_t)clamped);
    mc146818_set_cmos(rtc, index + 1, (uint8_t)(clamped >> 8));
}

void machine_power_on(struct machine *machine, uint64_t wall_seconds, uint64_t ram_bytes)
{
    uint64_t extended_kib = ram_bytes / KIB - KIB;
    uint64_t above_16m = ram_bytes > 16 * MIB ? ram_bytes - 16 * MIB : 0;
    struct mc146818 *rtc = &machine->rtc;

    machine->start_tsc = rdtsc();
    mc146818_init(rtc, (struct line){.set = set_rtc_irq, .context = &machine->wires[IRQ_RTC]},
                  wall_seconds, 0);
    mc146818_set_cmos(rtc, CMOS_EQUIPMENT, CMOS_EQUIPMENT_FPU);
    set_cmos16(rtc, CMOS_BASE_MEMORY, BASE_MEMORY_KIB);
    set_cmos16(rtc, CMOS_EXTENDED_MEMORY, extended_kib);
    set_cmos16(rtc, CMOS_EXTENDED_MEMORY_POST, extended_kib);
    set_cmos16(rtc, CMOS_MEMORY_ABOVE_16M, above_16m / (64 * KIB));
    machine_reset(machine);
}

void machine_reset(struct machine *machine)
{
    uint64_t now_ns = machine_now_ns(machine);

    i8259_pair_reset(&machine->pic);
    i8254_reset(&machine->pit, now_ns);
    port_61_reset(&machine->port_61, now_ns);
    mc146818_reset(&machine->rtc, now_ns);
    uart16550_reset(&machine->com1);
    uart16550_set_modem(&machine->com1, UART16550_CTS | UART16550_DSR | UART16550_DCD, now_ns);
    i8042_reset(&machine->i8042);
    acpi_pm_reset(&machine->acpi_pm, now_ns);
    update_all(machine);
}

/* --- COM1's far side --- */

size_t machine_serial_space(const struct machine *machine)
{
    return uart16550_receive_space(&machine->com1);
}

void machine_serial_receive(struct machine *machine, uint8_t byte)
{
    uart16550_receive(&machine->com1, byte, machine_now_ns(machine));
    update_com1(machine);
}

void machine_serial_ready(struct machine *machine)
{
    uart16550_transmit_ready(&machine->com1, machine_now_ns(machine));
    update_com1(machine);
}
