/* The reader of a request: shared by the files of this folder. */
#ifndef ZKT_HTTP_READER_H
#define ZKT_HTTP_READER_H

#ifdef ZKT_LLHTTP_RENAMED
#include "llhttp_names.h"
#endif
#include <llhttp.h>

#include "http/request.h"

/* Version 8 in its other mode ends a field at a bare CR, among other things. */
#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp 8 is to be compiled with LLHTTP_STRICT_MODE=1"
#endif

/* A part of the head; at 0: absent, since the method is there. */
struct zkt_http_part {
    uint32_t at, len;
};

struct zkt_http_reader {
    llhttp_t parser;
    struct zkt_http_limits limits;
    size_t have, capacity; /* of bytes */
    uint32_t head;         /* the length of the head, when it is complete */
    uint32_t line;         /* where a field may begin; 0: in the first line */
    struct zkt_http_part target, value; /* the value of the current field */
    struct zkt_http_part known[ZKT_HTTP_FIELD_COUNT];
    struct zkt_http_part host, resource; /* of the target */
    uint32_t repeated;  /* a bit for each list with more lines */
    uint32_t count;     /* fields */
    size_t extra;       /* bytes of chunk extensions and trailers */
    const char *unread; /* the begin of input that is not known as content */
    char last;          /* the byte before that; 0: content */
    uint8_t method, minor;
    uint8_t stage;
    uint8_t cors;        /* enum zkt_http_cors */
    bool begins_with_cr; /* and nothing else is received */
    bool expects_continue, asks_websocket, keeps_alive;
    uint16_t status; /* of the refusal, or 0 */
    uint8_t bytes[]; /* the head as received, then the body as decoded */
};

/** Judges a complete head by RFC 9112. Returns 0, or the status of the
 * refusal. */
int zkt__http_judge(struct zkt_http_reader *reader);

#endif
