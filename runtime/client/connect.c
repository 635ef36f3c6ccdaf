/* See connect.h. */
#include "client/connect.h"

#include "base/utf8.h"
#include "client/connection.h"
#include "client/core.h"
#include "http/head.h"

enum {
    ITEMS_MAX = 16 * 1024, /* bytes of all parameters in a request */
    ITEM_EXTRA = 4         /* of each, at most, beside name and value */
};

enum kind {
    IN_QUERY,
    IN_FIELD,
    IN_COOKIE
};

struct zkt_connect_item {
    struct zkt_connect_item *next;
    enum kind kind;
    struct zkt_str key, value;
};

void zkt__connect_clear(struct zkt_connect *connect)
{
    zkt__arena_finish(&connect->arena);
    connect->first = NULL;
    connect->size = 0;
    connect->status = ZKT_OK;
    connect->text = "";
}

/* The first failure stands. */
static void fail(struct zkt_connect *connect, enum zkt_status status,
                 const char *text)
{
    if (connect->status == ZKT_OK) {
        connect->status = status;
        connect->text = text;
    }
}

/* ---- texts that a request can carry ---- */

/* A name of a field or cookie (RFC 9110, section 5.6.2). */
static bool is_token(struct zkt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!zkt__head_token[(unsigned char)text.data[i]]) {
            return false;
        }
    }
    return text.len > 0;
}

/* Fields that the handshake sets, or that frame the request. */
static bool is_reserved(struct zkt_str name)
{
    static const char *const names[] = {
        "Host", "Upgrade", "Connection",        "Content-Length", "Trailer",
        "TE",   "Expect",  "Transfer-Encoding", "Cookie",
    };
    static const char websocket[] = "Sec-WebSocket-";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (zkt__head_same(name, names[i])) {
            return true;
        }
    }
    return name.len >= sizeof(websocket) - 1 &&
           strncasecmp(name.data, websocket, sizeof(websocket) - 1) == 0;
}

/* A value of a field (RFC 9110, section 5.5). A server takes blanks at its ends
 * off, so that the value would not arrive as it is. */
static bool is_field_value(struct zkt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return zkt__utf8_valid(text.data, text.len) &&
           zkt__head_strip(text).len == text.len;
}

static bool is_visible(struct zkt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return true;
}

/* A value of a cookie (RFC 6265, section 4.1.1): nothing in it is encoded. */
static bool is_cookie_value(struct zkt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("\",;\\", text.data[i]) != NULL) {
            return false;
        }
    }
    return is_visible(text);
}

/* The characters that need no escape in a query string (RFC 3986, section
 * 2.3). */
static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

/* ---- the list ---- */

static bool has_key(const struct zkt_connect_item *item, enum kind kind,
                    struct zkt_str key)
{
    return item->kind == kind &&
           (kind == IN_FIELD ? zkt__head_same(item->key, key.data)
                             : zkt_str_eq(item->key, key));
}

/* Returns the bytes of a text in the request. */
static size_t size_of(enum kind kind, struct zkt_str text)
{
    size_t size = text.len;
    for (size_t i = 0; kind == IN_QUERY && i < text.len; i++) {
        size += is_unreserved(text.data[i]) ? 0 : 2;
    }
    return size;
}

/* Returns the item with @key, or a new one at the end of the list; or NULL if
 * there is no memory. */
static struct zkt_connect_item *find_or_add(struct zkt_connect *connect,
                                            enum kind kind, struct zkt_str key)
{
    struct zkt_connect_item **at = &connect->first;
    while (*at != NULL && !has_key(*at, kind, key)) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        return *at;
    }
    struct zkt_connect_item *item = zkt__arena_zero(&connect->arena, 1,
                                                    sizeof(*item));
    const struct zkt_str copy = zkt__arena_str(&connect->arena, key);
    if (item == NULL || copy.data == NULL) {
        return NULL;
    }
    connect->size += size_of(kind, key) + ITEM_EXTRA;
    item->kind = kind;
    item->key = copy;
    *at = item;
    return item;
}

static void set(struct zkt_connect *connect, enum kind kind, struct zkt_str key,
                struct zkt_str value)
{
    if (connect->size + size_of(kind, key) + size_of(kind, value) + ITEM_EXTRA >
        ITEMS_MAX) {
        fail(connect, ZKT_INVALID_ARGUMENT, "the parameters exceed 16 KiB");
        return;
    }
    struct zkt_connect_item *item = find_or_add(connect, kind, key);
    const struct zkt_str copy = zkt__arena_str(&connect->arena, value);
    if (item == NULL || copy.data == NULL) {
        fail(connect, ZKT_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    connect->size += size_of(kind, copy) - size_of(kind, item->value);
    item->value = copy;
}

void zkt_connect_query(struct zkt_connect *connect, const char *key,
                       const char *value)
{
    const struct zkt_str name = zkt_cstr(key), text = zkt_cstr(value);
    if (connect == NULL || value == NULL) {
        return;
    }
    if (name.len == 0 || !zkt__utf8_valid(name.data, name.len) ||
        !zkt__utf8_valid(text.data, text.len)) {
        fail(connect, ZKT_INVALID_ARGUMENT,
             "a key of the query string is empty, or a text is not UTF-8");
        return;
    }
    set(connect, IN_QUERY, name, text);
}

void zkt_connect_header(struct zkt_connect *connect, const char *name,
                        const char *value)
{
    const struct zkt_str field = zkt_cstr(name), text = zkt_cstr(value);
    if (connect == NULL || value == NULL) {
        return;
    }
    if (!is_token(field) || is_reserved(field)) {
        fail(connect, ZKT_INVALID_ARGUMENT,
             "a header field has a name that a program cannot set");
    } else if (!is_field_value(text)) {
        fail(connect, ZKT_INVALID_ARGUMENT,
             "a header field has a value that cannot be sent");
    } else {
        set(connect, IN_FIELD, field, text);
    }
}

void zkt_connect_cookie(struct zkt_connect *connect, const char *name,
                        const char *value)
{
    const struct zkt_str cookie = zkt_cstr(name), text = zkt_cstr(value);
    if (connect == NULL || value == NULL) {
        return;
    }
    if (!is_token(cookie) || !is_cookie_value(text)) {
        fail(connect, ZKT_INVALID_ARGUMENT,
             "a cookie has a name or a value that cannot be sent");
        return;
    }
    set(connect, IN_COOKIE, cookie, text);
}

void zkt_connect_bearer(struct zkt_connect *connect, const char *token)
{
    static const struct zkt_str scheme = ZKT_STR_INIT("Bearer ");
    const struct zkt_str text = zkt_cstr(token);
    if (connect == NULL || token == NULL) {
        return;
    }
    if (text.len == 0 || !is_visible(text)) {
        fail(connect, ZKT_INVALID_ARGUMENT,
             "a bearer token is empty, or cannot be sent");
        return;
    }
    char *value = zkt__arena_alloc(&connect->arena, scheme.len + text.len);
    if (value == NULL) {
        fail(connect, ZKT_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    memcpy(value, scheme.data, scheme.len);
    memcpy(value + scheme.len, text.data, text.len);
    set(connect, IN_FIELD, ZKT_STR("Authorization"),
        (struct zkt_str){ value, scheme.len + text.len });
}

/* ---- the request ---- */

/* Writes a text percent-encoded (RFC 3986, section 2.1). */
static void write_encoded(struct zkt_writer *w, struct zkt_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const char escape[] = { '%', digits[c >> 4], digits[c & 15] };
        if (is_unreserved((char)c)) {
            zkt_write_raw(w, text.data + i, 1);
        } else {
            zkt_write_raw(w, escape, sizeof(escape));
        }
    }
}

void zkt__connect_write_target(const struct zkt_connect *connect,
                               struct zkt_str path, struct zkt_writer *w)
{
    const char *mark = memchr(path.data, '?', path.len) != NULL ? "&" : "?";
    zkt_write_raw(w, path.data, path.len);
    for (const struct zkt_connect_item *item = connect->first; item != NULL;
         item = item->next) {
        if (item->kind == IN_QUERY) {
            zkt_write_raw(w, mark, 1);
            write_encoded(w, item->key);
            ZKT_WRITE(w, "=");
            write_encoded(w, item->value);
            mark = "&";
        }
    }
}

static void write_cookies(const struct zkt_connect *connect,
                          struct zkt_writer *w)
{
    bool any = false;
    for (const struct zkt_connect_item *item = connect->first; item != NULL;
         item = item->next) {
        if (item->kind != IN_COOKIE) {
            continue;
        }
        if (any) {
            ZKT_WRITE(w, "; ");
        } else {
            ZKT_WRITE(w, "Cookie: ");
        }
        zkt_write_raw(w, item->key.data, item->key.len);
        ZKT_WRITE(w, "=");
        zkt_write_raw(w, item->value.data, item->value.len);
        any = true;
    }
    if (any) {
        ZKT_WRITE(w, "\r\n");
    }
}

void zkt__connect_write_fields(const struct zkt_connect *connect,
                               struct zkt_writer *w)
{
    for (const struct zkt_connect_item *item = connect->first; item != NULL;
         item = item->next) {
        if (item->kind == IN_FIELD) {
            zkt_write_raw(w, item->key.data, item->key.len);
            ZKT_WRITE(w, ": ");
            zkt_write_raw(w, item->value.data, item->value.len);
            ZKT_WRITE(w, "\r\n");
        }
    }
    write_cookies(connect, w);
}

/* ---- the program's function ---- */

/* The program's status, or else that of its parameters. */
static enum zkt_status result_of(const struct zkt_client *client,
                                 enum zkt_status status)
{
    return status != ZKT_OK ? status : client->connect.status;
}

/* In a turn after zkt_client_prepared. */
static void run_prepared(struct zkt_work *work, void *owner)
{
    struct zkt_client *client = owner;
    (void)work;
    zkt__client_bind_thread(client);
    zkt__client_clock(client);
    zkt__connection_prepared(client, result_of(client, client->prepare_status));
}

enum zkt_status zkt__connect_prepare(struct zkt_client *client)
{
    const struct zkt_client_options *options = &client->options;
    zkt__connect_clear(&client->connect);
    if (options->prepare == NULL) {
        return ZKT_OK;
    }
    client->prepared.run = run_prepared;
    atomic_store(&client->preparing, true);
    client->depth++;
    const enum zkt_status status = options->prepare(options->prepare_user,
                                                    &client->connect);
    client->depth--;
    if (status == ZKT_PENDING || !atomic_exchange(&client->preparing, false)) {
        return ZKT_PENDING;
    }
    return result_of(client, status);
}

void zkt_client_prepared(struct zkt_client *client, enum zkt_status status)
{
    if (client != NULL && status != ZKT_PENDING &&
        atomic_exchange(&client->preparing, false)) {
        client->prepare_status = status;
        (void)client->ops->post_work(client->driver, &client->prepared);
    }
}
