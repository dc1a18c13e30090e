#include "base/exemplar.h"
#include "base/atomic.h"
#include <string.h>

_Static_assert(sizeof(struct mr_exemplar_value) == MR_EXEMPLAR_WORDS * sizeof(uint64_t), "made of whole words");

void mr_exemplar_set(struct mr_exemplar *exemplar, const struct mr_exemplar_value *value)
{
    uint64_t words[MR_EXEMPLAR_WORDS];
    /* Odd, whatever it was: a writer may have ended in the middle where the memory is shared. */
    uint64_t writing = (mr_load(&exemplar->version, relaxed) + 1) | 1;

    memcpy(words, value, sizeof(words));
    mr_store(&exemplar->version, writing, relaxed);
    /* Release: whoever reads one of these words sees the odd version too. */
    for (size_t i = 0; i < MR_EXEMPLAR_WORDS; i++)
        mr_store(&exemplar->words[i], words[i], release);
    /* Release: whoever reads this version sees all the words. */
    mr_store(&exemplar->version, writing + 1, release);
}

/* The writer's own reading, which nobody disturbs. */
static bool is_kept(const struct mr_exemplar *exemplar, const struct mr_exemplar_value *newer)
{
    struct mr_exemplar_value held;
    return mr_exemplar_read(exemplar, &held) && held.value > newer->value &&
           newer->wall - held.wall < MR_EXEMPLAR_KEPT_NS;
}

void mr_exemplar_offer(struct mr_exemplar *exemplar, const struct mr_exemplar_value *value)
{
    if (!is_kept(exemplar, value))
        mr_exemplar_set(exemplar, value);
}

bool mr_exemplar_read(const struct mr_exemplar *exemplar, struct mr_exemplar_value *out)
{
    uint64_t words[MR_EXEMPLAR_WORDS];
    uint64_t version = mr_load(&exemplar->version, acquire); /* pairs with the last store of mr_exemplar_set() */

    if (version == 0 || version % 2 != 0)
        return false;
    /* Acquire: pairs with the stores of mr_exemplar_set(); a newer word brings the newer version with it. */
    for (size_t i = 0; i < MR_EXEMPLAR_WORDS; i++)
        words[i] = mr_load(&exemplar->words[i], acquire);
    if (mr_load(&exemplar->version, relaxed) != version)
        return false;
    memcpy(out, words, sizeof(words));
    return true;
}
