// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/base/status.h"

const char *status_name(enum status status)
{
    switch (status) {
    case STATUS_OK: return "ok";
    case STATUS_INVALID: return "invalid";
    case STATUS_OUT_OF_RANGE: return "out of range";
    case STATUS_NO_MEMORY: return "no memory";
    case STATUS_CONFLICT: return "conflict";
    case STATUS_NOT_FOUND: return "not found";
    case STATUS_UNSUPPORTED: return "unsupported";
    case STATUS_FAULT: return "fault";
    }
    return "unknown status";
}
