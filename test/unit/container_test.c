/*
 * Decoded lists and maps: repeated keys, an index for many keys, and a bound on
 * the number of items. The suite `growth` tests how the cost grows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/map.h"
#include "json/json.h"

enum {
    MANY = 5000,
    FEW = 3 /* the bound of the bounded types */
};

static const struct zkt_hash_key key = { 1, 2 };

static const struct zkt_map_info map_info = {
    .value = &zkt_type_int32,
    .entry_size = sizeof(struct zkt_int32_entry),
    .value_offset = offsetof(struct zkt_int32_entry, value),
    .max = UINT32_MAX,
};
static const struct zkt_type map_type = {
    .kind = ZKT_KIND_MAP,
    .size = sizeof(struct zkt_int32_map),
    .owns = true,
    .of.maps = &map_info,
    .decode = zkt_decode_map,
};
static const struct zkt_map_info few_map_info = {
    .value = &zkt_type_int32,
    .entry_size = sizeof(struct zkt_int32_entry),
    .value_offset = offsetof(struct zkt_int32_entry, value),
    .max = FEW,
};
static const struct zkt_type few_map_type = {
    .kind = ZKT_KIND_MAP,
    .size = sizeof(struct zkt_int32_map),
    .owns = true,
    .of.maps = &few_map_info,
    .decode = zkt_decode_map,
};
static const struct zkt_list_info few_list_info = {
    .item = &zkt_type_int32,
    .max = FEW,
};
static const struct zkt_type few_list_type = {
    .kind = ZKT_KIND_LIST,
    .size = sizeof(struct zkt_any_list),
    .owns = true,
    .of.lists = &few_list_info,
    .decode = zkt_decode_list,
};

/* The state of a decoder. */
struct decoding {
    char text[MANY * 40];
    size_t len;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_reader reader;
};

static void set_up(struct decoding *d)
{
    memset(d, 0, sizeof(*d));
    zkt__arena_init(&d->arena, &zkt__allocator_default);
}

static void add(struct decoding *d, const char *text)
{
    memcpy(d->text + d->len, text, strlen(text));
    d->len += strlen(text);
}

static void add_number(struct decoding *d, const char *format, int n)
{
    char text[32];
    snprintf(text, sizeof(text), format, n);
    add(d, text);
}

static bool decode(struct decoding *d, const struct zkt_type *type, void *value)
{
    zkt__issues_init(&d->issues, &d->arena, NULL);
    zkt__reader_init(&d->reader, d->text, d->len, &d->arena, &d->issues, &key);
    return type->decode(&d->reader, type, value);
}

/* Writes every key of 0..MANY, then all of them again with another value. */
static void write_keys_twice(struct decoding *d)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            add_number(d, d->len == 0 ? "{\"k%d\":" : ",\"k%d\":", i);
            add_number(d, "%d", i + round);
        }
    }
    add(d, "}");
}

static void test_a_decoded_map_is_indexed(void **state)
{
    static struct decoding d;
    struct zkt_int32_map map;
    (void)state;
    set_up(&d);
    write_keys_twice(&d);
    assert_true(decode(&d, &map_type, &map));
    assert_int_equal(map.len, MANY);
    const struct zkt_map_index *index = map.index_;
    assert_non_null(index);
    assert_ptr_equal(index->items, map.items);
    assert_int_equal(index->index.used, map.len);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%d", i);
        const int32_t *found = zkt_int32_map_find(&map, zkt_cstr(name));
        assert_non_null(found);
        assert_int_equal(*found, i + 1);
        assert_true(zkt_str_eq(map.items[i].key, zkt_cstr(name)));
    }
    assert_null(zkt_int32_map_find(&map, ZKT_STR("k")));
    zkt__arena_finish(&d.arena);
}

/* Items past the bound are not decoded: even a wrong type is no issue. */
static void test_a_map_ends_at_its_bound(void **state)
{
    static struct decoding d;
    struct zkt_int32_map map;
    (void)state;
    set_up(&d);
    add(&d, "{\"a\":1,\"b\":2,\"c\":3,\"c\":4,\"d\":\"x\"");
    for (int i = 0; i < MANY; i++) {
        add_number(&d, ",\"\\n%d\":[{}]", i);
    }
    add(&d, "} ");
    assert_false(decode(&d, &few_map_type, &map));
    assert_int_equal(map.len, FEW);
    assert_int_equal(d.issues.total, 1);
    assert_string_equal(d.issues.items[0].message.data,
                        "must have at most 3 entries");
    assert_true(zkt__reader_done(&d.reader));
    assert_int_equal(d.reader.depth, 0);
    assert_true(d.arena.size <= 2048);
    zkt__arena_finish(&d.arena);
}

/* A client accepts more items than its schema, as a newer server may allow
 * them. */
static void test_a_client_takes_more(void **state)
{
    static struct decoding d;
    struct zkt_int32_map map;
    (void)state;
    set_up(&d);
    add(&d, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    zkt__issues_init(&d.issues, &d.arena, NULL);
    zkt__reader_init(&d.reader, d.text, d.len, &d.arena, &d.issues, &key);
    d.reader.tolerant = true;
    assert_true(zkt_decode_map(&d.reader, &few_map_type, &map));
    assert_int_equal(map.len, 4);
    zkt__arena_finish(&d.arena);
}

static void test_a_list_ends_at_its_bound(void **state)
{
    static struct decoding d;
    struct zkt_any_list list;
    (void)state;
    set_up(&d);
    add(&d, "[1,2,3,\"x\"");
    for (int i = 0; i < MANY; i++) {
        add_number(&d, ",{\"\\n%d\":[]}", i);
    }
    add(&d, "] ");
    assert_false(decode(&d, &few_list_type, &list));
    assert_int_equal(d.issues.total, 1);
    assert_string_equal(d.issues.items[0].message.data,
                        "must have at most 3 items");
    assert_true(zkt__reader_done(&d.reader));
    assert_int_equal(d.reader.depth, 0);
    zkt__arena_finish(&d.arena);
}

/* The rest is skipped, but must be well-formed. */
static void test_the_rest_is_well_formed(void **state)
{
    static const struct {
        const struct zkt_type *type;
        const char *text;
    } table[] = {
        { &few_map_type, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,}" },
        { &few_map_type, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,5}" },
        { &few_map_type, "{\"a\":1,\"b\":2,\"c\":3,\"d\":}" },
        { &few_map_type, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4]" },
        { &few_map_type, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4" },
        { &few_list_type, "[1,2,3,4,]" },
        { &few_list_type, "[1,2,3,4,\"a\":5]" },
        { &few_list_type, "[1,2,3,4}" },
        { &few_list_type, "[1,2,3,[4]" },
    };
    static struct decoding d;
    struct zkt_int32_map value;
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        set_up(&d);
        add(&d, table[i].text);
        assert_false(decode(&d, table[i].type, &value));
        assert_true(d.reader.malformed);
        zkt__arena_finish(&d.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_decoded_map_is_indexed),
        cmocka_unit_test(test_a_map_ends_at_its_bound),
        cmocka_unit_test(test_a_client_takes_more),
        cmocka_unit_test(test_a_list_ends_at_its_bound),
        cmocka_unit_test(test_the_rest_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
