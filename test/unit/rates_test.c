/*
 * Token buckets against exact arithmetic; the shared table when it is full, on
 * several threads, and without memory; calls over their rate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "limit_hits.h"
#include "session/rates.h"
#include "slow.h"
#include "zocket/embed.h"

static const struct zkt_hash_key key = { 1, 2 };

/* ---- a bucket ---- */

/* Tokens as fractions: @parts / period_ms, never more than burst. */
struct model {
    __extension__ unsigned __int128 parts;
    int64_t at_ms;
};

static void advance(struct model *m, const struct zkt_rate *rate,
                    int64_t now_ms)
{
    __extension__ typedef unsigned __int128 wide;
    const wide size = (wide)rate->burst * rate->period_ms;
    if (now_ms > m->at_ms) {
        m->parts += (wide)(uint64_t)(now_ms - m->at_ms) * rate->tokens;
        m->parts = m->parts < size ? m->parts : size;
        m->at_ms = now_ms;
    }
}

static bool model_take(struct model *m, const struct zkt_rate *rate,
                       int64_t now_ms)
{
    advance(m, rate, now_ms);
    const bool good = m->parts >= rate->period_ms;
    m->parts -= good ? rate->period_ms : 0;
    return good;
}

static void check_rate(const struct zkt_rate *rate, struct zkt_random *random)
{
    struct zkt_bucket bucket = { 0 };
    struct model model = { .at_ms = 0 };
    int64_t now = 1000;
    model.parts = (uint64_t)rate->burst * rate->period_ms;
    for (int i = 0; i < 4000; i++) {
        const uint64_t kind = zkt__random_next(random) % 8;
        now += kind == 0   ? (int64_t)(zkt__random_next(random) %
                                     (3 * (uint64_t)rate->period_ms))
               : kind == 1 ? -(int64_t)(zkt__random_next(random) % 5)
                           : (int64_t)(zkt__random_next(random) % 3);
        const int64_t wait = zkt__bucket_take(&bucket, rate, now);
        assert_int_equal(wait == 0, model_take(&model, rate, now));
        if (wait > 0) {
            /* One millisecond earlier there is none; then there is one. */
            struct model early = model;
            struct model due = model;
            assert_false(model_take(&early, rate, model.at_ms + wait - 1));
            assert_true(model_take(&due, rate, model.at_ms + wait));
        }
    }
}

static void test_a_bucket_is_exact(void **state)
{
    static const struct zkt_rate rates[] = {
        { .tokens = 60, .period_ms = 1000, .burst = 120 },
        { .tokens = 1, .period_ms = 1000, .burst = 1 },
        { .tokens = 7, .period_ms = 60000, .burst = 3 },
        { .tokens = 5, .period_ms = 3600000, .burst = 5 },
        { .tokens = 100000, .period_ms = 1000, .burst = 7 },
        { .tokens = UINT32_MAX, .period_ms = 1000, .burst = UINT32_MAX },
        { .tokens = 1, .period_ms = 3600000, .burst = UINT32_MAX },
    };
    struct zkt_random random;
    struct zkt_hash_key unused;
    static const uint8_t seed[ZKT_SEED_SIZE] = { 5 };
    (void)state;
    assert_true(zkt__random_init(&random, &unused, seed));
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        check_rate(&rates[i], &random);
    }
}

static void test_the_end_of_time(void **state)
{
    const struct zkt_rate rate = { .tokens = UINT32_MAX,
                                   .period_ms = 1000,
                                   .burst = 1 };
    struct zkt_bucket bucket = { 0 };
    (void)state;
    assert_int_equal(zkt__bucket_take(&bucket, &rate, 0), 0);
    assert_int_equal(zkt__bucket_take(&bucket, &rate, 0), 1);
    assert_int_equal(zkt__bucket_take(&bucket, &rate, INT64_MAX), 0);
    assert_int_equal(zkt__bucket_take(&bucket, &rate, 0), 1);
}

/* ---- the table ---- */

static const struct zkt_rate one_per_second = {
    .tokens = 1, .period_ms = 1000, .burst = 1, .number = 0
};

static int64_t take(struct zkt_rates *rates, const struct zkt_rate *rate,
                    int value, int64_t now_ms, int *dropped)
{
    bool gone;
    const int64_t wait = zkt__rates_take(
        rates, rate,
        &(const struct zkt_rate_key){
            .bytes = { (const char *)&value, sizeof(value) } },
        now_ms, &gone);
    *dropped += gone;
    return wait;
}

static void test_values_have_their_own_buckets(void **state)
{
    struct zkt_rate other = one_per_second;
    struct zkt_rates *rates = zkt__rates_new(&zkt__allocator_default, 100000,
                                             &key);
    int dropped = 0;
    (void)state;
    other.number = 1;
    for (int value = 0; value < 20000; value++) {
        assert_int_equal(take(rates, &one_per_second, value, 10, &dropped), 0);
    }
    for (int value = 0; value < 20000; value++) {
        assert_int_equal(take(rates, &one_per_second, value, 11, &dropped),
                         999);
        assert_int_equal(take(rates, &other, value, 11, &dropped), 0);
    }
    assert_int_equal(take(rates, &one_per_second, 7, 1009, &dropped), 1);
    assert_int_equal(take(rates, &one_per_second, 7, 1010, &dropped), 0);
    assert_int_equal(dropped, 0);
    zkt__rates_free(rates);
}

/* The value of a field may have the bytes of an address. */
static void test_an_address_is_no_value(void **state)
{
    struct zkt_rates *rates = zkt__rates_new(&zkt__allocator_default, 100000,
                                             &key);
    const struct zkt_str bytes = ZKT_STR("10.1.2.3");
    const struct zkt_rate_key by[] = { { ZKT_RATE_BY_VALUE, bytes },
                                       { ZKT_RATE_BY_ADDRESS, bytes } };
    bool dropped;
    (void)state;
    for (int64_t wait = 0; wait <= 1000; wait += 1000) {
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(
                zkt__rates_take(rates, &one_per_second, &by[i], 0, &dropped),
                wait);
        }
    }
    zkt__rates_free(rates);
}

/* With one bucket in each part, a value gets its bucket back until another
 * value of its part takes it; which counts if it was not full. */
static void test_a_table_without_room(void **state)
{
    struct zkt_rates *rates = zkt__rates_new(&zkt__allocator_default, 64, &key);
    int dropped = 0;
    int again = 0;
    (void)state;
    for (int value = 0; value < 640; value++) {
        assert_int_equal(take(rates, &one_per_second, value, 0, &dropped), 0);
    }
    assert_int_equal(dropped, 640 - 64);
    for (int value = 0; value < 640; value++) {
        again += take(rates, &one_per_second, value, 0, &dropped) > 0;
    }
    assert_true(again < 64);
    /* Later all are full, and nothing is lost. */
    dropped = 0;
    for (int value = 1000; value < 1016; value++) {
        (void)take(rates, &one_per_second, value, value * 1000, &dropped);
    }
    assert_int_equal(dropped, 0);
    zkt__rates_free(rates);
}

/* Of many buckets those go first that are full first: a value that is asked for
 * all the time keeps its bucket. */
static void test_the_fullest_goes(void **state)
{
    const struct zkt_rate slow = {
        .tokens = 1, .period_ms = 3600000, .burst = 1, .number = 3
    };
    struct zkt_rates *rates = zkt__rates_new(&zkt__allocator_default, 64 * 8,
                                             &key);
    int dropped = 0;
    (void)state;
    assert_int_equal(take(rates, &slow, 1, 0, &dropped), 0);
    for (int value = 2; value < 5000; value++) {
        (void)take(rates, &one_per_second, value, value, &dropped);
        assert_true(take(rates, &slow, 1, value, &dropped) > 0);
    }
    assert_true(dropped > 0);
    zkt__rates_free(rates);
}

static void test_no_memory_for_a_bucket(void **state)
{
    (void)state;
    for (long fail_at = 1;; fail_at++) {
        struct failing_alloc alloc;
        failing_alloc_init(&alloc, fail_at);
        struct zkt_rates *rates = zkt__rates_new(&alloc.allocator, 10000, &key);
        for (int value = 0; rates != NULL && value < 3000; value++) {
            int dropped = 0;
            if (take(rates, &one_per_second, value, 0, &dropped) < 0) {
                assert_int_equal(
                    take(rates, &one_per_second, value, 0, &dropped), 0);
            }
            assert_int_equal(take(rates, &one_per_second, value, 0, &dropped),
                             1000);
        }
        zkt__rates_free(rates);
        assert_int_equal(alloc.live, 0);
        if (alloc.calls < fail_at) {
            break;
        }
    }
}

enum {
    THREADS = 4,
    VALUES = 100,
    ROUNDS = 50
};

struct taker {
    struct zkt_rates *rates;
    pthread_t thread;
    int taken[VALUES];
};

static const struct zkt_rate burst_of_70 = { .tokens = 1,
                                             .period_ms = 1000,
                                             .burst = 70 };

static void *take_all(void *user)
{
    struct taker *taker = user;
    for (int i = 0; i < ROUNDS * VALUES; i++) {
        int dropped = 0;
        const int value = i % VALUES;
        taker->taken[value] += take(taker->rates, &burst_of_70, value, 5,
                                    &dropped) == 0;
    }
    return NULL;
}

static void test_threads_share_a_bucket(void **state)
{
    struct zkt_rates *rates = zkt__rates_new(&zkt__allocator_default, 10000,
                                             &key);
    struct taker takers[THREADS] = { 0 };
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        takers[i].rates = rates;
        assert_int_equal(
            pthread_create(&takers[i].thread, NULL, take_all, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
    }
    for (int value = 0; value < VALUES; value++) {
        int sum = 0;
        for (int i = 0; i < THREADS; i++) {
            sum += takers[i].taken[value];
        }
        assert_int_equal(sum, 70);
    }
    zkt__rates_free(rates);
}

/* ---- values of fields ---- */

struct data {
    struct zkt_str name;
    struct {
        bool has;
        struct zkt_str value;
    } user;
    int64_t number;
};

static const struct zkt_type optional_string = {
    .kind = ZKT_KIND_OPTIONAL,
    .size = sizeof(((struct data *)0)->user),
    .owns = true,
    .of.optionals =
        &(const struct zkt_optional_info){
            .value = &zkt_type_string,
            .value_offset = offsetof(struct data, user.value) -
                            offsetof(struct data, user),
        },
};
static const struct zkt_field fields[] = {
    { .name = ZKT_STR_INIT("name"),
      .offset = offsetof(struct data, name),
      .type = &zkt_type_string },
    { .name = ZKT_STR_INIT("user"),
      .offset = offsetof(struct data, user),
      .type = &optional_string },
    { .name = ZKT_STR_INIT("number"),
      .offset = offsetof(struct data, number),
      .type = &zkt_type_int64 },
};
static const struct zkt_type data_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct data),
    .owns = true,
    .of.structs = &(const struct zkt_struct_info){ .fields = fields,
                                                   .count = 3 },
};

static void test_values(void **state)
{
    struct data data = { .name = ZKT_STR("ann"), .number = -7 };
    struct zkt_str value;
    (void)state;
    assert_true(zkt__rate_value(&data_type, &data, 0, &value));
    assert_true(zkt_str_eq(value, ZKT_STR("ann")));
    assert_false(zkt__rate_value(&data_type, &data, 1, &value));
    data.user.has = true;
    data.user.value = ZKT_STR("u1");
    assert_true(zkt__rate_value(&data_type, &data, 1, &value));
    assert_true(zkt_str_eq(value, ZKT_STR("u1")));
    assert_true(zkt__rate_value(&data_type, &data, 2, &value));
    assert_int_equal(value.len, 8);
    assert_memory_equal(value.data, &data.number, 8);
}

/* A request has the bucket of its value, or else that of its address, also
 * where both have the same text. */
static void test_the_key_of_a_request(void **state)
{
    static const struct zkt_rate two = {
        .tokens = 1, .period_ms = 1000, .burst = 2, .by = 0, .number = 0
    };
    struct data data = { .name = ZKT_STR("192.0.2.1") };
    struct zkt_connection_record record = { .data = &data };
    const struct zkt_connection_info connection = { .data = &data_type };
    const struct zkt_app_info info = { .connection = &connection };
    struct zkt_core core = { .now_ms = 5 };
    struct zkt_host host = { .app.info = &info, .clock = &core };
    struct zkt_session session = { .peer = { .remote = "192.0.2.1",
                                             .is_request = true } };
    const struct zkt_method method = { .rate = &two };
    (void)state;
    host.rates = zkt__rates_new(&zkt__allocator_default, 64, &key);
    for (int has_data = 0; has_data < 2; has_data++) {
        const struct zkt_rate_key by = { has_data ? ZKT_RATE_BY_VALUE
                                                  : ZKT_RATE_BY_ADDRESS,
                                         data.name };
        bool dropped;
        session.record = has_data ? &record : NULL;
        assert_true(zkt__session_take_token(&host, &session, NULL, &method));
        assert_int_equal(zkt__rates_take(host.rates, &two, &by, 5, &dropped),
                         0);
        assert_int_equal(zkt__rates_take(host.rates, &two, &by, 5, &dropped),
                         1000);
    }
    zkt__rates_free(host.rates);
}

/* ---- calls ---- */

/* The app of slow.zkt with rates of `mark` and `add`. */
static struct zkt_app rated_app(void)
{
    static const struct zkt_rate mark_rate = {
        .tokens = 2, .period_ms = 1000, .burst = 2, .by = -1, .number = 0
    };
    static const struct zkt_rate add_rate = {
        .tokens = 1, .period_ms = 60000, .burst = 1, .by = -1, .number = 1
    };
    static struct zkt_method methods[8];
    static struct zkt_actor job;
    static const struct zkt_actor *actors[2];
    static struct zkt_app_info info;
    struct zkt_app app = slow_app(&slow_handlers);
    info = *app.info;
    job = *info.actors[0];
    memcpy(methods, job.methods, job.method_count * sizeof(methods[0]));
    methods[job.find_method(ZKT_STR("mark"))].rate = &mark_rate;
    methods[job.find_method(ZKT_STR("add"))].rate = &add_rate;
    job.methods = methods;
    actors[0] = &job;
    actors[1] = info.actors[1];
    info.actors = actors;
    info.rate_count = 2;
    app.info = &info;
    return app;
}

static struct zkt_server *new_rated(const struct zkt_allocator *allocator)
{
    const struct zkt_serve_options options = { .allocator = allocator };
    struct zkt_server *server = NULL;
    trace[0] = '\0';
    assert_int_equal(zkt_server_new(rated_app(), &options, &server), ZKT_OK);
    return server;
}

#define LIMITED(id, ms)                                                        \
    "{\"type\":\"rpc:result\",\"id\":\"" id                                    \
    "\",\"error\":\"Rate limit exceeded\",\"code\":\"RESOURCE_EXHAUSTED\","    \
    "\"retryAfterMs\":" ms "}\n"

static void test_calls_over_their_rate(void **state)
{
    struct zkt_server *server = new_rated(NULL);
    struct wire a = open_slow(server);
    struct wire b = open_slow(server);
    (void)state;
    assert_string_equal(ask(&a, MARK("1", "x", "one")), DONE("1"));
    assert_string_equal(ask(&a, MARK("2", "x", "two")), DONE("2"));
    /* An instance that nobody has called yet stays unmade. */
    assert_string_equal(ask(&a, MARK("3", "y", "three")), LIMITED("3", "500"));
    assert_int_equal(stats_of(server).instances, 1);
    /* Another method, and another connection, have buckets of their own. */
    assert_string_equal(ask(&a, ADD("4", "x", "1", "")), RESULT("4", "1"));
    assert_string_equal(ask(&a, ADD("5", "x", "1", "")), LIMITED("5", "60000"));
    assert_string_equal(ask(&b, MARK("6", "x", "six")), DONE("6"));
    zkt_server_advance(server, 499);
    assert_string_equal(ask(&a, MARK("7", "x", "no")), LIMITED("7", "1"));
    zkt_server_advance(server, 1);
    assert_string_equal(ask(&a, MARK("8", "x", "yes")), DONE("8"));
    assert_string_equal(ask(&a, MARK("9", "x", "no")), LIMITED("9", "500"));
    close_wire(&a);
    close_wire(&b);
    zkt_server_free(server);
}

/* Calls `mark` by HTTP on a connection of its own. Returns the status; a
 * refusal says when to try again. */
static int post(struct zkt_server *server, const char *address)
{
    static const char call[] =
        "POST /actors/job/x/mark HTTP/1.1\r\nHost: x\r\n"
        "Content-Type: application/json\r\nContent-Length: 12\r\n\r\n"
        "{\"note\":\"n\"}";
    struct wire w = { .e = zkt__server_accept(server, address) };
    feed(&w, call, sizeof(call) - 1, sizeof(call), true);
    for (int i = 0; i < 4; i++) {
        turn(server);
        drain(&w);
    }
    const int status = w.len > 9 ? atoi(w.text + 9) : 0;
    assert_int_equal(count_text(&w, "\r\nRetry-After: 1\r\n"), status == 429);
    close_wire(&w);
    turn(server);
    return status;
}

/* A request by HTTP is a session of its own: its address has the bucket, and
 * not the connection. */
static void test_calls_by_http(void **state)
{
    static const struct {
        const char *address;
        int status;
    } table[] = {
        { "192.0.2.1", 204 },   { "192.0.2.1", 204 },   { "192.0.2.1", 429 },
        { "192.0.2.2", 204 },   { "192.0.2.1", 429 },   { "2041:db8::1", 204 },
        { "2041:db8::2", 204 }, { "2041:db8::3", 429 }, { "192.0.2.2", 204 },
        { "192.0.2.2", 429 },
    };
    const struct zkt_serve_options options = { .http_calls = true };
    struct zkt_server *server = NULL;
    (void)state;
    assert_int_equal(zkt_server_new(rated_app(), &options, &server), ZKT_OK);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(post(server, table[i].address), table[i].status);
    }
    zkt_server_advance(server, 500);
    assert_int_equal(post(server, "192.0.2.1"), 204);
    assert_int_equal(post(server, "192.0.2.1"), 429);
    zkt_server_free(server);
}

/* A new value takes the place of a bucket that is not full. */
static void test_the_limit_of_buckets(void **state)
{
    enum {
        BUCKETS = 64
    };
    const struct zkt_serve_options options = { .http_calls = true,
                                               .metrics = true,
                                               .limits.buckets = BUCKETS };
    struct zkt_server *server = NULL;
    char address[16];
    (void)state;
    assert_int_equal(zkt_server_new(rated_app(), &options, &server), ZKT_OK);
    assert_int_equal(post(server, "192.0.2.1"), 204);
    assert_limit_hits(server, "buckets", 0);
    for (int i = 0; i < BUCKETS; i++) {
        snprintf(address, sizeof(address), "198.51.100.%d", i);
        assert_int_equal(post(server, address), 204);
    }
    assert_true(limit_hits_of(server, "buckets") > 0);
    zkt_server_free(server);
}

/* A refused call does not look at its input. */
static void test_the_rate_is_first(void **state)
{
    struct zkt_server *server = new_rated(NULL);
    struct wire a = open_slow(server);
    (void)state;
    assert_string_equal(ask(&a, ADD("1", "x", "1", "")), RESULT("1", "1"));
    assert_string_equal(ask(&a, ADD("2", "x", "true", "")),
                        LIMITED("2", "60000"));
    close_wire(&a);
    zkt_server_free(server);
}

/* Sends a call of which one allocation fails. Returns true if it was refused
 * because of the buckets, which are made before anything else of a call. */
static bool lacks_buckets(long number, bool *over)
{
    struct failing_alloc alloc;
    failing_alloc_init(&alloc, 0);
    struct zkt_server *server = new_rated(&alloc.allocator);
    struct wire a = open_slow(server);
    const long before = alloc.calls;
    alloc.fail_at = before + number;
    const bool refused = strcmp(ask(&a, MARK("1", "x", "one")),
                                REFUSED("1", "out of memory",
                                        "RESOURCE_EXHAUSTED")) == 0 &&
                         stats_of(server).instances == 0;
    *over = alloc.calls < alloc.fail_at;
    if (refused) {
        assert_string_equal(ask(&a, MARK("2", "x", "two")), DONE("2"));
    }
    close_wire(&a);
    zkt_server_free(server);
    assert_int_equal(alloc.live, 0);
    return refused;
}

static void test_no_memory_for_the_buckets(void **state)
{
    bool over = false;
    int refused = 0;
    (void)state;
    for (long number = 1; !over; number++) {
        refused += lacks_buckets(number, &over);
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_is_exact),
        cmocka_unit_test(test_the_end_of_time),
        cmocka_unit_test(test_values_have_their_own_buckets),
        cmocka_unit_test(test_an_address_is_no_value),
        cmocka_unit_test(test_a_table_without_room),
        cmocka_unit_test(test_the_fullest_goes),
        cmocka_unit_test(test_no_memory_for_a_bucket),
        cmocka_unit_test(test_threads_share_a_bucket),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_the_key_of_a_request),
        cmocka_unit_test(test_calls_over_their_rate),
        cmocka_unit_test(test_calls_by_http),
        cmocka_unit_test(test_the_limit_of_buckets),
        cmocka_unit_test(test_the_rate_is_first),
        cmocka_unit_test(test_no_memory_for_the_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
