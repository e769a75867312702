// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/exits/exit_reason.h"

const char *exit_reason_name(uint32_t basic_reason)
{
    static const char *const names[EXIT_REASON_COUNT] = {
#define EXIT_REASON_NAME(constant, number, name) [number] = name,
        EXIT_REASONS(EXIT_REASON_NAME)
#undef EXIT_REASON_NAME
    };

    if (basic_reason >= EXIT_REASON_COUNT || names[basic_reason] == 0)
        return "unknown";
    return names[basic_reason];
}
