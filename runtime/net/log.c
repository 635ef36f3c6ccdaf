/*
 * The one place of the runtime that prints, for those who ask for it: a log
 * that programs can name in their options.
 */
#include <stdio.h>

#include "zocket/allocator.h"

void zkt_log_to_stderr(void *user, enum zkt_log_level level, const char *text)
{
    static const char *const prefix[] = {
        [ZKT_LOG_DEBUG] = "debug: ",
        [ZKT_LOG_INFO] = "",
        [ZKT_LOG_WARNING] = "warning: ",
        [ZKT_LOG_ERROR] = "error: ",
    };
    (void)user;
    fprintf(stderr, "%s%s\n", prefix[level], text);
}
