/*
 * A server on a libuv loop: its listening socket, and its connections, which
 * are spread over the loop and the server's other threads. It owns itself: when
 * the server is down, or is freed, it closes its handles, and is gone when the
 * loop has closed them.
 */
#ifndef ZKT_NET_UV_SERVER_H
#define ZKT_NET_UV_SERVER_H

#include <uv.h>

#include "server/server.h"

struct zkt_uv_server;

/**
 * Listens with the options' host and port, and says so in the log and by
 * on_listening. @on_gone is called when nothing is left on the loop. NULL:
 * the log says why not, *@error is a libuv error, and @on_gone is called as
 * soon as the loop has run.
 */
struct zkt_uv_server *zkt__uv_server_open(struct zkt_server *server,
                                          uv_loop_t *uv,
                                          void (*on_gone)(void *user),
                                          void *user, int *error);

/**
 * Runs the loop, which nobody else uses, until the server is down or freed;
 * then what closes still has to. 0 or a libuv error, which the log has.
 */
int zkt__uv_server_run(struct zkt_uv_server *uv_server);

/**
 * Drops every connection and closes everything, now; waits until each of the
 * other threads has ended its turn.
 */
void zkt__uv_server_stop(struct zkt_uv_server *uv_server);

#endif
