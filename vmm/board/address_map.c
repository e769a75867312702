// SPDX-License-Identifier: BSD-2-Clause
/* The tables of the board's devices, one row for each device: where it answers, how it is reset,
 * and when it has something to do. Each handler takes the accesses that its range lets through.
 * docs/board.md shows the ranges and says what each device is for. */
#include "vmm/base/bits.h"
#include "vmm/base/check.h"
#include "vmm/board/board.h"

/* The PCI configuration address and data registers of a PC. */
#define PCI_CONFIG_PORT 0xcf8

#define SIZES_1_2   (1 | 2)
#define SIZES_1_2_4 (1 | 2 | 4)

static enum io_outcome handled(struct board *board)
{
    board_unlock(board);
    return IO_HANDLED;
}

static __attribute__((noinline)) enum io_outcome
access_pic_slow(struct board *board, enum i8259_which which, struct io_access *access)
{
    if (access->is_write)
        i8259_write(&board->pic, which, access->address & 1, (uint8_t)access->value);
    else
        access->value = i8259_read(&board->pic, which, access->address & 1);
    return handled(board);
}

/* Does here, without a call, the accesses that change no interrupt. access_pic_slow does the
 * others. */
static inline enum io_outcome access_pic(struct board *board, enum i8259_which which,
                                         struct io_access *access)
{
    unsigned offset = access->address & 1;

    if (__builtin_expect(access->is_write, 1)) {
        if (__builtin_expect(i8259_write_mask(&board->pic, which, offset, (uint8_t)access->value),
                             1))
            return handled(board);
    } else if (i8259_read_status(&board->pic, which, offset, &access->value))
        return handled(board);
    return access_pic_slow(board, which, access);
}

static enum io_outcome on_pic_master(void *context, struct io_access *access)
{
    return access_pic(board_lock(context), I8259_MASTER, access);
}

static enum io_outcome on_pic_slave(void *context, struct io_access *access)
{
    return access_pic(board_lock(context), I8259_SLAVE, access);
}

static enum io_outcome on_elcr(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    enum i8259_which which = access->address & 1 ? I8259_SLAVE : I8259_MASTER;

    if (access->is_write)
        i8259_elcr_write(&board->pic, which, (uint8_t)access->value);
    else
        access->value = i8259_elcr_read(&board->pic, which);
    return handled(board);
}

static __attribute__((noinline)) enum io_outcome access_pit_slow(struct board *board,
                                                                 struct io_access *access)
{
    unsigned offset = access->address & 3;

    if (access->is_write)
        i8254_write(&board->pit, offset, (uint8_t)access->value, board_now_ns(board));
    else
        access->value = i8254_read(&board->pit, offset, board_now_ns(board));
    if (board->pit.has_moved)
        board_update_timer(board, DEVICE_PIT);
    return handled(board);
}

/* A read of a counter moves no deadline, except if edges came due meanwhile. */
static enum io_outcome on_pit(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (!access->is_write &&
        i8254_read_running(&board->pit, access->address & 3, board_now_ns(board), &access->value))
        return handled(board);
    return access_pit_slow(board, access);
}

static enum io_outcome on_port_61(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->is_write)
        port_61_write(&board->port_61, (uint8_t)access->value, board_now_ns(board));
    else
        access->value = port_61_read(&board->port_61, board_now_ns(board));
    if (board->pit.has_moved)
        board_update_timer(board, DEVICE_PIT);
    return handled(board);
}

static enum io_outcome on_rtc(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned offset = access->address & 1;

    if (access->is_write)
        mc146818_write(&board->rtc, offset, (uint8_t)access->value, board_now_ns(board));
    else
        access->value = mc146818_read(&board->rtc, offset, board_now_ns(board));
    board_update_timer(board, DEVICE_RTC);
    return handled(board);
}

static enum io_outcome on_i8042(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    uint16_t port = (uint16_t)access->address;

    if (access->is_write)
        i8042_write(&board->i8042, port, (uint8_t)access->value, board_now_ns(board));
    else
        access->value = i8042_read(&board->i8042, port, board_now_ns(board));
    board_update_timer(board, DEVICE_I8042);
    return handled(board);
}

static enum io_outcome on_com1(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned offset = access->address & 7;

    if (access->is_write)
        uart16550_write(&board->com1, offset, (uint8_t)access->value, board_now_ns(board));
    else
        access->value = uart16550_read(&board->com1, offset, board_now_ns(board));
    board_update_timer(board, DEVICE_COM1);
    return handled(board);
}

static enum io_outcome on_acpi_pm(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned offset = (unsigned)(access->address - BOARD_ACPI_PM_PORT);

    if (access->is_write)
        acpi_pm_write(&board->acpi_pm, offset, access->size, (uint32_t)access->value,
                      board_now_ns(board));
    else
        access->value = acpi_pm_read(&board->acpi_pm, offset, access->size, board_now_ns(board));
    board_update_timer(board, DEVICE_ACPI_PM);
    return handled(board);
}

static enum io_outcome on_smi_command(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->is_write) {
        acpi_pm_write_smi_command(&board->acpi_pm, (uint8_t)access->value, board_now_ns(board));
        board_update_timer(board, DEVICE_ACPI_PM);
    } else
        access->value = acpi_pm_read_smi_command(&board->acpi_pm);
    return handled(board);
}

static void access_reset_control(struct board *board, struct io_access *access)
{
    if (access->is_write)
        acpi_pm_write_reset_control(&board->acpi_pm, (uint8_t)access->value);
    else
        access->value = acpi_pm_read_reset_control(&board->acpi_pm);
}

/* Answers the configuration ports of a PCI bus that does not exist: they read as ones. The reset
 * control register lies among them and is a byte: a wider access to the address register must not
 * reach it (Intel 82371AB datasheet, order number 290562, "RC - Reset Control Register"). */
static enum io_outcome on_pci_config(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->address == ACPI_RESET_PORT && access->size == 1)
        access_reset_control(board, access);
    else if (!access->is_write)
        access->value = bytes_mask(access->size);
    return handled(board);
}

static enum io_outcome on_debug_console(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->is_write)
        debug_console_write(&board->debug_console, (uint8_t)access->value);
    else
        access->value = debug_console_read(&board->debug_console);
    return handled(board);
}

static enum io_outcome on_debug_exit(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->is_write)
        debug_exit_write(&board->debug_exit, access->size, (uint32_t)access->value);
    else
        access->value = debug_exit_read(&board->debug_exit, access->size);
    return handled(board);
}

static enum io_outcome on_shutdown(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->is_write)
        shutdown_port_write(&board->shutdown_port, (uint8_t)access->value);
    else
        access->value = shutdown_port_read(&board->shutdown_port);
    return handled(board);
}

static enum io_outcome on_fw_cfg(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned offset = (unsigned)(access->address - FW_CFG_PORT);

    if (access->is_write)
        fw_cfg_write(&board->fw_cfg, offset, access->size, (uint16_t)access->value);
    else
        access->value = fw_cfg_read(&board->fw_cfg, offset, access->size);
    return handled(board);
}

static enum io_outcome on_testdev_latch(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned offset = (unsigned)(access->address - TESTDEV_LATCH_PORT);

    if (access->is_write)
        testdev_latch_write(&board->testdev, offset, access->size, (uint32_t)access->value);
    else
        access->value = testdev_latch_read(&board->testdev, offset, access->size);
    return handled(board);
}

static enum io_outcome on_testdev_flush(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);

    if (access->is_write)
        testdev_flush_write(&board->testdev, access->size, (uint32_t)access->value);
    else
        access->value = testdev_flush_read(&board->testdev);
    return handled(board);
}

static enum io_outcome on_testdev_line(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned line = (unsigned)(access->address - TESTDEV_LINE_PORT);

    if (access->is_write)
        testdev_line_write(&board->testdev, line, (uint8_t)access->value);
    else
        access->value = testdev_line_read(&board->testdev, line);
    return handled(board);
}

static enum io_outcome on_ioapic(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    unsigned offset = (unsigned)(access->address - I82093AA_ADDRESS);

    if (access->is_write)
        i82093aa_write(&board->ioapic, offset, access->size, (uint32_t)access->value);
    else
        access->value = i82093aa_read(&board->ioapic, offset, access->size);
    return handled(board);
}

static enum io_outcome on_testdev_memory(void *context, struct io_access *access)
{
    struct board *board = board_lock(context);
    uint64_t offset = access->address - TESTDEV_MEMORY;

    if (access->is_write)
        testdev_memory_write(&board->testdev, offset, access->size, access->value);
    else
        access->value = testdev_memory_read(&board->testdev, offset, access->size);
    return handled(board);
}

static void reset_pic(struct board *board, uint64_t now_ns)
{
    (void)now_ns;
    i8259_pair_reset(&board->pic);
}

static void reset_ioapic(struct board *board, uint64_t now_ns)
{
    (void)now_ns;
    i82093aa_reset(&board->ioapic);
}

static void reset_pit(struct board *board, uint64_t now_ns)
{
    i8254_reset(&board->pit, now_ns);
}

static void reset_port_61(struct board *board, uint64_t now_ns)
{
    port_61_reset(&board->port_61, now_ns);
}

static void reset_rtc(struct board *board, uint64_t now_ns)
{
    mc146818_reset(&board->rtc, now_ns);
}

static void reset_com1(struct board *board, uint64_t now_ns)
{
    uart16550_reset(&board->com1);
    uart16550_set_modem(&board->com1, UART16550_CTS | UART16550_DSR | UART16550_DCD, now_ns);
}

static void reset_i8042(struct board *board, uint64_t now_ns)
{
    (void)now_ns;
    i8042_reset(&board->i8042);
}

static void reset_acpi_pm(struct board *board, uint64_t now_ns)
{
    acpi_pm_reset(&board->acpi_pm, now_ns);
}

static void reset_shutdown(struct board *board, uint64_t now_ns)
{
    (void)now_ns;
    shutdown_port_reset(&board->shutdown_port);
}

static void reset_testdev(struct board *board, uint64_t now_ns)
{
    (void)now_ns;
    testdev_reset(&board->testdev);
}

static void reset_fw_cfg(struct board *board, uint64_t now_ns)
{
    (void)now_ns;
    fw_cfg_reset(&board->fw_cfg);
}

/* Defines the deadline and run functions of a chip that acts at times of its own. */
#define TIMED_DEVICE(member, chip)                                                                 \
    static uint64_t next_deadline_of_##member(struct board *board)                                 \
    {                                                                                              \
        return chip##_next_deadline(&board->member);                                               \
    }                                                                                              \
                                                                                                   \
    static void run_##member(struct board *board, uint64_t now_ns)                                 \
    {                                                                                              \
        chip##_run(&board->member, now_ns);                                                        \
    }

TIMED_DEVICE(pit, i8254)
TIMED_DEVICE(rtc, mc146818)
TIMED_DEVICE(com1, uart16550)
TIMED_DEVICE(i8042, i8042)
TIMED_DEVICE(acpi_pm, acpi_pm)

/* Each range is one line. */
/* clang-format off */
const struct board_device board_devices[DEVICE_COUNT] = {
    [DEVICE_PIC] = {
        .ports = {
            {"i8259 master", 0x20, 2, IOBUS_SIZES_1, on_pic_master},
            {"i8259 slave", 0xa0, 2, IOBUS_SIZES_1, on_pic_slave},
            {"i8259 elcr", 0x4d0, 2, IOBUS_SIZES_1, on_elcr},
        },
        .reset = reset_pic,
    },
    [DEVICE_IOAPIC] = {
        .memory = {
            {"i82093aa", I82093AA_ADDRESS, I82093AA_WINDOW_BYTES, SIZES_1_2_4, on_ioapic},
        },
        .reset = reset_ioapic,
    },
    [DEVICE_LOCAL_APICS] = {
        .memory = {
            {"local apic", LOCAL_APIC_DEFAULT_BASE, LOCAL_APIC_MMIO_BYTES, IOBUS_SIZES_ALL, NULL},
        },
    },
    [DEVICE_PIT] = {
        .ports = {
            {"i8254", 0x40, 4, IOBUS_SIZES_1, on_pit},
        },
        .reset = reset_pit,
        .next_deadline = next_deadline_of_pit,
        .run = run_pit,
    },
    [DEVICE_PORT_61] = {
        .ports = {
            {"port 61", 0x61, 1, IOBUS_SIZES_1, on_port_61},
        },
        .reset = reset_port_61,
    },
    [DEVICE_RTC] = {
        .ports = {
            {"mc146818", 0x70, 2, IOBUS_SIZES_1, on_rtc},
        },
        .reset = reset_rtc,
        .next_deadline = next_deadline_of_rtc,
        .run = run_rtc,
    },
    [DEVICE_COM1] = {
        .ports = {
            {"uart16550 com1", BOARD_COM1_PORT, UART16550_PORT_COUNT, IOBUS_SIZES_1, on_com1},
        },
        .reset = reset_com1,
        .next_deadline = next_deadline_of_com1,
        .run = run_com1,
    },
    [DEVICE_I8042] = {
        .ports = {
            {"i8042 data", I8042_PORT_DATA, 1, IOBUS_SIZES_1, on_i8042},
            {"i8042 command", I8042_PORT_COMMAND, 1, IOBUS_SIZES_1, on_i8042},
            {"port 92", I8042_PORT_A, 1, IOBUS_SIZES_1, on_i8042},
        },
        .reset = reset_i8042,
        .next_deadline = next_deadline_of_i8042,
        .run = run_i8042,
    },
    [DEVICE_ACPI_PM] = {
        .ports = {
            {"acpi smi command", ACPI_SMI_COMMAND_PORT, 1, IOBUS_SIZES_1, on_smi_command},
            {"acpi pm", BOARD_ACPI_PM_PORT, ACPI_PM_BLOCK_BYTES, SIZES_1_2_4, on_acpi_pm},
        },
        .reset = reset_acpi_pm,
        .next_deadline = next_deadline_of_acpi_pm,
        .run = run_acpi_pm,
    },
    [DEVICE_PCI_ABSENT] = {
        .ports = {
            {"pci absent", PCI_CONFIG_PORT, 8, SIZES_1_2_4, on_pci_config},
        },
    },
    [DEVICE_DEBUG_CONSOLE] = {
        .ports = {
            {"debug console", DEBUG_CONSOLE_PORT, 1, IOBUS_SIZES_1, on_debug_console},
        },
    },
    [DEVICE_DEBUG_EXIT] = {
        .ports = {
            {"debug exit", DEBUG_EXIT_PORT, DEBUG_EXIT_PORT_COUNT, SIZES_1_2_4, on_debug_exit},
        },
    },
    [DEVICE_SHUTDOWN] = {
        .ports = {
            {"shutdown", SHUTDOWN_PORT, 1, IOBUS_SIZES_1, on_shutdown},
        },
        .reset = reset_shutdown,
    },
};

const struct board_device testdev_devices[TESTDEV_DEVICE_COUNT] = {
    {
        .ports = {
            {"testdev latch", TESTDEV_LATCH_PORT, TESTDEV_LATCH_COUNT, SIZES_1_2_4,
             on_testdev_latch},
            {"testdev flush", TESTDEV_FLUSH_PORT, TESTDEV_FLUSH_COUNT, SIZES_1_2_4,
             on_testdev_flush},
            {"testdev bytes", TESTDEV_BYTES_PORT, 4, IOBUS_SIZES_1, on_testdev_latch},
            {"testdev lines", TESTDEV_LINE_PORT, TESTDEV_LINE_COUNT, IOBUS_SIZES_1,
             on_testdev_line},
        },
        .memory = {
            {"testdev memory", TESTDEV_MEMORY, TESTDEV_MEMORY_BYTES, IOBUS_SIZES_ALL,
             on_testdev_memory},
        },
        .reset = reset_testdev,
    },
    {
        .ports = {
            {"fw_cfg", FW_CFG_PORT, FW_CFG_PORT_COUNT, SIZES_1_2, on_fw_cfg},
        },
        .reset = reset_fw_cfg,
    },
};
/* clang-format on */

static struct iobus_range bus_range(struct board *board, const struct board_range *row)
{
    bool is_own = row->handler != NULL;

    return (struct iobus_range){
        .name = row->name,
        .first = row->first,
        .length_bytes = row->length_bytes,
        .access_sizes = row->access_sizes,
        .handler = is_own ? row->handler : board->hooks.local_apic,
        .context = is_own ? board : board->hooks.context,
        .is_by_initiator = !is_own,
    };
}

static enum status register_ranges(struct board *board, struct iobus *bus,
                                   const struct board_range rows[BOARD_RANGES_MAX])
{
    struct iobus_range ranges[BOARD_RANGES_MAX];
    size_t count = 0;

    for (; count < BOARD_RANGES_MAX && rows[count].name != NULL; count++)
        ranges[count] = bus_range(board, &rows[count]);
    if (count == 0)
        return STATUS_OK;
    return iobus_update(bus, &(struct iobus_change){.additions = ranges, .addition_count = count},
                        NULL);
}

static enum status register_devices(struct board *board, struct iobus *ports, struct iobus *mmio,
                                    const struct board_device *devices, size_t count)
{
    enum status status = STATUS_OK;

    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = register_ranges(board, ports, devices[i].ports);
        if (status == STATUS_OK)
            status = register_ranges(board, mmio, devices[i].memory);
    }
    return status;
}

enum status board_register(struct board *board, struct iobus *ports, struct iobus *mmio)
{
    enum status status = register_devices(board, ports, mmio, board_devices, DEVICE_COUNT);

    if (status != STATUS_OK || board->config.testdev_memory == NULL)
        return status;
    return register_devices(board, ports, mmio, testdev_devices, TESTDEV_DEVICE_COUNT);
}

enum status board_register_apic_page(struct board *board, struct iobus *mmio, uint64_t page,
                                     struct iobus_handle *handle)
{
    const struct board_range row = {
        "local apic, moved", page, LOCAL_APIC_MMIO_BYTES, IOBUS_SIZES_ALL, NULL,
    };
    struct iobus_range range = bus_range(board, &row);

    return iobus_register(mmio, &range, handle, NULL);
}
