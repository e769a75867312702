// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/notify/doorbell.h"

#include <stddef.h>

void doorbell_init(struct doorbell *doorbell, struct doorbell_listener listener)
{
    atomic_init(&doorbell->rings, 0);
    doorbell->listener = listener;
}

enum io_outcome doorbell_ring(void *context, struct io_access *access)
{
    struct doorbell *doorbell = context;

    atomic_fetch_add_explicit(&doorbell->rings, 1, memory_order_relaxed);
    if (doorbell->listener.rung != NULL)
        doorbell->listener.rung(doorbell->listener.context, access);
    return IO_HANDLED;
}
