/*
 * An end of a wire: a connection of a server core without sockets, with the
 * input and output of the client at the other end. Include cmocka first.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdlib.h>
#include <string.h>

#include "server/server.h"

struct wire {
    struct zkt_endpoint *e;
    char *text; /* everything received */
    size_t len;
};

static inline void drain(struct wire *w)
{
    struct zkt_slice slices[8];
    for (size_t n; (n = w->e->ops->pending(w->e, slices, 8)) > 0;) {
        size_t total = 0;
        for (size_t i = 0; i < n; i++) {
            w->text = realloc(w->text, w->len + total + slices[i].len + 1);
            memcpy(w->text + w->len + total, slices[i].data, slices[i].len);
            total += slices[i].len;
        }
        w->len += total;
        w->text[w->len] = '\0';
        w->e->ops->sent(w->e, total);
    }
}

/* Feeds bytes in pieces of @cut; with @takes, takes the output after each. */
static inline void feed(struct wire *w, const char *bytes, size_t len,
                        size_t cut, bool takes)
{
    for (size_t at = 0; at < len; at += cut) {
        uint8_t copy[8192];
        const size_t n = len - at < cut ? len - at : cut;
        assert_true(n <= sizeof(copy));
        memcpy(copy, bytes + at, n);
        w->e->ops->feed(w->e, copy, n);
        if (takes) {
            drain(w);
        }
        w->e->core->ops->tick(w->e->core);
    }
}

static inline size_t frame(char *to, const char *text)
{
    static const char key[4] = { 1, 2, 3, 4 };
    const size_t len = strlen(text);
    size_t head = 2;
    to[0] = (char)0x81;
    to[1] = (char)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        to[2] = (char)(len >> 8);
        to[3] = (char)len;
        head = 4;
    }
    memcpy(to + head, key, 4);
    for (size_t i = 0; i < len; i++) {
        to[head + 4 + i] = (char)(text[i] ^ key[i & 3]);
    }
    return head + 4 + len;
}

static const char request[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static inline struct wire open_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    feed(&w, request, sizeof(request) - 1, 4096, true);
    return w;
}

/* The same in the dialect of ours. */
static inline struct wire open_wire_rfc6902(struct zkt_server *server)
{
    static const char asking[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: zocket.rfc6902\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    feed(&w, asking, sizeof(asking) - 1, 4096, true);
    return w;
}

static inline void send_text(struct wire *w, const char *text, bool takes)
{
    char bytes[4096];
    feed(w, bytes, frame(bytes, text), sizeof(bytes), takes);
}

static inline void close_wire(struct wire *w)
{
    w->e->ops->detach(w->e);
    free(w->text);
}

/* Counts how often @text was received. */
static inline int count_text(const struct wire *w, const char *text)
{
    const size_t len = strlen(text);
    int n = 0;
    for (size_t i = 0; i + len <= w->len; i++) {
        n += memcmp(w->text + i, text, len) == 0;
    }
    return n;
}

/* Returns true if @text occurs among bytes that may include zeros. */
static inline bool holds(const char *bytes, size_t len, const char *text)
{
    const size_t wanted = strlen(text);
    for (size_t i = 0; i + wanted <= len; i++) {
        if (memcmp(bytes + i, text, wanted) == 0) {
            return true;
        }
    }
    return false;
}

#endif
