/*
 * A server whose `open` refuses everybody: the text of the refusal is the
 * parameters that it has read, or, for the tenant "in", lets the client in.
 */
#include "zocket/call.h"

#include "../unit/gate.h"

static enum zkt_status open_it(struct zkt_call *call, const void *handlers,
                               const void *input, void *data)
{
    const struct gate_input *in = input;
    char text[1024];
    (void)handlers;
    (void)data;
    if (zkt_str_eq(in->tenant, ZKT_STR("in"))) {
        return ZKT_OK;
    }
    gate_print(in, text, sizeof(text));
    return zkt_fail(call, ZKT_UNAUTHENTICATED, "%s", text);
}

static const struct zkt_connection_info connection = {
    .input = &gate_input_type,
    .parameters = gate_parameters,
    .open = open_it,
};
static const struct zkt_app_info info = {
    .name = "gate",
    .find_actor = gate_find_actor,
    .connection = &connection,
};

/* The app's struct of handlers: any function. */
static void (*const handlers)(void) = (void (*)(void))open_it;

int main(int argc, char **argv)
{
    const struct zkt_app app = { .info = &info, .handlers = &handlers };
    return zkt_serve_main(app, NULL, argc, argv);
}
