/*
 * Plays three people at the door of examples/auth: auth_client URL. Ada is a
 * moderator. Bob is a member, and his token has expired. Eve has made a token
 * without the key. Each has a client with a connection of its own. The program
 * waits for one thing after the other, so its lines always stand in the same
 * order.
 */
#include "auth_client.h"
#include "token.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 20000
#define HOUR_MS     (60 * 60 * 1000)
#define NEWS_MAX    8

struct person {
    const char *name, *role; /* role NULL: no account */
    char token[TOKEN_MAX];
    struct zkt_client *client;
    struct demo_hall *hall;
    struct zkt_reply reply;
    uint64_t watch;           /* of the bans */
    char news[NEWS_MAX][200]; /* received, and not printed yet */
    size_t news_count;
};

static struct token_key key;

/* ---- tokens ---- */

/*
 * Stands for the sign-in service, which knows the passwords and the key. A real
 * client asks it over HTTPS, and never sees the key. Returns false for a person
 * without an account.
 */
static bool sign_in(struct person *me, int64_t valid_ms)
{
    if (me->role == NULL) {
        return false;
    }
    struct token token = { .expires = (int64_t)time(NULL) * 1000 + valid_ms };
    (void)snprintf(token.user, sizeof(token.user), "%s", me->name);
    (void)snprintf(token.role, sizeof(token.role), "%s", me->role);
    return token_sign(&key, &token, me->token);
}

/*
 * Runs before each attempt to connect. After a 401 the client tries once more
 * at once: this is the time to get a new token. A second 401 is final.
 */
static enum zkt_status prepare(void *user, struct zkt_connect *connect)
{
    struct person *me = user;
    const struct zkt_refusal refusal = zkt_client_refusal(me->client);
    if (refusal.status == ZKT_UNAUTHENTICATED) {
        printf("%s is refused: %s (%d)\n", me->name, refusal.text,
               refusal.code);
        if (!sign_in(me, HOUR_MS)) {
            return ZKT_UNAUTHENTICATED;
        }
        printf("%s signs in again, and has a new token\n", me->name);
    }
    zkt_connect_bearer(connect, me->token);
    return ZKT_OK;
}

/* ---- news ---- */

static void note(struct person *me, const char *format, ...) ZKT_PRINTF(2, 3);

static void note(struct person *me, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (me->news_count < NEWS_MAX) {
        (void)vsnprintf(me->news[me->news_count++], sizeof(me->news[0]), format,
                        arguments);
    }
    va_end(arguments);
}

static void on_status(enum zkt_connection status, void *user)
{
    struct person *me = user;
    const struct zkt_refusal why = zkt_client_refusal(me->client);
    if (status == ZKT_CONNECTED) {
        note(me, "is in");
    } else if (status == ZKT_RECONNECTING) {
        note(me, "is out, and comes back: %s (%d)", why.text, why.code);
    } else if (status == ZKT_DISCONNECTED) {
        note(me, "is out, and gives up: %s (%d)", why.text, why.code);
    }
}

static void on_said(const struct demo_said_broadcast *line, void *user)
{
    note(user, "hears %s in the %s: %s", line->by.data, line->room.data,
         line->text.data);
}

static void on_announced(const struct demo_announced_broadcast *line,
                         void *user)
{
    note(user, "hears %s announce: %s", line->by.data, line->text.data);
}

static void on_bans(const struct zkt_int64_map *bans, void *user)
{
    note(user, "sees the bans: %zu", bans->len);
}

/* Without this the client asks again with each connection. */
static void on_denied(const struct zkt_reply *error, void *user)
{
    struct person *me = user;
    note(me, "may not watch the bans: %s", error->error);
    zkt_client_off(me->client, me->watch);
}

/* Prints the next news of a person, and waits for it before. */
static bool hear(struct person *me)
{
    while (me->news_count == 0) {
        if (zkt_client_poll(me->client, PATIENCE_MS) != ZKT_OK &&
            me->news_count == 0) {
            fprintf(stderr, "%s has waited in vain\n", me->name);
            return false;
        }
    }
    printf("%s %s\n", me->name, me->news[0]);
    me->news_count--;
    memmove(me->news[0], me->news[1], me->news_count * sizeof(me->news[0]));
    return true;
}

/* ---- the play ---- */

/* Opens a client, and waits until it is in or gives up. */
static bool arrive(struct person *me, const char *url)
{
    const struct zkt_client_options options = {
        .prepare = prepare,
        .prepare_user = me,
    };
    me->client = zkt_client_open(url, &options);
    me->hall = demo_hall_open(me->client, "main");
    zkt_client_on_status(me->client, on_status, me);
    demo_on_said(me->client, on_said, me);
    demo_on_announced(me->client, on_announced, me);
    return hear(me);
}

static void leave(struct person *me)
{
    demo_hall_close(me->hall);
    zkt_client_close(me->client);
    zkt_reply_clear(&me->reply);
    me->client = NULL;
    me->news_count = 0;
}

/* Prints how a call has ended, and returns true if it should end like that. */
static bool ended(const struct person *me, const char *deed,
                  enum zkt_status status, enum zkt_status wanted)
{
    printf("%s %s%s%s\n", me->name, deed, status == ZKT_OK ? "" : ": ",
           status == ZKT_OK ? "" : me->reply.error);
    return status == wanted;
}

static bool enter(struct person *me)
{
    const struct demo_hall_enter_input in = { .room = ZKT_STR("garden") };
    return ended(me, "enters the garden",
                 demo_hall_call_enter(me->hall, &in, &me->reply), ZKT_OK);
}

static bool say(struct person *me, enum zkt_status wanted)
{
    const struct demo_hall_say_input in = {
        .room = ZKT_STR("garden"),
        .text = ZKT_STR("hello"),
    };
    return ended(me, "says hello in the garden",
                 demo_hall_call_say(me->hall, &in, &me->reply), wanted);
}

static bool announce(struct person *me, enum zkt_status wanted)
{
    const struct demo_hall_announce_input in = { .text = ZKT_STR("tea!") };
    return ended(me, "announces tea",
                 demo_hall_call_announce(me->hall, &in, &me->reply), wanted);
}

static bool kick_bob(struct person *me)
{
    const struct demo_hall_kick_input in = { .user_id = ZKT_STR("bob") };
    return ended(me, "kicks bob",
                 demo_hall_call_kick(me->hall, &in, &me->reply), ZKT_OK);
}

static bool ban_bob(struct person *me)
{
    const struct demo_hall_ban_input in = {
        .user_id = ZKT_STR("bob"),
        .minutes = 60,
    };
    return ended(me, "bans bob", demo_hall_call_ban(me->hall, &in, &me->reply),
                 ZKT_OK);
}

static void watch_bans(struct person *me)
{
    me->watch = demo_hall_watch_bans(me->hall, on_bans, me);
    demo_hall_subscribe_errors(me->hall, on_denied, me);
}

static bool come_in(const char *url, struct person *ada, struct person *bob,
                    struct person *eve)
{
    printf("-- at the door, with tokens: good, expired, forged\n");
    return arrive(ada, url) && arrive(bob, url) && arrive(eve, url);
}

static bool talk(struct person *ada, struct person *bob)
{
    printf("-- in the hall: roles, and a room that is a topic\n");
    watch_bans(ada);
    watch_bans(bob);
    return hear(ada) && hear(bob) && say(bob, ZKT_FAILED_PRECONDITION) &&
           enter(bob) && say(bob, ZKT_OK) && hear(bob) &&
           announce(bob, ZKT_PERMISSION_DENIED) && announce(ada, ZKT_OK) &&
           hear(ada) && hear(bob);
}

static bool throw_out(const char *url, struct person *ada, struct person *bob)
{
    printf("-- out: who is kicked comes back, who is banned does not\n");
    if (!kick_bob(ada) || !hear(bob) || !hear(bob) ||
        !say(bob, ZKT_FAILED_PRECONDITION) || !ban_bob(ada) || !hear(ada) ||
        !hear(bob)) {
        return false;
    }
    leave(bob); /* the program starts again */
    return arrive(bob, url);
}

int main(int argc, char **argv)
{
    struct person ada = { .name = "ada", .role = "moderator" };
    struct person bob = { .name = "bob", .role = "member" };
    struct person eve = { .name = "eve" };
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    if (!token_read_key(&key)) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    (void)snprintf(eve.token, sizeof(eve.token), "eve.moderator.%d000.%064d",
                   INT_MAX, 0);
    const bool is_well = sign_in(&ada, HOUR_MS) && sign_in(&bob, -HOUR_MS) &&
                         come_in(argv[1], &ada, &bob, &eve) &&
                         talk(&ada, &bob) && throw_out(argv[1], &ada, &bob);
    leave(&ada);
    leave(&bob);
    leave(&eve);
    return is_well ? 0 : 1;
}
