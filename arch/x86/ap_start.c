// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/ap_start.h"

#include "arch/x86/cpu.h"
#include "arch/x86/descriptors.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "vmm/base/bits.h"

#include <stdatomic.h>
#include <string.h>

/* SDM vol. 3A, "Typical BSP Initialization Sequence". */
#define INIT_WAIT_US    10000
#define STARTUP_WAIT_US 200

/* SDM vol. 3A, "Segment Descriptors". The accessed bit is set, so that loading a descriptor does
 * not write to it. */
#define DESCRIPTOR_CODE64 UINT64_C(0x00209b0000000000)
#define DESCRIPTOR_DATA   UINT64_C(0x0000930000000000)

extern const uint8_t ap_trampoline[], ap_trampoline_64[], ap_trampoline_end[];

/* What the trampoline reads. ap_trampoline.asm uses these offsets. */
struct ap_parameters {
    uint16_t gdt_limit;
    uint64_t gdt_base;
    uint8_t unused[6];
    uint32_t entry64_offset;
    uint16_t entry64_selector;
    uint16_t unused2;
    uint32_t cr0;
    uint32_t cr3;
    uint32_t cr4;
    uint32_t efer;
    uint64_t stack;
    uint64_t function;
    uint64_t context;
    uint32_t apic_id;
    uint32_t unused3;
    uint32_t data_selector;
    uint32_t unused4;
    uint64_t gdt[3];
} __attribute__((packed));

_Static_assert(offsetof(struct ap_parameters, entry64_offset) == 16, "ap_trampoline.asm");
_Static_assert(offsetof(struct ap_parameters, cr0) == 24, "ap_trampoline.asm");
_Static_assert(offsetof(struct ap_parameters, stack) == 40, "ap_trampoline.asm");
_Static_assert(offsetof(struct ap_parameters, context) == 56, "ap_trampoline.asm");
_Static_assert(offsetof(struct ap_parameters, apic_id) == 64, "ap_trampoline.asm");
_Static_assert(offsetof(struct ap_parameters, data_selector) == 72, "ap_trampoline.asm");

static hpa_t start_area;

static struct ap_parameters *parameters(void)
{
    return (struct ap_parameters *)(start_area.value + PAGE_SIZE);
}

static void fill_parameters(void)
{
    struct ap_parameters *ap = parameters();

    memset(ap, 0, PAGE_SIZE);
    ap->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    ap->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    ap->gdt_limit = sizeof(ap->gdt) - 1;
    ap->gdt_base = (uint64_t)ap + offsetof(struct ap_parameters, gdt);
    ap->entry64_offset =
        (uint32_t)(start_area.value + (uint64_t)(ap_trampoline_64 - ap_trampoline));
    ap->entry64_selector = SELECTOR_CODE;
    ap->data_selector = SELECTOR_DATA;
    /* VMXON sets VMXE later. Every other mode of this processor has to be on in the new one. */
    ap->cr0 = (uint32_t)read_cr0();
    ap->cr3 = (uint32_t)(start_area.value + 2 * PAGE_SIZE);
    ap->cr4 = (uint32_t)(read_cr4() & ~(CR4_VMXE | CR4_SMXE));
    ap->efer = EFER_LME | EFER_NXE;
}

enum status ap_start_prepare(struct page_table *table, hpa_t area)
{
    enum status status;

    if (area.value == 0 || !is_aligned(area.value, PAGE_SIZE) ||
        area.value > MIB - AP_START_PAGES * PAGE_SIZE)
        return STATUS_OUT_OF_RANGE;
    status = page_table_map(table, area.value, AP_START_PAGES * PAGE_SIZE, PAGE_WRITE);
    if (status != STATUS_OK)
        return status;
    paging_flush();
    start_area = area;
    memcpy((void *)area.value, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    fill_parameters();
    status = page_table_map(table, area.value, PAGE_SIZE, PAGE_EXECUTE);
    paging_flush();
    return status;
}

enum status ap_start(uint32_t apic_id, uint64_t stack_top, void (*function)(void *), void *context,
                     void (*wait_us)(uint64_t microseconds))
{
    struct ap_parameters *ap = parameters();
    uint8_t page = (uint8_t)(start_area.value / PAGE_SIZE);
    enum status status;

    /* Copies the first level of the page tables as it is now. The new processor changes to the real
     * one at once. */
    memcpy((void *)(start_area.value + 2 * PAGE_SIZE),
           (const void *)(read_cr3() & TABLE_ADDRESS_MASK), PAGE_SIZE);
    ap->stack = stack_top;
    ap->function = (uint64_t)function;
    ap->context = (uint64_t)context;
    ap->apic_id = apic_id;
    atomic_thread_fence(memory_order_seq_cst);

    status = lapic_send_init(apic_id);
    if (status != STATUS_OK)
        return status;
    wait_us(INIT_WAIT_US);
    for (unsigned i = 0; i < 2; i++) {
        status = lapic_send_startup(apic_id, page);
        if (status != STATUS_OK)
            return status;
        wait_us(STARTUP_WAIT_US);
    }
    return STATUS_OK;
}

void ap_start_finish(void)
{
    if (start_area.value != 0)
        parameters()->apic_id = UINT32_MAX; /* the ID of no processor */
}
