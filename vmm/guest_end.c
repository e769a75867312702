/* How guests end: by themselves, or stopped by the monitor with a dump. */
#include "vmm/base/format.h"
#include "vmm/base/log.h"
#include "vmm/guest.h"

void guest_end(struct guest *guest, enum guest_state kind, uint64_t exit_code, const char *reason)
{
    if (guest->end.kind != GUEST_RUNNING)
        return;
    guest_flush_debug_line(guest);
    guest->end = (struct guest_end){.kind = kind, .exit_code = exit_code};
    format_text(guest->end.reason, sizeof(guest->end.reason), "%s", reason);
}

void guest_stop(struct guest *guest, const char *format, ...)
{
    va_list arguments;

    if (guest->end.kind != GUEST_RUNNING)
        return;
    guest_flush_debug_line(guest);
    guest->end = (struct guest_end){.kind = GUEST_STOPPED, .exit_code = EXIT_CODE_STOPPED};
    va_start(arguments, format);
    format_text_v(guest->end.reason, sizeof(guest->end.reason), format, arguments);
    va_end(arguments);
    log_line("guest %s stopped: %s", guest->config->name, guest->end.reason);
    guest_dump(guest);
}
