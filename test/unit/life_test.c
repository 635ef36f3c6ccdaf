/*
 * The states of a server's life and the effect of each event in each state: the
 * table of server/life.h, with one shard and with several. The test looks at
 * the first shard's state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "slow.h"

enum event {
    SHUTDOWN,
    CALLS_OVER, /* the last call has finished */
    TIME_OVER,  /* for unfinished calls */
    OTHERS_END,
    NEXT_TURN,
    ALL_GONE,
    EVENTS
};

enum {
    SHARDS_MAX = 3
};

struct world {
    struct failing_alloc alloc;
    struct zkt_server *server;
    uint32_t shards;
    struct wire wires[SHARDS_MAX];
    bool open;
    struct ran ran;
};

static struct zkt_server *shard(const struct world *w, uint32_t i)
{
    return zkt__server_shard(w->server, i);
}

static void turn_others(const struct world *w)
{
    for (uint32_t i = 1; i < w->shards; i++) {
        turn(shard(w, i));
    }
}

static void happen(struct world *w, enum event event)
{
    switch (event) {
    case SHUTDOWN:
        zkt_server_shutdown(w->server);
        turn(w->server);
        break;
    case CALLS_OVER:
        if (held_count > 0) {
            resume(--held_count, &w->ran);
        }
        /* the others have no calls, but do not end before the first shard */
        turn_others(w);
        turn(w->server);
        break;
    case TIME_OVER:
        zkt_server_advance(w->server, 5000);
        break;
    case OTHERS_END:
        turn_others(w);
        break;
    case NEXT_TURN:
        turn(w->server);
        break;
    case ALL_GONE:
        for (uint32_t i = 0; w->open && i < w->shards; i++) {
            close_wire(&w->wires[i]);
        }
        w->open = false;
        turn(w->server);
        break;
    case EVENTS:
        break;
    }
}

static void begin(struct world *w, uint32_t shards)
{
    const struct zkt_limits limits = { .ping_after_ms = INT32_MAX,
                                       .close_ms = INT32_MAX };
    *w = (struct world){ .shards = shards, .open = true };
    failing_alloc_init(&w->alloc, 0);
    w->server = new_slow_shards(&limits, &w->alloc.allocator, shards);
    zkt__server_run_shards(w->server, shards);
    for (uint32_t i = 0; i < shards; i++) {
        w->wires[i] = open_slow(shard(w, i));
    }
    (void)ask(&w->wires[0], ADD("1", "x", "1", "later"));
}

static void end(struct world *w)
{
    zkt_server_free(w->server);
    while (held_count > 0) {
        resume(--held_count, &w->ran);
    }
    for (uint32_t i = 0; w->open && i < w->shards; i++) {
        free(w->wires[i].text);
    }
    assert_int_equal(hooks.activate, hooks.deactivate);
    assert_int_equal(hooks.connect, hooks.disconnect);
    assert_int_equal(w->alloc.live, 0);
}

/* The events that lead to each state. */
static const struct way {
    enum zkt_life to;
    size_t len;
    enum event events[8];
} ways[] = {
    { ZKT_LIFE_SERVING, 0, { EVENTS } },
    { ZKT_LIFE_DRAINING, 1, { SHUTDOWN } },
    { ZKT_LIFE_ENDED, 2, { SHUTDOWN, TIME_OVER } },
    { ZKT_LIFE_CLOSING, 4, { SHUTDOWN, TIME_OVER, OTHERS_END, NEXT_TURN } },
    { ZKT_LIFE_DOWN,
      5,
      { SHUTDOWN, TIME_OVER, OTHERS_END, NEXT_TURN, ALL_GONE } },
};

/* The next state, by state and event. */
static const enum zkt_life next[][EVENTS] = {
    [ZKT_LIFE_SERVING] = { ZKT_LIFE_DRAINING, ZKT_LIFE_SERVING,
                           ZKT_LIFE_SERVING, ZKT_LIFE_SERVING, ZKT_LIFE_SERVING,
                           ZKT_LIFE_SERVING },
    [ZKT_LIFE_DRAINING] = { ZKT_LIFE_DRAINING, ZKT_LIFE_ENDED, ZKT_LIFE_ENDED,
                            ZKT_LIFE_DRAINING, ZKT_LIFE_DRAINING,
                            ZKT_LIFE_DRAINING },
    /* The other shards have ended in the first of these events; then comes a
     * turn. */
    [ZKT_LIFE_ENDED] = { ZKT_LIFE_ENDED, ZKT_LIFE_CLOSING, ZKT_LIFE_ENDED,
                         ZKT_LIFE_ENDED, ZKT_LIFE_ENDED, ZKT_LIFE_ENDED },
    [ZKT_LIFE_CLOSING] = { ZKT_LIFE_CLOSING, ZKT_LIFE_CLOSING, ZKT_LIFE_CLOSING,
                           ZKT_LIFE_CLOSING, ZKT_LIFE_CLOSING, ZKT_LIFE_DOWN },
    [ZKT_LIFE_DOWN] = { ZKT_LIFE_DOWN, ZKT_LIFE_DOWN, ZKT_LIFE_DOWN,
                        ZKT_LIFE_DOWN, ZKT_LIFE_DOWN, ZKT_LIFE_DOWN },
};

/* A single shard waits for no other: it does not stay in ended. */
static enum zkt_life pass_ended(const struct world *w, enum zkt_life life)
{
    return w->shards == 1 && life == ZKT_LIFE_ENDED ? ZKT_LIFE_CLOSING : life;
}

static void go(struct world *w, const struct way *way)
{
    for (size_t i = 0; i < way->len; i++) {
        happen(w, way->events[i]);
    }
    assert_int_equal(w->server->life, pass_ended(w, way->to));
}

static void test_every_event_in_every_state(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            for (int event = 0; event < EVENTS; event++) {
                struct world w;
                begin(&w, shards);
                go(&w, &ways[i]);
                const enum zkt_life from = w.server->life;
                happen(&w, (enum event)event);
                assert_int_equal(w.server->life,
                                 pass_ended(&w, next[from][event]));
                assert_int_equal(zkt__server_is_stopping(w.server),
                                 w.server->life > ZKT_LIFE_SERVING);
                end(&w); /* freed in every state */
            }
        }
    }
}

/* A shard closes only after all have ended and their last messages have been
 * taken. */
static void test_the_last_messages_of_other_shards(void **state)
{
    struct world w;
    (void)state;
    begin(&w, 2);
    (void)ask(&w.wires[1], ADD("2", "y", "1", ""));
    send_text(&w.wires[0], SUB("state:sub", "y"), true);
    turn(shard(&w, 1));
    turn(shard(&w, 0));
    (void)said(&w.wires[0]);
    zkt_server_shutdown(w.server);
    turn(shard(&w, 0));
    zkt_server_advance(shard(&w, 0), 5000);
    assert_int_equal(shard(&w, 0)->life, ZKT_LIFE_ENDED);
    turn(shard(&w, 1));
    assert_int_equal(shard(&w, 0)->life, ZKT_LIFE_ENDED);
    const struct zkt_core *core = zkt__server_core(shard(&w, 0));
    assert_int_equal(core->ops->deadline(core), core->now_ms);
    turn(shard(&w, 0));
    assert_string_equal(
        said(&w.wires[0]),
        REFUSED("1", "the server stops", "UNAVAILABLE") "close 1001\n");
    end(&w);
}

/* Runs in posted functions while the server is freed. */
static void look_at_freed(struct zkt_server *server, void *user)
{
    int *looked = user;
    (*looked)++;
    assert_true(zkt_server_is_down(server));
    zkt_server_shutdown(server);
    zkt_server_free(server); /* does nothing */
    assert_null(zkt__server_accept(server, "test"));
    assert_int_equal(zkt_server_post(server, look_at_freed, user), ZKT_CLOSED);
}

static void test_a_server_that_is_freed(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        struct world w;
        int looked = 0;
        begin(&w, shards);
        for (uint32_t i = 0; i < shards; i++) {
            assert_int_equal(
                zkt_server_post(shard(&w, i), look_at_freed, &looked), ZKT_OK);
        }
        end(&w);
        assert_int_equal(looked, shards);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state),
        cmocka_unit_test(test_the_last_messages_of_other_shards),
        cmocka_unit_test(test_a_server_that_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
