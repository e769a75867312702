/* The monitor as a whole: what it booted with and the guest it runs. */
#ifndef VMM_MONITOR_H
#define VMM_MONITOR_H

#include "vmm/guest.h"

enum monitor_request {
    REQUEST_NONE,
    REQUEST_RESET, /* start the guest anew */
    REQUEST_QUIT,  /* switch the machine off */
};

struct monitor {
    struct guest_environment environment;
    struct guest *guest; /* the one that runs or ran last; null before the first */
    size_t guest_index;  /* in boot_info */
    uint64_t exit_code;  /* of the first guest that failed, else of the last that ended */
    bool has_failed;
    enum monitor_request request; /* of the prompt, for the scheduler */
};

/* Gives the prompt its commands. */
void commands_install(struct monitor *monitor);

/* Runs the configured guests until all have ended, then does what on_last_exit says. Returns when
 * the machine is to be switched off. */
void schedule_guests(struct monitor *monitor);

#endif
