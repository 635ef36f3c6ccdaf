/* See server_tls.h. */
#include "net/server_tls.h"

static void report(void *user, const char *text)
{
    zkt__server_log(user, ZKT_LOG_ERROR, "%s", text);
}

bool zkt__server_load_tls(struct zkt_server *server, struct zkt_tls **out)
{
    struct zkt_tls *tls = zkt__server_options(server)->tls;
    *out = NULL;
    if (tls == NULL) {
        return true;
    }
    if (!zkt__tls_is_usable(tls)) {
        report(server, ZKT_TLS_UNUSABLE);
        return false;
    }
    const int loaded = tls->ops->load(tls, report, server);
    *out = loaded > 0 ? tls : NULL;
    return loaded >= 0;
}

bool zkt__server_tls_names(void *user, struct zkt_str host)
{
    struct zkt_tls *tls = user;
    return tls->ops->names(tls, host);
}
