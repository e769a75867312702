// SPDX-License-Identifier: BSD-2-Clause
/* The guest of a fake processor: a function of the test, which makes VM exits by calling the
 * functions below and goes on at the next entry. It runs on a stack of its own, in the processor's
 * thread, and begins anew when the monitor sets the guest's whole state, at a start, a reset and a
 * start-up message. When the function returns, the guest writes 0 to the debug exit port; a
 * processor without a function does that at once. */
#ifndef TESTS_FAKE_GUEST_H
#define TESTS_FAKE_GUEST_H

#include "arch/x86/exits/exit_reason.h"
#include "arch/x86/registers.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_vcpu.h"

#include <stdbool.h>
#include <stdint.h>

struct fake_processor;

/* A VM exit, by the VMCS fields that it sets. */
struct fake_exit {
    uint32_t reason; /* the whole field */
    uint32_t instruction_length;
    uint64_t qualification;
    uint64_t linear_address;
    uint64_t physical_address;
    uint32_t instruction_info;
    uint32_t interruption_info, interruption_error;
    uint32_t idt_vectoring_info, idt_vectoring_error;
};

/* An event that an entry has delivered; the guest handles it when it goes on. */
struct fake_delivery {
    uint32_t info, error;
    uint64_t rflags; /* as they were; an interrupt gate has cleared IF since */
};

#define FAKE_DELIVERIES_MAX 8

struct fake_guest {
    struct fake_processor *processor;
    void (*function)(struct fake_guest *guest);
    void *context;

    uint64_t *gpr; /* the general registers, without RSP */

    /* The event that the last entry has injected; 0: none. */
    uint32_t event, event_error;
    unsigned event_count;
    /* Called for each event that is injected, on the guest's stack; may make exits. Null: nothing is
     * done. Interrupts are off as behind an interrupt gate; on its return they are on again if they
     * were. */
    void (*handler)(struct fake_guest *guest, uint32_t info, uint32_t error);

    unsigned begin_count; /* how often the function has begun */
    uint64_t exit_count;
    struct fake_coroutine *coroutine; /* the rest is fake_guest.c's and fake_world_switch.c's */
    enum { GUEST_EXITS, GUEST_WAITS } request;
    struct fake_exit exit;
    uint64_t wait_deadline;
    struct fake_delivery deliveries[FAKE_DELIVERIES_MAX]; /* the latest interrupts the others */
    unsigned delivery_count;
};

/* Sets the guest of a processor. Called while it is not in its guest. */
void fake_set_guest(unsigned processor, void (*function)(struct fake_guest *guest), void *context);
struct fake_guest *fake_guest_of(unsigned processor);

/* Makes the next entries of this processor fail, instead of being tried: with a VM-instruction error
 * (VMfail), or with the exit reason of a failed entry. 0: no more. */
void fake_fail_entries(unsigned processor, uint32_t instruction_error, uint32_t exit_reason);

/* --- Called in the guest --- */

/* Makes an exit, and returns at the next entry. */
void exec_exit(struct fake_guest *guest, const struct fake_exit *exit);

/* Read and write a VMCS field of the guest, as the guest's own instructions change it. */
uint64_t fake_guest_field(const struct fake_guest *guest, uint64_t field);
void fake_guest_set_field(struct fake_guest *guest, uint64_t field, uint64_t value);

/* Executes instructions for so many ticks. Exits for events in this time happen. */
void exec_run(struct fake_guest *guest, uint64_t ticks);

/* Executes instructions until an event comes, and returns its info. */
uint32_t exec_wait_for_event(struct fake_guest *guest);

/* The usual instructions. Those that return a bool return false if an exception was injected, which
 * is in event then. */
bool exec_out(struct fake_guest *guest, uint16_t port, unsigned size, uint32_t value);
uint32_t exec_in(struct fake_guest *guest, uint16_t port, unsigned size);
struct cpuid_result exec_cpuid(struct fake_guest *guest, uint32_t leaf, uint32_t subleaf);
bool exec_rdmsr(struct fake_guest *guest, uint32_t index, uint64_t *value);
bool exec_wrmsr(struct fake_guest *guest, uint32_t index, uint64_t value);
bool exec_write_cr(struct fake_guest *guest, unsigned number, uint64_t value);
uint64_t exec_read_cr(struct fake_guest *guest, unsigned number);
void exec_sti(struct fake_guest *guest);
void exec_cli(struct fake_guest *guest);

/* Halts until an event, and returns its info. */
uint32_t exec_hlt(struct fake_guest *guest);

/* An instruction without operands, with this exit reason. */
bool exec_instruction(struct fake_guest *guest, uint32_t reason, unsigned length);

/* Goes into protected mode with flat 32-bit segments, as a few instructions in real mode do. */
void exec_enter_protected_mode(struct fake_guest *guest);

/* Access memory that is not RAM, by MOV from and to EAX with a 32-bit address: the instruction is
 * put into the guest's memory at CS:RIP. Paging is off. size: 1, 2 or 4. */
uint32_t exec_load(struct fake_guest *guest, uint32_t address, unsigned size);
bool exec_store(struct fake_guest *guest, uint32_t address, unsigned size, uint32_t value);

/* With APIC virtualization: end an interrupt, and write a register, as the processor virtualizes it;
 * both exit as the processor does. fake_virtual_register returns what stands in the page. */
void exec_virtual_eoi(struct fake_guest *guest);
void exec_virtual_write(struct fake_guest *guest, uint32_t offset, uint32_t value);
uint32_t fake_virtual_register(const struct fake_guest *guest, uint32_t offset);

/* The host's memory of a guest-physical address, by the EPT; null: there is none. */
uint8_t *fake_guest_ram(const struct fake_guest *guest, uint64_t address);

/* --- For the files of tests/fake --- */

/* Runs the guest until its next request. Begins it first if it has not begun. */
void fake_guest_resume(struct fake_guest *guest);

/* Makes the function begin anew. */
void fake_guest_begin(struct fake_guest *guest);

/* Gives back what the guest has. */
void fake_guest_forget(struct fake_guest *guest);

#endif
