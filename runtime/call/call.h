/*
 * A call: the object that every handler is given, whatever runs it. An instance
 * runs methods and hooks (instance/task.h); a session runs `open`, `close` and
 * middleware. A call is a part of its task, which knows how it is run. The
 * functions of zocket/call.h that concern calls of every kind are here; those
 * of a state and of events are in instance/handler.c.
 *
 * A call is poisoned through the journal of its state. A call without an
 * instance has a journal without a state, which can be poisoned all the same.
 */
#ifndef ZKT_CALL_CALL_H
#define ZKT_CALL_CALL_H

#include "call/connection.h"
#include "call/deferred.h"
#include "protocol/failure.h"
#include "shard/message.h"
#include "websocket/websocket.h"
#include "zocket/call.h"

struct zkt_emitted;
struct zkt_expulsion;
struct zkt_instance;
struct zkt_outgoing;

/* The functions of a task that the parts of its call need. */
struct zkt_call_ops {
    /* Returns the handle of the task if the call is that of @member, number
     * @number; otherwise NULL with *@obstacle. */
    struct zkt_deferred *(*find_deferred)(struct zkt_call *call,
                                          enum zkt_member member,
                                          uint32_t number,
                                          const char **obstacle);
    /* Allocates everything that the call needs if it is cancelled. Returns
     * false if there is no memory. */
    bool (*prepare_cancelling)(struct zkt_call *call);
    /* Returns true if the call may fail with error number @error of the app. */
    bool (*declares)(const struct zkt_call *call, uint32_t error);
    /* Returns the output of a middleware of the app, or NULL. */
    const void *(*find_output)(const struct zkt_call *call, uint32_t number);
    /* Returns the monotonic time at which the call ends, or INT64_MAX. */
    int64_t (*find_due)(const struct zkt_call *call);
    /* Returns the message that the call is about. */
    struct zkt_called (*find_called)(const struct zkt_call *call);
    /* Returns the request of `open`; NULL for another call. */
    const struct zkt_ws_request *(*find_request)(const struct zkt_call *call);
    /* Sends the parts of the answer that its handle has, the @last or not; may
     * end the call. */
    void (*send_parts)(struct zkt_call *call, bool last);
    /* Runs the second half, on the thread of the task's shard. */
    void (*resume)(struct zkt_call *call);
    /* Runs the second half of a call that has ended, and frees its task. On
     * any thread. */
    void (*run_cancelled)(struct zkt_call *call);
};

struct zkt_emitted_list {
    struct zkt_emitted *first, *last; /* both NULL: it is empty */
};

struct zkt_call {
    const struct zkt_call_ops *ops;
    struct zkt_host *host;         /* NULL: cancelled */
    const struct zkt_actor *actor; /* NULL: of a connection */
    struct zkt_instance *instance; /* NULL: cancelled, or of a connection */
    const void *state, *private_state;
    void *user; /* of the app's handlers */
    int64_t now_ms;
    struct zkt_str client_id, instance_id;
    const char *name; /* of the method or hook that runs, for the log */
    struct zkt_request request; /* it gets a number when one is needed */
    const char *request_id;     /* printed, if has_request_id */
    struct zkt_arena *arena;
    struct zkt_journal journal;
    struct zkt_journal private_journal; /* if there is private state */
    struct zkt_issues issues;
    struct zkt_failure failure; /* given to zkt_fail */
    int64_t retry_after_ms;     /* given to zkt_retry_after; 0: nothing */
    /* The connection that causes the call; peer NULL: none does. */
    const struct zkt_peer *peer;
    struct zkt_connection_record *record;       /* as of its message, or NULL */
    struct zkt_connection_view *view;           /* or NULL */
    struct zkt_emitted_list events, broadcasts; /* with kicks */
    /* Clients that are expelled with the commit: as a list, and as a tree. */
    struct zkt_expulsion *first_expelled, *expelled;
    struct zkt_outgoing *outgoing; /* tells and asks (instance/asking.h) */
    struct zkt_str close_reason;   /* if there is a close_code */
    uint32_t event_count;
    uint16_t close_code;      /* of the connection that has ended; 0: none */
    enum zkt_topic topic : 8; /* in a subscribe hook */
    bool destroys;            /* the instance ends after the commit */
    /* There are events, broadcasts, expulsions, changes of timers, tells, or a
     * view of the connection. */
    bool has_effects;
    bool changes_timers;
    bool has_request_id;
    bool has_allocated; /* the handler may still use memory of the arena */
};

/** Says in the log that a call is used after its handler; returns false. */
bool zkt__call_report_over(const struct zkt_call *call);
/** Returns true if a handler of the call is running, or the call is cancelled.
 * Otherwise the function that asks does nothing. */
static inline bool zkt__call_runs(const struct zkt_call *call)
{
    return call->host == NULL || call->host->running == call ||
           zkt__call_report_over(call);
}

/** Poisons the call: it fails with @status, and the log has the reason, a
 * printf format. Only the first reason counts. */
#define zkt__call_poison(call, ...)                                            \
    zkt__journal_fail(&(call)->journal, __VA_ARGS__)

/** Initialises the members of calls of every kind. The caller begins the
 * journals, and sets ops, name, request, now_ms, peer, record (with a
 * reference) and the members of its kind. */
static inline void zkt__call_init(struct zkt_call *call, struct zkt_host *host,
                                  struct zkt_arena *arena)
{
    call->host = host;
    call->user = host->app.user;
    call->arena = arena;
    call->failure.status = ZKT_OK;
    call->retry_after_ms = 0;
    call->view = NULL;
    call->events = call->broadcasts = (struct zkt_emitted_list){ NULL, NULL };
    call->first_expelled = call->expelled = NULL;
    call->outgoing = NULL;
    call->event_count = 0;
    call->close_code = 0;
    call->destroys = call->has_allocated = call->has_effects = false;
    call->changes_timers = call->has_request_id = false;
    zkt__issues_init(&call->issues, arena, &host->rules);
}

/** Sets the failure of the call to a code and a text that lives as long. */
static inline void zkt__call_set_failure(struct zkt_call *call,
                                         enum zkt_status status,
                                         struct zkt_str text)
{
    call->failure = (struct zkt_failure){ .status = status, .text = text };
}

/** Returns the status of a call that fails since its handler has returned
 * @status. Logs ZKT_INTERNAL, and names a status that is not for callers. */
enum zkt_status zkt__call_fail_with(struct zkt_call *call,
                                    enum zkt_status status);

/** Returns the failure that the caller reads for a call that ends with
 * @status. The text of ZKT_INTERNAL is not for callers. */
struct zkt_failure zkt__call_failure(const struct zkt_call *call,
                                     enum zkt_status status);

/** Cuts a call off from its connection, which may end before it. */
static inline void zkt__call_forget_peer(struct zkt_call *call)
{
    call->peer = NULL;
}
/** Continues zkt__call_release_connection if there is anything to release. */
void zkt__call_drop_connection(struct zkt_call *call);
/** Drops the references of a call to records; its view is gone. */
static inline void zkt__call_release_connection(struct zkt_call *call)
{
    if (call->record != NULL || call->view != NULL) {
        zkt__call_drop_connection(call);
    }
}
/** Returns the changes of its connection that a call has made, or NULL. */
static inline const struct zkt_connection_change *zkt__call_connection_changes(
    const struct zkt_call *call)
{
    return call->view != NULL ? call->view->first : NULL;
}
/** Poisons the call: see zkt__call_fits. */
void zkt__call_exceeds(struct zkt_call *call, const char *name, size_t size);
/** Returns true if a message of @size bytes is within the limit output_bytes.
 * Otherwise poisons the call; @name names the message in the log. */
static inline bool zkt__call_fits(struct zkt_call *call, const char *name,
                                  size_t size)
{
    if (size <= (size_t)call->host->limits->output_bytes) {
        return true;
    }
    zkt__call_exceeds(call, name, size);
    return false;
}

/** Returns the request of a call that is not cancelled; it has an id. */
static inline struct zkt_request zkt__call_request(struct zkt_call *call)
{
    if (call->request.number == 0) {
        call->request.number = zkt__request_next(&call->host->requests);
    }
    return call->request;
}
/** Returns the fields that each line about a call has; its id is printed to
 * @request. */
struct zkt_log_record zkt__call_fields(const struct zkt_call *call,
                                       enum zkt_log_level level,
                                       char request[ZKT_REQUEST_SIZE]);
/** Writes a line about a call to the log. */
void zkt__call_log(const struct zkt_call *call, enum zkt_log_level level,
                   const char *text);
/** Logs an error of a call: the reason, and its issues. */
void zkt__call_log_failure(const struct zkt_call *call, const char *reason);

#endif
