/*
 * Timers. Clients do not know of them, so that a change breaks code of servers
 * alone: their handlers, and the functions that start and stop them.
 */
#include <string.h>

#include "breaking/breaking.h"

static void report(struct breaking *b, enum breaking_id id,
                   const struct breaking_place *place, const char *change,
                   const char *why)
{
    struct breaking_finding *f = breaking_report(
        b, id, place, arena_printf(b->arena, "%s %s", place->label, change));
    breaking_because(b, f, true, BREAKS_SOURCE, why);
}

/* Another period breaks nobody. */
static void compare_timer(struct breaking *b, const struct json_value *old,
                          const struct json_value *new)
{
    const char *label = breaking_quoted(b, "timer", old);
    const struct breaking_place place = breaking_at(label, old, new, 0);
    const bool repeated = json_value_find(old, "everyMs") != NULL;
    const bool repeats = json_value_find(new, "everyMs") != NULL;
    const char *old_key = json_value_text(old, "by");
    const char *new_key = json_value_text(new, "by");
    const struct breaking_place input = breaking_at(
        arena_printf(b->arena, "the input of %s", label), old, new, 0);
    breaking_payload(b, json_value_find(old, "input"),
                     json_value_find(new, "input"), &input);
    if (repeated != repeats) {
        report(b, BREAKING_TIMER_CHANGED, &place,
               repeats ? "has 'every' now" : "has no 'every' now",
               "the function that starts it has other parameters");
    }
    if ((old_key[0] != '\0') != (new_key[0] != '\0')) {
        report(b, BREAKING_TIMER_CHANGED, &place,
               new_key[0] != '\0' ? "has 'by' now" : "has no 'by' now",
               "the function that stops it has other parameters");
    } else if (strcmp(old_key, new_key) != 0) {
        report(b, BREAKING_TIMER_CHANGED, &place,
               arena_printf(b->arena, "has the key '%s' now, not '%s'", new_key,
                            old_key),
               "the function that stops it takes another value");
    }
}

void breaking_timers(struct breaking *b, const struct json_value *old,
                     const struct json_value *new)
{
    const struct json_value *timers = json_value_find(old, "timers");
    const struct json_value *others = json_value_find(new, "timers");
    const struct json_value *o = timers != NULL ? timers->first : NULL;
    for (; o != NULL; o = o->next) {
        const struct json_value *n = breaking_find(others,
                                                   json_value_text(o, "name"));
        if (n != NULL) {
            compare_timer(b, o, n);
            continue;
        }
        const struct breaking_place place = breaking_at(
            breaking_quoted(b, "timer", o), o, new, 0);
        report(b, BREAKING_TIMER_REMOVED, &place, "is gone",
               "what was generated for it is gone");
    }
    const struct json_value *n = others != NULL ? others->first : NULL;
    for (; n != NULL; n = n->next) {
        if (breaking_find(timers, json_value_text(n, "name")) == NULL) {
            const struct breaking_place place = breaking_at("", old, n, 0);
            breaking_handler_added(
                b, BREAKING_TIMER_ADDED, &place,
                arena_printf(b->arena, "%s is new",
                             breaking_quoted(b, "timer", n)));
        }
    }
}
