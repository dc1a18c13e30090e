#include "base/macros.h"
#include "store/store.h"
#include "variants/variant_index.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM (64 * MR_MIB)

static struct {
    struct mr_variant_index_config config;
    struct mr_variant_index *index;
} rig;

static int open_index(void **state)
{
    (void)state;
    rig.config = (struct mr_variant_index_config){.size_max = ROOM, .processes = 2};
    size_t size = mr_variant_index_size(&rig.config);
    rig.index = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(rig.index, MAP_FAILED);
    mr_variant_index_init(rig.index, &rig.config);
    return 0;
}

static int close_index(void **state)
{
    (void)state;
    munmap(rig.index, mr_variant_index_size(&rig.config));
    return 0;
}

/* Those of one `group` share a set. */
static struct mr_variant_key key_of(unsigned group, unsigned number)
{
    struct mr_variant_key key = {{0}};
    memcpy(key.bytes, &group, sizeof(group));
    memcpy(key.bytes + sizeof(group), &number, sizeof(number));
    return key;
}

static enum mr_variant_look look(unsigned number, unsigned process, struct mr_variant_place *place)
{
    struct mr_variant_key key = key_of(1, number);
    return mr_variant_index_look(rig.index, &key, process, place);
}

static void put(unsigned number, uint32_t file, uint32_t offset)
{
    struct mr_variant_key key = key_of(1, number);
    mr_variant_index_put(rig.index, &key, &(struct mr_variant_place){.file = file, .offset = offset, .len = 100});
}

static void end_claim_of(unsigned number, unsigned process)
{
    struct mr_variant_key key = key_of(1, number);
    mr_variant_index_end_claim(rig.index, &key, process);
}

static uint32_t open_one(unsigned process, unsigned *evicted_count)
{
    uint32_t number, evicted[MR_VARIANT_EVICTED_MAX];
    unsigned count;
    mr_variant_index_open_file(rig.index, process, &number, evicted, &count);
    if (evicted_count != NULL)
        *evicted_count = count;
    return number;
}

static struct mr_variant_index_totals totals(void)
{
    struct mr_variant_index_totals found;
    mr_variant_index_totals(rig.index, &found);
    return found;
}

/* ---- variants ---- */

static void what_was_put_is_found_by_each_process(void **state)
{
    (void)state;
    struct mr_variant_place place;
    uint32_t file = open_one(0, NULL);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_CLAIMED);
    put(1, file, 24);
    end_claim_of(1, 0);
    for (unsigned process = 0; process < 2; process++) {
        assert_int_equal(look(1, process, &place), MR_VARIANT_HERE);
        assert_true(place.file == file && place.offset == 24 && place.len == 100);
    }
    assert_int_equal(totals().bytes, 124);
}

static void one_process_makes_what_another_awaits(void **state)
{
    (void)state;
    struct mr_variant_place place;
    struct mr_variant_key key = key_of(1, 1);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_CLAIMED);
    assert_int_equal(look(1, 1, &place), MR_VARIANT_AWAITED);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_UNCLAIMED); /* its own claim */
    assert_true(mr_variant_index_is_awaited(rig.index, &key, 1));
    assert_false(mr_variant_index_is_awaited(rig.index, &key, 0));
    end_claim_of(1, 1); /* it has none */
    assert_true(mr_variant_index_is_awaited(rig.index, &key, 1));
    end_claim_of(1, 0);
    mr_variant_index_wait(rig.index, 1, false); /* it was woken */
    assert_false(mr_variant_index_is_awaited(rig.index, &key, 1));
    assert_int_equal(look(1, 1, &place), MR_VARIANT_CLAIMED);
}

static void full_set_of_claims_is_no_claim(void **state)
{
    (void)state;
    struct mr_variant_place place;
    unsigned claimed = 0;
    while (look(claimed, 0, &place) == MR_VARIANT_CLAIMED)
        claimed++;
    assert_true(claimed >= 4);
    assert_int_equal(look(claimed, 1, &place), MR_VARIANT_UNCLAIMED);
    end_claim_of(claimed, 1); /* nothing */
    end_claim_of(0, 0);
    assert_int_equal(look(claimed, 1, &place), MR_VARIANT_CLAIMED);
}

static void what_was_forgotten_is_made_again(void **state)
{
    (void)state;
    struct mr_variant_place place;
    struct mr_variant_key key = key_of(1, 1);
    uint32_t file = open_one(0, NULL);
    put(1, file, 24);
    mr_variant_index_forget(rig.index, &key, &(struct mr_variant_place){.file = file, .offset = 300});
    assert_int_equal(look(1, 0, &place), MR_VARIANT_HERE); /* that was another one */
    mr_variant_index_forget(rig.index, &key, &place);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_CLAIMED);
}

static void full_set_forgets_the_one_in_the_oldest_file(void **state)
{
    (void)state;
    struct mr_variant_place place;
    uint32_t first = open_one(0, NULL), second = open_one(1, NULL);
    assert_true(first < second);
    put(0, first, 24);
    unsigned last = 0;
    while (look(0, 0, &place) == MR_VARIANT_HERE)
        put(++last, second, 24);
    assert_true(last >= 4);
    for (unsigned i = 1; i <= last; i++)
        assert_int_equal(look(i, 0, &place), MR_VARIANT_HERE);
}

static void many_are_all_found(void **state)
{
    (void)state;
    struct mr_variant_place place;
    uint32_t file = open_one(0, NULL), found = 0;
    const unsigned count = 1000;
    for (unsigned i = 0; i < count; i++) {
        struct mr_variant_key key = key_of(i * 2654435761u, i);
        mr_variant_index_put(rig.index, &key, &(struct mr_variant_place){.file = file, .offset = i, .len = 1});
    }
    for (unsigned i = 0; i < count; i++) {
        struct mr_variant_key key = key_of(i * 2654435761u, i);
        if (mr_variant_index_look(rig.index, &key, 0, &place) == MR_VARIANT_HERE) {
            assert_int_equal(place.offset, i);
            found++;
        }
    }
    assert_int_equal(found, count);
}

/* ---- files ---- */

static void whole_files_make_room_the_oldest_first(void **state)
{
    (void)state;
    struct mr_variant_place place;
    const uint64_t largest = mr_variant_index_file_max(rig.index);
    uint32_t first = open_one(0, NULL);
    put(1, first, 24);
    mr_variant_index_close_file(rig.index, first, largest);
    unsigned evicted = 0, opened = 1;
    while (evicted == 0) {
        uint32_t number = open_one(0, &evicted);
        assert_true(number > first);
        mr_variant_index_close_file(rig.index, number, largest);
        assert_true(totals().bytes <= ROOM);
        opened++;
    }
    assert_int_equal(evicted, 1);
    assert_int_equal(opened, ROOM / largest + 1);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_CLAIMED); /* it went with its file */
    put(2, first, 24);                                        /* too late */
    assert_int_equal(look(2, 0, &place), MR_VARIANT_CLAIMED);
}

static void files_that_are_written_do_not_make_room(void **state)
{
    (void)state;
    unsigned evicted = 0, opened = 0;
    while (open_one(opened % 2, &evicted) != 0)
        opened++;
    assert_int_equal(evicted, 0);
    assert_int_equal(opened, ROOM / mr_variant_index_file_max(rig.index));
}

static void file_of_an_earlier_server_is_known_if_there_is_room(void **state)
{
    (void)state;
    struct mr_variant_place place;
    assert_true(mr_variant_index_add_file(rig.index, 1000, ROOM - 10));
    assert_false(mr_variant_index_add_file(rig.index, 999, 11));
    assert_true(mr_variant_index_add_file(rig.index, 998, 10));
    put(1, 1000, 24);
    put(2, 999, 24);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_HERE);
    assert_int_equal(look(2, 0, &place), MR_VARIANT_CLAIMED);
    unsigned evicted;
    assert_int_equal(open_one(0, &evicted), 1001);
    assert_int_equal(evicted, 2);
}

static void many_small_files_make_room_too(void **state)
{
    (void)state;
    unsigned evicted = 0;
    uint32_t number = 0;
    for (unsigned i = 0; i < 1000; i++) {
        number = open_one(0, &evicted);
        assert_true(number > i);
        mr_variant_index_close_file(rig.index, number, 30);
    }
    assert_true(evicted > 0);
    assert_true(totals().files > 8);
}

/* ---- deaths ---- */

static void claims_and_files_of_a_dead_process_are_given_up(void **state)
{
    (void)state;
    struct mr_variant_place place;
    uint32_t file = open_one(0, NULL);
    put(5, file, 24);
    assert_int_equal(look(1, 0, &place), MR_VARIANT_CLAIMED);
    assert_int_equal(look(2, 1, &place), MR_VARIANT_CLAIMED);
    assert_int_equal(look(1, 1, &place), MR_VARIANT_AWAITED);
    mr_variant_index_sweep(rig.index, 0);
    mr_variant_index_wait(rig.index, 1, false);
    assert_int_equal(look(1, 1, &place), MR_VARIANT_CLAIMED);
    assert_int_equal(look(2, 0, &place), MR_VARIANT_AWAITED); /* the living one's */
    assert_int_equal(look(5, 1, &place), MR_VARIANT_HERE);    /* what it had written */
    unsigned evicted = 0;
    while (evicted == 0)
        assert_int_not_equal(open_one(1, &evicted), 0);
    assert_int_equal(look(5, 1, &place), MR_VARIANT_CLAIMED); /* its file could make room */
}

/* Killed at any moment of it, with the mutex locked or not. */
static void process_that_dies_leaves_an_index_that_works(void **state)
{
    (void)state;
    struct mr_variant_place place;
    for (unsigned round = 0; round < 50; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            uint32_t file = open_one(0, NULL);
            for (unsigned i = 0;; i++) {
                if (look(i, 0, &place) == MR_VARIANT_CLAIMED)
                    put(i, file, 24);
                end_claim_of(i, 0);
            }
        }
        assert_true(pid > 0);
        usleep(200 + 13 * round); /* any moment will do */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        mr_variant_index_sweep(rig.index, 0);
        for (unsigned i = 0; i < 100; i++)
            assert_int_not_equal(look(i, 1, &place), MR_VARIANT_AWAITED);
        mr_variant_index_sweep(rig.index, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_is_found_by_each_process, open_index, close_index),
        cmocka_unit_test_setup_teardown(one_process_makes_what_another_awaits, open_index, close_index),
        cmocka_unit_test_setup_teardown(full_set_of_claims_is_no_claim, open_index, close_index),
        cmocka_unit_test_setup_teardown(what_was_forgotten_is_made_again, open_index, close_index),
        cmocka_unit_test_setup_teardown(full_set_forgets_the_one_in_the_oldest_file, open_index, close_index),
        cmocka_unit_test_setup_teardown(many_are_all_found, open_index, close_index),
        cmocka_unit_test_setup_teardown(whole_files_make_room_the_oldest_first, open_index, close_index),
        cmocka_unit_test_setup_teardown(files_that_are_written_do_not_make_room, open_index, close_index),
        cmocka_unit_test_setup_teardown(file_of_an_earlier_server_is_known_if_there_is_room, open_index, close_index),
        cmocka_unit_test_setup_teardown(many_small_files_make_room_too, open_index, close_index),
        cmocka_unit_test_setup_teardown(claims_and_files_of_a_dead_process_are_given_up, open_index, close_index),
        cmocka_unit_test_setup_teardown(process_that_dies_leaves_an_index_that_works, open_index, close_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
