#include "base/macros.h"
#include "base/slice.h"
#include "http/http1/chunked.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define END "0\r\n\r\n"

/* What llhttp would be given. */
static char passed[1 << 16];
static size_t passed_len;

/* Guard all of the bytes, unless the body ends before. Returns how many were used in *used. */
static int guard_all(struct mr_chunked *guard, const char *bytes, size_t len, size_t *used, struct mr_fault *fault)
{
    *used = 0;
    do {
        int err = mr_chunked_guard(guard, bytes + *used, len - *used, fault);
        if (err != MR_OK)
            return err;
        assert_true(guard->used > 0 || len == 0);
        assert_true(passed_len + guard->used <= sizeof(passed));
        if (!guard->skipped) {
            memcpy(passed + passed_len, bytes + *used, guard->used);
            passed_len += guard->used;
        }
        *used += guard->used;
    } while (*used < len && !guard->done);
    return MR_OK;
}

/* Run `text` through a guard in pieces of at most `piece` octets. */
static int guarded(struct mr_chunked *guard, struct mr_slice text, size_t piece, struct mr_fault *fault)
{
    mr_chunked_init(guard);
    passed_len = 0;
    size_t taken = 0;
    while (taken < text.len && !guard->done) {
        size_t len = MR_MIN(piece, text.len - taken), used;
        char *copy = malloc(len); /* exact: the address sanitizer sees the end */
        memcpy(copy, text.at + taken, len);
        int err = guard_all(guard, copy, len, &used, fault);
        free(copy);
        if (err != MR_OK)
            return err;
        assert_true(used == len || guard->done);
        taken += used;
    }
    guard->used = taken;
    return MR_OK;
}

static void well_framed_body_passes_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text, *next; /* next: what belongs to the next request */
    } table[] = {
        {END, ""},
        {END "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n"},
        {"3\r\nabc\r\n" END, ""},
        {"3\r\nabc\r\na\r\n0123456789\r\n" END END, END},
        {"A\r\n0\r\n\r\n012\r\n\r\n" END, ""},
        {"0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", ""},
        {"3;a\r\nabc\r\n" END, ""},
        {"3;a=b\r\nabc\r\n" END, ""},
        {"3;a=b;c;d=\"e f;\t\x80,\"\r\nabc\r\n0;a=\"\"\r\n\r\n", ""},
        {"0\r\nA: b\r\nC-d:\r\nE:\t\x80 \r\n\r\nnext", "next"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_slice text = mr_slice_of(table[i].text);
        for (size_t piece = 1; piece <= text.len; piece++) {
            struct mr_chunked guard;
            struct mr_fault fault = {0};
            if (guarded(&guard, text, piece, &fault) != MR_OK)
                fail_msg("refused: %s\n%s", fault.detail, table[i].text);
            assert_true(guard.done);
            assert_string_equal(table[i].text + guard.used, table[i].next);
        }
    }
}

static void extensions_are_skipped_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text, *passed;
    } table[] = {
        {"5;a=b;f\r\nabcde\r\n" END, "5\r\nabcde\r\n" END},
        {"1;a\r\n;\r\n1;b=\"c;d\"\r\nx\r\n0;e\r\nA: b;c=d\r\n\r\n", "1\r\n;\r\n1\r\nx\r\n0\r\nA: b;c=d\r\n\r\n"},
        {"3\r\nabc\r\n" END, "3\r\nabc\r\n" END},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_slice text = mr_slice_of(table[i].text);
        for (size_t piece = 1; piece <= text.len; piece++) {
            struct mr_chunked guard;
            assert_int_equal(guarded(&guard, text, piece, NULL), MR_OK);
            assert_int_equal(passed_len, strlen(table[i].passed));
            assert_memory_equal(passed, table[i].passed, passed_len);
        }
    }
}

static void body_is_not_done_before_its_last_octet(void **state)
{
    (void)state;
    struct mr_slice text = MR_SLICE("3;a=\"b\"\r\nabc\r\n0\r\nA: b\r\n\r\n");
    for (size_t len = 0; len <= text.len; len++) {
        struct mr_chunked guard;
        assert_int_equal(guarded(&guard, (struct mr_slice){text.at, len}, len + 1, NULL), MR_OK);
        assert_int_equal(guard.done, len == text.len);
    }
}

static void malformed_framing_is_refused_in_any_pieces(void **state)
{
    (void)state;
    static const char *const table[] = {
        /* sizes */
        "\r\n",
        "\r\n3\r\nabc\r\n" END,
        "g\r\n",
        " 3\r\nabc\r\n" END,
        "3 \r\nabc\r\n" END,
        "3\t\r\nabc\r\n" END,
        "+3\r\nabc\r\n" END,
        "-3\r\nabc\r\n" END,
        "0x3\r\nabc\r\n" END,
        "3_\r\nabc\r\n" END,
        ";a\r\n",
        "8000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "00000000000000003\r\nabc\r\n" END,
        "10000000000000000\r\n",
        "3\nabc\r\n" END,
        "3\rabc\r\n" END,
        "3\r\r\nabc\r\n" END,
        /* extensions */
        "3;\r\nabc\r\n" END,
        "3;;a\r\nabc\r\n" END,
        "3;=b\r\nabc\r\n" END,
        "3;a=\r\nabc\r\n" END,
        "3;a=;b\r\nabc\r\n" END,
        "3;a=b=c\r\nabc\r\n" END,
        "3 ;a\r\nabc\r\n" END,
        "3; a\r\nabc\r\n" END,
        "3;a =b\r\nabc\r\n" END,
        "3;a= b\r\nabc\r\n" END,
        "3;a \r\nabc\r\n" END,
        "3;a=b \r\nabc\r\n" END,
        "3;a\nabc\r\n" END,
        "3;a\rabc\r\n" END,
        "3;a=b\nabc\r\n" END,
        "3;\"a\"=b\r\nabc\r\n" END,
        "3;a=\"b\r\nabc\r\n" END,
        "3;a=\"b\n\"\r\nabc\r\n" END,
        "3;a=\"b\"c\r\nabc\r\n" END,
        "3;a=b\"c\"\r\nabc\r\n" END,
        "3;a=\"\\\"\"\r\nabc\r\n" END,
        "3;a=\"b\"\nabc\r\n" END,
        "3;a\x01\r\nabc\r\n" END,
        "3;\x80\r\nabc\r\n" END,
        /* behind the data */
        "3\r\nabcd\r\n" END,
        "3\r\nab\r\n" END,
        "3\r\nabc\n" END,
        "3\r\nabc\r" END,
        "3\r\nabc" END,
        "3\r\nabc\r\n\r\n" END,
        /* the end and trailers */
        "0\n\r\n",
        "0\r\n\n",
        "0\r\n\r\r\n",
        "0\r\n\rX",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\r\n\n",
        "0\r\nA: b\rC: d\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nA b: c\r\n\r\n",
        "0\r\nA: \x01\r\n\r\n",
        "0\r\nA: \x7f\r\n\r\n",
        "0\r\nA\x80: b\r\n\r\n",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_slice text = mr_slice_of(table[i]);
        for (size_t piece = 1; piece <= text.len; piece++) {
            struct mr_chunked guard;
            struct mr_fault fault = {0};
            if (guarded(&guard, text, piece, &fault) != MR_EREQUEST || fault.error != MR_EREQUEST)
                fail_msg("taken: %s", table[i]);
            assert_false(guard.done);
            assert_true(fault.detail[0] != '\0');
        }
    }
}

static void fault_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } table[] = {
        {"x", "chunk size"},
        {"3;a ", "extension"},
        {"3\r\nabcd", "behind a chunk"},
        {"0\r\n ", "trailer"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_chunked guard;
        struct mr_fault fault = {0};
        assert_int_equal(guarded(&guard, mr_slice_of(table[i].text), 100, &fault), MR_EREQUEST);
        if (strstr(fault.detail, table[i].place) == NULL)
            fail_msg("%s: %s", table[i].place, fault.detail);
    }
}

static void largest_chunk_is_2_to_the_63_less_one(void **state)
{
    (void)state;
    struct mr_chunked guard;
    assert_int_equal(guarded(&guard, MR_SLICE("7fffffffffffffff\r\nabc"), 100, NULL), MR_OK);
    assert_int_equal(guarded(&guard, MR_SLICE("8000000000000000"), 100, NULL), MR_EREQUEST);
}

static int feed(struct mr_chunked *guard, const char *text, struct mr_fault *fault)
{
    size_t used;
    passed_len = 0;
    return guard_all(guard, text, strlen(text), &used, fault);
}

static int feed_times(struct mr_chunked *guard, char octet, size_t count, struct mr_fault *fault)
{
    int err = MR_OK;
    for (size_t i = 0; i < count && err == MR_OK; i++)
        err = mr_chunked_guard(guard, &octet, 1, fault);
    return err;
}

static void extensions_of_a_chunk_are_bounded(void **state)
{
    (void)state;
    struct mr_chunked guard;
    struct mr_fault fault = {0};
    mr_chunked_init(&guard);
    assert_int_equal(feed(&guard, "1;", &fault), MR_OK);
    assert_int_equal(feed_times(&guard, 'a', MR_CHUNK_EXTENSION_MAX - 1, &fault), MR_OK);
    assert_int_equal(feed(&guard, "a", &fault), MR_EREQUEST);
    assert_string_equal(fault.limit_name, "max-chunk-extension");
    assert_int_equal(fault.limit, MR_CHUNK_EXTENSION_MAX);
    assert_int_equal(fault.value, MR_CHUNK_EXTENSION_MAX + 1);
}

static void extensions_of_a_body_are_bounded(void **state)
{
    (void)state;
    struct mr_chunked guard;
    struct mr_fault fault = {0};
    mr_chunked_init(&guard);
    for (size_t i = 0; i < MR_CHUNK_EXTENSIONS_MAX / MR_CHUNK_EXTENSION_MAX; i++) {
        assert_int_equal(feed(&guard, "1;", &fault), MR_OK);
        assert_int_equal(feed_times(&guard, 'a', MR_CHUNK_EXTENSION_MAX - 1, &fault), MR_OK);
        assert_int_equal(feed(&guard, "\r\nx\r\n", &fault), MR_OK);
    }
    assert_int_equal(feed(&guard, "1\r\nx\r\n1", &fault), MR_OK);
    assert_int_equal(feed(&guard, ";", &fault), MR_EREQUEST);
    assert_string_equal(fault.limit_name, "max-chunk-extensions");
    assert_int_equal(fault.limit, MR_CHUNK_EXTENSIONS_MAX);
}

static void trailers_are_bounded(void **state)
{
    (void)state;
    struct mr_chunked guard;
    struct mr_fault fault = {0};
    mr_chunked_init(&guard);
    assert_int_equal(feed(&guard, "0\r\n", &fault), MR_OK);
    for (size_t i = 0; i < MR_CHUNK_TRAILERS_MAX / 8; i++)
        assert_int_equal(feed(&guard, "A: 345\r\n", &fault), MR_OK);
    struct mr_chunked full = guard;
    assert_int_equal(feed(&guard, "\r\n", &fault), MR_OK);
    assert_true(guard.done);
    assert_int_equal(feed(&full, "A", &fault), MR_EHEAD);
    assert_string_equal(fault.limit_name, "max-trailers");
    assert_int_equal(fault.limit, MR_CHUNK_TRAILERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_framed_body_passes_in_any_pieces),
        cmocka_unit_test(extensions_are_skipped_and_nothing_else),
        cmocka_unit_test(body_is_not_done_before_its_last_octet),
        cmocka_unit_test(malformed_framing_is_refused_in_any_pieces),
        cmocka_unit_test(fault_says_where),
        cmocka_unit_test(largest_chunk_is_2_to_the_63_less_one),
        cmocka_unit_test(extensions_of_a_chunk_are_bounded),
        cmocka_unit_test(extensions_of_a_body_are_bounded),
        cmocka_unit_test(trailers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
