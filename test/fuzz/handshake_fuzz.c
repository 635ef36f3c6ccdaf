/*
 * Any bytes as the head of a handshake, a request or a response: the outcome is
 * the same for the whole head and for pieces. The first byte selects the role
 * and the number of pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/head.h"
#include "websocket/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    char *sent;
    size_t len;
    unsigned code;
    int opened, messages, state;
    size_t seen; /* bytes of the request's fields, or of a refusal */
    struct zkt_ws *ws;
};

/* Returns the last of the offered subprotocols. */
static struct zkt_str find_protocol(struct zkt_str fields)
{
    struct zkt_str name, value, item = ZKT_STR("");
    while (zkt__http_next_field(&fields, &name, &value)) {
        if (name.len == strlen("Sec-WebSocket-Protocol")) {
            while (zkt__http_next_item(&value, &item)) {
            }
        }
    }
    return item;
}

static void see(struct heard *h, struct zkt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        h->seen += (unsigned char)text.data[i];
    }
}

static void on_request(void *user, const struct zkt_ws_request *request)
{
    struct heard *h = user;
    const struct zkt_str *parts[] = { &request->target, &request->path,
                                      &request->query,  &request->host,
                                      &request->origin, &request->fields };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        see(h, *parts[i]);
    }
    if (request->path.data[0] != '/') {
        abort();
    }
    if (request->query.len == 1) {
        zkt__ws_refuse(h->ws, 403, ZKT_STR("A: b\r\n"), request->target);
    } else {
        zkt__ws_accept(h->ws, request, find_protocol(request->fields));
    }
}

static void on_open(void *user, const char *protocol)
{
    struct heard *h = user;
    h->opened += 1 + (protocol[0] != '\0');
}

static uint8_t *on_memory(void *user, size_t len)
{
    static uint8_t memory[4096];
    (void)user;
    return len + ZKT_PADDING <= sizeof(memory) ? memory : NULL;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct heard *h = user;
    (void)binary;
    (void)data;
    (void)len;
    h->messages++;
}

static void on_send(void *user, const void *bytes, size_t len)
{
    struct heard *h = user;
    h->sent = realloc(h->sent, h->len + len);
    memcpy(h->sent + h->len, bytes, len);
    h->len += len;
}

static void on_refused(void *user, const struct zkt_ws_refusal *refusal)
{
    struct heard *h = user;
    if (h->opened || refusal->status == 101) {
        abort();
    }
    see(h, refusal->reason);
    see(h, refusal->retry_after);
}

static void on_refusal_body(void *user, uint8_t *body, size_t len)
{
    struct heard *h = user;
    if (len == 0 || len > ZKT_WS_BODY_MAX || h->code != 0) {
        abort();
    }
    see(h, (struct zkt_str){ (const char *)body, len });
    for (size_t i = 0; i < ZKT_PADDING; i++) {
        if (body[len + i] != 0) {
            abort();
        }
    }
    memset(body, 0, len); /* it may be changed */
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct heard *h = user;
    if (h->code != 0 || reason == NULL) {
        abort();
    }
    h->code = code;
}

static void run(const uint8_t *data, size_t size, bool client, size_t cut,
                struct heard *h)
{
    static const struct zkt_ws_callbacks callbacks = {
        .on_request = on_request,
        .on_open = on_open,
        .memory = on_memory,
        .on_message = on_message,
        .send = on_send,
        .on_close = on_close,
        .on_refused = on_refused,
        .on_refusal_body = on_refusal_body,
    };
    static const struct zkt_ws_limits limits = { 1000, 2048, 16, 64 };
    static const struct zkt_ws_setup setup = { .callbacks = &callbacks,
                                               .allocator =
                                                   &zkt__allocator_default,
                                               .limits = &limits };
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    struct zkt_random random;
    struct zkt_hash_key key;
    struct zkt_ws ws;
    struct zkt_ws_client part;
    h->ws = &ws;
    if (!zkt__random_init(&random, &key, seed)) {
        abort();
    }
    zkt__ws_init_server(&ws, &setup, h);
    if (client) {
        (void)zkt__ws_init_client(&ws, &part, &setup, h, &random,
                                  &(const struct zkt_ws_opening){
                                      .host = ZKT_STR("x:80"),
                                      .target = ZKT_STR("/"),
                                      .fields = ZKT_STR(""),
                                      .offered = ZKT_WS_PROTOCOL_RFC6902 });
        /* The example of RFC 6455, section 1.3: a corpus can answer it. */
        memcpy(part.key, "dGhlIHNhbXBsZSBub25jZQ==", sizeof(part.key));
        h->len = 0;
    }
    for (size_t at = 0; at < size; at += cut) {
        const size_t n = size - at < cut ? size - at : cut;
        uint8_t *copy = malloc(n);
        memcpy(copy, data + at, n);
        (void)zkt__ws_feed(&ws, copy, n);
        free(copy);
    }
    h->state = ws.state;
    zkt__ws_finish(&ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const bool client = (data[0] & 1) != 0;
    struct heard whole = { .len = 0 }, cut = { .len = 0 };
    run(data + 1, size - 1, client, size, &whole);
    run(data + 1, size - 1, client, 1 + (data[0] >> 1), &cut);
    /* The bytes after a good head are frames, which another fuzzer tests; a
     * client's replies to them have random masks. */
    if (whole.opened != cut.opened || whole.messages != cut.messages ||
        whole.state != cut.state || whole.seen != cut.seen ||
        (whole.code == 0) != (cut.code == 0) || whole.len != cut.len) {
        abort();
    }
    if (whole.opened == 0 && whole.len > 0 &&
        memcmp(whole.sent, cut.sent, whole.len) != 0) {
        abort();
    }
    free(whole.sent);
    free(cut.sent);
    return 0;
}
