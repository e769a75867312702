// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/output_queue.h"

static const char monitor_word[] = "portcullis:";

#define MONITOR_WORD_LENGTH (sizeof(monitor_word) - 1)

/* Stands before each text in the log's ring. */
struct output_header {
    uint32_t after_view; /* the text goes out when view_sent has come to this */
    uint32_t length;
};

void output_queue_init(struct output_queue *queue)
{
    byte_ring_init(&queue->prompt, queue->prompt_bytes, OUTPUT_PROMPT_BYTES);
    byte_ring_init(&queue->log, queue->log_bytes, OUTPUT_LOG_BYTES);
    queue->view = NULL;
    queue->shows_view = false;
    queue->view_sent = 0;
    queue->text_left = 0;
    queue->is_log_line_open = false;
    queue->last = OUTPUT_NOTHING;
    queue->at_line_start = true;
    queue->matched_length = 0;
    queue->has_held = false;
}

void output_queue_set_view(struct output_queue *queue, struct byte_ring *view)
{
    queue->view = view;
}

void output_queue_show_view(struct output_queue *queue, bool shows)
{
    queue->shows_view = shows;
}

size_t output_queue_put_prompt(struct output_queue *queue, const char *text, size_t length)
{
    return byte_ring_put(&queue->prompt, text, length);
}

/* Returns how many bytes of the view are to be sent now. */
static size_t view_used(const struct output_queue *queue)
{
    return queue->shows_view && queue->view != NULL ? byte_ring_used(queue->view) : 0;
}

bool output_queue_put_log(struct output_queue *queue, const char *text, size_t length,
                          size_t reserve_bytes)
{
    struct output_header header = {.after_view = queue->view_sent + (uint32_t)view_used(queue)};
    size_t size = length, done = 0;

    for (size_t i = 0; i < length; i++)
        size += text[i] == '\n';
    if (size + sizeof(header) + reserve_bytes > byte_ring_space(&queue->log))
        return false;
    header.length = (uint32_t)size;
    (void)byte_ring_put(&queue->log, &header, sizeof(header));
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\n')
            continue;
        (void)byte_ring_put(&queue->log, text + done, i - done);
        (void)byte_ring_put(&queue->log, "\r\n", 2);
        done = i + 1;
    }
    (void)byte_ring_put(&queue->log, text + done, length - done);
    return true;
}

/* Copies the oldest bytes of a ring, which has as many. */
static void read_ring(const struct byte_ring *ring, void *to, size_t size)
{
    uint32_t consumed = atomic_load_explicit(&ring->consumed_count, memory_order_relaxed);
    uint8_t *bytes = to;

    for (size_t i = 0; i < size; i++)
        bytes[i] = ring->bytes[(consumed + i) & (ring->size_bytes - 1)];
}

/* Returns whether the log's next text has to wait for bytes of the view. */
static bool waits_for_view(const struct output_queue *queue)
{
    struct output_header header;

    if (view_used(queue) == 0)
        return false;
    read_ring(&queue->log, &header, sizeof(header));
    return (int32_t)(header.after_view - queue->view_sent) > 0;
}

/* Returns where the next byte comes from. */
static enum output_source next_source(const struct output_queue *queue)
{
    if (queue->text_left > 0)
        return OUTPUT_FROM_LOG;
    if (byte_ring_used(&queue->prompt) > 0)
        return OUTPUT_FROM_PROMPT;
    if (byte_ring_used(&queue->log) > 0 && !waits_for_view(queue))
        return OUTPUT_FROM_LOG;
    return view_used(queue) > 0 ? OUTPUT_FROM_VIEW : OUTPUT_NOTHING;
}

bool output_queue_has_output(const struct output_queue *queue)
{
    return queue->has_held || next_source(queue) != OUTPUT_NOTHING;
}

static uint8_t peek_byte(const struct byte_ring *ring)
{
    uint8_t byte;

    read_ring(ring, &byte, 1);
    return byte;
}

/* Accounts for a byte that is sent. */
static uint8_t emit(struct output_queue *queue, uint8_t byte)
{
    queue->at_line_start = byte == '\n';
    /* The word's first letter occurs only once in it, so no other beginning needs a look. */
    if (byte == (uint8_t)monitor_word[queue->matched_length])
        queue->matched_length++;
    else
        queue->matched_length = byte == (uint8_t)monitor_word[0];
    if (queue->matched_length == MONITOR_WORD_LENGTH)
        queue->matched_length = 0;
    return byte;
}

/* Sends the first of two bytes; the second one is the next to be sent. */
static uint8_t emit_pair(struct output_queue *queue, uint8_t first, uint8_t second)
{
    queue->held = second;
    queue->has_held = true;
    return emit(queue, first);
}

/* Begins the log's next text. Returns whether the line has to be ended first. */
static bool begin_text(struct output_queue *queue)
{
    bool continues = queue->last == OUTPUT_FROM_LOG && queue->is_log_line_open;
    struct output_header header;

    read_ring(&queue->log, &header, sizeof(header));
    byte_ring_consume(&queue->log, sizeof(header));
    queue->text_left = header.length;
    queue->last = OUTPUT_FROM_LOG;
    return !continues && !queue->at_line_start;
}

static uint8_t take_from_log(struct output_queue *queue)
{
    uint8_t byte = peek_byte(&queue->log);

    byte_ring_consume(&queue->log, 1);
    queue->text_left--;
    queue->is_log_line_open = byte != '\n';
    return emit(queue, byte);
}

static uint8_t take_from_view(struct output_queue *queue)
{
    uint8_t byte = peek_byte(queue->view);

    byte_ring_consume(queue->view, 1);
    queue->view_sent++;
    queue->last = OUTPUT_FROM_VIEW;
    if (queue->matched_length == MONITOR_WORD_LENGTH - 1 &&
        byte == (uint8_t)monitor_word[MONITOR_WORD_LENGTH - 1])
        return emit_pair(queue, '\\', byte);
    return emit(queue, byte);
}

/* Takes the next byte. Returns false if there is none. */
static bool take(struct output_queue *queue, uint8_t *byte)
{
    if (queue->has_held) {
        queue->has_held = false;
        *byte = emit(queue, queue->held);
        return true;
    }
    for (;;) {
        switch (next_source(queue)) {
        case OUTPUT_NOTHING: return false;
        case OUTPUT_FROM_PROMPT:
            *byte = peek_byte(&queue->prompt);
            byte_ring_consume(&queue->prompt, 1);
            queue->last = OUTPUT_FROM_PROMPT;
            if (*byte != OUTPUT_FRESH_LINE) {
                (void)emit(queue, *byte);
                return true;
            }
            if (!queue->at_line_start) {
                *byte = emit_pair(queue, '\r', '\n');
                return true;
            }
            break;
        case OUTPUT_FROM_LOG:
            if (queue->text_left == 0) {
                if (begin_text(queue)) {
                    *byte = emit_pair(queue, '\r', '\n');
                    return true;
                }
                break; /* an empty text is over already */
            }
            *byte = take_from_log(queue);
            return true;
        case OUTPUT_FROM_VIEW: *byte = take_from_view(queue); return true;
        }
    }
}

size_t output_queue_take(struct output_queue *queue, uint8_t *bytes, size_t size)
{
    size_t count = 0;

    while (count < size && take(queue, &bytes[count]))
        count++;
    return count;
}
