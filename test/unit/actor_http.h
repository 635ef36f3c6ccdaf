/*
 * Requests of HTTP to a server core without sockets, and their answers. Include
 * cmocka first.
 */
#ifndef ACTOR_HTTP_H
#define ACTOR_HTTP_H

#include <stdio.h>

#include "wire.h"

static inline struct wire connect_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "192.0.2.7") };
    assert_non_null(w.e);
    return w;
}

/* Runs turns, and takes the output. */
static inline void run(struct wire *w)
{
    for (int i = 0; i < 4; i++) {
        w->e->core->ops->tick(w->e->core);
        drain(w);
    }
}

static inline const char *exchange(struct wire *w, const char *text)
{
    w->len = 0;
    feed(w, text, strlen(text), 4096, true);
    run(w);
    return w->len > 0 ? w->text : "";
}

#define POST_SIZE 8192
#define JSON      "Content-Type: application/json\r\n"
#define POST(path, fields, input)                                              \
    post(path, fields, input, (char[POST_SIZE]){ 0 })

static inline const char *post(const char *path, const char *fields,
                               const char *input, char *out)
{
    snprintf(out, POST_SIZE,
             "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
             path, fields, strlen(input), input);
    return out;
}

#define GET(path, fields) "GET " path " HTTP/1.1\r\nHost: x\r\n" fields "\r\n"
#define EVENTS            "Accept: text/html;q=0.5, text/event-stream\r\n"

static inline int status_of(const struct wire *w)
{
    return w->len > 9 ? atoi(w->text + 9) : 0;
}

static inline const char *body_of(const struct wire *w)
{
    const char *end = w->len > 0 ? strstr(w->text, "\r\n\r\n") : NULL;
    return end != NULL ? end + 4 : "";
}

static inline void check(const struct wire *w, int status, const char *body)
{
    if (status_of(w) != status || strstr(body_of(w), body) == NULL) {
        fail_msg("not %d '%s': %s", status, body, w->len > 0 ? w->text : "");
    }
}

#endif
