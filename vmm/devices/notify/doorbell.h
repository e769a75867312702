// SPDX-License-Identifier: BSD-2-Clause
/* A doorbell: a write that only means "look here". The write is counted and the listener is called;
 * no device runs on the vCPU that rings. KVM calls this an ioeventfd (Linux,
 * Documentation/virt/kvm/api.rst, "KVM_IOEVENTFD"). The I/O bus decides which write rings it
 * (address, width, data): struct iobus_match. */
#ifndef VMM_DEVICES_NOTIFY_DOORBELL_H
#define VMM_DEVICES_NOTIFY_DOORBELL_H

#include "vmm/iobus/io_access.h"

#include <stdatomic.h>

/* The function that is called for a ring, on the vCPU that rings, so it has to be short. Several
 * vCPUs may call it at once. access is the bus's own. */
struct doorbell_listener {
    void (*rung)(void *context, const struct io_access *access); /* null: rings are only counted */
    void *context;
};

struct doorbell {
    /* Wraps only after 584 years with one ring every nanosecond. */
    _Atomic uint64_t rings;
    struct doorbell_listener listener;
};

/* Sets the number of rings to 0 and copies listener. */
void doorbell_init(struct doorbell *doorbell, struct doorbell_listener listener);

/* The io_handler of a doorbell; context is the struct doorbell. Counts the write and calls the
 * listener. Any number of vCPUs may call it at once. Always returns IO_HANDLED. */
enum io_outcome doorbell_ring(void *context, struct io_access *access);

/* Returns how often the doorbell was rung. Any CPU may call it at any time. */
static inline uint64_t doorbell_rings(const struct doorbell *doorbell)
{
    return atomic_load_explicit(&doorbell->rings, memory_order_relaxed);
}

#endif
