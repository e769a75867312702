// SPDX-License-Identifier: BSD-2-Clause
/* The registers of the local APIC as MMIO and as MSRs: "Local APIC Register Address Map", "x2APIC
 * Register Address Space". A register's number is bits 11:4 of its MMIO offset, which are bits 7:0
 * of its MSR's index. */
#include "vmm/base/bits.h"
#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/apic/local_apic_state.h"

/* Interrupt command register, low half */
enum {
    ICR_WHITHER = 7u << 8 | 1u << 11 | 3u << 18, /* all 0: fixed, to the APIC with an ID */
    ICR_DELIVERY_STATUS = 1u << 12,              /* read-only; in x2APIC mode it reads as 0 */
    ICR_ASSERT = 1u << 14,
    ICR_LEVEL = 1u << 15,
};

enum {
    LVT_SOURCE = LVT_VECTOR | 7u << LVT_DELIVERY_SHIFT | LVT_DELIVERY_STATUS | LVT_MASK,
    LVT_PIN = LVT_SOURCE | LVT_POLARITY | LVT_REMOTE_IRR | LVT_LEVEL,
    ICR_LOW = 0xcdfff, /* vector to delivery status, level, trigger mode, shorthand */
};

enum {
    READ = XAPIC_READ | X2APIC_READ,
    WRITE = XAPIC_WRITE | X2APIC_WRITE,
};

/* The accesses that a register has, and its bits that are not reserved for writing. Reserved bits
 * are ignored in xAPIC mode and fault in x2APIC mode. */
static const struct {
    uint8_t access;
    uint32_t bits;
} registers[REGISTER_COUNT] = {
    [REGISTER_ID] = {READ, 0},
    [REGISTER_VERSION] = {READ, 0},
    [REGISTER_TPR] = {READ | WRITE, 0xff},
    [REGISTER_APR] = {XAPIC_READ, 0},
    [REGISTER_PPR] = {READ, 0},
    [REGISTER_EOI] = {WRITE, 0},
    [REGISTER_RRD] = {XAPIC_READ, 0},
    [REGISTER_LDR] = {READ | XAPIC_WRITE, 0xff000000},
    [REGISTER_DFR] = {XAPIC_READ | XAPIC_WRITE, 0xf0000000},
    [REGISTER_SVR] = {READ | WRITE, 0xff | SVR_ENABLE | SVR_FOCUS | SVR_SUPPRESS_EOI_BROADCAST},
    [REGISTER_ISR... REGISTER_IRR + 7] = {READ, 0},
    [REGISTER_ESR] = {READ | WRITE, 0},
    [REGISTER_LVT_CMCI] = {READ | WRITE, LVT_SOURCE},
    [REGISTER_ICR] = {READ | WRITE, ICR_LOW},
    [REGISTER_ICR_HIGH] = {XAPIC_READ | XAPIC_WRITE, 0xff000000},
    [REGISTER_LVT_TIMER + LOCAL_APIC_LVT_TIMER] = {READ | WRITE, LVT_VECTOR | LVT_DELIVERY_STATUS |
                                                                     LVT_MASK |
                                                                     3u << LVT_TIMER_MODE_SHIFT},
    [REGISTER_LVT_TIMER + LOCAL_APIC_LVT_THERMAL] = {READ | WRITE, LVT_SOURCE},
    [REGISTER_LVT_TIMER + LOCAL_APIC_LVT_PERFORMANCE] = {READ | WRITE, LVT_SOURCE},
    [REGISTER_LVT_TIMER + LOCAL_APIC_LVT_LINT0] = {READ | WRITE, LVT_PIN},
    [REGISTER_LVT_TIMER + LOCAL_APIC_LVT_LINT1] = {READ | WRITE, LVT_PIN},
    [REGISTER_LVT_ERROR] = {READ | WRITE, LVT_VECTOR | LVT_DELIVERY_STATUS | LVT_MASK},
    [REGISTER_INITIAL_COUNT] = {READ | WRITE, UINT32_MAX},
    [REGISTER_CURRENT_COUNT] = {READ, 0},
    [REGISTER_DIVIDE] = {READ | WRITE, 0xb},
    [REGISTER_SELF_IPI] = {X2APIC_WRITE, 0xff},
};

/* The shorthands (bit n: value n) that an IPI may have: tables "Valid Combinations for the Pentium
 * 4 and Intel Xeon Processors' Local xAPIC Interrupt Command Register" and the next one.
 * Combinations that they call invalid, and the reserved modes, are not sent. NMIs to oneself are
 * the exception: they are sent, as processors do. */
static const struct {
    uint8_t shorthands;
    bool needs_vector; /* 16..255 */
} ipi_rules[8] = {
    [APIC_FIXED] = {0xf, true},
    [APIC_LOWEST_PRIORITY] = {1u << APIC_NO_SHORTHAND | 1u << APIC_ALL_EXCLUDING_SELF, true},
    [APIC_SMI] = {1u << APIC_NO_SHORTHAND | 1u << APIC_ALL_EXCLUDING_SELF, false},
    [APIC_NMI] = {0xf, false},
    [APIC_INIT] = {1u << APIC_NO_SHORTHAND | 1u << APIC_ALL_EXCLUDING_SELF, false},
    [APIC_STARTUP] = {1u << APIC_NO_SHORTHAND | 1u << APIC_ALL_EXCLUDING_SELF, false},
};

/* Returns the bits 31:0 of a register that are not reserved for writing. */
static uint32_t defined_bits(const struct local_apic *apic, unsigned number)
{
    uint32_t bits = registers[number].bits;
    if (number == REGISTER_LVT_TIMER && !apic->config.has_tsc_deadline)
        bits &= ~(2u << LVT_TIMER_MODE_SHIFT);
    return bits;
}

static void send_ipi(struct local_apic *apic, uint32_t low, uint32_t destination)
{
    unsigned delivery = (unsigned)BITS(low, 10, 8);
    enum apic_shorthand shorthand = (enum apic_shorthand)BITS(low, 19, 18);
    uint8_t vector = (uint8_t)low;

    if ((low & ICR_WHITHER) == 0 && destination < APIC_BUS_IDS && vector >= 16) {
        apic_bus_send_fixed(apic->bus, (uint8_t)destination, vector, apic);
        return;
    }
    if ((ipi_rules[delivery].shorthands >> shorthand & 1) == 0)
        return;
    if (ipi_rules[delivery].needs_vector && vector < 16) {
        local_apic_error(apic, ESR_SEND_ILLEGAL_VECTOR);
        return;
    }
    struct apic_message message = {
        .destination = destination,
        .is_logical = BITS(low, 11, 11) != 0,
        .delivery = (enum apic_delivery)delivery,
        .vector = vector,
        /* The trigger mode is ignored except for INIT, so all other messages are edges. */
        .is_level = delivery == APIC_INIT && (low & ICR_LEVEL) != 0,
        .is_asserted = (low & ICR_ASSERT) != 0,
    };
    apic_bus_send_ipi(apic->bus, &message, shorthand, apic);
}

static uint32_t *lvt_of(struct local_apic *apic, unsigned number)
{
    return &apic->lvt[number == REGISTER_LVT_CMCI ? LOCAL_APIC_LVT_CMCI
                                                  : number - REGISTER_LVT_TIMER];
}

/* Computes the "Arbitration Priority Register (APR)" of the P6 family. */
static uint32_t arbitration_priority(const struct local_apic *apic)
{
    int requested = vector_highest(&APIC_REGISTER(apic, REGISTER_IRR));
    int in_service = vector_highest(&APIC_REGISTER(apic, REGISTER_ISR));
    uint32_t tpr = APIC_REGISTER(apic, REGISTER_TPR) & 0xff;
    unsigned request_class = requested < 0 ? 0 : (unsigned)requested >> 4;
    unsigned service_class = in_service < 0 ? 0 : (unsigned)in_service >> 4;
    unsigned task_class = tpr >> 4;

    if (task_class >= request_class && task_class > service_class)
        return tpr;
    unsigned both = task_class & service_class;
    return (both > request_class ? both : request_class) << 4;
}

static uint64_t read_register(struct local_apic *apic, unsigned number)
{
    bool is_x2apic = apic->mode == LOCAL_APIC_X2APIC;
    const uint32_t *icr = &APIC_REGISTER(apic, REGISTER_ICR);
    switch (number) {
    case REGISTER_ID: return local_apic_shown_id(apic);
    case REGISTER_VERSION: return LOCAL_APIC_VERSION;
    case REGISTER_APR: return arbitration_priority(apic);
    case REGISTER_LDR: return local_apic_shown_ldr(apic);
    case REGISTER_DFR: return apic->dfr;
    case REGISTER_SVR: return apic->svr;
    case REGISTER_TPR:
    case REGISTER_PPR:
    case REGISTER_ISR ... REGISTER_IRR + 7:
    case REGISTER_ICR_HIGH: return APIC_REGISTER(apic, number);
    case REGISTER_ESR: return apic->esr;
    case REGISTER_ICR: return icr[0] | (is_x2apic ? (uint64_t)icr[1] << 32 : 0);
    case REGISTER_LVT_CMCI:
    case REGISTER_LVT_TIMER ... REGISTER_LVT_ERROR: return *lvt_of(apic, number);
    case REGISTER_INITIAL_COUNT: return apic->initial_count;
    case REGISTER_CURRENT_COUNT: return local_apic_timer_current_count(apic);
    case REGISTER_DIVIDE: return apic->divide_configuration;
    default: return 0; /* RRD, and write-only registers */
    }
}

static void write_lvt(struct local_apic *apic, unsigned number, uint32_t value)
{
    uint32_t *lvt = lvt_of(apic, number);
    value &= ~(uint32_t)(LVT_DELIVERY_STATUS | LVT_REMOTE_IRR);
    if ((apic->svr & SVR_ENABLE) == 0)
        value |= LVT_MASK; /* "Local APIC State After It Has Been Software Disabled" */
    /* Remote IRR survives a write that keeps the pin level-triggered and fixed. */
    if ((value & (LVT_LEVEL | 7u << LVT_DELIVERY_SHIFT)) == LVT_LEVEL)
        value |= *lvt & LVT_REMOTE_IRR;
    if (number == REGISTER_LVT_TIMER)
        local_apic_timer_write_lvt(apic, value);
    *lvt = value;
    local_apic_publish(apic);
    apic->has_pin_news = true; /* LINT0 may be asserted and may now have an effect */
}

static void write_svr(struct local_apic *apic, uint32_t value)
{
    apic->svr = value;
    if ((value & SVR_ENABLE) == 0) {
        for (unsigned entry = 0; entry < LOCAL_APIC_LVT_COUNT; entry++)
            apic->lvt[entry] |= LVT_MASK;
    }
    local_apic_publish(apic);
}

/* Writes ICR and sends the IPI. In x2APIC mode bits 63:32 are the destination; in xAPIC mode the
 * destination is a register of its own. */
static void write_icr(struct local_apic *apic, uint64_t value)
{
    uint32_t *icr = &APIC_REGISTER(apic, REGISTER_ICR);
    uint32_t destination = APIC_REGISTER(apic, REGISTER_ICR_HIGH) >> 24;

    icr[0] = (uint32_t)value & ~(uint32_t)ICR_DELIVERY_STATUS;
    if (apic->mode == LOCAL_APIC_X2APIC)
        icr[1] = destination = (uint32_t)(value >> 32);
    send_ipi(apic, icr[0], destination);
}

/* Writes a register. value has no reserved bits, and the timer is up to date. */
static void write_register(struct local_apic *apic, unsigned number, uint64_t value)
{
    uint32_t low = (uint32_t)value;
    switch (number) {
    case REGISTER_TPR:
        APIC_REGISTER(apic, REGISTER_TPR) = low;
        local_apic_update(apic);
        break;
    case REGISTER_EOI: local_apic_end_of_interrupt(apic); break;
    case REGISTER_LDR:
        apic->ldr = low;
        local_apic_publish(apic);
        break;
    case REGISTER_DFR:
        apic->dfr = low | 0x0fffffff;
        local_apic_publish(apic);
        break;
    case REGISTER_SVR: write_svr(apic, low); break;
    case REGISTER_ESR:
        apic->esr = apic->errors;
        apic->errors = 0;
        apic->is_shown = false;
        break;
    case REGISTER_ICR: write_icr(apic, value); break;
    case REGISTER_ICR_HIGH: APIC_REGISTER(apic, REGISTER_ICR_HIGH) = low; break;
    case REGISTER_LVT_CMCI:
    case REGISTER_LVT_TIMER ... REGISTER_LVT_ERROR: write_lvt(apic, number, low); break;
    case REGISTER_INITIAL_COUNT:
        local_apic_timer_write_initial_count(apic, low);
        apic->is_shown = false;
        break;
    case REGISTER_DIVIDE:
        local_apic_timer_write_divide(apic, low);
        apic->is_shown = false;
        break;
    case REGISTER_SELF_IPI: /* "Self IPI Register": works like a fixed, edge-triggered IPI to
                               itself */
        send_ipi(apic, (uint32_t)APIC_SELF << 18 | ICR_ASSERT | low, 0);
        break;
    default: break;
    }
}

unsigned local_apic_register_access(unsigned number)
{
    return registers[number].access;
}

void local_apic_write_register(struct local_apic *apic, unsigned number, uint32_t value)
{
    write_register(apic, number, value & defined_bits(apic, number));
}

void local_apic_catch_up(struct local_apic *apic, uint64_t now_tsc)
{
    local_apic_run(apic, now_tsc);
    uint32_t attention = atomic_load_explicit(&apic->attention, memory_order_acquire);
    if (attention != 0)
        local_apic_merge_requests(apic, attention);
}

bool local_apic_mmio_read(struct local_apic *apic, uint32_t offset, unsigned size_bytes,
                          uint64_t now_tsc, uint64_t *value)
{
    if (apic->mode != LOCAL_APIC_XAPIC)
        return false;
    *value = 0;
    local_apic_catch_up(apic, now_tsc);
    unsigned number = offset >> 4;
    if (number >= REGISTER_COUNT || (registers[number].access & (XAPIC_READ | XAPIC_WRITE)) == 0) {
        local_apic_error(apic, ESR_ILLEGAL_REGISTER);
        return true;
    }
    unsigned byte = offset & 0xf;
    if (byte + size_bytes <= 4)
        *value = read_register(apic, number) >> 8 * byte & bytes_mask(size_bytes);
    return true;
}

bool local_apic_mmio_write(struct local_apic *apic, uint32_t offset, unsigned size_bytes,
                           uint64_t now_tsc, uint64_t value)
{
    if (apic->mode != LOCAL_APIC_XAPIC)
        return false;
    local_apic_catch_up(apic, now_tsc);
    unsigned number = offset >> 4;
    if (number >= REGISTER_COUNT || (registers[number].access & (XAPIC_READ | XAPIC_WRITE)) == 0)
        local_apic_error(apic, ESR_ILLEGAL_REGISTER);
    else if ((registers[number].access & XAPIC_WRITE) != 0 && size_bytes == 4 &&
             (offset & 0xf) == 0)
        write_register(apic, number, value & defined_bits(apic, number));
    return true;
}

/* ICR depends neither on the time nor on the inbox, so local_apic_catch_up is not needed. */
bool local_apic_send(struct local_apic *apic, uint32_t value)
{
    if (apic->mode != LOCAL_APIC_XAPIC)
        return false;
    write_icr(apic, value & ICR_LOW);
    return true;
}

bool local_apic_read_msr(struct local_apic *apic, uint32_t index, uint64_t now_tsc, uint64_t *value)
{
    unsigned number = index - 0x800;
    if (apic->mode != LOCAL_APIC_X2APIC || number >= REGISTER_COUNT ||
        (registers[number].access & X2APIC_READ) == 0)
        return false;
    local_apic_catch_up(apic, now_tsc);
    *value = read_register(apic, number);
    return true;
}

bool local_apic_write_msr(struct local_apic *apic, uint32_t index, uint64_t now_tsc, uint64_t value)
{
    unsigned number = index - 0x800;
    if (apic->mode != LOCAL_APIC_X2APIC || number >= REGISTER_COUNT ||
        (registers[number].access & X2APIC_WRITE) == 0)
        return false;
    uint64_t defined = defined_bits(apic, number);
    if (number == REGISTER_ICR)
        defined |= (uint64_t)UINT32_MAX << 32; /* the destination */
    if ((value & ~defined) != 0)
        return false;
    local_apic_catch_up(apic, now_tsc);
    write_register(apic, number, value);
    return true;
}
