/*
 * The account of an address: instances that its connections have created, also
 * after these connections have closed, and half-open connections that make room
 * for those of others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "server/admission.h"

static const struct zkt_hash_key key = { 1, 2 };

static const struct zkt_limits few = { .instances = 33, .half_open = 2 };
static const struct zkt_limits many = { .instances = 33, .half_open = 100 };

static void begin(struct zkt_admission *admission, struct failing_alloc *alloc,
                  const struct zkt_limits *limits)
{
    *admission = (struct zkt_admission){ 0 };
    failing_alloc_init(alloc, 0);
    assert_true(
        zkt__admission_init(admission, &alloc->allocator, limits, &key));
}

static void end(struct zkt_admission *admission,
                const struct failing_alloc *alloc)
{
    zkt__admission_finish(admission);
    assert_int_equal(alloc->live, 0);
}

static void enter(struct zkt_admission *admission,
                  const struct zkt_limits *limits, bool is_full)
{
    struct zkt_limit_counts reached = { 0 };
    bool full = false;
    assert_true(zkt__admission_add(admission, limits, 0, &reached, &full) > 0);
    assert_int_equal(full, is_full);
}

/* Admits a connection and completes its handshake. */
static struct zkt_address *come(struct zkt_admission *admission,
                                const char *text, int64_t count)
{
    struct zkt_handshake handshake = { 0 };
    struct zkt_address *address = NULL;
    enter(admission, &few, false);
    assert_int_equal(
        zkt__admission_count_address(admission, text, &handshake, 0, &address),
        count);
    zkt__admission_end_handshake(admission, &handshake, address);
    return address;
}

static void test_a_share_of_the_instances(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    (void)state;
    begin(&admission, &alloc, &few);
    struct zkt_address *a = come(&admission, "10.0.0.1", 1);
    struct zkt_address *b = come(&admission, "10.0.0.2", 1);
    for (int i = 0; i < 3; i++) { /* a sixteenth of 33, rounded up */
        assert_true(zkt__admission_charge_instance(&admission, a));
    }
    assert_false(zkt__admission_charge_instance(&admission, a));
    assert_true(zkt__admission_charge_instance(&admission, b));
    zkt__admission_refund_instance(&admission, a);
    assert_true(zkt__admission_charge_instance(&admission, a));
    assert_false(zkt__admission_charge_instance(&admission, a));
    zkt__admission_remove(&admission, a, false);
    zkt__admission_remove(&admission, b, false);
    zkt__admission_refund_instance(&admission, b);
    for (int i = 0; i < 3; i++) {
        zkt__admission_refund_instance(&admission, a);
    }
    end(&admission, &alloc);
}

static void test_a_number_per_address(void **state)
{
    const struct zkt_limits two = { .instances = 100,
                                    .instances_per_address = 2 };
    struct failing_alloc alloc;
    struct zkt_admission admission;
    (void)state;
    begin(&admission, &alloc, &two);
    struct zkt_address *a = come(&admission, "10.0.0.1", 1);
    assert_true(zkt__admission_charge_instance(&admission, a));
    assert_true(zkt__admission_charge_instance(&admission, a));
    assert_false(zkt__admission_charge_instance(&admission, a));
    zkt__admission_refund_instance(&admission, a);
    zkt__admission_refund_instance(&admission, a);
    zkt__admission_remove(&admission, a, false);
    end(&admission, &alloc);
}

/* Reconnecting does not reset the account. */
static void test_a_record_outlives_connections(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    (void)state;
    begin(&admission, &alloc, &few);
    struct zkt_address *a = come(&admission, "2001:db8::1", 1);
    for (int i = 0; i < 3; i++) {
        assert_true(zkt__admission_charge_instance(&admission, a));
    }
    zkt__admission_remove(&admission, a, false);
    /* Another address of the same network. */
    struct zkt_address *again = come(&admission, "2001:db8::ffff:2", 1);
    assert_ptr_equal(again, a);
    assert_false(zkt__admission_charge_instance(&admission, again));
    struct zkt_address *other = come(&admission, "2001:db8:0:1::1", 1);
    assert_true(zkt__admission_charge_instance(&admission, other));
    zkt__admission_remove(&admission, other, false);
    zkt__admission_refund_instance(&admission, other);
    for (int i = 0; i < 3; i++) {
        zkt__admission_refund_instance(&admission, a);
    }
    zkt__admission_remove(&admission, a, false);
    end(&admission, &alloc);
}

/* A closed connection with messages under way may create instances until it is
 * forgotten, but no longer counts as a connection. */
static void test_a_record_outlives_messages(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    (void)state;
    begin(&admission, &alloc, &few);
    struct zkt_address *a = come(&admission, "10.0.0.1", 1);
    zkt__admission_remove(&admission, a, true);
    assert_int_equal(zkt__admission_count(&admission), 0);
    assert_true(zkt__admission_charge_instance(&admission, a));
    zkt__admission_refund_instance(&admission, a);
    assert_ptr_equal(come(&admission, "10.0.0.1", 1), a);
    zkt__admission_remove(&admission, a, false);
    assert_true(zkt__admission_charge_instance(&admission, a));
    zkt__admission_refund_instance(&admission, a);
    zkt__admission_release(&admission, a);
    assert_int_equal(admission.slots.live, 0);
    end(&admission, &alloc);
}

/* Connections without an address belong to the program or come from a Unix
 * socket; neither they nor their instances are limited. */
static void test_no_address(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    (void)state;
    begin(&admission, &alloc, &few);
    struct zkt_address *a = come(&admission, "", 1);
    assert_ptr_equal(come(&admission, "", 1), a);
    for (int i = 0; i < 100; i++) {
        assert_true(zkt__admission_charge_instance(&admission, a));
        assert_true(zkt__admission_charge_instance(&admission, NULL));
    }
    for (int i = 0; i < 100; i++) {
        zkt__admission_refund_instance(&admission, a);
    }
    zkt__admission_refund_instance(&admission, NULL);
    zkt__admission_remove(&admission, a, false);
    zkt__admission_remove(&admission, a, false);
    assert_int_equal(zkt__admission_count(&admission), 0);
    assert_int_equal(admission.slots.live, 0);
    end(&admission, &alloc);
}

/* Handshakes of connections without an address make room for each other: a
 * Unix socket stays open to a proxy with slow clients. */
static void test_no_address_makes_room(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    struct zkt_handshake handshakes[3] = { 0 };
    struct zkt_address *addresses[3] = { 0 };
    struct zkt_limit_counts reached = { 0 };
    uint32_t shard = 9;
    (void)state;
    begin(&admission, &alloc, &few);
    for (int i = 0; i < 3; i++) {
        assert_true(zkt__admission_is_open(&admission, &few, 0, &reached));
        enter(&admission, &few, i == 2);
        assert_int_equal(zkt__admission_count_address(
                             &admission, "", &handshakes[i], 0, &addresses[i]),
                         1);
    }
    assert_true(zkt__admission_evict(&admission, &few, &shard));
    assert_int_equal(shard, 0);
    assert_ptr_equal(zkt__admission_take_evicted(&admission, 0),
                     &handshakes[0]);
    for (int i = 0; i < 3; i++) {
        zkt__admission_end_handshake(&admission, &handshakes[i], addresses[i]);
        zkt__admission_remove(&admission, addresses[i], false);
    }
    assert_int_equal(admission.half_open, 0);
    end(&admission, &alloc);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (long i = 1; i <= 7; i++) {
        struct failing_alloc alloc;
        struct zkt_admission admission;
        struct zkt_handshake handshake = { 0 };
        struct zkt_address *address = NULL;
        begin(&admission, &alloc, &few);
        alloc.fail_at = i;
        enter(&admission, &few, false);
        const int64_t count = zkt__admission_count_address(
            &admission, "a", &handshake, 0, &address);
        assert_int_equal(count, address != NULL);
        assert_int_equal(count, i == 7);
        zkt__admission_end_handshake(&admission, &handshake, address);
        zkt__admission_remove(&admission, address, false);
        assert_int_equal(admission.half_open, 0);
        end(&admission, &alloc);
    }
}

/* ---- handshakes ---- */

static void test_the_order_of_making_room(void **state)
{
    static const struct zkt_limits six = { .instances = 16, .half_open = 6 };
    static const char *const texts[] = { "a", "b", "b", "c", "c", "c" };
    static const int order[] = { 3, 1, 4, 0, 2, 5 }; /* the order of closing */
    struct zkt_handshake handshakes[6] = { 0 };
    struct zkt_address *addresses[6] = { 0 };
    struct zkt_limit_counts reached = { 0 };
    bool full = true;
    struct failing_alloc alloc;
    struct zkt_admission admission;
    uint32_t shard = 0;
    (void)state;
    begin(&admission, &alloc, &six);
    for (uint32_t i = 0; i < 6; i++) {
        enter(&admission, &six, false);
        assert_true(zkt__admission_count_address(&admission, texts[i],
                                                 &handshakes[i], i % 3,
                                                 &addresses[i]) > 0);
        assert_false(zkt__admission_evict(&admission, &six, &shard));
    }
    for (int i = 0; i < 6; i++) {
        enter(&admission, &six, true);
        assert_true(zkt__admission_evict(&admission, &six, &shard));
        assert_int_equal(shard, order[i] % 3);
        assert_true(zkt__admission_has_evicted(&admission, shard));
        assert_ptr_equal(zkt__admission_take_evicted(&admission, shard),
                         &handshakes[order[i]]);
        assert_null(zkt__admission_take_evicted(&admission, shard));
        assert_false(zkt__admission_has_evicted(&admission, shard));
        zkt__admission_end_handshake(&admission, &handshakes[order[i]],
                                     addresses[order[i]]);
    }
    /* Six connections are on their way, and no other can make room: none may
     * come. */
    assert_int_equal(admission.half_open, 6);
    assert_int_equal(zkt__admission_add(&admission, &six, 0, &reached, &full),
                     0);
    assert_false(full);
    assert_int_equal(reached.half_open, 1);
    assert_false(zkt__admission_evict(&admission, &six, &shard));
    for (int i = 0; i < 6; i++) {
        zkt__admission_end_handshake(&admission, NULL, NULL);
        zkt__admission_remove(&admission, NULL, false);
    }
    for (int i = 0; i < 6; i++) {
        zkt__admission_remove(&admission, addresses[i], false);
    }
    assert_int_equal(admission.half_open, 0);
    assert_int_equal(admission.connections, 0);
    end(&admission, &alloc);
}

/* A connection that was chosen to go completes its handshake before its shard
 * has looked. */
static void test_just_in_time(void **state)
{
    struct zkt_handshake handshakes[3] = { 0 };
    struct zkt_address *addresses[3] = { 0 };
    struct failing_alloc alloc;
    struct zkt_admission admission;
    uint32_t shard = 0;
    (void)state;
    begin(&admission, &alloc, &few);
    for (uint32_t i = 0; i < 3; i++) {
        enter(&admission, &few, i == 2);
        assert_int_equal(zkt__admission_evict(&admission, &few, &shard),
                         i == 2);
        assert_true(zkt__admission_count_address(
                        &admission, "a", &handshakes[i], 0, &addresses[i]) > 0);
    }
    zkt__admission_end_handshake(&admission, &handshakes[0], addresses[0]);
    assert_true(zkt__admission_has_evicted(&admission, 0));
    assert_null(zkt__admission_take_evicted(&admission, 0));
    assert_int_equal(admission.half_open, 2);
    for (int i = 1; i < 3; i++) {
        zkt__admission_end_handshake(&admission, &handshakes[i], addresses[i]);
    }
    for (int i = 0; i < 3; i++) {
        zkt__admission_remove(&admission, addresses[i], false);
    }
    assert_int_equal(admission.half_open, 0);
    end(&admission, &alloc);
}

/* ---- threads ---- */

enum {
    THREADS = 4,
    ROUNDS = 2000
};

static void *take_and_release(void *user)
{
    struct zkt_admission *admission = user;
    for (int i = 0; i < ROUNDS; i++) {
        struct zkt_handshake handshake = { 0 };
        struct zkt_address *a;
        struct zkt_limit_counts reached = { 0 };
        bool full;
        assert_true(zkt__admission_add(admission, &many, 0, &reached, &full) >
                    0);
        (void)zkt__admission_count_address(admission, i % 2 == 0 ? "a" : "b",
                                           &handshake, 0, &a);
        zkt__admission_end_handshake(admission, &handshake, a);
        const bool taken = a != NULL &&
                           zkt__admission_charge_instance(admission, a);
        zkt__admission_remove(admission, a, false);
        if (taken) {
            zkt__admission_refund_instance(admission, a);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    struct zkt_admission admission = { 0 };
    (void)state;
    assert_true(
        zkt__admission_init(&admission, &zkt__allocator_default, &few, &key));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, take_and_release, &admission), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(admission.connections, 0);
    assert_int_equal(admission.half_open, 0);
    assert_int_equal(admission.slots.live, 0);
    zkt__admission_finish(&admission);
}

/* Sessions of requests are charged, and bounded by the connections. */
static void test_requests(void **state)
{
    const struct zkt_limits limits = { .instances = 33,
                                       .half_open = 100,
                                       .leaves_per_turn = 3 };
    struct zkt_address *of[6], *other = NULL;
    struct failing_alloc alloc;
    struct zkt_admission admission;
    (void)state;
    begin(&admission, &alloc, &limits);
    struct zkt_address *a = come(&admission, "a", 1);
    for (int i = 0; i < 5; i++) { /* two of a connection, and three */
        assert_int_equal(
            zkt__admission_add_request(&admission, &limits, "a", false, &of[i]),
            1);
        assert_ptr_equal(of[i], a);
    }
    assert_int_equal(
        zkt__admission_add_request(&admission, &limits, "a", false, &of[5]), 0);
    assert_int_equal(zkt__admission_count(&admission), 1);
    for (int i = 0; i < 3; i++) {
        zkt__admission_remove_request(&admission, of[i], false, false);
    }
    /* That of a proxy counts for the address of its client. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            zkt__admission_add_request(&admission, &limits, "b", true, &other),
            i + 1);
    }
    for (int i = 0; i < 2; i++) {
        zkt__admission_remove_request(&admission, other, true, false);
    }
    /* Messages of one that has ended are in flight, and make an instance. */
    zkt__admission_remove_request(&admission, other, true, true);
    assert_true(zkt__admission_charge_instance(&admission, other));
    zkt__admission_release(&admission, other);
    zkt__admission_refund_instance(&admission, other);
    zkt__admission_remove(&admission, a, false); /* the others are there */
    zkt__admission_remove_request(&admission, of[3], false, false);
    zkt__admission_remove_request(&admission, of[4], false, false);
    end(&admission, &alloc);
}

/* A connection of a proxy counts for its client from then on. */
static void test_moving(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    struct zkt_handshake handshakes[3] = { { .evicted = false } };
    struct zkt_address *counted[3] = { NULL };
    uint32_t shard;
    (void)state;
    begin(&admission, &alloc, &few);
    for (size_t i = 0; i < 3; i++) {
        enter(&admission, &few, i == 2);
        assert_int_equal(zkt__admission_count_address(
                             &admission, "", &handshakes[i], 0, &counted[i]),
                         1);
    }
    struct zkt_address *const without = counted[0];
    assert_int_equal(zkt__admission_move(&admission, "2001:db8::1",
                                         &handshakes[1], &counted[1]),
                     1);
    assert_ptr_not_equal(counted[1], without);
    assert_int_equal(zkt__admission_move(&admission, "2001:db8::2",
                                         &handshakes[2], &counted[2]),
                     2);
    assert_ptr_equal(counted[1], counted[2]);
    /* The client with most handshakes makes room. */
    assert_true(zkt__admission_evict(&admission, &few, &shard));
    assert_true(handshakes[1].evicted);
    assert_int_equal(zkt__admission_move(&admission, "10.0.0.1", &handshakes[1],
                                         &counted[1]),
                     1);
    assert_ptr_equal(zkt__admission_take_evicted(&admission, 0),
                     &handshakes[1]);
    /* Without a handshake, without memory, and to the same. */
    zkt__admission_end_handshake(&admission, &handshakes[0], counted[0]);
    alloc.fail_at = alloc.calls + 1;
    assert_int_equal(
        zkt__admission_move(&admission, "10.0.0.9", NULL, &counted[0]), 0);
    assert_ptr_equal(counted[0], without);
    assert_int_equal(
        zkt__admission_move(&admission, "10.0.0.1", NULL, &counted[0]), 2);
    assert_int_equal(
        zkt__admission_move(&admission, "10.0.0.1", NULL, &counted[0]), 2);
    zkt__admission_end_handshake(&admission, &handshakes[1], counted[1]);
    zkt__admission_end_handshake(&admission, &handshakes[2], counted[2]);
    for (size_t i = 0; i < 3; i++) {
        zkt__admission_remove(&admission, counted[i], false);
    }
    end(&admission, &alloc);
}

/* So does a surplus one: its handshake is among none of an address. */
static void test_moving_surplus(void **state)
{
    struct failing_alloc alloc;
    struct zkt_admission admission;
    struct zkt_handshake handshake = { .surplus = true };
    struct zkt_address *counted = NULL;
    (void)state;
    begin(&admission, &alloc, &few);
    enter(&admission, &few, false);
    assert_int_equal(
        zkt__admission_count_address(&admission, "", &handshake, 0, &counted),
        1);
    assert_int_equal(
        zkt__admission_move(&admission, "10.0.0.1", &handshake, &counted), 1);
    assert_null(zkt__ranking_first(&admission.busy));
    assert_int_equal(admission.half_open, 0);
    assert_int_equal(admission.surplus_count, 1);
    zkt__admission_end_handshake(&admission, &handshake, counted);
    assert_int_equal(admission.half_open, 0);
    assert_int_equal(admission.surplus_count, 0);
    zkt__admission_remove(&admission, counted, false);
    end(&admission, &alloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_share_of_the_instances),
        cmocka_unit_test(test_a_number_per_address),
        cmocka_unit_test(test_a_record_outlives_connections),
        cmocka_unit_test(test_a_record_outlives_messages),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_no_address_makes_room),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_the_order_of_making_room),
        cmocka_unit_test(test_just_in_time),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_moving),
        cmocka_unit_test(test_moving_surplus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
