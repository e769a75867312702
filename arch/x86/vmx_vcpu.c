// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/vmx_vcpu.h"

#include "arch/x86/cpu.h"
#include "arch/x86/extended_state.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"

_Static_assert(offsetof(struct vmx_switch, gpr) == 0, "world_switch.asm");
_Static_assert(offsetof(struct vmx_switch, stack) == 8 * 16, "world_switch.asm");
_Static_assert(offsetof(struct vmx_switch, frame) == 8 * 17, "world_switch.asm");
_Static_assert(offsetof(struct vmx_switch, is_launched) == 8 * 18, "world_switch.asm");
_Static_assert(offsetof(struct vmx_vcpu, registers) == 0, "world_switch.asm");

/* SDM vol. 3A, "Processor State After Reset" */
#define DR6_RESET UINT64_C(0xffff0ff0)
#define DR7_RESET UINT64_C(0x400)

/* The guest handles its exceptions itself, except #MC, which concerns the machine, and #DB and #AC:
 * the delivery of one of these can raise the same again without end and so keep the processor
 * forever (CVE-2015-8104, CVE-2015-5307). */
#define EXCEPTIONS_INTERCEPTED (BIT(1) | BIT(17) | BIT(18))

static void init_controls(const struct vmx_capabilities *capabilities,
                          const struct vmx_vcpu_setup *setup)
{
    vmcs_write32(VMCS_PIN_BASED_CONTROLS, capabilities->pin_based);
    vmcs_write32(VMCS_PRIMARY_CONTROLS, capabilities->primary);
    vmcs_write32(VMCS_SECONDARY_CONTROLS, capabilities->secondary);
    vmcs_write32(VMCS_EXIT_CONTROLS, capabilities->exit);
    vmcs_write32(VMCS_ENTRY_CONTROLS, capabilities->entry);

    vmcs_write32(VMCS_EXCEPTION_BITMAP, EXCEPTIONS_INTERCEPTED);
    vmcs_write32(VMCS_PAGE_FAULT_ERROR_CODE_MASK, 0);
    vmcs_write32(VMCS_PAGE_FAULT_ERROR_CODE_MATCH, 0);
    vmcs_write32(VMCS_CR3_TARGET_COUNT, 0);
    vmcs_write32(VMCS_EXIT_MSR_STORE_COUNT, 0);
    vmcs_write32(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    vmcs_write32(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    vmcs_write64(VMCS_MSR_BITMAPS, (uint64_t)setup->msr_bitmap);
    vmcs_write64(VMCS_EPT_POINTER, setup->ept_pointer);
    vmcs_write16(VMCS_VPID, setup->vpid);
    vmcs_write_natural(VMCS_CR0_GUEST_HOST_MASK, setup->cr0_guest_host_mask);
    vmcs_write_natural(VMCS_CR4_GUEST_HOST_MASK, setup->cr4_guest_host_mask);
}

/* Returns the base of the TSS that TR selects, from four pieces of its 16-byte descriptor (SDM vol.
 * 3A, "TSS Descriptor in 64-bit mode"). */
static uint64_t task_register_base(const struct descriptor_table_register *gdtr, uint16_t selector)
{
    const uint64_t *descriptor = (const void *)(gdtr->base + (selector & ~7u));

    return BITS(descriptor[0], 39, 16) | BITS(descriptor[0], 63, 56) << 24 |
           BITS(descriptor[1], 31, 0) << 32;
}

static void init_host_state(void)
{
    struct descriptor_table_register gdtr, idtr;

    sgdt(&gdtr);
    sidt(&idtr);
    vmcs_write_natural(VMCS_HOST_CR0, read_cr0());
    vmcs_write_natural(VMCS_HOST_CR3, read_cr3());
    vmcs_write_natural(VMCS_HOST_CR4, read_cr4());
    vmcs_write16(VMCS_HOST_CS_SELECTOR, read_cs());
    vmcs_write16(VMCS_HOST_SS_SELECTOR, read_ss());
    vmcs_write16(VMCS_HOST_DS_SELECTOR, read_ds());
    vmcs_write16(VMCS_HOST_ES_SELECTOR, read_es());
    vmcs_write16(VMCS_HOST_FS_SELECTOR, read_fs());
    vmcs_write16(VMCS_HOST_GS_SELECTOR, read_gs());
    vmcs_write16(VMCS_HOST_TR_SELECTOR, read_tr());
    vmcs_write_natural(VMCS_HOST_FS_BASE, rdmsr(IA32_FS_BASE));
    vmcs_write_natural(VMCS_HOST_GS_BASE, rdmsr(IA32_GS_BASE));
    vmcs_write_natural(VMCS_HOST_TR_BASE, task_register_base(&gdtr, read_tr()));
    vmcs_write_natural(VMCS_HOST_GDTR_BASE, gdtr.base);
    vmcs_write_natural(VMCS_HOST_IDTR_BASE, idtr.base);
    vmcs_write32(VMCS_HOST_IA32_SYSENTER_CS, 0);
    vmcs_write_natural(VMCS_HOST_IA32_SYSENTER_ESP, 0);
    vmcs_write_natural(VMCS_HOST_IA32_SYSENTER_EIP, 0);
    vmcs_write64(VMCS_HOST_IA32_PAT, rdmsr(IA32_PAT));
    vmcs_write64(VMCS_HOST_IA32_EFER, rdmsr(IA32_EFER));
    vmcs_write_natural(VMCS_HOST_RIP, (uint64_t)world_switch_exit);
}

void vmx_vcpu_init(struct vmx_vcpu *vcpu, const struct vmx_capabilities *capabilities,
                   const struct vmx_vcpu_setup *setup)
{
    *vcpu = (struct vmx_vcpu){
        .capabilities = capabilities,
        .vmcs = setup->vmcs,
        .vpid = setup->vpid,
        .saves_timer = (capabilities->exit & EXIT_SAVE_PREEMPTION_TIMER) != 0,
        .primary_controls = capabilities->primary,
        .cr0_guest_host_mask = setup->cr0_guest_host_mask,
        .cr4_guest_host_mask = setup->cr4_guest_host_mask,
    };
    vmcs_init(capabilities, setup->vmcs);
    vmcs_load(setup->vmcs);
    init_controls(capabilities, setup);
    init_host_state();
    vmcs_write_natural(VMCS_HOST_RSP, (uint64_t)&vcpu->registers);
    vmcs_check_exit_fields();
}

void vmx_vcpu_set_segment(enum segment segment, const struct vmx_segment *value)
{
    vmcs_write16((enum vmcs_field16)(VMCS_GUEST_ES_SELECTOR + 2 * segment), value->selector);
    vmcs_write32((enum vmcs_field32)(VMCS_GUEST_ES_LIMIT + 2 * segment), value->limit);
    vmcs_write32((enum vmcs_field32)(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * segment),
                 value->access_rights);
    vmcs_write_natural((enum vmcs_field_natural)(VMCS_GUEST_ES_BASE + 2 * segment), value->base);
}

static void set_state(struct vmx_vcpu *vcpu, const struct vmx_start_state *state)
{
    write_cr2(0);
    write_dr0(0);
    write_dr1(0);
    write_dr2(0);
    write_dr3(0);
    write_dr6(DR6_RESET);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        vcpu->registers.gpr[i] = state->gpr[i];
    vcpu->registers.gpr[GPR_RSP] = 0;
    vmcs_write32(VMCS_ENTRY_INTERRUPTION_INFO, 0);

    vmx_vcpu_set_cr0(vcpu, state->cr0);
    vmcs_write_natural(VMCS_GUEST_CR3, state->cr3);
    vmx_vcpu_set_cr4(vcpu, state->cr4);
    vmcs_write_natural(VMCS_GUEST_RSP, state->gpr[GPR_RSP]);
    vmcs_write_natural(VMCS_GUEST_RIP, state->rip);
    vmcs_write_natural(VMCS_GUEST_RFLAGS, state->rflags | RFLAGS_ONE);
    vmcs_write_natural(VMCS_GUEST_DR7, DR7_RESET);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        vmx_vcpu_set_segment((enum segment)i, &state->segments[i]);
    vmcs_write_natural(VMCS_GUEST_GDTR_BASE, state->gdtr.base);
    vmcs_write32(VMCS_GUEST_GDTR_LIMIT, state->gdtr.limit);
    vmcs_write_natural(VMCS_GUEST_IDTR_BASE, state->idtr.base);
    vmcs_write32(VMCS_GUEST_IDTR_LIMIT, state->idtr.limit);

    vmx_vcpu_set_efer(vcpu, state->efer);
    vmcs_write64(VMCS_GUEST_IA32_DEBUGCTL, 0);
    vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write32(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
    vmcs_write_natural(VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmcs_write64(VMCS_LINK_POINTER, UINT64_MAX);
    vmx_vcpu_set_primary(vcpu, PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_NMI_WINDOW_EXITING,
                         false);
    vmx_invalidate_vpid(vcpu->vpid);
}

void vmx_vcpu_start(struct vmx_vcpu *vcpu, const struct vmx_start_state *state)
{
    extended_state_reset();
    set_state(vcpu, state);
    vmcs_write64(VMCS_GUEST_IA32_PAT, PAT_RESET);
    vmcs_write32(VMCS_GUEST_IA32_SYSENTER_CS, 0);
    vmcs_write_natural(VMCS_GUEST_IA32_SYSENTER_ESP, 0);
    vmcs_write_natural(VMCS_GUEST_IA32_SYSENTER_EIP, 0);
}

void vmx_vcpu_restart(struct vmx_vcpu *vcpu, const struct vmx_start_state *state)
{
    set_state(vcpu, state);
}

void vmx_vcpu_write_primary(struct vmx_vcpu *vcpu, uint32_t controls)
{
    vcpu->primary_controls = controls;
    vmcs_write32(VMCS_PRIMARY_CONTROLS, controls);
}

uint64_t vmx_vcpu_gpr(const struct vmx_vcpu *vcpu, unsigned index)
{
    return index == GPR_RSP ? vmcs_read_natural(VMCS_GUEST_RSP) : vcpu->registers.gpr[index];
}

void vmx_vcpu_set_gpr(struct vmx_vcpu *vcpu, unsigned index, uint64_t value)
{
    if (index == GPR_RSP)
        vmcs_write_natural(VMCS_GUEST_RSP, value);
    else
        vcpu->registers.gpr[index] = value;
}

uint16_t vmx_vcpu_selector(enum segment segment)
{
    return vmcs_read16((enum vmcs_field16)(VMCS_GUEST_ES_SELECTOR + 2 * segment));
}

struct vmx_segment vmx_vcpu_segment(enum segment segment)
{
    return (struct vmx_segment){
        .selector = vmx_vcpu_selector(segment),
        .limit = vmcs_read32((enum vmcs_field32)(VMCS_GUEST_ES_LIMIT + 2 * segment)),
        .access_rights =
            vmcs_read32((enum vmcs_field32)(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * segment)),
        .base = vmcs_read_natural((enum vmcs_field_natural)(VMCS_GUEST_ES_BASE + 2 * segment)),
    };
}

static uint64_t merge_shadow(uint64_t real, uint64_t shadow, uint64_t mask)
{
    return (real & ~mask) | (shadow & mask);
}

uint64_t vmx_vcpu_cr0(const struct vmx_vcpu *vcpu)
{
    return merge_shadow(vmcs_read_natural(VMCS_GUEST_CR0), vmcs_read_natural(VMCS_CR0_READ_SHADOW),
                        vcpu->cr0_guest_host_mask);
}

uint64_t vmx_vcpu_cr4(const struct vmx_vcpu *vcpu)
{
    return merge_shadow(vmcs_read_natural(VMCS_GUEST_CR4), vmcs_read_natural(VMCS_CR4_READ_SHADOW),
                        vcpu->cr4_guest_host_mask);
}

void vmx_vcpu_set_cr0(const struct vmx_vcpu *vcpu, uint64_t value)
{
    /* Unrestricted guest removes the requirement that PE and PG be 1 ("Checks on Guest Control
     * Registers, Debug Registers, and MSRs"). */
    uint64_t required_1 = vcpu->capabilities->cr0_fixed0 & ~(CR0_PE | CR0_PG);

    vmcs_write_natural(VMCS_GUEST_CR0, (value & ~(CR0_CD | CR0_NW)) | required_1);
    vmcs_write_natural(VMCS_CR0_READ_SHADOW, value);
}

void vmx_vcpu_set_cr4(const struct vmx_vcpu *vcpu, uint64_t value)
{
    uint64_t machine_checks = read_cr4() & CR4_MCE;

    vmcs_write_natural(VMCS_GUEST_CR4, value | vcpu->capabilities->cr4_fixed0 | machine_checks);
    vmcs_write_natural(VMCS_CR4_READ_SHADOW, value);
}

uint64_t vmx_vcpu_efer(const struct vmx_vcpu *vcpu)
{
    return vcpu->efer | (vmx_vcpu_in_ia32e_mode(vcpu) ? EFER_LMA : 0);
}

void vmx_vcpu_set_efer(struct vmx_vcpu *vcpu, uint64_t value)
{
    uint32_t entry_controls = vcpu->capabilities->entry;

    vcpu->efer = value & ~EFER_LMA;
    vcpu->ia32e_cr0 = (value & EFER_LME) != 0 ? CR0_PG : 0;
    if (vmx_vcpu_in_ia32e_mode(vcpu))
        entry_controls |= ENTRY_IA32E_MODE_GUEST;
    vmcs_write64(VMCS_GUEST_IA32_EFER, vmx_vcpu_efer(vcpu));
    vmcs_write32(VMCS_ENTRY_CONTROLS, entry_controls);
}
