/*
 * The library's own clients in the soak. They lose their connection now and
 * then, reconnect, and know the state again. The first client keeps the ledgers
 * of a round alive; the meter asks the server for its counters.
 */
#ifndef SOAK_CLIENTS_H
#define SOAK_CLIENTS_H

#include "soak.h"

void clients_open(void);
/** Does a random action with a random client. */
void clients_act(void);
/** Waits for all replies. */
void clients_settle(void);
/** Nothing changes any more: compares all known states and checks the sums of
 * the ledgers. */
void clients_compare(void);
void clients_close(void);

/** The meter stays: its connection is the server's last. */
void meter_open(void);
void meter_read(struct soak_counts *out);
void meter_close(void);

#endif
