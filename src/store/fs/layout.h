/* layout.h -- the names of the files in the data directory (docs/store.md). Pure; any thread.
 *
 *      objects/01M8/K7/ID.meta, ID.1, ID.2 ...      what is kept
 *      uploads/ID.meta.p3, ID.1.p3, ID.gone.p3      what process 3 of the server has under way: what is not yet, or no
 *                                                   longer, an object
 *
 * The process is in the name so that the one that replaces a dead process knows what that one left, and touches nothing
 * of the others. */
#ifndef MR_STORE_FS_LAYOUT_H
#define MR_STORE_FS_LAYOUT_H

#include "store/ulid.h"

#define MR_LAYOUT_NAME_SIZE   64 /* room for any of these names and a NUL, whatever the numbers in it */
#define MR_LAYOUT_SEGMENT_MAX 9999999
#define MR_LAYOUT_PROCESS_MAX 9999

enum mr_layout_kind {
    MR_LAYOUT_META, /* the object itself; in uploads/: a new object, or a change, on its way */
    MR_LAYOUT_SEGMENT,
    MR_LAYOUT_GONE /* the meta of an object that is being deleted */
};

struct mr_layout_name {
    char id[MR_ULID_LEN + 1];
    enum mr_layout_kind kind;
    unsigned segment; /* of a SEGMENT: from 1 */
    unsigned process; /* of an upload's */
};

/* In its time directory (mr_ulid_directory()). */
void mr_layout_object(char out[MR_LAYOUT_NAME_SIZE], const char *id, enum mr_layout_kind kind, unsigned segment);
/* In uploads/. */
void mr_layout_upload(char out[MR_LAYOUT_NAME_SIZE], const struct mr_layout_name *name);

/* False: it is none of ours. */
bool mr_layout_read_object(struct mr_layout_name *out, const char *name);
bool mr_layout_read_upload(struct mr_layout_name *out, const char *name);

#endif
