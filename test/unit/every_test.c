/*
 * A schema with every construct of the language (test/golden/every.zkt), its
 * server and its client in one program: the effects of rules, and unions,
 * tuples, nulls and private state in handlers, in patches and at a client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "every_client.h"
#include "every_server.h"
#include "state/journal.h"
#include "state/value.h"
#include "json/json.h"

static char log_text[4096];

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(log_text, sizeof(log_text), "%s", text);
}

/* ---- the server ---- */

static enum zkt_status set_account(struct every_doc_call *call,
                                   const struct every_doc_set_account_input *in,
                                   struct every_account *out)
{
    every_doc_set_account(call, &in->account);
    *out = call->state->account.value; /* the stored value */
    return ZKT_OK;
}

static enum zkt_status draw(struct every_doc_call *call,
                            const struct every_doc_draw_input *in, int32_t *out)
{
    every_doc_append_shapes(call, &in->shape);
    every_doc_append_points(call, &in->at);
    every_doc_emit_drawn(call, &in->shape, zkt_to_all());
    *out = (int32_t)call->state->shapes.len;
    return ZKT_OK;
}

static double value_of(const struct every_expr *e)
{
    switch (e->kind) {
    case EVERY_EXPR_KIND_ADD:
        return (e->add.left != NULL ? value_of(e->add.left) : 0) +
               (e->add.right != NULL ? value_of(e->add.right) : 0);
    case EVERY_EXPR_KIND_LITERAL:
        return e->literal.value;
    case EVERY_EXPR_KIND_NEGATE:
        return e->negate.inner != NULL ? -value_of(e->negate.inner) : 0;
    case EVERY_EXPR_KIND_UNKNOWN_:
        break;
    }
    return 0;
}

static enum zkt_status eval(struct every_doc_call *call,
                            const struct every_expr *in,
                            struct zkt_float64_opt *out)
{
    const bool empty = in->kind == EVERY_EXPR_KIND_NEGATE &&
                       in->negate.inner == NULL;
    every_doc_set_expr(call, in);
    *out = (struct zkt_float64_opt){ !empty, value_of(in) };
    return ZKT_OK;
}

static enum zkt_status set_tree(struct every_doc_call *call,
                                const struct every_node *in)
{
    every_doc_set_tree(call, in);
    every_doc_set_root(call, in);
    every_node_set_value(every_doc_edit_root(call), in->value + 1);
    return ZKT_OK;
}

/* The key selects a change of the private state as well. */
static enum zkt_status put(struct every_doc_call *call,
                           const struct every_doc_put_input *in)
{
    every_doc_put_notes(call, in->key, &in->note);
    every_doc_put_tokens(call, in->key, 7);
    every_doc_append_odds(call, &(struct zkt_float64_opt){ false, 0 });
    every_doc_set_secret(call, in->key);
    if (zkt_str_eq(in->key, ZKT_STR("fail"))) {
        return zkt_fail(call->zkt, ZKT_ABORTED, "%zu",
                        call->private_state->odds.len);
    }
    if (zkt_str_eq(in->key, ZKT_STR("break"))) {
        every_doc_set_limit_of(call, -1);
    }
    if (zkt_str_eq(in->key, ZKT_STR("unset"))) {
        every_doc_unset_account(call);
        every_doc_unset_root(call);
    }
    return ZKT_OK;
}

static enum zkt_status points(struct every_doc_call *call,
                              struct every_point_list *out)
{
    *out = call->state->points;
    return ZKT_OK;
}

/* Reveals the private state, so that the tests can see it. */
static enum zkt_status nothing(struct every_doc_call *call)
{
    return zkt_fail(
        call->zkt, ZKT_NOT_FOUND, "%.*s %zu %zu %g",
        ZKT_ARG(call->private_state->secret), call->private_state->tokens.len,
        call->private_state->odds.len, call->private_state->limit_of);
}

static enum zkt_status raw(struct every_doc_call *call, struct zkt_json in,
                           struct zkt_json *out)
{
    every_doc_set_any(call, in);
    every_doc_set_blob(call,
                       (struct zkt_bytes){ (const uint8_t *)in.text, in.len });
    every_doc_set_count(call, UINT32_MAX);
    every_doc_set_state(call, 9007199254740991);
    *out = in;
    if (in.len == 0) {
        *out = ZKT_JSON("[1");
    }
    return ZKT_OK;
}

static enum zkt_status hook(struct every_doc_call *call)
{
    (void)call;
    return ZKT_OK;
}

static void check_box(const struct every_box *box, struct zkt_issues *issues)
{
    if (box->min._0 > box->max._0) {
        char field[] = "min";
        zkt_issue(issues, field, "must be left of max, at %g", box->max._0);
        memset(field, '?', sizeof(field)); /* the name was copied */
    }
    if (box->min._1 > box->max._1) {
        zkt_issue(issues, NULL, "is upside down");
    }
}

static const struct every_doc_handlers doc = {
    .set_account = set_account,
    .draw = draw,
    .eval = eval,
    .set_tree = set_tree,
    .put = put,
    .points = points,
    .nothing = nothing,
    .raw = raw,
    .on_connect = hook,
    .on_disconnect = hook,
    .on_activate = hook,
    .on_deactivate = hook,
};
static const struct every_handlers handlers = { .doc = &doc,
                                                .check_box = check_box };

struct fixture {
    struct zkt_server *server;
    struct zkt_client *client;
    struct every_doc *doc;
    struct zkt_reply reply;
};

static int set_up(void **state)
{
    static struct fixture f;
    const struct zkt_serve_options options = { .log = keep_log };
    f = (struct fixture){ 0 };
    log_text[0] = '\0';
    assert_int_equal(zkt_server_new(every_app(&handlers), &options, &f.server),
                     ZKT_OK);
    f.client = zkt_client_open_local(f.server);
    f.doc = every_doc_open(f.client, "one");
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    zkt_reply_clear(&f->reply);
    every_doc_close(f->doc);
    zkt_client_close(f->client);
    zkt_server_free(f->server);
    return 0;
}

static void ignore_state(const struct every_doc_state *state, void *user)
{
    (void)state;
    (void)user;
}

static const struct every_doc_state *snapshot(struct fixture *f)
{
    (void)zkt_client_poll(f->client, 0);
    return every_doc_snapshot(f->doc);
}

/* ---- defaults ---- */

static void test_defaults_of_every_kind(void **state)
{
    const struct every_account a = every_account_defaults();
    (void)state;
    assert_string_equal(a.pin.data, "0000");
    assert_int_equal(a.linux_, 10);
    assert_int_equal(a.class_, EVERY_SUIT_CLASS);
    assert_int_equal(a.data.len, 2);
    assert_memory_equal(a.data.data, "hi", 2);
    assert_string_equal(
        a.extra.text,
        "{\"a\":[1,2.5,null,true,\"x\\u0000\\\"\u00e9\U0001f600\"]}");
    assert_true(a.big == 9007199254740991);
    assert_int_equal(a.small, -4);
    assert_int_equal(a.tags.len, 2);
    assert_true(a.grid.items[1].items[2] == 6);
    assert_int_equal(a.suits.items[0], EVERY_SUIT_SPADES);
    assert_false(a.maybe.items[0].has);
    assert_string_equal(a.maybe.items[1].value.data, "x");
    assert_false(
        every_int32_opt_map_find(&a.by_name, ZKT_STR("two words"))->has);
    assert_int_equal(a.shape.kind, EVERY_SHAPE_KIND_CIRCLE);
    assert_true(a.shape.circle.radius == 2);
    assert_false(a.nick.has);
    assert_true(a.point._1 == -2);
    assert_int_equal(a.mixed._2, EVERY_SUIT_SPADES);
    assert_string_equal(every_suit_name(EVERY_SUIT_SPADES), "\u2660");
}

/* ---- rules ---- */

static struct every_doc_set_account_input good_account(void)
{
    struct every_doc_set_account_input in = { every_account_defaults() };
    in.account.email = ZKT_STR("ada@example.org");
    return in;
}

static void test_an_account_there_and_back(void **state)
{
    struct fixture *f = *state;
    struct every_doc_set_account_input in = good_account();
    struct every_account out;
    every_doc_subscribe(f->doc, ignore_state, NULL);
    assert_int_equal(every_doc_call_set_account(f->doc, &in, &out, &f->reply),
                     ZKT_OK);
    assert_string_equal(out.email.data, "ada@example.org");
    assert_int_equal(out.extra.len, in.account.extra.len);
    assert_memory_equal(out.extra.text, in.account.extra.text, out.extra.len);
    const struct every_doc_state *now = snapshot(f);
    assert_non_null(now);
    assert_true(now->account.has);
    assert_int_equal(now->account.value.data.len, 2);
    assert_true(now->account.value.shape.circle.radius == 2);
    const struct every_doc_put_input unset = { .key = ZKT_STR("unset") };
    assert_int_equal(every_doc_call_put(f->doc, &unset, &f->reply), ZKT_OK);
    assert_false(snapshot(f)->account.has);
}

static void expect_refused(struct fixture *f,
                           const struct every_doc_set_account_input *in,
                           const char *issue)
{
    struct every_account out;
    assert_int_equal(every_doc_call_set_account(f->doc, in, &out, &f->reply),
                     ZKT_INVALID_ARGUMENT);
    if (strstr(f->reply.error, issue) == NULL) {
        fail_msg("%s is not in %s", issue, f->reply.error);
    }
}

static void test_a_client_checks_before_it_sends(void **state)
{
    struct fixture *f = *state;
    struct every_doc_set_account_input in = good_account();
    const struct zkt_str tags[] = { ZKT_STR("a"), ZKT_STR("b"), ZKT_STR("a") };
    in.account.email = ZKT_STR("ada@localhost");
    expect_refused(f, &in,
                   "{\"code\":\"invalid_format\",\"path\":[\"account\","
                   "\"email\"],\"message\":\"is not a valid email\"}");
    in = good_account();
    in.account.pin = ZKT_STR("12x4");
    expect_refused(f, &in, "does not match /^\\\\d{4}$/");
    in = good_account();
    in.account.linux_ = 11;
    expect_refused(f, &in,
                   "{\"code\":\"not_multiple_of\",\"path\":[\"account\","
                   "\"linux\"],\"message\":\"must be a multiple of 5\"}");
    in = good_account();
    in.account.tags = (struct zkt_str_list){ tags, 3 };
    expect_refused(f, &in,
                   "{\"code\":\"custom\",\"path\":[\"account\",\"tags\"],"
                   "\"message\":\"items 0 and 2 are equal\"}");
    in = good_account();
    in.account.extra = ZKT_JSON("{\"a\":}");
    expect_refused(f, &in,
                   "\"path\":[\"account\",\"extra\"],\"message\":\"is "
                   "not JSON\"");
    in = good_account();
    in.account.shape = (struct every_shape){ .kind = (enum every_shape_kind)9 };
    expect_refused(f, &in, "\"code\":\"invalid_union\"");
    in = good_account();
    in.account.small = -5;
    expect_refused(f, &in, "must be at least -4");
}

/* Hooks belong to the server: a client has no handlers. */
static void test_checks_across_fields(void **state)
{
    struct fixture *f = *state;
    int32_t count;
    struct every_doc_draw_input in = {
        .shape = { .kind = EVERY_SHAPE_KIND_BOX,
                   .box = { { 5, 5 }, { 1, 1 } } },
    };
    assert_int_equal(every_doc_call_draw(f->doc, &in, &count, &f->reply),
                     ZKT_INVALID_ARGUMENT);
    assert_string_equal(
        f->reply.error,
        "Validation failed for draw: [{\"code\":\"custom\",\"path\":[\"shape\","
        "\"min\"],\"message\":\"must be left of max, at 1\"},{\"code\":"
        "\"custom\",\"path\":[\"shape\"],\"message\":\"is upside down\"}]");
    in.shape.box.max = (struct every_point){ 9, 9 };
    assert_int_equal(every_doc_call_draw(f->doc, &in, &count, &f->reply),
                     ZKT_OK);
    assert_int_equal(count, 1);
}

/* ---- unions, tuples, recursion ---- */

static void on_drawn(const struct every_shape *shape, void *user)
{
    *(enum every_shape_kind *)user = shape->kind;
}

static void test_unions_and_tuples_in_state(void **state)
{
    struct fixture *f = *state;
    enum every_shape_kind drawn = EVERY_SHAPE_KIND_UNKNOWN_;
    int32_t count;
    every_doc_subscribe(f->doc, ignore_state, NULL);
    every_doc_on_drawn(f->doc, on_drawn, &drawn);
    struct every_doc_draw_input in = {
        .shape = { .kind = EVERY_SHAPE_KIND_DELETE },
        .at = { -1.5, 2 },
    };
    assert_int_equal(every_doc_call_draw(f->doc, &in, &count, &f->reply),
                     ZKT_OK);
    assert_int_equal(drawn, EVERY_SHAPE_KIND_DELETE);
    const struct every_doc_state *now = snapshot(f);
    assert_int_equal(now->shapes.len, 1);
    assert_int_equal(now->shapes.items[0].kind, EVERY_SHAPE_KIND_DELETE);
    assert_true(now->points.items[0]._0 == -1.5);
    struct every_point_list all;
    assert_int_equal(every_doc_call_points(f->doc, &all, &f->reply), ZKT_OK);
    assert_true(all.len == 1 && all.items[0]._1 == 2);
}

static void test_recursion_through_unions(void **state)
{
    struct fixture *f = *state;
    const struct every_expr one = { .kind = EVERY_EXPR_KIND_LITERAL,
                                    .literal = { 1 } };
    const struct every_expr minus = { .kind = EVERY_EXPR_KIND_NEGATE,
                                      .negate = { &one } };
    const struct every_expr sum = { .kind = EVERY_EXPR_KIND_ADD,
                                    .add = { &minus, NULL } };
    struct zkt_float64_opt value;
    every_doc_subscribe(f->doc, ignore_state, NULL);
    assert_int_equal(every_doc_call_eval(f->doc, &sum, &value, &f->reply),
                     ZKT_OK);
    assert_true(value.has && value.value == -1);
    const struct every_doc_state *now = snapshot(f);
    assert_true(now->expr.has);
    assert_int_equal(now->expr.value.add.left->kind, EVERY_EXPR_KIND_NEGATE);
    assert_null(now->expr.value.add.right);
    const struct every_expr none = { .kind = EVERY_EXPR_KIND_NEGATE };
    assert_int_equal(every_doc_call_eval(f->doc, &none, &value, &f->reply),
                     ZKT_OK);
    assert_false(value.has);
}

static void test_trees(void **state)
{
    struct fixture *f = *state;
    const struct every_node leaf = { .value = 3 };
    const struct every_node root = {
        .value = 1,
        .next = &leaf,
        .kids = { &leaf, 1 },
        .twin = { true, { &leaf, 9 } },
    };
    every_doc_subscribe(f->doc, ignore_state, NULL);
    assert_int_equal(every_doc_call_set_tree(f->doc, &root, &f->reply), ZKT_OK);
    const struct every_doc_state *now = snapshot(f);
    assert_int_equal(now->tree.next->value, 3);
    assert_int_equal(now->tree.twin.value._0->value, 3);
    assert_int_equal(now->tree.twin.value._1, 9);
    assert_true(now->root.has && now->root.value.value == 2);
}

/* ---- patches of other servers, inside whole values ---- */

static enum zkt_patch_result patch(struct every_doc_state *doc_state,
                                   struct zkt_arena *arena, const char *text)
{
    const struct zkt_store store = { .allocator = arena->allocator };
    struct zkt_issues issues = { .arena = arena };
    struct zkt_journal journal;
    struct zkt_reader reader;
    char copy[1024 + ZKT_PADDING] = { 0 };
    snprintf(copy, 1024, "%s", text);
    assert_true(zkt__journal_begin(&journal, &store, arena, &issues,
                                   &every_doc_state_type_, doc_state, 100));
    journal.checks = false;
    zkt__reader_init(&reader, copy, strlen(copy), arena, &issues, &store.key);
    const enum zkt_patch_result result = zkt__patch_apply(&journal, &reader,
                                                          ZKT_DIALECT_PLAIN);
    if (result == ZKT_PATCH_APPLIED) {
        zkt__journal_commit(&journal);
    }
    return result;
}

static void test_patches_inside_of_tuples_and_unions(void **state)
{
    struct zkt_arena arena;
    struct every_doc_state now;
    const struct zkt_store store = { .allocator = &zkt__allocator_default };
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    assert_true(zkt__value_default(&store, &every_doc_state_type_, &now));
#define PATCH(text, result)                                                    \
    assert_int_equal(patch(&now, &arena, text), ZKT_PATCH_##result)
    PATCH("[{\"op\":\"add\",\"path\":\"/points/0\",\"value\":[1,2]},"
          "{\"op\":\"replace\",\"path\":\"/points/0/1\",\"value\":7}]",
          APPLIED);
    assert_true(now.points.items[0]._0 == 1 && now.points.items[0]._1 == 7);
    PATCH("[{\"op\":\"add\",\"path\":\"/shapes/0\",\"value\":{\"radius\":1,"
          "\"kind\":\"circle\",\"center\":[0,0]}},{\"op\":\"replace\",\"path\":"
          "\"/shapes/0/center/0\",\"value\":-3},{\"op\":\"replace\",\"path\":"
          "\"/shapes/0/radius\",\"value\":5}]",
          APPLIED);
    assert_true(now.shapes.items[0].circle.center._0 == -3);
    assert_true(now.shapes.items[0].circle.radius == 5);
    PATCH("[{\"op\":\"add\",\"path\":\"/shapes/0/newer\",\"value\":5}]",
          APPLIED); /* unknown here: ignored */
    PATCH(
        "[{\"op\":\"replace\",\"path\":\"/shapes/0/kind\",\"value\":\"box\"}]",
        MISMATCH);
    PATCH("[{\"op\":\"replace\",\"path\":\"/points/0/2\",\"value\":5}]",
          MISMATCH);
    PATCH("[{\"op\":\"replace\",\"path\":\"/points/0/x\",\"value\":5}]",
          MISMATCH);
    PATCH("[{\"op\":\"remove\",\"path\":\"/points/0/1\"}]", MISMATCH);
    PATCH("[{\"op\":\"replace\",\"path\":\"/expr/value\",\"value\":5}]",
          MISMATCH);
    PATCH("[{\"op\":\"add\",\"path\":\"/expr\",\"value\":{\"op\":\"literal\","
          "\"value\":4}},{\"op\":\"replace\",\"path\":\"/expr/value\","
          "\"value\":5}]",
          APPLIED);
    assert_true(now.expr.value.literal.value == 5);
    PATCH("[{\"op\":\"replace\",\"path\":\"/expr\",\"value\":null}]", APPLIED);
    assert_false(now.expr.has);
    PATCH("[{\"op\":\"replace\",\"path\":\"/tree\",\"value\":{\"value\":1,"
          "\"kids\":[],\"by\":{},\"twin\":[null,4]}},{\"op\":\"replace\","
          "\"path\":\"/tree/twin/1\",\"value\":6}]",
          APPLIED);
    assert_int_equal(now.tree.twin.value._1, 6);
#undef PATCH
    zkt__value_release(&store, &every_doc_state_type_, &now);
    zkt__arena_finish(&arena);
}

/* ---- private state ---- */

static void expect_hidden(struct fixture *f, const char *text)
{
    assert_int_equal(every_doc_call_nothing(f->doc, &f->reply), ZKT_NOT_FOUND);
    assert_string_equal(f->reply.error, text);
}

static void test_private_state_commits_and_rolls_back(void **state)
{
    struct fixture *f = *state;
    struct every_doc_put_input in = { .key = ZKT_STR("fail") };
    expect_hidden(f, "s3cret 0 0 3");
    assert_int_equal(every_doc_call_put(f->doc, &in, &f->reply), ZKT_ABORTED);
    assert_string_equal(f->reply.error, "1"); /* it read its own write */
    expect_hidden(f, "s3cret 0 0 3");
    in.key = ZKT_STR("break");
    assert_int_equal(every_doc_call_put(f->doc, &in, &f->reply), ZKT_INTERNAL);
    assert_non_null(strstr(log_text, "\"path\":[\"limitOf\"]"));
    expect_hidden(f, "s3cret 0 0 3");
    in.key = ZKT_STR("good");
    assert_int_equal(every_doc_call_put(f->doc, &in, &f->reply), ZKT_OK);
    expect_hidden(f, "good 1 1 3");
}

/* ---- json, bytes, large numbers ---- */

static void test_json_and_bytes(void **state)
{
    struct fixture *f = *state;
    const struct zkt_json in = ZKT_JSON("{\"k\": [1, \"\\ud83d\\ude00\"]}");
    struct zkt_json out;
    every_doc_subscribe(f->doc, ignore_state, NULL);
    assert_int_equal(every_doc_call_raw(f->doc, in, &out, &f->reply), ZKT_OK);
    assert_int_equal(out.len, in.len); /* blanks and escapes stay */
    assert_memory_equal(out.text, in.text, in.len);
    const struct every_doc_state *now = snapshot(f);
    assert_int_equal(now->any.len, in.len);
    assert_int_equal(now->blob.len, in.len);
    assert_memory_equal(now->blob.data, in.text, in.len);
    assert_true(now->count == UINT32_MAX);
    assert_true(now->state == 9007199254740991);
}

static void test_a_copy_in_one_block(void **state)
{
    const struct every_doc_set_account_input in = good_account();
    struct every_account *copy = every_account_dup(&in.account);
    (void)state;
    assert_non_null(copy);
    assert_ptr_not_equal(copy->data.data, in.account.data.data);
    assert_memory_equal(copy->data.data, "hi", 2);
    assert_string_equal(copy->extra.text, in.account.extra.text);
    assert_string_equal(copy->maybe.items[1].value.data, "x");
    every_account_free(copy);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults_of_every_kind),
        TEST(test_an_account_there_and_back),
        TEST(test_a_client_checks_before_it_sends),
        TEST(test_checks_across_fields),
        TEST(test_unions_and_tuples_in_state),
        TEST(test_recursion_through_unions),
        TEST(test_trees),
        TEST(test_patches_inside_of_tuples_and_unions),
        TEST(test_private_state_commits_and_rolls_back),
        TEST(test_json_and_bytes),
        TEST(test_a_copy_in_one_block),
    };
    return cmocka_run_group_tests_name("every", tests, NULL, NULL);
}
