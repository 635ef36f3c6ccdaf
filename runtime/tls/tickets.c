/* See tickets.h. A ticket is encrypted with AES-256-CBC and authenticated with
 * HMAC-SHA-256 (RFC 5077, section 4). */
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum {
    USED_S = 12 * 60 * 60, /* for new tickets; and as long for those that are */
    IV_SIZE = 16
};

bool zkt__tickets_init(struct zkt_tickets *tickets)
{
    memset(tickets->keys, 0, sizeof(tickets->keys));
    return pthread_mutex_init(&tickets->lock, NULL) == 0;
}

void zkt__tickets_finish(struct zkt_tickets *tickets)
{
    OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
    (void)pthread_mutex_destroy(&tickets->lock);
}

static bool is_older(const struct zkt_ticket_key *key, time_t now, time_t age)
{
    return key->made == 0 || now - key->made > age || now < key->made;
}

/* Replaces the newest key. Returns false if there is no randomness. */
static bool replace(struct zkt_tickets *tickets, time_t now)
{
    struct zkt_ticket_key key = { .made = now };
    if (RAND_bytes(key.name, sizeof(key.name)) != 1 ||
        RAND_priv_bytes(key.aes, sizeof(key.aes)) != 1 ||
        RAND_priv_bytes(key.hmac, sizeof(key.hmac)) != 1) {
        return false;
    }
    tickets->keys[1] = tickets->keys[0];
    tickets->keys[0] = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return true;
}

bool zkt__tickets_newest(struct zkt_tickets *tickets, time_t now,
                         struct zkt_ticket_key *out)
{
    pthread_mutex_lock(&tickets->lock);
    const bool good = !is_older(&tickets->keys[0], now, USED_S) ||
                      replace(tickets, now);
    *out = tickets->keys[0];
    pthread_mutex_unlock(&tickets->lock);
    return good;
}

bool zkt__tickets_find(struct zkt_tickets *tickets, time_t now,
                       const unsigned char name[16], struct zkt_ticket_key *out)
{
    bool found = false;
    pthread_mutex_lock(&tickets->lock);
    for (size_t i = 0; i < 2 && !found; i++) {
        const struct zkt_ticket_key *key = &tickets->keys[i];
        found = !is_older(key, now, 2 * USED_S) &&
                memcmp(key->name, name, sizeof(key->name)) == 0;
        *out = *key;
    }
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

/* Sets cipher and authenticator up. Returns false if that fails. */
static bool apply(struct zkt_ticket_key *key, const unsigned char *iv,
                  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac,
                                          sizeof(key->hmac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv,
                             encrypts) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* Called for a ticket that is made or read. Returns 1; 2 for one that is to be
 * replaced; 0 for one of an unknown key: the handshake goes on in full; -1
 * after a failure. */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts)
{
    struct zkt_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct zkt_ticket_key key;
    const time_t now = time(NULL);
    int result = 1;
    if (encrypts) {
        if (!zkt__tickets_newest(tickets, now, &key) ||
            RAND_bytes(iv, IV_SIZE) != 1) {
            return -1;
        }
        memcpy(name, key.name, sizeof(key.name));
    } else {
        if (!zkt__tickets_find(tickets, now, name, &key)) {
            return 0;
        }
        result = is_older(&key, now, USED_S) ? 2 : 1;
    }
    if (!apply(&key, iv, cipher, mac, encrypts)) {
        result = -1;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

bool zkt__tickets_use(struct zkt_tickets *tickets, SSL_CTX *context)
{
    return SSL_CTX_set_app_data(context, tickets) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}
