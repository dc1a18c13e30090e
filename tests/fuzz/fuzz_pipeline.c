/* Any text as the stages and the query of a pipe: it is taken, or refused with a reason, and either way all of it is
 * given back. The input's first line is the path, the second the query, with no escapes. */
#include "base/assert.h"
#include "base/macros.h"
#include "pipe/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(int err, const struct mr_fault *fault)
{
    MR_ASSERT(err == MR_OK || (err < 0 && (int)fault->error == err));
    MR_ASSERT(err == MR_OK || mr_error_kind(fault->error) == MR_ERROR_OF_INPUT);
}

static int set_all(struct mr_pipeline *pipeline, struct mr_slice query, struct mr_fault *fault)
{
    int err = MR_OK;
    while (query.at != NULL && err == MR_OK) {
        struct mr_slice value = mr_slice_cut(&query, '&');
        struct mr_slice name = mr_slice_cut(&value, '=');
        err = mr_pipeline_set(pipeline, name, value.at != NULL ? value : MR_SLICE(""), fault);
        check_fault(err, fault);
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_pipe_numbers numbers;
    static struct mr_budget budget;
    struct mr_slice query = {.at = (const char *)data, .len = size};
    struct mr_slice stages = mr_slice_cut(&query, '\n');
    const struct mr_pipeline_config config = {.budget = &budget, .env = {.budget = &budget}, .numbers = &numbers};
    struct mr_pipeline *pipeline = NULL;
    struct mr_fault fault = {0};
    int err = mr_pipeline_create(&pipeline, &config, stages, &fault);
    check_fault(err, &fault);
    MR_ASSERT((err == MR_OK) == (pipeline != NULL));
    if (err == MR_OK && set_all(pipeline, query, &fault) == MR_OK) {
        err = mr_pipeline_check(pipeline, &fault);
        check_fault(err, &fault);
        MR_ASSERT(mr_pipeline_media_type(pipeline) != NULL);
    }
    mr_pipeline_destroy(&pipeline);
    MR_ASSERT(mr_budget_used(&budget) == 0);
    return 0;
}
