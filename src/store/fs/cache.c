#include "store/fs/cache.h"
#include <stdlib.h>
#include <string.h>

static size_t place_of_hash(uint64_t hash)
{
    return (size_t)(hash % MR_CACHE_PLACES);
}

static const char *id_of(const struct mr_entry *entry)
{
    return entry->file.meta.object.id;
}

static size_t bytes_of(const struct mr_entry *entry)
{
    return sizeof(*entry) + entry->file.len;
}

static void drop_cached(struct mr_cache *cache, size_t place)
{
    struct mr_entry *entry = cache->at[place];
    if (entry == NULL)
        return;
    cache->at[place] = NULL;
    cache->bytes -= bytes_of(entry);
    mr_entry_release(entry);
}

struct mr_entry *mr_cache_find(struct mr_store *store, struct mr_loop *loop, const char *id)
{
    const unsigned index = mr_loop_index(loop);
    struct mr_cache *cache = index < MR_STORE_LOOPS_MAX ? store->caches[index] : NULL;
    size_t place = place_of_hash(mr_home_hash(id));
    struct mr_entry *entry = cache != NULL ? cache->at[place] : NULL;
    if (entry == NULL || strcmp(id_of(entry), id) != 0)
        return NULL;
    if (entry->generation != mr_home_generation(store->home, id)) {
        drop_cached(cache, place);
        return NULL;
    }
    entry->references++;
    return entry;
}

/* The loop's own; NULL: there is no memory. */
static struct mr_cache *cache_of(struct mr_store *store, struct mr_loop *loop)
{
    MR_ASSERT(mr_loop_index(loop) < MR_STORE_LOOPS_MAX);
    struct mr_cache **cache = &store->caches[mr_loop_index(loop)];
    if (*cache == NULL)
        *cache = calloc(1, sizeof(**cache));
    return *cache;
}

/* The note is of one reading for each place: of two that share it, asked for in turn, neither is kept. */
static bool is_worth_keeping(struct mr_cache *cache, const struct mr_entry *entry, uint64_t hash)
{
    uint64_t *read_last = &cache->read_last[place_of_hash(hash)];
    if (entry->file.meta.payload.len == 0 || *read_last == hash)
        return true;
    *read_last = hash;
    return false;
}

void mr_cache_offer(struct mr_store *store, struct mr_loop *loop, struct mr_entry *entry)
{
    struct mr_cache *cache = cache_of(store, loop);
    uint64_t hash = mr_home_hash(id_of(entry));
    if (cache == NULL || !is_worth_keeping(cache, entry, hash))
        return;
    size_t place = place_of_hash(hash);
    drop_cached(cache, place);
    while (cache->bytes + bytes_of(entry) > MR_CACHE_BYTES_MAX)
        drop_cached(cache, cache->hand++ % MR_CACHE_PLACES);
    cache->at[place] = entry;
    cache->bytes += bytes_of(entry);
    entry->references++;
}

void mr_cache_close(struct mr_store *store)
{
    for (size_t i = 0; i < MR_STORE_LOOPS_MAX; i++) {
        for (size_t place = 0; store->caches[i] != NULL && place < MR_CACHE_PLACES; place++)
            drop_cached(store->caches[i], place);
        free(store->caches[i]);
        store->caches[i] = NULL;
    }
}
