// SPDX-License-Identifier: BSD-2-Clause
/* Does a guest's common work, which its vCPUs do between two exits. */
#include "vmm/guest/guest.h"

#include "vmm/base/clock.h"

uint64_t guest_deadline_tsc(const struct guest *guest)
{
    uint64_t board_tsc = board_deadline_tsc(&guest->board), tsc;
    uint64_t zones_ns = attachments_next_deadline(&guest->attachments);

    if (zones_ns == TIME_NEVER)
        return board_tsc;
    tsc = guest->board.start_tsc + clock_ticks_from_ns(zones_ns);
    return tsc < board_tsc ? tsc : board_tsc;
}

static void collect(struct guest *guest)
{
    size_t waiting = iobus_reclaim(&guest->ports) + iobus_reclaim(&guest->mmio);

    atomic_store_explicit(&guest->has_garbage, waiting > 0, memory_order_relaxed);
}

void guest_collect_garbage(struct guest *guest)
{
    collect(guest);
    if (atomic_load_explicit(&guest->has_garbage, memory_order_relaxed))
        guest_notify_all(guest, ATTENTION_QUIESCE);
}

void guest_limit_garbage(struct guest *guest)
{
    if (iobus_waiting(&guest->ports) + iobus_waiting(&guest->mmio) >= GUEST_GARBAGE_TABLES)
        guest_collect_garbage(guest);
}

bool guest_work(struct guest *guest, uint64_t now_tsc)
{
    board_run_until(&guest->board, now_tsc);
    if (attachments_has_work(&guest->attachments))
        attachments_work(&guest->attachments);
    if (attachments_next_deadline(&guest->attachments) != TIME_NEVER)
        attachments_run(&guest->attachments, clock_ns_from_ticks(now_tsc - guest->board.start_tsc));
    if (atomic_load_explicit(&guest->has_garbage, memory_order_relaxed))
        collect(guest);
    return attachments_has_work(&guest->attachments) ||
           atomic_load_explicit(&guest->has_garbage, memory_order_relaxed);
}

void guest_flush_debug_line(struct guest *guest)
{
    size_t length = guest->debug_length;

    if (length == 0)
        return;
    console_print_line(&guest->console, guest->debug_line, length);
    guest->debug_length = 0;
}

void guest_notify_all(struct guest *guest, uint32_t attention)
{
    for (uint32_t i = 0; i < guest->vcpu_count; i++)
        notes_leave(guest->notes[i], attention);
}

bool guest_add_dead(struct guest *guest)
{
    uint32_t before = atomic_fetch_add_explicit(&guest->dead_count, 1, memory_order_seq_cst);

    /* A message sent before all vCPUs halted may still be unread. */
    return before + 1 >= guest->vcpu_count && !apic_bus_needs_attention(&guest->board.apics);
}

void guest_remove_dead(struct guest *guest)
{
    (void)atomic_fetch_sub_explicit(&guest->dead_count, 1, memory_order_seq_cst);
}
