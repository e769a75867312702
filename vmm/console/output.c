// SPDX-License-Identifier: BSD-2-Clause
/* Output: what the monitor prints, on its way to the UART. */
#include "vmm/base/log.h"
#include "vmm/console/state.h"

#include <string.h>

#define FIFO_BYTES 16
#define LOG_PREFIX "portcullis: "

/* Returns whether this processor may use the UART. */
static bool has_uart(void)
{
    return console.service == SERVICE_NONE || cpu_this()->index == 0;
}

static size_t take(uint8_t *bytes, size_t size)
{
    size_t count;

    console_lock();
    count = output_queue_take(&console.output, bytes, size);
    console_unlock();
    return count;
}

bool output_is_pending(void)
{
    bool is_pending;

    console_lock();
    is_pending = output_queue_has_output(&console.output);
    console_unlock();
    return is_pending;
}

void output_send(void)
{
    uint8_t bytes[FIFO_BYTES];
    size_t room, count;
    bool want_interrupt;

    do {
        room = uart_room(&console.uart);
        count = take(bytes, room < sizeof(bytes) ? room : sizeof(bytes));
        for (size_t i = 0; i < count; i++)
            (void)uart_try_put(&console.uart, bytes[i]); /* there is room for it */
    } while (room > 0 && count == room);
    if (console.service != SERVICE_INTERRUPT)
        return;
    want_interrupt = output_is_pending();
    if (want_interrupt != console.transmit_interrupt) {
        console.transmit_interrupt = want_interrupt;
        uart_set_interrupts(&console.uart, true, want_interrupt);
    }
}

/* Sends some bytes, and waits for the UART if needed. A stuck UART must not stop the machine: this
 * function waits for it once, and then drops bytes until the UART takes one again. Returns false if
 * nothing was to be sent. */
static bool send_polled(void)
{
    uint8_t bytes[FIFO_BYTES];
    size_t count = take(bytes, sizeof(bytes));

    for (size_t i = 0; i < count; i++)
        console.is_stuck = console.is_stuck ? !uart_try_put(&console.uart, bytes[i])
                                            : !uart_put_polled(&console.uart, bytes[i]);
    return count > 0;
}

void output_flush(void)
{
    if (!console.is_present)
        return;
    while (send_polled())
        ;
    (void)uart_flush(&console.uart);
}

void console_flush(void)
{
    if (has_uart())
        output_flush();
}

void output_start(bool was_pending)
{
    if (console.service == SERVICE_NONE) {
        console_flush();
        return;
    }
    if (!has_uart()) {
        if (!was_pending)
            console_wake();
        return;
    }
    output_send();
    if (output_is_pending())
        console_wake();
}

/* Puts as much of a text into the prompt's queue as there is room for, and returns how much. */
static size_t put_prompt_some(const char *text, size_t length, size_t unused)
{
    (void)unused;
    return output_queue_put_prompt(&console.output, text, length);
}

/* Puts a text into the log's queue, or nothing of it. */
static size_t put_log_whole(const char *text, size_t length, size_t reserve_bytes)
{
    return output_queue_put_log(&console.output, text, length, reserve_bytes) ? length : 0;
}

/* Puts a text into a queue. Only a processor that may use the UART can wait for room; for another
 * one the rest is lost, and counted. */
static void put(size_t (*put_some)(const char *text, size_t length, size_t reserve_bytes),
                const char *text, size_t length, size_t reserve_bytes)
{
    bool was_pending, is_first = false;

    if (!console.is_present)
        return;
    for (;;) {
        size_t count;

        console_lock();
        was_pending = output_queue_has_output(&console.output);
        count = put_some(text, length, reserve_bytes);
        if (count < length && !has_uart()) {
            console.dropped_lines++;
            is_first = clients_want_report();
        }
        console_unlock();
        if (count == length || !has_uart())
            break;
        text += count;
        length -= count;
        (void)send_polled();
    }
    if (is_first)
        console_wake();
    output_start(was_pending);
}

static void put_prompt(const char *text, size_t length)
{
    put(put_prompt_some, text, length, 0);
}

void output_text(void *context, const char *text, size_t length)
{
    size_t done = 0;

    (void)context;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\n')
            continue;
        put_prompt(text + done, i - done);
        put_prompt("\r\n", 2);
        done = i + 1;
    }
    put_prompt(text + done, length - done);
}

void output_echo(void *context, const char *text, size_t length)
{
    (void)context;
    put_prompt(text, length);
}

void output_log(void *context, const char *text, size_t length)
{
    const size_t prefix_length = sizeof(LOG_PREFIX) - 1;
    bool is_line = length >= prefix_length && memcmp(text, LOG_PREFIX, prefix_length) == 0;

    if (!console.is_present)
        return;
    /* Lines of other processors are no answers, and go out whole. */
    if (!console.answers || (is_line && !has_uart())) {
        put(put_log_whole, text, length, is_line ? 0 : OUTPUT_SHARE_LINES);
        return;
    }
    if (is_line)
        put_prompt(&(const char){OUTPUT_FRESH_LINE}, 1);
    output_text(context, text, length);
}
