/*
 * The path of a request for an actor, `/actors/{actor}/{id}` or
 * `/actors/{actor}/{id}/{method}`. It is split first; then the id is decoded,
 * once, so that it may hold a slash.
 */
#ifndef ZKT_SERVER_ACTOR_ADDRESS_H
#define ZKT_SERVER_ACTOR_ADDRESS_H

#include "zocket/types.h"

struct zkt_actor_address {
    struct zkt_str actor, id, method; /* method.data NULL: none */
    char decoded[256];                /* the id */
};

/** Parses a path, which begins with `/actors/`. Returns 0; 404 if it has other
 * parts; or 400 if the id is malformed, too long or no UTF-8. */
int zkt__actor_address_parse(struct zkt_str path,
                             struct zkt_actor_address *address);

#endif
