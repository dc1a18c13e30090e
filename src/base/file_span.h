/* file_span.h -- bytes that lie in a file: what a stream (stream.h) and a queue (buf.h) carry of it in place of the
 * bytes themselves. */
#ifndef MR_BASE_FILE_SPAN_H
#define MR_BASE_FILE_SPAN_H

#include <stdint.h>

struct mr_file_span {
    int fd; /* borrowed: its owner keeps it open until the span is released */
    uint64_t offset, len;
};

/* Called once, when the span is not needed any more. error_number: the errno with which it could not be read; ENODATA:
 * the file ends before it; 0: it was read, or not wanted. */
typedef void mr_file_span_release(void *owner, int error_number);

#endif
