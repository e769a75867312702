// SPDX-License-Identifier: BSD-2-Clause
/* A firmware for tests of the boot stage: memory and its map, a screen, and a volume with files. One
 * of its calls can fail. firmware_reset fills in the tables of its services, where a test puts what
 * it does otherwise. */
#ifndef TESTS_UNIT_FIRMWARE_FIXTURE_H
#define TESTS_UNIT_FIRMWARE_FIXTURE_H

#include "tests/unit/unit.h"

#include "boot/uefi.h"
#include "vmm/base/bits.h"

#include <stdlib.h>
#include <string.h>

#define FIRMWARE_RANGES_MAX       400
#define FIRMWARE_REFUSED_MAX      8
#define FIRMWARE_FILES_MAX        3
#define FIRMWARE_DESCRIPTOR_BYTES 56 /* larger than the struct, as the specification allows */
#define FIRMWARE_NO_CALL          UINT32_MAX

struct firmware_file {
    struct _EFI_FILE_HANDLE protocol; /* first: the handle is its address */
    const char *path;
    const void *data;
    uint64_t size_bytes, folder_bytes; /* folder_bytes: the size that its folder tells */
    uint64_t at;
};

static struct {
    unsigned calls, fail_at; /* FIRMWARE_NO_CALL: none fails */
    const char *failed;      /* its name */
    EFI_STATUS error;
    bool is_leaving; /* ExitBootServices was called: only the memory map may be asked for */
    bool has_left;

    EFI_MEMORY_DESCRIPTOR ranges[FIRMWARE_RANGES_MAX];
    size_t range_count;
    /* What may lie anywhere is the end of the first range, which is memory of this process; if not,
     * it comes from the heap, and no map lists it. */
    bool any_is_in_first_range;
    struct {
        uint64_t base, end;
    } refused[FIRMWARE_REFUSED_MAX]; /* listed as free, and refused */
    size_t refused_count;
    UINTN pages_taken;
    UINTN key, last_key; /* last_key: of the map that was read last */
    unsigned maps_read, refusals;

    char said[8192];
    bool says_returns; /* said has the carriage returns too */
    unsigned clears;

    struct firmware_file files[FIRMWARE_FILES_MAX];
    unsigned files_open, protocols_open;
    struct _EFI_FILE_HANDLE root;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL file_system;
    EFI_LOADED_IMAGE_PROTOCOL image;

    SIMPLE_TEXT_OUTPUT_INTERFACE screen;
    EFI_BOOT_SERVICES services;
    EFI_SYSTEM_TABLE system;
} firmware;

/* --- Calls, one of which fails --- */

/* Counts a call. Returns whether it is the one that fails. */
static inline bool firmware_fails(const char *name)
{
    assert_false(firmware.has_left);
    if (firmware.calls++ != firmware.fail_at)
        return false;
    firmware.failed = name;
    return true;
}

/* Begins a call that the monitor makes no more once it leaves. */
#define FIRMWARE_CALL(name)                                                                        \
    do {                                                                                           \
        assert_false(firmware.is_leaving);                                                         \
        if (firmware_fails(name))                                                                  \
            return firmware.error;                                                                 \
    } while (0)

/* --- Memory --- */

static inline uint64_t firmware_range_end(const EFI_MEMORY_DESCRIPTOR *range)
{
    return range->PhysicalStart + range->NumberOfPages * PAGE_SIZE;
}

static inline void firmware_add_range(uint32_t type, uint64_t base, uint64_t size_bytes)
{
    assert_true(firmware.range_count < FIRMWARE_RANGES_MAX);
    firmware.ranges[firmware.range_count++] = (EFI_MEMORY_DESCRIPTOR){
        .Type = type, .PhysicalStart = base, .NumberOfPages = size_bytes / PAGE_SIZE};
}

/* Memory from base up to end, exclusive, is not given, also if the map lists it as free. */
static inline void firmware_refuse(uint64_t base, uint64_t end)
{
    assert_true(firmware.refused_count < FIRMWARE_REFUSED_MAX);
    firmware.refused[firmware.refused_count].base = base;
    firmware.refused[firmware.refused_count++].end = end;
}

static inline EFI_STATUS EFIAPI firmware_get_memory_map(UINTN *size_bytes,
                                                        EFI_MEMORY_DESCRIPTOR *map, UINTN *key,
                                                        UINTN *descriptor_bytes, UINT32 *version)
{
    UINTN capacity_bytes = *size_bytes;

    if (firmware_fails("GetMemoryMap"))
        return firmware.error;
    *size_bytes = firmware.range_count * FIRMWARE_DESCRIPTOR_BYTES;
    *descriptor_bytes = FIRMWARE_DESCRIPTOR_BYTES;
    *version = EFI_MEMORY_DESCRIPTOR_VERSION;
    if (capacity_bytes < *size_bytes)
        return EFI_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < firmware.range_count; i++) {
        char *descriptor = (char *)map + i * FIRMWARE_DESCRIPTOR_BYTES;

        memset(descriptor, 0x5a, FIRMWARE_DESCRIPTOR_BYTES);
        memcpy(descriptor, &firmware.ranges[i], sizeof(firmware.ranges[i]));
    }
    *key = firmware.last_key = firmware.key;
    firmware.maps_read++;
    return EFI_SUCCESS;
}

static inline bool firmware_refuses(uint64_t base, uint64_t end)
{
    for (size_t i = 0; i < firmware.refused_count; i++) {
        if (base < firmware.refused[i].end && firmware.refused[i].base < end) {
            firmware.refusals++;
            return true;
        }
    }
    return false;
}

/* Takes memory out of the free range that it lies in. Returns false if there is none. */
static inline bool firmware_take(uint64_t base, uint64_t end)
{
    for (size_t i = 0; i < firmware.range_count; i++) {
        EFI_MEMORY_DESCRIPTOR *range = &firmware.ranges[i];
        uint64_t range_end = firmware_range_end(range);

        if (range->Type != EfiConventionalMemory || base < range->PhysicalStart || end > range_end)
            continue;
        range->NumberOfPages = (base - range->PhysicalStart) / PAGE_SIZE;
        firmware_add_range(EfiLoaderData, base, end - base);
        if (end < range_end)
            firmware_add_range(EfiConventionalMemory, end, range_end - end);
        firmware.pages_taken += (end - base) / PAGE_SIZE;
        firmware.key++;
        return true;
    }
    return false;
}

static inline EFI_STATUS EFIAPI firmware_allocate_pages(EFI_ALLOCATE_TYPE type,
                                                        EFI_MEMORY_TYPE memory_type,
                                                        UINTN page_count,
                                                        EFI_PHYSICAL_ADDRESS *base)
{
    uint64_t size_bytes = page_count * PAGE_SIZE;

    FIRMWARE_CALL("AllocatePages");
    assert_int_equal(memory_type, EfiLoaderData);
    if (type == AllocateAnyPages && !firmware.any_is_in_first_range) {
        *base = (EFI_PHYSICAL_ADDRESS)aligned_alloc(PAGE_SIZE, size_bytes);
        firmware.pages_taken += page_count;
        return EFI_SUCCESS;
    }
    if (type == AllocateAnyPages) {
        *base = firmware_range_end(&firmware.ranges[0]) - size_bytes;
        return firmware_take(*base, *base + size_bytes) ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
    }
    assert_int_equal(type, AllocateAddress);
    if (firmware_refuses(*base, *base + size_bytes))
        return EFI_NOT_FOUND;
    /* Only what the map lists as free is asked for. */
    assert_true(firmware_take(*base, *base + size_bytes));
    return EFI_SUCCESS;
}

static inline EFI_STATUS EFIAPI firmware_free_pages(EFI_PHYSICAL_ADDRESS base, UINTN page_count)
{
    size_t given = 0;

    (void)firmware_fails("FreePages");
    firmware.pages_taken -= page_count;
    while (given < firmware.range_count && (firmware.ranges[given].PhysicalStart != base ||
                                            firmware.ranges[given].Type != EfiLoaderData))
        given++;
    if (given == firmware.range_count) {
        if (firmware.any_is_in_first_range)
            fail_msg("0x%lx is given back and was not taken", (unsigned long)base);
        free((void *)base);
        return EFI_SUCCESS;
    }
    assert_int_equal(firmware.ranges[given].NumberOfPages, page_count);
    firmware.ranges[given].Type = EfiConventionalMemory;
    /* A free range right below grows again. */
    for (size_t i = 0; i < firmware.range_count; i++) {
        if (firmware.ranges[i].Type == EfiConventionalMemory &&
            firmware_range_end(&firmware.ranges[i]) == base) {
            firmware.ranges[i].NumberOfPages += page_count;
            firmware.ranges[given] = firmware.ranges[--firmware.range_count];
            break;
        }
    }
    return EFI_SUCCESS;
}

/* --- The screen --- */

static inline EFI_STATUS EFIAPI firmware_output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *screen,
                                                       CHAR16 *text)
{
    size_t length = strlen(firmware.said);

    assert_ptr_equal(screen, &firmware.screen);
    for (; *text != 0 && length < sizeof(firmware.said) - 1; text++) {
        if (*text != '\r' || firmware.says_returns)
            firmware.said[length++] = (char)*text;
    }
    firmware.said[length] = '\0';
    return firmware_fails("OutputString") ? firmware.error : EFI_SUCCESS;
}

static inline EFI_STATUS EFIAPI firmware_clear_screen(SIMPLE_TEXT_OUTPUT_INTERFACE *screen)
{
    assert_ptr_equal(screen, &firmware.screen);
    FIRMWARE_CALL("ClearScreen");
    firmware.clears++;
    return EFI_SUCCESS;
}

/* Fails the test unless the screen showed the words. */
static inline void assert_said(const char *words)
{
    if (strstr(firmware.said, words) == NULL)
        fail_msg("'%s' is not in what was said: %s", words, firmware.said);
}

/* --- The volume --- */

static inline EFI_STATUS EFIAPI firmware_open(EFI_FILE_HANDLE folder, EFI_FILE_HANDLE *handle,
                                              CHAR16 *path, UINT64 mode, UINT64 attributes)
{
    assert_ptr_equal(folder, &firmware.root);
    assert_int_equal(mode, EFI_FILE_MODE_READ);
    assert_int_equal(attributes, 0);
    FIRMWARE_CALL("Open");
    for (size_t i = 0; i < FIRMWARE_FILES_MAX && firmware.files[i].path != NULL; i++) {
        const char *name = firmware.files[i].path;
        size_t length = 0;

        while (name[length] != '\0' && path[length] == (CHAR16)name[length])
            length++;
        if (name[length] != '\0' || path[length] != 0)
            continue;
        firmware.files[i].at = 0;
        firmware.files_open++;
        *handle = &firmware.files[i].protocol;
        return EFI_SUCCESS;
    }
    return EFI_NOT_FOUND;
}

static inline EFI_STATUS EFIAPI firmware_close(EFI_FILE_HANDLE handle)
{
    (void)handle;
    firmware.files_open--;
    return firmware_fails("Close") ? firmware.error : EFI_SUCCESS;
}

static inline EFI_STATUS EFIAPI firmware_get_info(EFI_FILE_HANDLE handle, EFI_GUID *type,
                                                  UINTN *size_bytes, void *buffer)
{
    EFI_FILE_INFO *info = buffer;

    (void)type;
    FIRMWARE_CALL("GetInfo");
    assert_true(*size_bytes >= sizeof(*info));
    memset(info, 0, sizeof(*info));
    info->FileSize = ((struct firmware_file *)handle)->folder_bytes;
    return EFI_SUCCESS;
}

static inline EFI_STATUS EFIAPI firmware_read(EFI_FILE_HANDLE handle, UINTN *size_bytes,
                                              void *buffer)
{
    struct firmware_file *file = (struct firmware_file *)handle;

    FIRMWARE_CALL("Read");
    if (*size_bytes > file->size_bytes - file->at)
        *size_bytes = file->size_bytes - file->at;
    memcpy(buffer, (const char *)file->data + file->at, *size_bytes);
    file->at += *size_bytes;
    return EFI_SUCCESS;
}

/* Puts a file on the volume, or another content into it. */
static inline void firmware_put_file(const char *path, const void *data, uint64_t size_bytes)
{
    size_t i = 0;

    while (i < FIRMWARE_FILES_MAX && firmware.files[i].path != NULL &&
           strcmp(firmware.files[i].path, path) != 0)
        i++;
    assert_true(i < FIRMWARE_FILES_MAX);
    firmware.files[i] = (struct firmware_file){
        .protocol = {.Close = firmware_close, .Read = firmware_read, .GetInfo = firmware_get_info},
        .path = path,
        .data = data,
        .size_bytes = size_bytes,
        .folder_bytes = size_bytes,
    };
}

static inline EFI_STATUS EFIAPI firmware_open_volume(EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *file_system,
                                                     EFI_FILE_HANDLE *root)
{
    assert_ptr_equal(file_system, &firmware.file_system);
    FIRMWARE_CALL("OpenVolume");
    firmware.files_open++;
    *root = &firmware.root;
    return EFI_SUCCESS;
}

/* --- Protocols: the image's, or its volume's --- */

static inline EFI_STATUS EFIAPI firmware_open_protocol(EFI_HANDLE handle, EFI_GUID *protocol,
                                                       void **interface, EFI_HANDLE agent,
                                                       EFI_HANDLE controller, UINT32 attributes)
{
    static const EFI_GUID image = EFI_LOADED_IMAGE_PROTOCOL_GUID;

    (void)handle;
    (void)agent;
    (void)controller;
    (void)attributes;
    FIRMWARE_CALL("OpenProtocol");
    *interface = &firmware.file_system;
    if (memcmp(protocol, &image, sizeof(image)) == 0)
        *interface = &firmware.image;
    firmware.protocols_open++;
    return EFI_SUCCESS;
}

static inline EFI_STATUS EFIAPI firmware_close_protocol(EFI_HANDLE handle, EFI_GUID *protocol,
                                                        EFI_HANDLE agent, EFI_HANDLE controller)
{
    (void)handle;
    (void)protocol;
    (void)agent;
    (void)controller;
    firmware.protocols_open--;
    return firmware_fails("CloseProtocol") ? firmware.error : EFI_SUCCESS;
}

/* Switches the firmware on again: without memory and files, and with no call that fails. */
static inline void firmware_reset(void)
{
    memset(&firmware, 0, sizeof(firmware));
    firmware.fail_at = FIRMWARE_NO_CALL;
    firmware.error = EFI_DEVICE_ERROR;
    firmware.key = 1;
    firmware.root.Open = firmware_open;
    firmware.root.Close = firmware_close;
    firmware.file_system.OpenVolume = firmware_open_volume;
    firmware.image.DeviceHandle = &firmware.file_system;
    firmware.screen.OutputString = firmware_output_string;
    firmware.screen.ClearScreen = firmware_clear_screen;
    firmware.services.GetMemoryMap = firmware_get_memory_map;
    firmware.services.AllocatePages = firmware_allocate_pages;
    firmware.services.FreePages = firmware_free_pages;
    firmware.services.OpenProtocol = firmware_open_protocol;
    firmware.services.CloseProtocol = firmware_close_protocol;
    firmware.system.BootServices = &firmware.services;
    firmware.system.ConOut = &firmware.screen;
}

#endif
