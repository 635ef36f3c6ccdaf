/*
 * Any bytes from a server, through the whole client. A line is the payload of a
 * text frame, or its first letter is a command: R sends raw bytes instead of a
 * frame, D drops the connection, T advances the clock, S adds or removes
 * listeners, P begins a call with progress and a stream, C cancels a call by
 * the next byte, and if the client connects, B refuses it by a response with
 * that body, E by a message before `welcome`. After any message the client goes
 * on and its state is whole, and every call ends once.
 */
#include <stdlib.h>

#include "chat_client.h"
#include "fake_server.h"

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A method with progress and a stream, of the chat's types. */
static const struct zkt_remote_method methods[] = {
    { .name = ZKT_STR_INIT("render"),
      .result = &demo_message_type_,
      .progress = &zkt_type_int32 },
    { .name = ZKT_STR_INIT("generate"), .chunk = &demo_message_type_ },
};
static const struct zkt_remote_actor film = {
    .name = ZKT_STR_INIT("film"),
    .state = &demo_chat_state_type_,
    .methods = methods,
    .method_count = 2,
};

struct session {
    struct fake fake;
    struct demo_chat *room;
    struct zkt_handle *film;
    uint64_t state, topic, said;
    long told, begun, ended;
};

static void on_state(const struct demo_chat_state *now, void *user)
{
    struct session *s = user;
    struct zkt_writer w;
    zkt__writer_init(&w, &zkt__allocator_default);
    demo_chat_state_type_.encode(&w, &demo_chat_state_type_, now);
    zkt__writer_finish(&w);
    s->told++;
}

static void on_topic(struct zkt_str topic, void *user)
{
    struct session *s = user;
    s->told += topic.data[topic.len] == '\0';
}

static void on_said(const struct demo_message *message, void *user)
{
    struct session *s = user;
    s->told += (long)message->text.len;
}

static void on_done(const struct zkt_reply *reply,
                    const struct demo_message *message, void *user)
{
    struct session *s = user;
    s->told += (long)strlen(reply->error) + message->id;
    s->ended++;
}

static void begin_call(struct session *s)
{
    const struct demo_chat_say_input in = { .text = ZKT_STR("hello") };
    s->begun++;
    demo_chat_begin_say(s->room, &in, on_done, s);
}

static void on_percent(zkt_any_function *fn, const void *value, void *user)
{
    struct session *s = user;
    (void)fn;
    s->told += *(const int32_t *)value;
}

static void on_chunk(zkt_any_function *fn, const void *value, void *user)
{
    (void)fn;
    on_said(value, user);
}

static void on_end(zkt_any_function *done, const struct zkt_reply *reply,
                   const void *result, void *user)
{
    static const struct demo_message none = { .id = 0 };
    (void)done;
    on_done(reply, result != NULL ? result : &none, user);
}

static void nobody(void)
{
}

static void begin_parts(struct session *s)
{
    s->begun += 2;
    zkt_handle_begin_parts(s->film, 0, NULL, on_percent, nobody, on_end, nobody,
                           s);
    zkt_handle_begin_parts(s->film, 1, NULL, on_chunk, nobody, on_end, nobody,
                           s);
}

static void toggle(struct session *s)
{
    if (s->state != 0) {
        zkt_client_off(s->fake.client, s->state);
        zkt_client_off(s->fake.client, s->said);
        s->state = s->said = 0;
        return;
    }
    s->state = demo_chat_subscribe(s->room, on_state, s);
    s->said = demo_chat_on_said(s->room, on_said, s);
}

static void say(struct session *s, const uint8_t *line, size_t len)
{
    char text[4096];
    len = len < sizeof(text) ? len : sizeof(text) - 1;
    memcpy(text, line, len);
    text[len] = '\0';
    fake_say(&s->fake, text);
}

static void refuse(struct session *s, const uint8_t *line, size_t len)
{
    char head[64];
    const int head_len = snprintf(head, sizeof(head),
                                  "HTTP/1.1 503 x\r\nContent-Length: %zu\r\n"
                                  "\r\n",
                                  len);
    fake_attach(&s->fake);
    fake_feed(&s->fake, head, (size_t)head_len);
    if (len > 0) {
        fake_feed(&s->fake, line, len < 4096 ? len : 4096);
    }
    fake_turn(&s->fake);
}

static void accept(struct session *s, const uint8_t *line, size_t len)
{
    struct fake *f = &s->fake;
    if (len > 0 && line[0] == 'B') {
        refuse(s, line + 1, len - 1);
    } else if (len > 0 && line[0] == 'E') {
        fake_attach(f);
        fake_shake(f, ZKT_WS_PROTOCOL_RFC6902);
        say(s, line + 1, len - 1);
    } else {
        fake_accept(f);
    }
}

static void run_line(struct session *s, const uint8_t *line, size_t len)
{
    struct fake *f = &s->fake;
    if (f->asked) {
        accept(s, line, len);
    }
    switch (len > 0 ? line[0] : 'T') {
    case 'D':
        if (f->endpoint != NULL) {
            fake_detach(f);
        }
        break;
    case 'T':
        fake_advance(f, len > 1 ? line[1] * 100 : 10);
        break;
    case 'S':
        toggle(s);
        begin_call(s);
        break;
    case 'P':
        begin_parts(s);
        break;
    case 'C':
        zkt_client_cancel(f->client, len > 1 ? line[1] : 0);
        break;
    case 'R':
        if (f->endpoint != NULL) {
            fake_feed(f, line + 1, len - 1 < 4096 ? len - 1 : 4096);
        }
        break;
    default:
        if (f->endpoint != NULL) {
            say(s, line, len);
        }
    }
    (void)fake_sent(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct zkt_client_options options = { .reconnect_min_ms = 1,
                                                .reconnect_max_ms = 1 };
    static struct session s;
    s = (struct session){ .told = 0 };
    s.room = demo_chat_open(fake_open(&s.fake, options), "r");
    s.film = zkt_handle_open(s.fake.client, &film, "f");
    s.topic = demo_chat_watch_topic(s.room, on_topic, &s);
    toggle(&s);
    begin_call(&s);
    fake_turn(&s.fake);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        const size_t len = end != NULL ? (size_t)(end - data) : size;
        run_line(&s, data, len);
        data += len + (end != NULL);
        size -= len + (end != NULL);
    }
    demo_chat_close(s.room);
    zkt_handle_close(s.film);
    fake_close(&s.fake);
    if (s.begun != s.ended) {
        abort();
    }
    return 0;
}
