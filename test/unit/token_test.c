/*
 * The tokens of examples/auth: only a token that was signed with the key, is
 * whole and has not expired is good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "token.h"

static const struct token_key key = { "0123456789abcdef0123456789abcdef" };
static const struct token ada = { "ada", "moderator", 1000 };

static enum token_result check(const char *text, size_t len)
{
    struct token out;
    return token_check(&key, text, len, 0, &out);
}

static void test_a_good_token(void **state)
{
    char text[TOKEN_MAX];
    struct token out;
    (void)state;
    assert_true(token_sign(&key, &ada, text));
    assert_int_equal(token_check(&key, text, strlen(text), 999, &out),
                     TOKEN_GOOD);
    assert_string_equal(out.user, "ada");
    assert_string_equal(out.role, "moderator");
    assert_int_equal(out.expires, 1000);
    assert_int_equal(token_check(&key, text, strlen(text), 1000, &out),
                     TOKEN_EXPIRED);
}

/* The signature is HMAC-SHA256, as openssl(1) prints it for the same text:
 * openssl dgst -sha256 -hmac KEY. */
static void test_the_signature(void **state)
{
    char text[TOKEN_MAX];
    (void)state;
    assert_true(token_sign(&key, &ada, text));
    assert_string_equal(
        text,
        "ada.moderator.1000."
        "5EDCEDE4491643B07D176E09071C117CD1BBEE44EB39F32318130DECDE5937E9");
}

static void test_changed_tokens(void **state)
{
    char text[TOKEN_MAX + 1] = { 0 };
    (void)state;
    assert_true(token_sign(&key, &ada, text));
    const size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        const char was = text[i];
        for (int c = 0; c < 256; c++) {
            text[i] = (char)c;
            assert_int_equal(check(text, len),
                             text[i] == was ? TOKEN_GOOD : TOKEN_BAD);
        }
        text[i] = was;
    }
    for (size_t shorter = 0; shorter < len; shorter++) {
        assert_int_equal(check(text, shorter), TOKEN_BAD);
        assert_int_equal(check(text + shorter + 1, len - shorter - 1),
                         TOKEN_BAD);
    }
    for (size_t longer = len + 1; longer <= TOKEN_MAX; longer++) {
        assert_int_equal(check(text, longer), TOKEN_BAD);
    }
}

static void test_another_key(void **state)
{
    struct token_key other = key;
    struct token out;
    char text[TOKEN_MAX];
    (void)state;
    other.bytes[TOKEN_KEY_BYTES - 1] ^= 1;
    assert_true(token_sign(&other, &ada, text));
    assert_int_equal(token_check(&key, text, strlen(text), 0, &out), TOKEN_BAD);
}

/* A dot in a name would move the others. */
static void test_names(void **state)
{
    char text[TOKEN_MAX];
    static const struct token wrong[] = {
        { "a.b", "member", 1 },     { "", "member", 1 },
        { "ada", "member.ada", 1 }, { "ada", "", 1 },
        { "a b", "member", 1 },     { "\xc3\xa4", "member", 1 },
    };
    static const struct token longest = { "abcdefghijklmnopqrstuvwxyz-_0123",
                                          "abcdefghijklmno", INT64_MIN };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(token_sign(&key, &wrong[i], text));
    }
    assert_true(token_sign(&key, &longest, text));
    assert_int_equal(check(text, strlen(text)), TOKEN_EXPIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_token),
        cmocka_unit_test(test_the_signature),
        cmocka_unit_test(test_changed_tokens),
        cmocka_unit_test(test_another_key),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
