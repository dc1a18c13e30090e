#include "base/macros.h"
#include "store/fs/writer.h"
#include <stdlib.h>
#include <string.h>

static void on_committed(struct mr_file_request *request)
{
    struct mr_commit *commit = mr_container_of(request, struct mr_commit, request);
    struct mr_store_writer *writer = mr_container_of(commit, struct mr_store_writer, commit);
    bool is_well = request->err == MR_OK;
    mr_writer_enter(writer);
    writer->state = MR_WRITER_OVER;
    writer->committed(writer->committed_context, is_well ? NULL : &commit->fault,
                      is_well ? &commit->meta.object : NULL);
    mr_writer_leave(writer);
}

/* What the object is, beside what its owner says of it. */
static int describe_upload(struct mr_store_writer *writer, const struct mr_object *from)
{
    struct mr_meta *meta = &writer->commit.meta;
    int err = mr_object_copy(&meta->object, from);
    if (err != MR_OK)
        return err;
    memcpy(meta->object.id, writer->id, sizeof(meta->object.id));
    meta->object.rev = 1;
    meta->object.size = writer->size;
    meta->object.created_ms = meta->object.changed_ms = mr_ulid_ms(writer->id);
    return MR_OK;
}

static int add_segment(struct mr_store_writer *writer)
{
    struct mr_meta *meta = &writer->commit.meta;
    meta->segments = calloc(1, sizeof(*meta->segments));
    if (meta->segments == NULL)
        return MR_EMEMORY;
    meta->segments[0] = (struct mr_meta_segment){.number = 1, .stored = writer->size, .plain = writer->size};
    meta->segment_count = 1;
    return MR_OK;
}

static int add_payload(struct mr_store_writer *writer)
{
    struct iovec runs[MR_WRITER_RUNS_MAX];
    writer->payload = malloc(MR_MAX((size_t)writer->size, (size_t)1));
    if (writer->payload == NULL)
        return MR_EMEMORY;
    for (size_t at = 0; writer->queue.len > 0;) {
        int count = mr_buf_peek(&writer->queue, runs, MR_WRITER_RUNS_MAX);
        size_t taken = 0;
        for (int i = 0; i < count; i++) {
            memcpy(writer->payload + at + taken, runs[i].iov_base, runs[i].iov_len);
            taken += runs[i].iov_len;
        }
        at += taken;
        mr_budget_give_back(writer->store->memory, taken);
        mr_buf_consume(&writer->queue, taken);
    }
    writer->commit.meta.payload = (struct mr_slice){writer->payload, (size_t)writer->size};
    return MR_OK;
}

/* The work of a commit that cannot even be begun: its response comes in a later turn, too. */
static int work_failed_commit(struct mr_file_request *request)
{
    return mr_container_of(request, struct mr_commit, request)->fault.error;
}

void mr_store_writer_finish_by(struct mr_store_writer *writer, mr_store_finish *finish)
{
    MR_ASSERT(writer->state != MR_WRITER_COMMITTING);
    writer->commit.finish = finish;
}

void mr_store_writer_commit(struct mr_store_writer *writer, const struct mr_object *object,
                            mr_store_committed *committed, void *context)
{
    struct mr_commit *commit = &writer->commit;
    MR_ASSERT(writer->state == MR_WRITER_COMPLETE);
    writer->state = MR_WRITER_COMMITTING;
    writer->committed = committed;
    writer->committed_context = context;
    mr_file_init(&commit->request, writer->loop, MR_LABEL_STORE_COMMIT, on_committed);
    commit->store = writer->store;
    commit->finish_context = context;
    MR_ASSERT(commit->finish == NULL || mr_writer_is_short(writer));
    int err = describe_upload(writer, object);
    if (err == MR_OK)
        err = mr_writer_is_short(writer) ? add_payload(writer) : add_segment(writer);
    if (err == MR_OK) {
        commit->fd = writer->fd; /* with its file: it will be at its place, or removed */
        writer->fd = -1;
        writer->has_file = false;
        mr_commit_submit(commit);
    } else {
        mr_fault_set(&commit->fault, err, NULL);
        mr_file_run(&commit->request, work_failed_commit);
    }
}
