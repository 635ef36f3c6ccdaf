/*
 * Frames according to RFC 6455, as a table: the input of a server or a client,
 * and the resulting close code, replies and messages; each case whole and byte
 * by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "websocket/websocket.h"

enum {
    MESSAGE_MAX = 300,
    BYTES_MAX = 2048
};

/* ---- a connection ---- */

struct heard {
    struct zkt_ws *ws;
    bool pauses;          /* at every message */
    bool pauses_sent;     /* at every reply */
    char text[BYTES_MAX]; /* "t:hello " for a message, "b:" if binary */
    uint8_t sent[BYTES_MAX];
    size_t text_len, sent_len;
    unsigned code;
    unsigned limit;
    uint8_t memory[MESSAGE_MAX + ZKT_PADDING];
};

static uint8_t *on_memory(void *user, size_t len)
{
    struct heard *h = user;
    return len <= MESSAGE_MAX ? h->memory : NULL;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct heard *h = user;
    const char *show = len > 100 ? "long" : (const char *)data;
    assert_int_equal(h->code, 0); /* no message after the close */
    assert_false(zkt__ws_is_paused(h->ws));
    if (h->pauses) {
        zkt__ws_pause(h->ws);
    }
    h->text_len += (size_t)snprintf(h->text + h->text_len,
                                    sizeof(h->text) - h->text_len, "%c:%s ",
                                    binary ? 'b' : 't', show);
}

static void on_send(void *user, const void *data, size_t len)
{
    struct heard *h = user;
    assert_true(h->sent_len + len <= sizeof(h->sent));
    if (h->pauses_sent) {
        zkt__ws_pause(h->ws);
    }
    memcpy(h->sent + h->sent_len, data, len);
    h->sent_len += len;
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct heard *h = user;
    assert_int_equal(h->code, 0); /* only once */
    assert_non_null(reason);
    h->code = code;
}

static const struct zkt_ws_callbacks callbacks = {
    .memory = on_memory,
    .on_message = on_message,
    .send = on_send,
    .on_close = on_close,
};
static const struct zkt_ws_limits limits = { MESSAGE_MAX, 1024, 4, 0 };
static const struct zkt_ws_setup setup = { .callbacks = &callbacks,
                                           .allocator = &zkt__allocator_default,
                                           .limits = &limits };

/* ---- frames ---- */

enum form {
    SHORTEST,
    TWO, /* bytes of length, needed or not */
    EIGHT
};

struct frame {
    uint8_t first; /* FIN, reserved bits, opcode */
    const char *payload;
    size_t len; /* 0 for the length of the text */
    enum form form;
    bool wrong_mask; /* masked if it must not be, and vice versa */
    size_t cut;      /* the number of its bytes that are sent */
};

static size_t length_of(const struct frame *f)
{
    return f->len > 0 ? f->len : strlen(f->payload);
}

static size_t put_head(uint8_t *to, const struct frame *f, bool masked)
{
    const size_t len = length_of(f);
    const uint8_t mask = masked ? 0x80 : 0;
    to[0] = f->first;
    if (f->form == SHORTEST && len < 126) {
        to[1] = (uint8_t)(mask | len);
        return 2;
    }
    const size_t extra = f->form == EIGHT ? 8 : 2;
    to[1] = (uint8_t)(mask | (extra == 8 ? 127 : 126));
    for (size_t i = 0; i < extra; i++) {
        to[1 + extra - i] = (uint8_t)((uint64_t)len >> 8 * i);
    }
    return 2 + extra;
}

static size_t put_frame(uint8_t *to, const struct frame *f, bool masked)
{
    static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
    const size_t len = length_of(f);
    size_t at = put_head(to, f, masked);
    if (masked) {
        memcpy(to + at, key, 4);
        at += 4;
    }
    for (size_t i = 0; i < len; i++) {
        const uint8_t byte =
            (uint8_t)(f->len > 0 && f->payload[0] == '*' ? 'x' : f->payload[i]);
        to[at + i] = masked ? byte ^ key[i & 3] : byte;
    }
    return f->cut > 0 ? f->cut : at + len;
}

/* Describes the replies as text: "8:1002 " is a close frame with its code,
 * "a:…" a pong. */
static void describe_replies(const struct heard *h, bool masked, char *out)
{
    size_t at = 0, len = 0;
    out[0] = '\0';
    while (at < h->sent_len) {
        const uint8_t *head = h->sent + at;
        const size_t n = head[1] & 127, start = masked ? 6 : 2;
        char payload[128] = "";
        assert_true((head[0] & 0xf0) == 0x80 && n <= 125);
        assert_int_equal(head[1] >> 7, masked);
        for (size_t i = 0; i < n; i++) {
            payload[i] = (char)(head[start + i] ^
                                (masked ? head[2 + i % 4] : 0));
        }
        if ((head[0] & 15) == 8 && n >= 2) {
            len += (size_t)sprintf(out + len, "8:%d ",
                                   (uint8_t)payload[0] << 8 |
                                       (uint8_t)payload[1]);
        } else {
            len += (size_t)sprintf(out + len, "%x:%s ", head[0] & 15u,
                                   n > 100 ? "long" : payload);
        }
        at += start + n;
    }
    assert_int_equal(at, h->sent_len);
}

/* ---- the table ---- */

#define FRAMES 6

struct row {
    const char *section, *what;
    struct frame frames[FRAMES]; /* up to the first frame without a payload */
    const char *messages, *replies;
    unsigned code; /* 0 if the connection stays open */
};

#define GOOD 0

static const struct row table[] = {
    /* Base framing. */
    { "5.2", "text", { { 0x81, "hello", 0, 0, 0, 0 } }, "t:hello ", "", GOOD },
    { "5.2", "binary", { { 0x82, "\xff", 0, 0, 0, 0 } }, "b:\xff ", "", GOOD },
    { "5.2",
      "an empty message",
      { { 0x81, "", 0, 0, 0, 0 } },
      "t: ",
      "",
      GOOD },
    { "5.2",
      "126 bytes",
      { { 0x81, "*", 126, 0, 0, 0 } },
      "t:long ",
      "",
      GOOD },
    { "5.2", "RSV1", { { 0xc1, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2", "RSV2", { { 0xa1, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2", "RSV3", { { 0x91, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2",
      "RSV1 of a ping",
      { { 0xc9, "x", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.2", "opcode 3", { { 0x83, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2", "opcode 7", { { 0x87, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2", "opcode 11", { { 0x8b, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2", "opcode 15", { { 0x8f, "x", 0, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "5.2",
      "2 bytes of length for 5",
      { { 0x81, "hello", 0, TWO, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.2",
      "8 bytes of length for 5",
      { { 0x81, "hello", 0, EIGHT, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.2",
      "8 bytes of length for 200",
      { { 0x82, "*", 200, EIGHT, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.1, 5.3",
      "the wrong mask",
      { { 0x81, "x", 0, 0, true, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.1, 5.3",
      "a ping with it",
      { { 0x89, "x", 0, 0, true, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.1",
      "over the limit",
      { { 0x82, "*", 301, 0, 0, 0 } },
      "",
      "8:1009 ",
      1009 },
    { "7.4.1",
      "judged by the head",
      { { 0x82, "*", 301, 0, 0, 10 } },
      "",
      "8:1009 ",
      1009 },
    /* Fragments. */
    { "5.4",
      "two",
      { { 0x01, "hel", 0, 0, 0, 0 }, { 0x80, "lo", 0, 0, 0, 0 } },
      "t:hello ",
      "",
      GOOD },
    { "5.4",
      "empty ones",
      { { 0x01, "", 0, 0, 0, 0 },
        { 0x00, "", 0, 0, 0, 0 },
        { 0x80, "", 0, 0, 0, 0 } },
      "t: ",
      "",
      GOOD },
    { "5.4",
      "a ping within",
      { { 0x01, "a", 0, 0, 0, 0 },
        { 0x89, "p", 0, 0, 0, 0 },
        { 0x80, "b", 0, 0, 0, 0 } },
      "t:ab ",
      "a:p ",
      GOOD },
    { "5.4",
      "a pong within",
      { { 0x02, "a", 0, 0, 0, 0 },
        { 0x8a, "p", 0, 0, 0, 0 },
        { 0x80, "b", 0, 0, 0, 0 } },
      "b:ab ",
      "",
      GOOD },
    { "5.4",
      "a close within",
      { { 0x01, "a", 0, 0, 0, 0 }, { 0x88, "\x03\xe8", 0, 0, 0, 0 } },
      "",
      "8:1000 ",
      1000 },
    { "5.4",
      "a continuation of nothing",
      { { 0x80, "x", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.4",
      "a text within a text",
      { { 0x01, "a", 0, 0, 0, 0 }, { 0x81, "b", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.4",
      "a binary within a text",
      { { 0x01, "a", 0, 0, 0, 0 }, { 0x02, "b", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.4",
      "a continuation after the last",
      { { 0x01, "a", 0, 0, 0, 0 },
        { 0x80, "b", 0, 0, 0, 0 },
        { 0x80, "c", 0, 0, 0, 0 } },
      "t:ab ",
      "8:1002 ",
      1002 },
    { "10.4",
      "over the limit together",
      { { 0x02, "*", 200, 0, 0, 0 }, { 0x80, "*", 101, 0, 0, 0 } },
      "",
      "8:1009 ",
      1009 },
    { "10.4",
      "more than so many",
      { { 0x02, "a", 0, 0, 0, 0 },
        { 0x00, "b", 0, 0, 0, 0 },
        { 0x00, "c", 0, 0, 0, 0 },
        { 0x00, "d", 0, 0, 0, 0 },
        { 0x00, "e", 0, 0, 0, 0 } },
      "",
      "8:1009 ",
      1009 },
    /* Control frames. */
    { "5.5.2", "a ping", { { 0x89, "p", 0, 0, 0, 0 } }, "", "a:p ", GOOD },
    { "5.5.2", "an empty ping", { { 0x89, "", 0, 0, 0, 0 } }, "", "a: ", GOOD },
    { "5.5.2",
      "125 bytes of it",
      { { 0x89, "*", 125, 0, 0, 0 } },
      "",
      "a:long ",
      GOOD },
    { "5.5.2",
      "every ping has its pong",
      { { 0x89, "1", 0, 0, 0, 0 }, { 0x89, "2", 0, 0, 0, 0 } },
      "",
      "a:1 a:2 ",
      GOOD },
    { "5.5",
      "126 bytes of a ping",
      { { 0x89, "*", 126, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.5",
      "126 bytes of a close",
      { { 0x88, "*", 126, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.5",
      "a ping in pieces",
      { { 0x09, "p", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.5",
      "a close in pieces",
      { { 0x08, "\x03\xe8", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.5.3",
      "an unsolicited pong",
      { { 0x8a, "p", 0, 0, 0, 0 }, { 0x81, "x", 0, 0, 0, 0 } },
      "t:x ",
      "",
      GOOD },
    /* Closing. */
    { "5.5.1", "no code", { { 0x88, "", 0, 0, 0, 0 } }, "", "8: ", 1005 },
    { "5.5.1",
      "half of a code",
      { { 0x88, "\x03", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "5.5.1",
      "a code and a reason",
      { { 0x88,
          "\x03\xe9"
          "bye",
          0, 0, 0, 0 } },
      "",
      "8:1001 ",
      1001 },
    { "5.5.1",
      "a reason in UTF-8",
      { { 0x88, "\x03\xe8\xc3\xa9", 0, 0, 0, 0 } },
      "",
      "8:1000 ",
      1000 },
    { "5.5.1",
      "and longer",
      { { 0x88, "\x03\xe8\xe2\x82\xac\xf0\x9f\x98\x80", 0, 0, 0, 0 } },
      "",
      "8:1000 ",
      1000 },
    { "8.1",
      "a reason that is not",
      { { 0x88, "\x03\xe8\xff", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "nor is this",
      { { 0x88,
          "\x03\xe8"
          "abc\xed\xa0\x80",
          0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "5.5.1",
      "nothing counts after it",
      { { 0x88, "\x03\xe8", 0, 0, 0, 0 }, { 0x81, "x", 0, 0, 0, 0 } },
      "",
      "8:1000 ",
      1000 },
    { "7.4.1",
      "1003",
      { { 0x88, "\x03\xeb", 0, 0, 0, 0 } },
      "",
      "8:1003 ",
      1003 },
    { "7.4.1",
      "1007",
      { { 0x88, "\x03\xef", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "7.4.1",
      "1011",
      { { 0x88, "\x03\xf3", 0, 0, 0, 0 } },
      "",
      "8:1011 ",
      1011 },
    { "11.7",
      "1012, registered since",
      { { 0x88, "\x03\xf4", 0, 0, 0, 0 } },
      "",
      "8:1012 ",
      1012 },
    { "11.7",
      "1013 with a reason",
      { { 0x88, "\x03\xf5later", 0, 0, 0, 0 } },
      "",
      "8:1013 ",
      1013 },
    { "11.7",
      "1014",
      { { 0x88, "\x03\xf6", 0, 0, 0, 0 } },
      "",
      "8:1014 ",
      1014 },
    { "7.4.2",
      "3000",
      { { 0x88, "\x0b\xb8", 0, 0, 0, 0 } },
      "",
      "8:3000 ",
      3000 },
    { "7.4.2",
      "4999",
      { { 0x88, "\x13\x87", 0, 0, 0, 0 } },
      "",
      "8:4999 ",
      4999 },
    { "7.4.2", "0", { { 0x88, "\0\0", 2, 0, 0, 0 } }, "", "8:1002 ", 1002 },
    { "7.4.2",
      "999",
      { { 0x88, "\x03\xe7", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.1",
      "1004, reserved",
      { { 0x88, "\x03\xec", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.1",
      "1005, never sent",
      { { 0x88, "\x03\xed", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.1",
      "1006, never sent",
      { { 0x88, "\x03\xee", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.1",
      "1015, never sent",
      { { 0x88, "\x03\xf7", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.2",
      "1016, not registered",
      { { 0x88, "\x03\xf8", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.2",
      "2999",
      { { 0x88, "\x0b\xb7", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    { "7.4.2",
      "5000",
      { { 0x88, "\x13\x88", 0, 0, 0, 0 } },
      "",
      "8:1002 ",
      1002 },
    /* UTF-8 (RFC 3629). */
    { "8.1",
      "characters of every length",
      { { 0x81, "$\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80", 0, 0, 0, 0 } },
      "t:$\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80 ",
      "",
      GOOD },
    { "8.1",
      "the last code point",
      { { 0x81, "\xf4\x8f\xbf\xbf", 0, 0, 0, 0 } },
      "t:\xf4\x8f\xbf\xbf ",
      "",
      GOOD },
    { "8.1",
      "the one behind it",
      { { 0x81, "\xf4\x90\x80\x80", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "a surrogate",
      { { 0x81, "\xed\xa0\x80", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "longer than it need be",
      { { 0x81, "\xc0\xaf", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "half a character",
      { { 0x81, "a\xe2\x82", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "one over two fragments",
      { { 0x01, "\xe2\x82", 0, 0, 0, 0 }, { 0x80, "\xac", 0, 0, 0, 0 } },
      "t:\xe2\x82\xac ",
      "",
      GOOD },
    { "8.1",
      "half of one at the end",
      { { 0x01, "a", 0, 0, 0, 0 }, { 0x80, "\xe2\x82", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "judged before the message ends",
      { { 0x01, "a\xff", 0, 0, 0, 0 } },
      "",
      "8:1007 ",
      1007 },
    { "8.1",
      "and before the frame ends",
      { { 0x81,
          "a\xff"
          "bcdefgh",
          0, 0, 0, 8 } },
      "",
      "8:1007 ",
      1007 },
    { "5.6",
      "binary need not be UTF-8",
      { { 0x02, "\xed\xa0", 0, 0, 0, 0 }, { 0x80, "\xff", 0, 0, 0, 0 } },
      "b:\xed\xa0\xff ",
      "",
      GOOD },
};

/* Feeds all bytes; after each pause, continues with the rest. */
static void feed(struct zkt_ws *ws, uint8_t *bytes, size_t len)
{
    size_t taken = zkt__ws_feed(ws, bytes, len);
    while (taken < len) {
        assert_true(zkt__ws_is_paused(ws));
        zkt__ws_resume(ws);
        taken += zkt__ws_feed(ws, bytes + taken, len - taken);
    }
    zkt__ws_resume(ws);
}

static void run_row(const struct row *row, bool client, size_t cut, bool pauses)
{
    static struct heard h;
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    uint8_t bytes[BYTES_MAX];
    char replies[BYTES_MAX];
    struct zkt_random random;
    struct zkt_ws_client with_random = { .random = &random };
    struct zkt_hash_key key;
    struct zkt_ws ws;
    size_t len = 0;
    for (size_t i = 0; i < FRAMES && row->frames[i].payload != NULL; i++) {
        const bool masked = client == row->frames[i].wrong_mask;
        len += put_frame(bytes + len, &row->frames[i], masked);
    }
    memset(&h, 0, sizeof(h));
    h.ws = &ws;
    h.pauses = pauses;
    assert_true(zkt__random_init(&random, &key, seed));
    zkt__ws_init_server(&ws, &setup, &h);
    ws.role = client ? ZKT_WS_CLIENT : ZKT_WS_SERVER;
    if (client) {
        ws.client = &with_random;
    }
    ws.state = ZKT_WS_OPEN;
    for (size_t at = 0; at < len; at += cut) {
        feed(&ws, bytes + at, len - at < cut ? len - at : cut);
    }
    describe_replies(&h, client, replies);
    if (strcmp(h.text, row->messages) != 0 ||
        strcmp(replies, row->replies) != 0 || h.code != row->code) {
        fail_msg("RFC 6455, section %s, %s (%s, cut %zu): messages %s, "
                 "replies %s, close %u",
                 row->section, row->what, client ? "client" : "server", cut,
                 h.text, replies, h.code);
    }
    assert_int_equal(ws.state, row->code == GOOD ? ZKT_WS_OPEN : ZKT_WS_CLOSED);
    zkt__ws_finish(&ws);
}

static void test_frames(void **state)
{
    static const size_t cuts[] = { 1, 2, 3, 7, BYTES_MAX };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
            run_row(&table[i], false, cuts[k], false);
            run_row(&table[i], true, cuts[k], false);
            run_row(&table[i], false, cuts[k], true);
            run_row(&table[i], true, cuts[k], true);
        }
    }
}

/* ---- heads ---- */

enum {
    NO_LIMIT = 99
};

/*
 * Sequences of frames; the head of the last frame is refused before its payload
 * arrives.
 */
struct head_row {
    const char *what;
    struct frame frames[FRAMES];
    unsigned limit; /* of enum zkt_ws_limit, or NO_LIMIT */
};

static const struct head_row heads[] = {
    { "a message over the limit",
      { { 0x81, "*", MESSAGE_MAX + 1, 0, 0, 0 } },
      ZKT_WS_LIMIT_MESSAGE },
    { "a fragment over the limit",
      { { 0x01, "*", MESSAGE_MAX + 1, 0, 0, 0 } },
      ZKT_WS_LIMIT_MESSAGE },
    { "fragments over the limit",
      { { 0x01, "*", MESSAGE_MAX - 9, 0, 0, 0 },
        { 0x89, "ping", 0, 0, 0, 0 },
        { 0x80, "*", 10, 0, 0, 0 } },
      ZKT_WS_LIMIT_MESSAGE },
    { "too many fragments",
      { { 0x01, "a", 0, 0, 0, 0 },
        { 0x00, "a", 0, 0, 0, 0 },
        { 0x00, "a", 0, 0, 0, 0 },
        { 0x00, "a", 0, 0, 0, 0 },
        { 0x80, "a", 0, 0, 0, 0 } },
      ZKT_WS_LIMIT_FRAGMENTS },
    { "too many fragments, without a payload",
      { { 0x01, "a", 0, 0, 0, 0 },
        { 0x00, "a", 0, 0, 0, 0 },
        { 0x00, "a", 0, 0, 0, 0 },
        { 0x00, "a", 0, 0, 0, 0 },
        { 0x80, "", 0, 0, 0, 0 } },
      ZKT_WS_LIMIT_FRAGMENTS },
    { "a ping of 126 bytes", { { 0x89, "*", 126, 0, 0, 0 } }, NO_LIMIT },
    { "a close of 126 bytes", { { 0x88, "*", 126, 0, 0, 0 } }, NO_LIMIT },
    { "reserved bits", { { 0xc1, "x", 0, 0, 0, 0 } }, NO_LIMIT },
    { "a reserved opcode", { { 0x83, "x", 0, 0, 0, 0 } }, NO_LIMIT },
    { "a reserved control frame", { { 0x8b, "x", 0, 0, 0, 0 } }, NO_LIMIT },
    { "a close frame with the wrong mask",
      { { 0x88, "\x03\xe8", 0, 0, true, 0 } },
      NO_LIMIT },
    { "a message within a message",
      { { 0x01, "a", 0, 0, 0, 0 }, { 0x81, "a", 0, 0, 0, 0 } },
      NO_LIMIT },
    { "a continuation of nothing",
      { { 0x80, "*", MESSAGE_MAX + 1, 0, 0, 0 } },
      NO_LIMIT },
};

static void on_limit(void *user, enum zkt_ws_limit limit)
{
    struct heard *h = user;
    h->limit = limit;
}

/* Writes the frames, the last without its payload. */
static size_t put_heads(uint8_t *to, const struct head_row *row, bool masked)
{
    size_t len = 0, last = 0;
    for (size_t i = 0; i < FRAMES && row->frames[i].payload != NULL; i++) {
        last = len;
        len += put_frame(to + len, &row->frames[i],
                         masked != row->frames[i].wrong_mask);
    }
    const size_t extra = (to[last + 1] & 127) == 126 ? 2 : 0;
    return last + 2 + extra + (to[last + 1] >> 7 != 0 ? 4 : 0);
}

static void run_heads(const struct head_row *row, bool client, size_t cut)
{
    static struct heard h;
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    struct zkt_ws_callbacks all = callbacks;
    const struct zkt_ws_setup with_all = { .callbacks = &all,
                                           .allocator = &zkt__allocator_default,
                                           .limits = &limits };
    uint8_t bytes[BYTES_MAX];
    struct zkt_random random;
    struct zkt_ws_client with_random = { .random = &random };
    struct zkt_hash_key key;
    struct zkt_ws ws;
    const size_t len = put_heads(bytes, row, !client);
    memset(&h, 0, sizeof(h));
    h.ws = &ws;
    h.limit = NO_LIMIT;
    all.on_limit = on_limit;
    assert_true(zkt__random_init(&random, &key, seed));
    zkt__ws_init_server(&ws, &with_all, &h);
    ws.role = client ? ZKT_WS_CLIENT : ZKT_WS_SERVER;
    if (client) {
        ws.client = &with_random;
    }
    ws.state = ZKT_WS_OPEN;
    for (size_t at = 0; at < len; at += cut) {
        feed(&ws, bytes + at, len - at < cut ? len - at : cut);
    }
    if (h.code != (row->limit == NO_LIMIT ? 1002 : 1009) ||
        h.limit != row->limit || h.text_len > 0) {
        fail_msg("%s (%s, cut %zu): close %u, limit %u", row->what,
                 client ? "client" : "server", cut, h.code, h.limit);
    }
    zkt__ws_finish(&ws);
}

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        for (int client = 0; client < 2; client++) {
            run_heads(&heads[i], client == 1, 1);
            run_heads(&heads[i], client == 1, 3);
            run_heads(&heads[i], client == 1, BYTES_MAX);
        }
    }
}

/* ---- pauses ---- */

/* Opens a server's WebSocket that pauses at every message. */
static void begin_pausing(struct zkt_ws *ws, struct heard *h)
{
    memset(h, 0, sizeof(*h));
    h->ws = ws;
    h->pauses = true;
    zkt__ws_init_server(ws, &setup, h);
    ws->state = ZKT_WS_OPEN;
}

static size_t put_frames(uint8_t *to, const struct frame *frames, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += put_frame(to + len, &frames[i], true);
    }
    return len;
}

static void test_pause(void **state)
{
    static const struct frame frames[] = {
        { 0x81, "one", 0, 0, 0, 0 },   { 0x01, "tw", 0, 0, 0, 0 },
        { 0x89, "ping", 0, 0, 0, 0 },  { 0x80, "o", 0, 0, 0, 0 },
        { 0x81, "three", 0, 0, 0, 0 },
    };
    static struct heard h;
    uint8_t bytes[BYTES_MAX];
    struct zkt_ws ws;
    (void)state;
    const size_t len = put_frames(bytes, frames, 5);
    begin_pausing(&ws, &h);
    size_t at = zkt__ws_feed(&ws, bytes, len);
    assert_int_equal(at, put_frames(bytes, frames, 1));
    put_frames(bytes, frames, 5);
    assert_string_equal(h.text, "t:one ");
    assert_int_equal(zkt__ws_feed(&ws, bytes + at, len - at), 0);
    assert_true(zkt__ws_is_paused(&ws));
    zkt__ws_resume(&ws);
    at += zkt__ws_feed(&ws, bytes + at, len - at);
    assert_string_equal(h.text, "t:one t:two ");
    assert_int_equal(h.sent_len, 2 + 4); /* the pong */
    zkt__ws_resume(&ws);
    assert_int_equal(zkt__ws_feed(&ws, bytes + at, len - at), len - at);
    assert_string_equal(h.text, "t:one t:two t:three ");
    zkt__ws_finish(&ws);
}

/* Replies pause it as well, in the middle of a fragmented message. */
static void test_pause_at_reply(void **state)
{
    static const struct frame frames[] = {
        { 0x01, "on", 0, 0, 0, 0 },
        { 0x89, "ping", 0, 0, 0, 0 },
        { 0x80, "e", 0, 0, 0, 0 },
    };
    static struct heard h;
    uint8_t bytes[BYTES_MAX];
    struct zkt_ws ws;
    (void)state;
    const size_t pinged = put_frames(bytes, frames, 2);
    const size_t len = put_frames(bytes, frames, 3);
    begin_pausing(&ws, &h);
    h.pauses_sent = true;
    assert_int_equal(zkt__ws_feed(&ws, bytes, len), pinged);
    zkt__ws_resume(&ws);
    assert_int_equal(zkt__ws_feed(&ws, bytes + pinged, len - pinged),
                     len - pinged);
    assert_string_equal(h.text, "t:one ");
    zkt__ws_finish(&ws);
}

/* A close ends the pause: the peer's close frame must be read. */
static void test_pause_and_close(void **state)
{
    static const struct frame frames[] = {
        { 0x81, "one", 0, 0, 0, 0 },
        { 0x81, "two", 0, 0, 0, 0 },
        { 0x88, "\x03\xe8", 0, 0, 0, 0 },
    };
    static struct heard h;
    uint8_t bytes[BYTES_MAX];
    struct zkt_ws ws;
    (void)state;
    const size_t len = put_frames(bytes, frames, 3);
    begin_pausing(&ws, &h);
    const size_t at = zkt__ws_feed(&ws, bytes, len);
    assert_true(at < len);
    zkt__ws_close(&ws, 1001, "");
    assert_false(zkt__ws_is_paused(&ws));
    zkt__ws_pause(&ws);
    assert_false(zkt__ws_is_paused(&ws));
    assert_int_equal(zkt__ws_feed(&ws, bytes + at, len - at), len - at);
    assert_int_equal(ws.state, ZKT_WS_CLOSED);
    assert_string_equal(h.text, "t:one ");
    zkt__ws_pause(&ws);
    assert_int_equal(zkt__ws_feed(&ws, bytes, len), len);
    zkt__ws_finish(&ws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_pause_at_reply),
        cmocka_unit_test(test_pause_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
