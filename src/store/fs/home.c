/* DESIGN. The lock comes first, so that no two servers make the same directory. The word of the format is the first
 * thing that is made in it and is renamed to its name, so a start that was interrupted is simply done again. */
#define _GNU_SOURCE 1 /* O_PATH */
#include "store/fs/home.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "store/fs/recover.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMAT       "millrace-data 1"
#define FORMAT_MAX   256
#define LOCK_PAUSE   (100 * MR_NS_PER_MS) /* between two looks at a lock that another server has */
#define PID_TEXT     12
#define PRIVATE_MODE 0700

/* ---- shared memory ---- */

size_t mr_store_shared_size(void)
{
    return sizeof(struct mr_store_shared);
}

/* FNV-1a. The random part of an ID needs no better one. */
uint64_t mr_home_hash(const char *id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * 0x100000001b3u;
    return hash >> 2; /* as the offset of a lock it must be positive */
}

static _Atomic uint64_t *generation_of(struct mr_store_shared *shared, const char *id)
{
    return &shared->generations[mr_home_hash(id) % MR_GENERATIONS];
}

uint64_t mr_home_generation(const struct mr_store_home *home, const char *id)
{
    /* Acquire: the meta is read after it. Pairs with the increment below, which comes after the rename. */
    return atomic_load_explicit(generation_of(home->shared, id), memory_order_acquire);
}

void mr_home_outdate(struct mr_store_home *home, const char *id)
{
    atomic_fetch_add_explicit(generation_of(home->shared, id), 1, memory_order_release);
}

void mr_home_outdate_all(struct mr_store_home *home)
{
    for (size_t i = 0; i < MR_GENERATIONS; i++)
        atomic_fetch_add_explicit(&home->shared->generations[i], 1, memory_order_release);
}

/* ---- opening ---- */

static int fail_home(struct mr_fault *fault, const struct mr_store_home *home, const struct mr_disk_failure *failure)
{
    return mr_disk_fault(fault, failure, home->settings->data);
}

static int refuse_home(struct mr_fault *fault, const struct mr_store_home *home, const char *why)
{
    return mr_fault_set(fault, MR_EPARAM, "%s%s %s", home->complaint, home->settings->data, why);
}

/* The name of a new directory is in its parent, which must be on the disk, too. */
static int sync_parent(const char *path, struct mr_disk_failure *failure)
{
    char parent[4096];
    int fd;
    if ((size_t)snprintf(parent, sizeof(parent), "%s/..", path) >= sizeof(parent))
        return MR_OK; /* then the open fails, too */
    int err = mr_disk_open_root(&fd, NULL, parent, failure);
    if (err == MR_OK) {
        err = mr_disk_sync_directory(fd, failure);
        close(fd);
    }
    return err;
}

static int make_root(const struct mr_store_home *home, struct mr_disk_failure *failure)
{
    int err = mr_disk_make_directory(AT_FDCWD, home->settings->data, PRIVATE_MODE, failure);
    if (err != MR_OK)
        return failure->error_number == EEXIST ? MR_OK : err;
    return sync_parent(home->settings->data, failure);
}

static bool note_name(void *context, const struct mr_disk_entry *entry)
{
    (void)entry;
    *(bool *)context = false;
    return false;
}

/* A directory of the operator's own making may be open to others as long as nothing is in it. */
static int make_private(struct mr_store_home *home, const struct mr_disk_info *info, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    bool is_empty = true;
    if (info->owner != geteuid())
        return refuse_home(fault, home, "belongs to another user");
    if ((info->mode & 0077) == 0)
        return MR_OK;
    if (mr_disk_walk(home->data, note_name, &is_empty, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    if (!is_empty)
        return refuse_home(fault, home, "is open to other users: chmod 700");
    return mr_disk_set_mode(home->data, PRIVATE_MODE, &failure) == MR_OK ? MR_OK : fail_home(fault, home, &failure);
}

static int open_root(struct mr_store_home *home, struct mr_disk_info *info, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    if (make_root(home, &failure) != MR_OK ||
        mr_disk_open_root(&home->data, info, home->settings->data, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    return make_private(home, info, fault);
}

/* ---- the lock ---- */

/* Of the server that has it, as it wrote it there; 0: not known. */
static uint64_t read_pid(const struct mr_store_home *home)
{
    struct mr_disk_failure failure;
    char text[PID_TEXT + 1] = {0};
    size_t got;
    if (mr_disk_read(home->lock, text, PID_TEXT, 0, &got, &failure) != MR_OK)
        return 0;
    return strtoull(text, NULL, 10);
}

static int write_pid(const struct mr_store_home *home, struct mr_disk_failure *failure)
{
    char text[PID_TEXT + 1];
    snprintf(text, sizeof(text), "%-*ld\n", PID_TEXT - 1, (long)getpid());
    return mr_disk_write(home->lock, text, PID_TEXT, 0, failure);
}

static int refuse_busy(const struct mr_store_home *home, struct mr_fault *fault)
{
    uint64_t pid = read_pid(home);
    if (pid == 0)
        return mr_fault_set(fault, MR_EBUSY, "%s%s is used by another server", home->complaint, home->settings->data);
    return mr_fault_set(fault, MR_EBUSY, "%s%s is used by another server, process %llu", home->complaint,
                        home->settings->data, (unsigned long long)pid);
}

static int wait_for_lock(const struct mr_store_home *home, bool may_wait, struct mr_disk_failure *failure)
{
    uint64_t until = mr_clock_now() + home->settings->lock_wait;
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE};
    int err = mr_disk_lock_file(home->lock, failure);
    if (err == MR_EBUSY && may_wait)
        mr_log(MR_LOG_INFO, "waiting for the server that uses %s, process %llu", home->settings->data,
               (unsigned long long)read_pid(home));
    while (err == MR_EBUSY && may_wait && mr_clock_now() < until) {
        nanosleep(&pause, NULL);
        err = mr_disk_lock_file(home->lock, failure);
    }
    return err;
}

static int lock_home(struct mr_store_home *home, bool may_wait, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    if (mr_disk_open(&home->lock, &info, home->data, "lock", O_RDWR | O_CREAT, 0600, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    if (info.links != 1)
        return refuse_home(fault, home, "has a file `lock` that has another name, too");
    int err = wait_for_lock(home, may_wait, &failure);
    if (err == MR_EBUSY)
        return refuse_busy(home, fault);
    return err == MR_OK && write_pid(home, &failure) == MR_OK ? MR_OK : fail_home(fault, home, &failure);
}

/* On a file system that is mounted read-only. There a lock cannot be made, and without one no server uses it. */
static int lock_read_only(struct mr_store_home *home, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    int err = mr_disk_open(&home->lock, NULL, home->data, "lock", O_RDONLY, 0, &failure);
    if (err != MR_OK && failure.error_number == ENOENT)
        return MR_OK;
    if (err == MR_OK)
        err = mr_disk_lock_file(home->lock, &failure);
    if (err == MR_EBUSY)
        return refuse_busy(home, fault);
    return err == MR_OK ? MR_OK : fail_home(fault, home, &failure);
}

/* ---- the format ---- */

static int write_format(struct mr_store_home *home, struct mr_disk_failure *failure)
{
    int fd, err = mr_disk_open(&fd, NULL, home->data, "format.new", O_WRONLY | O_CREAT | O_TRUNC, 0600, failure);
    if (err != MR_OK)
        return err;
    err = mr_disk_write(fd, FORMAT "\n", sizeof(FORMAT), 0, failure);
    if (err == MR_OK)
        err = mr_disk_sync(fd, failure);
    struct mr_disk_failure closing;
    if (mr_disk_close(&fd, &closing) != MR_OK && err == MR_OK) {
        *failure = closing;
        err = MR_EIO;
    }
    if (err == MR_OK)
        err = mr_disk_rename(home->data, "format.new", home->data, "format", 0, failure);
    return err == MR_OK ? mr_disk_sync_directory(home->data, failure) : err;
}

/* Only the lock, and what an interrupted start has left; and what the root of a file system has. */
static bool is_of_a_start(const char *name)
{
    return strcmp(name, "lock") == 0 || strcmp(name, "format.new") == 0 || strcmp(name, "lost+found") == 0;
}

static bool note_stranger(void *context, const struct mr_disk_entry *entry)
{
    bool *is_new = context;
    *is_new = is_of_a_start(entry->name);
    return *is_new;
}

static int check_new(const struct mr_store_home *home, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    bool is_new = true;
    if (mr_disk_walk(home->data, note_stranger, &is_new, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    return is_new ? MR_OK : refuse_home(fault, home, "is not empty, and no data directory of millrace");
}

static int check_format(const struct mr_store_home *home, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_slice rest = text, known = MR_SLICE(FORMAT);
    if (text.len < known.len || memcmp(text.at, known.at, known.len) != 0 || text.len == FORMAT_MAX)
        return refuse_home(fault, home, "has a format that this program does not know: it is of a newer one");
    rest.at += known.len;
    rest.len -= known.len;
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.at[i] != '\n' && rest.at[i] != ' ')
            return refuse_home(fault, home, "has a format with a word that this program does not know");
    }
    return MR_OK;
}

/* *is_there false: there is none yet. */
static int read_format(struct mr_store_home *home, bool *is_there, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    char text[FORMAT_MAX];
    size_t got;
    int fd;
    int err = mr_disk_open(&fd, NULL, home->data, "format", O_RDONLY, 0, &failure);
    *is_there = err == MR_OK;
    if (err != MR_OK)
        return failure.error_number == ENOENT ? MR_OK : fail_home(fault, home, &failure);
    err = mr_disk_read(fd, text, sizeof(text), 0, &got, &failure);
    close(fd);
    return err == MR_OK ? check_format(home, (struct mr_slice){text, got}, fault) : fail_home(fault, home, &failure);
}

static int open_format(struct mr_store_home *home, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    bool is_there;
    int err = read_format(home, &is_there, fault);
    if (err != MR_OK || is_there)
        return err;
    err = check_new(home, fault);
    return err != MR_OK || write_format(home, &failure) == MR_OK ? err : fail_home(fault, home, &failure);
}

/* ---- what is in it ---- */

/* A directory in it, made where it is missing. */
static int open_inner(const struct mr_store_home *home, int *fd, const char *name, uint64_t device,
                      struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    int err = mr_disk_make_directory(home->data, name, PRIVATE_MODE, &failure);
    if (err == MR_OK)
        err = mr_disk_sync_directory(home->data, &failure);
    else if (failure.error_number == EEXIST)
        err = MR_OK;
    if (err == MR_OK)
        err = mr_disk_open(fd, &info, home->data, name, O_RDONLY | O_DIRECTORY, 0, &failure);
    if (err != MR_OK)
        return fail_home(fault, home, &failure);
    if (info.device != device)
        return refuse_home(fault, home, "must be one file system, and a part of it is on another");
    return MR_OK;
}

static int open_locks(const struct mr_store_home *home, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    int fd;
    if (mr_disk_open(&fd, NULL, home->data, "locks", O_RDWR | O_CREAT, 0600, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    close(fd); /* each process opens it for itself: an open file that is inherited shares its locks */
    return MR_OK;
}

static int open_home(struct mr_store_home *home, bool may_wait, struct mr_fault *fault)
{
    struct mr_disk_info info = {.device = 0};
    int err = mr_store_min_free(&home->min_free, home->settings->min_free, fault);
    if (err == MR_OK)
        err = open_root(home, &info, fault);
    if (err == MR_OK)
        err = lock_home(home, may_wait, fault);
    if (err == MR_OK)
        err = open_format(home, fault);
    if (err == MR_OK)
        err = open_inner(home, &home->objects, "objects", info.device, fault);
    if (err == MR_OK)
        err = open_inner(home, &home->uploads, "uploads", info.device, fault);
    if (err == MR_OK)
        err = open_locks(home, fault);
    return err == MR_OK ? mr_recover_all(home, fault) : err;
}

static struct mr_store_home *make_home(const struct mr_store_settings *settings, void *shared, const char *complaint)
{
    struct mr_store_home *home = malloc(sizeof(*home));
    if (home != NULL)
        *home = (struct mr_store_home){.settings = settings,
                                       .complaint = complaint,
                                       .shared = shared,
                                       .is_durable = settings->durability == MR_STORE_FULL,
                                       .data = -1,
                                       .objects = -1,
                                       .uploads = -1,
                                       .lock = -1};
    return home;
}

int mr_store_home_open(struct mr_store_home **out, const struct mr_store_home_config *config, struct mr_fault *fault)
{
    struct mr_store_home *home = make_home(config->settings, config->shared, "--data: ");
    *out = NULL;
    if (home == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err = open_home(home, config->may_wait, fault);
    if (err != MR_OK)
        mr_store_home_close(&home);
    *out = home;
    return err;
}

int mr_store_home_directory(int *fd, const struct mr_store_home *home, const char *name, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    *fd = -1;
    if (mr_disk_stat(&info, home->data, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    int err = open_inner(home, fd, name, info.device, fault);
    if (err != MR_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return err;
}

/* ---- a look from outside ---- */

static int open_existing(const struct mr_store_home *home, int *fd, const char *name, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    int err = mr_disk_open(fd, NULL, home->data, name, O_RDONLY | O_DIRECTORY, 0, &failure);
    return err == MR_OK ? MR_OK : fail_home(fault, home, &failure);
}

/* The format comes before the lock, so that no lock is made in a directory of others. It never changes. */
static int open_offline(struct mr_store_home *home, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_room room = {.bytes = 0};
    bool is_there;
    if (mr_disk_open_root(&home->data, NULL, home->settings->data, &failure) != MR_OK)
        return fail_home(fault, home, &failure);
    int err = read_format(home, &is_there, fault);
    if (err == MR_OK && !is_there)
        err = refuse_home(fault, home, "is no data directory of millrace");
    if (err == MR_OK && mr_disk_room(&room, home->data, &failure) != MR_OK)
        err = fail_home(fault, home, &failure);
    if (err == MR_OK)
        err = room.is_read_only ? lock_read_only(home, fault) : lock_home(home, false, fault);
    if (err == MR_OK)
        err = open_existing(home, &home->objects, "objects", fault);
    return err == MR_OK ? open_existing(home, &home->uploads, "uploads", fault) : err;
}

int mr_home_open_offline(struct mr_store_home **out, const struct mr_store_settings *settings, struct mr_fault *fault)
{
    struct mr_store_home *home = make_home(settings, NULL, "");
    *out = NULL;
    if (home == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err = open_offline(home, fault);
    if (err != MR_OK)
        mr_store_home_close(&home);
    *out = home;
    return err;
}

void mr_store_home_close(struct mr_store_home **out)
{
    struct mr_store_home *home = *out;
    *out = NULL;
    if (home == NULL)
        return;
    int fds[] = {home->uploads, home->objects, home->data, home->lock}; /* the lock last */
    for (size_t i = 0; i < MR_ARRAY_SIZE(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(home);
}
