// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/host/cpus.h"

#include "arch/x86/ap_start.h"
#include "arch/x86/cpu.h"
#include "arch/x86/extended_state.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/traps.h"
#include "arch/x86/tsc_agreement.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_apic_trial.h"
#include "vmm/base/check.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/memory/heap.h"

#include <string.h>

#define ANSWER_TIMEOUT_US 1000000
#define MESSAGE_BYTES     256

/* Two TSCs agree if they are no more ticks apart than this. On an emulator whose processors take
 * turns, one of them runs this many instructions ahead. It is less than a message between
 * processors takes. */
#define TSC_TICKS_APART_MAX 64

/* The time for which two TSCs are compared, at most: a thousand times what two cores need. */
#define TSC_COMPARISON_NS 20000000

/* How often a TSC is moved by the measured difference. A move may be wrong by half of the time of a
 * message; the comparison after it shows that. */
#define TSC_MOVES_MAX 3

static struct {
    const struct boot_info *boot;
    struct heap *heap;
    struct address_space_machine machine;
    struct page_source page_source;
    struct cpu *cpus[BOOT_CPUS_MAX];
    uint32_t count;
} self;

static struct cpu first_cpu; /* usable before the heap */

uint32_t cpus_count(void)
{
    return self.count;
}

struct cpu *cpus_get(uint32_t index)
{
    CHECK(index < self.count);
    return self.cpus[index];
}

/* Makes a stack with an unmapped page below it, so that an overflow is a fault and does not
 * overwrite other data. Returns the top; 0 if there is no memory. */
static uint64_t make_stack(struct cpu *cpu)
{
    uint8_t *pages = heap_allocate(self.heap, PAGE_SIZE + CPUS_STACK_BYTES, PAGE_SIZE);

    if (pages == NULL ||
        page_table_unmap(&cpu->page_table, (uint64_t)pages, PAGE_SIZE) != STATUS_OK)
        return 0;
    return (uint64_t)pages + PAGE_SIZE + CPUS_STACK_BYTES;
}

static enum status prepare(struct cpu *cpu)
{
    struct exception_stacks stacks;
    enum status status =
        address_space_create(&cpu->page_table, self.boot, &self.machine, &self.page_source);

    if (status != STATUS_OK)
        return status;
    stacks.nmi_top = make_stack(cpu);
    stacks.double_fault_top = make_stack(cpu);
    stacks.machine_check_top = make_stack(cpu);
    cpu->self = cpu;
    cpu->stack_top = make_stack(cpu);
    cpu->vmxon_region = heap_allocate(self.heap, PAGE_SIZE, PAGE_SIZE);
    if (stacks.nmi_top == 0 || stacks.double_fault_top == 0 || stacks.machine_check_top == 0 ||
        cpu->stack_top == 0 || cpu->vmxon_region == NULL)
        return STATUS_NO_MEMORY;
    memset(cpu->vmxon_region, 0, PAGE_SIZE);
    descriptors_init(&cpu->descriptors, &stacks);
    return STATUS_OK;
}

void cpus_begin(void)
{
    first_cpu.self = &first_cpu;
    wrmsr(IA32_GS_BASE, (uint64_t)&first_cpu);
}

/* Loads the processor's descriptor tables and GS, and enables machine checks. Called on the
 * processor itself. */
static void load(struct cpu *cpu)
{
    descriptors_load(&cpu->descriptors);
    wrmsr(IA32_GS_BASE, (uint64_t)cpu);
    trap_enable_machine_checks();
}

static void on_kick(void *context)
{
    (void)context; /* the interrupt itself was all that was wanted */
}

static void *allocate_table(void *context)
{
    return heap_allocate(context, PAGE_SIZE, PAGE_SIZE);
}

static void release_table(void *context, void *page)
{
    heap_release(context, page);
}

const struct address_space_machine *cpus_machine(void)
{
    return &self.machine;
}

const struct page_source *cpus_page_source(void)
{
    return &self.page_source;
}

enum status cpus_init(const struct boot_info *boot, struct heap *heap)
{
    enum status status;

    self.boot = boot;
    self.heap = heap;
    self.machine = (struct address_space_machine){.levels = paging_levels(),
                                                  .has_huge_pages = paging_has_huge_pages(),
                                                  .local_apic = lapic_base()};
    self.page_source =
        (struct page_source){.allocate = allocate_table, .release = release_table, .context = heap};
    status = prepare(&first_cpu);
    if (status != STATUS_OK)
        return status;
    load(&first_cpu);
    self.cpus[self.count++] = &first_cpu;
    first_cpu.is_online = true;
    trap_set_interrupt_handler(CPUS_KICK_VECTOR, on_kick, NULL);
    return STATUS_OK;
}

/* Returns the value for cpu.apic_fault. */
static const char *find_apic_fault(const struct vmx_capabilities *capabilities)
{
    const char *fault = "could not be tried, for want of memory";
    void *pages;

    if (!capabilities->virtualizes_apic)
        return NULL;
    pages = heap_allocate_zeroed(self.heap, VMX_APIC_TRIAL_BYTES, PAGE_SIZE);
    if (pages != NULL)
        fault = vmx_apic_find_fault(capabilities, pages, CPUS_KICK_VECTOR);
    heap_release(self.heap, pages);
    return fault;
}

/* Returns what CPUID gave on this processor, from the copy in memory. */
static struct cpuid_result taken_leaf(uint32_t leaf, uint32_t subleaf)
{
    return cpuid_leaves_find(&cpu_this()->leaves, leaf, subleaf);
}

enum status cpus_enable_vmx(char *message, size_t size)
{
    struct cpu *cpu = cpu_this();
    enum status status = vmx_check_capabilities(&cpu->vmx, message, size);

    if (status != STATUS_OK)
        return status;
    status = vmx_enable(&cpu->vmx, cpu->vmxon_region);
    if (status != STATUS_OK) {
        static const char text[] = "VMXON failed";

        memcpy(message, text, size < sizeof(text) ? size : sizeof(text));
        message[size - 1] = '\0';
        return status;
    }
    cpu->is_in_vmx_operation = true;
    cpu->has_sound_xsavec = extended_state_compacts_rightly();
    cpuid_leaves_take(&cpu->leaves, cpuid);
    cpu->cpuid = (struct cpuid_board){
        .host = taken_leaf,
        .has_apic = true,
        .rdtscp = cpu->vmx.rdtscp,
        .invpcid = cpu->vmx.invpcid,
        .xsavec = cpu->has_sound_xsavec,
        .physical_address_bits = 48, /* what a 4-level EPT walk covers */
    };
    cpu->cpuid_summary = cpuid_summarize(&cpu->cpuid);
    cpu->apic_fault = find_apic_fault(&cpu->vmx);
    return STATUS_OK;
}

void cpus_run(struct cpu *cpu, void (*function)(void *context), void *context)
{
    cpu->work_context = context;
    atomic_store_explicit(&cpu->work, function, memory_order_release);
    cpus_kick(cpu);
}

static void call_other(struct cpu *cpu, void (*function)(void *context), void *context)
{
    cpus_run(cpu, function, context);
    while (!cpus_is_idle(cpu))
        cpu_pause();
}

void cpus_call(uint32_t index, void (*function)(void *context), void *context)
{
    struct cpu *cpu = cpus_get(index);

    if (cpu == cpu_this())
        function(context);
    else
        call_other(cpu, function, context);
}

bool cpus_is_idle(const struct cpu *cpu)
{
    return atomic_load_explicit(&cpu->work, memory_order_acquire) == NULL;
}

void cpus_wait(void)
{
    sti_hlt();
    cli();
}

static _Noreturn void run_work(struct cpu *cpu)
{
    for (;;) {
        void (*work)(void *) = atomic_load_explicit(&cpu->work, memory_order_acquire);

        if (work == NULL) {
            cpus_wait();
            continue;
        }
        work(cpu->work_context);
        atomic_store_explicit(&cpu->work, NULL, memory_order_release);
        cpus_kick(&first_cpu); /* it may be waiting for the end of this work */
    }
}

/* Stops this processor, which cannot be used, and logs the reason. */
static _Noreturn void leave_out(struct cpu *cpu, const char *why, const char *what)
{
    log_line("processor %u is left out: %s%s", cpu->apic_id, why, what);
    if (cpu->is_in_vmx_operation)
        vmx_disable();
    atomic_store_explicit(&cpu->is_unfit, true, memory_order_release);
    cpu_stop();
}

/* Returns whether the processor has the first one's VT-x features: guests must not depend on which
 * processor they run on. */
static bool has_same_vmx(const struct cpu *cpu)
{
    const struct vmx_capabilities *a = &first_cpu.vmx, *b = &cpu->vmx;

    return a->revision == b->revision && a->pin_based == b->pin_based && a->primary == b->primary &&
           a->secondary == b->secondary && a->exit == b->exit && a->entry == b->entry &&
           a->preemption_timer_shift == b->preemption_timer_shift &&
           a->ept_1gb_pages == b->ept_1gb_pages;
}

static void compare_with_first(struct cpu *cpu)
{
    const char *difference = cpuid_difference(&cpu->cpuid_summary, &first_cpu.cpuid_summary);

    if (!has_same_vmx(cpu))
        leave_out(cpu, "its VT-x differs from the first one's; update the firmware", "");
    if (difference != NULL)
        leave_out(cpu, "it differs from the first one in what guests would see: ", difference);
}

/* The first C code of another processor. The processor that has started it waits and prints
 * nothing. */
static void arrive(void *context)
{
    struct cpu *cpu = context;
    char message[MESSAGE_BYTES];

    /* Firmware or reset left other settings: use those of the first processor for caches, PAT,
     * protection. */
    if (paging_enable(&cpu->page_table) != STATUS_OK)
        cpu_stop();
    load(cpu);
    if (lapic_init() != STATUS_OK)
        leave_out(cpu, "its local APIC does not work as the first one's", "");
    if (cpus_enable_vmx(message, sizeof(message)) != STATUS_OK)
        leave_out(cpu, message, "");
    compare_with_first(cpu);
    atomic_store_explicit(&cpu->is_online, true, memory_order_release);
    run_work(cpu);
}

static void wait_us(uint64_t microseconds)
{
    uint64_t end = rdtsc() + clock_ticks_from_ns(microseconds * 1000);

    while (rdtsc() < end)
        cpu_pause();
}

/* Waits until the processor has come and can be used. Returns false if it cannot; the reason has
 * been logged. */
static bool comes_online(const struct cpu *cpu)
{
    uint64_t end = rdtsc() + clock_ticks_from_ns(ANSWER_TIMEOUT_US * UINT64_C(1000));

    while (!atomic_load_explicit(&cpu->is_online, memory_order_acquire)) {
        if (atomic_load_explicit(&cpu->is_unfit, memory_order_acquire))
            return false;
        if (rdtsc() >= end) {
            log_line("processor %u is left out: it does not answer within a second", cpu->apic_id);
            return false;
        }
        cpu_pause();
    }
    return true;
}

static void stop(void *context)
{
    struct cpu *cpu = cpu_this();

    (void)context;
    vmx_disable();
    atomic_store_explicit(&cpu->work, NULL, memory_order_release);
    cpu_stop();
}

/* Makes an idle processor leave VMX operation and halt for good. */
static void dismiss(struct cpu *cpu)
{
    uint64_t end = rdtsc() + clock_ticks_from_ns(ANSWER_TIMEOUT_US * UINT64_C(1000));

    cpus_run(cpu, stop, NULL);
    while (!cpus_is_idle(cpu) && rdtsc() < end)
        cpu_pause();
}

static void answer_about_tsc(void *context)
{
    tsc_agreement_answer(context);
}

/* Returns bounds for the difference between the processor's TSC and this processor's. */
static struct tsc_bounds compare_tsc(struct cpu *cpu)
{
    struct tsc_agreement agreement = {0};
    struct tsc_bounds bounds;

    cpus_run(cpu, answer_about_tsc, &agreement);
    bounds = tsc_agreement_ask(&agreement, clock_ticks_from_ns(TSC_COMPARISON_NS));
    while (!cpus_is_idle(cpu))
        cpu_pause();
    return bounds;
}

static bool tsc_agrees(struct tsc_bounds bounds)
{
    int64_t ticks = tsc_bounds_difference(bounds);

    return ticks >= -TSC_TICKS_APART_MAX && ticks <= TSC_TICKS_APART_MAX;
}

static void take_tsc_adjust(void *context)
{
    tsc_write_adjust(*(const uint64_t *)context);
}

static void move_tsc(void *context)
{
    tsc_move(*(const int64_t *)context);
}

/* Sets the processor's TSC to this processor's. The usual cause of a difference is firmware that
 * has set IA32_TSC_ADJUST only on some processors: the same value on both removes that difference
 * exactly. Any other difference is removed by moves of the measured amount. Returns the result of
 * the last comparison. */
static struct tsc_bounds correct_tsc(struct cpu *cpu, struct tsc_bounds bounds)
{
    uint64_t adjust;

    if (tsc_read_adjust(&adjust)) {
        call_other(cpu, take_tsc_adjust, &adjust);
        bounds = compare_tsc(cpu);
    }
    for (unsigned i = 0; i < TSC_MOVES_MAX && !tsc_agrees(bounds); i++) {
        int64_t ticks = -tsc_bounds_middle(bounds);

        call_other(cpu, move_tsc, &ticks);
        bounds = compare_tsc(cpu);
    }
    return bounds;
}

/* Makes sure that the processor's TSC agrees with the first one's. A guest takes the TSCs of its
 * processors for one, as all of its vCPUs have the same offset. Returns false if they cannot be
 * made to agree; then the processor is left out. */
static bool has_same_tsc(struct cpu *cpu)
{
    struct tsc_bounds bounds = compare_tsc(cpu);
    int64_t ticks = tsc_bounds_difference(bounds);
    uint64_t apart = ticks < 0 ? -(uint64_t)ticks : (uint64_t)ticks;
    const char *direction = ticks < 0 ? "behind" : "ahead of";

    if (tsc_agrees(bounds))
        return true;
    if (tsc_agrees(correct_tsc(cpu, bounds))) {
        log_line("processor %u: its TSC was %lu ticks %s the first one's: corrected", cpu->apic_id,
                 apart, direction);
        return true;
    }
    log_line("processor %u is left out: its TSC was %lu ticks %s the first one's, and does not "
             "stay where it is set",
             cpu->apic_id, apart, direction);
    dismiss(cpu);
    return false;
}

static void start_other(uint32_t apic_id)
{
    struct cpu *cpu = heap_allocate(self.heap, sizeof(*cpu), _Alignof(struct cpu));

    if (cpu != NULL) {
        memset(cpu, 0, sizeof(*cpu));
        cpu->index = self.count;
        cpu->apic_id = apic_id;
    }
    /* The memory of a processor that did not come is not freed: the processor may still come. */
    if (cpu == NULL || prepare(cpu) != STATUS_OK) {
        log_line("processor %u is left out: no memory for it", apic_id);
    } else if (ap_start(apic_id, cpu->stack_top, arrive, cpu, wait_us) != STATUS_OK) {
        log_line("processor %u is left out: the local APIC cannot reach it", apic_id);
    } else if (comes_online(cpu) && has_same_tsc(cpu)) {
        self.cpus[self.count++] = cpu;
    }
}

void cpus_start_others(const struct boot_info *boot, uint32_t wanted_count)
{
    enum status status;

    first_cpu.apic_id = lapic_id();
    if (boot->cpu_count <= 1)
        return;
    if (wanted_count <= 1) {
        log_line("1 of %lu processors is used: the guests need no more", boot->cpu_count);
        return;
    }
    status = ap_start_prepare(&first_cpu.page_table, boot->ap_area);
    if (status != STATUS_OK) {
        log_line("the other processors cannot be started: no memory below 1 MiB (%s)",
                 status_name(status));
        return;
    }
    for (size_t i = 0; i < boot->cpu_count && self.count < wanted_count; i++) {
        if (boot->cpu_apic_ids[i] != first_cpu.apic_id)
            start_other(boot->cpu_apic_ids[i]);
    }
    ap_start_finish();
    log_line("%u of %lu processors are used%s", self.count, boot->cpu_count,
             self.count < wanted_count      ? ": the guests need more"
             : self.count < boot->cpu_count ? ": the guests need no more"
                                            : "");
}

void cpus_stop_others(void)
{
    for (uint32_t i = 1; i < self.count; i++)
        dismiss(self.cpus[i]);
    self.count = 1;
    if (first_cpu.is_in_vmx_operation)
        vmx_disable();
    first_cpu.is_in_vmx_operation = false;
}
