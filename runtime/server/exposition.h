/*
 * Writes the text format of Prometheus, version 0.0.4: heads of families,
 * series with their labels, histograms. It knows no server.
 */
#ifndef ZKT_SERVER_EXPOSITION_H
#define ZKT_SERVER_EXPOSITION_H

#include "shard/metrics.h"
#include "zocket/codec.h"

/* The name of an actor or a method that the schema does not have. */
extern const struct zkt_str zkt__exposition_other;

/* The labels of a series that are in front of others. */
struct zkt_labels {
    const struct zkt_str *actor;
    const struct zkt_str *method; /* NULL: none */
    /* Underscores behind zkt__exposition_other, as the schema has names that
     * are the same without. */
    uint32_t other_tail;
};

/* A histogram that is added up: the buckets, and behind them the sum in
 * nanoseconds. */
struct zkt_duration_sums {
    uint64_t buckets[ZKT_DURATIONS + 1], sum_ns;
};

void zkt__exposition_head(struct zkt_writer *w, struct zkt_str name,
                          const char *type, const char *help);
void zkt__exposition_count(struct zkt_writer *w, uint64_t value);
/** Writes nanoseconds as seconds. */
void zkt__exposition_seconds(struct zkt_writer *w, uint64_t ns);
/** Writes a line: a series with a label, or without if @label is NULL. */
void zkt__exposition_series(struct zkt_writer *w, struct zkt_str name,
                            const char *label, struct zkt_str value,
                            uint64_t count);
/** Writes a series for each code that was counted, and, if @begins, for
 * ZKT_OK. */
void zkt__exposition_codes(struct zkt_writer *w, struct zkt_str name,
                           const struct zkt_labels *labels,
                           const uint64_t codes[ZKT_CODES], bool begins);
void zkt__exposition_histogram(struct zkt_writer *w, struct zkt_str name,
                               const struct zkt_labels *labels,
                               const struct zkt_duration_sums *durations);

#endif
