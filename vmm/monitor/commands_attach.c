// SPDX-License-Identifier: BSD-2-Clause
/* The prompt's commands about doorbells, zones and triggers. */
#include "vmm/monitor/commands.h"

#define RAISES_MAX 1000000

static bool parse_kind(const char *word, enum attachment_kind *kind)
{
    static const enum attachment_kind kinds[] = {ATTACHMENT_DOORBELL, ATTACHMENT_ZONE,
                                                 ATTACHMENT_TRIGGER};

    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(word, attachment_kind_name(kinds[i])) == 0) {
            *kind = kinds[i];
            return true;
        }
    }
    return false;
}

enum command_result run_attach(void *context, const struct command_output *output, int argc,
                               char *const argv[])
{
    struct guest *guest = command_guest(context, output);
    char message[ATTACHMENT_MESSAGE_BYTES];
    enum attachment_kind kind;
    struct attachment_spec spec;
    enum status status;

    if (guest == NULL || !parse_kind(argv[0], &kind))
        return COMMAND_OK;
    status = attachment_spec_parse(kind, (const char *const *)argv + 1, (size_t)argc - 1, &spec,
                                   message, sizeof(message));
    if (status == STATUS_OK)
        status = attachments_attach(&guest->attachments, &spec, message, sizeof(message));
    if (status != STATUS_OK)
        command_print(output, "%s\n", message);
    if (status == STATUS_NO_MEMORY)
        command_print(output, "guest %s: its heap of %lu KiB is used up\n", guest->config->name,
                      heap_measure(&guest->heap).total_bytes / KIB);
    guest_collect_garbage(guest);
    return COMMAND_OK;
}

enum command_result run_remove(void *context, const struct command_output *output, int argc,
                               char *const argv[])
{
    struct guest *guest = command_guest(context, output);
    char message[ATTACHMENT_MESSAGE_BYTES];

    (void)argc;
    if (guest == NULL)
        return COMMAND_OK;
    if (attachments_detach(&guest->attachments, argv[1], message, sizeof(message)) != STATUS_OK)
        command_print(output, "%s\n", message);
    guest_collect_garbage(guest);
    return COMMAND_OK;
}

enum command_result run_raise(void *context, const struct command_output *output, int argc,
                              char *const argv[])
{
    struct guest *guest = command_guest(context, output);
    char message[ATTACHMENT_MESSAGE_BYTES];
    uint64_t count = 1;

    if (guest == NULL)
        return COMMAND_OK;
    if (argc == 3 && (command_number(argv[2], &count) != STATUS_OK || count > RAISES_MAX))
        return COMMAND_USAGE;
    if (attachments_raise(&guest->attachments, argv[1], count, message, sizeof(message)) !=
        STATUS_OK)
        command_print(output, "%s\n", message);
    return COMMAND_OK;
}

static void print_doorbell(const struct command_output *output,
                           const struct attachment_report *report)
{
    const struct attachment_spec *spec = &report->spec;

    command_print(output, "doorbell %-16s %s 0x%lx", spec->name,
                  spec->space == ATTACHMENT_PORT ? "port" : "mmio", spec->address);
    if (spec->width_bytes == 0)
        command_print(output, " width any");
    else
        command_print(output, " width %u", spec->width_bytes);
    if (spec->has_data)
        command_print(output, " data 0x%lx", spec->data);
    if (spec->count > 1)
        command_print(output, " count %u", spec->count);
    if (spec->has_line)
        command_print(output, " line %u", spec->line);
    if (spec->has_message)
        command_print(output, " message 0x%lx 0x%x", spec->message_address, spec->message_data);
    if (spec->trigger[0] != '\0')
        command_print(output, " trigger %s", spec->trigger);
    if (spec->drain[0] != '\0')
        command_print(output, " drain %s", spec->drain);
    if (spec->is_traced)
        command_print(output, " trace");
    command_print(output, ": %lu rings\n", report->rings);
}

static void print_trigger(const struct command_output *output,
                          const struct attachment_report *report)
{
    const struct attachment_spec *spec = &report->spec;

    command_print(output, "trigger  %-16s", spec->name);
    if (spec->has_message)
        command_print(output, " message 0x%lx 0x%x", spec->message_address, spec->message_data);
    else
        command_print(output, " line %u%s", spec->line, spec->is_level ? " level" : "");
    command_print(output, ": %lu raised, %lu delivered, %lu pending\n", report->raised,
                  report->delivered, report->pending);
}

static void print_attachment(void *context, const struct attachment_report *report)
{
    const struct command_output *output = context;
    const struct attachment_spec *spec = &report->spec;

    switch (spec->kind) {
    case ATTACHMENT_DOORBELL: print_doorbell(output, report); break;
    case ATTACHMENT_ZONE:
        command_print(output,
                      "zone     %-16s %s 0x%lx 0x%lx ring %u delay %u over %s: %lu queued, %lu "
                      "drained in %lu batches, %lu for a full ring, %u waiting\n",
                      spec->name, spec->space == ATTACHMENT_PORT ? "port" : "mmio", spec->address,
                      spec->length_bytes, spec->ring_entries, spec->delay_us,
                      report->device[0] != '\0' ? report->device : "nothing", report->queued,
                      report->drained, report->batches, report->full, report->waiting);
        break;
    case ATTACHMENT_TRIGGER: print_trigger(output, report); break;
    }
}

enum command_result run_attachments(void *context, const struct command_output *output, int argc,
                                    char *const argv[])
{
    struct guest *guest = command_guest(context, output);

    (void)argc;
    (void)argv;
    if (guest != NULL)
        attachments_for_each(&guest->attachments, print_attachment, (void *)(uintptr_t)output);
    return COMMAND_OK;
}
