/*
 * A connection that speaks the protocol by hand: it can do what no client
 * does. peer.c has the socket and the frames, talk.c the messages, acts.c what
 * is done with it.
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
    PEER_REFUSED, /* an answer with an error is awaited, and the end */
    PEER_DOOMED   /* the server is to close, or to answer a close */
};

enum peer_call_kind {
    CALL_ADD,     /* gives a total */
    CALL_CHANGE,  /* gives nothing */
    CALL_READ,    /* gives the state of a ledger */
    CALL_NUMBER,  /* gives a number that is not looked at */
    CALL_EXACT,   /* gives the number `by` */
    CALL_REFUSED, /* fails with `code` */
};

struct peer_call {
    bool waits;
    enum peer_call_kind kind;
    int place;
    int32_t by;
    const char *code;
    unsigned long id;
    unsigned long fence; /* the replica's changes when it was asked */
};

struct line; /* a socket and its handle, which closes later */

struct peer {
    enum peer_state state;
    struct line *line;
    int code;     /* with which the server is to close; 0: any */
    int closed;   /* with which it has */
    bool stalled; /* does not read */
    bool slow;    /* has not read for a while: may have been collapsed */
    enum zkt_dialect dialect;
    char *in, *out;
    size_t in_len, in_room, out_at, out_len, out_room;
    struct peer_call calls[CALLS_MAX];
    int waiting;     /* of them */
    int errors, bad; /* answers that are awaited to so many bad messages */
    int pongs;       /* awaited */
    int64_t last[LEDGERS];   /* the latest total, which grows */
    uint32_t heard[LEDGERS]; /* the latest event's version */
    struct replica replicas[PLACES];
};

extern struct peer peers[PEERS];

/* ---- peer.c ---- */

/** Connects, and begins the handshake with @request. */
void peer_open(struct peer *p, const char *request, enum peer_state state);
/** A frame that begins with @first. */
void peer_send(struct peer *p, uint8_t first, const char *text, size_t len);
/** Bytes as they are. */
void peer_put(struct peer *p, const char *bytes, size_t len);
/** Leaves with no goodbye: what is under way is lost. */
void peer_reset(struct peer *p);
/** The server will close with @code; 0: with any, or none. */
void peer_doom(struct peer *p, int code);
void peer_stall(struct peer *p, bool stalled);
/** Releases what it has; it must be away. */
void peer_finish(struct peer *p);

/* ---- talk.c ---- */

/** A text message; printf's. */
void peer_say(struct peer *p, const char *format, ...) ZKT_PRINTF(2, 3);
/** A call; @input is JSON and printf's, or empty. Makes room for it first. */
void peer_call(struct peer *p, const struct peer_call *call, const char *method,
               const char *input, ...) ZKT_PRINTF(4, 5);
/** @what: `state:sub`, … */
void peer_subscribe(struct peer *p, int place, const char *what);
/** Subscribes to the state. */
void peer_enter_place(struct peer *p, int place);
/** Ends a subscription, and sees that it is quiet behind that. */
void peer_leave_place(struct peer *p, int place);
/** A call that reads the place, as a fence or to compare. */
void peer_read(struct peer *p, int place);
/** One message of the server's, with padding behind it. */
void peer_hear(struct peer *p, char *text, size_t len);
/** Calls that will have no answer now. */
void peer_lose_calls(struct peer *p);

/* ---- acts.c ---- */

/** One thing, with one of them, by chance. */
void peers_act(void);
/** Until everything is answered and known. */
void peers_settle(void);
/** Compares all that is known with the server. */
void peers_compare(void);
/** Everybody leaves, in one way or another. */
void peers_leave(void);
/** Calls and subscriptions that a server which stops has to end. */
void peers_crowd(void);
bool peers_are_away(void *user);

#endif
