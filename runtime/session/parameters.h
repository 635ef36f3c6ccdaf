/*
 * The parameters of a connection: fields of a struct, each of which is read
 * from a single source in the request of the handshake, and checked by the
 * rules of its type.
 */
#ifndef ZKT_SESSION_PARAMETERS_H
#define ZKT_SESSION_PARAMETERS_H

#include "shard/host.h"
#include "websocket/websocket.h"

struct zkt_session;

/**
 * Reads the parameters of @info into *@input, in the memory of @issues. Returns
 * false if a parameter is wrong, which has an issue, or if there is no memory,
 * which issues->no_memory says. No issue holds a value. Keys, cookies and
 * headers that no parameter names are ignored. @session, or NULL, has the
 * client's certificate. Takes time that is linear in the
 * request.
 */
bool zkt__parameters_read(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_connection_info *info,
                          const struct zkt_ws_request *request,
                          struct zkt_issues *issues, void *input);

#endif
