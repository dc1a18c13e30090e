#include "base/log.h"
#include "keys/api_keys.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/millrace-ring-XXXXXX";
static struct mr_fault fault;

/* Two keys, which every file has; the rights tell the files apart. */
static const struct mr_slice first = {"first-key", 9}, last = {"last-key", 8};

static void write_keys(uint32_t rights)
{
    char a[MR_API_KEY_LINE_SIZE], b[MR_API_KEY_LINE_SIZE];
    mr_api_key_line(a, MR_SLICE("first"), first, rights);
    mr_api_key_line(b, MR_SLICE("last"), last, rights);
    FILE *file = fopen(path, "w");
    fprintf(file, "%s\n%s\n", a, b);
    fclose(file);
}

static void write_broken(void)
{
    FILE *file = fopen(path, "w");
    fputs("broken\n", file);
    fclose(file);
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
    return unlink(path);
}

static uint32_t rights_of(struct mr_key_ring *ring, struct mr_slice key)
{
    struct mr_api_key found;
    return mr_api_keys_look_up(ring, key, &found) ? found.rights : 0;
}

static void keys_are_replaced_when_they_are_read_again(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    write_keys(MR_RIGHT_READ);
    assert_int_equal(mr_key_ring_open(&ring, &mr_api_key_kind, path, &fault), MR_OK);
    assert_int_equal(mr_key_ring_count(ring), 2);
    assert_int_equal(rights_of(ring, first), MR_RIGHT_READ);
    assert_int_equal(rights_of(ring, MR_SLICE("another")), 0);
    write_keys(MR_RIGHT_LIST);
    assert_int_equal(rights_of(ring, first), MR_RIGHT_READ);
    mr_key_ring_reload(ring);
    assert_int_equal(rights_of(ring, first), MR_RIGHT_LIST);
    mr_key_ring_close(&ring);
    assert_null(ring);
    mr_key_ring_close(&ring);
}

static void a_broken_file_leaves_the_old_keys(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    write_keys(MR_RIGHT_READ);
    assert_int_equal(mr_key_ring_open(&ring, &mr_api_key_kind, path, &fault), MR_OK);
    write_broken();
    mr_key_ring_reload(ring);
    assert_int_equal(rights_of(ring, last), MR_RIGHT_READ);
    write_keys(MR_RIGHT_LIST);
    chmod(path, 0644);
    mr_key_ring_reload(ring);
    assert_int_equal(rights_of(ring, last), MR_RIGHT_READ);
    chmod(path, 0600);
    mr_key_ring_reload(ring);
    assert_int_equal(rights_of(ring, last), MR_RIGHT_LIST);
    mr_key_ring_close(&ring);
}

static void a_file_that_was_emptied_takes_all_keys_away(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    write_keys(MR_RIGHT_READ);
    assert_int_equal(mr_key_ring_open(&ring, &mr_api_key_kind, path, &fault), MR_OK);
    assert_int_equal(truncate(path, 0), 0);
    mr_key_ring_reload(ring);
    assert_int_equal(mr_key_ring_count(ring), 0);
    assert_int_equal(rights_of(ring, first), 0);
    mr_key_ring_close(&ring);
}

static void a_broken_file_opens_no_ring(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    write_broken();
    assert_int_equal(mr_key_ring_open(&ring, &mr_api_key_kind, path, &fault), MR_EPARAM);
    assert_null(ring);
    assert_non_null(strstr(fault.detail, "line 1"));
}

struct looking {
    struct mr_key_ring *ring;
    atomic_bool ends;
    atomic_uint misses;
};

static void *look_up(void *context)
{
    struct looking *looking = context;
    while (!atomic_load(&looking->ends)) {
        uint32_t rights = rights_of(looking->ring, last);
        if (rights != MR_RIGHT_READ && rights != MR_RIGHT_LIST)
            atomic_fetch_add(&looking->misses, 1);
    }
    return NULL;
}

static void look_ups_beside_it_see_old_or_new_keys(void **state)
{
    (void)state;
    struct looking looking = {.ring = NULL};
    pthread_t threads[2];
    write_keys(MR_RIGHT_READ);
    assert_int_equal(mr_key_ring_open(&looking.ring, &mr_api_key_kind, path, &fault), MR_OK);
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, look_up, &looking);
    for (int i = 0; i < 200; i++) {
        write_keys(i % 2 == 0 ? MR_RIGHT_LIST : MR_RIGHT_READ);
        mr_key_ring_reload(looking.ring);
    }
    atomic_store(&looking.ends, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&looking.misses), 0);
    mr_key_ring_close(&looking.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_replaced_when_they_are_read_again),
        cmocka_unit_test(a_broken_file_leaves_the_old_keys),
        cmocka_unit_test(a_file_that_was_emptied_takes_all_keys_away),
        cmocka_unit_test(a_broken_file_opens_no_ring),
        cmocka_unit_test(look_ups_beside_it_see_old_or_new_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
