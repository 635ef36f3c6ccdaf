/*
 * A client and a server together, joined in memory: progress, streams,
 * cancelling and the time of calls, by generated code on both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "film_client.h"
#include "film_server.h"
#include "zocket/embed.h"

/* ---- the server ---- */

/* The deferred calls of the film, and the notices that their workers got. */
static struct {
    struct show_film_render_later *render;
    struct show_film_generate_later *generate;
    char notices[8]; /* letters of enum zkt_notice */
    int finished, cancelled;
    bool is_eager; /* a stream sends a word before its first half ends */
} studio;

static void take_notice(enum zkt_notice notice, void *user)
{
    const size_t len = strlen(studio.notices);
    (void)user;
    assert_in_range(len, 0, sizeof(studio.notices) - 2);
    studio.notices[len] = "rcods"[notice];
}

static enum zkt_status view(struct show_film_call *call, int32_t *out)
{
    show_film_set_views(call, call->state->views + 1);
    *out = call->state->views;
    return ZKT_OK;
}

static enum zkt_status render(struct show_film_call *call,
                              const struct show_film_render_input *in,
                              struct zkt_str *out)
{
    (void)in;
    (void)out;
    studio.render = show_film_defer_render(call);
    show_film_notify_render(studio.render, take_notice, NULL);
    return ZKT_PENDING;
}

static enum zkt_status generate(struct show_film_call *call,
                                const struct show_film_generate_input *in)
{
    (void)in;
    studio.generate = show_film_defer_generate(call);
    show_film_notify_generate(studio.generate, take_notice, NULL);
    if (studio.is_eager) {
        assert_int_equal(
            show_film_send_generate(studio.generate, ZKT_STR("once")), ZKT_OK);
    }
    return ZKT_PENDING;
}

static enum zkt_status finish_render(struct show_film_call *call,
                                     const struct show_film_render_input *in,
                                     struct zkt_str *out, void *user)
{
    (void)user;
    studio.finished++;
    studio.cancelled += zkt_cancelled(call->zkt);
    *out = zkt_format(call->zkt, "%d frames", (int)in->frames);
    return ZKT_OK;
}

static enum zkt_status finish_generate(
    struct show_film_call *call, const struct show_film_generate_input *in,
    void *user)
{
    (void)in;
    (void)user;
    studio.finished++;
    studio.cancelled += zkt_cancelled(call->zkt);
    return ZKT_OK;
}

static void end_generate(void)
{
    show_film_resume_generate(studio.generate, finish_generate, NULL);
}

static enum zkt_status send(const char *word)
{
    return show_film_send_generate(studio.generate, zkt_cstr(word));
}

/* ---- the client ---- */

struct fixture {
    struct zkt_server *server;
    struct zkt_client *client;
    struct show_film *film;
};

/* A call, its parts, each with a blank, and its end. */
struct seen {
    struct fixture *fixture;
    char text[128];
    int ended;
    enum zkt_status status;
    char error[80];
    uint64_t call;
};

static void note(struct seen *seen, const char *text)
{
    const size_t len = strlen(seen->text);
    assert_int_equal(seen->ended, 0);
    snprintf(seen->text + len, sizeof(seen->text) - len, "%s ", text);
}

static void on_progress(int32_t percent, void *user)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", (int)percent);
    note(user, text);
}

static void on_chunk(struct zkt_str word, void *user)
{
    note(user, word.data);
}

static void on_generated(const struct zkt_reply *reply, void *user)
{
    struct seen *seen = user;
    seen->ended++;
    seen->status = reply->status;
    snprintf(seen->error, sizeof(seen->error), "%s", reply->error);
}

static void on_rendered(const struct zkt_reply *reply, struct zkt_str result,
                        void *user)
{
    if (reply->status == ZKT_OK) {
        note(user, result.data);
    }
    on_generated(reply, user);
}

static void turn(struct fixture *f)
{
    for (int i = 0; i < 4; i++) {
        (void)zkt_client_poll(f->client, 0);
    }
}

static void begin_render(struct seen *seen, struct fixture *f)
{
    const struct show_film_render_input in = { .frames = 24 };
    *seen = (struct seen){ .fixture = f };
    seen->call = show_film_begin_render(f->film, &in, on_progress, on_rendered,
                                        seen);
    turn(f);
}

static void begin_generate(struct seen *seen, struct fixture *f)
{
    const struct show_film_generate_input in = { .prompt = ZKT_STR("a tale") };
    *seen = (struct seen){ .fixture = f };
    seen->call = show_film_begin_generate(f->film, &in, on_chunk, on_generated,
                                          seen);
    turn(f);
}

static void start(struct fixture *f, int64_t rpc_timeout_ms)
{
    static const struct show_film_handlers film = { .view = view,
                                                    .render = render,
                                                    .generate = generate };
    static const struct show_handlers handlers = { .film = &film };
    const struct zkt_client_options options = { .rpc_timeout_ms =
                                                    rpc_timeout_ms };
    memset(&studio, 0, sizeof(studio));
    assert_int_equal(zkt_server_new(show_app(&handlers), NULL, &f->server),
                     ZKT_OK);
    f->client = zkt_client_open_local_with(f->server, &options);
    f->film = show_film_open(f->client, "a");
    assert_int_equal(zkt_client_ready(f->client, 1000), ZKT_OK);
}

static void stop(struct fixture *f)
{
    show_film_close(f->film);
    zkt_client_close(f->client);
    zkt_server_free(f->server);
}

static void check_end(const struct seen *seen, const char *text,
                      enum zkt_status status)
{
    assert_int_equal(seen->ended, 1);
    assert_string_equal(seen->text, text);
    assert_int_equal(seen->status, status);
}

/* ---- tests ---- */

static void test_progress(void **state)
{
    struct fixture f;
    struct seen seen;
    (void)state;
    start(&f, 0);
    begin_render(&seen, &f);
    show_film_progress_render(studio.render, 10);
    turn(&f);
    show_film_progress_render(studio.render, 50);
    show_film_progress_render(studio.render, 60); /* the last counts */
    turn(&f);
    assert_string_equal(seen.text, "10 60 ");
    show_film_resume_render(studio.render, finish_render, NULL);
    turn(&f);
    check_end(&seen, "10 60 24 frames ", ZKT_OK);
    stop(&f);
}

static void test_a_stream(void **state)
{
    struct fixture f;
    struct seen seen;
    int32_t views = 0;
    (void)state;
    start(&f, 0);
    begin_generate(&seen, &f);
    assert_int_equal(send("once"), ZKT_OK);
    assert_int_equal(send("upon"), ZKT_OK);
    turn(&f);
    assert_string_equal(seen.text, "once upon ");
    assert_int_equal(show_film_call_view(f.film, &views, NULL), ZKT_OK);
    assert_int_equal(views, 1);
    assert_int_equal(send("a"), ZKT_OK);
    end_generate();
    turn(&f);
    check_end(&seen, "once upon a ", ZKT_OK);
    assert_string_equal(studio.notices, "");
    stop(&f);
}

/* The worker answers each word with the next. */
static void answer_word(struct zkt_str word, void *user)
{
    static const char *const words[] = { "once", "upon", "a", "time" };
    struct seen *seen = user;
    note(seen, word.data);
    for (size_t i = 1; i < 4; i++) {
        if (zkt_str_eq(word, zkt_cstr(words[i - 1]))) {
            assert_int_equal(send(words[i]), ZKT_OK);
        }
    }
    if (zkt_str_eq(word, ZKT_STR("time"))) {
        end_generate();
    }
}

static void test_a_stream_while_blocking(void **state)
{
    const struct show_film_generate_input in = { .prompt = ZKT_STR("a tale") };
    struct zkt_reply reply = { 0 };
    struct fixture f;
    struct seen seen = { .fixture = &f };
    (void)state;
    start(&f, 0);
    studio.is_eager = true;
    assert_int_equal(
        show_film_call_generate(f.film, &in, answer_word, &seen, &reply),
        ZKT_OK);
    assert_string_equal(seen.text, "once upon a time ");
    zkt_reply_clear(&reply);
    stop(&f);
}

static void test_cancelling_a_stream(void **state)
{
    struct fixture f;
    struct seen seen;
    (void)state;
    start(&f, 0);
    begin_generate(&seen, &f);
    assert_int_equal(send("once"), ZKT_OK);
    turn(&f);
    assert_false(show_film_cancelled_generate(studio.generate));
    zkt_client_cancel(f.client, seen.call);
    turn(&f);
    check_end(&seen, "once ", ZKT_CANCELLED);
    assert_true(show_film_cancelled_generate(studio.generate));
    assert_int_equal(send("upon"), ZKT_CANCELLED);
    end_generate();
    turn(&f);
    assert_int_equal(studio.finished, 1);
    assert_int_equal(studio.cancelled, 1);
    assert_string_equal(studio.notices, "c");
    stop(&f);
}

/* A call that holds the instance: those behind it go on. */
static void test_cancelling_a_deferred_call(void **state)
{
    struct fixture f;
    struct seen first, second;
    int32_t views = 0;
    (void)state;
    start(&f, 0);
    begin_render(&first, &f);
    begin_render(&second, &f); /* it waits at the instance */
    zkt_client_cancel(f.client, second.call);
    zkt_client_cancel(f.client, first.call);
    turn(&f);
    check_end(&first, "", ZKT_CANCELLED);
    check_end(&second, "", ZKT_CANCELLED);
    assert_int_equal(show_film_call_view(f.film, &views, NULL), ZKT_OK);
    show_film_resume_render(studio.render, finish_render, NULL);
    turn(&f);
    assert_int_equal(studio.finished, 1); /* the second has not begun */
    assert_int_equal(studio.cancelled, 1);
    assert_string_equal(studio.notices, "c");
    stop(&f);
}

/* The server answers in the time that the client has given it. */
static void test_the_server_keeps_the_time(void **state)
{
    const struct show_film_render_input in = { .frames = 24 };
    struct zkt_reply reply = { 0 };
    struct zkt_str result;
    struct fixture f;
    (void)state;
    start(&f, 300);
    assert_int_equal(
        show_film_call_render(f.film, &in, &result, NULL, NULL, &reply),
        ZKT_DEADLINE_EXCEEDED);
    /* The text is not that of the client, which begins with RPC. */
    assert_null(strstr(reply.error, "RPC"));
    turn(&f);
    assert_string_equal(studio.notices, "d");
    zkt_reply_clear(&reply);
    show_film_resume_render(studio.render, finish_render, NULL);
    turn(&f);
    assert_int_equal(studio.cancelled, 1);
    stop(&f);
}

/* The server knows no limit of a stream; the client ends it. */
static void test_a_stream_without_chunks(void **state)
{
    const struct show_film_generate_input in = { .prompt = ZKT_STR("a tale") };
    struct zkt_reply reply = { 0 };
    struct fixture f;
    (void)state;
    start(&f, 300);
    assert_int_equal(show_film_call_generate(f.film, &in, NULL, NULL, &reply),
                     ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(reply.error, "RPC \"generate\" timed out after 300ms");
    turn(&f);
    assert_string_equal(studio.notices, "c");
    zkt_reply_clear(&reply);
    end_generate();
    turn(&f);
    stop(&f);
}

/* A client that does not turn stops its stream, and loses nothing of it. */
struct words {
    size_t heard;
    int ended;
};

static void count_word(struct zkt_str word, void *user)
{
    struct words *words = user;
    char text[16];
    snprintf(text, sizeof(text), "%zu", words->heard++);
    assert_memory_equal(word.data, text, strlen(text));
}

static void on_words(const struct zkt_reply *reply, void *user)
{
    struct words *words = user;
    assert_int_equal(reply->status, ZKT_OK);
    words->ended++;
}

static enum zkt_status send_number(size_t number)
{
    char text[1000];
    memset(text, ' ', sizeof(text));
    const int len = snprintf(text, sizeof(text), "%zu", number);
    text[len] = ' ';
    return show_film_send_generate(studio.generate,
                                   (struct zkt_str){ text, sizeof(text) });
}

static void test_a_client_that_does_not_turn(void **state)
{
    const struct show_film_generate_input in = { .prompt = ZKT_STR("a tale") };
    struct words words = { 0 };
    struct fixture f;
    size_t sent = 0;
    (void)state;
    start(&f, 0);
    show_film_begin_generate(f.film, &in, count_word, on_words, &words);
    turn(&f);
    while (send_number(sent) == ZKT_OK) {
        sent++;
        assert_in_range(sent, 1, 1000); /* stream_bytes */
    }
    assert_int_equal(words.heard, 0);
    turn(&f);
    assert_int_equal(words.heard, sent);
    assert_string_equal(studio.notices, "r");
    assert_int_equal(send_number(sent++), ZKT_OK);
    end_generate();
    turn(&f);
    assert_int_equal(words.heard, sent);
    assert_int_equal(words.ended, 1);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_a_stream),
        cmocka_unit_test(test_a_stream_while_blocking),
        cmocka_unit_test(test_cancelling_a_stream),
        cmocka_unit_test(test_cancelling_a_deferred_call),
        cmocka_unit_test(test_the_server_keeps_the_time),
        cmocka_unit_test(test_a_stream_without_chunks),
        cmocka_unit_test(test_a_client_that_does_not_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
