#define _GNU_SOURCE 1 /* RENAME_NOREPLACE */
#include "store/fs/commit.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/magic.h"
#include "store/fs/layout.h"
#include "store/fs/metafile.h"
#include "store/fs/recover.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNKEPT "The object cannot be stored"

static struct mr_commit *commit_of(struct mr_file_request *request)
{
    return mr_container_of(request, struct mr_commit, request);
}

static bool is_commit_well(const struct mr_commit *commit)
{
    return commit->request.err == MR_OK;
}

static void fail_commit(struct mr_commit *commit, const struct mr_disk_failure *failure)
{
    commit->request.err = mr_store_write_fault(&commit->fault, failure, UNKEPT);
    mr_store_report(commit->store, &commit->fault, commit->request.label);
}

static void commit_upload_name(char out[MR_LAYOUT_NAME_SIZE], const struct mr_commit *commit, enum mr_layout_kind kind,
                               unsigned segment)
{
    struct mr_layout_name name = {.kind = kind, .segment = segment, .process = commit->store->process};
    memcpy(name.id, commit->meta.object.id, sizeof(name.id));
    mr_layout_upload(out, &name);
}

/* ---- 1: the meta ---- */

static void write_commit_meta(struct mr_commit *commit)
{
    struct mr_disk_failure failure;
    char *bytes, name[MR_LAYOUT_NAME_SIZE];
    size_t len;
    commit->request.err = mr_meta_encode(&commit->meta, &bytes, &len, &commit->fault);
    if (!is_commit_well(commit))
        return;
    commit_upload_name(name, commit, MR_LAYOUT_META, 0);
    const struct mr_store_home *home = commit->store->home;
    int err = mr_metafile_write(&commit->meta_fd, home->uploads, name, (struct mr_slice){bytes, len}, &failure);
    free(bytes);
    commit->has_meta = commit->meta_fd >= 0;
    if (err != MR_OK)
        fail_commit(commit, &failure);
}

/* ---- 2: the bytes ---- */

/* Closing is what tells of some failures. */
static void sync_file(struct mr_commit *commit, int *fd)
{
    struct mr_disk_failure failure, closing;
    if (*fd < 0)
        return;
    int err = is_commit_well(commit) && commit->store->home->is_durable ? mr_disk_sync(*fd, &failure) : MR_OK;
    if (err != MR_OK)
        fail_commit(commit, &failure);
    if (mr_disk_close(fd, &closing) != MR_OK && is_commit_well(commit))
        fail_commit(commit, &closing);
}

/* ---- 3 and 4: the place ---- */

static int rename_one(struct mr_commit *commit, enum mr_layout_kind kind, unsigned segment,
                      struct mr_disk_failure *failure)
{
    char from[MR_LAYOUT_NAME_SIZE], to[MR_LAYOUT_NAME_SIZE];
    commit_upload_name(from, commit, kind, segment);
    mr_layout_object(to, commit->meta.object.id, kind, segment);
    int err = mr_disk_rename(commit->store->home->uploads, from, commit->directory, to, RENAME_NOREPLACE, failure);
    commit->renamed += err == MR_OK;
    return err;
}

/* That is the commit. */
static int rename_meta(struct mr_commit *commit, struct mr_disk_failure *failure)
{
    struct mr_tally *tally = &commit->store->home->shared->tally;
    const struct mr_object *object = &commit->meta.object;
    mr_tally_enter(tally, commit->store->process);
    int err = rename_one(commit, MR_LAYOUT_META, 0, failure);
    mr_tally_leave(tally, commit->store->process, object->id, err == MR_OK ? 1 : 0, object->size);
    return err;
}

static void move_to_place(struct mr_committer *committer, struct mr_commit *commit)
{
    struct mr_disk_failure failure;
    const struct mr_meta *meta = &commit->meta;
    int err = mr_directories_make(&committer->directories, &commit->directory, meta->object.id, &failure);
    for (size_t i = 0; i < meta->segment_count && err == MR_OK; i++)
        err = rename_one(commit, MR_LAYOUT_SEGMENT, meta->segments[i].number, &failure);
    if (err == MR_OK)
        err = rename_meta(commit, &failure);
    if (err == MR_OK)
        return;
    fail_commit(commit, &failure);
    mr_directories_forget(&committer->directories);
}

/* ---- 5: the directories ---- */

static bool is_commit_beside(const struct mr_commit *a, const struct mr_commit *b)
{
    return strcmp(a->directory_name, b->directory_name) == 0;
}

/* The directory of the first one, for all that are in it. */
static void sync_commit_directory(struct mr_commit *first)
{
    struct mr_disk_failure failure;
    int err = first->store->home->is_durable ? mr_disk_sync_directory(first->directory, &failure) : MR_OK;
    for (struct mr_file_request *request = &first->request; request != NULL; request = request->next) {
        struct mr_commit *commit = commit_of(request);
        if (!is_commit_well(commit) || !is_commit_beside(commit, first))
            continue;
        commit->is_synced = true;
        if (err != MR_OK)
            fail_commit(commit, &failure);
    }
}

/* ---- what failed ---- */

static void remove_renamed_meta(struct mr_commit *commit)
{
    struct mr_disk_failure failure;
    struct mr_tally *tally = &commit->store->home->shared->tally;
    const struct mr_object *object = &commit->meta.object;
    char name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(name, object->id, MR_LAYOUT_META, 0);
    mr_tally_enter(tally, commit->store->process);
    int err = mr_disk_unlink(commit->directory, name, 0, &failure);
    mr_tally_leave(tally, commit->store->process, object->id, err == MR_OK ? -1 : 0, object->size);
    if (err == MR_OK)
        mr_home_outdate(commit->store->home, object->id); /* a list may have shown it, and a loop read it */
}

/* As if it had never been. What cannot be removed now is removed at the next start. */
static void undo_commit(struct mr_commit *commit)
{
    struct mr_disk_failure failure;
    const struct mr_store_home *home = commit->store->home;
    const struct mr_meta *meta = &commit->meta;
    char name[MR_LAYOUT_NAME_SIZE];
    bool is_meta_renamed = commit->renamed > meta->segment_count;
    if (is_meta_renamed)
        remove_renamed_meta(commit); /* first, so that there is never one without its segments */
    for (unsigned i = 0; i < meta->segment_count; i++) {
        bool is_renamed = i < commit->renamed;
        if (is_renamed)
            mr_layout_object(name, meta->object.id, MR_LAYOUT_SEGMENT, meta->segments[i].number);
        else
            commit_upload_name(name, commit, MR_LAYOUT_SEGMENT, meta->segments[i].number);
        mr_disk_unlink(is_renamed ? commit->directory : home->uploads, name, 0, &failure);
    }
    if (commit->has_meta && !is_meta_renamed) { /* last, as it names the segments */
        commit_upload_name(name, commit, MR_LAYOUT_META, 0);
        mr_disk_unlink(home->uploads, name, 0, &failure);
    }
}

/* ---- the group ---- */

typedef void commit_step(struct mr_committer *committer, struct mr_commit *commit);

/* Is there still room? The bytes of a long one are on the disk by now. */
static void prepare_short(struct mr_committer *committer, struct mr_commit *commit)
{
    struct mr_reserve reserve = {.room = &committer->store->room};
    struct mr_meta *meta = &commit->meta;
    commit->request.err = mr_reserve_take(&reserve, 0, true, &commit->fault);
    if (is_commit_well(commit) && commit->finish != NULL)
        commit->request.err = commit->finish(&meta->object, meta->payload, commit->finish_context, &commit->fault);
}

static void prepare_commit(struct mr_committer *committer, struct mr_commit *commit)
{
    if (commit->fd < 0)
        prepare_short(committer, commit);
    if (is_commit_well(commit))
        write_commit_meta(commit);
}

/* On any thread of the crew. The files are closed in any case. */
static void sync_files(struct mr_file_request *request)
{
    struct mr_commit *commit = commit_of(request);
    sync_file(commit, &commit->fd);
    sync_file(commit, &commit->meta_fd);
}

/* Side by side, as they wait for the disk; without syncs there is nothing to wait for. */
static void sync_group(struct mr_committer *committer, struct mr_file_request *first)
{
    if (committer->store->home->is_durable) {
        mr_crew_run(&committer->crew, first, sync_files);
        return;
    }
    for (struct mr_file_request *request = first; request != NULL; request = request->next)
        sync_files(request);
}

static void settle_commit(struct mr_committer *committer, struct mr_commit *commit)
{
    (void)committer;
    if (!commit->is_synced)
        sync_commit_directory(commit);
}

static void finish_commit(struct mr_committer *committer, struct mr_commit *commit)
{
    struct mr_store_numbers *numbers = committer->store->numbers;
    if (!is_commit_well(commit)) {
        undo_commit(commit);
    } else {
        mr_store_count(&numbers->objects_written, 1);
        mr_store_count(&numbers->bytes_written, commit->meta.object.size);
        mr_histogram_record(&committer->numbers->commit_ns, mr_clock_now() - commit->began_at);
    }
    if (commit->directory >= 0)
        close(commit->directory);
    commit->directory = -1;
}

/* One step for all of the group, or for those that are well. Returns their number. */
static uint64_t each(struct mr_committer *committer, struct mr_file_request *first, commit_step *step, bool if_well)
{
    uint64_t count = 0;
    for (struct mr_file_request *request = first; request != NULL; request = request->next) {
        struct mr_commit *commit = commit_of(request);
        count++;
        if (!if_well || is_commit_well(commit))
            step(committer, commit);
    }
    return count;
}

void mr_commit_group(void *context, unsigned thread, struct mr_file_request *first)
{
    struct mr_committer *committer = mr_from_context(context, struct mr_committer, MR_COMMITTER_MAGIC) + thread;
    struct mr_disk_failure failure;
    mr_room_ask(&committer->store->room, &failure); /* else what was known is still good enough */
    uint64_t count = each(committer, first, prepare_commit, false);
    sync_group(committer, first);
    each(committer, first, move_to_place, true);
    each(committer, first, settle_commit, true);
    each(committer, first, finish_commit, false);
    mr_histogram_record(&committer->numbers->group, count);
}

void mr_commit_submit(struct mr_commit *commit)
{
    struct mr_store *store = commit->store;
    unsigned which = commit->meta.segment_count == 0 ? MR_COMMIT_SHORT : MR_COMMIT_LONG;
    commit->meta_fd = commit->directory = -1;
    commit->renamed = 0;
    commit->has_meta = commit->is_synced = false;
    mr_ulid_directory(commit->directory_name, commit->meta.object.id);
    commit->began_at = mr_clock_now();
    mr_file_run_on(&commit->request, store->committing[which], NULL);
}
