// SPDX-License-Identifier: BSD-2-Clause
/* The processors, each a thread. */
#include "tests/fake/processor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AP_FUNCTION 48 /* in the page behind the trampoline (ap_trampoline.asm) */
#define AP_CONTEXT  56
#define AP_APIC_ID  64
#define PAGE_BYTES  4096

static struct fake_processor processors[FAKE_PROCESSORS_MAX];
static unsigned processor_count;
static _Thread_local struct fake_processor *this_processor;

struct fake_processor *fake_this(void)
{
    if (this_processor == NULL)
        fake_misuse("this thread is no processor: fake_begin makes it one");
    return this_processor;
}

struct fake_processor *fake_processor_at(unsigned index)
{
    if (index >= processor_count)
        fake_misuse("there is no processor %u", index);
    return &processors[index];
}

unsigned fake_processor_count(void)
{
    return processor_count;
}

void fake_misuse(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("fake processor: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void fake_begin(unsigned count)
{
    if (count == 0 || count > FAKE_PROCESSORS_MAX)
        fake_misuse("%u processors: has to be 1 to %u", count, FAKE_PROCESSORS_MAX);
    for (unsigned i = 1; i < processor_count; i++) {
        if (processors[i].state == FAKE_RUNNING)
            fake_misuse("processor %u of the machine before still runs", i);
    }
    fake_time_begin();
    fake_cpuid_reset();
    fake_ports_begin();
    processor_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct fake_processor *processor = &processors[i];

        fake_guest_forget(&processor->guest);
        memset(processor, 0, sizeof(*processor));
        processor->index = i;
        processor->apic_id = i;
        processor->guest.processor = processor;
        fake_registers_reset(processor);
        fake_msrs_reset(processor);
        fake_apic_reset(processor);
    }
    this_processor = &processors[0];
    processors[0].state = FAKE_RUNNING;
}

/* What the start-up code calls. */
struct entry {
    void (*function)(void *context);
    void *context;
};

static void *run(void *argument)
{
    struct fake_processor *processor = argument;
    struct entry entry;
    const uint8_t *parameters = (const uint8_t *)processor->cr3; /* until the code sets it */

    this_processor = processor;
    memcpy(&entry.function, parameters + AP_FUNCTION, sizeof(entry.function));
    memcpy(&entry.context, parameters + AP_CONTEXT, sizeof(entry.context));
    entry.function(entry.context);
    fake_misuse("processor %u has come back from its first function", processor->index);
}

void fake_start_up(struct fake_processor *processor, uint8_t page)
{
    uint64_t parameters = ((uint64_t)page + 1) * PAGE_BYTES;
    uint32_t wanted;

    memcpy(&wanted, (const uint8_t *)parameters + AP_APIC_ID, sizeof(wanted));
    if (wanted != processor->apic_id)
        return; /* the code halts a processor that nobody waits for */
    processor->cr3 = parameters;
    processor->state = FAKE_RUNNING;
    processor->has_init = false;
    if (pthread_create(&processor->thread, NULL, run, processor) != 0)
        fake_misuse("no thread for processor %u", processor->index);
    (void)pthread_detach(processor->thread);
}
