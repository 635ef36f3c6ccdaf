/*
 * Resolves names to addresses on its own threads: the C library's resolver
 * blocks, for minutes if it has to, and cannot be stopped. libuv's pool of four
 * threads would not do. The whole program shares it, so that two names that do
 * not answer delay everybody; a loop that ends must wait for them; and a forked
 * child that leaves by exit waits for threads that it does not have.
 *
 * The threads are started on demand and end when the queue is empty. Nobody
 * waits for them: an unwanted lookup is forgotten, and freed by its thread. The
 * threads are the only thing that clients of a process share. A forked child
 * has none of them, and may start its own.
 */
#ifndef ZKT_NET_RESOLVER_H
#define ZKT_NET_RESOLVER_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

/* Lookups at a time; more names wait until a lookup ends. */
#define ZKT_RESOLVER_THREADS 64

/* Allocated by malloc: it may outlive the client and its allocator. */
struct zkt_lookup;

/** Gets the addresses of a numeric @host. Returns 0 or a libuv error. */
int zkt__resolve_numeric(const char *host, uint16_t port,
                         struct addrinfo **found);

/**
 * Gets all addresses of @host, a name or an address, for listening; NULL: those
 * of all interfaces. Blocks while a name is looked up. Returns 0 or a libuv
 * error.
 */
int zkt__resolve_blocking(const char *host, uint16_t port,
                          struct addrinfo **found);

/**
 * Begins to look up @host. @wake is called on another thread when the lookup
 * has ended, unless it was forgotten. Returns NULL if there is no memory or no
 * thread.
 */
struct zkt_lookup *zkt__lookup_begin(const char *host, uint16_t port,
                                     void (*wake)(void *user), void *user);
/**
 * Returns true if the lookup has ended, and frees it. *@found is then the
 * caller's, to be freed by freeaddrinfo; or it is NULL and *@error is a libuv
 * error.
 */
bool zkt__lookup_take(struct zkt_lookup *lookup, struct addrinfo **found,
                      int *error);
/** Gives up a lookup: its wake is not called any more. Takes NULL. */
void zkt__lookup_forget(struct zkt_lookup *lookup);

#endif
