/* rig.h -- a store in a directory of a test's own, with one loop that the test turns. */
#ifndef MR_TESTS_STORE_RIG_H
#define MR_TESTS_STORE_RIG_H

#include "../../io/faults.h"
#include "base/log.h"
#include "io/file.h"
#include "store/object.h"
#include "store/store.h"
#include <dirent.h>
#include <sys/mman.h>

static struct {
    struct place place;
    char data[96];
    struct mr_store_settings settings;
    void *shared;
    struct mr_store_numbers *numbers;
    struct mr_budget memory;
    struct mr_store_home *home;
    struct mr_store *store;
    struct mr_fault fault;
} rig;

static _Thread_local struct mr_loop *rig_loop; /* which the thread turns */

static inline void rig_start_with(unsigned process)
{
    assert_int_equal(
        mr_store_create(&rig.store,
                        &(struct mr_store_config){
                            .home = rig.home, .process = process, .memory = &rig.memory, .numbers = rig.numbers},
                        &rig.fault),
        MR_OK);
}

static inline int rig_open_home(void)
{
    const struct mr_store_home_config config = {.settings = &rig.settings, .shared = rig.shared};
    return mr_store_home_open(&rig.home, &config, &rig.fault);
}

static inline void rig_start(void)
{
    if (rig_open_home() != MR_OK)
        fail_msg("%s", rig.fault.detail);
    rig_start_with(0);
}

static inline void rig_stop(void)
{
    mr_store_destroy(&rig.store);
    mr_store_home_close(&rig.home);
}

static inline void rig_restart(void)
{
    rig_stop();
    rig_start();
}

static inline void *rig_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

#define RIG_FAST "/dev/shm" /* a file system in memory: for those that start a store hundreds of times */

/* What a test has in common with the processes that it forks. */
static inline void rig_open_place(const char *directory)
{
    memset(&rig, 0, sizeof(rig));
    place_open_in(&rig.place, access(directory, W_OK) == 0 ? directory : "/tmp");
    snprintf(rig.data, sizeof(rig.data), "%s/data", rig.place.path);
    rig.settings = (struct mr_store_settings){.data = rig.data, .min_free = (char *)(uintptr_t) "0%"};
    rig.shared = rig_map(mr_store_shared_size());
    rig.numbers = rig_map(sizeof(*rig.numbers));
}

static inline void rig_close_place(void)
{
    munmap(rig.shared, mr_store_shared_size());
    munmap(rig.numbers, sizeof(*rig.numbers));
    place_close(&rig.place);
}

static inline void rig_open_loop(void)
{
    mr_budget_init(&rig.memory, 64 * MR_MIB);
    assert_int_equal(mr_loop_create(&rig_loop, 0), MR_OK);
}

/* After the store, of which nothing may be left. */
static inline void rig_close_loop(void)
{
    assert_int_equal(mr_budget_used(&rig.memory), 0);
    assert_int_equal(mr_loop_requests(rig_loop), 0);
    mr_loop_destroy(&rig_loop);
}

/* Without a store: see rig_start(). */
static inline void rig_open_in(const char *directory)
{
    rig_open_place(directory);
    rig_open_loop();
}

static inline void rig_open(void)
{
    rig_open_in("/tmp");
}

/* What the log says of faults that a test makes is of no use. */
static inline void rig_be_quiet(void)
{
    assert_int_equal(mr_log_open(MR_LOG_ERROR, MR_LOG_LOGFMT, "/dev/null"), 0);
}

static inline void rig_close(void)
{
    rig_stop();
    assert_int_equal(atomic_load(&rig.numbers->uploads_open), 0);
    rig_close_loop();
    rig_close_place();
}

static inline void rig_turn(void)
{
    uv_run(mr_loop_uv(rig_loop), UV_RUN_ONCE);
}

#define rig_turn_until(condition) \
    while (!(condition))          \
    rig_turn()

/* Until no operation is under way. */
static inline void rig_rest(void)
{
    rig_turn_until(mr_loop_requests(rig_loop) == 0);
}

/* ---- bytes that are known ---- */

static inline unsigned char rig_byte(uint64_t seed, uint64_t at)
{
    uint64_t word = (seed + at / 4096) * 0x9e3779b97f4a7c15u;
    return (unsigned char)((word >> (at % 7 * 8)) + at);
}

static inline void rig_fill(unsigned char *out, uint64_t seed, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = rig_byte(seed, at + i);
}

/* ---- one upload ---- */

struct upload {
    struct mr_store_writer *writer;
    struct mr_stream stream;
    char id[MR_ULID_LEN + 1];
    bool is_paused, was_cancelled, is_complete, has_failed, was_aborted, is_committed;
    struct mr_fault fault;
    uint64_t rev, size;
    uint8_t digest; /* its first byte; 0: none */
    char name[32];
};

static inline void upload_resume(void *context)
{
    ((struct upload *)context)->is_paused = false;
}

static inline void upload_cancel(void *context, const struct mr_fault *why)
{
    (void)why;
    ((struct upload *)context)->was_cancelled = true;
}

static const struct mr_stream_sender upload_sender = {.resume = upload_resume, .cancel = upload_cancel};

static inline void upload_complete(void *context)
{
    ((struct upload *)context)->is_complete = true;
}

static inline void upload_failed(void *context, const struct mr_fault *fault)
{
    struct upload *upload = context;
    upload->has_failed = true;
    upload->fault = *fault;
}

static inline void upload_aborted(void *context, const struct mr_fault *why)
{
    struct upload *upload = context;
    upload->was_aborted = true;
    upload->fault = *why;
}

static const struct mr_store_writer_events upload_events = {
    .complete = upload_complete, .failed = upload_failed, .aborted = upload_aborted};

static inline int upload_open(struct upload *upload, uint64_t length)
{
    memset(upload, 0, sizeof(*upload));
    upload->is_paused = true;
    mr_stream_attach_sender(&upload->stream, &upload_sender, upload);
    int err =
        mr_store_writer_create(&upload->writer, rig.store, rig_loop, length, &upload_events, upload, &upload->fault);
    if (err != MR_OK)
        return err;
    memcpy(upload->id, mr_store_writer_id(upload->writer), sizeof(upload->id));
    mr_store_writer_attach(upload->writer, &upload->stream);
    return MR_OK;
}

static inline bool upload_is_over(const struct upload *upload)
{
    return upload->has_failed || upload->was_aborted;
}

/* Bytes that start at `at`, by copy or (if by_ref) borrowed. */
static inline void upload_push(struct upload *upload, uint64_t seed, uint64_t at, uint64_t len, bool by_ref)
{
    const size_t most = 50000;
    while (len > 0 && !upload_is_over(upload)) {
        size_t part = (size_t)MR_MIN(len, most);
        unsigned char *bytes = malloc(part);
        rig_fill(bytes, seed, at, part);
        rig_turn_until(!upload->is_paused || upload_is_over(upload));
        enum mr_flow flow;
        if (by_ref) {
            flow = mr_stream_push_ref(&upload->stream, bytes, part, free, bytes);
        } else {
            flow = mr_stream_push(&upload->stream, bytes, part);
            free(bytes);
        }
        upload->is_paused = flow == MR_FLOW_PAUSE;
        at += part;
        len -= part;
    }
}

static inline void on_upload_committed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct upload *upload = context;
    upload->is_committed = true;
    upload->digest = object != NULL && object->has_sha256 ? object->sha256[0] : 0;
    if (fault != NULL) {
        upload->fault = *fault;
        return;
    }
    upload->rev = object->rev;
    upload->size = object->size;
    snprintf(upload->name, sizeof(upload->name), "%s", object->name);
}

static inline void upload_commit(struct upload *upload, const char *name)
{
    struct mr_object object;
    assert_int_equal(mr_object_init(&object), MR_OK);
    assert_int_equal(mr_object_set_name(&object, mr_slice_of(name), &upload->fault), MR_OK);
    mr_store_writer_commit(upload->writer, &object, on_upload_committed, upload);
    mr_object_free(&object);
}

/* All of it, but for what is removed afterwards: for a loop that has others' operations under way, too. MR_OK, and id
 * is that of the object; or the error. */
static inline int rig_put_beside(char id[MR_ULID_LEN + 1], uint64_t seed, uint64_t size, const char *name)
{
    struct upload upload;
    int err = upload_open(&upload, size);
    if (err != MR_OK)
        return err;
    memcpy(id, upload.id, sizeof(upload.id));
    upload_push(&upload, seed, 0, size, seed % 2 == 1);
    if (!upload_is_over(&upload))
        mr_stream_end(&upload.stream);
    rig_turn_until(upload.is_complete || upload_is_over(&upload));
    if (upload.is_complete) {
        upload_commit(&upload, name);
        rig_turn_until(upload.is_committed);
    }
    mr_store_writer_destroy(&upload.writer);
    if (upload.fault.error == MR_OK)
        assert_int_equal(upload.size, size);
    return upload.fault.error;
}

/* The same until nothing of it is left. */
static inline int rig_put(char id[MR_ULID_LEN + 1], uint64_t seed, uint64_t size, const char *name)
{
    unsigned before = mr_loop_requests(rig_loop);
    int err = rig_put_beside(id, seed, size, name);
    rig_turn_until(mr_loop_requests(rig_loop) == before);
    return err;
}

/* ---- one download ---- */

struct download {
    struct mr_store_reader *reader;
    unsigned before; /* requests of the loop */
    struct mr_stream stream;
    bool is_opened, was_opened_at_once, has_ended, was_aborted, pauses;
    bool takes_files;
    struct mr_fault fault;
    uint64_t seed, at, came;
    bool is_wrong;
    void (*release)(void *owner); /* what is kept for a while */
    struct mr_file_span span;     /* the same, of a file; len 0: none */
    mr_file_span_release *release_span;
    void *owner;
};

static inline enum mr_flow download_push(void *context, const void *bytes, size_t len);

/* What a socket would do with it. A file that ends too early is an error of the response. */
static inline void download_read_span(struct download *download)
{
    static unsigned char bytes[65536];
    struct mr_file_span span = download->span;
    int error_number = 0;
    while (span.len > 0 && error_number == 0) {
        ssize_t got = pread(span.fd, bytes, MR_MIN(span.len, sizeof(bytes)), (off_t)span.offset);
        if (got > 0)
            download_push(download, bytes, (size_t)got);
        else
            error_number = ENODATA;
        span.offset += (uint64_t)got;
        span.len -= (uint64_t)got;
    }
    download->span.len = 0;
    if (error_number != 0) {
        download->was_aborted = true;
        mr_fault_set(&download->fault, MR_EIO, NULL);
        mr_stream_cancel(&download->stream, &download->fault);
    }
    download->release_span(download->owner, error_number);
}

static inline void download_give_back(struct download *download)
{
    if (download->span.len > 0)
        download_read_span(download);
    void (*release)(void *owner) = download->release;
    download->release = NULL;
    if (release != NULL)
        release(download->owner);
}

static inline enum mr_flow download_push(void *context, const void *bytes, size_t len)
{
    struct download *download = context;
    const unsigned char *found = bytes;
    for (size_t i = 0; i < len; i++)
        download->is_wrong |= found[i] != rig_byte(download->seed, download->at + i);
    download->at += len;
    download->came += len;
    return download->pauses ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static inline enum mr_flow download_push_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner),
                                             void *owner)
{
    struct download *download = context;
    download_give_back(download);
    download->release = release;
    download->owner = owner;
    return download_push(context, bytes, len);
}

static inline enum mr_flow download_push_file(void *context, struct mr_file_span span, mr_file_span_release *release,
                                              void *owner)
{
    struct download *download = context;
    assert_int_equal(download->span.len, 0); /* one at a time */
    download->span = span;
    download->release_span = release;
    download->owner = owner;
    return MR_FLOW_PAUSE;
}

static inline void download_end(void *context)
{
    ((struct download *)context)->has_ended = true;
}

static inline void download_abort(void *context, const struct mr_fault *why)
{
    struct download *download = context;
    download->was_aborted = true;
    download->fault = *why;
}

static const struct mr_stream_receiver download_receiver = {
    .push = download_push, .end = download_end, .abort = download_abort, .push_ref = download_push_ref};

static const struct mr_stream_receiver download_file_receiver = {.push = download_push,
                                                                 .end = download_end,
                                                                 .abort = download_abort,
                                                                 .push_ref = download_push_ref,
                                                                 .push_file = download_push_file};

static inline void download_opened(void *context, const struct mr_fault *fault)
{
    struct download *download = context;
    download->is_opened = true;
    if (fault != NULL)
        download->fault = *fault;
}

static inline int download_open_by(struct download *download, const char *id,
                                   void (*open)(struct mr_store_reader **out, struct mr_store *store,
                                                struct mr_loop *loop, struct mr_slice id, mr_store_opened *opened,
                                                void *context))
{
    memset(download, 0, sizeof(*download));
    download->before = mr_loop_requests(rig_loop);
    open(&download->reader, rig.store, rig_loop, mr_slice_of(id), download_opened, download);
    download->was_opened_at_once = download->is_opened;
    rig_turn_until(download->is_opened);
    if (download->fault.error != MR_OK)
        mr_store_reader_close(&download->reader);
    return download->fault.error;
}

static inline int download_open(struct download *download, const char *id)
{
    return download_open_by(download, id, mr_store_open);
}

static inline void download_close(struct download *download)
{
    download_give_back(download);
    mr_store_reader_close(&download->reader);
    rig_turn_until(mr_loop_requests(rig_loop) <= download->before);
}

/* From `at`, to the end of the stream. */
static inline int download_read(struct download *download, uint64_t seed, uint64_t at, uint64_t len)
{
    download->seed = seed;
    download->at = at;
    download->came = 0;
    download->is_wrong = download->has_ended = download->was_aborted = false;
    mr_stream_init(&download->stream);
    if (download->takes_files) /* a response has its receiver before, and a pipeline after */
        mr_stream_attach_receiver(&download->stream, &download_file_receiver, download);
    int err = mr_store_read(download->reader, at, len, &download->stream, &download->fault);
    if (err != MR_OK)
        return err;
    if (!download->takes_files)
        mr_stream_attach_receiver(&download->stream, &download_receiver, download);
    while (!download->has_ended && !download->was_aborted) {
        download_give_back(download);
        mr_stream_resume(&download->stream);
        if (!download->has_ended && !download->was_aborted)
            uv_run(mr_loop_uv(rig_loop), UV_RUN_NOWAIT);
    }
    download_give_back(download);
    if (download->was_aborted)
        return download->fault.error;
    assert_int_equal(download->came, len);
    assert_false(download->is_wrong);
    return MR_OK;
}

/* It is whole and has these bytes; or the error. */
static inline int rig_check(const char *id, uint64_t seed, uint64_t size)
{
    struct download download;
    int err = download_open(&download, id);
    if (err != MR_OK)
        return err;
    assert_int_equal(mr_store_reader_object(download.reader)->size, size);
    err = download_read(&download, seed, 0, size);
    download_close(&download);
    return err;
}

/* ---- one change ---- */

struct changed {
    bool is_done;
    struct mr_fault fault;
    uint64_t rev;
    char name[32];
    const char *new_name;
};

static inline void on_changed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct changed *changed = context;
    changed->is_done = true;
    if (fault != NULL)
        changed->fault = *fault;
    if (object == NULL)
        return;
    changed->rev = object->rev;
    snprintf(changed->name, sizeof(changed->name), "%s", object->name);
}

static inline int apply_name(struct mr_object *object, void *context, struct mr_fault *fault)
{
    const struct changed *changed = context;
    return mr_object_set_name(object, mr_slice_of(changed->new_name), fault);
}

static inline void change_begin(struct changed *changed, const char *id, uint64_t rev, const char *name)
{
    *changed = (struct changed){.new_name = name};
    mr_store_change(
        rig.store, rig_loop,
        &(struct mr_store_change){
            .id = mr_slice_of(id), .rev = rev, .apply = apply_name, .done = on_changed, .context = changed});
}

static inline int rig_rename(const char *id, uint64_t rev, const char *name, struct changed *changed)
{
    change_begin(changed, id, rev, name);
    rig_turn_until(changed->is_done);
    return changed->fault.error;
}

static inline int rig_delete_beside(const char *id)
{
    struct changed changed = {0};
    mr_store_delete(rig.store, rig_loop, mr_slice_of(id), on_changed, &changed);
    rig_turn_until(changed.is_done);
    return changed.fault.error;
}

static inline int rig_delete(const char *id)
{
    unsigned before = mr_loop_requests(rig_loop); /* readers */
    int err = rig_delete_beside(id);
    rig_turn_until(mr_loop_requests(rig_loop) == before);
    return err;
}

/* ---- the directory ---- */

static inline unsigned rig_count(const char *find)
{
    char command[256];
    unsigned count = 0;
    snprintf(command, sizeof(command), "cd %s && find %s | wc -l", rig.data, find);
    FILE *file = popen(command, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &count), 1);
    pclose(file);
    return count;
}

static inline unsigned rig_debris(void)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof(path), "%s/uploads", rig.data);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

#endif
