/* The names and texts of status codes, from their one table. */
#include "zocket/status.h"

const char *zkt_status_name(enum zkt_status status)
{
    switch (status) {
#define X(name, number, text)                                                  \
    case ZKT_##name:                                                           \
        return #name;
        ZKT_STATUS_TABLE(X)
#undef X
    }
    return "INTERNAL";
}

const char *zkt_status_text(enum zkt_status status)
{
    switch (status) {
#define X(name, number, text)                                                  \
    case ZKT_##name:                                                           \
        return text;
        ZKT_STATUS_TABLE(X)
#undef X
    }
    return "internal error";
}
