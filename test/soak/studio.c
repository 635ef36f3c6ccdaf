/* The handlers of studios, for the server. */
#include <string.h>

#include "server.h"

/* ---- state ---- */

static struct soak_board_ref change(struct soak_studio_call *call)
{
    const struct soak_board_ref board = soak_studio_edit_board(call);
    soak_board_set_version(board, call->state->board.version + 1);
    return board;
}

/* The word names its holder, so that readers can check that it is theirs. */
static enum zkt_status hold(struct soak_studio_call *call)
{
    const struct zkt_str id = zkt_client_id(call->zkt);
    const uint32_t *had = zkt_uint32_map_find(&call->state->hands, id);
    const uint32_t count = had != NULL ? *had + 1 : 1;
    const struct soak_board_ref board = change(call);
    soak_board_set_holder(board, id);
    soak_board_put_counts(board, id, count);
    soak_studio_put_hands(call, id, count);
    soak_studio_set_word(call, id);
    return ZKT_OK;
}

static bool is_holder(const struct soak_studio_state *state,
                      const struct soak_studio_private *private_state,
                      struct zkt_str client_id)
{
    (void)private_state;
    return fault == FAULT_WORD || zkt_str_eq(state->board.holder, client_id);
}

static enum zkt_status departure(struct soak_studio_call *call)
{
    const struct zkt_str id = zkt_client_id(call->zkt);
    if (zkt_uint32_map_find(&call->state->hands, id) == NULL) {
        return ZKT_OK;
    }
    const struct soak_board_ref board = change(call);
    soak_board_remove_counts(board, id);
    soak_studio_remove_hands(call, id);
    if (zkt_str_eq(call->state->board.holder, id)) {
        soak_board_set_holder(board, ZKT_STR(""));
        soak_studio_unset_word(call);
    }
    return ZKT_OK;
}

static enum zkt_status read_studio(struct soak_studio_call *call, uint32_t *out)
{
    *out = call->state->board.version;
    return ZKT_OK;
}

static enum zkt_status begin(struct soak_studio_call *call)
{
    (void)call;
    atomic_fetch_add(&counted.activations, 1);
    return ZKT_OK;
}

static enum zkt_status end(struct soak_studio_call *call)
{
    atomic_fetch_add(&counted.deactivations, 1);
    return call->state->hands.len == 0
               ? ZKT_OK
               : zkt_fail(call->zkt, ZKT_INTERNAL, "some are here still");
}

/* ---- calls that take a while ---- */

static enum zkt_status then_fetch(struct soak_studio_call *call, uint32_t *out,
                                  void *user)
{
    job_end(call->zkt, user);
    *out = call->state->board.fetched + 1;
    soak_board_set_fetched(change(call), *out);
    return ZKT_OK;
}

static bool work_on_fetch(struct job *job)
{
    soak_studio_resume_fetch(job->later, then_fetch, job);
    return true;
}

static enum zkt_status fetch(struct soak_studio_call *call, uint32_t *out)
{
    struct job *job = job_make(work_on_fetch);
    (void)out;
    if (job == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    (void)change(call);
    job->later = soak_studio_defer_fetch(call);
    return job_begin(job);
}

static enum zkt_status then_export(struct soak_studio_call *call,
                                   const struct soak_studio_export_input *in,
                                   uint32_t *out, void *user)
{
    job_end(call->zkt, user);
    (void)change(call);
    *out = in->steps;
    return ZKT_OK;
}

static bool work_on_export(struct job *job)
{
    for (uint32_t i = 1; i <= job->count; i++) {
        soak_studio_progress_export(job->later, i);
    }
    soak_studio_resume_export(job->later, then_export, job);
    return true;
}

static enum zkt_status export_it(struct soak_studio_call *call,
                                 const struct soak_studio_export_input *in,
                                 uint32_t *out)
{
    struct job *job = job_make(work_on_export);
    (void)out;
    if (job == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    job->count = in->steps;
    job->later = soak_studio_defer_export(call);
    return job_begin(job);
}

/* The call has ended, or its stream has room. */
static void wake(enum zkt_notice notice, void *user)
{
    (void)notice;
    job_wake(user);
}

static enum zkt_status then_hang(struct soak_studio_call *call, void *user)
{
    job_end(call->zkt, user);
    return ZKT_OK;
}

static bool work_on_hang(struct job *job)
{
    soak_studio_resume_hang(job->later, then_hang, job);
    return true;
}

static enum zkt_status hang(struct soak_studio_call *call)
{
    struct job *job = job_make(work_on_hang);
    if (job == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    job->later = soak_studio_defer_hang(call);
    const enum zkt_status status = job_defer(job);
    if (status == ZKT_PENDING) {
        soak_studio_notify_hang(job->later, wake, job);
    }
    return status;
}

static enum zkt_status then_pour(struct soak_studio_call *call,
                                 const struct soak_studio_pour_input *in,
                                 void *user)
{
    (void)in;
    job_end(call->zkt, user);
    (void)change(call);
    return ZKT_OK;
}

/* Sends until the reader is too slow, the call has ended, or all is sent. */
static bool work_on_pour(struct job *job)
{
    static char text[4000]; /* of the only thread */
    memset(text, 'p', sizeof(text));
    while (job->at < job->count) {
        const struct soak_drop drop = { job->at, { text, job->letters } };
        const enum zkt_status status = soak_studio_send_pour(job->later, &drop);
        if (status == ZKT_RESOURCE_EXHAUSTED) {
            atomic_fetch_add(&counted.waits, 1);
            return false;
        }
        if (status != ZKT_OK) {
            break;
        }
        job->at += fault == FAULT_CHUNK && job->at == 5 ? 2 : 1;
    }
    soak_studio_resume_pour(job->later, then_pour, job);
    return true;
}

static enum zkt_status pour(struct soak_studio_call *call,
                            const struct soak_studio_pour_input *in)
{
    struct job *job = job_make(work_on_pour);
    if (job == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    (void)change(call);
    job->count = in->drops;
    job->letters = in->letters;
    job->later = soak_studio_defer_pour(call);
    const enum zkt_status status = job_defer(job);
    if (status == ZKT_PENDING) {
        soak_studio_notify_pour(job->later, wake, job);
        job_wake(job);
    }
    return status;
}

/* ---- calls of other studios ---- */

static enum zkt_status then_consult(struct soak_studio_call *call,
                                    const struct soak_studio_consult_input *in,
                                    uint32_t *out, void *user)
{
    const struct job *job = user;
    (void)in;
    *out = job->at;
    job_end(call->zkt, user);
    return ZKT_OK;
}

static void on_tripled(const struct zkt_reply *reply, uint32_t result,
                       void *user)
{
    struct job *job = user;
    job->at = reply->status == ZKT_OK ? result : 0;
    soak_studio_resume_consult(job->later, then_consult, job);
}

static enum zkt_status consult(struct soak_studio_call *call,
                               const struct soak_studio_consult_input *in,
                               uint32_t *out)
{
    const struct soak_studio_triple_input triple = { in->number };
    struct job *job = job_make(NULL);
    (void)out;
    if (job == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    job->later = soak_studio_defer_consult(call);
    const enum zkt_status status = job_defer(job);
    if (status == ZKT_PENDING) {
        soak_studio_ask_triple(call->zkt, in->id, &triple, on_tripled, job);
    }
    return status;
}

static enum zkt_status triple(struct soak_studio_call *call,
                              const struct soak_studio_triple_input *in,
                              uint32_t *out)
{
    (void)call;
    *out = 3 * in->number;
    return ZKT_OK;
}

static enum zkt_status inform(struct soak_studio_call *call,
                              const struct soak_studio_inform_input *in)
{
    atomic_fetch_add(&counted.told, 1);
    soak_studio_tell_hear(call->zkt, in->id);
    return ZKT_OK;
}

static enum zkt_status hear(struct soak_studio_call *call)
{
    atomic_fetch_add(&counted.heard, 1);
    soak_board_set_heard(change(call), call->state->board.heard + 1);
    return ZKT_OK;
}

/* ---- timers ---- */

/* A client has one timer at a time. */
static enum zkt_status schedule(struct soak_studio_call *call,
                                const struct soak_studio_schedule_input *in)
{
    const struct soak_studio_over_timer over = { zkt_client_id(call->zkt) };
    if (soak_studio_due_over(call, over.key) < 0) {
        atomic_fetch_add(&counted.scheduled, 1);
    }
    soak_studio_start_over(call, in->ms, &over);
    return ZKT_OK;
}

static enum zkt_status over(struct soak_studio_call *call,
                            const struct soak_studio_over_timer *in)
{
    (void)in;
    atomic_fetch_add(&counted.fired, 1);
    soak_board_set_over(change(call), call->state->board.over + 1);
    return ZKT_OK;
}

static enum zkt_status beat(struct soak_studio_call *call)
{
    atomic_fetch_add(&counted.beats, 1);
    soak_studio_set_beats(call, call->private_state->beats + 1);
    return ZKT_OK;
}

const struct soak_studio_handlers studio_handlers = {
    .fetch = fetch,
    .export_ = export_it,
    .pour = pour,
    .hang = hang,
    .hold = hold,
    .schedule = schedule,
    .consult = consult,
    .triple = triple,
    .inform = inform,
    .hear = hear,
    .read = read_studio,
    .timer_beat = beat,
    .timer_over = over,
    .on_disconnect = departure,
    .on_activate = begin,
    .on_deactivate = end,
    .audience_holders = is_holder,
};
