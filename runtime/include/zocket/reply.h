/*
 * The outcome of a call: of a client's (client.h), and of a server's program
 * (server.h, zkt_server_invoke); and of reading and writing values as JSON,
 * which generated `…_encode` and `…_decode` functions do.
 *
 *     #include <stdio.h>
 *
 *     #include "counter_client.h"
 *     #include "zocket/reply.h"
 *
 *     void on_inc(const struct zkt_reply *reply, int32_t n, void *user)
 *     {
 *         (void)user;
 *         if (reply->status == ZKT_OK) {
 *             printf("n is %d\n", n);
 *         } else if (reply->retryable) {
 *             printf("%s: again in %lld ms\n", reply->error,
 *                    (long long)reply->retry_after_ms);
 *         } else {
 *             printf("%s\n", reply->error);
 *         }
 *     }
 */
#ifndef ZOCKET_REPLY_H
#define ZOCKET_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/schema.h"
#include "zocket/status.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The outcome of a call.
 *
 * Of a blocking call, and of reading or writing JSON: { 0 } to begin with. It
 * owns the memory that results borrow from, of every call that it is passed to;
 * zkt_reply_clear frees it, once at the end, before or after the client is
 * closed. In a callback: only to be read, and good until the callback returns.
 */
struct zkt_reply {
    /* The status that the call returned. */
    enum zkt_status status;
    /* The text of the error; "" on success, never NULL after a call. */
    const char *error;
    /* The name of the error that the schema declares; "" if it is none. */
    const char *reason;
    /* True: the same call may succeed later. */
    bool retryable;
    /* The milliseconds until then; 0: not known. */
    int64_t retry_after_ms;
    /* The runtime's. */
    void *memory_;
    struct zkt_str details_, issues_;
};

/**
 * Frees the memory of a reply, and with it all that results borrow from it.
 * Takes NULL and a zeroed reply; a second call is harmless. From any thread
 * that uses the reply.
 */
void zkt_reply_clear(struct zkt_reply *reply);

/** Returns true if the reply is that error of the schema. From any thread. */
bool zkt_reply_is(const struct zkt_reply *reply, const struct zkt_error *error);

/**
 * Returns the details of an error of the schema, of the type of @error, for
 * generated code. They live as long as the reply; each call reads them anew.
 * Returns NULL if the reply is another error, if they do not fit the type, or
 * if there is no memory.
 */
const void *zkt_reply_details(const struct zkt_reply *reply,
                              const struct zkt_error *error);

/**
 * Calls @each for the issues of an input that breaks rules, in order: a code,
 * as Zod names it, the path of the value as a JSON array of keys and indexes,
 * and a text. All are borrowed until @each returns; @user is passed on. A reply
 * without issues has none.
 */
void zkt_reply_issues(const struct zkt_reply *reply,
                      void (*each)(struct zkt_str code, struct zkt_str path,
                                   struct zkt_str message, void *user),
                      void *user);

/* ---- values and JSON ---- */

/**
 * Writes *@value as JSON text, for generated `…_encode` functions. *@json ends
 * with a NUL; the reply owns it. The value is checked as a result of a handler
 * is, but for `check;`, which needs the handlers of an app.
 *
 * Returns ZKT_OK, or a status that the reply has with its text:
 * ZKT_INVALID_ARGUMENT: the value breaks rules, which zkt_reply_issues names,
 * or @reply is NULL; ZKT_NO_MEMORY. Then *@json is as it was. From any thread.
 */
enum zkt_status zkt_value_encode(const struct zkt_type *type, const void *value,
                                 struct zkt_str *json, struct zkt_reply *reply);

/**
 * Reads JSON text into *@value, for generated `…_decode` functions: as a server
 * reads an input, with defaults, transforms, a depth of 64 containers at most,
 * and all rules but `check;`. @json is borrowed until this returns, and not
 * changed. The value may borrow from @reply, which may be NULL if the value
 * holds no pointers. Patterns of the type are compiled anew in each call.
 *
 * Returns ZKT_OK, or a status that the reply has with its text:
 * ZKT_INVALID_ARGUMENT: the text is no JSON in UTF-8; the value breaks rules,
 * which zkt_reply_issues names; or @reply is NULL and the value needs it;
 * ZKT_RESOURCE_EXHAUSTED: the text has more than 1 GiB; ZKT_NO_MEMORY. Then
 * *@value is as it was. From any thread.
 */
enum zkt_status zkt_value_decode(const struct zkt_type *type,
                                 struct zkt_str json, void *value,
                                 struct zkt_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
