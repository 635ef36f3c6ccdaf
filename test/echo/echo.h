/*
 * WebSockets that return every message, over the websocket and net layers
 * alone: a core with its connections, for a server or a client on a libuv loop.
 * There is no protocol above it, and nothing is measured.
 */
#ifndef ECHO_H
#define ECHO_H

#include "net/loop.h"
#include "websocket/websocket.h"

struct echo_core {
    struct zkt_core core;
    struct zkt_list connections;
    struct zkt_ws_limits limits;
    struct zkt_ws_setup setup;
    struct zkt_deflate *deflate; /* NULL: nothing is compressed */
    struct zkt_random random;    /* for a client's masks and keys */
    bool prints;                 /* prints messages instead of returning them */
    unsigned code; /* the close code of the last closed connection */
};

/** Accepts messages of up to @message bytes; compressed ones, too, if the
 * library has zlib. Returns false if the system has no randomness. */
bool echo_init(struct echo_core *core, size_t message);
/** Frees all memory, after the loop has stopped. */
void echo_finish(struct echo_core *core);

/** Accepts another connection. Returns NULL if there is no memory. */
struct zkt_endpoint *echo_accept(struct echo_core *core);
/** The same as a client, with a request for @path of @host. */
struct zkt_endpoint *echo_connect(struct echo_core *core, struct zkt_str host,
                                  struct zkt_str path);
/** Begins the closing handshake on every connection. */
void echo_close_all(struct echo_core *core, unsigned code);

/** Returns the number after @name among the arguments, or @standard. */
long echo_option(int argc, char **argv, const char *name, long standard);

#endif
