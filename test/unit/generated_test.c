/*
 * Generated code at work: a server and a client of golden/odd.zkt, with every
 * construct and the oddest names, joined in memory. Every value passes the
 * generated decoders, handlers, mutators, patches and encoders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "odd_client.h"
#include "odd_server.h"
#include "zocket/allocator.h"
#include "zocket/codec.h"

/* ---- the server ---- */

static enum zkt_status delete_it(struct odd_everything_call *call,
                                 const struct odd_everything_delete_input *in,
                                 struct odd_keywords *out)
{
    (void)call;
    *out = (struct odd_keywords){
        .delete_ = in->class_,
        .linux_ = in->linux_.has ? in->linux_.value : -1,
        .class_ = in->node.next != NULL,
        .this_ = { &in->class_, 1 },
        .and_ = ODD_LEVEL_CLASS,
    };
    return ZKT_OK;
}

static enum zkt_status scalar(struct odd_everything_call *call, int32_t in,
                              int32_t *out)
{
    (void)call;
    *out = in * 3;
    return ZKT_OK;
}

static enum zkt_status text(struct odd_everything_call *call, struct zkt_str in,
                            struct zkt_str *out)
{
    *out = zkt_format(call->zkt, "<%.*s>", ZKT_ARG(in));
    return ZKT_OK;
}

static enum zkt_status node(struct odd_everything_call *call,
                            const struct odd_node *in,
                            struct odd_node_list *out)
{
    (void)call;
    *out = in->children;
    return ZKT_OK;
}

static enum zkt_status level(struct odd_everything_call *call,
                             enum odd_level in, enum odd_level *out)
{
    (void)call;
    *out = in == ODD_LEVEL_NUL ? ODD_LEVEL_UNKNOWN : ODD_LEVEL_NUL;
    return ZKT_OK;
}

static enum zkt_status items(struct odd_everything_call *call,
                             const struct odd_node_list *in,
                             struct odd_node_list_map *out)
{
    struct odd_node_list_entry *entry = ZKT_NEW(call->zkt,
                                                struct odd_node_list_entry, 1);
    assert_non_null(entry);
    entry->key = ZKT_STR("all");
    entry->value = *in;
    *out = (struct odd_node_list_map){ .items = entry, .len = 1 };
    return ZKT_OK;
}

static enum zkt_status flags(struct odd_everything_call *call,
                             const struct zkt_bool_map *in, bool *out)
{
    (void)call;
    const bool *flag = zkt_bool_map_find(in, ZKT_STR("flag"));
    *out = flag != NULL && *flag;
    return ZKT_OK;
}

static enum zkt_status empty(struct odd_everything_call *call,
                             const struct odd_empty *in, struct odd_empty *out)
{
    (void)call;
    *out = *in;
    return ZKT_OK;
}

static enum zkt_status odd(struct odd_everything_call *call,
                           const struct odd_everything_odd_input *in,
                           double *out)
{
    odd_everything_append_defaults(call, &in->defaults);
    odd_defaults_set_absent(odd_everything_edit_defaults(call, 0),
                            ZKT_STR("here"));
    *out = in->defaults.share + in->defaults.whole;
    return ZKT_OK;
}

/* Containers inside containers, by cursor. */
static void write_containers(struct odd_everything_call *call)
{
    static const int32_t numbers[] = { 1, 2 };
    const struct zkt_int32_list list = { numbers, 2 };
    odd_everything_append_grid(call, &list);
    zkt_int32_list_append(odd_everything_edit_grid(call, 0), 3);
    const struct zkt_int32_list none = { 0 };
    odd_everything_put_series(call, ZKT_STR("a"), &none);
    zkt_int32_list_insert(odd_everything_edit_series(call, ZKT_STR("a")), 0, 7);
    const struct zkt_str_map map = { 0 };
    const struct odd_str_map_list maps = { &map, 1 };
    odd_everything_append_tables(call, &maps);
    zkt_str_map_put(
        odd_str_map_list_edit(odd_everything_edit_tables(call, 0), 0),
        ZKT_STR("k"), ZKT_STR("v"));
    const struct odd_left_map lefts = { 0 };
    odd_everything_put_matrix(call, ZKT_STR("m"), &lefts);
    const struct odd_right right = odd_right_defaults();
    const struct odd_left left = { .right = &right };
    odd_left_map_put(odd_everything_edit_matrix(call, ZKT_STR("m")),
                     ZKT_STR("l"), &left);
    odd_right_set_level(
        odd_left_edit_right(odd_left_map_edit(
            odd_everything_edit_matrix(call, ZKT_STR("m")), ZKT_STR("l"))),
        ODD_LEVEL_NUL);
}

static void write_trees(struct odd_everything_call *call)
{
    const struct odd_node leaf = { .value = 2 };
    const struct odd_node root = { .value = 1, .next = &leaf };
    odd_everything_put_tree(call, ZKT_STR("root"), &root);
    struct odd_node_ref at = odd_everything_edit_tree(call, ZKT_STR("root"));
    odd_node_append_children(at, &leaf);
    odd_node_set_value(odd_node_edit_children(at, 0), 3);
    odd_node_put_named(odd_node_edit_next(at), ZKT_STR("x"), &leaf);
    odd_everything_set_picture(call, &root);
    odd_node_unset_next(odd_everything_edit_picture(call));
}

static void write_optionals(struct odd_everything_call *call)
{
    const struct zkt_str words[] = { ZKT_STR_INIT("a"), ZKT_STR_INIT("b") };
    const struct zkt_str_list list = { words, 2 };
    odd_everything_set_words(call, &list);
    odd_everything_append_words(call, ZKT_STR("c"));
    const struct zkt_float64_map scores = { 0 };
    odd_everything_set_scores(call, &scores);
    odd_everything_put_scores(call, ZKT_STR("pi"), 3.25);
    const struct odd_keywords keywords = { .int_ = 5 };
    odd_everything_set_keywords(call, &keywords);
    odd_keywords_set_delete(odd_everything_edit_keywords(call), ZKT_STR("d"));
    odd_everything_append_levels(call, ODD_LEVEL_ERRNO);
    odd_everything_put_singles(call, ZKT_STR("s"), ODD_SINGLE_ONLY);
    odd_everything_set_delete(call, ZKT_STR("*/ \"quoted\""));
}

static void emit_all(struct odd_everything_call *call)
{
    const struct odd_everything_class_event class_event = {
        .delete_ = ZKT_STR("gone"),
        .at = 9,
    };
    const struct odd_node leaf = { .value = 4 };
    const struct zkt_str word = ZKT_STR("word");
    const struct zkt_str_list list = { &word, 1 };
    odd_everything_emit_none(call, zkt_to_all());
    odd_everything_emit_class(call, &class_event, zkt_to_all());
    odd_everything_emit_node(call, &leaf, zkt_to_all());
    odd_everything_emit_text(call, ZKT_STR("said"), zkt_to_all());
    odd_everything_emit_level(call, ODD_LEVEL_NUL, zkt_to_all());
    odd_everything_emit_list(call, &list, zkt_to_all());
    odd_everything_emit_no_params(call, zkt_to_all());
}

static enum zkt_status nothing(struct odd_everything_call *call)
{
    write_containers(call);
    write_trees(call);
    write_optionals(call);
    emit_all(call);
    return ZKT_OK;
}

static enum zkt_status hook(struct odd_everything_call *call)
{
    int *hooks = zkt_user(call->zkt);
    ++*hooks;
    return ZKT_OK;
}

static enum zkt_status ping(struct odd_stateless_call *call)
{
    return zkt_fail(call->zkt, ZKT_ABORTED, "no %s", "pong");
}

static enum zkt_status on_connect(struct odd_hook_call *call)
{
    (void)call;
    return ZKT_OK;
}

/* ---- both ends ---- */

struct world {
    int hooks;
    struct odd_handlers handlers;
    struct zkt_server *server;
    struct zkt_client *client;
    struct odd_everything *thing;
    struct zkt_reply reply;
};

static const struct odd_everything_handlers everything_handlers = {
    .delete_ = delete_it,
    .scalar = scalar,
    .text = text,
    .node = node,
    .nothing = nothing,
    .level = level,
    .items = items,
    .flags = flags,
    .empty = empty,
    .odd = odd,
    .on_connect = hook,
    .on_disconnect = hook,
    .on_activate = hook,
    .on_deactivate = hook,
};
static const struct odd_mute_handlers mute_handlers = { 0 };
static const struct odd_stateless_handlers stateless_handlers = { ping };
static const struct odd_speaker_handlers speaker_handlers = { 0 };
static const struct odd_hook_handlers hook_handlers = { on_connect };
static const struct odd_nothing_handlers nothing_handlers = { 0 };

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->handlers = (struct odd_handlers){
        .user = &w->hooks,
        .everything = &everything_handlers,
        .mute = &mute_handlers,
        .stateless = &stateless_handlers,
        .speaker = &speaker_handlers,
        .hook = &hook_handlers,
        .nothing = &nothing_handlers,
    };
    assert_int_equal(zkt_server_new(odd_app(&w->handlers), NULL, &w->server),
                     ZKT_OK);
    w->client = zkt_client_open_local(w->server);
    w->thing = odd_everything_open(w->client, "one");
    assert_non_null(w->thing);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    zkt_reply_clear(&w->reply);
    odd_everything_close(w->thing);
    zkt_client_close(w->client);
    zkt_server_free(w->server);
    free(w);
    return 0;
}

static void *allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *resize(void *user, void *block, size_t size)
{
    (void)user;
    return realloc(block, size);
}

static void release(void *user, void *block)
{
    (void)user;
    free(block);
}

/* Expects that @value is @expected as JSON. */
static void assert_json(const struct zkt_type *type, const void *value,
                        const char *expected)
{
    const struct zkt_allocator memory = { allocate, resize, release, NULL };
    struct zkt_writer writer = { .allocator = &memory };
    type->encode(&writer, type, value);
    zkt_write_raw(&writer, "", 1); /* the NUL */
    assert_false(writer.failed);
    assert_string_equal(writer.data, expected);
    free(writer.data);
}

/* ---- tests ---- */

static void inputs_and_results_take_every_form(void **state)
{
    struct world *w = *state;
    int32_t number = 0;
    assert_int_equal(
        odd_everything_call_scalar(w->thing, 3, &number, &w->reply), ZKT_OK);
    assert_int_equal(number, 9);
    struct zkt_str answer;
    assert_int_equal(
        odd_everything_call_text(w->thing, ZKT_STR("hi"), &answer, &w->reply),
        ZKT_OK);
    assert_string_equal(answer.data, "<hi>");
    enum odd_level spelled = ODD_LEVEL_LOW;
    assert_int_equal(
        odd_everything_call_level(w->thing, ODD_LEVEL_NUL, &spelled, &w->reply),
        ZKT_OK);
    assert_int_equal(spelled, ODD_LEVEL_UNKNOWN);
    assert_int_equal(odd_everything_call_level(w->thing, ODD_LEVEL_UNKNOWN,
                                               &spelled, &w->reply),
                     ZKT_OK);
    assert_int_equal(spelled, ODD_LEVEL_NUL);
    const struct zkt_bool_entry entry = { ZKT_STR_INIT("flag"), true };
    const struct zkt_bool_map map = { .items = &entry, .len = 1 };
    bool flag = false;
    assert_int_equal(
        odd_everything_call_flags(w->thing, &map, &flag, &w->reply), ZKT_OK);
    assert_true(flag);
    const struct odd_empty in = { 0 };
    struct odd_empty out;
    assert_int_equal(odd_everything_call_empty(w->thing, &in, &out, &w->reply),
                     ZKT_OK);
}

static void structs_and_containers_go_both_ways(void **state)
{
    struct world *w = *state;
    const struct odd_node leaf = { .value = 1 };
    const struct odd_everything_delete_input in = {
        .class_ = ZKT_STR("c"),
        .linux_ = ZKT_SOME(7),
        .node = { .value = 5, .next = &leaf, .children = { &leaf, 1 } },
    };
    struct odd_keywords out;
    assert_int_equal(odd_everything_call_delete(w->thing, &in, &out, &w->reply),
                     ZKT_OK);
    assert_json(&odd_keywords_type_, &out,
                "{\"delete\":\"c\",\"linux\":7,\"class\":true,\"errno\":0,"
                "\"default\":0,\"int\":0,"
                "\"and\":\"a \\\"quoted\\\" \\\\ class */ ?\?/\","
                "\"this\":[\"c\"],\"call\":0,\"ref\":0,\"value\":0,\"index\":0,"
                "\"key\":0,\"type\":0,\"reader\":0,\"out\":0,\"in\":0,"
                "\"object\":0,\"begin\":0}");
    struct odd_node_list nodes;
    assert_int_equal(
        odd_everything_call_node(w->thing, &in.node, &nodes, &w->reply),
        ZKT_OK);
    assert_int_equal(nodes.len, 1);
    assert_int_equal(nodes.items[0].value, 1);
    struct odd_node_list_map map;
    assert_int_equal(
        odd_everything_call_items(w->thing, &nodes, &map, &w->reply), ZKT_OK);
    const struct odd_node_list *all = odd_node_list_map_find(&map,
                                                             ZKT_STR("all"));
    assert_non_null(all);
    assert_int_equal(all->items[0].value, 1);
}

static void rules_of_inputs_and_results_hold(void **state)
{
    struct world *w = *state;
    int32_t number = 0;
    assert_int_equal(
        odd_everything_call_scalar(w->thing, 6, &number, &w->reply),
        ZKT_INVALID_ARGUMENT);
    assert_non_null(strstr(w->reply.error, "too_big"));
    assert_int_equal(
        odd_everything_call_scalar(w->thing, 4, &number, &w->reply),
        ZKT_INTERNAL); /* the result, 12, exceeds 9 */
    struct odd_stateless *other = odd_stateless_open(w->client, "x");
    assert_int_equal(odd_stateless_call_ping(other, &w->reply), ZKT_ABORTED);
    assert_string_equal(w->reply.error, "no pong");
    odd_stateless_close(other);
}

static void on_state(const struct odd_everything_state *now, void *user)
{
    assert_non_null(now);
    ++*(int *)user;
}

static void defaults_are_those_of_the_schema(void **state)
{
    struct world *w = *state;
    struct odd_everything_odd_input in = { odd_defaults_defaults() };
    in.defaults.title = ZKT_STR("t");
    int states = 0;
    odd_everything_subscribe(w->thing, on_state, &states);
    double sum = 0;
    assert_int_equal(odd_everything_call_odd(w->thing, &in, &sum, &w->reply),
                     ZKT_OK);
    assert_true(sum == 2.1);
    const struct odd_everything_state *now = odd_everything_snapshot(w->thing);
    assert_non_null(now);
    assert_int_equal(states, 2); /* the snapshot, and the change */
    assert_json(
        &odd_defaults_type_, &now->defaults.items[0],
        "{\"flag\":true,\"small\":-2147483648,"
        "\"large\":9007199254740991,\"at\":0,\"share\":0.1,\"whole\":2,"
        "\"text\":\"\\\"quoted\\\" \\\\ */ ?\?/ ünïcödé \\u0007\\n\","
        "\"level\":\"größe\",\"list\":[],\"map\":{},"
        "\"absent\":\"here\",\"title\":\"t\",\"numbers\":[1,-2],\"labels\":{"
        "\"a\":\"1\",\"b "
        "c\":\"\\\"2\\\"\"},\"inner\":{\"first\":5,\"second\":\"x\",\"third\":["
        "0.5]},\"inners\":[{\"first\":1,\"second\":\"\",\"third\":[]},{"
        "\"first\":2,\"second\":\"}, {\",\"third\":[1,2.5]}]}");
}

struct heard {
    int none, no_params, node;
    int64_t at;
    enum odd_level level;
    char text[8], item[8];
};

static void on_none(void *user)
{
    ((struct heard *)user)->none++;
}

static void on_no_params(void *user)
{
    ((struct heard *)user)->no_params++;
}

static void on_class(const struct odd_everything_class_event *event, void *user)
{
    ((struct heard *)user)->at = event->at;
}

static void on_node(const struct odd_node *event, void *user)
{
    ((struct heard *)user)->node = event->value;
}

static void on_text(struct zkt_str event, void *user)
{
    memcpy(((struct heard *)user)->text, event.data, event.len);
}

static void on_level(enum odd_level event, void *user)
{
    ((struct heard *)user)->level = event;
}

static void on_list(const struct zkt_str_list *event, void *user)
{
    memcpy(((struct heard *)user)->item, event->items[0].data,
           event->items[0].len);
}

static void on_picture(const struct odd_node_opt *picture, void *user)
{
    *(int *)user += picture->has ? picture->value.value : 100;
}

static const char written[] =
    "{\"flag\":false,\"level\":\"low\","
    "\"keywords\":{\"delete\":\"d\",\"linux\":0,\"class\":false,\"errno\":0,"
    "\"default\":0,\"int\":5,\"and\":\"low\",\"this\":[],\"call\":0,\"ref\":0,"
    "\"value\":0,\"index\":0,\"key\":0,\"type\":0,\"reader\":0,\"out\":0,"
    "\"in\":0,\"object\":0,\"begin\":0},\"defaults\":[],"
    "\"tree\":{\"root\":{\"value\":1,\"next\":{\"value\":2,\"children\":[],"
    "\"named\":{\"x\":{\"value\":2,\"children\":[],\"named\":{}}}},"
    "\"children\":[{\"value\":3,\"children\":[],\"named\":{}}],\"named\":{}}},"
    "\"grid\":[[1,2,3]],\"series\":{\"a\":[7]},\"tables\":[[{\"k\":\"v\"}]],"
    "\"matrix\":{\"m\":{\"l\":{\"right\":{\"level\":\"a\\u0000b\"}}}},"
    "\"words\":[\"a\",\"b\",\"c\"],\"scores\":{\"pi\":3.25},"
    "\"picture\":{\"value\":1,\"children\":[],\"named\":{}},"
    "\"levels\":[\"größe\"],\"singles\":{\"s\":\"only\"},\"delete\":\"*/ "
    "\\\"quoted\\\"\"}";

static void state_and_events_reach_the_client(void **state)
{
    struct world *w = *state;
    struct heard heard = { 0 };
    int pictures = 0;
    odd_everything_on_none(w->thing, on_none, &heard);
    odd_everything_on_no_params(w->thing, on_no_params, &heard);
    odd_everything_on_class(w->thing, on_class, &heard);
    odd_everything_on_node(w->thing, on_node, &heard);
    odd_everything_on_text(w->thing, on_text, &heard);
    odd_everything_on_level(w->thing, on_level, &heard);
    odd_everything_on_list(w->thing, on_list, &heard);
    odd_everything_watch_picture(w->thing, on_picture, &pictures);
    assert_int_equal(odd_everything_call_nothing(w->thing, &w->reply), ZKT_OK);

    const struct odd_everything_state *now = odd_everything_snapshot(w->thing);
    assert_non_null(now);
    assert_json(&odd_everything_state_type_, now, written);
    assert_int_equal(pictures, 101); /* absent, then there */
    assert_int_equal(heard.none, 1);
    assert_int_equal(heard.no_params, 1);
    assert_int_equal(heard.at, 9);
    assert_int_equal(heard.node, 4);
    assert_int_equal(heard.level, ODD_LEVEL_NUL);
    assert_string_equal(heard.text, "said");
    assert_string_equal(heard.item, "word");
}

static void on_scalar(const struct zkt_reply *reply, int32_t result, void *user)
{
    *(int32_t *)user = reply->status == ZKT_OK ? result : -result - 1;
}

static void on_echo(const struct zkt_reply *reply, struct zkt_str result,
                    void *user)
{
    assert_int_equal(reply->status, ZKT_INVALID_ARGUMENT);
    assert_string_equal(result.data, "");
    *(int *)user = 1;
}

static void calls_need_not_block(void **state)
{
    struct world *w = *state;
    int32_t good = 0, bad = 0;
    int echoed = 0;
    odd_everything_begin_scalar(w->thing, 2, on_scalar, &good);
    odd_everything_begin_scalar(w->thing, 0, on_scalar, &bad);
    odd_everything_begin_text(w->thing, ZKT_STR("more than ten"), on_echo,
                              &echoed);
    for (int i = 0; i < 100 && (good == 0 || bad == 0 || echoed == 0); i++) {
        zkt_client_poll(w->client, 0);
    }
    assert_int_equal(good, 6);
    assert_int_equal(bad, -1); /* the result is 0 */
    assert_int_equal(echoed, 1);
}

static void copies_are_deep(void **state)
{
    (void)state;
    const struct odd_node leaf = { .value = 2 };
    const struct odd_node root = { .value = 1, .next = &leaf };
    struct odd_node *copy = odd_node_dup(&root);
    assert_non_null(copy);
    assert_ptr_not_equal(copy->next, &leaf);
    assert_int_equal(copy->next->value, 2);
    odd_node_free(copy);
    odd_node_free(NULL);
}

static void enums_have_names(void **state)
{
    (void)state;
    assert_string_equal(odd_level_name(ODD_LEVEL_CLASS),
                        "a \"quoted\" \\ class */ ?\?/");
    assert_string_equal(odd_level_name(ODD_LEVEL_UNKNOWN_), "");
    assert_string_equal(odd_level_name((enum odd_level)6), "");
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(inputs_and_results_take_every_form),
        TEST(structs_and_containers_go_both_ways),
        TEST(rules_of_inputs_and_results_hold),
        TEST(defaults_are_those_of_the_schema),
        TEST(state_and_events_reach_the_client),
        TEST(calls_need_not_block),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(enums_have_names),
    };
    return cmocka_run_group_tests_name("generated", tests, NULL, NULL);
}
