// SPDX-License-Identifier: BSD-2-Clause
/* Keeps account of where in a guest's memory the vCPUs' local APICs answer. */
#include "vmm/base/check.h"
#include "vmm/base/log.h"
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

static void enter_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *entry = find_apic_page(guest, page);
    enum status status = STATUS_NO_MEMORY;

    if (page == LOCAL_APIC_DEFAULT_BASE)
        return;
    if (entry != NULL && entry->user_count > 0) {
        entry->user_count++;
        return;
    }
    if (entry != NULL)
        status = board_register_apic_page(&guest->board, &guest->mmio, page, &entry->handle);
    if (status != STATUS_OK) {
        log_line("guest %s: a local APIC at 0x%lx does not answer there: %s", guest->config->name,
                 page, status_name(status));
        return;
    }
    entry->page = page;
    entry->user_count = 1;
}

void guest_move_apic_page(struct guest *guest, uint64_t old_page, uint64_t new_page)
{
    spinlock_acquire(&guest->apic_pages_lock);
    leave_apic_page(guest, old_page);
    enter_apic_page(guest, new_page);
    spinlock_release(&guest->apic_pages_lock);
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
