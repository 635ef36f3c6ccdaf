/*
 * A peer's messages; see peer.h. Every reply belongs to exactly one pending
 * call and has the expected result; every received state was subscribed to.
 */
#include "peer.h"

#include <stdarg.h>

#include "protocol/envelope.h"

/* ---- sending ---- */

static char *say_text; /* grows to the longest message */
static size_t say_room;

static size_t print(size_t at, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    SOAK_CHECK(len >= 0, "cannot print");
    if (at + (size_t)len + 1 > say_room) {
        say_room = 2 * (at + (size_t)len + 1);
        say_text = realloc(say_text, say_room);
        SOAK_CHECK(say_text != NULL, "no memory");
    }
    vsnprintf(say_text + at, say_room - at, format, arguments);
    return at + (size_t)len;
}

static size_t append(size_t at, const char *format, ...) ZKT_PRINTF(2, 3);
static size_t append(size_t at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    at = print(at, format, arguments);
    va_end(arguments);
    return at;
}

void peer_say(struct peer *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const size_t len = print(0, format, arguments);
    va_end(arguments);
    peer_send(p, 0x81, say_text, len);
}

void peer_subscribe(struct peer *p, int place, const char *what)
{
    char id[32];
    place_id(place, id);
    peer_say(p, "{\"type\":\"%s\",\"actor\":\"%s\",\"actorId\":\"%s\"}", what,
             place_actor(place), id);
}

/* ---- calls ---- */

static struct peer_call *free_call(struct peer *p)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        if (!p->calls[i].waits) {
            return &p->calls[i];
        }
    }
    return NULL;
}

static bool has_free_call(void *user)
{
    return free_call(user) != NULL;
}

unsigned long peer_call(struct peer *p, const struct peer_call *call,
                        const char *method, const char *input, ...)
{
    static unsigned long last_id;
    char id[32];
    va_list arguments;
    soak_await(has_free_call, p, "a reply to a call");
    soak_make_room();
    struct peer_call *kept = free_call(p);
    *kept = *call;
    kept->waits = true;
    kept->id = ++last_id;
    p->waiting++;
    soak.in_flight++;
    place_id(call->place, id);
    size_t len = append(0,
                        "{\"type\":\"rpc\",\"id\":\"%lu\",\"actor\":\"%s\","
                        "\"actorId\":\"%s\",\"method\":\"%s\"",
                        kept->id, place_actor(call->place), id, method);
    const size_t before = append(len, ",\"input\":");
    va_start(arguments, input);
    const size_t with = print(before, input, arguments);
    va_end(arguments);
    len = with > before ? with : len;
    if (call->timeout_ms > 0) {
        len = append(len, ",\"timeoutMs\":%" PRIu32, call->timeout_ms);
    }
    len = append(len, "}");
    peer_send(p, 0x81, say_text, len);
    return last_id;
}

void peer_cancel(struct peer *p, unsigned long id)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        if (p->calls[i].waits && p->calls[i].id == id) {
            p->calls[i].cancelled = true;
        }
    }
    peer_say(p, "{\"type\":\"rpc:cancel\",\"id\":\"%lu\"}", id);
}

void peer_read(struct peer *p, int place)
{
    struct peer_call call = { .kind = CALL_NUMBER, .place = place };
    if (place_is_ledger(place)) {
        call.kind = CALL_READ;
    }
    call.fence = p->replicas[place].changes;
    peer_call(p, &call, "read", "%s", "");
}

void peer_enter_place(struct peer *p, int place)
{
    struct replica *r = &p->replicas[place];
    r->changes += !r->wanted;
    r->wanted = true;
    r->quiet = false;
    r->awaited++;
    peer_subscribe(p, place, "state:sub");
}

void peer_leave_place(struct peer *p, int place)
{
    struct replica *r = &p->replicas[place];
    peer_subscribe(p, place, "state:unsub");
    replica_forget(r);
    r->wanted = false;
    r->changes++;
    peer_read(p, place);
}

void peer_lose_calls(struct peer *p)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct peer_call *call = &p->calls[i];
        if (call->waits && call->kind == CALL_ADD) {
            soak.doubtful[call->place] += call->by;
        }
        call->waits = false;
    }
    soak.in_flight -= p->waiting;
    p->waiting = 0;
}

/* ---- replies ---- */

static struct peer_call *find_call(struct peer *p, struct zkt_str id)
{
    const unsigned long number = id.len > 2 ? strtoul(id.data + 1, NULL, 10)
                                            : 0;
    for (int i = 0; i < CALLS_MAX; i++) {
        if (p->calls[i].waits && p->calls[i].id == number) {
            return &p->calls[i];
        }
    }
    soak_fail("a reply to no pending call: %.*s", ZKT_ARG(id));
}

static void take_total(struct peer *p, const struct peer_call *call,
                       struct zkt_str result)
{
    const int64_t total = strtoll(result.data, NULL, 10);
    int64_t *last = &p->last[call->place];
    SOAK_CHECK(total >= *last + call->by,
               "a total of %" PRId64 " after %" PRId64 " and %" PRId32, total,
               *last, call->by);
    *last = total;
    soak.added[call->place] += call->by;
}

static void take_refusal(const struct peer_call *call,
                         const struct zkt_envelope *m)
{
    soak.late += zkt_str_eq(m->code, ZKT_STR("DEADLINE_EXCEEDED"));
    if (call->cancelled && zkt_str_eq(m->code, ZKT_STR("CANCELLED"))) {
        soak.cancelled++;
        return;
    }
    const bool ended = place_is_room(call->place) &&
                       zkt_str_eq(m->code, ZKT_STR("ABORTED"));
    if (ended) {
        soak.ended++;
        return;
    }
    SOAK_CHECK(soak.stopping || (call->kind == CALL_REFUSED &&
                                 zkt_str_eq(m->code, zkt_cstr(call->code))),
               "refused: %.*s %.*s", ZKT_ARG(m->code), ZKT_ARG(m->error));
}

/* Compares a ledger as the server has it with the replica. */
static void take_book(struct peer *p, const struct peer_call *call,
                      struct zkt_str result)
{
    const struct replica *r = &p->replicas[call->place];
    snprintf(soak.about, sizeof(soak.about),
             "peer %d, ledger %d, %s%s, dialect %d, %d snapshots awaited",
             (int)(p - peers), call->place, p->slow ? "slow" : "quick",
             r->wanted ? ", subscribed" : "", (int)p->dialect, r->awaited);
    if (r->known && r->changes == call->fence) {
        replica_compare_book(r, result, p->slow);
    }
}

static void take_answer(struct peer *p, const struct zkt_envelope *m)
{
    struct peer_call *call = find_call(p, m->id);
    struct replica *r = &p->replicas[call->place];
    call->waits = false;
    p->waiting--;
    soak.in_flight--;
    soak.calls++;
    if (call->fence > 0 && call->fence == r->changes && !r->wanted) {
        r->quiet = true;
    }
    if (m->error.data != NULL) {
        take_refusal(call, m);
        return;
    }
    SOAK_CHECK(call->kind != CALL_REFUSED, "not refused: %s", call->code);
    SOAK_CHECK((m->result.data == NULL) ==
                   (call->kind == CALL_CHANGE || call->kind == CALL_POUR),
               "an unexpected result, or a missing result");
    if (call->kind == CALL_ADD) {
        take_total(p, call, m->result);
    } else if (call->kind == CALL_READ) {
        take_book(p, call, m->result);
    } else if (call->kind == CALL_POUR) {
        SOAK_CHECK(call->heard == call->by, "%" PRId32 " chunks of %" PRId32,
                   call->heard, call->by);
    } else if (call->kind == CALL_EXACT || call->kind == CALL_EXPORT) {
        SOAK_CHECK(strtol(m->result.data, NULL, 10) == call->by,
                   "%.*s is not %" PRId32, ZKT_ARG(m->result), call->by);
    }
}

/* ---- parts of replies ---- */

static void take_chunk(struct peer *p, const struct zkt_envelope *m)
{
    struct peer_call *call = find_call(p, m->id);
    int32_t number = -1;
    SOAK_CHECK(call->kind == CALL_POUR &&
                   sscanf(m->chunk.data, "{\"number\":%" SCNd32, &number) ==
                       1 &&
                   number == call->heard && number < call->by,
               "chunk %" PRId32 " after %" PRId32 " of %" PRId32, number,
               call->heard, call->by);
    call->heard++;
    soak.chunks++;
}

static void take_progress(struct peer *p, const struct zkt_envelope *m)
{
    struct peer_call *call = find_call(p, m->id);
    const int32_t reported = (int32_t)strtol(m->progress.data, NULL, 10);
    SOAK_CHECK(call->kind == CALL_EXPORT && reported > call->heard &&
                   reported <= call->by,
               "progress %" PRId32 " after %" PRId32 " of %" PRId32, reported,
               call->heard, call->by);
    call->heard = reported;
    soak.progress++;
}

static void take_welcome(struct peer *p, const struct zkt_envelope *m)
{
    snprintf(p->client, sizeof(p->client), "%.*s", ZKT_ARG(m->client_id));
}

/* ---- states and events ---- */

static void take_snapshot(struct peer *p, struct replica *r,
                          struct zkt_str json)
{
    SOAK_CHECK(!r->quiet, "a snapshot after the unsubscription");
    soak.snapshots++;
    if (r->awaited > 0) {
        r->awaited--;
    } else { /* or a room has ended after two subscriptions */
        SOAK_CHECK(p->slow || place_is_room(r->place),
                   "an unrequested snapshot");
        soak.collapses++;
    }
    if (r->wanted) {
        replica_snapshot(r, json);
    }
}

static void take_patch(struct peer *p, struct replica *r, struct zkt_str json)
{
    SOAK_CHECK(!r->quiet, "a patch after the unsubscription");
    if (r->known) {
        soak.patches++;
        replica_patch(r, json, p->dialect);
    }
}

static void take_event(struct peer *p, const struct replica *r,
                       const struct zkt_envelope *m)
{
    unsigned version = 0;
    SOAK_CHECK(r->events, "an event without a subscription");
    soak.events++;
    if (!place_is_ledger(r->place)) {
        return;
    }
    SOAK_CHECK(sscanf(m->payload.data, "{\"version\":%u", &version) == 1 &&
                   version > p->heard[r->place],
               "event %u after %" PRIu32, version, p->heard[r->place]);
    p->heard[r->place] = version;
}

static void take_sub_error(struct peer *p, struct replica *r,
                           const struct zkt_envelope *m)
{
    SOAK_CHECK(soak.stopping || place_is_room(r->place),
               "a subscription is refused: %.*s", ZKT_ARG(m->error));
    (void)p;
    if (zkt_str_eq(m->of, ZKT_STR("events"))) {
        return; /* the state has a message of its own */
    }
    soak.ended++;
    soak.sub_errors += !soak.stopping;
    replica_forget(r);
}

/* Handles a message about an instance. */
static void take_news(struct peer *p, const struct zkt_envelope *m)
{
    const int place = m->actor_id.data != NULL ? place_find(m->actor_id) : -1;
    SOAK_CHECK(place >= 0, "a message of an unknown instance");
    struct replica *r = &p->replicas[place];
    switch (m->type) {
    case ZKT_MESSAGE_STATE_SNAPSHOT:
        take_snapshot(p, r, m->state);
        break;
    case ZKT_MESSAGE_STATE_PATCH:
        take_patch(p, r, m->patches);
        break;
    case ZKT_MESSAGE_EVENT:
        take_event(p, r, m);
        break;
    case ZKT_MESSAGE_SUB_ERROR:
        take_sub_error(p, r, m);
        break;
    case ZKT_MESSAGE_SUB_OK:
        break;
    default:
        soak_fail("a message of an unknown type");
    }
}

void peer_hear(struct peer *p, char *text, size_t len)
{
    static const struct zkt_hash_key key = { 1, 2 };
    struct zkt_arena arena;
    struct zkt_reader reader;
    struct zkt_envelope m;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__reader_init(&reader, text, len, &arena, NULL, &key);
    SOAK_CHECK(zkt__envelope_read(&m, &reader), "not a message: %.200s", text);
    if (m.type == ZKT_MESSAGE_RPC_RESULT) {
        take_answer(p, &m);
    } else if (m.type == ZKT_MESSAGE_ERROR) {
        SOAK_CHECK(p->errors-- > 0, "an unexpected error: %.*s",
                   ZKT_ARG(m.error));
    } else if (m.type == ZKT_MESSAGE_RPC_CHUNK) {
        take_chunk(p, &m);
    } else if (m.type == ZKT_MESSAGE_RPC_PROGRESS) {
        take_progress(p, &m);
    } else if (m.type == ZKT_MESSAGE_WELCOME) {
        take_welcome(p, &m);
    } else {
        take_news(p, &m);
    }
    zkt__arena_finish(&arena);
}
