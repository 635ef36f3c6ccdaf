/*
 * The journal by example: each change, the patch in both dialects, and undo.
 * The random tests are in test/property; this test shows the sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "failing_alloc.h"
#include "state/journal.h"

/* ---- a state: { "n": 1, "list": [10 … 17], "map": {…}, "t"?: } ---- */

struct state {
    int32_t n;
    struct zkt_int32_list list;
    struct zkt_int32_map map;
    struct zkt_int32_opt opt;
};

static const struct zkt_list_info list_info = { .item = &zkt_type_int32,
                                                .max = 1000 };
static const struct zkt_type list_type = {
    .kind = ZKT_KIND_LIST,
    .size = sizeof(struct zkt_int32_list),
    .owns = true,
    .of.lists = &list_info,
    .decode = zkt_decode_list,
    .encode = zkt_encode_list,
};
static const struct zkt_map_info map_info = {
    &zkt_type_int32,
    sizeof(struct zkt_int32_entry),
    offsetof(struct zkt_int32_entry, value),
    0,
    UINT32_MAX,
};
static const struct zkt_type map_type = {
    .kind = ZKT_KIND_MAP,
    .size = sizeof(struct zkt_int32_map),
    .owns = true,
    .of.maps = &map_info,
    .decode = zkt_decode_map,
    .encode = zkt_encode_map,
};
static const struct zkt_optional_info opt_info = {
    &zkt_type_int32, offsetof(struct zkt_int32_opt, value)
};
static const struct zkt_type opt_type = {
    .kind = ZKT_KIND_OPTIONAL,
    .size = sizeof(struct zkt_int32_opt),
    .of.optionals = &opt_info,
    .decode = zkt_decode_optional,
    .encode = zkt_encode_optional,
};

enum {
    N,
    LIST,
    MAP,
    OPT
};

static const struct zkt_field fields[] = {
    { ZKT_STR_INIT("n"), offsetof(struct state, n), &zkt_type_int32, NULL },
    { ZKT_STR_INIT("list"), offsetof(struct state, list), &list_type, NULL },
    { ZKT_STR_INIT("map"), offsetof(struct state, map), &map_type, NULL },
    { ZKT_STR_INIT("opt"), offsetof(struct state, opt), &opt_type, NULL },
};
static const struct zkt_struct_info state_info = { .name = "State",
                                                   .fields = fields,
                                                   .count = 4 };
static const struct zkt_type type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct state),
    .owns = true,
    .of.structs = &state_info,
};

/* ---- a journal ---- */

struct bench {
    struct failing_alloc failing;
    struct zkt_store store;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_journal journal;
    struct state state, before;
    struct zkt_writer plain, rfc6902;
};

static int set_up(void **state)
{
    static const int32_t items[] = { 10, 11, 12, 13, 14, 15, 16, 17 };
    static const struct zkt_int32_entry entries[] = {
        { ZKT_STR_INIT("a/b"), 1 },
        { ZKT_STR_INIT("c~d"), 2 },
    };
    static const struct state initial = {
        1, { items, 8 }, { entries, 2, NULL }, { false, 0 }
    };
    static struct bench b;
    b = (struct bench){ .issues.count = 0 };
    failing_alloc_init(&b.failing, 0);
    b.store.allocator = &b.failing.allocator;
    zkt__arena_init(&b.arena, &b.failing.allocator);
    b.issues.arena = &b.arena;
    zkt__writer_init(&b.plain, &b.failing.allocator);
    zkt__writer_init(&b.rfc6902, &b.failing.allocator);
    assert_true(zkt__value_copy(&b.store, &type, &b.state, &initial));
    assert_true(zkt__value_copy(&b.store, &type, &b.before, &initial));
    assert_true(zkt__journal_begin(&b.journal, &b.store, &b.arena, &b.issues,
                                   &type, &b.state, 100));
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    zkt__journal_undo(&b->journal);
    assert_true(zkt__value_equal(&type, &b->state, &b->before));
    zkt__value_release(&b->store, &type, &b->state);
    zkt__value_release(&b->store, &type, &b->before);
    zkt__writer_finish(&b->plain);
    zkt__writer_finish(&b->rfc6902);
    zkt__arena_finish(&b->arena);
    assert_int_equal(b->failing.live, 0);
    return 0;
}

static struct zkt_cursor *root(struct bench *b)
{
    return b->journal.root;
}

/* Expects the operations of the patch as text, or "" for none. */
static void assert_patch(struct bench *b, const char *rfc6902,
                         const char *plain)
{
    bool same;
    b->plain.len = b->rfc6902.len = 0;
    assert_true(zkt__journal_patch(&b->journal, &b->plain, &b->rfc6902, &same));
    const struct zkt_writer *w[] = { &b->plain,
                                     same ? &b->plain : &b->rfc6902 };
    const char *expected[] = { plain, rfc6902 };
    for (size_t i = 0; i < 2; i++) {
        char text[2048];
        snprintf(text, sizeof(text), "%.*s", (int)w[i]->len,
                 w[i]->len > 0 ? w[i]->data : "");
        assert_string_equal(text, expected[i]);
    }
}

static void set_n(struct bench *b, int32_t n)
{
    zkt_state_set(root(b), N, &n);
}

static void insert(struct bench *b, size_t index, int32_t item)
{
    zkt_state_insert(root(b), LIST, index, &item);
}

#define OP(op, path, value)                                                    \
    "{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}"
#define REMOVE(path) "{\"op\":\"remove\",\"path\":\"" path "\"}"

static void test_setting_twice_is_one_change(void **state)
{
    struct bench *b = *state;
    set_n(b, 2);
    set_n(b, 3);
    assert_patch(b, "[" OP("replace", "/n", "3") "]",
                 "[" OP("replace", "/n", "3") "]");
}

static void test_setting_back_is_no_change(void **state)
{
    struct bench *b = *state;
    set_n(b, 2);
    set_n(b, 1);
    assert_patch(b, "", "");
}

static void test_optional(void **state)
{
    struct bench *b = *state;
    const struct zkt_int32_opt some = { true, 5 };
    zkt_state_set(root(b), OPT, &some);
    assert_patch(b, "[" OP("add", "/opt", "5") "]",
                 "[" OP("add", "/opt", "5") "]");
    zkt_state_unset(root(b), OPT);
    assert_patch(b, "", "");
}

static void test_capped_list(void **state)
{
    struct bench *b = *state;
    zkt_state_remove(root(b), LIST, 0, 1);
    insert(b, ZKT_LAST, 99);
#define CAPPED "[" REMOVE("/list/0") "," OP("add", "/list/7", "99") "]"
    assert_patch(b, CAPPED, CAPPED);
}

static void test_append_and_remove_vanish(void **state)
{
    struct bench *b = *state;
    insert(b, ZKT_LAST, 99);
    zkt_state_remove(root(b), LIST, 8, 1);
    assert_patch(b, "", "");
}

static void test_remove_and_insert_the_same_vanish(void **state)
{
    struct bench *b = *state;
    zkt_state_remove(root(b), LIST, 3, 1);
    insert(b, 3, 13);
    assert_patch(b, "", "");
}

static void test_insert_in_the_middle(void **state)
{
    struct bench *b = *state;
    zkt_state_remove(root(b), LIST, 5, 3);
    insert(b, 1, 77);
    assert_patch(
        b,
        "[" REMOVE("/list/7") "," REMOVE("/list/6") "," REMOVE(
            "/list/5") "," OP("add", "/list/1", "77") "]",
        "[" REMOVE("/list/7") "," REMOVE("/list/6") "," OP(
            "replace", "/list/1",
            "77") "," OP("replace", "/list/2",
                         "11") "," OP("replace", "/list/3",
                                      "12") "," OP("replace", "/list/4",
                                                   "13") "," OP("replace",
                                                                "/list/5",
                                                                "14") "]");
}

static void append_all(struct bench *b, const int32_t *items, size_t len)
{
    const struct zkt_int32_list list = { items, len };
    zkt_state_append_all(root(b), LIST, &list);
}

/* Many items are one change, which the patch has item by item. */
static void test_append_all(void **state)
{
    struct bench *b = *state;
    static const int32_t items[] = { 90, 91, 92 };
    append_all(b, items, 0);
    assert_int_equal(b->journal.count, 0);
    append_all(b, items, 3);
    append_all(b, items, 1);
    zkt_state_remove(root(b), LIST, 9, 1);
    assert_int_equal(b->journal.count, 3);
#define APPENDED                                                               \
    "[" OP("add", "/list/8", "90") "," OP("add", "/list/9", "92") "," OP(      \
        "add", "/list/10", "90") "]"
    assert_patch(b, APPENDED, APPENDED);
}

static void test_append_all_of_itself(void **state)
{
    struct bench *b = *state;
    zkt_state_append_all(root(b), LIST, &b->state.list);
    assert_int_equal(b->state.list.len, 16);
    assert_int_equal(b->state.list.items[15], 17);
}

/* The rule of the count is checked at the commit, those of items at once. */
static void test_append_too_many(void **state)
{
    struct bench *b = *state;
    int32_t items[993] = { 0 };
    append_all(b, items, 993);
    assert_int_equal(b->journal.failure, ZKT_OK);
    assert_false(zkt__journal_check(&b->journal));
}

/* A map that is set is sent as a whole, unless it is as it was. */
static void test_set_map(void **state)
{
    struct bench *b = *state;
    static const struct zkt_int32_entry entries[] = {
        { ZKT_STR_INIT("new"), 4 },
        { ZKT_STR_INIT("a/b"), 1 },
        { ZKT_STR_INIT("new"), 5 }, /* the last of a key counts */
    };
    zkt_state_set(root(b), MAP, &(struct zkt_int32_map){ entries, 3, NULL });
#define SET "[" OP("replace", "/map", "{\"new\":5,\"a/b\":1}") "]"
    assert_patch(b, SET, SET);
    zkt_state_set(root(b), MAP, &b->before.map);
    assert_patch(b, "", "");
}

static void test_map_keys_are_escaped(void **state)
{
    struct bench *b = *state;
    const int32_t five = 5;
    zkt_state_put(root(b), MAP, ZKT_STR("a/b"), &five);
    zkt_state_delete(root(b), MAP, ZKT_STR("c~d"));
    zkt_state_put(root(b), MAP, ZKT_STR("\"new\""), &five);
#define MAPPED                                                                 \
    "[" OP("replace", "/map/a~1b", "5") "," REMOVE("/map/c~0d") "," OP(        \
        "add", "/map/\\\"new\\\"", "5") "]"
    assert_patch(b, MAPPED, MAPPED);
}

/* More keys than a search without an index handles; each appears once, in
 * order, with its last value; added and removed keys do not appear. */
static void test_many_keys(void **state)
{
    struct bench *b = *state;
    char expected[2048] = "[";
    for (int32_t times = 1; times <= 3; times++) {
        for (int32_t i = 0; i < 20; i++) {
            char key[2] = { (char)('A' + i), '\0' };
            const int32_t value = 100 * times + i;
            zkt_state_put(root(b), MAP, zkt_cstr(key), &value);
        }
    }
    zkt_state_delete(root(b), MAP, ZKT_STR("A"));
    zkt_state_delete(root(b), MAP, ZKT_STR("M"));
    for (int32_t i = 1; i < 20; i++) {
        char one[80];
        snprintf(one, sizeof(one),
                 "%s{\"op\":\"add\",\"path\":\"/map/%c\",\"value\":%d}",
                 i > 1 ? "," : "", 'A' + i, 300 + i);
        strcat(expected, i != 12 ? one : "");
    }
    strcat(expected, "]");
    assert_patch(b, expected, expected);
}

/* A copy in one block also finds its keys by an index. */
static void test_a_copy_of_a_map_is_indexed(void **state)
{
    struct bench *b = *state;
    const int32_t seven = 7;
    for (int32_t i = 0; i < 20; i++) {
        char key[2] = { (char)('A' + i), '\0' };
        zkt_state_put(root(b), MAP, zkt_cstr(key), &seven);
    }
    const size_t size = zkt__value_measure(&type, &b->state);
    struct state *copy = zkt_value_dup(&type, &b->state);
    assert_non_null(copy);
    assert_non_null(copy->map.index_);
    assert_ptr_not_equal(copy->map.index_, b->state.map.index_);
    const struct zkt_map_index *index = copy->map.index_;
    assert_ptr_equal(index->items, copy->map.items); /* the index is used */
    assert_int_equal(index->index.used, copy->map.len);
    assert_true((const char *)copy->map.index_ < (const char *)copy + size);
    for (int32_t i = 0; i < 21; i++) {
        char key[2] = { (char)('A' + i), '\0' };
        const uint32_t at = zkt__map_position((struct zkt_any_map *)&copy->map,
                                              sizeof(struct zkt_int32_entry),
                                              zkt_cstr(key));
        assert_int_equal(at, i < 20 ? (uint32_t)i + 2 : ZKT_INDEX_NONE);
    }
    free(copy);
}

static const int32_t *find(const struct zkt_int32_map *map, const char *key)
{
    return zkt_int32_map_find(map, zkt_cstr(key));
}

/* A handler may assemble a map from another without knowing of the index. */
static void test_a_map_that_was_edited_by_hand(void **state)
{
    struct bench *b = *state;
    struct zkt_int32_entry other[20];
    for (int32_t i = 0; i < 20; i++) {
        char key[2] = { (char)('A' + i), '\0' };
        zkt_state_put(root(b), MAP, zkt_cstr(key), &i);
    }
    struct zkt_int32_map edited = b->state.map;
    edited.len = 3;
    assert_int_equal(*find(&edited, "A"), 0);
    assert_null(find(&edited, "B"));
    edited = b->state.map;
    for (size_t i = 0; i < 20; i++) {
        other[i] = edited.items[21 - i];
    }
    edited.items = other;
    edited.len = 20;
    for (int32_t i = 0; i < 20; i++) {
        char key[2] = { (char)('A' + i), '\0' };
        assert_int_equal(*find(&edited, key), i);
    }
    assert_null(find(&edited, "a/b"));
}

static void test_clear_and_fill_with_the_same(void **state)
{
    struct bench *b = *state;
    zkt_state_clear(root(b), LIST);
    for (int32_t i = 0; i < 8; i++) {
        insert(b, ZKT_LAST, 10 + i);
    }
    assert_patch(b, "", "");
}

static void test_limits_of_a_call(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 101; i++) {
        set_n(b, i);
    }
    assert_int_equal(b->journal.failure, ZKT_INTERNAL);
    assert_string_equal(b->journal.reason, "more than 100 changes in one call");
}

static void test_bad_writes_poison(void **state)
{
    struct bench *b = *state;
    const int32_t one = 1;
    zkt_state_replace(root(b), LIST, 8, &one);
    assert_string_equal(b->journal.reason,
                        "index 8 is past the end of 8 items");
    set_n(b, 7); /* has no effect any more */
    assert_int_equal(b->state.n, 1);
}

static void test_removing_too_many_poisons(void **state)
{
    struct bench *b = *state;
    zkt_state_remove(root(b), LIST, 6, 3);
    assert_int_equal(b->journal.failure, ZKT_INTERNAL);
    assert_int_equal(b->state.list.len, 8);
}

static void test_wrong_kinds_poison(void **state)
{
    struct bench *b = *state;
    zkt_state_clear(root(b), N);
    assert_int_equal(b->journal.failure, ZKT_INTERNAL);
    assert_null(zkt_state_edit_item(root(b), LIST, 0));
    zkt_state_set(NULL, N, NULL); /* a NULL cursor, from a failed allocation */
}

/* Every mutator with every allocation failing in turn: the state is as before
 * or as after the mutator, and undo restores it. */
static void test_no_memory(void **state)
{
    struct bench *b = *state;
    for (long n = 1; n < 40; n++) {
        zkt__journal_undo(&b->journal);
        assert_true(zkt__journal_begin(&b->journal, &b->store, &b->arena,
                                       &b->issues, &type, &b->state, 100));
        b->failing.fail_at = b->failing.calls + n;
        const int32_t one = 1;
        for (int32_t i = 0; i < 12; i++) {
            char key[2] = { (char)('a' + i), '\0' };
            zkt_state_put(root(b), MAP, zkt_cstr(key), &one);
            insert(b, ZKT_LAST, i);
        }
        zkt_state_append_all(root(b), LIST, &b->state.list);
        zkt_state_remove(root(b), LIST, 0, 9);
        zkt_state_delete(root(b), MAP, ZKT_STR("c"));
        zkt_state_clear(root(b), MAP);
        const bool failed = b->failing.calls >= b->failing.fail_at;
        b->failing.fail_at = 0;
        assert_int_equal(b->journal.failure, failed ? ZKT_NO_MEMORY : ZKT_OK);
        if (!failed) {
            assert_true(n > 10);
            return;
        }
    }
    fail_msg("it never stopped failing");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_setting_twice_is_one_change),
        T(test_setting_back_is_no_change),
        T(test_optional),
        T(test_capped_list),
        T(test_append_and_remove_vanish),
        T(test_remove_and_insert_the_same_vanish),
        T(test_insert_in_the_middle),
        T(test_append_all),
        T(test_append_all_of_itself),
        T(test_append_too_many),
        T(test_set_map),
        T(test_map_keys_are_escaped),
        T(test_many_keys),
        T(test_a_copy_of_a_map_is_indexed),
        T(test_a_map_that_was_edited_by_hand),
        T(test_clear_and_fill_with_the_same),
        T(test_limits_of_a_call),
        T(test_bad_writes_poison),
        T(test_removing_too_many_poisons),
        T(test_wrong_kinds_poison),
        T(test_no_memory),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
