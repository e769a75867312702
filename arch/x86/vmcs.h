// SPDX-License-Identifier: BSD-2-Clause
/* Defines the fields of the VMCS with their encodings, and accessors typed by width.
 *
 * Intel SDM vol. 3D (Sep 2023), appendix B "Field Encoding in VMCS"; names as in vol. 3C, chapter
 * "Virtual Machine Control Structures". Each width has an enum of its own: passing a field to the
 * accessor of another width does not compile (-Wenum-conversion). */
#ifndef ARCH_X86_VMCS_H
#define ARCH_X86_VMCS_H

#include "arch/x86/vmx_instructions.h"
#include "vmm/base/bits.h"
#include "vmm/base/types.h"

/* Each list has FIELD(name, encoding) for the fields of one width that the monitor uses. */
#define VMCS_FIELDS_16(FIELD)                                                                      \
    /* Control */                                                                                  \
    FIELD(VPID, 0x0000)                                                                            \
    /* Guest state */                                                                              \
    FIELD(GUEST_ES_SELECTOR, 0x0800)                                                               \
    FIELD(GUEST_CS_SELECTOR, 0x0802)                                                               \
    FIELD(GUEST_SS_SELECTOR, 0x0804)                                                               \
    FIELD(GUEST_DS_SELECTOR, 0x0806)                                                               \
    FIELD(GUEST_FS_SELECTOR, 0x0808)                                                               \
    FIELD(GUEST_GS_SELECTOR, 0x080a)                                                               \
    FIELD(GUEST_LDTR_SELECTOR, 0x080c)                                                             \
    FIELD(GUEST_TR_SELECTOR, 0x080e)                                                               \
    FIELD(GUEST_INTERRUPT_STATUS, 0x0810) /* with virtual-interrupt delivery */                    \
    /* Host state */                                                                               \
    FIELD(HOST_ES_SELECTOR, 0x0c00)                                                                \
    FIELD(HOST_CS_SELECTOR, 0x0c02)                                                                \
    FIELD(HOST_SS_SELECTOR, 0x0c04)                                                                \
    FIELD(HOST_DS_SELECTOR, 0x0c06)                                                                \
    FIELD(HOST_FS_SELECTOR, 0x0c08)                                                                \
    FIELD(HOST_GS_SELECTOR, 0x0c0a)                                                                \
    FIELD(HOST_TR_SELECTOR, 0x0c0c)

#define VMCS_FIELDS_64(FIELD)                                                                      \
    /* Control */                                                                                  \
    FIELD(MSR_BITMAPS, 0x2004)                                                                     \
    FIELD(TSC_OFFSET, 0x2010)                                                                      \
    FIELD(VIRTUAL_APIC_ADDRESS, 0x2012)                                                            \
    FIELD(APIC_ACCESS_ADDRESS, 0x2014)                                                             \
    FIELD(EPT_POINTER, 0x201a)                                                                     \
    FIELD(EOI_EXIT_BITMAP0, 0x201c) /* vectors 0-63 */                                             \
    FIELD(EOI_EXIT_BITMAP1, 0x201e)                                                                \
    FIELD(EOI_EXIT_BITMAP2, 0x2020)                                                                \
    FIELD(EOI_EXIT_BITMAP3, 0x2022)                                                                \
    /* Read-only data */                                                                           \
    FIELD(GUEST_PHYSICAL_ADDRESS, 0x2400)                                                          \
    /* Guest state */                                                                              \
    FIELD(LINK_POINTER, 0x2800)                                                                    \
    FIELD(GUEST_IA32_DEBUGCTL, 0x2802)                                                             \
    FIELD(GUEST_IA32_PAT, 0x2804)                                                                  \
    FIELD(GUEST_IA32_EFER, 0x2806)                                                                 \
    FIELD(GUEST_PDPTE0, 0x280a)                                                                    \
    FIELD(GUEST_PDPTE1, 0x280c)                                                                    \
    FIELD(GUEST_PDPTE2, 0x280e)                                                                    \
    FIELD(GUEST_PDPTE3, 0x2810)                                                                    \
    /* Host state */                                                                               \
    FIELD(HOST_IA32_PAT, 0x2c00)                                                                   \
    FIELD(HOST_IA32_EFER, 0x2c02)

#define VMCS_FIELDS_32(FIELD)                                                                      \
    /* Control */                                                                                  \
    FIELD(PIN_BASED_CONTROLS, 0x4000)                                                              \
    FIELD(PRIMARY_CONTROLS, 0x4002)                                                                \
    FIELD(EXCEPTION_BITMAP, 0x4004)                                                                \
    FIELD(PAGE_FAULT_ERROR_CODE_MASK, 0x4006)                                                      \
    FIELD(PAGE_FAULT_ERROR_CODE_MATCH, 0x4008)                                                     \
    FIELD(CR3_TARGET_COUNT, 0x400a)                                                                \
    FIELD(EXIT_CONTROLS, 0x400c)                                                                   \
    FIELD(EXIT_MSR_STORE_COUNT, 0x400e)                                                            \
    FIELD(EXIT_MSR_LOAD_COUNT, 0x4010)                                                             \
    FIELD(ENTRY_CONTROLS, 0x4012)                                                                  \
    FIELD(ENTRY_MSR_LOAD_COUNT, 0x4014)                                                            \
    FIELD(ENTRY_INTERRUPTION_INFO, 0x4016)                                                         \
    FIELD(ENTRY_EXCEPTION_ERROR_CODE, 0x4018)                                                      \
    FIELD(ENTRY_INSTRUCTION_LENGTH, 0x401a)                                                        \
    FIELD(TPR_THRESHOLD, 0x401c)                                                                   \
    FIELD(SECONDARY_CONTROLS, 0x401e)                                                              \
    /* Read-only data */                                                                           \
    FIELD(INSTRUCTION_ERROR, 0x4400)                                                               \
    FIELD(EXIT_REASON, 0x4402)                                                                     \
    FIELD(EXIT_INTERRUPTION_INFO, 0x4404)                                                          \
    FIELD(EXIT_INTERRUPTION_ERROR_CODE, 0x4406)                                                    \
    FIELD(IDT_VECTORING_INFO, 0x4408)                                                              \
    FIELD(IDT_VECTORING_ERROR_CODE, 0x440a)                                                        \
    FIELD(EXIT_INSTRUCTION_LENGTH, 0x440c)                                                         \
    FIELD(EXIT_INSTRUCTION_INFO, 0x440e)                                                           \
    /* Guest state */                                                                              \
    FIELD(GUEST_ES_LIMIT, 0x4800)                                                                  \
    FIELD(GUEST_CS_LIMIT, 0x4802)                                                                  \
    FIELD(GUEST_SS_LIMIT, 0x4804)                                                                  \
    FIELD(GUEST_DS_LIMIT, 0x4806)                                                                  \
    FIELD(GUEST_FS_LIMIT, 0x4808)                                                                  \
    FIELD(GUEST_GS_LIMIT, 0x480a)                                                                  \
    FIELD(GUEST_LDTR_LIMIT, 0x480c)                                                                \
    FIELD(GUEST_TR_LIMIT, 0x480e)                                                                  \
    FIELD(GUEST_GDTR_LIMIT, 0x4810)                                                                \
    FIELD(GUEST_IDTR_LIMIT, 0x4812)                                                                \
    FIELD(GUEST_ES_ACCESS_RIGHTS, 0x4814)                                                          \
    FIELD(GUEST_CS_ACCESS_RIGHTS, 0x4816)                                                          \
    FIELD(GUEST_SS_ACCESS_RIGHTS, 0x4818)                                                          \
    FIELD(GUEST_DS_ACCESS_RIGHTS, 0x481a)                                                          \
    FIELD(GUEST_FS_ACCESS_RIGHTS, 0x481c)                                                          \
    FIELD(GUEST_GS_ACCESS_RIGHTS, 0x481e)                                                          \
    FIELD(GUEST_LDTR_ACCESS_RIGHTS, 0x4820)                                                        \
    FIELD(GUEST_TR_ACCESS_RIGHTS, 0x4822)                                                          \
    FIELD(GUEST_INTERRUPTIBILITY, 0x4824)                                                          \
    FIELD(GUEST_ACTIVITY_STATE, 0x4826)                                                            \
    FIELD(GUEST_IA32_SYSENTER_CS, 0x482a)                                                          \
    FIELD(PREEMPTION_TIMER, 0x482e)                                                                \
    /* Host state */                                                                               \
    FIELD(HOST_IA32_SYSENTER_CS, 0x4c00)

#define VMCS_FIELDS_NATURAL(FIELD)                                                                 \
    /* Control */                                                                                  \
    FIELD(CR0_GUEST_HOST_MASK, 0x6000)                                                             \
    FIELD(CR4_GUEST_HOST_MASK, 0x6002)                                                             \
    FIELD(CR0_READ_SHADOW, 0x6004)                                                                 \
    FIELD(CR4_READ_SHADOW, 0x6006)                                                                 \
    /* Read-only data */                                                                           \
    FIELD(EXIT_QUALIFICATION, 0x6400)                                                              \
    FIELD(GUEST_LINEAR_ADDRESS, 0x640a)                                                            \
    /* Guest state */                                                                              \
    FIELD(GUEST_CR0, 0x6800)                                                                       \
    FIELD(GUEST_CR3, 0x6802)                                                                       \
    FIELD(GUEST_CR4, 0x6804)                                                                       \
    FIELD(GUEST_ES_BASE, 0x6806)                                                                   \
    FIELD(GUEST_CS_BASE, 0x6808)                                                                   \
    FIELD(GUEST_SS_BASE, 0x680a)                                                                   \
    FIELD(GUEST_DS_BASE, 0x680c)                                                                   \
    FIELD(GUEST_FS_BASE, 0x680e)                                                                   \
    FIELD(GUEST_GS_BASE, 0x6810)                                                                   \
    FIELD(GUEST_LDTR_BASE, 0x6812)                                                                 \
    FIELD(GUEST_TR_BASE, 0x6814)                                                                   \
    FIELD(GUEST_GDTR_BASE, 0x6816)                                                                 \
    FIELD(GUEST_IDTR_BASE, 0x6818)                                                                 \
    FIELD(GUEST_DR7, 0x681a)                                                                       \
    FIELD(GUEST_RSP, 0x681c)                                                                       \
    FIELD(GUEST_RIP, 0x681e)                                                                       \
    FIELD(GUEST_RFLAGS, 0x6820)                                                                    \
    FIELD(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x6822)                                                  \
    FIELD(GUEST_IA32_SYSENTER_ESP, 0x6824)                                                         \
    FIELD(GUEST_IA32_SYSENTER_EIP, 0x6826)                                                         \
    /* Host state */                                                                               \
    FIELD(HOST_CR0, 0x6c00)                                                                        \
    FIELD(HOST_CR3, 0x6c02)                                                                        \
    FIELD(HOST_CR4, 0x6c04)                                                                        \
    FIELD(HOST_FS_BASE, 0x6c06)                                                                    \
    FIELD(HOST_GS_BASE, 0x6c08)                                                                    \
    FIELD(HOST_TR_BASE, 0x6c0a)                                                                    \
    FIELD(HOST_GDTR_BASE, 0x6c0c)                                                                  \
    FIELD(HOST_IDTR_BASE, 0x6c0e)                                                                  \
    FIELD(HOST_IA32_SYSENTER_ESP, 0x6c10)                                                          \
    FIELD(HOST_IA32_SYSENTER_EIP, 0x6c12)                                                          \
    FIELD(HOST_RSP, 0x6c14)                                                                        \
    FIELD(HOST_RIP, 0x6c16)

#define VMCS_FIELD_ENUMERATOR(name, encoding) VMCS_##name = encoding,
enum vmcs_field16 { VMCS_FIELDS_16(VMCS_FIELD_ENUMERATOR) };
enum vmcs_field64 { VMCS_FIELDS_64(VMCS_FIELD_ENUMERATOR) };
enum vmcs_field32 { VMCS_FIELDS_32(VMCS_FIELD_ENUMERATOR) };
enum vmcs_field_natural { VMCS_FIELDS_NATURAL(VMCS_FIELD_ENUMERATOR) };
#undef VMCS_FIELD_ENUMERATOR

/* "Pin-Based VM-Execution Controls" */
#define PIN_EXTERNAL_INTERRUPT_EXITING BIT(0)
#define PIN_NMI_EXITING                BIT(3)
#define PIN_VIRTUAL_NMIS               BIT(5)
#define PIN_PREEMPTION_TIMER           BIT(6)

/* "Processor-Based VM-Execution Controls", primary */
#define PRIMARY_INTERRUPT_WINDOW_EXITING BIT(2)
#define PRIMARY_TSC_OFFSETTING           BIT(3)
#define PRIMARY_HLT_EXITING              BIT(7)
#define PRIMARY_INVLPG_EXITING           BIT(9)
#define PRIMARY_MWAIT_EXITING            BIT(10)
#define PRIMARY_RDPMC_EXITING            BIT(11)
#define PRIMARY_RDTSC_EXITING            BIT(12)
#define PRIMARY_CR3_LOAD_EXITING         BIT(15)
#define PRIMARY_CR3_STORE_EXITING        BIT(16)
#define PRIMARY_CR8_LOAD_EXITING         BIT(19)
#define PRIMARY_CR8_STORE_EXITING        BIT(20)
#define PRIMARY_TPR_SHADOW               BIT(21)
#define PRIMARY_NMI_WINDOW_EXITING       BIT(22)
#define PRIMARY_MOV_DR_EXITING           BIT(23)
#define PRIMARY_UNCONDITIONAL_IO_EXITING BIT(24)
#define PRIMARY_USE_MSR_BITMAPS          BIT(28)
#define PRIMARY_MONITOR_EXITING          BIT(29)
#define PRIMARY_PAUSE_EXITING            BIT(30)
#define PRIMARY_SECONDARY_CONTROLS       BIT(31)

/* "Processor-Based VM-Execution Controls", secondary */
#define SECONDARY_VIRTUALIZE_APIC_ACCESSES   BIT(0)
#define SECONDARY_EPT                        BIT(1)
#define SECONDARY_RDTSCP                     BIT(3)
#define SECONDARY_VIRTUALIZE_X2APIC          BIT(4)
#define SECONDARY_VPID                       BIT(5)
#define SECONDARY_WBINVD_EXITING             BIT(6)
#define SECONDARY_UNRESTRICTED_GUEST         BIT(7)
#define SECONDARY_APIC_REGISTERS             BIT(8)
#define SECONDARY_VIRTUAL_INTERRUPT_DELIVERY BIT(9)
#define SECONDARY_INVPCID                    BIT(12)
#define SECONDARY_XSAVES                     BIT(20)

/* "VM-Exit Controls" */
#define EXIT_SAVE_DEBUG_CONTROLS     BIT(2)
#define EXIT_HOST_ADDRESS_SPACE_SIZE BIT(9)
#define EXIT_ACKNOWLEDGE_INTERRUPT   BIT(15)
#define EXIT_SAVE_IA32_PAT           BIT(18)
#define EXIT_LOAD_IA32_PAT           BIT(19)
#define EXIT_SAVE_IA32_EFER          BIT(20)
#define EXIT_LOAD_IA32_EFER          BIT(21)
#define EXIT_SAVE_PREEMPTION_TIMER   BIT(22)

/* "VM-Entry Controls" */
#define ENTRY_LOAD_DEBUG_CONTROLS BIT(2)
#define ENTRY_IA32E_MODE_GUEST    BIT(9)
#define ENTRY_LOAD_IA32_PAT       BIT(14)
#define ENTRY_LOAD_IA32_EFER      BIT(15)

/* "Guest Non-Register State": interruptibility and activity */
#define INTERRUPTIBILITY_STI    BIT(0)
#define INTERRUPTIBILITY_MOV_SS BIT(1)
#define INTERRUPTIBILITY_NMI    BIT(3)

enum vmcs_activity {
    ACTIVITY_ACTIVE = 0,
    ACTIVITY_HLT = 1,
    ACTIVITY_SHUTDOWN = 2,
    ACTIVITY_WAIT_FOR_SIPI = 3,
};

/* "VM-Entry Interruption-Information Field". The exit and IDT-vectoring fields have the same
 * layout. */
enum interruption_type {
    INTERRUPTION_EXTERNAL = 0,
    INTERRUPTION_NMI = 2,
    INTERRUPTION_HARDWARE_EXCEPTION = 3,
    INTERRUPTION_SOFTWARE_INTERRUPT = 4,
    INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION = 5, /* INT1 */
    INTERRUPTION_SOFTWARE_EXCEPTION = 6,            /* INT3, INTO */
};

#define INTERRUPTION_INFO(type, vector) (BIT(31) | (uint32_t)(type) << 8 | (vector))
#define INTERRUPTION_VECTOR(info)       ((uint8_t)((info)&0xff))
#define INTERRUPTION_TYPE(info)         ((enum interruption_type)((info) >> 8 & 7))
#define INTERRUPTION_ERROR_CODE_VALID   BIT(11)
#define INTERRUPTION_NMI_UNBLOCKING     BIT(12) /* exit and IDT-vectoring fields only */
#define INTERRUPTION_VALID              BIT(31)

/* "Segment access rights" that a descriptor does not have, and those that the monitor reads. */
#define ACCESS_RIGHTS_UNUSABLE    BIT(16)
#define ACCESS_RIGHTS_L           BIT(13)
#define ACCESS_RIGHTS_D           BIT(14)
#define ACCESS_RIGHTS_DPL(rights) ((unsigned)((rights) >> 5 & 3))

/* Stops the monitor because an instruction ("VMREAD" or "VMWRITE") failed for the field with this
 * encoding. Prints the field's name, the VM-instruction error and a backtrace. */
_Noreturn void vmcs_access_failed(const char *instruction, uint64_t field);

/* These accessors work on the current VMCS. VMREAD and VMWRITE fail only if there is no current
 * VMCS or this processor does not have the field. Both would be errors of the monitor, so the
 * accessors then stop it. */
static inline uint64_t vmcs_read_raw(uint64_t field)
{
    uint64_t value;

    if (__builtin_expect(!vmread(field, &value), 0))
        vmcs_access_failed("VMREAD", field);
    return value;
}

static inline void vmcs_write_raw(uint64_t field, uint64_t value)
{
    if (__builtin_expect(!vmwrite(field, value), 0))
        vmcs_access_failed("VMWRITE", field);
}

static inline uint16_t vmcs_read16(enum vmcs_field16 field)
{
    return (uint16_t)vmcs_read_raw(field);
}

static inline uint32_t vmcs_read32(enum vmcs_field32 field)
{
    return (uint32_t)vmcs_read_raw(field);
}

static inline uint64_t vmcs_read64(enum vmcs_field64 field)
{
    return vmcs_read_raw(field);
}

static inline uint64_t vmcs_read_natural(enum vmcs_field_natural field)
{
    return vmcs_read_raw(field);
}

static inline void vmcs_write16(enum vmcs_field16 field, uint16_t value)
{
    vmcs_write_raw(field, value);
}

static inline void vmcs_write32(enum vmcs_field32 field, uint32_t value)
{
    vmcs_write_raw(field, value);
}

static inline void vmcs_write64(enum vmcs_field64 field, uint64_t value)
{
    vmcs_write_raw(field, value);
}

static inline void vmcs_write_natural(enum vmcs_field_natural field, uint64_t value)
{
    vmcs_write_raw(field, value);
}

/* The fields that frequent exits read. Each has a reader of its own that does not check whether
 * VMREAD failed: vmcs_check_exit_fields has checked that the processor has the field, and after an
 * exit there is a current VMCS. */
#define VMCS_EXIT_FIELDS(FIELD)                                                                    \
    FIELD(vmcs_exit_qualification, uint64_t, VMCS_EXIT_QUALIFICATION)                              \
    FIELD(vmcs_exit_instruction_length, uint64_t, VMCS_EXIT_INSTRUCTION_LENGTH)                    \
    FIELD(vmcs_idt_vectoring_info, uint32_t, VMCS_IDT_VECTORING_INFO)                              \
    FIELD(vmcs_guest_physical_address, uint64_t, VMCS_GUEST_PHYSICAL_ADDRESS)                      \
    FIELD(vmcs_guest_rip, uint64_t, VMCS_GUEST_RIP)                                                \
    FIELD(vmcs_guest_rflags, uint64_t, VMCS_GUEST_RFLAGS)                                          \
    FIELD(vmcs_guest_cs_access_rights, uint32_t, VMCS_GUEST_CS_ACCESS_RIGHTS)                      \
    FIELD(vmcs_guest_cr0, uint64_t, VMCS_GUEST_CR0)                                                \
    FIELD(vmcs_guest_cr3, uint64_t, VMCS_GUEST_CR3)

#define VMCS_EXIT_FIELD_READER(name, type, field)                                                  \
    static inline type name(void)                                                                  \
    {                                                                                              \
        return (type)vmread_unchecked(field);                                                      \
    }
VMCS_EXIT_FIELDS(VMCS_EXIT_FIELD_READER)
#undef VMCS_EXIT_FIELD_READER

/* Sets the guest's RIP, also without a check. */
static inline void vmcs_set_guest_rip(uint64_t rip)
{
    vmwrite_unchecked(VMCS_GUEST_RIP, rip);
}

/* Sets the guest's RFLAGS, also without a check. */
static inline void vmcs_set_guest_rflags(uint64_t rflags)
{
    vmwrite_unchecked(VMCS_GUEST_RFLAGS, rflags);
}

/* Stops the monitor if this processor lacks one of VMCS_EXIT_FIELDS. The vCPU's VMCS is current. */
static inline void vmcs_check_exit_fields(void)
{
#define VMCS_EXIT_FIELD_CHECK(name, type, field) (void)vmcs_read_raw(field);
    VMCS_EXIT_FIELDS(VMCS_EXIT_FIELD_CHECK)
#undef VMCS_EXIT_FIELD_CHECK
}

#endif
