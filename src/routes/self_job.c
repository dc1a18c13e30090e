#include "routes/self_job.h"
#include "base/assert.h"
#include "base/counter.h"
#include "media/age/age.h"
#include "media/age/age_bech32.h"
#include "media/age/age_keys.h"
#include "media/codec/codec.h"
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MATERIAL_LEN (1 * MR_MIB)

const char *const mr_self_kind_names[] = {
    [MR_SELF_IMAGE] = "image", [MR_SELF_GZIP] = "gzip", [MR_SELF_ENCRYPT] = "encrypt", NULL};

static const enum mr_stage_id stage_ids[] = {
    [MR_SELF_IMAGE] = MR_STAGE_IMAGE, [MR_SELF_GZIP] = MR_STAGE_GZIP, [MR_SELF_ENCRYPT] = MR_STAGE_ENCRYPT};

struct mr_self_material {
    unsigned char *text; /* MATERIAL_LEN bytes */
    struct mr_image_result photo;
    struct mr_image_limits limits; /* none: we know the photo */
    struct mr_image_ops ops;       /* what image does with it */
    char recipient[MR_AGE_RECIPIENT_SIZE];
    uint64_t memory[MR_SELF_KINDS]; /* of one run; of image its job knows */
};

/* ---- a stage at work on the text ---- */

static int set_lab_recipient(const struct mr_stage_ops *ops, void *stage, const struct mr_self_material *material,
                             struct mr_fault *fault)
{
    const struct mr_param_spec *spec = mr_param_find(ops->params, MR_SLICE("recipient"));
    const struct mr_param_value value = {.text = mr_slice_of(material->recipient)};
    return spec != NULL ? ops->set(stage, spec, &value, fault) : MR_OK;
}

static int create_stage(void **out, const struct mr_stage_ops *ops, const struct mr_self_material *material,
                        struct mr_fault *fault)
{
    const struct mr_stage_env env = {.budget = NULL};
    int err = ops->create(out, &env, fault);
    if (err != MR_OK)
        return err;
    err = set_lab_recipient(ops, *out, material, fault);
    if (err == MR_OK && ops->check != NULL)
        err = ops->check(*out, fault);
    if (err != MR_OK)
        ops->destroy(*out);
    return err;
}

static bool takes_whole(const struct mr_stage_sizes *sizes)
{
    return sizes->whole_max >= MATERIAL_LEN;
}

static size_t out_size(const struct mr_stage_sizes *sizes)
{
    return takes_whole(sizes) ? MR_MAX(sizes->whole_out_max, sizes->out_max) : sizes->out_max;
}

/* All of the text, piece by piece, each into the same room. */
static int feed_stage(const struct mr_stage_ops *ops, void *stage, const struct mr_stage_sizes *sizes,
                      const unsigned char *text, struct mr_stage_piece *piece, const struct mr_cancel *cancel,
                      struct mr_fault *fault)
{
    size_t step = piece->whole ? MATERIAL_LEN : sizes->piece;
    int err = ops->open != NULL ? ops->open(stage, piece, cancel, fault) : MR_OK;
    for (size_t at = 0; at < MATERIAL_LEN && err == MR_OK; at += piece->in_len, piece->index++) {
        piece->before_len = MR_MIN(at, sizes->history);
        piece->before = text + at - piece->before_len;
        piece->in = text + at;
        piece->in_len = MR_MIN(step, MATERIAL_LEN - at);
        piece->last = at + piece->in_len == MATERIAL_LEN;
        err = mr_cancel_check(cancel);
        if (err != MR_OK)
            return mr_fault_set(fault, (enum mr_error)err, NULL);
        err = ops->work(stage, piece, cancel, fault);
        if (err == MR_OK && ops->join != NULL)
            err = ops->join(stage, piece, fault);
    }
    return err == MR_OK && ops->finish != NULL ? ops->finish(stage, piece, fault) : err;
}

static int run_stage(const struct mr_stage_ops *ops, const struct mr_self_material *material,
                     const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct mr_stage_sizes sizes;
    void *stage;
    int err = create_stage(&stage, ops, material, fault);
    if (err != MR_OK)
        return err;
    ops->sizes(stage, &sizes);
    struct mr_stage_piece piece = {.out_size = out_size(&sizes), .whole = takes_whole(&sizes)};
    unsigned char *out = piece.out = malloc(piece.out_size);
    if (out != NULL)
        err = feed_stage(ops, stage, &sizes, material->text, &piece, cancel, fault);
    else
        err = mr_fault_set(fault, MR_EMEMORY, NULL);
    ops->destroy(stage);
    free(out);
    return err;
}

/* ---- what it works on ---- */

/* Words of a small language: they pack as text does. */
static void fill_text(unsigned char *text)
{
    uint32_t random = 2463534242u;
    for (size_t at = 0; at < MATERIAL_LEN;) {
        random ^= random << 13, random ^= random >> 17, random ^= random << 5;
        uint32_t word = random % 4096 * 2654435761u;
        for (unsigned letters = 2 + word % 7; letters > 0 && at < MATERIAL_LEN; letters--, word /= 13)
            text[at++] = (unsigned char)('a' + word % 26);
        if (at < MATERIAL_LEN)
            text[at++] = ' ';
    }
}

static void make_recipient(char recipient[MR_AGE_RECIPIENT_SIZE])
{
    uint8_t secret[MR_AGE_BECH32_KEY], public[MR_AGE_BECH32_KEY];
    randombytes_buf(secret, sizeof(secret));
    crypto_scalarmult_base(public, secret);
    mr_age_bech32_encode(recipient, "age", public);
    sodium_memzero(secret, sizeof(secret));
}

/* PNG, 4x3 pixels of twelve colours. */
static const unsigned char colours[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00,
    0x00, 0x04, 0x00, 0x00, 0x00, 0x03, 0x08, 0x02, 0x00, 0x00, 0x00, 0x3b, 0x96, 0x39, 0x91, 0x00, 0x00, 0x00,
    0x30, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x28, 0x70, 0x69, 0x3e, 0xa2, 0x65, 0xf0, 0x61, 0xb9, 0x59,
    0xf5, 0x66, 0x1d, 0x86, 0xf9, 0x21, 0xea, 0x26, 0xbd, 0x9d, 0xfa, 0xd1, 0xa6, 0xab, 0xbb, 0x74, 0x19, 0x3e,
    0xae, 0xb3, 0x0d, 0xdf, 0xbf, 0x6f, 0xb3, 0xee, 0xc6, 0xcd, 0xcd, 0x5a, 0x00, 0x39, 0x24, 0x10, 0xa3, 0x56,
    0x09, 0xd3, 0xa9, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};

#define PHOTO_WIDTH  2400
#define PHOTO_HEIGHT 1600
#define SMALL_WIDTH  1400

static struct mr_image_ops image_ops(int32_t width, int32_t height)
{
    struct mr_image_ops ops = {0};
    mr_image_ops_init(&ops);
    ops.width = width;
    ops.height = height;
    ops.fit = MR_IMAGE_FIT_SCALE;
    ops.format = MR_IMAGE_JPEG;
    return ops;
}

/* libvips starts threads for it, which must not take the signals of the process: those are blocked later than this. */
static int run_image(struct mr_image_result *out, const struct mr_image_ops *ops, const struct mr_image_limits *limits)
{
    const struct mr_cancel cancel = {.stop_at = 0};
    struct mr_fault fault;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = mr_image_run(out, ops, colours, sizeof(colours), limits, &cancel, &fault);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static int make_photo(struct mr_self_material *material)
{
    const struct mr_image_ops ops = image_ops(PHOTO_WIDTH, PHOTO_HEIGHT);
    material->limits = (struct mr_image_limits){.pixels = UINT64_C(2) * PHOTO_WIDTH * PHOTO_HEIGHT, .frames = 1};
    material->ops = image_ops(SMALL_WIDTH, SMALL_WIDTH * PHOTO_HEIGHT / PHOTO_WIDTH);
    return run_image(&material->photo, &ops, &material->limits);
}

static int measure_stage(struct mr_self_material *material, enum mr_self_kind kind)
{
    const struct mr_stage_ops *ops = mr_stage_about(stage_ids[kind]).ops;
    struct mr_stage_sizes sizes;
    struct mr_fault fault;
    void *stage;
    int err = create_stage(&stage, ops, material, &fault);
    if (err != MR_OK)
        return err;
    ops->sizes(stage, &sizes);
    ops->destroy(stage);
    material->memory[kind] = sizes.work_memory + out_size(&sizes);
    return MR_OK;
}

int mr_self_material_create(struct mr_self_material **out)
{
    struct mr_self_material *material = calloc(1, sizeof(*material));
    *out = material;
    if (material == NULL)
        return MR_EMEMORY;
    material->text = malloc(MATERIAL_LEN);
    int err = material->text != NULL ? MR_OK : MR_EMEMORY;
    if (err == MR_OK) {
        fill_text(material->text);
        make_recipient(material->recipient);
        err = make_photo(material);
    }
    for (enum mr_self_kind kind = MR_SELF_GZIP; kind < MR_SELF_KINDS && err == MR_OK; kind++)
        err = measure_stage(material, kind);
    if (err != MR_OK)
        mr_self_material_free(out);
    return err;
}

void mr_self_material_free(struct mr_self_material **out)
{
    struct mr_self_material *material = *out;
    *out = NULL;
    if (material == NULL)
        return;
    mr_image_result_free(&material->photo);
    free(material->text);
    free(material);
}

/* ---- the job ---- */

static void work_stage(struct mr_job *job)
{
    struct mr_self_job *self = mr_container_of(job, struct mr_self_job, stage);
    const struct mr_stage_ops *ops = mr_stage_about(stage_ids[self->kind]).ops;
    self->err = run_stage(ops, self->material, &job->cancel, &self->fault);
    job->has_failed = self->err != MR_OK;
}

static void on_stage_done(struct mr_job *job)
{
    struct mr_self_job *self = mr_container_of(job, struct mr_self_job, stage);
    mr_budget_give_back(self->budget, self->memory);
    if (job->outcome == MR_JOB_DONE && self->err != MR_OK)
        mr_counter_add(self->err == MR_ECANCELLED ? &self->numbers->stopped : &self->numbers->failed, 1);
    self->done(self);
}

static int submit_stage(struct mr_self_job *self)
{
    self->job = &self->stage;
    self->memory = self->material->memory[self->kind];
    self->stage = (struct mr_job){.work = work_stage,
                                  .done = on_stage_done,
                                  .loop = self->loop,
                                  .lane = MR_LANE_BULK,
                                  .run_time = &self->numbers->run_time[stage_ids[self->kind]]};
    if (!mr_budget_try_take(self->budget, self->memory))
        return MR_EBUDGET;
    int err = mr_offload_submit(self->offload, &self->stage);
    if (err != MR_OK)
        mr_budget_give_back(self->budget, self->memory);
    return err;
}

static void on_self_image_done(struct mr_image_job *image)
{
    struct mr_self_job *self = mr_container_of(image, struct mr_self_job, image);
    mr_image_job_clear(image);
    self->done(self);
}

static int submit_image(struct mr_self_job *self)
{
    const struct mr_self_material *material = self->material;
    const struct mr_image_source source = {.bytes = {.at = material->photo.bytes, .len = material->photo.len}};
    self->job = &self->image.job;
    self->image = (struct mr_image_job){.loop = self->loop,
                                        .offload = self->offload,
                                        .budget = self->budget,
                                        .limits = &material->limits,
                                        .ops = material->ops,
                                        .run_time = &self->numbers->run_time[MR_STAGE_IMAGE],
                                        .failed = &self->numbers->failed,
                                        .stopped = &self->numbers->stopped,
                                        .done = on_self_image_done};
    mr_image_job_init(&self->image);
    int err = mr_image_job_submit(&self->image, &source, &self->fault);
    if (err != MR_OK)
        mr_image_job_clear(&self->image);
    return err;
}

int mr_self_job_submit(struct mr_self_job *self)
{
    MR_ON_LOOP(self->loop);
    return self->kind == MR_SELF_IMAGE ? submit_image(self) : submit_stage(self);
}

void mr_self_job_cancel(struct mr_self_job *self)
{
    mr_job_cancel(self->job);
}
