/*
 * The parameters of an attempt to connect, which the program's `prepare` sets:
 * a list of fields, cookies and keys of the query string, as text that was
 * checked. They become the target and the further header fields of the request,
 * and are dropped with it: no token outlives its attempt.
 */
#ifndef ZKT_CLIENT_CONNECT_H
#define ZKT_CLIENT_CONNECT_H

#include "base/memory.h"
#include "zocket/client.h"
#include "zocket/codec.h"

struct zkt_connect_item;

struct zkt_connect {
    struct zkt_arena arena;
    struct zkt_connect_item *first;
    size_t size;            /* bytes in the request */
    enum zkt_status status; /* ZKT_OK, or why the attempt fails */
    const char *text;       /* static, of that status */
};

/** Drops all parameters. The arena has an allocator. */
void zkt__connect_clear(struct zkt_connect *connect);
/** Writes @path with the parameters of the query string behind its own. */
void zkt__connect_write_target(const struct zkt_connect *connect,
                               struct zkt_str path, struct zkt_writer *w);
/** Writes the lines of the header fields, each with its CR LF. */
void zkt__connect_write_fields(const struct zkt_connect *connect,
                               struct zkt_writer *w);

/**
 * Calls the program's `prepare`, if there is one. Returns its status, or that
 * of a parameter that cannot be sent. ZKT_PENDING: zkt__connection_prepared is
 * called in a later turn.
 */
enum zkt_status zkt__connect_prepare(struct zkt_client *client);

#endif
