#include "base/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void empty_arena_holds_no_memory(void **state)
{
    (void)state;
    struct mr_arena arena;
    mr_arena_init(&arena);
    assert_int_equal(arena.total, 0);
    mr_arena_reset(&arena);
    assert_int_equal(arena.total, 0);
}

static void allocations_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static unsigned char *runs[COUNT];
    static size_t sizes[COUNT];
    struct mr_arena arena = {0};
    srand(1);
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = (size_t)rand() % (i % 50 == 0 ? 20000 : 200);
        runs[i] = mr_arena_alloc(&arena, sizes[i]);
        assert_int_equal((uintptr_t)runs[i] % _Alignof(max_align_t), 0);
        memset(runs[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(runs[i][at], i % 251);
    }
    mr_arena_reset(&arena);
}

static void nothing_still_has_an_address_of_its_own(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    void *first = mr_arena_alloc(&arena, 0), *second = mr_arena_alloc(&arena, 0);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    mr_arena_reset(&arena);
}

#ifndef MR_SANITIZED /* there every allocation is a block of its own */
static void small_things_of_a_request_share_one_page(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    for (int i = 0; i < 60; i++)
        mr_arena_alloc(&arena, 64);
    assert_true(arena.total <= 4096);
    mr_arena_alloc(&arena, 100000); /* does not take the room that is left */
    size_t total = arena.total;
    mr_arena_alloc(&arena, 64);
    assert_int_equal(arena.total, total);
    mr_arena_reset(&arena);
}
#endif

static void reset_arena_is_usable_again(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    mr_arena_alloc(&arena, 10000);
    mr_arena_reset(&arena);
    assert_int_equal(arena.total, 0);
    char *text = mr_arena_copy(&arena, MR_SLICE("again"));
    assert_string_equal(text, "again");
    mr_arena_reset(&arena);
}

static void zalloc_is_zero_and_copy_ends_in_nul(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    const char zeros[500] = {0};
    memset(mr_arena_alloc(&arena, 500), 0xff, 500);
    mr_arena_reset(&arena);
    assert_memory_equal(mr_arena_zalloc(&arena, 500), zeros, 500);
    assert_string_equal(mr_arena_copy(&arena, (struct mr_slice){.at = "abcdef", .len = 3}), "abc");
    assert_string_equal(mr_arena_copy(&arena, (struct mr_slice){.at = NULL, .len = 0}), "");
    mr_arena_reset(&arena);
}

static void printf_takes_short_and_long_texts(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    struct mr_slice text = mr_arena_printf(&arena, "%s=%d", "width", 300);
    assert_true(mr_slice_is(text, "width=300"));
    assert_int_equal(text.at[text.len], '\0');
    static const size_t lengths[] = {0, 254, 255, 256, 257, 9000};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        text = mr_arena_printf(&arena, "%*s", (int)lengths[i], "");
        assert_int_equal(text.len, lengths[i]);
        assert_int_equal(strlen(text.at), lengths[i]);
    }
    mr_arena_reset(&arena);
}

static void parts_are_joined(void **state)
{
    (void)state;
    struct mr_arena arena = {0};
    const struct mr_slice parts[] = {MR_SLICE("W/\""), {.at = NULL, .len = 0}, MR_SLICE("tag"), MR_SLICE("\"")};
    struct mr_slice text = mr_arena_join(&arena, parts, MR_ARRAY_SIZE(parts));
    assert_true(mr_slice_is(text, "W/\"tag\""));
    assert_int_equal(text.at[text.len], '\0');
    assert_int_equal(mr_arena_join(&arena, parts, 0).len, 0);
    mr_arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_arena_holds_no_memory),
        cmocka_unit_test(allocations_are_aligned_and_do_not_overlap),
        cmocka_unit_test(nothing_still_has_an_address_of_its_own),
#ifndef MR_SANITIZED
        cmocka_unit_test(small_things_of_a_request_share_one_page),
#endif
        cmocka_unit_test(reset_arena_is_usable_again),
        cmocka_unit_test(zalloc_is_zero_and_copy_ends_in_nul),
        cmocka_unit_test(printf_takes_short_and_long_texts),
        cmocka_unit_test(parts_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
