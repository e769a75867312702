// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/monitor/demand.h"

#include "vmm/base/bits.h"
#include "vmm/devices/notify/coalesced_zone.h"
#include "vmm/devices/testdev.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/vcpu/vcpu.h"

/* For what all share: the monitor's and the firmware's page tables, and gaps. */
#define SHARED_BYTES (12 * MIB)

/* What a guest's heap has beyond the least, if the configuration says nothing. */
#define HEAP_SPARE_BYTES (2 * MIB)

/* A processor that turns out not to be usable keeps its memory, and another takes its place: so
 * many more are counted on. */
#define SPARE_PROCESSORS 4

/* The tables of a guest's two buses with its board, in the old and in the new form while a change
 * is made. The index of a bus of ports takes up to 260 KiB (vmm/iobus/layout.h). */
#define BUSES_BYTES (1 * MIB)

/* A doorbell of the configuration, with the tables that lead to it in both forms. */
#define DOORBELL_BYTES 2048

/* The counters of a doorbell for each vCPU: the arrays double, and the earlier ones stay. */
#define DOORBELL_COUNTER_BYTES 64

/* A zone or a trigger, without a zone's ring. */
#define ATTACHMENT_BYTES 4096

/* EPT: besides the pages that map the RAM in pages of 2 MiB, the two highest levels, the pages of 4
 * KiB at the edges of blocks, and the local APICs' page. */
#define EPT_PAGES_FIXED (3 + 2 * GUEST_RAM_BLOCKS_MAX + 3)

/* The tables of a guest's window (vmm/host/address_space.h), in the same way, with its files. */
#define WINDOW_PAGES_FIXED 16

static uint64_t vcpu_bytes(void)
{
    return align_up(sizeof(struct vcpu), PAGE_SIZE) + VCPU_PAGES * PAGE_SIZE;
}

static uint64_t tables_bytes(uint64_t memory_bytes)
{
    return (EPT_PAGES_FIXED + WINDOW_PAGES_FIXED + 2 * (memory_bytes / GIB + 1)) * PAGE_SIZE;
}

static uint64_t attachment_bytes(const struct attachment_spec *spec, uint32_t cpu_count)
{
    if (spec->kind == ATTACHMENT_DOORBELL)
        return spec->count * (DOORBELL_BYTES + (uint64_t)cpu_count * DOORBELL_COUNTER_BYTES);
    return ATTACHMENT_BYTES + (uint64_t)spec->ring_entries * sizeof(struct coalesced_write);
}

static uint64_t attachments_bytes(const struct guest_config *guest)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < guest->attachment_count; i++)
        sum += attachment_bytes(&guest->attachments[i], guest->cpu_count);
    return sum;
}

uint64_t demand_heap_least(const struct guest_config *guest)
{
    uint64_t bytes = BUSES_BYTES + attachments_bytes(guest);

    return align_up(bytes + bytes / 64, PAGE_SIZE); /* with the heap's descriptors */
}

uint64_t demand_heap(const struct guest_config *guest)
{
    return guest->heap_bytes != 0 ? guest->heap_bytes : demand_heap_least(guest) + HEAP_SPARE_BYTES;
}

/* Without what is attached, which is part of the guest's heap. */
static uint64_t guest_bytes(const struct guest_config *guest)
{
    return align_up(sizeof(struct guest), PAGE_SIZE) + guest->cpu_count * vcpu_bytes() +
           tables_bytes(guest->memory_bytes) + PAGE_SIZE /* APIC-access page */ +
           (guest->has_testdev ? TESTDEV_MEMORY_BYTES : 0) +
           align_up(demand_heap(guest), PAGE_SIZE) - attachments_bytes(guest);
}

/* Adds a guest to the sum, or keeps the larger of both if only one of them exists at a time. */
static void add_demand(uint64_t *total, uint64_t one, enum schedule schedule)
{
    if (schedule == SCHEDULE_PARALLEL)
        *total += one;
    else if (one > *total)
        *total = one;
}

uint32_t demand_processors(const struct boot_info *boot)
{
    uint64_t count = 0;

    for (size_t i = 0; i < boot->guest_count; i++)
        add_demand(&count, boot->guests[i].cpu_count, boot->schedule);
    return (uint32_t)count;
}

struct memory_demand demand_memory(const struct boot_info *boot)
{
    uint64_t processors = demand_processors(boot) + SPARE_PROCESSORS;
    struct memory_demand demand = {.processors_bytes = 0};

    if (processors > boot->cpu_count)
        processors = boot->cpu_count;
    demand.processors_bytes = processors * CPUS_HEAP_BYTES;
    for (size_t i = 0; i < boot->guest_count; i++) {
        add_demand(&demand.guests_bytes, guest_bytes(&boot->guests[i]), boot->schedule);
        add_demand(&demand.attachments_bytes, attachments_bytes(&boot->guests[i]), boot->schedule);
    }
    demand.total_bytes =
        SHARED_BYTES + demand.processors_bytes + demand.guests_bytes + demand.attachments_bytes;
    if (boot->heap_poisons)
        demand.total_bytes *= 2;                   /* a page more for each page */
    demand.total_bytes += demand.total_bytes / 64; /* the heap's descriptors */
    demand.total_bytes = align_up(demand.total_bytes, PAGE_SIZE_LARGE);
    return demand;
}
