// SPDX-License-Identifier: BSD-2-Clause
/* The local APIC of one virtual processor, in xAPIC and in x2APIC mode. Sections cited are those of
 * the Intel SDM vol. 3A, Sep 2023, chapter "Advanced Programmable Interrupt Controller (APIC)".
 *
 * Everything but the part at the top of struct local_apic belongs to the vCPU that owns it, the
 * only one to call the functions here unless one says otherwise. Whoever has something for it posts
 * it to its inbox with atomic operations and kicks it (apic_bus.h); there is no lock. What comes
 * from the owner's own processor need not take that way (struct apic_bus_wires, is_own). The owner
 * moves the inbox into its registers with local_apic_accept, at the latest before it enters the
 * guest or halts:
 *
 *     interrupts off
 *     if (local_apic_needs_attention(apic) && local_apic_accept(apic))
 *         events = local_apic_take_events(apic), act on them
 *     vector = local_apic_pending_vector(apic), inject it or ask for an interrupt window
 *     if local_apic_needs_attention(apic): once more from the top
 *     enter; a kick that comes in between is an interrupt that makes the guest exit at once
 *
 * All times are ticks of the guest's TSC, at whose rate the timer counts: CPUID tells the guest
 * that its crystal clock has this frequency.
 *
 * What a guest can see without the monitor's help, where the processor virtualizes the APIC, stands
 * in a page laid out as the registers are; local_apic_virtual.h has what goes with that.
 *
 * What processors leave open is settled so: the APIC ID cannot be written ("Local APIC ID": model
 * specific). IPIs with the reserved delivery modes 3 and 7 are not sent. SMIs are taken and have no
 * effect, as the board has no system-management mode. APR is worked out as on P6 processors; RRD
 * reads as 0. Delivery status is always idle: a message has arrived when its sender goes on. */
#ifndef VMM_DEVICES_APIC_LOCAL_APIC_H
#define VMM_DEVICES_APIC_LOCAL_APIC_H

#include "vmm/devices/apic_message.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct apic_bus;

enum {
    LOCAL_APIC_VERSION = 0x01060014, /* integrated, LVT entries 0-6, EOI-broadcast suppression */
    LOCAL_APIC_NO_VECTOR = -1,
    LOCAL_APIC_MMIO_BYTES = 0x1000,
    LOCAL_APIC_TPR_OFFSET = 0x80,
    LOCAL_APIC_PPR_OFFSET = 0xa0,
    LOCAL_APIC_EOI_OFFSET = 0xb0,
    LOCAL_APIC_ISR_OFFSET = 0x100, /* eight registers, 16 bytes apart, as IRR */
    LOCAL_APIC_IRR_OFFSET = 0x200,
    LOCAL_APIC_ICR_OFFSET = 0x300,
};

#define LOCAL_APIC_DEFAULT_BASE UINT64_C(0xfee00000)
#define LOCAL_APIC_NO_DEADLINE  UINT64_MAX

/* IA32_APIC_BASE's EN and EXTD. */
enum local_apic_mode {
    LOCAL_APIC_DISABLED,
    LOCAL_APIC_XAPIC,
    LOCAL_APIC_X2APIC,
};

/* Entries of the local vector table; the first six are registers 320H-370H. */
enum local_apic_lvt {
    LOCAL_APIC_LVT_TIMER,
    LOCAL_APIC_LVT_THERMAL,
    LOCAL_APIC_LVT_PERFORMANCE,
    LOCAL_APIC_LVT_LINT0,
    LOCAL_APIC_LVT_LINT1,
    LOCAL_APIC_LVT_ERROR,
    LOCAL_APIC_LVT_CMCI,
    LOCAL_APIC_LVT_COUNT,
};

/* What the processor is made with. */
struct local_apic_config {
    uint32_t
        id; /* initial APIC ID; its low 8 bits are the xAPIC ID. Below 255, unique on the bus */
    bool is_bsp; /* bootstrap processor */
    bool has_x2apic;
    bool has_tsc_deadline;
    uint8_t physical_address_bits; /* MAXPHYADDR, 32..52 */
};

struct local_apic {
    /* --- The owner's: registers at their offsets ("Local APIC Register Address Map"). TPR, PPR,
     * ISR, IRR, TMR and ICR live here and nowhere else; the others are copies of what is below, for
     * the processor to read: see local_apic_show --- */
    _Alignas(LOCAL_APIC_MMIO_BYTES) uint32_t page[LOCAL_APIC_MMIO_BYTES / 4];

    /* --- The inbox: anybody's, by atomic operations (local_apic_inbox.c) --- */
    _Alignas(64) _Atomic uint32_t attention; /* where the inbox has something new; 0: nowhere */
    _Atomic uint32_t events;                 /* NMI, INIT, SIPI with its vector, ExtINT */
    _Atomic uint32_t lint_levels;            /* bit n: LINTn is asserted */
    _Atomic uint32_t lint_edges;             /* bit n: LINTn has become asserted */
    _Atomic uint32_t edge_requests[8];       /* fixed interrupts by vector */
    _Atomic uint32_t level_requests[8];

    /* What senders must know, written by the owner: see local_apic_published. */
    _Alignas(64) _Atomic uint32_t published;
    struct apic_bus *bus; /* set once, as are config and index */
    struct local_apic_config config;
    unsigned index; /* on the bus */

    /* --- The owner's --- */
    _Alignas(64) int16_t pending; /* deliverable vector, or LOCAL_APIC_NO_VECTOR */
    bool is_virtual;              /* the processor takes interrupts out of the page by itself */
    bool is_shown; /* since then neither the mode nor what the page has copies of has changed */
    uint16_t interrupt_status; /* while virtual: highest in service << 8 | highest requested */
    bool has_news;             /* since local_apic_accept: a pending vector */
    bool has_pin_news;         /* likewise: a LINT pin to look at */
    bool extint_latched;       /* an ExtINT message waits for the INTA cycle */
    uint8_t extint_pins;       /* bit n: LINTn leads to the processor's INTR */
    enum local_apic_mode mode;
    int16_t in_service; /* the highest vector of ISR, or LOCAL_APIC_NO_VECTOR */
    uint64_t base;      /* IA32_APIC_BASE */
    uint32_t svr;
    uint32_t ldr; /* xAPIC's */
    uint32_t dfr;
    uint32_t esr;    /* as latched by the last write */
    uint32_t errors; /* since then */
    uint32_t lvt[LOCAL_APIC_LVT_COUNT];
    uint8_t lint0_vector; /* whose EOI clears LINT0's remote IRR */

    uint32_t initial_count;
    uint32_t divide_configuration;
    bool timer_is_armed;
    uint64_t timer_deadline_tsc; /* in TSC-deadline mode also the MSR */
    uint64_t timer_seen_tsc;     /* the timer is up to date as of */
    uint64_t merge_ticks;        /* while virtual: periods this close to each other may be merged */
};

/* What came besides fixed interrupts. To be looked at in this order. */
struct local_apic_events {
    bool init;    /* reset the processor, call local_apic_init_signal, wait for SIPI */
    bool startup; /* if the processor waits for SIPI: start in real mode at startup_vector << 12 */
    uint8_t startup_vector;
    uint8_t nmi; /* how many: 0, 1, or 2 for more than one */
};

/* Sets the APIC up as after power-up, with nothing in the inbox and the LINT pins low. bus, which
 * may be null as long as nothing is sent, and the config (copied) stay. Use apic_bus_add. */
void local_apic_init(struct local_apic *apic, struct apic_bus *bus, unsigned index,
                     const struct local_apic_config *config);

/* RESET: xAPIC mode at the default base, all registers as in "Local APIC State After Power-Up or
 * Reset"; what is in the inbox is lost. The levels at the pins belong to those who drive them. */
void local_apic_reset(struct local_apic *apic);

/* INIT: as RESET, but APIC ID, mode and base stay ("Local APIC State After It Receives an INIT
 * Signal", "x2APIC State Transitions"), and so does what is still in the inbox. */
void local_apic_init_signal(struct local_apic *apic);

/* Puts the APIC into virtual wire mode, as a PC's firmware leaves it on the bootstrap processor:
 * enabled, LINT0 ExtINT, LINT1 NMI. MultiProcessor Specification 1.4, "Virtual Wire Mode". */
void local_apic_set_virtual_wire(struct local_apic *apic);

/* --- Registers -------------------------------------------------------------------------------- */

/* IA32_APIC_BASE: "Local APIC Status and Location". */
static inline uint64_t local_apic_base(const struct local_apic *apic)
{
    return apic->base;
}

/* A write of IA32_APIC_BASE. False, and nothing done, for what faults with #GP(0): reserved bits,
 * an address beyond MAXPHYADDR, EXTD without x2APIC, an illegal transition ("x2APIC State
 * Transitions"). The BSP flag keeps its value whatever is written. Disabling resets all registers;
 * entering x2APIC mode keeps all but ICR, whose two formats differ. */
bool local_apic_write_base(struct local_apic *apic, uint64_t value)
    __attribute__((warn_unused_result));

/* A read in the page at the APIC base; offset 0..0xfff, size_bytes 1, 2, 4 or 8. False, and nothing
 * done: not in xAPIC mode, so the page is not the APIC's. Only 32-bit accesses on 16-byte borders
 * are defined on processors ("The Local APIC Block Diagram"); here a read of 1 or 2 bytes within a
 * register yields these, any other reads as 0. Offsets without a register read as 0 and count as
 * illegal register address. */
bool local_apic_mmio_read(struct local_apic *apic, uint32_t offset, unsigned size_bytes,
                          uint64_t now_tsc, uint64_t *value) __attribute__((warn_unused_result));

/* A write likewise; only 32-bit writes on 16-byte borders do anything. May send IPIs and end
 * interrupts at the I/O APIC. */
bool local_apic_mmio_write(struct local_apic *apic, uint32_t offset, unsigned size_bytes,
                           uint64_t now_tsc, uint64_t value) __attribute__((warn_unused_result));

/* RDMSR and WRMSR of index 0x800..0x8ff. False, and nothing done, for what faults with #GP(0): not
 * in x2APIC mode, no such register, wrong direction, reserved bits. "x2APIC Register Address
 * Space", "Reserved Bit Checking". */
bool local_apic_read_msr(struct local_apic *apic, uint32_t index, uint64_t now_tsc, uint64_t *value)
    __attribute__((warn_unused_result));
bool local_apic_write_msr(struct local_apic *apic, uint32_t index, uint64_t now_tsc, uint64_t value)
    __attribute__((warn_unused_result));

/* What a write of 0 to the EOI register does in this mode, for whoever has no time for the above:
 * false, and nothing done, in another mode. The timer and the inbox are left as they are. */
bool local_apic_eoi(struct local_apic *apic, enum local_apic_mode mode)
    __attribute__((warn_unused_result));

/* What a write of the interrupt command register's low half does in xAPIC mode, likewise. */
bool local_apic_send(struct local_apic *apic, uint32_t value) __attribute__((warn_unused_result));

/* CR8 is bits 7:4 of TPR: "Task Priority in IA-32e Mode". value is 0..15; more is cut. Both work
 * while the APIC is disabled. */
static inline uint64_t local_apic_cr8(const struct local_apic *apic)
{
    return apic->page[LOCAL_APIC_TPR_OFFSET / 4] >> 4 & 0xf;
}

void local_apic_write_cr8(struct local_apic *apic, uint64_t value);

/* --- Interrupts, towards the processor -------------------------------------------------------- */

/* Whether it takes fixed interrupts now: neither software nor IA32_APIC_BASE has disabled it. On
 * any processor. One load: mode in bits 1:0, enabled by software in bit 2 (local_apic_publish). */
static inline bool local_apic_takes_requests(const struct local_apic *apic)
{
    return (atomic_load_explicit(&apic->published, memory_order_relaxed) & 7) > 4;
}

/* Whether local_apic_accept has anything to do, or a pending vector has come up since it was last
 * called. Three loads. */
static inline bool local_apic_needs_attention(const struct local_apic *apic)
{
    return apic->has_news || apic->has_pin_news ||
           atomic_load_explicit(&apic->attention, memory_order_acquire) != 0;
}

/* Empties the inbox into IRR and TMR, looks at the LINT pins, and clears the need for attention.
 * True if local_apic_take_events has something. */
bool local_apic_accept(struct local_apic *apic) __attribute__((warn_unused_result));

/* Behind the function below. */
bool local_apic_accept_inbox(struct local_apic *apic) __attribute__((warn_unused_result));

/* The same where nothing has come but requests for fixed interrupts, as nearly always. False, and
 * nothing has happened: there is more, and local_apic_accept has to look. */
static inline bool local_apic_accept_requests(struct local_apic *apic)
{
    if (apic->has_pin_news || (atomic_load_explicit(&apic->attention, memory_order_relaxed) != 0 &&
                               !local_apic_accept_inbox(apic)))
        return false;
    apic->has_news = false;
    return true;
}

/* Takes NMI, INIT and SIPI out of the inbox; several INITs count as one. An INIT has swept away
 * what came before it; of several SIPIs the first counts, as the others find a running processor.
 */
struct local_apic_events local_apic_take_events(struct local_apic *apic);

/* The vector that the processor would be given now, IRR above PPR; or LOCAL_APIC_NO_VECTOR. One
 * load. "Task and Processor Priorities". */
static inline int local_apic_pending_vector(const struct local_apic *apic)
{
    return apic->pending;
}

/* The highest request whatever PPR, or LOCAL_APIC_NO_VECTOR; its class is what a TPR threshold
 * compares with. */
int local_apic_highest_request(const struct local_apic *apic);

/* The processor takes the pending vector: from IRR to ISR. With none pending it gets the spurious
 * vector, and nothing is in service ("Spurious Interrupt"). Not for a virtual APIC. */
static inline uint8_t local_apic_acknowledge(struct local_apic *apic)
{
    if (__builtin_expect(apic->pending == LOCAL_APIC_NO_VECTOR, 0))
        return (uint8_t)apic->svr;
    uint8_t vector = (uint8_t)apic->pending;
    uint32_t bit = UINT32_C(1) << vector % 32, *word = &apic->page[vector / 32 * 4];
    word[LOCAL_APIC_IRR_OFFSET / 4] &= ~bit;
    word[LOCAL_APIC_ISR_OFFSET / 4] |= bit;
    /* It has come before all that are in service, and above TPR; no other request has. */
    apic->in_service = vector;
    apic->pending = LOCAL_APIC_NO_VECTOR;
    __atomic_store_n(&apic->page[LOCAL_APIC_PPR_OFFSET / 4], vector & 0xf0u, __ATOMIC_RELAXED);
    return vector;
}

/* Whether the processor shall run an INTA cycle with the 8259A: its INTR reaches the processor
 * through LINT0, because the APIC is disabled or LINT0 is in ExtINT mode, or an ExtINT message has
 * come. Takes interrupts of this kind whatever TPR. Two loads. */
static inline bool local_apic_extint_pending(const struct local_apic *apic)
{
    return apic->extint_latched || (atomic_load_explicit(&apic->lint_levels, memory_order_acquire) &
                                    apic->extint_pins) != 0;
}

/* The INTA cycle was run. */
static inline void local_apic_extint_taken(struct local_apic *apic)
{
    apic->extint_latched = false;
}

/* A thermal, performance-monitoring or corrected-machine-check interrupt of the owner: delivered as
 * its LVT entry says ("Local Vector Table"). Performance interrupts mask their entry. */
void local_apic_signal(struct local_apic *apic, enum local_apic_lvt source);

/* --- Timer ("APIC Timer") --------------------------------------------------------------------- */

/* IA32_TSC_DEADLINE: reads as 0 when not armed. Written outside TSC-deadline mode, it stays 0.
 * Whether the MSR exists (has_tsc_deadline) is the caller's to check. */
uint64_t local_apic_tsc_deadline(struct local_apic *apic, uint64_t now_tsc);
void local_apic_write_tsc_deadline(struct local_apic *apic, uint64_t value, uint64_t now_tsc);

/* A write of IA32_TSC_DEADLINE that does no more than set the timer to a moment to come, for
 * whoever has no time for the above: nothing becomes pending by it. False, and nothing done, for
 * any other write. */
bool local_apic_move_tsc_deadline(struct local_apic *apic, uint64_t value, uint64_t now_tsc)
    __attribute__((warn_unused_result));

/* When local_apic_run must be called for an interrupt to come in time; LOCAL_APIC_NO_DEADLINE if
 * there is none to come, or the one to come would be merged with one that waits. Changes with every
 * call that writes a register, and with local_apic_run, local_apic_accept and
 * local_apic_acknowledge. */
uint64_t local_apic_next_deadline(const struct local_apic *apic);

/* Whether the timer's interrupt has this vector: taking it may bring the next deadline. */
static inline bool local_apic_is_timer_vector(const struct local_apic *apic, int vector)
{
    return (uint8_t)apic->lvt[LOCAL_APIC_LVT_TIMER] == vector;
}

/* Brings the timer up to now_tsc. Periods that went by in between are merged into one interrupt;
 * the next one keeps the phase. Harmless when nothing is due. */
void local_apic_run(struct local_apic *apic, uint64_t now_tsc);

/* The guest's TSC has been set forward by delta (modulo 2^64): what counts down goes on unchanged,
 * while a TSC deadline stays where it is. */
void local_apic_tsc_adjusted(struct local_apic *apic, uint64_t delta);

#endif
