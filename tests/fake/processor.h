// SPDX-License-Identifier: BSD-2-Clause
/* The inside of a fake processor, for the files of tests/fake. */
#ifndef TESTS_FAKE_PROCESSOR_H
#define TESTS_FAKE_PROCESSOR_H

#include "tests/fake/fake.h"
#include "tests/fake/guest.h"

#include <pthread.h>
#include <stdatomic.h>

#define FAKE_MSRS_MAX 160

struct fake_msr {
    uint32_t index;
    uint64_t value;
};

/* The local APIC: registers by offset / 16. The lock of fake_time.c guards it. */
struct fake_apic {
    uint32_t registers[0x40];
    uint64_t timer_deadline;
    _Atomic bool has_request; /* IRR may have a vector; read without the lock */
};

struct fake_fpu {
    uint8_t xmm[16][16];
    uint8_t mmx[8][8];
    uint16_t status;
    uint32_t pkru;
};

enum fake_run_state {
    FAKE_OFF,     /* waits for INIT */
    FAKE_RUNNING, /* its thread runs */
    FAKE_STOPPED, /* halts for good */
};

struct fake_processor {
    unsigned index;
    uint32_t apic_id;
    _Atomic enum fake_run_state state;
    bool has_init;
    pthread_t thread;

    uint64_t cr0, cr2, cr3, cr4, cr8, dr[8], xcr0;
    bool interrupts_on;
    uint16_t cs, ds, es, fs, gs, ss, tr, ldtr;
    struct descriptor_table_register gdtr, idtr;
    uint64_t tsc_offset;
    struct fake_msr msrs[FAKE_MSRS_MAX];
    unsigned msr_count;
    struct fake_apic apic;
    struct fake_fpu fpu;
    _Atomic bool nmi_pending;
    bool nmi_blocked;

    /* While it waits: whether the wait is over, and when it is at the latest. */
    bool (*is_over)(struct fake_processor *processor);
    uint64_t wait_deadline;

    void *vmxon_region; /* null: not in VMX operation */
    struct fake_vmcs *vmcs;
    struct fake_guest guest;
};

/* --- fake_time.c: the lock, waits --- */

void fake_lock(void);
void fake_unlock(void);

/* Waits until is_over, which is called with the lock held, or until the time is deadline. */
void fake_wait(bool (*is_over)(struct fake_processor *processor), uint64_t deadline);

/* Something has changed that a wait may be for. With the lock held. */
void fake_wake(void);

/* Forgets the time. */
void fake_time_begin(void);

/* --- fake_apic.c --- */

void fake_apic_reset(struct fake_processor *processor);
uint32_t fake_apic_read(struct fake_processor *processor, uint32_t offset);
void fake_apic_write(struct fake_processor *processor, uint32_t offset, uint64_t value);

/* The highest interrupt that the APIC would give the processor now; -1: none. With the lock. */
int fake_apic_pending(struct fake_processor *processor);

/* Puts the pending interrupt into service and returns its vector; -1: there was none. */
int fake_apic_acknowledge(struct fake_processor *processor);

/* Whether the MSRs 0x800 to 0x8ff are the APIC's. */
bool fake_apic_is_x2apic(struct fake_processor *processor);

/* --- fake_msr.c, fake_cpuid.c --- */

void fake_msrs_reset(struct fake_processor *processor);
void fake_cpuid_reset(void);
uint64_t *fake_msr_find(struct fake_processor *processor, uint32_t index);

/* --- fake_traps.c --- */

/* Raises an exception of the monitor, as the processor does at the present instruction. Returns if
 * the handler resumes. */
void fake_raise(unsigned vector, uint64_t error_code, const char *what);

/* Takes what is pending for the monitor: NMIs, and interrupts if they are on. */
void fake_take_events(void);

/* Takes the NMI that is pending for this processor. Returns whether one was. */
static inline bool fake_take_nmi(struct fake_processor *self)
{
    return atomic_load_explicit(&self->nmi_pending, memory_order_relaxed) &&
           atomic_exchange(&self->nmi_pending, false);
}

/* Stops this processor for good. */
_Noreturn void fake_stop(void);

/* --- fake_ports.c, fake_registers.c --- */

void fake_ports_begin(void);
void fake_registers_reset(struct fake_processor *processor);

/* --- fake_processor.c --- */

/* Starts a processor that waits, at the code that the page's parameters give (ap_trampoline.asm). */
void fake_start_up(struct fake_processor *processor, uint8_t page);

#endif
