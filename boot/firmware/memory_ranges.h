// SPDX-License-Identifier: BSD-2-Clause
/* Translates the firmware's memory map into the monitor's terms. */
#ifndef BOOT_FIRMWARE_MEMORY_RANGES_H
#define BOOT_FIRMWARE_MEMORY_RANGES_H

#include "vmm/base/status.h"
#include "vmm/boot_info.h"

/* The fields of EFI_MEMORY_DESCRIPTOR (UEFI 2.10, 7.2.3) that are needed. */
struct efi_range {
    hpa_t base;
    uint64_t size_bytes;
    uint32_t type; /* EFI_MEMORY_TYPE */
};

/* Returns the monitor's kind for an EFI_MEMORY_TYPE (UEFI 2.10, 7.2.1 and 7.2.3). An unknown type
 * is reserved. */
enum memory_kind memory_kind_of_efi(uint32_t efi_memory_type);

/* Converts the firmware's ranges, in any order, into ascending, disjoint ones, and joins neighbours
 * of one kind. Where two ranges overlap, the kind that comes later in enum memory_kind holds: it
 * allows less. Ranges that wrap or have no size are left out.
 *   STATUS_OUT_OF_RANGE: the result needs more than capacity entries; *result_count is the number
 *     needed. */
MUST_USE enum status memory_ranges_normalise(const struct efi_range *ranges, size_t range_count,
                                             struct memory_range *result, size_t capacity,
                                             size_t *result_count);

/* Returns the highest place of size_bytes, aligned to a power of two, within the range and below
 * limit. Returns 0 if there is none or the only one is at address 0, which is never used. */
uint64_t memory_highest_place(const struct efi_range *range, uint64_t size_bytes,
                              uint64_t alignment_bytes, uint64_t limit);

/* Returns the highest place of size_bytes, page aligned and below limit, in memory that is free
 * after boot services have ended (EfiBootServicesCode, EfiBootServicesData and
 * EfiConventionalMemory). The processor uses what the firmware has there until it has left the
 * firmware's page tables and stack. Returns 0 if there is none. */
hpa_t memory_place_after_boot(const struct efi_range *ranges, size_t range_count,
                              uint64_t size_bytes, uint64_t limit);

#endif
