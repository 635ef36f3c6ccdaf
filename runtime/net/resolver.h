/*
 * Names to addresses, on threads of our own: the C library's resolver blocks,
 * for minutes if it has to, and nothing can stop it. libuv's pool of four
 * threads is shared by the whole program, so that two names that do not answer
 * keep everybody waiting; what ends must wait for them; and a child of fork
 * that leaves by exit waits for threads that it does not have.
 *
 * These threads are started when there is something to do, and end when there
 * is not. Nobody waits for them: a lookup that is no longer wanted is
 * forgotten, and freed by its thread. They are the only thing that clients of a
 * process share; a child of fork has none of them, and may start its own.
 */
#ifndef ZKT_NET_RESOLVER_H
#define ZKT_NET_RESOLVER_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

/* At once; more names than that wait for one of them to end. */
#define ZKT_RESOLVER_THREADS 64

/* Of the C library's memory: it may outlive the client and its allocator. */
struct zkt_lookup;

/** The addresses of a numeric @host, at once; 0 or a libuv error. */
int zkt__resolve_numeric(const char *host, uint16_t port,
                         struct addrinfo **found);

/**
 * Begins to look @host up. @wake is called from another thread when that has
 * ended, unless it was forgotten. NULL: no memory, or no thread.
 */
struct zkt_lookup *zkt__lookup_begin(const char *host, uint16_t port,
                                     void (*wake)(void *user), void *user);
/**
 * Whether it has ended: then @lookup is gone, and *@found is the caller's, for
 * freeaddrinfo, or NULL and *@error is a libuv error.
 */
bool zkt__lookup_take(struct zkt_lookup *lookup, struct addrinfo **found,
                      int *error);
/** @wake is not called any more. Takes NULL. */
void zkt__lookup_forget(struct zkt_lookup *lookup);

#endif
