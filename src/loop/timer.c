/* DESIGN. One libuv timer per loop, the alarm, set to the earliest expiry that was seen. A timer that is cleared or
 * moved leaves the alarm as it is: when it rings with nothing due it is set to the earliest head of that moment. So an
 * alarm rings at most once for nothing per duration, however often timers move. */
#include "loop/timer.h"

#include "loop/loop_internal.h"

/* Expiries handled per turn, so that thousands of connections that idle out at once do not hold the loop; no further
 * one is begun after EXPIRIES_NS. */
#define EXPIRIES_PER_TURN 64
#define EXPIRIES_NS       (500 * MR_NS_PER_US)

static void on_alarm(uv_timer_t *handle);

static void set_alarm(struct mr_loop *loop, uint64_t at)
{
    uint64_t now_ms = uv_now(&loop->uv);
    uint64_t at_ms = (at + MR_NS_PER_MS - 1) / MR_NS_PER_MS; /* rounded up: never early */

    loop->alarm_at = at;
    /* At least 1: libuv runs a timer of 0 again within the same turn. */
    uv_timer_start(&loop->alarm, on_alarm, at_ms > now_ms ? at_ms - now_ms : 1, 0);
}

/* The timer that expires next, or NULL. */
static struct mr_timer *earliest(const struct mr_loop *loop)
{
    struct mr_timer *found = NULL;

    for (const struct mr_timer_list *list = loop->timer_lists; list != NULL; list = list->next_list)
        if (list->duration_ns != 0 && list->head != NULL &&
            (found == NULL || list->head->expires_at < found->expires_at))
            found = list->head;
    return found;
}

static void on_alarm(uv_timer_t *handle)
{
    struct mr_loop *loop = mr_container_of(handle, struct mr_loop, alarm);
    uint64_t started = mr_loop_enter(loop);
    struct mr_timer *timer;

    loop->alarm_at = UINT64_MAX;
    for (int budget = EXPIRIES_PER_TURN; (timer = earliest(loop)) != NULL; budget--) {
        bool is_over = budget == 0 || (budget < EXPIRIES_PER_TURN && mr_clock_now() - started > EXPIRIES_NS);
        if (is_over || timer->expires_at > started)
            break;
        struct mr_timer_list *list = timer->list;
        mr_timer_clear(timer);
        list->on_expire(timer);
    }
    if (timer != NULL && timer->expires_at < loop->alarm_at) /* an on_expire may have set it already */
        set_alarm(loop, timer->expires_at);
    mr_loop_leave(loop, MR_LABEL_TIMERS, started);
}

void mr_timer_list_open(struct mr_timer_list *list, struct mr_loop *loop, uint64_t duration_ns,
                        void (*on_expire)(struct mr_timer *timer))
{
    MR_ON_LOOP(loop);
    *list = (struct mr_timer_list){
        .loop = loop, .next_list = loop->timer_lists, .duration_ns = duration_ns, .on_expire = on_expire};
    loop->timer_lists = list;
}

struct mr_timer_list *mr_timer_list_share(struct mr_loop *loop, uint64_t duration_ns,
                                          void (*on_expire)(struct mr_timer *timer))
{
    MR_ON_LOOP(loop);
    unsigned i = 0;
    for (; i < MR_TIMER_SHARED_MAX && loop->shared_lists[i].loop != NULL; i++)
        if (loop->shared_lists[i].duration_ns == duration_ns && loop->shared_lists[i].on_expire == on_expire)
            return &loop->shared_lists[i];
    MR_ASSERT(i < MR_TIMER_SHARED_MAX);
    mr_timer_list_open(&loop->shared_lists[i], loop, duration_ns, on_expire);
    return &loop->shared_lists[i];
}

unsigned mr_timer_list_count(const struct mr_loop *loop)
{
    unsigned count = 0;
    for (const struct mr_timer_list *list = loop->timer_lists; list != NULL; list = list->next_list)
        count++;
    return count;
}

void mr_timer_list_close(struct mr_timer_list *list)
{
    MR_ON_LOOP(list->loop);
    MR_ASSERT(list->head == NULL);
    struct mr_timer_list **link = &list->loop->timer_lists;
    while (*link != list)
        link = &(*link)->next_list;
    *link = list->next_list;
}

void mr_timer_set(struct mr_timer_list *list, struct mr_timer *timer)
{
    MR_ON_LOOP(list->loop);
    mr_timer_clear(timer);
    timer->list = list;
    timer->expires_at = mr_clock_now() + list->duration_ns; /* the cached time is older: it would ring early */
    timer->next = NULL;
    timer->prev = list->tail;
    *(list->tail != NULL ? &list->tail->next : &list->head) = timer;
    list->tail = timer;
    if (list->duration_ns != 0 && timer->expires_at < list->loop->alarm_at)
        set_alarm(list->loop, timer->expires_at);
}

void mr_timer_clear(struct mr_timer *timer)
{
    struct mr_timer_list *list = timer->list;

    if (list == NULL)
        return;
    MR_ON_LOOP(list->loop);
    *(timer->prev != NULL ? &timer->prev->next : &list->head) = timer->next;
    *(timer->next != NULL ? &timer->next->prev : &list->tail) = timer->prev;
    timer->prev = timer->next = NULL;
    timer->list = NULL;
}

void mr_timers_open(struct mr_loop *loop)
{
    uv_timer_init(&loop->uv, &loop->alarm);
    uv_unref((uv_handle_t *)&loop->alarm);
    loop->alarm_at = UINT64_MAX;
}

void mr_timers_close(struct mr_loop *loop)
{
    for (unsigned i = 0; i < MR_TIMER_SHARED_MAX && loop->shared_lists[i].loop != NULL; i++)
        mr_timer_list_close(&loop->shared_lists[i]);
    MR_ASSERT(loop->timer_lists == NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
}
