/* Numbers, strings, bytes and enums; see mutate_parts.h. */
#include <math.h>
#include <stdio.h>

#include "mutate_parts.h"

/* ---- numbers ---- */

static void put_integer(struct mutation *m, int64_t value)
{
    zkt_write_int64(m->w, value);
}

/* Returns a number next to a good number, in the range but not a multiple of
 * the step. */
static int64_t beside(const struct zkt_int_rules *rules, int64_t value)
{
    return value < rules->max ? value + 1 : value - 1;
}

static void write_integer(struct mutation *m, const struct zkt_int_rules *rules,
                          int64_t value)
{
    char text[40];
    if (breaks(m, "below", ZKT_ISSUE_TOO_SMALL, true)) {
        put_integer(m, rules->min - 1);
    } else if (breaks(m, "above", ZKT_ISSUE_TOO_BIG, true)) {
        put_integer(m, rules->max + 1);
    } else if (breaks(m, "far below", ZKT_ISSUE_TOO_SMALL, false)) {
        put(m, "-1e300");
    } else if (breaks(m, "far above", ZKT_ISSUE_TOO_BIG, false)) {
        put(m, "18446744073709551616");
    } else if (breaks(m, "fraction", ZKT_ISSUE_INVALID_TYPE, false)) {
        put(m, "1.5");
    } else if (rules->step > 1 && rules->min < rules->max &&
               breaks(m, "no multiple", ZKT_ISSUE_NOT_MULTIPLE_OF, true)) {
        put_integer(m, beside(rules, value));
    } else if (means_the_same(m, "as 1.0")) {
        put_integer(m, value);
        put(m, ".0");
    } else if (means_the_same(m, "as 10e-1")) {
        snprintf(text, sizeof(text), "%lld0E-1", (long long)value);
        put(m, value == 0 ? "-0" : text);
    } else {
        put_integer(m, value);
    }
}

/* The next value of @type in the direction of @to. */
static double next_real(const struct zkt_type *type, double value, double to)
{
    return type->size == sizeof(float)
               ? (double)nextafterf((float)value, (float)to)
               : nextafter(value, to);
}

static void put_real(struct mutation *m, const struct zkt_type *type,
                     double value)
{
    if (type->size == sizeof(float)) {
        zkt_write_float32(m->w, (float)value);
    } else {
        zkt_write_float64(m->w, value);
    }
}

static void write_real(struct mutation *m, const struct zkt_type *type,
                       double value)
{
    const struct zkt_float_rules *rules = type->of.floats;
    const bool single = type->size == sizeof(float);
    const double low = next_real(type, rules->min, -INFINITY);
    const double high = next_real(type, rules->max, INFINITY);
    if (isfinite(low) && breaks(m, "below", ZKT_ISSUE_TOO_SMALL, true)) {
        put_real(m, type, rules->above ? rules->min : low);
    } else if (isfinite(high) && breaks(m, "above", ZKT_ISSUE_TOO_BIG, true)) {
        put_real(m, type, rules->below ? rules->max : high);
    } else if (single &&
               breaks(m, "past any float", ZKT_ISSUE_TOO_BIG, false)) {
        put(m, "3.5e38");
    } else if (breaks(m, "not finite", ZKT_ISSUE_INVALID_TYPE, false)) {
        put(m, "1e999");
    } else if (single && means_the_same(m, "as a double")) {
        zkt_write_float64(m->w, value);
    } else {
        put_real(m, type, value);
    }
}

/* ---- strings ---- */

static bool matches(const struct samples *samples,
                    const struct zkt_pattern *pattern,
                    const struct sample *sample)
{
    for (size_t i = 0; i < samples->pattern_count; i++) {
        if (zkt_str_eq(samples->patterns[i], pattern->display_text)) {
            return sample->matches[i] == '1';
        }
    }
    fprintf(stderr, "unknown pattern %.*s\n", ZKT_ARG(pattern->display_text));
    return false;
}

static size_t count_code_points(struct zkt_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

unsigned sample_faults(const struct samples *samples,
                       const struct zkt_string_rules *rules,
                       const struct sample *sample, enum zkt_issue_code *code)
{
    const size_t len = count_code_points(sample->text);
    unsigned faults = 0;
    if (len < rules->min || len > rules->max) {
        *code = len < rules->min ? ZKT_ISSUE_TOO_SMALL : ZKT_ISSUE_TOO_BIG;
        faults++;
    }
    for (uint32_t i = 0; i < rules->pattern_count; i++) {
        if (!matches(samples, &rules->patterns[i], sample)) {
            *code = ZKT_ISSUE_INVALID_FORMAT;
            faults++;
        }
    }
    return faults;
}

/* Returns a sample with @code as its only issue, which the transforms do not
 * change. */
static const struct sample *find_faulty(const struct mutation *m,
                                        const struct zkt_string_rules *rules,
                                        enum zkt_issue_code wanted)
{
    const size_t start = m->sites % (m->samples->count + 1);
    for (size_t i = 0; i < m->samples->count; i++) {
        const struct sample *s =
            &m->samples->items[(start + i) % m->samples->count];
        enum zkt_issue_code code;
        const bool stays = (s->trimmed || !rules->trim) &&
                           (s->lowered || !rules->lower) &&
                           (s->uppered || !rules->upper);
        if (stays && sample_faults(m->samples, rules, s, &code) == 1 &&
            code == wanted) {
            return s;
        }
    }
    return NULL;
}

static bool write_faulty_string(struct mutation *m,
                                const struct zkt_string_rules *rules)
{
    static const struct {
        const char *what;
        enum zkt_issue_code code;
    } faults[] = { { "short string", ZKT_ISSUE_TOO_SMALL },
                   { "long string", ZKT_ISSUE_TOO_BIG },
                   { "pattern", ZKT_ISSUE_INVALID_FORMAT } };
    for (size_t i = 0; i < 3; i++) {
        const struct sample *s = find_faulty(m, rules, faults[i].code);
        if (s != NULL && breaks(m, faults[i].what, faults[i].code, true)) {
            zkt_write_string(m->w, s->text);
            return true;
        }
    }
    const bool bounded = rules->pattern_count == 0 && rules->max < 5000;
    if (bounded && breaks(m, "one too long", ZKT_ISSUE_TOO_BIG, true)) {
        put(m, "\"");
        for (uint32_t i = 0; i <= rules->max; i++) {
            put(m, "😀");
        }
        put(m, "\"");
        return true;
    }
    return false;
}

/* The letters from @first to @last change their case. */
static void put_changed(struct mutation *m, struct zkt_str text, char first,
                        char last)
{
    const size_t start = m->w->len;
    zkt_write_string(m->w, text);
    for (size_t i = start; i < m->w->len && !m->w->failed; i++) {
        char *c = &m->w->data[i];
        if (*c == '\\') {
            i += m->w->data[i + 1] == 'u' ? 5 : 1; /* skips the escape */
        } else if (*c >= first && *c <= last) {
            *c = (char)(*c ^ 0x20);
        }
    }
}

static void put_spaced(struct mutation *m, struct zkt_str text)
{
    put(m, "\"\\ufeff\\t\xe2\x80\xa8 ");
    const size_t middle = m->w->len;
    zkt_write_string(m->w, text);
    if (!m->w->failed) { /* without its quotes */
        m->w->len--;
        memmove(m->w->data + middle, m->w->data + middle + 1,
                m->w->len - middle - 1);
        m->w->len--;
    }
    put(m, "\xc2\xa0\\r\\n\\u3000\"");
}

static void write_string(struct mutation *m,
                         const struct zkt_string_rules *rules,
                         struct zkt_str text)
{
    if (breaks(m, "lone surrogate", ZKT_ISSUE_INVALID_FORMAT, false)) {
        put(m, "\"a\\ud83dz\"");
    } else if (write_faulty_string(m, rules)) {
        return;
    } else if (rules->trim && means_the_same(m, "trim")) {
        put_spaced(m, text);
    } else if (rules->lower && means_the_same(m, "lower")) {
        put_changed(m, text, 'a', 'z');
    } else if (rules->upper && means_the_same(m, "upper")) {
        put_changed(m, text, 'A', 'Z');
    } else {
        zkt_write_string(m->w, text);
    }
}

/* ---- bytes ---- */

static void put_base64(struct mutation *m, const uint8_t *data, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put(m, "\"");
    for (size_t i = 0; i < len; i += 3) {
        const size_t left = len - i;
        const unsigned bits = (unsigned)data[i] << 16 |
                              (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                              (left > 2 ? data[i + 2] : 0u);
        const char four[] = { digits[bits >> 18], digits[bits >> 12 & 63],
                              left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '=' };
        zkt_write_raw(m->w, four, 4);
    }
    put(m, "\"");
}

static void write_bytes(struct mutation *m, const struct zkt_bytes_rules *rules,
                        const struct zkt_bytes *bytes)
{
    static const uint8_t zeros[8192];
    static const char *const bad[] = { "\"A\"",    "\"AB==\"",  "\"AAA\"",
                                       "\"AA-_\"", "\"AAAA=\"", "\" AAA\"" };
    if (rules->min > 0 && breaks(m, "few bytes", ZKT_ISSUE_TOO_SMALL, true)) {
        put_base64(m, zeros, rules->min - 1);
    } else if (rules->max < sizeof(zeros) &&
               breaks(m, "many bytes", ZKT_ISSUE_TOO_BIG, true)) {
        put_base64(m, zeros, rules->max + 1);
    } else if (breaks(m, "bad base64", ZKT_ISSUE_INVALID_FORMAT, false)) {
        put(m, bad[m->sites % 6]);
    } else {
        put_base64(m, bytes->data, bytes->len);
    }
}

static void write_enum(struct mutation *m, const struct zkt_type *type,
                       int value)
{
    if (breaks(m, "unknown value", ZKT_ISSUE_INVALID_VALUE, true)) {
        put(m, "\"no value of any\"");
    } else {
        zkt_write_string(m->w, type->of.enums->values[value]);
    }
}

/* ---- any scalar ---- */

#define WRITE_TRUTH(c_type) put(m, *(const bool *)value ? "true" : "false")
#define WRITE_INTEGER(c_type)                                                  \
    write_integer(m, type->of.ints, (int64_t) * (const c_type *)value)
#define WRITE_TIME(c_type) WRITE_INTEGER(c_type)
#define WRITE_REAL(c_type) write_real(m, type, (double)*(const c_type *)value)
#define WRITE_TEXT(c_type)                                                     \
    write_string(m, type->of.strings, *(const c_type *)value)
#define WRITE_BYTES(c_type) write_bytes(m, type->of.bytes, value)
#define WRITE_ANY(c_type)   write_json(m, value)

static void write_json(struct mutation *m, const struct zkt_json *json)
{
    zkt_write_raw(m->w, json->text, json->len);
}

void mutation_scalar(struct mutation *m, const struct zkt_type *type,
                     const void *value)
{
    switch (type->kind) {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    case ZKT_KIND_##symbol:                                                    \
        WRITE_##class(c_type);                                                 \
        break;
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
        write_enum(m, type, *(const int *)value);
        break;
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
}
