// SPDX-License-Identifier: BSD-2-Clause
/* Input: what the user types, from the UART to the prompt or to a guest. */
#include "vmm/console/state.h"

#define ESCAPE_KEY 0x1d /* Ctrl-] */

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
        console.prompt_is_open = false;
        (void)command_run(console.commands, console.command_count, console.command_context, &output,
                          line); /* errors have been printed */
    }
    if (console.focus == FOCUS_PROMPT) {
        output_text(NULL, PROMPT, sizeof(PROMPT) - 1);
        console.prompt_is_open = true;
    }
}

bool input_take(uint8_t byte)
{
    const struct console_client *client = console.client;

    if (byte == ESCAPE_KEY) {
        if (console.focus == FOCUS_GUEST)
            console_show_prompt();
        else
            focus_leave_prompt();
        return true;
    }
    if (console.focus == FOCUS_PROMPT) {
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

bool input_drop_before_escape(void)
{
    const uint8_t *bytes;
    size_t available = byte_ring_peek(&console.input, &bytes);

    for (size_t i = 0; i < available; i++) {
        if (bytes[i] == ESCAPE_KEY) {
            byte_ring_consume(&console.input, i);
            return true;
        }
    }
    return false;
}

void input_receive(void)
{
    uint8_t byte;

    while (uart_try_get(&console.uart, &byte)) {
        if (byte_ring_put(&console.input, &byte, 1) == 0)
            console.input_lost++;
    }
}
