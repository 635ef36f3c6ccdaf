/* The check that an app has all the handlers that its schema declares. */
#ifndef ZKT_SERVER_HANDLERS_H
#define ZKT_SERVER_HANDLERS_H

#include "zocket/server.h"

/** Writes the name of every missing handler to the log of @options. Returns
 * ZKT_MISSING_HANDLER if there are any. */
enum zkt_status zkt__server_check_app(const struct zkt_app *app,
                                      const struct zkt_serve_options *options);

#endif
