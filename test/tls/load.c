/*
 * Calls by clients over a URL, each with one in flight, and the time of
 * processors that the programs in between take.
 *
 *   load URL CONNECTIONS CALLS PID...
 *       prints: calls per CPU second of all PIDs together
 *
 * ZOCKET_TEST_CA names the authority of wss:// URLs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "chat_client.h"
#include "zocket/tls.h"

static long left, answered;

static void on_who(const struct zkt_reply *reply,
                   const struct demo_member_map *result, void *user)
{
    (void)result;
    if (reply->status != ZKT_OK) {
        fprintf(stderr, "%s\n", reply->error);
        exit(1);
    }
    answered++;
    if (left-- > 0) {
        demo_chat_begin_who(user, on_who, user);
    }
}

/* The ticks of a process, in user and system. */
static long ticks_of(const char *pid)
{
    char path[64], text[1024];
    long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file != NULL && fgets(text, sizeof(text), file) != NULL) {
        (void)sscanf(strrchr(text, ')') + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
                     &user, &system);
    }
    if (file != NULL) {
        fclose(file);
    }
    return user + system;
}

static long ticks(char **pids)
{
    long sum = 0;
    for (; *pids != NULL; pids++) {
        sum += ticks_of(*pids);
    }
    return sum;
}

static void call(uv_loop_t *loop, struct demo_chat **chats, int count,
                 long calls)
{
    answered = 0;
    left = calls - count;
    for (int i = 0; i < count; i++) {
        demo_chat_begin_who(chats[i], on_who, chats[i]);
    }
    while (answered < calls) {
        uv_run(loop, UV_RUN_ONCE);
    }
}

int main(int argc, char **argv)
{
    enum {
        MOST = 256
    };
    static struct zkt_client *clients[MOST];
    static struct demo_chat *chats[MOST];
    uv_loop_t loop;
    if (argc < 5) {
        return 2;
    }
    const int count = atoi(argv[2]);
    const long calls = atol(argv[3]);
    struct zkt_tls *tls = zkt_tls_client(
        &(struct zkt_tls_client_options){ .ca = getenv("ZOCKET_TEST_CA") });
    const struct zkt_client_options options = { .loop = &loop,
                                                .tls = tls,
                                                .log = zkt_log_to_stderr };
    if (count < 1 || count > MOST || uv_loop_init(&loop) != 0) {
        return 2;
    }
    for (int i = 0; i < count; i++) {
        clients[i] = zkt_client_open(argv[1], &options);
        chats[i] = demo_chat_open(clients[i], "room");
    }
    call(&loop, chats, count, 10L * count); /* warms up */
    const long before = ticks(argv + 4);
    call(&loop, chats, count, calls);
    const long spent = ticks(argv + 4) - before;
    printf("%.0f\n", (double)calls * (double)sysconf(_SC_CLK_TCK) /
                         (double)(spent > 0 ? spent : 1));
    for (int i = 0; i < count; i++) {
        demo_chat_close(chats[i]);
        zkt_client_close(clients[i]);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    zkt_tls_free(tls);
    return 0;
}
