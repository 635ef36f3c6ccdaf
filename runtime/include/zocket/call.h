/*
 * Inside a handler: what the running call knows and can do. Every pointer
 * that is handed out here is good until the call ends, unless said otherwise.
 * All of it is for the thread that runs the handler, while it runs.
 */
#ifndef ZOCKET_CALL_H
#define ZOCKET_CALL_H

#include "zocket/status.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_call;
struct zkt_place;
struct zkt_later;
struct zkt_server;

/**
 * What a handler returns to fail: keeps the text and gives @status back. The
 * caller reads code and text; for ZKT_INTERNAL the text is only logged. A
 * code that is not the protocol's becomes ZKT_INTERNAL. An empty text becomes
 * the code's own.
 */
enum zkt_status zkt_fail(struct zkt_call *call, enum zkt_status status,
                         const char *format, ...) ZKT_PRINTF(3, 4);

/** Text in the call's memory; the empty string when there is none. */
struct zkt_str zkt_format(struct zkt_call *call, const char *format, ...)
    ZKT_PRINTF(2, 3);

/**
 * Zeroed memory of the call, aligned to 16 bytes. NULL when there is none or
 * count * size overflows; then the call is poisoned and will fail.
 */
void *zkt_alloc(struct zkt_call *call, size_t count, size_t size);
#define ZKT_NEW(call, T, n) ((T *)zkt_alloc((call), (n), sizeof(T)))

/** An unguessable id of @bytes random bytes (1 to 64) in lower-case hex. */
struct zkt_str zkt_random_id(struct zkt_call *call, size_t bytes);
/** A random number below @below, evenly spread; 0 for 0. */
uint32_t zkt_random(struct zkt_call *call, uint32_t below);

/** Milliseconds since the epoch; the same until the handler returns. */
int64_t zkt_now_ms(const struct zkt_call *call);
/** The connection that called or whose hook runs; "" where there is none. */
struct zkt_str zkt_client_id(const struct zkt_call *call);
/** The actorId of the instance. */
struct zkt_str zkt_instance_id(const struct zkt_call *call);
/**
 * Everybody in contact with the instance, in order of arrival: with the
 * newcomer in `connect`, without the leaver in `disconnect`.
 */
struct zkt_str_list zkt_clients(struct zkt_call *call);
/** The .user of the app's handlers. */
void *zkt_user(const struct zkt_call *call);

/* ---- checks ---- */

struct zkt_issues;

/**
 * Inside a `check_…` handler: something is wrong with the struct, or with its
 * field @field (as on the wire, borrowed; NULL: all of it). May be called more
 * than once; the client is told all of it, with the code `custom`.
 */
void zkt_issue(struct zkt_issues *issues, const char *field, const char *format,
               ...) ZKT_PRINTF(3, 4);

/**
 * The server that runs the call, for what can be asked of it (server.h) on
 * its thread; NULL in a call that is cancelled.
 */
struct zkt_server *zkt_call_server(const struct zkt_call *call);

/**
 * The instance ends with this call: when it has been committed, `deactivate`
 * runs, whoever waits for the instance is refused with ABORTED, its
 * subscribers are told so by sub:error, and its state is gone. The next
 * contact makes a new one. A call that fails ends nothing.
 */
void zkt_destroy(struct zkt_call *call);

/*
 * ---- finishing later ----
 *
 * A handler of a method that has to wait for something takes a handle with
 * the generated `<app>_<actor>_defer_<method>`, gives it to whatever it waits
 * for, and returns ZKT_PENDING. When that is done, *any thread* hands the
 * handle to `<app>_<actor>_resume_<method>(later, then, user)`, and `then`
 * runs as the second half of the same call, on the server's thread: with the
 * same input and the same result, it may write, emit, fail, or defer again
 * (which gives the same handle back). Its `call` is another one: do not keep
 * the first half's.
 *
 * Each defer is followed by exactly one resume, also when the handler then
 * returns something other than ZKT_PENDING. A second one does nothing, and the
 * log says so, if it comes before `then` runs. No build can check one that
 * comes later: the handle may be another call's by then, or gone. Until the
 * second half is over everything else for the instance waits; other instances
 * do not.
 *
 * The call may end before: when it takes longer than the limit handler_ms,
 * when the server stops, when it is freed. Then `then` runs all the same, so
 * that nothing which it owns is lost, with a call that is cancelled: writing
 * and emitting do nothing, the state is empty (all zero), what it returns is
 * of no interest, the input and the ids are as they were. After
 * zkt_server_free it runs on the thread that resumes, within resume.
 */

/** Whether this is the second half of a call that has ended already. */
bool zkt_cancelled(const struct zkt_call *call);

/* ---- emitting events ---- */

enum zkt_target_kind {
    ZKT_TARGET_NONE, /* a zeroed target reaches nobody */
    ZKT_TARGET_ALL,
    ZKT_TARGET_ONLY,
    ZKT_TARGET_EXCEPT
};

/**
 * Whom an event is for; it narrows the set of subscribers and never widens
 * it. Ids are borrowed until the emit returns.
 */
struct zkt_target {
    enum zkt_target_kind kind;
    const struct zkt_str *ids; /* NULL: just `one` */
    size_t len;
    struct zkt_str one;
};

struct zkt_target zkt_to_all(void);
struct zkt_target zkt_to(struct zkt_str id);
struct zkt_target zkt_to_each(const struct zkt_str *ids, size_t len);
struct zkt_target zkt_except(struct zkt_str id);
struct zkt_target zkt_except_each(const struct zkt_str *ids, size_t len);

/* ---- for generated code ---- */

/** The live state of the instance; NULL never. */
const void *zkt_call_state(const struct zkt_call *call);
/** The same of the private state of an actor that has one. */
const void *zkt_call_hidden(const struct zkt_call *call);
/** The place that is the whole state. */
struct zkt_place *zkt_call_place(struct zkt_call *call);
/** The place that is the whole private state, where there is one. */
struct zkt_place *zkt_call_hidden_place(struct zkt_call *call);

/**
 * The handle of the call that runs, which must be of method number @method of
 * its actor. NULL: not of that one, a hook, deferred already, or no memory;
 * then the call is poisoned, and there is nothing to resume.
 */
struct zkt_later *zkt_call_defer(struct zkt_call *call, uint32_t method);
/* Calls @then by its real type. */
typedef enum zkt_status zkt_then_invoke(struct zkt_call *call,
                                        void (*then)(void), const void *input,
                                        void *result, void *user);
/** Resumes, from any thread, once. Takes NULL, which does nothing. */
void zkt_later_resume(struct zkt_later *later, zkt_then_invoke *invoke,
                      void (*then)(void), void *user);
/** Checks, encodes and queues a payload (NULL for an event without one). */
void zkt_call_emit(struct zkt_call *call, uint32_t event, const void *payload,
                   struct zkt_target target);

#ifdef __cplusplus
}
#endif
#endif
