/*
 * Rights: the connection, errors, middleware and rates. A parameter of
 * the connection is known by its source, since clients write that and not its
 * name; the data of the connection and outputs of middleware are seen by C
 * alone. An error more or less behind `throws` breaks nobody: clients go by the
 * code of an error that they do not know.
 */
#include "breaking/breaking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the connection ---- */

const struct json_value *breaking_same_source(const struct json_value *list,
                                              const struct json_value *field)
{
    const struct json_value *f = list != NULL ? list->first : NULL;
    while (f != NULL && (strcmp(json_value_text(f, "from"),
                                json_value_text(field, "from")) != 0 ||
                         !json_value_equal(json_value_find(f, "key"),
                                           json_value_find(field, "key")))) {
        f = f->next;
    }
    return f;
}

static bool is_needed(const struct json_value *field)
{
    return !json_value_truth(field, "optional") &&
           json_value_find(field, "default") == NULL;
}

static const char *source_text(struct breaking *b,
                               const struct json_value *field)
{
    const struct json_value *key = json_value_find(field, "key");
    if (strcmp(json_value_text(field, "from"), "certificate") == 0) {
        return arena_printf(b->arena, "certificate(%s)",
                            json_value_text(field, "key"));
    }
    return key == NULL ? json_value_text(field, "from")
                       : arena_printf(b->arena, "%s(%s)",
                                      json_value_text(field, "from"),
                                      breaking_print(b, key));
}

/* The same parameter comes from elsewhere. */
static void source_changed(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    const struct breaking_place here = breaking_at(place->label, old, new,
                                                   place->uses);
    struct breaking_finding *f = breaking_report(
        b, BREAKING_SOURCE_CHANGED, &here,
        arena_printf(b->arena, "'%s' in %s came from %s and comes from %s now",
                     json_value_text(old, "name"), place->label,
                     source_text(b, old), source_text(b, new)));
    breaking_because(b, f, true, BREAKS_CLIENT,
                     is_needed(new) ? "send it elsewhere, and are refused"
                                    : "send it where nobody looks");
    breaking_because(b, f, true, BREAKS_SERVER,
                     is_needed(old) ? "look for it elsewhere, and refuse"
                                    : "look for it elsewhere");
}

/* A parameter under another name in C. */
static void parameter_renamed(struct breaking *b, const struct json_value *old,
                              const struct json_value *new,
                              const struct breaking_place *place)
{
    if (strcmp(json_value_text(old, "name"), json_value_text(new, "name")) ==
        0) {
        return;
    }
    const struct breaking_place here = breaking_at(place->label, old, new, 0);
    breaking_field_lost(b, old, new, false, &here);
}

static void compare_parameters(struct breaking *b, const struct json_value *old,
                               const struct json_value *new,
                               const struct breaking_place *place)
{
    const struct json_value *fields = json_value_find(old, "fields");
    const struct json_value *others = json_value_find(new, "fields");
    const struct json_value *o = fields != NULL ? fields->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_same_source(others, o);
        const struct json_value *named = breaking_find(
            others, json_value_text(o, "name"));
        if (n != NULL) {
            parameter_renamed(b, o, n, place);
            breaking_field(b, o, n, place);
        } else if (named != NULL &&
                   breaking_same_source(fields, named) == NULL) {
            source_changed(b, o, named, place);
            breaking_field(b, o, named, place);
        } else {
            breaking_field_lost(b, o, NULL, false, place);
        }
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        const struct json_value *named = breaking_find(
            fields, json_value_text(n, "name"));
        if (breaking_same_source(fields, n) == NULL &&
            (named == NULL || breaking_same_source(others, named) != NULL)) {
            breaking_field_added(b, n, false, place);
        }
    }
}

/* A connection that is not declared has no parameters. */
static void compare_connections(struct breaking *b)
{
    const struct json_value *old = json_value_find(b->old, "connection");
    const struct json_value *new = json_value_find(b->new, "connection");
    if (old == NULL && new == NULL) {
        return;
    }
    const struct json_value *o = old != NULL ? old : b->old;
    const struct json_value *n = new != NULL ? new : b->new;
    const struct breaking_place input = breaking_at("the connection", o, n,
                                                    USE_INPUT);
    const struct breaking_place data = breaking_at("the data of the connection",
                                                   o, n, 0);
    compare_parameters(b, json_value_find(old, "input"),
                       json_value_find(new, "input"), &input);
    breaking_payload(b, json_value_find(old, "data"),
                     json_value_find(new, "data"), &data);
    breaking_hooks(b, o, n, "the connection");
}

/* ---- errors ---- */

static void error_lost(struct breaking *b, const struct json_value *error,
                       const struct json_value *renamed)
{
    const char *label = breaking_quoted(b, "error", error);
    const struct breaking_place place = breaking_at(
        label, error, renamed != NULL ? renamed : b->new, 0);
    struct breaking_finding *f = breaking_report(
        b, renamed != NULL ? BREAKING_ERROR_RENAMED : BREAKING_ERROR_REMOVED,
        &place, breaking_lost_text(b, label, renamed));
    breaking_because(b, f, true, BREAKS_CLIENT,
                     "look for it, and find another failure");
    breaking_because(b, f, renamed != NULL, BREAKS_SERVER,
                     "send it under the old name");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "what was generated for it is gone");
}

static void compare_error(struct breaking *b, const struct json_value *old,
                          const struct json_value *new)
{
    const char *label = breaking_quoted(b, "error", old);
    const char *o = json_value_text(old, "code");
    const char *n = json_value_text(new, "code");
    struct breaking_place place = breaking_at(label, old, new, 0);
    if (strcmp(o, n) != 0) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_CODE_CHANGED, &place,
            arena_printf(b->arena, "%s was %s and is %s now", label, o, n));
        breaking_because(b, f, true, BREAKS_CLIENT, "may go by the old code");
        breaking_because(b, f, true, BREAKS_SERVER,
                         "send the old code, and newer clients may go by the "
                         "new");
    }
    place = breaking_at(arena_printf(b->arena, "the payload of %s", label), old,
                        new, USE_OUTPUT);
    breaking_payload(b, json_value_find(old, "details"),
                     json_value_find(new, "details"), &place);
}

static void compare_errors(struct breaking *b)
{
    const struct json_value *errors = json_value_find(b->old, "errors");
    const struct json_value *others = json_value_find(b->new, "errors");
    const struct json_value *o = errors != NULL ? errors->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n != NULL) {
            compare_error(b, o, n);
        } else {
            error_lost(b, o, breaking_renamed(o, errors, others));
        }
    }
}

/* ---- middleware ---- */

static void compare_middleware(struct breaking *b)
{
    const struct json_value *list = json_value_find(b->old, "middleware");
    const struct json_value *others = json_value_find(b->new, "middleware");
    const struct json_value *o = list != NULL ? list->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        const char *label = breaking_quoted(b, "middleware", o);
        struct breaking_place place = breaking_at(label, o,
                                                  n != NULL ? n : b->new, 0);
        if (n == NULL) {
            struct breaking_finding *f = breaking_report(
                b, BREAKING_MIDDLEWARE_REMOVED, &place,
                arena_printf(b->arena, "%s is gone", label));
            breaking_because(b, f, true, BREAKS_SOURCE,
                             "handlers have no member for it");
            continue;
        }
        place.label = arena_printf(b->arena, "the output of %s", label);
        breaking_payload(b, json_value_find(o, "output"),
                         json_value_find(n, "output"), &place);
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        if (breaking_find(list, json_value_text(n, "name")) == NULL) {
            const struct breaking_place place = breaking_at("", b->old, n, 0);
            breaking_handler_added(
                b, BREAKING_MIDDLEWARE_ADDED, &place,
                arena_printf(b->arena, "%s is new",
                             breaking_quoted(b, "middleware", n)));
        }
    }
}

/* Whether a middleware gives handlers an argument. */
static bool has_output(const struct json_value *model, const char *name)
{
    const struct json_value *middleware = breaking_find(
        json_value_find(model, "middleware"), name);
    return json_value_find(middleware, "output") != NULL;
}

/* The next name of both lists that has an output, from @item on. */
static const struct json_value *next_argument(const struct json_value *model,
                                              const struct json_value *item,
                                              const struct json_value *other)
{
    while (item != NULL && (breaking_find_text(other, item->text) == NULL ||
                            !has_output(model, item->text))) {
        item = item->next;
    }
    return item;
}

static bool is_moved(const struct breaking *b, const struct json_value *old,
                     const struct json_value *new)
{
    const struct json_value *o = next_argument(
        b->new, old != NULL ? old->first : NULL, new);
    const struct json_value *n = next_argument(
        b->new, new != NULL ? new->first : NULL, old);
    while (o != NULL && n != NULL && strcmp(o->text, n->text) == 0) {
        o = next_argument(b->new, o->next, new);
        n = next_argument(b->new, n->next, old);
    }
    return o != NULL && n != NULL;
}

void breaking_guards(struct breaking *b, const struct json_value *old,
                     const struct json_value *new, const char *key,
                     const char *label)
{
    const struct json_value *list = json_value_find(old, key);
    const struct json_value *others = json_value_find(new, key);
    const bool is_call = strcmp(key, "use") == 0;
    const struct breaking_place place = breaking_at(label, old, new, 0);
    const struct json_value *o = list != NULL ? list->first : NULL;
    for (; o != NULL; o = o->next) {
        if (breaking_find_text(others, o->text) != NULL) {
            continue;
        }
        struct breaking_finding *f = breaking_report(
            b, BREAKING_USE_REMOVED, &place,
            arena_printf(b->arena, "%s has middleware '%s' no more", label,
                         o->text));
        breaking_because(b, f, true, BREAKS_SERVER, "may refuse by it");
        breaking_because(b, f, is_call && has_output(b->old, o->text),
                         BREAKS_SOURCE, "the handler has one argument less");
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        if (breaking_find_text(list, n->text) != NULL) {
            continue;
        }
        struct breaking_finding *f = breaking_report(
            b, BREAKING_USE_ADDED, &place,
            arena_printf(b->arena, "%s has middleware '%s' now", label,
                         n->text));
        breaking_because(b, f, true, BREAKS_CLIENT, "may be refused by it");
        breaking_because(b, f, is_call && has_output(b->new, n->text),
                         BREAKS_SOURCE, "the handler has one argument more");
    }
    if (is_call && is_moved(b, list, others)) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_USE_MOVED, &place,
            arena_printf(b->arena, "the middleware of %s has another order",
                         label));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         "the arguments of the handler have another order");
    }
}

/* ---- rates ---- */

/* A number of a rate; without a rate there is no bound. */
static double number_of(const struct json_value *limit, const char *key)
{
    return limit == NULL ? HUGE_VAL : strtod(json_value_text(limit, key), NULL);
}

/* Tokens in a millisecond. */
static double speed_of(const struct json_value *limit)
{
    return limit == NULL
               ? HUGE_VAL
               : number_of(limit, "tokens") / number_of(limit, "periodMs");
}

/* Calls that @before lets through and @after does not. */
static bool is_tighter(const struct json_value *before,
                       const struct json_value *after)
{
    const char *by = json_value_text(after, "by");
    return after != NULL &&
           (speed_of(after) < speed_of(before) ||
            number_of(after, "burst") < number_of(before, "burst") ||
            (by[0] != '\0' && strcmp(by, json_value_text(before, "by")) != 0));
}

void breaking_limit(struct breaking *b, const struct json_value *old,
                    const struct json_value *new, const char *label)
{
    const struct json_value *o = json_value_find(old, "limit");
    const struct json_value *n = json_value_find(new, "limit");
    const struct breaking_place place = breaking_at(label, old, new, 0);
    if (is_tighter(o, n)) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_LIMIT_TIGHTENED, &place,
            arena_printf(b->arena, "the limit of %s lets less through", label));
        breaking_because(b, f, true, BREAKS_CLIENT,
                         "call as often as before, and may be refused");
    }
    if (is_tighter(n, o)) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_LIMIT_LOOSENED, &place,
            arena_printf(b->arena, "the limit of %s lets more through", label));
        breaking_because(b, f, true, BREAKS_SERVER,
                         "may refuse newer clients, which call more often");
    }
}

/* ---- all of it ---- */

void breaking_access(struct breaking *b)
{
    compare_connections(b);
    compare_errors(b);
    compare_middleware(b);
    breaking_events(b, b->old, b->new, "broadcasts", "broadcast");
}
