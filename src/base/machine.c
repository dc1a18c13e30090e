#define _GNU_SOURCE 1 /* sched_getaffinity */
#include "base/machine.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/number.h"
#include "base/slice.h"
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_LIMIT UINT64_MAX

/* The first line of a file of a group; false when there is none. */
static bool read_line(const char *directory, const char *name, char *line, int size)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool got = fgets(line, size, file) != NULL;
    fclose(file);
    return got;
}

/* Cut the number from *text. NO_LIMIT when there is none ("max", "-1") or a larger one than any limit. */
static uint64_t cut_number(struct mr_slice *text)
{
    uint64_t number;
    return mr_number_next(text, NO_LIMIT, &number) ? number : NO_LIMIT;
}

static uint64_t read_number(const char *directory, const char *name)
{
    char line[64];
    if (!read_line(directory, name, line, sizeof(line)))
        return NO_LIMIT;
    struct mr_slice text = mr_slice_of(line);
    return cut_number(&text);
}

static uint64_t thousandths(uint64_t quota, uint64_t period)
{
    if (quota == NO_LIMIT || period == NO_LIMIT || quota == 0 || period == 0 || quota > UINT64_MAX / 1000)
        return NO_LIMIT;
    return MR_MAX(quota * 1000 / period, (uint64_t)1);
}

/* ---- one group ---- */

/* What may be asked of a group, by the controller's name in version 1. */
struct controller {
    const char *name;
    uint64_t (*read_v1)(const char *directory), (*read_v2)(const char *directory);
};

static uint64_t memory_v1(const char *directory)
{
    return read_number(directory, "memory.limit_in_bytes");
}

static uint64_t memory_v2(const char *directory)
{
    return read_number(directory, "memory.max");
}

static uint64_t cpu_v1(const char *directory)
{
    return thousandths(read_number(directory, "cpu.cfs_quota_us"), read_number(directory, "cpu.cfs_period_us"));
}

/* "150000 100000": quota and period */
static uint64_t cpu_v2(const char *directory)
{
    char line[64];
    if (!read_line(directory, "cpu.max", line, sizeof(line)))
        return NO_LIMIT;
    struct mr_slice text = mr_slice_of(line);
    uint64_t quota = cut_number(&text), period = cut_number(&text);
    return thousandths(quota, period);
}

static const struct controller memory = {"memory", memory_v1, memory_v2};
static const struct controller cpu = {"cpu", cpu_v1, cpu_v2};

/* ---- all groups of this process ---- */

/* The smallest limit that was found, and the directory of the group that has it. */
struct smallest {
    uint64_t limit;
    char directory[PATH_MAX]; /* "" while there is no limit */
};

/* Look at the group `group` ("/a/b") of the hierarchy mounted at `mount` and at its ancestors. */
static void look_at_groups(struct smallest *found, const char *mount, struct mr_slice group,
                           uint64_t (*read)(const char *directory))
{
    if (group.len >= 3 && memcmp(group.at, "/..", 3) == 0)
        group.len = 0;
    for (;;) {
        char directory[PATH_MAX];
        if ((size_t)snprintf(directory, sizeof(directory), "%s%.*s", mount, MR_SLICE_ARG(group)) < sizeof(directory)) {
            uint64_t limit = read(directory);
            if (limit < found->limit) {
                found->limit = limit;
                memcpy(found->directory, directory, sizeof(directory));
            }
        }
        if (group.len == 0)
            return;
        do
            group.len--;
        while (group.len > 0 && group.at[group.len] != '/');
    }
}

/* Is `word` one of the comma-separated `words`? */
static bool has_word(struct mr_slice words, const char *word)
{
    while (words.at != NULL) {
        if (mr_slice_is(mr_slice_cut(&words, ','), word))
            return true;
    }
    return false;
}

/* One line of /proc/self/cgroup, "ID:CONTROLLERS:PATH": "0::/a" is the v2 hierarchy, "9:memory:/a" the v1 one of the
 * memory controller. */
static void look_at_line(struct smallest *found, const char *root, struct mr_slice line,
                         const struct controller *controller)
{
    struct mr_slice id = mr_slice_cut(&line, ':');
    struct mr_slice controllers = mr_slice_cut(&line, ':');
    struct mr_slice group = line;
    if (group.at == NULL || group.len == 0 || group.at[0] != '/')
        return;
    char mount[PATH_MAX];
    bool is_v2 = mr_slice_is(id, "0") && controllers.len == 0;
    if (!is_v2 && !has_word(controllers, controller->name))
        return;
    if ((size_t)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s%s", root, is_v2 ? "" : "/",
                         is_v2 ? "" : controller->name) < sizeof(mount))
        look_at_groups(found, mount, group, is_v2 ? controller->read_v2 : controller->read_v1);
}

/* Returns the limit; NO_LIMIT: there is none. */
static uint64_t find_smallest(struct smallest *found, const char *root, const struct controller *controller)
{
    char path[PATH_MAX];
    *found = (struct smallest){.limit = NO_LIMIT};
    if ((size_t)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= sizeof(path))
        return NO_LIMIT;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NO_LIMIT;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    while ((len = getline(&line, &capacity, file)) > 0)
        look_at_line(found, root, (struct mr_slice){.at = line, .len = (size_t)len - (line[len - 1] == '\n')},
                     controller);
    free(line);
    fclose(file);
    return found->limit;
}

static unsigned allowed_cores(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return 1;
    return (unsigned)MR_MAX(1, CPU_COUNT(&allowed));
}

void mr_machine_read_in(struct mr_machine *out, const char *root)
{
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    struct smallest found;
    uint64_t limit = find_smallest(&found, root, &memory), quota = find_smallest(&found, root, &cpu);
    out->memory = MR_MIN(ram, limit);
    out->cores = allowed_cores();
    out->milliquota = quota >= (uint64_t)out->cores * 1000 ? 0 : (unsigned)quota;
    if (out->milliquota != 0) /* a thread more than the quota has cores, and all threads are stopped for a while */
        out->cores = MR_MAX(out->milliquota / 1000, 1);
}

void mr_machine_read(struct mr_machine *out)
{
    mr_machine_read_in(out, "");
}

/* ---- how often the quota stopped it ---- */

bool mr_machine_find_throttling_in(char *out, size_t size, const char *root)
{
    struct smallest found;
    return find_smallest(&found, root, &cpu) != NO_LIMIT &&
           (size_t)snprintf(out, size, "%s/cpu.stat", found.directory) < size;
}

bool mr_machine_find_throttling(char *out, size_t size)
{
    return mr_machine_find_throttling_in(out, size, "");
}

/* "throttled_usec 1000" of version 2, "throttled_time 1000000" of version 1. */
bool mr_machine_read_throttling(const char *path, uint64_t *ns)
{
    static const char v2[] = "throttled_usec ", v1[] = "throttled_time ";
    char line[128];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        bool is_v2 = strncmp(line, v2, sizeof(v2) - 1) == 0;
        struct mr_slice text = mr_slice_of(line + sizeof(v2) - 1);
        found =
            (is_v2 || strncmp(line, v1, sizeof(v1) - 1) == 0) && mr_number_next(&text, UINT64_MAX / MR_NS_PER_US, ns);
        if (found && is_v2)
            *ns *= MR_NS_PER_US;
    }
    if (file != NULL)
        fclose(file);
    return found;
}
