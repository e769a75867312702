// SPDX-License-Identifier: BSD-2-Clause
/* Task switches: what is saved, linked, marked and loaded; and in whose task a fault is. */
#include "tests/unit/insn_machine.h"

#include "arch/x86/insn/insn_task.h"

#define GDT 0x800
enum {
    CODE_0 = 0x08,
    DATA_0 = 0x10,
    CODE_3 = 0x18,
    DATA_3 = 0x20,
    TSS_OLD = 0x28,
    TSS_NEW = 0x30,
    TSS_16 = 0x38,
    LDT = 0x40,
    CODE_CONFORMING = 0x48,
    DATA_ABSENT = 0x50,
    CODE_ABSENT = 0x58,
    CODE_UNREADABLE = 0x60,
};
#define GDT_LIMIT 0x67

/* The TSS's fields, by figure "32-Bit Task-State Segment (TSS)". */
enum {
    LINK = 0x00,
    CR3 = 0x1c,
    EIP = 0x20,
    EFLAGS = 0x24,
    EAX = 0x28,
    ESP = 0x38,
    ES = 0x48,
    CS = 0x4c,
    SS = 0x50,
    DS = 0x54,
    FS = 0x58,
    GS = 0x5c,
    LDTR = 0x60,
    TRAP = 0x64,
};
enum { OLD = 0x2000, NEW = 0x20f8, NEW_16 = 0x2200 }; /* NEW is read across a border of pages */

static uint16_t selectors[INSN_TR + 1];
static struct insn_segment hidden[INSN_TR + 1];
static uint64_t entered_cr3;
static unsigned entered_count;
static bool pdptes_are_bad;

static uint16_t read_selector(void *context, unsigned number)
{
    (void)context;
    return selectors[number];
}

static struct insn_segment read_segment(void *context, unsigned number)
{
    (void)context;
    return hidden[number];
}

static void load_segment(void *context, unsigned number, uint16_t selector,
                         const struct insn_segment *segment)
{
    (void)context;
    selectors[number] = selector;
    hidden[number] = *segment;
}

static bool enter_task(void *context, const uint32_t *cr3)
{
    (void)context;
    entered_count++;
    entered_cr3 = cr3 != NULL ? *cr3 : UINT64_MAX;
    return !pdptes_are_bad;
}

static bool no_ia32e_mode(void *context)
{
    (void)context;
    return false;
}

static struct insn_table read_gdt(void *context)
{
    (void)context;
    return (struct insn_table){GDT, GDT_LIMIT};
}

static struct insn_table no_ldt(void *context)
{
    (void)context;
    return (struct insn_table){0};
}

static const struct insn_system fake_system = {
    .in_ia32e_mode = no_ia32e_mode,
    .read_selector = read_selector,
    .read_segment = read_segment,
    .load_segment = load_segment,
    .enter_task = enter_task,
    .read_gdt = read_gdt,
    .read_ldt = no_ldt,
    .table_read = env_read,
    .table_write = env_write,
};

static void put_descriptor(uint16_t selector, uint32_t base, uint32_t rights)
{
    bool is_granular = (rights & 0x8000) != 0;
    uint64_t raw = (is_granular ? UINT64_C(0x000f00000000ffff) : UINT64_C(0x67)) |
                   (uint64_t)base << 16 | (uint64_t)(rights & 0xf0ff) << 40;

    memcpy(ram + GDT + selector, &raw, 8);
}

static uint8_t type_of(uint16_t selector)
{
    return ram[GDT + selector + 5] & 15;
}

static void put32(uint32_t at, uint32_t value)
{
    memcpy(ram + at, &value, 4);
}

static void put16(uint32_t at, uint16_t value)
{
    memcpy(ram + at, &value, 2);
}

static uint32_t get32(uint32_t at)
{
    uint32_t value;

    memcpy(&value, ram + at, 4);
    return value;
}

static uint16_t get16(uint32_t at)
{
    return (uint16_t)get32(at);
}

static void begin(void)
{
    static const struct {
        uint16_t selector, rights;
    } descriptors[] = {
        {CODE_0, 0xc09a},      {DATA_0, 0xc092},          {CODE_3, 0xc0fa},
        {DATA_3, 0xc0f2},      {CODE_CONFORMING, 0xc09e}, {DATA_ABSENT, 0xc012},
        {CODE_ABSENT, 0xc01a}, {CODE_UNREADABLE, 0xc098},
    };

    reset(INSN_MODE_32);
    env.system = &fake_system;
    for (unsigned i = 0; i < ARRAY_COUNT(descriptors); i++)
        put_descriptor(descriptors[i].selector, 0, descriptors[i].rights);
    put_descriptor(TSS_OLD, OLD, 0x8b);
    put_descriptor(TSS_NEW, NEW, 0x89);
    put_descriptor(TSS_16, NEW_16, 0x81);
    put_descriptor(LDT, 0x3000, 0x82);
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        selectors[i] = i == INSN_CS ? CODE_0 : DATA_0;
        hidden[i] = s.segments[i];
    }
    selectors[INSN_FS] = 0x77;
    selectors[INSN_LDTR] = 0;
    hidden[INSN_LDTR] = (struct insn_segment){.access_rights = UNUSABLE};
    selectors[INSN_TR] = TSS_OLD;
    hidden[INSN_TR] = (struct insn_segment){OLD, 0x67, 0x8b};
    for (unsigned i = 0; i < INSN_GPR_COUNT; i++)
        s.gpr[i] = 0x11110000 + i;
    s.rflags = 0x246;
    memset(ram + OLD, 0xee, 0x68);
    memset(ram + NEW, 0xdd, 0x68);
    put32(NEW + CR3, 0x5000);
    put32(NEW + EIP, 0x4321);
    put32(NEW + EFLAGS, 0xffc08002 & ~0x20000u);
    for (unsigned i = 0; i < 8; i++)
        put32(NEW + EAX + 4 * i, 0x22220000 + i);
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++)
        put32(NEW + ES + 4 * i, 0xbeef0000 | (i == INSN_CS ? CODE_0 : DATA_0));
    put32(NEW + LDTR, 0xbeef0000 | LDT);
    put32(NEW + TRAP, 0xfffe);
    entered_count = 0;
    pdptes_are_bad = false;
    fault = (struct insn_fault){0};
}

static enum insn_outcome switch_task(enum insn_task_source source, uint16_t selector,
                                     struct insn_task_switch *task)
{
    task->source = source;
    task->selector = selector;
    task->next_rip = 0x1007;
    return insn_switch_task(task, &s, &env, &fault);
}

static void expect_new_state(uint64_t rflags)
{
    assert_int_equal(s.rip, 0x4321);
    assert_int_equal(s.rflags, rflags);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(s.gpr[i], 0x22220000 + i);
    assert_int_equal(entered_count, 1);
    assert_int_equal(entered_cr3, 0x5000);
    assert_int_equal(selectors[INSN_TR], TSS_NEW);
    assert_int_equal(hidden[INSN_TR].base, NEW);
    assert_int_equal(hidden[INSN_TR].limit, 0x67);
    assert_int_equal(hidden[INSN_TR].access_rights, 0x8b);
    assert_int_equal(selectors[INSN_LDTR], LDT);
    assert_int_equal(hidden[INSN_LDTR].base, 0x3000);
    assert_int_equal(selectors[INSN_CS], CODE_0);
    assert_int_equal(hidden[INSN_CS].access_rights, 0xc09b);
    assert_int_equal(selectors[INSN_GS], DATA_0);
    assert_int_equal(hidden[INSN_GS].access_rights, 0xc093);
    assert_int_equal(hidden[INSN_SS].access_rights, 0xc093);
    assert_int_equal(type_of(DATA_0), 3); /* accessed */
}

static void expect_old_saved(uint32_t eflags)
{
    assert_int_equal(get32(OLD + EIP), 0x1007);
    assert_int_equal(get32(OLD + EFLAGS), eflags);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get32(OLD + EAX + 4 * i), 0x11110000 + i);
    assert_int_equal(get16(OLD + CS), CODE_0);
    assert_int_equal(get16(OLD + SS), DATA_0);
    assert_int_equal(get16(OLD + FS), 0x77);
    assert_int_equal(get32(OLD + EIP - 4), 0xeeeeeeee); /* CR3 and LDTR are not saved */
    assert_int_equal(get32(OLD + LDTR), 0xeeeeeeee);
}

static void test_jump(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    begin();
    s.rflags |= RFLAGS_RF; /* done with by the JMP */
    assert_int_equal(switch_task(INSN_TASK_JMP, TSS_NEW, &task), INSN_DONE);
    assert_true(task.is_entered);
    assert_false(task.has_trap);
    assert_int_equal(task.operand_bytes, 4);
    expect_old_saved(0x246);
    expect_new_state(2);
    assert_int_equal(type_of(TSS_OLD), 9);
    assert_int_equal(type_of(TSS_NEW), 11);
    assert_int_equal(get16(NEW + LINK), 0xdddd);
}

static void test_call(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    begin();
    s.rflags |= RFLAGS_NT; /* its own nesting is the old task's */
    assert_int_equal(switch_task(INSN_TASK_CALL, TSS_NEW, &task), INSN_DONE);
    expect_old_saved(0x246 | RFLAGS_NT);
    expect_new_state(2 | RFLAGS_NT);
    assert_int_equal(type_of(TSS_OLD), 11);
    assert_int_equal(type_of(TSS_NEW), 11);
    assert_int_equal(get32(NEW + LINK), 0xdddd0000 | TSS_OLD);
}

static void test_return(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    begin();
    put_descriptor(TSS_NEW, NEW, 0x8b);
    put32(NEW + EFLAGS, 0x4002);
    s.rflags |= RFLAGS_NT;
    assert_int_equal(switch_task(INSN_TASK_IRET, TSS_NEW, &task), INSN_DONE);
    expect_old_saved(0x246);
    expect_new_state(0x4002);
    assert_int_equal(type_of(TSS_OLD), 9);
    assert_int_equal(type_of(TSS_NEW), 11);
    assert_int_equal(get16(NEW + LINK), 0xdddd);
}

static void test_event(void **state)
{
    struct insn_task_switch task = {.sets_rf = true, .is_external = true};

    (void)state;
    begin();
    put32(NEW + TRAP, 1);
    assert_int_equal(switch_task(INSN_TASK_EVENT, TSS_NEW, &task), INSN_DONE);
    expect_old_saved(0x246 | RFLAGS_RF);
    expect_new_state(2 | RFLAGS_NT);
    assert_int_equal(get16(NEW + LINK), TSS_OLD);
    assert_true(task.has_trap);

    s.gpr[INSN_RSP] = 0x7000;
    assert_int_equal(insn_task_push(&task, 0xabcd1234, &s, &env, &fault), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RSP], 0x6ffc);
    assert_int_equal(get32(0x6ffc), 0xabcd1234);
    s.segments[INSN_SS].limit = 0x1000;
    assert_int_equal(insn_task_push(&task, 0, &s, &env, &fault), INSN_FAULT);
    assert_int_equal(fault.vector, VECTOR_SS);
}

static void test_16_bit(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    begin();
    for (unsigned i = 0; i < 16; i++)
        put16(NEW_16 + 0x0e + 2 * i, (uint16_t)(0x3300 + i));
    put16(NEW_16 + 0x22, DATA_0);
    put16(NEW_16 + 0x24, CODE_0);
    put16(NEW_16 + 0x26, DATA_0);
    put16(NEW_16 + 0x28, DATA_0);
    put16(NEW_16 + 0x2a, 0);
    put16(NEW_16 + 0x10, 0x0202);
    assert_int_equal(switch_task(INSN_TASK_CALL, TSS_16, &task), INSN_DONE);
    assert_int_equal(task.operand_bytes, 2);
    expect_old_saved(0x246);
    assert_int_equal(type_of(TSS_16), 3);
    assert_int_equal(get16(NEW_16), TSS_OLD);
    assert_int_equal(entered_cr3, UINT64_MAX);
    assert_int_equal(s.rip, 0x3300);
    assert_int_equal(s.rflags, 0x0202 | RFLAGS_NT);
    assert_int_equal(s.gpr[INSN_RAX], 0x3302);
    assert_int_equal(s.gpr[INSN_RDI], 0x3309);
    assert_int_equal(hidden[INSN_DS].access_rights, 0xc093);
    assert_int_equal(selectors[INSN_FS], 0);
    assert_int_equal(hidden[INSN_FS].access_rights, UNUSABLE);
    assert_int_equal(hidden[INSN_LDTR].access_rights, UNUSABLE);

    s.gpr[INSN_RSP] = 0x7000;
    assert_int_equal(insn_task_push(&task, 0x1234, &s, &env, &fault), INSN_DONE);
    assert_int_equal(s.gpr[INSN_RSP], 0x6ffe);

    /* And back: a 16-bit task is saved in 16 bits. */
    memset(ram + NEW_16 + 0x2a, 0xcc, 2);
    put_descriptor(TSS_NEW, NEW, 0x8b);
    assert_int_equal(switch_task(INSN_TASK_IRET, TSS_NEW, &task), INSN_DONE);
    assert_int_equal(get16(NEW_16 + 0x0e), 0x1007);
    assert_int_equal(get16(NEW_16 + 0x10), 0x0202);
    assert_int_equal(get16(NEW_16 + 0x12), 0x3302);
    assert_int_equal(get16(NEW_16 + 0x24), CODE_0);
    assert_int_equal(get16(NEW_16 + 0x2a), 0xcccc);
    assert_int_equal(type_of(TSS_16), 1);
}

/* Nothing of the new task is there yet: its state has not changed. */
static void expect_old_fault(enum insn_task_source source, uint16_t selector, uint8_t vector,
                             uint32_t error_code)
{
    struct insn_task_switch task = {0};
    struct insn_state before = s;

    assert_int_equal(switch_task(source, selector, &task), INSN_FAULT);
    assert_false(task.is_entered);
    assert_int_equal(fault.vector, vector);
    assert_int_equal(fault.error_code, error_code);
    assert_memory_equal(&s, &before, sizeof(s));
    assert_int_equal(selectors[INSN_TR], TSS_OLD);
    assert_int_equal(entered_count, 0);
}

static void test_faults_of_the_old_task(void **state)
{
    (void)state;
    begin();
    expect_old_fault(INSN_TASK_JMP, 0, VECTOR_GP, 0);
    expect_old_fault(INSN_TASK_JMP, TSS_NEW | 4, VECTOR_GP, TSS_NEW | 4);
    expect_old_fault(INSN_TASK_JMP, 0x68, VECTOR_GP, 0x68);
    expect_old_fault(INSN_TASK_IRET, 0x68, VECTOR_TS, 0x68);
    expect_old_fault(INSN_TASK_JMP, DATA_0, VECTOR_GP, DATA_0);
    expect_old_fault(INSN_TASK_JMP, LDT, VECTOR_GP, LDT);
    expect_old_fault(INSN_TASK_CALL, TSS_OLD, VECTOR_GP, TSS_OLD); /* busy */
    expect_old_fault(INSN_TASK_IRET, TSS_NEW, VECTOR_TS, TSS_NEW); /* not busy */
    put_descriptor(TSS_NEW, NEW, 0x09);
    expect_old_fault(INSN_TASK_CALL, TSS_NEW, VECTOR_NP, TSS_NEW);
    put_descriptor(TSS_NEW, NEW, 0x89);
    ram[GDT + TSS_NEW] = 0x66; /* limit */
    expect_old_fault(INSN_TASK_CALL, TSS_NEW, VECTOR_TS, TSS_NEW);
    put_descriptor(TSS_NEW, 0x1fff0, 0x89);
    expect_old_fault(INSN_TASK_CALL, TSS_NEW, VECTOR_PF, 0);
    begin();
    read_only = 0x2000; /* the old TSS cannot be written */
    expect_old_fault(INSN_TASK_CALL, TSS_NEW, VECTOR_PF, 3);
}

/* VM entry wants the two to be of one privilege level, and CS to be code. */
static void expect_consistent(void)
{
    unsigned type = hidden[INSN_CS].access_rights & 15;
    unsigned code_dpl = hidden[INSN_CS].access_rights >> 5 & 3;
    unsigned stack_dpl = hidden[INSN_SS].access_rights >> 5 & 3;

    assert_int_equal(hidden[INSN_CS].access_rights & 0x10098, 0x98);
    assert_true((type & 4) != 0 ? code_dpl <= stack_dpl : code_dpl == stack_dpl);
}

static void expect_new_fault(uint32_t field, uint32_t value, uint8_t vector, uint32_t error_code)
{
    struct insn_task_switch task = {0};

    for (unsigned external = 0; external < 2; external++) {
        begin();
        task.is_external = external != 0;
        put32(NEW + field, value);
        assert_int_equal(switch_task(INSN_TASK_EVENT, TSS_NEW, &task), INSN_FAULT);
        assert_true(task.is_entered);
        assert_int_equal(fault.vector, vector);
        assert_true(fault.has_error_code);
        assert_int_equal(fault.error_code, error_code | external);
        assert_int_equal(s.rip, field == EIP ? value : 0x4321);
        assert_int_equal(selectors[INSN_TR], TSS_NEW);
        assert_int_equal(type_of(TSS_NEW), 11);
        assert_int_equal(selectors[INSN_CS], field == CS ? (uint16_t)value : CODE_0);
        assert_int_equal(selectors[INSN_SS], field == SS ? (uint16_t)value : DATA_0);
        assert_int_equal(selectors[INSN_GS], field == GS ? (uint16_t)value : DATA_0);
        expect_consistent();
    }
}

static void test_faults_of_the_new_task(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    expect_new_fault(LDTR, DATA_0, VECTOR_TS, DATA_0);
    expect_new_fault(LDTR, LDT | 4, VECTOR_TS, LDT | 4);
    expect_new_fault(LDTR, 0x68, VECTOR_TS, 0x68);
    expect_new_fault(CS, 0, VECTOR_TS, 0);
    expect_new_fault(CS, 3, VECTOR_TS, 0);
    expect_new_fault(CS, DATA_0, VECTOR_TS, DATA_0);
    expect_new_fault(CS, CODE_0 | 3, VECTOR_TS, CODE_0);
    expect_new_fault(CS, CODE_3, VECTOR_TS, CODE_3);
    expect_new_fault(CS, CODE_ABSENT, VECTOR_NP, CODE_ABSENT);
    expect_new_fault(CS, CODE_3 | 3, VECTOR_TS, DATA_0); /* SS is not for CPL 3 */
    expect_new_fault(CS, CODE_CONFORMING | 3, VECTOR_TS, DATA_0);
    expect_new_fault(SS, 0, VECTOR_TS, 0);
    expect_new_fault(SS, CODE_0, VECTOR_TS, CODE_0);
    expect_new_fault(SS, DATA_3, VECTOR_TS, DATA_3);
    expect_new_fault(SS, DATA_0 | 1, VECTOR_TS, DATA_0);
    expect_new_fault(SS, DATA_ABSENT, VECTOR_SS, DATA_ABSENT);
    expect_new_fault(DS, DATA_ABSENT, VECTOR_NP, DATA_ABSENT);
    expect_new_fault(DS, DATA_0 | 3, VECTOR_TS, DATA_0);
    expect_new_fault(GS, CODE_UNREADABLE, VECTOR_TS, CODE_UNREADABLE);
    expect_new_fault(GS, TSS_OLD, VECTOR_TS, TSS_OLD);
    begin();
    pdptes_are_bad = true;
    assert_int_equal(switch_task(INSN_TASK_JMP, TSS_NEW, &task), INSN_FAULT);
    assert_true(task.is_entered);
    assert_int_equal(fault.vector, VECTOR_GP);
    begin();
    ram[GDT + CODE_0 + 6] = 0x40; /* a limit in bytes: 0xffff */
    put32(NEW + EIP, 0x10000);
    assert_int_equal(switch_task(INSN_TASK_JMP, TSS_NEW, &task), INSN_FAULT);
    assert_int_equal(fault.vector, VECTOR_GP);
    assert_int_equal(fault.error_code, 0);
}

static void test_privilege(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    begin();
    put32(NEW + CS, CODE_3 | 3);
    for (uint32_t field = ES; field <= GS; field += 4) {
        if (field != CS)
            put32(NEW + field, field == FS ? 3 : DATA_3 | 3);
    }
    assert_int_equal(switch_task(INSN_TASK_CALL, TSS_NEW, &task), INSN_DONE);
    assert_int_equal(hidden[INSN_CS].access_rights, 0xc0fb);
    assert_int_equal(hidden[INSN_SS].access_rights, 0xc0f3);
    assert_int_equal(hidden[INSN_FS].access_rights, UNUSABLE);
    begin();
    put32(NEW + CS, CODE_CONFORMING | 3);
    put32(NEW + SS, DATA_3 | 3);
    put32(NEW + DS, CODE_CONFORMING);
    for (uint32_t field = FS; field <= GS; field += 4)
        put32(NEW + field, 0);
    put32(NEW + ES, DATA_3);
    assert_int_equal(switch_task(INSN_TASK_CALL, TSS_NEW, &task), INSN_DONE);
    expect_consistent();
}

static void test_virtual_8086(void **state)
{
    struct insn_task_switch task = {0};

    (void)state;
    begin();
    put32(NEW + EFLAGS, 0x20002);
    put32(NEW + CS, 0x4200);
    put32(NEW + SS, 0x1234);
    assert_int_equal(switch_task(INSN_TASK_JMP, TSS_NEW, &task), INSN_DONE);
    assert_int_equal(s.rflags, 0x20002);
    assert_int_equal(selectors[INSN_CS], 0x4200);
    assert_int_equal(hidden[INSN_CS].base, 0x42000);
    assert_int_equal(hidden[INSN_SS].base, 0x12340);
    for (unsigned i = 0; i < INSN_SEGMENT_COUNT; i++) {
        assert_int_equal(hidden[i].limit, 0xffff);
        assert_int_equal(hidden[i].access_rights, 0xf3);
        s.segments[i] = hidden[i];
    }
    /* Out of it again, into a task without a good segment. */
    put32(OLD + EFLAGS, 2);
    put32(OLD + CS, 0);
    put32(OLD + LDTR, 0);
    assert_int_equal(switch_task(INSN_TASK_CALL, TSS_OLD, &task), INSN_FAULT);
    assert_int_equal(fault.vector, VECTOR_TS);
    expect_consistent();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jump),
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_16_bit),
        cmocka_unit_test(test_faults_of_the_old_task),
        cmocka_unit_test(test_faults_of_the_new_task),
        cmocka_unit_test(test_privilege),
        cmocka_unit_test(test_virtual_8086),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
