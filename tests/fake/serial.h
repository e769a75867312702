// SPDX-License-Identifier: BSD-2-Clause
/* A serial port of the fake machine, a 16550A whose line is the test. */
#ifndef TESTS_FAKE_SERIAL_H
#define TESTS_FAKE_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_SERIAL_PORT 0x3f8

/* Puts the UART at FAKE_SERIAL_PORT. vector: the interrupt that it sends to processor 0 as an
 * edge-triggered line does; 0: none. */
void fake_serial_begin(uint8_t vector);

/* What has been sent since the last fake_serial_forget, as a string; and empties it. */
const char *fake_serial_output(void);
void fake_serial_forget(void);

/* Gives the UART these bytes, which come in as its receiver is read. */
void fake_serial_type(const char *text);

/* A transmitter that is busy takes nothing. */
void fake_serial_set_busy(bool busy);

#endif
