// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/acpi/dsdt.h"

enum { IRQ_NONE = 16 };

/* The chips at their usual places on a PC. PNP IDs: "Plug and Play Vendor and Device IDs", section
 * "Standard PnP device IDs". */
static const struct dsdt_device {
    const char *name;
    const char *hid;
    struct acpi_port_range ports[3]; /* the first with count 0 ends the list */
    unsigned irq;
    bool has_uid; /* a machine may have more than one of its kind */
    enum { WITH_ALL, WITH_COM1, WITH_RTC, WITH_I8042 } with;
} devices[] = {
    {"PIC", "PNP0000", {{0x20, 2}, {0xa0, 2}, {0x4d0, 2}}, 2, false, WITH_ALL},
    {"TIMR", "PNP0100", {{0x40, 4}}, 0, false, WITH_ALL},
    {"SPKR", "PNP0800", {{0x61, 1}}, IRQ_NONE, false, WITH_ALL},
    {"RTC", "PNP0B00", {{0x70, 2}}, 8, false, WITH_RTC},
    {"KBD", "PNP0303", {{0x60, 1}, {0x64, 1}}, 1, false, WITH_I8042},
    {"MOU", "PNP0F13", {{0}}, 12, false, WITH_I8042},
    {"COM1", "PNP0501", {{0x3f8, 8}}, 4, true, WITH_COM1},
};

static bool is_on_board(const struct acpi_board *board, const struct dsdt_device *device)
{
    switch (device->with) {
    case WITH_ALL: return true;
    case WITH_COM1: return board->com1;
    case WITH_RTC: return board->rtc;
    case WITH_I8042: return board->i8042;
    }
    return false;
}

static void write_device(struct aml *aml, const struct dsdt_device *device)
{
    struct aml_resources resources = {0};
    aml_package package = aml_device_begin(aml, device->name);

    aml_name(aml, "_HID");
    aml_eisa_id(aml, device->hid);
    if (device->has_uid) {
        aml_name(aml, "_UID");
        aml_integer(aml, 1);
    }
    for (size_t i = 0; i < ARRAY_COUNT(device->ports) && device->ports[i].count != 0; i++)
        aml_resource_ports(&resources, device->ports[i].first, device->ports[i].count);
    if (device->irq != IRQ_NONE)
        aml_resource_irq(&resources, device->irq);
    aml_resources_end(aml, &resources);
    aml_end(aml, package);
}

/* 8.4 "Declaring Processors": _UID is the processor UID that the MADT names. */
static void write_processor(struct aml *aml, uint32_t uid)
{
    static const char digits[] = "0123456789ABCDEF";
    const char name[] = {'C', digits[uid >> 8 & 15], digits[uid >> 4 & 15], digits[uid & 15], '\0'};
    aml_package package = aml_device_begin(aml, name);

    aml_name(aml, "_HID");
    aml_string(aml, "ACPI0007");
    aml_name(aml, "_UID");
    aml_integer(aml, uid);
    aml_end(aml, package);
}

/* Writes PNP0C02: the ports and the memory that software must not give to other devices. */
static void write_motherboard(struct aml *aml, const struct acpi_board *board)
{
    struct aml_resources resources = {0};
    aml_package package = aml_device_begin(aml, "MBRD");

    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0C02");
    aml_resource_ports(&resources, board->pm1_event_port, 4);
    aml_resource_ports(&resources, board->pm1_control_port, 2);
    aml_resource_ports(&resources, board->pm_timer_port, 4);
    aml_resource_ports(&resources, board->smi_command_port, 1);
    aml_resource_ports(&resources, board->reset_port, 1);
    for (size_t i = 0; i < board->reserved_count; i++)
        aml_resource_ports(&resources, board->reserved[i].first, board->reserved[i].count);
    if (board->cpu_count != 0) {
        aml_resource_memory(&resources, board->io_apic_address, PAGE_SIZE);
        aml_resource_memory(&resources, board->local_apic_address, PAGE_SIZE);
    }
    aml_resources_end(aml, &resources);
    aml_end(aml, package);
}

void dsdt_write(struct aml *aml, const struct acpi_board *board)
{
    /* 7.4.2.6 "\_S5": SLP_TYP for PM1a, SLP_TYP for PM1b, two reserved elements. */
    aml_name(aml, "\\_S5_");
    aml_package s5 = aml_package_begin(aml, 4);
    aml_integer(aml, board->s5_sleep_type);
    for (unsigned i = 0; i < 3; i++)
        aml_integer(aml, 0);
    aml_end(aml, s5);

    aml_package system_bus = aml_scope_begin(aml, "\\_SB_");
    for (uint32_t uid = 0; uid < board->cpu_count; uid++)
        write_processor(aml, uid);
    write_motherboard(aml, board);
    for (size_t i = 0; i < ARRAY_COUNT(devices); i++)
        if (is_on_board(board, &devices[i]))
            write_device(aml, &devices[i]);
    aml_end(aml, system_bus);
}
