#include "media/age/secret.h"
#include "base/assert.h"
#include <sodium.h>
#include <stdatomic.h>

enum { SPARE_MAX = 32 }; /* a page each; two pages of guard take addresses only */

static _Atomic(void *) spare[SPARE_MAX];

static void *take_spare(void)
{
    for (int i = 0; i < SPARE_MAX; i++) {
        if (atomic_load_explicit(&spare[i], memory_order_relaxed) == NULL)
            continue;
        void *block = atomic_exchange_explicit(&spare[i], NULL, memory_order_acquire);
        if (block != NULL)
            return block;
    }
    return NULL;
}

static void *make(void)
{
    void *block = sodium_init() < 0 ? NULL : sodium_malloc(MR_SECRET_MAX);
    if (block != NULL)
        sodium_memzero(block, MR_SECRET_MAX); /* which sodium_malloc() has filled with a pattern */
    return block;
}

void *mr_secret_take(size_t size)
{
    MR_ASSERT(size <= MR_SECRET_MAX);
    void *block = take_spare();
    return block != NULL ? block : make();
}

void mr_secret_give_back(void *secret)
{
    sodium_memzero(secret, MR_SECRET_MAX);
    for (int i = 0; i < SPARE_MAX; i++) {
        void *nothing = NULL;
        if (atomic_compare_exchange_strong_explicit(&spare[i], &nothing, secret, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    sodium_free(secret);
}
