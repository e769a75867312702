// SPDX-License-Identifier: BSD-2-Clause
/* The firmware's memory map in the monitor's terms. */
#ifndef BOOT_FIRMWARE_MEMORY_RANGES_H
#define BOOT_FIRMWARE_MEMORY_RANGES_H

#include "vmm/base/status.h"
#include "vmm/boot_info.h"

/* What matters of an EFI_MEMORY_DESCRIPTOR (UEFI 2.10, 7.2.3). */
struct efi_range {
    hpa_t base;
    uint64_t size_bytes;
    uint32_t type; /* EFI_MEMORY_TYPE */
};

/* The monitor's kind for an EFI_MEMORY_TYPE (UEFI 2.10, 7.2.1 and 7.2.3). What is not known is
 * reserved. */
enum memory_kind memory_kind_of_efi(uint32_t efi_memory_type);

/* Turns the firmware's ranges, in any order, into ascending, disjoint ones, with neighbours of one
 * kind joined. Where two overlap, the kind that comes later in enum memory_kind holds: the one that
 * allows less. Ranges that wrap or have no size are left out. Fails with STATUS_OUT_OF_RANGE when
 * the result needs more than capacity entries; *result_count is then what it would need. */
MUST_USE enum status memory_ranges_normalise(const struct efi_range *ranges, size_t range_count,
                                             struct memory_range *result, size_t capacity,
                                             size_t *result_count);

/* The highest place of size_bytes, aligned to a power of two, within the range and below limit; 0:
 * there is none, but for the one at address 0, which is never given. */
uint64_t memory_highest_place(const struct efi_range *range, uint64_t size_bytes,
                              uint64_t alignment_bytes, uint64_t limit);

/* The highest such place, page aligned, in memory that is free as soon as boot services have ended
 * (EfiBootServicesCode and EfiBootServicesData, EfiConventionalMemory). What the firmware left
 * there is in use until the processor has left its page tables and its stack. 0: there is none. */
hpa_t memory_place_after_boot(const struct efi_range *ranges, size_t range_count,
                              uint64_t size_bytes, uint64_t limit);

#endif
