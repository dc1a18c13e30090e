#include "pipe/pipeline.h"
#include "base/assert.h"
#include "base/counter.h"
#include "base/macros.h"
#include "pipe/digest_step.h"
#include "pipe/image_step.h"
#include "pipe/sniffer.h"
#include "pipe/transform.h"
#include <stdio.h>
#include <stdlib.h>

/* Each stage once, a wrap after encrypt, and two digests. */
#define STEPS_MAX (MR_STAGE_COUNT + 3)

#define WINDOW_MEMORY (8 * MR_MIB)
/* So that short responses have their length, and early faults are problem documents. */
#define HELD_BACK (64 * MR_KIB)

/* One stage, or a digest. A stage is either an image step or a transform, with a sniffer before it if its input may
 * need one. */
struct step {
    enum mr_stage_id id;            /* a digest has none */
    const struct mr_stage_ops *ops; /* NULL: image, or a digest */
    bool is_digest;
    void *stage; /* owned until the transform takes it */
    struct mr_image_step *image;
    struct mr_sniffer *sniffer;
    struct mr_transform *transform;
    struct mr_digest_step *digest;
};

struct mr_pipeline {
    struct mr_pipeline_config config;
    struct mr_image_ops image;
    bool wants_sha256, wants_sha256_in;
    unsigned count;
    struct step steps[STEPS_MAX];
};

/* ---- stages and parameters ---- */

static int add(struct mr_pipeline *pipeline, struct mr_slice name, struct mr_fault *fault)
{
    enum mr_stage_id id = mr_stage_find(name);
    if (id == MR_STAGE_COUNT)
        return mr_fault_set(fault, MR_ENOTFOUND, "There is no stage of that name: GET /pipe lists them.");
    for (unsigned i = 0; i < pipeline->count; i++)
        if (pipeline->steps[i].id == id)
            return mr_fault_set(fault, MR_EPARAM, "The stage %s stands in the pipe twice.", mr_stage_about(id).name);
    struct step *step = &pipeline->steps[pipeline->count];
    *step = (struct step){.id = id, .ops = mr_stage_about(id).ops};
    if (step->ops != NULL) {
        int err = step->ops->create(&step->stage, &pipeline->config.env, fault);
        if (err != MR_OK)
            return err;
    }
    pipeline->count++;
    return MR_OK;
}

int mr_pipeline_create(struct mr_pipeline **out, const struct mr_pipeline_config *config, struct mr_slice stages,
                       struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    struct mr_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (pipeline == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    pipeline->config = *config;
    mr_image_ops_init(&pipeline->image);
    int err = MR_OK;
    for (struct mr_slice rest = stages; rest.at != NULL && err == MR_OK;)
        err = add(pipeline, mr_slice_cut(&rest, '/'), fault);
    if (err == MR_OK && pipeline->count == 0 && !config->may_be_empty) /* all else relies on a last one */
        err = mr_fault_set(fault, MR_ENOTFOUND, NULL);
    if (err != MR_OK)
        mr_pipeline_destroy(&pipeline);
    else
        *out = pipeline;
    return err;
}

static int set_for(struct mr_pipeline *pipeline, struct step *step, const struct mr_param_spec *spec,
                   struct mr_slice name, struct mr_slice value, struct mr_fault *fault)
{
    struct mr_param_value parsed;
    if (step->ops == NULL)
        return mr_image_ops_set(&pipeline->image, name, value, fault);
    int err = mr_param_parse(spec, value, &parsed, fault);
    return err == MR_OK ? step->ops->set(step->stage, spec, &parsed, fault) : err;
}

int mr_pipeline_set(struct mr_pipeline *pipeline, struct mr_slice name, struct mr_slice value, struct mr_fault *fault)
{
    MR_ON_LOOP(pipeline->config.loop);
    bool is_known = false;
    for (unsigned i = 0; i < pipeline->count; i++) {
        struct step *step = &pipeline->steps[i];
        is_known |= step->ops == NULL && mr_image_passes_over(name); /* no address of a pipe is signed */
        const struct mr_param_spec *spec = mr_param_find(mr_stage_about(step->id).params, name);
        if (spec == NULL)
            continue;
        is_known = true;
        int err = set_for(pipeline, step, spec, name, value, fault);
        if (err != MR_OK)
            return err;
    }
    if (is_known)
        return MR_OK;
    const char *whose = pipeline->count == 0   ? "this address"
                        : pipeline->count == 1 ? mr_stage_about(pipeline->steps[0].id).name
                                               : "these stages";
    return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is not a parameter of %s.", MR_SLICE_ARG(mr_param_sent_name(name)),
                        whose);
}

static int check_image_step(struct mr_pipeline *pipeline, struct mr_fault *fault)
{
    const struct mr_pipeline_config *config = &pipeline->config;
    int err = mr_image_ops_check(&pipeline->image, fault);
    return err != MR_OK ? err : mr_image_ops_allow(&pipeline->image, config->formats, config->first_format, fault);
}

int mr_pipeline_check(struct mr_pipeline *pipeline, struct mr_fault *fault)
{
    MR_ON_LOOP(pipeline->config.loop);
    for (unsigned i = 0; i < pipeline->count; i++) {
        struct step *step = &pipeline->steps[i];
        int err = MR_OK;
        if (step->ops == NULL)
            err = check_image_step(pipeline, fault);
        else if (step->ops->check != NULL)
            err = step->ops->check(step->stage, fault);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

/* ---- places and memory ---- */

static const struct step *last_step(const struct mr_pipeline *pipeline)
{
    return &pipeline->steps[pipeline->count - 1];
}

static bool is_image(const struct step *step)
{
    return step->ops == NULL && !step->is_digest;
}

bool mr_pipeline_streams(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    return pipeline->count == 0 || !is_image(last_step(pipeline)) || pipeline->config.whole == NULL;
}

void mr_pipeline_want_sha256(struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    pipeline->wants_sha256 = true;
}

void mr_pipeline_want_sha256_in(struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    pipeline->wants_sha256_in = true;
}

static struct mr_stream *out_of(const struct step *step)
{
    if (step->digest != NULL)
        return mr_digest_step_out(step->digest);
    return step->image != NULL ? mr_image_step_out(step->image) : mr_transform_out(step->transform);
}

static int open_image(struct mr_pipeline *pipeline, struct step *step, struct mr_stream *in, uint64_t length,
                      struct mr_fault *fault)
{
    const struct mr_pipeline_config *config = &pipeline->config;
    bool is_last = step == last_step(pipeline);
    const struct mr_image_step_config image = {
        .loop = config->loop,
        .offload = config->offload,
        .budget = config->budget,
        .disk = config->disk,
        .limits = config->image_limits,
        .body_memory = config->body_memory,
        .in = in,
        .length = length,
        .ops = pipeline->image,
        .wants_sha256 = is_last && pipeline->wants_sha256,
        .run_time = &config->numbers->run_time[MR_STAGE_IMAGE],
        .failed = &config->numbers->failed,
        .stopped = &config->numbers->stopped,
        .refused = &config->numbers->refused,
        .hold = config->hold,
        .release = config->release,
        .whole = is_last ? config->whole : NULL,
        .context = config->context,
    };
    return mr_image_step_create(&step->image, &image, fault);
}

static struct mr_transform_config transform_config(const struct mr_pipeline *pipeline, const struct step *step)
{
    const struct mr_pipeline_config *config = &pipeline->config;
    return (struct mr_transform_config){
        .loop = config->loop,
        .offload = config->offload,
        .budget = config->budget,
        .run_time = &config->numbers->run_time[step->id],
        .failed = &config->numbers->failed,
        .refused = &config->numbers->refused,
        .patience_ns = config->patience_ns,
        .window = mr_offload_stream_jobs_max(config->offload),
        .window_memory = config->env.large_pieces ? 0 : WINDOW_MEMORY, /* no bound where the stream is alone */
        .length = MR_TRANSFORM_UNKNOWN,
        .hold = config->hold,
        .release = config->release,
        .context = config->context,
    };
}

static int open_transform(struct mr_pipeline *pipeline, struct step *step, struct mr_stream *in, uint64_t length,
                          struct mr_fault *fault)
{
    struct mr_transform_config config = transform_config(pipeline, step);
    int err = MR_OK;
    if (step->ops->sniff != NULL)
        err = mr_sniffer_create(&step->sniffer, &config, step->ops->sniff, in, fault);
    if (err != MR_OK)
        return err;
    config.ops = step->ops;
    config.stage = step->stage;
    config.length = length;
    config.in = step->sniffer != NULL ? mr_sniffer_out(step->sniffer) : in;
    step->stage = NULL;
    return mr_transform_create(&step->transform, &config, fault);
}

static int open_digest(struct mr_pipeline *pipeline, struct step *step, struct mr_stream *in, struct mr_fault *fault)
{
    const struct mr_pipeline_config *config = &pipeline->config;
    const struct mr_digest_step_config digest = {
        .loop = config->loop,
        .offload = config->offload,
        .budget = config->budget,
        .failed = &config->numbers->failed,
        .refused = &config->numbers->refused,
        .patience_ns = config->patience_ns,
        .in = in,
        .hold = config->hold,
        .release = config->release,
        .context = config->context,
    };
    return mr_digest_step_create(&step->digest, &digest, fault);
}

static void insert(struct mr_pipeline *pipeline, unsigned at, const struct step *step)
{
    MR_ASSERT(pipeline->count < STEPS_MAX);
    for (unsigned i = pipeline->count++; i > at; i--)
        pipeline->steps[i] = pipeline->steps[i - 1];
    pipeline->steps[at] = *step;
}

/* The stage that must come after this one, as a step of its own. */
static int add_wrap(struct mr_pipeline *pipeline, unsigned at, struct mr_fault *fault)
{
    const struct step *wrapped = &pipeline->steps[at];
    const struct mr_stage_ops *ops =
        wrapped->ops != NULL && wrapped->ops->wrap != NULL ? wrapped->ops->wrap(wrapped->stage) : NULL;
    if (ops == NULL)
        return MR_OK;
    struct step step = {.id = wrapped->id, .ops = ops};
    int err = ops->create(&step.stage, &pipeline->config.env, fault);
    if (err == MR_OK)
        insert(pipeline, at + 1, &step);
    return err;
}

/* Before all others, and behind them for a result that comes in pieces. No step is open yet. */
static void add_digests(struct mr_pipeline *pipeline)
{
    static const struct step digest = {.id = MR_STAGE_COUNT, .is_digest = true};
    bool has_result = pipeline->wants_sha256 && mr_pipeline_streams(pipeline);
    if (pipeline->wants_sha256_in)
        insert(pipeline, 0, &digest);
    if (has_result)
        insert(pipeline, pipeline->count, &digest);
}

static int open_step(struct mr_pipeline *pipeline, struct step *step, struct mr_stream *in, uint64_t length,
                     struct mr_fault *fault)
{
    if (step->is_digest)
        return open_digest(pipeline, step, in, fault);
    return is_image(step) ? open_image(pipeline, step, in, length, fault)
                          : open_transform(pipeline, step, in, length, fault);
}

/* Is there room for a new stream? What there is beyond that is kept for those that are under way. */
static int admit(struct mr_pipeline *pipeline, struct mr_fault *fault)
{
    const struct mr_pipeline_config *config = &pipeline->config;
    const struct mr_budget *budget = config->budget;
    bool is_image_alone = pipeline->count == 1 && pipeline->steps[0].ops == NULL; /* it admits its own job */
    uint32_t retry_after;
    int err = mr_offload_admit(config->offload, config->loop, MR_LANE_BULK, &retry_after);
    if (err == MR_OK || is_image_alone)
        err = mr_budget_is_open(budget) ? MR_OK : MR_EBUDGET;
    if (err == MR_OK)
        return MR_OK;
    if (err == MR_EBUDGET)
        mr_fault_limit(fault, err, "memory-budget", budget->limit, mr_budget_used(budget));
    else
        mr_fault_set(fault, err, NULL);
    fault->retry_after_s = retry_after;
    mr_counter_add(&config->numbers->refused, 1);
    return err;
}

int mr_pipeline_open(struct mr_pipeline *pipeline, struct mr_stream *in, uint64_t length, struct mr_fault *fault)
{
    MR_ON_LOOP(pipeline->config.loop);
    int err = admit(pipeline, fault);
    if (err == MR_OK)
        add_digests(pipeline);
    for (unsigned i = 0; i < pipeline->count && err == MR_OK; i++) {
        struct step *step = &pipeline->steps[i];
        err = add_wrap(pipeline, i, fault);
        if (err == MR_OK)
            err = open_step(pipeline, step, in, length, fault);
        if (!step->is_digest) /* it changes nothing */
            length = MR_PIPELINE_UNKNOWN;
        if (err == MR_OK)
            in = out_of(step);
    }
    return err;
}

/* From the last to the first: a step that is given bytes must know where to pass them on. */
void mr_pipeline_start(struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    for (unsigned i = pipeline->count; i-- > 0;) {
        struct step *step = &pipeline->steps[i];
        if (step->image != NULL)
            mr_image_step_attach(step->image);
        else if (step->digest != NULL)
            mr_digest_step_attach(step->digest);
        else
            mr_transform_attach(step->transform);
        if (step->sniffer != NULL)
            mr_sniffer_attach(step->sniffer);
    }
}

struct mr_stream *mr_pipeline_out(struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    return out_of(&pipeline->steps[pipeline->count - 1]);
}

void mr_pipeline_destroy(struct mr_pipeline **out)
{
    struct mr_pipeline *pipeline = *out;
    *out = NULL;
    if (pipeline == NULL)
        return;
    MR_ON_LOOP(pipeline->config.loop);
    for (unsigned i = 0; i < pipeline->count; i++) {
        struct step *step = &pipeline->steps[i];
        if (step->image != NULL)
            mr_image_step_destroy(&step->image);
        if (step->sniffer != NULL)
            mr_sniffer_destroy(&step->sniffer);
        if (step->transform != NULL)
            mr_transform_destroy(&step->transform);
        mr_digest_step_destroy(&step->digest);
        if (step->stage != NULL)
            step->ops->destroy(step->stage);
    }
    free(pipeline);
}

/* ---- what is known of it ---- */

const char *mr_pipeline_media_type(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    const struct mr_stage_ops *ops = NULL;
    for (unsigned i = 0; i < pipeline->count; i++)
        if (!pipeline->steps[i].is_digest)
            ops = pipeline->steps[i].ops;
    return ops != NULL ? ops->media_type : "application/octet-stream";
}

uint64_t mr_pipeline_out_length(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    const struct step *last = last_step(pipeline);
    return last->transform != NULL ? mr_transform_out_length(last->transform) : MR_PIPELINE_UNKNOWN;
}

size_t mr_pipeline_held_back(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    size_t most = HELD_BACK;
    for (unsigned i = 0; i < pipeline->count; i++)
        if (pipeline->steps[i].ops != NULL)
            most = MR_MAX(most, pipeline->steps[i].ops->held_back);
    return most;
}

const uint8_t *mr_pipeline_sha256(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    if (!pipeline->wants_sha256)
        return NULL;
    const struct step *last = last_step(pipeline);
    return last->digest != NULL ? mr_digest_step_sha256(last->digest) : mr_image_step_sha256(last->image);
}

const uint8_t *mr_pipeline_sha256_in(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    return pipeline->wants_sha256_in ? mr_digest_step_sha256(pipeline->steps[0].digest) : NULL;
}

const struct mr_job *mr_pipeline_image_job(const struct mr_pipeline *pipeline)
{
    MR_ON_LOOP(pipeline->config.loop);
    const struct step *only = &pipeline->steps[0];
    return pipeline->count == 1 && only->image != NULL ? mr_image_step_job(only->image) : NULL;
}

static uint64_t work_ns(const struct step *step)
{
    if (step->digest != NULL)
        return mr_digest_step_work_ns(step->digest);
    if (step->image == NULL)
        return mr_transform_work_ns(step->transform);
    const struct mr_job *job = mr_image_step_job(step->image);
    return job->finished_at - job->started_at;
}

int mr_pipeline_timing(const struct mr_pipeline *pipeline, char *out, size_t size)
{
    MR_ON_LOOP(pipeline->config.loop);
    int len = 0;
    for (unsigned i = 0; i < pipeline->count; i++) {
        const struct step *step = &pipeline->steps[i];
        bool fits = (size_t)len < size;
        const char *name = step->is_digest ? "sha256" : step->ops != NULL ? step->ops->name : "image";
        len += snprintf(fits ? out + len : NULL, fits ? size - (size_t)len : 0, "%s%s;dur=%.3f", i > 0 ? ", " : "",
                        name, (double)work_ns(step) / (double)MR_NS_PER_MS);
    }
    return len;
}
