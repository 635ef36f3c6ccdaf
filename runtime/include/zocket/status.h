/*
 * Status codes: an enum for everything that can fail. Zero is success. The
 * positive codes have the names and numbers of gRPC and travel over the wire by
 * name; the negative codes are local and never leave the process.
 *
 * A handler fails by returning zkt_fail (call.h) with a positive code, which
 * the caller receives together with a text. A function of the runtime returns
 * the codes that its own comment lists.
 *
 *     #include <stdio.h>
 *
 *     #include "zocket/status.h"
 *
 *     int report(enum zkt_status status)
 *     {
 *         switch (status) {
 *         case ZKT_OK:
 *             return 0;
 *         case ZKT_UNAVAILABLE:
 *         case ZKT_RESOURCE_EXHAUSTED:
 *             puts("try again later");
 *             return 1;
 *         default:
 *             printf("%s: %s\n", zkt_status_name(status),
 *                    zkt_status_text(status));
 *             return 1;
 *         }
 *     }
 */
#ifndef ZOCKET_STATUS_H
#define ZOCKET_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * X(NAME, number, text for people): every code, from which the enum, the names
 * and the texts are made. A program may expand it for tables of its own.
 */
#define ZKT_STATUS_TABLE(X)                                                    \
    /* It worked. */                                                           \
    X(OK, 0, "ok")                                                             \
    /* The program that began the call has ended it: zkt_client_close. */      \
    X(CANCELLED, 1, "cancelled")                                               \
    /* An input breaks a rule of the schema; trying again is of no use. */     \
    X(INVALID_ARGUMENT, 3, "invalid argument")                                 \
    /* A time limit has passed. The call may have run, or may still run. */    \
    X(DEADLINE_EXCEEDED, 4, "deadline exceeded")                               \
    /* The actor or the instance does not exist; or a handler says so. */      \
    X(NOT_FOUND, 5, "not found")                                               \
    /* Said by handlers: it exists already. */                                 \
    X(ALREADY_EXISTS, 6, "already exists")                                     \
    /* Said by handlers: this caller may not do it. Also the status of a       \
     * client that was refused with 403 or 1008. */                            \
    X(PERMISSION_DENIED, 7, "permission denied")                               \
    /* A limit is reached (limits.h), or the server is out of memory. */       \
    X(RESOURCE_EXHAUSTED, 8, "resource exhausted")                             \
    /* It cannot be done in this state, in this callback, or on this           \
     * thread. */                                                              \
    X(FAILED_PRECONDITION, 9, "failed precondition")                           \
    /* The instance ended before it handled the message. The next contact      \
     * makes a new instance. */                                                \
    X(ABORTED, 10, "aborted")                                                  \
    /* The actor has no such method. */                                        \
    X(UNIMPLEMENTED, 12, "unimplemented")                                      \
    /* A defect of the program that failed; the text stays in its log. */      \
    X(INTERNAL, 13, "internal error")                                          \
    /* There is no connection, it was lost, or the server stops. */            \
    X(UNAVAILABLE, 14, "unavailable")                                          \
    /* Said by handlers: the caller is not known. Also the status of a client  \
     * that was refused with 401. */                                           \
    X(UNAUTHENTICATED, 16, "unauthenticated")                                  \
    /* Local: a handler has deferred its call (call.h). */                     \
    X(PENDING, 100, "pending")                                                 \
    /* Local: the allocator returned NULL. */                                  \
    X(NO_MEMORY, -1, "out of memory")                                          \
    /* Local: the system refuses: no socket, no thread, no random bytes. */    \
    X(SYSTEM, -2, "system call failed")                                        \
    /* Local: an option is out of its range; the log names it. */              \
    X(BAD_OPTION, -3, "bad option")                                            \
    /* Local: an app has no handler for a method or hook; the log names        \
     * each. */                                                                \
    X(MISSING_HANDLER, -4, "missing handler")                                  \
    /* Local: the server or client has ended, or is about to. */               \
    X(CLOSED, -5, "closed")

/**
 * The result of everything that can fail. Compare with ZKT_OK: both positive
 * and negative values are failures. Numbers that the table lacks (2, 11, 15 of
 * gRPC) are never returned; a peer that sends another name is understood as
 * INTERNAL.
 */
enum zkt_status {
#define X(name, number, text) ZKT_##name = number,
    ZKT_STATUS_TABLE(X)
#undef X
};

/**
 * Returns the name of a code as the protocol spells it ("INVALID_ARGUMENT"),
 * without ZKT_. A number that is no code gives "INTERNAL". The string is static
 * and never NULL. From any thread.
 */
const char *zkt_status_name(enum zkt_status status);

/**
 * Returns a short English text for a code ("invalid argument"), in lower case
 * and without a full stop. A number that is no code gives "internal error". The
 * string is static, never NULL and never empty. From any thread.
 */
const char *zkt_status_text(enum zkt_status status);

#ifdef __cplusplus
}
#endif
#endif
