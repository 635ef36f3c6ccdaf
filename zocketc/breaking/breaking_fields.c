/*
 * Fields: of structs, states, parameters and payloads. Whether a field that
 * comes, goes or changes hurts depends on who writes and who reads it, and on
 * whether the reader can do without.
 */
#include <string.h>

#include "breaking/breaking.h"

static bool is_needed(const struct json_value *field)
{
    return !json_value_truth(field, "optional") &&
           json_value_find(field, "default") == NULL;
}

/* ---- other names ---- */

/* Whether two things differ in nothing but names and documentation. */
static bool same_shape(const struct json_value *a, const struct json_value *b,
                       bool top)
{
    if (a == NULL || b == NULL || a->kind != b->kind || a->truth != b->truth ||
        a->len != b->len || memcmp(a->text, b->text, a->len) != 0) {
        return a == b;
    }
    const struct json_value *x = a->first, *y = b->first;
    for (;;) {
        while (x != NULL && a->kind == JSON_OBJECT &&
               (strcmp(x->key, "c") == 0 || strcmp(x->key, "doc") == 0 ||
                (top && strcmp(x->key, "name") == 0))) {
            x = x->next;
        }
        while (y != NULL && b->kind == JSON_OBJECT &&
               (strcmp(y->key, "c") == 0 || strcmp(y->key, "doc") == 0 ||
                (top && strcmp(y->key, "name") == 0))) {
            y = y->next;
        }
        if (x == NULL || y == NULL) {
            return x == y;
        }
        if ((a->kind == JSON_OBJECT && strcmp(x->key, y->key) != 0) ||
            !same_shape(x, y, false)) {
            return false;
        }
        x = x->next;
        y = y->next;
    }
}

/* The only item of @list that @other has not and that is shaped like @item;
 * NULL: there is none, or there are several. */
static const struct json_value *find_shape(const struct json_value *item,
                                           const struct json_value *list,
                                           const struct json_value *other)
{
    const struct json_value *found = NULL;
    for (const struct json_value *t = list->first; t != NULL; t = t->next) {
        if (breaking_find(other, json_value_text(t, "name")) == NULL &&
            same_shape(item, t, true)) {
            if (found != NULL) {
                return NULL;
            }
            found = t;
        }
    }
    return found;
}

const struct json_value *breaking_renamed(const struct json_value *item,
                                          const struct json_value *own,
                                          const struct json_value *other)
{
    const struct json_value *found = other != NULL
                                         ? find_shape(item, other, own)
                                         : NULL;
    return found != NULL && find_shape(item, own, other) == item ? found : NULL;
}

/* ---- a field ---- */

static const char *label_of(struct breaking *b, const struct json_value *field,
                            const struct breaking_place *place)
{
    return arena_printf(b->arena, "'%s' in %s", json_value_text(field, "name"),
                        place->label);
}

void breaking_field_lost(struct breaking *b, const struct json_value *field,
                         const struct json_value *renamed, bool is_strict,
                         const struct breaking_place *place)
{
    const char *label = label_of(b, field, place);
    const struct breaking_place here = {
        .label = label,
        .old = field->at,
        .new = renamed != NULL ? renamed->at : place->new,
        .uses = place->uses,
    };
    const bool needed = is_needed(field);
    const bool in = (place->uses & USE_INPUT) != 0;
    const bool out = (place->uses & USE_OUTPUT) != 0;
    struct breaking_finding *f = breaking_report(
        b, renamed != NULL ? BREAKING_FIELD_RENAMED : BREAKING_FIELD_REMOVED,
        &here, breaking_lost_text(b, label, renamed));
    breaking_because(b, f, in && renamed != NULL, BREAKS_CLIENT,
                     needed ? "send it under the old name, and are refused"
                            : "send it under the old name, where nobody looks");
    breaking_because(b, f, in && renamed == NULL && is_strict, BREAKS_CLIENT,
                     "send a key that is unknown now");
    breaking_because(b, f, out && needed, BREAKS_CLIENT,
                     "cannot read what comes without it");
    breaking_because(b, f, out && !needed, BREAKS_CLIENT, "never see it again");
    breaking_because(b, f, in && needed, BREAKS_SERVER,
                     "refuse what comes without it");
    breaking_because(b, f, out && renamed != NULL && needed, BREAKS_SERVER,
                     "send it under the old name, and newer clients cannot do "
                     "without");
    breaking_because(b, f, (place->uses & USE_STORED) != 0, BREAKS_STATE,
                     "what was stored in it is lost");
    breaking_because(b, f, true, BREAKS_SOURCE, "the member is gone");
}

void breaking_field_added(struct breaking *b, const struct json_value *field,
                          bool was_strict, const struct breaking_place *place)
{
    const char *label = label_of(b, field, place);
    const struct breaking_place here = {
        .label = label,
        .old = place->old,
        .new = field->at,
        .uses = place->uses,
    };
    const bool needed = is_needed(field);
    struct breaking_finding *f = breaking_report(
        b, BREAKING_FIELD_ADDED, &here,
        arena_printf(b->arena, "%s is new", label));
    breaking_because(b, f, needed && (place->uses & USE_INPUT) != 0,
                     BREAKS_CLIENT, "do not send it, and are refused");
    breaking_because(b, f, needed && (place->uses & USE_OUTPUT) != 0,
                     BREAKS_SERVER,
                     "do not send it, and newer clients cannot do without");
    breaking_because(b, f, was_strict && (place->uses & USE_INPUT) != 0,
                     BREAKS_SERVER, "refuse a key that they do not know");
    breaking_because(b, f, needed && (place->uses & USE_STORED) != 0,
                     BREAKS_STATE, "it was stored without");
}

static void compare_presence(struct breaking *b, const struct json_value *old,
                             const struct json_value *new,
                             const struct breaking_place *place)
{
    const bool required = !json_value_truth(new, "optional");
    const bool in = (place->uses & USE_INPUT) != 0;
    const bool out = (place->uses & USE_OUTPUT) != 0;
    if (required == !json_value_truth(old, "optional")) {
        return;
    }
    struct breaking_finding *f = breaking_report(
        b, required ? BREAKING_FIELD_REQUIRED : BREAKING_FIELD_OPTIONAL, place,
        arena_printf(b->arena,
                     required ? "%s may not be absent any more"
                              : "%s may be absent now",
                     place->label));
    if (required) {
        const bool needed = is_needed(new);
        breaking_because(b, f, in && needed, BREAKS_CLIENT,
                         "leave it out, and are refused");
        breaking_because(b, f, out && needed, BREAKS_SERVER,
                         "leave it out, and newer clients cannot do without");
        breaking_because(b, f, needed && (place->uses & USE_STORED) != 0,
                         BREAKS_STATE, "it may have been stored without");
    } else {
        breaking_because(b, f, out && is_needed(old), BREAKS_CLIENT,
                         "cannot read what comes without it");
        breaking_because(b, f, in && is_needed(old), BREAKS_SERVER,
                         "refuse what newer clients leave out");
    }
    breaking_because(b, f, true, BREAKS_SOURCE, "the member has another type");
}

static void compare_defaults(struct breaking *b, const struct json_value *old,
                             const struct json_value *new,
                             const struct breaking_place *place)
{
    const struct json_value *o = json_value_find(old, "default");
    const struct json_value *n = json_value_find(new, "default");
    const bool in = (place->uses & USE_INPUT) != 0;
    if (json_value_equal(o, n) || json_value_truth(old, "optional") ||
        json_value_truth(new, "optional")) {
        return;
    }
    if (o == NULL) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_DEFAULT_ADDED, place,
            arena_printf(b->arena, "%s has a default now", place->label));
        breaking_because(b, f, in, BREAKS_SERVER,
                         "refuse what newer clients leave out");
    } else if (n == NULL) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_DEFAULT_REMOVED, place,
            arena_printf(b->arena, "%s has no default any more", place->label));
        breaking_because(b, f, in, BREAKS_CLIENT,
                         "may leave it out, and are refused");
    } else {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_DEFAULT_CHANGED, place,
            arena_printf(b->arena, "the default of %s was %s and is %s now",
                         place->label, breaking_print(b, o),
                         breaking_print(b, n)));
        breaking_because(b, f, in, BREAKS_CLIENT,
                         "mean the old one when they leave it out");
    }
}

/* The type of a value that is there. */
static const struct json_value *present_type(const struct json_value *field)
{
    const struct json_value *type = json_value_find(field, "type");
    return strcmp(json_value_text(type, "kind"), "nullable") == 0
               ? json_value_find(type, "of")
               : type;
}

/* A field of a struct or a state has a macro for its upper bound. */
static void compare_bounds(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    static const char *const counted[] = { "string", "bytes", "list", "map" };
    const struct json_value *type = present_type(old);
    bool is_counted = false;
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
        is_counted = is_counted ||
                     strcmp(json_value_text(type, "kind"), counted[i]) == 0;
    }
    if (is_counted && json_value_find(type, "max") != NULL &&
        json_value_find(present_type(new), "max") == NULL) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_BOUND_REMOVED, place,
            arena_printf(b->arena, "%s has no upper bound any more",
                         place->label));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         "the macro for it, _MAX, is gone");
    }
}

void breaking_field(struct breaking *b, const struct json_value *old,
                    const struct json_value *new,
                    const struct breaking_place *place)
{
    const struct breaking_place here = breaking_at(label_of(b, old, place), old,
                                                   new, place->uses);
    compare_presence(b, old, new, &here);
    compare_defaults(b, old, new, &here);
    breaking_type(b, json_value_find(old, "type"), json_value_find(new, "type"),
                  &here);
    if (place->has_bounds) {
        compare_bounds(b, old, new, &here);
    }
}

static bool has_defaults(const struct json_value *object)
{
    const struct json_value *fields = json_value_find(object, "fields");
    const struct json_value *f = fields != NULL ? fields->first : NULL;
    while (f != NULL && json_value_find(f, "default") == NULL) {
        f = f->next;
    }
    return f != NULL;
}

/* A struct with a default has a function that gives all of them. */
static void compare_functions(struct breaking *b, const struct json_value *old,
                              const struct json_value *new,
                              const struct breaking_place *place)
{
    if (!place->is_state && has_defaults(old) && !has_defaults(new)) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_DEFAULT_REMOVED, place,
            arena_printf(b->arena, "no field of %s has a default any more",
                         place->label));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         arena_printf(b->arena, "%s_defaults() is gone",
                                      json_value_text(old, "c")));
    }
}

void breaking_fields(struct breaking *b, const struct json_value *old,
                     const struct json_value *new,
                     const struct breaking_place *place)
{
    const bool was_strict = json_value_truth(old, "strict");
    const bool is_strict = json_value_truth(new, "strict");
    const struct json_value *fields = json_value_find(old, "fields");
    const struct json_value *others = json_value_find(new, "fields");
    const struct json_value *o = fields != NULL ? fields->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n != NULL) {
            breaking_field(b, o, n, place);
        } else {
            breaking_field_lost(b, o, breaking_renamed(o, fields, others),
                                is_strict, place);
        }
    }
    compare_functions(b, old, new, place);
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        if (breaking_find(fields, json_value_text(n, "name")) == NULL &&
            (fields == NULL || breaking_renamed(n, others, fields) == NULL)) {
            breaking_field_added(b, n, was_strict, place);
        }
    }
}
