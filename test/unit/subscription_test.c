/*
 * The table of a session's subscriptions (session/subscription.c), cell by
 * cell: every state meets every event, on one shard and on two. The test plays
 * the instance: it keeps the received messages and replies when the cell says
 * so.
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

/* ---- an instance that the test plays ---- */

enum {
    OWED_MAX = 8
};

static struct rig {
    struct failing_alloc counting;
    struct zkt_server *server;
    uint32_t shards;
    struct wire wire;
    struct zkt_contact *contact;
    struct zkt_location *location; /* keeps the name on the first shard */
    /* of subscribe messages that wait for a reply */
    struct zkt_msg *carriers[OWED_MAX];
    uint32_t generations[OWED_MAX]; /* of the carriers */
    uint32_t owed;
    char up[128]; /* the kinds of received messages, separated by spaces */
} rig;

static struct zkt_host *host_of(uint32_t shard)
{
    return &rig.server->shards->all[shard]->host;
}

/* Returns the shard of the connection; the instance is on the first. */
static uint32_t shard_of_wire(void)
{
    return rig.shards - 1;
}

static struct zkt_session *session(void)
{
    return &ZKT_CONTAINER(rig.wire.e, struct zkt_connection, endpoint)->session;
}

static void note_up(const char *kind)
{
    const size_t len = strlen(rig.up);
    snprintf(rig.up + len, sizeof(rig.up) - len, "%s%s", len > 0 ? " " : "",
             kind);
}

static void keep_subscribe(struct zkt_host *host, struct zkt_msg *m,
                           struct zkt_msg *carrier)
{
    note_up("subscribe");
    rig.contact = m->contact;
    if (carrier != NULL) {
        zkt__release(host->allocator, carrier->of.subscribe.closing);
        carrier->of.subscribe.closing = NULL;
    }
    assert_true(rig.owed < OWED_MAX);
    rig.generations[rig.owed] = m->generation;
    rig.carriers[rig.owed++] = carrier;
}

static void take_up(struct zkt_host *host, struct zkt_msg *m,
                    struct zkt_msg *carrier)
{
    struct zkt_contact *contact = m->contact;
    struct zkt_msg left = { .kind = ZKT_MSG_LEFT, .contact = contact };
    switch (m->kind) {
    case ZKT_MSG_SUBSCRIBE:
        keep_subscribe(host, m, carrier);
        break;
    case ZKT_MSG_UNSUBSCRIBE:
        note_up("unsubscribe");
        zkt__msg_free(host->allocator, carrier);
        break;
    case ZKT_MSG_SNAPSHOT:
        note_up("snapshot");
        break;
    case ZKT_MSG_LEAVE:
        note_up("leave");
        rig.contact = NULL;
        (void)zkt__deliver(host, contact->peer->shard, &left,
                           zkt__contact_leave_carrier(contact));
        break;
    default:
        fail();
    }
}

static const struct zkt_receivers receivers = {
    .to_instance = take_up,
    .to_session = zkt__sessions_take,
};

static void settle(void)
{
    for (uint32_t i = 0; i < 6; i++) {
        turn(rig.server->shards->all[i % rig.shards]);
    }
}

static void begin(uint32_t shards)
{
    const struct zkt_limits limits = { .output_high = 400,
                                       .output_stuck_ms = 60000 };
    rig = (struct rig){ .shards = shards };
    failing_alloc_init(&rig.counting, 0);
    rig.server = new_slow_shards(&limits, &rig.counting.allocator, shards);
    zkt__server_run_shards(rig.server, shards);
    struct zkt_host *host = host_of(0);
    host->receivers = &receivers;
    const struct zkt_actor *job = host->app.info->actors[0];
    const struct zkt_str x = ZKT_STR("x");
    rig.location = zkt__location_take(host, job, x,
                                      zkt__location_hash(host, job, x));
    assert_non_null(rig.location);
    rig.wire = open_slow(rig.server->shards->all[shard_of_wire()]);
}

/* Sends a message down; @carrier is its memory, or NULL. */
static void send_down(struct zkt_msg *m, struct zkt_msg *carrier)
{
    m->contact = rig.contact;
    assert_true(zkt__deliver(host_of(0), shard_of_wire(), m, carrier));
    settle();
}

static struct zkt_buffer *make_frame(const char *type)
{
    struct zkt_writer *w = &host_of(0)->plain;
    zkt__frame_begin(w);
    zkt_write_raw(w, type, strlen(type));
    struct zkt_buffer *frame = zkt__frame_share(w);
    assert_non_null(frame);
    return frame;
}

/* ---- events ---- */

static enum zkt_topic topic;

static void say(const char *what)
{
    char text[128];
    snprintf(text, sizeof(text), SUB("%s:%s", "x"),
             topic == ZKT_TOPIC_STATE ? "state" : "event", what);
    send_text(&rig.wire, text, false);
    settle();
}

static void ask_for_it(void)
{
    say("sub");
}

static void drop_it(void)
{
    say("unsub");
}

/* Returns the carrier of the first owed reply and makes @m that reply. */
static struct zkt_msg *take_carrier(struct zkt_msg *m)
{
    assert_true(rig.owed > 0);
    struct zkt_msg *carrier = rig.carriers[0];
    m->generation = rig.generations[0];
    rig.owed--;
    memmove(rig.carriers, rig.carriers + 1, rig.owed * sizeof(carrier));
    memmove(rig.generations, rig.generations + 1,
            rig.owed * sizeof(rig.generations[0]));
    return carrier;
}

static void answer_with(struct zkt_catch_up what, bool omitted)
{
    struct zkt_msg m = { .kind = topic == ZKT_TOPIC_STATE ? ZKT_MSG_CATCH_UP
                                                          : ZKT_MSG_SUBSCRIBED,
                         .of.catch_up = { .content = what,
                                          .snapshot_omitted = omitted } };
    struct zkt_msg *carrier = take_carrier(&m);
    send_down(&m, carrier);
}

static void answer(void)
{
    struct zkt_buffer *frame = make_frame("snapshot");
    answer_with((struct zkt_catch_up){ .snapshot = frame }, false);
    zkt__buffer_unref(frame);
}

/* The instance has no memory for a snapshot. */
static void answer_without(void)
{
    answer_with((struct zkt_catch_up){ 0 }, false);
}

/* The reader is slow: the reply postpones the snapshot. */
static void answer_later(void)
{
    answer_with((struct zkt_catch_up){ 0 }, true);
}

static void refuse_it(void)
{
    struct zkt_msg m = { .kind = ZKT_MSG_CLOSED,
                         .topic = topic,
                         .of.closed = { .status = ZKT_RESOURCE_EXHAUSTED,
                                        .text = ZKT_STR("full"),
                                        .refused = true } };
    struct zkt_msg *carrier = take_carrier(&m);
    send_down(&m, carrier);
}

static void end_instance(void)
{
    struct zkt_msg m = { .kind = ZKT_MSG_CLOSED,
                         .of.closed = { .status = ZKT_ABORTED,
                                        .text = ZKT_STR("gone") } };
    send_down(&m, NULL);
}

static void commit(const struct zkt_commit *commit_)
{
    struct zkt_msg m = { .kind = ZKT_MSG_COMMIT,
                         .of.commit.location = rig.contact->location,
                         .of.commit.content = commit_ };
    struct zkt_msg *carrier;
    assert_true(
        zkt__deliver_reserve(host_of(0), shard_of_wire(), &m, &carrier));
    send_down(&m, carrier);
}

/* Publishes a patch or an event, depending on the topic. */
static void publish_text(const char *text)
{
    struct zkt_buffer *frame = make_frame(text);
    const struct zkt_emitted event = { .frame = frame,
                                       .target = { .kind = ZKT_TARGET_ALL } };
    struct zkt_commit what = { .seq = 1 };
    if (topic == ZKT_TOPIC_STATE) {
        what.patch[0] = what.patch[1] = frame;
    } else {
        what.events = &event;
    }
    commit(&what);
    zkt__buffer_unref(frame);
}

static void publish(void)
{
    publish_text("patch");
}

/* Publishes more than output_high. */
static void publish_over(void)
{
    char text[500];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    publish_text(text);
}

/* The reader takes all queued messages. */
static void take_all(void)
{
    drain(&rig.wire);
    settle();
    rig.wire.len = 0;
}

static void refresh_with(struct zkt_buffer *frame)
{
    struct zkt_msg m = { .kind = ZKT_MSG_CATCH_UP,
                         .of.catch_up = { .content.snapshot = frame,
                                          .refreshes = true } };
    send_down(&m, rig.shards > 1 ? &rig.contact->carriers[0].snapshot : NULL);
}

static void refresh(void)
{
    struct zkt_buffer *frame = make_frame("fresh");
    refresh_with(frame);
    zkt__buffer_unref(frame);
}

static void refresh_without(void)
{
    refresh_with(NULL);
}

/* The connection closes, in any state: the contact leaves, and its
 * subscriptions end with it. */
static void lose_wire(void)
{
    const bool stays = rig.contact != NULL;
    rig.up[0] = '\0';
    close_wire(&rig.wire);
    settle();
    assert_string_equal(rig.up, stays ? "leave" : "");
    assert_null(rig.contact);
}

/* ---- the table ---- */

/* The steps that lead to a state. */
typedef void (*step)(void);

static const step to_off[] = { ask_for_it, drop_it, answer, take_all, NULL };
static const step to_given_up[] = { ask_for_it, drop_it, NULL };
static const step to_asked[] = { ask_for_it, NULL };
static const step to_asked_twice[] = { ask_for_it, ask_for_it, NULL };
static const step to_live_asked_twice[] = { ask_for_it, answer,     take_all,
                                            ask_for_it, ask_for_it, NULL };
static const step to_asked_anew[] = { ask_for_it, drop_it, ask_for_it, NULL };
static const step to_live[] = { ask_for_it, answer, take_all, NULL };
static const step to_live_asked[] = { ask_for_it, answer, take_all, ask_for_it,
                                      NULL };
static const step to_conflated[] = { ask_for_it, answer, take_all, publish_over,
                                     NULL };
static const step to_conflated_asked[] = { ask_for_it, answer,       take_all,
                                           ask_for_it, publish_over, NULL };
static const step to_fetching[] = { ask_for_it,   answer,   take_all,
                                    publish_over, take_all, NULL };
static const step to_fetching_asked[] = { ask_for_it, answer,       take_all,
                                          ask_for_it, publish_over, take_all,
                                          NULL };

struct cell {
    const char *from;
    const step *way;
    const char *event;
    step happens;
    enum zkt_subscription_state then;
    uint32_t owed;  /* afterwards */
    const char *up; /* the messages to the instance */
    /* the messages to the client, after it has read everything */
    const char *told;
};

#define FULL GONE_TEXT("full", "RESOURCE_EXHAUSTED")
#define GONE GONE_TEXT("gone", "ABORTED")
#define GONE_TEXT(text, code)                                                  \
    "{\"type\":\"sub:error\",\"actor\":\"job\",\"actorId\":\"x\","             \
    "\"error\":\"" text "\",\"code\":\"" code "\"}\n"
#define LOST "close 1011\n"
#define CELL(from, event, happens, ...)                                        \
    {                                                                          \
#from, to_##from, event, happens, __VA_ARGS__                          \
    }

/* States as in the table of session/subscription.c. "given_up" is off with a
 * reply under way, "_asked" has asked again, "asked_anew" has asked after
 * giving up. Without memory a connection ends, in any state. */
static const struct cell state_cells[] = {
    CELL(off, "ask", ask_for_it, ZKT_SUB_ASKED, 1, "subscribe", ""),
    CELL(off, "drop", drop_it, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "end", end_instance, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "patch", publish, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "over", publish_over, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "refresh", refresh, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "no refresh", refresh_without, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "head", take_all, ZKT_SUB_OFF, 0, "", ""),

    CELL(given_up, "ask", ask_for_it, ZKT_SUB_ASKED, 1, "subscribe", ""),
    CELL(given_up, "drop", drop_it, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "answer", answer, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "later", answer_later, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "no memory", answer_without, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "end", end_instance, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "patch", publish, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "head", take_all, ZKT_SUB_OFF, 0, "", ""),

    CELL(asked, "ask", ask_for_it, ZKT_SUB_ASKED, 2, "subscribe", ""),
    CELL(asked, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(asked, "answer", answer, ZKT_SUB_LIVE, 0, "", "snapshot\n"),
    CELL(asked, "later", answer_later, ZKT_SUB_FETCHING, 0, "snapshot", ""),
    CELL(asked, "no memory", answer_without, ZKT_SUB_ASKED, 0, "", LOST),
    CELL(asked, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", FULL),
    CELL(asked, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked, "patch", publish, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked, "over", publish_over, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked, "refresh", refresh, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked, "head", take_all, ZKT_SUB_ASKED, 1, "", ""),

    CELL(asked_anew, "ask", ask_for_it, ZKT_SUB_ASKED, 2, "subscribe", ""),
    CELL(asked_anew, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(asked_anew, "answer", answer, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked_anew, "later", answer_later, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked_anew, "refuse", refuse_it, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked_anew, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked_anew, "patch", publish, ZKT_SUB_ASKED, 1, "", ""),

    CELL(asked_twice, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(asked_twice, "answer", answer, ZKT_SUB_LIVE, 1, "", "snapshot\n"),
    CELL(asked_twice, "later", answer_later, ZKT_SUB_FETCHING, 1, "snapshot",
         ""),
    CELL(asked_twice, "refuse", refuse_it, ZKT_SUB_ASKED, 1, "", FULL),
    CELL(asked_twice, "end", end_instance, ZKT_SUB_ASKED, 2, "", ""),
    CELL(asked_twice, "patch", publish, ZKT_SUB_ASKED, 2, "", ""),

    CELL(live, "ask", ask_for_it, ZKT_SUB_LIVE, 1, "subscribe", ""),
    CELL(live, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(live, "end", end_instance, ZKT_SUB_OFF, 0, "", GONE),
    CELL(live, "patch", publish, ZKT_SUB_LIVE, 0, "", "patch\n"),
    CELL(live, "over", publish_over, ZKT_SUB_FETCHING, 0, "snapshot", ""),
    CELL(live, "refresh", refresh, ZKT_SUB_LIVE, 0, "", ""),
    CELL(live, "no refresh", refresh_without, ZKT_SUB_LIVE, 0, "", ""),
    CELL(live, "head", take_all, ZKT_SUB_LIVE, 0, "", ""),

    CELL(live_asked, "ask", ask_for_it, ZKT_SUB_LIVE, 2, "subscribe", ""),
    CELL(live_asked, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(live_asked, "answer", answer, ZKT_SUB_LIVE, 0, "", "snapshot\n"),
    CELL(live_asked, "later", answer_later, ZKT_SUB_FETCHING, 0, "snapshot",
         ""),
    CELL(live_asked, "no memory", answer_without, ZKT_SUB_LIVE, 0, "", LOST),
    CELL(live_asked, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", FULL),
    CELL(live_asked, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),
    CELL(live_asked, "patch", publish, ZKT_SUB_LIVE, 1, "", "patch\n"),
    CELL(live_asked, "over", publish_over, ZKT_SUB_FETCHING, 1, "snapshot", ""),

    CELL(live_asked_twice, "answer", answer, ZKT_SUB_LIVE, 1, "", "snapshot\n"),
    CELL(live_asked_twice, "refuse", refuse_it, ZKT_SUB_ASKED, 1, "", FULL),

    CELL(conflated, "ask", ask_for_it, ZKT_SUB_FETCHING, 0, "snapshot", ""),
    CELL(conflated, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(conflated, "end", end_instance, ZKT_SUB_OFF, 0, "", GONE),
    CELL(conflated, "patch", publish, ZKT_SUB_FETCHING, 0, "snapshot", ""),
    CELL(conflated, "over", publish_over, ZKT_SUB_FETCHING, 0, "snapshot", ""),
    CELL(conflated, "refresh", refresh, ZKT_SUB_FETCHING, 0, "snapshot", ""),
    CELL(conflated, "head", take_all, ZKT_SUB_FETCHING, 0, "snapshot", ""),

    CELL(conflated_asked, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(conflated_asked, "answer", answer, ZKT_SUB_FETCHING, 0, "snapshot",
         ""),
    CELL(conflated_asked, "later", answer_later, ZKT_SUB_FETCHING, 0,
         "snapshot", ""),
    CELL(conflated_asked, "no memory", answer_without, ZKT_SUB_CONFLATED, 0, "",
         LOST),
    CELL(conflated_asked, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", FULL),
    CELL(conflated_asked, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),

    CELL(fetching, "ask", ask_for_it, ZKT_SUB_FETCHING, 0, "", ""),
    CELL(fetching, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(fetching, "end", end_instance, ZKT_SUB_OFF, 0, "", GONE),
    CELL(fetching, "patch", publish, ZKT_SUB_FETCHING, 0, "", ""),
    CELL(fetching, "over", publish_over, ZKT_SUB_FETCHING, 0, "", ""),
    CELL(fetching, "refresh", refresh, ZKT_SUB_LIVE, 0, "", "fresh\n"),
    CELL(fetching, "no refresh", refresh_without, ZKT_SUB_FETCHING, 0, "",
         LOST),
    CELL(fetching, "head", take_all, ZKT_SUB_FETCHING, 0, "", ""),

    CELL(fetching_asked, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(fetching_asked, "answer", answer, ZKT_SUB_FETCHING, 0, "", ""),
    CELL(fetching_asked, "later", answer_later, ZKT_SUB_FETCHING, 0, "", ""),
    CELL(fetching_asked, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", FULL),
    CELL(fetching_asked, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),
    CELL(fetching_asked, "refresh", refresh, ZKT_SUB_LIVE, 1, "", "fresh\n"),
};

/* Events are never conflated. */
static const struct cell event_cells[] = {
    CELL(off, "ask", ask_for_it, ZKT_SUB_ASKED, 1, "subscribe", ""),
    CELL(off, "drop", drop_it, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "end", end_instance, ZKT_SUB_OFF, 0, "", ""),
    CELL(off, "event", publish, ZKT_SUB_OFF, 0, "", ""),

    CELL(given_up, "ask", ask_for_it, ZKT_SUB_ASKED, 1, "subscribe", ""),
    CELL(given_up, "answer", answer, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "end", end_instance, ZKT_SUB_OFF, 0, "", ""),
    CELL(given_up, "event", publish, ZKT_SUB_OFF, 0, "", ""),

    CELL(asked, "ask", ask_for_it, ZKT_SUB_ASKED, 2, "subscribe", ""),
    CELL(asked, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(asked, "answer", answer, ZKT_SUB_LIVE, 0, "", ""),
    CELL(asked, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", FULL),
    CELL(asked, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked, "event", publish, ZKT_SUB_ASKED, 1, "", ""),

    CELL(asked_anew, "answer", answer, ZKT_SUB_ASKED, 1, "", ""),
    CELL(asked_anew, "refuse", refuse_it, ZKT_SUB_ASKED, 1, "", ""),

    CELL(live, "ask", ask_for_it, ZKT_SUB_LIVE, 1, "subscribe", ""),
    CELL(live, "drop", drop_it, ZKT_SUB_OFF, 0, "unsubscribe", ""),
    CELL(live, "end", end_instance, ZKT_SUB_OFF, 0, "", GONE),
    CELL(live, "event", publish, ZKT_SUB_LIVE, 0, "", "patch\n"),

    CELL(live_asked, "answer", answer, ZKT_SUB_LIVE, 0, "", ""),
    CELL(live_asked, "refuse", refuse_it, ZKT_SUB_OFF, 0, "", FULL),
    CELL(live_asked, "end", end_instance, ZKT_SUB_ASKED, 1, "", ""),
    CELL(live_asked, "event", publish, ZKT_SUB_LIVE, 1, "", "patch\n"),
};

/* Skips the messages that filled the queue on the way to the state. */
static const char *rest_of(const char *lines)
{
    while (strncmp(lines, "xxx", 3) == 0) {
        lines = strchr(lines, '\n') + 1;
    }
    return lines;
}

static void finish(void)
{
    lose_wire();
    while (rig.owed > 0) {
        struct zkt_msg unused = { 0 };
        zkt__msg_free(host_of(0)->allocator, take_carrier(&unused));
    }
    zkt__location_release(host_of(0), rig.location);
    zkt_server_free(rig.server);
    assert_int_equal(rig.counting.live, 0);
}

static enum zkt_subscription_state current(void)
{
    return rig.contact->subs[topic].state;
}

static void walk(const step *way)
{
    for (; *way != NULL; way++) {
        (*way)();
    }
}

/* Checks a cell; messages from the steps before it do not count. */
static void check_cell(const struct cell *cell, uint32_t shards)
{
    begin(shards);
    walk(cell->way);
    rig.up[0] = '\0';
    cell->happens();
    const char *told = rest_of(said(&rig.wire));
    assert_string_equal(told, cell->told);
    settle();
    if (rig.contact != NULL && session()->open) {
        assert_int_equal(current(), cell->then);
        assert_int_equal(rig.contact->subs[topic].owed, cell->owed);
        assert_int_equal(session()->outstanding, rig.owed);
        assert_int_equal(session()->subscriptions, cell->then != ZKT_SUB_OFF);
        assert_string_equal(rig.up, cell->up);
    }
    finish();
}

static void check_cells(const struct cell *cells, size_t count)
{
    for (uint32_t shards = 1; shards <= 2; shards++) {
        for (size_t i = 0; i < count; i++) {
            print_message("# %s, %u: %s\n", cells[i].from, shards,
                          cells[i].event);
            check_cell(&cells[i], shards);
        }
    }
}

static void test_state(void **state)
{
    (void)state;
    topic = ZKT_TOPIC_STATE;
    check_cells(state_cells, sizeof(state_cells) / sizeof(state_cells[0]));
}

static void test_events(void **state)
{
    (void)state;
    topic = ZKT_TOPIC_EVENTS;
    check_cells(event_cells, sizeof(event_cells) / sizeof(event_cells[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
