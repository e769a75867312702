// SPDX-License-Identifier: BSD-2-Clause
#include "boot/volume.h"

#include "boot/firmware/checksums.h"
#include "boot/messages.h"
#include "vmm/base/format.h"

#include <string.h>

#define PATH_CHARS_MAX 255
#define PROGRESS_BYTES (16 * MIB) /* the size from which on a file's progress is shown */

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID file_info_guid = EFI_FILE_INFO_ID;

EFI_STATUS volume_open(struct uefi *uefi, struct volume *volume)
{
    EFI_LOADED_IMAGE_PROTOCOL *image;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *file_system;
    void *interface;
    EFI_STATUS status;

    *volume = (struct volume){.root = NULL};
    status = uefi->services->OpenProtocol(uefi->image, &loaded_image_guid, &interface, uefi->image,
                                          NULL, EFI_OPEN_PROTOCOL_GET_PROTOCOL);
    if (!EFI_ERROR(status)) {
        image = interface;
        volume->device = image->DeviceHandle;
        uefi->services->CloseProtocol(uefi->image, &loaded_image_guid, uefi->image, NULL);
        /* The device is null if the image did not come from a device but from another program's
         * memory. */
        status =
            volume->device == NULL
                ? EFI_NOT_FOUND
                : uefi->services->OpenProtocol(volume->device, &file_system_guid, &interface,
                                               uefi->image, NULL, EFI_OPEN_PROTOCOL_GET_PROTOCOL);
    }
    if (!EFI_ERROR(status)) {
        file_system = interface;
        status = file_system->OpenVolume(file_system, &volume->root);
        if (EFI_ERROR(status)) {
            volume->root = NULL;
            uefi->services->CloseProtocol(volume->device, &file_system_guid, uefi->image, NULL);
        }
    }
    if (EFI_ERROR(status))
        return uefi_refuse(uefi, status, MSG_NO_VOLUME, uefi_status_name(status));
    volume->buffer = uefi_allocate_below(uefi, VOLUME_BUFFER_BYTES, PAGE_SIZE, 4 * GIB);
    if (volume->buffer == NULL)
        return uefi_refuse(uefi, EFI_OUT_OF_RESOURCES, MSG_NO_READ_BUFFER,
                           (unsigned long long)(VOLUME_BUFFER_BYTES / MIB));
    status = volume_read(uefi, volume, VOLUME_CHECKSUMS_PATH, UINT64_MAX, &volume->checksums);
    return status == EFI_NOT_FOUND ? EFI_SUCCESS : status;
}

void volume_close(struct uefi *uefi, struct volume *volume)
{
    if (volume->root == NULL)
        return;
    volume->root->Close(volume->root);
    uefi->services->CloseProtocol(volume->device, &file_system_guid, uefi->image, NULL);
    volume->root = NULL;
}

static EFI_STATUS open_file(struct volume *volume, const char *path, EFI_FILE_HANDLE *file)
{
    CHAR16 wide[PATH_CHARS_MAX + 1];
    size_t length = 0;

    for (; length < PATH_CHARS_MAX && path[length] != '\0'; length++)
        wide[length] = (unsigned char)path[length];
    wide[length] = 0;
    return volume->root->Open(volume->root, file, wide, EFI_FILE_MODE_READ, 0);
}

static EFI_STATUS get_size(EFI_FILE_HANDLE file, uint64_t *size_bytes, bool *is_folder)
{
    /* The file's name in it is at most as long as a FAT name. */
    union {
        EFI_FILE_INFO info;
        uint8_t bytes[sizeof(EFI_FILE_INFO) + 2 * (PATH_CHARS_MAX + 1)];
    } buffer;
    UINTN buffer_bytes = sizeof(buffer);
    EFI_STATUS status = file->GetInfo(file, &file_info_guid, &buffer_bytes, &buffer);

    if (EFI_ERROR(status))
        return status;
    *size_bytes = buffer.info.FileSize;
    *is_folder = buffer.info.Attribute & EFI_FILE_DIRECTORY;
    return EFI_SUCCESS;
}

static void show_progress(struct uefi *uefi, uint64_t done_bytes, uint64_t size_bytes)
{
    char text[48];

    if (done_bytes % PROGRESS_BYTES != 0 && done_bytes != size_bytes)
        return;
    format_text(text, sizeof(text), "  %llu of %llu MiB%s", (unsigned long long)(done_bytes / MIB),
                (unsigned long long)(size_bytes / MIB), done_bytes == size_bytes ? "\n" : "\r");
    uefi_print(uefi, text);
}

/* Reads a file through the buffer, one piece after the other: many disk controllers cannot access
 * memory above 4 GiB, and not every firmware copies the data for them. */
static EFI_STATUS read_content(struct uefi *uefi, struct volume *volume, EFI_FILE_HANDLE file,
                               uint8_t *to, uint64_t size_bytes)
{
    bool shows_progress = size_bytes > PROGRESS_BYTES;
    uint64_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        UINTN wanted_bytes = size_bytes - done_bytes, got_bytes;
        EFI_STATUS status;

        if (wanted_bytes > VOLUME_BUFFER_BYTES)
            wanted_bytes = VOLUME_BUFFER_BYTES;
        got_bytes = wanted_bytes;
        status = file->Read(file, &got_bytes, volume->buffer);
        if (!EFI_ERROR(status) && got_bytes == 0)
            status = EFI_END_OF_FILE; /* the file is shorter than its folder says */
        if (!EFI_ERROR(status) && got_bytes > wanted_bytes)
            status = EFI_DEVICE_ERROR;
        if (EFI_ERROR(status)) {
            if (shows_progress)
                uefi_print(uefi, "\n");
            return status;
        }
        memcpy(to + done_bytes, volume->buffer, got_bytes);
        done_bytes += got_bytes;
        if (shows_progress)
            show_progress(uefi, done_bytes, size_bytes);
    }
    return EFI_SUCCESS;
}

/* Returns whether the file is the one that tools/mkimage put on the volume. True also for a file
 * without a checksum. */
static bool is_intact(const struct volume *volume, const char *path, const struct blob *blob)
{
    uint32_t crc;

    return !checksums_find((const char *)volume->checksums.data, volume->checksums.size_bytes, path,
                           &crc) ||
           crc32_add(0, blob->data, blob->size_bytes) == crc;
}

static EFI_STATUS read_file(struct uefi *uefi, struct volume *volume, EFI_FILE_HANDLE file,
                            const char *path, uint64_t size_bytes_max, struct blob *blob)
{
    bool is_folder;
    uint8_t *data;
    EFI_STATUS status = get_size(file, &blob->size_bytes, &is_folder);

    if (EFI_ERROR(status))
        return uefi_refuse(uefi, EFI_DEVICE_ERROR, MSG_READ_FAILED, path, uefi_status_name(status));
    if (is_folder)
        return uefi_refuse(uefi, EFI_INVALID_PARAMETER, MSG_FOLDER, path);
    if (blob->size_bytes > size_bytes_max)
        return EFI_BAD_BUFFER_SIZE;
    if (blob->size_bytes == 0)
        return EFI_SUCCESS;

    uefi_say(uefi, MSG_READING, path, (unsigned long long)((blob->size_bytes + KIB - 1) / KIB));
    data = uefi_allocate(uefi, blob->size_bytes, PAGE_SIZE);
    if (data == NULL)
        return uefi_refuse(uefi, EFI_OUT_OF_RESOURCES, MSG_FILE_TOO_LARGE, path,
                           (unsigned long long)((blob->size_bytes + MIB - 1) / MIB),
                           (unsigned long long)(uefi_largest_free(uefi, PAGE_SIZE) / MIB));
    blob->data = data;
    status = read_content(uefi, volume, file, data, blob->size_bytes);
    if (EFI_ERROR(status))
        return uefi_refuse(uefi, EFI_DEVICE_ERROR, MSG_READ_FAILED, path, uefi_status_name(status));
    if (!is_intact(volume, path, blob))
        return uefi_refuse(uefi, EFI_INVALID_PARAMETER, MSG_DAMAGED, path);
    return EFI_SUCCESS;
}

EFI_STATUS volume_read(struct uefi *uefi, struct volume *volume, const char *path,
                       uint64_t size_bytes_max, struct blob *blob)
{
    EFI_FILE_HANDLE file;
    EFI_STATUS status = open_file(volume, path, &file);

    *blob = (struct blob){.data = NULL};
    if (status == EFI_NOT_FOUND)
        return status;
    if (EFI_ERROR(status))
        return uefi_refuse(uefi, EFI_DEVICE_ERROR, MSG_READ_FAILED, path, uefi_status_name(status));
    status = read_file(uefi, volume, file, path, size_bytes_max, blob);
    file->Close(file);
    return status;
}
