/* structured.h -- structured field values (RFC 8941): the members of a dictionary, with all that may stand in one
 * checked and what is of use taken out. Dates and display strings of RFC 9651 are read over too. Pure functions; any
 * thread. */
#ifndef MR_HTTP_STRUCTURED_H
#define MR_HTTP_STRUCTURED_H

#include "base/slice.h"

enum mr_structured_kind {
    MR_STRUCTURED_INTEGER, /* text: its digits, with a '-' when it is negative */
    MR_STRUCTURED_BYTES,   /* text: base64, not checked, as it stands between the colons */
    MR_STRUCTURED_OTHER,   /* text: the item or the inner list as it stands; empty for a key alone, which is true */
};

struct mr_structured_member {
    struct mr_slice key;
    enum mr_structured_kind kind;
    struct mr_slice text; /* without its parameters */
};

/* Call `take` for each member of a dictionary, in order; when a key is there twice the last one counts. MR_OK;
 * MR_EREQUEST when the line is no dictionary, perhaps behind some calls; or the first error that `take` returns. An
 * empty line is an empty dictionary. */
int mr_structured_dictionary(struct mr_slice line,
                             int (*take)(void *context, const struct mr_structured_member *member), void *context);

#endif
