/*
 * The connection of a client and its attempts to connect: phases, backoff,
 * pings, sending and the status that the program sees.
 */
#ifndef ZKT_CLIENT_CONNECTION_H
#define ZKT_CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/status.h"

struct zkt_client;
struct zkt_writer;

/* The phases of a connection. */
enum zkt_phase {
    ZKT_PHASE_WAITING,   /* until dial_at; a former transport may linger */
    ZKT_PHASE_PREPARING, /* the program's `prepare` is not done */
    ZKT_PHASE_DIALING,   /* the driver looks for a transport */
    ZKT_PHASE_HANDSHAKE,
    ZKT_PHASE_GREETING, /* the handshake is done; until welcome */
    ZKT_PHASE_OPEN
};

void zkt__connection_init(struct zkt_client *client);
/** Returns true if messages can be sent. */
bool zkt__client_is_open(const struct zkt_client *client);
/** The program's `prepare` is done: connects, or fails the attempt. */
void zkt__connection_prepared(struct zkt_client *client,
                              enum zkt_status status);
/** The server has sent `welcome`: the connection is open, and messages that
 * wait are sent, if the phase was GREETING. */
void zkt__connection_welcomed(struct zkt_client *client);
/** Empties the writer, and leaves room for the head of a frame. */
struct zkt_writer *zkt__client_write(struct zkt_client *client);
/** Queues the message in the writer. Ends the connection if there is no
 * memory. */
void zkt__client_send(struct zkt_client *client);
/** Ends the connection: calls that were sent fail. */
void zkt__client_lost(struct zkt_client *client, const char *reason);
/** Sends a close frame; the client connects no more. */
void zkt__connection_end(struct zkt_client *client);
/** The next time at which the connection needs a tick. */
int64_t zkt__connection_deadline(const struct zkt_client *client);
void zkt__connection_tick(struct zkt_client *client);
/** The time @ms from now. */
int64_t zkt__client_time_after(const struct zkt_client *client, int64_t ms);
/** A delay that doubles with @attempts, less a random part of it. */
int64_t zkt__backoff(struct zkt_client *client, uint32_t attempts);
/** Notifies the listeners of a changed status, unless a callback runs. */
void zkt__status_notify(struct zkt_client *client);

#endif
