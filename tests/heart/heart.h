// SPDX-License-Identifier: BSD-2-Clause
/* What tests of the heart begin with: a fake machine on which the monitor has started, and guests
 * for it. */
#ifndef TESTS_HEART_HEART_H
#define TESTS_HEART_HEART_H

#include "tests/unit/unit.h"

#include "tests/fake/fake.h"
#include "tests/fake/guest.h"
#include "tests/fake/heap.h"
#include "tests/fake/serial.h"
#include "vmm/guest/guest.h"
#include "vmm/memory/heap.h"
#include "vmm/vcpu/vcpu.h"

#define HEART_RAM_BYTES (4 * MIB)

/* The facts of the boot stage; a test may change them before it uses them. */
extern struct boot_info heart_boot;
extern struct heap heart_heap;
extern const struct guest_environment heart_environment;

/* Starts a machine of so many processors and the monitor on it, as monitor_main does. Once in a
 * program, as the monitor starts once. */
void heart_begin(unsigned processor_count);

/* Ends the other processors' threads. */
void heart_end(void);

/* Returns the configuration of a guest with so many vCPUs and HEART_RAM_BYTES of memory: a flat
 * binary whose code is HLT, as the test's function stands for it. Each call returns another one, with
 * memory of its own. */
struct guest_config *heart_guest(const char *name, uint32_t cpu_count);

/* Creates and starts a guest, or fails the test; the last one destroys it. */
struct guest *heart_create(const struct guest_config *config);
void heart_start(struct guest *guest);
void heart_destroy(struct guest *guest);

/* Creates and starts a guest of one vCPU, runs it with this function, and returns it. The second one
 * takes the guest's configuration. */
struct guest *heart_run(void (*function)(struct fake_guest *guest), void *context);
struct guest *heart_run_as(const struct guest_config *config,
                           void (*function)(struct fake_guest *guest), void *context);

/* Destroys a guest, and fails the test unless it had ended with 0 at its debug exit port. */
static inline void heart_expect_exit(struct guest *guest)
{
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_string_equal(guest->end.reason, "wrote to the debug exit port");
    assert_int_equal(guest->end.exit_code, 1);
    heart_destroy(guest);
}

/* Defines the test of a function that is a guest; the file's run() runs it. */
#define HEART_TEST(function)                                                                       \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        run(function);                                                                             \
    }

#endif
