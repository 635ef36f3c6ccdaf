/*
 * Clients and a server joined in memory, in each other's callbacks: any client
 * may be closed, polled, called or opened in any callback; nothing hangs, no
 * freed memory is used, and the remaining clients work on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "counter_client.h"
#include "counter_server.h"
#include "failing_alloc.h"

enum place {
    IN_REPLY,
    IN_STATE,
    IN_HANDLER,
    IN_SERVER_POST,
    IN_POST,
    IN_LOG,
    IN_END, /* a call that fails at the end of its client */
    PLACES
};

enum deed {
    POLL_OTHER,
    CALL_OTHER,
    CLOSE_OWN,
    CLOSE_OTHER,
    CLOSE_ALL,
    OPEN_ANOTHER,
    ADVANCE,
    DEEDS
};

enum {
    CLIENTS = 3
};

static struct joined {
    struct failing_alloc memory;
    struct zkt_server *server;
    struct zkt_client *clients[CLIENTS + 1]; /* NULL if closed */
    struct demo_counter *counters[CLIENTS + 1];
    enum place place;
    enum deed deed;
    int begun, told;
    bool armed, done;
} j;

static void on_number(const struct zkt_reply *reply, int32_t n, void *user)
{
    (void)reply;
    (void)n;
    (void)user;
    j.told++;
}

/* ---- actions ---- */

static void close_client(int i)
{
    struct zkt_client *client = j.clients[i];
    demo_counter_close(j.counters[i]);
    j.clients[i] = NULL;
    j.counters[i] = NULL;
    zkt_client_close(client);
}

static void open_client(int i)
{
    j.clients[i] = zkt_client_open_local(j.server);
    assert_non_null(j.clients[i]);
    j.counters[i] = demo_counter_open(j.clients[i], "x");
}

static void call_other(void)
{
    const struct demo_counter_inc_input in = { .by = 1 };
    struct zkt_reply reply = { 0 };
    int32_t n;
    j.begun++;
    demo_counter_begin_inc(j.counters[1], &in, on_number, NULL);
    /* Joined clients have their turns together, so a blocking call of another
     * client is inside this callback. */
    assert_int_equal(demo_counter_call_inc(j.counters[1], &in, &n, &reply),
                     ZKT_FAILED_PRECONDITION);
    assert_string_equal(reply.error, "a blocking call inside a callback");
    zkt_reply_clear(&reply);
}

static void act(enum place place)
{
    if (!j.armed || j.done || j.place != place) {
        return;
    }
    j.done = true;
    switch (j.deed) {
    case POLL_OTHER:
        assert_int_equal(zkt_client_poll(j.clients[1], 0),
                         ZKT_FAILED_PRECONDITION);
        break;
    case CALL_OTHER:
        call_other();
        break;
    case CLOSE_OWN:
        close_client(0);
        break;
    case CLOSE_OTHER:
        close_client(1);
        break;
    case CLOSE_ALL:
        for (int i = 0; i < CLIENTS; i++) {
            close_client(i);
        }
        break;
    case OPEN_ANOTHER:
        open_client(CLIENTS);
        break;
    default:
        zkt_server_advance(j.server, 1000);
        break;
    }
}

/* ---- callbacks ---- */

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    act(IN_HANDLER);
    return in->by == 7 ? zkt_fail(call->zkt, ZKT_INTERNAL, "seven") : ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static void on_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
    act(IN_LOG);
}

static void on_server_post(struct zkt_server *server, void *user)
{
    (void)server;
    (void)user;
    act(IN_SERVER_POST);
}

static void on_post(struct zkt_client *client, void *user)
{
    (void)client;
    (void)user;
    act(IN_POST);
}

static void on_state(const struct demo_counter_state *state, void *user)
{
    (void)state;
    (void)user;
    act(IN_STATE);
}

static void on_reply(const struct zkt_reply *reply, int32_t n, void *user)
{
    (void)n;
    (void)user;
    j.told++;
    act(reply->status == ZKT_CANCELLED ? IN_END : IN_REPLY);
}

/* ---- the session ---- */

static void begin_inc(int i, int32_t by)
{
    const struct demo_counter_inc_input in = { .by = by };
    j.begun++;
    demo_counter_begin_inc(j.counters[i], &in, on_reply, NULL);
}

/* Polls the remaining clients in turn. */
static void poll_all(void)
{
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i <= CLIENTS; i++) {
            if (j.clients[i] != NULL) {
                (void)zkt_client_poll(j.clients[i], 0);
            }
        }
    }
}

static void begin_session(enum place place, enum deed deed)
{
    static const struct demo_counter_handlers counter = { .inc = inc,
                                                          .reset = reset };
    static const struct demo_handlers handlers = { .counter = &counter };
    j = (struct joined){ .place = place, .deed = deed };
    failing_alloc_init(&j.memory, 0);
    const struct zkt_serve_options options = {
        .log = on_log,
        .allocator = &j.memory.allocator,
    };
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &j.server),
                     ZKT_OK);
    for (int i = 0; i < CLIENTS; i++) {
        open_client(i);
    }
    demo_counter_subscribe(j.counters[0], on_state, NULL);
    poll_all();
    j.armed = true;
}

/* @poller polls; all other clients have their turn within its poll. */
static void run_session(int poller)
{
    begin_inc(0, 1);
    begin_inc(0, 7);
    assert_int_equal(zkt_server_post(j.server, on_server_post, NULL), ZKT_OK);
    (void)zkt_client_post(j.clients[0], on_post, NULL);
    for (int i = 0; i < 20 && j.clients[poller] != NULL; i++) {
        struct zkt_client *polled = j.clients[poller];
        if (zkt_client_poll(polled, 0) == ZKT_CLOSED) {
            break;
        }
    }
    poll_all();
    if (j.place == IN_END) {
        begin_inc(0, 1);
        close_client(0);
    }
}

static void end_session(void)
{
    poll_all();
    for (int i = 0; i <= CLIENTS; i++) {
        if (j.clients[i] != NULL) {
            close_client(i);
        }
    }
    zkt_server_advance(j.server, 0);
    zkt_server_free(j.server);
    assert_true(j.done);
    assert_int_equal(j.told, j.begun);
    assert_int_equal(j.memory.live, 0);
}

static void test_any_action_in_any_callback(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES * DEEDS; i++) {
        for (int poller = 0; poller < CLIENTS; poller++) {
            const enum place place = (enum place)(i / DEEDS);
            const enum deed deed = (enum deed)(i % DEEDS);
            if (place == IN_END && (deed == CLOSE_OWN || deed == CLOSE_ALL ||
                                    deed == POLL_OTHER || deed == CALL_OTHER)) {
                /* a closed client cannot; another client's turn is legal
                 * then */
                continue;
            }
            begin_session(place, deed);
            run_session(poller);
            end_session();
        }
    }
}

/* The end of the last client ends the loopback. */
static void test_the_last_client_ends_in_a_turn(void **state)
{
    (void)state;
    begin_session(IN_SERVER_POST, CLOSE_ALL);
    assert_int_equal(zkt_server_post(j.server, on_server_post, NULL), ZKT_OK);
    zkt_server_advance(j.server, 1);
    assert_true(j.done);
    open_client(0);
    end_session();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_action_in_any_callback),
        cmocka_unit_test(test_the_last_client_ends_in_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
