// SPDX-License-Identifier: BSD-2-Clause
#include "boot/guests.h"

#include "boot/messages.h"
#include "vmm/loader/loader.h"
#include "vmm/monitor/demand.h"

#include <string.h>

#define MESSAGE_BYTES 512

EFI_STATUS guests_efi_status(enum status status)
{
    switch (status) {
    case STATUS_OK: return EFI_SUCCESS;
    case STATUS_NO_MEMORY: return EFI_OUT_OF_RESOURCES;
    case STATUS_NOT_FOUND: return EFI_NOT_FOUND;
    case STATUS_UNSUPPORTED: return EFI_UNSUPPORTED;
    case STATUS_INVALID:
    case STATUS_OUT_OF_RANGE:
    case STATUS_CONFLICT:
    case STATUS_FAULT: break;
    }
    return EFI_INVALID_PARAMETER;
}

/* --- Files --- */

/* The section of each guest in boot_info: guests that are left out are not there. */
static const struct config_guest *sections[BOOT_GUESTS_MAX];

static bool find_read_already(const struct boot_info *boot, const char *path, struct blob *blob)
{
    for (size_t i = 0; i < boot->guest_count; i++) {
        if (strcmp(sections[i]->kernel, path) == 0) {
            *blob = boot->guests[i].kernel;
            return true;
        }
        if (strcmp(sections[i]->initrd, path) == 0) {
            *blob = boot->guests[i].initrd;
            return true;
        }
    }
    return false;
}

static EFI_STATUS read_guest_file(struct uefi *uefi, struct volume *volume, const char *path,
                                  unsigned line, struct blob *blob)
{
    EFI_STATUS status = volume_read(uefi, volume, path, UINT64_MAX, blob);

    if (status == EFI_NOT_FOUND)
        return uefi_refuse(uefi, status, MSG_NO_GUEST_FILE, line, path);
    return status;
}

/* Returns the part of path after the last backslash. */
static const char *file_name(const char *path)
{
    const char *name = path;

    for (; *path != '\0'; path++) {
        if (*path == '\\')
            name = path + 1;
    }
    return name;
}

/* Reads the files of one guest, and checks that it can be started with them. Prints what is
 * wrong. */
static EFI_STATUS read_guest(struct uefi *uefi, struct volume *volume, const struct config *config,
                             const struct config_guest *wanted, const struct boot_info *boot,
                             struct guest_config *guest)
{
    char message[MESSAGE_BYTES];
    EFI_STATUS status = EFI_SUCCESS;
    enum status check;

    *guest = (struct guest_config){
        .number = (uint32_t)boot->guest_count,
        .memory_bytes = wanted->memory_bytes,
        .heap_bytes = wanted->heap_bytes,
        .kernel_name = file_name(wanted->kernel),
        .initrd_name = file_name(wanted->initrd),
        .cpu_count = wanted->cpu_count,
        .has_testdev = wanted->has_testdev,
        .has_no_x2apic = wanted->has_no_x2apic,
        .on_reset = wanted->on_reset,
        .timeout_seconds = wanted->timeout_seconds,
        .apic = wanted->apic,
        .attachments = &config->attachments[wanted->attachment_first],
        .attachment_count = wanted->attachment_count,
    };
    if (demand_heap(guest) < demand_heap_least(guest))
        return uefi_refuse(uefi, EFI_INVALID_PARAMETER, MSG_HEAP_TOO_SMALL, wanted->heap_line,
                           wanted->name, (unsigned long long)(wanted->heap_bytes / KIB),
                           (unsigned long long)(demand_heap_least(guest) / KIB));
    memcpy(guest->name, wanted->name, sizeof(guest->name));
    memcpy(guest->cmdline, wanted->cmdline, sizeof(guest->cmdline));
    if (!find_read_already(boot, wanted->kernel, &guest->kernel))
        status = read_guest_file(uefi, volume, wanted->kernel, wanted->kernel_line, &guest->kernel);
    if (!EFI_ERROR(status) && wanted->initrd_line != 0 &&
        !find_read_already(boot, wanted->initrd, &guest->initrd))
        status = read_guest_file(uefi, volume, wanted->initrd, wanted->initrd_line, &guest->initrd);
    if (EFI_ERROR(status))
        return status;
    if (wanted->initrd_line != 0 && guest->initrd.size_bytes == 0)
        return uefi_refuse(uefi, EFI_INVALID_PARAMETER, MSG_EMPTY_INITRD, wanted->initrd_line,
                           wanted->initrd);
    check = loader_check(guest, wanted->kernel, wanted->initrd, message, sizeof(message));
    if (check != STATUS_OK)
        return uefi_refuse(uefi, guests_efi_status(check), "%s", message);
    guest->format_name = loader_format_name(guest_format_of(guest->kernel));
    uefi_say(uefi, MSG_GUEST, guest->name, guest->format_name,
             (unsigned long long)(guest->memory_bytes / MIB));
    return EFI_SUCCESS;
}

/* Notes down a guest that is left out. The reason is what was said last. */
static void leave_out(struct uefi *uefi, const struct config_guest *wanted, struct boot_info *boot)
{
    struct left_out_guest *left_out = &boot->left_out[boot->left_out_count++];

    memcpy(left_out->name, wanted->name, sizeof(left_out->name));
    memcpy(left_out->reason, uefi->last_said, sizeof(left_out->reason));
    uefi_say(uefi, MSG_LEFT_OUT, wanted->name);
}

EFI_STATUS guests_read(struct uefi *uefi, struct volume *volume, const struct config *config,
                       struct boot_info *boot)
{
    EFI_STATUS first_error = EFI_SUCCESS;
    size_t bad_count = 0;

    for (size_t i = 0; i < config->guest_count; i++) {
        const struct config_guest *wanted = &config->guests[i];
        EFI_STATUS status =
            read_guest(uefi, volume, config, wanted, boot, &boot->guests[boot->guest_count]);

        if (!EFI_ERROR(status)) {
            sections[boot->guest_count++] = wanted;
            continue;
        }
        if (bad_count++ == 0)
            first_error = status;
        if (config->skips_bad_guests)
            leave_out(uefi, wanted, boot);
    }
    if (config->skips_bad_guests && boot->guest_count > 0)
        return EFI_SUCCESS;
    if (bad_count > 0 && config->guest_count > 1)
        uefi_say(uefi, MSG_BAD_GUESTS, bad_count, config->guest_count);
    return first_error;
}

/* --- Memory --- */

/* Allocates RAM in as few pieces as the machine's holes allow, the largest first. Takes nothing
 * if there is not enough. */
static EFI_STATUS allocate_ram(struct uefi *uefi, const struct config_guest *wanted,
                               struct ram_pieces *ram)
{
    uint64_t left_bytes = wanted->memory_bytes;
    unsigned long long free_mib;

    for (ram->count = 0; left_bytes > 0 && ram->count < RAM_PIECES_MAX; ram->count++) {
        uint64_t size_bytes = left_bytes;
        void *memory = uefi_allocate_piece(uefi, &size_bytes, PAGE_SIZE_LARGE);

        if (memory == NULL)
            break;
        ram->piece[ram->count] =
            (struct ram_piece){.base = HPA((uint64_t)memory), .size_bytes = size_bytes};
        left_bytes -= size_bytes;
    }
    if (left_bytes == 0) {
        if (ram->count > 1)
            uefi_say(uefi, MSG_PIECES, wanted->name, ram->count);
        return EFI_SUCCESS;
    }
    uefi_release_newest(uefi, ram->count);
    free_mib = (wanted->memory_bytes - left_bytes) / MIB;
    if (free_mib == 0)
        return uefi_refuse(uefi, EFI_OUT_OF_RESOURCES, MSG_NO_GUEST_MEMORY, wanted->memory_line,
                           wanted->name, (unsigned long long)(wanted->memory_bytes / MIB));
    return uefi_refuse(uefi, EFI_OUT_OF_RESOURCES, MSG_GUEST_TOO_LARGE, wanted->memory_line,
                       wanted->name, (unsigned long long)(wanted->memory_bytes / MIB), free_mib,
                       free_mib);
}

/* Leaves out a guest for which there is no memory, if the configuration says so. Returns whether
 * guests are left. */
static bool can_go_on_without(struct uefi *uefi, const struct config *config,
                              struct boot_info *boot, size_t index)
{
    if (!config->skips_bad_guests || boot->guest_count == 1)
        return false;
    leave_out(uefi, sections[index], boot);
    boot->guest_count--;
    for (size_t i = index; i < boot->guest_count; i++) {
        boot->guests[i] = boot->guests[i + 1];
        boot->guests[i].number = (uint32_t)i;
        sections[i] = sections[i + 1];
    }
    return true;
}

static size_t largest_guest(const struct boot_info *boot)
{
    size_t largest = 0;

    for (size_t i = 1; i < boot->guest_count; i++)
        if (boot->guests[i].memory_bytes > boot->guests[largest].memory_bytes)
            largest = i;
    return largest;
}

/* Allocates one piece of RAM for all guests. */
static EFI_STATUS allocate_for_sequence(struct uefi *uefi, const struct config *config,
                                        struct boot_info *boot)
{
    struct ram_pieces ram;

    for (;;) {
        size_t largest = largest_guest(boot);
        EFI_STATUS status = allocate_ram(uefi, sections[largest], &ram);

        if (!EFI_ERROR(status))
            break;
        if (!can_go_on_without(uefi, config, boot, largest))
            return status;
    }
    for (size_t i = 0; i < boot->guest_count; i++)
        boot->guests[i].ram = ram_pieces_first(&ram, boot->guests[i].memory_bytes);
    return EFI_SUCCESS;
}

EFI_STATUS guests_allocate_ram(struct uefi *uefi, const struct config *config,
                               struct boot_info *boot)
{
    if (config->schedule == SCHEDULE_SEQUENCE)
        return allocate_for_sequence(uefi, config, boot);
    for (size_t i = 0; i < boot->guest_count;) {
        EFI_STATUS status = allocate_ram(uefi, sections[i], &boot->guests[i].ram);

        if (!EFI_ERROR(status))
            i++;
        else if (!can_go_on_without(uefi, config, boot, i))
            return status;
    }
    return EFI_SUCCESS;
}
