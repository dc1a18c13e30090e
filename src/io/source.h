/* source.h -- a descriptor as the sender of a stream (base/stream.h). Reads on file threads, so that the loop never
 * waits: to the receiver's place for the next bytes, which nothing else uses meanwhile, or ahead of it by two blocks
 * where it has none; pushes 64 KiB at a time. A receiver may give up its memory while its place is read to only if the
 * process ends. Files, pipes and terminals, blocking or not. The loop's thread only. */
#ifndef MR_IO_SOURCE_H
#define MR_IO_SOURCE_H

#include "base/stream.h"
#include "loop/loop.h"

struct mr_source;

/* fd: borrowed. MR_OK or MR_EMEMORY. */
int mr_source_create(struct mr_source **out, struct mr_loop *loop, int fd);
/* Its stream has ended, or nothing was read yet. Clears *source. */
void mr_source_destroy(struct mr_source **source);

/* It ends with the input, and is aborted with MR_EIO when that cannot be read. */
struct mr_stream *mr_source_stream(struct mr_source *source);
/* Bytes read so far. */
uint64_t mr_source_bytes(const struct mr_source *source);

#endif
