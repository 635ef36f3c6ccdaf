/*
 * Opens the listening sockets that the options of a server name
 * (listen_address.h): all of them, or none.
 */
#ifndef ZKT_NET_LISTENING_H
#define ZKT_NET_LISTENING_H

#include "net/listener.h"
#include "server/server.h"

/* The sockets of a server, at most. */
#define ZKT_LISTENING_MAX 64

struct zkt_listening {
    struct zkt_listening_socket all[ZKT_LISTENING_MAX];
    uint32_t count;
};

/**
 * Opens a socket for each address of each listener; looks names up, which may
 * block. @has_tls: the server has a certificate. Returns 0, or a libuv error:
 * then the log names the listener that has failed, and no socket is open.
 */
int zkt__listening_open(struct zkt_server *server, bool has_tls,
                        struct zkt_listening *out);

/** Closes the sockets from number @from on. */
void zkt__listening_close(struct zkt_listening *listening, uint32_t from);

/** Returns the port of the first socket that has one and all of @traits, a set
 * of enum zkt_listener_trait, but sends no requests on; or 0. */
uint16_t zkt__listening_port(const struct zkt_listening *listening,
                             unsigned traits);

#endif
