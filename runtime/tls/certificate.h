/* The parts of a certificate that identify its owner, as text. */
#ifndef ZKT_TLS_CERTIFICATE_H
#define ZKT_TLS_CERTIFICATE_H

#include <openssl/x509.h>

#include "net/tls.h"

/**
 * Returns a part of a certificate:
 *
 * - CN: the last common name of its subject, the most specific;
 * - SAN: the first alternative name that is a name of a host, a mail address, a
 *   URI or an IP address;
 * - SHA256: the digest of the certificate, 64 digits in lower case.
 *
 * data is NULL if the certificate has none, if the text holds a NUL, which
 * would end it elsewhere, or if there is no memory. The caller releases it.
 */
struct zkt_str zkt__certificate_part(const struct zkt_allocator *allocator,
                                     X509 *certificate,
                                     enum zkt_certificate_part part);
/** Takes a text with data NULL, too. */
void zkt__certificate_release(const struct zkt_allocator *allocator,
                              struct zkt_str text);

#endif
