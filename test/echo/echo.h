/*
 * WebSockets that send back whatever comes, made of the websocket and net
 * layers alone: a core with its connections, for a server or a client on a
 * loop of libuv. There is no protocol above it, and nothing is measured.
 */
#ifndef ECHO_H
#define ECHO_H

#include "net/loop.h"
#include "websocket/websocket.h"

struct echo_core {
    struct zkt_core core;
    struct zkt_list connections;
    struct zkt_ws_limits limits;
    struct zkt_random random; /* a client's masks and keys */
    bool prints;              /* messages, instead of sending them back */
    unsigned code;            /* of the last connection that closed */
};

/** Messages of up to @message bytes. False: the system has no randomness. */
bool echo_init(struct echo_core *core, size_t message);
/** Frees what is left, after the loop has stopped. */
void echo_finish(struct echo_core *core);

/** One more connection, or NULL. */
struct zkt_endpoint *echo_accept(struct echo_core *core);
/** The same as a client, which asks for @path of @host. */
struct zkt_endpoint *echo_connect(struct echo_core *core, struct zkt_str host,
                                  struct zkt_str path);
/** Begins the closing handshake on every connection. */
void echo_close_all(struct echo_core *core, unsigned code);

/** What follows @name among the arguments as a number, else @standard. */
long echo_option(int argc, char **argv, const char *name, long standard);

#endif
