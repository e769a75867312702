// SPDX-License-Identifier: BSD-2-Clause
/* A set of attachments, by the lines of a configuration. */
#ifndef TESTS_UNIT_ATTACHMENTS_FIXTURE_H
#define TESTS_UNIT_ATTACHMENTS_FIXTURE_H

#include "tests/unit/iobus_fixture.h"

#include "vmm/attachments/attachments.h"

/* Of the last refusal. */
static char message[ATTACHMENT_MESSAGE_BYTES];

static inline enum status attach(struct attachments *set, enum attachment_kind kind,
                                 const char *line)
{
    struct attachment_spec spec;

    message[0] = '\0';
    if (attachment_spec_parse_line(kind, line, strlen(line), &spec, message, sizeof(message)) !=
        STATUS_OK)
        fail_msg("'%s': %s", line, message);
    return attachments_attach(set, &spec, message, sizeof(message));
}

#define ATTACH(w, kind, line)                                                                      \
    do {                                                                                           \
        if (attach(&(w)->set, ATTACHMENT_##kind, line) != STATUS_OK)                               \
            fail_msg("'%s': %s", line, message);                                                   \
    } while (0)

#define REFUSED(w, kind, line, expected_status, expected_message)                                  \
    do {                                                                                           \
        assert_int_equal(attach(&(w)->set, ATTACHMENT_##kind, line), expected_status);             \
        assert_string_equal(message, expected_message);                                            \
    } while (0)

static inline enum status detach(struct attachments *set, const char *name)
{
    message[0] = '\0';
    return attachments_detach(set, name, message, sizeof(message));
}

#define DETACH(w, name) assert_int_equal(detach(&(w)->set, name), STATUS_OK)

static inline enum status raise(struct attachments *set, const char *name)
{
    message[0] = '\0';
    return attachments_raise(set, name, 1, message, sizeof(message));
}

struct search {
    const char *name;
    struct attachment_report found;
    unsigned count;
};

static inline void search(void *context, const struct attachment_report *report)
{
    struct search *s = context;

    s->count++;
    if (s->name != NULL && strcmp(report->spec.name, s->name) == 0)
        s->found = *report;
}

static inline struct attachment_report report_of(struct attachments *set, const char *name)
{
    struct search s = {.name = name};

    attachments_for_each(set, search, &s);
    assert_string_equal(s.found.spec.name, name);
    return s.found;
}

static inline unsigned count_all(struct attachments *set)
{
    struct search s = {0};

    attachments_for_each(set, search, &s);
    return s.count;
}

#endif
