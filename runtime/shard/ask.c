/* See ask.h. */
#include "shard/ask.h"

#include <string.h>

#include "protocol/reply.h"
#include "shard/chain.h"

/* Gives the outputs of a method their types, in @all. Returns NULL if its
 * middleware has none. */
static const struct zkt_output *list_outputs(
    const struct zkt_app_info *info, const struct zkt_method *method,
    const void *const *outputs, struct zkt_output all[ZKT_MIDDLEWARE_MAX])
{
    if (outputs == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < method->middleware.count; i++) {
        const uint16_t number = method->middleware.numbers[i];
        const struct zkt_type *type = info->middleware[number].output;
        all[i] = (struct zkt_output){ .type = type,
                                      .value = type != NULL ? *outputs++
                                                            : NULL };
    }
    return all;
}

/* Makes the message of an ask. Returns NULL if there is no memory. */
static struct zkt_msg *make_carrier(const struct zkt_allocator *allocator,
                                    const struct zkt_app_info *info,
                                    const struct zkt_asked *asked,
                                    struct zkt_ask *ask)
{
    struct zkt_output all[ZKT_MIDDLEWARE_MAX];
    struct zkt_msg m;
    zkt__msg_init(&m, ZKT_MSG_CALL, NULL);
    m.size = 0;
    m.of.call = (struct zkt_msg_call){
        .method = asked->method,
        .id = ZKT_STR(""),
        .input = asked->input,
        .outputs = list_outputs(info, asked->method, asked->outputs, all),
        .ask = ask,
        .request = asked->request,
    };
    return zkt__msg_pack(allocator, &m);
}

struct zkt_ask *zkt__ask_new(const struct zkt_allocator *allocator,
                             const struct zkt_app_info *info,
                             const struct zkt_asked *asked, size_t size)
{
    const struct zkt_str name = asked->name;
    const struct zkt_str trace = zkt_cstr(asked->request.trace);
    const size_t texts = name.len + trace.len + 1;
    struct zkt_ask *ask = zkt__alloc(allocator, size + texts);
    if (ask == NULL) {
        return NULL;
    }
    char *text = (char *)ask + size;
    memcpy(text, name.data, name.len);
    memcpy(text + name.len, trace.data, trace.len + 1);
    *ask = (struct zkt_ask){
        .allocator = allocator,
        .actor = asked->actor,
        .name = { text, name.len },
        .request = { asked->request.number,
                     asked->request.trace != NULL ? text + name.len : NULL },
        .method = asked->method,
        .carrier = make_carrier(allocator, info, asked, ask),
    };
    if (ask->carrier == NULL) {
        zkt__release(allocator, ask);
        return NULL;
    }
    ask->bytes = size + texts + ask->carrier->bytes;
    return ask;
}

void zkt__ask_free(struct zkt_ask *ask)
{
    zkt__msg_free(ask->allocator, ask->carrier);
    zkt__chain_unref(ask->chain);
    zkt__release(ask->allocator, ask->result);
    zkt__release(ask->allocator, ask->texts);
    zkt__release(ask->allocator, ask);
}

bool zkt__ask_succeed(struct zkt_ask *ask, const struct zkt_type *type,
                      const void *result)
{
    if (type == NULL || ask->without_result) {
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

struct zkt_reply zkt__ask_reply(const struct zkt_ask *ask,
                                const struct zkt_hash_key *key,
                                struct zkt_reply_memory *memory)
{
    const struct zkt_failure *failure = &ask->failure;
    const bool failed = failure->status != ZKT_OK;
    const char *text = failure->text.len > 0 ? failure->text.data
                                             : zkt_status_text(failure->status);
    zkt__arena_init(&memory->arena, ask->allocator);
    memory->key = *key;
    return (struct zkt_reply){
        .status = failure->status,
        .error = failed ? text : "",
        .reason = failure->reason.len > 0 ? failure->reason.data : "",
        .retryable = failed && (failure->retry_after_ms > 0 ||
                                zkt__status_is_retryable(failure->status)),
        .retry_after_ms = failure->retry_after_ms,
        .memory_ = memory,
        .details_ = failure->details,
        .issues_ = failure->issues,
    };
}
