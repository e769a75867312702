// SPDX-License-Identifier: BSD-2-Clause
/* What guests print: bytes of their COM1, and lines that they cause. */
#include "arch/x86/cpu.h"
#include "vmm/base/clock.h"
#include "vmm/base/format.h"
#include "vmm/base/log.h"
#include "vmm/console/state.h"
#include "vmm/prompt/shown_text.h"

#include <string.h>

#define ROOM_WORTH_TELLING 16 /* bytes (a FIFO) that a client waits for if it was refused */
#define LINE_BYTES         704
#define REPORT_MESSAGE     80
#define BITS_A_CHARACTER   10

/* A line costs as much as this many more characters, so that empty lines cost something, too. */
#define LINE_COST 16

void console_client_init(struct console_client *client)
{
    struct console_backlog *backlog = &client->backlog;

    byte_ring_init(&backlog->ring, backlog->bytes, sizeof(backlog->bytes));
    backlog->dropped = 0;
    client->was_refused = false;
    client->rate = (struct text_rate){0};
    client->dropped_lines = 0;
    client->next_dropping = NULL;
    console_lock();
    console.client_count++;
    console_unlock();
}

/* Takes the client off the list of those that have dropped lines. The console is locked. */
static void unlink_dropping(struct console_client *client)
{
    struct console_client **link = &console.dropping;

    while (*link != NULL && *link != client)
        link = &(*link)->next_dropping;
    if (*link == client)
        *link = client->next_dropping;
    client->next_dropping = NULL;
}

/* Keeps a byte of a guest that the user does not see. Such a guest must not have to wait: if there
 * is no room, the oldest byte is dropped. */
static void keep(struct console_backlog *backlog, uint8_t byte)
{
    if (byte_ring_space(&backlog->ring) == 0) {
        byte_ring_consume(&backlog->ring, 1);
        backlog->dropped++;
    }
    (void)byte_ring_put(&backlog->ring, &byte, 1);
}

bool console_transmit(struct console_client *client, uint8_t byte)
{
    bool is_taken = true, was_pending = true;

    console_lock();
    if (client != console.client) {
        keep(&client->backlog, byte);
    } else {
        was_pending = console.focus != FOCUS_GUEST || output_queue_has_output(&console.output);
        is_taken = byte_ring_put(&client->backlog.ring, &byte, 1) == 1;
        client->was_refused |= !is_taken;
    }
    console_unlock();
    if (!was_pending)
        console_wake();
    return is_taken;
}

void clients_offer_room(void)
{
    struct console_client *client;

    console_lock();
    client = console.client;
    if (client != NULL && client->was_refused &&
        byte_ring_space(&client->backlog.ring) >= ROOM_WORTH_TELLING)
        client->was_refused = false;
    else
        client = NULL;
    console_unlock();
    /* This call is not made under the lock: the board's lock is taken before the console's, never
     * after it. */
    if (client != NULL)
        client->ready(client->context);
}

void clients_report_backlog(struct console_client *client)
{
    uint64_t dropped;

    console_lock();
    dropped = client->backlog.dropped;
    client->backlog.dropped = 0;
    console_unlock();
    if (dropped > 0)
        log_line("%lu bytes that %s printed before were not kept", dropped, client->name);
}

/* Returns how much text a client may print now. */
static struct text_rate_limit limit_now(void)
{
    return text_rate_share(clock_tsc_hz(), console.uart.baud / BITS_A_CHARACTER,
                           OUTPUT_GUEST_LINES_BYTES, console.client_count);
}

/* Puts a line into the queue if the client's rate allows it and there is room. The console is
 * locked. */
static bool put_line(struct console_client *client, const char *line, size_t length)
{
    struct text_rate_limit limit = limit_now();

    return text_rate_take(&client->rate, &limit, rdtsc(), length + LINE_COST) &&
           output_queue_put_log(&console.output, line, length, OUTPUT_SHARE_DUMPS);
}

bool clients_want_report(void)
{
    if (console.report_tsc != UINT64_MAX)
        return false;
    console.report_tsc = rdtsc() + clock_tsc_hz();
    return true;
}

/* Counts a line that was dropped. The console is locked. Returns as clients_want_report does. */
static bool count_dropped(struct console_client *client)
{
    if (client->dropped_lines++ == 0) {
        client->next_dropping = console.dropping;
        console.dropping = client;
    }
    return clients_want_report();
}

static void print_line(struct console_client *client, const char *line, size_t length)
{
    bool was_pending, is_put, is_first = false;

    if (!console.is_present)
        return;
    console_lock();
    was_pending = output_queue_has_output(&console.output);
    is_put = put_line(client, line, length);
    if (!is_put)
        is_first = count_dropped(client);
    console_unlock();
    if (is_put)
        output_start(was_pending);
    else if (is_first)
        console_wake();
}

void console_print_line(struct console_client *client, const char *text, size_t length)
{
    char line[LINE_BYTES];
    size_t most,
        used = format_text(line, sizeof(line), "%s:%s", client->name, length > 0 ? " " : "");

    most = (sizeof(line) - 1 - used) / SHOWN_TEXT_GROWTH;
    used += shown_text(line + used, text, length < most ? length : most);
    line[used++] = '\n';
    print_line(client, line, used);
}

void console_log_about(struct console_client *client, const char *format, ...)
{
    char line[LINE_BYTES];
    size_t length = format_text(line, sizeof(line), "portcullis: guest %s", client->name);
    va_list arguments;

    va_start(arguments, format);
    length += format_text_v(line + length, sizeof(line) - length, format, arguments);
    va_end(arguments);
    if (length > sizeof(line) - 1)
        length = sizeof(line) - 1;
    line[length++] = '\n';
    print_line(client, line, length);
}

/* Puts the report of a client's dropped lines into the queue. Returns false if there is no room.
 * The console is locked. */
static bool put_report(struct console_client *client)
{
    char line[REPORT_MESSAGE];
    size_t length;

    if (client->dropped_lines == 0)
        return true;
    length = format_text(line, sizeof(line), "portcullis: guest %s: %lu lines dropped\n",
                         client->name, client->dropped_lines);
    if (!output_queue_put_log(&console.output, line, length, OUTPUT_SHARE_LINES))
        return false;
    client->dropped_lines = 0;
    return true;
}

/* Puts the report of the monitor's own dropped lines into the queue. The console is locked. */
static bool put_own_report(void)
{
    char line[REPORT_MESSAGE];
    size_t length;

    if (console.dropped_lines == 0)
        return true;
    length = format_text(line, sizeof(line), "portcullis: %lu lines of the monitor dropped\n",
                         console.dropped_lines);
    if (!output_queue_put_log(&console.output, line, length, 0))
        return false;
    console.dropped_lines = 0;
    return true;
}

void clients_report_dropped(uint64_t now_tsc)
{
    if (now_tsc < console.report_tsc)
        return;
    console_lock();
    while (console.dropping != NULL && put_report(console.dropping))
        unlink_dropping(console.dropping);
    console.report_tsc =
        put_own_report() && console.dropping == NULL ? UINT64_MAX : now_tsc + clock_tsc_hz();
    console_unlock();
}

void console_report_dropped(struct console_client *client)
{
    bool was_pending;

    console_lock();
    was_pending = output_queue_has_output(&console.output);
    if (client->dropped_lines > 0 && put_report(client))
        unlink_dropping(client);
    console_unlock();
    output_start(was_pending);
}

void clients_remove(struct console_client *client)
{
    console_report_dropped(client);
    console_lock();
    unlink_dropping(client);
    console.client_count--;
    console_unlock();
}
