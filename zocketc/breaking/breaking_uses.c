/*
 * Which ways the values of each named type go: the types are followed from the
 * payloads and states of actors, and each struct, enum and union of the old
 * schema is paired with the type in its place in the new schema.
 */
#include <string.h>

#include "breaking/breaking.h"

const char *const breaking_sections[BREAKING_SECTIONS][2] = {
    { "enum", "enums" }, { "struct", "structs" }, { "union", "unions" }
};

const struct json_value *breaking_declared(const struct json_value *model,
                                           const struct json_value *type)
{
    if (strcmp(json_value_text(type, "kind"), "state") == 0) {
        const struct json_value *actor = breaking_find(
            json_value_find(model, "actors"), json_value_text(type, "name"));
        return json_value_find(actor, "state");
    }
    for (size_t i = 0; i < BREAKING_SECTIONS; i++) {
        if (strcmp(json_value_text(type, "kind"), breaking_sections[i][0]) ==
            0) {
            return breaking_find(
                json_value_find(model, breaking_sections[i][1]),
                json_value_text(type, "name"));
        }
    }
    return NULL;
}

static void follow_type(struct breaking *b, const struct json_value *old,
                        const struct json_value *new, unsigned uses);

/* Follows things with a name and a type: fields and variants. */
static void follow_list(struct breaking *b, const struct json_value *old,
                        const struct json_value *new, unsigned uses)
{
    for (const struct json_value *o = old != NULL ? old->first : NULL;
         o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(new,
                                                   json_value_text(o, "name"));
        if (n != NULL) {
            follow_type(b, json_value_find(o, "type"),
                        json_value_find(n, "type"), uses);
        }
    }
}

static void follow_members(struct breaking *b, const struct json_value *old,
                           const struct json_value *new, unsigned uses)
{
    follow_list(b, json_value_find(old, "fields"),
                json_value_find(new, "fields"), uses);
    follow_list(b, json_value_find(old, "variants"),
                json_value_find(new, "variants"), uses);
}

static void follow_pair(struct breaking *b, const struct json_value *old,
                        const struct json_value *new, unsigned uses)
{
    struct breaking_pair *pair = b->pairs;
    while (pair != NULL && (pair->old != old || pair->new != new)) {
        pair = pair->next;
    }
    if (pair == NULL) {
        pair = ARENA_NEW(b->arena, struct breaking_pair);
        pair->old = old;
        pair->new = new;
        if (b->last_pair != NULL) {
            b->last_pair->next = pair;
        } else {
            b->pairs = pair;
        }
        b->last_pair = pair;
    } else if ((pair->uses | uses) == pair->uses) {
        return;
    }
    pair->uses |= uses;
    follow_members(b, old, new, pair->uses);
}

const struct json_value *breaking_members(const struct json_value *model,
                                          const struct json_value *type)
{
    return strcmp(json_value_text(type, "kind"), "object") == 0
               ? type
               : breaking_declared(model, type);
}

static void follow_type(struct breaking *b, const struct json_value *old,
                        const struct json_value *new, unsigned uses)
{
    if (old == NULL || new == NULL) {
        return;
    }
    const bool old_null = strcmp(json_value_text(old, "kind"), "nullable") == 0;
    const bool new_null = strcmp(json_value_text(new, "kind"), "nullable") == 0;
    if (old_null != new_null) {
        follow_type(b, old_null ? json_value_find(old, "of") : old,
                    new_null ? json_value_find(new, "of") : new, uses);
        return;
    }
    const struct json_value *o = breaking_declared(b->old, old);
    const struct json_value *n = breaking_declared(b->new, new);
    if (o != NULL && n != NULL) {
        if (strcmp(json_value_text(old, "kind"),
                   json_value_text(new, "kind")) == 0) {
            follow_pair(b, o, n, uses);
        }
        return;
    }
    follow_members(b, breaking_members(b->old, old),
                   breaking_members(b->new, new), uses);
    follow_type(b, json_value_find(old, "of"), json_value_find(new, "of"),
                uses);
    const struct json_value *items = json_value_find(old, "items");
    const struct json_value *others = json_value_find(new, "items");
    if (items != NULL && others != NULL) {
        n = others->first;
        for (o = items->first; o != NULL && n != NULL;
             o = o->next, n = n->next) {
            follow_type(b, o, n, uses);
        }
    }
}

static void follow_calls(struct breaking *b, const struct json_value *old,
                         const struct json_value *new)
{
    for (const struct json_value *o = old->first; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(new,
                                                   json_value_text(o, "name"));
        follow_type(b, json_value_find(o, "input"), json_value_find(n, "input"),
                    USE_INPUT);
        follow_type(b, json_value_find(o, "result"),
                    json_value_find(n, "result"), USE_OUTPUT);
        follow_type(b, json_value_find(o, "stream"),
                    json_value_find(n, "stream"), USE_OUTPUT);
        follow_type(b, json_value_find(o, "progress"),
                    json_value_find(n, "progress"), USE_OUTPUT);
        follow_type(b, json_value_find(o, "payload"),
                    json_value_find(n, "payload"), USE_OUTPUT);
        follow_type(b, json_value_find(o, "details"),
                    json_value_find(n, "details"), USE_OUTPUT);
        follow_type(b, json_value_find(o, "output"),
                    json_value_find(n, "output"), 0);
    }
}

/* Parameters have the same source, or the same name. */
static void follow_connection(struct breaking *b)
{
    const struct json_value *old = json_value_find(b->old, "connection");
    const struct json_value *new = json_value_find(b->new, "connection");
    const struct json_value *fields = json_value_find(
        json_value_find(old, "input"), "fields");
    const struct json_value *others = json_value_find(
        json_value_find(new, "input"), "fields");
    const struct json_value *o = fields != NULL ? fields->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_same_source(others, o);
        n = n != NULL ? n : breaking_find(others, json_value_text(o, "name"));
        follow_type(b, json_value_find(o, "type"), json_value_find(n, "type"),
                    USE_INPUT);
    }
    follow_type(b, json_value_find(old, "data"), json_value_find(new, "data"),
                0);
}

static void follow_access(struct breaking *b)
{
    static const char *const sections[] = { "errors", "middleware",
                                            "broadcasts" };
    follow_connection(b);
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        const struct json_value *list = json_value_find(b->old, sections[i]);
        if (list != NULL) {
            follow_calls(b, list, json_value_find(b->new, sections[i]));
        }
    }
}

static void follow_actors(struct breaking *b)
{
    const struct json_value *actors = json_value_find(b->new, "actors");
    for (const struct json_value *o = json_value_find(b->old, "actors")->first;
         o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(actors,
                                                   json_value_text(o, "name"));
        if (n == NULL) {
            continue;
        }
        follow_calls(b, json_value_find(o, "methods"),
                     json_value_find(n, "methods"));
        follow_calls(b, json_value_find(o, "events"),
                     json_value_find(n, "events"));
        const struct json_value *state = json_value_find(o, "state");
        const struct json_value *other = json_value_find(n, "state");
        if (state != NULL && other != NULL) {
            follow_pair(b, state, other, USE_OUTPUT | USE_STORED);
        }
        follow_type(b, json_value_find(o, "private"),
                    json_value_find(n, "private"), USE_STORED);
    }
}

/* Types that nothing leads to are part of the C interface all the same. */
static void follow_rest(struct breaking *b)
{
    for (size_t i = 0; i < BREAKING_SECTIONS; i++) {
        const struct json_value *list = json_value_find(
            b->old, breaking_sections[i][1]);
        for (const struct json_value *o = list != NULL ? list->first : NULL;
             o != NULL; o = o->next) {
            const struct breaking_pair *pair = b->pairs;
            while (pair != NULL && pair->old != o) {
                pair = pair->next;
            }
            const struct json_value *n = breaking_find(
                json_value_find(b->new, breaking_sections[i][1]),
                json_value_text(o, "name"));
            if (pair == NULL && n != NULL) {
                follow_pair(b, o, n, 0);
            }
        }
    }
}

void breaking_follow(struct breaking *b)
{
    follow_access(b);
    follow_actors(b);
    follow_rest(b);
}
