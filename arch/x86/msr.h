// SPDX-License-Identifier: BSD-2-Clause
/* Model-specific registers by their names in the Intel SDM vol. 4, "Model-Specific Registers
 * (MSRs)", and those of their bits that the monitor or a guest's view of them needs. */
#ifndef ARCH_X86_MSR_H
#define ARCH_X86_MSR_H

#include "arch/x86/registers.h"

/* --- Time --- */
#define IA32_TIME_STAMP_COUNTER 0x10
#define IA32_TSC_ADJUST         0x3b
#define IA32_MPERF              0xe7
#define IA32_APERF              0xe8
#define IA32_TSC_DEADLINE       0x6e0
#define IA32_TSC_AUX            0xc0000103
#define MSR_PLATFORM_INFO       0xce

/* --- Identification, features, speculation --- */
#define IA32_PLATFORM_ID       0x17
#define IA32_FEATURE_CONTROL   0x3a
#define IA32_SPEC_CTRL         0x48
#define IA32_PRED_CMD          0x49
#define IA32_BIOS_UPDT_TRIG    0x79
#define IA32_BIOS_SIGN_ID      0x8b
#define IA32_CORE_CAPABILITIES 0xcf
#define IA32_ARCH_CAPABILITIES 0x10a
#define IA32_FLUSH_CMD         0x10b
#define IA32_TSX_CTRL          0x122
#define MSR_MISC_FEATURES      0x140
#define IA32_MISC_ENABLE       0x1a0

#define FEATURE_CONTROL_LOCK            BIT(0)
#define FEATURE_CONTROL_VMX_INSIDE_SMX  BIT(1)
#define FEATURE_CONTROL_VMX_OUTSIDE_SMX BIT(2)
#define FEATURE_CONTROL_SGX_LAUNCH      BIT(17)
#define FEATURE_CONTROL_SGX_GLOBAL      BIT(18)
#define FEATURE_CONTROL_LMCE            BIT(20)

#define SPEC_CTRL_IBRS  BIT(0)
#define SPEC_CTRL_STIBP BIT(1)
#define SPEC_CTRL_SSBD  BIT(2)
#define PRED_CMD_IBPB   BIT(0)
#define FLUSH_CMD_L1D   BIT(0)

#define ARCH_CAPABILITIES_RDCL_NO            BIT(0)
#define ARCH_CAPABILITIES_IBRS_ALL           BIT(1)
#define ARCH_CAPABILITIES_RSBA               BIT(2)
#define ARCH_CAPABILITIES_SKIP_L1DFL_VMENTRY BIT(3)
#define ARCH_CAPABILITIES_SSB_NO             BIT(4)
#define ARCH_CAPABILITIES_MDS_NO             BIT(5)
#define ARCH_CAPABILITIES_IF_PSCHANGE_MC_NO  BIT(6)
#define ARCH_CAPABILITIES_TSX_CTRL           BIT(7)
#define ARCH_CAPABILITIES_TAA_NO             BIT(8)

#define MISC_ENABLE_FAST_STRINGS       BIT(0)
#define MISC_ENABLE_THERMAL_CONTROL    BIT(3)
#define MISC_ENABLE_PERFMON            BIT(7)
#define MISC_ENABLE_BTS_UNAVAILABLE    BIT(11)
#define MISC_ENABLE_PEBS_UNAVAILABLE   BIT(12)
#define MISC_ENABLE_SPEEDSTEP          BIT(16)
#define MISC_ENABLE_MONITOR            BIT(18)
#define MISC_ENABLE_LIMIT_CPUID_MAXVAL BIT(22)
#define MISC_ENABLE_XTPR_DISABLE       BIT(23)
#define MISC_ENABLE_XD_DISABLE         BIT(34)

/* --- Local APIC (SDM vol. 3A, "Advanced Programmable Interrupt Controller") --- */
#define IA32_APIC_BASE   0x1b
#define APIC_BASE_BSP    BIT(8)
#define APIC_BASE_EXTD   BIT(10) /* x2APIC mode */
#define APIC_BASE_ENABLE BIT(11)

/* In x2APIC mode the register at xAPIC offset n is MSR 0x800 + n / 16. */
#define IA32_X2APIC_FIRST       0x800
#define IA32_X2APIC_LAST        0x8ff
#define IA32_X2APIC_APICID      0x802
#define IA32_X2APIC_VERSION     0x803
#define IA32_X2APIC_TPR         0x808
#define IA32_X2APIC_PPR         0x80a
#define IA32_X2APIC_EOI         0x80b
#define IA32_X2APIC_LDR         0x80d
#define IA32_X2APIC_SIVR        0x80f
#define IA32_X2APIC_ISR0        0x810
#define IA32_X2APIC_TMR0        0x818
#define IA32_X2APIC_IRR0        0x820
#define IA32_X2APIC_ESR         0x828
#define IA32_X2APIC_LVT_CMCI    0x82f
#define IA32_X2APIC_ICR         0x830
#define IA32_X2APIC_LVT_TIMER   0x832
#define IA32_X2APIC_LVT_THERMAL 0x833
#define IA32_X2APIC_LVT_PMI     0x834
#define IA32_X2APIC_LVT_LINT0   0x835
#define IA32_X2APIC_LVT_LINT1   0x836
#define IA32_X2APIC_LVT_ERROR   0x837
#define IA32_X2APIC_INIT_COUNT  0x838
#define IA32_X2APIC_CUR_COUNT   0x839
#define IA32_X2APIC_DIV_CONF    0x83e
#define IA32_X2APIC_SELF_IPI    0x83f

/* --- Memory types --- */
#define IA32_MTRRCAP           0xfe
#define IA32_SMRR_PHYSBASE     0x1f2
#define IA32_SMRR_PHYSMASK     0x1f3
#define IA32_MTRR_PHYSBASE0    0x200 /* base n is at + 2n, mask n at + 2n + 1 */
#define IA32_MTRR_PHYSMASK0    0x201
#define IA32_MTRR_FIX64K_00000 0x250
#define IA32_MTRR_FIX16K_80000 0x258
#define IA32_MTRR_FIX16K_A0000 0x259
#define IA32_MTRR_FIX4K_C0000  0x268 /* to 0x26f, each for 32 KiB */
#define IA32_MTRR_FIX4K_F8000  0x26f
#define IA32_PAT               0x277
#define IA32_MTRR_DEF_TYPE     0x2ff

#define MTRRCAP_VCNT(value)       BITS(value, 7, 0)
#define MTRRCAP_FIX               BIT(8)
#define MTRRCAP_WC                BIT(10)
#define MTRRCAP_SMRR              BIT(11)
#define MTRR_DEF_TYPE_TYPE(value) BITS(value, 7, 0)
#define MTRR_DEF_TYPE_FE          BIT(10)
#define MTRR_DEF_TYPE_E           BIT(11)
#define MTRR_PHYSMASK_VALID       BIT(11)

/* Encodings in MTRRs, PAT and EPT (SDM vol. 3A, "Memory Cache Control"). */
enum memory_type {
    MEMORY_TYPE_UC = 0,
    MEMORY_TYPE_WC = 1,
    MEMORY_TYPE_WT = 4,
    MEMORY_TYPE_WP = 5,
    MEMORY_TYPE_WB = 6,
    MEMORY_TYPE_UC_MINUS = 7, /* PAT only */
};

/* PAT at reset: WB, WT, UC-, UC, twice. */
#define PAT_RESET UINT64_C(0x0007040600070406)

/* --- System calls, segments, paging --- */
#define IA32_SYSENTER_CS    0x174
#define IA32_SYSENTER_ESP   0x175
#define IA32_SYSENTER_EIP   0x176
#define IA32_EFER           0xc0000080
#define IA32_STAR           0xc0000081
#define IA32_LSTAR          0xc0000082
#define IA32_CSTAR          0xc0000083
#define IA32_FMASK          0xc0000084
#define IA32_FS_BASE        0xc0000100
#define IA32_GS_BASE        0xc0000101
#define IA32_KERNEL_GS_BASE 0xc0000102

/* --- Extended state, control-flow enforcement, protection keys --- */
#define IA32_XFD                      0x1c4
#define IA32_XFD_ERR                  0x1c5
#define IA32_U_CET                    0x6a0
#define IA32_S_CET                    0x6a2
#define IA32_PL0_SSP                  0x6a4
#define IA32_PL1_SSP                  0x6a5
#define IA32_PL2_SSP                  0x6a6
#define IA32_PL3_SSP                  0x6a7
#define IA32_INTERRUPT_SSP_TABLE_ADDR 0x6a8
#define IA32_PKRS                     0x6e1
#define IA32_BNDCFGS                  0xd90
#define IA32_XSS                      0xda0

/* --- Debugging, performance monitoring, machine check --- */
#define IA32_PMC0                 0xc1
#define IA32_PERFEVTSEL0          0x186
#define IA32_MCG_CAP              0x179
#define IA32_MCG_STATUS           0x17a
#define IA32_MCG_CTL              0x17b
#define IA32_PERF_STATUS          0x198
#define IA32_PERF_CTL             0x199
#define IA32_CLOCK_MODULATION     0x19a
#define IA32_THERM_INTERRUPT      0x19b
#define IA32_THERM_STATUS         0x19c
#define MSR_TEMPERATURE_TARGET    0x1a2
#define IA32_ENERGY_PERF_BIAS     0x1b0
#define IA32_DEBUGCTL             0x1d9
#define IA32_MC0_CTL2             0x280
#define IA32_FIXED_CTR0           0x309
#define IA32_PERF_CAPABILITIES    0x345
#define IA32_FIXED_CTR_CTRL       0x38d
#define IA32_PERF_GLOBAL_STATUS   0x38e
#define IA32_PERF_GLOBAL_CTRL     0x38f
#define IA32_PERF_GLOBAL_OVF_CTRL 0x390
#define IA32_PEBS_ENABLE          0x3f1
#define IA32_MC0_CTL              0x400 /* bank n is at + 4n */
#define IA32_MC0_STATUS           0x401
#define IA32_MC0_ADDR             0x402
#define IA32_MC0_MISC             0x403
#define IA32_DS_AREA              0x600
#define IA32_RTIT_CTL             0x570
#define IA32_LBR_CTL              0x14ce

#define DEBUGCTL_LBR                 BIT(0)
#define DEBUGCTL_BTF                 BIT(1)
#define DEBUGCTL_FREEZE_WHILE_SMM_EN BIT(14)

/* --- VMX capabilities (SDM vol. 3D, appendix A "VMX Capability Reporting Facility") --- */
#define IA32_SMM_MONITOR_CTL         0x9b
#define IA32_VMX_BASIC               0x480
#define IA32_VMX_PINBASED_CTLS       0x481
#define IA32_VMX_PROCBASED_CTLS      0x482
#define IA32_VMX_EXIT_CTLS           0x483
#define IA32_VMX_ENTRY_CTLS          0x484
#define IA32_VMX_MISC                0x485
#define IA32_VMX_CR0_FIXED0          0x486
#define IA32_VMX_CR0_FIXED1          0x487
#define IA32_VMX_CR4_FIXED0          0x488
#define IA32_VMX_CR4_FIXED1          0x489
#define IA32_VMX_VMCS_ENUM           0x48a
#define IA32_VMX_PROCBASED_CTLS2     0x48b
#define IA32_VMX_EPT_VPID_CAP        0x48c
#define IA32_VMX_TRUE_PINBASED_CTLS  0x48d
#define IA32_VMX_TRUE_PROCBASED_CTLS 0x48e
#define IA32_VMX_TRUE_EXIT_CTLS      0x48f
#define IA32_VMX_TRUE_ENTRY_CTLS     0x490
#define IA32_VMX_VMFUNC              0x491
#define IA32_VMX_PROCBASED_CTLS3     0x492
#define IA32_VMX_EXIT_CTLS2          0x493

#define VMX_BASIC_REVISION(value)     BITS(value, 30, 0)
#define VMX_BASIC_VMCS_BYTES(value)   BITS(value, 44, 32)
#define VMX_BASIC_32BIT_ADDRESSES     BIT(48)
#define VMX_BASIC_DUAL_MONITOR        BIT(49)
#define VMX_BASIC_MEMORY_TYPE(value)  BITS(value, 53, 50)
#define VMX_BASIC_INS_OUTS_INFO       BIT(54)
#define VMX_BASIC_TRUE_CTLS           BIT(55)
#define VMX_BASIC_NO_ERROR_CODE_CHECK BIT(56)

#define VMX_MISC_PREEMPTION_TIMER_SHIFT(value) BITS(value, 4, 0)
#define VMX_MISC_STORES_EFER_LMA               BIT(5)
#define VMX_MISC_ACTIVITY_HLT                  BIT(6)
#define VMX_MISC_ACTIVITY_SHUTDOWN             BIT(7)
#define VMX_MISC_ACTIVITY_WAIT_SIPI            BIT(8)
#define VMX_MISC_CR3_TARGETS(value)            BITS(value, 24, 16)
#define VMX_MISC_MSR_LIST_MAX(value)           (512 * (BITS(value, 27, 25) + 1))
#define VMX_MISC_VMWRITE_ANY                   BIT(29)
#define VMX_MISC_INJECT_LENGTH_0               BIT(30)

#define EPT_VPID_CAP_EXECUTE_ONLY         BIT(0)
#define EPT_VPID_CAP_WALK_LENGTH_4        BIT(6)
#define EPT_VPID_CAP_WALK_LENGTH_5        BIT(7)
#define EPT_VPID_CAP_MEMORY_TYPE_UC       BIT(8)
#define EPT_VPID_CAP_MEMORY_TYPE_WB       BIT(14)
#define EPT_VPID_CAP_2MB_PAGES            BIT(16)
#define EPT_VPID_CAP_1GB_PAGES            BIT(17)
#define EPT_VPID_CAP_INVEPT               BIT(20)
#define EPT_VPID_CAP_ACCESSED_DIRTY       BIT(21)
#define EPT_VPID_CAP_VIOLATION_INFO       BIT(22)
#define EPT_VPID_CAP_SUPERVISOR_SHADOW    BIT(23)
#define EPT_VPID_CAP_INVEPT_SINGLE        BIT(25)
#define EPT_VPID_CAP_INVEPT_ALL           BIT(26)
#define EPT_VPID_CAP_INVVPID              BIT(32)
#define EPT_VPID_CAP_INVVPID_ADDRESS      BIT(40)
#define EPT_VPID_CAP_INVVPID_SINGLE       BIT(41)
#define EPT_VPID_CAP_INVVPID_ALL          BIT(42)
#define EPT_VPID_CAP_INVVPID_KEEP_GLOBALS BIT(43)

#endif
