// SPDX-License-Identifier: BSD-2-Clause
/* Ends guests: by their own wish, or because the monitor stops them. */
#include "vmm/base/format.h"
#include "vmm/base/log.h"
#include "vmm/guest/guest.h"

/* Ends the guest if it runs. If several vCPUs end it at once, the first one decides how. Returns
 * whether this call was the first. */
static bool end(struct guest *guest, enum guest_state kind, uint64_t exit_code, const char *reason)
{
    bool is_first;

    spinlock_acquire(&guest->end_lock);
    is_first = guest_is_running(guest);
    if (is_first) {
        guest->end.exit_code = exit_code;
        format_text(guest->end.reason, sizeof(guest->end.reason), "%s", reason);
        atomic_store_explicit(&guest->end.kind, kind, memory_order_release);
    }
    spinlock_release(&guest->end_lock);
    if (is_first)
        guest_notify_all(guest, ATTENTION_STOP);
    return is_first;
}

void guest_end(struct guest *guest, enum guest_state kind, uint64_t exit_code, const char *reason)
{
    if (end(guest, kind, exit_code, reason))
        guest_flush_debug_line(guest);
}

bool guest_stop(struct guest *guest, const char *reason)
{
    if (!end(guest, GUEST_STOPPED, EXIT_CODE_STOPPED, reason))
        return false;
    guest_flush_debug_line(guest);
    log_line("guest %s stopped: %s", guest->config->name, reason);
    return true;
}
