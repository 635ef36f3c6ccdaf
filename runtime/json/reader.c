/*
 * The pull reader: tokens of JSON text (RFC 8259), read in place. A string is
 * ended with a NUL where its closing quote was; skipping changes nothing, so
 * that what was skipped can be read later. Nothing here recurses.
 */
#include "json/json.h"

#include "base/utf8.h"
#include "json/number.h"
#include "json/scan.h"

static bool fail(struct zkt_reader *reader)
{
    reader->malformed = true;
    return false;
}

/* A limit of ours, not a mistake of the text: it is reported like a rule. */
static bool fail_deep(struct zkt_reader *reader)
{
    if (reader->issues != NULL) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_TOO_BIG, reader->path,
                       reader->depth, "is nested too deeply");
    }
    reader->too_deep = true;
    return fail(reader);
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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of four hex digits, or -1. */
static int read_hex(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

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

static char short_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '"':
    case '\\':
    case '/':
        return c;
    default:
        return '\0';
    }
}

/* A text on its way from escaped to plain, in place or elsewhere. */
struct unescape {
    char *from, *to;
    bool lone_surrogate;
};

/* `\uXXXX` at from; two of them for what is past U+FFFF (RFC 8259, section
 * 7). A surrogate without its other half becomes U+FFFD, and is noted. */
static bool unescape_unicode(struct unescape *u)
{
    const int first = read_hex(u->from + 2);
    if (first < 0) {
        return false;
    }
    u->from += 6;
    unsigned c = (unsigned)first;
    if (c >= 0xd800 && c < 0xe000) {
        int second = -1;
        if (c < 0xdc00 && u->from[0] == '\\' && u->from[1] == 'u') {
            second = read_hex(u->from + 2);
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
    const char plain = short_escape(u->from[1]);
    if (plain == '\0') {
        return false;
    }
    *u->to++ = plain;
    u->from += 2;
    return true;
}

/* From the first backslash to the closing quote, which from is left at. */
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
    /* A long one may have been looked through when it was skipped. */
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
        return fail(reader);
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

/* ---- skipping ---- */

/* Past the rest of a string that has escapes, or NULL. */
static char *skip_escaped(char *at)
{
    for (;; at = zkt__scan_plain(at)) {
        if (*at == '"') {
            return at + 1;
        }
        if (*at != '\\') {
            return NULL;
        }
        if (at[1] == 'u') {
            if (read_hex(at + 2) < 0) {
                return NULL;
            }
            at += 6;
        } else if (short_escape(at[1]) != '\0') {
            at += 2;
        } else {
            return NULL;
        }
    }
}

/* Past the string whose opening quote is at @at, or NULL. */
static inline char *skip_string(struct zkt_reader *reader, char *at)
{
    char *start = at + 1, *end = zkt__scan_plain(start);
    if ((size_t)(end - start) > reader->plain.len) {
        reader->plain = (struct zkt_str){ start, (size_t)(end - start) };
    }
    return *end == '"' ? end + 1 : skip_escaped(end);
}

/* Past @word, or NULL; as many bytes may be read beyond the text. */
static inline char *skip_word(char *at, const char *word, size_t len)
{
    return memcmp(at, word, len) == 0 ? at + len : NULL;
}

/* Past a value that holds no others, or NULL. */
static inline char *skip_scalar(struct zkt_reader *reader, char *at)
{
    switch (*at) {
    case '"':
        return skip_string(reader, at);
    case 't':
        return skip_word(at, "true", 4);
    case 'f':
        return skip_word(at, "false", 5);
    case 'n':
        return skip_word(at, "null", 4);
    default:
        return zkt__number_end(at);
    }
}

/* Past a key, its colon and the space around it, or NULL. */
static inline char *skip_key(struct zkt_reader *reader, char *at)
{
    at = zkt__skip_space(at);
    if (*at != '"') {
        return NULL;
    }
    at = skip_string(reader, at);
    if (at == NULL) {
        return NULL;
    }
    at = zkt__skip_space(at);
    return *at == ':' ? zkt__skip_space(at + 1) : NULL;
}

/*
 * Which containers a skip is inside of: a bit each, 1 for an object. There is
 * room for the usual number of them; a text that goes deeper pays for it.
 */
struct nesting {
    struct zkt_reader *reader;
    uint64_t first, *words;
    size_t depth, capacity;
    bool in_object; /* the innermost one */
    bool deeper;    /* than the limit */
};

/* Room for all the levels that the rest of the text can have. */
static bool reserve_levels(struct nesting *in, const char *at)
{
    struct zkt_reader *reader = in->reader;
    const size_t words = (in->capacity + (size_t)(reader->end - at) / 2) / 64 +
                         1;
    uint64_t *larger = zkt__arena_zero(reader->arena, words, sizeof(*larger));
    if (larger == NULL) {
        reader->no_memory = true;
        return false;
    }
    memcpy(larger, in->words, (in->depth + 63) / 64 * sizeof(*larger));
    in->words = larger;
    in->capacity = words * 64;
    return true;
}

/* Enters the container at @at and stands before its first value; if it is
 * empty, past it. NULL: malformed. */
static inline char *skip_open(struct nesting *in, char *at, bool *empty)
{
    const bool object = *at == '{';
    const uint64_t bit = (uint64_t)1 << in->depth % 64;
    const struct zkt_reader *reader = in->reader;
    in->deeper = in->deeper || reader->depth + in->depth >= reader->depth_max;
    if (in->depth == in->capacity && !reserve_levels(in, at)) {
        return NULL;
    }
    at = zkt__skip_space(at + 1);
    *empty = *at == (object ? '}' : ']');
    if (*empty) {
        return at + 1;
    }
    uint64_t *word = &in->words[in->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    in->depth++;
    in->in_object = object;
    return object ? skip_key(in->reader, at) : at;
}

/* Leaves the innermost container. */
static inline void skip_close(struct nesting *in)
{
    if (--in->depth > 0) {
        const size_t level = in->depth - 1;
        in->in_object = (in->words[level / 64] >> level % 64 & 1) != 0;
    }
}

/* After a value: leaves the containers that end here, and stands before the
 * next value, or behind everything with depth 0. */
static inline char *skip_on(struct nesting *in, char *at)
{
    while (in->depth > 0) {
        at = zkt__skip_space(at);
        if (*at == ',') {
            return in->in_object ? skip_key(in->reader, at + 1)
                                 : zkt__skip_space(at + 1);
        }
        if (*at != (in->in_object ? '}' : ']')) {
            return NULL;
        }
        at++;
        skip_close(in);
    }
    return at;
}

/* Skips values from @at on until everything that was entered is left. NULL:
 * malformed. */
static char *skip_values(struct nesting *in, char *at)
{
    do {
        bool whole = true;
        if (*at == '{' || *at == '[') {
            at = skip_open(in, at, &whole);
        } else {
            at = skip_scalar(in->reader, at);
        }
        if (at != NULL && whole) {
            at = skip_on(in, at);
        }
    } while (at != NULL && in->depth > 0);
    return at;
}

static void nesting_init(struct nesting *in, struct zkt_reader *reader)
{
    in->reader = reader;
    in->words = &in->first;
    in->first = 0;
    in->depth = 0;
    in->capacity = ZKT_DEPTH_MAX - reader->depth;
    in->deeper = false;
}

/* Takes what skip_values returned as the place to go on from. */
static bool skipped(const struct nesting *in, char *at)
{
    struct zkt_reader *reader = in->reader;
    if (at == NULL) {
        return fail(reader);
    }
    if (in->deeper && reader->issues != NULL) {
        return fail_deep(reader);
    }
    reader->at = at;
    return true;
}

bool zkt__reader_skip(struct zkt_reader *reader, struct zkt_str *out)
{
    struct nesting in;
    if (zkt__reader_peek(reader) == ZKT_TOKEN_NONE) {
        return fail(reader);
    }
    nesting_init(&in, reader);
    char *start = reader->at;
    if (!skipped(&in, skip_values(&in, start))) {
        return false;
    }
    if (out != NULL) {
        *out = (struct zkt_str){ start, (size_t)(reader->at - start) };
    }
    return true;
}

bool zkt__reader_skip_rest(struct zkt_reader *reader, enum zkt_token what)
{
    struct nesting in;
    if (zkt__reader_peek(reader) == ZKT_TOKEN_NONE) {
        return fail(reader);
    }
    reader->depth--;
    nesting_init(&in, reader);
    in.depth = 1;
    in.in_object = what == ZKT_TOKEN_OBJECT;
    in.first = in.in_object;
    return skipped(&in, skip_values(&in, reader->at));
}

/* ---- walking ---- */

bool zkt__reader_enter(struct zkt_reader *reader, enum zkt_token what)
{
    if (zkt__reader_peek(reader) != what) {
        return false;
    }
    if (reader->depth == reader->depth_max) {
        return fail_deep(reader);
    }
    reader->depth++;
    reader->at++;
    return true;
}

/* Whether something follows in the container; takes the comma or the end. */
static inline bool another(struct zkt_reader *reader, char opening,
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
    /* Right behind the opening bracket no comma is wanted: that is known by
     * the byte before, since no value ends with one. */
    if (before == opening) {
        return true;
    }
    if (*reader->at != ',') {
        return fail(reader);
    }
    reader->at = zkt__skip_space(reader->at + 1);
    return true;
}

bool zkt__reader_entry(struct zkt_reader *reader)
{
    return another(reader, '{', '}');
}

/* A key that has escapes, unescaped into the arena: the text stays. */
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
    (void)unescape_all(&u); /* it was skipped before, so it is well-formed */
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

bool zkt__reader_key(struct zkt_reader *reader, struct zkt_str *key)
{
    if (!zkt__reader_entry(reader)) {
        return false;
    }
    if (*reader->at != '"') {
        return fail(reader);
    }
    char *start = reader->at + 1;
    char *end = zkt__scan_plain(start);
    char *past = *end == '"' ? end + 1 : skip_string(reader, reader->at);
    if (past == NULL) {
        return fail(reader);
    }
    *key = (struct zkt_str){ start, (size_t)(end - start) };
    if (*end != '"' && !copy_key(reader, start, past, key)) {
        return false;
    }
    past = zkt__skip_space(past);
    if (*past != ':') {
        return fail(reader);
    }
    reader->at = past + 1;
    return true;
}

bool zkt__reader_item(struct zkt_reader *reader)
{
    return another(reader, '[', ']');
}

bool zkt__reader_done(struct zkt_reader *reader)
{
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    reader->at = zkt__skip_space(reader->at);
    return reader->at == reader->end;
}
