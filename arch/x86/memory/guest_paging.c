// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/memory/guest_paging.h"

#include "arch/x86/registers.h"

/* Entry bits in all modes, tables 4-4 to 4-20. */
#define ENTRY_P  BIT(0)
#define ENTRY_RW BIT(1)
#define ENTRY_US BIT(2)
#define ENTRY_A  BIT(5)
#define ENTRY_D  BIT(6)
#define ENTRY_PS BIT(7)
#define ENTRY_XD BIT(63)

#define ATTEMPTS_MAX 8

struct walk {
    const struct guest_paging *paging;
    const struct guest_paging_memory *memory;
    const struct guest_access *access;
    enum guest_paging_mode mode;
    uint64_t linear;
    uint8_t entry_bytes;
    struct guest_paging_entry entries[GUEST_PAGING_LEVELS_MAX]; /* those with an accessed flag */
    unsigned entry_count;
    uint64_t rights; /* RW and US if all entries have it, XD if any entry has it */
};

enum guest_paging_mode guest_paging_mode_of(const struct guest_paging *paging)
{
    if (!(paging->cr0 & CR0_PG))
        return GUEST_PAGING_OFF;
    if (!(paging->cr4 & CR4_PAE))
        return GUEST_PAGING_32_BIT;
    if (!(paging->efer & EFER_LMA))
        return GUEST_PAGING_PAE;
    return paging->cr4 & CR4_LA57 ? GUEST_PAGING_5_LEVEL : GUEST_PAGING_4_LEVEL;
}

static bool is_user(const struct guest_access *access)
{
    return access->cpl == 3 && !access->implicit_supervisor;
}

/* Returns a mask of bits high:low; 0 if high is below low. */
static uint64_t field(unsigned high, unsigned low)
{
    return high < low ? 0 : UINT64_MAX >> (63 - high) & ~(BIT(low) - 1);
}

/* Fills in the page fault's error code: cause, and the bits that depend on the access alone. The
 * I/D bit is set only if fetches can fault for reasons of their own: with XD or SMEP (4.7, "I/D
 * flag (bit 4)"). */
static enum guest_paging_result fault(const struct walk *walk, uint32_t cause,
                                      struct guest_translation *translation)
{
    const struct guest_paging *p = walk->paging;
    bool fetches_differ = ((p->cr4 & CR4_PAE) && (p->efer & EFER_NXE)) || (p->cr4 & CR4_SMEP);

    if (walk->access->kind == GUEST_ACCESS_WRITE)
        cause |= PF_WRITE;
    if (is_user(walk->access))
        cause |= PF_USER;
    if (walk->access->kind == GUEST_ACCESS_EXECUTE && fetches_differ)
        cause |= PF_INSTRUCTION_FETCH;
    translation->error_code = cause;
    return GUEST_PAGING_FAULT;
}

/* Returns the bits of a present entry that have to be 0. shift is the lowest address bit that the
 * entry translates: 12 for a PTE, then 21, 30, 39, 48; or 22 for the PDE of 32-bit paging. */
static uint64_t reserved_bits(const struct walk *walk, unsigned shift, bool is_leaf)
{
    const struct guest_paging *p = walk->paging;
    uint64_t bits = 0;

    if (walk->mode == GUEST_PAGING_32_BIT) {
        /* Table 4-4: a 4-MByte page has physical-address bits 39:32 in bits 20:13, up to
         * MAXPHYADDR; the other bits up to 21 are reserved. */
        unsigned width = p->physical_address_bits < 40 ? p->physical_address_bits : 40;
        return is_leaf && shift == 22 ? field(21, width - 19) : 0;
    }
    /* PAE reserves bits 62:M. The IA-32e modes reserve 51:M and leave 62:52 to software or
     * protection keys. */
    bits = field(walk->mode == GUEST_PAGING_PAE ? 62 : 51, p->physical_address_bits);
    if (!(p->efer & EFER_NXE))
        bits |= ENTRY_XD;
    if (is_leaf && shift > 12)
        bits |= field(shift - 1, 13); /* bit 12 is PAT */
    if (shift >= 39 || (shift == 30 && !p->has_1g_pages))
        bits |= ENTRY_PS;
    return bits;
}

static bool is_leaf(const struct walk *walk, unsigned shift, uint64_t entry)
{
    if (shift == 12)
        return true;
    if (!(entry & ENTRY_PS))
        return false;
    if (shift == 22)
        return walk->paging->cr4 & CR4_PSE;
    return shift == 21 || (shift == 30 && walk->paging->has_1g_pages);
}

/* Walks from the table at `table`, whose entries translate the address bits from shift upwards,
 * down to a leaf. Sets *leaf_shift to the shift of the leaf. */
static enum guest_paging_result walk_tables(struct walk *walk, uint64_t table, unsigned shift,
                                            unsigned *leaf_shift,
                                            struct guest_translation *translation)
{
    unsigned index_bits = walk->mode == GUEST_PAGING_32_BIT ? 10 : 9;

    for (;; shift -= index_bits) {
        uint64_t index = walk->linear >> shift & (BIT(index_bits) - 1);
        struct guest_paging_entry *entry = &walk->entries[walk->entry_count++];
        bool leaf;

        entry->address = GPA(table + index * walk->entry_bytes);
        if (!walk->memory->read(walk->memory->context, entry->address, walk->entry_bytes,
                                &entry->value))
            return GUEST_PAGING_NO_TABLE;
        if (!(entry->value & ENTRY_P))
            return fault(walk, 0, translation);
        leaf = is_leaf(walk, shift, entry->value);
        if (entry->value & reserved_bits(walk, shift, leaf))
            return fault(walk, PF_PRESENT | PF_RESERVED, translation);
        walk->rights &= entry->value | ENTRY_XD;
        walk->rights |= entry->value & ENTRY_XD;
        if (leaf) {
            *leaf_shift = shift;
            return GUEST_PAGING_OK;
        }
        table = entry->value & field(51, 12);
    }
}

/* Returns whether a protection key forbids the access. Keys concern data accesses in IA-32e mode:
 * PKRU user-mode addresses, IA32_PKRS supervisor-mode addresses. 4.6.2 "Protection Keys". */
static bool key_refuses(const struct walk *walk, uint64_t leaf)
{
    const struct guest_paging *p = walk->paging;
    bool user_address = walk->rights & ENTRY_US;
    unsigned key = (unsigned)BITS(leaf, 62, 59);
    uint32_t rights = (user_address ? p->pkru : p->pkrs) >> 2 * key;

    if (walk->mode < GUEST_PAGING_4_LEVEL || walk->access->kind == GUEST_ACCESS_EXECUTE ||
        !(p->cr4 & (user_address ? CR4_PKE : CR4_PKS)))
        return false;
    if (rights & 1) /* access disabled */
        return true;
    return (rights & 2) && walk->access->kind == GUEST_ACCESS_WRITE &&
           (is_user(walk->access) || (p->cr0 & CR0_WP));
}

/* Returns whether R/W, U/S and XD of all entries allow the access. 4.6.1 "Determination of Access
 * Rights". */
static bool rights_allow(const struct walk *walk)
{
    const struct guest_paging *p = walk->paging;
    bool user_address = walk->rights & ENTRY_US;
    enum guest_access_kind kind = walk->access->kind;

    if (kind == GUEST_ACCESS_EXECUTE && (walk->rights & ENTRY_XD))
        return false;
    if (is_user(walk->access))
        return user_address && (kind != GUEST_ACCESS_WRITE || (walk->rights & ENTRY_RW));
    if (user_address) {
        if (kind == GUEST_ACCESS_EXECUTE)
            return !(p->cr4 & CR4_SMEP);
        if ((p->cr4 & CR4_SMAP) && (walk->access->implicit_supervisor || !(p->rflags & RFLAGS_AC)))
            return false;
    }
    return kind != GUEST_ACCESS_WRITE || (walk->rights & ENTRY_RW) || !(p->cr0 & CR0_WP);
}

/* Sets the accessed flags and, for a write, the dirty flag. Returns false if an entry has changed
 * since it was read. 4.8 "Accessed and Dirty Flags". */
static bool set_flags(struct walk *walk)
{
    for (unsigned i = 0; i < walk->entry_count; i++) {
        struct guest_paging_entry *entry = &walk->entries[i];
        bool is_dirty = i == walk->entry_count - 1 && walk->access->kind == GUEST_ACCESS_WRITE;
        uint64_t desired = entry->value | ENTRY_A | (is_dirty ? ENTRY_D : 0);

        if (desired != entry->value &&
            !walk->memory->compare_exchange(walk->memory->context, entry->address,
                                            walk->entry_bytes, entry->value, desired))
            return false;
        entry->value = desired;
    }
    return true;
}

static gpa_t page_address(const struct walk *walk, unsigned shift)
{
    uint64_t leaf = walk->entries[walk->entry_count - 1].value;
    uint64_t offset_mask = BIT(shift) - 1;
    uint64_t base = leaf & field(51, 12) & ~offset_mask;

    if (walk->mode == GUEST_PAGING_32_BIT && shift == 22)
        base |= BITS(leaf, 20, 13) << 32;
    return GPA(base | (walk->linear & offset_mask));
}

static enum guest_paging_result attempt(struct walk *walk, struct guest_translation *translation)
{
    const struct guest_paging *p = walk->paging;
    enum guest_paging_result result;
    unsigned shift = 12;

    walk->entry_count = 0;
    walk->entry_bytes = walk->mode == GUEST_PAGING_32_BIT ? 4 : 8;
    walk->rights = ENTRY_RW | ENTRY_US;
    switch (walk->mode) {
    case GUEST_PAGING_32_BIT:
        result = walk_tables(walk, p->cr3 & field(31, 12), 22, &shift, translation);
        break;
    case GUEST_PAGING_PAE: {
        /* Table 4-8: a PDPTE has neither rights nor an accessed flag. */
        uint64_t pdpte = p->pdpte[walk->linear >> 30 & 3];

        if (!(pdpte & ENTRY_P))
            return fault(walk, 0, translation);
        if (pdpte & (field(2, 1) | field(8, 5) | field(63, p->physical_address_bits)))
            return fault(walk, PF_PRESENT | PF_RESERVED, translation);
        result = walk_tables(walk, pdpte & field(51, 12), 21, &shift, translation);
        break;
    }
    default:
        result = walk_tables(walk, p->cr3 & field(p->physical_address_bits - 1, 12),
                             walk->mode == GUEST_PAGING_5_LEVEL ? 48 : 39, &shift, translation);
        break;
    }
    if (result != GUEST_PAGING_OK)
        return result;

    bool refused_by_key = key_refuses(walk, walk->entries[walk->entry_count - 1].value);
    if (refused_by_key || !rights_allow(walk))
        return fault(walk, PF_PRESENT | (refused_by_key ? PF_PROTECTION_KEY : 0), translation);
    if (!set_flags(walk))
        return GUEST_PAGING_RETRY;
    translation->address = page_address(walk, shift);
    translation->page_size_bytes = BIT(shift);
    translation->entry_count = (uint8_t)walk->entry_count;
    translation->entry_bytes = walk->entry_bytes;
    for (unsigned i = 0; i < walk->entry_count; i++)
        translation->entries[i] = walk->entries[i];
    return GUEST_PAGING_OK;
}

enum guest_paging_result guest_paging_translate(const struct guest_paging *paging,
                                                const struct guest_paging_memory *memory,
                                                gva_t linear, const struct guest_access *access,
                                                struct guest_translation *translation)
{
    struct walk walk = {.paging = paging, .memory = memory, .access = access};
    enum guest_paging_result result = GUEST_PAGING_RETRY;

    *translation = (struct guest_translation){.page_size_bytes = PAGE_SIZE};
    walk.mode = guest_paging_mode_of(paging);
    walk.linear = walk.mode >= GUEST_PAGING_4_LEVEL ? linear.value : linear.value & UINT32_MAX;
    if (walk.mode == GUEST_PAGING_OFF) {
        translation->address = GPA(walk.linear);
        return GUEST_PAGING_OK;
    }
    /* A walk whose entries changed meanwhile is repeated, at most ATTEMPTS_MAX times in all, so
     * that another processor of the guest cannot hold this one here. */
    for (unsigned i = 0; i < ATTEMPTS_MAX && result == GUEST_PAGING_RETRY; i++)
        result = attempt(&walk, translation);
    return result;
}
