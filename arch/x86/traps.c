// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/traps.h"

#include "arch/x86/backtrace.h"
#include "arch/x86/cpu.h"
#include "arch/x86/descriptors.h"
#include "arch/x86/fatal.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "arch/x86/nmi_status.h"
#include "vmm/base/bits.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"

#include <stdatomic.h>

struct interrupt_slot {
    trap_interrupt_handler *handler;
    void *context;
};

static struct interrupt_slot interrupt_slots[TRAP_VECTORS];
static trap_nmi_handler *nmi_handler;
static void *nmi_context;
static _Atomic uint64_t unexpected_interrupts;
static _Atomic uint64_t unclaimed_nmis;

/* SDM vol. 3A, table "Protected-Mode Exceptions and Interrupts". */
static const char *const exception_names[] = {
    [VECTOR_DE] = "#DE divide error",
    [VECTOR_DB] = "#DB debug",
    [VECTOR_NMI] = "NMI",
    [VECTOR_BP] = "#BP breakpoint",
    [VECTOR_OF] = "#OF overflow",
    [VECTOR_BR] = "#BR bound range exceeded",
    [VECTOR_UD] = "#UD invalid opcode",
    [VECTOR_NM] = "#NM no math coprocessor",
    [VECTOR_DF] = "#DF double fault",
    [VECTOR_TS] = "#TS invalid TSS",
    [VECTOR_NP] = "#NP segment not present",
    [VECTOR_SS] = "#SS stack-segment fault",
    [VECTOR_GP] = "#GP general protection",
    [VECTOR_PF] = "#PF page fault",
    [VECTOR_MF] = "#MF math fault",
    [VECTOR_AC] = "#AC alignment check",
    [VECTOR_MC] = "#MC machine check",
    [VECTOR_XM] = "#XM SIMD floating-point",
    [VECTOR_VE] = "#VE virtualization exception",
    [VECTOR_CP] = "#CP control protection",
};

const char *trap_exception_name(uint64_t vector)
{
    const char *name = vector < ARRAY_COUNT(exception_names) ? exception_names[vector] : NULL;

    return name != NULL ? name : "reserved";
}

/* --- External interrupts --- */

void trap_set_interrupt_handler(uint8_t vector, trap_interrupt_handler *handler, void *context)
{
    CHECK(vector >= VECTOR_LEGACY_PIC && vector != VECTOR_SPURIOUS);
    /* An interrupt between these writes finds either no handler or a handler with its context. */
    interrupt_slots[vector].handler = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    interrupt_slots[vector].context = context;
    atomic_signal_fence(memory_order_seq_cst);
    interrupt_slots[vector].handler = handler;
}

void trap_handle_interrupt(uint8_t vector)
{
    const struct interrupt_slot *slot = &interrupt_slots[vector];

    if (slot->handler != NULL)
        slot->handler(slot->context);
    else
        atomic_fetch_add_explicit(&unexpected_interrupts, 1, memory_order_relaxed);
    /* Spurious interrupts, of the APIC or of an 8259, are not in service in the APIC, so an EOI
     * would end another interrupt (SDM vol. 3A, "Spurious Interrupt"). */
    if (vector != VECTOR_SPURIOUS && lapic_is_in_service(vector))
        lapic_eoi();
}

uint64_t trap_unexpected_interrupts(void)
{
    return atomic_load_explicit(&unexpected_interrupts, memory_order_relaxed);
}

/* --- Exceptions --- */

struct safe_instruction {
    int32_t instruction; /* both are offsets from the table's start */
    int32_t resume;
};
extern const struct safe_instruction safe_instructions[]; /* interrupts.asm */

static bool resume_safe_instruction(struct trap_frame *frame)
{
    uint64_t table = (uint64_t)safe_instructions;

    if (frame->vector != VECTOR_GP && frame->vector != VECTOR_UD)
        return false;
    for (const struct safe_instruction *safe = safe_instructions; safe->instruction != 0; safe++) {
        if (frame->rip == table + (uint64_t)(int64_t)safe->instruction) {
            frame->rip = table + (uint64_t)(int64_t)safe->resume;
            return true;
        }
    }
    return false;
}

static void print_registers(const char *name1, uint64_t value1, const char *name2, uint64_t value2,
                            const char *name3, uint64_t value3)
{
    log_text("  %-6s %016lx  %-6s %016lx  %-6s %016lx\n", name1, (unsigned long)value1, name2,
             (unsigned long)value2, name3, (unsigned long)value3);
}

void trap_print_frame(const struct trap_frame *frame)
{
    log_text("  rip    %016lx", (unsigned long)frame->rip);
    backtrace_print_symbol(frame->rip);
    log_text("\n");
    print_registers("rax", frame->rax, "rbx", frame->rbx, "rcx", frame->rcx);
    print_registers("rdx", frame->rdx, "rsi", frame->rsi, "rdi", frame->rdi);
    print_registers("rbp", frame->rbp, "rsp", frame->rsp, "rflags", frame->rflags);
    print_registers("r8", frame->r8, "r9", frame->r9, "r10", frame->r10);
    print_registers("r11", frame->r11, "r12", frame->r12, "r13", frame->r13);
    print_registers("r14", frame->r14, "r15", frame->r15, "error", frame->error_code);
    print_registers("cr0", read_cr0(), "cr2", read_cr2(), "cr3", read_cr3());
    print_registers("cr4", read_cr4(), "cs", frame->cs, "ss", frame->ss);
}

/* SDM vol. 3A, "Interrupt 14 - Page-Fault Exception (#PF)". */
static void print_page_fault(uint64_t error_code)
{
    log_text("  %s of 0x%016lx: %s\n",
             (error_code & BIT(4)) != 0   ? "execution"
             : (error_code & BIT(1)) != 0 ? "write"
                                          : "read",
             (unsigned long)read_cr2(),
             (error_code & BIT(3)) != 0   ? "reserved bit set in the page tables"
             : (error_code & BIT(0)) != 0 ? "not allowed there"
                                          : "nothing mapped there");
}

/* Reports a push onto a guard page: its page fault had no stack to be reported on. */
static void print_double_fault(const struct trap_frame *frame)
{
    uint64_t distance = frame->rsp - read_cr2() + PAGE_SIZE;

    if (distance < 2 * PAGE_SIZE)
        log_text("  stack overflow: RSP is at the unmapped 0x%016lx\n", (unsigned long)read_cr2());
}

/* Prints the banks that hold a valid error. SDM vol. 3B, "Machine-Check Architecture". */
static void print_machine_check(void)
{
    uint64_t banks = BITS(rdmsr(IA32_MCG_CAP), 7, 0);

    log_text("  mcg_status %016lx\n", (unsigned long)rdmsr(IA32_MCG_STATUS));
    for (uint32_t bank = 0; bank < banks; bank++) {
        uint64_t status = rdmsr(IA32_MC0_STATUS + 4 * bank);
        if ((status & BIT(63)) == 0)
            continue;
        log_text("  bank %u status %016lx", bank, (unsigned long)status);
        if ((status & BIT(58)) != 0)
            log_text(" address %016lx", (unsigned long)rdmsr(IA32_MC0_ADDR + 4 * bank));
        log_text("\n");
    }
}

_Noreturn static void stop_with_dump(const struct trap_frame *frame)
{
    fatal_begin();
    log_text("\n");
    log_line("internal error: exception %lu, %s", (unsigned long)frame->vector,
             trap_exception_name(frame->vector));
    switch (frame->vector) {
    case VECTOR_PF: print_page_fault(frame->error_code); break;
    case VECTOR_DF: print_double_fault(frame); break;
    case VECTOR_MC: print_machine_check(); break;
    default: break;
    }
    trap_print_frame(frame);
    backtrace_print(frame->rip, frame->rbp);
    fatal_stop();
}

/* --- Foreign code --- */

bool call_guarded(void (*function)(void *context), void *context, uint64_t *stack);
extern const char call_guarded_fault[]; /* both in interrupts.asm */

static struct {
    uint64_t stack;  /* 0: no call is under way */
    uint8_t apic_id; /* of the caller, as GS may have any value during the call */
    bool is_given_up;
    struct trap_fault fault;
} guarded;

bool trap_call_guarded(void (*function)(void *context), void *context, struct trap_fault *fault)
{
    bool is_whole;

    guarded.apic_id = cpu_initial_apic_id();
    guarded.is_given_up = false;
    is_whole = call_guarded(function, context, &guarded.stack);
    *fault = guarded.fault;
    return is_whole;
}

void trap_give_up_guarded_call(void)
{
    guarded.is_given_up = true;
}

/* Makes the frame continue at the end of the call, with the monitor's CS and SS, whatever the
 * function loaded. The monitor's tables are in force, or the exception would not have come here. */
static bool end_guarded_call(struct trap_frame *frame)
{
    if (guarded.stack == 0 || guarded.apic_id != cpu_initial_apic_id())
        return false;
    guarded.fault =
        (struct trap_fault){.vector = frame->vector, .rip = frame->rip, .cr2 = read_cr2()};
    frame->rip = (uint64_t)call_guarded_fault;
    frame->rsp = guarded.stack;
    frame->cs = SELECTOR_CODE;
    frame->ss = SELECTOR_DATA;
    frame->rflags = RFLAGS_ONE;
    return true;
}

/* --- NMI --- */

void trap_set_nmi_handler(trap_nmi_handler *handler, void *context)
{
    nmi_handler = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    nmi_context = context;
    atomic_signal_fence(memory_order_seq_cst);
    nmi_handler = handler;
}

uint64_t trap_unclaimed_nmis(void)
{
    return atomic_load_explicit(&unclaimed_nmis, memory_order_relaxed);
}

static void handle_nmi(struct trap_frame *frame)
{
    if (nmi_handler != NULL && nmi_handler(nmi_context, frame))
        return;
    if (nmi_status_has_error(inb(NMI_STATUS_PORT)))
        stop_with_dump(frame);
    atomic_fetch_add_explicit(&unclaimed_nmis, 1, memory_order_relaxed);
}

/* --- Dispatch --- */

void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector >= VECTOR_LEGACY_PIC) {
        trap_handle_interrupt((uint8_t)frame->vector);
        if (guarded.is_given_up)
            (void)end_guarded_call(frame);
    } else if (frame->vector == VECTOR_NMI)
        handle_nmi(frame);
    else if (!resume_safe_instruction(frame) && !end_guarded_call(frame))
        stop_with_dump(frame);
}

void trap_enable_machine_checks(void)
{
    const uint32_t cpuid_1_edx_mce = BIT(7);

    if ((cpuid_max(1, 0).edx & cpuid_1_edx_mce) != 0)
        write_cr4(read_cr4() | CR4_MCE);
}
