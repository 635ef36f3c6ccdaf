/*
 * A connection that speaks the protocol by hand and so can do more than a
 * client. line.c has the socket, peer.c the frames, talk.c the messages, acts.c
 * the actions.
 */
#ifndef SOAK_PEER_H
#define SOAK_PEER_H

#include "replica.h"

enum {
    PEERS = 32,
    CALLS_MAX = 32
};

enum peer_state {
    PEER_AWAY,
    PEER_SHAKING,
    PEER_UP,
    PEER_REFUSED, /* expects an error reply and the end of the stream */
    PEER_DOOMED   /* expects the server to close, or to answer a close */
};

enum peer_call_kind {
    CALL_ADD,     /* returns a total */
    CALL_CHANGE,  /* returns nothing */
    CALL_READ,    /* returns the state of a ledger */
    CALL_NUMBER,  /* returns any number */
    CALL_EXACT,   /* returns the number `by` */
    CALL_REFUSED, /* fails with `code` */
    CALL_EXPORT,  /* reports up to `by`, and returns it */
    CALL_POUR     /* sends `by` chunks, and returns nothing */
};

struct peer_call {
    bool waits;
    enum peer_call_kind kind;
    int place;
    int32_t by;
    const char *code;
    uint32_t timeout_ms; /* 0: none */
    bool cancelled;      /* may be refused for that */
    int32_t heard;       /* the last report, or the chunks */
    unsigned long id;
    unsigned long fence; /* the replica's changes at the time of the call */
};

struct line; /* line.h */

struct peer {
    enum peer_state state;
    struct line *line;
    char client[64]; /* the id of the client */
    int code;        /* the expected close code; 0 for any */
    int closed;      /* the received close code */
    bool stalled;    /* does not read */
    bool slow;       /* has not read for a while: may have been conflated */
    enum zkt_dialect dialect;
    char *in, *out;
    size_t in_len, in_room, out_at, out_len, out_room;
    struct peer_call calls[CALLS_MAX];
    int waiting;             /* pending calls */
    int errors, bad;         /* expected error replies, and bad messages sent */
    int pongs;               /* expected pongs */
    int64_t last[LEDGERS];   /* the latest total, which only grows */
    uint32_t heard[LEDGERS]; /* the latest event's version */
    struct replica replicas[PLACES];
};

extern struct peer peers[PEERS];

/* ---- peer.c ---- */

/** Connects, and begins the handshake with @request. */
void peer_open(struct peer *p, const char *request, enum peer_state state);
/** Sends a frame; its first byte is @first. */
void peer_send(struct peer *p, uint8_t first, const char *text, size_t len);
/** Sends raw bytes. */
void peer_put(struct peer *p, const char *bytes, size_t len);
/** Returns true if the system has everything that was sent. */
bool peer_is_sent(const struct peer *p);
/** Sends bytes that are no record of TLS, and expects the end. Returns false
 * without TLS. */
bool peer_break(struct peer *p, const char *bytes, size_t len);
/** Resets the connection: messages under way are lost. */
void peer_reset(struct peer *p);
/** Expects the server to close with @code; 0 for any code, or none. */
void peer_doom(struct peer *p, int code);
void peer_stall(struct peer *p, bool stalled);
/** Releases the memory of a closed peer. */
void peer_finish(struct peer *p);

/* ---- talk.c ---- */

/** Sends a text message, formatted as by printf. */
void peer_say(struct peer *p, const char *format, ...) ZKT_PRINTF(2, 3);
/** Makes a call. @input is JSON, formatted as by printf, or empty. Waits for
 * room first. Returns the id of the call. */
unsigned long peer_call(struct peer *p, const struct peer_call *call,
                        const char *method, const char *input, ...)
    ZKT_PRINTF(4, 5);
/** Cancels a call; the reply still comes. */
void peer_cancel(struct peer *p, unsigned long id);
/** @what is `state:sub`, … */
void peer_subscribe(struct peer *p, int place, const char *what);
/** Subscribes to the state. */
void peer_enter_place(struct peer *p, int place);
/** Ends a subscription; the place must be quiet after that. */
void peer_leave_place(struct peer *p, int place);
/** Calls the read method of the place, as a fence or to compare. */
void peer_read(struct peer *p, int place);
/** Handles a message of the server, which has padding behind it. */
void peer_hear(struct peer *p, char *text, size_t len);
/** Forgets pending calls, which get no reply now. */
void peer_lose_calls(struct peer *p);

/* ---- acts.c ---- */

/** Does a random action with a random peer. */
void peers_act(void);
/** Runs until everything is answered and known. */
void peers_settle(void);
/** Compares all known states with the server's. */
void peers_compare(void);
/** All peers leave, in different ways. */
void peers_leave(void);
/** Makes calls and subscriptions that the server's shutdown has to end. */
void peers_crowd(void);
bool peers_are_away(void *user);

#endif
