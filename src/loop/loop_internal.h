/* loop_internal.h -- what the files of loop/ share; nobody else includes it. */
#ifndef MR_LOOP_LOOP_INTERNAL_H
#define MR_LOOP_LOOP_INTERNAL_H

#include "base/error.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/timer.h"

struct mr_lag_probe { /* lag.c; the loop's thread only */
    uv_poll_t handle;
    int fd; /* a timerfd */
    bool off;
    bool armed;
    bool seen;    /* a request was in flight since the last tick */
    uint64_t due; /* monotonic ns of the next tick, when armed */
};

struct mr_loop {
    uv_loop_t uv;
    unsigned index;
    unsigned requests;   /* in flight */
    unsigned resting;    /* of them: wait for time alone */
    unsigned operations; /* on their way elsewhere, to come back by the inbox */
    uint64_t now;        /* cached clock, monotonic ns */
    uv_check_t deliver;  /* after each poll: hands out completions */
    uv_idle_t hurry;     /* active while completions are left, or posted by the loop: the next poll does not wait */
    uv_prepare_t finish; /* before each poll: the iteration's numbers */
    uv_timer_t alarm;    /* timer.c: rings at the earliest head of `timer_lists` */
    uint64_t alarm_at;   /* monotonic ns; UINT64_MAX: not set */
    struct mr_timer_list *timer_lists;
    struct mr_timer_list shared_lists[MR_TIMER_SHARED_MAX]; /* in use: those with a loop */
    struct mr_lag_probe probe;
    struct mr_blocked blocked;
    uint64_t warn_ns;            /* 0: never */
    struct mr_loop_stats *stats; /* own_stats, or borrowed: mr_loop_count_in() */
    struct mr_loop_stats own_stats;

    /* Other threads come here. */
    _Alignas(MR_CACHE_LINE) struct mr_inbox inbox;
    uv_poll_t wake;      /* loop.c, "waking" */
    int wake_fd;         /* an eventfd */
    atomic_uint leaving; /* operations whose thread has not left mr_loop_operation_post() */
    atomic_bool stopping;
    atomic_bool running;
};

/* lag.c */
int mr_lag_open(struct mr_loop *loop);
void mr_lag_close(struct mr_loop *loop);
void mr_lag_arm(struct mr_loop *loop);
/* Before each poll: record for how long the iteration that ends here was busy. */
void mr_lag_iteration(struct mr_loop *loop);

/* timer.c */
void mr_timers_open(struct mr_loop *loop);
void mr_timers_close(struct mr_loop *loop);

#endif
