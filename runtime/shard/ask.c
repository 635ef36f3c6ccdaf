/* See ask.h. */
#include "shard/ask.h"

#include <string.h>

struct zkt_ask *zkt__ask_new(const struct zkt_allocator *allocator,
                             const struct zkt_actor *actor, struct zkt_str name,
                             const struct zkt_method *method,
                             const struct zkt_output *outputs,
                             const void *input)
{
    struct zkt_ask *ask = zkt__alloc(allocator, sizeof(*ask) + name.len);
    if (ask == NULL) {
        return NULL;
    }
    *ask = (struct zkt_ask){
        .allocator = allocator,
        .actor = actor,
        .name = { (const char *)(ask + 1), name.len },
    };
    memcpy(ask + 1, name.data, name.len);
    struct zkt_msg m;
    zkt__msg_init(&m, ZKT_MSG_CALL, NULL);
    m.of.call = (struct zkt_msg_call){
        .method = method,
        .id = ZKT_STR(""),
        .input = input,
        .outputs = outputs,
        .ask = ask,
    };
    ask->carrier = zkt__msg_pack(allocator, &m);
    if (ask->carrier == NULL) {
        zkt__release(allocator, ask);
        return NULL;
    }
    ask->bytes = sizeof(*ask) + name.len + ask->carrier->bytes;
    return ask;
}

void zkt__ask_free(struct zkt_ask *ask)
{
    zkt__msg_free(ask->allocator, ask->carrier);
    zkt__release(ask->allocator, ask->result);
    zkt__release(ask->allocator, ask->texts);
    zkt__release(ask->allocator, ask);
}

bool zkt__ask_succeed(struct zkt_ask *ask, const struct zkt_type *type,
                      const void *result)
{
    if (type == NULL) {
        return true;
    }
    ask->result = zkt__alloc(ask->allocator, zkt__value_measure(type, result));
    if (ask->result == NULL) {
        return false;
    }
    (void)zkt__value_dup_into(type, result, ask->result);
    return true;
}

/* Moves *@text to *@at, which has room, with a terminating NUL. */
static void move_text(struct zkt_str *text, char **at)
{
    memcpy(*at, text->data, text->len);
    (*at)[text->len] = '\0';
    text->data = *at;
    *at += text->len + 1;
}

void zkt__ask_fail(struct zkt_ask *ask, const struct zkt_failure *failure)
{
    ask->failure = *failure;
    struct zkt_str *const texts[] = { &ask->failure.text, &ask->failure.reason,
                                      &ask->failure.details,
                                      &ask->failure.issues };
    size_t size = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size += texts[i]->len + 1;
    }
    zkt__release(ask->allocator, ask->result); /* the commit has failed */
    ask->result = NULL;
    zkt__release(ask->allocator, ask->texts);
    ask->texts = zkt__alloc(ask->allocator, size);
    char *at = ask->texts;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (at == NULL || texts[i]->len == 0) {
            *texts[i] = ZKT_STR("");
        } else {
            move_text(texts[i], &at);
        }
    }
}
