#include "base/exemplar.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void nothing_is_read_before_the_first(void **state)
{
    (void)state;
    struct mr_exemplar exemplar = {0};
    struct mr_exemplar_value value;
    assert_false(mr_exemplar_read(&exemplar, &value));
}

static uint64_t held(const struct mr_exemplar *exemplar)
{
    struct mr_exemplar_value value;
    assert_true(mr_exemplar_read(exemplar, &value));
    return value.value;
}

static void the_largest_of_a_minute_is_kept(void **state)
{
    (void)state;
    struct mr_exemplar exemplar = {0};
    struct mr_exemplar_value value = {.request_id = "one", .value = 10, .wall = MR_NS_PER_S};
    mr_exemplar_offer(&exemplar, &value);
    value.value = 5;
    mr_exemplar_offer(&exemplar, &value);
    assert_int_equal(held(&exemplar), 10);
    value.value = 11;
    mr_exemplar_offer(&exemplar, &value);
    assert_int_equal(held(&exemplar), 11);
    value = (struct mr_exemplar_value){.request_id = "two", .value = 1, .wall = MR_NS_PER_S + MR_EXEMPLAR_KEPT_NS};
    mr_exemplar_offer(&exemplar, &value);
    assert_int_equal(held(&exemplar), 1);
    assert_true(mr_exemplar_read(&exemplar, &value));
    assert_string_equal(value.request_id, "two");
}

static void what_is_set_takes_the_place_of_a_larger_one(void **state)
{
    (void)state;
    struct mr_exemplar exemplar = {0};
    struct mr_exemplar_value read, larger = {.value = 9, .wall = 100}, newer = {.value = 1, .wall = 101};
    mr_exemplar_set(&exemplar, &larger);
    mr_exemplar_set(&exemplar, &newer);
    assert_true(mr_exemplar_read(&exemplar, &read));
    assert_int_equal(read.value, 1);
    assert_int_equal(read.wall, 101);
}

static void a_writer_that_ended_in_the_middle_is_overcome(void **state)
{
    (void)state;
    struct mr_exemplar exemplar = {.version = 7};
    struct mr_exemplar_value value = {.value = 3};
    assert_false(mr_exemplar_read(&exemplar, &value));
    mr_exemplar_offer(&exemplar, &value);
    assert_int_equal(held(&exemplar), 3);
}

enum { WRITES = 200000 };

/* Each value says the same in all its fields. */
static void *write_many(void *context)
{
    for (uint64_t i = 1; i <= WRITES; i++) {
        struct mr_exemplar_value value = {.value = i, .wall = i};
        memset(value.request_id, (int)('a' + i % 26), sizeof(value.request_id) - 1);
        memset(value.trace_id, (int)('a' + i % 26), sizeof(value.trace_id) - 1);
        mr_exemplar_offer(context, &value);
    }
    return NULL;
}

static void no_reading_is_of_two_writes(void **state)
{
    (void)state;
    struct mr_exemplar exemplar = {0};
    struct mr_exemplar_value value = {.value = 0};
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_many, &exemplar), 0);
    while (value.value != WRITES) { /* the last one stays */
        if (!mr_exemplar_read(&exemplar, &value))
            continue;
        assert_int_equal(value.value, value.wall);
        char filled[sizeof(value.request_id)];
        memset(filled, (int)('a' + value.value % 26), sizeof(filled));
        assert_memory_equal(value.request_id, filled, sizeof(value.request_id) - 1);
        assert_memory_equal(value.trace_id, filled, sizeof(value.trace_id) - 1);
    }
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_read_before_the_first),
        cmocka_unit_test(the_largest_of_a_minute_is_kept),
        cmocka_unit_test(what_is_set_takes_the_place_of_a_larger_one),
        cmocka_unit_test(a_writer_that_ended_in_the_middle_is_overcome),
        cmocka_unit_test(no_reading_is_of_two_writes),
    };
    return cmocka_run_group_tests_name("exemplar", tests, NULL, NULL);
}
