// SPDX-License-Identifier: BSD-2-Clause
#include "boot/main.h"

#include "arch/x86/cpu_check.h"
#include "arch/x86/uart.h"
#include "boot/clock.h"
#include "boot/config/config.h"
#include "boot/guests.h"
#include "boot/image.h"
#include "boot/leave.h"
#include "boot/messages.h"
#include "boot/pci_port.h"
#include "boot/processors.h"
#include "boot/uefi.h"
#include "boot/volume.h"
#include "vmm/boot_info.h"
#include "vmm/monitor/demand.h"

#define MESSAGE_BYTES   512
#define REFUSAL_SECONDS 60 /* the time to read a refusal */

_Static_assert(BOOT_NO_CONSOLE == UART_NO_PORT, "the port number for no line");

/* These are large, so they are not on the firmware's stack of 128 KiB. The monitor goes on using
 * boot. */
static struct uefi uefi;
static struct volume volume;
static struct config config;
static struct boot_info boot;

static EFI_STATUS read_config(void)
{
    char message[CONFIG_MESSAGE_BYTES];
    struct blob file;
    enum status parsed;
    EFI_STATUS status =
        volume_read(&uefi, &volume, CONFIG_FOLDER CONFIG_FILE_NAME, CONFIG_FILE_BYTES_MAX, &file);

    if (status == EFI_NOT_FOUND)
        return uefi_refuse(&uefi, status, MSG_NO_CONFIG);
    if (status == EFI_BAD_BUFFER_SIZE)
        return uefi_refuse(&uefi, EFI_INVALID_PARAMETER, MSG_CONFIG_TOO_LARGE,
                           (unsigned long long)file.size_bytes,
                           (unsigned long long)CONFIG_FILE_BYTES_MAX);
    if (EFI_ERROR(status))
        return status;
    parsed = config_parse((const char *)file.data, file.size_bytes, (uint32_t)boot.cpu_count,
                          &config, message, sizeof(message));
    if (parsed != STATUS_OK)
        return uefi_refuse(&uefi, guests_efi_status(parsed), "%s", message);

    boot.console_port = config.console_port;
    boot.console_baud = config.console_baud;
    boot.console_irq = config.console_irq;
    boot.on_last_exit = config.on_last_exit;
    boot.schedule = config.schedule;
    boot.heap_poisons = config.heap_poisons;
    return EFI_SUCCESS;
}

static EFI_STATUS allocate_heap(void)
{
    const struct memory_demand demand = demand_memory(&boot);
    void *heap = uefi_allocate(&uefi, demand.total_bytes, PAGE_SIZE_LARGE);

    if (heap == NULL)
        return uefi_refuse(&uefi, EFI_OUT_OF_RESOURCES, MSG_NO_HEAP,
                           (unsigned long long)(demand.total_bytes / MIB),
                           (unsigned long long)(demand.processors_bytes / MIB),
                           (unsigned long long)(demand.guests_bytes / MIB),
                           (unsigned long long)(demand.attachments_bytes / MIB),
                           (unsigned long long)(uefi_largest_free(&uefi, PAGE_SIZE_LARGE) / MIB));
    boot.heap = HPA((uint64_t)heap);
    boot.heap_bytes = demand.total_bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS check_cpu(void)
{
    char message[MESSAGE_BYTES];
    enum status status = vmx_check_support(message, sizeof(message));

    if (status != STATUS_OK)
        return uefi_refuse(&uefi, guests_efi_status(status), "%s", message);
    return EFI_SUCCESS;
}

/* Refuses a machine that lacks the serial port of the configuration, or that has neither a serial
 * port nor a screen. If no port is configured and there is a screen, the guests run without a
 * console: a line on the screen says so. */
static EFI_STATUS check_serial(void)
{
    pci_port_enable(&uefi, boot.console_port);
    if (uart_is_present(boot.console_port))
        return EFI_SUCCESS;
    if (config.console_line != 0)
        return uefi_refuse(&uefi, EFI_UNSUPPORTED, MSG_NO_SERIAL, config.console_line,
                           boot.console_port);
    if (!uefi_has_screen(&uefi))
        return uefi_refuse(&uefi, EFI_UNSUPPORTED, MSG_NO_CONSOLE, boot.console_port);
    uefi_say(&uefi, MSG_UNSEEN, boot.console_port);
    boot.console_port = BOOT_NO_CONSOLE;
    boot.on_last_exit = ON_LAST_EXIT_POWEROFF; /* the prompt would not be seen */
    return EFI_SUCCESS;
}

static void describe_image(void)
{
    boot.image = HPA((uint64_t)image_begin);
    boot.image_bytes = (uint64_t)(image_end - image_begin);
    boot.text = HPA((uint64_t)text_begin);
    boot.text_bytes = (uint64_t)(text_end - text_begin);
    boot.data = HPA((uint64_t)data_begin);
    boot.data_bytes = (uint64_t)(data_end - data_begin);
}

/* Does everything that can be undone. The CPU check comes late, so that a configuration can be
 * tried on any machine, also on one without VT-x. */
static EFI_STATUS prepare(void)
{
    EFI_STATUS status;

    uefi_read_acpi(&uefi, &boot.acpi);
    processors_find(&uefi, &boot);
    status = volume_open(&uefi, &volume);
    if (!EFI_ERROR(status))
        status = read_config();
    if (!EFI_ERROR(status))
        status = guests_read(&uefi, &volume, &config, &boot);
    volume_close(&uefi, &volume);
    if (!EFI_ERROR(status))
        status = allocate_heap();
    if (!EFI_ERROR(status))
        status = guests_allocate_ram(&uefi, &config, &boot);
    if (!EFI_ERROR(status))
        processors_allocate_area(&uefi, &boot);
    if (!EFI_ERROR(status))
        status = check_serial();
    if (!EFI_ERROR(status))
        status = check_cpu();
    if (!EFI_ERROR(status))
        status = clock_calibrate(&uefi, &boot);
    return status;
}

EFI_STATUS boot_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    EFI_STATUS status;

    uefi.image = image;
    uefi.system = system;
    uefi.services = system->BootServices;
    /* Without this call the firmware resets the machine after five minutes in the boot stage (UEFI
     * 2.10, 7.5, EFI_BOOT_SERVICES.SetWatchdogTimer()). A machine without a watchdog timer returns
     * an error, which does not matter. */
    uefi.services->SetWatchdogTimer(0, 0, 0, NULL);
    uefi_clear_screen(&uefi);
    uefi_say(&uefi, MSG_BANNER);

    describe_image();
    status = prepare();
    if (!EFI_ERROR(status)) {
        leave_read_state(&uefi, &boot);
        status = leave_firmware(&uefi, &boot);
    }
    if (!EFI_ERROR(status))
        monitor_main(&boot);

    /* The firmware overwrites the screen as soon as this returns. */
    uefi_release_all(&uefi);
    uefi_drop_keys(&uefi);
    uefi_say(&uefi, MSG_STILL_HERE, REFUSAL_SECONDS);
    uefi_wait_for_key(&uefi, REFUSAL_SECONDS);
    return status;
}
