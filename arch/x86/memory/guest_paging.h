// SPDX-License-Identifier: BSD-2-Clause
/* The guest's own paging: from a linear to a guest-physical address, as its processor would. */
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
    uint64_t pdpte[4]; /* PAE only: as loaded by MOV to CR3; the VMCS has them under EPT */
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

/* The guest-physical memory that holds the tables. size_bytes is 4 or 8, naturally aligned. */
struct guest_paging_memory {
    void *context;
    /* False where there is no memory. */
    bool (*read)(void *context, gpa_t address, size_t size_bytes, uint64_t *value);
    /* Stores desired if the entry is still expected, atomically; false if it is not. */
    bool (*compare_exchange)(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                             uint64_t desired);
};

enum guest_paging_result {
    GUEST_PAGING_OK,
    GUEST_PAGING_FAULT,    /* #PF */
    GUEST_PAGING_NO_TABLE, /* a table lies where there is no memory */
    GUEST_PAGING_RETRY,    /* others keep changing the entries: let the guest run and fault again */
};

/* Page-fault error code, Intel SDM vol. 3A, figure 4-12. */
#define PF_PRESENT           (UINT32_C(1) << 0)
#define PF_WRITE             (UINT32_C(1) << 1)
#define PF_USER              (UINT32_C(1) << 2)
#define PF_RESERVED          (UINT32_C(1) << 3)
#define PF_INSTRUCTION_FETCH (UINT32_C(1) << 4)
#define PF_PROTECTION_KEY    (UINT32_C(1) << 5)

#define GUEST_PAGING_LEVELS_MAX 5

/* A paging-structure entry on the way, as the translation left it. */
struct guest_paging_entry {
    gpa_t address;
    uint64_t value;
};

struct guest_translation {
    gpa_t address;            /* with GUEST_PAGING_OK */
    uint64_t page_size_bytes; /* 4 KiB to 1 GiB; 4 KiB with paging off */
    uint32_t error_code;      /* with GUEST_PAGING_FAULT; CR2 is the linear address */

    /* With GUEST_PAGING_OK: the entries in memory that it went through, the leaf last. As long as
     * they hold these values, and CR3 or the PDPTE and the paging mode are the same, a translation
     * yields the same address. */
    struct guest_paging_entry entries[GUEST_PAGING_LEVELS_MAX];
    uint8_t entry_count; /* 0 with paging off */
    uint8_t entry_bytes; /* 4 or 8 */
};

/* The mode that CR0, CR4 and IA32_EFER select. Intel SDM vol. 3A, 4.1.1 "Four Paging Modes". */
enum guest_paging_mode guest_paging_mode(const struct guest_paging *paging);

/* Translates linear for the given access: walks the tables, checks reserved bits and rights (R/W
 * with CR0.WP, U/S, XD with IA32_EFER.NXE, SMEP, SMAP with RFLAGS.AC, protection keys), and sets
 * the accessed flags and, for a write, the dirty flag through memory->compare_exchange. All of them
 * are left alone when the access faults. Covers one address: an access that crosses a page takes
 * two calls. Linear addresses are cut to 32 bits outside of IA-32e mode; whether they are canonical
 * is the caller's to check. Shadow stacks (CR4.CET), HLAT and linear-address masking are not
 * modelled: guests are not offered them.
 *
 * Intel SDM vol. 3A, Sep 2023, chapter 4 "Paging": 4.3 to 4.5 for the formats, 4.6 "Access Rights",
 * 4.7 "Page-Fault Exceptions", 4.8 "Accessed and Dirty Flags". */
MUST_USE enum guest_paging_result guest_paging_translate(const struct guest_paging *paging,
                                                         const struct guest_paging_memory *memory,
                                                         gva_t linear,
                                                         const struct guest_access *access,
                                                         struct guest_translation *translation);

#endif
