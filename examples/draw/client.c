/*
 * Plays a game of examples/draw: draw_client URL. Ada, bob and cy play, and eve
 * watches: her lines are all that the public sees. Each has a client with a
 * connection of its own. The program waits for each thing in turn, so its lines
 * always stand in the same order. The players know which word to guess since
 * the server takes its words in order (DRAW_IN_ORDER=1).
 */
#include "draw_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 20000
#define NEWS_MAX    8

struct person {
    const char *name;
    struct zkt_client *client;
    struct demo_draw *room;
    struct zkt_reply reply;
    char news[NEWS_MAX][120]; /* received, and not printed yet */
    size_t news_count;
};

static struct person ada = { .name = "ada" }, bob = { .name = "bob" },
                     cy = { .name = "cy" }, eve = { .name = "eve" };

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

static void on_your_turn(const struct demo_draw_your_turn_event *turn,
                         void *user)
{
    note(user, "is to draw: %s", turn->word.data);
}

/* Has at most one entry: that of the person. */
static void on_close(const struct zkt_str_map *close, void *user)
{
    if (close->len > 0) {
        note(user, "is told: %s is nearly right", close->items[0].value.data);
    }
}

static void on_hint(struct zkt_str hint, void *user)
{
    if (strchr(hint.data, '_') != NULL) {
        note(user, "sees the word: %s", hint.data);
    }
}

static void on_guess(size_t index, const struct demo_guess *guess, void *user)
{
    (void)index;
    note(user, "sees %s guess: %s", guess->by.data, guess->text.data);
}

static void on_correct_guess(const struct demo_draw_correct_guess_event *guess,
                             void *user)
{
    note(user, "sees %s guess the word: +%d", guess->by.data,
         (int)guess->points);
}

static void on_round_ended(const struct demo_draw_round_ended_event *round,
                           void *user)
{
    note(user, "sees the end of the round: %s, %s", round->word.data,
         demo_round_end_name(round->why));
}

/* Waits until a person has received something. */
static bool receive(struct person *me)
{
    const bool is_well = zkt_client_poll(me->client, PATIENCE_MS) == ZKT_OK;
    if (!is_well) {
        fprintf(stderr, "%s has waited in vain\n", me->name);
    }
    return is_well;
}

/* Prints the next news of a person, and waits for it before. */
static bool hear(struct person *me)
{
    while (me->news_count == 0) {
        if (!receive(me)) {
            return false;
        }
    }
    printf("%s %s\n", me->name, me->news[0]);
    me->news_count--;
    memmove(me->news[0], me->news[1], me->news_count * sizeof(me->news[0]));
    return true;
}

/* ---- deeds ---- */

/* Prints how a call has ended, and returns true if it should end like that. */
static bool ended(const struct person *me, const char *deed,
                  enum zkt_status status, enum zkt_status wanted)
{
    printf("%s %s%s%s\n", me->name, deed, status == ZKT_OK ? "" : ": ",
           status == ZKT_OK ? "" : me->reply.error);
    return status == wanted;
}

/* Says who is there, before each attempt to connect. */
static enum zkt_status prepare(void *user, struct zkt_connect *connect)
{
    const struct person *me = user;
    zkt_connect_query(connect, "user", me->name);
    return ZKT_OK;
}

/* Opens a client, and waits until it knows the state of the room. */
static bool arrive(struct person *me, const char *url)
{
    const struct zkt_client_options options = {
        .prepare = prepare,
        .prepare_user = me,
    };
    me->client = zkt_client_open(url, &options);
    me->room = demo_draw_open(me->client, "garden");
    demo_draw_on_your_turn(me->room, on_your_turn, me);
    demo_draw_watch_close(me->room, on_close, me);
    return demo_draw_ready(me->room, PATIENCE_MS) == ZKT_OK;
}

/* Listens to everything that is for all. */
static bool watch(struct person *me)
{
    const struct demo_draw_guesses_observer guesses = { .inserted = on_guess };
    return demo_draw_watch_hint(me->room, on_hint, me) != 0 &&
           demo_draw_observe_guesses(me->room, &guesses, me) != 0 &&
           demo_draw_on_correct_guess(me->room, on_correct_guess, me) != 0 &&
           demo_draw_on_round_ended(me->room, on_round_ended, me) != 0;
}

static void go(struct person *me)
{
    demo_draw_close(me->room);
    zkt_client_close(me->client);
    zkt_reply_clear(&me->reply);
    me->room = NULL;
    me->client = NULL;
    me->news_count = 0;
}

static bool join(struct person *me)
{
    struct demo_player player;
    if (demo_draw_call_join(me->room, &player, &me->reply) != ZKT_OK) {
        return ended(me, "joins", me->reply.status, ZKT_OK);
    }
    printf("%s joins with the score %d\n", me->name, (int)player.score);
    return true;
}

static bool leave(struct person *me)
{
    return ended(me, "leaves the room",
                 demo_draw_call_leave(me->room, &me->reply), ZKT_OK);
}

static bool start(struct person *me, int32_t rounds, int32_t seconds,
                  enum zkt_status wanted)
{
    const struct demo_draw_start_input in = { rounds, seconds };
    return ended(me, "starts a game",
                 demo_draw_call_start(me->room, &in, &me->reply), wanted);
}

static bool guess(struct person *me, const char *text)
{
    const struct demo_draw_guess_input in = { .text = zkt_cstr(text) };
    bool is_right = false;
    const enum zkt_status status = demo_draw_call_guess(me->room, &in,
                                                        &is_right, &me->reply);
    printf("%s guesses %s: %s\n", me->name, text,
           status != ZKT_OK ? me->reply.error
           : is_right       ? "right"
                            : "wrong");
    return status == ZKT_OK || demo_is_knows_word(&me->reply);
}

/* ---- drawing ---- */

/* Draws an upright stroke; number @number of @count stands in its own place. */
static enum zkt_status draw_stroke(struct person *me, size_t number,
                                   size_t count)
{
    const float x = ((float)number + 0.5f) / (float)count;
    const struct demo_point points[] = { { x, 0.25f }, { x, 0.75f } };
    struct demo_stroke stroke = demo_stroke_defaults();
    stroke.points = (struct demo_point_list){ points, 2 };
    return demo_draw_call_draw(me->room, &stroke, &me->reply);
}

/* Draws a stroke for each letter of the word. */
static bool draw(struct person *me)
{
    const struct zkt_str word = demo_draw_snapshot(me->room)->word.value;
    const size_t count = word.len; /* the text is good until the next turn */
    for (size_t i = 0; i < count; i++) {
        if (draw_stroke(me, i, count) != ZKT_OK) {
            return ended(me, "draws", me->reply.status, ZKT_OK);
        }
    }
    printf("%s draws %zu strokes\n", me->name, count);
    return true;
}

static bool is_refused(struct person *me)
{
    return ended(me, "draws", draw_stroke(me, 0, 1), ZKT_PERMISSION_DENIED);
}

/* Waits until a person sees the whole drawing of a round. */
static bool look(struct person *me, int32_t round)
{
    const struct demo_draw_state *state = demo_draw_snapshot(me->room);
    while (state->round != round || state->strokes.len < state->hint.len) {
        if (!receive(me)) {
            return false;
        }
        state = demo_draw_snapshot(me->room);
    }
    printf("%s sees %zu strokes, and %s\n", me->name, state->strokes.len,
           state->word.has ? state->word.value.data : "no word");
    return true;
}

/* ---- the play ---- */

static int score_of(struct person *player)
{
    const struct demo_draw_state *state = demo_draw_snapshot(eve.room);
    const struct demo_player *found = demo_player_map_find(
        &state->players, zkt_cstr(player->name));
    return found != NULL ? found->score : 0;
}

static void print_scores(void)
{
    printf("the scores: ada %d, bob %d, cy %d\n", score_of(&ada),
           score_of(&bob), score_of(&cy));
}

static bool is_away(const struct person *player)
{
    const struct demo_draw_state *state = demo_draw_snapshot(eve.room);
    const struct demo_player *found = demo_player_map_find(
        &state->players, zkt_cstr(player->name));
    return found != NULL && !found->online;
}

/* Loses the connection, and comes back when the others have seen that. */
static bool come_back(struct person *me, const char *url)
{
    go(me);
    while (!is_away(me)) {
        if (!receive(&eve)) {
            return false;
        }
    }
    printf("%s is away, and comes back\n", me->name);
    return arrive(me, url) && join(me);
}

static bool meet(const char *url)
{
    printf("-- in the room: the first player is the host\n");
    return arrive(&ada, url) && arrive(&bob, url) && arrive(&cy, url) &&
           arrive(&eve, url) && watch(&eve) && join(&ada) && join(&bob) &&
           join(&cy) && start(&bob, 3, 300, ZKT_PERMISSION_DENIED) &&
           start(&ada, 3, 300, ZKT_OK);
}

static bool play_guessing(void)
{
    printf("-- ada draws: who is first has most points\n");
    const bool is_well = hear(&ada) && hear(&eve) && draw(&ada) &&
                         look(&ada, 1) && look(&bob, 1) && is_refused(&bob) &&
                         guess(&bob, "tree") && hear(&eve) &&
                         guess(&bob, "mouse") && hear(&bob) &&
                         guess(&cy, "house") && hear(&eve) &&
                         guess(&ada, "house") && guess(&bob, " House ") &&
                         hear(&eve) && hear(&eve);
    print_scores();
    return is_well;
}

static bool play_leaving(const char *url)
{
    printf("-- bob draws: a connection is not a player\n");
    const bool is_well = hear(&bob) && hear(&eve) && draw(&bob) &&
                         come_back(&bob, url) && look(&bob, 2) && leave(&bob) &&
                         hear(&eve);
    print_scores();
    return is_well;
}

static bool play_last(void)
{
    printf("-- cy draws: the last round\n");
    const bool is_well = hear(&cy) && hear(&eve) && draw(&cy) &&
                         look(&ada, 3) && guess(&ada, "tree") && hear(&eve) &&
                         hear(&eve);
    print_scores();
    return is_well;
}

static bool play_silent(void)
{
    printf(
        "-- ada draws, for a second: letters are shown, and nobody guesses\n");
    const bool is_well = start(&ada, 1, 1, ZKT_OK) && hear(&ada) &&
                         hear(&eve) && hear(&eve) && hear(&eve) && hear(&eve);
    print_scores();
    return is_well;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const bool is_well = meet(argv[1]) && play_guessing() &&
                         play_leaving(argv[1]) && play_last() && play_silent();
    go(&ada);
    go(&bob);
    go(&cy);
    go(&eve);
    return is_well ? 0 : 1;
}
