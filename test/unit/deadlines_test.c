/*
 * Everything that begins has to end: server/deadlines.def, row by row. A test
 * of each row begins it and waits: it ends at its deadline and not before.
 * Another sends a byte at a time: it ends at the same moment. Rows that
 * progress extends last while progress is made. A row without functions here
 * does not compile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"
#include "zocket/http.h"

enum extended {
    FIXED,
    RATE,
    HEARD
};

enum {
    TIME = 10000,  /* the limit of the tested row */
    RATE_MIN = 100 /* bytes per second */
};

struct world {
    struct zkt_server *server;
    struct wire w;
    size_t at; /* the offset of the next byte */
    struct ran ran;
};

/* ---- each row: its beginning, a byte of it, and its end ---- */

static const char close_frame[] = "\x88\x82\1\2\3\4\x02\xea"; /* 1000 */

static void enter(struct world *t)
{
    feed(&t->w, request, sizeof(request) - 1, sizeof(request), true);
    t->w.len = 0;
}

static void drip(struct world *t, char byte)
{
    feed(&t->w, &byte, 1, 1, false);
}

static bool is_dropped(struct world *t)
{
    return zkt_endpoint_fate(t->w.e) == ZKT_FATE_DROP;
}

static bool is_told(struct world *t)
{
    return zkt_endpoint_fate(t->w.e) == ZKT_FATE_CLOSE &&
           strstr(said(&t->w), "close 1013\n") != NULL;
}

static void begin_HANDSHAKE(struct world *t)
{
    feed(&t->w, request, 40, 40, true);
}

static void drip_HANDSHAKE(struct world *t)
{
    drip(t, request[40 + t->at++]);
}

static bool is_over_HANDSHAKE(struct world *t)
{
    return is_dropped(t);
}

static void begin_BODY(struct world *t)
{
    static const char head[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 100000\r\n\r\n";
    feed(&t->w, head, sizeof(head) - 1, sizeof(head), true);
}

static void drip_BODY(struct world *t)
{
    drip(t, 'x');
}

static bool is_over_BODY(struct world *t)
{
    drain(&t->w);
    return zkt_endpoint_fate(t->w.e) == ZKT_FATE_CLOSE &&
           holds(t->w.text, t->w.len, "HTTP/1.1 408 Request Timeout\r\n");
}

static struct zkt_http *kept; /* by the program */

static void keep(struct zkt_http *http, void *user)
{
    (void)user;
    zkt_http_keep(http);
    kept = http;
}

static void begin_REQUEST(struct world *t)
{
    static const char whole[] = "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n";
    t->server->options.on_request = keep;
    zkt__on_request_init(t->server);
    feed(&t->w, whole, sizeof(whole) - 1, sizeof(whole), true);
}

#define drip_REQUEST ignore

static bool is_over_REQUEST(struct world *t)
{
    drain(&t->w);
    return t->w.len > 0 && holds(t->w.text, t->w.len, "HTTP/1.1 504 ");
}

static void begin_HTTP_IDLE(struct world *t)
{
    static const char whole[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    feed(&t->w, whole, sizeof(whole) - 1, sizeof(whole), true);
}

/* Empty lines before a request are none of it. */
static void drip_HTTP_IDLE(struct world *t)
{
    drip(t, "\r\n"[t->at++ % 2]);
}

static bool is_over_HTTP_IDLE(struct world *t)
{
    return zkt_endpoint_fate(t->w.e) == ZKT_FATE_CLOSE;
}

static void begin_MESSAGE(struct world *t)
{
    enter(t);
    feed(&t->w, "\x81\xff\0\0\0\0\0\x0f\xff\xff\0\0\0\0", 14, 14, true);
}

static void drip_MESSAGE(struct world *t)
{
    drip(t, 'x');
}

static bool is_over_MESSAGE(struct world *t)
{
    return is_told(t);
}

static void begin_OUTPUT(struct world *t)
{
    enter(t);
    for (int i = 0; i < 100; i++) {
        send_text(&t->w, MARK("1", "x", ""), false);
    }
}

static void drip_OUTPUT(struct world *t)
{
    struct zkt_slice slice;
    assert_int_equal(zkt_endpoint_pending(t->w.e, &slice, 1), 1);
    zkt_endpoint_sent(t->w.e, 1);
}

static bool is_over_OUTPUT(struct world *t)
{
    return zkt_endpoint_fate(t->w.e) == ZKT_FATE_CLOSE &&
           stats_of(t->server).limit_hits.output_stuck_ms == 1;
}

/* Events exceed the limit of output, though the peer reads some of it. */
static void begin_EXCESS(struct world *t)
{
    struct wire busy = open_wire(t->server);
    enter(t);
    send_text(&t->w, SUB("event:sub", "x"), true);
    for (int i = 0; i < 40; i++) {
        send_text(&busy, ADD("1", "x", "1", ""), true);
    }
    close_wire(&busy);
}

#define drip_EXCESS drip_OUTPUT

static bool is_over_EXCESS(struct world *t)
{
    return zkt_endpoint_fate(t->w.e) == ZKT_FATE_CLOSE &&
           stats_of(t->server).limit_hits.output_hard_ms == 1;
}

static void begin_SILENCE(struct world *t)
{
    enter(t);
}

static void drip_SILENCE(struct world *t)
{
    drip(t, "\x8a\x80\0\0\0\0"[t->at++ % 6]);
}

static bool is_over_SILENCE(struct world *t)
{
    drain(&t->w);
    return holds(t->w.text, t->w.len, "\x89");
}

static void begin_PONG(struct world *t)
{
    enter(t);
    zkt_server_advance(t->server, 30000);
}

static void drip_PONG(struct world *t)
{
    drip_SILENCE(t);
}

static bool is_over_PONG(struct world *t)
{
    return is_dropped(t);
}

static void begin_CLOSING(struct world *t)
{
    enter(t);
    feed(&t->w, "\x82\x80\0\0\0\0", 6, 6, true); /* binary: 1003 */
}

/* The peer ignores the close and reads nothing. */
static void drip_CLOSING(struct world *t)
{
    drip(t, close_frame[t->at++ % 7]);
}

static bool is_over_CLOSING(struct world *t)
{
    return is_dropped(t);
}

static void ignore(struct world *t)
{
    (void)t;
}

static void begin_CALL(struct world *t)
{
    enter(t);
    (void)ask(&t->w, ADD("1", "x", "1", "later"));
}

#define drip_CALL ignore

static bool is_over_CALL(struct world *t)
{
    return strstr(said(&t->w), "DEADLINE_EXCEEDED") != NULL;
}

static void begin_INSTANCE(struct world *t)
{
    enter(t);
    (void)ask(&t->w, ADD("1", "x", "1", ""));
    t->w.e->ops->detach(t->w.e);
    t->w.e = NULL;
    turn(t->server);
}

#define drip_INSTANCE ignore

static bool is_over_INSTANCE(struct world *t)
{
    return stats_of(t->server).instances == 0;
}

static void begin_DRAINING(struct world *t)
{
    begin_CALL(t);
    zkt_server_shutdown(t->server);
}

#define drip_DRAINING ignore

static bool is_over_DRAINING(struct world *t)
{
    return strstr(said(&t->w), "UNAVAILABLE") != NULL;
}

/* ---- the table ---- */

static const struct row {
    const char *name;
    size_t limit, bound; /* offsets in struct zkt_limits */
    enum extended extended;
    void (*begin)(struct world *t);
    void (*drip)(struct world *t);
    bool (*is_over)(struct world *t);
} rows[] = {
#define ROW(name, limit, extended, bounded, end)                               \
    { #name,                                                                   \
      offsetof(struct zkt_limits, limit),                                      \
      offsetof(struct zkt_limits, bounded),                                    \
      extended,                                                                \
      begin_##name,                                                            \
      drip_##name,                                                             \
      is_over_##name },
#define CONNECTION ROW
#define OTHER      ROW
#include "server/deadlines.def"
};

enum {
    ROWS = sizeof(rows) / sizeof(rows[0])
};

/* Keeps all other time limits out of reach. */
static struct zkt_limits limits_for(const struct row *row)
{
    struct zkt_limits limits = {
        .handshake_ms = 100 * TIME,
        .body_ms = 100 * TIME,
        .http_ms = 100 * TIME,
        .http_idle_ms = 100 * TIME,
        .message_ms = 100 * TIME,
        .output_stuck_ms = 100 * TIME,
        .output_hard = 1000,
        .output_hard_ms = 100 * TIME,
        .ping_after_ms = row->begin == begin_PONG ? 30000 : 100 * TIME,
        .pong_within_ms = 100 * TIME,
        .close_ms = 100 * TIME,
        .handler_ms = 100 * TIME,
        .drain_ms = 100 * TIME,
        .progress_rate = RATE_MIN,
    };
    const int64_t time = TIME;
    memcpy((char *)&limits + row->limit, &time, sizeof(time));
    return limits;
}

static void begin(struct world *t, const struct row *row)
{
    const struct zkt_limits limits = limits_for(row);
    *t = (struct world){ .server = new_slow_server(&limits, NULL) };
    t->w.e = zkt__server_accept(t->server, "test");
    row->begin(t);
    assert_false(row->is_over(t));
}

static void end(struct world *t)
{
    if (t->w.e != NULL) {
        t->w.e->ops->detach(t->w.e);
    }
    zkt_server_free(t->server);
    while (held_count > 0) {
        resume(--held_count, &t->ran);
    }
    if (kept != NULL) {
        zkt_http_next(kept);
        kept = NULL;
    }
    free(t->w.text);
}

static void test_rows_end_at_their_deadline(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct world t;
        print_message("# %s\n", rows[i].name);
        begin(&t, &rows[i]);
        /* the server wakes */
        assert_true(zkt_server_timeout(t.server) <= TIME);
        zkt_server_advance(t.server, TIME - 1);
        assert_false(rows[i].is_over(&t));
        zkt_server_advance(t.server, 1);
        assert_true(rows[i].is_over(&t));
        end(&t);
    }
}

static void test_single_bytes_do_not_extend_a_deadline(void **state)
{
    enum {
        DRIPS = 20
    };
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct world t;
        if (rows[i].extended == HEARD) {
            continue;
        }
        print_message("# %s\n", rows[i].name);
        begin(&t, &rows[i]);
        for (int k = 1; k < DRIPS; k++) {
            zkt_server_advance(t.server, TIME / DRIPS);
            rows[i].drip(&t);
            assert_false(rows[i].is_over(&t));
        }
        zkt_server_advance(t.server, TIME / DRIPS - 1);
        assert_false(rows[i].is_over(&t));
        zkt_server_advance(t.server, 1);
        assert_true(rows[i].is_over(&t));
        end(&t);
    }
}

/* Makes a tenth more than the progress of a second. */
static void progress(struct world *t, const struct row *row)
{
    for (int k = 0; k < RATE_MIN + RATE_MIN / 10; k++) {
        row->drip(t);
    }
}

/* Progress at the required rate for twice the limit; then none. */
static void test_progress(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct world t;
        if (rows[i].extended != RATE) {
            continue;
        }
        print_message("# %s\n", rows[i].name);
        begin(&t, &rows[i]);
        for (int second = 0; second < 2 * TIME / 1000; second++) {
            progress(&t, &rows[i]);
            zkt_server_advance(t.server, 1000);
            assert_false(rows[i].is_over(&t));
        }
        zkt_server_advance(t.server, TIME - 1000);
        assert_true(rows[i].is_over(&t));
        end(&t);
    }
}

/* Far more at once than progress is, and then single bytes: what came at once
 * keeps it alive for its time and no longer. */
static void test_a_burst_and_drips(void **state)
{
    enum {
        DRIPS = 20,
        BURST = 2 /* windows */
    };
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct world t;
        if (rows[i].extended != RATE) {
            continue;
        }
        print_message("# %s\n", rows[i].name);
        begin(&t, &rows[i]);
        zkt_server_advance(t.server, TIME / 2);
        for (int second = 0; second < BURST * TIME / 1000; second++) {
            progress(&t, &rows[i]);
        }
        for (int k = 1; k < DRIPS; k++) {
            zkt_server_advance(t.server, TIME / DRIPS);
            rows[i].drip(&t);
            assert_false(rows[i].is_over(&t));
        }
        zkt_server_advance(t.server, TIME / DRIPS - 1);
        assert_false(rows[i].is_over(&t));
        zkt_server_advance(t.server, 1);
        assert_true(rows[i].is_over(&t));
        end(&t);
    }
}

/* ---- half a message, and pings ---- */

/* A message that arrives slowly is interrupted by a ping; the peer has time for
 * the pong after the frame that it is sending. */
static void test_a_ping_amid_a_message(void **state)
{
    const struct zkt_limits limits = { .ping_after_ms = 1000,
                                       .pong_within_ms = 500,
                                       .progress_rate = 1 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire w = open_slow(server);
    (void)state;
    feed(&w, "\x81\xff\0\0\0\0\0\x0f\xff\xff\0\0\0\0", 14, 14, true);
    for (int i = 1; i <= 40; i++) {
        zkt_server_advance(server, 100);
        feed(&w, "x", 1, 1, true);
        /* a single ping, at its deadline */
        assert_int_equal(w.len, i < 10 ? 0 : 2);
    }
    assert_memory_equal(w.text, "\x89\0", 2);
    zkt_server_advance(server, 499);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    close_wire(&w);
    zkt_server_free(server);
}

/* Whole frames that never end at the end of a read are not an endless
 * message. */
static void test_frames_across_reads(void **state)
{
    static const char frames[] = "\x89\x80\0\0\0\0"; /* pings */
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    (void)state;
    feed(&w, frames, 3, 3, true);
    for (int i = 0; i < 30; i++) {
        zkt_server_advance(server, 1000);
        char bytes[6];
        memcpy(bytes, frames + 3, 3);
        memcpy(bytes + 3, frames, 3);
        feed(&w, bytes, 6, 6, true);
    }
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    assert_int_equal(stats_of(server).limit_hits.message_ms, 0);
    close_wire(&w);
    zkt_server_free(server);
}

/* The server has stopped reading: the message gets its full time when reading
 * resumes. */
static void test_a_message_that_is_not_read(void **state)
{
    const struct zkt_limits limits = { .output_high = 100,
                                       .output_stuck_ms = 50000,
                                       .message_ms = 1000 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire w = open_slow(server);
    (void)state;
    for (int i = 0; i < 4; i++) {
        send_text(&w, MARK("1", "x", ""), false);
    }
    assert_false(zkt_endpoint_reading(w.e));
    feed(&w, "\x81\xfe\x03\xe8\0\0\0\0", 8, 8, false);
    zkt_server_advance(server, 5500);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    drain(&w);
    turn(server); /* goes on with messages that have arrived */
    assert_true(zkt_endpoint_reading(w.e));
    zkt_server_advance(server, 999);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1);
    zkt_server_advance(server, 1000);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_end_at_their_deadline),
        cmocka_unit_test(test_single_bytes_do_not_extend_a_deadline),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_a_burst_and_drips),
        cmocka_unit_test(test_a_ping_amid_a_message),
        cmocka_unit_test(test_frames_across_reads),
        cmocka_unit_test(test_a_message_that_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
