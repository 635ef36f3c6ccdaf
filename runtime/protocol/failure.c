/* Writes failures: see failure.h. */
#include "protocol/failure.h"

#include <string.h>

bool zkt__status_is_retryable(enum zkt_status status)
{
    return status == ZKT_DEADLINE_EXCEEDED ||
           status == ZKT_RESOURCE_EXHAUSTED || status == ZKT_UNAVAILABLE ||
           status == ZKT_ABORTED;
}

static void write_retrying(struct zkt_writer *w,
                           const struct zkt_failure *failure)
{
    if (failure->retry_after_ms <= 0) {
        return;
    }
    if (!zkt__status_is_retryable(failure->status)) {
        ZKT_WRITE(w, ",\"retryable\":true");
    }
    ZKT_WRITE(w, ",\"retryAfterMs\":");
    zkt_write_int64(w, failure->retry_after_ms);
}

void zkt__write_failure(struct zkt_writer *w, const struct zkt_failure *failure)
{
    const enum zkt_status status = failure->status;
    ZKT_WRITE(w, ",\"error\":");
    zkt_write_string(w, failure->text.len > 0
                            ? failure->text
                            : zkt_cstr(zkt_status_text(status)));
    ZKT_WRITE(w, ",\"code\":");
    zkt_write_string(w, zkt_cstr(zkt_status_name(status)));
    if (failure->reason.len > 0) {
        ZKT_WRITE(w, ",\"reason\":");
        zkt_write_string(w, failure->reason);
    }
    if (failure->details.len > 0) {
        ZKT_WRITE(w, ",\"details\":");
        zkt_write_raw(w, failure->details.data, failure->details.len);
    }
    write_retrying(w, failure);
    if (failure->issues.len > 0) {
        ZKT_WRITE(w, ",\"issues\":");
        zkt_write_raw(w, failure->issues.data, failure->issues.len);
    }
}

struct zkt_buffer *zkt__failure_share(const struct zkt_failure *failure,
                                      struct zkt_writer *w)
{
    w->len = 0;
    w->failed = false;
    zkt__write_failure(w, failure);
    if (w->failed) {
        return NULL;
    }
    struct zkt_buffer *buffer = zkt__buffer_new(w->allocator, w->len);
    if (buffer != NULL) {
        memcpy(buffer->data, w->data, w->len);
    }
    return buffer;
}
