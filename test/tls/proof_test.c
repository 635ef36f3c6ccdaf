/*
 * Parameters of a connection that come from the client's certificate.
 * CERTIFICATES names the script that makes the certificates.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "certificates.h"
#include "proof_client.h"
#include "proof_server.h"
#include "zocket/tls.h"

static enum zkt_status on_open(struct proof_connection_call *call,
                               const struct proof_connection_input *in,
                               struct proof_connection *out)
{
    const struct zkt_str none = ZKT_STR("-");
    const struct zkt_str cn = in->cn.has ? in->cn.value : none;
    const struct zkt_str name = in->name.has ? in->name.value : none;
    out->who = zkt_format(call->zkt, "%.*s %.*s %zu", ZKT_ARG(cn),
                          ZKT_ARG(name),
                          in->digest.has ? in->digest.value.len : 0);
    return ZKT_OK;
}

static enum zkt_status who(struct proof_door_call *call, struct zkt_str *out)
{
    *out = call->connection->who;
    return ZKT_OK;
}

static const struct proof_door_handlers door = { .who = who };
static const struct proof_handlers handlers = { .on_open = on_open,
                                                .door = &door };

static uint16_t port;
static char answer[256];

static void on_listening(void *user, uint16_t number)
{
    (void)user;
    port = number;
}

static void on_who(const struct zkt_reply *reply, struct zkt_str text,
                   void *user)
{
    (void)user;
    snprintf(answer, sizeof(answer), "%s%.*s",
             reply->status == ZKT_OK ? "" : "error", (int)text.len,
             reply->status == ZKT_OK ? text.data : "");
}

/* The TLS of a server that asks clients for a certificate of the CA. */
static struct zkt_tls *new_server_tls(void)
{
    static char ca[128], chain[128], key[128]; /* borrowed by it */
    const struct zkt_tls_certificate certificate = {
        certificate_file(chain, "good", ".pem"),
        certificate_file(key, "good", ".key")
    };
    return zkt_tls_server(&(struct zkt_tls_server_options){
        .certificates = &certificate,
        .certificate_count = 1,
        .client_ca = certificate_file(ca, "ca", ".pem"),
        .client_optional = true,
    });
}

/* Asks a server who the client is, which has a certificate or none. */
static const char *ask(const char *name)
{
    char ca[128], client_chain[128], client_key[128];
    char url[64];
    uv_loop_t loop;
    struct zkt_server *server;
    struct zkt_tls *tls = new_server_tls();
    struct zkt_tls *own = zkt_tls_client(&(struct zkt_tls_client_options){
        .ca = certificate_file(ca, "ca", ".pem"),
        .certificate = { name != NULL
                             ? certificate_file(client_chain, name, ".pem")
                             : NULL,
                         name != NULL
                             ? certificate_file(client_key, name, ".key")
                             : NULL },
    });
    const struct zkt_serve_options options = { .on_listening = on_listening,
                                               .tls = tls };
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_new(proof_app(&handlers), &options, &server),
                     ZKT_OK);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_OK);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%u", (unsigned)port);
    struct zkt_client *client = zkt_client_open(
        url, &(struct zkt_client_options){ .loop = &loop, .tls = own });
    struct proof_door *handle = proof_door_open(client, "x");
    answer[0] = '\0';
    proof_door_begin_who(handle, on_who, NULL);
    while (answer[0] == '\0') {
        uv_run(&loop, UV_RUN_ONCE);
    }
    proof_door_close(handle);
    zkt_client_close(client);
    zkt_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    zkt_tls_free(tls);
    zkt_tls_free(own);
    return answer;
}

static void test_certificates(void **state)
{
    (void)state;
    assert_string_equal(ask("client"), "ada spiffe://example.org/ada 64");
    assert_string_equal(ask("one"), "one.example.org one.example.org 64");
    assert_string_equal(ask(NULL), "- - 0");
}

/* Runs curl, which has a certificate, beside a server with TLS. Returns the
 * answer of a call by HTTP. */
static const char *post(const char *name)
{
    char own_chain[128], own_key[128];
    char command[1024];
    uv_loop_t loop;
    struct zkt_server *server;
    struct zkt_tls *tls = new_server_tls();
    const struct zkt_serve_options options = { .on_listening = on_listening,
                                               .http_calls = true,
                                               .tls = tls };
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_new(proof_app(&handlers), &options, &server),
                     ZKT_OK);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_OK);
    snprintf(command, sizeof(command),
             "curl -sS --max-time 20 --insecure --cert %s --key %s "
             "-H 'Content-Type: application/json' -X POST "
             "https://127.0.0.1:%u/actors/door/x/who",
             certificate_file(own_chain, name, ".pem"),
             certificate_file(own_key, name, ".key"), (unsigned)port);
    FILE *curl = popen(command, "r");
    assert_non_null(curl);
    assert_int_equal(fcntl(fileno(curl), F_SETFL, O_NONBLOCK), 0);
    size_t len = 0;
    ptrdiff_t got;
    while ((got = read(fileno(curl), answer + len, sizeof(answer) - 1 - len)) !=
           0) {
        len += got > 0 ? (size_t)got : 0;
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    answer[len] = '\0';
    assert_int_equal(pclose(curl), 0);
    zkt_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    zkt_tls_free(tls);
    return answer;
}

/* A call by HTTP has the certificate of its connection. */
static void test_calls_by_http(void **state)
{
    (void)state;
    assert_string_equal(post("client"), "\"ada spiffe://example.org/ada 64\"");
}

/* A client without sockets has no certificate. */
static void test_local(void **state)
{
    struct zkt_server *server;
    struct zkt_str text;
    (void)state;
    assert_int_equal(zkt_server_new(proof_app(&handlers), NULL, &server),
                     ZKT_OK);
    struct zkt_client *client = zkt_client_open_local(server);
    struct proof_door *handle = proof_door_open(client, "x");
    struct zkt_reply reply = { 0 };
    assert_int_equal(proof_door_call_who(handle, &text, &reply), ZKT_OK);
    assert_string_equal(text.data, "- - 0");
    zkt_reply_clear(&reply);
    proof_door_close(handle);
    zkt_client_close(client);
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_calls_by_http),
        cmocka_unit_test(test_local),
    };
    return cmocka_run_group_tests(tests, certificates_make,
                                  certificates_remove);
}
