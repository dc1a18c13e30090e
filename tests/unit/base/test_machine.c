#define _XOPEN_SOURCE 700 /* nftw */
#include "base/machine.h"
#include "base/macros.h"
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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

static struct mr_machine machine_in_root(void)
{
    struct mr_machine machine;
    mr_machine_read_in(&machine, root);
    return machine;
}

static uint64_t memory_in_root(void)
{
    return machine_in_root().memory;
}

static void machine_without_cgroups_gives_its_ram(void **state)
{
    (void)state;
    assert_int_equal(memory_in_root(), ram());
}

static void smallest_v2_limit_up_the_tree_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/millrace.service\n");
    write_file("/sys/fs/cgroup/system.slice/millrace.service/memory.max", "67108864\n");
    write_file("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    assert_int_equal(memory_in_root(), 64 * MR_MIB);
    write_file("/sys/fs/cgroup/system.slice/memory.max", "33554432\n");
    assert_int_equal(memory_in_root(), 32 * MR_MIB);
    write_file("/sys/fs/cgroup/memory.max", "16777216\n");
    assert_int_equal(memory_in_root(), 16 * MR_MIB);
}

static void v2_without_a_limit_gives_the_ram(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "max\n");
    assert_int_equal(memory_in_root(), ram());
}

static void path_outside_the_container_falls_back_to_the_mount(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/../../elsewhere\n");
    write_file("/sys/fs/cgroup/memory.max", "16777216\n");
    assert_int_equal(memory_in_root(), 16 * MR_MIB);
}

static void v1_memory_controller_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "12:cpu,cpuacct:/x\n9:memory,hugetlb:/docker/abc\n1:name=systemd:/x\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(memory_in_root(), ram());
    write_file("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "50331648\n");
    assert_int_equal(memory_in_root(), 48 * MR_MIB);
}

static void damaged_files_are_passed_over(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "\n:\n::\nnonsense\n0::\n0::relative\n0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "");
    write_file("/sys/fs/cgroup/memory.max", "-5\n");
    assert_int_equal(memory_in_root(), ram());
}

/* On a machine of one core any quota of a core and more is none. */
static unsigned most_cores(void)
{
    struct mr_machine machine;
    mr_machine_read_in(&machine, "/nowhere");
    return machine.cores;
}

static void v2_quota_is_rounded_down_to_cores_but_not_to_none(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a/b\n");
    write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(machine_in_root().cores, most_cores());
    assert_int_equal(machine_in_root().milliquota, 0);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    assert_int_equal(machine_in_root().cores, 1);
    assert_int_equal(machine_in_root().milliquota, 500);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
    assert_int_equal(machine_in_root().cores, 1);
    assert_int_equal(machine_in_root().milliquota, most_cores() == 1 ? 0 : 1500);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "99900000 100000\n");
    assert_int_equal(machine_in_root().cores, MR_MIN(most_cores(), 999));
}

static void quota_of_an_ancestor_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/a/b\n");
    write_file("/sys/fs/cgroup/a/cpu.max", "25000 100000\n");
    write_file("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    assert_int_equal(machine_in_root().milliquota, 250);
}

static void v1_quota_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n9:memory:/docker/abc\n");
    write_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    write_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(machine_in_root().milliquota, 0);
    write_file("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "70000\n");
    write_file("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_int_equal(machine_in_root().milliquota, 700);
    assert_int_equal(machine_in_root().cores, 1);
}

static void throttling_is_that_of_the_group_with_the_smallest_quota(void **state)
{
    (void)state;
    char path[512], wanted[512];
    uint64_t ns;
    write_file("/proc/self/cgroup", "0::/a/b\n");
    write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_false(mr_machine_find_throttling_in(path, sizeof(path), root));
    write_file("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    write_file("/sys/fs/cgroup/a/cpu.max", "25000 100000\n");
    assert_true(mr_machine_find_throttling_in(path, sizeof(path), root));
    snprintf(wanted, sizeof(wanted), "%s/sys/fs/cgroup/a/cpu.stat", root);
    assert_string_equal(path, wanted);
    assert_false(mr_machine_find_throttling_in(path, strlen(wanted), root)); /* no room for the NUL */
    assert_false(mr_machine_read_throttling(wanted, &ns));
    write_file("/sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1500\n");
    assert_true(mr_machine_read_throttling(wanted, &ns));
    assert_int_equal(ns, 1500000);
}

static void v1_counts_throttling_in_nanoseconds(void **state)
{
    (void)state;
    char path[512];
    uint64_t ns;
    snprintf(path, sizeof(path), "%s/cpu.stat", root);
    write_file("/cpu.stat", "nr_periods 3\nnr_throttled 2\nthrottled_time 1500\n");
    assert_true(mr_machine_read_throttling(path, &ns));
    assert_int_equal(ns, 1500);
    write_file("/cpu.stat", "nr_throttled 2\nthrottled_time x\n");
    assert_false(mr_machine_read_throttling(path, &ns));
}

static void damaged_quotas_are_passed_over(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "100000\n", "0 100000\n", "100 0\n", "x y\n", "99999999999999999999 1\n"};
    write_file("/proc/self/cgroup", "0::/a\n");
    for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++) {
        write_file("/sys/fs/cgroup/a/cpu.max", texts[i]);
        assert_int_equal(machine_in_root().milliquota, 0);
    }
}

static void this_machine_has_memory_and_cores(void **state)
{
    (void)state;
    struct mr_machine machine;
    mr_machine_read(&machine);
    assert_in_range(machine.memory, MR_MIB, ram());
    assert_in_range(machine.cores, 1, sysconf(_SC_NPROCESSORS_CONF));
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_root(machine_without_cgroups_gives_its_ram),
        with_root(smallest_v2_limit_up_the_tree_counts),
        with_root(v2_without_a_limit_gives_the_ram),
        with_root(path_outside_the_container_falls_back_to_the_mount),
        with_root(v1_memory_controller_counts),
        with_root(damaged_files_are_passed_over),
        with_root(v2_quota_is_rounded_down_to_cores_but_not_to_none),
        with_root(quota_of_an_ancestor_counts),
        with_root(v1_quota_counts),
        with_root(throttling_is_that_of_the_group_with_the_smallest_quota),
        with_root(v1_counts_throttling_in_nanoseconds),
        with_root(damaged_quotas_are_passed_over),
        cmocka_unit_test(this_machine_has_memory_and_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
