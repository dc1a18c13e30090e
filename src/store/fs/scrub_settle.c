/* DESIGN. What belongs to something that is under way is never touched. Changes and deletes are kept out by the lock of
 * the ID, which they hold until all of theirs is on the disk. A commit takes no lock, but its ID.meta is in uploads/
 * before its first segment is at its place, and moves from there to its place by one rename. So a segment is a stray
 * only if there is nothing of its ID in uploads/, and no meta at its place *after* that was looked at: of a commit that
 * had begun one of the two would be seen. One that undoes itself removes its segments anyhow. */
#define _GNU_SOURCE 1 /* RENAME_NOREPLACE */
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "store/fs/layout.h"
#include "store/fs/scrub_walk.h"
#include "store/fs/verify.h"
#include "store/scrub.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define OLD_NS     ((int64_t)(3600 * MR_NS_PER_S))
#define STRAYS_MAX 16 /* segments of one ID at a time: the next walk finds others */

const char *mr_store_finding_name(enum mr_store_finding finding)
{
    static const char *const names[MR_STORE_FINDINGS] = {[MR_STORE_DAMAGED_META] = "meta",
                                                         [MR_STORE_DAMAGED_PAYLOAD] = "payload",
                                                         [MR_STORE_MISSING_SEGMENT] = "missing",
                                                         [MR_STORE_STRAY_SEGMENT] = "stray",
                                                         [MR_STORE_DAMAGED_DIRECTORY] = "directory"};
    return names[finding];
}

void mr_scrub_find(struct mr_scrub_walk *walk, enum mr_store_finding finding, const char *id, const char *what)
{
    struct mr_store_numbers *numbers = walk->store->numbers;
    struct mr_log_line line;
    bool is_stray = finding == MR_STORE_STRAY_SEGMENT;
    mr_store_count(&numbers->findings[finding], 1);
    if (!is_stray)
        mr_store_count(&numbers->damaged, 1);
    walk->findings++;
    if (walk->lines++ >= MR_SCRUB_LINES_MAX)
        return;
    mr_log_begin(&line, is_stray ? MR_LOG_WARN : MR_LOG_ERROR,
                 is_stray ? "store: the scrub found a stray file" : "store: the scrub found damage");
    mr_log_text(&line, "kind", mr_store_finding_name(finding));
    mr_log_text(&line, "id", id);
    mr_log_text(&line, "what", what);
    mr_log_end(&line);
    if (walk->lines == MR_SCRUB_LINES_MAX)
        mr_log(MR_LOG_WARN, "store: all further findings of this walk of the scrub are only counted");
}

/* ---- what is there ---- */

enum presence { ABSENT, PRESENT, UNKNOWN };

static enum presence presence_of(int directory, const char *name)
{
    struct mr_disk_failure failure;
    int fd;
    if (mr_disk_open(&fd, NULL, directory, name, O_RDONLY, 0, &failure) != MR_OK)
        return failure.error_number == ENOENT ? ABSENT : UNKNOWN;
    close(fd);
    return PRESENT;
}

static enum presence presence_of_meta(int directory, const char *id)
{
    char name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(name, id, MR_LAYOUT_META, 0);
    return presence_of(directory, name);
}

/* ---- damage ---- */

static void settle_damaged_meta(struct mr_scrub_walk *walk, const char *id)
{
    char name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(name, id, MR_LAYOUT_META, 0);
    int err = mr_metafile_read(&walk->file, walk->directory, name, id, &walk->fault);
    walk->has_file = err == MR_OK;
    if (err == MR_OK) /* the disk has read it this time */
        walk->size += walk->file.meta.object.size;
    else if (err == MR_EIO)
        mr_scrub_find(walk, MR_STORE_DAMAGED_META, id, walk->fault.detail);
    else if (err == MR_ENOTFOUND)
        walk->objects--;
}

/* The bytes of a payload never change, so that it is enough that the object is still there. */
static void settle_damaged_payload(struct mr_scrub_walk *walk, const char *id)
{
    if (presence_of_meta(walk->directory, id) != ABSENT)
        mr_scrub_find(walk, MR_STORE_DAMAGED_PAYLOAD, id, walk->fault.detail);
}

/* ---- objects without their segments ---- */

static int open_damaged(const struct mr_store_home *home, int *fd, struct mr_disk_failure *failure)
{
    int err = mr_disk_make_directory(home->data, "damaged", 0700, failure);
    if (err == MR_OK)
        err = mr_disk_sync_directory(home->data, failure);
    else if (failure->error_number == EEXIST)
        err = MR_OK;
    return err == MR_OK ? mr_disk_open(fd, NULL, home->data, "damaged", O_RDONLY | O_DIRECTORY, 0, failure) : err;
}

static int move_segments(const struct mr_scrub_walk *walk, int damaged, struct mr_disk_failure *failure)
{
    const struct mr_meta *meta = &walk->file.meta;
    int err = MR_OK;
    for (size_t i = 0; i < meta->segment_count && err == MR_OK; i++) {
        char name[MR_LAYOUT_NAME_SIZE];
        mr_layout_object(name, meta->object.id, MR_LAYOUT_SEGMENT, meta->segments[i].number);
        err = mr_disk_rename(walk->directory, name, damaged, name, RENAME_NOREPLACE, failure);
        if (err != MR_OK && failure->error_number == ENOENT)
            err = MR_OK;
    }
    return err;
}

static int move_meta(const struct mr_scrub_walk *walk, int damaged, struct mr_disk_failure *failure)
{
    const struct mr_store *store = walk->store;
    const struct mr_object *object = &walk->file.meta.object;
    struct mr_tally *tally = &store->home->shared->tally;
    char name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(name, object->id, MR_LAYOUT_META, 0);
    mr_tally_enter(tally, store->process);
    int err = mr_disk_rename(walk->directory, name, damaged, name, RENAME_NOREPLACE, failure);
    mr_tally_leave(tally, store->process, object->id, err == MR_OK ? -1 : 0, object->size);
    if (err == MR_OK)
        mr_home_outdate(store->home, object->id);
    return err;
}

/* The meta is the last: without it the segments would be strays. */
static int set_aside(const struct mr_scrub_walk *walk, struct mr_disk_failure *failure)
{
    const struct mr_store_home *home = walk->store->home;
    int damaged;
    int err = open_damaged(home, &damaged, failure);
    if (err != MR_OK)
        return err;
    err = move_segments(walk, damaged, failure);
    if (err == MR_OK && home->is_durable)
        err = mr_disk_sync_directory(damaged, failure);
    if (err == MR_OK)
        err = move_meta(walk, damaged, failure);
    if (err == MR_OK && home->is_durable)
        err = mr_disk_sync_directory(damaged, failure);
    if (err == MR_OK && home->is_durable)
        err = mr_disk_sync_directory(walk->directory, failure);
    close(damaged);
    return err;
}

static void settle_missing_segment(struct mr_scrub_walk *walk, const char *id)
{
    struct mr_disk_failure failure;
    struct mr_fault fault;
    char what[2 * sizeof(fault.detail)];
    int fd;
    if (presence_of_meta(walk->directory, id) != PRESENT)
        return; /* it was deleted; or the next walk will see */
    int err = mr_verify_open_segment(&fd, walk->directory, &walk->file.meta, walk->segment, &walk->fault);
    if (err == MR_OK)
        close(fd);
    if (err != MR_ENOTFOUND)
        return;
    if (set_aside(walk, &failure) == MR_OK)
        snprintf(what, sizeof(what), "%s The object was moved to damaged/.", walk->fault.detail);
    else if (mr_disk_fault(&fault, &failure, "The object cannot be moved to damaged/") != MR_OK)
        snprintf(what, sizeof(what), "%s %s", walk->fault.detail, fault.detail);
    mr_scrub_find(walk, MR_STORE_MISSING_SEGMENT, id, what);
}

/* ---- segments without an object ---- */

struct strays {
    const char *id;
    char names[STRAYS_MAX][MR_LAYOUT_NAME_SIZE];
    size_t count;
};

static bool take_stray(void *context, const struct mr_disk_entry *entry)
{
    struct strays *strays = context;
    struct mr_layout_name name;
    if (mr_layout_read_object(&name, entry->name) && name.kind == MR_LAYOUT_SEGMENT && strcmp(name.id, strays->id) == 0)
        snprintf(strays->names[strays->count++], MR_LAYOUT_NAME_SIZE, "%s", entry->name);
    return strays->count < STRAYS_MAX;
}

static bool note_upload(void *context, const struct mr_disk_entry *entry)
{
    const char **id = context;
    struct mr_layout_name name;
    if (mr_layout_read_upload(&name, entry->name) && strcmp(name.id, *id) == 0)
        *id = NULL;
    return *id != NULL;
}

static bool is_old(int directory, const char *name)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    int fd;
    if (mr_disk_open(&fd, &info, directory, name, O_RDONLY, 0, &failure) != MR_OK)
        return false;
    close(fd);
    return (int64_t)mr_clock_wall() - info.modified_ns > OLD_NS;
}

static bool are_old(const struct mr_scrub_walk *walk, const struct strays *strays)
{
    bool all = true;
    for (size_t i = 0; i < strays->count && all; i++)
        all = is_old(walk->directory, strays->names[i]);
    return all;
}

/* In this order: see above. */
static bool is_without_object(const struct mr_scrub_walk *walk, const char *id)
{
    struct mr_disk_failure failure;
    const struct mr_store_home *home = walk->store->home;
    const char *wanted = id;
    char path[sizeof("damaged/") + MR_LAYOUT_NAME_SIZE], name[MR_LAYOUT_NAME_SIZE];
    if (mr_disk_walk(home->uploads, note_upload, &wanted, &failure) != MR_OK || wanted == NULL)
        return false;
    mr_layout_object(name, id, MR_LAYOUT_META, 0);
    snprintf(path, sizeof(path), "damaged/%s", name);
    return presence_of(walk->directory, name) == ABSENT && presence_of(home->data, path) == ABSENT;
}

static void settle_stray_segment(struct mr_scrub_walk *walk, const char *id)
{
    struct mr_disk_failure failure;
    struct strays strays = {.id = id};
    if (presence_of_meta(walk->directory, id) != ABSENT ||
        mr_disk_walk(walk->directory, take_stray, &strays, &failure) != MR_OK || strays.count == 0 ||
        !are_old(walk, &strays) || !is_without_object(walk, id))
        return;
    /* That there is no meta must be on the disk before its segments are missing. */
    if (walk->store->home->is_durable && mr_disk_sync_directory(walk->directory, &failure) != MR_OK)
        return;
    for (size_t i = 0; i < strays.count; i++) {
        if (mr_disk_unlink(walk->directory, strays.names[i], 0, &failure) != MR_OK)
            continue;
        mr_store_count(&walk->store->numbers->debris_removed, 1);
        mr_scrub_find(walk, MR_STORE_STRAY_SEGMENT, id, "A segment without an object was removed.");
    }
}

/* ---- the lock ---- */

bool mr_scrub_settle(struct mr_scrub_walk *walk, const char *id)
{
    static void (*const settle[MR_STORE_FINDINGS])(struct mr_scrub_walk * walk, const char *id) = {
        [MR_STORE_DAMAGED_META] = settle_damaged_meta,
        [MR_STORE_DAMAGED_PAYLOAD] = settle_damaged_payload,
        [MR_STORE_MISSING_SEGMENT] = settle_missing_segment,
        [MR_STORE_STRAY_SEGMENT] = settle_stray_segment};
    struct mr_disk_failure failure;
    int err = mr_locks_take(walk->locks, id, false, &failure);
    if (err == MR_EBUSY)
        return false;
    if (err != MR_OK) /* nothing is known; the next walk will see */
        return true;
    settle[walk->suspicion](walk, id);
    mr_locks_release(walk->locks, id);
    return true;
}
