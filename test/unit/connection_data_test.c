/*
 * The data of connections and their topics: writes of calls, of calls that
 * fail, and of calls of two instances. The first argument is the number of
 * shards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "door_peers.h"
#include "limit_hits.h"
#include "session/topics.h"

static const struct door_data *seen;

static enum zkt_status promote(struct zkt_call *call, struct zkt_str *out)
{
    seen = zkt_call_connection(call);
    assert_int_equal(seen->role, 1);
    assert_true(zkt_str_eq(zkt_remote_address(call), ZKT_STR("192.0.2.7")));
    set_role(call, 5);
    set_user(call, ZKT_STR("bob"));
    assert_int_equal(seen->role, 5); /* a stable pointer */
    assert_ptr_equal(zkt_call_connection(call), seen);
    assert_ptr_equal(zkt_call_connection_of(call, zkt_client_id(call)), seen);
    *out = door_seen(call);
    return ZKT_OK;
}

static void test_writes_of_data(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.who = promote;
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "bob/5"));
    script.who = NULL;
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "bob/5"));
    leave(&w);
    assert_string_equal(trace_since(),
                        "open:t connect:ada/1 who:ada/1 who:bob/5 "
                        "disconnect:bob/5 close:bob/5");
    end();
}

static enum zkt_status write_wrong(struct zkt_call *call, struct zkt_str *out)
{
    set_user(call, ZKT_STR("eve"));
    set_role(call, 10);
    assert_int_equal(
        ((const struct door_data *)zkt_call_connection(call))->role, 1);
    *out = ZKT_STR("done");
    return ZKT_OK;
}

static enum zkt_status write_and_fail(struct zkt_call *call,
                                      struct zkt_str *out)
{
    (void)out;
    set_role(call, 9);
    return zkt_fail(call, ZKT_ABORTED, "no");
}

static enum zkt_status unset_user(struct zkt_call *call, struct zkt_str *out)
{
    zkt_call_set_connection(call, 0, NULL);
    *out = door_seen(call);
    return ZKT_OK;
}

static void test_writes_that_fail(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.who = write_wrong;
    assert_non_null(strstr(ask(&w, CALL("1", "who")), "\"INTERNAL\""));
    assert_non_null(strstr(logged, "role of the connection breaks its rules"));
    script.who = write_and_fail;
    assert_non_null(strstr(ask(&w, CALL("2", "who")), "\"ABORTED\""));
    script.who = NULL;
    assert_string_equal(ask(&w, CALL("3", "who")), RESULT("3", "ada/1"));
    script.who = unset_user;
    assert_string_equal(ask(&w, CALL("4", "who")), RESULT("4", "/1"));
    leave(&w);
    end();
}

/* `disconnect` has no more to tell the session, and close sees its writes. */
static enum zkt_status join_topics(struct zkt_call *call, struct zkt_str *out)
{
    zkt_topic_join(call, ZKT_STR("b"));
    zkt_topic_join(call, ZKT_STR("a"));
    zkt_topic_join(call, ZKT_STR("b"));
    zkt_topic_join(call, ZKT_STR("c"));
    zkt_topic_leave(call, ZKT_STR("c"));
    zkt_topic_leave(call, ZKT_STR("d"));
    assert_true(zkt_topic_has(call, ZKT_STR("a")));
    assert_false(zkt_topic_has(call, ZKT_STR("c")));
    const struct zkt_str_list topics = zkt_topics(call);
    assert_int_equal(topics.len, 2);
    assert_string_equal(topics.items[0].data, "a");
    *out = ZKT_STR("joined");
    return ZKT_OK;
}

static enum zkt_status leave_topic(struct zkt_call *call, struct zkt_str *out)
{
    assert_true(zkt_topic_has(call, ZKT_STR("a")));
    zkt_topic_leave(call, ZKT_STR("a"));
    *out = ZKT_STR("left");
    return ZKT_OK;
}

static enum zkt_status join_too_many(struct zkt_call *call, struct zkt_str *out)
{
    char name[2] = { 'e', '\0' };
    for (int i = 0; i < 3; i++, name[0]++) {
        zkt_topic_join(call, zkt_cstr(name));
    }
    (void)out;
    return ZKT_OK;
}

static uint32_t members(const char *topic)
{
    const struct zkt_topic_group *group = zkt__topic_find(
        &zkt__server_shard(server, shards - 1)->host, zkt_cstr(topic));
    return group != NULL ? group->count : 0;
}

static void test_topics(void **state)
{
    begin_with((struct zkt_limits){ .topics = 3 });
    (void)state;
    struct wire w = knock("/", "", NULL), v = knock("/", "", NULL);
    (void)hear(&w);
    (void)hear(&v);
    script.who = join_topics;
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "joined"));
    assert_string_equal(ask(&v, CALL("1", "who")), RESULT("1", "joined"));
    assert_int_equal(members("a"), 2);
    assert_int_equal(members("b"), 2);
    assert_int_equal(members("c"), 0);
    script.who = leave_topic;
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "left"));
    assert_int_equal(members("a"), 1);
    script.who = join_too_many;
    assert_non_null(strstr(ask(&w, CALL("3", "who")), "\"INTERNAL\""));
    assert_int_equal(members("e"), 0);
    assert_limit_hits(server, "topics", 1);
    leave(&w);
    assert_int_equal(members("a"), 1);
    assert_int_equal(members("b"), 1);
    leave(&v);
    assert_int_equal(members("a") + members("b"), 0);
    end();
}

/* ---- two instances ---- */

#define CALL_B(id)                                                             \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"room\",\"actorId\":\"b\",\"method\":\"who\"}"

/* Room "b" is on the peer's shard. */
static struct zkt_location *claim_b(void)
{
    struct zkt_host *host = &zkt__server_shard(server, shards - 1)->host;
    return zkt__location_take(
        host, &door_room, ZKT_STR("b"),
        zkt__location_hash(host, &door_room, ZKT_STR("b")));
}

static bool is_room(struct zkt_call *call, const char *name)
{
    return zkt_str_eq(zkt_instance_id(call), zkt_cstr(name));
}

/* Room "a" takes its time, room "b" revokes the role. */
static enum zkt_status revoke_or_wait(struct zkt_call *call,
                                      struct zkt_str *out)
{
    if (is_room(call, "a")) {
        held = zkt_call_defer(call, ZKT_MEMBER_METHOD, 0);
        assert_non_null(held);
        return ZKT_PENDING;
    }
    set_role(call, 0);
    *out = door_seen(call);
    return ZKT_OK;
}

static enum zkt_status invoke_rename(struct zkt_call *call, void (*then)(void),
                                     const void *input, void *result,
                                     void *user)
{
    struct zkt_str *out = result;
    (void)then;
    (void)input;
    (void)user;
    set_user(call, ZKT_STR("bob"));
    *out = door_seen(call);
    return ZKT_OK;
}

/* A role that was revoked stays revoked under a slow call that writes another
 * field, and that began before. */
static void test_fields_of_two_instances(void **state)
{
    begin();
    (void)state;
    struct zkt_location *b = claim_b();
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.who = revoke_or_wait;
    assert_string_equal(ask(&w, CALL("1", "who")), "");
    assert_string_equal(ask(&w, CALL_B("2")), RESULT("2", "ada/0"));
    zkt_deferred_resume(held, invoke_rename, NULL, NULL);
    assert_string_equal(hear(&w), RESULT("1", "bob/1")); /* as of its message */
    script.who = NULL;
    assert_string_equal(ask(&w, CALL("3", "who")), RESULT("3", "bob/0"));
    assert_string_equal(ask(&w, CALL_B("4")), RESULT("4", "bob/0"));
    leave(&w);
    zkt__location_release(&zkt__server_shard(server, shards - 1)->host, b);
    end();
}

static char other_id[ZKT_CLIENT_ID_LEN + 1];

static enum zkt_status look_at_other(struct zkt_call *call, struct zkt_str *out)
{
    if (is_room(call, "b")) {
        set_role(call, 4);
        return ZKT_OK;
    }
    const struct door_data *data = zkt_call_connection_of(call,
                                                          zkt_cstr(other_id));
    assert_null(zkt_call_connection_of(call, ZKT_STR("nobody")));
    *out = data != NULL ? zkt_format(call, "%.*s/%d", ZKT_ARG(data->user.value),
                                     (int)data->role)
                        : ZKT_STR("absent");
    return ZKT_OK;
}

/* The data of another client in contact are current, also if it has been idle
 * since. */
static void test_the_data_of_another_client(void **state)
{
    begin();
    (void)state;
    struct zkt_location *b = claim_b();
    struct wire v = knock("/", "Authorization: Bearer eve\r\n", NULL);
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    const char *id = strstr(hear(&v), "\"clientId\":\"");
    assert_non_null(id);
    memcpy(other_id, id + strlen("\"clientId\":\""), ZKT_CLIENT_ID_LEN);
    (void)hear(&w);
    script.who = look_at_other;
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "absent"));
    assert_string_equal(ask(&v, CALL("1", "who")), RESULT("1", "eve/1"));
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "eve/1"));
    assert_string_equal(ask(&v, CALL_B("2")), RESULT("2", "eve/1"));
    assert_string_equal(ask(&w, CALL("3", "who")), RESULT("3", "eve/4"));
    leave(&v);
    assert_string_equal(ask(&w, CALL("4", "who")), RESULT("4", "absent"));
    leave(&w);
    zkt__location_release(&zkt__server_shard(server, shards - 1)->host, b);
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_of_data),
        cmocka_unit_test(test_writes_that_fail),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_fields_of_two_instances),
        cmocka_unit_test(test_the_data_of_another_client),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
