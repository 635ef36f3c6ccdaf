/* See affinity.h. The byte is never written; only its address counts. */
#include "base/affinity.h"

const char *zkt__thread_id(void)
{
    static _Thread_local char here;
    return &here;
}
