/* Scalars by their class; see zocket/scalars.def. */
#ifndef ZKT_JSON_SCALAR_H
#define ZKT_JSON_SCALAR_H

#include "zocket/schema.h"

enum zkt_class {
    ZKT_CLASS_NONE, /* no scalar */
    ZKT_CLASS_TRUTH,
    ZKT_CLASS_INTEGER,
    ZKT_CLASS_TIME,
    ZKT_CLASS_REAL,
    ZKT_CLASS_TEXT,
    ZKT_CLASS_BYTES,
    ZKT_CLASS_ANY
};

static inline enum zkt_class zkt__class_of(const struct zkt_type *type)
{
    switch (type->kind) {
#define ZKT_SCALAR(symbol, word, class, ...)                                   \
    case ZKT_KIND_##symbol:                                                    \
        return ZKT_CLASS_##class;
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return ZKT_CLASS_NONE;
}

static inline int64_t zkt__from_signed(int64_t value)
{
    return value;
}

static inline int64_t zkt__from_unsigned(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* An integer of any C type for its rules: one past INT64_MAX is past any
 * bound, too. */
#define ZKT_WIDE(c_type, value)                                                \
    _Generic((c_type)0, uint64_t                                               \
             : zkt__from_unsigned, default                                     \
             : zkt__from_signed)(*(const c_type *)(value))

/** A value of a type of the class REAL. */
static inline double zkt__real_at(const struct zkt_type *type,
                                  const void *value)
{
    return type->size == sizeof(float) ? (double)*(const float *)value
                                       : *(const double *)value;
}

#endif
