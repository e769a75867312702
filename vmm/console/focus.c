// SPDX-License-Identifier: BSD-2-Clause
/* Who has the line: the prompt or a guest. */
#include "vmm/console/state.h"

static void set_focus(enum focus focus)
{
    console_lock();
    console.focus = focus;
    output_queue_show_view(&console.output, focus == FOCUS_GUEST);
    console_unlock();
}

void console_show_prompt(void)
{
    const struct command_output output = {.write = output_text};

    set_focus(FOCUS_PROMPT);
    output_text(NULL, &(const char){OUTPUT_FRESH_LINE}, 1);
    command_print(&output, "%s%s", PROMPT, line_editor_pending(&console.editor));
}

void focus_leave_prompt(void)
{
    const struct command_output output = {.write = output_text};
    struct console_client *client = console.client;

    if (client == NULL)
        return;
    command_print(&output, "\n[%s; Ctrl-] for the monitor]\n", client->name);
    clients_report_backlog(client);
    set_focus(FOCUS_GUEST);
    output_start(false);
}

/* Makes the client the one in view. A client that had been refused there is not refused any more:
 * from now on its oldest bytes are dropped. */
static void set_client(struct console_client *client, enum focus focus)
{
    struct console_client *old;
    bool was_refused = false;

    console_lock();
    old = console.client;
    if (old != NULL && old != client) {
        was_refused = old->was_refused;
        old->was_refused = false;
    }
    console.client = client;
    console.focus = focus;
    output_queue_set_view(&console.output, client != NULL ? &client->backlog.ring : NULL);
    output_queue_show_view(&console.output, focus == FOCUS_GUEST);
    console_unlock();
    if (was_refused)
        old->ready(old->context);
}

void console_connect(struct console_client *client)
{
    if (client == NULL) {
        if (console.client == NULL)
            return;
        clients_report_backlog(console.client);
        set_focus(FOCUS_GUEST);
        output_flush();
        set_client(NULL, FOCUS_PROMPT);
        return;
    }
    clients_report_backlog(client);
    set_client(client, FOCUS_GUEST);
    output_start(false);
}

void console_disconnect(struct console_client *client)
{
    if (console.client == client)
        console_connect(NULL);
    clients_remove(client);
}

void console_select(struct console_client *client)
{
    set_client(client, FOCUS_PROMPT);
}
