// SPDX-License-Identifier: BSD-2-Clause
#include "boot/firmware/memory_ranges.h"

#include "vmm/base/bits.h"

/* EFI_MEMORY_TYPE, UEFI 2.10, 7.2.1, table "Memory Type Usage after ExitBootServices()". */
enum efi_memory_type {
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_CONVENTIONAL_MEMORY = 7,
};

static const enum memory_kind kinds[] = {
    [0] = MEMORY_RESERVED, /* EfiReservedMemoryType */
    [1] = MEMORY_RAM,      /* EfiLoaderCode */
    [2] = MEMORY_RAM,      /* EfiLoaderData */
    [EFI_BOOT_SERVICES_CODE] = MEMORY_RAM,
    [EFI_BOOT_SERVICES_DATA] = MEMORY_RAM,
    [5] = MEMORY_RUNTIME_CODE, /* EfiRuntimeServicesCode */
    [6] = MEMORY_RUNTIME_DATA, /* EfiRuntimeServicesData */
    [EFI_CONVENTIONAL_MEMORY] = MEMORY_RAM,
    [8] = MEMORY_RESERVED,      /* EfiUnusableMemory */
    [9] = MEMORY_ACPI,          /* EfiACPIReclaimMemory */
    [10] = MEMORY_RUNTIME_DATA, /* EfiACPIMemoryNVS */
    [11] = MEMORY_MMIO,         /* EfiMemoryMappedIO */
    [12] = MEMORY_MMIO,         /* EfiMemoryMappedIOPortSpace */
    [13] = MEMORY_RESERVED,     /* EfiPalCode */
    [14] = MEMORY_RESERVED,     /* EfiPersistentMemory: the monitor may not write there */
};

enum memory_kind memory_kind_of_efi(uint32_t efi_memory_type)
{
    return efi_memory_type < ARRAY_COUNT(kinds) ? kinds[efi_memory_type] : MEMORY_RESERVED;
}

static bool is_usable(const struct efi_range *range)
{
    return range->size_bytes != 0 && range->base.value <= UINT64_MAX - range->size_bytes;
}

/* Returns the next address after `at` where a range begins or ends; UINT64_MAX if there is none.
 * Sets *is_covered and *kind to what holds from `at` up to there. */
static uint64_t next_boundary(const struct efi_range *ranges, size_t range_count, uint64_t at,
                              bool *is_covered, enum memory_kind *kind)
{
    uint64_t next = UINT64_MAX;

    *is_covered = false;
    *kind = MEMORY_RAM;
    for (size_t i = 0; i < range_count; i++) {
        uint64_t base = ranges[i].base.value, end = base + ranges[i].size_bytes;

        if (!is_usable(&ranges[i]))
            continue;
        if (base > at && base < next)
            next = base;
        if (end > at && end < next)
            next = end;
        if (base <= at && at < end) {
            enum memory_kind its_kind = memory_kind_of_efi(ranges[i].type);

            if (!*is_covered || its_kind > *kind)
                *kind = its_kind;
            *is_covered = true;
        }
    }
    return next;
}

/* The time is quadratic, but no memory is needed, and a map has a few hundred ranges. */
enum status memory_ranges_normalise(const struct efi_range *ranges, size_t range_count,
                                    struct memory_range *result, size_t capacity,
                                    size_t *result_count)
{
    struct memory_range open = {.size_bytes = 0};
    uint64_t at = 0;

    *result_count = 0;
    for (;;) {
        enum memory_kind kind;
        bool is_covered;
        uint64_t next = next_boundary(ranges, range_count, at, &is_covered, &kind);
        bool is_end = next == UINT64_MAX;

        if (open.size_bytes != 0 && (is_end || !is_covered || kind != open.kind)) {
            if (*result_count < capacity)
                result[*result_count] = open;
            (*result_count)++;
            open.size_bytes = 0;
        }
        if (is_end)
            return *result_count <= capacity ? STATUS_OK : STATUS_OUT_OF_RANGE;
        if (is_covered) {
            if (open.size_bytes == 0)
                open = (struct memory_range){.base = HPA(at), .kind = kind};
            open.size_bytes += next - at;
        }
        at = next;
    }
}

uint64_t memory_highest_place(const struct efi_range *range, uint64_t size_bytes,
                              uint64_t alignment_bytes, uint64_t limit)
{
    uint64_t base = range->base.value, end = base + range->size_bytes, place;

    if (!is_usable(range) || base >= limit)
        return 0;
    if (end > limit)
        end = limit;
    if (end - base < size_bytes)
        return 0;
    place = align_down(end - size_bytes, alignment_bytes);
    return place >= base ? place : 0;
}

hpa_t memory_place_after_boot(const struct efi_range *ranges, size_t range_count,
                              uint64_t size_bytes, uint64_t limit)
{
    uint64_t best = 0;

    for (size_t i = 0; i < range_count; i++) {
        uint64_t place;

        if (ranges[i].type != EFI_BOOT_SERVICES_CODE && ranges[i].type != EFI_BOOT_SERVICES_DATA &&
            ranges[i].type != EFI_CONVENTIONAL_MEMORY)
            continue;
        place = memory_highest_place(&ranges[i], size_bytes, PAGE_SIZE, limit);
        if (place > best)
            best = place;
    }
    return HPA(best);
}
