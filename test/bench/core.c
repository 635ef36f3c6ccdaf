/*
 * The core without sockets: a server that gets frames in memory; its output is
 * discarded, so only its own work counts and none of the kernel's. Every reply
 * is checked briefly.
 *
 *   core               ns of CPU time of every work, the best of some rounds
 *   core WORK COUNT    repeats this work, and prints nothing;
 *                      test/bench/instructions runs it under callgrind
 *   core --clock …     does either with a clock that is read in each turn, as
 *                      the drivers of servers do
 *   core --metrics …   the same, with metrics on
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handlers.h"
#include "net/ticks.h"
#include "protocol/envelope.h"
#include "server/server.h"
#include "zocket/zocket.h"

enum {
    SUBSCRIBERS = 1000,
    PEERS_MAX = SUBSCRIBERS + 1,
    ROUNDS = 7,
    SLICES = 16,
    FRAME_MAX = 8192
};

static void fail(const char *what)
{
    fprintf(stderr, "core: %s\n", what);
    exit(1);
}

/* ---- a server and its peers ---- */

struct bench {
    struct zkt_server *server;
    struct zkt_endpoint *peers[PEERS_MAX];
    size_t peer_count;
    char frame[FRAME_MAX]; /* the message of the first peer */
    size_t frame_len;
    char reply[256]; /* the end of the latest output */
    size_t bytes, slices;
    struct zkt_arena arena;
    int64_t turn;
};

static void keep_reply(struct bench *b, const struct zkt_slice *slice)
{
    const size_t len = slice->len < sizeof(b->reply) - 1 ? slice->len
                                                         : sizeof(b->reply) - 1;
    memcpy(b->reply, slice->data + slice->len - len, len);
    b->reply[len] = '\0';
}

/* The clock of a driver, which reads it in each turn. */
static struct zkt_ticks ticks;
static bool has_clock;

static void set_clock(struct bench *b)
{
    struct zkt_core *core = zkt__server_core(b->server);
    zkt_server_clock(b->server, b->turn, b->turn);
    if (!core->measures && has_clock) {
        (void)zkt__core_woken(core);
    }
}

/* Ends a turn of the loop. */
static void end_turn(struct bench *b)
{
    struct zkt_endpoint *e;
    zkt_server_tick(b->server);
    while ((e = zkt_server_changed(b->server)) != NULL) {
        struct zkt_slice slices[SLICES];
        size_t count;
        while ((count = zkt_endpoint_pending(e, slices, SLICES)) > 0) {
            size_t len = 0;
            for (size_t i = 0; i < count; i++) {
                len += slices[i].len;
            }
            if (e == b->peers[0]) {
                keep_reply(b, &slices[count - 1]);
            }
            b->bytes += len;
            b->slices += count;
            zkt_endpoint_sent(e, len);
        }
    }
}

static void feed(struct bench *b, struct zkt_endpoint *e, const char *bytes,
                 size_t len)
{
    char copy[FRAME_MAX];
    memcpy(copy, bytes, len);
    b->turn++;
    set_clock(b);
    zkt_endpoint_feed(e, copy, len);
    end_turn(b);
}

/* A masked text frame. */
static size_t make_frame(char *to, const char *text, size_t len)
{
    static const char key[4] = { 1, 2, 3, 4 };
    const size_t head = len < 126 ? 2 : 4;
    to[0] = (char)0x81;
    to[1] = (char)(0x80 | (len < 126 ? len : 126));
    if (head == 4) {
        to[2] = (char)(len >> 8);
        to[3] = (char)len;
    }
    memcpy(to + head, key, sizeof(key));
    for (size_t i = 0; i < len; i++) {
        to[head + 4 + i] = (char)(text[i] ^ key[i & 3]);
    }
    return head + 4 + len;
}

static void say(struct bench *b, struct zkt_endpoint *e, const char *text)
{
    char frame[FRAME_MAX];
    feed(b, e, frame, make_frame(frame, text, strlen(text)));
    if (strstr(b->reply, "\"error\"") != NULL) {
        fail(b->reply);
    }
}

static struct zkt_endpoint *connect_peer(struct bench *b)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct zkt_endpoint *e = zkt_server_accept(b->server, "x", NULL);
    if (e == NULL) {
        fail("no endpoint");
    }
    b->peers[b->peer_count++] = e;
    feed(b, e, request, sizeof(request) - 1);
    return e;
}

static const char *call_text(const char *actor, const char *method,
                             const char *input)
{
    static char text[FRAME_MAX];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"rpc_1234\",\"actor\":\"%s\","
             "\"actorId\":\"instance-1\",\"method\":\"%s\",\"input\":%s}",
             actor, method, input);
    return text;
}

/* Sets the message of the first peer to @text. */
static void load(struct bench *b, const char *text)
{
    b->frame_len = make_frame(b->frame, text, strlen(text));
}

static void send_once(struct bench *b)
{
    feed(b, b->peers[0], b->frame, b->frame_len);
}

/* ---- the work ---- */

#define INCREMENT call_text("counter", "increment", "{\"by\":1}")
#define APPEND    call_text("store", "append", "{\"text\":\"one more line\"}")
#define SUBSCRIBE(actor)                                                       \
    "{\"type\":\"state:sub\",\"actor\":\"" actor                               \
    "\",\"actorId\":\"instance-1\"}"

static const char *text_call(void)
{
    static char input[4096 + 16];
    strcpy(input, "{\"text\":\"");
    memset(input + 9, 'x', 4096);
    strcpy(input + 9 + 4096, "\"}");
    return call_text("store", "save", input);
}

static void prepare_call(struct bench *b)
{
    load(b, INCREMENT);
    send_once(b);
    if (strstr(b->reply, "\"result\":1}") == NULL) {
        fail(b->reply);
    }
}

static void prepare_text(struct bench *b)
{
    load(b, text_call());
    send_once(b);
    if (strstr(b->reply, "\"result\":4096}") == NULL) {
        fail(b->reply);
    }
}

static void prepare_append(struct bench *b)
{
    for (int i = 0; i < BENCH_CAPPED; i++) {
        say(b, b->peers[0], APPEND);
    }
    load(b, APPEND);
}

static void prepare_watched(struct bench *b)
{
    prepare_append(b);
    say(b, connect_peer(b), SUBSCRIBE("store"));
}

static void prepare_fanout(struct bench *b)
{
    prepare_call(b);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        say(b, connect_peer(b), SUBSCRIBE("counter"));
    }
}

/* Makes eight calls in a turn: one write for each subscriber. */
static void send_eight(struct bench *b)
{
    for (int i = 0; i < 8; i++) {
        char copy[FRAME_MAX];
        memcpy(copy, b->frame, b->frame_len);
        zkt_endpoint_feed(b->peers[0], copy, b->frame_len);
    }
    end_turn(b);
}

static void prepare_snapshot(struct bench *b)
{
    say(b, b->peers[0], call_text("store", "fill", "{\"count\":65000}"));
    load(b, SUBSCRIBE("store"));
    b->bytes = 0;
    send_once(b);
    if (b->bytes < 6000000) {
        fail("the snapshot is small");
    }
}

/* The same, with a server that keeps the snapshot. */
static void prepare_cached(struct bench *b)
{
    prepare_snapshot(b);
}

static void send_snapshot(struct bench *b)
{
    say(b, b->peers[0],
        "{\"type\":\"state:unsub\",\"actor\":\"store\",\"actorId\":"
        "\"instance-1\"}");
    send_once(b);
}

static void prepare_scores(struct bench *b)
{
    say(b, connect_peer(b), SUBSCRIBE("store"));
    load(b, call_text("store", "score", "{\"from\":0,\"count\":1000}"));
    send_once(b);
}

/* The message of short-lived connections. */
static void prepare_churn(struct bench *b)
{
    load(b, INCREMENT);
}

/* Connects, calls once, and closes. */
static void come_and_go(struct bench *b)
{
    struct zkt_endpoint *e = connect_peer(b);
    b->peer_count--;
    feed(b, e, b->frame, b->frame_len);
    zkt_endpoint_detach(e);
    end_turn(b);
}

/* ---- metrics ---- */

enum {
    BURST = 5000
};

static void call_often(struct bench *b)
{
    for (int i = 0; i < BURST; i++) {
        send_once(b);
    }
}

static void discard(void *user, const char *text, size_t len)
{
    struct bench *b = user;
    (void)text;
    b->bytes += len;
}

/* The same, with a scrape, which a server has every 15 seconds or so. */
static void call_and_scrape(struct bench *b)
{
    const size_t before = b->bytes;
    call_often(b);
    if (zkt_server_metrics(b->server, discard, b) != ZKT_OK ||
        b->bytes < before + 1000) {
        fail("no metrics");
    }
}

/* ---- decoding alone ---- */

static void read_text(struct bench *b, const char *text, size_t len,
                      const struct zkt_type *type)
{
    struct zkt_reader reader;
    struct zkt_issues issues;
    struct zkt_envelope message;
    char *copy = zkt__arena_alloc(&b->arena, len + ZKT_PADDING);
    void *input = zkt__arena_alloc(&b->arena, type->size);
    if (copy == NULL || input == NULL) {
        fail("no memory");
    }
    memcpy(copy, text, len);
    memset(copy + len, 0, ZKT_PADDING);
    zkt__issues_init(&issues, &b->arena, NULL);
    zkt__reader_init(&reader, copy, len, &b->arena, NULL, NULL);
    if (!zkt__envelope_read(&message, &reader)) {
        fail("not read");
    }
    zkt__reader_init(&reader, (char *)(uintptr_t)message.input.data,
                     message.input.len, &b->arena, &issues, NULL);
    reader.plain = message.plain;
    if (!type->decode(&reader, type, input)) {
        fail("not decoded");
    }
    zkt__arena_reset(&b->arena);
}

static void prepare_reading(struct bench *b)
{
    zkt__arena_init(&b->arena, &zkt__allocator_default);
}

static void read_call(struct bench *b)
{
    static char text[FRAME_MAX];
    static size_t len; /* as in a frame's head */
    if (len == 0) {
        strcpy(text, INCREMENT);
        len = strlen(text);
    }
    read_text(b, text, len, &bench_counter_increment_input_type_);
}

static void read_4k(struct bench *b)
{
    static char text[FRAME_MAX];
    static size_t len;
    if (len == 0) {
        strcpy(text, text_call());
        len = strlen(text);
    }
    read_text(b, text, len, &bench_store_save_input_type_);
}

/* A hundred numbers of sixteen or seventeen digits, as drawings have them. */
static void write_reals(struct bench *b)
{
    struct zkt_writer w;
    zkt__writer_init(&w, &zkt__allocator_default);
    for (int i = 1; i <= 100; i++) {
        zkt_write_float64(&w, 1000.0 * i / 7);
        ZKT_WRITE(&w, " ");
    }
    if (w.failed || w.len >= sizeof(b->frame) - ZKT_PADDING) {
        fail("not written");
    }
    memcpy(b->frame, w.data, w.len);
    memset(b->frame + w.len, 0, ZKT_PADDING);
    b->frame_len = w.len;
    zkt__writer_finish(&w);
}

static void prepare_reals(struct bench *b)
{
    prepare_reading(b);
    write_reals(b);
}

static void read_reals(struct bench *b)
{
    struct zkt_reader reader;
    struct zkt_issues issues;
    double value;
    zkt__issues_init(&issues, &b->arena, NULL);
    zkt__reader_init(&reader, b->frame, b->frame_len, &b->arena, &issues, NULL);
    for (int i = 1; i <= 100; i++) {
        if (!zkt_decode_float64(&reader, &zkt_type_float64, &value) ||
            value != 1000.0 * i / 7) {
            fail("not read");
        }
    }
}

/* ---- the program ---- */

enum {
    BATCH = 100
};

static void count_done(void (*done)(void), const struct zkt_reply *reply,
                       const void *result, void *user)
{
    int *count = user;
    (void)done;
    (void)result;
    *count += reply->status == ZKT_OK;
}

static enum zkt_status count_run(struct zkt_call *call, void (*fn)(void),
                                 void *user)
{
    int *count = user;
    (void)fn;
    *count += !zkt_cancelled(call);
    return ZKT_OK;
}

static void prepare_nothing(struct bench *b)
{
    (void)b;
}

static void check_batch(struct bench *b, int begun, const int *count)
{
    end_turn(b);
    if (begun != BATCH || *count != BATCH) {
        fail("not all calls of the program were made");
    }
}

static void invoke_batch(struct bench *b)
{
    const struct bench_counter_increment_input input = { 1 };
    int begun = 0;
    int count = 0;
    for (int i = 0; i < BATCH; i++) {
        begun += zkt_server_invoke(
                     b->server, 0, 0, ZKT_STR("main"), NULL, &input, count_done,
                     (void (*)(void))count_done, &count) == ZKT_OK;
    }
    check_batch(b, begun, &count);
}

static void run_batch(struct bench *b)
{
    int begun = 0;
    int count = 0;
    for (int i = 0; i < BATCH; i++) {
        begun += zkt_server_run(b->server, 0, ZKT_STR("main"), count_run,
                                (void (*)(void))count_run, &count) == ZKT_OK;
    }
    check_batch(b, begun, &count);
}

/* ---- calls between instances ---- */

static enum zkt_status tell_fifty(struct zkt_call *call, void (*fn)(void),
                                  void *user)
{
    const struct bench_counter_increment_input input = { 1 };
    (void)fn;
    (void)user;
    for (int i = 0; i < BATCH / 2; i++) {
        zkt_call_tell(call, 0, 0, ZKT_STR("other"), NULL, &input);
    }
    return ZKT_OK;
}

static void tell_batch(struct bench *b)
{
    int begun = 0;
    for (int i = 0; i < 2; i++) {
        begun += zkt_server_run(b->server, 0, ZKT_STR("main"), tell_fifty,
                                (void (*)(void))tell_fifty, NULL) == ZKT_OK;
    }
    end_turn(b);
    end_turn(b);
    if (begun != 2) {
        fail("a counter has told nobody");
    }
}

static void ask_batch(struct bench *b)
{
    const struct bench_counter_ask_input input = { BATCH / 2 };
    int begun = 0;
    bench_replies = 0;
    for (int i = 0; i < 2; i++) {
        begun += zkt_server_invoke(b->server, 0, 1, ZKT_STR("main"), NULL,
                                   &input, NULL, NULL, NULL) == ZKT_OK;
    }
    end_turn(b);
    end_turn(b);
    if (begun != 2 || bench_replies != BATCH) {
        fail("not all counters have answered");
    }
}

/* ---- measuring ---- */

static const struct work {
    const char *name;
    void (*prepare)(struct bench *b);
    void (*once)(struct bench *b);
    long count;
    const char *what;
} works[] = {
    { "call", prepare_call, send_once, 50000, "a call of 109 bytes" },
    { "text", prepare_text, send_once, 50000, "a call with a text of 4 KiB" },
    { "append", prepare_append, send_once, 50000,
      "an append to a list capped at 100" },
    { "watched", prepare_watched, send_once, 20000,
      "the same with one subscriber" },
    { "fanout", prepare_fanout, send_once, 100,
      "a change for 1000 subscribers" },
    { "fanout8", prepare_fanout, send_eight, 20,
      "eight changes of a turn for 1000 subscribers" },
    { "snapshot", prepare_snapshot, send_snapshot, 5, "a snapshot of 6.7 MB" },
    { "cached", prepare_cached, send_snapshot, 5, "the same from the cache" },
    { "scores", prepare_scores, send_once, 50,
      "1000 keys of a map put in one call" },
    { "churn", prepare_churn, come_and_go, 10000,
      "connect, call, close, and the instance with it" },
    { "burst", prepare_call, call_often, 5, "5000 calls" },
    { "scraped", prepare_call, call_and_scrape, 5,
      "5000 calls and the text of metrics, with --metrics" },
    { "invoke", prepare_nothing, invoke_batch, 1000,
      "100 methods that the program invokes, in a turn" },
    { "run", prepare_nothing, run_batch, 1000,
      "100 functions that the program runs in an instance" },
    { "tell", prepare_nothing, tell_batch, 1000,
      "100 tells of an instance, in two turns" },
    { "ask", prepare_nothing, ask_batch, 1000,
      "100 asks of an instance and their replies" },
    { "read", prepare_reading, read_call, 100000,
      "reading a call of 109 bytes" },
    { "read4k", prepare_reading, read_4k, 100000,
      "reading a call with a text of 4 KiB" },
    { "readreals", prepare_reals, read_reals, 1000,
      "reading a hundred numbers of 17 digits" },
    { "reals", prepare_reals, write_reals, 1000,
      "printing a hundred numbers of 17 digits" },
};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bool measures; /* with metrics */

static void begin(struct bench *b, const struct work *work)
{
    const struct zkt_serve_options options = {
        .metrics = measures,
        .limits = { .output_high = 1 << 28,
                    .output_hard = 1 << 28,
                    /* No cache, or the default. */
                    .cache_bytes = work->prepare == prepare_snapshot },
    };
    memset(b, 0, sizeof(*b));
    if (zkt_server_new(bench_app(&bench_all), &options, &b->server) != ZKT_OK) {
        fail("no server");
    }
    if (has_clock) {
        zkt__server_core(b->server)->ticks = ticks;
    }
    connect_peer(b);
    work->prepare(b);
}

static void finish(struct bench *b)
{
    zkt_server_free(b->server);
    if (b->arena.allocator != NULL) {
        zkt__arena_finish(&b->arena);
    }
}

static void do_work(struct bench *b, const struct work *work, long count)
{
    for (long i = 0; i < count; i++) {
        work->once(b);
    }
    if (strstr(b->reply, "\"error\"") != NULL) {
        fail(b->reply);
    }
}

static void measure(struct bench *b, const struct work *work)
{
    double best = 0;
    begin(b, work);
    for (int i = 0; i < ROUNDS; i++) {
        const double before = cpu_ns();
        do_work(b, work, work->count);
        const double took = (cpu_ns() - before) / (double)work->count;
        best = i == 0 || took < best ? took : best;
    }
    finish(b);
    printf("%-10s %12.0f ns   %s\n", work->name, best, work->what);
}

/* A driver looks for the clock, which takes a while: @counts takes the one of
 * most machines, so that the instructions are the same each time. */
static void set_ticks(bool counts)
{
    if (counts) {
        ticks.cpu_scale = UINT64_C(1) << 30;
    } else {
        zkt__ticks_find(&ticks);
    }
}

int main(int argc, char **argv)
{
    static struct bench b;
    const size_t count = sizeof(works) / sizeof(works[0]);
    measures = argc > 1 && strcmp(argv[1], "--metrics") == 0;
    has_clock = measures || (argc > 1 && strcmp(argv[1], "--clock") == 0);
    set_ticks(argc > 1 + has_clock);
    argc -= has_clock;
    argv += has_clock;
    for (size_t i = 0; i < count; i++) {
        if (argc < 2) {
            if (measures || works[i].once != call_and_scrape) {
                measure(&b, &works[i]);
            }
        } else if (strcmp(works[i].name, argv[1]) == 0) {
            begin(&b, &works[i]);
            do_work(&b, &works[i], argc > 2 ? atol(argv[2]) : 1);
            finish(&b);
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
