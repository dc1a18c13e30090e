#include "media/scan/scan_coded.h"

#include "base/macros.h"

#include <string.h>

uint64_t mr_chain_left(const struct mr_chain *chain)
{
    uint64_t left = 0;
    for (size_t i = chain->part; i < chain->count; i++)
        left += chain->parts[i].len;
    return left - chain->at;
}

/* What is left of the part that is read, empty parts passed over; NULL at the end. */
static const struct mr_view *here(struct mr_chain *chain)
{
    while (chain->part < chain->count && chain->at == chain->parts[chain->part].len) {
        chain->part++;
        chain->at = 0;
    }
    return chain->part < chain->count ? &chain->parts[chain->part] : NULL;
}

size_t mr_chain_read(struct mr_chain *chain, uint8_t *out, size_t len)
{
    size_t done = 0;
    for (const struct mr_view *part; done < len && (part = here(chain)) != NULL;) {
        size_t count = MR_MIN(len - done, part->len - chain->at);
        memcpy(out + done, part->at + chain->at, count);
        chain->at += count;
        done += count;
    }
    return done;
}

bool mr_chain_skip(struct mr_chain *chain, uint64_t len)
{
    for (const struct mr_view *part; len > 0 && (part = here(chain)) != NULL;) {
        size_t count = (size_t)MR_MIN(len, (uint64_t)(part->len - chain->at));
        chain->at += count;
        len -= count;
    }
    return len == 0;
}
