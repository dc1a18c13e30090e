/* check.h -- looks at all that a data directory holds while no server uses it, and changes nothing. Blocking. */
#ifndef MR_STORE_CHECK_H
#define MR_STORE_CHECK_H

#include "base/error.h"
#include <stdint.h>

struct mr_store_check {
    const char *data; /* the directory */
    /* A finding: the name of a file beneath `data`, as it is there, and a sentence. */
    void (*report)(void *context, const char *path, const char *what);
    void *context;
    /* Results, zeroed at first. */
    uint64_t objects, bytes, segments; /* that metas say there are; bytes of payloads */
    uint64_t damaged; /* objects and directories that cannot be read, or are not as they were written; objects that the
                       * scrub has set aside */
    uint64_t strays;  /* names that belong to no object */
    uint64_t interrupted; /* files of uploads and deletes that the next start completes or undoes */
};

/* MR_OK: all of it was looked at; the results say what was found. MR_EBUSY: a server uses it. MR_EPARAM: it is no data
 * directory, or one of a format that is not known. MR_EIO, MR_EFILES, MR_EMEMORY. The fault's detail is for a person.
 */
int mr_store_check(struct mr_store_check *check, struct mr_fault *fault);

#endif
