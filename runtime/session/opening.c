/* See opening.h. */
#include "session/opening.h"

#include <string.h>

#include "protocol/envelope.h"
#include "session/parameters.h"
#include "session/request.h"

/* ---- refusals ---- */

/* A refusal of a request. */
struct refusal {
    enum zkt_status status;
    struct zkt_str text;
    const struct zkt_issues *issues; /* NULL: none */
};

static int http_status(enum zkt_status status)
{
    switch (status) {
    case ZKT_INVALID_ARGUMENT:
        return 400;
    case ZKT_UNAUTHENTICATED:
        return 401;
    case ZKT_PERMISSION_DENIED:
        return 403;
    case ZKT_NOT_FOUND:
        return 404;
    case ZKT_RESOURCE_EXHAUSTED:
        return 429;
    case ZKT_UNAVAILABLE:
        return 503;
    default:
        return 500;
    }
}

/* `"error":…,"code":…,"issues":…}` */
static void write_refusal(struct zkt_writer *w, const struct refusal *refusal)
{
    ZKT_WRITE(w, "\"error\":");
    zkt_write_string(w, refusal->text);
    ZKT_WRITE(w, ",\"code\":");
    zkt_write_string(w, zkt_cstr(zkt_status_name(refusal->status)));
    if (refusal->issues != NULL) {
        ZKT_WRITE(w, ",\"issues\":");
        zkt__issues_write(refusal->issues, w);
    }
    ZKT_WRITE(w, "}");
}

static void refuse_by_http(struct zkt_host *host, struct zkt_session *session,
                           const struct refusal *refusal)
{
    const int status = http_status(refusal->status);
    struct zkt_writer *w = &host->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Content-Type: application/json\r\n"
                 "Cache-Control: no-store\r\n");
    if (status == 401) {
        ZKT_WRITE(w, "WWW-Authenticate: Bearer\r\n");
    }
    const size_t head = w->len;
    ZKT_WRITE(w, "{");
    write_refusal(w, refusal);
    if (w->failed) {
        host->sessions->events.failed(session);
        return;
    }
    host->sessions->events.refuse(
        session, status, (struct zkt_str){ w->data, head },
        (struct zkt_str){ w->data + head, w->len - head });
}

/* Copies a text as the reason of a close frame, which has at most 123 bytes
 * (RFC 6455, section 5.5), and ends it behind a whole character. */
static void cut_reason(struct zkt_str text, char out[ZKT_CLOSE_REASON_MAX + 1])
{
    size_t len = text.len;
    if (len > ZKT_CLOSE_REASON_MAX) {
        len = ZKT_CLOSE_REASON_MAX;
        while (len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    if (len > 0) {
        memcpy(out, text.data, len);
    }
    out[len] = '\0';
}

static void refuse_in_band(struct zkt_host *host, struct zkt_session *session,
                           const struct refusal *refusal)
{
    char reason[ZKT_CLOSE_REASON_MAX + 1];
    struct zkt_writer *w = &host->result;
    host->sessions->events.accept(session, ZKT_STR(ZKT_WS_PROTOCOL_RFC6902));
    zkt__frame_begin(w);
    ZKT_WRITE(w, "{\"type\":\"error\",");
    write_refusal(w, refusal);
    zkt__session_send(host, session, w);
    cut_reason(refusal->text, reason);
    host->sessions->events.close(
        session, 4000 + (unsigned)http_status(refusal->status), reason);
}

static void refuse(struct zkt_host *host, struct zkt_session *session,
                   const struct refusal *refusal)
{
    if (session->peer.dialect == ZKT_DIALECT_RFC6902) {
        refuse_in_band(host, session, refusal);
    } else {
        refuse_by_http(host, session, refusal);
    }
}

/* ---- beginning ---- */

/* Returns true if the app reads a cookie, which a browser sends whichever page
 * it shows (RFC 6455, section 10.2). */
static bool reads_cookies(const struct zkt_connection_info *info)
{
    const uint32_t count = info != NULL ? info->input->of.structs->count : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (info->parameters[i].source == ZKT_FROM_COOKIE) {
            return true;
        }
    }
    return false;
}

static bool origin_may_connect(const struct zkt_host *host,
                               const struct zkt_ws_request *request)
{
    return (host->allow_origins == NULL &&
            !reads_cookies(host->app.info->connection)) ||
           zkt__origin_is_allowed(host->allow_origins, request);
}

/* Reads the parameters. Returns false if the request was refused. */
static bool read_parameters(struct zkt_host *host, struct zkt_session *session,
                            const struct zkt_connection_info *info,
                            const struct zkt_ws_request *request)
{
    struct zkt_issues issues;
    zkt__issues_init(&issues, host->arena, &host->rules);
    void *input = zkt__arena_alloc(host->arena, info->input->size);
    if (input != NULL &&
        zkt__parameters_read(host, info, request, &issues, input)) {
        return true;
    }
    const struct refusal wrong = { ZKT_INVALID_ARGUMENT,
                                   ZKT_STR("Invalid connection parameters"),
                                   &issues };
    const struct refusal no_memory = { ZKT_UNAVAILABLE,
                                       ZKT_STR("out of memory"), NULL };
    host->stats.limit_hits.issues += issues.total > issues.count;
    refuse(host, session,
           input == NULL || issues.no_memory ? &no_memory : &wrong);
    return false;
}

static void welcome(struct zkt_host *host, struct zkt_session *session,
                    struct zkt_str protocol)
{
    struct zkt_writer *w = &host->result;
    host->sessions->events.accept(session, protocol);
    zkt__frame_begin(w);
    zkt__write_welcome(w, zkt__peer_client_id(&session->peer));
    zkt__session_send(host, session, w);
}

void zkt__session_begin(struct zkt_host *host, struct zkt_session *session,
                        const struct zkt_ws_request *request)
{
    const struct zkt_connection_info *info = host->app.info->connection;
    const struct zkt_str protocol = zkt__request_protocol(request);
    session->peer.dialect = zkt_str_eq(protocol,
                                       ZKT_STR(ZKT_WS_PROTOCOL_RFC6902))
                                ? ZKT_DIALECT_RFC6902
                                : ZKT_DIALECT_PLAIN;
    if (!origin_may_connect(host, request)) {
        refuse_by_http(host, session,
                       &(struct refusal){ ZKT_PERMISSION_DENIED,
                                          ZKT_STR("The origin is not allowed"),
                                          NULL });
        return;
    }
    zkt__random_hex(&host->random, session->peer.client_id,
                    ZKT_CLIENT_ID_LEN / 2);
    if (info == NULL || read_parameters(host, session, info, request)) {
        welcome(host, session, protocol);
    }
    zkt__arena_reset(host->arena);
}
