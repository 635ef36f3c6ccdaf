/*
 * A C client against plain_server.js, which speaks plain Zocket: the client
 * works without the additions of a zocketc server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "program.h"

struct seen {
    struct zkt_client *client;
    struct test_doc *doc;
    int hits, reconnections;
    enum zkt_connection status;
};

static void on_hit(const struct test_doc_hit_event *event, void *user)
{
    struct seen *seen = user;
    seen->hits += event->by;
}

static void on_state(const struct test_doc_state *now, void *user)
{
    (void)now;
    (void)user;
}

static void on_status(enum zkt_connection status, void *user)
{
    struct seen *seen = user;
    seen->reconnections += status == ZKT_RECONNECTING;
}

static int32_t add(struct seen *seen, int32_t by)
{
    const struct test_doc_add_input in = { .by = by };
    struct zkt_reply reply = { 0 };
    int32_t n = 0;
    assert_int_equal(test_doc_call_add(seen->doc, &in, &n, &reply), ZKT_OK);
    zkt_reply_clear(&reply);
    return n;
}

static void test_a_plain_server(void **state)
{
    const struct zkt_client_options quick = { .reconnect_min_ms = 5 };
    const struct test_doc_add_input six = { .by = 6 };
    struct program *server = *state;
    struct zkt_client_stats stats;
    struct zkt_reply reply = { 0 };
    struct zkt_str name;
    struct seen seen = { .client = zkt_client_open(server->url, &quick) };
    int32_t n;
    seen.doc = test_doc_open(seen.client, "a");
    zkt_client_on_status(seen.client, on_status, &seen);
    test_doc_subscribe(seen.doc, on_state, &seen);
    test_doc_on_hit(seen.doc, on_hit, &seen);

    for (int32_t i = 1; i <= 5; i++) {
        assert_int_equal(add(&seen, i), i * (i + 1) / 2);
        const struct test_doc_state *now = test_doc_snapshot(seen.doc);
        assert_int_equal(now->n, i * (i + 1) / 2);
        assert_int_equal(now->list.len, i);
        for (int32_t at = 0; at < i; at++) {
            assert_int_equal(now->list.items[at], i - at);
        }
    }
    assert_int_equal(seen.hits, 15);
    assert_string_equal(zkt_client_own_id(seen.client).data, "");
    assert_int_equal(test_doc_call_name(seen.doc, &name, &reply), ZKT_OK);
    assert_string_equal(name.data, "plain");
    assert_int_equal(test_doc_call_add(seen.doc, &six, &n, &reply),
                     ZKT_INTERNAL);
    assert_string_equal(reply.error, "too much");

    /* The server drops us during a call, and knows its state after that. */
    assert_int_equal(test_doc_call_ping(seen.doc, &reply), ZKT_UNAVAILABLE);
    assert_memory_equal(reply.error, "WebSocket closed: ", 18);
    assert_int_equal(add(&seen, 1), 16);
    assert_int_equal(test_doc_snapshot(seen.doc)->n, 16);
    assert_int_equal(test_doc_snapshot(seen.doc)->list.len, 6);
    assert_int_equal(seen.hits, 16);
    assert_int_equal(seen.reconnections, 1);
    zkt_client_stats(seen.client, &stats);
    assert_int_equal(stats.mismatches, 0);
    assert_int_equal(stats.snapshots, 2);
    assert_int_equal(stats.unknown_messages, 0);
    zkt_reply_clear(&reply);
    test_doc_close(seen.doc);
    zkt_client_close(seen.client);
}

int main(int argc, char **argv)
{
    static struct program server;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_a_plain_server, &server),
    };
    if (argc < 3 || !program_start(&server, argv + 1, "0")) {
        fprintf(stderr, "usage: %s NODE plain_server.js\n", argv[0]);
        return 2;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    program_kill(&server);
    return failed;
}
