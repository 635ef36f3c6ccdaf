/*
 * Any bytes as a whole connection: plain requests, an upgrade, and frames, in a
 * stream. Its answers and its end are the same for the whole stream and for
 * pieces, up to the upgrade: then pieces may be answered in another grouping.
 * The first byte is the size of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"
#include "websocket/deflate.h"

#define main chat_main
#include "../chat/server.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes that a peer has received. */
struct peer {
    char *text;
    size_t len;
    bool closing, aborted;
};

static void take(struct zkt_endpoint *e, struct peer *peer)
{
    struct zkt_slice slices[16];
    for (size_t n; (n = e->ops->pending(e, slices, 16)) > 0;) {
        size_t total = 0;
        for (size_t i = 0; i < n; i++) {
            peer->text = realloc(peer->text, peer->len + slices[i].len + 1);
            memcpy(peer->text + peer->len, slices[i].data, slices[i].len);
            peer->len += slices[i].len;
            total += slices[i].len;
        }
        peer->text[peer->len] = '\0';
        e->ops->sent(e, total);
    }
}

static void feed(struct zkt_endpoint *e, struct peer *peer,
                 const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, bytes, len);
    e->ops->feed(e, copy, len);
    free(copy);
    e->core->ops->tick(e->core);
    take(e, peer);
}

/* Turns until nothing is left to do. */
static void settle(struct zkt_endpoint *e, struct peer *peer)
{
    for (int i = 0; i < 100; i++) {
        e->core->ops->tick(e->core);
        take(e, peer);
    }
}

static void run(const uint8_t *data, size_t size, size_t cut, struct peer *peer)
{
    static const uint8_t seed[32] = { 1 };
    const struct zkt_serve_options options = { .random_seed = seed,
                                               .http_calls = true,
                                               .deflate =
                                                   zkt__deflate_is_built(),
                                               .limits.body_bytes = 256,
                                               .limits.head_bytes = 1024 };
    const struct demo_handlers handlers = { .chat = &chat };
    struct zkt_server *server = NULL;
    if (zkt_server_new(demo_app(&handlers), &options, &server) != ZKT_OK) {
        abort();
    }
    struct zkt_endpoint *e = zkt__server_accept(server, "fuzz");
    for (size_t at = 0; at < size; at += cut) {
        feed(e, peer, data + at, size - at < cut ? size - at : cut);
    }
    settle(e, peer);
    peer->closing = e->closing;
    peer->aborted = e->aborted;
    e->ops->detach(e);
    zkt_server_free(server);
}

/* Returns the length of the answers up to the first that accepts a WebSocket
 * or is a stream of events, with it; aborts if they are no answers. */
static size_t measure_answers(const struct peer *peer, bool *upgraded)
{
    static const char begin[] = "HTTP/1.1 ";
    const char *at = peer->len > 0 ? peer->text : "";
    *upgraded = false;
    while (*at != '\0' && !*upgraded) {
        const char *end = strstr(at, "\r\n\r\n");
        const char *length = strstr(at, "\r\nContent-Length: ");
        if (strncmp(at, begin, sizeof(begin) - 1) != 0 || end == NULL) {
            abort();
        }
        const char *events = strstr(at, "\r\nContent-Type: text/event-stream");
        *upgraded = strncmp(at + sizeof(begin) - 1, "101 ", 4) == 0 ||
                    (events != NULL && events < end); /* has no end */
        at = end + 4;
        /* A body follows, unless the request was HEAD. */
        if (length != NULL && length < end &&
            strncmp(at, begin, sizeof(begin) - 1) != 0) {
            at += strtoul(length + 18, NULL, 10);
        }
        if (at > peer->text + peer->len) {
            at = peer->text + peer->len;
        }
    }
    return peer->len > 0 ? (size_t)(at - peer->text) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct peer whole = { .len = 0 }, cut = { .len = 0 };
    bool upgraded, cut_upgraded;
    run(data + 1, size - 1, size, &whole);
    run(data + 1, size - 1, 1 + data[0] % 64, &cut);
    const size_t len = measure_answers(&whole, &upgraded);
    if (len != measure_answers(&cut, &cut_upgraded) ||
        upgraded != cut_upgraded ||
        (len > 0 && memcmp(whole.text, cut.text, len) != 0)) {
        abort();
    }
    if (!upgraded && (whole.len != cut.len || whole.closing != cut.closing ||
                      whole.aborted != cut.aborted)) {
        abort();
    }
    free(whole.text);
    free(cut.text);
    return 0;
}
