// SPDX-License-Identifier: BSD-2-Clause
/* A guest that moves its local APIC again and again: what it makes the monitor allocate comes from
 * its own heap, is freed without waiting for its other vCPU, and is refused when the heap is used
 * up. */
#include "tests/heart/apic.h"

#include <stdatomic.h>
#include <string.h>

#define APIC_BASE  0x1b
#define HERE       UINT64_C(0xfee00900)
#define THERE      UINT64_C(0xd0000900)
#define THERE_PAGE UINT32_C(0xd0000000)
#define START_PAGE 0x10
#define MOVES      2000
#define REFUSED    "does not answer there: the guest's heap is used up"

static _Atomic bool is_up, is_over;

/* The other vCPU makes no exit of its own accord. */
static void stay(struct fake_guest *guest)
{
    atomic_store(&is_up, true);
    while (!atomic_load(&is_over))
        exec_run(guest, 1000);
    for (;;)
        (void)exec_hlt(guest);
}

static void start_other(struct fake_guest *guest)
{
    exec_enter_protected_mode(guest);
    apic_send(guest, 1, ICR_INIT);
    apic_send(guest, 1, ICR_STARTUP | START_PAGE);
    while (!atomic_load(&is_up))
        exec_run(guest, 10000);
}

/* Runs on until the other vCPU, which has to be kicked for that, has shown that it uses no replaced
 * table. */
static void await_collection(struct fake_guest *guest, struct guest *self)
{
    for (unsigned i = 0; iobus_waiting(&self->mmio) >= GUEST_GARBAGE_TABLES; i++) {
        assert_true(i < 1000000);
        exec_run(guest, 1000);
    }
}

static void move_often(struct fake_guest *guest)
{
    struct guest *self = guest->context;
    uint64_t before, most = 0;

    start_other(guest);
    before = heap_measure(&self->heap).used_bytes;
    for (unsigned i = 0; i < MOVES; i++) {
        assert_true(exec_wrmsr(guest, APIC_BASE, THERE));
        assert_int_equal(exec_load(guest, THERE_PAGE + APIC_ID, 4), 0);
        assert_true(exec_wrmsr(guest, APIC_BASE, HERE));
        assert_int_equal(apic_read(guest, APIC_ID), 0);
        if (heap_measure(&self->heap).used_bytes > most)
            most = heap_measure(&self->heap).used_bytes;
        await_collection(guest, self);
    }
    assert_true(most - before < 1 * MIB);
    atomic_store(&is_over, true);
    end_guest(guest, 0);
}

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;

    while ((text = strstr(text, part)) != NULL) {
        found++;
        text++;
    }
    return found;
}

/* Takes what the heap has left, in blocks that are linked. */
static void *use_up(struct heap *heap)
{
    void **last = NULL, **block;

    for (size_t size = 64 * KIB; size >= 64; size /= 2) {
        while ((block = heap_allocate(heap, size, 64)) != NULL) {
            *block = last;
            last = block;
        }
    }
    return last;
}

static void give_back(struct heap *heap, void *blocks)
{
    while (blocks != NULL) {
        void *next = *(void **)blocks;

        heap_release(heap, blocks);
        blocks = next;
    }
}

static void move_without_memory(struct fake_guest *guest)
{
    struct guest *self = guest->context;
    void *blocks;

    exec_enter_protected_mode(guest);
    blocks = use_up(&self->heap);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(exec_wrmsr(guest, APIC_BASE, THERE));
        assert_int_equal(exec_load(guest, THERE_PAGE + APIC_ID, 4), UINT32_MAX);
        assert_true(exec_wrmsr(guest, APIC_BASE, HERE));
        assert_int_equal(apic_read(guest, APIC_ID), 0);
    }
    give_back(&self->heap, blocks);
    assert_true(exec_wrmsr(guest, APIC_BASE, THERE));
    assert_int_equal(exec_load(guest, THERE_PAGE + APIC_ID, 4), 0);
    end_guest(guest, 0);
}

static struct guest *run(uint32_t cpu_count, void (*first)(struct fake_guest *guest))
{
    struct guest *guest = heart_create(heart_guest("mover", cpu_count));

    heart_start(guest);
    fake_set_guest(0, first, guest);
    for (uint32_t i = 1; i < cpu_count; i++)
        fake_set_guest(i, stay, guest);
    fake_serial_forget();
    guest_run(guest);
    assert_string_equal(guest->end.reason, "wrote to the debug exit port");
    assert_int_equal(guest->end.exit_code, 1);
    return guest;
}

static void test_tables_are_freed(void **state)
{
    uint64_t blocks = fake_heap_blocks();
    struct guest *guest = run(2, move_often);

    (void)state;
    assert_int_equal(count(fake_serial_output(), "does not answer there"), 0);
    heart_destroy(guest);
    assert_int_equal(fake_heap_blocks(), blocks);
}

static void test_refused_moves(void **state)
{
    struct guest *guest = run(1, move_without_memory);

    (void)state;
    assert_int_equal(count(fake_serial_output(), REFUSED), 1);
    assert_int_equal(guest->apic_refusals, 100);
    heart_destroy(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_freed),
        cmocka_unit_test(test_refused_moves),
    };
    int failed;

    heart_begin(2);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    heart_end();
    return failed;
}
