/*
 * A server on a loop of its own: plain poll(2), no libuv. embed_server [--port
 * N]. What a loop has to do, and in which order, stands in zocket/embed.h.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lamp_server.h"
#include "zocket/embed.h"

static enum zkt_status toggle(struct lamp_lamp_call *call, bool *out)
{
    *out = !call->state->on;
    lamp_lamp_set_on(call, *out);
    return ZKT_OK;
}

enum {
    MOST = 64 /* sockets; the first one listens */
};
static struct pollfd fds[MOST];
static struct zkt_endpoint *peers[MOST];
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = number;
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t len = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        perror("cannot listen");
        exit(1);
    }
    fprintf(stderr, "listening on ws://127.0.0.1:%d\n", ntohs(at.sin_port));
    return fd;
}

/* ---- the loop ---- */

static void take_peer(struct zkt_server *server)
{
    const int fd = accept(fds[0].fd, NULL, NULL);
    for (int i = 1; fd >= 0 && i < MOST; i++) {
        if (peers[i] == NULL) {
            peers[i] = zkt_server_accept(server, "127.0.0.1", NULL);
            fds[i].fd = peers[i] != NULL ? fd : (close(fd), -1);
            return;
        }
    }
    close(fd);
}

static void read_from(int i)
{
    static char bytes[64 * 1024];
    const ssize_t got = recv(fds[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got > 0) {
        zkt_endpoint_feed(peers[i], bytes, (size_t)got);
    } else if (got == 0) {
        zkt_endpoint_ended(peers[i]);
    }
}

/* Sends what can be sent, and then does with the connection what is due. */
static void settle(int i)
{
    struct zkt_slice slice;
    bool stuck = false;
    while (!stuck && zkt_endpoint_pending(peers[i], &slice, 1) > 0) {
        const ssize_t sent = send(fds[i].fd, slice.data, slice.len,
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
        zkt_endpoint_sent(peers[i], sent > 0 ? (size_t)sent : 0);
        stuck = sent <= 0;
    }
    const bool hung_up = (fds[i].revents & (POLLERR | POLLHUP)) != 0;
    const enum zkt_fate fate = zkt_endpoint_fate(peers[i]);
    if (hung_up || fate == ZKT_FATE_DROP ||
        (fate == ZKT_FATE_CLOSE && !stuck)) {
        zkt_endpoint_detach(peers[i]);
        peers[i] = NULL;
        close(fds[i].fd);
        fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
        return;
    }
    fds[i].events = (short)((zkt_endpoint_reading(peers[i]) ? POLLIN : 0) |
                            (stuck ? POLLOUT : 0));
}

static void run(struct zkt_server *server)
{
    while (!zkt_server_is_down(server)) {
        /* A signal between here and poll is seen within a second. */
        const unsigned wait = (unsigned)zkt_server_timeout(server);
        (void)poll(fds, MOST, wait < 1000 ? (int)wait : 1000);
        zkt_server_clock(server, clock_ms(CLOCK_MONOTONIC),
                         clock_ms(CLOCK_REALTIME));
        if (stopped) {
            zkt_server_shutdown(server);
        }
        if (fds[0].revents != 0) {
            take_peer(server);
        }
        for (int i = 1; i < MOST; i++) {
            if (peers[i] != NULL && (fds[i].revents & POLLIN) != 0) {
                read_from(i);
            }
        }
        zkt_server_tick(server);
        fds[0].events = zkt_server_accepting(server) ? POLLIN : 0;
        for (int i = 1; i < MOST; i++) {
            if (peers[i] != NULL) {
                settle(i);
            }
        }
    }
}

int main(int argc, char **argv)
{
    const struct lamp_lamp_handlers lamp = { .toggle = toggle };
    const struct lamp_handlers handlers = { .lamp = &lamp };
    struct zkt_server *server;
    if (zkt_server_new(lamp_app(&handlers), NULL, &server) != ZKT_OK) {
        return 1;
    }
    signal(SIGTERM, on_signal);
    for (int i = 0; i < MOST; i++) {
        fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
    }
    fds[0].fd = listen_on(argc > 2 ? (uint16_t)atoi(argv[2]) : 3000);
    run(server);
    zkt_server_free(server);
    return 0;
}
