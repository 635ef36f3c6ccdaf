/*
 * The program of every project here: a server and a client of a schema, joined
 * in memory. Prints the tally after adding 2 to it, so that a changed default
 * in the schema shows, or "refused" if the imported schema allows less. With
 * arguments it serves, which needs the whole library.
 */
#include <stdio.h>

#include "tally_client.h"
#include "tally_server.h"

static enum zkt_status add(struct pack_tally_call *call,
                           const struct pack_tally_add_input *in, int32_t *out)
{
    pack_tally_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static const struct pack_tally_handlers tally = { .add = add };

int main(int argc, char **argv)
{
    const struct pack_handlers handlers = { .tally = &tally };
    if (argc > 1) {
        const struct zkt_serve_options options = { .port = 3000 };
        return zkt_serve_main(pack_app(&handlers), &options, argc, argv);
    }
    struct zkt_server *server = NULL;
    if (zkt_server_new(pack_app(&handlers), NULL, &server) != ZKT_OK) {
        return 1;
    }
    struct zkt_client *client = zkt_client_open_local(server);
    struct pack_tally *handle = pack_tally_open(client, "one");
    const struct pack_tally_add_input two = { .by = 2 };
    int32_t n = 0;
    const enum zkt_status status = pack_tally_call_add(handle, &two, &n, NULL);
    pack_tally_close(handle);
    zkt_client_close(client);
    zkt_server_free(server);
    if (status == ZKT_OK) {
        printf("%d\n", (int)n);
    } else {
        puts("refused");
    }
    return 0;
}
