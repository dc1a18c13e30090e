/* log.h -- one line an event, as logfmt or JSON, that never blocks the thread that logs.
 *
 * A line is formatted by the caller, put on a bounded lock-free list (at most MR_LOG_PENDING_MAX bytes; beyond it the
 * line is dropped and counted) and written by the logger's own thread, which gathers for a few milliseconds so that a
 * busy server writes many lines at once. Nothing wakes up when nothing is logged.
 *
 *   time=2026-01-02T03:04:05.678Z level=info msg="listening" url=http://127.0.0.1:8080
 *
 * Any thread may log. Secrets, bodies and query values are never given to this file by its callers. Control characters,
 * quotes and invalid UTF-8 in values are escaped, so that no client can forge a line. */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#include "base/slice.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_LOG_PENDING_MAX (4u << 20)
#define MR_LOG_LINE_MAX    2048 /* longer lines are cut, single values at 1,024 octets */

enum mr_log_level { MR_LOG_ERROR, MR_LOG_WARN, MR_LOG_INFO, MR_LOG_DEBUG };
enum mr_log_format { MR_LOG_LOGFMT, MR_LOG_JSON };

/* Start the logger thread. path NULL: standard error. 0 or MR_EIO (errno tells). Before start and after stop, lines go
 * to standard error directly. */
int mr_log_start(enum mr_log_level level, enum mr_log_format format, const char *path);
/* The same without a thread, for a process that is going to fork: each line is written at once, by the caller; one for
 * which a pipe, a socket or a terminal has no room is dropped and counted. start may follow, in the process or in its
 * child. */
int mr_log_open(enum mr_log_level level, enum mr_log_format format, const char *path);
/* Could that file be opened, as far as can be known without making it? 0 or MR_EIO (errno tells). */
int mr_log_check(const char *path);
/* Write everything pending, end the thread if there is one, close the file. Takes seconds at most: where nothing can be
 * written any more the thread is left alone, and the process should end. */
void mr_log_stop(void);
/* Write what is pending at once, from the calling thread: for the last moment before an abort. Best effort: a line
 * that the logger's thread has just taken may be missing, and so may what finds no room within a second. */
void mr_log_flush(void);
/* Open the file again (after a rotation). No effect on standard error. Not from a signal handler. */
void mr_log_reopen(void);
void mr_log_set_level(enum mr_log_level level);
uint64_t mr_log_dropped(void); /* lines lost to the bound since start */
/* Count them in *dropped from now on, which is not zeroed; NULL: in a counter of the log's own. */
void mr_log_count_in(_Atomic uint64_t *dropped);

/* Is this level written? Ask before collecting costly fields. */
bool mr_log_enabled(enum mr_log_level level);
/* For lines of which there may be many: true at most once a second for each *last, which is 0 before the first. */
bool mr_log_is_due(_Atomic uint64_t *last);

/* A line under construction, on the caller's stack. */
struct mr_log_line {
    size_t len;
    enum mr_log_level level;
    bool active; /* false: the level is off and every call below does nothing */
    char text[MR_LOG_LINE_MAX];
};

void mr_log_begin(struct mr_log_line *line, enum mr_log_level level, const char *message);
void mr_log_text(struct mr_log_line *line, const char *key, const char *value); /* NULL is skipped */
void mr_log_slice(struct mr_log_line *line, const char *key, struct mr_slice value);
void mr_log_int(struct mr_log_line *line, const char *key, int64_t value);
void mr_log_seconds(struct mr_log_line *line, const char *key, uint64_t nanoseconds); /* written in seconds, 6 digits */
void mr_log_end(struct mr_log_line *line);

/* A whole line with a formatted message and no fields. */
void mr_log(enum mr_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
