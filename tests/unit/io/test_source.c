#include "io/source.h"

#include "faults.h"

#define LEN (3 * MR_MIB + 17)

static struct mr_loop *loop;
static struct mr_source *source;
static unsigned char *bytes, *received;
static size_t len;
static unsigned pushes, ends, aborts;
static struct mr_fault fault;
static bool pauses, has_space; /* the receiver: every other push; gives the sender a place */

static enum mr_flow on_push(void *context, const void *at, size_t part)
{
    (void)context;
    assert_true(len + part <= LEN);
    if (at != received + len)
        memcpy(received + len, at, part);
    len += part;
    return pauses && pushes++ % 2 == 0 ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static void on_end(void *context)
{
    (void)context;
    ends++;
}

static void on_abort(void *context, const struct mr_fault *why)
{
    (void)context;
    aborts++;
    fault = *why;
}

static void *on_space(void *context, size_t *room)
{
    (void)context;
    *room = MR_MIN((size_t)100000, LEN - len);
    return has_space && *room > 0 ? received + len : NULL;
}

static const struct mr_stream_receiver receiver = {
    .push = on_push, .end = on_end, .abort = on_abort, .get_buffer = on_space};

static int open_bench(void **state)
{
    (void)state;
    bytes = malloc(LEN);
    received = malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 1000);
    len = pushes = ends = aborts = 0;
    pauses = has_space = false;
    assert_int_equal(mr_loop_create(&loop, 0), MR_OK);
    faults_begin();
    return 0;
}

static int close_bench(void **state)
{
    (void)state;
    faults_end();
    mr_source_destroy(&source);
    mr_loop_destroy(&loop);
    free(bytes);
    free(received);
    return 0;
}

static void run_source(int fd)
{
    assert_int_equal(mr_source_create(&source, loop, fd), MR_OK);
    mr_stream_attach_receiver(mr_source_stream(source), &receiver, NULL);
    while (ends + aborts == 0) {
        uv_run(mr_loop_uv(loop), UV_RUN_NOWAIT);
        mr_stream_resume(mr_source_stream(source));
    }
}

/* A file with all the bytes, at its beginning. */
static int make_file(void)
{
    char path[] = "/tmp/millrace-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, bytes, LEN), LEN);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void file_comes_whole_through_short_reads_and_interrupts(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        int fd = make_file();
        len = ends = 0;
        pauses = i % 2 == 1;
        has_space = i / 2 == 1;
        faults.most = 10007;
        faults.interrupts = 1;
        run_source(fd);
        assert_int_equal(ends, 1);
        assert_int_equal(len, LEN);
        assert_int_equal(mr_source_bytes(source), LEN);
        assert_memory_equal(received, bytes, LEN);
        mr_source_destroy(&source);
        close(fd);
    }
}

static void pipe_that_does_not_block_is_waited_for(void **state)
{
    (void)state;
    int ends_of[2];
    assert_int_equal(pipe(ends_of), 0);
    fcntl(ends_of[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(mr_source_create(&source, loop, ends_of[0]), MR_OK);
    mr_stream_attach_receiver(mr_source_stream(source), &receiver, NULL);
    uv_run(mr_loop_uv(loop), UV_RUN_NOWAIT);
    assert_int_equal(len, 0);
    assert_int_equal(write(ends_of[1], bytes, 1000), 1000);
    while (len < 1000)
        uv_run(mr_loop_uv(loop), UV_RUN_ONCE);
    close(ends_of[1]);
    while (ends == 0)
        uv_run(mr_loop_uv(loop), UV_RUN_ONCE);
    assert_memory_equal(received, bytes, 1000);
    close(ends_of[0]);
}

static void failure_comes_after_the_bytes_before_it(void **state)
{
    (void)state;
    int fd = make_file();
    faults.most = 1000;
    faults.error_number = EIO;
    atomic_store(&faults.after, 5);
    run_source(fd);
    assert_int_equal(aborts, 1);
    assert_int_equal(len, 5000);
    assert_int_equal(fault.error, MR_EIO);
    assert_string_equal(fault.detail, "standard input: read: Input/output error (EIO).");
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_comes_whole_through_short_reads_and_interrupts),
        TEST(pipe_that_does_not_block_is_waited_for),
        TEST(failure_comes_after_the_bytes_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
