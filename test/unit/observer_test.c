/*
 * Observers of lists and maps, against a server that the test plays: what they
 * are told of each patch, and copies of the state that observers keep, over
 * random patches and with every allocation failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "failing_alloc.h"
#include "fake_server.h"

#define MESSAGE(type)                                                          \
    "{\"type\":\"" type "\",\"actor\":\"doc\",\"actorId\":\"a\""
#define SNAPSHOT(list, items)                                                  \
    MESSAGE("state:snapshot")                                                  \
    ",\"state\":{\"n\":1,\"level\":\"low\",\"list\":" list ",\"items\":" items \
    "}}"
#define PATCH(operations)                                                      \
    MESSAGE("state:patch") ",\"patches\":[" operations "]}"
#define OP(op, path, value)                                                    \
    "{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}"
#define REMOVE(path) "{\"op\":\"remove\",\"path\":\"" path "\"}"

/* ---- observers that write down what they are told ---- */

struct seen {
    char text[1024];
    struct zkt_client *client;
    uint64_t id; /* removed by the first change of an item, if not 0 */
    bool closes; /* the client, likewise */
};

static void note(struct seen *seen, const char *format, ...)
{
    const size_t len = strlen(seen->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(seen->text + len, sizeof(seen->text) - len, format, arguments);
    va_end(arguments);
}

static void on_inserted(size_t index, int32_t item, void *user)
{
    struct seen *seen = user;
    note(seen, "+%zu:%d ", index, item);
    zkt_client_off(seen->client, seen->id);
    if (seen->closes) {
        zkt_client_close(seen->client);
    }
}

static void on_changed(size_t index, int32_t item, void *user)
{
    note(user, "=%zu:%d ", index, item);
}

static void on_removed(size_t index, void *user)
{
    note(user, "-%zu ", index);
}

static void on_list(const struct zkt_int32_list *list, void *user)
{
    note(user, "list of %zu ", list->len);
}

static void on_put(struct zkt_str key, const struct test_item *item, void *user)
{
    note(user, "%s=%s ", key.data, item->name.data);
}

static void on_key_removed(struct zkt_str key, void *user)
{
    note(user, "-%s ", key.data);
}

static void on_map(const struct test_item_map *map, void *user)
{
    note(user, "map of %zu ", map->len);
}

/* ---- a connected client ---- */

struct fixture {
    struct fake fake;
    struct test_doc *doc;
    struct seen seen;
};

static void connect(struct fixture *t)
{
    const struct zkt_client_options options = { .reconnect_jitter = -1 };
    *t = (struct fixture){ .seen.text = "" };
    t->seen.client = fake_open(&t->fake, options);
    t->doc = test_doc_open(t->fake.client, "a");
    fake_turn(&t->fake);
    fake_accept(&t->fake);
}

static void disconnect(struct fixture *t)
{
    test_doc_close(t->doc);
    fake_close(&t->fake);
}

static uint64_t observe_list(struct fixture *t)
{
    return test_doc_observe_list(t->doc,
                                 &(struct test_doc_list_observer){
                                     .inserted = on_inserted,
                                     .changed = on_changed,
                                     .removed = on_removed,
                                     .reset = on_list,
                                 },
                                 &t->seen);
}

static uint64_t observe_items(struct fixture *t)
{
    return test_doc_observe_items(t->doc,
                                  &(struct test_doc_items_observer){
                                      .put = on_put,
                                      .removed = on_key_removed,
                                      .reset = on_map,
                                  },
                                  &t->seen);
}

/* Sends a message, and expects the observers to be told exactly this. */
static void expect(struct fixture *t, const char *message, const char *told)
{
    t->seen.text[0] = '\0';
    fake_turn(&t->fake); /* subscribes */
    if (message != NULL) {
        fake_say(&t->fake, message);
    }
    fake_turn(&t->fake);
    assert_string_equal(t->seen.text, told);
}

#define EMPTY      SNAPSHOT("[]", "{}")
#define ITEM(name) "{\"name\":\"" name "\"}"

static void test_lists(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    assert_int_not_equal(observe_list(&t), 0);
    assert_non_null(strstr(fake_sent(&t.fake), "state:sub"));
    expect(&t, SNAPSHOT("[10,11,12,13]", "{}"), "list of 4 ");
    expect(&t, PATCH(OP("add", "/list/-", "14")), "+4:14 ");
    expect(&t, PATCH(OP("replace", "/list/1", "21")), "=1:21 ");
    expect(&t, PATCH(REMOVE("/list/0") "," REMOVE("/list/0")), "-0 -0 ");
    /* By rising index, whatever the order of the operations was. */
    expect(&t,
           PATCH(REMOVE("/list/2") "," OP("add", "/list/0",
                                          "1") "," OP("add", "/list/1", "2")),
           "+0:1 +1:2 -4 ");
    /* An item that came and went is not mentioned. */
    expect(&t, PATCH(OP("add", "/list/0", "9") "," REMOVE("/list/0")), "");
    expect(&t, PATCH(OP("replace", "/n", "5")), "");
    expect(&t, PATCH(OP("replace", "/list", "[1]")), "list of 1 ");
    expect(&t,
           PATCH(OP("add", "/list/0", "7") "," OP("replace", "/list", "[]")),
           "list of 0 ");
    disconnect(&t);
}

static void test_maps(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    observe_items(&t);
    expect(&t, SNAPSHOT("[]", "{\"a\":" ITEM("x") ",\"b\":" ITEM("y") "}"),
           "map of 2 ");
    expect(&t, PATCH(OP("add", "/items/c", ITEM("z"))), "c=z ");
    expect(&t, PATCH(OP("replace", "/items/a/name", "\"new\"")), "a=new ");
    expect(&t, PATCH(REMOVE("/items/b") "," OP("add", "/items/d", ITEM("w"))),
           "-b d=w ");
    /* Each entry once, with its last value. */
    expect(&t,
           PATCH(OP("add", "/items/a", ITEM("1")) "," OP(
               "add", "/items/e",
               ITEM("2")) "," OP("replace", "/items/a/name",
                                 "\"3\"") "," REMOVE("/items/e")),
           "a=3 ");
    expect(&t, PATCH(OP("replace", "/items", "{}")), "map of 0 ");
    disconnect(&t);
}

/* A snapshot resets the fields that differ. */
static void test_snapshots(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    observe_list(&t);
    observe_items(&t);
    expect(&t, EMPTY, "list of 0 map of 0 ");
    expect(&t, EMPTY, "");
    expect(&t, SNAPSHOT("[1]", "{}"), "list of 1 ");
    /* A late observer is told in the next turn, once, and not of the patch that
     * comes before. */
    t.seen.text[0] = '\0';
    const uint64_t late = observe_list(&t);
    fake_say(&t.fake, PATCH(OP("add", "/list/1", "2")));
    assert_string_equal(t.seen.text, "+1:2 list of 2 ");
    fake_turn(&t.fake);
    assert_string_equal(t.seen.text, "+1:2 list of 2 ");
    observe_items(&t);
    expect(&t, NULL, "map of 0 ");
    zkt_client_off(t.fake.client, late);
    expect(&t, PATCH(OP("add", "/list/2", "3")), "+2:3 ");
    disconnect(&t);
}

static void test_functions_may_be_null(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    assert_int_equal(test_doc_observe_list(t.doc, NULL, NULL), 0);
    assert_int_equal(
        test_doc_observe_list(
            NULL, &(struct test_doc_list_observer){ .reset = NULL }, NULL),
        0);
    test_doc_observe_list(
        t.doc, &(struct test_doc_list_observer){ .removed = on_removed },
        &t.seen);
    test_doc_observe_items(
        t.doc, &(struct test_doc_items_observer){ .reset = NULL }, NULL);
    expect(&t, SNAPSHOT("[1,2]", "{}"), "");
    expect(&t,
           PATCH(REMOVE("/list/1") "," OP("add", "/list/0", "5") "," OP(
               "replace", "/list/1", "6") "," OP("add", "/items/a", ITEM("x"))),
           "-2 ");
    disconnect(&t);
}

/* An observer that is removed, or whose client is closed, by the first change
 * of a patch is not told of the others. */
static void test_leaving_meanwhile(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    t.seen.id = observe_list(&t);
    expect(&t, EMPTY, "list of 0 ");
    expect(&t, PATCH(OP("add", "/list/0", "1") "," OP("add", "/list/1", "2")),
           "+0:1 ");
    t.seen.id = 0;
    observe_list(&t);
    observe_items(&t);
    expect(&t, EMPTY, "list of 0 map of 0 ");
    t.seen.closes = true;
    expect(&t,
           PATCH(OP("add", "/list/0", "1") "," OP("add", "/list/1", "2") "," OP(
               "add", "/items/a", ITEM("x"))),
           "+0:1 ");
    test_doc_close(t.doc);
}

/* A patch that is undone tells nothing; the snapshot that repairs it does. */
static void test_a_mismatch(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    observe_list(&t);
    expect(&t, EMPTY, "list of 0 ");
    expect(&t, PATCH(OP("add", "/list/0", "1") "," REMOVE("/list/7")), "");
    expect(&t, SNAPSHOT("[1,2]", "{}"), "list of 2 ");
    disconnect(&t);
}

/* ---- copies that observers keep ---- */

enum {
    COPY_MAX = 600
};

struct copy {
    int32_t list[COPY_MAX];
    size_t len;
    char keys[26]; /* 0: the letter is no key; else the first of its name */
    size_t resets, changes;
};

static void copy_inserted(size_t index, int32_t item, void *user)
{
    struct copy *copy = user;
    assert_true(index <= copy->len && copy->len < COPY_MAX);
    memmove(copy->list + index + 1, copy->list + index,
            (copy->len++ - index) * sizeof(int32_t));
    copy->list[index] = item;
    copy->changes++;
}

static void copy_changed(size_t index, int32_t item, void *user)
{
    struct copy *copy = user;
    assert_true(index < copy->len);
    copy->list[index] = item;
    copy->changes++;
}

static void copy_removed(size_t index, void *user)
{
    struct copy *copy = user;
    assert_true(index < copy->len);
    memmove(copy->list + index, copy->list + index + 1,
            (--copy->len - index) * sizeof(int32_t));
    copy->changes++;
}

static void copy_list(const struct zkt_int32_list *list, void *user)
{
    struct copy *copy = user;
    for (size_t i = 0; i < list->len; i++) {
        copy->list[i] = list->items[i];
    }
    copy->len = list->len;
    copy->resets++;
}

static void copy_put(struct zkt_str key, const struct test_item *item,
                     void *user)
{
    struct copy *copy = user;
    copy->keys[key.data[0] - 'a'] = item->name.data[0];
}

static void copy_key_removed(struct zkt_str key, void *user)
{
    struct copy *copy = user;
    assert_int_not_equal(copy->keys[key.data[0] - 'a'], 0);
    copy->keys[key.data[0] - 'a'] = 0;
}

static void copy_map(const struct test_item_map *map, void *user)
{
    struct copy *copy = user;
    memset(copy->keys, 0, sizeof(copy->keys));
    for (size_t i = 0; i < map->len; i++) {
        copy_put(map->items[i].key, &map->items[i].value, copy);
    }
}

static void keep_copy(struct test_doc *doc, struct copy *copy)
{
    static const struct test_doc_list_observer of_list = {
        copy_inserted, copy_changed, copy_removed, copy_list
    };
    static const struct test_doc_items_observer of_items = { copy_put,
                                                             copy_key_removed,
                                                             copy_map };
    test_doc_observe_list(doc, &of_list, copy);
    test_doc_observe_items(doc, &of_items, copy);
}

static void assert_same(const struct copy *copy,
                        const struct test_doc_state *state)
{
    assert_int_equal(copy->len, state->list.len);
    for (size_t i = 0; i < copy->len; i++) {
        assert_int_equal(copy->list[i], state->list.items[i]);
    }
    size_t keys = 0;
    for (size_t i = 0; i < sizeof(copy->keys); i++) {
        keys += copy->keys[i] != 0;
    }
    assert_int_equal(keys, state->items.len);
    for (size_t i = 0; i < state->items.len; i++) {
        assert_int_equal(copy->keys[state->items.items[i].key.data[0] - 'a'],
                         state->items.items[i].value.name.data[0]);
    }
}

static unsigned below(unsigned *seed, unsigned limit)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 8) % limit;
}

/* Adds a random operation that fits a list of *@len items. */
static void write_operation(char *text, size_t size, unsigned *seed,
                            size_t *len, const struct test_doc_state *now)
{
    const unsigned what = below(seed, 10);
    const unsigned index = below(seed, (unsigned)*len + 1);
    const int value = (int)below(seed, 1000);
    const char key = (char)('a' + below(seed, 26));
    const struct zkt_str name = { &key, 1 };
    const bool found = test_item_map_find(&now->items, name) != NULL;
    if (what < 4) {
        snprintf(text, size, OP("add", "/list/%u", "%d"), index, value);
        (*len)++;
    } else if (what < 6 && index < *len) {
        snprintf(text, size, OP("replace", "/list/%u", "%d"), index, value);
    } else if (what < 8 && index < *len) {
        snprintf(text, size, REMOVE("/list/%u"), index);
        (*len)--;
    } else if (found && what == 8) {
        snprintf(text, size,
                 OP("replace", "/items/%c/name", "\"%c\"") "," REMOVE(
                     "/items/%c") "," OP("add", "/items/%c",
                                         ITEM("%c")) "," REMOVE("/items/%c"),
                 key, 'A' + value % 26, key, key, 'A' + value % 26, key);
    } else {
        snprintf(text, size, OP("add", "/items/%c", ITEM("%c")), key,
                 'A' + value % 26);
    }
}

/* Sends a patch of up to @count operations. */
static void say_patch(struct fixture *t, unsigned *seed, unsigned count)
{
    static char text[FAKE_TEXT];
    const struct test_doc_state *now = test_doc_snapshot(t->doc);
    size_t len = now->list.len;
    strcpy(text, MESSAGE("state:patch") ",\"patches\":[");
    for (unsigned i = 0; i < count; i++) {
        char operation[256];
        write_operation(operation, sizeof(operation), seed, &len, now);
        if (strstr(operation, "remove\",\"path\":\"/items") != NULL && i > 0) {
            continue; /* an earlier operation may have removed the key */
        }
        strcat(text, i > 0 ? "," : "");
        strcat(text, operation);
    }
    strcat(text, "]}");
    fake_say(&t->fake, text);
    fake_turn(&t->fake);
}

static void test_random_patches(void **state)
{
    struct fixture t;
    struct copy copy = { .len = 0 };
    unsigned seed = 7;
    struct zkt_client_stats stats;
    (void)state;
    connect(&t);
    keep_copy(t.doc, &copy);
    fake_turn(&t.fake);
    for (int round = 0; round < 40; round++) {
        fake_say(&t.fake, SNAPSHOT("[1,2,3,4,5,6,7,8]", "{}"));
        fake_turn(&t.fake);
        for (int i = 0; i < 20; i++) {
            say_patch(&t, &seed, 1 + below(&seed, 8));
            assert_same(&copy, test_doc_snapshot(t.doc));
        }
    }
    zkt_client_stats(t.fake.client, &stats);
    assert_int_equal(stats.mismatches, 0);
    assert_int_equal(stats.patches, 800);
    assert_true(copy.resets <= 40 && copy.changes > 1000);
    disconnect(&t);
}

/* So many places that a list is told as a whole. */
static void test_many_places(void **state)
{
    struct fixture t;
    struct copy copy = { .len = 0 };
    static char text[FAKE_TEXT];
    (void)state;
    connect(&t);
    keep_copy(t.doc, &copy);
    fake_turn(&t.fake);
    strcpy(text, MESSAGE("state:snapshot") ",\"state\":{\"n\":1,\"level\":"
                                           "\"low\",\"items\":{},\"list\":[0");
    for (int i = 1; i < 500; i++) {
        strcat(text, ",0");
    }
    strcat(text, "]}}");
    fake_say(&t.fake, text);
    fake_turn(&t.fake);
    assert_int_equal(copy.resets, 1);
    strcpy(text, MESSAGE("state:patch") ",\"patches\":[");
    for (int i = 0; i < 200; i++) {
        char operation[64];
        snprintf(operation, sizeof(operation),
                 "%s" OP("replace", "/list/%d", "1"), i > 0 ? "," : "", 2 * i);
        strcat(text, operation);
    }
    strcat(text, "]}");
    fake_say(&t.fake, text);
    fake_turn(&t.fake);
    assert_int_equal(copy.resets, 2);
    assert_int_equal(copy.changes, 0);
    assert_same(&copy, test_doc_snapshot(t.doc));
    disconnect(&t);
}

/* ---- memory ---- */

/* A session in which allocation @n fails; returns false if it has fewer. */
static bool session_with_failure(long n)
{
    struct zkt_client_options options = { .reconnect_jitter = -1 };
    struct failing_alloc failing;
    struct copy copy = { .len = 0 };
    struct fixture t = { .seen.text = "" };
    failing_alloc_init(&failing, n);
    options.allocator = &failing.allocator;
    struct zkt_client *client = fake_open(&t.fake, options);
    t.doc = test_doc_open(client, "a");
    if (t.doc != NULL) {
        keep_copy(t.doc, &copy);
        fake_turn(&t.fake);
        if (t.fake.asked) {
            fake_attach(&t.fake);
        }
        if (t.fake.endpoint != NULL && t.fake.raw_len > 0) {
            fake_shake(&t.fake, NULL);
        }
        fake_turn(&t.fake);
    }
    if (t.fake.endpoint != NULL) {
        fake_say(&t.fake, SNAPSHOT("[1,2,3]", "{\"a\":" ITEM("x") "}"));
    }
    if (t.fake.endpoint != NULL && test_doc_snapshot(t.doc) != NULL) {
        fake_say(&t.fake, PATCH(OP("add", "/list/1", "9") "," REMOVE(
                              "/list/0") "," OP("add", "/items/b", ITEM("y"))));
        if (copy.resets + copy.changes > 1 && copy.keys['b' - 'a'] != 0) {
            assert_same(&copy, test_doc_snapshot(t.doc));
        }
    }
    test_doc_close(t.doc);
    if (client != NULL) {
        fake_close(&t.fake);
    }
    assert_int_equal(failing.live, 0);
    return failing.calls >= n;
}

static void test_no_memory(void **state)
{
    long n = 1;
    (void)state;
    while (session_with_failure(n)) {
        n++;
    }
    assert_true(n > 20);
}

/* ---- states that outlive their callback ---- */

static void keep_state(const struct test_doc_state *now, void *user)
{
    struct test_doc_state **kept = user;
    test_doc_state_free(*kept);
    *kept = test_doc_state_dup(now);
}

static void test_a_copy_outlives_the_client(void **state)
{
    struct fixture t;
    struct test_doc_state *kept = NULL;
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, keep_state, &kept);
    expect(&t, SNAPSHOT("[1,2]", "{\"a\":" ITEM("x") "}"), "");
    for (char key = 'b'; key < 'z'; key++) { /* enough for an index */
        char text[256];
        snprintf(text, sizeof(text), PATCH(OP("add", "/items/%c", ITEM("%c"))),
                 key, key);
        fake_say(&t.fake, text);
    }
    disconnect(&t);
    assert_int_equal(kept->list.items[1], 2);
    assert_int_equal(kept->items.len, 25);
    for (char key = 'b'; key < 'z'; key++) {
        const struct test_item *item = test_item_map_find(
            &kept->items, (struct zkt_str){ &key, 1 });
        assert_int_equal(item->name.data[0], key);
    }
    test_doc_state_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_functions_may_be_null),
        cmocka_unit_test(test_leaving_meanwhile),
        cmocka_unit_test(test_a_mismatch),
        cmocka_unit_test(test_random_patches),
        cmocka_unit_test(test_many_places),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_a_copy_outlives_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
