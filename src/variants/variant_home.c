#include "variants/variant_home.h"
#include "base/log.h"
#include "base/macros.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- what an earlier server left ---- */

struct file_numbers {
    uint32_t *at;
    size_t count, capacity;
};

static bool note_number(void *context, const struct mr_disk_entry *entry)
{
    struct file_numbers *numbers = context;
    uint32_t number;
    if (!mr_variant_file_number(entry->name, &number))
        return true; /* it is none of ours */
    if (numbers->count == numbers->capacity) {
        size_t capacity = MR_MAX(2 * numbers->capacity, (size_t)64);
        uint32_t *at = realloc(numbers->at, capacity * sizeof(*at));
        if (at == NULL)
            return false;
        numbers->at = at;
        numbers->capacity = capacity;
    }
    numbers->at[numbers->count++] = number;
    return true;
}

static int compare_numbers(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? 1 : a > b ? -1 : 0; /* the newest first: those that find no room are the oldest */
}

static void put_found(void *context, const struct mr_variant_key *key, const struct mr_variant_place *place)
{
    mr_variant_index_put(context, key, place);
}

static void ignore_found(void *context, const struct mr_variant_key *key, const struct mr_variant_place *place)
{
    (void)context, (void)key, (void)place;
}

/* Read it twice: its size must be known before there is room for it. False: it is to be removed. */
static bool take_file(const struct mr_variant_home *home, const char *name, uint32_t number)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    uint64_t size;
    int fd;
    if (home->index == NULL || mr_disk_open(&fd, &info, home->directory, name, O_RDONLY, 0, &failure) != MR_OK)
        return false;
    bool is_taken = mr_variant_file_read(fd, number, &size, ignore_found, NULL, &failure) == MR_OK &&
                    mr_variant_index_add_file(home->index, number, info.size) &&
                    mr_variant_file_read(fd, number, &size, put_found, home->index, &failure) == MR_OK;
    if (!is_taken)
        mr_variant_index_close_file(home->index, number, 0);
    close(fd);
    return is_taken;
}

static void take_files(const struct mr_variant_home *home)
{
    struct file_numbers numbers = {.at = NULL};
    struct mr_disk_failure failure;
    mr_disk_walk(home->directory, note_number, &numbers, &failure);
    if (numbers.count > 0)
        qsort(numbers.at, numbers.count, sizeof(*numbers.at), compare_numbers);
    for (size_t i = 0; i < numbers.count; i++) {
        char name[MR_VARIANT_FILE_NAME_SIZE];
        mr_variant_file_name(name, numbers.at[i]);
        if (!take_file(home, name, numbers.at[i]))
            mr_disk_unlink(home->directory, name, 0, &failure);
    }
    free(numbers.at);
}

/* ---- life ---- */

static bool map_index(struct mr_variant_home *home, const struct mr_variant_home_config *config)
{
    const struct mr_variant_index_config shape = {.size_max = config->size_max, .processes = config->processes};
    size_t size = mr_variant_index_size(&shape);
    // cppcheck-suppress invalidFunctionArg ; an anonymous mapping has no descriptor
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return false;
    home->index = shared;
    home->mapped = size;
    mr_variant_index_init(home->index, &shape);
    return true;
}

void mr_variant_home_open(struct mr_variant_home **out, const struct mr_variant_home_config *config)
{
    struct mr_fault fault = {.detail = "there is no memory"};
    struct mr_variant_home *home = *out = calloc(1, sizeof(*home));
    if (home == NULL)
        return;
    home->processes = config->processes;
    home->directory = -1;
    bool is_open = mr_store_home_directory(&home->directory, config->store, "variants", &fault) == MR_OK &&
                   (config->size_max == 0 || map_index(home, config));
    if (is_open)
        take_files(home);
    else
        mr_log(MR_LOG_WARN, "images are not kept on the disk: %s", fault.detail);
    if (home->index == NULL)
        mr_variant_home_close(out);
}

void mr_variant_home_close(struct mr_variant_home **out)
{
    struct mr_variant_home *home = *out;
    *out = NULL;
    if (home == NULL)
        return;
    if (home->directory >= 0)
        close(home->directory);
    if (home->index != NULL)
        munmap(home->index, home->mapped);
    free(home);
}
