// SPDX-License-Identifier: BSD-2-Clause
/* PC16550D datasheet, "Registers". */
#include "tests/fake/serial.h"

#include "tests/fake/processor.h"

#include <string.h>

#define OUTPUT_BYTES (1024 * 1024)
#define ANSWERS_MAX  64
#define INPUT_BYTES  (256 * 1024)

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

#define IER_RECEIVED    0x01
#define IER_TRANSMITTED 0x02
#define IIR_NONE        0x01
#define IIR_TRANSMITTED 0x02
#define IIR_RECEIVED    0x04
#define IIR_FIFOS       0xc0
#define LCR_DLAB        0x80
#define LSR_DATA_READY  0x01
#define LSR_IDLE        0x60
#define MSR_CTS_DSR_DCD 0xb0

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct {
    bool has_interrupt;
    uint8_t registers[8];
    uint8_t divisor[2];
    bool is_busy;
    bool thr_interrupt; /* the transmitter-empty interrupt waits to be seen */
    bool line;
    char output[OUTPUT_BYTES];
    size_t output_bytes;
    char input[INPUT_BYTES];
    size_t input_first, input_end;
    struct {
        const char *marker, *text;
    } answers[ANSWERS_MAX];
    unsigned answer_count, answered;
    size_t looked_from; /* where the output begins that the next answer looks at */
} uart;

static uint8_t cause(void)
{
    if ((uart.registers[IER] & IER_RECEIVED) != 0 && uart.input_first < uart.input_end)
        return IIR_RECEIVED;
    if ((uart.registers[IER] & IER_TRANSMITTED) != 0 && uart.thr_interrupt && !uart.is_busy)
        return IIR_TRANSMITTED;
    return IIR_NONE;
}

/* Returns whether the line has just risen. */
static bool rises(void)
{
    bool was = uart.line;

    uart.line = cause() != IIR_NONE;
    return uart.line && !was && uart.has_interrupt;
}

static void type(const char *text)
{
    for (; *text != '\0'; text++) {
        if (uart.input_end == INPUT_BYTES)
            fake_misuse("more than %u bytes are typed", INPUT_BYTES);
        uart.input[uart.input_end++] = *text;
    }
}

/* Types the answers whose markers have come. */
static void answer(void)
{
    while (uart.answered < uart.answer_count) {
        const char *marker = uart.answers[uart.answered].marker;
        size_t length = strlen(marker), from = uart.looked_from;

        while (from + length <= uart.output_bytes &&
               memcmp(uart.output + from, marker, length) != 0)
            from++;
        if (from + length > uart.output_bytes) {
            uart.looked_from = from;
            return;
        }
        uart.looked_from = uart.output_bytes;
        type(uart.answers[uart.answered++].text);
    }
}

static uint8_t read_locked(unsigned offset)
{
    uint8_t value;

    switch (offset) {
    case DATA:
        if ((uart.registers[LCR] & LCR_DLAB) != 0)
            return uart.divisor[0];
        return uart.input_first < uart.input_end ? (uint8_t)uart.input[uart.input_first++] : 0;
    case IER: return (uart.registers[LCR] & LCR_DLAB) != 0 ? uart.divisor[1] : uart.registers[IER];
    case IIR:
        value = cause();
        if (value == IIR_TRANSMITTED)
            uart.thr_interrupt = false;
        return IIR_FIFOS | value;
    case LSR:
        return (uint8_t)((uart.is_busy ? 0 : LSR_IDLE) |
                         (uart.input_first < uart.input_end ? LSR_DATA_READY : 0));
    case MSR: return MSR_CTS_DSR_DCD;
    default: return uart.registers[offset];
    }
}

static void write_locked(unsigned offset, uint8_t value)
{
    bool is_divisor = (uart.registers[LCR] & LCR_DLAB) != 0;

    if (offset <= IER && is_divisor)
        uart.divisor[offset] = value;
    else if (offset == DATA) {
        if (uart.output_bytes + 1 < OUTPUT_BYTES)
            uart.output[uart.output_bytes++] = (char)value;
        uart.thr_interrupt = true;
        answer();
    } else if (offset == IER) {
        if ((value & ~uart.registers[IER] & IER_TRANSMITTED) != 0)
            uart.thr_interrupt = true;
        uart.registers[IER] = value & 0x0f;
    } else
        uart.registers[offset] = value;
}

static uint32_t read(void *context, uint64_t address, unsigned size)
{
    uint8_t value;

    (void)context;
    (void)size;
    (void)pthread_mutex_lock(&mutex);
    value = read_locked((unsigned)(address - FAKE_SERIAL_PORT));
    (void)rises();
    (void)pthread_mutex_unlock(&mutex);
    return value;
}

static void write(void *context, uint64_t address, unsigned size, uint32_t value)
{
    bool has_risen;

    (void)context;
    (void)size;
    (void)pthread_mutex_lock(&mutex);
    write_locked((unsigned)(address - FAKE_SERIAL_PORT), (uint8_t)value);
    has_risen = rises();
    (void)pthread_mutex_unlock(&mutex);
    if (has_risen)
        fake_ioapic_raise(FAKE_SERIAL_IRQ);
}

void fake_serial_begin(bool has_interrupt)
{
    memset(&uart, 0, sizeof(uart));
    uart.has_interrupt = has_interrupt;
    fake_set_ports(FAKE_SERIAL_PORT, FAKE_SERIAL_PORT + 7,
                   &(struct fake_device){.read = read, .write = write});
}

const char *fake_serial_output(void)
{
    uart.output[uart.output_bytes] = '\0';
    return uart.output;
}

void fake_serial_forget(void)
{
    uart.output_bytes = uart.looked_from = 0;
}

void fake_serial_type(const char *text)
{
    bool has_risen;

    (void)pthread_mutex_lock(&mutex);
    type(text);
    has_risen = rises();
    (void)pthread_mutex_unlock(&mutex);
    if (has_risen)
        fake_ioapic_raise(FAKE_SERIAL_IRQ);
}

void fake_serial_answer(const char *marker, const char *text)
{
    (void)pthread_mutex_lock(&mutex);
    if (uart.answer_count == ANSWERS_MAX)
        fake_misuse("more than %u answers", ANSWERS_MAX);
    uart.answers[uart.answer_count].marker = marker;
    uart.answers[uart.answer_count++].text = text;
    answer();
    (void)pthread_mutex_unlock(&mutex);
}

void fake_serial_set_busy(bool busy)
{
    uart.is_busy = busy;
}
