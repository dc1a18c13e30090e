#include "base/macros.h"
#include "store/fs/layout.h"
#include "store/fs/reader.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define UNREADABLE  "The object cannot be read"
#define LABEL       MR_LABEL_STORE_OPEN /* in the log */
#define CHEAP_CLOSE MR_MIB
#define PATH_SIZE   (MR_ULID_DIRECTORY_LEN + 1 + MR_LAYOUT_NAME_SIZE)

/* Beneath objects/. */
static void object_path(char out[PATH_SIZE], const char *id, enum mr_layout_kind kind, unsigned segment)
{
    mr_ulid_directory(out, id);
    out[MR_ULID_DIRECTORY_LEN] = '/';
    mr_layout_object(out + MR_ULID_DIRECTORY_LEN + 1, id, kind, segment);
}

static struct mr_entry *create_entry(const struct mr_store *store, const char *id)
{
    struct mr_entry *entry = calloc(1, sizeof(*entry));
    MR_ASSERT(entry != NULL); /* some hundred bytes: this is a machine without memory */
    entry->references = 1;
    entry->generation = mr_home_generation(store->home, id);
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
    mr_file_init(&closing->request, loop, MR_LABEL_STORE_CLOSE, on_file_closed);
    mr_file_run(&closing->request, work_close_file);
}

void mr_entry_release(struct mr_entry *entry)
{
    if (--entry->references > 0)
        return;
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

/* Owns the file. */
static struct mr_payload_file *create_payload_file(int fd, uint64_t size)
{
    struct mr_payload_file *file = malloc(sizeof(*file));
    MR_ASSERT(file != NULL); /* some bytes: this is a machine without memory */
    *file = (struct mr_payload_file){.references = 1, .fd = fd, .size = size};
    return file;
}

int mr_payload_file_open(struct mr_payload_file **out, struct mr_store *store, const struct mr_meta *meta,
                         struct mr_fault *fault)
{
    int fd;
    *out = NULL;
    if (meta->segment_count == 0)
        return MR_OK;
    int err = mr_entry_open_segment(&fd, store, meta, 0, fault);
    if (err == MR_OK)
        *out = create_payload_file(fd, meta->object.size);
    return err;
}

enum mr_disk_try mr_payload_file_try_open(struct mr_payload_file **out, struct mr_store *store,
                                          const struct mr_meta *meta, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    char path[PATH_SIZE];
    int fd;
    *out = NULL;
    if (meta->segment_count == 0)
        return MR_DISK_DONE;
    object_path(path, meta->object.id, MR_LAYOUT_SEGMENT, meta->segments[0].number);
    enum mr_disk_try tried = mr_disk_try_open(&fd, &info, store->home->objects, path, O_RDONLY, &failure);
    if (tried == MR_DISK_FAILED && failure.error_number == ENOENT)
        return MR_DISK_WOULD_BLOCK; /* it was deleted just now, or it is damaged */
    if (tried == MR_DISK_FAILED)
        fail_open(store, &failure, fault);
    if (tried != MR_DISK_DONE)
        return tried;
    if (check_length(store, &meta->segments[0], &fd, &info, fault) != MR_OK)
        return MR_DISK_FAILED;
    *out = create_payload_file(fd, meta->object.size);
    return MR_DISK_DONE;
}

void mr_payload_file_release(struct mr_payload_file *file, struct mr_store *store, struct mr_loop *loop)
{
    if (file == NULL || --file->references > 0)
        return;
    mr_store_close_file(store, loop, &file->fd, file->size);
    free(file);
}

/* ---- the description ---- */

int mr_entry_report(struct mr_store *store, const struct mr_fault *fault)
{
    if (fault->error == MR_EIO) {
        mr_store_count(&store->numbers->damaged, 1);
        mr_store_report(store, fault, LABEL);
    }
    return fault->error;
}

int mr_entry_read(struct mr_entry **out, struct mr_store *store, const char *id, struct mr_fault *fault)
{
    struct mr_entry *entry = create_entry(store, id);
    char path[PATH_SIZE];
    *out = NULL;
    object_path(path, id, MR_LAYOUT_META, 0);
    if (mr_metafile_read(&entry->file, store->home->objects, path, id, fault) != MR_OK) {
        free(entry);
        return mr_entry_report(store, fault);
    }
    *out = entry;
    return MR_OK;
}

enum mr_disk_try mr_entry_try_read(struct mr_entry **out, struct mr_store *store, const char *id,
                                   struct mr_fault *fault)
{
    struct mr_entry *entry = create_entry(store, id);
    char path[PATH_SIZE];
    int err;
    *out = NULL;
    object_path(path, id, MR_LAYOUT_META, 0);
    enum mr_disk_try tried = mr_metafile_try_read(&entry->file, store->home->objects, path, id, &err, fault);
    if (tried == MR_DISK_FAILED)
        mr_entry_report(store, fault);
    if (tried == MR_DISK_DONE)
        *out = entry;
    else
        free(entry);
    return tried;
}
