/* store.h -- objects that are kept: written once as a stream, read back whole or in ranges, described, listed by time,
 * deleted. What was acknowledged is never lost. docs/store.md has the format and the guarantees.
 *
 *      home --create--> store --> writer:  a stream comes in, then a commit          mr_store_writer_*
 *                             --> reader:  an object is opened, streams go out       mr_store_open, mr_store_read
 *                             --> change, delete, list                               one call and its done()
 *
 * All of it is asynchronous. An operation belongs to the loop that it was begun on: its functions are called on that
 * loop's thread, and so are its callbacks. The payload of an object never changes, what is known of it (object.h) does.
 *
 *                                        its loop's thread   before the loops run / after they ended
 *   home_open, home_close                       -                 yes  (before the fork, where there are processes)
 *   store_create, store_destroy                 -                 yes  (in each process)
 *   everything else                            yes                 -
 *
 * Errors. MR_ENOTFOUND: there is no such object, or the text is no ID. MR_ENOSPACE: there is no room; a fault with the
 * limit name "min-free" says that room is left and kept free. MR_EWRITE: the disk cannot be written, as it fails or is
 * read-only. MR_EIO: what it holds cannot be read, or is not what was written. MR_EBUDGET, MR_EMEMORY, MR_EFILES: the
 * server's own bounds. An operation that failed has left nothing behind that counts.
 *
 * How S3 would do it (nothing of it is built). Each segment and each ID.meta is an object of its own, so that nothing
 * here asks for a write in the middle, a rename, or a conditional Complete or Copy:
 *   Commit of a stream of unknown length: the segments are multipart uploads under their last names, a part for each
 *     8 MiB; ID.meta by one PUT is the commit. A segment without a meta is debris of an upload: ID.meta is looked for
 *     when its upload is older than any may be. Small payloads are that one PUT.
 *   Change by two servers at once: GET of ID.meta with its ETag, PUT with If-Match; 412 begins again with the newer one
 *     (`apply` is then called again). Delete: PUT of ID.gone, DELETE of ID.meta, response, then the segments.
 *   List, newest first, where a server lists upwards only: the names of ID.meta are grouped by time as directories are,
 *     and walked downwards by one LIST with a prefix for each group. */
#ifndef MR_STORE_STORE_H
#define MR_STORE_STORE_H

#include "base/budget.h"
#include "base/slice.h"
#include "base/stream.h"
#include "loop/loop.h"
#include "store/store_numbers.h"
#include "store/store_options.h"

struct mr_object;
struct mr_store;
struct mr_store_home;
struct mr_store_writer;
struct mr_store_reader;

#define MR_STORE_UNKNOWN       UINT64_MAX    /* a length that is not announced */
#define MR_STORE_INLINE_MAX    (32 * MR_KIB) /* payloads up to here are kept with their description */
#define MR_STORE_LIST_MAX      1000
#define MR_STORE_PROCESSES_MAX 64

/* ---- the directory: once for all processes of the server ---- */

struct mr_store_home_config {
    const struct mr_store_settings *settings; /* borrowed for as long as the home */
    /* mr_store_shared_size() zeroed bytes that all processes map, aligned as by mmap(2). Borrowed. */
    void *shared;
    bool may_wait; /* sockets were passed: wait up to --lock-wait for the server before us to end */
};

size_t mr_store_shared_size(void);
/* Make or check the directory, lock it, and complete or undo what an earlier server left. The lock is held until close,
 * and by each process that was forked meanwhile. MR_OK; or the fault's detail is for a person: MR_EBUSY names the
 * process that holds it, MR_EPARAM says what is wrong with the directory. */
int mr_store_home_open(struct mr_store_home **out, const struct mr_store_home_config *config, struct mr_fault *fault);
/* A directory in it for what can be made again, such as a cache; made where it is missing. The caller closes *fd.
 * MR_OK, or the fault's detail is for a person. */
int mr_store_home_directory(int *fd, const struct mr_store_home *home, const char *name, struct mr_fault *fault);
/* Clears *home; NULL has no effect. */
void mr_store_home_close(struct mr_store_home **home);

/* ---- the store: one in each process ---- */

struct mr_store_config {
    struct mr_store_home *home;       /* borrowed, as all here */
    unsigned process;                 /* its index among the processes */
    struct mr_budget *memory;         /* what bodies on their way hold */
    struct mr_store_numbers *numbers; /* of this process; not zeroed, as they outlive it */
};

/* Start its threads; and, where it replaces a process that died, sweep what that one left. */
int mr_store_create(struct mr_store **out, const struct mr_store_config *config, struct mr_fault *fault);
/* Nothing may be under way: each operation counts as a request of its loop (mr_loop_request_begin) until it is over.
 * Clears *store; NULL has no effect. */
void mr_store_destroy(struct mr_store **store);

struct mr_store_totals {
    uint64_t objects, bytes; /* of payloads */
};

/* What is kept: what the scrub's last walk saw (scrub.h) and what was committed and deleted since, by all processes.
 * False: no walk has ended yet. Any thread. */
bool mr_store_totals(const struct mr_store *store, struct mr_store_totals *out);

/* Would the disk have what is to stay free (--min-free) with `bytes` more, beside what uploads have reserved? Asks the
 * file system: any thread but a loop. */
bool mr_store_has_room(struct mr_store *store, uint64_t bytes);

/* ---- writing ---- */

struct mr_store_writer_events {
    /* The stream has ended and all of it was taken: commit, or destroy. */
    void (*complete)(void *context);
    /* There is no room, or the disk fails: the stream was cancelled. Nothing is left behind. */
    void (*failed)(void *context, const struct mr_fault *fault);
    /* The sender aborted. */
    void (*aborted)(void *context, const struct mr_fault *why);
};

/* A new object. length: bytes to come as far as announced, or MR_STORE_UNKNOWN; they are reserved on the disk. MR_OK,
 * MR_ENOSPACE or MR_EMEMORY. */
int mr_store_writer_create(struct mr_store_writer **out, struct mr_store *store, struct mr_loop *loop, uint64_t length,
                           const struct mr_store_writer_events *events, void *context, struct mr_fault *fault);
/* The ID that the object will have. */
const char *mr_store_writer_id(const struct mr_store_writer *writer);
/* Become the receiver of `stream`; exactly one of the events follows, perhaps before this returns, unless the writer is
 * destroyed before. It takes references (push_ref) without a copy. */
void mr_store_writer_attach(struct mr_store_writer *writer, struct mr_stream *stream);
/* Bytes that came so far. */
uint64_t mr_store_writer_size(const struct mr_store_writer *writer);

/* fault NULL: the object is on the disk, whatever happens from now on. `object` is then as it was stored; else NULL. */
typedef void mr_store_committed(void *context, const struct mr_fault *fault, const struct mr_object *object);
/* After complete(): keep it, with what `object` says of it (copied). ID, size, rev and the times are the store's and
 * are filled in. Called once; committed() comes in a later turn, also when the writer was destroyed meanwhile. */
void mr_store_writer_commit(struct mr_store_writer *writer, const struct mr_object *object,
                            mr_store_committed *committed, void *context);
/* Called on a thread of the store with the payload of a short object (MR_STORE_INLINE_MAX), before it is written: what
 * takes too long for a loop, a digest, is done here. Complete the object (as `apply` of mr_store_change() may), or
 * refuse it: an error with *fault filled. context: that of the commit. */
typedef int mr_store_finish(struct mr_object *object, struct mr_slice payload, void *context, struct mr_fault *fault);
/* Before the commit, of a writer of at most MR_STORE_INLINE_MAX bytes. */
void mr_store_writer_finish_by(struct mr_store_writer *writer, mr_store_finish *finish);
/* At any time, also inside its callbacks. What was not committed is thrown away, the stream is cancelled if it is open;
 * a commit that has begun goes on. Clears *writer; NULL has no effect. */
void mr_store_writer_destroy(struct mr_store_writer **writer);

/* ---- reading ---- */

/* fault NULL: the object is there. */
typedef void mr_store_opened(void *context, const struct mr_fault *fault);
/* *out is set before opened() is called, which may happen before this returns: what the kernel has in its cache is read
 * at once. The reader is to be closed in any case. When there is no memory *out becomes NULL and the fault says so. */
void mr_store_open(struct mr_store_reader **out, struct mr_store *store, struct mr_loop *loop, struct mr_slice id,
                   mr_store_opened *opened, void *context);
/* As mr_store_open(), for one whose payload is not read: no file of it is opened, so it may be found to be gone later.
 * mr_store_load() works with it, mr_store_read() does not. */
void mr_store_describe(struct mr_store_reader **out, struct mr_store *store, struct mr_loop *loop, struct mr_slice id,
                       mr_store_opened *opened, void *context);
/* No opened() follows any more. Streams that were begun go on. Clears *reader; NULL has no effect. */
void mr_store_reader_close(struct mr_store_reader **reader);
/* Another reader's reference to the same object, for what outlives the first: closed on its own. */
struct mr_store_reader *mr_store_reader_share(struct mr_store_reader *reader);

/* After it was opened, until it is closed: */
const struct mr_object *mr_store_reader_object(const struct mr_store_reader *reader);
/* Has nothing changed its description since it was read, and is it not deleted? Without touching the disk; false also
 * when another object changed whose place in the table of generations is the same. */
bool mr_store_reader_is_current(const struct mr_store_reader *reader);
/* The whole payload, where it is kept with the description. */
bool mr_store_reader_bytes(const struct mr_store_reader *reader, struct mr_slice *out);
/* Become the sender of `stream`: `length` bytes from `offset`, which must lie within the payload, and then the end.
 * When they cannot be read the stream is aborted, never ended short. A receiver that takes parts of files, and is there
 * already, is lent long payloads as such, and cuts what it cannot read of them itself. Also several streams at a time.
 * MR_OK; or MR_EBUDGET or MR_EMEMORY, and the stream is untouched. */
int mr_store_read(struct mr_store_reader *reader, uint64_t offset, uint64_t length, struct mr_stream *stream,
                  struct mr_fault *fault);

/* ---- the whole payload in memory, for a computation on another thread ---- */

struct mr_store_bytes;
/* fault NULL: they are there. */
typedef void mr_store_loaded(void *context, const struct mr_fault *fault);

/* Have the payload of an object that was opened in memory: as it lies with the description, as a map of its file, or
 * as a copy. Its size is taken from the memory budget, but for the first. *out is set before loaded() is called, which
 * may happen before this returns. The reader may be closed meanwhile. Faults: MR_EBUDGET, MR_EMEMORY, MR_EIO;
 * MR_ENOTFOUND: it was deleted since it was described; MR_EPIXELS: it is larger than the budget. */
void mr_store_load(struct mr_store_bytes **out, struct mr_store_reader *reader, mr_store_loaded *loaded, void *context);
/* After it was loaded. */
struct mr_slice mr_store_bytes_slice(const struct mr_store_bytes *bytes);
/* Any thread, once, when the bytes are not needed any more: gives back memory, which is nothing for a loop. */
void mr_store_bytes_drop(struct mr_store_bytes *bytes);
/* No loaded() follows any more. What was not dropped is dropped on another thread. Clears *bytes; NULL has no effect.
 */
void mr_store_bytes_close(struct mr_store_bytes **bytes);

/* ---- changing, deleting ---- */

/* fault NULL: it is done and on the disk. object: as it is now, valid during the call; NULL after a failure or a delete
 * (after MR_EPRECONDITION: as it is). */
typedef void mr_store_changed(void *context, const struct mr_fault *fault, const struct mr_object *object);

struct mr_store_change {
    struct mr_slice id;
    uint64_t rev; /* that it must have, else MR_EPRECONDITION; 0: any */
    /* Change the description (name, type, focal, tags, meta; not ID, size, rev or times, which are the store's). Called
     * on a thread of the store, once; an error with *fault filled refuses the change. */
    int (*apply)(struct mr_object *object, void *context, struct mr_fault *fault);
    mr_store_changed *done; /* exactly once, in a later turn */
    void *context;          /* of both */
};

/* Changes of one object are made one after the other, whichever process makes them. */
void mr_store_change(struct mr_store *store, struct mr_loop *loop, const struct mr_store_change *change);
/* When done() is called it is gone; its bytes are removed afterwards. Reads that have begun go on. */
void mr_store_delete(struct mr_store *store, struct mr_loop *loop, struct mr_slice id, mr_store_changed *done,
                     void *context);

/* ---- listing ---- */

/* objects: valid during the call, `count` of them in order. has_more: others follow. What is damaged is left out. */
typedef void mr_store_listed(void *context, const struct mr_fault *fault, const struct mr_object *objects, size_t count,
                             bool has_more);

/* Called on a file thread before a done() without a fault, with what that will be given: what takes too long
 * for a loop, a text of 1,000 objects, is made here. It must touch nothing that the loop touches meanwhile. */
typedef void mr_store_prepare(void *context, const struct mr_object *objects, size_t count, bool has_more);

struct mr_store_list {
    struct mr_slice after; /* an ID, which need not exist: begin behind it in that order; empty: at the begin */
    bool oldest_first;
    size_t limit;              /* 1 to MR_STORE_LIST_MAX */
    mr_store_prepare *prepare; /* NULL: nothing is to be made */
    mr_store_listed *done;
    void *context; /* of both */
};

void mr_store_list(struct mr_store *store, struct mr_loop *loop, const struct mr_store_list *list);

#endif
