/*
 * Plain requests on the port of a server: pages of its own beside the actors,
 * such as a version, a callback of another service, a small form. The option
 * on_request (server.h) is called for each request that asks for no WebSocket,
 * and that no route of the server itself takes (/healthz, /readyz):
 *
 *     #include "counter_server.h"
 *     #include "zocket/http.h"
 *     #include "zocket/server.h"
 *
 *     static void on_request(struct zkt_http *http, void *user)
 *     {
 *         const char *version = user;
 *         if (!zkt_str_eq(zkt_http_path(http), ZKT_STR("/version"))) {
 *             zkt_http_next(http);
 *             return;
 *         }
 *         zkt_http_header(http, "Cache-Control", "no-store");
 *         zkt_http_reply(http, 200, "text/plain", version, strlen(version));
 *     }
 *
 *     int serve(const struct demo_handlers *handlers, int argc, char **argv)
 *     {
 *         const struct zkt_serve_options options = {
 *             .on_request = on_request,
 *             .user = "1.4.2\n",
 *         };
 *         return zkt_serve_main(demo_app(handlers), &options, argc, argv);
 *     }
 *
 * Each request is answered exactly once, by zkt_http_reply or zkt_http_next: in
 * on_request, or, after zkt_http_keep, later and from any thread. A client that
 * has gone makes the answer do nothing. A request that is not answered within
 * the limit http_ms is answered with 504 by the server, and its own answer,
 * when it comes, does nothing.
 *
 * Requests of a connection are answered in their order: the next is read when
 * the one before it was answered. A body is read whole, up to the limit
 * body_bytes. Requests that wait for their answers are limited by
 * http_requests; more are answered with 503.
 *
 * Threads: on_request runs on the server's first thread, between calls, like a
 * posted function (zkt_server_post): what takes long is for another thread. A
 * request that is kept is used by one thread at a time. It is gone, with its
 * strings, when it is answered. Answering it once more is a mistake that the
 * log reports, as long as it is among the last 64 of its thread.
 */
#ifndef ZOCKET_HTTP_H
#define ZOCKET_HTTP_H

#include <string.h>

#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A request that waits for its answer. */
struct zkt_http;

/* ---- the request; strings are borrowed until it is answered ---- */

/** Returns the method, "GET" or another of RFC 9110 and RFC 5789, but for
 * CONNECT, which is refused. */
struct zkt_str zkt_http_method(const struct zkt_http *http);
/** Returns the path as it was sent, with its percent signs; "*" for
 * `OPTIONS *`. */
struct zkt_str zkt_http_path(const struct zkt_http *http);
/** Returns the query behind the `?` as it was sent, or "". */
struct zkt_str zkt_http_query(const struct zkt_http *http);
/** Returns the value of the first field called @name, in any case; data is NULL
 * if there is none. */
struct zkt_str zkt_http_field(const struct zkt_http *http, const char *name);
/** Returns the body, with chunks put together; any bytes. */
struct zkt_str zkt_http_body(const struct zkt_http *http);
/** Returns the address of the peer, as zkt_remote_address does (call.h). */
struct zkt_str zkt_http_remote_address(const struct zkt_http *http);

/* ---- the answer ---- */

/**
 * Adds a field to the reply; copies it. The name is a token, the value has no
 * CR, LF or NUL, and no blanks around it. Other fields, and Connection,
 * Content-Length, Date, Keep-Alive, Trailer, Transfer-Encoding and Upgrade,
 * which are the server's, make the reply a 500; the log says why.
 */
void zkt_http_header(struct zkt_http *http, const char *name,
                     const char *value);

/**
 * Answers with @status, from 200 to 599, the field Content-Type: @type (NULL:
 * none), and @len bytes of @body, all copied. The body is left out in answers
 * to HEAD and with 204 and 304. Another status is a 500, as is a lack of
 * memory.
 */
void zkt_http_reply(struct zkt_http *http, int status, const char *type,
                    const void *body, size_t len);

/** Leaves the answer to the routes behind on_request: files, or 404. Fields
 * that were added are dropped. */
void zkt_http_next(struct zkt_http *http);

/** In on_request: keeps the request; its answer follows later. Without it, a
 * request that on_request does not answer is answered with 500. */
void zkt_http_keep(struct zkt_http *http);

#ifdef __cplusplus
}
#endif
#endif
