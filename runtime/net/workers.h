/*
 * The threads of a server's shards, but for the first, which is whose loop
 * listens: each runs a loop of its own and is handed sockets through a
 * work queue. A thread ends when the server is down, or when all are stopped.
 * None of them accepts or sees a signal. All functions are for the listening
 * thread.
 */
#ifndef ZKT_NET_WORKERS_H
#define ZKT_NET_WORKERS_H

#include <sys/socket.h>

#include "server/server.h"

struct zkt_workers;

/**
 * Starts them. 0, with *@out NULL if the server has one thread only, or a
 * libuv error, which the log names, with nothing left behind. @wake, called on
 * any of them, says that one has finished.
 */
int zkt__workers_open(struct zkt_server *server, void (*wake)(void *user),
                      void *user, struct zkt_workers **out);

/** How many sockets they have; 0 for NULL, as there are none. */
uint32_t zkt__workers_sockets(const struct zkt_workers *workers);

/**
 * Offers them a socket that was admitted. True: one of them has fewer than
 * @own, and owns it now, or it was lost and the log says why. False, always so
 * for NULL: it stays the caller's. @peer stands in a struct sockaddr_storage.
 */
bool zkt__workers_offer(struct zkt_workers *workers, uint32_t own, int fd,
                        const struct sockaddr *peer);

/** The libuv error by which one of the threads has failed, which has stopped
 * then; 0 for none, and for NULL. */
int zkt__workers_error(const struct zkt_workers *workers);

/** Whether no thread has anything to do any more; true for NULL. */
bool zkt__workers_are_finished(const struct zkt_workers *workers);

/**
 * Drops every socket of theirs, waits until each thread has ended its turn, and
 * frees them. Their shards are then of the thread that calls. Takes NULL.
 */
void zkt__workers_stop(struct zkt_workers *workers);

#endif
