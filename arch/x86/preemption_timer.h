// SPDX-License-Identifier: BSD-2-Clause
/* Knows processors whose VMX-preemption timer is faulty. */
#ifndef ARCH_X86_PREEMPTION_TIMER_H
#define ARCH_X86_PREEMPTION_TIMER_H

#include <stdint.h>

/* Returns the name of the processors with this signature (CPUID.1:EAX, reserved bits ignored) if
 * their VMX-preemption timer is known to be faulty, else null. The signature contains the stepping,
 * so another stepping of the same model may be sound. Pure. Intel's specification updates, erratum
 * "VMX-Preemption Timer Does Not Count Down at the Rate Specified". */
const char *preemption_timer_errs_on(uint32_t signature);

#endif
