/*
 * A WebSocket client that returns every message until the connection ends, and
 * then prints the close code, as the servers of conformance suites require.
 * With --print, messages are printed and not returned.
 *
 *   echo_client URL [--message BYTES] [--print 1]
 */
#include <stdio.h>

#include "echo.h"
#include "net/connector.h"
#include "net/socket.h"
#include "net/url.h"

struct client {
    struct echo_core echo;
    struct zkt_loop loop;
    struct zkt_connector connector;
    struct zkt_url url;
    char target[1024];
    uv_async_t wake; /* a name was resolved */
    bool failed;
};

static void wake(void *user)
{
    struct client *c = user;
    (void)uv_async_send(&c->wake);
}

static void on_wake(uv_async_t *async)
{
    struct client *c = async->data;
    zkt__connector_resume(&c->connector);
}

static void on_found(void *user, int socket_or_error)
{
    struct client *c = user;
    struct zkt_endpoint *e = NULL;
    uv_close((uv_handle_t *)&c->wake, NULL);
    if (socket_or_error >= 0) {
        e = echo_connect(&c->echo, zkt_cstr(c->url.authority),
                         zkt_cstr(c->target));
    }
    c->failed = e == NULL ||
                zkt__loop_attach(&c->loop, socket_or_error, e) != 0;
    if (c->failed) {
        fprintf(stderr, "cannot connect\n");
        zkt__loop_stop(&c->loop);
    }
}

static void on_transport_closed(struct zkt_loop *loop)
{
    zkt__loop_stop(loop);
}

int main(int argc, char **argv)
{
    static struct client c;
    uv_loop_t uv;
    const long message = echo_option(argc, argv, "--message", 1 << 24);
    const char *wrong = argc < 2 ? "there is none"
                                 : zkt__url_parse(argv[1], &c.url);
    if (wrong == NULL && zkt__url_target_max(&c.url) >= sizeof(c.target)) {
        wrong = "it is too long";
    }
    if (wrong != NULL) {
        fprintf(stderr, "the URL: %s\n", wrong);
        return 2;
    }
    if (!echo_init(&c.echo, (size_t)message) || uv_loop_init(&uv) != 0 ||
        zkt__loop_init(&c.loop, &uv, &c.echo.core, &zkt__allocator_default,
                       2000, 64 * 1024) != 0) {
        fprintf(stderr, "cannot start\n");
        return 1;
    }
    c.echo.prints = echo_option(argc, argv, "--print", 0) != 0;
    c.loop.on_transport_closed = on_transport_closed;
    c.connector = (struct zkt_connector){
        .loop = &c.loop,
        .host = c.url.host,
        .port = c.url.port,
        .is_unix = c.url.is_unix,
        .on_end = on_found,
        .wake = wake,
        .user = &c,
    };
    (void)zkt__url_target(&c.url, c.target);
    if (uv_async_init(&uv, &c.wake, on_wake) != 0) {
        fprintf(stderr, "cannot start\n");
        return 1;
    }
    c.wake.data = &c;
    zkt__connector_begin(&c.connector);
    uv_run(&uv, UV_RUN_DEFAULT);
    zkt__loop_finish(&c.loop);
    echo_finish(&c.echo);
    printf("closed with %u\n", c.echo.code);
    return uv_loop_close(&uv) != 0 || c.failed;
}
