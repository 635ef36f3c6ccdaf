/*
 * The keys of session tickets (RFC 5077; RFC 8446, section 4.6.1). They outlive
 * the certificates, so that clients resume their sessions when these are read
 * again, and are replaced after half a day: a key that is stolen opens sessions
 * of TLS 1.2 of at most a day.
 */
#ifndef ZKT_TLS_TICKETS_H
#define ZKT_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct zkt_ticket_key {
    unsigned char name[16]; /* in the clear in each ticket */
    unsigned char aes[32], hmac[32];
    time_t made; /* 0: none */
};

struct zkt_tickets {
    pthread_mutex_t lock;
    struct zkt_ticket_key keys[2]; /* for new tickets, and the one before */
};

/** Returns false if the system has no lock. */
bool zkt__tickets_init(struct zkt_tickets *tickets);
void zkt__tickets_finish(struct zkt_tickets *tickets);

/** Makes a server's context use the keys, which outlive it. */
bool zkt__tickets_use(struct zkt_tickets *tickets, SSL_CTX *context);

/** Gets the key for new tickets; replaces it if it was made too long ago.
 * Returns false if there is no randomness. */
bool zkt__tickets_newest(struct zkt_tickets *tickets, time_t now,
                         struct zkt_ticket_key *out);
/** Finds the key of a ticket. Returns false if it is gone. */
bool zkt__tickets_find(struct zkt_tickets *tickets, time_t now,
                       const unsigned char name[16],
                       struct zkt_ticket_key *out);

#endif
