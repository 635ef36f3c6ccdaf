/*
 * Time and flow of methods: deadlines, streams, progress and interleaving.
 * Chunks and progress go from servers to clients, as results do. A client that
 * gets no progress, or does not know of it, misses nothing that it needs.
 */
#include <stdint.h>
#include <stdlib.h>

#include "breaking/breaking.h"

/* ---- deadlines ---- */

/* Without a timeout a call that is not deferred has all the time there is. */
static uint64_t timeout_of(const struct json_value *method)
{
    return json_value_find(method, "timeoutMs") == NULL
               ? UINT64_MAX
               : strtoull(json_value_text(method, "timeoutMs"), NULL, 10);
}

void breaking_timeout(struct breaking *b, const struct json_value *old,
                      const struct json_value *new, const char *label)
{
    const uint64_t before = timeout_of(old), after = timeout_of(new);
    const struct breaking_place place = breaking_at(label, old, new, 0);
    if (after < before) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_TIMEOUT_TIGHTENED, &place,
            arena_printf(b->arena, "%s has less time", label));
        breaking_because(b, f, true, BREAKS_CLIENT,
                         "wait as long as before, and get DEADLINE_EXCEEDED");
    } else if (after > before) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_TIMEOUT_LOOSENED, &place,
            arena_printf(b->arena, "%s has more time", label));
        breaking_because(b, f, true, BREAKS_SERVER,
                         "end calls for which newer clients still wait");
    }
}

/* ---- streams, progress, interleaving ---- */

/* A change of a method that @breaks the code of servers or clients. */
static struct breaking_finding *report(struct breaking *b, enum breaking_id id,
                                       const struct json_value *old,
                                       const struct json_value *new,
                                       const char *label, const char *change,
                                       const char *breaks)
{
    const struct breaking_place place = breaking_at(label, old, new, 0);
    struct breaking_finding *f = breaking_report(
        b, id, &place, arena_printf(b->arena, "%s %s", label, change));
    breaking_because(b, f, true, BREAKS_SOURCE, breaks);
    return f;
}

/* Types that the server sends while a call lasts; both methods have them. */
static void compare_parts(struct breaking *b, const struct json_value *old,
                          const struct json_value *new, const char *key,
                          const char *label)
{
    const struct breaking_place place = breaking_at(
        arena_printf(b->arena, "the %s of %s", key, label), old, new,
        USE_OUTPUT);
    breaking_payload(b, json_value_find(old, key), json_value_find(new, key),
                     &place);
}

static void compare_streams(struct breaking *b, const struct json_value *old,
                            const struct json_value *new, const char *label,
                            bool is_public)
{
    const bool streamed = json_value_find(old, "stream") != NULL;
    const bool streams = json_value_find(new, "stream") != NULL;
    const char *other = "functions and handlers have other arguments";
    if (streamed && streams) {
        compare_parts(b, old, new, "stream", label);
    } else if (streams) {
        struct breaking_finding *f = report(b, BREAKING_STREAM_ADDED, old, new,
                                            label, "is a stream now", other);
        breaking_because(b, f, is_public, BREAKS_SERVER,
                         "send no chunks, for which newer clients wait");
    } else if (streamed) {
        struct breaking_finding *f = report(b, BREAKING_STREAM_REMOVED, old,
                                            new, label, "is no stream now",
                                            other);
        breaking_because(b, f, is_public, BREAKS_CLIENT,
                         "wait for chunks that do not come");
    }
}

static void compare_progress(struct breaking *b, const struct json_value *old,
                             const struct json_value *new, const char *label)
{
    const bool reported = json_value_find(old, "progress") != NULL;
    const bool reports = json_value_find(new, "progress") != NULL;
    if (reported && reports) {
        compare_parts(b, old, new, "progress", label);
    } else if (reports) {
        (void)report(b, BREAKING_PROGRESS_ADDED, old, new, label,
                     "reports progress now",
                     "functions of clients have one argument more");
    } else if (reported) {
        (void)report(b, BREAKING_PROGRESS_REMOVED, old, new, label,
                     "reports no progress now",
                     "functions of clients have one argument less");
    }
}

/* A stream that begins or ends says so itself. */
static void compare_interleaving(struct breaking *b,
                                 const struct json_value *old,
                                 const struct json_value *new,
                                 const char *label)
{
    const bool before = json_value_truth(old, "interleave");
    const bool after = json_value_truth(new, "interleave");
    if (before == after || json_value_find(old, "stream") != NULL ||
        json_value_find(new, "stream") != NULL) {
        return;
    }
    if (after) {
        (void)report(b, BREAKING_INTERLEAVE_ADDED, old, new, label,
                     "interleaves now",
                     "other calls change the state before the second half");
    } else {
        (void)report(b, BREAKING_INTERLEAVE_REMOVED, old, new, label,
                     "does not interleave now",
                     "the handler may ask no other instance");
    }
}

void breaking_flow(struct breaking *b, const struct json_value *old,
                   const struct json_value *new, const char *label,
                   bool is_public)
{
    compare_streams(b, old, new, label, is_public);
    if (is_public) {
        compare_progress(b, old, new, label);
    }
    compare_interleaving(b, old, new, label);
}
