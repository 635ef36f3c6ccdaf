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

const char *breaking_quoted(struct breaking *b, const char *noun,
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
    const bool output = place->uses == USE_OUTPUT;
    breaking_because(b, f, input && is_needed(b->new, new), BREAKS_CLIENT,
                     "call without it, and are refused");
    breaking_because(b, f, output, BREAKS_SERVER,
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
    const bool output = place->uses == USE_OUTPUT;
    breaking_because(b, f, input && is_needed(b->old, old), BREAKS_SERVER,
                     "refuse a call without it");
    breaking_because(b, f, output, BREAKS_CLIENT, "cannot do without it");
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

void breaking_payload(struct breaking *b, const struct json_value *old,
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

struct breaking_place breaking_at(const char *label,
                                  const struct json_value *old,
                                  const struct json_value *new, unsigned uses)
{
    return (struct breaking_place){
        .label = label, .old = old->at, .new = new->at, .uses = uses
    };
}

const char *breaking_lost_text(struct breaking *b, const char *label,
                               const struct json_value *renamed)
{
    return renamed != NULL
               ? arena_printf(b->arena, "%s is called '%s' now", label,
                              json_value_text(renamed, "name"))
               : arena_printf(b->arena, "%s is gone", label);
}

const struct json_value *breaking_lost(struct breaking *b,
                                       const struct json_value *item,
                                       const struct json_value *own,
                                       const struct json_value *other,
                                       const struct json_value *scope,
                                       const char *noun,
                                       const enum breaking_id ids[2])
{
    const struct json_value *renamed = breaking_renamed(item, own, other);
    const char *label = breaking_quoted(b, noun, item);
    const struct breaking_place place = breaking_at(
        label, item, renamed != NULL ? renamed : scope, 0);
    struct breaking_finding *f = breaking_report(
        b, renamed != NULL ? ids[1] : ids[0], &place,
        breaking_lost_text(b, label, renamed));
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

void breaking_handler_added(struct breaking *b, enum breaking_id id,
                            const struct breaking_place *place,
                            const char *text)
{
    struct breaking_finding *f = breaking_report(b, id, place, text);
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "a server without a handler for it does not start");
}

void breaking_added(struct breaking *b, enum breaking_id id, const char *noun,
                    const struct json_value *own,
                    const struct json_value *other,
                    const struct json_value *item,
                    const struct json_value *scope)
{
    if ((own != NULL &&
         breaking_find(own, json_value_text(item, "name")) != NULL) ||
        (own != NULL && breaking_renamed(item, other, own) != NULL)) {
        return;
    }
    const char *label = breaking_quoted(b, noun, item);
    const struct breaking_place place = breaking_at(label, scope, item, 0);
    breaking_handler_added(b, id, &place,
                           arena_printf(b->arena, "%s is new", label));
}

/* A method that clients may call both before and after (@is_public), or one
 * that they may not. */
static void compare_method(struct breaking *b, const struct json_value *old,
                           const struct json_value *new, bool is_public)
{
    const char *label = breaking_quoted(b, "method", old);
    struct breaking_place place = breaking_at(
        arena_printf(b->arena, "the input of %s", label), old, new,
        is_public ? USE_INPUT : 0);
    breaking_payload(b, json_value_find(old, "input"),
                     json_value_find(new, "input"), &place);
    place = breaking_at(arena_printf(b->arena, "the result of %s", label), old,
                        new, is_public ? USE_OUTPUT : 0);
    breaking_payload(b, json_value_find(old, "result"),
                     json_value_find(new, "result"), &place);
    if (is_public) {
        breaking_guards(b, old, new, "use", label);
        breaking_limit(b, old, new, label);
        breaking_timeout(b, old, new, label);
    }
    breaking_flow(b, old, new, label, is_public);
}

static void method_hidden(struct breaking *b, const struct json_value *old,
                          const struct json_value *new)
{
    const struct breaking_place place = breaking_at("", old, new, 0);
    struct breaking_finding *f = breaking_report(
        b, BREAKING_METHOD_HIDDEN, &place,
        arena_printf(b->arena, "%s is internal now",
                     breaking_quoted(b, "method", old)));
    breaking_because(b, f, true, BREAKS_CLIENT, "use it, and are refused");
    breaking_because(b, f, true, BREAKS_SOURCE,
                     "clients have no function for it");
    compare_method(b, old, new, false);
}

static void compare_methods(struct breaking *b, const struct json_value *old,
                            const struct json_value *new)
{
    static const enum breaking_id lost[] = { BREAKING_METHOD_REMOVED,
                                             BREAKING_METHOD_RENAMED };
    const struct json_value *methods = json_value_find(old, "methods");
    const struct json_value *others = json_value_find(new, "methods");
    const struct json_value *hidden = json_value_find(new, "internalMethods");
    for (const struct json_value *o = methods->first; o != NULL; o = o->next) {
        const char *name = json_value_text(o, "name");
        const struct json_value *n = breaking_find(others, name);
        const struct json_value *h = breaking_find(hidden, name);
        if (n != NULL) {
            compare_method(b, o, n, true);
        } else if (h != NULL) {
            method_hidden(b, o, h);
        } else {
            (void)breaking_lost(b, o, methods, others, new, "method", lost);
        }
    }
    for (const struct json_value *n = others->first; n != NULL; n = n->next) {
        if (breaking_find(json_value_find(old, "internalMethods"),
                          json_value_text(n, "name")) == NULL) {
            breaking_added(b, BREAKING_METHOD_ADDED, "method", methods, others,
                           n, old);
        }
    }
}

static void compare_internal(struct breaking *b, const struct json_value *old,
                             const struct json_value *new)
{
    const struct json_value *methods = json_value_find(old, "internalMethods");
    const struct json_value *others = json_value_find(new, "internalMethods");
    const struct json_value *public = json_value_find(new, "methods");
    const struct json_value *o = methods != NULL ? methods->first : NULL;
    for (; o != NULL; o = o->next) {
        const char *name = json_value_text(o, "name");
        const struct json_value *n = breaking_find(others, name);
        n = n != NULL ? n : breaking_find(public, name);
        if (n != NULL) {
            compare_method(b, o, n, false);
            continue;
        }
        const struct breaking_place place = breaking_at("", o, new, 0);
        struct breaking_finding *f = breaking_report(
            b, BREAKING_METHOD_REMOVED, &place,
            arena_printf(b->arena, "internal method '%s' is gone", name));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         "what was generated for it is gone");
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        const char *name = json_value_text(n, "name");
        if (breaking_find(methods, name) == NULL &&
            breaking_find(json_value_find(old, "methods"), name) == NULL) {
            const struct breaking_place place = breaking_at("", old, n, 0);
            breaking_handler_added(
                b, BREAKING_METHOD_ADDED, &place,
                arena_printf(b->arena, "internal method '%s' is new", name));
        }
    }
}

void breaking_events(struct breaking *b, const struct json_value *old,
                     const struct json_value *new, const char *section,
                     const char *noun)
{
    static const enum breaking_id lost[] = { BREAKING_EVENT_REMOVED,
                                             BREAKING_EVENT_RENAMED };
    const struct json_value *events = json_value_find(old, section);
    const struct json_value *others = json_value_find(new, section);
    const struct json_value *o = events != NULL ? events->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n == NULL) {
            (void)breaking_lost(b, o, events, others, new, noun, lost);
            continue;
        }
        const struct breaking_place place = breaking_at(
            arena_printf(b->arena, "the payload of %s '%s'", noun,
                         json_value_text(o, "name")),
            o, n, USE_OUTPUT);
        breaking_payload(b, json_value_find(o, "payload"),
                         json_value_find(n, "payload"), &place);
    }
}

const struct json_value *breaking_find_text(const struct json_value *list,
                                            const char *name)
{
    const struct json_value *text = list != NULL ? list->first : NULL;
    while (text != NULL && strcmp(text->text, name) != 0) {
        text = text->next;
    }
    return text;
}

static const char *hook_text(struct breaking *b, const struct json_value *hook,
                             const char *owner, const char *change)
{
    return arena_printf(b->arena, "hook '%s' of %s is %s", hook->text, owner,
                        change);
}

void breaking_hooks(struct breaking *b, const struct json_value *old,
                    const struct json_value *new, const char *owner)
{
    const struct json_value *hooks = json_value_find(old, "hooks");
    const struct json_value *others = json_value_find(new, "hooks");
    const struct json_value *o = hooks != NULL ? hooks->first : NULL;
    for (; o != NULL; o = o->next) {
        if (breaking_find_text(others, o->text) == NULL) {
            const struct breaking_place place = breaking_at("", o, new, 0);
            struct breaking_finding *f = breaking_report(
                b, BREAKING_HOOK_REMOVED, &place,
                hook_text(b, o, owner, "gone"));
            breaking_because(
                b, f, true, BREAKS_SOURCE,
                arena_printf(b->arena, "handlers have no 'on_%s'", o->text));
        }
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        if (breaking_find_text(hooks, n->text) == NULL) {
            const struct breaking_place place = breaking_at("", old, n, 0);
            breaking_handler_added(b, BREAKING_HOOK_ADDED, &place,
                                   hook_text(b, n, owner, "new"));
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
        struct breaking_place place = breaking_at(
            arena_printf(b->arena, "%s of actor '%s'", noun,
                         json_value_text(old, "name")),
            o != NULL ? o : old, n != NULL ? n : new, uses);
        place.is_state = true;
        place.has_bounds = strcmp(key, "state") == 0;
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
            (void)breaking_lost(b, o, actors, others, b->new, "actor", lost);
            continue;
        }
        compare_state(b, o, n, "state", "the state",
                      uses_of_state(b, json_value_find(o, "state"),
                                    json_value_find(n, "state")));
        compare_state(b, o, n, "private", "the private state", USE_STORED);
        compare_methods(b, o, n);
        compare_internal(b, o, n);
        breaking_events(b, o, n, "events", "event");
        breaking_timers(b, o, n);
        breaking_audiences(b, o, n);
        breaking_guards(b, o, n, "subscribeUse",
                        arena_printf(b->arena, "a subscription to %s",
                                     breaking_quoted(b, "actor", o)));
        breaking_hooks(b, o, n, breaking_quoted(b, "actor", o));
    }
    for (const struct json_value *n = others->first; n != NULL; n = n->next) {
        breaking_added(b, BREAKING_ACTOR_ADDED, "actor", actors, others, n,
                       b->old);
    }
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
            const struct breaking_place place = breaking_at(
                "", o != NULL ? o : b->old, n, 0);
            breaking_handler_added(
                b, BREAKING_HOOK_ADDED, &place,
                arena_printf(b->arena, "the check of %s is new",
                             breaking_quoted(b, "struct", n)));
        }
    }
}

static void compare_apps(struct breaking *b)
{
    const char *old = json_value_text(b->old, "app");
    const char *new = json_value_text(b->new, "app");
    if (strcmp(old, new) != 0) {
        const struct breaking_place place = breaking_at("", b->old, b->new, 0);
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
            const struct breaking_place place = breaking_at("", o, b->new, 0);
            struct breaking_finding *f = breaking_report(
                b, BREAKING_TYPE_REMOVED, &place,
                arena_printf(b->arena, "%s is gone",
                             breaking_quoted(b, kind, o)));
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
    breaking_access(&b);
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
