// SPDX-License-Identifier: BSD-2-Clause
/* The guest's board: every device, port and line of it, wired in one place. */
#ifndef VMM_BOARD_BOARD_H
#define VMM_BOARD_BOARD_H

#include "arch/x86/cpu.h"
#include "vmm/base/clock.h"
#include "vmm/base/spinlock.h"
#include "vmm/devices/acpi_pm.h"
#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/debug_console.h"
#include "vmm/devices/debug_exit.h"
#include "vmm/devices/fw_cfg.h"
#include "vmm/devices/i8042.h"
#include "vmm/devices/i82093aa.h"
#include "vmm/devices/i8254.h"
#include "vmm/devices/i8259.h"
#include "vmm/devices/irq_lines.h"
#include "vmm/devices/mc146818.h"
#include "vmm/devices/port_61.h"
#include "vmm/devices/shutdown_port.h"
#include "vmm/devices/testdev.h"
#include "vmm/devices/uart16550.h"
#include "vmm/iobus/iobus.h"

#define BOARD_COM1_PORT    0x3f8
#define BOARD_ACPI_PM_PORT 0x600 /* PM1a event, PM1a control, PM timer: enum in acpi_pm.h */

/* Interrupt lines of the board, as on a PC/AT. */
enum board_irq {
    IRQ_TIMER = 0,
    IRQ_KEYBOARD = 1,
    IRQ_COM1 = 4,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_AUX = 12,
};

/* Who may drive a line. */
enum board_source {
    SOURCE_DEVICE,     /* a chip of the board, one for each line */
    SOURCE_ATTACHMENT, /* what is attached at run time */
    SOURCE_TESTDEV,
};

struct cpu;
struct board;

/* A line's end for somebody who does not have the board locked. */
struct board_wire {
    struct board *board;
    struct line line;
};

/* What differs from board to board. */
struct board_config {
    uint64_t ram_bytes;
    uint32_t cpu_count;
    uint8_t
        *testdev_memory; /* TESTDEV_MEMORY_BYTES for the test device; null: the board has none */
};

/* What the board asks of its surroundings. All are called on whichever processor caused it, the
 * three of the local APICs from anywhere, the others with the board locked, and must not call the
 * board again. */
struct board_hooks {
    /* A byte leaves COM1; false: not now, board_serial_ready will tell. */
    bool (*serial_transmit)(void *context, uint8_t byte);
    void (*debug_byte)(void *context, uint8_t byte);
    void (*debug_exit)(void *context, uint64_t code);
    void (*power_off)(void *context);
    void (*reset)(void *context);
    void (*shut_down)(void *context);                 /* "Shutdown" was written to port 0x8900 */
    void (*kick)(void *context, unsigned index);      /* of the vCPU: its local APIC has news; */
    bool (*is_own)(struct local_apic *apic);          /* both as struct apic_bus_wires has them */
    void (*line_ended)(void *context, unsigned line); /* the guest ended its interrupt */
    void (*deadline_moved)(void *context);            /* deadline_tsc is another one */
    /* Answers in the page where the local APICs are: to each vCPU with its own. Without the board's
     * lock, as nobody else touches that. */
    io_handler *local_apic;
    void *context;
};

/* The board's devices, in the order in which they are reset and run; rows of board_devices[]. */
enum board_device_number {
    DEVICE_PIC,
    DEVICE_IOAPIC,
    DEVICE_LOCAL_APICS,
    DEVICE_PIT,
    DEVICE_PORT_61,
    DEVICE_RTC,
    DEVICE_COM1,
    DEVICE_I8042,
    DEVICE_ACPI_PM,
    DEVICE_PCI_ABSENT,
    DEVICE_DEBUG_CONSOLE,
    DEVICE_DEBUG_EXIT,
    DEVICE_SHUTDOWN,
    DEVICE_COUNT,
};

/* Chips have no locks of their own: the board's keeps the vCPUs apart. It is taken by every
 * function below and by every access to the board, never around anything else. The local APICs do
 * without. */
struct board {
    struct spinlock lock;
    const struct cpu *_Atomic ending_on; /* has the board locked, and is in hooks.line_ended */
    struct board_hooks hooks;
    struct board_config config;
    struct i8259_pair pic;
    struct i82093aa ioapic;
    struct apic_bus apics;
    struct irq_lines lines;
    struct board_wire wires[IRQ_LINE_COUNT];
    struct i8254 pit;
    struct port_61 port_61;
    struct mc146818 rtc;
    struct uart16550 com1;
    struct i8042 i8042;
    struct acpi_pm acpi_pm;
    struct debug_console debug_console;
    struct debug_exit debug_exit;
    struct shutdown_port shutdown_port;
    struct fw_cfg fw_cfg;
    struct testdev testdev;

    uint64_t start_tsc; /* when the guest's clock read 0 */
    uint64_t deadlines_ns[DEVICE_COUNT];
    uint64_t deadline_ns;          /* the earliest of them */
    _Atomic uint64_t deadline_tsc; /* when the next device timer is due; UINT64_MAX: none is */
};

/* Wires the board. The local APICs come onto board->apics by their vCPUs. Devices are not in a
 * defined state before board_power_on. hooks and config are copied. */
void board_init(struct board *board, const struct board_hooks *hooks,
                const struct board_config *config);

/* After board_init: registers all ranges of the board on the guest's buses. STATUS_NO_MEMORY. */
enum status board_register(struct board *board, struct iobus *ports, struct iobus *mmio) MUST_USE;

/* Lets local APICs answer at another page than the usual one, too. Errors as iobus_register. */
enum status board_register_apic_page(struct board *board, struct iobus *mmio, uint64_t page,
                                     struct iobus_handle *handle) MUST_USE;

/* Power-on: the board's clock starts at 0 now and every chip is as after reset. wall_seconds: Unix
 * time for the RTC. */
void board_power_on(struct board *board, uint64_t wall_seconds);

/* The board's reset line: every chip as after reset; what a battery keeps, the RTC's clock and RAM,
 * and the board's clock go on. */
void board_reset(struct board *board);

/* Nanoseconds since power-on. */
static inline uint64_t board_now_ns(const struct board *board)
{
    return clock_ns_from_ticks(rdtsc() - board->start_tsc);
}

/* When board_run_until will have something to do. */
static inline uint64_t board_deadline_tsc(const struct board *board)
{
    return atomic_load_explicit(&board->deadline_tsc, memory_order_relaxed);
}

/* Does everything that device timers have due by now_tsc: one compare when nothing is. */
void board_run_until(struct board *board, uint64_t now_tsc);

/* The lines for whoever is not part of the board: may be driven from anywhere, also from within
 * hooks.line_ended. line: 0..IRQ_LINE_COUNT - 1. */
struct line board_line(struct board *board, unsigned line);

/* A local APIC may take messages that it did not take before: what the I/O APIC could not deliver
 * is sent again. */
void board_retry_interrupts(struct board *board);

/* The acknowledge cycle of a processor that takes the PIC's interrupt: the vector. */
uint8_t board_acknowledge_interrupt(struct board *board);

/* COM1's receiving side: how many bytes it takes now, and one byte. */
size_t board_serial_space(struct board *board);
void board_serial_receive(struct board *board, uint8_t byte);

/* What serial_transmit refused may be tried again. */
void board_serial_ready(struct board *board);

/* --- Within the board: board.c and address_map.c --- */

/* Addresses of a device. */
struct board_range {
    const char *name; /* null: no range, and none behind it */
    uint64_t first;
    uint32_t length_bytes;
    uint8_t access_sizes;
    io_handler *handler; /* null: the local APICs', which is the hooks' */
};

#define BOARD_RANGES_MAX 4

/* All that the board has to know of one device, its wires aside. Null: the device has none. The
 * board is locked in each function. */
struct board_device {
    struct board_range ports[BOARD_RANGES_MAX];
    struct board_range memory[BOARD_RANGES_MAX];
    void (*reset)(struct board *board, uint64_t now_ns);
    uint64_t (*next_deadline)(struct board *board);    /* ns of board_now_ns, or TIME_NEVER */
    void (*run)(struct board *board, uint64_t now_ns); /* does what is due by now_ns */
};

/* What each board has; and what it has besides with testdev = on. */
extern const struct board_device board_devices[DEVICE_COUNT];

#define TESTDEV_DEVICE_COUNT 2
extern const struct board_device testdev_devices[TESTDEV_DEVICE_COUNT];

static inline struct board *board_lock(void *context)
{
    struct board *board = context;

    spinlock_acquire(&board->lock);
    return board;
}

static inline void board_unlock(struct board *board)
{
    spinlock_release(&board->lock);
}

/* After an access to a device that has deadlines: its next one counts. */
void board_update_timer(struct board *board, enum board_device_number device);

#endif
