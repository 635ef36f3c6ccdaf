/*
 * Random streams of frames, good and bad, cut at random places: through our
 * path and through wslay fed one byte at a time. Same messages, same replies,
 * same close; 1002 and 1007 count as one, since wslay itself says the one or
 * the other of some streams, by how they are cut.
 *
 *   websocket_frames [STREAMS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "websocket/websocket.h"

enum {
    MESSAGE_MAX = 40000,
    STREAM_MAX = 1 << 20
};

static uint64_t seed = 7;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* ---- what a stream led to ---- */

struct outcome {
    uint8_t *messages, *replies;
    size_t messages_len, replies_len;
    unsigned code; /* of the close; 0: none */
};

static void append(uint8_t **to, size_t *len, const void *bytes, size_t n)
{
    if (n > 0) {
        *to = realloc(*to, *len + n);
        memcpy(*to + *len, bytes, n);
        *len += n;
    }
}

static void note_message(struct outcome *o, bool binary, const uint8_t *data,
                         size_t len)
{
    const uint32_t head[2] = { binary ? 2u : 1u, (uint32_t)len };
    append(&o->messages, &o->messages_len, head, sizeof(head));
    append(&o->messages, &o->messages_len, data, len);
}

static void free_outcome(struct outcome *o)
{
    free(o->messages);
    free(o->replies);
    *o = (struct outcome){ 0 };
}

/* ---- ours ---- */

static uint8_t memory[MESSAGE_MAX + ZKT_PADDING];

static uint8_t *our_memory(void *user, size_t len)
{
    (void)user;
    return len <= MESSAGE_MAX ? memory : NULL;
}

static void our_message(void *user, bool binary, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < ZKT_PADDING; i++) {
        if (data[len + i] != 0) {
            fprintf(stderr, "no zeros behind a message\n");
            exit(1);
        }
    }
    note_message(user, binary, data, len);
}

static void our_send(void *user, const void *data, size_t len)
{
    struct outcome *o = user;
    append(&o->replies, &o->replies_len, data, len);
}

static void our_close(void *user, unsigned code, const char *reason)
{
    struct outcome *o = user;
    (void)reason;
    o->code = code;
}

static const struct zkt_ws_callbacks callbacks = {
    .memory = our_memory,
    .on_message = our_message,
    .send = our_send,
    .on_close = our_close,
};
static const struct zkt_ws_limits limits = {
    .message = MESSAGE_MAX,
    .head = 1024,
    .fragments = 1024,
};

static void run_ours(const uint8_t *bytes, size_t len, unsigned cut,
                     struct outcome *o)
{
    struct zkt_ws ws;
    zkt__ws_init_server(&ws, &callbacks, o, &zkt__allocator_default, &limits);
    ws.state = ZKT_WS_OPEN; /* the handshake is another test's */
    for (size_t at = 0; at < len;) {
        size_t n = cut == 0 ? len : cut == 1 ? 1 : 1 + below(cut);
        n = n > len - at ? len - at : n;
        uint8_t *copy = malloc(n); /* so that reading past it is caught */
        memcpy(copy, bytes + at, n);
        zkt__ws_feed(&ws, copy, n);
        free(copy);
        at += n;
    }
    zkt__ws_finish(&ws);
}

/* ---- wslay ---- */

struct reference {
    const uint8_t *in;
    size_t len;
    struct outcome *o;
};

static ssize_t ref_receive(wslay_event_context_ptr context, uint8_t *buffer,
                           size_t len, int flags, void *user)
{
    struct reference *r = user;
    (void)flags;
    (void)len;
    if (r->len == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    *buffer = *r->in++;
    r->len--;
    return 1;
}

static ssize_t ref_send(wslay_event_context_ptr context, const uint8_t *data,
                        size_t len, int flags, void *user)
{
    struct reference *r = user;
    (void)context;
    (void)flags;
    our_send(r->o, data, len);
    return (ssize_t)len;
}

static void ref_message(wslay_event_context_ptr context,
                        const struct wslay_event_on_msg_recv_arg *a, void *user)
{
    struct reference *r = user;
    (void)context;
    if (!wslay_is_ctrl_frame(a->opcode)) {
        note_message(r->o, a->opcode == WSLAY_BINARY_FRAME, a->msg,
                     a->msg_length);
    }
}

static void run_reference(const uint8_t *bytes, size_t len, struct outcome *o)
{
    static const struct wslay_event_callbacks reference_callbacks = {
        .recv_callback = ref_receive,
        .send_callback = ref_send,
        .on_msg_recv_callback = ref_message,
    };
    struct reference r = { .o = o };
    wslay_event_context_ptr context;
    wslay_event_context_server_init(&context, &reference_callbacks, &r);
    wslay_event_config_set_max_recv_msg_length(context, MESSAGE_MAX);
    bool failed = false;
    for (size_t i = 0; i < len && wslay_event_get_read_enabled(context); i++) {
        r.in = bytes + i;
        r.len = 1;
        failed = wslay_event_recv(context) != 0;
        wslay_event_send(context);
    }
    if (failed) {
        o->code = 1002; /* a header that cannot be: closed without a code */
    } else if (wslay_event_get_close_received(context)) {
        o->code = wslay_event_get_status_code_received(context);
    } else if (!wslay_event_get_read_enabled(context)) {
        o->code = wslay_event_get_status_code_sent(context);
    }
    wslay_event_context_free(context);
}

/* ---- streams ---- */

static size_t put_frame(uint8_t *to, bool fin, unsigned opcode,
                        const uint8_t *payload, size_t len)
{
    size_t head = 2;
    to[0] = (uint8_t)((fin ? 0x80u : 0u) | opcode);
    if (len < 126) {
        to[1] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        to[1] = 0x80 | 126;
        to[2] = (uint8_t)(len >> 8);
        to[3] = (uint8_t)len;
        head = 4;
    } else {
        to[1] = 0x80 | 127;
        for (size_t i = 0; i < 8; i++) {
            to[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        }
        head = 10;
    }
    uint8_t key[4];
    for (size_t i = 0; i < 4; i++) {
        to[head + i] = key[i] = (uint8_t)below(256);
    }
    head += 4;
    for (size_t i = 0; i < len; i++) {
        to[head + i] = payload[i] ^ key[i & 3];
    }
    return head + len;
}

static void put_text(uint8_t *to, size_t len, bool bad)
{
    static const char *const others[] = { "é", "€", "😀" };
    size_t i = 0;
    while (i < len) {
        const unsigned r = below(40);
        const size_t n = r < 3 ? strlen(others[r]) : 1;
        if (r < 3 && i + n <= len) {
            memcpy(to + i, others[r], n);
            i += n;
        } else {
            to[i++] = (uint8_t)(' ' + below(90));
        }
    }
    if (bad && len > 0) {
        to[below((unsigned)len)] = (uint8_t)(0x80 | below(128));
    }
}

static size_t put_fragments(uint8_t *to, uint8_t *payload, size_t len)
{
    const unsigned parts = 2 + below(4);
    size_t at = 0, written = 0;
    for (unsigned i = 0; i < parts; i++) {
        const bool last = i == parts - 1;
        const size_t n = last ? len - at : below((unsigned)(len - at) + 1);
        if (below(4) == 0) {
            written += put_frame(to + written, true, 9 + below(2), payload,
                                 below(100));
        }
        written += put_frame(to + written, last, i == 0 ? 1 : 0, payload + at,
                             n);
        at += n;
    }
    return written;
}

static size_t make_stream(uint8_t *to)
{
    static uint8_t payload[100000];
    size_t len = 0;
    for (unsigned n = 1 + below(8); n > 0; n--) {
        const unsigned r = below(20);
        size_t size = below(12) == 0 ? below(70000)
                      : below(3)     ? below(130)
                                     : below(3000);
        if (r < 12) {
            put_text(payload, size, below(30) == 0);
            len += put_frame(to + len, true, below(8) ? 1 : 2, payload, size);
        } else if (r < 16) {
            size %= 5000;
            put_text(payload, size, below(30) == 0);
            len += put_fragments(to + len, payload, size);
        } else if (r < 18) {
            len += put_frame(to + len, true, 9 + below(2), payload, below(126));
        } else if (r == 18 && below(4) == 0) {
            const uint8_t close[2] = { (uint8_t)(below(2) ? 3 : below(256)),
                                       (uint8_t)below(256) };
            len += put_frame(to + len, true, 8, close, below(3));
        } else {
            const size_t at = len;
            put_text(payload, size % 200, false);
            len += put_frame(to + len, below(2) != 0, below(3), payload,
                             size % 200);
            if (below(3) == 0) {
                const size_t head = len - at < 14 ? len - at : 14;
                to[at + below((unsigned)head)] ^= (uint8_t)(1u << below(8));
            }
        }
    }
    if (below(3) == 0) {
        len -= below((unsigned)(len < 30 ? len : 30));
    }
    return len;
}

static unsigned class_of(unsigned code)
{
    return code == 1007 ? 1002 : code;
}

/* The code in a reply's close frame belongs to the same class, too. */
static bool same_replies(const struct outcome *a, const struct outcome *b)
{
    if (a->replies_len != b->replies_len) {
        return false;
    }
    return a->replies_len == 0 || class_of(a->code) == 1002 ||
           memcmp(a->replies, b->replies, a->replies_len) == 0;
}

int main(int argc, char **argv)
{
    static uint8_t stream[STREAM_MAX];
    static const unsigned cuts[] = { 0, 1, 200, 20000 };
    const long streams = argc > 1 ? atol(argv[1]) : 20000;
    long different = 0, closed = 0;
    if (argc > 2) {
        seed = strtoull(argv[2], NULL, 10);
    }
    for (long i = 0; i < streams; i++) {
        const size_t len = make_stream(stream);
        struct outcome ours = { 0 }, reference = { 0 };
        unsigned cut = cuts[below(4)];
        cut = cut == 1 && len > 3000 ? 200 : cut;
        run_reference(stream, len, &reference);
        run_ours(stream, len, cut, &ours);
        if (ours.messages_len != reference.messages_len ||
            (ours.messages_len > 0 && memcmp(ours.messages, reference.messages,
                                             ours.messages_len) != 0) ||
            class_of(ours.code) != class_of(reference.code) ||
            !same_replies(&ours, &reference)) {
            if (different++ < 5) {
                fprintf(stderr,
                        "stream %ld, cut %u: messages %zu and %zu bytes, "
                        "replies %zu and %zu, close %u and %u\n",
                        i, cut, ours.messages_len, reference.messages_len,
                        ours.replies_len, reference.replies_len, ours.code,
                        reference.code);
            }
        }
        closed += reference.code != 0;
        free_outcome(&ours);
        free_outcome(&reference);
    }
    printf("%ld streams, %ld differ; %ld ended with a close\n", streams,
           different, closed);
    return different == 0 ? 0 : 1;
}
