/*
 * Clients that take more than their share: a subscriber that never reads, many
 * that send byte by byte, a client with ten thousand instances, a thousand that
 * leave at once. Their cost is bounded, and a bystander is served as if they
 * were not there. Time is counted in turns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "slow.h"
#include "zocket/embed.h"

/* ---- an allocator that knows how much is alive ---- */

struct meter {
    struct zkt_allocator allocator;
    size_t live, peak;
};

union block {
    size_t size;
    max_align_t align;
};

static void *meter_resize(void *user, void *data, size_t size)
{
    struct meter *m = user;
    union block *old = data != NULL ? (union block *)data - 1 : NULL;
    const size_t before = old != NULL ? old->size : 0;
    union block *block = realloc(old, sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    m->live += size - before;
    m->peak = m->live > m->peak ? m->live : m->peak;
    return block + 1;
}

static void *meter_get(void *user, size_t size)
{
    return meter_resize(user, NULL, size);
}

static void meter_release(void *user, void *data)
{
    struct meter *m = user;
    if (data != NULL) {
        m->live -= ((union block *)data - 1)->size;
        free((union block *)data - 1);
    }
}

static void meter_init(struct meter *m)
{
    *m = (struct meter){
        .allocator = { meter_get, meter_resize, meter_release, m },
    };
}

/* ---- subscribers ---- */

/* Checks the input of a healthy subscriber: a patch and an event for each
 * change, in order; @next is the next expected change. */
static void follow(struct wire *w, int *next)
{
    const char *at = said(w);
    char wanted[128];
    while (*at != '\0') {
        snprintf(wanted, sizeof(wanted),
                 "{\"type\":\"state:patch\",\"actor\":\"job\",\"actorId\":"
                 "\"x\",\"patches\":[{\"op\":\"replace\",\"path\":\"/n\","
                 "\"value\":%d}]}\n",
                 *next);
        assert_memory_equal(at, wanted, strlen(wanted));
        at += strlen(wanted);
        snprintf(wanted, sizeof(wanted), "{\"n\":%d}", *next);
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_true(holds(at, (size_t)(end - at), "\"event\""));
        assert_true(holds(at, (size_t)(end - at), wanted));
        (*next)++;
        at = end + 1;
    }
}

static void test_a_subscriber_that_never_reads(void **state)
{
    enum {
        CHANGES = 100000,
        HEALTHY = 3,
        EVERY = 7 /* rounds between two reads */
    };
    struct meter meter;
    struct wire healthy[HEALTHY];
    int next[HEALTHY];
    (void)state;
    meter_init(&meter);
    struct zkt_server *server = new_slow_server(NULL, &meter.allocator);
    struct wire deaf = open_slow(server), busy = open_slow(server);
    send_text(&deaf, SUB("state:sub", "x"), false);
    for (size_t i = 0; i < HEALTHY; i++) {
        healthy[i] = open_slow(server);
        next[i] = 1;
        assert_non_null(
            strstr(ask(&healthy[i], SUB("state:sub", "x")), "\"n\":0"));
        assert_string_equal(ask(&healthy[i], SUB("event:sub", "x")), "");
    }
    for (int i = 1; i <= CHANGES; i++) {
        send_text(&busy, ADD("1", "x", "1", ""), true);
        busy.len = 0;
        for (size_t h = 0; h < HEALTHY && i % EVERY == 0; h++) {
            follow(&healthy[h], &next[h]);
        }
    }
    /* Its queue holds no more than output_high, and a placeholder. */
    assert_true(meter.peak < 512 * 1024);
    assert_int_equal(stats_of(server).limit_hits.output_high, 1);
    for (size_t i = 0; i < HEALTHY; i++) {
        follow(&healthy[i], &next[i]);
        assert_int_equal(next[i], CHANGES + 1);
        close_wire(&healthy[i]);
    }
    drain(&deaf);
    static const char last[] = "\"state\":{\"n\":100000,\"trail\":\"\"}}";
    assert_string_equal(deaf.text + deaf.len - strlen(last), last);
    /* From here on it gets patches again. */
    deaf.len = 0;
    send_text(&busy, ADD("1", "x", "1", ""), true);
    assert_non_null(strstr(said(&deaf), "\"value\":100001}"));
    close_wire(&deaf);
    close_wire(&busy);
    zkt_server_free(server);
    assert_int_equal(meter.live, 0);
}

/* ---- slow senders ---- */

static void test_a_hundred_slow_drippers(void **state)
{
    enum {
        DRIPPERS = 100
    };
    static const char call[] = ADD("1", "drip", "1", "");
    char script[1024];
    struct wire w[DRIPPERS];
    struct meter meter;
    (void)state;
    meter_init(&meter);
    struct zkt_server *server = new_slow_server(NULL, &meter.allocator);
    struct wire bystander = open_slow(server);
    memcpy(script, request, sizeof(request) - 1);
    const size_t len = sizeof(request) - 1 +
                       frame(script + sizeof(request) - 1, call);
    for (size_t i = 0; i < DRIPPERS; i++) {
        w[i] = (struct wire){ .e = zkt__server_accept(server, "drip") };
        assert_non_null(w[i].e);
    }
    for (size_t at = 0; at < len; at++) {
        char expected[128];
        for (size_t i = 0; i < DRIPPERS; i++) {
            feed(&w[i], script + at, 1, 1, true);
        }
        snprintf(expected, sizeof(expected), RESULT("b", "%zu"), at + 1);
        assert_string_equal(ask(&bystander, ADD("b", "other", "1", "")),
                            expected);
    }
    for (size_t i = 0; i < DRIPPERS; i++) {
        char expected[128];
        const int n = snprintf(expected, sizeof(expected),
                               "\"id\":\"1\",\"result\":%zu}", i + 1);
        assert_memory_equal(w[i].text + w[i].len - n, expected, (size_t)n);
        close_wire(&w[i]);
    }
    assert_true(meter.peak < DRIPPERS * 4096);
    close_wire(&bystander);
    zkt_server_free(server);
    assert_int_equal(meter.live, 0);
}

/* ---- many instances ---- */

static const char *touch(struct wire *w, int number)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"type\":\"event:sub\",\"actor\":\"job\",\"actorId\":\"%d\"}",
             number);
    return ask(w, text);
}

static void test_ten_thousand_instances_of_one(void **state)
{
    enum {
        INSTANCES = 10000,
        LINKS = 1024
    };
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire greedy = open_slow(server), bystander = open_slow(server);
    (void)state;
    for (int i = 0; i < INSTANCES; i++) {
        const char *answer = touch(&greedy, i);
        assert_true(i < LINKS ? answer[0] == '\0'
                              : strstr(answer, "RESOURCE_EXHAUSTED") != NULL);
    }
    assert_int_equal(stats_of(server).instances, LINKS);
    assert_int_equal(stats_of(server).limit_hits.links, INSTANCES - LINKS);
    assert_string_equal(ask(&bystander, ADD("1", "x", "1", "")),
                        RESULT("1", "1"));
    close_wire(&greedy);
    close_wire(&bystander);
    zkt_server_free(server);
}

static void test_a_thousand_leave_at_once(void **state)
{
    enum {
        LEAVERS = 1000,
        EACH = 20,
        PER_TURN = 256
    };
    static struct wire w[LEAVERS];
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire bystander = open_slow(server);
    int turns = 0;
    (void)state;
    for (int i = 0; i < LEAVERS; i++) {
        w[i] = open_slow(server);
        for (int k = 0; k < EACH; k++) {
            assert_string_equal(touch(&w[i], i * EACH + k), "");
        }
    }
    assert_int_equal(stats_of(server).instances, LEAVERS * EACH);
    for (int i = 0; i < LEAVERS; i++) {
        close_wire(&w[i]);
    }
    while (hooks.disconnect < LEAVERS * EACH) {
        const int before = hooks.disconnect;
        char expected[128];
        assert_int_equal(zkt_server_timeout(server), 0);
        turns++;
        /* A turn handles the calls that have come, then some of the
         * disconnects. */
        snprintf(expected, sizeof(expected), RESULT("b", "%d"), turns);
        assert_string_equal(ask(&bystander, ADD("b", "other", "1", "")),
                            expected);
        assert_in_range(hooks.disconnect - before, 1, PER_TURN);
    }
    assert_int_equal(turns, (LEAVERS * EACH + PER_TURN - 1) / PER_TURN);
    assert_int_equal(stats_of(server).limit_hits.leaves_per_turn, turns - 1);
    assert_int_equal(stats_of(server).connections, 1);
    assert_int_equal(stats_of(server).instances, LEAVERS * EACH + 1);
    close_wire(&bystander);
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subscriber_that_never_reads),
        cmocka_unit_test(test_a_hundred_slow_drippers),
        cmocka_unit_test(test_ten_thousand_instances_of_one),
        cmocka_unit_test(test_a_thousand_leave_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
