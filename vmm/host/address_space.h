// SPDX-License-Identifier: BSD-2-Clause
/* What a processor can reach in the monitor. Each processor has page tables of its own. All of them
 * map the monitor's image, its heap and the interrupt controllers, one to one. A processor that runs
 * a guest's vCPU also has this guest's RAM, at the guest's window. Nothing else is mapped: not page
 * 0, no memory that the monitor does not use, and no other guest's RAM or files. So a wild pointer,
 * or a handler that works for the wrong guest, ends in a page fault.
 *
 * The windows lie side by side. In its window a guest's RAM is contiguous, in the order of
 * vmm/loader/memory_layout.h, wherever it is in the machine; behind it are the guest's files. */
#ifndef VMM_HOST_ADDRESS_SPACE_H
#define VMM_HOST_ADDRESS_SPACE_H

#include "arch/x86/memory/page_table.h"
#include "vmm/boot_info.h"

/* The linear address of the first guest's window; the next guest's is WINDOW_BYTES higher. With 4
 * levels of tables, linear addresses of the lower half end at 2^47. */
#define WINDOW_FIRST     (UINT64_C(1) << 46)
#define WINDOW_RAM_BYTES TABLE_SHARE_BYTES /* for RAM; as many for the files */
#define WINDOW_BYTES     (2 * WINDOW_RAM_BYTES)

_Static_assert(WINDOW_FIRST + BOOT_GUESTS_MAX * WINDOW_BYTES <= UINT64_C(1) << 47, "windows");

/* Return where a guest's window has its RAM, its kernel and its initrd. */
uint64_t window_ram_address(const struct guest_config *guest);
uint64_t window_kernel_address(const struct guest_config *guest);
uint64_t window_initrd_address(const struct guest_config *guest);

/* What the tables depend on besides boot. */
struct address_space_machine {
    unsigned levels; /* as page_table_init has them */
    bool has_huge_pages;
    hpa_t local_apic; /* the page of the local APICs' registers */
};

/* Makes a processor's tables, without a guest. The image's text is executable, its data and the heap
 * are writable, the rest of the image is read-only. The errors are those of page_table_map; after
 * one, nothing is left behind. */
MUST_USE enum status address_space_create(struct page_table *table, const struct boot_info *boot,
                                          const struct address_space_machine *machine,
                                          const struct page_source *source);

/* Makes tables that map nothing but the guest's window, for address_space_enter: RAM writable, files
 * read-only. The kernel is not empty. The errors are those of page_table_map; after one, nothing is
 * left behind. */
MUST_USE enum status window_create(struct page_table *window, const struct guest_config *guest,
                                   const struct address_space_machine *machine,
                                   const struct page_source *source);

/* Gives the window's tables back. No processor has the window any more. */
void window_destroy(struct page_table *window);

/* Adds the guest's window to a processor's tables, or takes it away. The caller flushes the
 * processor's TLB after the latter. The errors are those of page_table_share; after one, nothing has
 * changed. */
MUST_USE enum status address_space_enter(struct page_table *table, const struct page_table *window,
                                         const struct guest_config *guest);
void address_space_leave(struct page_table *table, const struct guest_config *guest);

#endif
