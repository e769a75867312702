// SPDX-License-Identifier: BSD-2-Clause
/* The guest's local APIC as memory, for functions that are guests. The guest is in protected mode. */
#ifndef TESTS_HEART_APIC_H
#define TESTS_HEART_APIC_H

#include "tests/heart/heart.h"

#define APIC_PAGE     UINT32_C(0xfee00000)
#define APIC_ID       0x20
#define APIC_VERSION  0x30
#define APIC_TPR      0x80
#define APIC_EOI      0xb0
#define APIC_SVR      0xf0
#define APIC_ISR      0x100
#define APIC_IRR      0x200
#define APIC_ICR      0x300
#define APIC_ICR_HIGH 0x310
#define APIC_LVT      0x320 /* the timer's */
#define APIC_INITIAL  0x380
#define APIC_CURRENT  0x390
#define APIC_DIVIDE   0x3e0

#define ICR_FIXED   0x04000
#define ICR_NMI     0x04400
#define ICR_INIT    0x04500
#define ICR_STARTUP 0x04600
#define ICR_SELF    0x40000

static inline void apic_write(struct fake_guest *guest, uint32_t offset, uint32_t value)
{
    (void)exec_store(guest, APIC_PAGE + offset, 4, value);
}

static inline uint32_t apic_read(struct fake_guest *guest, uint32_t offset)
{
    return exec_load(guest, APIC_PAGE + offset, 4);
}

static inline void apic_enable(struct fake_guest *guest)
{
    exec_enter_protected_mode(guest);
    apic_write(guest, APIC_SVR, 0x1ff);
}

static inline void apic_send(struct fake_guest *guest, unsigned to, uint32_t command)
{
    apic_write(guest, APIC_ICR_HIGH, to << 24);
    apic_write(guest, APIC_ICR, command);
}

static inline void apic_send_self(struct fake_guest *guest, uint8_t vector)
{
    apic_write(guest, APIC_ICR, ICR_SELF | ICR_FIXED | vector);
}

static inline void end_guest(struct fake_guest *guest, uint32_t code)
{
    exec_out(guest, 0xf4, 1, code);
}

#endif
