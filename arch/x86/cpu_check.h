// SPDX-License-Identifier: BSD-2-Clause
/* Whether the monitor can run on this processor at all. */
#ifndef ARCH_X86_CPU_CHECK_H
#define ARCH_X86_CPU_CHECK_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* STATUS_OK, or STATUS_UNSUPPORTED with one sentence in message that names the cause and the
 * remedy. Reads CPUID and MSRs, changes nothing: safe under the firmware. */
enum status vmx_check_support(char *message, size_t size) MUST_USE;

#endif
