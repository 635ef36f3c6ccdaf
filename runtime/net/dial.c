/*
 * zkt_client_open: a client core on a libuv loop, in three ways. The loop is
 * the client's and runs during zkt_client_poll or a blocking call; or it is the
 * user's, and the client only adds its handles and closes them; or it is the
 * client's and runs on the client's own thread. The three differ in who runs
 * the loop and in how the client ends, and in nothing else.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "net/connector.h"
#include "net/inbox.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"
#include "net/url.h"

struct dialer {
    uv_loop_t own; /* not used with the user's loop */
    struct zkt_loop loop;
    struct zkt_client *client;
    const struct zkt_allocator *allocator;
    struct zkt_url url;
    struct zkt_tls *tls; /* of wss://, else NULL */
    struct zkt_connector connector;
    struct zkt_inbox inbox;
    uv_async_t wake;       /* after a post, a lookup, or a change of the core */
    uv_timer_t poll_timer; /* the timeout of zkt_client_poll */
    pthread_t thread;
    bool timed_out;
    bool finishing;
    bool joined; /* the closing thread joins the thread */
    char target[];
};

/* ---- connecting ---- */

static void on_connector_end(void *user, int socket_or_error)
{
    struct dialer *d = user;
    if (d->finishing) {
        return;
    }
    zkt__loop_clock(&d->loop);
    if (socket_or_error < 0) {
        zkt__client_connect_failed(d->client, uv_strerror(socket_or_error));
        return;
    }
    struct zkt_endpoint *endpoint = zkt__client_connected(d->client);
    if (endpoint == NULL) {
        zkt__socket_close(socket_or_error);
    } else if (d->tls != NULL) { /* an error detaches the endpoint */
        (void)zkt__loop_attach_tls(&d->loop, socket_or_error, endpoint, d->tls,
                                   d->url.host);
    } else {
        (void)zkt__loop_attach(&d->loop, socket_or_error, endpoint);
    }
}

static void on_tls_failed(struct zkt_loop *loop, int fd, const char *reason)
{
    const struct dialer *d = loop->user;
    char text[256];
    (void)fd;
    snprintf(text, sizeof(text), "TLS has failed: %s", reason);
    zkt__client_transport_failed(d->client, text);
}

static void dial(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    (void)client;
    zkt__connector_begin(&d->connector);
}

static void abort_dial(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    (void)client;
    zkt__connector_abort(&d->connector);
}

static void update_clock(void *driver)
{
    struct dialer *d = driver;
    uv_update_time(d->loop.uv);
    zkt__loop_clock(&d->loop);
}

/* ---- calls from outside the loop's callbacks ---- */

static void wake_loop(void *user)
{
    struct dialer *d = user;
    (void)uv_async_send(&d->wake);
}

static void on_wake(uv_async_t *wake)
{
    struct dialer *d = wake->data;
    if (d->finishing) {
        return;
    }
    zkt__connector_resume(&d->connector);
    if (zkt__inbox_run(&d->inbox, d->client)) {
        d->loop.turns++;
    }
    if (zkt__inbox_waits(&d->inbox)) {
        wake_loop(d); /* sockets have their turn before the rest */
    }
}

/* On the user's loop: makes the turn end soon. During a callback it does so
 * anyway, except during the log callback, which may be called at any time. */
static void on_core_wake(struct zkt_core *core)
{
    struct dialer *d = core->driver;
    if (!zkt__client_is_busy(d->client) ||
        zkt__client_close_wanted(d->client)) {
        wake_loop(d);
    }
}

static enum zkt_status post(void *driver, zkt_posted_function *fn, void *user)
{
    struct dialer *d = driver;
    return zkt__inbox_post(&d->inbox, fn, user);
}

static bool post_work(void *driver, struct zkt_work *work)
{
    struct dialer *d = driver;
    return zkt__inbox_post_work(&d->inbox, work);
}

/* ---- ending ---- */

static void destroy(struct dialer *d)
{
    const bool own = d->loop.uv == &d->own;
    zkt__loop_finish(&d->loop);
    if (own) {
        (void)uv_loop_close(&d->own);
    }
    zkt__inbox_finish(&d->inbox);
    zkt__release(d->allocator, d);
}

static void on_handle_gone(uv_handle_t *handle)
{
    struct dialer *d = handle->data;
    zkt__loop_handle_gone(&d->loop);
}

/* Ends the client and closes the handles; when the loop has run until handles
 * is 0, the dialer can be destroyed. */
static void begin_finish(struct dialer *d)
{
    d->finishing = true;
    zkt__inbox_close(&d->inbox, d->client);
    uv_update_time(d->loop.uv);
    zkt__loop_end_turn(&d->loop); /* the goodbye, if the socket takes it */
    zkt__connector_finish(&d->connector);
    zkt__loop_retire(&d->loop);
    zkt__client_free(d->client);
    uv_close((uv_handle_t *)&d->wake, on_handle_gone);
    uv_close((uv_handle_t *)&d->poll_timer, on_handle_gone);
}

/* ---- the client's loop, run by zkt_client_poll ---- */

static void on_poll_timeout(uv_timer_t *timer)
{
    struct dialer *d = timer->data;
    d->timed_out = true;
    uv_stop(timer->loop); /* timers run before the poll, which must not wait */
}

static enum zkt_status run_loop(void *driver, int timeout_ms)
{
    struct dialer *d = driver;
    const uint64_t before = d->loop.turns;
    uv_update_time(&d->own);
    zkt__loop_end_turn(&d->loop);
    d->timed_out = timeout_ms == 0;
    if (timeout_ms > 0) {
        uv_timer_start(&d->poll_timer, on_poll_timeout, (uint64_t)timeout_ms,
                       0);
    }
    if (timeout_ms == 0) {
        (void)uv_run(&d->own, UV_RUN_NOWAIT);
    }
    /* A deadline that was due must not be waited for again. */
    while (d->loop.turns == before && !d->timed_out) {
        (void)uv_run(&d->own, UV_RUN_ONCE);
    }
    uv_timer_stop(&d->poll_timer);
    return d->loop.turns != before ? ZKT_OK : ZKT_DEADLINE_EXCEEDED;
}

static void finish_polled(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    (void)client;
    begin_finish(d);
    while (d->loop.handles > 0) {
        (void)uv_run(&d->own, UV_RUN_ONCE);
    }
    destroy(d);
}

static const struct zkt_client_driver_ops polled_ops = {
    .connect = dial,
    .abort_connect = abort_dial,
    .poll = run_loop,
    .finish = finish_polled,
    .post = post,
    .post_work = post_work,
    .clock = update_clock,
};

/* ---- the user's loop ---- */

/* Ends a client that was closed in a callback, at the end of the turn. */
static void on_turn(struct zkt_loop *loop)
{
    struct dialer *d = loop->user;
    if (!d->finishing && zkt__client_close_wanted(d->client) &&
        !zkt__client_is_busy(d->client)) {
        begin_finish(d);
    }
}

static void on_stopped(struct zkt_loop *loop)
{
    destroy(loop->user);
}

static void finish_on_loop(void *driver, struct zkt_client *client)
{
    (void)client;
    begin_finish(driver);
}

static const struct zkt_client_driver_ops user_loop_ops = {
    .connect = dial,
    .abort_connect = abort_dial,
    .finish = finish_on_loop,
    .post = post,
    .post_work = post_work,
    .clock = update_clock,
};

static void join_user_loop(struct dialer *d)
{
    struct zkt_core *core = zkt__client_core(d->client);
    core->driver = d;
    core->wake = on_core_wake;
    d->loop.on_turn = on_turn;
    d->loop.on_stopped = on_stopped;
    wake_loop(d); /* for the first turn */
}

/* ---- the client's own thread ---- */

static void *run_thread(void *user)
{
    struct dialer *d = user;
    /* start_thread holds the mutex until `thread` is written. */
    pthread_mutex_lock(&d->inbox.mutex);
    pthread_mutex_unlock(&d->inbox.mutex);
    uv_update_time(&d->own);
    zkt__loop_end_turn(&d->loop);
    while (d->loop.handles > 0) {
        (void)uv_run(&d->own, UV_RUN_ONCE);
    }
    if (!d->joined) { /* closed in a callback: nobody joins the thread */
        (void)pthread_detach(d->thread);
        destroy(d);
    }
    return NULL;
}

static bool is_other_thread(void *driver)
{
    const struct dialer *d = driver;
    return !pthread_equal(pthread_self(), d->thread);
}

struct waited_call {
    void (*fn)(void *user);
    void *user;
};

static void run_waited_call(struct zkt_client *client, void *user)
{
    const struct waited_call *call = user;
    (void)client;
    call->fn(call->user);
}

static void wait_for(void *driver, void (*fn)(void *user), void *user,
                     bool *over)
{
    struct dialer *d = driver;
    struct waited_call call = { fn, user };
    zkt__inbox_wait(&d->inbox, run_waited_call, &call, over);
}

static void end_wait(void *driver, bool *over)
{
    struct dialer *d = driver;
    zkt__inbox_end_wait(&d->inbox, over);
}

struct close_call {
    struct dialer *dialer;
    bool over;
};

static void run_close_call(struct zkt_client *client, void *user)
{
    struct close_call *call = user;
    struct dialer *d = call->dialer;
    d->joined = true;
    zkt_client_close(client);
    zkt__inbox_end_wait(&d->inbox, &call->over);
}

static void close_thread(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    struct close_call call = { d, false };
    (void)client;
    zkt__inbox_wait(&d->inbox, run_close_call, &call, &call.over);
    if (call.over) {
        (void)pthread_join(d->thread, NULL);
        destroy(d);
    }
}

static const struct zkt_client_driver_ops thread_ops = {
    .connect = dial,
    .abort_connect = abort_dial,
    .finish = finish_on_loop,
    .post = post,
    .post_work = post_work,
    .clock = update_clock,
    .is_other_thread = is_other_thread,
    .wait = wait_for,
    .end_wait = end_wait,
    .close = close_thread,
};

/* Blocks signals, which are for the program's own threads. */
static int start_thread(struct dialer *d)
{
    sigset_t all, before;
    d->loop.on_turn = on_turn;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&d->inbox.mutex);
    const int error = pthread_create(&d->thread, NULL, run_thread, d);
    pthread_mutex_unlock(&d->inbox.mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* ---- opening ---- */

static void report(const struct zkt_client_options *options, const char *text)
{
    if (options->log != NULL) {
        options->log(options->log_user, ZKT_LOG_ERROR, text);
    }
}

/* Returns a dialer for @url, without a loop, or NULL. */
static struct dialer *new_dialer(const struct zkt_url *url,
                                 const struct zkt_client_options *options)
{
    const struct zkt_allocator *allocator = options->allocator != NULL
                                                ? options->allocator
                                                : &zkt__allocator_default;
    struct dialer *d = zkt__alloc_zero(
        allocator, 1, sizeof(struct dialer) + zkt__url_target_max(url) + 1);
    if (d != NULL) {
        d->allocator = allocator;
        d->url = *url;
        d->tls = url->is_tls ? options->tls : NULL;
        d->url.rest = ZKT_STR(""); /* it points into the caller's text */
        (void)zkt__url_target(url, d->target);
        d->connector = (struct zkt_connector){
            .loop = &d->loop,
            .host = d->url.host,
            .port = d->url.port,
            .is_unix = d->url.is_unix,
            .on_end = on_connector_end,
            .wake = wake_loop,
            .user = d,
        };
    }
    return d;
}

static const struct zkt_client_driver_ops *ops_for(
    const struct zkt_client_options *options)
{
    if (options->loop != NULL) {
        return &user_loop_ops;
    }
    return options->thread ? &thread_ops : &polled_ops;
}

/* Frees a dialer with a loop that has handles already. */
static void abandon(struct dialer *d)
{
    d->finishing = true;
    d->loop.on_stopped = d->loop.uv != &d->own ? on_stopped : NULL;
    zkt__loop_stop(&d->loop);
    zkt__client_free(d->client);
    if (d->loop.uv == &d->own) {
        while (d->loop.handles > 0) {
            (void)uv_run(&d->own, UV_RUN_ONCE);
        }
        destroy(d);
    }
}

/* Makes the client and opens its handles on @uv. Returns 0, or a libuv error:
 * then @d is freed. */
static int init_client(struct dialer *d, uv_loop_t *uv,
                       const struct zkt_client_options *options)
{
    int error = UV_ENOMEM;
    d->client = zkt__client_new(options, zkt_cstr(d->url.authority),
                                zkt_cstr(d->target), ops_for(options), d);
    if (d->client == NULL) {
        goto fail_client;
    }
    error = -zkt__inbox_init(&d->inbox, d->allocator, wake_loop, d);
    if (error != 0) {
        goto fail_inbox;
    }
    error = zkt__loop_init(&d->loop, uv, zkt__client_core(d->client),
                           d->allocator, zkt__client_close_ms(d->client),
                           ZKT_READ_SIZE);
    if (error != 0) {
        goto fail_loop;
    }
    d->loop.user = d;
    d->loop.counts_turns = d->loop.is_client = true;
    d->loop.on_tls_failed = on_tls_failed;
    error = uv_async_init(uv, &d->wake, on_wake);
    if (error != 0) {
        abandon(d);
        return error;
    }
    uv_timer_init(uv, &d->poll_timer);
    d->wake.data = d->poll_timer.data = d;
    d->loop.handles += 2;
    return 0;

fail_loop:
    zkt__inbox_finish(&d->inbox);
fail_inbox:
    zkt__client_free(d->client);
fail_client:
    if (uv == &d->own) {
        (void)uv_loop_close(uv);
    }
    zkt__release(d->allocator, d);
    return error;
}

/* Returns 0, or a libuv error: then @d is freed. */
static int start(struct dialer *d, const struct zkt_client_options *options)
{
    int error = 0;
    if (options->loop == NULL) {
        error = uv_loop_init(&d->own);
        if (error != 0) {
            zkt__release(d->allocator, d);
            return error;
        }
    }
    error = init_client(d, options->loop != NULL ? options->loop : &d->own,
                        options);
    if (error == 0 && options->loop != NULL) {
        join_user_loop(d);
    }
    if (error == 0 && options->thread) {
        error = start_thread(d);
        if (error != 0) {
            finish_polled(d, d->client);
        }
    }
    return error;
}

static void report_tls(void *user, const char *text)
{
    struct zkt_client_options *options = user;
    report(options, text);
}

/* Reads the files of wss://. Returns false after a report. */
static bool prepare_tls(const struct zkt_url *url,
                        struct zkt_client_options *options)
{
    if (!url->is_tls) {
        return true;
    }
    if (options->tls == NULL) {
        report(options, "cannot open the URL: wss:// needs the option tls "
                        "(zocket/tls.h)");
        return false;
    }
    if (!zkt__tls_is_usable(options->tls)) {
        report(options, ZKT_TLS_UNUSABLE);
        return false;
    }
    return options->tls->ops->load(options->tls, report_tls, options) > 0;
}

struct zkt_client *zkt_client_open(const char *url,
                                   const struct zkt_client_options *given)
{
    struct zkt_client_options options = { 0 };
    struct zkt_url parsed;
    if (given != NULL) {
        options = *given;
    }
    const char *wrong = zkt__url_parse(url, &parsed);
    if (wrong != NULL) {
        char text[192];
        snprintf(text, sizeof(text), "cannot open the URL: %s", wrong);
        report(&options, text);
        return NULL;
    }
    if (options.loop != NULL && options.thread) {
        report(&options, "a client has a loop of yours or a thread, not both");
        return NULL;
    }
    if (!prepare_tls(&parsed, &options)) {
        return NULL;
    }
    struct dialer *d = new_dialer(&parsed, &options);
    const int error = d != NULL ? start(d, &options) : UV_ENOMEM;
    if (error != 0) {
        report(&options, uv_strerror(error));
        return NULL;
    }
    return d->client;
}
