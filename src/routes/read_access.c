#include "routes/read_access.h"
#include "app/app.h"
#include "base/clock.h"
#include "base/macros.h"
#include "keys/rights.h"
#include "keys/signature.h"

enum { DAY_S = 86400, WEEK_S = 7 * DAY_S, YEAR_S = 365 * DAY_S };

const struct mr_param_spec mr_read_access_params[] = {
    {.name = "sig", .type = MR_PARAM_TEXT, .text = "of a signed address: the signature"},
    {.name = "kid", .type = MR_PARAM_TEXT, .text = "of a signed address: the name of the key that signed it"},
    {.name = "expires", .type = MR_PARAM_TEXT, .text = "of a signed address: when it ends, in seconds since 1970"},
    {.name = "s", .type = MR_PARAM_TEXT, .text = "ignored"},
    {.name = NULL},
};

bool mr_read_access_is_param(struct mr_slice name)
{
    return mr_param_find(mr_read_access_params, name) != NULL;
}

bool mr_read_access_is_signed(const struct mr_request *request)
{
    return mr_query_find(&request->query, "sig").at != NULL || mr_query_find(&request->query, "kid").at != NULL ||
           mr_query_find(&request->query, "expires").at != NULL;
}

static int verify_signature(struct mr_read_access *out, struct mr_request *request, struct mr_fault *fault)
{
    const struct mr_app *app = mr_app_of(request);
    const struct mr_signed_address address = {
        .path = request->head.path, .pairs = request->query.pairs, .count = request->query.count};
    struct mr_signature signature;
    if (app->signing == NULL)
        return mr_fault_set(fault, MR_ESIGNATURE, "This server has no keys that sign: see --signing-keys.");
    int err =
        mr_signature_verify(&signature, app->signing, &address, mr_clock_wall() / MR_NS_PER_S, &request->arena, fault);
    if (err == MR_OK)
        *out = (struct mr_read_access){.expires = signature.expires, .is_proven = true};
    return err;
}

/* Without a file of keys a key says nothing. */
static bool has_keys_to_check(const struct mr_request *request)
{
    return request->http->authorizer.find != NULL;
}

static bool has_key(const struct mr_request *request)
{
    return mr_head_find(&request->head, "authorization").at != NULL;
}

int mr_read_access_check(struct mr_read_access *out, struct mr_request *request, bool needs_signature,
                         struct mr_fault *fault)
{
    *out = (struct mr_read_access){.expires = 0};
    if (mr_read_access_is_signed(request))
        return verify_signature(out, request, fault);
    enum mr_app_readers read = mr_app_of(request)->read;
    if (has_keys_to_check(request) && (read == MR_APP_READ_KEY || has_key(request))) {
        out->is_proven = true;
        return mr_request_authorize(request, MR_RIGHT_READ, fault);
    }
    if (!needs_signature && read != MR_APP_READ_SIGNED)
        return MR_OK;
    return mr_fault_set(fault, MR_ESIGNATURE,
                        "Here this needs a signed address, or a key with the right \"read\": see --signing-keys, "
                        "--sign, --read, --only-presets and --api-keys.");
}

struct mr_slice mr_read_access_cache_control(const struct mr_read_access *access, bool may_change, uint64_t now_s,
                                             struct mr_arena *arena)
{
    uint64_t left = access->expires > now_s ? access->expires - now_s : 0;
    if (!may_change)
        return mr_arena_printf(arena, "public, max-age=%llu, immutable",
                               (unsigned long long)MR_MIN(left, (uint64_t)YEAR_S));
    uint64_t fresh = MR_MIN(left, (uint64_t)DAY_S);
    return mr_arena_printf(arena, "public, max-age=%llu, stale-while-revalidate=%llu", (unsigned long long)fresh,
                           (unsigned long long)MR_MIN(left - fresh, (uint64_t)WEEK_S));
}
