#include "base/macros.h"
#include "http/digest_fields.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The example of RFC 9530, appendix D: of {"hello": "world"} and a line feed. */
#define HELLO "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
static const uint8_t hello[] = {0x44, 0xaf, 0xf4, 0xab, 0x2d, 0x7c, 0x32, 0x50, 0x52, 0x56, 0x75,
                                0xa0, 0x8f, 0x0c, 0xfa, 0x95, 0x91, 0x16, 0x8c, 0xff, 0xe5, 0x17,
                                0x91, 0xc5, 0xf5, 0xbb, 0xc4, 0x17, 0xc1, 0x5a, 0x6c, 0x38};

/* Lines of the field, apart from each other by '\n'. */
static struct mr_head head_of(const char *lines)
{
    struct mr_head head = {.header_count = 0};
    struct mr_slice rest = mr_slice_of(lines);
    while (rest.at != NULL)
        head.headers[head.header_count++] =
            (struct mr_header){.name = MR_SLICE("repr-digest"), .value = mr_slice_trim(mr_slice_cut(&rest, '\n'))};
    return head;
}

static int read_digest(const char *lines, struct mr_digest *out)
{
    struct mr_head head = head_of(lines);
    struct mr_fault fault = {0};
    int err = mr_digest_read(&head, "Repr-Digest", out, &fault);
    assert_int_equal(fault.error, err);
    return err;
}

static void sha256_is_found(void **state)
{
    static const char *const rows[] = {
        "sha-256=:" HELLO ":",
        "sha-512=:AAAA:, sha-256=:" HELLO ":",
        "sha-256=:" HELLO ":,\tunixsum=30637",
        "sha-512=:AAAA:\nsha-256=:" HELLO ":\nmd5=:AAAA:",
        "sha-256=:" HELLO ":;a=1;b;c=\"x, sha-256=?\"",
        "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:, sha-256=:" HELLO ":",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:", /* no padding */
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_digest digest;
        assert_int_equal(read_digest(rows[i], &digest), MR_OK);
        assert_true(digest.is_given);
        assert_memory_equal(digest.sha256, hello, sizeof(hello));
    }
}

static void other_algorithms_are_read_over(void **state)
{
    static const char *const rows[] = {
        "",
        "sha-512=:AAAA:",
        "sha-256x=:AAAA:, sha=1, x",
        "a=1, b=-1.5, c=?0, d=\"q\\\"\\\\, sha-256=1\", e=tok*/:en, f=::, *g=(), h",
        "a=(1 \"x\";y=z   :AA==:);p=?1,  b=( );q",
        "a=@1659578233, b=%\"f%c3%bc\"",
        "x=:no base64 at all, sha-256=1:",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_digest digest;
        assert_int_equal(read_digest(rows[i], &digest), MR_OK);
        assert_false(digest.is_given);
    }
    struct mr_head head = {.header_count = 0};
    struct mr_digest digest;
    assert_int_equal(mr_digest_read(&head, "Repr-Digest", &digest, NULL), MR_OK);
    assert_false(digest.is_given);
}

static void what_is_no_dictionary_is_a_fault(void **state)
{
    static const char *const rows[] = {
        ",",
        "a,",
        "a,,b",
        "a b",
        "A=1",
        "sha-256",
        "sha-256=",
        "sha-256 =:" HELLO ":",
        "sha-256= :" HELLO ":",
        "SHA-256=:" HELLO ":",
        "sha-256=" HELLO,
        "sha-256=:" HELLO,
        "sha-256=\"" HELLO "\"",
        "sha-256=::",
        "sha-256=:AAAA:",
        "sha-256=:" HELLO "=:",
        "sha-256=:" HELLO "A:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabD==:",
        "sha-256=:RK-0qy18MlBSVnWgjwz6lZEWjP_lF5HF9bvEF8FabDg=:", /* base64url */
        "sha-256=:" HELLO ":x",
        "sha-256=:" HELLO ":;",
        "sha-256=:" HELLO ":;A",
        "sha-256=(:" HELLO ":)",
        "sha-256=:" HELLO ":\nsha-256=1",
        "x=1.",
        "x=.5",
        "x=-",
        "x=1234567890123456",
        "x=1234567890123.5",
        "x=1.2345",
        "x=?2",
        "x=?",
        "x=\"a",
        "x=\"\\a\"",
        "x=\"\xc3\xa4\"",
        "x=%a",
        "x=@1.5",
        "x=(1",
        "x=(1,2)",
        "x=(\"a\"\"b\")",
        "x=((1))",
        "x=/",
        "=1",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_digest digest;
        assert_int_equal(read_digest(rows[i], &digest), MR_EREQUEST);
    }
}

static int read_want(const char *lines, bool *is_wanted)
{
    struct mr_head head = head_of(lines);
    return mr_digest_read_want(&head, "Repr-Digest", is_wanted, NULL);
}

static void preference_says_whether_sha256_is_wanted(void **state)
{
    bool is_wanted = false;
    (void)state;
    assert_int_equal(read_want("sha-512=3, sha-256=10, unixsum=0", &is_wanted), MR_OK);
    assert_true(is_wanted);
    assert_int_equal(read_want("sha-256=1", &is_wanted), MR_OK);
    assert_true(is_wanted);
    assert_int_equal(read_want("sha-512=3\nsha-256=0", &is_wanted), MR_OK);
    assert_false(is_wanted);
    assert_int_equal(read_want("sha-512=3", &is_wanted), MR_OK);
    assert_false(is_wanted);
    assert_int_equal(read_want("sha-256=11", &is_wanted), MR_EREQUEST);
    assert_int_equal(read_want("sha-256=-1", &is_wanted), MR_EREQUEST);
    assert_int_equal(read_want("sha-256=1.0", &is_wanted), MR_EREQUEST);
    assert_int_equal(read_want("sha-256", &is_wanted), MR_EREQUEST);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    struct mr_fields fields;
    struct mr_digest digest;
    mr_fields_init(&fields, &arena);
    mr_digest_set_field(&fields, "Repr-Digest", hello);
    struct mr_slice value = mr_fields_find(&fields, "Repr-Digest");
    assert_true(mr_slice_is(value, "sha-256=:" HELLO ":"));
    struct mr_head head = {.header_count = 1, .headers = {{.name = MR_SLICE("Repr-Digest"), .value = value}}};
    assert_int_equal(mr_digest_read(&head, "repr-digest", &digest, NULL), MR_OK);
    assert_memory_equal(digest.sha256, hello, sizeof(hello));
    mr_arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_found),
        cmocka_unit_test(other_algorithms_are_read_over),
        cmocka_unit_test(what_is_no_dictionary_is_a_fault),
        cmocka_unit_test(preference_says_whether_sha256_is_wanted),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
