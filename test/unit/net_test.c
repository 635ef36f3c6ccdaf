/* The net layer: URLs, and clients with a server that is absent or silent. */
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
        const char *text, *host, *authority, *target;
        uint16_t port;
    } good[] = {
        { "ws://x", "x", "x", "/", 80 },
        { "WS://127.0.0.1:3000", "127.0.0.1", "127.0.0.1:3000", "/", 3000 },
        { "ws://[::1]:8/a?b=c", "::1", "[::1]:8", "/a?b=c", 8 },
        { "ws://example.com/", "example.com", "example.com", "/", 80 },
        /* RFC 3986, section 3.2.3: an empty port means none; leading zeros are
         * allowed. */
        { "ws://x:/", "x", "x", "/", 80 },
        { "ws://x:0080", "x", "x", "/", 80 },
        { "ws://x:00000000000000000000000081", "x", "x:81", "/", 81 },
        { "ws://[2001:db8::7]:80", "2001:db8::7", "[2001:db8::7]", "/", 80 },
        /* RFC 6455, section 3: without a path there may be a query. */
        { "ws://x?q", "x", "x", "/?q", 80 },
        { "ws://x?", "x", "x", "/?", 80 },
        { "ws://x//a/../b/./?c/?d@e:f", "x", "x", "//a/../b/./?c/?d@e:f", 80 },
        { "ws://x/%41%7e%0a", "x", "x", "/%41%7e%0a", 80 },
        { "ws://x/!$&'()*+,;=:@-._~", "x", "x", "/!$&'()*+,;=:@-._~", 80 },
        /* Characters that have to be encoded. */
        { "ws://x/a\"<>\\^`{|}[]", "x", "x",
          "/a%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D", 80 },
        { "ws://x/\xc3\xa4?\xe2\x82\xac", "x", "x", "/%C3%A4?%E2%82%AC", 80 },
        /* Characters that need not be encoded (section 6.2.2.2). */
        { "ws://%65xample%2Ecom", "example.com", "example.com", "/", 80 },
        { "ws://a_b~!$&'(", "a_b~!$&'(", "a_b~!$&'(", "/", 80 },
        { "ws://a)*+,;=.", "a)*+,;=.", "a)*+,;=.", "/", 80 },
        /* RFC 6874: a zone has a meaning on this machine only. */
        { "ws://[fe80::1%25eth0]:9/x", "fe80::1%eth0", "[fe80::1]:9", "/x", 9 },
        { "ws://[fe80::1%eth0]", "fe80::1%eth0", "[fe80::1]", "/", 80 },
    };
    static const struct {
        const char *text, *path, *target;
    } local[] = {
        { "ws+unix:///run/a.sock", "/run/a.sock", "/" },
        { "WS+UNIX:///a:", "/a", "/" },
        { "ws+unix:///a:/b:c?d=e", "/a", "/b:c?d=e" },
        { "ws+unix:///a?b", "/a", "/?b" },
        { "ws+unix:///a:?b", "/a", "/?b" },
        { "ws+unix:///a%20b%3a%3F%25:/%41", "/a b:?%", "/%41" },
        { "ws+unix:///\xc3\xa4/@[", "/\xc3\xa4/@[", "/" },
    };
    static const char *const bad[] = {
        "ws+unix:",
        "ws+unix://",
        "ws+unix://:/",
        "ws+unix://a",
        "ws+unix://./a",
        "ws+unix://@a",
        "ws+unix://%2fa",
        "ws+unix:///a:3000",
        "ws+unix:///a:b",
        "ws+unix:///a%00b",
        "ws+unix:///a%",
        "ws+unix:///a%4:/",
        "ws+unix:///a%4g",
        "ws+unix:///a b",
        "ws+unix:///a\n",
        "ws+unix:///a#b",
        "ws+unix:///a:/%",
        "ws+unix:///a:/\xff",
        "",
        "x",
        "http://x",
        "ws:/x",
        "ws://",
        "ws://:80",
        "ws:///x",
        "ws://x:0",
        "ws://x:65536",
        "ws://x:99999999999999999999999999999999",
        "ws://x:1a",
        "ws://x:-1",
        "ws://x:+1",
        "ws://x:1:2",
        "ws://::1",
        "ws://[::1",
        "ws://[::1]x",
        "ws://[]",
        "ws://[1.2.3.4]",
        "ws://[v1.x]",
        "ws://[::1%]",
        "ws://[::1%25]",
        "ws://[::1%25a%b]",
        "ws://[x%eth0]",
        "ws://a b",
        "ws://a\tb",
        "ws://x/a b",
        "ws://x/\r\nX: y",
        "ws://x\r\n",
        "ws://x/\x7f",
        "ws://x/#y",
        "ws://x#y",
        "ws://u@x",
        "ws://u:p@x/",
        "ws://x%0d%0aX:1",
        "ws://x%20y",
        "ws://x%00",
        "ws://x%2fy",
        "ws://x%4",
        "ws://x<y",
        "ws://x\\y",
        "ws://\xc3\xa4",
        "ws://%c3%a4",
        "ws://x/%",
        "ws://x/%4",
        "ws://x/%4g",
        "ws://x/\xff",
    };
    struct zkt_url url;
    char target[256];
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(zkt__url_parse(good[i].text, &url));
        assert_false(url.is_unix);
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.authority, good[i].authority);
        const size_t len = zkt__url_target(&url, target);
        assert_string_equal(target, good[i].target);
        assert_int_equal(len, strlen(target));
        assert_true(len <= zkt__url_target_max(&url));
        assert_int_equal(url.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        assert_null(zkt__url_parse(local[i].text, &url));
        assert_true(url.is_unix);
        assert_string_equal(url.host, local[i].path);
        assert_string_equal(url.authority, "localhost");
        (void)zkt__url_target(&url, target);
        assert_string_equal(target, local[i].target);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(zkt__url_parse(bad[i], &url));
    }
    assert_non_null(zkt__url_parse(NULL, &url));
}

/* A host is up to 255 bytes long; a zone counts. */
static void test_long_hosts(void **state)
{
    char text[600] = "ws://";
    struct zkt_url url;
    (void)state;
    memset(text + 5, 'x', 255);
    memcpy(text + 5 + 255, ":65535", 7);
    assert_null(zkt__url_parse(text, &url));
    assert_int_equal(strlen(url.host), 255);
    assert_int_equal(strlen(url.authority), 255 + 6);
    memset(text + 5, 'x', 256);
    text[5 + 256] = '\0';
    assert_non_null(zkt__url_parse(text, &url));
    /* The path of a Unix socket is up to 107 bytes long. */
    snprintf(text, sizeof(text), "ws+unix:///%0*d:/", 106, 0);
    assert_null(zkt__url_parse(text, &url));
    snprintf(text, sizeof(text), "ws+unix:///%0*d:/", 107, 0);
    assert_non_null(zkt__url_parse(text, &url));
    for (size_t len = 240; len < 300; len++) {
        snprintf(text, sizeof(text), "ws://[::1%%25%0*d]:1", (int)len, 0);
        const char *wrong = zkt__url_parse(text, &url);
        assert_true((wrong == NULL) == (3 + 3 + len <= 255));
    }
}

/* Listens without ever answering, and returns the URL. */
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
    assert_string_equal(reply.error,
                        "RPC \"reset\" timed out after 50ms: not connected");
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
    assert_string_equal(reply.error,
                        "not connected: WebSocket did not connect within 50ms");
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
    assert_string_equal(reply.error, "not connected: connection refused");
    zkt_reply_clear(&reply);
    demo_counter_close(counter);
    zkt_client_close(client);
    assert_int_equal(failing.live, 0);
}

/* Opens and closes a client while the @n-th allocation fails. Returns false
 * if there were fewer allocations. With @loop, checks that nothing is left
 * in it. */
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
            assert_true(n < 20); /* otherwise it never stops failing */
        }
        assert_true(n > 3);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_long_hosts),
        cmocka_unit_test(test_a_server_that_is_silent),
        cmocka_unit_test(test_connecting_takes_too_long),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_opening_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
