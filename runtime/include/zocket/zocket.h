/* Everything a program may need of the runtime. */
#ifndef ZOCKET_ZOCKET_H
#define ZOCKET_ZOCKET_H

#include "zocket/allocator.h"
#include "zocket/call.h"
#include "zocket/client.h"
#include "zocket/embed.h"
#include "zocket/server.h"
#include "zocket/status.h"
#include "zocket/types.h"

#endif
