// SPDX-License-Identifier: BSD-2-Clause
/* A doorbell: a write that means only "look here". It is counted, and whoever listens is told; no
 * device runs on the vCPU that rings. KVM calls this an ioeventfd (Linux, Documentation/virt/kvm/
 * api.rst, "KVM_IOEVENTFD"). Which write rings it (address, width, data) is the I/O bus's affair,
 * struct iobus_match. */
#ifndef VMM_DEVICES_NOTIFY_DOORBELL_H
#define VMM_DEVICES_NOTIFY_DOORBELL_H

#include "vmm/iobus/io_access.h"

#include <stdatomic.h>

/* Who is told of a ring: on the vCPU that rings, so it has to be short; possibly on several at
 * once. access is the bus's. */
struct doorbell_listener {
    void (*rung)(void *context, const struct io_access *access); /* null: only counted */
    void *context;
};

struct doorbell {
    /* Never saturates: at a ring every nanosecond, it wraps after 584 years. */
    _Atomic uint64_t rings;
    struct doorbell_listener listener;
};

/* No rings yet; listener is copied. */
void doorbell_init(struct doorbell *doorbell, struct doorbell_listener listener);

/* An io_handler, context is the struct doorbell: counts the write and tells the listener. Any
 * number of vCPUs at once. Always handles it. */
enum io_outcome doorbell_ring(void *context, struct io_access *access);

/* How often it was rung, at any time, on any CPU. */
static inline uint64_t doorbell_rings(const struct doorbell *doorbell)
{
    return atomic_load_explicit(&doorbell->rings, memory_order_relaxed);
}

#endif
