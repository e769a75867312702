// SPDX-License-Identifier: BSD-2-Clause
/* Which parts of a Multiboot kernel's file go where in the guest; used only inside vmm/loader.
 * Multiboot Specification 0.6.96, 3.1 "OS image format". The functions only read the file. */
#ifndef VMM_LOADER_MULTIBOOT_IMAGE_H
#define VMM_LOADER_MULTIBOOT_IMAGE_H

#include "vmm/loader/format.h"

#define MULTIBOOT_SEGMENTS_MAX 64

struct multiboot_segment {
    uint64_t gpa;
    uint64_t file_offset;
    uint64_t file_bytes;
    uint64_t memory_bytes; /* at least file_bytes, not 0; the bytes after file_bytes are zero */
};

struct multiboot_image {
    struct multiboot_segment segments[MULTIBOOT_SEGMENTS_MAX]; /* disjoint, ascending */
    size_t segment_count;                                      /* at least 1 */
    uint32_t entry; /* guest-physical, within a segment */
};

/* Returns whether the file has a Multiboot header (3.1.1): in its first 8192 bytes, 4-byte aligned,
 * with a correct checksum. *offset is the position of the first one in the file; offset may be
 * null. */
bool multiboot_find_header(struct blob file, uint64_t *offset);

/* Reads a file that has a Multiboot header: its program headers, or with flag 16 the addresses in
 * the header itself. Errors and message are those of loader_check. The caller checks that there is
 * RAM where the segments are loaded. */
MUST_USE enum status multiboot_read_image(struct blob file, const struct loader_report *report,
                                          struct multiboot_image *image);

#endif
