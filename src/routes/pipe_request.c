#include "routes/pipe_request.h"
#include "app/app.h"

/* Which of two secrets is meant cannot be known. *out: .at NULL if there is none. */
static int read_secret(struct mr_slice *out, const struct mr_head *head, const char *name, struct mr_fault *fault)
{
    *out = mr_head_find(head, name);
    if (mr_head_is_repeated(head, name))
        return mr_fault_set(fault, MR_EPARAM, "The header field %s is given more than once.", name);
    return MR_OK;
}

static int read_env(struct mr_stage_env *env, const struct mr_request *request, struct mr_fault *fault)
{
    const struct mr_app *app = mr_app_of(request);
    *env = (struct mr_stage_env){
        .budget = app->memory,
        .identities = app->identities,
        .expansion_bytes = app->pipe->max_expansion,
        .expansion_ratio = (uint64_t)app->pipe->max_expansion_ratio,
        .zstd_window = app->pipe->max_zstd_window,
        .work_factor = (uint32_t)app->pipe->max_work_factor,
    };
    int err = read_secret(&env->identity, &request->head, "Age-Identity", fault);
    if (err == MR_OK)
        err = read_secret(&env->passphrase, &request->head, "Age-Passphrase", fault);
    if (err != MR_OK)
        return err;
    if (env->identity.at != NULL && !app->allow_request_identity)
        return mr_fault_set(fault, MR_EPARAM, "Age-Identity is not taken here: see --allow-request-identity.");
    return MR_OK;
}

static int create_requested(struct mr_pipeline **out, const struct mr_pipe_request *wanted, struct mr_fault *fault)
{
    const struct mr_app *app = mr_app_of(wanted->request);
    struct mr_loop *loop = wanted->request->loop;
    struct mr_pipeline_config config = {
        .loop = loop,
        .offload = app->offload,
        .budget = app->memory,
        .disk = app->disk,
        .image_limits = &app->image_limits,
        .formats = app->fence.formats,
        .first_format = app->fence.fallback,
        .patience_ns = app->http->limits.body_timeout_ns,
        .body_memory = app->pipe->body_memory,
        .numbers = &mr_app_numbers(app, loop)->pipes,
        .may_be_empty = wanted->may_be_empty,
        .hold = wanted->hold,
        .release = wanted->release,
        .whole = wanted->whole,
        .context = wanted->context,
    };
    int err = read_env(&config.env, wanted->request, fault);
    return err != MR_OK ? err : mr_pipeline_create(out, &config, wanted->stages, fault);
}

static int set_requested(struct mr_pipeline *pipeline, const struct mr_pipe_request *wanted, struct mr_fault *fault)
{
    const struct mr_query *query = &wanted->request->query;
    int err = mr_query_check_once(query, mr_stage_repeatable, fault);
    for (unsigned i = 0; i < query->count && err == MR_OK; i++) {
        const struct mr_param_pair *pair = &query->pairs[i];
        if (wanted->route_params == NULL || mr_param_find(wanted->route_params, pair->name) == NULL)
            err = mr_pipeline_set(pipeline, pair->name, pair->value, fault);
    }
    return err == MR_OK ? mr_pipeline_check(pipeline, fault) : err;
}

int mr_pipe_request_pipeline(struct mr_pipeline **out, const struct mr_pipe_request *wanted, struct mr_fault *fault)
{
    MR_ON_LOOP(wanted->request->loop);
    int err = create_requested(out, wanted, fault);
    return err == MR_OK ? set_requested(*out, wanted, fault) : err;
}
