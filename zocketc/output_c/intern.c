/*
 * Types that look alike and have the same rules share a descriptor. They are
 * found by a hash of all that makes types differ.
 */
#include <math.h>
#include <string.h>

#include "output_c/lower.h"

static bool same_patterns(const struct schema_type *a,
                          const struct schema_type *b)
{
    if (a->pattern_count != b->pattern_count) {
        return false;
    }
    for (size_t i = 0; i < a->pattern_count; i++) {
        if (strcmp(a->patterns[i].display, b->patterns[i].display) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_reals(double a, double b)
{
    return !(a < b) && !(a > b) && signbit(a) == signbit(b);
}

static bool same_rules(const struct schema_type *a, const struct schema_type *b)
{
    return a->int_min == b->int_min && a->int_max == b->int_max &&
           a->int_step == b->int_step &&
           same_reals(a->float_min, b->float_min) &&
           same_reals(a->float_max, b->float_max) && a->above == b->above &&
           a->below == b->below && a->min == b->min && a->max == b->max &&
           a->modifiers == b->modifiers && same_patterns(a, b);
}

static bool same_items(const struct model_type *a, const struct model_type *b)
{
    if (a->kind != SCHEMA_TUPLE) {
        return true;
    }
    for (size_t i = 0; i < a->structure->field_count; i++) {
        if (a->structure->fields[i].type != b->structure->fields[i].type) {
            return false;
        }
    }
    return a->structure->field_count == b->structure->field_count;
}

static bool same_literal(const struct model_type *a, const struct model_type *b)
{
    return a->kind != SCHEMA_LITERAL || strcmp(a->json, b->json) == 0;
}

static bool is_alike(const struct model_type *a, const struct model_type *b)
{
    return strcmp(a->c_type, b->c_type) == 0 && a->kind == b->kind &&
           a->is_boxed == b->is_boxed && a->inner == b->inner &&
           same_items(a, b) && same_literal(a, b) &&
           same_rules(a->schema, b->schema);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t mix_real(uint64_t hash, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return mix(hash, bits);
}

/* Equal for types that are alike. Descriptors stand for the types in it. */
static uint64_t hash_of(const struct model_type *type)
{
    const struct schema_type *s = type->schema;
    uint64_t hash = mix(table_hash(type->c_type), type->kind);
    hash = mix(mix(hash, (uint64_t)s->int_min), (uint64_t)s->int_max);
    hash = mix(mix(hash, (uint64_t)s->int_step), s->modifiers);
    hash = mix_real(mix_real(hash, s->float_min), s->float_max);
    hash = mix(mix(hash, s->min), s->max);
    for (size_t i = 0; i < s->pattern_count; i++) {
        hash = mix(hash, table_hash(s->patterns[i].display));
    }
    if (type->inner != NULL) {
        hash = mix(hash, table_hash(type->inner->descriptor));
    }
    for (size_t i = 0; i < s->item_count; i++) {
        hash = mix(hash,
                   table_hash(type->structure->fields[i].type->descriptor));
    }
    return hash;
}

const char *lower_descriptor(struct lower *l, const char *c_prefix)
{
    char *name = arena_printf(l->arena, "%s_type_", c_prefix);
    for (unsigned n = 2; table_find(&l->descriptors, name) != NULL; n++) {
        name = arena_printf(l->arena, "%s_type_%u_", c_prefix, n);
    }
    table_put(&l->descriptors, l->arena, name, name);
    return name;
}

static void set_c_max(struct lower *l, struct model_type *type)
{
    type->c_max = type->schema->max == UINT32_MAX
                      ? "UINT32_MAX"
                      : arena_printf(l->arena, "%u", type->schema->max);
}

static bool has_rules(const struct schema_type *type)
{
    const struct schema_kind_info *info = &schema_kinds[type->kind];
    struct schema_type plain = { .kind = type->kind, .max = UINT32_MAX };
    if (schema_is_integral(type->kind)) {
        plain.int_min = (int64_t)info->min;
        plain.int_max = (int64_t)info->max;
    } else if (schema_is_real(type->kind)) {
        plain.float_min = info->min;
        plain.float_max = info->max;
    }
    return !same_rules(type, &plain);
}

struct model_type *lower_intern(struct lower *l, const struct model_type *type,
                                const char *descriptor)
{
    const char *key = arena_printf(l->arena, "%016llx",
                                   (unsigned long long)hash_of(type));
    struct model_type *first = table_find(&l->alike, key);
    for (struct model_type *t = first; t != NULL; t = t->next_alike) {
        if (is_alike(t, type)) {
            return t;
        }
    }
    struct model_type *made = ARENA_NEW(l->arena, struct model_type);
    *made = *type;
    set_c_max(l, made);
    if (!schema_is_scalar(type->kind) || has_rules(type->schema)) {
        made->descriptor = lower_descriptor(l, descriptor);
        list_add(l->arena, &l->types, &made, sizeof(made));
    }
    if (first != NULL) {
        made->next_alike = first->next_alike;
        first->next_alike = made;
    } else {
        table_put(&l->alike, l->arena, key, made);
    }
    return made;
}
