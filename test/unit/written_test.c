/*
 * Values that can be written can be read: the checks of values that a handler
 * writes and of received text have the same bounds. Each value is checked, put
 * into a state and encoded, and the text is decoded with the same type.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "state/journal.h"
#include "json/json.h"
#include "json/pattern.h"
#include "json/rules.h"

#define WIRE_MAX 9007199254740991
#define TIME_MAX 8640000000000000

static const struct zkt_store store = { &zkt__allocator_default, { 1, 2 } };

static struct zkt_pattern_cache patterns = { .allocator =
                                                 &zkt__allocator_default };
static const struct zkt_rule_context rules = { .patterns = &patterns };

/* Returns true if the text of @value can be decoded. */
static bool is_read(const struct zkt_type *type, const void *value)
{
    static const char padding[ZKT_PADDING];
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_reader reader;
    struct zkt_writer writer;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__writer_init(&writer, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, &rules);
    type->encode(&writer, type, value);
    assert_false(writer.failed);
    const size_t len = writer.len;
    zkt_write_raw(&writer, padding, sizeof(padding));
    zkt__reader_init(&reader, writer.data, len, &arena, &issues, &store.key);
    void *back = zkt__arena_zero(&arena, 1, type->size);
    const bool good = type->decode(&reader, type, back) &&
                      zkt__reader_done(&reader);
    zkt__writer_finish(&writer);
    zkt__arena_finish(&arena);
    return good;
}

static bool is_written(const struct zkt_type *type, const void *value)
{
    struct zkt_arena arena;
    struct zkt_issues issues;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, &rules);
    const bool good = zkt__check_value(type, value, NULL, 0, &issues);
    assert_int_equal(good, issues.total == 0);
    zkt__arena_finish(&arena);
    return good;
}

static void assert_both(const struct zkt_type *type, const void *value,
                        bool good)
{
    assert_int_equal(is_written(type, value), good);
    assert_int_equal(is_read(type, value), good);
}

static void test_numbers(void **state)
{
    static const struct {
        int64_t value;
        bool fits_integer, fits_time;
    } table[] = {
        { 0, true, true },
        { TIME_MAX, true, true },
        { -TIME_MAX, true, true },
        { TIME_MAX + 1, true, false },
        { -TIME_MAX - 1, true, false },
        { WIRE_MAX, true, false },
        { -WIRE_MAX, true, false },
        { WIRE_MAX + 1, false, false },
        { -WIRE_MAX - 1, false, false },
        { INT64_MAX, false, false },
        { INT64_MIN, false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const int64_t value = table[i].value;
        assert_both(&zkt_type_int64, &value, table[i].fits_integer);
        assert_both(&zkt_type_timestamp, &value, table[i].fits_time);
        if (value >= 0) {
            const uint64_t positive = (uint64_t)value;
            assert_both(&zkt_type_uint64, &positive, table[i].fits_integer);
        }
    }
    assert_false(is_written(&zkt_type_uint64, &(uint64_t){ UINT64_MAX }));
    assert_both(&zkt_type_int32, &(int32_t){ INT32_MIN }, true);
    assert_both(&zkt_type_uint32, &(uint32_t){ UINT32_MAX }, true);
}

static void test_reals(void **state)
{
    static const double good[] = { 0.0, -0.0, 1e308, -1e308, 5e-324, 0.1 };
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_both(&zkt_type_float64, &good[i], true);
    }
    assert_false(is_written(&zkt_type_float64, &(double){ (double)NAN }));
    assert_false(is_written(&zkt_type_float64, &(double){ (double)INFINITY }));
    assert_false(is_written(&zkt_type_float64, &(double){ -(double)INFINITY }));
    static const float floats[] = { 0.0f, -0.0f, FLT_MAX, -FLT_MAX, 0.1f };
    for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
        assert_both(&zkt_type_float32, &floats[i], true);
    }
    assert_false(is_written(&zkt_type_float32, &(float){ (float)NAN }));
    assert_false(is_written(&zkt_type_float32, &(float){ (float)INFINITY }));
    assert_false(is_written(&zkt_type_float32, &(float){ -(float)INFINITY }));
}

/* ---- keys ---- */

struct state {
    struct zkt_int32_map map;
};

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
    .encode = zkt_encode_map,
};
static const struct zkt_field field = { ZKT_STR_INIT("map"), 0, &map_type,
                                        NULL };
static const struct zkt_struct_info state_info = { .name = "State",
                                                   .fields = &field,
                                                   .count = 1 };
static const struct zkt_type state_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct state),
    .owns = true,
    .of.structs = &state_info,
};

/* Returns true if the mutator accepts the key, otherwise checks its issue. */
static bool is_put(struct zkt_str key, const char *issue)
{
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_journal journal;
    struct state state = { { NULL, 0, NULL } };
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, &rules);
    assert_true(zkt__journal_begin(&journal, &store, &arena, &issues,
                                   &state_type, &state, 10));
    zkt_state_put(journal.root, 0, key, &(int32_t){ 1 });
    const bool good = journal.failure == ZKT_OK;
    assert_int_equal(state.map.len, good);
    assert_int_equal(issues.total, !good);
    if (!good) {
        assert_string_equal(issues.items[0].message.data, issue);
        assert_int_equal(issues.items[0].depth, 2);
    }
    zkt__journal_commit(&journal);
    zkt__value_release(&store, &state_type, &state);
    zkt__arena_finish(&arena);
    return good;
}

static void assert_key(struct zkt_str key, bool good, const char *issue)
{
    const struct zkt_int32_entry entry = { key, 1 };
    const struct zkt_int32_map map = { &entry, 1, NULL };
    assert_both(&map_type, &map, good);
    assert_int_equal(is_put(key, issue), good);
}

static void test_keys(void **state)
{
    char text[ZKT_MAP_KEY_MAX + 2];
    const char *too_long = "the key must have at most 256 bytes";
    (void)state;
    memset(text, 'k', sizeof(text));
    assert_key(ZKT_STR(""), true, "");
    assert_key((struct zkt_str){ text, ZKT_MAP_KEY_MAX }, true, "");
    assert_key((struct zkt_str){ text, ZKT_MAP_KEY_MAX + 1 }, false, too_long);
    memcpy(text, "\0\n\"\\/~", 6);
    assert_key((struct zkt_str){ text, ZKT_MAP_KEY_MAX }, true, "");
    memcpy(text + ZKT_MAP_KEY_MAX - 1, "é", 2); /* bytes, not characters */
    assert_key((struct zkt_str){ text, ZKT_MAP_KEY_MAX + 1 }, false, too_long);
    assert_false(
        is_put((struct zkt_str){ "\xff", 1 }, "its key is not valid UTF-8"));
    assert_false(is_put((struct zkt_str){ text, ZKT_MAP_KEY_MAX },
                        "its key is not valid UTF-8"));
    assert_false(is_put((struct zkt_str){ NULL, 3 },
                        "its key has a length but no text"));
}

/* ---- depth ---- */

enum {
    DEEP = ZKT_DEPTH_MAX + 2
};

/* Lists in lists: type and value number n have depth n. */
static void test_depth(void **state)
{
    struct zkt_list_info infos[DEEP];
    struct zkt_type types[DEEP];
    struct zkt_any_list lists[DEEP];
    (void)state;
    for (size_t i = 0; i < DEEP; i++) {
        infos[i] = (struct zkt_list_info){ .item = i > 0 ? &types[i - 1]
                                                         : &zkt_type_int32,
                                           .max = 1 };
        types[i] = (struct zkt_type){
            .kind = ZKT_KIND_LIST,
            .size = sizeof(struct zkt_any_list),
            .owns = true,
            .of.lists = &infos[i],
            .decode = zkt_decode_list,
            .encode = zkt_encode_list,
        };
        lists[i] = (struct zkt_any_list){ i > 0 ? &lists[i - 1] : NULL, i > 0 };
        assert_both(&types[i], &lists[i], i < ZKT_DEPTH_MAX);
    }
}

/* The same as JSON in a list. */
static void test_depth_of_json(void **state)
{
    const struct zkt_list_info info = { .item = &zkt_type_json, .max = 1 };
    const struct zkt_type type = {
        .kind = ZKT_KIND_LIST,
        .size = sizeof(struct zkt_any_list),
        .owns = true,
        .of.lists = &info,
        .decode = zkt_decode_list,
        .encode = zkt_encode_list,
    };
    char text[2 * DEEP];
    (void)state;
    for (size_t i = 1; i < DEEP; i++) {
        memset(text, '[', i);
        memset(text + i, ']', i);
        const struct zkt_json json = { text, 2 * i };
        const struct zkt_any_list list = { &json, 1 };
        assert_both(&type, &list, i < ZKT_DEPTH_MAX);
        assert_both(&zkt_type_json, &json, i <= ZKT_DEPTH_MAX);
    }
}

static void test_texts(void **state)
{
    static const struct zkt_str good[] = {
        ZKT_STR_INIT(""),
        ZKT_STR_INIT("\0\x01\x1f\x7f\"\\/"),
        ZKT_STR_INIT("\xef\xbf\xbd\xf4\x8f\xbf\xbf\xee\x80\x80"),
    };
    static const char *const bad[] = {
        "\xff",     "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xe2\x82", "\x80",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_both(&zkt_type_string, &good[i], true);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct zkt_str text = zkt_cstr(bad[i]);
        assert_false(is_written(&zkt_type_string, &text));
    }
}

static bool is_sent(const struct zkt_type *type, const void *value)
{
    struct zkt_arena arena;
    struct zkt_issues issues;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, &rules);
    const bool good = zkt__check_input(type, value, &issues);
    assert_int_equal(good, issues.total == 0);
    zkt__arena_finish(&arena);
    return good;
}

/* Transforms change received values. Written values are checked as they are,
 * sent values as the receiver will make them. */
static void test_transforms(void **state)
{
    static const struct zkt_pattern letters = {
        .source = ZKT_STR_INIT("^[a-z]+$"),
        .display_text = ZKT_STR_INIT("/^[a-z]+$/"),
    };
    static const struct zkt_pattern capitals = {
        .source = ZKT_STR_INIT("^[A-Z]+$"),
        .display_text = ZKT_STR_INIT("/^[A-Z]+$/"),
    };
    static const struct zkt_string_rules trims = { 2, 4, .trim = true };
    static const struct zkt_string_rules lowers = {
        2,
        4,
        .trim = true,
        .lower = true,
        .pattern_count = 1,
        .patterns = &letters,
    };
    static const struct zkt_string_rules uppers = {
        2, 4, .upper = true, .pattern_count = 1, .patterns = &capitals,
    };
    static const struct {
        const char *text;
        const struct zkt_string_rules *rules;
        bool arrives, is_written;
    } rows[] = {
        { "ab", &trims, true, true },       { " ab ", &trims, true, true },
        { "   ab", &trims, true, false },   { "    ", &trims, false, true },
        { " a ", &trims, false, true },     { "abcde", &trims, false, false },
        { "", &trims, false, false },       { "ab", &lowers, true, true },
        { "\tAB\n", &lowers, true, false }, { "a-b", &lowers, false, false },
        { "AB", &uppers, true, true },      { "ab", &uppers, true, false },
        { " AB", &uppers, false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct zkt_type type = zkt_type_string;
        const struct zkt_str text = zkt_cstr(rows[i].text);
        type.of.strings = rows[i].rules;
        print_message("# row %zu\n", i);
        assert_int_equal(is_read(&type, &text), rows[i].arrives);
        assert_int_equal(is_sent(&type, &text), rows[i].arrives);
        assert_int_equal(is_written(&type, &text), rows[i].is_written);
    }
    zkt__patterns_finish(&patterns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_reals),
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_of_json), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_transforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
