/* DESIGN. A look goes from the index to the record and, when that is not what it should be, back to the index:
 *
 *      LOOKING ----> found: READING (the loop, now or in a later turn, or the pool) ----> done
 *         ^               |
 *         +---------------+  damaged, or its file is gone
 *         |
 *         +----- WAITING, for a process that makes it
 *
 * Other processes say by a semaphore that something is over; a thread sleeps on it, and posts those that waited for it
 * to their loops.
 *
 * Each process writes one file, a record at a time, on a thread: on the pool they would wait for each other, and a slow
 * disk would keep all of it. */
#define _GNU_SOURCE 1 /* pthread_setname_np */
#include "variants/disk_cache.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "io/syncer.h"
#include "variants/open_files.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE_MAX (128 * MR_KIB) /* copied and summed on the loop in some 15 us */
#define READ_LATER_MAX   MR_MIB         /* on the loop, too, but in a later turn: some 100 us */
#define LATER_MAX        (2 * MR_MIB)   /* of such records together: all beyond it is read on the pool */
#define TRIES_MAX        3
#define PENDING_MAX      (64 * MR_MIB) /* bytes that wait to be written */
#define ROOM_BESIDE      (64 * MR_KIB) /* head, table, whole blocks */
#define PAUSE_NS         (10 * MR_NS_PER_S)

struct mr_disk_cache {
    struct mr_disk_cache_config config;
    struct mr_variant_index *index;
    struct mr_open_files files; /* that are read */
    _Atomic uint64_t later;     /* bytes of records that loops read in a later turn */
    _Atomic uint64_t pending;   /* bytes that wait to be written */
    _Atomic uint64_t paused_to; /* monotonic ns: the disk has failed, or is full */

    struct mr_syncer *writer; /* owned: its thread has the next two */
    struct mr_variant_file file;
    bool is_failing; /* the log has it */

    pthread_mutex_t waiting; /* guards the next one, and is locked before the index */
    struct mr_disk_look *waiters;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_over;
};

static void count_disk(_Atomic uint64_t *number, uint64_t amount)
{
    /* Relaxed: numbers that several threads count. */
    atomic_fetch_add_explicit(number, amount, memory_order_relaxed);
}

/* ---- reading a record ---- */

static void look_again(struct mr_disk_look *look);

static void drop_record(struct mr_disk_look *look)
{
    free(look->bytes);
    look->bytes = NULL;
    mr_budget_give_back(look->cache->config.memory, look->charged);
    look->charged = 0;
}

static void end_look(struct mr_disk_look *look, bool is_found)
{
    look->is_found = is_found;
    look->done(look);
}

static void tell_damaged(const struct mr_disk_look *look)
{
    static _Atomic uint64_t told_at;
    struct mr_log_line line;
    char name[MR_VARIANT_FILE_NAME_SIZE];
    count_disk(&look->cache->config.numbers->disk_damaged, 1);
    if (!mr_log_is_due(&told_at))
        return;
    mr_variant_file_name(name, look->place.file);
    mr_log_begin(&line, MR_LOG_WARN, "an image on the disk is damaged, and is made again");
    mr_log_text(&line, "file", name);
    mr_log_int(&line, "offset", look->place.offset);
    mr_log_end(&line);
}

static void tell_unreadable(const struct mr_disk_look *look)
{
    static _Atomic uint64_t told_at;
    struct mr_fault fault;
    count_disk(&look->cache->config.numbers->disk_failed, 1);
    if (!mr_log_is_due(&told_at))
        return;
    mr_disk_fault(&fault, &look->request.failure, "An image on the disk cannot be read, and is made again");
    mr_log(MR_LOG_WARN, "%s", fault.detail);
}

/* MR_OK; or it is damaged, or its file was removed meanwhile, and is empty. */
static int check_record(struct mr_disk_look *look, size_t got)
{
    const struct mr_slice bytes = {.at = look->bytes, .len = got};
    if (mr_variant_record_decode(&look->record, &look->image, bytes, &look->key))
        return MR_OK;
    if (mr_variant_index_has_file(look->cache->index, look->place.file))
        return MR_EDAMAGED;
    look->request.failure = (struct mr_disk_failure){.operation = MR_DISK_READ, .error_number = ENOENT};
    return MR_EIO;
}

static int work_read_record(struct mr_file_request *request)
{
    struct mr_disk_look *look = mr_container_of(request, struct mr_disk_look, request);
    struct mr_open_files *files = &look->cache->files;
    size_t got;
    int fd, err = mr_open_files_take(&fd, files, look->place.file, &request->failure);
    if (err != MR_OK)
        return err;
    err = mr_disk_read(fd, look->bytes, look->place.len, look->place.offset, &got, &request->failure);
    mr_open_files_give_back(files, look->place.file, fd);
    return err == MR_OK ? check_record(look, got) : err;
}

/* What the kernel has in its cache. False: it takes the pool. */
static bool try_read_record(struct mr_disk_look *look, int *err)
{
    struct mr_open_files *files = &look->cache->files;
    struct mr_disk_failure *failure = &look->request.failure;
    size_t got = 0;
    int fd;
    enum mr_disk_try tried = mr_open_files_try_take(&fd, files, look->place.file, failure);
    if (tried == MR_DISK_DONE) {
        tried = mr_disk_try_read(fd, look->bytes, look->place.len, look->place.offset, &got, failure);
        mr_open_files_give_back(files, look->place.file, fd);
    }
    *err = MR_EIO;
    if (tried == MR_DISK_FAILED)
        return true;
    if (tried == MR_DISK_WOULD_BLOCK || got < look->place.len)
        return false;
    *err = check_record(look, got);
    return true;
}

/* A file that was removed meanwhile is no damage. */
static void on_record(struct mr_disk_look *look, int err)
{
    if (err == MR_OK) {
        end_look(look, true);
        return;
    }
    bool is_gone = err != MR_EDAMAGED && look->request.failure.error_number == ENOENT;
    if (err == MR_EDAMAGED) {
        tell_damaged(look);
    } else if (!is_gone) { /* it may be readable the next time */
        tell_unreadable(look);
        drop_record(look);
        end_look(look, false);
        return;
    }
    mr_variant_index_forget(look->cache->index, &look->key, &look->place);
    drop_record(look);
    look_again(look);
}

static void on_record_read(struct mr_file_request *request)
{
    on_record(mr_container_of(request, struct mr_disk_look, request), request->err);
}

/* False: there is no memory for it. */
static bool take_record_memory(struct mr_disk_look *look)
{
    struct mr_budget *memory = look->cache->config.memory;
    if (!mr_budget_try_take(memory, look->place.len))
        return false;
    look->charged = look->place.len;
    look->bytes = malloc(look->place.len);
    if (look->bytes == NULL)
        drop_record(look);
    return look->bytes != NULL;
}

static void read_on_loop(struct mr_disk_look *look)
{
    int err;
    if (try_read_record(look, &err))
        on_record(look, err);
    else
        mr_file_run(&look->request, work_read_record);
}

static void on_later(struct mr_inbox_node *node)
{
    struct mr_disk_look *look = mr_container_of(node, struct mr_disk_look, node);
    atomic_fetch_sub_explicit(&look->cache->later, look->place.len, memory_order_relaxed);
    read_on_loop(look);
}

/* So those that ask for it in this turn share one read. False: too many wait for that already. */
static bool read_in_later_turn(struct mr_disk_look *look)
{
    struct mr_disk_cache *cache = look->cache;
    /* Relaxed: a bound of nothing but itself, which two loops may pass together. */
    if (atomic_load_explicit(&cache->later, memory_order_relaxed) + look->place.len > LATER_MAX)
        return false;
    atomic_fetch_add_explicit(&cache->later, look->place.len, memory_order_relaxed);
    look->node.deliver = on_later;
    mr_loop_post(look->loop, &look->node);
    return true;
}

static void begin_record(struct mr_disk_look *look)
{
    uint32_t len = look->place.len;
    if (!take_record_memory(look))
        end_look(look, false);
    else if (len <= READ_AT_ONCE_MAX)
        read_on_loop(look);
    else if (len > READ_LATER_MAX || !read_in_later_turn(look))
        mr_file_run(&look->request, work_read_record);
}

/* ---- looking ---- */

static void on_awaited(struct mr_inbox_node *node)
{
    struct mr_disk_look *look = mr_container_of(node, struct mr_disk_look, node);
    look_again(look);
}

static enum mr_variant_look look_in_index(struct mr_disk_look *look)
{
    struct mr_disk_cache *cache = look->cache;
    pthread_mutex_lock(&cache->waiting); /* over both, so that what is over meanwhile finds it */
    enum mr_variant_look found = mr_variant_index_look(cache->index, &look->key, cache->config.process, &look->place);
    if (found == MR_VARIANT_AWAITED) {
        if (!look->was_awaited)
            look->waits_since = mr_clock_now();
        if (cache->waiters == NULL) /* from now on the thread looks at the clock, too */
            mr_variant_index_wake(cache->index, cache->config.process);
        look->is_waiting = look->was_awaited = true;
        look->node.deliver = on_awaited;
        look->next = cache->waiters;
        cache->waiters = look;
    }
    pthread_mutex_unlock(&cache->waiting);
    return found;
}

static void look_again(struct mr_disk_look *look)
{
    if (look->is_stopped || look->is_tired || look->tries++ == TRIES_MAX) {
        end_look(look, false);
        return;
    }
    switch (look_in_index(look)) {
    case MR_VARIANT_HERE:
        begin_record(look);
        return;
    case MR_VARIANT_AWAITED:
        look->tries = 0;
        return;
    case MR_VARIANT_CLAIMED:
        look->has_claim = true;
        end_look(look, false);
        return;
    case MR_VARIANT_UNCLAIMED:
        end_look(look, false);
        return;
    }
}

void mr_disk_look_begin(struct mr_disk_look *look)
{
    MR_ON_LOOP(look->loop);
    mr_file_init(&look->request, look->loop, MR_LABEL_VARIANT_READ, on_record_read);
    look_again(look);
}

/* With `waiting` locked. */
static void remove_waiter(struct mr_disk_look *look)
{
    struct mr_disk_look **at = &look->cache->waiters;
    while (*at != look)
        at = &(*at)->next;
    *at = look->next;
    look->is_waiting = false;
}

/* With `waiting` locked: the last one that leaves says so to the process that makes it. */
static void stop_waiter_of(struct mr_disk_look *look)
{
    struct mr_disk_cache *cache = look->cache;
    remove_waiter(look);
    for (const struct mr_disk_look *other = cache->waiters; other != NULL; other = other->next) {
        if (memcmp(other->key.bytes, look->key.bytes, MR_VARIANT_KEY_LEN) == 0)
            return;
    }
    mr_variant_index_unawait(cache->index, &look->key, cache->config.process);
}

void mr_disk_look_stop(struct mr_disk_look *look)
{
    MR_ON_LOOP(look->loop);
    look->is_stopped = true;
    pthread_mutex_lock(&look->cache->waiting);
    bool was_waiting = look->is_waiting;
    if (was_waiting)
        stop_waiter_of(look);
    pthread_mutex_unlock(&look->cache->waiting);
    if (was_waiting)
        end_look(look, false);
}

bool mr_disk_look_is_wanted(struct mr_disk_look *look)
{
    return look->has_claim && mr_variant_index_is_wanted(look->cache->index, &look->key, look->cache->config.process);
}

void mr_disk_look_clear(struct mr_disk_look *look)
{
    if (look->cache == NULL)
        return;
    drop_record(look);
    if (look->has_claim)
        mr_variant_index_end_claim(look->cache->index, &look->key, look->cache->config.process);
    look->has_claim = false;
}

/* ---- the thread that waits for other processes ---- */

static void post_those_that_are_over(struct mr_disk_cache *cache)
{
    pthread_mutex_lock(&cache->waiting);
    for (struct mr_disk_look *look = cache->waiters, *next; look != NULL; look = next) {
        next = look->next;
        bool is_over = !mr_variant_index_is_awaited(cache->index, &look->key, cache->config.process);
        look->is_tired = !is_over && mr_clock_now() - look->waits_since > cache->config.wait_ns;
        if (is_over)
            remove_waiter(look);
        else if (look->is_tired)
            stop_waiter_of(look);
        else
            continue;
        mr_loop_post(look->loop, &look->node); /* from here on it is the loop's */
    }
    pthread_mutex_unlock(&cache->waiting);
}

static bool has_waiters(struct mr_disk_cache *cache)
{
    pthread_mutex_lock(&cache->waiting);
    bool has = cache->waiters != NULL;
    pthread_mutex_unlock(&cache->waiting);
    return has;
}

static void *run_waiter(void *context)
{
    struct mr_disk_cache *cache = context;
    for (;;) {
        mr_variant_index_wait(cache->index, cache->config.process, has_waiters(cache));
        /* Acquire: pairs with the store in destroy. */
        if (atomic_load_explicit(&cache->is_over, memory_order_acquire))
            return NULL;
        post_those_that_are_over(cache);
    }
}

/* Signals are the main thread's: it inherits that they are blocked. */
static int start_waiter(struct mr_disk_cache *cache)
{
    sigset_t all, before;
    if (cache->config.home->processes == 1)
        return MR_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    cache->has_thread = pthread_create(&cache->thread, NULL, run_waiter, cache) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!cache->has_thread)
        return MR_EMEMORY;
    pthread_setname_np(cache->thread, "variants");
    return MR_OK;
}

static void stop_waiter(struct mr_disk_cache *cache)
{
    if (!cache->has_thread)
        return;
    /* Release: pairs with the load in the thread. */
    atomic_store_explicit(&cache->is_over, true, memory_order_release);
    mr_variant_index_wake(cache->index, cache->config.process);
    pthread_join(cache->thread, NULL);
}

/* ---- writing a record, on the thread of the writer ---- */

static void close_cache_file(struct mr_disk_cache *cache)
{
    struct mr_disk_failure failure;
    uint32_t number = cache->file.number;
    uint64_t size = mr_variant_file_size(&cache->file);
    if (cache->file.fd < 0)
        return;
    mr_variant_file_close(&cache->file, &failure); /* without its table it is scanned */
    mr_variant_index_close_file(cache->index, number, size);
}

/* One that cannot be removed is found by the next start. It is emptied, as any process may have it open to read it. */
static void unlink_cache_file(struct mr_disk_cache *cache, uint32_t number)
{
    struct mr_disk_failure failure;
    char name[MR_VARIANT_FILE_NAME_SIZE];
    int fd;
    mr_variant_file_name(name, number);
    if (mr_disk_open(&fd, NULL, cache->config.home->directory, name, O_WRONLY | O_TRUNC, 0, &failure) == MR_OK)
        close(fd);
    mr_disk_unlink(cache->config.home->directory, name, 0, &failure);
}

static void remove_evicted(struct mr_disk_cache *cache, const uint32_t *evicted, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        unlink_cache_file(cache, evicted[i]);
    if (count > 0)
        mr_open_files_drop_removed(&cache->files);
    count_disk(&cache->config.numbers->disk_evicted, count);
}

static int open_cache_file(struct mr_disk_cache *cache, struct mr_disk_failure *failure)
{
    uint32_t evicted[MR_VARIANT_EVICTED_MAX], number;
    unsigned count;
    do {
        mr_variant_index_open_file(cache->index, cache->config.process, &number, evicted, &count);
        remove_evicted(cache, evicted, count);
    } while (number == 0 && count > 0);
    *failure = (struct mr_disk_failure){.operation = MR_DISK_OPEN, .error_number = ENOSPC};
    if (number == 0)
        return MR_ENOSPACE;
    int err = mr_variant_file_create(&cache->file, cache->config.home->directory, number, failure);
    if (err != MR_OK) {
        unlink_cache_file(cache, number);
        mr_variant_index_close_file(cache->index, number, 0);
    }
    return err;
}

static bool fits_into_file(const struct mr_disk_cache *cache, size_t len)
{
    return cache->file.fd >= 0 && cache->file.count < MR_VARIANT_FILE_ROWS_MAX &&
           mr_variant_file_size_with(&cache->file, len) <= mr_variant_index_file_max(cache->index);
}

static int append_record(struct mr_disk_write *write, struct mr_variant_place *place, struct mr_disk_failure *failure)
{
    struct mr_disk_cache *cache = write->cache;
    int err = MR_OK;
    if (!fits_into_file(cache, write->image.len)) {
        close_cache_file(cache);
        err = open_cache_file(cache, failure);
    }
    return err == MR_OK ? mr_variant_file_append(&cache->file, place, &write->record, write->image, failure) : err;
}

/* The cache rests for a while. The log is told when that begins, and when it is over. */
static void note_outcome(struct mr_disk_cache *cache, int err, const struct mr_disk_failure *failure)
{
    struct mr_fault fault;
    if (err == MR_OK) {
        if (cache->is_failing)
            mr_log(MR_LOG_INFO, "images are kept on the disk again");
        cache->is_failing = false;
        return;
    }
    count_disk(&cache->config.numbers->disk_failed, 1);
    atomic_store_explicit(&cache->paused_to, mr_clock_now() + PAUSE_NS, memory_order_relaxed);
    mr_disk_fault(&fault, failure, "For a while no image is kept on the disk");
    if (!cache->is_failing)
        mr_log(MR_LOG_WARN, "%s", fault.detail);
    cache->is_failing = true;
}

static int write_record(struct mr_disk_write *write, struct mr_disk_failure *failure)
{
    struct mr_disk_cache *cache = write->cache;
    struct mr_variant_place place;
    int err = append_record(write, &place, failure);
    note_outcome(cache, err, failure);
    if (err == MR_OK)
        mr_variant_index_put(cache->index, &write->record.key, &place);
    return err;
}

static void end_write_claim(struct mr_disk_write *write)
{
    struct mr_disk_cache *cache = write->cache;
    if (write->has_claim)
        mr_variant_index_end_claim(cache->index, &write->record.key, cache->config.process);
    write->has_claim = false;
}

static bool is_paused(struct mr_disk_cache *cache)
{
    /* Relaxed: it bounds nothing but itself. */
    return atomic_load_explicit(&cache->paused_to, memory_order_relaxed) > mr_clock_now();
}

/* Without room (--min-free) nothing is written, and what was written makes way: uploads are refused then. */
static bool has_disk_room(const struct mr_disk_write *write)
{
    if (mr_store_has_room(write->store, write->image.len + ROOM_BESIDE))
        return true;
    uint32_t evicted = mr_variant_index_evict(write->cache->index);
    if (evicted != 0)
        remove_evicted(write->cache, &evicted, 1);
    return false;
}

static int work_write_record(struct mr_file_request *request)
{
    struct mr_disk_write *write = mr_container_of(request, struct mr_disk_write, request);
    int err = MR_ENOSPACE;
    if (!is_paused(write->cache) && has_disk_room(write)) /* those before it may have failed */
        err = write_record(write, &request->failure);
    if (err == MR_OK)
        count_disk(&write->cache->config.numbers->disk_written, 1);
    end_write_claim(write); /* here, so that others wait no longer than they must */
    return err;
}

static void on_record_written(struct mr_file_request *request)
{
    struct mr_disk_write *write = mr_container_of(request, struct mr_disk_write, request);
    atomic_fetch_sub_explicit(&write->cache->pending, write->image.len, memory_order_relaxed);
    write->done(write);
}

static bool may_write(struct mr_disk_cache *cache, size_t len)
{
    const struct mr_variant_file none = {.fd = -1};
    if (mr_variant_file_size_with(&none, len) > mr_variant_index_file_max(cache->index))
        return false;
    /* Relaxed: a bound of nothing but itself. */
    return !is_paused(cache) && atomic_load_explicit(&cache->pending, memory_order_relaxed) + len <= PENDING_MAX;
}

bool mr_disk_write_begin(struct mr_disk_write *write)
{
    MR_ON_LOOP(write->loop);
    if (!may_write(write->cache, write->image.len)) {
        end_write_claim(write);
        return false;
    }
    atomic_fetch_add_explicit(&write->cache->pending, write->image.len, memory_order_relaxed);
    mr_file_init(&write->request, write->loop, MR_LABEL_VARIANT_WRITE, on_record_written);
    mr_file_run_on(&write->request, write->cache->writer, work_write_record);
    return true;
}

/* ---- life ---- */

int mr_disk_cache_create(struct mr_disk_cache **out, const struct mr_disk_cache_config *config)
{
    struct mr_disk_cache *cache = *out = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return MR_EMEMORY;
    cache->config = *config;
    cache->index = config->home->index;
    cache->file.fd = -1;
    pthread_mutex_init(&cache->waiting, NULL);
    mr_open_files_init(&cache->files, config->home->directory);
    mr_variant_index_sweep(cache->index, config->process); /* if one had this place before */
    const struct mr_syncer_config writer = {.name = "variants-write", .patient = true};
    int err = mr_syncer_create(&cache->writer, &writer);
    if (err == MR_OK)
        err = start_waiter(cache);
    if (err != MR_OK)
        mr_disk_cache_destroy(out);
    return err;
}

void mr_disk_cache_destroy(struct mr_disk_cache **out)
{
    struct mr_disk_cache *cache = *out;
    *out = NULL;
    if (cache == NULL)
        return;
    stop_waiter(cache);
    mr_syncer_destroy(&cache->writer);
    close_cache_file(cache);
    mr_open_files_close(&cache->files);
    pthread_mutex_destroy(&cache->waiting);
    free(cache);
}
