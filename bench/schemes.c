// SPDX-License-Identifier: BSD-2-Clause
#include "bench/schemes.h"

#include <stdlib.h>

enum io_outcome bench_device_access(void *context, struct io_access *access)
{
    struct bench_device *device = context;

    if (device->has_data && access->value != device->data)
        return IO_DECLINED;
    device->call_count++;
    if (!access->is_write)
        access->value = access->address & 0xff;
    return IO_HANDLED;
}

static bool covers(const struct bench_entry *entry, const struct io_access *access)
{
    return access->address >= entry->first &&
           access->address - entry->first + access->size <= entry->length_bytes;
}

static bool call(const struct bench_entry *entry, struct io_access *access)
{
    return entry->handler(entry->device, access) == IO_HANDLED;
}

static void nobody(struct io_access *access)
{
    if (!access->is_write)
        access->value = UINT64_MAX >> (64 - 8 * access->size);
}

void linear_access(const struct linear *linear, struct io_access *access)
{
    for (size_t i = 0; i < linear->count; i++) {
        if (covers(&linear->entries[i], access) && call(&linear->entries[i], access))
            return;
    }
    nobody(access);
}

/* Equal is also what lies inside: the key is an access, and an entry around it has a lower first
 * and a higher end. */
static int compare_2011(const void *left, const void *right)
{
    const struct bench_entry *a = left, *b = right;

    if (a->first < b->first)
        return -1;
    if (a->first + a->length_bytes > b->first + b->length_bytes)
        return 1;
    return 0;
}

/* Out of line and with a pointer to the comparator, as the kernel's. */
static __attribute__((noinline)) const struct bench_entry *
search_2011(const struct bench_entry *key, const struct bench_entry *entries, size_t count,
            int (*compare)(const void *, const void *))
{
    size_t start = 0, end = count;

    while (start < end) {
        size_t middle = start + (end - start) / 2;
        int order = compare(key, &entries[middle]);

        if (order < 0)
            end = middle;
        else if (order > 0)
            start = middle + 1;
        else
            return &entries[middle];
    }
    return NULL;
}

void array_2011_sort(struct array_2011 *array)
{
    qsort(array->entries, array->count, sizeof(*array->entries), compare_2011);
}

void array_2011_access(const struct array_2011 *array, struct io_access *access)
{
    const struct bench_entry key = {.first = access->address, .length_bytes = access->size};
    const struct bench_entry *entry = search_2011(&key, array->entries, array->count, compare_2011);
    const struct bench_entry *end = array->entries + array->count;

    if (entry != NULL) {
        while (entry > array->entries && compare_2011(&key, entry - 1) == 0)
            entry--;
        for (; entry < end && compare_2011(&key, entry) == 0; entry++) {
            if (call(entry, access))
                return;
        }
    }
    nobody(access);
}

/* AA tree: a left child is a level below, of two right steps in a row one is a level below. */

static unsigned level(const struct tree_node *node)
{
    return node == NULL ? 0 : node->level;
}

static struct tree_node *skew(struct tree_node *node)
{
    struct tree_node *left = node->left;

    if (level(left) != node->level)
        return node;
    node->left = left->right;
    left->right = node;
    return left;
}

static struct tree_node *split(struct tree_node *node)
{
    struct tree_node *right = node->right;

    if (right == NULL || level(right->right) != node->level)
        return node;
    node->right = right->left;
    right->left = node;
    right->level++;
    return right;
}

static struct tree_node *insert(struct tree_node *node, struct tree_node *added)
{
    if (node == NULL)
        return added;
    if (added->entries->first < node->entries->first)
        node->left = insert(node->left, added);
    else
        node->right = insert(node->right, added);
    return split(skew(node));
}

void tree_hint_insert(struct tree_hint *tree, struct bench_entry *entry)
{
    struct tree_node *node = tree->node_count == 0 ? NULL : &tree->nodes[tree->node_count - 1];

    if (node != NULL && node->entries->first == entry->first) {
        node->count++;
        return;
    }
    node = &tree->nodes[tree->node_count++];
    *node = (struct tree_node){.level = 1, .entries = entry, .count = 1};
    tree->root = insert(tree->root, node);
}

void tree_hint_access(struct tree_hint *tree, struct io_access *access)
{
    struct tree_node *node = tree->last_hit;

    if (node == NULL || !covers(node->entries, access)) {
        node = tree->root;
        while (node != NULL && !covers(node->entries, access))
            node = access->address < node->entries->first ? node->left : node->right;
    }
    if (node != NULL) {
        tree->last_hit = node;
        for (size_t i = 0; i < node->count; i++) {
            if (call(&node->entries[i], access))
                return;
        }
    }
    nobody(access);
}
