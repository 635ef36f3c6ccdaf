/*
 * The TLS of a socket (net/tls.h) against a peer that is OpenSSL itself, in the
 * same process. The input is a script: the peer shakes hands, writes, renews
 * its keys and ends, and its records are delivered whole, in pieces, changed,
 * twice, in another order or not at all, before, during and after the
 * handshake; or the bytes that follow are delivered as they are. The stream
 * under test is a server's or a client's.
 *
 * What is decrypted is the beginning of the bytes that the peer has written,
 * and all of them if no record was touched. A stream that has ended stays so.
 * Each call takes all bytes, or ends the stream; its output, the number of its
 * calls and its memory are bounded.
 *
 * OpenSSL gets random numbers from a counter, so that an input has the same
 * records whenever it is run. It is not built for fuzzers: its reasons of
 * failures and the states of the peer count as code that was reached.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method */
#include <openssl/err.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../tls/issue.h"
#include "../tls/memory.h"
#include "net/tls.h"
#include "zocket/tls.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS = 200,       /* of a script */
    RECORDS = 256,     /* on their way to the stream */
    GLUED = 48 * 1024, /* bytes of a read, at most */
    PLAIN = 4096,      /* bytes that a step writes, at most */
    /* OpenSSL makes room for a message as soon as its length has come: 175 KB
     * for a greeting of 131 396 bytes, the longest that it takes. */
    MEMORY = 288 * 1024,
    ANSWERS = 4 * 1024, /* bytes that a call sends by itself, at most */
    REACHED = 1024
};

static void check(bool good, const char *fault)
{
    if (!good) {
        fprintf(stderr, "tls_fuzz: %s\n", fault);
        abort();
    }
}

/* ---- reached code, for libFuzzer ---- */

__attribute__((
    section("__libfuzzer_extra_counters"))) static uint8_t reached[REACHED];

static void reach(const char *reason, unsigned state)
{
    unsigned hash = 5381 + state;
    for (; reason != NULL && *reason != '\0'; reason++) {
        hash = hash * 33 + (unsigned char)*reason;
    }
    reached[hash % REACHED] = 1;
}

/* ---- memory ---- */

enum {
    UNDER_TEST = SERVER /* the side of the stream under test, of either role */
};

static bool warm;   /* OpenSSL has made its tables */
static size_t kept; /* bytes of streams before, which OpenSSL keeps */

/* ---- the ends ---- */

/* The objects of servers and clients under test, and the contexts of peers. */
static struct zkt_tls *server, *asking_server, *client;
static SSL_CTX *peer_client, *peer_server;
static struct issued own; /* the certificate of all, which signs itself */

static void load(struct zkt_tls *tls)
{
    check(tls->ops->load(tls, NULL, NULL) == 1, "the files cannot be read");
}

static void load_all(void)
{
    char path[] = "/tmp/tls-fuzz-XXXXXX";
    check(issue_write(&own, path), "no file");
    const struct zkt_tls_certificate file = { .chain = path };
    server = zkt_tls_server(&(struct zkt_tls_server_options){
        .certificates = &file, .certificate_count = 1 });
    asking_server = zkt_tls_server(
        &(struct zkt_tls_server_options){ .certificates = &file,
                                          .certificate_count = 1,
                                          .client_ca = path,
                                          .client_optional = true });
    client = zkt_tls_client(
        &(struct zkt_tls_client_options){ .ca = path, .certificate = file });
    load(server);
    load(asking_server);
    load(client);
    check(unlink(path) == 0, "the file stays");
}

static SSL_CTX *new_peers(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    check(context != NULL &&
              SSL_CTX_use_certificate(context, own.certificate) == 1 &&
              SSL_CTX_use_PrivateKey(context, own.key) == 1 &&
              X509_STORE_add_cert(SSL_CTX_get_cert_store(context),
                                  own.certificate) == 1,
          "no peers");
    return context;
}

/* ---- a run ---- */

/* Bytes of the input. */
struct script {
    const uint8_t *at, *end;
};

static unsigned next(struct script *script)
{
    return script->at < script->end ? *script->at++ : 0;
}

struct record {
    uint8_t *bytes;
    size_t len;
};

struct run {
    struct zkt_tls_stream *stream;
    struct zkt_tls_bytes bytes;
    SSL *peer;
    BIO *in, *out;                  /* of the peer */
    struct record records[RECORDS]; /* from the peer to the stream */
    size_t count;
    size_t written, received;          /* bytes of the peer */
    size_t own_written, peer_received; /* bytes of the stream */
    ptrdiff_t result;                  /* of the last read */
    bool was_open, answered, touched, peer_ended, peer_failed;
};

/* The byte of number @i that an end writes. */
static uint8_t byte_of(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void append(struct run *r, const uint8_t *bytes, size_t len)
{
    if (r->count == RECORDS || len == 0) {
        r->touched = r->touched || len > 0;
        return;
    }
    struct record *record = &r->records[r->count++];
    record->bytes = malloc(len);
    record->len = len;
    memcpy(record->bytes, bytes, len);
}

static void remove_first(struct run *r)
{
    free(r->records[0].bytes);
    r->count--;
    memmove(r->records, r->records + 1, r->count * sizeof(r->records[0]));
}

static void insert_first(struct run *r, const uint8_t *bytes, size_t len)
{
    const size_t before = r->count;
    append(r, bytes, len);
    if (r->count > before) {
        const struct record last = r->records[before];
        memmove(r->records + 1, r->records, before * sizeof(last));
        r->records[0] = last;
    }
}

/* Takes the records that the peer sends. */
static void collect(struct run *r)
{
    const uint8_t *at;
    char *data;
    long left = BIO_get_mem_data(r->out, &data);
    for (at = (const uint8_t *)data; left >= 5;) {
        const long len = 5 + (at[3] << 8 | at[4]);
        check(len <= left, "the peer sends half a record");
        append(r, at, (size_t)len);
        at += len;
        left -= len;
    }
    (void)BIO_reset(r->out);
}

/* Lets the peer read, and shake hands. */
static void run_peer(struct run *r)
{
    uint8_t plain[PLAIN];
    size_t got;
    int code = 1;
    while (code == 1 && !r->peer_failed && !r->peer_ended) {
        ERR_clear_error();
        code = SSL_read_ex(r->peer, plain, sizeof(plain), &got);
        for (size_t i = 0; code == 1 && i < got; i++) {
            check(plain[i] == byte_of(r->peer_received++),
                  "the peer has got other bytes");
        }
    }
    const int error = SSL_get_error(r->peer, code);
    r->peer_ended = r->peer_ended || error == SSL_ERROR_ZERO_RETURN;
    r->peer_failed = r->peer_failed || error == SSL_ERROR_SSL ||
                     error == SSL_ERROR_SYSCALL;
    check(r->peer_received <= r->own_written, "bytes from nowhere");
    ERR_clear_error();
    reach(NULL, (unsigned)SSL_get_state(r->peer));
    collect(r);
}

/* Sends the stream's output to the peer. */
static void send_output(struct run *r)
{
    if (r->bytes.out_len > 0) {
        r->answered = true;
        (void)BIO_write(r->in, r->bytes.out, (int)r->bytes.out_len);
        r->bytes.out_len = 0;
    }
    run_peer(r);
}

static void check_plain(struct run *r, const uint8_t *plain, size_t len)
{
    check(r->stream->is_open, "bytes before the end of the handshake");
    for (size_t i = 0; i < len; i++) {
        check(plain[i] == byte_of(r->received + i), "other bytes");
    }
    r->received += len;
    check(r->received <= r->written, "more bytes than were written");
}

/* An ended stream takes and gives nothing. */
static void check_end(struct run *r, ptrdiff_t before)
{
    check(before == ZKT_TLS_MORE || before == r->result,
          "the stream has ended, and goes on");
    if (r->result == ZKT_TLS_MORE) {
        check(r->bytes.in_len == 0, "bytes are left");
    } else if (r->result == ZKT_TLS_FAILED) {
        reach(r->stream->ops->explain(r->stream), r->was_open);
    }
}

/* Gives bytes to the stream, which is called as net calls it. */
static void give(struct run *r, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    uint8_t plain[ZKT_TLS_RECORD];
    const ptrdiff_t before = r->result;
    int calls = 0;
    memcpy(copy, bytes, len);
    r->bytes.in = copy;
    r->bytes.in_len = len;
    side = UNDER_TEST;
    while ((r->result = r->stream->ops->read(r->stream, &r->bytes, plain,
                                             sizeof(plain))) > 0) {
        check(before == ZKT_TLS_MORE, "bytes after the end");
        check(++calls <= 2 + (int)(len / sizeof(plain)), "too many calls");
        check_plain(r, plain, (size_t)r->result);
    }
    side = OTHER;
    check_end(r, before);
    check(!r->was_open || r->stream->is_open, "the handshake is undone");
    r->was_open = r->stream->is_open;
    check(r->bytes.out_len <= ANSWERS, "long answers");
    check((ptrdiff_t)(bytes_of[UNDER_TEST] - kept) <= MEMORY || !warm,
          "too much memory");
    free(copy);
    send_output(r);
}

/* Delivers the first @len bytes of the first record. */
static void deliver(struct run *r, size_t len)
{
    if (r->count == 0) {
        return;
    }
    struct record first = r->records[0];
    if (len >= first.len) {
        r->records[0].bytes = NULL;
        remove_first(r);
        give(r, first.bytes, first.len);
        free(first.bytes);
        return;
    }
    uint8_t *part = malloc(len);
    memcpy(part, first.bytes, len);
    memmove(first.bytes, first.bytes + len, first.len - len);
    r->records[0].len -= len;
    give(r, part, len);
    free(part);
}

static void deliver_all(struct run *r)
{
    for (int i = 0; r->count > 0; i++) {
        check(i < 4 * RECORDS, "the ends do not come to rest");
        deliver(r, SIZE_MAX);
    }
}

/* ---- steps of a script ---- */

static void peer_write(struct run *r, size_t len)
{
    uint8_t plain[PLAIN];
    size_t put;
    if (!SSL_is_init_finished(r->peer) || r->peer_failed ||
        (SSL_get_shutdown(r->peer) & SSL_SENT_SHUTDOWN) != 0) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        plain[i] = byte_of(r->written + i);
    }
    if (SSL_write_ex(r->peer, plain, len, &put) == 1) {
        r->written += put;
    }
    ERR_clear_error();
    collect(r);
}

/* New keys; a new handshake in TLS 1.2, which the stream refuses. */
static void peer_renew(struct run *r, unsigned how)
{
    if (!SSL_is_init_finished(r->peer) || r->peer_failed) {
        return;
    }
    r->touched = true; /* the stream may say that it is too much */
    if (SSL_version(r->peer) == TLS1_3_VERSION) {
        (void)SSL_key_update(r->peer, how % 2 ? SSL_KEY_UPDATE_REQUESTED
                                              : SSL_KEY_UPDATE_NOT_REQUESTED);
    } else {
        (void)SSL_renegotiate(r->peer);
    }
    (void)SSL_do_handshake(r->peer);
    ERR_clear_error();
    collect(r);
}

static void own_write(struct run *r, size_t len)
{
    uint8_t plain[PLAIN];
    if (!r->stream->is_open || r->result != ZKT_TLS_MORE) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        plain[i] = byte_of(r->own_written + i);
    }
    side = UNDER_TEST;
    const bool good = r->stream->ops->write(r->stream, &r->bytes, plain, len);
    side = OTHER;
    r->own_written += good ? len : 0;
    check(r->bytes.out_len <= len + ANSWERS, "records are too long");
    send_output(r);
}

static void own_end(struct run *r)
{
    side = UNDER_TEST;
    r->stream->ops->end(r->stream, &r->bytes);
    side = OTHER;
    check(r->bytes.out_len <= ANSWERS, "a long end");
    r->touched = true; /* nothing can be written then */
    send_output(r);
}

static void peer_end(struct run *r)
{
    if (SSL_is_init_finished(r->peer) && !r->peer_failed) {
        (void)SSL_shutdown(r->peer);
        ERR_clear_error();
        collect(r);
    }
}

static void insert_bytes(struct run *r, struct script *script, size_t len)
{
    uint8_t bytes[320];
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)next(script);
    }
    r->touched = true;
    insert_first(r, bytes, len);
}

/* Inserts a record with a right head. */
static void insert_record(struct run *r, struct script *script)
{
    uint8_t bytes[5 + 64] = { (uint8_t)(20 + next(script) % 5), 3, 3 };
    const size_t len = next(script) % 64;
    bytes[4] = (uint8_t)len;
    for (size_t i = 0; i < len; i++) {
        bytes[5 + i] = (uint8_t)next(script);
    }
    r->touched = true;
    insert_first(r, bytes, 5 + len);
}

/* Lets all records arrive together. */
static void glue(struct run *r)
{
    struct record all = { .len = 0 };
    for (size_t i = 0; i < r->count; i++) {
        all.len += r->records[i].len;
    }
    if (r->count < 2 || all.len > GLUED) {
        return;
    }
    all.bytes = malloc(all.len);
    for (size_t at = 0; r->count > 0; remove_first(r)) {
        memcpy(all.bytes + at, r->records[0].bytes, r->records[0].len);
        at += r->records[0].len;
    }
    r->records[r->count++] = all;
}

/* Makes two records of one that has messages of a handshake in plain text,
 * which may be divided anywhere. */
static void divide(struct run *r, size_t at)
{
    uint8_t *bytes = r->records[0].bytes;
    const size_t len = r->records[0].len;
    if (len < 7 || bytes[0] != SSL3_RT_HANDSHAKE ||
        len - 5 != (size_t)(bytes[3] << 8 | bytes[4]) || r->stream->is_open) {
        return;
    }
    /* The last of a handshake of TLS 1.2 is encrypted, of the same type. */
    r->touched = r->touched || SSL_is_init_finished(r->peer) ||
                 (r->answered && !SSL_is_server(r->peer));
    const size_t first = 1 + at % (len - 6), second = len - 5 - first;
    uint8_t *rest = malloc(5 + second);
    memcpy(rest, bytes, 3);
    rest[3] = (uint8_t)(second >> 8);
    rest[4] = (uint8_t)second;
    memcpy(rest + 5, bytes + 5 + first, second);
    bytes[3] = (uint8_t)(first >> 8);
    bytes[4] = (uint8_t)first;
    r->records[0].len = 5 + first;
    const struct record whole = r->records[0];
    r->records[0].bytes = NULL;
    remove_first(r);
    insert_first(r, rest, 5 + second);
    insert_first(r, whole.bytes, whole.len);
    free(whole.bytes);
    free(rest);
}

/* Changes the records that are on their way. */
static void touch(struct run *r, unsigned how, struct script *script)
{
    const unsigned at = next(script);
    struct record *first = r->records;
    if (r->count == 0) {
        return;
    }
    r->touched = true;
    switch (how) {
    case 0: {
        const unsigned by = next(script);
        first->bytes[(at << 4 ^ by) % first->len] ^= (uint8_t)(1 + by % 255);
        break;
    }
    case 1:
        first->bytes[at % 5 % first->len] = (uint8_t)next(script);
        break;
    case 2:
        remove_first(r);
        break;
    case 3:
        insert_first(r, first->bytes, first->len);
        break;
    default:
        if (r->count > 1) {
            const size_t other = 1 + at % (r->count - 1);
            const struct record moved = r->records[other];
            r->records[other] = r->records[0];
            r->records[0] = moved;
        }
        break;
    }
}

static void step(struct run *r, struct script *script)
{
    const unsigned action = next(script) % 19;
    switch (action) {
    case 0:
    case 1:
        deliver(r, SIZE_MAX);
        break;
    case 2:
        deliver(r, 1 + next(script));
        break;
    case 3:
        deliver_all(r);
        break;
    case 4:
        peer_write(r, 1 + next(script) * 16);
        break;
    case 5:
        peer_write(r, 1 + next(script) % 4);
        break;
    case 6:
        own_write(r, 1 + next(script) * 16);
        break;
    case 7:
        peer_renew(r, next(script));
        break;
    case 8:
        peer_end(r);
        break;
    case 9:
        own_end(r);
        break;
    case 10:
        insert_bytes(r, script, 1 + next(script));
        break;
    case 11:
        insert_record(r, script);
        break;
    case 12:
        if (r->count > 0) {
            divide(r, next(script) * 3);
        }
        break;
    case 13:
        glue(r);
        break;
    default:
        touch(r, action - 14, script);
        break;
    }
}

/* ---- a run ---- */

enum {
    OF_CLIENT = 1, /* the stream is a client's */
    TLS12 = 2,
    ASKS = 4,  /* for a certificate of the client */
    SMALL = 8, /* the peer sends small records */
    RAW = 16,  /* no peer: the rest of the input are bytes for the stream */
    OPEN = 32  /* the script begins after the handshake */
};

static void begin(struct run *r, unsigned traits)
{
    struct zkt_tls *tls = (traits & OF_CLIENT) != 0 ? client
                          : (traits & ASKS) != 0    ? asking_server
                                                    : server;
    memset(r, 0, sizeof(*r));
    issue_counter = 1;
    kept = bytes_of[UNDER_TEST];
    side = UNDER_TEST;
    r->bytes.allocator = &allocator;
    r->stream = tls->ops->open(tls, &allocator,
                               (traits & OF_CLIENT) != 0 ? "localhost" : NULL);
    side = OTHER;
    r->peer = SSL_new((traits & OF_CLIENT) != 0 ? peer_server : peer_client);
    r->in = BIO_new(BIO_s_mem());
    r->out = BIO_new(BIO_s_mem());
    check(r->stream != NULL && r->peer != NULL && r->in != NULL &&
              r->out != NULL,
          "no ends");
    (void)BIO_set_mem_eof_return(r->in, -1);
    SSL_set_bio(r->peer, r->in, r->out);
    SSL_set_max_proto_version(r->peer, (traits & TLS12) != 0 ? TLS1_2_VERSION
                                                             : TLS1_3_VERSION);
    SSL_set_verify(r->peer,
                   (traits & (ASKS | OF_CLIENT)) == (ASKS | OF_CLIENT)
                       ? SSL_VERIFY_PEER
                       : SSL_VERIFY_NONE,
                   NULL);
    SSL_set_max_send_fragment(r->peer, (traits & SMALL) != 0 ? 512 : 16384);
    if ((traits & OF_CLIENT) != 0) {
        SSL_set_accept_state(r->peer);
    } else {
        SSL_set_connect_state(r->peer);
    }
}

static void finish(struct run *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->records[i].bytes);
    }
    for (int part = 0; r->stream->is_open && part < 3; part++) {
        (void)r->stream->ops->certificate(r->stream,
                                          (enum zkt_certificate_part)part);
    }
    r->stream->ops->close(r->stream);
    tls_release(r->bytes.out, NULL, 0);
    SSL_free(r->peer);
}

static void run_script(struct run *r, unsigned traits, struct script *script)
{
    if ((traits & OPEN) != 0) {
        deliver_all(r);
        check(r->stream->is_open && SSL_is_init_finished(r->peer),
              "no handshake");
    }
    for (int i = 0; i < STEPS && script->at < script->end; i++) {
        step(r, script);
    }
    deliver_all(r);
    own_write(r, 100);
    if (!r->touched) {
        check(r->stream->is_open && r->received == r->written &&
                  r->peer_received == r->own_written,
              "records that nobody has touched do not arrive");
    }
}

/* Delivers the script itself, in pieces. */
static void run_raw(struct run *r, struct script *script)
{
    const size_t most = 1 + next(script) * 4;
    while (r->count > 0) {
        remove_first(r);
    }
    while (script->at < script->end) {
        const size_t left = (size_t)(script->end - script->at);
        const size_t len = left < most ? left : most;
        give(r, script->at, len);
        script->at += len;
    }
    check(!r->stream->is_open || r->received == 0, "bytes from nowhere");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = { data, data + size };
    struct run r;
    const unsigned traits = next(&script);
    begin(&r, traits);
    if ((traits & OF_CLIENT) != 0) {
        give(&r, data, 0); /* sends its greeting */
    } else {
        run_peer(&r);
    }
    if ((traits & RAW) != 0) {
        run_raw(&r, &script);
    } else {
        run_script(&r, traits, &script);
    }
    finish(&r);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    check(CRYPTO_set_mem_functions(tls_get, tls_resize, tls_release) == 1 &&
              issue_fixed_random(),
          "OpenSSL has begun already");
    check(issue(&own, "localhost", NULL), "no certificate");
    load_all();
    peer_client = new_peers(TLS_client_method());
    peer_server = new_peers(TLS_server_method());
    for (uint8_t traits = 0; traits < RAW; traits++) {
        const uint8_t script[] = { traits, 3, 4, 9, 3, 14, 7, 33, 3 };
        (void)LLVMFuzzerTestOneInput(script, sizeof(script));
    }
    warm = true;
    return 0;
}
