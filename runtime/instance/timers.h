/*
 * Timers of instances. A timer runs from its start until it is stopped, or, if
 * it fires once, until its handler is run. It is a block of memory of its own:
 * a copy of its input, its place in the heap of its shard, and its message in
 * the mailbox. So neither the commit that starts it nor firing can fail.
 *
 *   started: in the changes of the call, until it ends
 *   runs:    in the tree of its instance, and in the heap
 *   due:     in the tree, and in the mailbox (`waiting`)
 *
 * Timers that are due are in the mailbox as the messages of a contact are: each
 * round serves one of them, and the deferred call of an instance holds them
 * back. A repeating timer enters the heap again when its handler is run, at the
 * next time of its phase; so at most one message of a timer waits, and missed
 * times are one call.
 *
 * A timer with `every` runs while clients are in contact, from the first to the
 * last. A timer that a call has started, repeating or not, keeps its instance
 * alive. A call that stops a repeating timer stops it for the clients that are
 * in contact, too.
 *
 * The timers of an instance are in a hash tree, by their number and key. The
 * changes of a call are such a tree too.
 */
#ifndef ZKT_INSTANCE_TIMERS_H
#define ZKT_INSTANCE_TIMERS_H

#include <stdalign.h>
#include <stddef.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/tree.h"
#include "protocol/request.h"
#include "zocket/call.h"

struct zkt_host;
struct zkt_instance;

/* A timer that runs, or a change of a call. */
struct zkt_running_timer {
    struct zkt_tree_node by_key;
    struct zkt_instance *instance;
    const struct zkt_timer *type;
    struct zkt_str key;          /* in input, or behind this; "": none */
    struct zkt_heap_node heaped; /* its due time is monotonic */
    struct zkt_node node;        /* of the mailbox, or of a call's changes */
    int64_t period_ms;           /* 0: it fires once */
    const void *input;           /* behind this; NULL: none */
    struct zkt_request request;  /* of the call; its trace is behind input */
    bool started;                /* by a call */
    bool stops;                  /* a change that stops the timer */
    alignas(max_align_t) char memory[];
};

/* The timers of an instance; exists while there are any. */
struct zkt_timers {
    struct zkt_tree_node *tree;
    uint32_t blocks;  /* timers that refer to the instance */
    uint32_t running; /* in the tree */
    uint32_t started; /* of them by calls */
    struct zkt_list waiting;
    struct zkt_node in_round; /* in instance->round, if any wait */
    /* The changes of the call that has not ended yet. */
    struct {
        struct zkt_tree_node *tree;
        struct zkt_list all;
        int64_t added; /* timers that will run, less those that run */
    } changes;
};

/* The timers of a shard. */
struct zkt_timer_heap {
    struct zkt_heap heap;
    bool stopped; /* none fires any more */
};

/* ---- the shard ---- */

/** Returns the due time of the first, or INT64_MAX. */
static inline int64_t zkt__timers_next(const struct zkt_timer_heap *timers)
{
    const struct zkt_heap_node *first = zkt__heap_first(&timers->heap);
    return first != NULL && !timers->stopped ? first->due : INT64_MAX;
}
/** Puts every timer that is due into the mailbox of its instance. */
void zkt__timers_fire(struct zkt_host *host);
/* ---- an instance ---- */

/** Starts the timers with `every` for the first client. Returns false if there
 * is no memory. */
bool zkt__timers_resume(struct zkt_host *host, struct zkt_instance *instance);
/** Ends the timers that run only while clients are in contact. */
void zkt__timers_pause(struct zkt_host *host, struct zkt_instance *instance);
/** Ends all timers of an instance. */
void zkt__timers_end(struct zkt_host *host, struct zkt_instance *instance);
/** Runs the first timer that waits in the mailbox. */
void zkt__timers_serve(struct zkt_host *host, struct zkt_instance *instance);

/* ---- a call ---- */

/** Applies the changes of a call that is committed. */
void zkt__timers_apply(struct zkt_call *call);
/** Releases the changes of a call that are not applied. */
void zkt__timers_drop(struct zkt_call *call);
/** Frees a timer that runs no more. Takes NULL. */
void zkt__timer_free(struct zkt_host *host, struct zkt_running_timer *timer);

#endif
