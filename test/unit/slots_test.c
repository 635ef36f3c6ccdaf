/*
 * Handles, lists, timeouts and limits in depth: stale handles through reuse
 * and the wrap of a generation, each allocation of a growing table failing,
 * nodes unlinked while a list is walked, deadlines at the end of time, and
 * every row of the table of limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/endpoint.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/timeouts.h"
#include "failing_alloc.h"

enum {
    OBJECTS = 100
};

static void test_slots_reuse(void **state)
{
    struct failing_alloc failing;
    struct zkt_slots slots;
    int objects[OBJECTS];
    zkt_handle_id old[OBJECTS], ids[OBJECTS];
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__slots_init(&slots, &failing.allocator);
    for (int i = 0; i < OBJECTS; i++) {
        old[i] = zkt__slots_add(&slots, &objects[i]);
        assert_int_not_equal(old[i], 0);
    }
    for (int i = 0; i < OBJECTS; i += 2) {
        zkt__slots_remove(&slots, old[i]);
    }
    assert_int_equal(slots.live, OBJECTS / 2);
    const long calls = failing.calls;
    for (int i = 0; i < OBJECTS; i += 2) {
        ids[i] = zkt__slots_add(&slots, &objects[i]);
    }
    assert_int_equal(failing.calls, calls); /* freed slots come first */
    assert_int_equal(slots.count, OBJECTS);
    for (int i = 0; i < OBJECTS; i++) {
        assert_ptr_equal(zkt__slots_find(&slots, old[i]),
                         i % 2 == 0 ? NULL : &objects[i]);
        if (i % 2 == 0) {
            assert_ptr_equal(zkt__slots_find(&slots, ids[i]), &objects[i]);
        }
    }
    /* A stale handle removes nothing. */
    zkt__slots_remove(&slots, old[0]);
    zkt__slots_remove(&slots, 0);
    assert_int_equal(slots.live, OBJECTS);
    zkt__slots_finish(&slots);
    assert_int_equal(failing.live, 0);
    assert_null(zkt__slots_find(&slots, ids[0]));
    zkt__slots_finish(&slots);
}

static void test_slots_forged(void **state)
{
    struct zkt_slots slots;
    int object;
    (void)state;
    zkt__slots_init(&slots, &zkt__allocator_default);
    const zkt_handle_id id = zkt__slots_add(&slots, &object);
    assert_int_equal(id >> 32, 1);
    /* An unused slot finds nothing, whatever its memory holds. */
    slots.objects[1] = &object;
    slots.generations[1] = 1;
    assert_null(zkt__slots_find(&slots, id + 1));
    assert_null(zkt__slots_find(&slots, UINT64_MAX));
    assert_null(zkt__slots_find(&slots, (uint32_t)id)); /* generation 0 */
    zkt__slots_remove(&slots, id);
    /* The generation that a free slot will have next: no handle has it yet. */
    const zkt_handle_id next = id + ((zkt_handle_id)1 << 32);
    assert_null(zkt__slots_find(&slots, next));
    zkt__slots_remove(&slots, next);
    assert_int_equal(slots.live, 0);
    assert_int_equal(zkt__slots_add(&slots, &object), next);
    zkt__slots_finish(&slots);
}

static void test_slots_generation_wraps(void **state)
{
    struct zkt_slots slots;
    int object;
    (void)state;
    zkt__slots_init(&slots, &zkt__allocator_default);
    zkt__slots_remove(&slots, zkt__slots_add(&slots, &object));
    slots.generations[0] = UINT32_MAX;
    const zkt_handle_id last = zkt__slots_add(&slots, &object);
    assert_int_equal(last >> 32, UINT32_MAX);
    zkt__slots_remove(&slots, last);
    const zkt_handle_id first = zkt__slots_add(&slots, &object);
    assert_int_equal(first >> 32, 1); /* past 0, which is no generation */
    assert_null(zkt__slots_find(&slots, last));
    assert_ptr_equal(zkt__slots_find(&slots, first), &object);
    zkt__slots_finish(&slots);
}

/* The table grows through three allocations, at 0, 16, 32 and 64 objects. */
static void test_slots_failures(void **state)
{
    (void)state;
    for (long fail_at = 1; fail_at <= 12; fail_at++) {
        struct failing_alloc failing;
        struct zkt_slots slots;
        int objects[OBJECTS];
        zkt_handle_id ids[OBJECTS];
        int failures = 0;
        failing_alloc_init(&failing, fail_at);
        zkt__slots_init(&slots, &failing.allocator);
        for (int i = 0; i < OBJECTS; i++) {
            ids[i] = zkt__slots_add(&slots, &objects[i]);
            if (ids[i] == 0) {
                failures++;
                assert_int_equal(slots.live, i);
                ids[i] = zkt__slots_add(&slots, &objects[i]);
            }
        }
        for (int i = 0; i < OBJECTS; i++) {
            assert_ptr_equal(zkt__slots_find(&slots, ids[i]), &objects[i]);
        }
        assert_int_equal(failures, 1);
        assert_int_equal(failing.live, 3);
        zkt__slots_finish(&slots);
        assert_int_equal(failing.live, 0);
    }
}

/* ---- lists ---- */

struct item {
    int number;
    struct zkt_node node;
};

/* Returns the numbers of a list's items as decimal digits. */
static int digits(const struct zkt_list *list)
{
    int sum = 0;
    for (struct zkt_node *n = zkt__list_first(list); n != NULL;
         n = zkt__list_after(list, n)) {
        sum = sum * 10 + ZKT_CONTAINER(n, struct item, node)->number;
    }
    return sum;
}

static void test_list(void **state)
{
    struct zkt_list list;
    struct item items[5] = { { .number = 1 },
                             { .number = 2 },
                             { .number = 3 },
                             { .number = 4 },
                             { .number = 5 } };
    (void)state;
    zkt__list_init(&list);
    assert_true(zkt__list_empty(&list));
    assert_null(zkt__list_first(&list));
    for (int i = 0; i < 5; i++) {
        assert_false(zkt__node_linked(&items[i].node));
        zkt__list_append(&list, &items[i].node);
        assert_true(zkt__node_linked(&items[i].node));
    }
    assert_int_equal(digits(&list), 12345);
    zkt__node_unlink(&items[2].node);
    zkt__node_unlink(&items[2].node);
    assert_false(zkt__node_linked(&items[2].node));
    assert_int_equal(digits(&list), 1245);
    zkt__node_unlink(&items[0].node);
    zkt__node_unlink(&items[4].node);
    assert_int_equal(digits(&list), 24);
    zkt__list_append(&list, &items[0].node);
    assert_int_equal(digits(&list), 241);
    while (!zkt__list_empty(&list)) {
        zkt__node_unlink(zkt__list_first(&list));
    }
    assert_int_equal(digits(&list), 0);
}

static void test_endpoint_touch(void **state)
{
    struct zkt_core core = { 0 };
    struct zkt_endpoint a = { .core = &core }, b = { .core = &core };
    (void)state;
    zkt__list_init(&core.dirty);
    zkt__endpoint_mark_dirty(&a);
    zkt__endpoint_mark_dirty(&b);
    zkt__endpoint_mark_dirty(&a);
    assert_ptr_equal(zkt__list_first(&core.dirty), &a.dirty);
    assert_ptr_equal(zkt__list_after(&core.dirty, &a.dirty), &b.dirty);
    assert_null(zkt__list_after(&core.dirty, &b.dirty));
}

/* ---- timeouts ---- */

static void test_timeouts_order(void **state)
{
    enum {
        COUNT = 20,
        DELAY = 100
    };
    struct zkt_list list;
    struct zkt_timeout timeouts[COUNT] = { 0 };
    (void)state;
    zkt__list_init(&list);
    for (int i = 0; i < COUNT; i++) {
        zkt__timeout_arm(&list, &timeouts[i], i, DELAY);
    }
    for (int i = 0; i < COUNT; i += 2) {
        zkt__timeout_cancel(&timeouts[i]);
        assert_int_equal(zkt__timeouts_next(&list), DELAY + i + 1);
        assert_null(zkt__timeouts_take(&list, DELAY + i));
        assert_ptr_equal(zkt__timeouts_take(&list, DELAY + i + 1),
                         &timeouts[i + 1]);
    }
    assert_true(zkt__list_empty(&list));
    assert_int_equal(zkt__timeouts_next(&list), INT64_MAX);

    /* A timeout that is armed again goes behind later ones. */
    zkt__timeout_arm(&list, &timeouts[0], 0, DELAY);
    zkt__timeout_arm(&list, &timeouts[1], 1, DELAY);
    zkt__timeout_arm(&list, &timeouts[0], 2, DELAY);
    assert_ptr_equal(zkt__timeouts_take(&list, DELAY + 2), &timeouts[1]);
    assert_ptr_equal(zkt__timeouts_take(&list, DELAY + 2), &timeouts[0]);
    assert_null(zkt__timeouts_take(&list, INT64_MAX));
}

static void test_timeouts_end_of_time(void **state)
{
    struct zkt_list list;
    struct zkt_timeout a = { 0 }, b = { 0 };
    (void)state;
    zkt__list_init(&list);
    assert_null(zkt__timeouts_take(&list, INT64_MAX));
    zkt__timeout_arm(&list, &a, 1, INT64_MAX - 1);
    assert_true(a.due == INT64_MAX);
    zkt__timeout_arm(&list, &b, 2, INT64_MAX - 1);
    assert_true(b.due == INT64_MAX); /* and not in the past */
    assert_null(zkt__timeouts_take(&list, INT64_MAX - 1));
    assert_ptr_equal(zkt__timeouts_take(&list, INT64_MAX), &a);
    assert_ptr_equal(zkt__timeouts_take(&list, INT64_MAX), &b);
    assert_null(zkt__timeouts_take(&list, INT64_MAX));
}

/* ---- limits ---- */

static void test_limits_defaults(void **state)
{
    const struct zkt_limits given = { 0 };
    struct zkt_limits limits;
    const char *bad = NULL;
    (void)state;
    memset(&limits, 0xff, sizeof(limits));
    assert_true(zkt__limits_resolve(&given, &limits, &bad));
    assert_null(bad);
    assert_int_equal(limits.message_bytes, 1 << 20);
    assert_int_equal(limits.fragments, 1024);
    assert_int_equal(limits.head_bytes, 16 << 10);
    assert_int_equal(limits.handshake_ms, 10000);
    assert_int_equal(limits.ping_after_ms, 30000);
    assert_int_equal(limits.pong_within_ms, 5000);
    assert_int_equal(limits.close_ms, 2000);
    assert_int_equal(limits.accepts_per_turn, 64);
    assert_int_equal(limits.connections, 0);
    assert_int_equal(limits.instances, 1000000);
    assert_int_equal(limits.links, 1024);
    assert_int_equal(limits.mutations, 65536);
    assert_int_equal(limits.events, 1024);
    assert_int_equal(limits.cache_bytes, 64 << 20);
    assert_int_equal(limits.output_high, 256 << 10);
    assert_int_equal(limits.output_hard, 1 << 20);
    assert_int_equal(limits.output_stuck_ms, 10000);
    assert_int_equal(limits.protocol_errors, 16);
}

/* Each row alone: a given value holds; a negative value is reported by name. */
static void test_limits_rows(void **state)
{
    (void)state;
#define X(row, value, text)                                                    \
    {                                                                          \
        struct zkt_limits limits, given = { .row = 41 };                       \
        const char *bad = NULL;                                                \
        assert_true(zkt__limits_resolve(&given, &limits, &bad));               \
        assert_int_equal(limits.row, 41);                                      \
        given.row = -1;                                                        \
        assert_false(zkt__limits_resolve(&given, &limits, &bad));              \
        assert_string_equal(bad, #row);                                        \
    }
    ZKT_LIMITS_TABLE(X)
#undef X
}

/* A limit above its maximum is refused, not lowered. */
static void test_limits_of_limits(void **state)
{
    struct zkt_limits limits, given = { .json_depth = 64, .issues = 1024 };
    const char *bad = NULL;
    (void)state;
    assert_true(zkt__limits_resolve(&given, &limits, &bad));
    given.json_depth = 65;
    assert_false(zkt__limits_resolve(&given, &limits, &bad));
    assert_string_equal(bad, "json_depth");
    given = (struct zkt_limits){ .issues = 1025 };
    assert_false(zkt__limits_resolve(&given, &limits, &bad));
    assert_string_equal(bad, "issues");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_reuse),
        cmocka_unit_test(test_slots_forged),
        cmocka_unit_test(test_slots_generation_wraps),
        cmocka_unit_test(test_slots_failures),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_endpoint_touch),
        cmocka_unit_test(test_timeouts_order),
        cmocka_unit_test(test_timeouts_end_of_time),
        cmocka_unit_test(test_limits_defaults),
        cmocka_unit_test(test_limits_rows),
        cmocka_unit_test(test_limits_of_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
