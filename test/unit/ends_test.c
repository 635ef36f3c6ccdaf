/*
 * A server is freed at any moment: after each step of a session and a number of
 * turns, with one shard or several, while it serves or in any phase of its
 * shutdown. Messages between shards at that moment end with it: no memory
 * leaks, no freed memory is used, every hook that has begun ends, and a
 * deferred call is cancelled, also if it is resumed after the end of the
 * server. The shards' turns carry the work that a step leaves; the test takes
 * only the turns that it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slow.h"

enum {
    WIRES = 3
};

struct session {
    struct failing_alloc alloc;
    struct zkt_server *server;
    uint32_t threads;
    struct wire wires[WIRES];
    struct ran ran;
    int posted; /* functions that have run */
};

/* ---- steps ---- */

static void count_posted(struct zkt_server *server, void *user)
{
    (void)server;
    (*(int *)user)++;
}

static void say(struct session *s, int wire, const char *text)
{
    struct wire *w = &s->wires[wire];
    uint8_t bytes[1024];
    const size_t len = frame((char *)bytes, text);
    w->e->ops->feed(w->e, bytes, len); /* and the turn does not end */
}

static void resume_held(struct session *s)
{
    while (held_count > 0) {
        resume(--held_count, &s->ran);
    }
}

enum special {
    SAY,
    RESUME,
    DESTROY,
    POST,
    LEAVE
};

/* A session: a message of a wire, or another event. */
static const struct step {
    enum special special;
    int wire;
    const char *text;
} steps[] = {
    { SAY, 0, SUB("state:sub", "x") },
    { SAY, 1, SUB("state:sub", "x") },
    { SAY, 2, SUB("event:sub", "x") },
    { SAY, 1, ADD("1", "x", "1", "") },
    { SAY, 0, ADD("2", "x", "1", "later-dirty") },
    { SAY, 2, SUB("state:sub", "x") },
    { SAY, 1, ADD("3", "x", "1", "later") },
    { RESUME, 0, NULL },
    { SAY, 1, SUB("event:sub", "y") },
    { SAY, 0, ADD("4", "y", "1", "later") },
    { SAY, 2, MARK("5", "y", "behind") },
    { DESTROY, 0, "y" },
    { SAY, 2, ADD("6", "y", "1", "later-early") },
    { POST, 0, NULL },
    { LEAVE, 1, NULL },
    { SAY, 0, SLOW_CALL("7", "x", "end", "null") },
    { SAY, 2, ADD("8", "x", "1", "later") },
    { RESUME, 0, NULL },
    { SAY, 2, ADD("9", "z", "1", "later") },
    { LEAVE, 2, NULL },
};

enum {
    STEPS = sizeof(steps) / sizeof(steps[0])
};

static struct zkt_server *shard(const struct session *s, uint32_t i)
{
    return zkt__server_shard(s->server, i % s->threads);
}

static void leave(struct session *s, int wire)
{
    if (s->wires[wire].e != NULL) {
        s->wires[wire].e->ops->detach(s->wires[wire].e);
        s->wires[wire].e = NULL;
    }
}

static void take_step(struct session *s, const struct step *step)
{
    switch (step->special) {
    case SAY:
        say(s, step->wire, step->text);
        break;
    case RESUME:
        resume_held(s);
        break;
    case DESTROY:
        (void)zkt_server_destroy(shard(s, 1), ZKT_STR("job"),
                                 zkt_cstr(step->text));
        break;
    case POST:
        for (uint32_t i = 0; i < s->threads; i++) {
            assert_int_equal(
                zkt_server_post(shard(s, i), count_posted, &s->posted), ZKT_OK);
        }
        break;
    case LEAVE:
        leave(s, step->wire);
        break;
    }
}

/* Takes @turns turns, a shard after the other, beginning with @first. */
static void turn_around(const struct session *s, uint32_t first, uint32_t turns)
{
    for (uint32_t i = 0; i < turns; i++) {
        turn(shard(s, first + i));
    }
}

/* ---- sessions ---- */

static void begin(struct session *s, uint32_t threads,
                  const struct zkt_limits *limits)
{
    *s = (struct session){ .threads = threads };
    failing_alloc_init(&s->alloc, 0);
    s->server = new_slow_shards(limits, &s->alloc.allocator, threads);
    zkt__server_run_shards(s->server, threads);
    for (uint32_t i = 0; i < WIRES; i++) {
        s->wires[i] = open_slow(shard(s, i));
    }
}

static void play(struct session *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        take_step(s, &steps[i]);
        if (i + 1 < count) {
            turn_around(s, (uint32_t)i, 2 * s->threads);
        }
    }
}

static void end(struct session *s)
{
    zkt_server_free(s->server);
    assert_int_equal(hooks.activate, hooks.deactivate);
    const int before = s->ran.times - s->ran.cancelled;
    resume_held(s);
    assert_int_equal(s->ran.times - s->ran.cancelled, before);
    assert_int_equal(s->alloc.live, 0);
    for (int i = 0; i < WIRES; i++) {
        free(s->wires[i].text);
    }
}

static void test_freed_while_it_serves(void **state)
{
    struct session s;
    (void)state;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        for (size_t count = 0; count <= STEPS; count++) {
            for (uint32_t way = 0; way < 3 * threads * threads; way++) {
                begin(&s, threads, NULL);
                play(&s, count);
                turn_around(&s, way % threads, way / threads);
                end(&s);
            }
        }
    }
}

/* Begins a shutdown and takes @turns turns. If their number is even, the time
 * for calls then runs out on each shard, with half as many turns after it. */
static void stop(const struct session *s, uint32_t first, uint32_t turns)
{
    zkt_server_shutdown(s->server);
    turn_around(s, first, turns);
    if (turns % 2 == 0) {
        for (uint32_t i = 0; i < s->threads; i++) {
            zkt_server_advance(shard(s, first + i), 5000);
            turn_around(s, first + i, turns / 2);
        }
    }
}

static void test_freed_while_it_stops(void **state)
{
    const struct zkt_limits one = { .posted_per_turn = 1 };
    struct session s;
    (void)state;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        for (size_t count = 0; count <= STEPS; count++) {
            for (uint32_t way = 0; way < 3 * threads * threads; way++) {
                begin(&s, threads, &one);
                play(&s, count);
                stop(&s, way % threads, way / threads);
                end(&s);
            }
        }
    }
}

/* Posted functions run, whenever the server is freed. */
static void test_posted_functions_run(void **state)
{
    const struct zkt_limits one = { .posted_per_turn = 1 };
    struct session s;
    (void)state;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        begin(&s, threads, &one);
        for (int i = 0; i < 3; i++) {
            take_step(&s, &(struct step){ .special = POST });
        }
        end(&s);
        assert_int_equal(s.posted, 3 * threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freed_while_it_serves),
        cmocka_unit_test(test_freed_while_it_stops),
        cmocka_unit_test(test_posted_functions_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
