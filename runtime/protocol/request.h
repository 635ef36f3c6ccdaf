/*
 * The id of a request: of a call, and of all that it causes (hooks, tells,
 * asks, calls of the program from its handlers, and timers that fire once). It
 * is given by the peer, or a number that is unique in the server. A number is
 * printed only if somebody wants to read it, so a call pays for counting alone.
 */
#ifndef ZKT_PROTOCOL_REQUEST_H
#define ZKT_PROTOCOL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/types.h"

struct zkt_arena;
struct zkt_host;

enum {
    ZKT_TRACE_MAX = 64,
    ZKT_REQUEST_SIZE = ZKT_TRACE_MAX + 1 /* bytes of a printed id */
};

struct zkt_request {
    uint64_t number; /* 0: it has none yet */
    /* Given by the peer (zkt__trace_is_good); NULL: the number is the id. */
    const char *trace;
};

/* The numbers of a shard: its own number is in the highest byte. */
struct zkt_request_numbers {
    uint64_t prefix; /* random, the same for all shards of a server */
    uint64_t last;
};

static inline uint64_t zkt__request_next(struct zkt_request_numbers *numbers)
{
    return ++numbers->last;
}

/** Returns true if a peer may give @text as an id: 1 to ZKT_TRACE_MAX letters,
 * digits, '.', '_' and '-'. */
bool zkt__trace_is_good(struct zkt_str text);

/** Copies a trace into @arena. Returns NULL for NULL, and if there is no
 * memory. */
const char *zkt__trace_keep(struct zkt_arena *arena, const char *trace);

/** Prints the id of a request, "" if it has none. The same characters as in a
 * trace. */
struct zkt_str zkt__request_print(const struct zkt_request_numbers *numbers,
                                  const struct zkt_request *request,
                                  char out[ZKT_REQUEST_SIZE]);

#endif
