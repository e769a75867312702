// SPDX-License-Identifier: BSD-2-Clause
/* The guest's board: all of its devices, ports and interrupt lines, and how they are wired. */
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
#define BOARD_ACPI_PM_PORT 0x600 /* PM1a event, PM1a control, PM timer: offsets in acpi_pm.h */

/* Interrupt lines of the board, as on a PC/AT. */
enum board_irq {
    IRQ_TIMER = 0,
    IRQ_KEYBOARD = 1,
    IRQ_COM1 = 4,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_AUX = 12,
};

/* Who may drive a line: each of these is a source of its own on each line. */
enum board_source {
    SOURCE_DEVICE,     /* a chip of the board */
    SOURCE_ATTACHMENT, /* what is attached at run time */
    SOURCE_TESTDEV,
};

struct cpu;
struct board;

/* A line for a driver that has not locked the board. */
struct board_wire {
    struct board *board;
    struct line line;
};

/* What differs from board to board. */
struct board_config {
    uint64_t ram_bytes;
    uint64_t low_ram_end;    /* where RAM below 4 GiB ends */
    uint64_t high_ram_bytes; /* from 4 GiB up */
    uint32_t cpu_count;
    uint8_t
        *testdev_memory; /* TESTDEV_MEMORY_BYTES for the test device; null: the board has no test
                          * device */
};

/* The functions that the board calls in its surroundings. Each is called on the processor that
 * causes the call. kick and is_own may be called from anywhere, and local_apic is called without
 * the board's lock. All others are called with the board locked and must not call the board, except
 * that line_ended may drive a line of board_line. */
struct board_hooks {
    /* Sends a byte from COM1. Returns false if it cannot be sent now; board_serial_ready follows
     * later. */
    bool (*serial_transmit)(void *context, uint8_t byte);
    void (*debug_byte)(void *context, uint8_t byte);
    void (*debug_exit)(void *context, uint64_t code);
    void (*power_off)(void *context);
    void (*reset)(void *context);
    void (*shut_down)(void *context);                 /* "Shutdown" was written to port 0x8900 */
    void (*kick)(void *context, unsigned index);      /* of the vCPU whose local APIC has news; */
    bool (*is_own)(struct local_apic *apic);          /* both as struct apic_bus_wires has them */
    void (*line_ended)(void *context, unsigned line); /* the guest ended the line's interrupt */
    void (*deadline_moved)(void *context);            /* deadline_tsc has changed */
    /* Answers in the page of the local APICs, for each vCPU with its own: the vCPU is the access's
     * initiator. Called without the board's lock, as no other vCPU touches that APIC. */
    io_handler *local_apic;
    void *context;
};

/* The board's devices, in the order in which they are reset and run: the rows of
 * board_devices[]. */
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

/* Chips have no locks of their own: the board's lock keeps the vCPUs apart. The functions below and
 * every access to a device of the board take it; nothing else does. The local APICs need no
 * lock. */
struct board {
    struct spinlock lock;
    const struct cpu *_Atomic ending_on; /* the CPU that has the board locked and is in
                                          * hooks.line_ended */
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
    uint64_t deadline_ns;          /* the earliest of deadlines_ns */
    _Atomic uint64_t deadline_tsc; /* when the next device timer is due; UINT64_MAX: none is */
};

/* Wires the board. The vCPUs add their local APICs to board->apics. Devices have no defined state
 * before board_power_on. hooks and config are copied. */
void board_init(struct board *board, const struct board_hooks *hooks,
                const struct board_config *config);

/* Registers all ranges of the board on the guest's buses. Called after board_init. On an error some
 * ranges may be registered.
 * STATUS_NO_MEMORY: a bus has no memory for them. */
enum status board_register(struct board *board, struct iobus *ports, struct iobus *mmio) MUST_USE;

/* Lets local APICs answer at another page than the usual one, too. page is its guest-physical
 * address; *handle identifies the registration. The errors are those of iobus_register. */
enum status board_register_apic_page(struct board *board, struct iobus *mmio, uint64_t page,
                                     struct iobus_handle *handle) MUST_USE;

/* Powers the board on: its clock starts at 0 now, and every chip is as after reset. wall_seconds is
 * the Unix time for the RTC. */
void board_power_on(struct board *board, uint64_t wall_seconds);

/* Resets the board: every chip is as after reset. The board's clock goes on, and so do the RTC's
 * clock and RAM, which a battery keeps. */
void board_reset(struct board *board);

/* Returns the nanoseconds since power-on. */
static inline uint64_t board_now_ns(const struct board *board)
{
    return clock_ns_from_ticks(rdtsc() - board->start_tsc);
}

/* Returns when board_run_until will have something to do, on the processor's TSC; UINT64_MAX:
 * never. */
static inline uint64_t board_deadline_tsc(const struct board *board)
{
    return atomic_load_explicit(&board->deadline_tsc, memory_order_relaxed);
}

/* Does everything that the devices' timers have due by now_tsc. If nothing is due, this costs one
 * compare. */
void board_run_until(struct board *board, uint64_t now_tsc);

/* Returns a line for a driver that is not part of the board. It may be driven from anywhere, also
 * from within hooks.line_ended. line: 0..IRQ_LINE_COUNT - 1. */
struct line board_line(struct board *board, unsigned line);

/* Sends again what the I/O APIC could not deliver. Called when a local APIC may take messages that
 * it did not take before. */
void board_retry_interrupts(struct board *board);

/* Does the acknowledge cycle of a processor that takes the PIC's interrupt. Returns the vector. */
uint8_t board_acknowledge_interrupt(struct board *board);

/* COM1's receiving side. The first function returns how many bytes COM1 takes now; the second gives
 * it one byte. */
size_t board_serial_space(struct board *board);
void board_serial_receive(struct board *board, uint8_t byte);

/* Says that what serial_transmit refused may be sent again. */
void board_serial_ready(struct board *board);

/* The rest of this file is for board.c and address_map.c. */

/* An address range of a device. */
struct board_range {
    const char *name; /* null: no range, and none after it */
    uint64_t first;
    uint32_t length_bytes;
    uint8_t access_sizes;
    io_handler *handler; /* null: that of the local APICs, hooks.local_apic */
};

#define BOARD_RANGES_MAX 4

/* All that the board has to know of one device, except its wires. A null pointer: the device has no
 * such function. The board is locked in each function. */
struct board_device {
    struct board_range ports[BOARD_RANGES_MAX];
    struct board_range memory[BOARD_RANGES_MAX];
    void (*reset)(struct board *board, uint64_t now_ns);
    uint64_t (*next_deadline)(struct board *board);    /* ns of board_now_ns, or TIME_NEVER */
    void (*run)(struct board *board, uint64_t now_ns); /* does what is due by now_ns */
};

/* The devices of each board, and those that a board has in addition with testdev = on. */
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

/* Takes a device's next deadline into account. Called after an access to a device that has
 * deadlines. */
void board_update_timer(struct board *board, enum board_device_number device);

#endif
