/*
 * The index of the calls in progress, by the number in their ids. Every reply
 * of the server names a call, so finding it must not depend on their count.
 */
#ifndef ZKT_CLIENT_CALL_INDEX_H
#define ZKT_CLIENT_CALL_INDEX_H

#include <stdbool.h>

#include "zocket/slice.h"

struct zkt_client;
struct zkt_pending;

#define ZKT_CALL_ID_MAX 48 /* bytes of an id, with its quotes */

/** `"rpc_<number>_<milliseconds in base 36>"`; a view of @memory. */
struct zkt_str zkt__call_id(char memory[ZKT_CALL_ID_MAX],
                            const struct zkt_pending *p);
/** Adds a call by its number. Returns false if there is no memory. */
bool zkt__call_index_add(struct zkt_client *client, struct zkt_pending *p);
/** Removes a call, if it was added: a late reply does not find it. */
void zkt__call_index_remove(struct zkt_client *client, struct zkt_pending *p);
/** Returns the call of that number, sent or not; NULL: it has ended. */
struct zkt_pending *zkt__call_index_get(const struct zkt_client *client,
                                        uint64_t number);
/** The call that was sent with this id token, or NULL. */
struct zkt_pending *zkt__call_index_find(const struct zkt_client *client,
                                         struct zkt_str id);

#endif
