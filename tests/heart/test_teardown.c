// SPDX-License-Identifier: BSD-2-Clause
/* Guests that end, or cannot be created, with all kinds of attachments in use: nothing that a guest
 * has registered is reached after its release. AddressSanitizer sees each use of released memory, and
 * the count of blocks what is left. */
#include "tests/heart/heart.h"

#include "vmm/host/cpus.h"
#include "vmm/vcpu/apic.h"

#include <string.h>

#define PROCESSORS 2
#define SPECS_MAX  8

#define DEBUG_EXIT 0xf4
#define COM1       0x3f8
#define PIC_MASK   0x21
#define PIT        0x40
#define KEYBOARD   0x64
#define RESET      0xfe
#define APIC       UINT32_C(0xfee00000)
#define APIC_TPR   0x80
#define APIC_SVR   0xf0
#define APIC_ICR   0x300

/* Lines of a configuration: what they attach. */
struct attached {
    enum attachment_kind kind;
    const char *text;
};

static const struct attached all_kinds[] = {
    {ATTACHMENT_DOORBELL, "bells port 0x7000 count 300 trigger level drain ring"},
    {ATTACHMENT_DOORBELL, "traced port 0x7800 line 5 trace"},
    {ATTACHMENT_DOORBELL, "mine mmio 0xd0000000 message 0xfee00000 0x51"},
    {ATTACHMENT_TRIGGER, "level line 10 level"},
    {ATTACHMENT_TRIGGER, "message message 0xfee01000 0x61"},
    {ATTACHMENT_ZONE, "ring port 0x6000 0x10 ring 1024"},
    {ATTACHMENT_ZONE, "pit port 0x40 4 ring 64 delay 1000000"},
    {ATTACHMENT_ZONE, "com1 port 0x3f8 8 ring 64 delay 1000000"},
};

/* Returns a guest's configuration with these attachments. */
static struct guest_config *with_attachments(const char *name, uint32_t cpu_count,
                                             const struct attached *lines, size_t count)
{
    static struct attachment_spec specs[4][SPECS_MAX];
    static unsigned used;
    struct attachment_spec *mine = specs[used++];
    struct guest_config *config = heart_guest(name, cpu_count);
    char message[ATTACHMENT_MESSAGE_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (attachment_spec_parse_line(lines[i].kind, lines[i].text, strlen(lines[i].text),
                                       &mine[i], message, sizeof(message)) != STATUS_OK)
            fail_msg("'%s': %s", lines[i].text, message);
    }
    config->attachments = mine;
    config->attachment_count = count;
    return config;
}

static struct guest_config *with_all_kinds(void)
{
    static struct guest_config *config;

    if (config == NULL) {
        config = with_attachments("all", PROCESSORS, all_kinds, ARRAY_COUNT(all_kinds));
        config->has_testdev = true;
    }
    return config;
}

/* Uses all of them, so that each has something to do when the guest has ended. */
static void use_all(struct fake_guest *guest)
{
    exec_enter_protected_mode(guest);
    exec_out(guest, PIT + 3, 1, 0x34);
    exec_out(guest, PIT, 1, 0x10);
    exec_out(guest, PIT, 1, 0x10);
    for (const char *at = "written late\n"; *at != '\0'; at++)
        exec_out(guest, COM1, 1, (uint8_t)*at);
    for (unsigned i = 0; i < 40; i++)
        exec_out(guest, 0x6000, 1, i);
    exec_out(guest, 0x7000 + 299, 1, 0);
    exec_out(guest, 0x7800, 1, 0);
    exec_store(guest, 0xd0000000, 4, 0);
    exec_out(guest, DEBUG_EXIT, 1, 3);
    fail(); /* the guest has ended */
}

static struct guest *run(const struct guest_config *config, void (*code)(struct fake_guest *guest),
                         void *context)
{
    struct guest *guest = heart_create(config);

    heart_start(guest);
    fake_set_guest(0, code, context);
    guest_run(guest);
    return guest;
}

/* A creation that fails at any allocation leaves nothing behind; the last one succeeds. */
static void test_each_allocation_of_a_creation(void **state)
{
    const struct guest_config *config = with_all_kinds();
    uint64_t blocks = fake_heap_blocks(), failures = 0;
    enum status status;

    (void)state;
    do {
        struct guest *guest = heap_allocate(&heart_heap, sizeof(*guest), _Alignof(struct guest));

        fake_heap_fail_at(failures);
        status = guest_create(guest, config, &heart_environment);
        fake_heap_fail_at(UINT64_MAX);
        if (status == STATUS_OK)
            guest_destroy(guest, &heart_environment);
        else
            failures++;
        heap_release(&heart_heap, guest);
        assert_int_equal(fake_heap_blocks(), blocks);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    } while (status != STATUS_OK);
    assert_true(failures > 50);
}

/* Nor does one whose attachments are refused, after others were attached. */
static void test_refused_attachments(void **state)
{
    static const struct attached lines[] = {
        {ATTACHMENT_ZONE, "pit port 0x40 4 ring 64 delay 1000000"},
        {ATTACHMENT_DOORBELL, "bells port 0x7000 count 300 line 5"},
        {ATTACHMENT_ZONE, "apic mmio 0xfee00080 4"},
    };
    const struct guest_config *config =
        with_attachments("refused", PROCESSORS, lines, ARRAY_COUNT(lines));
    struct guest *guest = heap_allocate(&heart_heap, sizeof(*guest), _Alignof(struct guest));
    uint64_t blocks = fake_heap_blocks();

    (void)state;
    fake_serial_forget();
    assert_int_equal(guest_create(guest, config, &heart_environment), STATUS_CONFLICT);
    console_flush();
    assert_non_null(strstr(fake_serial_output(),
                           "guest refused: zone apic: each processor has its own local apic at "
                           "0xfee00000-0xfee00fff, so its writes cannot be queued"));
    assert_int_equal(fake_heap_blocks(), blocks);
    heap_release(&heart_heap, guest);
}

static void test_end_with_queued_writes(void **state)
{
    uint64_t blocks = fake_heap_blocks();
    struct guest *guest;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        guest = run(with_all_kinds(), use_all, NULL);
        assert_int_equal(guest->end.exit_code, 7);
        console_connect(&guest->console);
        fake_serial_forget();
        heart_destroy(guest);
        console_flush();
        assert_non_null(strstr(fake_serial_output(), "written late"));
        assert_int_equal(fake_heap_blocks(), blocks);
        /* The console has forgotten it. */
        fake_serial_type("x");
        console_wait();
    }
}

/* At the prompt, after the guest's end: what is removed hands over its writes, and is gone. */
static void test_removal_after_the_end(void **state)
{
    static const char *const names[] = {"pit",   "com1",   "bells",  "ring",
                                        "level", "traced", "message"};
    uint64_t blocks = fake_heap_blocks();
    struct guest *guest = run(with_all_kinds(), use_all, NULL);
    char message[ATTACHMENT_MESSAGE_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (attachments_detach(&guest->attachments, names[i], message, sizeof(message)) !=
            STATUS_OK)
            fail_msg("%s: %s", names[i], message);
        guest_collect_garbage(guest);
    }
    assert_int_equal(guest->attachments.object_count, 1); /* the doorbell 'mine' */
    heart_destroy(guest);
    assert_int_equal(fake_heap_blocks(), blocks);
}

/* A reset drops what is queued: it does not reach the chips after their reset. */
struct resets {
    unsigned begin_count;
    uint32_t masks;
};

static void queue_and_reset(struct fake_guest *guest)
{
    struct resets *resets = guest->context;

    if (resets->begin_count++ == 0) {
        exec_out(guest, PIC_MASK, 1, 0x5a);
        exec_out(guest, KEYBOARD, 1, RESET);
        fail(); /* the guest begins anew */
    }
    resets->masks = exec_in(guest, PIC_MASK, 1); /* the zone hands over what it has before */
    exec_out(guest, DEBUG_EXIT, 1, 3);
}

static void test_reset_with_queued_writes(void **state)
{
    static const struct attached lines[] = {
        {ATTACHMENT_ZONE, "pic port 0x20 2 ring 64 delay 1000000"},
    };
    const struct guest_config *config = with_attachments("resets", 1, lines, ARRAY_COUNT(lines));
    uint64_t blocks = fake_heap_blocks();
    struct resets resets = {0};
    struct guest *guest = run(config, queue_and_reset, &resets);

    (void)state;
    assert_int_equal(guest->end.kind, GUEST_WANTS_RESET);
    heart_start(guest);
    guest_run(guest);
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(resets.begin_count, 2);
    assert_int_not_equal(resets.masks, 0x5a);
    heart_destroy(guest);
    assert_int_equal(fake_heap_blocks(), blocks);
}

/* What is raised at the prompt when the guest has ended is lost with it: the next start takes back
 * interrupts and notes. Its vCPU belongs to the processor that raises, as the prompt's does. */

struct wake {
    unsigned begin_count, events;
};

static void count_event(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    struct wake *wake = guest->context;

    (void)info;
    (void)error;
    wake->events++;
}

static void look_for_interrupts(struct fake_guest *guest)
{
    struct wake *wake = guest->context;

    guest->handler = count_event;
    wake->begin_count++;
    exec_enter_protected_mode(guest);
    exec_store(guest, APIC + APIC_SVR, 4, 0x1ff);
    exec_sti(guest);
    exec_run(guest, 100000);
    exec_store(guest, APIC + APIC_ICR, 4, 0x44062); /* to itself: only this one comes */
    exec_run(guest, 100000);
    exec_out(guest, DEBUG_EXIT, 1, 3);
}

static void test_raise_after_the_end(void **state)
{
    static const struct attached attached[] = {
        {ATTACHMENT_TRIGGER, "self message 0xfee00000 0x61"},
        {ATTACHMENT_TRIGGER, "nmi message 0xfee00000 0x400"},
        {ATTACHMENT_TRIGGER, "line line 5"},
    };
    const struct guest_config *config =
        with_attachments("raised", 1, attached, ARRAY_COUNT(attached));
    uint64_t blocks = fake_heap_blocks();
    struct wake wake = {0};
    struct guest *guest = run(config, look_for_interrupts, &wake);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(attached); i++) {
        static const char *const names[] = {"self", "nmi", "line"};

        assert_int_equal(attachments_raise(&guest->attachments, names[i], 100, NULL, 0), STATUS_OK);
    }
    heart_start(guest);
    guest_run(guest);
    assert_int_equal(wake.begin_count, 2);
    assert_int_equal(wake.events, 2);
    heart_destroy(guest);
    assert_int_equal(fake_heap_blocks(), blocks);
}

/* Who asks: an access that is nobody's reaches no local APIC, on whichever processor it is made. */

static void write_tpr(struct fake_guest *guest)
{
    uint32_t *tpr = guest->context;

    exec_enter_protected_mode(guest);
    exec_store(guest, APIC + APIC_TPR, 4, 0x30);
    *tpr = exec_load(guest, APIC + APIC_TPR, 4);
    exec_out(guest, DEBUG_EXIT, 1, 3);
}

static void test_nobodys_access(void **state)
{
    const struct guest_config *config = heart_guest("asks", 1);
    uint32_t tpr = 0;
    struct guest *guest = run(config, write_tpr, &tpr);
    struct io_access access = {
        .address = APIC + APIC_TPR, .value = 0x50, .size = 4, .is_write = true};

    (void)state;
    assert_int_equal(tpr, 0x30);
    assert_int_equal(vcpu_on_local_apic(guest, &access), IO_DECLINED);
    access.is_write = false;
    assert_int_equal(vcpu_on_local_apic(guest, &access), IO_DECLINED);
    access.initiator = &guest->vcpus[0];
    assert_int_equal(vcpu_on_local_apic(guest, &access), IO_HANDLED);
    assert_int_equal(access.value, 0x30);
    heart_destroy(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_of_a_creation),
        cmocka_unit_test(test_refused_attachments),
        cmocka_unit_test(test_end_with_queued_writes),
        cmocka_unit_test(test_removal_after_the_end),
        cmocka_unit_test(test_reset_with_queued_writes),
        cmocka_unit_test(test_raise_after_the_end),
        cmocka_unit_test(test_nobodys_access),
    };
    int failed;

    heart_begin(PROCESSORS);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    heart_end();
    return failed;
}
