/*
 * Compares declarations: enums by their spellings on the wire, unions by the
 * names of their variants, structs by their fields; and their names in C.
 */
#include <string.h>

#include "breaking/breaking.h"

/* A name in C without the app's, which may be another. */
static const char *own_name(const struct json_value *model,
                            const struct json_value *item)
{
    const char *name = json_value_text(item, "c"),
               *app = json_value_text(model, "c");
    const size_t len = strlen(app);
    return strncmp(name, app, len) == 0 ? name + len : name;
}

bool breaking_own_names(struct breaking *b, const struct json_value *old,
                        const struct json_value *new, const char *kind,
                        const struct breaking_place *place)
{
    const char *name = json_value_text(new, "name");
    if (strcmp(own_name(b->old, old), own_name(b->new, new)) == 0) {
        return false;
    }
    struct breaking_finding *f = breaking_report(
        b, BREAKING_TYPE_RENAMED, place,
        name[0] != '\0'
            ? arena_printf(b->arena, "%s '%s' stands where %s stood", kind,
                           name, place->label)
            : arena_printf(b->arena, "%s has another type in C", place->label));
    breaking_because(b, f, true, BREAKS_SOURCE,
                     arena_printf(b->arena, "%s %s is %s %s now", kind,
                                  json_value_text(old, "c"), kind,
                                  json_value_text(new, "c")));
    return true;
}

static const struct json_value *find_wire(const struct json_value *values,
                                          const struct json_value *value)
{
    const struct json_value *v = values->first;
    while (v != NULL && !json_value_equal(json_value_find(v, "wire"),
                                          json_value_find(value, "wire"))) {
        v = v->next;
    }
    return v;
}

static void value_lost(struct breaking *b, const struct json_value *value,
                       const struct json_value *respelled,
                       const struct breaking_place *place)
{
    struct breaking_place here = *place;
    here.old = value->at;
    here.new = respelled != NULL ? respelled->at : place->new;
    const bool in = (place->uses & USE_INPUT) != 0;
    const bool out = (place->uses & USE_OUTPUT) != 0;
    const bool spelled = respelled != NULL;
    struct breaking_finding *f = breaking_report(
        b, spelled ? BREAKING_SPELLING_CHANGED : BREAKING_VALUE_REMOVED, &here,
        spelled ? arena_printf(
                      b->arena, "'%s' of %s was %s and is %s on the wire now",
                      json_value_text(value, "name"), place->label,
                      breaking_print(b, json_value_find(value, "wire")),
                      breaking_print(b, json_value_find(respelled, "wire")))
                : arena_printf(b->arena, "'%s' of %s is gone",
                               json_value_text(value, "name"), place->label));
    breaking_because(b, f, in, BREAKS_CLIENT, "send it, and are refused");
    breaking_because(b, f, in && spelled, BREAKS_SERVER,
                     "refuse the new spelling");
    breaking_because(b, f, out && spelled, BREAKS_CLIENT,
                     "read the new spelling as unknown");
    breaking_because(b, f, out && spelled, BREAKS_SERVER,
                     "send the old spelling, which newer clients read as "
                     "unknown");
    breaking_because(b, f, (place->uses & USE_STORED) != 0, BREAKS_STATE,
                     "it may have been stored");
    breaking_because(b, f, !spelled, BREAKS_SOURCE, "the constant is gone");
}

static void compare_values(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    const struct json_value *values = json_value_find(old, "values");
    const struct json_value *others = json_value_find(new, "values");
    for (const struct json_value *o = values->first; o != NULL; o = o->next) {
        const struct json_value *n = find_wire(others, o);
        const char *name = json_value_text(o, "name");
        if (n == NULL) {
            n = breaking_find(others, name);
            value_lost(b, o,
                       n != NULL && find_wire(values, n) == NULL ? n : NULL,
                       place);
        } else if (strcmp(name, json_value_text(n, "name")) != 0) {
            const struct breaking_place here = breaking_at(place->label, o, n,
                                                           0);
            struct breaking_finding *f = breaking_report(
                b, BREAKING_VALUE_RENAMED, &here,
                arena_printf(b->arena, "'%s' of %s is called '%s' now", name,
                             place->label, json_value_text(n, "name")));
            breaking_because(b, f, true, BREAKS_SOURCE,
                             arena_printf(b->arena, "%s is %s now",
                                          json_value_text(o, "c"),
                                          json_value_text(n, "c")));
        }
    }
    for (const struct json_value *n = others->first; n != NULL; n = n->next) {
        if (find_wire(values, n) == NULL &&
            breaking_find(values, json_value_text(n, "name")) == NULL) {
            struct breaking_place here = *place;
            here.new = n->at;
            struct breaking_finding *f = breaking_report(
                b, BREAKING_VALUE_ADDED, &here,
                arena_printf(b->arena, "'%s' of %s is new",
                             json_value_text(n, "name"), place->label));
            breaking_because(b, f, (place->uses & USE_INPUT) != 0,
                             BREAKS_SERVER, "refuse it");
        }
    }
}

static void variant_lost(struct breaking *b, const struct json_value *variant,
                         const struct breaking_place *place)
{
    struct breaking_place here = *place;
    here.old = variant->at;
    struct breaking_finding *f = breaking_report(
        b, BREAKING_VARIANT_REMOVED, &here,
        arena_printf(b->arena, "'%s' of %s is gone",
                     json_value_text(variant, "name"), place->label));
    breaking_because(b, f, (place->uses & USE_INPUT) != 0, BREAKS_CLIENT,
                     "send it, and are refused");
    breaking_because(b, f, (place->uses & USE_STORED) != 0, BREAKS_STATE,
                     "it may have been stored");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "the constant and the member are gone");
}

static void compare_variants(struct breaking *b, const struct json_value *old,
                             const struct json_value *new,
                             const struct breaking_place *place)
{
    const struct json_value *variants = json_value_find(old, "variants");
    const struct json_value *others = json_value_find(new, "variants");
    for (const struct json_value *o = variants->first; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n == NULL) {
            variant_lost(b, o, place);
            continue;
        }
        const struct breaking_place here = breaking_at(
            arena_printf(b->arena, "'%s' of %s", json_value_text(o, "name"),
                         place->label),
            o, n, place->uses);
        breaking_type(b, json_value_find(o, "type"), json_value_find(n, "type"),
                      &here);
    }
    for (const struct json_value *n = others->first; n != NULL; n = n->next) {
        if (breaking_find(variants, json_value_text(n, "name")) == NULL) {
            struct breaking_place here = *place;
            here.new = n->at;
            struct breaking_finding *f = breaking_report(
                b, BREAKING_VARIANT_ADDED, &here,
                arena_printf(b->arena, "'%s' of %s is new",
                             json_value_text(n, "name"), place->label));
            breaking_because(b, f, (place->uses & USE_INPUT) != 0,
                             BREAKS_SERVER, "refuse it");
        }
    }
}

static void compare_unions(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    const char *o = json_value_text(old, "discriminator");
    const char *n = json_value_text(new, "discriminator");
    if (strcmp(o, n) != 0) {
        const bool in = (place->uses & USE_INPUT) != 0;
        const bool out = (place->uses & USE_OUTPUT) != 0;
        struct breaking_finding *f = breaking_report(
            b, BREAKING_DISCRIMINATOR_CHANGED, place,
            arena_printf(b->arena, "%s is told apart by '%s', no longer '%s'",
                         place->label, n, o));
        breaking_because(b, f, in, BREAKS_CLIENT, "send the old key");
        breaking_because(b, f, out, BREAKS_CLIENT, "look for the old key");
        breaking_because(b, f, in, BREAKS_SERVER, "look for the old key");
        breaking_because(b, f, out, BREAKS_SERVER, "send the old key");
        breaking_because(b, f, (place->uses & USE_STORED) != 0, BREAKS_STATE,
                         "it was stored with the old key");
    }
    compare_variants(b, old, new, place);
}

/* A hook that the server implements for a struct. */
static void compare_checks(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    if (json_value_truth(old, "check") && !json_value_truth(new, "check")) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_HOOK_REMOVED, place,
            arena_printf(b->arena, "the check of %s is gone", place->label));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         "handlers have no member for it");
    }
}

void breaking_declaration(struct breaking *b, const struct breaking_pair *pair)
{
    const struct json_value *old = pair->old, *new = pair->new;
    const char *kind = json_value_find(old, "values") != NULL     ? "enum"
                       : json_value_find(old, "variants") != NULL ? "union"
                                                                  : "struct";
    struct breaking_place place = breaking_at(
        arena_printf(b->arena, "%s '%s'", kind, json_value_text(old, "name")),
        old, new, pair->uses);
    place.has_bounds = !json_value_truth(old, "private");
    (void)breaking_own_names(b, old, new, kind, &place);
    if (kind[0] == 'e') {
        compare_values(b, old, new, &place);
    } else if (kind[0] == 'u') {
        compare_unions(b, old, new, &place);
    } else {
        breaking_rules(b, old, new, &place);
        compare_checks(b, old, new, &place);
        breaking_fields(b, old, new, &place);
    }
}
