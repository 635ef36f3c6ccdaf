/*
 * Servers. zkt_serve runs one until it is told to stop; zkt_server_new makes
 * one without sockets, for tests (zkt_client_open_local) and other loops.
 * A server belongs to the thread that made it.
 */
#ifndef ZOCKET_SERVER_H
#define ZOCKET_SERVER_H

#include "zocket/allocator.h"
#include "zocket/call.h"
#include "zocket/limits.h"
#include "zocket/schema.h"
#include "zocket/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_server;

/** All zero is a good set of options. Strings are borrowed until it ends. */
struct zkt_serve_options {
    const char *host; /* to listen on; NULL: "127.0.0.1". "0.0.0.0": all */
    uint16_t port;    /* 0: any free one */
    /* Called once, when connections are accepted; @port is the real one. */
    void (*on_listening)(void *user, uint16_t port);
    void *user;
    const struct zkt_allocator *allocator; /* NULL: the C library's */
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    void *log_user;
    struct zkt_limits limits;   /* zero: the defaults */
    const uint8_t *random_seed; /* 32 bytes, for tests; NULL: the system's */
};

/**
 * Runs a server until SIGTERM or SIGINT, and returns the exit status for
 * main: 0, or 1 when it could not start. Without a log of yours it says what
 * happens on standard error; when it listens, `listening on ws://HOST:PORT`.
 */
int zkt_serve(struct zkt_app app, const struct zkt_serve_options *options);

/**
 * zkt_serve for a main: @options are the defaults, and the arguments `--port
 * N`, `--host ADDRESS` and one for each limit (`--message-bytes N`, …) change
 * them; `--help` lists them all on standard output. A wrong argument is said
 * on standard error, and the exit status is 2.
 */
int zkt_serve_main(struct zkt_app app, const struct zkt_serve_options *options,
                   int argc, char **argv);

/**
 * Makes a server with no sockets. NULL options are the defaults. ZKT_OK,
 * ZKT_MISSING_HANDLER (all of them are named in the log), ZKT_BAD_OPTION,
 * ZKT_NO_MEMORY or ZKT_SYSTEM; *@out is set only on success.
 */
enum zkt_status zkt_server_new(struct zkt_app app,
                               const struct zkt_serve_options *options,
                               struct zkt_server **out) ZKT_MUST_USE;

/** Ends every connection and instance. Takes NULL. Not from a callback. */
void zkt_server_free(struct zkt_server *server);

/**
 * Moves the clock of a server without sockets by @ms, and runs what falls
 * due, for it and for its local clients.
 */
void zkt_server_advance(struct zkt_server *server, int64_t ms);

/** What has been counted so far. */
struct zkt_server_stats {
    uint64_t connections, instances; /* alive now */
    uint64_t calls, commits, patches, events, hook_failures;
    uint64_t protocol_errors, messages_in, messages_out;
};
void zkt_server_stats(const struct zkt_server *server,
                      struct zkt_server_stats *out);

#ifdef __cplusplus
}
#endif
#endif
