/*
 * What is declared: enums by their spellings on the wire, unions by the names
 * of their variants, structs by their fields; and what they are called in C.
 */
#include <string.h>

#include "breaking/breaking.h"

/* A name in C without the app's, which may be another. */
static const char *own_name(const struct tree *model, const struct tree *item)
{
    const char *name = tree_text(item, "c"), *app = tree_text(model, "c");
    const size_t len = strlen(app);
    return strncmp(name, app, len) == 0 ? name + len : name;
}

void breaking_own_names(struct breaking *b, const struct tree *old,
                        const struct tree *new, const char *kind,
                        const struct breaking_place *place)
{
    const char *name = tree_text(new, "name");
    if (strcmp(own_name(b->old, old), own_name(b->new, new)) == 0) {
        return;
    }
    struct breaking_finding *f = breaking_report(
        b, BREAKING_TYPE_RENAMED, place,
        name[0] != '\0'
            ? arena_printf(b->arena, "%s '%s' stands where %s stood", kind,
                           name, place->label)
            : arena_printf(b->arena, "%s has another type in C", place->label));
    breaking_because(b, f, true, BREAKS_SOURCE,
                     arena_printf(b->arena, "%s %s is %s %s now", kind,
                                  tree_text(old, "c"), kind,
                                  tree_text(new, "c")));
}

static const struct tree *find_wire(const struct tree *values,
                                    const struct tree *value)
{
    const struct tree *v = values->first;
    while (v != NULL &&
           !tree_equal(tree_find(v, "wire"), tree_find(value, "wire"))) {
        v = v->next;
    }
    return v;
}

static void value_lost(struct breaking *b, const struct tree *value,
                       const struct tree *respelled,
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
        spelled ? arena_printf(b->arena,
                               "'%s' of %s was %s and is %s on the wire now",
                               tree_text(value, "name"), place->label,
                               breaking_print(b, tree_find(value, "wire")),
                               breaking_print(b, tree_find(respelled, "wire")))
                : arena_printf(b->arena, "'%s' of %s is gone",
                               tree_text(value, "name"), place->label));
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

static void compare_values(struct breaking *b, const struct tree *old,
                           const struct tree *new,
                           const struct breaking_place *place)
{
    const struct tree *values = tree_find(old, "values");
    const struct tree *others = tree_find(new, "values");
    for (const struct tree *o = values->first; o != NULL; o = o->next) {
        const struct tree *n = find_wire(others, o);
        const char *name = tree_text(o, "name");
        if (n == NULL) {
            n = breaking_find(others, name);
            value_lost(b, o,
                       n != NULL && find_wire(values, n) == NULL ? n : NULL,
                       place);
        } else if (strcmp(name, tree_text(n, "name")) != 0) {
            const struct breaking_place here = { place->label, o->at, n->at, 0,
                                                 false };
            struct breaking_finding *f = breaking_report(
                b, BREAKING_VALUE_RENAMED, &here,
                arena_printf(b->arena, "'%s' of %s is called '%s' now", name,
                             place->label, tree_text(n, "name")));
            breaking_because(b, f, true, BREAKS_SOURCE,
                             arena_printf(b->arena, "%s is %s now",
                                          tree_text(o, "c"),
                                          tree_text(n, "c")));
        }
    }
    for (const struct tree *n = others->first; n != NULL; n = n->next) {
        if (find_wire(values, n) == NULL &&
            breaking_find(values, tree_text(n, "name")) == NULL) {
            const struct breaking_place here = { place->label, place->old,
                                                 n->at, place->uses, false };
            struct breaking_finding *f = breaking_report(
                b, BREAKING_VALUE_ADDED, &here,
                arena_printf(b->arena, "'%s' of %s is new",
                             tree_text(n, "name"), place->label));
            breaking_because(b, f, (place->uses & USE_INPUT) != 0,
                             BREAKS_SERVER, "refuse it");
        }
    }
}

static void variant_lost(struct breaking *b, const struct tree *variant,
                         const struct breaking_place *place)
{
    struct breaking_place here = *place;
    here.old = variant->at;
    struct breaking_finding *f = breaking_report(
        b, BREAKING_VARIANT_REMOVED, &here,
        arena_printf(b->arena, "'%s' of %s is gone", tree_text(variant, "name"),
                     place->label));
    breaking_because(b, f, (place->uses & USE_INPUT) != 0, BREAKS_CLIENT,
                     "send it, and are refused");
    breaking_because(b, f, (place->uses & USE_STORED) != 0, BREAKS_STATE,
                     "it may have been stored");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "the constant and the member are gone");
}

static void compare_variants(struct breaking *b, const struct tree *old,
                             const struct tree *new,
                             const struct breaking_place *place)
{
    const struct tree *variants = tree_find(old, "variants");
    const struct tree *others = tree_find(new, "variants");
    for (const struct tree *o = variants->first; o != NULL; o = o->next) {
        const struct tree *n = breaking_find(others, tree_text(o, "name"));
        if (n == NULL) {
            variant_lost(b, o, place);
            continue;
        }
        const struct breaking_place here = {
            arena_printf(b->arena, "'%s' of %s", tree_text(o, "name"),
                         place->label),
            o->at, n->at, place->uses, false
        };
        breaking_type(b, tree_find(o, "type"), tree_find(n, "type"), &here);
    }
    for (const struct tree *n = others->first; n != NULL; n = n->next) {
        if (breaking_find(variants, tree_text(n, "name")) == NULL) {
            const struct breaking_place here = { place->label, place->old,
                                                 n->at, place->uses, false };
            struct breaking_finding *f = breaking_report(
                b, BREAKING_VARIANT_ADDED, &here,
                arena_printf(b->arena, "'%s' of %s is new",
                             tree_text(n, "name"), place->label));
            breaking_because(b, f, (place->uses & USE_INPUT) != 0,
                             BREAKS_SERVER, "refuse it");
        }
    }
}

static void compare_unions(struct breaking *b, const struct tree *old,
                           const struct tree *new,
                           const struct breaking_place *place)
{
    const char *o = tree_text(old, "discriminator");
    const char *n = tree_text(new, "discriminator");
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
static void compare_checks(struct breaking *b, const struct tree *old,
                           const struct tree *new,
                           const struct breaking_place *place)
{
    if (tree_truth(old, "check") && !tree_truth(new, "check")) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_HOOK_REMOVED, place,
            arena_printf(b->arena, "the check of %s is gone", place->label));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         "handlers have no member for it");
    }
}

void breaking_declaration(struct breaking *b, const struct breaking_pair *pair)
{
    const struct tree *old = pair->old, *new = pair->new;
    const char *kind = tree_find(old, "values") != NULL     ? "enum"
                       : tree_find(old, "variants") != NULL ? "union"
                                                            : "struct";
    const struct breaking_place place = {
        arena_printf(b->arena, "%s '%s'", kind, tree_text(old, "name")),
        old->at, new->at, pair->uses, false
    };
    breaking_own_names(b, old, new, kind, &place);
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
