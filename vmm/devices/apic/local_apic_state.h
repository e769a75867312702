// SPDX-License-Identifier: BSD-2-Clause
/* What the files of the local APIC, and the bus between APICs, know of one another. */
#ifndef VMM_DEVICES_APIC_LOCAL_APIC_STATE_H
#define VMM_DEVICES_APIC_LOCAL_APIC_STATE_H

#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/apic/local_apic.h"

/* Registers, by bits 11:4 of their offsets, which are bits 7:0 of their MSRs' indices: "Local APIC
 * Register Address Map", "x2APIC Register Address Space". */
enum {
    REGISTER_ID = 0x02,
    REGISTER_VERSION = 0x03,
    REGISTER_TPR = 0x08,
    REGISTER_APR = 0x09,
    REGISTER_PPR = 0x0a,
    REGISTER_EOI = 0x0b,
    REGISTER_RRD = 0x0c,
    REGISTER_LDR = 0x0d,
    REGISTER_DFR = 0x0e,
    REGISTER_SVR = 0x0f,
    REGISTER_ISR = 0x10,
    REGISTER_TMR = 0x18,
    REGISTER_IRR = 0x20,
    REGISTER_ESR = 0x28,
    REGISTER_LVT_CMCI = 0x2f,
    REGISTER_ICR = 0x30,
    REGISTER_ICR_HIGH = 0x31,
    REGISTER_LVT_TIMER = 0x32,
    REGISTER_LVT_ERROR = 0x37,
    REGISTER_INITIAL_COUNT = 0x38,
    REGISTER_CURRENT_COUNT = 0x39,
    REGISTER_DIVIDE = 0x3e,
    REGISTER_SELF_IPI = 0x3f,
    REGISTER_COUNT = 0x40,
};

/* A register in the page, as an lvalue; of ISR, TMR and IRR the first of eight. */
#define APIC_REGISTER(apic, number) ((apic)->page[4 * (number)])

/* IA32_APIC_BASE */
enum {
    APIC_BASE_BSP_FLAG = 1u << 8,
    APIC_BASE_EXTD_FLAG = 1u << 10,
    APIC_BASE_EN_FLAG = 1u << 11,
};

/* Local vector table */
enum {
    LVT_VECTOR = 0xff,
    LVT_DELIVERY_SHIFT = 8,
    LVT_DELIVERY_STATUS = 1u << 12, /* read-only */
    LVT_POLARITY = 1u << 13,        /* the board's pins are asserted or not: reads back only */
    LVT_REMOTE_IRR = 1u << 14,      /* read-only */
    LVT_LEVEL = 1u << 15,
    LVT_MASK = 1u << 16,
    LVT_TIMER_MODE_SHIFT = 17,
};

/* Spurious-interrupt vector register */
enum {
    SVR_ENABLE = 1u << 8,
    SVR_FOCUS = 1u << 9, /* reads back only, as there is no focus processor */
    SVR_SUPPRESS_EOI_BROADCAST = 1u << 12,
};

/* Error status register */
enum {
    ESR_SEND_ILLEGAL_VECTOR = 1u << 5,
    ESR_RECEIVE_ILLEGAL_VECTOR = 1u << 6,
    ESR_ILLEGAL_REGISTER = 1u << 7,
};

/* local_apic.events */
enum {
    APIC_EVENT_NMI = 1u << 0,
    APIC_EVENT_INIT = 1u << 1,
    APIC_EVENT_STARTUP = 1u << 2,
    APIC_EVENT_EXTINT = 1u << 3,
    APIC_EVENT_NMI_AGAIN = 1u << 4, /* one more; never posted as such */
    APIC_EVENT_VECTOR_SHIFT = 8,    /* bits 15:8, with STARTUP */
};

/* local_apic.attention: word n of the requests, of both kinds; or anything else. */
#define APIC_ATTENTION_WORDS 0xffu
#define APIC_ATTENTION_OTHER 0x100u

/* local_apic.published, unpacked: one load, hence consistent; and the priority, out of the page. */
struct local_apic_published {
    enum local_apic_mode mode;
    bool is_enabled;   /* by software */
    uint8_t lint_pins; /* bit n: a rising LINTn means something */
    uint8_t ppr;
    uint8_t logical_id; /* LDR bits 31:24 */
    uint8_t model;      /* DFR bits 31:28 */
};

static inline struct local_apic_published local_apic_published(const struct local_apic *apic)
{
    uint32_t packed = atomic_load(&apic->published); /* local_apic_publish packs it */

    return (struct local_apic_published){
        .mode = (enum local_apic_mode)(packed & 3),
        .is_enabled = (packed >> 2 & 1) != 0,
        .lint_pins = packed >> 3 & 3,
        .ppr = (uint8_t)__atomic_load_n(&APIC_REGISTER(apic, REGISTER_PPR), __ATOMIC_RELAXED),
        .logical_id = (uint8_t)(packed >> 16),
        .model = packed >> 24 & 0xf,
    };
}

/* --- For senders: from any processor. True: the owner must be kicked. --- */

/* A fixed interrupt; vectors below 16 raise the receiver's error. */
bool local_apic_post_request(struct local_apic *apic, uint8_t vector, bool is_level);

/* One of APIC_EVENT_*; vector is that of a STARTUP. */
bool local_apic_post_event(struct local_apic *apic, uint32_t event, uint8_t vector);

/* LINT0 or LINT1 is asserted, or is not. One caller at a time for a pin. */
bool local_apic_post_lint(struct local_apic *apic, unsigned pin, bool level);

/* --- For the owner --- */

/* Empties the requests in the inbox into IRR and TMR, those that attention tells of. */
void local_apic_merge_requests(struct local_apic *apic, uint32_t attention);

/* A fixed interrupt that comes past the inbox: see below. */
static inline void local_apic_request(struct local_apic *apic, uint8_t vector, bool is_level);

/* Works PPR and the pending vector out anew after a change of IRR, ISR, TPR or mode. */
void local_apic_update(struct local_apic *apic);

/* The same where ISR is as it was, or in_service is up to date. */
void local_apic_update_requests(struct local_apic *apic);

/* The same where nothing has changed but that vector has come into IRR, or with
 * LOCAL_APIC_NO_VECTOR nothing at all: what did not pend before does not because of that. None
 * comes while the APIC is globally disabled. */
static inline void local_apic_update_requested(struct local_apic *apic, int vector)
{
    uint32_t ppr = APIC_REGISTER(apic, REGISTER_PPR);

    if (__builtin_expect(apic->is_virtual, 0)) {
        local_apic_update_requests(apic);
    } else if (vector > apic->pending && (unsigned)vector >> 4 > ppr >> 4) {
        apic->pending = (int16_t)vector;
        apic->has_news = true;
    }
}

/* Tells senders what changed in mode, SVR, LDR, DFR or the LVT entries of LINT0 and LINT1. */
void local_apic_publish(struct local_apic *apic);

/* How LINTn is delivered now: an enum apic_delivery, or -1 for not at all. */
int local_apic_lint_delivery(const struct local_apic *apic, unsigned pin);

/* An interrupt of the local vector table, if it is not masked. */
void local_apic_deliver_lvt(struct local_apic *apic, enum local_apic_lvt entry);

/* Notes ESR_* and raises the error interrupt, once between two writes of ESR. */
void local_apic_error(struct local_apic *apic, uint32_t error);

/* A write of the EOI register: "Signaling Interrupt Servicing Completion". */
void local_apic_end_of_interrupt(struct local_apic *apic);

/* --- Timer: each is called with the timer up to date (local_apic_run) --- */

void local_apic_timer_write_lvt(struct local_apic *apic, uint32_t lvt);
void local_apic_timer_write_initial_count(struct local_apic *apic, uint32_t count);
void local_apic_timer_write_divide(struct local_apic *apic, uint32_t divide_configuration);
uint32_t local_apic_timer_current_count(const struct local_apic *apic);

/* --- Registers, for the files about them (local_apic_registers.c) --- */

/* Shows the time and the messages that are here. Attention stays, as accepting is more. */
void local_apic_catch_up(struct local_apic *apic, uint64_t now_tsc);

/* Which accesses to a register there are. */
enum apic_access {
    XAPIC_READ = 1,
    XAPIC_WRITE = 2,
    X2APIC_READ = 4,
    X2APIC_WRITE = 8,
};

/* Of enum apic_access; number: 0..REGISTER_COUNT - 1. */
unsigned local_apic_register_access(unsigned number);

/* Writes bits 31:0 of a register that can be written, without those that are reserved. The APIC is
 * up to date. */
void local_apic_write_register(struct local_apic *apic, unsigned number, uint32_t value);

/* ID and LDR as they read in the mode that the APIC is in. */
static inline uint32_t local_apic_shown_id(const struct local_apic *apic)
{
    return apic->mode == LOCAL_APIC_X2APIC ? apic->config.id : apic->config.id << 24;
}

static inline uint32_t local_apic_shown_ldr(const struct local_apic *apic)
{
    return apic->mode == LOCAL_APIC_X2APIC ? apic_x2apic_logical_id(apic->config.id) : apic->ldr;
}

/* What is left to do when the interrupt of this vector is no longer in service. */
void local_apic_finish_interrupt(struct local_apic *apic, uint8_t vector);

/* --- Maps of vectors: eight registers of 32 bits, 16 bytes apart --- */

static inline void vector_set(uint32_t *map, uint8_t vector)
{
    map[4 * (vector / 32)] |= UINT32_C(1) << vector % 32;
}

static inline void vector_clear(uint32_t *map, uint8_t vector)
{
    map[4 * (vector / 32)] &= ~(UINT32_C(1) << vector % 32);
}

static inline bool vector_test(const uint32_t *map, uint8_t vector)
{
    return (map[4 * (vector / 32)] >> vector % 32 & 1) != 0;
}

/* The highest vector of a map, or LOCAL_APIC_NO_VECTOR. */
static inline int vector_highest(const uint32_t *map)
{
    /* Two words at a time: most maps are empty or nearly so. */
#pragma GCC unroll 4
    for (int pair = 3; pair >= 0; pair--) {
        uint64_t bits = (uint64_t)map[4 * (2 * pair + 1)] << 32 | map[4 * 2 * pair];

        if (bits != 0)
            return pair * 64 + 63 - __builtin_clzll(bits);
    }
    return LOCAL_APIC_NO_VECTOR;
}

/* The same for a legal vector. */
static inline void local_apic_set_request(struct local_apic *apic, uint8_t vector, bool is_level)
{
    vector_set(&APIC_REGISTER(apic, REGISTER_IRR), vector);
    if (is_level)
        vector_set(&APIC_REGISTER(apic, REGISTER_TMR), vector);
    else
        vector_clear(&APIC_REGISTER(apic, REGISTER_TMR), vector);
    local_apic_update_requested(apic, vector);
}

static inline void local_apic_request(struct local_apic *apic, uint8_t vector, bool is_level)
{
    if (__builtin_expect(vector < 16, 0))
        local_apic_error(apic, ESR_RECEIVE_ILLEGAL_VECTOR);
    else
        local_apic_set_request(apic, vector, is_level);
}

#endif
