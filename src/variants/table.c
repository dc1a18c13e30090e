#include "variants/table.h"
#include "base/assert.h"
#include "base/counter.h"
#include <stdlib.h>
#include <string.h>

#define SHARE_OF_ONE 4 /* an image is kept if it takes at most this part of the room */

static struct mr_variant_entry **place_of_key(struct mr_variant_table *table, const struct mr_variant_key *key)
{
    uint32_t hash;
    memcpy(&hash, key->bytes, sizeof(hash)); /* the key is one */
    return &table->places[hash % MR_VARIANT_PLACES];
}

static uint64_t room_of_variant(const struct mr_variant_entry *entry)
{
    return sizeof(*entry) + entry->variant.bytes.len;
}

/* ---- idle ones ---- */

static void make_idle(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    entry->older = table->newest;
    entry->younger = NULL;
    *(table->newest != NULL ? &table->newest->younger : &table->oldest) = entry;
    table->newest = entry;
}

static void take_from_idle(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    *(entry->older != NULL ? &entry->older->younger : &table->oldest) = entry->younger;
    *(entry->younger != NULL ? &entry->younger->older : &table->newest) = entry->older;
    entry->older = entry->younger = NULL;
}

/* ---- the table ---- */

void mr_variant_table_init(struct mr_variant_table *table, uint64_t max, struct mr_variant_cache_numbers *numbers)
{
    pthread_mutex_init(&table->mutex, NULL);
    table->max = max;
    table->numbers = numbers;
}

void mr_variant_table_close(struct mr_variant_table *table)
{
    for (size_t i = 0; i < MR_VARIANT_PLACES; i++) {
        for (const struct mr_variant_entry *entry = table->places[i]; entry != NULL; entry = entry->chain)
            MR_ASSERT(entry->references == 0 && entry->state != MR_VARIANT_MAKING);
        mr_variant_entries_free(table->places[i], NULL);
    }
    pthread_mutex_destroy(&table->mutex);
}

struct mr_variant_entry *mr_variant_table_find(struct mr_variant_table *table, const struct mr_variant_key *key)
{
    struct mr_variant_entry *entry = *place_of_key(table, key);
    while (entry != NULL && memcmp(entry->key.bytes, key->bytes, MR_VARIANT_KEY_LEN) != 0)
        entry = entry->chain;
    return entry;
}

void mr_variant_table_add(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    struct mr_variant_entry **place = place_of_key(table, &entry->key);
    entry->chain = *place;
    *place = entry;
}

void mr_variant_table_remove(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    struct mr_variant_entry **at = place_of_key(table, &entry->key);
    while (*at != entry)
        at = &(*at)->chain;
    *at = entry->chain;
    entry->chain = NULL;
}

/* What cannot be made takes room, too, but is no image. */
static uint64_t images_of(const struct mr_variant_entry *entry)
{
    return entry->state == MR_VARIANT_READY ? 1 : 0;
}

static void note_room(const struct mr_variant_table *table)
{
    atomic_store_explicit(&table->numbers->bytes, table->used, memory_order_relaxed);
}

void mr_variant_table_drop(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    take_from_idle(table, entry);
    mr_variant_table_remove(table, entry);
    table->used -= room_of_variant(entry);
    note_room(table);
    mr_counter_subtract(&table->numbers->images, images_of(entry));
}

struct mr_variant_entry *mr_variant_table_keep(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    struct mr_variant_entry *evicted = NULL;
    uint64_t room = room_of_variant(entry);
    if (room > table->max / SHARE_OF_ONE)
        return NULL;
    while (table->used + room > table->max && table->oldest != NULL) {
        struct mr_variant_entry *old = table->oldest;
        mr_variant_table_drop(table, old);
        mr_counter_add(&table->numbers->evicted, images_of(old));
        old->chain = evicted;
        evicted = old;
    }
    entry->is_kept = table->used + room <= table->max;
    if (entry->is_kept) {
        table->used += room;
        note_room(table);
        mr_counter_add(&table->numbers->images, images_of(entry));
    }
    return evicted;
}

void mr_variant_table_hold(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    if (entry->references++ == 0)
        take_from_idle(table, entry);
}

struct mr_variant_entry *mr_variant_table_let_go(struct mr_variant_table *table, struct mr_variant_entry *entry)
{
    MR_ASSERT(entry->references > 0);
    if (--entry->references > 0)
        return NULL;
    if (entry->is_kept) {
        make_idle(table, entry);
        return NULL;
    }
    mr_variant_table_remove(table, entry);
    return entry;
}

void mr_variant_entries_free(struct mr_variant_entry *first, struct mr_budget *memory)
{
    while (first != NULL) {
        struct mr_variant_entry *entry = first;
        first = entry->chain;
        mr_image_result_free(&entry->result);
        free(entry->record);
        if (memory != NULL)
            mr_budget_give_back(memory, entry->charged);
        free(entry);
    }
}
