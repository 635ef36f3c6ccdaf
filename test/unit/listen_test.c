/*
 * Listeners: their texts, IPv4, IPv6, names, Unix sockets and their files,
 * inherited sockets, and the protocols of systemd, which the test plays. All
 * listeners open, or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "counter_client.h"
#include "counter_server.h"
#include "failing_alloc.h"
#include "net/listen_address.h"
#include "net/systemd.h"

static char folder[64]; /* of the test's sockets */

/* Makes the text of a path in the folder, after @before. */
static const char *in_folder(char out[128], const char *before,
                             const char *name)
{
    snprintf(out, 128, "%s%s/%s", before, folder, name);
    return out;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/zocket-listen-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

/* Fails if a file remains. */
static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* ---- a server ---- */

static char remote[64]; /* the address of the last caller */

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    const struct zkt_str address = zkt_remote_address(call->zkt);
    snprintf(remote, sizeof(remote), "%.*s", (int)address.len, address.data);
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    (void)call;
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

struct site {
    uv_loop_t loop;
    struct zkt_server *server;
    uint16_t port; /* that on_listening has told */
    char log[2048];
};

static void on_listening(void *user, uint16_t port)
{
    struct site *site = user;
    site->port = port;
}

static void take_log(void *user, enum zkt_log_level level, const char *text)
{
    struct site *site = user;
    const size_t len = strlen(site->log);
    (void)level;
    snprintf(site->log + len, sizeof(site->log) - len, "%s\n", text);
}

static enum zkt_status open_with(struct site *site,
                                 struct zkt_serve_options options)
{
    *site = (struct site){ .port = 0 };
    options.on_listening = on_listening;
    options.user = site;
    options.log = take_log;
    options.log_user = site;
    assert_int_equal(uv_loop_init(&site->loop), 0);
    assert_int_equal(
        zkt_server_new(demo_app(&handlers), &options, &site->server), ZKT_OK);
    return zkt_server_listen(site->server, &site->loop);
}

#define LISTEN(...) ((const char *const[]){ __VA_ARGS__, NULL })

static enum zkt_status open_site(struct site *site, const char *const *listen)
{
    return open_with(site, (struct zkt_serve_options){ .listen = listen });
}

static void close_site(struct site *site)
{
    zkt_server_shutdown(site->server);
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    zkt_server_free(site->server);
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&site->loop), 0);
}

/* Expects that no listener opens, for the reason that the log gives. */
static void refuse(const char *const *listen, const char *reason)
{
    struct site site;
    const enum zkt_status status = open_site(&site, listen);
    assert_int_equal(status, ZKT_SYSTEM);
    if (strstr(site.log, reason) == NULL) {
        fail_msg("'%s' is not in '%s'", reason, site.log);
    }
    assert_null(strstr(site.log, "listening on"));
    close_site(&site);
}

static void on_inc(const struct zkt_reply *reply, int32_t result, void *user)
{
    int *status = user;
    (void)result;
    *status = (int)reply->status;
}

/* Makes a call by @url. Returns its status. */
static int call(struct site *site, const char *url)
{
    const struct zkt_client_options options = { .loop = &site->loop };
    int status = -1;
    struct zkt_client *client = zkt_client_open(url, &options);
    assert_non_null(client);
    struct demo_counter *x = demo_counter_open(client, "x");
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           on_inc, &status);
    while (status < 0) {
        (void)uv_run(&site->loop, UV_RUN_ONCE);
    }
    demo_counter_close(x);
    zkt_client_close(client);
    return status;
}

/* Calls by the URL number @n that the log says it listens on. */
static void call_logged(struct site *site, int n)
{
    const char *line = site->log;
    char url[128];
    for (;; n--) {
        line = strstr(line, "listening on ");
        assert_non_null(line);
        line += strlen("listening on ");
        if (n == 0) {
            break;
        }
    }
    snprintf(url, sizeof(url), "%.*s", (int)strcspn(line, "\n"), line);
    assert_int_equal(call(site, url), ZKT_OK);
}

/* ---- texts ---- */

static void test_texts(void **state)
{
    static const struct {
        const char *text;
        enum zkt_listen_kind kind;
        const char *host;
        uint16_t port;
    } good[] = {
        { "127.0.0.1:3000", ZKT_LISTEN_HOST, "127.0.0.1", 3000 },
        { "[::1]:0", ZKT_LISTEN_HOST, "::1", 0 },
        { "[::]:65535", ZKT_LISTEN_HOST, "::", 65535 },
        { "[fe80::1%eth0]:1", ZKT_LISTEN_HOST, "fe80::1%eth0", 1 },
        { "localhost:80", ZKT_LISTEN_HOST, "localhost", 80 },
        { "a-b.example.org:080", ZKT_LISTEN_HOST, "a-b.example.org", 80 },
        { "*:80", ZKT_LISTEN_HOST, "*", 80 },
        { "systemd:1", ZKT_LISTEN_HOST, "systemd", 1 },
        { "systemd", ZKT_LISTEN_SYSTEMD, "", 0 },
        { "fd:3", ZKT_LISTEN_FD, "", 0 },
        { "unix:/run/chat.sock", ZKT_LISTEN_UNIX, "", 0 },
        { "unix:/a:b,c d", ZKT_LISTEN_UNIX, "", 0 },
    };
    static const char *const bad[] = {
        "",        "3000",      ":3000",    "localhost",   "localhost:",
        "x:65536", "x:-1",      "x:+1",     "x: 1",        "x:1a",
        "::1:80",  "[::1]",     "[::1:80",  "[::1]80",     "[x]:80",
        "[]:80",   "[::1%]:80", "[:80",     "[1.2.3.4]:1", "[::1%a/b]:80",
        "a b:80",  "a/b:80",    "**:80",    "http://x:80", "unix:",
        "unix:a",  "unix:./a",  "unix:@a",  "fd:",         "fd:2",
        "fd:-1",   "fd:0x3",    "fd:3 ",    "fd: 3",       "fd:99999999999999",
        "Systemd", "systemd:",  "x\r\n:80", "\xc3\xa4:80",
    };
    struct zkt_listen_address out;
    char text[400] = "unix:/";
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(zkt__listen_address_parse(good[i].text, &out));
        assert_int_equal(out.kind, good[i].kind);
        assert_string_equal(out.host, good[i].host);
        assert_int_equal(out.port, good[i].port);
        assert_int_equal(out.fd, out.kind == ZKT_LISTEN_FD ? 3 : -1);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (zkt__listen_address_parse(bad[i], &out) == NULL) {
            fail_msg("'%s' is accepted", bad[i]);
        }
    }
    memset(text + 6, 'x', 106);
    assert_null(zkt__listen_address_parse(text, &out));
    memset(text + 6, 'x', 107);
    assert_non_null(zkt__listen_address_parse(text, &out));
    memset(text, 'x', 300);
    memcpy(text + 255, ":1", 3);
    assert_null(zkt__listen_address_parse(text, &out));
    memcpy(text + 255, "x:1", 4);
    assert_non_null(zkt__listen_address_parse(text, &out));
}

/* ---- hosts ---- */

static bool has_v6(void)
{
    struct sockaddr_in6 own = { .sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    const int fd = socket(AF_INET6, SOCK_STREAM, 0);
    const bool good = fd >= 0 &&
                      bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static void test_several(void **state)
{
    struct site site;
    char text[128], wanted[128];
    (void)state;
    assert_int_equal(
        open_site(&site, LISTEN(in_folder(text, "unix:", "s"), "127.0.0.1:0",
                                "localhost:0", "127.0.0.2:0")),
        ZKT_OK);
    /* The port is that of the first listener that has one. */
    snprintf(wanted, sizeof(wanted),
             "listening on ws+unix://%s/s\nlistening on ws://127.0.0.1:%u\n",
             folder, (unsigned)site.port);
    assert_memory_equal(site.log, wanted, strlen(wanted));
    for (int i = 0; i < 4; i++) {
        call_logged(&site, i);
    }
    close_site(&site);
}

/* A Unix socket alone has no port; an empty list means host and port. */
static void test_no_port(void **state)
{
    struct site site;
    char text[128];
    const char *const none[] = { NULL };
    (void)state;
    assert_int_equal(open_site(&site, LISTEN(in_folder(text, "unix:", "s"))),
                     ZKT_OK);
    assert_int_equal(site.port, 0);
    close_site(&site);
    assert_int_equal(open_site(&site, none), ZKT_OK);
    assert_int_not_equal(site.port, 0);
    call_logged(&site, 0);
    close_site(&site);
}

static void test_v6(void **state)
{
    struct site site;
    char both[32];
    (void)state;
    if (!has_v6()) {
        print_message("# skipped: this machine has no IPv6\n");
        skip();
    }
    assert_int_equal(open_site(&site, LISTEN("[::1]:0", "*:0")), ZKT_OK);
    call_logged(&site, 0);
    assert_string_equal(remote, "::1");
    assert_non_null(strstr(site.log, "ws://0.0.0.0:"));
    assert_non_null(strstr(site.log, "ws://[::]:"));
    call_logged(&site, 1);
    assert_string_equal(remote, "127.0.0.1");
    call_logged(&site, 2);
    const unsigned port = site.port;
    close_site(&site);
    /* Both families have their own sockets on a port. */
    snprintf(both, sizeof(both), "[::]:%u", port);
    assert_int_equal(open_site(&site, LISTEN("0.0.0.0:0")), ZKT_OK);
    snprintf(both, sizeof(both), "[::]:%u", (unsigned)site.port);
    struct site other;
    assert_int_equal(open_site(&other, LISTEN(both)), ZKT_OK);
    close_site(&other);
    close_site(&site);
}

/* Each thread takes connections of every listener. */
static void test_threads(void **state)
{
    struct site site;
    char text[128];
    const char *const *listen = LISTEN("127.0.0.1:0",
                                       in_folder(text, "unix:", "s"));
    (void)state;
    assert_int_equal(
        open_with(&site,
                  (struct zkt_serve_options){ .listen = listen, .threads = 3 }),
        ZKT_OK);
    for (int i = 0; i < 12; i++) {
        call_logged(&site, i % 2);
    }
    close_site(&site);
}

/* If one fails, none stays open, and the log names it. */
static void test_all_or_none(void **state)
{
    struct site first;
    char text[128], path[128], taken[32], name[96], reason[128];
    (void)state;
    assert_int_equal(open_site(&first, LISTEN("127.0.0.1:0")), ZKT_OK);
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", (unsigned)first.port);
    snprintf(reason, sizeof(reason),
             "cannot listen on %s: address already in use", taken);
    refuse(LISTEN(in_folder(text, "unix:", "s"), taken), reason);
    assert_int_equal(access(in_folder(path, "", "s"), F_OK), -1);
    /* A label is too long: the system asks no server for it. */
    snprintf(name, sizeof(name), "%065d.invalid:80", 0);
    snprintf(reason, sizeof(reason), "cannot listen on %s: ", name);
    refuse(LISTEN(in_folder(text, "unix:", "s"), name), reason);
    assert_int_equal(access(in_folder(path, "", "s"), F_OK), -1);
    refuse(LISTEN("127.0.0.1:0", "nonsense"),
           "cannot listen on nonsense: its port is missing");
    close_site(&first);
}

static void test_too_many(void **state)
{
    const char *many[66];
    (void)state;
    for (int i = 0; i < 65; i++) {
        many[i] = "127.0.0.1:0";
    }
    many[65] = NULL;
    refuse(many, "there are more than 64 sockets");
}

/* ---- Unix sockets ---- */

static mode_t mode_of(const char *path)
{
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    return found.st_mode & 0777;
}

static void test_mode(void **state)
{
    struct site site;
    char text[128], path[128];
    const char *const *listen = LISTEN(in_folder(text, "unix:", "s"));
    (void)state;
    (void)in_folder(path, "", "s");
    const mode_t before = umask(0);
    assert_int_equal(open_site(&site, listen), ZKT_OK);
    assert_int_equal(mode_of(path), 0600);
    close_site(&site);
    assert_int_equal(access(path, F_OK), -1); /* removed by the stop */
    (void)umask(0077);
    assert_int_equal(
        open_with(&site, (struct zkt_serve_options){ .listen = listen,
                                                     .socket_mode = 0666 }),
        ZKT_OK);
    assert_int_equal(mode_of(path), 0666);
    (void)umask(before);
    close_site(&site);
}

/* Leaves a socket at @path on which nobody listens any more. */
static void leave_stale(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static void test_stale(void **state)
{
    struct site site, second;
    char text[128], path[128];
    const char *const *listen = LISTEN(in_folder(text, "unix:", "s"));
    (void)state;
    leave_stale(in_folder(path, "", "s"));
    assert_int_equal(open_site(&site, listen), ZKT_OK);
    refuse(listen, "another server listens there");
    call_logged(&site, 0);
    /* The file of another server is not removed. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_site(&second, listen), ZKT_OK);
    close_site(&site);
    call_logged(&second, 0);
    close_site(&second);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_other_files(void **state)
{
    char text[128], path[128];
    const char *const *listen = LISTEN(in_folder(text, "unix:", "s"));
    (void)state;
    (void)in_folder(path, "", "s");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    refuse(listen, "there is a file that is no socket");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    refuse(listen, "there is a file that is no socket");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    refuse(listen, "there is a file that is no socket");
    assert_int_equal(rmdir(path), 0);
    refuse(LISTEN(in_folder(text, "unix:", "none/s")),
           "no such file or directory");
}

/* A peer of a Unix socket has no address, and is not limited by it. */
static void test_no_address(void **state)
{
    struct site site;
    char text[128], url[128];
    const char *const *listen = LISTEN(in_folder(text, "unix:", "s"));
    (void)state;
    assert_int_equal(
        open_with(&site, (struct zkt_serve_options){ .listen = listen,
                                                     .limits.per_address = 1 }),
        ZKT_OK);
    const struct zkt_client_options options = { .loop = &site.loop };
    struct zkt_client *first = zkt_client_open(
        in_folder(url, "ws+unix://", "s"), &options);
    while (zkt_client_status(first) != ZKT_CONNECTED) {
        (void)uv_run(&site.loop, UV_RUN_ONCE);
    }
    call_logged(&site, 0);
    assert_string_equal(remote, "");
    zkt_client_close(first);
    close_site(&site);
}

/* ---- clients ---- */

/* A client waits for a socket that is not there yet, and for the next. */
static void test_reconnecting(void **state)
{
    struct site site;
    char text[128], url[128];
    int status = -1;
    (void)state;
    const struct zkt_client_options options = { .reconnect_min_ms = 1,
                                                .reconnect_max_ms = 5 };
    struct zkt_client *client = zkt_client_open(
        in_folder(url, "ws+unix://", "s:/path?query"), &options);
    struct demo_counter *x = demo_counter_open(client, "x");
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           on_inc, &status);
    for (int i = 0; i < 5; i++) {
        (void)zkt_client_poll(client, 5);
    }
    assert_int_equal(status, -1);
    assert_int_equal(open_site(&site, LISTEN(in_folder(text, "unix:", "s"))),
                     ZKT_OK);
    while (status < 0) {
        (void)uv_run(&site.loop, UV_RUN_NOWAIT);
        (void)zkt_client_poll(client, 0);
    }
    assert_int_equal(status, ZKT_OK);
    demo_counter_close(x);
    zkt_client_close(client);
    close_site(&site);
}

/* ---- the PROXY protocol ---- */

static const char proxied[] =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x12\x34\x0b"
    "\xb8"
    "GET / HTTP/1.1\r\nHost: a.org\r\nOrigin: https://b.org\r\n\r\n";

enum {
    HEADER = 28
};

static void open_proxied(struct site *site, struct failing_alloc *memory)
{
    failing_alloc_init(memory, 0);
    assert_int_equal(
        open_with(site,
                  (struct zkt_serve_options){
                      .listen = LISTEN("proxy:127.0.0.1:0"),
                      .trusted_proxies = "127.0.0.1",
                      .forwarded_by = ZKT_FORWARDED_BY_PROXY_PROTOCOL,
                      .allocator = &memory->allocator,
                  }),
        ZKT_OK);
}

/* Connects, and sends the first bytes of the stream above. */
static int knock(const struct site *site, size_t len)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(site->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, proxied, len, MSG_NOSIGNAL), len);
    return fd;
}

/* Runs the server until it closes. Returns true if it has answered. */
static bool run_to_end(struct site *site, int fd)
{
    char bytes[512];
    bool answered = false;
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != 0) {
        if (got < 0 && errno != EAGAIN) {
            break;
        }
        answered = answered || got > 0;
        (void)uv_run(&site->loop, UV_RUN_NOWAIT);
    }
    close(fd);
    return answered;
}

static void test_proxied_without_memory(void **state)
{
    bool answered = false;
    (void)state;
    for (long n = 1; !answered; n++) {
        struct failing_alloc memory;
        struct site site;
        open_proxied(&site, &memory);
        memory.fail_at = memory.calls + n;
        answered = run_to_end(&site, knock(&site, sizeof(proxied) - 1));
        memory.fail_at = 0;
        if (answered) {
            assert_non_null(strstr(site.log, "a request of 203.0.113.9 from"));
        }
        close_site(&site);
        assert_int_equal(memory.live, 0);
    }
}

/* A server that is freed, or stops, drops connections without a header. */
static void test_proxied_at_the_end(void **state)
{
    (void)state;
    for (size_t len = 0; len < HEADER; len += 9) {
        struct failing_alloc memory;
        struct site site;
        open_proxied(&site, &memory);
        const int fd = knock(&site, len);
        const long before = memory.calls;
        while (memory.calls == before) { /* until it is accepted */
            (void)uv_run(&site.loop, UV_RUN_NOWAIT);
        }
        if (len % 2 == 0) {
            zkt_server_shutdown(site.server);
            assert_false(run_to_end(&site, fd));
        } else {
            close(fd);
        }
        close_site(&site);
        assert_int_equal(memory.live, 0);
    }
}

/* ---- inherited sockets ---- */

/* Returns a bound socket of this machine; it listens if it is a stream. */
static int make_socket(int type)
{
    struct sockaddr_in own = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(fd, 8), 0);
    }
    return fd;
}

static void test_descriptors(void **state)
{
    struct site site;
    char text[16];
    (void)state;
    const int fd = make_socket(SOCK_STREAM);
    snprintf(text, sizeof(text), "fd:%d", fd);
    assert_int_equal(open_site(&site, LISTEN(text)), ZKT_OK);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_int_not_equal(site.port, 0);
    call_logged(&site, 0);
    close_site(&site);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was the server's */
}

static void test_wrong_descriptors(void **state)
{
    char text[16];
    int fd = make_socket(SOCK_DGRAM);
    (void)state;
    snprintf(text, sizeof(text), "fd:%d", fd);
    refuse(LISTEN(text), "it is no listening stream socket");
    close(fd);
    refuse(LISTEN(text), "cannot listen on fd:");
    fd = open("/dev/null", O_RDWR);
    snprintf(text, sizeof(text), "fd:%d", fd);
    refuse(LISTEN(text), "socket operation on non-socket");
    assert_int_equal(close(fd), 0); /* still the program's */
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    snprintf(text, sizeof(text), "fd:%d", pair[0]);
    refuse(LISTEN(text), "it is no listening stream socket");
    close(pair[0]);
    close(pair[1]);
    fd = make_socket(SOCK_STREAM);
    snprintf(text, sizeof(text), "fd:%d", fd);
    refuse(LISTEN(text, text), "its descriptor is in use");
    refuse(LISTEN("fd:1000000"), "bad file descriptor");
}

/* ---- systemd ---- */

static void pass(const char *pid, const char *count)
{
    char own[16];
    snprintf(own, sizeof(own), "%d", (int)getpid());
    assert_int_equal(setenv("LISTEN_PID", pid != NULL ? pid : own, 1), 0);
    assert_int_equal(setenv("LISTEN_FDS", count, 1), 0);
}

static void test_passed_descriptors(void **state)
{
    static const char *const wrong[] = {
        "", "-1", "65", "x", "3x", " 3", "99999999999999999999"
    };
    (void)state;
    assert_int_equal(zkt__systemd_descriptors(64), 0);
    pass("1", "3");
    assert_int_equal(zkt__systemd_descriptors(64), 0);
    refuse(LISTEN("systemd"), "systemd has passed no sockets");
    pass("", "3");
    assert_int_equal(zkt__systemd_descriptors(64), -1);
    pass(NULL, "64");
    assert_int_equal(zkt__systemd_descriptors(64), 64);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        pass(NULL, wrong[i]);
        assert_int_equal(zkt__systemd_descriptors(64), -1);
        refuse(LISTEN("systemd"), "LISTEN_PID or LISTEN_FDS");
    }
    assert_int_equal(unsetenv("LISTEN_FDS"), 0);
    assert_int_equal(zkt__systemd_descriptors(64), 0);
    assert_int_equal(unsetenv("LISTEN_PID"), 0);
}

/* Serves in a child until a signal; its log goes to standard error. @listener,
 * or -1, is passed as the first descriptor. */
static pid_t serve_in_child(int listener, const char *notify)
{
    char *argv[] = { "server", "--port", "0", NULL };
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child != 0) {
        return child;
    }
    if (listener >= 0) {
        (void)dup2(listener, ZKT_SYSTEMD_FIRST_FD);
        pass(NULL, "1");
    }
    if (notify != NULL) {
        (void)setenv("NOTIFY_SOCKET", notify, 1);
    }
    _exit(
        zkt_serve_main(demo_app(&handlers), NULL, listener >= 0 ? 1 : 3, argv));
}

static void expect_exit(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_state(int manager, const char *state)
{
    char text[64] = "";
    const ssize_t got = recv(manager, text, sizeof(text) - 1, 0);
    assert_true(got > 0);
    assert_string_equal(text, state);
}

/* Plays systemd at @name; '@' begins an abstract name. */
static void run_notified(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const size_t len = strlen(name);
    const int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    const int listener = make_socket(SOCK_STREAM);
    const struct zkt_client_options options = { .rpc_timeout_ms = 60 * 1000 };
    struct sockaddr_in at;
    socklen_t at_len = sizeof(at);
    char url[64];
    int32_t result = 0;
    assert_true(manager >= 0 && len < sizeof(address.sun_path));
    memcpy(address.sun_path, name, len);
    address.sun_path[0] = name[0] == '@' ? '\0' : name[0];
    const size_t address_len = offsetof(struct sockaddr_un, sun_path) + len;
    assert_int_equal(
        bind(manager, (struct sockaddr *)&address, (socklen_t)address_len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &at_len), 0);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u",
             (unsigned)ntohs(at.sin_port));
    const pid_t child = serve_in_child(listener, name);
    close(listener);
    expect_state(manager, "READY=1");
    struct zkt_client *client = zkt_client_open(url, &options);
    struct demo_counter *x = demo_counter_open(client, "x");
    assert_int_equal(
        demo_counter_call_inc(x, &(struct demo_counter_inc_input){ .by = 3 },
                              &result, NULL),
        ZKT_OK);
    assert_int_equal(result, 3);
    assert_int_equal(kill(child, SIGTERM), 0);
    expect_state(manager, "STOPPING=1");
    demo_counter_close(x);
    zkt_client_close(client);
    expect_exit(child);
    close(manager);
}

static void test_notify(void **state)
{
    char name[128];
    (void)state;
    run_notified(in_folder(name, "", "n"));
    assert_int_equal(unlink(name), 0);
    run_notified(in_folder(name, "@", "n"));
}

static void test_wrong_notify(void **state)
{
    static const char *const wrong[] = { "", "/", "@", "relative",
                                         "vsock:2:3" };
    char text[300];
    (void)state;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(zkt__systemd_notify("READY=1"), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", wrong[i], 1), 0);
        assert_int_equal(zkt__systemd_notify("READY=1"), -EINVAL);
    }
    memset(text, 'x', sizeof(text) - 1);
    text[0] = '/';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", text, 1), 0);
    assert_int_equal(zkt__systemd_notify("READY=1"), -EINVAL);
    assert_int_equal(setenv("NOTIFY_SOCKET", in_folder(text, "", "none"), 1),
                     0);
    assert_int_equal(zkt__systemd_notify("READY=1"), -ENOENT);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_no_port),
        cmocka_unit_test(test_v6),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_mode),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_proxied_without_memory),
        cmocka_unit_test(test_proxied_at_the_end),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_reconnecting),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_wrong_descriptors),
        cmocka_unit_test(test_passed_descriptors),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_wrong_notify),
    };
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("NOTIFY_SOCKET");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
