/*
 * The threads of a server's shards, except the first shard, which runs on the
 * listening loop. Each thread runs its own loop and receives sockets through a
 * work queue. A thread ends when the server is down, or at
 * zkt__worker_threads_stop. Worker threads accept no connections, and block all
 * signals except reports of their own faults. All functions are for the
 * listening thread.
 */
#ifndef ZKT_NET_WORKER_THREADS_H
#define ZKT_NET_WORKER_THREADS_H

#include "net/listener.h"
#include "server/server.h"

struct zkt_worker_threads;

/**
 * Starts the threads. Returns 0, with *@out NULL if the server has only one
 * thread, or a libuv error that has been logged, after which no thread runs.
 * @wake is called on a thread that has finished.
 */
int zkt__worker_threads_open(struct zkt_server *server,
                             void (*wake)(void *user), void *user,
                             struct zkt_worker_threads **out);

/** Returns the number of sockets on all threads; 0 for NULL. */
uint32_t zkt__worker_threads_sockets(const struct zkt_worker_threads *workers);

/**
 * Offers an admitted socket to the threads. Returns true if a thread that has
 * fewer than @own sockets has taken it, or if it was dropped and that was
 * logged. Returns false if the caller keeps it; always for NULL.
 */
bool zkt__worker_threads_offer(struct zkt_worker_threads *workers, uint32_t own,
                               const struct zkt_accepted *accepted);

/** Returns the libuv error that has stopped a thread, or 0 if no thread has
 * failed; 0 for NULL. */
int zkt__worker_threads_error(const struct zkt_worker_threads *workers);

/** Returns true if all threads have finished; true for NULL. */
bool zkt__worker_threads_are_finished(const struct zkt_worker_threads *workers);

/**
 * Drops the sockets of all threads, waits until each thread has ended its turn,
 * and frees the threads. Their shards then belong to the calling thread. Takes
 * NULL.
 */
void zkt__worker_threads_stop(struct zkt_worker_threads *workers);

#endif
