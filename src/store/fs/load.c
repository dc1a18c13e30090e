/* DESIGN. The payload of an object in memory, for a computation on another thread: as it lies with the description,
 * else as a map of its file, made resident on a loader so that no worker waits for the disk; else as a copy, where it
 * has several segments or the kernel cannot make a map resident. Loaders are threads of their own, which are patient
 * (base/priority.h): a job that waits for one has others before it when the cores are busy.
 *
 *      load ----> (a loader) ----> loaded ----> drop, on any thread ----> close
 *                      |              |                                     ^
 *                      +--------------+-------------------------------------+
 *
 * What is closed without a drop is dropped on a loader: to unmap some 100 MiB is nothing for a loop. */
#include "base/macros.h"
#include "store/fs/reader.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define UNREADABLE "The object cannot be read"

enum load_kind { LOAD_NOTHING, LOAD_LENT, LOAD_MAPPED, LOAD_COPIED };

struct mr_store_bytes {
    struct mr_store_reader *reader; /* owned: a share */
    mr_store_loaded *loaded;
    void *context;
    enum load_kind kind;
    int fd; /* of the first segment, while it is loaded */
    void *at;
    size_t len;
    uint64_t charged;
    bool is_closed;
    struct mr_file_request request;
    struct mr_fault fault;
};

static const struct mr_meta *loaded_meta(const struct mr_store_bytes *bytes)
{
    return &bytes->reader->entry->file.meta;
}

/* ---- on a loader ---- */

static int fail_load(struct mr_store_bytes *bytes, const struct mr_disk_failure *failure)
{
    mr_disk_fault(&bytes->fault, failure, UNREADABLE);
    return mr_store_report(bytes->reader->store, &bytes->fault, bytes->request.label);
}

/* EINVAL: the kernel, or the file system, cannot do it. */
static int map_segment(struct mr_store_bytes *bytes, struct mr_disk_failure *failure)
{
    const struct mr_meta_segment *segment = &loaded_meta(bytes)->segments[0];
    *failure = (struct mr_disk_failure){.operation = MR_DISK_MAP, .error_number = EINVAL};
    if (loaded_meta(bytes)->segment_count > 1 || segment->room % (uint64_t)sysconf(_SC_PAGESIZE) != 0)
        return MR_EIO;
    int err = mr_disk_map(&bytes->at, bytes->fd, bytes->len, segment->room, failure);
    if (err == MR_OK)
        bytes->kind = LOAD_MAPPED;
    return err;
}

static int load_segment(struct mr_store_bytes *bytes, int fd, const struct mr_meta_segment *segment, size_t at)
{
    struct mr_disk_failure failure;
    size_t got, len = (size_t)segment->plain;
    if (mr_disk_read(fd, (char *)bytes->at + at, len, segment->room, &got, &failure) != MR_OK)
        return fail_load(bytes, &failure);
    if (got == len)
        return MR_OK;
    mr_fault_set(&bytes->fault, MR_EIO, UNREADABLE ": segment %u ends too early.", (unsigned)segment->number);
    return mr_store_report(bytes->reader->store, &bytes->fault, bytes->request.label);
}

static int copy_segment(struct mr_store_bytes *bytes, size_t index, size_t at)
{
    struct mr_store *store = bytes->reader->store;
    const struct mr_meta *meta = loaded_meta(bytes);
    struct mr_disk_failure failure;
    int fd;
    if (index == 0)
        return load_segment(bytes, bytes->fd, &meta->segments[0], at);
    int err = mr_entry_open_segment(&fd, store, meta, index, &bytes->fault);
    if (err != MR_OK)
        return err;
    err = load_segment(bytes, fd, &meta->segments[index], at);
    mr_disk_close(&fd, &failure); /* it was only read */
    return err;
}

static int copy_segments(struct mr_store_bytes *bytes)
{
    const struct mr_meta *meta = loaded_meta(bytes);
    bytes->at = malloc(bytes->len);
    if (bytes->at == NULL)
        return mr_fault_set(&bytes->fault, MR_EMEMORY, NULL);
    bytes->kind = LOAD_COPIED;
    size_t at = 0;
    int err = MR_OK;
    for (size_t i = 0; i < meta->segment_count && err == MR_OK; i++) {
        err = copy_segment(bytes, i, at);
        at += (size_t)meta->segments[i].plain;
    }
    return err;
}

static int load_bytes(struct mr_store_bytes *bytes)
{
    struct mr_disk_failure failure;
    int err = map_segment(bytes, &failure);
    if (err == MR_OK)
        return MR_OK;
    return failure.error_number == EINVAL ? copy_segments(bytes) : fail_load(bytes, &failure);
}

/* The reader has the file of the first segment, unless it was only described. */
static int work_load(struct mr_file_request *request)
{
    struct mr_store_bytes *bytes = mr_container_of(request, struct mr_store_bytes, request);
    const struct mr_store_reader *reader = bytes->reader;
    struct mr_disk_failure failure;
    if (reader->file != NULL) {
        bytes->fd = reader->file->fd;
        return load_bytes(bytes);
    }
    int err = mr_entry_open_segment(&bytes->fd, reader->store, loaded_meta(bytes), 0, &bytes->fault);
    if (err != MR_OK)
        return err;
    err = load_bytes(bytes);
    mr_disk_close(&bytes->fd, &failure); /* it was only read */
    return err;
}

static int work_drop(struct mr_file_request *request)
{
    mr_store_bytes_drop(mr_container_of(request, struct mr_store_bytes, request));
    return MR_OK;
}

/* ---- on the loop, but for drop ---- */

static void free_bytes(struct mr_store_bytes *bytes)
{
    mr_store_bytes_drop(bytes); /* unless it was */
    mr_store_reader_close(&bytes->reader);
    free(bytes);
}

static void on_dropped(struct mr_file_request *request)
{
    free_bytes(mr_container_of(request, struct mr_store_bytes, request));
}

static void close_bytes(struct mr_store_bytes *bytes)
{
    if (bytes->kind == LOAD_NOTHING || bytes->kind == LOAD_LENT) {
        free_bytes(bytes);
        return;
    }
    bytes->request.done = on_dropped;
    mr_file_run_on(&bytes->request, bytes->reader->store->loader, work_drop);
}

static void on_loaded(struct mr_file_request *request)
{
    struct mr_store_bytes *bytes = mr_container_of(request, struct mr_store_bytes, request);
    if (bytes->is_closed)
        close_bytes(bytes);
    else
        bytes->loaded(bytes->context, request->err == MR_OK ? NULL : &bytes->fault);
}

static int take_memory(struct mr_store_bytes *bytes, struct mr_fault *fault)
{
    struct mr_budget *memory = bytes->reader->store->memory;
    if (memory->limit != 0 && bytes->len > memory->limit)
        return mr_fault_limit(fault, MR_EPIXELS, "memory-budget", memory->limit, bytes->len);
    if (!mr_budget_is_open(memory) || !mr_budget_try_take(memory, bytes->len))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", memory->limit, mr_budget_used(memory) + bytes->len);
    bytes->charged = bytes->len;
    return MR_OK;
}

void mr_store_load(struct mr_store_bytes **out, struct mr_store_reader *reader, mr_store_loaded *loaded, void *context)
{
    MR_ON_LOOP(reader->loop);
    struct mr_store_bytes *bytes = *out = calloc(1, sizeof(*bytes));
    struct mr_slice payload;
    struct mr_fault fault;
    MR_ASSERT(bytes != NULL); /* some hundred bytes */
    bytes->reader = mr_store_reader_share(reader);
    bytes->loaded = loaded;
    bytes->context = context;
    bytes->len = (size_t)mr_store_reader_object(reader)->size;
    mr_file_init(&bytes->request, reader->loop, MR_LABEL_STORE_LOAD, on_loaded);
    if (mr_store_reader_bytes(reader, &payload)) {
        bytes->kind = LOAD_LENT;
        bytes->at = (void *)(uintptr_t)payload.at; /* it is only read */
        loaded(context, NULL);
    } else if (take_memory(bytes, &fault) != MR_OK) {
        loaded(context, &fault);
    } else {
        mr_file_run_on(&bytes->request, bytes->reader->store->loader, work_load);
    }
}

struct mr_slice mr_store_bytes_slice(const struct mr_store_bytes *bytes)
{
    return (struct mr_slice){.at = bytes->at, .len = bytes->len};
}

void mr_store_bytes_drop(struct mr_store_bytes *bytes)
{
    if (bytes->kind == LOAD_MAPPED)
        mr_disk_unmap(bytes->at, bytes->len);
    else if (bytes->kind == LOAD_COPIED)
        free(bytes->at);
    bytes->kind = LOAD_NOTHING;
    bytes->at = NULL;
    mr_budget_give_back(bytes->reader->store->memory, bytes->charged);
    bytes->charged = 0;
}

void mr_store_bytes_close(struct mr_store_bytes **out)
{
    struct mr_store_bytes *bytes = *out;
    *out = NULL;
    if (bytes == NULL)
        return;
    MR_ON_LOOP(bytes->reader->loop);
    bytes->is_closed = true;
    if (mr_file_is_idle(&bytes->request))
        close_bytes(bytes);
}
