/*
 * The random actions of peers; see peer.h. The choice depends on the seed
 * alone, never on the replies so far: a peer that cannot act yet waits until it
 * can.
 */
#include "peer.h"

#include "../bench/frames.h"
#include "clients.h"

static const char request[] = FRAMES_REQUEST("");
static const char request_rfc6902[] = FRAMES_REQUEST(
    "Sec-WebSocket-Protocol: zocket.rfc6902\r\n");

static bool is_up(void *user)
{
    return ((struct peer *)user)->state == PEER_UP;
}

static bool is_away(void *user)
{
    return ((struct peer *)user)->state == PEER_AWAY;
}

static bool is_answered(void *user)
{
    return ((struct peer *)user)->waiting == 0;
}

static bool is_sent(void *user)
{
    return peer_is_sent(user);
}

static int some_ledger(void)
{
    return (int)below(LEDGERS);
}

static int some_room(void)
{
    return LEDGERS + (int)below(ROOMS);
}

static int some_hose(void)
{
    return LEDGERS + ROOMS + (int)below(HOSES);
}

static int some_studio(void)
{
    return STUDIO + (int)below(STUDIOS);
}

/* ---- calls ---- */

static void add(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_ADD,
                                    .place = some_ledger(),
                                    .by = 1 + (int32_t)below(100) };
    peer_call(p, &call, once_in(3) ? "addLater" : "add", "{\"by\":%" PRId32 "}",
              call.by);
}

static void add_in_vain(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_REFUSED,
                                    .place = some_ledger(),
                                    .code = "ABORTED" };
    peer_call(p, &call, "addInVain", "{\"by\":7}");
}

/* A call that no handler sees. */
static void call_wrongly(struct peer *p)
{
    const struct peer_call bad = { .kind = CALL_REFUSED,
                                   .place = some_ledger(),
                                   .code = "INVALID_ARGUMENT" };
    const struct peer_call unknown = { .kind = CALL_REFUSED,
                                       .place = some_room(),
                                       .code = "UNIMPLEMENTED" };
    if (once_in(2)) {
        peer_call(p, &bad, "add", "{\"by\":%u}", 101 + below(1000));
    } else {
        peer_call(p, &unknown, "shout", "{\"text\":[[[]]]}");
    }
}

static void insert(struct peer *p)
{
    static const char *const words[] = { "a",        "quote \\\"",
                                         "\xc3\xbc", "\\ud83d\\ude00",
                                         "a/b~c",    "" };
    const struct peer_call call = { .kind = CALL_CHANGE,
                                    .place = some_ledger() };
    peer_call(p, &call, "insert",
              "{\"at\":%u,\"entry\":{\"text\":\"%s\",\"value\":%d,"
              "\"tags\":[\"%u\",\"x\"]%s}}",
              below(100), words[below(6)], (int)below(2001) - 1000, below(1000),
              once_in(2) ? ",\"at\":1700000000000" : "");
}

static void change(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_CHANGE,
                                    .place = some_ledger() };
    switch (below(5)) {
    case 0:
        peer_call(p, &call, "remove", "{\"at\":%u,\"count\":%u}", below(100),
                  1 + below(5));
        break;
    case 1:
    case 2:
        peer_call(p, &call, "put", "{\"key\":\"~/%u\",\"value\":%u}", below(60),
                  below(1000));
        break;
    case 3:
        peer_call(p, &call, "drop", "{\"key\":\"~/%u\"}", below(60));
        break;
    default:
        peer_call(p, &call, "annotate",
                  once_in(2) ? "{\"text\":\"%0*u\"}" : "{}",
                  1 + (int)below(300), below(10));
        break;
    }
}

static void speak(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_CHANGE, .place = some_room() };
    peer_call(p, &call, once_in(3) ? "sayLater" : "say", "{\"text\":\"%u\"}",
              below(1000));
}

static void end_room(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_CHANGE, .place = some_room() };
    peer_call(p, &call, "end", "%s", "");
}

static void read_ledger(struct peer *p)
{
    peer_read(p, some_ledger());
}

static void pass_by(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_EXACT, .place = PASSING };
    peer_call(p, &call, "peek", "%s", "");
}

static void flood(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_NUMBER, .place = some_hose() };
    peer_call(p, &call, "flood", "{\"letters\":%u}", below(20000));
}

static void send_big(struct peer *p)
{
    const uint32_t letters = below(once_in(10) ? 900000 : 100000);
    const struct peer_call call = { .kind = CALL_EXACT,
                                    .place = some_hose(),
                                    .by = (int32_t)letters };
    char *text = malloc(letters + 1);
    SOAK_CHECK(text != NULL, "no memory");
    memset(text, 'b', letters);
    text[letters] = '\0';
    peer_call(p, &call, "keep", "{\"text\":\"%s\"}", text);
    free(text);
}

static void send_in_fragments(struct peer *p)
{
    static const char text[] = "{\"type\":\"event:unsub\",\"actor\":\"room\","
                               "\"actorId\":\"nobody's\"}";
    const size_t a = below(40), b = a + below(20);
    peer_send(p, 0x01, text, a);
    peer_send(p, 0x00, text + a, b - a);
    peer_send(p, 0x89, "in between", 10);
    p->pongs++;
    peer_send(p, 0x80, text + b, sizeof(text) - 1 - b);
}

/* ---- calls of studios ---- */

static void work(struct peer *p)
{
    const int32_t steps = 1 + (int32_t)below(50);
    const struct peer_call fetching = { .kind = CALL_NUMBER,
                                        .place = some_studio() };
    const struct peer_call exporting = { .kind = CALL_EXPORT,
                                         .place = some_studio(),
                                         .by = steps };
    if (once_in(2)) {
        peer_call(p, &fetching, "fetch", "%s", "");
    } else {
        const unsigned long id = peer_call(p, &exporting, "export",
                                           "{\"steps\":%" PRId32 "}", steps);
        if (once_in(4)) {
            peer_cancel(p, id);
        }
    }
}

static unsigned long begin_to_pour(struct peer *p, int32_t drops,
                                   uint32_t letters)
{
    const struct peer_call call = { .kind = CALL_POUR,
                                    .place = some_studio(),
                                    .by = drops };
    return peer_call(p, &call, "pour",
                     "{\"drops\":%" PRId32 ",\"letters\":%" PRIu32 "}", drops,
                     letters);
}

static void pour(struct peer *p)
{
    const unsigned long id = begin_to_pour(p, (int32_t)below(20), below(200));
    if (once_in(4)) {
        peer_cancel(p, id);
    }
}

/* Stops reading amid a stream; it goes on when the peer acts again. */
static void pour_and_rest(struct peer *p)
{
    soak_await(is_answered, p, "replies before the reader stops");
    if (p->state == PEER_UP) {
        (void)begin_to_pour(p, 150 + (int32_t)below(50), 3000 + below(1000));
        peer_stall(p, true);
    }
}

/* Calls that end by being cancelled, or late. */
static void hang(struct peer *p)
{
    const struct peer_call late = { .kind = CALL_REFUSED,
                                    .place = some_studio(),
                                    .code = "DEADLINE_EXCEEDED",
                                    .timeout_ms = 1 + below(20) };
    struct peer_call cancelled = late;
    cancelled.timeout_ms = 0;
    cancelled.code = "CANCELLED";
    if (once_in(2)) {
        peer_call(p, &late, "hang", "%s", "");
    } else {
        peer_cancel(p, peer_call(p, &cancelled, "hang", "%s", ""));
    }
}

static void plan(struct peer *p)
{
    const struct peer_call call = { .kind = CALL_CHANGE,
                                    .place = some_studio() };
    if (once_in(2)) {
        peer_call(p, &call, "hold", "%s", "");
    } else {
        peer_call(p, &call, "schedule", "{\"ms\":%u}", 1 + below(30));
    }
}

/* Lets a studio call another, or itself. */
static void connect_studios(struct peer *p)
{
    const uint32_t number = below(1000);
    const struct peer_call informing = { .kind = CALL_CHANGE,
                                         .place = some_studio() };
    const struct peer_call consulting = { .kind = CALL_EXACT,
                                          .place = some_studio(),
                                          .by = 3 * (int32_t)number };
    char id[32];
    place_id(some_studio(), id);
    if (once_in(2)) {
        peer_call(p, &informing, "inform", "{\"id\":\"%s\"}", id);
    } else {
        peer_call(p, &consulting, "consult",
                  "{\"id\":\"%s\",\"number\":%" PRIu32 "}", id, number);
    }
}

/* ---- subscriptions ---- */

static void subscribe(struct peer *p)
{
    const int place = once_in(3)   ? some_room()
                      : once_in(3) ? some_studio()
                                   : some_ledger();
    peer_enter_place(p, place);
    if (!place_is_studio(place) && once_in(3)) { /* it has no events */
        p->replicas[place].events = true;
        peer_subscribe(p, place, "event:sub");
    } else if (!place_is_studio(place) && once_in(5)) {
        peer_subscribe(p, place, "event:unsub");
    }
}

static void unsubscribe(struct peer *p)
{
    peer_leave_place(p, once_in(3)   ? some_room()
                        : once_in(3) ? some_studio()
                                     : some_ledger());
}

/* ---- violations ---- */

static void say_nonsense(struct peer *p)
{
    static const char *const nonsense[] = {
        "nonsense", "{}", "{\"type\":7}", "[1,2", "{\"type\":\"rpc\"}",
    };
    if (p->bad < 10) { /* of the 16 that are allowed */
        p->bad++;
        p->errors++;
        soak.bad_messages++;
        peer_say(p, "%s", nonsense[below(5)]);
    }
}

static void be_thrown_out(struct peer *p)
{
    switch (below(6)) {
    case 0: /* more bad messages than allowed, and others after them */
        for (int i = 0; i < 20; i++) {
            p->errors++;
            soak.bad_messages++;
            peer_say(p, "nonsense");
        }
        peer_doom(p, 1008);
        break;
    case 1:
        peer_send(p, 0x82, "binary", 6);
        peer_doom(p, 1003);
        break;
    case 2: /* its head is enough: 2 MiB */
        peer_put(p, "\x81\xff\0\0\0\0\0\x20\0\0\0\0\0\0", 14);
        peer_doom(p, 1009);
        break;
    case 3:
        peer_send(p, 0x81, "\"\xc3\x28\"", 4);
        peer_doom(p, 1007);
        break;
    case 4: /* a reserved bit */
        peer_send(p, 0xc1, "{}", 2);
        peer_doom(p, 1002);
        break;
    default: /* no mask */
        peer_put(p, "\x81\x02{}", 4);
        peer_doom(p, 1002);
        break;
    }
}

/* ---- leaving ---- */

static void leave(struct peer *p)
{
    peer_send(p, 0x88, "\x03\xe8", 2);
    peer_doom(p, 1000);
}

static void reset(struct peer *p)
{
    peer_reset(p);
}

static void reset_in_a_frame(struct peer *p)
{
    static const char bytes[] = "\x81\xfe\x01\x00\0\0\0\0{\"type\":\"rpc\",";
    peer_put(p, bytes, 1 + below(sizeof(bytes) - 1));
    if (once_in(2)) {
        (void)uv_run(&soak.loop, UV_RUN_NOWAIT);
    }
    if (p->state == PEER_UP) {
        peer_reset(p);
    }
}

/* Bytes that are no record, or none of this connection. Without TLS the peer
 * only leaves. */
static void break_tls(struct peer *p)
{
    static char bytes[20000]; /* more than any record */
    static const char heads[][6] = { "GET /", "\x17\x03\x03\x40\x11",
                                     "\x15\x03\x03\x00\x02",
                                     "\x16\x03\x01\x02\x00",
                                     "\x17\x03\x03\x00\x20" };
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)below(256);
    }
    memcpy(bytes, heads[below(5)], 5);
    if (!peer_break(p, bytes, sizeof(bytes))) {
        leave(p);
        return;
    }
    soak.broken_tls++;
}

/* ---- slow readers ---- */

/* Stops reading while the other peers cause more output than the kernel
 * holds. */
static void fall_behind(struct peer *p)
{
    struct peer *other = &peers[(p - peers + 1) % PEERS];
    const struct peer_call flooding = { .kind = CALL_NUMBER,
                                        .place = some_hose() };
    const uint32_t letters = 200000 + below(50000);
    soak_await(is_answered, p, "replies before the reader stops");
    if (p->state != PEER_UP || other->state != PEER_UP || other->stalled) {
        return;
    }
    peer_enter_place(p, flooding.place);
    peer_stall(p, true);
    for (int i = 0; i < 40; i++) {
        peer_call(other, &flooding, "flood", "{\"letters\":%" PRIu32 "}",
                  letters);
    }
}

static uint64_t count_overflows(void)
{
    struct soak_counts counts;
    meter_read(&counts);
    return counts.overflows;
}

/* Subscribes to events and stops reading until the queue exceeds its hard
 * limit. */
static void be_too_slow(struct peer *p)
{
    struct peer *other = &peers[(p - peers + 1) % PEERS];
    const struct peer_call spilling = { .kind = CALL_CHANGE,
                                        .place = some_hose() };
    if (other->state != PEER_UP || other->stalled) {
        return;
    }
    p->replicas[spilling.place].events = true;
    peer_subscribe(p, spilling.place, "event:sub");
    peer_read(p, spilling.place);
    soak_await(is_answered, p, "replies before the reader stops");
    if (p->state != PEER_UP || other->state != PEER_UP || other->stalled) {
        return;
    }
    const uint64_t before = count_overflows();
    peer_stall(p, true);
    for (int i = 0; i < 40; i++) {
        peer_call(other, &spilling, "spill", "{\"letters\":250000}");
    }
    peer_doom(p, 1013);
    while (count_overflows() == before) { /* on any thread */
    }
    peer_stall(p, false);
}

/* ---- acts ---- */

static void come(struct peer *p)
{
    if (once_in(20)) { /* only half a request */
        peer_open(p, "GET / HTTP/1.1\r\nHos", PEER_SHAKING);
        peer_reset(p);
    } else if (once_in(20)) {
        peer_open(p, "POST nothing\r\n\r\n", PEER_REFUSED);
    } else {
        const bool rfc6902 = once_in(3);
        peer_open(p, rfc6902 ? request_rfc6902 : request, PEER_SHAKING);
        p->dialect = rfc6902 ? ZKT_DIALECT_RFC6902 : ZKT_DIALECT_PLAIN;
        soak_await(is_up, p, "the handshake");
    }
}

static const struct act {
    uint32_t weight;
    void (*fn)(struct peer *p);
} acts[] = {
    { 160, add },
    { 10, add_in_vain },
    { 10, call_wrongly },
    { 60, insert },
    { 80, change },
    { 50, speak },
    { 6, end_room },
    { 60, read_ledger },
    { 20, flood },
    { 20, pass_by },
    { 10, send_big },
    { 10, send_in_fragments },
    { 30, work },
    { 20, pour },
    { 3, pour_and_rest },
    { 10, hang },
    { 30, plan },
    { 20, connect_studios },
    { 60, subscribe },
    { 20, unsubscribe },
    { 10, say_nonsense },
    { 4, be_thrown_out },
    { 6, leave },
    { 6, reset },
    { 6, reset_in_a_frame },
    { 3, break_tls },
    { 2, fall_behind },
    { 2, be_too_slow },
};

static void act(struct peer *p)
{
    uint32_t total = 0;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        total += acts[i].weight;
    }
    uint32_t chosen = below(total);
    const struct act *at = acts;
    while (chosen >= at->weight) {
        chosen -= at->weight;
        at++;
    }
    at->fn(p);
}

void peers_act(void)
{
    struct peer *p = &peers[below(PEERS)];
    if (p->state != PEER_UP) { /* closing or closed */
        soak_await(is_away, p, "the end of a connection");
        come(p);
    } else if (p->stalled) {
        peer_stall(p, false);
    } else {
        act(p);
    }
}

/* ---- the end of a round ---- */

static bool is_settled(void *user)
{
    const struct peer *p = user;
    bool settled = p->state == PEER_AWAY || p->state == PEER_UP;
    if (p->state == PEER_UP) {
        settled = p->waiting == 0 && p->errors == 0 && p->pongs == 0;
    }
    return settled;
}

void peers_settle(void)
{
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].stalled) {
            peer_stall(&peers[i], false);
        }
    }
    for (int i = 0; i < PEERS; i++) {
        soak_await(is_settled, &peers[i], "all answers");
    }
}

/* All peers read everything. */
static void read_all(void)
{
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &peers[i];
        for (int place = 0; p->state == PEER_UP && place < PLACES; place++) {
            if (p->replicas[place].wanted) {
                peer_read(p, place);
            }
        }
    }
    peers_settle();
}

/* Nothing changes any more. After the first replies the slow peers have
 * received everything; after the second replies all must have the same state.
 * One snapshot may answer several subscriptions, but none is missing: it comes
 * before the result of a call that was made after the subscription. */
void peers_compare(void)
{
    read_all();
    for (int i = 0; i < PEERS; i++) {
        for (int place = 0; place < LEDGERS; place++) {
            const struct replica *r = &peers[i].replicas[place];
            SOAK_CHECK(peers[i].state != PEER_UP || !r->wanted || r->known,
                       "a snapshot is missing");
        }
    }
    for (int i = 0; i < PEERS; i++) {
        peers[i].slow = false;
    }
    read_all();
    for (int place = LEDGERS; place < PLACES; place++) {
        const struct replica *first = NULL;
        for (int i = 0; i < PEERS; i++) {
            const struct replica *r = &peers[i].replicas[place];
            if (!r->known) {
                continue;
            }
            soak.compared += first != NULL;
            SOAK_CHECK(first == NULL || replica_equal(first, r),
                       "two replicas of %s differ", place_actor(place));
            first = r;
        }
    }
}

bool peers_are_away(void *user)
{
    (void)user;
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].state != PEER_AWAY) {
            return false;
        }
    }
    return true;
}

void peers_leave(void)
{
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].state == PEER_UP && once_in(2)) {
            peer_reset(&peers[i]);
        } else if (peers[i].state == PEER_UP) {
            leave(&peers[i]);
        }
    }
    soak_await(peers_are_away, NULL, "the end of all connections");
}

void peers_crowd(void)
{
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &peers[i];
        peer_open(p, request, PEER_SHAKING);
        soak_await(is_up, p, "the handshake");
        peer_enter_place(p, some_ledger());
        peer_enter_place(p, some_room());
        peer_enter_place(p, some_studio());
        add(p);
        speak(p);
        work(p);
        pour(p);
        hang(p);
        plan(p);
        connect_studios(p);
        soak_await(is_sent, p, "room in a socket");
    }
    for (int i = 0; i < PEERS; i++) {
        peer_doom(&peers[i], 1001);
    }
}
