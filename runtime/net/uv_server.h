/*
 * A server on a libuv loop: its listening sockets, and its connections, which
 * are spread over the loop and the server's worker threads. It frees itself:
 * when the server is down or freed, it closes its handles and is freed when the
 * loop has closed them.
 */
#ifndef ZKT_NET_UV_SERVER_H
#define ZKT_NET_UV_SERVER_H

#include <uv.h>

#include "server/server.h"

struct zkt_uv_server;

/**
 * Listens as the options say, and reports that in the log and by on_listening.
 * @on_gone is called when all handles are closed. Returns NULL on an error: the
 * log has the reason, *@error is a libuv error, and @on_gone is called when the
 * loop has run.
 */
struct zkt_uv_server *zkt__uv_server_open(struct zkt_server *server,
                                          uv_loop_t *uv,
                                          void (*on_gone)(void *user),
                                          void *user, int *error);

/** Calls @on_stopping, with the user of @on_gone, when the server begins to
 * stop and before the listening sockets close. */
void zkt__uv_server_on_stopping(struct zkt_uv_server *uv_server,
                                void (*on_stopping)(void *user));

/**
 * Runs the loop, which must have no other user, until the server is down or
 * freed; handles may still be closing then. Returns 0, or a libuv error that
 * has been logged.
 */
int zkt__uv_server_run(struct zkt_uv_server *uv_server);

/**
 * Drops every connection and closes everything now; waits until each worker
 * thread has ended its turn.
 */
void zkt__uv_server_stop(struct zkt_uv_server *uv_server);

#endif
