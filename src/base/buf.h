/* buf.h -- a queue of bytes between a producer and a slower consumer, with a high and a low watermark.
 *
 * Bytes are appended at the end, by copy, by reference or as a part of a file, and consumed at the front. When the
 * bytes held pass the high watermark the producer should pause; when they fall to the low one it may resume: the two
 * are apart so that the sides do not flap. The queue itself never refuses and never blocks; who appends past the mark
 * holds to its contract (stream.h). One thread at a time. */
#ifndef MR_BASE_BUF_H
#define MR_BASE_BUF_H

#include "base/file_span.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct mr_buf_segment;
struct mr_buf {
    struct mr_buf_segment *head, *tail; /* private */
    size_t len;                         /* read-only: bytes held */
    size_t high, low;                   /* read-only: the watermarks, in bytes */
};

/* An empty queue. low <= high. No memory is taken until the first append. */
void mr_buf_init(struct mr_buf *buf, size_t low, size_t high);
/* Free everything held, calling the release function of each referenced run. The queue is empty and usable again. */
void mr_buf_reset(struct mr_buf *buf);

/* Append a copy of `len` bytes. Small appends share segments. */
void mr_buf_append(struct mr_buf *buf, const void *bytes, size_t len);
/* Append `len` bytes without copying. The queue calls release(context) once when the last of them was consumed or
 * the queue was reset; until then the bytes must stay as they are. release may be NULL (static bytes). */
void mr_buf_append_ref(struct mr_buf *buf, const void *bytes, size_t len, void (*release)(void *context),
                       void *context);

/* Append bytes that lie in a file. The queue calls release(owner, ...) once, as for a reference, and keeps the
 * descriptor no longer than that. span.len > 0. */
void mr_buf_append_file(struct mr_buf *buf, struct mr_file_span span, mr_file_span_release *release, void *owner);

/* Describe the first bytes held in up to `max` runs, as far as they lie in memory. Returns how many were filled.
 * Nothing is consumed; the runs are valid until the next consume or reset (appending does not move them). */
int mr_buf_peek(const struct mr_buf *buf, struct iovec *runs, int max);
/* Do the first bytes held lie in a file? Then *span is what is left of them, and the caller shares it: it is not
 * released before mr_buf_return_file() either, also when the queue is reset meanwhile. NULL: they do not. */
struct mr_buf_segment *mr_buf_share_file(struct mr_buf *buf, struct mr_file_span *span);
/* error_number: why it could not be read, or 0. The queue may be gone. */
void mr_buf_return_file(struct mr_buf_segment *file, int error_number);
/* Drop `len` bytes at the front, at most buf->len. */
void mr_buf_consume(struct mr_buf *buf, size_t len);

static inline bool mr_buf_is_high(const struct mr_buf *buf)
{
    return buf->len >= buf->high;
}

static inline bool mr_buf_is_low(const struct mr_buf *buf)
{
    return buf->len <= buf->low;
}

#endif
