/*
 * A socket with its endpoint, on a loop: reading, sending and closing. loop.h
 * declares how one begins.
 */
#ifndef ZKT_NET_TRANSPORT_H
#define ZKT_NET_TRANSPORT_H

#include "net/loop.h"

struct zkt_transport {
    struct zkt_source source;
    struct zkt_loop *loop;
    struct zkt_endpoint *endpoint; /* NULL: detached */
    struct zkt_node node; /* in loop->transports, ->linger or ->dropped */
    union {
        struct zkt_tls_stream *tls; /* of an endpoint, or NULL */
        int64_t linger_until;
    };
    bool stalled;  /* the socket takes no more bytes */
    bool ended;    /* end of file from the peer */
    bool peer_end; /* the peer has said by TLS that it sends no more */
};

/** Closes the socket and detaches the endpoint. The caller may still look at
 * the transport, which is freed at the end of the turn. */
void zkt__transport_drop(struct zkt_transport *t);
/** Frees the transports that were dropped. */
void zkt__transports_free_dropped(struct zkt_loop *loop);
/** Watches for the events that matter now; without any, epoll still reports a
 * reset. */
void zkt__transport_watch(struct zkt_transport *t);
/** Acts on the endpoint's output and flags. */
void zkt__transport_update(struct zkt_transport *t);

#endif
