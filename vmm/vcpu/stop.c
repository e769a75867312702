// SPDX-License-Identifier: BSD-2-Clause
/* Prints a vCPU in readable form, and stops its guest. */
#include "vmm/vcpu/stop.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmcs.h"
#include "vmm/base/format.h"
#include "vmm/base/log.h"
#include "vmm/guest/guest.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/linear.h"

#define CODE_BYTES  16
#define STACK_WORDS 8

static void dump_gprs(const struct vmx_vcpu *vmx)
{
    static const struct {
        const char *name;
        unsigned index;
    } rows[] = {
        {"rax", 0},  {"rbx", 3},  {"rcx", 1},  {"rdx", 2},  {"rsi", 6},  {"rdi", 7},
        {"rbp", 5},  {"rsp", 4},  {"r8 ", 8},  {"r9 ", 9},  {"r10", 10}, {"r11", 11},
        {"r12", 12}, {"r13", 13}, {"r14", 14}, {"r15", 15},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        log_text("  %s %016lx%s", rows[i].name, vmx_vcpu_gpr(vmx, rows[i].index),
                 i % 4 == 3 ? "\n" : "");
}

static void dump_segments(void)
{
    static const char *const names[SEGMENT_COUNT] = {"es", "cs", "ss",   "ds",
                                                     "fs", "gs", "ldtr", "tr"};

    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        struct vmx_segment segment = vmx_vcpu_segment((enum segment)i);
        if ((segment.access_rights & ACCESS_RIGHTS_UNUSABLE) != 0)
            log_text("  %-4s %04x unusable\n", names[i], segment.selector);
        else
            log_text("  %-4s %04x base %016lx limit %08x rights %05x\n", names[i], segment.selector,
                     segment.base, segment.limit, segment.access_rights);
    }
    log_text("  gdtr base %016lx limit %04x   idtr base %016lx limit %04x\n",
             vmcs_read_natural(VMCS_GUEST_GDTR_BASE), vmcs_read32(VMCS_GUEST_GDTR_LIMIT),
             vmcs_read_natural(VMCS_GUEST_IDTR_BASE), vmcs_read32(VMCS_GUEST_IDTR_LIMIT));
}

static void dump_code(struct vcpu *vcpu)
{
    uint8_t code[CODE_BYTES];
    gva_t address = GVA(vmcs_read_natural(VMCS_GUEST_CS_BASE) + vmcs_read_natural(VMCS_GUEST_RIP));
    size_t count = vcpu_linear_peek(vcpu, address, code, sizeof(code));

    log_text("  code at %016lx:", address.value);
    for (size_t i = 0; i < count; i++)
        log_text(" %02x", code[i]);
    log_text("%s\n", count == 0 ? " not in RAM" : "");
}

static void dump_stack(struct vcpu *vcpu)
{
    uint64_t words[STACK_WORDS];
    gva_t address = GVA(vmcs_read_natural(VMCS_GUEST_SS_BASE) + vmcs_read_natural(VMCS_GUEST_RSP));
    size_t count = vcpu_linear_peek(vcpu, address, words, sizeof(words)) / sizeof(words[0]);

    log_text("  stack at %016lx:%s", address.value, count == 0 ? " not in RAM" : "");
    for (size_t i = 0; i < count; i++)
        log_text("%s %016lx", i % 4 == 0 ? "\n   " : "", words[i]);
    log_text("\n");
}

void vcpu_dump(struct vcpu *vcpu)
{
    if (vcpu->guest->vcpu_count > 1)
        log_text("  vcpu %u\n", vcpu->index);
    log_text("  rip %016lx  rflags %08lx  last exit: %s, qualification %lx\n",
             vmcs_read_natural(VMCS_GUEST_RIP), vmcs_read_natural(VMCS_GUEST_RFLAGS),
             exit_reason_name(EXIT_REASON_BASIC(vmcs_read32(VMCS_EXIT_REASON))),
             vmcs_read_natural(VMCS_EXIT_QUALIFICATION));
    dump_gprs(&vcpu->vmx);
    log_text("  cr0 %lx  cr2 %lx  cr3 %lx  cr4 %lx  cr8 %lx  efer %lx\n", vmx_vcpu_cr0(&vcpu->vmx),
             read_cr2(), vmcs_read_natural(VMCS_GUEST_CR3), vmx_vcpu_cr4(&vcpu->vmx),
             local_apic_cr8(&vcpu->apic), vmx_vcpu_efer(&vcpu->vmx));
    log_text(
        "  interruptibility %x  activity %u  guest-physical address of the last EPT exit %lx\n",
        vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY), vmcs_read32(VMCS_GUEST_ACTIVITY_STATE),
        vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS));
    dump_segments();
    dump_code(vcpu);
    dump_stack(vcpu);
}

static void stop(struct vcpu *vcpu, const char *format, va_list arguments)
{
    char reason[GUEST_END_REASON_BYTES];

    format_text_v(reason, sizeof(reason), format, arguments);
    if (guest_stop(vcpu->guest, reason))
        vcpu_dump(vcpu);
}

void vcpu_stop(struct vcpu *vcpu, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    stop(vcpu, format, arguments);
    va_end(arguments);
}

/* Returns whether the event that is queued is a double fault. */
static bool delivers_double_fault(const struct vcpu *vcpu)
{
    return vcpu->event.info == (INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_DF) |
                                (vcpu->event.info & INTERRUPTION_ERROR_CODE_VALID));
}

enum exit_action vcpu_refuse(struct vcpu *vcpu, enum trap_vector vector, const char *format, ...)
{
    va_list arguments;

    if (vcpu_in_user_mode() && !delivers_double_fault(vcpu)) {
        events_inject_exception(vcpu, vector, 0);
        return EXIT_RESUME;
    }
    va_start(arguments, format);
    stop(vcpu, format, arguments);
    va_end(arguments);
    return EXIT_RESUME;
}

void vcpu_die(struct vcpu *vcpu)
{
    vcpu->is_dead = true;
    if (guest_add_dead(vcpu->guest))
        vcpu_stop(vcpu, "halted with interrupts off: nothing can wake it");
}
