/*
 * Calls that end before they are answered, and the notices of their handles, on
 * tables that are written by hand. Peers are on the last shard, room "a" is on
 * the first. The first argument is the number of shards.
 *
 *     middleware pass {}
 *     actor room {
 *         method run(string) -> string;
 *         method brief(string) -> string timeout 100ms;
 *         method gated(string) -> string use pass;
 *         method strict(string) -> string use pass timeout 100ms;
 *         method loose(string) -> string interleave;
 *         on connect, disconnect;
 *     }
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "door.h"

enum {
    RUN,
    BRIEF,
    GATED,
    STRICT,
    LOOSE,
    METHODS
};

/* ---- deferred calls ---- */

/* A call that was deferred, and everything that its program is told. */
struct job {
    struct zkt_deferred *later;
    int notices;
    enum zkt_notice notice; /* the last */
    int runs, cancelled;    /* of the second half */
    bool resumes;           /* at the first notice */
    bool again;             /* the second half defers again */
};

enum {
    JOBS_MAX = 64
};

static struct job jobs[JOBS_MAX];
static int job_count;

static void resume(struct job *job);

static void take_notice(enum zkt_notice notice, void *user)
{
    struct job *job = user;
    assert_int_equal(job->runs, 0);
    job->notices++;
    job->notice = notice;
    if (job->resumes) {
        resume(job);
    }
}

static enum zkt_status invoke_then(struct zkt_call *call, void (*then)(void),
                                   const void *input, void *result, void *user)
{
    struct job *job = user;
    (void)then;
    (void)input;
    if (job->again && !zkt_cancelled(call)) {
        job->again = false;
        assert_ptr_equal(zkt_call_defer(call, ZKT_MEMBER_METHOD, RUN),
                         job->later);
        return ZKT_PENDING;
    }
    job->runs++;
    job->cancelled += zkt_cancelled(call);
    if (result != NULL) {
        *(struct zkt_str *)result = ZKT_STR("late");
    }
    return ZKT_OK;
}

static void resume(struct job *job)
{
    zkt_deferred_resume(job->later, invoke_then, NULL, job);
}

/* Defers the call as a new job. */
static enum zkt_status defer(struct zkt_call *call, enum zkt_member member,
                             uint32_t number)
{
    struct job *job = &jobs[job_count++];
    assert_true(job_count <= JOBS_MAX);
    *job = (struct job){ .later = zkt_call_defer(call, member, number) };
    return job->later != NULL ? ZKT_PENDING : ZKT_OK;
}

/* ---- handlers ---- */

/* The scripts of the test; NULL: the handlers succeed. */
static struct {
    enum zkt_status (*pass)(struct zkt_call *call);
    enum zkt_status (*connect)(struct zkt_call *call);
    enum zkt_status (*disconnect)(struct zkt_call *call);
} plays;

static bool begins(struct zkt_str text, const char *with)
{
    const size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

/* "later" defers, "dirty" writes as well, "wrong" is deferred and fails. */
static enum zkt_status play(struct zkt_call *call, uint32_t method,
                            struct zkt_str in)
{
    const int32_t n = 1;
    note("run", in);
    if (begins(in, "dirty")) {
        zkt_state_set(zkt_call_cursor(call), 0, &n);
    }
    if (begins(in, "later") || begins(in, "dirty")) {
        return defer(call, ZKT_MEMBER_METHOD, method);
    }
    if (begins(in, "wrong")) {
        (void)defer(call, ZKT_MEMBER_METHOD, method);
        return ZKT_ABORTED;
    }
    return ZKT_OK;
}

#define METHOD(name, number)                                                   \
    static enum zkt_status invoke_##name(struct zkt_call *call,                \
                                         const void *handlers,                 \
                                         const void *input, void *result)      \
    {                                                                          \
        (void)handlers;                                                        \
        *(struct zkt_str *)result = ZKT_STR("done");                           \
        return play(call, number, *(const struct zkt_str *)input);             \
    }
METHOD(run, RUN)
METHOD(brief, BRIEF)
METHOD(gated, GATED)
METHOD(strict, STRICT)
METHOD(loose, LOOSE)

static enum zkt_status invoke_pass(struct zkt_call *call, const void *handlers,
                                   void *output)
{
    (void)handlers;
    assert_null(output);
    return plays.pass != NULL ? plays.pass(call) : ZKT_OK;
}

#define HOOK(name)                                                             \
    static enum zkt_status on_##name(struct zkt_call *call,                    \
                                     const void *handlers)                     \
    {                                                                          \
        (void)handlers;                                                        \
        return plays.name != NULL ? plays.name(call) : ZKT_OK;                 \
    }
HOOK(connect)
HOOK(disconnect)

static enum zkt_status defer_connect(struct zkt_call *call)
{
    plays.connect = NULL; /* of the first client alone */
    return defer(call, ZKT_MEMBER_HOOK, ZKT_HOOK_CONNECT);
}

static enum zkt_status defer_pass(struct zkt_call *call)
{
    return defer(call, ZKT_MEMBER_MIDDLEWARE, 0);
}

static enum zkt_status defer_open(struct zkt_call *call,
                                  const struct gate_input *in,
                                  struct door_data *out)
{
    (void)in;
    (void)out;
    return defer(call, ZKT_MEMBER_OPEN, 0);
}

/* ---- tables ---- */

#define ANY offsetof(struct door_handlers, any)

static const uint16_t pass_chain[] = { 0 };
static const struct zkt_middleware job_middleware[] = {
    { ZKT_STR_INIT("pass"), NULL, ANY, invoke_pass, NULL, 0 },
};

static const struct zkt_method job_methods[] = {
    { .name = ZKT_STR_INIT("run"),
      .input = &zkt_type_string,
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_run },
    { .name = ZKT_STR_INIT("brief"),
      .input = &zkt_type_string,
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_brief,
      .timeout_ms = 100 },
    { .name = ZKT_STR_INIT("gated"),
      .input = &zkt_type_string,
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_gated,
      .middleware = { pass_chain, 1 } },
    { .name = ZKT_STR_INIT("strict"),
      .input = &zkt_type_string,
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_strict,
      .timeout_ms = 100,
      .middleware = { pass_chain, 1 } },
    { .name = ZKT_STR_INIT("loose"),
      .input = &zkt_type_string,
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_loose,
      .interleaves = true },
};

static int find_job_method(struct zkt_str name)
{
    int i = 0;
    while (i < METHODS && !zkt_str_eq(name, job_methods[i].name)) {
        i++;
    }
    return i < METHODS ? i : -1;
}

static const struct zkt_actor job_room = {
    .name = ZKT_STR_INIT("room"),
    .state = &door_state_type,
    .methods = job_methods,
    .method_count = METHODS,
    .hooks = {
        [ZKT_HOOK_CONNECT] = { true, ANY, on_connect },
        [ZKT_HOOK_DISCONNECT] = { true, ANY, on_disconnect },
    },
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = find_job_method,
};

static const struct zkt_actor *const job_actors[] = { &job_room };
static const struct zkt_app_info job_info = {
    .name = "jobs",
    .actors = job_actors,
    .actor_count = 1,
    .find_actor = door_find_actor,
    .connection = &door_connection,
    .middleware = job_middleware,
    .middleware_count = 1,
    .errors = door_errors,
    .error_count = 1,
};
static const struct zkt_app job_app = { .info = &job_info,
                                        .handlers = &door_handlers };

#define DOOR_APP  job_app
#define DOOR_ROOM job_room
#include "door_peers.h"

/* ---- a server and peers ---- */

#define CALL_WITH(id, method, input, more)                                     \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"room\",\"actorId\":\"a\",\"method\":\"" method             \
    "\",\"input\":\"" input "\"" more "}"
#define DO(id, method, input) CALL_WITH(id, method, input, "")
#define FAILED(id, text, code)                                                 \
    "|{\"type\":\"rpc:result\",\"id\":\"" id "\",\"error\":\"" text            \
    "\",\"code\":\"" code "\"}"

static void set_up_with(struct zkt_limits limits)
{
    memset(&plays, 0, sizeof(plays));
    job_count = 0;
    begin_with(limits);
}

static void set_up(void)
{
    set_up_with((struct zkt_limits){ 0 });
}

static struct wire enter(void)
{
    struct wire w = knock("/", "", NULL);
    (void)hear(&w);
    (void)trace_since();
    return w;
}

/* Ends the connection, and the server. */
static void finish(struct wire *w)
{
    leave(w);
    end();
}

static void stop_server(void)
{
    zkt_server_shutdown(server);
    pass(0);
    pass(5000);
}

/* ---- notices ---- */

/* The causes by which the server ends a deferred call, and the notice. */
static const struct cause {
    const char *name;
    const char *input;
    int64_t passes;
    enum zkt_notice notice;
    bool stops, frees;
    bool scarce; /* deferred calls may hold a byte */
    bool leaves;
    int member; /* -1: `open`; 0: the method; 1: its middleware */
} causes[] = {
    { "deadline", "later", 30000, ZKT_NOTICE_DEADLINE, .member = 0 },
    { "stop", "later", 0, ZKT_NOTICE_SHUTDOWN, .stops = true },
    { "free", "later", 0, ZKT_NOTICE_SHUTDOWN, .frees = true },
    { "memory", "later", 0, ZKT_NOTICE_CANCELLED, .scarce = true },
    { "status", "wrong", 0, ZKT_NOTICE_CANCELLED, .member = 0 },
    { "deadline", "x", 30000, ZKT_NOTICE_DEADLINE, .member = 1 },
    { "stop", "x", 0, ZKT_NOTICE_SHUTDOWN, .stops = true, .member = 1 },
    { "free", "x", 0, ZKT_NOTICE_SHUTDOWN, .frees = true, .member = 1 },
    { "memory", "x", 0, ZKT_NOTICE_CANCELLED, .scarce = true, .member = 1 },
    { "leave", "x", 0, ZKT_NOTICE_CONNECTION, .leaves = true, .member = 1 },
    { "leave", "x", 0, ZKT_NOTICE_CONNECTION, .leaves = true, .member = -1 },
};

/* Begins the call of a cause, which defers as the first job. */
static struct wire begin_cause(const struct cause *cause)
{
    char call[256];
    set_up_with(cause->scarce ? (struct zkt_limits){ .deferred_bytes = shards }
                              : (struct zkt_limits){ 0 });
    script.open = cause->member < 0 ? defer_open : NULL;
    plays.pass = defer_pass;
    struct wire w = enter();
    if (cause->member >= 0) {
        snprintf(call, sizeof(call), DO("1", "%s", "%s"),
                 cause->member == 1 ? "gated" : "run", cause->input);
        say(&w, call);
        pass(0);
    }
    assert_int_equal(job_count, 1);
    return w;
}

/* Lets the call end. Returns false if the server is gone. */
static bool let_end(const struct cause *cause, struct wire *w)
{
    pass(cause->passes);
    if (cause->stops) {
        stop_server();
    }
    if (cause->frees) {
        zkt__location_release(&server->host, home);
        zkt_server_free(server);
    } else if (cause->leaves) {
        leave(w);
    }
    return !cause->frees;
}

/* A program is told once why its call has ended, whether it asks before or
 * afterwards; then the second half runs cancelled. */
static void test_every_cause(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(causes) / sizeof(causes[0]); i++) {
        const struct cause *cause = &causes[i / 2];
        const bool early = i % 2 == 0;
        struct wire w = begin_cause(cause);
        struct job *job = &jobs[0];
        const bool ended = cause->scarce ||
                           begins(zkt_cstr(cause->input), "wrong");
        assert_int_equal(zkt_deferred_cancelled(job->later), ended);
        if (early) {
            zkt_deferred_notify(job->later, take_notice, job);
            assert_int_equal(job->notices, 0); /* in a turn */
        }
        const bool runs = let_end(cause, &w);
        assert_true(zkt_deferred_cancelled(job->later));
        assert_int_equal(job->notices, early);
        if (!early) {
            zkt_deferred_notify(job->later, take_notice, job);
            assert_int_equal(job->notices, !runs); /* at once, if it is gone */
        }
        if (runs) {
            pass(0);
        }
        assert_int_equal(job->notices, 1);
        assert_int_equal(job->notice, cause->notice);
        resume(job);
        if (runs) {
            pass(0);
        }
        assert_int_equal(job->runs, 1);
        assert_int_equal(job->cancelled, 1);
        assert_int_equal(job->notices, 1);
        if (cause->leaves) {
            end();
        } else if (runs) {
            finish(&w);
        } else {
            free(w.text);
            assert_int_equal(memory.live, 0);
        }
    }
}

/* No notice follows resume, and none comes of a call that ends well. */
static void test_no_notice(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        set_up();
        struct wire w = enter();
        say(&w, DO("1", "run", "later"));
        pass(0);
        struct job *job = &jobs[0];
        zkt_deferred_notify(job->later, take_notice, job);
        job->again = again != 0;
        resume(job);
        assert_false(zkt_deferred_cancelled(job->later));
        pass(0);
        if (again != 0) { /* the function was of the first time */
            pass(30000);
            assert_true(zkt_deferred_cancelled(job->later));
            resume(job);
            pass(0);
        }
        assert_int_equal(job->notices, 0);
        assert_int_equal(job->runs, 1);
        assert_int_equal(job->cancelled, again);
        finish(&w);
    }
    assert_true(zkt_deferred_cancelled(NULL));
    zkt_deferred_notify(NULL, take_notice, NULL);
}

/* A resume and an end that meet: the second half runs once, without notice. */
static void test_resumed_before_the_end(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    say(&w, DO("1", "run", "later"));
    pass(0);
    zkt_deferred_notify(jobs[0].later, take_notice, &jobs[0]);
    resume(&jobs[0]);
    zkt__location_release(&server->host, home);
    zkt_server_free(server);
    assert_int_equal(jobs[0].notices, 0);
    assert_int_equal(jobs[0].cancelled, 1);
    free(w.text);
    assert_int_equal(memory.live, 0);
}

/* The last function counts; it may resume the call. */
static void test_replaced(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    struct job other = { 0 };
    say(&w, DO("1", "run", "later"));
    pass(0);
    struct job *job = &jobs[0];
    zkt_deferred_notify(job->later, take_notice, &other);
    zkt_deferred_notify(job->later, take_notice, job);
    job->resumes = true;
    pass(30000);
    pass(0);
    assert_int_equal(job->cancelled, 1);
    leave(&w);
    w = enter();
    say(&w, DO("2", "run", "later"));
    pass(0);
    assert_int_equal(job_count, 2);
    zkt_deferred_notify(jobs[1].later, take_notice, &jobs[1]);
    zkt_deferred_notify(jobs[1].later, NULL, NULL);
    pass(30000);
    zkt_deferred_notify(jobs[1].later, NULL, NULL);
    pass(0);
    assert_int_equal(jobs[1].notices, 0);
    /* Each function that asks after the end is told. */
    zkt_deferred_notify(jobs[1].later, take_notice, &other);
    pass(0);
    zkt_deferred_notify(jobs[1].later, take_notice, &jobs[1]);
    pass(0);
    assert_int_equal(other.notices, 1);
    assert_int_equal(jobs[1].notices, 1);
    resume(&jobs[1]);
    pass(0);
    finish(&w);
}

static enum zkt_status defer_disconnect(struct zkt_call *call)
{
    const enum zkt_status status = defer(call, ZKT_MEMBER_HOOK,
                                         ZKT_HOOK_DISCONNECT);
    held = jobs[0].later;
    zkt_deferred_notify(held, take_notice, &jobs[0]);
    return status;
}

static enum zkt_status resume_disconnect(struct zkt_call *call)
{
    const enum zkt_status status = defer_disconnect(call);
    resume(&jobs[0]);
    assert_int_equal(jobs[0].runs, 0);
    return status;
}

/* While a server is freed its hooks run, and may defer: the second half runs
 * when the hook has ended, and within the server. */
static void test_hooks_of_a_freed_server(void **state)
{
    (void)state;
    for (int resumed = 0; resumed < 2; resumed++) {
        set_up();
        struct wire w = enter();
        assert_string_equal(ask(&w, DO("1", "run", "x")), RESULT("1", "done"));
        plays.disconnect = resumed ? resume_disconnect : defer_disconnect;
        zkt__location_release(&server->host, home);
        zkt_server_free(server);
        assert_int_equal(job_count, 1);
        assert_int_equal(jobs[0].runs, resumed);
        assert_int_equal(jobs[0].notices, !resumed);
        if (!resumed) {
            assert_int_equal(jobs[0].notice, ZKT_NOTICE_SHUTDOWN);
            resume(&jobs[0]);
        }
        assert_int_equal(jobs[0].cancelled, 1);
        free(w.text);
        assert_int_equal(memory.live, 0);
    }
}

/* ---- every moment ---- */

/* Where the call is when it ends. */
enum moment {
    AT_MIDDLEWARE,
    AT_CONNECT, /* behind a hook that is deferred */
    IN_MAILBOX,
    UNDER_WAY, /* to the other shard */
    DEFERRED,
    OPEN, /* of a method that interleaves: its first half is committed */
    DEFERRED_AND_RESUMED, /* but the second half has not begun */
    ANSWERED,
    MOMENTS
};

/* Why it ends. */
enum end {
    BY_CALLER,
    BY_TIME_OF_CALLER,
    BY_TIME_OF_METHOD,
    BY_LIMIT,
    BY_CONNECTION,
    BY_STOP,
    ENDS
};

#define CANCEL(id) "{\"type\":\"rpc:cancel\",\"id\":\"" id "\"}"

static struct zkt_server_stats stats(void)
{
    struct zkt_server_stats all;
    zkt_server_stats(server, &all);
    return all;
}

static int count_in(const char *text, const char *part)
{
    int n = 0;
    while ((text = strstr(text, part)) != NULL) {
        n++;
        text += strlen(part);
    }
    return n;
}

static bool is_deferred(enum moment moment)
{
    return moment == DEFERRED || moment == OPEN ||
           moment == DEFERRED_AND_RESUMED;
}

static const char *method_for(enum moment moment, enum end by)
{
    const bool brief = by == BY_TIME_OF_METHOD;
    return moment == AT_MIDDLEWARE ? (brief ? "strict" : "gated")
           : moment == OPEN        ? "loose"
           : brief                 ? "brief"
                                   : "run";
}

/* Brings a call of @w with id 1 to a moment. */
static void bring(struct wire *w, struct wire *other, enum moment moment,
                  enum end by)
{
    char text[256];
    if (moment == IN_MAILBOX || moment == UNDER_WAY) {
        (void)ask(other, DO("0", "run", "later"));
    }
    plays.pass = moment == AT_MIDDLEWARE ? defer_pass : NULL;
    plays.connect = moment == AT_CONNECT ? defer_connect : NULL;
    snprintf(text, sizeof(text), CALL_WITH("1", "%s", "%s", "%s"),
             method_for(moment, by), is_deferred(moment) ? "dirty" : "now",
             by == BY_TIME_OF_CALLER ? ",\"timeoutMs\":100" : "");
    say(w, text);
    if (moment != UNDER_WAY) {
        pass(0);
    }
    if (moment == DEFERRED_AND_RESUMED) {
        zkt_deferred_notify(jobs[0].later, take_notice, &jobs[0]);
        resume(&jobs[0]);
    } else if (is_deferred(moment) || moment == AT_MIDDLEWARE) {
        zkt_deferred_notify(jobs[0].later, take_notice, &jobs[0]);
    }
    if (moment == ANSWERED) {
        assert_string_equal(hear(w), RESULT("1", "done"));
    }
}

/* Lets the call end. */
static void end_it(struct wire *w, enum moment moment, enum end by)
{
    switch (by) {
    case BY_CALLER:
        say(w, CANCEL("1"));
        pass(0);
        break;
    case BY_TIME_OF_CALLER:
    case BY_TIME_OF_METHOD:
        if (moment != UNDER_WAY && moment != DEFERRED_AND_RESUMED) {
            pass(99);
            assert_string_equal(hear(w), ""); /* not before its time */
            pass(1);
        } else {
            pass(100);
        }
        break;
    case BY_LIMIT:
        pass(1000);
        break;
    case BY_CONNECTION:
        leave(w);
        break;
    case BY_STOP:
    case ENDS:
        stop_server();
        break;
    }
}

/* Returns true if a call at a moment can end so. */
static bool is_possible(enum moment moment, enum end by)
{
    if (moment == UNDER_WAY) {
        return shards > 1 && by != BY_LIMIT && by != BY_STOP;
    }
    if (moment == DEFERRED_AND_RESUMED) { /* posted work comes first */
        return shards == 1 && by == BY_CALLER;
    }
    if (moment == OPEN && by == BY_TIME_OF_METHOD) {
        return false;
    }
    /* The limit is not about calls that wait for another. */
    return by != BY_LIMIT || (moment != AT_CONNECT && moment != IN_MAILBOX);
}

static const char *code_of(enum end by)
{
    static const char *const codes[] = {
        [BY_CALLER] = "\"code\":\"CANCELLED\"",
        [BY_TIME_OF_CALLER] = "\"code\":\"DEADLINE_EXCEEDED\"",
        [BY_TIME_OF_METHOD] = "\"code\":\"DEADLINE_EXCEEDED\"",
        [BY_LIMIT] = "\"code\":\"DEADLINE_EXCEEDED\"",
        [BY_CONNECTION] = NULL,
        [BY_STOP] = "\"code\":\"UNAVAILABLE\"",
    };
    return codes[by];
}

static enum zkt_notice notice_of(enum end by)
{
    static const enum zkt_notice notices[] = {
        [BY_CALLER] = ZKT_NOTICE_CANCELLED,
        [BY_TIME_OF_CALLER] = ZKT_NOTICE_DEADLINE,
        [BY_TIME_OF_METHOD] = ZKT_NOTICE_DEADLINE,
        [BY_LIMIT] = ZKT_NOTICE_DEADLINE,
        [BY_CONNECTION] = ZKT_NOTICE_CONNECTION,
        [BY_STOP] = ZKT_NOTICE_SHUTDOWN,
    };
    return notices[by];
}

/* The program is told of its own deferred call, and its second half runs. */
static void check_job(enum moment moment, enum end by)
{
    const bool own = moment == DEFERRED || moment == OPEN ||
                     moment == AT_MIDDLEWARE;
    const bool ended = own && (by != BY_CONNECTION || moment == AT_MIDDLEWARE);
    if (job_count == 0) {
        return;
    }
    struct job *job = &jobs[0];
    assert_int_equal(job->notices, ended);
    if (ended) {
        assert_int_equal(job->notice, notice_of(by));
    }
    if (moment != DEFERRED_AND_RESUMED) {
        assert_int_equal(zkt_deferred_cancelled(job->later),
                         ended || by == BY_STOP);
        resume(job);
        pass(0);
    }
    assert_int_equal(job->runs, 1);
    assert_int_equal(job->cancelled,
                     ended || by == BY_STOP || moment == DEFERRED_AND_RESUMED);
    assert_int_equal(job->notices, ended);
}

/* A call has one result and is over; others go on, with the state that it has
 * not changed. */
static void try_one(enum moment moment, enum end by)
{
    char result[64];
    set_up_with((struct zkt_limits){ .handler_ms = by == BY_LIMIT ? 1000 : 0 });
    struct wire w = enter();
    struct wire other = enter();
    bring(&w, &other, moment, by);
    end_it(&w, moment, by);
    const bool stays = by != BY_CONNECTION;
    if (stays) {
        const char *heard = hear(&w);
        const bool over = moment == ANSWERED;
        snprintf(result, sizeof(result), "\"rpc:result\",\"id\":\"1\"");
        assert_int_equal(count_in(heard, result), !over);
        assert_int_equal(count_in(heard, code_of(by)), !over);
    }
    check_job(moment, by);
    /* A client that has gone cancels only its middleware. */
    const bool runs = moment == ANSWERED ||
                      (by == BY_CONNECTION && moment != AT_MIDDLEWARE &&
                       !is_deferred(moment));
    assert_int_equal(count_in(trace, "run:now"), runs);
    if (by != BY_STOP) {
        const bool commits = moment == OPEN ||
                             (moment == DEFERRED && by == BY_CONNECTION);
        const char *heard = ask(&other, SUB("state:sub"));
        assert_int_equal(count_in(heard, commits ? "\"n\":1" : "\"n\":0"), 1);
        assert_string_equal(ask(&other, DO("2", "run", "x")),
                            RESULT("2", "done"));
    }
    assert_int_equal(stats().cancelled, by == BY_CALLER && moment != ANSWERED);
    assert_int_equal(stats().expired,
                     (by == BY_TIME_OF_CALLER || by == BY_TIME_OF_METHOD) &&
                         moment != ANSWERED);
    assert_int_equal(stats().deferred, 0);
    assert_int_equal(stats().queued, 0);
    if (stays) {
        leave(&w);
    }
    finish(&other);
}

static void test_every_moment(void **state)
{
    (void)state;
    for (int moment = 0; moment < MOMENTS; moment++) {
        for (int by = 0; by < ENDS; by++) {
            if (is_possible((enum moment)moment, (enum end)by)) {
                try_one((enum moment)moment, (enum end)by);
            }
        }
    }
}

/* ---- cancelling ---- */

/* Nobody cancels the call of another, and unknown ids are ignored. */
static void test_strangers(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    struct wire other = enter();
    (void)ask(&w, DO("1", "run", "later"));
    (void)ask(&w, DO("2", "run", "x"));
    (void)ask(&other, DO("3", "run", "x"));
    assert_string_equal(ask(&other, CANCEL("1")), "");
    assert_string_equal(ask(&other, CANCEL("2")), "");
    assert_string_equal(ask(&w, CANCEL("3")), "");
    assert_string_equal(ask(&w, CANCEL("4")), "");
    assert_string_equal(ask(&w, "{\"type\":\"rpc:cancel\",\"id\":1}"), "");
    assert_int_equal(stats().cancelled, 0);
    assert_int_equal(stats().protocol_errors, 0);
    assert_non_null(strstr(ask(&w, "{\"type\":\"rpc:cancel\"}"),
                           "the message has no id of 1 to 128 bytes"));
    assert_int_equal(stats().protocol_errors, 1);
    resume(&jobs[0]);
    assert_string_equal(hear(&w), RESULT("1", "late") RESULT("2", "done"));
    assert_string_equal(hear(&other), RESULT("3", "done"));
    assert_string_equal(ask(&w, CANCEL("1")), "");
    leave(&w);
    finish(&other);
}

static void feed_text(struct wire *w, const char *text, size_t cut)
{
    char bytes[4096];
    feed(w, bytes, frame(bytes, text), cut, true);
}

/* While a middleware is deferred the messages behind its call wait, but its
 * cancel is found among them, also in pieces. It cancels nothing else. */
static void test_looking_ahead(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 60; cut += 7) {
        set_up();
        struct wire w = enter();
        plays.pass = defer_pass;
        say(&w, DO("1", "gated", "x"));
        feed_text(&w, DO("2", "run", "y"), cut);
        feed_text(&w, CANCEL("2"), cut);
        feed_text(&w, "no JSON", cut);
        feed_text(&w, CANCEL("3"), cut);
        assert_string_equal(hear(&w), "");
        feed_text(&w, CANCEL("1"), cut);
        const char *heard = hear(&w);
        assert_int_equal(count_in(heard, FAILED("1",
                                                "the caller has cancelled "
                                                "it",
                                                "CANCELLED")),
                         1);
        assert_int_equal(count_in(heard, RESULT("2", "done")), 1);
        assert_non_null(strstr(heard, "is not a JSON object"));
        assert_int_equal(count_in(heard, "rpc:result"), 2);
        assert_int_equal(stats().cancelled, 1);
        assert_int_equal(stats().messages_in, 6);
        resume(&jobs[0]);
        pass(0);
        assert_int_equal(jobs[0].cancelled, 1);
        finish(&w);
    }
}

/* A subscription is not cancelled, and of many messages that wait no more are
 * read. */
static void test_not_far_ahead(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    plays.pass = defer_pass;
    say(&w, DO("1", "gated", "x"));
    for (int i = 0; i < 100; i++) {
        assert_true(zkt_endpoint_reading(w.e) || i > 30);
        if (zkt_endpoint_reading(w.e)) {
            say(&w, DO("2", "run", "a text of a length"));
        }
    }
    assert_false(zkt_endpoint_reading(w.e));
    say(&w, CANCEL("1")); /* too late */
    assert_string_equal(hear(&w), "");
    resume(&jobs[0]);
    assert_int_equal(count_in(hear(&w), RESULT("1", "done")), 1);
    assert_int_equal(stats().cancelled, 0);
    assert_true(zkt_endpoint_reading(w.e));
    finish(&w);
}

/* Two calls with an id: the first is cancelled, and then the second is not
 * found. Each has its result. */
static void test_one_id_twice(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    (void)ask(&w, DO("1", "run", "later"));
    (void)ask(&w, DO("1", "run", "x"));
    const char *heard = ask(&w, CANCEL("1"));
    assert_string_equal(heard, FAILED("1", "the caller has cancelled it",
                                      "CANCELLED") RESULT("1", "done"));
    resume(&jobs[0]);
    finish(&w);
}

/* The calls behind one that is cancelled keep their order. */
static void test_in_the_middle(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    (void)ask(&w, DO("1", "run", "later"));
    (void)ask(&w, DO("2", "run", "a"));
    (void)ask(&w, DO("3", "run", "b"));
    (void)ask(&w, DO("4", "run", "c"));
    assert_int_equal(stats().queued, 3);
    assert_string_equal(
        ask(&w, CANCEL("3")),
        FAILED("3", "the caller has cancelled it", "CANCELLED"));
    assert_int_equal(stats().queued, 2);
    (void)trace_since();
    resume(&jobs[0]);
    assert_string_equal(hear(&w), RESULT("1", "late") RESULT("2", "done")
                                      RESULT("4", "done"));
    assert_string_equal(trace_since(), "run:a run:c");
    finish(&w);
}

/* ---- time ---- */

static int64_t time_left;

static enum zkt_status note_time_left(struct zkt_call *call)
{
    time_left = zkt_time_left(call);
    return ZKT_OK;
}

/* The earlier of both times counts; a caller cannot extend the limit, and what
 * is no whole number from 1 on is ignored. */
static void test_time_left(void **state)
{
    static const struct {
        const char *method, *more;
        int64_t left;
    } calls[] = {
        { "gated", "", INT64_MAX },
        { "gated", ",\"timeoutMs\":70", 70 },
        { "gated", ",\"timeoutMs\":0", INT64_MAX },
        { "gated", ",\"timeoutMs\":-5", INT64_MAX },
        { "gated", ",\"timeoutMs\":1.5", INT64_MAX },
        { "gated", ",\"timeoutMs\":\"70\"", INT64_MAX },
        { "gated", ",\"timeoutMs\":null", INT64_MAX },
        { "gated", ",\"timeoutMs\":99999999999999999999", INT64_MAX },
        { "gated", ", \"timeoutMs\" : 70", 70 },
        { "strict", "", 100 },
        { "strict", ",\"timeoutMs\":70", 70 },
        { "strict", ",\"timeoutMs\":170", 100 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char text[256];
        set_up();
        struct wire w = enter();
        plays.pass = note_time_left;
        snprintf(text, sizeof(text), CALL_WITH("1", "%s", "x", "%s"),
                 calls[i].method, calls[i].more);
        time_left = -1;
        assert_string_equal(ask(&w, text), RESULT("1", "done"));
        assert_int_equal(time_left, calls[i].left);
        finish(&w);
    }
}

static int64_t then_left[3];

static enum zkt_status invoke_measure(struct zkt_call *call, void (*then)(void),
                                      const void *input, void *result,
                                      void *user)
{
    struct job *job = user;
    (void)then;
    (void)input;
    (void)result;
    job->runs++;
    then_left[job - jobs] = zkt_time_left(call);
    return ZKT_OK;
}

/* A second half has the rest of the time; that of a cancelled call is over. */
static void test_time_left_later(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    (void)ask(&w, CALL_WITH("1", "run", "later", ",\"timeoutMs\":50000"));
    pass(10000);
    zkt_deferred_resume(jobs[0].later, invoke_measure, NULL, &jobs[0]);
    pass(0);
    (void)ask(&w, DO("2", "brief", "later"));
    pass(30);
    zkt_deferred_resume(jobs[1].later, invoke_measure, NULL, &jobs[1]);
    pass(0);
    (void)ask(&w, DO("3", "brief", "later"));
    pass(100);
    zkt_deferred_resume(jobs[2].later, invoke_measure, NULL, &jobs[2]);
    pass(0);
    assert_int_equal(then_left[0], 20000); /* of the limit */
    assert_int_equal(then_left[1], 70);
    assert_int_equal(then_left[2], 0);
    finish(&w);
}

/* A method with a time of its own may take longer than the limit. */
static void test_longer_than_the_limit(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .handler_ms = 50 });
    struct wire w = enter();
    (void)ask(&w, DO("1", "brief", "later"));
    pass(99);
    assert_string_equal(hear(&w), "");
    pass(1);
    assert_string_equal(hear(&w), FAILED("1", "the time of the call is over",
                                         "DEADLINE_EXCEEDED"));
    assert_int_equal(stats().limit_hits.handler_ms, 0);
    (void)ask(&w, DO("2", "run", "later"));
    pass(50);
    assert_non_null(strstr(hear(&w), "the handler did not finish in time"));
    assert_int_equal(stats().limit_hits.handler_ms, 1);
    resume(&jobs[0]);
    resume(&jobs[1]);
    finish(&w);
}

static enum zkt_status replied;

static void take_reply(void (*done)(void), const struct zkt_reply *reply,
                       const void *result, void *user)
{
    (void)done;
    (void)result;
    (void)user;
    replied = reply->status;
}

/* A call of the program has the time of its method, also while it waits. */
static void test_program(void **state)
{
    const struct zkt_str later = ZKT_STR("later");
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        set_up();
        struct wire w = enter();
        if (waits) {
            (void)ask(&w, DO("1", "run", "later"));
        }
        replied = ZKT_PENDING;
        assert_int_equal(zkt_server_invoke(server, 0, BRIEF, ZKT_STR("a"), NULL,
                                           &later, take_reply, any_handler,
                                           NULL),
                         ZKT_OK);
        pass(0);
        assert_int_equal(job_count, 1);
        pass(99);
        assert_int_equal(replied, ZKT_PENDING);
        pass(1);
        pass(0);
        assert_int_equal(replied, ZKT_DEADLINE_EXCEEDED);
        assert_int_equal(zkt_deferred_cancelled(jobs[0].later), !waits);
        resume(&jobs[0]);
        pass(0);
        assert_int_equal(stats().expired, 1);
        finish(&w);
    }
}

/* ---- memory ---- */

/* Plays calls that wait and end while the @n-th allocation fails. Returns false
 * if there were fewer. */
static bool play_without(long n)
{
    set_up();
    struct wire w = enter();
    memory.calls = 0;
    memory.fail_at = n;
    plays.connect = defer_connect;
    plays.pass = defer_pass;
    say(&w, CALL_WITH("1", "run", "x", ",\"timeoutMs\":500"));
    pass(0);
    say(&w, CANCEL("1"));
    pass(0);
    for (int i = 0; i < job_count; i++) {
        zkt_deferred_notify(jobs[i].later, take_notice, &jobs[i]);
        resume(&jobs[i]);
    }
    pass(0);
    const int connected = job_count;
    say(&w, CALL_WITH("2", "run", "later", ",\"timeoutMs\":100"));
    say(&w, CALL_WITH("3", "run", "x", ",\"timeoutMs\":50"));
    say(&w, DO("4", "run", "x"));
    pass(0);
    say(&w, CANCEL("4"));
    pass(50);
    say(&w, DO("5", "strict", "x"));
    pass(100);
    const bool failed = memory.calls >= n;
    memory.fail_at = 0;
    for (int i = connected; i < job_count; i++) {
        resume(&jobs[i]);
    }
    pass(0);
    for (int i = 0; i < job_count; i++) {
        assert_int_equal(jobs[i].runs, jobs[i].later != NULL);
    }
    /* It serves the next. */
    memset(&plays, 0, sizeof(plays));
    struct wire next = enter();
    assert_string_equal(ask(&next, DO("6", "run", "x")), RESULT("6", "done"));
    leave(&next);
    finish(&w);
    return failed;
}

static void test_no_memory(void **state)
{
    long n = 1;
    (void)state;
    while (play_without(n)) {
        n++;
        assert_true(n < 1000);
    }
    assert_true(n > 20);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cause),
        cmocka_unit_test(test_no_notice),
        cmocka_unit_test(test_resumed_before_the_end),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_hooks_of_a_freed_server),
        cmocka_unit_test(test_every_moment),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_looking_ahead),
        cmocka_unit_test(test_not_far_ahead),
        cmocka_unit_test(test_one_id_twice),
        cmocka_unit_test(test_in_the_middle),
        cmocka_unit_test(test_time_left),
        cmocka_unit_test(test_time_left_later),
        cmocka_unit_test(test_longer_than_the_limit),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_no_memory),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
