/*
 * HTTP/1.1 requests without I/O (RFC 9110, RFC 9112): bytes in, a request out.
 * Independent of WebSockets, of routes and of answers.
 *
 * A *reader* reads a single request, and exists from its first byte to its
 * answer: a connection that is idle has none. Bytes behind the request are not
 * consumed; the next reader reads them when the request is answered, so that
 * answers keep the order of their requests. llhttp parses; the checks that it
 * lacks are made here. A request that fails any of them is refused with a
 * status, and ends its connection: the bytes behind it have no known meaning.
 */
#ifndef ZKT_HTTP_REQUEST_H
#define ZKT_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "zocket/types.h"

/* The fields that a server reads. A second ONE is refused; a LIST may come in
 * several lines, which are read as a single list (RFC 9110, section 5.3). */
#define ZKT_HTTP_FIELDS(X)                                                     \
    X(HOST, "Host", ONE)                                                       \
    X(UPGRADE, "Upgrade", LIST)                                                \
    X(CONNECTION, "Connection", LIST)                                          \
    X(WS_VERSION, "Sec-WebSocket-Version", ONE)                                \
    X(WS_KEY, "Sec-WebSocket-Key", ONE)                                        \
    X(WS_PROTOCOL, "Sec-WebSocket-Protocol", LIST)                             \
    X(WS_EXTENSIONS, "Sec-WebSocket-Extensions", LIST)                         \
    X(ORIGIN, "Origin", ONE)                                                   \
    X(SEC_FETCH_SITE, "Sec-Fetch-Site", LIST)                                  \
    X(EXPECT, "Expect", LIST)                                                  \
    X(TRANSFER_ENCODING, "Transfer-Encoding", ONE)

enum zkt_http_field {
#define X(name, text, kind) ZKT_HTTP_FIELD_##name,
    ZKT_HTTP_FIELDS(X)
#undef X
    ZKT_HTTP_FIELD_COUNT
};

/* The methods of RFC 9110 and RFC 5789. CONNECT is refused with 405, others
 * with 501. */
enum zkt_http_method {
    ZKT_HTTP_GET,
    ZKT_HTTP_HEAD,
    ZKT_HTTP_POST,
    ZKT_HTTP_PUT,
    ZKT_HTTP_PATCH,
    ZKT_HTTP_DELETE,
    ZKT_HTTP_OPTIONS,
    ZKT_HTTP_TRACE
};

struct zkt_http_reader;

/* A request; the strings are views, valid while its reader is not fed. */
struct zkt_http_request {
    enum zkt_http_method method;
    struct zkt_str target; /* path and query as sent; or "*" */
    struct zkt_str path, query;
    struct zkt_str host;   /* data NULL: absent, which HTTP/1.0 may */
    struct zkt_str fields; /* for zkt__http_next_field */
    struct zkt_str body;
    bool expects_continue;
    bool asks_websocket; /* by Upgrade and Connection; without a body */
    bool keeps_alive;    /* the connection may have another request */
    uint8_t minor;       /* of the version: HTTP/1.0 or HTTP/1.1 */
    const struct zkt_http_reader *reader;
};

struct zkt_http_limits {
    size_t head; /* bytes of a head; exceeding it: 431 */
    size_t body; /* bytes of a body; exceeding it: 413 */
};

/* Fields of a head; more: 431. */
#define ZKT_HTTP_FIELDS_MAX 100
/* Bytes of chunk extensions and trailers; more: 400. */
#define ZKT_HTTP_EXTRA_MAX ((size_t)16 * 1024)

enum zkt_http_stage {
    ZKT_HTTP_READING_HEAD,
    ZKT_HTTP_READING_BODY, /* the head is complete, and a body follows */
    ZKT_HTTP_COMPLETE,
    ZKT_HTTP_REFUSED
};

/** Returns NULL if there is no memory. */
struct zkt_http_reader *zkt__http_reader_new(
    const struct zkt_allocator *allocator, struct zkt_http_limits limits);
/** Takes NULL. */
void zkt__http_reader_free(const struct zkt_allocator *allocator,
                           struct zkt_http_reader *reader);

/**
 * Feeds received bytes, in any split; may move the reader. Stores the number of
 * consumed bytes in *@used: at least one, unless the request is complete or
 * refused, and none behind the end of the head or of the request. Returns false
 * if there is no memory.
 */
bool zkt__http_read(const struct zkt_allocator *allocator,
                    struct zkt_http_reader **reader, const uint8_t *bytes,
                    size_t len, size_t *used);

/* The fields of an answer that tell a browser who may read it (Fetch, section
 * 3.3). */
enum zkt_http_cors {
    ZKT_HTTP_CORS_NONE,   /* pages of the same origin: only Vary */
    ZKT_HTTP_CORS_ABSENT, /* the same for each origin: no field */
    ZKT_HTTP_CORS_ORIGIN, /* also those of its Origin, with their cookies */
    ZKT_HTTP_CORS_ALL     /* all pages, without cookies */
};

/** Decides on those of the answer to a request; else they are CORS_NONE. */
void zkt__http_set_cors(struct zkt_http_reader *reader,
                        enum zkt_http_cors cors);

enum zkt_http_stage zkt__http_stage(const struct zkt_http_reader *reader);
/** Returns the status of a request that is refused, from 400 to 599. */
int zkt__http_refusal(const struct zkt_http_reader *reader);
/** Returns the received bytes of the request; *@memory is the memory that holds
 * them. */
size_t zkt__http_received(const struct zkt_http_reader *reader, size_t *memory);
/** Gets the request of a reader with a complete head; it has no body until it
 * is complete. */
void zkt__http_get(const struct zkt_http_reader *reader,
                   struct zkt_http_request *out);

/** Returns the value of @field, or of the first line of a list; data NULL:
 * absent. */
struct zkt_str zkt__http_value(const struct zkt_http_request *request,
                               enum zkt_http_field field);
/** Calls @take with the value of each line of a list, until it returns
 * false. */
void zkt__http_each_line(const struct zkt_http_request *request,
                         enum zkt_http_field field,
                         bool (*take)(void *to, struct zkt_str line), void *to);

/** Returns true if the list @field has the item @word, in any case. */
bool zkt__http_has(const struct zkt_http_request *request,
                   enum zkt_http_field field, const char *word);

#endif
