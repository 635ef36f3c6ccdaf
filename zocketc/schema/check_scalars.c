/* Defaults of scalars: whether they fit their type and its rules. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/check.h"

bool check_mismatch(const struct check_site *at, const struct ast_value *value,
                    const char *noun)
{
    diag_report(at->c->diag, value->at, DIAG_BAD_DEFAULT, at->name->text, noun);
    return false;
}

bool check_broken(const struct check_site *at, const struct ast_value *value,
                  const char *rule)
{
    diag_report(at->c->diag, value->at, DIAG_BROKEN_DEFAULT, at->name->text,
                rule);
    return false;
}

bool check_is_word(const struct ast_value *value, const char *word)
{
    return value->kind == AST_VALUE_NAME && strcmp(value->text, word) == 0;
}

static bool check_bool(const struct check_site *at,
                       const struct ast_value *value)
{
    return check_is_word(value, "true") || check_is_word(value, "false") ||
           check_mismatch(at, value, "bool");
}

static bool check_integer(const struct check_site *at,
                          const struct ast_value *value,
                          const struct schema_type *type)
{
    struct arena *arena = at->c->arena;
    if (value->kind != AST_VALUE_NUMBER || !value->whole) {
        return check_mismatch(at, value, "integer");
    }
    errno = 0;
    const long long number = strtoll(value->text, NULL, 10);
    if (errno != 0 || number < type->int_min) {
        return check_broken(
            at, value,
            arena_printf(arena, "at least %lld", (long long)type->int_min));
    }
    if (number > type->int_max) {
        return check_broken(
            at, value,
            arena_printf(arena, "at most %lld", (long long)type->int_max));
    }
    if (type->int_step > 1 && number % type->int_step != 0) {
        return check_broken(at, value,
                            arena_printf(arena, "a multiple of %lld",
                                         (long long)type->int_step));
    }
    return true;
}

static bool check_real(const struct check_site *at,
                       const struct ast_value *value,
                       const struct schema_type *type)
{
    if (value->kind != AST_VALUE_NUMBER) {
        return check_mismatch(at, value, "number");
    }
    const double number = schema_round(type->kind, strtod(value->text, NULL)) +
                          0.0; /* -0 is 0 */
    const bool outside = number < type->float_min || number > type->float_max ||
                         (type->above && !(number > type->float_min)) ||
                         (type->below && !(number < type->float_max));
    return (isfinite(number) && !outside) ||
           check_broken(at, value, "its range");
}

static size_t count_characters(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return count;
}

/* A length or a count against its rule. */
bool check_count(const struct check_site *at, const struct ast_value *value,
                 const struct schema_type *type, size_t count, const char *what)
{
    if (count < type->min) {
        return check_broken(
            at, value,
            arena_printf(at->c->arena, "at least %u %s", type->min, what));
    }
    return type->max == UINT32_MAX || count <= type->max ||
           check_broken(
               at, value,
               arena_printf(at->c->arena, "at most %u %s", type->max, what));
}

static bool check_text(const struct check_site *at,
                       const struct ast_value *value,
                       const struct schema_type *type)
{
    if (value->kind != AST_VALUE_STRING) {
        return check_mismatch(at, value, "string");
    }
    for (size_t i = 0; i < type->pattern_count; i++) {
        if (!pattern_matches(type->patterns[i].source, value->text,
                             value->len)) {
            return check_broken(at, value, type->patterns[i].display);
        }
    }
    return check_count(at, value, type,
                       count_characters(value->text, value->len), "characters");
}

static int base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *digit = c != '\0' ? strchr(digits, c) : NULL;
    return digit != NULL ? (int)(digit - digits) : -1;
}

/* Base64 (RFC 4648, section 4), padded and canonical; *@count: of the bytes.
 * Returns false if it is none. */
static bool count_base64(const char *text, size_t len, size_t *count)
{
    size_t digits = len;
    int last = 0;
    while (digits > 0 && len - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    for (size_t i = 0; i < digits; i++) {
        last = base64_digit(text[i]);
        if (last < 0) {
            return false;
        }
    }
    const int rest = digits % 4 == 2   ? last & 15
                     : digits % 4 == 3 ? last & 3
                                       : 0;
    *count = digits * 3 / 4;
    return len % 4 == 0 && rest == 0;
}

static bool check_bytes(const struct check_site *at,
                        const struct ast_value *value,
                        const struct schema_type *type)
{
    size_t count;
    if (value->kind != AST_VALUE_STRING ||
        !count_base64(value->text, value->len, &count)) {
        return check_mismatch(at, value, "string of base64");
    }
    return check_count(at, value, type, count, "bytes");
}

/* Whether a literal is JSON: its only names are those that JSON has. */
static bool is_json(const struct ast_value *value)
{
    switch (value->kind) {
    case AST_VALUE_NAME:
        return check_is_word(value, "null") || check_is_word(value, "true") ||
               check_is_word(value, "false");
    case AST_VALUE_NUMBER:
    case AST_VALUE_STRING:
        return true;
    case AST_VALUE_LIST:
    case AST_VALUE_OBJECT:
        break;
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        if (!is_json(v)) {
            return false;
        }
    }
    return true;
}

bool check_scalar(const struct check_site *at, const struct ast_value *value,
                  const struct schema_type *type)
{
    switch (schema_kinds[type->kind].class) {
    case SCHEMA_CLASS_TRUTH:
        return check_bool(at, value);
    case SCHEMA_CLASS_INTEGER:
    case SCHEMA_CLASS_TIME:
        return check_integer(at, value, type);
    case SCHEMA_CLASS_REAL:
        return check_real(at, value, type);
    case SCHEMA_CLASS_TEXT:
        return check_text(at, value, type);
    case SCHEMA_CLASS_BYTES:
        return check_bytes(at, value, type);
    case SCHEMA_CLASS_ANY:
        return is_json(value) || check_mismatch(at, value, "JSON");
    case SCHEMA_CLASS_NONE:
        break;
    }
    return false;
}
