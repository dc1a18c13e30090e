#include "pipe/image_job.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/macros.h"
#include "base/magic.h"
#include "pipe/lane.h"

#define IMAGE_JOB_MAGIC 0x696d6167u /* "imag" */

/* Take from the budget what the run needs beyond what was taken. On the loop or, while it runs, on its worker. */
static int reserve(void *context, uint64_t needed, struct mr_fault *fault)
{
    struct mr_image_job *image = mr_from_context(context, struct mr_image_job, IMAGE_JOB_MAGIC);
    struct mr_budget *budget = image->budget;
    if (needed <= image->memory)
        return MR_OK;
    if (budget->limit != 0 && needed > budget->limit) /* no use in trying again */
        return mr_fault_limit(fault, MR_EPIXELS, "memory-budget", budget->limit, needed);
    if (!mr_budget_try_take(budget, needed - image->memory))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", budget->limit, mr_budget_used(budget) + needed);
    image->memory = needed;
    return MR_OK;
}

/* ---- on the worker ---- */

static void work(struct mr_job *job)
{
    struct mr_image_job *image = mr_container_of(job, struct mr_image_job, job);
    const struct mr_image_source *source = &image->source;
    struct mr_image_limits limits = *image->limits;
    limits.reserve = reserve; /* the loop has seen the beginning at most, and some steps change what is needed */
    limits.context = image;
    struct mr_slice bytes = source->bytes;
    image->err = bytes.at == NULL ? source->map(source->owner, &bytes, &image->fault) : MR_OK;
    if (image->err == MR_OK)
        image->err = mr_image_run_scanned(&image->result, &image->ops, bytes.at, bytes.len, &image->scan, &limits,
                                          &job->cancel, &image->fault);
    if (image->err == MR_OK && image->wants_sha256)
        mr_sha256(image->sha256, image->result.bytes, image->result.len);
    job->has_failed = image->err != MR_OK;
    if (source->drop != NULL)
        source->drop(source->owner);
}

/* ---- on the loop ---- */

static void count_outcome(const struct mr_image_job *image)
{
    if (image->job.outcome != MR_JOB_DONE || image->err == MR_OK)
        return;
    _Atomic uint64_t *counter = image->err == MR_ECANCELLED ? image->stopped : image->failed;
    if (counter != NULL)
        mr_counter_add(counter, 1);
}

/* Why there is no result, if there is none. */
static int find_fault(struct mr_image_job *image)
{
    switch (image->job.outcome) {
    case MR_JOB_DONE:
        if (image->err == MR_ECANCELLED) /* if it is still wanted it was the end of the server */
            return mr_fault_set(&image->fault, MR_ESHUTDOWN, NULL);
        return image->err;
    case MR_JOB_EXPIRED:
        return mr_fault_set(&image->fault, MR_EEXPIRED, NULL);
    case MR_JOB_CANCELLED:
    case MR_JOB_SHUT_DOWN:
        return mr_fault_set(&image->fault, MR_ESHUTDOWN, NULL);
    }
    MR_UNREACHABLE();
}

static void done(struct mr_job *job)
{
    struct mr_image_job *image = mr_container_of(job, struct mr_image_job, job);
    image->is_running = false;
    count_outcome(image);
    image->err = find_fault(image);
    image->done(image);
}

static void on_image_late(struct mr_job *job)
{
    struct mr_image_job *image = mr_container_of(job, struct mr_image_job, job);
    struct mr_fault fault; /* that of the job may be a worker's, which took it in this moment */
    mr_fault_set(&fault, MR_EEXPIRED, NULL);
    image->late(image, &fault);
}

void mr_image_job_init(struct mr_image_job *image)
{
    MR_ON_LOOP(image->loop);
    image->magic = IMAGE_JOB_MAGIC;
    image->job = (struct mr_job){.work = work,
                                 .done = done,
                                 .late = image->late != NULL ? on_image_late : NULL,
                                 .loop = image->loop,
                                 .lane = MR_LANE_INTERACTIVE, /* until more is known */
                                 .run_time = image->run_time};
}

int mr_image_job_admit(struct mr_image_job *image, bool is_large, struct mr_fault *fault)
{
    MR_ON_LOOP(image->loop);
    image->job.lane = is_large ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE;
    int err = mr_offload_admit(image->offload, image->loop, image->job.lane, NULL);
    return err == MR_OK ? MR_OK : mr_fault_set(fault, err, NULL);
}

uint32_t mr_image_job_retry_after_s(struct mr_image_job *image)
{
    MR_ON_LOOP(image->loop);
    uint32_t seconds;
    mr_offload_admit(image->offload, image->loop, image->job.lane, &seconds);
    return seconds;
}

/* Find lane and memory from what can be known of the bytes here. */
static int measure(struct mr_image_job *image, struct mr_fault *fault)
{
    const struct mr_slice *bytes = &image->source.bytes;
    const struct mr_image_info *info = &image->scan.info;
    image->scan = (struct mr_image_scan){.info.format = MR_IMAGE_UNKNOWN};
    int err = MR_OK;
    if (bytes->at != NULL)
        err = mr_image_glance(&image->scan, image->ops.frame, bytes->at, bytes->len, image->limits, fault);
    if (err != MR_OK)
        return err;
    image->job.lane = mr_lane_of_image(info, &image->ops);
    image->job.expected_ns = mr_image_cost_ns(info, &image->ops);
    return info->width != 0 ? reserve(image, mr_image_memory(info, &image->ops), fault) : MR_OK;
}

int mr_image_job_submit(struct mr_image_job *image, const struct mr_image_source *source, struct mr_fault *fault)
{
    MR_ON_LOOP(image->loop);
    MR_ASSERT(!image->is_running && (source->bytes.at != NULL || source->map != NULL));
    image->source = *source;
    int err = measure(image, fault);
    if (err != MR_OK)
        return err;
    err = mr_offload_submit(image->offload, &image->job);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    image->is_running = true;
    return MR_OK;
}

void mr_image_job_cancel(struct mr_image_job *image)
{
    MR_ON_LOOP(image->loop);
    if (image->is_running)
        mr_job_cancel(&image->job);
}

uint64_t mr_image_job_take(struct mr_image_job *image, struct mr_image_result *out)
{
    MR_ON_LOOP(image->loop);
    uint64_t charged = MR_MIN(image->memory, (uint64_t)image->result.len);
    *out = image->result;
    image->result = (struct mr_image_result){.bytes = NULL};
    image->memory -= charged;
    return charged;
}

void mr_image_job_clear(struct mr_image_job *image)
{
    MR_ON_LOOP(image->loop);
    MR_ASSERT(!image->is_running);
    mr_image_result_free(&image->result);
    mr_budget_give_back(image->budget, image->memory);
    image->memory = 0;
}
