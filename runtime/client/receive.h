/*
 * Messages of the server: reading the envelope and passing its contents on to
 * calls, instances and subscriptions. Contents of a newer server are ignored
 * and counted.
 */
#ifndef ZKT_CLIENT_RECEIVE_H
#define ZKT_CLIENT_RECEIVE_H

#include "protocol/envelope.h"
#include "zocket/client.h"
#include "zocket/codec.h"

struct zkt_client_instance;

/** Handles a message of the server; changes @text in place. */
void zkt__client_receive(struct zkt_client *client, bool binary, char *text,
                         size_t len);
/** Reads the body of a refused handshake, which need not be JSON; changes @text
 * in place. */
void zkt__client_receive_refusal(struct zkt_client *client, char *text,
                                 size_t len);
/** The status of an error message. */
enum zkt_status zkt__error_code(const struct zkt_envelope *message);
/* Of the times that a server asks for, milliseconds. */
#define ZKT_RETRY_AFTER_MAX ((int64_t)5 * 60 * 1000)

/** Returns the milliseconds before which the server asks for no other attempt;
 * 0 if @message says none. */
int64_t zkt__client_retry_after(const struct zkt_envelope *message);
/** Makes @reader ignore fields and values that the schema does not have. */
void zkt__client_tolerate(const struct zkt_client *client,
                          struct zkt_reader *reader);
/** Adds everything that @reader ignored, or refused as too deep, to the
 * statistics. */
void zkt__count_ignored(struct zkt_client *client,
                        const struct zkt_reader *reader);
/** Reports an error to the error listeners of @instance and to the log. */
void zkt__client_report(struct zkt_client *client,
                        struct zkt_client_instance *instance,
                        enum zkt_status status, const char *format, ...)
    ZKT_PRINTF(4, 5);

#endif
