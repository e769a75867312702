// SPDX-License-Identifier: BSD-2-Clause
/* What a guest sees of the processor: CPUID as a pure function of the processor's own CPUID, the
 * board, and the few guest registers that CPUID reflects. Intel SDM vol. 2A (Sep 2023), "CPUID -
 * CPU Identification". */
#ifndef VMM_POLICY_CPUID_POLICY_H
#define VMM_POLICY_CPUID_POLICY_H

#include "arch/x86/cpu.h"
#include "vmm/policy/cpuid_features.h"

#define CPUID_HYPERVISOR_LEAF 0x40000000u

/* Twelve characters for EBX, ECX and EDX of leaf 0x40000000. */
#define CPUID_HYPERVISOR_SIGNATURE "Portcullis  "

/* The highest basic leaf shown, on every processor. What lies beyond reads zero. */
#define CPUID_MAX_BASIC    0x16u
#define CPUID_MAX_EXTENDED 0x80000008u

/* The same where the guest asked for a limit, for operating systems that expect no more. SDM vol.
 * 4, table "IA-32 Architectural MSRs", IA32_MISC_ENABLE bit 22. */
#define CPUID_MAX_LIMITED 0x2u

/* Does not change while a guest runs. */
struct cpuid_board {
    /* The processor's CPUID instruction, executed in 64-bit mode. Asked only for leaves that its
     * leaves 0 and 0x80000000 say it has. */
    struct cpuid_result (*host)(uint32_t leaf, uint32_t subleaf);
    /* Each vCPU is a core of its own, all in one package. IDs go from 0 without gaps. */
    uint32_t cpu_count; /* of the guest, 1..64; 0 is taken as 1 */
    uint32_t vcpu_id;   /* initial APIC ID, x2APIC ID; below cpu_count */
    bool has_apic;      /* local APICs with x2APIC mode and TSC-deadline timer; without: one vCPU */
    bool rdtscp;        /* VMX control "enable RDTSCP" is set: RDTSCP and RDPID work */
    bool invpcid;       /* VMX control "enable INVPCID" is set */
    bool xsavec;        /* the compacted format of the XSAVE area can be trusted */
    bool xsaves;        /* VMX control "enable XSAVES/XRSTORS" is set, with every XSS bit exiting */
    uint8_t physical_address_bits; /* what EPT can map, 32..48 */
    uint64_t tsc_hz; /* as measured, below 2^63; 0: leaves 0x15 and 0x16 do not tell */
};

/* The guest's registers that CPUID reflects. */
struct cpuid_guest {
    uint64_t cr4;                  /* as the guest sees it: the read shadow applied */
    uint64_t xcr0;                 /* for the size in leaf 0xD */
    bool code64;                   /* the guest executes 64-bit code: IA32_EFER.LMA and CS.L */
    bool limits_leaves;            /* IA32_MISC_ENABLE, "Limit CPUID Maxval" */
    bool disables_execute_disable; /* IA32_MISC_ENABLE, "XD Bit Disable" */
    bool apic_enabled; /* IA32_APIC_BASE.EN; of no matter where the board has no local APICs */
};

enum cpuid_feature {
#define CPUID_FEATURE_ENUM(name, leaf, subleaf, reg, bit, condition) CPUID_##name,
    CPUID_FEATURES(CPUID_FEATURE_ENUM, CPUID_FEATURE_ENUM)
#undef CPUID_FEATURE_ENUM
        CPUID_FEATURE_COUNT
};

/* The four registers for EAX = leaf, ECX = subleaf. Any values are fine; whatever is not known to
 * be harmless reads 0. No side effects. */
struct cpuid_result cpuid_policy(const struct cpuid_board *board, const struct cpuid_guest *guest,
                                 uint32_t leaf, uint32_t subleaf);

/* Whether guests on this board have the feature, the guest's mode (conditions CODE64 and APIC_ON)
 * aside. */
bool cpuid_has(const struct cpuid_board *board, enum cpuid_feature feature);

/* The feature's name in the SDM's spelling ("SSE4_1"); never null. */
const char *cpuid_feature_name(enum cpuid_feature feature);

/* What of a processor its guests see: two with the same are as good as one for a guest. */
struct cpuid_summary {
    uint64_t features[(CPUID_FEATURE_COUNT + 63) / 64]; /* bit n: enum cpuid_feature n */
    uint64_t xcr0;
    uint32_t version; /* leaf 1, EAX: family, model, stepping */
    unsigned physical_address_bits;
};

struct cpuid_summary cpuid_summarize(const struct cpuid_board *board);

/* Something in which both differ, by name ("AVX512F"); null if they are the same. Steppings may
 * differ, as two packages of a machine may have been made at different times. */
const char *cpuid_difference(const struct cpuid_summary *a, const struct cpuid_summary *b);

/* What leaf 0x15 says, for the local APIC's timer, which counts at the core crystal clock where
 * CPUID tells of one (SDM vol. 3A, "APIC Timer"). The monitor makes that clock out of the TSC: it
 * ticks once in cpuid_crystal_ratio TSC ticks, 1 below 2^32 Hz, else as many as its frequency needs
 * to fit into the leaf's 32 bits. cpuid_crystal_hz is this frequency, rounded down; 0 where
 * tsc_hz is 0, and then the ratio is 1. */
uint64_t cpuid_crystal_hz(const struct cpuid_board *board);
uint32_t cpuid_crystal_ratio(const struct cpuid_board *board);

/* Bits of a guest-physical address (MAXPHYADDR): the smaller of the processor's and the board's. */
unsigned cpuid_physical_address_bits(const struct cpuid_board *board);

/* The XCR0 bits a guest may set: x87, SSE, AVX, the three AVX-512 states and PKRU, as far as the
 * processor has them and their features are shown. 0 without XSAVE. SDM vol. 1, "XSAVE-Supported
 * Features and State-Component Bitmaps". */
uint64_t xcr0_allowed_mask(const struct cpuid_board *board);

#endif
