/*
 * A failure as clients read it: of a call, of a subscription, or of a
 * connection. The members that a failure lacks are not written.
 */
#ifndef ZKT_PROTOCOL_FAILURE_H
#define ZKT_PROTOCOL_FAILURE_H

#include "base/buffer.h"
#include "zocket/status.h"
#include "json/json.h"

struct zkt_failure {
    enum zkt_status status;
    struct zkt_str text;    /* "": the text of the status */
    struct zkt_str reason;  /* the declared error; "": none */
    struct zkt_str details; /* of the declared error, JSON; "": none */
    struct zkt_str issues;  /* of an input, JSON; "": none */
    int64_t retry_after_ms; /* 0: not known */
};

/** Returns true if a call that failed with @status may succeed later. */
bool zkt__status_is_retryable(enum zkt_status status);

/** Writes the members `,"error":…,"code":…` of a message, and further ones for
 * the parts that @failure has. A failure with retry_after_ms is retryable. */
void zkt__write_failure(struct zkt_writer *w,
                        const struct zkt_failure *failure);

/** Returns these members as a buffer, or NULL if there is no memory; uses @w.
 */
struct zkt_buffer *zkt__failure_share(const struct zkt_failure *failure,
                                      struct zkt_writer *w);

#endif
