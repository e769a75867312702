// SPDX-License-Identifier: BSD-2-Clause
/* Checks whether the monitor can run on this processor. */
#ifndef ARCH_X86_CPU_CHECK_H
#define ARCH_X86_CPU_CHECK_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* Returns STATUS_OK, or STATUS_UNSUPPORTED with one sentence in message (size bytes) that names the
 * cause and the remedy. Reads CPUID and MSRs and changes nothing, so it is safe under the
 * firmware. */
enum status vmx_check_support(char *message, size_t size) MUST_USE;

#endif
