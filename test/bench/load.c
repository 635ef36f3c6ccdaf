/*
 * The load generator: connections over loopback, in one thread, each with some
 * calls in flight. Every reply must carry the id of the oldest call of its
 * connection and no error, and every subscriber must get every change, so that
 * wrong answers are not counted as fast answers. Rates are per second of the
 * server's CPU time, which is stable on a shared machine; round trips are in
 * microseconds.
 *
 *   load call PORT PID CONNECTIONS DEPTH CALLS ACTOR ID METHOD INPUT
 *       prints: calls per CPU second, mean round trip
 *   load fanout PORT PID SUBSCRIBERS DEPTH ROUNDS ACTOR ID METHOD INPUT
 *       prints: deliveries per CPU second, mean time of a round; DEPTH calls
 *       make a round
 *   load snapshot PORT PID TIMES ACTOR ID
 *       prints: median round trip, bytes
 *   load churn PORT PID TIMES ACTOR ID METHOD INPUT
 *       connects, calls once, closes; prints: times per CPU second
 *   load hold PORT PID CONNECTIONS ACTOR ID METHOD INPUT
 *       prints: bytes of the server's memory for an idle connection, and for
 *       a connection with a subscription to an instance that it has called
 *   load leave PORT PID CONNECTIONS SUBSCRIPTIONS ACTOR METHOD INPUT
 *       that many connections, each subscribed to that many instances of its
 *       own, are reset at once; prints: the longest round trip of a bystander
 *       meanwhile, in milliseconds
 *   load memory PORT PID
 *       prints: KiB of the server's memory
 *
 * An ID that ends in `*` gives every connection an instance of its own; an
 * INPUT that is a number is a text of that many letters. Masks are zero;
 * removing them is as much work.
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
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"

enum {
    CONNECTIONS_MAX = 12000,
    EVENTS = 256,
    FIRST_ROOM = 1024,
    ID_DIGITS = 8,
    PATIENCE_MS = 30000
};

struct connection {
    int fd;
    long asked, answered; /* calls; their number is their id */
    long patches;
    size_t snapshot; /* bytes of the latest snapshot */
    char *call;      /* a frame, with the id's digits at id_at */
    size_t call_len, id_at;
    char *bytes;
    size_t have, room;
};

static struct connection connections[CONNECTIONS_MAX];
static int epoll;
static uint16_t port;
static const char *pid;

static void fail(const char *what)
{
    fprintf(stderr, "load: %.200s\n", what);
    exit(1);
}

static void check(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

/* ---- the clock, and the server's resources ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Reads the first line of a file of the server's in /proc. */
static void read_proc(const char *name, char *line, int size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, size, file) == NULL) {
        fail("the server is gone");
    }
    fclose(file);
}

/* Returns the server's CPU time in seconds. */
static double cpu(void)
{
    char line[128];
    read_proc("schedstat", line, sizeof(line));
    return (double)strtoull(line, NULL, 10) * 1e-9;
}

/* Returns the server's resident bytes. */
static double resident(void)
{
    char line[128];
    unsigned long pages = 0;
    read_proc("statm", line, sizeof(line));
    if (sscanf(line, "%*u %lu", &pages) != 1) {
        fail("the server's memory cannot be read");
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* ---- sending ---- */

static void put(const struct connection *c, const char *bytes, size_t len)
{
    check(send(c->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void say(struct connection *c, const char *text)
{
    size_t len, head;
    char *frame = make_frame(0x81, text, strlen(text), &len, &head);
    check(frame != NULL, "memory");
    put(c, frame, len);
    free(frame);
}

static void spell_id(char *to, long id)
{
    for (int i = ID_DIGITS; i-- > 0; id /= 10) {
        to[i] = (char)('0' + id % 10);
    }
}

/* Makes @count calls in a single write. */
static void ask(struct connection *c, long count)
{
    static char bytes[1 << 20];
    size_t len = 0;
    for (long i = 0; i < count; i++) {
        spell_id(c->call + c->id_at, ++c->asked);
        check(len + c->call_len <= sizeof(bytes), "too many bytes at once");
        memcpy(bytes + len, c->call, c->call_len);
        len += c->call_len;
    }
    put(c, bytes, len);
}

/* `room*` becomes `room12` for connection 12. */
static void name_instance(char *to, size_t size, const char *id, long number)
{
    const size_t len = strlen(id);
    if (len > 0 && id[len - 1] == '*') {
        snprintf(to, size, "%.*s%ld", (int)(len - 1), id, number);
    } else {
        snprintf(to, size, "%s", id);
    }
}

static void set_call(struct connection *c, char **what)
{
    static const char begin[] = "{\"type\":\"rpc\",\"id\":\"";
    static char text[16384], input[12000], id[64];
    const long letters = strtol(what[3], NULL, 10);
    name_instance(id, sizeof(id), what[1], c - connections);
    snprintf(input, sizeof(input), "%s", what[3]);
    if (letters > 0 && letters < 10000) {
        static char many[10001];
        memset(many, 'x', (size_t)letters);
        many[letters] = '\0';
        snprintf(input, sizeof(input), "{\"text\":\"%s\"}", many);
    }
    snprintf(text, sizeof(text),
             "%s00000000\",\"actor\":\"%s\",\"actorId\":\"%s\",\"method\":"
             "\"%s\",\"input\":%s}",
             begin, what[0], id, what[2], input);
    size_t head;
    free(c->call);
    c->call = make_frame(0x81, text, strlen(text), &c->call_len, &head);
    check(c->call != NULL, "memory");
    c->id_at = head + sizeof(begin) - 1;
}

/* @what is `state:sub` or `state:unsub`. */
static void subscribe(struct connection *c, const char *what, char **names)
{
    char text[256], id[64];
    name_instance(id, sizeof(id), names[1], c - connections);
    snprintf(text, sizeof(text),
             "{\"type\":\"%s\",\"actor\":\"%s\",\"actorId\":\"%s\"}", what,
             names[0], id);
    say(c, text);
}

/* ---- receiving ---- */

static bool begins(const char *text, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

static void take_message(struct connection *c, char *text, size_t len)
{
    char expected[] = "{\"type\":\"rpc:result\",\"id\":\"00000000\"";
    if (begins(text, len, "{\"type\":\"state:patch\"")) {
        c->patches++;
    } else if (begins(text, len, "{\"type\":\"state:snapshot\"")) {
        c->snapshot = len;
    } else if (begins(text, len, "{\"type\":\"rpc:result\"")) {
        spell_id(expected + sizeof(expected) - 2 - ID_DIGITS, ++c->answered);
        if (!begins(text, len, expected) ||
            memmem(text, len, "\"error\"", 7) != NULL) {
            fail(text);
        }
    } else if (!begins(text, len, "{\"type\":\"welcome\"")) {
        fail(text);
    }
}

/* Removes whole frames from the front. */
static void take_frames(struct connection *c)
{
    size_t at = 0, head, size;
    while ((size = measure_frame((const uint8_t *)c->bytes + at, c->have - at,
                                 &head)) > 0) {
        take_message(c, c->bytes + at + head, size - head);
        at += size;
    }
    if (at > 0) {
        memmove(c->bytes, c->bytes + at, c->have - at);
        c->have -= at;
    }
}

static void receive(struct connection *c)
{
    if (c->room - c->have < FIRST_ROOM) {
        c->room = c->room > 0 ? c->room * 2 : 2 * FIRST_ROOM;
        c->bytes = realloc(c->bytes, c->room);
        check(c->bytes != NULL, "memory");
    }
    const ssize_t got = recv(c->fd, c->bytes + c->have, c->room - c->have, 0);
    if (got <= 0) {
        fail("the connection was closed");
    }
    c->have += (size_t)got;
}

/* Waits, and calls @fn for each connection that has received something. */
static void turn(void (*fn)(struct connection *c, void *user), void *user)
{
    struct epoll_event events[EVENTS];
    const int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
    if (ready <= 0) {
        fail("the server is silent");
    }
    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        receive(c);
        take_frames(c);
        if (fn != NULL) {
            fn(c, user);
        }
    }
}

/* ---- connections ---- */

static void open_connection(struct connection *c)
{
    static const char request[] = FRAMES_REQUEST("");
    struct sockaddr_in address = { .sin_family = AF_INET };
    const int on = 1;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    check(c->fd >= 0, "socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    check(connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0,
          "connect");
    put(c, request, sizeof(request) - 1);
    for (char *end = NULL; end == NULL;) {
        receive(c);
        end = memmem(c->bytes, c->have, "\r\n\r\n", 4);
        if (end != NULL) {
            c->have -= (size_t)(end + 4 - c->bytes);
            memmove(c->bytes, end + 4, c->have);
        }
    }
    take_frames(c);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) == 0, "epoll_ctl");
}

static int open_all(const char *text)
{
    struct rlimit files;
    const int count = atoi(text);
    if (count < 1 || count > CONNECTIONS_MAX) {
        fail("1 to 12000 connections");
    }
    check(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = files.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i]);
    }
    return count;
}

/* Makes a call and waits for the reply. */
static void call_once(struct connection *c)
{
    ask(c, 1);
    while (c->answered < c->asked) {
        receive(c);
        take_frames(c);
    }
}

/* ---- the modes ---- */

struct calls {
    long started, finished, wanted;
};

static void ask_again(struct connection *c, void *user)
{
    struct calls *calls = user;
    static long seen[CONNECTIONS_MAX];
    long *known = &seen[c - connections];
    const long news = c->answered - *known;
    const long left = calls->wanted - calls->started;
    const long more = news < left ? news : left;
    *known = c->answered;
    calls->finished += news;
    calls->started += more;
    if (more > 0) {
        ask(c, more);
    }
}

static void run_calls(char **a)
{
    const int count = open_all(a[0]);
    const long depth = atol(a[1]);
    struct calls calls = { .wanted = atol(a[2]) };
    for (int i = 0; i < count; i++) {
        set_call(&connections[i], a + 3);
    }
    const double used = cpu(), begun = now();
    for (int i = 0; i < count && calls.started < calls.wanted; i++) {
        calls.started += depth;
        ask(&connections[i], depth);
    }
    calls.wanted = calls.wanted > calls.started ? calls.wanted : calls.started;
    while (calls.finished < calls.wanted) {
        turn(ask_again, &calls);
    }
    printf("%.0f %.2f\n", (double)calls.wanted / (cpu() - used),
           (now() - begun) / (double)calls.wanted * count * (double)depth *
               1e6);
}

struct round {
    long patches; /* still to come, for subscribers that have not got them */
    int waiting;
};

static void note_round(struct connection *c, void *user)
{
    struct round *round = user;
    if (c != connections && c->patches >= round->patches) {
        round->waiting--;
        c->patches -= round->patches;
    }
}

static void run_fanout(char **a)
{
    struct connection *driver = connections;
    char text[16];
    snprintf(text, sizeof(text), "%d", atoi(a[0]) + 1);
    const int count = open_all(text) - 1;
    const long depth = atol(a[1]), rounds = atol(a[2]);
    set_call(driver, a + 3);
    call_once(driver);
    for (int i = 1; i <= count; i++) {
        subscribe(&connections[i], "state:sub", a + 3);
        receive(&connections[i]);
        take_frames(&connections[i]);
        connections[i].patches = 0;
    }
    const double used = cpu(), begun = now();
    for (long i = 0; i < rounds; i++) {
        struct round round = { .patches = depth, .waiting = count };
        ask(driver, depth);
        while (round.waiting > 0 || driver->answered < driver->asked) {
            turn(note_round, &round);
        }
    }
    printf("%.0f %.2f\n", (double)(rounds * depth) * count / (cpu() - used),
           (now() - begun) / (double)rounds * 1e6);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_snapshots(char **a)
{
    enum {
        TIMES_MAX = 1000
    };
    static double took[TIMES_MAX];
    struct connection *c = connections;
    const int times = atoi(a[0]) < TIMES_MAX ? atoi(a[0]) : TIMES_MAX;
    (void)open_all("1");
    for (int i = 0; i < times; i++) {
        c->snapshot = 0;
        const double begun = now();
        subscribe(c, "state:sub", a + 1);
        while (c->snapshot == 0) {
            receive(c);
            take_frames(c);
        }
        took[i] = (now() - begun) * 1e6;
        subscribe(c, "state:unsub", a + 1);
    }
    qsort(took, (size_t)times, sizeof(took[0]), compare);
    printf("%.0f %zu\n", took[times / 2], c->snapshot);
}

static void run_churn(char **a)
{
    struct connection *c = connections;
    const long times = atol(a[0]);
    set_call(c, a + 1);
    const double used = cpu();
    for (long i = 0; i < times; i++) {
        c->have = 0;
        open_connection(c);
        call_once(c);
        close(c->fd);
    }
    printf("%.0f\n", (double)times / (cpu() - used));
}

static void run_hold(char **a)
{
    const struct timespec pause = { .tv_nsec = 200000000 };
    const double before = resident();
    const int count = open_all(a[0]);
    nanosleep(&pause, NULL);
    const double idle = resident();
    for (int i = 0; i < count; i++) {
        set_call(&connections[i], a + 1);
        call_once(&connections[i]);
    }
    for (int i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        subscribe(c, "state:sub", a + 1);
        while (c->snapshot == 0) {
            receive(c);
            take_frames(c);
        }
    }
    nanosleep(&pause, NULL);
    printf("%.0f %.0f\n", (idle - before) / count,
           (resident() - before) / count);
}

/* Subscribes to instances of its own, in turn. */
static void subscribe_often(struct connection *c, char **call, int times)
{
    char id[32];
    char *names[] = { call[0], id };
    for (int i = 0; i < times; i++) {
        snprintf(id, sizeof(id), "left%dof*", i);
        c->snapshot = 0;
        subscribe(c, "state:sub", names);
        while (c->snapshot == 0) {
            receive(c);
            take_frames(c);
        }
    }
}

static void reset_all(const struct connection *first, int count)
{
    const struct linger now = { .l_onoff = 1 };
    for (int i = 0; i < count; i++) {
        setsockopt(first[i].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(first[i].fd);
    }
}

/* Reports that it has begun, calls until @other is closed, and continues for a
 * number of calls. Returns the longest round trip in seconds. */
static double stand_by(struct connection *c, int other)
{
    int left = 3000;
    struct pollfd end = { .fd = other };
    check(write(other, "", 1) == 1, "write");
    double longest = 0, begun = now();
    while (left > 0) {
        call_once(c);
        const double ended = now();
        longest = ended - begun > longest ? ended - begun : longest;
        left -= poll(&end, 1, 0) != 0;
        begun = now();
    }
    return longest;
}

/* The bystander is another process, so that the time which the resets cost this
 * process does not count. */
static void run_leave(char **a)
{
    char text[16], id[] = "bystander";
    char *call[] = { a[2], id, a[3], a[4] };
    int ends[2]; /* of this process, and of the bystander */
    char begun;
    snprintf(text, sizeof(text), "%d", atoi(a[0]) + 1);
    const int count = open_all(text);
    set_call(connections, call);
    call_once(connections);
    for (int i = 1; i < count; i++) {
        subscribe_often(&connections[i], call, atoi(a[1]));
    }
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    const pid_t bystander = fork();
    check(bystander >= 0, "fork");
    if (bystander == 0) {
        close(ends[0]);
        for (int i = 1; i < count; i++) {
            close(connections[i].fd);
        }
        close(epoll);
        printf("%.1f\n", stand_by(connections, ends[1]) * 1e3);
        fflush(stdout);
        _exit(0);
    }
    close(ends[1]);
    check(read(ends[0], &begun, 1) == 1, "the bystander");
    reset_all(connections + 1, count - 1);
    close(ends[0]);
    int status = 0;
    check(waitpid(bystander, &status, 0) == bystander && status == 0,
          "the bystander");
}

static void run_memory(char **a)
{
    (void)a;
    printf("%.0f\n", resident() / 1024);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        void (*run)(char **arguments);
    } modes[] = {
        { "call", 7, run_calls },         { "fanout", 7, run_fanout },
        { "snapshot", 3, run_snapshots }, { "churn", 5, run_churn },
        { "hold", 5, run_hold },          { "leave", 5, run_leave },
        { "memory", 0, run_memory },
    };
    epoll = epoll_create1(0);
    for (size_t i = 0; argc >= 4 && i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(argv[1], modes[i].name) == 0 &&
            argc == 4 + modes[i].arguments) {
            port = (uint16_t)atoi(argv[2]);
            pid = argv[3];
            modes[i].run(argv + 4);
            return 0;
        }
    }
    fail("usage: see the beginning of load.c");
}
