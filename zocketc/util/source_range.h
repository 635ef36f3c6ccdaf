/* Where something stands in the text of a schema; see syntax/source.h. */
#ifndef SOURCE_RANGE_H
#define SOURCE_RANGE_H

#include <stdint.h>

/* Bytes from start up to end; not past the end of a file. */
struct source_range {
    uint32_t start, end;
};

#endif
