/* prefer.h -- the Prefer field (RFC 7240): what a client would like, if it can be had. Pure; any thread. */
#ifndef MR_HTTP_PREFER_H
#define MR_HTTP_PREFER_H

#include "http/head.h"

/* The value of the preference `name` ("respond=after-body"), without quotes and parameters: of the first one, as the
 * RFC has it. .at NULL: there is none; empty: it has no value. A malformed element is passed over. */
struct mr_slice mr_prefer_find(const struct mr_head *head, const char *name);

#endif
