/*
 * The server of examples/draw. Every round begins in begin_round and ends in
 * end_round, to which methods, timers and players who leave lead. The word
 * stands in the state, and the schema says that the drawer alone sees it: no
 * handler has to keep it secret. Handlers look after guesses, which are texts
 * of players: a right guess is shown to nobody, and a guess that is nearly
 * right to its player alone.
 *
 * Variables of the environment, for tests: DRAW_PAUSE_MS between two rounds,
 * DRAW_AWAY_MS until a player without a connection is gone, DRAW_IN_ORDER=1 for
 * words and letters that are the same each time.
 */
#include "draw_server.h"

#include <stdlib.h>
#include <string.h>

#define PLAYERS_MIN 2

struct settings {
    int64_t pause_ms, away_ms;
    bool in_order;
};

static const char *const words[] = {
    "house",   "apple",   "tree",     "bicycle", "kitten",  "ladder",
    "moon",    "bridge",  "elephant", "candle",  "lantern", "rainbow",
    "fish",    "castle",  "umbrella", "guitar",  "snail",   "volcano",
    "clock",   "penguin", "scissors", "balloon", "anchor",  "spider",
    "pyramid", "teapot",  "mushroom", "rocket",  "glasses", "dragon",
    "window",  "cactus",  "hammer",   "whale",   "feather", "compass",
};
#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

static const char *const colors[DEMO_DRAW_PLAYERS_MAX] = {
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080",
    "#9a6324", "#800000", "#808000", "#000075", "#e377c2", "#7f7f7f",
};

/* Chooses a number below @count. */
static size_t choose(const struct demo_draw_call *call, size_t count)
{
    const struct settings *settings = zkt_user(call->zkt);
    return settings->in_order ? 0 : zkt_random(call->zkt, (uint32_t)count);
}

/* ---- the connection ---- */

/* The name is taken on trust; examples/auth shows how a server does better. */
static enum zkt_status on_open(struct demo_connection_call *call,
                               const struct demo_connection_input *in,
                               struct demo_connection *out)
{
    (void)call;
    out->user = in->user;
    return ZKT_OK;
}

/* ---- players ---- */

/* Returns the user of the call as a player, or NULL. */
static const struct demo_player *find_caller(const struct demo_draw_call *call)
{
    return demo_player_map_find(&call->state->players, call->connection->user);
}

static bool is_drawer(const struct demo_draw_state *state, struct zkt_str user)
{
    return state->drawer.has && zkt_str_eq(state->drawer.value, user);
}

static bool audience_drawer(const struct demo_draw_state *state,
                            const struct demo_draw_private *private_state,
                            struct zkt_str client_id,
                            const struct demo_connection *connection)
{
    (void)private_state;
    (void)client_id;
    return is_drawer(state, connection->user);
}

/* Returns the number of players who do not know the word. */
static int32_t count_guessing(const struct demo_draw_call *call)
{
    const struct demo_player_map *players = &call->state->players;
    int32_t count = 0;
    for (size_t i = 0; i < players->len; i++) {
        count += !players->items[i].value.knows;
    }
    return count;
}

static void add_score(struct demo_draw_call *call, struct zkt_str user,
                      int32_t points)
{
    const struct demo_player *player = demo_player_map_find(
        &call->state->players, user);
    if (player != NULL) {
        demo_player_set_score(demo_draw_edit_players(call, user),
                              player->score + points);
    }
}

static bool is_taken(const struct demo_player_map *players,
                     struct zkt_str color)
{
    for (size_t i = 0; i < players->len; i++) {
        if (zkt_str_eq(players->items[i].value.color, color)) {
            return true;
        }
    }
    return false;
}

/* Returns a color that no player has. */
static struct zkt_str find_color(const struct demo_draw_call *call)
{
    size_t at = 0;
    while (is_taken(&call->state->players, zkt_cstr(colors[at]))) {
        at++; /* there is a color for each player */
    }
    return zkt_cstr(colors[at]);
}

/* Returns true if a user has a connection to the room. */
static bool is_here(const struct demo_draw_call *call, struct zkt_str user)
{
    const struct zkt_str_list clients = zkt_clients(call->zkt);
    for (size_t i = 0; i < clients.len; i++) {
        const struct demo_connection *of = demo_connection_of(call->zkt,
                                                              clients.items[i]);
        if (of != NULL && zkt_str_eq(of->user, user)) {
            return true;
        }
    }
    return false;
}

/* ---- rounds ---- */

/* Puts @count words into the deck, in random order. */
static void fill_deck(struct demo_draw_call *call, size_t count)
{
    struct zkt_str deck[WORD_COUNT];
    for (size_t i = 0; i < WORD_COUNT; i++) {
        deck[i] = zkt_cstr(words[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const size_t chosen = i + choose(call, WORD_COUNT - i);
        const struct zkt_str word = deck[chosen];
        deck[chosen] = deck[i];
        deck[i] = word;
    }
    demo_draw_set_deck(call, &(struct zkt_str_list){ deck, count });
}

static struct zkt_str take_word(struct demo_draw_call *call)
{
    const struct zkt_str word = call->private_state->deck.items[0];
    demo_draw_remove_deck(call, 0, 1);
    return word;
}

/* Returns the first in turn who is online, who is then the last in turn. */
static struct zkt_str take_turn(struct demo_draw_call *call)
{
    const struct demo_draw_state *state = call->state;
    size_t at = 0;
    for (size_t i = state->turns.len; i-- > 0;) {
        const struct demo_player *player = demo_player_map_find(
            &state->players, state->turns.items[i]);
        at = player->online ? i : at;
    }
    const struct zkt_str user = state->turns.items[at];
    demo_draw_remove_turns(call, at, 1);
    demo_draw_append_turns(call, user);
    return user;
}

static void make_drawer(struct demo_draw_call *call, struct zkt_str user)
{
    const struct demo_player_map *players = &call->state->players;
    for (size_t i = 0; i < players->len; i++) {
        const struct zkt_str name = players->items[i].key;
        demo_player_set_knows(demo_draw_edit_players(call, name),
                              zkt_str_eq(name, user));
    }
    demo_draw_set_drawer(call, user);
}

static void set_word(struct demo_draw_call *call, struct zkt_str word)
{
    const struct demo_draw_your_turn_event turn = { .word = word };
    const struct zkt_str hint = { "________________", word.len }; /* enough */
    demo_draw_set_word(call, word);
    demo_draw_set_hint(call, hint);
    demo_draw_emit_your_turn(call, &turn, demo_draw_to_drawer());
}

static size_t count_hidden(struct zkt_str hint)
{
    size_t count = 0;
    for (size_t i = 0; i < hint.len; i++) {
        count += hint.data[i] == '_';
    }
    return count;
}

/* Starts the timer of the next letter, or that of the end of the round after
 * the last: half of the letters are shown, in equal steps. As the timers follow
 * one another, a server that was held up has them in the same order. */
static void start_step(struct demo_draw_call *call)
{
    const struct demo_draw_state *state = call->state;
    const size_t length = state->word.value.len;
    const size_t letters = count_hidden(state->hint) - (length - length / 2);
    const int64_t left = state->ends_at.value - zkt_now_ms(call->zkt);
    if (letters > 0) {
        demo_draw_start_reveal(call, left / (int64_t)(letters + 1));
    } else {
        demo_draw_start_round_over(call, left);
    }
}

static void begin_round(struct demo_draw_call *call)
{
    const int64_t round_ms = call->state->seconds * INT64_C(1000);
    demo_draw_set_phase(call, DEMO_PHASE_DRAWING);
    demo_draw_set_round(call, call->state->round + 1);
    demo_draw_set_ends_at(call, zkt_now_ms(call->zkt) + round_ms);
    demo_draw_clear_strokes(call);
    demo_draw_clear_guesses(call);
    make_drawer(call, take_turn(call));
    set_word(call, take_word(call));
    start_step(call);
}

static void end_game(struct demo_draw_call *call)
{
    demo_draw_set_phase(call, DEMO_PHASE_OVER);
    demo_draw_clear_deck(call);
}

/* Begins the pause between rounds, unless this was the last. */
static void pause_or_end(struct demo_draw_call *call)
{
    const struct settings *settings = zkt_user(call->zkt);
    if (call->private_state->deck.len == 0) {
        end_game(call);
    } else {
        demo_draw_set_phase(call, DEMO_PHASE_PAUSE);
        demo_draw_start_next_round(call, settings->pause_ms);
    }
}

/* Shows everybody the word. The drawer has a point for each right guess. */
static void end_round(struct demo_draw_call *call, enum demo_round_end why)
{
    const struct demo_draw_state *state = call->state;
    const struct demo_draw_round_ended_event ended = {
        .word = state->word.value,
        .why = why,
    };
    add_score(call, state->drawer.value,
              (int32_t)state->players.len - count_guessing(call) - 1);
    demo_draw_set_hint(call, ended.word);
    demo_draw_unset_word(call);
    demo_draw_unset_drawer(call);
    demo_draw_unset_ends_at(call);
    demo_draw_clear_close(call);
    demo_draw_stop_round_over(call);
    demo_draw_stop_reveal(call);
    demo_draw_emit_round_ended(call, &ended, zkt_to_all());
    pause_or_end(call);
}

static enum zkt_status timer_round_over(struct demo_draw_call *call)
{
    end_round(call, DEMO_ROUND_END_TIME_OVER);
    return ZKT_OK;
}

static enum zkt_status timer_next_round(struct demo_draw_call *call)
{
    if (call->state->players.len < PLAYERS_MIN) {
        end_game(call);
    } else {
        begin_round(call);
    }
    return ZKT_OK;
}

/* Returns the place of hidden letter number @number, from 0 on. */
static size_t find_hidden(struct zkt_str hint, size_t number)
{
    size_t at = 0;
    while (hint.data[at] != '_' || number-- > 0) {
        at++;
    }
    return at;
}

static enum zkt_status timer_reveal(struct demo_draw_call *call)
{
    const struct zkt_str word = call->state->word.value;
    const struct zkt_str hint = call->state->hint;
    const size_t at = find_hidden(hint, choose(call, count_hidden(hint)));
    demo_draw_set_hint(call,
                       zkt_format(call->zkt, "%.*s%c%s", (int)at, hint.data,
                                  word.data[at], hint.data + at + 1));
    start_step(call);
    return ZKT_OK;
}

/* ---- coming and leaving ---- */

static enum zkt_status join(struct demo_draw_call *call,
                            struct demo_player *out)
{
    const struct zkt_str user = call->connection->user;
    const struct demo_player *joined = find_caller(call);
    if (joined != NULL) {
        *out = *joined;
        return ZKT_OK;
    }
    if (call->state->players.len == DEMO_DRAW_PLAYERS_MAX) {
        const struct demo_room_full_error full = { DEMO_DRAW_PLAYERS_MAX };
        return demo_fail_room_full(call->zkt, &full, NULL);
    }
    *out = (struct demo_player){ .color = find_color(call), .online = true };
    demo_draw_put_players(call, user, out);
    demo_draw_append_turns(call, user);
    if (!call->state->host.has) {
        demo_draw_set_host(call, user);
    }
    return ZKT_OK;
}

static void remove_turn(struct demo_draw_call *call, struct zkt_str user)
{
    const struct zkt_str_list *turns = &call->state->turns;
    for (size_t i = 0; i < turns->len; i++) {
        if (zkt_str_eq(turns->items[i], user)) {
            demo_draw_remove_turns(call, i, 1);
            return;
        }
    }
}

/* Makes the next in turn the host, if there is any. */
static void replace_host(struct demo_draw_call *call)
{
    if (call->state->turns.len > 0) {
        demo_draw_set_host(call, call->state->turns.items[0]);
    } else {
        demo_draw_unset_host(call);
    }
}

static void remove_player(struct demo_draw_call *call, struct zkt_str user)
{
    demo_draw_remove_players(call, user);
    demo_draw_remove_close(call, user);
    remove_turn(call, user);
    if (zkt_str_eq(call->state->host.value, user)) {
        replace_host(call);
    }
    if (is_drawer(call->state, user)) {
        end_round(call, DEMO_ROUND_END_DRAWER_LEFT);
    } else if (call->state->drawer.has && count_guessing(call) == 0) {
        end_round(call, DEMO_ROUND_END_ALL_KNOW);
    }
}

static enum zkt_status leave(struct demo_draw_call *call)
{
    if (find_caller(call) != NULL) {
        remove_player(call, call->connection->user);
    }
    return ZKT_OK;
}

static enum zkt_status timer_gone(struct demo_draw_call *call,
                                  const struct demo_draw_gone_timer *in)
{
    remove_player(call, in->user);
    return ZKT_OK;
}

static void set_online(struct demo_draw_call *call, bool is_online)
{
    const struct zkt_str user = call->connection->user;
    demo_player_set_online(demo_draw_edit_players(call, user), is_online);
}

static enum zkt_status on_connect(struct demo_draw_call *call)
{
    if (find_caller(call) != NULL) {
        demo_draw_stop_gone(call, call->connection->user);
        set_online(call, true);
    }
    return ZKT_OK;
}

static enum zkt_status on_disconnect(struct demo_draw_call *call)
{
    const struct settings *settings = zkt_user(call->zkt);
    const struct demo_draw_gone_timer gone = { call->connection->user };
    if (find_caller(call) != NULL && !is_here(call, gone.user)) {
        demo_draw_start_gone(call, settings->away_ms, &gone);
        set_online(call, false);
    }
    return ZKT_OK;
}

/* ---- starting and drawing ---- */

static enum zkt_status fail_phase(struct demo_draw_call *call)
{
    const struct demo_wrong_phase_error error = { call->state->phase };
    return demo_fail_wrong_phase(call->zkt, &error, NULL);
}

static enum zkt_status check_start(struct demo_draw_call *call)
{
    const struct demo_draw_state *state = call->state;
    if (find_caller(call) == NULL) {
        return demo_fail_not_joined(call->zkt, NULL);
    }
    if (!zkt_str_eq(state->host.value, call->connection->user)) {
        const struct demo_not_host_error error = { state->host.value };
        return demo_fail_not_host(call->zkt, &error, NULL);
    }
    if (state->phase != DEMO_PHASE_LOBBY && state->phase != DEMO_PHASE_OVER) {
        return fail_phase(call);
    }
    if (state->players.len < PLAYERS_MIN) {
        const struct demo_too_few_players_error error = { PLAYERS_MIN };
        return demo_fail_too_few_players(call->zkt, &error,
                                         "it takes %d players", PLAYERS_MIN);
    }
    return ZKT_OK;
}

static enum zkt_status start(struct demo_draw_call *call,
                             const struct demo_draw_start_input *in)
{
    const struct demo_player_map *players = &call->state->players;
    const enum zkt_status status = check_start(call);
    if (status != ZKT_OK) {
        return status;
    }
    for (size_t i = 0; i < players->len; i++) {
        demo_player_set_score(
            demo_draw_edit_players(call, players->items[i].key), 0);
    }
    demo_draw_set_rounds(call, in->rounds);
    demo_draw_set_seconds(call, in->seconds);
    demo_draw_set_round(call, 0);
    fill_deck(call, (size_t)in->rounds);
    begin_round(call);
    return ZKT_OK;
}

static enum zkt_status check_drawer(struct demo_draw_call *call)
{
    const struct demo_draw_state *state = call->state;
    if (find_caller(call) == NULL) {
        return demo_fail_not_joined(call->zkt, NULL);
    }
    if (state->phase != DEMO_PHASE_DRAWING) {
        return fail_phase(call);
    }
    if (!is_drawer(state, call->connection->user)) {
        const struct demo_not_drawer_error error = { state->drawer.value };
        return demo_fail_not_drawer(call->zkt, &error, NULL);
    }
    return ZKT_OK;
}

static enum zkt_status draw(struct demo_draw_call *call,
                            const struct demo_stroke *stroke)
{
    const enum zkt_status status = check_drawer(call);
    if (status != ZKT_OK) {
        return status;
    }
    if (call->state->strokes.len == DEMO_DRAW_STROKES_MAX) {
        const struct demo_canvas_full_error full = { DEMO_DRAW_STROKES_MAX };
        return demo_fail_canvas_full(call->zkt, &full, NULL);
    }
    demo_draw_append_strokes(call, stroke);
    return ZKT_OK;
}

static enum zkt_status wipe(struct demo_draw_call *call)
{
    const enum zkt_status status = check_drawer(call);
    if (status == ZKT_OK) {
        demo_draw_clear_strokes(call);
    }
    return status;
}

/* ---- guesses ---- */

/* A guess is right if the word is in it: "is it a house?" Otherwise the others
 * would read the word in a guess that is wrong. */
static bool contains(struct zkt_str text, struct zkt_str word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (memcmp(text.data + i, word.data, word.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Returns true if @text differs from @word in at most one letter, which is
 * another, missing or too many. */
static bool is_one_off(struct zkt_str text, struct zkt_str word)
{
    const size_t longer = text.len > word.len ? text.len : word.len;
    const size_t shorter = text.len + word.len - longer;
    size_t head = 0, tail = 0;
    while (head < shorter && text.data[head] == word.data[head]) {
        head++;
    }
    while (tail < shorter - head &&
           text.data[text.len - 1 - tail] == word.data[word.len - 1 - tail]) {
        tail++;
    }
    return head + tail + 1 >= longer;
}

/* Gives a point for each player who is still guessing, the caller too. */
static void reward(struct demo_draw_call *call)
{
    const struct zkt_str user = call->connection->user;
    const struct demo_draw_correct_guess_event event = {
        .by = user,
        .points = count_guessing(call),
    };
    add_score(call, user, event.points);
    demo_player_set_knows(demo_draw_edit_players(call, user), true);
    demo_draw_remove_close(call, user);
    demo_draw_emit_correct_guess(call, &event, zkt_to_all());
    if (count_guessing(call) == 0) {
        end_round(call, DEMO_ROUND_END_ALL_KNOW);
    }
}

static void show_guess(struct demo_draw_call *call, struct zkt_str text)
{
    const struct demo_guess guess = { call->connection->user, text };
    if (call->state->guesses.len == DEMO_DRAW_GUESSES_MAX) {
        demo_draw_remove_guesses(call, 0, 1);
    }
    demo_draw_append_guesses(call, &guess);
}

static enum zkt_status guess(struct demo_draw_call *call,
                             const struct demo_draw_guess_input *in, bool *out)
{
    const struct zkt_str word = call->state->word.value;
    const struct demo_player *player = find_caller(call);
    if (player == NULL) {
        return demo_fail_not_joined(call->zkt, NULL);
    }
    if (call->state->phase != DEMO_PHASE_DRAWING) {
        return fail_phase(call);
    }
    if (player->knows) {
        return demo_fail_knows_word(call->zkt, NULL);
    }
    *out = contains(in->text, word);
    if (*out) {
        reward(call);
    } else if (is_one_off(in->text, word)) {
        demo_draw_put_close(call, call->connection->user, in->text);
    } else {
        show_guess(call, in->text);
    }
    return ZKT_OK;
}

static const struct demo_draw_handlers room = {
    .join = join,
    .leave = leave,
    .start = start,
    .draw = draw,
    .wipe = wipe,
    .guess = guess,
    .timer_round_over = timer_round_over,
    .timer_reveal = timer_reveal,
    .timer_next_round = timer_next_round,
    .timer_gone = timer_gone,
    .audience_drawer = audience_drawer,
    .on_connect = on_connect,
    .on_disconnect = on_disconnect,
};

/* Returns a number of the environment, or @otherwise without it. */
static int64_t read_setting(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .pause_ms = read_setting("DRAW_PAUSE_MS", 5000),
        .away_ms = read_setting("DRAW_AWAY_MS", 30000),
        .in_order = read_setting("DRAW_IN_ORDER", 0) != 0,
    };
    const struct demo_handlers handlers = {
        .user = &settings,
        .on_open = on_open,
        .draw = &room,
    };
    const struct zkt_serve_options options = { .port = 3000 };
    return zkt_serve_main(demo_app(&handlers), &options, argc, argv);
}
