/* See silence.h. */
#include "client/silence.h"

#include "client/connection.h"
#include "client/core.h"

enum {
    SECOND_MS = 1000,
    PROGRESS_RATE = 1024 /* bytes a second of a message, at least */
};

/* Begins a silence: the received part of a message does not end it. */
static void begin_silence(struct zkt_client *client, bool pinged)
{
    size_t memory;
    client->heard_partial = zkt__ws_partial(&client->ws, &memory);
    client->heard_completed = client->ws.completed;
    client->pinged = pinged;
}

void zkt__silence_restart(struct zkt_client *client)
{
    begin_silence(client, false);
    client->quiet_at =
        client->phase == ZKT_PHASE_OPEN && client->options.ping_after_ms > 0
            ? zkt__client_time_after(client, client->options.ping_after_ms)
            : ZKT_NEVER;
}

/* Returns true if the received bytes end the silence. Bytes of a message that
 * had begun before do so only at PROGRESS_RATE, so that a peer cannot keep a
 * connection with single bytes. */
static bool is_sign_of_life(const struct zkt_client *client)
{
    const int64_t limit = client->pinged ? client->options.pong_within_ms
                                         : client->options.ping_after_ms;
    const uint64_t ms = limit > 0 ? (uint64_t)limit : 0;
    size_t memory;
    const size_t partial = zkt__ws_partial(&client->ws, &memory);
    if (partial == 0 || client->heard_partial == 0 ||
        client->ws.completed != client->heard_completed) {
        return true;
    }
    return partial - client->heard_partial >=
           ms / SECOND_MS * PROGRESS_RATE +
               ms % SECOND_MS * PROGRESS_RATE / SECOND_MS;
}

void zkt__silence_received(struct zkt_client *client)
{
    if (is_sign_of_life(client)) {
        zkt__silence_restart(client);
    }
}

/* A driver that did not run for a while has not read bytes that may have come:
 * then it sends another ping. */
void zkt__silence_end(struct zkt_client *client)
{
    const int64_t late = client->core.now_ms - client->quiet_at;
    if (client->pinged && late < client->options.pong_within_ms) {
        zkt__client_lost(client, "the server does not answer");
        return;
    }
    begin_silence(client, true);
    client->quiet_at = zkt__client_time_after(client,
                                              client->options.pong_within_ms);
    zkt__ws_ping(&client->ws);
}
