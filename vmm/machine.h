/* The guest's board: every device, port and line of it, wired in one place. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "vmm/devices/acpi_pm.h"
#include "vmm/devices/debug_console.h"
#include "vmm/devices/debug_exit.h"
#include "vmm/devices/i8042.h"
#include "vmm/devices/i8254.h"
#include "vmm/devices/i8259.h"
#include "vmm/devices/mc146818.h"
#include "vmm/devices/port_61.h"
#include "vmm/devices/uart16550.h"
#include "vmm/iobus/iobus.h"

#define BOARD_COM1_PORT    0x3f8
#define BOARD_ACPI_PM_PORT 0x600 /* PM1a event, PM1a control, PM timer: enum in acpi_pm.h */

/* Interrupt lines of the board, as on a PC/AT. */
enum machine_irq {
    IRQ_TIMER = 0,
    IRQ_KEYBOARD = 1,
    IRQ_COM1 = 4,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_AUX = 12,
    IRQ_COUNT = 16,
};

struct machine;

/* The end of an interrupt request line at the PIC. */
struct machine_wire {
    struct machine *machine;
    unsigned irq;
};

/* What the board asks of its surroundings. All are called on the vCPU that made the access. */
struct machine_hooks {
    /* A byte leaves COM1; false: not now, machine_serial_ready will tell. */
    bool (*serial_transmit)(void *context, uint8_t byte);
    void (*debug_byte)(void *context, uint8_t byte);
    void (*debug_exit)(void *context, uint64_t code);
    void (*power_off)(void *context);
    void (*reset)(void *context);
    void *context;
};

/* The devices that have something to do at times of their own. */
enum machine_timer {
    TIMER_PIT,
    TIMER_RTC,
    TIMER_COM1,
    TIMER_I8042,
    TIMER_ACPI_PM,
    TIMER_COUNT,
};

struct machine {
    struct machine_hooks hooks;
    struct i8259_pair pic;
    struct i8254 pit;
    struct port_61 port_61;
    struct mc146818 rtc;
    struct uart16550 com1;
    struct i8042 i8042;
    struct acpi_pm acpi_pm;
    struct debug_console debug_console;
    struct debug_exit debug_exit;
    struct machine_wire wires[IRQ_COUNT];

    uint64_t start_tsc; /* when the guest's clock read 0 */
    uint64_t deadlines_ns[TIMER_COUNT];
    uint64_t deadline_ns;  /* the earliest of them */
    uint64_t deadline_tsc; /* when the next device timer is due; UINT64_MAX: none is */
};

/* Registers the whole board on the guest's port bus and wires its lines. Devices are not in a
 * defined state before machine_power_on. STATUS_NO_MEMORY. */
enum status machine_init(struct machine *machine, const struct machine_hooks *hooks,
                         struct iobus *ports) MUST_USE;

/* Power-on: the board's clock starts at 0 now and every chip is as after reset. wall_seconds: Unix
 * time for the RTC. ram_bytes: for the CMOS memory-size bytes that a PC's firmware leaves. */
void machine_power_on(struct machine *machine, uint64_t wall_seconds, uint64_t ram_bytes);

/* The board's reset line: every chip as after reset; what a battery keeps, the RTC's clock and RAM,
 * and the board's clock go on. */
void machine_reset(struct machine *machine);

/* Nanoseconds since power-on. */
uint64_t machine_now_ns(const struct machine *machine);

/* Does everything that device timers have due by now_tsc: one compare when nothing is. */
void machine_run_until(struct machine *machine, uint64_t now_tsc);

/* Whether the PIC asks the processor for an interrupt, and its acknowledge cycle. */
static inline bool machine_interrupt_pending(const struct machine *machine)
{
    return i8259_pair_interrupt_pending(&machine->pic);
}

static inline uint8_t machine_acknowledge_interrupt(struct machine *machine)
{
    return i8259_pair_acknowledge(&machine->pic);
}

/* COM1's receiving side: how many bytes it takes now, and one byte. */
size_t machine_serial_space(const struct machine *machine);
void machine_serial_receive(struct machine *machine, uint8_t byte);

/* What serial_transmit refused may be tried again. */
void machine_serial_ready(struct machine *machine);

#endif
