/*
 * The metrics of a server: the text is read back by a reader of its own that
 * holds it against the format, every series moves in some scenario, and nothing
 * that a peer sends becomes a label. The route serves it on the listener of
 * metrics, which serves nothing else, and with a token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "meter.h"
#include "server/metrics.h"
#include "session/compression.h"
#include "shard/metrics.h"

/* ---- reading the text ---- */

enum {
    FAMILIES_MAX = 128,
    SERIES_MAX = 1024,
    REASONS_MAX = 64
};

struct series {
    char name[256]; /* with its labels */
    double value;
};

/* The text of one scrape. */
static struct {
    char *text;
    size_t len;
    char families[FAMILIES_MAX][64];
    size_t family_count;
    struct series series[SERIES_MAX];
    size_t series_count;
} scraped;

/* Families that had a value in a test, by the numbers of scraped.families, and
 * series of a reason. */
static bool moved[FAMILIES_MAX];
static struct {
    char names[REASONS_MAX][256];
    size_t count;
} moved_reasons;

static void take_text(void *user, const char *text, size_t len)
{
    (void)user;
    scraped.text = realloc(scraped.text, scraped.len + len + 1);
    memcpy(scraped.text + scraped.len, text, len);
    scraped.len += len;
    scraped.text[scraped.len] = '\0';
}

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS  "0123456789"

/* Reads `{key="value",…}`; checks the keys. */
static const char *read_labels(const char *at)
{
    static const char *const keys[] = { "actor",  "method", "code",
                                        "reason", "thread", "le" };
    assert_int_equal(*at, '{');
    do {
        const char *key = ++at;
        at += strspn(at, LETTERS);
        bool known = false;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            known = known || (strlen(keys[i]) == (size_t)(at - key) &&
                              strncmp(keys[i], key, strlen(keys[i])) == 0);
        }
        assert_true(known);
        assert_int_equal(strncmp(at, "=\"", 2), 0);
        for (at += 2; *at != '"'; at++) {
            assert_true((unsigned char)*at >= ' ');
            at += *at == '\\';
        }
        at++;
    } while (*at == ',');
    assert_int_equal(*at, '}');
    return at + 1;
}

static bool has_moved(const char *series)
{
    for (size_t i = 0; i < moved_reasons.count; i++) {
        if (strcmp(moved_reasons.names[i], series) == 0) {
            return true;
        }
    }
    return false;
}

static void note_move(const struct series *series)
{
    moved[scraped.family_count - 1] = true;
    if (strstr(series->name, "{reason=") != NULL && !has_moved(series->name)) {
        assert_true(moved_reasons.count < REASONS_MAX);
        snprintf(moved_reasons.names[moved_reasons.count++], 256, "%s",
                 series->name);
    }
}

/* Reads a sample of the family that is last. */
static void read_sample(const char *line)
{
    const char *family = scraped.families[scraped.family_count - 1];
    const size_t len = strlen(family);
    const char *at = line + strspn(line, LETTERS DIGITS ":");
    char *end;
    assert_int_equal(strncmp(line, family, len), 0);
    assert_true(is_in(line[len], "{ _"));
    if (*at == '{') {
        at = read_labels(at);
    }
    assert_int_equal(*at, ' ');
    struct series *s = &scraped.series[scraped.series_count];
    assert_true(scraped.series_count < SERIES_MAX);
    assert_true((size_t)(at - line) < sizeof(s->name));
    snprintf(s->name, sizeof(s->name), "%.*s", (int)(at - line), line);
    s->value = strtod(at + 1, &end);
    assert_int_equal(*end, '\0');
    for (size_t i = 0; i < scraped.series_count; i++) {
        assert_string_not_equal(scraped.series[i].name, s->name);
    }
    scraped.series_count++;
    if (s->value != 0) {
        note_move(s);
    }
}

/* Reads `# HELP name text`, with `# TYPE name type` behind it. */
static char *read_head(char *line, char *next)
{
    char name[64], type[16], again[64];
    assert_int_equal(sscanf(line, "# HELP %63s", name), 1);
    assert_true(strlen(line) > strlen("# HELP  ") + strlen(name));
    char *end = strchr(next, '\n');
    assert_non_null(end);
    *end = '\0';
    assert_int_equal(sscanf(next, "# TYPE %63s %15s", again, type), 2);
    assert_string_equal(again, name);
    const size_t len = strlen(name);
    const bool total = len > 6 && strcmp(name + len - 6, "_total") == 0;
    assert_int_equal(total, strcmp(type, "counter") == 0);
    for (size_t i = 0; i < scraped.family_count; i++) {
        assert_string_not_equal(scraped.families[i], name);
    }
    assert_true(scraped.family_count < FAMILIES_MAX);
    snprintf(scraped.families[scraped.family_count++], 64, "%s", name);
    return end + 1;
}

static void read_back(void)
{
    char *copy = malloc(scraped.len + 1);
    memcpy(copy, scraped.text, scraped.len + 1);
    scraped.family_count = scraped.series_count = 0;
    for (char *line = copy, *end; *line != '\0'; line = end) {
        end = strchr(line, '\n');
        assert_non_null(end);
        *end++ = '\0';
        if (line[0] == '#') {
            end = read_head(line, end);
        } else {
            read_sample(line);
        }
    }
    free(copy);
}

/* Reads the metrics of a server. */
static void scrape(struct zkt_server *server)
{
    scraped.len = 0;
    assert_int_equal(zkt_server_metrics(server, take_text, NULL), ZKT_OK);
    read_back();
}

/* Returns the value of a series, or -1. */
static double value_of(const char *name)
{
    for (size_t i = 0; i < scraped.series_count; i++) {
        if (strcmp(scraped.series[i].name, name) == 0) {
            return scraped.series[i].value;
        }
    }
    return -1;
}

static void assert_value(struct zkt_server *server, const char *name,
                         double value)
{
    scrape(server);
    if (value_of(name) != value) {
        print_error("%s is %g, not %g\n", name, value_of(name), value);
        fail();
    }
}

/* ---- calls ---- */

#define CALLS "zocket_calls_total{actor=\"gauge\",method="
#define TIMES(kind)                                                            \
    "zocket_" kind "_duration_seconds_bucket{actor=\"gauge\",method=\"bump\"," \
    "le="

static void test_calls(void **state)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics = true });
    struct wire w = open_wire(server);
    (void)state;
    assert_value(server, CALLS "\"bump\",code=\"OK\"}", 0);
    assert_value(server, CALLS "\"bump\",code=\"INVALID_ARGUMENT\"}", -1);
    script.takes_ns = 3 * MS;
    say(&w, "gauge", "bump", ",\"input\":{\"by\":1}");
    say(&w, "gauge", "bump", ",\"input\":{\"by\":1}");
    say(&w, "gauge", "bump", ",\"input\":{\"by\":10}");
    say(&w, "gauge", "lose", "");
    say(&w, "gauge", "none", "");
    say(&w, "gauge", "\\\"}\\n#", "");
    say(&w, "no\\\"{}\\n", "none", "");
    scrape(server);
    assert_true(value_of(CALLS "\"bump\",code=\"OK\"}") == 2);
    assert_true(value_of(CALLS "\"bump\",code=\"INVALID_ARGUMENT\"}") == 1);
    assert_true(value_of(CALLS "\"lose\",code=\"OK\"}") == 0);
    assert_true(value_of(CALLS "\"lose\",code=\"NOT_FOUND\"}") == 1);
    assert_true(value_of(CALLS "\"other\",code=\"UNIMPLEMENTED\"}") == 2);
    assert_true(value_of("zocket_calls_total{actor=\"other\",method=\"other\","
                         "code=\"NOT_FOUND\"}") == 1);
    assert_true(value_of(TIMES("call") "\"0.0025\"}") == 1); /* refused */
    assert_true(value_of(TIMES("call") "\"0.005\"}") == 3);
    assert_true(value_of(TIMES("call") "\"+Inf\"}") == 3);
    assert_true(value_of(TIMES("handler") "\"0.0025\"}") == 0);
    assert_true(value_of(TIMES("handler") "\"+Inf\"}") == 2);
    assert_true(value_of("zocket_handler_duration_seconds_sum{actor=\"gauge\","
                         "method=\"bump\"}") == 0.006);
    assert_true(value_of("zocket_handler_duration_seconds_count{actor="
                         "\"gauge\",method=\"bump\"}") == 2);
    close_wire(&w);
    zkt_server_free(server);
}

/* ---- every series ---- */

#define UPGRADE                                                                \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                            \
    "Sec-WebSocket-Version: 13\r\n"                                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void send_head(struct wire *w, const char *text)
{
    feed(w, text, strlen(text), 4096, true);
}

static struct wire open_with(struct zkt_server *server, const char *fields)
{
    char head[512];
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\n%s" UPGRADE, fields);
    send_head(&w, head);
    return w;
}

#define SUB(kind)                                                              \
    "{\"type\":\"" kind "\",\"actor\":\"gauge\",\"actorId\":\"a\"}"
#define OF(name) "zocket_" name "{actor=\"gauge\"}"

static enum zkt_status start_once(struct meter_gauge_call *call, void *user)
{
    meter_gauge_start_once(call, 5,
                           (const struct meter_gauge_once_timer *)user);
    return ZKT_OK;
}

/* Calls in all their ways; instances, timers, asks and tells. */
static void move_calls(void)
{
    struct zkt_server *server = new_meter(&(const struct zkt_serve_options){
        .metrics = true, .limits = { .idle_ms = 1000 } });
    struct wire w = open_wire(server), v = open_wire(server);
    char bytes[256];
    script.takes_ns = 1 * MS;
    say(&w, "gauge", "bump", ",\"input\":{\"by\":1}");
    say(&w, "gauge", "wait", "");
    say(&w, "gauge", "lose", "");
    assert_value(server, "zocket_deferred_calls", 1);
    assert_value(server, "zocket_mailbox_messages", 1);
    assert_true(value_of("zocket_mailbox_bytes") > 0);
    assert_true(value_of("zocket_deferred_bytes") > 0);
    assert_true(value_of(OF("instances")) == 1);
    assert_true(value_of(OF("contacts")) == 1);
    send_text(&w, "{\"type\":\"rpc:cancel\",\"id\":\"wait\"}", true);
    meter_gauge_resume_wait(script.wait, after, NULL);
    say(&w, "gauge", "brief", "");
    turn(server, 50);
    meter_gauge_resume_brief(script.brief, after, NULL);
    const size_t len = frame(bytes, "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":"
                                    "\"gauge\",\"actorId\":\"a\",\"method\":"
                                    "\"pass\",\"input\":{\"to\":\"b\"}}");
    w.e->ops->feed(w.e, (uint8_t *)bytes, len); /* it asks in the next turn */
    scrape(server);
    assert_true(value_of("zocket_asking_bytes") > 0);
    for (int i = 0; i < 4; i++) {
        turn(server, 0);
    }
    script.connects = ZKT_PERMISSION_DENIED;
    say(&v, "gauge", "bump", ",\"input\":{\"by\":1}");
    const struct meter_gauge_once_timer once_in = { true };
    assert_int_equal(
        meter_gauge_run(server, ZKT_STR("t"), start_once, (void *)&once_in),
        ZKT_OK);
    turn(server, 0);
    assert_value(server, "zocket_timers", 1);
    turn(server, 5);
    assert_value(
        server, "zocket_timer_runs_total{actor=\"gauge\",code=\"ABORTED\"}", 1);
    close_wire(&w);
    close_wire(&v);
    turn(server, 0);
    turn(server, 2000);
    turn(server, 2000);
    assert_value(server, OF("instances"), 0);
    assert_true(value_of(OF("contacts")) == 0);
    assert_true(value_of("zocket_evictions_total") >= 1);
    assert_true(value_of("zocket_tell_failures_total") == 1);
    zkt_server_free(server);
}

/* Takes what is pending, piece by piece, and scrapes at each. Returns the most
 * that the gauge had. */
static double drain_slowly(struct zkt_server *server, struct wire *w,
                           const char *gauge)
{
    struct zkt_slice slice;
    double most = 0;
    while (w->e->ops->pending(w->e, &slice, 1) > 0) {
        scrape(server);
        most = value_of(gauge) > most ? value_of(gauge) : most;
        w->e->ops->sent(w->e, slice.len);
        turn(server, 0);
    }
    return most;
}

/* Subscribers, fast, slow and with compression. */
static void move_output(void)
{
    const bool deflates = zkt__deflate_is_built();
    struct zkt_server *server = new_meter(&(const struct zkt_serve_options){
        .metrics = true,
        .deflate = deflates,
        .limits = { .output_high = 40000 } });
    struct wire w = open_wire(server), slow = open_wire(server);
    struct wire packed = open_with(server,
                                   "Host: x\r\nSec-WebSocket-Extensions: "
                                   "permessage-deflate\r\n");
    say(&w, "gauge", "fill", ",\"input\":{\"bytes\":8000}");
    send_text(&w, SUB("state:sub"), true);
    send_text(&w, SUB("event:sub"), true);
    send_text(&w, "{\"type\":\"broadcast:sub\"}", true);
    send_text(&packed, SUB("state:sub"), true);
    send_text(&slow, SUB("state:sub"), false);
    assert_value(server, OF("state_subscribers"), 3);
    assert_true(value_of(OF("event_subscribers")) == 1);
    assert_true(value_of(OF("snapshots_total")) == 3);
    assert_true(value_of(OF("snapshot_bytes_total")) > 24000);
    assert_true(value_of("zocket_snapshots_cached_total") > 0);
    assert_true(value_of("zocket_cache_bytes") > 8000);
    say(&w, "gauge", "bump", ",\"input\":{\"by\":9}");
    assert_value(server, OF("events_total"), 1);
    assert_int_equal(
        meter_broadcast_news(server, &(const struct meter_news_broadcast){ 1 },
                             zkt_to_all()),
        ZKT_OK);
    turn(server, 0);
    drain(&w);
    for (int i = 0; i < 8; i++) {
        say(&w, "gauge", "fill", ",\"input\":{\"bytes\":8000}");
    }
    scrape(server);
    assert_true(value_of("zocket_unsent_bytes") > 16384);
    assert_true(drain_slowly(server, &slow, "zocket_snapshot_bytes") > 8000);
    assert_int_equal(deflates,
                     value_of("zocket_messages_compressed_total") > 0);
    struct zkt_server_stats stats;
    zkt_server_stats(server, &stats);
    scrape(server);
    assert_true(value_of(OF("patches_total")) == (double)stats.patches);
    assert_true(value_of(OF("patch_bytes_total")) ==
                (double)stats.bytes_of_patches);
    assert_true(value_of(OF("snapshots_total")) == (double)stats.snapshots);
    assert_true(value_of(OF("events_total")) + 1 == (double)stats.events);
    assert_true(value_of("zocket_sent_bytes_total") == (double)stats.bytes_out);
    close_wire(&packed);
    close_wire(&slow);
    close_wire(&w);
    turn(server, 0);
    assert_value(server, OF("state_subscribers"), 0);
    assert_true(value_of(OF("event_subscribers")) == 0);
    zkt_server_free(server);
}

#define REFUSALS        "zocket_refused_requests_total"
#define REFUSED(reason) REFUSALS "{reason=\"" reason "\"}"

/* Requests that are refused, and messages that are none. */
static void move_requests(void)
{
    struct zkt_server *server = new_meter(&(const struct zkt_serve_options){
        .metrics = true,
        .server_names = "good",
        .limits = { .connections = 6, .per_address = 5 } });
    struct wire w[6];
    char large[20000];
    w[0] = open_with(server, "Host: bad\r\n");
    w[1] = open_with(server, "Host: good\r\nOrigin: http://evil.example\r\n");
    close_wire(&w[0]);
    close_wire(&w[1]);
    turn(server, 0);
    w[0] = (struct wire){ .e = zkt__server_accept(server, "a") };
    send_head(&w[0], "GET /healthz HTTP/1.1\r\nHost: good\r\n\r\n");
    send_head(&w[0], "GET /?n=99 HTTP/1.1\r\nHost: good\r\n" UPGRADE);
    script.opens = ZKT_UNAUTHENTICATED;
    w[1] = open_with(server, "Host: good\r\n");
    script.opens = ZKT_OK;
    w[2] = (struct wire){ .e = zkt__server_accept(server, "a") };
    memset(large, 'x', sizeof(large));
    memcpy(large, "GET /", 5);
    feed(&w[2], large, sizeof(large), 4096, true);
    assert_value(server, REFUSED("host"), 1);
    assert_true(value_of(REFUSED("origin")) == 1);
    assert_true(value_of(REFUSED("parameters")) == 1);
    assert_true(value_of(REFUSED("open")) == 1);
    assert_true(value_of(REFUSED("head_bytes")) == 1);
    for (int i = 0; i < 3; i++) {
        close_wire(&w[i]);
    }
    turn(server, 0);
    for (int i = 0; i < 6; i++) { /* the last is too much for its address */
        w[i] = open_with(server, "Host: good\r\n");
    }
    struct wire more = open_with(server, "Host: good\r\n");
    assert_value(server, REFUSED("per_address"), 1);
    assert_true(value_of(REFUSED("connections")) == 1);
    assert_true(value_of("zocket_connections") == 7);
    send_text(&w[0], "nonsense", true);
    send_text(&w[0], "{\"type\":\"tomorrow\"}", true);
    feed(&w[1], "\x81\xfe\x10\x00\x01\x02\x03\x04{\"type\"", 15, 64, true);
    scrape(server);
    assert_true(value_of("zocket_protocol_errors_total") == 1);
    assert_true(value_of("zocket_messages_ignored_total") == 1);
    assert_true(value_of("zocket_gathered_bytes") > 0);
    close_wire(&more);
    for (int i = 0; i < 5; i++) {
        close_wire(&w[i]);
    }
    close_wire(&w[5]);
    turn(server, 0);
    w[0] = (struct wire){ .e = zkt__server_accept(server, "test") };
    zkt_server_shutdown(server);
    feed(&w[0], request, sizeof(request) - 1, 256, true);
    assert_value(server, REFUSED("host"), 2);
    close_wire(&w[0]);
    zkt_server_free(server);
}

static void move_late(void)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics = true });
    struct wire w = { .e = zkt__server_accept(server, "test") };
    zkt_server_shutdown(server);
    feed(&w, request, sizeof(request) - 1, 256, true);
    assert_value(server, REFUSED("stopping"), 1);
    close_wire(&w);
    zkt_server_free(server);
}

/* The driver adds up the time of turns. */
static void move_the_rest(void)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics = true });
    server->core.busy = 1500 * MS;
    turn(server, 0);
    assert_value(server, "zocket_loop_busy_seconds_total{thread=\"0\"}", 1.5);
    zkt_server_free(server);
}

/* Every limit has a series; limits_test.c and the tests that it names reach
 * each and read its series. */
static void test_every_limit_has_a_series(void **state)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics = true });
    (void)state;
#define X(limit, value, text)                                                  \
    assert_value(server, "zocket_limit_hits_total{reason=\"" #limit "\"}", 0);
    ZKT_LIMITS_TABLE(X)
#undef X
    zkt_server_free(server);
}

static void test_every_series_moves(void **state)
{
    (void)state;
    memset(moved, 0, sizeof(moved));
    moved_reasons.count = 0;
    move_calls();
    move_output();
    move_requests();
    move_late();
    move_the_rest();
    assert_true(scraped.family_count > 50);
    for (size_t i = 0; i < scraped.family_count; i++) {
        if (!moved[i] && (zkt__deflate_is_built() ||
                          strstr(scraped.families[i], "compressed") == NULL)) {
            print_error("%s has not moved\n", scraped.families[i]);
            fail();
        }
    }
    for (size_t i = 0; i < scraped.series_count; i++) {
        const char *name = scraped.series[i].name;
        if (strncmp(name, REFUSALS, strlen(REFUSALS)) == 0 &&
            !has_moved(name)) {
            fail_msg("%s has not moved", name);
        }
    }
}

/* ---- a hostile schema ---- */

/* Names that a spelling may have, and the names of what is in no schema. */
static void test_names(void **state)
{
    static const struct zkt_method methods[] = {
        { .name = ZKT_STR_INIT("a\"b\\c\nd") },
        { .name = ZKT_STR_INIT("other") },
        { .name = ZKT_STR_INIT("other_") },
    };
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics = true });
    const struct zkt_app_info *const before = server->host.app.info;
    struct zkt_actor actor = *before->actors[1];
    const struct zkt_actor *actors[] = { before->actors[0], &actor };
    struct zkt_app_info info = *before;
    (void)state;
    actor.name = ZKT_STR("x\\\"\n{}");
    actor.methods = methods;
    actor.method_count = 3;
    info.actors = actors;
    server->host.app.info = &info;
    zkt__metrics_free(server->host.metrics, server->allocator);
    server->host.metrics = zkt__metrics_new(server->allocator, &info);
    zkt__metrics_count_call(server->host.metrics, &actor, NULL, ZKT_ABORTED, 1,
                            -1);
    scrape(server);
    assert_true(value_of("zocket_calls_total{actor=\"x\\\\\\\"\\n{}\",method="
                         "\"a\\\"b\\\\c\\nd\",code=\"OK\"}") == 0);
    assert_true(value_of("zocket_calls_total{actor=\"x\\\\\\\"\\n{}\",method="
                         "\"other__\",code=\"ABORTED\"}") == 1);
    server->host.app.info = before;
    zkt_server_free(server);
}

/* ---- without metrics, and without memory ---- */

static void test_without_the_option(void **state)
{
    struct zkt_server *server = new_meter(NULL);
    (void)state;
    assert_null(server->host.metrics);
    assert_int_equal(zkt_server_metrics(server, take_text, NULL),
                     ZKT_FAILED_PRECONDITION);
    zkt_server_free(server);
}

static enum zkt_status try_with(struct failing_alloc *f)
{
    static const struct meter_handlers handlers = { .on_open = on_open,
                                                    .admitted = admitted,
                                                    .gauge = &gauge,
                                                    .wreck = &wreck };
    const struct zkt_serve_options options = { .metrics = true,
                                               .allocator = &f->allocator };
    struct zkt_server *server;
    enum zkt_status status = zkt_server_new(meter_app(&handlers), &options,
                                            &server);
    if (status == ZKT_OK) {
        status = zkt_server_metrics(server, take_text, NULL);
        zkt_server_free(server);
    }
    return status;
}

static void test_no_memory(void **state)
{
    enum zkt_status status = ZKT_NO_MEMORY;
    (void)state;
    for (long i = 1; status != ZKT_OK; i++) {
        struct failing_alloc f;
        failing_alloc_init(&f, i);
        status = try_with(&f);
        assert_true(status == ZKT_OK || status == ZKT_NO_MEMORY);
        assert_int_equal(f.live, 0);
        assert_true(i < 1000);
    }
}

/* ---- the route ---- */

static struct wire connect_to(struct zkt_server *server, unsigned listener)
{
    assert_true(zkt__server_admit(server, listener));
    struct wire w = { .e = zkt__server_add_connection(server, "127.0.0.1",
                                                      listener) };
    assert_non_null(w.e);
    return w;
}

/* Returns the status of the answer to a request; its body is in @w. */
static int get(struct zkt_server *server, unsigned listener, const char *head,
               struct wire *w)
{
    *w = connect_to(server, listener);
    feed(w, head, strlen(head), 1024, true);
    turn(server, 0);
    drain(w);
    return w->len > 12 ? atoi(w->text + 9) : 0;
}

static void check_get(struct zkt_server *server, unsigned listener,
                      const char *head, int status)
{
    struct wire w;
    assert_int_equal(get(server, listener, head, &w), status);
    assert_int_equal(status == 200 && head[0] == 'G',
                     strstr(w.text, "# TYPE zocket_calls_total") != NULL);
    close_wire(&w);
}

#define OWN          (ZKT_LISTENER_METRICS | ZKT_LISTENER_LOOPBACK)
#define GET(path)    "GET " path " HTTP/1.1\r\nHost: localhost\r\n"
#define TOKEN        "0123456789abcdef-token"
#define WITH(scheme) "Authorization: " scheme "\r\n\r\n"
static void test_the_listener_of_metrics(void **state)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics_listen = "127.0.0.1:0",
                                           .server_names = "example.org",
                                           .allow_origins = "*" });
    (void)state;
    check_get(server, OWN, GET("/metrics") "\r\n", 200);
    check_get(server, OWN, GET("/metrics?a=b") "\r\n", 200);
    check_get(server, OWN, "HEAD /metrics HTTP/1.1\r\nHost: [::1]\r\n\r\n",
              200);
    check_get(server, OWN, "GET /metrics HTTP/1.0\r\n\r\n", 200);
    check_get(server, OWN, "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
              405);
    check_get(server, OWN, GET("/") "\r\n", 404);
    check_get(server, OWN, GET("/") UPGRADE, 404);
    check_get(server, OWN, GET("/metrics") UPGRADE, 426);
    /* A page cannot read it, by its own name or by one of loopback. */
    check_get(server, OWN,
              "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421);
    check_get(server, OWN,
              GET("/metrics") "Origin: http://evil.example\r\n\r\n", 403);
    /* On the others there is none. */
    check_get(server, 0, "GET /metrics HTTP/1.1\r\nHost: example.org\r\n\r\n",
              426);
    zkt_server_free(server);
}

/* A proxy is nobody there, even if it is trusted: a request for metrics is that
 * of its peer. */
static void test_metrics_by_a_proxy(void **state)
{
    struct zkt_server *server = new_meter(&(const struct zkt_serve_options){
        .metrics_listen = "127.0.0.1:0",
        .trusted_proxies = "0.0.0.0/0, ::/0",
        .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR });
    (void)state;
    check_get(server, OWN,
              GET("/metrics") "X-Forwarded-For: 192.0.2.1\r\n" UPGRADE, 426);
    check_get(server, OWN, GET("/metrics") "X-Forwarded-For: 192.0.2.1\r\n\r\n",
              200);
    check_get(server, OWN,
              "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n"
              "X-Forwarded-Host: localhost\r\n\r\n",
              421);
    zkt_server_free(server);
}

/* Health is served there as well, if it is served at all. */
static void test_health_beside_metrics(void **state)
{
    struct zkt_serve_options options = { .metrics_listen = "127.0.0.1:0" };
    (void)state;
    for (int out = 0; out < 2; out++) {
        const int status = out ? 404 : 200;
        struct wire w[3];
        options.no_healthz = options.no_readyz = out;
        struct zkt_server *server = new_meter(&options);
        assert_int_equal(get(server, OWN, GET("/healthz") "\r\n", &w[0]),
                         status);
        assert_int_equal(get(server, OWN, GET("/readyz") "\r\n", &w[1]),
                         status);
        assert_int_equal(get(server, OWN,
                             "POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                             &w[2]),
                         out ? 404 : 405);
        for (int i = 0; i < 3; i++) {
            close_wire(&w[i]);
        }
        zkt_server_free(server);
    }
}

/* A server that is full answers scrapes, which have room of their own. */
static void test_metrics_of_a_full_server(void **state)
{
    struct zkt_server *server = new_meter(&(const struct zkt_serve_options){
        .metrics_listen = "127.0.0.1:0",
        .metrics_token = TOKEN,
        .limits = { .connections = 1, .half_open = 1, .per_address = 1 } });
    struct wire client = open_wire(server), own[ZKT_METRICS_ROOM];
    (void)state;
    for (int i = 0; i < ZKT_METRICS_ROOM; i++) {
        own[i] = connect_to(server, OWN);
    }
    assert_false(zkt__server_admit(server, OWN));
    close_wire(&own[0]);
    turn(server, 0);
    check_get(server, OWN, GET("/metrics") "\r\n", 200);
    turn(server, 0);
    assert_value(server, "zocket_connections", 1);
    assert_value(server, "zocket_limit_hits_total{reason=\"connections\"}", 1);
    /* By the token, too. */
    check_get(server, 0, GET("/metrics") WITH("Bearer " TOKEN), 200);
    check_get(server, 0, GET("/metrics") WITH("Bearer " TOKEN "x"), 503);
    check_get(server, 0, GET("/metrics") "\r\n", 503);
    for (int i = 1; i < ZKT_METRICS_ROOM; i++) {
        close_wire(&own[i]);
    }
    close_wire(&client);
    zkt_server_free(server);
}

static void test_the_token(void **state)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics_token = TOKEN });
    (void)state;
    check_get(server, 0, GET("/metrics") WITH("Bearer " TOKEN), 200);
    check_get(server, 0, GET("/metrics") WITH("bearer " TOKEN), 200);
    check_get(server, 0, GET("/metrics") "\r\n", 401);
    check_get(server, 0, GET("/metrics") WITH("Bearer "), 401);
    check_get(server, 0, GET("/metrics") WITH("Bearer " TOKEN "x"), 401);
    check_get(server, 0, GET("/metrics") WITH("Bearer 0123456789abcdef"), 401);
    check_get(server, 0, GET("/metrics") WITH("Bearer " TOKEN TOKEN), 401);
    check_get(server, 0, GET("/metrics") WITH("Basic " TOKEN), 401);
    check_get(server, 0, GET("/metrics") WITH("Bearer"), 401);
    check_get(server, 0,
              "DELETE /metrics HTTP/1.1\r\nHost: x\r\n" WITH("Bearer " TOKEN),
              405);
    zkt_server_free(server);
}

static void test_bad_tokens(void **state)
{
    static const char *const bad[] = { "", "short", "0123456789 abcdef",
                                       "0123456789abcd\xc3\xa9" };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct zkt_serve_options options = { .metrics_token = bad[i] };
        const struct meter_handlers handlers = { .on_open = on_open,
                                                 .admitted = admitted,
                                                 .gauge = &gauge,
                                                 .wreck = &wreck };
        struct zkt_server *server;
        assert_int_equal(
            zkt_server_new(meter_app(&handlers), &options, &server),
            ZKT_BAD_OPTION);
    }
}

/* The text that the route sends is the text that the function writes; a reader
 * that goes away leaves nothing behind. */
static void test_the_text_of_the_route(void **state)
{
    struct zkt_server *server = new_meter(
        &(const struct zkt_serve_options){ .metrics_listen = "127.0.0.1:0" });
    struct wire w = open_wire(server), own, gone;
    (void)state;
    for (int i = 0; i < 3; i++) {
        say(&w, "gauge", "bump", ",\"input\":{\"by\":1}");
    }
    assert_int_equal(get(server, OWN, "GET /metrics HTTP/1.0\r\n\r\n", &own),
                     200);
    const char *body = strstr(own.text, "\r\n\r\n");
    assert_non_null(body);
    scraped.len = 0;
    take_text(NULL, body + 4, own.len - (size_t)(body + 4 - own.text));
    read_back();
    assert_true(value_of(CALLS "\"bump\",code=\"OK\"}") == 3);
    assert_true(value_of("process_open_fds") == -1); /* of drivers of net */
    close_wire(&own);
    gone = connect_to(server, OWN);
    feed(&gone, GET("/metrics") "\r\n", strlen(GET("/metrics") "\r\n"), 1024,
         false);
    close_wire(&gone);
    close_wire(&w);
    zkt_server_free(server);
}

static void finish(void)
{
    free(scraped.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_every_series_moves),
        cmocka_unit_test(test_every_limit_has_a_series),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_without_the_option),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_the_listener_of_metrics),
        cmocka_unit_test(test_metrics_by_a_proxy),
        cmocka_unit_test(test_health_beside_metrics),
        cmocka_unit_test(test_metrics_of_a_full_server),
        cmocka_unit_test(test_the_token),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_the_text_of_the_route),
    };
    const int failures = cmocka_run_group_tests(tests, NULL, NULL);
    finish();
    return failures;
}
