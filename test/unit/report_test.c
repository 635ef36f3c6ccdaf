/*
 * The end of every call is reported once, however the call ends, with its
 * actor, its method, its status and its durations; and a bucket of a histogram
 * has the durations that its bounds say. The clock is the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "call/report.h"
#include "meter.h"

/* ---- reports ---- */

/* All reports since the last comparison: "METHOD STATUS ANSWER HANDLER;", the
 * durations in milliseconds. */
static char seen[1024];

static void describe(struct zkt_host *host, const struct zkt_ended_call *report)
{
    const size_t len = strlen(seen);
    const char *actor = report->actor != NULL ? report->actor->name.data : "?";
    const char *name = report->timer != NULL    ? report->timer->name.data
                       : report->method != NULL ? report->method->name.data
                                                : "?";
    const enum zkt_status status = report->failure != NULL
                                       ? report->failure->status
                                       : ZKT_OK;
    assert_true(host->reports);
    assert_true(report->peer != NULL || report->timer != NULL);
    assert_int_equal(report->ask != NULL,
                     report->peer != NULL && report->peer->is_program);
    snprintf(seen + len, sizeof(seen) - len, "%s.%s %s %d/%d; ", actor, name,
             zkt_status_name(status), (int)(report->answer_ns / MS),
             (int)(report->handler_ns < 0 ? -1 : report->handler_ns / MS));
}

static void assert_seen(const char *text)
{
    assert_string_equal(seen, text);
    seen[0] = '\0';
}

/* ---- a server ---- */

static struct zkt_server *begin(void)
{
    const struct zkt_serve_options options = {
        .metrics = true,
        .limits = { .mailbox_messages = 1 },
    };
    struct zkt_server *server = new_meter(&options);
    seen[0] = '\0';
    server->host.describe = describe;
    return server;
}

static void end(struct zkt_server *server, struct wire *w)
{
    close_wire(w);
    zkt_server_free(server);
    assert_seen("");
}

/* ---- tests ---- */

static void test_calls_that_are_answered(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    (void)state;
    script.takes_ns = 3 * MS;
    say(&w, "gauge", "bump", ",\"input\":{\"by\":2}");
    assert_seen("gauge.bump OK 3/3; ");
    say(&w, "gauge", "lose", "");
    assert_seen("gauge.lose NOT_FOUND 3/3; ");
    say(&w, "gauge", "wait", "");
    assert_seen("");
    turn(server, 20);
    meter_gauge_resume_wait(script.wait, after, NULL);
    turn(server, 0);
    assert_seen("gauge.wait OK 26/6; ");
    end(server, &w);
}

/* Calls of one read are handled one after another; the second waits. */
static void test_two_calls_of_a_turn(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    char bytes[1024];
    const char *text = "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"gauge\","
                       "\"actorId\":\"a\",\"method\":\"bump\",\"input\":"
                       "{\"by\":1}}";
    (void)state;
    say(&w, "gauge", "bump", ",\"input\":{\"by\":2}");
    seen[0] = '\0';
    script.takes_ns = 3 * MS;
    wake(server, 5);
    size_t len = frame(bytes, text);
    len += frame(bytes + len, text);
    readings = 0;
    feed(&w, bytes, len, sizeof(bytes), true);
    assert_seen("gauge.bump OK 3/3; gauge.bump OK 6/3; ");
    assert_int_equal(readings, 2); /* one each */
    end(server, &w);
}

static void test_calls_that_are_refused(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    (void)state;
    say(&w, "nobody", "bump", "");
    assert_seen("?.? NOT_FOUND 0/-1; ");
    say(&w, "gauge", "nothing", "");
    assert_seen("gauge.? UNIMPLEMENTED 0/-1; ");
    say(&w, "gauge", "inner", ",\"input\":{\"n\":1}");
    assert_seen("gauge.? UNIMPLEMENTED 0/-1; ");
    say(&w, "gauge", "bump", ",\"input\":{\"by\":99}");
    assert_seen("gauge.bump INVALID_ARGUMENT 0/-1; ");
    send_text(&w, "{\"type\":\"rpc\",\"id\":\"1\"}", true);
    assert_seen("?.? INVALID_ARGUMENT 0/-1; ");
    script.admits = ZKT_UNAUTHENTICATED;
    say(&w, "gauge", "guarded", "");
    assert_seen("gauge.guarded UNAUTHENTICATED 0/-1; ");
    say(&w, "gauge", "limited", "");
    say(&w, "gauge", "limited", "");
    assert_seen(
        "gauge.limited OK 0/0; gauge.limited RESOURCE_EXHAUSTED 0/-1; ");
    say(&w, "wreck", "look", "");
    say(&w, "wreck", "look", "");
    assert_seen("wreck.look UNAVAILABLE 0/-1; wreck.look UNAVAILABLE 0/-1; ");
    end(server, &w);
}

static void test_middleware_that_defers(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    struct wire gone = open_wire(server);
    (void)state;
    script.admits = ZKT_PENDING;
    say(&gone, "gauge", "guarded", "");
    close_wire(&gone);
    assert_seen("gauge.guarded CANCELLED 0/-1; ");
    meter_middleware_resume_admitted(script.admitted, after_admitted, NULL);
    say(&w, "gauge", "guarded", "");
    turn(server, 7);
    send_text(&w, "{\"type\":\"rpc:cancel\",\"id\":\"guarded\"}", true);
    assert_seen("gauge.guarded CANCELLED 7/-1; ");
    meter_middleware_resume_admitted(script.admitted, after_admitted, NULL);
    end(server, &w);
}

static void test_calls_that_wait(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    (void)state;
    script.takes_ns = 1 * MS;
    say(&w, "gauge", "wait", "");
    say(&w, "gauge", "bump", ",\"input\":{\"by\":1}");
    say(&w, "gauge", "limited", ""); /* the mailbox is full */
    assert_seen("gauge.limited RESOURCE_EXHAUSTED 0/-1; ");
    turn(server, 10);
    meter_gauge_resume_wait(script.wait, after, NULL);
    turn(server, 0);
    assert_seen("gauge.wait OK 12/2; gauge.bump OK 12/1; ");
    say(&w, "gauge", "brief", "");
    turn(server, 50);
    assert_seen("gauge.brief DEADLINE_EXCEEDED 50/0; ");
    meter_gauge_resume_brief(script.brief, after, NULL); /* works for 1 ms */
    say(&w, "gauge", "wait", "");
    turn(server, 9);
    send_text(&w, "{\"type\":\"rpc:cancel\",\"id\":\"wait\"}", true);
    assert_seen("gauge.wait CANCELLED 11/1; ");
    meter_gauge_resume_wait(script.wait, after, NULL);
    say(&w, "gauge", "pour", "");
    turn(server, 4);
    assert_int_equal(meter_gauge_send_pour(script.pour, 1), ZKT_OK);
    meter_gauge_resume_pour(script.pour, after, NULL);
    turn(server, 0);
    assert_seen("gauge.pour OK 6/1; ");
    end(server, &w);
}

/* The messages of a client that is expelled are refused with its failure. */
static void test_an_expelled_client(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server), other = open_wire(server);
    char input[128];
    (void)state;
    const char *id = strstr(other.text, "\"clientId\":\"");
    assert_non_null(id);
    snprintf(input, sizeof(input), ",\"input\":{\"id\":\"%.32s\"}", id + 12);
    say(&other, "gauge", "bump", ",\"input\":{\"by\":1}");
    say(&w, "gauge", "wait", "");
    seen[0] = '\0';
    server->limits.mailbox_messages = 8;
    say(&w, "gauge", "drop", input);
    say(&other, "gauge", "limited", "");
    meter_gauge_resume_wait(script.wait, after, NULL);
    turn(server, 0);
    assert_seen("gauge.wait OK 0/0; gauge.drop OK 0/0; "
                "gauge.limited PERMISSION_DENIED 0/-1; ");
    close_wire(&other);
    end(server, &w);
}

static enum zkt_status start_timers(struct meter_gauge_call *call, void *user)
{
    const bool *fails = user;
    meter_gauge_start_once(call, 5,
                           &(const struct meter_gauge_once_timer){ *fails });
    return ZKT_OK;
}

/* A function of the program is a call of no method. */
static void test_calls_of_the_program(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    bool fails = false;
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            meter_gauge_run(server, ZKT_STR("t"), start_timers, &fails),
            ZKT_OK);
        turn(server, 0);
        assert_seen("gauge.run OK 0/0; ");
        script.takes_ns = 2 * MS;
        turn(server, 5);
        assert_seen(fails ? "gauge.once ABORTED 2/2; " : "gauge.once OK 2/2; ");
        script.takes_ns = 0;
        fails = true;
    }
    const struct meter_gauge_bump_input wrong = { 99 };
    assert_int_equal(
        meter_gauge_invoke_bump(server, ZKT_STR("t"), &wrong, NULL, NULL),
        ZKT_OK);
    turn(server, 0);
    assert_seen("gauge.bump INVALID_ARGUMENT 0/-1; ");
    end(server, &w);
}

static void test_calls_between_instances(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    (void)state;
    script.takes_ns = 1 * MS;
    say(&w, "gauge", "pass", ",\"input\":{\"to\":\"b\"}");
    for (int i = 0; i < 4; i++) {
        turn(server, 0);
    }
    assert_seen("gauge.inner OK 0/0; gauge.pass OK 2/2; gauge.inner OK 0/0; "
                "gauge.lose NOT_FOUND 1/1; ");
    end(server, &w);
}

static void test_calls_that_end_with_the_server(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    (void)state;
    say(&w, "gauge", "wait", "");
    say(&w, "gauge", "bump", ",\"input\":{\"by\":1}");
    zkt_server_shutdown(server);
    say(&w, "gauge", "lose", "");
    assert_seen("gauge.lose UNAVAILABLE 0/-1; ");
    close_wire(&w);
    zkt_server_free(server);
    assert_seen("gauge.wait UNAVAILABLE 0/0; gauge.bump UNAVAILABLE 0/-1; ");
    meter_gauge_resume_wait(script.wait, after, NULL);
}

/* ---- counters ---- */

static uint64_t count_of(const struct zkt_durations *durations)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        count += zkt__counter_get(&durations->buckets[i]);
    }
    return count;
}

static void test_counters(void **state)
{
    struct zkt_server *server = begin();
    struct wire w = open_wire(server);
    const struct zkt_metrics *metrics = server->host.metrics;
    const struct zkt_actor_metrics *of = &metrics->actors[0];
    (void)state;
    script.takes_ns = 3 * MS;
    say(&w, "gauge", "bump", ",\"input\":{\"by\":2}");
    say(&w, "gauge", "bump", ",\"input\":{\"by\":99}");
    const struct zkt_method_metrics *bumps = &of->methods[0];
    assert_int_equal(count_of(&bumps->prompt), 1);
    assert_int_equal(zkt__counter_get(&bumps->prompt.sum_ns), 3 * MS);
    assert_int_equal(
        zkt__counter_get(&bumps->prompt.buckets[zkt__duration_bucket(3 * MS)]),
        1);
    assert_int_equal(count_of(&bumps->answer), 1);
    assert_int_equal(count_of(&bumps->handler), 0);
    assert_int_equal(zkt__counter_get(&bumps->failed[ZKT_INVALID_ARGUMENT]), 1);
    say(&w, "gauge", "wait", "");
    meter_gauge_resume_wait(script.wait, after, NULL);
    turn(server, 100);
    assert_int_equal(count_of(&of->methods[3].answer), 1);
    assert_int_equal(zkt__counter_get(&of->methods[3].answer.sum_ns), 106 * MS);
    assert_int_equal(zkt__counter_get(&of->methods[3].handler.sum_ns), 6 * MS);
    say(&w, "gauge", "nothing", "");
    say(&w, "nobody", "nothing", "");
    const uint32_t others = of->actor->method_count;
    assert_int_equal(count_of(&of->methods[others].answer), 1);
    assert_int_equal(count_of(&metrics->other->answer), 1);
    for (uint32_t i = 0; i < metrics->actor_count; i++) {
        assert_ptr_equal(zkt__metrics_of(metrics, metrics->actors[i].actor),
                         &metrics->actors[i]);
    }
    seen[0] = '\0';
    end(server, &w);
}

static void test_buckets(void **state)
{
    static const int64_t bounds[] = {
#define X(ns, seconds) ns,
        ZKT_DURATIONS_TABLE(X)
#undef X
    };
    (void)state;
    for (unsigned i = 0; i < ZKT_DURATIONS; i++) {
        assert_int_equal(zkt__duration_bucket(bounds[i]), i);
        assert_int_equal(zkt__duration_bucket(bounds[i] + 1), i + 1);
        assert_true(i == 0 || bounds[i] >= 2 * bounds[i - 1]);
    }
    for (int64_t ns = 0; ns < INT64_MAX / 3; ns += ns / 7 + 1) {
        unsigned i = 0;
        while (i < ZKT_DURATIONS && ns > bounds[i]) {
            i++;
        }
        assert_int_equal(zkt__duration_bucket(ns), i);
    }
    assert_int_equal(zkt__duration_bucket(INT64_MAX), ZKT_DURATIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_that_are_answered),
        cmocka_unit_test(test_two_calls_of_a_turn),
        cmocka_unit_test(test_calls_that_are_refused),
        cmocka_unit_test(test_middleware_that_defers),
        cmocka_unit_test(test_calls_that_wait),
        cmocka_unit_test(test_an_expelled_client),
        cmocka_unit_test(test_calls_of_the_program),
        cmocka_unit_test(test_calls_between_instances),
        cmocka_unit_test(test_calls_that_end_with_the_server),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
