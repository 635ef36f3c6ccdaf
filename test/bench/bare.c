/*
 * The baseline: receives WebSocket messages and answers each with the same
 * bytes, except for the call's id, which the load generator puts at a fixed
 * place. It answers messages of a single read with a single write, and does not
 * parse JSON.
 *
 *   bare           answers
 *   bare fanout    also sends the same bytes to every other connection
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
    DESCRIPTORS = 2048,
    ROOM = 128 * 1024,
    REPLY_MAX = 128,
    CALLS_MAX = 1024, /* answered at once */
    EVENTS = 64,
    ID_AT = 19 /* after {"type":"rpc","id": */
};

static struct peer {
    char *bytes; /* unanswered input */
    size_t have;
    bool open;
} peers[DESCRIPTORS];
static int last; /* the largest descriptor so far */
static bool fans_out;

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
    peers[fd].open = true;
}

/* Writes the reply to a message below 64 KiB and returns its length. */
static size_t answer(const uint8_t *frame, size_t head, char *reply)
{
    static const char begin[] = "..{\"type\":\"rpc:result\",\"id\":";
    static const char end[] = ",\"result\":1}";
    size_t len = sizeof(begin) - 1, quotes = 0;
    memcpy(reply, begin, len);
    for (size_t i = ID_AT; quotes < 2 && len < REPLY_MAX - sizeof(end); i++) {
        const char c = (char)(frame[head + i] ^ frame[head - 4 + (i & 3)]);
        quotes += c == '"';
        reply[len++] = c;
    }
    memcpy(reply + len, end, sizeof(end) - 1);
    len += sizeof(end) - 1;
    reply[0] = (char)0x81;
    reply[1] = (char)(len - 2);
    return len;
}

/* Sends a patch like ours to all but @fd. */
static void fan_out(int fd)
{
    static const char patch[] =
        "\x81\x6d{\"type\":\"state:patch\",\"actor\":\"counter\",\"actorId\":"
        "\"x\",\"patches\":[{\"op\":\"replace\",\"path\":\"/n\",\"value\":"
        "12345}]}";
    _Static_assert(sizeof(patch) - 3 == 0x6d, "the frame's length");
    for (int i = 0; i <= last; i++) {
        if (i != fd && peers[i].open) {
            put(i, patch, sizeof(patch) - 1);
        }
    }
}

/* Returns the size of the frame at @at, or 0 if it is incomplete. */
static size_t measure(const uint8_t *at, size_t left, size_t *head)
{
    *head = left > 1 && (at[1] & 127) == 126 ? 8 : 6;
    if (left < *head) {
        return 0;
    }
    const size_t len = *head == 8 ? (size_t)(at[2] << 8 | at[3])
                                  : (size_t)(at[1] & 127);
    return left - *head >= len ? *head + len : 0;
}

/* Tells {"type":"rpc" from a subscription. */
static bool is_call(const uint8_t *frame, size_t head)
{
    return (frame[head + 9] ^ frame[head - 4 + 1]) == 'r';
}

static void answer_all(int fd, struct peer *peer)
{
    static const char snapshot[] = "\x81\x19{\"type\":\"state:snapshot\"}";
    static char replies[CALLS_MAX * REPLY_MAX];
    size_t at = 0, len = 0, head, size;
    const uint8_t *bytes = (const uint8_t *)peer->bytes;
    while (len + REPLY_MAX <= sizeof(replies) &&
           (size = measure(bytes + at, peer->have - at, &head)) > 0) {
        if (!is_call(bytes + at, head)) {
            memcpy(replies + len, snapshot, sizeof(snapshot) - 1);
            len += sizeof(snapshot) - 1;
        } else {
            if (fans_out) {
                fan_out(fd);
            }
            len += answer(bytes + at, head, replies + len);
        }
        at += size;
    }
    memmove(peer->bytes, peer->bytes + at, peer->have - at);
    peer->have -= at;
    if (len > 0) {
        put(fd, replies, len);
    }
}

static void welcome(int epoll, int listener)
{
    struct epoll_event event = { .events = EPOLLIN };
    const int on = 1;
    const int fd = accept(listener, NULL, NULL);
    check(fd >= 0 && fd < DESCRIPTORS, "accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    peers[fd].open = false;
    peers[fd].have = 0;
    if (peers[fd].bytes == NULL) {
        peers[fd].bytes = malloc(ROOM + 1);
        check(peers[fd].bytes != NULL, "malloc");
    }
    last = fd > last ? fd : last;
    event.data.fd = fd;
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void serve(int fd)
{
    struct peer *peer = &peers[fd];
    const ssize_t len = recv(fd, peer->bytes + peer->have, ROOM - peer->have,
                             0);
    if (len <= 0) {
        peer->open = false;
        close(fd);
        return;
    }
    peer->have += (size_t)len;
    if (peer->open) {
        answer_all(fd, peer);
        return;
    }
    peer->bytes[peer->have] = '\0';
    peer->have = 0;
    upgrade(fd, peer->bytes);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    fans_out = argc > 1 && strcmp(argv[1], "fanout") == 0;
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
            if (events[i].data.fd == listener) {
                welcome(epoll, listener);
            } else {
                serve(events[i].data.fd);
            }
        }
    }
}
