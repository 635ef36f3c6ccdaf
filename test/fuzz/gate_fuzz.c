/*
 * Any query string and any header fields of a handshake, through the whole
 * server of an app that has a parameter of each source and type. The first line
 * is the query string, the rest are fields. The answer is the same for the
 * whole head and for pieces of it; a refused request gets nothing but a
 * refusal, which does not hold the token; and the parameters that `open` is
 * given keep their rules.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "server/server.h"

#include "../unit/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int opened;

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_text(struct zkt_str text, size_t min, size_t max)
{
    require(zkt__utf8_valid(text.data, text.len) &&
            text.data[text.len] == '\0');
    const size_t count = zkt__utf8_count(text.data, text.len);
    require(count >= min && count <= max);
}

static enum zkt_status open_it(struct zkt_call *call, const void *handlers,
                               const void *input, void *data)
{
    const struct gate_input *in = input;
    (void)call;
    (void)handlers;
    (void)data;
    opened++;
    check_text(in->tenant, 1, 8);
    check_text(in->locale, 2, 8);
    if (in->token.has) {
        check_text(in->token.value, 1, 64);
    }
    if (in->sid.has) {
        check_text(in->sid.value, 1, 8);
    }
    require(!in->n.has || (in->n.value >= 0 && in->n.value <= 150));
    require(!in->color.has || (in->color.value >= 0 && in->color.value <= 1));
    require(!in->x.has || (in->x.value - in->x.value == 0));
    return ZKT_OK;
}

struct answer {
    char *text;
    size_t len;
    int opened;
};

static void drain(struct zkt_endpoint *e, struct answer *answer)
{
    struct zkt_slice slices[16];
    for (size_t n; (n = e->ops->pending(e, slices, 16)) > 0;) {
        size_t total = 0;
        for (size_t i = 0; i < n; i++) {
            answer->text = realloc(answer->text,
                                   answer->len + slices[i].len + 1);
            memcpy(answer->text + answer->len, slices[i].data, slices[i].len);
            answer->len += slices[i].len;
            answer->text[answer->len] = '\0';
            total += slices[i].len;
        }
        e->ops->sent(e, total);
    }
}

static struct answer run(const char *head, size_t len, size_t cut)
{
    static const uint8_t seed[32] = { 1 };
    static const struct zkt_connection_info connection = {
        .input = &gate_input_type,
        .parameters = gate_parameters,
        .open = open_it,
    };
    static const struct zkt_app_info info = {
        .name = "gate",
        .find_actor = gate_find_actor,
        .connection = &connection,
    };
    static const struct zkt_serve_options options = { .random_seed = seed };
    static void (*const any)(void) = abort;
    const struct zkt_app app = { .info = &info, .handlers = &any };
    struct zkt_server *server = NULL;
    struct answer answer = { .len = 0 };
    require(zkt_server_new(app, &options, &server) == ZKT_OK);
    struct zkt_endpoint *e = zkt__server_accept(server, "192.0.2.1");
    opened = 0;
    for (size_t at = 0; at < len; at += cut) {
        const size_t n = len - at < cut ? len - at : cut;
        uint8_t *copy = malloc(n);
        memcpy(copy, head + at, n);
        e->ops->feed(e, copy, n);
        free(copy);
        drain(e, &answer);
        e->core->ops->tick(e->core);
    }
    drain(e, &answer);
    answer.opened = opened;
    e->ops->detach(e);
    zkt_server_free(server);
    return answer;
}

/* Builds the head of a request. */
static char *build(const uint8_t *data, size_t size, size_t *len)
{
    static const char begin[] = "GET /?";
    static const char middle[] =
        " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const uint8_t *line = memchr(data, '\n', size);
    const size_t query = line != NULL ? (size_t)(line - data) : size;
    char *head = malloc(sizeof(begin) + sizeof(middle) + 2 * size + 4);
    char *at = head;
    memcpy(at, begin, sizeof(begin) - 1);
    at += sizeof(begin) - 1;
    memcpy(at, data, query);
    at += query;
    memcpy(at, middle, sizeof(middle) - 1);
    at += sizeof(middle) - 1;
    for (size_t i = query + 1; i < size; i++) {
        if (data[i] == '\n') {
            *at++ = '\r';
        }
        *at++ = (char)data[i];
    }
    memcpy(at, "\r\n\r\n", 4);
    *len = (size_t)(at + 4 - head);
    return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len;
    if (size < 1 || size > 12000) {
        return 0;
    }
    char *head = build(data + 1, size - 1, &len);
    struct answer whole = run(head, len, len);
    struct answer cut = run(head, len, 1 + data[0]);
    require(whole.len == cut.len && whole.opened == cut.opened &&
            whole.opened <= 1 &&
            (whole.len == 0 || memcmp(whole.text, cut.text, whole.len) == 0));
    if (whole.len > 0 && whole.opened == 0) {
        require(strstr(whole.text, "welcome") == NULL);
        require(strstr(whole.text, "secret") == NULL);
    }
    free(whole.text);
    free(cut.text);
    free(head);
    return 0;
}
