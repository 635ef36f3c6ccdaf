/* See log_text.h. Lines are printed into buffers of the caller: logging never
 * allocates. */
#include "base/log_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

static const char ellipsis[] = "\xe2\x80\xa6";
#define ELLIPSIS_LEN (sizeof(ellipsis) - 1)

/* ---- characters ---- */

/* Returns the length of the character at @text, or 0 if it is invalid in @len
 * bytes. */
static size_t character_length(const char *text, size_t len)
{
    const unsigned char first = (unsigned char)text[0];
    const size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return n <= len && zkt__utf8_valid(text, n) ? n : 0;
}

static uint32_t code_point(const char *text, size_t n)
{
    static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t code = (unsigned char)text[0] & lead[n];
    for (size_t i = 1; i < n; i++) {
        code = code << 6 | ((unsigned char)text[i] & 0x3fu);
    }
    return code;
}

static bool is_within(uint32_t code, uint32_t first, uint32_t last)
{
    return code >= first && code <= last;
}

/* Returns true if a terminal or editor displays the character as itself: no
 * control (Unicode, category Cc), no line end (Zl, Zp), no mark, embedding or
 * isolate of the bidirectional algorithm (UAX #9, section 2). */
static bool is_printable(uint32_t code)
{
    return code >= ' ' && !is_within(code, 0x7f, 0x9f) && code != 0x061c &&
           !is_within(code, 0x200e, 0x200f) &&
           !is_within(code, 0x2028, 0x202e) &&
           !is_within(code, 0x2066, 0x2069) && code != 0xfeff;
}

struct zkt_str zkt__log_cut(struct zkt_str text, size_t max)
{
    if (text.len <= max) {
        return text;
    }
    text.len = max;
    for (size_t back = 0; back < 4 && back <= max; back++) {
        if ((text.data[max - back] & 0xc0) != 0x80) {
            text.len = max - back;
            break;
        }
    }
    return text;
}

/* ---- escaping ---- */

enum {
    ESCAPED_MAX = 6 /* \u0000 */
};

/* Escapes the next character or byte of a text into @out, and its length into
 * *@out_len; returns the bytes consumed. */
typedef size_t escape_function(const char *text, size_t len,
                               char out[ESCAPED_MAX], size_t *out_len);

static const char digits[] = "0123456789abcdef";

/* Takes the next character if it is printable; otherwise returns 0. */
static size_t take_printable(const char *text, size_t len, char *out,
                             size_t *out_len)
{
    const size_t n = character_length(text, len);
    if (n == 0 || !is_printable(code_point(text, n))) {
        return 0;
    }
    memcpy(out, text, n);
    *out_len = n;
    return n;
}

/* \xNN, for lines of text. */
static size_t escape_byte(const char *text, size_t len, char out[ESCAPED_MAX],
                          size_t *out_len)
{
    const size_t n = take_printable(text, len, out, out_len);
    if (n > 0) {
        return n;
    }
    const unsigned char byte = (unsigned char)text[0];
    const char escaped[] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };
    memcpy(out, escaped, sizeof(escaped));
    *out_len = sizeof(escaped);
    return 1;
}

/* As escape_byte between quotes, which the text cannot end. */
static size_t escape_quoted(const char *text, size_t len, char out[ESCAPED_MAX],
                            size_t *out_len)
{
    if (text[0] != '"' && text[0] != '\\') {
        return escape_byte(text, len, out, out_len);
    }
    out[0] = '\\';
    out[1] = text[0];
    *out_len = 2;
    return 1;
}

/* Returns the letter that follows a '\\' in place of @c, or 0 (RFC 8259,
 * section 7). */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* As in a JSON string. None of the characters that are not printable is above
 * U+FFFF. */
static size_t escape_json(const char *text, size_t len, char out[ESCAPED_MAX],
                          size_t *out_len)
{
    const char letter = short_escape(text[0]);
    size_t n = 1;
    if (letter != 0) {
        out[0] = '\\';
        out[1] = letter;
        *out_len = 2;
        return n;
    }
    n = take_printable(text, len, out, out_len);
    if (n > 0) {
        return n;
    }
    n = character_length(text, len);
    const uint32_t code = n > 0 ? code_point(text, n) : 0xfffd;
    const char escaped[] = { '\\',
                             'u',
                             digits[code >> 12 & 15],
                             digits[code >> 8 & 15],
                             digits[code >> 4 & 15],
                             digits[code & 15] };
    memcpy(out, escaped, sizeof(escaped));
    *out_len = sizeof(escaped);
    return n > 0 ? n : 1;
}

/* ---- bounded output ---- */

struct sink {
    char *out;
    size_t size; /* with a NUL */
    size_t len;
    size_t fits; /* the last length at which an ellipsis fits */
    bool full;   /* it ends in an ellipsis, and takes no more */
};

static void put(struct sink *sink, struct zkt_str text, escape_function *escape)
{
    char one[ESCAPED_MAX];
    size_t at = 0, n;
    while (at < text.len && !sink->full) {
        at += escape(text.data + at, text.len - at, one, &n);
        if (sink->len + n >= sink->size) {
            memcpy(sink->out + sink->fits, ellipsis, ELLIPSIS_LEN);
            sink->len = sink->fits + ELLIPSIS_LEN;
            sink->full = true;
            break;
        }
        memcpy(sink->out + sink->len, one, n);
        sink->len += n;
        if (sink->len + ELLIPSIS_LEN < sink->size) {
            sink->fits = sink->len;
        }
    }
    sink->out[sink->len] = '\0';
}

/* Puts a text that need not be escaped. */
static void put_text(struct sink *sink, const char *text)
{
    put(sink, zkt_cstr(text), escape_byte);
}

static void put_number(struct sink *sink, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    put_text(sink, text);
}

/* Puts a string of JSON, with an ellipsis at the end of its value if it has
 * more than @max bytes. */
static void put_string(struct sink *sink, struct zkt_str text, size_t max)
{
    put_text(sink, "\"");
    struct sink part = { .out = sink->out + sink->len, .size = max + 1 };
    put(&part, text, escape_json);
    sink->len += part.len;
    put_text(sink, "\"");
}

size_t zkt__log_escape(char *out, size_t size, const char *text, size_t len)
{
    struct sink sink = { .out = out, .size = size };
    put(&sink, (struct zkt_str){ text, len }, escape_byte);
    return sink.len;
}

/* ---- a line for people ---- */

static void put_subject(struct sink *sink, struct zkt_str kind,
                        struct zkt_str id)
{
    put(sink, kind, escape_byte);
    if (id.len > 0) {
        put_text(sink, " \"");
        put(sink, id, escape_quoted);
        put_text(sink, "\"");
    }
    put_text(sink, ": ");
}

static void put_end(struct sink *sink, const struct zkt_log_record *record)
{
    if (record->code.len == 0 && !record->has_ms) {
        return;
    }
    put_text(sink, " (");
    put(sink, record->code, escape_byte);
    if (record->has_ms) {
        put_text(sink, record->code.len > 0 ? ", " : "");
        put_number(sink, record->ms);
        put_text(sink, " ms");
    }
    put_text(sink, ")");
}

void zkt__log_print_line(const struct zkt_log_record *record,
                         char out[ZKT_LOG_LINE])
{
    struct sink sink = { .out = out, .size = ZKT_LOG_LINE };
    if (record->actor.len > 0) {
        put_subject(&sink, record->actor, record->id);
    } else if (record->connection.len > 0) {
        put_subject(&sink, ZKT_STR("connection"), record->connection);
    }
    if (record->method.len > 0) {
        put_subject(&sink, record->method, ZKT_STR(""));
    }
    put(&sink, record->text, escape_byte);
    put_end(&sink, record);
    out[sink.len] = '\0';
}

/* ---- lines for programs ---- */

const char *zkt__log_level_name(enum zkt_log_level level)
{
    switch (level) {
    case ZKT_LOG_DEBUG:
        return "debug";
    case ZKT_LOG_INFO:
        return "info";
    case ZKT_LOG_WARNING:
        return "warning";
    case ZKT_LOG_ERROR:
        break;
    }
    return "error";
}

/* The fields that are strings, in their order in a line, and the bytes of the
 * longest value, escaped. All lines fit into ZKT_LOG_LINE_MAX: a byte takes at
 * most ESCAPED_MAX, so an actorId is never cut here. */
#define FIELDS(X)                                                              \
    X(request, 80)                                                             \
    X(connection, 80)                                                          \
    X(actor, 256)                                                              \
    X(id, ESCAPED_MAX *ZKT_LOG_FIELD)                                          \
    X(method, 256)                                                             \
    X(code, 64)                                                                \
    X(address, 128)

enum {
    TEXT_MAX = 1280 /* bytes of the text, escaped */
};

/* Prints a time as in RFC 3339, in UTC; its years have four digits. Returns
 * false if the time is not known. */
static bool print_time(char out[32], int64_t time_ms)
{
    struct tm utc;
    const time_t seconds = (time_t)(time_ms / 1000);
    if (time_ms <= 0 || gmtime_r(&seconds, &utc) == NULL ||
        utc.tm_year > 9999 - 1900) {
        return false;
    }
    const size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + len, 32 - len, ".%03dZ", (int)(time_ms % 1000));
    return true;
}

static void put_json_field(struct sink *sink, const char *name,
                           struct zkt_str value, size_t max)
{
    if (value.len > 0) {
        put_text(sink, ",\"");
        put_text(sink, name);
        put_text(sink, "\":");
        put_string(sink, value, max);
    }
}

size_t zkt_log_print_json(const struct zkt_log_record *record,
                          char out[ZKT_LOG_LINE_MAX])
{
    struct sink sink = { .out = out, .size = ZKT_LOG_LINE_MAX };
    char time[32];
    put_text(&sink, "{");
    if (print_time(time, record->time_ms)) {
        put_text(&sink, "\"time\":\"");
        put_text(&sink, time);
        put_text(&sink, "\",");
    }
    put_text(&sink, "\"level\":\"");
    put_text(&sink, zkt__log_level_name(record->level));
    put_text(&sink, "\",\"msg\":");
    put_string(&sink, record->text, TEXT_MAX);
#define X(name, max) put_json_field(&sink, #name, record->name, max);
    FIELDS(X)
#undef X
    if (record->has_ms) {
        put_text(&sink, ",\"ms\":");
        put_number(&sink, record->ms);
    }
    put_text(&sink, "}");
    return sink.len;
}

/* Returns true if a value of logfmt needs no quotes. */
static bool is_bare(struct zkt_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.data[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return value.len > 0;
}

static void put_logfmt_value(struct sink *sink, struct zkt_str value,
                             size_t max)
{
    if (is_bare(value) && value.len <= max) {
        put(sink, value, escape_byte);
    } else {
        put_string(sink, value, max);
    }
}

static void put_logfmt_field(struct sink *sink, const char *name,
                             struct zkt_str value, size_t max)
{
    if (value.len > 0) {
        put_text(sink, " ");
        put_text(sink, name);
        put_text(sink, "=");
        put_logfmt_value(sink, value, max);
    }
}

size_t zkt_log_print_logfmt(const struct zkt_log_record *record,
                            char out[ZKT_LOG_LINE_MAX])
{
    struct sink sink = { .out = out, .size = ZKT_LOG_LINE_MAX };
    char time[32];
    if (print_time(time, record->time_ms)) {
        put_text(&sink, "time=");
        put_text(&sink, time);
        put_text(&sink, " ");
    }
    put_text(&sink, "level=");
    put_text(&sink, zkt__log_level_name(record->level));
    put_text(&sink, " msg=");
    put_logfmt_value(&sink, record->text, TEXT_MAX);
#define X(name, max) put_logfmt_field(&sink, #name, record->name, max);
    FIELDS(X)
#undef X
    if (record->has_ms) {
        put_text(&sink, " ms=");
        put_number(&sink, record->ms);
    }
    return sink.len;
}
