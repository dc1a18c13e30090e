/* file.h -- operations on files for a loop: a request runs on the pool, which is four file threads of the process, on
 * one of four that send, or on a sync thread, and completes on the loop. disk.h says what each operation does.
 *
 * The request is embedded in what it serves, and nothing is allocated for an operation. One operation at a time:
 *
 *      idle --mr_file_read(), ...--> submitted --> idle, and then done() is called
 *
 * What was submitted cannot be taken back. It completes exactly once, on its loop, in a later turn than the one that
 * submitted it; an owner that does not want the result any more keeps request, descriptor, paths and bytes until then
 * and ignores it. done() may submit the request again and may free it.
 *
 * When done() is called, `err` is MR_OK or the error, and `failure` then says which operation failed and why
 * (mr_disk_fault() makes the fault of it). The note of the callback that submitted the request (loop.h) holds in done()
 * too, and `label` is what the loop's report calls that callback.
 *
 * Only on the loop's thread: all functions but mr_file_perform(). A request is an operation of its loop, which is not
 * at rest meanwhile and is not destroyed before it is back. */
#ifndef MR_IO_FILE_H
#define MR_IO_FILE_H

#include "io/disk.h"
#include "loop/loop.h"

struct mr_file_request;
struct mr_syncer;

typedef void mr_file_done(struct mr_file_request *request);
/* What a request does off the loop: MR_OK, or an error with request->failure filled. */
typedef int mr_file_work(struct mr_file_request *request);

struct mr_file_request {
    mr_file_done *done; /* may be changed while idle */
    /* Results: read-only, in done() and until the next operation. */
    int err;
    struct mr_disk_failure failure; /* when err is not MR_OK; error_number 0: it was no system call that failed */
    int fd;                         /* open: the new descriptor, the caller's to close; or -1 */
    size_t got;               /* read: bytes, fewer than wanted at the end of the file only; list: of the buffer */
    struct mr_disk_info info; /* open, stat */
    struct mr_disk_room room; /* room */

    bool is_submitted; /* private, as all below */
    struct mr_loop *loop;
    enum mr_label label;
    mr_file_work *work;
    int on, to_directory, flags;
    mode_t mode;
    const char *path, *to_path;
    void *bytes;
    uint64_t offset, len;
    struct mr_loop_note note;
    struct mr_file_request *next; /* of its group: syncer.h */
    struct mr_inbox_node node;    /* to the thread, and back to the loop */
};

void mr_file_init(struct mr_file_request *request, struct mr_loop *loop, enum mr_label label, mr_file_done *done);
static inline bool mr_file_is_idle(const struct mr_file_request *request)
{
    return !request->is_submitted;
}

/* ---- on the pool, which all loops share; paths and bytes are borrowed until done() ---- */

void mr_file_open(struct mr_file_request *request, int directory, const char *path, int flags, mode_t mode);
void mr_file_close(struct mr_file_request *request, int fd); /* the descriptor is gone from here on */
void mr_file_stat(struct mr_file_request *request, int fd);
void mr_file_read(struct mr_file_request *request, int fd, void *bytes, size_t len, uint64_t offset);
void mr_file_write(struct mr_file_request *request, int fd, const void *bytes, size_t len, uint64_t offset);
void mr_file_write_back(struct mr_file_request *request, int fd, uint64_t offset, uint64_t len);
void mr_file_make_directory(struct mr_file_request *request, int directory, const char *path, mode_t mode);
void mr_file_list(struct mr_file_request *request, int directory, void *buffer, size_t size);
void mr_file_rename(struct mr_file_request *request, int from_directory, const char *from, int to_directory,
                    const char *to, unsigned flags);
void mr_file_unlink(struct mr_file_request *request, int directory, const char *path, int flags);
void mr_file_room(struct mr_file_request *request, int fd);

/* Several operations, or one that is not here, in one trip to the pool: `work` is called there, and calls the functions
 * of disk.h. What it touches is its own until done(). */
void mr_file_run(struct mr_file_request *request, mr_file_work *work);

/* The same on a thread that sends, so that what others ask of the pool does not stand behind large files. */
void mr_file_send(struct mr_file_request *request, mr_file_work *work);

/* ---- on a sync thread ---- */

void mr_file_sync(struct mr_file_request *request, struct mr_syncer *syncer, int fd);
void mr_file_sync_directory(struct mr_file_request *request, struct mr_syncer *syncer, int directory);
void mr_file_run_on(struct mr_file_request *request, struct mr_syncer *syncer, mr_file_work *work);

/* ---- for the thread that has it, and unit tests ---- */

/* Do what was submitted, and keep its result. */
void mr_file_perform(struct mr_file_request *request);
/* On its loop: it is idle again; then done(). */
void mr_file_complete(struct mr_file_request *request);

#endif
