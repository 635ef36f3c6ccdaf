/*
 * Rules of types in words, for those who read a type without its schema:
 * "trimmed, 1 to 16 characters", "at most 5 items, each 0 to 1".
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "output_ts/lower.h"

/* Words on their way, with commas between. */
struct words {
    struct arena *arena;
    const char *text; /* "" */
};

static void add(struct words *w, const char *word)
{
    w->text = arena_printf(w->arena, "%s%s%s", w->text,
                           w->text[0] != '\0' ? ", " : "", word);
}

/* A range; either bound may be NULL. @noun: " characters" or "". */
static void add_range(struct words *w, const char *low, const char *high,
                      const char *noun)
{
    if (low != NULL && high != NULL) {
        add(w, strcmp(low, high) == 0
                   ? arena_printf(w->arena, "exactly %s%s", low, noun)
                   : arena_printf(w->arena, "%s to %s%s", low, high, noun));
    } else if (low != NULL) {
        add(w, arena_printf(w->arena, "at least %s%s", low, noun));
    } else if (high != NULL) {
        add(w, arena_printf(w->arena, "at most %s%s", high, noun));
    }
}

/* ---- numbers ---- */

static const char *integer_text(struct arena *arena, int64_t value)
{
    return arena_printf(arena, "%lld", (long long)value);
}

/* An unsigned integer begins at 0, which no other number in TypeScript does. */
static void add_integer(struct words *w, const struct schema_type *t)
{
    const struct schema_kind_info *info = &schema_kinds[t->kind];
    const bool has_min = t->int_min != (int64_t)info->min || info->min >= 0;
    const bool has_max = t->int_max != (int64_t)info->max;
    add(w, "a whole number");
    add_range(w, has_min ? integer_text(w->arena, t->int_min) : NULL,
              has_max ? integer_text(w->arena, t->int_max) : NULL, "");
    if (t->int_step > 1) {
        add(w, arena_printf(w->arena, "a multiple of %lld",
                            (long long)t->int_step));
    }
}

static const char *real_text(struct arena *arena, const struct schema_type *t,
                             double value)
{
    struct text_buffer out = { 0 };
    emit_real(&out, value, schema_is_single(t->kind));
    const char *text = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

static void add_real(struct words *w, const struct schema_type *t)
{
    const struct schema_kind_info *info = &schema_kinds[t->kind];
    const char *low = t->float_min > info->min
                          ? real_text(w->arena, t, t->float_min)
                          : NULL;
    const char *high = t->float_max < info->max
                           ? real_text(w->arena, t, t->float_max)
                           : NULL;
    if (low != NULL && t->above) {
        add(w, arena_printf(w->arena, "more than %s", low));
        low = NULL;
    }
    const bool below = high != NULL && t->below;
    add_range(w, low, below ? NULL : high, "");
    if (below) {
        add(w, arena_printf(w->arena, "less than %s", high));
    }
}

/* ---- things that are counted ---- */

static void add_count(struct words *w, const struct schema_type *t,
                      const char *one, const char *many)
{
    const uint32_t last = t->max != UINT32_MAX ? t->max : t->min;
    add_range(w, t->min > 0 ? integer_text(w->arena, t->min) : NULL,
              t->max != UINT32_MAX ? integer_text(w->arena, t->max) : NULL,
              last == 1 ? one : many);
}

static void add_string(struct words *w, const struct schema_type *t)
{
    static const char *const transforms[SCHEMA_MODIFIER_COUNT] = {
        [SCHEMA_TRIM] = "trimmed",
        [SCHEMA_LOWER] = "in lower case",
        [SCHEMA_UPPER] = "in upper case",
    };
    for (enum schema_modifier i = 0; i < SCHEMA_MODIFIER_COUNT; i++) {
        if (schema_has(t, i) && transforms[i] != NULL) {
            add(w, transforms[i]);
        }
    }
    add_count(w, t, " character", " characters");
    for (size_t i = 0; i < t->pattern_count; i++) {
        const char *display = t->patterns[i].display;
        add(w, strchr(display, '`') != NULL ? "matches a pattern"
               : t->patterns[i].is_format
                   ? arena_printf(w->arena, "format `%s`", display)
                   : arena_printf(w->arena, "matches `%s`", display));
    }
}

static void add_bytes(struct words *w, const struct schema_type *t,
                      const char *encoding)
{
    add(w, encoding);
    add_count(w, t, " byte", " bytes");
}

/* The rules of the values in a list or a map. */
static void add_inner(struct words *w, const struct schema_type *t)
{
    const char *inner = ts_rules(w->arena, t->inner);
    if (inner[0] != '\0') {
        add(w, arena_printf(w->arena, "each %s", inner));
    }
}

/* ---- types ---- */

static void add_scalar(struct words *w, const struct schema_type *t)
{
    switch (schema_kinds[t->kind].class) {
    case SCHEMA_CLASS_INTEGER:
        add_integer(w, t);
        break;
    case SCHEMA_CLASS_TIME:
        add(w, "milliseconds since 1970 (UTC)");
        break;
    case SCHEMA_CLASS_REAL:
        add_real(w, t);
        break;
    case SCHEMA_CLASS_TEXT:
        add_string(w, t);
        break;
    case SCHEMA_CLASS_BYTES:
        add_bytes(w, t, "base64");
        break;
    case SCHEMA_CLASS_TRUTH:
    case SCHEMA_CLASS_ANY:
    case SCHEMA_CLASS_NONE:
        break;
    }
}

const char *ts_tuple_rules(struct arena *arena, const struct schema_type *type)
{
    struct words w = { arena, "" };
    for (size_t i = 0; i < type->item_count; i++) {
        const char *rules = ts_rules(arena, type->items[i]);
        if (rules[0] != '\0' && type->labels != NULL) {
            add(&w, arena_printf(arena, "`%s` %s",
                                 ts_label(arena, type->labels[i].text), rules));
        } else if (rules[0] != '\0') {
            add(&w, arena_printf(arena, "[%zu] %s", i, rules));
        }
    }
    return w.text;
}

const char *ts_rules(struct arena *arena, const struct schema_type *type)
{
    struct words w = { arena, "" };
    if (schema_may_lack(type->kind)) {
        return ts_rules(arena, type->inner);
    }
    if (type->kind == SCHEMA_TUPLE) {
        /* A tuple with a name has its rules there. */
        return type->alias != NULL ? "" : ts_tuple_rules(arena, type);
    }
    if (type->kind == SCHEMA_LIST) {
        add_count(&w, type, " item", " items");
        if (schema_has(type, SCHEMA_UNIQUE)) {
            add(&w, "no two equal");
        }
        add_inner(&w, type);
    } else if (type->kind == SCHEMA_MAP) {
        add_count(&w, type, " entry", " entries");
        add_inner(&w, type);
    } else {
        add_scalar(&w, type);
    }
    return w.text;
}

const char *ts_parameter_rules(struct arena *arena,
                               const struct schema_type *type)
{
    struct words w = { arena, "" };
    const struct schema_type *value = schema_may_lack(type->kind) ? type->inner
                                                                  : type;
    if (schema_kinds[value->kind].class != SCHEMA_CLASS_BYTES) {
        return ts_rules(arena, type);
    }
    add_bytes(&w, value, "base64url without padding");
    return w.text;
}
