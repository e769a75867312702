// SPDX-License-Identifier: BSD-2-Clause
/* The local APIC of one virtual processor, in xAPIC mode and in x2APIC mode. Sections are those
 * of the Intel SDM vol. 3A, Sep 2023, chapter "Advanced Programmable Interrupt Controller
 * (APIC)".
 *
 * The whole struct local_apic except its inbox belongs to the vCPU that owns it. Only the owner
 * calls the functions here, except where a function says otherwise. Other processors post to the
 * inbox with atomic operations and kick the owner (apic_bus.h); there is no lock. A sender on
 * the owner's own processor need not use the inbox (struct apic_bus_wires, is_own). The owner
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
 * All times are ticks of the guest's TSC. The timer counts at the same rate: CPUID tells the
 * guest that its crystal clock has this frequency.
 *
 * If the processor virtualizes the APIC, it shows the guest the registers without the monitor's
 * help. For this the registers are in a page with the layout of the APIC's registers;
 * local_apic_virtual.h has the functions for it.
 *
 * Where processors have a choice: software cannot write the APIC ID ("Local APIC ID": model
 * specific). IPIs with the reserved delivery modes 3 and 7 are not sent. SMIs are accepted and
 * have no effect, because the board has no system-management mode. APR is computed as on P6
 * processors; RRD reads as 0. Delivery status is always idle: a message has arrived when its
 * sender continues. */
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
    LOCAL_APIC_ISR_OFFSET = 0x100, /* eight registers, 16 bytes apart; so is IRR */
    LOCAL_APIC_IRR_OFFSET = 0x200,
    LOCAL_APIC_ICR_OFFSET = 0x300,
};

#define LOCAL_APIC_DEFAULT_BASE UINT64_C(0xfee00000)
#define LOCAL_APIC_NO_DEADLINE  UINT64_MAX

/* The modes of IA32_APIC_BASE's EN and EXTD. */
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

/* The properties of the processor. */
struct local_apic_config {
    uint32_t
        id; /* initial APIC ID, below 255, unique on the bus; its low 8 bits are the xAPIC ID */
    bool is_bsp; /* bootstrap processor */
    bool has_x2apic;
    bool has_tsc_deadline;
    uint8_t physical_address_bits; /* MAXPHYADDR, 32..52 */
};

struct local_apic {
    /* The owner's: registers at their offsets ("Local APIC Register Address Map"). TPR, PPR, ISR,
     * IRR, TMR and ICR exist only here. The others are copies of the fields below, which the
     * processor reads: see local_apic_show. */
    _Alignas(LOCAL_APIC_MMIO_BYTES) uint32_t page[LOCAL_APIC_MMIO_BYTES / 4];

    /* The inbox: any processor writes it by atomic operations (local_apic_inbox.c). */
    _Alignas(64) _Atomic uint32_t attention; /* the parts of the inbox with something new; 0:
                                                none */
    _Atomic uint32_t events;                 /* NMI, INIT, SIPI with its vector, ExtINT */
    _Atomic uint32_t lint_levels;            /* bit n: LINTn is asserted */
    _Atomic uint32_t lint_edges;             /* bit n: LINTn has become asserted */
    _Atomic uint32_t edge_requests[8];       /* fixed interrupts by vector */
    _Atomic uint32_t level_requests[8];

    /* The facts that senders need, written by the owner: see local_apic_read_published. */
    _Alignas(64) _Atomic uint32_t published;
    struct apic_bus *bus; /* set once, like config and index */
    struct local_apic_config config;
    unsigned index; /* on the bus */

    /* The owner's. */
    _Alignas(64) int16_t pending; /* deliverable vector, or LOCAL_APIC_NO_VECTOR */
    bool is_virtual;              /* the processor itself takes interrupts out of the page */
    bool is_shown;             /* the mode and the sources of the page's copies are unchanged since
                      local_apic_show */
    uint16_t interrupt_status; /* while virtual: highest in service << 8 | highest requested */
    bool has_news;             /* a pending vector came up after local_apic_accept */
    bool has_pin_news;         /* a LINT pin has to be checked after local_apic_accept */
    bool extint_latched;       /* an ExtINT message waits for the INTA cycle */
    uint8_t extint_pins;       /* bit n: LINTn leads to the processor's INTR */
    enum local_apic_mode mode;
    int16_t in_service; /* the highest vector of ISR, or LOCAL_APIC_NO_VECTOR */
    uint64_t base;      /* IA32_APIC_BASE */
    uint32_t svr;
    uint32_t ldr; /* for xAPIC mode */
    uint32_t dfr;
    uint32_t esr;    /* as latched by the last write */
    uint32_t errors; /* errors since then */
    uint32_t lvt[LOCAL_APIC_LVT_COUNT];
    uint8_t lint0_vector; /* the vector whose EOI clears LINT0's remote IRR */

    uint32_t initial_count;
    uint32_t divide_configuration;
    bool timer_is_armed;
    uint64_t timer_deadline_tsc; /* in TSC-deadline mode this is also the MSR */
    uint64_t timer_seen_tsc;     /* the time to which the timer is updated */
    uint64_t merge_ticks;        /* while virtual: periods this close together may be merged */
};

/* The events other than fixed interrupts. Handle them in this order. */
struct local_apic_events {
    bool init;    /* reset the processor, call local_apic_init_signal, wait for SIPI */
    bool startup; /* if the processor waits for SIPI: start in real mode at startup_vector << 12 */
    uint8_t startup_vector;
    uint8_t nmi; /* the number: 0, 1, or 2 for more than one */
};

/* Sets up the APIC in its state after power-up, with nothing in the inbox and the LINT pins low.
 * bus may be null as long as nothing is sent. config is copied. Use apic_bus_add, which calls this
 * function. */
void local_apic_init(struct local_apic *apic, struct apic_bus *bus, unsigned index,
                     const struct local_apic_config *config);

/* Does RESET: xAPIC mode at the default base, all registers as in "Local APIC State After Power-Up
 * or Reset"; the content of the inbox is lost. The levels at the pins stay, because their drivers
 * own them. */
void local_apic_reset(struct local_apic *apic);

/* Does INIT. It is like RESET, but APIC ID, mode and base stay ("Local APIC State After It Receives
 * an INIT Signal", "x2APIC State Transitions"), and so does the content of the inbox. */
void local_apic_init_signal(struct local_apic *apic);

/* Sets virtual wire mode, in which a PC's firmware leaves the bootstrap processor's APIC: enabled,
 * LINT0 ExtINT, LINT1 NMI. MultiProcessor Specification 1.4, "Virtual Wire Mode". */
void local_apic_set_virtual_wire(struct local_apic *apic);

/* Registers. */

/* Returns IA32_APIC_BASE: "Local APIC Status and Location". */
static inline uint64_t local_apic_base(const struct local_apic *apic)
{
    return apic->base;
}

/* Writes IA32_APIC_BASE. Returns false and changes nothing if the write causes #GP(0): reserved
 * bits, an address beyond MAXPHYADDR, EXTD without x2APIC, an illegal transition ("x2APIC State
 * Transitions"). The BSP flag keeps its value. Disabling the APIC resets all registers. Entering
 * x2APIC mode keeps all registers except ICR, whose two formats differ. */
bool local_apic_write_base(struct local_apic *apic, uint64_t value)
    __attribute__((warn_unused_result));

/* Reads the page at the APIC base. offset: 0..0xfff; size_bytes: 1, 2, 4 or 8. Returns false and
 * changes nothing if the APIC is not in xAPIC mode, because then the page does not belong to it.
 * Processors define only 32-bit accesses at multiples of 16 bytes ("The Local APIC Block Diagram").
 * Here a read of 1 or 2 bytes within a register returns these bytes, and any other read returns 0.
 * An offset without a register reads as 0 and counts as an illegal register address. */
bool local_apic_mmio_read(struct local_apic *apic, uint32_t offset, unsigned size_bytes,
                          uint64_t now_tsc, uint64_t *value) __attribute__((warn_unused_result));

/* Writes the page; offset, size_bytes and the result are those of local_apic_mmio_read. Only
 * 32-bit writes at multiples of 16 bytes have an effect. May send IPIs and end interrupts at the
 * I/O APIC. */
bool local_apic_mmio_write(struct local_apic *apic, uint32_t offset, unsigned size_bytes,
                           uint64_t now_tsc, uint64_t value) __attribute__((warn_unused_result));

/* Do RDMSR and WRMSR of index 0x800..0x8ff. Return false and change nothing if the access causes
 * #GP(0): not in x2APIC mode, no such register, wrong direction, reserved bits. "x2APIC Register
 * Address Space", "Reserved Bit Checking". */
bool local_apic_read_msr(struct local_apic *apic, uint32_t index, uint64_t now_tsc, uint64_t *value)
    __attribute__((warn_unused_result));
bool local_apic_write_msr(struct local_apic *apic, uint32_t index, uint64_t now_tsc, uint64_t value)
    __attribute__((warn_unused_result));

/* Does what a write of 0 to the EOI register does in this mode, for callers on a fast path. Returns
 * false and changes nothing if the APIC is in another mode. The timer and the inbox are not
 * updated. */
bool local_apic_eoi(struct local_apic *apic, enum local_apic_mode mode)
    __attribute__((warn_unused_result));

/* Does what a write of the low half of the interrupt command register does in xAPIC mode, for
 * callers on a fast path. Returns false and changes nothing in another mode. The timer and the
 * inbox are not updated. */
bool local_apic_send(struct local_apic *apic, uint32_t value) __attribute__((warn_unused_result));

/* Read and write CR8, which is bits 7:4 of TPR: "Task Priority in IA-32e Mode". value is 0..15;
 * higher bits are ignored. Both work while the APIC is disabled. */
static inline uint64_t local_apic_cr8(const struct local_apic *apic)
{
    return apic->page[LOCAL_APIC_TPR_OFFSET / 4] >> 4 & 0xf;
}

void local_apic_write_cr8(struct local_apic *apic, uint64_t value);

/* Interrupts, towards the processor. */

/* Returns whether the APIC accepts fixed interrupts now: it is disabled neither by software nor by
 * IA32_APIC_BASE. Any processor may call it. Costs one load: the mode is in bits 1:0, bit 2 is set
 * if software has enabled the APIC (local_apic_publish). */
static inline bool local_apic_takes_requests(const struct local_apic *apic)
{
    return (atomic_load_explicit(&apic->published, memory_order_relaxed) & 7) > 4;
}

/* Returns whether local_apic_accept has anything to do, or whether a pending vector has come up
 * after its last call. Costs three loads. */
static inline bool local_apic_needs_attention(const struct local_apic *apic)
{
    return apic->has_news || apic->has_pin_news ||
           atomic_load_explicit(&apic->attention, memory_order_acquire) != 0;
}

/* Moves the inbox into IRR and TMR, checks the LINT pins, and clears the need for attention.
 * Returns true if local_apic_take_events has something. */
bool local_apic_accept(struct local_apic *apic) __attribute__((warn_unused_result));

/* Does local_apic_accept_requests if the inbox has something: moves requests for fixed interrupts
 * into IRR and TMR. Returns false and changes nothing if the inbox has anything else, or if a
 * sender posts at the same moment. */
bool local_apic_accept_inbox(struct local_apic *apic) __attribute__((warn_unused_result));

/* Does what local_apic_accept does if nothing has come except requests for fixed interrupts, which
 * is nearly always so. Returns false if there is more; then call local_apic_accept. */
static inline bool local_apic_accept_requests(struct local_apic *apic)
{
    if (apic->has_pin_news || (atomic_load_explicit(&apic->attention, memory_order_relaxed) != 0 &&
                               !local_apic_accept_inbox(apic)))
        return false;
    apic->has_news = false;
    return true;
}

/* Takes NMI, INIT and SIPI out of the inbox. Several INITs count as one. An INIT has removed the
 * events before it. Of several SIPIs the first counts, because the others find a running
 * processor. */
struct local_apic_events local_apic_take_events(struct local_apic *apic);

/* Returns the vector that the processor would get now, IRR above PPR; or LOCAL_APIC_NO_VECTOR.
 * Costs one load. "Task and Processor Priorities". */
static inline int local_apic_pending_vector(const struct local_apic *apic)
{
    return apic->pending;
}

/* Returns the highest request, whatever PPR is, or LOCAL_APIC_NO_VECTOR. A TPR threshold is
 * compared with its class. */
int local_apic_highest_request(const struct local_apic *apic);

/* Lets the processor take the pending vector: moves it from IRR to ISR and returns it. If none is
 * pending, returns the spurious vector, and nothing is in service ("Spurious Interrupt"). Not for a
 * virtual APIC. */
static inline uint8_t local_apic_acknowledge(struct local_apic *apic)
{
    if (__builtin_expect(apic->pending == LOCAL_APIC_NO_VECTOR, 0))
        return (uint8_t)apic->svr;
    uint8_t vector = (uint8_t)apic->pending;
    uint32_t bit = UINT32_C(1) << vector % 32, *word = &apic->page[vector / 32 * 4];
    word[LOCAL_APIC_IRR_OFFSET / 4] &= ~bit;
    word[LOCAL_APIC_ISR_OFFSET / 4] |= bit;
    /* The vector's priority is higher than all in service and than TPR, and no other request's
     * priority is. */
    apic->in_service = vector;
    apic->pending = LOCAL_APIC_NO_VECTOR;
    __atomic_store_n(&apic->page[LOCAL_APIC_PPR_OFFSET / 4], vector & 0xf0u, __ATOMIC_RELAXED);
    return vector;
}

/* Returns whether the processor shall run an INTA cycle with the 8259A. Either INTR reaches the
 * processor through LINT0, because the APIC is disabled or LINT0 is in ExtINT mode, or an ExtINT
 * message has come. The processor takes interrupts of this kind whatever TPR is. Costs two
 * loads. */
static inline bool local_apic_extint_pending(const struct local_apic *apic)
{
    return apic->extint_latched || (atomic_load_explicit(&apic->lint_levels, memory_order_acquire) &
                                    apic->extint_pins) != 0;
}

/* Notes that the INTA cycle was run. */
static inline void local_apic_extint_taken(struct local_apic *apic)
{
    apic->extint_latched = false;
}

/* Delivers a thermal, performance-monitoring or corrected-machine-check interrupt of the owner as
 * its LVT entry says ("Local Vector Table"). A performance interrupt masks its entry. */
void local_apic_signal(struct local_apic *apic, enum local_apic_lvt source);

/* Timer ("APIC Timer"). */

/* Read and write IA32_TSC_DEADLINE. It reads as 0 if it is not armed. A write outside TSC-deadline
 * mode leaves it 0. The caller checks whether the MSR exists (has_tsc_deadline). */
uint64_t local_apic_tsc_deadline(struct local_apic *apic, uint64_t now_tsc);
void local_apic_write_tsc_deadline(struct local_apic *apic, uint64_t value, uint64_t now_tsc);

/* Does a write of IA32_TSC_DEADLINE that only sets the timer to a time in the future, for
 * callers on a fast path: nothing becomes pending. Returns false and changes nothing for any
 * other write. */
bool local_apic_move_tsc_deadline(struct local_apic *apic, uint64_t value, uint64_t now_tsc)
    __attribute__((warn_unused_result));

/* Returns the time at which local_apic_run has to be called for an interrupt in time. Returns
 * LOCAL_APIC_NO_DEADLINE if no interrupt will come, or if it would merge with one that waits. Each
 * call that writes a register can change this time, and so can local_apic_run, local_apic_accept
 * and local_apic_acknowledge. */
uint64_t local_apic_next_deadline(const struct local_apic *apic);

/* Returns whether the timer's interrupt has this vector; when the processor takes that vector, the
 * next deadline may change. */
static inline bool local_apic_is_timer_vector(const struct local_apic *apic, int vector)
{
    return (uint8_t)apic->lvt[LOCAL_APIC_LVT_TIMER] == vector;
}

/* Updates the timer to now_tsc. Several periods since the last call become one interrupt; the next
 * period keeps the phase. Does nothing if nothing is due. */
void local_apic_run(struct local_apic *apic, uint64_t now_tsc);

/* Adapts the timer after the guest's TSC was moved forward by delta (modulo 2^64). A countdown
 * continues unchanged; a TSC deadline keeps its value. */
void local_apic_tsc_adjusted(struct local_apic *apic, uint64_t delta);

#endif
