#include "base/macros.h"
#include "store/fs/layout.h"
#include "store/fs/reader.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREADABLE  "The object cannot be read"
#define LABEL       "store-open" /* in the log */
#define CHEAP_CLOSE MR_MIB
#define PATH_SIZE   (MR_ULID_DIRECTORY_LEN + 1 + MR_LAYOUT_NAME_SIZE)

/* Beneath objects/. */
static void object_path(char out[PATH_SIZE], const char *id, enum mr_layout_kind kind, unsigned segment)
{
    char directory[MR_ULID_DIRECTORY_LEN + 1], name[MR_LAYOUT_NAME_SIZE];
    mr_ulid_directory(directory, id);
    mr_layout_object(name, id, kind, segment);
    snprintf(out, PATH_SIZE, "%s/%s", directory, name);
}

static struct mr_entry *create_entry(const struct mr_store *store, const char *id)
{
    struct mr_entry *entry = calloc(1, sizeof(*entry));
    MR_ASSERT(entry != NULL); /* some hundred bytes: this is a machine without memory */
    entry->references = 1;
    entry->generation = mr_home_generation(store->home, id);
    entry->fd = -1;
    return entry;
}

/* ---- closing ---- */

struct closing {
    struct mr_file_request request;
    struct mr_store *store;
    struct mr_loop *loop;
    int fd;
};

static int work_close_file(struct mr_file_request *request)
{
    return mr_disk_close(&mr_container_of(request, struct closing, request)->fd, &request->failure);
}

static void on_file_closed(struct mr_file_request *request)
{
    struct closing *closing = mr_container_of(request, struct closing, request);
    mr_store_end(closing->store, closing->loop);
    free(closing);
}

void mr_store_close_file(struct mr_store *store, struct mr_loop *loop, int *fd, uint64_t size)
{
    struct mr_disk_failure failure; /* it was only read */
    struct closing *closing = *fd >= 0 && size > CHEAP_CLOSE ? malloc(sizeof(*closing)) : NULL;
    if (closing == NULL) {
        if (*fd >= 0)
            mr_disk_close(fd, &failure);
        return;
    }
    *closing = (struct closing){.store = store, .loop = loop, .fd = *fd};
    *fd = -1;
    mr_store_begin(store, loop);
    mr_file_init(&closing->request, loop, "store-close", on_file_closed);
    mr_file_run(&closing->request, work_close_file);
}

void mr_entry_release(struct mr_entry *entry, struct mr_store *store, struct mr_loop *loop)
{
    if (--entry->references > 0)
        return;
    mr_store_close_file(store, loop, &entry->fd, entry->file.meta.object.size);
    mr_metafile_free(&entry->file);
    free(entry);
}

/* ---- segments ---- */

static int check_length(struct mr_store *store, const struct mr_meta_segment *segment, int *fd,
                        const struct mr_disk_info *info, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    if (info->size == segment->stored)
        return MR_OK;
    mr_disk_close(fd, &failure);
    mr_store_count(&store->numbers->damaged, 1);
    mr_fault_set(fault, MR_EIO, UNREADABLE ": segment %u has %llu bytes in place of %llu.", (unsigned)segment->number,
                 (unsigned long long)info->size, (unsigned long long)segment->stored);
    return mr_store_report(store, fault, LABEL);
}

static int fail_open(struct mr_store *store, const struct mr_disk_failure *failure, struct mr_fault *fault)
{
    if (failure->error_number == ENOENT)
        return mr_fault_set(fault, MR_ENOTFOUND, NULL);
    mr_disk_fault(fault, failure, UNREADABLE);
    return mr_store_report(store, fault, LABEL);
}

int mr_entry_open_segment(int *fd, struct mr_store *store, const struct mr_meta *meta, size_t index,
                          struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    char path[PATH_SIZE];
    object_path(path, meta->object.id, MR_LAYOUT_SEGMENT, meta->segments[index].number);
    if (mr_disk_open(fd, &info, store->home->objects, path, O_RDONLY, 0, &failure) != MR_OK)
        return fail_open(store, &failure, fault);
    return check_length(store, &meta->segments[index], fd, &info, fault);
}

static enum mr_disk_try try_open_first(struct mr_entry *entry, struct mr_store *store, struct mr_fault *fault)
{
    const struct mr_meta *meta = &entry->file.meta;
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    char path[PATH_SIZE];
    if (meta->segment_count == 0)
        return MR_DISK_DONE;
    object_path(path, meta->object.id, MR_LAYOUT_SEGMENT, meta->segments[0].number);
    enum mr_disk_try tried = mr_disk_try_open(&entry->fd, &info, store->home->objects, path, O_RDONLY, &failure);
    if (tried == MR_DISK_FAILED && failure.error_number == ENOENT)
        return MR_DISK_WOULD_BLOCK; /* it was deleted just now, or it is damaged: see below */
    if (tried == MR_DISK_FAILED)
        fail_open(store, &failure, fault);
    else if (tried == MR_DISK_DONE && check_length(store, &meta->segments[0], &entry->fd, &info, fault) != MR_OK)
        return MR_DISK_FAILED;
    return tried;
}

/* ---- the description ---- */

static int fail_meta(struct mr_store *store, int err, struct mr_fault *fault)
{
    if (err == MR_EIO) {
        mr_store_count(&store->numbers->damaged, 1);
        mr_store_report(store, fault, LABEL);
    }
    return err;
}

/* *lacks_segment: it has none where its description says. */
static int read_once(struct mr_entry *entry, struct mr_store *store, const char *id, bool *lacks_segment,
                     struct mr_fault *fault)
{
    char path[PATH_SIZE];
    *lacks_segment = false;
    object_path(path, id, MR_LAYOUT_META, 0);
    int err = mr_metafile_read(&entry->file, store->home->objects, path, id, fault);
    if (err != MR_OK)
        return fail_meta(store, err, fault);
    if (entry->file.meta.segment_count == 0)
        return MR_OK;
    err = mr_entry_open_segment(&entry->fd, store, &entry->file.meta, 0, fault);
    if (err != MR_OK)
        mr_metafile_free(&entry->file);
    *lacks_segment = err == MR_ENOTFOUND;
    return err;
}

int mr_entry_read(struct mr_entry **out, struct mr_store *store, const char *id, struct mr_fault *fault)
{
    struct mr_entry *entry = create_entry(store, id);
    bool lacks_segment;
    *out = NULL;
    int err = read_once(entry, store, id, &lacks_segment, fault);
    if (lacks_segment) /* it was deleted in between, and then its description is gone, too */
        err = read_once(entry, store, id, &lacks_segment, fault);
    if (lacks_segment)
        err = fail_meta(store, mr_fault_set(fault, MR_EIO, UNREADABLE ": a segment is missing."), fault);
    if (err != MR_OK) {
        free(entry);
        return err;
    }
    *out = entry;
    return MR_OK;
}

enum mr_disk_try mr_entry_try_read(struct mr_entry **out, struct mr_store *store, const char *id,
                                   struct mr_fault *fault)
{
    struct mr_entry *entry = create_entry(store, id);
    char path[PATH_SIZE];
    int err = MR_OK;
    *out = NULL;
    object_path(path, id, MR_LAYOUT_META, 0);
    enum mr_disk_try tried = mr_metafile_try_read(&entry->file, store->home->objects, path, id, &err, fault);
    if (tried == MR_DISK_FAILED)
        fail_meta(store, err, fault);
    bool is_read = tried == MR_DISK_DONE;
    if (is_read)
        tried = try_open_first(entry, store, fault);
    if (tried == MR_DISK_DONE) {
        *out = entry;
        return tried;
    }
    if (is_read)
        mr_metafile_free(&entry->file);
    free(entry);
    return tried;
}
