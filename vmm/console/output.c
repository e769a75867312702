// SPDX-License-Identifier: BSD-2-Clause
/* Output: what the monitor and the guests print, on its way to the UART. */
#include "vmm/base/log.h"
#include "vmm/console/state.h"

#define MONITOR_SHARE      (8 * 1024) /* bytes of the output ring that a guest cannot use */
#define ROOM_WORTH_TELLING 16         /* bytes (a FIFO) that a client waits for if it was refused */

void output_send(void)
{
    const uint8_t *bytes;
    size_t available, sent;

    while ((available = byte_ring_peek(&console.output, &bytes)) > 0) {
        for (sent = 0; sent < available && uart_try_put(&console.uart, bytes[sent]); sent++)
            ;
        byte_ring_consume(&console.output, sent);
        if (sent < available)
            break;
    }
    bool want_interrupt = available > 0;
    if (console.service == SERVICE_INTERRUPT && want_interrupt != console.transmit_interrupt) {
        console.transmit_interrupt = want_interrupt;
        uart_set_interrupts(&console.uart, true, want_interrupt);
    }
}

/* Sends one byte, and waits for the UART if needed. A stuck UART must not stop the machine: this
 * function waits for it once, and then drops bytes until the UART takes one again. */
static void send_one_polled(void)
{
    const uint8_t *bytes;

    if (byte_ring_peek(&console.output, &bytes) == 0)
        return;
    console.is_stuck = console.is_stuck ? !uart_try_put(&console.uart, bytes[0])
                                        : !uart_put_polled(&console.uart, bytes[0]);
    byte_ring_consume(&console.output, 1);
}

static void put(uint8_t byte)
{
    if (!console.is_present)
        return;
    while (byte_ring_put(&console.output, &byte, 1) == 0)
        send_one_polled();
    console.at_line_start = byte == '\n';
}

static void start_sending(void)
{
    if (console.service == SERVICE_NONE) {
        console_flush();
        return;
    }
    output_send();
    if (byte_ring_used(&console.output) > 0)
        console_wake();
}

void output_text(void *context, const char *text, size_t length)
{
    (void)context;
    console_lock();
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put((uint8_t)text[i]);
    }
    start_sending();
    console_unlock();
}

void output_echo(void *context, const char *text, size_t length)
{
    (void)context;
    console_lock();
    for (size_t i = 0; i < length; i++)
        put((uint8_t)text[i]);
    start_sending();
    console_unlock();
}

void output_log(void *context, const char *text, size_t length)
{
    if (!console.is_present)
        return;
    console_lock();
    if ((console.guest_is_in_line && console.focus == FOCUS_GUEST) || console.prompt_is_open)
        output_text(context, "\n", 1);
    console.prompt_is_open = false;
    console.guest_is_in_line = false;
    output_text(context, text, length);
    console_unlock();
}

static void put_for_guest(uint8_t byte)
{
    put(byte);
    console.guest_is_in_line = byte != '\n';
}

static bool guest_may_put(const struct byte_ring *ring, size_t reserve)
{
    return byte_ring_space(ring) > reserve;
}

void console_client_init(struct console_client *client)
{
    struct console_backlog *backlog = &client->backlog;

    byte_ring_init(&backlog->ring, backlog->bytes, sizeof(backlog->bytes));
    backlog->dropped = 0;
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

static bool take_from_guest(struct console_client *client, uint8_t byte)
{
    if (client != console.client) {
        keep(&client->backlog, byte);
        return true;
    }
    if (console.focus == FOCUS_GUEST ? guest_may_put(&console.output, MONITOR_SHARE)
                                     : guest_may_put(&client->backlog.ring, 0)) {
        if (console.focus == FOCUS_GUEST)
            put_for_guest(byte);
        else
            (void)byte_ring_put(&client->backlog.ring, &byte, 1);
        return true;
    }
    console.guest_was_refused = true;
    return false;
}

bool console_transmit(struct console_client *client, uint8_t byte)
{
    bool is_taken;

    console_lock();
    is_taken = take_from_guest(client, byte);
    if (is_taken)
        console_wake();
    console_unlock();
    return is_taken;
}

void output_release_backlog(struct console_client *client)
{
    const uint8_t *bytes;

    if (client->backlog.dropped > 0)
        log_line("%lu bytes that %s printed before were not kept", client->backlog.dropped,
                 client->name);
    client->backlog.dropped = 0;
    while (byte_ring_peek(&client->backlog.ring, &bytes) > 0) {
        put_for_guest(bytes[0]);
        byte_ring_consume(&client->backlog.ring, 1);
    }
}

void output_offer_room(void)
{
    struct console_client *client = NULL;

    console_lock();
    if (console.guest_was_refused && console.client != NULL &&
        byte_ring_space(&console.output) > MONITOR_SHARE + ROOM_WORTH_TELLING) {
        console.guest_was_refused = false;
        client = console.client;
    }
    console_unlock();
    /* This call is not made under the lock: the board's lock is taken before the console's, never
     * after it. */
    if (client != NULL)
        client->ready(client->context);
}

void console_flush(void)
{
    if (!console.is_present)
        return;
    console_lock();
    while (byte_ring_used(&console.output) > 0)
        send_one_polled();
    (void)uart_flush(&console.uart);
    console_unlock();
}
