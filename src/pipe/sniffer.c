/* DESIGN. Plain:      in ----> sniffer ----> out
 *         in between: in ----> sniffer --front--> transform --its out--> sniffer ----> out
 *
 * So the sniffer is the one sender of `out` in both cases, and what `out` says goes back to the sender that feeds it.
 */
#include "pipe/sniffer.h"
#include "base/assert.h"
#include "base/guard.h"
#include "base/macros.h"
#include "base/magic.h"
#include <stdlib.h>
#include <string.h>

#define FIRST 64 /* bytes that a sniff sees */

#define SNIFFER_MAGIC 0x736e6966u /* "snif" */

struct mr_sniffer {
    uint32_t magic;
    struct mr_transform_config config;
    const struct mr_stage_ops *(*sniff)(const unsigned char *bytes, size_t len);
    struct mr_stream *in; /* borrowed */
    struct mr_stream out;
    struct mr_stream front;         /* to the stage in between */
    struct mr_transform *transform; /* that stage at work, or NULL */
    unsigned char first[FIRST];
    size_t first_len;
    bool decided;
    struct mr_guard guard;
};

static void sniffer_enter(struct mr_sniffer *sniffer)
{
    mr_guard_enter(&sniffer->guard);
}

static void sniffer_leave(struct mr_sniffer *sniffer)
{
    if (!mr_guard_leave(&sniffer->guard))
        return;
    if (sniffer->transform != NULL)
        mr_transform_destroy(&sniffer->transform);
    free(sniffer);
}

/* ---- from the stage in between ---- */

static enum mr_flow inner_push(void *context, const void *bytes, size_t len)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    enum mr_flow flow = mr_stream_push(&sniffer->out, bytes, len);
    sniffer_leave(sniffer);
    return flow;
}

static enum mr_flow inner_push_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner),
                                   void *owner)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    enum mr_flow flow = mr_stream_push_ref(&sniffer->out, bytes, len, release, owner);
    sniffer_leave(sniffer);
    return flow;
}

static void inner_end(void *context)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    mr_stream_end(&sniffer->out);
    sniffer_leave(sniffer);
}

static void inner_abort(void *context, const struct mr_fault *why)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    mr_stream_abort(&sniffer->out, why);
    sniffer_leave(sniffer);
}

static const struct mr_stream_receiver inner_receiver = {
    .push = inner_push, .end = inner_end, .abort = inner_abort, .push_ref = inner_push_ref};

static void front_resume(void *context)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    mr_stream_resume(sniffer->in);
    sniffer_leave(sniffer);
}

static void front_cancel(void *context, const struct mr_fault *why)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    mr_stream_cancel(sniffer->in, why);
    sniffer_leave(sniffer);
}

static const struct mr_stream_sender front_sender = {.resume = front_resume, .cancel = front_cancel};

static int put_between(struct mr_sniffer *sniffer, const struct mr_stage_ops *ops, struct mr_fault *fault)
{
    struct mr_stage_env env = {.budget = sniffer->config.budget};
    int err = ops->create(&sniffer->config.stage, &env, fault);
    if (err != MR_OK)
        return err;
    sniffer->config.ops = ops;
    sniffer->config.in = &sniffer->front;
    err = mr_transform_create(&sniffer->transform, &sniffer->config, fault);
    if (err != MR_OK)
        return err;
    mr_stream_attach_receiver(mr_transform_out(sniffer->transform), &inner_receiver, sniffer);
    mr_stream_attach_sender(&sniffer->front, &front_sender, sniffer);
    mr_transform_attach(sniffer->transform);
    return MR_OK;
}

/* ---- from `in` ---- */

static struct mr_stream *onward(struct mr_sniffer *sniffer)
{
    return sniffer->transform != NULL ? &sniffer->front : &sniffer->out;
}

static int sniffer_decide(struct mr_sniffer *sniffer, struct mr_fault *fault)
{
    const struct mr_stage_ops *ops = sniffer->sniff(sniffer->first, sniffer->first_len);
    sniffer->decided = true;
    return ops != NULL ? put_between(sniffer, ops, fault) : MR_OK;
}

static void sniffer_fail(struct mr_sniffer *sniffer, const struct mr_fault *why)
{
    mr_stream_cancel(sniffer->in, why);
    mr_stream_abort(&sniffer->out, why);
}

/* The first bytes are there: pass them on, and what came with them. */
static enum mr_flow sniffer_begin(struct mr_sniffer *sniffer, const unsigned char *rest, size_t len)
{
    struct mr_fault fault;
    enum mr_flow flow = MR_FLOW_MORE;
    if (sniffer_decide(sniffer, &fault) != MR_OK) {
        sniffer_fail(sniffer, &fault);
        return MR_FLOW_PAUSE;
    }
    if (sniffer->first_len > 0)
        flow = mr_stream_push(onward(sniffer), sniffer->first, sniffer->first_len);
    return len > 0 ? mr_stream_push(onward(sniffer), rest, len) : flow;
}

static enum mr_flow sniffer_on_push(void *context, const void *bytes, size_t len)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    enum mr_flow flow = MR_FLOW_MORE;
    sniffer_enter(sniffer);
    if (sniffer->decided) {
        flow = mr_stream_push(onward(sniffer), bytes, len);
    } else {
        size_t part = MR_MIN(len, FIRST - sniffer->first_len);
        memcpy(sniffer->first + sniffer->first_len, bytes, part);
        sniffer->first_len += part;
        if (sniffer->first_len == FIRST)
            flow = sniffer_begin(sniffer, (const unsigned char *)bytes + part, len - part);
    }
    sniffer_leave(sniffer);
    return flow;
}

static void sniffer_on_end(void *context)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    if (!sniffer->decided)
        sniffer_begin(sniffer, NULL, 0);
    if (mr_stream_is_open(onward(sniffer)))
        mr_stream_end(onward(sniffer));
    sniffer_leave(sniffer);
}

static void sniffer_on_abort(void *context, const struct mr_fault *why)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    mr_stream_abort(onward(sniffer), why);
    sniffer_leave(sniffer);
}

static void *sniffer_on_space(void *context, size_t *len)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    return sniffer->decided ? mr_stream_space(onward(sniffer), len) : NULL;
}

static const struct mr_stream_receiver in_receiver = {
    .push = sniffer_on_push, .end = sniffer_on_end, .abort = sniffer_on_abort, .get_buffer = sniffer_on_space};

/* ---- from `out` ---- */

static void sniffer_on_resume(void *context)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    if (sniffer->transform != NULL)
        mr_stream_resume(mr_transform_out(sniffer->transform));
    else
        mr_stream_resume(sniffer->in);
    sniffer_leave(sniffer);
}

static void sniffer_on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_sniffer *sniffer = mr_from_context(context, struct mr_sniffer, SNIFFER_MAGIC);
    sniffer_enter(sniffer);
    if (sniffer->transform != NULL)
        mr_stream_cancel(mr_transform_out(sniffer->transform), why);
    else
        mr_stream_cancel(sniffer->in, why);
    sniffer_leave(sniffer);
}

static const struct mr_stream_sender out_sender = {.resume = sniffer_on_resume, .cancel = sniffer_on_cancel};

/* ---- life ---- */

int mr_sniffer_create(struct mr_sniffer **out, const struct mr_transform_config *config,
                      const struct mr_stage_ops *(*sniff)(const unsigned char *bytes, size_t len), struct mr_stream *in,
                      struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    struct mr_sniffer *sniffer = calloc(1, sizeof(*sniffer));
    if (sniffer == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    sniffer->magic = SNIFFER_MAGIC;
    sniffer->config = *config;
    sniffer->sniff = sniff;
    sniffer->in = in;
    mr_stream_attach_sender(&sniffer->out, &out_sender, sniffer);
    *out = sniffer;
    return MR_OK;
}

void mr_sniffer_destroy(struct mr_sniffer **out)
{
    struct mr_sniffer *sniffer = *out;
    *out = NULL;
    sniffer_enter(sniffer);
    mr_guard_destroy(&sniffer->guard);
    sniffer_leave(sniffer);
}

void mr_sniffer_attach(struct mr_sniffer *sniffer)
{
    MR_ON_LOOP(sniffer->config.loop);
    mr_stream_attach_receiver(sniffer->in, &in_receiver, sniffer);
}

struct mr_stream *mr_sniffer_out(struct mr_sniffer *sniffer)
{
    MR_ON_LOOP(sniffer->config.loop);
    return &sniffer->out;
}
