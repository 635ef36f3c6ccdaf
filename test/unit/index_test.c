/*
 * Hashes, indexes and maps in depth: SipHash at every length of the last word,
 * the index against a plain model with many collisions, and maps with an index.
 * A removal that shifts back an entry too many loses data, so the index gets a
 * random test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/index.h"
#include "base/map.h"
#include "failing_alloc.h"

/* Writes bytes 00, 01, … as in all published vectors. */
static void fill(uint8_t *input, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        input[i] = (uint8_t)i;
    }
}

static void test_siphash_2_4(void **state)
{
    /* From the reference vectors: each length of the last word, and the last
     * vector. */
    static const struct {
        size_t len;
        uint64_t expected;
    } table[] = {
        { 0, 0x726fdb47dd0e0e31 },  { 9, 0x9e0082df0ba9e4b0 },
        { 10, 0x7a5dbbc594ddb9f3 }, { 11, 0xf4b32f46226bada7 },
        { 12, 0x751e8fbc860ee5fb }, { 13, 0x14ea5627c0843d90 },
        { 14, 0xf723ca908e7af2ee }, { 15, 0xa129ca6149be45e5 },
        { 16, 0x3f2acc7f57c29bdb }, { 63, 0x958a324ceb064572 },
    };
    const struct zkt_hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    uint8_t input[64];
    (void)state;
    fill(input, sizeof(input));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(zkt__prf(&key, input, table[i].len),
                         table[i].expected);
    }
}

static void test_siphash_1_3(void **state)
{
    /* With a key of zeros; CPython 3.11, which uses SipHash-1-3, returns the
     * same. */
    static const struct {
        size_t len;
        uint64_t expected;
    } table[] = {
        { 1, 0x68a914128e01e473 },  { 7, 0x2f098ab0c751325a },
        { 8, 0xead411e67ebe2eea },  { 9, 0x75927f9d95124362 },
        { 15, 0xf30eb725bb91c9ea }, { 16, 0x8972188433a5c5b7 },
        { 63, 0x385d3e39e5f37359 },
    };
    const struct zkt_hash_key zero = { 0, 0 };
    const struct zkt_hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    uint8_t input[64];
    (void)state;
    fill(input, sizeof(input));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(zkt__hash(&zero, input, table[i].len),
                         table[i].expected);
    }
    assert_int_equal(zkt__hash(&key, NULL, 0), 0xabac0158050fc4dc);
}

/* The hash does not depend on the alignment of its input. */
static void test_hash_unaligned(void **state)
{
    const struct zkt_hash_key key = { 3, 5 };
    uint8_t room[64];
    uint64_t expected = 0;
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(room + shift, "the same twenty-odd bytes", 25);
        const uint64_t hash = zkt__hash(&key, room + shift, 25);
        expected = shift == 0 ? hash : expected;
        assert_int_equal(hash, expected);
    }
}

/* ---- the index ---- */

enum {
    ITEMS = 400
};

/* Items are numbers; the test decides their hashes. */
struct model {
    uint32_t numbers[ITEMS]; /* by position */
    uint64_t hashes[ITEMS];  /* by number */
    uint32_t len;
};

static bool same_number(const void *owner, uint32_t position, const void *key,
                        size_t len)
{
    const struct model *model = owner;
    uint32_t wanted;
    assert_int_equal(len, sizeof(wanted));
    assert_true(position < model->len);
    memcpy(&wanted, key, sizeof(wanted));
    /* Only items with the same upper half of the hash are compared. */
    assert_int_equal(model->hashes[model->numbers[position]] >> 32,
                     model->hashes[wanted] >> 32);
    return model->numbers[position] == wanted;
}

static uint32_t find(const struct zkt_index *index, const struct model *model,
                     uint32_t number)
{
    return zkt__index_find(index, model->hashes[number], same_number, model,
                           &number, sizeof(number));
}

static uint32_t model_find(const struct model *model, uint32_t number)
{
    for (uint32_t i = 0; i < model->len; i++) {
        if (model->numbers[i] == number) {
            return i;
        }
    }
    return ZKT_INDEX_NONE;
}

/* Numerical Recipes' generator: the same numbers on every machine. */
static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(*seed >> 8) * below >> 24);
}

static void model_add(struct zkt_index *index, struct model *model,
                      const struct zkt_allocator *a, uint32_t number)
{
    assert_true(zkt__index_reserve(index, a, 1));
    model->numbers[model->len] = number;
    zkt__index_add(index, model->hashes[number], model->len);
    model->len++;
    assert_true((uint64_t)index->used * 4 <= ((uint64_t)index->mask + 1) * 3);
}

/* Moves the last item to the place of the removed item, as maps do. */
static void model_remove(struct zkt_index *index, struct model *model,
                         uint32_t position)
{
    const uint32_t last = model->len - 1;
    zkt__index_remove(index, model->hashes[model->numbers[position]], position);
    if (position != last) {
        model->numbers[position] = model->numbers[last];
        zkt__index_move(index, model->hashes[model->numbers[position]], last,
                        position);
    }
    model->len--;
}

/* Adds and removes the numbers below @live at random; their hashes have @homes
 * different home slots. */
static void check_random(uint32_t seed, uint32_t live, uint32_t homes)
{
    static struct model model;
    struct zkt_index index = { 0 };
    struct failing_alloc failing;
    failing_alloc_init(&failing, 0);
    model.len = 0;
    for (uint32_t i = 0; i < live; i++) {
        /* Counted down from the end, so that clusters wrap around; the index
         * does not look at the low half. */
        const uint64_t high = UINT32_MAX - draw(&seed, homes);
        model.hashes[i] = high << 32 | draw(&seed, 1000);
    }
    for (int step = 0; step < 3000; step++) {
        const uint32_t number = draw(&seed, live);
        const uint32_t position = model_find(&model, number);
        assert_int_equal(find(&index, &model, number), position);
        if (position == ZKT_INDEX_NONE) {
            model_add(&index, &model, &failing.allocator, number);
        } else {
            model_remove(&index, &model, position);
        }
        assert_int_equal(index.used, model.len);
        for (uint32_t i = 0; live <= 16 && i < live; i++) {
            assert_int_equal(find(&index, &model, i), model_find(&model, i));
        }
    }
    for (uint32_t i = 0; i < live; i++) {
        assert_int_equal(find(&index, &model, i), model_find(&model, i));
    }
    zkt__index_finish(&index, &failing.allocator);
    assert_int_equal(failing.live, 0);
}

static void test_index_random(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        check_random(seed, 12, 16); /* a full table of 16 slots, which wraps */
        check_random(seed, 16, 4);
        check_random(seed, 16, 1); /* all hashes are the same */
        check_random(seed, ITEMS, 64);
        check_random(seed, ITEMS, 1u << 24);
    }
}

static void test_index_reserve(void **state)
{
    static struct model model;
    struct zkt_index index = { 0 };
    struct failing_alloc failing;
    (void)state;
    failing_alloc_init(&failing, 0);
    assert_int_equal(find(&index, &model, 0), ZKT_INDEX_NONE);
    assert_true(zkt__index_reserve(&index, &failing.allocator, 0));
    assert_int_equal(failing.calls, 0);

    assert_true(zkt__index_reserve(&index, &failing.allocator, ITEMS));
    assert_int_equal(index.mask, 1023); /* 400 is more than 3/4 of 512 */
    for (uint32_t i = 0; i < ITEMS; i++) {
        model.hashes[i] = (uint64_t)i * 0x9e3779b97f4a7c15;
        model_add(&index, &model, &failing.allocator, i);
    }
    assert_int_equal(failing.calls, 1);

    /* More than the maximum is refused without an allocation. */
    assert_false(zkt__index_reserve(&index, &failing.allocator, UINT32_MAX));
    assert_int_equal(failing.calls, 1);

    /* A failure changes nothing. */
    failing.fail_at = 2;
    assert_false(zkt__index_reserve(&index, &failing.allocator, ITEMS));
    assert_int_equal(index.used, ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_int_equal(find(&index, &model, i), i);
    }
    assert_true(zkt__index_reserve(&index, &failing.allocator, ITEMS));
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_int_equal(find(&index, &model, i), i);
    }
    assert_int_equal(failing.live, 1);
    zkt__index_finish(&index, &failing.allocator);
    assert_int_equal(index.used, 0);
    assert_int_equal(find(&index, &model, 0), ZKT_INDEX_NONE);
    zkt__index_finish(&index, &failing.allocator);
    assert_int_equal(failing.live, 0);
}

/* ---- maps ---- */

static const struct zkt_str_entry entries[] = {
    { ZKT_STR_INIT("one"), ZKT_STR_INIT("1") },
    { ZKT_STR_INIT(""), ZKT_STR_INIT("empty") },
    { ZKT_STR_INIT("a\0b"), ZKT_STR_INIT("nul") },
    { ZKT_STR_INIT("one"), ZKT_STR_INIT("again") },
};

static void check_map(const struct zkt_str_map *map)
{
    const struct zkt_str no_data = { NULL, 0 };
    assert_ptr_equal(zkt_str_map_find(map, ZKT_STR("one")), &entries[0].value);
    assert_ptr_equal(zkt_str_map_find(map, ZKT_STR("")), &entries[1].value);
    assert_ptr_equal(zkt_str_map_find(map, no_data), &entries[1].value);
    assert_ptr_equal(zkt_str_map_find(map, ZKT_STR("a\0b")), &entries[2].value);
    assert_null(zkt_str_map_find(map, ZKT_STR("a")));
    assert_null(zkt_str_map_find(map, ZKT_STR("a\0c")));
    assert_null(zkt_str_map_find(map, ZKT_STR("On3")));
}

static void test_map(void **state)
{
    struct zkt_str_map map = { entries, 4, NULL };
    struct zkt_map_index index = { .key = { 11, 12 }, .items = entries };
    struct failing_alloc failing;
    (void)state;
    failing_alloc_init(&failing, 0);
    check_map(&map);
    assert_null(zkt_str_map_find(&(struct zkt_str_map){ NULL, 0, NULL },
                                 ZKT_STR("one")));

    map.len = 3;
    map.index_ = &index;
    assert_true(zkt__index_reserve(&index.index, &failing.allocator, 3));
    for (uint32_t i = 0; i < 3; i++) {
        const struct zkt_str key = entries[i].key;
        check_map(&map); /* an incomplete index is not used */
        zkt__index_add(&index.index, zkt__hash(&index.key, key.data, key.len),
                       i);
    }
    check_map(&map);
    /* the index is used: a key that it does not find is absent */
    index.key.k0++;
    assert_null(zkt_str_map_find(&map, ZKT_STR("one")));
    zkt__index_finish(&index.index, &failing.allocator);
    assert_int_equal(failing.live, 0);
}

static void test_strings(void **state)
{
    const struct zkt_str no_data = { NULL, 0 };
    (void)state;
    assert_int_equal(zkt_cstr("four").len, 4);
    assert_int_equal(zkt_cstr(NULL).len, 0);
    assert_string_equal(zkt_cstr(NULL).data, "");
    assert_true(zkt_str_eq(no_data, ZKT_STR("")));
    assert_true(zkt_str_eq(ZKT_STR("a\0b"), ZKT_STR("a\0b")));
    assert_false(zkt_str_eq(ZKT_STR("a\0b"), ZKT_STR("a\0c")));
    assert_false(zkt_str_eq(ZKT_STR("a"), ZKT_STR("ab")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_2_4),
        cmocka_unit_test(test_siphash_1_3),
        cmocka_unit_test(test_hash_unaligned),
        cmocka_unit_test(test_index_random),
        cmocka_unit_test(test_index_reserve),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
