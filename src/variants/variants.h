/* variants.h -- images made of stored objects. Each is made once for all that ask for it at that time, on any loop and
 * in any process, and what was made stays in memory and on the disk as long as there is room. What cannot be made is
 * remembered for a moment, too.
 *
 *      mr_variants_ask() ----> in memory                          made() at once
 *                        ----> another asked and it is under way  made() when it is there
 *                        ----> on the disk (disk_cache.h)         made() when it was read
 *                        ----> load, image job                    made() when it is there; then it is written
 *
 * The caller has opened the object (store.h), so that nothing is told of an object that is gone. Everything here is
 * called on a loop, but for create and destroy; made() is called on the loop that asked. */
#ifndef MR_VARIANTS_VARIANTS_H
#define MR_VARIANTS_VARIANTS_H

#include "base/budget.h"
#include "loop/loop.h"
#include "media/image/image.h"
#include "store/store.h"
#include "variants/variant_home.h"
#include "variants/variant_key.h"
#include "variants/variant_numbers.h"
#include "workers/offload.h"

struct mr_variants;

struct mr_variants_config {
    uint64_t memory_max;      /* bytes of images that are kept; 0: none */
    struct mr_budget *memory; /* borrowed, as all here: of what is read, made and sent */
    struct mr_offload *offload;
    const struct mr_image_limits *limits;
    struct mr_variant_cache_numbers *numbers;
    struct mr_variant_home *home; /* NULL: nothing is kept on the disk, and the next two are not used */
    unsigned process;             /* the index among the processes */
    struct mr_store *store;
};

/* Main thread, before the loops run. MR_OK, MR_EMEMORY or MR_EIO. */
int mr_variants_create(struct mr_variants **out, const struct mr_variants_config *config);
/* Main thread, after the loops ended, when nothing is asked or held. Clears *variants; NULL has no effect. */
void mr_variants_destroy(struct mr_variants **variants);

/* An image that was made. It does not change. */
struct mr_variant {
    struct mr_slice bytes;
    enum mr_image_format format;
    uint32_t width, height;
    uint64_t wait_ns, work_ns; /* of its job: in the queue, and running; 0: it was read */
};

/* fault NULL: `variant` is a reference, to be released on any loop. */
typedef void mr_variant_made(void *context, const struct mr_fault *fault, const struct mr_variant *variant,
                             enum mr_variant_way way);

struct mr_variant_wish {
    struct mr_loop *loop;           /* that asks */
    struct mr_store_reader *reader; /* of the object, open; it may be closed meanwhile */
    struct mr_image_ops ops;        /* checked */
    struct mr_variant_key key;      /* of both */
    struct mr_histogram *run_time;  /* of image jobs of this loop, or NULL, as the next two */
    _Atomic uint64_t *failed, *stopped;
    mr_variant_made *made;
    void *context;
};

struct mr_variant_ask;
/* made() is called once, perhaps before this returns; *out is NULL from then on. The wish is copied. */
void mr_variants_ask(struct mr_variant_ask **out, struct mr_variants *variants, const struct mr_variant_wish *wish);
/* No made() follows any more. The last one that leaves stops the job. Clears *ask; NULL has no effect. */
void mr_variants_leave(struct mr_variant_ask **ask);
void mr_variant_release(struct mr_variants *variants, const struct mr_variant *variant);

#endif
