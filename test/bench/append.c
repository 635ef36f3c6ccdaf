/* The server that the cost of an append is measured with. */
#include "append_server.h"

static enum zkt_status fill(struct bench_log_call *call,
                            const struct bench_log_fill_input *in)
{
    for (int32_t i = 0; i < in->count; i++) {
        bench_log_append_items(call, ZKT_STR("a line of the log"));
    }
    return ZKT_OK;
}

static enum zkt_status push(struct bench_log_call *call,
                            const struct bench_log_push_input *in)
{
    bench_log_remove_items(call, 0, 1);
    bench_log_append_items(call, in->text);
    return ZKT_OK;
}

static const struct bench_log_handlers handlers = { .fill = fill,
                                                    .push = push };

int main(int argc, char **argv)
{
    const struct bench_handlers all = { .log = &handlers };
    return zkt_serve_main(bench_app(&all), NULL, argc, argv);
}
