/* log_writer.h -- the lower half of log.h: finished lines on their way to a file or standard error. For log.c only. */
#ifndef MR_BASE_LOG_WRITER_H
#define MR_BASE_LOG_WRITER_H

#include <stddef.h>

/* Open where lines go, which are written at once or dropped. path NULL: standard error. 0 or MR_EIO (errno tells). */
int mr_log_writer_open(const char *path);
/* The same, and start the logger's thread. */
int mr_log_writer_start(const char *path);

/* Queue a copy of one whole line, newline included; before start and after stop write it at once. Never blocks (but on
 * the disk of a file, before start and after stop): past MR_LOG_PENDING_MAX, or where there is no room to write it at
 * once, the line is dropped and counted. Any thread. */
void mr_log_write(const char *text, size_t len);

#endif
