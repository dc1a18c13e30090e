#include "base/budget.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/slice.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void mr_budget_init(struct mr_budget *budget, uint64_t limit)
{
    budget->limit = limit;
    atomic_init(&budget->used, 0);
}

/* Relaxed throughout: the number is the whole message. The memory it stands for is handed on by other means. */
bool mr_budget_try_take(struct mr_budget *budget, uint64_t bytes)
{
    uint64_t bound = budget->limit == 0 ? UINT64_MAX : budget->limit;
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        MR_ASSERT(used <= bound);
        if (bytes > bound - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void mr_budget_give_back(struct mr_budget *budget, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
    MR_ASSERT(before >= bytes); /* never more than was taken */
}

uint64_t mr_budget_used(const struct mr_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

/* The number in a limit file; UINT64_MAX when there is no such file or it says "max". */
static uint64_t read_limit(const char *directory, const char *name)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
        return UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    char text[32] = "";
    bool got = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    if (!got || text[0] < '0' || text[0] > '9')
        return UINT64_MAX;
    return strtoull(text, NULL, 10); /* too large gives UINT64_MAX, which is right */
}

/* The smallest limit of the group `group` ("/a/b") of the hierarchy mounted at `mount` and of its ancestors. In a
 * container the path may be the host's and not exist here, or lead out of the container's own ("/.."): then the mount's
 * own limit counts. */
static uint64_t smallest_limit(const char *mount, struct mr_slice group, const char *name)
{
    if (group.len >= 3 && memcmp(group.at, "/..", 3) == 0)
        group.len = 0;
    uint64_t smallest = UINT64_MAX;
    for (;;) {
        char directory[PATH_MAX];
        if ((size_t)snprintf(directory, sizeof(directory), "%s%.*s", mount, MR_SLICE_ARG(group)) < sizeof(directory)) {
            uint64_t limit = read_limit(directory, name);
            smallest = MR_MIN(smallest, limit);
        }
        if (group.len == 0)
            return smallest;
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
 * memory controller (cgroups(7)). */
static uint64_t limit_of_line(const char *root, struct mr_slice line)
{
    struct mr_slice id = mr_slice_cut(&line, ':');
    struct mr_slice controllers = mr_slice_cut(&line, ':');
    struct mr_slice group = line;
    if (group.at == NULL || group.len == 0 || group.at[0] != '/')
        return UINT64_MAX;
    char mount[PATH_MAX];
    bool is_v2 = mr_slice_is(id, "0") && controllers.len == 0;
    if (!is_v2 && !has_word(controllers, "memory"))
        return UINT64_MAX;
    if ((size_t)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s", root, is_v2 ? "" : "/memory") >= sizeof(mount))
        return UINT64_MAX;
    return smallest_limit(mount, group, is_v2 ? "memory.max" : "memory.limit_in_bytes");
}

static uint64_t cgroup_limit(const char *root)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= sizeof(path))
        return UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    uint64_t smallest = UINT64_MAX;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    while ((len = getline(&line, &capacity, file)) > 0) {
        struct mr_slice text = {.at = line, .len = (size_t)len - (line[len - 1] == '\n')};
        uint64_t limit = limit_of_line(root, text);
        smallest = MR_MIN(smallest, limit);
    }
    free(line);
    fclose(file);
    return smallest;
}

uint64_t mr_budget_machine_memory_in(const char *root)
{
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = cgroup_limit(root);
    return MR_MIN(ram, limit);
}

uint64_t mr_budget_machine_memory(void)
{
    return mr_budget_machine_memory_in("");
}
