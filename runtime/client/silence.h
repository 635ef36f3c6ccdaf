/*
 * The silence of a server, by which a client finds that a connection is dead:
 * it is ended by a ping, and then by the end of the connection.
 */
#ifndef ZKT_CLIENT_SILENCE_H
#define ZKT_CLIENT_SILENCE_H

struct zkt_client;

/** Ends the silence: the next ping is due after another silence. */
void zkt__silence_restart(struct zkt_client *client);
/** Bytes were received: ends the silence if they are a sign of life. */
void zkt__silence_received(struct zkt_client *client);
/** The silence has lasted too long: sends a ping, or ends the connection if a
 * ping was sent before. */
void zkt__silence_end(struct zkt_client *client);

#endif
