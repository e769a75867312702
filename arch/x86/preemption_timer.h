// SPDX-License-Identifier: BSD-2-Clause
/* Processors whose VMX-preemption timer cannot be relied on. */
#ifndef ARCH_X86_PREEMPTION_TIMER_H
#define ARCH_X86_PREEMPTION_TIMER_H

#include <stdint.h>

/* Says which processors have this signature (CPUID.1:EAX, reserved bits ignored), if their
 * VMX-preemption timer is known to err; null: it is not. A signature holds the stepping, so that
 * another one of the same model may be sound. Pure. Intel's specification updates, erratum
 * "VMX-Preemption Timer Does Not Count Down at the Rate Specified". */
const char *preemption_timer_errs_on(uint32_t signature);

#endif
