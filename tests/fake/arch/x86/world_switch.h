// SPDX-License-Identifier: BSD-2-Clause
/* The way into the guest of arch/x86/world_switch.h: fake_world_switch.c runs the guest that the
 * test has written (tests/fake/guest.h). */
#ifndef ARCH_X86_WORLD_SWITCH_H
#define ARCH_X86_WORLD_SWITCH_H

#include <stdint.h>

void world_switch_begin(uint64_t *frame, uint64_t *stack);
uint64_t world_switch_enter(void **registers, uint64_t *exited_tsc);
void world_switch_exit(void);

#endif
