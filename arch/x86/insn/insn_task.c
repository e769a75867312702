// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_task.h"

#include "arch/x86/insn/insn_descriptor.h"
#include "arch/x86/insn/insn_execute.h"

#include <string.h>

/* The words of a TSS without its link, CR3 and stacks, in its order. */
enum {
    WORD_EIP,
    WORD_EFLAGS,
    WORD_GPR,
    WORD_SEGMENT = WORD_GPR + 8, /* ES, CS, SS, DS, FS, GS */
    WORD_LDT = WORD_SEGMENT + INSN_SEGMENT_COUNT,
    WORD_COUNT,
};

/* Figures "32-Bit Task-State Segment (TSS)" and "16-Bit TSS Format". */
struct tss_format {
    uint8_t word_bytes;
    uint8_t first; /* the offset of WORD_EIP */
    uint8_t segment_count;
    uint8_t limit_least;
};

static const struct tss_format format_16 = {2, 0x0e, 4, 0x2b};
static const struct tss_format format_32 = {4, 0x20, 6, 0x67};

#define TSS_LINK    0x00
#define TSS_32_CR3  0x1c
#define TSS_32_TRAP 0x64 /* bit 0 */

#define TSS_BYTES_MAX   0x68
#define EFLAGS_DEFINED  UINT32_C(0x003f7fd5)
#define RIGHTS_8086     UINT32_C(0x00f3)
#define RIGHTS_CODE_ANY UINT32_C(0xc09b) /* DPL 0, flat */
#define RIGHTS_DATA_ANY UINT32_C(0xc093)

static const struct tss_format *format_of(uint32_t access_rights)
{
    return (access_rights & TYPE_TSS_32_BIT) != 0 ? &format_32 : &format_16;
}

static bool is_nested(const struct insn_task_switch *task)
{
    return task->source == INSN_TASK_CALL || task->source == INSN_TASK_EVENT;
}

/* --- Memory --- */

/* Reads or writes size_bytes at address. The address wraps at 4 GiB, as 64-bit mode has no task
 * switches. */
static enum insn_outcome access_tss(struct insn_loading *l, uint64_t address, uint8_t *bytes,
                                    size_t size_bytes, bool is_write)
{
    const struct insn_system *system = l->env->system;
    enum insn_outcome outcome = INSN_DONE;

    while (size_bytes > 0 && outcome == INSN_DONE) {
        gva_t at = GVA(address & UINT32_MAX);
        size_t to_end = (size_t)(UINT64_C(0x100000000) - at.value);
        size_t length = size_bytes < 16 ? size_bytes : 16;

        length = length < to_end ? length : to_end;
        outcome = insn_outcome_of(
            is_write ? system->table_write(l->env->context, at, bytes, length, l->fault)
                     : system->table_read(l->env->context, at, bytes, length, l->fault));
        address += length;
        bytes += length;
        size_bytes -= length;
    }
    return outcome;
}

/* --- The new task's TSS --- */

/* Reads and checks the new TSS's descriptor. The processor has checked it before, but another
 * processor may have changed it since. */
static enum insn_outcome find_tss(const struct insn_task_switch *task, struct insn_loading *tss)
{
    bool wants_busy = task->source == INSN_TASK_IRET;
    uint8_t vector = wants_busy ? VECTOR_TS : VECTOR_GP;
    enum insn_outcome outcome;
    uint32_t rights;

    if ((tss->selector & SELECTOR_LOCAL) != 0 || (tss->selector & ~SELECTOR_RPL) == 0)
        return insn_loading_fault(tss, vector, tss->selector);
    outcome = insn_loading_read(tss, false, vector);
    if (outcome != INSN_DONE)
        return outcome;
    rights = tss->segment.access_rights;
    if ((rights & RIGHTS_SEGMENT) != 0 ||
        (RIGHTS_TYPE(rights) & ~(uint32_t)TYPE_TSS_32_BIT) !=
            (TYPE_TSS_16_AVAILABLE | (wants_busy ? TYPE_BUSY : 0)))
        return insn_loading_fault(tss, vector, tss->selector);
    if ((rights & RIGHTS_PRESENT) == 0)
        return insn_loading_fault(tss, VECTOR_NP, tss->selector);
    if (tss->segment.limit < format_of(rights)->limit_least)
        return insn_loading_fault(tss, VECTOR_TS, tss->selector);
    return INSN_DONE;
}

/* The decoded contents of a TSS. */
struct task_state {
    uint32_t word[WORD_COUNT];
    uint32_t cr3;
    bool has_cr3;
    bool has_trap;
};

static enum insn_outcome read_tss(struct insn_loading *tss, struct task_state *new)
{
    const struct tss_format *format = format_of(tss->segment.access_rights);
    uint8_t bytes[TSS_BYTES_MAX] = {0};
    size_t at = format->first;
    enum insn_outcome outcome =
        access_tss(tss, tss->segment.base, bytes, format->limit_least + 1u, false);

    *new = (struct task_state){.has_cr3 = format == &format_32};
    for (unsigned i = 0; i < WORD_COUNT; i++) {
        if (i >= (unsigned)WORD_SEGMENT + format->segment_count && i < WORD_LDT)
            continue;
        memcpy(&new->word[i], bytes + at, format->word_bytes);
        at += format->word_bytes;
    }
    if (new->has_cr3) {
        memcpy(&new->cr3, bytes + TSS_32_CR3, sizeof(new->cr3));
        new->has_trap = (bytes[TSS_32_TRAP] & 1) != 0;
    }
    return outcome;
}

/* --- Out of the old task --- */

static enum insn_outcome save_task(const struct insn_task_switch *task, struct insn_loading *l)
{
    const struct insn_system *system = l->env->system;
    struct insn_segment old = system->read_segment(l->env->context, INSN_TR);
    const struct tss_format *format = format_of(old.access_rights);
    uint32_t word[WORD_LDT] = {
        [WORD_EIP] = (uint32_t)task->next_rip,
        [WORD_EFLAGS] = (uint32_t)(l->state->rflags | (task->sets_rf ? RFLAGS_RF : 0)),
    };
    unsigned count = WORD_SEGMENT + format->segment_count;
    uint8_t bytes[sizeof(word)];

    if (!task->is_external)
        word[WORD_EFLAGS] &= ~(uint32_t)RFLAGS_RF; /* the old task's instruction is complete */
    if (task->source == INSN_TASK_IRET)
        word[WORD_EFLAGS] &= ~(uint32_t)RFLAGS_NT;
    for (unsigned i = 0; i < 8; i++)
        word[WORD_GPR + i] = (uint32_t)l->state->gpr[i];
    for (unsigned i = 0; i < format->segment_count; i++)
        word[WORD_SEGMENT + i] = system->read_selector(l->env->context, i);
    for (unsigned i = 0; i < count; i++)
        memcpy(bytes + i * format->word_bytes, &word[i], format->word_bytes);
    return access_tss(l, old.base + format->first, bytes, count * format->word_bytes, true);
}

/* Clears the busy flag of a task that the switch does not nest. */
static enum insn_outcome end_task(const struct insn_loading *tss, uint16_t selector)
{
    struct insn_loading old = *tss;
    enum insn_outcome outcome;

    old.selector = selector;
    outcome = insn_loading_read(&old, false, VECTOR_TS);
    return outcome == INSN_DONE ? insn_loading_clear_type(&old, TYPE_BUSY) : outcome;
}

static enum insn_outcome leave_task(const struct insn_task_switch *task, struct insn_loading *tss)
{
    uint16_t old_selector = tss->env->system->read_selector(tss->env->context, INSN_TR);
    enum insn_outcome outcome = save_task(task, tss);
    uint8_t link[2] = {(uint8_t)old_selector, (uint8_t)(old_selector >> 8)};

    if (outcome == INSN_DONE && is_nested(task))
        outcome = access_tss(tss, tss->segment.base + TSS_LINK, link, sizeof(link), true);
    if (outcome == INSN_DONE && task->source != INSN_TASK_IRET)
        outcome = insn_loading_set_type(tss, TYPE_BUSY);
    if (outcome == INSN_DONE && !is_nested(task))
        outcome = end_task(tss, old_selector);
    return outcome;
}

/* --- Into the new one --- */

static enum insn_outcome load_ldt(struct insn_loading *l)
{
    enum insn_outcome outcome;

    l->segment = (struct insn_segment){.access_rights = RIGHTS_UNUSABLE};
    if ((l->selector & ~SELECTOR_RPL) != 0) {
        if ((l->selector & SELECTOR_LOCAL) != 0)
            return insn_loading_fault(l, VECTOR_TS, l->selector);
        outcome = insn_loading_read(l, false, VECTOR_TS);
        if (outcome != INSN_DONE)
            return outcome;
        if ((l->segment.access_rights & RIGHTS_SEGMENT) != 0 ||
            RIGHTS_TYPE(l->segment.access_rights) != TYPE_LDT ||
            (l->segment.access_rights & RIGHTS_PRESENT) == 0)
            return insn_loading_fault(l, VECTOR_TS, l->selector);
    }
    insn_loading_finish(l, INSN_LDTR);
    return INSN_DONE;
}

static bool is_allowed_in_task(const struct insn_loading *l, unsigned number, unsigned cpl)
{
    uint64_t rights = l->segment.access_rights;
    unsigned rpl = l->selector & SELECTOR_RPL, dpl = RIGHTS_DPL(rights);
    bool is_code = rights & RIGHTS_CODE, is_conforming = is_code && (rights & RIGHTS_CONFORMING);

    if (!(rights & RIGHTS_SEGMENT))
        return false;
    if (number == INSN_CS)
        return is_code && (is_conforming ? dpl <= rpl : dpl == rpl);
    if (number == INSN_SS)
        return !is_code && (rights & RIGHTS_WRITABLE) && dpl == cpl && rpl == cpl;
    if (is_code && !(rights & RIGHTS_WRITABLE))
        return false;
    return is_conforming || (dpl >= cpl && dpl >= rpl);
}

/* Loads one segment. cpl is the RPL of the new CS. Table "Exception Conditions Checked During a
 * Task Switch". */
static enum insn_outcome load_task_segment(struct insn_loading *l, unsigned number, unsigned cpl)
{
    bool is_data = number != INSN_CS && number != INSN_SS;
    enum insn_outcome outcome;

    if ((l->selector & ~SELECTOR_RPL) == 0) {
        if (!is_data)
            return insn_loading_fault(l, VECTOR_TS, l->selector);
        l->segment = (struct insn_segment){.access_rights = RIGHTS_UNUSABLE};
        insn_loading_finish(l, number);
        return INSN_DONE;
    }
    outcome = insn_loading_read(l, false, VECTOR_TS);
    if (outcome != INSN_DONE)
        return outcome;
    if (!is_allowed_in_task(l, number, cpl))
        return insn_loading_fault(l, VECTOR_TS, l->selector);
    if ((l->segment.access_rights & RIGHTS_PRESENT) == 0)
        return insn_loading_fault(l, number == INSN_SS ? VECTOR_SS : VECTOR_NP, l->selector);
    outcome = insn_loading_set_type(l, RIGHTS_ACCESSED);
    if (outcome == INSN_DONE)
        insn_loading_finish(l, number);
    return outcome;
}

static void load_8086_segments(struct insn_loading *l, const struct task_state *new)
{
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        l->selector = (uint16_t) new->word[WORD_SEGMENT + i];
        l->segment = (struct insn_segment){(uint64_t)l->selector << 4, 0xffff, RIGHTS_8086};
        insn_loading_finish(l, i);
    }
}

/* Makes the stack's segment unusable, at the privilege level of the new CS, until it is loaded. */
static void hide_stack(struct insn_loading *l, const struct task_state *new, unsigned cpl)
{
    l->selector = (uint16_t) new->word[WORD_SEGMENT + INSN_SS];
    l->segment = (struct insn_segment){.access_rights = (uint32_t)RIGHTS_UNUSABLE | cpl << 5};
    insn_loading_finish(l, INSN_SS);
}

static enum insn_outcome load_segments(struct insn_loading *l, const struct task_state *new)
{
    static const uint8_t order[] = {INSN_CS, INSN_SS, INSN_DS, INSN_ES, INSN_FS, INSN_GS};
    unsigned cpl = new->word[WORD_SEGMENT + INSN_CS] & SELECTOR_RPL;
    uint32_t code_limit = 0;
    enum insn_outcome outcome;

    l->selector = (uint16_t) new->word[WORD_LDT];
    outcome = load_ldt(l);
    if (outcome != INSN_DONE)
        return outcome;
    if ((new->word[WORD_EFLAGS] & RFLAGS_VM) != 0) {
        load_8086_segments(l, new);
        return INSN_DONE;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(order) && outcome == INSN_DONE; i++) {
        l->selector = (uint16_t) new->word[WORD_SEGMENT + order[i]];
        outcome = load_task_segment(l, order[i], cpl);
        if (order[i] == INSN_CS && outcome == INSN_DONE) {
            code_limit = l->segment.limit;
            hide_stack(l, new, cpl);
        }
    }
    if (outcome == INSN_DONE && new->word[WORD_EIP] > code_limit)
        return insn_loading_fault(l, VECTOR_GP, 0);
    return outcome;
}

/* Loads the selectors. Until their segments are loaded, the hidden parts stay those of the old
 * task, except after virtual-8086 mode, whose hidden parts are not valid in protected mode. */
static void load_selectors(struct insn_loading *l, const struct task_state *new, bool was_8086)
{
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        l->selector = (uint16_t) new->word[WORD_SEGMENT + i];
        l->segment = l->state->segments[i];
        if (was_8086)
            l->segment = (struct insn_segment){0, UINT32_MAX,
                                               i == INSN_CS ? RIGHTS_CODE_ANY : RIGHTS_DATA_ANY};
        insn_loading_finish(l, i);
    }
    l->selector = (uint16_t) new->word[WORD_LDT];
    l->segment = (struct insn_segment){.access_rights = RIGHTS_UNUSABLE};
    insn_loading_finish(l, INSN_LDTR);
}

static enum insn_outcome enter_task(const struct insn_task_switch *task, struct insn_loading *l,
                                    const struct task_state *new)
{
    struct insn_state *state = l->state;
    bool was_8086 = (state->rflags & RFLAGS_VM) != 0;

    insn_loading_finish(l, INSN_TR);
    load_selectors(l, new, was_8086);
    state->rip = new->word[WORD_EIP];
    state->rflags = (new->word[WORD_EFLAGS] & EFLAGS_DEFINED) | RFLAGS_ONE;
    if (is_nested(task))
        state->rflags |= RFLAGS_NT;
    for (unsigned i = 0; i < 8; i++)
        state->gpr[i] = new->word[WORD_GPR + i];
    if (!l->env->system->enter_task(l->env->context, new->has_cr3 ? &new->cr3 : NULL))
        return insn_loading_fault(l, VECTOR_GP, 0);
    return load_segments(l, new);
}

enum insn_outcome insn_switch_task(struct insn_task_switch *task, struct insn_state *state,
                                   const struct insn_env *env, struct insn_fault *fault)
{
    struct insn_loading tss = {.state = state,
                               .env = env,
                               .fault = fault,
                               .selector = task->selector,
                               .is_external = task->is_external};
    struct task_state new;
    enum insn_outcome outcome;

    task->is_entered = false;
    task->has_trap = false;
    outcome = find_tss(task, &tss);
    if (outcome == INSN_DONE)
        outcome = read_tss(&tss, &new);
    if (outcome == INSN_DONE)
        outcome = leave_task(task, &tss);
    if (outcome != INSN_DONE)
        return outcome;
    task->is_entered = true;
    task->operand_bytes = format_of(tss.segment.access_rights)->word_bytes;
    outcome = enter_task(task, &tss, &new);
    task->has_trap = outcome == INSN_DONE && new.has_trap;
    return outcome;
}

enum insn_outcome insn_task_push(const struct insn_task_switch *task, uint32_t error_code,
                                 struct insn_state *state, const struct insn_env *env,
                                 struct insn_fault *fault)
{
    const struct insn push = {
        .op = INSN_PUSH,
        .operand_size_bytes = task->operand_bytes,
        .address_size_bytes = task->operand_bytes,
        .destination = {INSN_OPERAND_IMMEDIATE, 0, false, task->operand_bytes},
        .immediate = error_code,
    };

    return insn_execute(&push, state, env, 1, fault);
}
