/*
 * The server of flow.test.js: methods that take time on threads of their own,
 * instances that call each other, and fields that some subscribers see.
 */
#include "flow_server.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static enum zkt_status on_open(struct flow_connection_call *call,
                               const struct flow_connection_input *in,
                               struct flow_connection *out)
{
    (void)call;
    out->user = in->user;
    return ZKT_OK;
}

/* ---- the state ---- */

static bool audience_keeper(const struct flow_room_state *state,
                            struct zkt_str client_id,
                            const struct flow_connection *connection)
{
    (void)client_id;
    return state->keeper.has &&
           zkt_str_eq(state->keeper.value, connection->user);
}

static enum zkt_status keep(struct flow_room_call *call,
                            const struct flow_room_keep_input *in)
{
    const struct flow_room_hint_event hint = { .text = in->secret };
    flow_room_set_keeper(call, call->connection->user);
    flow_room_set_secret(call, in->secret);
    flow_room_emit_hint(call, &hint, flow_room_to_keeper());
    return ZKT_OK;
}

static enum zkt_status note(struct flow_room_call *call,
                            const struct flow_room_note_input *in)
{
    flow_room_put_notes(call, in->user, in->text);
    return ZKT_OK;
}

static enum zkt_status write_line(struct flow_room_call *call,
                                  const struct flow_room_write_input *in)
{
    flow_room_append_log(call, in->line);
    return ZKT_OK;
}

static enum zkt_status tick(struct flow_room_call *call)
{
    flow_room_set_ticks(call, call->state->ticks + 1);
    return ZKT_OK;
}

/* ---- on a thread of their own ---- */

static void sleep_a_little(void)
{
    const struct timespec time = { .tv_nsec = 1000000 };
    (void)nanosleep(&time, NULL);
}

struct job {
    union {
        struct flow_room_count_later *count;
        struct flow_room_drip_later *drip;
        struct flow_room_work_later *work;
    } later;
    int32_t steps;
};

/* Runs @run on a thread of its own; it frees the job. Returns false if that
 * cannot be done. */
static bool start(void *(*run)(void *), const struct job *job)
{
    struct job *own = malloc(sizeof(*own));
    pthread_t thread;
    if (own == NULL) {
        return false;
    }
    *own = *job;
    if (pthread_create(&thread, NULL, run, own) != 0) {
        free(own);
        return false;
    }
    (void)pthread_detach(thread);
    return true;
}

static enum zkt_status counted(struct flow_room_call *call,
                               const struct flow_room_count_input *in,
                               void *user)
{
    (void)in;
    (void)user;
    flow_room_append_log(call, ZKT_STR("counted"));
    return ZKT_OK;
}

static void *run_count(void *argument)
{
    const struct job job = *(struct job *)argument;
    enum zkt_status status = ZKT_OK;
    free(argument);
    for (int32_t i = 1; i <= job.steps && status != ZKT_CANCELLED;) {
        status = flow_room_send_count(job.later.count, i);
        if (status == ZKT_OK) {
            i++;
        } else {
            sleep_a_little();
        }
    }
    flow_room_resume_count(job.later.count, counted, NULL);
    return NULL;
}

static enum zkt_status count(struct flow_room_call *call,
                             const struct flow_room_count_input *in)
{
    flow_room_append_log(call, ZKT_STR("counting"));
    const struct job job = { .later.count = flow_room_defer_count(call),
                             .steps = in->to };
    if (!start(run_count, &job)) {
        flow_room_resume_count(job.later.count, counted, NULL);
    }
    return ZKT_PENDING;
}

static enum zkt_status dripped(struct flow_room_call *call, void *user)
{
    (void)call;
    (void)user;
    return ZKT_OK;
}

static void *run_drip(void *argument)
{
    const struct job job = *(struct job *)argument;
    free(argument);
    for (int32_t i = 1; flow_room_send_drip(job.later.drip, i) != ZKT_CANCELLED;
         i++) {
        sleep_a_little();
    }
    flow_room_resume_drip(job.later.drip, dripped, NULL);
    return NULL;
}

static enum zkt_status drip(struct flow_room_call *call)
{
    const struct job job = { .later.drip = flow_room_defer_drip(call) };
    if (!start(run_drip, &job)) {
        flow_room_resume_drip(job.later.drip, dripped, NULL);
    }
    return ZKT_PENDING;
}

static enum zkt_status worked(struct flow_room_call *call,
                              const struct flow_room_work_input *in,
                              int32_t *out, void *user)
{
    (void)call;
    (void)user;
    *out = in->steps;
    return ZKT_OK;
}

static void *run_work(void *argument)
{
    const struct job job = *(struct job *)argument;
    free(argument);
    for (int32_t i = 1; i <= job.steps; i++) {
        flow_room_progress_work(job.later.work, (double)i / job.steps);
        sleep_a_little();
    }
    flow_room_resume_work(job.later.work, worked, NULL);
    return NULL;
}

static enum zkt_status work(struct flow_room_call *call,
                            const struct flow_room_work_input *in, int32_t *out)
{
    (void)out;
    const struct job job = { .later.work = flow_room_defer_work(call),
                             .steps = in->steps };
    if (!start(run_work, &job)) {
        flow_room_resume_work(job.later.work, worked, NULL);
    }
    return ZKT_PENDING;
}

/* ---- calls that wait for their end ---- */

static enum zkt_status ended(struct flow_room_call *call, void *user)
{
    (void)user;
    return zkt_cancelled(call->zkt) ? ZKT_OK : ZKT_INTERNAL;
}

static void end_hold(enum zkt_notice notice, void *user)
{
    (void)notice;
    flow_room_resume_hold(user, ended, NULL);
}

static enum zkt_status hold(struct flow_room_call *call)
{
    struct flow_room_hold_later *later = flow_room_defer_hold(call);
    flow_room_notify_hold(later, end_hold, later);
    return ZKT_PENDING;
}

static void end_hurry(enum zkt_notice notice, void *user)
{
    (void)notice;
    flow_room_resume_hurry(user, ended, NULL);
}

static enum zkt_status hurry(struct flow_room_call *call)
{
    struct flow_room_hurry_later *later = flow_room_defer_hurry(call);
    flow_room_notify_hurry(later, end_hurry, later);
    return ZKT_PENDING;
}

/* ---- failures ---- */

static enum zkt_status fail_as_told(struct flow_room_call *call,
                                    const struct flow_room_fail_input *in)
{
    static const struct {
        struct zkt_str name;
        enum zkt_status status;
    } statuses[] = {
#define X(NAME, number, text) { ZKT_STR_INIT(#NAME), ZKT_##NAME },
        ZKT_STATUS_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (zkt_str_eq(statuses[i].name, in->code)) {
            return zkt_fail(call->zkt, statuses[i].status, "%s", in->text.data);
        }
    }
    return ZKT_OK;
}

/* ---- other instances ---- */

static enum zkt_status tell(struct flow_room_call *call,
                            const struct flow_room_tell_input *in)
{
    const struct flow_room_written_input line = { .line = in->line };
    flow_room_tell_written(call->zkt, in->room, &line);
    return ZKT_OK;
}

struct asking {
    struct flow_room_ask_later *later;
    enum zkt_status status;
    uint32_t lines;
};

static enum zkt_status asked(struct flow_room_call *call,
                             const struct flow_room_ask_input *in,
                             uint32_t *out, void *user)
{
    const struct asking *asking = user;
    (void)call;
    (void)in;
    *out = asking->lines;
    return asking->status;
}

static void take_reply(const struct zkt_reply *reply, uint32_t lines,
                       void *user)
{
    struct asking *asking = user;
    asking->status = reply->status;
    asking->lines = lines;
    flow_room_resume_ask(asking->later, asked, asking);
}

static enum zkt_status ask(struct flow_room_call *call,
                           const struct flow_room_ask_input *in, uint32_t *out)
{
    const struct flow_room_written_input line = { .line = in->line };
    struct asking *asking = ZKT_NEW(call->zkt, struct asking, 1);
    (void)out;
    if (asking == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    asking->later = flow_room_defer_ask(call);
    flow_room_ask_written(call->zkt, in->room, &line, take_reply, asking);
    return ZKT_PENDING;
}

static enum zkt_status written(struct flow_room_call *call,
                               const struct flow_room_written_input *in,
                               uint32_t *out)
{
    flow_room_append_log(call, in->line);
    *out = (uint32_t)call->state->log.len;
    return ZKT_OK;
}

static const struct flow_room_handlers room = {
    .keep = keep,
    .note = note,
    .write = write_line,
    .count = count,
    .drip = drip,
    .work = work,
    .hold = hold,
    .hurry = hurry,
    .fail = fail_as_told,
    .tell = tell,
    .ask = ask,
    .written = written,
    .timer_tick = tick,
    .audience_keeper = audience_keeper,
};

static enum zkt_status set_level(struct flow_lamp_call *call,
                                 const struct flow_lamp_set_input *in)
{
    flow_lamp_set_level(call, in->level);
    return ZKT_OK;
}

static const struct flow_lamp_handlers lamp = { .set = set_level };

int main(int argc, char **argv)
{
    const struct flow_handlers handlers = { .on_open = on_open,
                                            .room = &room,
                                            .lamp = &lamp };
    const struct zkt_serve_options options = { .port = 0 };
    return zkt_serve_main(flow_app(&handlers), &options, argc, argv);
}
