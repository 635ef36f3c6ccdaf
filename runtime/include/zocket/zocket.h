/*
 * Everything that a program may need of the runtime, in a single include. A
 * program that includes a generated header needs no other: `X_server.h`
 * includes server.h and call.h, `X_client.h` includes client.h.
 *
 * A server and a client in the same program, joined by memory, without any
 * socket; the generated headers are those of examples/counter:
 *
 *     #include "zocket/zocket.h"
 *
 *     #include "counter_client.h"
 *     #include "counter_server.h"
 *
 *     int check_increment(const struct demo_handlers *handlers)
 *     {
 *         struct zkt_server *server;
 *         if (zkt_server_new(demo_app(handlers), NULL, &server) != ZKT_OK) {
 *             return -1;
 *         }
 *         struct zkt_client *client = zkt_client_open_local(server);
 *         struct demo_counter *counter = demo_counter_open(client, "main");
 *         const struct demo_counter_inc_input two = { .by = 2 };
 *         int32_t n = -1;
 *         demo_counter_call_inc(counter, &two, &n, NULL);
 *         demo_counter_close(counter);
 *         zkt_client_close(client);
 *         zkt_server_free(server);
 *         return n;
 *     }
 *
 * The other headers, schema.h, codec.h and state.h, are for generated code.
 */
#ifndef ZOCKET_ZOCKET_H
#define ZOCKET_ZOCKET_H

#include "zocket/allocator.h"
#include "zocket/call.h"
#include "zocket/client.h"
#include "zocket/embed.h"
#include "zocket/http.h"
#include "zocket/log.h"
#include "zocket/server.h"
#include "zocket/status.h"
#include "zocket/types.h"

#endif
