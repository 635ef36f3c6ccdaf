/*
 * A server with its own loop: plain poll(2), no libuv. embed_server [--port N].
 * zocket/embed.h describes the duties of a loop and their order.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lamp_server.h"
#include "zocket/embed.h"

#define MOST 64 /* sockets; the first is the listener */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = number;
}

static enum zkt_status toggle(struct lamp_lamp_call *call, bool *out)
{
    *out = !call->state->on;
    lamp_lamp_set_on(call, *out);
    return ZKT_OK;
}

static void run(struct zkt_server *server, int listener)
{
    struct pollfd fds[MOST] = { { .fd = listener } };
    struct zkt_endpoint *peers[MOST];
    int count = 1;
    while (!zkt_server_is_down(server)) {
        const bool accepting = zkt_server_accepting(server) && count < MOST;
        fds[0].events = accepting ? POLLIN : 0;
        /* A signal between here and poll is seen within a second. */
        const unsigned wait = (unsigned)zkt_server_timeout(server);
        (void)poll(fds, (nfds_t)count, wait < 1000 ? (int)wait : 1000);
        zkt_server_read_clock(server);
        if (stopped) {
            zkt_server_shutdown(server);
        }
        for (int i = 1; i < count; i++) {
            if (fds[i].revents != 0) {
                zkt_endpoint_receive(peers[i], fds[i].fd);
            }
        }
        if ((fds[0].revents & POLLIN) != 0) {
            peers[count] = zkt_server_accept_socket(server, listener, NULL,
                                                    &fds[count].fd);
            count += peers[count] != NULL;
        }
        zkt_server_tick(server);
        for (int i = count - 1; i > 0; i--) {
            fds[i].events = (short)zkt_endpoint_send(peers[i], fds[i].fd);
            if (fds[i].events < 0) {
                close(fds[i].fd);
                fds[i] = fds[--count];
                peers[i] = peers[count];
            }
        }
    }
}

int main(int argc, char **argv)
{
    const struct lamp_lamp_handlers lamp = { .toggle = toggle };
    const struct lamp_handlers handlers = { .lamp = &lamp };
    const struct zkt_serve_options options = { .log = zkt_log_to_stderr };
    struct zkt_server *server;
    uint16_t port = argc > 2 ? (uint16_t)atoi(argv[2]) : 3000;
    const int listener = zkt_socket_listen("127.0.0.1", &port);
    if (listener < 0) {
        perror("cannot listen");
        return 1;
    }
    if (zkt_server_new(lamp_app(&handlers), &options, &server) != ZKT_OK) {
        return 1; /* the log has the reason */
    }
    signal(SIGTERM, on_signal);
    fprintf(stderr, "listening on ws://127.0.0.1:%d\n", port);
    run(server, listener);
    zkt_server_free(server);
    close(listener);
    return 0;
}
