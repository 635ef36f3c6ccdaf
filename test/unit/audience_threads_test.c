/*
 * A state with readers on three threads, over sockets. Each hidden value names
 * its reader, so that the peers need no model: the id or the user of a
 * connection stands behind `for-`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "sight_server.h"
#include "wire.h"

enum {
    PEERS = 6,
    CALLS = 150,
    UNDER_WAY = 4,
    ID = 32,
    JUDGES_FROM = 5
};

struct peer {
    int fd, number;
    char id[ID + 1];
    char *text;
    size_t len, searched;
    int sent, answered, patches, words;
};

static struct peer peers[PEERS]; /* of the test's thread */
static atomic_uint turns;
static struct {
    pthread_mutex_t lock;
    char ids[PEERS][ID + 1];
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- handlers, on any thread ---- */

static bool is_drawer(const struct sight_draw_state *state,
                      const struct sight_draw_private *private_state,
                      struct zkt_str client_id,
                      const struct sight_connection *connection)
{
    (void)state;
    (void)connection;
    return zkt_str_eq(private_state->drawer, client_id);
}

static bool is_judge(const struct sight_draw_state *state,
                     const struct sight_draw_private *private_state,
                     struct zkt_str client_id,
                     const struct sight_connection *connection)
{
    (void)state;
    (void)private_state;
    (void)client_id;
    return connection->role >= JUDGES_FROM;
}

static struct zkt_str for_whom(struct sight_draw_call *call, struct zkt_str who)
{
    return zkt_format(call->zkt, "for-%.*s", ZKT_ARG(who));
}

static struct zkt_str id_of(struct sight_draw_call *call, int peer)
{
    pthread_mutex_lock(&known.lock);
    const struct zkt_str id = zkt_format(call->zkt, "%s", known.ids[peer]);
    pthread_mutex_unlock(&known.lock);
    return id;
}

/* Each client has two users. */
static struct zkt_str user_of(struct sight_draw_call *call, int peer,
                              unsigned which)
{
    return zkt_format(call->zkt, "u%d%s", peer, which % 2 == 0 ? "x" : "y");
}

static void appoint(struct sight_draw_call *call, int peer)
{
    const struct zkt_str id = id_of(call, peer);
    sight_draw_set_drawer(call, id);
    sight_draw_set_word(call, for_whom(call, id));
}

static void deal(struct sight_draw_call *call, struct zkt_str user)
{
    const struct sight_card card = { .text = for_whom(call, user) };
    sight_draw_put_hands(call, user, &card);
}

static void hint(struct sight_draw_call *call)
{
    sight_draw_emit_hint(call,
                         &(const struct sight_draw_hint_event){
                             for_whom(call, call->private_state->drawer) },
                         sight_draw_to_drawer());
}

static int caller(struct sight_draw_call *call)
{
    int i = 0;
    while (!zkt_str_eq(zkt_client_id(call->zkt), id_of(call, i))) {
        i++;
    }
    return i;
}

static enum zkt_status go(struct sight_draw_call *call, int32_t *out)
{
    const unsigned turn = (atomic_fetch_add(&turns, 1) * 2654435761u) >> 8;
    const int peer = (int)(turn % PEERS);
    const unsigned kind = turn / PEERS % 10;
    *out = 0;
    switch (kind) {
    case 0:
    case 1:
        appoint(call, peer);
        hint(call);
        break;
    case 2:
    case 3:
        deal(call, user_of(call, peer, turn));
        break;
    case 4:
        sight_draw_clear_hands(call);
        break;
    case 5:
        sight_draw_put_moves(call, id_of(call, peer),
                             for_whom(call, id_of(call, peer)));
        break;
    case 6:
        sight_connection_set_user(call->zkt, user_of(call, caller(call), turn));
        sight_connection_set_role(call->zkt, (int32_t)(turn % 10));
        break;
    case 7:
        appoint(call, peer);
        hint(call);
        return zkt_fail(call->zkt, ZKT_ABORTED, "no");
    default:
        sight_draw_set_n(call, call->state->n + 1);
        break;
    }
    return ZKT_OK;
}

static enum zkt_status on_subscribe(struct sight_draw_call *call,
                                    enum zkt_subscription subscription)
{
    (void)call;
    (void)subscription;
    return ZKT_OK;
}

static enum zkt_status on_open(struct sight_connection_call *call,
                               const struct sight_connection_input *in,
                               struct sight_connection *out)
{
    (void)call;
    out->user = in->user;
    return ZKT_OK;
}

static const struct sight_draw_handlers draw = {
    .go = go,
    .wander = go,
    .on_subscribe = on_subscribe,
    .audience_drawer = is_drawer,
    .audience_judge = is_judge,
};
static const struct sight_handlers handlers = { .on_open = on_open,
                                                .draw = &draw };
/* ---- a server ---- */

static uint16_t port;
static bool stopped;

static void on_listening(void *user, uint16_t on)
{
    (void)user;
    port = on;
}

static void on_stopped(void *user)
{
    (void)user;
    stopped = true;
}

static struct zkt_server *begin(uv_loop_t *loop)
{
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(sight_app(&handlers),
                                    &(const struct zkt_serve_options){
                                        .threads = 3,
                                        .on_listening = on_listening,
                                        .on_stopped = on_stopped,
                                        .limits = { .output_high = 2000 },
                                    },
                                    &server),
                     ZKT_OK);
    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(zkt_server_listen(server, loop), ZKT_OK);
    return server;
}

static void step(uv_loop_t *loop)
{
    (void)uv_run(loop, UV_RUN_NOWAIT);
    (void)poll(NULL, 0, 1);
}

/* ---- peers ---- */

static void send_bytes(const struct peer *p, const char *bytes, size_t len)
{
    assert_int_equal(send(p->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(const struct peer *p, const char *text)
{
    char bytes[512];
    send_bytes(p, bytes, frame(bytes, text));
}

static void hear(struct peer *p)
{
    char bytes[4096];
    ssize_t got;
    while ((got = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        p->text = realloc(p->text, p->len + (size_t)got + ID + 4);
        memcpy(p->text + p->len, bytes, (size_t)got);
        p->len += (size_t)got;
        memset(p->text + p->len, 0, ID + 4);
    }
    assert_true(got < 0); /* the stream goes on */
}

/* Returns true if @who, behind `for-`, is the peer. */
static bool is_for(const struct peer *p, const char *who)
{
    char user[16];
    const int len = snprintf(user, sizeof(user), "u%d", p->number);
    return memcmp(who, p->id, ID) == 0 || memcmp(who, user, (size_t)len) == 0;
}

static bool finds(const struct peer *p, size_t at, const char *text)
{
    return memcmp(p->text + at, text, strlen(text)) == 0;
}

/* Searches the text up to the last brace. Words have no brace, so that all in
 * front of it are whole. */
static void search(struct peer *p)
{
    size_t end = p->len;
    while (end > p->searched && p->text[end - 1] != '}') {
        end--;
    }
    for (; p->searched < end; p->searched++) {
        p->answered += finds(p, p->searched, "\"rpc:result\"");
        p->patches += finds(p, p->searched, "\"state:patch\"");
        if (finds(p, p->searched, "for-")) {
            p->words++;
            assert_true(is_for(p, p->text + p->searched + 4));
        }
    }
}

static void enter(struct peer *p, int number, uv_loop_t *loop)
{
    char bytes[512];
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    *p = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM, 0),
                        .number = number };
    assert_int_equal(connect(p->fd, (const struct sockaddr *)&to, sizeof(to)),
                     0);
    const int len = snprintf(
        bytes, sizeof(bytes),
        "GET /?user=u%dx HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        number,
        number % 2 == 0 ? "Sec-WebSocket-Protocol: zocket.rfc6902\r\n" : "");
    send_bytes(p, bytes, (size_t)len);
    while (!holds(p->text, p->len, "\"clientId\":\"") ||
           p->text[p->len - 1] != '}') {
        step(loop);
        hear(p);
    }
    size_t at = 0;
    while (!finds(p, at, "\"clientId\":\"")) {
        at++;
    }
    memcpy(p->id, p->text + at + 12, ID);
    pthread_mutex_lock(&known.lock);
    memcpy(known.ids[number], p->id, sizeof(p->id));
    pthread_mutex_unlock(&known.lock);
    p->searched = p->len;
}

#define TO(type, name)                                                         \
    "{\"type\":\"" type "\",\"actor\":\"draw\",\"actorId\":\"" name "\"}"
#define CALL(name)                                                             \
    "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"draw\",\"actorId\":\"" name    \
    "\",\"method\":\"go\"}"

static void act(struct peer *p)
{
    static const char *const other[] = {
        TO("state:sub", "a"), TO("event:sub", "a"),   TO("state:sub", "b"),
        TO("event:sub", "b"), TO("state:unsub", "a"), TO("state:sub", "a"),
    };
    if (p->sent % 8 == 0) {
        say(p, other[p->sent / 8 % 6]);
    }
    say(p, p->sent % 2 == 0 ? CALL("a") : CALL("b"));
    p->sent++;
}

/* Makes all calls; returns when all are answered. */
static void play(uv_loop_t *loop)
{
    int answered = 0;
    while (answered < PEERS * CALLS) {
        answered = 0;
        for (int i = 0; i < PEERS; i++) {
            struct peer *p = &peers[i];
            hear(p);
            search(p);
            while (p->sent < CALLS && p->sent - p->answered < UNDER_WAY) {
                act(p);
            }
            answered += p->answered;
        }
        step(loop);
    }
}

static void test_threads(void **state)
{
    uv_loop_t loop;
    int patches = 0, words = 0;
    (void)state;
    struct zkt_server *server = begin(&loop);
    for (int i = 0; i < PEERS; i++) {
        enter(&peers[i], i, &loop);
    }
    play(&loop);
    for (int i = 0; i < PEERS; i++) {
        patches += peers[i].patches;
        words += peers[i].words;
        close(peers[i].fd);
        free(peers[i].text);
    }
    assert_true(patches > CALLS && words > 10);
    zkt_server_shutdown(server);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_true(stopped);
    zkt_server_free(server);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_threads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
