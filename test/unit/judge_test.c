/*
 * Generated code for audiences: the tables that the runtime reads, the handlers
 * that it calls by them, and the targets of events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "judge_server.h"

/* ---- handlers ---- */

static bool is_drawer(const struct judge_draw_state *state,
                      const struct judge_draw_private *private_state,
                      struct zkt_str client_id,
                      const struct judge_connection *connection)
{
    (void)private_state;
    (void)client_id;
    return zkt_str_eq(state->drawer, connection->user_id);
}

static bool is_jury(const struct judge_draw_state *state,
                    const struct judge_draw_private *private_state,
                    struct zkt_str client_id,
                    const struct judge_connection *connection)
{
    (void)state;
    return connection->seat == private_state->jury_seat &&
           !zkt_str_eq(client_id, ZKT_STR("c9"));
}

static bool is_guest(const struct judge_door_state *state,
                     struct zkt_str client_id,
                     const struct judge_connection *connection)
{
    return state->open && connection->seat > 0 &&
           zkt_str_eq(client_id, ZKT_STR("c1"));
}

static const struct judge_draw_handlers draw_handlers = {
    .audience_drawer = is_drawer,
    .audience_jury = is_jury,
};
static const struct judge_door_handlers door_handlers = {
    .audience_guests = is_guest,
};
static const struct judge_hall_handlers hall_handlers = { .look = NULL };
static const struct judge_handlers handlers = {
    .draw = &draw_handlers,
    .door = &door_handlers,
    .hall = &hall_handlers,
};

static const struct zkt_actor *find_actor(const char *name)
{
    const struct zkt_app_info *info = judge_app(&handlers).info;
    const int number = info->find_actor(zkt_cstr(name));
    assert_true(number >= 0);
    return info->actors[number];
}

/* ---- tests ---- */

static void assert_reader(const struct zkt_actor *actor, const char *name,
                          enum zkt_reader_kind kind, uint32_t number)
{
    const struct zkt_struct_info *state = actor->state->of.structs;
    uint32_t i = 0;
    while (i < state->count &&
           !zkt_str_eq(state->fields[i].name, zkt_cstr(name))) {
        i++;
    }
    assert_true(i < state->count);
    assert_int_equal(actor->readers[i].kind, kind);
    assert_int_equal(actor->readers[i].number, number);
}

static void test_readers(void **state)
{
    const struct zkt_actor *draw = find_actor("draw");
    (void)state;
    assert_reader(draw, "kind", ZKT_READER_ALL, 0);
    assert_reader(draw, "drawer", ZKT_READER_ALL, 0);
    assert_reader(draw, "word", ZKT_READER_AUDIENCE, 0);
    assert_reader(draw, "marks", ZKT_READER_AUDIENCE, 1);
    assert_reader(draw, "hands", ZKT_READER_DATA, 1);
    assert_reader(draw, "plans", ZKT_READER_DATA, 2);
    assert_reader(draw, "moves", ZKT_READER_CLIENT, 0);
    assert_null(find_actor("door")->readers);
    assert_null(find_actor("hall")->readers);
}

static void test_audiences(void **state)
{
    const struct zkt_actor *draw = find_actor("draw");
    const struct zkt_actor *door = find_actor("door");
    (void)state;
    assert_int_equal(draw->audience_count, 2);
    assert_string_equal(draw->audiences[0].name.data, "drawer");
    assert_int_equal(draw->audiences[0].handler_offset,
                     offsetof(struct judge_draw_handlers, audience_drawer));
    assert_string_equal(draw->audiences[1].name.data, "jury");
    assert_int_equal(door->audience_count, 1);
    assert_string_equal(door->audiences[0].name.data, "guests");
    assert_int_equal(find_actor("hall")->audience_count, 0);
    assert_null(find_actor("hall")->audiences);
}

static void test_with_private_state(void **state)
{
    const struct zkt_audience *of = find_actor("draw")->audiences;
    const struct judge_draw_state draw = { .drawer = ZKT_STR_INIT("ann") };
    const struct judge_draw_private private_state = { .jury_seat = 5 };
    const struct judge_connection ann = { .seat = 2,
                                          .user_id = ZKT_STR_INIT("ann") };
    const struct judge_connection bob = { .seat = 5,
                                          .user_id = ZKT_STR_INIT("bob") };
    const struct zkt_str id = ZKT_STR("c1");
    (void)state;
    assert_true(of[0].judge(&draw_handlers, &draw, &private_state, id, &ann));
    assert_false(of[0].judge(&draw_handlers, &draw, &private_state, id, &bob));
    assert_false(of[1].judge(&draw_handlers, &draw, &private_state, id, &ann));
    assert_true(of[1].judge(&draw_handlers, &draw, &private_state, id, &bob));
    assert_false(of[1].judge(&draw_handlers, &draw, &private_state,
                             ZKT_STR("c9"), &bob));
}

static void test_without_private_state(void **state)
{
    const struct zkt_audience *of = find_actor("door")->audiences;
    const struct judge_door_state open = { .open = true };
    const struct judge_door_state closed = { .open = false };
    const struct judge_connection ann = { .seat = 1 };
    (void)state;
    assert_true(of->judge(&door_handlers, &open, NULL, ZKT_STR("c1"), &ann));
    assert_false(of->judge(&door_handlers, &closed, NULL, ZKT_STR("c1"), &ann));
    assert_false(of->judge(&door_handlers, &open, NULL, ZKT_STR("c2"), &ann));
}

static void assert_target(struct zkt_target target, uint32_t audience)
{
    assert_int_equal(target.kind, ZKT_TARGET_AUDIENCE);
    assert_int_equal(target.audience, audience);
    assert_null(target.ids);
    assert_int_equal(target.len, 0);
}

static void test_targets(void **state)
{
    (void)state;
    assert_target(judge_draw_to_drawer(), 0);
    assert_target(judge_draw_to_jury(), 1);
    assert_target(judge_door_to_guests(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_audiences),
        cmocka_unit_test(test_with_private_state),
        cmocka_unit_test(test_without_private_state),
        cmocka_unit_test(test_targets),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
