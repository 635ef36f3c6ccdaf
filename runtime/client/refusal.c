/*
 * The reason why there is no connection: the words of the peer, or a local
 * error. It is set when it occurs, and zkt_client_refusal returns it after the
 * end of the connection or attempt.
 */
#include "client/refusal.h"

#include <stdio.h>

#include "base/utf8.h"
#include "client/core.h"
#include "client/receive.h"
#include "protocol/reply.h"

enum {
    LOST = 1006 /* a connection without a close frame */
};

/* HTTP statuses of a refused handshake. A close code of 4000 and more has the
 * same meaning in an open connection. */
static enum zkt_status status_of_http(unsigned code)
{
    switch (code) {
    case 400:
        return ZKT_INVALID_ARGUMENT;
    case 401:
        return ZKT_UNAUTHENTICATED;
    case 403:
        return ZKT_PERMISSION_DENIED;
    case 404:
        return ZKT_NOT_FOUND;
    case 429:
        return ZKT_RESOURCE_EXHAUSTED;
    case 408:
    case 502:
    case 503:
    case 504:
        return ZKT_UNAVAILABLE;
    default:
        return code < 500 ? ZKT_FAILED_PRECONDITION : ZKT_INTERNAL;
    }
}

/* RFC 6455, section 7.4.1, and the codes that were registered later. */
static enum zkt_status status_of_close(unsigned code)
{
    switch (code) {
    case 1002:
    case 1003:
    case 1007:
    case 1010:
    case 1011:
        return ZKT_INTERNAL;
    case 1008:
        return ZKT_PERMISSION_DENIED;
    case 1009:
        return ZKT_RESOURCE_EXHAUSTED;
    default:
        return code >= 4400 && code < 4600 ? status_of_http(code - 4000)
                                           : ZKT_UNAVAILABLE;
    }
}

/* Copies as much of a text as fits. A text that is not UTF-8 is left out, and
 * control characters become spaces: the log has it on a single line. */
static void copy_text(char to[ZKT_REFUSAL_TEXT], struct zkt_str text)
{
    const size_t len = zkt__utf8_cut(text.data, text.len, ZKT_REFUSAL_TEXT - 1);
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        to[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    to[len] = '\0';
}

/* The text may be there already: an `error` comes before the close frame. */
void zkt__refusal_set(struct zkt_client *client, enum zkt_status status,
                      unsigned code, struct zkt_str text)
{
    struct zkt_refusal *reason = &client->end_reason;
    if (reason->status == ZKT_OK) {
        reason->status = status;
        reason->code = (int)code;
        if (reason->text[0] == '\0') {
            copy_text(reason->text, text);
        }
    }
}

void zkt__refusal_set_close(struct zkt_client *client, unsigned code,
                            struct zkt_str text)
{
    zkt__refusal_set(client, status_of_close(code), code, text);
}

/* Reads the delay of Retry-After in seconds. A date is ignored: the clocks of
 * both sides differ. */
static int64_t read_seconds(struct zkt_str text)
{
    const int64_t seconds = zkt__reply_ms(text);
    return seconds < ZKT_RETRY_AFTER_MAX / 1000 ? seconds * 1000
                                                : ZKT_RETRY_AFTER_MAX;
}

void zkt__refusal_set_http(struct zkt_client *client,
                           const struct zkt_ws_refusal *response)
{
    zkt__refusal_set(client, status_of_http(response->status), response->status,
                     response->reason);
    client->retry_after_ms = read_seconds(response->retry_after);
}

void zkt__refusal_describe(struct zkt_client *client,
                           const struct zkt_envelope *message)
{
    if (message->error.len > 0) {
        copy_text(client->end_reason.text, message->error);
    }
    if (message->retry_after.data != NULL) {
        client->retry_after_ms = zkt__client_retry_after(message);
    }
}

/* The program's `prepare` has failed: a status that asks for another token or
 * other parameters is final. */
static bool is_final_status(enum zkt_status status)
{
    switch (status) {
    case ZKT_CANCELLED:
    case ZKT_INVALID_ARGUMENT:
    case ZKT_NOT_FOUND:
    case ZKT_PERMISSION_DENIED:
    case ZKT_UNAUTHENTICATED:
        return true;
    default:
        return false;
    }
}

enum zkt_refusal_effect zkt__refusal_effect(const struct zkt_refusal *refusal)
{
    switch (refusal->code) {
    case 0:
        return is_final_status(refusal->status) ? ZKT_REFUSAL_ENDS
                                                : ZKT_REFUSAL_RETRIES;
    case 401:
    case 4401:
        return ZKT_REFUSAL_RENEWS;
    case 400:
    case 403:
    case 404:
    case 4400:
    case 4403:
    case 4404:
        return ZKT_REFUSAL_ENDS;
    default:
        return ZKT_REFUSAL_RETRIES;
    }
}

void zkt__refusal_print(const struct zkt_client *client, const char *reason,
                        char text[ZKT_REFUSAL_LINE])
{
    const struct zkt_refusal *end_reason = &client->end_reason;
    if (end_reason->code == 0) {
        snprintf(text, ZKT_REFUSAL_LINE, "%s", reason);
    } else {
        snprintf(text, ZKT_REFUSAL_LINE, "%s: %d%s%s", reason, end_reason->code,
                 end_reason->text[0] != '\0' ? " " : "", end_reason->text);
    }
}

void zkt__refusal_explain(const struct zkt_client *client,
                          char text[ZKT_REFUSAL_LINE])
{
    const struct zkt_refusal *refusal = &client->refusal;
    if (refusal->code == 0 || refusal->code == LOST) {
        snprintf(text, ZKT_REFUSAL_LINE, "%s", refusal->text);
    } else {
        snprintf(text, ZKT_REFUSAL_LINE, "%d%s%s", refusal->code,
                 refusal->text[0] != '\0' ? " " : "", refusal->text);
    }
}

void zkt__refusal_finish(struct zkt_client *client, bool was_upgraded,
                         const char *reason)
{
    zkt__refusal_set(client, ZKT_UNAVAILABLE, was_upgraded ? LOST : 0,
                     zkt_cstr(reason));
    client->refusal = client->end_reason;
    client->end_reason = (struct zkt_refusal){ .status = ZKT_OK };
}

struct question {
    const struct zkt_client *client;
    struct zkt_refusal answer;
};

static void answer(void *user)
{
    struct question *question = user;
    question->answer = question->client->refusal;
}

struct zkt_refusal zkt_client_refusal(const struct zkt_client *client)
{
    struct question question = { client, { .status = ZKT_OK } };
    if (client != NULL) {
        zkt__client_run((struct zkt_client *)(uintptr_t)client, answer,
                        &question);
    }
    return question.answer;
}
