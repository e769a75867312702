// SPDX-License-Identifier: BSD-2-Clause
/* Who has the line: the prompt or a guest. */
#include "vmm/console/state.h"

void console_show_prompt(void)
{
    console_lock();
    if (!console.at_line_start)
        output_text(NULL, "\n", 1);
    console.focus = FOCUS_PROMPT;
    output_text(NULL, PROMPT, sizeof(PROMPT) - 1);
    command_print(&(struct command_output){.write = output_text}, "%s",
                  line_editor_pending(&console.editor));
    console.prompt_is_open = true;
    console_unlock();
}

void focus_leave_prompt(void)
{
    if (console.client == NULL)
        return;
    console_lock();
    command_print(&(struct command_output){.write = output_text},
                  "\n[%s; Ctrl-] for the monitor]\n", console.client->name);
    console.focus = FOCUS_GUEST;
    console.prompt_is_open = false;
    output_release_backlog(console.client);
    console_unlock();
}

void console_connect(struct console_client *client)
{
    console_lock();
    if (client == NULL && console.client != NULL)
        output_release_backlog(console.client);
    console.client = client;
    console.guest_was_refused = false;
    console.focus = client != NULL ? FOCUS_GUEST : FOCUS_PROMPT;
    console.prompt_is_open = false;
    if (client != NULL)
        output_release_backlog(client);
    console_unlock();
}

void console_disconnect(const struct console_client *client)
{
    console_lock();
    if (console.client == client)
        console_connect(NULL);
    console_unlock();
}

void console_select(struct console_client *client)
{
    console_lock();
    console.client = client;
    console.guest_was_refused = false;
    console_unlock();
}
