/*
 * The route of static files: the last one, for every path that no other route
 * takes. It belongs to the server's first driver; requests are answered on the
 * threads of their connections.
 */
#ifndef ZKT_NET_STATIC_FILES_H
#define ZKT_NET_STATIC_FILES_H

#include "server/server.h"

struct zkt_static_files;

/**
 * Adds the route, if the server's options name a folder; otherwise *@out is
 * NULL. Returns 0, or an error that has been logged: the folder cannot be
 * opened, an option is malformed, or there is no memory.
 */
int zkt__static_files_open(struct zkt_server *server,
                           struct zkt_static_files **out);

/** Removes the route, when no connection is left. Takes NULL. */
void zkt__static_files_close(struct zkt_static_files *files);

#endif
