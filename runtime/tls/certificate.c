/* See certificate.h. */
#include "tls/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

static const struct zkt_str none = { NULL, 0 };

static struct zkt_str copy(const struct zkt_allocator *allocator,
                           const void *text, size_t len)
{
    char *to = memchr(text, '\0', len) == NULL
                   ? allocator->alloc(allocator->user, len + 1)
                   : NULL;
    if (to == NULL) {
        return none;
    }
    memcpy(to, text, len);
    to[len] = '\0';
    return (struct zkt_str){ to, len };
}

void zkt__certificate_release(const struct zkt_allocator *allocator,
                              struct zkt_str text)
{
    if (text.data != NULL) {
        allocator->release(allocator->user, (void *)(uintptr_t)text.data);
    }
}

static struct zkt_str common_name(const struct zkt_allocator *allocator,
                                  X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    struct zkt_str name = none;
    int at = -1, next;
    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >=
           0) {
        at = next;
    }
    if (at < 0) {
        return none;
    }
    unsigned char *text = NULL;
    const int len = ASN1_STRING_to_UTF8(
        &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len > 0) {
        name = copy(allocator, text, (size_t)len);
    }
    if (len >= 0) {
        OPENSSL_free(text);
    }
    return name;
}

static struct zkt_str address_text(const struct zkt_allocator *allocator,
                                   const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN];
    const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    const int len = ASN1_STRING_length(address);
    if ((len != 4 && len != 16) ||
        inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text)) ==
            NULL) {
        return none;
    }
    return copy(allocator, text, strlen(text));
}

/* Returns an alternative name as text; data NULL: it is of another kind. */
static struct zkt_str name_text(const struct zkt_allocator *allocator,
                                const GENERAL_NAME *name)
{
    int kind;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
    switch (kind) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
        return copy(allocator, ASN1_STRING_get0_data(value),
                    (size_t)ASN1_STRING_length(value));
    case GEN_IPADD:
        return address_text(allocator, value);
    default:
        return none;
    }
}

static struct zkt_str alternative_name(const struct zkt_allocator *allocator,
                                       X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name,
                                            NULL, NULL);
    struct zkt_str text = none;
    for (int i = 0; text.data == NULL && i < sk_GENERAL_NAME_num(names); i++) {
        text = name_text(allocator, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    return text;
}

static struct zkt_str digest(const struct zkt_allocator *allocator,
                             X509 *certificate)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (X509_digest(certificate, EVP_sha256(), bytes, &len) != 1) {
        return none;
    }
    for (unsigned i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return copy(allocator, text, (size_t)2 * len);
}

struct zkt_str zkt__certificate_part(const struct zkt_allocator *allocator,
                                     X509 *certificate,
                                     enum zkt_certificate_part part)
{
    struct zkt_str text = none;
    switch (part) {
    case ZKT_CERTIFICATE_CN:
        text = common_name(allocator, certificate);
        break;
    case ZKT_CERTIFICATE_SAN:
        text = alternative_name(allocator, certificate);
        break;
    case ZKT_CERTIFICATE_SHA256:
        text = digest(allocator, certificate);
        break;
    }
    ERR_clear_error();
    return text;
}
