/*
 * The floor to measure against: receives WebSocket messages and answers each
 * with the same bytes, but for the call's id, which stands where the load
 * generator is known to put it. It knows nothing of JSON.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "websocket/handshake.h"

enum {
    DESCRIPTORS = 1024,
    ROOM = 16 * 1024,
    EVENTS = 64,
    ID_AT = 19, /* behind {"type":"rpc","id": */
    FRAME_HEAD = 8
};

static bool is_open[DESCRIPTORS];

static void check(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void put(int fd, const void *bytes, size_t len)
{
    check(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void upgrade(int fd, const char *head)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char accept[ZKT_WS_ACCEPT_LEN + 1], reply[256];
    const char *key = strstr(head, name);
    check(key != NULL, "a handshake without a key");
    zkt__ws_accept_key(key + sizeof(name) - 1, accept);
    const int len = snprintf(
        reply, sizeof(reply),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    put(fd, reply, (size_t)len);
    is_open[fd] = true;
}

/* Answers the one frame of a message below 64 KiB. */
static void answer(int fd, const uint8_t *frame)
{
    static const char end[] = ",\"result\":1}";
    const size_t head = (frame[1] & 127) == 126 ? FRAME_HEAD : FRAME_HEAD - 2;
    char reply[128] = "..{\"type\":\"rpc:result\",\"id\":";
    size_t len = strlen(reply), quotes = 0;
    for (size_t i = ID_AT; quotes < 2; i++) {
        const char c = (char)(frame[head + i] ^ frame[head - 4 + (i & 3)]);
        quotes += c == '"';
        reply[len++] = c;
    }
    memcpy(reply + len, end, sizeof(end) - 1);
    len += sizeof(end) - 1;
    reply[0] = (char)0x81;
    reply[1] = (char)(len - 2);
    put(fd, reply, len);
}

static void serve(int epoll, int listener, int fd)
{
    static char bytes[ROOM + 1];
    if (fd == listener) {
        struct epoll_event event = { .events = EPOLLIN };
        const int on = 1;
        event.data.fd = accept(listener, NULL, NULL);
        check(event.data.fd >= 0 && event.data.fd < DESCRIPTORS, "accept");
        setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        is_open[event.data.fd] = false;
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) == 0,
              "epoll_ctl");
        return;
    }
    const ssize_t len = recv(fd, bytes, ROOM, 0);
    if (len <= 0) {
        close(fd);
        return;
    }
    bytes[len] = '\0';
    if (is_open[fd]) {
        answer(fd, (const uint8_t *)bytes);
    } else {
        upgrade(fd, bytes);
    }
}

int main(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(listener, (struct sockaddr *)&address, len) == 0 &&
              listen(listener, DESCRIPTORS) == 0 &&
              getsockname(listener, (struct sockaddr *)&address, &len) == 0 &&
              epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0,
          "listen");
    fprintf(stderr, "listening on ws://127.0.0.1:%u\n",
            (unsigned)ntohs(address.sin_port));
    for (;;) {
        struct epoll_event events[EVENTS];
        const int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            serve(epoll, listener, events[i].data.fd);
        }
    }
}
