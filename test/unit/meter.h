/*
 * The app of meter.zkt, whose calls end in every way, and a server of it whose
 * clock is the test's. Include cmocka first.
 */
#ifndef METER_H
#define METER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meter_server.h"
#include "server/core.h"
#include "wire.h"
#include "zocket/embed.h"

#define MS INT64_C(1000000)

/* ---- the clock ---- */

static int64_t now_ns;
static int64_t readings;

static int64_t read_clock(const struct zkt_core *core)
{
    (void)core;
    readings++;
    return now_ns;
}

/* ---- handlers ---- */

static struct {
    struct meter_gauge_wait_later *wait;
    struct meter_gauge_pour_later *pour;
    struct meter_gauge_brief_later *brief;
    struct meter_gauge_pass_later *pass;
    struct meter_middleware_admitted_later *admitted;
    enum zkt_status admits; /* ZKT_PENDING: it defers */
    enum zkt_status opens, connects;
    int64_t takes_ns; /* of each handler that runs */
} script;

static void work(void)
{
    now_ns += script.takes_ns;
}

static enum zkt_status admitted(struct meter_middleware_call *call)
{
    if (script.admits == ZKT_PENDING) {
        script.admitted = meter_middleware_defer_admitted(call);
    }
    return script.admits;
}

static inline enum zkt_status after_admitted(struct meter_middleware_call *call,
                                             void *user)
{
    (void)user;
    assert_true(zkt_cancelled(call->zkt));
    return ZKT_OK;
}

static enum zkt_status bump(struct meter_gauge_call *call,
                            const struct meter_gauge_bump_input *in,
                            int32_t *out)
{
    work();
    meter_gauge_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    if (in->by == 9) {
        meter_gauge_emit_bumped(
            call, &(const struct meter_gauge_bumped_event){ call->state->n },
            zkt_to_all());
    }
    return ZKT_OK;
}

static enum zkt_status fill(struct meter_gauge_call *call,
                            const struct meter_gauge_fill_input *in)
{
    static char text[20001];
    static char letter;
    memset(text, 'a' + letter++ % 26, sizeof(text) - 1);
    meter_gauge_set_text(call, (struct zkt_str){ text, (size_t)in->bytes });
    return ZKT_OK;
}

static enum zkt_status lose(struct meter_gauge_call *call)
{
    work();
    return zkt_fail(call->zkt, ZKT_NOT_FOUND, "lost");
}

static enum zkt_status wait(struct meter_gauge_call *call)
{
    work();
    script.wait = meter_gauge_defer_wait(call);
    return ZKT_PENDING;
}

static enum zkt_status after(struct meter_gauge_call *call, void *user)
{
    (void)call;
    (void)user;
    work();
    return ZKT_OK;
}

static enum zkt_status pour(struct meter_gauge_call *call)
{
    script.pour = meter_gauge_defer_pour(call);
    return ZKT_PENDING;
}

static enum zkt_status guarded(struct meter_gauge_call *call)
{
    (void)call;
    work();
    return ZKT_OK;
}

static enum zkt_status limited(struct meter_gauge_call *call)
{
    (void)call;
    return ZKT_OK;
}

static enum zkt_status brief(struct meter_gauge_call *call)
{
    script.brief = meter_gauge_defer_brief(call);
    return ZKT_PENDING;
}

static enum zkt_status after_pass(struct meter_gauge_call *call,
                                  const struct meter_gauge_pass_input *in,
                                  int32_t *out, void *user)
{
    const struct meter_gauge_inner_input inner = { 2 };
    const int32_t *result = user;
    work();
    meter_gauge_tell_inner(call->zkt, in->to, &inner);
    meter_gauge_tell_lose(call->zkt, in->to);
    *out = *result;
    return ZKT_OK;
}

static void on_inner(const struct zkt_reply *reply, int32_t result, void *user)
{
    int32_t *kept = user;
    assert_int_equal(reply->status, ZKT_OK);
    *kept = result;
    meter_gauge_resume_pass(script.pass, after_pass, kept);
}

static enum zkt_status pass(struct meter_gauge_call *call,
                            const struct meter_gauge_pass_input *in,
                            int32_t *out)
{
    const struct meter_gauge_inner_input inner = { 1 };
    int32_t *kept = ZKT_NEW(call->zkt, int32_t, 1);
    (void)out;
    work();
    script.pass = meter_gauge_defer_pass(call);
    meter_gauge_ask_inner(call->zkt, in->to, &inner, on_inner, kept);
    return ZKT_PENDING;
}

static enum zkt_status drop(struct meter_gauge_call *call,
                            const struct meter_gauge_drop_input *in)
{
    zkt_expel(call->zkt, in->id, ZKT_PERMISSION_DENIED, "out");
    return ZKT_OK;
}

static enum zkt_status inner(struct meter_gauge_call *call,
                             const struct meter_gauge_inner_input *in,
                             int32_t *out)
{
    (void)call;
    *out = in->n;
    return ZKT_OK;
}

static enum zkt_status once(struct meter_gauge_call *call,
                            const struct meter_gauge_once_timer *in)
{
    work();
    return in->fails ? zkt_fail(call->zkt, ZKT_ABORTED, "no") : ZKT_OK;
}

static enum zkt_status on_connect(struct meter_gauge_call *call)
{
    (void)call;
    return script.connects;
}

static enum zkt_status on_open(struct meter_connection_call *call,
                               const struct meter_connection_input *in)
{
    (void)call;
    (void)in;
    return script.opens;
}

static enum zkt_status look(struct meter_wreck_call *call)
{
    (void)call;
    return ZKT_OK;
}

static enum zkt_status on_activate(struct meter_wreck_call *call)
{
    return meter_fail_broken(call->zkt, "sunk");
}

static const struct meter_gauge_handlers gauge = {
    .bump = bump,
    .fill = fill,
    .lose = lose,
    .wait = wait,
    .pour = pour,
    .guarded = guarded,
    .limited = limited,
    .brief = brief,
    .pass = pass,
    .drop = drop,
    .inner = inner,
    .timer_once = once,
    .on_connect = on_connect,
};
static const struct meter_wreck_handlers wreck = { look, on_activate };

/* ---- a server ---- */

static struct zkt_server *new_meter(const struct zkt_serve_options *options)
{
    static const struct meter_handlers handlers = { .on_open = on_open,
                                                    .admitted = admitted,
                                                    .gauge = &gauge,
                                                    .wreck = &wreck };
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(meter_app(&handlers), options, &server),
                     ZKT_OK);
    memset(&script, 0, sizeof(script));
    now_ns = 1000 * MS;
    for (uint32_t i = 0; i < server->shards->count; i++) {
        server->shards->all[i]->core.ticks.read = read_clock;
    }
    return server;
}

/* The driver wakes, @ms later. */
static void wake(struct zkt_server *server, int64_t ms)
{
    now_ns += ms * MS;
    server->core.now_ms += ms;
    server->core.woken = server->core.measured = now_ns;
}

static void turn(struct zkt_server *server, int64_t ms)
{
    wake(server, ms);
    server->core.ops->tick(&server->core);
}

static void say(struct wire *w, const char *actor, const char *method,
                const char *rest)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"%s\",\"actor\":\"%s\",\"actorId\":"
             "\"a\",\"method\":\"%s\"%s}",
             method, actor, method, rest);
    wake((struct zkt_server *)(void *)w->e->core, 0);
    send_text(w, text, true);
}

#endif
