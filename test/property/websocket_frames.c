/*
 * Random streams of frames, good and bad, cut at random places: through our
 * decoder, half of them with pauses, and through wslay, which is fed a byte at
 * a time. Messages, replies and close are the same, apart from the differences
 * in websocket_outcome.h.
 *
 *   websocket_frames [STREAMS [SEED]]
 */
#include "websocket_outcome.h"

enum {
    STREAM_MAX = 1 << 20
};

static uint64_t seed = 7;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* ---- outcomes ---- */

static void run_ours(const uint8_t *bytes, size_t len, unsigned cut,
                     struct outcome *o)
{
    struct zkt_ws ws;
    our_begin(&ws, o, ZKT_WS_SERVER, NULL);
    o->pauses = below(2);
    for (size_t at = 0; at < len;) {
        size_t n = cut == 0 ? len : cut == 1 ? 1 : 1 + below(cut);
        n = n > len - at ? len - at : n;
        if (our_chance(o)) {
            zkt__ws_pause(&ws);
        }
        our_feed(&ws, bytes + at, n);
        at += n;
    }
    zkt__ws_finish(&ws);
}

/* ---- streams ---- */

static size_t put_frame(uint8_t *to, bool fin, unsigned opcode,
                        const uint8_t *payload, size_t len)
{
    size_t head = 2;
    to[0] = (uint8_t)((fin ? 0x80u : 0u) | opcode);
    if (len < 126) {
        to[1] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        to[1] = 0x80 | 126;
        to[2] = (uint8_t)(len >> 8);
        to[3] = (uint8_t)len;
        head = 4;
    } else {
        to[1] = 0x80 | 127;
        for (size_t i = 0; i < 8; i++) {
            to[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        }
        head = 10;
    }
    uint8_t key[4];
    for (size_t i = 0; i < 4; i++) {
        to[head + i] = key[i] = (uint8_t)below(256);
    }
    head += 4;
    for (size_t i = 0; i < len; i++) {
        to[head + i] = payload[i] ^ key[i & 3];
    }
    return head + len;
}

static void put_text(uint8_t *to, size_t len, bool bad)
{
    static const char *const others[] = { "é", "€", "😀" };
    size_t i = 0;
    while (i < len) {
        const unsigned r = below(40);
        const size_t n = r < 3 ? strlen(others[r]) : 1;
        if (r < 3 && i + n <= len) {
            memcpy(to + i, others[r], n);
            i += n;
        } else {
            to[i++] = (uint8_t)(' ' + below(90));
        }
    }
    if (bad && len > 0) {
        to[below((unsigned)len)] = (uint8_t)(0x80 | below(128));
    }
}

static size_t put_fragments(uint8_t *to, uint8_t *payload, size_t len)
{
    const unsigned parts = 2 + below(4);
    size_t at = 0, written = 0;
    for (unsigned i = 0; i < parts; i++) {
        const bool last = i == parts - 1;
        const size_t n = last ? len - at : below((unsigned)(len - at) + 1);
        if (below(4) == 0) {
            written += put_frame(to + written, true, 9 + below(2), payload,
                                 below(100));
        }
        written += put_frame(to + written, last, i == 0 ? 1 : 0, payload + at,
                             n);
        at += n;
    }
    return written;
}

static size_t make_stream(uint8_t *to)
{
    static uint8_t payload[100000];
    size_t len = 0;
    for (unsigned n = 1 + below(8); n > 0; n--) {
        const unsigned r = below(20);
        size_t size = below(12) == 0 ? below(70000)
                      : below(3)     ? below(130)
                                     : below(3000);
        if (r < 12) {
            put_text(payload, size, below(30) == 0);
            len += put_frame(to + len, true, below(8) ? 1 : 2, payload, size);
        } else if (r < 16) {
            size %= 5000;
            put_text(payload, size, below(30) == 0);
            len += put_fragments(to + len, payload, size);
        } else if (r < 18) {
            len += put_frame(to + len, true, 9 + below(2), payload, below(126));
        } else if (r == 18 && below(4) == 0) {
            const uint8_t close[2] = { (uint8_t)(below(2) ? 3 : below(256)),
                                       (uint8_t)below(256) };
            len += put_frame(to + len, true, 8, close, below(3));
        } else {
            const size_t at = len;
            put_text(payload, size % 200, false);
            len += put_frame(to + len, below(2) != 0, below(3), payload,
                             size % 200);
            if (below(3) == 0) {
                const size_t head = len - at < 14 ? len - at : 14;
                to[at + below((unsigned)head)] ^= (uint8_t)(1u << below(8));
            }
        }
    }
    if (below(3) == 0) {
        len -= below((unsigned)(len < 30 ? len : 30));
    }
    return len;
}

int main(int argc, char **argv)
{
    static uint8_t stream[STREAM_MAX];
    static struct outcome ours, reference;
    static const unsigned cuts[] = { 0, 1, 200, 20000 };
    const long streams = argc > 1 ? atol(argv[1]) : 20000;
    long different = 0, closed = 0;
    if (argc > 2) {
        seed = strtoull(argv[2], NULL, 10);
    }
    for (long i = 0; i < streams; i++) {
        const size_t len = make_stream(stream);
        outcome_begin(&ours);
        outcome_begin(&reference);
        unsigned cut = cuts[below(4)];
        cut = cut == 1 && len > 3000 ? 200 : cut;
        run_reference(stream, len, ZKT_WS_SERVER, &reference);
        run_ours(stream, len, cut, &ours);
        if (!same_outcome(&ours, &reference, ZKT_WS_SERVER)) {
            if (different++ < 5) {
                fprintf(stderr,
                        "stream %ld, cut %u: messages %zu and %zu bytes, "
                        "replies %zu and %zu, close %u and %u\n",
                        i, cut, ours.messages_len, reference.messages_len,
                        ours.replies_len, reference.replies_len, ours.code,
                        reference.code);
            }
        }
        closed += reference.code != 0;
        outcome_end(&ours);
        outcome_end(&reference);
    }
    printf("%ld streams, %ld differ; %ld ended with a close\n", streams,
           different, closed);
    return different == 0 ? 0 : 1;
}
