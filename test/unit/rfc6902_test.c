/*
 * JSON Pointer and JSON Patch according to RFC 6901 and RFC 6902, applied to a
 * client's state. Each case is a patch and the part of the state that it leads
 * to, or MISMATCH: the patch does not fit and nothing has changed. `test`,
 * `move` and `copy` are never sent (docs/protocol.md), so they do not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "every_types.h"
#include "state/journal.h"
#include "json/json.h"

#define MISMATCH NULL
#define OP(op, path, value)                                                    \
    "{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}"
#define REMOVE(path) "{\"op\":\"remove\",\"path\":\"" path "\"}"

/* The beginning of every case. */
#define START                                                                  \
    "[" OP("add", "/points", "[[0,0],[1,1],[2,2]]") "," OP(                    \
        "add", "/notes",                                                       \
        "{\"a/b\":\"slash\",\"m~n\":\"tilde\",\"\":\"empty\","                 \
        "\"~1\":\"both\",\"0\":\"zero\",\"é\":\"é\",\"q\\\"\":\"quote\","    \
        "\"\\u0000\":\"nul\"}") "," OP("add", "/tree",                         \
                                       "{\"value\":1,\"kids\":[{\"value\":2}]" \
                                       "}") "]"

struct row {
    const char *rfc, *section, *patch; /* the patch without its brackets */
    const char *holds; /* text in the state's JSON afterwards, or MISMATCH */
};

static const struct row table[] = {
    /* RFC 6901: the syntax of a path. */
    { "6901", "4", OP("replace", "/notes/a~1b", "\"x\""), "\"a/b\":\"x\"" },
    { "6901", "4", OP("replace", "/notes/m~0n", "\"x\""), "\"m~n\":\"x\"" },
    { "6901", "4", OP("replace", "/notes/~01", "\"x\""), "\"~1\":\"x\"" },
    { "6901", "5", OP("replace", "/notes/", "\"x\""), "\"\":\"x\"" },
    { "6901", "5", OP("replace", "/notes/é", "\"x\""), "\"é\":\"x\"" },
    { "6901", "5", OP("replace", "/notes/\\u00e9", "\"x\""), "\"é\":\"x\"" },
    { "6901", "5", OP("replace", "/notes/q\\\"", "\"x\""), "\"q\\\"\":\"x\"" },
    { "6901", "5", OP("replace", "/notes/\\u0000", "\"x\""),
      "\"\\u0000\":\"x\"" },
    { "6901", "4", OP("replace", "/notes/0", "\"x\""), "\"0\":\"x\"" },
    { "6901", "4", OP("replace", "/points/0", "[7,7]"), "[[7,7],[1,1],[2,2]]" },
    { "6901", "3", OP("replace", "/notes/a~", "\"x\""), MISMATCH },
    { "6901", "3", OP("replace", "/notes/a~2", "\"x\""), MISMATCH },
    { "6901", "3", OP("replace", "/notes/~", "\"x\""), MISMATCH },
    { "6901", "3", OP("replace", "count", "1"), MISMATCH },
    { "6901", "3", OP("replace", "#/count", "1"), MISMATCH },
    { "6901", "4", OP("replace", "/points/00", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/01", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/+1", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/1e0", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/x", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/-", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/4294967296", "[7,7]"), MISMATCH },
    { "6901", "4", OP("replace", "/points/18446744073709551616", "[7,7]"),
      MISMATCH },
    { "6901", "7", OP("replace", "/notes/a\\ud800", "\"x\""), MISMATCH },
    /* RFC 6902, 4.1: add. */
    { "6902", "4.1", OP("add", "/count", "7"), "\"count\":7" },
    { "6902", "4.1", OP("add", "/notes/new", "null"), "\"new\":null" },
    { "6902", "4.1", OP("add", "/notes/0", "\"over\""), "\"0\":\"over\"" },
    { "6902", "4.1", OP("add", "/points/1", "[7,7]"),
      "[[0,0],[7,7],[1,1],[2,2]]" },
    { "6902", "4.1", OP("add", "/points/3", "[7,7]"),
      "[[0,0],[1,1],[2,2],[7,7]]" },
    { "6902", "4.1", OP("add", "/points/-", "[7,7]"),
      "[[0,0],[1,1],[2,2],[7,7]]" },
    { "6902", "4.1", OP("add", "/points/4", "[7,7]"), MISMATCH },
    { "6902", "4.1", OP("add", "/root", "{\"value\":9}"),
      "\"root\":{\"value\":9" },
    { "6902", "4.1", OP("add", "/root/next", "{\"value\":9}"), MISMATCH },
    { "6902", "4.1", OP("add", "/tree/kids/0/value", "9"), "\"value\":9" },
    { "6902", "4.1", OP("add", "/tree/kids/1/value", "9"), MISMATCH },
    { "6902", "4.1", OP("add", "/count/x", "9"), MISMATCH },
    { "6902", "4.1", OP("add", "", "{\"count\":41}"), "\"count\":41" },
    /* 4.2: remove. */
    { "6902", "4.2", REMOVE("/points/0"), "[[1,1],[2,2]]" },
    { "6902", "4.2", REMOVE("/notes/m~0n"), "\"~1\":\"both\"" },
    { "6902", "4.2", REMOVE("/points/3"), MISMATCH },
    { "6902", "4.2", REMOVE("/points/-"), MISMATCH },
    { "6902", "4.2", REMOVE("/notes/none"), MISMATCH },
    { "6902", "4.2", REMOVE("/root"), MISMATCH },
    { "6902", "4.2", REMOVE("/count"), MISMATCH },
    { "6902", "4.2", REMOVE(""), MISMATCH },
    { "6902", "4.2", OP("add", "/root", "{\"value\":9}") "," REMOVE("/root"),
      "\"count\":0" },
    /* 4.3: replace. */
    { "6902", "4.3", OP("replace", "/count", "7"), "\"count\":7" },
    { "6902", "4.3", OP("replace", "/root", "{\"value\":9}"), MISMATCH },
    { "6902", "4.3", OP("replace", "/notes/none", "\"x\""), MISMATCH },
    { "6902", "4.3", OP("replace", "/points/3", "[7,7]"), MISMATCH },
    { "6902", "4.3", OP("replace", "/account", "null"), "\"account\":null" },
    /* Inside a tuple, which zocketc sets whole. */
    { "6902", "4.3", OP("replace", "/points/2/1", "9"), "[[0,0],[1,1],[2,9]]" },
    { "6902", "4.3", OP("replace", "/points/2/2", "9"), MISMATCH },
    { "6902", "4.2", REMOVE("/points/2/1"), MISMATCH },
    { "6902", "4.3", OP("replace", "/points/2/1/0", "9"), MISMATCH },
    { "6902", "4.3", OP("replace", "/points/2/~", "9"), MISMATCH },
    /* 4: the members of an operation. */
    { "6902", "4", "{\"value\":7,\"path\":\"/count\",\"op\":\"add\"}",
      "\"count\":7" },
    { "6902", "4", "{\"op\":\"add\",\"path\":\"/count\",\"value\":7,\"x\":[1]}",
      "\"count\":7" },
    { "6902", "A.13",
      "{\"op\":\"remove\",\"path\":\"/x\",\"op\":\"add\",\"path\":\"/"
      "count\",\"value\":7}",
      "\"count\":7" },
    { "6902", "4", "{\"path\":\"/count\",\"value\":7}", MISMATCH },
    { "6902", "4", "{\"op\":\"add\",\"value\":7}", MISMATCH },
    { "6902", "4.1", "{\"op\":\"add\",\"path\":\"/count\"}", MISMATCH },
    { "6902", "4", "{\"op\":\"spam\",\"path\":\"/count\",\"value\":7}",
      MISMATCH },
    { "6902", "4", "{\"op\":\"Add\",\"path\":\"/count\",\"value\":7}",
      MISMATCH },
    { "6902", "4", "{\"op\":1,\"path\":\"/count\",\"value\":7}", MISMATCH },
    { "6902", "4", "{\"op\":\"add\",\"path\":1,\"value\":7}", MISMATCH },
    { "6902", "4", "7", MISMATCH },
    { "6902", "4.4",
      "{\"op\":\"move\",\"from\":\"/count\",\"path\":\"/count\"}", MISMATCH },
    { "6902", "4.5",
      "{\"op\":\"copy\",\"from\":\"/count\",\"path\":\"/count\"}", MISMATCH },
    { "6902", "4.6", "{\"op\":\"test\",\"path\":\"/count\",\"value\":0}",
      MISMATCH },
    /* 3, 5: in order, and all of them or none. */
    { "6902", "3", OP("add", "/count", "1") "," OP("replace", "/count", "2"),
      "\"count\":2" },
    { "6902", "3", REMOVE("/points/0") "," REMOVE("/points/0"),
      "\"points\":[[2,2]]" },
    { "6902", "3", "", "\"count\":0" },
    { "6902", "5",
      OP("add", "/count", "1") "," REMOVE("/points/1") "," OP(
          "add", "/notes/k", "\"v\"") "," REMOVE("/points/7"),
      MISMATCH },
    { "6902", "5", OP("add", "/count", "1") ",", MISMATCH },
    { "6902", "5", OP("add", "/count", "\"text\""), MISMATCH },
    { "6902", "5", OP("add", "/count", "-1"), MISMATCH },
};

/* ---- a state ---- */

static const struct zkt_store store = { &zkt__allocator_default, { 1, 2 } };
static const struct zkt_type *const type = &every_doc_state_type_;

static enum zkt_patch_result apply(struct every_doc_state *state,
                                   const char *patch)
{
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_journal journal;
    struct zkt_reader reader;
    const size_t len = strlen(patch);
    zkt__arena_init(&arena, store.allocator);
    char *text = zkt__arena_zero(&arena, len + ZKT_PADDING, 1);
    memcpy(text, patch, len);
    assert_true(zkt__journal_begin(&journal, &store, &arena, &issues, type,
                                   state, UINT32_MAX));
    journal.checks = false;
    zkt__reader_init(&reader, text, len, &arena, &issues, &store.key);
    const enum zkt_patch_result result = zkt__patch_apply(&journal, &reader,
                                                          ZKT_DIALECT_RFC6902);
    if (result == ZKT_PATCH_APPLIED) {
        zkt__journal_commit(&journal);
    }
    zkt__arena_finish(&arena);
    return result;
}

static void run_row(const struct row *row)
{
    struct every_doc_state state, before;
    struct zkt_writer w;
    char patch[1024];
    assert_true(zkt__value_default(&store, type, &state));
    assert_int_equal(apply(&state, START), ZKT_PATCH_APPLIED);
    assert_true(zkt__value_copy(&store, type, &before, &state));
    snprintf(patch, sizeof(patch), "[%s]", row->patch);
    const bool fits = apply(&state, patch) == ZKT_PATCH_APPLIED;
    zkt__writer_init(&w, store.allocator);
    type->encode(&w, type, &state);
    ZKT_WRITE(&w, "\0");
    if (fits != (row->holds != MISMATCH) ||
        (fits && strstr(w.data, row->holds) == NULL)) {
        fail_msg("RFC %s, section %s: %s %s: %s", row->rfc, row->section,
                 row->patch, fits ? "fits" : "does not fit", w.data);
    }
    assert_true(fits || zkt__value_equal(type, &state, &before));
    zkt__writer_finish(&w);
    zkt__value_release(&store, type, &state);
    zkt__value_release(&store, type, &before);
}

static void test_patches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        run_row(&table[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
