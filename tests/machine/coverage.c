// SPDX-License-Identifier: BSD-2-Clause
/* Sends what gcc's --coverage has counted in the monitor to the emulator's debug port, right before
 * the machine is switched off. Only the build of `make coverage-machine` has this file: the linker
 * replaces calls of power_off there (--wrap=power_off). tests/coverage_machine.py reads the text.
 * "Using the GNU Compiler Collection", 10.6 "Profiling and Test Coverage in Freestanding
 * Environments". */
#include "arch/x86/cpu.h"
#include "arch/x86/instructions.h"
#include "vmm/base/format.h"
#include "vmm/monitor/power.h"

#include <gcov.h>

/* Bochs' port_e9_hack and QEMU's isa-debugcon write each byte to a file. */
#define DEBUG_PORT 0xe9

/* One pointer for each object (-fprofile-info-section); linker.ld places them. */
extern const struct gcov_info *const coverage_begin[], *const coverage_end[];

void __real_power_off(void);
void __wrap_power_off(void);

/* libgcov refers to these. It calls them only for kinds of counters that --coverage does not have. */
void __gcov_merge_add(int64_t *counters, unsigned count);
void *mmap(void *address, size_t length, int protection, int flags, int file, long offset);
_Noreturn void abort(void);

void __gcov_merge_add(int64_t *counters, unsigned count)
{
    (void)counters;
    (void)count;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, long offset)
{
    (void)address;
    (void)length;
    (void)protection;
    (void)flags;
    (void)file;
    (void)offset;
    return NULL;
}

_Noreturn void abort(void)
{
    cpu_stop();
}

static void send_text(const char *text)
{
    for (; *text != '\0'; text++)
        outb(DEBUG_PORT, (uint8_t)*text);
}

static void begin_object(const char *name, void *bytes)
{
    (void)bytes;
    send_text("object ");
    send_text(name);
    send_text("\n");
}

static void send_data(const void *data, unsigned size, void *bytes)
{
    const char digits[] = "0123456789abcdef";
    const uint8_t *from = data;

    for (unsigned i = 0; i < size; i++) {
        outb(DEBUG_PORT, (uint8_t)digits[from[i] >> 4]);
        outb(DEBUG_PORT, (uint8_t)digits[from[i] & 15]);
    }
    *(size_t *)bytes += size;
}

static void *allocate_nothing(unsigned size, void *bytes)
{
    (void)size;
    (void)bytes;
    return NULL;
}

static void send_counts(void)
{
    size_t bytes = 0;
    char end[64];

    send_text("\ncoverage begin\n");
    for (const struct gcov_info *const *info = coverage_begin; info < coverage_end; info++) {
        __gcov_info_to_gcda(*info, begin_object, send_data, allocate_nothing, &bytes);
        send_text("\n");
    }
    (void)format_text(end, sizeof(end), "coverage end %lu objects %lu bytes\n",
                      (size_t)(coverage_end - coverage_begin), bytes);
    send_text(end);
}

void __wrap_power_off(void)
{
    send_counts();
    __real_power_off();
}
