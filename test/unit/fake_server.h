/*
 * A client core with the test as its driver: the test advances the clock and
 * plays the server. Messages of the client are collected as text, a line each.
 */
#ifndef FAKE_SERVER_H
#define FAKE_SERVER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "websocket/handshake.h"

#define FAKE_TEXT 16384

struct fake {
    struct zkt_client *client;
    struct zkt_core *core;
    struct zkt_endpoint *endpoint; /* NULL if there is no transport */
    int64_t slept;                 /* time that the clock does not show yet */
    int dials, aborts;
    bool asked;             /* a dial is pending */
    bool finished;          /* the client has ended */
    bool lazy;              /* an abort is answered later */
    char sent[FAKE_TEXT];   /* messages of the client, each with a newline */
    int pings, closes;      /* control frames of the client */
    uint8_t raw[FAKE_TEXT]; /* unparsed bytes */
    size_t raw_len;
    char log[1024];                  /* the last line */
    void (*on_poll)(struct fake *f); /* called while a blocking call waits */
    void (*on_log)(struct fake *f);
    struct zkt_work *work;   /* posted, runs in the next turn */
    char request[FAKE_TEXT]; /* of the last handshake */
};

static inline void fake_connect(void *driver, struct zkt_client *client)
{
    struct fake *f = driver;
    (void)client;
    f->dials++;
    f->asked = true;
}

static inline void fake_abort(void *driver, struct zkt_client *client)
{
    struct fake *f = driver;
    f->aborts++;
    if (!f->lazy) {
        f->asked = false;
        zkt__client_connect_failed(client, "aborted");
    }
}

static inline void fake_detach(struct fake *f)
{
    struct zkt_endpoint *e = f->endpoint;
    f->endpoint = NULL;
    f->raw_len = 0;
    e->ops->detach(e);
}

/* Takes a frame of the client off the front of raw; returns 0 if none is
 * complete. */
static inline size_t fake_take_frame(struct fake *f)
{
    uint8_t *at = f->raw;
    size_t len, head = 2;
    if (f->raw_len < 2) {
        return 0;
    }
    len = at[1] & 0x7f;
    if (len == 126) {
        len = (size_t)at[2] << 8 | at[3];
        head = 4;
    }
    if (f->raw_len < head + 4 + len) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        at[head + 4 + i] ^= at[head + i % 4];
    }
    if ((at[0] & 0xf) == 1) {
        const size_t used = strlen(f->sent);
        snprintf(f->sent + used, sizeof(f->sent) - used, "%.*s\n", (int)len,
                 (const char *)at + head + 4);
    }
    f->pings += (at[0] & 0xf) == 9;
    f->closes += (at[0] & 0xf) == 8;
    return head + 4 + len;
}

/* Takes the complete frames off the front of raw. */
static inline void fake_take_frames(struct fake *f)
{
    size_t taken;
    if (f->raw_len > 0 && f->raw[0] == 'G') {
        return; /* fake_accept answers the handshake */
    }
    while ((taken = fake_take_frame(f)) > 0) {
        f->raw_len -= taken;
        memmove(f->raw, f->raw + taken, f->raw_len);
    }
}

/* Takes the client's output, which may be longer than raw; a single frame is
 * not. */
static inline void fake_drain(struct fake *f)
{
    struct zkt_slice slice;
    while (f->endpoint != NULL &&
           f->endpoint->ops->pending(f->endpoint, &slice, 1) > 0) {
        const size_t room = sizeof(f->raw) - f->raw_len;
        const size_t n = slice.len < room ? slice.len : room;
        if (n == 0) {
            abort(); /* a frame that a test did not expect */
        }
        memcpy(f->raw + f->raw_len, slice.data, n);
        f->raw_len += n;
        f->endpoint->ops->sent(f->endpoint, n);
        fake_take_frames(f);
    }
}

static inline void fake_run_work(struct fake *f)
{
    struct zkt_work *work = f->work;
    f->work = NULL;
    if (work != NULL) {
        work->run(work, f->client);
    }
}

/* Ends a turn: ticks the client and obeys its endpoint. */
static inline void fake_turn(struct fake *f)
{
    if (f->finished) {
        return;
    }
    fake_run_work(f);
    f->core->ops->tick(f->core);
    fake_drain(f);
    if (f->endpoint != NULL && (f->endpoint->closing || f->endpoint->aborted)) {
        fake_detach(f);
    }
    if (zkt__client_close_wanted(f->client) &&
        !zkt__client_is_busy(f->client)) {
        zkt_client_poll(f->client, 0);
    }
}

static inline enum zkt_status fake_poll(void *driver, int timeout_ms)
{
    struct fake *f = driver;
    (void)timeout_ms;
    if (f->on_poll != NULL) {
        f->on_poll(f);
    }
    f->core->ops->tick(f->core);
    fake_drain(f);
    return ZKT_OK;
}

static inline void fake_finish(void *driver, struct zkt_client *client)
{
    struct fake *f = driver;
    fake_drain(f);
    if (f->endpoint != NULL) {
        fake_detach(f);
    }
    zkt__client_free(client);
    f->finished = true;
    f->client = NULL;
}

static inline enum zkt_status fake_post(void *driver, zkt_posted_function *fn,
                                        void *user)
{
    struct fake *f = driver;
    zkt__client_run_posted(f->client, fn, user);
    return ZKT_OK;
}

static inline bool fake_post_work(void *driver, struct zkt_work *work)
{
    struct fake *f = driver;
    f->work = work;
    return true;
}

static inline void fake_clock(void *driver)
{
    struct fake *f = driver;
    f->core->now_ms += f->slept;
    f->slept = 0;
}

static inline void fake_log(void *user, enum zkt_log_level level,
                            const char *text)
{
    struct fake *f = user;
    (void)level;
    snprintf(f->log, sizeof(f->log), "%s", text);
    if (f->on_log != NULL) {
        f->on_log(f);
    }
}

/* Opens a client on @f, which is zeroed. Returns NULL if there is no memory. */
static inline struct zkt_client *fake_open(struct fake *f,
                                           struct zkt_client_options options)
{
    static const struct zkt_client_driver_ops ops = {
        .connect = fake_connect,
        .abort_connect = fake_abort,
        .poll = fake_poll,
        .finish = fake_finish,
        .post = fake_post,
        .post_work = fake_post_work,
        .clock = fake_clock,
    };
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    *f = (struct fake){ .client = NULL };
    options.log = fake_log;
    options.log_user = f;
    if (options.random_seed == NULL) {
        options.random_seed = seed;
    }
    f->client = zkt__client_new(&options, ZKT_STR("h"), ZKT_STR("/"), &ops, f);
    if (f->client != NULL) {
        f->core = zkt__client_core(f->client);
    }
    return f->client;
}

/* Advances the clock and ends the turn. */
static inline void fake_advance(struct fake *f, int64_t ms)
{
    f->core->now_ms += ms;
    fake_turn(f);
}

static inline void fake_feed(struct fake *f, const void *bytes, size_t len)
{
    uint8_t copy[FAKE_TEXT];
    memcpy(copy, bytes, len);
    f->endpoint->ops->feed(f->endpoint, copy, len);
}

static inline void fake_refuse(struct fake *f)
{
    f->asked = false;
    zkt__client_connect_failed(f->client, "refused");
}

/* Connects the transport; the handshake is not answered yet. */
static inline void fake_attach(struct fake *f)
{
    f->asked = false;
    f->endpoint = zkt__client_connected(f->client);
    fake_drain(f);
}

/* Answers the handshake; @protocol may be NULL. */
static inline void fake_shake(struct fake *f, const char *protocol)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char accept[ZKT_WS_ACCEPT_LEN + 1], reply[512];
    f->raw[f->raw_len] = '\0';
    snprintf(f->request, sizeof(f->request), "%.*s", (int)f->raw_len,
             (const char *)f->raw);
    const char *key = strstr(f->request, name);
    zkt__ws_accept_key(key + strlen(name), accept);
    snprintf(reply, sizeof(reply),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
             accept, protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
             protocol != NULL ? protocol : "", protocol != NULL ? "\r\n" : "");
    f->raw_len = 0;
    fake_feed(f, reply, strlen(reply));
}

/* Sends a message without ending the turn. */
static inline void fake_say(struct fake *f, const char *json)
{
    uint8_t frame[FAKE_TEXT];
    const size_t len = strlen(json);
    memcpy(frame + ZKT_WS_HEAD_MAX, json, len);
    const size_t head = zkt__ws_frame_head(frame + ZKT_WS_HEAD_MAX, len);
    fake_feed(f, frame + ZKT_WS_HEAD_MAX - head, head + len);
}

/* Accepts the dialled connection as a zocketc server of that level, and
 * welcomes it; 0: an older server, which has none. */
static inline void fake_accept_at(struct fake *f, int level)
{
    char text[80];
    snprintf(text, sizeof(text),
             "{\"type\":\"welcome\",\"clientId\":\"first\"%s}",
             level > 0 ? ",\"level\":1" : "");
    fake_attach(f);
    fake_shake(f, ZKT_WS_PROTOCOL_RFC6902);
    fake_say(f, text);
    fake_turn(f);
}

static inline void fake_accept(struct fake *f)
{
    fake_accept_at(f, 0);
}

/* Returns the messages sent since the last call. */
static inline const char *fake_sent(struct fake *f)
{
    static char text[FAKE_TEXT];
    fake_turn(f);
    memcpy(text, f->sent, sizeof(text));
    f->sent[0] = '\0';
    return text;
}

static inline int64_t fake_deadline(const struct fake *f)
{
    return f->core->ops->deadline(f->core);
}

static inline void fake_close(struct fake *f)
{
    if (!f->finished) {
        zkt_client_close(f->client);
    }
}

#endif
