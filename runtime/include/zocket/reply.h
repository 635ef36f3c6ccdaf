/*
 * The outcome of a call: of a client's (client.h), and of a server's program
 * (server.h, zkt_server_invoke).
 */
#ifndef ZOCKET_REPLY_H
#define ZOCKET_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The outcome of a call.
 *
 * Of a blocking call: { 0 } to begin with. It owns the memory that results
 * borrow from, of every call that it is passed to; zkt_reply_clear frees it,
 * once at the end, before or after the client is closed. In a callback: only to
 * be read, and good until the callback returns.
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
};

#ifdef __cplusplus
}
#endif
#endif
