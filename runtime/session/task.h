/*
 * A task of a session is a call of `open`, of `close` or of a middleware, with
 * its memory. A task that is deferred is parked at its session, which
 * receives nothing until it is over.
 */
#ifndef ZKT_SESSION_TASK_H
#define ZKT_SESSION_TASK_H

#include "call/call.h"
#include "session/session.h"
#include "websocket/websocket.h"

struct zkt_session_task;

/* The kinds of tasks differ in these. */
struct zkt_session_task_ops {
    /* Returns the status of the handler. */
    enum zkt_status (*invoke)(struct zkt_session_task *task);
    /* The handler has returned: @status is ZKT_OK or that of its failure, which
     * zkt__call_failure has. Returns true if the task goes on with another
     * handler, which it has begun. */
    bool (*finish)(struct zkt_session_task *task, enum zkt_status status);
    /* The session ends before the handler has. NULL: nothing is to be done. */
    void (*abandon)(const struct zkt_session_task *task);
    /* Keeps all that the task borrows, before it is parked. Returns false if
     * there is no memory. NULL: it borrows nothing. */
    bool (*keep)(struct zkt_session_task *task);
};

struct zkt_session_task {
    struct zkt_arena arena;
    struct zkt_call call;
    const struct zkt_session_task_ops *ops;
    struct zkt_session *session; /* NULL: cancelled */
    enum zkt_member member;      /* of the handler, for zkt_call_defer */
    uint32_t number;
    bool may_defer;
    /* The errors of the app that the handler declares. */
    const uint16_t *errors;
    uint32_t error_count;
    char client_id[ZKT_CLIENT_ID_LEN + 1];
    const struct zkt_ws_request *request; /* of `open`, or NULL */
    /* Of middleware: the message, and the outputs of those before, by chain. */
    struct zkt_called called;
    const struct zkt_middleware_chain *chain;
    struct zkt_output *outputs; /* NULL: none */
    const void *input;          /* of the handler, or NULL */
    void *result;               /* data or output, of result_type; or NULL */
    const struct zkt_type *result_type;
    int64_t ends_at;          /* monotonic ms; 0: no deadline */
    struct zkt_heap_node due; /* of middleware, while it is parked */
    bool has_seat;            /* in sessions->parked */
    bool by_limit;            /* it is due by the limit handler_ms */
    size_t parked_bytes;      /* counted in sessions->deferred_bytes */
    struct zkt_deferred deferred;
    void *of; /* of its kind, in the arena */
};

/** Begins a task for @session. Returns NULL if there is no memory. */
struct zkt_session_task *zkt__session_task_new(
    struct zkt_host *host, struct zkt_session *session,
    const struct zkt_session_task_ops *ops);
/** Frees a task, or keeps it for the next. */
void zkt__session_task_free(struct zkt_host *host,
                            struct zkt_session_task *task);
/** Frees the task that is kept. */
void zkt__sessions_finish_tasks(struct zkt_sessions *sessions);
/** Begins the call of a handler; @name is for the log. */
void zkt__session_task_begin(struct zkt_host *host,
                             struct zkt_session_task *task, const char *name);
/** Runs the handler that has begun, and all that finish begins. The task is
 * then freed or parked. */
void zkt__session_task_run(struct zkt_host *host,
                           struct zkt_session_task *task);

/** The session ends: its parked task is cancelled, and answers nothing. */
void zkt__session_cancel(struct zkt_host *host, struct zkt_session *session);
/** Ends the parked task of a session with a failure. */
void zkt__session_fail_task(struct zkt_host *host, struct zkt_session *session,
                            enum zkt_status status, struct zkt_str text);
/** Ends the parked tasks of all sessions with a failure. */
void zkt__sessions_cancel(struct zkt_host *host, enum zkt_status status,
                          struct zkt_str text);

/** The time when the next parked middleware is out of time, or ZKT_NEVER. */
static inline int64_t zkt__sessions_due(const struct zkt_sessions *sessions)
{
    const struct zkt_heap_node *first = zkt__heap_first(&sessions->parked);
    return first != NULL ? first->due : ZKT_NEVER;
}
/** Ends the middleware that is out of time. */
void zkt__sessions_expire(struct zkt_host *host);

#endif
