/* The functions of zocket/reply.h: the parts of a reply beside its status. */
#include "protocol/reply.h"

#include <string.h>

struct zkt_reply_memory *zkt__reply_memory(struct zkt_reply *reply,
                                           const struct zkt_allocator *a,
                                           const struct zkt_hash_key *key)
{
    struct zkt_reply_memory *memory = reply->memory_;
    if (memory == NULL) {
        memory = zkt__alloc(a, sizeof(*memory));
        if (memory == NULL) {
            return NULL;
        }
        zkt__arena_init(&memory->arena, a);
        memory->key = *key;
        reply->memory_ = memory;
    }
    return memory;
}

void zkt_reply_clear(struct zkt_reply *reply)
{
    if (reply == NULL) {
        return;
    }
    struct zkt_reply_memory *memory = reply->memory_;
    if (memory != NULL) {
        const struct zkt_allocator *allocator = memory->arena.allocator;
        zkt__arena_finish(&memory->arena);
        zkt__release(allocator, memory);
    }
    *reply = (struct zkt_reply){ .status = ZKT_OK, .error = "", .reason = "" };
}

void zkt__reply_reset(struct zkt_reply *reply, enum zkt_status status)
{
    reply->status = status;
    reply->error = status == ZKT_OK ? "" : zkt_status_text(status);
    reply->reason = "";
    reply->retryable = zkt__status_is_retryable(status);
    reply->retry_after_ms = 0;
    reply->details_ = reply->issues_ = (struct zkt_str){ NULL, 0 };
}

int64_t zkt__reply_ms(struct zkt_str json)
{
    enum {
        DIGITS_MAX = 15
    };
    int64_t value = 0;
    for (size_t i = 0; i < json.len; i++) {
        if (json.data[i] < '0' || json.data[i] > '9' || i == DIGITS_MAX) {
            return 0;
        }
        value = value * 10 + (json.data[i] - '0');
    }
    return value;
}

void zkt__reply_read(struct zkt_reply *reply,
                     const struct zkt_envelope *message)
{
    reply->reason = message->reason.data != NULL ? message->reason.data : "";
    reply->retryable = message->retryable.data != NULL
                           ? zkt_str_eq(message->retryable, ZKT_STR("true"))
                           : zkt__status_is_retryable(reply->status);
    reply->retry_after_ms = message->retry_after.data != NULL
                                ? zkt__reply_ms(message->retry_after)
                                : 0;
    reply->details_ = message->details;
    reply->issues_ = message->issues;
}

bool zkt_reply_is(const struct zkt_reply *reply, const struct zkt_error *error)
{
    return reply->status != ZKT_OK && reply->reason != NULL &&
           strcmp(reply->reason, error->name.data) == 0;
}

/* Copies JSON text with the padding that a reader needs. Returns NULL if there
 * is none, or no memory. */
static char *copy_text(struct zkt_arena *arena, struct zkt_str json)
{
    char *text = json.data != NULL
                     ? zkt__arena_zero(arena, json.len + ZKT_PADDING, 1)
                     : NULL;
    if (text != NULL) {
        memcpy(text, json.data, json.len);
    }
    return text;
}

const void *zkt_reply_details(const struct zkt_reply *reply,
                              const struct zkt_error *error)
{
    struct zkt_reply_memory *memory = reply->memory_;
    const struct zkt_type *type = error->details;
    struct zkt_reader reader;
    struct zkt_issues issues;
    if (type == NULL || memory == NULL || !zkt_reply_is(reply, error)) {
        return NULL;
    }
    char *text = copy_text(&memory->arena, reply->details_);
    void *value = zkt__arena_zero(&memory->arena, 1, type->size);
    if (text == NULL || value == NULL) {
        return NULL;
    }
    zkt__issues_init(&issues, &memory->arena, NULL);
    zkt__reader_init(&reader, text, reply->details_.len, &memory->arena,
                     &issues, &memory->key);
    reader.tolerant = true;
    return type->decode(&reader, type, value) ? value : NULL;
}

/* Reads an issue, and calls @each. Returns false if it is none. */
static bool read_issue(struct zkt_reader *reader,
                       void (*each)(struct zkt_str code, struct zkt_str path,
                                    struct zkt_str message, void *user),
                       void *user)
{
    struct zkt_str code = ZKT_STR("custom");
    struct zkt_str path = ZKT_STR("[]");
    struct zkt_str message = ZKT_STR("");
    struct zkt_str key;
    bool good = zkt__reader_enter(reader, ZKT_TOKEN_OBJECT);
    while (good && zkt__reader_key(reader, &key)) {
        good = zkt_str_eq(key, ZKT_STR("code"))
                   ? zkt__reader_string(reader, &code)
               : zkt_str_eq(key, ZKT_STR("message"))
                   ? zkt__reader_string(reader, &message)
                   : zkt__reader_skip(reader, zkt_str_eq(key, ZKT_STR("path"))
                                                  ? &path
                                                  : NULL);
    }
    if (good && !reader->malformed) {
        each(code, path, message, user);
    }
    return good && !reader->malformed;
}

void zkt_reply_issues(const struct zkt_reply *reply,
                      void (*each)(struct zkt_str code, struct zkt_str path,
                                   struct zkt_str message, void *user),
                      void *user)
{
    struct zkt_reply_memory *memory = reply->memory_;
    struct zkt_reader reader;
    char *text = memory != NULL ? copy_text(&memory->arena, reply->issues_)
                                : NULL;
    if (text == NULL) {
        return;
    }
    zkt__reader_init(&reader, text, reply->issues_.len, &memory->arena, NULL,
                     &memory->key);
    bool good = zkt__reader_enter(&reader, ZKT_TOKEN_ARRAY);
    while (good && zkt__reader_item(&reader)) {
        good = read_issue(&reader, each, user);
    }
}
