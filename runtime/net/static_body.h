/* The bytes of an open file as the body of an answer. */
#ifndef ZKT_NET_STATIC_BODY_H
#define ZKT_NET_STATIC_BODY_H

#include "base/memory.h"
#include "http/body.h"
#include "http/conditions.h"

/**
 * Returns a source that reads @range of the file @fd, and fails if the file has
 * become shorter. When it is closed it closes @fd, calls @ended with @user, if
 * not NULL, and frees itself. Returns NULL if there is no memory: then it has
 * closed @fd, and calls nothing.
 */
struct zkt_http_source *zkt__static_body_new(
    const struct zkt_allocator *allocator, int fd, struct zkt_http_range range,
    void (*ended)(void *user), void *user);

#endif
