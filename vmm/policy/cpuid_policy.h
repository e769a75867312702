// SPDX-License-Identifier: BSD-2-Clause
/* The CPUID that a guest sees: a pure function of the processor's own CPUID, the board, and the
 * few guest registers that CPUID reflects. Intel SDM vol. 2A (Sep 2023), "CPUID - CPU
 * Identification". */
#ifndef VMM_POLICY_CPUID_POLICY_H
#define VMM_POLICY_CPUID_POLICY_H

#include "arch/x86/cpu.h"
#include "vmm/policy/cpuid_features.h"

#define CPUID_HYPERVISOR_LEAF 0x40000000u

/* Twelve characters for EBX, ECX and EDX of leaf 0x40000000. */
#define CPUID_HYPERVISOR_SIGNATURE "Portcullis  "

/* The highest basic and extended leaf that a guest sees, on every processor. Higher leaves read
 * zero. */
#define CPUID_MAX_BASIC    0x16u
#define CPUID_MAX_EXTENDED 0x80000008u

/* The highest basic leaf if the guest asked for a limit, for operating systems that expect no more.
 * SDM vol. 4, table "IA-32 Architectural MSRs", IA32_MISC_ENABLE bit 22. */
#define CPUID_MAX_LIMITED 0x2u

/* The facts of the board that CPUID reflects. They do not change while a guest runs. */
struct cpuid_board {
    /* Executes the processor's CPUID instruction in 64-bit mode. Called only for leaves that exist
     * according to leaves 0 and 0x80000000. */
    struct cpuid_result (*host)(uint32_t leaf, uint32_t subleaf);
    /* Each vCPU is a core of its own, and all cores are in one package. IDs begin at 0 and have no
     * gaps. */
    uint32_t cpu_count; /* vCPUs of the guest, 1..64; 0 counts as 1 */
    uint32_t vcpu_id;   /* initial APIC ID, x2APIC ID; below cpu_count */
    bool has_apic;      /* local APICs with TSC-deadline timer; without them: one vCPU */
    bool has_no_x2apic; /* the local APICs have xAPIC mode only */
    bool rdtscp;        /* VMX control "enable RDTSCP" is set: RDTSCP and RDPID work */
    bool invpcid;       /* VMX control "enable INVPCID" is set */
    bool xsavec;        /* the compacted format of the XSAVE area can be trusted */
    bool xsaves;        /* VMX control "enable XSAVES/XRSTORS" is set, and every XSS bit exits */
    uint8_t physical_address_bits; /* bits that EPT can map, 32..48 */
    uint64_t tsc_hz; /* as measured, below 2^63; 0: unknown, leaves 0x15 and 0x16 read zero */
};

/* The guest's registers that CPUID reflects. */
struct cpuid_guest {
    uint64_t cr4;                  /* as the guest sees it, with the read shadow applied */
    uint64_t xcr0;                 /* for the size in leaf 0xD */
    bool code64;                   /* the guest executes 64-bit code: IA32_EFER.LMA and CS.L */
    bool limits_leaves;            /* IA32_MISC_ENABLE, "Limit CPUID Maxval" */
    bool disables_execute_disable; /* IA32_MISC_ENABLE, "XD Bit Disable" */
    bool apic_enabled;             /* IA32_APIC_BASE.EN; ignored if the board has no local APICs */
};

enum cpuid_feature {
#define CPUID_FEATURE_ENUM(name, leaf, subleaf, reg, bit, condition) CPUID_##name,
    CPUID_FEATURES(CPUID_FEATURE_ENUM, CPUID_FEATURE_ENUM)
#undef CPUID_FEATURE_ENUM
        CPUID_FEATURE_COUNT
};

/* Returns the four registers for EAX = leaf and ECX = subleaf, which may have any value. A leaf or
 * a bit that is not known to be harmless reads 0. No side effects. */
struct cpuid_result cpuid_policy(const struct cpuid_board *board, const struct cpuid_guest *guest,
                                 uint32_t leaf, uint32_t subleaf);

/* Returns whether guests on this board have the feature. The guest's mode (the conditions CODE64
 * and APIC_ON) is ignored. */
bool cpuid_has(const struct cpuid_board *board, enum cpuid_feature feature);

/* Returns the feature's name in the SDM's spelling ("SSE4_1"); never null. */
const char *cpuid_feature_name(enum cpuid_feature feature);

/* The properties of a processor that its guests see. Two processors with the same summary are the
 * same for a guest. */
struct cpuid_summary {
    uint64_t features[(CPUID_FEATURE_COUNT + 63) / 64]; /* bit n: enum cpuid_feature n */
    uint64_t xcr0;
    uint32_t version; /* leaf 1, EAX: family, model, stepping */
    unsigned physical_address_bits;
};

/* Returns the summary of the processor on which board->host runs. */
struct cpuid_summary cpuid_summarize(const struct cpuid_board *board);

/* Returns the name of one thing in which both differ ("AVX512F"); null if there is no difference.
 * The stepping may differ, because two packages of one machine may be of different age. */
const char *cpuid_difference(const struct cpuid_summary *a, const struct cpuid_summary *b);

/* The frequency in leaf 0x15, for the local APIC's timer: the timer counts at the core crystal
 * clock if CPUID shows one (SDM vol. 3A, "APIC Timer"). The monitor derives this clock from the
 * TSC. cpuid_crystal_ratio returns how many TSC ticks one tick of the clock takes: 1 if the TSC
 * runs below 2^32 Hz, else as many as make the clock's frequency fit into the leaf's 32 bits.
 * cpuid_crystal_hz returns the clock's frequency, rounded down. If tsc_hz is 0, the frequency is 0
 * and the ratio 1. */
uint64_t cpuid_crystal_hz(const struct cpuid_board *board);
uint32_t cpuid_crystal_ratio(const struct cpuid_board *board);

/* Returns the bits of a guest-physical address (MAXPHYADDR): the smaller of the processor's and the
 * board's number. */
unsigned cpuid_physical_address_bits(const struct cpuid_board *board);

/* Returns the XCR0 bits that a guest may set: x87, SSE, AVX, the three AVX-512 states and PKRU, as
 * far as the processor has them and CPUID shows their features. 0 without XSAVE. SDM vol. 1,
 * "XSAVE-Supported Features and State-Component Bitmaps". */
uint64_t xcr0_allowed_mask(const struct cpuid_board *board);

#endif
