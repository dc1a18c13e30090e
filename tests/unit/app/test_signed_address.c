/* keys/signature.h on what http/query.h reads: as a request comes. The vectors were computed by Python's hmac and
 * urllib.parse.quote(). */
#include "base/log.h"
#include "http/query.h"
#include "keys/signature.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Bytes 0 to 31, and 255 down to 224. */
#define ONE  "one AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
#define NEXT "2026-11 __79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA\n"

#define EXPIRES 1764547200u
#define ID      "/images/01M8MMF2NAXJFYWDJD7847071C"
#define SMALL   ID "?expires=1764547200&fm=webp&kid=one&w=300&sig=Gyt34sh_hc_HLNw-_dLmuEAPO_dgF_Uge9JUbNv_exI"
#define STRANGE                                                                                                  \
    "/images/a%2Fb/c%20d~e%3Af?A=3&a%20b=2&a-b=%2A%27%28%29%21&expires=1764547200&kid=one&trim=&trim-tol=1&txt=" \
    "a%20b%2Bc%26d%3De%2F%C3%BC%E2%82%AC%F0%9D%84%9E&%C3%A9=1"
#define STRANGE_SIG "5DyweanJQg38vGI_UFTD5I62WJmyUU7j3aGZWGnFzdc"

static char path[] = "/tmp/millrace-signature-XXXXXX";
static struct mr_signing signing = {.life_s = 86400};
static struct mr_arena arena;
static struct mr_fault fault;

static void use_keys(const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    if (signing.keys == NULL)
        assert_int_equal(mr_key_ring_open(&signing.keys, &mr_signing_key_kind, path, &fault), MR_OK);
    else
        mr_key_ring_reload(signing.keys);
}

static int set_up(void **state)
{
    (void)state;
    mr_log_set_level(MR_LOG_ERROR);
    int fd = mkstemp(path); /* 0600 */
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    mr_key_ring_close(&signing.keys);
    return unlink(path);
}

static int begin(void **state)
{
    (void)state;
    mr_arena_init(&arena);
    use_keys(ONE NEXT);
    return 0;
}

static int end(void **state)
{
    (void)state;
    mr_arena_reset(&arena);
    return 0;
}

/* False: no request with such a target gets as far as a handler. */
static bool read_target(struct mr_signed_address *out, struct mr_slice target)
{
    struct mr_query query;
    struct mr_slice rest = target, address = mr_slice_cut(&rest, '?');
    if (mr_query_parse(&query, rest, &arena, NULL) != MR_OK)
        return false;
    *out = (struct mr_signed_address){.path = address, .pairs = query.pairs, .count = query.count};
    return true;
}

static int verify_slice(struct mr_slice target, uint64_t now)
{
    struct mr_signed_address address;
    memset(&fault, 0, sizeof(fault));
    return read_target(&address, target) ? mr_signature_verify(NULL, &signing, &address, now, &arena, &fault)
                                         : MR_ESIGNATURE;
}

static int verify(const char *target)
{
    return verify_slice(mr_slice_of(target), EXPIRES - 1);
}

static const char *text_of(const char *target)
{
    struct mr_signed_address address;
    struct mr_slice text;
    assert_true(read_target(&address, mr_slice_of(target)));
    assert_int_equal(mr_signature_text(&text, &address, &arena, &fault), MR_OK);
    assert_int_equal(strlen(text.at), text.len);
    return text.at;
}

static const char *sign(const char *target, const char *kid)
{
    struct mr_signed_address address;
    struct mr_signing_key key;
    struct mr_slice url;
    assert_true(read_target(&address, mr_slice_of(target)));
    assert_true(mr_signing_keys_find(signing.keys, mr_slice_of(kid), &key));
    assert_int_equal(mr_signature_sign(&url, &address, &key, EXPIRES, &arena, &fault), MR_OK);
    return url.at;
}

/* ---- the signed text ---- */

static void the_text_and_its_signature_are_those_of_other_implementations(void **state)
{
    (void)state;
    assert_string_equal(sign(ID "?w=300&fm=webp", "one"), SMALL);
    assert_string_equal(sign(ID, "one"),
                        ID "?expires=1764547200&kid=one&sig=bymO9pKCqUixr8nFc5IFa2Gd7FWOjf50XVqIGiJ6ce0");
    assert_string_equal(
        sign(ID "?w=300&fm=webp", "2026-11"),
        ID "?expires=1764547200&fm=webp&kid=2026-11&w=300&sig=UdQHW3uCn5t7dJZ24gu8GEsu4meOitFehKOvATZCOCs");
    assert_string_equal(text_of(STRANGE "&sig=" STRANGE_SIG), STRANGE);
    assert_int_equal(verify(STRANGE "&sig=" STRANGE_SIG), MR_OK);
}

/* What a proxy, a browser or a library may make of an address. */
static void each_spelling_of_an_address_has_one_text(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        /* other order, lower-case digits, escapes of what needs none, '+', no '=', empty parts, what is not signed */
        "/images/a%2fb/c%20d~e:f?%c3%a9=1&trim-tol=1&trim&txt=a+b%2bc%26d%3de/%c3%bc%e2%82%ac%f0%9d%84%9e&a%20b=2&a-b="
        "*'()!&kid=one&A=3&expires=1764547200&sig=" STRANGE_SIG,
        "/%69mages/a%2Fb/c%20d%7ee%3af?%41=%33&&%61+b=2&%61%2db=%2a'()!&expires=1764547200&kid=%6fne&trim=&trim-tol=1&"
        "txt=a%20b%2Bc%26d%3De%2F\xc3\xbc\xe2\x82\xac\xf0\x9d\x84\x9e&\xc3\xa9=1&s=imgix&%73ig=" STRANGE_SIG "&",
        "/images/a%2Fb/c%20d~e%3Af?s&sig=" STRANGE_SIG
        "&A=3&a%20b=2&a-b=*'()!&expires=1764547200&kid=one&trim&trim-tol=1&txt=a%20b%2Bc%26d=e%2Fü€𝄞&é=1",
    };
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        assert_string_equal(text_of(spellings[i]), STRANGE);
        assert_int_equal(verify(spellings[i]), MR_OK);
    }
}

static void no_two_addresses_share_a_text(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "/a/b?c=d",    "/a%2Fb?c=d",    "/a%2fb?c=d&e=f", "/a/b?c=d%26e=f", "/a/b?c=d%26e",    "/a/b?c=d&e=f",
        "/a/b?c%3Dd",  "/a/b?c=d=",     "/a/b?c=d%20",    "/a/b?c=d%2520",  "/a/b?c=d%252520", "/a/b?c%3Dd=e",
        "/a/b/?c=d",   "/a//b?c=d",     "//a/b?c=d",      "/a/b%3Fc=d",     "/a/b%3Fc=d?c=d",  "/a/b",
        "/a/b%20?c=d", "/a/b%2520?c=d", "/a/b%2B?c=d",    "/a/b?c=d%2B",    "/a/./b?c=d",      "/a/b/..?c=d",
        "/a/b?C=d",    "/a/b?c=D",      "/A/b?c=d",       "/a/b?cd=",       "/a/b?c=&d=",      "/a/b?ss=&c=d",
        "/a/b?c=d&S=", "/a/b?c=%FF1",   "/a/b%253Fc=d",   "/a/b?e=f&c=d&g", "/a/b?c=df&e=",    "/a/b?c=d&e=f%3D",
        "/%ff?c=d",    "/%00?c=d",      "/%25ff?c=d",     "/a/b?a=&b=",     "/a/b?a=%26b%3D",  "/a/b?ab=",
    };
    const char *texts[sizeof(addresses) / sizeof(addresses[0])];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct mr_signed_address address;
        if (read_target(&address, mr_slice_of(addresses[i]))) /* %FF1 is not UTF-8 */
            texts[count++] = text_of(addresses[i]);
    }
    assert_int_equal(count, sizeof(addresses) / sizeof(addresses[0]) - 1);
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(texts[i], texts[j]);
}

static void parameters_are_sorted_by_their_names(void **state)
{
    (void)state;
    assert_string_equal(text_of("/?b=1&a=2&ab=0&a-=4&a%20=5&%C3%A9=6&~=7&a.=8&a1=9&=10"),
                        "/?=10&a=2&a%20=5&a-=4&a.=8&a1=9&ab=0&b=1&~=7&%C3%A9=6");
    assert_string_equal(text_of("/x"), "/x?");
    assert_string_equal(text_of("/x?s=1&sig=2"), "/x?");
}

static void what_has_no_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "images", "*", "/%", "/%2", "/%zz", "/a%2", "/%%41", "/a?b=1&b=1", "/?sig=1&sig=2", "/?s&s", "/?a&b&c&a=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mr_signed_address address;
        struct mr_slice text;
        assert_true(read_target(&address, mr_slice_of(bad[i])));
        assert_int_equal(mr_signature_text(&text, &address, &arena, &fault), MR_EPARAM);
        assert_int_not_equal(fault.detail[0], '\0');
        assert_null(text.at);
    }
}

/* ---- signing ---- */

static void what_belongs_to_the_signature_is_not_signed(void **state)
{
    (void)state;
    static const char *const bad[] = {"/?sig=", "/?kid=one", "/?expires=1", "/?w=1&%6bid", "/?a&a", "/%"};
    struct mr_signed_address address;
    struct mr_slice url;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(read_target(&address, mr_slice_of(bad[i])));
        assert_int_equal(mr_signing_sign(&url, &signing, &address, EXPIRES, &arena, &fault), MR_EPARAM);
    }
    assert_null(strstr(sign(ID "?s=imgix&w=1", "one"), "imgix"));
    assert_non_null(strstr(sign("/images/a%2fb|?w=1", "one"), "/images/a%2fb|?")); /* the path stays as it is */
}

static void a_server_signs_with_its_first_key_for_its_life(void **state)
{
    (void)state;
    struct mr_signed_address address;
    struct mr_signature signature;
    struct mr_slice url;
    for (int i = 0; i < 2; i++) {
        use_keys(i == 0 ? ONE NEXT : NEXT ONE);
        assert_true(read_target(&address, MR_SLICE(ID "?w=300&fm=webp")));
        assert_int_equal(mr_signing_sign(&url, &signing, &address, EXPIRES - 86400, &arena, &fault), MR_OK);
        if (i == 0)
            assert_true(mr_slice_is(url, SMALL)); /* EXPIRES is a multiple of an eighth of a day */
        assert_true(read_target(&address, url));
        assert_int_equal(mr_signature_verify(&signature, &signing, &address, EXPIRES - 1, &arena, &fault), MR_OK);
        assert_string_equal(signature.kid, i == 0 ? "one" : "2026-11");
        assert_int_equal(signature.expires, EXPIRES);
    }
}

static void addresses_that_are_made_within_an_eighth_of_life_are_the_same(void **state)
{
    (void)state;
    static const uint64_t lives[] = {1, 7, 8, 9, 60, 61, 3600, 86400, 315360000};
    for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
        uint64_t life = lives[i], step = life >= 8 ? life / 8 : 1, first = EXPIRES / step * step - life % step;
        for (uint64_t k = 0; k < 3; k++) {
            uint64_t expires = mr_signature_expiry(first + k * step + 1, life);
            assert_int_equal(mr_signature_expiry(first + (k + 1) * step, life), expires);
            assert_int_equal(mr_signature_expiry(first + (k + 1) * step + 1, life), expires + step);
            assert_true(expires >= first + (k + 1) * step + life && expires < first + k * step + 1 + life + step);
        }
    }
    assert_int_equal(mr_signature_expiry(0, 0), 0);
    assert_int_equal(mr_signature_expiry(MR_SIGNATURE_EXPIRES_MAX, 315360000), MR_SIGNATURE_EXPIRES_MAX);
}

/* ---- verifying ---- */

static void each_changed_octet_is_refused(void **state)
{
    (void)state;
    char changed[] = SMALL;
    assert_int_equal(verify(SMALL), MR_OK);
    for (size_t i = 0; i < sizeof(changed) - 1; i++) {
        for (int octet = 0; octet < 256; octet++) {
            changed[i] = (char)octet;
            if (changed[i] != SMALL[i])
                assert_int_equal(verify_slice(MR_SLICE(changed), EXPIRES - 1), MR_ESIGNATURE);
        }
        changed[i] = SMALL[i];
        mr_arena_reset(&arena);
    }
}

static void each_octet_that_is_missing_or_added_is_refused(void **state)
{
    (void)state;
    char changed[sizeof(SMALL) + 1];
    for (size_t i = 0; i < sizeof(SMALL) - 1; i++) {
        memcpy(changed, SMALL, i);
        memcpy(changed + i, SMALL + i + 1, sizeof(SMALL) - i - 1);
        assert_int_equal(verify_slice((struct mr_slice){changed, sizeof(SMALL) - 2}, EXPIRES - 1), MR_ESIGNATURE);
        for (int octet = 0; octet < 256; octet++) {
            changed[i] = (char)octet;
            memcpy(changed + i + 1, SMALL + i, sizeof(SMALL) - i);
            bool is_empty_part = octet == '&' && (SMALL[i] == '&' || (i > 0 && strchr("?&", SMALL[i - 1]) != NULL));
            if (!is_empty_part)
                assert_int_equal(verify_slice((struct mr_slice){changed, sizeof(SMALL)}, EXPIRES - 1), MR_ESIGNATURE);
        }
        mr_arena_reset(&arena);
    }
}

static void a_signature_that_is_cut_or_longer_or_spelled_otherwise_is_refused(void **state)
{
    (void)state;
    const size_t len = sizeof(SMALL) - 1;
    for (size_t cut = 1; cut <= 43; cut++)
        assert_int_equal(verify_slice((struct mr_slice){SMALL, len - cut}, EXPIRES - 1), MR_ESIGNATURE);
    assert_int_equal(verify(SMALL "A"), MR_ESIGNATURE);
    assert_int_equal(verify(SMALL "="), MR_ESIGNATURE);
    assert_int_equal(verify(SMALL "%20"), MR_ESIGNATURE);
    char other[] = SMALL; /* the two bits behind the last octet */
    for (char last = 'J'; last <= 'L'; last++) {
        other[len - 1] = last;
        assert_int_equal(verify(other), MR_ESIGNATURE);
    }
}

static void parameters_that_are_added_taken_away_or_repeated_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        SMALL "&h=1",     SMALL "&x",           SMALL "&=",    SMALL "&w=300",
        SMALL "&kid=one", SMALL "&kid=2026-11", SMALL "&sig=", SMALL "&expires=1764547200",
        SMALL "&%77=300", SMALL "&s=1&s=1",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(verify(wrong[i]), MR_ESIGNATURE);
    assert_int_equal(verify(SMALL "&w=300"), MR_ESIGNATURE);
    assert_non_null(strstr(fault.detail, "\"w\" is given more than once"));
    assert_int_equal(verify(SMALL "&s=of-imgix"), MR_OK);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {ID "?w=300", "\"sig\""},
        {ID, "\"sig\""},
        {ID "?sig=x&expires=1", "\"kid\""},
        {ID "?sig=x&kid=one", "\"expires\""},
        {ID "?sig=x&kid=none&expires=1764547200", "\"kid\""},
        {ID "?sig=x&kid=one&expires=1764547200", "does not fit"},
        {ID "?sig&kid&expires", "\"kid\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(verify(rows[i][0]), MR_ESIGNATURE);
        assert_int_equal(fault.error, MR_ESIGNATURE);
        assert_non_null(strstr(fault.detail, rows[i][1]));
    }
}

static void a_signature_ends_at_its_time(void **state)
{
    (void)state;
    assert_int_equal(verify_slice(MR_SLICE(SMALL), 0), MR_OK);
    assert_int_equal(verify_slice(MR_SLICE(SMALL), EXPIRES - 1), MR_OK);
    assert_int_equal(verify_slice(MR_SLICE(SMALL), EXPIRES), MR_ESIGEXPIRED);
    assert_int_equal(fault.error, MR_ESIGEXPIRED);
    assert_int_equal(verify_slice(MR_SLICE(SMALL), UINT64_MAX), MR_ESIGEXPIRED);
}

static void of_a_wrong_signature_it_is_not_said_that_its_time_is_over(void **state)
{
    (void)state;
    char wrong[] = SMALL;
    wrong[sizeof(SMALL) - 2] = 'x';
    assert_int_equal(verify_slice(MR_SLICE(wrong), EXPIRES), MR_ESIGNATURE);
    assert_int_equal(verify_slice(MR_SLICE(ID "?expires=1&kid=one&sig="), EXPIRES), MR_ESIGNATURE);
    assert_int_equal(verify_slice(MR_SLICE(ID "?expires=1&kid=gone&sig="), EXPIRES), MR_ESIGNATURE);
}

/* Rightly signed by an implementation that writes it wrong. */
static void a_time_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "-1",
                                      "+1764547200",
                                      " 1764547200",
                                      "1764547200.0",
                                      "1e12",
                                      "253402300800",
                                      "18446744073709551616",
                                      "0x692cdc80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct mr_param_pair pairs[] = {{MR_SLICE("kid"), MR_SLICE("one")},
                                              {MR_SLICE("expires"), mr_slice_of(bad[i])}};
        const struct mr_signed_address address = {.path = MR_SLICE("/x"), .pairs = pairs, .count = 2};
        struct mr_slice text;
        unsigned char mac[32];
        char target[300];
        struct mr_signing_key key;
        assert_true(mr_signing_keys_find(signing.keys, MR_SLICE("one"), &key));
        assert_int_equal(mr_signature_text(&text, &address, &arena, &fault), MR_OK);
        crypto_auth_hmacsha256(mac, (const unsigned char *)text.at, text.len, key.secret);
        char sig[44];
        sodium_bin2base64(sig, sizeof(sig), mac, sizeof(mac), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        snprintf(target, sizeof(target), "%s&sig=%s", text.at, sig);
        assert_int_equal(verify(target), MR_ESIGNATURE);
        assert_non_null(strstr(fault.detail, "no time"));
    }
}

static void keys_are_rotated_without_a_gap(void **state)
{
    (void)state;
    const char *old = sign(ID "?w=300&fm=webp", "one");
    use_keys(NEXT ONE);
    assert_int_equal(verify(old), MR_OK);
    const char *new = sign(ID "?w=300&fm=webp", "2026-11");
    assert_string_not_equal(new, old);
    use_keys(NEXT);
    assert_int_equal(verify(new), MR_OK);
    assert_int_equal(verify(old), MR_ESIGNATURE);
}

static void a_kid_cannot_be_exchanged(void **state)
{
    (void)state;
    assert_int_equal(
        verify(ID "?expires=1764547200&fm=webp&kid=2026-11&w=300&sig=Gyt34sh_hc_HLNw-_dLmuEAPO_dgF_Uge9JUbNv_exI"),
        MR_ESIGNATURE);
    use_keys("two AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"); /* the same key under another name */
    assert_int_equal(verify(SMALL), MR_ESIGNATURE);
    assert_int_equal(
        verify(ID "?expires=1764547200&fm=webp&kid=two&w=300&sig=Gyt34sh_hc_HLNw-_dLmuEAPO_dgF_Uge9JUbNv_exI"),
        MR_ESIGNATURE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_text_and_its_signature_are_those_of_other_implementations),
        TEST(each_spelling_of_an_address_has_one_text),
        TEST(no_two_addresses_share_a_text),
        TEST(parameters_are_sorted_by_their_names),
        TEST(what_has_no_text_is_refused),
        TEST(what_belongs_to_the_signature_is_not_signed),
        TEST(a_server_signs_with_its_first_key_for_its_life),
        TEST(addresses_that_are_made_within_an_eighth_of_life_are_the_same),
        TEST(each_changed_octet_is_refused),
        TEST(each_octet_that_is_missing_or_added_is_refused),
        TEST(a_signature_that_is_cut_or_longer_or_spelled_otherwise_is_refused),
        TEST(parameters_that_are_added_taken_away_or_repeated_are_refused),
        TEST(what_is_missing_is_said),
        TEST(a_signature_ends_at_its_time),
        TEST(of_a_wrong_signature_it_is_not_said_that_its_time_is_over),
        TEST(a_time_that_is_none_is_refused),
        TEST(keys_are_rotated_without_a_gap),
        TEST(a_kid_cannot_be_exchanged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
