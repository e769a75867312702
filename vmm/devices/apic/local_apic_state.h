// SPDX-License-Identifier: BSD-2-Clause
/* The interface between the files of the local APIC and the bus between APICs. */
#ifndef VMM_DEVICES_APIC_LOCAL_APIC_STATE_H
#define VMM_DEVICES_APIC_LOCAL_APIC_STATE_H

#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/apic/local_apic.h"

/* The registers' numbers: bits 11:4 of their offsets, which are bits 7:0 of their MSRs' indices:
 * "Local APIC Register Address Map", "x2APIC Register Address Space". */
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

/* A register in the page, as an lvalue; for ISR, TMR and IRR the first of eight. */
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
    LVT_POLARITY = 1u << 13,        /* reads back only: the board's pins are asserted or not */
    LVT_REMOTE_IRR = 1u << 14,      /* read-only */
    LVT_LEVEL = 1u << 15,
    LVT_MASK = 1u << 16,
    LVT_TIMER_MODE_SHIFT = 17,
};

/* Spurious-interrupt vector register */
enum {
    SVR_ENABLE = 1u << 8,
    SVR_FOCUS = 1u << 9, /* reads back only: there is no focus processor */
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
    APIC_EVENT_NMI_AGAIN = 1u << 4, /* one more NMI; never posted by itself */
    APIC_EVENT_VECTOR_SHIFT = 8,    /* bits 15:8, with STARTUP */
};

/* local_apic.attention: bit n for word n of both kinds of requests, or a bit for everything
 * else. */
#define APIC_ATTENTION_WORDS 0xffu
#define APIC_ATTENTION_OTHER 0x100u

/* The unpacked content of local_apic.published, which is one load and therefore consistent, and the
 * priority from the page. */
struct local_apic_published {
    enum local_apic_mode mode;
    bool is_enabled;   /* enabled by software */
    uint8_t lint_pins; /* bit n: a rising LINTn has an effect */
    uint8_t ppr;
    uint8_t logical_id; /* LDR bits 31:24 */
    uint8_t model;      /* DFR bits 31:28 */
};

/* Reads the facts that senders need. Any processor may call it. */
static inline struct local_apic_published local_apic_read_published(const struct local_apic *apic)
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

/* For senders. Any processor may call these. They return true if the caller has to kick the
 * owner. */

/* Posts a fixed interrupt; vectors below 16 raise the receiver's error. */
bool local_apic_post_request(struct local_apic *apic, uint8_t vector, bool is_level);

/* Posts one of APIC_EVENT_*; vector is used only for a STARTUP. */
bool local_apic_post_event(struct local_apic *apic, uint32_t event, uint8_t vector);

/* Posts that LINT0 or LINT1 (pin 0 or 1) is asserted or not. Only one caller at a time for each
 * pin. */
bool local_apic_post_lint(struct local_apic *apic, unsigned pin, bool level);

/* For the owner. */

/* Moves the requests in the inbox into IRR and TMR; attention says which words have some. */
void local_apic_merge_requests(struct local_apic *apic, uint32_t attention);

/* Handles a fixed interrupt that does not go through the inbox; defined below. */
static inline void local_apic_request(struct local_apic *apic, uint8_t vector, bool is_level);

/* Computes PPR and the pending vector after a change of IRR, ISR, TPR or mode. */
void local_apic_update(struct local_apic *apic);

/* Does what local_apic_update does if ISR is unchanged, or if in_service is up to date. */
void local_apic_update_requests(struct local_apic *apic);

/* Does what local_apic_update does if the only change is that vector has come into IRR, or with
 * LOCAL_APIC_NO_VECTOR if nothing has changed: another vector does not become pending by this. No
 * vector comes while the APIC is globally disabled. */
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

/* Publishes changes of mode, SVR, LDR, DFR or the LVT entries of LINT0 and LINT1 to senders. */
void local_apic_publish(struct local_apic *apic);

/* Returns the delivery mode of LINTn now: an enum apic_delivery, or -1 if it is not delivered. */
int local_apic_lint_delivery(const struct local_apic *apic, unsigned pin);

/* Delivers an interrupt of the local vector table, if it is not masked. */
void local_apic_deliver_lvt(struct local_apic *apic, enum local_apic_lvt entry);

/* Records an error, ESR_*, and raises the error interrupt, once between two writes of ESR. */
void local_apic_error(struct local_apic *apic, uint32_t error);

/* Does a write of the EOI register: "Signaling Interrupt Servicing Completion". */
void local_apic_end_of_interrupt(struct local_apic *apic);

/* Timer. The timer is up to date (local_apic_run) when these are called. */

/* Write LVT TIMER, the initial count and the divide configuration; values without reserved bits. */
void local_apic_timer_write_lvt(struct local_apic *apic, uint32_t lvt);
void local_apic_timer_write_initial_count(struct local_apic *apic, uint32_t count);
void local_apic_timer_write_divide(struct local_apic *apic, uint32_t divide_configuration);
/* Returns the current count; 0 if the timer is not armed or does not count down. */
uint32_t local_apic_timer_current_count(const struct local_apic *apic);

/* Registers, for the files about them (local_apic_registers.c). */

/* Updates the timer to now_tsc and moves the posted requests into the registers. `attention` stays
 * set, because local_apic_accept has more to do. */
void local_apic_catch_up(struct local_apic *apic, uint64_t now_tsc);

/* The accesses that a register can have. */
enum apic_access {
    XAPIC_READ = 1,
    XAPIC_WRITE = 2,
    X2APIC_READ = 4,
    X2APIC_WRITE = 8,
};

/* Returns the accesses of a register, as bits of enum apic_access; number: 0..REGISTER_COUNT -
 * 1. */
unsigned local_apic_register_access(unsigned number);

/* Writes bits 31:0 of a writable register; reserved bits of value are ignored. The APIC is up to
 * date. */
void local_apic_write_register(struct local_apic *apic, unsigned number, uint32_t value);

/* Return ID and LDR as they read in the APIC's current mode. */
static inline uint32_t local_apic_shown_id(const struct local_apic *apic)
{
    return apic->mode == LOCAL_APIC_X2APIC ? apic->config.id : apic->config.id << 24;
}

static inline uint32_t local_apic_shown_ldr(const struct local_apic *apic)
{
    return apic->mode == LOCAL_APIC_X2APIC ? apic_x2apic_logical_id(apic->config.id) : apic->ldr;
}

/* Does the rest of the work after the interrupt of this vector is no longer in service: LINT0's
 * remote IRR, and the broadcast to I/O APICs for a level-triggered vector. */
void local_apic_finish_interrupt(struct local_apic *apic, uint8_t vector);

/* Maps of vectors: eight registers of 32 bits, 16 bytes apart. */

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

/* Returns the highest vector of a map, or LOCAL_APIC_NO_VECTOR. */
static inline int vector_highest(const uint32_t *map)
{
    /* Looks at two words at a time, because most maps are empty or nearly empty. */
#pragma GCC unroll 4
    for (int pair = 3; pair >= 0; pair--) {
        uint64_t bits = (uint64_t)map[4 * (2 * pair + 1)] << 32 | map[4 * 2 * pair];

        if (bits != 0)
            return pair * 64 + 63 - __builtin_clzll(bits);
    }
    return LOCAL_APIC_NO_VECTOR;
}

/* Does what local_apic_request does for a legal vector. */
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
