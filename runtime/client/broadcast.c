/* Broadcasts of the server: see broadcast.h. */
#include "client/broadcast.h"

#include "client/core.h"
#include "client/listener.h"
#include "client/store.h"

/* Returns a listener to a broadcast of that name, or, without data, to any; or
 * NULL. */
static const struct zkt_listener *find_listener(const struct zkt_client *client,
                                                struct zkt_str name)
{
    const struct zkt_list *all = &client->broadcast_listeners;
    for (struct zkt_node *n = zkt__list_first(all); n != NULL;
         n = zkt__list_after(all, n)) {
        const struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener,
                                                     node);
        if (!l->removed &&
            (name.data == NULL || zkt_str_eq(l->broadcast->name, name))) {
            return l;
        }
    }
    return NULL;
}

void zkt__client_hear(struct zkt_client *client)
{
    const struct zkt_str any = { NULL, 0 };
    if (client->level == 0 || !zkt__client_is_open(client) ||
        client->hears == (find_listener(client, any) != NULL)) {
        return;
    }
    struct zkt_writer *w = zkt__client_write(client);
    client->hears = !client->hears;
    if (client->hears) {
        ZKT_WRITE(w, "{\"type\":\"broadcast:sub\"}");
    } else {
        ZKT_WRITE(w, "{\"type\":\"broadcast:unsub\"}");
    }
    zkt__client_send(client);
}

void zkt__client_unhear(struct zkt_client *client)
{
    client->level = 0;
    client->hears = false;
}

void zkt__client_receive_broadcast(struct zkt_client *client,
                                   const struct zkt_envelope *message)
{
    const struct zkt_listener *l = message->event.data != NULL
                                       ? find_listener(client, message->event)
                                       : NULL;
    if (l == NULL) {
        client->stats.unknown_events++;
        return;
    }
    struct zkt_notification notification = { .kind = ZKT_LISTEN_BROADCAST,
                                             .broadcast = l->broadcast };
    if (l->broadcast->payload != NULL) {
        notification.payload = zkt__decode_payload(
            client, l->broadcast->payload, message->payload);
        if (notification.payload == NULL) {
            client->stats.mismatches++;
            zkt__client_log(client, ZKT_LOG_ERROR,
                            "a broadcast %.*s does not fit the schema",
                            ZKT_ARG(message->event));
            return;
        }
    }
    client->stats.events++;
    zkt__listeners_notify(client, &client->broadcast_listeners, NULL,
                          &notification);
}
