// SPDX-License-Identifier: BSD-2-Clause
/* In place of arch/x86/fatal.c: a fatal error of the monitor ends the test. */
#include "tests/fake/processor.h"

#include "arch/x86/fatal.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local const char *expected;
static _Thread_local char said[1024];

void fake_expect_fatal(const char *text)
{
    expected = text;
    said[0] = '\0';
}

static void say(void *context, const char *text, size_t length)
{
    size_t used = strlen(said);

    (void)context;
    if (expected == NULL)
        fwrite(text, 1, length, stderr);
    else if (used + length < sizeof(said)) {
        memcpy(said + used, text, length);
        said[used + length] = '\0';
    }
}

void fatal_set_hooks(const struct fatal_hooks *hooks)
{
    (void)hooks;
}

void fatal_begin(void)
{
    log_set_sink(say, NULL);
}

void fatal_stop(void)
{
    if (expected == NULL) {
        fprintf(stderr, "fake processor %u: the monitor has stopped\n", fake_this()->index);
        abort();
    }
    if (strstr(said, expected) == NULL)
        fake_misuse("expected '%s', but the monitor says '%s'", expected, said);
    expected = NULL;
    fake_stop();
}

void check_failed(const char *file, int line, const char *condition)
{
    fatal_begin();
    log_line("%s:%d: CHECK failed: %s", file, line, condition);
    fatal_stop();
}

void fatal_error(const char *message)
{
    fatal_begin();
    log_line("internal error: %s", message);
    fatal_stop();
}
