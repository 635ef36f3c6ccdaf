/*
 * Values as JSON text: the generated encode and decode functions of structs,
 * unions, enums and states, also of private ones; their issues; and each
 * allocation failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "every_server.h"
#include "failing_alloc.h"
#include "protocol/reply.h"

#define ACCOUNT                                                                \
    "{\"email\":\" A@b.example \",\"byName\":{\"o\\u006ee\":1,\"two\":null,"   \
    "\"one\":2},\"shape\":{\"radius\":1,\"kind\":\"circle\"},"                 \
    "\"tags\":[\"x\"],\"suits\":[\"class\"]}"

/* ---- there and back ---- */

static void test_round_trip(void **state)
{
    struct zkt_reply reply = { 0 };
    struct every_account account, again;
    struct zkt_str first, second;
    const struct zkt_str text = ZKT_STR(ACCOUNT);
    (void)state;
    assert_int_equal(every_account_decode(text, &account, &reply), ZKT_OK);
    assert_string_equal(reply.error, "");
    assert_string_equal(account.email.data, "a@b.example"); /* transformed */
    assert_string_equal(account.pin.data, "0000");          /* the default */
    assert_int_equal(account.by_name.len, 2);
    assert_int_equal(account.shape.kind, EVERY_SHAPE_KIND_CIRCLE);
    assert_string_equal(text.data, ACCOUNT); /* not changed */
    assert_int_equal(every_account_encode(&account, &first, &reply), ZKT_OK);
    assert_int_equal(first.data[first.len], '\0');
    assert_int_equal(every_account_decode(first, &again, &reply), ZKT_OK);
    assert_int_equal(every_account_encode(&again, &second, &reply), ZKT_OK);
    assert_string_equal(first.data, second.data);
    zkt_reply_clear(&reply);
    assert_null(reply.memory_);
}

static void test_kinds(void **state)
{
    struct zkt_reply reply = { 0 };
    struct zkt_str json;
    struct every_shape shape;
    enum every_suit suit = EVERY_SUIT_HEARTS;
    enum every_right right = EVERY_RIGHT_READ;
    (void)state;
    assert_int_equal(
        every_shape_decode(ZKT_STR("{\"kind\":\"delete\"}"), &shape, &reply),
        ZKT_OK);
    assert_int_equal(shape.kind, EVERY_SHAPE_KIND_DELETE);
    assert_int_equal(every_shape_encode(&shape, &json, &reply), ZKT_OK);
    assert_string_equal(json.data, "{\"kind\":\"delete\"}");
    assert_int_equal(every_suit_decode(ZKT_STR(" \"♠\" "), &suit, &reply),
                     ZKT_OK);
    assert_int_equal(suit, EVERY_SUIT_SPADES);
    assert_int_equal(every_suit_encode(suit, &json, &reply), ZKT_OK);
    assert_string_equal(json.data, "\"♠\"");
    assert_int_equal(
        every_right_decode(ZKT_STR("\"read+write\""), &right, &reply), ZKT_OK);
    assert_int_equal(right, EVERY_RIGHT_WRITE);
    zkt_reply_clear(&reply);
}

static void test_states(void **state)
{
    struct zkt_reply reply = { 0 };
    struct zkt_str json;
    struct every_doc_state doc;
    struct every_doc_private hidden;
    (void)state;
    assert_int_equal(every_doc_state_decode(ZKT_STR("{}"), &doc, &reply),
                     ZKT_OK);
    assert_int_equal(doc.state, 5);
    assert_int_equal(every_doc_state_encode(&doc, &json, &reply), ZKT_OK);
    assert_non_null(strstr(json.data, "\"tree\":{\"value\":1"));
    assert_int_equal(
        every_doc_private_decode(
            ZKT_STR("{\"tokens\":{\"a\":1},\"grants\":{\"b\":{\"by\":\"c\"}}}"),
            &hidden, &reply),
        ZKT_OK);
    assert_string_equal(hidden.secret.data, "s3cret");
    assert_int_equal(every_doc_private_encode(&hidden, &json, &reply), ZKT_OK);
    assert_non_null(
        strstr(json.data, "\"grants\":{\"b\":{\"by\":\"c\",\"right\":"));
    struct every_doc_private *copy = every_doc_private_dup(&hidden);
    zkt_reply_clear(&reply);
    assert_string_equal(copy->grants.items[0].value.by.data, "c");
    every_doc_private_free(copy);
}

/* ---- mistakes ---- */

struct noted {
    char text[1024];
};

static void note(struct zkt_str code, struct zkt_str path,
                 struct zkt_str message, void *user)
{
    struct noted *noted = user;
    const size_t len = strlen(noted->text);
    (void)message;
    snprintf(noted->text + len, sizeof(noted->text) - len, "%s %.*s\n",
             code.data, ZKT_ARG(path));
}

static void test_issues_of_text(void **state)
{
    struct zkt_reply reply = { 0 };
    struct noted noted = { "" };
    struct every_account account = { .linux_ = 77 };
    (void)state;
    assert_int_equal(
        every_account_decode(
            ZKT_STR("{\"email\":\"no\",\"byName\":{\"a\":1},\"pin\":\"x\","
                    "\"grid\":[[1]],\"shape\":{\"kind\":\"oval\"},\"new\":1}"),
            &account, &reply),
        ZKT_INVALID_ARGUMENT);
    zkt_reply_issues(&reply, note, &noted);
    assert_string_equal(noted.text, "invalid_format [\"email\"]\n"
                                    "invalid_format [\"pin\"]\n"
                                    "too_small [\"grid\",0]\n"
                                    "too_small [\"grid\"]\n"
                                    "invalid_union [\"shape\",\"kind\"]\n"
                                    "unrecognized_keys []\n");
    assert_int_equal(reply.status, ZKT_INVALID_ARGUMENT);
    assert_int_equal(reply.error[0], '[');
    assert_int_equal(account.linux_, 77); /* as it was */
    /* The next use of the reply is good, and has no issues. */
    assert_int_equal(every_account_decode(ZKT_STR(ACCOUNT), &account, &reply),
                     ZKT_OK);
    noted.text[0] = '\0';
    zkt_reply_issues(&reply, note, &noted);
    assert_string_equal(noted.text, "");
    zkt_reply_clear(&reply);
}

static void test_issues_of_values(void **state)
{
    struct zkt_reply reply = { 0 };
    struct noted noted = { "" };
    struct zkt_str json = ZKT_STR("as it was");
    const struct every_circle circle = { .radius = 0 };
    (void)state;
    assert_int_equal(every_circle_encode(&circle, &json, &reply),
                     ZKT_INVALID_ARGUMENT);
    zkt_reply_issues(&reply, note, &noted);
    assert_string_equal(noted.text, "too_small [\"radius\"]\n");
    assert_string_equal(json.data, "as it was");
    assert_int_equal(every_suit_encode(EVERY_SUIT_UNKNOWN_, &json, &reply),
                     ZKT_INVALID_ARGUMENT);
    assert_int_equal(every_circle_encode(&circle, &json, NULL),
                     ZKT_INVALID_ARGUMENT);
    zkt_reply_clear(&reply);
}

/* `check;` needs the handlers of an app, so it is not asked. */
static void test_no_check(void **state)
{
    struct zkt_reply reply = { 0 };
    struct every_box box;
    struct zkt_str json;
    (void)state;
    assert_int_equal(
        every_box_decode(ZKT_STR("{\"min\":[5,5],\"max\":[1,1]}"), &box, NULL),
        ZKT_OK);
    assert_int_equal(every_box_encode(&box, &json, &reply), ZKT_OK);
    assert_string_equal(json.data, "{\"min\":[5,5],\"max\":[1,1]}");
    zkt_reply_clear(&reply);
}

static void test_no_json(void **state)
{
    static const struct {
        struct zkt_str text;
        enum zkt_status status;
        const char *error;
    } cases[] = {
        { ZKT_STR_INIT(""), ZKT_INVALID_ARGUMENT, "the text is not JSON" },
        { ZKT_STR_INIT("{"), ZKT_INVALID_ARGUMENT, "the text is not JSON" },
        { ZKT_STR_INIT("{} 1"), ZKT_INVALID_ARGUMENT, "the text is not JSON" },
        { ZKT_STR_INIT("{\"value\":1}\0"), ZKT_INVALID_ARGUMENT,
          "the text is not JSON" },
        { ZKT_STR_INIT("{\"value\":1,\"a\":\"\xff\"}"), ZKT_INVALID_ARGUMENT,
          "the text is not UTF-8" },
        { { NULL, 0 }, ZKT_INVALID_ARGUMENT, "the text is not UTF-8" },
        { { "{}", SIZE_MAX }, ZKT_RESOURCE_EXHAUSTED, "the JSON is too long" },
    };
    struct zkt_reply reply = { 0 };
    struct every_node node;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(every_node_decode(cases[i].text, &node, &reply),
                         cases[i].status);
        assert_string_equal(reply.error, cases[i].error);
    }
    assert_int_equal(every_node_decode(ZKT_STR("{\"value\":1}"), &node, NULL),
                     ZKT_INVALID_ARGUMENT);
    zkt_reply_clear(&reply);
}

/* Writes a chain of @count nodes. */
static struct zkt_str write_chain(char *text, size_t size, int count)
{
    size_t len = 0;
    for (int i = 1; i < count; i++) {
        len += (size_t)snprintf(text + len, size - len,
                                "{\"value\":1,\"next\":");
    }
    len += (size_t)snprintf(text + len, size - len, "{\"value\":1}");
    for (int i = 1; i < count; i++) {
        len += (size_t)snprintf(text + len, size - len, "}");
    }
    return (struct zkt_str){ text, len };
}

/* A node has a list: 63 nodes are 64 containers. */
static void test_depth(void **state)
{
    char text[4096];
    struct zkt_reply reply = { 0 };
    struct every_node node;
    struct zkt_str json;
    (void)state;
    assert_int_equal(
        every_node_decode(write_chain(text, sizeof(text), ZKT_DEPTH_MAX - 1),
                          &node, &reply),
        ZKT_OK);
    assert_int_equal(every_node_encode(&node, &json, &reply), ZKT_OK);
    const struct every_node longer = { .value = 1, .next = &node };
    assert_int_equal(every_node_encode(&longer, &json, &reply),
                     ZKT_INVALID_ARGUMENT);
    assert_int_equal(
        every_node_decode(write_chain(text, sizeof(text), ZKT_DEPTH_MAX + 1),
                          &node, &reply),
        ZKT_INVALID_ARGUMENT);
    assert_non_null(strstr(reply.error, "is nested too deeply"));
    zkt_reply_clear(&reply);
}

/* ---- memory ---- */

/* Both ways with an allocator; returns the first status that is not OK. */
static enum zkt_status run(const struct zkt_allocator *allocator,
                           const char *text)
{
    static const struct zkt_hash_key key = { 1, 2 };
    struct zkt_reply reply = { 0 };
    struct every_account account;
    struct zkt_str json;
    if (zkt__reply_memory(&reply, allocator, &key) == NULL) {
        return ZKT_NO_MEMORY;
    }
    enum zkt_status status = every_account_decode(zkt_cstr(text), &account,
                                                  &reply);
    if (status == ZKT_OK) {
        status = every_account_encode(&account, &json, &reply);
    }
    assert_int_equal(status, reply.status);
    zkt_reply_clear(&reply);
    return status;
}

static void fail_each(const char *text, enum zkt_status wanted)
{
    struct failing_alloc failing;
    for (long n = 1;; n++) {
        failing_alloc_init(&failing, n);
        const enum zkt_status status = run(&failing.allocator, text);
        assert_int_equal(failing.live, 0);
        if (failing.calls < n) {
            assert_int_equal(status, wanted);
            assert_true(n > 3);
            return;
        }
        assert_true(status == ZKT_NO_MEMORY || status == wanted);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    fail_each(ACCOUNT, ZKT_OK);
    fail_each("{\"email\":1,\"byName\":[]}", ZKT_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_issues_of_text),
        cmocka_unit_test(test_issues_of_values),
        cmocka_unit_test(test_no_check),
        cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
