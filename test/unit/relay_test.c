/*
 * Generated code for calls that take a while and for calls between instances,
 * on a server without sockets: chunks and progress of every kind of type reach
 * the function of the client that calls, workers learn why their call has
 * ended, and methods are told and asked with their outputs and inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "relay_client.h"
#include "relay_server.h"

/* The handles of calls that a test resumes, and the last notice of any. */
static struct relay_doc_export_later *exporting;
static struct relay_doc_build_later *building;
static struct relay_doc_numbers_later *numbering;
static int noticed;

/* All that handlers and clients have seen since the last comparison. */
static char seen[512];

static void see(const char *text)
{
    const size_t len = strlen(seen);
    snprintf(seen + len, sizeof(seen) - len, "%s;", text);
}

static void assert_seen(const char *text)
{
    assert_string_equal(seen, text);
    seen[0] = '\0';
}

static void on_notice(enum zkt_notice notice, void *user)
{
    assert_ptr_equal(user, &noticed);
    noticed = (int)notice;
}

/* ---- streams ---- */

static enum zkt_status after_generate(struct relay_doc_call *call,
                                      const struct relay_doc_generate_input *in,
                                      void *user)
{
    assert_null(user);
    assert_false(zkt_cancelled(call->zkt));
    relay_doc_set_streams(call, call->state->streams + 1);
    return in->count > 5 ? zkt_fail(call->zkt, ZKT_ABORTED, "enough") : ZKT_OK;
}

static enum zkt_status generate(struct relay_doc_call *call,
                                const struct relay_doc_generate_input *in)
{
    struct relay_doc_generate_later *later = relay_doc_defer_generate(call);
    for (int32_t i = 0; i < in->count; i++) {
        const struct relay_token token = { ZKT_STR("token"), i };
        assert_int_equal(relay_doc_send_generate(later, &token), ZKT_OK);
    }
    relay_doc_resume_generate(later, after_generate, NULL);
    return ZKT_PENDING;
}

static enum zkt_status after_numbers(struct relay_doc_call *call,
                                     const struct relay_authed *authed,
                                     int32_t in, void *user)
{
    see(zkt_format(call->zkt, "numbers %s %d%s", authed->who.data, (int)in,
                   zkt_cancelled(call->zkt) ? " cancelled" : "")
            .data);
    assert_null(user);
    return ZKT_OK;
}

static enum zkt_status numbers(struct relay_doc_call *call,
                               const struct relay_authed *authed, int32_t in)
{
    assert_string_equal(authed->who.data, "ada");
    numbering = relay_doc_defer_numbers(call);
    relay_doc_notify_numbers(numbering, on_notice, &noticed);
    assert_int_equal(relay_doc_send_numbers(numbering, in), ZKT_OK);
    return ZKT_PENDING;
}

/* ---- progress ---- */

static enum zkt_status after_export(struct relay_doc_call *call,
                                    struct zkt_str *out, void *user)
{
    const char *text = user;
    see(zkt_cancelled(call->zkt) ? "export cancelled" : "export");
    *out = zkt_cstr(text);
    return ZKT_OK;
}

static enum zkt_status export_it(struct relay_doc_call *call,
                                 struct zkt_str *out)
{
    (void)out;
    exporting = relay_doc_defer_export(call);
    relay_doc_notify_export(exporting, on_notice, &noticed);
    relay_doc_progress_export(exporting, 0.25);
    return ZKT_PENDING;
}

static enum zkt_status after_build(struct relay_doc_call *call, void *user)
{
    (void)call;
    (void)user;
    return ZKT_OK;
}

static enum zkt_status build(struct relay_doc_call *call)
{
    const struct relay_token token = { ZKT_STR("half"), 50 };
    building = relay_doc_defer_build(call);
    relay_doc_progress_build(building, &token);
    return ZKT_PENDING;
}

/* ---- telling and asking ---- */

struct copying {
    struct relay_doc_copy_later *copy;
    struct relay_doc_held_later *held;
    struct zkt_str text;
};

static enum zkt_status after_copy(struct relay_doc_call *call,
                                  const struct relay_doc_copy_input *in,
                                  struct zkt_str *out, void *user)
{
    const struct copying *copying = user;
    const struct relay_doc_add_input add = { 3 };
    relay_doc_tell_add(call->zkt, in->from, &add);
    relay_doc_tell_again(call->zkt, in->from, 4);
    relay_doc_tell_look(call->zkt, zkt_instance_id(call->zkt));
    *out = copying->text;
    return ZKT_OK;
}

static void on_given(const struct zkt_reply *reply, struct zkt_str text,
                     void *user)
{
    struct copying *copying = user;
    assert_int_equal(reply->status, ZKT_OK);
    copying->text = text;
    relay_doc_resume_copy(copying->copy, after_copy, copying);
}

static enum zkt_status copy(struct relay_doc_call *call,
                            const struct relay_doc_copy_input *in,
                            struct zkt_str *out)
{
    struct copying *copying = ZKT_NEW(call->zkt, struct copying, 1);
    const struct relay_authed bob = { ZKT_STR("bob") };
    (void)out;
    copying->copy = relay_doc_defer_copy(call);
    relay_doc_ask_give(call->zkt, in->from, &bob, ZKT_STR("page"), on_given,
                       copying);
    return ZKT_PENDING;
}

static enum zkt_status after_held(struct relay_doc_call *call,
                                  const struct relay_doc_held_input *in,
                                  struct zkt_str *out, void *user)
{
    (void)call;
    (void)in;
    *out = ((const struct copying *)user)->text;
    return ZKT_OK;
}

static void on_refused(const struct zkt_reply *reply, struct zkt_str text,
                       void *user)
{
    struct copying *copying = user;
    assert_int_equal(reply->status, ZKT_FAILED_PRECONDITION);
    assert_int_equal(text.len, 0);
    copying->text = ZKT_STR("refused");
    relay_doc_resume_held(copying->held, after_held, copying);
}

/* Asks without `interleave`. */
static enum zkt_status held(struct relay_doc_call *call,
                            const struct relay_doc_held_input *in,
                            struct zkt_str *out)
{
    struct copying *copying = ZKT_NEW(call->zkt, struct copying, 1);
    const struct relay_authed bob = { ZKT_STR("bob") };
    (void)out;
    copying->held = relay_doc_defer_held(call);
    relay_doc_ask_give(call->zkt, in->from, &bob, ZKT_STR("page"), on_refused,
                       copying);
    return ZKT_PENDING;
}

static enum zkt_status give(struct relay_doc_call *call,
                            const struct relay_authed *authed,
                            struct zkt_str in, struct zkt_str *out)
{
    *out = zkt_format(call->zkt, "%s for %s of %s", in.data, authed->who.data,
                      zkt_instance_id(call->zkt).data);
    return ZKT_OK;
}

static enum zkt_status add(struct relay_doc_call *call,
                           const struct relay_doc_add_input *in)
{
    relay_doc_set_told(call, call->state->told + in->n);
    return ZKT_OK;
}

static enum zkt_status again(struct relay_doc_call *call, int32_t in)
{
    relay_doc_set_told(call, call->state->told * 10 + in);
    return ZKT_OK;
}

/* ---- a server ---- */

static enum zkt_status look(struct relay_doc_call *call,
                            struct zkt_int32_list *out)
{
    int32_t *both = ZKT_NEW(call->zkt, int32_t, 2);
    both[0] = call->state->streams;
    both[1] = call->state->told;
    *out = (struct zkt_int32_list){ both, 2 };
    return ZKT_OK;
}

static enum zkt_status after_connect(struct relay_doc_call *call, void *user)
{
    (void)call;
    (void)user;
    return ZKT_OK;
}

static enum zkt_status on_connect(struct relay_doc_call *call)
{
    struct relay_doc_on_connect_later *later = relay_doc_defer_on_connect(call);
    assert_false(relay_doc_cancelled_on_connect(later));
    relay_doc_notify_on_connect(later, on_notice, &noticed);
    relay_doc_resume_on_connect(later, after_connect, NULL);
    return ZKT_PENDING;
}

static enum zkt_status authed(struct relay_middleware_call *call,
                              struct relay_authed *out)
{
    (void)call;
    out->who = ZKT_STR("ada");
    return ZKT_OK;
}

static const struct relay_doc_handlers doc_handlers = {
    .generate = generate,
    .numbers = numbers,
    .export_ = export_it,
    .build = build,
    .copy = copy,
    .held = held,
    .give = give,
    .add = add,
    .again = again,
    .look = look,
    .on_connect = on_connect,
};

static const struct relay_handlers handlers = {
    .authed = authed,
    .doc = &doc_handlers,
};

static struct zkt_server *server;
static struct zkt_client *client;
static struct relay_doc *doc;

static int set_up(void **state)
{
    (void)state;
    noticed = -1;
    seen[0] = '\0';
    assert_int_equal(zkt_server_new(relay_app(&handlers), NULL, &server),
                     ZKT_OK);
    client = zkt_client_open_local(server);
    doc = relay_doc_open(client, "a");
    return doc == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    relay_doc_close(doc);
    zkt_client_close(client);
    zkt_server_free(server);
    return 0;
}

static void assert_state(struct relay_doc *of, int32_t streams, int32_t told)
{
    struct zkt_reply reply = { 0 };
    struct zkt_int32_list both = { 0 };
    assert_int_equal(relay_doc_call_look(of, &both, &reply), ZKT_OK);
    assert_int_equal(both.items[0], streams);
    assert_int_equal(both.items[1], told);
    zkt_reply_clear(&reply);
}

/* Lets server and client do all that they can at this time. */
static void turn(void)
{
    for (int i = 0; i < 10; i++) {
        zkt_server_advance(server, 0);
        (void)zkt_client_poll(client, 0);
    }
}

/* ---- tests ---- */

static void count_token(const struct relay_token *token, void *user)
{
    int32_t *count = user;
    assert_string_equal(token->text.data, "token");
    assert_int_equal(token->n, (*count)++);
}

static void test_stream(void **state)
{
    struct relay_doc_generate_input in = { 5 };
    struct zkt_reply reply = { 0 };
    int32_t count = 0;
    (void)state;
    assert_int_equal(
        relay_doc_call_generate(doc, &in, count_token, &count, &reply), ZKT_OK);
    assert_int_equal(count, 5);
    assert_int_equal(relay_doc_call_generate(doc, &in, NULL, NULL, NULL),
                     ZKT_OK);
    assert_state(doc, 2, 0);
    in.count = 6;
    count = 0;
    assert_int_equal(
        relay_doc_call_generate(doc, &in, count_token, &count, &reply),
        ZKT_ABORTED);
    assert_int_equal(count, 6);
    assert_string_equal(reply.error, "enough");
    assert_state(doc, 2, 0); /* the second half is taken back */
    zkt_reply_clear(&reply);
}

static void see_number(int32_t chunk, void *user)
{
    char text[16];
    (void)user;
    snprintf(text, sizeof(text), "chunk %d", (int)chunk);
    see(text);
}

static void see_end(const struct zkt_reply *reply, void *user)
{
    (void)user;
    see(zkt_status_name(reply->status));
}

static void test_cancelled_stream(void **state)
{
    (void)state;
    const uint64_t id = relay_doc_begin_numbers(doc, 7, see_number, see_end,
                                                NULL);
    assert_int_not_equal(id, 0);
    turn();
    assert_seen("chunk 7;");
    assert_false(relay_doc_cancelled_numbers(numbering));
    assert_int_equal(relay_doc_send_numbers(numbering, 8), ZKT_OK);
    assert_state(doc, 0, 0); /* the stream holds nobody */
    turn();
    assert_seen("chunk 8;");
    zkt_client_cancel(client, id);
    turn();
    assert_seen("CANCELLED;");
    assert_int_equal(noticed, ZKT_NOTICE_CANCELLED);
    assert_true(relay_doc_cancelled_numbers(numbering));
    assert_int_equal(relay_doc_send_numbers(numbering, 9), ZKT_CANCELLED);
    relay_doc_resume_numbers(numbering, after_numbers, NULL);
    turn();
    assert_seen("numbers ada 7 cancelled;");
}

static void see_progress(double progress, void *user)
{
    char text[32];
    (void)user;
    snprintf(text, sizeof(text), "%g", progress);
    see(text);
}

static void see_export(const struct zkt_reply *reply, struct zkt_str text,
                       void *user)
{
    (void)user;
    see(reply->status == ZKT_OK ? text.data : zkt_status_name(reply->status));
}

static char exported[] = "a report";

static void test_progress(void **state)
{
    (void)state;
    relay_doc_begin_export(doc, see_progress, see_export, NULL);
    turn();
    assert_seen("0.25;");
    relay_doc_progress_export(exporting, 0.5);
    turn();
    relay_doc_progress_export(exporting, 2); /* breaks the rule */
    turn();
    assert_seen("0.5;");
    relay_doc_resume_export(exporting, after_export, exported);
    turn();
    assert_seen("export;a report;");
    assert_int_equal(noticed, -1);
}

static void see_token(const struct relay_token *progress, void *user)
{
    (void)user;
    assert_int_equal(progress->n, 50);
    see(progress->text.data);
}

static void test_progress_without_result(void **state)
{
    (void)state;
    relay_doc_begin_build(doc, see_token, see_end, NULL);
    turn();
    assert_seen("half;");
    relay_doc_resume_build(building, after_build, NULL);
    turn();
    assert_seen("OK;");
}

static void test_timeout(void **state)
{
    struct zkt_reply reply = { 0 };
    struct zkt_str text = { 0 };
    (void)state;
    /* Time passes in the call, since nothing else can happen. */
    assert_int_equal(
        relay_doc_call_export(doc, &text, see_progress, NULL, &reply),
        ZKT_DEADLINE_EXCEEDED);
    turn();
    assert_int_equal(noticed, ZKT_NOTICE_DEADLINE);
    assert_true(relay_doc_cancelled_export(exporting));
    relay_doc_resume_export(exporting, after_export, exported);
    turn();
    assert_seen("0.25;export cancelled;");
    zkt_reply_clear(&reply);
}

static void test_ask_and_tell(void **state)
{
    const struct relay_doc_copy_input from_b = { ZKT_STR("b") };
    struct relay_doc *b = relay_doc_open(client, "b");
    struct zkt_reply reply = { 0 };
    struct zkt_str text = { 0 };
    (void)state;
    assert_int_equal(relay_doc_call_copy(doc, &from_b, &text, &reply), ZKT_OK);
    assert_string_equal(text.data, "page for bob of b");
    turn();
    assert_state(b, 0, 34); /* 3 is added, then 4 comes behind it */
    const struct relay_doc_copy_input from_a = { ZKT_STR("a") };
    assert_int_equal(relay_doc_call_copy(doc, &from_a, &text, &reply), ZKT_OK);
    assert_string_equal(text.data, "page for bob of a");
    turn();
    assert_state(doc, 0, 34);
    zkt_reply_clear(&reply);
    relay_doc_close(b);
}

static void test_ask_without_interleave(void **state)
{
    const struct relay_doc_held_input from_b = { ZKT_STR("b") };
    struct zkt_reply reply = { 0 };
    struct zkt_str text = { 0 };
    (void)state;
    assert_int_equal(relay_doc_call_held(doc, &from_b, &text, &reply), ZKT_OK);
    assert_string_equal(text.data, "refused");
    zkt_reply_clear(&reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stream),
        TEST(test_cancelled_stream),
        TEST(test_progress),
        TEST(test_progress_without_result),
        TEST(test_timeout),
        TEST(test_ask_and_tell),
        TEST(test_ask_without_interleave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
