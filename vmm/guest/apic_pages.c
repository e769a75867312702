// SPDX-License-Identifier: BSD-2-Clause
/* Keeps account of where in a guest's memory the vCPUs' local APICs answer. */
#include "vmm/base/check.h"
#include "vmm/base/time.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/memory/heap.h"

static struct guest_apic_page *find_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *free = NULL;

    for (unsigned i = 0; i < GUEST_APIC_PAGES_MAX; i++) {
        struct guest_apic_page *entry = &guest->apic_pages[i];

        if (entry->user_count > 0 && entry->page == page)
            return entry;
        if (entry->user_count == 0)
            free = entry;
    }
    return free;
}

static void leave_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *entry = find_apic_page(guest, page);

    if (page == LOCAL_APIC_DEFAULT_BASE || entry == NULL || entry->user_count == 0)
        return;
    if (--entry->user_count == 0)
        CHECK(iobus_remove(&guest->mmio, entry->handle, NULL) == STATUS_OK);
}

/* Returns STATUS_OUT_OF_RANGE if APICs are at GUEST_APIC_PAGES_MAX other pages already, or the bus's
 * error. */
static enum status enter_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *entry = find_apic_page(guest, page);
    enum status status;

    if (page == LOCAL_APIC_DEFAULT_BASE)
        return STATUS_OK;
    if (entry == NULL)
        return STATUS_OUT_OF_RANGE;
    if (entry->user_count > 0) {
        entry->user_count++;
        return STATUS_OK;
    }
    status = board_register_apic_page(&guest->board, &guest->mmio, page, &entry->handle);
    if (status == STATUS_OK) {
        entry->page = page;
        entry->user_count = 1;
    }
    return status;
}

/* Counts a refusal. Returns whether it is to be logged. */
static bool count_refusal(struct guest *guest)
{
    uint64_t now_ns = board_now_ns(&guest->board);

    if (guest->apic_refusals++ > 0 && now_ns - guest->apic_refusal_said_ns < NS_PER_SECOND)
        return false;
    guest->apic_refusal_said_ns = now_ns;
    return true;
}

static const char *refusal_reason(enum status status)
{
    switch (status) {
    case STATUS_NO_MEMORY: return "the guest's heap is used up";
    case STATUS_OUT_OF_RANGE: return "local APICs are at too many other pages";
    case STATUS_CONFLICT: return "something else answers there";
    default: return status_name(status);
    }
}

uint64_t guest_move_apic_page(struct guest *guest, uint64_t counted_page, uint64_t new_page)
{
    enum status status;
    bool is_said;

    spinlock_acquire(&guest->apic_pages_lock);
    leave_apic_page(guest, counted_page);
    status = enter_apic_page(guest, new_page);
    is_said = status != STATUS_OK && count_refusal(guest);
    spinlock_release(&guest->apic_pages_lock);
    guest_limit_garbage(guest);
    if (is_said)
        console_log_about(
            &guest->console,
            ": a local APIC at 0x%lx does not answer there: %s; %lu such moves so far", new_page,
            refusal_reason(status), guest->apic_refusals);
    return status == STATUS_OK ? new_page : LOCAL_APIC_DEFAULT_BASE;
}

/* The content of the APIC-access page does not matter: with "virtualize APIC accesses" the
 * processor compares addresses with the page's and never touches the page (SDM vol. 3C,
 * "Virtualizing Memory-Mapped APIC Accesses"). */

static bool uses_apic_virtualization(const struct guest *guest)
{
    enum guest_apic wanted = guest->config->apic;

    for (uint32_t i = 0; i < guest->config->cpu_count; i++) {
        const struct cpu *cpu = cpus_get(cpu_this()->index + i);

        if (!cpu->vmx.virtualizes_apic || (wanted == GUEST_APIC_AUTO && cpu->apic_fault != NULL))
            return false;
    }
    return wanted != GUEST_APIC_EMULATED;
}

static enum status map_apic_access_page(struct guest *guest)
{
    enum status status;

    if (guest->apic_access_page == NULL || guest->apic_access_is_mapped)
        return STATUS_OK;
    status =
        ept_map(&guest->ept, GPA(LOCAL_APIC_DEFAULT_BASE), HPA((uint64_t)guest->apic_access_page),
                PAGE_SIZE, EPT_READ | EPT_WRITE, EPT_WRITE_BACK);
    guest->apic_access_is_mapped = status == STATUS_OK;
    return status;
}

enum status guest_create_apic_access_page(struct guest *guest, struct heap *heap)
{
    enum status status;

    if (!uses_apic_virtualization(guest))
        return STATUS_OK;
    guest->apic_access_page = heap_allocate_zeroed(heap, PAGE_SIZE, PAGE_SIZE);
    if (guest->apic_access_page == NULL)
        return STATUS_NO_MEMORY;
    status = map_apic_access_page(guest);
    if (status != STATUS_OK)
        guest_destroy_apic_access_page(guest, heap);
    return status;
}

void guest_destroy_apic_access_page(struct guest *guest, struct heap *heap)
{
    guest_hide_apic_access_page(guest);
    heap_release(heap, guest->apic_access_page);
    guest->apic_access_page = NULL;
}

void guest_hide_apic_access_page(struct guest *guest)
{
    spinlock_acquire(&guest->apic_pages_lock);
    if (guest->apic_access_is_mapped)
        CHECK(ept_unmap(&guest->ept, GPA(LOCAL_APIC_DEFAULT_BASE), PAGE_SIZE) == STATUS_OK);
    guest->apic_access_is_mapped = false;
    spinlock_release(&guest->apic_pages_lock);
}

void guest_reset_apic_pages(struct guest *guest)
{
    CHECK(map_apic_access_page(guest) == STATUS_OK); /* it was mapped there at the creation */
    for (unsigned i = 0; i < GUEST_APIC_PAGES_MAX; i++) {
        struct guest_apic_page *entry = &guest->apic_pages[i];

        if (entry->user_count > 0)
            CHECK(iobus_remove(&guest->mmio, entry->handle, NULL) == STATUS_OK);
        entry->user_count = 0;
    }
}
