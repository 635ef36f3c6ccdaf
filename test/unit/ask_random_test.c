/*
 * Random calls of instances by instances against a model: shards of one thread
 * have turns at random, which are short; channels and mailboxes are small;
 * handlers fail, are deferred and end their instances. Every tell of a final
 * commit arrives once or is counted as lost, no other tell arrives, every ask
 * is answered once, and what one instance sends another arrives in order. The
 * arguments are the number of shards, and a seed and a number of rounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asking.h"

enum {
    INSTANCES = 6, /* a, b and c of both actors */
    MESSAGES_MAX = 1 << 14,
    HELD_MAX = 256
};

static uint64_t seed = 1;
static int rounds = 30;
static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

/* ---- the model ---- */

/* A tell or an ask, by its number, which is the text of its input. */
static struct message {
    bool told, final;
    int arrived, answered;
    int order; /* among those of its sender, when it was sent */
    uint8_t from, to;
} messages[MESSAGES_MAX];

static struct model {
    int count, sent;
    int last[INSTANCES][INSTANCES]; /* order of the last to arrive */
    uint64_t final_tells, ran_tells, failed_tells;
    int unsent[64]; /* tells of the half that runs */
    int unsent_count;
} model;

/* Deferred calls that are to be resumed, with the tell that they run, or -1. */
static struct held_call {
    struct zkt_deferred *deferred;
    bool is_add;
    int number;
} held_calls[HELD_MAX];
static uint32_t held_count;

static uint8_t self_of(struct zkt_call *call)
{
    const bool hall = zkt_str_eq(zkt_called(call).actor, ZKT_STR("hall"));
    return (uint8_t)(2 * (zkt_instance_id(call).data[0] - 'a') + hall);
}

/* ---- handlers ---- */

static void reply_arrives(const struct zkt_reply *reply, const void *result,
                          void *user)
{
    struct message *m = user;
    assert_true((reply->status == ZKT_OK) == (result != NULL));
    assert_true(reply->status != ZKT_OK || m->arrived == 1);
    m->answered++;
}

static void send_one(struct zkt_call *call, bool told)
{
    static char texts[MESSAGES_MAX][8];
    const uint8_t to = (uint8_t)draw(INSTANCES);
    const char id[] = { (char)('a' + to / 2), '\0' };
    if (model.count == MESSAGES_MAX || model.unsent_count == 64) {
        return;
    }
    const int number = model.count++;
    messages[number] =
        (struct message){ .told = told, .from = self_of(call), .to = to };
    snprintf(texts[number], sizeof(texts[number]), "%d", number % 1000000);
    const struct add in = { .by = 1, .text = zkt_cstr(texts[number]) };
    if (told) {
        model.unsent[model.unsent_count++] = number;
        zkt_call_tell(call, to % 2, ADD, zkt_cstr(id), NULL, &in);
    } else {
        messages[number].order = ++model.sent;
        ask_method(call, to % 2, ADD, id, &in, reply_arrives,
                   &messages[number]);
    }
}

static void send_some(struct zkt_call *call, bool may_ask)
{
    model.unsent_count = 0;
    for (uint32_t n = draw(5); n > 0; n--) {
        send_one(call, !may_ask || draw(2) == 0);
    }
}

/* The half of a call is over: its tells are sent, or not. */
static void end_half(bool commits)
{
    for (int i = 0; i < model.unsent_count; i++) {
        struct message *m = &messages[model.unsent[i]];
        m->final = commits;
        m->order = ++model.sent;
        model.final_tells += commits;
    }
    model.unsent_count = 0;
}

/* Ends a half in a way that is drawn. */
static enum zkt_status end_somehow(struct zkt_call *call)
{
    switch (draw(8)) {
    case 0:
        end_half(false);
        return zkt_fail(call, ZKT_NOT_FOUND, "no");
    case 1:
        end_half(false);
        zkt_kick(call, ZKT_STR("x"), 1, NULL); /* poisons */
        return ZKT_OK;
    case 2:
        zkt_destroy(call);
        break;
    default:
        break;
    }
    end_half(true);
    return ZKT_OK;
}

static bool hold(struct zkt_call *call, uint32_t method, int number)
{
    if (held_count == HELD_MAX || draw(3) != 0) {
        return false;
    }
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, method);
    held_calls[held_count++] = (struct held_call){
        .deferred = held,
        .is_add = method == ADD,
        .number = number,
    };
    return true;
}

static enum zkt_status random_go(struct zkt_call *call)
{
    send_some(call, false);
    return end_somehow(call);
}

static enum zkt_status random_seek(struct zkt_call *call)
{
    send_some(call, true);
    if (hold(call, SEEK, -1)) {
        end_half(true);
        return ZKT_PENDING;
    }
    return end_somehow(call);
}

/* A tell or an ask arrives. */
static enum zkt_status random_add(struct zkt_call *call, const struct add *in)
{
    const int number = atoi(in->text.data);
    struct message *m = &messages[number];
    assert_in_range(number, 0, model.count - 1);
    assert_int_equal(m->to, self_of(call));
    assert_int_equal(++m->arrived, 1);
    assert_true(!m->told || m->final);
    assert_true(m->order > model.last[m->from][m->to]);
    model.last[m->from][m->to] = m->order;
    model.ran_tells += m->told;
    if (hold(call, ADD, number)) {
        return ZKT_PENDING;
    }
    if (draw(8) == 0) {
        model.failed_tells += m->told;
        return zkt_fail(call, ZKT_NOT_FOUND, "no");
    }
    return ZKT_OK;
}

static enum zkt_status second_half(struct zkt_call *call, void (*then)(void),
                                   const void *input, void *result, void *user)
{
    (void)then;
    (void)input;
    (void)result;
    (void)user;
    if (zkt_cancelled(call)) {
        return ZKT_OK;
    }
    send_some(call, true);
    return end_somehow(call);
}

static enum zkt_status second_add(struct zkt_call *call, void (*then)(void),
                                  const void *input, void *result, void *user)
{
    (void)then;
    (void)input;
    (void)result;
    const struct message *m = user;
    if (zkt_cancelled(call)) {
        return ZKT_OK;
    }
    if (draw(4) == 0) {
        model.failed_tells += m->told;
        return zkt_fail(call, ZKT_NOT_FOUND, "no");
    }
    return ZKT_OK;
}

static void resume_one(void)
{
    const uint32_t i = draw(held_count);
    const struct held_call call = held_calls[i];
    held_calls[i] = held_calls[--held_count];
    zkt_deferred_resume(call.deferred, call.is_add ? second_add : second_half,
                        NULL, call.is_add ? &messages[call.number] : NULL);
}

/* ---- rounds ---- */

static int calls_begun, calls_ended;

static void call_ends(const struct zkt_reply *reply, const void *result,
                      void *user)
{
    (void)reply;
    (void)result;
    (void)user;
    calls_ended++;
}

static void begin_call(void)
{
    const uint32_t of = draw(INSTANCES);
    const char id[] = { (char)('a' + of / 2), '\0' };
    const enum zkt_status status = zkt_server_invoke(
        server, of % 2, draw(2) == 0 ? GO : SEEK, zkt_cstr(id), NULL, NULL,
        call_done, (void (*)(void))call_ends, NULL);
    assert_int_equal(status, ZKT_OK);
    calls_begun++;
}

static void step(void)
{
    const uint32_t what = draw(8);
    if (what < 3) {
        begin_call();
    } else if (what < 4 && held_count > 0) {
        resume_one();
    } else {
        zkt_server_advance(zkt__server_shard(server, draw(shards)), 0);
    }
}

static void check_end(bool is_drained)
{
    for (int i = 0; i < model.count; i++) {
        const struct message *m = &messages[i];
        assert_int_equal(m->answered, m->told ? 0 : 1);
        assert_in_range(m->arrived, 0, m->told && !m->final ? 0 : 1);
    }
    assert_int_equal(calls_ended, calls_begun);
    assert_true(!is_drained || model.count > 0);
}

static void play_round(bool drains)
{
    const struct zkt_limits limits = {
        .channel_messages = 1 + draw(8),
        .mailbox_messages = 4 + draw(20),
        .turn_work = draw(2) == 0 ? 0 : 1 + draw(20000),
        .handler_ms = 1000000,
        .log_per_second = 1,
    };
    set_up_with(limits);
    traces = false;
    plays.go = random_go;
    plays.seek = random_seek;
    plays.add = random_add;
    memset(&model, 0, sizeof(model));
    held_count = 0;
    calls_begun = calls_ended = 0;
    for (int i = 0; i < 1000; i++) {
        step();
    }
    while (drains && (calls_ended < calls_begun || held_count > 0)) {
        if (held_count > 0) {
            resume_one();
        }
        pass(0);
    }
    for (int i = 0; drains && i < 100; i++) {
        pass(0);
    }
    if (drains && held_count == 0) {
        const struct zkt_server_stats all = stats();
        assert_int_equal(all.tells, model.final_tells);
        assert_int_equal(model.ran_tells + all.tell_failures,
                         model.final_tells + model.failed_tells);
        assert_int_equal(all.queued + all.deferred, 0);
    }
    tear_down_with(held_count > 0);
    check_end(drains);
    while (held_count > 0) {
        resume_one();
    }
    assert_int_equal(memory.live, 0);
    traces = true;
}

static void test_random(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        random_state = (seed + (uint64_t)i) * 0x9e3779b97f4a7c15 | 1;
        play_round(i % 3 != 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    rounds = argc > 3 ? atoi(argv[3]) : 30;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
