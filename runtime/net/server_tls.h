/*
 * The TLS of a server: its certificates are read when it begins to listen, and
 * again when it is told to.
 */
#ifndef ZKT_NET_SERVER_TLS_H
#define ZKT_NET_SERVER_TLS_H

#include "net/tls.h"
#include "server/server.h"

/**
 * Reads the certificates that the options name. Returns true, with *@out NULL
 * if there are none, or false after an error, which is logged: then those that
 * were read before stay in use.
 */
bool zkt__server_load_tls(struct zkt_server *server, struct zkt_tls **out);

/** Asks whether a certificate of @tls names @host: zkt_redirect.names. */
bool zkt__server_tls_names(void *tls, struct zkt_str host);

#endif
