/* DESIGN
 * A list of segments. A segment owns its bytes, which stand behind it, or refers to the appender's, or to a file.
 * Copies go into the room of the last owned segment, then into new ones, each twice as large as the one before it: a
 * short answer takes 1 KiB, a long body segments of 16 KiB, and so do a few bytes between two references 1 KiB. A
 * segment is freed when its last byte is consumed, so an empty queue holds nothing. */
#include "base/buf.h"
#include "base/assert.h"
#include "base/macros.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_MIN (1 * MR_KIB)
#define SEGMENT_MAX (16 * MR_KIB)

struct mr_buf_segment {
    struct mr_buf_segment *next;
    const char *bytes; /* `own`, or borrowed from the appender; NULL: they lie in a file */
    size_t start, end; /* what is held: bytes[start..end) */
    size_t capacity;   /* of `own`; 0 for a reference */
    void (*release)(void *context);
    void *context;
    struct {
        int fd; /* borrowed */
        uint64_t offset;
        mr_file_span_release *release;
        int error_number;
        unsigned holders; /* the queue, and the one that shares it */
    } file;
    char own[];
};

void mr_buf_init(struct mr_buf *buf, size_t low, size_t high)
{
    MR_ASSERT(low <= high);
    *buf = (struct mr_buf){.low = low, .high = high};
}

static struct mr_buf_segment *push_segment(struct mr_buf *buf, size_t capacity)
{
    struct mr_buf_segment *segment = malloc(sizeof(*segment) + capacity);
    MR_ASSERT(segment != NULL); /* what may be held is bounded by budgets: this is a machine without memory */
    *segment = (struct mr_buf_segment){.bytes = segment->own, .capacity = capacity};
    if (buf->tail == NULL)
        buf->head = segment;
    else
        buf->tail->next = segment;
    buf->tail = segment;
    return segment;
}

static void let_file_go(struct mr_buf_segment *segment)
{
    if (--segment->file.holders > 0)
        return;
    segment->file.release(segment->context, segment->file.error_number);
    free(segment);
}

/* Unlinked first, released last: release may use the queue. */
static void pop_segment(struct mr_buf *buf)
{
    struct mr_buf_segment *segment = buf->head;
    buf->head = segment->next;
    if (buf->head == NULL)
        buf->tail = NULL;
    buf->len -= segment->end - segment->start;
    if (segment->bytes == NULL) {
        let_file_go(segment);
        return;
    }
    if (segment->release != NULL)
        segment->release(segment->context);
    free(segment);
}

void mr_buf_reset(struct mr_buf *buf)
{
    while (buf->head != NULL)
        pop_segment(buf);
    MR_ASSERT(buf->len == 0);
}

void mr_buf_append(struct mr_buf *buf, const void *bytes, size_t len)
{
    const char *from = bytes;
    while (len > 0) {
        struct mr_buf_segment *tail = buf->tail;
        if (tail == NULL || tail->end >= tail->capacity) {
            size_t before = tail != NULL && tail->capacity > 0 ? tail->capacity + sizeof(*tail) : 0;
            size_t whole = MR_MAX(SEGMENT_MIN, MR_MIN(MR_MAX(2 * before, len + sizeof(*tail)), SEGMENT_MAX));
            tail = push_segment(buf, whole - sizeof(*tail));
        }
        size_t taken = MR_MIN(len, tail->capacity - tail->end);
        memcpy(tail->own + tail->end, from, taken);
        tail->end += taken;
        buf->len += taken;
        from += taken;
        len -= taken;
    }
}

void mr_buf_append_ref(struct mr_buf *buf, const void *bytes, size_t len, void (*release)(void *context), void *context)
{
    if (len == 0) {
        if (release != NULL)
            release(context);
        return;
    }
    struct mr_buf_segment *segment = push_segment(buf, 0);
    segment->bytes = bytes;
    segment->end = len;
    segment->release = release;
    segment->context = context;
    buf->len += len;
}

void mr_buf_append_file(struct mr_buf *buf, struct mr_file_span span, mr_file_span_release *release, void *owner)
{
    MR_ASSERT(span.len > 0);
    struct mr_buf_segment *segment = push_segment(buf, 0);
    segment->bytes = NULL;
    segment->end = (size_t)span.len;
    segment->context = owner;
    segment->file.fd = span.fd;
    segment->file.offset = span.offset;
    segment->file.release = release;
    segment->file.holders = 1;
    buf->len += segment->end;
}

struct mr_buf_segment *mr_buf_share_file(struct mr_buf *buf, struct mr_file_span *span)
{
    struct mr_buf_segment *head = buf->head;
    if (head == NULL || head->bytes != NULL)
        return NULL;
    *span = (struct mr_file_span){head->file.fd, head->file.offset + head->start, head->end - head->start};
    head->file.holders++;
    return head;
}

void mr_buf_return_file(struct mr_buf_segment *file, int error_number)
{
    if (error_number != 0)
        file->file.error_number = error_number;
    let_file_go(file);
}

int mr_buf_peek(const struct mr_buf *buf, struct iovec *runs, int max)
{
    int count = 0;
    for (const struct mr_buf_segment *segment = buf->head; segment != NULL && count < max; segment = segment->next) {
        if (segment->bytes == NULL)
            break;
        MR_ASSERT(segment->end > segment->start);
        /* iovec is for reading and writing and so cannot say const; nobody writes through it. */
        runs[count].iov_base = (char *)(uintptr_t)(segment->bytes + segment->start);
        runs[count].iov_len = segment->end - segment->start;
        count++;
    }
    return count;
}

void mr_buf_consume(struct mr_buf *buf, size_t len)
{
    MR_ASSERT(len <= buf->len);
    while (len > 0) {
        struct mr_buf_segment *head = buf->head;
        size_t held = head->end - head->start;
        if (len < held) {
            head->start += len;
            buf->len -= len;
            return;
        }
        len -= held;
        pop_segment(buf);
    }
}
