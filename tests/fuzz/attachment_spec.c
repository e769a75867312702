// SPDX-License-Identifier: BSD-2-Clause
/* The lines that describe doorbells, zones and triggers, from the file or the prompt. */
#include "vmm/attachments/attachment_spec.h"
#include "tests/fuzz/input.h"

static void check_message(const char *message)
{
    EXPECT(memchr(message, '\0', ATTACHMENT_MESSAGE_BYTES) != NULL);
    EXPECT(message[0] != '\0');
    for (; *message != '\0'; message++)
        EXPECT((unsigned char)*message >= ' ' && *message != 0x7f);
}

static void check_spec(const struct attachment_spec *spec)
{
    char message[ATTACHMENT_MESSAGE_BYTES];

    EXPECT(attachment_spec_check(spec, message, sizeof(message)) == STATUS_OK);
    EXPECT(spec->name[0] != '\0' && memchr(spec->name, '\0', sizeof(spec->name)) != NULL);
    if (spec->kind == ATTACHMENT_DOORBELL) {
        uint64_t width = spec->width_bytes > 1 ? spec->width_bytes : 1;
        uint64_t end = spec->address + (spec->has_data ? 1 : spec->count) * width;

        EXPECT(spec->count >= 1 && spec->count <= ATTACHMENT_DOORBELLS_MAX);
        EXPECT(end - 1 >= spec->address); /* does not wrap around */
        EXPECT(spec->space != ATTACHMENT_PORT || end <= 0x10000);
    }
    if (spec->kind == ATTACHMENT_ZONE) {
        EXPECT(spec->length_bytes >= 1);
        EXPECT(spec->address + (spec->length_bytes - 1) >= spec->address);
        EXPECT(spec->space != ATTACHMENT_PORT || spec->address + spec->length_bytes <= 0x10000);
        EXPECT(spec->ring_entries >= 2 && spec->ring_entries <= ATTACHMENT_RING_MAX);
        EXPECT((spec->ring_entries & (spec->ring_entries - 1)) == 0);
        EXPECT(spec->delay_us >= 1 && spec->delay_us <= ATTACHMENT_DELAY_US_MAX);
    }
    EXPECT(spec->line < ATTACHMENT_LINES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    enum attachment_kind kind = (enum attachment_kind)(input_u8(&input) % 3);
    char message[ATTACHMENT_MESSAGE_BYTES];
    struct attachment_spec spec;
    size_t length;
    const char *line = (const char *)input_rest(&input, &length);

    for (size_t i = 0; i < length; i++) { /* neither the file nor the prompt lets these through */
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
            return 0;
    }
    memset(message, 'x', sizeof(message));
    memset(&spec, 0x5a, sizeof(spec));
    if (attachment_spec_parse_line(kind, line, length, &spec, message, sizeof(message)) ==
        STATUS_OK) {
        EXPECT(spec.kind == kind);
        check_spec(&spec);
    } else {
        check_message(message);
    }
    return 0;
}
