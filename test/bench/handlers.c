/* See handlers.h. */
#include "handlers.h"

#include <stdio.h>

static enum zkt_status increment(struct bench_counter_call *call,
                                 const struct bench_counter_increment_input *in,
                                 int32_t *out)
{
    bench_counter_set_n(call, (call->state->n + in->by) % 1000000);
    *out = call->state->n;
    return ZKT_OK;
}

int bench_replies;

static void take_reply(void (*done)(void), const struct zkt_reply *reply,
                       const void *result, void *user)
{
    (void)done;
    (void)result;
    (void)user;
    bench_replies += reply->status == ZKT_OK;
}

static enum zkt_status ask(struct bench_counter_call *call,
                           const struct bench_counter_ask_input *in)
{
    const struct bench_counter_increment_input input = { 1 };
    for (int32_t i = 0; i < in->count; i++) {
        zkt_call_ask(call->zkt, 0, 0, ZKT_STR("other"), NULL, &input,
                     take_reply, NULL, NULL);
    }
    return ZKT_OK;
}

static enum zkt_status save(struct bench_store_call *call,
                            const struct bench_store_save_input *in,
                            int32_t *out)
{
    (void)call;
    *out = (int32_t)in->text.len;
    return ZKT_OK;
}

static enum zkt_status append(struct bench_store_call *call,
                              const struct bench_store_append_input *in)
{
    if (call->state->recent.len == BENCH_CAPPED) {
        bench_store_remove_recent(call, 0, 1);
    }
    bench_store_append_recent(call, in->text);
    return ZKT_OK;
}

/* Removes the oldest and appends the newest: the list keeps its length. */
static enum zkt_status turn_over(struct bench_store_call *call,
                                 const struct bench_store_turn_over_input *in)
{
    bench_store_remove_lines(call, 0, 1);
    bench_store_append_lines(call, in->text);
    return ZKT_OK;
}

static enum zkt_status fill(struct bench_store_call *call,
                            const struct bench_store_fill_input *in)
{
    static const char line[] = "a line of the state of which there are many, "
                               "so that it has a size which is worth a figure "
                               "of its own";
    for (int32_t i = 0; i < in->count; i++) {
        bench_store_append_lines(call, (struct zkt_str){ line, 98 });
    }
    return ZKT_OK;
}

static enum zkt_status score(struct bench_store_call *call,
                             const struct bench_store_score_input *in)
{
    for (int32_t i = 0; i < in->count; i++) {
        char key[16];
        const int len = snprintf(key, sizeof(key), "%d", in->from + i);
        bench_store_put_scores(call, (struct zkt_str){ key, (size_t)len }, i);
    }
    return ZKT_OK;
}

static const struct bench_counter_handlers counter = { .increment = increment,
                                                       .ask = ask };
static const struct bench_store_handlers store = {
    .save = save,
    .append = append,
    .turn_over = turn_over,
    .fill = fill,
    .score = score,
};
const struct bench_handlers bench_all = { .counter = &counter,
                                          .store = &store };
