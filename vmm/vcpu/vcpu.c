// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/vcpu.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "vmm/base/check.h"
#include "vmm/base/clock.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/memory/heap.h"
#include "vmm/vcpu/apicv.h"
#include "vmm/vcpu/control.h"
#include "vmm/vcpu/debug.h"

#include <string.h>

static struct cpuid_board make_cpuid_board(uint32_t index, const struct guest_config *guest)
{
    struct cpuid_board board = cpu_this()->cpuid;

    board.vcpu_id = index;
    board.cpu_count = guest->cpu_count;
    board.has_no_x2apic = guest->has_no_x2apic;
    board.tsc_hz = clock_tsc_hz();
    return board;
}

void vcpu_forget_cpuid(struct vcpu *vcpu)
{
    /* Each place gets the key of a leaf that nobody looks for in this place. */
    for (uint32_t i = 0; i < VCPU_CPUID_COUNT; i++)
        vcpu->cpuid_seen[i].key = vcpu_cpuid_key(i + 1, 0);
}

enum status vcpu_create(struct vcpu *vcpu, struct guest *guest, uint32_t index, struct heap *heap,
                        uint64_t ept_pointer, uint16_t vpid)
{
    const struct vmx_capabilities *capabilities = &cpu_this()->vmx;

    /* One block holds the VMCS and the MSR bitmap. */
    uint8_t *pages = heap_allocate(heap, VCPU_PAGES * PAGE_SIZE, PAGE_SIZE);
    enum status status;

    if (pages == NULL)
        return STATUS_NO_MEMORY;
    *vcpu = (struct vcpu){
        .guest = guest,
        .index = index,
        .notes = {.cpu = cpu_this()},
        .cpuid = make_cpuid_board(index, guest->config),
    };
    vcpu->physical_address_bits = (uint8_t)cpuid_physical_address_bits(&vcpu->cpuid);
    vcpu->has_1g_pages = cpuid_has(&vcpu->cpuid, CPUID_PAGES_1GB);
    status = iobus_reader_attach(&guest->ports, &vcpu->ports_reader, vcpu);
    if (status == STATUS_OK) {
        status = iobus_reader_attach(&guest->mmio, &vcpu->mmio_reader, vcpu);
        if (status != STATUS_OK)
            iobus_reader_detach(&vcpu->ports_reader);
    }
    if (status != STATUS_OK) {
        heap_release(heap, pages);
        return status;
    }
    CHECK(apic_bus_add(&guest->board.apics, &vcpu->apic,
                       &(struct local_apic_config){
                           .id = index,
                           .is_bsp = index == 0,
                           .has_x2apic = cpuid_has(&vcpu->cpuid, CPUID_X2APIC),
                           .has_tsc_deadline = true,
                           .physical_address_bits = vcpu->physical_address_bits,
                       }));
    memset(pages, 0, PAGE_SIZE);
    msr_policy_reset(&vcpu->msrs, &vcpu->cpuid);
    msr_policy_fill_bitmap(&vcpu->msrs, pages + PAGE_SIZE);
    vmx_vcpu_init(&vcpu->vmx, capabilities,
                  &(struct vmx_vcpu_setup){
                      .vmcs = pages,
                      .msr_bitmap = pages + PAGE_SIZE,
                      .ept_pointer = ept_pointer,
                      .vpid = vpid,
                      .cr0_guest_host_mask = CR0_HOST_OWNED,
                      .cr4_guest_host_mask = ~cr4_allowed_mask(&vcpu->cpuid),
                  });
    vcpu_apicv_init(vcpu, pages + PAGE_SIZE);
    return STATUS_OK;
}

void vcpu_destroy(struct vcpu *vcpu, struct heap *heap)
{
    vmcs_clear(vcpu->vmx.vmcs);
    apic_bus_remove(&vcpu->guest->board.apics, &vcpu->apic);
    iobus_reader_detach(&vcpu->mmio_reader);
    iobus_reader_detach(&vcpu->ports_reader);
    heap_release(heap, vcpu->vmx.vmcs);
}

void vcpu_start(struct vcpu *vcpu, const struct vmx_start_state *state, uint64_t start_tsc)
{
    static const struct vmx_start_state nothing;
    uint32_t msrs[MSR_PASS_THROUGH_MAX];
    size_t msr_count;

    vmcs_load(vcpu->vmx.vmcs);
    vmx_vcpu_start(&vcpu->vmx, state != NULL ? state : &nothing);
    vcpu->tsc_offset = -start_tsc;
    vmcs_write64(VMCS_TSC_OFFSET, vcpu->tsc_offset);
    atomic_store_explicit(&vcpu->notes.attention, 0, memory_order_relaxed);
    local_apic_reset(&vcpu->apic);
    vcpu->apic_page = LOCAL_APIC_DEFAULT_BASE;
    if (state != NULL)
        local_apic_set_virtual_wire(&vcpu->apic);
    vcpu_debug_reset(vcpu);
    vcpu_apicv_follow(vcpu);
    vcpu->waits_for_startup = state == NULL;
    vcpu->is_dead = vcpu->waits_for_startup;
    vcpu->nmis_pending = 0;
    vcpu->event.info = 0;
    vcpu->halted = false;
    vcpu->vmcs_halts = false;
    msr_policy_reset(&vcpu->msrs, &vcpu->cpuid);
    vcpu_forget_cpuid(vcpu);
    msr_count = msr_policy_unsaved(&vcpu->msrs, msrs);
    for (size_t i = 0; i < msr_count; i++)
        wrmsr(msrs[i], 0);
}
