/*
 * The tested server. Its handlers do as soak.zkt says; those of studios are in
 * studio.c, deferred calls in jobs.c. All memory of the runtime is counted; if
 * any is left at the end of the server, the exit status is 3.
 *
 * SOAK_FAULT in the environment makes a handler faulty, so that tests can check
 * that the soak notices: `memory`, a `block` of the runtime's, or a
 * `descriptor` is lost, an `answer` is wrong, a `state` differs from the
 * patches, a `word` is for everybody, a `chunk` is left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "server.h"
#ifdef HAS_TLS
#include "zocket/tls.h"
#endif

enum {
    ENTRIES_MAX = SOAK_LEDGER_ENTRIES_MAX,
    LATELY_MAX = 8,
    LOST_BYTES = 16384
};

struct counted counted;

/* ---- memory ---- */

/* The header of each block; its size keeps the block aligned. */
union head {
    size_t size;
    max_align_t align;
};

static void *count_block(union head *head, size_t size)
{
    if (head == NULL) {
        return NULL;
    }
    head->size = size;
    atomic_fetch_add(&counted.blocks, 1);
    atomic_fetch_add(&counted.bytes, size);
    return head + 1;
}

static void discount(const union head *head)
{
    atomic_fetch_sub(&counted.blocks, 1);
    atomic_fetch_sub(&counted.bytes, head->size);
}

static void *take(void *user, size_t size)
{
    (void)user;
    return count_block(malloc(sizeof(union head) + size), size);
}

static void give_back(void *user, void *block)
{
    union head *head = block;
    (void)user;
    if (block != NULL) {
        discount(head - 1);
        free(head - 1);
    }
}

static void *resize(void *user, void *block, size_t size)
{
    union head *head = block;
    if (block == NULL) {
        return take(user, size);
    }
    const union head before = head[-1];
    head = realloc(head - 1, sizeof(union head) + size);
    if (head == NULL) {
        return NULL;
    }
    discount(&before);
    return count_block(head, size);
}

static const struct zkt_allocator allocator = { take, resize, give_back, NULL };

/* ---- faults ---- */

enum fault fault;

static void read_fault(void)
{
    static const char *const names[] = { "",           "memory", "block",
                                         "descriptor", "answer", "state",
                                         "word",       "chunk" };
    const char *name = getenv("SOAK_FAULT");
    for (int i = 1; name != NULL && i <= FAULT_CHUNK; i++) {
        if (strcmp(name, names[i]) == 0) {
            fault = i;
        }
    }
}

/* The fault, in some of the calls. */
static void be_bad(struct soak_ledger_call *call, int64_t *out)
{
    static char *volatile lost;
    const unsigned long long turn = atomic_fetch_add(&counted.adds, 1);
    if (fault == FAULT_MEMORY) {
        lost = malloc(LOST_BYTES);
        if (lost != NULL) {
            memset(lost, 1, LOST_BYTES); /* makes the pages resident */
        }
    } else if (fault == FAULT_BLOCK) {
        lost = take(NULL, 1);
    } else if (fault == FAULT_DESCRIPTOR && turn % 64 == 0) {
        (void)dup(STDERR_FILENO);
    } else if (fault == FAULT_ANSWER && turn % 64 == 0) {
        *out -= 1000;
    }
    (void)call;
}

/* ---- ledgers ---- */

static void change(struct soak_ledger_call *call)
{
    const struct soak_ledger_changed_event event = { call->state->version + 1 };
    soak_ledger_set_version(call, event.version);
    soak_ledger_emit_changed(call, &event, zkt_to_all());
}

static enum zkt_status add(struct soak_ledger_call *call,
                           const struct soak_ledger_add_input *in, int64_t *out)
{
    const struct zkt_str id = zkt_client_id(call->zkt);
    soak_ledger_set_total(call, call->state->total + in->by);
    if (call->private_state->lately.len == LATELY_MAX) {
        soak_ledger_remove_lately(call, 0, 1);
    }
    soak_ledger_append_lately(call, (struct zkt_str){ id.data, 16 });
    change(call);
    *out = call->state->total;
    be_bad(call, out);
    return ZKT_OK;
}

static enum zkt_status then_add(struct soak_ledger_call *call,
                                const struct soak_ledger_add_later_input *in,
                                int64_t *out, void *user)
{
    job_end(call->zkt, user);
    soak_ledger_set_total(call, call->state->total + in->by);
    change(call);
    *out = call->state->total;
    return ZKT_OK;
}

static bool work_on_add(struct job *job)
{
    soak_ledger_resume_add_later(job->later, then_add, job);
    return true;
}

static enum zkt_status add_later(struct soak_ledger_call *call,
                                 const struct soak_ledger_add_later_input *in,
                                 int64_t *out)
{
    struct job *job = job_make(work_on_add);
    (void)in;
    (void)out;
    if (job == NULL) {
        return zkt_fail(call->zkt, ZKT_INTERNAL, "no memory");
    }
    job->later = soak_ledger_defer_add_later(call);
    return job_begin(job);
}

static enum zkt_status add_in_vain(
    struct soak_ledger_call *call,
    const struct soak_ledger_add_in_vain_input *in)
{
    soak_ledger_set_total(call, call->state->total + in->by);
    soak_ledger_clear_entries(call);
    soak_ledger_put_scores(call, ZKT_STR("vain"), in->by);
    soak_ledger_set_note(call, ZKT_STR("in vain"));
    change(call);
    return zkt_fail(call->zkt, ZKT_ABORTED, "in vain");
}

static void remove_some(struct soak_ledger_call *call, size_t at, size_t count)
{
    int32_t sum = call->state->sum;
    for (size_t i = at; i < at + count; i++) {
        sum -= call->state->entries.items[i].value;
    }
    soak_ledger_set_sum(call, sum);
    soak_ledger_remove_entries(call, at, count);
}

static enum zkt_status insert(struct soak_ledger_call *call,
                              const struct soak_ledger_insert_input *in)
{
    if (call->state->entries.len == ENTRIES_MAX) {
        remove_some(call, in->at % ENTRIES_MAX, 1);
    }
    const size_t at = in->at % (call->state->entries.len + 1);
    soak_ledger_insert_entries(call, at, &in->entry);
    soak_ledger_set_sum(call, call->state->sum + in->entry.value);
    change(call);
    return ZKT_OK;
}

static enum zkt_status remove_entries(struct soak_ledger_call *call,
                                      const struct soak_ledger_remove_input *in)
{
    const size_t len = call->state->entries.len;
    if (len == 0) {
        return ZKT_OK;
    }
    const size_t at = in->at % len;
    remove_some(call, at, len - at < in->count ? len - at : in->count);
    change(call);
    return ZKT_OK;
}

static enum zkt_status put(struct soak_ledger_call *call,
                           const struct soak_ledger_put_input *in)
{
    const struct zkt_int32_map *scores = &call->state->scores;
    if (scores->len == SOAK_LEDGER_SCORES_MAX &&
        zkt_int32_map_find(scores, in->key) == NULL) {
        soak_ledger_remove_scores(call, scores->items[0].key);
    }
    soak_ledger_put_scores(call, in->key, in->value);
    change(call);
    return ZKT_OK;
}

static enum zkt_status drop(struct soak_ledger_call *call,
                            const struct soak_ledger_drop_input *in)
{
    if (zkt_int32_map_find(&call->state->scores, in->key) != NULL) {
        soak_ledger_remove_scores(call, in->key);
        change(call);
    }
    return ZKT_OK;
}

static enum zkt_status annotate(struct soak_ledger_call *call,
                                const struct soak_ledger_annotate_input *in)
{
    if (in->text.has) {
        soak_ledger_set_note(call, in->text.value);
    } else {
        soak_ledger_unset_note(call);
    }
    change(call);
    return ZKT_OK;
}

static enum zkt_status read_ledger(struct soak_ledger_call *call,
                                   struct soak_book *out)
{
    const struct soak_ledger_state *state = call->state;
    *out = (struct soak_book){
        .version = state->version,
        .total = state->total + (fault == FAULT_STATE),
        .sum = state->sum,
        .entries = state->entries,
        .scores = state->scores,
        .note = state->note,
    };
    return ZKT_OK;
}

static enum zkt_status ledger_arrival(struct soak_ledger_call *call)
{
    atomic_fetch_add(&counted.arrivals, 1);
    soak_ledger_set_contacts(call, call->private_state->contacts + 1);
    return ZKT_OK;
}

static enum zkt_status ledger_departure(struct soak_ledger_call *call)
{
    atomic_fetch_add(&counted.departures, 1);
    soak_ledger_set_contacts(call, call->private_state->contacts - 1);
    return ZKT_OK;
}

static enum zkt_status ledger_begin(struct soak_ledger_call *call)
{
    (void)call;
    atomic_fetch_add(&counted.activations, 1);
    return ZKT_OK;
}

static enum zkt_status ledger_end(struct soak_ledger_call *call)
{
    atomic_fetch_add(&counted.deactivations, 1);
    return call->private_state->contacts == 0
               ? ZKT_OK
               : zkt_fail(call->zkt, ZKT_INTERNAL, "some are here still");
}

static const struct soak_ledger_handlers ledger = {
    .add = add,
    .add_later = add_later,
    .add_in_vain = add_in_vain,
    .insert = insert,
    .remove = remove_entries,
    .put = put,
    .drop = drop,
    .annotate = annotate,
    .read = read_ledger,
    .on_connect = ledger_arrival,
    .on_disconnect = ledger_departure,
    .on_activate = ledger_begin,
    .on_deactivate = ledger_end,
};

/* ---- rooms ---- */

static void speak(struct soak_room_call *call, struct zkt_str text)
{
    const struct soak_room_heard_event event = { text };
    if (call->state->said.len == SOAK_ROOM_SAID_MAX) {
        soak_room_remove_said(call, 0, 1);
    }
    soak_room_append_said(call, text);
    soak_room_emit_heard(call, &event, zkt_to_all());
}

static enum zkt_status say(struct soak_room_call *call,
                           const struct soak_room_say_input *in)
{
    const struct zkt_str id = zkt_client_id(call->zkt);
    const uint32_t *times = zkt_uint32_map_find(&call->state->people, id);
    soak_room_put_people(call, id, times == NULL ? 1 : *times + 1);
    speak(call, in->text);
    return ZKT_OK;
}

static enum zkt_status then_say(struct soak_room_call *call,
                                const struct soak_room_say_later_input *in,
                                void *user)
{
    job_end(call->zkt, user);
    speak(call, in->text);
    return ZKT_OK;
}

static bool work_on_say(struct job *job)
{
    soak_room_resume_say_later(job->later, then_say, job);
    return true;
}

static enum zkt_status say_later(struct soak_room_call *call,
                                 const struct soak_room_say_later_input *in)
{
    struct job *job = job_make(work_on_say);
    (void)in;
    if (job == NULL) {
        return zkt_fail(call->zkt, ZKT_INTERNAL, "no memory");
    }
    job->later = soak_room_defer_say_later(call);
    return job_begin(job);
}

static enum zkt_status read_room(struct soak_room_call *call, uint32_t *out)
{
    *out = (uint32_t)call->state->said.len;
    return ZKT_OK;
}

static enum zkt_status end_room(struct soak_room_call *call)
{
    zkt_destroy(call->zkt);
    return ZKT_OK;
}

static enum zkt_status room_departure(struct soak_room_call *call)
{
    const struct zkt_str id = zkt_client_id(call->zkt);
    if (zkt_uint32_map_find(&call->state->people, id) != NULL) {
        soak_room_remove_people(call, id);
    }
    return ZKT_OK;
}

static enum zkt_status room_begin(struct soak_room_call *call)
{
    (void)call;
    atomic_fetch_add(&counted.activations, 1);
    return ZKT_OK;
}

static enum zkt_status room_end(struct soak_room_call *call)
{
    (void)call;
    atomic_fetch_add(&counted.deactivations, 1);
    return ZKT_OK;
}

static const struct soak_room_handlers room = {
    .say = say,
    .say_later = say_later,
    .read = read_room,
    .end = end_room,
    .on_disconnect = room_departure,
    .on_activate = room_begin,
    .on_deactivate = room_end,
};

/* ---- hoses, plain instances, the meter ---- */

static enum zkt_status flood(struct soak_hose_call *call,
                             const struct soak_hose_flood_input *in,
                             uint32_t *out)
{
    *out = call->state->version + 1;
    char *text = zkt_alloc(call->zkt, in->letters + 1, 1);
    if (text != NULL) {
        memset(text, 'a' + (int)(*out % 26), in->letters);
        soak_hose_set_text(call, (struct zkt_str){ text, in->letters });
        soak_hose_set_version(call, *out);
    }
    return ZKT_OK;
}

static enum zkt_status spill(struct soak_hose_call *call,
                             const struct soak_hose_spill_input *in)
{
    char *text = zkt_alloc(call->zkt, in->letters + 1, 1);
    if (text != NULL) {
        memset(text, 's', in->letters);
        const struct soak_hose_spilled_event event = { { text, in->letters } };
        soak_hose_emit_spilled(call, &event, zkt_to_all());
    }
    return ZKT_OK;
}

static enum zkt_status keep(struct soak_hose_call *call,
                            const struct soak_hose_keep_input *in,
                            uint32_t *out)
{
    (void)call;
    *out = (uint32_t)in->text.len;
    return ZKT_OK;
}

static enum zkt_status read_hose(struct soak_hose_call *call, uint32_t *out)
{
    *out = call->state->version;
    return ZKT_OK;
}

static enum zkt_status peek(struct soak_plain_call *call, int32_t *out)
{
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status read_meter(struct soak_meter_call *call,
                                  struct soak_counts *out)
{
    struct zkt_server_stats stats;
#ifdef __GLIBC__
    (void)malloc_trim(0); /* freed memory is not resident then */
#endif
    zkt_server_stats(zkt_call_server(call->zkt), &stats);
    *out = (struct soak_counts){
        .connections = stats.connections,
        .instances = stats.instances,
        .deferred = stats.deferred,
        .queued = stats.queued,
        .calls = stats.calls,
        .commits = stats.commits,
        .patches = stats.patches,
        .events = stats.events,
        .evictions = stats.evictions,
        .hook_failures = stats.hook_failures,
        .errors = stats.protocol_errors,
        .collapses = stats.limit_hits.output_high,
        .overflows = stats.limit_hits.output_hard +
                     stats.limit_hits.output_stuck_ms,
        .activations = atomic_load(&counted.activations),
        .deactivations = atomic_load(&counted.deactivations),
        .arrivals = atomic_load(&counted.arrivals),
        .departures = atomic_load(&counted.departures),
        .deferrals = atomic_load(&counted.deferrals),
        .halves = atomic_load(&counted.halves),
        .cancelled = atomic_load(&counted.cancelled),
        .told = atomic_load(&counted.told),
        .heard = atomic_load(&counted.heard),
        .scheduled = atomic_load(&counted.scheduled),
        .fired = atomic_load(&counted.fired),
        .beats = atomic_load(&counted.beats),
        .waits = atomic_load(&counted.waits),
        .timers = stats.timers,
        .complaints = atomic_load(&counted.complaints),
        .broken_tls = atomic_load(&counted.broken_tls),
        .blocks = atomic_load(&counted.blocks),
        .bytes = atomic_load(&counted.bytes),
    };
    return ZKT_OK;
}

static const struct soak_hose_handlers hose = {
    .flood = flood, .spill = spill, .keep = keep, .read = read_hose
};
static const struct soak_plain_handlers plain = { .peek = peek };
static const struct soak_meter_handlers meter = { .read = read_meter };

/* ---- from start to end ---- */

/* Returns true for a connection that breaks TLS, or several of them. */
static bool is_of_tls(const char *text)
{
    return strstr(text, "TLS with ") != NULL;
}

/* Returns true for a call that hung until its time was over, since its caller
 * was gone: a peer that is lost may take the cancellation with it. */
static bool is_of_the_lost(const char *text)
{
    return strstr(text, ": hang: it did not finish in time") != NULL;
}

static void take_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    if (level >= ZKT_LOG_WARNING && !is_of_the_lost(text)) {
        atomic_fetch_add(
            is_of_tls(text) ? &counted.broken_tls : &counted.complaints, 1);
    }
    if (level >= ZKT_LOG_INFO) {
        fprintf(stderr, "%s\n", text);
    }
}

int main(int argc, char **argv)
{
    const struct soak_handlers handlers = { .ledger = &ledger,
                                            .room = &room,
                                            .hose = &hose,
                                            .studio = &studio_handlers,
                                            .plain = &plain,
                                            .meter = &meter };
    struct zkt_serve_options options = { .allocator = &allocator,
                                         .log = take_log,
                                         .metrics = true };
#ifdef HAS_TLS
    options.tls = zkt_tls_server(NULL);
#endif
    read_fault();
    if (!jobs_start()) {
        return 1;
    }
    const int status = zkt_serve_main(soak_app(&handlers), &options, argc,
                                      argv);
    jobs_stop();
#ifdef HAS_TLS
    zkt_tls_free(options.tls);
#endif
    const unsigned long long left = atomic_load(&counted.blocks);
    if (left > 0) {
        fprintf(stderr,
                "the server is gone and %llu blocks of memory are "
                "left\n",
                left);
        return 3;
    }
    return status;
}
