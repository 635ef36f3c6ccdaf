/*
 * The threads of a server's shards, but for the first, which is whose loop
 * listens: each runs a loop of its own and is handed sockets through a
 * work queue. A thread ends when the server is down, or when all are stopped.
 * None of them accepts or sees a signal. All functions are for the listening
 * thread.
 */
#ifndef ZKT_NET_WORKER_THREADS_H
#define ZKT_NET_WORKER_THREADS_H

#include <sys/socket.h>

#include "server/server.h"

struct zkt_worker_threads;

/**
 * Starts them. 0, with *@out NULL if the server has one thread only, or a
 * libuv error, which the log names, with nothing left behind. @wake, called on
 * any of them, says that one has finished.
 */
int zkt__worker_threads_open(struct zkt_server *server,
                             void (*wake)(void *user), void *user,
                             struct zkt_worker_threads **out);

/** How many sockets they have; 0 for NULL, as there are none. */
uint32_t zkt__worker_threads_sockets(const struct zkt_worker_threads *workers);

/**
 * Offers them a socket that was admitted. True: one of them has fewer than
 * @own, and owns it now, or it was lost and the log says why. False, always so
 * for NULL: it stays the caller's. @peer stands in a struct sockaddr_storage.
 */
bool zkt__worker_threads_offer(struct zkt_worker_threads *workers, uint32_t own,
                               int fd, const struct sockaddr *peer);

/** The libuv error by which one of the threads has failed, which has stopped
 * then; 0 for none, and for NULL. */
int zkt__worker_threads_error(const struct zkt_worker_threads *workers);

/** Whether no thread has anything to do any more; true for NULL. */
bool zkt__worker_threads_are_finished(const struct zkt_worker_threads *workers);

/**
 * Drops every socket of theirs, waits until each thread has ended its turn, and
 * frees them. Their shards are then of the thread that calls. Takes NULL.
 */
void zkt__worker_threads_stop(struct zkt_worker_threads *workers);

#endif
