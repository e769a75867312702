// SPDX-License-Identifier: BSD-2-Clause
/* The memory that the monitor asks for against what it allocates: the same structures, stacks, EPT,
 * buses and attachments in a heap of the computed size, on the largest machine and on small ones. */
#include "tests/unit/unit.h"

#include "vmm/host/address_space.c"
#include "vmm/monitor/demand.c"

#include "arch/x86/memory/ept.h"
#include "vmm/attachments/attachments.h"
#include "vmm/memory/heap.h"

#include <stdlib.h>
#include <string.h>

static struct boot_info boot;
static struct attachment_spec specs[4];
static struct heap heap;
static void *region;
static struct iobus_reader *readers[2 * BOOT_CPUS_MAX];
static size_t reader_count;

static void on_damage(const char *message)
{
    fail_msg("%s", message);
}

static struct memory_demand open_heap(void)
{
    struct memory_demand demand = demand_memory(&boot);

    assert_int_equal(demand.total_bytes % PAGE_SIZE_LARGE, 0);
    boot.image = HPA(0x7e001000);
    boot.image_bytes = 4 * MIB;
    boot.text = HPA(0x7e002000);
    boot.text_bytes = MIB;
    boot.data = HPA(0x7e203000);
    boot.data_bytes = MIB;
    boot.acpi.ioapic_count = HOST_ACPI_IOAPICS_MAX;
    for (unsigned i = 0; i < HOST_ACPI_IOAPICS_MAX; i++)
        boot.acpi.ioapics[i].base = HPA(0xfec00000 + 0x1000 * i);
    region = aligned_alloc(PAGE_SIZE_LARGE, demand.total_bytes);
    assert_non_null(region);
    boot.heap = HPA((uint64_t)region);
    boot.heap_bytes = demand.total_bytes;
    assert_int_equal(heap_init(&heap, region, demand.total_bytes), STATUS_OK);
    if (boot.heap_poisons)
        heap_poison(&heap, on_damage);
    return demand;
}

static void close_heap(void)
{
    while (reader_count > 0)
        free(readers[--reader_count]);
    free(region);
}

static void take(uint64_t size_bytes, uint64_t alignment_bytes)
{
    assert_non_null(heap_allocate(&heap, size_bytes, alignment_bytes));
}

static void *heap_page(void *context)
{
    return heap_allocate(context, PAGE_SIZE, PAGE_SIZE);
}

static const struct page_source source = {.allocate = heap_page, .context = &heap};
static const struct address_space_machine machine = {.levels = 5, .local_apic = {0xfee00000}};

/* What vmm/host/cpus.c allocates for a processor. */
static void take_processor(void)
{
    uint64_t stacks[CPUS_STACK_COUNT];
    struct page_table table;

    take(sizeof(struct cpu), _Alignof(struct cpu));
    assert_int_equal(address_space_create(&table, &boot, &machine, &source), STATUS_OK);
    for (unsigned i = 0; i < CPUS_STACK_COUNT; i++) {
        stacks[i] = (uint64_t)heap_allocate(&heap, PAGE_SIZE + CPUS_STACK_BYTES, PAGE_SIZE);
        assert_int_not_equal(stacks[i], 0);
        assert_int_equal(page_table_unmap(&table, stacks[i], PAGE_SIZE), STATUS_OK);
    }
    take(PAGE_SIZE, PAGE_SIZE); /* VMXON */
}

static void take_ept(uint64_t memory_bytes)
{
    static const struct ept_capabilities capabilities = {.largest_page_bytes = PAGE_SIZE_LARGE,
                                                         .physical_address_bits = 46};
    struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX];
    size_t count = guest_ram_blocks(memory_bytes, blocks);
    struct ept ept;

    assert_int_equal(ept_init(&ept, &capabilities, &source), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ept_map(&ept, blocks[i].gpa, HPA(8 * GIB + blocks[i].offset_bytes),
                                 blocks[i].size_bytes, EPT_ALL, EPT_WRITE_BACK),
                         STATUS_OK);
    assert_int_equal(ept_map(&ept, GPA(0xfee00000), HPA(MIB), PAGE_SIZE, EPT_ALL, EPT_WRITE_BACK),
                     STATUS_OK);
}

/* The guest's own heap. */
static struct heap guest_heap;

static void *bus_memory(void *context, size_t size_bytes, size_t alignment_bytes)
{
    return heap_allocate(context, size_bytes, alignment_bytes);
}

static void release_bus_memory(void *context, void *memory, size_t size_bytes)
{
    (void)size_bytes;
    heap_release(context, memory);
}

static uint64_t now(void *context)
{
    (void)context;
    return 0;
}

static enum io_outcome handle(void *context, struct io_access *access)
{
    (void)context;
    (void)access;
    return IO_HANDLED;
}

static void attach_reader(struct iobus *bus)
{
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader)); /* part of a vCPU */

    assert_non_null(reader);
    readers[reader_count++] = reader;
    assert_int_equal(iobus_reader_attach(bus, reader, NULL), STATUS_OK);
    iobus_reader_park(reader);
}

/* A board of as many ranges as ours, the vCPUs' readers, then the attachments. */
static void take_buses(const struct guest_config *guest)
{
    const struct iobus_allocator from_heap = {bus_memory, release_bus_memory, &guest_heap};
    struct iobus *ports = heap_allocate(&heap, sizeof(*ports), 64);
    struct iobus *mmio = heap_allocate(&heap, sizeof(*mmio), 64);
    struct attachments *set = heap_allocate(&heap, sizeof(*set), 64);
    struct attachments_setup setup = {
        .ports = ports, .mmio = mmio, .allocator = from_heap, .now_ns = now};
    char message[ATTACHMENT_MESSAGE_BYTES];
    struct iobus_handle handles[40];

    assert_int_equal(
        heap_init_inside(&guest_heap, &heap, demand_heap(guest) * (boot.heap_poisons ? 2 : 1)),
        STATUS_OK);
    assert_int_equal(iobus_init(ports, IOBUS_PORT_LAST, &from_heap, NULL), STATUS_OK);
    assert_int_equal(iobus_init(mmio, IOBUS_MMIO_LAST, &from_heap, NULL), STATUS_OK);
    for (unsigned i = 0; i < ARRAY_COUNT(handles); i++) {
        const struct iobus_range range = {.name = "chip",
                                          .first = 0x10 * i,
                                          .length_bytes = 8,
                                          .access_sizes = 1,
                                          .handler = handle};

        assert_int_equal(iobus_register(ports, &range, &handles[i], NULL), STATUS_OK);
    }
    for (uint32_t i = 0; i < guest->cpu_count; i++) {
        attach_reader(ports);
        attach_reader(mmio);
    }
    attachments_init(set, &setup);
    assert_int_equal(attachments_attach_all(set, guest->attachments, guest->attachment_count,
                                            message, sizeof(message)),
                     STATUS_OK);
}

static void take_guest(const struct guest_config *guest)
{
    struct page_table window;

    take(sizeof(struct guest), _Alignof(struct guest));
    take(guest->cpu_count * sizeof(struct vcpu), _Alignof(struct vcpu));
    for (uint32_t i = 0; i < guest->cpu_count; i++)
        take(VCPU_PAGES * PAGE_SIZE, PAGE_SIZE);
    take(PAGE_SIZE, PAGE_SIZE); /* APIC-access page */
    if (guest->has_testdev)
        take(TESTDEV_MEMORY_BYTES, PAGE_SIZE);
    take_ept(guest->memory_bytes);
    assert_int_equal(window_create(&window, guest, &machine, &source), STATUS_OK);
    take_buses(guest);
}

static void configure(size_t cpu_count, size_t guest_count, const struct guest_config *guest,
                      enum schedule schedule)
{
    boot.cpu_count = cpu_count;
    boot.guest_count = guest_count;
    boot.schedule = schedule;
    for (size_t i = 0; i < guest_count; i++) {
        boot.guests[i] = *guest;
        boot.guests[i].number = (uint32_t)i;
        boot.guests[i].ram = (struct ram_pieces){
            .piece = {{HPA(8 * GIB), 2 * MIB}, {HPA(9 * GIB), guest->memory_bytes - 2 * MIB}},
            .count = 2};
        boot.guests[i].kernel = (struct blob){(const uint8_t *)0x1ffff0, 3 * MIB};
        boot.guests[i].initrd = (struct blob){(const uint8_t *)0x40001000, 20 * MIB};
    }
}

/* Allocates all, with the spares, and checks that what is attached at the prompt has room. */
static void run_once(void)
{
    uint32_t processors = demand_processors(&boot) + SPARE_PROCESSORS;

    open_heap();
    if (processors > boot.cpu_count)
        processors = (uint32_t)boot.cpu_count;
    for (uint32_t i = 0; i < processors; i++)
        take_processor();
    for (size_t i = 0; i < boot.guest_count; i++) {
        take_guest(&boot.guests[i]);
        if (boot.schedule == SCHEDULE_SEQUENCE)
            break; /* the others take its place */
    }
    assert_true(heap_measure(&heap).largest_free_bytes >= SHARED_BYTES * 3 / 4);
    close_heap();
}

/* Also with a heap that poisons, where everything takes more. */
static void run(void)
{
    run_once();
    boot.heap_poisons = true;
    run_once();
    boot.heap_poisons = false;
}

static void test_largest_machine(void **state)
{
    const struct guest_config guest = {
        .cpu_count = 4, .memory_bytes = 8 * GIB, .has_testdev = true};
    const struct guest_config whole = {.cpu_count = 64, .memory_bytes = 512 * GIB};

    (void)state;
    configure(BOOT_CPUS_MAX, BOOT_GUESTS_MAX, &guest, SCHEDULE_PARALLEL);
    assert_int_equal(demand_processors(&boot), 256);
    run();
    configure(BOOT_CPUS_MAX, 4, &whole, SCHEDULE_PARALLEL);
    assert_int_equal(demand_processors(&boot), 256);
    run();
}

/* Few guests need little, on any machine: processors that no guest uses cost nothing, except the
 * spare ones. */
static void test_small_demands(void **state)
{
    const struct guest_config guest = {.cpu_count = 2, .memory_bytes = 256 * MIB};
    uint64_t alone_bytes, spare_bytes;

    (void)state;
    configure(2, 1, &guest, SCHEDULE_PARALLEL);
    run();
    alone_bytes = demand_memory(&boot).total_bytes;
    assert_true(alone_bytes <= 20 * MIB);
    configure(2 + SPARE_PROCESSORS, 1, &guest, SCHEDULE_PARALLEL);
    run();
    spare_bytes = demand_memory(&boot).total_bytes;
    configure(BOOT_CPUS_MAX, 1, &guest, SCHEDULE_PARALLEL);
    assert_int_equal(demand_memory(&boot).total_bytes, spare_bytes);
    assert_int_equal(demand_processors(&boot), 2);
    configure(BOOT_CPUS_MAX, BOOT_GUESTS_MAX, &guest, SCHEDULE_SEQUENCE);
    assert_int_equal(demand_memory(&boot).total_bytes, spare_bytes);
    assert_int_equal(demand_processors(&boot), 2);
    run();
}

/* The least heap suffices for what is configured, and its size is what the machine has to give. */
static void test_heaps(void **state)
{
    const struct guest_config guest = {
        .cpu_count = 64, .memory_bytes = 256 * MIB, .heap_bytes = 64 * MIB};
    uint64_t large_bytes;

    (void)state;
    configure(64, 1, &guest, SCHEDULE_PARALLEL);
    assert_int_equal(demand_heap(&boot.guests[0]), 64 * MIB);
    large_bytes = demand_memory(&boot).guests_bytes;
    boot.guests[0].heap_bytes = 0;
    assert_int_equal(demand_heap(&boot.guests[0]),
                     demand_heap_least(&boot.guests[0]) + HEAP_SPARE_BYTES);
    assert_int_equal(large_bytes - demand_memory(&boot).guests_bytes,
                     64 * MIB - demand_heap(&boot.guests[0]));
    boot.guests[0].heap_bytes = demand_heap_least(&boot.guests[0]);
    assert_true(boot.guests[0].heap_bytes < 2 * MIB);
    run();
}

/* Of a sequence, the largest guest decides. */
static void test_sequence(void **state)
{
    const struct guest_config small = {.cpu_count = 1, .memory_bytes = 16 * MIB};
    struct memory_demand demand;

    (void)state;
    configure(8, 3, &small, SCHEDULE_SEQUENCE);
    demand = demand_memory(&boot);
    boot.guests[1].cpu_count = 6;
    boot.guests[2].memory_bytes = 64 * GIB;
    assert_int_equal(demand_processors(&boot), 6);
    assert_true(demand_memory(&boot).guests_bytes > demand.guests_bytes);
    assert_true(demand_memory(&boot).processors_bytes > demand.processors_bytes);
    boot.schedule = SCHEDULE_PARALLEL;
    assert_int_equal(demand_processors(&boot), 8);
}

/* As many doorbells as one line can give, on one bus, and the largest rings. */
static void test_attachments(void **state)
{
    struct guest_config guest = {
        .cpu_count = 1, .memory_bytes = 16 * MIB, .attachments = specs, .attachment_count = 1};
    static const char *const lines[] = {
        "bells mmio 0x10000000 width 4 count 16384",
        "bells mmio 0x10000000 width 8 data 0 count 16384",
        "bells port 0x8000 count 16384",
    };
    char message[ATTACHMENT_MESSAGE_BYTES];
    uint64_t bare_bytes;

    (void)state;
    guest.attachment_count = 0;
    configure(1, 1, &guest, SCHEDULE_PARALLEL);
    bare_bytes = demand_memory(&boot).total_bytes;
    guest.attachment_count = 1;
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_int_equal(attachment_spec_parse_line(ATTACHMENT_DOORBELL, lines[i], strlen(lines[i]),
                                                    &specs[0], message, sizeof(message)),
                         STATUS_OK);
        configure(1, 1, &guest, SCHEDULE_PARALLEL);
        assert_true(demand_memory(&boot).total_bytes >= bare_bytes + 16384 * DOORBELL_BYTES);
        run();
        boot.cpu_count = boot.guests[0].cpu_count = 64;
        run();
        boot.guests[0].heap_bytes = demand_heap_least(&boot.guests[0]);
        run();
    }
    specs[0] = (struct attachment_spec){
        .kind = ATTACHMENT_ZONE, .ring_entries = ATTACHMENT_RING_MAX, .length_bytes = 8};
    assert_true(demand_memory(&boot).attachments_bytes >
                ATTACHMENT_RING_MAX * sizeof(struct coalesced_write));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_machine), cmocka_unit_test(test_small_demands),
        cmocka_unit_test(test_heaps),           cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_attachments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
