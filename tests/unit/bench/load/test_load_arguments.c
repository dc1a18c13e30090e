#include "base/clock.h"
#include "base/macros.h"
#include "bench/load/load_arguments.h"
#include "bench/load/load_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_load_arguments arguments;
static char complaint[500];

static int forget(void **state)
{
    (void)state;
    mr_load_arguments_free(&arguments);
    memset(&arguments, 0, sizeof(arguments));
    return 0;
}

static enum mr_options_result read_words(int argc, char *const *argv, char *const *environment)
{
    memset(complaint, 0, sizeof(complaint));
    FILE *complaints = fmemopen(complaint, sizeof(complaint), "w");
    assert_non_null(complaints);
    enum mr_options_result result = mr_load_arguments_read(&arguments, argc, argv, environment, complaints);
    fclose(complaints);
    return result;
}

#define WORDS(...)                                                    \
    (int)MR_ARRAY_SIZE(((char *[]){"load", __VA_ARGS__})), (char *[]) \
    {                                                                 \
        "load", __VA_ARGS__, NULL                                     \
    }

static char *const nothing[] = {NULL};

static void one_stream_has_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(read_words(WORDS("http://h/"), nothing), MR_OPTIONS_RUN);
    const struct mr_load_stream_arguments *stream = &arguments.streams[0];
    assert_int_equal(arguments.count, 1);
    assert_string_equal(stream->url, "http://h/");
    assert_string_equal(stream->name, "1");
    assert_true(stream->rate == 100);
    assert_int_equal(stream->connections, 16);
    assert_int_equal(stream->arrivals, MR_LOAD_CONSTANT);
    assert_int_equal(stream->connect, MR_LOAD_CONNECT_BEFORE);
    assert_int_equal(stream->start, 0);
    assert_int_equal(stream->warmup, MR_NS_PER_S);
    assert_int_equal(stream->duration, 10 * MR_NS_PER_S);
    assert_int_equal(stream->expect_status, 0);
    assert_int_equal(stream->run.grace, 10 * MR_NS_PER_S);
    assert_int_equal(stream->run.slot, 100 * MR_NS_PER_MS);
}

static void url_stands_anywhere_in_its_group(void **state)
{
    (void)state;
    assert_int_equal(
        read_words(WORDS("--rate", "5", "http://h/", "--connections=3", "+", "--rate=6", "unix:s"), nothing),
        MR_OPTIONS_RUN);
    assert_string_equal(arguments.streams[0].url, "http://h/");
    assert_true(arguments.streams[0].rate == 5);
    assert_int_equal(arguments.streams[0].connections, 3);
    assert_string_equal(arguments.streams[1].url, "unix:s");
    assert_true(arguments.streams[1].rate == 6);
    assert_int_equal(arguments.streams[1].connections, 16); /* the default, not its neighbour's */
}

static void each_stream_has_options_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(
        read_words(WORDS("http://h/", "--arrivals=poisson", "+", "--name", "heavy", "--rate", "0",
                         "--connect=on-demand", "--start=2s", "--header=A: b", "--header=C: d", "--body=x.jpg",
                         "--expect-status=201", "http://i/", "+", "http://j/", "--arrivals=poisson"),
                   nothing),
        MR_OPTIONS_RUN);
    assert_int_equal(arguments.count, 3);
    const struct mr_load_stream_arguments *heavy = &arguments.streams[1];
    assert_string_equal(heavy->name, "heavy");
    assert_true(heavy->rate == 0);
    assert_int_equal(heavy->connect, MR_LOAD_CONNECT_ON_DEMAND);
    assert_int_equal(heavy->start, 2 * MR_NS_PER_S);
    assert_int_equal(heavy->headers.count, 2);
    assert_string_equal(heavy->body, "x.jpg");
    assert_int_equal(heavy->expect_status, 201);
    assert_int_equal(arguments.streams[0].headers.count, 0);
    assert_string_equal(arguments.streams[2].name, "3");
    assert_int_not_equal(arguments.streams[0].seed, arguments.streams[2].seed); /* else they would send in step */
}

static void times_of_the_first_stream_hold_for_the_others(void **state)
{
    (void)state;
    assert_int_equal(read_words(WORDS("http://h/", "--duration=3s", "--warmup=0", "+", "http://i/", "+", "http://j/",
                                      "--duration=1s", "--warmup=2s"),
                                nothing),
                     MR_OPTIONS_RUN);
    assert_int_equal(arguments.streams[1].duration, 3 * MR_NS_PER_S);
    assert_int_equal(arguments.streams[1].warmup, 0);
    assert_int_equal(arguments.streams[2].duration, MR_NS_PER_S);
    assert_int_equal(arguments.streams[2].warmup, 2 * MR_NS_PER_S);
}

static void environment_speaks_of_the_first_stream(void **state)
{
    (void)state;
    char *const environment[] = {"MILLRACE_BENCH_RATE=7", "MILLRACE_BENCH_JSON=1", NULL};
    assert_int_equal(read_words(WORDS("http://h/", "+", "http://i/"), environment), MR_OPTIONS_RUN);
    assert_true(arguments.streams[0].rate == 7 && arguments.streams[0].run.json);
    assert_true(arguments.streams[1].rate == 100);
}

static void assert_wrong(int argc, char *const *argv, const char *expected)
{
    assert_int_equal(read_words(argc, argv, nothing), MR_OPTIONS_WRONG);
    assert_string_equal(complaint, expected);
    forget(NULL);
}

static void wrong_command_lines_are_told(void **state)
{
    (void)state;
    assert_wrong(WORDS("--rate=3"), "millrace-bench load: the URL is missing; see millrace-bench load --help\n");
    assert_wrong(WORDS("http://h/", "+"),
                 "millrace-bench load: stream 2: the URL is missing; see millrace-bench load --help\n");
    assert_wrong(WORDS("http://h/", "http://i/"),
                 "millrace-bench load: http://i/: one word too many (from the command line)\n");
    assert_wrong(WORDS("http://h/", "--rate", "+", "http://i/"),
                 "millrace-bench load: --rate: needs a value: N (from the command line)\n");
    assert_wrong(WORDS("http://h/", "+", "http://i/", "--json"),
                 "millrace-bench load: stream 2: --json: no such option (from the command line)\n");
    assert_wrong(WORDS("http://h/", "--name=2", "+", "http://i/"), "millrace-bench load: two streams are called 2\n");
    assert_wrong(WORDS("http://h/", "--name=../x"),
                 "millrace-bench load: --name: letters, digits, \"-\", \"_\" and \".\" (not in front)\n");
}

static void there_are_at_most_sixteen_streams(void **state)
{
    (void)state;
    char *words[2 * MR_LOAD_STREAMS_MAX + 3] = {"load", "http://h/"};
    int count = 2;
    for (int i = 1; i < MR_LOAD_STREAMS_MAX; i++) {
        words[count++] = "+";
        words[count++] = "http://h/";
    }
    assert_int_equal(read_words(count, words, nothing), MR_OPTIONS_RUN);
    assert_int_equal(arguments.count, MR_LOAD_STREAMS_MAX);
    forget(NULL);
    words[count++] = "+";
    assert_wrong(count, words, "millrace-bench load: more than 16 streams\n");
}

static void help_is_asked_for_in_any_group(void **state)
{
    (void)state;
    assert_int_equal(read_words(WORDS("--help"), nothing), MR_OPTIONS_HELP);
    forget(NULL);
    assert_int_equal(read_words(WORDS("http://h/", "+", "--help"), nothing), MR_OPTIONS_HELP);
}

#define test(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(one_stream_has_the_defaults),
        test(url_stands_anywhere_in_its_group),
        test(each_stream_has_options_of_its_own),
        test(times_of_the_first_stream_hold_for_the_others),
        test(environment_speaks_of_the_first_stream),
        test(wrong_command_lines_are_told),
        test(there_are_at_most_sixteen_streams),
        test(help_is_asked_for_in_any_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
