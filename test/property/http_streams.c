/*
 * Prints the requests in streams, for test/property/http_node.mjs. Each stream
 * is its length, four bytes in big-endian order, and its bytes; each line has
 * the requests of a stream:
 *
 *   METHOD TARGET BODY|…   BODY in hexadecimal digits, a target without host
 *   STATUS@OFFSET          of a refusal, at which a stream ends, and of the
 *                          request
 *   last                   instead of what follows a request that is the last
 *   more                   if a request is not complete
 *
 * With an argument it prints the streams of http_cases.def like that instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/http_cases.h"
#include "http/request.h"

static void put_request(const struct zkt_http_reader *r)
{
    static const char *const names[] = {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"
    };
    struct zkt_http_request request;
    zkt__http_get(r, &request);
    printf("%s %.*s ", names[request.method], ZKT_ARG(request.target));
    for (size_t i = 0; i < request.body.len; i++) {
        printf("%02x", (unsigned char)request.body.data[i]);
    }
    printf("|%s", request.keeps_alive ? "" : "last");
}

/* Reads a request off *@at. Returns false at the end of the stream. */
static bool read_request(const uint8_t *begin, const uint8_t **at,
                         const uint8_t *end)
{
    const size_t offset = (size_t)(*at - begin);
    const struct zkt_allocator *allocator = &zkt__allocator_default;
    const struct zkt_http_limits limits = { 1 << 20, 1 << 20 };
    struct zkt_http_reader *r = zkt__http_reader_new(allocator, limits);
    enum zkt_http_stage stage = ZKT_HTTP_READING_HEAD;
    while (*at < end && stage < ZKT_HTTP_COMPLETE) {
        size_t used;
        if (!zkt__http_read(allocator, &r, *at, (size_t)(end - *at), &used)) {
            abort();
        }
        *at += used;
        stage = zkt__http_stage(r);
    }
    bool goes_on = false;
    size_t memory;
    if (stage == ZKT_HTTP_COMPLETE) {
        struct zkt_http_request request;
        zkt__http_get(r, &request);
        put_request(r);
        goes_on = request.keeps_alive;
    } else if (stage == ZKT_HTTP_REFUSED) {
        printf("%d@%zu", zkt__http_refusal(r), offset);
    } else if (zkt__http_received(r, &memory) > 0) {
        printf("more");
    }
    zkt__http_reader_free(allocator, r);
    return goes_on;
}

static bool read_stream(void)
{
    uint8_t head[4];
    if (fread(head, 1, 4, stdin) != 4) {
        return false;
    }
    const size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
                       (size_t)head[2] << 8 | head[3];
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    if (bytes == NULL || fread(bytes, 1, len, stdin) != len) {
        free(bytes);
        return false;
    }
    const uint8_t *at = bytes;
    while (at < bytes + len && read_request(bytes, &at, bytes + len)) {
    }
    putchar('\n');
    free(bytes);
    return true;
}

static void put_cases(void)
{
    for (size_t i = 0; i < HTTP_CASES; i++) {
        for (size_t k = 0; k < http_cases[i].len; k++) {
            printf("%02x", (unsigned char)http_cases[i].bytes[k]);
        }
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        put_cases();
    } else {
        while (read_stream()) {
        }
    }
    return EXIT_SUCCESS;
}
