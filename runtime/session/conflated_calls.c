/* See conflated_calls.h. */
#include "session/conflated_calls.h"

#include "protocol/frame.h"

enum {
    CALLS_MAX = 64,
    TEXT_MAX = 1024
};

struct zkt_conflated_calls {
    uint32_t count;
    uint32_t len;
    char text[TEXT_MAX]; /* the ids, with commas between them */
};

void zkt__conflated_calls_keep(struct zkt_host *host,
                               struct zkt_conflated_calls **calls,
                               struct zkt_str id)
{
    if (*calls == NULL) {
        *calls = zkt__alloc_zero(host->allocator, 1, sizeof(**calls));
    }
    struct zkt_conflated_calls *c = *calls;
    if (c == NULL || c->count == CALLS_MAX || c->len + 1 + id.len > TEXT_MAX) {
        return;
    }
    if (c->count > 0) {
        c->text[c->len++] = ',';
    }
    memcpy(c->text + c->len, id.data, id.len);
    c->len += (uint32_t)id.len;
    c->count++;
}

struct zkt_buffer *zkt__conflated_calls_name(
    const struct zkt_host *host, const struct zkt_conflated_calls *calls,
    const struct zkt_buffer *snapshot)
{
    const struct zkt_str text = zkt__frame_text(snapshot);
    struct zkt_writer w;
    zkt__writer_init(&w, host->allocator);
    zkt__frame_begin(&w);
    zkt_write_raw(&w, text.data, text.len - 1);
    ZKT_WRITE(&w, ",\"calls\":[");
    zkt_write_raw(&w, calls->text, calls->len);
    ZKT_WRITE(&w, "]}");
    struct zkt_buffer *named = zkt__frame_share(&w);
    zkt__writer_finish(&w);
    return named;
}

void zkt__conflated_calls_free(const struct zkt_host *host,
                               struct zkt_conflated_calls *calls)
{
    if (calls != NULL) {
        zkt__release(host->allocator, calls);
    }
}
