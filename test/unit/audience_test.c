/*
 * Audiences and identities: the exact messages of every subscriber, on one
 * shard and on two. The first argument is the number of shards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sight.h"

/* The argument of the functions below. */
static struct {
    struct zkt_str client, user, text;
} with;

static const struct sight_card *card(const char *text)
{
    static struct sight_card card;
    card = (struct sight_card){ .text = zkt_cstr(text) };
    return &card;
}

/* ---- functions of calls ---- */

static enum zkt_status count_up(struct sight_draw_call *call)
{
    sight_draw_set_n(call, call->state->n + 1);
    return ZKT_OK;
}

static enum zkt_status set_word(struct sight_draw_call *call)
{
    sight_draw_set_word(call, with.text);
    return ZKT_OK;
}

static enum zkt_status unset_word(struct sight_draw_call *call)
{
    sight_draw_unset_word(call);
    return ZKT_OK;
}

static enum zkt_status appoint(struct sight_draw_call *call)
{
    sight_draw_set_drawer(call, with.client);
    return ZKT_OK;
}

static enum zkt_status appoint_and_write(struct sight_draw_call *call)
{
    sight_draw_set_drawer(call, with.client);
    sight_draw_set_n(call, call->state->n + 1);
    sight_draw_set_word(call, with.text);
    sight_draw_emit_hint(call,
                         &(const struct sight_draw_hint_event){ ZKT_STR("h") },
                         sight_draw_to_drawer());
    return ZKT_OK;
}

static enum zkt_status appoint_and_fail(struct sight_draw_call *call)
{
    (void)appoint_and_write(call);
    return zkt_fail(call->zkt, ZKT_ABORTED, "no");
}

static enum zkt_status hint(struct sight_draw_call *call)
{
    sight_draw_emit_hint(call,
                         &(const struct sight_draw_hint_event){ with.text },
                         sight_draw_to_drawer());
    return ZKT_OK;
}

static enum zkt_status hint_to_strangers(struct sight_draw_call *call)
{
    sight_draw_emit_hint(
        call, &(const struct sight_draw_hint_event){ with.text },
        (struct zkt_target){ .kind = ZKT_TARGET_AUDIENCE, .audience = 2 });
    return ZKT_OK;
}

static enum zkt_status set_clue(struct sight_draw_call *call)
{
    const struct zkt_str marks[] = { ZKT_STR("a"), ZKT_STR("b"), ZKT_STR("c"),
                                     ZKT_STR("d") };
    const struct sight_card clue = { .text = with.text, .marks = { marks, 4 } };
    sight_draw_set_clue(call, &clue);
    return ZKT_OK;
}

static enum zkt_status insert_mark(struct sight_draw_call *call)
{
    sight_card_insert_marks(sight_draw_edit_clue(call), 1, ZKT_STR("x"));
    return ZKT_OK;
}

static enum zkt_status deal(struct sight_draw_call *call)
{
    const struct sight_card dealt = { .text = with.text };
    sight_draw_put_hands(call, with.user, &dealt);
    return ZKT_OK;
}

static enum zkt_status deal_and_count(struct sight_draw_call *call)
{
    sight_draw_set_n(call, call->state->n + 1);
    return deal(call);
}

static enum zkt_status mark(struct sight_draw_call *call)
{
    sight_card_set_text(sight_draw_edit_hands(call, with.user), with.text);
    return ZKT_OK;
}

static enum zkt_status discard(struct sight_draw_call *call)
{
    sight_draw_remove_hands(call, with.user);
    return ZKT_OK;
}

static enum zkt_status move(struct sight_draw_call *call)
{
    sight_draw_put_moves(call, with.client, with.text);
    return ZKT_OK;
}

/* ada's stays, bob's changes, eve's appears, and that of others disappears. */
static enum zkt_status set_hands(struct sight_draw_call *call)
{
    const struct sight_card_entry entries[] = {
        { ZKT_STR("ada"), { .text = ZKT_STR("A") } },
        { ZKT_STR("bob"), { .text = ZKT_STR("B2") } },
        { ZKT_STR("eve"), { .text = ZKT_STR("E") } },
    };
    sight_draw_set_hands(call,
                         &(const struct sight_card_map){ entries, 3, NULL });
    return ZKT_OK;
}

/* The original of the cleared map is not known any more. */
static enum zkt_status write_and_clear(struct sight_draw_call *call)
{
    sight_draw_put_hands(call, ZKT_STR("zoe"), card("Z"));
    sight_draw_clear_hands(call);
    return ZKT_OK;
}

static enum zkt_status become_judge(struct sight_draw_call *call)
{
    sight_connection_set_role(call->zkt, ROLE_OF_JUDGES);
    return ZKT_OK;
}

static enum zkt_status resign(struct sight_draw_call *call)
{
    sight_connection_set_role(call->zkt, 0);
    return ZKT_OK;
}

static enum zkt_status rename_user(struct sight_draw_call *call)
{
    sight_connection_set_user(call->zkt, with.user);
    return ZKT_OK;
}

static enum zkt_status forget_user(struct sight_draw_call *call)
{
    sight_connection_unset_user(call->zkt);
    return ZKT_OK;
}

/* ---- shorthands ---- */

#define EMPTY    ",\"hands\":{},\"moves\":{}}"
#define N(value) "{\"op\":\"replace\",\"path\":\"/n\",\"value\":" value "}"
#define WORD(op, text)                                                         \
    "{\"op\":\"" op "\",\"path\":\"/word\",\"value\":\"" text "\"}"
#define NO_WORD "{\"op\":\"remove\",\"path\":\"/word\"}"
#define HAND(op, user, text)                                                   \
    "{\"op\":\"" op "\",\"path\":\"/hands/" user                               \
    "\",\"value\":{\"text\":\"" text "\",\"marks\":[]}}"
#define NO_HAND(user) "{\"op\":\"remove\",\"path\":\"/hands/" user "\"}"
#define MARK(op, index, text)                                                  \
    "{\"op\":\"" op "\",\"path\":\"/clue/marks/" index "\",\"value\":\"" text  \
    "\"}"
#define CARD(text) "{\"text\":\"" text "\",\"marks\":[]}"

static void run(struct peer *p, enum zkt_status (*fn)(struct sight_draw_call *))
{
    const char *text = run_as(p, fn);
    const size_t len = strlen(text);
    assert_true(len >= strlen(DONE));
    assert_string_equal(text + len - strlen(DONE), DONE);
}

/* ---- audiences ---- */

/* The field is absent for clients that do not belong. */
static void test_an_audience(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter(""), b = enter("");
    with.text = ZKT_STR("cat");
    run(&host, set_word);
    assert_string_equal(ask(&a, SUB("state:sub")),
                        SNAPSHOT("{\"n\":0,\"items\":[]" EMPTY));
    with.client = zkt_cstr(b.id);
    run(&host, appoint);
    assert_string_equal(hear(&a), "");
    assert_string_equal(
        ask(&b, SUB("state:sub")),
        SNAPSHOT("{\"n\":0,\"items\":[],\"word\":\"cat\"" EMPTY));
    run(&host, count_up);
    assert_string_equal(hear(&a), PATCH(N("1")));
    assert_string_equal(hear(&b), PATCH(N("1")));
    with.text = ZKT_STR("dog");
    run(&host, set_word);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), PATCH(WORD("replace", "dog")));
    /* The private state alone changes. */
    with.client = zkt_cstr(a.id);
    run(&host, appoint);
    assert_string_equal(hear(&a), PATCH(WORD("add", "dog")));
    assert_string_equal(hear(&b), PATCH(NO_WORD));
    run(&host, unset_word);
    assert_string_equal(hear(&a), PATCH(NO_WORD));
    assert_string_equal(hear(&b), "");
    /* An absent field neither comes nor goes. */
    with.client = zkt_cstr(b.id);
    run(&host, appoint);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), "");
    run(&host, set_word);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), PATCH(WORD("add", "dog")));
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* One patch of a commit: shared changes, then those of its audiences. */
static void test_one_patch_for_a_commit(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter(""), b = enter(""), c = enter("");
    with.client = zkt_cstr(a.id);
    with.text = ZKT_STR("cat");
    run(&host, appoint);
    run(&host, set_word);
    (void)ask(&a, SUB("state:sub"));
    (void)ask(&b, SUB("state:sub"));
    (void)ask(&c, SUB("state:sub"));
    (void)ask(&a, SUB("event:sub"));
    (void)ask(&b, SUB("event:sub"));
    (void)ask(&c, SUB("event:sub"));
    with.client = zkt_cstr(b.id);
    with.text = ZKT_STR("dog");
    run(&host, appoint_and_write);
    /* Membership is that of after the commit, for events as well. */
    assert_string_equal(hear(&a), PATCH(N("1") "," NO_WORD));
    assert_string_equal(hear(&b), PATCH(N("1") "," WORD("add", "dog"))
                                      EVENT("hint", "h"));
    assert_string_equal(hear(&c), PATCH(N("1")));
    /* A call that fails changes nobody's membership. */
    with.client = zkt_cstr(c.id);
    assert_non_null(strstr(run_as(&host, appoint_and_fail), "ABORTED"));
    with.text = ZKT_STR("x");
    run(&host, hint);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), EVENT("hint", "x"));
    assert_string_equal(hear(&c), "");
    leave(&a);
    leave(&b);
    leave(&c);
    leave(&host);
    end();
}

/* Subscribers of events alone are judged as well. */
static void test_events_alone(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter(""), b = enter("");
    with.client = zkt_cstr(a.id);
    run(&host, appoint);
    (void)ask(&a, SUB("event:sub"));
    (void)ask(&b, SUB("event:sub"));
    with.text = ZKT_STR("1");
    run(&host, hint);
    assert_string_equal(hear(&a), EVENT("hint", "1"));
    assert_string_equal(hear(&b), "");
    with.client = zkt_cstr(b.id);
    run(&host, appoint);
    run(&host, hint);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), EVENT("hint", "1"));
    assert_non_null(strstr(run_as(&host, hint_to_strangers), "INTERNAL"));
    /* The state is as it was judged for the events. */
    with.text = ZKT_STR("cat");
    run(&host, set_word);
    assert_string_equal(
        ask(&b, SUB("state:sub")),
        SNAPSHOT("{\"n\":0,\"items\":[],\"word\":\"cat\"" EMPTY));
    (void)ask(&b, SUB("event:unsub"));
    with.client = zkt_cstr(a.id);
    run(&host, appoint);
    assert_string_equal(hear(&b), PATCH(NO_WORD));
    (void)ask(&b, SUB("state:unsub"));
    with.client = zkt_cstr(b.id);
    run(&host, appoint);
    assert_string_equal(hear(&b), "");
    assert_string_equal(
        ask(&b, SUB("state:sub")),
        SNAPSHOT("{\"n\":0,\"items\":[],\"word\":\"cat\"" EMPTY));
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* The last client draws, and has a new word and a hint. */
static enum zkt_status hand_on(struct zkt_call *call, const void *handlers)
{
    struct sight_draw_call own = {
        .zkt = call,
        .state = zkt_call_state(call),
        .private_state = zkt_call_private_state(call),
    };
    (void)handlers;
    with.text = zkt_format(call, "secret %d", (int)own.state->n);
    return appoint_and_write(&own);
}

/* While the server stops, contacts leave an instance one by one, and their
 * hooks write. Nobody who has left sees what those see who are still there. */
static void test_stopping(void **state)
{
    (void)state;
    begin();
    sight_actor.hooks[ZKT_HOOK_DISCONNECT] = (struct zkt_hook_entry){
        .declared = true,
        .handler_offset = offsetof(struct sight_draw_handlers, on_subscribe),
        .invoke = hand_on,
    };
    struct peer host = enter_in(0, "", false);
    struct peer peers[] = { enter(""), enter(""), enter(""), enter("") };
    for (size_t i = 0; i < 4; i++) {
        (void)ask(&peers[i], SUB("state:sub"));
        (void)ask(&peers[i], SUB("event:sub"));
    }
    with.client = zkt_cstr(peers[0].id);
    with.text = ZKT_STR("cat");
    run(&host, appoint_and_write);
    assert_non_null(strstr(hear(&peers[0]), WORD("add", "cat")));
    for (size_t i = 1; i < 4; i++) {
        (void)hear(&peers[i]);
    }
    with.client = zkt_cstr(peers[3].id);
    zkt_server_shutdown(server);
    for (size_t i = 0; i < 4; i++) {
        const char *text = hear(&peers[i]);
        assert_null(strstr(text, "secret"));
        assert_null(strstr(text, "hint"));
        assert_null(strstr(text, "state:patch"));
        leave(&peers[i]);
    }
    leave(&host);
    end();
}

/* Members of two audiences, in both dialects. */
static void test_two_audiences(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter_in(shards - 1, "", false);
    struct peer b = enter_in(shards - 1, "", true);
    with.text = ZKT_STR("clue");
    run(&host, set_clue);
    run(&a, become_judge);
    run(&b, become_judge);
    assert_string_equal(
        ask(&a, SUB("state:sub")),
        SNAPSHOT("{\"n\":0,\"items\":[],\"clue\":{\"text\":\"clue\",\"marks\":"
                 "[\"a\",\"b\",\"c\",\"d\"]}" EMPTY));
    (void)ask(&b, SUB("state:sub"));
    run(&host, insert_mark);
    assert_string_equal(
        hear(&a),
        PATCH(MARK("replace", "1", "x") "," MARK("replace", "2", "b") "," MARK(
            "replace", "3", "c") "," MARK("add", "4", "d")));
    assert_string_equal(hear(&b), PATCH(MARK("add", "1", "x")));
    with.client = zkt_cstr(a.id);
    run(&host, appoint_and_write);
    assert_string_equal(hear(&a), PATCH(N("1") "," WORD("add", "clue")));
    assert_string_equal(hear(&b), PATCH(N("1")));
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* ---- identities ---- */

static void test_entries(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada"), a2 = enter_in(0, "ada", true);
    struct peer b = enter("bob"), nobody = enter("");
    with.user = ZKT_STR("ada");
    with.text = ZKT_STR("A");
    run(&host, deal);
    assert_string_equal(
        ask(&a, SUB("state:sub")),
        SNAPSHOT("{\"n\":0,\"items\":[],\"hands\":{\"ada\":" CARD(
            "A") "},"
                 "\"moves\":{}}"));
    (void)ask(&a2, SUB("state:sub"));
    assert_string_equal(ask(&b, SUB("state:sub")),
                        SNAPSHOT("{\"n\":0,\"items\":[]" EMPTY));
    (void)ask(&nobody, SUB("state:sub"));
    with.user = ZKT_STR("bob");
    with.text = ZKT_STR("B");
    run(&host, deal_and_count);
    assert_string_equal(hear(&a), PATCH(N("1")));
    assert_string_equal(hear(&a2), PATCH(N("1")));
    assert_string_equal(hear(&b), PATCH(N("1") "," HAND("add", "bob", "B")));
    assert_string_equal(hear(&nobody), PATCH(N("1")));
    with.user = ZKT_STR("ada");
    with.text = ZKT_STR("A2");
    run(&host, mark);
    assert_string_equal(
        hear(&a), PATCH("{\"op\":\"replace\",\"path\":\"/hands/ada/text\","
                        "\"value\":\"A2\"}"));
    assert_string_equal(
        hear(&a2), PATCH("{\"op\":\"replace\",\"path\":\"/hands/ada/text\","
                         "\"value\":\"A2\"}"));
    run(&host, mark); /* no change */
    run(&host, discard);
    assert_string_equal(hear(&a), PATCH(NO_HAND("ada")));
    assert_string_equal(hear(&a2), PATCH(NO_HAND("ada")));
    with.client = zkt_cstr(nobody.id);
    run(&host, move);
    char expected[512];
    snprintf(expected, sizeof(expected),
             PATCH("{\"op\":\"add\",\"path\":\"/moves/%s\",\"value\":\"A2\"}"),
             nobody.id);
    assert_string_equal(hear(&nobody), expected);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), "");
    leave(&a);
    leave(&a2);
    leave(&b);
    leave(&nobody);
    leave(&host);
    end();
}

/* Setting and clearing a map sends a patch to each user with another entry. */
static void test_whole_maps(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada"), b = enter("bob"), c = enter("cleo");
    struct peer e = enter("eve"), f = enter("finn");
    with.text = ZKT_STR("A");
    with.user = ZKT_STR("ada");
    run(&host, deal);
    with.user = ZKT_STR("bob");
    run(&host, deal);
    with.user = ZKT_STR("cleo");
    run(&host, deal);
    (void)ask(&a, SUB("state:sub"));
    (void)ask(&b, SUB("state:sub"));
    (void)ask(&c, SUB("state:sub"));
    (void)ask(&e, SUB("state:sub"));
    (void)ask(&f, SUB("state:sub"));
    run(&host, set_hands);
    assert_string_equal(hear(&a), "");
    assert_string_equal(hear(&b), PATCH(HAND("replace", "bob", "B2")));
    assert_string_equal(hear(&c), PATCH(NO_HAND("cleo")));
    assert_string_equal(hear(&e), PATCH(HAND("add", "eve", "E")));
    assert_string_equal(hear(&f), "");
    run(&host, write_and_clear);
    assert_string_equal(hear(&a), PATCH(NO_HAND("ada")));
    assert_string_equal(hear(&b), PATCH(NO_HAND("bob")));
    assert_string_equal(hear(&c), "");
    assert_string_equal(hear(&e), PATCH(NO_HAND("eve")));
    assert_string_equal(hear(&f), "");
    leave(&a);
    leave(&b);
    leave(&c);
    leave(&e);
    leave(&f);
    leave(&host);
    end();
}

/* Keys are escaped in paths (RFC 6901, section 3), and in JSON. */
static void test_keys(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("a/b~c%22d");
    with.user = ZKT_STR("a/b~c\"d");
    with.text = ZKT_STR("A");
    (void)ask(&a, SUB("state:sub"));
    run(&host, deal);
    assert_string_equal(hear(&a), PATCH(HAND("add", "a~1b~0c\\\"d", "A")));
    assert_string_equal(
        ask(&a, SUB("state:sub")),
        SNAPSHOT("{\"n\":0,\"items\":[],\"hands\":{\"a/b~c\\\"d\":" CARD(
            "A") "},"
                 "\"moves\":{}}"));
    leave(&a);
    leave(&host);
    end();
}

/* ---- the data of connections ---- */

/* A change acts as a commit for its subscriber alone. */
static void test_changed_data(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada"), b = enter("ada");
    with.text = ZKT_STR("A");
    with.user = ZKT_STR("ada");
    run(&host, deal);
    with.text = ZKT_STR("B");
    with.user = ZKT_STR("bob");
    run(&host, deal);
    run(&host, set_clue);
    (void)ask(&a, SUB("state:sub"));
    (void)ask(&b, SUB("state:sub"));
    assert_string_equal(
        run_as(&a, become_judge),
        DONE PATCH("{\"op\":\"add\",\"path\":\"/clue\",\"value\":{\"text\":"
                   "\"B\",\"marks\":[\"a\",\"b\",\"c\",\"d\"]}}"));
    assert_string_equal(run_as(&a, rename_user),
                        DONE PATCH(NO_HAND("ada") "," HAND("add", "bob", "B")));
    assert_string_equal(run_as(&a, resign),
                        DONE PATCH("{\"op\":\"remove\",\"path\":\"/clue\"}"));
    with.user = ZKT_STR("unknown");
    assert_string_equal(run_as(&a, rename_user), DONE PATCH(NO_HAND("bob")));
    assert_string_equal(run_as(&a, forget_user), DONE);
    with.user = ZKT_STR("ada");
    assert_string_equal(run_as(&a, rename_user),
                        DONE PATCH(HAND("add", "ada", "A")));
    assert_string_equal(hear(&b), "");
    with.text = ZKT_STR("A2");
    run(&host, deal);
    assert_string_equal(hear(&a), PATCH(HAND("replace", "ada", "A2")));
    assert_string_equal(hear(&b), PATCH(HAND("replace", "ada", "A2")));
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* An identity of more than 256 bytes is none. */
static void test_long_identities(void **state)
{
    char longest[258];
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada");
    memset(longest, 'x', sizeof(longest));
    with.user = (struct zkt_str){ longest, 256 };
    with.text = ZKT_STR("A");
    run(&host, deal);
    (void)ask(&a, SUB("state:sub"));
    assert_non_null(strstr(run_as(&a, rename_user), "\"op\":\"add\""));
    with.user.len = 257;
    assert_non_null(strstr(run_as(&a, rename_user), "\"op\":\"remove\""));
    leave(&a);
    leave(&host);
    end();
}

/* Entries are followed while only events are subscribed to, so that a later
 * subscriber is not told to remove an entry that it never had. */
static void test_entries_without_watchers(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada"), b = enter("bob");
    with.user = ZKT_STR("bob");
    with.text = ZKT_STR("B");
    run(&host, deal);
    (void)ask(&b, SUB("event:sub"));
    run(&host, discard);
    (void)ask(&a, SUB("state:sub"));
    assert_string_equal(run_as(&a, rename_user), DONE);
    with.user = ZKT_STR("ada");
    assert_string_equal(run_as(&a, rename_user), DONE);
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* ---- deferred calls ---- */

static struct sight_draw_go_later *later;

static enum zkt_status write_and_defer(struct sight_draw_call *call)
{
    (void)appoint_and_write(call);
    later = sight_draw_defer_go(call);
    return ZKT_PENDING;
}

static enum zkt_status defer(struct sight_draw_call *call)
{
    later = sight_draw_defer_go(call);
    return ZKT_PENDING;
}

static enum zkt_status finish(struct sight_draw_call *call, int32_t *out,
                              void *user)
{
    (void)call;
    (void)user;
    *out = 0;
    return ZKT_OK;
}

static void resume(void)
{
    sight_draw_resume_go(later, finish, NULL);
    pass(0);
}

/* Nobody is judged by a state that is not committed: a subscriber waits. */
static void test_a_deferred_call(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter(""), b = enter("ada");
    with.text = ZKT_STR("cat");
    run(&host, set_word);
    (void)ask(&b, SUB("state:sub"));
    with.client = zkt_cstr(a.id);
    with.text = ZKT_STR("dog");
    assert_string_equal(run_as(&host, write_and_defer), "");
    assert_string_equal(ask(&a, SUB("state:sub")), "");
    resume();
    assert_string_equal(hear(&host), DONE);
    assert_string_equal(hear(&b), PATCH(N("1")));
    assert_string_equal(
        hear(&a), SNAPSHOT("{\"n\":1,\"items\":[],\"word\":\"dog\"" EMPTY));
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

static enum zkt_status appoint_and_defer(struct sight_draw_call *call)
{
    (void)appoint(call);
    later = sight_draw_defer_go(call);
    return ZKT_PENDING;
}

static enum zkt_status give_up(struct sight_draw_call *call, int32_t *out,
                               void *user)
{
    (void)out;
    (void)user;
    return zkt_fail(call->zkt, ZKT_ABORTED, "no");
}

/* The same of the private state, by which audiences are judged. */
static void test_a_deferred_appointment(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("");
    with.text = ZKT_STR("cat");
    run(&host, set_word);
    with.client = zkt_cstr(a.id);
    assert_string_equal(run_as(&host, appoint_and_defer), "");
    assert_string_equal(ask(&a, SUB("state:sub")), "");
    sight_draw_resume_go(later, give_up, NULL);
    pass(0);
    assert_non_null(strstr(hear(&host), "ABORTED"));
    assert_string_equal(hear(&a), SNAPSHOT("{\"n\":0,\"items\":[]" EMPTY));
    leave(&a);
    leave(&host);
    end();
}

/* Runs @fn in the other instance. */
static const char *run_elsewhere(
    struct peer *p, enum zkt_status (*fn)(struct sight_draw_call *))
{
    plays.go = fn;
    const char *text = ask(p,
                           "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"draw\","
                           "\"actorId\":\"b\",\"method\":\"go\"}");
    plays.go = NULL;
    return text;
}

/* A change of data waits for a call that is deferred, and acts before the
 * messages that follow it. */
static void test_changed_data_waits(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada");
    with.text = ZKT_STR("B");
    with.user = ZKT_STR("bob");
    run(&host, deal);
    (void)ask(&a, SUB("state:sub"));
    struct peer b = enter("ada");
    (void)ask(&b, SUB("state:sub"));
    assert_string_equal(run_as(&host, defer), "");
    assert_string_equal(run_elsewhere(&b, rename_user), DONE);
    assert_string_equal(run_elsewhere(&a, rename_user), DONE);
    assert_string_equal(run_elsewhere(&a, become_judge), DONE);
    say(&a, GO);
    assert_string_equal(hear(&a), "");
    resume();
    assert_string_equal(hear(&host), DONE);
    assert_string_equal(hear(&a), PATCH(HAND("add", "bob", "B")) DONE);
    assert_string_equal(hear(&b), PATCH(HAND("add", "bob", "B")));
    leave(&b);
    /* The same, and the client leaves. */
    assert_string_equal(run_as(&host, defer), "");
    with.user = ZKT_STR("ada");
    assert_string_equal(run_elsewhere(&a, rename_user), DONE);
    leave(&a);
    resume();
    assert_string_equal(hear(&host), DONE);
    leave(&host);
    end();
}

/* The same for an instance that is destroyed meanwhile. */
static void test_changed_data_of_an_ended_instance(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada");
    (void)ask(&a, SUB("state:sub"));
    assert_string_equal(run_as(&host, defer), "");
    assert_string_equal(run_elsewhere(&a, become_judge), DONE);
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("draw"), ZKT_STR("a")),
                     ZKT_OK);
    resume();
    assert_non_null(strstr(hear(&a), "sub:error"));
    assert_string_equal(ask(&a, SUB("state:sub")),
                        SNAPSHOT("{\"n\":0,\"items\":[]" EMPTY));
    leave(&a);
    leave(&host);
    end();
}

/* ---- hooks ---- */

static enum zkt_status appoint_subscriber(struct sight_draw_call *call)
{
    sight_draw_set_drawer(call, zkt_client_id(call->zkt));
    return hint(call);
}

/* `subscribe` makes its subscriber a member, for its own events and state. */
static void test_a_subscribe_hook(void **state)
{
    (void)state;
    begin();
    sight_actor.hooks[ZKT_HOOK_SUBSCRIBE].declared = true;
    struct peer host = enter_in(0, "", false);
    struct peer a = enter(""), b = enter("");
    with.text = ZKT_STR("cat");
    run(&host, set_word);
    assert_string_equal(ask(&b, SUB("event:sub")), "");
    plays.subscribe = appoint_subscriber;
    assert_string_equal(ask(&a, SUB("event:sub")), EVENT("hint", "cat"));
    assert_string_equal(ask(&a, SUB("state:sub")),
                        EVENT("hint", "cat") SNAPSHOT(
                            "{\"n\":0,\"items\":[],\"word\":\"cat\"" EMPTY));
    assert_string_equal(hear(&b), "");
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* ---- snapshots ---- */

static char filling[6001];

static enum zkt_status fill(struct sight_draw_call *call)
{
    memset(filling, 'f', sizeof(filling) - 1);
    sight_draw_append_items(call, zkt_cstr(filling));
    return ZKT_OK;
}

static uint64_t cached(void)
{
    struct zkt_server_stats stats;
    zkt_server_stats(server, &stats);
    return stats.snapshots_cached;
}

static void assert_snapshot(struct peer *p, const char *n, const char *word,
                            const char *hands)
{
    static char expected[8192];
    snprintf(expected, sizeof(expected),
             SNAPSHOT("{\"n\":%s,\"items\":[\"%s\"]%s,\"hands\":%s,"
                      "\"moves\":{}}"),
             n, filling, word, hands);
    assert_string_equal(ask(p, SUB("state:sub")), expected);
}

/* A snapshot is cached for each set of audiences, and completed for each
 * subscriber. */
static void test_cached_snapshots(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada"), b = enter("bob"), c = enter("ada");
    struct peer d = enter("");
    with.client = zkt_cstr(b.id);
    with.user = ZKT_STR("ada");
    with.text = ZKT_STR("A");
    run(&host, fill);
    run(&host, deal);
    run(&host, appoint);
    run(&host, set_word);
    assert_snapshot(&a, "0", "", "{\"ada\":" CARD("A") "}");
    assert_int_equal(cached(), 0);
    assert_snapshot(&d, "0", "", "{}");
    assert_snapshot(&c, "0", "", "{\"ada\":" CARD("A") "}");
    assert_int_equal(cached(), 2);
    assert_snapshot(&b, "0", ",\"word\":\"A\"", "{}");
    assert_int_equal(cached(), 2);
    /* The entry is that of now, and stands in no log; patches follow. */
    with.text = ZKT_STR("A2");
    run(&host, deal);
    run(&host, set_word);
    run(&host, count_up);
    struct peer e = enter("ada");
    (void)ask(&e, "{\"type\":\"none\"}");
    const char *text = ask(&e, SUB("state:sub"));
    assert_non_null(strstr(text, "\"n\":0"));
    assert_non_null(strstr(text, "\"hands\":{\"ada\":" CARD("A2") "}"));
    assert_non_null(strstr(text, PATCH(N("1"))));
    assert_null(strstr(text, "word"));
    assert_int_equal(cached(), 3);
    /* Without subscribers of a set, its snapshot grows old. */
    (void)ask(&b, SUB("state:unsub"));
    run(&host, count_up);
    assert_snapshot(&b, "2", ",\"word\":\"A2\"", "{}");
    assert_int_equal(cached(), 3);
    leave(&a);
    leave(&b);
    leave(&c);
    leave(&d);
    leave(&e);
    leave(&host);
    end();
}

/* A new member of an audience reads no value from before, also not from the
 * cache. */
static void test_earlier_values(void **state)
{
    (void)state;
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter(""), b = enter(""), c = enter("");
    with.client = zkt_cstr(a.id);
    with.text = ZKT_STR("old");
    run(&host, fill);
    run(&host, appoint);
    run(&host, set_word);
    assert_snapshot(&a, "0", ",\"word\":\"old\"", "{}");
    with.text = ZKT_STR("new");
    run(&host, set_word);
    with.client = zkt_cstr(b.id);
    run(&host, appoint);
    assert_snapshot(&b, "0", ",\"word\":\"new\"", "{}");
    /* The shared part may be older, and patches follow. */
    run(&host, count_up);
    assert_snapshot(&c, "1", "", "{}");
    assert_int_equal(cached(), 0);
    leave(&a);
    leave(&b);
    leave(&c);
    leave(&host);
    end();
}

/* A state of which a subscriber sees nothing but its entries. */
static void test_only_entries(void **state)
{
    static const struct zkt_field_reader readers[] = {
        { ZKT_READER_AUDIENCE, 0 }, { ZKT_READER_AUDIENCE, 0 },
        { ZKT_READER_AUDIENCE, 0 }, { ZKT_READER_AUDIENCE, 1 },
        { ZKT_READER_DATA, 0 },     { ZKT_READER_CLIENT, 0 },
    };
    (void)state;
    begin();
    sight_actor.readers = readers;
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada"), b = enter("");
    with.user = ZKT_STR("ada");
    with.text = ZKT_STR("A");
    run(&host, deal);
    assert_string_equal(
        ask(&a, SUB("state:sub")),
        SNAPSHOT("{\"hands\":{\"ada\":" CARD("A") "},"
                                                  "\"moves\":{}}"));
    assert_string_equal(ask(&b, SUB("state:sub")),
                        SNAPSHOT("{\"hands\":{},\"moves\":{}}"));
    run(&host, count_up);
    assert_string_equal(hear(&a), "");
    leave(&a);
    leave(&b);
    leave(&host);
    end();
}

/* A slow reader gets a snapshot of the moment when it has read. */
static void test_a_slow_reader(void **state)
{
    (void)state;
    begin();
    zkt_server_free(server);
    begin_with((struct zkt_limits){ .output_high = 300 });
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada");
    with.client = zkt_cstr(a.id);
    with.user = ZKT_STR("ada");
    with.text = ZKT_STR("secret1");
    run(&host, appoint);
    (void)ask(&a, SUB("state:sub"));
    for (int i = 0; i < 5; i++) {
        run(&host, count_up);
    }
    /* A private patch to a slow reader is dropped as well. */
    run(&host, set_word);
    run(&host, deal);
    with.client = ZKT_STR("");
    run(&host, appoint);
    with.text = ZKT_STR("secret2");
    run(&host, set_word);
    drain(&a.wire);
    pass(0);
    const char *text = hear(&a);
    assert_null(strstr(text, "secret2"));
    assert_null(strstr(text, "\"word\""));
    assert_non_null(
        strstr(text, SNAPSHOT("{\"n\":5,\"items\":[],\"hands\":{\"ada\":" CARD(
                         "secret1") "},\"moves\":{}}")));
    with.client = zkt_cstr(a.id);
    run(&host, appoint);
    assert_string_equal(hear(&a), PATCH(WORD("add", "secret2")));
    leave(&a);
    leave(&host);
    end();
}

/* ---- limits and mistakes ---- */

static void test_a_missing_handler(void **state)
{
    (void)state;
    static const struct sight_draw_handlers draw = {
        .go = go,
        .wander = wander,
        .on_subscribe = on_subscribe,
        .audience_drawer = is_drawer,
    };
    static const struct sight_handlers handlers = { .on_open = on_open,
                                                    .draw = &draw };
    assert_int_equal(
        zkt_server_new(sight_app(&handlers),
                       &(const struct zkt_serve_options){ .threads = 1 },
                       &server),
        ZKT_MISSING_HANDLER);
}

/* A patch that is too large for any subscriber fails its call, and nobody is a
 * member of anything else. */
static void test_a_large_patch(void **state)
{
    (void)state;
    begin();
    zkt_server_free(server);
    begin_with((struct zkt_limits){ .output_bytes = 4096 });
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada");
    memset(filling, 'f', sizeof(filling) - 1);
    (void)ask(&a, SUB("state:sub"));
    with.client = zkt_cstr(a.id);
    with.user = ZKT_STR("ada");
    with.text = zkt_cstr(filling);
    assert_non_null(strstr(run_as(&host, deal), "RESOURCE_EXHAUSTED"));
    assert_non_null(
        strstr(run_as(&host, appoint_and_write), "RESOURCE_EXHAUSTED"));
    assert_string_equal(hear(&a), "");
    with.text = ZKT_STR("small");
    run(&host, set_word);
    assert_string_equal(hear(&a), "");
    run(&host, deal);
    assert_string_equal(hear(&a), PATCH(HAND("add", "ada", "small")));
    leave(&a);
    leave(&host);
    end();
}

/* ---- without memory ---- */

static bool is_open(const struct peer *p)
{
    return zkt_endpoint_fate(p->wire.e) == ZKT_FATE_OPEN;
}

/* Everything once; each peer may lose its connection. */
static void play_all(struct peer *host, struct peer *a, struct peer *b)
{
    static enum zkt_status (*const calls[])(struct sight_draw_call *) = {
        appoint_and_write, deal_and_count, set_hands, move,
        set_clue,          insert_mark,
    };
    (void)ask(a, SUB("state:sub"));
    (void)ask(b, SUB("event:sub"));
    (void)ask(b, SUB("state:sub"));
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        with.client = zkt_cstr(i % 2 == 0 ? a->id : b->id);
        with.user = i % 2 == 0 ? ZKT_STR("ada") : ZKT_STR("bob");
        with.text = ZKT_STR("text");
        if (is_open(host)) {
            (void)run_as(host, calls[i]);
        }
    }
    with.user = ZKT_STR("eve");
    plays.go = rename_user;
    say(a, GO);
    pass(0);
    plays.go = become_judge;
    say(a, GO);
    pass(0);
    plays.go = NULL;
}

/* With every allocation failing once, nothing leaks; the random runs check the
 * copies of subscribers. */
static void test_without_memory(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        begin();
        struct peer host = enter_in(0, "", false);
        struct peer a = enter("ada"), b = enter_in(0, "bob", true);
        const long before = memory.calls;
        memory.fail_at = before + n;
        play_all(&host, &a, &b);
        const bool done = memory.calls < memory.fail_at;
        memory.fail_at = 0;
        pass(0);
        leave(&a);
        leave(&b);
        leave(&host);
        end();
        if (done) {
            assert_true(n > 50);
            return;
        }
    }
}

/* Changes the data of a subscriber with allocation @n failing. Returns true if
 * its subscription has ended by that. */
static bool change_without(long n, bool *done)
{
    begin();
    struct peer host = enter_in(0, "", false);
    struct peer a = enter("ada");
    with.text = ZKT_STR("clue");
    run(&host, set_clue);
    (void)ask(&a, SUB("state:sub"));
    const long last = memory.calls + n;
    memory.fail_at = last;
    plays.go = become_judge;
    say(&a, GO);
    pass(0);
    plays.go = NULL;
    *done = memory.calls < last;
    memory.fail_at = 0;
    const char *text = hear(&a);
    const bool ended = strstr(text, "sub:error") != NULL;
    const bool failed = strstr(text, "\"RESOURCE_EXHAUSTED\"") != NULL;
    assert_true(!is_open(&a) || failed || strstr(text, "\"/clue\"") != NULL);
    assert_true(failed || !ended);
    if (is_open(&a)) {
        run(&host, insert_mark);
        assert_true((strstr(hear(&a), "/clue/marks") != NULL) == !failed);
    }
    leave(&a);
    leave(&host);
    end();
    return ended;
}

/* Without memory for a change of data the subscription ends: the client is not
 * served by its old data. */
static void test_changed_data_without_memory(void **state)
{
    bool done = false;
    int ended = 0;
    (void)state;
    for (long n = 1; !done; n++) {
        ended += change_without(n, &done);
    }
    assert_true(ended > 0);
}

/* ---- the patch for the caller ---- */

#define OPTIMISTIC_GO                                                          \
    "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"draw\",\"actorId\":\"a\","     \
    "\"method\":\"go\",\"optimistic\":true}"

static const char *guess_as(struct peer *p,
                            enum zkt_status (*fn)(struct sight_draw_call *))
{
    plays.go = fn;
    const char *text = ask(p, OPTIMISTIC_GO);
    plays.go = NULL;
    return text;
}

/* The caller's patch names the call, be it that of its audiences or its own;
 * nobody else reads of it, and nobody is shown more than without. */
static void test_the_patch_names_the_call(void **state)
{
    (void)state;
    begin();
    struct peer ada = enter("ada");
    struct peer bob = enter("bob");
    (void)ask(&ada, SUB("state:sub"));
    (void)ask(&bob, SUB("state:sub"));
    const char *got = guess_as(&ada, count_up);
    assert_non_null(
        strstr(got, "\"path\":\"/n\",\"value\":1}],\"calls\":[\"1\"]}"));
    assert_non_null(strstr(got, DONE));
    assert_null(strstr(hear(&bob), "calls"));

    /* An entry of the caller's own. */
    with.user = ZKT_STR("ada");
    with.text = ZKT_STR("T");
    got = guess_as(&ada, deal_and_count);
    assert_non_null(strstr(got, "/hands/ada"));
    assert_non_null(strstr(got, "],\"calls\":[\"1\"]}"));
    got = hear(&bob);
    assert_non_null(strstr(got, "/n"));
    assert_null(strstr(got, "calls"));
    assert_null(strstr(got, "hands"));

    /* The caller joins an audience, and leaves it. */
    with.client = zkt_cstr(ada.id);
    with.text = ZKT_STR("word");
    got = guess_as(&ada, appoint_and_write);
    assert_non_null(strstr(got, "\"word\""));
    assert_non_null(strstr(got, "],\"calls\":[\"1\"]}"));
    assert_null(strstr(hear(&bob), "word"));
    with.client = zkt_cstr(bob.id);
    got = guess_as(&ada, appoint_and_write);
    assert_non_null(strstr(got, "],\"calls\":[\"1\"]}"));
    got = hear(&bob);
    assert_non_null(strstr(got, "\"word\""));
    assert_null(strstr(got, "calls"));

    /* What the caller does not see is no patch for it. */
    with.text = ZKT_STR("secret");
    got = guess_as(&ada, set_word);
    assert_string_equal(got, DONE);
    assert_null(strstr(hear(&bob), "calls"));
    /* Without a guess all is as before. */
    assert_null(strstr(run_as(&ada, count_up), "calls"));
    leave(&ada);
    leave(&bob);
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_audience),
        cmocka_unit_test(test_one_patch_for_a_commit),
        cmocka_unit_test(test_events_alone),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_two_audiences),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_whole_maps),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_changed_data),
        cmocka_unit_test(test_long_identities),
        cmocka_unit_test(test_entries_without_watchers),
        cmocka_unit_test(test_a_deferred_call),
        cmocka_unit_test(test_a_deferred_appointment),
        cmocka_unit_test(test_changed_data_waits),
        cmocka_unit_test(test_changed_data_of_an_ended_instance),
        cmocka_unit_test(test_a_subscribe_hook),
        cmocka_unit_test(test_cached_snapshots),
        cmocka_unit_test(test_earlier_values),
        cmocka_unit_test(test_only_entries),
        cmocka_unit_test(test_a_slow_reader),
        cmocka_unit_test(test_a_missing_handler),
        cmocka_unit_test(test_a_large_patch),
        cmocka_unit_test(test_the_patch_names_the_call),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_changed_data_without_memory),
    };
    if (argc > 1) {
        shards = (uint32_t)atoi(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
