/* DESIGN
 * Who logs formats its line on its own stack; here it is copied into a node and pushed on a lock-free stack
 * (Treiber's): one compare-and-swap, and a semaphore post when the stack was empty. The logger's thread then waits a
 * few milliseconds for more, takes the whole stack with one exchange (so no ABA: nodes are never popped singly),
 * reverses it into the order of arrival and writes it with writev. What waits and what is being written counts against
 * MR_LOG_PENDING_MAX, so a disk that hangs costs lines and never memory or time.
 *
 * Several processes may write to one place: a file is opened for appending, where each writev is whole; and to what is
 * none (a pipe, a socket) no more is written at once than PIPE_BUF, which the kernel does not tear apart.
 *
 * Without the thread, in a supervisor, a line is written at once, and dropped where there is no room for it: the
 * reader of standard error may have stopped. Whether a pipe has room is not certain while others write to it too, so it
 * is opened once more, as a description of its own that does not block. On a socket each call says that it must not
 * block. */
#define _GNU_SOURCE 1 /* dup3 */
#include "base/log_writer.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/priority.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define GATHER_NS  (15 * MR_NS_PER_MS)
#define STUCK_MS   1000
#define STOP_STEPS 5   /* seconds that stop waits in all, while lines go out */
#define RUNS_MAX   256 /* lines of one writev */

struct node {
    struct node *next;
    size_t len;
    char text[];
};

static struct {
    _Atomic(struct node *) pending; /* newest first; pushed by any thread, taken by whoever writes */
    atomic_size_t pending_bytes;    /* of nodes that wait or are being written */
    _Atomic uint64_t own_dropped;
    _Atomic(_Atomic uint64_t *) dropped; /* where dropped lines are counted */
    _Atomic uint64_t unreported;         /* of these, not yet told in the log */
    atomic_bool running, stopping, ended, reopen_wanted;
    sem_t wake;
    pthread_t thread;
    pthread_mutex_t writing; /* held from taking lines to having written them: keeps their order */
    int fd;
    int direct_fd;    /* the same, opened once more: see above; or -1 */
    size_t bytes_max; /* of one write: see above */
    char *path;       /* NULL: standard error */
} logger = {.dropped = &logger.own_dropped,
            .writing = PTHREAD_MUTEX_INITIALIZER,
            .fd = STDERR_FILENO,
            .direct_fd = -1,
            .bytes_max = PIPE_BUF};

static void count_dropped(uint64_t lines)
{
    atomic_fetch_add_explicit(atomic_load_explicit(&logger.dropped, memory_order_relaxed), lines, memory_order_relaxed);
    atomic_fetch_add_explicit(&logger.unreported, lines, memory_order_relaxed);
}

/* After a failed write. Standard error may be shared with one who made it non-blocking: then wait for room. */
static bool may_try_again(int fd)
{
    if (errno != EAGAIN)
        return errno == EINTR;
    return poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, STUCK_MS) > 0;
}

/* False when the bytes cannot be written at all (disk full, reader gone). */
static bool write_all(int fd, struct iovec *runs, int count)
{
    while (count > 0) {
        ssize_t written = writev(fd, runs, count);
        if (written < 0) {
            if (!may_try_again(fd))
                return false;
            continue;
        }
        size_t rest = (size_t)written;
        for (; count > 0 && rest >= runs->iov_len; count--, runs++)
            rest -= runs->iov_len;
        if (count > 0) {
            runs->iov_base = (char *)runs->iov_base + rest;
            runs->iov_len -= rest;
        }
    }
    return true;
}

/* All of it, unless there is no room for it within so long. */
static bool write_direct(struct iovec *runs, int count, size_t bytes, int patience_ms)
{
    int fd = logger.direct_fd >= 0 ? logger.direct_fd : logger.fd;
    if (poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, patience_ms) <= 0)
        return false;
    const struct msghdr message = {.msg_iov = runs, .msg_iovlen = (size_t)count};
    ssize_t written = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK)
        written = writev(fd, runs, count);
    return written == (ssize_t)bytes;
}

/* Up to RUNS_MAX nodes and bytes_max at the front of the list: what one write takes. Returns how many. */
static int gather_lines(struct iovec runs[RUNS_MAX], size_t *bytes, struct node *list)
{
    int count = 0;
    *bytes = 0;
    for (struct node *node = list; node != NULL && count < RUNS_MAX; node = node->next) {
        if (count > 0 && *bytes + node->len > logger.bytes_max)
            break;
        runs[count++] = (struct iovec){.iov_base = node->text, .iov_len = node->len};
        *bytes += node->len;
    }
    return count;
}

/* Free so many nodes, which were written or are lost. Returns the rest. */
static struct node *free_nodes(struct node *list, int count, size_t bytes)
{
    for (; count > 0; count--) {
        struct node *next = list->next;
        free(list);
        list = next;
    }
    atomic_fetch_sub_explicit(&logger.pending_bytes, bytes, memory_order_relaxed);
    return list;
}

static struct node *write_some(struct node *list, bool *failed)
{
    struct iovec runs[RUNS_MAX];
    size_t bytes;
    int count = gather_lines(runs, &bytes, list);
    if (!write_all(logger.fd, runs, count)) {
        count_dropped((uint64_t)count);
        *failed = true;
    }
    return free_nodes(list, count, bytes);
}

static struct node *reverse(struct node *newest)
{
    struct node *oldest = NULL;
    while (newest != NULL) {
        struct node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* The caller holds `writing`. True when there were lines and all of them reached the file. */
static bool write_pending_locked(void)
{
    bool failed = false;
    /* Acquire pairs with the release in push(): who takes a node sees its text. */
    struct node *list = reverse(atomic_exchange_explicit(&logger.pending, NULL, memory_order_acquire));
    if (list == NULL)
        return false;
    while (list != NULL)
        list = write_some(list, &failed);
    return !failed;
}

static void push(struct node *node)
{
    struct node *newest = atomic_load_explicit(&logger.pending, memory_order_relaxed);
    do
        node->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&logger.pending, &newest, node, memory_order_release,
                                                  memory_order_relaxed));
    /* Only who found the stack empty wakes: the others' lines are taken together with that one's. */
    if (newest == NULL)
        sem_post(&logger.wake);
}

/* In the log itself, where the gap is. */
static void report_drops(void)
{
    uint64_t dropped = atomic_exchange_explicit(&logger.unreported, 0, memory_order_relaxed);
    if (dropped == 0)
        return;
    struct mr_log_line line;
    mr_log_begin(&line, MR_LOG_WARN, "Log lines were dropped.");
    mr_log_int(&line, "dropped", (int64_t)dropped);
    mr_log_end(&line);
}

static void write_at_once(const char *text, size_t len)
{
    struct iovec line = {.iov_base = (char *)(uintptr_t)text, .iov_len = len};
    if (!write_direct(&line, 1, len, 0))
        count_dropped(1);
    else
        report_drops();
}

void mr_log_write(const char *text, size_t len)
{
    /* Acquire pairs with the release in mr_log_writer_start(): the semaphore is there. */
    if (!atomic_load_explicit(&logger.running, memory_order_acquire)) {
        write_at_once(text, len);
        return;
    }
    size_t before = atomic_fetch_add_explicit(&logger.pending_bytes, len, memory_order_relaxed);
    struct node *node = before + len <= MR_LOG_PENDING_MAX ? malloc(sizeof(*node) + len) : NULL;
    if (node == NULL) {
        atomic_fetch_sub_explicit(&logger.pending_bytes, len, memory_order_relaxed);
        count_dropped(1);
        return;
    }
    node->len = len;
    memcpy(node->text, text, len);
    push(node);
}

uint64_t mr_log_dropped(void)
{
    return atomic_load_explicit(atomic_load_explicit(&logger.dropped, memory_order_relaxed), memory_order_relaxed);
}

void mr_log_count_in(_Atomic uint64_t *dropped)
{
    atomic_store_explicit(&logger.dropped, dropped != NULL ? dropped : &logger.own_dropped, memory_order_relaxed);
}

/* Once there is no room within the time, the rest is dropped. */
static void write_pending_soon(void)
{
    struct node *list = reverse(atomic_exchange_explicit(&logger.pending, NULL, memory_order_acquire));
    bool has_room = true;
    while (list != NULL) {
        struct iovec runs[RUNS_MAX];
        size_t bytes;
        int count = gather_lines(runs, &bytes, list);
        has_room = has_room && write_direct(runs, count, bytes, STUCK_MS);
        if (!has_room)
            count_dropped((uint64_t)count);
        list = free_nodes(list, count, bytes);
    }
}

/* Within so long, whatever happens to the clock on the wall. */
static bool comes_true(bool (*is_true)(void), uint64_t patience_ms)
{
    uint64_t until = mr_clock_now() + patience_ms * MR_NS_PER_MS;
    while (!is_true()) {
        if (mr_clock_now() >= until)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = MR_NS_PER_MS}, NULL);
    }
    return true;
}

static bool lock_writing(void)
{
    return pthread_mutex_trylock(&logger.writing) == 0;
}

static bool has_thread_ended(void)
{
    return atomic_load(&logger.ended);
}

void mr_log_flush(void)
{
    bool locked = comes_true(lock_writing, STUCK_MS); /* not for ever: the writer may hang, or it is this very thread */
    write_pending_soon();
    if (locked)
        pthread_mutex_unlock(&logger.writing);
}

/* Opening a pipe without a reader would wait for a reader: it fails (ENXIO). */
static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

/* A description of our own of the pipe or terminal that `fd` is; -1: it is neither, or cannot be had. */
static int open_again(int fd)
{
    struct stat status;
    char path[32];
    if (fstat(fd, &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int mr_log_check(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    if (fd >= 0)
        return MR_OK;
    if (errno != ENOENT)
        return MR_EIO;
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, MR_MAX((size_t)(slash - path), 1));
    int refused = directory == NULL || access(directory, W_OK | X_OK) != 0;
    free(directory);
    return refused ? MR_EIO : MR_OK;
}

static void close_file(void)
{
    if (logger.fd != STDERR_FILENO)
        close(logger.fd);
    if (logger.direct_fd >= 0)
        close(logger.direct_fd);
    logger.fd = STDERR_FILENO;
    logger.direct_fd = -1;
    free(logger.path);
    logger.path = NULL;
}

static void reopen(void)
{
    int fd = open_file(logger.path);
    if (fd < 0) {
        mr_log(MR_LOG_ERROR, "The log file cannot be opened again (%s); the old one is kept.", strerror(errno));
        return;
    }
    dup3(fd, logger.fd, O_CLOEXEC);
    close(fd);
    if (logger.direct_fd >= 0) {
        close(logger.direct_fd);
        logger.direct_fd = open_again(logger.fd);
    }
}

static bool write_batch(void)
{
    pthread_mutex_lock(&logger.writing);
    if (atomic_exchange(&logger.reopen_wanted, false) && logger.path != NULL)
        reopen();
    bool written = write_pending_locked();
    pthread_mutex_unlock(&logger.writing);
    return written;
}

static void *run(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "log");
    mr_priority_be_patient();
    while (!atomic_load(&logger.stopping)) {
        while (sem_wait(&logger.wake) != 0) /* EINTR */
            continue;
        if (!atomic_load(&logger.stopping))
            nanosleep(&(struct timespec){.tv_nsec = (long)GATHER_NS}, NULL);
        if (write_batch())
            report_drops(); /* else the report itself would be lost, reported, lost, ... */
    }
    atomic_store(&logger.ended, true);
    return NULL;
}

static int start_thread(void)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* the thread inherits it: signals are for the main thread */
    int error = pthread_create(&logger.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

static int open_log(const char *path)
{
    MR_ASSERT(!atomic_load(&logger.running));
    int fd = path == NULL ? STDERR_FILENO : open_file(path);
    if (fd < 0)
        return MR_EIO;
    close_file(); /* of an earlier opening, perhaps before a fork */
    atomic_store(&logger.own_dropped, 0);
    atomic_store(&logger.unreported, 0);
    struct stat status;
    logger.fd = fd;
    logger.path = path == NULL ? NULL : strdup(path);
    logger.bytes_max = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? SIZE_MAX : PIPE_BUF;
    return MR_OK;
}

int mr_log_writer_open(const char *path)
{
    int err = open_log(path);
    if (err == MR_OK)
        logger.direct_fd = open_again(logger.fd);
    return err;
}

int mr_log_writer_start(const char *path)
{
    int err = open_log(path);
    if (err != MR_OK)
        return err;
    atomic_store(&logger.stopping, false);
    atomic_store(&logger.ended, false);
    sem_init(&logger.wake, 0, 0);
    int error = start_thread();
    if (error != 0) {
        close_file();
        errno = error;
        return MR_EIO;
    }
    /* Publish the semaphore. Pairs with the acquire load in mr_log_write(). */
    atomic_store_explicit(&logger.running, true, memory_order_release);
    return MR_OK;
}

/* Wait for the thread as long as lines go out, and a bounded time. False: it hangs in a write. */
static bool join_thread(void)
{
    size_t before = SIZE_MAX;
    for (int step = 0; step < STOP_STEPS; step++) {
        if (comes_true(has_thread_ended, 1000)) {
            pthread_join(logger.thread, NULL);
            return true;
        }
        size_t pending = atomic_load_explicit(&logger.pending_bytes, memory_order_relaxed);
        if (pending == before)
            break;
        before = pending;
    }
    pthread_detach(logger.thread);
    return false;
}

void mr_log_stop(void)
{
    if (!atomic_load(&logger.running)) {
        close_file();
        return;
    }
    atomic_store(&logger.stopping, true);
    sem_post(&logger.wake);
    if (!join_thread())
        return; /* the file is the thread's for good, and later lines wait in vain */
    atomic_store(&logger.running, false);
    write_pending_soon(); /* what came in while the thread ended; there is no one left to lock out */
    close_file();
}

void mr_log_reopen(void)
{
    if (!atomic_load(&logger.running)) {
        if (logger.path != NULL)
            reopen();
        return;
    }
    atomic_store(&logger.reopen_wanted, true);
    sem_post(&logger.wake);
}
