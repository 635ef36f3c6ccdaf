/*
 * Instances that tell and ask each other: n tells of a call, and n instances
 * that call the same, on tables that are written by hand. The program runs
 * functions in the instances, so there are no connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "zocket/call.h"
#include "zocket/embed.h"
#include "zocket/schema.h"

/* ---- an app ---- */

enum {
    HIT,
    SEEK
};

static size_t hits, replies;

static enum zkt_status hit(struct zkt_call *call, const void *handlers,
                           const void *input, void *result)
{
    (void)call;
    (void)handlers;
    (void)input;
    (void)result;
    hits++;
    return ZKT_OK;
}

static void reply_arrives(void (*done)(void), const struct zkt_reply *reply,
                          const void *result, void *user)
{
    (void)done;
    (void)reply;
    (void)result;
    (void)user;
    replies++;
}

static void any(void)
{
}

/* Asks the instance "0". */
static enum zkt_status seek(struct zkt_call *call, const void *handlers,
                            const void *input, void *result)
{
    (void)handlers;
    (void)input;
    (void)result;
    zkt_call_ask(call, 0, HIT, ZKT_STR("0"), NULL, NULL, reply_arrives, any,
                 NULL);
    return ZKT_OK;
}

struct target_handlers {
    void (*any)(void);
    const struct target_handlers *own;
};

static const struct target_handlers handlers = { any, &handlers };

static const struct zkt_type state_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = 1,
    .of.structs = &(const struct zkt_struct_info){ .name = "target" },
};
static const struct zkt_method methods[] = {
    [HIT] = { .name = ZKT_STR_INIT("hit"),
              .handler_offset = offsetof(struct target_handlers, any),
              .invoke = hit },
    [SEEK] = { .name = ZKT_STR_INIT("seek"),
               .handler_offset = offsetof(struct target_handlers, any),
               .invoke = seek,
               .interleaves = true },
};

static int find_none(struct zkt_str name)
{
    (void)name;
    return -1;
}

static const struct zkt_actor target_actor = {
    .name = ZKT_STR_INIT("target"),
    .state = &state_type,
    .methods = methods,
    .method_count = 2,
    .handlers_offset = offsetof(struct target_handlers, own),
    .find_method = find_none,
};
static const struct zkt_actor *const actors[] = { &target_actor };
static const struct zkt_app_info info = {
    .name = "targets",
    .actors = actors,
    .actor_count = 1,
    .find_actor = find_none,
};

/* ---- a server ---- */

struct work {
    struct zkt_server *server;
    size_t n;
};

static void *prepare(const void *with, size_t n)
{
    struct work *w = calloc(1, sizeof(*w));
    const struct zkt_serve_options options = {
        .allocator = &growth_allocator,
        .limits = { .tells = 1 << 20,
                    .tell_bytes = 1 << 30,
                    .asking_bytes = 1 << 30,
                    .turn_work = INT64_MAX / 2 },
    };
    const struct zkt_app app = { .info = &info, .handlers = &handlers };
    (void)with;
    hits = replies = 0;
    if (w == NULL || zkt_server_new(app, &options, &w->server) != ZKT_OK) {
        free(w);
        return NULL;
    }
    w->n = n;
    return w;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt_server_free(w->server);
    free(w);
}

typedef enum zkt_status step(struct zkt_call *call, struct work *w);

static enum zkt_status run_step(struct zkt_call *call, void (*fn)(void),
                                void *user)
{
    step *const own = (step *)fn;
    return own(call, user);
}

static struct zkt_str name_of(char *text, size_t size, size_t i)
{
    snprintf(text, size, "%zu", i);
    return zkt_cstr(text);
}

/* Runs a function in an instance, in the next turn. */
static void run_in(struct work *w, size_t id, step *fn)
{
    char name[32];
    if (zkt_server_run(w->server, 0, name_of(name, sizeof(name), id), run_step,
                       (void (*)(void))fn, w) != ZKT_OK) {
        abort();
    }
}

/* ---- the work ---- */

static void tell(struct zkt_call *call, size_t id)
{
    char name[32];
    zkt_call_tell(call, 0, HIT, name_of(name, sizeof(name), id), NULL, NULL);
}

static enum zkt_status tell_one_often(struct zkt_call *call, struct work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        tell(call, 1);
    }
    return ZKT_OK;
}

static enum zkt_status tell_many(struct zkt_call *call, struct work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        tell(call, i + 1);
    }
    return ZKT_OK;
}

static enum zkt_status tell_many_and_fail(struct zkt_call *call, struct work *w)
{
    (void)tell_many(call, w);
    return ZKT_ABORTED;
}

static enum zkt_status tell_one(struct zkt_call *call, struct work *w)
{
    (void)w;
    tell(call, 0);
    return ZKT_OK;
}

static bool one_tells_one(void *work)
{
    struct work *w = work;
    run_in(w, 0, tell_one_often);
    zkt_server_advance(w->server, 0);
    return hits == w->n;
}

static bool one_tells_many(void *work)
{
    struct work *w = work;
    run_in(w, 0, tell_many);
    zkt_server_advance(w->server, 0);
    return hits == w->n;
}

static bool one_fails(void *work)
{
    struct work *w = work;
    run_in(w, 0, tell_many_and_fail);
    zkt_server_advance(w->server, 0);
    return hits == 0;
}

static bool many_tell_one(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        run_in(w, i + 1, tell_one);
    }
    zkt_server_advance(w->server, 0);
    return hits == w->n;
}

static bool many_ask_one(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        char name[32];
        if (zkt_server_invoke(w->server, 0, SEEK,
                              name_of(name, sizeof(name), i + 1), NULL, NULL,
                              NULL, NULL, NULL) != ZKT_OK) {
            return false;
        }
    }
    zkt_server_advance(w->server, 0);
    return hits == w->n && replies == w->n;
}

void growth_asking(void)
{
    static const struct growth_row rows[] = {
        { "asking: tells of a call to one instance", 0, NULL, prepare,
          one_tells_one, finish },
        { "asking: tells of a call to many", 0, NULL, prepare, one_tells_many,
          finish },
        { "asking: tells of a call that fails", 0, NULL, prepare, one_fails,
          finish },
        { "asking: many that tell one", 0, NULL, prepare, many_tell_one,
          finish },
        { "asking: many that ask one", 0, NULL, prepare, many_ask_one, finish },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
