// SPDX-License-Identifier: BSD-2-Clause
/* The fields of a VMCS. Intel SDM vol. 3D (Sep 2023), appendix B "Field Encoding in VMCS". */
#include "tests/fake/vmcs.h"

#include "arch/x86/msr.h"

static const struct fake_field fields[] = {
#define FIELD(name, encoding) {encoding, #name},
    VMCS_FIELDS_16(FIELD) VMCS_FIELDS_64(FIELD) VMCS_FIELDS_32(FIELD) VMCS_FIELDS_NATURAL(FIELD)
#undef FIELD
};
_Static_assert(ARRAY_COUNT(fields) <= FAKE_VMCS_FIELDS_MAX, "room for all fields");

int fake_field_index(uint64_t encoding)
{
    /* What was found before, by a hash of the encoding. */
    static _Thread_local struct {
        uint64_t encoding;
        int index; /* + 1 */
    } last[256];
    unsigned place = (unsigned)(encoding ^ encoding >> 6 ^ encoding >> 10) & 255;

    if (last[place].encoding == encoding && last[place].index > 0)
        return last[place].index - 1;
    for (unsigned i = 0; i < ARRAY_COUNT(fields); i++) {
        if (fields[i].encoding == encoding) {
            last[place].encoding = encoding;
            last[place].index = (int)i + 1;
            return (int)i;
        }
    }
    return -1;
}

const struct fake_field *fake_field_at(int index)
{
    return index < 0 || (unsigned)index >= ARRAY_COUNT(fields) ? NULL : &fields[index];
}

enum fake_field_width fake_field_width(uint64_t encoding)
{
    return (enum fake_field_width)(encoding >> 13 & 3);
}

enum fake_field_kind fake_field_kind(uint64_t encoding)
{
    return (enum fake_field_kind)(encoding >> 10 & 3);
}

static bool allows(struct fake_processor *processor, uint32_t msr, uint32_t control)
{
    return (*fake_msr_find(processor, msr) >> 32 & control) != 0;
}

static bool secondary(struct fake_processor *processor, uint32_t control)
{
    return allows(processor, IA32_VMX_TRUE_PROCBASED_CTLS, PRIMARY_SECONDARY_CONTROLS) &&
           allows(processor, IA32_VMX_PROCBASED_CTLS2, control);
}

bool fake_field_exists(struct fake_processor *processor, uint64_t encoding)
{
    if (fake_field_index(encoding) < 0)
        return false;
    switch (encoding) {
    case VMCS_VPID: return secondary(processor, SECONDARY_VPID);
    case VMCS_GUEST_INTERRUPT_STATUS:
    case VMCS_EOI_EXIT_BITMAP0:
    case VMCS_EOI_EXIT_BITMAP1:
    case VMCS_EOI_EXIT_BITMAP2:
    case VMCS_EOI_EXIT_BITMAP3: return secondary(processor, SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
    case VMCS_MSR_BITMAPS:
        return allows(processor, IA32_VMX_TRUE_PROCBASED_CTLS, PRIMARY_USE_MSR_BITMAPS);
    case VMCS_VIRTUAL_APIC_ADDRESS:
    case VMCS_TPR_THRESHOLD:
        return allows(processor, IA32_VMX_TRUE_PROCBASED_CTLS, PRIMARY_TPR_SHADOW);
    case VMCS_APIC_ACCESS_ADDRESS: return secondary(processor, SECONDARY_VIRTUALIZE_APIC_ACCESSES);
    case VMCS_EPT_POINTER:
    case VMCS_GUEST_PHYSICAL_ADDRESS:
    case VMCS_GUEST_PDPTE0:
    case VMCS_GUEST_PDPTE1:
    case VMCS_GUEST_PDPTE2:
    case VMCS_GUEST_PDPTE3: return secondary(processor, SECONDARY_EPT);
    case VMCS_SECONDARY_CONTROLS:
        return allows(processor, IA32_VMX_TRUE_PROCBASED_CTLS, PRIMARY_SECONDARY_CONTROLS);
    case VMCS_PREEMPTION_TIMER:
        return allows(processor, IA32_VMX_TRUE_PINBASED_CTLS, PIN_PREEMPTION_TIMER);
    case VMCS_GUEST_IA32_PAT:
    case VMCS_HOST_IA32_PAT: return allows(processor, IA32_VMX_TRUE_EXIT_CTLS, EXIT_SAVE_IA32_PAT);
    case VMCS_GUEST_IA32_EFER:
    case VMCS_HOST_IA32_EFER:
        return allows(processor, IA32_VMX_TRUE_EXIT_CTLS, EXIT_SAVE_IA32_EFER);
    default: return true;
    }
}

uint64_t fake_vmcs_get(const struct fake_vmcs *vmcs, uint64_t encoding)
{
    int index = fake_field_index(encoding);

    if (index < 0)
        fake_misuse("0x%lx is no field", (unsigned long)encoding);
    return vmcs->values[index];
}

void fake_vmcs_set(struct fake_vmcs *vmcs, uint64_t encoding, uint64_t value)
{
    static const uint64_t largest[] = {
        [FIELD_16] = UINT16_MAX,
        [FIELD_64] = UINT64_MAX,
        [FIELD_32] = UINT32_MAX,
        [FIELD_NATURAL] = UINT64_MAX,
    };
    int index = fake_field_index(encoding);

    if (index < 0)
        fake_misuse("0x%lx is no field", (unsigned long)encoding);
    if (value > largest[fake_field_width(encoding)])
        fake_misuse("0x%lx does not fit into the field %s", (unsigned long)value,
                    fields[index].name);
    vmcs->values[index] = value;
    vmcs->is_written[index] = true;
}
