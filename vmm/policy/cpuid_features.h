// SPDX-License-Identifier: BSD-2-Clause
/* All CPUID feature bits that a guest may see, by the SDM's names. A bit that is not listed reads
 * 0. */
#ifndef VMM_POLICY_CPUID_FEATURES_H
#define VMM_POLICY_CPUID_FEATURES_H

/* CPUID_FEATURES(ROW, EMULATED) expands to ROW(name, leaf, subleaf, register, bit, condition) for
 * each bit, or to EMULATED with the same arguments. A guest sees the bit of a ROW if the processor
 * has the feature and the condition holds. A guest sees an EMULATED bit if the condition holds,
 * because the board provides the feature on every processor. The conditions:
 *   ALWAYS      always holds
 *   RDTSCP      the VMX control "enable RDTSCP" is set
 *   INVPCID     the VMX control "enable INVPCID" is set
 *   XSAVEC      the processor's XSAVEC works as it should
 *   XSAVES      the same, and the VMX control "enable XSAVES/XRSTORS" is set
 *   CODE64      the guest executes CPUID in 64-bit mode
 *   XD_ON       the guest has not disabled the feature by IA32_MISC_ENABLE
 *   LOCAL_APIC  the board has local APICs
 *   HAS_X2APIC  the same, and they have x2APIC mode
 *   APIC_ON     the board has local APICs, and IA32_APIC_BASE.EN enables this vCPU's
 *               (SDM vol. 3A, "Enabling or Disabling the Local APIC")
 *   SEVERAL     the guest has more than one logical processor
 *
 * Intel SDM vol. 2A (Sep 2023), "CPUID - CPU Identification". ARAT is true for a timer that counts
 * TSC ticks. These features are missing, for these reasons:
 *   VMX, SMX, SGX, PT, MPX, HLE/RTM, CET, AMX, key locker, user interrupts: the monitor does not
 *     keep their state apart for each guest, or they would give the guest control of the machine.
 *   MCE, MCA, EIST, TM, TM2, ACPI, PDCM, DS, performance monitoring, RDT: they control the
 *     platform, which belongs to the monitor or to nobody. A guest does not have their MSRs, so
 *     leaf 6 has only ARAT.
 *   MONITOR, WAITPKG, PCONFIG, ENQCMD, XFD: they need VMX controls that are not set.
 *   TSC_ADJUST: the monitor owns the TSC offset of each vCPU, to keep a guest's TSCs in step.
 *     Without the MSR there is one way to move the TSC: a write to IA32_TIME_STAMP_COUNTER.
 *   IBRS/IBPB, STIBP, SSBD, L1D_FLUSH, IA32_ARCH_CAPABILITIES: their MSRs act on the whole logical
 *     processor. The monitor does not switch IA32_SPEC_CTRL at exits and entries, so a guest would
 *     get a register that does not do what the SDM says.
 *   MOVDIRI, MOVDIR64B: software uses them for stores to MMIO, and the MMIO decoder does not decode
 *     them.
 *   LA57, PKS: the monitor walks guest page tables for 48-bit addresses and does not switch
 *     IA32_PKRS. */
#define CPUID_FEATURES(ROW, EMULATED)                                                              \
    ROW(SSE3, 0x1, 0, ECX, 0, ALWAYS)                                                              \
    ROW(PCLMULQDQ, 0x1, 0, ECX, 1, ALWAYS)                                                         \
    ROW(SSSE3, 0x1, 0, ECX, 9, ALWAYS)                                                             \
    ROW(FMA, 0x1, 0, ECX, 12, ALWAYS)                                                              \
    ROW(CMPXCHG16B, 0x1, 0, ECX, 13, ALWAYS)                                                       \
    ROW(PCID, 0x1, 0, ECX, 17, ALWAYS)                                                             \
    ROW(SSE4_1, 0x1, 0, ECX, 19, ALWAYS)                                                           \
    ROW(SSE4_2, 0x1, 0, ECX, 20, ALWAYS)                                                           \
    EMULATED(X2APIC, 0x1, 0, ECX, 21, HAS_X2APIC)                                                  \
    ROW(MOVBE, 0x1, 0, ECX, 22, ALWAYS)                                                            \
    ROW(POPCNT, 0x1, 0, ECX, 23, ALWAYS)                                                           \
    EMULATED(TSC_DEADLINE, 0x1, 0, ECX, 24, LOCAL_APIC)                                            \
    ROW(AESNI, 0x1, 0, ECX, 25, ALWAYS)                                                            \
    ROW(XSAVE, 0x1, 0, ECX, 26, ALWAYS)                                                            \
    ROW(AVX, 0x1, 0, ECX, 28, ALWAYS)                                                              \
    ROW(F16C, 0x1, 0, ECX, 29, ALWAYS)                                                             \
    ROW(RDRAND, 0x1, 0, ECX, 30, ALWAYS)                                                           \
    ROW(FPU, 0x1, 0, EDX, 0, ALWAYS)                                                               \
    ROW(VME, 0x1, 0, EDX, 1, ALWAYS)                                                               \
    ROW(DE, 0x1, 0, EDX, 2, ALWAYS)                                                                \
    ROW(PSE, 0x1, 0, EDX, 3, ALWAYS)                                                               \
    ROW(TSC, 0x1, 0, EDX, 4, ALWAYS)                                                               \
    ROW(MSR, 0x1, 0, EDX, 5, ALWAYS)                                                               \
    ROW(PAE, 0x1, 0, EDX, 6, ALWAYS)                                                               \
    ROW(CX8, 0x1, 0, EDX, 8, ALWAYS)                                                               \
    EMULATED(APIC, 0x1, 0, EDX, 9, APIC_ON)                                                        \
    ROW(SEP, 0x1, 0, EDX, 11, ALWAYS)                                                              \
    ROW(MTRR, 0x1, 0, EDX, 12, ALWAYS)                                                             \
    ROW(PGE, 0x1, 0, EDX, 13, ALWAYS)                                                              \
    ROW(CMOV, 0x1, 0, EDX, 15, ALWAYS)                                                             \
    ROW(PAT, 0x1, 0, EDX, 16, ALWAYS)                                                              \
    ROW(PSE36, 0x1, 0, EDX, 17, ALWAYS)                                                            \
    ROW(CLFSH, 0x1, 0, EDX, 19, ALWAYS)                                                            \
    ROW(MMX, 0x1, 0, EDX, 23, ALWAYS)                                                              \
    ROW(FXSR, 0x1, 0, EDX, 24, ALWAYS)                                                             \
    ROW(SSE, 0x1, 0, EDX, 25, ALWAYS)                                                              \
    ROW(SSE2, 0x1, 0, EDX, 26, ALWAYS)                                                             \
    ROW(SS, 0x1, 0, EDX, 27, ALWAYS)                                                               \
    EMULATED(HTT, 0x1, 0, EDX, 28, SEVERAL)                                                        \
    EMULATED(ARAT, 0x6, 0, EAX, 2, LOCAL_APIC)                                                     \
    ROW(FSGSBASE, 0x7, 0, EBX, 0, ALWAYS)                                                          \
    ROW(BMI1, 0x7, 0, EBX, 3, ALWAYS)                                                              \
    ROW(AVX2, 0x7, 0, EBX, 5, ALWAYS)                                                              \
    ROW(FDP_EXCPTN_ONLY, 0x7, 0, EBX, 6, ALWAYS)                                                   \
    ROW(SMEP, 0x7, 0, EBX, 7, ALWAYS)                                                              \
    ROW(BMI2, 0x7, 0, EBX, 8, ALWAYS)                                                              \
    ROW(ERMS, 0x7, 0, EBX, 9, ALWAYS)                                                              \
    ROW(INVPCID, 0x7, 0, EBX, 10, INVPCID)                                                         \
    ROW(FCS_FDS_DEPRECATED, 0x7, 0, EBX, 13, ALWAYS)                                               \
    ROW(AVX512F, 0x7, 0, EBX, 16, ALWAYS)                                                          \
    ROW(AVX512DQ, 0x7, 0, EBX, 17, ALWAYS)                                                         \
    ROW(RDSEED, 0x7, 0, EBX, 18, ALWAYS)                                                           \
    ROW(ADX, 0x7, 0, EBX, 19, ALWAYS)                                                              \
    ROW(SMAP, 0x7, 0, EBX, 20, ALWAYS)                                                             \
    ROW(AVX512_IFMA, 0x7, 0, EBX, 21, ALWAYS)                                                      \
    ROW(CLFLUSHOPT, 0x7, 0, EBX, 23, ALWAYS)                                                       \
    ROW(CLWB, 0x7, 0, EBX, 24, ALWAYS)                                                             \
    ROW(AVX512PF, 0x7, 0, EBX, 26, ALWAYS)                                                         \
    ROW(AVX512ER, 0x7, 0, EBX, 27, ALWAYS)                                                         \
    ROW(AVX512CD, 0x7, 0, EBX, 28, ALWAYS)                                                         \
    ROW(SHA, 0x7, 0, EBX, 29, ALWAYS)                                                              \
    ROW(AVX512BW, 0x7, 0, EBX, 30, ALWAYS)                                                         \
    ROW(AVX512VL, 0x7, 0, EBX, 31, ALWAYS)                                                         \
    ROW(PREFETCHWT1, 0x7, 0, ECX, 0, ALWAYS)                                                       \
    ROW(AVX512_VBMI, 0x7, 0, ECX, 1, ALWAYS)                                                       \
    ROW(UMIP, 0x7, 0, ECX, 2, ALWAYS)                                                              \
    ROW(PKU, 0x7, 0, ECX, 3, ALWAYS)                                                               \
    ROW(AVX512_VBMI2, 0x7, 0, ECX, 6, ALWAYS)                                                      \
    ROW(GFNI, 0x7, 0, ECX, 8, ALWAYS)                                                              \
    ROW(VAES, 0x7, 0, ECX, 9, ALWAYS)                                                              \
    ROW(VPCLMULQDQ, 0x7, 0, ECX, 10, ALWAYS)                                                       \
    ROW(AVX512_VNNI, 0x7, 0, ECX, 11, ALWAYS)                                                      \
    ROW(AVX512_BITALG, 0x7, 0, ECX, 12, ALWAYS)                                                    \
    ROW(AVX512_VPOPCNTDQ, 0x7, 0, ECX, 14, ALWAYS)                                                 \
    ROW(RDPID, 0x7, 0, ECX, 22, RDTSCP)                                                            \
    ROW(CLDEMOTE, 0x7, 0, ECX, 25, ALWAYS)                                                         \
    ROW(AVX512_4VNNIW, 0x7, 0, EDX, 2, ALWAYS)                                                     \
    ROW(AVX512_4FMAPS, 0x7, 0, EDX, 3, ALWAYS)                                                     \
    ROW(FSRM, 0x7, 0, EDX, 4, ALWAYS)                                                              \
    ROW(AVX512_VP2INTERSECT, 0x7, 0, EDX, 8, ALWAYS)                                               \
    ROW(MD_CLEAR, 0x7, 0, EDX, 10, ALWAYS)                                                         \
    ROW(SERIALIZE, 0x7, 0, EDX, 14, ALWAYS)                                                        \
    ROW(AVX_VNNI, 0x7, 1, EAX, 4, ALWAYS)                                                          \
    ROW(AVX512_BF16, 0x7, 1, EAX, 5, ALWAYS)                                                       \
    ROW(FZRM, 0x7, 1, EAX, 10, ALWAYS)                                                             \
    ROW(FSRS, 0x7, 1, EAX, 11, ALWAYS)                                                             \
    ROW(FSRCS, 0x7, 1, EAX, 12, ALWAYS)                                                            \
    ROW(AVX_IFMA, 0x7, 1, EAX, 23, ALWAYS)                                                         \
    ROW(XSAVEOPT, 0xd, 1, EAX, 0, ALWAYS)                                                          \
    ROW(XSAVEC, 0xd, 1, EAX, 1, XSAVEC)                                                            \
    ROW(XGETBV_ECX_1, 0xd, 1, EAX, 2, ALWAYS)                                                      \
    ROW(XSAVES, 0xd, 1, EAX, 3, XSAVES)                                                            \
    ROW(LAHF_SAHF, 0x80000001, 0, ECX, 0, ALWAYS)                                                  \
    ROW(LZCNT, 0x80000001, 0, ECX, 5, ALWAYS)                                                      \
    ROW(PREFETCHW, 0x80000001, 0, ECX, 8, ALWAYS)                                                  \
    ROW(SYSCALL_SYSRET, 0x80000001, 0, EDX, 11, CODE64)                                            \
    ROW(EXECUTE_DISABLE, 0x80000001, 0, EDX, 20, XD_ON)                                            \
    ROW(PAGES_1GB, 0x80000001, 0, EDX, 26, ALWAYS)                                                 \
    ROW(RDTSCP, 0x80000001, 0, EDX, 27, RDTSCP)                                                    \
    ROW(INTEL_64, 0x80000001, 0, EDX, 29, ALWAYS)                                                  \
    ROW(INVARIANT_TSC, 0x80000007, 0, EDX, 8, ALWAYS)

#endif
