/* authorizer.h -- between a request and the API keys: HTTP reads the Authorization field (RFC 6750, section 2.1) and
 * compares rights; what keys there are and what the rights are called it is told here.
 *
 * A key is looked up when a route needs one, or when a handler asks (mr_request_authorize()), once a request. It is
 * never logged. */
#ifndef MR_HTTP_AUTHORIZER_H
#define MR_HTTP_AUTHORIZER_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_KEY_NAME_SIZE 65 /* a NUL included */

/* What is known of a key. */
struct mr_key_holder {
    char name[MR_KEY_NAME_SIZE]; /* for the access log */
    uint32_t rights;             /* bits */
};

struct mr_authorizer {
    /* False: there is no such key. The time that it takes must tell nothing of other keys. Called on any loop. NULL:
     * the server has no keys, and each request may do all. */
    bool (*find)(void *context, struct mr_slice key, struct mr_key_holder *out);
    void *context;                  /* borrowed */
    const char *const *right_names; /* borrowed: the rights' words, by the number of their bit; ends with NULL */
};

#endif
