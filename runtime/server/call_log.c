/* See call_log.h. */
#include "server/call_log.h"

#include "server/core.h"
#include "server/log.h"

bool zkt__call_log_is_wanted(const struct zkt_serve_options *options)
{
    const bool logs = options->log != NULL || options->log_record != NULL;
    return options->on_call != NULL ||
           (logs && options->log_level <= ZKT_LOG_DEBUG);
}

static int64_t microseconds(int64_t ns)
{
    return ns > 0 ? ns / 1000 : 0;
}

static struct zkt_str name_of(const struct zkt_ended_call *ended)
{
    return ended->timer != NULL    ? ended->timer->name
           : ended->method != NULL ? ended->method->name
                                   : ZKT_STR("");
}

/* @request is the printed id. */
static struct zkt_call_report report_of(const struct zkt_host *host,
                                        const struct zkt_ended_call *ended,
                                        struct zkt_str request)
{
    const int64_t handler_ns = ended->handler_ns > 0 ? ended->handler_ns : 0;
    const struct zkt_writer *answer = ended->answer;
    const struct zkt_peer *peer = ended->peer;
    return (struct zkt_call_report){
        .is_timer = ended->timer != NULL,
        .actor = ended->actor != NULL ? ended->actor->name : ZKT_STR(""),
        .id = ended->instance,
        .method = name_of(ended),
        .client_id = peer != NULL ? zkt__peer_client_id(peer) : ZKT_STR(""),
        .address = zkt_cstr(peer != NULL ? peer->remote : NULL),
        .connection = ended->record != NULL ? ended->record->data : NULL,
        .request = request,
        .trace = zkt_cstr(ended->request.trace),
        .code = ended->failure != NULL ? ended->failure->status : ZKT_OK,
        .ended_ms = host->clock->wall_ms,
        .wait_us = microseconds(ended->answer_ns - handler_ns),
        .handler_us = microseconds(handler_ns),
        .bytes_in = ended->size,
        .bytes_out = answer != NULL && answer->len > ZKT_WS_HEAD_MAX
                         ? answer->len - ZKT_WS_HEAD_MAX
                         : 0,
    };
}

static void log_call(const struct zkt_host *host,
                     const struct zkt_call_report *report)
{
    const struct zkt_log_record fields = {
        .level = ZKT_LOG_DEBUG,
        .request = report->request,
        .connection = report->client_id,
        .address = report->address,
        .actor = report->actor,
        .id = report->id,
        .method = report->method,
        .code = zkt_cstr(zkt_status_name(report->code)),
        .ms = (report->wait_us + report->handler_us) / 1000,
        .has_ms = true,
    };
    zkt__host_log(host, &fields, report->is_timer ? "timer" : "call");
}

void zkt__call_log_take(struct zkt_host *host,
                        const struct zkt_ended_call *ended)
{
    const struct zkt_serve_options *options = zkt__server_options(host->server);
    char request[ZKT_REQUEST_SIZE];
    const struct zkt_call_report report = report_of(
        host, ended,
        zkt__request_print(&host->requests, &ended->request, request));
    if (options->log_level <= ZKT_LOG_DEBUG) {
        log_call(host, &report);
    }
    if (options->on_call != NULL) {
        zkt__server_begin_callback(host->server);
        options->on_call(options->on_call_user, &report);
        zkt__server_end_callback(host->server);
    }
}
