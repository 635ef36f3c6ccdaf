/*
 * See stream.h. OpenSSL reads records from the bytes that the socket gave, and
 * writes records into a block that the caller sends. It keeps its own buffers
 * only for a record that is incomplete (SSL_MODE_RELEASE_BUFFERS).
 */
#include "tls/stream.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls/certificate.h"

enum {
    OUT_FIRST = 20 * 1024,
    HOST_SIZE = 256,
    /* Messages of the handshake protocol after the handshake (new keys,
     * tickets, attempts to renegotiate): some, and one for each MiB. */
    LATER_MESSAGES = 16,
    BYTES_A_MESSAGE = 1 << 20
};

struct stream {
    struct zkt_tls_stream head;
    const struct zkt_allocator *allocator;
    SSL *ssl;
    struct zkt_tls_credentials *credentials;
    struct zkt_tls_bytes *bytes; /* of the call */
    uint64_t received;           /* bytes since the handshake */
    uint32_t later_messages;
    bool is_client;
    bool over_limit;            /* of later_messages */
    ptrdiff_t result;           /* of a failure that is not told yet, or 0 */
    const char *reason;         /* of a failure; static */
    struct zkt_str certificate; /* a part that was asked for, or data NULL */
};

static struct stream *from_head(struct zkt_tls_stream *head)
{
    return (struct stream *)(void *)head;
}

/* ---- the bytes of a call ---- */

static int take_in(BIO *bio, char *to, int size)
{
    struct stream *stream = BIO_get_data(bio);
    struct zkt_tls_bytes *bytes = stream->bytes;
    BIO_clear_retry_flags(bio);
    if (stream->over_limit || size <= 0) {
        return -1;
    }
    if (bytes->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t len = bytes->in_len < (size_t)size ? bytes->in_len
                                                    : (size_t)size;
    memcpy(to, bytes->in, len);
    bytes->in += len;
    bytes->in_len -= len;
    stream->received += stream->head.is_open ? len : 0;
    return (int)len;
}

static bool grow_out(struct zkt_tls_bytes *bytes, size_t wanted)
{
    size_t capacity = bytes->out_capacity > 0 ? bytes->out_capacity : OUT_FIRST;
    while (capacity < wanted) {
        capacity *= 2;
    }
    uint8_t *out = bytes->allocator->resize(bytes->allocator->user, bytes->out,
                                            capacity);
    if (out == NULL) {
        return false;
    }
    bytes->out = out;
    bytes->out_capacity = capacity;
    return true;
}

static int put_out(BIO *bio, const char *from, int len)
{
    struct stream *stream = BIO_get_data(bio);
    struct zkt_tls_bytes *bytes = stream->bytes;
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    const size_t wanted = bytes->out_len + (size_t)len;
    if (wanted > bytes->out_capacity && !grow_out(bytes, wanted)) {
        stream->reason = "out of memory";
        return -1;
    }
    memcpy(bytes->out + bytes->out_len, from, (size_t)len);
    bytes->out_len = wanted;
    return len;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *zkt__tls_new_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "zocket");
    if (method != NULL && (BIO_meth_set_read(method, take_in) != 1 ||
                           BIO_meth_set_write(method, put_out) != 1 ||
                           BIO_meth_set_ctrl(method, control) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* ---- from begin to end ---- */

/* Counts messages of the handshake protocol that come after it: each costs a
 * derivation of keys. */
static void on_message(int writes, int version, int type, const void *bytes,
                       size_t len, SSL *ssl, void *user)
{
    struct stream *stream = user;
    (void)version;
    (void)bytes;
    (void)len;
    (void)ssl;
    if (writes || type != SSL3_RT_HANDSHAKE || !stream->head.is_open) {
        return;
    }
    stream->later_messages++;
    stream->over_limit = stream->later_messages >
                         LATER_MESSAGES + stream->received / BYTES_A_MESSAGE;
}

/* Demands that the server proves the host, and tells it that (SNI), which is
 * not for addresses (RFC 6066, section 3). An address may have a zone, a name a
 * dot at its end; neither is in a certificate. */
static bool expect_host(SSL *ssl, const char *host)
{
    char name[HOST_SIZE];
    struct in6_addr address;
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    size_t len = strcspn(host, "%");
    if (len >= sizeof(name)) {
        return false;
    }
    len -= len > 1 && host[len - 1] == '.';
    memcpy(name, host, len);
    name[len] = '\0';
    if (inet_pton(AF_INET, name, &address) == 1 ||
        inet_pton(AF_INET6, name, &address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1;
    }
    X509_VERIFY_PARAM_set_hostflags(rules,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(rules, name, len) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* Makes the SSL object, with its bytes. Returns false if there is no memory. */
static bool open_ssl(struct stream *stream, BIO_METHOD *method,
                     const char *host)
{
    ERR_clear_error();
    stream->ssl = SSL_new(stream->credentials->all[0]);
    BIO *bio = stream->ssl != NULL ? BIO_new(method) : NULL;
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio);
    SSL_set_msg_callback(stream->ssl, on_message);
    SSL_set_msg_callback_arg(stream->ssl, stream);
    if (host == NULL) {
        SSL_set_accept_state(stream->ssl);
        return true;
    }
    SSL_set_connect_state(stream->ssl);
    return expect_host(stream->ssl, host);
}

struct zkt_tls_stream *zkt__tls_stream_new(
    const struct zkt_tls_ops *ops, BIO_METHOD *method,
    struct zkt_tls_credentials *credentials,
    const struct zkt_allocator *allocator, const char *host)
{
    struct stream *stream = allocator->alloc(allocator->user, sizeof(*stream));
    if (stream == NULL) {
        zkt__tls_credentials_unref(credentials);
        return NULL;
    }
    *stream = (struct stream){
        .head.ops = ops,
        .allocator = allocator,
        .credentials = credentials,
        .is_client = host != NULL,
    };
    if (!open_ssl(stream, method, host)) {
        ERR_clear_error();
        zkt__tls_stream_close(&stream->head);
        return NULL;
    }
    return &stream->head;
}

void zkt__tls_stream_close(struct zkt_tls_stream *head)
{
    struct stream *stream = from_head(head);
    const struct zkt_allocator *allocator = stream->allocator;
    SSL_free(stream->ssl);
    zkt__tls_credentials_unref(stream->credentials);
    zkt__certificate_release(allocator, stream->certificate);
    allocator->release(allocator->user, stream);
}

/* ---- failures ---- */

/* Returns the reason in OpenSSL's queue of errors; the newest is the least
 * specific. */
static const char *read_reason(const struct stream *stream)
{
    const long verified = SSL_get_verify_result(stream->ssl);
    const unsigned long error = ERR_peek_error();
    const char *reason = NULL;
    if (stream->over_limit) {
        return "the peer renews its keys too often";
    }
    if (verified != X509_V_OK &&
        ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        return X509_verify_cert_error_string(verified);
    }
    if (error != 0) {
        reason = ERR_reason_error_string(error);
    }
    return reason != NULL ? reason : "the protocol was broken";
}

/* Returns the result of a call that has failed with @code. */
static ptrdiff_t classify(struct stream *stream, int code)
{
    switch (SSL_get_error(stream->ssl, code)) {
    case SSL_ERROR_WANT_READ:
        return ZKT_TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return ZKT_TLS_ENDED;
    default:
        stream->reason = stream->reason != NULL ? stream->reason
                                                : read_reason(stream);
        ERR_clear_error();
        return ZKT_TLS_FAILED;
    }
}

const char *zkt__tls_stream_explain(const struct zkt_tls_stream *head)
{
    const struct stream *stream = (const struct stream *)(const void *)head;
    return stream->reason != NULL ? stream->reason : "the connection is lost";
}

/* ---- reading and writing ---- */

/* A resumed session brings the certificate of its first handshake, which may
 * have expired since. */
static bool peer_is_valid(struct stream *stream)
{
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
    if (certificate == NULL || stream->is_client ||
        !SSL_session_reused(stream->ssl) ||
        X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0) {
        return true;
    }
    stream->reason = "the certificate of the session has expired";
    return false;
}

static ptrdiff_t handshake(struct stream *stream)
{
    const int code = SSL_do_handshake(stream->ssl);
    if (code != 1) {
        return classify(stream, code);
    }
    if (!peer_is_valid(stream)) {
        return ZKT_TLS_FAILED;
    }
    stream->head.is_open = true;
    return ZKT_TLS_MORE;
}

ptrdiff_t zkt__tls_stream_read(struct zkt_tls_stream *head,
                               struct zkt_tls_bytes *bytes, void *plain,
                               size_t size)
{
    struct stream *stream = from_head(head);
    ptrdiff_t result = stream->result;
    size_t len = 0, got;
    if (result != 0) {
        return result;
    }
    stream->bytes = bytes;
    ERR_clear_error();
    if (!head->is_open) {
        result = handshake(stream);
    }
    while (head->is_open && result == 0 && len < size) {
        const int code = SSL_read_ex(stream->ssl, (char *)plain + len,
                                     size - len, &got);
        if (code == 1) {
            len += got;
            continue;
        }
        result = classify(stream, code);
        break;
    }
    /* The bytes before a failure come first. */
    stream->result = result;
    return len > 0 ? (ptrdiff_t)len : result;
}

bool zkt__tls_stream_write(struct zkt_tls_stream *head,
                           struct zkt_tls_bytes *bytes, const void *plain,
                           size_t len)
{
    struct stream *stream = from_head(head);
    size_t put;
    stream->bytes = bytes;
    ERR_clear_error();
    const int code = SSL_write_ex(stream->ssl, plain, len, &put);
    if (code != 1) {
        (void)classify(stream, code);
        return false;
    }
    return put == len;
}

void zkt__tls_stream_end(struct zkt_tls_stream *head,
                         struct zkt_tls_bytes *bytes)
{
    struct stream *stream = from_head(head);
    stream->bytes = bytes;
    ERR_clear_error();
    if (head->is_open && stream->result != ZKT_TLS_FAILED) {
        (void)SSL_shutdown(stream->ssl);
    }
    ERR_clear_error();
}

/* ---- the peer ---- */

struct zkt_str zkt__tls_stream_certificate(struct zkt_tls_stream *head,
                                           enum zkt_certificate_part part)
{
    struct stream *stream = from_head(head);
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
    zkt__certificate_release(stream->allocator, stream->certificate);
    stream->certificate = (struct zkt_str){ NULL, 0 };
    if (certificate != NULL &&
        SSL_get_verify_result(stream->ssl) == X509_V_OK) {
        stream->certificate = zkt__certificate_part(stream->allocator,
                                                    certificate, part);
    }
    return stream->certificate;
}
