// SPDX-License-Identifier: BSD-2-Clause
/* A fake machine for host tests: processors with VT-x as the headers in tests/fake/arch/x86 use
 * them, their local APICs, ports, device memory and time. With it all rooms of the monitor compile
 * and run as they are. Each fake processor is a thread; the test's own thread is processor 0. What a
 * processor would refuse ends the test with a message ("fake processor: ...").
 *
 * Time is the test's. Each RDTSC takes one tick, and a PAUSE pause_ticks. When all processors wait,
 * in HLT or in guests that wait, time goes on to the next deadline of one of them. */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include "arch/x86/registers.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_PROCESSORS_MAX 16
#define FAKE_TSC_HZ         UINT64_C(2000000000) /* as its CPUID says */
#define FAKE_APIC_BASE      UINT64_C(0xfee00000)
#define FAKE_NEVER          UINT64_MAX

struct fake_processor;

/* Makes a new machine of so many processors, as the firmware leaves them: the first one runs, in
 * long mode, the others wait for INIT. Processor n has APIC ID n. Called first, on the thread that
 * is processor 0. */
void fake_begin(unsigned processor_count);

/* Ends the test with this message. */
_Noreturn void fake_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The processor of this thread, and any. */
struct fake_processor *fake_this(void);
struct fake_processor *fake_processor_at(unsigned index);
unsigned fake_processor_count(void);

/* --- Time --- */

uint64_t fake_now(void);
void fake_advance(uint64_t ticks);
void fake_set_pause_ticks(uint64_t ticks);

/* --- What the processors are; to be set before the monitor looks --- */

void fake_set_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_result result);
struct cpuid_result fake_get_cpuid(uint32_t leaf, uint32_t subleaf);

/* Set an MSR of one processor, or of all that exist (index -1), whatever WRMSR allows. A removed MSR
 * raises #GP. */
void fake_set_msr(int processor, uint32_t msr, uint64_t value);
uint64_t fake_get_msr(unsigned processor, uint32_t msr);
void fake_remove_msr(uint32_t msr);

/* Gives all processors APIC virtualization, which they lack at first. */
void fake_add_apic_virtualization(void);

/* --- Devices --- */

/* A range of ports, or of device memory: 32-bit accesses, and writes of a byte. The last one that is
 * given for an address answers. Other ports read ones, other memory ends the test. size is in
 * bytes. */
struct fake_device {
    uint32_t (*read)(void *context, uint64_t address, unsigned size);
    void (*write)(void *context, uint64_t address, unsigned size, uint32_t value);
    void *context;
};

void fake_set_ports(uint16_t first, uint16_t last, const struct fake_device *device);
void fake_set_memory(uint64_t first, uint64_t last, const struct fake_device *device);

/* An interrupt from outside at the local APIC, or an NMI. Any thread may call them. */
void fake_raise_interrupt(unsigned processor, uint8_t vector);
void fake_raise_nmi(unsigned processor);

/* A processor that halts for good ends its thread; processor 0 ends the test, or, within
 * fake_runs_to_stop, that call: it calls function and returns true if the processor stopped, false
 * if the function returned. */
bool fake_runs_to_stop(void (*function)(void *context), void *context);

/* Stops this processor for good, as a firmware does that switches the machine off. */
_Noreturn void fake_stop_here(void);

/* What the next failed CHECK or fatal error of this thread says is compared with this text instead
 * of ending the test; then the processor stops. Called within fake_runs_to_stop. */
void fake_expect_fatal(const char *text);

#endif
