/*
 * An ask: a call of an instance that no client makes, but the program or
 * another instance. It crosses the shards as the messages of clients do; its
 * reply is a C value instead of a frame. An ask exists from its begin until its
 * reply has been delivered, and has all memory that it needs for that, except
 * for the result.
 *
 * An ask belongs to the shard that asks (session/asks.h), and while its message
 * is with the instance, to the instance's shard.
 */
#ifndef ZKT_SHARD_ASK_H
#define ZKT_SHARD_ASK_H

#include "shard/message.h"

struct zkt_reply_memory;

#define ZKT_ASK_NAME_MAX 256 /* bytes of an actorId */

/* The first member of a struct of the asker, which has the data of finish. */
struct zkt_ask {
    struct zkt_node node; /* in a list of the asker, or of zkt_asks */
    const struct zkt_allocator *allocator;
    const struct zkt_actor *actor;
    struct zkt_str name; /* the actorId; stored after the asker's struct */
    struct zkt_request request; /* its trace is stored there, too */
    const struct zkt_method *method;
    struct zkt_chain *chain; /* of the call that asks (chain.h), or NULL */
    struct zkt_msg *carrier; /* the call; NULL: it is under way, or was */
    size_t bytes;            /* of the ask and its call, for the limits */
    /* The reply. */
    bool without_result;        /* nobody reads the result */
    struct zkt_failure failure; /* its status is ZKT_OK after a success */
    void *result;               /* a copy; NULL: there is none */
    void *texts;                /* memory of the failure's texts, or NULL */
    /* Delivers the reply, on the shard that asks. Takes the ask. */
    void (*finish)(struct zkt_host *host, struct zkt_ask *ask);
};

/** The method that an ask calls, and copies to make of its input. */
struct zkt_asked {
    const struct zkt_actor *actor;
    struct zkt_str name;
    const struct zkt_method *method;
    /* Of the middleware of the method that has one; NULL: none has. */
    const void *const *outputs;
    const void *input;
    struct zkt_request request; /* of the call that asks; zero: a new one */
};

/**
 * Makes an ask, with copies of all that it needs, as the first member of a
 * struct of @size bytes; the caller sets the rest, and finish. Any thread.
 * Returns NULL if there is no memory.
 */
struct zkt_ask *zkt__ask_new(const struct zkt_allocator *allocator,
                             const struct zkt_app_info *info,
                             const struct zkt_asked *asked, size_t size);
void zkt__ask_free(struct zkt_ask *ask);

/** Keeps a copy of the result, of @type; NULL: there is none. Returns false if
 * there is no memory. */
bool zkt__ask_succeed(struct zkt_ask *ask, const struct zkt_type *type,
                      const void *result);
/** Keeps a copy of the failure; without memory, its status and its time. */
void zkt__ask_fail(struct zkt_ask *ask, const struct zkt_failure *failure);

/** Describes the reply of an ask as the program reads it, with @memory, which
 * lives as long and is finished by the caller. */
struct zkt_reply zkt__ask_reply(const struct zkt_ask *ask,
                                const struct zkt_hash_key *key,
                                struct zkt_reply_memory *memory);

#endif
