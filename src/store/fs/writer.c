/* DESIGN. Bytes that came and are not written yet stand in one queue, copied or borrowed. As long as all of them may
 * stay with the description (MR_STORE_INLINE_MAX) nothing touches the disk. With the first byte more a file is opened;
 * from then on a file thread writes what the queue holds, one write at a time, while more is appended behind it.
 *
 *      TAKING --(end, all written)--> COMPLETE --(commit)--> COMMITTING
 *         |                               |
 *         +----> OVER (failed, aborted, destroyed) <-----+
 *
 * The pool has `runs`, `fd`, `written`, `written_back` and `reserve` while the request is submitted. A slow sender's
 * bytes are written WRITE_MIN at a time, a fast one's as many as came during the last write. */
#include "store/fs/writer.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/magic.h"
#include "store/fs/layout.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_MAGIC 0x77726974u /* "writ" */

#define WRITE_MIN  MR_STORE_INLINE_MAX
#define QUEUE_HIGH (256 * MR_KIB) /* behind the write that runs: then the sender is paused */
#define QUEUE_LOW  (64 * MR_KIB)
#define SMALL_REF  (4 * MR_KIB) /* is copied, as a write takes MR_WRITER_RUNS_MAX runs */
#define BACK_STEP  (8 * MR_MIB) /* written back at a time, so that the last sync has little to do */
#define UNKEPT     "The upload cannot be stored"

static void settle_writer(struct mr_store_writer *writer);

/* ---- those of a loop ---- */

static void note_oldest(const struct mr_store_writer *writer, const struct mr_writers *writers)
{
    _Atomic uint64_t *oldest = &writer->store->numbers->oldest_upload_at[mr_loop_index(writer->loop)];
    atomic_store_explicit(oldest, writers->first != NULL ? writers->first->began_at : 0, memory_order_relaxed);
}

static struct mr_writers *writers_of(const struct mr_store_writer *writer)
{
    MR_ASSERT(mr_loop_index(writer->loop) < MR_STORE_LOOPS_MAX);
    return &writer->store->writers[mr_loop_index(writer->loop)];
}

static void join_writers(struct mr_store_writer *writer)
{
    struct mr_writers *writers = writers_of(writer);
    writer->began_at = mr_loop_now(writer->loop);
    writer->prev = writers->last;
    *(writers->last != NULL ? &writers->last->next : &writers->first) = writer;
    writers->last = writer;
    note_oldest(writer, writers);
}

static void leave_writers(const struct mr_store_writer *writer)
{
    struct mr_writers *writers = writers_of(writer);
    *(writer->prev != NULL ? &writer->prev->next : &writers->first) = writer->next;
    *(writer->next != NULL ? &writer->next->prev : &writers->last) = writer->prev;
    note_oldest(writer, writers);
}

/* ---- the end ---- */

static void give_back_queue(struct mr_store_writer *writer)
{
    mr_budget_give_back(writer->store->memory, writer->queue.len);
    mr_buf_reset(&writer->queue);
}

static void free_writer(struct mr_store_writer *writer)
{
    struct mr_store *store = writer->store;
    struct mr_loop *loop = writer->loop;
    leave_writers(writer);
    give_back_queue(writer);
    mr_reserve_give(&writer->reserve, writer->reserve.bytes);
    mr_meta_free(&writer->commit.meta);
    free(writer->payload);
    free(writer);
    atomic_fetch_sub_explicit(&store->numbers->uploads_open, 1, memory_order_relaxed);
    mr_store_end(store, loop);
}

static void segment_name(const struct mr_store_writer *writer, char out[MR_LAYOUT_NAME_SIZE])
{
    struct mr_layout_name name = {.kind = MR_LAYOUT_SEGMENT, .segment = 1, .process = writer->store->process};
    memcpy(name.id, writer->id, sizeof(name.id));
    mr_layout_upload(out, &name);
}

/* On the pool. What cannot be removed is removed at the next start. */
static int work_remove_upload(struct mr_file_request *request)
{
    struct mr_store_writer *writer = mr_container_of(request, struct mr_store_writer, request);
    struct mr_disk_failure failure;
    char name[MR_LAYOUT_NAME_SIZE];
    if (writer->fd >= 0)
        mr_disk_close(&writer->fd, &request->failure);
    segment_name(writer, name);
    int err = mr_disk_unlink(writer->store->home->uploads, name, 0, &request->failure);
    mr_room_ask(&writer->store->room, &failure); /* the next upload shall see what became free */
    return err;
}

static void on_upload_removed(struct mr_file_request *request)
{
    struct mr_store_writer *writer = mr_container_of(request, struct mr_store_writer, request);
    mr_writer_enter(writer);
    writer->has_file = false;
    mr_writer_leave(writer);
}

/* Nothing of it is kept: remove its file, if there is one and the pool does not write to it. */
static void throw_away(struct mr_store_writer *writer)
{
    give_back_queue(writer);
    mr_reserve_give(&writer->reserve, writer->reserve.bytes);
    if (!writer->has_file)
        return;
    writer->request.done = on_upload_removed;
    mr_file_run(&writer->request, work_remove_upload);
}

void mr_writer_enter(struct mr_store_writer *writer)
{
    MR_ON_LOOP(writer->loop);
    mr_guard_enter(&writer->guard);
}

void mr_writer_leave(struct mr_store_writer *writer)
{
    if (!mr_guard_leave(&writer->guard) || writer->state == MR_WRITER_COMMITTING || writer->is_posted ||
        !mr_file_is_idle(&writer->request))
        return; /* what is under way frees it */
    if (writer->has_file)
        throw_away(writer);
    else
        free_writer(writer);
}

/* It is over, and nothing is kept. */
static void end_taking(struct mr_store_writer *writer)
{
    writer->state = MR_WRITER_OVER;
    writer->stream = NULL;
    if (mr_file_is_idle(&writer->request))
        throw_away(writer);
}

static void fail_writer(struct mr_store_writer *writer, const struct mr_fault *why)
{
    struct mr_stream *stream = writer->has_ended ? NULL : writer->stream;
    end_taking(writer);
    if (stream != NULL)
        mr_stream_cancel(stream, why);
    if (!writer->guard.destroyed)
        writer->events->failed(writer->context, why);
}

/* ---- on the pool ---- */

static int open_upload(struct mr_store_writer *writer)
{
    struct mr_file_request *request = &writer->request;
    char name[MR_LAYOUT_NAME_SIZE];
    segment_name(writer, name);
    return mr_disk_open(&writer->fd, NULL, writer->store->home->uploads, name, O_WRONLY | O_CREAT | O_EXCL, 0600,
                        &request->failure);
}

/* Room for what is to be written, and for what was announced. */
static int reserve_run(struct mr_store_writer *writer)
{
    struct mr_room *room = &writer->store->room;
    uint64_t wanted = writer->run_bytes > writer->reserve.bytes ? MR_RESERVE_STEP : 0;
    if (writer->written == 0 && writer->announced > writer->reserve.bytes)
        wanted = writer->announced - writer->reserve.bytes;
    if (wanted == 0 && writer->written > 0)
        return MR_OK;
    int err = mr_room_ask(room, &writer->request.failure);
    if (err != MR_OK)
        return mr_store_write_fault(&writer->fault, &writer->request.failure, UNKEPT);
    return mr_reserve_take(&writer->reserve, wanted, true, &writer->fault);
}

static int write_upload_run(struct mr_store_writer *writer)
{
    struct mr_disk_failure *failure = &writer->request.failure;
    int err = writer->fd < 0 ? open_upload(writer) : MR_OK;
    if (err == MR_OK)
        err = mr_disk_write_runs(writer->fd, writer->runs, writer->run_count, writer->written, failure);
    if (err != MR_OK)
        return err;
    writer->written += writer->run_bytes;
    mr_reserve_give(&writer->reserve, writer->run_bytes);
    uint64_t behind = writer->written - writer->written_back;
    if (!writer->store->home->is_durable || behind < BACK_STEP)
        return MR_OK;
    err = mr_disk_write_back(writer->fd, writer->written_back, behind, failure);
    writer->written_back = writer->written;
    return err;
}

static int work_write_run(struct mr_file_request *request)
{
    struct mr_store_writer *writer = mr_container_of(request, struct mr_store_writer, request);
    int err = reserve_run(writer);
    if (err != MR_OK)
        return err;
    err = write_upload_run(writer);
    return err == MR_OK ? MR_OK : mr_store_write_fault(&writer->fault, &request->failure, UNKEPT);
}

/* ---- on the loop ---- */

static void on_run_written(struct mr_file_request *request)
{
    struct mr_store_writer *writer = mr_container_of(request, struct mr_store_writer, request);
    mr_writer_enter(writer);
    writer->has_file = writer->fd >= 0;
    if (request->err == MR_OK) {
        mr_budget_give_back(writer->store->memory, writer->run_bytes);
        mr_buf_consume(&writer->queue, writer->run_bytes);
    }
    if (writer->state == MR_WRITER_OVER) {
        throw_away(writer);
    } else if (request->err != MR_OK) {
        mr_store_report(writer->store, &writer->fault, request->label);
        fail_writer(writer, &writer->fault);
    } else {
        settle_writer(writer);
    }
    mr_writer_leave(writer);
}

static void start_write(struct mr_store_writer *writer)
{
    writer->run_count = mr_buf_peek(&writer->queue, writer->runs, MR_WRITER_RUNS_MAX);
    writer->run_bytes = 0;
    for (int i = 0; i < writer->run_count; i++)
        writer->run_bytes += writer->runs[i].iov_len;
    writer->request.done = on_run_written;
    mr_file_run(&writer->request, work_write_run);
}

static bool is_write_due(const struct mr_store_writer *writer)
{
    return !mr_writer_is_short(writer) &&
           (writer->queue.len >= WRITE_MIN || (writer->has_ended && writer->queue.len > 0));
}

static void on_writer_turn(struct mr_inbox_node *node)
{
    struct mr_store_writer *writer = mr_container_of(node, struct mr_store_writer, turn);
    mr_writer_enter(writer);
    writer->is_posted = false;
    if (writer->state == MR_WRITER_TAKING && mr_file_is_idle(&writer->request) && is_write_due(writer))
        start_write(writer);
    mr_writer_leave(writer);
}

/* In the next turn, as more may come in this one: handing a write over costs as much as the write. */
static void post_write(struct mr_store_writer *writer)
{
    if (writer->is_posted)
        return;
    writer->is_posted = true;
    writer->turn.deliver = on_writer_turn;
    mr_loop_post(writer->loop, &writer->turn);
}

bool mr_writer_is_short(const struct mr_store_writer *writer)
{
    return writer->size <= MR_STORE_INLINE_MAX;
}

/* Bytes that no write has taken. */
static size_t bytes_waiting(const struct mr_store_writer *writer)
{
    return writer->queue.len - (mr_file_is_idle(&writer->request) ? 0 : writer->run_bytes);
}

static void complete_upload(struct mr_store_writer *writer)
{
    writer->state = MR_WRITER_COMPLETE;
    writer->stream = NULL;
    writer->events->complete(writer->context);
}

/* Whatever happened: what has become possible. */
static void settle_writer(struct mr_store_writer *writer)
{
    if (writer->state != MR_WRITER_TAKING)
        return;
    bool is_idle = mr_file_is_idle(&writer->request);
    if (is_idle && is_write_due(writer))
        post_write(writer);
    else if (is_idle && writer->has_ended)
        complete_upload(writer);
    if (writer->state == MR_WRITER_TAKING && writer->is_paused && !writer->has_ended &&
        bytes_waiting(writer) <= QUEUE_LOW) {
        writer->is_paused = false;
        mr_stream_resume(writer->stream);
    }
}

/* True: the bytes may be appended to the queue. */
static bool charge_upload(struct mr_store_writer *writer, size_t len)
{
    struct mr_fault fault;
    struct mr_budget *memory = writer->store->memory;
    if (writer->state != MR_WRITER_TAKING)
        return false;
    if (mr_budget_try_take(memory, len)) {
        writer->size += len;
        return true;
    }
    mr_fault_limit(&fault, MR_EBUDGET, "memory-budget", memory->limit, mr_budget_used(memory) + len);
    fail_writer(writer, &fault);
    return false;
}

static enum mr_flow end_writer_push(struct mr_store_writer *writer)
{
    settle_writer(writer);
    writer->is_paused = writer->state != MR_WRITER_TAKING || bytes_waiting(writer) >= QUEUE_HIGH;
    bool is_paused = writer->is_paused;
    mr_writer_leave(writer);
    return is_paused ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static enum mr_flow on_upload_push(void *context, const void *bytes, size_t len)
{
    struct mr_store_writer *writer = mr_from_context(context, struct mr_store_writer, WRITER_MAGIC);
    mr_writer_enter(writer);
    if (charge_upload(writer, len))
        mr_buf_append(&writer->queue, bytes, len);
    return end_writer_push(writer);
}

static enum mr_flow on_upload_push_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner),
                                       void *owner)
{
    struct mr_store_writer *writer = mr_from_context(context, struct mr_store_writer, WRITER_MAGIC);
    if (len < SMALL_REF) {
        enum mr_flow flow = on_upload_push(context, bytes, len);
        release(owner);
        return flow;
    }
    mr_writer_enter(writer);
    if (charge_upload(writer, len))
        mr_buf_append_ref(&writer->queue, bytes, len, release, owner);
    else
        release(owner);
    return end_writer_push(writer);
}

static void on_upload_end(void *context)
{
    struct mr_store_writer *writer = mr_from_context(context, struct mr_store_writer, WRITER_MAGIC);
    mr_writer_enter(writer);
    writer->has_ended = true;
    settle_writer(writer);
    mr_writer_leave(writer);
}

static void on_upload_abort(void *context, const struct mr_fault *why)
{
    struct mr_store_writer *writer = mr_from_context(context, struct mr_store_writer, WRITER_MAGIC);
    mr_writer_enter(writer);
    writer->has_ended = true;
    end_taking(writer);
    if (!writer->guard.destroyed)
        writer->events->aborted(writer->context, why);
    mr_writer_leave(writer);
}

static const struct mr_stream_receiver receiver = {
    .push = on_upload_push, .end = on_upload_end, .abort = on_upload_abort, .push_ref = on_upload_push_ref};

void mr_store_writer_attach(struct mr_store_writer *writer, struct mr_stream *stream)
{
    MR_ASSERT(writer->state == MR_WRITER_TAKING && writer->stream == NULL);
    mr_writer_enter(writer);
    writer->stream = stream;
    mr_stream_attach_receiver(stream, &receiver, writer);
    mr_writer_leave(writer);
}

/* ---- from outside ---- */

int mr_store_writer_create(struct mr_store_writer **out, struct mr_store *store, struct mr_loop *loop, uint64_t length,
                           const struct mr_store_writer_events *events, void *context, struct mr_fault *fault)
{
    struct mr_store_writer *writer = calloc(1, sizeof(*writer));
    *out = NULL;
    if (writer == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    writer->magic = WRITER_MAGIC;
    writer->reserve.room = &store->room;
    writer->announced = length == MR_STORE_UNKNOWN ? 0 : length;
    int err = mr_room_check(&store->room, writer->announced, fault);
    if (err == MR_OK)
        err = mr_reserve_take(&writer->reserve, MR_MIN(length, MR_RESERVE_STEP), false, fault);
    if (err != MR_OK) {
        free(writer);
        return err;
    }
    writer->store = store;
    writer->loop = loop;
    writer->events = events;
    writer->context = context;
    writer->fd = -1;
    mr_ulid_make(writer->id, (int64_t)(mr_clock_wall() / MR_NS_PER_MS));
    mr_buf_init(&writer->queue, QUEUE_LOW, QUEUE_HIGH);
    mr_file_init(&writer->request, loop, MR_LABEL_STORE_WRITE, on_run_written);
    mr_store_begin(store, loop);
    mr_store_count(&store->numbers->uploads_open, 1);
    join_writers(writer);
    *out = writer;
    return MR_OK;
}

const char *mr_store_writer_id(const struct mr_store_writer *writer)
{
    return writer->id;
}

uint64_t mr_store_writer_size(const struct mr_store_writer *writer)
{
    return writer->size;
}

void mr_store_writer_destroy(struct mr_store_writer **out)
{
    struct mr_store_writer *writer = *out;
    struct mr_fault fault;
    *out = NULL;
    if (writer == NULL)
        return;
    mr_writer_enter(writer);
    mr_guard_destroy(&writer->guard);
    if (writer->state == MR_WRITER_TAKING && writer->stream != NULL && !writer->has_ended) {
        struct mr_stream *stream = writer->stream;
        writer->stream = NULL;
        mr_fault_set(&fault, MR_ECANCELLED, NULL);
        mr_stream_cancel(stream, &fault);
    }
    if (writer->state != MR_WRITER_COMMITTING)
        writer->state = MR_WRITER_OVER;
    mr_writer_leave(writer);
}
