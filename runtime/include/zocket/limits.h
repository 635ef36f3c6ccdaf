/*
 * The limits of a server: nothing grows without a limit. This table gives
 *
 * - the members of struct zkt_limits, in the options of a server
 * - the arguments of zkt_serve_main, `--message-bytes N`
 * - its environment, ZOCKET_MESSAGE_BYTES=N
 * - their help, which is the third column
 * - the counters of zkt_server_stats: how often each limit was reached
 *
 * In options 0 stands for the default. A negative number, or more than a limit
 * can be, makes zkt_server_new fail with ZKT_BAD_OPTION; the log names the
 * limit. A client has limits of its own (client.h).
 *
 *     #include <stdio.h>
 *
 *     #include "zocket/limits.h"
 *     #include "zocket/server.h"
 *
 *     const struct zkt_serve_options options = {
 *         .limits.message_bytes = 4096,
 *         .limits.idle_ms = 60 * 1000,
 *     };
 *
 *     static void print(const char *name, uint64_t count)
 *     {
 *         printf("%s %llu\n", name, (unsigned long long)count);
 *     }
 *
 *     void print_reached(const struct zkt_server *server)
 *     {
 *         struct zkt_server_stats stats;
 *         zkt_server_stats(server, &stats);
 *     #define X(name, value, text) print(#name, stats.limit_hits.name);
 *         ZKT_LIMITS_TABLE(X)
 *     #undef X
 *     }
 *
 * Names end with their unit: _ms milliseconds, _bytes bytes, _per_turn and
 * _per_second so many of them; the others are counts. A *turn* is a round of
 * the server's loop. A limit is the server's as a whole, unless its comment
 * says "of a connection", "of a thread" and the like.
 */
#ifndef ZOCKET_LIMITS_H
#define ZOCKET_LIMITS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * X(name, default, text): the text names the thing that is limited, and behind
 * a colon the effect of reaching the limit. There a number is the code of a
 * close frame (RFC 6455, section 7.4.1; 1013 is "Try Again Later" in the
 * registry of codes) or an HTTP status; capitals are the status that a caller
 * reads.
 */
#define ZKT_LIMITS_TABLE(X)                                                    \
    /* ---- messages that arrive (RFC 6455, RFC 8259) ---- */                  \
    /* Bytes of a message without frame heads, over all its fragments. More    \
     * of them: close 1009 (RFC 6455, section 7.4.1). */                       \
    X(message_bytes, 1048576, "size of a message that arrives: 1009")          \
    /* Milliseconds in which a message that has begun must make progress_rate; \
     * then anew. Otherwise close 1013. */                                     \
    X(message_ms, 10000, "time for progress of one that has begun: 1013")      \
    /* Bytes of memory for messages that are not complete, all connections     \
     * together, an equal share for each thread. The connection with the       \
     * largest part is closed with 1013. */                                    \
    X(gathered_bytes, 268435456, "of all that have begun: the largest, 1013")  \
    /* Bytes a second below which a peer is too slow, in messages that arrive  \
     * (message_ms) and in output that it takes (output_stuck_ms). */          \
    X(progress_rate, 1024, "bytes a second that are progress: 1013")           \
    /* Frames of a message (RFC 6455, section 5.4). More: close 1009. */       \
    X(fragments, 1024, "frames of one message: 1009")                          \
    /* Arrays and objects around a value, from 1 to 64. More: the input has    \
     * the issue too_big. */                                                   \
    X(json_depth, 64, "containers in each other, at most 64: invalid")         \
    /* Issues that an INVALID_ARGUMENT lists, from 1 to 1024; "and N more"     \
     * stands for the others. */                                               \
    X(issues, 32, "failures listed of an input, at most 1024: a count")        \
    /* Bytes that a call takes for its decoded input, its journal and          \
     * zkt_alloc, beside message_bytes. More: RESOURCE_EXHAUSTED. */           \
    X(call_bytes, 67108864,                                                    \
      "of memory in one call, past its message: RESOURCE_EXHAUSTED")           \
    /* ---- handshakes and silence (RFC 6455, sections 4, 5.5, 7) ---- */      \
    /* Bytes of the head of an HTTP request, for a WebSocket or other. More:   \
     * 431 (RFC 6585, section 5). */                                           \
    X(head_bytes, 16384, "size of a request head: 431")                        \
    /* Milliseconds from accepting a connection, or from the first byte of a   \
     * later request, to its last header and through `open`. */                \
    X(handshake_ms, 10000, "time for the handshake: closed")                   \
    /* Bytes of the body of a request. More: 413 (RFC 9110, section            \
     * 15.5.14). */                                                            \
    X(body_bytes, 1048576, "size of the body of a request: 413")               \
    /* Milliseconds in which a body must make progress_rate; then anew.        \
     * Otherwise 408. */                                                       \
    X(body_ms, 30000, "time for progress of a body: 408")                      \
    /* Milliseconds in which the program has to answer a request               \
     * (zocket/http.h); and a call or a state by HTTP, from the end of its     \
     * client's stream on. */                                                  \
    X(http_ms, 30000, "time for the program to answer a request: 504")         \
    /* Requests that the program has not answered. */                          \
    X(held_requests, 4096, "requests that wait for the program: 503")          \
    /* Bytes of those requests, with their bodies. */                          \
    X(held_bytes, 67108864, "of them: 503")                                    \
    /* Milliseconds from the answer to a request to the next request on its    \
     * connection. Longer than the time of a proxy in front, which would send  \
     * a request while the connection ends. */                                 \
    X(http_idle_ms, 75000, "time between requests on a connection: closed")    \
    /* Milliseconds without a byte from a peer; then a ping is sent. */        \
    X(ping_after_ms, 30000, "silence before a ping")                           \
    /* Milliseconds without a byte after that ping; then the connection is     \
     * dropped. */                                                             \
    X(pong_within_ms, 5000, "silence after a ping: closed")                    \
    /* Milliseconds from a close frame that is sent to the end of the          \
     * connection, whether or not the peer answers. */                         \
    X(close_ms, 2000, "time for the closing handshake: closed")                \
    /* ---- connections, and the addresses that they come from ---- */         \
    /* Connections that have not finished their handshake. The next drops the  \
     * oldest of the address that has most of them. */                         \
    X(half_open, 1024, "connections in their handshake: the oldest goes")      \
    /* Connections that a turn accepts; the next turn goes on. */              \
    X(accepts_per_turn, 64, "connections accepted in one turn: next turn")     \
    /* Connections accepted in a second. More wait in the system's queue. */   \
    X(accepts_per_second, 0, "of them in a second, 0 for no limit: waits")     \
    /* Connections in all. More are answered with 503 (RFC 9110, section       \
     * 15.6.4), unless they probe health or read metrics; those of the         \
     * listener of metrics do not count. The default is found by zkt_serve and \
     * zkt_server_listen: the limit of descriptors, less 64; without sockets   \
     * there is none. */                                                       \
    X(connections, 0, "connections at once, 0 for descriptors - 64: 503")      \
    /* Connections of an address: of IPv4, all of it, of IPv6, its first 64    \
     * bits. More: 503. Behind a proxy leave it off. */                        \
    X(per_address, 0, "connections from one address, 0 for no limit: 503")     \
    /* Bytes that a turn takes from a connection, and that are kept for a      \
     * connection while its messages have to wait. */                          \
    X(read_per_turn, 65536, "bytes read of one connection: next turn")         \
    /* Files of static_dir of more than 64 KiB that are being sent; each keeps \
     * a descriptor. More: 503. */                                             \
    X(static_files, 256, "long static files being sent: 503")                  \
    /* Contacts of closed connections with instances that a turn ends; each    \
     * may run a `disconnect` hook. */                                         \
    X(leaves_per_turn, 256, "contacts that end in one turn: next turn")        \
    /* ---- instances, and the contacts of connections with them ---- */       \
    /* Instances that exist at once. A call or subscription that would exceed  \
     * them: RESOURCE_EXHAUSTED. */                                            \
    X(instances, 1000000, "instances alive: RESOURCE_EXHAUSTED")               \
    /* Instances that live and were made by connections of an address; 0 for   \
     * a sixteenth of instances. Behind a proxy: as many as instances. */      \
    X(instances_per_address, 0,                                                \
      "made by one address, 0 for a sixteenth: RESOURCE_EXHAUSTED")            \
    /* Bytes of the data of a connection, with its strings. A call that writes \
     * more, and an `open` that fills in more: INTERNAL. */                    \
    X(connection_bytes, 65536, "data of one connection: INTERNAL")             \
    /* Topics that a connection has joined. A call that joins more:            \
     * INTERNAL. */                                                            \
    X(topics, 128, "topics of one connection: INTERNAL")                       \
    /* Instances that a connection has called or subscribed to, and that keep  \
     * it as a contact. */                                                     \
    X(links, 1024, "instances one connection touches: RESOURCE_EXHAUSTED")     \
    /* Subscriptions of a connection to states and to events, together. */     \
    X(subscriptions, 1024, "of one connection: RESOURCE_EXHAUSTED")            \
    /* Buckets of rates that count by a field of the connection's data, as in  \
     * `limit 5/m by userId`. With more of them the one that is full first     \
     * begins anew. */                                                         \
    X(buckets, 100000, "of rates by a value: the fullest goes")                \
    /* ---- calls that wait: for an answer, an instance, a thread ---- */      \
    /* Calls and subscriptions of a connection without an answer. With so      \
     * many it is not read from, and nothing fails. */                         \
    X(pending_calls, 256, "calls of one connection: reading waits")            \
    /* Messages that wait for a busy instance. A client may have no more of    \
     * them than there are places left. */                                     \
    X(mailbox_messages, 1024, "waiting per instance: RESOURCE_EXHAUSTED")      \
    /* Bytes of those messages. */                                             \
    X(mailbox_bytes, 8388608, "of them: RESOURCE_EXHAUSTED")                   \
    /* Work that a turn does: messages, calls, encoding. The next turn has the \
     * rest. One unit is about a nanosecond. */                                \
    X(turn_work, 4000000, "work of one turn, about in ns: next turn")          \
    /* Messages that are under way from one thread to another. With so many,   \
     * connections that have more for it are not read from. */                 \
    X(channel_messages, 4096, "on their way to a thread: reading waits")       \
    /* Bytes of those messages. */                                             \
    X(channel_bytes, 16777216, "of them: reading waits")                       \
    /* Bytes in all mailboxes, an equal share for each thread. */              \
    X(queued_bytes, 268435456,                                                 \
      "waiting for all instances: RESOURCE_EXHAUSTED")                         \
    /* Messages that a turn takes from mailboxes. */                           \
    X(mailbox_per_turn, 32, "of them handled in one turn: next turn")          \
    /* ---- time: deferred calls, idle instances, stopping ---- */             \
    /* Milliseconds from deferring a call to its end; then it is cancelled     \
     * (call.h) and its caller reads DEADLINE_EXCEEDED. */                     \
    X(handler_ms, 30000, "for a deferred handler: DEADLINE_EXCEEDED")          \
    /* Bytes that deferred calls hold, an equal share for each thread. The     \
     * call that goes over it is cancelled with RESOURCE_EXHAUSTED. */         \
    X(deferred_bytes, 268435456,                                               \
      "of memory in deferred calls: RESOURCE_EXHAUSTED")                       \
    /* Milliseconds that an instance lives with no contact; then `deactivate`  \
     * runs and its state is gone. 0: forever. */                              \
    X(idle_ms, 0, "without contact until eviction, 0 for never")               \
    /* Milliseconds after zkt_server_shutdown in which the server serves as    \
     * before, and says that it is not ready (GET /readyz), so that a load     \
     * balancer sends no more. */                                              \
    X(drain_delay_ms, 0, "not ready before the server stops, 0 for none")      \
    /* Milliseconds that calls have to finish after zkt_server_shutdown; then  \
     * those that are deferred are cancelled. */                               \
    X(drain_ms, 5000, "for deferred calls when the server stops: cancelled")   \
    /* ---- work from other threads (zkt_server_post) ---- */                  \
    /* Functions that wait on a thread. More: zkt_server_post returns          \
     * ZKT_RESOURCE_EXHAUSTED. */                                              \
    X(posted, 65536, "posted functions that wait: RESOURCE_EXHAUSTED")         \
    /* Functions, and calls that were resumed, that a turn runs. */            \
    X(posted_per_turn, 256, "of them, and of other threads: next turn")        \
    /* Calls from outside (zkt_server_run, zkt_server_invoke) that have not    \
     * ended. More: these return ZKT_RESOURCE_EXHAUSTED. */                    \
    X(outside_messages, 65536, "calls of the program: RESOURCE_EXHAUSTED")     \
    /* Bytes of those calls. */                                                \
    X(outside_bytes, 67108864, "of them: RESOURCE_EXHAUSTED")                  \
    /* ---- the changes and events of a call ---- */                           \
    /* Changes of the state in a call, and as many of a private state. More:   \
     * the call fails with INTERNAL, since only its handler can be at          \
     * fault. */                                                               \
    X(mutations, 65536, "changes of state in one call: INTERNAL")              \
    /* Events that a call emits. More: INTERNAL. */                            \
    X(events, 1024, "events emitted in one call: INTERNAL")                    \
    /* Timers of an instance that run. A call that starts more: INTERNAL. */   \
    X(timers, 1024, "timers of one instance: INTERNAL")                        \
    /* ---- calls that interleave, and streams ---- */                         \
    /* Calls of an instance that let others in (call.h) and have not ended.    \
     * More: RESOURCE_EXHAUSTED. */                                            \
    X(open_calls, 1024, "open calls of one instance: RESOURCE_EXHAUSTED")      \
    /* Bytes of the chunks of a stream that were sent and have not reached the \
     * output of its connection. With so many, `send` takes no more until half \
     * of them have left. */                                                   \
    X(stream_bytes, 262144, "chunks of one stream that wait: sending waits")   \
    /* ---- calls of instances by instances (zkt_call_tell, _ask) ---- */      \
    /* Tells of a call, or of a half that commits by itself. A call that tells \
     * more: INTERNAL. */                                                      \
    X(tells, 1024, "tells of one call: INTERNAL")                              \
    /* Bytes of those tells. */                                                \
    X(tell_bytes, 1048576, "of them: INTERNAL")                                \
    /* Bytes of tells and asks that are not finished, an equal share for each  \
     * thread. A call that tells, and one that asks, beyond them:              \
     * RESOURCE_EXHAUSTED. */                                                  \
    X(asking_bytes, 67108864,                                                  \
      "of calls between instances: RESOURCE_EXHAUSTED")                        \
    /* ---- output: snapshots, patches (RFC 6902), slow readers ---- */        \
    /* Bytes that a thread keeps of snapshots and patches that were sent, for  \
     * the subscribers to come. The least recently used go first. */           \
    X(cache_bytes, 67108864, "of snapshots for new subscribers: encoded anew") \
    /* Runs of changed items that a patch has for a list. With more of them    \
     * the patch has the whole list. */                                        \
    X(pieces, 256, "runs of a changed list in its patch: sent whole")          \
    /* Bytes that wait to be sent to a connection. Above it the connection     \
     * is not read from, and a snapshot replaces its patches. */               \
    X(output_high, 262144, "bytes queued: reading stops, patches collapse")    \
    /* Bytes that wait behind the message that is being sent. Above it for     \
     * output_hard_ms: close 1013; above 16 times as much: at once. */         \
    X(output_hard, 1048576, "bytes queued: 1013 in time, 16 times at once")    \
    /* Milliseconds that a connection has to take the bytes over               \
     * output_hard. */                                                         \
    X(output_hard_ms, 1000, "time for more than output_hard: 1013")            \
    /* Bytes that wait to be sent to all connections together, an equal share  \
     * for each thread, without those of connections that have less than 16    \
     * KiB. After a turn above it the connection with most is closed with      \
     * 1013. */                                                                \
    X(unsent_bytes, 1073741824, "waiting for all peers: the most, 1013")       \
    /* Bytes of a message to a client. A call with a larger result, event or   \
     * patch fails with RESOURCE_EXHAUSTED and is undone. */                   \
    X(output_bytes, 67108864, "of one message: RESOURCE_EXHAUSTED")            \
    /* Bytes of the snapshots that are queued for slow readers, an equal share \
     * for each thread. Above it they are made in turn. */                     \
    X(snapshot_bytes, 268435456, "of snapshots for slow readers: they wait")   \
    /* Milliseconds in which a peer must take output at progress_rate, or all  \
     * that waits. Otherwise close 1013. */                                    \
    X(output_stuck_ms, 10000, "time for progress in taking output: 1013")      \
    /* ---- mistakes of peers, and the lines that they cause ---- */           \
    /* Messages of a connection that are no messages of the protocol. Each is  \
     * answered with an error; the last closes with 1008. */                   \
    X(protocol_errors, 16, "bad messages of one connection: 1008")             \
    /* Lines of a kind that a second may log. A later line has the number of   \
     * those that were left out. */                                            \
    X(log_per_second, 20, "lines of one kind in the log: left out, a count")

/**
 * The limits of a server, a member for each row of the table, in its units; 0
 * for the default. All zero is a good set of limits.
 */
struct zkt_limits {
#define X(name, value, text) int64_t name;
    ZKT_LIMITS_TABLE(X)
#undef X
};

/**
 * How often each limit was reached since the server was made: a counter for
 * each row of the table, under the same name. Limits of a turn count the turns
 * that had to leave work to the next.
 */
struct zkt_limit_counts {
#define X(name, value, text) uint64_t name;
    ZKT_LIMITS_TABLE(X)
#undef X
};

#ifdef __cplusplus
}
#endif
#endif
