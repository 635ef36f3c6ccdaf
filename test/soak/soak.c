/*
 * A server under mixed load for a given time: connections that call, subscribe,
 * leave, are reset in the middle of a frame, stop reading, or break the
 * protocol; the library's clients, which reconnect; instances that come and go
 * and call each other; deferred calls, streams, and calls that are cancelled or
 * late; timers; fields for some. Everything is checked on the way.
 *
 *   soak [--rounds N | --minutes N | --hours N] [--seed N] SERVER [ARGUMENT…]
 *
 * Load comes in rounds of a fixed number of steps. After each, all clients
 * leave; when the server is as empty as before the first round, its resources
 * are sampled, and at the end samples.c checks that they have not grown. Time
 * decides only the number of rounds. Last, the server is told to stop amid
 * load, and must end properly, with no memory left (server.c). A soak without a
 * 1013, an eviction, a sub:error or the shutdown is a failure; so is a soak
 * that lacks any of the others (check_it_was_all_there).
 */
#include "soak.h"

#include <fcntl.h>
#include <stdarg.h>
#include <time.h>

#include "clients.h"
#include "net/tls.h"
#include "peer.h"
#include "samples.h"
#ifdef HAS_TLS
#include "zocket/tls.h"
#endif

enum {
    STEPS = 1500, /* of a round */
    PROGRESS_MS = 10000,
    ROUNDS = 15, /* unless a time is given */
    ARGUMENTS_MAX = 48
};

struct soak soak;

struct wishes {
    long rounds;
    uint64_t milliseconds; /* 0: `rounds` counts */
    uint64_t seed;
    char *arguments[ARGUMENTS_MAX];
};

/* ---- shared parts ---- */

void soak_fail(const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "soak: round %ld, step %ld: ", soak.round, soak.step);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (%s)\n", soak.about);
    program_kill(&soak.server);
    _exit(1);
}

uint32_t below(uint32_t n)
{
    soak.random = soak.random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((soak.random >> 32) * n) >> 32);
}

static void on_impatience(uv_timer_t *timer)
{
    soak_fail("waited too long for %s", (const char *)timer->data);
}

void soak_await(bool (*done)(void *user), void *user, const char *what)
{
    if (done(user)) {
        return;
    }
    soak.patience.data = (void *)(uintptr_t)what;
    uv_timer_start(&soak.patience, on_impatience, PATIENCE_MS, 0);
    while (!done(user)) {
        (void)uv_run(&soak.loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&soak.patience);
}

static bool has_room(void *user)
{
    (void)user;
    return soak.in_flight < IN_FLIGHT_MAX;
}

void soak_make_room(void)
{
    soak_await(has_room, NULL, "answers to calls");
}

const char *place_actor(int place)
{
    return place_is_ledger(place)   ? "ledger"
           : place_is_room(place)   ? "room"
           : place_is_studio(place) ? "studio"
           : place == PASSING       ? "plain"
                                    : "hose";
}

void place_id(int place, char id[32])
{
    static unsigned long passing;
    if (place == PASSING) {
        snprintf(id, 32, "passing %lu", ++passing);
    } else {
        snprintf(id, 32, "%d of round %ld", place, soak.round);
    }
}

int place_find(struct zkt_str id)
{
    int place = -1;
    long round = -1;
    return sscanf(id.data, "%d of round %ld", &place, &round) == 2 &&
                   place >= 0 && place < PASSING && round == soak.round
               ? place
               : -1;
}

/* ---- the server ---- */

/* Passes the server's output on to standard error, so that the server never
 * waits for it. */
struct echo {
    uv_pipe_t pipe;
    char bytes[4096];
    bool ended;
};

static struct echo echo;

static void give_bytes(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct echo *e = handle->data;
    (void)size;
    *buffer = uv_buf_init(e->bytes, sizeof(e->bytes));
}

static void on_said(uv_stream_t *stream, ssize_t len, const uv_buf_t *bytes)
{
    if (len > 0) {
        fwrite(bytes->base, 1, (size_t)len, stderr);
    } else if (len < 0) {
        echo.ended = true;
        uv_close((uv_handle_t *)stream, NULL);
    }
}

/* Clients and peers use TLS if the server has it. */
static void prepare_tls(void)
{
#ifdef HAS_TLS
    if (strncmp(soak.server.url, "wss://", 6) == 0) {
        soak.tls = zkt_tls_client(
            &(struct zkt_tls_client_options){ .ca = getenv("ZOCKET_TEST_CA") });
        SOAK_CHECK(soak.tls->ops->load(soak.tls, NULL, NULL) == 1,
                   "no authority: test/tls/with runs the soak with one");
    }
#endif
}

static void start_server(char **arguments)
{
    SOAK_CHECK(program_start(&soak.server, arguments, "0"),
               "the server does not start");
    prepare_tls();
    echo.pipe.data = &echo;
    SOAK_CHECK(
        uv_pipe_init(&soak.loop, &echo.pipe, 0) == 0 &&
            uv_pipe_open(&echo.pipe, dup(fileno(soak.server.lines))) == 0 &&
            uv_read_start((uv_stream_t *)&echo.pipe, give_bytes, on_said) == 0,
        "cannot read the output of the server");
}

static bool has_ended(void *user)
{
    return ((const struct echo *)user)->ended;
}

/* Stops the server while calls are under way; it must end properly. */
static void stop_server(void)
{
    int status = 0;
    soak.stopping = true;
    soak.round++;
    soak.step = 0;
    peers_crowd();
    SOAK_CHECK(kill(soak.server.pid, SIGTERM) == 0, "cannot stop the server");
    soak_await(peers_are_away, NULL, "the end of all connections");
    meter_close();
    soak_await(has_ended, &echo, "the end of the server");
    SOAK_CHECK(waitpid(soak.server.pid, &status, 0) == soak.server.pid,
               "the server is lost");
    soak.server.pid = 0;
    SOAK_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
               "the server ends with status %d", status);
    fclose(soak.server.lines);
}

/* ---- rounds ---- */

static void on_pause(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static bool is_set(void *user)
{
    return *(bool *)user;
}

/* Gives pending closes a moment; its length does not matter. */
static void pause_a_moment(void)
{
    static uv_timer_t timer;
    bool over = false;
    (void)uv_timer_init(&soak.loop, &timer);
    timer.data = &over;
    uv_timer_start(&timer, on_pause, 5, 0);
    soak_await(is_set, &over, "a moment");
}

static bool is_empty(const struct soak_counts *c)
{
    return c->connections == 1 && c->instances == 1 && c->deferred == 0 &&
           c->queued == 0 && c->activations == c->deactivations &&
           c->arrivals == c->departures && c->deferrals == c->halves &&
           c->told == c->heard && c->scheduled == c->fired && c->timers == 0;
}

/* All clients have left: waits until the server has only the meter's
 * connection. */
static void empty_server(struct soak_counts *counts)
{
    const uint64_t begun = uv_now(&soak.loop);
    meter_read(counts);
    while (!is_empty(counts)) {
        SOAK_CHECK(uv_now(&soak.loop) - begun < PATIENCE_MS,
                   "not empty: %" PRIu64 " connections, %" PRIu64
                   " instances, %" PRIu64 " deferred, %" PRIu64
                   " queued; began %" PRIu64 ", ended %" PRIu64
                   "; came %" PRIu64 ", left %" PRIu64 "; deferred %" PRIu64
                   ", finished %" PRIu64 "; told %" PRIu64 ", heard %" PRIu64
                   "; scheduled %" PRIu64 ", fired %" PRIu64 ", %" PRIu64
                   " timers",
                   counts->connections, counts->instances, counts->deferred,
                   counts->queued, counts->activations, counts->deactivations,
                   counts->arrivals, counts->departures, counts->deferrals,
                   counts->halves, counts->told, counts->heard,
                   counts->scheduled, counts->fired, counts->timers);
        pause_a_moment();
        meter_read(counts);
    }
    SOAK_CHECK(counts->hook_failures == 0 && counts->complaints == 0 &&
                   counts->overflows == soak.closes[1013],
               "%" PRIu64 " hooks failed, %" PRIu64 " complaints, %" PRIu64
               " overflows, %" PRIu64 " of them meant",
               counts->hook_failures, counts->complaints, counts->overflows,
               soak.closes[1013]);
    SOAK_CHECK(counts->broken_tls <= soak.broken_tls,
               "%" PRIu64 " connections break TLS, %" PRIu64 " of them meant",
               counts->broken_tls, soak.broken_tls);
}

/* Waits until studios change no more by themselves. */
static void rest_studios(struct soak_counts *counts)
{
    const uint64_t begun = uv_now(&soak.loop);
    meter_read(counts);
    while (counts->told != counts->heard ||
           counts->scheduled != counts->fired) {
        SOAK_CHECK(uv_now(&soak.loop) - begun < PATIENCE_MS,
                   "told %" PRIu64 ", heard %" PRIu64 "; scheduled %" PRIu64
                   ", fired %" PRIu64,
                   counts->told, counts->heard, counts->scheduled,
                   counts->fired);
        pause_a_moment();
        meter_read(counts);
    }
}

static void run_round(struct soak_counts *counts)
{
    soak.round++;
    memset(soak.added, 0, sizeof(soak.added));
    memset(soak.doubtful, 0, sizeof(soak.doubtful));
    clients_open();
    for (soak.step = 1; soak.step <= STEPS; soak.step++) {
        if (once_in(6)) {
            clients_act();
        } else {
            peers_act();
        }
        (void)uv_run(&soak.loop, UV_RUN_NOWAIT);
    }
    peers_settle();
    clients_settle();
    rest_studios(counts);
    peers_compare();
    clients_compare();
    SOAK_CHECK(soak.in_flight == 0, "%d calls are lost", soak.in_flight);
    peers_leave();
    clients_close();
    empty_server(counts);
    samples_take(counts);
}

static void say_progress(uint64_t since)
{
    static uint64_t said;
    const uint64_t now = uv_now(&soak.loop);
    if (soak.round == 1 || now - said >= PROGRESS_MS) {
        const struct sample last = samples_last();
        printf("soak: %5" PRIu64 " s, %5ld rounds, %9" PRIu64
               " calls, %9" PRIu64 " patches, resident %" PRIu64
               " KiB, %" PRIu64 " descriptors, %" PRIu64 " blocks of %" PRIu64
               " bytes\n",
               (now - since) / 1000, soak.round, soak.calls, soak.patches,
               last.resident / 1024, last.descriptors, last.blocks, last.bytes);
        fflush(stdout);
        said = now;
    }
}

static void say_summary(const struct soak_counts *c)
{
    printf(
        "soak: %" PRIu64 " calls answered, %" PRIu64
        " states compared, %" PRIu64 " patches, %" PRIu64 " snapshots, %" PRIu64
        " of them for slow readers, %" PRIu64 " events, %" PRIu64
        " resets, %" PRIu64 " clients found back, %" PRIu64
        " refused as their room ended, %" PRIu64
        " of them by sub:error, %" PRIu64 " pings, %" PRIu64
        " bad messages, %" PRIu64 " chunks, %" PRIu64
        " reports of progress, %" PRIu64 " cancelled, %" PRIu64
        " late, %" PRIu64 " words seen, %" PRIu64 " broke TLS; closed with",
        soak.calls, soak.compared, soak.patches, soak.snapshots, soak.collapses,
        soak.events, soak.resets, soak.drops, soak.ended, soak.sub_errors,
        soak.pings, soak.bad_messages, soak.chunks, soak.progress,
        soak.cancelled, soak.late, soak.words, soak.broken_tls);
    for (int code = 1000; code < 1016; code++) {
        if (soak.closes[code] > 0) {
            printf(" %d: %" PRIu64, code, soak.closes[code]);
        }
    }
    printf("\nsoak: the server: %" PRIu64 " calls, %" PRIu64
           " commits, %" PRIu64 " patches, %" PRIu64 " events, %" PRIu64
           " instances, %" PRIu64 " evicted, %" PRIu64
           " calls finished later, %" PRIu64 " bad messages, %" PRIu64
           " told, %" PRIu64 " timers, %" PRIu64 " ticks, %" PRIu64
           " waits for readers\n",
           c->calls, c->commits, c->patches, c->events, c->activations,
           c->evictions, c->deferrals, c->errors, c->heard, c->fired, c->beats,
           c->waits);
}

/* A soak that has not caused all of these is worthless. */
static void check_it_was_all_there(const struct soak_counts *counts)
{
    SOAK_CHECK(soak.compared > 0 && soak.collapses > 0 && soak.drops > 0 &&
                   soak.ended > 0 && soak.events > 0 && soak.resets > 0 &&
                   soak.bad_messages > 0 && soak.closes[1000] > 0 &&
                   soak.closes[1013] > 0 && soak.closes[1001] > 0 &&
                   soak.sub_errors > 0 && counts->evictions > 0 &&
                   soak.chunks > 0 && soak.progress > 0 && soak.cancelled > 0 &&
                   soak.late > 0 && soak.words > 0 && counts->heard > 0 &&
                   counts->fired > 0 && counts->beats > 0 &&
                   counts->waits > 0 &&
                   (soak.tls == NULL || counts->broken_tls > 0),
               "the soak has not covered everything");
}

static void run(const struct wishes *wishes)
{
    struct soak_counts counts = { 0 };
    uv_update_time(&soak.loop);
    const uint64_t begun = uv_now(&soak.loop);
    meter_open();
    while (soak.round < wishes->rounds ||
           uv_now(&soak.loop) - begun < wishes->milliseconds) {
        run_round(&counts);
        say_progress(begun);
    }
    samples_judge();
    stop_server();
    say_summary(&counts);
    check_it_was_all_there(&counts);
    printf("soak: good, %ld rounds in %" PRIu64 " s\n", soak.round,
           (uv_now(&soak.loop) - begun) / 1000);
}

/* ---- arguments ---- */

static _Noreturn void explain(void)
{
    fprintf(stderr, "usage: soak [--rounds N | --minutes N | --hours N] "
                    "[--seed N] SERVER [ARGUMENT...]\n");
    exit(2);
}

/* No check here depends on time, so no time limit of the server may be reached
 * either. */
static void read_arguments(struct wishes *w, int argc, char **argv)
{
    static char *const always[] = {
        "--idle-ms",        "20",     "--ping-after-ms",   "500",
        "--pong-within-ms", "600000", "--output-stuck-ms", "600000",
        "--output-high",    "65536",  "--handshake-ms",    "600000",
        "--close-ms",       "600000", "--handler-ms",      "600000",
        "--drain-ms",       "600000", "--output-hard",     "65536",
        "--output-hard-ms", "600000",
    };
    int i = 1, n = 0;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const long value = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            w->seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--rounds") == 0 && value > 0) {
            w->rounds = value;
        } else if (strcmp(argv[i], "--minutes") == 0 && value > 0) {
            w->milliseconds = (uint64_t)value * 60000;
        } else if (strcmp(argv[i], "--hours") == 0 && value > 0) {
            w->milliseconds = (uint64_t)value * 3600000;
        } else {
            explain();
        }
    }
    if (i >= argc || argc - i > 20) {
        explain();
    }
    w->arguments[n++] = argv[i++];
    for (size_t k = 0; k < sizeof(always) / sizeof(always[0]); k++) {
        w->arguments[n++] = always[k];
    }
    while (i < argc) {
        w->arguments[n++] = argv[i++];
    }
}

int main(int argc, char **argv)
{
    struct wishes wishes = { .rounds = ROUNDS, .seed = 1 };
    read_arguments(&wishes, argc, argv);
    soak.random = wishes.seed;
    (void)below(1);
    SOAK_CHECK(uv_loop_init(&soak.loop) == 0 &&
                   uv_timer_init(&soak.loop, &soak.patience) == 0,
               "no loop");
    start_server(wishes.arguments);
    run(&wishes);
    for (int i = 0; i < PEERS; i++) {
        peer_finish(&peers[i]);
    }
    samples_finish();
    uv_close((uv_handle_t *)&soak.patience, NULL);
    (void)uv_run(&soak.loop, UV_RUN_DEFAULT);
#ifdef HAS_TLS
    zkt_tls_free(soak.tls);
#endif
    return 0;
}
