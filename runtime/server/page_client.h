/*
 * The client for pages, in JavaScript: the module that GET /_zocket/client.js
 * answers with. runtime/ts/bytes writes it into the library.
 */
#ifndef ZKT_SERVER_PAGE_CLIENT_H
#define ZKT_SERVER_PAGE_CLIENT_H

#include "zocket/types.h"

struct zkt_page_client {
    struct zkt_str script; /* "": the library was built without it */
    struct zkt_str etag;   /* strong, with its quotation marks */
};

extern const struct zkt_page_client zkt__page_client;

#endif
