// SPDX-License-Identifier: BSD-2-Clause
#include "boot/volume.h"

#include "boot/messages.h"
#include "vmm/base/format.h"

#define PATH_CHARS_MAX 255
#define CHUNK_BYTES    (4 * MIB)
#define PROGRESS_BYTES (16 * MIB) /* a file larger than this shows how far it is */

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
        /* Null when the image did not come from a device: out of another program's memory. */
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
    return EFI_SUCCESS;
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

    for (; path[length] != '\0' && length < PATH_CHARS_MAX; length++)
        wide[length] = (unsigned char)path[length];
    wide[length] = 0;
    return volume->root->Open(volume->root, file, wide, EFI_FILE_MODE_READ, 0);
}

static EFI_STATUS get_size(EFI_FILE_HANDLE file, uint64_t *size_bytes, bool *is_folder)
{
    /* The name in it is at most a FAT name. */
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

static EFI_STATUS read_content(struct uefi *uefi, EFI_FILE_HANDLE file, uint8_t *to,
                               uint64_t size_bytes)
{
    bool shows_progress = size_bytes > PROGRESS_BYTES;
    EFI_STATUS status = EFI_SUCCESS;
    uint64_t done_bytes = 0;

    while (done_bytes < size_bytes && !EFI_ERROR(status)) {
        UINTN chunk_bytes = size_bytes - done_bytes;

        if (chunk_bytes > CHUNK_BYTES)
            chunk_bytes = CHUNK_BYTES;
        status = file->Read(file, &chunk_bytes, to + done_bytes);
        if (!EFI_ERROR(status) && chunk_bytes == 0)
            status = EFI_END_OF_FILE; /* shorter than its folder says */
        if (EFI_ERROR(status))
            break;
        done_bytes += chunk_bytes;
        if (shows_progress && (done_bytes % PROGRESS_BYTES == 0 || done_bytes == size_bytes)) {
            char text[48];

            format_text(
                text, sizeof(text), "  %llu of %llu MiB%s", (unsigned long long)(done_bytes / MIB),
                (unsigned long long)(size_bytes / MIB), done_bytes == size_bytes ? "\n" : "\r");
            uefi_print(uefi, text);
        }
    }
    if (EFI_ERROR(status) && shows_progress)
        uefi_print(uefi, "\n");
    return status;
}

static EFI_STATUS read_file(struct uefi *uefi, EFI_FILE_HANDLE file, const char *path,
                            uint64_t size_bytes_max, struct blob *blob)
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
    status = read_content(uefi, file, data, blob->size_bytes);
    if (EFI_ERROR(status))
        return uefi_refuse(uefi, EFI_DEVICE_ERROR, MSG_READ_FAILED, path, uefi_status_name(status));
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
    status = read_file(uefi, file, path, size_bytes_max, blob);
    file->Close(file);
    return status;
}
