/*
 * See breaking.h. First the uses of types are found (breaking_uses.c); then
 * everything is compared once: actors and their parts here, then the named
 * types.
 */
#include "breaking/breaking.h"

#include <string.h>

static const char *const id_texts[] = {
#define B(symbol, id) [BREAKING_##symbol] = id,
#include "breaking/breaking.def"
#undef B
};

const char *breaking_id_text(enum breaking_id id)
{
    return id_texts[id];
}

struct breaking_finding *breaking_report(struct breaking *b,
                                         enum breaking_id id,
                                         const struct breaking_place *place,
                                         const char *text)
{
    struct breaking_finding *finding = ARENA_NEW(b->arena,
                                                 struct breaking_finding);
    finding->id = id;
    finding->old = place->old;
    finding->new = place->new;
    finding->text = text;
    if (b->last != NULL) {
        b->last->next = finding;
    } else {
        b->first = finding;
    }
    b->last = finding;
    return finding;
}

void breaking_because(struct breaking *b, struct breaking_finding *finding,
                      bool holds, enum breaking_who who, const char *why)
{
    if (!holds) {
        return;
    }
    struct breaking_reason *reason = ARENA_NEW(b->arena,
                                               struct breaking_reason);
    reason->who = who;
    reason->why = why;
    finding->breaks |= who;
    if (finding->last != NULL) {
        finding->last->next = reason;
    } else {
        finding->first = reason;
    }
    finding->last = reason;
}

const char *breaking_print(struct breaking *b, const struct json_value *value)
{
    struct text_buffer out = { 0 };
    if (value == NULL) {
        return "nothing";
    }
    json_value_print_line(&out, value);
    const char *text = arena_text(b->arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

const struct json_value *breaking_find(const struct json_value *list,
                                       const char *name)
{
    const struct json_value *item = list != NULL ? list->first : NULL;
    while (item != NULL && strcmp(json_value_text(item, "name"), name) != 0) {
        item = item->next;
    }
    return item;
}

/* ---- actors ---- */

static const char *quoted(struct breaking *b, const char *noun,
                          const struct json_value *item)
{
    return arena_printf(b->arena, "%s '%s'", noun,
                        json_value_text(item, "name"));
}

/* Whether a call without it is refused. */
static bool is_needed(const struct json_value *model,
                      const struct json_value *input)
{
    const struct json_value *fields = json_value_find(
        breaking_members(model, input), "fields");
    if (fields == NULL) {
        return true;
    }
    for (const struct json_value *f = fields->first; f != NULL; f = f->next) {
        if (!json_value_truth(f, "optional") &&
            json_value_find(f, "default") == NULL) {
            return true;
        }
    }
    return false;
}

static void payload_added(struct breaking *b, const struct json_value *new,
                          const struct breaking_place *place)
{
    struct breaking_finding *f = breaking_report(
        b, BREAKING_PAYLOAD_ADDED, place,
        arena_printf(b->arena, "%s is new", place->label));
    const bool input = place->uses == USE_INPUT;
    breaking_because(b, f, input && is_needed(b->new, new), BREAKS_CLIENT,
                     "call without it, and are refused");
    breaking_because(b, f, !input, BREAKS_SERVER,
                     "do not send it, and newer clients cannot do without");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "functions and handlers have one argument more");
}

static void payload_removed(struct breaking *b, const struct json_value *old,
                            const struct breaking_place *place)
{
    struct breaking_finding *f = breaking_report(
        b, BREAKING_PAYLOAD_REMOVED, place,
        arena_printf(b->arena, "%s is gone", place->label));
    const bool input = place->uses == USE_INPUT;
    breaking_because(b, f, input && is_needed(b->old, old), BREAKS_SERVER,
                     "refuse a call without it");
    breaking_because(b, f, !input, BREAKS_CLIENT, "cannot do without it");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "functions and handlers have one argument less");
}

/* Parameters may become a struct with the same fields, and the reverse: only
 * C sees a difference. */
static void compare_objects(struct breaking *b, const struct json_value *old,
                            const struct json_value *new,
                            const struct breaking_place *place)
{
    const char *old_c = json_value_text(breaking_members(b->old, old), "c");
    const char *new_c = json_value_text(breaking_members(b->new, new), "c");
    if (strcmp(json_value_text(old, "kind"), json_value_text(new, "kind")) !=
        0) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_TYPE_RENAMED, place,
            arena_printf(b->arena, "%s has another type in C", place->label));
        breaking_because(
            b, f, true, BREAKS_SOURCE,
            arena_printf(b->arena, "struct %s is struct %s now", old_c, new_c));
    }
    breaking_fields(b, breaking_members(b->old, old),
                    breaking_members(b->new, new), place);
}

static bool is_object(const struct json_value *model,
                      const struct json_value *type)
{
    return json_value_find(breaking_members(model, type), "fields") != NULL;
}

/* An input, a result or a payload. */
static void compare_payload(struct breaking *b, const struct json_value *old,
                            const struct json_value *new,
                            const struct breaking_place *place)
{
    if (old == NULL && new != NULL) {
        payload_added(b, new, place);
    } else if (old != NULL && new == NULL) {
        payload_removed(b, old, place);
    } else if (old != NULL) {
        const char *kind = json_value_text(old, "kind");
        const bool named = strcmp(kind, json_value_text(new, "kind")) == 0 &&
                           strcmp(kind, "object") != 0;
        const bool objects = !named && is_object(b->old, old) &&
                             is_object(b->new, new);
        (objects ? compare_objects : breaking_type)(b, old, new, place);
    }
}

static struct breaking_place at(const char *label, const struct json_value *old,
                                const struct json_value *new, unsigned uses)
{
    return (struct breaking_place){ label, old->at, new->at, uses, false };
}

/* Reports an item that only the old list has: it is gone, or renamed. Returns
 * the renamed item or NULL. */
static const struct json_value *report_lost(struct breaking *b,
                                            const struct json_value *item,
                                            const struct json_value *own,
                                            const struct json_value *other,
                                            const struct json_value *scope,
                                            const char *noun,
                                            const enum breaking_id ids[2])
{
    const struct json_value *renamed = breaking_renamed(item, own, other);
    const char *label = quoted(b, noun, item);
    const struct breaking_place place = at(
        label, item, renamed != NULL ? renamed : scope, 0);
    struct breaking_finding *f = breaking_report(
        b, renamed != NULL ? ids[1] : ids[0], &place,
        renamed != NULL ? arena_printf(b->arena, "%s is called '%s' now", label,
                                       json_value_text(renamed, "name"))
                        : arena_printf(b->arena, "%s is gone", label));
    const bool event = ids[0] == BREAKING_EVENT_REMOVED;
    breaking_because(b, f, true, BREAKS_CLIENT,
                     event ? "wait for it in vain" : "use it, and are refused");
    breaking_because(b, f, renamed != NULL, BREAKS_SERVER,
                     event ? "send it under the old name"
                           : "know it under the old name only");
    breaking_because(b, f, json_value_find(item, "state") != NULL, BREAKS_STATE,
                     "nobody reads it any more");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "what was generated for it is gone");
    return renamed;
}

/* A server that lacks a handler compiles, and does not start. */
static void handler_added(struct breaking *b, enum breaking_id id,
                          const struct breaking_place *place, const char *text)
{
    struct breaking_finding *f = breaking_report(b, id, place, text);
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "a server without a handler for it does not start");
}

/* Items that only the new list has need handlers. */
static void report_added(struct breaking *b, enum breaking_id id,
                         const char *noun, const struct json_value *own,
                         const struct json_value *other,
                         const struct json_value *scope)
{
    for (const struct json_value *n = other->first; n != NULL; n = n->next) {
        if (breaking_find(own, json_value_text(n, "name")) == NULL &&
            breaking_renamed(n, other, own) == NULL) {
            const char *label = quoted(b, noun, n);
            const struct breaking_place place = at(label, scope, n, 0);
            handler_added(b, id, &place,
                          arena_printf(b->arena, "%s is new", label));
        }
    }
}

static void compare_methods(struct breaking *b, const struct json_value *old,
                            const struct json_value *new)
{
    static const enum breaking_id lost[] = { BREAKING_METHOD_REMOVED,
                                             BREAKING_METHOD_RENAMED };
    const struct json_value *methods = json_value_find(old, "methods");
    const struct json_value *others = json_value_find(new, "methods");
    for (const struct json_value *o = methods->first; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n == NULL) {
            (void)report_lost(b, o, methods, others, new, "method", lost);
            continue;
        }
        const char *label = quoted(b, "method", o);
        struct breaking_place place = at(
            arena_printf(b->arena, "the input of %s", label), o, n, USE_INPUT);
        compare_payload(b, json_value_find(o, "input"),
                        json_value_find(n, "input"), &place);
        place = at(arena_printf(b->arena, "the result of %s", label), o, n,
                   USE_OUTPUT);
        compare_payload(b, json_value_find(o, "result"),
                        json_value_find(n, "result"), &place);
    }
    report_added(b, BREAKING_METHOD_ADDED, "method", methods, others, old);
}

static void compare_events(struct breaking *b, const struct json_value *old,
                           const struct json_value *new)
{
    static const enum breaking_id lost[] = { BREAKING_EVENT_REMOVED,
                                             BREAKING_EVENT_RENAMED };
    const struct json_value *events = json_value_find(old, "events");
    const struct json_value *others = json_value_find(new, "events");
    for (const struct json_value *o = events->first; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n == NULL) {
            (void)report_lost(b, o, events, others, new, "event", lost);
            continue;
        }
        const struct breaking_place place = at(
            arena_printf(b->arena, "the payload of event '%s'",
                         json_value_text(o, "name")),
            o, n, USE_OUTPUT);
        compare_payload(b, json_value_find(o, "payload"),
                        json_value_find(n, "payload"), &place);
    }
}

/* The hook of a list, or NULL. */
static const struct json_value *find_hook(const struct json_value *hooks,
                                          const char *name)
{
    const struct json_value *hook = hooks->first;
    while (hook != NULL && strcmp(hook->text, name) != 0) {
        hook = hook->next;
    }
    return hook;
}

static const char *hook_text(struct breaking *b, const struct json_value *hook,
                             const struct json_value *actor, const char *change)
{
    return arena_printf(b->arena, "hook '%s' of actor '%s' is %s", hook->text,
                        json_value_text(actor, "name"), change);
}

static void compare_hooks(struct breaking *b, const struct json_value *old,
                          const struct json_value *new)
{
    const struct json_value *hooks = json_value_find(old, "hooks");
    const struct json_value *others = json_value_find(new, "hooks");
    for (const struct json_value *o = hooks->first; o != NULL; o = o->next) {
        if (find_hook(others, o->text) == NULL) {
            const struct breaking_place place = at("", o, new, 0);
            struct breaking_finding *f = breaking_report(
                b, BREAKING_HOOK_REMOVED, &place, hook_text(b, o, old, "gone"));
            breaking_because(
                b, f, true, BREAKS_SOURCE,
                arena_printf(b->arena, "handlers have no 'on_%s'", o->text));
        }
    }
    for (const struct json_value *n = others->first; n != NULL; n = n->next) {
        if (find_hook(hooks, n->text) == NULL) {
            const struct breaking_place place = at("", old, n, 0);
            handler_added(b, BREAKING_HOOK_ADDED, &place,
                          hook_text(b, n, new, "new"));
        }
    }
}

/* How the values of a state are used: it may be a type of other things. */
static unsigned uses_of_state(const struct breaking *b,
                              const struct json_value *old,
                              const struct json_value *new)
{
    const struct breaking_pair *pair = b->pairs;
    while (pair != NULL && (pair->old != old || pair->new != new)) {
        pair = pair->next;
    }
    return pair != NULL ? pair->uses : USE_OUTPUT | USE_STORED;
}

/* A state, also a missing one. */
static void compare_state(struct breaking *b, const struct json_value *old,
                          const struct json_value *new, const char *key,
                          const char *noun, unsigned uses)
{
    const struct json_value *o = json_value_find(old, key),
                            *n = json_value_find(new, key);
    if (o != NULL || n != NULL) {
        struct breaking_place place = at(
            arena_printf(b->arena, "%s of actor '%s'", noun,
                         json_value_text(old, "name")),
            o != NULL ? o : old, n != NULL ? n : new, uses);
        place.is_state = true;
        breaking_fields(b, o, n, &place);
    }
}

static void compare_actors(struct breaking *b)
{
    static const enum breaking_id lost[] = { BREAKING_ACTOR_REMOVED,
                                             BREAKING_ACTOR_RENAMED };
    const struct json_value *actors = json_value_find(b->old, "actors");
    const struct json_value *others = json_value_find(b->new, "actors");
    for (const struct json_value *o = actors->first; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n == NULL) {
            (void)report_lost(b, o, actors, others, b->new, "actor", lost);
            continue;
        }
        compare_state(b, o, n, "state", "the state",
                      uses_of_state(b, json_value_find(o, "state"),
                                    json_value_find(n, "state")));
        compare_state(b, o, n, "private", "the private state", USE_STORED);
        compare_methods(b, o, n);
        compare_events(b, o, n);
        compare_hooks(b, o, n);
    }
    report_added(b, BREAKING_ACTOR_ADDED, "actor", actors, others, b->old);
}

/* ---- the rest ---- */

/* Handlers know the check of a struct by the struct's name. */
static void find_checks(struct breaking *b)
{
    const struct json_value *structs = json_value_find(b->old, "structs");
    const struct json_value *others = json_value_find(b->new, "structs");
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        const struct json_value *o = breaking_find(structs,
                                                   json_value_text(n, "name"));
        if (json_value_truth(n, "check") && !json_value_truth(o, "check")) {
            const struct breaking_place place = at("", o != NULL ? o : b->old,
                                                   n, 0);
            handler_added(b, BREAKING_HOOK_ADDED, &place,
                          arena_printf(b->arena, "the check of %s is new",
                                       quoted(b, "struct", n)));
        }
    }
}

static void compare_apps(struct breaking *b)
{
    const char *old = json_value_text(b->old, "app");
    const char *new = json_value_text(b->new, "app");
    if (strcmp(old, new) != 0) {
        const struct breaking_place place = at("", b->old, b->new, 0);
        struct breaking_finding *f = breaking_report(
            b, BREAKING_APP_RENAMED, &place,
            arena_printf(b->arena, "app '%s' is called '%s' now", old, new));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         arena_printf(b->arena,
                                      "every name begins with '%s_', not "
                                      "'%s_'",
                                      json_value_text(b->new, "c"),
                                      json_value_text(b->old, "c")));
    }
}

/* Declared types that are gone, and were not renamed. */
static void compare_lists(struct breaking *b, const char *kind,
                          const char *section)
{
    const struct json_value *list = json_value_find(b->old, section);
    for (const struct json_value *o = list != NULL ? list->first : NULL;
         o != NULL; o = o->next) {
        const struct breaking_pair *pair = b->pairs;
        while (pair != NULL && pair->old != o) {
            pair = pair->next;
        }
        if (pair == NULL) {
            const struct breaking_place place = at("", o, b->new, 0);
            struct breaking_finding *f = breaking_report(
                b, BREAKING_TYPE_REMOVED, &place,
                arena_printf(b->arena, "%s is gone", quoted(b, kind, o)));
            breaking_because(b, f, true, BREAKS_SOURCE,
                             "what was generated for it is gone");
        }
    }
}

struct breaking_finding *breaking_compare(struct arena *arena,
                                          const struct json_value *old,
                                          const struct json_value *new)
{
    struct breaking b = { .arena = arena, .old = old, .new = new };
    breaking_follow(&b);
    compare_apps(&b);
    compare_actors(&b);
    find_checks(&b);
    for (const struct breaking_pair *p = b.pairs; p != NULL; p = p->next) {
        if (json_value_find(p->old, "kind") == NULL) { /* else a state */
            breaking_declaration(&b, p);
        }
    }
    for (size_t i = 0; i < BREAKING_SECTIONS; i++) {
        compare_lists(&b, breaking_sections[i][0], breaking_sections[i][1]);
    }
    struct breaking_finding **link = &b.first;
    while (*link != NULL) {
        if ((*link)->breaks == 0) {
            *link = (*link)->next;
        } else {
            link = &(*link)->next;
        }
    }
    return b.first;
}
