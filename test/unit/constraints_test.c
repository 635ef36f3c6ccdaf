/*
 * Checks at the end of a call: a rule of a container that a change inside of it
 * has broken, unless a later change has replaced or removed it. With one
 * change, a few, and so many that indexes grow, and with every allocation
 * failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "state/journal.h"

/* ---- a state: { "rows": [{ "marks": [1] } …], "one": {…} } ----
 * Marks are unique and at most three. */

struct row {
    struct zkt_int32_list marks;
};

struct row_list {
    const struct row *items;
    size_t len;
};

struct state {
    struct row_list rows;
    struct row one;
};

enum {
    ROWS,
    ONE,
    MARKS = 0,
    MANY = 200
};

static const struct zkt_list_info marks_info = { .item = &zkt_type_int32,
                                                 .max = 3,
                                                 .unique = true };
static const struct zkt_type marks_type = {
    .kind = ZKT_KIND_LIST,
    .size = sizeof(struct zkt_int32_list),
    .owns = true,
    .of.lists = &marks_info,
};
static const struct zkt_field row_fields[] = {
    { ZKT_STR_INIT("marks"), offsetof(struct row, marks), &marks_type, NULL },
};
static const struct zkt_struct_info row_info = { .name = "Row",
                                                 .fields = row_fields,
                                                 .count = 1 };
static const struct zkt_type row_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct row),
    .owns = true,
    .of.structs = &row_info,
};
static const struct zkt_list_info rows_info = { .item = &row_type,
                                                .max = UINT32_MAX };
static const struct zkt_type rows_type = {
    .kind = ZKT_KIND_LIST,
    .size = sizeof(struct row_list),
    .owns = true,
    .of.lists = &rows_info,
};
static const struct zkt_field fields[] = {
    { ZKT_STR_INIT("rows"), offsetof(struct state, rows), &rows_type, NULL },
    { ZKT_STR_INIT("one"), offsetof(struct state, one), &row_type, NULL },
};
static const struct zkt_struct_info state_info = { .name = "State",
                                                   .fields = fields,
                                                   .count = 2 };
static const struct zkt_type type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct state),
    .owns = true,
    .of.structs = &state_info,
};

static const int32_t first_mark = 1;
static const struct row row = { .marks = { &first_mark, 1 } };

/* ---- a journal ---- */

struct bench {
    struct failing_alloc failing;
    struct zkt_store store;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_journal journal;
    struct state state;
};

static void begin(struct bench *b)
{
    b->issues = (struct zkt_issues){ .arena = &b->arena };
    assert_true(zkt__journal_begin(&b->journal, &b->store, &b->arena,
                                   &b->issues, &type, &b->state, 10 * MANY));
}

static int set_up(void **state)
{
    static struct bench b;
    b = (struct bench){ .issues.count = 0 };
    failing_alloc_init(&b.failing, 0);
    b.store.allocator = &b.failing.allocator;
    zkt__arena_init(&b.arena, &b.failing.allocator);
    begin(&b);
    for (size_t i = 0; i < MANY; i++) {
        zkt_state_insert(b.journal.root, ROWS, ZKT_LAST, &row);
    }
    zkt_state_set(b.journal.root, ONE, &row);
    assert_true(zkt__journal_check(&b.journal));
    zkt__journal_commit(&b.journal);
    begin(&b);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    zkt__journal_undo(&b->journal);
    zkt__value_release(&b->store, &type, &b->state);
    zkt__arena_finish(&b->arena);
    assert_int_equal(b->failing.live, 0);
    return 0;
}

static void mark(struct bench *b, size_t index, int32_t value)
{
    zkt_state_insert(zkt_state_edit_item(b->journal.root, ROWS, index), MARKS,
                     ZKT_LAST, &value);
}

/* Marks all rows from @from on, except @but, so that there are many records. */
static void mark_all(struct bench *b, size_t from, size_t but)
{
    for (size_t i = from; i < MANY; i++) {
        if (i != but) {
            mark(b, i, 2);
        }
    }
}

/* Expects the check to fail with an issue at @path. */
static void assert_broken(struct bench *b, const char *message, size_t row_at)
{
    assert_int_equal(b->journal.failure, ZKT_OK);
    assert_false(zkt__journal_check(&b->journal));
    assert_int_equal(b->journal.failure, ZKT_INTERNAL);
    assert_int_equal(b->issues.count, 1);
    const struct zkt_issue *issue = &b->issues.items[0];
    assert_true(zkt_str_eq(issue->message, zkt_cstr(message)));
    assert_int_equal(issue->depth, 3);
    assert_int_equal(issue->path[1].order, row_at);
}

static void assert_good(struct bench *b)
{
    assert_true(zkt__journal_check(&b->journal));
    assert_int_equal(b->journal.failure, ZKT_OK);
    assert_int_equal(b->issues.total, 0);
}

/* ---- the tests ---- */

static void test_one_change(void **state)
{
    struct bench *b = *state;
    mark(b, 7, 1);
    assert_broken(b, "items 0 and 1 are equal", 7);
}

static void test_a_change_among_many(void **state)
{
    struct bench *b = *state;
    mark_all(b, 0, 50);
    mark(b, 50, 1);
    mark(b, 60, 3);
    assert_broken(b, "items 0 and 1 are equal", 50);
}

static void test_a_repaired_value_passes(void **state)
{
    struct bench *b = *state;
    mark(b, 3, 1);
    mark_all(b, 4, MANY);
    zkt_state_remove(zkt_state_edit_item(b->journal.root, ROWS, 3), MARKS, 0,
                     1);
    assert_good(b);
}

static void test_a_replaced_value_is_not_checked(void **state)
{
    struct bench *b = *state;
    mark(b, 3, 1);
    mark_all(b, 0, 3);
    zkt_state_replace(b->journal.root, ROWS, 3, &row);
    assert_good(b);
}

/* The rows move, so an old cursor into them is meaningless. */
static void test_a_removed_value_is_not_checked(void **state)
{
    struct bench *b = *state;
    mark(b, 0, 1);
    zkt_state_remove(b->journal.root, ROWS, 0, 1);
    assert_good(b);
}

/* Only the field of the struct is replaced. */
static void test_one_field_is_replaced(void **state)
{
    struct bench *b = *state;
    mark(b, 9, 1);
    zkt_state_set(b->journal.root, ONE, &row);
    assert_broken(b, "items 0 and 1 are equal", 9);
}

static void test_counts(void **state)
{
    struct bench *b = *state;
    for (int32_t i = 2; i < 5; i++) {
        mark(b, 5, i);
        mark(b, 6, i);
    }
    mark_all(b, 10, MANY);
    zkt_state_remove(zkt_state_edit_item(b->journal.root, ROWS, 5), MARKS, 0,
                     1);
    assert_broken(b, "must have at most 3 items", 6);
}

static void test_counts_that_are_gone(void **state)
{
    struct bench *b = *state;
    for (int32_t i = 2; i < 5; i++) {
        mark(b, 5, i);
    }
    mark_all(b, 10, MANY);
    zkt_state_clear(b->journal.root, ROWS);
    assert_good(b);
}

/* ---- cursors that are held while other values change ---- */

static void hold_all(struct bench *b, struct zkt_cursor *places[MANY])
{
    for (size_t i = 0; i < MANY; i++) {
        places[i] = zkt_state_edit_item(b->journal.root, ROWS, i);
        assert_non_null(places[i]);
    }
}

static void test_places_are_held(void **state)
{
    struct bench *b = *state;
    struct zkt_cursor *places[MANY];
    hold_all(b, places);
    for (size_t i = 0; i < MANY; i++) {
        zkt_state_insert(places[i], MARKS, ZKT_LAST, &(int32_t){ 2 });
    }
    assert_int_equal(b->journal.count, MANY);
    assert_good(b);
}

/* A change among many detaches the cursor's list, or its field. */
static void test_places_that_are_cut_off(void **state)
{
    struct bench *b = *state;
    struct zkt_cursor *places[MANY];
    for (size_t before = 0; before < MANY - 1; before += 7) {
        zkt__journal_undo(&b->journal);
        begin(b);
        hold_all(b, places);
        struct zkt_cursor *one = zkt_state_edit(b->journal.root, ONE);
        mark_all(b, MANY - before, MANY);
        zkt_state_set(b->journal.root, ONE, &row);
        mark_all(b, 20, MANY);
        zkt_state_insert(places[3], MARKS, ZKT_LAST, &(int32_t){ 2 });
        assert_int_equal(b->journal.failure, ZKT_OK);
        zkt_state_clear(one, MARKS);
        assert_int_equal(b->journal.failure, ZKT_INTERNAL);
        zkt__journal_undo(&b->journal);
        begin(b);
        hold_all(b, places);
        mark_all(b, MANY - before, MANY);
        zkt_state_remove(b->journal.root, ROWS, MANY - 1, 1);
        zkt_state_clear(places[3], MARKS);
        assert_int_equal(b->journal.failure, ZKT_INTERNAL);
    }
}

static void test_no_memory_for_places(void **state)
{
    struct bench *b = *state;
    struct zkt_cursor *places[MANY];
    const struct zkt_arena before = b->arena;
    hold_all(b, places);
    mark_all(b, 1, MANY);
    b->arena.limit = b->arena.size;
    while (zkt__arena_alloc(&b->arena, 16) != NULL) {
    }
    zkt_state_clear(places[0], MARKS);
    assert_int_equal(b->journal.failure, ZKT_NO_MEMORY);
    assert_string_equal(b->journal.reason, "out of memory");
    b->arena.limit = before.limit;
}

/* The check itself needs memory when there are many changes. */
static void test_no_memory(void **state)
{
    struct bench *b = *state;
    for (long n = 1; n < 40; n++) {
        zkt__journal_undo(&b->journal);
        zkt__arena_finish(&b->arena);
        zkt__arena_init(&b->arena, &b->failing.allocator);
        begin(b);
        for (int round = 2; round < 4; round++) {
            for (size_t i = 0; i < MANY; i++) {
                mark(b, i, round);
            }
        }
        assert_int_equal(b->journal.failure, ZKT_OK);
        b->failing.fail_at = b->failing.calls + n;
        const bool good = zkt__journal_check(&b->journal);
        const bool failed = b->failing.calls >= b->failing.fail_at;
        b->failing.fail_at = 0;
        assert_int_equal(b->journal.failure, failed ? ZKT_NO_MEMORY : ZKT_OK);
        assert_int_equal(good, !failed);
        if (!failed) {
            assert_true(n > 1);
            return;
        }
    }
    fail_msg("it never stopped failing");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_one_change),
        T(test_a_change_among_many),
        T(test_a_repaired_value_passes),
        T(test_a_replaced_value_is_not_checked),
        T(test_a_removed_value_is_not_checked),
        T(test_one_field_is_replaced),
        T(test_counts),
        T(test_counts_that_are_gone),
        T(test_places_are_held),
        T(test_places_that_are_cut_off),
        T(test_no_memory_for_places),
        T(test_no_memory),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
