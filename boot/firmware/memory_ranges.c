// SPDX-License-Identifier: BSD-2-Clause
#include "boot/firmware/memory_ranges.h"

/* EFI_MEMORY_TYPE, UEFI 2.10, 7.2.1, table "Memory Type Usage after ExitBootServices()". */
static const enum memory_kind kinds[] = {
    [0] = MEMORY_RESERVED,      /* EfiReservedMemoryType */
    [1] = MEMORY_RAM,           /* EfiLoaderCode */
    [2] = MEMORY_RAM,           /* EfiLoaderData */
    [3] = MEMORY_RAM,           /* EfiBootServicesCode */
    [4] = MEMORY_RAM,           /* EfiBootServicesData */
    [5] = MEMORY_RUNTIME_CODE,  /* EfiRuntimeServicesCode */
    [6] = MEMORY_RUNTIME_DATA,  /* EfiRuntimeServicesData */
    [7] = MEMORY_RAM,           /* EfiConventionalMemory */
    [8] = MEMORY_RESERVED,      /* EfiUnusableMemory */
    [9] = MEMORY_ACPI,          /* EfiACPIReclaimMemory */
    [10] = MEMORY_RUNTIME_DATA, /* EfiACPIMemoryNVS */
    [11] = MEMORY_MMIO,         /* EfiMemoryMappedIO */
    [12] = MEMORY_MMIO,         /* EfiMemoryMappedIOPortSpace */
    [13] = MEMORY_RESERVED,     /* EfiPalCode */
    [14] = MEMORY_RESERVED,     /* EfiPersistentMemory: not ours to write */
};

enum memory_kind memory_kind_of_efi(uint32_t efi_memory_type)
{
    return efi_memory_type < ARRAY_COUNT(kinds) ? kinds[efi_memory_type] : MEMORY_RESERVED;
}

static bool is_usable(const struct memory_range *range)
{
    return range->size_bytes != 0 && range->base.value <= UINT64_MAX - range->size_bytes;
}

/* From `at` on: where the next range begins or ends, and what holds up to there. UINT64_MAX: no
 * more. */
static uint64_t next_boundary(const struct memory_range *ranges, size_t range_count, uint64_t at,
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
            if (!*is_covered || ranges[i].kind > *kind)
                *kind = ranges[i].kind;
            *is_covered = true;
        }
    }
    return next;
}

/* Quadratic, and free of memory of its own; a map has a few hundred ranges. */
enum status memory_ranges_normalise(const struct memory_range *ranges, size_t range_count,
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
