// SPDX-License-Identifier: BSD-2-Clause
/* The messages between the I/O APIC, the local APICs and message-signalled interrupts. Intel SDM
 * vol. 3A, Sep 2023, "Interrupt Command Register (ICR)"; Intel 82093AA datasheet, order number
 * 290566, "I/O Redirection Table Registers". */
#ifndef VMM_DEVICES_APIC_MESSAGE_H
#define VMM_DEVICES_APIC_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/* The delivery mode, as the ICR, the redirection table and MSI data encode it; 3 is reserved. */
enum apic_delivery {
    APIC_FIXED = 0,
    APIC_LOWEST_PRIORITY = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};

struct apic_message {
    uint32_t destination; /* an APIC ID; with is_logical: a message destination address */
    bool is_logical;
    enum apic_delivery delivery;
    uint8_t vector;
    bool is_level;    /* the trigger mode */
    bool is_asserted; /* the level bit; used only for INIT */
};

#endif
