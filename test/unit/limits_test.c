/*
 * Every limit of a server, with a test for each: the behaviour just below the
 * limit, the answer at the limit, and its counter. The last test fails if the
 * table of limits has a row that no test has reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limit_hits.h"
#include "slow.h"
#include "zocket/embed.h"

/* ---- servers ---- */

static struct zkt_limit_counts total; /* over all tests */

/* Changes the state, or emits, several times in a call: `change:3`,
 * `emit:3`. */
static enum zkt_status mark_often(struct slow_job_call *call,
                                  const struct slow_job_mark_input *in)
{
    int changes = 0, events = 0;
    char note[201];
    snprintf(note, sizeof(note), "%.*s", ZKT_ARG(in->note));
    if (sscanf(note, "change:%d", &changes) != 1 &&
        sscanf(note, "emit:%d", &events) != 1) {
        return mark(call, in);
    }
    for (int i = 0; i < changes; i++) {
        slow_job_set_n(call, i);
    }
    for (int i = 0; i < events; i++) {
        slow_job_emit_added(call, &(struct slow_job_added_event){ i },
                            zkt_to_all());
    }
    return ZKT_OK;
}

static int logged;
static char logged_last[1024];

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    logged++;
    snprintf(logged_last, sizeof(logged_last), "%s", text);
}

static struct zkt_server *serve(struct zkt_limits limits)
{
    static struct slow_job_handlers job;
    static const struct slow_handlers handlers = { .job = &job,
                                                   .plain = &plain_handlers };
    static const uint8_t seed[32] = { 11 };
    const struct zkt_serve_options options = {
        .limits = limits, .random_seed = seed, .metrics = true, .log = keep_log
    };
    struct zkt_server *server = NULL;
    job = job_handlers;
    job.mark = mark_often;
    trace[0] = '\0';
    held_count = 0;
    hooks = (struct hook_counts){ 0 };
    hook_fails = false;
    hook_that_ends = NULL;
    assert_int_equal(zkt_server_new(slow_app(&handlers), &options, &server),
                     ZKT_OK);
    return server;
}

static struct zkt_limit_counts reached(const struct zkt_server *server)
{
    return stats_of(server).limit_hits;
}

static void count_limit(struct zkt_server *server, const char *name,
                        uint64_t count, uint64_t *sum)
{
    assert_limit_hits(server, name, (double)count);
    *sum += count;
}

/* Ends a server and adds its counters to the total. The text of its metrics has
 * each of them. */
static void finish(struct zkt_server *server)
{
    const struct zkt_limit_counts counts = reached(server);
#define X(name, value, text)                                                   \
    count_limit(server, #name, counts.name, &total.name);
    ZKT_LIMITS_TABLE(X)
#undef X
    zkt_server_free(server);
}

static struct wire begin_handshake(struct zkt_server *server,
                                   const char *address)
{
    return (struct wire){ .e = zkt__server_accept(server, address) };
}

/* Does the handshake of an accepted connection. */
static void enter(struct wire *w)
{
    feed(w, request, sizeof(request) - 1, 4096, true);
    w->len = 0;
}

static void send_bytes(struct wire *w, const char *bytes, size_t len)
{
    feed(w, bytes, len, 8192, true);
}

/* ---- arriving messages ---- */

static void test_message_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .message_bytes = sizeof(MARK("1", "x", "")) - 1 });
    struct wire w = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, MARK("1", "x", "")), DONE("1"));
    assert_int_equal(reached(server).message_bytes, 0);
    assert_string_equal(ask(&w, MARK("1", "x", "y")), "close 1009\n");
    assert_int_equal(reached(server).message_bytes, 1);
    close_wire(&w);
    finish(server);
}

static const char half[] = "\x81\xfe\x03\xe8\0\0\0\0"; /* of 1000 bytes */

static void test_message_ms(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .message_ms = 1000, .progress_rate = 10 });
    struct wire w = open_slow(server);
    (void)state;
    send_bytes(&w, half, 8);
    zkt_server_advance(server, 999);
    send_bytes(&w, "xxxxxxxxxx", 10); /* just enough: its time begins anew */
    zkt_server_advance(server, 1);
    send_bytes(&w, "xxxxxxxxx", 9);
    zkt_server_advance(server, 998);
    assert_string_equal(said(&w), "");
    zkt_server_advance(server, 1);
    assert_string_equal(said(&w), "close 1013\n");
    assert_int_equal(reached(server).message_ms, 1);
    assert_int_equal(reached(server).progress_rate, 1);
    close_wire(&w);
    finish(server);
}

/* The connection with the largest partial message is closed, even if another
 * connection exceeds the limit. */
static void test_gathered_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .gathered_bytes = 6000 });
    struct wire a = open_slow(server), b = open_slow(server);
    struct wire c = open_slow(server);
    char bytes[2008] = { 0 };
    (void)state;
    memcpy(bytes, "\x81\xfe\x0f\xa0", 4); /* of 4000 bytes */
    send_bytes(&a, bytes, 8);
    send_bytes(&b, bytes, 2008);
    assert_int_equal(stats_of(server).gathered, 1024 + 2048);
    send_bytes(&b, bytes + 8, 200);
    assert_int_equal(stats_of(server).gathered, 1024 + 4096);
    assert_int_equal(reached(server).gathered_bytes, 0);
    send_bytes(&c, bytes, 8);
    assert_string_equal(said(&b), "close 1013\n");
    assert_string_equal(said(&c), "");
    assert_int_equal(reached(server).gathered_bytes, 1);
    assert_int_equal(stats_of(server).gathered, 1024 + 1024);
    /* The head of a request counts as well; its answer is HTTP, not a frame. */
    struct wire d = begin_handshake(server, "d");
    send_bytes(&d, request, 50);
    assert_int_equal(stats_of(server).gathered, 3 * 1024);
    memset(bytes, 'x', sizeof(bytes));
    send_bytes(&d, bytes, sizeof(bytes));
    assert_int_equal(zkt_endpoint_fate(d.e), ZKT_FATE_OPEN);
    send_bytes(&d, bytes, sizeof(bytes));
    assert_int_equal(zkt_endpoint_fate(d.e), ZKT_FATE_DROP);
    assert_int_equal(stats_of(server).gathered, 1024 + 1024);
    close_wire(&a);
    close_wire(&c);
    close_wire(&d);
    close_wire(&b);
    zkt_server_tick(server);
    assert_int_equal(stats_of(server).gathered, 0);
    finish(server);
}

static void test_fragments(void **state)
{
    static const char begin[] = "\x01\x80\0\0\0\0", more[] = "\0\x80\0\0\0\0";
    struct zkt_server *server = serve((struct zkt_limits){ .fragments = 3 });
    struct wire w = open_slow(server);
    (void)state;
    send_bytes(&w, begin, 6);
    send_bytes(&w, more, 6);
    send_bytes(&w, more, 6);
    assert_string_equal(said(&w), "");
    send_bytes(&w, more, 6);
    assert_string_equal(said(&w), "close 1009\n");
    assert_int_equal(reached(server).fragments, 1);
    assert_int_equal(reached(server).message_bytes, 0);
    close_wire(&w);
    finish(server);
}

static void test_head_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .head_bytes = sizeof(request) - 1 });
    struct wire w = open_slow(server), long_one = begin_handshake(server, "b");
    (void)state;
    assert_int_equal(reached(server).head_bytes, 0);
    send_bytes(&long_one, "GET / HTTP/1.1\r\nX-Long: ", 24);
    send_bytes(&long_one, request, sizeof(request) - 1);
    assert_memory_equal(long_one.text, "HTTP/1.1 431 ", 13);
    assert_int_equal(zkt_endpoint_fate(long_one.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).head_bytes, 1);
    close_wire(&w);
    close_wire(&long_one);
    finish(server);
}

static void test_handshake_ms(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .handshake_ms = 500 });
    struct wire w = begin_handshake(server, "a");
    (void)state;
    /* a trickle of bytes does not extend the deadline */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        send_bytes(&w, request + i, 1);
        zkt_server_advance(server, 100);
    }
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    assert_int_equal(reached(server).handshake_ms, 1);
    close_wire(&w);
    finish(server);
}

static const char upload[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
                             "Content-Length: 1000\r\n\r\n";

static void test_body_bytes(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .body_bytes = 999 });
    struct wire w = begin_handshake(server, "a");
    (void)state;
    send_bytes(&w, upload, sizeof(upload) - 1);
    assert_memory_equal(w.text, "HTTP/1.1 413 ", 13);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).body_bytes, 1);
    close_wire(&w);
    finish(server);
}

static void test_body_ms(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .body_ms = 1000, .progress_rate = 10 });
    struct wire w = begin_handshake(server, "a");
    (void)state;
    send_bytes(&w, upload, sizeof(upload) - 1);
    zkt_server_advance(server, 999);
    send_bytes(&w, "xxxxxxxxxx", 10); /* just enough: its time begins anew */
    zkt_server_advance(server, 1);
    send_bytes(&w, "xxxxxxxxx", 9);
    zkt_server_advance(server, 998);
    assert_int_equal(w.len, 0);
    zkt_server_advance(server, 1);
    drain(&w);
    assert_memory_equal(w.text, "HTTP/1.1 408 ", 13);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).body_ms, 1);
    close_wire(&w);
    finish(server);
}

static void test_http_idle_ms(void **state)
{
    static const char whole[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct zkt_server *server = serve(
        (struct zkt_limits){ .http_idle_ms = 1000 });
    struct wire w = begin_handshake(server, "a");
    (void)state;
    for (int i = 0; i < 3; i++) {
        send_bytes(&w, whole, sizeof(whole) - 1);
        zkt_server_advance(server, 999);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    }
    assert_int_equal(count_text(&w, "HTTP/1.1 200 OK\r\n"), 3);
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).http_idle_ms, 1);
    close_wire(&w);
    finish(server);
}

/* A connection that the server has stopped reading is not silent. */
static void test_silence_while_not_read(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .ping_after_ms = 100,
                             .pong_within_ms = 50,
                             .output_high = 500,
                             .output_stuck_ms = 10000 });
    struct wire w = open_slow(server);
    (void)state;
    for (int i = 0; i < 20; i++) {
        send_text(&w, ADD("1", "y", "1", ""), false);
    }
    assert_false(zkt_endpoint_reading(w.e));
    zkt_server_advance(server, 100);
    assert_int_equal(reached(server).ping_after_ms, 1);
    zkt_server_advance(server, 500);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    for (int i = 0; i < 20; i++) {
        drain(&w);
        turn(server); /* goes on with messages that have arrived */
    }
    assert_true(zkt_endpoint_reading(w.e));
    zkt_server_advance(server, 500);
    zkt_server_advance(server, 500);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    assert_int_equal(reached(server).pong_within_ms, 1);
    close_wire(&w);
    finish(server);
}

static void test_silence(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .ping_after_ms = 100, .pong_within_ms = 50 });
    struct wire w = open_slow(server);
    (void)state;
    zkt_server_advance(server, 99);
    drain(&w);
    assert_int_equal(w.len, 0);
    zkt_server_advance(server, 1);
    drain(&w);
    assert_int_equal(w.len, 2);
    assert_memory_equal(w.text, "\x89\0", 2);
    assert_int_equal(reached(server).ping_after_ms, 1);
    zkt_server_advance(server, 49);
    send_bytes(&w, "\x8a\x80\0\0\0\0", 6); /* a pong */
    zkt_server_advance(server, 100);
    assert_int_equal(reached(server).ping_after_ms, 2);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 50);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    assert_int_equal(reached(server).pong_within_ms, 1);
    close_wire(&w);
    finish(server);
}

static void test_close_ms(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .close_ms = 100, .drain_ms = 50 });
    struct wire w = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, ADD("1", "x", "1", "later")), "");
    zkt_server_shutdown(server);
    zkt_server_advance(server, 49);
    assert_int_equal(reached(server).drain_ms, 0);
    zkt_server_advance(server, 1);
    assert_int_equal(reached(server).drain_ms, 1);
    assert_string_equal(said(&w), REFUSED("1", "the server stops",
                                          "UNAVAILABLE") "close 1001\n");
    zkt_server_advance(server, 99);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    assert_int_equal(reached(server).close_ms, 1);
    close_wire(&w);
    struct ran ran = { 0 };
    resume(0, &ran);
    turn(server);
    assert_int_equal(ran.cancelled, 1);
    finish(server);
}

/* ---- admission ---- */

static enum zkt_fate fate_of(const struct wire *w)
{
    return zkt_endpoint_fate(w->e);
}

/* The oldest half-open connection of the address that has most of them makes
 * room. */
static void test_half_open(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .half_open = 3 });
    struct wire a = begin_handshake(server, "a"),
                b = begin_handshake(server, "b");
    struct wire b2 = begin_handshake(server, "b"), c, d;
    (void)state;
    assert_true(zkt_server_accepting(server));
    assert_int_equal(reached(server).half_open, 0);
    c = begin_handshake(server, "c");
    assert_int_equal(reached(server).half_open, 1);
    assert_int_equal(zkt_server_timeout(server), 0); /* a turn is due */
    turn(server);
    assert_int_equal(fate_of(&a), ZKT_FATE_OPEN);
    assert_int_equal(fate_of(&b), ZKT_FATE_DROP);
    assert_int_equal(fate_of(&b2), ZKT_FATE_OPEN);
    /* A connection that completes its handshake before the turn stays. */
    d = begin_handshake(server, "d");
    assert_int_equal(reached(server).half_open, 2);
    enter(&a);
    turn(server);
    assert_int_equal(fate_of(&a), ZKT_FATE_OPEN);
    assert_string_equal(ask(&a, MARK("1", "x", "")), DONE("1"));
    /* Connections that end by themselves make room. */
    close_wire(&b2);
    send_bytes(&c, "nonsense\r\n\r\n", 12);
    assert_memory_equal(c.text, "HTTP/1.1 400 ", 13);
    struct wire e = begin_handshake(server, "e"),
                f = begin_handshake(server, "f");
    assert_int_equal(reached(server).half_open, 2);
    close_wire(&a);
    close_wire(&b);
    close_wire(&c);
    close_wire(&d);
    close_wire(&e);
    close_wire(&f);
    finish(server);
}

/* Connections without an address make room for each other, and per_address does
 * not limit them. */
static void test_half_open_without_an_address(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .half_open = 2, .per_address = 1 });
    struct wire a = begin_handshake(server, NULL),
                b = begin_handshake(server, "");
    (void)state;
    assert_true(zkt_server_accepting(server));
    struct wire c = begin_handshake(server, "");
    turn(server);
    assert_int_equal(fate_of(&a), ZKT_FATE_DROP);
    enter(&b);
    enter(&c);
    assert_string_equal(ask(&b, MARK("1", "x", "")), DONE("1"));
    assert_int_equal(reached(server).half_open, 1);
    assert_int_equal(reached(server).per_address, 0);
    close_wire(&a);
    close_wire(&b);
    close_wire(&c);
    finish(server);
}

/* No connection can make room while all are on their way to another thread. */
static void test_half_open_on_the_way(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .half_open = 2 });
    (void)state;
    assert_true(zkt__server_admit(server, 0));
    assert_true(zkt__server_admit(server, 0));
    assert_false(zkt_server_accepting(server));
    assert_null(zkt_server_accept(server, "c", NULL));
    assert_int_equal(reached(server).half_open, 1); /* once, not per attempt */
    zkt__server_cancel_admission(server, 0);
    assert_true(zkt_server_accepting(server));
    struct wire a = { .e = zkt__server_add_connection(server, "a", 0) };
    zkt__server_cancel_admission(server, 0);
    close_wire(&a);
    finish(server);
}

static void test_accepts_per_second(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .accepts_per_second = 2 });
    (void)state;
    zkt_server_clock(server, 5000, 0);
    struct wire a = begin_handshake(server, "a");
    zkt_server_clock(server, 5400, 0);
    struct wire b = begin_handshake(server, "b");
    enter(&a);
    enter(&b);
    assert_int_equal(zkt_server_timeout(server), 30000);
    assert_false(zkt_server_accepting(server));
    assert_null(zkt_server_accept(server, "c", NULL));
    assert_int_equal(reached(server).accepts_per_second, 1);
    /* the server wakes for it */
    assert_int_equal(zkt_server_timeout(server), 600);
    zkt_server_clock(server, 6000, 0);
    zkt_server_tick(server);
    assert_true(zkt_server_timeout(server) > 600);
    assert_true(zkt_server_accepting(server));
    struct wire c = begin_handshake(server, "c"),
                d = begin_handshake(server, "d");
    assert_non_null(c.e);
    assert_non_null(d.e);
    assert_false(zkt_server_accepting(server));
    close_wire(&a);
    close_wire(&b);
    close_wire(&c);
    close_wire(&d);
    finish(server);
}

/* Expects a refusal, at once or when the request is there. */
static void assert_refused(struct wire *w, bool at_once)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                 "Vary: Origin\r\n"
                                 "Connection: close\r\n"
                                 "Content-Length: 0\r\n\r\n";
    assert_non_null(w->e);
    drain(w);
    assert_int_equal(w->len, at_once ? sizeof(answer) - 1 : 0);
    assert_int_equal(zkt_endpoint_fate(w->e),
                     at_once ? ZKT_FATE_CLOSE : ZKT_FATE_OPEN);
    send_bytes(w, request, sizeof(request) - 1);
    assert_string_equal(w->text, answer);
    assert_int_equal(zkt_endpoint_fate(w->e), ZKT_FATE_CLOSE);
}

static void test_connections(void **state)
{
    struct wire more[ZKT_REFUSED_MAX];
    struct zkt_server *server = serve((struct zkt_limits){ .connections = 2 });
    struct wire a = open_slow(server), b = open_slow(server);
    (void)state;
    assert_int_equal(reached(server).connections, 0);
    for (size_t i = 0; i < ZKT_REFUSED_MAX; i++) {
        more[i] = begin_handshake(server, "c");
        assert_refused(&more[i], false);
    }
    /* refused without a reply */
    assert_null(zkt_server_accept(server, "c", NULL));
    assert_int_equal(reached(server).connections, ZKT_REFUSED_MAX + 1);
    close_wire(&more[0]);
    close_wire(&a);
    turn(server);
    for (size_t i = 1; i < ZKT_REFUSED_MAX; i++) {
        close_wire(&more[i]);
    }
    turn(server);
    struct wire again = open_slow(server);
    assert_string_equal(ask(&again, MARK("1", "x", "y")), DONE("1"));
    close_wire(&again);
    close_wire(&b);
    finish(server);
}

#define PLAIN(line) line " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Sends a request on a new connection. Returns the status of the answer, which
 * ends the connection, or 0 if there is none. */
static int knock_with(struct zkt_server *server, const char *text)
{
    struct wire w = begin_handshake(server, "probe");
    send_bytes(&w, text, strlen(text));
    const int status = w.len > 9 ? atoi(w.text + 9) : 0;
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    turn(server);
    return status;
}

/* A full server answers those that watch it, and nobody else. */
static void test_probes_of_a_full_server(void **state)
{
    static const struct {
        const char *request;
        int status;
    } table[] = {
        { PLAIN("GET /healthz"), 200 },
        { PLAIN("GET /readyz"), 200 },
        { PLAIN("HEAD /healthz"), 200 },
        { PLAIN("GET /healthz?a=b"), 200 },
        { PLAIN("POST /healthz"), 503 },
        { PLAIN("GET /healthz/"), 503 },
        { PLAIN("GET /"), 503 },
        { PLAIN("GET /metrics"), 503 },
        { "GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
          503 },
        { "nonsense\r\n\r\n", 400 },
    };
    struct zkt_server *server = serve((struct zkt_limits){ .connections = 1 });
    struct wire a = open_slow(server);
    uint64_t refused = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(knock_with(server, table[i].request), table[i].status);
        refused += table[i].status == 503;
        assert_int_equal(reached(server).connections, refused);
    }
    assert_string_equal(ask(&a, MARK("1", "x", "y")), DONE("1"));
    close_wire(&a);
    finish(server);
}

/* Peers that say nothing take no place from a probe for long: the oldest of
 * them goes. They are in no handshake that half_open counts. */
static void test_surplus_connections_that_wait(void **state)
{
    enum {
        PLACES = 16,
        MORE = 4
    };
    struct zkt_server *server = serve(
        (struct zkt_limits){ .connections = 1, .half_open = 1 });
    struct wire a = open_slow(server), waiting[PLACES + MORE];
    (void)state;
    for (int i = 0; i < PLACES + MORE; i++) {
        waiting[i] = begin_handshake(server, "c");
        turn(server);
        for (int k = 0; k <= i; k++) {
            assert_int_equal(zkt_endpoint_fate(waiting[k].e),
                             k <= i - PLACES ? ZKT_FATE_DROP : ZKT_FATE_OPEN);
        }
        assert_true(zkt_server_accepting(server));
    }
    assert_int_equal(reached(server).connections, MORE);
    assert_int_equal(reached(server).half_open, 0);
    assert_int_equal(knock_with(server, PLAIN("GET /healthz")), 200);
    assert_int_equal(zkt_endpoint_fate(waiting[MORE].e), ZKT_FATE_DROP);
    for (int i = 0; i < PLACES + MORE; i++) {
        close_wire(&waiting[i]);
    }
    close_wire(&a);
    turn(server);
    a = open_slow(server);
    assert_string_equal(ask(&a, MARK("1", "x", "y")), DONE("1"));
    close_wire(&a);
    finish(server);
}

/* Peers that say nothing take no place from a client when others have left. */
static void test_surplus_connections_take_no_place(void **state)
{
    enum {
        SILENT = 8
    };
    struct zkt_server *server = serve((struct zkt_limits){ .connections = 2 });
    struct wire a = open_slow(server), b = open_slow(server), silent[SILENT];
    (void)state;
    for (int i = 0; i < SILENT; i++) {
        silent[i] = begin_handshake(server, "c");
    }
    close_wire(&a);
    close_wire(&b);
    turn(server);
    a = open_slow(server);
    b = open_slow(server);
    assert_string_equal(ask(&b, MARK("1", "x", "y")), DONE("1"));
    assert_int_equal(knock_with(server, PLAIN("GET /")), 503);
    for (int i = 0; i < SILENT; i++) {
        close_wire(&silent[i]);
    }
    close_wire(&a);
    close_wire(&b);
    finish(server);
}

/* A refused connection that does not end is dropped. */
static void test_a_refused_connection_that_lingers(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .connections = 1 });
    struct wire a = open_slow(server), b = begin_handshake(server, "b");
    (void)state;
    assert_refused(&b, false);
    zkt_server_advance(server, 2000);
    assert_int_equal(zkt_endpoint_fate(b.e), ZKT_FATE_DROP);
    close_wire(&a);
    close_wire(&b);
    finish(server);
}

static void test_per_address(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .per_address = 2 });
    struct wire a = begin_handshake(server, "10.0.0.1"),
                b = begin_handshake(server, "10.0.0.1");
    struct wire c = begin_handshake(server, "10.0.0.1"),
                d = begin_handshake(server, "10.0.0.10");
    (void)state;
    enter(&a);
    enter(&b);
    assert_refused(&c, true);
    enter(&d);
    assert_string_equal(ask(&d, MARK("1", "x", "y")), DONE("1"));
    assert_int_equal(reached(server).per_address, 1);
    close_wire(&a);
    close_wire(&c);
    turn(server);
    c = begin_handshake(server, "10.0.0.1");
    enter(&c);
    assert_string_equal(ask(&c, MARK("2", "x", "y")), DONE("2"));
    assert_int_equal(reached(server).per_address, 1);
    close_wire(&b);
    close_wire(&c);
    close_wire(&d);
    finish(server);
}

static void test_networks(void **state)
{
    static const char *const same[][2] = {
        { "2001:db8::1", "2001:db8:0:0:ffff::2" },
        { "::ffff:10.0.0.1", "10.0.0.1" },
        { "::1", "::2" },
        { "local", "local" },
    };
    static const char *const others[][2] = {
        { "2001:db8::1", "2001:db8:0:1::1" },
        { "::ffff:10.0.0.1", "::ffff:10.0.0.2" },
        { "::1", "::ffff:0.0.0.1" },
        { "local", "" },
    };
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        const bool is_same = i < 4;
        const char *const *pair = is_same ? same[i] : others[i - 4];
        struct zkt_server *server = serve(
            (struct zkt_limits){ .per_address = 1 });
        struct wire a = begin_handshake(server, pair[0]),
                    b = begin_handshake(server, pair[1]);
        assert_int_equal(zkt_endpoint_fate(a.e), ZKT_FATE_OPEN);
        assert_int_equal(zkt_endpoint_fate(b.e),
                         is_same ? ZKT_FATE_CLOSE : ZKT_FATE_OPEN);
        close_wire(&a);
        close_wire(&b);
        finish(server);
    }
}

/* Each allocation of a connection from a counted address fails once. */
static void test_addresses_without_memory(void **state)
{
    (void)state;
    for (long fail_at = 1;; fail_at++) {
        struct failing_alloc f;
        failing_alloc_init(&f, 0);
        const struct zkt_limits limits = { .per_address = 1 };
        struct zkt_server *server = new_slow_server(&limits, &f.allocator);
        f.fail_at = f.calls + fail_at;
        struct wire w = begin_handshake(server, "10.0.0.1");
        const bool failed = f.calls >= f.fail_at;
        assert_int_equal(w.e == NULL, failed);
        f.fail_at = 0;
        if (!failed) {
            close_wire(&w);
        }
        turn(server);
        /* the failed connection is not counted */
        w = begin_handshake(server, "10.0.0.1");
        assert_non_null(w.e);
        enter(&w);
        assert_string_equal(ask(&w, MARK("1", "x", "y")), DONE("1"));
        close_wire(&w);
        zkt_server_free(server);
        assert_int_equal(f.live, 0);
        if (!failed) {
            assert_true(fail_at > 2);
            break;
        }
    }
}

/* ---- work ---- */

static void test_read_per_turn(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .read_per_turn = 200 });
    struct wire w = open_slow(server);
    const uint64_t before = reached(server).read_per_turn;
    (void)state;
    feed(&w, "\x81\xfe\x01\x2c\0\0\0\0", 8, 8, true);
    assert_int_equal(reached(server).read_per_turn, before);
    char text[300];
    memset(text, ' ', sizeof(text));
    feed(&w, text, 300, 200, true); /* 200 and 100 */
    assert_int_equal(reached(server).read_per_turn, before + 1);
    close_wire(&w);
    finish(server);
}

static void test_leaves_per_turn(void **state)
{
    enum {
        INSTANCES = 25,
        PER_TURN = 10
    };
    struct zkt_server *server = serve(
        (struct zkt_limits){ .leaves_per_turn = PER_TURN });
    struct wire w = open_slow(server);
    (void)state;
    for (int i = 0; i < INSTANCES; i++) {
        char text[256];
        snprintf(
            text, sizeof(text),
            "{\"type\":\"event:sub\",\"actor\":\"job\",\"actorId\":\"%d\"}", i);
        assert_string_equal(ask(&w, text), "");
    }
    close_wire(&w);
    assert_int_equal(zkt_server_timeout(server), 0);
    turn(server);
    assert_int_equal(hooks.disconnect, PER_TURN);
    assert_int_equal(stats_of(server).connections, 1);
    assert_int_equal(zkt_server_timeout(server), 0); /* it goes on at once */
    turn(server);
    assert_int_equal(hooks.disconnect, 2 * PER_TURN);
    assert_int_equal(reached(server).leaves_per_turn, 2);
    turn(server);
    assert_int_equal(hooks.disconnect, INSTANCES);
    assert_int_equal(stats_of(server).connections, 0);
    assert_int_equal(zkt_server_timeout(server), -1);
    assert_int_equal(reached(server).leaves_per_turn, 2);
    finish(server);
}

static void test_instances(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .instances = 2, .instances_per_address = 2 });
    struct wire w = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, MARK("1", "a", "y")), DONE("1"));
    assert_string_equal(ask(&w, MARK("2", "b", "y")), DONE("2"));
    assert_string_equal(
        ask(&w, MARK("3", "c", "y")),
        REFUSED("3", "too many instances", "RESOURCE_EXHAUSTED"));
    assert_string_equal(
        ask(&w, SUB("state:sub", "c")),
        "{\"type\":\"sub:error\",\"actor\":\"job\",\"actorId\":\"c\",\"error\":"
        "\"too many instances\",\"code\":\"RESOURCE_EXHAUSTED\"}\n");
    assert_int_equal(reached(server).instances, 2);
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("a")),
                     ZKT_OK);
    turn(server);
    assert_string_equal(ask(&w, MARK("4", "c", "y")), DONE("4"));
    close_wire(&w);
    finish(server);
}

static void test_instances_per_address(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .instances_per_address = 1 });
    struct wire a = begin_handshake(server, "192.0.2.1");
    struct wire b = begin_handshake(server, "192.0.2.2");
    (void)state;
    enter(&a);
    enter(&b);
    assert_string_equal(ask(&a, MARK("1", "a", "y")), DONE("1"));
    assert_non_null(strstr(ask(&a, MARK("2", "b", "y")), "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).instances_per_address, 1);
    assert_string_equal(ask(&b, MARK("3", "b", "y")), DONE("3"));
    close_wire(&a);
    close_wire(&b);
    finish(server);
}

static void test_links(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .links = 1 });
    struct wire w = open_slow(server), other = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, MARK("1", "a", "y")), DONE("1"));
    assert_string_equal(ask(&w, MARK("2", "a", "y")), DONE("2"));
    assert_string_equal(
        ask(&w, MARK("3", "b", "y")),
        REFUSED("3", "the connection is in contact with too many instances",
                "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).links, 1);
    assert_int_equal(stats_of(server).instances, 1);
    assert_string_equal(ask(&other, MARK("4", "b", "y")), DONE("4"));
    close_wire(&w);
    close_wire(&other);
    finish(server);
}

#define TOO_MANY_SUBSCRIPTIONS(instance)                                       \
    "{\"type\":\"sub:error\",\"actor\":\"job\",\"actorId\":\"" instance        \
    "\",\"error\":\"too many subscriptions of the connection\","               \
    "\"code\":\"RESOURCE_EXHAUSTED\"}\n"

static void test_subscriptions(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .subscriptions = 2 });
    struct wire w = open_slow(server), other = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, SUB("event:sub", "a")), "");
    /* the same subscription */
    assert_string_equal(ask(&w, SUB("event:sub", "a")), "");
    assert_non_null(strstr(ask(&w, SUB("state:sub", "a")), "state:snapshot"));
    assert_string_equal(ask(&w, SUB("event:sub", "b")),
                        TOO_MANY_SUBSCRIPTIONS("b"));
    assert_string_equal(ask(&w, SUB("state:sub", "b")),
                        TOO_MANY_SUBSCRIPTIONS("b"));
    assert_int_equal(reached(server).subscriptions, 2);
    assert_non_null(strstr(ask(&w, SUB("state:sub", "a")), "state:snapshot"));
    assert_string_equal(ask(&other, SUB("event:sub", "b")), "");
    assert_string_equal(ask(&w, SUB("event:unsub", "a")), "");
    assert_string_equal(ask(&w, SUB("event:unsub", "a")), "");
    assert_string_equal(ask(&w, SUB("event:sub", "b")), "");
    /* The end of an instance ends its subscriptions. */
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("a")),
                     ZKT_OK);
    turn(server);
    assert_non_null(strstr(said(&w), "sub:error"));
    assert_string_equal(ask(&w, SUB("event:sub", "c")), "");
    assert_string_equal(ask(&w, SUB("event:sub", "d")),
                        TOO_MANY_SUBSCRIPTIONS("d"));
    close_wire(&w);
    close_wire(&other);
    finish(server);
}

static void test_waiting(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .pending_calls = 3,
                             .mailbox_messages = 5,
                             .mailbox_bytes = 3000,
                             .mailbox_per_turn = 1 });
    struct wire a = open_slow(server), b = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_string_equal(ask(&a, ADD("1", "x", "1", "later")), "");
    assert_string_equal(ask(&a, ADD("2", "x", "1", "")), "");
    assert_string_equal(ask(&a, ADD("3", "x", "1", "")), "");
    assert_string_equal(ask(&a, ADD("4", "x", "1", "")), ""); /* not read */
    assert_true(reached(server).pending_calls > 0);
    assert_string_equal(ask(&b, ADD("5", "x", "1", "")), "");
    assert_string_equal(ask(&b, ADD("6", "x", "1", "")), "");
    assert_string_equal(ask(&b, ADD("7", "x", "1", "")),
                        REFUSED("7", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).mailbox_messages, 1);
    resume(0, &ran);
    turn(server);
    assert_string_equal(said(&a), RESULT("1", "1") RESULT("2", "2"));
    assert_int_equal(reached(server).mailbox_per_turn, 1);
    turn(server);
    assert_string_equal(said(&b), RESULT("5", "3"));
    turn(server);
    assert_string_equal(said(&a), RESULT("3", "4"));
    turn(server);
    assert_string_equal(said(&b), RESULT("6", "5"));
    turn(server);
    assert_string_equal(said(&a), RESULT("4", "6"));
    assert_int_equal(reached(server).mailbox_per_turn, 5);
    assert_int_equal(reached(server).mailbox_bytes, 0);
    close_wire(&a);
    close_wire(&b);
    finish(server);
}

static void test_mailbox_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .mailbox_bytes = 16 });
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_string_equal(ask(&w, ADD("1", "x", "1", "later")), "");
    assert_string_equal(ask(&w, ADD("2", "x", "1", "")),
                        REFUSED("2", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).mailbox_bytes, 1);
    assert_int_equal(reached(server).mailbox_messages, 0);
    resume(0, &ran);
    turn(server);
    assert_string_equal(said(&w), RESULT("1", "1"));
    close_wire(&w);
    finish(server);
}

static void test_handler_ms(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .handler_ms = 70 });
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_string_equal(ask(&w, ADD("1", "x", "1", "later-dirty")), "");
    zkt_server_advance(server, 69);
    assert_string_equal(said(&w), "");
    zkt_server_advance(server, 1);
    assert_string_equal(said(&w),
                        REFUSED("1", "the handler did not finish in time",
                                "DEADLINE_EXCEEDED"));
    assert_int_equal(reached(server).handler_ms, 1);
    resume(0, &ran);
    turn(server);
    assert_int_equal(ran.cancelled, 1);
    close_wire(&w);
    finish(server);
}

static void test_idle_ms(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .idle_ms = 70 });
    struct wire w = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, MARK("1", "x", "y")), DONE("1"));
    close_wire(&w);
    turn(server);
    zkt_server_advance(server, 69);
    assert_int_equal(stats_of(server).instances, 1);
    zkt_server_advance(server, 1);
    assert_int_equal(stats_of(server).instances, 0);
    assert_int_equal(reached(server).idle_ms, 1);
    finish(server);
}

static void test_mutations_and_events(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .mutations = 3, .events = 2 });
    struct wire w = open_slow(server);
    (void)state;
    (void)ask(&w, SUB("event:sub", "x"));
    assert_string_equal(ask(&w, MARK("1", "x", "change:3")), DONE("1"));
    assert_string_equal(ask(&w, MARK("2", "x", "change:4")),
                        REFUSED("2", "internal error", "INTERNAL"));
    assert_int_equal(reached(server).mutations, 1);
    assert_non_null(strstr(ask(&w, MARK("3", "x", "emit:2")), DONE("3")));
    assert_string_equal(ask(&w, MARK("4", "x", "emit:3")), /* none of them */
                        REFUSED("4", "internal error", "INTERNAL"));
    assert_int_equal(reached(server).events, 1);
    close_wire(&w);
    finish(server);
}

#define BUILD(id, part)                                                        \
    SLOW_CALL(id, "x", "build", "{\"part\":" part ",\"more\":[]}")
/* The issues stand in the text, where quotes are escaped, and by themselves:
 * LIST is a macro of the quote. */
#define INVALID(id, LIST)                                                      \
    "{\"type\":\"rpc:result\",\"id\":\"" id                                    \
    "\",\"error\":\"Validation failed for build: [" LIST(                      \
        "\\\"") "]\","                                                         \
                "\"code\":"                                                    \
                "\"INVALID_"                                                   \
                "ARGUMENT\","                                                  \
                "\"issues\":"                                                  \
                "[" LIST("\"") "]"                                             \
                               "}"                                             \
                               "\n"
#define ISSUE(q, code, path, text)                                             \
    "{" q "code" q ":" q code q "," q "path" q ":[" path "]," q "message" q    \
    ":" q text q "}"

#define DEEP_SIZES(q)                                                          \
    ISSUE(q, "too_big", q "part" q "," q "parent" q "," q "sizes" q,           \
          "is nested too deeply")
#define DEEP_X(q)                                                              \
    ISSUE(q, "too_big", q "part" q "," q "x" q, "is nested too deeply")

static void test_json_depth(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .json_depth = 3 });
    struct wire w = open_slow(server);
    (void)state;
    assert_non_null(
        strstr(ask(&w, BUILD("1", "{\"name\":\"a\",\"sizes\":[1]}")),
               "\"id\":\"1\",\"result\""));
    assert_int_equal(reached(server).json_depth, 0);
    assert_string_equal(
        ask(&w, BUILD("2", "{\"name\":\"a\",\"sizes\":[],\"parent\":"
                           "{\"name\":\"b\",\"sizes\":[]}}")),
        INVALID("2", DEEP_SIZES));
    assert_int_equal(reached(server).json_depth, 1);
    /* Ignored members count likewise. */
    assert_string_equal(ask(&w, BUILD("3", "{\"name\":\"a\",\"sizes\":[],"
                                           "\"x\":[[]]}")),
                        INVALID("3", DEEP_X));
    assert_int_equal(reached(server).json_depth, 2);
    close_wire(&w);
    finish(server);
}

/* Input that is short in JSON and large in memory. */
static void test_call_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .message_bytes = 4096, .call_bytes = 4096 });
    struct wire w = open_slow(server);
    char text[4000];
    (void)state;
    for (int words = 100; words <= 500; words += 400) {
        size_t len = (size_t)snprintf(
            text, sizeof(text), "%s",
            "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"plain\","
            "\"actorId\":\"x\",\"method\":\"spell\","
            "\"input\":{\"words\":[\"a\"");
        for (int i = 1; i < words; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"a\"");
        }
        snprintf(text + len, sizeof(text) - len, "]}}");
        assert_string_equal(ask(&w, text), words == 100
                                               ? DONE("1")
                                               : REFUSED("1", "out of memory",
                                                         "RESOURCE_EXHAUSTED"));
        assert_int_equal(reached(server).call_bytes, words == 500);
    }
    close_wire(&w);
    finish(server);
}

static void test_issues(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ .issues = 2 });
    struct wire w = open_slow(server);
    (void)state;
#define AT(q, i, found)                                                        \
    ISSUE(q, "invalid_type", q "part" q "," q "sizes" q "," i,                 \
          "expected integer, got " found)
#define TWO(q) AT(q, "0", "object") "," AT(q, "1", "array")
#define FOUR(q)                                                                \
    AT(q, "0", "object")                                                       \
    "," AT(q, "2", "array") "," ISSUE(q, "custom", "", "and 2 more")
    assert_string_equal(
        ask(&w, BUILD("1", "{\"name\":\"a\",\"sizes\":[{},[]]}")),
        INVALID("1", TWO));
    assert_int_equal(reached(server).issues, 0);
    assert_string_equal(
        ask(&w, BUILD("2", "{\"name\":\"a\",\"sizes\":[{},1,[],{},null]}")),
        INVALID("2", FOUR));
#undef AT
#undef TWO
#undef FOUR
    assert_int_equal(reached(server).issues, 1);
    close_wire(&w);
    finish(server);
    /* More issues than the list has room for at first. */
    server = serve((struct zkt_limits){ .issues = 100 });
    w = open_slow(server);
    const char *answer = ask(
        &w, BUILD("1", "{\"name\":\"a\",\"sizes\":["
                       "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
                       "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]"
                       "]}"));
    int listed = 0;
    for (const char *at = answer; (at = strstr(at, "invalid_type")) != NULL;
         at++) {
        listed++;
    }
    assert_int_equal(listed, 2 * 36); /* in the text, and by themselves */
    assert_null(strstr(answer, "more"));
    close_wire(&w);
    finish(server);
}

#define THIN(id)                                                               \
    "{\"type\":\"rpc\",\"id\":\"" id "\",\"actor\":\"plain\",\"actorId\":"     \
    "\"x\",\"method\":\"thin\",\"input\":{\"len\":6}}"
#define PATCH(patches)                                                         \
    "{\"type\":\"state:patch\",\"actor\":\"plain\",\"actorId\":\"x\","         \
    "\"patches\":[" patches "]}\n"

static void test_pieces(void **state)
{
    (void)state;
    for (int64_t pieces = 4; pieces <= 8; pieces += 4) {
        struct zkt_server *server = serve(
            (struct zkt_limits){ .pieces = pieces });
        struct wire w = open_slow(server);
        (void)ask(&w, THIN("1"));
        (void)ask(&w, "{\"type\":\"state:sub\",\"actor\":\"plain\","
                      "\"actorId\":\"x\"}");
        assert_string_equal(
            ask(&w, THIN("2")),
            pieces == 4 ? PATCH("{\"op\":\"replace\",\"path\":\"/row\","
                                "\"value\":[0,2,4]}") DONE("2")
                        : PATCH("{\"op\":\"remove\",\"path\":\"/row/5\"},"
                                "{\"op\":\"remove\",\"path\":\"/row/3\"},"
                                "{\"op\":\"remove\",\"path\":\"/row/1\"}")
                              DONE("2"));
        assert_int_equal(reached(server).pieces, pieces == 4);
        close_wire(&w);
        finish(server);
    }
}

static void test_protocol_errors(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .protocol_errors = 2 });
    struct wire w = open_slow(server);
    (void)state;
    assert_non_null(strstr(ask(&w, "[]"), "INVALID_ARGUMENT"));
    assert_int_equal(reached(server).protocol_errors, 0);
    assert_string_equal(ask(&w, "[]"), "close 1008\n");
    assert_int_equal(reached(server).protocol_errors, 1);
    close_wire(&w);
    finish(server);
}

/* ---- a slow reader ---- */

/* A state of more than 4000 bytes, at instance x. */
static void grow(struct wire *w)
{
    char text[600];
    for (int i = 0; i < 19; i++) {
        snprintf(text, sizeof(text), MARK("1", "x", "%0200d"), i);
        assert_string_equal(ask(w, text), DONE("1"));
    }
}

static void test_a_snapshot_larger_than_the_queue(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .output_hard = 1000 });
    struct wire busy = open_slow(server), slow = open_slow(server);
    (void)state;
    grow(&busy);
    send_text(&slow, SUB("state:sub", "x"), false);
    assert_int_equal(zkt_endpoint_fate(slow.e), ZKT_FATE_OPEN);
    assert_true(zkt_endpoint_reading(slow.e));
    /* Another snapshot waits until the reader has taken this one. */
    send_text(&slow, SUB("state:sub", "x"), false);
    send_text(&slow, SUB("state:sub", "y"), false);
    assert_int_equal(reached(server).output_high, 2);
    drain(&slow);
    const char *first = strstr(slow.text + 4, "state:snapshot");
    assert_non_null(first);
    const char *all = said(&slow);
    size_t snapshots = 0;
    for (const char *at = all; (at = strstr(at, "state:snapshot")) != NULL;
         at++) {
        snapshots++;
    }
    assert_int_equal(snapshots, 3);
    assert_int_equal(reached(server).output_hard, 0);
    close_wire(&busy);
    close_wire(&slow);
    finish(server);
}

static void test_output_high(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .output_hard = 100000 });
    struct wire busy = open_slow(server), slow = open_slow(server);
    (void)state;
    send_text(&slow, SUB("state:sub", "x"), false);
    for (int i = 0; i < 100; i++) {
        (void)ask(&busy, ADD("1", "x", "1", ""));
    }
    assert_int_equal(reached(server).output_high, 1);
    assert_true(stats_of(server).patches < 10);
    assert_true(zkt_endpoint_reading(slow.e));
    const char *all = said(&slow);
    const char *last = strstr(all, "\"n\":100");
    assert_non_null(last);
    assert_string_equal(last, "\"n\":100,\"trail\":\"\"}}\n"); /* at the end */
    /* Results are not conflated: reading stops. */
    for (int i = 0; i < 20; i++) {
        send_text(&slow, ADD("1", "y", "1", ""), false);
    }
    assert_false(zkt_endpoint_reading(slow.e));
    assert_int_equal(reached(server).output_high, 2);
    for (int i = 0; i < 20; i++) {
        (void)said(&slow);
        turn(server); /* goes on with messages that have arrived */
    }
    assert_true(zkt_endpoint_reading(slow.e));
    close_wire(&busy);
    close_wire(&slow);
    finish(server);
}

#define LINE_FEEDS                                                             \
    "\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n"

static void test_cache_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .cache_bytes = 4000 });
    struct wire busy = open_slow(server);
    (void)state;
    assert_string_equal(ask(&busy, MARK("1", "x", "small")), DONE("1"));
    (void)ask(&busy, SUB("state:sub", "x"));
    assert_int_equal(reached(server).cache_bytes, 0);
    for (int i = 0; i < 20; i++) { /* each takes two bytes on the wire */
        (void)ask(&busy, MARK("1", "x", LINE_FEEDS LINE_FEEDS LINE_FEEDS));
    }
    for (int i = 0; i < 10; i++) {
        char text[600];
        snprintf(text, sizeof(text), MARK("1", "x", "%0200d"), i);
        (void)ask(&busy, text);
    }
    (void)ask(&busy, SUB("state:sub", "x"));
    assert_int_equal(reached(server).cache_bytes, 1);
    close_wire(&busy);
    finish(server);
}

/* A reader that takes its output may exceed the limit for a while. */
static void test_output_hard_ms(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .output_hard = 1000 });
    struct wire busy = open_slow(server);
    struct wire slow = open_slow(server), quick = open_slow(server);
    (void)state;
    send_text(&slow, SUB("event:sub", "x"), true);
    send_text(&quick, SUB("event:sub", "x"), true);
    for (int i = 0; i < 40; i++) {
        (void)ask(&busy, ADD("1", "x", "1", ""));
    }
    zkt_server_advance(server, 999);
    (void)said(&quick);
    assert_int_equal(zkt_endpoint_fate(slow.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(slow.e), ZKT_FATE_CLOSE);
    assert_int_equal(zkt_endpoint_fate(quick.e), ZKT_FATE_OPEN);
    assert_int_equal(reached(server).output_hard_ms, 1);
    assert_non_null(strstr(said(&slow), "close 1013\n"));
    close_wire(&busy);
    close_wire(&slow);
    close_wire(&quick);
    finish(server);
}

/* The time of output begins with output: to unsubscribe brings none. */
static void test_output_after_silence(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_stuck_ms = 1000 });
    struct wire w = open_slow(server);
    (void)state;
    (void)ask(&w, SUB("state:sub", "x"));
    (void)ask(&w, SUB("state:unsub", "x"));
    zkt_server_advance(server, 500);
    send_text(&w, ADD("1", "x", "1", ""), false);
    zkt_server_advance(server, 999);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).output_stuck_ms, 1);
    close_wire(&w);
    finish(server);
}

static void test_output_hard(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .output_hard = 1000 });
    struct wire busy = open_slow(server), slow = open_slow(server);
    int calls = 0;
    (void)state;
    send_text(&slow, SUB("event:sub", "x"), false);
    while (zkt_endpoint_fate(slow.e) == ZKT_FATE_OPEN && calls < 1000) {
        (void)ask(&busy, ADD("1", "x", "1", ""));
        calls++;
    }
    /* closed at sixteen times the limit */
    assert_true(calls > 10 && calls < 300);
    assert_int_equal(zkt_endpoint_fate(slow.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).output_hard, 1);
    assert_string_equal(said(&slow), "close 1013\n");
    close_wire(&busy);
    close_wire(&slow);
    finish(server);
}

static void test_output_stuck_ms(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_stuck_ms = 100, .progress_rate = 100 });
    struct wire w = open_slow(server);
    struct zkt_slice slice;
    (void)state;
    send_text(&w, SUB("state:sub", "x"), false);
    zkt_server_advance(server, 99);
    assert_int_equal(zkt_endpoint_pending(w.e, &slice, 1), 1);
    zkt_endpoint_sent(w.e, 10); /* just enough: its time begins anew */
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_endpoint_sent(w.e, 9);
    zkt_server_advance(server, 98);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(reached(server).output_stuck_ms, 1);
    assert_int_equal(reached(server).progress_rate, 1);
    /* The frame that has begun is finished, so that the peer can read the close
     * frame. */
    drain(&w);
    assert_memory_equal(w.text + w.len - 12,
                        "\x88\x0a\x03\xf5"
                        "too slow",
                        12);
    close_wire(&w);
    finish(server);
}

/* A client can cause a limited number of log lines per second; each event is a
 * single line. */
static void test_log_per_second(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .log_per_second = 2, .mutations = 1 });
    struct wire w = open_slow(server);
    (void)state;
    logged = 0;
    for (int i = 0; i < 5; i++) {
        (void)ask(&w, MARK("1", "x\\n", "change:2"));
    }
    assert_int_equal(logged, 2);
    assert_int_equal(reached(server).log_per_second, 3);
    assert_string_equal(
        logged_last, "job \"x\\x0a\": mark: more than 1 changes in one call");
    zkt_server_advance(server, 1000);
    (void)ask(&w, MARK("2", "y", "change:2"));
    /* the number of omitted lines, and the new line */
    assert_int_equal(logged, 4);
    close_wire(&w);
    finish(server);
}

/* ---- other threads ---- */

static void count_run(struct zkt_server *server, void *user)
{
    (void)server;
    (*(int *)user)++;
}

static void test_posted(void **state)
{
    int ran = 0;
    struct zkt_server *server = serve(
        (struct zkt_limits){ .posted = 7, .posted_per_turn = 3 });
    (void)state;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(zkt_server_post(server, count_run, &ran), ZKT_OK);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(zkt_server_post(server, count_run, &ran),
                         ZKT_RESOURCE_EXHAUSTED);
    }
    assert_int_equal(reached(server).posted, 2);
    turn(server);
    assert_int_equal(ran, 3);
    assert_int_equal(reached(server).posted_per_turn, 1);
    assert_int_equal(zkt_server_timeout(server), 0); /* more functions wait */
    assert_int_equal(zkt_server_post(server, count_run, &ran), ZKT_OK);
    turn(server);
    turn(server);
    assert_int_equal(ran, 8);
    assert_int_equal(zkt_server_timeout(server), -1);
    assert_int_equal(reached(server).posted_per_turn, 2);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(zkt_server_post(server, count_run, &ran), ZKT_OK);
    }
    const struct zkt_limit_counts counts = reached(server);
    total.posted += counts.posted;
    total.posted_per_turn += counts.posted_per_turn;
    zkt_server_free(server); /* runs all of them */
    assert_int_equal(ran, 15);
}

/* ---- time ---- */

static void test_time_jumps(void **state)
{
    struct zkt_server *server = serve((struct zkt_limits){ 0 });
    struct wire w = open_slow(server);
    (void)state;
    zkt_server_clock(server, 0, 0);
    zkt_server_clock(server, INT64_C(1) << 40, 5);
    zkt_server_tick(server);
    drain(&w);
    assert_memory_equal(w.text, "\x89\0", 2); /* asked first, not dropped */
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_clock(server, 7, 5); /* the clock goes back: time stands still */
    zkt_server_tick(server);
    assert_int_equal(zkt_server_timeout(server), 5000);
    w.len = 0;
    assert_string_equal(ask(&w, MARK("1", "x", "y")), DONE("1"));
    zkt_server_clock(server, INT64_MAX, INT64_MAX);
    zkt_server_tick(server);
    assert_string_equal(ask(&w, MARK("2", "x", "y")), DONE("2"));
    close_wire(&w);
    finish(server);
}

/* ---- work, memory, and other threads ---- */

/* Calls that arrive in a single piece are handled in several turns. */
static void test_turn_work(void **state)
{
    enum {
        CALLS = 30
    };
    struct zkt_server *server = serve((struct zkt_limits){ .turn_work = 9000 });
    struct wire w = open_slow(server), other = open_slow(server);
    char bytes[8192];
    size_t len = 0;
    int turns = 0;
    (void)state;
    for (int i = 0; i < CALLS; i++) {
        len += frame(bytes + len, ADD("1", "x", "1", ""));
    }
    w.e->ops->feed(w.e, (uint8_t *)bytes, len);
    assert_false(zkt_endpoint_reading(w.e));
    /* Another connection has its turn between two turns of the first. */
    turn(server);
    send_text(&other, ADD("2", "y", "1", ""), false);
    turn(server);
    assert_string_equal(said(&other), RESULT("2", "1"));
    assert_false(zkt_endpoint_reading(w.e));
    while (!zkt_endpoint_reading(w.e) && turns < CALLS) {
        assert_int_equal(zkt_server_timeout(server), 0);
        turn(server);
        turns++;
    }
    assert_true(turns > 2 && turns < CALLS);
    drain(&w);
    assert_true(holds(w.text, w.len, "\"result\":30"));
    assert_true(reached(server).turn_work > 2);
    close_wire(&w);
    close_wire(&other);
    finish(server);
}

/* Each thread has its share of a budget of the whole server. */
static void share_deferred_bytes(void)
{
    struct ran ran = { 0 };
    const struct zkt_limits limits = { .deferred_bytes = 1500 };
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct zkt_server *server = new_slow_shards(&limits, NULL, threads);
        zkt__server_run_shards(server, threads);
        struct wire w = open_slow(server);
        assert_string_equal(
            ask(&w, ADD("1", "c", "1", "later")),
            threads == 1 ? ""
                         : REFUSED("1",
                                   "too much memory is held by calls that have "
                                   "yet to finish",
                                   "RESOURCE_EXHAUSTED"));
        resume(0, &ran);
        turn(server);
        close_wire(&w);
        finish(server);
    }
}

static void test_deferred_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .deferred_bytes = 1 });
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_string_equal(
        ask(&w, ADD("1", "c", "1", "later")),
        REFUSED("1", "too much memory is held by calls that have yet to finish",
                "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).deferred_bytes, 1);
    assert_int_equal(stats_of(server).deferred, 0);
    resume(0, &ran);
    turn(server);
    assert_int_equal(ran.cancelled, 1);
    assert_string_equal(ask(&w, ADD("2", "c", "1", "")), RESULT("2", "1"));
    close_wire(&w);
    finish(server);
    share_deferred_bytes();
}

/* All mailboxes together have a limit as well. */
static void test_queued_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .queued_bytes = 280 });
    struct wire a = open_slow(server), b = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&a, ADD("1", "x", "1", "later"));
    (void)ask(&b, ADD("2", "y", "1", "later"));
    assert_string_equal(ask(&a, ADD("3", "x", "1", "")), "");
    assert_string_equal(ask(&b, ADD("4", "y", "1", "")),
                        REFUSED("4", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).queued_bytes, 1);
    resume(0, &ran);
    resume(1, &ran);
    turn(server);
    assert_string_equal(said(&a), RESULT("1", "1") RESULT("3", "2"));
    assert_string_equal(ask(&b, ADD("5", "y", "1", "")),
                        RESULT("2", "1") RESULT("5", "2"));
    close_wire(&a);
    close_wire(&b);
    finish(server);
}

/* A reply that exceeds the limit of output fails its call. */
static void test_output_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_bytes = 300 });
    struct wire w = open_slow(server);
    char text[600];
    (void)state;
    snprintf(text, sizeof(text), MARK("1", "x", "%0200d"), 0);
    assert_string_equal(ask(&w, text), DONE("1"));
    (void)ask(&w, SUB("state:sub", "x"));
    snprintf(text, sizeof(text), MARK("2", "x", "%0100d"), 0);
    assert_string_equal(ask(&w, text), REFUSED("2", "too large to be delivered",
                                               "RESOURCE_EXHAUSTED"));
    assert_int_equal(reached(server).output_bytes, 1);
    assert_non_null(strstr(ask(&w, ADD("3", "x", "1", "")), RESULT("3", "1")));
    close_wire(&w);
    finish(server);
}

/* Slow readers get their snapshots in turn. */
static void test_snapshot_bytes(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 300, .snapshot_bytes = 50 });
    struct wire busy = open_slow(server);
    struct wire slow[2] = { open_slow(server), open_slow(server) };
    (void)state;
    for (int i = 0; i < 2; i++) {
        (void)ask(&slow[i], SUB("state:sub", "x"));
    }
    for (int i = 0; i < 10; i++) {
        (void)ask(&busy, ADD("1", "x", "1", ""));
    }
    for (int i = 0; i < 2; i++) {
        struct zkt_slice slices[8];
        size_t len = 0;
        const size_t n = zkt_endpoint_pending(slow[i].e, slices, 8);
        for (size_t k = 0; k < n; k++) {
            len += slices[k].len;
        }
        zkt_endpoint_sent(slow[i].e, len);
        (void)zkt_endpoint_pending(slow[i].e, slices, 8);
    }
    assert_true(reached(server).snapshot_bytes > 0);
    assert_string_equal(said(&slow[1]), "");
    assert_int_not_equal(zkt_server_timeout(server), 0);
    assert_non_null(strstr(said(&slow[0]), "\"n\":10"));
    /* Sent bytes make room: the server has work at once. */
    assert_int_equal(zkt_server_timeout(server), 0);
    turn(server);
    assert_non_null(strstr(said(&slow[1]), "\"n\":10"));
    close_wire(&busy);
    close_wire(&slow[0]);
    close_wire(&slow[1]);
    finish(server);
}

/* Of those that do not read, the one that holds most goes, not who is last. */
static void hold_unsent(uint32_t threads)
{
    const struct zkt_limits limits = { .output_high = 500,
                                       .unsent_bytes = 3000 * threads };
    struct zkt_server *server = new_slow_shards(&limits, NULL, threads);
    struct zkt_server *last = zkt__server_shard(server, threads - 1);
    zkt__server_run_shards(server, threads);
    struct wire busy = open_slow(last), most = open_slow(last);
    struct wire less = open_slow(last), quick = open_slow(last);
    send_text(&most, SUB("event:sub", "x"), false);
    send_text(&quick, SUB("event:sub", "x"), false);
    for (int i = 0; i < 10; i++) {
        (void)ask(&busy, ADD("1", "x", "1", ""));
    }
    send_text(&less, SUB("event:sub", "x"), false);
    while (stats_of(last).unsent <= 3000) {
        assert_int_equal(zkt_endpoint_fate(most.e), ZKT_FATE_OPEN);
        (void)ask(&busy, ADD("1", "x", "1", ""));
        drain(&quick);
    }
    assert_int_equal(reached(last).unsent_bytes, 0);
    assert_int_equal(zkt_server_timeout(last), 0);
    turn(last);
    assert_int_equal(reached(last).unsent_bytes, 1);
    assert_int_equal(zkt_endpoint_fate(most.e), ZKT_FATE_CLOSE);
    assert_int_equal(zkt_endpoint_fate(less.e), ZKT_FATE_OPEN);
    assert_int_equal(zkt_endpoint_fate(quick.e), ZKT_FATE_OPEN);
    assert_true(stats_of(last).unsent > 500);
    assert_true(stats_of(last).unsent < 2000);
    assert_non_null(strstr(said(&most), "close 1013\n"));
    drain(&less);
    assert_int_equal(stats_of(last).unsent, 0);
    close_wire(&busy);
    close_wire(&most);
    close_wire(&less);
    close_wire(&quick);
    finish(server);
}

/* What is taken before the next turn harms nobody. */
static void take_unsent_in_time(void)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .unsent_bytes = 3000 });
    struct wire w = open_slow(server);
    send_text(&w, SUB("event:sub", "x"), true);
    for (int i = 0; i < 3; i++) {
        send_text(&w, MARK("1", "x", "emit:100"), false);
        assert_true(stats_of(server).unsent > 3000);
        drain(&w);
        assert_int_equal(stats_of(server).unsent, 0);
    }
    turn(server);
    assert_int_equal(reached(server).unsent_bytes, 0);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    /* What goes with its connection is counted no longer. */
    send_text(&w, MARK("1", "x", "emit:100"), false);
    close_wire(&w);
    turn(server);
    assert_int_equal(stats_of(server).unsent, 0);
    finish(server);
}

static void test_unsent_bytes(void **state)
{
    (void)state;
    hold_unsent(1);
    hold_unsent(2);
    take_unsent_in_time();
}

/* A connection is not read while it exceeds the room of the channel to another
 * thread. */
static void send_across(struct zkt_limits limits)
{
    struct zkt_server *server = new_slow_shards(&limits, NULL, 2);
    struct zkt_server *other = zkt__server_shard(server, 1);
    zkt__server_run_shards(server, 2);
    struct wire a = open_slow(server), b = open_slow(other);
    assert_string_equal(ask(&a, ADD("1", "x", "1", "")), RESULT("1", "1"));
    for (int i = 0; i < 8 && zkt_endpoint_reading(b.e); i++) {
        send_text(&b, ADD("2", "x", "1", ""), true);
    }
    assert_false(zkt_endpoint_reading(b.e));
    send_text(&b, ADD("3", "x", "1", ""), true); /* waits */
    for (int i = 0; i < 8; i++) {
        turn(i % 2 == 0 ? server : other);
        drain(&b);
    }
    assert_true(zkt_endpoint_reading(b.e));
    assert_true(holds(b.text, b.len, "\"id\":\"3\",\"result\":"));
    close_wire(&a);
    close_wire(&b);
    finish(server);
}

static void test_channel_messages(void **state)
{
    (void)state;
    send_across((struct zkt_limits){ .channel_messages = 3 });
}

static void test_channel_bytes(void **state)
{
    (void)state;
    send_across((struct zkt_limits){ .channel_bytes = 600 });
}

/* ---- completeness ---- */

/* Limits that other tests reach, with servers that can; each reads the counter
 * in the text of the metrics, by limit_hits.h. */
static const struct {
    const char *limit, *file;
} elsewhere[] = {
    { "accepts_per_turn", "sockets_test.c" },
    { "asking_bytes", "ask_test.c" },
    { "buckets", "rates_test.c" },
    { "connection_bytes", "gate_test.c" },
    { "drain_delay_ms", "stop_test.c" },
    { "held_bytes", "on_request_test.c" },
    { "held_requests", "on_request_test.c" },
    { "http_ms", "on_request_test.c" },
    { "open_calls", "interleave_test.c" },
    { "outside_bytes", "outside_test.c" },
    { "outside_messages", "outside_test.c" },
    { "static_files", "static_files_test.c" },
    { "stream_bytes", "stream_test.c" },
    { "tell_bytes", "ask_test.c" },
    { "tells", "ask_test.c" },
    { "timers", "timers_test.c" },
    { "topics", "connection_data_test.c" },
};

/* Returns true if a line of the file has the limit as the argument of a
 * function of limit_hits.h. */
static bool asserts(const char *file, const char *limit)
{
    char path[512], line[512], argument[64];
    bool found = false;
    snprintf(path, sizeof(path), "%s/%s", getenv("UNIT_TESTS"), file);
    snprintf(argument, sizeof(argument), "server, \"%s\"", limit);
    FILE *source = fopen(path, "r");
    assert_non_null(source);
    while (!found && fgets(line, sizeof(line), source) != NULL) {
        const char *call = strstr(line, "limit_hits");
        found = call != NULL && strstr(call, argument) != NULL;
    }
    fclose(source);
    return found;
}

static bool is_reached_elsewhere(const char *limit)
{
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        if (strcmp(elsewhere[i].limit, limit) == 0) {
            return asserts(elsewhere[i].file, limit);
        }
    }
    return false;
}

static void test_no_limit_is_forgotten(void **state)
{
    (void)state;
#define X(name, value, text)                                                   \
    if (total.name == 0 && !is_reached_elsewhere(#name)) {                     \
        fail_msg("no test reaches %s", #name);                                 \
    }
    ZKT_LIMITS_TABLE(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_bytes),
        cmocka_unit_test(test_message_ms),
        cmocka_unit_test(test_gathered_bytes),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_head_bytes),
        cmocka_unit_test(test_handshake_ms),
        cmocka_unit_test(test_body_bytes),
        cmocka_unit_test(test_body_ms),
        cmocka_unit_test(test_http_idle_ms),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_silence_while_not_read),
        cmocka_unit_test(test_close_ms),
        cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_half_open_without_an_address),
        cmocka_unit_test(test_half_open_on_the_way),
        cmocka_unit_test(test_accepts_per_second),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_probes_of_a_full_server),
        cmocka_unit_test(test_surplus_connections_that_wait),
        cmocka_unit_test(test_surplus_connections_take_no_place),
        cmocka_unit_test(test_a_refused_connection_that_lingers),
        cmocka_unit_test(test_per_address),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_addresses_without_memory),
        cmocka_unit_test(test_read_per_turn),
        cmocka_unit_test(test_leaves_per_turn),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_instances_per_address),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_mailbox_bytes),
        cmocka_unit_test(test_handler_ms),
        cmocka_unit_test(test_idle_ms),
        cmocka_unit_test(test_mutations_and_events),
        cmocka_unit_test(test_json_depth),
        cmocka_unit_test(test_call_bytes),
        cmocka_unit_test(test_issues),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_a_snapshot_larger_than_the_queue),
        cmocka_unit_test(test_output_high),
        cmocka_unit_test(test_output_hard),
        cmocka_unit_test(test_output_after_silence),
        cmocka_unit_test(test_output_hard_ms),
        cmocka_unit_test(test_cache_bytes),
        cmocka_unit_test(test_output_stuck_ms),
        cmocka_unit_test(test_log_per_second),
        cmocka_unit_test(test_posted),
        cmocka_unit_test(test_time_jumps),
        cmocka_unit_test(test_turn_work),
        cmocka_unit_test(test_deferred_bytes),
        cmocka_unit_test(test_queued_bytes),
        cmocka_unit_test(test_output_bytes),
        cmocka_unit_test(test_snapshot_bytes),
        cmocka_unit_test(test_unsent_bytes),
        cmocka_unit_test(test_channel_messages),
        cmocka_unit_test(test_channel_bytes),
        cmocka_unit_test(test_no_limit_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
