/*
 * Broadcasts and ends of connections, from handlers and from other threads, on
 * one shard, two and three: the argument says how many. The app is that of
 * slow.zkt, with a broadcast.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"

static uint32_t shards = 1;

enum {
    WIRES = 3
};

struct site {
    struct zkt_server *server;
    struct wire wires[WIRES]; /* one of each shard, in turn */
};

static const struct zkt_type text_type = {
    .kind = ZKT_KIND_STRING,
    .size = sizeof(struct zkt_str),
    .owns = true,
    .of.strings = &(const struct zkt_string_rules){ .min = 1, .max = 20 },
    .decode = zkt_decode_string,
    .encode = zkt_encode_string,
};
static const struct zkt_event broadcasts[] = {
    { .name = ZKT_STR_INIT("news"), .payload = &text_type },
    { .name = ZKT_STR_INIT("tick") },
};

static char last_line[256];

static void keep_line(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(last_line, sizeof(last_line), "%s", text);
}

static void settle(const struct zkt_server *server)
{
    for (uint32_t i = 0; i < 8 * shards; i++) {
        turn(server->shards->all[i % shards]);
    }
}

static struct site open_site(const struct zkt_limits *limits,
                             const struct zkt_allocator *allocator)
{
    static struct zkt_app_info info;
    struct zkt_serve_options options = { .allocator = allocator,
                                         .threads = shards,
                                         .log = keep_line };
    struct zkt_app app = slow_app(&slow_handlers);
    struct site site;
    if (limits != NULL) {
        options.limits = *limits;
    }
    info = *app.info;
    info.broadcasts = broadcasts;
    info.broadcast_count = 2;
    app.info = &info;
    last_line[0] = '\0';
    assert_int_equal(zkt_server_new(app, &options, &site.server), ZKT_OK);
    zkt__server_run_shards(site.server, shards);
    for (uint32_t i = 0; i < WIRES; i++) {
        site.wires[i] = open_slow(site.server->shards->all[i % shards]);
    }
    return site;
}

static void close_site(struct site *site)
{
    for (int i = 0; i < WIRES; i++) {
        close_wire(&site->wires[i]);
    }
    zkt_server_free(site->server);
}

static struct zkt_str id_of(const struct site *site, int i)
{
    return zkt__peer_client_id(
        &ZKT_CONTAINER(site->wires[i].e, struct zkt_connection, endpoint)
             ->session.peer);
}

#define HEAR   "{\"type\":\"broadcast:sub\"}"
#define IGNORE "{\"type\":\"broadcast:unsub\"}"
#define NEWS(text)                                                             \
    "{\"type\":\"broadcast\",\"event\":\"news\",\"payload\":\"" text "\"}\n"
#define TICK "{\"type\":\"broadcast\",\"event\":\"tick\"}\n"

static void hear_all(struct site *site)
{
    for (int i = 0; i < WIRES; i++) {
        assert_string_equal(ask(&site->wires[i], HEAR), "");
    }
}

/* The texts that each connection has received since the last call. */
static void assert_said(struct site *site, const char *first,
                        const char *second, const char *third)
{
    const char *const all[WIRES] = { first, second, third };
    settle(site->server);
    for (int i = 0; i < WIRES; i++) {
        assert_string_equal(said(&site->wires[i]), all[i]);
    }
}

static void tell(const struct site *site, const char *text,
                 struct zkt_target target)
{
    const struct zkt_str payload = zkt_cstr(text);
    assert_int_equal(zkt_server_broadcast(site->server, 0, &payload, target),
                     ZKT_OK);
}

/* ---- from other threads ---- */

static void test_who_hears(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    tell(&site, "nobody", zkt_to_all());
    assert_said(&site, "", "", "");
    (void)ask(&site.wires[0], HEAR);
    (void)ask(&site.wires[1], HEAR);
    (void)ask(&site.wires[1], HEAR); /* again: nothing changes */
    tell(&site, "two", zkt_to_all());
    assert_said(&site, NEWS("two"), NEWS("two"), "");
    (void)ask(&site.wires[0], IGNORE);
    (void)ask(&site.wires[2], IGNORE);
    assert_int_equal(zkt_server_broadcast(site.server, 1, NULL, zkt_to_all()),
                     ZKT_OK);
    assert_said(&site, "", TICK, "");
    (void)ask(&site.wires[0], HEAR);
    tell(&site, "again", zkt_to_all());
    assert_said(&site, NEWS("again"), NEWS("again"), "");
    close_site(&site);
}

static void test_targets(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    hear_all(&site);
    struct zkt_str ids[] = { id_of(&site, 2), id_of(&site, 0), id_of(&site, 2),
                             ZKT_STR("who") };
    tell(&site, "a", zkt_to(id_of(&site, 1)));
    assert_said(&site, "", NEWS("a"), "");
    tell(&site, "b", zkt_to_each(ids, 4));
    assert_said(&site, NEWS("b"), "", NEWS("b"));
    tell(&site, "c", zkt_except(id_of(&site, 1)));
    assert_said(&site, NEWS("c"), "", NEWS("c"));
    tell(&site, "d", zkt_except_each(ids, 4));
    assert_said(&site, "", NEWS("d"), "");
    tell(&site, "e", (struct zkt_target){ .kind = ZKT_TARGET_NONE });
    tell(&site, "f", zkt_to_topic(ZKT_STR("nobody is here")));
    assert_said(&site, "", "", "");
    /* Nothing stays marked. */
    tell(&site, "g", zkt_to_all());
    assert_said(&site, NEWS("g"), NEWS("g"), NEWS("g"));
    /* A connection that does not listen is no target. */
    (void)ask(&site.wires[1], IGNORE);
    tell(&site, "h", zkt_to(id_of(&site, 1)));
    assert_said(&site, "", "", "");
    close_site(&site);
}

static void test_a_payload_that_breaks_a_rule(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    hear_all(&site);
    tell(&site, "this text is longer than it may be", zkt_to_all());
    assert_said(&site, "", "", "");
    assert_string_equal(last_line,
                        "news was not sent: its payload breaks its rules");
    close_site(&site);
}

static void test_limits(void **state)
{
    const struct zkt_limits limits = { .outside_messages = 2,
                                       .output_bytes = 60 };
    const struct zkt_str payload = ZKT_STR("x");
    struct site site = open_site(&limits, NULL);
    (void)state;
    hear_all(&site);
    tell(&site, "1", zkt_to_all());
    tell(&site, "2", zkt_to_all());
    assert_int_equal(
        zkt_server_broadcast(site.server, 0, &payload, zkt_to_all()),
        ZKT_RESOURCE_EXHAUSTED);
    assert_said(&site, NEWS("1") NEWS("2"), NEWS("1") NEWS("2"),
                NEWS("1") NEWS("2"));
    tell(&site, "12345678901234567890", zkt_to_all());
    assert_said(&site, "", "", "");
    assert_string_equal(last_line, "news was not sent: it is too large");
    zkt_server_shutdown(site.server);
    assert_int_equal(
        zkt_server_broadcast(site.server, 0, &payload, zkt_to_all()),
        ZKT_CLOSED);
    assert_int_equal(zkt_server_kick(site.server, id_of(&site, 0), 4000, NULL),
                     ZKT_CLOSED);
    close_site(&site);
}

/* ---- from handlers ---- */

typedef enum zkt_status job_function(struct slow_job_call *call, void *user);

static enum zkt_status run_job(struct zkt_call *call, void (*fn)(void),
                               void *user)
{
    struct slow_job_call job = { call, zkt_call_state(call) };
    return ((job_function *)fn)(&job, user);
}

static void run(const struct site *site, job_function *fn, void *user)
{
    assert_int_equal(zkt_server_run(site->server, 0, ZKT_STR("x"), run_job,
                                    (void (*)(void))fn, user),
                     ZKT_OK);
}

static enum zkt_status announce(struct slow_job_call *call, void *user)
{
    const struct zkt_str payload = ZKT_STR("hear");
    const bool *fails = user;
    slow_job_set_n(call, call->state->n + 1);
    zkt_call_broadcast(call->zkt, 0, &payload, zkt_to_all());
    slow_job_emit_added(call, &(struct slow_job_added_event){ call->state->n },
                        zkt_to_all());
    zkt_call_broadcast(call->zkt, 1, NULL, zkt_to_all());
    return *fails ? zkt_fail(call->zkt, ZKT_ABORTED, "no") : ZKT_OK;
}

#define ADDED(id, n)                                                           \
    "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":\"" id                  \
    "\",\"event\":\"added\",\"payload\":{\"n\":" n "}}\n"

static void test_with_the_commit(void **state)
{
    struct site site = open_site(NULL, NULL);
    bool fails = true;
    (void)state;
    hear_all(&site);
    (void)ask(&site.wires[2], SUB("event:sub", "x"));
    settle(site.server);
    (void)said(&site.wires[2]);
    run(&site, announce, &fails);
    assert_said(&site, "", "", "");
    fails = false;
    run(&site, announce, &fails);
    assert_said(&site, NEWS("hear") TICK, NEWS("hear") TICK,
                ADDED("x", "1") NEWS("hear") TICK);
    close_site(&site);
}

static enum zkt_status announce_too_much(struct slow_job_call *call, void *user)
{
    const struct zkt_str payload = zkt_cstr(user);
    slow_job_set_n(call, 9);
    zkt_call_broadcast(call->zkt, 1, NULL, zkt_to_all());
    zkt_call_broadcast(call->zkt, 0, &payload, zkt_to_all());
    zkt_call_broadcast(call->zkt, 1, NULL, zkt_to_all());
    return ZKT_OK;
}

static enum zkt_status emit_to_a_topic(struct slow_job_call *call, void *user)
{
    (void)user;
    slow_job_emit_added(call, &(struct slow_job_added_event){ 1 },
                        zkt_to_topic(ZKT_STR("t")));
    return ZKT_OK;
}

static enum zkt_status announce_to_an_audience(struct slow_job_call *call,
                                               void *user)
{
    const struct zkt_target target = { .kind = ZKT_TARGET_AUDIENCE };
    (void)user;
    zkt_call_broadcast(call->zkt, 1, NULL, target);
    return ZKT_OK;
}

static enum zkt_status kick_with_1000(struct slow_job_call *call, void *user)
{
    const struct site *site = user;
    zkt_call_broadcast(call->zkt, 1, NULL, zkt_to_all());
    zkt_kick(call->zkt, id_of(site, 0), 1000, "bye");
    return ZKT_OK;
}

static void test_poisoned_calls(void **state)
{
    const struct zkt_limits limits = { .events = 2 };
    struct site site = open_site(&limits, NULL);
    (void)state;
    hear_all(&site);
    run(&site, announce_too_much, (void *)(uintptr_t) "");
    assert_said(&site, "", "", "");
    assert_non_null(strstr(last_line, "the payload of news breaks its rules"));
    run(&site, announce_too_much, (void *)(uintptr_t) "ok");
    assert_said(&site, "", "", "");
    assert_non_null(strstr(last_line, "too many events in one call"));
    run(&site, emit_to_a_topic, NULL);
    assert_said(&site, "", "", "");
    assert_non_null(strstr(last_line, "not to topics"));
    run(&site, announce_to_an_audience, NULL);
    assert_said(&site, "", "", "");
    assert_non_null(strstr(last_line, "not to an audience"));
    assert_int_equal(zkt_server_broadcast(
                         site.server, 1, NULL,
                         (struct zkt_target){ .kind = ZKT_TARGET_AUDIENCE }),
                     ZKT_INVALID_ARGUMENT);
    run(&site, kick_with_1000, &site);
    assert_said(&site, "", "", "");
    assert_non_null(strstr(last_line, "cannot be closed with 1000"));
    close_site(&site);
}

/* ---- ends of connections ---- */

static void test_kick_from_outside(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    hear_all(&site);
    assert_int_equal(
        zkt_server_kick(site.server, id_of(&site, 2), 4403, "not you"), ZKT_OK);
    tell(&site, "after", zkt_to_all());
    assert_said(&site, NEWS("after"), NEWS("after"), "close 4403\n");
    assert_int_equal(zkt_server_kick(site.server, ZKT_STR("who"), 1008, NULL),
                     ZKT_OK);
    assert_said(&site, "", "", "");
    assert_int_equal(zkt_server_kick(site.server, id_of(&site, 0), 1001, NULL),
                     ZKT_INVALID_ARGUMENT);
    assert_int_equal(zkt_server_kick(site.server, id_of(&site, 0), 3999, NULL),
                     ZKT_INVALID_ARGUMENT);
    assert_int_equal(zkt_server_kick(site.server, id_of(&site, 0), 5000, NULL),
                     ZKT_INVALID_ARGUMENT);
    close_site(&site);
}

/* A client that has only said that it does not listen is found all the same. */
static void test_kick_of_a_client_that_does_not_listen(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    for (int i = 0; i < WIRES; i++) {
        (void)ask(&site.wires[i], IGNORE);
    }
    assert_int_equal(zkt_server_kick(site.server, id_of(&site, 2), 4000, NULL),
                     ZKT_OK);
    assert_said(&site, "", "", "close 4000\n");
    tell(&site, "nobody", zkt_to_all());
    assert_said(&site, "", "", "");
    close_site(&site);
}

static enum zkt_status kick(struct slow_job_call *call, void *user)
{
    const struct site *site = user;
    zkt_kick(call->zkt, id_of(site, 1), 1008, NULL);
    return ZKT_OK;
}

/* A client that nothing has addressed before is found as well; others stay. */
static void test_kick_in_a_handler(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    run(&site, kick, &site);
    assert_said(&site, "", "close 1008\n", "");
    /* What it sends now is dropped. */
    assert_string_equal(ask(&site.wires[1], MARK("1", "z", "late")), "");
    settle(site.server);
    assert_string_equal(ask(&site.wires[0], MARK("2", "y", "m")), DONE("2"));
    assert_int_equal(stats_of(site.server).limit_hits.events, 0);
    close_site(&site);
}

/* Calls that a mailbox has run, and then the client's `disconnect`. */
static void test_kick_and_calls_that_wait(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct ran ran = { 0 };
    (void)state;
    trace[0] = '\0';
    held_count = 0;
    (void)ask(&site.wires[1], ADD("1", "x", "1", "later"));
    (void)ask(&site.wires[1], MARK("2", "x", "waits"));
    settle(site.server);
    assert_int_equal(zkt_server_kick(site.server, id_of(&site, 1), 4000, NULL),
                     ZKT_OK);
    assert_said(&site, "", "close 4000\n", "");
    resume(0, &ran);
    assert_said(&site, "", "", "");
    assert_string_equal(trace, "activate:x connect:x add:later then:later "
                               "mark:waits disconnect:x");
    close_site(&site);
}

/* A reason is cut within no character, and one that is no UTF-8 is left out. */
static void test_reasons(void **state)
{
    char reason[200];
    (void)state;
    memset(reason, 'x', sizeof(reason));
    memcpy(reason + 122, "\xc3\xa4", 2);
    reason[199] = '\0';
    const char *const given[] = { reason, "\xff", NULL, "short" };
    const size_t kept[] = { 122, 0, 0, 5 };
    for (size_t i = 0; i < 4; i++) {
        struct site site = open_site(NULL, NULL);
        assert_int_equal(
            zkt_server_kick(site.server, id_of(&site, 0), 4000, given[i]),
            ZKT_OK);
        settle(site.server);
        drain(&site.wires[0]);
        assert_int_equal(site.wires[0].len, 4 + kept[i]);
        assert_int_equal((uint8_t)site.wires[0].text[0], 0x88);
        assert_memory_equal(site.wires[0].text + 4,
                            given[i] != NULL ? given[i] : "", kept[i]);
        close_site(&site);
    }
}

/* ---- memory ---- */

static bool try_without_memory(long number)
{
    struct failing_alloc alloc;
    bool fails = false;
    failing_alloc_init(&alloc, 0);
    struct site site = open_site(NULL, &alloc.allocator);
    hear_all(&site);
    alloc.fail_at = alloc.calls + number;
    const struct zkt_str payload = ZKT_STR("m");
    const bool sent = zkt_server_broadcast(site.server, 0, &payload,
                                           zkt_to_all()) == ZKT_OK;
    const bool runs = zkt_server_run(site.server, 0, ZKT_STR("x"), run_job,
                                     (void (*)(void))announce,
                                     &fails) == ZKT_OK;
    const bool kicked = zkt_server_kick(site.server, id_of(&site, 1), 4000,
                                        "x") == ZKT_OK;
    settle(site.server);
    const bool over = alloc.calls < alloc.fail_at;
    const char *text = said(&site.wires[0]);
    /* A handler's broadcasts are sent all or not at all. */
    assert_int_equal(strstr(text, NEWS("hear")) != NULL,
                     strstr(text, TICK) != NULL);
    if (over) {
        assert_true(sent && runs && kicked);
        assert_string_equal(text, NEWS("m") NEWS("hear") TICK);
    }
    close_site(&site);
    assert_int_equal(alloc.live, 0);
    return !over;
}

static void test_every_allocation_fails(void **state)
{
    long number = 1;
    (void)state;
    while (try_without_memory(number)) {
        number++;
    }
    assert_true(number > 6);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_hears),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_a_payload_that_breaks_a_rule),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_with_the_commit),
        cmocka_unit_test(test_poisoned_calls),
        cmocka_unit_test(test_kick_from_outside),
        cmocka_unit_test(test_kick_of_a_client_that_does_not_listen),
        cmocka_unit_test(test_kick_in_a_handler),
        cmocka_unit_test(test_kick_and_calls_that_wait),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_every_allocation_fails),
    };
    shards = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
