/* The base layer: memory, hashes, indexes, handles, lists, UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/index.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/random.h"
#include "base/slots.h"
#include "base/timeouts.h"
#include "base/utf8.h"
#include "failing_alloc.h"
#include "zocket/status.h"

static void test_status(void **state)
{
    (void)state;
    assert_string_equal(zkt_status_name(ZKT_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(zkt_status_name((enum zkt_status)4711), "INTERNAL");
    assert_string_equal(zkt_status_text(ZKT_OK), "ok");
    assert_int_equal(ZKT_UNAUTHENTICATED, 16);
}

static void test_arena(void **state)
{
    struct failing_alloc failing;
    struct zkt_arena arena;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__arena_init(&arena, &failing.allocator);
    for (size_t size = 0; size < 300000; size = size * 2 + 1) {
        char *block = zkt__arena_alloc(&arena, size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        memset(block, 1, size);
    }
    zkt__arena_reset(&arena);
    assert_int_equal(failing.live, 1);
    assert_null(zkt__arena_zero(&arena, SIZE_MAX / 2, 4));
    assert_null(zkt__arena_alloc(&arena, SIZE_MAX - 3));
    assert_string_equal(zkt__arena_str(&arena, ZKT_STR("x\0y")).data, "x");
    zkt__arena_finish(&arena);
    assert_int_equal(failing.live, 0);
}

/* The first vectors of the reference implementation of SipHash-2-4: key 00 to
 * 0f, input 00, 01, … */
static void test_siphash(void **state)
{
    static const uint64_t expected[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
        0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
        0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
    };
    const struct zkt_hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    uint8_t input[16];
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        input[i] = (uint8_t)i;
        assert_int_equal(zkt__prf(&key, input, i), expected[i]);
    }
    assert_int_not_equal(zkt__hash(&key, "a", 1), zkt__hash(&key, "b", 1));
}

/* The same with 128 bits: the bytes of the reference, as two words. */
static void test_siphash_128(void **state)
{
    static const uint64_t expected[][2] = {
        { 0xe6a825ba047f81a3, 0x930255c71472f66d },
        { 0x44af996bd8c187da, 0x45fc229b11597634 },
    };
    const struct zkt_hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    uint64_t out[2];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        zkt__prf_128(&key, "", i, out);
        assert_memory_equal(out, expected[i], sizeof(out));
    }
}

static bool same_number(const void *owner, uint32_t position, const void *key,
                        size_t len)
{
    const uint32_t *numbers = owner;
    uint32_t wanted;
    assert_int_equal(len, sizeof(wanted));
    memcpy(&wanted, key, sizeof(wanted));
    return numbers[position] == wanted;
}

static void test_index(void **state)
{
    enum {
        COUNT = 3000
    };
    static uint32_t numbers[COUNT];
    const struct zkt_hash_key key = { 1, 2 };
    struct zkt_index index = { 0 };
    struct failing_alloc failing;
    (void)state;
    failing_alloc_init(&failing, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i * 7;
        assert_true(zkt__index_reserve(&index, &failing.allocator, 1));
        zkt__index_add(&index, zkt__hash(&key, &numbers[i], 4), i);
    }
    for (uint32_t i = 0; i < COUNT; i += 2) {
        zkt__index_remove(&index, zkt__hash(&key, &numbers[i], 4), i);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t found = zkt__index_find(
            &index, zkt__hash(&key, &numbers[i], 4), same_number, numbers,
            &numbers[i], 4);
        assert_int_equal(found, i % 2 == 0 ? ZKT_INDEX_NONE : i);
    }
    assert_int_equal(index.used, COUNT / 2);
    zkt__index_finish(&index, &failing.allocator);
    failing.fail_at = failing.calls + 1;
    assert_false(zkt__index_reserve(&index, &failing.allocator, 1));
    assert_int_equal(failing.live, 0);
}

static void test_slots(void **state)
{
    struct zkt_slots slots;
    int a, b;
    (void)state;
    zkt__slots_init(&slots, &zkt__allocator_default);
    assert_null(zkt__slots_find(&slots, 0));
    const zkt_handle_id first = zkt__slots_add(&slots, &a);
    assert_ptr_equal(zkt__slots_find(&slots, first), &a);
    zkt__slots_remove(&slots, first);
    zkt__slots_remove(&slots, first);
    assert_null(zkt__slots_find(&slots, first));
    const zkt_handle_id second = zkt__slots_add(&slots, &b);
    assert_int_equal((uint32_t)first, (uint32_t)second); /* the same slot */
    assert_null(zkt__slots_find(&slots, first));
    assert_ptr_equal(zkt__slots_find(&slots, second), &b);
    assert_int_equal(slots.live, 1);
    zkt__slots_finish(&slots);
}

static void test_timeouts(void **state)
{
    struct zkt_list list;
    struct zkt_timeout a = { 0 }, b = { 0 };
    (void)state;
    zkt__list_init(&list);
    assert_true(zkt__timeouts_next(&list) == INT64_MAX);
    zkt__timeout_arm(&list, &a, 0, 10);
    zkt__timeout_arm(&list, &b, 5, 10);
    zkt__timeout_arm(&list, &a, 6, 10);
    assert_int_equal(zkt__timeouts_next(&list), 15);
    assert_null(zkt__timeouts_take(&list, 14));
    assert_ptr_equal(zkt__timeouts_take(&list, 15), &b);
    zkt__timeout_cancel(&a);
    zkt__timeout_cancel(&a);
    assert_null(zkt__timeouts_take(&list, 1000));
}

static void test_ring(void **state)
{
    struct zkt_ring ring = { NULL };
    struct zkt_node a = { 0 }, b = { 0 }, c = { 0 };
    (void)state;
    zkt__ring_append(&ring, &a);
    assert_ptr_equal(ring.first, &a);
    assert_null(zkt__ring_after(&ring, &a));
    zkt__ring_append(&ring, &b);
    zkt__ring_append(&ring, &c);
    assert_ptr_equal(zkt__ring_after(&ring, &a), &b);
    assert_ptr_equal(zkt__ring_after(&ring, &b), &c);
    assert_null(zkt__ring_after(&ring, &c));
    zkt__ring_remove(&ring, &b);
    assert_false(zkt__node_linked(&b));
    zkt__ring_remove(&ring, &b); /* no effect */
    zkt__ring_remove(&ring, &a);
    assert_ptr_equal(ring.first, &c);
    assert_null(zkt__ring_after(&ring, &c));
    zkt__ring_append(&ring, &a);
    zkt__ring_remove(&ring, &a);
    zkt__ring_remove(&ring, &c);
    assert_null(ring.first);
    assert_false(zkt__node_linked(&c));
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool good;
        size_t count;
    } table[] = {
        { "", true, 0 },
        { "plain ascii that is longer than eight", true, 37 },
        { "é€😀", true, 3 },
        { "\xc0\xaf", false, 0 }, /* overlong */
        { "\xe0\x80\xaf", false, 0 },
        { "\xed\xa0\x80", false, 0 },     /* a surrogate */
        { "\xf4\x90\x80\x80", false, 0 }, /* past U+10FFFF */
        { "\xe2\x82", false, 0 },         /* cut off */
        { "abcdefgh\x80", false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const size_t len = strlen(table[i].text);
        assert_int_equal(zkt__utf8_valid(table[i].text, len), table[i].good);
        if (table[i].good) {
            assert_int_equal(zkt__utf8_count(table[i].text, len),
                             table[i].count);
        }
        struct zkt_utf8 bytewise = { 0 };
        bool good = true;
        for (size_t k = 0; k < len && good; k++) {
            good = zkt__utf8_feed(&bytewise, table[i].text + k, 1);
        }
        assert_int_equal(good && bytewise.need == 0, table[i].good);
    }
}

static void test_limits(void **state)
{
    const struct zkt_limits given = { .links = 7 };
    const struct zkt_limits wrong = { .close_ms = -1 };
    struct zkt_limits limits;
    const char *bad = NULL;
    (void)state;
    assert_true(zkt__limits_resolve(&given, &limits, &bad));
    assert_int_equal(limits.links, 7);
    assert_int_equal(limits.message_bytes, 1024 * 1024);
    assert_false(zkt__limits_resolve(&wrong, &limits, &bad));
    assert_string_equal(bad, "close_ms");
}

static void test_random(void **state)
{
    struct zkt_random a, b;
    struct zkt_hash_key key;
    uint8_t seed[ZKT_SEED_SIZE] = { 1 };
    char one[33], two[33];
    (void)state;
    assert_true(zkt__random_init(&a, &key, seed));
    assert_true(zkt__random_init(&b, &key, NULL));
    zkt__random_hex(&a, one, 16);
    zkt__random_hex(&a, two, 16);
    assert_int_equal(strlen(one), 32);
    assert_int_equal(strspn(one, "0123456789abcdef"), 32);
    assert_string_not_equal(one, two);
    zkt__random_hex(&b, two, 16);
    assert_string_not_equal(one, two);
}

static void test_map_find(void **state)
{
    static const struct zkt_int32_entry entries[] = {
        { ZKT_STR_INIT("a"), 1 },
        { ZKT_STR_INIT("b"), 2 },
    };
    const struct zkt_int32_map map = { entries, 2, NULL };
    (void)state;
    assert_int_equal(*zkt_int32_map_find(&map, ZKT_STR("b")), 2);
    assert_null(zkt_int32_map_find(&map, ZKT_STR("c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),   cmocka_unit_test(test_arena),
        cmocka_unit_test(test_siphash),  cmocka_unit_test(test_siphash_128),
        cmocka_unit_test(test_index),    cmocka_unit_test(test_slots),
        cmocka_unit_test(test_timeouts), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_random),
        cmocka_unit_test(test_map_find), cmocka_unit_test(test_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
