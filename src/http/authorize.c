/* mr_request_authorize() of request.h. */
#include "base/assert.h"
#include "base/counter.h"
#include "base/log.h"
#include "http/authorizer.h"
#include "http/http.h"
#include "http/request.h"

/* The key of "Bearer KEY", or .at NULL. */
static struct mr_slice bearer_key(struct mr_slice credentials)
{
    struct mr_slice rest = credentials, scheme = mr_slice_cut(&rest, ' ');
    return mr_slice_is_nocase(scheme, "Bearer") ? mr_slice_trim(rest) : (struct mr_slice){.at = NULL};
}

/* A guess, or a client whose key was taken away. The key itself never gets into the log. */
static int refuse_wrong_key(const struct mr_request *request, struct mr_fault *fault)
{
    static _Atomic uint64_t reported_at;
    struct mr_log_line line;
    char client[MR_PEER_SIZE];
    mr_counter_add(&mr_http_counters_of(request->http, mr_loop_index(request->loop))->wrong_keys, 1);
    if (mr_log_is_due(&reported_at)) {
        mr_log_begin(&line, MR_LOG_WARN, "a request has an API key that is not known");
        mr_peer_write(&request->client.peer, client);
        mr_log_text(&line, "client", client);
        mr_log_text(&line, "id", request->id);
        mr_log_end(&line);
    }
    return mr_fault_set(fault, MR_EUNAUTHORIZED, "The key that was sent is not known here.");
}

static int find_key(struct mr_request *request, struct mr_key_holder *out, struct mr_fault *fault)
{
    const struct mr_authorizer *authorizer = &request->http->authorizer;
    struct mr_slice credentials = mr_head_find(&request->head, "authorization");
    if (mr_head_is_repeated(&request->head, "authorization")) /* a proxy may have looked at another one */
        return mr_fault_set(fault, MR_EREQUEST, "There is more than one Authorization field.");
    struct mr_slice key = bearer_key(credentials);
    if (key.at == NULL)
        return mr_fault_set(fault, MR_EUNAUTHORIZED, "Send a key in the field \"Authorization: Bearer KEY\".");
    if (!authorizer->find(authorizer->context, key, out))
        return refuse_wrong_key(request, fault);
    return MR_OK;
}

static int identify_key(struct mr_request *request, struct mr_fault *fault)
{
    struct mr_key_holder holder;
    int err = request->key_name == NULL ? find_key(request, &holder, fault) : MR_OK;
    if (err != MR_OK || request->key_name != NULL)
        return err;
    struct mr_slice name = {.at = holder.name, .len = strlen(holder.name) + 1};
    request->key_name = mr_arena_copy(&request->arena, name);
    request->key_rights = holder.rights;
    return MR_OK;
}

int mr_request_authorize(struct mr_request *request, uint32_t rights, struct mr_fault *fault)
{
    const struct mr_authorizer *authorizer = &request->http->authorizer;
    MR_ON_LOOP(request->loop);
    if (authorizer->find == NULL)
        return MR_OK;
    int err = identify_key(request, fault);
    uint32_t missing = rights & ~request->key_rights;
    if (err != MR_OK || missing == 0)
        return err;
    unsigned bit = (unsigned)__builtin_ctz(missing);
    return mr_fault_set(fault, MR_EFORBIDDEN, "The key lacks the right \"%s\".", authorizer->right_names[bit]);
}
