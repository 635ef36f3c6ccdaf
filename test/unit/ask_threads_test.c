/*
 * Instances on three threads tell and ask each other while the server serves,
 * stops and is freed. Every ask is answered once, on the thread of its
 * instance, and messages from one instance to another keep their order. The
 * thread sanitizer reports unguarded data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zocket/call.h"
#include "zocket/schema.h"

static struct zkt_app talking_app(void);
#define CREW_APP talking_app()
#include "crew.h"

enum {
    INSTANCES = 6,
    PING = 2, /* its number */
    ENOUGH = 20000
};

/* A message: its sender, and its number among those to its receiver. */
struct ping {
    int32_t from, number;
};

static atomic_int pings, asks, dones;

/* Only the thread of an instance accesses these. */
static struct talker {
    int32_t sent[INSTANCES], received[INSTANCES];
    pthread_t thread;
} talkers[INSTANCES];

static int32_t index_of(const struct zkt_call *call)
{
    return zkt_instance_id(call).data[0] - 'a';
}

static void ping_done(void (*done)(void), const struct zkt_reply *reply,
                      const void *result, void *user)
{
    const struct talker *talker = user;
    (void)done;
    assert_true((reply->status == ZKT_OK) == (result != NULL));
    assert_true(pthread_equal(talker->thread, pthread_self()) ||
                reply->status == ZKT_UNAVAILABLE);
    atomic_fetch_add(&dones, 1);
}

static void nothing(void)
{
}

static void send_ping(struct zkt_call *call, bool asks_it)
{
    const int32_t self = index_of(call);
    const int32_t to = (int32_t)zkt_random(call, INSTANCES);
    const char name[] = { (char)('a' + to), '\0' };
    const struct ping ping = { self, ++talkers[self].sent[to] };
    if (asks_it) {
        atomic_fetch_add(&asks, 1);
        zkt_call_ask(call, 0, PING, zkt_cstr(name), NULL, &ping, ping_done,
                     nothing, &talkers[self]);
    } else {
        zkt_call_tell(call, 0, PING, zkt_cstr(name), NULL, &ping);
    }
}

/* Sends up to @most asks and tells. Tells are sent with the commit, so after
 * the asks. */
static void send_some(struct zkt_call *call, uint32_t most, bool may_ask)
{
    const uint32_t tells = zkt_random(call, most + 1);
    for (uint32_t n = tells; may_ask && n < most; n++) {
        send_ping(call, true);
    }
    for (uint32_t n = 0; n < tells; n++) {
        send_ping(call, false);
    }
}

static enum zkt_status invoke_start(struct zkt_call *call, const void *handlers,
                                    const void *input, void *result)
{
    (void)handlers;
    (void)input;
    (void)result;
    talkers[index_of(call)].thread = pthread_self();
    send_some(call, 8, false);
    return ZKT_OK;
}

static enum zkt_status invoke_ping(struct zkt_call *call, const void *handlers,
                                   const void *input, void *result)
{
    const struct ping *ping = input;
    const int32_t self = index_of(call);
    (void)handlers;
    *(int32_t *)result = self;
    talkers[self].thread = pthread_self();
    assert_true(ping->number > talkers[self].received[ping->from]);
    talkers[self].received[ping->from] = ping->number;
    if (atomic_fetch_add(&pings, 1) < ENOUGH) {
        send_some(call, zkt_random(call, 3), true);
    }
    return ZKT_OK;
}

static const struct zkt_field ping_fields[] = {
    { ZKT_STR_INIT("from"), offsetof(struct ping, from), &zkt_type_int32,
      NULL },
    { ZKT_STR_INIT("number"), offsetof(struct ping, number), &zkt_type_int32,
      NULL },
};
static const struct zkt_type ping_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct ping),
    .of.structs = &(const struct zkt_struct_info){ .name = "ping",
                                                   .fields = ping_fields,
                                                   .count = 2 },
};

/* The counter: `reset` starts to tell, and there is an internal `ping`. */
static struct zkt_app talking_app(void)
{
    static struct zkt_method methods[3];
    static struct zkt_actor actor;
    static const struct zkt_actor *const actors[] = { &actor };
    static struct zkt_app_info info;
    struct zkt_app app = demo_app(&handlers);
    info = *app.info;
    actor = *info.actors[0];
    methods[0] = actor.methods[0];
    methods[1] = actor.methods[1];
    methods[1].invoke = invoke_start;
    methods[PING] = (struct zkt_method){
        .name = ZKT_STR_INIT("ping"),
        .input = &ping_type,
        .result = &zkt_type_int32,
        .handler_offset = methods[0].handler_offset,
        .invoke = invoke_ping,
        .interleaves = true,
    };
    actor.methods = methods;
    actor.method_count = 3;
    info.actors = actors;
    app.info = &info;
    return app;
}

static void start(const struct peer *peer, int of)
{
    char text[256], bytes[512];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"counter\","
             "\"actorId\":\"%c\",\"method\":\"reset\"}",
             'a' + of);
    say(peer, bytes, frame(bytes, text));
}

static void talk(uint32_t threads, struct zkt_limits limits)
{
    struct site site;
    struct peer peers[INSTANCES];
    memset(talkers, 0, sizeof(talkers));
    pings = asks = dones = 0;
    open_site(&site, threads, limits);
    for (int i = 0; i < INSTANCES; i++) { /* each stays on its thread */
        const char name[] = { (char)('a' + i), '\0' };
        peers[i] = visit(&site);
        (void)call(&site, &peers[i], name, 1);
    }
    while (atomic_load(&pings) < ENOUGH / 2) {
        for (int i = 0; i < INSTANCES; i++) {
            start(&peers[i], i);
            wait_for(&site, &peers[i], "rpc:result");
            forget(&peers[i]);
        }
    }
    zkt_server_shutdown(site.server);
    for (int i = 0; i < INSTANCES; i++) {
        answer_close(&site, &peers[i]);
        close(peers[i].fd);
    }
    close_site(&site);
    assert_true(atomic_load(&asks) > 0);
    assert_int_equal(atomic_load(&dones), atomic_load(&asks));
}

static void test_talking(void **state)
{
    (void)state;
    talk(3, (struct zkt_limits){ 0 });
}

/* Channels without credit, and mailboxes without room. */
static void test_narrow(void **state)
{
    (void)state;
    talk(2,
         (struct zkt_limits){ .channel_messages = 2, .mailbox_messages = 8 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talking),
        cmocka_unit_test(test_narrow),
    };
    return cmocka_run_group_tests(tests, open_libuv, NULL);
}
