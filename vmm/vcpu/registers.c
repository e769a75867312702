// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/registers.h"

#include "arch/x86/extended_state.h"
#include "vmm/vcpu/vcpu.h"

_Static_assert((int)SEGMENT_GS == (int)INSN_GS, "both as instructions number them");
_Static_assert((int)SEGMENT_LDTR == (int)INSN_LDTR && (int)SEGMENT_TR == (int)INSN_TR,
               "both as the VMCS numbers them");

static const struct vmx_vcpu *vmx_of(const void *context)
{
    return &(*(const struct vcpu *const *)context)->vmx;
}

static enum insn_access_result fault_with(uint8_t vector, struct insn_fault *fault)
{
    *fault = (struct insn_fault){.vector = vector};
    return INSN_ACCESS_FAULT;
}

/* Checks that the instruction may use these registers. The processor has checked all of this before
 * the operand caused the exit; but the monitor has read the instruction again since then, and
 * another vCPU may have changed it. */
static enum insn_access_result check_usable(const struct vmx_vcpu *vmx, bool is_mmx,
                                            struct insn_fault *fault)
{
    uint64_t cr0 = vmx_vcpu_cr0(vmx);

    if ((cr0 & CR0_EM) != 0 || (!is_mmx && (vmx_vcpu_cr4(vmx) & CR4_OSFXSR) == 0))
        return fault_with(VECTOR_UD, fault);
    if ((cr0 & CR0_TS) != 0)
        return fault_with(VECTOR_NM, fault);
    if (is_mmx && extended_state_has_x87_exception())
        return fault_with(VECTOR_MF, fault);
    return INSN_ACCESS_OK;
}

enum insn_access_result vcpu_vector_read(void *context, const struct insn_operand *operand,
                                         uint8_t bytes[16], struct insn_fault *fault)
{
    bool is_mmx = operand->kind == INSN_OPERAND_MMX;
    enum insn_access_result result = check_usable(vmx_of(context), is_mmx, fault);

    if (result != INSN_ACCESS_OK)
        return result;
    if (is_mmx)
        extended_state_read_mmx(operand->reg, bytes);
    else
        extended_state_read_xmm(operand->reg, bytes);
    return INSN_ACCESS_OK;
}

enum insn_access_result vcpu_vector_write(void *context, const struct insn_operand *operand,
                                          const uint8_t bytes[16], struct insn_fault *fault)
{
    bool is_mmx = operand->kind == INSN_OPERAND_MMX;
    enum insn_access_result result = check_usable(vmx_of(context), is_mmx, fault);

    if (result != INSN_ACCESS_OK)
        return result;
    if (is_mmx)
        extended_state_write_mmx(operand->reg, bytes);
    else
        extended_state_write_xmm(operand->reg, bytes);
    return INSN_ACCESS_OK;
}

uint64_t vcpu_read_cr0(void *context)
{
    return vmx_vcpu_cr0(vmx_of(context));
}

uint64_t vcpu_read_cr4(void *context)
{
    return vmx_vcpu_cr4(vmx_of(context));
}

bool vcpu_in_ia32e_mode(void *context)
{
    return vmx_vcpu_in_ia32e_mode(vmx_of(context));
}

uint16_t vcpu_read_selector(void *context, unsigned number)
{
    (void)context;
    return vmx_vcpu_selector((enum segment)number);
}

struct insn_segment vcpu_read_segment(void *context, unsigned number)
{
    (void)context;
    return (struct insn_segment){
        .base = vmcs_read_natural((enum vmcs_field_natural)(VMCS_GUEST_ES_BASE + 2 * number)),
        .limit = vmcs_read32((enum vmcs_field32)(VMCS_GUEST_ES_LIMIT + 2 * number)),
        .access_rights = vmcs_read32((enum vmcs_field32)(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * number)),
    };
}

void vcpu_load_segment(void *context, unsigned number, uint16_t selector,
                       const struct insn_segment *segment)
{
    (void)context;
    vmx_vcpu_set_segment((enum segment)number,
                         &(struct vmx_segment){.selector = selector,
                                               .base = segment->base,
                                               .limit = segment->limit,
                                               .access_rights = segment->access_rights});
}

struct insn_table vcpu_read_gdt(void *context)
{
    (void)context;
    return (struct insn_table){.base = vmcs_read_natural(VMCS_GUEST_GDTR_BASE),
                               .limit = vmcs_read32(VMCS_GUEST_GDTR_LIMIT)};
}

struct insn_table vcpu_read_ldt(void *context)
{
    struct vmx_segment ldtr = vmx_vcpu_segment(SEGMENT_LDTR);

    (void)context;
    if ((ldtr.access_rights & ACCESS_RIGHTS_UNUSABLE) != 0)
        return (struct insn_table){0};
    return (struct insn_table){.base = ldtr.base, .limit = ldtr.limit};
}
