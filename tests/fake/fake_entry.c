// SPDX-License-Identifier: BSD-2-Clause
/* The checks that a VM entry makes, as far as the monitor relies on them. Intel SDM vol. 3C (Sep
 * 2023), "Checks on VMX Controls and Host-State Area", "Checking and Loading Guest State". */
#include "tests/fake/vmcs.h"

#include "arch/x86/msr.h"
#include "arch/x86/vectors.h"

#define GET(name) fake_vmcs_get(vmcs, VMCS_##name)

/* Makes the function return the condition's text if it does not hold. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static bool is_allowed(struct fake_processor *processor, uint32_t msr, uint64_t controls)
{
    uint64_t allowed = *fake_msr_find(processor, msr);
    uint32_t has_to_be_1 = (uint32_t)allowed, may_be_1 = (uint32_t)(allowed >> 32);

    return (controls & has_to_be_1) == has_to_be_1 && (controls & ~(uint64_t)may_be_1) == 0;
}

static bool is_canonical(uint64_t address)
{
    return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

static bool is_page(uint64_t address)
{
    return address % 4096 == 0 && address >> 52 == 0;
}

static bool is_pat(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t type = value >> 8 * i & 0xff;

        if (type == 2 || type == 3 || type > 7)
            return false;
    }
    return true;
}

static bool pushes_error_code(unsigned vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) ||
           vector == VECTOR_AC;
}

/* "VM-Entry Control Fields": the event to inject. */
static const char *check_event(const struct fake_vmcs *vmcs)
{
    uint32_t info = (uint32_t)GET(ENTRY_INTERRUPTION_INFO);
    unsigned vector = INTERRUPTION_VECTOR(info), type = info >> 8 & 7;
    bool is_protected = (GET(GUEST_CR0) & CR0_PE) != 0;
    uint64_t length = GET(ENTRY_INSTRUCTION_LENGTH);

    if ((info & INTERRUPTION_VALID) == 0)
        return NULL;
    REQUIRE((info & 0x7ffff000) == 0);
    REQUIRE(type != 1 && type != 7);
    REQUIRE(type != INTERRUPTION_NMI || vector == VECTOR_NMI);
    REQUIRE(type != INTERRUPTION_HARDWARE_EXCEPTION || vector <= 31);
    REQUIRE(((info & INTERRUPTION_ERROR_CODE_VALID) != 0) ==
            (type == INTERRUPTION_HARDWARE_EXCEPTION && is_protected && pushes_error_code(vector)));
    if ((info & INTERRUPTION_ERROR_CODE_VALID) != 0)
        REQUIRE(GET(ENTRY_EXCEPTION_ERROR_CODE) <= 0xffff);
    if (type >= INTERRUPTION_SOFTWARE_INTERRUPT)
        REQUIRE(length >= 1 && length <= 15);
    return NULL;
}

static const char *check_apic_controls(const struct fake_vmcs *vmcs, uint64_t primary,
                                       uint64_t secondary)
{
    if ((primary & PRIMARY_TPR_SHADOW) != 0) {
        REQUIRE(is_page(GET(VIRTUAL_APIC_ADDRESS)) && GET(VIRTUAL_APIC_ADDRESS) != 0);
        REQUIRE((secondary & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) != 0 ||
                GET(TPR_THRESHOLD) <= 15);
    } else {
        REQUIRE((secondary & (SECONDARY_VIRTUALIZE_X2APIC | SECONDARY_APIC_REGISTERS |
                              SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)) == 0);
    }
    REQUIRE((secondary & SECONDARY_VIRTUALIZE_APIC_ACCESSES) == 0 ||
            (secondary & SECONDARY_VIRTUALIZE_X2APIC) == 0);
    if ((secondary & SECONDARY_VIRTUALIZE_APIC_ACCESSES) != 0)
        REQUIRE(is_page(GET(APIC_ACCESS_ADDRESS)));
    if ((secondary & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) != 0)
        REQUIRE((GET(PIN_BASED_CONTROLS) & PIN_EXTERNAL_INTERRUPT_EXITING) != 0);
    return NULL;
}

static const char *check_ept(const struct fake_vmcs *vmcs)
{
    uint64_t pointer = GET(EPT_POINTER);

    REQUIRE((pointer & 7) == MEMORY_TYPE_WB);
    REQUIRE((pointer >> 3 & 7) == 3); /* a walk of 4 levels */
    REQUIRE((pointer & 0xf80) == 0 && pointer >> 52 == 0);
    return NULL;
}

const char *fake_entry_controls(struct fake_processor *processor, const struct fake_vmcs *vmcs)
{
    uint64_t pin = GET(PIN_BASED_CONTROLS), primary = GET(PRIMARY_CONTROLS);
    uint64_t secondary = (primary & PRIMARY_SECONDARY_CONTROLS) != 0 ? GET(SECONDARY_CONTROLS) : 0;
    const char *wrong;

    REQUIRE(is_allowed(processor, IA32_VMX_TRUE_PINBASED_CTLS, pin));
    REQUIRE(is_allowed(processor, IA32_VMX_TRUE_PROCBASED_CTLS, primary));
    REQUIRE(is_allowed(processor, IA32_VMX_PROCBASED_CTLS2, secondary));
    REQUIRE(is_allowed(processor, IA32_VMX_TRUE_EXIT_CTLS, GET(EXIT_CONTROLS)));
    REQUIRE(is_allowed(processor, IA32_VMX_TRUE_ENTRY_CTLS, GET(ENTRY_CONTROLS)));
    REQUIRE(GET(CR3_TARGET_COUNT) <= 4);
    if ((primary & PRIMARY_USE_MSR_BITMAPS) != 0)
        REQUIRE(is_page(GET(MSR_BITMAPS)));
    REQUIRE((pin & PIN_NMI_EXITING) != 0 || (pin & PIN_VIRTUAL_NMIS) == 0);
    REQUIRE((pin & PIN_VIRTUAL_NMIS) != 0 || (primary & PRIMARY_NMI_WINDOW_EXITING) == 0);
    REQUIRE((pin & PIN_PREEMPTION_TIMER) != 0 ||
            (GET(EXIT_CONTROLS) & EXIT_SAVE_PREEMPTION_TIMER) == 0);
    REQUIRE((secondary & SECONDARY_VPID) == 0 || GET(VPID) != 0);
    REQUIRE((secondary & SECONDARY_UNRESTRICTED_GUEST) == 0 || (secondary & SECONDARY_EPT) != 0);
    REQUIRE(GET(EXIT_MSR_STORE_COUNT) == 0 && GET(EXIT_MSR_LOAD_COUNT) == 0 &&
            GET(ENTRY_MSR_LOAD_COUNT) == 0);
    wrong = check_apic_controls(vmcs, primary, secondary);
    if (wrong == NULL && (secondary & SECONDARY_EPT) != 0)
        wrong = check_ept(vmcs);
    return wrong != NULL ? wrong : check_event(vmcs);
}

const char *fake_entry_host(struct fake_processor *processor, const struct fake_vmcs *vmcs)
{
    uint64_t fixed0 = *fake_msr_find(processor, IA32_VMX_CR0_FIXED0);
    uint64_t fixed4 = *fake_msr_find(processor, IA32_VMX_CR4_FIXED0);

    REQUIRE((GET(HOST_CR0) & fixed0) == fixed0);
    REQUIRE((GET(HOST_CR4) & fixed4) == fixed4 && (GET(HOST_CR4) & CR4_PAE) != 0);
    REQUIRE(GET(HOST_CR3) >> 52 == 0);
    /* What an exit would load has to be what the monitor has now. */
    REQUIRE(GET(HOST_CR0) == processor->cr0 && GET(HOST_CR3) == processor->cr3);
    REQUIRE(GET(HOST_CR4) == processor->cr4);
    REQUIRE(is_canonical(GET(HOST_IA32_SYSENTER_ESP)) && is_canonical(GET(HOST_IA32_SYSENTER_EIP)));
    REQUIRE(is_pat(GET(HOST_IA32_PAT)));
    REQUIRE((GET(HOST_IA32_EFER) & (EFER_LME | EFER_LMA)) == (EFER_LME | EFER_LMA));
    REQUIRE((GET(HOST_CS_SELECTOR) & 7) == 0 && GET(HOST_CS_SELECTOR) != 0);
    REQUIRE((GET(HOST_TR_SELECTOR) & 7) == 0 && GET(HOST_TR_SELECTOR) != 0);
    REQUIRE((GET(HOST_SS_SELECTOR) & 7) == 0 && (GET(HOST_DS_SELECTOR) & 7) == 0);
    REQUIRE((GET(HOST_ES_SELECTOR) & 7) == 0 && (GET(HOST_FS_SELECTOR) & 7) == 0);
    REQUIRE((GET(HOST_GS_SELECTOR) & 7) == 0);
    REQUIRE(is_canonical(GET(HOST_FS_BASE)) && is_canonical(GET(HOST_GS_BASE)));
    REQUIRE(is_canonical(GET(HOST_GDTR_BASE)) && is_canonical(GET(HOST_IDTR_BASE)));
    REQUIRE(GET(HOST_GS_BASE) == *fake_msr_find(processor, IA32_GS_BASE));
    REQUIRE((GET(EXIT_CONTROLS) & EXIT_HOST_ADDRESS_SPACE_SIZE) != 0);
    return NULL;
}

/* --- Guest state --- */

struct state {
    const struct fake_vmcs *vmcs;
    bool is_ia32e, is_v86, is_unrestricted;
};

static const char *check_control_registers(struct fake_processor *processor,
                                           const struct fake_vmcs *vmcs, const struct state *state)
{
    uint64_t cr0 = GET(GUEST_CR0), cr4 = GET(GUEST_CR4), efer = GET(GUEST_IA32_EFER);
    uint64_t cr0_fixed0 = *fake_msr_find(processor, IA32_VMX_CR0_FIXED0);
    uint64_t cr4_fixed0 = *fake_msr_find(processor, IA32_VMX_CR4_FIXED0);

    if (state->is_unrestricted)
        cr0_fixed0 &= ~(CR0_PE | CR0_PG);
    REQUIRE((cr0 & cr0_fixed0) == cr0_fixed0);
    REQUIRE((cr0 & ~*fake_msr_find(processor, IA32_VMX_CR0_FIXED1)) == 0);
    REQUIRE((cr4 & cr4_fixed0) == cr4_fixed0);
    REQUIRE((cr4 & ~*fake_msr_find(processor, IA32_VMX_CR4_FIXED1)) == 0);
    REQUIRE((cr0 & CR0_PG) == 0 || (cr0 & CR0_PE) != 0);
    REQUIRE((cr0 & CR0_NW) == 0 || (cr0 & CR0_CD) != 0);
    REQUIRE(!state->is_ia32e || ((cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0));
    REQUIRE(state->is_ia32e || (cr4 & CR4_PCIDE) == 0);
    REQUIRE(GET(GUEST_CR3) >> 52 == 0);
    REQUIRE(GET(GUEST_DR7) >> 32 == 0);
    REQUIRE(is_canonical(GET(GUEST_IA32_SYSENTER_ESP)) &&
            is_canonical(GET(GUEST_IA32_SYSENTER_EIP)));
    REQUIRE((GET(GUEST_IA32_DEBUGCTL) & ~UINT64_C(0xdfc3)) == 0);
    REQUIRE(is_pat(GET(GUEST_IA32_PAT)));
    REQUIRE((efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) == 0);
    REQUIRE(((efer & EFER_LMA) != 0) == state->is_ia32e);
    REQUIRE((cr0 & CR0_PG) == 0 || ((efer & EFER_LMA) != 0) == ((efer & EFER_LME) != 0));
    return NULL;
}

static uint64_t segment_field(const struct fake_vmcs *vmcs, uint64_t first, unsigned segment)
{
    return fake_vmcs_get(vmcs, first + 2 * segment);
}

#define RIGHTS(segment)   segment_field(vmcs, VMCS_GUEST_ES_ACCESS_RIGHTS, segment)
#define LIMIT(segment)    segment_field(vmcs, VMCS_GUEST_ES_LIMIT, segment)
#define BASE(segment)     segment_field(vmcs, VMCS_GUEST_ES_BASE, segment)
#define SELECTOR(segment) segment_field(vmcs, VMCS_GUEST_ES_SELECTOR, segment)
#define TYPE(segment)     (RIGHTS(segment) & 0xf)
#define DPL(segment)      (RIGHTS(segment) >> 5 & 3)
#define IS_USABLE(s)      ((RIGHTS(s) & ACCESS_RIGHTS_UNUSABLE) == 0)

static const char *check_v86_segments(const struct fake_vmcs *vmcs)
{
    for (unsigned i = SEGMENT_ES; i <= SEGMENT_GS; i++) {
        REQUIRE(BASE(i) == SELECTOR(i) << 4);
        REQUIRE(LIMIT(i) == 0xffff);
        REQUIRE(RIGHTS(i) == 0xf3);
    }
    return NULL;
}

static bool fits_granularity(uint64_t limit, uint64_t rights)
{
    bool is_pages = (rights & BIT(15)) != 0;

    return ((limit & 0xfff) == 0xfff || !is_pages) && (limit >> 20 == 0 || is_pages);
}

static const char *check_code_segment(const struct fake_vmcs *vmcs, const struct state *state)
{
    unsigned cs = SEGMENT_CS;
    bool is_real_like = TYPE(cs) == 3 && state->is_unrestricted;

    REQUIRE(IS_USABLE(cs));
    REQUIRE(TYPE(cs) == 9 || TYPE(cs) == 11 || TYPE(cs) == 13 || TYPE(cs) == 15 || is_real_like);
    REQUIRE(!is_real_like || DPL(cs) == 0);
    if (TYPE(cs) == 9 || TYPE(cs) == 11)
        REQUIRE(DPL(cs) == DPL(SEGMENT_SS));
    if (TYPE(cs) == 13 || TYPE(cs) == 15)
        REQUIRE(DPL(cs) <= DPL(SEGMENT_SS));
    REQUIRE(!state->is_ia32e || (RIGHTS(cs) & ACCESS_RIGHTS_L) == 0 ||
            (RIGHTS(cs) & ACCESS_RIGHTS_D) == 0);
    return NULL;
}

static const char *check_stack_segment(const struct fake_vmcs *vmcs, const struct state *state)
{
    unsigned ss = SEGMENT_SS;
    bool is_protected = (GET(GUEST_CR0) & CR0_PE) != 0;

    REQUIRE(!IS_USABLE(ss) || TYPE(ss) == 3 || TYPE(ss) == 7);
    REQUIRE(state->is_unrestricted || DPL(ss) == (SELECTOR(ss) & 3));
    REQUIRE((TYPE(SEGMENT_CS) != 3 && is_protected) || DPL(ss) == 0);
    return NULL;
}

static const char *check_segments(const struct fake_vmcs *vmcs)
{
    for (unsigned i = SEGMENT_ES; i <= SEGMENT_GS; i++) {
        if (!IS_USABLE(i) && i != SEGMENT_CS)
            continue;
        REQUIRE((RIGHTS(i) & 0x90) == 0x90);            /* present, code or data */
        REQUIRE((RIGHTS(i) & ~UINT64_C(0x1f0ff)) == 0); /* no reserved bit */
        REQUIRE(fits_granularity(LIMIT(i), RIGHTS(i)));
        if (i != SEGMENT_CS && i != SEGMENT_SS) {
            REQUIRE((TYPE(i) & 1) != 0);                       /* accessed */
            REQUIRE((TYPE(i) & 8) == 0 || (TYPE(i) & 2) != 0); /* readable */
        }
        if (i < SEGMENT_FS)
            REQUIRE(BASE(i) >> 32 == 0);
        else
            REQUIRE(is_canonical(BASE(i)));
    }
    return NULL;
}

static const char *check_system_segments(const struct fake_vmcs *vmcs, const struct state *state)
{
    unsigned tr = SEGMENT_TR, ldtr = SEGMENT_LDTR;

    REQUIRE((SELECTOR(tr) & 4) == 0);
    REQUIRE(TYPE(tr) == 11 || (TYPE(tr) == 3 && !state->is_ia32e));
    REQUIRE((RIGHTS(tr) & 0x90) == 0x80 && IS_USABLE(tr));
    REQUIRE((RIGHTS(tr) & 0xffff0f00) == 0);
    REQUIRE(fits_granularity(LIMIT(tr), RIGHTS(tr)));
    REQUIRE(is_canonical(BASE(tr)));
    if (!IS_USABLE(ldtr))
        return NULL;
    REQUIRE((SELECTOR(ldtr) & 4) == 0);
    REQUIRE(TYPE(ldtr) == 2 && (RIGHTS(ldtr) & 0x90) == 0x80);
    REQUIRE((RIGHTS(ldtr) & 0xffff0f00) == 0);
    REQUIRE(fits_granularity(LIMIT(ldtr), RIGHTS(ldtr)));
    REQUIRE(is_canonical(BASE(ldtr)));
    return NULL;
}

static const char *check_rip_and_rflags(const struct fake_vmcs *vmcs, const struct state *state)
{
    uint64_t rip = GET(GUEST_RIP), rflags = GET(GUEST_RFLAGS);
    uint32_t info = (uint32_t)GET(ENTRY_INTERRUPTION_INFO);
    bool is_64bit = state->is_ia32e && (RIGHTS(SEGMENT_CS) & ACCESS_RIGHTS_L) != 0;

    REQUIRE(is_64bit ? is_canonical(rip) : rip >> 32 == 0);
    REQUIRE((rflags & RFLAGS_ONE) != 0);
    REQUIRE((rflags & ~UINT64_C(0x3f7fd7)) == 0);
    REQUIRE((rflags & RFLAGS_VM) == 0 || !state->is_ia32e);
    REQUIRE((rflags & RFLAGS_VM) == 0 || (GET(GUEST_CR0) & CR0_PE) != 0);
    if ((info & INTERRUPTION_VALID) != 0 && INTERRUPTION_TYPE(info) == INTERRUPTION_EXTERNAL)
        REQUIRE((rflags & RFLAGS_IF) != 0);
    REQUIRE(is_canonical(GET(GUEST_GDTR_BASE)) && GET(GUEST_GDTR_LIMIT) <= 0xffff);
    REQUIRE(is_canonical(GET(GUEST_IDTR_BASE)) && GET(GUEST_IDTR_LIMIT) <= 0xffff);
    return NULL;
}

static bool may_be_injected_in_hlt(uint32_t info)
{
    enum interruption_type type = INTERRUPTION_TYPE(info);
    unsigned vector = INTERRUPTION_VECTOR(info);

    return type == INTERRUPTION_EXTERNAL || type == INTERRUPTION_NMI ||
           (type == INTERRUPTION_HARDWARE_EXCEPTION &&
            (vector == VECTOR_DB || vector == VECTOR_MC));
}

/* "Checks on Guest Non-Register State" */
static const char *check_non_register_state(const struct fake_vmcs *vmcs)
{
    const uint64_t pending_bs = BIT(14), pending_enabled = BIT(12);
    uint64_t activity = GET(GUEST_ACTIVITY_STATE), blocking = GET(GUEST_INTERRUPTIBILITY);
    uint64_t rflags = GET(GUEST_RFLAGS), pending = GET(GUEST_PENDING_DEBUG_EXCEPTIONS);
    uint32_t info = (uint32_t)GET(ENTRY_INTERRUPTION_INFO);
    bool has_event = (info & INTERRUPTION_VALID) != 0;
    bool in_shadow = (blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) != 0;

    REQUIRE(activity <= ACTIVITY_WAIT_FOR_SIPI);
    REQUIRE(activity != ACTIVITY_HLT || DPL(SEGMENT_SS) == 0);
    REQUIRE(activity == ACTIVITY_ACTIVE || !in_shadow);
    REQUIRE(activity != ACTIVITY_HLT || !has_event || may_be_injected_in_hlt(info));
    REQUIRE(activity != ACTIVITY_WAIT_FOR_SIPI || !has_event);
    REQUIRE((blocking & ~UINT64_C(0x1f)) == 0);
    REQUIRE((blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) !=
            (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
    REQUIRE((blocking & INTERRUPTIBILITY_STI) == 0 || (rflags & RFLAGS_IF) != 0);
    REQUIRE(!has_event || INTERRUPTION_TYPE(info) != INTERRUPTION_EXTERNAL || !in_shadow);
    REQUIRE(!has_event || INTERRUPTION_TYPE(info) != INTERRUPTION_NMI ||
            (blocking & INTERRUPTIBILITY_MOV_SS) == 0);
    REQUIRE(!has_event || INTERRUPTION_TYPE(info) != INTERRUPTION_NMI ||
            (blocking & INTERRUPTIBILITY_NMI) == 0);
    REQUIRE((pending & ~(pending_bs | pending_enabled | BIT(16) | UINT64_C(0xf))) == 0);
    if (in_shadow || activity == ACTIVITY_HLT) {
        bool traps = (rflags & RFLAGS_TF) != 0 && (GET(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF) == 0;
        REQUIRE(((pending & pending_bs) != 0) == traps);
    }
    REQUIRE(GET(LINK_POINTER) == UINT64_MAX);
    return NULL;
}

static const char *check_pdptes(const struct fake_vmcs *vmcs, const struct state *state)
{
    bool is_pae = (GET(GUEST_CR0) & CR0_PG) != 0 && (GET(GUEST_CR4) & CR4_PAE) != 0 &&
                  !state->is_ia32e && (GET(SECONDARY_CONTROLS) & SECONDARY_EPT) != 0;

    for (unsigned i = 0; is_pae && i < 4; i++) {
        uint64_t pdpte = fake_vmcs_get(vmcs, VMCS_GUEST_PDPTE0 + 2 * i);

        REQUIRE((pdpte & 1) == 0 || (pdpte & UINT64_C(0xfff00000000001e6)) == 0);
    }
    return NULL;
}

const char *fake_entry_guest(struct fake_processor *processor, const struct fake_vmcs *vmcs)
{
    struct state state = {
        .vmcs = vmcs,
        .is_ia32e = (GET(ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST) != 0,
        .is_v86 = (GET(GUEST_RFLAGS) & RFLAGS_VM) != 0,
        .is_unrestricted = (GET(SECONDARY_CONTROLS) & SECONDARY_UNRESTRICTED_GUEST) != 0,
    };
    const char *wrong = check_control_registers(processor, vmcs, &state);

    if (wrong == NULL && state.is_v86)
        wrong = check_v86_segments(vmcs);
    else if (wrong == NULL) {
        wrong = check_segments(vmcs);
        if (wrong == NULL)
            wrong = check_code_segment(vmcs, &state);
        if (wrong == NULL)
            wrong = check_stack_segment(vmcs, &state);
    }
    if (wrong == NULL)
        wrong = check_system_segments(vmcs, &state);
    if (wrong == NULL)
        wrong = check_rip_and_rflags(vmcs, &state);
    if (wrong == NULL)
        wrong = check_non_register_state(vmcs);
    return wrong != NULL ? wrong : check_pdptes(vmcs, &state);
}
