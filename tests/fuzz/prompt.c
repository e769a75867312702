// SPDX-License-Identifier: BSD-2-Clause
/* The prompt: any bytes from the serial line to the line editor, whose lines go to commands. What the
 * terminal shows is what the line has. */
#include "tests/fuzz/input.h"
#include "vmm/base/bits.h"
#include "vmm/prompt/command.h"
#include "vmm/prompt/line_editor.h"

/* A terminal that knows what the echo may use. */
static struct {
    char text[LINE_BYTES_MAX + 8];
    size_t column;
} terminal;

static size_t printed; /* by one command */

static void echo(void *context, const char *text, size_t length)
{
    (void)context;
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '\a': break;
        case '\b':
            EXPECT(terminal.column > 0); /* never into the prompt */
            terminal.column--;
            break;
        case '\r': terminal.column = 0; break;
        case '\n': memset(terminal.text, 0, sizeof(terminal.text)); break;
        default:
            EXPECT(text[i] >= ' ' && text[i] <= '~');
            EXPECT(terminal.column < sizeof(terminal.text) - 1);
            terminal.text[terminal.column++] = text[i];
            break;
        }
    }
}

static void print(void *context, const char *text, size_t length)
{
    (void)context;
    printed += length;
    EXPECT(printed <= 64 * 1024);
    for (size_t i = 0; i < length; i++)
        EXPECT((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n');
}

static enum command_result run(void *context, const struct command_output *output, int argc,
                               char *const argv[])
{
    uint64_t value = 0;

    (void)context;
    EXPECT(argc >= 1 && argc <= COMMAND_WORDS_MAX && argv[argc] == NULL);
    for (int i = 0; i < argc; i++)
        EXPECT(strlen(argv[i]) <= COMMAND_LINE_BYTES_MAX);
    if (argc > 1 && command_number(argv[1], &value) == STATUS_OK)
        command_print(output, "%llu\n", (unsigned long long)value);
    return value == 1 ? COMMAND_USAGE : COMMAND_OK;
}

static const struct command commands[] = {
    {"doorbell", "NAME port|mmio ADDRESS ...", "attach one", 1, COMMAND_WORDS_MAX - 1, run},
    {"quit", "", "end", 0, 0, run},
    {"raise", "TRIGGER [COUNT]", "raise one", 1, 2, run},
    {"regs", "[VCPU]", "registers", 0, 1, run},
    {"reset", "", "start anew", 0, 0, run},
};

/* The screen shows the line, and blanks where characters were removed. */
static void check_terminal(const struct line_editor *editor)
{
    const char *line = line_editor_pending(editor);
    size_t length = strlen(line);

    EXPECT(length <= LINE_BYTES_MAX);
    EXPECT(terminal.column == length);
    EXPECT(memcmp(terminal.text, line, length) == 0);
    for (const char *rest = terminal.text + length; *rest != '\0'; rest++)
        EXPECT(*rest == ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    const struct command_output output = {print, NULL};
    struct input input = {data, data + size_bytes};
    struct line_editor editor;

    memset(&terminal, 0, sizeof(terminal));
    line_editor_init(&editor, echo, NULL);
    while (input_left(&input)) {
        uint8_t byte = input_u8(&input);

        switch (line_editor_feed(&editor, (char)byte)) {
        case LINE_PENDING: check_terminal(&editor); break;
        case LINE_DONE: {
            const char *line = line_editor_text(&editor);

            EXPECT(byte == '\r' || byte == '\n');
            EXPECT(strlen(line) <= LINE_BYTES_MAX && terminal.column == 0);
            printed = 0;
            (void)command_run(commands, ARRAY_COUNT(commands), NULL, &output, line);
            break;
        }
        case LINE_CANCELLED: EXPECT(byte == 0x03 && terminal.column == 0); break;
        }
    }
    return 0;
}
