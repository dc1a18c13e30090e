/* DESIGN. One call does a bounded part of the walk, and all that it knows is in the struct, so that the loop can make
 * it wait, have a chunk hashed or stop it between any two of them.
 *
 * What the kernel has in its memory says nothing of the disk, so that it is made to forget a file before that is read.
 * What was not there before is forgotten afterwards, too: it shall not take the place of what others read.
 *
 * A directory that was changed while it was counted is counted again, metas only: what was verified stays verified. One
 * that is changed all the time is taken as it was counted at last. */
#include "store/fs/scrub_walk.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "store/fs/layout.h"
#include "store/fs/verify.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define OUTER_LEN     4
#define INNER_LEN     2
#define PARTS_LEN     (OUTER_LEN + INNER_LEN)
#define PART_SIZE     (OUTER_LEN + 1)
#define NAMES_AT_ONCE 1024
#define FILES_AT_ONCE 32   /* that one call reads */
#define BLOCK         4096 /* what the disk reads at least */
#define RECOUNTS_MAX  8

/* It says nothing of the files. */
static bool is_want(int err)
{
    return err == MR_EMEMORY || err == MR_EFILES;
}

static struct mr_tally *tally_of(const struct mr_scrub_walk *walk)
{
    return &walk->store->home->shared->tally;
}

static void find_directory_damage(struct mr_scrub_walk *walk)
{
    char name[PARTS_LEN + 1] = {0};
    memcpy(name, walk->first, PARTS_LEN);
    mr_scrub_find(walk, MR_STORE_DAMAGED_DIRECTORY, name, walk->fault.detail);
}

/* ---- the next directory ---- */

/* The first name of `len` characters behind `part` ("": of all) becomes `part`. MR_ENOTFOUND: there is none. */
static int advance_part(int directory, char part[PART_SIZE], size_t len, struct mr_disk_failure *failure)
{
    struct mr_names names = {.max = 1, .accept = mr_names_accept_part, .context = &len};
    snprintf(names.after, sizeof(names.after), "%s", part);
    int err = mr_names_read(&names, directory, failure);
    if (err == MR_OK && names.count == 0)
        err = MR_ENOTFOUND;
    if (err == MR_OK)
        snprintf(part, PART_SIZE, "%.4s", names.at[0]);
    mr_names_free(&names);
    return err;
}

static int next_inner(const struct mr_scrub_walk *walk, const char *outer, char inner[PART_SIZE],
                      struct mr_disk_failure *failure)
{
    int directory;
    int err = mr_disk_open(&directory, NULL, walk->store->home->objects, outer, O_RDONLY | O_DIRECTORY, 0, failure);
    if (err != MR_OK)
        return err;
    err = advance_part(directory, inner, INNER_LEN, failure);
    close(directory);
    return err;
}

static void stand_at(struct mr_scrub_walk *walk, const char *outer, const char *inner)
{
    snprintf(walk->first, sizeof(walk->first), "%.4s%.2s%020d", outer, inner, 0);
}

/* The directory behind the one where the walk stands. MR_ENOTFOUND: there is none. After another failure the walk
 * stands behind what cannot be read, unless it wants for something. */
static int find_next_directory(struct mr_scrub_walk *walk)
{
    struct mr_disk_failure failure = {.error_number = 0};
    char outer[PART_SIZE] = "", inner[PART_SIZE] = "";
    int err = MR_ENOTFOUND;
    memcpy(outer, walk->first, OUTER_LEN);
    if (outer[0] != '\0') {
        memcpy(inner, walk->first + OUTER_LEN, INNER_LEN);
        err = next_inner(walk, outer, inner, &failure);
        err = err != MR_OK && failure.error_number == ENOENT ? MR_ENOTFOUND : err;
    }
    while (err == MR_ENOTFOUND) {
        err = advance_part(walk->store->home->objects, outer, OUTER_LEN, &failure);
        if (err != MR_OK)
            break;
        inner[0] = '\0';
        err = next_inner(walk, outer, inner, &failure);
    }
    if (err == MR_OK)
        stand_at(walk, outer, inner);
    if (err == MR_OK || err == MR_ENOTFOUND || is_want(err))
        return err;
    stand_at(walk, outer, "ZZ");
    return mr_disk_fault(&walk->fault, &failure, "The directory cannot be read");
}

/* ---- the walk ---- */

static void begin_walk(struct mr_scrub_walk *walk)
{
    bool is_passed;
    walk->began_at = mr_clock_now();
    walk->findings = 0;
    walk->lines = 0;
    walk->recounts = 0;
    walk->stage = MR_SCRUB_FIND;
    if (mr_tally_resume_walk(tally_of(walk), walk->first, &is_passed)) {
        walk->stage = is_passed ? MR_SCRUB_FIND : MR_SCRUB_OPEN;
    } else {
        walk->first[0] = '\0';
        mr_tally_begin_walk(tally_of(walk));
    }
}

static enum mr_scrub_step end_walk(struct mr_scrub_walk *walk)
{
    struct mr_store_numbers *numbers = walk->store->numbers;
    struct mr_log_line line;
    uint64_t objects, bytes;
    mr_tally_end_walk(tally_of(walk));
    mr_store_count(&numbers->scrub_walks, 1);
    atomic_store_explicit(&numbers->scrub_ended, mr_clock_wall(), memory_order_relaxed);
    if (mr_tally_read(tally_of(walk), &objects, &bytes)) {
        mr_log_begin(&line, walk->findings == 0 ? MR_LOG_INFO : MR_LOG_WARN, "store: the scrub read all objects");
        mr_log_int(&line, "objects", (int64_t)objects);
        mr_log_int(&line, "bytes", (int64_t)bytes);
        mr_log_int(&line, "findings", (int64_t)walk->findings);
        mr_log_seconds(&line, "duration", mr_clock_now() - walk->began_at);
        mr_log_end(&line);
    }
    walk->stage = MR_SCRUB_BEGIN;
    return MR_SCRUB_OVER;
}

/* ---- directories ---- */

static enum mr_scrub_step step_find(struct mr_scrub_walk *walk)
{
    int err = find_next_directory(walk);
    if (err == MR_ENOTFOUND)
        return end_walk(walk);
    if (is_want(err))
        return MR_SCRUB_WAIT;
    if (err != MR_OK)
        find_directory_damage(walk);
    else if (mr_ulid_is_valid(mr_slice_of(walk->first))) /* else no object can lie there */
        walk->stage = MR_SCRUB_OPEN;
    return MR_SCRUB_MORE;
}

static enum mr_scrub_step step_open(struct mr_scrub_walk *walk)
{
    struct mr_disk_failure failure;
    int err = mr_directory_open(&walk->directory, walk->store->home, walk->first, &failure);
    if (is_want(err))
        return MR_SCRUB_WAIT;
    walk->stage = err == MR_OK ? MR_SCRUB_NAMES : MR_SCRUB_FIND;
    if (err == MR_OK) {
        walk->objects = walk->size = 0;
        mr_tally_begin_directory(tally_of(walk), walk->first);
        return MR_SCRUB_MORE;
    }
    walk->recounts = 0;
    mr_disk_fault(&walk->fault, &failure, "The directory cannot be opened");
    if (failure.error_number != ENOENT)
        find_directory_damage(walk);
    return MR_SCRUB_MORE;
}

static void close_directory(struct mr_scrub_walk *walk)
{
    if (walk->directory >= 0)
        close(walk->directory);
    walk->directory = -1;
    mr_names_free(&walk->names);
    walk->next = 0;
}

/* What was counted is kept, or counted again. */
static void end_directory(struct mr_scrub_walk *walk, bool force)
{
    close_directory(walk);
    force |= walk->recounts == RECOUNTS_MAX;
    bool is_kept = mr_tally_end_directory(tally_of(walk), walk->first, walk->objects, walk->size, force);
    walk->recounts = is_kept ? 0 : walk->recounts + 1;
    walk->stage = is_kept ? MR_SCRUB_FIND : MR_SCRUB_OPEN;
}

/* ---- names ---- */

/* context: the lowest ID of the directory. Each ID once, whichever of its files there are. */
static bool accept_id(char out[MR_NAMES_SIZE], const struct mr_disk_entry *entry, const void *context)
{
    struct mr_layout_name name;
    if (!mr_layout_read_object(&name, entry->name) || strncmp(name.id, context, PARTS_LEN) != 0)
        return false;
    memcpy(out, name.id, sizeof(name.id));
    return true;
}

/* The next ones. */
static enum mr_scrub_step step_names(struct mr_scrub_walk *walk)
{
    struct mr_disk_failure failure;
    struct mr_names names = {.max = NAMES_AT_ONCE, .accept = accept_id, .context = walk->first};
    if (walk->names.count > 0)
        memcpy(names.after, walk->names.at[walk->names.count - 1], sizeof(names.after));
    int err = mr_names_read(&names, walk->directory, &failure);
    if (err != MR_OK)
        mr_names_free(&names);
    if (is_want(err))
        return MR_SCRUB_WAIT;
    if (err != MR_OK) {
        mr_disk_fault(&walk->fault, &failure, "The directory cannot be read");
        if (walk->recounts == 0)
            find_directory_damage(walk);
        end_directory(walk, true);
        return MR_SCRUB_MORE;
    }
    mr_names_free(&walk->names);
    walk->names = names;
    walk->next = 0;
    walk->stage = MR_SCRUB_OBJECTS;
    return MR_SCRUB_MORE;
}

/* ---- an object ---- */

static const char *object_id(const struct mr_scrub_walk *walk)
{
    return walk->names.at[walk->next];
}

static void close_segment(struct mr_scrub_walk *walk)
{
    if (walk->fd >= 0)
        close(walk->fd);
    walk->fd = -1;
    walk->offset = 0;
}

static void close_object(struct mr_scrub_walk *walk)
{
    close_segment(walk);
    if (walk->has_file)
        mr_metafile_free(&walk->file);
    walk->has_file = false;
}

static enum mr_scrub_step pass_object(struct mr_scrub_walk *walk)
{
    close_object(walk);
    walk->next++;
    return MR_SCRUB_MORE;
}

/* `fault` says why. */
static enum mr_scrub_step suspect(struct mr_scrub_walk *walk, enum mr_store_finding what)
{
    walk->suspicion = what;
    return MR_SCRUB_MORE;
}

static enum mr_scrub_step settle_suspicion(struct mr_scrub_walk *walk)
{
    if (!mr_scrub_settle(walk, object_id(walk)))
        return MR_SCRUB_WAIT;
    walk->suspicion = MR_STORE_FINDINGS;
    return pass_object(walk);
}

static void forget_file(int directory, const char *name)
{
    struct mr_disk_failure failure;
    int fd;
    if (mr_disk_open(&fd, NULL, directory, name, O_RDONLY, 0, &failure) != MR_OK)
        return;
    mr_disk_forget(fd, 0, 0);
    close(fd);
}

static enum mr_scrub_step open_object(struct mr_scrub_walk *walk)
{
    char name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(name, object_id(walk), MR_LAYOUT_META, 0);
    if (walk->recounts == 0)
        forget_file(walk->directory, name);
    int err = mr_metafile_read(&walk->file, walk->directory, name, object_id(walk), &walk->fault);
    if (is_want(err))
        return MR_SCRUB_WAIT;
    walk->has_file = err == MR_OK;
    walk->objects += err != MR_ENOTFOUND;
    walk->size += err == MR_OK ? walk->file.meta.object.size : 0;
    if (walk->recounts > 0)
        return pass_object(walk);
    walk->read += err == MR_OK ? MR_MAX(walk->file.len, (size_t)BLOCK) : 0;
    if (err != MR_OK)
        return suspect(walk, err == MR_ENOTFOUND ? MR_STORE_STRAY_SEGMENT : MR_STORE_DAMAGED_META);
    walk->segment = 0;
    walk->is_hashed = EVP_DigestInit_ex(walk->hash, EVP_sha256(), NULL) == 1;
    return MR_SCRUB_MORE;
}

static enum mr_scrub_step finish_object(struct mr_scrub_walk *walk)
{
    const struct mr_object *object = &walk->file.meta.object;
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool is_known = walk->is_hashed && EVP_DigestFinal_ex(walk->hash, digest, NULL) == 1;
    if (!is_known || !object->has_sha256 || memcmp(digest, object->sha256, MR_OBJECT_SHA256_LEN) == 0)
        return pass_object(walk);
    mr_fault_set(&walk->fault, MR_EIO, "The SHA-256 digest of the payload is another.");
    return suspect(walk, MR_STORE_DAMAGED_PAYLOAD);
}

static enum mr_scrub_step open_segment(struct mr_scrub_walk *walk)
{
    int err = mr_verify_open_segment(&walk->fd, walk->directory, &walk->file.meta, walk->segment, &walk->fault);
    if (err == MR_OK)
        return MR_SCRUB_MORE;
    if (is_want(err))
        return MR_SCRUB_WAIT;
    return suspect(walk, err == MR_ENOTFOUND ? MR_STORE_MISSING_SEGMENT : MR_STORE_DAMAGED_PAYLOAD);
}

static int read_from_disk(const struct mr_scrub_walk *walk, uint64_t at, size_t want, size_t *got,
                          struct mr_disk_failure *failure)
{
    char byte;
    size_t cached = 0;
    enum mr_disk_try tried = mr_disk_try_read(walk->fd, &byte, 1, at, &cached, failure);
    mr_disk_forget(walk->fd, at, want);
    int err = mr_disk_read(walk->fd, walk->chunk, want, at, got, failure);
    if (tried != MR_DISK_DONE || cached == 0)
        mr_disk_forget(walk->fd, at, want);
    return err;
}

static enum mr_scrub_step read_segment_chunk(struct mr_scrub_walk *walk)
{
    const struct mr_meta_segment *segment = &walk->file.meta.segments[walk->segment];
    struct mr_disk_failure failure;
    size_t want = (size_t)MR_MIN(segment->plain - walk->offset, walk->chunk_size), got;
    if (want == 0) {
        close_segment(walk);
        walk->segment++;
        return MR_SCRUB_MORE;
    }
    int err = read_from_disk(walk, segment->room + walk->offset, want, &got, &failure);
    if (is_want(err))
        return MR_SCRUB_WAIT;
    if (err != MR_OK)
        mr_disk_fault(&walk->fault, &failure, "A segment cannot be read");
    else if (got < want)
        mr_fault_set(&walk->fault, MR_EIO, "Segment %u is shorter than what was written.", (unsigned)segment->number);
    if (err != MR_OK || got < want)
        return suspect(walk, MR_STORE_DAMAGED_PAYLOAD);
    walk->offset += got;
    walk->read += got;
    walk->bytes = (struct mr_slice){walk->chunk, got};
    return MR_SCRUB_CHUNK;
}

static enum mr_scrub_step read_scrubbed(struct mr_scrub_walk *walk)
{
    const struct mr_meta *meta = &walk->file.meta;
    bool is_inline = meta->segment_count == 0;
    if (walk->segment == meta->segment_count && (!is_inline || walk->offset == meta->payload.len))
        return finish_object(walk);
    if (!is_inline)
        return walk->fd < 0 ? open_segment(walk) : read_segment_chunk(walk);
    walk->offset = meta->payload.len;
    walk->bytes = meta->payload;
    return MR_SCRUB_CHUNK;
}

static enum mr_scrub_step step_objects(struct mr_scrub_walk *walk)
{
    if (walk->suspicion != MR_STORE_FINDINGS)
        return settle_suspicion(walk);
    if (walk->has_file)
        return read_scrubbed(walk);
    if (walk->next < walk->names.count)
        return open_object(walk);
    if (walk->names.is_cut)
        walk->stage = MR_SCRUB_NAMES;
    else
        end_directory(walk, false);
    return MR_SCRUB_MORE;
}

/* ---- from outside ---- */

int mr_scrub_walk_open(struct mr_scrub_walk *walk, struct mr_store *store)
{
    struct mr_disk_failure failure;
    *walk =
        (struct mr_scrub_walk){.store = store, .locks = -1, .directory = -1, .fd = -1, .suspicion = MR_STORE_FINDINGS};
    walk->hash = EVP_MD_CTX_new();
    return walk->hash != NULL ? mr_locks_open(&walk->locks, store->home, &failure) : MR_EMEMORY;
}

void mr_scrub_walk_close(struct mr_scrub_walk *walk)
{
    close_object(walk);
    close_directory(walk);
    if (walk->locks >= 0)
        close(walk->locks);
    walk->locks = -1;
    EVP_MD_CTX_free(walk->hash);
    walk->hash = NULL;
}

static enum mr_scrub_step step_once(struct mr_scrub_walk *walk)
{
    switch (walk->stage) {
    case MR_SCRUB_BEGIN:
        begin_walk(walk);
        return MR_SCRUB_MORE;
    case MR_SCRUB_FIND:
        return step_find(walk);
    case MR_SCRUB_OPEN:
        return step_open(walk);
    case MR_SCRUB_NAMES:
        return step_names(walk);
    case MR_SCRUB_OBJECTS:
        break;
    }
    return step_objects(walk);
}

enum mr_scrub_step mr_scrub_walk_step(struct mr_scrub_walk *walk)
{
    enum mr_scrub_step step = MR_SCRUB_MORE;
    walk->read = 0;
    for (unsigned i = 0; i < FILES_AT_ONCE && step == MR_SCRUB_MORE && walk->read < walk->chunk_size; i++) {
        /* Relaxed: a step more or less is no matter. */
        if (atomic_load_explicit(&walk->is_stopping, memory_order_relaxed))
            return MR_SCRUB_WAIT;
        step = step_once(walk);
    }
    mr_store_count(&walk->store->numbers->scrub_bytes, walk->read);
    return step;
}

void mr_scrub_walk_hash(struct mr_scrub_walk *walk)
{
    if (walk->is_hashed)
        walk->is_hashed = EVP_DigestUpdate(walk->hash, walk->bytes.at, walk->bytes.len) == 1;
}
