/*
 * Any bytes from a client, through the whole server: the handshake, frames,
 * envelopes, the chat's decoders and handlers. The input is the raw stream; if
 * it does not begin with GET, a handshake precedes it and every line is the
 * payload of a text frame. The text of a message that is said decides when it
 * is said: `~` defers it, `!` resumes the first that was deferred. Each call is
 * a line of the log, which has no controls in any format.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "server/server.h"

#define main chat_main
#include "../chat/server.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- calls that are deferred ---- */

enum {
    HELD_MAX = 8
};

static struct demo_chat_say_later *held[HELD_MAX];
static size_t held_count;

static enum zkt_status say_now(struct demo_chat_call *call,
                               const struct demo_chat_say_input *in,
                               struct demo_message *out, void *user)
{
    (void)user;
    return zkt_cancelled(call->zkt) ? ZKT_OK : say(call, in, out);
}

static void ignore_notice(enum zkt_notice notice, void *user)
{
    (void)notice;
    (void)user;
}

static void resume_first(void)
{
    if (held_count > 0) {
        struct demo_chat_say_later *later = held[0];
        memmove(held, held + 1, --held_count * sizeof(held[0]));
        demo_chat_resume_say(later, say_now, NULL);
    }
}

static enum zkt_status say_or_wait(struct demo_chat_call *call,
                                   const struct demo_chat_say_input *in,
                                   struct demo_message *out)
{
    const char first = in->text.len > 0 ? in->text.data[0] : '\0';
    if (first == '!') {
        resume_first();
    }
    if (first != '~' || held_count == HELD_MAX) {
        return say(call, in, out);
    }
    held[held_count++] = demo_chat_defer_say(call);
    demo_chat_notify_say(held[held_count - 1], ignore_notice, NULL);
    return ZKT_PENDING;
}

/* ---- the log ---- */

static void check_line(const char *line)
{
    const size_t len = strlen(line);
    bool good = len < ZKT_LOG_LINE_MAX && zkt__utf8_valid(line, len);
    for (size_t i = 0; i < len; i++) {
        good = good && (unsigned char)line[i] >= ' ' && line[i] != 0x7f;
    }
    if (!good) {
        abort();
    }
}

static void check_record(void *user, const struct zkt_log_record *record)
{
    char line[ZKT_LOG_LINE_MAX];
    (void)user;
    (void)zkt_log_print_json(record, line);
    check_line(line);
    (void)zkt_log_print_logfmt(record, line);
    check_line(line);
}

/* ---- a client ---- */

static void feed(struct zkt_endpoint *e, const void *bytes, size_t len)
{
    struct zkt_slice slices[16];
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, bytes, len);
    e->ops->feed(e, copy, len);
    free(copy);
    for (size_t n; (n = e->ops->pending(e, slices, 16)) > 0;) {
        size_t total = 0;
        for (size_t i = 0; i < n; i++) {
            total += slices[i].len;
        }
        e->ops->sent(e, total);
    }
    e->core->now_ms++;
    e->core->ops->tick(e->core);
}

/* Feeds a text frame with a mask of zeros. */
static void feed_frame(struct zkt_endpoint *e, const uint8_t *text, size_t len)
{
    uint8_t frame[14 + 4096] = { 0x81 };
    len = len < 4096 ? len : 4096;
    size_t head = 2;
    if (len < 126) {
        frame[1] = (uint8_t)(0x80 | len);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(len >> 8);
        frame[3] = (uint8_t)len;
        head = 4;
    }
    memcpy(frame + head + 4, text, len);
    feed(e, frame, head + 4 + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const uint8_t seed[32] = { 1 };
    const struct zkt_serve_options options = { .random_seed = seed,
                                               .log_record = check_record,
                                               .log_level = ZKT_LOG_DEBUG };
    struct demo_chat_handlers later = chat;
    const struct demo_handlers handlers = { .chat = &later };
    struct zkt_server *server = NULL;
    later.say = say_or_wait;
    if (zkt_server_new(demo_app(&handlers), &options, &server) != ZKT_OK) {
        abort();
    }
    struct zkt_endpoint *e = zkt__server_accept(server, "fuzz");
    if (size > 0 && data[0] == 'G') {
        feed(e, data, size);
    } else {
        feed(e, request, sizeof(request) - 1);
        const uint8_t *end = data + size;
        while (data < end) {
            const uint8_t *line = memchr(data, '\n', (size_t)(end - data));
            line = line != NULL ? line : end;
            feed_frame(e, data, (size_t)(line - data));
            data = line < end ? line + 1 : end;
        }
    }
    e->ops->detach(e);
    resume_first();
    zkt_server_free(server);
    while (held_count > 0) {
        resume_first();
    }
    return 0;
}
