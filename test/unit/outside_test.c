/*
 * Calls of instances by the program, on one shard, two and three: the argument
 * says how many. The test takes the turns of all shards. Instances are placed
 * on the last shard by a client of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limit_hits.h"
#include "server/connection.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"

static uint32_t shards = 1;

enum {
    JOB = 0,
    PLAIN = 1
};

struct site {
    struct zkt_server *server;
    struct wire wire; /* a client of the last shard */
};

static struct zkt_server *shard(const struct zkt_server *server, uint32_t i)
{
    return server->shards->all[i];
}

/* Delivers all messages that are under way, and those that they cause. */
static void settle(const struct zkt_server *server)
{
    for (uint32_t i = 0; i < 8 * shards; i++) {
        turn(shard(server, i % shards));
    }
}

static struct site open_site(const struct zkt_limits *limits,
                             const struct zkt_allocator *allocator)
{
    struct site site = { .server = new_slow_shards(limits, allocator, shards) };
    zkt__server_run_shards(site.server, shards);
    site.wire = open_slow(shard(site.server, shards - 1));
    return site;
}

static void close_site(struct site *site)
{
    close_wire(&site->wire);
    zkt_server_free(site->server);
}

static const char *ask_and_settle(struct site *site, const char *text)
{
    send_text(&site->wire, text, true);
    settle(site->server);
    return said(&site->wire);
}

/* ---- functions of the program, as generated code calls them ---- */

typedef enum zkt_status job_function(struct slow_job_call *call, void *user);

static enum zkt_status run_job(struct zkt_call *call, void (*fn)(void),
                               void *user)
{
    struct slow_job_call job = { call, zkt_call_state(call) };
    return ((job_function *)fn)(&job, user);
}

static enum zkt_status run(struct zkt_server *server, const char *id,
                           job_function *fn, void *user)
{
    return zkt_server_run(server, JOB, zkt_cstr(id), run_job,
                          (void (*)(void))fn, user);
}

/* What `done` has read, separated by spaces. */
static char replies[4096];

typedef void add_function(const struct zkt_reply *reply, const int32_t *result,
                          void *user);

static void add_done(void (*done)(void), const struct zkt_reply *reply,
                     const void *result, void *user)
{
    ((add_function *)done)(reply, result, user);
}

static void note_reply(const struct zkt_reply *reply, const int32_t *result,
                       void *user)
{
    const size_t len = strlen(replies);
    char *to = replies + len;
    const size_t size = sizeof(replies) - len;
    const char *label = user != NULL ? user : "";
    assert_string_equal(reply->reason, "");
    if (result != NULL) {
        assert_int_equal(reply->status, ZKT_OK);
        assert_string_equal(reply->error, "");
        snprintf(to, size, "%s%d ", label, (int)*result);
    } else {
        snprintf(to, size, "%s%s:%s ", label, zkt_status_name(reply->status),
                 reply->error);
    }
}

static enum zkt_status invoke(struct zkt_server *server, const char *id,
                              const char *method, const void *input,
                              const char *label)
{
    const struct zkt_actor *job = server->host.app.info->actors[JOB];
    return zkt_server_invoke(
        server, JOB, (uint32_t)job->find_method(zkt_cstr(method)), zkt_cstr(id),
        NULL, input, add_done, (void (*)(void))note_reply,
        (void *)(uintptr_t)label);
}

static enum zkt_status invoke_add(struct zkt_server *server, const char *id,
                                  int32_t by, const char *text,
                                  const char *label)
{
    return invoke(server, id, "add",
                  &(const struct slow_job_add_input){ by, zkt_cstr(text) },
                  label);
}

static const char *take_replies(void)
{
    static char copy[sizeof(replies)];
    memcpy(copy, replies, sizeof(copy));
    replies[0] = '\0';
    return copy;
}

/* ---- running ---- */

struct seen {
    int times, cancelled;
    size_t clients, client_id;
    char id[16];
    int32_t n;
};

static enum zkt_status look(struct slow_job_call *call, void *user)
{
    struct seen *seen = user;
    seen->times++;
    seen->cancelled += zkt_cancelled(call->zkt);
    seen->clients = zkt_clients(call->zkt).len;
    seen->client_id = zkt_client_id(call->zkt).len;
    seen->n = call->state->n;
    snprintf(seen->id, sizeof(seen->id), "%.*s",
             ZKT_ARG(zkt_instance_id(call->zkt)));
    slow_job_set_n(call, call->state->n + 10);
    slow_job_emit_added(call, &(struct slow_job_added_event){ call->state->n },
                        zkt_to_all());
    return ZKT_OK;
}

#define PATCH(id, n)                                                           \
    "{\"type\":\"state:patch\",\"actor\":\"job\",\"actorId\":\"" id            \
    "\",\"patches\":[{\"op\":\"replace\",\"path\":\"/n\",\"value\":" n "}]}\n"
#define ADDED(id, n)                                                           \
    "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":\"" id                  \
    "\",\"event\":\"added\",\"payload\":{\"n\":" n "}}\n"

static void test_run(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct seen seen = { 0 };
    (void)state;
    (void)ask_and_settle(&site, SUB("state:sub", "x"));
    (void)ask_and_settle(&site, SUB("event:sub", "x"));
    assert_int_equal(run(site.server, "x", look, &seen), ZKT_OK);
    assert_int_equal(seen.times, 0); /* not before a turn */
    settle(site.server);
    assert_string_equal(said(&site.wire), PATCH("x", "10") ADDED("x", "10"));
    assert_int_equal(seen.times, 1);
    assert_int_equal(seen.cancelled, 0);
    assert_int_equal(seen.clients, 1);
    assert_int_equal(seen.client_id, 0);
    assert_string_equal(seen.id, "x");
    assert_int_equal(hooks.connect, 1);
    close_site(&site);
    assert_int_equal(hooks.disconnect, 1);
}

/* An instance that only the program calls: it has no client, no hook runs for a
 * contact, and it lives on. */
static void test_an_instance_of_the_program(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct seen seen = { 0 };
    (void)state;
    assert_int_equal(run(site.server, "y", look, &seen), ZKT_OK);
    settle(site.server);
    assert_int_equal(seen.clients, 0);
    assert_int_equal(run(site.server, "y", look, &seen), ZKT_OK);
    settle(site.server);
    assert_int_equal(seen.times, 2);
    assert_int_equal(seen.n, 10);
    assert_int_equal(hooks.activate, 1);
    assert_int_equal(hooks.connect, 0);
    assert_int_equal(hooks.disconnect, 0);
    assert_int_equal(site.server->asks.session.contact_count, 0);
    close_site(&site);
    assert_int_equal(hooks.deactivate, 1);
    assert_int_equal(hooks.disconnect, 0);
}

static enum zkt_status fail_after_writing(struct slow_job_call *call,
                                          void *user)
{
    int *times = user;
    (*times)++;
    slow_job_set_n(call, 99);
    return zkt_fail(call->zkt, ZKT_ABORTED, "in vain");
}

static enum zkt_status defer(struct slow_job_call *call, void *user)
{
    int *times = user;
    (*times)++;
    slow_job_set_n(call, 99);
    assert_null(slow_job_defer_add(call));
    return ZKT_PENDING;
}

static void test_run_that_fails(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct seen seen = { 0 };
    int times = 0;
    (void)state;
    assert_int_equal(run(site.server, "x", fail_after_writing, &times), ZKT_OK);
    assert_int_equal(run(site.server, "x", defer, &times), ZKT_OK);
    assert_int_equal(run(site.server, "x", look, &seen), ZKT_OK);
    settle(site.server);
    assert_int_equal(times, 2);
    assert_int_equal(seen.times, 1);
    assert_int_equal(seen.n, 0);
    close_site(&site);
}

/* ---- invoking ---- */

static void test_invoke(void **state)
{
    struct site site = open_site(NULL, NULL);
    (void)state;
    (void)ask_and_settle(&site, ADD("1", "x", "5", ""));
    assert_int_equal(invoke_add(site.server, "x", 1, "", "a"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "x", 2, "", "b"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "y", 7, "", "c"), ZKT_OK);
    settle(site.server);
    assert_non_null(strstr(replies, "a6 "));
    assert_non_null(strstr(strstr(replies, "a6 "), "b8 "));
    assert_non_null(strstr(replies, "c7 "));
    (void)take_replies();
    /* Without a result, and without `done`. */
    assert_int_equal(invoke(site.server, "x", "mark",
                            &(const struct slow_job_mark_input){ ZKT_STR("m") },
                            "d"),
                     ZKT_OK);
    assert_int_equal(
        zkt_server_invoke(site.server, JOB, 0, ZKT_STR("x"), NULL,
                          &(const struct slow_job_add_input){ 1, ZKT_STR("") },
                          NULL, NULL, NULL),
        ZKT_OK);
    settle(site.server);
    assert_string_equal(take_replies(), "dOK: ");
    assert_string_equal(ask_and_settle(&site, ADD("2", "x", "0", "")),
                        RESULT("2", "9"));
    close_site(&site);
}

/* Results are copied with all that they point to. */
static void part_done(void (*done)(void), const struct zkt_reply *reply,
                      const void *result, void *user)
{
    const struct slow_part *part = result;
    char *name = user;
    (void)done;
    assert_int_equal(reply->status, ZKT_OK);
    assert_int_equal(part->sizes.len, 2);
    assert_int_equal(part->sizes.items[1], 8);
    memcpy(name, part->name.data, part->name.len);
}

static void test_a_result_with_memory(void **state)
{
    struct site site = open_site(NULL, NULL);
    const struct zkt_actor *job = site.server->host.app.info->actors[JOB];
    char name[16] = "";
    char text[] = "gear";
    int32_t sizes[] = { 7, 8 };
    (void)state;
    const struct slow_job_build_input input = {
        .part = { .name = zkt_cstr(text), .sizes = { sizes, 2 } },
    };
    assert_int_equal(
        zkt_server_invoke(site.server, JOB,
                          (uint32_t)job->find_method(ZKT_STR("build")),
                          ZKT_STR("x"), NULL, &input, part_done,
                          (void (*)(void))part_done, name),
        ZKT_OK);
    memset(text, 'x', 4); /* the input was copied */
    memset(sizes, 0, sizeof(sizes));
    settle(site.server);
    assert_string_equal(name, "gear");
    close_site(&site);
}

static void test_invoke_that_fails(void **state)
{
    struct site site = open_site(NULL, NULL);
    char text[202];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(invoke_add(site.server, "x", 1, text, "a"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "x", 1, "later-not", "b"), ZKT_OK);
    settle(site.server);
    const char *all = take_replies();
    assert_non_null(strstr(all, "aINVALID_ARGUMENT:Validation failed for add: "
                                "[{\"code\":\"too_big\""));
    assert_non_null(strstr(all, "bABORTED:not later "));
    assert_int_equal(invoke_add(site.server, "", 1, "", "c"),
                     ZKT_INVALID_ARGUMENT);
    assert_int_equal(held_count, 1);
    struct ran ran = { 0 };
    resume(--held_count, &ran);
    settle(site.server);
    assert_int_equal(ran.cancelled, 1);
    close_site(&site);
}

static void test_a_call_that_finishes_later(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct ran ran = { 0 };
    struct seen seen = { 0 };
    (void)state;
    assert_int_equal(invoke_add(site.server, "x", 3, "later", "a"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "x", 4, "", "b"), ZKT_OK);
    assert_int_equal(run(site.server, "x", look, &seen), ZKT_OK);
    settle(site.server);
    assert_string_equal(take_replies(), "");
    assert_int_equal(seen.times, 0);
    assert_int_equal(held_count, 1);
    resume(--held_count, &ran);
    settle(site.server);
    assert_string_equal(take_replies(), "a3 b7 ");
    assert_int_equal(seen.n, 7);
    assert_int_equal(site.server->asks.session.contact_count, 0);
    close_site(&site);
}

/* Calls that wait keep an instance that would be dropped, and one that ends
 * refuses them. */
static void test_an_instance_that_ends(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct ran ran = { 0 };
    struct seen seen = { 0 };
    (void)state;
    assert_int_equal(invoke_add(site.server, "x", 3, "later", "a"), ZKT_OK);
    assert_int_equal(invoke(site.server, "x", "end", NULL, "b"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "x", 4, "", "c"), ZKT_OK);
    assert_int_equal(run(site.server, "x", look, &seen), ZKT_OK);
    settle(site.server);
    resume(--held_count, &ran);
    settle(site.server);
    assert_string_equal(take_replies(),
                        "a3 bOK: cABORTED:the instance was destroyed ");
    assert_int_equal(seen.times, 1);
    assert_int_equal(seen.cancelled, 1);
    assert_string_equal(seen.id, "x");
    assert_int_equal(seen.n, 0);
    assert_int_equal(site.server->asks.session.contact_count, 0);
    close_site(&site);
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    const struct zkt_limits few = { .outside_messages = 2 };
    const struct zkt_limits small = { .outside_bytes = 1500 };
    struct site site = open_site(&few, NULL);
    (void)state;
    assert_int_equal(invoke_add(site.server, "x", 1, "", "a"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "x", 1, "", "b"), ZKT_OK);
    assert_int_equal(invoke_add(site.server, "x", 1, "", "c"),
                     ZKT_RESOURCE_EXHAUSTED);
    settle(site.server);
    assert_string_equal(take_replies(), "a1 b2 ");
    assert_int_equal(invoke_add(site.server, "x", 1, "", "d"), ZKT_OK);
    settle(site.server);
    assert_string_equal(take_replies(), "d3 ");
    assert_limit_hits(site.server, "outside_messages", 1);
    assert_limit_hits(site.server, "outside_bytes", 0);
    close_site(&site);

    site = open_site(&small, NULL);
    int begun = 0;
    while (invoke_add(site.server, "x", 1, "", "") == ZKT_OK) {
        begun++;
    }
    assert_in_range(begun, 1, 5);
    assert_limit_hits(site.server, "outside_bytes", 1);
    settle(site.server);
    (void)take_replies();
    assert_int_equal(invoke_add(site.server, "x", 1, "", ""), ZKT_OK);
    close_site(&site);
    (void)take_replies();
}

/* With little credit of the channels all calls arrive, in order. */
static void test_credit(void **state)
{
    const struct zkt_limits limits = { .channel_messages = 3 };
    struct site site = open_site(&limits, NULL);
    (void)state;
    (void)ask_and_settle(&site, ADD("1", "x", "0", ""));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(invoke_add(site.server, "x", 1, "", ""), ZKT_OK);
    }
    for (int i = 0; i < 100; i++) {
        settle(site.server);
    }
    char *at = replies;
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(strtol(at, &at, 10), i);
    }
    (void)take_replies();
    close_site(&site);
}

/* ---- the end of a server ---- */

static void test_a_server_that_stops(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct seen seen = { 0 };
    struct seen late = { 0 };
    (void)state;
    assert_int_equal(invoke_add(site.server, "x", 1, "later", "a"), ZKT_OK);
    settle(site.server);
    assert_int_equal(run(site.server, "x", look, &seen), ZKT_OK);
    zkt_server_shutdown(site.server);
    assert_int_equal(run(site.server, "x", look, &late), ZKT_CLOSED);
    assert_int_equal(invoke_add(site.server, "x", 1, "", "b"), ZKT_CLOSED);
    settle(site.server);
    for (uint32_t i = 0; i < shards; i++) {
        shard(site.server, i)->core.now_ms += 6000;
    }
    settle(site.server);
    assert_string_equal(take_replies(), "aUNAVAILABLE:the server stops ");
    assert_int_equal(seen.times, 1);
    assert_int_equal(seen.cancelled, 1);
    struct ran ran = { 0 };
    resume(--held_count, &ran);
    close_site(&site);
    assert_int_equal(late.times, 0);
    assert_int_equal(seen.times, 1);
}

/* A server that is freed finishes all that was begun. */
static void test_a_server_that_is_freed(void **state)
{
    struct site site = open_site(NULL, NULL);
    struct seen seen = { 0 };
    (void)state;
    (void)ask_and_settle(&site, ADD("1", "x", "0", ""));
    assert_int_equal(invoke_add(site.server, "x", 1, "", "a"), ZKT_OK);
    assert_int_equal(run(site.server, "x", look, &seen), ZKT_OK);
    assert_int_equal(run(site.server, "z", look, &seen), ZKT_OK);
    close_site(&site);
    assert_int_equal(seen.times, 2);
    assert_int_equal(seen.cancelled, 2);
    assert_string_equal(take_replies(), "aUNAVAILABLE:the server stops ");
}

/* ---- memory ---- */

/* One allocation fails: all that was begun is finished once, nothing leaks. */
static bool try_without_memory(long number)
{
    struct failing_alloc alloc;
    struct seen seen = { 0 };
    struct ran later = { 0 };
    failing_alloc_init(&alloc, 0);
    struct site site = open_site(NULL, &alloc.allocator);
    (void)ask_and_settle(&site, SUB("state:sub", "x"));
    alloc.fail_at = alloc.calls + number;
    const bool ran = run(site.server, "x", look, &seen) == ZKT_OK;
    const bool begun = invoke_add(site.server, "y", 1, "", "#a") == ZKT_OK;
    const bool bad = invoke_add(site.server, "y", 1, "later-not", "#b") ==
                     ZKT_OK;
    settle(site.server);
    const bool over = alloc.calls < alloc.fail_at;
    assert_int_equal(seen.times, ran);
    const char *all = take_replies();
    assert_int_equal(strstr(all, "#a") != NULL, begun);
    assert_int_equal(strstr(all, "#b") != NULL, bad);
    while (held_count > 0) {
        resume(--held_count, &later);
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
    assert_true(number > 10);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_an_instance_of_the_program),
        cmocka_unit_test(test_run_that_fails),
        cmocka_unit_test(test_invoke),
        cmocka_unit_test(test_a_result_with_memory),
        cmocka_unit_test(test_invoke_that_fails),
        cmocka_unit_test(test_a_call_that_finishes_later),
        cmocka_unit_test(test_an_instance_that_ends),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_a_server_that_stops),
        cmocka_unit_test(test_a_server_that_is_freed),
        cmocka_unit_test(test_every_allocation_fails),
    };
    client_id_len = 0;
    shards = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
