// SPDX-License-Identifier: BSD-2-Clause
/* Translates a linear address to a guest-physical address through the guest's own paging, as its
 * processor would. */
#ifndef ARCH_X86_MEMORY_GUEST_PAGING_H
#define ARCH_X86_MEMORY_GUEST_PAGING_H

#include "vmm/base/types.h"

enum guest_paging_mode {
    GUEST_PAGING_OFF,
    GUEST_PAGING_32_BIT,
    GUEST_PAGING_PAE,
    GUEST_PAGING_4_LEVEL,
    GUEST_PAGING_5_LEVEL,
};

enum guest_access_kind {
    GUEST_ACCESS_READ,
    GUEST_ACCESS_WRITE,
    GUEST_ACCESS_EXECUTE,
};

/* What the translation depends on. */
struct guest_paging {
    uint64_t cr0, cr3, cr4, efer, rflags;
    uint64_t pdpte[4]; /* PAE only: as MOV to CR3 loaded them; with EPT the VMCS has them */
    uint32_t pkru;     /* with CR4.PKE */
    uint32_t pkrs;     /* with CR4.PKS */
    uint8_t physical_address_bits; /* MAXPHYADDR, 32 to 52 */
    bool has_1g_pages;             /* CPUID.80000001H:EDX.Page1GB */
};

struct guest_access {
    enum guest_access_kind kind;
    uint8_t cpl;              /* 0 to 3 */
    bool implicit_supervisor; /* by the processor itself, at any CPL: GDT, IDT, TSS */
};

/* The guest-physical memory that holds the tables. size_bytes is 4 or 8; address is a multiple of
 * it. */
struct guest_paging_memory {
    void *context;
    /* Returns false if there is no memory at the address. */
    bool (*read)(void *context, gpa_t address, size_t size_bytes, uint64_t *value);
    /* Stores desired atomically if the entry still equals expected. Returns false if it does
     * not. */
    bool (*compare_exchange)(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                             uint64_t desired);
};

enum guest_paging_result {
    GUEST_PAGING_OK,
    GUEST_PAGING_FAULT,    /* #PF */
    GUEST_PAGING_NO_TABLE, /* a table lies where there is no memory */
    GUEST_PAGING_RETRY,    /* the entries keep changing: let the guest run and fault again */
};

/* Page-fault error code. Intel SDM vol. 3A, figure 4-12. */
#define PF_PRESENT           (UINT32_C(1) << 0)
#define PF_WRITE             (UINT32_C(1) << 1)
#define PF_USER              (UINT32_C(1) << 2)
#define PF_RESERVED          (UINT32_C(1) << 3)
#define PF_INSTRUCTION_FETCH (UINT32_C(1) << 4)
#define PF_PROTECTION_KEY    (UINT32_C(1) << 5)

#define GUEST_PAGING_LEVELS_MAX 5

/* A paging-structure entry of the walk, as the translation left it. */
struct guest_paging_entry {
    gpa_t address;
    uint64_t value;
};

struct guest_translation {
    gpa_t address;            /* with GUEST_PAGING_OK */
    uint64_t page_size_bytes; /* 4 KiB to 1 GiB; 4 KiB with paging off */
    uint32_t error_code;      /* with GUEST_PAGING_FAULT; CR2 is the linear address */

    /* With GUEST_PAGING_OK: the entries in memory that the walk used, the leaf last. As long as
     * they hold these values, and CR3 or the PDPTE and the paging mode are the same, a translation
     * yields the same address. */
    struct guest_paging_entry entries[GUEST_PAGING_LEVELS_MAX];
    uint8_t entry_count; /* 0 with paging off */
    uint8_t entry_bytes; /* 4 or 8 */
};

/* Returns the mode that CR0, CR4 and IA32_EFER select. Intel SDM vol. 3A, 4.1.1 "Four Paging
 * Modes". */
enum guest_paging_mode guest_paging_mode_of(const struct guest_paging *paging);

/* Translates linear for the given access. Walks the tables, checks reserved bits and rights (R/W
 * with CR0.WP, U/S, XD with IA32_EFER.NXE, SMEP, SMAP with RFLAGS.AC, protection keys), and sets
 * the accessed flags and, for a write, the dirty flag through memory->compare_exchange. If the
 * access faults it sets none of these flags.
 *   linear: cut to 32 bits outside of IA-32e mode. The caller checks that it is canonical, and
 *     makes two calls for an access that crosses a page.
 *   GUEST_PAGING_OK: *translation has the address, the page's size and the entries.
 *   GUEST_PAGING_FAULT: translation->error_code belongs to a #PF at linear.
 *   GUEST_PAGING_NO_TABLE, GUEST_PAGING_RETRY: see above.
 * Does not model shadow stacks (CR4.CET), HLAT and linear-address masking: guests are not offered
 * them. */
MUST_USE enum guest_paging_result guest_paging_translate(const struct guest_paging *paging,
                                                         const struct guest_paging_memory *memory,
                                                         gva_t linear,
                                                         const struct guest_access *access,
                                                         struct guest_translation *translation);

#endif
