/*
 * zocket/tls.h, and the functions that net calls (net/tls.h): the object of a
 * server or client, which holds the settings and the newest credentials.
 */
#include "zocket/tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tls/stream.h"

struct object {
    struct zkt_tls head;
    const struct zkt_allocator *allocator;
    struct zkt_tls_settings settings;
    bool by_command_line; /* the certificates, if there are any */
    bool replaces; /* the next certificate of the command line is the first */
    BIO_METHOD *method;
    struct zkt_tickets tickets;
    pthread_mutex_t lock;
    struct zkt_tls_credentials *credentials; /* under the lock; NULL: unread */
};

static struct object *from_head(struct zkt_tls *tls)
{
    return (struct object *)(void *)tls;
}

/* ---- the command line ---- */

static const char *add_certificate(struct object *object, const char *file)
{
    struct zkt_tls_settings *settings = &object->settings;
    settings->count = object->replaces ? 0 : settings->count;
    object->replaces = false;
    if (settings->count == ZKT_TLS_CERTIFICATES_MAX) {
        return "there are too many certificates";
    }
    settings->certificates[settings->count++] =
        (struct zkt_tls_certificate){ .chain = file };
    return NULL;
}

static const char *add_key(struct object *object, const char *file)
{
    struct zkt_tls_settings *settings = &object->settings;
    if (object->replaces || settings->count == 0 ||
        settings->certificates[settings->count - 1].key != NULL) {
        return "its certificate, --tls-cert, has to stand before it";
    }
    settings->certificates[settings->count - 1].key = file;
    return NULL;
}

static const char *set_optional(struct object *object, const char *value)
{
    object->settings.optional = strcmp(value, "optional") == 0;
    return object->settings.optional || strcmp(value, "required") == 0
               ? NULL
               : "it is neither required nor optional";
}

static const char *configure(struct zkt_tls *tls, const char *option,
                             const char *value)
{
    struct object *object = from_head(tls);
    if (option == NULL) {
        object->replaces = true;
        return NULL;
    }
    if (strcmp(option, "tls_cert") == 0) {
        return add_certificate(object, value);
    }
    if (strcmp(option, "tls_key") == 0) {
        return add_key(object, value);
    }
    if (strcmp(option, "tls_client_cert") == 0) {
        return set_optional(object, value);
    }
    object->settings.ca = value;
    return NULL;
}

/* ---- credentials ---- */

/* Returns the newest credentials with a reference, or NULL. */
static struct zkt_tls_credentials *get_credentials(struct object *object)
{
    pthread_mutex_lock(&object->lock);
    struct zkt_tls_credentials *credentials = object->credentials;
    if (credentials != NULL) {
        atomic_fetch_add(&credentials->refs, 1);
    }
    pthread_mutex_unlock(&object->lock);
    return credentials;
}

static bool read_files(struct object *object,
                       const struct zkt_tls_report *report)
{
    struct zkt_tls_credentials *read = zkt__tls_credentials_read(
        &object->settings, &object->tickets, object->allocator, report);
    if (read == NULL) {
        return false;
    }
    pthread_mutex_lock(&object->lock);
    struct zkt_tls_credentials *before = object->credentials;
    object->credentials = read;
    pthread_mutex_unlock(&object->lock);
    zkt__tls_credentials_unref(before);
    return true;
}

static int load(struct zkt_tls *tls, void (*call)(void *user, const char *text),
                void *user)
{
    struct object *object = from_head(tls);
    const struct zkt_tls_report report = { call, user };
    if (object->settings.is_client) {
        struct zkt_tls_credentials *have = get_credentials(object);
        if (have != NULL) {
            zkt__tls_credentials_unref(have);
            return 1;
        }
    } else if (object->settings.count == 0) {
        if (object->by_command_line && object->settings.ca == NULL) {
            return 0;
        }
        if (call != NULL) {
            call(user, "TLS has no certificate");
        }
        return -1;
    }
    return read_files(object, &report) ? 1 : -1;
}

bool zkt_tls_reload(struct zkt_tls *tls,
                    void (*report)(void *user, const char *text), void *user)
{
    struct object *object = from_head(tls);
    const struct zkt_tls_report to = { report, user };
    if (tls->ops->open == NULL ||
        (!object->settings.is_client && object->settings.count == 0)) {
        return tls->ops->load(tls, report, user) >= 0;
    }
    return read_files(object, &to);
}

static bool names(struct zkt_tls *tls, struct zkt_str host)
{
    enum {
        HOST_SIZE = 256
    };
    struct zkt_tls_credentials *credentials = get_credentials(from_head(tls));
    char text[HOST_SIZE];
    bool found = false;
    if (credentials != NULL && host.len < sizeof(text)) {
        memcpy(text, host.data, host.len);
        text[host.len] = '\0';
        found = zkt__tls_credentials_find(credentials, text) != NULL;
    }
    zkt__tls_credentials_unref(credentials);
    return found;
}

static struct zkt_tls_stream *open_stream(struct zkt_tls *tls,
                                          const struct zkt_allocator *allocator,
                                          const char *host)
{
    struct object *object = from_head(tls);
    struct zkt_tls_credentials *credentials = get_credentials(object);
    return credentials != NULL
               ? zkt__tls_stream_new(tls->ops, object->method, credentials,
                                     allocator, host)
               : NULL;
}

static const struct zkt_tls_ops ops = {
    .interface = ZKT_TLS_INTERFACE,
    .configure = configure,
    .load = load,
    .names = names,
    .open = open_stream,
    .close = zkt__tls_stream_close,
    .read = zkt__tls_stream_read,
    .write = zkt__tls_stream_write,
    .end = zkt__tls_stream_end,
    .explain = zkt__tls_stream_explain,
    .certificate = zkt__tls_stream_certificate,
};

/* ---- the object without memory ---- */

static const char *configure_nothing(struct zkt_tls *tls, const char *option,
                                     const char *value)
{
    (void)tls;
    (void)option;
    (void)value;
    return NULL;
}

static int fail_to_load(struct zkt_tls *tls,
                        void (*report)(void *user, const char *text),
                        void *user)
{
    (void)tls;
    if (report != NULL) {
        report(user, "cannot begin TLS: out of memory");
    }
    return -1;
}

static const struct zkt_tls_ops failed_ops = {
    .interface = ZKT_TLS_INTERFACE,
    .configure = configure_nothing,
    .load = fail_to_load,
};

/* Takes the place of NULL, which would be a server without TLS. */
static struct zkt_tls failed = { .ops = &failed_ops };

/* ---- from begin to end ---- */

static void *default_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *default_resize(void *user, void *block, size_t size)
{
    (void)user;
    return realloc(block, size);
}

static void default_release(void *user, void *block)
{
    (void)user;
    free(block);
}

static const struct zkt_allocator default_allocator = {
    .alloc = default_alloc,
    .resize = default_resize,
    .release = default_release,
};

static void release_object(struct object *object)
{
    BIO_meth_free(object->method);
    object->allocator->release(object->allocator->user, object);
}

/* Returns an object without settings, or NULL. */
static struct object *new_object(const struct zkt_allocator *allocator)
{
    allocator = allocator != NULL ? allocator : &default_allocator;
    struct object *object = allocator->alloc(allocator->user, sizeof(*object));
    if (object == NULL) {
        return NULL;
    }
    *object = (struct object){
        .head.ops = &ops,
        .allocator = allocator,
        .method = zkt__tls_new_method(),
    };
    if (object->method == NULL ||
        pthread_mutex_init(&object->lock, NULL) != 0) {
        release_object(object);
        return NULL;
    }
    if (!zkt__tickets_init(&object->tickets)) {
        (void)pthread_mutex_destroy(&object->lock);
        release_object(object);
        return NULL;
    }
    return object;
}

struct zkt_tls *zkt_tls_server(const struct zkt_tls_server_options *given)
{
    struct zkt_tls_server_options options = { 0 };
    if (given != NULL) {
        options = *given;
    }
    struct object *object = options.certificate_count <=
                                    ZKT_TLS_CERTIFICATES_MAX
                                ? new_object(options.allocator)
                                : NULL;
    if (object == NULL) {
        return &failed;
    }
    object->by_command_line = given == NULL;
    for (size_t i = 0; i < options.certificate_count; i++) {
        object->settings.certificates[i] = options.certificates[i];
    }
    object->settings.count = options.certificate_count;
    object->settings.ca = options.client_ca;
    object->settings.optional = options.client_optional;
    return &object->head;
}

struct zkt_tls *zkt_tls_client(const struct zkt_tls_client_options *given)
{
    struct zkt_tls_client_options options = { 0 };
    if (given != NULL) {
        options = *given;
    }
    struct object *object = new_object(options.allocator);
    if (object == NULL) {
        return &failed;
    }
    object->settings = (struct zkt_tls_settings){
        .is_client = true,
        .certificates = { options.certificate },
        .count = options.certificate.chain != NULL,
        .ca = options.ca,
        .insecure = options.insecure_accept_any_certificate,
    };
    return &object->head;
}

void zkt_tls_free(struct zkt_tls *tls)
{
    if (tls == NULL || tls == &failed) {
        return;
    }
    struct object *object = from_head(tls);
    zkt__tls_credentials_unref(object->credentials);
    zkt__tickets_finish(&object->tickets);
    (void)pthread_mutex_destroy(&object->lock);
    release_object(object);
}
