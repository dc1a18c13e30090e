#include "store/fs/reader.h"
#include "base/macros.h"
#include "store/fs/cache.h"
#include <stdlib.h>
#include <string.h>

#define UNREADABLE "The object cannot be read"

/* ---- opening ---- */

static void free_reader(struct mr_store_reader *reader)
{
    struct mr_store *store = reader->store;
    struct mr_loop *loop = reader->loop;
    if (reader->entry != NULL)
        mr_entry_release(reader->entry);
    mr_payload_file_release(reader->file, store, loop);
    free(reader);
    mr_store_end(store, loop);
}

/* *lacks_segment: there is none where the description says. */
static int read_once(struct mr_store_reader *reader, bool *lacks_segment)
{
    *lacks_segment = false;
    int err = mr_entry_read(&reader->read, reader->store, reader->id, &reader->fault);
    if (err != MR_OK || !reader->wants_payload)
        return err;
    err = mr_payload_file_open(&reader->read_file, reader->store, &reader->read->file.meta, &reader->fault);
    *lacks_segment = err == MR_ENOTFOUND;
    if (err != MR_OK) {
        mr_entry_release(reader->read);
        reader->read = NULL;
    }
    return err;
}

static int work_read_entry(struct mr_file_request *request)
{
    struct mr_store_reader *reader = mr_container_of(request, struct mr_store_reader, request);
    bool lacks_segment;
    int err = read_once(reader, &lacks_segment);
    if (lacks_segment) /* it was deleted in between, and then its description is gone, too */
        err = read_once(reader, &lacks_segment);
    if (!lacks_segment)
        return err;
    mr_fault_set(&reader->fault, MR_EIO, UNREADABLE ": a segment is missing.");
    return mr_entry_report(reader->store, &reader->fault);
}

static void on_entry_read(struct mr_file_request *request)
{
    struct mr_store_reader *reader = mr_container_of(request, struct mr_store_reader, request);
    reader->entry = reader->read;
    reader->file = reader->read_file;
    if (reader->entry != NULL)
        mr_cache_offer(reader->store, reader->loop, reader->entry);
    if (reader->is_closed)
        free_reader(reader);
    else
        reader->opened(reader->context, reader->entry != NULL ? NULL : &reader->fault);
}

static struct mr_store_reader *create_reader(struct mr_store *store, struct mr_loop *loop)
{
    struct mr_store_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->store = store;
    reader->loop = loop;
    mr_file_init(&reader->request, loop, MR_LABEL_STORE_OPEN, on_entry_read);
    mr_store_begin(store, loop);
    return reader;
}

/* From our own memory, or the kernel's. */
static enum mr_disk_try get_entry(struct mr_store_reader *reader, struct mr_fault *fault)
{
    reader->entry = mr_cache_find(reader->store, reader->loop, reader->id);
    if (reader->entry != NULL)
        return MR_DISK_DONE;
    enum mr_disk_try tried = mr_entry_try_read(&reader->entry, reader->store, reader->id, fault);
    if (tried == MR_DISK_DONE)
        mr_cache_offer(reader->store, reader->loop, reader->entry);
    return tried;
}

static enum mr_disk_try try_open_reader(struct mr_store_reader *reader, struct mr_fault *fault)
{
    enum mr_disk_try tried = get_entry(reader, fault);
    if (tried == MR_DISK_DONE && reader->wants_payload)
        tried = mr_payload_file_try_open(&reader->file, reader->store, &reader->entry->file.meta, fault);
    if (tried != MR_DISK_DONE && reader->entry != NULL) {
        mr_entry_release(reader->entry);
        reader->entry = NULL;
    }
    return tried;
}

static void open_reader(struct mr_store_reader **out, struct mr_store *store, struct mr_loop *loop, struct mr_slice id,
                        bool wants_payload, mr_store_opened *opened, void *context)
{
    struct mr_store_reader *reader = *out = create_reader(store, loop);
    struct mr_fault fault;
    if (reader == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        opened(context, &fault);
        return;
    }
    reader->wants_payload = wants_payload;
    reader->opened = opened;
    reader->context = context;
    if (!mr_ulid_is_valid(id)) {
        mr_fault_set(&fault, MR_ENOTFOUND, NULL);
        opened(context, &fault); /* may have closed it */
        return;
    }
    memcpy(reader->id, id.at, MR_ULID_LEN);
    enum mr_disk_try tried = try_open_reader(reader, &fault);
    if (tried == MR_DISK_WOULD_BLOCK)
        mr_file_run(&reader->request, work_read_entry);
    else
        opened(context, tried == MR_DISK_DONE ? NULL : &fault);
}

void mr_store_open(struct mr_store_reader **out, struct mr_store *store, struct mr_loop *loop, struct mr_slice id,
                   mr_store_opened *opened, void *context)
{
    open_reader(out, store, loop, id, true, opened, context);
}

void mr_store_describe(struct mr_store_reader **out, struct mr_store *store, struct mr_loop *loop, struct mr_slice id,
                       mr_store_opened *opened, void *context)
{
    open_reader(out, store, loop, id, false, opened, context);
}

void mr_store_reader_close(struct mr_store_reader **out)
{
    struct mr_store_reader *reader = *out;
    *out = NULL;
    if (reader == NULL)
        return;
    reader->is_closed = true;
    if (mr_file_is_idle(&reader->request))
        free_reader(reader);
}

struct mr_store_reader *mr_store_reader_share(struct mr_store_reader *reader)
{
    struct mr_store_reader *other = create_reader(reader->store, reader->loop);
    MR_ASSERT(reader->entry != NULL && other != NULL); /* some hundred bytes */
    other->entry = reader->entry;
    other->entry->references++;
    other->file = reader->file;
    if (other->file != NULL)
        other->file->references++;
    return other;
}

/* ---- what it is ---- */

const struct mr_object *mr_store_reader_object(const struct mr_store_reader *reader)
{
    MR_ASSERT(reader->entry != NULL);
    return &reader->entry->file.meta.object;
}

bool mr_store_reader_is_current(const struct mr_store_reader *reader)
{
    const char *id = mr_store_reader_object(reader)->id;
    return reader->entry->generation == mr_home_generation(reader->store->home, id);
}

bool mr_store_reader_bytes(const struct mr_store_reader *reader, struct mr_slice *out)
{
    const struct mr_meta *meta = &reader->entry->file.meta;
    *out = meta->payload;
    return meta->segment_count == 0;
}
