/* read_access.h -- may a request read a file, or an image of one: by a signed address (keys/signature.h), with a key
 * that has the right `read`, or without both. On the request's loop. */
#ifndef MR_ROUTES_READ_ACCESS_H
#define MR_ROUTES_READ_ACCESS_H

#include "http/request.h"

struct mr_read_access {
    uint64_t expires; /* of a signed address, seconds since 1970; 0: it is not signed */
    bool is_proven;   /* by a signature, or by a key with the right `read` */
};

/* A signature that is there must be right. It stands for a key, and a key for a signature. needs_signature: one of the
 * two is needed, as it is with --read=key and --read=signed in any case. MR_OK; MR_ESIGNATURE, MR_ESIGEXPIRED, or as
 * mr_request_authorize(). */
int mr_read_access_check(struct mr_read_access *out, struct mr_request *request, bool needs_signature,
                         struct mr_fault *fault);
/* Cache-Control of what a signed address shows: no longer than it is good. may_change: the same address may show
 * something else one day, so it is for a day, and old for a week while a new one is fetched; else for a year. */
struct mr_slice mr_read_access_cache_control(const struct mr_read_access *access, bool may_change, uint64_t now_s,
                                             struct mr_arena *arena);
/* Has the request a signature, or some of one? */
bool mr_read_access_is_signed(const struct mr_request *request);
/* The parameters of a signature: of the routes that may be signed. */
extern const struct mr_param_spec mr_read_access_params[];
bool mr_read_access_is_param(struct mr_slice name);

#endif
