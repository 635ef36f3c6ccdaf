/*
 * Audiences, and the readers of state fields. Clients do not know of audiences:
 * their names are of the server's code alone. But a client that saw a field may
 * see it no more, or find entries in a map that were hidden. A field that stops
 * being hidden hurts nobody, as a field that is new.
 */
#include <string.h>

#include "breaking/breaking.h"

/* ---- audiences ---- */

static void compare_audiences(struct breaking *b, const struct json_value *old,
                              const struct json_value *new)
{
    const struct json_value *audiences = json_value_find(old, "audiences");
    const struct json_value *others = json_value_find(new, "audiences");
    const struct json_value *o = audiences != NULL ? audiences->first : NULL;
    for (; o != NULL; o = o->next) {
        if (breaking_find(others, json_value_text(o, "name")) == NULL) {
            const char *label = breaking_quoted(b, "audience", o);
            const struct breaking_place place = breaking_at(label, o, new, 0);
            struct breaking_finding *f = breaking_report(
                b, BREAKING_AUDIENCE_REMOVED, &place,
                breaking_lost_text(b, label, NULL));
            breaking_because(b, f, true, BREAKS_SOURCE,
                             "what was generated for it is gone");
        }
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        if (breaking_find(audiences, json_value_text(n, "name")) == NULL) {
            const struct breaking_place place = breaking_at("", old, n, 0);
            breaking_handler_added(
                b, BREAKING_AUDIENCE_ADDED, &place,
                arena_printf(b->arena, "%s is new",
                             breaking_quoted(b, "audience", n)));
        }
    }
}

/* ---- readers ---- */

/* Returns true if two fields are to the same audience, perhaps under another
 * name. */
static bool same_audience(const struct json_value *old,
                          const struct json_value *new, const char *was,
                          const char *is)
{
    const struct json_value *audiences = json_value_find(old, "audiences");
    const struct json_value *others = json_value_find(new, "audiences");
    const struct json_value *item = breaking_find(audiences, was);
    const struct json_value *other = breaking_find(others, is);
    return strcmp(was, is) == 0 ||
           (item != NULL && other != NULL &&
            breaking_find(others, was) == NULL &&
            breaking_find(audiences, is) == NULL &&
            breaking_renamed(item, audiences, others) == other);
}

static void report(struct breaking *b, const struct breaking_place *place,
                   const char *change, const char *why)
{
    struct breaking_finding *f = breaking_report(
        b, BREAKING_READERS_CHANGED, place,
        arena_printf(b->arena, "%s is %s now", place->label, change));
    breaking_because(b, f, true, BREAKS_CLIENT, why);
}

/* A field of two actors. */
static void compare_readers(struct breaking *b, const struct json_value *old,
                            const struct json_value *new,
                            const struct json_value *o,
                            const struct json_value *n)
{
    const char *audience = json_value_text(n, "audience");
    const char *identity = json_value_text(n, "identity");
    const char *label = arena_printf(b->arena, "'%s' in the state of %s",
                                     json_value_text(o, "name"),
                                     breaking_quoted(b, "actor", old));
    const struct breaking_place place = breaking_at(label, o, n, 0);
    if (audience[0] != '\0') {
        if (!same_audience(old, new, json_value_text(o, "audience"),
                           audience)) {
            report(b, &place,
                   arena_printf(b->arena, "to audience '%s'", audience),
                   "see it no more, unless they belong to that");
        }
    } else if (identity[0] != '\0') {
        if (strcmp(json_value_text(o, "identity"), identity) != 0) {
            report(b, &place,
                   arena_printf(b->arena, "to identity '%s'", identity),
                   "see no entry but that of their own");
        }
    } else if (json_value_find(o, "identity") != NULL) {
        report(b, &place, "to all", "find the entries of others in it");
    }
}

void breaking_audiences(struct breaking *b, const struct json_value *old,
                        const struct json_value *new)
{
    const struct json_value *state = json_value_find(old, "state");
    const struct json_value *other = json_value_find(new, "state");
    const struct json_value *o = state != NULL && other != NULL
                                     ? json_value_find(state, "fields")->first
                                     : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(
            json_value_find(other, "fields"), json_value_text(o, "name"));
        if (n != NULL) {
            compare_readers(b, old, new, o, n);
        }
    }
    compare_audiences(b, old, new);
}
