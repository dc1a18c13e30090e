#include "rig.h"
#include "store/fs/tally.h"

#define EARLY  "01M8K70000000000000000000A"
#define MIDDLE "01M8K80000000000000000000B"
#define LATE   "01M8K90000000000000000000C"

static struct mr_tally tally;

static int set_up(void **state)
{
    (void)state;
    memset(&tally, 0, sizeof(tally));
    return 0;
}

static void change(const char *id, int objects)
{
    mr_tally_enter(&tally, 3);
    mr_tally_leave(&tally, 3, id, objects, 10);
}

static void assert_shown(uint64_t objects)
{
    uint64_t found, bytes;
    assert_true(mr_tally_read(&tally, &found, &bytes));
    assert_int_equal(found, objects);
    assert_int_equal(bytes, objects * 10);
}

static void count(const char *id, uint64_t objects)
{
    mr_tally_begin_directory(&tally, id);
    assert_true(mr_tally_end_directory(&tally, id, objects, objects * 10, false));
}

static void walk(uint64_t objects)
{
    mr_tally_begin_walk(&tally);
    count(MIDDLE, objects);
    mr_tally_end_walk(&tally);
}

static void nothing_is_known_before_the_first_walk_ends(void **state)
{
    (void)state;
    uint64_t objects, bytes;
    assert_false(mr_tally_read(&tally, &objects, &bytes));
    change(EARLY, 1);
    mr_tally_begin_walk(&tally);
    change(EARLY, 1); /* the walk will see it */
    count(EARLY, 2);
    assert_false(mr_tally_read(&tally, &objects, &bytes));
    mr_tally_end_walk(&tally);
    assert_shown(2);
}

static void changes_after_a_walk_are_added(void **state)
{
    (void)state;
    walk(5);
    change(EARLY, 1);
    change(LATE, 1);
    change(MIDDLE, -1);
    change(MIDDLE, -1);
    change(MIDDLE, -1);
    assert_shown(4);
    change(LATE, 0); /* it failed */
    assert_shown(4);
}

static void a_walk_adds_what_changes_behind_it(void **state)
{
    (void)state;
    walk(100);
    mr_tally_begin_walk(&tally);
    count(EARLY, 10);
    change(EARLY, 1);  /* behind: added */
    change(MIDDLE, 1); /* before: the walk will see it */
    count(MIDDLE, 20);
    change(EARLY, -1);
    change(MIDDLE, -1);
    change(LATE, 1);
    assert_shown(101); /* of the last walk, with all changes */
    count(LATE, 30);
    mr_tally_end_walk(&tally);
    assert_shown(59);
}

static void a_directory_that_changes_is_counted_again(void **state)
{
    (void)state;
    mr_tally_begin_walk(&tally);
    mr_tally_begin_directory(&tally, MIDDLE);
    change(MIDDLE, 1);
    assert_false(mr_tally_end_directory(&tally, MIDDLE, 1, 10, false));
    mr_tally_begin_directory(&tally, MIDDLE);
    change(EARLY, 1); /* is no other's matter */
    change(LATE, 1);
    mr_tally_enter(&tally, 63); /* its name may have changed already */
    assert_false(mr_tally_end_directory(&tally, MIDDLE, 2, 20, false));
    mr_tally_leave(&tally, 63, LATE, 1, 10);
    mr_tally_begin_directory(&tally, MIDDLE);
    assert_true(mr_tally_end_directory(&tally, MIDDLE, 3, 30, false));
    mr_tally_begin_directory(&tally, LATE);
    change(LATE, 1);
    assert_true(mr_tally_end_directory(&tally, LATE, 3, 30, true));
    mr_tally_end_walk(&tally);
    assert_shown(1 + 3 + 3);
}

static void a_walk_is_taken_over_where_it_stands(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    bool is_passed;
    assert_false(mr_tally_resume_walk(&tally, id, &is_passed));
    mr_tally_begin_walk(&tally);
    assert_true(mr_tally_resume_walk(&tally, id, &is_passed));
    assert_string_equal(id, "00000000000000000000000000");
    count(EARLY, 4);
    assert_true(mr_tally_resume_walk(&tally, id, &is_passed));
    assert_string_equal(id, "01M8K700000000000000000000");
    assert_true(is_passed);
    mr_tally_begin_directory(&tally, MIDDLE);
    change(MIDDLE, 1);
    mr_tally_enter(&tally, 0); /* the process dies */
    assert_true(mr_tally_resume_walk(&tally, id, &is_passed));
    assert_string_equal(id, "01M8K800000000000000000000");
    assert_false(is_passed);
    mr_tally_forget(&tally, 0);
    count(MIDDLE, 5);
    mr_tally_end_walk(&tally);
    assert_false(mr_tally_resume_walk(&tally, id, &is_passed));
    assert_shown(9);
}

static void what_is_wrong_never_goes_below_zero(void **state)
{
    (void)state;
    walk(1);
    change(MIDDLE, -1);
    change(MIDDLE, -1);
    assert_shown(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_known_before_the_first_walk_ends, set_up),
        cmocka_unit_test_setup(changes_after_a_walk_are_added, set_up),
        cmocka_unit_test_setup(a_walk_adds_what_changes_behind_it, set_up),
        cmocka_unit_test_setup(a_directory_that_changes_is_counted_again, set_up),
        cmocka_unit_test_setup(a_walk_is_taken_over_where_it_stands, set_up),
        cmocka_unit_test_setup(what_is_wrong_never_goes_below_zero, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
