/*
 * Random runs of a state with readers, on one to three shards: clients come and
 * go, subscribe and unsubscribe, read slowly, change their data; calls succeed,
 * fail, and are deferred with the state changed; in some runs allocations fail.
 *
 * Each hidden value is a word of its own. At the end of each call the test
 * notes which connections may read the words in the state. Every byte that a
 * connection receives is searched for words that it may not read. Whenever
 * nothing is under way, the copy of each subscriber, to which its patches were
 * applied, is the state as it may see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sight.h"
#include "state/record.h"

enum {
    CLIENTS = 6,
    INSTANCES = 2,
    PEOPLE = 64, /* connections of a run */
    STEPS = 300,
    WORDS = 8192,
    HELD = 8,
    DATA_MAX = 32,
    USERS = 5
};

static const char *const users[USERS] = { "", "ada", "bob", "a/b~c", "eve" };
static const char *const instance_names[INSTANCES] = { "a", "b" };

struct data {
    int32_t role;
    int user;
};

struct copy {
    struct sight_draw_state state;
    bool exists; /* a snapshot has arrived */
    bool wanted; /* the client has subscribed, and read no error since */
};

struct client {
    struct peer peer;
    bool open, rfc6902;
    bool told;     /* it has read a close frame */
    int number;    /* of the connection */
    size_t parsed; /* bytes of its output */
    /* Its data, and earlier ones by which it may still be served. */
    struct data data[DATA_MAX];
    int data_count;
    struct copy copies[INSTANCES];
};

static struct client clients[CLIENTS];
static int people;                 /* connections so far */
static uint64_t readers_of[WORDS]; /* bits: connections that may read a word */
static int words;
static struct sight_draw_go_later *held[HELD];
static int held_count;
/* Open calls; their first half is committed. */
static struct sight_draw_wander_later *opened[HELD];
static int opened_count;
static uint64_t randomness;
static bool may_fail;                 /* allocations fail */
static int snapshots, patches, hints; /* received */

static uint32_t below(uint32_t n)
{
    randomness = randomness * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(randomness >> 33) % n;
}

/* ---- words ---- */

/* Returns a word that is used once. */
static struct zkt_str new_word(void)
{
    static char text[16];
    assert_in_range(words, 0, WORDS - 1);
    readers_of[words] = 0;
    const int len = snprintf(text, sizeof(text), "HID%05dx", words++);
    return (struct zkt_str){ text, (size_t)len };
}

static void permit(const struct client *client, struct zkt_str word)
{
    for (size_t i = 0; i + 8 <= word.len; i++) {
        if (memcmp(word.data + i, "HID", 3) == 0) {
            readers_of[atoi(word.data + i + 3)] |= (uint64_t)1
                                                   << client->number;
        }
    }
}

static void permit_card(const struct client *client,
                        const struct sight_card *card)
{
    permit(client, card->text);
    for (size_t i = 0; i < card->marks.len; i++) {
        permit(client, card->marks.items[i]);
    }
}

static bool may_be_judge(const struct client *client)
{
    bool may = false;
    for (int i = 0; i < client->data_count; i++) {
        may = may || client->data[i].role >= ROLE_OF_JUDGES;
    }
    return may;
}

static bool may_be_user(const struct client *client, struct zkt_str key)
{
    bool may = false;
    for (int i = 0; i < client->data_count; i++) {
        const int user = client->data[i].user;
        may = may || (user > 0 && zkt_str_eq(key, zkt_cstr(users[user])));
    }
    return may;
}

/* Permits the words that a client may read in a state. */
static void permit_state(const struct client *client,
                         const struct sight_draw_state *state,
                         struct zkt_str drawer)
{
    if (state->word.has && zkt_str_eq(drawer, zkt_cstr(client->peer.id))) {
        permit(client, state->word.value);
    }
    if (state->clue.has && may_be_judge(client)) {
        permit_card(client, &state->clue.value);
    }
    for (size_t i = 0; i < state->hands.len; i++) {
        if (may_be_user(client, state->hands.items[i].key)) {
            permit_card(client, &state->hands.items[i].value);
        }
    }
    for (size_t i = 0; i < state->moves.len; i++) {
        if (zkt_str_eq(state->moves.items[i].key, zkt_cstr(client->peer.id))) {
            permit(client, state->moves.items[i].value);
        }
    }
}

static const struct zkt_instance *find_instance(int i)
{
    for (uint32_t s = 0; s < shards; s++) {
        const struct zkt_location *location = zkt__location_find(
            &shard(s)->host, &sight_actor, zkt_cstr(instance_names[i]));
        if (location != NULL && location->instance != NULL) {
            return location->instance;
        }
    }
    return NULL;
}

/* Permits a state to all clients. */
static void permit_everybody(const struct sight_draw_state *state,
                             const struct sight_draw_private *private_state)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].open) {
            permit_state(&clients[i], state, private_state->drawer);
        }
    }
}

/* The same of all states that are there now. Those that a deferred call has
 * changed may come back, without memory, and are permitted then. */
static void permit_all(void)
{
    for (int i = 0; i < INSTANCES; i++) {
        const struct zkt_instance *instance = find_instance(i);
        if (instance != NULL) {
            permit_everybody(instance->state, instance->private_state);
        }
    }
}

/* ---- handlers ---- */

static struct client *any_client(void)
{
    return &clients[below(CLIENTS)];
}

static struct zkt_str any_id(void)
{
    return zkt_cstr(any_client()->peer.id);
}

static struct zkt_str any_user(void)
{
    return zkt_cstr(users[1 + below(USERS - 1)]);
}

static void write_clue(struct sight_draw_call *call)
{
    const struct sight_card clue = { .text = new_word() };
    if (!call->state->clue.has) {
        sight_draw_set_clue(call, &clue);
    } else if (below(4) == 0) {
        sight_draw_unset_clue(call);
    } else {
        struct sight_card_ref ref = sight_draw_edit_clue(call);
        const size_t len = call->state->clue.value.marks.len;
        sight_card_insert_marks(ref, below((uint32_t)len + 1), new_word());
    }
}

static void write_hands(struct sight_draw_call *call)
{
    const struct zkt_str user = any_user();
    struct sight_card dealt = { .text = new_word() };
    const bool exists = sight_card_map_find(&call->state->hands, user) != NULL;
    switch (below(8)) {
    case 0:
        if (exists) {
            sight_draw_remove_hands(call, user);
        }
        break;
    case 1:
        sight_draw_clear_hands(call);
        break;
    case 2:
        sight_draw_set_hands(
            call,
            &(const struct sight_card_map){
                &(const struct sight_card_entry){ user, dealt }, 1, NULL });
        break;
    case 3:
    case 4:
        if (exists) {
            sight_card_append_marks(sight_draw_edit_hands(call, user),
                                    dealt.text);
        }
        break;
    default:
        sight_draw_put_hands(call, user, &dealt);
        break;
    }
}

static void write_moves(struct sight_draw_call *call)
{
    const struct zkt_str id = any_id();
    if (below(6) == 0) {
        sight_draw_clear_moves(call);
    } else if (id.len > 0) {
        sight_draw_put_moves(call, id, new_word());
    }
}

static void write_items(struct sight_draw_call *call)
{
    char text[2000];
    const size_t len = call->state->items.len;
    memset(text, 'i', sizeof(text));
    if (len > 12) {
        sight_draw_remove_items(call, below((uint32_t)len), 1);
    } else {
        const size_t size = below(4) == 0 ? sizeof(text) : 1 + below(20);
        sight_draw_insert_items(call, below((uint32_t)len + 1),
                                (struct zkt_str){ text, size });
    }
}

/* An event with a hidden word, for an audience. */
static void hint(struct sight_draw_call *call)
{
    const bool to_judge = below(2) == 0;
    const struct sight_draw_hint_event payload = { new_word() };
    sight_draw_emit_hint(call, &payload,
                         to_judge ? sight_draw_to_judge()
                                  : sight_draw_to_drawer());
    for (int i = 0; i < CLIENTS; i++) {
        const struct client *c = &clients[i];
        if (c->open && (to_judge ? may_be_judge(c)
                                 : zkt_str_eq(call->private_state->drawer,
                                              zkt_cstr(c->peer.id)))) {
            permit(c, payload.text);
        }
    }
}

static void write_something(struct sight_draw_call *call)
{
    switch (below(8)) {
    case 0:
        sight_draw_set_n(call, (int32_t)below(5));
        break;
    case 1:
        write_items(call);
        break;
    case 2:
        if (below(4) == 0) {
            sight_draw_unset_word(call);
        } else {
            sight_draw_set_word(call, new_word());
        }
        break;
    case 3:
        write_clue(call);
        break;
    case 4:
        write_moves(call);
        break;
    case 5:
        sight_draw_set_drawer(call, any_id());
        break;
    default:
        write_hands(call);
        break;
    }
    if (below(60) == 0) {
        zkt_expel(call->zkt, any_id(), ZKT_PERMISSION_DENIED, "out");
    }
}

static void change_data(struct sight_draw_call *call)
{
    const struct zkt_str id = zkt_client_id(call->zkt);
    struct client *client = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        if (zkt_str_eq(id, zkt_cstr(clients[i].peer.id))) {
            client = &clients[i];
        }
    }
    if (client == NULL || call->connection == NULL ||
        client->data_count == DATA_MAX) {
        return;
    }
    struct data data = client->data[client->data_count - 1];
    if (below(2) == 0) {
        data.role = (int32_t)below(2) * ROLE_OF_JUDGES;
        sight_connection_set_role(call->zkt, data.role);
    } else {
        data.user = (int)below(USERS);
        if (data.user > 0) {
            sight_connection_set_user(call->zkt, zkt_cstr(users[data.user]));
        } else {
            sight_connection_unset_user(call->zkt);
        }
    }
    client->data[client->data_count++] = data;
    permit_all();
}

/* The end of a handler that succeeds. */
static enum zkt_status succeed(struct sight_draw_call *call)
{
    if (below(4) == 0) {
        hint(call);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].open) {
            permit_state(&clients[i], call->state, call->private_state->drawer);
        }
    }
    return ZKT_OK;
}

static enum zkt_status write_and_end(struct sight_draw_call *call)
{
    for (uint32_t i = below(5); i > 0; i--) {
        write_something(call);
    }
    return succeed(call);
}

static enum zkt_status second_half(struct sight_draw_call *call, int32_t *out,
                                   void *user)
{
    (void)user;
    *out = 0;
    return zkt_cancelled(call->zkt) ? ZKT_OK : write_and_end(call);
}

static enum zkt_status play(struct sight_draw_call *call)
{
    permit_everybody(call->state, call->private_state);
    switch (below(8)) {
    case 0:
        for (uint32_t i = 0; i < 3; i++) {
            write_something(call);
        }
        return zkt_fail(call->zkt, ZKT_ABORTED, "no");
    case 1:
        if (held_count < HELD) {
            for (uint32_t i = below(3); i > 0; i--) {
                write_something(call);
            }
            held[held_count] = sight_draw_defer_go(call);
            held_count += held[held_count] != NULL;
            return ZKT_PENDING;
        }
        break;
    case 2:
    case 3:
        change_data(call);
        break;
    default:
        break;
    }
    return write_and_end(call);
}

/* The first half of a call that lets others in is a commit of its own. */
static enum zkt_status wander_off(struct sight_draw_call *call)
{
    permit_everybody(call->state, call->private_state);
    (void)write_and_end(call);
    if (opened_count < HELD) {
        opened[opened_count] = sight_draw_defer_wander(call);
        opened_count += opened[opened_count] != NULL;
        return ZKT_PENDING;
    }
    return ZKT_OK;
}

static enum zkt_status come_back(struct sight_draw_call *call, int32_t *out,
                                 void *user)
{
    if (below(3) == 0) {
        write_something(call);
        return zkt_fail(call->zkt, ZKT_ABORTED, "no");
    }
    return second_half(call, out, user);
}

static void resume_opened(void)
{
    if (opened_count > 0) {
        const int i = (int)below((uint32_t)opened_count);
        struct sight_draw_wander_later *later = opened[i];
        opened[i] = opened[--opened_count];
        sight_draw_resume_wander(later, come_back, NULL);
    }
}

static void resume_one(void)
{
    if (held_count > 0) {
        const int i = (int)below((uint32_t)held_count);
        struct sight_draw_go_later *later = held[i];
        held[i] = held[--held_count];
        sight_draw_resume_go(later, second_half, NULL);
    }
}

/* ---- output ---- */

static void check_words(const struct client *client, const char *text,
                        size_t len)
{
    for (size_t i = 0; i + 8 <= len; i++) {
        if (memcmp(text + i, "HID", 3) == 0) {
            const int word = atoi(text + i + 3);
            if ((readers_of[word] >> client->number & 1) == 0) {
                const size_t from = i > 200 ? i - 200 : 0;
                fail_msg("connection %d has read HID%05d: %.*s", client->number,
                         word, (int)(i + 8 - from), text + from);
            }
        }
    }
}

static struct zkt_store *store(void)
{
    return &server->host.store;
}

static const struct zkt_type *state_type(void)
{
    return sight_actor.state;
}

static void clear_copy(struct copy *copy)
{
    zkt__value_release(store(), state_type(), &copy->state);
    copy->exists = false;
}

static void take_snapshot(struct copy *copy, const char *text, size_t len,
                          struct zkt_arena *arena)
{
    struct zkt_issues issues = { .arena = arena };
    struct zkt_reader reader;
    struct sight_draw_state decoded = { 0 };
    char *padded = zkt__arena_zero(arena, len + ZKT_PADDING, 1);
    memcpy(padded, text, len);
    zkt__reader_init(&reader, padded, len, arena, &issues, &store()->key);
    reader.tolerant = true;
    assert_true(state_type()->decode(&reader, state_type(), &decoded));
    assert_int_equal(issues.total, 0);
    clear_copy(copy);
    assert_true(zkt__value_copy(store(), state_type(), &copy->state, &decoded));
    copy->exists = true;
    snapshots++;
}

static void take_patch(const struct client *client, struct copy *copy,
                       const char *text, size_t len, struct zkt_arena *arena)
{
    struct zkt_issues issues = { .arena = arena };
    struct zkt_journal journal;
    struct zkt_reader reader;
    char *padded = zkt__arena_zero(arena, len + ZKT_PADDING, 1);
    memcpy(padded, text, len);
    zkt__reader_init(&reader, padded, len, arena, &issues, &store()->key);
    reader.tolerant = true;
    assert_true(zkt__journal_begin(&journal, store(), arena, &issues,
                                   state_type(), &copy->state, UINT32_MAX));
    journal.checks = false;
    if (zkt__patch_apply(&journal, &reader,
                         client->rfc6902
                             ? ZKT_DIALECT_RFC6902
                             : ZKT_DIALECT_PLAIN) != ZKT_PATCH_APPLIED) {
        fail_msg("a patch does not fit: %.*s", (int)len, text);
    }
    zkt__journal_commit(&journal);
    patches++;
}

/* Returns true if the message begins with @head for an instance; *@rest is
 * what follows. */
static bool begins(const char *text, size_t len, const char *type, int i,
                   const char *field, size_t *rest)
{
    char head[256];
    *rest = (size_t)snprintf(
        head, sizeof(head),
        "{\"type\":\"%s\",\"actor\":\"draw\",\"actorId\":\"%s\",\"%s\":", type,
        instance_names[i], field);
    return len >= *rest && memcmp(text, head, *rest) == 0;
}

static void take_message(struct client *client, const char *text, size_t len)
{
    struct zkt_arena arena;
    zkt__arena_init(&arena, store()->allocator);
    check_words(client, text, len);
    for (int i = 0; i < INSTANCES; i++) {
        struct copy *copy = &client->copies[i];
        size_t rest;
        if (begins(text, len, "state:snapshot", i, "state", &rest)) {
            take_snapshot(copy, text + rest, len - rest - 1, &arena);
        } else if (begins(text, len, "state:patch", i, "patches", &rest) &&
                   copy->exists) {
            take_patch(client, copy, text + rest, len - rest - 1, &arena);
        } else if (begins(text, len, "sub:error", i, "error", &rest) ||
                   begins(text, len, "sub:error", i, "of", &rest)) {
            clear_copy(copy);
            copy->wanted = false;
        } else if (begins(text, len, "event", i, "event", &rest)) {
            hints++;
        }
    }
    zkt__arena_finish(&arena);
}

/* Reads the whole frames of the output. */
static void parse(struct client *client)
{
    const struct wire *w = &client->peer.wire;
    const long fails = memory.fail_at;
    memory.fail_at = 0;
    while (client->parsed + 2 <= w->len) {
        const unsigned char *at = (const unsigned char *)w->text +
                                  client->parsed;
        size_t head = 2, len = at[1];
        if (len == 126) {
            head = 4;
            len = (size_t)at[2] << 8 | at[3];
        } else if (len == 127) {
            head = 10;
            len = (size_t)at[6] << 24 | (size_t)at[7] << 16 |
                  (size_t)at[8] << 8 | at[9];
        }
        if (client->parsed + head + len > w->len) {
            break;
        }
        if (at[0] == 0x81) {
            take_message(client, (const char *)at + head, len);
        }
        client->told = client->told || at[0] == 0x88;
        client->parsed += head + len;
    }
    memory.fail_at = fails;
}

/* ---- steps ---- */

static void close_client(struct client *client)
{
    for (int i = 0; i < INSTANCES; i++) {
        clear_copy(&client->copies[i]);
    }
    close_wire(&client->peer.wire);
    *client = (struct client){ .open = false };
}

static bool is_alive(const struct client *client)
{
    return client->open && !client->told &&
           zkt_endpoint_fate(client->peer.wire.e) == ZKT_FATE_OPEN;
}

/* Reads the output of a client, which ends if its connection has. */
static void read_client(struct client *client)
{
    if (client->open) {
        permit_all();
        drain(&client->peer.wire);
        parse(client);
        if (!is_alive(client)) {
            close_client(client);
        }
    }
}

static void open_client(struct client *client)
{
    const int user = (int)below(USERS);
    const bool rfc6902 = below(2) == 0;
    const long fails = memory.fail_at;
    if (people == PEOPLE) {
        return;
    }
    memory.fail_at = 0;
    *client = (struct client){
        .peer = enter_in(below(shards), users[user], rfc6902),
        .open = true,
        .rfc6902 = rfc6902,
        .number = people++,
        .data = { { 0, user } },
        .data_count = 1,
    };
    assert_int_equal(strlen(client->peer.id), ZKT_CLIENT_ID_LEN);
    memory.fail_at = fails;
    permit_all();
}

static void send_to(struct client *client, int i, const char *form)
{
    char text[256];
    snprintf(text, sizeof(text), form, instance_names[i]);
    send_text(&client->peer.wire, text, false);
}

#define TO(type) "{\"type\":\"" type "\",\"actor\":\"draw\",\"actorId\":\"%s\"}"
#define CALL(method)                                                           \
    "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"draw\",\"actorId\":\"%s\","    \
    "\"method\":\"" method "\"}"

static void act(struct client *client)
{
    const int i = (int)below(INSTANCES);
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
        client->copies[i].wanted = true;
        send_to(client, i, TO("state:sub"));
        break;
    case 3:
        send_to(client, i, TO("event:sub"));
        break;
    case 4:
        client->copies[i].wanted = false;
        send_to(client, i, TO("state:unsub"));
        break;
    case 5:
        send_to(client, i, TO("event:unsub"));
        break;
    case 6:
        if (below(2) == 0) {
            close_client(client);
        } else if (below(4) == 0) {
            (void)zkt_server_destroy(server, ZKT_STR("draw"),
                                     zkt_cstr(instance_names[i]));
        }
        break;
    case 7:
        send_to(client, i, CALL("wander"));
        break;
    default:
        send_to(client, i, CALL("go"));
        break;
    }
}

static void step(void)
{
    struct client *client = any_client();
    if (may_fail && below(4) == 0) {
        memory.fail_at = memory.calls + 1 + (long)below(30);
    }
    if (client->open && !is_alive(client)) {
        read_client(client);
    }
    if (!client->open) {
        open_client(client);
    } else {
        act(client);
    }
    if (below(3) == 0) {
        zkt_server_advance(shard(below(shards)), 0);
    }
    if (below(4) == 0) {
        pass(0);
    }
    if (below(3) == 0) {
        read_client(any_client());
    }
    if (below(4) == 0) {
        resume_one();
        resume_opened();
    }
}

/* ---- when nothing is under way ---- */

static void settle(void)
{
    memory.fail_at = 0;
    for (int quiet = 0; quiet < 4; quiet++) {
        size_t before = 0, after = 0;
        for (int i = 0; i < CLIENTS; i++) {
            before += clients[i].parsed;
        }
        while (held_count + opened_count > 0) {
            resume_one();
            resume_opened();
            quiet = 0;
        }
        pass(0);
        for (int i = 0; i < CLIENTS; i++) {
            read_client(&clients[i]);
            after += clients[i].parsed;
        }
        quiet = before == after ? quiet : 0;
    }
}

static struct data data_of(const struct client *client)
{
    const struct zkt_session *session =
        &ZKT_CONTAINER(client->peer.wire.e, struct zkt_connection, endpoint)
             ->session;
    const struct sight_connection *data = session->record->data;
    struct data found = { data->role, 0 };
    for (int i = 1; i < USERS && data->user.has; i++) {
        found.user = zkt_str_eq(data->user.value, zkt_cstr(users[i]))
                         ? i
                         : found.user;
    }
    return found;
}

/* Checks that the copy of a client is the state as it may see it. */
static void check_copy(const struct client *client, int i)
{
    const struct copy *copy = &client->copies[i];
    const struct zkt_instance *instance = find_instance(i);
    const struct data *data = &client->data[0];
    if (!copy->wanted) {
        return;
    }
    assert_true(copy->exists);
    assert_non_null(instance);
    const struct sight_draw_private *private_state = instance->private_state;
    struct sight_draw_state seen =
        *(const struct sight_draw_state *)instance->state;
    struct sight_card_entry hand = { { NULL, 0 }, { { NULL, 0 }, { 0 } } };
    struct zkt_str_entry move = { { NULL, 0 }, { NULL, 0 } };
    const struct sight_card *held_card = sight_card_map_find(
        &seen.hands, zkt_cstr(users[data->user]));
    seen.word.has = seen.word.has && zkt_str_eq(private_state->drawer,
                                                zkt_cstr(client->peer.id));
    seen.clue.has = seen.clue.has && data->role >= ROLE_OF_JUDGES;
    if (held_card != NULL && data->user > 0) {
        hand.key = zkt_cstr(users[data->user]);
        hand.value = *held_card;
    }
    for (size_t m = 0; m < seen.moves.len; m++) {
        if (zkt_str_eq(seen.moves.items[m].key, zkt_cstr(client->peer.id))) {
            move = seen.moves.items[m];
        }
    }
    seen.hands = (struct sight_card_map){ &hand, hand.key.data != NULL, NULL };
    seen.moves = (struct zkt_str_map){ &move, move.key.data != NULL, NULL };
    assert_true(zkt__value_equal(state_type(), &seen, &copy->state));
}

static void check(void)
{
    settle();
    for (int c = 0; c < CLIENTS; c++) {
        struct client *client = &clients[c];
        if (!client->open) {
            continue;
        }
        client->data[0] = data_of(client);
        client->data_count = 1;
        for (int i = 0; i < INSTANCES; i++) {
            check_copy(client, i);
        }
    }
}

static struct zkt_limits draw_limits(void)
{
    struct zkt_limits limits = { .handler_ms = 1000000 };
    if (below(2) == 0) {
        limits.output_high = 500 + below(3000);
    }
    if (below(4) == 0) {
        limits.pieces = 2;
    }
    return limits;
}

static void run(uint64_t seed)
{
    randomness = seed * 2654435761u + 1;
    shards = 1 + (uint32_t)(seed % 3);
    may_fail = seed % 4 == 3;
    words = people = held_count = opened_count = 0;
    make_tables();
    sight_actor.hooks[ZKT_HOOK_SUBSCRIBE].declared = below(4) == 0;
    failing_alloc_init(&memory, 0);
    begin_with(draw_limits());
    plays.go = play;
    plays.wander = wander_off;
    for (int i = 0; i < STEPS; i++) {
        step();
        if (below(30) == 0) {
            check();
        }
    }
    check();
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].open) {
            close_client(&clients[i]);
        }
    }
    pass(0);
    end();
}

static uint64_t first_seed = 1, last_seed = 150;

static void test_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        print_message("# seed %d\n", (int)seed);
        run(seed);
    }
    print_message("# %d snapshots, %d patches, %d hints\n", snapshots, patches,
                  hints);
    if (last_seed > first_seed) {
        assert_true(snapshots > 100 && patches > 100 && hints > 10);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_runs) };
    if (argc > 1) {
        first_seed = last_seed = strtoull(argv[1], NULL, 10);
    }
    if (argc > 2) {
        last_seed = strtoull(argv[2], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
