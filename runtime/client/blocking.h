/*
 * Functions that block run the turns of the client until a flag is set, or, on
 * another thread than the client's, wait for the client's thread to set it.
 * Their replies own an arena for the result.
 */
#ifndef ZKT_CLIENT_BLOCKING_H
#define ZKT_CLIENT_BLOCKING_H

#include "base/memory.h"
#include "zocket/client.h"
#include "zocket/codec.h"

struct zkt_envelope;
struct zkt_client;
struct zkt_remote_method;

/** Returns true if the input keeps its rules; writes the issues to @text. */
bool zkt__call_input_is_valid(struct zkt_client *client,
                              const struct zkt_remote_method *method,
                              const void *input, struct zkt_writer *text);

/** The arena of a blocking call's reply, made on first use. Returns NULL if
 * there is no memory. */
struct zkt_arena *zkt__reply_arena(const struct zkt_client *client,
                                   struct zkt_reply *reply);
/** Sets the outcome of a blocking call's reply; copies the text. */
void zkt__reply_set(const struct zkt_client *client, struct zkt_reply *reply,
                    enum zkt_status status, struct zkt_str error);
/** Adds the parts of a failed reply beside status and text. */
void zkt__reply_keep(const struct zkt_client *client, struct zkt_reply *reply,
                     const struct zkt_envelope *message);

/** Runs turns until @over is set. Returns false if no turn can be run. */
bool zkt__block(struct zkt_client *client, const bool *over);
/** Ends a blocking function, which client->blocking counts. */
void zkt__unblock(struct zkt_client *client);

#endif
