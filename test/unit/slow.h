/*
 * A server of slow.zkt; the test decides when its handlers finish. `trace`
 * lists handlers and hooks in the order in which they ran.
 */
#ifndef SLOW_H
#define SLOW_H

#include <stdio.h>

#include "failing_alloc.h"
#include "slow_server.h"
#include "wire.h"

/* The handlers and hooks that have run, separated by spaces. */
static char trace[8192];

static inline void note(const char *what, struct zkt_str of)
{
    const size_t len = strlen(trace);
    snprintf(trace + len, sizeof(trace) - len, "%s%s%s%.*s", len > 0 ? " " : "",
             what, of.len > 0 ? ":" : "", ZKT_ARG(of));
}

/* ---- deferred calls ---- */

enum {
    HELD_MAX = 1024
};

static struct slow_job_add_later *held[HELD_MAX];
static size_t held_count;
static bool hook_fails;
/* the instance that its hook destroys, or NULL */
static const char *hook_that_ends;

static inline enum zkt_status add_now(struct slow_job_call *call,
                                      const struct slow_job_add_input *in,
                                      int32_t *out)
{
    slow_job_set_n(call, call->state->n + in->by);
    slow_job_emit_added(call, &(struct slow_job_added_event){ call->state->n },
                        zkt_to_all());
    *out = call->state->n;
    return ZKT_OK;
}

/* Of callers; 0 if the program is the caller. */
static size_t client_id_len = 32;

/* The resumed part; @user counts its runs, and cancelled runs. */
struct ran {
    int times, cancelled;
    bool again; /* defers again */
};

static inline enum zkt_status add_later(struct slow_job_call *call,
                                        const struct slow_job_add_input *in,
                                        int32_t *out, void *user)
{
    struct ran *ran = user;
    ran->times++;
    note("then", in->note);
    if (zkt_cancelled(call->zkt)) {
        ran->cancelled++;
        /* None of these calls does anything, or does harm. */
        assert_int_equal(call->state->n, 0);
        assert_null(zkt_call_server(call->zkt));
        assert_int_equal(zkt_clients(call->zkt).len, 0);
        assert_int_equal(zkt_random(call->zkt, 9), 0);
        assert_int_equal(zkt_random_id(call->zkt, 4).len, 0);
        assert_int_equal(zkt_client_id(call->zkt).len, client_id_len);
        assert_string_equal(zkt_format(call->zkt, "%d", 7).data, "7");
        assert_null(slow_job_defer_add(call));
        slow_job_set_trail(call, ZKT_STR("never"));
        zkt_destroy(call->zkt);
        return add_now(call, in, out);
    }
    if (ran->again) {
        ran->again = false;
        held[held_count] = slow_job_defer_add(call);
        assert_non_null(held[held_count++]);
        return ZKT_PENDING;
    }
    return zkt_str_eq(in->note, ZKT_STR("later-fail"))
               ? zkt_fail(call->zkt, ZKT_ABORTED, "in vain")
               : add_now(call, in, out);
}

static inline void resume(size_t i, struct ran *ran)
{
    slow_job_resume_add(held[i], add_later, ran);
}

/* ---- handlers ---- */

/* Of calls that were resumed before their handler returned. */
static struct ran early_ran;
static int early_resumed;

static enum zkt_status add(struct slow_job_call *call,
                           const struct slow_job_add_input *in, int32_t *out)
{
    note("add", in->note);
    if (in->note.len < 5 || memcmp(in->note.data, "later", 5) != 0) {
        return add_now(call, in, out);
    }
    if (zkt_str_eq(in->note, ZKT_STR("later-dirty"))) {
        slow_job_set_trail(call, ZKT_STR("dirty"));
    }
    assert_true(held_count < HELD_MAX);
    held[held_count] = slow_job_defer_add(call);
    if (held[held_count] == NULL) {
        return ZKT_OK; /* the call is poisoned */
    }
    held_count++;
    if (zkt_str_eq(in->note, ZKT_STR("later-twice"))) {
        assert_null(slow_job_defer_add(call));
    }
    if (zkt_str_eq(in->note, ZKT_STR("later-early"))) {
        const int before = early_ran.times;
        early_resumed++;
        resume(--held_count, &early_ran);
        assert_int_equal(early_ran.times, before);
    }
    return zkt_str_eq(in->note, ZKT_STR("later-not"))
               ? zkt_fail(call->zkt, ZKT_ABORTED, "not later")
               : ZKT_PENDING;
}

static enum zkt_status build(struct slow_job_call *call,
                             const struct slow_job_build_input *in,
                             struct slow_part *out)
{
    (void)call;
    note("build", in->part.name);
    *out = in->part;
    return ZKT_OK;
}

static enum zkt_status mark(struct slow_job_call *call,
                            const struct slow_job_mark_input *in)
{
    note("mark", in->note);
    if (zkt_str_eq(in->note, ZKT_STR("wrong"))) {
        assert_null(slow_job_defer_add(call));
        return ZKT_PENDING;
    }
    if (zkt_str_eq(in->note, ZKT_STR("shutdown"))) {
        zkt_server_shutdown(zkt_call_server(call->zkt));
    }
    if (zkt_str_eq(in->note, ZKT_STR("other"))) {
        assert_int_equal(zkt_server_destroy(zkt_call_server(call->zkt),
                                            ZKT_STR("job"), ZKT_STR("b")),
                         ZKT_OK);
    }
    slow_job_set_trail(call, zkt_format(call->zkt, "%.*s %.*s",
                                        ZKT_ARG(call->state->trail),
                                        ZKT_ARG(in->note)));
    return ZKT_OK;
}

static enum zkt_status end_it(struct slow_job_call *call)
{
    note("end", zkt_instance_id(call->zkt));
    zkt_destroy(call->zkt);
    return ZKT_OK;
}

/* The number of runs of each hook. */
static struct hook_counts {
    int connect, disconnect, activate, deactivate;
} hooks;

static enum zkt_status run_hook(struct slow_job_call *call, const char *name,
                                int *count)
{
    note(name, zkt_instance_id(call->zkt));
    (*count)++;
    if (hook_that_ends != NULL && strcmp(name, hook_that_ends) == 0) {
        zkt_destroy(call->zkt);
    }
    return hook_fails ? zkt_fail(call->zkt, ZKT_ABORTED, "hook") : ZKT_OK;
}

static enum zkt_status on_connect(struct slow_job_call *call)
{
    return run_hook(call, "connect", &hooks.connect);
}

static enum zkt_status on_disconnect(struct slow_job_call *call)
{
    return run_hook(call, "disconnect", &hooks.disconnect);
}

static enum zkt_status on_activate(struct slow_job_call *call)
{
    return run_hook(call, "activate", &hooks.activate);
}

static enum zkt_status on_deactivate(struct slow_job_call *call)
{
    slow_job_set_n(call, -1);
    return run_hook(call, "deactivate", &hooks.deactivate);
}

static enum zkt_status set(struct slow_plain_call *call,
                           const struct slow_plain_set_input *in)
{
    slow_plain_put_names(call, zkt_format(call->zkt, "%d", in->n),
                         ZKT_STR("the number before"));
    slow_plain_set_before(call, call->state->n);
    slow_plain_set_n(call, in->n);
    return ZKT_OK;
}

/* Fills the row to this length or, if it has it, removes every second item. */
static enum zkt_status thin(struct slow_plain_call *call,
                            const struct slow_plain_thin_input *in)
{
    if (call->state->row.len == 0) {
        for (uint32_t i = 0; i < in->len; i++) {
            slow_plain_append_row(call, (int32_t)i);
        }
        return ZKT_OK;
    }
    for (size_t i = call->state->row.len / 2; i-- > 0;) {
        slow_plain_remove_row(call, 2 * i + 1, 1);
    }
    return ZKT_OK;
}

static enum zkt_status spell(struct slow_plain_call *call,
                             const struct slow_plain_spell_input *in)
{
    (void)call;
    (void)in;
    return ZKT_OK;
}

static const struct slow_job_handlers job_handlers = {
    .add = add,
    .build = build,
    .mark = mark,
    .end = end_it,
    .on_connect = on_connect,
    .on_disconnect = on_disconnect,
    .on_activate = on_activate,
    .on_deactivate = on_deactivate,
};
static const struct slow_plain_handlers plain_handlers = { .set = set,
                                                           .thin = thin,
                                                           .spell = spell };
static const struct slow_handlers slow_handlers = {
    .job = &job_handlers,
    .plain = &plain_handlers,
};

/* ---- a server and its clients ---- */

static inline struct zkt_server *new_slow_shards(
    const struct zkt_limits *limits, const struct zkt_allocator *allocator,
    uint32_t threads)
{
    static const uint8_t seed[32] = { 7 };
    struct zkt_serve_options options = { .random_seed = seed,
                                         .allocator = allocator,
                                         .threads = threads,
                                         .metrics = true };
    struct zkt_server *server = NULL;
    if (limits != NULL) {
        options.limits = *limits;
    }
    trace[0] = '\0';
    held_count = 0;
    hook_fails = false;
    hook_that_ends = NULL;
    hooks = (struct hook_counts){ 0 };
    early_ran = (struct ran){ 0 };
    early_resumed = 0;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

static inline struct zkt_server *new_slow_server(
    const struct zkt_limits *limits, const struct zkt_allocator *allocator)
{
    return new_slow_shards(limits, allocator, 1);
}

#define SLOW_CALL(id, instance, method, input)                                 \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"job\",\"actorId\":\"" instance "\",\"method\":\"" method   \
    "\",\"input\":" input "}"
#define ADD(id, instance, by, text)                                            \
    SLOW_CALL(id, instance, "add", "{\"by\":" by ",\"note\":\"" text "\"}")
#define MARK(id, instance, text)                                               \
    SLOW_CALL(id, instance, "mark", "{\"note\":\"" text "\"}")
#define SUB(what, instance)                                                    \
    "{\"type\":\"" what "\",\"actor\":\"job\",\"actorId\":\"" instance "\"}"

/* Returns the text frames and close codes received since the last call, as
 * lines. Valid until the next call. */
static inline const char *said(struct wire *w)
{
    static char lines[64 * 1024];
    size_t used = 0, at = 0;
    drain(w);
    while (at + 2 <= w->len) {
        const uint8_t *head = (const uint8_t *)w->text + at;
        size_t len = head[1] & 0x7f, skip = 2;
        if (len == 126) {
            len = (size_t)(head[2] << 8 | head[3]);
            skip = 4;
        }
        if ((head[0] & 0x0f) == 8) {
            used += (size_t)snprintf(lines + used, sizeof(lines) - used,
                                     "close %d\n", head[2] << 8 | head[3]);
        } else if ((head[0] & 0x0f) == 1) {
            used += (size_t)snprintf(lines + used, sizeof(lines) - used,
                                     "%.*s\n", (int)len, w->text + at + skip);
        }
        at += skip + len;
    }
    lines[used] = '\0';
    w->len = 0;
    return lines;
}

/* Connects a wire and drops its welcome message. */
static inline struct wire open_slow(struct zkt_server *server)
{
    struct wire w = open_wire(server);
    w.len = 0;
    return w;
}

/* Sends @text and returns the immediate answer. */
static inline const char *ask(struct wire *w, const char *text)
{
    send_text(w, text, true);
    return said(w);
}

static inline void turn(struct zkt_server *server)
{
    zkt__server_core(server)->ops->tick(zkt__server_core(server));
}

static inline struct zkt_server_stats stats_of(const struct zkt_server *server)
{
    struct zkt_server_stats stats;
    zkt_server_stats(server, &stats);
    return stats;
}

#define RESULT(id, value)                                                      \
    "{\"type\":\"rpc:result\",\"id\":\"" id "\",\"result\":" value "}\n"
#define DONE(id) "{\"type\":\"rpc:result\",\"id\":\"" id "\"}\n"
#define REFUSED(id, text, code)                                                \
    "{\"type\":\"rpc:result\",\"id\":\"" id "\",\"error\":\"" text             \
    "\",\"code\":\"" code "\"}\n"

#endif
