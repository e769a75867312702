// SPDX-License-Identifier: BSD-2-Clause
/* The firmware as the boot stage uses it: its console, and memory that is given back when nothing
 * comes of it. */
#ifndef BOOT_UEFI_H
#define BOOT_UEFI_H

#include "arch/x86/host_acpi.h"
#include "boot/firmware/memory_ranges.h"
#include "vmm/base/types.h"

#include <efi.h>

#define UEFI_ALLOCATIONS_MAX 256

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
};

/* The firmware's memory map. descriptors is one of the allocations, capacity_bytes of it. */
struct uefi_memory_map {
    void *descriptors;
    UINTN capacity_bytes;
    UINTN size_bytes;
    UINTN descriptor_bytes; /* the distance from one to the next, at least sizeof(descriptor) */
    UINTN key;
};

/* Prints a line "portcullis: TEXT" on the firmware's console. Cut at 700 characters. */
void uefi_say(struct uefi *uefi, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As uefi_say, and returns status: for "return uefi_refuse(...)". */
EFI_STATUS uefi_refuse(struct uefi *uefi, EFI_STATUS status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Text as it is, "\n" ends a line; for progress. */
void uefi_print(struct uefi *uefi, const char *text);

/* The status's name in the UEFI specification (appendix D), "EFI_DEVICE_ERROR". Never null. */
const char *uefi_status_name(EFI_STATUS status);

/* Reads the ACPI tables, through the firmware's own mappings: what some firmware keeps them in is
 * not memory any more once boot services have ended. Without tables *acpi describes a PC, and a
 * line says so (UEFI 2.10, 4.6, "EFI Configuration Table"; ACPI 6.5, 5.2). */
void uefi_read_acpi(struct uefi *uefi, struct host_acpi *acpi);

/* size_bytes of EfiLoaderData at a multiple of alignment_bytes (a power of two, at least a page),
 * not at address 0; null when the firmware has no such piece. It is remembered for
 * uefi_release_all. The content is whatever was there. */
void *uefi_allocate(struct uefi *uefi, uint64_t size_bytes, uint64_t alignment_bytes);

/* The same, all of it below limit. */
void *uefi_allocate_below(struct uefi *uefi, uint64_t size_bytes, uint64_t alignment_bytes,
                          uint64_t limit);

/* The size of the largest piece that uefi_allocate would give with that alignment now. */
uint64_t uefi_largest_free(struct uefi *uefi, uint64_t alignment_bytes);

/* Gives back all that uefi_allocate gave. */
void uefi_release_all(struct uefi *uefi);

/* Makes room for the memory map, with room to spare for what the firmware adds meanwhile; then
 * reads it. map has to be zeroed before the first call; a later one uses the room there is, and
 * fails with EFI_BUFFER_TOO_SMALL when it does not suffice. EFI_OUT_OF_RESOURCES: no memory for it.
 * Others come from the firmware (UEFI 2.10, 7.2.3, EFI_BOOT_SERVICES.GetMemoryMap()). */
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
