/*
 * Poisons memory that must not be accessed, in builds with the address
 * sanitizer; a no-op elsewhere.
 */
#ifndef ZKT_BASE_POISON_H
#define ZKT_BASE_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define ZKT_WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZKT_WITH_ASAN 1
#endif
#endif

#ifdef ZKT_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define ZKT_POISON(at, size)   ASAN_POISON_MEMORY_REGION(at, size)
#define ZKT_UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define ZKT_POISON(at, size)   ((void)(at), (void)(size))
#define ZKT_UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#endif
