/*
 * Status codes: one enum for everything that can fail. Zero is success, the
 * positive codes are those of the protocol (gRPC's names and numbers), the
 * negative ones can only be said on this side of the wire.
 */
#ifndef ZOCKET_STATUS_H
#define ZOCKET_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, number, text for people) */
#define ZKT_STATUS_TABLE(X)                                                    \
    X(OK, 0, "ok")                                                             \
    X(CANCELLED, 1, "cancelled")                                               \
    X(INVALID_ARGUMENT, 3, "invalid argument")                                 \
    X(DEADLINE_EXCEEDED, 4, "deadline exceeded")                               \
    X(NOT_FOUND, 5, "not found")                                               \
    X(ALREADY_EXISTS, 6, "already exists")                                     \
    X(PERMISSION_DENIED, 7, "permission denied")                               \
    X(RESOURCE_EXHAUSTED, 8, "resource exhausted")                             \
    X(FAILED_PRECONDITION, 9, "failed precondition")                           \
    X(ABORTED, 10, "aborted")                                                  \
    X(UNIMPLEMENTED, 12, "unimplemented")                                      \
    X(INTERNAL, 13, "internal error")                                          \
    X(UNAVAILABLE, 14, "unavailable")                                          \
    X(UNAUTHENTICATED, 16, "unauthenticated")                                  \
    X(PENDING, 100, "pending")                                                 \
    X(NO_MEMORY, -1, "out of memory")                                          \
    X(SYSTEM, -2, "system call failed")                                        \
    X(BAD_OPTION, -3, "bad option")                                            \
    X(MISSING_HANDLER, -4, "missing handler")                                  \
    X(CLOSED, -5, "closed")

enum zkt_status {
#define X(name, number, text) ZKT_##name = number,
    ZKT_STATUS_TABLE(X)
#undef X
};

/**
 * The name of a code as the protocol spells it ("INVALID_ARGUMENT"); static.
 * A number that is no code gives "INTERNAL".
 */
const char *zkt_status_name(enum zkt_status status);

/** A short English text for a code, static; never NULL, never empty. */
const char *zkt_status_text(enum zkt_status status);

#ifdef __cplusplus
}
#endif
#endif
