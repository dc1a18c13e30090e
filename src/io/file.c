/* DESIGN. Why not libuv's pool: before libuv 1.45 a loop waits in sched_yield() for the thread that woke it, which the
 * wake-up itself often takes off its core. With Debian 12's, loop lag p99 beside lists of 1,000 files was 2.4 ms and is
 * 0.9 ms; on a busy machine it was 30 ms. And a wake-up for each request took a fifth of the lists a second. */
#include "io/file.h"
#include "base/macros.h"
#include "io/syncer.h"
#include <pthread.h>

#define POOL_THREADS 4 /* as libuv's */
#define POOL_NICER   5 /* than the loop, which has the core when it wants it; workers are by 10 */

/* Of the process, whose loops share them. They live as long: nothing is left in them when the loops have ended. The
 * first request starts them, so that a process has its own after a fork. */
static struct mr_syncer *pool, *senders;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT, senders_once = PTHREAD_ONCE_INIT;

static void run_on_pool(void *context, unsigned thread, struct mr_file_request *request)
{
    (void)context, (void)thread;
    mr_disk_enter_pool();
    mr_file_perform(request);
}

static void start_file_threads(struct mr_syncer **out, const char *name)
{
    const struct mr_syncer_config config = {
        .name = name,
        .threads = POOL_THREADS,
        .nicer = POOL_NICER,
        .singly = true,
        .group = run_on_pool,
    };
    int err = mr_syncer_create(out, &config);
    MR_ASSERT(err == MR_OK);
}

static void start_file_pool(void)
{
    start_file_threads(&pool, "files");
}

static void start_senders(void)
{
    start_file_threads(&senders, "senders");
}

void mr_file_init(struct mr_file_request *request, struct mr_loop *loop, enum mr_label label, mr_file_done *done)
{
    *request = (struct mr_file_request){.loop = loop, .label = label, .done = done, .fd = -1};
}

/* ---- off the loop ---- */

void mr_file_perform(struct mr_file_request *request)
{
    request->err = request->work(request);
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
    mr_loop_operation_end(loop);
    request->done(request); /* may have freed it */
    mr_loop_leave(loop, label, started);
}

static void prepare(struct mr_file_request *request, mr_file_work *work)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(!request->is_submitted && request->done != NULL);
    request->is_submitted = true;
    request->work = work;
    request->failure.error_number = 0;
    request->note = *mr_loop_noted(request->loop);
    mr_loop_operation_begin(request->loop);
}

void mr_file_run(struct mr_file_request *request, mr_file_work *work)
{
    prepare(request, work);
    pthread_once(&pool_once, start_file_pool);
    mr_syncer_submit(pool, request);
}

void mr_file_send(struct mr_file_request *request, mr_file_work *work)
{
    prepare(request, work);
    pthread_once(&senders_once, start_senders);
    mr_syncer_submit(senders, request);
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
