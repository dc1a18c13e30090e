/* DESIGN. A request for an image, on its loop:
 *
 *      start ----> OPENING (the object) ----> ASKING (the variants) ----> responded
 *                     ^                           |
 *                     +---- the fallback's -------+ it cannot be made
 *
 * The object is opened for each request, also for an image that is kept: one that was deleted is 404 at once. */
#define _GNU_SOURCE 1 /* memrchr */
#include "routes/images.h"
#include "app/app.h"
#include "app/presets.h"
#include "base/clock.h"
#include "base/magic.h"
#include "http/conditional.h"
#include "http/policy.h"
#include "keys/rights.h"
#include "keys/signature.h"
#include "routes/about.h"
#include "routes/file_common.h"
#include "routes/image_fallback.h"
#include "routes/image_negotiation.h"
#include "routes/json_response.h"
#include "routes/read_access.h"
#include "variants/variants.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MAGIC 0x696d6731u /* "img1" */
#define SHOWN_MAGIC 0x73686f77u /* "show" */

/* Nothing runs in what is shown as an image, whatever a browser takes it for. */
#define IMAGE_POLICY "default-src 'none'; sandbox"

struct images { /* of the process */
    struct mr_variants *variants;
};

struct image {
    uint32_t magic;
    struct mr_request *request;
    struct mr_variants *variants;
    struct mr_image_ops asked;     /* what the query says, for addresses */
    struct mr_image_ops bounded;   /* the same within the fences */
    struct mr_image_ops ops;       /* and what it comes to for the file that is open */
    bool wants_url;                /* and not the image */
    bool wants_stored_focus;       /* one may be stored one day */
    bool has_preset;               /* the query names one */
    bool gives_format, gives_size; /* the query itself, and not its preset */
    bool varies;                   /* with Accept */
    struct mr_read_access access;
    struct mr_store_reader *reader; /* while it is opened */
    struct mr_image_fallback fallback;
    struct mr_store_reader *original; /* while that may be the response */
    struct mr_variant_ask *ask;
    struct mr_variant_key key;
    struct mr_slice name;    /* of the file, in the arena */
    struct mr_fields fields; /* that do not depend on how it was made */
};

static struct image *image_of(void *context)
{
    return mr_from_context(context, struct image, IMAGE_MAGIC);
}

/* ---- the response ---- */

struct shown { /* on its way to the client; the request may end before it */
    uint32_t magic;
    struct mr_variants *variants;
    const struct mr_variant *variant;
};

static void release_shown(void *context)
{
    struct shown *shown = mr_from_context(context, struct shown, SHOWN_MAGIC);
    mr_variant_release(shown->variants, shown->variant);
    free(shown);
}

/* "photo.jpg" as WebP is "photo.webp". */
static struct mr_slice name_of_variant(const struct image *image, enum mr_image_format format)
{
    struct mr_slice stem = image->name;
    const char *dot = stem.len > 0 ? memrchr(stem.at, '.', stem.len) : NULL;
    if (dot != NULL && dot != stem.at)
        stem.len = (size_t)(dot - stem.at);
    if (stem.len == 0)
        stem = mr_slice_of("image");
    return mr_arena_printf(&image->request->arena, "%.*s.%s", MR_SLICE_ARG(stem), mr_image_extension(format));
}

/* RFC 9211. */
static const char *cache_status(enum mr_variant_way way)
{
    static const char *const texts[MR_VARIANT_WAYS] = {
        [MR_VARIANT_KEPT] = "millrace; hit",
        [MR_VARIANT_READ] = "millrace; hit; detail=disk",
        [MR_VARIANT_JOINED] = "millrace; fwd=miss; collapsed",
        [MR_VARIANT_MADE] = "millrace; fwd=miss",
    };
    return texts[way];
}

static struct mr_slice image_timing(struct mr_request *request, const struct mr_variant *variant,
                                    enum mr_variant_way way)
{
    double total =
        mr_clock_milliseconds(mr_clock_now() - request->began_at); /* the record may have been read in this callback */
    if (way != MR_VARIANT_MADE)
        return mr_arena_printf(&request->arena, "total;dur=%.3f", total);
    return mr_arena_printf(&request->arena, "wait;dur=%.3f, work;dur=%.3f, total;dur=%.3f",
                           mr_clock_milliseconds(variant->wait_ns), mr_clock_milliseconds(variant->work_ns), total);
}

static void count_image(const struct image *image, enum mr_variant_way way)
{
    struct mr_request *request = image->request;
    if (image->fallback.is_used) {
        mr_image_fallback_count(request);
        return;
    }
    struct mr_variant_numbers *numbers = &mr_app_numbers(mr_app_of(request), request->loop)->variants;
    mr_histogram_record(&numbers->time[way], mr_clock_now() - request->began_at);
}

static void respond_variant(struct image *image, const struct mr_variant *variant, enum mr_variant_way way)
{
    struct mr_request *request = image->request;
    struct shown *shown = malloc(sizeof(*shown));
    MR_ASSERT(shown != NULL);
    *shown = (struct shown){.magic = SHOWN_MAGIC, .variants = image->variants, .variant = variant};
    mr_fields_set_text(&image->fields, "Cache-Status",
                       image->fallback.is_used ? MR_IMAGE_FALLBACK_STATUS : cache_status(way));
    mr_fields_content_disposition(&image->fields, false, name_of_variant(image, variant->format));
    mr_fields_set(&image->fields, "Server-Timing", image_timing(request, variant, way));
    mr_respond(request, 200, mr_image_media_type(variant->format), &image->fields, variant->bytes.at,
               variant->bytes.len, release_shown, shown);
}

static bool needs_signature(const struct mr_request *request)
{
    switch (mr_app_of(request)->sign) {
    case MR_SIGN_OPTIONAL:
        return false;
    case MR_SIGN_REQUIRED:
        return true;
    case MR_SIGN_PUBLIC:
        return mr_policy_is_public(request) && !mr_app_of(request)->only_presets;
    }
    MR_UNREACHABLE();
}

/* As the options say; what only a key opened is for no cache that others share. */
static const char *usual_cache_control(const struct image *image)
{
    const struct mr_app *app = mr_app_of(image->request);
    bool is_by_key = image->access.is_proven && image->access.expires == 0;
    bool is_barred = needs_signature(image->request) || app->only_presets;
    return is_by_key && is_barred ? "private, no-store" : app->image_cache_control;
}

static struct mr_slice fallback_cache_control(const struct image *image)
{
    return mr_image_fallback_cache_control(image->request, usual_cache_control(image), image->access.expires);
}

/* What is wrong with an image may be mended by the next version of the server, and an error is for no cache. */
static void refuse_image(struct mr_request *request, const struct mr_fault *fault)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set_text(&fields, "Cache-Control", "no-store");
    mr_respond_problem_fields(request, fault, &fields);
}

static void on_original_opened(void *context, const struct mr_fault *fault);

/* There is no image of this object, which is open. */
static void fail_image(struct image *image, struct mr_store_reader *reader, const struct mr_fault *fault)
{
    struct mr_request *request = image->request;
    const struct mr_app *app = mr_app_of(request);
    if (image->wants_url) {
        refuse_image(request, fault);
    } else if (mr_image_fallback_respond(&image->fallback, request, reader, fault, fallback_cache_control(image),
                                         image->varies)) {
        return;
    } else if (mr_image_fallback_begin(&image->fallback, app, fault)) {
        mr_store_describe(&image->reader, app->store, request->loop, mr_slice_of(app->variants->fallback),
                          on_original_opened, image);
    } else {
        refuse_image(request, mr_image_fallback_fault(&image->fallback, fault));
    }
}

/* Perhaps from inside mr_variants_ask(). */
static void on_variant(void *context, const struct mr_fault *fault, const struct mr_variant *variant,
                       enum mr_variant_way way)
{
    struct image *image = image_of(context);
    struct mr_request *request = image->request;
    struct mr_store_reader *original = image->original;
    image->original = NULL;
    if (fault != NULL) {
        fail_image(image, original, fault);
    } else {
        count_image(image, way);
        respond_variant(image, variant, way);
    }
    mr_store_reader_close(&original);
    mr_request_release(request);
}

/* ---- what is asked for ---- */

/* Two spellings of one image: the caches of others are told which one to keep. A signed address has no other, and what
 * a preset means today may change. */
static void link_canonical(struct image *image, const char *id)
{
    struct mr_request *request = image->request;
    char canonical[MR_IMAGE_CANONICAL_SIZE];
    size_t len = mr_image_ops_canonical(&image->asked, canonical, sizeof(canonical));
    if (image->access.expires != 0 || image->has_preset || image->fallback.is_used ||
        mr_slice_is(request->head.query, canonical))
        return;
    mr_fields_link(&image->fields,
                   mr_arena_printf(&request->arena, "/images/%s%s%s", id, len > 0 ? "?" : "", canonical), "canonical");
}

static struct mr_slice image_cache_control(const struct image *image)
{
    struct mr_request *request = image->request;
    if (image->fallback.is_used)
        return fallback_cache_control(image);
    if (image->access.expires == 0)
        return mr_slice_of(usual_cache_control(image));
    return mr_read_access_cache_control(&image->access, image->has_preset || image->wants_stored_focus,
                                        mr_clock_wall() / MR_NS_PER_S, &request->arena);
}

static void describe_image(struct image *image, const struct mr_object *object)
{
    struct mr_request *request = image->request;
    char tag[MR_VARIANT_TAG_SIZE];
    mr_variant_key_tag(tag, &image->key);
    mr_fields_set(&image->fields, "Cache-Control", image_cache_control(image));
    mr_fields_etag(&image->fields, mr_slice_of(tag), false);
    mr_fields_set_text(&image->fields, "Content-Security-Policy", IMAGE_POLICY);
    if (image->varies)
        mr_fields_vary(&image->fields, "Accept");
    image->name = mr_slice_of(mr_arena_copy(&request->arena, mr_slice_of(object->name)));
}

static enum mr_condition evaluate_image(const struct image *image)
{
    char tag[MR_VARIANT_TAG_SIZE];
    mr_variant_key_tag(tag, &image->key);
    const struct mr_validators current = {.etag = mr_slice_of(tag)};
    return mr_conditional_evaluate(&image->request->head, &current);
}

static void ask_for_variant(struct image *image, struct mr_store_reader *reader)
{
    struct mr_request *request = image->request;
    struct mr_pipe_numbers *numbers = &mr_app_numbers(mr_app_of(request), request->loop)->pipes;
    const struct mr_variant_wish wish = {
        .loop = request->loop,
        .reader = reader,
        .ops = image->ops,
        .key = image->key,
        .run_time = &numbers->run_time[MR_STAGE_IMAGE],
        .failed = &numbers->failed,
        .stopped = &numbers->stopped,
        .made = on_variant,
        .context = image,
    };
    if (image->fallback.wants_original)
        image->original = mr_store_reader_share(reader);
    mr_request_hold(request);
    mr_variants_ask(&image->ask, image->variants, &wish);
}

/* A crop around a point that the query does not give is around the one that was stored with the file. */
static void take_stored_focus(struct image *image, const struct mr_object *object)
{
    image->wants_stored_focus = mr_image_ops_wants_focus(&image->ops);
    if (!image->wants_stored_focus)
        return;
    if (object->has_focal)
        mr_image_ops_set_focus(&image->ops, object->focal_x, object->focal_y);
    else if (image->ops.crops[1].crop == MR_IMAGE_CROP_CENTRE) /* nothing stands in for it but the middle */
        image->ops.has_focus = true;                           /* the key is of the place, wherever it comes from */
}

/* False: it is none, and the request was refused. */
static bool require_picture(struct image *image, struct mr_store_reader *reader)
{
    const struct mr_object *object = mr_store_reader_object(reader);
    struct mr_fault fault;
    if (object->is_image)
        return true;
    mr_fault_set(&fault, MR_ENOTIMAGE, "The file is %s.", object->type);
    fail_image(image, reader, &fault);
    return false;
}

static void respond_image(struct image *image, struct mr_store_reader *reader)
{
    const struct mr_object *object = mr_store_reader_object(reader);
    const struct mr_image_fence *fence = &mr_app_of(image->request)->fence;
    struct mr_fault fault;
    image->ops = image->bounded; /* also after those of the file before a fallback */
    mr_fields_init(&image->fields, &image->request->arena);
    link_canonical(image, object->id); /* as it is asked for, before the stored point and Accept are looked at */
    take_stored_focus(image, object);
    image->varies = mr_image_negotiate(&image->ops, &image->request->head,
                                       fence->formats != 0 ? fence->formats : MR_IMAGE_ALL_FORMATS);
    if (image->gives_format && !image->varies)
        mr_image_fence_choose_format(fence, &image->ops, object->type);
    mr_variant_key(&image->key, mr_slice_of(object->id), &image->ops);
    describe_image(image, object);
    switch (evaluate_image(image)) {
    case MR_CONDITION_NOT_MODIFIED:
        mr_respond(image->request, 304, NULL, &image->fields, NULL, 0, NULL, NULL);
        return;
    case MR_CONDITION_FAILED:
        mr_fault_set(&fault, MR_EPRECONDITION, NULL);
        mr_respond_problem(image->request, &fault);
        return;
    case MR_CONDITION_PROCEED:
    case MR_CONDITION_IGNORE_RANGE:
        ask_for_variant(image, reader);
    }
}

/* ---- the address of one ---- */

static int make_url(struct mr_slice *out, struct image *image, const struct mr_object *object, struct mr_fault *fault)
{
    struct mr_request *request = image->request;
    struct mr_arena *arena = &request->arena;
    const struct mr_signing *signing = mr_app_of(request)->signing;
    char canonical[MR_IMAGE_CANONICAL_SIZE];
    size_t len = mr_image_ops_canonical(&image->asked, canonical, sizeof(canonical));
    const struct mr_signed_address address = {.path = mr_arena_printf(arena, "/images/%s", object->id),
                                              .pairs = request->query.pairs,
                                              .count = request->query.count};
    if (signing != NULL)
        return mr_signing_sign(out, signing, &address, mr_clock_wall() / MR_NS_PER_S, arena, fault);
    if (image->has_preset) /* its name stays */
        return mr_signature_text(out, &address, arena, fault);
    const char *fallback = !image->fallback.wants_original ? "" : len > 0 ? "&fallback=original" : "fallback=original";
    *out = mr_arena_printf(arena, "%.*s%s%s%s", MR_SLICE_ARG(address.path), len > 0 || *fallback ? "?" : "", canonical,
                           fallback);
    return MR_OK;
}

static void respond_url(struct image *image, struct mr_store_reader *reader)
{
    struct mr_request *request = image->request;
    struct mr_json_response out;
    struct mr_slice url;
    struct mr_fault fault;
    if (make_url(&url, image, mr_store_reader_object(reader), &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    if (!mr_json_response_begin(&out, request))
        return;
    mr_json_open(&out.json, NULL, '{');
    mr_json_slice(&out.json, "url", url);
    mr_json_close(&out.json);
    mr_json_response_end(&out, request, 200, NULL);
}

/* ---- the object ---- */

/* Perhaps from inside mr_store_describe(). */
static void on_original_opened(void *context, const struct mr_fault *fault)
{
    struct image *image = image_of(context);
    struct mr_store_reader *reader = image->reader;
    image->reader = NULL;
    if (fault != NULL)
        refuse_image(image->request, mr_image_fallback_fault(&image->fallback, fault));
    else if (require_picture(image, reader))
        (image->wants_url ? respond_url : respond_image)(image, reader);
    mr_store_reader_close(&reader);
}

/* ---- the request ---- */

/* What the operator wrote is not bounded; what the query changes of it is. */
static int begin_operations(struct image *image, struct mr_slice preset_name, struct mr_fault *fault)
{
    struct mr_key_ring *presets = mr_app_of(image->request)->presets;
    struct mr_preset preset;
    mr_image_ops_init(&image->ops);
    image->has_preset = preset_name.at != NULL;
    image->gives_format = image->gives_size = !image->has_preset;
    if (!image->has_preset)
        return MR_OK;
    if (presets == NULL)
        return mr_fault_set(fault, MR_EPARAM, "This server has no presets: see --presets.");
    if (!mr_presets_find(presets, preset_name, &preset))
        return mr_fault_set(fault, MR_EPARAM, "There is no preset \"%.*s\".",
                            MR_SLICE_ARG(mr_param_sent_name(preset_name)));
    image->ops = preset.ops;
    return MR_OK;
}

/* --only-presets holds where neither a signature nor a key speaks for the request. */
static int check_only_presets(const struct image *image, bool is_free, struct mr_fault *fault)
{
    if (is_free || image->access.is_proven || !mr_app_of(image->request)->only_presets)
        return MR_OK;
    return mr_fault_set(fault, MR_ESIGNATURE,
                        "Without a signature, or a key with the right \"read\", an image is asked for by \"preset\" "
                        "and nothing beside it (--only-presets).");
}

static int set_operation(struct image *image, const struct mr_param_pair *pair, struct mr_fault *fault)
{
    bool is_free = mr_slice_is(pair->name, "auto") || mr_image_passes_over(pair->name); /* as many images as before */
    int err = check_only_presets(image, is_free, fault);
    if (err == MR_OK && mr_slice_is(pair->name, "fallback"))
        return mr_image_fallback_read(&image->fallback, pair->value, fault);
    if (err == MR_OK)
        err = mr_image_fence_check_name(&mr_app_of(image->request)->fence, pair->name, fault);
    image->gives_format |= mr_slice_is(pair->name, "fm");
    image->gives_size |= mr_image_fence_is_size(pair->name);
    return err == MR_OK ? mr_image_ops_set(&image->ops, pair->name, pair->value, fault) : err;
}

static int check_operations(struct image *image, struct mr_fault *fault)
{
    const struct mr_image_fence *fence = &mr_app_of(image->request)->fence;
    int err = mr_image_ops_check(&image->ops, fault);
    image->asked = image->ops;
    if (err == MR_OK && image->gives_format)
        err = mr_image_fence_check_format(fence, image->ops.format, fault);
    if (err == MR_OK && image->gives_size)
        err = mr_image_fence_bound_size(fence, &image->ops, fault);
    image->bounded = image->ops;
    return err;
}

static int read_operations(struct image *image, struct mr_fault *fault)
{
    const struct mr_query *query = &image->request->query;
    int err = mr_query_check_once(query, NULL, fault);
    if (err == MR_OK)
        err = begin_operations(image, mr_query_find(query, "preset"), fault);
    if (err == MR_OK)
        err = check_only_presets(image, image->has_preset, fault);
    for (unsigned i = 0; i < query->count && err == MR_OK; i++) {
        const struct mr_param_pair *pair = &query->pairs[i];
        bool is_of_access = mr_read_access_is_param(pair->name) && (!image->wants_url || mr_slice_is(pair->name, "s"));
        if (!is_of_access && !mr_slice_is(pair->name, "preset"))
            err = set_operation(image, pair, fault);
    }
    return err == MR_OK ? check_operations(image, fault) : err;
}

static int check_image(struct image *image, struct mr_fault *fault)
{
    struct mr_request *request = image->request;
    int err = MR_OK;
    if (image->wants_url) /* its row has a right, which says something only where there are keys */
        image->access.is_proven = request->http->authorizer.find != NULL;
    else
        err = mr_read_access_check(&image->access, request, needs_signature(request), fault);
    return err == MR_OK ? read_operations(image, fault) : err;
}

static void start_opening(struct mr_request *request, bool wants_url)
{
    struct mr_store *store = mr_file_store(request);
    struct mr_fault fault;
    if (store == NULL)
        return;
    struct image *image = mr_arena_zalloc(&request->arena, sizeof(*image));
    const struct images *images = mr_app_state(mr_app_of(request), &mr_images_resource);
    image->magic = IMAGE_MAGIC;
    image->request = request;
    image->wants_url = wants_url;
    image->variants = images->variants;
    if (check_image(image, &fault) != MR_OK) {
        refuse_image(request, &fault);
        return;
    }
    request->handler_data = image;
    (image->fallback.wants_original ? mr_store_open : mr_store_describe)(
        &image->reader, store, request->loop, request->match.params[0].value, on_original_opened, image);
}

static void start_image(struct mr_request *request)
{
    start_opening(request, false);
}

static void start_image_url(struct mr_request *request)
{
    start_opening(request, true);
}

static void leave_image(struct mr_request *request)
{
    struct image *image = request->handler_data;
    if (image == NULL)
        return;
    mr_store_reader_close(&image->reader);
    mr_store_reader_close(&image->original);
    if (image->ask == NULL)
        return;
    mr_variants_leave(&image->ask);
    mr_request_release(request);
}

/* ---- the resource ---- */

static int open_images(void *state, const struct mr_app *app)
{
    struct images *images = state;
    return mr_variants_create(&images->variants, &(struct mr_variants_config){
                                                     .memory_max = app->variants->cache_memory,
                                                     .memory = app->memory,
                                                     .offload = app->offload,
                                                     .limits = &app->image_limits,
                                                     .numbers = app->variant_numbers,
                                                     .home = app->variant_home,
                                                     .process = app->process,
                                                     .store = app->store,
                                                 });
}

static void close_images(void *state)
{
    struct images *images = state;
    mr_variants_destroy(&images->variants);
}

static const struct mr_param_spec image_path = {
    .name = "id", .type = MR_PARAM_TEXT, .text = "the id of a file that is a picture: a ULID"};

static const struct mr_param_spec own_params[] = {
    {.name = "preset",
     .type = MR_PARAM_TEXT,
     .max = MR_PRESET_NAME_MAX,
     .text = "the name of operations that the server knows (--presets); others beside it come on top of them"},
    MR_IMAGE_FALLBACK_PARAM,
    {.name = NULL},
};

static const struct mr_route_about about_image = {
    .group = "images",
    .text = "A stored picture in another size or format: made once, then kept",
    .path = &image_path,
    .query = mr_image_params,
    .more_query = own_params,
    .needs_store = true,
    .is_image = true,
    .fields = "If-Match If-None-Match",
    .responses =
        (const struct mr_about_response[]){
            {200,
             "the image, or what is shown in its place (Cache-Status: detail=fallback)",
             {"image/*", {NULL}},
             "ETag Cache-Status Content-Disposition Content-Security-Policy Link Server-Timing Vary Last-Modified "
             "Accept-Ranges Repr-Digest"},
            {304, "the client has it", {.types = NULL}, "ETag Vary"},
            {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_ESIGNATURE, MR_ESIGEXPIRED, MR_ENOTFOUND, MR_EFILES, MR_EIO, MR_EBUDGET, MR_EBUSY,
                               MR_EBACKLOG, MR_EEXPIRED, MR_ESHUTDOWN, MR_ETIME, MR_ENOTIMAGE, MR_EDAMAGED, MR_EPIXELS,
                               MR_EFRAMES, MR_EDIMENSION, MR_EPARAM, MR_EPRECONDITION)},
    .examples = (const struct mr_about_example[]){{.text = "300 pixels wide, as WebP",
                                                   .target = "/images/" MR_ABOUT_ID "?w=300&fm=webp",
                                                   .output = "small.webp",
                                                   .status = 200},
                                                  {.text = NULL}},
};

static const struct mr_about_schema url_schema = {
    .name = "ImageUrl",
    .members = (const struct mr_about_member[]){{"url", "string", "a path and a query", false}, {.name = NULL}},
};

const struct mr_about_schema *const mr_image_schemas[] = {&url_schema, NULL};

static const struct mr_route_about about_image_url = {
    .group = "images",
    .text = "The address of an image: signed, where the server has keys that sign",
    .path = &image_path,
    .query = mr_image_params,
    .more_query = own_params,
    .needs_store = true,
    .responses = (const struct mr_about_response[]){{200, "the address", {"application/json", {&url_schema}}, NULL},
                                                    {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_ESIGNATURE, MR_ENOTFOUND, MR_EFILES, MR_EIO, MR_EBUDGET, MR_ENOTIMAGE, MR_EPARAM)},
    .examples = (const struct mr_about_example[]){{.text = "of an image that is 300 pixels wide",
                                                   .target = "/files/" MR_ABOUT_ID "/image-url?w=300",
                                                   .status = 200},
                                                  {.text = NULL}},
};

/* The handler looks for a signature or a key where one is needed. */
static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET,
     .pattern = "/images/{id}",
     .site = MR_SITE_ANY,
     .is_open = true,
     .start = start_image,
     .on_disconnect = leave_image,
     .about = &about_image},
    {.method = MR_METHOD_GET,
     .pattern = "/files/{id}/image-url",
     .rights = MR_RIGHT_LIST,
     .cache_control = "no-store",
     .start = start_image_url,
     .on_disconnect = leave_image,
     .about = &about_image_url},
    {.pattern = NULL},
};

const struct mr_resource mr_images_resource = {
    .routes = routes, .size = sizeof(struct images), .open = open_images, .close = close_images};
