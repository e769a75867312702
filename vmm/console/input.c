// SPDX-License-Identifier: BSD-2-Clause
/* Input: what the user types, from the UART to the prompt or to a guest. */
#include "vmm/console/state.h"

/* How many bytes are taken from the UART in a row: some full FIFOs. A UART that always has another
 * byte is broken. */
#define RECEIVED_AT_ONCE_MAX 64

static void type_at_prompt(uint8_t byte)
{
    struct command_output output = {.write = output_text};
    enum line_result result = line_editor_feed(&console.editor, (char)byte);
    char line[LINE_BYTES_MAX + 1];

    if (result == LINE_PENDING)
        return;
    if (result == LINE_DONE) {
        const char *text = line_editor_text(&console.editor);
        size_t length = 0;
        for (; text[length] != '\0'; length++)
            line[length] = text[length];
        line[length] = '\0';
        console.answers = true;
        (void)command_run(console.commands, console.command_count, console.command_context, &output,
                          line); /* errors have been printed */
        console.answers = false;
    }
    if (console.focus == FOCUS_PROMPT) {
        output_text(NULL, &(const char){OUTPUT_FRESH_LINE}, 1);
        output_text(NULL, PROMPT, sizeof(PROMPT) - 1);
    }
}

static void switch_focus(void)
{
    if (console.focus == FOCUS_GUEST)
        console_show_prompt();
    else
        focus_leave_prompt();
}

/* Gives one byte to whom the line belongs. Returns false if the byte has to wait until the guest
 * has read its receiver. */
static bool take(uint8_t byte)
{
    const struct console_client *client;

    console_lock();
    client = console.focus == FOCUS_GUEST ? console.client : NULL;
    console_unlock();
    if (client == NULL) {
        type_at_prompt(byte);
        return true;
    }
    if (!client->is_running(client->context))
        return true; /* the guest will never read it */
    if (client->space(client->context) == 0)
        return false;
    client->receive(client->context, byte);
    return true;
}

void input_receive(void)
{
    uint8_t byte;

    for (unsigned i = 0; i < RECEIVED_AT_ONCE_MAX && uart_try_get(&console.uart, &byte); i++)
        input_queue_put(&console.input, byte);
}

bool input_deliver(void)
{
    enum input_kind kind;
    uint8_t byte = 0;

    while ((kind = input_queue_peek(&console.input, &byte)) != INPUT_NONE) {
        if (kind == INPUT_ESCAPE)
            switch_focus();
        else if (!take(byte)) {
            /* A guest that does not read cannot keep the user from the prompt. */
            if (!input_queue_skip_to_escape(&console.input))
                return false;
            continue;
        }
        input_queue_take(&console.input);
    }
    return true;
}
