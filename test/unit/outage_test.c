/*
 * A server's work beside calls, with an allocator that fails once, at every
 * allocation in turn, or that has no memory for a while: a conflated
 * subscriber, destroyed or evicted instances, private state, deferred calls,
 * and each phase of a shutdown. After any failure nothing leaks, a refusal has
 * a reason, and other clients go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "slow.h"
#include "zocket/embed.h"

static const struct zkt_limits limits = {
    .output_high = 400,
    .output_hard = 4000,
    .idle_ms = 1000,
    .drain_ms = 500,
    .ping_after_ms = INT32_MAX,
};

/* Every reply is a result or an error with a text. */
static void assert_answers(const char *lines)
{
    const char *at = lines;
    while ((at = strstr(at, "\"rpc:result\"")) != NULL) {
        const char *end = strchr(at, '\n');
        const char *error = strstr(at, "\"error\":\"");
        assert_non_null(end);
        assert_true(error == NULL || error > end || error[9] != '"');
        at = end;
    }
}

static bool is_open(const struct wire *w)
{
    return w->e != NULL && zkt_endpoint_fate(w->e) == ZKT_FATE_OPEN;
}

static void hear(struct wire *w)
{
    if (w->e != NULL) {
        assert_answers(said(w));
    }
}

static void tell(struct wire *w, const char *text, bool takes)
{
    if (is_open(w)) {
        send_text(w, text, takes);
        if (takes) {
            assert_answers(said(w));
        }
    }
}

static struct wire arrive(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "test") };
    if (w.e != NULL) {
        feed(&w, request, sizeof(request) - 1, 4096, true);
        w.len = 0;
    }
    return w;
}

static void leave(struct wire *w)
{
    if (w->e != NULL) {
        close_wire(w);
    }
}

#define SET(id, instance, n)                                                   \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"plain\",\"actorId\":\"" instance                           \
    "\",\"method\":\"set\",\"input\":{\"n\":" n "}}"

/* A subscriber reads nothing while another client works; then it reads, and
 * sees the last state. */
static void collapse(struct zkt_server *server, struct wire *busy)
{
    struct wire slow = arrive(server);
    tell(&slow, SUB("state:sub", "x"), false);
    for (int i = 0; i < 12; i++) {
        tell(busy, ADD("a", "x", "1", ""), true);
        tell(busy, MARK("m", "x", "y"), true);
    }
    if (is_open(&slow)) {
        const char *all = said(&slow);
        const char *last = strstr(all, "state:snapshot");
        assert_true(last != NULL || strstr(all, "sub:error") != NULL ||
                    !is_open(&slow));
    }
    leave(&slow);
    turn(server);
}

/* Ends instances in every way. */
static void end_instances(struct zkt_server *server, struct wire *w)
{
    tell(w, SUB("state:sub", "y"), true);
    tell(w, ADD("1", "y", "1", ""), true);
    (void)zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("y"));
    turn(server);
    hear(w);
    tell(w, SLOW_CALL("2", "z", "end", "null"), true);
    turn(server);
    struct wire brief = arrive(server);
    tell(&brief, SET("3", "p", "5"), true);
    tell(&brief, SET("4", "p", "6"), true);
    leave(&brief);
    turn(server);
    zkt_server_advance(server, 1000); /* evicted */
    zkt_server_advance(server, 1000);
}

/* Stops the server during a call, and calls it afterwards. */
static void stop(struct zkt_server *server, struct wire *w, struct ran *ran)
{
    tell(w, ADD("5", "d", "1", "later-dirty"), true);
    tell(w, ADD("6", "d", "1", "waits"), true);
    zkt_server_shutdown(server);
    tell(w, ADD("7", "e", "1", "too late"), true);
    zkt_server_advance(server, 500);
    hear(w);
    if (held_count > 0) {
        resume(0, ran);
    }
    zkt_server_advance(server, 2000);
    leave(w);
}

/* Fails @count allocations from the @n-th on. */
static bool run(long n, long count)
{
    struct failing_alloc failing;
    struct ran ran = { 0 };
    failing_alloc_init(&failing, 0);
    struct zkt_server *server = new_slow_server(&limits, &failing.allocator);
    struct wire witness = open_slow(server);
    assert_string_equal(ask(&witness, ADD("w", "w", "1", "")),
                        RESULT("w", "1"));
    failing.calls = 0;
    failing.fail_at = n;
    failing.fail_count = count;
    struct wire busy = arrive(server);
    collapse(server, &busy);
    end_instances(server, &busy);
    const bool failed = failing.calls >= n;
    if (count == 1 && failed) { /* the witness is not affected */
        assert_string_equal(ask(&witness, ADD("w", "w", "1", "")),
                            RESULT("w", "2"));
    }
    stop(server, &busy, &ran);
    leave(&witness);
    turn(server);
    assert_true(zkt_server_is_down(server));
    const bool all = failed || failing.calls >= n;
    failing.fail_at = 0;
    assert_int_equal(ran.times, held_count);
    zkt_server_free(server);
    assert_int_equal(failing.live, 0);
    /* deactivating needs memory */
    assert_true(hooks.deactivate <= hooks.activate);
    return all;
}

static void test_every_allocation(void **state)
{
    long n = 1;
    (void)state;
    while (run(n, 1)) {
        n++;
    }
    assert_true(n > 80);
}

/* Memory is missing for so long that no retry succeeds. */
static void test_no_memory_for_a_while(void **state)
{
    long n = 1;
    (void)state;
    while (run(n, 20)) {
        n += 3;
    }
    assert_true(n > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation),
        cmocka_unit_test(test_no_memory_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
