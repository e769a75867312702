// SPDX-License-Identifier: BSD-2-Clause
/* A guest's extended page tables: which guest-physical addresses the guest has, and where they
 * lead. Intel SDM vol. 3C, "The Extended Page Table Mechanism (EPT)". Builds the tables in memory
 * only.
 *
 * Processors cache entries, and any processor may be walking the tables while an entry changes. So
 * after a call that makes a translation stricter or different (unmap, fewer permissions, another
 * host address or memory type) the caller executes INVEPT on every processor that runs this guest,
 * before it relies on the change and before it gives the memory to another user (SDM vol. 3C,
 * "Guidelines for Use of the INVEPT Instruction"). Mapping an address that was not mapped needs no
 * INVEPT, as absent entries are not cached. Splitting a page needs none either: the small pages
 * translate as the large one did. */
#ifndef ARCH_X86_MEMORY_EPT_H
#define ARCH_X86_MEMORY_EPT_H

#include "arch/x86/memory/table_tree.h"

enum ept_permission {
    EPT_READ = 1,
    EPT_WRITE = 2,
    EPT_EXECUTE = 4,
    EPT_ALL = EPT_READ | EPT_WRITE | EPT_EXECUTE,
};

/* Memory types as bits 5:3 of a leaf encode them. */
enum ept_memory_type {
    EPT_UNCACHED = 0,
    EPT_WRITE_COMBINING = 1,
    EPT_WRITE_BACK = 6,
};

/* What the processor supports, from IA32_VMX_EPT_VPID_CAP ("cap") and CPUID. */
struct ept_capabilities {
    /* PAGE_SIZE, PAGE_SIZE_LARGE (cap bit 16) or PAGE_SIZE_HUGE (cap bit 17). On processors without
     * ARCH_CAPABILITIES.IF_PSCHANGE_MC_NO a guest that executes from large EPT pages can stop the
     * machine ("Machine Check Error Avoidance on Page Size Change", CVE-2018-12207): a caller that
     * does not trust its guests passes PAGE_SIZE there. */
    uint64_t largest_page_bytes;
    bool has_execute_only;          /* cap bit 0 */
    unsigned physical_address_bits; /* CPUID.80000008H:EAX[7:0], 32 to 52 */
};

struct ept {
    struct table_tree tree;
    bool has_execute_only;
    uint64_t physical_limit;
};

/* Makes *ept empty: nothing is mapped. Takes one page from source.
 *   STATUS_INVALID: a capability is out of its range.
 *   STATUS_NO_MEMORY: source has no page. */
MUST_USE enum status ept_init(struct ept *ept, const struct ept_capabilities *capabilities,
                              const struct page_source *source);

/* Maps [gpa, +size_bytes) to [hpa, +size_bytes), in place of what was mapped there. Uses the
 * largest pages that the alignment of both addresses allows, and splits larger pages at the ends.
 *   gpa, hpa, size_bytes: whole pages, at least one; gpa within 48 bits, hpa within the processor's
 *     physical addresses;
 *   permissions: of enum ept_permission, at least one. Writable without readable is a
 *     misconfiguration (SDM, "EPT Misconfigurations"); execute-only is one if the processor does
 *     not support it.
 * Errors
 *   STATUS_INVALID: an argument is not as described, or the memory type is unknown.
 *   STATUS_OUT_OF_RANGE: the range leaves the 48 bits or the processor's physical addresses.
 *   STATUS_UNSUPPORTED: execute-only, and the processor does not support it.
 *   STATUS_NO_MEMORY: the range is mapped up to some page, the rest is as it was. */
MUST_USE enum status ept_map(struct ept *ept, gpa_t gpa, hpa_t hpa, uint64_t size_bytes,
                             unsigned permissions, enum ept_memory_type type);

/* Unmaps the range; skips parts that are not mapped. Errors are those of ept_map. Needs memory only
 * to split larger pages. */
MUST_USE enum status ept_unmap(struct ept *ept, gpa_t gpa, uint64_t size_bytes);

struct ept_mapping {
    hpa_t hpa; /* of the byte at the given address */
    unsigned permissions;
    enum ept_memory_type type;
    uint64_t page_size_bytes;
};

/* Finds what gpa is mapped to. Returns false, and leaves *mapping alone, if gpa is not mapped. */
bool ept_lookup(const struct ept *ept, gpa_t gpa, struct ept_mapping *mapping);

/* Returns the value of the VMCS field "EPT pointer": 4 levels, tables read as write-back memory
 * (requires cap bits 6 and 14). With use_accessed_dirty (requires cap bit 21) the processor sets
 * bits 8 and 9 of the entries. SDM vol. 3C, "Extended-Page-Table Pointer (EPTP)". */
uint64_t ept_pointer(const struct ept *ept, bool use_accessed_dirty);

/* Gives the tables' pages back. Before this call the guest has stopped and INVEPT has been
 * executed. */
void ept_destroy(struct ept *ept);

#endif
