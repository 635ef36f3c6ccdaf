/*
 * The decoders of the built-in kinds. Each consumes exactly one value, even a
 * wrong one, and reports its issues; so a bad value never hides another.
 */

#include "base/base64.h"
#include "json/number.h"
#include "json/rules.h"

static struct zkt_where here(const struct zkt_reader *reader)
{
    return (struct zkt_where){ reader->issues, reader->path, reader->depth };
}

static const char *token_name(enum zkt_token token)
{
    static const char *const names[] = {
        [ZKT_TOKEN_NULL] = "null",     [ZKT_TOKEN_BOOL] = "boolean",
        [ZKT_TOKEN_NUMBER] = "number", [ZKT_TOKEN_STRING] = "string",
        [ZKT_TOKEN_ARRAY] = "array",   [ZKT_TOKEN_OBJECT] = "object",
        [ZKT_TOKEN_NONE] = "nothing",
    };
    return names[token];
}

bool zkt__decode_mismatch(struct zkt_reader *reader, const char *expected)
{
    const enum zkt_token token = zkt__reader_peek(reader);
    if (zkt__reader_skip(reader, NULL)) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_TYPE, reader->path,
                       reader->depth, "expected %s, got %s", expected,
                       token_name(token));
    }
    return false;
}

static bool take_bool(struct zkt_reader *reader, bool *out)
{
    *out = false;
    if (zkt__reader_peek(reader) != ZKT_TOKEN_BOOL) {
        return zkt__decode_mismatch(reader, "boolean");
    }
    const bool is_true = *reader->at == 't';
    if (!zkt__reader_skip(reader, NULL)) {
        return false;
    }
    *out = is_true;
    return true;
}

/* ---- numbers ---- */

static bool take_number(struct zkt_reader *reader, const char *expected,
                        struct zkt_number *out)
{
    if (zkt__reader_peek(reader) != ZKT_TOKEN_NUMBER) {
        return zkt__decode_mismatch(reader, expected);
    }
    char *end = zkt__integer_read(reader->at, &out->integer);
    if (end != NULL) {
        out->whole = true;
        out->real = (double)out->integer;
        reader->at = end;
        return true;
    }
    end = zkt__number_end(reader->at);
    if (end == NULL) {
        reader->malformed = true;
        return false;
    }
    *out = zkt__number_read(reader->at, end);
    reader->at = end;
    return true;
}

/* Reads a whole number within @type's rules. A client checks only @widest, the
 * range of the C type. */
static bool take_integer(struct zkt_reader *reader, const struct zkt_type *type,
                         const struct zkt_int_rules *widest, int64_t *out)
{
    struct zkt_number number = { .whole = false };
    *out = 0;
    if (!take_number(reader, "integer", &number)) {
        return false;
    }
    const struct zkt_int_rules *rules = reader->tolerant ? widest
                                                         : type->of.ints;
    if (!number.whole) {
        if (!zkt__real_is_whole(number.real)) {
            zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_TYPE, reader->path,
                           reader->depth, "expected integer, got a fraction");
            return false;
        }
        /* Past 2^53 all doubles are whole, and out of range. */
        number.integer = number.real < 0 ? INT64_MIN : INT64_MAX;
    }
    if (!zkt__rule_int_holds(rules, number.integer)) {
        const struct zkt_where where = here(reader);
        return zkt__rule_int(&where, rules, number.integer);
    }
    *out = number.integer;
    return true;
}

/* A number within @type's rules, likewise; that of a float is the nearest one.
 */
static bool take_real(struct zkt_reader *reader, const struct zkt_type *type,
                      const struct zkt_float_rules *widest, double *out)
{
    struct zkt_number number;
    *out = 0;
    if (!take_number(reader, "number", &number)) {
        return false;
    }
    const struct zkt_where where = here(reader);
    const struct zkt_float_rules *rules = reader->tolerant ? widest
                                                           : type->of.floats;
    const bool single = type->size == sizeof(float);
    if (single) {
        number.real = zkt__single_round(number.real);
    }
    if (!zkt__rule_float(&where, rules, number.real, single)) {
        return false;
    }
    *out = number.real + 0.0; /* turns -0 into 0 */
    return true;
}

/* ---- strings ---- */

/* Terminates a text that became shorter. It is in the reader's buffer, before
 * the current position. */
static void end_text(struct zkt_reader *reader, struct zkt_str text)
{
    const ptrdiff_t back = reader->at - (text.data + text.len);
    reader->at[-back] = '\0';
}

/* Reads a string; a lone surrogate is an issue. */
static bool take_text(struct zkt_reader *reader, struct zkt_str *out)
{
    bool lone_surrogate;
    *out = ZKT_STR("");
    if (zkt__reader_peek(reader) != ZKT_TOKEN_STRING) {
        return zkt__decode_mismatch(reader, "string");
    }
    if (!zkt__reader_text(reader, out, &lone_surrogate)) {
        return false;
    }
    if (lone_surrogate) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_FORMAT, reader->path,
                       reader->depth, "holds half of a surrogate pair");
        return false;
    }
    return true;
}

static bool take_string(struct zkt_reader *reader, const struct zkt_type *type,
                        struct zkt_str *out)
{
    if (!take_text(reader, out)) {
        return false;
    }
    if (reader->tolerant) {
        return true;
    }
    const struct zkt_string_rules *rules = type->of.strings;
    /* The text is in the reader's buffer, so it and its NUL may change. */
    char *text = reader->at - (reader->at - out->data);
    *out = zkt__transform(rules, text, out->len);
    end_text(reader, *out);
    const struct zkt_where where = here(reader);
    return zkt__rule_string(&where, rules, *out);
}

static bool take_bytes(struct zkt_reader *reader, const struct zkt_type *type,
                       struct zkt_bytes *out)
{
    struct zkt_str text;
    *out = (struct zkt_bytes){ NULL, 0 };
    if (!take_text(reader, &text)) {
        return false;
    }
    /* Bytes are fewer than digits, so they may overwrite them. */
    uint8_t *bytes = (uint8_t *)(reader->at - (reader->at - text.data));
    if (!zkt__base64_read(text.data, text.len, bytes, &out->len)) {
        out->len = 0;
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_FORMAT, reader->path,
                       reader->depth, "is not base64");
        return false;
    }
    out->data = bytes;
    const struct zkt_where where = here(reader);
    return reader->tolerant ||
           zkt__rule_bytes(&where, type->of.bytes, out->len);
}

static bool take_json(struct zkt_reader *reader, struct zkt_json *out)
{
    struct zkt_str text;
    *out = (struct zkt_json){ NULL, 0 };
    if (!zkt__reader_skip(reader, &text)) {
        return false;
    }
    *out = (struct zkt_json){ text.data, text.len };
    return true;
}

/* ---- any scalar ---- */

/* The body of zkt_decode_WORD. */
#define TAKE_TRUTH(word, c_type)                                               \
    (void)type;                                                                \
    return take_bool(reader, value)
#define TAKE_INTEGER(word, c_type)                                             \
    int64_t wide;                                                              \
    const bool good = take_integer(reader, type, zkt_type_##word.of.ints,      \
                                   &wide);                                     \
    *(c_type *)value = (c_type)wide;                                           \
    return good
#define TAKE_TIME(word, c_type) TAKE_INTEGER(word, c_type)
#define TAKE_REAL(word, c_type)                                                \
    double wide;                                                               \
    const bool good = take_real(reader, type, zkt_type_##word.of.floats,       \
                                &wide);                                        \
    *(c_type *)value = (c_type)wide;                                           \
    return good
#define TAKE_TEXT(word, c_type)  return take_string(reader, type, value)
#define TAKE_BYTES(word, c_type) return take_bytes(reader, type, value)
#define TAKE_ANY(word, c_type)                                                 \
    (void)type;                                                                \
    return take_json(reader, value)

#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    bool zkt_decode_##word(struct zkt_reader *reader,                          \
                           const struct zkt_type *type, void *value)           \
    {                                                                          \
        TAKE_##class(word, c_type);                                            \
    }
#include "zocket/scalars.def"
#undef ZKT_SCALAR

/* ---- enums ---- */

bool zkt_decode_enum(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value)
{
    int *out = value;
    struct zkt_str text;
    bool lone_surrogate;
    *out = -1;
    if (zkt__reader_peek(reader) != ZKT_TOKEN_STRING) {
        return zkt__decode_mismatch(reader, "string");
    }
    if (!zkt__reader_text(reader, &text, &lone_surrogate)) {
        return false;
    }
    *out = type->of.enums->find(text);
    reader->unknown_values += *out < 0;
    if (*out >= 0 || reader->tolerant) {
        return true;
    }
    zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_VALUE, reader->path,
                   reader->depth, "is no value of %s", type->of.enums->name);
    return false;
}

/* Takes the value that stands next; *@is_it: it is the literal. */
static bool take_literal(struct zkt_reader *reader,
                         const struct zkt_literal_info *info, bool *is_it)
{
    const enum zkt_token token = zkt__reader_peek(reader);
    if (info->text.data != NULL && token == ZKT_TOKEN_STRING) {
        struct zkt_str text;
        bool lone_surrogate;
        const bool taken = zkt__reader_text(reader, &text, &lone_surrogate);
        *is_it = taken && !lone_surrogate && zkt_str_eq(text, info->text);
        return taken;
    }
    if (info->is_number && token == ZKT_TOKEN_NUMBER) {
        struct zkt_number number = { .whole = false };
        const bool taken = take_number(reader, "number", &number);
        *is_it = number.whole && number.integer == info->integer;
        return taken;
    }
    const bool is_true = token == ZKT_TOKEN_BOOL && *reader->at == 't';
    *is_it = token == ZKT_TOKEN_BOOL && info->text.data == NULL &&
             !info->is_number && is_true == (info->integer != 0);
    return zkt__reader_skip(reader, NULL);
}

bool zkt_decode_literal(struct zkt_reader *reader, const struct zkt_type *type,
                        void *value)
{
    const struct zkt_literal_info *info = type->of.literals;
    bool is_it = false;
    (void)value;
    if (!take_literal(reader, info, &is_it)) {
        return false;
    }
    if (!is_it) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_VALUE, reader->path,
                       reader->depth, "must be %.*s", ZKT_ARG(info->json));
    }
    return is_it;
}
