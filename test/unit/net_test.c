/* The net layer: URLs, and clients whose server is not there or says nothing.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "counter_client.h"
#include "failing_alloc.h"
#include "net/url.h"

static void test_urls(void **state)
{
    static const struct {
        const char *text, *host, *authority, *path;
        uint16_t port;
    } good[] = {
        { "ws://x", "x", "x", "/", 80 },
        { "WS://127.0.0.1:3000", "127.0.0.1", "127.0.0.1:3000", "/", 3000 },
        { "ws://[::1]:8/a?b=c", "::1", "[::1]:8", "/a?b=c", 8 },
        { "ws://example.com/", "example.com", "example.com", "/", 80 },
    };
    static const char *const bad[] = {
        "",          "http://x",  "wss://x",     "ws://",
        "ws://:80",  "ws://x:",   "ws://x:0",    "ws://x:65536",
        "ws://x:1a", "ws://[::1", "ws://[::1]x", "ws://a b",
        "ws://x/#y", "ws://u@x",  "ws://x?q",
    };
    struct zkt_url url;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(zkt__url_parse(good[i].text, &url));
        assert_string_equal(url.host, good[i].host);
        assert_true(zkt_str_eq(url.authority, zkt_cstr(good[i].authority)));
        assert_true(zkt_str_eq(url.path, zkt_cstr(good[i].path)));
        assert_int_equal(url.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(zkt__url_parse(bad[i], &url));
    }
    assert_non_null(zkt__url_parse(NULL, &url));
}

/* A socket that listens and never says anything; its URL. */
static int listen_silently(char url[64])
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, 64, "ws://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return fd;
}

static void test_a_server_that_is_silent(void **state)
{
    const struct zkt_client_options options = { .rpc_timeout_ms = 50 };
    struct zkt_reply reply = { 0 };
    char url[64];
    const int fd = listen_silently(url);
    struct zkt_client *client = zkt_client_open(url, &options);
    struct demo_counter *counter = demo_counter_open(client, "x");
    (void)state;
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTING);
    assert_int_equal(demo_counter_call_reset(counter, &reply),
                     ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(reply.error, "RPC \"reset\" timed out after 50ms");
    assert_int_equal(zkt_client_poll(client, 1), ZKT_DEADLINE_EXCEEDED);
    zkt_reply_clear(&reply);
    demo_counter_close(counter);
    zkt_client_close(client);
    close(fd);
}

static void test_connecting_takes_too_long(void **state)
{
    const struct zkt_client_options options = { .connect_timeout_ms = 50,
                                                .no_reconnect = true };
    struct zkt_reply reply = { 0 };
    char url[64];
    const int fd = listen_silently(url);
    struct zkt_client *client = zkt_client_open(url, &options);
    struct demo_counter *counter = demo_counter_open(client, "x");
    (void)state;
    assert_int_equal(demo_counter_call_reset(counter, &reply), ZKT_UNAVAILABLE);
    assert_string_equal(reply.error, "WebSocket closed");
    assert_int_equal(zkt_client_status(client), ZKT_DISCONNECTED);
    assert_int_equal(zkt_client_poll(client, 1000), ZKT_CLOSED);
    assert_int_equal(demo_counter_call_reset(counter, &reply), ZKT_UNAVAILABLE);
    zkt_reply_clear(&reply);
    demo_counter_close(counter);
    zkt_client_close(client);
    close(fd);
}

static void test_nobody_listens(void **state)
{
    struct zkt_reply reply = { 0 };
    struct failing_alloc failing;
    char url[64];
    (void)state;
    failing_alloc_init(&failing, 0);
    const struct zkt_client_options options = {
        .allocator = &failing.allocator,
        .no_reconnect = true,
    };
    close(listen_silently(url));
    struct zkt_client *client = zkt_client_open(url, &options);
    struct demo_counter *counter = demo_counter_open(client, "x");
    assert_int_equal(demo_counter_call_reset(counter, &reply), ZKT_UNAVAILABLE);
    assert_string_equal(reply.error, "WebSocket closed");
    zkt_reply_clear(&reply);
    demo_counter_close(counter);
    zkt_client_close(client);
    assert_int_equal(failing.live, 0);
}

/* Opens and closes a client whose @n-th allocation fails; false: it had fewer.
 * With a @loop of ours, nothing is left in it. */
static bool open_with_failure(long n, uv_loop_t *loop, bool thread)
{
    struct failing_alloc failing;
    failing_alloc_init(&failing, n);
    const struct zkt_client_options options = {
        .allocator = &failing.allocator,
        .loop = loop,
        .thread = thread,
    };
    struct zkt_client *client = zkt_client_open("ws://127.0.0.1:1", &options);
    const bool opened = client != NULL;
    zkt_client_close(client);
    if (loop != NULL) {
        assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
    }
    assert_int_equal(failing.live, 0);
    return !opened;
}

static void test_opening_without_memory(void **state)
{
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int how = 0; how < 3; how++) {
        long n = 1;
        while (open_with_failure(n, how == 1 ? &loop : NULL, how == 2)) {
            n++;
            assert_true(n < 20); /* or it never stops failing */
        }
        assert_true(n > 3);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_a_server_that_is_silent),
        cmocka_unit_test(test_connecting_takes_too_long),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_opening_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
