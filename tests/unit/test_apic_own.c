// SPDX-License-Identifier: BSD-2-Clause
/* Interrupts that an APIC's owner sends itself, past the inbox; and that what is worked out step by
 * step, there and when an interrupt is taken, is what the registers say. */
#include "tests/unit/local_apic_fixture.h"
#include "tests/unit/random.h"

#include "vmm/devices/apic/local_apic_state.h"

static struct apic_fixture fixture;
static struct local_apic *own; /* whose owner runs here */
static unsigned own_kicks;

static bool is_own(struct local_apic *apic)
{
    own_kicks += apic == own;
    return apic == own;
}

static int set_up(void **state)
{
    *state = fixture_new(&fixture);
    enable_all(&fixture);
    for (unsigned index = 0; index < APIC_COUNT; index++)
        (void)accept_all(&fixture, index); /* what the reset has left to look at */
    fixture.bus.wires.is_own = is_own;
    own = &fixture.apic[1];
    own_kicks = 0;
    return 0;
}

static void send(struct apic_fixture *f, uint32_t destination, uint8_t vector)
{
    assert_true(apic_bus_send(
        &f->bus, &(struct apic_message){.destination = destination, .vector = vector}, NULL));
}

static void test_past_the_inbox(void **state)
{
    struct apic_fixture *f = *state;

    send(f, 1, 0x40);
    assert_int_equal(local_apic_pending_vector(own), 0x40);
    assert_true(local_apic_needs_attention(own));
    assert_int_equal(own->attention, 0);
    assert_int_equal(own_kicks, 1);
    assert_int_equal(f->kicks[1], 0);
    assert_true(local_apic_accept_requests(own));
    assert_false(local_apic_needs_attention(own));
    assert_int_equal(local_apic_acknowledge(own), 0x40);

    send(f, 2, 0x40);
    assert_int_equal(local_apic_pending_vector(&f->apic[2]), LOCAL_APIC_NO_VECTOR);
    assert_int_equal(f->kicks[2], 1);
    send(f, 0xff, 0x51); /* to everybody, own or not */
    assert_int_equal(local_apic_pending_vector(own), 0x51);
    assert_int_equal(own_kicks, 2);
    assert_int_equal(f->kicks[0], 1);
    assert_int_equal(f->kicks[3], 1);
}

static void test_an_ipi_to_itself(void **state)
{
    struct apic_fixture *f = *state;

    assert_true(local_apic_send(&f->apic[3], (uint32_t)APIC_SELF << 18 | 0x4060));
    assert_int_equal(local_apic_pending_vector(&f->apic[3]), 0x60);
    assert_int_equal(f->kicks[3], 0);
    reg_write(f, 3, 0x310, 3u << 24);
    assert_true(local_apic_send(&f->apic[3], 0x4061));
    assert_int_equal(local_apic_pending_vector(&f->apic[3]), 0x61);
    assert_int_equal(reg_read(f, 3, 0x300), 0x4061);
    assert_true(local_apic_send(&f->apic[3], 0x40ff0005)); /* what is reserved is dropped */
    assert_int_equal(reg_read(f, 3, 0x300), 0xc0005 & 0xff0005);
    enter_x2apic(f, 3);
    assert_false(local_apic_send(&f->apic[3], 0x4061));
}

static void test_triggers_and_errors(void **state)
{
    struct apic_fixture *f = *state;
    struct apic_message level = {.destination = 1, .vector = 0x45, .is_level = true};

    assert_true(apic_bus_send(&f->bus, &level, NULL));
    assert_int_equal(reg_read(f, 1, 0x1a0), 1 << 5);
    send(f, 1, 0x45);
    assert_int_equal(reg_read(f, 1, 0x1a0), 0);
    send(f, 1, 0x0f);
    reg_write(f, 1, 0x280, 0);
    assert_int_equal(reg_read(f, 1, 0x280), ESR_RECEIVE_ILLEGAL_VECTOR);
}

static void test_only_receiver(void **state)
{
    struct apic_fixture *f = *state;
    static const struct apic_message many[] = {
        {.destination = 1, .is_logical = true, .vector = 0x40},
        {.destination = 1, .delivery = APIC_LOWEST_PRIORITY, .vector = 0x40},
        {.destination = 1, .delivery = APIC_NMI},
        {.destination = 1, .vector = 0x40, .is_level = true},
        {.destination = 0xff, .vector = 0x40},
        {.destination = 4, .vector = 0x40}, /* nobody's */
        {.destination = 254, .vector = 0x40},
    };

    for (unsigned i = 0; i < sizeof(many) / sizeof(many[0]); i++)
        assert_null(apic_bus_only_receiver(&f->bus, &many[i]));
    for (uint32_t id = 0; id < APIC_COUNT; id++)
        assert_ptr_equal(apic_bus_only_receiver(
                             &f->bus, &(struct apic_message){.destination = id, .vector = 0x40}),
                         &f->apic[id]);
    apic_bus_request(own, 0x41);
    assert_int_equal(local_apic_pending_vector(own), 0x41);
    apic_bus_request(&f->apic[0], 0x42);
    assert_int_equal(f->kicks[0], 1);
    assert_int_equal(who_gets(f, 0x42), 1);

    assert_true(local_apic_takes_requests(own));
    reg_write(f, 1, 0xf0, 0xff);
    assert_false(local_apic_takes_requests(own));
    enter_x2apic(f, 2);
    assert_true(local_apic_takes_requests(&f->apic[2]));
    assert_true(local_apic_write_base(&f->apic[2], LOCAL_APIC_DEFAULT_BASE));
    assert_false(local_apic_takes_requests(&f->apic[2]));
}

/* Whatever is not a request for a fixed interrupt is left for local_apic_accept. */
static void test_accept_requests(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];

    send(f, 0, 0x40);
    assert_true(apic_bus_send(&f->bus, &(struct apic_message){.delivery = APIC_NMI}, NULL));
    assert_false(local_apic_accept_requests(apic));
    assert_int_equal(local_apic_pending_vector(apic), LOCAL_APIC_NO_VECTOR);
    assert_true(local_apic_needs_attention(apic));
    assert_true(accept_all(f, 0).nmi);
    assert_int_equal(local_apic_acknowledge(apic), 0x40);

    reg_write(f, 0, 0x350, 0x8050); /* LINT0: fixed, level */
    assert_false(local_apic_accept_requests(apic));
    (void)accept_all(f, 0);
    assert_true(local_apic_accept_requests(apic));
    apic_bus_set_lint(&f->bus, 0, true);
    assert_false(local_apic_accept_requests(apic));
    assert_int_equal(pending(f, 0), 0x50);
    assert_int_equal(local_apic_acknowledge(apic), 0x50);
    assert_true(local_apic_eoi(apic, LOCAL_APIC_XAPIC)); /* it is still asserted */
    assert_false(local_apic_accept_requests(apic));
    assert_int_equal(pending(f, 0), 0x50);
}

/* --- Step by step, and from the registers -------------------------------------------------------
 */

#define STEPS 200000

static void assert_is_as_registers_say(const struct local_apic *apic)
{
    static struct local_apic again;

    again = *apic;
    local_apic_update(&again);
    assert_int_equal(again.pending, apic->pending);
    assert_int_equal(again.in_service, apic->in_service);
    assert_int_equal(APIC_REGISTER(&again, REGISTER_PPR), APIC_REGISTER(apic, REGISTER_PPR));
    /* Nothing pends that nobody will look at. */
    assert_true(apic->pending == LOCAL_APIC_NO_VECTOR || local_apic_needs_attention(apic));
}

static void test_random(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = own;
    unsigned taken = 0;

    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t random = (uint32_t)random_u64();
        uint8_t vector = (uint8_t)(random >> 4);

        own = (random & 0x1000) != 0 ? apic : NULL;
        switch (random & 7) {
        case 0:
        case 1:
        case 2: send(f, 1, vector < 16 ? (uint8_t)(vector + 16) : vector); break;
        case 3: reg_write(f, 1, LOCAL_APIC_TPR_OFFSET, vector & 0x7f); break;
        case 4: assert_true(local_apic_eoi(apic, LOCAL_APIC_XAPIC)); break;
        default:
            assert_true(local_apic_accept_requests(apic));
            if (apic->pending != LOCAL_APIC_NO_VECTOR) {
                int expected = apic->pending;

                assert_int_equal(local_apic_acknowledge(apic), expected);
                assert_int_equal(apic->pending, LOCAL_APIC_NO_VECTOR);
                taken++;
            }
        }
        assert_is_as_registers_say(apic);
    }
    assert_true(taken > STEPS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_past_the_inbox, set_up),
        cmocka_unit_test_setup(test_an_ipi_to_itself, set_up),
        cmocka_unit_test_setup(test_triggers_and_errors, set_up),
        cmocka_unit_test_setup(test_only_receiver, set_up),
        cmocka_unit_test_setup(test_accept_requests, set_up),
        cmocka_unit_test_setup(test_random, set_up),
    };
    return cmocka_run_group_tests_name("apic_own", tests, NULL, NULL);
}
