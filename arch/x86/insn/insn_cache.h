// SPDX-License-Identifier: BSD-2-Clause
/* Keeps instructions that were fetched and decoded before, for code that executes them again and
 * again.
 *
 * A processor may change its code and its page tables at any time without a notice. So the cache
 * never trusts what it keeps: every use compares the paging-structure entries that led to the
 * instruction, and the instruction's bytes, with what is in memory now. If all are the same, a walk
 * and a decoding done now would end with the same result.
 *
 * One cache belongs to one vCPU. Its size is fixed. The place of an instruction follows from its
 * address, and a new instruction replaces the one that was there. */
#ifndef ARCH_X86_INSN_INSN_CACHE_H
#define ARCH_X86_INSN_INSN_CACHE_H

#include "arch/x86/insn/insn_plain.h"
#include "arch/x86/memory/guest_paging.h"

#define INSN_CACHE_COUNT  32
#define INSN_CACHE_LEVELS 4  /* paging structures in memory; longer walks are not kept */
#define INSN_CACHE_WINDOW 16 /* bytes that hold the instruction */

/* Where and how an instruction is executed: everything that fetch and decoding depend on, except
 * the contents of memory. */
struct insn_cache_key {
    uint64_t linear; /* address of the instruction's first byte */
    uint64_t root;   /* CR3; the PDPTE in use with PAE paging; 0 with paging off */
    /* The access rights of CS, which are not 0, and above them what else selects the formats of
     * paging structures and code. */
    uint32_t code;
};

struct insn_cache_table {
    const uint64_t *at; /* the eight aligned bytes that contain the entry */
    uint64_t value;
};

struct insn_cache_entry {
    _Alignas(64) struct insn_cache_key key;
    const uint8_t *window; /* INSN_CACHE_WINDOW bytes within the instruction's page */
    uint64_t bytes[INSN_CACHE_WINDOW / 8];
    uint64_t bytes_mask[INSN_CACHE_WINDOW / 8]; /* marks the bytes of the instruction */
    struct insn_cache_table tables[INSN_CACHE_LEVELS];
    struct insn_plain plain;
};

/* A cache whose bytes are all zero is empty. */
struct insn_cache {
    struct insn_cache_entry entries[INSN_CACHE_COUNT];
};

/* Where an instruction came from. */
struct insn_cache_source {
    const uint8_t *bytes;                        /* the bytes that were decoded */
    const struct guest_translation *translation; /* of the first byte, for execution */
    /* Returns a pointer to guest-physical memory that stays valid as long as the cache is in use;
     * null if there is no memory. size_bytes is 8 or PAGE_SIZE; address is a multiple of it. */
    const void *(*memory)(void *context, gpa_t address, size_t size_bytes);
    void *context;
};

/* Keeps plain under key, in place of the instruction that was there. Keeps nothing, and forgets
 * what was there, if the instruction crosses a page, if the walk has more than INSN_CACHE_LEVELS
 * entries, if one of the entries has changed since, or if source->memory returns null. */
void insn_cache_keep(struct insn_cache *cache, const struct insn_cache_key *key,
                     const struct insn_plain *plain, const struct insn_cache_source *source);

/* Forgets all instructions. */
void insn_cache_forget(struct insn_cache *cache);

static inline struct insn_cache_entry *insn_cache_place(struct insn_cache *cache, uint64_t linear)
{
    return &cache->entries[(linear ^ linear >> 5) % INSN_CACHE_COUNT];
}

/* An unaligned load. memcpy would become a call in the monitor. */
struct insn_cache_bytes {
    uint64_t value;
} __attribute__((packed, may_alias));

static inline uint64_t insn_cache_load(const uint8_t *bytes)
{
    return ((const struct insn_cache_bytes *)bytes)->value;
}

/* Returns which bits differ between memory and what the cache keeps: 0 if none does. Has no branch,
 * as a difference is rare. Reads the paging entries before the bytes, as a walk does. */
static inline uint64_t insn_cache_changes(const struct insn_cache_entry *entry)
{
    uint64_t changes = 0;

#pragma GCC unroll 4
    for (unsigned i = 0; i < INSN_CACHE_LEVELS; i++)
        changes |= __atomic_load_n(entry->tables[i].at, __ATOMIC_ACQUIRE) ^ entry->tables[i].value;
#pragma GCC unroll 2
    for (unsigned i = 0; i < ARRAY_COUNT(entry->bytes); i++)
        changes |=
            (insn_cache_load(entry->window + 8 * i) ^ entry->bytes[i]) & entry->bytes_mask[i];
    return changes;
}

/* Returns the instruction at the key, as it is in memory now; null if the cache does not have
 * it. */
static inline const struct insn_plain *insn_cache_find(struct insn_cache *cache,
                                                       const struct insn_cache_key *key)
{
    const struct insn_cache_entry *entry = insn_cache_place(cache, key->linear);

    if (__builtin_expect(entry->key.linear != key->linear || entry->key.root != key->root ||
                             entry->key.code != key->code || insn_cache_changes(entry) != 0,
                         0))
        return NULL;
    return &entry->plain;
}

#endif
