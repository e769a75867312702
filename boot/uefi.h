// SPDX-License-Identifier: BSD-2-Clause
/* The firmware's services that the boot stage uses: its console, and memory that is given back if
 * the monitor does not start. */
#ifndef BOOT_UEFI_H
#define BOOT_UEFI_H

#include "arch/x86/host_acpi.h"
#include "boot/firmware/memory_ranges.h"
#include "vmm/base/types.h"

#include <efi.h>

#define UEFI_ALLOCATIONS_MAX 256
#define UEFI_LAST_SAID_BYTES 256

struct uefi_allocation {
    EFI_PHYSICAL_ADDRESS base;
    UINTN page_count;
};

struct uefi {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE *system;
    EFI_BOOT_SERVICES *services;
    struct uefi_allocation allocations[UEFI_ALLOCATIONS_MAX];
    size_t allocation_count;
    char last_said[UEFI_LAST_SAID_BYTES]; /* the beginning of the last line of uefi_say */
};

/* The firmware's memory map. descriptors is one of the allocations and has capacity_bytes. */
struct uefi_memory_map {
    void *descriptors;
    UINTN capacity_bytes;
    UINTN size_bytes;
    UINTN descriptor_bytes; /* the distance of two descriptors, at least sizeof(descriptor) */
    UINTN key;
};

/* Prints the line "portcullis: TEXT" on the firmware's console. TEXT is cut at 700 characters. */
void uefi_say(struct uefi *uefi, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints a line as uefi_say does and returns status, for "return uefi_refuse(...)". */
EFI_STATUS uefi_refuse(struct uefi *uefi, EFI_STATUS status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints text without a prefix, for progress. "\n" ends a line; characters beyond ASCII become
 * "?". */
void uefi_print(struct uefi *uefi, const char *text);

/* Clears the screen, where the firmware may have left a logo that makes text hard to read. */
void uefi_clear_screen(struct uefi *uefi);

/* Returns whether uefi_say writes to a screen: there is a console and a display adapter (UEFI 2.10,
 * 12.9, EFI_GRAPHICS_OUTPUT_PROTOCOL). */
bool uefi_has_screen(struct uefi *uefi);

/* Drops the keys that were pressed before. */
void uefi_drop_keys(struct uefi *uefi);

/* Waits until a key is pressed, at most the given number of seconds. */
void uefi_wait_for_key(struct uefi *uefi, unsigned seconds);

/* Returns the status's name in the UEFI specification (appendix D), such as "EFI_DEVICE_ERROR".
 * Never null. */
const char *uefi_status_name(EFI_STATUS status);

/* Reads the ACPI tables through the firmware's own mappings: some firmware keeps its tables in
 * memory that is not mapped as memory after boot services have ended. Without usable tables *acpi
 * describes a PC, and a line says so (UEFI 2.10, 4.6, "EFI Configuration Table"; ACPI 6.5, 5.2). */
void uefi_read_acpi(struct uefi *uefi, struct host_acpi *acpi);

/* Allocates size_bytes of EfiLoaderData, rounded up to pages, at a multiple of alignment_bytes (a
 * power of two, at least a page), never at address 0. Returns null if the firmware has no such
 * piece, or refuses all of them; a line then says which places were tried. The content is
 * undefined. uefi_release_all gives the memory back. */
void *uefi_allocate(struct uefi *uefi, uint64_t size_bytes, uint64_t alignment_bytes);

/* Allocates as uefi_allocate does, with all of the memory below limit. */
void *uefi_allocate_below(struct uefi *uefi, uint64_t size_bytes, uint64_t alignment_bytes,
                          uint64_t limit);

/* Allocates the largest piece that the firmware gives, up to *size_bytes, and sets *size_bytes to its
 * size, a multiple of alignment_bytes. Where the firmware refuses a size, half of it is tried.
 * Returns null, and says which places were tried, if not even alignment_bytes are to be had. */
void *uefi_allocate_piece(struct uefi *uefi, uint64_t *size_bytes, uint64_t alignment_bytes);

/* Returns the size of the largest piece that uefi_allocate could allocate now with this
 * alignment. */
uint64_t uefi_largest_free(struct uefi *uefi, uint64_t alignment_bytes);

/* Gives back the newest count allocations. */
void uefi_release_newest(struct uefi *uefi, size_t count);

/* Gives back all that uefi_allocate, uefi_allocate_below and uefi_read_memory_map have
 * allocated. */
void uefi_release_all(struct uefi *uefi);

/* Reads the firmware's memory map. The first call, with a zeroed *map, allocates room for it, and
 * more for what the firmware adds later. Later calls use this room.
 *   EFI_OUT_OF_RESOURCES: no memory for the map.
 *   EFI_BUFFER_TOO_SMALL: in a later call, the room does not suffice.
 *   others: as the firmware returned them (UEFI 2.10, 7.2.3, EFI_BOOT_SERVICES.GetMemoryMap()). */
EFI_STATUS uefi_read_memory_map(struct uefi *uefi, struct uefi_memory_map *map);

static inline size_t uefi_descriptor_count(const struct uefi_memory_map *map)
{
    return map->size_bytes / map->descriptor_bytes;
}

static inline const EFI_MEMORY_DESCRIPTOR *uefi_descriptor(const struct uefi_memory_map *map,
                                                           size_t index)
{
    return (const void *)((const char *)map->descriptors + index * map->descriptor_bytes);
}

static inline struct efi_range uefi_range(const EFI_MEMORY_DESCRIPTOR *descriptor)
{
    return (struct efi_range){.base = HPA(descriptor->PhysicalStart),
                              .size_bytes = descriptor->NumberOfPages * PAGE_SIZE,
                              .type = descriptor->Type};
}

#endif
