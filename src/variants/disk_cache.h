/* disk_cache.h -- variants on the disk, for one process: finding one that any process of the server has made or is
 * making, and keeping one. Knows no image job: for variants.c alone.
 *
 *      mr_disk_look_begin() ----> it lies there              done(), with the image
 *                           ----> it is to be made           done(), perhaps with the claim to it
 *                           ----> another process makes it   ... then one of the two
 *
 * What fails here costs a variant that is made once more, and no request. Everything here is called on a loop, but for
 * create and destroy. */
#ifndef MR_VARIANTS_DISK_CACHE_H
#define MR_VARIANTS_DISK_CACHE_H

#include "base/budget.h"
#include "io/file.h"
#include "variants/variant_home.h"
#include "variants/variant_numbers.h"

struct mr_disk_cache;

struct mr_disk_cache_config {
    struct mr_variant_home *home; /* borrowed, as all here */
    unsigned process;             /* its index among the processes */
    struct mr_budget *memory;     /* of what is read */
    struct mr_variant_cache_numbers *numbers;
    uint64_t wait_ns; /* for other processes, at most, rounded up to a second: one of them, or its disk, may hang */
};

/* Main thread, before the loops run: starts a thread that writes and, where there are other processes, one that waits
 * for them. MR_OK, MR_EMEMORY or MR_EIO. */
int mr_disk_cache_create(struct mr_disk_cache **out, const struct mr_disk_cache_config *config);
/* Main thread, after the loops ended: writes the table of the last file. Clears *cache; NULL has no effect. */
void mr_disk_cache_destroy(struct mr_disk_cache **cache);

/* ---- finding ---- */

struct mr_disk_look;
typedef void mr_disk_look_done(struct mr_disk_look *look);

struct mr_disk_look { /* embedded in what looks */
    /* Set by the owner before begin. */
    struct mr_disk_cache *cache;
    struct mr_loop *loop;
    struct mr_variant_key key;
    mr_disk_look_done *done; /* once, perhaps before begin returns */

    /* Valid in done(). */
    bool is_found;
    bool was_awaited;                /* another process made it, or tried to */
    bool has_claim;                  /* not found: other processes wait for this one */
    struct mr_variant_record record; /* if it is found, as the next two */
    struct mr_slice image;
    void *bytes;      /* that the image lies in: malloc(3). The owner may take it and clear it, as the next */
    uint64_t charged; /* of the memory budget */

    /* Private. */
    struct mr_file_request request;
    struct mr_variant_place place;
    unsigned tries;
    bool is_waiting, is_stopped;
    uint64_t waits_since;      /* monotonic ns */
    bool is_tired;             /* it has waited for long enough */
    struct mr_disk_look *next; /* of those that wait */
    struct mr_inbox_node node;
};

void mr_disk_look_begin(struct mr_disk_look *look);
/* It shall not wait for another process any more: done() is called now, if it has waited; else soon. */
void mr_disk_look_stop(struct mr_disk_look *look);
/* After done() without the image: does another process wait for it? */
bool mr_disk_look_is_wanted(struct mr_disk_look *look);
/* After done(): free what was not taken, and end the claim. */
void mr_disk_look_clear(struct mr_disk_look *look);

/* ---- keeping ---- */

struct mr_disk_write;
typedef void mr_disk_write_done(struct mr_disk_write *write);

struct mr_disk_write {
    /* Set by the owner before begin. */
    struct mr_disk_cache *cache;
    struct mr_loop *loop;
    struct mr_store *store; /* whose room is asked for (--min-free) */
    struct mr_variant_record record;
    struct mr_slice image;    /* borrowed until done() */
    bool has_claim;           /* ends with it */
    mr_disk_write_done *done; /* once, in a later turn */

    /* Private. */
    struct mr_file_request request;
};

/* False: it is not written now, as it is too large, too many wait, or the disk has failed a moment ago; the claim is
 * over, and done() is not called. */
bool mr_disk_write_begin(struct mr_disk_write *write);

#endif
