/*
 * The state: n changes in a call, and the work on their journal at the end of
 * the call; and patches of n operations, as a client reads them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "growth_types.h"
#include "state/journal.h"

/* The fields of the state in growth.zkt, in their order. */
enum {
    N,
    NOTE,
    INTS,
    TEXTS,
    POINTS,
    CHECKS,
    MANY_ONE,
    ONE,
    FEW,
    SHAPES,
    PAIRS,
    GRID,
    MAP,
    NAMES,
    MAPPED,
    LISTS
};

static const struct zkt_store store = { &growth_allocator, { 1, 2 } };

/* The state of a row. */
struct work {
    struct growth_store_state state;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_journal journal;
    struct zkt_writer plain, rfc6902, patch;
    size_t n;
    struct zkt_cursor **places; /* n of them */
};

/* Makes change number @i of n. */
typedef void change_function(struct work *w, size_t i);

static struct zkt_cursor *root(const struct work *w)
{
    return w->journal.root;
}

/* Returns a key, valid until the next call. */
static struct zkt_str key_of(size_t i)
{
    static char text[32];
    return (struct zkt_str){ text, (size_t)snprintf(text, sizeof(text),
                                                    "key %zu", i) };
}

static const struct growth_point point = { .x = 1 };

/* ---- changes ---- */

static void set_n(struct work *w, size_t i)
{
    const int32_t n = (int32_t)i;
    zkt_state_set(root(w), N, &n);
}

static void set_note(struct work *w, size_t i)
{
    const struct zkt_str_opt note = { true, key_of(i) };
    zkt_state_set(root(w), NOTE, &note);
}

static void unset_note(struct work *w, size_t i)
{
    (void)i;
    zkt_state_unset(root(w), NOTE);
}

static void append_int(struct work *w, size_t i)
{
    const int32_t n = (int32_t)i;
    zkt_state_insert(root(w), INTS, ZKT_LAST, &n);
}

static void append_one(struct work *w, size_t i)
{
    const int32_t n = (int32_t)i;
    zkt_state_insert(root(w), ONE, ZKT_LAST, &n);
}

static void append_text(struct work *w, size_t i)
{
    const struct zkt_str text = key_of(i);
    zkt_state_insert(root(w), TEXTS, ZKT_LAST, &text);
}

static void append_point(struct work *w, size_t i)
{
    (void)i;
    zkt_state_insert(root(w), POINTS, ZKT_LAST, &point);
}

static void append_texts(struct work *w, size_t i)
{
    const struct zkt_str texts[] = { key_of(i), key_of(i), key_of(i) };
    zkt_state_append_all(root(w), TEXTS, &(struct zkt_str_list){ texts, 3 });
}

static void append_check(struct work *w, size_t i)
{
    (void)i;
    zkt_state_insert(root(w), CHECKS, ZKT_LAST, &(struct growth_checked){ 0 });
}

static void append_unique(struct work *w, size_t i)
{
    const int32_t n = (int32_t)i;
    zkt_state_insert(root(w), MANY_ONE, ZKT_LAST,
                     &(struct zkt_int32_list){ &n, 1 });
}

static void replace_int(struct work *w, size_t i)
{
    zkt_state_replace(root(w), INTS, i, &(int32_t){ 7 });
}

static void replace_text(struct work *w, size_t i)
{
    zkt_state_replace(root(w), TEXTS, i, &ZKT_STR("other"));
}

static void remove_first(struct work *w, size_t i)
{
    (void)i;
    zkt_state_remove(root(w), TEXTS, 0, 1);
}

static void remove_last(struct work *w, size_t i)
{
    zkt_state_remove(root(w), TEXTS, w->n - 1 - i, 1);
}

static void remove_all(struct work *w, size_t i)
{
    if (i == 0) {
        zkt_state_remove(root(w), TEXTS, 0, w->n);
    }
}

static void clear_texts(struct work *w, size_t i)
{
    (void)i;
    zkt_state_clear(root(w), TEXTS);
}

static void put_name(struct work *w, size_t i)
{
    zkt_state_put(root(w), NAMES, key_of(i), &ZKT_STR("name"));
}

static void put_point(struct work *w, size_t i)
{
    zkt_state_put(root(w), MAPPED, key_of(i), &point);
}

static void put_list(struct work *w, size_t i)
{
    const int32_t n = (int32_t)i;
    zkt_state_put(root(w), LISTS, key_of(i), &(struct zkt_int32_list){ &n, 1 });
}

static void put_one_name(struct work *w, size_t i)
{
    const struct zkt_str name = key_of(i);
    zkt_state_put(root(w), NAMES, ZKT_STR("key"), &name);
}

static void delete_name(struct work *w, size_t i)
{
    zkt_state_delete(root(w), NAMES, key_of(i));
}

static void delete_and_put(struct work *w, size_t i)
{
    delete_name(w, i);
    put_name(w, i);
}

static void edit_point(struct work *w, size_t i)
{
    zkt_state_set(zkt_state_edit_item(root(w), POINTS, i), 0, &(int32_t){ 7 });
}

static void edit_check(struct work *w, size_t i)
{
    zkt_state_set(zkt_state_edit_item(root(w), CHECKS, i), 0, &(int32_t){ 7 });
}

static void edit_unique(struct work *w, size_t i)
{
    zkt_state_insert(zkt_state_edit_item(root(w), MANY_ONE, i), ZKT_ITSELF,
                     ZKT_LAST, &(int32_t){ -1 });
}

static void edit_mapped(struct work *w, size_t i)
{
    zkt_state_set(zkt_state_edit_entry(root(w), MAPPED, key_of(i)), 0,
                  &(int32_t){ 7 });
}

static void edit_list(struct work *w, size_t i)
{
    zkt_state_insert(zkt_state_edit_entry(root(w), LISTS, key_of(i)),
                     ZKT_ITSELF, ZKT_LAST, &(int32_t){ 7 });
}

/* All cursors are taken before the first of them is used. */
static void use_held_point(struct work *w, size_t i)
{
    for (size_t k = 0; i == 0 && k < w->n; k++) {
        w->places[k] = zkt_state_edit_item(root(w), POINTS, k);
    }
    zkt_state_set(w->places[i], 0, &(int32_t){ 7 });
}

static void edit_one_point(struct work *w, size_t i)
{
    const int32_t n = (int32_t)i;
    zkt_state_set(zkt_state_edit_item(root(w), POINTS, 0), 0, &n);
}

static const struct {
    const char *name;
    change_function *before; /* makes the subject of the change, or NULL */
    change_function *change;
} changes[] = {
    { "setting a field", NULL, set_n },
    { "setting a text", NULL, set_note },
    { "unsetting a field", NULL, unset_note },
    { "appending", NULL, append_int },
    { "appending texts", NULL, append_text },
    { "appending several texts", NULL, append_texts },
    { "appending structs", NULL, append_point },
    { "appending to a unique list", NULL, append_one },
    { "replacing items", append_int, replace_int },
    { "replacing texts", append_text, replace_text },
    { "removing the first", append_text, remove_first },
    { "removing the last", append_text, remove_last },
    { "removing all", append_text, remove_all },
    { "clearing", append_text, clear_texts },
    { "putting", NULL, put_name },
    { "putting lists", NULL, put_list },
    { "putting again", put_name, put_name },
    { "putting under one key", NULL, put_one_name },
    { "deleting", put_name, delete_name },
    { "deleting and putting", put_name, delete_and_put },
    { "editing items", append_point, edit_point },
    { "editing items that are held", append_point, use_held_point },
    { "editing one item", append_point, edit_one_point },
    { "editing items with a check", append_check, edit_check },
    { "editing unique lists", append_unique, edit_unique },
    { "editing entries", put_point, edit_mapped },
    { "editing lists in a map", put_list, edit_list },
};

enum {
    CHANGE_COUNT = sizeof(changes) / sizeof(changes[0])
};

/* ---- preparation ---- */

static void begin(struct work *w)
{
    zkt__issues_init(&w->issues, &w->arena, NULL);
    zkt__journal_begin(&w->journal, &store, &w->arena, &w->issues,
                       &growth_store_state_type_, &w->state, UINT32_MAX);
}

static void do_all(struct work *w, change_function *change)
{
    for (size_t i = 0; change != NULL && i < w->n; i++) {
        change(w, i);
    }
}

/* Makes a state with n changes of @change, and a new journal. */
static struct work *prepare_state(size_t n, change_function *change)
{
    struct work *w = calloc(1, sizeof(*w));
    w->n = n;
    w->places = zkt__alloc(&growth_allocator, (n + 1) * sizeof(*w->places));
    zkt__arena_init(&w->arena, &growth_allocator);
    zkt__writer_init(&w->plain, &growth_allocator);
    zkt__writer_init(&w->rfc6902, &growth_allocator);
    zkt__writer_init(&w->patch, &growth_allocator);
    zkt__value_default(&store, &growth_store_state_type_, &w->state);
    begin(w);
    do_all(w, change);
    zkt__journal_commit(&w->journal);
    begin(w);
    return w;
}

/* Prepares the row of change number *@with: it is still to be done. */
static size_t change_of(const void *with)
{
    return *(const size_t *)with;
}

static void *prepare_change(const void *with, size_t n)
{
    struct work *w = prepare_state(n, changes[change_of(with)].before);
    w->plain.len = change_of(with); /* until it is done */
    return w;
}

static bool change_all(void *work)
{
    struct work *w = work;
    change_function *change = changes[w->plain.len].change;
    w->plain.len = 0;
    do_all(w, change);
    return w->journal.failure == ZKT_OK;
}

/* The same, after the changes. */
static void *prepare_end(const void *with, size_t n)
{
    struct work *w = prepare_change(with, n);
    return change_all(w) ? w : NULL;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt__journal_commit(&w->journal);
    free(w);
}

/* ---- the end of a call ---- */

static bool check(void *work)
{
    struct work *w = work;
    return zkt__journal_check(&w->journal);
}

static bool write_patch(void *work)
{
    struct work *w = work;
    bool same;
    return zkt__journal_patch(&w->journal, &w->plain, &w->rfc6902, &same);
}

static bool undo(void *work)
{
    struct work *w = work;
    zkt__journal_undo(&w->journal);
    return true;
}

static bool commit(void *work)
{
    struct work *w = work;
    zkt__journal_commit(&w->journal);
    return true;
}

static void count_fields(void *user, uint32_t field)
{
    (void)field;
    ++*(uint32_t *)user;
}

static bool ask_changed_fields(void *work)
{
    struct work *w = work;
    uint32_t count = 0;
    zkt__journal_changed_fields(&w->journal, count_fields, &count);
    return count <= 1;
}

static const struct {
    const char *name;
    void *(*prepare)(const void *with, size_t n);
    bool (*run)(void *work);
} steps[] = {
    { "", prepare_change, change_all },
    { " and the check", prepare_end, check },
    { " and the patch", prepare_end, write_patch },
    { " and undo", prepare_end, undo },
    { " and the commit", prepare_end, commit },
    { " and its fields", prepare_end, ask_changed_fields },
};

static void measure_change(size_t number)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char name[160];
        snprintf(name, sizeof(name), "state: %s%s", changes[number].name,
                 steps[i].name);
        growth_measure(&(const struct growth_row){
            .name = name,
            .with = &number,
            .prepare = steps[i].prepare,
            .run = steps[i].run,
            .finish = finish,
        });
    }
}

/* ---- patches, read ---- */

/* An operation on the result of @before; `#` stands for its number. */
static const struct operation {
    const char *name;
    change_function *before;
    const char *text;
} operations[] = {
    { "field", NULL, "\"replace\",\"path\":\"/n\",\"value\":#" },
    { "whole lists", NULL, "\"replace\",\"path\":\"/ints\",\"value\":[1,2]" },
    { "appending", NULL, "\"add\",\"path\":\"/ints/-\",\"value\":#" },
    { "replacing", append_int, "\"replace\",\"path\":\"/ints/#\",\"value\":1" },
    { "removing", append_int, "\"remove\",\"path\":\"/ints/0\"" },
    { "putting", NULL, "\"add\",\"path\":\"/names/key #\",\"value\":\"x\"" },
    { "putting again", put_name,
      "\"replace\",\"path\":\"/names/key #\",\"value\":\"x\"" },
    { "deleting", put_name, "\"remove\",\"path\":\"/names/key #\"" },
    { "in items", append_point,
      "\"replace\",\"path\":\"/points/#/x\",\"value\":1" },
    { "in entries", put_point,
      "\"replace\",\"path\":\"/mapped/key #/x\",\"value\":1" },
    { "in lists of a map", put_list,
      "\"replace\",\"path\":\"/lists/key #/0\",\"value\":1" },
    { "unknown fields", NULL, "\"replace\",\"path\":\"/u#\",\"value\":[#]" },
};

static void *prepare_patch(const void *with, size_t n)
{
    const struct operation *operation = with;
    struct work *w = prepare_state(n, operation->before);
    w->journal.checks = false;
    ZKT_WRITE(&w->patch, "[");
    for (size_t i = 0; i < n; i++) {
        const char *text = operation->text, *place;
        zkt_write_raw(&w->patch,
                      i > 0 ? ",{\"op\":" : "{\"op\":", i > 0 ? 7 : 6);
        for (; (place = strchr(text, '#')) != NULL; text = place + 1) {
            zkt_write_raw(&w->patch, text, (size_t)(place - text));
            zkt_write_int64(&w->patch, (int64_t)i);
        }
        zkt_write_raw(&w->patch, text, strlen(text));
        ZKT_WRITE(&w->patch, "}");
    }
    static const char end[ZKT_PADDING + 1] = "]";
    zkt_write_raw(&w->patch, end, sizeof(end));
    return w;
}

static bool apply_patch(void *work)
{
    struct work *w = work;
    struct zkt_reader reader;
    zkt__reader_init(&reader, w->patch.data, w->patch.len - ZKT_PADDING,
                     &w->arena, &w->issues, &store.key);
    return zkt__patch_apply(&w->journal, &reader, ZKT_DIALECT_PLAIN) ==
           ZKT_PATCH_APPLIED;
}

static void measure_patch(const struct operation *operation)
{
    char name[160];
    snprintf(name, sizeof(name), "state: a patch read, %s", operation->name);
    growth_measure(&(const struct growth_row){
        .name = name,
        .with = operation,
        .prepare = prepare_patch,
        .run = apply_patch,
        .finish = finish,
    });
}

void growth_state(void)
{
    for (size_t i = 0; i < CHANGE_COUNT; i++) {
        measure_change(i);
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        measure_patch(&operations[i]);
    }
}
