#include "io/file.h"
#include "base/macros.h"
#include "io/syncer.h"

void mr_file_init(struct mr_file_request *request, struct mr_loop *loop, enum mr_label label, mr_file_done *done)
{
    *request = (struct mr_file_request){.loop = loop, .label = label, .done = done, .fd = -1};
}

/* ---- off the loop ---- */

void mr_file_perform(struct mr_file_request *request)
{
    request->err = request->work(request);
}

static void on_pool(uv_work_t *pool)
{
    mr_disk_enter_pool();
    mr_file_perform(mr_container_of(pool, struct mr_file_request, pool));
}

/* ---- on the loop ---- */

void mr_file_complete(struct mr_file_request *request)
{
    MR_ON_LOOP(request->loop);
    struct mr_loop *loop = request->loop;
    enum mr_label label = request->label;
    uint64_t started = mr_loop_enter(loop);
    mr_loop_note(loop, &request->note);
    request->is_submitted = false;
    request->done(request); /* may have freed it */
    mr_loop_leave(loop, label, started);
}

static void on_pool_done(uv_work_t *pool, int status)
{
    MR_ASSERT(status == 0); /* nothing cancels it */
    mr_file_complete(mr_container_of(pool, struct mr_file_request, pool));
}

static void prepare(struct mr_file_request *request, mr_file_work *work)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(!request->is_submitted && request->done != NULL);
    request->is_submitted = true;
    request->work = work;
    request->failure.error_number = 0;
    request->note = *mr_loop_noted(request->loop);
}

void mr_file_run(struct mr_file_request *request, mr_file_work *work)
{
    prepare(request, work);
    int err = uv_queue_work(mr_loop_uv(request->loop), &request->pool, on_pool, on_pool_done);
    MR_ASSERT(err == 0);
}

void mr_file_run_on(struct mr_file_request *request, struct mr_syncer *syncer, mr_file_work *work)
{
    prepare(request, work);
    mr_syncer_submit(syncer, request);
}

/* ---- the operations ---- */

static int work_open(struct mr_file_request *request)
{
    return mr_disk_open(&request->fd, &request->info, request->on, request->path, request->flags, request->mode,
                        &request->failure);
}

void mr_file_open(struct mr_file_request *request, int directory, const char *path, int flags, mode_t mode)
{
    request->on = directory;
    request->path = path;
    request->flags = flags;
    request->mode = mode;
    mr_file_run(request, work_open);
}

static int work_close(struct mr_file_request *request)
{
    return mr_disk_close(&request->on, &request->failure);
}

void mr_file_close(struct mr_file_request *request, int fd)
{
    request->on = fd;
    mr_file_run(request, work_close);
}

static int work_stat(struct mr_file_request *request)
{
    return mr_disk_stat(&request->info, request->on, &request->failure);
}

void mr_file_stat(struct mr_file_request *request, int fd)
{
    request->on = fd;
    mr_file_run(request, work_stat);
}

static int work_read(struct mr_file_request *request)
{
    return mr_disk_read(request->on, request->bytes, request->len, request->offset, &request->got, &request->failure);
}

void mr_file_read(struct mr_file_request *request, int fd, void *bytes, size_t len, uint64_t offset)
{
    request->on = fd;
    request->bytes = bytes;
    request->len = len;
    request->offset = offset;
    mr_file_run(request, work_read);
}

static int work_write(struct mr_file_request *request)
{
    return mr_disk_write(request->on, request->bytes, request->len, request->offset, &request->failure);
}

void mr_file_write(struct mr_file_request *request, int fd, const void *bytes, size_t len, uint64_t offset)
{
    request->on = fd;
    request->bytes = (void *)(uintptr_t)bytes; /* they are only read */
    request->len = len;
    request->offset = offset;
    mr_file_run(request, work_write);
}

static int work_write_back(struct mr_file_request *request)
{
    return mr_disk_write_back(request->on, request->offset, request->len, &request->failure);
}

void mr_file_write_back(struct mr_file_request *request, int fd, uint64_t offset, uint64_t len)
{
    request->on = fd;
    request->len = len;
    request->offset = offset;
    mr_file_run(request, work_write_back);
}

static int work_make_directory(struct mr_file_request *request)
{
    return mr_disk_make_directory(request->on, request->path, request->mode, &request->failure);
}

void mr_file_make_directory(struct mr_file_request *request, int directory, const char *path, mode_t mode)
{
    request->on = directory;
    request->path = path;
    request->mode = mode;
    mr_file_run(request, work_make_directory);
}

static int work_list(struct mr_file_request *request)
{
    return mr_disk_list(request->on, request->bytes, request->len, &request->got, &request->failure);
}

void mr_file_list(struct mr_file_request *request, int directory, void *buffer, size_t size)
{
    request->on = directory;
    request->bytes = buffer;
    request->len = size;
    mr_file_run(request, work_list);
}

static int work_rename(struct mr_file_request *request)
{
    return mr_disk_rename(request->on, request->path, request->to_directory, request->to_path, (unsigned)request->flags,
                          &request->failure);
}

void mr_file_rename(struct mr_file_request *request, int from_directory, const char *from, int to_directory,
                    const char *to, unsigned flags)
{
    request->on = from_directory;
    request->path = from;
    request->to_directory = to_directory;
    request->to_path = to;
    request->flags = (int)flags;
    mr_file_run(request, work_rename);
}

static int work_unlink(struct mr_file_request *request)
{
    return mr_disk_unlink(request->on, request->path, request->flags, &request->failure);
}

void mr_file_unlink(struct mr_file_request *request, int directory, const char *path, int flags)
{
    request->on = directory;
    request->path = path;
    request->flags = flags;
    mr_file_run(request, work_unlink);
}

static int work_room(struct mr_file_request *request)
{
    return mr_disk_room(&request->room, request->on, &request->failure);
}

void mr_file_room(struct mr_file_request *request, int fd)
{
    request->on = fd;
    mr_file_run(request, work_room);
}

/* ---- syncs ---- */

static int work_sync(struct mr_file_request *request)
{
    return mr_disk_sync(request->on, &request->failure);
}

void mr_file_sync(struct mr_file_request *request, struct mr_syncer *syncer, int fd)
{
    request->on = fd;
    mr_file_run_on(request, syncer, work_sync);
}

static int work_sync_directory(struct mr_file_request *request)
{
    return mr_disk_sync_directory(request->on, &request->failure);
}

void mr_file_sync_directory(struct mr_file_request *request, struct mr_syncer *syncer, int directory)
{
    request->on = directory;
    mr_file_run_on(request, syncer, work_sync_directory);
}
