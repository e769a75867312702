// SPDX-License-Identifier: BSD-2-Clause
/* The lookups that the bus is compared with, each as plain as its original. They call the device
 * that covers the first byte; they neither cut accesses nor count, as the originals do not. */
#ifndef BENCH_SCHEMES_H
#define BENCH_SCHEMES_H

#include "vmm/iobus/io_access.h"

#include <stddef.h>
#include <stdint.h>

/* What all schemes call in the end. A doorbell if has_data: declines every other value. */
struct bench_device {
    uint64_t first, length_bytes;
    uint64_t call_count;
    uint64_t data;
    bool has_data;
};

enum io_outcome bench_device_access(void *context, struct io_access *access);

/* A device as a registration names it: whom to call. The call is indirect, as everywhere. */
struct bench_entry {
    uint64_t first, length_bytes;
    io_handler *handler;
    struct bench_device *device;
};

/* The floor: no lookup at all, one indirect call; what there is beside it is in line, as the first
 * part of the bus's access is. */
static inline void direct_access(const struct bench_entry *entry, struct io_access *access)
{
    if (entry->handler(entry->device, access) != IO_HANDLED && !access->is_write)
        access->value = UINT64_MAX >> (64 - 8 * access->size);
}

/* One after the other, in the order of registration: KVM before 2011. */
struct linear {
    struct bench_entry *entries;
    size_t count;
};
void linear_access(const struct linear *linear, struct io_access *access);

/* KVM's change of 2011: an array sorted by address, then end; a binary search with that comparator
 * finds some entry that compares equal, the walk goes back to the first such and then forward over
 * all of them until one answers. */
struct array_2011 {
    struct bench_entry *entries;
    size_t count;
};
void array_2011_sort(struct array_2011 *array);
void array_2011_access(const struct array_2011 *array, struct io_access *access);

/* bhyve's scheme: a balanced tree of ranges, and the node of the last hit tried first. Doorbells of
 * one address, which bhyve's tree does not hold, are a chain at the node. */
struct tree_node {
    struct tree_node *left, *right;
    unsigned level; /* of an AA tree */
    struct bench_entry *entries;
    size_t count;
};
struct tree_hint {
    struct tree_node *root;
    struct tree_node *last_hit;
    struct tree_node *nodes; /* room for all */
    size_t node_count;
};
/* The entry stays where it is; of one address, they are neighbours and come in this order. */
void tree_hint_insert(struct tree_hint *tree, struct bench_entry *entry);
void tree_hint_access(struct tree_hint *tree, struct io_access *access);

#endif
