/* Messages of n parts, parsed by both sides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "growth.h"
#include "protocol/envelope.h"
#include "text.h"

#define CALL "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"a\",\"actorId\":\"b\","

static const struct growth_text texts[] = {
    { "a call with a long input", CALL "\"method\":\"m\",\"input\":[",
      "{\"a\":#}", ",", "", "", "]}", false, 0 },
    { "a call in another order", "{\"input\":{", "\"#\":\"\\n\"", ",",
      "},\"type\":\"rpc\",\"actor\":\"a\",\"u\":[0", ",1", "]}", false, 0 },
    { "a call with unknown keys", CALL "\"method\":\"m\"", ",\"u#\":[#]", "",
      "", "", "}", false, 0 },
    { "a call with equal keys", CALL "\"method\":\"m\"", ",\"method\":\"n#\"",
      "", "", "", "}", false, 0 },
    { "a call with escaped keys", CALL "\"method\":\"m\"",
      ",\"\\u0069nput\":{\"a\":#}", "", "", "", "}", false, 0 },
    { "a call with a long id", "{\"type\":\"rpc\",\"actor\":\"a\",\"id\":\"",
      "#\\n", "", "", "", "\"}", false, 0 },
    { "a call with a long actor", "{\"type\":\"rpc\",\"actor\":\"", "\\u00e9#",
      "", "", "", "\"}", false, 0 },
    { "a call with a deep input", CALL "\"method\":\"m\",\"input\":", "[", "",
      "", "]", "}", true, 0 },
    { "a call with deep values", CALL "\"method\":\"m\"",
      ",\"u#\":" GROWTH_DEEP, "", "", "", "}", false, 0 },
    { "patches", "{\"type\":\"state:patch\",\"patches\":[",
      "{\"op\":\"remove\",\"path\":\"/a/#\"}", ",", "", "", "]}", false, 0 },
    { "white space", "{", " \n\t", "", "\"type\":\"welcome\"", " ", "}", false,
      2048 },
    { "malformed messages", "[", "{\"type\":#}", ",", "", "", "]", true, 0 },
    { "a truncated message", "{\"type\":\"event\",\"payload\":[", "[#],", "",
      "", "", "", true, 0 },
};

struct work {
    const struct growth_text *of;
    char *text;
    size_t len;
    struct zkt_arena arena;
};

static void *prepare(const void *with, size_t n)
{
    struct work *w = calloc(1, sizeof(*w));
    w->of = with;
    w->len = growth_text_write(NULL, w->of, n);
    w->text = calloc(w->len + ZKT_PADDING, 1);
    growth_text_write(w->text, w->of, n);
    zkt__arena_init(&w->arena, &growth_allocator);
    return w;
}

static bool read_message(void *work)
{
    static const struct zkt_hash_key key = { 1, 2 };
    struct work *w = work;
    struct zkt_reader reader;
    struct zkt_envelope envelope;
    zkt__reader_init(&reader, w->text, w->len, &w->arena, NULL, &key);
    return zkt__envelope_read(&envelope, &reader) || w->of->bad;
}

static void finish(void *work)
{
    struct work *w = work;
    free(w->text);
    free(w);
}

void growth_envelope(void)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char name[160];
        snprintf(name, sizeof(name), "envelope: read %s", texts[i].name);
        growth_measure(&(const struct growth_row){
            .name = name,
            .n = texts[i].n,
            .with = &texts[i],
            .prepare = prepare,
            .run = read_message,
            .finish = finish,
        });
    }
}
