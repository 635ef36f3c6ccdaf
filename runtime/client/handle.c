/*
 * Public functions of handles: opening, closing and asking for the instance.
 * Each runs on the client's thread.
 */
#include "base/utf8.h"
#include "client/core.h"
#include "client/instance.h"
#include "client/listener.h"

enum {
    ID_MAX = 256
};

/* ---- handles ---- */

struct open_request {
    struct zkt_client *client;
    const struct zkt_remote_actor *actor;
    struct zkt_str id;
    struct zkt_handle *handle;
};

static void open_handle(void *user)
{
    struct open_request *o = user;
    struct zkt_client *client = o->client;
    const struct zkt_str id = o->id;
    if (client->ending) {
        return;
    }
    if (id.len == 0 || id.len > ID_MAX || !zkt__utf8_valid(id.data, id.len)) {
        zkt__client_log(client, ZKT_LOG_ERROR,
                        "the id of an instance is 1 to 256 bytes of UTF-8");
        return;
    }
    struct zkt_client_instance *instance = zkt__client_instance_find(
        client, o->actor->name, id);
    if (instance == NULL) {
        instance = zkt__client_instance_new(client, o->actor, id);
    }
    struct zkt_handle *handle = instance != NULL
                                    ? zkt__handle_acquire(client->handles)
                                    : NULL;
    if (handle != NULL) {
        instance->handles++;
        handle->instance = instance;
        o->handle = zkt__handle_public(handle);
    } else if (instance != NULL) {
        zkt__client_instance_mark(client, instance); /* it may be unused */
    }
}

struct zkt_handle *zkt_handle_open(struct zkt_client *client,
                                   const struct zkt_remote_actor *actor,
                                   const char *id)
{
    return zkt_handle_open_str(client, actor, zkt_cstr(id));
}

struct zkt_handle *zkt_handle_open_str(struct zkt_client *client,
                                       const struct zkt_remote_actor *actor,
                                       struct zkt_str id)
{
    struct open_request o = { client, actor, id, NULL };
    if (client != NULL) {
        zkt__client_run(client, open_handle, &o);
    }
    return o.handle;
}

/* The instance of an open handle, or NULL. */
static const struct zkt_client_instance *instance_of(
    const struct zkt_handle *handle)
{
    const struct zkt_handle *cell = zkt__handle_client(handle) != NULL
                                        ? zkt__handle_find(handle)
                                        : NULL;
    return cell != NULL ? cell->instance : NULL;
}

struct zkt_str zkt_handle_actor(const struct zkt_handle *handle)
{
    const struct zkt_client_instance *instance = instance_of(handle);
    return instance != NULL ? instance->actor->name : ZKT_STR("");
}

struct zkt_str zkt_handle_actor_id(const struct zkt_handle *handle)
{
    const struct zkt_client_instance *instance = instance_of(handle);
    return instance != NULL ? instance->id : ZKT_STR("");
}

struct close_request {
    struct zkt_client *client;
    struct zkt_handle *handle;
};

static void close_handle(void *user)
{
    const struct close_request *request = user;
    struct zkt_client *client = request->client;
    struct zkt_handle *handle = zkt__handle_find(request->handle);
    if (handle == NULL) {
        return;
    }
    zkt__listeners_remove(client, handle);
    handle->instance->handles--;
    zkt__client_instance_mark(client, handle->instance);
    zkt__handle_release(handle);
    zkt__client_wake(client);
}

void zkt_handle_close(struct zkt_handle *handle)
{
    struct close_request request = { zkt__handle_client(handle), handle };
    if (request.client != NULL) {
        zkt__client_run(request.client, close_handle, &request);
        return;
    }
    struct zkt_handle *cell = zkt__handle_find(handle);
    if (cell != NULL) {
        zkt__handle_release(cell);
    }
}
