/*
 * The calls in progress, by the number in their ids, which is unique in a
 * client. A reply must have the complete id: other programs may use the same
 * number.
 */
#include "client/call_index.h"

#include "client/calls.h"
#include "client/core.h"

/* Writes @value with its end at @end. Returns its begin. */
static char *print_digits(char *end, uint64_t value, unsigned base)
{
    do {
        const unsigned digit = (unsigned)(value % base);
        *--end = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        value /= base;
    } while (value != 0);
    return end;
}

struct zkt_str zkt__call_id(char memory[ZKT_CALL_ID_MAX],
                            const struct zkt_pending *p)
{
    static const char begin[] = "\"rpc_";
    char *end = memory + ZKT_CALL_ID_MAX;
    char *at = end;
    *--at = '"';
    at = print_digits(at, p->stamp, 36);
    *--at = '_';
    at = print_digits(at, p->number, 10);
    at -= sizeof(begin) - 1;
    memcpy(at, begin, sizeof(begin) - 1);
    return (struct zkt_str){ at, (size_t)(end - at) };
}

static uint64_t hash_number(const struct zkt_client *client, uint64_t number)
{
    return zkt__hash(&client->store.key, (const char *)&number, sizeof(number));
}

static bool has_number(const void *owner, uint32_t position, const void *key,
                       size_t len)
{
    const struct zkt_client *client = owner;
    const struct zkt_pending *p = client->sent.objects[position];
    (void)len;
    return p->number == *(const uint64_t *)key;
}

bool zkt__call_index_add(struct zkt_client *client, struct zkt_pending *p)
{
    if (!zkt__index_reserve(&client->by_number, client->allocator, 1)) {
        return false;
    }
    p->slot = zkt__slots_add(&client->sent, p);
    if (p->slot != 0) {
        zkt__index_add(&client->by_number, hash_number(client, p->number),
                       (uint32_t)p->slot);
    }
    return p->slot != 0;
}

void zkt__call_index_remove(struct zkt_client *client, struct zkt_pending *p)
{
    if (p->slot != 0) {
        zkt__index_remove(&client->by_number, hash_number(client, p->number),
                          (uint32_t)p->slot);
        zkt__slots_remove(&client->sent, p->slot);
        p->slot = 0;
    }
}

/* The number in an id token. Returns 0 if the client did not make the id. */
static uint64_t parse_number(struct zkt_str id)
{
    static const char begin[] = "\"rpc_";
    const size_t len = sizeof(begin) - 1;
    uint64_t number = 0;
    if (id.len < len || memcmp(id.data, begin, len) != 0) {
        return 0;
    }
    /* No check of digits: the caller compares the complete id. */
    for (size_t i = len; i < id.len && id.data[i] != '_'; i++) {
        number = number * 10 + (uint64_t)(id.data[i] - '0');
    }
    return number;
}

struct zkt_pending *zkt__call_index_get(const struct zkt_client *client,
                                        uint64_t number)
{
    const uint32_t at = zkt__index_find(&client->by_number,
                                        hash_number(client, number), has_number,
                                        client, &number, sizeof(number));
    return at != ZKT_INDEX_NONE ? client->sent.objects[at] : NULL;
}

struct zkt_pending *zkt__call_index_find(const struct zkt_client *client,
                                         struct zkt_str id)
{
    char text[ZKT_CALL_ID_MAX];
    struct zkt_pending *p = zkt__call_index_get(client, parse_number(id));
    return p != NULL && p->text.len == 0 &&
                   zkt_str_eq(zkt__call_id(text, p), id)
               ? p
               : NULL;
}
