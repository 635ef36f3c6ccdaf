/*
 * Values that a handler writes and no text could bring in: the issues of
 * zkt__check_value. Also long lists of unique items, and decoding with every
 * allocation failing in turn.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "every_types.h"
#include "failing_alloc.h"
#include "json/json.h"
#include "json/pattern.h"

#define ACCOUNT                                                                \
    "{\"email\":\"a@b.example\",\"maybe\":[\"x\",null],\"byName\":"            \
    "{\"o\\u006ee\":1,\"two\":null,\"one\":2},\"shape\":{\"radius\":1,"        \
    "\"kind\":\"circle\"},\"tags\":[\"a\",\"b\"],\"suits\":[\"class\"]}"

static const struct zkt_hash_key key = { 1, 2 };

/* Decodes an account; returns false if it is refused. */
static bool read_account(const struct zkt_allocator *allocator,
                         struct zkt_arena *arena, struct zkt_issues *issues,
                         const char *json, struct every_account *out)
{
    static char text[1024];
    struct zkt_pattern_cache patterns = { .allocator = allocator };
    const struct zkt_rule_context context = { .patterns = &patterns };
    struct zkt_reader reader;
    memset(text, 0, sizeof(text));
    memcpy(text, json, strlen(json));
    zkt__issues_init(issues, arena, &context);
    zkt__reader_init(&reader, text, strlen(json), arena, issues, &key);
    const bool good = every_account_type_.decode(&reader, &every_account_type_,
                                                 out) &&
                      zkt__reader_done(&reader) && issues->total == 0;
    assert_true(good || reader.no_memory || issues->no_memory ||
                issues->total > 0);
    zkt__patterns_finish(&patterns);
    return good;
}

static void test_no_memory(void **state)
{
    struct failing_alloc failing;
    (void)state;
    for (long n = 1;; n++) {
        struct zkt_arena arena;
        struct zkt_issues issues;
        struct every_account account;
        failing_alloc_init(&failing, n);
        zkt__arena_init(&arena, &failing.allocator);
        const bool good = read_account(&failing.allocator, &arena, &issues,
                                       ACCOUNT, &account);
        zkt__arena_finish(&arena);
        assert_int_equal(failing.live, 0);
        if (good && failing.calls < n) {
            assert_true(n > 3);
            return;
        }
    }
}

/* ---- values that a handler might write ---- */

typedef void spoil_function(struct every_account *account);

static void long_text(struct every_account *a)
{
    a->email = (struct zkt_str){ NULL, 3 };
}

static void no_utf8(struct every_account *a)
{
    a->id = (struct zkt_str){ "\xff", 1 };
}

static void no_bytes(struct every_account *a)
{
    a->data = (struct zkt_bytes){ NULL, 3 };
}

static void no_json(struct every_account *a)
{
    a->extra = (struct zkt_json){ "{", 1 };
}

static void json_twice(struct every_account *a)
{
    a->extra = (struct zkt_json){ "1 2", 3 };
}

static void json_without_text(struct every_account *a)
{
    a->extra = (struct zkt_json){ NULL, 3 };
}

static void no_suit(struct every_account *a)
{
    a->class_ = (enum every_suit)9;
}

static void no_shape(struct every_account *a)
{
    memset(&a->shape, 0xff, sizeof(int));
}

static void no_number(struct every_account *a)
{
    a->ratio = (double)NAN;
}

static void too_big(struct every_account *a)
{
    a->big = UINT64_MAX;
}

static void no_step(struct every_account *a)
{
    a->linux_ = 7;
}

static void bad_key(struct every_account *a)
{
    static const struct every_int32_opt_entry entry = { { "\xff", 1 },
                                                        { false, 0 } };
    a->by_name.items = &entry;
    a->by_name.len = 1;
}

static void test_bad_values(void **state)
{
    static const struct {
        spoil_function *spoil;
        const char *issue;
    } table[] = {
        { long_text, "has a length but no text" },
        { no_utf8, "is not valid UTF-8" },
        { no_bytes, "has a length but no bytes" },
        { no_json, "is not JSON" },
        { json_twice, "is not JSON" },
        { json_without_text, "is not valid UTF-8" },
        { no_suit, "is no value of its enum" },
        { no_shape, NULL },
        { no_number, NULL },
        { too_big, NULL },
        { no_step, NULL },
        { bad_key, "its key is not valid UTF-8" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_arena arena;
        struct zkt_issues issues;
        struct every_account account;
        zkt__arena_init(&arena, &zkt__allocator_default);
        assert_true(read_account(&zkt__allocator_default, &arena, &issues,
                                 ACCOUNT, &account));
        zkt__issues_init(&issues, &arena, NULL);
        assert_true(
            zkt__check_value(&every_account_type_, &account, NULL, 0, &issues));
        table[i].spoil(&account);
        assert_false(
            zkt__check_value(&every_account_type_, &account, NULL, 0, &issues));
        assert_int_equal(issues.total, 1);
        if (table[i].issue != NULL) {
            assert_string_equal(issues.items[0].message.data, table[i].issue);
        }
        zkt__arena_finish(&arena);
    }
}

/* ---- unique items ---- */

static bool is_unique(const struct zkt_type *item, const void *items,
                      size_t len, const char *issue)
{
    const struct zkt_list_info info = { .item = item,
                                        .max = UINT32_MAX,
                                        .unique = true };
    const struct zkt_type type = {
        .kind = ZKT_KIND_LIST,
        .size = sizeof(struct zkt_str_list),
        .of.lists = &info,
    };
    const struct {
        const void *items;
        size_t len;
    } list = { items, len };
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    zkt__arena_init(&arena, &zkt__allocator_default);
    const bool whole = zkt__check_value(&type, &list, NULL, 0, &issues);
    assert_int_equal(zkt__check_constraints(&type, &list, NULL, 0, &issues),
                     whole);
    if (!whole) {
        assert_string_equal(issues.items[0].message.data, issue);
    }
    zkt__arena_finish(&arena);
    return whole;
}

static void test_unique(void **state)
{
    double reals[100];
    float singles[100];
    int32_t ints[100];
    char letters[100][4];
    struct zkt_str texts[100];
    (void)state;
    for (int i = 0; i < 100; i++) {
        reals[i] = (i * 37 % 100) / 4.0;
        singles[i] = (float)(i * 37 % 100) / 8;
        ints[i] = i * 37 % 100;
        snprintf(letters[i], sizeof(letters[i]), "%d", i * 37 % 100);
        texts[i] = zkt_cstr(letters[i]);
    }
    for (size_t len = 0; len <= 100; len += 4) {
        assert_true(is_unique(&zkt_type_float64, reals, len, ""));
        assert_true(is_unique(&zkt_type_float32, singles, len, ""));
        assert_true(is_unique(&zkt_type_int32, ints, len, ""));
        assert_true(is_unique(&zkt_type_string, texts, len, ""));
    }
    reals[90] = reals[5];
    singles[90] = singles[5];
    ints[90] = ints[5];
    texts[90] = texts[5];
    texts[95] = texts[7]; /* the pair that ends first is reported */
#define PAIR "items 5 and 90 are equal"
    assert_false(is_unique(&zkt_type_float64, reals, 100, PAIR));
    assert_false(is_unique(&zkt_type_float32, singles, 100, PAIR));
    assert_false(is_unique(&zkt_type_int32, ints, 100, PAIR));
    assert_false(is_unique(&zkt_type_string, texts, 100, PAIR));
    texts[3] = texts[1];
    assert_false(
        is_unique(&zkt_type_string, texts, 8, "items 1 and 3 are equal"));
}

/* ---- unknown keys in a strict struct ---- */

#define BAD_BOX                                                                \
    "{\"email\":\"a@b.example\",\"shape\":{\"kind\":\"box\","                  \
    "\"min\":[0,0],\"max\":[1,1]"

static void assert_unknown(const char *keys, const char *message)
{
    char json[1024];
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct every_account account;
    zkt__arena_init(&arena, &zkt__allocator_default);
    snprintf(json, sizeof(json), BAD_BOX "%s}}", keys);
    assert_false(
        read_account(&zkt__allocator_default, &arena, &issues, json, &account));
    assert_int_equal(issues.total, 1);
    assert_int_equal(issues.items[0].code, ZKT_ISSUE_UNRECOGNIZED_KEYS);
    assert_int_equal(issues.items[0].depth, 1);
    assert_string_equal(issues.items[0].message.data, message);
    zkt__arena_finish(&arena);
}

static void test_unknown_keys(void **state)
{
#define TEN   "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
    (void)state;
    assert_unknown(",\"a\":1", "has an unknown key \"a\"");
    assert_unknown(",\"a\":1,\"\":[{}],\"\\u00e9\":2",
                   "has unknown keys \"a\", \"\", \"é\"");
    assert_unknown(",\"" SIXTY TEN "\":1",
                   "has an unknown key \"" SIXTY "0123\"");
    assert_unknown(
        ",\"1" SIXTY "\":1,\"2" SIXTY "\":1,\"3" SIXTY "\":1,\"d\":1",
        "has unknown keys \"1" SIXTY "\", \"2" SIXTY "\" and 2 more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_unknown_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
