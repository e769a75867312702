// SPDX-License-Identifier: BSD-2-Clause
/* The instructions of VMX. Intel SDM vol. 3C (Sep 2023), "VMX Instruction Reference". */
#include "tests/fake/vmcs.h"

#include "arch/x86/msr.h"
#include "arch/x86/vmx_instructions.h"

#include <string.h>

#define VMCS_MAGIC UINT64_C(0x53434d56656b6146)

enum vm_instruction_error {
    ERROR_UNSUPPORTED_COMPONENT = 12,
    ERROR_READ_ONLY_COMPONENT = 13,
};

/* All active VMCSs, so that their memory is not released. */
static const struct fake_vmcs *active[64];

static void set_active(const struct fake_vmcs *vmcs, bool is_active)
{
    unsigned i;

    fake_lock();
    for (i = 0; i < 64 && active[i] != vmcs; i++)
        ;
    if (is_active && i == 64) {
        for (i = 0; i < 64 && active[i] != NULL; i++)
            ;
        if (i == 64)
            fake_misuse("more than 64 active VMCSs");
        active[i] = vmcs;
    } else if (!is_active && i < 64)
        active[i] = NULL;
    fake_unlock();
}

bool fake_vmcs_is_active(const void *memory)
{
    bool is_active = false;

    fake_lock();
    for (unsigned i = 0; i < 64; i++)
        is_active = is_active || (active[i] != NULL && (const void *)active[i] == memory);
    fake_unlock();
    return is_active;
}

static struct fake_processor *in_vmx_operation(const char *instruction)
{
    struct fake_processor *self = fake_this();

    if (self->vmxon_region == NULL)
        fake_misuse("%s outside VMX operation is #UD", instruction);
    return self;
}

static uint32_t revision_of(struct fake_processor *processor)
{
    return (uint32_t)VMX_BASIC_REVISION(*fake_msr_find(processor, IA32_VMX_BASIC));
}

static void fail(struct fake_vmcs *vmcs, uint32_t error)
{
    fake_vmcs_set(vmcs, VMCS_INSTRUCTION_ERROR, error);
}

bool vmxon(uint64_t region)
{
    struct fake_processor *self = fake_this();
    uint64_t fixed0 = *fake_msr_find(self, IA32_VMX_CR0_FIXED0);
    uint64_t control = *fake_msr_find(self, IA32_FEATURE_CONTROL);

    if (self->vmxon_region != NULL)
        fake_misuse("VMXON in VMX operation");
    if ((self->cr4 & CR4_VMXE) == 0 || (self->cr0 & fixed0) != fixed0 ||
        (control & FEATURE_CONTROL_LOCK) == 0 || (control & FEATURE_CONTROL_VMX_OUTSIDE_SMX) == 0)
        fake_misuse("VMXON is #UD or #GP: CR0 0x%lx, CR4 0x%lx, IA32_FEATURE_CONTROL 0x%lx",
                    (unsigned long)self->cr0, (unsigned long)self->cr4, (unsigned long)control);
    if (region % 4096 != 0 || *(const uint32_t *)region != revision_of(self))
        return false;
    self->vmxon_region = (void *)region;
    return true;
}

void vmxoff(void)
{
    struct fake_processor *self = in_vmx_operation("VMXOFF");

    for (unsigned i = 0; i < 64; i++) {
        if (active[i] != NULL && active[i]->owner == (int)self->index)
            fake_misuse("VMXOFF while a VMCS is active");
    }
    self->vmxon_region = NULL;
    self->vmcs = NULL;
}

bool vmclear(uint64_t region)
{
    struct fake_processor *self = in_vmx_operation("VMCLEAR");
    struct fake_vmcs *vmcs = (struct fake_vmcs *)region;

    if (region % 4096 != 0 || (void *)region == self->vmxon_region)
        return false;
    if (vmcs->magic == VMCS_MAGIC && vmcs->owner >= 0 && vmcs->owner != (int)self->index)
        fake_misuse("VMCLEAR of a VMCS that is active on processor %d", vmcs->owner);
    vmcs->magic = VMCS_MAGIC;
    vmcs->is_launched = false;
    vmcs->owner = -1;
    set_active(vmcs, false);
    if (self->vmcs == vmcs)
        self->vmcs = NULL;
    return true;
}

bool vmptrld(uint64_t region)
{
    struct fake_processor *self = in_vmx_operation("VMPTRLD");
    struct fake_vmcs *vmcs = (struct fake_vmcs *)region;

    if (region % 4096 != 0 || (void *)region == self->vmxon_region ||
        vmcs->revision != revision_of(self))
        return false;
    if (vmcs->magic != VMCS_MAGIC)
        fake_misuse("VMPTRLD of a region that VMCLEAR has not seen");
    if (vmcs->owner >= 0 && vmcs->owner != (int)self->index)
        fake_misuse("VMPTRLD of a VMCS that is active on processor %d", vmcs->owner);
    vmcs->owner = (int)self->index;
    set_active(vmcs, true);
    self->vmcs = vmcs;
    return true;
}

bool vmread(uint64_t field, uint64_t *value)
{
    struct fake_processor *self = in_vmx_operation("VMREAD");
    int index = fake_field_index(field);

    if (self->vmcs == NULL)
        return false;
    if (!fake_field_exists(self, field)) {
        fail(self->vmcs, ERROR_UNSUPPORTED_COMPONENT);
        return false;
    }
    if (!self->vmcs->is_written[index] && fake_field_kind(field) != FIELD_READ_ONLY &&
        self->vmcs->is_launched)
        fake_misuse("VMREAD of the field %s, which was never written", fake_field_at(index)->name);
    *value = self->vmcs->values[index];
    return true;
}

bool vmwrite(uint64_t field, uint64_t value)
{
    struct fake_processor *self = in_vmx_operation("VMWRITE");

    if (self->vmcs == NULL)
        return false;
    if (!fake_field_exists(self, field)) {
        fail(self->vmcs, ERROR_UNSUPPORTED_COMPONENT);
        return false;
    }
    if (fake_field_kind(field) == FIELD_READ_ONLY) {
        fail(self->vmcs, ERROR_READ_ONLY_COMPONENT);
        return false;
    }
    if (field == VMCS_GUEST_IDTR_LIMIT)
        self->vmcs->is_started = true; /* only the start of a guest writes it */
    fake_vmcs_set(self->vmcs, field, value);
    return true;
}

uint64_t vmread_unchecked(uint64_t field)
{
    uint64_t value;

    if (!vmread(field, &value))
        fake_misuse("VMREAD of 0x%lx fails, and nobody looks", (unsigned long)field);
    return value;
}

void vmwrite_unchecked(uint64_t field, uint64_t value)
{
    if (!vmwrite(field, value))
        fake_misuse("VMWRITE of 0x%lx fails, and nobody looks", (unsigned long)field);
}

bool invept(uint64_t type, struct invalidation_descriptor descriptor)
{
    (void)in_vmx_operation("INVEPT");
    return (type == 1 || type == INVEPT_ALL_CONTEXT) && descriptor.second == 0;
}

bool invvpid(uint64_t type, struct invalidation_descriptor descriptor)
{
    (void)in_vmx_operation("INVVPID");
    if (type == INVVPID_SINGLE_CONTEXT)
        return descriptor.first != 0 && descriptor.first <= UINT16_MAX;
    return type == INVVPID_ALL_CONTEXT;
}
