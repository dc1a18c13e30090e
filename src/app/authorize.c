#include "app/authorize.h"
#include "base/assert.h"
#include "keys/api_keys.h"
#include <string.h>

static bool find_holder(void *context, struct mr_slice key, struct mr_key_holder *out)
{
    struct mr_api_key found;
    if (!mr_api_keys_look_up(context, key, &found))
        return false;
    _Static_assert(sizeof(found.name) <= sizeof(out->name), "a name fits");
    memcpy(out->name, found.name, sizeof(found.name));
    out->rights = found.rights;
    return true;
}

void mr_app_authorize_by(struct mr_http *http, struct mr_key_ring *ring)
{
    MR_ASSERT(ring != NULL);
    http->authorizer = (struct mr_authorizer){.find = find_holder, .context = ring, .right_names = mr_right_names};
}
