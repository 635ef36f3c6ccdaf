/*
 * Compressed messages, of n bytes and of n final blocks, and the offers of a
 * request. A build without zlib has the offers alone.
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "websocket/deflate.h"

struct work {
    struct zkt_deflate *deflate;
    uint8_t *text, *packed;
    size_t len, packed_len;
};

/* A text that repeats itself, compressed. zlib has its memory afterwards. */
static void *prepare(const void *with, size_t n)
{
    struct zkt_inflated_message out;
    struct work *w = calloc(1, sizeof(*w));
    (void)with;
    w->len = 64 * n;
    w->text = malloc(w->len + 1);
    w->packed = malloc(w->len + 100);
    for (size_t i = 0; i < w->len; i++) {
        w->text[i] = (uint8_t)("patches"[i % 7] + (i / 7) % 11);
    }
    w->deflate = zkt__deflate_new(&growth_allocator);
    w->packed_len = zkt__deflate_message(w->deflate, w->text, w->len, w->packed,
                                         w->len + 100);
    if (zkt__inflate_message(w->deflate, w->packed, w->packed_len, w->len,
                             &out) != ZKT_INFLATED) {
        return NULL;
    }
    zkt__release(&growth_allocator, out.bytes);
    return w;
}

/* As many empty final blocks, each of which begins a stream. */
static void *prepare_finals(const void *with, size_t n)
{
    static const uint8_t empty[] = { 0x03, 0x00 };
    struct work *w = prepare(with, 1);
    if (w == NULL) {
        return NULL;
    }
    free(w->packed);
    w->packed = malloc(2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(w->packed + 2 * i, empty, 2);
    }
    w->packed[2 * n] = 0;
    w->packed_len = 2 * n + 1;
    w->len = 0;
    return w;
}

static bool run_deflate(void *work)
{
    struct work *w = work;
    return zkt__deflate_message(w->deflate, w->text, w->len, w->packed,
                                w->len + 100) == w->packed_len;
}

static bool run_inflate(void *work)
{
    struct work *w = work;
    struct zkt_inflated_message out;
    if (zkt__inflate_message(w->deflate, w->packed, w->packed_len, w->len,
                             &out) != ZKT_INFLATED) {
        return false;
    }
    const bool same = out.len == w->len;
    zkt__release(&growth_allocator, out.bytes);
    return same;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt__deflate_free(w->deflate);
    free(w->text);
    free(w->packed);
    free(w);
}

/* ---- offers ---- */

static void *prepare_offers(const void *with, size_t n)
{
    const char *offer = with;
    const size_t each = strlen(offer);
    char *line = malloc(n * each + 32);
    char *at = stpcpy(line, "permessage-deflate");
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, offer);
    }
    return line;
}

static bool run_offers(void *work)
{
    struct zkt_deflate_offer offer = { .accepted = false };
    zkt__deflate_read_offers(zkt_cstr(work), &offer);
    return true;
}

void growth_deflate(void)
{
    static const struct growth_row rows[] = {
        { "deflate: a message", 2048, NULL, prepare, run_deflate, finish },
        { "deflate: a message that arrives", 2048, NULL, prepare, run_inflate,
          finish },
        { "deflate: final blocks", 0, NULL, prepare_finals, run_inflate,
          finish },
    };
    static const struct growth_row offers[] = {
        { "deflate: offers", 0, "; x=1, permessage-deflate", prepare_offers,
          run_offers, free },
        { "deflate: parameters", 0, "; client_max_window_bits", prepare_offers,
          run_offers, free },
    };
    for (size_t i = 0; zkt__deflate_is_built() && i < 3; i++) {
        growth_measure(&rows[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        growth_measure(&offers[i]);
    }
}
