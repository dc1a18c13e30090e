/* DESIGN. An ask waits for an entry of the table (table.h); the entry's flight finds the image on the disk or makes it,
 * on the loop that asked first:
 *
 *      LOOKING ----> LOADING ----> RUNNING ----> landed: each ask that waits is told by a post to its loop
 *         |  |          |             |             |
 *         |  +----------|-------------|----> landed +----> WRITING it to the disk, if it was made here
 *         |             |             |
 *         +-------------+-------------+----> abandoned: its last ask left, so it is out of the table, and stops; or
 *                                            goes on to WRITING, if another process waits for it
 *
 * The ask that began the flight is told without a post, if it lands before mr_variants_ask() returns.
 *
 * The mutex of the table guards the entry, its flight's list of asks, and their states. An ask is its caller's until
 * made() or leave; what was posted for it is freed when the post arrives. */
#include "variants/variants.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/magic.h"
#include "loop/timer.h"
#include "pipe/image_job.h"
#include "store/object.h"
#include "variants/disk_cache.h"
#include "variants/table.h"
#include <stdlib.h>
#include <string.h>

#define FLIGHT_MAGIC 0x666c6967u /* "flig" */
#define ASK_MAGIC    0x61736b20u /* "ask " */

#define WAIT_NS      (30 * MR_NS_PER_S)  /* for another process that makes an image: as long as a job may take */
#define LINGER_NS    (50 * MR_NS_PER_MS) /* an abandoned job looks so often whether another process still waits for it */
#define FAILURE_LIFE (10 * MR_NS_PER_S)  /* for so long an image that cannot be made is not tried again */

struct mr_variants {
    struct mr_variants_config config;
    struct mr_variant_table table;
    struct mr_disk_cache *disk; /* owned; NULL: there is none */
};

struct mr_variant_ask {
    uint32_t magic;
    struct mr_variants *variants;
    struct mr_loop *loop;
    mr_variant_made *made;
    void *context;
    struct mr_variant_ask **owner; /* the caller's pointer to it; NULL: it has left */
    enum mr_variant_way way;
    bool is_beginning;              /* its loop is in mr_variants_ask(), which tells it */
    struct mr_flight *flight;       /* that it waits for; NULL: it is told, by `node` */
    struct mr_variant_ask *next;    /* of the flight */
    struct mr_variant_entry *entry; /* told: a reference; NULL: `fault` */
    struct mr_fault fault;
    struct mr_inbox_node node;
};

struct mr_flight {
    uint32_t magic;
    struct mr_variants *variants;
    struct mr_variant_entry *entry;
    struct mr_variant_ask *asks; /* that wait for it */
    bool is_abandoned;           /* it is out of the table, and owns the entry */
    struct mr_store_reader *reader;
    struct mr_disk_look look;
    bool is_looking, is_stopped; /* its loop's, as all from `reader` */
    struct mr_timer linger;      /* abandoned, and another process waits for it */
    struct mr_store_bytes *bytes;
    struct mr_image_job image;
    struct mr_disk_write write;
    struct mr_inbox_node stop;
    bool is_stop_posted, has_landed; /* the last of both frees it */
};

static void lock_table(struct mr_variants *variants)
{
    pthread_mutex_lock(&variants->table.mutex);
}

static void unlock_table(struct mr_variants *variants)
{
    pthread_mutex_unlock(&variants->table.mutex);
}

/* ---- telling those that asked ---- */

static struct mr_variant_entry *entry_of(const struct mr_variant *variant)
{
    return mr_container_of(variant, struct mr_variant_entry, variant);
}

void mr_variant_release(struct mr_variants *variants, const struct mr_variant *variant)
{
    lock_table(variants);
    struct mr_variant_entry *over = mr_variant_table_let_go(&variants->table, entry_of(variant));
    unlock_table(variants);
    mr_variant_entries_free(over, variants->config.memory);
}

static void on_told(struct mr_inbox_node *node)
{
    struct mr_variant_ask *ask = mr_container_of(node, struct mr_variant_ask, node);
    struct mr_variant_entry *entry = ask->entry;
    MR_ON_LOOP(ask->loop);
    if (ask->owner != NULL) {
        *ask->owner = NULL;
        ask->made(ask->context, entry == NULL ? &ask->fault : NULL, entry != NULL ? &entry->variant : NULL, ask->way);
    } else if (entry != NULL) {
        mr_variant_release(ask->variants, &entry->variant);
    }
    free(ask);
}

/* With the mutex locked: each ask has its reference, or the fault. Returns them, to be posted. */
static struct mr_variant_ask *take_asks(struct mr_flight *flight, const struct mr_fault *fault)
{
    struct mr_variant_ask *asks = flight->asks;
    flight->asks = NULL;
    for (struct mr_variant_ask *ask = asks; ask != NULL; ask = ask->next) {
        ask->flight = NULL;
        if (flight->look.is_found)
            ask->way = flight->look.was_awaited ? MR_VARIANT_JOINED : MR_VARIANT_READ;
        if (fault != NULL) {
            ask->fault = *fault;
        } else {
            ask->entry = flight->entry;
            mr_variant_table_hold(&flight->variants->table, flight->entry);
        }
    }
    return asks;
}

static void tell_asks(struct mr_variant_ask *asks)
{
    while (asks != NULL) {
        struct mr_variant_ask *ask = asks;
        asks = ask->next; /* before the post: its loop may free it at once */
        ask->node.deliver = on_told;
        if (!ask->is_beginning)
            mr_loop_post(ask->loop, &ask->node);
    }
}

/* ---- the flight, on its loop ---- */

static void free_flight(struct mr_flight *flight)
{
    mr_disk_look_clear(&flight->look);
    mr_store_bytes_close(&flight->bytes);
    mr_store_reader_close(&flight->reader);
    mr_image_job_clear(&flight->image);
    if (flight->is_abandoned)
        mr_variant_entries_free(flight->entry, flight->variants->config.memory);
    free(flight);
}

static void fill_from_disk(struct mr_variant_entry *entry, struct mr_disk_look *look)
{
    entry->record = look->bytes;
    entry->charged = look->charged;
    look->bytes = NULL;
    look->charged = 0;
    entry->variant = (struct mr_variant){.bytes = look->image,
                                         .format = look->record.format,
                                         .width = look->record.width,
                                         .height = look->record.height};
}

static void fill_from_job(struct mr_variant_entry *entry, struct mr_flight *flight)
{
    const struct mr_job *job = &flight->image.job;
    entry->charged = mr_image_job_take(&flight->image, &entry->result);
    entry->variant = (struct mr_variant){
        .bytes = {.at = entry->result.bytes, .len = entry->result.len},
        .format = entry->result.format,
        .width = entry->result.width,
        .height = entry->result.height,
        .wait_ns = job->started_at - job->submitted_at,
        .work_ns = job->finished_at - job->started_at,
    };
}

/* The entry is READY, and has the result. It counts as memory in use until it is kept. */
static void fill_entry(struct mr_flight *flight)
{
    if (flight->look.is_found)
        fill_from_disk(flight->entry, &flight->look);
    else
        fill_from_job(flight->entry, flight);
    flight->entry->state = MR_VARIANT_READY;
}

/* What fails for want of room may succeed the next time, and is not remembered. */
static bool is_lasting(const struct mr_fault *fault)
{
    return mr_error_kind(fault->error) == MR_ERROR_OF_INPUT;
}

static void fail_entry(struct mr_variant_entry *entry, const struct mr_fault *fault)
{
    entry->state = MR_VARIANT_FAILED;
    entry->fault = *fault;
    entry->ends_at = mr_clock_now() + FAILURE_LIFE;
}

/* Of an object that changed meanwhile nothing is kept: it may be gone. */
static bool is_to_be_kept(const struct mr_flight *flight, const struct mr_fault *fault)
{
    return mr_store_reader_is_current(flight->reader) && (fault == NULL || is_lasting(fault));
}

/* With the mutex locked. An abandoned one is written if its stop has come, and found that it is wanted. */
static bool is_to_be_written(const struct mr_flight *flight, const struct mr_fault *fault)
{
    return flight->variants->disk != NULL && fault == NULL && flight->image.result.bytes != NULL &&
           !(flight->is_abandoned && (flight->is_stop_posted || flight->is_stopped)) &&
           mr_store_reader_is_current(flight->reader);
}

/* With the mutex locked. The entry has a reference, ours. Returns what had to go for it. */
static struct mr_variant_entry *settle_entry(struct mr_flight *flight, const struct mr_fault *fault)
{
    struct mr_variants *variants = flight->variants;
    struct mr_variant_entry *entry = flight->entry, *evicted = NULL;
    entry->references = 1;
    entry->flight = NULL;
    if (fault == NULL)
        fill_entry(flight);
    else
        fail_entry(entry, fault);
    if (is_to_be_kept(flight, fault))
        evicted = mr_variant_table_keep(&variants->table, entry);
    if (entry->is_kept) {
        mr_budget_give_back(variants->config.memory, entry->charged);
        entry->charged = 0;
    }
    return evicted;
}

static void begin_write(struct mr_flight *flight);

static void land(struct mr_flight *flight, const struct mr_fault *fault)
{
    struct mr_variants *variants = flight->variants;
    struct mr_variant_entry *evicted = NULL, *over = NULL;
    struct mr_variant_ask *asks = NULL;
    mr_timer_clear(&flight->linger);
    lock_table(variants);
    bool is_written = is_to_be_written(flight, fault);
    if (!flight->is_abandoned) {
        evicted = settle_entry(flight, fault);
        asks = take_asks(flight, fault);
        if (!is_written) /* else its write has our reference */
            over = mr_variant_table_let_go(&variants->table, flight->entry);
    } else if (is_written) {
        fill_entry(flight);
    }
    flight->has_landed = true;
    bool is_last = !flight->is_stop_posted;
    unlock_table(variants);
    mr_variant_entries_free(evicted, variants->config.memory);
    mr_variant_entries_free(over, variants->config.memory);
    tell_asks(asks);
    if (is_written) {
        mr_image_job_clear(&flight->image); /* its memory does not wait for the disk */
        mr_store_bytes_close(&flight->bytes);
        begin_write(flight);
    } else if (is_last) {
        free_flight(flight);
    }
}

static void land_with(struct mr_flight *flight, struct mr_fault *fault)
{
    if (mr_error_kind(fault->error) == MR_ERROR_OF_LOAD)
        fault->retry_after_s = mr_image_job_retry_after_s(&flight->image);
    land(flight, fault);
}

static void on_image_done(struct mr_image_job *image)
{
    struct mr_flight *flight = mr_container_of(image, struct mr_flight, image);
    if (image->err == MR_OK)
        land(flight, NULL);
    else
        land_with(flight, &image->fault);
}

/* The asks that wait are told now. The flight leaves the table, so that the next ask begins another. */
static void on_flight_late(struct mr_image_job *image, struct mr_fault *fault)
{
    struct mr_flight *flight = mr_container_of(image, struct mr_flight, image);
    struct mr_variants *variants = flight->variants;
    struct mr_variant_ask *asks = NULL;
    fault->retry_after_s = mr_image_job_retry_after_s(image);
    mr_timer_clear(&flight->linger);
    flight->is_stopped = true;
    lock_table(variants);
    if (!flight->is_abandoned) {
        flight->is_abandoned = true;
        mr_variant_table_remove(&variants->table, flight->entry);
        asks = take_asks(flight, fault);
    }
    unlock_table(variants);
    tell_asks(asks);
    mr_disk_look_clear(&flight->look); /* no process is to wait for its claim */
}

/* On the worker. */
static void drop_bytes(void *owner)
{
    mr_store_bytes_drop(owner);
}

static void on_bytes_loaded(void *context, const struct mr_fault *why)
{
    struct mr_flight *flight = mr_from_context(context, struct mr_flight, FLIGHT_MAGIC);
    struct mr_fault fault;
    if (why != NULL) {
        fault = *why;
        land_with(flight, &fault);
        return;
    }
    if (flight->is_stopped) {
        land(flight, NULL);
        return;
    }
    const struct mr_image_source source = {
        .bytes = mr_store_bytes_slice(flight->bytes), .drop = drop_bytes, .owner = flight->bytes};
    if (mr_image_job_submit(&flight->image, &source, &fault) != MR_OK)
        land_with(flight, &fault);
}

static void make_image(struct mr_flight *flight)
{
    struct mr_fault fault;
    if (mr_image_job_admit(&flight->image, false, &fault) != MR_OK)
        land_with(flight, &fault);
    else
        mr_store_load(&flight->bytes, flight->reader, on_bytes_loaded, flight);
}

/* ---- the disk ---- */

static void on_looked(struct mr_disk_look *look)
{
    struct mr_flight *flight = mr_container_of(look, struct mr_flight, look);
    flight->is_looking = false;
    if (look->is_found || flight->is_stopped)
        land(flight, NULL);
    else
        make_image(flight);
}

static void on_variant_written(struct mr_disk_write *write)
{
    struct mr_flight *flight = mr_container_of(write, struct mr_flight, write);
    if (!flight->is_abandoned) /* that one owns the entry */
        mr_variant_release(flight->variants, &flight->entry->variant);
    free_flight(flight);
}

/* With a reference to the entry, or owning it. */
static void begin_write(struct mr_flight *flight)
{
    const struct mr_variant *variant = &flight->entry->variant;
    const char *id = mr_store_reader_object(flight->reader)->id;
    flight->write = (struct mr_disk_write){
        .cache = flight->variants->disk,
        .loop = flight->image.loop,
        .store = flight->variants->config.store,
        .record = {.key = flight->entry->key,
                   .format = variant->format,
                   .width = variant->width,
                   .height = variant->height},
        .image = variant->bytes,
        .has_claim = flight->look.has_claim,
        .done = on_variant_written,
    };
    memcpy(flight->write.record.id, id, MR_ULID_LEN);
    flight->look.has_claim = false; /* the write's now */
    if (!mr_disk_write_begin(&flight->write))
        on_variant_written(&flight->write);
}

/* ---- its begin ---- */

static void begin_flight(struct mr_flight *flight)
{
    struct mr_disk_cache *disk = flight->variants->disk;
    mr_image_job_init(&flight->image);
    if (disk == NULL) {
        make_image(flight);
        return;
    }
    flight->look =
        (struct mr_disk_look){.cache = disk, .loop = flight->image.loop, .key = flight->entry->key, .done = on_looked};
    flight->is_looking = true;
    mr_disk_look_begin(&flight->look);
}

static struct mr_flight *create_flight(struct mr_variants *variants, const struct mr_variant_wish *wish)
{
    struct mr_flight *flight = calloc(1, sizeof(*flight));
    struct mr_variant_entry *entry = calloc(1, sizeof(*entry));
    MR_ASSERT(flight != NULL && entry != NULL); /* some hundred bytes */
    *entry = (struct mr_variant_entry){.key = wish->key, .state = MR_VARIANT_MAKING, .flight = flight};
    flight->magic = FLIGHT_MAGIC;
    flight->variants = variants;
    flight->entry = entry;
    flight->reader = mr_store_reader_share(wish->reader);
    flight->image = (struct mr_image_job){
        .loop = wish->loop,
        .offload = variants->config.offload,
        .budget = variants->config.memory,
        .limits = variants->config.limits,
        .ops = wish->ops,
        .run_time = wish->run_time,
        .failed = wish->failed,
        .stopped = wish->stopped,
        .done = on_image_done,
        .late = on_flight_late,
    };
    return flight;
}

/* ---- asking ---- */

/* With the mutex locked: take an ask into the flight. */
static void join_flight(struct mr_flight *flight, struct mr_variant_ask *ask, enum mr_variant_way way)
{
    ask->way = way;
    ask->flight = flight;
    ask->next = flight->asks;
    flight->asks = ask;
}

/* With the mutex locked: what is known already. The entry with a reference, or NULL and perhaps a fault. */
static struct mr_variant_entry *find_known(struct mr_variants *variants, const struct mr_variant_key *key,
                                           struct mr_fault *fault, struct mr_variant_entry **over)
{
    struct mr_variant_entry *entry = mr_variant_table_find(&variants->table, key);
    fault->error = MR_OK;
    if (entry == NULL || entry->state == MR_VARIANT_MAKING)
        return NULL;
    if (entry->state == MR_VARIANT_READY) {
        mr_variant_table_hold(&variants->table, entry);
        return entry;
    }
    if (entry->ends_at > mr_clock_now()) {
        *fault = entry->fault;
        return NULL;
    }
    mr_variant_table_drop(&variants->table, entry);
    *over = entry;
    return NULL;
}

/* With the mutex locked: join the flight of that key, or become the first of a new one, which is returned. */
static struct mr_flight *find_flight(struct mr_variants *variants, const struct mr_variant_wish *wish,
                                     struct mr_variant_ask *ask)
{
    struct mr_variant_entry *entry = mr_variant_table_find(&variants->table, &wish->key);
    if (entry != NULL) {
        join_flight(entry->flight, ask, MR_VARIANT_JOINED);
        return NULL;
    }
    struct mr_flight *flight = create_flight(variants, wish);
    mr_variant_table_add(&variants->table, flight->entry);
    join_flight(flight, ask, MR_VARIANT_MADE);
    return flight;
}

static struct mr_variant_ask *create_ask(struct mr_variant_ask **owner, struct mr_variants *variants,
                                         const struct mr_variant_wish *wish)
{
    struct mr_variant_ask *ask = calloc(1, sizeof(*ask));
    MR_ASSERT(ask != NULL);
    *ask = (struct mr_variant_ask){.magic = ASK_MAGIC,
                                   .variants = variants,
                                   .loop = wish->loop,
                                   .made = wish->made,
                                   .context = wish->context,
                                   .owner = owner};
    return ask;
}

/* What lies on the disk may be there at once: then the ask is not worth a turn of the loop. */
static void begin_with(struct mr_flight *flight, struct mr_variant_ask *ask)
{
    ask->is_beginning = true;
    begin_flight(flight); /* on this loop, so that no other thread looks at the ask */
    ask->is_beginning = false;
    if (ask->flight == NULL)
        on_told(&ask->node);
}

void mr_variants_ask(struct mr_variant_ask **out, struct mr_variants *variants, const struct mr_variant_wish *wish)
{
    MR_ON_LOOP(wish->loop);
    struct mr_variant_entry *over = NULL;
    struct mr_flight *first = NULL;
    struct mr_fault fault;
    *out = NULL;
    lock_table(variants);
    struct mr_variant_entry *entry = find_known(variants, &wish->key, &fault, &over);
    if (entry == NULL && fault.error == MR_OK) {
        *out = create_ask(out, variants, wish);
        first = find_flight(variants, wish, *out);
    }
    unlock_table(variants);
    mr_variant_entries_free(over, variants->config.memory);
    if (first != NULL)
        begin_with(first, *out);
    else if (entry != NULL)
        wish->made(wish->context, NULL, &entry->variant, MR_VARIANT_KEPT);
    else if (fault.error != MR_OK)
        wish->made(wish->context, &fault, NULL, MR_VARIANT_KEPT);
}

/* ---- leaving ---- */

static void on_linger(struct mr_timer *timer);

static void stop_unless_wanted(struct mr_flight *flight)
{
    flight->is_stopped = flight->is_stopped || flight->is_looking || !mr_disk_look_is_wanted(&flight->look);
    if (flight->is_looking)
        mr_disk_look_stop(&flight->look);
    else if (flight->is_stopped)
        mr_image_job_cancel(&flight->image);
    else
        mr_timer_set(mr_timer_list_share(flight->image.loop, LINGER_NS, on_linger), &flight->linger);
}

static void on_linger(struct mr_timer *timer)
{
    stop_unless_wanted(mr_container_of(timer, struct mr_flight, linger));
}

static void on_stop(struct mr_inbox_node *node)
{
    struct mr_flight *flight = mr_container_of(node, struct mr_flight, stop);
    lock_table(flight->variants);
    flight->is_stop_posted = false;
    bool has_landed = flight->has_landed;
    unlock_table(flight->variants);
    if (has_landed) {
        free_flight(flight);
        return;
    }
    stop_unless_wanted(flight);
}

/* With the mutex locked. True: the flight has no ask any more, and is to be stopped. */
static bool leave_flight(struct mr_variant_ask *ask)
{
    struct mr_flight *flight = ask->flight;
    struct mr_variant_ask **at = &flight->asks;
    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
    if (flight->asks != NULL)
        return false;
    flight->is_abandoned = true;
    flight->is_stop_posted = true;
    mr_variant_table_remove(&flight->variants->table, flight->entry);
    return true;
}

void mr_variants_leave(struct mr_variant_ask **out)
{
    struct mr_variant_ask *ask = *out;
    *out = NULL;
    if (ask == NULL)
        return;
    MR_ASSERT(ask->magic == ASK_MAGIC);
    MR_ON_LOOP(ask->loop);
    struct mr_variants *variants = ask->variants;
    lock_table(variants);
    struct mr_flight *flight = ask->flight;
    bool is_waiting = flight != NULL;
    bool is_last = is_waiting && leave_flight(ask);
    ask->owner = NULL; /* on_told frees it, if it is told already */
    unlock_table(variants);
    if (is_waiting)
        free(ask);
    if (is_last) {
        flight->stop.deliver = on_stop;
        mr_loop_post(flight->image.loop, &flight->stop);
    }
}

/* ---- life ---- */

int mr_variants_create(struct mr_variants **out, const struct mr_variants_config *config)
{
    struct mr_variants *variants = *out = calloc(1, sizeof(*variants));
    if (variants == NULL)
        return MR_EMEMORY;
    variants->config = *config;
    mr_variant_table_init(&variants->table, config->memory_max, config->numbers);
    if (config->home == NULL)
        return MR_OK;
    const struct mr_disk_cache_config disk = {
        .home = config->home,
        .process = config->process,
        .memory = config->memory,
        .numbers = config->numbers,
        .wait_ns = WAIT_NS,
    };
    int err = mr_disk_cache_create(&variants->disk, &disk);
    if (err != MR_OK)
        mr_variants_destroy(out);
    return err;
}

void mr_variants_destroy(struct mr_variants **out)
{
    struct mr_variants *variants = *out;
    *out = NULL;
    if (variants == NULL)
        return;
    mr_disk_cache_destroy(&variants->disk);
    mr_variant_table_close(&variants->table);
    free(variants);
}
