/* See envelope.h. */
#include "protocol/envelope.h"

#include "json/scan.h"

enum part_kind {
    PART_STRING,
    PART_RAW
};

/* Maps keys to members. X(key, member, kind); "type" is handled separately. */
#define PARTS(X)                                                               \
    X("id", id, PART_RAW)                                                      \
    X("actor", actor, PART_STRING)                                             \
    X("actorId", actor_id, PART_STRING)                                        \
    X("method", method, PART_STRING)                                           \
    X("input", input, PART_RAW)                                                \
    X("timeoutMs", timeout, PART_RAW)                                          \
    X("optimistic", optimistic, PART_RAW)                                      \
    X("trace", trace, PART_STRING)                                             \
    X("event", event, PART_STRING)                                             \
    X("payload", payload, PART_RAW)                                            \
    X("result", result, PART_RAW)                                              \
    X("progress", progress, PART_RAW)                                          \
    X("chunk", chunk, PART_RAW)                                                \
    X("patches", patches, PART_RAW)                                            \
    X("state", state, PART_RAW)                                                \
    X("error", error, PART_STRING)                                             \
    X("code", code, PART_STRING)                                               \
    X("of", of, PART_STRING)                                                   \
    X("reason", reason, PART_STRING)                                           \
    X("details", details, PART_RAW)                                            \
    X("retryable", retryable, PART_RAW)                                        \
    X("retryAfterMs", retry_after, PART_RAW)                                   \
    X("issues", issues, PART_RAW)                                              \
    X("level", level, PART_RAW)                                                \
    X("clientId", client_id, PART_STRING)

static struct zkt_str *find_part(struct zkt_envelope *e, struct zkt_str key,
                                 enum part_kind *kind)
{
#define X(name, member, how)                                                   \
    if (key.len == sizeof(name) - 1 && ZKT_KEY_IS(key, name)) {                \
        *kind = how;                                                           \
        return &e->member;                                                     \
    }
    PARTS(X)
#undef X
    return NULL;
}

static enum zkt_message parse_type(struct zkt_str name)
{
#define X(message, text)                                                       \
    if (name.len == sizeof(text) - 1 && ZKT_KEY_IS(name, text)) {              \
        return ZKT_MESSAGE_##message;                                          \
    }
    ZKT_MESSAGE_TABLE(X)
#undef X
    return ZKT_MESSAGE_UNKNOWN;
}

/* Reads a string; skips any other value, and sets @out's data to NULL. */
static bool read_string(struct zkt_reader *reader, struct zkt_str *out)
{
    bool lone_surrogate;
    *out = (struct zkt_str){ NULL, 0 };
    if (zkt__reader_peek(reader) != ZKT_TOKEN_STRING) {
        return zkt__reader_skip(reader, NULL);
    }
    if (!zkt__reader_text(reader, out, &lone_surrogate)) {
        return false;
    }
    if (lone_surrogate) {
        *out = (struct zkt_str){ NULL, 0 };
    }
    return true;
}

static bool read_part(struct zkt_envelope *e, struct zkt_reader *reader,
                      struct zkt_str key)
{
    enum part_kind kind;
    if (key.len == 4 && ZKT_KEY_IS(key, "type")) {
        struct zkt_str name;
        const bool good = read_string(reader, &name);
        e->type = name.data != NULL ? parse_type(name) : ZKT_MESSAGE_NONE;
        return good;
    }
    struct zkt_str *part = find_part(e, key, &kind);
    if (part != NULL && kind == PART_STRING) {
        return read_string(reader, part);
    }
    return zkt__reader_skip(reader, part);
}

/* ---- a call as clients print it ---- */

/* Returns the end of @literal, or NULL if the text differs. */
static char *expect(char *at, const char *literal, size_t len)
{
    return memcmp(at, literal, len) == 0 ? at + len : NULL;
}

#define EXPECT(at, literal) expect(at, literal, sizeof(literal) - 1)

/* Reads a string without escapes, starting behind its opening quote. Returns
 * the position behind its closing quote, or NULL. */
static char *take_plain(char *at, struct zkt_str *out)
{
    char *end = zkt__scan_plain(at);
    *out = (struct zkt_str){ at, (size_t)(end - at) };
    return *end == '"' ? end + 1 : NULL;
}

/* Reads a number of digits that does not begin with zero. Returns the position
 * behind it, or NULL. */
static char *take_digits(char *at, struct zkt_str *out)
{
    char *end = at;
    while (*end >= '0' && *end <= '9') {
        end++;
    }
    *out = (struct zkt_str){ at, (size_t)(end - at) };
    return end > at && *at != '0' ? end : NULL;
}

/* Reads `,"timeoutMs":N`, which `,"optimistic":true` may precede. Returns the
 * position behind it, or NULL. */
static char *take_options(char *at, struct zkt_envelope *e)
{
    char *digits = EXPECT(at, ",\"timeoutMs\":");
    if (digits == NULL && (at = EXPECT(at, ",\"optimistic\":true")) != NULL) {
        e->is_optimistic = true;
        if (*at == '}') {
            return at;
        }
        digits = EXPECT(at, ",\"timeoutMs\":");
    }
    return digits != NULL ? take_digits(digits, &e->timeout) : NULL;
}

/* Terminates a string of take_plain, which returned @quote. */
static void end_plain(char *quote)
{
    quote[-1] = '\0';
}

/*
 * Reads a call with its keys in the order of all known clients, without white
 * space between them and without escapes in names. Returns false, with the text
 * unchanged, if it differs; read_any then reads it.
 */
static bool read_call(struct zkt_envelope *e, struct zkt_reader *reader)
{
    char *actor, *actor_id, *method;
    char *at = EXPECT(reader->at, "{\"type\":\"rpc\",\"id\":\"");
    if (at == NULL || (at = take_plain(at, &e->id)) == NULL ||
        (at = EXPECT(at, ",\"actor\":\"")) == NULL ||
        (actor = take_plain(at, &e->actor)) == NULL ||
        (at = EXPECT(actor, ",\"actorId\":\"")) == NULL ||
        (actor_id = take_plain(at, &e->actor_id)) == NULL ||
        (at = EXPECT(actor_id, ",\"method\":\"")) == NULL ||
        (method = take_plain(at, &e->method)) == NULL) {
        return false;
    }
    at = EXPECT(method, ",\"input\":");
    if (at != NULL) {
        reader->at = at;
        reader->depth++;
        if (!zkt__reader_skip(reader, &e->input)) {
            return false;
        }
        reader->depth--;
    }
    at = at != NULL ? reader->at : method;
    if (*at == ',' && (at = take_options(at, e)) == NULL) {
        return false;
    }
    if (*at != '}' || at + 1 != reader->end) {
        return false;
    }
    end_plain(actor);
    end_plain(actor_id);
    end_plain(method);
    e->type = ZKT_MESSAGE_RPC;
    e->id = (struct zkt_str){ e->id.data - 1, e->id.len + 2 };
    reader->at = at + 1;
    return true;
}

/* ---- any message ---- */

static bool read_any(struct zkt_envelope *out, struct zkt_reader *reader)
{
    struct zkt_str key;
    if (!zkt__reader_enter(reader, ZKT_TOKEN_OBJECT)) {
        reader->malformed = true;
        return false;
    }
    while (zkt__reader_key(reader, &key)) {
        if (!read_part(out, reader, key)) {
            return false;
        }
    }
    if (out->trace.data != NULL && zkt__trace_is_good(out->trace)) {
        out->request.trace = out->trace.data;
    }
    return zkt__reader_done(reader);
}

bool zkt__envelope_read(struct zkt_envelope *out, struct zkt_reader *reader)
{
    char *start = reader->at;
    memset(out, 0, offsetof(struct zkt_envelope, arrived));
    bool good = read_call(out, reader);
    if (!good && !reader->malformed) {
        *out = (struct zkt_envelope){ .type = ZKT_MESSAGE_NONE };
        reader->at = start;
        reader->depth = 0;
        good = read_any(out, reader);
        out->is_optimistic = out->optimistic.data != NULL &&
                             zkt_str_eq(out->optimistic, ZKT_STR("true"));
    }
    out->plain = reader->plain;
    return good;
}

/* ---- writing ---- */

static struct zkt_str type_text(enum zkt_message type)
{
    static const struct zkt_str texts[] = {
#define X(name, text) [ZKT_MESSAGE_##name] = ZKT_STR_INIT(text),
        ZKT_MESSAGE_TABLE(X)
#undef X
    };
    return texts[type];
}

void zkt__write_welcome(struct zkt_writer *w, struct zkt_str client_id)
{
    ZKT_WRITE(w, "{\"type\":\"welcome\",\"clientId\":");
    zkt_write_string(w, client_id);
    ZKT_WRITE(w, ",\"level\":1}");
}

void zkt__write_result_begin(struct zkt_writer *w, struct zkt_str id)
{
    ZKT_WRITE(w, "{\"type\":\"rpc:result\",\"id\":");
    zkt_write_raw(w, id.data, id.len);
}

void zkt__write_part_begin(struct zkt_writer *w, struct zkt_str kind,
                           struct zkt_str id)
{
    ZKT_WRITE(w, "{\"type\":\"rpc:");
    zkt_write_raw(w, kind.data, kind.len);
    ZKT_WRITE(w, "\",\"id\":");
    zkt_write_raw(w, id.data, id.len);
    ZKT_WRITE(w, ",\"");
    zkt_write_raw(w, kind.data, kind.len);
    ZKT_WRITE(w, "\":");
}

void zkt__write_result_error(struct zkt_writer *w, struct zkt_str id,
                             const struct zkt_failure *failure)
{
    zkt__write_result_begin(w, id);
    zkt__write_failure(w, failure);
    ZKT_WRITE(w, "}");
}

void zkt__write_address(struct zkt_writer *w, enum zkt_message type,
                        struct zkt_str actor, struct zkt_str actor_id)
{
    const struct zkt_str text = type_text(type);
    ZKT_WRITE(w, "{\"type\":\"");
    zkt_write_raw(w, text.data, text.len);
    ZKT_WRITE(w, "\",\"actor\":");
    zkt_write_string(w, actor);
    ZKT_WRITE(w, ",\"actorId\":");
    zkt_write_string(w, actor_id);
}

void zkt__write_error(struct zkt_writer *w, const struct zkt_failure *failure)
{
    ZKT_WRITE(w, "{\"type\":\"error\"");
    zkt__write_failure(w, failure);
    ZKT_WRITE(w, "}");
}

void zkt__write_of(struct zkt_writer *w, struct zkt_str of)
{
    if (of.len > 0) {
        ZKT_WRITE(w, ",\"of\":");
        zkt_write_string(w, of);
    }
}

enum zkt_status zkt__status_parse(struct zkt_str code)
{
#define X(name, number, text)                                                  \
    if (ZKT_##name > 0 && ZKT_##name != ZKT_PENDING &&                         \
        zkt_str_eq(code, ZKT_STR(#name))) {                                    \
        return ZKT_##name;                                                     \
    }
    ZKT_STATUS_TABLE(X)
#undef X
    return ZKT_INTERNAL;
}
