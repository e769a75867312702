// SPDX-License-Identifier: BSD-2-Clause
#include "tests/heart/scenario.h"

#include "arch/x86/ap_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define AP_AREA      UINT64_C(0x80000)
#define OUTPUT_BYTES (256 * 1024)

struct boot_info scenario_boot;
char *scenario_output;

static void switch_off_at_once(hpa_t services)
{
    (void)services;
    fake_stop_here();
}

void scenario_begin(unsigned processors)
{
    fake_begin(processors);
    fake_serial_begin(true);
    fake_ioapic_begin();
    scenario_boot = (struct boot_info){
        .memory = {{.base = HPA(0), .size_bytes = UINT64_C(1) << 47, .kind = MEMORY_RAM}},
        .memory_count = 1,
        .heap_bytes = 256 * MIB,
        .cpu_count = processors,
        .ap_area = HPA(AP_AREA),
        .acpi = {.ioapics = {{.base = HPA(FAKE_IOAPIC_BASE)}}, .ioapic_count = 1},
        .tsc = {.frequency_hz = FAKE_TSC_HZ, .clock = TSC_BY_CPUID},
        .wall_clock_seconds = 1700000000,
        .firmware_power_off = switch_off_at_once,
        .console_port = FAKE_SERIAL_PORT,
        .console_baud = 115200,
        .on_last_exit = ON_LAST_EXIT_POWEROFF,
        .schedule = SCHEDULE_PARALLEL,
    };
    for (unsigned i = 0; i < processors; i++)
        scenario_boot.cpu_apic_ids[i] = i;
    for (unsigned i = 0; i < HOST_ACPI_ISA_IRQS; i++)
        scenario_boot.acpi.isa_irqs[i] = (struct host_acpi_irq){.gsi = i};
    (void)mmap((void *)AP_AREA, AP_START_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

struct guest_config *scenario_guest(const char *name, uint32_t cpu_count)
{
    struct guest_config *config = &scenario_boot.guests[scenario_boot.guest_count++];

    *config = *heart_guest(name, cpu_count);
    return config;
}

static void run_monitor(void *context)
{
    (void)context;
    monitor_main(&scenario_boot);
}

/* Runs the scenario in a process of its own, which leaves what the serial line showed. */
void scenario_run(void (*scenario)(void))
{
    int status = 0;
    pid_t child;

    if (scenario_output == NULL)
        scenario_output =
            mmap(NULL, OUTPUT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child = fork();

    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        scenario();
        (void)fake_runs_to_stop(run_monitor, NULL);
        snprintf(scenario_output, OUTPUT_BYTES, "%s", fake_serial_output());
        exit(0);
    }
    assert_true(child > 0);
    scenario_output[0] = '\0';
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        print_message("%s\n", scenario_output);
    assert_int_equal(status, 0);
}

void scenario_expect(const char *text)
{
    if (strstr(scenario_output, text) == NULL) {
        print_message("%s\n", scenario_output);
        assert_string_equal("(the output above)", text);
    }
}

void scenario_expect_not(const char *text)
{
    assert_null(strstr(scenario_output, text));
}
