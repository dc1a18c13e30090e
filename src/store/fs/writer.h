/* writer.h -- a writer, as writer.c (its stream) and writer_commit.c share it. */
#ifndef MR_STORE_FS_WRITER_H
#define MR_STORE_FS_WRITER_H

#include "base/buf.h"
#include "base/guard.h"
#include "store/fs/commit.h"

#define MR_WRITER_RUNS_MAX 64 /* of memory that one write takes */

enum mr_writer_state { MR_WRITER_TAKING, MR_WRITER_COMPLETE, MR_WRITER_COMMITTING, MR_WRITER_OVER };

struct mr_store_writer {
    uint32_t magic;
    struct mr_store *store;
    struct mr_loop *loop;
    uint64_t began_at;                   /* monotonic ns */
    uint64_t announced;                  /* bytes; 0: unknown */
    struct mr_store_writer *prev, *next; /* of the loop, by began_at */
    const struct mr_store_writer_events *events;
    void *context;
    struct mr_stream *stream; /* NULL: not attached, or it is over */
    enum mr_writer_state state;
    bool is_paused, has_ended;
    char id[MR_ULID_LEN + 1];
    uint64_t size;       /* bytes that came */
    struct mr_buf queue; /* of those, what is not written; charged to the memory budget */
    struct mr_guard guard;

    struct mr_file_request request; /* write, clean up */
    bool has_file;                  /* in uploads/ */
    int fd;
    uint64_t written, written_back;
    struct mr_reserve reserve;
    struct iovec runs[MR_WRITER_RUNS_MAX];
    int run_count;
    size_t run_bytes;
    bool is_posted; /* `turn` is on its way, and begins a write */
    struct mr_inbox_node turn;
    struct mr_fault fault; /* of the pool's work */

    struct mr_commit commit;
    mr_store_committed *committed;
    void *committed_context;
    char *payload; /* owned: a short one, in one piece */
};

/* Around what is called from outside (guard.h). After leave it may be gone. */
void mr_writer_enter(struct mr_store_writer *writer);
void mr_writer_leave(struct mr_store_writer *writer);
/* All that came so far may stay with the description. */
bool mr_writer_is_short(const struct mr_store_writer *writer);

#endif
