/*
 * The client's side of WebSocket, as far as a load needs it: the request of the
 * handshake, frames with a mask of zeros, which is as much work to remove, and
 * the end of a received frame.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* @more: further lines of the head, each with its CRLF. */
#define FRAMES_REQUEST(more)                                                   \
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"              \
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" more                \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/*
 * Makes a frame; its first byte is @first (0x81: a whole text). Allocates with
 * malloc; returns NULL if there is no memory. @size is the size of the frame,
 * @head the offset of the text.
 */
static inline char *make_frame(uint8_t first, const char *text, size_t len,
                               size_t *size, size_t *head)
{
    const int extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    *head = 6 + (size_t)extra;
    *size = *head + len;
    char *frame = calloc(1, *size);
    if (frame == NULL) {
        return NULL;
    }
    frame[0] = (char)first;
    frame[1] = (char)(0x80 | (extra == 0 ? len : extra == 2 ? 126 : 127));
    for (int i = 0; i < extra; i++) {
        frame[2 + i] = (char)(len >> 8 * (extra - 1 - i));
    }
    if (len > 0) {
        memcpy(frame + *head, text, len);
    }
    return frame;
}

/* Returns the length of the frame at @at and of its head, or 0 if it is
 * incomplete. */
static inline size_t measure_frame(const uint8_t *at, size_t left, size_t *head)
{
    size_t len = left >= 2 ? at[1] : 0;
    *head = len == 126 ? 4 : len == 127 ? 10 : 2;
    if (left < *head) {
        return 0;
    }
    for (size_t i = 2; i < *head; i++) {
        len = (i == 2 ? 0 : len << 8) | at[i];
    }
    return left - *head >= len ? *head + len : 0;
}

#endif
