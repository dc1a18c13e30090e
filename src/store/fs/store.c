#include "base/log.h"
#include "store/fs/cache.h"
#include "store/fs/change.h"
#include "store/fs/commit.h"
#include "store/fs/fs.h"
#include "store/fs/recover.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOAD_THREADS 4 /* and as nice as file threads */

/* ---- operations under way ---- */

void mr_store_begin(struct mr_store *store, struct mr_loop *loop)
{
    /* Relaxed: read by destroy alone, after the loops. */
    atomic_fetch_add_explicit(&store->pending, 1, memory_order_relaxed);
    mr_loop_request_begin(loop);
}

void mr_store_end(struct mr_store *store, struct mr_loop *loop)
{
    mr_loop_request_end(loop);
    atomic_fetch_sub_explicit(&store->pending, 1, memory_order_relaxed);
}

/* ---- failures ---- */

int mr_store_report(struct mr_store *store, const struct mr_fault *fault, enum mr_label label)
{
    static _Atomic uint64_t reported_at;
    struct mr_log_line line;
    mr_store_count(&store->numbers->failed, 1);
    if (!mr_log_is_due(&reported_at))
        return fault->error;
    mr_log_begin(&line, MR_LOG_ERROR, fault->detail[0] != '\0' ? fault->detail : mr_error_text(fault->error));
    mr_log_text(&line, "label", mr_label_text(label));
    mr_log_end(&line);
    return fault->error;
}

int mr_store_write_fault(struct mr_fault *fault, const struct mr_disk_failure *failure, const char *what)
{
    if (mr_disk_fault(fault, failure, what) == MR_EIO)
        fault->error = MR_EWRITE;
    return fault->error;
}

/* ---- numbers ---- */

bool mr_store_has_room(struct mr_store *store, uint64_t bytes)
{
    return mr_room_has(&store->room, bytes);
}

bool mr_store_totals(const struct mr_store *store, struct mr_store_totals *out)
{
    return mr_tally_read(&store->home->shared->tally, &out->objects, &out->bytes);
}

/* ---- life ---- */

static int start_committers(struct mr_store *store, unsigned kind, const char *name)
{
    const struct mr_syncer_config config = {.name = name,
                                            .threads = MR_COMMIT_THREADS,
                                            .group = mr_commit_group,
                                            .context = &store->committers[(size_t)kind * MR_COMMIT_THREADS]};
    return mr_syncer_create(&store->committing[kind], &config);
}

static int start_store_threads(struct mr_store *store, struct mr_fault *fault)
{
    const struct mr_syncer_config changer = {.name = "store-change", .group = mr_change_group, .context = store};
    const struct mr_syncer_config loader = {
        .name = "store-load", .threads = LOAD_THREADS, .nicer = 5, .patient = true, .singly = true};
    int err = start_committers(store, MR_COMMIT_SHORT, "store-short");
    if (err == MR_OK)
        err = start_committers(store, MR_COMMIT_LONG, "store-long");
    if (err == MR_OK)
        err = mr_syncer_create(&store->changer, &changer);
    if (err == MR_OK)
        err = mr_syncer_create(&store->loader, &loader);
    return err == MR_OK ? MR_OK : mr_fault_set(fault, err, "the store's threads cannot be started");
}

/* A process that had this place before, in the same run of the server, has died. */
static int sweep(struct mr_store *store, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    uint64_t removed = 0;
    int err = mr_locks_open(&store->locks, store->home, &failure);
    if (err == MR_OK)
        err = mr_room_ask(&store->room, &failure);
    if (err != MR_OK)
        return mr_disk_fault(fault, &failure, store->home->settings->data);
    mr_home_outdate_all(store->home);
    err = mr_recover_process(store->home, store->locks, store->process, &removed, fault);
    removed += atomic_exchange_explicit(&store->home->shared->debris_removed, 0, memory_order_relaxed);
    mr_store_count(&store->numbers->debris_removed, removed);
    return err;
}

int mr_store_create(struct mr_store **out, const struct mr_store_config *config, struct mr_fault *fault)
{
    struct mr_store *store = calloc(1, sizeof(*store));
    *out = NULL;
    if (store == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    MR_ASSERT(config->process < MR_STORE_PROCESSES_MAX);
    store->magic = MR_STORE_MAGIC;
    store->home = config->home;
    store->memory = config->memory;
    store->numbers = config->numbers;
    store->process = config->process;
    store->locks = -1;
    mr_crew_init(&store->crew);
    mr_room_init(&store->room, config->home, config->numbers, config->process);
    mr_tally_forget(&config->home->shared->tally, config->process);
    for (unsigned i = 0; i < MR_STORE_COMMITTERS; i++) {
        store->committers[i].magic = MR_COMMITTER_MAGIC;
        store->committers[i].store = store;
        store->committers[i].numbers = &config->numbers->committers[i];
        mr_directories_init(&store->committers[i].directories, config->home);
        mr_crew_init(&store->committers[i].crew);
    }
    int err = sweep(store, fault);
    if (err == MR_OK)
        err = start_store_threads(store, fault);
    if (err != MR_OK)
        mr_store_destroy(&store);
    *out = store;
    return err;
}

void mr_store_destroy(struct mr_store **out)
{
    struct mr_store *store = *out;
    *out = NULL;
    if (store == NULL)
        return;
    MR_ASSERT(atomic_load_explicit(&store->pending, memory_order_relaxed) == 0);
    mr_syncer_destroy(&store->loader);
    mr_syncer_destroy(&store->changer);
    mr_crew_close(&store->crew);
    for (unsigned i = 0; i < MR_COMMIT_KINDS; i++)
        mr_syncer_destroy(&store->committing[i]);
    for (unsigned i = 0; i < MR_STORE_COMMITTERS; i++) {
        mr_crew_close(&store->committers[i].crew);
        mr_directories_close(&store->committers[i].directories);
    }
    if (store->locks >= 0)
        close(store->locks);
    mr_cache_close(store);
    free(store);
}
