/* DESIGN. The names are collected first, some at a time, as a directory that is changed while it is read may show names
 * twice or not at all. As everything that is collected is then gone, the next reading finds others. */
#include "store/fs/recover.h"
#include "base/log.h"
#include "base/macros.h"
#include "store/fs/directories.h"
#include "store/fs/layout.h"
#include "store/fs/locks.h"
#include "store/fs/metafile.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMES_AT_A_TIME 512
#define ALL_PROCESSES   (-1)

struct recovery {
    struct mr_store_home *home;
    int locks;   /* -1: no other process lives */
    int process; /* whose files; or ALL_PROCESSES */
    struct mr_layout_name names[NAMES_AT_A_TIME];
    size_t count;
    uint64_t removed, strangers;
};

static int remove_name(int directory, const char *name, struct mr_disk_failure *failure)
{
    int err = mr_disk_unlink(directory, name, 0, failure);
    return err != MR_OK && failure->error_number == ENOENT ? MR_OK : err;
}

int mr_remove_segments(int directory, const struct mr_meta *meta, struct mr_disk_failure *failure)
{
    int err = MR_OK;
    for (size_t i = 0; i < meta->segment_count && err == MR_OK; i++) {
        char name[MR_LAYOUT_NAME_SIZE];
        mr_layout_object(name, meta->object.id, MR_LAYOUT_SEGMENT, meta->segments[i].number);
        err = remove_name(directory, name, failure);
    }
    return err;
}

/* Nothing says which segments it has, but that they are counted from 1. */
static int remove_any_segments(int directory, const char *id, struct mr_disk_failure *failure)
{
    char name[MR_LAYOUT_NAME_SIZE];
    int err;
    unsigned segment = 1;
    do
        mr_layout_object(name, id, MR_LAYOUT_SEGMENT, segment++);
    while ((err = mr_disk_unlink(directory, name, 0, failure)) == MR_OK);
    return failure->error_number == ENOENT ? MR_OK : err;
}

/* meta: NULL when it cannot be read. The directory of an object may not be there yet. */
static int remove_beside(struct recovery *recovery, const struct mr_layout_name *name, const struct mr_meta *meta,
                         struct mr_disk_failure *failure)
{
    char object[MR_LAYOUT_NAME_SIZE];
    int directory, fd;
    int err = mr_directory_open(&directory, recovery->home, name->id, failure);
    if (err != MR_OK)
        return failure->error_number == ENOENT ? MR_OK : err;
    mr_layout_object(object, name->id, MR_LAYOUT_META, 0);
    err = mr_disk_open(&fd, NULL, directory, object, O_RDONLY, 0, failure);
    if (err == MR_OK) {
        close(fd); /* the object is there: a change, or a delete that never came to the disk */
    } else if (failure->error_number == ENOENT) {
        /* That it is not there must be on the disk before its segments are missing. */
        err = mr_disk_sync_directory(directory, failure);
        if (err == MR_OK)
            err = meta != NULL ? mr_remove_segments(directory, meta, failure)
                               : remove_any_segments(directory, name->id, failure);
        if (err == MR_OK)
            err = mr_disk_sync_directory(directory, failure);
    }
    close(directory);
    return err;
}

/* What is on its way, or gone: read which segments it has. One on its way that is not whole was never acknowledged, and
 * has none at their place. */
static int settle_meta(struct recovery *recovery, const struct mr_layout_name *name, const char *file,
                       struct mr_disk_failure *failure)
{
    struct mr_metafile meta;
    struct mr_fault fault;
    int err = mr_metafile_read(&meta, recovery->home->uploads, file, name->id, &fault);
    if (err == MR_EMEMORY || err == MR_EFILES) {
        *failure = (struct mr_disk_failure){.operation = MR_DISK_READ, .error_number = ENOMEM};
        return err;
    }
    if (err != MR_OK)
        return name->kind == MR_LAYOUT_GONE ? remove_beside(recovery, name, NULL, failure) : MR_OK;
    err = remove_beside(recovery, name, &meta.meta, failure);
    mr_metafile_free(&meta);
    return err;
}

static int settle_name(struct recovery *recovery, const struct mr_layout_name *name, struct mr_disk_failure *failure)
{
    char file[MR_LAYOUT_NAME_SIZE];
    int err = MR_OK;
    mr_layout_upload(file, name);
    if (name->kind != MR_LAYOUT_SEGMENT)
        err = settle_meta(recovery, name, file, failure);
    if (err == MR_OK)
        err = remove_name(recovery->home->uploads, file, failure);
    return err;
}

static int settle_locked(struct recovery *recovery, const struct mr_layout_name *name, struct mr_disk_failure *failure)
{
    if (recovery->locks < 0)
        return settle_name(recovery, name, failure);
    int err = mr_locks_take(recovery->locks, name->id, true, failure);
    if (err != MR_OK)
        return err;
    err = settle_name(recovery, name, failure);
    mr_locks_release(recovery->locks, name->id);
    return err;
}

static bool collect(void *context, const struct mr_disk_entry *entry)
{
    struct recovery *recovery = context;
    struct mr_layout_name *name = &recovery->names[recovery->count];
    if (!mr_layout_read_upload(name, entry->name) || entry->kind == MR_DISK_DIRECTORY) {
        recovery->strangers++;
        return true;
    }
    if (recovery->process == ALL_PROCESSES || name->process == (unsigned)recovery->process)
        recovery->count++;
    return recovery->count < NAMES_AT_A_TIME;
}

static int settle_all(struct recovery *recovery, struct mr_disk_failure *failure)
{
    do {
        recovery->count = 0;
        recovery->strangers = 0;
        int err = mr_disk_walk(recovery->home->uploads, collect, recovery, failure);
        for (size_t i = 0; i < recovery->count && err == MR_OK; i++) {
            err = settle_locked(recovery, &recovery->names[i], failure);
            recovery->removed += err == MR_OK;
        }
        if (err != MR_OK)
            return err;
    } while (recovery->count > 0);
    return MR_OK;
}

static void report(const struct recovery *recovery)
{
    if (recovery->removed > 0)
        mr_log(MR_LOG_INFO, "store: %llu files of uploads and deletes that were interrupted were removed",
               (unsigned long long)recovery->removed);
    if (recovery->strangers > 0)
        mr_log(MR_LOG_WARN, "store: %s/uploads has %llu names that are none of the server's",
               recovery->home->settings->data, (unsigned long long)recovery->strangers);
}

static int recover_uploads(struct mr_store_home *home, int locks, int process, uint64_t *removed,
                           struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct recovery *recovery = malloc(sizeof(*recovery));
    if (recovery == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    recovery->home = home;
    recovery->locks = locks;
    recovery->process = process;
    recovery->removed = recovery->strangers = 0;
    int err = settle_all(recovery, &failure);
    if (err != MR_OK)
        mr_disk_fault(fault, &failure, home->settings->data);
    report(recovery);
    *removed = recovery->removed;
    free(recovery);
    return err;
}

int mr_recover_all(struct mr_store_home *home, struct mr_fault *fault)
{
    uint64_t removed = 0;
    int err = recover_uploads(home, -1, ALL_PROCESSES, &removed, fault);
    atomic_fetch_add_explicit(&home->shared->debris_removed, removed, memory_order_relaxed);
    return err;
}

int mr_recover_process(struct mr_store_home *home, int locks, unsigned process, uint64_t *removed,
                       struct mr_fault *fault)
{
    return recover_uploads(home, locks, (int)process, removed, fault);
}
