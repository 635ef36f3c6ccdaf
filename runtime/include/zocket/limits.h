/*
 * Nothing grows without a limit. This one table gives the members of
 * struct zkt_limits, the arguments of zkt_serve_main (`--message-bytes N`),
 * its environment (ZOCKET_MESSAGE_BYTES), their help, and the counters of
 * zkt_server_stats that say how often each was reached. In options, 0 stands
 * for the default.
 */
#ifndef ZOCKET_LIMITS_H
#define ZOCKET_LIMITS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, default, what is limited: what happens at the limit) */
#define ZKT_LIMITS_TABLE(X)                                                    \
    X(message_bytes, 1048576, "size of a message that arrives: 1009")          \
    X(message_ms, 10000, "time for progress of one that has begun: 1013")      \
    X(gathered_bytes, 268435456, "of all that have begun: the largest, 1013")  \
    X(progress_rate, 1024, "bytes a second that are progress: 1013")           \
    X(fragments, 1024, "frames of one message: 1009")                          \
    X(json_depth, 64, "containers in each other, at most 64: invalid")         \
    X(issues, 32, "failures listed of an input, at most 1024: a count")        \
    X(call_bytes, 67108864,                                                    \
      "of memory in one call, past its message: RESOURCE_EXHAUSTED")           \
    X(head_bytes, 16384, "size of a request head: 431")                        \
    X(handshake_ms, 10000, "time for the handshake: closed")                   \
    X(ping_after_ms, 30000, "silence before a ping")                           \
    X(pong_within_ms, 5000, "silence after a ping: closed")                    \
    X(close_ms, 2000, "time for the closing handshake: closed")                \
    X(half_open, 1024, "connections in their handshake: the oldest goes")      \
    X(accepts_per_turn, 64, "connections accepted in one turn: next turn")     \
    X(accepts_per_second, 0, "of them in a second, 0 for no limit: waits")     \
    X(connections, 0, "connections at once, 0 for descriptors - 64: 503")      \
    X(per_address, 0, "connections from one address, 0 for no limit: 503")     \
    X(read_per_turn, 65536, "bytes read of one connection: next turn")         \
    X(leaves_per_turn, 256, "contacts that end in one turn: next turn")        \
    X(instances, 1000000, "instances alive: RESOURCE_EXHAUSTED")               \
    X(instances_per_address, 0,                                                \
      "made by one address, 0 for a sixteenth: RESOURCE_EXHAUSTED")            \
    X(links, 1024, "instances one connection touches: RESOURCE_EXHAUSTED")     \
    X(subscriptions, 1024, "of one connection: RESOURCE_EXHAUSTED")            \
    X(pending_calls, 256, "calls of one connection: reading waits")            \
    X(mailbox_messages, 1024, "waiting per instance: RESOURCE_EXHAUSTED")      \
    X(mailbox_bytes, 8388608, "of them: RESOURCE_EXHAUSTED")                   \
    X(turn_work, 4000000, "work of one turn, about in ns: next turn")          \
    X(channel_messages, 4096, "on their way to a thread: reading waits")       \
    X(channel_bytes, 16777216, "of them: reading waits")                       \
    X(queued_bytes, 268435456,                                                 \
      "waiting for all instances of a thread: RESOURCE_EXHAUSTED")             \
    X(mailbox_per_turn, 32, "of them handled in one turn: next turn")          \
    X(handler_ms, 30000, "for a deferred handler: DEADLINE_EXCEEDED")          \
    X(deferred_bytes, 268435456,                                               \
      "of memory in deferred calls: RESOURCE_EXHAUSTED")                       \
    X(idle_ms, 0, "without contact until eviction, 0 for never")               \
    X(drain_ms, 5000, "for deferred calls when the server stops: cancelled")   \
    X(posted, 65536, "posted functions that wait: RESOURCE_EXHAUSTED")         \
    X(posted_per_turn, 256, "of them, and of other threads: next turn")        \
    X(mutations, 65536, "changes of state in one call: INTERNAL")              \
    X(events, 1024, "events emitted in one call: INTERNAL")                    \
    X(cache_bytes, 67108864, "of snapshots for new subscribers: encoded anew") \
    X(pieces, 256, "runs of a changed list in its patch: sent whole")          \
    X(output_high, 262144, "bytes queued: reading stops, patches collapse")    \
    X(output_hard, 1048576, "bytes queued: 1013 in time, 16 times at once")    \
    X(output_hard_ms, 1000, "time for more than output_hard: 1013")            \
    X(output_bytes, 67108864, "of one message: RESOURCE_EXHAUSTED")            \
    X(snapshot_bytes, 268435456, "of snapshots for slow readers: they wait")   \
    X(output_stuck_ms, 10000, "time for progress in taking output: 1013")      \
    X(protocol_errors, 16, "bad messages of one connection: 1008")             \
    X(log_per_second, 20, "lines of one kind in the log: left out, a count")

struct zkt_limits {
#define X(name, value, text) int64_t name;
    ZKT_LIMITS_TABLE(X)
#undef X
};

/** How often each limit was reached. */
struct zkt_limit_counts {
#define X(name, value, text) uint64_t name;
    ZKT_LIMITS_TABLE(X)
#undef X
};

#ifdef __cplusplus
}
#endif
#endif
