// SPDX-License-Identifier: BSD-2-Clause
/* Virtual-interrupt delivery. Intel SDM vol. 3C (Sep 2023), "Evaluation and Delivery of Virtual
 * Interrupts", "APIC-Register Virtualization". */
#include "tests/fake/vmcs.h"

#define GET(name)        fake_vmcs_get(vmcs, VMCS_##name)
#define SET(name, value) fake_vmcs_set(vmcs, VMCS_##name, value)

#define VTPR 0x80
#define VISR 0x100
#define VIRR 0x200

static uint32_t *word(const struct fake_vmcs *vmcs, uint32_t offset)
{
    return (uint32_t *)(GET(VIRTUAL_APIC_ADDRESS) + offset);
}

static void set(const struct fake_vmcs *vmcs, uint32_t bits, unsigned vector, bool on)
{
    uint32_t *at = word(vmcs, bits + vector / 32 * 16), mask = UINT32_C(1) << vector % 32;

    *at = on ? *at | mask : *at & ~mask;
}

/* The highest vector of VISR or VIRR; 0: none. */
static unsigned highest(const struct fake_vmcs *vmcs, uint32_t bits)
{
    for (unsigned vector = 255; vector > 0; vector--) {
        if ((*word(vmcs, bits + vector / 32 * 16) >> vector % 32 & 1) != 0)
            return vector;
    }
    return 0;
}

static bool delivers_interrupts(const struct fake_vmcs *vmcs)
{
    return (GET(PRIMARY_CONTROLS) & PRIMARY_SECONDARY_CONTROLS) != 0 &&
           (GET(SECONDARY_CONTROLS) & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) != 0;
}

uint32_t fake_virtual_interrupt(struct fake_vmcs *vmcs)
{
    const uint64_t shadow = INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS;
    unsigned requested, in_service;

    if (!delivers_interrupts(vmcs))
        return 0;
    requested = GET(GUEST_INTERRUPT_STATUS) & 0xff;
    in_service = (unsigned)GET(GUEST_INTERRUPT_STATUS) >> 8;
    if (requested >> 4 <= in_service >> 4 || requested >> 4 <= (*word(vmcs, VTPR) & 0xff) >> 4 ||
        (GET(GUEST_RFLAGS) & RFLAGS_IF) == 0 || (GET(GUEST_INTERRUPTIBILITY) & shadow) != 0 ||
        (GET(PRIMARY_CONTROLS) & PRIMARY_INTERRUPT_WINDOW_EXITING) != 0)
        return 0;
    set(vmcs, VISR, requested, true);
    set(vmcs, VIRR, requested, false);
    SET(GUEST_INTERRUPT_STATUS, requested << 8 | highest(vmcs, VIRR));
    return (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, requested);
}

void exec_virtual_eoi(struct fake_guest *guest)
{
    struct fake_vmcs *vmcs = guest->processor->vmcs;
    unsigned vector = highest(vmcs, VISR);

    if (!delivers_interrupts(vmcs))
        fake_misuse("EOI virtualization without virtual-interrupt delivery");
    set(vmcs, VISR, vector, false);
    SET(GUEST_INTERRUPT_STATUS, highest(vmcs, VISR) << 8 | (GET(GUEST_INTERRUPT_STATUS) & 0xff));
    if ((fake_vmcs_get(vmcs, VMCS_EOI_EXIT_BITMAP0 + vector / 64 * 2) >> vector % 64 & 1) != 0)
        exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_VIRTUALIZED_EOI,
                                             .qualification = vector});
}

void exec_virtual_write(struct fake_guest *guest, uint32_t offset, uint32_t value)
{
    *word(guest->processor->vmcs, offset) = value;
    exec_exit(guest,
              &(struct fake_exit){.reason = EXIT_REASON_APIC_WRITE, .qualification = offset});
}

uint32_t fake_virtual_register(const struct fake_guest *guest, uint32_t offset)
{
    return *word(guest->processor->vmcs, offset);
}
