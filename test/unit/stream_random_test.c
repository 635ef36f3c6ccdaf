/*
 * Random sequences of calls that interleave, streams, calls that hold their
 * instance, calls that are cancelled, instances and connections that end, and
 * readers that stop, against a model: the state, the order of chunks, one
 * result of each call, and one second half of each handle. The first argument
 * is the number of shards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "streaming.h"

enum {
    RUNS = 60,
    STEPS = 150,
    PEERS = 3,
    CALLS = STEPS + 1
};

/* A call in the model; its number is its id and its input. */
struct call {
    int peer, life; /* of the connection that has made it */
    int handle;     /* of its last half; -1: it has not begun, or is over */
    int sent;       /* chunks that were taken */
    bool finished;  /* the last half has run */
};

static struct {
    struct call calls[CALLS];
    int call_count;
    int owners[HELD_MAX]; /* the call of each handle */
    int thens[HELD_MAX];
    int32_t n; /* the state */
    struct wire peers[PEERS];
    int lives[PEERS];
} model;

static uint64_t seed;

/* A linear congruential generator; its high bits are good enough. */
static int draw(int below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)below);
}

/* ---- handlers ---- */

/* Adds 1 to the state and may end the instance, as the model does. */
static void change(struct zkt_call *call)
{
    assert_int_equal(count_of(call), model.n);
    (void)add(call);
    model.n++;
    if (draw(12) == 0) {
        zkt_destroy(call);
        model.n = 0;
    }
}

static int number_of(struct zkt_str input)
{
    char text[16];
    snprintf(text, sizeof(text), "%.*s", ZKT_ARG(input));
    return atoi(text);
}

static enum zkt_status defer_as(struct zkt_call *call, uint32_t method,
                                int number)
{
    const int handle = (int)handle_count;
    const enum zkt_status status = defer(call, method);
    model.owners[handle] = number;
    model.thens[handle] = 0;
    if (number >= 0) {
        model.calls[number].handle = handle;
    }
    return status;
}

static enum zkt_status play_fetch(struct zkt_call *call)
{
    const int number = number_of(played);
    change(call);
    return draw(5) > 0 ? defer_as(call, FETCH, number) : ZKT_OK;
}

static enum zkt_status play_talk(struct zkt_call *call)
{
    const int number = number_of(played);
    change(call);
    return defer_as(call, TALK, number);
}

/* May hold the instance. Its changes are committed with the second half. */
static enum zkt_status play_go(struct zkt_call *call)
{
    if (draw(4) == 0) {
        assert_int_equal(count_of(call), model.n);
        return defer_as(call, GO, -1);
    }
    change(call);
    return ZKT_OK;
}

static enum zkt_status then(struct zkt_call *call, void (*fn)(void),
                            const void *input, void *result, void *user)
{
    const int handle = (int)(intptr_t)user;
    const int number = model.owners[handle];
    (void)fn;
    if (result != NULL) {
        *(struct zkt_str *)result = ZKT_STR("");
    }
    model.thens[handle]++;
    if (number >= 0) {
        assert_int_equal(number_of(*(const struct zkt_str *)input), number);
        model.calls[number].handle = -1;
    }
    if (zkt_cancelled(call)) {
        return ZKT_CANCELLED;
    }
    change(call);
    if (number >= 0 && draw(6) == 0) {
        return defer_as(call, result != NULL ? FETCH : TALK, number);
    }
    if (number >= 0) {
        model.calls[number].finished = true;
    }
    return ZKT_OK;
}

static void resume_handle(int handle)
{
    zkt_deferred_resume(handles[handle], then, NULL, (void *)(intptr_t)handle);
    handles[handle] = NULL;
}

/* ---- reading ---- */

/* Returns the next message of @type of a call in @w from *@at on, or false. */
static bool find_message(const struct wire *w, size_t *at, bool *chunk,
                         int *number, int *of_chunk)
{
    static const char head[] = "{\"type\":\"rpc:";
    for (; *at + sizeof(head) <= w->len; ++*at) {
        const char *text = w->text + *at;
        if (memcmp(text, head, sizeof(head) - 1) != 0) {
            continue;
        }
        *chunk = sscanf(text,
                        "{\"type\":\"rpc:chunk\",\"id\":\"%d\","
                        "\"chunk\":\"%d",
                        number, of_chunk) == 2;
        if (*chunk || sscanf(text, "{\"type\":\"rpc:result\",\"id\":\"%d\"",
                             number) == 1) {
            ++*at;
            return true;
        }
    }
    return false;
}

/* Checks everything that a peer has received in its life. If it has received
 * all (@all), each of its calls has a result, and a stream that has finished
 * all of its chunks. */
static void check_peer(int peer, bool all)
{
    const struct wire *w = &model.peers[peer];
    int chunks[CALLS] = { 0 };
    int results[CALLS] = { 0 };
    size_t at = 0;
    bool chunk;
    int number, of_chunk;
    while (find_message(w, &at, &chunk, &number, &of_chunk)) {
        assert_int_equal(results[number], 0);
        if (chunk) {
            assert_int_equal(of_chunk, chunks[number]++);
        } else {
            results[number]++;
        }
    }
    for (int i = 0; i < model.call_count; i++) {
        const struct call *call = &model.calls[i];
        const bool own = call->peer == peer && call->life == model.lives[peer];
        assert_true(own || (chunks[i] == 0 && results[i] == 0));
        if (own && all) {
            assert_int_equal(results[i], 1);
            assert_in_range(chunks[i], 0, call->sent);
            assert_true(!call->finished || chunks[i] == call->sent);
        }
    }
}

/* ---- steps ---- */

static void begin_call(void)
{
    static const char *const methods[] = { "go", "fetch", "talk", "talk" };
    const int peer = draw(PEERS);
    const int number = model.call_count++;
    char text[256];
    model.calls[number] =
        (struct call){ .peer = peer, .life = model.lives[peer], .handle = -1 };
    snprintf(text, sizeof(text), RPC("%d", "room", "%s", INPUT("%d")), number,
             methods[draw(4)], number);
    send_text(&model.peers[peer], text, draw(2) == 0);
}

static void send_some(void)
{
    static char text[4000];
    const int number = model.call_count > 0 ? draw(model.call_count) : 0;
    struct call *call = &model.calls[number];
    if (model.call_count == 0 || call->handle < 0 ||
        handles[call->handle] == NULL || handle_methods[call->handle] != TALK) {
        return;
    }
    for (int i = draw(20); i >= 0; i--) {
        const int len = snprintf(text, sizeof(text), "%d %*d", call->sent,
                                 1 + draw(3000), 0);
        const struct zkt_str chunk = { text, (size_t)len };
        call->sent += zkt_deferred_send(handles[call->handle], &chunk) ==
                      ZKT_OK;
    }
}

static void resume_some(void)
{
    const int handle = handle_count > 0 ? draw((int)handle_count) : 0;
    if (handle_count > 0 && handles[handle] != NULL) {
        resume_handle(handle);
    }
}

/* Cancels a call, which may be over. */
static void cancel_some(void)
{
    const int number = model.call_count > 0 ? draw(model.call_count) : 0;
    const struct call *call = &model.calls[number];
    char text[256];
    if (model.call_count > 0 && call->life == model.lives[call->peer]) {
        snprintf(text, sizeof(text), "{\"type\":\"rpc:cancel\",\"id\":\"%d\"}",
                 number);
        send_text(&model.peers[call->peer], text, draw(2) == 0);
    }
}

static void reconnect(void)
{
    const int peer = draw(PEERS);
    check_peer(peer, false);
    leave(&model.peers[peer]);
    model.lives[peer]++;
    model.peers[peer] = knock("/", "", NULL);
}

static void take_step(void)
{
    const int kind = draw(20);
    if (kind < 7) {
        begin_call();
    } else if (kind < 11) {
        send_some();
    } else if (kind < 15) {
        resume_some();
    } else if (kind < 18) {
        pass(draw(30));
    } else if (kind < 19) {
        drain(&model.peers[draw(PEERS)]);
    } else if (draw(4) == 0) {
        reconnect();
    } else {
        cancel_some();
    }
    trace[0] = '\0';
}

static void settle(void)
{
    for (int round = 0; round < 40; round++) {
        for (size_t i = 0; i < handle_count; i++) {
            if (handles[i] != NULL) {
                resume_handle((int)i);
            }
        }
        pass(0);
        for (int i = 0; i < PEERS; i++) {
            drain(&model.peers[i]);
        }
    }
}

static void run(uint64_t number)
{
    seed = number * 7919 + shards;
    memset(&model, 0, sizeof(model));
    handle_count = 0;
    set_up_with((struct zkt_limits){
        .handler_ms = 400,
        .stream_bytes = draw(2) == 0 ? 8000 : 100000,
        .channel_messages = draw(3) == 0 ? 8 : 4096,
        .output_hard = 1 << 24,
    });
    plays.play[GO] = play_go;
    plays.play[FETCH] = play_fetch;
    plays.play[TALK] = play_talk;
    for (int i = 0; i < PEERS; i++) {
        model.peers[i] = knock("/", "", NULL);
        if (draw(2) == 0) {
            send_text(&model.peers[i], SUB("state:sub"), true);
        }
    }
    for (int i = 0; i < STEPS; i++) {
        take_step();
    }
    settle();
    assert_int_equal(stats().deferred, 0);
    for (int i = 0; i < PEERS; i++) {
        check_peer(i, true);
        leave(&model.peers[i]);
    }
    for (size_t i = 0; i < handle_count; i++) {
        assert_int_equal(model.thens[i], 1);
    }
    tear_down();
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < RUNS; i++) {
        run(i);
    }
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
