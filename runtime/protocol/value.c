/*
 * Values as JSON text, for programs: zkt_value_encode and zkt_value_decode.
 * Text and values live in the memory of a reply. Patterns are compiled for each
 * call, as there is no server or client that would keep them.
 */
#include "base/random.h"
#include "base/utf8.h"
#include "protocol/reply.h"
#include "json/pattern.h"

#include <string.h>

enum {
    TEXT_MAX = 1 << 30
};

/* One call: the reply that it fills, and the rules that it checks. */
struct work {
    struct zkt_reply *reply;
    struct zkt_reply own; /* used if the caller gives none */
    struct zkt_reply_memory *memory;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context context;
    struct zkt_issues issues;
};

/* Returns the memory of the reply; NULL if there is none. */
static struct zkt_reply_memory *get_memory(struct zkt_reply *reply)
{
    struct zkt_random random;
    struct zkt_hash_key key;
    if (reply->memory_ != NULL) {
        return reply->memory_;
    }
    return zkt__random_init(&random, &key, NULL)
               ? zkt__reply_memory(reply, &zkt__allocator_default, &key)
               : NULL;
}

static bool begin(struct work *w, struct zkt_reply *reply)
{
    *w = (struct work){ .reply = reply != NULL ? reply : &w->own };
    zkt__reply_reset(w->reply, ZKT_OK);
    w->memory = get_memory(w->reply);
    if (w->memory == NULL) {
        zkt__reply_reset(w->reply, ZKT_NO_MEMORY);
        return false;
    }
    w->patterns.allocator = w->memory->arena.allocator;
    w->context.patterns = &w->patterns;
    zkt__issues_init(&w->issues, &w->memory->arena, &w->context);
    return true;
}

static enum zkt_status end(struct work *w)
{
    const enum zkt_status status = w->reply->status;
    zkt__patterns_finish(&w->patterns);
    zkt_reply_clear(&w->own);
    return status;
}

static void fail(struct work *w, enum zkt_status status, const char *text)
{
    zkt__reply_reset(w->reply, status);
    w->reply->error = text;
}

/* Moves the text of a writer into the reply, and frees the writer. Returns NULL
 * data if there is no memory. */
static struct zkt_str keep(struct work *w, struct zkt_writer *writer)
{
    const struct zkt_str text = { writer->data, writer->len };
    const struct zkt_str kept = writer->failed
                                    ? (struct zkt_str){ NULL, 0 }
                                    : zkt__arena_str(&w->memory->arena, text);
    zkt__writer_finish(writer);
    if (kept.data == NULL) {
        zkt__reply_reset(w->reply, ZKT_NO_MEMORY);
    }
    return kept;
}

static void fail_rules(struct work *w)
{
    struct zkt_writer writer;
    if (w->issues.no_memory) {
        zkt__reply_reset(w->reply, ZKT_NO_MEMORY);
        return;
    }
    zkt__writer_init(&writer, w->memory->arena.allocator);
    zkt__issues_write(&w->issues, &writer);
    const struct zkt_str text = keep(w, &writer);
    if (text.data != NULL) {
        fail(w, ZKT_INVALID_ARGUMENT, text.data);
        w->reply->issues_ = text;
    }
}

/* ---- writing ---- */

enum zkt_status zkt_value_encode(const struct zkt_type *type, const void *value,
                                 struct zkt_str *json, struct zkt_reply *reply)
{
    struct work w;
    struct zkt_writer writer;
    if (reply == NULL) {
        return ZKT_INVALID_ARGUMENT;
    }
    if (!begin(&w, reply)) {
        return ZKT_NO_MEMORY;
    }
    if (!zkt__check_value(type, value, NULL, 0, &w.issues)) {
        fail_rules(&w);
        return end(&w);
    }
    zkt__writer_init(&writer, w.memory->arena.allocator);
    type->encode(&writer, type, value);
    const struct zkt_str text = keep(&w, &writer);
    if (text.data != NULL) {
        *json = text;
    }
    return end(&w);
}

/* ---- reading ---- */

/* Sets the status of a text that does not give a value. */
static void fail_reading(struct work *w, const struct zkt_reader *reader)
{
    if (reader->no_memory) {
        zkt__reply_reset(w->reply, ZKT_NO_MEMORY);
    } else if (reader->malformed && !reader->too_deep) {
        fail(w, ZKT_INVALID_ARGUMENT, "the text is not JSON");
    } else {
        fail_rules(w);
    }
}

/* Decodes @text, which has padding. Returns NULL, with the reply failed, if it
 * does not fit. */
static void *read_value(struct work *w, const struct zkt_type *type, char *text,
                        size_t len)
{
    struct zkt_arena *arena = &w->memory->arena;
    struct zkt_reader reader;
    void *value = zkt__arena_zero(arena, 1, type->size);
    if (value == NULL) {
        zkt__reply_reset(w->reply, ZKT_NO_MEMORY);
        return NULL;
    }
    zkt__reader_init(&reader, text, len, arena, &w->issues, &w->memory->key);
    const bool good = type->decode(&reader, type, value);
    reader.malformed = !zkt__reader_done(&reader);
    if (reader.malformed || !good || w->issues.no_memory) {
        fail_reading(w, &reader);
        return NULL;
    }
    return value;
}

static void decode(struct work *w, const struct zkt_type *type,
                   struct zkt_str json, void *value)
{
    if (json.len > TEXT_MAX) {
        fail(w, ZKT_RESOURCE_EXHAUSTED, "the JSON is too long");
        return;
    }
    if (json.data == NULL || !zkt__utf8_valid(json.data, json.len)) {
        fail(w, ZKT_INVALID_ARGUMENT, "the text is not UTF-8");
        return;
    }
    char *text = zkt__arena_zero(&w->memory->arena, json.len + ZKT_PADDING, 1);
    if (text == NULL) {
        zkt__reply_reset(w->reply, ZKT_NO_MEMORY);
        return;
    }
    memcpy(text, json.data, json.len);
    const void *decoded = read_value(w, type, text, json.len);
    if (decoded != NULL) {
        memcpy(value, decoded, type->size);
    }
}

enum zkt_status zkt_value_decode(const struct zkt_type *type,
                                 struct zkt_str json, void *value,
                                 struct zkt_reply *reply)
{
    struct work w;
    if (reply == NULL && type->owns) {
        return ZKT_INVALID_ARGUMENT;
    }
    if (!begin(&w, reply)) {
        return ZKT_NO_MEMORY;
    }
    decode(&w, type, json, value);
    return end(&w);
}
