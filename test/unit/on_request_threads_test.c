/*
 * A server with three threads hands requests to its program, which answers at
 * once or on two threads of its own, while clients go and the server stops. No
 * answer is lost or out of order; the thread sanitizer reports unguarded data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crew.h"
#include "server/core.h"
#include "zocket/http.h"

enum {
    ANSWERERS = 2,
    CLIENTS = 8,
    REQUESTS = 60, /* of a client */
    QUEUE = 4096
};

/* Requests that the program keeps. */
static struct {
    pthread_mutex_t lock;
    struct zkt_http *all[QUEUE];
    int count;
    bool over;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep(struct zkt_http *http)
{
    zkt_http_keep(http);
    pthread_mutex_lock(&kept.lock);
    assert_true(kept.count < QUEUE);
    kept.all[kept.count++] = http;
    pthread_mutex_unlock(&kept.lock);
}

/* Returns a request, or NULL; *@over: no more are to come. */
static struct zkt_http *take(bool *over)
{
    pthread_mutex_lock(&kept.lock);
    struct zkt_http *http = kept.count > 0 ? kept.all[--kept.count] : NULL;
    *over = kept.over;
    pthread_mutex_unlock(&kept.lock);
    return http;
}

static void reply(struct zkt_http *http)
{
    const struct zkt_str query = zkt_http_query(http);
    zkt_http_header(http, "X-Address", "it may be read");
    assert_true(
        zkt_str_eq(zkt_http_remote_address(http), ZKT_STR("127.0.0.1")));
    zkt_http_reply(http, 200, "text/plain", query.data, query.len);
}

static void *answer(void *user)
{
    bool over = false;
    (void)user;
    while (!over) {
        struct zkt_http *http = take(&over);
        if (http != NULL) {
            over = false;
            reply(http);
        } else {
            (void)poll(NULL, 0, 1);
        }
    }
    return NULL;
}

static void on_request(struct zkt_http *http, void *user)
{
    (void)user;
    if (zkt_str_eq(zkt_http_path(http), ZKT_STR("/now"))) {
        reply(http);
    } else if (zkt_str_eq(zkt_http_path(http), ZKT_STR("/next"))) {
        zkt_http_next(http);
    } else {
        keep(http);
    }
}

/* Sends the requests of a client in a pipeline. */
static void ask_all(const struct peer *peer)
{
    static const char *const paths[] = { "/now", "/kept", "/next", "/healthz" };
    for (int i = 0; i < REQUESTS; i++) {
        char text[128];
        const int len = snprintf(
            text, sizeof(text),
            "GET %s?number=%d; HTTP/1.1\r\nHost: localhost\r\n\r\n",
            paths[i % 4], i);
        say(peer, text, (size_t)len);
    }
}

struct client {
    struct peer peer;
    char *text; /* that was received */
    size_t len;
};

/* Takes what has arrived. */
static void listen_to(struct client *client)
{
    char bytes[4096];
    const ssize_t got = recv(client->peer.fd, bytes, sizeof(bytes),
                             MSG_DONTWAIT);
    if (got > 0) {
        client->text = realloc(client->text, client->len + (size_t)got + 1);
        memcpy(client->text + client->len, bytes, (size_t)got);
        client->len += (size_t)got;
        client->text[client->len] = '\0';
    }
}

static int count_answers(const struct client *client)
{
    int count = 0;
    for (const char *at = client->len > 0 ? client->text : "";
         (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
        count++;
    }
    return count;
}

/* The numbers that were echoed ascend. */
static void check_order(const struct client *client)
{
    const char *at = client->text;
    int last = -1, echoed = 0;
    while ((at = strstr(at, "number=")) != NULL) {
        const int number = atoi(at + 7);
        assert_true(number > last);
        last = number;
        echoed++;
        at++;
    }
    assert_int_equal(echoed, REQUESTS / 2);
}

static void forget_client(struct client *client)
{
    close(client->peer.fd);
    free(client->text);
}

static void test_threads_that_answer(void **state)
{
    struct client clients[CLIENTS] = { 0 };
    pthread_t threads[ANSWERERS];
    struct site site;
    (void)state;
    make_site(&site, 3, (struct zkt_limits){ 0 });
    site.server->options.on_request = on_request;
    zkt__on_request_init(site.server);
    assert_int_equal(zkt_server_listen(site.server, &site.loop), ZKT_OK);
    for (int i = 0; i < ANSWERERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, answer, NULL), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].peer = knock(&site);
        ask_all(&clients[i].peer);
    }
    /* Every other client goes early. */
    for (int i = 0; i < CLIENTS; i += 2) {
        while (count_answers(&clients[i]) < 4) {
            step(&site);
            listen_to(&clients[i]);
        }
        forget_client(&clients[i]);
    }
    for (int i = 1; i < CLIENTS; i += 2) {
        while (count_answers(&clients[i]) < REQUESTS) {
            step(&site);
            listen_to(&clients[i]);
        }
        check_order(&clients[i]);
        forget_client(&clients[i]);
    }
    wait_for_connections(&site, 0);
    /* The server stops amid requests, and is freed before some are answered. */
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .peer = knock(&site) };
        ask_all(&clients[i].peer);
    }
    while (count_answers(&clients[0]) < 4) {
        step(&site);
        listen_to(&clients[0]);
    }
    zkt_server_shutdown(site.server);
    for (int i = 0; i < CLIENTS; i++) {
        forget_client(&clients[i]);
    }
    zkt_server_free(site.server);
    pthread_mutex_lock(&kept.lock);
    kept.over = true;
    pthread_mutex_unlock(&kept.lock);
    for (int i = 0; i < ANSWERERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(uv_run(&site.loop, UV_RUN_DEFAULT), 0);
    leave_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_that_answer),
    };
    return cmocka_run_group_tests_name("on_request_threads", tests, open_libuv,
                                       NULL);
}
