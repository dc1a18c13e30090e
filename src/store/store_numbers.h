/* store_numbers.h -- what the store of one process counts. The caller owns the memory and may share it between
 * processes (store.h). Any thread of any process may read it: all are relaxed atomics, exact once the store rests. */
#ifndef MR_STORE_STORE_NUMBERS_H
#define MR_STORE_STORE_NUMBERS_H

#include "base/histogram.h"

#define MR_STORE_LOOPS_MAX  256
#define MR_STORE_COMMITTERS 8 /* threads that commit: half of them short payloads, half long ones */

/* Of the scrub (scrub.h). */
enum mr_store_finding {
    MR_STORE_DAMAGED_META,
    MR_STORE_DAMAGED_PAYLOAD,
    MR_STORE_MISSING_SEGMENT,
    MR_STORE_STRAY_SEGMENT,
    MR_STORE_DAMAGED_DIRECTORY,
    MR_STORE_FINDINGS
};
/* "meta", "payload", "missing", "stray", "directory". */
const char *mr_store_finding_name(enum mr_store_finding finding);

struct mr_store_committer_numbers { /* written by that thread alone */
    struct mr_histogram commit_ns;  /* from the commit's call to the end of its sync */
    struct mr_histogram group;      /* commits that shared one sync of their directories */
};

struct mr_store_numbers {
    struct mr_store_committer_numbers committers[MR_STORE_COMMITTERS];
    /* Totals. */
    _Atomic uint64_t objects_written, bytes_written; /* acknowledged */
    _Atomic uint64_t changed, deleted;
    _Atomic uint64_t failed;         /* operations that the disk refused, or that found an object damaged */
    _Atomic uint64_t debris_removed; /* files of dead processes, and segments without an object */
    _Atomic uint64_t damaged;        /* times that something was found damaged */
    _Atomic uint64_t findings[MR_STORE_FINDINGS];
    _Atomic uint64_t scrub_bytes; /* that the scrub has read */
    _Atomic uint64_t scrub_walks; /* that it has ended */
    _Atomic uint64_t scrub_ended; /* when the last of them did, ns since 1970; 0: none did */
    /* Gauges: 0 when the process ends. */
    _Atomic uint64_t uploads_open;
    _Atomic uint64_t reserved_bytes;                       /* for uploads under way */
    _Atomic uint64_t free_bytes;                           /* of the file system, when it was last asked */
    _Atomic uint64_t min_free_bytes;                       /* of these, to stay free */
    _Atomic uint64_t room_asked_at;                        /* when that was, monotonic ns; 0: never */
    _Atomic uint64_t oldest_upload_at[MR_STORE_LOOPS_MAX]; /* of a loop's uploads: monotonic ns; 0: there is none */
};

#endif
