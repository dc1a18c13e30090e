/* identities.h -- the keys of --identity, to decrypt with. */
#ifndef MR_SERVICE_IDENTITIES_H
#define MR_SERVICE_IDENTITIES_H

#include "base/options.h"
#include "media/age/age_keys.h"

/* Read the files, blocking; *out is NULL where none is named. is_told: identities of other kinds, which are passed
 * over, are logged. MR_OK, or the fault's detail is for a person; *out is to be freed all the same. */
int mr_identities_open(struct mr_age_keys **out, const struct mr_option_list *files, bool is_told,
                       struct mr_fault *fault);

#endif
