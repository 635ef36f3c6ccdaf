/*
 * TLS streams joined in memory, without sockets: handshakes, data in any split,
 * closing, memory that fails at every allocation, and the memory of an idle
 * stream. CERTIFICATES names the script that makes the certificates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "certificates.h"
#include "memory.h"
#include "net/tls.h"
#include "tls/tickets.h"
#include "zocket/tls.h"

/* ---- two ends ---- */

struct end {
    struct zkt_tls *tls;
    struct zkt_tls_stream *stream;
    struct zkt_tls_bytes bytes; /* out: for the other end */
    char got[256 * 1024];       /* decrypted */
    size_t len;
    ptrdiff_t result; /* of the last read */
};

struct pair {
    struct end ends[2];
};

static void report(void *user, const char *text)
{
    snprintf(user, 256, "%s", text);
}

static struct zkt_tls *new_server(const char *name, const char *client_ca)
{
    static char chain[128], key[128], ca[128];
    const struct zkt_tls_certificate certificate = {
        certificate_file(chain, name, ".pem"),
        certificate_file(key, name, ".key")
    };
    return zkt_tls_server(&(struct zkt_tls_server_options){
        .certificates = &certificate,
        .certificate_count = 1,
        .client_ca = client_ca != NULL ? certificate_file(ca, client_ca, ".pem")
                                       : NULL,
        .allocator = &allocator,
    });
}

static struct zkt_tls *new_client(const char *name)
{
    static char chain[128], key[128], ca[128];
    return zkt_tls_client(&(struct zkt_tls_client_options){
        .ca = certificate_file(ca, "ca", ".pem"),
        .certificate = { name != NULL ? certificate_file(chain, name, ".pem")
                                      : NULL,
                         name != NULL ? certificate_file(key, name, ".key")
                                      : NULL },
        .allocator = &allocator,
    });
}

/* Reads the files. Returns false after a failure. */
static bool load(struct zkt_tls *tls)
{
    char text[256] = "";
    return tls->ops->load(tls, report, text) == 1;
}

static bool open_end(struct end *end, struct zkt_tls *tls, int of,
                     const char *host)
{
    side = of;
    end->tls = tls;
    end->bytes = (struct zkt_tls_bytes){ .allocator = &allocator };
    end->stream = tls->ops->open(tls, &allocator, host);
    end->len = 0;
    end->result = 0;
    side = OTHER;
    return end->stream != NULL;
}

static void close_end(struct end *end)
{
    if (end->stream != NULL) {
        end->stream->ops->close(end->stream);
    }
    tls_release(end->bytes.out, NULL, 0);
    end->stream = NULL;
    end->bytes.out = NULL;
}

/* Gives bytes to an end, which decrypts all of them. */
static void give(struct pair *p, int to, const uint8_t *bytes, size_t len)
{
    struct end *end = &p->ends[to];
    side = to;
    end->bytes.in = bytes;
    end->bytes.in_len = len;
    do {
        end->result = end->stream->ops->read(end->stream, &end->bytes,
                                             end->got + end->len,
                                             sizeof(end->got) - end->len);
        end->len += end->result > 0 ? (size_t)end->result : 0;
    } while (end->result > 0);
    side = OTHER;
}

/* Moves the output of an end to the other in pieces. Returns true if there was
 * any. */
static bool move(struct pair *p, int from, size_t piece)
{
    struct zkt_tls_bytes *bytes = &p->ends[from].bytes;
    uint8_t *moved = bytes->out;
    const size_t len = bytes->out_len;
    bytes->out = NULL;
    bytes->out_len = bytes->out_capacity = 0;
    for (size_t at = 0; at < len; at += piece) {
        const size_t rest = len - at;
        give(p, !from, moved + at, rest < piece ? rest : piece);
    }
    tls_release(moved, NULL, 0);
    return len > 0;
}

/* Moves bytes until both ends are silent. */
static void join(struct pair *p, size_t piece)
{
    bool moved = true;
    while (moved) {
        moved = move(p, CLIENT, piece);
        moved = move(p, SERVER, piece) || moved;
    }
}

static void shake_hands(struct pair *p, size_t piece)
{
    give(p, CLIENT, NULL, 0);
    join(p, piece);
}

static void write_text(struct pair *p, int from, const char *text, size_t len)
{
    struct end *end = &p->ends[from];
    side = from;
    assert_true(end->stream->ops->write(end->stream, &end->bytes, text, len));
    side = OTHER;
}

static struct pair pair;

static void open_pair(const char *server, const char *client_ca,
                      const char *client, const char *host)
{
    struct zkt_tls *ends[2] = { new_server(server, client_ca),
                                new_client(client) };
    assert_true(load(ends[SERVER]) && load(ends[CLIENT]));
    assert_true(open_end(&pair.ends[SERVER], ends[SERVER], SERVER, NULL));
    assert_true(open_end(&pair.ends[CLIENT], ends[CLIENT], CLIENT, host));
}

static void close_pair(void)
{
    for (int i = 0; i < 2; i++) {
        struct zkt_tls *tls = pair.ends[i].tls;
        close_end(&pair.ends[i]);
        zkt_tls_free(tls);
    }
}

/* ---- tests ---- */

static void test_data_in_any_split(void **state)
{
    static char text[100 * 1024];
    static const size_t pieces[] = { 1, 3, 5, 100, 16384, 65536 };
    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 7 % 251);
    }
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        open_pair("good", NULL, NULL, "localhost");
        shake_hands(&pair, pieces[i]);
        for (int from = 0; from < 2; from++) {
            struct end *to = &pair.ends[!from];
            assert_true(pair.ends[from].stream->is_open);
            for (size_t at = 0; at < sizeof(text); at += 10000) {
                const size_t rest = sizeof(text) - at;
                write_text(&pair, from, text + at, rest < 10000 ? rest : 10000);
            }
            join(&pair, pieces[i]);
            assert_int_equal(to->len, sizeof(text));
            assert_memory_equal(to->got, text, sizeof(text));
        }
        close_pair();
    }
}

static void test_closing(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        open_pair("good", NULL, NULL, "127.0.0.1");
        shake_hands(&pair, 1000);
        struct end *end = &pair.ends[first], *other = &pair.ends[!first];
        write_text(&pair, first, "last", 4);
        end->stream->ops->end(end->stream, &end->bytes);
        join(&pair, 1000);
        assert_int_equal(other->len, 4);
        assert_int_equal(other->result, ZKT_TLS_ENDED);
        assert_int_equal(end->result, ZKT_TLS_MORE);
        write_text(&pair, !first, "answer", 6); /* the other half is open */
        other->stream->ops->end(other->stream, &other->bytes);
        join(&pair, 1);
        assert_int_equal(end->len, 6);
        assert_int_equal(end->result, ZKT_TLS_ENDED);
        close_pair();
    }
}

/* Bytes that are changed on the way end the stream, behind those that are not.
 */
static void test_tampering(void **state)
{
    (void)state;
    open_pair("good", NULL, NULL, "localhost");
    shake_hands(&pair, 1000);
    write_text(&pair, CLIENT, "first", 5);
    write_text(&pair, CLIENT, "second", 6);
    struct zkt_tls_bytes *out = &pair.ends[CLIENT].bytes;
    out->out[out->out_len - 1] ^= 1;
    (void)move(&pair, CLIENT, 65536);
    struct end *server = &pair.ends[SERVER];
    assert_int_equal(server->len, 5);
    assert_int_equal(server->result, ZKT_TLS_FAILED);
    assert_non_null(
        strstr(server->stream->ops->explain(server->stream), "mac"));
    assert_true(server->bytes.out_len > 0); /* an alert */
    close_pair();
}

struct refusal {
    const char *server, *client_ca, *client, *host;
    int refuses;
    const char *reason;
};

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        { "expired", NULL, NULL, "localhost", CLIENT,
          "certificate has expired" },
        { "wrong", NULL, NULL, "localhost", CLIENT, "hostname mismatch" },
        { "good", NULL, NULL, "127.0.0.2", CLIENT, "IP address mismatch" },
        { "good", NULL, NULL, "::2", CLIENT, "IP address mismatch" },
        { "good", NULL, NULL, "x.localhost", CLIENT, "hostname mismatch" },
        { "stranger", NULL, NULL, "localhost", CLIENT,
          "unable to get local issuer certificate" },
        { "good", "ca", NULL, "localhost", SERVER,
          "peer did not return a certificate" },
        { "good", "ca", "stranger", "localhost", SERVER,
          "unable to get local issuer certificate" },
        { "good", "ca", "old-client", "localhost", SERVER,
          "certificate has expired" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const struct refusal *r = &all[i];
        open_pair(r->server, r->client_ca, r->client, r->host);
        shake_hands(&pair, 1000);
        const struct end *end = &pair.ends[r->refuses];
        assert_int_equal(end->result, ZKT_TLS_FAILED);
        assert_false(end->stream->is_open && r->refuses == SERVER);
        assert_string_equal(end->stream->ops->explain(end->stream), r->reason);
        close_pair();
    }
}

static void test_hosts(void **state)
{
    static const char *const hosts[] = { "localhost", "LOCALHOST", "localhost.",
                                         "127.0.0.1", "::1",       "::1%lo" };
    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        open_pair("good", NULL, NULL, hosts[i]);
        shake_hands(&pair, 1000);
        assert_true(pair.ends[CLIENT].stream->is_open);
        close_pair();
    }
}

static void expect_part(enum zkt_certificate_part part, const char *text)
{
    struct zkt_tls_stream *stream = pair.ends[SERVER].stream;
    const struct zkt_str got = stream->ops->certificate(stream, part);
    assert_int_equal(got.data != NULL, text != NULL);
    assert_true(text == NULL || strcmp(got.data, text) == 0);
}

static void test_certificates_of_clients(void **state)
{
    (void)state;
    open_pair("good", "ca", "client", "localhost");
    shake_hands(&pair, 1000);
    expect_part(ZKT_CERTIFICATE_CN, "ada");
    expect_part(ZKT_CERTIFICATE_SAN, "spiffe://example.org/ada");
    struct zkt_tls_stream *stream = pair.ends[SERVER].stream;
    const struct zkt_str digest = stream->ops->certificate(
        stream, ZKT_CERTIFICATE_SHA256);
    assert_int_equal(digest.len, 64);
    assert_int_equal(strspn(digest.data, "0123456789abcdef"), 64);
    close_pair();
    open_pair("good", NULL, "client", "localhost"); /* it is not asked for */
    shake_hands(&pair, 1000);
    expect_part(ZKT_CERTIFICATE_CN, NULL);
    close_pair();
}

/* Every allocation fails in turn, of ours and of OpenSSL's, from the object to
 * the last byte; nothing crashes, and nothing is kept. */
static bool exchange(void)
{
    struct zkt_tls *ends[2] = { new_server("good", NULL), new_client(NULL) };
    const bool good =
        load(ends[SERVER]) && load(ends[CLIENT]) &&
        open_end(&pair.ends[SERVER], ends[SERVER], SERVER, NULL) &&
        open_end(&pair.ends[CLIENT], ends[CLIENT], CLIENT, "localhost");
    bool arrived = false;
    if (good) {
        shake_hands(&pair, 65536);
        struct end *end = &pair.ends[CLIENT];
        if (end->stream->is_open &&
            end->stream->ops->write(end->stream, &end->bytes, "text", 4)) {
            (void)move(&pair, CLIENT, 65536);
            arrived = pair.ends[SERVER].len == 4;
        }
        end->stream->ops->end(end->stream, &end->bytes);
    }
    for (int i = 0; i < 2; i++) {
        close_end(&pair.ends[i]);
        pair.ends[i].len = 0;
        zkt_tls_free(ends[i]);
    }
    return arrived;
}

static void test_failing_memory(void **state)
{
    (void)state;
    assert_true(exchange()); /* OpenSSL keeps what it reads once */
    long last = 0;
    for (long n = 1;; n += n < 100 ? 1 : 1 + n / 97) {
        allocations = 0;
        fail_at = n;
        const bool arrived = exchange();
        const bool over = allocations < n;
        fail_at = 0;
        if (over) {
            assert_true(arrived);
            break;
        }
        last = n;
    }
    assert_true(last > 500);
    assert_true(exchange());
}

/* An idle stream takes less than this; print_message says how much. */
static void test_idle_memory(void **state)
{
    enum {
        STREAMS = 32,
        MOST = 16 * 1024
    };
    static struct pair many[STREAMS];
    struct zkt_tls *server = new_server("good", NULL);
    struct zkt_tls *client = new_client(NULL);
    (void)state;
    assert_true(load(server) && load(client));
    const size_t before = bytes_of[SERVER];
    for (int i = 0; i < STREAMS; i++) {
        struct pair *p = &many[i];
        assert_true(open_end(&p->ends[SERVER], server, SERVER, NULL));
        assert_true(open_end(&p->ends[CLIENT], client, CLIENT, "localhost"));
        shake_hands(p, 65536);
        for (int from = 0; from < 2; from++) {
            write_text(p, from, "hello", 5);
            join(p, 65536);
        }
    }
    const size_t each = (bytes_of[SERVER] - before) / STREAMS;
    print_message("# an idle stream of a server takes %zu bytes\n", each);
    assert_true(each < MOST);
    for (int i = 0; i < STREAMS; i++) {
        close_end(&many[i].ends[SERVER]);
        close_end(&many[i].ends[CLIENT]);
    }
    assert_int_equal(bytes_of[SERVER], before);
    zkt_tls_free(server);
    zkt_tls_free(client);
}

/* Keys of tickets are replaced after half a day, and known for another. */
static void test_ticket_keys(void **state)
{
    enum {
        HOUR = 3600
    };
    struct zkt_tickets tickets;
    struct zkt_ticket_key first, second, found;
    const time_t begin = 1000000;
    (void)state;
    assert_true(zkt__tickets_init(&tickets));
    assert_false(
        zkt__tickets_find(&tickets, begin, (unsigned char[16]){ 0 }, &found));
    assert_true(zkt__tickets_newest(&tickets, begin, &first));
    assert_true(zkt__tickets_newest(&tickets, begin + 12 * HOUR, &second));
    assert_memory_equal(first.name, second.name, sizeof(first.name));
    assert_true(zkt__tickets_newest(&tickets, begin + 13 * HOUR, &second));
    assert_memory_not_equal(first.name, second.name, sizeof(first.name));
    assert_true(
        zkt__tickets_find(&tickets, begin + 24 * HOUR, first.name, &found));
    assert_memory_equal(found.aes, first.aes, sizeof(first.aes));
    assert_false(
        zkt__tickets_find(&tickets, begin + 25 * HOUR, first.name, &found));
    assert_true(
        zkt__tickets_find(&tickets, begin + 25 * HOUR, second.name, &found));
    zkt__tickets_finish(&tickets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_in_any_split),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_certificates_of_clients),
        cmocka_unit_test(test_idle_memory),
        cmocka_unit_test(test_failing_memory),
        cmocka_unit_test(test_ticket_keys),
    };
    if (CRYPTO_set_mem_functions(tls_get, tls_resize, tls_release) != 1) {
        return 1;
    }
    return cmocka_run_group_tests(tests, certificates_make,
                                  certificates_remove);
}
