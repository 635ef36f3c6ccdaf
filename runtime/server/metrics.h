/*
 * The metrics of a server as Prometheus reads them, its text format 0.0.4. The
 * text is written in pieces of a bounded size, so that a schema with many
 * methods does not hold up a turn; counters go on between two pieces.
 *
 * The values of labels are names of the schema, codes, names of limits and
 * numbers of threads; nothing that a peer sends becomes one. Calls of an actor
 * or a method that the schema does not have are counted as "other".
 */
#ifndef ZKT_SERVER_METRICS_H
#define ZKT_SERVER_METRICS_H

#include "server/server.h"
#include "zocket/codec.h"

/* What the system says of the process. */
struct zkt_process_stats {
    bool is_known; /* false: the text has none of it */
    uint64_t cpu_ns;
    double start_seconds; /* since the epoch */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds, max_fds;
};

struct zkt_metrics_text {
    const struct zkt_server *server;
    struct zkt_server_stats stats;
    struct zkt_process_stats process;
    uint32_t other_tail;            /* underscores behind "other" */
    uint32_t family, actor, method; /* of the next piece */
};

/** Begins the text of a server, whose options ask for metrics, on its thread;
 * it borrows the server. */
void zkt__metrics_begin(struct zkt_metrics_text *text,
                        const struct zkt_server *server,
                        const struct zkt_process_stats *process);
/** Appends the next piece, at most some KiB, if names are short. Returns false
 * if there is none. */
bool zkt__metrics_next(struct zkt_metrics_text *text, struct zkt_writer *w);

/** Writes all of the text by @write. Returns ZKT_OK, ZKT_FAILED_PRECONDITION
 * if the options do not ask for metrics, or ZKT_NO_MEMORY. */
enum zkt_status zkt__metrics_write(
    struct zkt_server *server, const struct zkt_process_stats *process,
    void (*write)(void *user, const char *text, size_t len), void *user);

#endif
