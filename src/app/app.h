/* app.h -- what a handler may see of the server: memory, workers, limits, keys, numbers. Everything else of the server
 * is out of its reach.
 *
 *      const struct mr_app *app = mr_app_of(request);
 *      struct mr_pipe_numbers *numbers = &mr_app_numbers(app, request->loop)->pipes;
 *      struct events *events = mr_app_loop_state(app, &mr_events_resource, request->loop);
 *
 * The server fills in the first part before mr_app_open(); from then on it is read-only, and any thread may read it.
 * What the pointers lead to has rules of its own (budget.h, offload.h, segment.h). */
#ifndef MR_APP_APP_H
#define MR_APP_APP_H

#include "app/app_options.h"
#include "app/image_fence.h"
#include "app/resource.h"
#include "base/assert.h"
#include "base/budget.h"
#include "http/http.h"
#include "http/request.h"
#include "keys/signature.h"
#include "keys/signing_options.h"
#include "media/age/age_keys.h"
#include "media/image/image.h"
#include "pipe/pipe_options.h"
#include "stats/snapshot.h"
#include "store/store.h"
#include "variants/variant_home.h"
#include "variants/variant_options.h"
#include "workers/offload.h"

#define MR_APP_MAGIC 0x4d726170u /* "Mrap" */

struct mr_app {
    /* All borrowed. */
    struct mr_http *http;
    struct mr_loop *const *loops; /* by their index */
    unsigned loop_count;
    struct mr_loop_numbers *numbers; /* what each of these loops counts, by its index */
    struct mr_budget *memory;        /* of bodies and jobs */
    struct mr_budget *disk;          /* of temporary files */
    struct mr_offload *offload;
    struct mr_offload *const *lab; /* of --lab: an offload of each kind, by enum mr_offload_kind; NULL: there is none */
    struct mr_image_limits image_limits;
    const struct mr_pipe_settings *pipe;  /* limits of streams */
    const struct mr_age_keys *identities; /* of --identity; NULL: none */
    bool allow_request_identity;          /* keys may come with a request */
    struct mr_store *store;               /* NULL: there is no --data */
    const struct mr_signing *signing;     /* of --signing-keys; NULL: there are none */
    enum mr_sign sign;                    /* where an address of an image must be signed */
    enum mr_app_readers read;             /* which clients read files */
    const char *file_cache_control;       /* of files that are read */
    const char *image_cache_control;      /* of images that are made of them */
    const struct mr_variant_settings *variants;
    struct mr_image_fence fence;                      /* of what they may be asked for */
    struct mr_key_ring *presets;                      /* of --presets (presets.h); NULL: there are none */
    bool only_presets;                                /* without a signature or a key */
    struct mr_variant_home *variant_home;             /* NULL: no images are kept on the disk */
    unsigned process;                                 /* the index of this process among them */
    struct mr_variant_cache_numbers *variant_numbers; /* of this process */
    struct mr_snapshot_source stats;

    /* Private. */
    uint32_t magic;
    const struct mr_resource *const *resources; /* borrowed: those that are open */
    unsigned resource_count;
    void **states; /* owned, as what they point to: of each resource that of the process, then those of the loops */
};

/* Register the routes of one resource or more, up to a NULL, and open them. What is registered first is matched first.
 * On the main thread, before the loops run. MR_OK, or a resource's error after all of them were closed again. */
int mr_app_open(struct mr_app *app, const struct mr_resource *const *resources);
/* After the loops ended. No effect unless it is open. */
void mr_app_close(struct mr_app *app);
/* Tell all resources that the loop drains. Its thread only; a second call tells them again. */
void mr_app_drain(const struct mr_app *app, struct mr_loop *loop);

/* What a resource that was registered keeps: for the process, and for a loop, on the loop's thread. */
void *mr_app_state(const struct mr_app *app, const struct mr_resource *resource);
void *mr_app_loop_state(const struct mr_app *app, const struct mr_resource *resource, const struct mr_loop *loop);

static inline struct mr_loop_numbers *mr_app_numbers(const struct mr_app *app, const struct mr_loop *loop)
{
    return &app->numbers[mr_loop_index(loop)];
}

/* For a handler, on the request's loop. */
static inline const struct mr_app *mr_app_of(const struct mr_request *request)
{
    const struct mr_app *app = request->http->app;
    MR_ASSERT(app->magic == MR_APP_MAGIC);
    return app;
}

#endif
