// SPDX-License-Identifier: BSD-2-Clause
/* A guest's extended page tables: which guest-physical addresses it has, and what they are.
 * Intel SDM vol. 3C, "The Extended Page Table Mechanism (EPT)". Builds the tables in memory only.
 *
 * Processors cache what they find here, and a walk may be under way in any of them while an entry
 * changes. So after a call that makes a translation stricter or different - unmap, fewer
 * permissions, another host address or memory type - the caller executes INVEPT on every processor
 * that runs this guest before it relies on the change, and before it gives the memory to anybody
 * else (SDM vol. 3C, "Guidelines for Use of the INVEPT Instruction"). Mapping what was not mapped
 * needs none: absent entries are not cached. Nor does splitting, in itself: the small pages
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

/* As in bits 5:3 of a leaf. */
enum ept_memory_type {
    EPT_UNCACHED = 0,
    EPT_WRITE_COMBINING = 1,
    EPT_WRITE_BACK = 6,
};

/* What the processor can do, from IA32_VMX_EPT_VPID_CAP and CPUID. */
struct ept_capabilities {
    /* PAGE_SIZE, PAGE_SIZE_LARGE (cap bit 16) or PAGE_SIZE_HUGE (bit 17). On processors without
     * ARCH_CAPABILITIES.IF_PSCHANGE_MC_NO a guest that executes from large EPT pages can stop the
     * machine ("Machine Check Error Avoidance on Page Size Change", CVE-2018-12207): whoever does
     * not trust its guests gives PAGE_SIZE there. */
    uint64_t largest_page_bytes;
    bool has_execute_only;          /* cap bit 0 */
    unsigned physical_address_bits; /* CPUID.80000008H:EAX[7:0], 32..52 */
};

struct ept {
    struct table_tree tree;
    bool has_execute_only;
    uint64_t physical_limit;
};

/* Nothing mapped. STATUS_INVALID, STATUS_NO_MEMORY. */
MUST_USE enum status ept_init(struct ept *ept, const struct ept_capabilities *capabilities,
                              const struct page_source *source);

/* Maps [gpa, +size_bytes) to [hpa, +size_bytes), in place of what was mapped there, in the largest
 * pages that both addresses' alignment allows; splits larger pages at the ends.
 *   gpa, hpa, size_bytes: whole pages, at least one; gpa within 48 bits, hpa within the
 *     processor's physical addresses;
 *   permissions: of enum ept_permission. Writable without readable is a misconfiguration (SDM,
 *     "EPT Misconfigurations"), execute-only is one where the processor lacks it.
 * STATUS_INVALID; STATUS_OUT_OF_RANGE; STATUS_UNSUPPORTED: execute-only; STATUS_NO_MEMORY: mapped
 * up to some page, the rest as it was. */
MUST_USE enum status ept_map(struct ept *ept, gpa_t gpa, hpa_t hpa, uint64_t size_bytes,
                             unsigned permissions, enum ept_memory_type type);

/* Unmaps the range; what is not mapped is passed over. Errors as for ept_map; memory is needed only
 * to split larger pages. */
MUST_USE enum status ept_unmap(struct ept *ept, gpa_t gpa, uint64_t size_bytes);

struct ept_mapping {
    hpa_t hpa; /* of the byte asked for */
    unsigned permissions;
    enum ept_memory_type type;
    uint64_t page_size_bytes;
};

/* False if the address is not mapped. */
bool ept_lookup(const struct ept *ept, gpa_t gpa, struct ept_mapping *mapping);

/* The VMCS field "EPT pointer": 4 levels, tables read as write-back memory (cap bits 6 and 14 are
 * required). use_accessed_dirty: cap bit 21; the processor then sets bits 8 and 9 of the entries.
 * SDM vol. 3C, "Extended-Page-Table Pointer (EPTP)". */
uint64_t ept_pointer(const struct ept *ept, bool use_accessed_dirty);

/* Gives the tables' pages back. The guest no longer runs, and INVEPT has been executed. */
void ept_destroy(struct ept *ept);

#endif
