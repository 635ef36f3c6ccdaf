/* See clients.h. */
#include "clients.h"

#include <stdlib.h>
#include <string.h>

#include "replica.h"

enum {
    CLIENTS = 6,
    TOO_MANY = 1100000 /* letters, for a message */
};

struct member {
    struct zkt_client *client;
    struct soak_ledger *ledgers[LEDGERS];
    uint32_t openings[LEDGERS]; /* of each ledger, so far */
    struct soak_hose *hose;
    struct soak_studio *studio;
    int waiting;
    uint64_t told;
};

/* A pending call. */
struct question {
    struct member *member;
    int place;
    int32_t by;
    uint32_t opening; /* the handle that was open then */
    bool cancelled;
    uint32_t heard, count; /* parts of the reply, and all of them */
};

/* The first client never loses its connection and keeps a contact with all
 * ledgers, so they are not evicted. */
static struct member members[CLIENTS];
static bool at_rest; /* nothing changes: the known state is the latest */

static const struct zkt_client_options *options(void)
{
    static struct zkt_client_options o = {
        .reconnect_min_ms = 2,
        .reconnect_max_ms = 20,
        .rpc_timeout_ms = 5 * PATIENCE_MS,
        .connect_timeout_ms = 5 * PATIENCE_MS,
        .pong_within_ms = 5 * PATIENCE_MS,
        .ping_after_ms = 1000,
    };
    o.loop = &soak.loop;
    o.tls = soak.tls;
    return &o;
}

/* ---- calls ---- */

static struct question *ask(struct member *m, int place, int32_t by)
{
    struct question *q = malloc(sizeof(*q));
    SOAK_CHECK(q != NULL, "no memory");
    soak_make_room();
    *q = (struct question){ .member = m, .place = place, .by = by };
    q->opening = place < LEDGERS ? m->openings[place] : 0;
    m->waiting++;
    soak.in_flight++;
    return q;
}

/*
 * Returns true if the known state must be as new as the reply: not if the
 * handle was closed and opened again after the call. Then the call is sent
 * before the subscription, in the order of the program, and its result can come
 * before the snapshot of that, while an older state is still known.
 */
static bool is_comparable(const struct question *q)
{
    return q->opening == q->member->openings[q->place];
}

/* Returns false if the connection was lost meanwhile, or the call cancelled. */
static bool take_reply(struct question *q, const struct zkt_reply *reply)
{
    q->member->waiting--;
    soak.in_flight--;
    soak.calls++;
    if (q->cancelled && reply->status == ZKT_CANCELLED) {
        soak.cancelled++;
        return false;
    }
    SOAK_CHECK(reply->status == ZKT_OK ||
                   strncmp(reply->error, "WebSocket closed", 16) == 0,
               "a client's call fails: %s", reply->error);
    return reply->status == ZKT_OK;
}

static void on_total(const struct zkt_reply *reply, int64_t total, void *user)
{
    struct question *q = user;
    const bool good = take_reply(q, reply);
    SOAK_CHECK(!good || total >= q->by, "a total of %" PRId64, total);
    *(good ? &soak.added[q->place] : &soak.doubtful[q->place]) += q->by;
    free(q);
}

static void on_book(const struct zkt_reply *reply, const struct soak_book *book,
                    void *user)
{
    struct question *q = user;
    struct soak_ledger *ledger = q->member->ledgers[q->place];
    if (take_reply(q, reply)) {
        const struct soak_ledger_state *mine = soak_ledger_snapshot(ledger);
        snprintf(soak.about, sizeof(soak.about), "client %d, ledger %d",
                 (int)(q->member - members), q->place);
        if (mine != NULL && is_comparable(q)) {
            replica_compare_state(mine, book, !at_rest);
        }
        const int64_t added = soak.added[q->place];
        SOAK_CHECK(!at_rest || (book->total >= added &&
                                book->total <= added + soak.doubtful[q->place]),
                   "a total of %" PRId64 " of %" PRId64 " to %" PRId64
                   " that were added",
                   book->total, added, added + soak.doubtful[q->place]);
    }
    free(q);
}

static void on_kept(const struct zkt_reply *reply, uint32_t letters, void *user)
{
    struct question *q = user;
    SOAK_CHECK(!take_reply(q, reply), "%" PRIu32 " letters are accepted",
               letters);
    soak.drops++;
    free(q);
}

static void on_state(const struct soak_ledger_state *state, void *user)
{
    int32_t sum = 0;
    for (size_t i = 0; i < state->entries.len; i++) {
        sum += state->entries.items[i].value;
    }
    SOAK_CHECK(sum == state->sum, "a client's entries are %d, the sum is %d",
               sum, state->sum);
    ((struct member *)user)->told++;
}

/* ---- studios ---- */

static void on_studio(const struct soak_studio_state *state, void *user)
{
    soak.words += replica_check_studio(state, NULL);
    ((struct member *)user)->told++;
}

static void on_drop(const struct soak_drop *drop, void *user)
{
    struct question *q = user;
    SOAK_CHECK(drop->number == q->heard && q->heard < q->count,
               "chunk %" PRIu32 " of %" PRIu32 ", not %" PRIu32, drop->number,
               q->count, q->heard);
    q->heard++;
    soak.chunks++;
}

static void on_poured(const struct zkt_reply *reply, void *user)
{
    struct question *q = user;
    SOAK_CHECK(!take_reply(q, reply) || q->heard == q->count,
               "%" PRIu32 " chunks of %" PRIu32, q->heard, q->count);
    free(q);
}

static void on_progress(uint32_t progress, void *user)
{
    struct question *q = user;
    SOAK_CHECK(progress > q->heard && progress <= q->count,
               "progress %" PRIu32 " after %" PRIu32, progress, q->heard);
    q->heard = progress;
    soak.progress++;
}

static void on_number(const struct zkt_reply *reply, uint32_t number,
                      void *user)
{
    struct question *q = user;
    SOAK_CHECK(!take_reply(q, reply) || number == q->count,
               "%" PRIu32 " is not %" PRIu32, number, q->count);
    free(q);
}

static void on_done(const struct zkt_reply *reply, void *user)
{
    (void)take_reply(user, reply);
    free(user);
}

/* Cancels a call now and then; @id is 0 if it has ended at once. */
static void cancel_some(struct member *m, struct question *q, uint64_t id)
{
    if (id != 0 && once_in(4)) {
        q->cancelled = true;
        zkt_client_cancel(m->client, id);
    }
}

/* Streams are short: all of their chunks are queued before the patch of their
 * second half, and a client that reads must not fall behind. */
static void use_studio(struct member *m)
{
    struct question *q = ask(m, STUDIO, 0);
    char id[32];
    q->count = 1 + below(50);
    const struct soak_studio_pour_input pour = { q->count, below(100) };
    const struct soak_studio_export_input steps = { q->count };
    place_id(STUDIO + (int)below(STUDIOS), id);
    switch (below(5)) {
    case 0:
        cancel_some(
            m, q,
            soak_studio_begin_pour(m->studio, &pour, on_drop, on_poured, q));
        break;
    case 1:
        cancel_some(m, q,
                    soak_studio_begin_export(m->studio, &steps, on_progress,
                                             on_number, q));
        break;
    case 2: {
        const struct soak_studio_consult_input in = { zkt_cstr(id), q->count };
        q->count *= 3;
        soak_studio_begin_consult(m->studio, &in, on_number, q);
        break;
    }
    case 3: {
        const struct soak_studio_inform_input in = { zkt_cstr(id) };
        soak_studio_begin_inform(m->studio, &in, on_done, q);
        break;
    }
    default:
        soak_studio_begin_hold(m->studio, on_done, q);
        break;
    }
}

/* ---- actions ---- */

static void open_ledger(struct member *m, int place)
{
    char id[32];
    place_id(place, id);
    m->openings[place]++;
    m->ledgers[place] = soak_ledger_open(m->client, id);
    SOAK_CHECK(soak_ledger_subscribe(m->ledgers[place], on_state, m) != 0,
               "cannot subscribe");
}

/* Each member has one of the studios. */
static void open_studio(struct member *m, int place)
{
    char id[32];
    place_id(place, id);
    m->studio = soak_studio_open(m->client, id);
    SOAK_CHECK(soak_studio_subscribe(m->studio, on_studio, m) != 0,
               "cannot subscribe");
}

static void close_ledger(struct member *m, int place)
{
    soak_ledger_close(m->ledgers[place]);
    m->ledgers[place] = NULL;
}

static void add(struct member *m, int place)
{
    const int32_t by = 1 + (int32_t)below(100);
    const bool later = once_in(3);
    struct question *q = ask(m, place, by);
    if (later) {
        const struct soak_ledger_add_later_input in = { by };
        soak_ledger_begin_add_later(m->ledgers[place], &in, on_total, q);
    } else {
        const struct soak_ledger_add_input in = { by };
        soak_ledger_begin_add(m->ledgers[place], &in, on_total, q);
    }
}

static void read_ledger(struct member *m, int place)
{
    soak_ledger_begin_read(m->ledgers[place], on_book, ask(m, place, 0));
}

/* Sends more than is allowed: the server closes. */
static void lose_connection(struct member *m)
{
    static char text[TOO_MANY];
    memset(text, 'z', sizeof(text));
    const struct soak_hose_keep_input in = { .text = { text, sizeof(text) } };
    soak_hose_begin_keep(m->hose, &in, on_kept, ask(m, LEDGERS + ROOMS, 0));
}

void clients_act(void)
{
    const uint32_t number = below(CLIENTS), what = below(100);
    const int place = (int)below(LEDGERS);
    struct member *m = &members[number];
    if (number > 0 && what < 4) {
        lose_connection(m);
    } else if (m->ledgers[place] == NULL) {
        open_ledger(m, place);
    } else if (what < 20) {
        use_studio(m);
    } else if (what < 60) {
        add(m, place);
    } else if (what < 85 || number == 0) {
        read_ledger(m, place);
    } else {
        close_ledger(m, place);
    }
}

/* ---- rounds ---- */

static bool is_answered(void *user)
{
    return ((struct member *)user)->waiting == 0;
}

static bool is_connected(void *user)
{
    return zkt_client_status(user) == ZKT_CONNECTED;
}

void clients_open(void)
{
    char id[32];
    place_id(LEDGERS + ROOMS, id);
    for (int i = 0; i < CLIENTS; i++) {
        struct member *m = &members[i];
        m->client = zkt_client_open(soak.server.url, options());
        m->hose = soak_hose_open(m->client, id);
        SOAK_CHECK(m->hose != NULL, "no client");
        open_studio(m, STUDIO + i % STUDIOS);
    }
    for (int place = 0; place < LEDGERS; place++) {
        open_ledger(&members[0], place);
        read_ledger(&members[0], place);
    }
    soak_await(is_answered, &members[0], "contact with the ledgers");
}

void clients_settle(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        soak_await(is_answered, &members[i], "answers to a client");
    }
}

void clients_compare(void)
{
    at_rest = true;
    for (int i = 0; i < CLIENTS; i++) {
        for (int place = 0; place < LEDGERS; place++) {
            if (members[i].ledgers[place] != NULL) {
                read_ledger(&members[i], place);
            }
        }
        soak_await(is_answered, &members[i], "answers to a client");
    }
    at_rest = false;
}

void clients_close(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct member *m = &members[i];
        for (int place = 0; place < LEDGERS; place++) {
            close_ledger(m, place);
        }
        soak_hose_close(m->hose);
        soak_studio_close(m->studio);
        zkt_client_close(m->client);
    }
}

/* ---- the meter ---- */

static struct zkt_client *meter_client;
static struct soak_meter *meter;

struct reading {
    struct soak_counts *out;
    bool done;
};

static void on_counts(const struct zkt_reply *reply,
                      const struct soak_counts *counts, void *user)
{
    struct reading *r = user;
    SOAK_CHECK(reply->status == ZKT_OK, "no counts: %s", reply->error);
    *r->out = *counts;
    r->done = true;
}

static bool is_read(void *user)
{
    return ((struct reading *)user)->done;
}

void meter_open(void)
{
    meter_client = zkt_client_open(soak.server.url, options());
    meter = soak_meter_open(meter_client, "meter");
    SOAK_CHECK(meter != NULL, "no client");
    soak_await(is_connected, meter_client, "a connection");
}

void meter_read(struct soak_counts *out)
{
    struct reading r = { .out = out };
    soak_meter_begin_read(meter, on_counts, &r);
    soak_await(is_read, &r, "counts");
}

void meter_close(void)
{
    soak_meter_close(meter);
    zkt_client_close(meter_client);
}
