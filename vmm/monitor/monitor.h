// SPDX-License-Identifier: BSD-2-Clause
/* The monitor as a whole: what the boot stage gave it, and the guests it runs. */
#ifndef VMM_MONITOR_MONITOR_H
#define VMM_MONITOR_MONITOR_H

#include "vmm/guest/guest.h"

enum slot_state {
    SLOT_WAITING, /* its turn has not come */
    SLOT_ACTIVE,  /* it runs, or is about to */
    SLOT_ENDED,
};

/* One configured guest and its state. */
struct guest_slot {
    struct monitor *monitor;
    const struct guest_config *config;
    uint32_t first_cpu; /* the processor of its first vCPU; those of its other vCPUs follow it */
    struct guest *_Atomic guest; /* null while it is not whole: before its first start, and after a
                                  * sequence has gone on to the next guest */
    _Atomic enum slot_state state;
    bool restarts;      /* the user wants it started again; it had ended */
    _Atomic bool stops; /* the user wants it ended, even if it resets just now */
};

struct monitor {
    struct guest_environment environment;
    struct guest_slot slots[BOOT_GUESTS_MAX];
    size_t slot_count;
    size_t selected; /* the slot of the guest that has the serial line and that commands are
                      * about */

    struct spinlock result_lock;
    uint64_t exit_code; /* of the first guest that failed; else of the last one that ended */
    bool has_failed;
    bool quits; /* the user wants to quit: no guest is started any more */
};

static inline struct guest_slot *monitor_selected(struct monitor *monitor)
{
    return &monitor->slots[monitor->selected];
}

/* Gives the prompt its commands. */
void commands_install(struct monitor *monitor);

/* Runs the configured guests until all have ended, then does what on_last_exit says. Called on the
 * first processor. Returns when the machine is to be switched off. */
void schedule_guests(struct monitor *monitor);

/* Stops the slot's guest, if it runs or resets. Returns false, and does nothing, if it does not. */
MUST_USE bool schedule_stop(struct guest_slot *slot);

/* Starts the slot's guest again, whether it runs or has ended. Does nothing before the guest's
 * turn, or after schedule_quit. */
void schedule_restart(struct guest_slot *slot);

/* Ends all guests, so that schedule_guests returns and the machine is switched off. */
void schedule_quit(struct monitor *monitor);

#endif
