// SPDX-License-Identifier: BSD-2-Clause
/* Pages for the table builders under test: from the heap, so that the sanitiser watches their ends,
 * counted, and running out on demand. */
#ifndef TESTS_UNIT_PAGE_SOURCE_H
#define TESTS_UNIT_PAGE_SOURCE_H

#include "arch/x86/memory/table_tree.h"

#include <stdlib.h>
#include <string.h>

struct test_pages {
    unsigned in_use;
    unsigned allowed;
};

static void *test_pages_allocate(void *context)
{
    struct test_pages *pages = context;
    if (pages->in_use == pages->allowed)
        return NULL;
    pages->in_use++;
    void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(page, 0xa5, PAGE_SIZE); /* the builder has to clear it */
    return page;
}

static void test_pages_release(void *context, void *page)
{
    struct test_pages *pages = context;
    pages->in_use--;
    free(page);
}

static inline struct page_source test_pages_source(struct test_pages *pages)
{
    return (struct page_source){test_pages_allocate, test_pages_release, pages};
}

#endif
