#define _GNU_SOURCE 1 /* RENAME_NOREPLACE */
#include "store/fs/change.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/magic.h"
#include "store/fs/layout.h"
#include "store/fs/metafile.h"
#include "store/fs/recover.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum change_state { WAITING, LOCKED, DONE };

struct change {
    struct mr_file_request request; /* its err and `fault` are the result */
    struct mr_store *store;
    struct mr_loop *loop;
    char id[MR_ULID_LEN + 1];
    bool is_delete;
    uint64_t rev;
    int (*apply)(struct mr_object *object, void *context, struct mr_fault *fault);
    mr_store_changed *done;
    void *context;
    struct mr_fault fault;

    enum change_state state;
    struct mr_metafile file;
    bool has_file; /* `file` was read */
    int directory, meta_fd;
    char directory_name[MR_ULID_DIRECTORY_LEN + 1];
    bool has_upload; /* a meta on its way */
    bool is_renamed, is_synced;
};

static struct change *change_of(struct mr_file_request *request)
{
    return mr_container_of(request, struct change, request);
}

static bool is_change_well(const struct change *change)
{
    return change->request.err == MR_OK;
}

static void fail_change(struct change *change, const struct mr_disk_failure *failure)
{
    const char *what = change->is_delete ? "The object cannot be deleted" : "The object cannot be changed";
    change->request.err = mr_store_write_fault(&change->fault, failure, what);
    mr_store_report(change->store, &change->fault, change->request.label);
}

static void change_upload_name(char out[MR_LAYOUT_NAME_SIZE], const struct change *change)
{
    struct mr_layout_name name = {.kind = change->is_delete ? MR_LAYOUT_GONE : MR_LAYOUT_META,
                                  .process = change->store->process};
    memcpy(name.id, change->id, sizeof(name.id));
    mr_layout_upload(out, &name);
}

static void object_name(char out[MR_LAYOUT_NAME_SIZE], const struct change *change)
{
    mr_layout_object(out, change->id, MR_LAYOUT_META, 0);
}

/* ---- 1: what is there, and what becomes of it ---- */

static int open_change_directory(struct change *change)
{
    struct mr_disk_failure failure;
    int err = mr_directory_open(&change->directory, change->store->home, change->id, &failure);
    if (err != MR_OK && failure.error_number == ENOENT)
        return mr_fault_set(&change->fault, MR_ENOTFOUND, NULL);
    return err == MR_OK ? MR_OK : mr_disk_fault(&change->fault, &failure, "The object cannot be read");
}

static int read_meta(struct change *change)
{
    char name[MR_LAYOUT_NAME_SIZE];
    int err = open_change_directory(change);
    object_name(name, change);
    if (err == MR_OK)
        err = mr_metafile_read(&change->file, change->directory, name, change->id, &change->fault);
    change->has_file = err == MR_OK;
    if (err != MR_OK && err != MR_ENOTFOUND)
        mr_store_report(change->store, &change->fault, change->request.label);
    return err;
}

/* The clock may go back; a later change is not earlier for that. */
static void stamp(struct mr_object *object)
{
    int64_t now = (int64_t)(mr_clock_wall() / MR_NS_PER_MS);
    object->changed_ms = MR_MAX(now, object->changed_ms);
    object->rev++;
}

static int apply_change(struct change *change)
{
    struct mr_object *object = &change->file.meta.object;
    if (change->rev != 0 && change->rev != object->rev)
        return mr_fault_set(&change->fault, MR_EPRECONDITION, NULL);
    if (change->is_delete)
        return MR_OK;
    int err = change->apply(object, change->context, &change->fault);
    if (err == MR_OK)
        stamp(object);
    return err;
}

static void write_changed_meta(struct change *change)
{
    struct mr_disk_failure failure;
    const struct mr_store_home *home = change->store->home;
    char *bytes, name[MR_LAYOUT_NAME_SIZE];
    size_t len;
    change->request.err = mr_meta_encode(&change->file.meta, &bytes, &len, &change->fault);
    if (!is_change_well(change))
        return;
    change_upload_name(name, change);
    mr_disk_unlink(home->uploads, name, 0, &failure); /* of a change that could not be undone */
    int err = mr_metafile_write(&change->meta_fd, home->uploads, name, (struct mr_slice){bytes, len}, &failure);
    free(bytes);
    change->has_upload = change->meta_fd >= 0;
    if (err != MR_OK)
        fail_change(change, &failure);
}

static void prepare_change(struct change *change)
{
    change->request.err = read_meta(change);
    if (is_change_well(change))
        change->request.err = apply_change(change);
    if (is_change_well(change) && !change->is_delete)
        write_changed_meta(change);
}

/* ---- 2: the bytes ---- */

static void sync_changed_meta(struct change *change)
{
    struct mr_disk_failure failure, closing;
    if (change->meta_fd < 0)
        return;
    int err =
        is_change_well(change) && change->store->home->is_durable ? mr_disk_sync(change->meta_fd, &failure) : MR_OK;
    if (err != MR_OK)
        fail_change(change, &failure);
    if (mr_disk_close(&change->meta_fd, &closing) != MR_OK && is_change_well(change))
        fail_change(change, &closing);
}

/* ---- 3: the names ---- */

/* The meta of the object becomes ID.gone; or that becomes the meta again. */
static int rename_deleted(struct change *change, bool is_back, struct mr_disk_failure *failure)
{
    const struct mr_store_home *home = change->store->home;
    const struct mr_object *gone = &change->file.meta.object;
    char upload[MR_LAYOUT_NAME_SIZE], object[MR_LAYOUT_NAME_SIZE];
    change_upload_name(upload, change);
    object_name(object, change);
    mr_tally_enter(&home->shared->tally, change->store->process);
    int err = is_back ? mr_disk_rename(home->uploads, upload, change->directory, object, RENAME_NOREPLACE, failure)
                      : mr_disk_rename(change->directory, object, home->uploads, upload, 0, failure);
    int objects = err != MR_OK ? 0 : is_back ? 1 : -1;
    mr_tally_leave(&home->shared->tally, change->store->process, change->id, objects, gone->size);
    return err;
}

static int rename_changed(struct change *change, struct mr_disk_failure *failure)
{
    char upload[MR_LAYOUT_NAME_SIZE], object[MR_LAYOUT_NAME_SIZE];
    change_upload_name(upload, change);
    object_name(object, change);
    return mr_disk_rename(change->store->home->uploads, upload, change->directory, object, 0, failure);
}

static void move_change(struct change *change)
{
    struct mr_disk_failure failure;
    if (!is_change_well(change))
        return;
    int err = change->is_delete ? rename_deleted(change, false, &failure) : rename_changed(change, &failure);
    change->is_renamed = err == MR_OK;
    if (change->is_renamed)
        mr_home_outdate(change->store->home, change->id);
    else
        fail_change(change, &failure);
}

/* ---- 4: the directories ---- */

static bool is_change_beside(const struct change *a, const struct change *b)
{
    return strcmp(a->directory_name, b->directory_name) == 0;
}

/* That of the first one, and uploads/ where something was deleted, for all that are in it. */
static void sync_changed_directory(struct change *first)
{
    struct mr_disk_failure failure;
    const struct mr_store_home *home = first->store->home;
    bool has_delete = false;
    int err = MR_OK;
    if (!is_change_well(first) || first->is_synced)
        return;
    for (struct mr_file_request *request = &first->request; request != NULL; request = request->next)
        has_delete |= is_change_beside(change_of(request), first) && change_of(request)->is_delete;
    if (home->is_durable && has_delete)
        err = mr_disk_sync_directory(home->uploads, &failure);
    if (home->is_durable && err == MR_OK)
        err = mr_disk_sync_directory(first->directory, &failure);
    for (struct mr_file_request *request = &first->request; request != NULL; request = request->next) {
        struct change *change = change_of(request);
        if (change->state != LOCKED || !is_change_well(change) || !is_change_beside(change, first))
            continue;
        change->is_synced = true;
        if (err != MR_OK)
            fail_change(change, &failure);
    }
}

/* ---- 5: the end ---- */

/* A delete that may not be on the disk is taken back, so that no bytes are removed that an object still needs after a
 * loss of power. A change cannot be taken back: it stays, and was not acknowledged. */
static void undo_change(struct change *change)
{
    struct mr_disk_failure failure;
    const struct mr_store_home *home = change->store->home;
    char upload[MR_LAYOUT_NAME_SIZE];
    change_upload_name(upload, change);
    if (change->is_delete && change->is_renamed) {
        rename_deleted(change, true, &failure);
        mr_home_outdate(change->store->home, change->id);
    } else if (change->has_upload && !change->is_renamed) {
        mr_disk_unlink(home->uploads, upload, 0, &failure);
    }
}

static void finish_change(struct change *change)
{
    struct mr_store_numbers *numbers = change->store->numbers;
    if (!is_change_well(change))
        undo_change(change);
    else
        mr_store_count(change->is_delete ? &numbers->deleted : &numbers->changed, 1);
    mr_locks_release(change->store->locks, change->id);
    change->state = DONE;
}

/* ---- the group ---- */

/* One that is before it in the group has the same object. */
static bool has_to_wait(const struct change *change, struct mr_file_request *first)
{
    for (struct mr_file_request *request = first; request != &change->request; request = request->next) {
        const struct change *other = change_of(request);
        if (other->state != DONE && strcmp(other->id, change->id) == 0)
            return true;
    }
    return false;
}

/* False: another process has the lock. */
static bool lock_change(struct change *change, bool may_wait)
{
    struct mr_disk_failure failure;
    int err = mr_locks_take(change->store->locks, change->id, may_wait, &failure);
    if (err == MR_EBUSY)
        return false;
    change->state = LOCKED;
    if (err != MR_OK)
        fail_change(change, &failure);
    return true;
}

/* Those that can be had at once; if there are none, the first, as long as it takes. Returns their number. */
static size_t lock_some(struct mr_file_request *first)
{
    struct change *waiting = NULL;
    size_t locked = 0;
    for (struct mr_file_request *request = first; request != NULL; request = request->next) {
        struct change *change = change_of(request);
        if (change->state != WAITING || has_to_wait(change, first))
            continue;
        if (lock_change(change, false))
            locked++;
        else if (waiting == NULL)
            waiting = change;
    }
    if (locked == 0 && waiting != NULL)
        locked += lock_change(waiting, true);
    return locked;
}

static void each_locked(struct mr_file_request *first, void (*step)(struct change *change))
{
    for (struct mr_file_request *request = first; request != NULL; request = request->next) {
        if (change_of(request)->state == LOCKED)
            step(change_of(request));
    }
}

static void prepare_if_locked(struct change *change)
{
    if (is_change_well(change)) /* its lock was had */
        prepare_change(change);
}

/* On any thread of the crew. */
static void sync_if_locked(struct mr_file_request *request)
{
    if (change_of(request)->state == LOCKED)
        sync_changed_meta(change_of(request));
}

void mr_change_group(void *context, unsigned thread, struct mr_file_request *first)
{
    (void)thread; /* there is one */
    struct mr_store *store = mr_from_context(context, struct mr_store, MR_STORE_MAGIC);
    while (lock_some(first) > 0) {
        each_locked(first, prepare_if_locked);
        mr_crew_run(&store->crew, first, sync_if_locked);
        each_locked(first, move_change);
        each_locked(first, sync_changed_directory);
        each_locked(first, finish_change);
    }
}

/* ---- on the loop ---- */

static void free_change(struct change *change)
{
    struct mr_store *store = change->store;
    struct mr_loop *loop = change->loop;
    if (change->has_file)
        mr_metafile_free(&change->file);
    if (change->directory >= 0)
        close(change->directory);
    free(change);
    mr_store_end(store, loop);
}

/* On the pool, after the response. What cannot be removed is removed at the next start. */
static int work_remove_bytes(struct mr_file_request *request)
{
    struct change *change = change_of(request);
    struct mr_disk_failure failure;
    char name[MR_LAYOUT_NAME_SIZE];
    int err = mr_remove_segments(change->directory, &change->file.meta, &request->failure);
    change_upload_name(name, change);
    if (err == MR_OK)
        err = mr_disk_unlink(change->store->home->uploads, name, 0, &request->failure);
    mr_room_ask(&change->store->room, &failure); /* the next upload shall see what became free */
    return err;
}

static void on_bytes_removed(struct mr_file_request *request)
{
    free_change(change_of(request));
}

static void on_change_done(struct mr_file_request *request)
{
    struct change *change = change_of(request);
    bool is_refused = change->request.err == MR_EPRECONDITION;
    bool shows = change->has_file && (is_refused || (is_change_well(change) && !change->is_delete));
    const struct mr_object *object = shows ? &change->file.meta.object : NULL;
    change->done(change->context, is_change_well(change) ? NULL : &change->fault, object);
    if (!is_change_well(change) || !change->is_delete) {
        free_change(change);
        return;
    }
    change->request.done = on_bytes_removed;
    mr_file_run(&change->request, work_remove_bytes);
}

/* It has no ID, or there is no memory for it. */
static int work_failed_change(struct mr_file_request *request)
{
    return change_of(request)->fault.error;
}

static void submit_change(struct mr_store *store, struct mr_loop *loop, const struct mr_store_change *asked,
                          bool is_delete)
{
    struct change *change = calloc(1, sizeof(*change));
    MR_ASSERT(change != NULL); /* some hundred bytes: this is a machine without memory */
    change->store = store;
    change->loop = loop;
    change->is_delete = is_delete;
    change->rev = asked->rev;
    change->apply = asked->apply;
    change->done = asked->done;
    change->context = asked->context;
    change->directory = change->meta_fd = -1;
    mr_store_begin(store, loop);
    mr_file_init(&change->request, loop, is_delete ? MR_LABEL_STORE_DELETE : MR_LABEL_STORE_CHANGE, on_change_done);
    if (!mr_ulid_is_valid(asked->id)) {
        mr_fault_set(&change->fault, MR_ENOTFOUND, NULL);
        mr_file_run(&change->request, work_failed_change);
        return;
    }
    memcpy(change->id, asked->id.at, MR_ULID_LEN);
    mr_ulid_directory(change->directory_name, change->id);
    mr_file_run_on(&change->request, store->changer, NULL);
}

void mr_store_change(struct mr_store *store, struct mr_loop *loop, const struct mr_store_change *change)
{
    submit_change(store, loop, change, false);
}

void mr_store_delete(struct mr_store *store, struct mr_loop *loop, struct mr_slice id, mr_store_changed *done,
                     void *context)
{
    submit_change(store, loop, &(struct mr_store_change){.id = id, .done = done, .context = context}, true);
}
