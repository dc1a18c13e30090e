#include "io/sink.h"

#include "faults.h"
#include <signal.h>

static struct mr_sink sink;
static struct mr_stream stream;
static unsigned dones, faileds, cancels;
static struct mr_fault fault;
static int ends[2];
static char back[64];

static void on_done(void *context)
{
    (void)context;
    dones++;
}

static void on_failed(void *context, const struct mr_fault *why)
{
    (void)context;
    faileds++;
    fault = *why;
}

static void on_resume(void *context)
{
    (void)context;
}

static void on_cancel(void *context, const struct mr_fault *why)
{
    (void)context, (void)why;
    cancels++;
}

static const struct mr_sink_events events = {.done = on_done, .failed = on_failed};
static const struct mr_stream_sender sender = {.resume = on_resume, .cancel = on_cancel};

static int open_bench(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    dones = faileds = cancels = 0;
    assert_int_equal(pipe(ends), 0);
    mr_stream_init(&stream);
    mr_stream_attach_sender(&stream, &sender, NULL);
    mr_sink_attach(&sink, ends[1], &stream, &events, NULL);
    faults_begin();
    return 0;
}

static int close_bench(void **state)
{
    (void)state;
    faults_end();
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void everything_is_written_through_short_writes_and_interrupts(void **state)
{
    (void)state;
    faults.most = 3;
    faults.interrupts = 2;
    assert_int_equal(mr_stream_push(&stream, "0123456789", 10), MR_FLOW_MORE);
    assert_int_equal(sink.bytes, 10);
    mr_stream_end(&stream);
    assert_int_equal(dones, 1);
    assert_int_equal(read(ends[0], back, sizeof(back)), 10);
    assert_memory_equal(back, "0123456789", 10);
    assert_int_equal(read(ends[0], back, sizeof(back)), 0); /* it is closed */
}

static void full_disk_is_named(void **state)
{
    (void)state;
    faults.error_number = ENOSPC;
    mr_stream_push(&stream, "0123456789", 10);
    assert_int_equal(faileds, 1);
    assert_int_equal(cancels, 1);
    assert_int_equal(fault.error, MR_ENOSPACE);
    assert_string_equal(fault.detail, "standard output: write: No space left on device (ENOSPC).");
}

static int close_without_room(int fd)
{
    (void)fd;
    errno = EDQUOT;
    return -1;
}

static void close_that_fails_is_no_success(void **state)
{
    (void)state;
    mr_stream_push(&stream, "x", 1);
    mr_disk_calls.close = close_without_room;
    mr_stream_end(&stream);
    assert_int_equal(dones, 0);
    assert_int_equal(faileds, 1);
    assert_int_equal(fault.error, MR_ENOSPACE);
}

static void reader_that_left_is_gone(void **state)
{
    (void)state;
    close(ends[0]);
    mr_stream_push(&stream, "x", 1);
    assert_int_equal(faileds, 1);
    assert_int_equal(fault.error, MR_EGONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_written_through_short_writes_and_interrupts),
        TEST(full_disk_is_named),
        TEST(close_that_fails_is_no_success),
        TEST(reader_that_left_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
