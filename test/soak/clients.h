/*
 * The library's own clients in the soak. They lose their connection now and
 * then, find back, and know the state again; one keeps the ledgers of a round
 * alive, and one asks the server what it has counted.
 */
#ifndef SOAK_CLIENTS_H
#define SOAK_CLIENTS_H

#include "soak.h"

void clients_open(void);
/** One thing, with one of them, by chance. */
void clients_act(void);
/** Until everything is answered; then all they know is compared, and what was
 * added to the ledgers adds up. */
void clients_compare(void);
void clients_close(void);

/** The one that asks, which stays: its connection is the server's last. */
void meter_open(void);
void meter_read(struct soak_counts *out);
void meter_close(void);

#endif
