#include "variants/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 100000u

static struct {
    struct mr_variant_table table;
    struct mr_variant_cache_numbers numbers;
    struct mr_budget memory;
} rig;

static int open_table(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    mr_budget_init(&rig.memory, 0);
    mr_variant_table_init(&rig.table, ROOM, &rig.numbers);
    return 0;
}

static int close_table(void **state)
{
    (void)state;
    mr_variant_table_close(&rig.table);
    return 0;
}

static struct mr_variant_key key_of(unsigned number)
{
    struct mr_variant_key key = {{0}};
    memcpy(key.bytes + number % 3, &number, sizeof(number)); /* some share a place */
    return key;
}

/* One that was made of `len` bytes and is referred to once. */
static struct mr_variant_entry *add_entry(unsigned number, size_t len)
{
    struct mr_variant_entry *entry = calloc(1, sizeof(*entry));
    entry->key = key_of(number);
    entry->state = MR_VARIANT_READY;
    entry->result.bytes = malloc(len);
    entry->result.len = len;
    entry->variant.bytes = (struct mr_slice){.at = entry->result.bytes, .len = len};
    entry->references = 1;
    mr_variant_table_add(&rig.table, entry);
    return entry;
}

static size_t count_list(const struct mr_variant_entry *first)
{
    size_t count = 0;
    for (; first != NULL; first = first->chain)
        count++;
    return count;
}

static struct mr_variant_entry *find_entry(unsigned number)
{
    struct mr_variant_key key = key_of(number);
    return mr_variant_table_find(&rig.table, &key);
}

static void let_go(struct mr_variant_entry *entry)
{
    mr_variant_entries_free(mr_variant_table_let_go(&rig.table, entry), &rig.memory);
}

/* Keep it and refer to it no more. Returns how many made way. */
static size_t keep_entry(unsigned number, size_t len)
{
    struct mr_variant_entry *entry = add_entry(number, len);
    struct mr_variant_entry *evicted = mr_variant_table_keep(&rig.table, entry);
    size_t count = count_list(evicted);
    mr_variant_entries_free(evicted, &rig.memory);
    let_go(entry);
    return count;
}

static void what_is_kept_is_found_and_the_rest_is_gone(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 50; i++)
        assert_int_equal(keep_entry(i, 100), 0);
    for (unsigned i = 1; i < 50; i++)
        assert_non_null(find_entry(i));
    assert_null(find_entry(50));
    struct mr_variant_entry *held = add_entry(60, 100); /* not kept */
    assert_ptr_equal(find_entry(60), held);
    let_go(held);
    assert_null(find_entry(60));
    assert_int_equal(atomic_load(&rig.numbers.images), 49);
}

static void the_one_that_was_used_longest_ago_makes_way(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(keep_entry(i, ROOM / 5), 0);
    struct mr_variant_entry *used = find_entry(1);
    mr_variant_table_hold(&rig.table, used);
    let_go(used);
    assert_int_equal(keep_entry(5, ROOM / 5), 1);
    assert_null(find_entry(2));
    assert_non_null(find_entry(1));
    assert_int_equal(atomic_load(&rig.numbers.evicted), 1);
    assert_true(atomic_load(&rig.numbers.bytes) <= ROOM);
}

static void what_is_in_use_does_not_make_way(void **state)
{
    (void)state;
    struct mr_variant_entry *in_use[4];
    for (unsigned i = 0; i < 4; i++) {
        in_use[i] = add_entry(i + 1, ROOM / 5);
        assert_null(mr_variant_table_keep(&rig.table, in_use[i]));
        assert_true(in_use[i]->is_kept);
    }
    struct mr_variant_entry *late = add_entry(9, ROOM / 5);
    assert_null(mr_variant_table_keep(&rig.table, late));
    assert_false(late->is_kept);
    let_go(late);
    for (unsigned i = 0; i < 4; i++)
        let_go(in_use[i]);
    assert_int_equal(keep_entry(9, ROOM / 5), 1);
}

static void large_one_is_not_kept_and_evicts_nothing(void **state)
{
    (void)state;
    keep_entry(1, 1000);
    assert_int_equal(keep_entry(2, ROOM / 2), 0);
    assert_non_null(find_entry(1));
    assert_null(find_entry(2));
}

static void what_was_taken_for_it_is_given_back_with_it(void **state)
{
    (void)state;
    struct mr_variant_entry *entry = add_entry(1, 1000);
    assert_true(mr_budget_try_take(&rig.memory, 1000));
    entry->charged = 1000;
    mr_variant_table_hold(&rig.table, entry);
    let_go(entry);
    assert_int_equal(mr_budget_used(&rig.memory), 1000);
    let_go(entry);
    assert_int_equal(mr_budget_used(&rig.memory), 0);
}

static void one_that_is_dropped_leaves_its_room(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        keep_entry(i, 1000);
    struct mr_variant_entry *middle = find_entry(2);
    mr_variant_table_drop(&rig.table, middle);
    mr_variant_entries_free(middle, &rig.memory);
    assert_null(find_entry(2));
    assert_int_equal(atomic_load(&rig.numbers.images), 2);
    assert_int_equal(rig.table.used, 2 * (1000 + sizeof(struct mr_variant_entry)));
}

static void what_cannot_be_made_takes_room_and_is_no_image(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        struct mr_variant_entry *entry = add_entry(i, 0);
        entry->state = MR_VARIANT_FAILED;
        assert_null(mr_variant_table_keep(&rig.table, entry));
        let_go(entry);
    }
    assert_int_equal(atomic_load(&rig.numbers.images), 0);
    assert_int_equal(atomic_load(&rig.numbers.bytes), 3 * sizeof(struct mr_variant_entry));
    for (unsigned i = 4; i <= 8; i++)
        keep_entry(i, ROOM / 5);
    assert_null(find_entry(1));
    assert_int_equal(atomic_load(&rig.numbers.evicted) + atomic_load(&rig.numbers.images), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_is_found_and_the_rest_is_gone, open_table, close_table),
        cmocka_unit_test_setup_teardown(the_one_that_was_used_longest_ago_makes_way, open_table, close_table),
        cmocka_unit_test_setup_teardown(what_is_in_use_does_not_make_way, open_table, close_table),
        cmocka_unit_test_setup_teardown(large_one_is_not_kept_and_evicts_nothing, open_table, close_table),
        cmocka_unit_test_setup_teardown(what_was_taken_for_it_is_given_back_with_it, open_table, close_table),
        cmocka_unit_test_setup_teardown(one_that_is_dropped_leaves_its_room, open_table, close_table),
        cmocka_unit_test_setup_teardown(what_cannot_be_made_takes_room_and_is_no_image, open_table, close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
