/* table.h -- the variants that are known, by their keys: those that are being made, those that are held, those that are
 * kept, and those that could not be made. For variants.c alone.
 *
 *      MAKING ----> READY ----> (kept, or gone with its last reference)
 *         |
 *         +-------> FAILED ---> (gone when its moment is over)
 *
 * One mutex guards all of it. Loops hold it for the time of a look-up, never over a system call or a large free(): what
 * is to be freed is collected and freed by the caller. */
#ifndef MR_VARIANTS_TABLE_H
#define MR_VARIANTS_TABLE_H

#include "variants/variants.h"
#include <pthread.h>

#define MR_VARIANT_PLACES 4096 /* of the hash table */

enum mr_variant_state { MR_VARIANT_MAKING, MR_VARIANT_READY, MR_VARIANT_FAILED };

struct mr_flight;

struct mr_variant_entry {
    struct mr_variant_key key;
    enum mr_variant_state state;
    struct mr_variant_entry *chain;           /* of its place */
    struct mr_variant_entry *older, *younger; /* of those that are idle */
    struct mr_flight *flight;                 /* MAKING */
    struct mr_variant variant;                /* READY, as all that follows but the last two */
    struct mr_image_result result;
    void *record;     /* owned: what the bytes lie in, where they were read from the disk */
    uint64_t charged; /* of the memory budget */
    unsigned references;
    bool is_kept;
    struct mr_fault fault; /* FAILED */
    uint64_t ends_at;      /* FAILED: monotonic ns */
};

struct mr_variant_table {
    pthread_mutex_t mutex;
    uint64_t max, used;                       /* bytes of what is kept */
    struct mr_variant_entry *oldest, *newest; /* idle ones: kept, and not referred to */
    struct mr_variant_cache_numbers *numbers;
    struct mr_variant_entry *places[MR_VARIANT_PLACES];
};

void mr_variant_table_init(struct mr_variant_table *table, uint64_t max, struct mr_variant_cache_numbers *numbers);
void mr_variant_table_close(struct mr_variant_table *table);

/* With the mutex locked, all that follow. */

struct mr_variant_entry *mr_variant_table_find(struct mr_variant_table *table, const struct mr_variant_key *key);
void mr_variant_table_add(struct mr_variant_table *table, struct mr_variant_entry *entry);
void mr_variant_table_remove(struct mr_variant_table *table, struct mr_variant_entry *entry);
/* Keep it, if there is room for it beside what is in use. Returns what had to go for it, a list by `chain`. */
struct mr_variant_entry *mr_variant_table_keep(struct mr_variant_table *table, struct mr_variant_entry *entry);
/* One more reference; one less. The latter returns the entry if it is to be freed, else NULL. */
void mr_variant_table_hold(struct mr_variant_table *table, struct mr_variant_entry *entry);
struct mr_variant_entry *mr_variant_table_let_go(struct mr_variant_table *table, struct mr_variant_entry *entry);

/* Take out one that is idle. It is to be freed. */
void mr_variant_table_drop(struct mr_variant_table *table, struct mr_variant_entry *entry);

/* Without the mutex: free a list, and give back to the budget what was taken for it. */
void mr_variant_entries_free(struct mr_variant_entry *first, struct mr_budget *memory);

#endif
