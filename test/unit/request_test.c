/*
 * The id of a request: made by the server or given by the client, it is the
 * same in the middleware, the hooks and both halves of a call, in all that the
 * call causes, in every line of the log, and in the reports of all these calls.
 * All handlers that run for a request of HTTP, from `open` to `close`, have it.
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
#include "protocol/request.h"
#include "trail_client.h"
#include "trail_server.h"
#include "zocket/embed.h"

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

enum {
    SEEN_MAX = 64
};

/* ---- what has been seen ---- */

/* Ids by who has had them, in order. */
static struct {
    struct {
        char who[32], id[ZKT_REQUEST_SIZE];
    } all[SEEN_MAX];
    int count;
} seen;

static void see(const char *who, struct zkt_str id)
{
    assert_true(seen.count < SEEN_MAX);
    snprintf(seen.all[seen.count].who, sizeof(seen.all[0].who), "%s", who);
    snprintf(seen.all[seen.count].id, sizeof(seen.all[0].id), "%.*s",
             ZKT_ARG(id));
    seen.count++;
}

/* Returns the id that @who had last. */
static const char *id_of(const char *who)
{
    for (int i = seen.count - 1; i >= 0; i--) {
        if (strcmp(seen.all[i].who, who) == 0) {
            return seen.all[i].id;
        }
    }
    fail_msg("%s was not seen", who);
    return "";
}

static void keep_record(void *user, const struct zkt_log_record *record)
{
    char who[32];
    (void)user;
    assert_true(record->time_ms >= 0);
    if (record->level == ZKT_LOG_INFO && record->method.len > 0) {
        snprintf(who, sizeof(who), "log %.*s %.*s", ZKT_ARG(record->id),
                 ZKT_ARG(record->method));
        see(who, record->request);
    }
}

static struct {
    struct zkt_call_report last;
    int count, given;
    char user[17];
} reports;

static void keep_report(void *user, const struct zkt_call_report *report)
{
    const struct trail_connection *connection = report->connection;
    char who[32];
    assert_ptr_equal(user, &reports);
    reports.last = *report;
    reports.count++;
    reports.given += report->trace.len > 0;
    snprintf(reports.user, sizeof(reports.user), "%s",
             connection != NULL ? connection->user.data : "");
    snprintf(who, sizeof(who), "report %.*s %.*s", ZKT_ARG(report->id),
             ZKT_ARG(report->method));
    see(who, report->request);
}

/* ---- handlers ---- */

static struct trail_room_go_later *later;
static bool repeats; /* the timer `again` is seen */

static enum zkt_status on_open(struct trail_connection_call *call,
                               const struct trail_connection_input *in,
                               struct trail_connection *out)
{
    out->user = in->user;
    see("open", zkt_request_id(call->zkt));
    zkt_log(call->zkt, ZKT_LOG_INFO, "opened");
    return ZKT_OK;
}

static void on_close(struct trail_connection_call *call)
{
    see("close", zkt_request_id(call->zkt));
    zkt_log(call->zkt, ZKT_LOG_INFO, "closed");
}

static enum zkt_status checked(struct trail_middleware_call *call)
{
    see("checked", zkt_request_id(call->zkt));
    zkt_log(call->zkt, ZKT_LOG_INFO, "checked");
    return ZKT_OK;
}

static enum zkt_status on_activate(struct trail_room_call *call)
{
    char who[32];
    snprintf(who, sizeof(who), "activate %s", zkt_instance_id(call->zkt).data);
    see(who, zkt_request_id(call->zkt));
    return ZKT_OK;
}

static enum zkt_status on_connect(struct trail_room_call *call)
{
    see("connect", zkt_request_id(call->zkt));
    return ZKT_OK;
}

static enum zkt_status on_subscribe(struct trail_room_call *call,
                                    enum zkt_subscription topic)
{
    (void)topic;
    see("subscribe", zkt_request_id(call->zkt));
    return ZKT_OK;
}

static enum zkt_status on_disconnect(struct trail_room_call *call)
{
    see("disconnect", zkt_request_id(call->zkt));
    zkt_log(call->zkt, ZKT_LOG_INFO, "left");
    return ZKT_OK;
}

static enum zkt_status note(struct trail_room_call *call,
                            const struct trail_room_note_input *in)
{
    see(in->what.data, zkt_request_id(call->zkt));
    zkt_log(call->zkt, ZKT_LOG_INFO, "%s", in->what.data);
    return ZKT_OK;
}

static enum zkt_status run(struct trail_room_call *call, void *user)
{
    if (!zkt_cancelled(call->zkt)) {
        see(user, zkt_request_id(call->zkt));
    }
    return ZKT_OK;
}

static void ignore(const struct zkt_reply *reply, void *user)
{
    (void)reply;
    (void)user;
}

static enum zkt_status after_go(struct trail_room_call *call,
                                struct zkt_str *out, void *user)
{
    (void)user;
    *out = zkt_request_id(call->zkt);
    if (!zkt_cancelled(call->zkt)) {
        see("second half", *out);
        zkt_log(call->zkt, ZKT_LOG_INFO, "again");
    }
    return ZKT_OK;
}

/* Does all that a call can cause. */
static enum zkt_status go(struct trail_room_call *call, struct zkt_str *out)
{
    struct zkt_server *server = zkt_call_server(call->zkt);
    (void)out;
    see("first half", zkt_request_id(call->zkt));
    zkt_log(call->zkt, ZKT_LOG_INFO, "on its way");
    trail_room_tell_note(
        call->zkt, ZKT_STR("b"),
        &(const struct trail_room_note_input){ ZKT_STR("told") });
    trail_room_ask_note(
        call->zkt, ZKT_STR("c"),
        &(const struct trail_room_note_input){ ZKT_STR("asked") }, ignore,
        NULL);
    trail_room_start_soon(
        call, 10, &(const struct trail_room_soon_timer){ ZKT_STR("soon") });
    (void)trail_room_invoke_note(
        server, ZKT_STR("d"),
        &(const struct trail_room_note_input){ ZKT_STR("invoked") }, NULL,
        NULL);
    (void)trail_room_run(server, ZKT_STR("e"), run, "run");
    later = trail_room_defer_go(call);
    if (later != NULL) {
        trail_room_resume_go(later, after_go, NULL);
    }
    return ZKT_PENDING;
}

static enum zkt_status refuse(struct trail_room_call *call,
                              const struct trail_room_refuse_input *in)
{
    return zkt_fail(call->zkt, in->n == 9 ? ZKT_UNAUTHENTICATED : ZKT_NOT_FOUND,
                    "\\\",\"retryAfterMs\":5000,\"");
}

static enum zkt_status timer_soon(struct trail_room_call *call,
                                  const struct trail_room_soon_timer *in)
{
    see(in->what.data, zkt_request_id(call->zkt));
    return ZKT_OK;
}

static enum zkt_status timer_again(struct trail_room_call *call)
{
    if (repeats) {
        see("again", zkt_request_id(call->zkt));
    }
    return ZKT_OK;
}

static const struct trail_room_handlers room = {
    .go = go,
    .refuse = refuse,
    .note = note,
    .on_activate = on_activate,
    .on_connect = on_connect,
    .on_subscribe = on_subscribe,
    .on_disconnect = on_disconnect,
    .timer_soon = timer_soon,
    .timer_again = timer_again,
};
static const struct trail_handlers handlers = {
    .room = &room,
    .on_open = on_open,
    .on_close = on_close,
    .checked = checked,
};

/* ---- a server and a client ---- */

static const char *given; /* the id that the client gives */

static void give(void *user, char out[ZKT_TRACE_SIZE])
{
    assert_ptr_equal(user, &given);
    if (given != NULL) {
        const size_t size = strlen(given) + 1;
        memcpy(out, given, size < ZKT_TRACE_SIZE ? size : ZKT_TRACE_SIZE);
    }
}

struct site {
    struct zkt_server *server;
    struct zkt_client *client;
    struct trail_room *room;
};

/* Returns false if there is no memory. */
static bool open_site(struct site *site, const struct zkt_allocator *allocator)
{
    const struct zkt_serve_options options = {
        .allocator = allocator,
        .log_record = keep_record,
        .on_call = keep_report,
        .on_call_user = &reports,
    };
    const struct zkt_client_options client = { .trace = give,
                                               .trace_user = &given };
    memset(&seen, 0, sizeof(seen));
    memset(&reports, 0, sizeof(reports));
    *site = (struct site){ .server = NULL };
    if (zkt_server_new(trail_app(&handlers), &options, &site->server) !=
        ZKT_OK) {
        return false;
    }
    site->client = zkt_client_open_local_with(site->server, &client);
    site->room = trail_room_open(site->client, "a");
    return true;
}

static void close_site(struct site *site)
{
    trail_room_close(site->room);
    zkt_client_close(site->client);
    zkt_server_free(site->server);
}

/* Makes a call that causes all, and waits until all of it has happened. */
static void cause(struct site *site, char result[ZKT_REQUEST_SIZE])
{
    struct zkt_reply reply = { .status = ZKT_OK };
    struct zkt_str out = ZKT_STR("");
    if (trail_room_call_go(site->room, &out, &reply) == ZKT_OK) {
        snprintf(result, ZKT_REQUEST_SIZE, "%.*s", ZKT_ARG(out));
    }
    zkt_reply_clear(&reply);
    zkt_server_advance(site->server, 40);
}

/* ---- tests ---- */

static const char *const causes[] = {
    "checked",       "log  checked",  "connect",       "activate a",
    "first half",    "log a go",      "second half",   "told",
    "log b note",    "activate b",    "asked",         "log c note",
    "activate c",    "soon",          "invoked",       "log d note",
    "activate d",    "run",           "activate e",    "report a go",
    "report b note", "report c note", "report d note", "report e run",
    "report a soon",
};

static void check_all(const char *id)
{
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (strcmp(id_of(causes[i]), id) != 0) {
            fail_msg("%s has %s, not %s", causes[i], id_of(causes[i]), id);
        }
    }
}

/* The id that the server makes: twelve digits that its servers share, and a
 * number. */
static void check_made(const char *id)
{
    assert_int_equal(strspn(id, "0123456789abcdef"), 12);
    assert_int_equal(id[12], '-');
    assert_true(strlen(id) > 13);
    assert_int_equal(strspn(id + 13, "0123456789abcdef"), strlen(id) - 13);
}

static void test_a_made_id(void **state)
{
    char first[ZKT_REQUEST_SIZE] = "", second[ZKT_REQUEST_SIZE] = "";
    struct site site;
    (void)state;
    given = NULL;
    assert_true(open_site(&site, NULL));
    cause(&site, first);
    check_made(first);
    check_all(first);
    check_made(id_of("open"));
    assert_string_not_equal(id_of("open"), first);
    assert_int_equal(reports.given, 0);
    cause(&site, second);
    check_made(second);
    assert_string_not_equal(first, second);
    assert_memory_equal(first, second, 13);
    close_site(&site);
}

static void test_a_given_id(void **state)
{
    char id[ZKT_REQUEST_SIZE] = "";
    struct site site;
    (void)state;
    given = TRACEPARENT;
    assert_true(open_site(&site, NULL));
    cause(&site, id);
    assert_string_equal(id, TRACEPARENT);
    check_all(TRACEPARENT);
    assert_int_equal(reports.given, reports.count);
    close_site(&site);
}

/* Other texts are not sent. */
static void test_bad_ids(void **state)
{
    static const char *const bad[] = {
        "", "a b", "a\n", "\xc3\xa9", TRACEPARENT "-0123456789",
    };
    struct site site;
    (void)state;
    assert_true(open_site(&site, NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char id[ZKT_REQUEST_SIZE] = "";
        given = bad[i];
        seen.count = 0;
        cause(&site, id);
        check_made(id);
    }
    assert_int_equal(reports.given, 0);
    close_site(&site);
}

/* A timer that repeats belongs to no request, and has an id for each time. */
static void test_repeating_timers(void **state)
{
    char first[ZKT_REQUEST_SIZE], id[ZKT_REQUEST_SIZE] = "";
    struct site site;
    (void)state;
    given = TRACEPARENT;
    assert_true(open_site(&site, NULL));
    cause(&site, id);
    repeats = true;
    zkt_server_advance(site.server, 50);
    snprintf(first, sizeof(first), "%s", id_of("again"));
    check_made(first);
    assert_true(reports.last.is_timer);
    assert_string_equal(id_of("report a again"), first);
    zkt_server_advance(site.server, 50);
    check_made(id_of("again"));
    assert_string_not_equal(id_of("again"), first);
    repeats = false;
    close_site(&site);
}

static void test_reports(void **state)
{
    struct site site;
    (void)state;
    given = "r1";
    assert_true(open_site(&site, NULL));
    const struct trail_room_refuse_input good = { .n = 1 };
    assert_int_equal(trail_room_call_refuse(site.room, &good, NULL),
                     ZKT_NOT_FOUND);
    const struct zkt_call_report *last = &reports.last;
    assert_int_equal(reports.count, 1);
    assert_int_equal(last->code, ZKT_NOT_FOUND);
    assert_false(last->is_timer);
    assert_string_equal(last->actor.data, "room");
    assert_string_equal(last->method.data, "refuse");
    assert_int_equal(last->client_id.len, 32);
    assert_string_equal(reports.user, "nobody");
    assert_string_equal(id_of("report a refuse"), "r1");
    assert_int_equal(reports.given, 1);
    assert_true(last->bytes_in > 60 && last->bytes_in < 200);
    assert_true(last->bytes_out > 60 && last->bytes_out < 200);
    assert_true(last->wait_us >= 0 && last->handler_us >= 0);
    close_site(&site);
}

/* ---- requests of trusted proxies ---- */

/* Returns the id that @who has for a request of @address, which is changed. */
static const char *id_by(const char *who, const char *address, char *request)
{
    const struct zkt_serve_options options = {
        .trusted_proxies = "192.0.2.1",
        .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR,
        .http_calls = true,
        .on_call = keep_report,
        .on_call_user = &reports,
    };
    struct zkt_server *server;
    assert_int_equal(zkt_server_new(trail_app(&handlers), &options, &server),
                     ZKT_OK);
    struct zkt_endpoint *endpoint = zkt_server_accept(server, address, NULL);
    assert_non_null(endpoint);
    seen.count = 0;
    zkt_endpoint_feed(endpoint, request, strlen(request));
    zkt_server_tick(server);
    zkt_server_free(server);
    return id_of(who);
}

/* The same for `open` of a WebSocket. */
static const char *id_of_open(const char *address, const char *fields)
{
    char request[512];
    snprintf(request, sizeof(request),
             "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             fields);
    return id_by("open", address, request);
}

/* The same for a call by HTTP. */
static const char *id_of_post(const char *address, const char *fields)
{
    char request[512];
    snprintf(request, sizeof(request),
             "POST /actors/room/a/refuse HTTP/1.1\r\nHost: localhost\r\n"
             "Content-Type: application/json\r\nContent-Length: 7\r\n%s\r\n"
             "{\"n\":1}",
             fields);
    return id_by("report a refuse", address, request);
}

static void test_proxies(void **state)
{
    static const char proxy[] = "192.0.2.1", client[] = "192.0.2.2";
    (void)state;
    assert_string_equal(id_of_open(proxy, "X-Request-ID: r-7\r\n"), "r-7");
    assert_string_equal(id_of_open(proxy, "traceparent: " TRACEPARENT "\r\n"),
                        TRACEPARENT);
    assert_string_equal(id_of_open(proxy, "traceparent: " TRACEPARENT
                                          "\r\nx-request-id: r-7\r\n"),
                        "r-7");
    check_made(id_of_open(proxy, "X-Request-ID: r 7\r\n"));
    check_made(id_of_open(proxy, ""));
    check_made(id_of_open(client, "X-Request-ID: r-7\r\n"));
    assert_string_equal(id_of_post(proxy, "X-Request-ID: r-7\r\n"), "r-7");
    check_made(id_of_post(client, "X-Request-ID: r-7\r\n"));
}

/* ---- requests of HTTP ---- */

/* Appends received bytes to a text. */
static void append(char out[4096], struct zkt_slice slice)
{
    const size_t len = strlen(out);
    assert_true(len + slice.len < 4096);
    memcpy(out + len, slice.data, slice.len);
    out[len + slice.len] = '\0';
}

/* Sends requests on a connection of @address, and lets it go. Returns the
 * answers. */
static const char *serve_requests(const char *address, const char *requests)
{
    static char answers[4096];
    const struct zkt_serve_options options = {
        .trusted_proxies = "192.0.2.1",
        .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR,
        .http_calls = true,
        .log_record = keep_record,
        .on_call = keep_report,
        .on_call_user = &reports,
    };
    struct zkt_server *server;
    struct zkt_slice slice;
    char text[2048];
    assert_int_equal(zkt_server_new(trail_app(&handlers), &options, &server),
                     ZKT_OK);
    struct zkt_endpoint *endpoint = zkt_server_accept(server, address, NULL);
    assert_non_null(endpoint);
    memset(&seen, 0, sizeof(seen));
    answers[0] = '\0';
    snprintf(text, sizeof(text), "%s", requests);
    zkt_endpoint_feed(endpoint, text, strlen(text));
    for (int i = 0; i < 8; i++) {
        zkt_server_tick(server);
        while (zkt_endpoint_pending(endpoint, &slice, 1) > 0) {
            append(answers, slice);
            zkt_endpoint_sent(endpoint, slice.len);
        }
    }
    zkt_endpoint_detach(endpoint);
    zkt_server_tick(server);
    zkt_server_free(server);
    return answers;
}

#define POSTED(id)                                                             \
    "POST /actors/room/a/refuse HTTP/1.1\r\nHost: localhost\r\n" id            \
    "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n"              \
    "{\"n\":1}"

/* All that runs for a call has the id of its request. */
static void test_calls_by_http(void **state)
{
    static const char *const all[] = {
        "open",       "log  open",        "activate a", "connect",
        "disconnect", "log a disconnect", "close",      "log  close",
    };
    static const struct {
        const char *address, *request, *id;
    } table[] = {
        { "192.0.2.1", POSTED("X-Request-Id: r-7\r\n"), "r-7" },
        { "192.0.2.1", POSTED("traceparent: " TRACEPARENT "\r\n"),
          TRACEPARENT },
        { "192.0.2.2", POSTED("X-Request-Id: r-7\r\n"), NULL },
        { "192.0.2.2", POSTED(""), NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        (void)serve_requests(table[i].address, table[i].request);
        const char *id = id_of("report a refuse");
        if (table[i].id != NULL) {
            assert_string_equal(id, table[i].id);
        } else {
            check_made(id);
        }
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
            if (strcmp(id_of(all[k]), id) != 0) {
                fail_msg("%zu: %s has %s, not %s", i, all[k], id_of(all[k]),
                         id);
            }
        }
    }
}

/* A call that lacks authentication is told how (RFC 9110, section 15.5.2); a
 * text is no member of the error. */
static void test_a_challenge(void **state)
{
    static const char request[] =
        "POST /actors/room/a/refuse HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n"
        "{\"n\":9}";
    (void)state;
    const char *answer = serve_requests("192.0.2.2", request);
    assert_memory_equal(answer, "HTTP/1.1 401 ", 13);
    assert_non_null(strstr(answer, "\r\nWWW-Authenticate: Bearer\r\n"));
    assert_non_null(strstr(answer, "retryAfterMs"));
    assert_null(strstr(answer, "Retry-After"));
}

/* Returns how many of those who were seen have @id. */
static int count_with(const char *id)
{
    int count = 0;
    for (int i = 0; i < seen.count; i++) {
        count += strcmp(seen.all[i].id, id) == 0;
    }
    return count;
}

/* Requests of a connection have ids of their own, also one that reads a
 * state. */
static void test_requests_of_a_connection(void **state)
{
    static const char requests[] = POSTED(
        "X-Request-Id: first\r\n") "GET /actors/room/a HTTP/1.1\r\nHost: "
                                   "localhost\r\n"
                                   "X-Request-Id: second\r\n\r\n" POSTED("");
    (void)state;
    (void)serve_requests("192.0.2.1", requests);
    const int with_first = count_with("first");
    assert_int_equal(with_first, 9); /* those of a call, with its report */
    /* It activates nothing, and has no report. */
    assert_int_equal(count_with("second"), 8);
    check_made(id_of("close"));
    assert_int_equal(count_with(id_of("close")), 8);
    assert_string_equal(id_of("subscribe"), "second");
}

/* ---- the log of calls ---- */

static struct {
    int count;
    char line[ZKT_LOG_LINE_MAX];
} calls;

static void keep_call(void *user, const struct zkt_log_record *record)
{
    (void)user;
    if (record->level == ZKT_LOG_DEBUG) {
        calls.count++;
        zkt_log_print_logfmt(record, calls.line);
    }
}

/* A line of the level DEBUG for each call. */
static void test_calls_in_the_log(void **state)
{
    struct zkt_serve_options options = { .log_record = keep_call };
    const struct trail_room_refuse_input good = { .n = 1 };
    const struct trail_room_refuse_input bad = { .n = 10 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct zkt_client_options none = { .trace = give,
                                                 .trace_user = &given };
        struct site site;
        given = "r1";
        calls.count = 0;
        options.log_level = i == 0 ? ZKT_LOG_INFO : ZKT_LOG_DEBUG;
        assert_int_equal(
            zkt_server_new(trail_app(&handlers), &options, &site.server),
            ZKT_OK);
        site.client = zkt_client_open_local_with(site.server, &none);
        site.room = trail_room_open(site.client, "a b");
        assert_int_equal(trail_room_call_refuse(site.room, &good, NULL),
                         ZKT_NOT_FOUND);
        assert_int_equal(calls.count, i);
        if (i == 1) {
            assert_non_null(strstr(calls.line, "level=debug msg=call "
                                               "request=r1 connection="));
            assert_non_null(strstr(calls.line, " actor=room id=\"a b\" "
                                               "method=refuse code=NOT_FOUND"));
            assert_non_null(strstr(calls.line, " ms=0"));
        }
        assert_int_equal(trail_room_call_refuse(site.room, &bad, NULL),
                         ZKT_INVALID_ARGUMENT); /* which the client refuses */
        assert_int_equal(calls.count, i);
        close_site(&site);
    }
}

/* Ids that are not printed are numbers. */
static void test_printing(void **state)
{
    struct zkt_request_numbers numbers = { .prefix = 0xc2d81f0b7a94 };
    char text[ZKT_REQUEST_SIZE];
    (void)state;
    struct zkt_request request = { zkt__request_next(&numbers), NULL };
    assert_string_equal(zkt__request_print(&numbers, &request, text).data,
                        "c2d81f0b7a94-1");
    numbers.last = UINT64_C(63) << 56 | 0xffff;
    request.number = zkt__request_next(&numbers);
    assert_string_equal(zkt__request_print(&numbers, &request, text).data,
                        "c2d81f0b7a94-10000.63");
    assert_true(zkt__trace_is_good(zkt_cstr(text)));
    request.number = UINT64_MAX;
    numbers.prefix = UINT64_MAX >> 16;
    assert_true(
        zkt__trace_is_good(zkt__request_print(&numbers, &request, text)));
    request = (struct zkt_request){ 0, NULL };
    assert_int_equal(zkt__request_print(&numbers, &request, text).len, 0);
}

static void test_good_ids(void **state)
{
    static const char longest[] = "0123456789abcdef0123456789abcdef"
                                  "0123456789abcdef0123456789abcdef";
    char longer[66];
    (void)state;
    assert_true(zkt__trace_is_good(zkt_cstr(longest)));
    assert_true(zkt__trace_is_good(ZKT_STR("A-z_0.9")));
    assert_true(zkt__trace_is_good(ZKT_STR(TRACEPARENT)));
    assert_false(zkt__trace_is_good((struct zkt_str){ NULL, 0 }));
    assert_false(zkt__trace_is_good(ZKT_STR("a b")));
    assert_false(zkt__trace_is_good(ZKT_STR("a\n")));
    assert_false(zkt__trace_is_good((struct zkt_str){ "a\0b", 3 }));
    assert_false(zkt__trace_is_good(ZKT_STR("\xc3\xa9")));
    snprintf(longer, sizeof(longer), "%sx", longest);
    assert_false(zkt__trace_is_good(zkt_cstr(longer)));
}

/* Each allocation of all of it fails in turn. */
static void test_without_memory(void **state)
{
    struct failing_alloc alloc;
    long allocations = 1;
    (void)state;
    given = TRACEPARENT;
    for (long fail_at = 1; fail_at <= allocations; fail_at++) {
        char id[ZKT_REQUEST_SIZE] = "";
        struct site site;
        failing_alloc_init(&alloc, fail_at);
        if (open_site(&site, &alloc.allocator)) {
            cause(&site, id);
        }
        close_site(&site);
        assert_int_equal(alloc.live, 0);
        if (alloc.calls >= fail_at) {
            allocations = fail_at + 1;
        }
    }
    assert_true(allocations > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printing),
        cmocka_unit_test(test_good_ids),
        cmocka_unit_test(test_a_made_id),
        cmocka_unit_test(test_a_given_id),
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_repeating_timers),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_calls_by_http),
        cmocka_unit_test(test_requests_of_a_connection),
        cmocka_unit_test(test_a_challenge),
        cmocka_unit_test(test_calls_in_the_log),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
