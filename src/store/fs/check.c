/* DESIGN. The directories of objects/ have two levels and files below; one walk is inside the other, so three
 * directories are open at a time. Whatever can be said of a name is said, and the walk goes on; it stops when this
 * process wants for memory or descriptors, as it would then say of sound objects that they are not. */
#include "store/check.h"
#include "store/fs/home.h"
#include "store/fs/layout.h"
#include "store/fs/metafile.h"
#include "store/fs/names.h"
#include "store/fs/verify.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_SIZE = 24, /* objects/01M8/K7 and a NUL, with room to spare */
    NAME_SIZE = 256,
};

/* One directory on the way down. */
struct floor {
    struct mr_store_check *check;
    int directory;
    char path[PATH_SIZE];
    char begin[9]; /* of the IDs in it */
    int err;       /* what ended the walk */
    struct mr_fault fault;
};

/* ---- findings ---- */

static void find_name(const struct floor *floor, const char *name, const char *what)
{
    char path[PATH_SIZE + NAME_SIZE];
    snprintf(path, sizeof(path), "%s/%s", floor->path, name);
    floor->check->report(floor->check->context, path, what);
}

static void find_stray(const struct floor *floor, const char *name, const char *what)
{
    floor->check->strays++;
    find_name(floor, name, what);
}

/* What was said of something: true: it is a finding, and the walk goes on. */
static bool find_damage(struct floor *floor, const char *name, int err, const struct mr_fault *fault)
{
    if (err == MR_EMEMORY || err == MR_EFILES) {
        floor->err = err;
        floor->fault = *fault;
        return false;
    }
    floor->check->damaged++;
    find_name(floor, name, fault->detail[0] != '\0' ? fault->detail : mr_error_text(fault->error));
    return true;
}

/* ---- files of objects ---- */

static bool check_object(struct floor *floor, const struct mr_layout_name *name, const char *file)
{
    struct mr_verify_result result;
    struct mr_fault fault;
    int err = mr_verify_object(&result, floor->directory, name->id, &fault);
    floor->check->objects++;
    floor->check->bytes += result.size;
    floor->check->segments += result.segments;
    return err == MR_OK || find_damage(floor, file, err, &fault);
}

static bool has_segment(const struct mr_meta *meta, unsigned number)
{
    for (size_t i = 0; i < meta->segment_count; i++) {
        if (meta->segments[i].number == number)
            return true;
    }
    return false;
}

/* Is it one of its object's? The object itself is checked at its meta. */
static bool check_segment(struct floor *floor, const struct mr_layout_name *name, const char *file)
{
    struct mr_metafile meta;
    struct mr_fault fault;
    char meta_name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(meta_name, name->id, MR_LAYOUT_META, 0);
    int err = mr_metafile_read(&meta, floor->directory, meta_name, name->id, &fault);
    if (err == MR_EMEMORY || err == MR_EFILES)
        return find_damage(floor, file, err, &fault);
    if (err == MR_ENOTFOUND)
        find_stray(floor, file, "There is no object that this segment belongs to.");
    if (err != MR_OK)
        return true;
    if (!has_segment(&meta.meta, name->segment))
        find_stray(floor, file, "The object has no segment of that number.");
    mr_metafile_free(&meta);
    return true;
}

static bool check_stray_or_object(void *context, const struct mr_disk_entry *entry)
{
    struct floor *floor = context;
    struct mr_layout_name name;
    if (!mr_layout_read_object(&name, entry->name))
        find_stray(floor, entry->name, "This is no name of the store's.");
    else if (strncmp(name.id, floor->begin, strlen(floor->begin)) != 0)
        find_stray(floor, entry->name, "The ID belongs in another directory.");
    else
        return name.kind == MR_LAYOUT_META ? check_object(floor, &name, entry->name)
                                           : check_segment(floor, &name, entry->name);
    return true;
}

/* ---- directories ---- */

typedef bool take_entry(void *context, const struct mr_disk_entry *entry);

/* Open the directory `name` on the floor above, and walk it. False: the walk is over. */
static bool walk_down(struct floor *above, const char *name, take_entry *take)
{
    struct mr_disk_failure failure;
    struct mr_fault fault;
    struct floor floor = {.check = above->check};
    snprintf(floor.begin, sizeof(floor.begin), "%.4s%.4s", above->begin, name); /* 4 characters, then 2 */
    snprintf(floor.path, sizeof(floor.path), "%.12s/%.4s", above->path, name);
    int err = mr_disk_open(&floor.directory, NULL, above->directory, name, O_RDONLY | O_DIRECTORY, 0, &failure);
    if (err == MR_OK) {
        err = mr_disk_walk(floor.directory, take, &floor, &failure);
        close(floor.directory);
    }
    if (err != MR_OK) {
        mr_disk_fault(&fault, &failure, "The directory cannot be read");
        return find_damage(above, name, err, &fault);
    }
    above->err = floor.err;
    above->fault = floor.fault;
    return floor.err == MR_OK;
}

static bool take_inner(void *context, const struct mr_disk_entry *entry)
{
    if (mr_names_is_part(entry, 2))
        return walk_down(context, entry->name, check_stray_or_object);
    find_stray(context, entry->name, "This is no directory of the store's.");
    return true;
}

static bool take_outer(void *context, const struct mr_disk_entry *entry)
{
    if (mr_names_is_part(entry, 4))
        return walk_down(context, entry->name, take_inner);
    find_stray(context, entry->name, "This is no directory of the store's.");
    return true;
}

static bool take_upload(void *context, const struct mr_disk_entry *entry)
{
    struct floor *floor = context;
    struct mr_layout_name name;
    if (mr_layout_read_upload(&name, entry->name))
        floor->check->interrupted++;
    else
        find_stray(floor, entry->name, "This is no name of the store's.");
    return true;
}

static const struct mr_fault set_aside = {.error = MR_EIO,
                                          .detail = "The server has set it aside: a segment was missing."};

/* The meta stands for all of it. */
static bool take_set_aside(void *context, const struct mr_disk_entry *entry)
{
    struct floor *floor = context;
    struct mr_layout_name name;
    if (!mr_layout_read_object(&name, entry->name))
        find_stray(floor, entry->name, "This is no name of the store's.");
    else if (name.kind == MR_LAYOUT_META)
        find_damage(floor, entry->name, MR_EIO, &set_aside);
    return true;
}

static int walk_root(struct mr_store_check *check, int directory, const char *name, take_entry *take,
                     struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct floor floor = {.check = check, .directory = directory};
    snprintf(floor.path, sizeof(floor.path), "%s", name);
    if (mr_disk_walk(directory, take, &floor, &failure) != MR_OK)
        return mr_disk_fault(fault, &failure, check->data);
    if (floor.err != MR_OK && fault != NULL)
        *fault = floor.fault;
    return floor.err;
}

/* What the scrub has set aside, if it ever did. */
static int check_set_aside(struct mr_store_check *check, const struct mr_store_home *home, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    int directory;
    int err = mr_disk_open(&directory, NULL, home->data, "damaged", O_RDONLY | O_DIRECTORY, 0, &failure);
    if (err != MR_OK)
        return failure.error_number == ENOENT ? MR_OK : mr_disk_fault(fault, &failure, check->data);
    err = walk_root(check, directory, "damaged", take_set_aside, fault);
    close(directory);
    return err;
}

int mr_store_check(struct mr_store_check *check, struct mr_fault *fault)
{
    struct mr_store_settings settings = {.data = (char *)(uintptr_t)check->data};
    struct mr_store_home *home;
    int err = mr_home_open_offline(&home, &settings, fault);
    if (err != MR_OK)
        return err;
    err = walk_root(check, home->objects, "objects", take_outer, fault);
    if (err == MR_OK)
        err = walk_root(check, home->uploads, "uploads", take_upload, fault);
    if (err == MR_OK)
        err = check_set_aside(check, home, fault);
    mr_store_home_close(&home);
    return err;
}
