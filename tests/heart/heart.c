// SPDX-License-Identifier: BSD-2-Clause
#include "tests/heart/heart.h"

#include "arch/x86/ap_start.h"
#include "arch/x86/lapic.h"
#include "arch/x86/paging.h"
#include "vmm/base/clock.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define AP_AREA    UINT64_C(0x80000)
#define HEAP_BYTES (256 * MIB)
#define GUESTS_MAX 16
#define CODE_BYTES 16

struct boot_info heart_boot;
struct heap heart_heap;
const struct guest_environment heart_environment = {.boot = &heart_boot, .heap = &heart_heap};

static void need(bool condition, const char *what)
{
    if (!condition)
        fake_misuse("the monitor does not start: %s", what);
}

static void fill_boot_info(unsigned processor_count)
{
    void *area = mmap((void *)AP_AREA, AP_START_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    need(area == (void *)AP_AREA || processor_count == 1, "no memory below 1 MiB");
    heart_boot = (struct boot_info){
        .cpu_count = processor_count,
        .ap_area = HPA(AP_AREA),
        .tsc = {.frequency_hz = FAKE_TSC_HZ, .clock = TSC_BY_CPUID},
        .wall_clock_seconds = 1700000000,
        .console_port = FAKE_SERIAL_PORT,
        .console_baud = 115200,
        .on_last_exit = ON_LAST_EXIT_POWEROFF,
    };
    for (unsigned i = 0; i < processor_count; i++)
        heart_boot.cpu_apic_ids[i] = i;
}

void heart_begin(unsigned processor_count)
{
    char message[256];

    /* A failure in a guest, on another stack or thread, cannot go on with the next test. */
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
    if (fake_processor_count() == 0)
        fake_begin(processor_count);
    fake_serial_begin(false);
    fill_boot_info(processor_count);
    cpus_begin();
    need(console_init(FAKE_SERIAL_PORT, 115200) == STATUS_OK, "the console");
    need(heap_init(&heart_heap, NULL, HEAP_BYTES) == STATUS_OK, "the heap");
    need(cpus_init(&heart_boot, &heart_heap) == STATUS_OK, "the first processor");
    need(paging_enable(&cpu_this()->page_table) == STATUS_OK, "paging");
    need(lapic_init() == STATUS_OK, "the local APIC");
    clock_init(FAKE_TSC_HZ);
    if (cpus_enable_vmx(message, sizeof(message)) != STATUS_OK)
        need(false, message);
    cpus_start_others(&heart_boot, processor_count);
    need(cpus_count() == processor_count, "the other processors");
    console_poll();
}

void heart_end(void)
{
    cpus_stop_others();
}

struct guest_config *heart_guest(const char *name, uint32_t cpu_count)
{
    static struct guest_config configs[GUESTS_MAX];
    static uint8_t code[CODE_BYTES] = {0xf4, 0xeb, 0xfd}; /* HLT, and back */
    static unsigned count;
    struct guest_config *config = &configs[count];
    void *ram = NULL;

    need(count++ < GUESTS_MAX, "more guests than there is room for");
    need(posix_memalign(&ram, PAGE_SIZE_LARGE, HEART_RAM_BYTES) == 0, "a guest's memory");
    *config = (struct guest_config){
        .kernel = {code, sizeof(code)},
        .format_name = "flat 16-bit binary",
        .cpu_count = cpu_count,
        .memory_bytes = HEART_RAM_BYTES,
        .ram = {.piece = {{HPA((uint64_t)ram), HEART_RAM_BYTES}}, .count = 1},
    };
    strncpy(config->name, name, sizeof(config->name) - 1);
    return config;
}

struct guest *heart_create(const struct guest_config *config)
{
    struct guest *guest = heap_allocate(&heart_heap, sizeof(*guest), _Alignof(struct guest));

    need(guest != NULL && guest_create(guest, config, &heart_environment) == STATUS_OK, "a guest");
    return guest;
}

void heart_start(struct guest *guest)
{
    need(guest_start(guest, &heart_environment) == STATUS_OK, "a guest does not start");
}

void heart_destroy(struct guest *guest)
{
    guest_destroy(guest, &heart_environment);
    heap_release(&heart_heap, guest);
}

struct guest *heart_run(void (*function)(struct fake_guest *guest), void *context)
{
    static struct guest_config *config;

    if (config == NULL)
        config = heart_guest("one", 1);
    return heart_run_as(config, function, context);
}

struct guest *heart_run_as(const struct guest_config *config,
                           void (*function)(struct fake_guest *guest), void *context)
{
    struct guest *guest = heart_create(config);

    heart_start(guest);
    fake_set_guest(0, function, context);
    guest_run(guest);
    return guest;
}
