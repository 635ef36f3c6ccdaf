/*
 * Lists of the clients of a server: zkt_server_connections. The first argument
 * is the number of shards.
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

/* The calls of a list, as text: its clients in the order of their users. */
struct seen {
    char clients[4][64];
    int count, done;
};

static void see(const struct zkt_client_info *info, void *user)
{
    struct seen *seen = user;
    const struct door_data *data = info->data;
    assert_int_equal(seen->done, 0);
    assert_int_equal(info->id.len, 32);
    assert_true(zkt_str_eq(info->address, ZKT_STR("192.0.2.7")));
    assert_true(seen->count < 4);
    snprintf(seen->clients[seen->count++], sizeof(seen->clients[0]),
             "%.*s/%d %u %u", ZKT_ARG(data->user.value), (int)data->role,
             (unsigned)info->contacts, (unsigned)info->subscriptions);
}

static void see_end(void *user)
{
    struct seen *seen = user;
    seen->done++;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static struct seen list(void)
{
    struct seen seen = { .count = 0 };
    assert_int_equal(zkt_server_connections(server, see, see_end, &seen),
                     ZKT_OK);
    assert_int_equal(seen.count, 0);
    pass(0);
    assert_int_equal(seen.done, 1);
    qsort(seen.clients, (size_t)seen.count, sizeof(seen.clients[0]), compare);
    return seen;
}

static enum zkt_status promote(struct zkt_call *call, struct zkt_str *out)
{
    set_role(call, 5);
    *out = ZKT_STR("ok");
    return ZKT_OK;
}

static void test_clients_of_all_shards(void **state)
{
    begin();
    (void)state;
    assert_int_equal(list().count, 0);
    struct wire ada = knock_on(0, "/", "Authorization: Bearer ada\r\n", NULL);
    struct wire bob = knock("/", "Authorization: Bearer bob\r\n", NULL);
    script.who = promote;
    (void)ask(&ada, CALL("1", "who"));
    (void)ask(&bob, SUB("state:sub"));
    (void)ask(&bob, SUB("event:sub"));
    struct seen seen = list();
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.clients[0], "ada/5 1 0");
    assert_string_equal(seen.clients[1], "bob/1 1 2");
    leave(&ada);
    seen = list();
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.clients[0], "bob/1 1 2");
    leave(&bob);
    end();
}

static enum zkt_status wait_in_open(struct zkt_call *call,
                                    const struct gate_input *in,
                                    struct door_data *out)
{
    (void)in;
    (void)out;
    held = zkt_call_defer(call, ZKT_MEMBER_OPEN, 0);
    return ZKT_PENDING;
}

static enum zkt_status go_on(struct zkt_call *call, void (*then)(void),
                             const void *input, void *result, void *user)
{
    (void)call;
    (void)then;
    (void)input;
    (void)result;
    (void)user;
    return ZKT_OK;
}

/* A client is listed from its welcome to its close frame. */
static void test_who_is_no_client(void **state)
{
    begin();
    (void)state;
    struct wire idle = { .e = zkt__server_accept(server, "192.0.2.7") };
    script.open = wait_in_open;
    struct wire late = knock("/", "", NULL);
    assert_int_equal(list().count, 0);
    zkt_deferred_resume(held, go_on, NULL, NULL);
    pass(0);
    assert_int_equal(list().count, 1);
    feed(&late, "\x88\x80\0\0\0\0", 6, 6, true); /* its close frame */
    assert_int_equal(list().count, 0);
    leave(&late);
    leave(&idle);
    end();
}

static void kick(const struct zkt_client_info *info, void *user)
{
    int *count = user;
    (*count)++;
    assert_int_equal(zkt_server_kick(server, info->id, 4000, NULL), ZKT_OK);
}

static void test_clients_are_kicked(void **state)
{
    int count = 0;
    begin();
    (void)state;
    struct wire wires[] = { knock_on(0, "/", "", NULL), knock("/", "", NULL) };
    assert_int_equal(zkt_server_connections(server, kick, NULL, &count),
                     ZKT_OK);
    pass(0);
    pass(0);
    assert_int_equal(count, 2);
    assert_int_equal(list().count, 0);
    leave(&wires[0]);
    leave(&wires[1]);
    end();
}

static void test_lists_that_are_refused(void **state)
{
    struct seen seen = { .count = 0 };
    begin_with((struct zkt_limits){ .outside_messages = 1 });
    (void)state;
    memory.fail_at = memory.calls + 1;
    assert_int_equal(zkt_server_connections(server, see, see_end, &seen),
                     ZKT_NO_MEMORY);
    assert_int_equal(zkt_server_connections(server, see, see_end, &seen),
                     ZKT_OK);
    assert_int_equal(zkt_server_connections(server, see, see_end, &seen),
                     ZKT_RESOURCE_EXHAUSTED);
    pass(0);
    assert_int_equal(seen.done, 1);
    assert_int_equal(list().done, 1);
    end();
}

static void list_too_late(struct zkt_server *given, void *user)
{
    enum zkt_status *status = user;
    *status = zkt_server_connections(given, see, see_end, NULL);
}

/* Freeing the server ends a list, wherever it is. */
static void test_lists_and_the_end(void **state)
{
    (void)state;
    for (uint32_t turns = 0; turns <= shards; turns++) {
        struct seen seen = { .count = 0 };
        enum zkt_status late = ZKT_OK;
        begin();
        struct wire wires[] = { knock_on(0, "/", "", NULL),
                                knock("/", "", NULL) };
        assert_int_equal(zkt_server_connections(server, see, see_end, &seen),
                         ZKT_OK);
        for (uint32_t i = 0; i < turns; i++) {
            zkt_server_advance(zkt__server_shard(server, i), 0);
        }
        assert_int_equal(seen.done, turns == 1 && shards == 1);
        assert_int_equal(zkt_server_post(server, list_too_late, &late), ZKT_OK);
        end();
        free(wires[0].text);
        free(wires[1].text);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.count, shards == 1 ? 2 * turns : turns);
        assert_int_equal(late, ZKT_CLOSED);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_of_all_shards),
        cmocka_unit_test(test_who_is_no_client),
        cmocka_unit_test(test_clients_are_kicked),
        cmocka_unit_test(test_lists_that_are_refused),
        cmocka_unit_test(test_lists_and_the_end),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
