/*
 * Where the runtime takes its memory from, and where it says what went wrong.
 * The runtime itself never prints, never aborts and never exits.
 */
#ifndef ZOCKET_ALLOCATOR_H
#define ZOCKET_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Three functions with the meaning of malloc, realloc and free, each with
 * @user in front. They are called from the thread that owns the server or the
 * client (and from the threads that either runs of its own), and from threads
 * that post (zkt_server_post) or resume a call after its server was freed: who
 * does such a thing gives functions that any thread may call, at the same time,
 * and keeps the struct until the last one is done. NULL where one is
 * asked for stands for the C library's.
 *
 * Two libraries below do not go through it. wslay takes memory from the C
 * library for a connection whose peer sends fragments or control frames or
 * breaks the protocol, until that message is over: some KiB, and what fragments
 * hold, at most message_bytes (limits.h). libuv takes it for its loops and for
 * resolving names, by uv_replace_allocator, which is the program's to call.
 */
struct zkt_allocator {
    void *(*alloc)(void *user, size_t size);
    void *(*resize)(void *user, void *block, size_t size);
    void (*release)(void *user, void *block);
    void *user;
};

enum zkt_log_level {
    ZKT_LOG_DEBUG,
    ZKT_LOG_INFO,
    ZKT_LOG_WARNING,
    ZKT_LOG_ERROR
};

/**
 * For the log of options: a line on standard error, as it is or behind
 * "warning: " or "error: ". What zkt_serve has when it is given none. It does
 * not wait for whoever reads that, and a reader that has gone ends nothing: a
 * line that is not taken at once is dropped, and the next one that is taken has
 * in front of it how many those were. More than 1 KiB of a line is cut. @user
 * is not looked at. From any thread.
 */
void zkt_log_to_stderr(void *user, enum zkt_log_level level, const char *text);

#ifdef __cplusplus
}
#endif
#endif
