/*
 * Patterns: the common subset of PCRE2 and of JavaScript's `u` mode, checked in
 * a pass over the text, which also writes it anew for PCRE2: `.`, `\s` and
 * `\S` become the sets that ECMA-262 gives them, and every other escape a form
 * that both read alike. A construct that the two read differently is refused.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <string.h>

#include "schema/check.h"
#include "util/text_buffer.h"

/* ECMA-262, section 22.2.2: WhiteSpace and LineTerminator; and the rest. */
#define SPACES                                                                 \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"         \
    "\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES                                                              \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}"              \
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}"                \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}"                \
    "\\x{ff00}-\\x{10ffff}"
#define NO_LINE_END "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]"

enum {
    GROUPS_MAX = 32,     /* deep */
    REPEAT_MAX = 1000,   /* in {…} */
    PATTERN_MAX = 20000, /* parts; the runtime has room for some more */
    NO_CODE_POINT = -1
};

struct pattern {
    const char *text; /* between the slashes */
    size_t at, len;
    struct text_buffer out;
    const char *error;
    int depth;
    bool loops;            /* something may be repeated without a bound */
    bool has_alternatives; /* outside of groups */
    bool ends;             /* the last part outside of groups is a '$' */
    unsigned size;         /* at least the nodes that the runtime makes of it */
};

/* How often something may come. */
struct count {
    unsigned least, most;
    bool endless;
};

static bool fail(struct pattern *p, const char *error)
{
    if (p->error == NULL) {
        p->error = error;
    }
    return false;
}

static char peek(const struct pattern *p)
{
    return p->at < p->len ? p->text[p->at] : '\0';
}

static bool take(struct pattern *p, const char *text)
{
    const size_t len = strlen(text);
    if (p->len - p->at < len || memcmp(p->text + p->at, text, len) != 0) {
        return false;
    }
    p->at += len;
    return true;
}

/* ---- characters ---- */

/* The character at the place, which is valid UTF-8. */
static long take_character(struct pattern *p)
{
    const unsigned char *at = (const unsigned char *)p->text + p->at;
    const int more = at[0] < 0x80 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    long c = more == 0 ? at[0] : at[0] & (0x3f >> more);
    for (int i = 1; i <= more; i++) {
        c = c << 6 | (at[i] & 0x3f);
    }
    p->at += (size_t)more + 1;
    return c;
}

static void write_character(struct pattern *p, long c)
{
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                       (c >= 'a' && c <= 'z') || c == '_' || c == ' ' ||
                       c == '@' || c == ':' || c == '/' || c == ',' ||
                       c == '%' || c == '&' || c == ';' || c == '=' ||
                       c == '"' || c == '\'' || c == '<' || c == '>';
    if (plain) {
        const char byte = (char)c;
        emit_bytes(&p->out, &byte, 1);
    } else {
        static const char digits[] = "0123456789abcdef";
        emit_text(&p->out, "\\x{");
        int shift = 20;
        while (shift > 0 && (c >> shift) == 0) {
            shift -= 4;
        }
        for (; shift >= 0; shift -= 4) {
            emit_bytes(&p->out, &digits[(c >> shift) & 15], 1);
        }
        emit_text(&p->out, "}");
    }
}

/* @count hex digits; or, with 0, as many as come before a '}'. */
static long take_hex(struct pattern *p, int count)
{
    long value = 0;
    int got = 0;
    for (; count == 0 || got < count; got++) {
        const char c = peek(p);
        const char *digits = "0123456789abcdefABCDEF";
        const char *digit = c != '\0' ? strchr(digits, c) : NULL;
        if (digit == NULL || value > 0x10ffff) {
            break;
        }
        const long number = digit - digits;
        value = value * 16 + (number > 15 ? number - 6 : number);
        p->at++;
    }
    const bool closed = count > 0 || take(p, "}");
    const bool good = closed && (count > 0 ? got == count : got > 0) &&
                      value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    return good ? value : NO_CODE_POINT;
}

/* The character that an escape stands for, or NO_CODE_POINT. */
static long take_escaped_character(struct pattern *p)
{
    static const char names[] = "tnrfv", values[] = "\t\n\r\f\v";
    const char c = peek(p);
    const char *name = c != '\0' ? strchr(names, c) : NULL;
    if (name != NULL) {
        p->at++;
        return values[name - names];
    }
    if (c != '\0' && strchr("^$\\.*+?()[]{}|/-", c) != NULL) {
        p->at++;
        return c;
    }
    if (take(p, "x")) {
        return take_hex(p, 2);
    }
    if (take(p, "u{")) {
        return take_hex(p, 0);
    }
    if (take(p, "u")) {
        return take_hex(p, 4);
    }
    if (c == '0' && !(p->at + 1 < p->len && p->text[p->at + 1] >= '0' &&
                      p->text[p->at + 1] <= '9')) {
        p->at++;
        return 0;
    }
    return NO_CODE_POINT;
}

/* `\d`, `\s` and their like behind a backslash; false: something else. */
static bool take_class_escape(struct pattern *p, bool in_set)
{
    static const struct {
        const char *name, *alone, *inside;
    } escapes[] = {
        { "d", "[0-9]", "0-9" },
        { "D", "[^0-9]", "\\x{0}-/:-\\x{10ffff}" },
        { "w", "[A-Za-z0-9_]", "A-Za-z0-9_" },
        { "W", "[^A-Za-z0-9_]",
          "\\x{0}-/:-@\\x{5b}-\\x{5e}`\\x{7b}-\\x{10ffff}" },
        { "s", "[" SPACES "]", SPACES },
        { "S", "[" NO_SPACES "]", NO_SPACES },
    };
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (take(p, escapes[i].name)) {
            emit_text(&p->out, in_set ? escapes[i].inside : escapes[i].alone);
            return true;
        }
    }
    return false;
}

/* ---- sets ---- */

/* A member of a set; @c gets it when it is a character. */
static bool take_member(struct pattern *p, long *c)
{
    *c = NO_CODE_POINT;
    if (!take(p, "\\")) {
        *c = take_character(p);
        return true;
    }
    if (take_class_escape(p, true)) {
        return true;
    }
    *c = take(p, "b") ? '\b' : take_escaped_character(p);
    return *c != NO_CODE_POINT || fail(p, "an escape that is not common");
}

static bool take_range_end(struct pattern *p, long first)
{
    long last;
    p->at++; /* the '-' */
    if (!take_member(p, &last)) {
        return false;
    }
    if (first == NO_CODE_POINT || last == NO_CODE_POINT) {
        return fail(p, "a range that ends with a class");
    }
    if (last < first) {
        return fail(p, "a range that is empty");
    }
    emit_text(&p->out, "-");
    write_character(p, last);
    return true;
}

static bool take_set(struct pattern *p)
{
    emit_text(&p->out, "[");
    if (take(p, "^")) {
        emit_text(&p->out, "^");
    }
    if (peek(p) == ']') {
        return fail(p, "a set without members");
    }
    while (!take(p, "]")) {
        long c;
        if (p->at >= p->len) {
            return fail(p, "a set without an end");
        }
        if (!take_member(p, &c)) {
            return false;
        }
        if (c != NO_CODE_POINT) {
            write_character(p, c);
        }
        const bool range = peek(p) == '-' && p->at + 1 < p->len &&
                           p->text[p->at + 1] != ']';
        if (range && !take_range_end(p, c)) {
            return false;
        }
    }
    emit_text(&p->out, "]");
    return true;
}

/* ---- terms ---- */

/* The part from size @before on comes as often as @count says: the runtime has
 * as many copies of it, each with the nodes that lead on or back. */
static bool grow(struct pattern *p, unsigned before, struct count count)
{
    p->loops = p->loops || count.endless;
    const bool options = !count.endless && count.most > count.least;
    const unsigned one = p->size - before + 1 + options;
    const unsigned most = count.endless ? count.least : count.most;
    const unsigned times = most > 0 ? most : 1;
    if (one > (PATTERN_MAX - before) / times) {
        return fail(p, "more than 20000 parts, with all that it repeats");
    }
    p->size = before + one * times + (count.endless ? 2 : 0);
    return p->size <= PATTERN_MAX ||
           fail(p, "more than 20000 parts, with all that it repeats");
}

static bool take_number(struct pattern *p, unsigned *out)
{
    const size_t start = p->at;
    for (*out = 0; peek(p) >= '0' && peek(p) <= '9' && *out <= REPEAT_MAX;
         p->at++) {
        *out = *out * 10 + (unsigned)(peek(p) - '0');
    }
    return p->at > start;
}

/* `{2}`, `{2,}`, `{2,3}`, of which the brace was taken. The repeated part was
 * written from @start on; no repetition becomes nothing, where PCRE2 10.42
 * takes a '^' in it for an anchor all the same. */
static bool take_count(struct pattern *p, size_t start, struct count *count)
{
    unsigned low, high;
    bool bounded = true;
    if (!take_number(p, &low)) {
        return fail(p, "a '{' that begins no count; write '\\{'");
    }
    high = low;
    emit_text(&p->out, "{");
    emit_unsigned(&p->out, low);
    if (take(p, ",")) {
        emit_text(&p->out, ",");
        bounded = peek(p) != '}';
        if (bounded && take_number(p, &high)) {
            emit_unsigned(&p->out, high);
        }
    }
    emit_text(&p->out, "}");
    if (bounded && high == 0) {
        p->out.len = start;
        emit_text(&p->out, "(?:)");
    }
    if (!take(p, "}") || low > high) {
        return fail(p, "a count that is none");
    }
    *count = (struct count){ low, high, !bounded };
    return (low <= REPEAT_MAX && high <= REPEAT_MAX) ||
           fail(p, "a count of more than 1000");
}

/* A quantifier, if any; otherwise the count is once. */
static bool take_quantifier(struct pattern *p, bool allowed, size_t start,
                            struct count *count)
{
    static const char *const signs[] = { "*", "+", "?" };
    bool found = false;
    *count = (struct count){ 1, 1, false };
    for (size_t i = 0; i < 3 && !found; i++) {
        if (take(p, signs[i])) {
            emit_text(&p->out, signs[i]);
            *count = (struct count){ i == 1, 1, i < 2 };
            found = true;
        }
    }
    if (!found && take(p, "{")) {
        if (!take_count(p, start, count)) {
            return false;
        }
        found = true;
    }
    if (!found) {
        return true;
    }
    if (!allowed) {
        return fail(p, "a count behind nothing that can be repeated");
    }
    if (take(p, "?")) {
        emit_text(&p->out, "?");
    }
    const char c = peek(p);
    return (c != '*' && c != '+' && c != '?' && c != '{') ||
           fail(p, "two counts behind each other");
}

static bool take_alternatives(struct pattern *p);

static bool take_group(struct pattern *p, bool *repeatable)
{
    *repeatable = true;
    if (take(p, "?:")) {
        emit_text(&p->out, "(?:");
    } else if (take(p, "?=")) {
        emit_text(&p->out, "(?=");
        *repeatable = false;
    } else if (take(p, "?!")) {
        emit_text(&p->out, "(?!");
        *repeatable = false;
    } else if (peek(p) == '?' || peek(p) == '*') {
        return fail(p, "a group of a kind that is not common");
    } else {
        emit_text(&p->out, "(?:"); /* captures are not used */
    }
    if (++p->depth > GROUPS_MAX) {
        return fail(p, "groups that are nested too deeply");
    }
    if (!take_alternatives(p)) {
        return false;
    }
    p->depth--;
    p->size += 2; /* a group has a begin and an end */
    emit_text(&p->out, ")");
    return take(p, ")") || fail(p, "a group without an end");
}

static bool take_escape(struct pattern *p, bool *repeatable)
{
    if (take(p, "b")) {
        emit_text(&p->out, "\\b");
        *repeatable = false;
        return true;
    }
    if (take(p, "B")) {
        emit_text(&p->out, "\\B");
        *repeatable = false;
        return true;
    }
    if (take_class_escape(p, false)) {
        return true;
    }
    /* Only inside of a set may a '-' be escaped. */
    const long c = peek(p) == '-' ? NO_CODE_POINT : take_escaped_character(p);
    if (c == NO_CODE_POINT) {
        return fail(p, "an escape that is not common");
    }
    write_character(p, c);
    return true;
}

static bool take_atom(struct pattern *p, bool *repeatable)
{
    *repeatable = true;
    if (take(p, "^") || take(p, "$")) {
        emit_bytes(&p->out, p->text + p->at - 1, 1);
        *repeatable = false;
        return true;
    }
    if (take(p, ".")) {
        emit_text(&p->out, NO_LINE_END);
        return true;
    }
    if (take(p, "(")) {
        return take_group(p, repeatable);
    }
    if (take(p, "[")) {
        return take_set(p);
    }
    if (take(p, "\\")) {
        return take_escape(p, repeatable);
    }
    const char c = peek(p);
    if (strchr("*+?{", c) != NULL) {
        return fail(p, "a count behind nothing that can be repeated");
    }
    if (c == '}' || c == ']') {
        return fail(p, "a bracket that closes nothing; it wants a '\\'");
    }
    write_character(p, take_character(p));
    return true;
}

static bool take_alternatives(struct pattern *p)
{
    while (p->at < p->len && peek(p) != ')') {
        bool repeatable;
        struct count count;
        const size_t start = p->out.len;
        const unsigned before = p->size;
        const bool end = peek(p) == '$' && p->depth == 0;
        if (take(p, "|")) {
            p->has_alternatives = p->has_alternatives || p->depth == 0;
            emit_text(&p->out, "|");
            p->size += 2;
            continue;
        }
        if (!take_atom(p, &repeatable) ||
            !take_quantifier(p, repeatable, start, &count) ||
            !grow(p, before, count)) {
            return false;
        }
        p->ends = end;
    }
    return true;
}

/* Compiles a lowered pattern with PCRE2, which has limits of its own. */
static pcre2_code *compile(const char *source)
{
    int error;
    size_t offset;
    return pcre2_compile((PCRE2_SPTR)source, PCRE2_ZERO_TERMINATED,
                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &offset,
                         NULL);
}

/* Whether the pattern is tried from every character on. */
static bool is_untied(const pcre2_code *code)
{
    uint32_t options = 0;
    (void)pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
    return (options & PCRE2_ANCHORED) == 0;
}

bool pattern_lower(struct arena *arena, const char *text,
                   struct schema_pattern *out, const char **error, size_t *at)
{
    struct pattern p = { .text = text + 1, .len = strlen(text) - 2 };
    if (take_alternatives(&p) && p.at < p.len) {
        (void)fail(&p, "a ')' that closes nothing");
    }
    if (p.error == NULL) {
        out->source = arena_text(arena, p.out.len > 0 ? p.out.text : "",
                                 p.out.len);
        pcre2_code *code = compile(out->source);
        if (code == NULL) {
            (void)fail(&p, "more than can be compiled");
        }
        out->searches = code != NULL && p.loops && is_untied(code);
        /* Tied to both ends, and at most a character for each part. */
        out->is_bounded = p.text[0] == '^' && p.ends && !p.has_alternatives &&
                          !p.loops;
        pcre2_code_free(code);
    }
    text_buffer_finish(&p.out);
    *error = p.error;
    *at = p.at + 1;
    return p.error == NULL;
}

bool pattern_matches(const char *source, const char *text, size_t len)
{
    pcre2_code *code = compile(source);
    pcre2_match_data *match = code != NULL ? pcre2_match_data_create(1, NULL)
                                           : NULL;
    const int result = match != NULL ? pcre2_match(code, (PCRE2_SPTR)text, len,
                                                   0, 0, match, NULL)
                                     : -1;
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return result >= 0;
}
