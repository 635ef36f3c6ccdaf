/*
 * The compiled part of statecat: a client of an actor, with the generated names
 * as macros (see the script of that name). It subscribes, and prints every
 * state as a line of JSON.
 *
 *   program URL ID [COUNT]      ends after COUNT states
 */
#include HEADER

#include <stdio.h>
#include <stdlib.h>

#include "json/json.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(end)   JOIN(ACTOR, end)

struct printer {
    long left;
    bool failed;
};

static void on_state(const struct NAME(_state) * state, void *user)
{
    const struct zkt_type *type = &NAME(_state_type_);
    struct printer *p = user;
    struct zkt_writer w;
    if (p->left == 0) {
        return;
    }
    zkt__writer_init(&w, &zkt__allocator_default);
    type->encode(&w, type, state);
    printf("%.*s\n", (int)w.len, w.data);
    fflush(stdout);
    zkt__writer_finish(&w);
    p->left--;
}

static void on_error(const struct zkt_reply *error, void *user)
{
    struct printer *p = user;
    fprintf(stderr, "%s: %s\n", zkt_status_name(error->status), error->error);
    p->failed = true;
}

int main(int argc, char **argv)
{
    struct printer p = { .left = argc > 3 ? atol(argv[3]) : -1 };
    if (argc < 3) {
        fprintf(stderr, "usage: %s URL ID [COUNT]\n", argv[0]);
        return 2;
    }
    struct zkt_client *client = zkt_client_open(argv[1], NULL);
    struct ACTOR *handle = NAME(_open)(client, argv[2]);
    if (NAME(_subscribe)(handle, on_state, &p) == 0 ||
        NAME(_subscribe_errors)(handle, on_error, &p) == 0) {
        fprintf(stderr, "not a URL, or not an id: %s %s\n", argv[1], argv[2]);
        p.failed = true;
    }
    while (p.left != 0 && !p.failed) {
        if (zkt_client_poll(client, -1) == ZKT_CLOSED) {
            break;
        }
    }
    NAME(_close)(handle);
    zkt_client_close(client);
    return p.failed;
}
