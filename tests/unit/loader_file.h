// SPDX-License-Identifier: BSD-2-Clause
/* A guest whose kernel and initrd a test makes up, and what the loader says of them. */
#ifndef TESTS_UNIT_LOADER_FILE_H
#define TESTS_UNIT_LOADER_FILE_H

#include "tests/unit/unit.h"

#include "vmm/loader/loader.h"

#include <stdlib.h>

static uint8_t *file; /* exactly as large as the test says, so that reading past it is seen */
static uint8_t *initrd;
static struct guest_config guest;
static char message[512];

static inline void resize(size_t size)
{
    file = realloc(file, size);
    guest.kernel = (struct blob){.data = file, .size_bytes = size};
}

static inline void set_initrd(size_t size)
{
    initrd = realloc(initrd, size);
    for (size_t i = 0; i < size; i++)
        initrd[i] = (uint8_t)(i * 7 + 1);
    guest.initrd = (struct blob){.data = initrd, .size_bytes = size};
}

static inline void release_files(void)
{
    free(file);
    free(initrd);
    file = initrd = NULL;
}

static inline enum status check(void)
{
    return loader_check(&guest, "\\k", "\\i", message, sizeof(message));
}

#define REFUSED(expected_status, expected_message)                                                 \
    do {                                                                                           \
        assert_int_equal(check(), expected_status);                                                \
        assert_string_equal(message, expected_message);                                            \
    } while (0)

#endif
