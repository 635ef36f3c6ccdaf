/* Requests for a page that a browser is about to show. */
#ifndef ZKT_HTTP_NAVIGATION_H
#define ZKT_HTTP_NAVIGATION_H

#include <stdbool.h>

#include "zocket/types.h"

/** Returns true if @fields are of a navigation: Sec-Fetch-Mode says so (Fetch
 * Metadata), or is absent and Accept names HTML. */
bool zkt__http_is_navigation(struct zkt_str fields);

#endif
