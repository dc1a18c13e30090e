/* A payload that is sealed, changed, and opened. The first bytes say how long it is and what is done to it; it must
 * open exactly when nothing was, and then to the same bytes; and never may more come out than was sealed. */
#include "base/assert.h"
#include "base/macros.h"
#include "media/age/age_stream.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNKS_MAX = 3, LEN_MAX = CHUNKS_MAX * MR_AGE_CHUNK, SEALED_MAX = (CHUNKS_MAX + 1) * MR_AGE_SEALED };

struct plan {
    uint32_t len;    /* of the plaintext */
    uint32_t at;     /* where a byte is changed */
    uint8_t change;  /* by this; 0: none */
    int8_t grow;     /* bytes more, or fewer */
    uint8_t swapped; /* odd: the first two chunks change places */
    uint8_t chunk;   /* number of the first chunk when it is sealed and ... */
    uint8_t other;   /* when it is opened; both even out to 0 mostly */
};

static const uint8_t key[MR_AGE_KEY] = {42};
static uint8_t plain[LEN_MAX], sealed[SEALED_MAX], opened[SEALED_MAX];

static bool swap_chunks(size_t len)
{
    static uint8_t first[MR_AGE_SEALED];
    if (len < 2 * MR_AGE_SEALED)
        return false;
    memcpy(first, sealed, MR_AGE_SEALED);
    memmove(sealed, sealed + MR_AGE_SEALED, MR_AGE_SEALED);
    memcpy(sealed + MR_AGE_SEALED, first, MR_AGE_SEALED);
    return true;
}

/* True: the payload is another one now. */
static bool change(const struct plan *plan, size_t *len)
{
    bool changed = plan->swapped % 2 != 0 && swap_chunks(*len);
    sealed[plan->at % *len] ^= plan->change;
    changed |= plan->change != 0;
    size_t before = *len;
    if (plan->grow < 0)
        *len -= MR_MIN(*len, (size_t)-plan->grow);
    else
        *len += (size_t)plan->grow;
    return changed || *len != before;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan plan;
    if (size < sizeof(plan))
        return 0;
    memcpy(&plan, data, sizeof(plan));
    size_t len = plan.len % (LEN_MAX + 1), rest = MR_MIN(size - sizeof(plan), len), out_len;
    memcpy(plain, data + sizeof(plan), rest);
    memset(plain + rest, 0, len - rest);
    memset(sealed, 0, sizeof(sealed));
    uint64_t chunk = len == 0 ? 0 : plan.chunk;
    /* Not both at once: the second chunk in the first one's place rightly opens under its own number. */
    uint64_t other = plan.other % 4 == 0 && plan.swapped % 2 == 0 ? plan.other : chunk;

    size_t sealed_len;
    int err = mr_age_seal(sealed, &sealed_len, key, chunk, plain, len, true, NULL);
    MR_ASSERT(err == MR_OK);
    bool changed = change(&plan, &sealed_len) || other != chunk;
    /* In memory of exactly that length, so that a step beyond is seen. */
    uint8_t *exact = malloc(MR_MAX(sealed_len, (size_t)1));
    MR_ASSERT(exact != NULL);
    memcpy(exact, sealed, sealed_len);
    err = mr_age_open(opened, &out_len, key, other, exact, sealed_len, true, NULL);
    free(exact);
    MR_ASSERT(err == (changed ? MR_ECORRUPT : MR_OK));
    MR_ASSERT(out_len <= len && (changed || out_len == len));
    MR_ASSERT(memcmp(opened, plain, out_len) == 0);
    return 0;
}
