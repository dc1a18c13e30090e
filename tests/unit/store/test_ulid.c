#include "base/macros.h"
#include "store/ulid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_id_has_the_time_it_was_made_at(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 1, 31, 32, 1469918176385, 1796000000000, MR_ULID_MS_MAX - 1, MR_ULID_MS_MAX};
    for (size_t i = 0; i < MR_ARRAY_SIZE(times); i++) {
        char id[MR_ULID_LEN + 1];
        mr_ulid_make(id, times[i]);
        assert_int_equal(strlen(id), MR_ULID_LEN);
        assert_true(mr_ulid_is_valid(mr_slice_of(id)));
        assert_int_equal(mr_ulid_ms(id), times[i]);
    }
}

/* The example of the specification (github.com/ulid/spec). */
static void a_time_is_written_as_the_specification_has_it(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    mr_ulid_make(id, 1469918176385);
    assert_memory_equal(id, "01ARYZ6S41", 10);
    mr_ulid_make(id, MR_ULID_MS_MAX);
    assert_memory_equal(id, "7ZZZZZZZZZ", 10);
}

static void a_time_outside_48_bits_becomes_the_bound(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    mr_ulid_make(id, -1);
    assert_int_equal(mr_ulid_ms(id), 0);
    mr_ulid_make(id, INT64_MIN);
    assert_int_equal(mr_ulid_ms(id), 0);
    mr_ulid_make(id, MR_ULID_MS_MAX + 1);
    assert_int_equal(mr_ulid_ms(id), MR_ULID_MS_MAX);
    mr_ulid_make(id, INT64_MAX);
    assert_int_equal(mr_ulid_ms(id), MR_ULID_MS_MAX);
}

static void ids_sort_by_time(void **state)
{
    (void)state;
    char before[MR_ULID_LEN + 1], after[MR_ULID_LEN + 1];
    mr_ulid_make(before, 0);
    for (int64_t ms = 1; ms < 1 << 12; ms++) {
        mr_ulid_make(after, ms * 7919);
        assert_true(strcmp(before, after) < 0);
        memcpy(before, after, sizeof(before));
    }
}

/* Of 80 random bits each is set in some IDs and clear in others, and no ID follows from the one before. */
static void all_bits_behind_the_time_are_random(void **state)
{
    (void)state;
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    int set[16][5] = {{0}};
    char last[MR_ULID_LEN + 1] = "";
    enum { IDS = 1000 };
    for (int i = 0; i < IDS; i++) {
        char id[MR_ULID_LEN + 1];
        mr_ulid_make(id, 1796000000000);
        assert_memory_not_equal(id + 10, last + 10, 12); /* counted up: only the last digits would differ */
        memcpy(last, id, sizeof(last));
        for (size_t at = 0; at < 16; at++)
            for (int bit = 0; bit < 5; bit++)
                set[at][bit] += (int)((strchr(digits, id[10 + at]) - digits) >> bit & 1);
    }
    for (size_t at = 0; at < 16; at++)
        for (int bit = 0; bit < 5; bit++)
            assert_in_range(set[at][bit], IDS / 4, IDS * 3 / 4);
}

static void any_other_spelling_is_no_id(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "01ARZ3NDEKTSV4RRFFQ69G5FA",   /* one short */
        "01ARZ3NDEKTSV4RRFFQ69G5FAV0", /* one long */
        "01arz3ndektsv4rrffq69g5fav",  /* lower case */
        "01ARZ3NDEKTSV4RRFFQ69G5FAv",  /* one of it */
        "81ARZ3NDEKTSV4RRFFQ69G5FAV",  /* beyond 48 bits */
        "Z1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5FAI", /* Crockford reads these as 1, 1, 0 */
        "01ARZ3NDEKTSV4RRFFQ69G5FAL",
        "O1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU", /* no digit at all */
        "01ARZ3NDEKTSV4RR-FQ69G5FAV",
        "../RZ3NDEKTSV4RRFFQ69G5FAV",
        " 1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5FA\xff",
    };
    assert_true(mr_ulid_is_valid(MR_SLICE("01ARZ3NDEKTSV4RRFFQ69G5FAV")));
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        size_t len = strlen(table[i]);
        char *copy = malloc(len + (len == 0)); /* exact: the address sanitizer sees the end */
        memcpy(copy, table[i], len);
        assert_false(mr_ulid_is_valid((struct mr_slice){copy, len}));
        free(copy);
    }
    assert_false(mr_ulid_is_valid(MR_SLICE("01ARZ3NDEKTSV4RRFFQ69G5\0AV")));
    assert_false(mr_ulid_is_valid((struct mr_slice){NULL, 0}));
}

static void ids_of_a_quarter_of_an_hour_share_a_directory(void **state)
{
    (void)state;
    static const int64_t span_ms = 1 << 20;
    char id[MR_ULID_LEN + 1], first[MR_ULID_DIRECTORY_LEN + 1], last[MR_ULID_DIRECTORY_LEN + 1];
    mr_ulid_directory(first, "01M8K7ZZZZZZZZZZZZZZZZZZZZ");
    assert_string_equal(first, "01M8/K7");
    mr_ulid_make(id, 1000 * span_ms);
    mr_ulid_directory(first, id);
    mr_ulid_make(id, 1001 * span_ms - 1);
    mr_ulid_directory(last, id);
    assert_string_equal(first, last);
    mr_ulid_make(id, 1001 * span_ms);
    mr_ulid_directory(last, id);
    assert_string_not_equal(first, last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_the_time_it_was_made_at),
        cmocka_unit_test(a_time_is_written_as_the_specification_has_it),
        cmocka_unit_test(a_time_outside_48_bits_becomes_the_bound),
        cmocka_unit_test(ids_sort_by_time),
        cmocka_unit_test(all_bits_behind_the_time_are_random),
        cmocka_unit_test(any_other_spelling_is_no_id),
        cmocka_unit_test(ids_of_a_quarter_of_an_hour_share_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
