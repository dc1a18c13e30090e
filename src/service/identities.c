#include "service/identities.h"
#include "base/log.h"

int mr_identities_open(struct mr_age_keys **out, const struct mr_option_list *files, bool is_told,
                       struct mr_fault *fault)
{
    *out = NULL;
    int err = files->count > 0 ? mr_age_keys_create(out) : MR_OK;
    if (err != MR_OK)
        return mr_fault_set(fault, (enum mr_error)err, "the identities cannot be kept: %s", mr_error_text(err));
    for (size_t i = 0; i < files->count && err == MR_OK; i++) {
        size_t before = (*out)->others;
        err = mr_age_keys_load(*out, files->values[i], fault);
        if (err == MR_OK && is_told && (*out)->others > before)
            mr_log(MR_LOG_WARN, "%zu identities in %s are passed over: post-quantum, of a plugin or of ssh",
                   (*out)->others - before, files->values[i]);
    }
    return err;
}
