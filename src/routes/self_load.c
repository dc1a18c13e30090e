/* DESIGN. What is asked for and what was counted lie under one mutex, which is held for copies alone: the most that
 * happens is a thousand jobs a second. What is asked for has a number; each loop compares it with that of the load that
 * it works at. A change is told to the loops by a node in their inboxes, one at a time for each loop. */
#include "routes/self_load.h"
#include "base/assert.h"
#include "base/counter.h"
#include "base/macros.h"
#include "loop/timer.h"
#include <pthread.h>
#include <stdlib.h>

#define TICK_NS (5 * MR_NS_PER_MS)

struct loop_part;

struct running_job {
    struct mr_self_job self;
    struct loop_part *part;
    uint64_t number; /* of its load */
    struct running_job *prev, *next;
};

/* Of one loop, its own, but for `is_told`. */
struct loop_part {
    struct mr_self_load *load;
    struct mr_loop *loop; /* borrowed */
    struct mr_inbox_node told;
    atomic_bool is_told; /* `told` is on its way */
    struct mr_timer_list ticks;
    struct mr_timer tick;
    uint64_t number;            /* of the load that it works at */
    struct mr_self_order order; /* a copy */
    uint64_t began_at;
    uint64_t dealt; /* jobs of its share that were submitted or refused */
    struct running_job *first;
    unsigned jobs;
    bool is_busy; /* it counts as a request in flight */
    bool is_closed;
};

struct mr_self_load {
    const struct mr_app *app;
    struct mr_self_material *material;
    struct loop_part *parts; /* [app->loop_count] */

    pthread_mutex_t mutex; /* of the rest */
    enum mr_offload_kind kind;
    uint64_t kind_until;
    uint64_t number; /* of the load; it changes when one begins or is ended */
    bool has_load;
    struct mr_self_order order;
    uint64_t began_at;
    uint64_t submitted, refused, back, done, expired, run_ns;
};

/* ---- numbers ---- */

/* Jobs that loop `index` of so many has to deal with by `elapsed_ns`: of all that are due, each count-th. */
static uint64_t share_due(const struct mr_self_order *order, uint64_t elapsed_ns, unsigned index, unsigned count)
{
    uint64_t due = MR_MIN(elapsed_ns, order->duration_ns) * order->rate / MR_NS_PER_S;
    return (due + count - 1 - index) / count;
}

static void count_dealt(struct loop_part *part, uint64_t submitted, uint64_t refused)
{
    struct mr_self_load *load = part->load;
    pthread_mutex_lock(&load->mutex);
    if (load->number == part->number) {
        load->submitted += submitted;
        load->refused += refused;
    }
    pthread_mutex_unlock(&load->mutex);
}

static void count_back(const struct running_job *running)
{
    struct mr_self_load *load = running->part->load;
    const struct mr_job *job = running->self.job;
    pthread_mutex_lock(&load->mutex);
    if (load->number == running->number) {
        load->back++;
        load->expired += job->outcome == MR_JOB_EXPIRED;
        load->done += job->outcome == MR_JOB_DONE;
        load->run_ns += job->finished_at - job->started_at; /* 0 of one that did not run */
    }
    pthread_mutex_unlock(&load->mutex);
}

static enum mr_offload_kind kind_now(const struct mr_self_load *load, uint64_t now)
{
    return now < load->kind_until ? load->kind : MR_OFFLOAD_WORKERS;
}

static struct mr_offload *offload_now(struct mr_self_load *load)
{
    pthread_mutex_lock(&load->mutex);
    enum mr_offload_kind kind = kind_now(load, mr_clock_now());
    pthread_mutex_unlock(&load->mutex);
    return load->app->lab[kind];
}

/* ---- jobs of one loop ---- */

/* Nothing is to be submitted and nothing in flight: the loop may rest. */
static void settle_part(struct loop_part *part)
{
    bool is_busy = part->jobs > 0 || mr_timer_is_set(&part->tick);
    if (is_busy == part->is_busy)
        return;
    part->is_busy = is_busy;
    if (is_busy)
        mr_loop_request_begin(part->loop);
    else
        mr_loop_request_end(part->loop);
}

static void on_job_done(struct mr_self_job *self)
{
    struct running_job *running = mr_container_of(self, struct running_job, self);
    struct loop_part *part = running->part;
    *(running->prev != NULL ? &running->prev->next : &part->first) = running->next;
    if (running->next != NULL)
        running->next->prev = running->prev;
    part->jobs--;
    count_back(running);
    free(running);
    settle_part(part);
}

static struct running_job *create_job(struct loop_part *part, struct mr_offload *offload)
{
    const struct mr_app *app = part->load->app;
    struct running_job *running = calloc(1, sizeof(*running));
    if (running == NULL)
        return NULL;
    running->part = part;
    running->number = part->number;
    running->self = (struct mr_self_job){.kind = part->order.kind,
                                         .loop = part->loop,
                                         .offload = offload,
                                         .budget = app->memory,
                                         .numbers = &mr_app_numbers(app, part->loop)->pipes,
                                         .material = part->load->material,
                                         .done = on_job_done};
    return running;
}

static bool submit_one(struct loop_part *part, struct mr_offload *offload)
{
    struct running_job *running = part->jobs < MR_SELF_JOBS_MAX ? create_job(part, offload) : NULL;
    if (running == NULL || mr_self_job_submit(&running->self) != MR_OK) {
        free(running);
        return false;
    }
    running->next = part->first;
    if (part->first != NULL)
        part->first->prev = running;
    part->first = running;
    part->jobs++;
    return true;
}

/* All that are due; after the first refusal the rest is refused too. */
static void deal(struct loop_part *part, uint64_t now)
{
    const struct mr_app *app = part->load->app;
    uint64_t due = share_due(&part->order, now - part->began_at, mr_loop_index(part->loop), app->loop_count);
    uint64_t submitted = 0, wanted = due - part->dealt;
    struct mr_offload *offload = wanted > 0 ? offload_now(part->load) : NULL;
    while (submitted < wanted && submit_one(part, offload))
        submitted++;
    part->dealt = due;
    if (wanted == 0)
        return;
    count_dealt(part, submitted, wanted - submitted);
    mr_counter_add(&mr_app_numbers(app, part->loop)->pipes.refused, wanted - submitted);
}

static void on_load_tick(struct mr_timer *timer)
{
    struct loop_part *part = mr_container_of(timer, struct loop_part, tick);
    uint64_t now = mr_clock_now();
    mr_loop_note(part->loop, &(struct mr_loop_note){.id = ""}); /* other timers of this turn may have noted a request */
    deal(part, now);
    if (now - part->began_at < part->order.duration_ns)
        mr_timer_set(&part->ticks, &part->tick);
    settle_part(part);
}

static void cancel_jobs(struct loop_part *part)
{
    mr_timer_clear(&part->tick);
    for (struct running_job *at = part->first; at != NULL; at = at->next)
        mr_self_job_cancel(&at->self);
}

/* Something else is asked for than what the loop works at, or was when it was told. */
static void on_order_told(struct mr_inbox_node *node)
{
    struct loop_part *part = mr_container_of(node, struct loop_part, told);
    struct mr_self_load *load = part->load;
    /* Before the look: what is asked for later is told again. Acquire and release by the mutex. */
    atomic_store_explicit(&part->is_told, false, memory_order_relaxed);
    pthread_mutex_lock(&load->mutex);
    bool is_new = part->number != load->number, has_load = load->has_load;
    part->number = load->number;
    part->order = load->order;
    part->began_at = load->began_at;
    pthread_mutex_unlock(&load->mutex);
    if (!is_new)
        return;
    cancel_jobs(part);
    part->dealt = 0;
    if (has_load && !part->is_closed)
        mr_timer_set(&part->ticks, &part->tick);
    settle_part(part);
}

static void tell_loops(struct mr_self_load *load)
{
    for (unsigned i = 0; i < load->app->loop_count; i++)
        if (!atomic_exchange_explicit(&load->parts[i].is_told, true, memory_order_relaxed))
            mr_loop_post(load->parts[i].loop, &load->parts[i].told);
}

/* ---- what is asked for ---- */

void mr_self_load_switch(struct mr_self_load *load, enum mr_offload_kind kind, uint64_t duration_ns)
{
    pthread_mutex_lock(&load->mutex);
    load->kind = kind;
    load->kind_until = kind != MR_OFFLOAD_WORKERS ? mr_clock_now() + duration_ns : 0;
    pthread_mutex_unlock(&load->mutex);
}

/* order: NULL: none. */
static void replace(struct mr_self_load *load, const struct mr_self_order *order)
{
    pthread_mutex_lock(&load->mutex);
    load->number++;
    load->has_load = order != NULL;
    if (order != NULL)
        load->order = *order;
    load->began_at = mr_clock_now();
    load->submitted = load->refused = load->back = load->done = load->expired = load->run_ns = 0;
    pthread_mutex_unlock(&load->mutex);
    tell_loops(load);
}

void mr_self_load_begin(struct mr_self_load *load, const struct mr_self_order *order)
{
    replace(load, order);
}

void mr_self_load_end(struct mr_self_load *load)
{
    replace(load, NULL);
}

void mr_self_load_read(struct mr_self_load *load, struct mr_self_report *out)
{
    pthread_mutex_lock(&load->mutex);
    uint64_t now = mr_clock_now(), elapsed = now - load->began_at;
    *out = (struct mr_self_report){
        .offload = kind_now(load, now),
        .offload_left_ns = now < load->kind_until ? load->kind_until - now : 0,
        .has_load = load->has_load,
        .order = load->order,
        .left_ns = elapsed < load->order.duration_ns ? load->order.duration_ns - elapsed : 0,
        .submitted = load->submitted,
        .done = load->done,
        .refused = load->refused,
        .expired = load->expired,
        .in_flight = load->submitted - load->back,
        .run_ns = load->run_ns,
    };
    pthread_mutex_unlock(&load->mutex);
}

/* ---- life ---- */

void mr_self_load_drain(struct mr_self_load *load, struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    struct loop_part *part = &load->parts[mr_loop_index(loop)];
    part->is_closed = true;
    cancel_jobs(part);
    settle_part(part);
}

int mr_self_load_create(struct mr_self_load **out, const struct mr_app *app)
{
    struct mr_self_load *load = calloc(1, sizeof(*load));
    *out = load;
    if (load == NULL)
        return MR_EMEMORY;
    load->app = app;
    pthread_mutex_init(&load->mutex, NULL);
    load->parts = calloc(app->loop_count, sizeof(*load->parts));
    int err = load->parts != NULL ? mr_self_material_create(&load->material) : MR_EMEMORY;
    for (unsigned i = 0; i < app->loop_count && load->parts != NULL; i++) {
        struct loop_part *part = &load->parts[i];
        part->load = load;
        part->loop = app->loops[i];
        part->told.deliver = on_order_told;
        mr_timer_list_open(&part->ticks, part->loop, TICK_NS, on_load_tick);
    }
    if (err != MR_OK)
        mr_self_load_destroy(out);
    return err;
}

void mr_self_load_destroy(struct mr_self_load **out)
{
    struct mr_self_load *load = *out;
    *out = NULL;
    for (unsigned i = 0; i < load->app->loop_count && load->parts != NULL; i++) {
        MR_ASSERT(load->parts[i].jobs == 0);
        mr_timer_list_close(&load->parts[i].ticks);
    }
    pthread_mutex_destroy(&load->mutex);
    mr_self_material_free(&load->material);
    free(load->parts);
    free(load);
}
