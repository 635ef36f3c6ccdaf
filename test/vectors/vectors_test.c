/*
 * The vectors, read by the runtime: each text is decoded as its type, and the
 * outcome is compared. An expected value is decoded by the same type, as a
 * client does it, without transforms and defaults.
 *
 *   vectors_test      prints the differences
 */
#include <stdio.h>
#include <string.h>

#include "state/value.h"
#include "vectors_server.h"
#include "json/json.h"
#include "json/pattern.h"

static const struct vector {
    uint32_t actor, method;
    const char *json;
    size_t json_len;
    const char *expected; /* JSON: a value, or issues */
    bool good;
} vectors[] = {
#include "vectors_table.h"
};

static const struct zkt_hash_key hash_key = { 7, 8 };
static struct zkt_pattern_cache patterns;
static long failures;

static void fail(const struct vector *v, const char *what,
                 const struct zkt_writer *got)
{
    const struct vectors_handlers none = { 0 };
    const struct zkt_app app = vectors_app(&none);
    const struct zkt_actor *actor = app.info->actors[v->actor];
    failures++;
    printf("%.*s, group %u: %s: %s\n  expected %s\n  got %.*s\n",
           ZKT_ARG(actor->name), v->method, v->json, what, v->expected,
           (int)got->len, got->len > 0 ? got->data : "");
}

static bool decode(struct zkt_arena *arena, const struct zkt_type *type,
                   const char *json, size_t len, bool tolerant,
                   struct zkt_issues *issues, void *out)
{
    struct zkt_reader reader;
    char *text = zkt__arena_zero(arena, len + ZKT_PADDING, 1);
    memcpy(text, json, len);
    zkt__reader_init(&reader, text, len, arena, issues, &hash_key);
    reader.tolerant = tolerant;
    const bool good = type->decode(&reader, type, out);
    if (!zkt__reader_done(&reader)) {
        printf("not JSON: %s\n", json);
        failures++;
        return false;
    }
    return good;
}

static const char *code_text(enum zkt_issue_code code)
{
    static const char *const texts[] = {
#define X(name, text) [ZKT_ISSUE_##name] = text,
        ZKT_ISSUE_TABLE(X)
#undef X
    };
    return texts[code];
}

static void write_issue(struct zkt_writer *w, const struct zkt_issue *issue)
{
    const char *code = code_text(issue->code);
    ZKT_WRITE(w, "{\"code\":\"");
    zkt_write_raw(w, code, strlen(code));
    ZKT_WRITE(w, "\",\"path\":[");
    for (uint32_t i = 0; i < issue->depth; i++) {
        const struct zkt_step *step = &issue->path[i];
        zkt_write_raw(w, ",", i > 0);
        if (step->key != NULL) {
            zkt_write_string(w, (struct zkt_str){ step->key, step->len });
        } else {
            zkt_write_int64(w, step->order);
        }
    }
    ZKT_WRITE(w, "]}");
}

/* Writes issues as in the files, without messages. */
static void write_issues(struct zkt_writer *w, const struct zkt_issues *issues)
{
    const struct zkt_issue more = { .code = ZKT_ISSUE_CUSTOM };
    ZKT_WRITE(w, "[");
    for (uint32_t i = 0; i < issues->count; i++) {
        zkt_write_raw(w, ",", i > 0);
        write_issue(w, &issues->items[i]);
    }
    if (issues->total > issues->count) {
        ZKT_WRITE(w, ",");
        write_issue(w, &more);
    }
    ZKT_WRITE(w, "]");
}

static void check_value(const struct vector *v, const struct zkt_type *type,
                        struct zkt_arena *arena, const void *got,
                        struct zkt_writer *w)
{
    struct zkt_issues issues;
    zkt__issues_init(&issues, arena, NULL);
    void *wanted = zkt__arena_zero(arena, 1, type->size);
    type->encode(w, type, got);
    if (!decode(arena, type, v->expected, strlen(v->expected), true, &issues,
                wanted)) {
        fail(v, "the expected value is none", w);
    } else if (!zkt__value_equal(type, wanted, got)) {
        fail(v, "another value", w);
    }
}

static void try_vector(const struct vector *v, const struct zkt_type *type)
{
    const struct zkt_rule_context context = { .patterns = &patterns };
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_writer w;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, &context);
    zkt__writer_init(&w, &zkt__allocator_default);
    void *got = zkt__arena_zero(&arena, 1, type->size);
    if (decode(&arena, type, v->json, v->json_len, false, &issues, got)) {
        if (v->good) {
            check_value(v, type, &arena, got, &w);
        } else {
            type->encode(&w, type, got);
            fail(v, "no issues", &w);
        }
    } else {
        write_issues(&w, &issues);
        if (w.len != strlen(v->expected) ||
            memcmp(w.data, v->expected, w.len) != 0) {
            fail(v, "issues", &w);
        }
    }
    zkt__writer_finish(&w);
    zkt__arena_finish(&arena);
}

int main(void)
{
    const struct vectors_handlers handlers = { 0 };
    const struct zkt_app app = vectors_app(&handlers);
    const size_t count = sizeof(vectors) / sizeof(vectors[0]);
    patterns.allocator = &zkt__allocator_default;
    for (size_t i = 0; i < count; i++) {
        const struct zkt_actor *actor = app.info->actors[vectors[i].actor];
        try_vector(&vectors[i], actor->methods[vectors[i].method].input);
    }
    zkt__patterns_finish(&patterns);
    printf("%zu vectors, %ld failures\n", count, failures);
    return failures == 0 ? 0 : 1;
}
