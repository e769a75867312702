// SPDX-License-Identifier: BSD-2-Clause
/* Starts a Linux kernel with nothing below it, as an EFI program: \native\vmlinuz of the volume
 * this was started from, by its EFI stub, with the command line in \native\cmdline (ASCII, one
 * line). Before that it says "native: kernel starts at tick N", N being the TSC. On a machine with
 * several processors and without ACPI tables it makes some, so that the kernel finds them. */
#include "tools/native_acpi.h"

#include <efi.h>
#include <efilib.h>

#define CMDLINE_MAX 1024

/* UEFI Platform Initialization Specification 1.7, vol. 2, "EFI_MP_SERVICES_PROTOCOL". */
static EFI_GUID mp_services_guid = {
    0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
struct mp_services {
    EFI_STATUS(EFIAPI *get_number_of_processors)(struct mp_services *, UINTN *all, UINTN *enabled);
};

static CHAR16 kernel_path[] = L"\\native\\vmlinuz";
static CHAR16 cmdline_path[] = L"\\native\\cmdline";

static UINT64 tsc(void)
{
    UINT32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (UINT64)high << 32 | low;
}

/* Reads the command line as UTF-16; its bytes, the closing zero included. */
static EFI_STATUS read_cmdline(EFI_HANDLE volume, CHAR16 *text, UINT32 *size_bytes)
{
    EFI_FILE_HANDLE root = LibOpenRoot(volume), file;
    CHAR8 line[CMDLINE_MAX];
    UINTN length = sizeof(line) - 1, i;
    EFI_STATUS status;

    if (root == NULL)
        return EFI_NOT_FOUND;
    status = uefi_call_wrapper(root->Open, 5, root, &file, cmdline_path, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return status;
    status = uefi_call_wrapper(file->Read, 3, file, &length, line);
    if (EFI_ERROR(status))
        return status;
    for (i = 0; i < length && line[i] != '\n'; i++)
        text[i] = line[i];
    text[i] = 0;
    *size_bytes = (UINT32)((i + 1) * sizeof(*text));
    return EFI_SUCCESS;
}

/* Bochs' firmware makes no ACPI tables, and without them Linux uses one processor. */
static void describe_processors(void)
{
    static EFI_GUID rsdp_guid = ACPI_20_TABLE_GUID;
    EFI_PHYSICAL_ADDRESS page = UINT32_MAX;
    struct mp_services *services;
    UINTN all = 1, enabled = 1;
    VOID *rsdp;
    EFI_STATUS status;

    if (!EFI_ERROR(LibGetSystemConfigurationTable(&rsdp_guid, &rsdp)))
        return;
    status = LibLocateProtocol(&mp_services_guid, (void **)&services);
    if (!EFI_ERROR(status))
        status = uefi_call_wrapper(services->get_number_of_processors, 3, services, &all, &enabled);
    if (EFI_ERROR(status) || all < 2 || all > NATIVE_ACPI_PROCESSORS_MAX)
        return;
    status =
        uefi_call_wrapper(BS->AllocatePages, 4, AllocateMaxAddress, EfiACPIReclaimMemory, 1, &page);
    if (!EFI_ERROR(status)) {
        native_acpi_make((UINT8 *)page, page, (unsigned)all);
        status = uefi_call_wrapper(BS->InstallConfigurationTable, 2, &rsdp_guid, (VOID *)page);
    }
    if (EFI_ERROR(status))
        Print(L"native: the kernel will find one processor: %r\n", status);
}

static EFI_STATUS start(EFI_HANDLE image)
{
    static CHAR16 cmdline[CMDLINE_MAX];
    EFI_LOADED_IMAGE *own, *loaded;
    EFI_DEVICE_PATH *path;
    EFI_HANDLE kernel;
    UINT32 cmdline_bytes;
    EFI_STATUS status;

    status = uefi_call_wrapper(BS->HandleProtocol, 3, image, &LoadedImageProtocol, (void **)&own);
    if (EFI_ERROR(status))
        return status;
    status = read_cmdline(own->DeviceHandle, cmdline, &cmdline_bytes);
    if (EFI_ERROR(status))
        return status;
    path = FileDevicePath(own->DeviceHandle, kernel_path);
    status = uefi_call_wrapper(BS->LoadImage, 6, FALSE, image, path, NULL, 0, &kernel);
    if (EFI_ERROR(status))
        return status;
    status =
        uefi_call_wrapper(BS->HandleProtocol, 3, kernel, &LoadedImageProtocol, (void **)&loaded);
    if (EFI_ERROR(status))
        return status;
    loaded->LoadOptions = cmdline;
    loaded->LoadOptionsSize = cmdline_bytes;
    describe_processors();
    Print(L"native: kernel starts at tick %ld\n", tsc());
    return uefi_call_wrapper(BS->StartImage, 3, kernel, NULL, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_STATUS status;

    InitializeLib(image, table);
    status = start(image);
    Print(L"native: the kernel was not started: %r\n", status);
    return status;
}
