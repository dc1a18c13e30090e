#define _XOPEN_SOURCE 700 /* nftw */
#include "base/budget.h"
#include "base/macros.h"
#include "dies.h"
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void take_past_the_limit_is_refused(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 100);
    assert_true(mr_budget_try_take(&budget, 60));
    assert_false(mr_budget_try_take(&budget, 41));
    assert_int_equal(mr_budget_used(&budget), 60);
    assert_true(mr_budget_try_take(&budget, 40));
    assert_false(mr_budget_try_take(&budget, 1));
    assert_true(mr_budget_try_take(&budget, 0));
    mr_budget_give_back(&budget, 100);
    assert_int_equal(mr_budget_used(&budget), 0);
}

static void huge_take_does_not_wrap_around(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 100);
    assert_true(mr_budget_try_take(&budget, 60));
    assert_false(mr_budget_try_take(&budget, UINT64_MAX));
    assert_false(mr_budget_try_take(&budget, UINT64_MAX - 59));
}

static void no_limit_still_counts(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 0);
    assert_true(mr_budget_try_take(&budget, (uint64_t)1 << 60));
    assert_true(mr_budget_used(&budget) == (uint64_t)1 << 60);
}

static void giving_back_what_was_not_taken_is_a_programming_error(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 100);
    assert_dies(mr_budget_give_back(&budget, 1));
}

static struct mr_budget shared;
static _Atomic uint64_t successes;

static void *take_and_give_back(void *context)
{
    unsigned seed = (unsigned)(uintptr_t)context;
    for (int i = 0; i < 20000; i++) {
        uint64_t bytes = (uint64_t)rand_r(&seed) % 80;
        if (!mr_budget_try_take(&shared, bytes))
            continue;
        if (mr_budget_used(&shared) > 100)
            abort();
        atomic_fetch_add(&successes, 1);
        mr_budget_give_back(&shared, bytes);
    }
    return NULL;
}

static void threads_never_pass_the_limit_together(void **state)
{
    (void)state;
    pthread_t threads[3];
    mr_budget_init(&shared, 100);
    for (uintptr_t i = 0; i < MR_ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, (void *)(i + 1)), 0);
    for (size_t i = 0; i < MR_ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(mr_budget_used(&shared), 0);
    assert_true(successes > 0);
}

/* A root directory of our own with the files that a kernel would show there. */
static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/millrace-test-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *path, const char *text)
{
    char whole[512];
    int len = snprintf(whole, sizeof(whole), "%s%s", root, path);
    assert_true(len > 0 && (size_t)len < sizeof(whole));
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static uint64_t ram(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void machine_without_cgroups_gives_its_ram(void **state)
{
    (void)state;
    assert_int_equal(mr_budget_machine_memory_in(root), ram());
}

static void smallest_v2_limit_up_the_tree_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/millrace.service\n");
    write_file("/sys/fs/cgroup/system.slice/millrace.service/memory.max", "67108864\n");
    write_file("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    assert_int_equal(mr_budget_machine_memory_in(root), 64 * MR_MIB);
    write_file("/sys/fs/cgroup/system.slice/memory.max", "33554432\n");
    assert_int_equal(mr_budget_machine_memory_in(root), 32 * MR_MIB);
    write_file("/sys/fs/cgroup/memory.max", "16777216\n");
    assert_int_equal(mr_budget_machine_memory_in(root), 16 * MR_MIB);
}

static void v2_without_a_limit_gives_the_ram(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "max\n");
    assert_int_equal(mr_budget_machine_memory_in(root), ram());
}

static void path_outside_the_container_falls_back_to_the_mount(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/../../elsewhere\n");
    write_file("/sys/fs/cgroup/memory.max", "16777216\n");
    assert_int_equal(mr_budget_machine_memory_in(root), 16 * MR_MIB);
}

static void v1_memory_controller_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "12:cpu,cpuacct:/x\n9:memory,hugetlb:/docker/abc\n1:name=systemd:/x\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(mr_budget_machine_memory_in(root), ram());
    write_file("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "50331648\n");
    assert_int_equal(mr_budget_machine_memory_in(root), 48 * MR_MIB);
}

static void damaged_files_are_passed_over(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "\n:\n::\nnonsense\n0::\n0::relative\n0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "");
    write_file("/sys/fs/cgroup/memory.max", "-5\n");
    assert_int_equal(mr_budget_machine_memory_in(root), ram());
}

static void this_machine_has_memory(void **state)
{
    (void)state;
    assert_true(mr_budget_machine_memory() > MR_MIB);
    assert_true(mr_budget_machine_memory() <= ram());
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_past_the_limit_is_refused),
        cmocka_unit_test(huge_take_does_not_wrap_around),
        cmocka_unit_test(no_limit_still_counts),
        cmocka_unit_test(giving_back_what_was_not_taken_is_a_programming_error),
        cmocka_unit_test(threads_never_pass_the_limit_together),
        with_root(machine_without_cgroups_gives_its_ram),
        with_root(smallest_v2_limit_up_the_tree_counts),
        with_root(v2_without_a_limit_gives_the_ram),
        with_root(path_outside_the_container_falls_back_to_the_mount),
        with_root(v1_memory_controller_counts),
        with_root(damaged_files_are_passed_over),
        cmocka_unit_test(this_machine_has_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
