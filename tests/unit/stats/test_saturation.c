#include "stats/saturation.h"

#include "base/clock.h"
#include "base/macros.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_snapshot *before, *now; /* large */

/* A server of two workers and one loop, a second apart, that has room for all. */
static int set_up(void **state)
{
    (void)state;
    before = calloc(1, sizeof(*before));
    now = calloc(1, sizeof(*now));
    before->at = 5 * MR_NS_PER_S;
    *now = (struct mr_snapshot){
        .at = 6 * MR_NS_PER_S,
        .loops = 1,
        .workers = 2,
        .queue_capacity = 1000,
        .job_deadline_ns = 15 * MR_NS_PER_S,
        .connections = 5,
        .connections_max = 100,
        .memory_limit = 100 * MR_MIB,
        .disk_limit = 2 * MR_GIB,
        .store = {.free_bytes = 10 * MR_GIB, .min_free_bytes = MR_GIB, .room_asked_at = 2 * MR_NS_PER_S}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(before);
    free(now);
    return 0;
}

static void drain(void)
{
    now->is_draining = true;
}

static void reserve_space(void)
{
    now->store.reserved_bytes = 9 * MR_GIB + MR_GIB / 2;
}

static void fill_disk(void)
{
    now->store.free_bytes = 100 * MR_MIB;
    now->store.reserved_bytes = 200 * MR_MIB;
}

static void open_connections(void)
{
    now->connections = 100;
}

static void take_memory(void)
{
    now->memory_used = 90 * MR_MIB + 1;
}

static void take_disk(void)
{
    now->disk_used = 2 * MR_GIB;
}

static void fill_bulk(void)
{
    now->queue[MR_LANE_BULK] = (struct mr_snapshot_lane){.jobs = 901, .work_ns = 1300 * MR_NS_PER_MS};
}

/* 1 + 13.1 s for two workers are more than half of 15 s. */
static void queue_work(void)
{
    now->queue[MR_LANE_INTERACTIVE] = (struct mr_snapshot_lane){.jobs = 1, .work_ns = MR_NS_PER_S};
    now->queue[MR_LANE_BULK] = (struct mr_snapshot_lane){.jobs = 0, .work_ns = MR_NS_PER_S};
    now->queue[MR_LANE_HEAVY] = (struct mr_snapshot_lane){.jobs = 1, .work_ns = 13100 * MR_NS_PER_MS};
}

static void let_one_wait(void)
{
    now->queue[MR_LANE_HEAVY] =
        (struct mr_snapshot_lane){.jobs = 1, .work_ns = MR_NS_PER_S, .oldest_ns = 7501 * MR_NS_PER_MS};
}

static void hold_loop(void)
{
    before->busy.sum = 30 * MR_NS_PER_S;
    now->busy.sum = 30 * MR_NS_PER_S + 950 * MR_NS_PER_MS;
}

static void hold_loops_for_long(void)
{
    now->loops = 2;
    now->busy.sum = 7 * MR_NS_PER_S;
}

static void refuse_some(void)
{
    before->refusals[-MR_EBUDGET] = 7;
    now->refusals[-MR_EBUDGET] = 8;
    now->refusals[-MR_EBUSY] = 3;
    now->refusals[-MR_EIO] = 50; /* that is for those who look at failures */
}

static void refuse_one(void)
{
    now->refusals[-MR_ENOSPACE] = 1;
}

/* All that it may have without being saturated. */
static void come_near(void)
{
    now->connections = 99;
    now->memory_used = 90 * MR_MIB;
    now->disk_used = 2 * MR_GIB * 9 / 10;
    now->queue[MR_LANE_BULK].jobs = 900;
    now->queue[MR_LANE_INTERACTIVE] =
        (struct mr_snapshot_lane){.jobs = 1, .work_ns = 15 * MR_NS_PER_S, .oldest_ns = 7500 * MR_NS_PER_MS};
    now->busy.sum = 900 * MR_NS_PER_MS;
    now->refusals[-MR_EIO] = 1;
    now->store.free_bytes = now->store.min_free_bytes;
}

static void forget_disk(void)
{
    fill_disk();
    before->at += MR_SATURATION_ROOM_NS;
    now->at += MR_SATURATION_ROOM_NS;
}

static void keep_no_files(void)
{
    now->store = (struct mr_snapshot_store){.min_free_bytes = 1};
}

static void know_no_bounds(void)
{
    now->memory_limit = now->disk_limit = now->job_deadline_ns = now->connections_max = 0;
    now->memory_used = now->disk_used = now->connections = 1000;
    now->queue[MR_LANE_BULK] = (struct mr_snapshot_lane){.jobs = 1, .work_ns = MR_NS_PER_S, .oldest_ns = MR_NS_PER_S};
}

static void nothing(void)
{
}

static void each_bound_that_is_nearly_used_up_has_its_sentence(void **state)
{
    static const struct {
        void (*change)(void);
        const char *reason, *text;
    } rows[] = {
        {nothing, NULL, ""},
        {come_near, NULL, ""},
        {keep_no_files, NULL, ""},
        {forget_disk, NULL, ""},
        {know_no_bounds, NULL, ""},
        {drain, "shutting-down", "Takes no new work because the server is shutting down."},
        {reserve_space, "no-space",
         "Saturated because 512.0 MiB of the disk are left for files, and --min-free keeps 1.0 GiB free."},
        {fill_disk, "no-space",
         "Saturated because 0.0 MiB of the disk are left for files, and --min-free keeps 1.0 GiB free."},
        {open_connections, "too-many-connections", "Saturated because all 100 connections are open."},
        {take_memory, "memory-budget", "Saturated because 90.0 MiB of the memory budget of 100.0 MiB are taken."},
        {take_disk, "disk-budget", "Saturated because 2.0 GiB of the disk budget of 2.0 GiB are taken."},
        {fill_bulk, "queue-full", "Saturated because 901 jobs wait in the bulk lane, 1.3 s of work for 2 workers."},
        {queue_work, "backlog", "Saturated because 1 job waits in the heavy lane, 13.1 s of work for 2 workers."},
        {let_one_wait, "backlog",
         "Saturated because a job in the heavy lane has waited 7.5 s of the 15.0 s that it may."},
        {hold_loop, "loop-busy", "Saturated because the event loop was busy 95 % of the last 1.0 s."},
        {hold_loops_for_long, "loop-busy", "Saturated because the event loops were busy 100 % of the last 1.0 s."},
        {refuse_some, "queue-full",
         "Saturated because 4 requests were refused in the last 1.0 s: The job queue is full."},
        {refuse_one, "no-space", "Saturated because 1 request was refused in the last 1.0 s: The disk is full."},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_saturation found;
        set_up(state);
        rows[i].change();
        mr_saturation_find(&found, now, before);
        assert_string_equal(found.text, rows[i].text);
        if (rows[i].reason == NULL)
            assert_null(found.reason);
        else
            assert_string_equal(found.reason, rows[i].reason);
        tear_down(state);
    }
}

/* Each of these alone has a sentence, as the table above shows. */
static void of_several_reasons_the_first_counts(void **state)
{
    static void (*const changes[])(void) = {refuse_one,  hold_loop,        let_one_wait, fill_bulk, take_disk,
                                            take_memory, open_connections, fill_disk,    drain};
    static const char *const reasons[] = {
        "no-space", "loop-busy",    "backlog", "queue-full", "disk-budget", "memory-budget", "too-many-connections",
        "no-space", "shutting-down"};
    struct mr_saturation found;
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(changes); i++) {
        changes[i]();
        mr_saturation_find(&found, now, before);
        assert_string_equal(found.reason, reasons[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bound_that_is_nearly_used_up_has_its_sentence),
        cmocka_unit_test_setup_teardown(of_several_reasons_the_first_counts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
