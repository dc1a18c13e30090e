#include "store/fs/names.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Below 0: a comes before b. */
static int compare_names(const struct mr_names *names, const char *a, const char *b)
{
    int order = strcmp(a, b);
    return names->descends ? -order : order;
}

/* How many of those that are kept come before it. */
static size_t place_of_name(const struct mr_names *names, const char *name)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_names(names, names->at[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void keep_name(struct mr_names *names, const char *name)
{
    size_t at = place_of_name(names, name);
    if (at < names->count && strcmp(names->at[at], name) == 0)
        return; /* a directory that changes may show a name twice */
    names->is_cut |= names->count == names->max;
    if (at == names->max)
        return;
    size_t behind = names->count - at - (names->count == names->max);
    memmove(names->at[at + 1], names->at[at], behind * MR_NAMES_SIZE);
    memcpy(names->at[at], name, MR_NAMES_SIZE);
    names->count += names->count < names->max;
}

static bool take_entry(void *context, const struct mr_disk_entry *entry)
{
    struct mr_names *names = context;
    char name[MR_NAMES_SIZE] = {0};
    if (names->accept(name, entry, names->context) &&
        (names->after[0] == '\0' || compare_names(names, names->after, name) < 0))
        keep_name(names, name);
    return true;
}

int mr_names_read(struct mr_names *names, int directory, struct mr_disk_failure *failure)
{
    names->count = 0;
    names->is_cut = false;
    names->at = calloc(names->max, MR_NAMES_SIZE);
    if (names->at == NULL) {
        *failure = (struct mr_disk_failure){.operation = MR_DISK_LIST, .error_number = ENOMEM};
        return MR_EMEMORY;
    }
    return mr_disk_walk(directory, take_entry, names, failure);
}

void mr_names_free(struct mr_names *names)
{
    free(names->at);
    names->at = NULL;
    names->count = 0;
}

bool mr_names_is_part(const struct mr_disk_entry *entry, size_t len)
{
    bool may_be_directory = entry->kind == MR_DISK_DIRECTORY || entry->kind == MR_DISK_UNKNOWN;
    return may_be_directory && strlen(entry->name) == len &&
           strspn(entry->name, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == len;
}

bool mr_names_accept_part(char out[MR_NAMES_SIZE], const struct mr_disk_entry *entry, const void *context)
{
    size_t len = *(const size_t *)context;
    if (!mr_names_is_part(entry, len))
        return false;
    memcpy(out, entry->name, len);
    return true;
}
