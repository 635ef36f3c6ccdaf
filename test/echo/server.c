/*
 * A WebSocket server that returns every message, so that a conformance suite
 * can test the websocket and net layers. SIGTERM ends it.
 *
 *   echo_server [--port N] [--message BYTES]
 */
#include <stdio.h>

#include "echo.h"
#include "net/listener.h"

struct server {
    struct echo_core echo;
    struct zkt_loop loop;
    struct zkt_listener listener;
    uv_signal_t term;
    bool stopping;
    uint64_t turns_full; /* never read */
};

static void on_accept(void *user, const struct zkt_accepted *accepted)
{
    struct server *s = user;
    struct zkt_endpoint *e = echo_accept(&s->echo);
    if (e == NULL) {
        zkt__socket_close(accepted->fd);
    } else { /* or it is detached */
        (void)zkt__loop_attach(&s->loop, accepted->fd, e);
    }
}

static void on_error(void *user, int error)
{
    (void)user;
    fprintf(stderr, "accept: %s\n", uv_strerror(error));
}

static void on_closed(void *user)
{
    (void)user;
}

/* The last turn: every connection has sent its close frame. */
static void on_turn(struct zkt_loop *loop)
{
    struct server *s = loop->user;
    if (s->stopping) {
        zkt__loop_stop(loop);
    }
}

static void on_term(uv_signal_t *signal, int number)
{
    struct server *s = signal->data;
    (void)number;
    uv_close((uv_handle_t *)signal, NULL);
    zkt__listener_close(&s->listener);
    echo_close_all(&s->echo, 1001);
    s->stopping = true;
}

static bool is_open(void *user)
{
    (void)user;
    return true;
}

int main(int argc, char **argv)
{
    static struct server s;
    uv_loop_t uv;
    uint16_t port = (uint16_t)echo_option(argc, argv, "--port", 9001);
    const long message = echo_option(argc, argv, "--message", 1 << 20);
    if (!echo_init(&s.echo, (size_t)message) || uv_loop_init(&uv) != 0 ||
        zkt__loop_init(&s.loop, &uv, &s.echo.core, &zkt__allocator_default,
                       2000, 64 * 1024) != 0) {
        fprintf(stderr, "cannot start\n");
        return 1;
    }
    s.loop.user = &s;
    s.loop.on_turn = on_turn;
    s.listener = (struct zkt_listener){
        .per_turn = 64,
        .turns_full = &s.turns_full,
        .is_open = is_open,
        .on_accept = on_accept,
        .on_error = on_error,
        .on_closed = on_closed,
        .user = &s,
    };
    const struct zkt_listening_socket socket = { .fd = zkt__socket_listen(
                                                     "127.0.0.1", &port) };
    const int error = socket.fd >= 0 ? zkt__listener_open(
                                           &s.listener, &s.loop.poller, &socket)
                                     : socket.fd;
    if (error != 0) {
        fprintf(stderr, "port %u: %s\n", port, uv_strerror(error));
        return 1;
    }
    uv_signal_init(&uv, &s.term);
    s.term.data = &s;
    uv_signal_start(&s.term, on_term, SIGTERM);
    printf("listening on ws://127.0.0.1:%u\n", port);
    fflush(stdout);
    uv_run(&uv, UV_RUN_DEFAULT);
    zkt__loop_finish(&s.loop);
    echo_finish(&s.echo);
    return uv_loop_close(&uv) != 0;
}
