/*
 * A closed loop of calls over many connections, one in flight on each. Every
 * reply must carry the id of the call and no error. Prints calls per second of
 * the server's CPU time, which holds on a machine that is shared, and the mean
 * round trip.
 *
 *   load PORT PID CONNECTIONS CALLS ACTOR ID METHOD INPUT [watch]
 *
 * With `watch` the first connection subscribes to the state of the instance,
 * and takes the patches in between.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 512,
    ROOM = 16 * 1024 * 1024
};

struct connection {
    int fd;
    long call; /* in flight */
    char *bytes;
    size_t have;
};

static struct connection connections[CONNECTIONS_MAX];
static long started, finished, wanted, patches;
static const char *actor, *instance, *method, *input;

static void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* User and system time of a process, in seconds. */
static double cpu_of(const char *pid)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(text, sizeof(text), file) == NULL) {
        fail("the server is gone");
    }
    fclose(file);
    const char *at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &system) != 2) {
        fail("the server's times cannot be read");
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* A masked text frame; the mask is zero, which is as much work to take off. */
static void send_frame(const struct connection *c, const char *text, size_t len)
{
    char frame[2048] = { (char)0x81 };
    size_t head = 2;
    frame[1] = (char)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        frame[2] = (char)(len >> 8);
        frame[3] = (char)len;
        head = 4;
    }
    memcpy(frame + head + 4, text, len);
    head += 4 + len;
    if (send(c->fd, frame, head, MSG_NOSIGNAL) != (ssize_t)head) {
        fail("send");
    }
}

static void call(struct connection *c)
{
    char text[1024];
    c->call = ++started;
    const int len = snprintf(
        text, sizeof(text),
        "{\"type\":\"rpc\",\"id\":\"%ld\",\"actor\":\"%s\",\"actorId\":\"%s\","
        "\"method\":\"%s\",\"input\":%s}",
        c->call, actor, instance, method, input);
    send_frame(c, text, (size_t)len);
}

static void take_message(struct connection *c, char *text, size_t len)
{
    char expected[64];
    const char kept = text[len];
    text[len] = '\0';
    snprintf(expected, sizeof(expected),
             "{\"type\":\"rpc:result\",\"id\":\"%ld\"", c->call);
    if (strncmp(text, expected, strlen(expected)) == 0) {
        if (strstr(text, "\"error\"") != NULL) {
            fail(text);
        }
        finished++;
        c->call = 0;
        if (started < wanted) {
            call(c);
        }
    } else if (strncmp(text, "{\"type\":\"state:patch\"", 21) == 0) {
        patches++;
    } else if (strncmp(text, "{\"type\":\"welcome\"", 17) != 0 &&
               strncmp(text, "{\"type\":\"state:snapshot\"", 24) != 0) {
        fail(text);
    }
    text[len] = kept;
}

/* Takes whole frames off the front. */
static void take_frames(struct connection *c)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *f = (const uint8_t *)c->bytes + at;
        const size_t left = c->have - at;
        size_t head = 2, len = left >= 2 ? f[1] : 0;
        if (len == 126) {
            head = 4;
            len = left >= head ? (size_t)(f[2] << 8 | f[3]) : 0;
        } else if (len == 127) {
            head = 10;
            len = 0;
            for (size_t i = 2; left >= head && i < 10; i++) {
                len = len << 8 | f[i];
            }
        }
        if (left < head || left - head < len) {
            break;
        }
        take_message(c, c->bytes + at + head, len);
        at += head + len;
    }
    memmove(c->bytes, c->bytes + at, c->have - at);
    c->have -= at;
}

static void receive(struct connection *c)
{
    const ssize_t got = recv(c->fd, c->bytes + c->have, ROOM - 1 - c->have, 0);
    if (got <= 0) {
        fail("the connection was closed");
    }
    c->have += (size_t)got;
    take_frames(c);
}

static void open_connection(struct connection *c, uint16_t port)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET };
    const int on = 1;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    c->bytes = malloc(ROOM);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(c->fd, request, sizeof(request) - 1, 0) < 0) {
        fail("cannot connect");
    }
    for (char *end = NULL; end == NULL;) {
        const ssize_t got = recv(c->fd, c->bytes + c->have, ROOM - 1 - c->have,
                                 0);
        if (got <= 0) {
            fail("no handshake");
        }
        c->have += (size_t)got;
        c->bytes[c->have] = '\0';
        end = strstr(c->bytes, "\r\n\r\n");
        if (end != NULL) {
            c->have -= (size_t)(end + 4 - c->bytes);
            memmove(c->bytes, end + 4, c->have);
        }
    }
    take_frames(c);
}

int main(int argc, char **argv)
{
    if (argc < 9) {
        fail("usage: load PORT PID CONNECTIONS CALLS ACTOR ID METHOD INPUT "
             "[watch]");
    }
    const int count = atoi(argv[3]);
    struct pollfd polls[CONNECTIONS_MAX];
    wanted = atol(argv[4]);
    actor = argv[5];
    instance = argv[6];
    method = argv[7];
    input = argv[8];
    if (count < 1 || count > CONNECTIONS_MAX) {
        fail("1 to 512 connections");
    }
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i], (uint16_t)atoi(argv[1]));
        polls[i] = (struct pollfd){ connections[i].fd, POLLIN, 0 };
    }
    if (argc > 9) {
        char text[256];
        const int len = snprintf(text, sizeof(text),
                                 "{\"type\":\"state:sub\",\"actor\":\"%s\","
                                 "\"actorId\":\"%s\"}",
                                 actor, instance);
        send_frame(&connections[0], text, (size_t)len);
    }
    const double cpu = cpu_of(argv[2]), begin = now();
    for (int i = 0; i < count && started < wanted; i++) {
        call(&connections[i]);
    }
    while (finished < wanted) {
        if (poll(polls, (nfds_t)count, 20000) <= 0) {
            fail("the server is silent");
        }
        for (int i = 0; i < count; i++) {
            if (polls[i].revents != 0) {
                receive(&connections[i]);
            }
        }
    }
    const double used = cpu_of(argv[2]) - cpu, took = now() - begin;
    printf("%.0f %.2f %ld\n", used > 0 ? (double)wanted / used : 0,
           took / (double)wanted * (double)count * 1e6, patches);
    return 0;
}
