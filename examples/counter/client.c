/* The tutorial's client: counter_client [URL]. It watches the number, adds to
 * it with a blocking call, and again with a call that does not block. */
#include "counter_client.h"

#include <stdio.h>

static void on_n(int32_t n, void *user)
{
    (void)user;
    printf("n is %d\n", n);
}

static void on_inc(const struct zkt_reply *reply, int32_t n, void *user)
{
    bool *done = user;
    *done = true;
    if (reply->status == ZKT_OK) {
        printf("the second call returned %d\n", n);
    } else {
        printf("the second call failed: %s\n", reply->error);
    }
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://127.0.0.1:3000";
    const struct zkt_client_options options = { .log = zkt_log_to_stderr };
    struct zkt_client *client = zkt_client_open(url, &options);
    struct demo_counter *counter = demo_counter_open(client, "main");
    demo_counter_watch_n(counter, on_n, NULL);

    struct zkt_reply reply = { 0 };
    int32_t n = 0;
    const struct demo_counter_inc_input two = { .by = 2 };
    enum zkt_status status = demo_counter_call_inc(counter, &two, &n, &reply);
    if (status == ZKT_OK) {
        printf("the first call returned %d\n", n);
        const struct demo_counter_inc_input by_default =
            demo_counter_inc_input_defaults();
        bool done = false;
        demo_counter_begin_inc(counter, &by_default, on_inc, &done);
        while (!done) {
            zkt_client_poll(client, 1000);
        }
    } else {
        fprintf(stderr, "inc: %s\n", reply.error);
    }
    zkt_reply_clear(&reply);
    demo_counter_close(counter);
    zkt_client_close(client);
    return status == ZKT_OK ? 0 : 1;
}
