/*
 * A server of the app of door.h: each call of `who` raises the role of its
 * connection by 1, up to 9 and then from 0 again, and returns it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../unit/door.h"

static enum zkt_status raise_role(struct zkt_call *call, struct zkt_str *out)
{
    const struct door_data *data = zkt_call_connection(call);
    const int32_t role = (data->role + 1) % 10;
    zkt_call_set_connection(call, 1, &role);
    zkt_topic_join(call, zkt_instance_id(call));
    *out = zkt_format(call, "%d", (int)role);
    return ZKT_OK;
}

int main(int argc, char **argv)
{
    traces = false;
    script.who = raise_role;
    return zkt_serve_main(door_app, NULL, argc, argv);
}
