/* The media types of files (RFC 9110, section 8.3), by their names. */
#ifndef ZKT_HTTP_MEDIA_TYPE_H
#define ZKT_HTTP_MEDIA_TYPE_H

#include "zocket/types.h"

/** Returns the media type for the ending of @name, in any case of letters
 * (media_types.def); of another, application/octet-stream. Static text. */
const char *zkt__http_media_type(struct zkt_str name);

#endif
