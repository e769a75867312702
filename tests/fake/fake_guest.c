// SPDX-License-Identifier: BSD-2-Clause
/* Guests that tests write, and their instructions. */
#include "tests/fake/vmcs.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/memory/ept.h"
#include "arch/x86/msr.h"
#include "tests/fake/coroutine.h"
#include "vmm/devices/debug_exit.h"

#include <string.h>

#define LENGTH_IN    2
#define LENGTH_MSR   2
#define LENGTH_CR    3
#define LENGTH_CPUID 2
#define LENGTH_HLT   1

/* Where instructions of protected mode stand that the monitor reads; a page for each processor. */
#define CODE_BASE 0x20000

void fake_set_guest(unsigned processor, void (*function)(struct fake_guest *guest), void *context)
{
    struct fake_guest *guest = fake_guest_of(processor);

    guest->function = function;
    guest->context = context;
    guest->handler = NULL;
    fake_guest_begin(guest);
}

struct fake_guest *fake_guest_of(unsigned processor)
{
    return &fake_processor_at(processor)->guest;
}

static void run(void *context)
{
    struct fake_guest *guest = context;

    guest->begin_count++;
    if (guest->function != NULL)
        guest->function(guest);
    for (;;)
        (void)exec_out(guest, DEBUG_EXIT_PORT, 1, 0);
}

void fake_guest_begin(struct fake_guest *guest)
{
    fake_guest_forget(guest);
    guest->request = GUEST_EXITS;
    guest->delivery_count = 0;
}

void fake_guest_forget(struct fake_guest *guest)
{
    fake_coroutine_delete(guest->coroutine);
    guest->coroutine = NULL;
}

void fake_guest_resume(struct fake_guest *guest)
{
    if (guest->coroutine == NULL)
        guest->coroutine = fake_coroutine_new(run, guest);
    fake_coroutine_resume(guest->coroutine);
}

uint64_t fake_guest_field(const struct fake_guest *guest, uint64_t field)
{
    return fake_vmcs_get(guest->processor->vmcs, field);
}

void fake_guest_set_field(struct fake_guest *guest, uint64_t field, uint64_t value)
{
    fake_vmcs_set(guest->processor->vmcs, field, value);
}

/* Handles the event that was delivered last as a handler does, up to its IRET. */
static void handle_event(struct fake_guest *guest)
{
    struct fake_delivery delivery = guest->deliveries[--guest->delivery_count];
    uint64_t gpr[GPR_COUNT];

    if (guest->handler != NULL) {
        memcpy(gpr, guest->gpr, sizeof(gpr));
        guest->handler(guest, delivery.info, delivery.error);
        memcpy(guest->gpr, gpr, sizeof(gpr));
    }
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, delivery.rflags);
    if (INTERRUPTION_TYPE(delivery.info) == INTERRUPTION_NMI)
        fake_guest_set_field(guest, VMCS_GUEST_INTERRUPTIBILITY,
                             fake_guest_field(guest, VMCS_GUEST_INTERRUPTIBILITY) &
                                 ~(uint64_t)INTERRUPTIBILITY_NMI);
    guest->event = delivery.info;
    guest->event_error = delivery.error;
}

static bool is_exception(uint32_t event)
{
    return event != 0 && INTERRUPTION_TYPE(event) == INTERRUPTION_HARDWARE_EXCEPTION;
}

static void pause_guest(struct fake_guest *guest)
{
    fake_coroutine_pause(guest->coroutine);
    guest->event = 0;
    while (guest->delivery_count > 0)
        handle_event(guest);
}

void exec_exit(struct fake_guest *guest, const struct fake_exit *exit)
{
    guest->request = GUEST_EXITS;
    guest->exit = *exit;
    pause_guest(guest);
}

void exec_run(struct fake_guest *guest, uint64_t ticks)
{
    uint64_t end = fake_now() + ticks;

    do {
        guest->request = GUEST_WAITS;
        guest->wait_deadline = end;
        pause_guest(guest);
    } while (fake_now() < end);
}

uint32_t exec_wait_for_event(struct fake_guest *guest)
{
    do {
        guest->request = GUEST_WAITS;
        guest->wait_deadline = FAKE_NEVER;
        pause_guest(guest);
    } while (guest->event == 0);
    return guest->event;
}

bool exec_instruction(struct fake_guest *guest, uint32_t reason, unsigned length)
{
    exec_exit(guest, &(struct fake_exit){.reason = reason, .instruction_length = length});
    return !is_exception(guest->event);
}

static bool exit_with(struct fake_guest *guest, uint32_t reason, unsigned length,
                      uint64_t qualification)
{
    exec_exit(guest, &(struct fake_exit){.reason = reason,
                                         .instruction_length = length,
                                         .qualification = qualification});
    return !is_exception(guest->event);
}

/* --- Ports, CPUID, MSRs --- */

static uint64_t io_qualification(uint16_t port, unsigned size, bool is_in)
{
    return (size - 1) | (is_in ? EXIT_IO_IN : 0) | (uint64_t)port << 16;
}

bool exec_out(struct fake_guest *guest, uint16_t port, unsigned size, uint32_t value)
{
    guest->gpr[GPR_RAX] = value;
    return exit_with(guest, EXIT_REASON_IO_INSTRUCTION, LENGTH_IN,
                     io_qualification(port, size, false));
}

uint32_t exec_in(struct fake_guest *guest, uint16_t port, unsigned size)
{
    guest->gpr[GPR_RAX] = 0;
    (void)exit_with(guest, EXIT_REASON_IO_INSTRUCTION, LENGTH_IN,
                    io_qualification(port, size, true));
    return (uint32_t)guest->gpr[GPR_RAX];
}

struct cpuid_result exec_cpuid(struct fake_guest *guest, uint32_t leaf, uint32_t subleaf)
{
    guest->gpr[GPR_RAX] = leaf;
    guest->gpr[GPR_RCX] = subleaf;
    (void)exec_instruction(guest, EXIT_REASON_CPUID, LENGTH_CPUID);
    return (struct cpuid_result){
        .eax = (uint32_t)guest->gpr[GPR_RAX],
        .ebx = (uint32_t)guest->gpr[GPR_RBX],
        .ecx = (uint32_t)guest->gpr[GPR_RCX],
        .edx = (uint32_t)guest->gpr[GPR_RDX],
    };
}

/* "MSR-Bitmap Address": whether the access exits. */
static bool msr_exits(const struct fake_guest *guest, uint32_t index, bool is_write)
{
    const uint8_t *bitmap = (const uint8_t *)fake_guest_field(guest, VMCS_MSR_BITMAPS);
    uint32_t low = index & 0x1fff;
    size_t part = (is_write ? 2048 : 0) + (index >= 0xc0000000 ? 1024 : 0);

    if (index > 0x1fff && (index < 0xc0000000 || index > 0xc0001fff))
        return true;
    return (bitmap[part + low / 8] >> low % 8 & 1) != 0;
}

/* The field that holds the guest's value of an MSR; 0: there is none, the processor's is used. */
static uint64_t msr_field(uint32_t index)
{
    switch (index) {
    case IA32_SYSENTER_CS: return VMCS_GUEST_IA32_SYSENTER_CS;
    case IA32_SYSENTER_ESP: return VMCS_GUEST_IA32_SYSENTER_ESP;
    case IA32_SYSENTER_EIP: return VMCS_GUEST_IA32_SYSENTER_EIP;
    case IA32_FS_BASE: return VMCS_GUEST_FS_BASE;
    case IA32_GS_BASE: return VMCS_GUEST_GS_BASE;
    case IA32_PAT: return VMCS_GUEST_IA32_PAT;
    case IA32_EFER: return VMCS_GUEST_IA32_EFER;
    case IA32_DEBUGCTL: return VMCS_GUEST_IA32_DEBUGCTL;
    default: return 0;
    }
}

bool exec_rdmsr(struct fake_guest *guest, uint32_t index, uint64_t *value)
{
    if (!msr_exits(guest, index, false)) {
        *value = msr_field(index) != 0 ? fake_guest_field(guest, msr_field(index)) : rdmsr(index);
        return true;
    }
    guest->gpr[GPR_RCX] = index;
    if (!exec_instruction(guest, EXIT_REASON_RDMSR, LENGTH_MSR))
        return false;
    *value = guest->gpr[GPR_RDX] << 32 | (uint32_t)guest->gpr[GPR_RAX];
    return true;
}

bool exec_wrmsr(struct fake_guest *guest, uint32_t index, uint64_t value)
{
    if (!msr_exits(guest, index, true)) {
        if (msr_field(index) != 0)
            fake_guest_set_field(guest, msr_field(index), value);
        else
            wrmsr(index, value);
        return true;
    }
    guest->gpr[GPR_RCX] = index;
    guest->gpr[GPR_RAX] = (uint32_t)value;
    guest->gpr[GPR_RDX] = value >> 32;
    return exec_instruction(guest, EXIT_REASON_WRMSR, LENGTH_MSR);
}

/* --- Control registers and flags --- */

static bool write_masked(struct fake_guest *guest, uint64_t value, uint64_t mask, uint64_t shadow,
                         uint64_t field)
{
    if (((value ^ fake_guest_field(guest, shadow)) & fake_guest_field(guest, mask)) != 0)
        return false;
    fake_guest_set_field(guest, field,
                         (fake_guest_field(guest, field) & fake_guest_field(guest, mask)) |
                             (value & ~fake_guest_field(guest, mask)));
    return true;
}

static bool writes_without_exit(struct fake_guest *guest, unsigned number, uint64_t value)
{
    uint64_t primary = fake_guest_field(guest, VMCS_PRIMARY_CONTROLS);

    switch (number) {
    case 0:
        return write_masked(guest, value, VMCS_CR0_GUEST_HOST_MASK, VMCS_CR0_READ_SHADOW,
                            VMCS_GUEST_CR0);
    case 4:
        return write_masked(guest, value, VMCS_CR4_GUEST_HOST_MASK, VMCS_CR4_READ_SHADOW,
                            VMCS_GUEST_CR4);
    case 3:
        if ((primary & PRIMARY_CR3_LOAD_EXITING) != 0)
            return false;
        fake_guest_set_field(guest, VMCS_GUEST_CR3, value);
        return true;
    default: return false;
    }
}

bool exec_write_cr(struct fake_guest *guest, unsigned number, uint64_t value)
{
    if (writes_without_exit(guest, number, value))
        return true;
    guest->gpr[GPR_RDX] = value;
    return exit_with(guest, EXIT_REASON_CR_ACCESS, LENGTH_CR,
                     number | EXIT_MOV_TO_CR << 4 | GPR_RDX << 8);
}

static uint64_t read_masked(const struct fake_guest *guest, uint64_t mask, uint64_t shadow,
                            uint64_t field)
{
    return (fake_guest_field(guest, shadow) & fake_guest_field(guest, mask)) |
           (fake_guest_field(guest, field) & ~fake_guest_field(guest, mask));
}

uint64_t exec_read_cr(struct fake_guest *guest, unsigned number)
{
    switch (number) {
    case 0:
        return read_masked(guest, VMCS_CR0_GUEST_HOST_MASK, VMCS_CR0_READ_SHADOW, VMCS_GUEST_CR0);
    case 3: return fake_guest_field(guest, VMCS_GUEST_CR3);
    case 4:
        return read_masked(guest, VMCS_CR4_GUEST_HOST_MASK, VMCS_CR4_READ_SHADOW, VMCS_GUEST_CR4);
    default:
        (void)exit_with(guest, EXIT_REASON_CR_ACCESS, LENGTH_CR,
                        number | EXIT_MOV_FROM_CR << 4 | GPR_RDX << 8);
        return guest->gpr[GPR_RDX];
    }
}

void exec_sti(struct fake_guest *guest)
{
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS,
                         fake_guest_field(guest, VMCS_GUEST_RFLAGS) | RFLAGS_IF);
}

void exec_cli(struct fake_guest *guest)
{
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS,
                         fake_guest_field(guest, VMCS_GUEST_RFLAGS) & ~RFLAGS_IF);
}

uint32_t exec_hlt(struct fake_guest *guest)
{
    (void)exec_instruction(guest, EXIT_REASON_HLT, LENGTH_HLT);
    return guest->event;
}

void exec_enter_protected_mode(struct fake_guest *guest)
{
    const uint32_t code32 = 0xc09b, data32 = 0xc093;

    fake_guest_set_field(guest, VMCS_GUEST_CR0, fake_guest_field(guest, VMCS_GUEST_CR0) | CR0_PE);
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE_BASE + guest->processor->index * PAGE_SIZE);
    fake_guest_set_field(guest, VMCS_CR0_READ_SHADOW,
                         fake_guest_field(guest, VMCS_CR0_READ_SHADOW) | CR0_PE);
    for (unsigned i = SEGMENT_ES; i <= SEGMENT_GS; i++) {
        fake_guest_set_field(guest, VMCS_GUEST_ES_BASE + 2 * i, 0);
        fake_guest_set_field(guest, VMCS_GUEST_ES_LIMIT + 2 * i, UINT32_MAX);
        fake_guest_set_field(guest, VMCS_GUEST_ES_SELECTOR + 2 * i, i == SEGMENT_CS ? 8 : 16);
        fake_guest_set_field(guest, VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i,
                             i == SEGMENT_CS ? code32 : data32);
    }
}

/* --- Memory --- */

uint8_t *fake_guest_ram(const struct fake_guest *guest, uint64_t address)
{
    const uint64_t *table =
        (const uint64_t *)(fake_guest_field(guest, VMCS_EPT_POINTER) & TABLE_ADDRESS_MASK);

    for (unsigned level = 4; level > 0; level--) {
        unsigned shift = 3 + 9 * level;
        uint64_t entry = table[address >> shift & 511];

        if ((entry & EPT_ALL) == 0)
            return NULL;
        if (level == 1 || (entry & TABLE_LEAF) != 0) {
            uint64_t within = (UINT64_C(1) << shift) - 1;

            return (uint8_t *)((entry & TABLE_ADDRESS_MASK & ~within) | (address & within));
        }
        table = (const uint64_t *)(entry & TABLE_ADDRESS_MASK);
    }
    return NULL;
}

/* Puts MOV between EAX and the address, of this size, to CS:RIP. Returns its length. */
static unsigned write_mov(struct fake_guest *guest, uint32_t address, unsigned size, bool is_store)
{
    uint64_t rights = fake_guest_field(guest, VMCS_GUEST_CS_ACCESS_RIGHTS);
    bool is_long = (rights & ACCESS_RIGHTS_L) != 0 &&
                   (fake_guest_field(guest, VMCS_GUEST_IA32_EFER) & EFER_LMA) != 0;
    bool is_32bit = is_long || (rights & ACCESS_RIGHTS_D) != 0;
    uint64_t rip = fake_guest_field(guest, VMCS_GUEST_RIP);
    uint64_t at;
    uint8_t *code;
    unsigned n = 0;

    /* A long loop stays in its page. */
    if ((rip & 0xfff) > 0xf00) {
        rip &= ~UINT64_C(0xfff);
        fake_guest_set_field(guest, VMCS_GUEST_RIP, rip);
    }
    at = fake_guest_field(guest, VMCS_GUEST_CS_BASE) + rip;
    code = fake_guest_ram(guest, at);

    if (code == NULL)
        fake_misuse("the guest executes at 0x%lx, where it has no memory", (unsigned long)at);
    if (!is_32bit)
        code[n++] = 0x67;
    if (size != 1 && is_32bit != (size == 4))
        code[n++] = 0x66;
    code[n++] = (uint8_t)(is_store ? 0x88 : 0x8a) | (size != 1);
    if (is_long) {
        code[n++] = 0x04;
        code[n++] = 0x25;
    } else
        code[n++] = 0x05;
    memcpy(code + n, &address, 4);
    return n + 4;
}

/* The instruction is executed again until it is done or an exception comes instead of it. */
static bool access_memory(struct fake_guest *guest, uint32_t address, unsigned size, bool is_store)
{
    uint64_t before, value = guest->gpr[GPR_RAX];

    do {
        unsigned length = write_mov(guest, address, size, is_store);

        before = fake_guest_field(guest, VMCS_GUEST_RIP);
        guest->gpr[GPR_RAX] = value;
        exec_exit(guest,
                  &(struct fake_exit){
                      .reason = EXIT_REASON_EPT_VIOLATION,
                      .instruction_length = length,
                      .qualification = (is_store ? BIT(1) : BIT(0)) |
                                       EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION,
                      .linear_address = address,
                      .physical_address = address,
                  });
        if (is_exception(guest->event))
            return false;
    } while (fake_guest_field(guest, VMCS_GUEST_RIP) == before);
    return true;
}

uint32_t exec_load(struct fake_guest *guest, uint32_t address, unsigned size)
{
    guest->gpr[GPR_RAX] = 0;
    (void)access_memory(guest, address, size, false);
    return (uint32_t)guest->gpr[GPR_RAX];
}

bool exec_store(struct fake_guest *guest, uint32_t address, unsigned size, uint32_t value)
{
    guest->gpr[GPR_RAX] = value;
    return access_memory(guest, address, size, true);
}
