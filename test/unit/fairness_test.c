/*
 * Greedy connections beside polite ones. Fifty polite connections make a call
 * at a time; a greedy connection sends as much as a server reads, never reads,
 * or never finishes a message. Time is counted in turns of the server, and a
 * turn in work units: each polite call is answered within ten times the turns
 * that it takes without greedy connections, and memory stays within the limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "shard/group.h"
#include "slow.h"
#include "zocket/embed.h"

enum {
    KIB = 1024,
    POLITE = 50,
    GREEDY_MAX = 12,
    SHARDS_MAX = 3,
    TURNS = 150,
    TURN_WORK = 400000,
    INSTANCES = 32, /* that a greedy connection touches */
    ROOM = 128 * KIB
};

/* A tenth of the default for a turn and for the channel to another shard; ROOM
 * bytes of each kind for a whole shard. */
static const struct zkt_limits limits = {
    .turn_work = TURN_WORK,
    .channel_messages = 400,
    .gathered_bytes = ROOM,
    .mailbox_bytes = ROOM,
    .channel_bytes = ROOM,
    .deferred_bytes = ROOM,
    .snapshot_bytes = ROOM,
    .cache_bytes = ROOM,
    .output_high = 32 * KIB,
    .output_hard = 64 * KIB,
    .read_per_turn = 32 * KIB,
    .links = 2 * INSTANCES,
    .subscriptions = 2 * INSTANCES,
    .ping_after_ms = INT32_MAX,
};

/* ---- an allocator that counts bytes ---- */

static size_t used, peak;

static void *get(void *user, size_t size)
{
    size_t *block = malloc(size + 16);
    (void)user;
    if (block == NULL) {
        return NULL;
    }
    block[0] = size;
    used += size;
    peak = used > peak ? used : peak;
    return block + 2;
}

static void release(void *user, void *block)
{
    (void)user;
    if (block != NULL) {
        used -= ((size_t *)block)[-2];
        free((size_t *)block - 2);
    }
}

static void *resize(void *user, void *block, size_t size)
{
    void *grown = get(user, size);
    if (grown != NULL && block != NULL) {
        const size_t before = ((size_t *)block)[-2];
        memcpy(grown, block, before < size ? before : size);
        release(user, block);
    }
    return grown;
}

static const struct zkt_allocator counting = { get, resize, release, NULL };

/* ---- connections ---- */

struct peer {
    struct wire wire;
    uint32_t shard;
    bool takes;  /* reads its input */
    char *bytes; /* its output, repeated */
    size_t len, at;
    size_t again; /* the offset from which the output is repeated */
};

struct polite {
    struct wire wire;
    uint32_t shard;
    int began; /* the turn of the call that is under way */
    bool waits;
    int calls;
};

static struct {
    struct zkt_server *server;
    uint32_t shards;
    struct polite polite[POLITE];
    struct peer greedy[GREEDY_MAX];
    int greedy_count;
    int turn;
    int slowest;               /* turns that a polite call took */
    uint64_t done[SHARDS_MAX]; /* what a shard has handled, before this turn */
} site;

static struct zkt_server *shard_of(uint32_t i)
{
    return site.server->shards->all[i % site.shards];
}

static struct wire open_quietly(uint32_t shard)
{
    struct wire w = { .e = zkt__server_accept(shard_of(shard), "test") };
    char hello[sizeof(request)];
    assert_non_null(w.e);
    memcpy(hello, request, sizeof(request));
    w.e->ops->feed(w.e, (uint8_t *)hello, sizeof(request) - 1);
    return w;
}

static void say_bytes(struct wire *w, const char *bytes, size_t len)
{
    uint8_t copy[32 * KIB];
    assert_true(len <= sizeof(copy));
    memcpy(copy, bytes, len);
    w->e->ops->feed(w->e, copy, len);
}

/* ---- greedy behaviour ---- */

static void add_bytes(struct peer *p, const char *bytes, size_t len)
{
    p->bytes = realloc(p->bytes, p->len + len);
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

static void add_text(struct peer *p, const char *text)
{
    char bytes[4096];
    add_bytes(p, bytes, frame(bytes, text));
}

static void flood_calls(struct peer *p)
{
    p->takes = true;
    add_text(p, ADD("1", "room", "1", ""));
}

/* Subscribes to and unsubscribes from everything, again and again. */
static void flood_subscriptions(struct peer *p)
{
    static const char *const kinds[] = { "state:sub", "event:sub",
                                         "state:unsub", "event:unsub" };
    char text[128];
    p->takes = true;
    for (int i = 0; i < INSTANCES; i++) {
        for (int k = 0; k < 4; k++) {
            snprintf(text, sizeof(text), SUB("%s", "g%d"), kinds[k], i);
            add_text(p, text);
        }
        add_text(p, SUB("state:sub", "room"));
    }
}

static void flood_deferred(struct peer *p)
{
    char text[256];
    p->takes = true;
    for (int i = 0; i < INSTANCES; i++) {
        snprintf(text, sizeof(text), ADD("1", "g%d", "1", "later-dirty"), i);
        add_text(p, text);
    }
}

/* Announces nearly a MiB and sends most of it, but never the end. */
static void hold_half_a_frame(struct peer *p)
{
    static const char head[] = "\x81\xff\0\0\0\0\0\x0f\xff\xff\0\0\0\0";
    char *blank = calloc(900, KIB);
    p->takes = true;
    add_bytes(p, head, sizeof(head) - 1);
    add_bytes(p, blank, 900 * (size_t)KIB);
    free(blank);
    p->again = p->len;
}

/* Subscribes to the room that all polite connections call, and reads
 * nothing. */
static void read_nothing(struct peer *p)
{
    add_text(p, SUB("state:sub", "room"));
    add_text(p, SUB("event:sub", "room"));
    p->again = p->len;
    add_text(p, ADD("1", "room", "1", ""));
}

/* Results of 3 KiB for calls of 3 KiB. */
static void flood_results(struct peer *p)
{
    char text[4000];
    size_t len = (size_t)snprintf(
        text, sizeof(text), "%s",
        "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"job\",\"actorId\":\"room\","
        "\"method\":\"build\",\"input\":{\"more\":{},\"part\":{\"name\":\"x\","
        "\"sizes\":[0");
    while (len < 3000) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",1234567");
    }
    snprintf(text + len, sizeof(text) - len, "]}}}");
    p->takes = true;
    add_text(p, text);
}

typedef void (*greed)(struct peer *p);

static const struct {
    const char *name;
    greed says;
} kinds[] = {
    { "calls", flood_calls },
    { "subscriptions", flood_subscriptions },
    { "deferred calls", flood_deferred },
    { "half frames", hold_half_a_frame },
    { "slow reading", read_nothing },
    { "large results", flood_results },
};

enum {
    KINDS = sizeof(kinds) / sizeof(kinds[0])
};

/* ---- turns ---- */

/* Connects again if the server has closed the connection. */
static void reopen(struct peer *p)
{
    const enum zkt_fate fate = zkt_endpoint_fate(p->wire.e);
    if (fate != ZKT_FATE_OPEN) {
        drain(&p->wire);
        close_wire(&p->wire);
        p->wire = open_quietly(p->shard);
        p->at = 0;
    }
}

/* Sends as much as a server reads from a connection in a turn. */
static void say_more(struct peer *p)
{
    char bytes[32 * KIB];
    size_t len = 0;
    while (len < sizeof(bytes) && p->at < p->len) {
        const size_t left = p->len - p->at;
        const size_t room = sizeof(bytes) - len;
        const size_t n = left < room ? left : room;
        memcpy(bytes + len, p->bytes + p->at, n);
        len += n;
        p->at += n;
        p->at = p->at == p->len ? p->again : p->at;
    }
    if (len > 0) {
        say_bytes(&p->wire, bytes, len);
    } else if (p->len > 0) {
        say_bytes(&p->wire, "", 1); /* one byte of the rest per turn */
    }
}

static void ask_politely(struct polite *p)
{
    char bytes[256];
    if (!p->waits && zkt_endpoint_reading(p->wire.e)) {
        p->began = site.turn;
        p->waits = true;
        say_bytes(&p->wire, bytes, frame(bytes, ADD("7", "room", "1", "")));
    }
}

static void hear_answer(struct polite *p)
{
    drain(&p->wire);
    if (p->waits && holds(p->wire.text, p->wire.len, "\"id\":\"7\",\"res")) {
        const int turns = site.turn - p->began + 1;
        site.slowest = turns > site.slowest ? turns : site.slowest;
        p->waits = false;
        p->calls++;
    }
    p->wire.len = 0;
}

static void everybody_speaks(void)
{
    for (int i = 0; i < site.greedy_count; i++) {
        reopen(&site.greedy[i]);
        if (zkt_endpoint_reading(site.greedy[i].wire.e)) {
            say_more(&site.greedy[i]);
        }
    }
    for (int i = 0; i < POLITE; i++) {
        ask_politely(&site.polite[i]);
    }
}

static void everybody_listens(void)
{
    for (int i = 0; i < site.greedy_count; i++) {
        if (site.greedy[i].takes) {
            drain(&site.greedy[i].wire);
            site.greedy[i].wire.len = 0;
        }
    }
    for (int i = 0; i < POLITE; i++) {
        hear_answer(&site.polite[i]);
    }
}

/* Returns the number of messages taken from the channels of other shards. */
static uint64_t taken_by(const struct zkt_host *host)
{
    uint64_t taken = 0;
    for (uint32_t from = 0; host->group != NULL && from < site.shards; from++) {
        taken += atomic_load(
            &host->group->channels[from * site.shards + host->shard]
                 .taken_messages);
    }
    return taken;
}

/* A turn may exceed its work by the end of a message only, whether the work
 * comes from connections or from other shards. */
static void check_work(uint32_t shard)
{
    const struct zkt_host *host = &shard_of(shard)->host;
    const uint64_t done = host->stats.messages_in + host->stats.calls +
                          taken_by(host);
    assert_true((done - site.done[shard]) * 1000 <= 2 * TURN_WORK);
    site.done[shard] = done;
}

/* Deferred calls are finished in the end. */
static void finish_held(void)
{
    static struct ran ran;
    while (held_count > HELD_MAX / 2) {
        resume(--held_count, &ran);
    }
}

/* A single turn, a millisecond later; zkt_server_advance runs as many as there
 * is work for. */
static void run_turn(struct zkt_server *server)
{
    server->core.now_ms++;
    server->core.wall_ms++;
    server->core.heard_ms = ZKT_NEVER;
    server->core.ops->tick(&server->core);
}

static void take_turn(void)
{
    everybody_speaks();
    finish_held();
    for (uint32_t i = 0; i < site.shards; i++) {
        run_turn(shard_of(i));
        check_work(i);
    }
    everybody_listens();
    trace[0] = '\0';
    site.turn++;
}

/* ---- a site ---- */

/* The room is on the first shard, the first greedy connection on the last. */
static void open_site(uint32_t shards)
{
    memset(&site, 0, sizeof(site));
    site.shards = shards;
    used = peak = 0;
    site.server = new_slow_shards(&limits, &counting, shards);
    zkt__server_run_shards(site.server, shards);
    for (uint32_t i = 0; i < POLITE; i++) {
        site.polite[i].shard = i % shards;
        site.polite[i].wire = open_quietly(i % shards);
        run_turn(shard_of(i));
        hear_answer(&site.polite[i]);
    }
    for (uint32_t i = 0; i < shards; i++) {
        check_work(i);
    }
}

static void add_greedy(greed says)
{
    struct peer *p = &site.greedy[site.greedy_count];
    p->shard = site.shards - (uint32_t)site.greedy_count % site.shards - 1;
    p->wire = open_quietly(p->shard);
    says(p);
    site.greedy_count++;
}

static void close_site(void)
{
    for (int i = 0; i < POLITE; i++) {
        close_wire(&site.polite[i].wire);
    }
    for (int i = 0; i < site.greedy_count; i++) {
        close_wire(&site.greedy[i].wire);
        free(site.greedy[i].bytes);
    }
    zkt_server_free(site.server);
    while (held_count > 0) { /* the server does not resume them */
        static struct ran ran;
        resume(--held_count, &ran);
    }
    assert_int_equal(used, 0);
}

static int fewest_calls(void)
{
    int fewest = INT32_MAX;
    for (int i = 0; i < POLITE; i++) {
        fewest = site.polite[i].calls < fewest ? site.polite[i].calls : fewest;
    }
    return fewest;
}

/* Measures turns and memory of polite calls without greedy connections. */
static struct alone {
    int turns;
    size_t memory;
} measure_alone(uint32_t shards)
{
    open_site(shards);
    for (int i = 0; i < TURNS; i++) {
        take_turn();
    }
    const struct alone alone = { site.slowest, peak };
    close_site();
    return alone;
}

/* Returns the memory that the limits allow: for all, for each shard, and for
 * each greedy connection. */
static size_t allowed(uint32_t shards)
{
    const size_t of_all = 6 * ROOM * shards * shards;
    const size_t of_one = ZKT_UNHANDLED_READS * (size_t)limits.read_per_turn +
                          ZKT_OVERSIZE_FACTOR * (size_t)limits.output_hard +
                          INSTANCES * (size_t)4 * KIB;
    return of_all + of_one * (size_t)site.greedy_count;
}

static void run_beside(uint32_t shards, const struct alone *alone,
                       const char *name)
{
    for (int i = 0; i < TURNS; i++) {
        take_turn();
    }
    print_message("# %u shard(s), %d with %s: %d turns, alone %d; "
                  "%d calls at least; %zu KiB, alone %zu, allowed %zu\n",
                  shards, site.greedy_count, name, site.slowest, alone->turns,
                  fewest_calls(), peak / KIB, alone->memory / KIB,
                  allowed(shards) / KIB);
    assert_true(site.slowest <= 10 * alone->turns);
    assert_true(fewest_calls() >= TURNS / (10 * alone->turns));
    assert_true(peak <= alone->memory + allowed(shards));
    close_site();
}

static void try_each_kind(int greedy_count)
{
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        const struct alone alone = measure_alone(shards);
        for (size_t kind = 0; kind < KINDS; kind++) {
            open_site(shards);
            for (int i = 0; i < greedy_count; i++) {
                add_greedy(kinds[kind].says);
            }
            run_beside(shards, &alone, kinds[kind].name);
        }
    }
}

static void test_one_greedy(void **state)
{
    (void)state;
    try_each_kind(1);
}

static void test_many_greedy(void **state)
{
    (void)state;
    try_each_kind(GREEDY_MAX);
}

static void test_all_kinds_at_once(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        const struct alone alone = measure_alone(shards);
        open_site(shards);
        for (size_t i = 0; i < GREEDY_MAX; i++) {
            add_greedy(kinds[i % KINDS].says);
        }
        run_beside(shards, &alone, "all");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_greedy),
        cmocka_unit_test(test_many_greedy),
        cmocka_unit_test(test_all_kinds_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
