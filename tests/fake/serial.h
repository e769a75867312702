// SPDX-License-Identifier: BSD-2-Clause
/* A serial port of the fake machine, a 16550A whose line is the test. */
#ifndef TESTS_FAKE_SERIAL_H
#define TESTS_FAKE_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_SERIAL_PORT 0x3f8

#define FAKE_SERIAL_IRQ 4

/* Puts the UART at FAKE_SERIAL_PORT. has_interrupt: its line goes to input FAKE_SERIAL_IRQ of the
 * I/O APIC; else to nothing. */
void fake_serial_begin(bool has_interrupt);

/* What has been sent since the last fake_serial_forget, as a string; and empties it. */
const char *fake_serial_output(void);
void fake_serial_forget(void);

/* Gives the UART these bytes, which come in as its receiver is read. */
void fake_serial_type(const char *text);

/* Types text as soon as the output contains marker, behind what was there when the answer before was
 * typed. Answers follow one another in the order of the calls. */
void fake_serial_answer(const char *marker, const char *text);

/* A transmitter that is busy takes nothing. */
void fake_serial_set_busy(bool busy);

/* An I/O APIC with 24 inputs (fake_ioapic.c). */
#define FAKE_IOAPIC_BASE UINT64_C(0xfec00000)
void fake_ioapic_begin(void);
void fake_ioapic_raise(unsigned input);

#endif
