// SPDX-License-Identifier: BSD-2-Clause
/* Configurations as text, and what is said of bad ones. */
#ifndef TESTS_UNIT_CONFIG_TEXT_H
#define TESTS_UNIT_CONFIG_TEXT_H

#include "tests/unit/unit.h"

#include "boot/config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static char message[CONFIG_MESSAGE_BYTES];

/* From memory of exactly that size, so that reading past the end is seen. */
static inline enum status parse_bytes(const char *text, size_t size, uint32_t cpu_count)
{
    char *copy = malloc(size > 0 ? size : 1);
    enum status status;

    memcpy(copy, text, size);
    status = config_parse(copy, size, cpu_count, &config, message, sizeof(message));
    free(copy);
    return status;
}

static inline enum status parse(const char *text)
{
    return parse_bytes(text, strlen(text), 1);
}

#define REFUSED(text, expected_status, expected_message)                                           \
    do {                                                                                           \
        assert_int_equal(parse(text), expected_status);                                            \
        assert_string_equal(message, expected_message);                                            \
    } while (0)

#define GUEST "[guest a]\nkernel = k\nmemory = 2M\n"

#endif
