/* The tutorial's server: two handlers, and a main of one statement. */
#include "counter_server.h"

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    if (call->state->n > INT32_MAX - in->by) {
        return zkt_fail(call->zkt, ZKT_FAILED_PRECONDITION,
                        "the counter is full");
    }
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n; /* reads its own write */
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = {
    .inc = inc,
    .reset = reset,
};

int main(int argc, char **argv)
{
    const struct demo_handlers handlers = { .counter = &counter };
    const struct zkt_serve_options options = { .port = 3000 };
    return zkt_serve_main(demo_app(&handlers), &options, argc, argv);
}
