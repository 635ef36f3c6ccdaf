/*
 * TLS (net/tls.h): greetings with n of everything that a list may hold,
 * handshakes in n records and n reads, n certificates of a client, n records
 * and n new keys afterwards. The instructions of OpenSSL count as well; those
 * of a handshake without the n are in the run of size 0, and random numbers are
 * fixed.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tls/issue.h"
#include "growth.h"
#include "net/tls.h"
#include "zocket/tls.h"

static struct issued own; /* of the server; it signs itself */

struct work {
    const void *with;
    struct zkt_tls *tls;
    struct zkt_tls_stream *stream;
    struct zkt_tls_bytes bytes;
    uint8_t *in; /* that the run reads */
    size_t len, n;
    size_t read; /* bytes that are read at once */
};

/* ---- the stream of a server ---- */

static void finish(void *work)
{
    struct work *w = work;
    w->tls->ops->close(w->stream);
    zkt_tls_free(w->tls);
    free(w->in);
    free(w);
}

/* Opens a stream; @ca is an authority for clients, or NULL. */
static struct work *open_work(const void *with, size_t n,
                              const struct issued *ca)
{
    char path[] = "/tmp/growth-XXXXXX", ca_path[] = "/tmp/growth-XXXXXX";
    struct work *w = calloc(1, sizeof(*w));
    issue_counter = 1;
    if (!issue_write(&own, path) || (ca != NULL && !issue_write(ca, ca_path))) {
        free(w);
        return NULL;
    }
    const struct zkt_tls_certificate file = { .chain = path };
    *w = (struct work){ .with = with, .n = n, .read = SIZE_MAX };
    w->tls = zkt_tls_server(&(struct zkt_tls_server_options){
        .certificates = &file,
        .certificate_count = 1,
        .client_ca = ca != NULL ? ca_path : NULL,
    });
    w->bytes.allocator = &growth_allocator;
    const bool good = w->tls->ops->load(w->tls, NULL, NULL) == 1;
    (void)unlink(path);
    (void)unlink(ca_path);
    w->stream = good ? w->tls->ops->open(w->tls, &growth_allocator, NULL)
                     : NULL;
    return w->stream != NULL ? w : NULL;
}

/* Reads everything. Returns the number of decrypted bytes, or the result of the
 * stream that it has ended with, if that is no success. */
static ptrdiff_t read_bytes(struct work *w, const uint8_t *in, size_t len)
{
    static uint8_t plain[ZKT_TLS_RECORD];
    ptrdiff_t got = ZKT_TLS_MORE, all = 0;
    for (size_t at = 0; at < len && got >= 0;) {
        const size_t part = len - at < w->read ? len - at : w->read;
        w->bytes.in = in + at;
        w->bytes.in_len = part;
        while ((got = w->stream->ops->read(w->stream, &w->bytes, plain,
                                           sizeof(plain))) > 0) {
            all += got;
        }
        at += part;
    }
    return got < 0 ? got : all;
}

/* ---- greetings ---- */

/* A list of a greeting: n times @piece, of which the bytes `#` and the next are
 * the number of the piece. */
struct list {
    int type; /* of the extension, or one of those below */
    const char *piece;
    size_t piece_len;
    int lengths; /* bytes of the length in front of the list */
    bool refused;
    int also;         /* an extension with the same numbers, of 2 bytes */
    size_t also_most; /* of them */
    size_t fragment;  /* bytes of a record; 0: as many as it may have */
    size_t read;      /* bytes of a read; 0: all */
};

enum {
    SNI = 0,
    STATUS = 5,
    GROUPS = 10,
    SIGNATURES = 13,
    PROTOCOLS = 16,
    PADDING = 21,
    TICKETS = 41,
    VERSIONS = 43,
    SHARES = 51,
    /* No extensions: the list of ciphers, and the extensions themselves. */
    CIPHERS = -1,
    EXTENSIONS = -2
};

struct text {
    uint8_t bytes[512 * 1024];
    size_t len;
};

static void put(struct text *t, const void *bytes, size_t len)
{
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static void put_number(struct text *t, size_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        t->bytes[t->len++] = (uint8_t)(number >> 8 * i);
    }
}

/* Returns the place of a length, for end_length. */
static size_t begin_length(struct text *t, int bytes)
{
    t->len += (size_t)bytes;
    return t->len;
}

static void end_length(struct text *t, size_t begin, int bytes)
{
    const size_t end = t->len;
    t->len = begin - (size_t)bytes;
    put_number(t, end - begin, bytes);
    t->len = end;
}

static void put_pieces(struct text *t, const struct list *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *number = memchr(list->piece, '#', list->piece_len);
        uint8_t *at = t->bytes + t->len;
        put(t, list->piece, list->piece_len);
        if (number != NULL) {
            at[number - list->piece] = (uint8_t)(0x40 | i >> 8);
            at[number - list->piece + 1] = (uint8_t)i;
        }
    }
}

/* An extension: n pieces, if it is the list's, and then those that it needs. */
static void put_extension(struct text *t, const struct list *list, size_t n,
                          int type, int lengths, const char *last,
                          size_t last_len)
{
    static const struct list numbers = { .piece = "##", .piece_len = 2 };
    const bool mine = list->type == type;
    const bool also = type > 0 && list->also == type;
    if (!mine && !also && last_len == 0) {
        return;
    }
    put_number(t, (size_t)type, 2);
    const size_t extension = begin_length(t, 2);
    const size_t begin = begin_length(t, lengths);
    if (mine) {
        put_pieces(t, list, n);
    } else if (also) {
        put_pieces(t, &numbers, n < list->also_most ? n : list->also_most);
    }
    put(t, last, last_len);
    end_length(t, begin, lengths);
    end_length(t, extension, 2);
}

/* The sums of tickets: one of 32 bytes for each, in a list of their own. */
static void put_tickets(struct text *t, const struct list *list, size_t n)
{
    static const char sum[33] = "\x20";
    if (list->type != TICKETS || n == 0) {
        return;
    }
    put_number(t, TICKETS, 2);
    const size_t extension = begin_length(t, 2);
    const size_t tickets = begin_length(t, 2);
    put_pieces(t, list, n);
    end_length(t, tickets, 2);
    const size_t sums = begin_length(t, 2);
    for (size_t i = 0; i < n; i++) {
        put(t, sum, sizeof(sum));
    }
    end_length(t, sums, 2);
    end_length(t, extension, 2);
}

static void put_extensions(struct text *t, const struct list *list, size_t n)
{
    /* A key of X25519: the point 9. */
    static const char share[36] = "\x00\x1d\x00\x20\x09";
    const size_t begin = begin_length(t, 2);
#define EXTENSION(type, lengths, last)                                         \
    put_extension(t, list, n, type, lengths, last, sizeof(last) - 1)
    EXTENSION(VERSIONS, 1, "\x03\x04");
    EXTENSION(GROUPS, 2, "\x00\x1d");
    put_extension(t, list, n, SHARES, 2, share, sizeof(share));
    EXTENSION(SIGNATURES, 2, "\x04\x03");
    EXTENSION(SNI, 2, "\x00\x00\x09localhost");
    EXTENSION(PROTOCOLS, 2, "\x08http/1.1");
    EXTENSION(PADDING, 0, "");
    EXTENSION(45, 1, "\x01"); /* tickets with new keys (psk_dhe_ke) */
#undef EXTENSION
    if (list->type == EXTENSIONS) {
        put_pieces(t, list, n);
    }
    put_tickets(t, list, n); /* have to be the last */
    end_length(t, begin, 2);
}

static void put_greeting(struct text *t, const struct list *list, size_t n)
{
    static const uint8_t random[32], session[33] = { 32 };
    put_number(t, 1, 1);
    const size_t message = begin_length(t, 3);
    put_number(t, 0x0303, 2);
    put(t, random, sizeof(random));
    put(t, session, sizeof(session));
    const size_t ciphers = begin_length(t, 2);
    if (list->type == CIPHERS) {
        put_pieces(t, list, n);
    }
    put_number(t, 0x1301, 2);
    end_length(t, ciphers, 2);
    put_number(t, 0x0100, 2); /* no compression */
    put_extensions(t, list, n);
    end_length(t, message, 3);
}

/* Divides the message into records. */
static size_t divide(uint8_t *out, const struct text *t, size_t fragment)
{
    size_t len = 0;
    for (size_t at = 0; at < t->len;) {
        const size_t part = t->len - at < fragment ? t->len - at : fragment;
        const uint8_t head[5] = { 22, 3, 1, (uint8_t)(part >> 8),
                                  (uint8_t)part };
        memcpy(out + len, head, sizeof(head));
        memcpy(out + len + sizeof(head), t->bytes + at, part);
        len += sizeof(head) + part;
        at += part;
    }
    return len;
}

static void *prepare_greeting(const void *with, size_t n)
{
    static struct text text;
    const struct list *list = with;
    struct work *w = open_work(with, n, NULL);
    if (w == NULL) {
        return NULL;
    }
    text.len = 0;
    put_greeting(&text, list, n);
    w->in = malloc(6 * text.len);
    w->len = divide(w->in, &text,
                    list->fragment > 0 ? list->fragment : ZKT_TLS_RECORD);
    w->read = list->read > 0 ? list->read : SIZE_MAX;
    if (list->refused && n == 0) {
        w->len = 0; /* it would not be refused */
    }
    return w;
}

/* The server has answered, and waits; or it has refused. */
static bool greet(void *work)
{
    struct work *w = work;
    const struct list *list = w->with;
    const ptrdiff_t got = read_bytes(w, w->in, w->len);
    return list->refused ? w->n == 0 || got == ZKT_TLS_FAILED
                         : got == ZKT_TLS_MORE && w->bytes.out_len > 500;
}

/* ---- after the handshake ---- */

/* A peer, which is OpenSSL itself. */
struct peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

/* The peer has the certificates of a chain, the last of which is its own. */
static bool open_peer(struct peer *p, const struct issued *chain, size_t count)
{
    p->context = SSL_CTX_new(TLS_client_method());
    for (size_t i = count; i-- > 0;) {
        const bool is_own = i + 1 == count;
        if (is_own ? SSL_CTX_use_certificate(p->context,
                                             chain[i].certificate) != 1 ||
                         SSL_CTX_use_PrivateKey(p->context, chain[i].key) != 1
                   : SSL_CTX_add1_chain_cert(p->context,
                                             chain[i].certificate) != 1) {
            return false;
        }
    }
    p->ssl = SSL_new(p->context);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    (void)BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_connect_state(p->ssl);
    return true;
}

static void close_peer(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->context);
}

/* Moves the stream's output to the peer, which answers. Returns the answer; it
 * is the BIO's. */
static size_t turn_peer(struct work *w, struct peer *p, uint8_t **answer)
{
    char *data;
    if (w->bytes.out_len > 0) {
        (void)BIO_write(p->in, w->bytes.out, (int)w->bytes.out_len);
        w->bytes.out_len = 0;
    }
    (void)SSL_do_handshake(p->ssl);
    const long len = BIO_get_mem_data(p->out, &data);
    *answer = (uint8_t *)data;
    return (size_t)len;
}

/* Shakes hands, up to the last flight of the peer. */
static bool shake_hands(struct work *w, struct peer *p)
{
    uint8_t *answer;
    const size_t len = turn_peer(w, p, &answer);
    const bool good = read_bytes(w, answer, len) == ZKT_TLS_MORE;
    (void)BIO_reset(p->out);
    return good && turn_peer(w, p, &answer) > 0;
}

/* The run reads the bytes of the peer. */
static void keep_output(struct work *w, struct peer *p)
{
    char *data;
    w->len = (size_t)BIO_get_mem_data(p->out, &data);
    w->in = malloc(w->len + 1);
    memcpy(w->in, data, w->len);
    (void)BIO_reset(p->out);
}

/* What the peer sends in the run: n records, or n new keys. */
struct later {
    size_t bytes; /* of each record; 0: none */
    bool keys;
    size_t most; /* that are accepted; 0: all */
    size_t read;
};

static void *prepare_later(const void *with, size_t n)
{
    static const uint8_t plain[64];
    const struct later *later = with;
    struct work *w = open_work(with, n, NULL);
    struct peer peer;
    if (w == NULL || !open_peer(&peer, NULL, 0) || !shake_hands(w, &peer)) {
        return NULL;
    }
    keep_output(w, &peer);
    bool good = read_bytes(w, w->in, w->len) == 0 && w->stream->is_open;
    free(w->in);
    for (size_t i = 0; good && i < n; i++) {
        good = (!later->keys ||
                (SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
                 SSL_do_handshake(peer.ssl) == 1)) &&
               (later->bytes == 0 ||
                SSL_write(peer.ssl, plain, (int)later->bytes) > 0);
    }
    keep_output(w, &peer);
    close_peer(&peer);
    w->read = later->read > 0 ? later->read : SIZE_MAX;
    return good ? w : NULL;
}

static bool read_later(void *work)
{
    struct work *w = work;
    const struct later *later = w->with;
    const ptrdiff_t got = read_bytes(w, w->in, w->len);
    return later->most > 0 && w->n > later->most
               ? got == ZKT_TLS_FAILED
               : got == (ptrdiff_t)(w->n * later->bytes);
}

/* ---- certificates of a client ---- */

enum {
    CHAIN_MAX = 100
};

/* The last flight of a client: its certificate is signed by the first of n,
 * that by the second, and so on. */
static void *prepare_chain(const void *with, size_t n)
{
    static struct issued chain[CHAIN_MAX];
    struct peer peer;
    bool good = true;
    for (size_t i = 0; good && i <= n + 1; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%zu.example.org", i);
        good = issue(&chain[i], name, i > 0 ? &chain[i - 1] : NULL);
    }
    struct work *w = open_work(with, n, &chain[0]);
    if (!good || w == NULL || !open_peer(&peer, chain + 1, n + 1) ||
        !shake_hands(w, &peer)) {
        return NULL;
    }
    keep_output(w, &peer);
    close_peer(&peer);
    for (size_t i = 0; i <= n + 1; i++) {
        issue_free(&chain[i]);
    }
    return w;
}

static bool read_chain(void *work)
{
    struct work *w = work;
    return read_bytes(w, w->in, w->len) == 0 && w->stream->is_open;
}

/* ---- rows ---- */

#define PIECE(text) .piece = (text), .piece_len = sizeof(text) - 1

/* OpenSSL prepares some things at the first handshake. */
static void warm_up(void)
{
    static const struct list none = { EXTENSIONS, PIECE("") };
    void *work = prepare_greeting(&none, 0);
    if (work != NULL) {
        (void)greet(work);
        finish(work);
    }
}

static void measure_greetings(void)
{
    static const struct list ciphers = { CIPHERS, PIECE("\xfa\xfa") };
    static const struct list groups = { GROUPS, PIECE("##"), 2 };
    static const struct list more_groups = { GROUPS, PIECE("##"), 2,
                                             .refused = true };
    static const struct list same = { SHARES, PIECE("\x40\x00\x00\x01z"), 2,
                                      .also = GROUPS, .also_most = 1 };
    static const struct list shares = {
        SHARES,          PIECE("##\x00\x01z"), 2,
        .refused = true, .also = GROUPS,       .also_most = SIZE_MAX
    };
    static const struct list signatures = { SIGNATURES, PIECE("##"), 2 };
    static const struct list protocols = { PROTOCOLS, PIECE("\x02##"), 2 };
    static const struct list names = { SNI, PIECE("\x00\x00\x02##"), 2,
                                       .refused = true };
    static const struct list versions = { VERSIONS, PIECE("##"), 1 };
    static const struct list extensions = { EXTENSIONS, PIECE("##\x00\x00") };
    static const struct list tickets = {
        TICKETS, PIECE("\x00\x10##34567890abcdef\x00\x00\x00\x00"), 2
    };
    static const struct list bytes = { PADDING, PIECE("\x00"), 0 };
    static const struct list records = { PADDING, PIECE("\x00"), 0,
                                         .fragment = 1 };
    static const struct list reads = { PADDING, PIECE("\x00"), 0, .read = 1 };
    static const struct growth_row rows[] = {
        { "tls: ciphers", 1024, &ciphers, prepare_greeting, greet, finish },
        { "tls: groups", 31, &groups, prepare_greeting, greet, finish },
        { "tls: more groups", 1024, &more_groups, prepare_greeting, greet,
          finish },
        { "tls: keys of a group", 1024, &same, prepare_greeting, greet,
          finish },
        { "tls: keys of more groups", 1024, &shares, prepare_greeting, greet,
          finish },
        { "tls: signatures", 1024, &signatures, prepare_greeting, greet,
          finish },
        { "tls: protocols", 1024, &protocols, prepare_greeting, greet, finish },
        { "tls: names", 1024, &names, prepare_greeting, greet, finish },
        { "tls: versions", 31, &versions, prepare_greeting, greet, finish },
        { "tls: extensions", 1024, &extensions, prepare_greeting, greet,
          finish },
        { "tls: tickets", 128, &tickets, prepare_greeting, greet, finish },
        { "tls: bytes of a greeting", 8192, &bytes, prepare_greeting, greet,
          finish },
        { "tls: records of a greeting", 1024, &records, prepare_greeting, greet,
          finish },
        { "tls: reads of a greeting", 1024, &reads, prepare_greeting, greet,
          finish },
    };
    warm_up();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}

void growth_tls(void)
{
    static const struct later records = { .bytes = 1 };
    static const struct later reads = { .bytes = 1, .read = 1 };
    static const struct later keys = { .keys = true, .most = 16 };
    static const struct later both = { .bytes = 1, .keys = true, .most = 16 };
    static const struct growth_row rows[] = {
        { "tls: records", 0, &records, prepare_later, read_later, finish },
        { "tls: records, byte by byte", 0, &reads, prepare_later, read_later,
          finish },
        { "tls: new keys, flat", 32, &keys, prepare_later, read_later, finish },
        { "tls: new keys with a byte each, flat", 32, &both, prepare_later,
          read_later, finish },
        { "tls: certificates of a client", 16, NULL, prepare_chain, read_chain,
          finish },
    };
    if (!issue_fixed_random() || !issue(&own, "localhost", NULL)) {
        return;
    }
    measure_greetings();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
    issue_free(&own);
}
