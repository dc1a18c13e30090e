#include "media/codec/expansion.h"

#include <stdio.h>

void mr_expansion_init(struct mr_expansion *expansion, const struct mr_stage_env *env)
{
    *expansion = (struct mr_expansion){.bytes_max = env->expansion_bytes, .ratio_max = env->expansion_ratio};
}

int mr_expansion_refuse(struct mr_fault *fault, const char *limit_name, uint64_t limit, uint64_t value,
                        const char *detail)
{
    int err = mr_fault_limit(fault, MR_EEXPANSION, limit_name, limit, value);
    if (fault != NULL)
        snprintf(fault->detail, sizeof(fault->detail), "%s", detail);
    return err;
}

int mr_expansion_add(struct mr_expansion *expansion, size_t in, size_t out, struct mr_fault *fault)
{
    expansion->in += in;
    expansion->out += out;
    if (expansion->bytes_max != 0 && expansion->out > expansion->bytes_max)
        return mr_expansion_refuse(fault, "max-expansion", expansion->bytes_max, expansion->out,
                                   "The output has more bytes than are allowed.");
    if (expansion->ratio_max == 0 || expansion->out <= MR_EXPANSION_GRACE)
        return MR_OK;
    uint64_t ratio = (expansion->out - 1) / MR_MAX(expansion->in, 1) + 1; /* rounded up */
    if (ratio > expansion->ratio_max)
        return mr_expansion_refuse(fault, "max-expansion-ratio", expansion->ratio_max, ratio,
                                   "The output is more times as large as the input than is allowed.");
    return MR_OK;
}
