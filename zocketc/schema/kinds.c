/* The tables of kinds and modifiers; see schema.h. */
#include <math.h>
#include <string.h>

#include "schema/schema.h"

const struct schema_kind_info schema_kinds[SCHEMA_KIND_COUNT] = {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, ...)                   \
    [SCHEMA_##symbol] = { #word, noun, SCHEMA_CLASS_##class, min, max },
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    [SCHEMA_ENUM] = { "enum", "an enum", SCHEMA_CLASS_NONE, 0, 0 },
    [SCHEMA_STRUCT] = { "struct", "a struct", SCHEMA_CLASS_NONE, 0, 0 },
    [SCHEMA_UNION] = { "union", "a union", SCHEMA_CLASS_NONE, 0, 0 },
    [SCHEMA_TUPLE] = { "tuple", "a tuple", SCHEMA_CLASS_NONE, 0, 0 },
    [SCHEMA_LIST] = { "list", "a list", SCHEMA_CLASS_NONE, 0, 0 },
    [SCHEMA_MAP] = { "map", "a map", SCHEMA_CLASS_NONE, 0, 0 },
    [SCHEMA_OPTIONAL] = { "optional", "what may be absent", SCHEMA_CLASS_NONE,
                          0, 0 },
    [SCHEMA_NULLABLE] = { "nullable", "what may be absent", SCHEMA_CLASS_NONE,
                          0, 0 },
    [SCHEMA_LITERAL] = { "literal", "a literal", SCHEMA_CLASS_NONE, 0, 0 },
};

enum {
    TEXT = 0,
    ITEMS = 1,
    RULE = 0,
    TRANSFORM = 1
};

const struct schema_modifier_info schema_modifiers[SCHEMA_MODIFIER_COUNT] = {
#define MODIFIER(symbol, word, where, what, contradicts)                       \
    [SCHEMA_##symbol] = { word, where, what, contradicts },
#include "schema/modifiers.def"
#undef MODIFIER
};

enum schema_kind schema_find_scalar(const char *word)
{
    enum schema_kind kind = 0;
    while (kind < SCHEMA_KIND_COUNT &&
           !(schema_is_scalar(kind) &&
             strcmp(schema_kinds[kind].word, word) == 0)) {
        kind++;
    }
    return kind;
}

bool schema_is_single(enum schema_kind kind)
{
    return schema_is_real(kind) && isfinite(schema_kinds[kind].max);
}

double schema_round(enum schema_kind kind, double value)
{
    /* From here on it is nearer to the next power of two. */
    const double limit = 0x1.ffffffp127;
    return schema_is_single(kind) && fabs(value) < limit ? (double)(float)value
                                                         : value;
}
