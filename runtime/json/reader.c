/*
 * The pull reader: reads tokens of JSON text (RFC 8259) in place. A NUL
 * replaces the closing quote of a string. Not recursive; skipping is in skip.c.
 */
#include "json/json.h"

#include "base/utf8.h"
#include "json/escape.h"

/* The limit is ours, and the text may be valid: report it like a rule. */
bool zkt__reader_fail_deep(struct zkt_reader *reader)
{
    if (reader->issues != NULL) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_TOO_BIG, reader->path,
                       reader->depth, "is nested too deeply");
    }
    reader->too_deep = true;
    return zkt__reader_fail(reader);
}

const uint8_t zkt__token_begins[256] = {
    ['{'] = ZKT_TOKEN_OBJECT + 1, ['['] = ZKT_TOKEN_ARRAY + 1,
    ['"'] = ZKT_TOKEN_STRING + 1, ['t'] = ZKT_TOKEN_BOOL + 1,
    ['f'] = ZKT_TOKEN_BOOL + 1,   ['n'] = ZKT_TOKEN_NULL + 1,
    ['-'] = ZKT_TOKEN_NUMBER + 1, ['0'] = ZKT_TOKEN_NUMBER + 1,
    ['1'] = ZKT_TOKEN_NUMBER + 1, ['2'] = ZKT_TOKEN_NUMBER + 1,
    ['3'] = ZKT_TOKEN_NUMBER + 1, ['4'] = ZKT_TOKEN_NUMBER + 1,
    ['5'] = ZKT_TOKEN_NUMBER + 1, ['6'] = ZKT_TOKEN_NUMBER + 1,
    ['7'] = ZKT_TOKEN_NUMBER + 1, ['8'] = ZKT_TOKEN_NUMBER + 1,
    ['9'] = ZKT_TOKEN_NUMBER + 1,
};

/* ---- strings ---- */

static char *write_code_point(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* State of unescaping, in place or into a copy. */
struct unescape {
    char *from, *to;
    bool lone_surrogate;
};

/* Reads `\uXXXX` at from; a pair of them past U+FFFF (RFC 8259, section 7). A
 * surrogate without its other half becomes U+FFFD and sets lone_surrogate. */
static bool unescape_unicode(struct unescape *u)
{
    const int first = zkt__read_hex(u->from + 2);
    if (first < 0) {
        return false;
    }
    u->from += 6;
    unsigned c = (unsigned)first;
    if (c >= 0xd800 && c < 0xe000) {
        int second = -1;
        if (c < 0xdc00 && u->from[0] == '\\' && u->from[1] == 'u') {
            second = zkt__read_hex(u->from + 2);
        }
        if (second >= 0xdc00 && second < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((unsigned)second - 0xdc00);
            u->from += 6;
        } else {
            c = 0xfffd;
            u->lone_surrogate = true;
        }
    }
    u->to = write_code_point(u->to, c);
    return true;
}

static bool unescape_one(struct unescape *u)
{
    if (u->from[1] == 'u') {
        return unescape_unicode(u);
    }
    const char plain = zkt__short_escape(u->from[1]);
    if (plain == '\0') {
        return false;
    }
    *u->to++ = plain;
    u->from += 2;
    return true;
}

/* Unescapes from the first backslash to the closing quote; from is left
 * there. */
static bool unescape_all(struct unescape *u)
{
    while (*u->from != '"') {
        if (*u->from == '\\') {
            if (!unescape_one(u)) {
                return false;
            }
            continue;
        }
        char *next = zkt__scan_plain(u->from);
        if (next == u->from) {
            return false; /* a control character, or the end of the text */
        }
        const size_t len = (size_t)(next - u->from);
        memmove(u->to, u->from, len);
        u->from += len;
        u->to += len;
    }
    return true;
}

bool zkt__reader_text(struct zkt_reader *reader, struct zkt_str *out,
                      bool *lone_surrogate)
{
    *lone_surrogate = false;
    if (zkt__reader_peek(reader) != ZKT_TOKEN_STRING) {
        return false;
    }
    char *start = reader->at + 1;
    /* The end of a long string may be known from skipping it. */
    char *end = start == reader->plain.data ? start + reader->plain.len
                                            : zkt__scan_plain(start);
    if (*end == '"') {
        *end = '\0';
        *out = (struct zkt_str){ start, (size_t)(end - start) };
        reader->at = end + 1;
        return true;
    }
    struct unescape u = { .from = end, .to = end };
    if (!unescape_all(&u)) {
        return zkt__reader_fail(reader);
    }
    *u.to = '\0';
    *out = (struct zkt_str){ start, (size_t)(u.to - start) };
    reader->at = u.from + 1;
    *lone_surrogate = u.lone_surrogate;
    return true;
}

bool zkt__reader_string(struct zkt_reader *reader, struct zkt_str *out)
{
    bool lone_surrogate;
    return zkt__reader_text(reader, out, &lone_surrogate) && !lone_surrogate;
}

/* ---- walking ---- */

bool zkt__reader_enter(struct zkt_reader *reader, enum zkt_token what)
{
    if (zkt__reader_peek(reader) != what) {
        return false;
    }
    if (reader->depth == reader->depth_max) {
        return zkt__reader_fail_deep(reader);
    }
    reader->depth++;
    reader->at++;
    return true;
}

/* Returns true if another element follows; consumes the comma or the closing
 * bracket. */
static inline bool has_next(struct zkt_reader *reader, char opening,
                            char closing)
{
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    const char before = reader->at[-1];
    reader->at = zkt__skip_space(reader->at);
    if (*reader->at == closing) {
        reader->at++;
        reader->depth--;
        return false;
    }
    /* No comma is expected after the opening bracket. The previous byte tells,
     * since no value ends with an opening bracket. */
    if (before == opening) {
        return true;
    }
    if (*reader->at != ',') {
        return zkt__reader_fail(reader);
    }
    reader->at = zkt__skip_space(reader->at + 1);
    return true;
}

bool zkt__reader_entry(struct zkt_reader *reader)
{
    return has_next(reader, '{', '}');
}

/* Unescapes a key into the arena; the text is not changed. */
static bool copy_key(struct zkt_reader *reader, char *start, char *past,
                     struct zkt_str *key)
{
    const size_t len = (size_t)(past - start);
    char *copy = zkt__arena_alloc(reader->arena, len + ZKT_PADDING);
    if (copy == NULL) {
        reader->no_memory = true;
        return false;
    }
    memcpy(copy, start, len);
    memset(copy + len, 0, ZKT_PADDING);
    struct unescape u = { .from = copy, .to = copy };
    (void)unescape_all(&u); /* has been skipped, so it is well-formed */
    *key = (struct zkt_str){ copy, (size_t)(u.to - copy) };
    *u.to = '\0';
    return true;
}

bool zkt__text_copy(struct zkt_reader *reader, struct zkt_str json,
                    struct zkt_str *out)
{
    if (json.data[0] != '"') {
        return false;
    }
    char *start = reader->at - (reader->at - json.data) + 1;
    char *past = start + json.len - 1, *end = zkt__scan_plain(start);
    *out = (struct zkt_str){ start, (size_t)(end - start) };
    return *end == '"' || copy_key(reader, start, past, out);
}

/* Reads the escaped key at @start. Returns its end, or NULL on failure. */
static char *read_escaped_key(struct zkt_reader *reader, char *start,
                              struct zkt_str *key)
{
    char *past = zkt__skip_string(reader, start - 1);
    if (past == NULL) {
        (void)zkt__reader_fail(reader);
        return NULL;
    }
    return copy_key(reader, start, past, key) ? past : NULL;
}

bool zkt__reader_key(struct zkt_reader *reader, struct zkt_str *key)
{
    if (!zkt__reader_entry(reader)) {
        return false;
    }
    if (*reader->at != '"') {
        return zkt__reader_fail(reader);
    }
    char *start = reader->at + 1;
    char *end = zkt__scan_plain(start);
    char *past = end + 1;
    *key = (struct zkt_str){ start, (size_t)(end - start) };
    if (*end != '"') {
        past = read_escaped_key(reader, start, key);
        if (past == NULL) {
            return false;
        }
    }
    past = zkt__skip_space(past);
    if (*past != ':') {
        return zkt__reader_fail(reader);
    }
    reader->at = past + 1;
    return true;
}

bool zkt__reader_item(struct zkt_reader *reader)
{
    return has_next(reader, '[', ']');
}

bool zkt__reader_done(struct zkt_reader *reader)
{
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    reader->at = zkt__skip_space(reader->at);
    return reader->at == reader->end;
}
