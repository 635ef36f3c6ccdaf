/* The parts of a client's certificate that parameters of connections come from.
 */
#ifndef ZKT_BASE_CERTIFICATE_H
#define ZKT_BASE_CERTIFICATE_H

enum zkt_certificate_part {
    ZKT_CERTIFICATE_CN,
    ZKT_CERTIFICATE_SAN,
    ZKT_CERTIFICATE_SHA256
};

#endif
