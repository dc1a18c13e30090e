/* DESIGN. The lock is held for a look-up (microseconds) by many and for the exchange of a pointer by one, never while a
 * file is read: a loop that looks up a key waits for a few instructions at most. */
#include "keys/key_ring.h"
#include "base/assert.h"
#include "base/log.h"
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

struct mr_key_ring {
    const struct mr_key_kind *kind; /* borrowed */
    const char *path;               /* borrowed */
    pthread_rwlock_t lock;          /* of `keys` */
    void *keys;                     /* owned: of kind->size bytes; never NULL, never changed */
};

static void free_keys(const struct mr_key_kind *kind, void *keys)
{
    sodium_memzero(keys, kind->size);
    free(keys);
}

/* NULL: the fault says why. */
static void *load_ring(const struct mr_key_kind *kind, const char *path, struct mr_fault *fault)
{
    void *keys = calloc(1, kind->size);
    if (keys == NULL) {
        mr_fault_set(fault, MR_EMEMORY, "%s", mr_error_text(MR_EMEMORY));
    } else if (mr_key_file_load(keys, kind, path, fault) != MR_OK) {
        free_keys(kind, keys);
        keys = NULL;
    }
    return keys;
}

int mr_key_ring_open(struct mr_key_ring **out, const struct mr_key_kind *kind, const char *path, struct mr_fault *fault)
{
    *out = NULL;
    struct mr_key_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL)
        return mr_fault_set(fault, MR_EMEMORY, "%s", mr_error_text(MR_EMEMORY));
    ring->kind = kind;
    ring->path = path;
    ring->keys = load_ring(kind, path, fault);
    if (ring->keys == NULL) {
        free(ring);
        return fault->error;
    }
    int failed = pthread_rwlock_init(&ring->lock, NULL);
    MR_ASSERT(failed == 0);
    *out = ring;
    return MR_OK;
}

static void log_keys(const struct mr_key_ring *ring, size_t count)
{
    struct mr_log_line line;
    char message[60];
    snprintf(message, sizeof(message), "%s read again", ring->kind->label);
    mr_log_begin(&line, count > 0 ? MR_LOG_INFO : MR_LOG_WARN, message);
    mr_log_text(&line, "file", ring->path);
    mr_log_int(&line, ring->kind->counted, (int64_t)count);
    mr_log_end(&line);
}

void mr_key_ring_reload(struct mr_key_ring *ring)
{
    struct mr_fault fault;
    void *keys = load_ring(ring->kind, ring->path, &fault);
    if (keys == NULL) {
        mr_log(MR_LOG_ERROR, "the %s are not read again, the old ones stay in use: %s", ring->kind->label,
               fault.detail);
        return;
    }
    size_t count = ring->kind->count(keys); /* once they are in use they are not ours alone */
    pthread_rwlock_wrlock(&ring->lock);
    void *old = ring->keys;
    ring->keys = keys;
    pthread_rwlock_unlock(&ring->lock);
    free_keys(ring->kind, old);
    log_keys(ring, count);
}

const void *mr_key_ring_borrow(struct mr_key_ring *ring, const struct mr_key_kind *kind)
{
    MR_ASSERT(ring->kind == kind);
    pthread_rwlock_rdlock(&ring->lock);
    return ring->keys;
}

void mr_key_ring_return(struct mr_key_ring *ring)
{
    pthread_rwlock_unlock(&ring->lock);
}

size_t mr_key_ring_count(struct mr_key_ring *ring)
{
    size_t count = ring->kind->count(mr_key_ring_borrow(ring, ring->kind));
    mr_key_ring_return(ring);
    return count;
}

void mr_key_ring_close(struct mr_key_ring **ring)
{
    if (*ring == NULL)
        return;
    pthread_rwlock_destroy(&(*ring)->lock);
    free_keys((*ring)->kind, (*ring)->keys);
    free(*ring);
    *ring = NULL;
}
