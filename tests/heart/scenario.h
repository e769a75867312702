// SPDX-License-Identifier: BSD-2-Clause
/* The monitor as a whole, from what boot hands over to the end of the machine, in a process of its
 * own: the monitor starts once. */
#ifndef TESTS_HEART_SCENARIO_H
#define TESTS_HEART_SCENARIO_H

#include "tests/heart/heart.h"

/* What boot hands over; scenario_begin fills it in. */
extern struct boot_info scenario_boot;

/* What the serial line showed in the last scenario. */
extern char *scenario_output;

/* Makes a machine of so many processors, with a serial line whose interrupt works. The firmware
 * switches off when it is asked. Called first in a scenario. */
void scenario_begin(unsigned processors);

/* Adds a guest of the configuration. */
struct guest_config *scenario_guest(const char *name, uint32_t cpu_count);

/* Runs the scenario in a process: the function, which calls scenario_begin and sets the guests, and
 * then the monitor until the first processor stops. A process that does not end well fails the
 * test. */
void scenario_run(void (*scenario)(void));

/* Fail the test unless the serial line showed the text, or if it did. */
void scenario_expect(const char *text);
void scenario_expect_not(const char *text);

#endif
