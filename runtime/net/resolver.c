/* See resolver.h. A mutex guards everything except the call of getaddrinfo. */
#include "net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/list.h"
#include "base/memory.h"

struct zkt_lookup {
    struct zkt_node node;     /* in resolver.queue, until a thread takes it */
    void (*wake)(void *user); /* NULL: forgotten */
    void *user;
    struct addrinfo *found;
    int error;
    bool done;
    char port[6];
    char host[];
};

static struct {
    pthread_mutex_t mutex;
    pthread_once_t once;
    struct zkt_list queue;
    unsigned threads; /* running */
} resolver = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .once = PTHREAD_ONCE_INIT,
    .queue = { { &resolver.queue.head, &resolver.queue.head } },
};

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&resolver.mutex);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&resolver.mutex);
}

/* The child has none of the threads; the queued lookups are the parent's. */
static void after_fork_in_child(void)
{
    zkt__list_init(&resolver.queue);
    resolver.threads = 0;
    pthread_mutex_unlock(&resolver.mutex);
}

static void prepare_for_fork(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* ---- looking up ---- */

/* Translates an error of the C library to libuv's. */
static int translate(int error)
{
    switch (error) {
    case 0:
        return 0;
    case EAI_AGAIN:
        return UV_EAI_AGAIN;
    case EAI_FAIL:
        return UV_EAI_FAIL;
    case EAI_FAMILY:
        return UV_EAI_FAMILY;
    case EAI_MEMORY:
        return UV_EAI_MEMORY;
    case EAI_SERVICE:
        return UV_EAI_SERVICE;
    case EAI_SYSTEM:
        return errno != 0 ? -errno : UV_EAI_FAIL;
    default: /* also a name without an address */
        return UV_EAI_NONAME;
    }
}

static int look_up(const char *host, const char *port, int flags,
                   struct addrinfo **found)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags | AI_NUMERICSERV,
    };
    *found = NULL;
    errno = 0;
    return translate(getaddrinfo(host, port, &hints, found));
}

/* An IPv6 address may have a zone. */
static bool is_numeric(const char *host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const size_t len = strcspn(host, "%");
    if (len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1 ||
           inet_pton(AF_INET, host, &address) == 1;
}

static int look_up_port(const char *host, uint16_t port, int flags,
                        struct addrinfo **found)
{
    char text[6];
    snprintf(text, sizeof(text), "%u", (unsigned)port);
    return look_up(host, text, flags, found);
}

/* Never passes a name to the C library, which might look it up. */
int zkt__resolve_numeric(const char *host, uint16_t port,
                         struct addrinfo **found)
{
    *found = NULL;
    return is_numeric(host) ? look_up_port(host, port, AI_NUMERICHOST, found)
                            : UV_EAI_NONAME;
}

int zkt__resolve_blocking(const char *host, uint16_t port,
                          struct addrinfo **found)
{
    const bool numeric = host != NULL && is_numeric(host);
    return look_up_port(host, port, numeric ? AI_NUMERICHOST : AI_PASSIVE,
                        found);
}

static void release(struct zkt_lookup *lookup)
{
    if (lookup->found != NULL) {
        freeaddrinfo(lookup->found);
    }
    zkt__release(&zkt__allocator_default, lookup);
}

/* Returns the next lookup, or NULL: then the thread ends. */
static struct zkt_lookup *take_next(void)
{
    pthread_mutex_lock(&resolver.mutex);
    struct zkt_node *first = zkt__list_first(&resolver.queue);
    if (first != NULL) {
        zkt__node_unlink(first);
    } else {
        resolver.threads--;
    }
    pthread_mutex_unlock(&resolver.mutex);
    return first != NULL ? ZKT_CONTAINER(first, struct zkt_lookup, node) : NULL;
}

/* Calls wake under the mutex, so that a forgotten lookup wakes nobody. */
static void finish(struct zkt_lookup *lookup, struct addrinfo *found, int error)
{
    pthread_mutex_lock(&resolver.mutex);
    lookup->found = found;
    lookup->error = error;
    lookup->done = true;
    const bool forgotten = lookup->wake == NULL;
    if (!forgotten) {
        lookup->wake(lookup->user);
    }
    pthread_mutex_unlock(&resolver.mutex);
    if (forgotten) {
        release(lookup);
    }
}

static void *run(void *user)
{
    struct zkt_lookup *lookup;
    (void)user;
    while ((lookup = take_next()) != NULL) {
        struct addrinfo *found;
        const int error = look_up(lookup->host, lookup->port, 0, &found);
        finish(lookup, found, error);
    }
    return NULL;
}

/* Blocks signals, which are for the program's own threads. */
static bool start_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* Queues a lookup and starts a thread for it. If no thread can be started, a
 * running thread takes the lookup; returns false if there is none. */
static bool enqueue(struct zkt_lookup *lookup)
{
    pthread_mutex_lock(&resolver.mutex);
    if (resolver.threads < ZKT_RESOLVER_THREADS && start_thread()) {
        resolver.threads++;
    }
    const bool good = resolver.threads > 0;
    if (good) {
        zkt__list_append(&resolver.queue, &lookup->node);
    }
    pthread_mutex_unlock(&resolver.mutex);
    return good;
}

struct zkt_lookup *zkt__lookup_begin(const char *host, uint16_t port,
                                     void (*wake)(void *user), void *user)
{
    const size_t size = strlen(host) + 1;
    struct zkt_lookup *lookup = zkt__alloc_zero(&zkt__allocator_default, 1,
                                                sizeof(*lookup) + size);
    if (lookup == NULL) {
        return NULL;
    }
    memcpy(lookup->host, host, size);
    snprintf(lookup->port, sizeof(lookup->port), "%u", (unsigned)port);
    lookup->wake = wake;
    lookup->user = user;
    pthread_once(&resolver.once, prepare_for_fork);
    if (!enqueue(lookup)) {
        release(lookup);
        return NULL;
    }
    return lookup;
}

bool zkt__lookup_take(struct zkt_lookup *lookup, struct addrinfo **found,
                      int *error)
{
    pthread_mutex_lock(&resolver.mutex);
    const bool done = lookup->done;
    pthread_mutex_unlock(&resolver.mutex);
    if (!done) {
        return false;
    }
    *found = lookup->found;
    *error = lookup->error;
    lookup->found = NULL;
    release(lookup);
    return true;
}

void zkt__lookup_forget(struct zkt_lookup *lookup)
{
    if (lookup == NULL) {
        return;
    }
    pthread_mutex_lock(&resolver.mutex);
    const bool ours = lookup->done || zkt__node_linked(&lookup->node);
    zkt__node_unlink(&lookup->node);
    lookup->wake = NULL;
    pthread_mutex_unlock(&resolver.mutex);
    if (ours) {
        release(lookup);
    }
}
