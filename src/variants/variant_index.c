/* DESIGN. Three tables behind a head, all of fixed size:
 *
 *      claims    by key: sets of 8
 *      files     by number, modulo their count: a number whose place is taken is passed over
 *      rows      by key: sets of 8
 *
 * A row is never swept: one whose file is gone is a free one. */
#define _GNU_SOURCE 1 /* sem_clockwait */
#include "variants/variant_index.h"
#include "base/assert.h"
#include "base/macros.h"
#include "store/store.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#define FILE_MAX    (64 * MR_MIB)
#define FILES_MIN   8u   /* that the room is divided into */
#define ROOM_OF_ROW 4096 /* bytes of files for each row: most images are larger */
#define ROWS_MIN    1024u
#define ROWS_MAX    (UINT32_C(1) << 22)
#define SET         8u
#define CLAIM_SETS  256u
#define TAG_LEN     16 /* of a key: the record has all of it */

_Static_assert(MR_STORE_PROCESSES_MAX <= 64, "a bit of `waiters` for each");

struct index_claim {
    uint8_t tag[TAG_LEN];
    uint64_t waiters; /* processes, a bit each */
    uint32_t owner;   /* a process, counted from 1; 0: free */
};

struct index_file {
    uint32_t number; /* 0: free */
    uint32_t owner;  /* a process that writes it, counted from 1; 0: none */
    uint64_t size;
};

struct index_row {
    uint8_t tag[TAG_LEN];
    struct mr_variant_place place; /* .file 0: free */
};

struct mr_variant_index {
    pthread_mutex_t mutex;
    sem_t wake[MR_STORE_PROCESSES_MAX];
    uint64_t size_max, file_max;
    uint32_t file_count, set_count;
    uint32_t next; /* the number of the next file */
    struct index_claim claims[CLAIM_SETS * SET];
    _Alignas(MR_CACHE_LINE) struct index_file files[]; /* and behind them the rows */
};

/* ---- its shape ---- */

static uint32_t count_files(const struct mr_variant_index_config *config, uint64_t *file_max)
{
    *file_max = MR_MIN((uint64_t)FILE_MAX, config->size_max / MR_MAX(FILES_MIN, 2 * config->processes));
    /* Those of an earlier server may be smaller. */
    uint64_t files = 2 * (*file_max == 0 ? 0 : config->size_max / *file_max) + UINT64_C(2) * MR_STORE_PROCESSES_MAX;
    return (uint32_t)MR_MIN(files, (uint64_t)UINT16_MAX);
}

static uint32_t count_sets(const struct mr_variant_index_config *config)
{
    uint64_t rows = ROWS_MIN;
    while (rows < ROWS_MAX && rows * ROOM_OF_ROW < config->size_max)
        rows *= 2;
    return (uint32_t)(rows / SET);
}

static struct index_row *rows_of(struct mr_variant_index *index)
{
    return (struct index_row *)(void *)&index->files[index->file_count];
}

size_t mr_variant_index_size(const struct mr_variant_index_config *config)
{
    uint64_t file_max;
    return sizeof(struct mr_variant_index) + count_files(config, &file_max) * sizeof(struct index_file) +
           (size_t)count_sets(config) * SET * sizeof(struct index_row);
}

void mr_variant_index_init(struct mr_variant_index *index, const struct mr_variant_index_config *config)
{
    pthread_mutexattr_t shared;
    MR_ASSERT(config->processes <= MR_STORE_PROCESSES_MAX);
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&index->mutex, &shared);
    pthread_mutexattr_destroy(&shared);
    for (unsigned i = 0; i < MR_STORE_PROCESSES_MAX; i++)
        sem_init(&index->wake[i], 1, 0);
    index->size_max = config->size_max;
    index->file_count = count_files(config, &index->file_max);
    index->set_count = count_sets(config);
    index->next = 1;
}

static void lock_index(struct mr_variant_index *index)
{
    int error_number = pthread_mutex_lock(&index->mutex);
    if (error_number == EOWNERDEAD)
        error_number = pthread_mutex_consistent(&index->mutex);
    MR_ASSERT(error_number == 0);
}

static void unlock_index(struct mr_variant_index *index)
{
    pthread_mutex_unlock(&index->mutex);
}

/* ---- files ---- */

static struct index_file *place_of_file(struct mr_variant_index *index, uint32_t number)
{
    return &index->files[number % index->file_count];
}

static struct index_file *find_file(struct mr_variant_index *index, uint32_t number)
{
    struct index_file *file = place_of_file(index, number);
    return number != 0 && file->number == number ? file : NULL;
}

/* Is there room for a file of that size, beside what the others take, or may take: one that is written grows. Half of
 * the places stay free, so that a number soon finds one. */
static bool has_room(const struct mr_variant_index *index, uint64_t size)
{
    uint64_t sum = size;
    uint32_t count = 0;
    for (uint32_t i = 0; i < index->file_count; i++) {
        const struct index_file *file = &index->files[i];
        if (file->number == 0)
            continue;
        sum += file->owner != 0 ? index->file_max : file->size;
        count++;
    }
    return sum <= index->size_max && count < index->file_count / 2;
}

/* The oldest that no process writes; NULL: there is none. */
static struct index_file *oldest_file(struct mr_variant_index *index)
{
    struct index_file *oldest = NULL;
    for (uint32_t i = 0; i < index->file_count; i++) {
        struct index_file *file = &index->files[i];
        if (file->number != 0 && file->owner == 0 && (oldest == NULL || file->number < oldest->number))
            oldest = file;
    }
    return oldest;
}

/* Its number; 0: there is none. */
static uint32_t evict_oldest(struct mr_variant_index *index)
{
    struct index_file *oldest = oldest_file(index);
    if (oldest == NULL)
        return 0;
    uint32_t number = oldest->number;
    oldest->number = 0;
    return number;
}

static void evict_files(struct mr_variant_index *index, uint32_t evicted[MR_VARIANT_EVICTED_MAX], unsigned *count)
{
    *count = 0;
    while (*count < MR_VARIANT_EVICTED_MAX && !has_room(index, index->file_max)) {
        evicted[*count] = evict_oldest(index);
        if (evicted[*count] == 0)
            return;
        ++*count;
    }
}

/* A number whose place is free; 0: there is none. */
static uint32_t next_number(struct mr_variant_index *index)
{
    for (uint32_t i = 0; i < index->file_count && index->next < UINT32_MAX - 1; i++) {
        uint32_t number = index->next++;
        if (place_of_file(index, number)->number == 0)
            return number;
    }
    return 0;
}

uint64_t mr_variant_index_file_max(const struct mr_variant_index *index)
{
    return index->file_max;
}

void mr_variant_index_open_file(struct mr_variant_index *index, unsigned process, uint32_t *number,
                                uint32_t evicted[MR_VARIANT_EVICTED_MAX], unsigned *count)
{
    *number = 0;
    lock_index(index);
    evict_files(index, evicted, count);
    if (has_room(index, index->file_max))
        *number = next_number(index);
    if (*number != 0)
        *place_of_file(index, *number) = (struct index_file){.number = *number, .owner = process + 1};
    unlock_index(index);
}

uint32_t mr_variant_index_evict(struct mr_variant_index *index)
{
    lock_index(index);
    uint32_t number = evict_oldest(index);
    unlock_index(index);
    return number;
}

bool mr_variant_index_has_file(struct mr_variant_index *index, uint32_t number)
{
    lock_index(index);
    bool has = find_file(index, number) != NULL;
    unlock_index(index);
    return has;
}

void mr_variant_index_close_file(struct mr_variant_index *index, uint32_t number, uint64_t size)
{
    lock_index(index);
    struct index_file *file = find_file(index, number);
    if (file != NULL)
        *file = (struct index_file){.number = size > 0 ? number : 0, .size = size};
    unlock_index(index);
}

bool mr_variant_index_add_file(struct mr_variant_index *index, uint32_t number, uint64_t size)
{
    lock_index(index);
    struct index_file *file = place_of_file(index, number);
    bool is_added = file->number == 0 && has_room(index, size);
    if (is_added)
        *file = (struct index_file){.number = number, .size = size};
    index->next = MR_MAX(index->next, number + 1);
    unlock_index(index);
    return is_added;
}

void mr_variant_index_totals(struct mr_variant_index *index, struct mr_variant_index_totals *out)
{
    *out = (struct mr_variant_index_totals){.bytes = 0};
    lock_index(index);
    for (uint32_t i = 0; i < index->file_count; i++) {
        if (index->files[i].number == 0)
            continue;
        out->bytes += index->files[i].size;
        out->files++;
    }
    unlock_index(index);
}

/* ---- claims ---- */

static uint32_t hash_of_key(const struct mr_variant_key *key)
{
    uint32_t hash;
    memcpy(&hash, key->bytes, sizeof(hash)); /* the key is one */
    return hash;
}

/* The claim of the key; else a free one of its set, or NULL. */
static struct index_claim *find_claim(struct mr_variant_index *index, const struct mr_variant_key *key)
{
    struct index_claim *set = &index->claims[(size_t)(hash_of_key(key) % CLAIM_SETS) * SET], *free_one = NULL;
    for (unsigned i = 0; i < SET; i++) {
        if (set[i].owner == 0)
            free_one = &set[i];
        else if (memcmp(set[i].tag, key->bytes, TAG_LEN) == 0)
            return &set[i];
    }
    return free_one;
}

static enum mr_variant_look claim_variant(struct mr_variant_index *index, const struct mr_variant_key *key,
                                          unsigned process)
{
    struct index_claim *claim = find_claim(index, key);
    if (claim == NULL || claim->owner == process + 1)
        return MR_VARIANT_UNCLAIMED;
    if (claim->owner != 0) {
        claim->waiters |= UINT64_C(1) << process;
        return MR_VARIANT_AWAITED;
    }
    memcpy(claim->tag, key->bytes, TAG_LEN);
    claim->waiters = 0;
    claim->owner = process + 1; /* last: one that is half written has none */
    return MR_VARIANT_CLAIMED;
}

static void end_claim(struct mr_variant_index *index, struct index_claim *claim)
{
    uint64_t waiters = claim->waiters;
    for (unsigned i = 0; waiters != 0; i++, waiters >>= 1) {
        if ((waiters & 1) != 0)
            sem_post(&index->wake[i]);
    }
    claim->owner = 0; /* last: of a process that dies before this the sweep wakes them once more */
}

void mr_variant_index_end_claim(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process)
{
    lock_index(index);
    struct index_claim *claim = find_claim(index, key);
    if (claim != NULL && claim->owner == process + 1)
        end_claim(index, claim);
    unlock_index(index);
}

void mr_variant_index_unawait(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process)
{
    lock_index(index);
    struct index_claim *claim = find_claim(index, key);
    if (claim != NULL)
        claim->waiters &= ~(UINT64_C(1) << process);
    unlock_index(index);
}

bool mr_variant_index_is_wanted(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process)
{
    lock_index(index);
    const struct index_claim *claim = find_claim(index, key);
    bool is = claim != NULL && claim->owner == process + 1 && claim->waiters != 0;
    unlock_index(index);
    return is;
}

bool mr_variant_index_is_awaited(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process)
{
    lock_index(index);
    const struct index_claim *claim = find_claim(index, key);
    bool is = claim != NULL && claim->owner != 0 && claim->owner != process + 1;
    unlock_index(index);
    return is;
}

void mr_variant_index_wait(struct mr_variant_index *index, unsigned process, bool is_bounded)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    while ((is_bounded ? sem_clockwait(&index->wake[process], CLOCK_MONOTONIC, &until)
                       : sem_wait(&index->wake[process])) != 0) {
        if (errno == ETIMEDOUT)
            return;
        MR_ASSERT(errno == EINTR);
    }
}

void mr_variant_index_wake(struct mr_variant_index *index, unsigned process)
{
    sem_post(&index->wake[process]);
}

/* ---- rows ---- */

static struct index_row *set_of_key(struct mr_variant_index *index, const struct mr_variant_key *key)
{
    return &rows_of(index)[(size_t)(hash_of_key(key) % index->set_count) * SET];
}

/* NULL: there is none whose file is there. */
static struct index_row *find_row(struct mr_variant_index *index, const struct mr_variant_key *key)
{
    struct index_row *set = set_of_key(index, key);
    for (unsigned i = 0; i < SET; i++) {
        if (memcmp(set[i].tag, key->bytes, TAG_LEN) == 0 && find_file(index, set[i].place.file) != NULL)
            return &set[i];
    }
    return NULL;
}

/* Its own row, a free one, or the one in the oldest file. */
static struct index_row *row_to_fill(struct mr_variant_index *index, const struct mr_variant_key *key)
{
    struct index_row *set = set_of_key(index, key), *found = find_row(index, key), *oldest = &set[0];
    for (unsigned i = 0; i < SET && found == NULL; i++) {
        if (find_file(index, set[i].place.file) == NULL)
            found = &set[i];
        if (set[i].place.file < oldest->place.file)
            oldest = &set[i];
    }
    return found != NULL ? found : oldest;
}

enum mr_variant_look mr_variant_index_look(struct mr_variant_index *index, const struct mr_variant_key *key,
                                           unsigned process, struct mr_variant_place *place)
{
    enum mr_variant_look found = MR_VARIANT_HERE;
    lock_index(index);
    const struct index_row *row = find_row(index, key);
    if (row != NULL)
        *place = row->place;
    else
        found = claim_variant(index, key, process);
    unlock_index(index);
    return found;
}

void mr_variant_index_put(struct mr_variant_index *index, const struct mr_variant_key *key,
                          const struct mr_variant_place *place)
{
    lock_index(index);
    struct index_file *file = find_file(index, place->file);
    if (file != NULL) { /* else it was evicted meanwhile */
        struct index_row *row = row_to_fill(index, key);
        memcpy(row->tag, key->bytes, TAG_LEN);
        row->place = *place;
        file->size = MR_MAX(file->size, (uint64_t)place->offset + place->len);
    }
    unlock_index(index);
}

void mr_variant_index_forget(struct mr_variant_index *index, const struct mr_variant_key *key,
                             const struct mr_variant_place *place)
{
    lock_index(index);
    struct index_row *row = find_row(index, key);
    if (row != NULL && row->place.file == place->file && row->place.offset == place->offset)
        row->place.file = 0;
    unlock_index(index);
}

/* ---- deaths ---- */

void mr_variant_index_sweep(struct mr_variant_index *index, unsigned process)
{
    lock_index(index);
    for (unsigned i = 0; i < CLAIM_SETS * SET; i++) {
        index->claims[i].waiters &= ~(UINT64_C(1) << process);
        if (index->claims[i].owner == process + 1)
            end_claim(index, &index->claims[i]);
    }
    for (uint32_t i = 0; i < index->file_count; i++) {
        struct index_file *file = &index->files[i];
        if (file->number != 0 && file->owner == process + 1)
            file->owner = 0;
    }
    unlock_index(index);
}
