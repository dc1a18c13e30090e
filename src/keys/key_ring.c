/* DESIGN. The lock is held for a look-up (microseconds) by many and for the exchange of a pointer by one, never while a
 * file is read: a loop that looks up a key waits for a few instructions at most. */
#include "keys/key_ring.h"
#include "base/assert.h"
#include "base/log.h"
#include <pthread.h>
#include <stdlib.h>

struct mr_key_ring {
    const char *path;         /* borrowed */
    pthread_rwlock_t lock;    /* of `keys` */
    struct mr_api_keys *keys; /* owned; never NULL, never changed */
};

/* NULL: the fault says why. */
static struct mr_api_keys *load_ring(const char *path, struct mr_fault *fault)
{
    struct mr_api_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL) {
        mr_fault_set(fault, MR_EMEMORY, "%s", mr_error_text(MR_EMEMORY));
    } else if (mr_api_keys_load(keys, path, fault) != MR_OK) {
        free(keys);
        keys = NULL;
    }
    return keys;
}

int mr_key_ring_open(struct mr_key_ring **out, const char *path, struct mr_fault *fault)
{
    *out = NULL;
    struct mr_key_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL)
        return mr_fault_set(fault, MR_EMEMORY, "%s", mr_error_text(MR_EMEMORY));
    ring->path = path;
    ring->keys = load_ring(path, fault);
    if (ring->keys == NULL) {
        free(ring);
        return fault->error;
    }
    int failed = pthread_rwlock_init(&ring->lock, NULL);
    MR_ASSERT(failed == 0);
    *out = ring;
    return MR_OK;
}

static void log_keys(enum mr_log_level level, const char *message, const struct mr_key_ring *ring, size_t count)
{
    struct mr_log_line line;
    mr_log_begin(&line, level, message);
    mr_log_text(&line, "file", ring->path);
    mr_log_int(&line, "keys", (int64_t)count);
    mr_log_end(&line);
}

void mr_key_ring_reload(struct mr_key_ring *ring)
{
    struct mr_fault fault;
    struct mr_api_keys *keys = load_ring(ring->path, &fault);
    if (keys == NULL) {
        mr_log(MR_LOG_ERROR, "the API keys are not read again, the old ones stay in use: %s", fault.detail);
        return;
    }
    size_t count = keys->count; /* once they are in use they are not ours alone */
    pthread_rwlock_wrlock(&ring->lock);
    struct mr_api_keys *old = ring->keys;
    ring->keys = keys;
    pthread_rwlock_unlock(&ring->lock);
    free(old);
    log_keys(count > 0 ? MR_LOG_INFO : MR_LOG_WARN, "API keys read again", ring, count);
}

bool mr_key_ring_find(struct mr_key_ring *ring, struct mr_slice key, struct mr_api_key *out)
{
    pthread_rwlock_rdlock(&ring->lock);
    const struct mr_api_key *found = mr_api_keys_find(ring->keys, key);
    if (found != NULL)
        *out = *found;
    pthread_rwlock_unlock(&ring->lock);
    return found != NULL;
}

size_t mr_key_ring_count(struct mr_key_ring *ring)
{
    pthread_rwlock_rdlock(&ring->lock);
    size_t count = ring->keys->count;
    pthread_rwlock_unlock(&ring->lock);
    return count;
}

void mr_key_ring_close(struct mr_key_ring **ring)
{
    if (*ring == NULL)
        return;
    pthread_rwlock_destroy(&(*ring)->lock);
    free((*ring)->keys);
    free(*ring);
    *ring = NULL;
}
