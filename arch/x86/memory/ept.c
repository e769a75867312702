// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/memory/ept.h"

#include "vmm/base/bits.h"

/* SDM vol. 3C, table "Format of an EPT Page-Table Entry that Maps a 4-KByte Page" and the tables
 * like it. */
#define ENTRY_PERMISSIONS(entry) BITS(entry, 2, 0)
#define ENTRY_MEMORY_TYPE(entry) BITS(entry, 5, 3)
#define MEMORY_TYPE_SHIFT        3

#define GUEST_PHYSICAL_LIMIT BIT(48)

#define EPTP_WRITE_BACK     UINT64_C(6)
#define EPTP_WALK_LENGTH_4  (UINT64_C(3) << 3)
#define EPTP_ACCESSED_DIRTY BIT(6)

enum status ept_init(struct ept *ept, const struct ept_capabilities *capabilities,
                     const struct page_source *source)
{
    if (capabilities->physical_address_bits < 32 || capabilities->physical_address_bits > 52)
        return STATUS_INVALID;
    ept->has_execute_only = capabilities->has_execute_only;
    ept->physical_limit = BIT(capabilities->physical_address_bits);
    /* Entries that point to tables grant all permissions; the leaves decide. An entry is present if
     * any of bits 2:0 is set. */
    return table_tree_init(&ept->tree, 4, capabilities->largest_page_bytes, EPT_ALL, EPT_ALL,
                           source);
}

static bool fits(uint64_t base, uint64_t size_bytes, uint64_t limit)
{
    return base < limit && size_bytes <= limit - base;
}

enum status ept_map(struct ept *ept, gpa_t gpa, hpa_t hpa, uint64_t size_bytes,
                    unsigned permissions, enum ept_memory_type type)
{
    if (permissions == 0 || (permissions & ~(unsigned)EPT_ALL) != 0)
        return STATUS_INVALID;
    if ((permissions & EPT_READ) == 0 && (permissions & EPT_WRITE) != 0)
        return STATUS_INVALID;
    if (permissions == EPT_EXECUTE && !ept->has_execute_only)
        return STATUS_UNSUPPORTED;
    if (type != EPT_UNCACHED && type != EPT_WRITE_COMBINING && type != EPT_WRITE_BACK)
        return STATUS_INVALID;
    if (!fits(gpa.value, size_bytes, GUEST_PHYSICAL_LIMIT) ||
        !fits(hpa.value, size_bytes, ept->physical_limit))
        return STATUS_OUT_OF_RANGE;
    /* Bit 6, "ignore PAT", stays 0: the guest's PAT may weaken WB, as on a real machine. */
    return table_tree_map(&ept->tree, gpa.value, hpa.value, size_bytes,
                          permissions | (uint64_t)type << MEMORY_TYPE_SHIFT);
}

enum status ept_unmap(struct ept *ept, gpa_t gpa, uint64_t size_bytes)
{
    if (!fits(gpa.value, size_bytes, GUEST_PHYSICAL_LIMIT))
        return STATUS_OUT_OF_RANGE;
    return table_tree_unmap(&ept->tree, gpa.value, size_bytes);
}

bool ept_lookup(const struct ept *ept, gpa_t gpa, struct ept_mapping *mapping)
{
    struct table_leaf leaf;

    if (!table_tree_lookup(&ept->tree, gpa.value, &leaf))
        return false;
    *mapping = (struct ept_mapping){
        .hpa = HPA(leaf.address),
        .permissions = (unsigned)ENTRY_PERMISSIONS(leaf.entry),
        .type = (enum ept_memory_type)ENTRY_MEMORY_TYPE(leaf.entry),
        .page_size_bytes = leaf.page_size_bytes,
    };
    return true;
}

uint64_t ept_pointer(const struct ept *ept, bool use_accessed_dirty)
{
    return (uint64_t)ept->tree.root | EPTP_WRITE_BACK | EPTP_WALK_LENGTH_4 |
           (use_accessed_dirty ? EPTP_ACCESSED_DIRTY : 0);
}

void ept_destroy(struct ept *ept)
{
    table_tree_destroy(&ept->tree);
}
