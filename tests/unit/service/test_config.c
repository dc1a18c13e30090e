#include "service/config.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/macros.h"
#include "workers/offload.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *const no_environment[] = {NULL};
static char complaints[1000];

/* Read a command line given as words; what was complained about is in `complaints`. */
static enum mr_options_result read_words(struct mr_config *out, const char *const *words, char *const *environment)
{
    char *argv[20] = {"millrace"};
    int argc = 1;
    while (words[argc - 1] != NULL) {
        argv[argc] = (char *)words[argc - 1];
        argc++;
    }
    FILE *file = fmemopen(complaints, sizeof(complaints), "w");
    enum mr_options_result result = mr_config_read(out, argc, argv, environment, file);
    fclose(file);
    return result;
}

#define READ(config, ...) read_words(config, (const char *const[]){__VA_ARGS__, NULL}, no_environment)

static int64_t loops_of(unsigned cores, const char *offload, const char *processes, const char *workers)
{
    struct mr_config config;
    assert_int_equal(READ(&config, offload, processes, workers), MR_OPTIONS_RUN);
    int64_t loops = mr_config_loops(&config, cores);
    mr_config_free(&config);
    return loops;
}

static void loops_follow_the_workers_that_can_run_at_a_time(void **state)
{
    (void)state;
    static const struct {
        unsigned cores;
        const char *workers;
        int64_t loops;
    } machines[] = {
        {1, "--workers=1", 1},    {2, "--workers=2", 1},   {8, "--workers=8", 1},       {9, "--workers=9", 2},
        {16, "--workers=16", 2},  {17, "--workers=17", 3}, {64, "--workers=64", 8},     {64, "--workers=4", 1},
        {2, "--workers=1000", 1}, {16, "--workers=64", 2}, {1024, "--workers=512", 64}, {1024, "--workers=1024", 64},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(machines); i++) {
        assert_int_equal(loops_of(machines[i].cores, "--offload=workers", "--processes=1", machines[i].workers),
                         machines[i].loops);
        assert_int_equal(loops_of(machines[i].cores, "--offload=libuv", "--processes=1", machines[i].workers),
                         machines[i].loops);
        assert_int_equal(loops_of(machines[i].cores, "--offload=none", "--processes=1", machines[i].workers), 1);
        assert_int_equal(loops_of(machines[i].cores, "--offload=inline", "--processes=1", machines[i].workers), 1);
    }
}

static void loops_of_all_processes_are_no_more_than_may_be_asked_for(void **state)
{
    (void)state;
    assert_int_equal(loops_of(64, "--offload=workers", "--processes=2", "--workers=32"), 4);
    assert_int_equal(loops_of(64, "--offload=workers", "--processes=64", "--workers=1"), 1);
    assert_int_equal(loops_of(1024, "--offload=workers", "--processes=4", "--workers=256"), 16);
    assert_int_equal(loops_of(1024, "--offload=workers", "--processes=40", "--workers=25"), 1);
}

static void loops_that_are_given_count(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--workers=1", "--loops=3"), MR_OPTIONS_RUN);
    assert_int_equal(config.loop.loops, 3);
    mr_config_free(&config);
}

static void defaults_are_those_of_the_design(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(read_words(&config, (const char *const[]){NULL}, no_environment), MR_OPTIONS_RUN);
    assert_string_equal(complaints, "");
    assert_int_equal(config.listen.addresses.count, 0);
    assert_string_equal(MR_DEFAULT_LISTEN, "127.0.0.1:8080");
    assert_false(config.listen.open);
    struct mr_machine machine;
    mr_machine_read(&machine);
    assert_int_equal(config.offload.workers, machine.cores);
    assert_int_equal(config.loop.loops, (machine.cores + 7) / 8);
    assert_int_equal(config.offload.kind, MR_OFFLOAD_WORKERS);
    assert_int_equal(config.offload.priority, MR_PRIORITY_NICE);
    assert_int_equal(config.offload.queue_depth, 1024);
    assert_int_equal(config.offload.job_deadline, 15 * MR_NS_PER_S);
    assert_int_equal(config.offload.job_time, 30 * MR_NS_PER_S);
    assert_int_equal(config.loop.lag_warn, 10 * MR_NS_PER_MS);
    assert_int_equal(config.http.max_body, MR_GIB);
    assert_int_equal(config.pipe.body_memory, 16 * MR_MIB);
    assert_int_equal(config.app.memory_budget, machine.memory / 2);
    assert_true(config.io.disk_budget >= MR_DISK_BUDGET_MIN); /* half of what is free now */
    assert_int_equal(config.image.max_pixels, 100000000);
    assert_int_equal(config.image.max_frames, 500);
    assert_int_equal(config.http.max_head, 16 * MR_KIB);
    assert_int_equal(config.http.max_connections, 16384);
    assert_int_equal(config.http.max_requests_per_connection, 10000);
    assert_int_equal(config.http.head_timeout, 60 * MR_NS_PER_S);
    assert_int_equal(config.http.body_timeout, 60 * MR_NS_PER_S);
    assert_int_equal(config.http.idle_timeout, 75 * MR_NS_PER_S);
    assert_int_equal(config.http.min_rate, MR_KIB);
    assert_int_equal(config.drain.delay, 0);
    assert_int_equal(config.drain.timeout, 30 * MR_NS_PER_S);
    assert_int_equal(config.http.allow_host.count, 0);
    assert_int_equal(config.http.allow_origin.count, 0);
    assert_int_equal(config.log.level, MR_LOG_INFO);
    assert_int_equal(config.log.format, MR_LOG_LOGFMT);
    assert_null(config.log.file);
    mr_config_free(&config);
}

static void each_option_reaches_its_own_field(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--offload=libuv", "--worker-priority", "idle", "--workers=3", "--loops", "2",
                          "--job-deadline=250ms", "--max-body", "0", "--min-rate=64KiB", "--max-head=8KiB",
                          "--log-level=debug", "--log-format=json", "--log-file=/tmp/x"),
                     MR_OPTIONS_RUN);
    assert_int_equal(config.offload.kind, MR_OFFLOAD_LIBUV);
    assert_int_equal(config.offload.priority, MR_PRIORITY_IDLE);
    assert_int_equal(config.offload.workers, 3);
    assert_int_equal(config.loop.loops, 2);
    assert_int_equal(config.offload.job_deadline, 250 * MR_NS_PER_MS);
    assert_int_equal(config.http.max_body, 0);
    assert_int_equal(config.http.min_rate, 64 * MR_KIB);
    assert_int_equal(config.http.max_head, 8 * MR_KIB);
    assert_int_equal(config.log.level, MR_LOG_DEBUG);
    assert_int_equal(config.log.format, MR_LOG_JSON);
    assert_string_equal(config.log.file, "/tmp/x");
    mr_config_free(&config);
}

static void lists_collect(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--listen=127.0.0.1:0", "--listen", "unix:/tmp/s", "--allow-host=a.example",
                          "--allow-origin=https://a.example", "--allow-origin=https://b.example"),
                     MR_OPTIONS_RUN);
    assert_int_equal(config.listen.addresses.count, 2);
    assert_string_equal(config.listen.addresses.values[1], "unix:/tmp/s");
    assert_int_equal(config.http.allow_host.count, 1);
    assert_int_equal(config.http.allow_origin.count, 2);
    assert_string_equal(config.http.allow_origin.values[1], "https://b.example");
    mr_config_free(&config);
}

static void environment_is_read(void **state)
{
    (void)state;
    struct mr_config config;
    char *const environment[] = {"MILLRACE_MAX_PIXELS=5", "MILLRACE_OPEN=1", NULL};
    assert_int_equal(read_words(&config, (const char *const[]){NULL}, environment), MR_OPTIONS_RUN);
    assert_int_equal(config.image.max_pixels, 5);
    assert_true(config.listen.open);
    mr_config_free(&config);
}

static void wrong_option_is_named(void **state)
{
    static const char *const rows[][2] = {
        {"--listen", "nonsense"},
        {"--listen", "127.0.0.1:99999"},
        {"--listen", "unix:"},
        {"--workers", "0"},
        {"--workers", "1025"},
        {"--loops", "0"},
        {"--loops", "65"},
        {"--offload", "gpu"},
        {"--worker-priority", "high"},
        {"--queue-depth", "0"},
        {"--job-deadline", "0"},
        {"--job-time", "-1"},
        {"--max-body", "x"},
        {"--body-memory", "1KiB"},
        {"--memory-budget", "1"},
        {"--disk-budget", "1"},
        {"--min-free", "100%"},
        {"--min-free", "much"},
        {"--durability", "some"},
        {"--max-pixels", "0"},
        {"--max-frames", "0"},
        {"--max-head", "1"},
        {"--max-connections", "0"},
        {"--max-requests-per-connection", "-1"},
        {"--head-timeout", "0"},
        {"--body-timeout", "0"},
        {"--idle-timeout", "0"},
        {"--min-rate", "fast"},
        {"--drain-delay", "x"},
        {"--drain-timeout", "2d"},
        {"--log-level", "loud"},
        {"--log-format", "xml"},
        {"--trust-proxy", "10.0.0.0/33"},
        {"--public-url", "media.example"},
        {"--respond", "never"},
        {"--formats", "jpg,bmp"},
        {"--operations", "w,hight"},
        {"--max-size", "2000"},
        {"--only-presets", "--open"},
        {"--no-such-option", "1"},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_config config;
        enum mr_options_result result = READ(&config, rows[i][0], rows[i][1]);
        if (result != MR_OPTIONS_WRONG || strstr(complaints, rows[i][0]) == NULL)
            fail_msg("%s %s: %d, %s", rows[i][0], rows[i][1], result, complaints);
        assert_non_null(strchr(complaints, '\n'));
        assert_string_equal(strchr(complaints, '\n'), "\n"); /* one line */
    }
}

static void address_that_others_reach_wants_open(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--listen=0.0.0.0:80"), MR_OPTIONS_WRONG);
    assert_non_null(strstr(complaints, "--listen"));
    assert_non_null(strstr(complaints, "0.0.0.0:80"));
    assert_non_null(strstr(complaints, "--open"));
    assert_int_equal(READ(&config, "--listen=127.0.0.1:0", "--listen=example.org:80"), MR_OPTIONS_WRONG);
    assert_int_equal(READ(&config, "--listen=0.0.0.0:80", "--open"), MR_OPTIONS_RUN);
    mr_config_free(&config);
}

static void keys_make_open_needless_and_exclude_it(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--listen=0.0.0.0:80", "--api-keys=/nothing/there"), MR_OPTIONS_RUN);
    assert_string_equal(config.app.api_keys, "/nothing/there");
    mr_config_free(&config);
    assert_int_equal(READ(&config, "--public-url=https://media.example", "--api-keys=keys"), MR_OPTIONS_RUN);
    mr_config_free(&config);
    assert_int_equal(READ(&config, "--public-url=https://media.example"), MR_OPTIONS_WRONG);
    assert_non_null(strstr(complaints, "--api-keys"));
    assert_int_equal(READ(&config, "--open", "--api-keys=keys"), MR_OPTIONS_WRONG);
    assert_non_null(strstr(complaints, "--open"));
    assert_non_null(strstr(complaints, "--api-keys"));
    assert_int_equal(READ(&config, "--open", "--no-open", "--api-keys=keys"), MR_OPTIONS_RUN);
    mr_config_free(&config);
}

static void proxy_or_public_url_wants_open(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--trust-proxy=unix"), MR_OPTIONS_WRONG);
    assert_non_null(strstr(complaints, "--trust-proxy"));
    assert_non_null(strstr(complaints, "--open"));
    assert_int_equal(READ(&config, "--public-url=https://media.example"), MR_OPTIONS_WRONG);
    assert_non_null(strstr(complaints, "--public-url"));
    assert_int_equal(READ(&config, "--open", "--trust-proxy=unix", "--trust-proxy=10.0.0.0/8"), MR_OPTIONS_RUN);
    assert_int_equal(config.http.trust_proxy.count, 2);
    mr_config_free(&config);
}

static void body_memory_above_the_budget_is_wrong(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--body-memory=32MiB", "--memory-budget=31MiB"), MR_OPTIONS_WRONG);
    assert_non_null(strstr(complaints, "--body-memory"));
    assert_int_equal(READ(&config, "--body-memory=32MiB", "--memory-budget=32MiB"), MR_OPTIONS_RUN);
    mr_config_free(&config);
}

static void check_config_reads_all_and_runs_nothing(void **state)
{
    (void)state;
    struct mr_config config;
    assert_int_equal(READ(&config, "--check-config", "--loops=2"), MR_OPTIONS_CHECK);
    assert_int_equal(config.loop.loops, 2);
    mr_config_free(&config);
    assert_int_equal(READ(&config, "--check-config", "--listen=0.0.0.0:80"), MR_OPTIONS_WRONG);
}

static void help_fits_a_screen_and_names_each_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    mr_options_help(mr_config_program(), file);
    fclose(file);
    size_t lines = 0, width = 0;
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1, lines++)
        width = MR_MAX(width, (size_t)(strchr(at, '\n') - at));
    if (lines > 60 || width > 110)
        fail_msg("%zu lines of up to %zu\n%s", lines, width, text);
    for (const struct mr_option *option = mr_config_program()->options; option->spec.name != NULL; option++) {
        if (strstr(text, option->spec.name) == NULL)
            fail_msg("--%s is missing", option->spec.name);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(loops_follow_the_workers_that_can_run_at_a_time),
        cmocka_unit_test(loops_of_all_processes_are_no_more_than_may_be_asked_for),
        cmocka_unit_test(loops_that_are_given_count),
        cmocka_unit_test(each_option_reaches_its_own_field),
        cmocka_unit_test(lists_collect),
        cmocka_unit_test(environment_is_read),
        cmocka_unit_test(wrong_option_is_named),
        cmocka_unit_test(address_that_others_reach_wants_open),
        cmocka_unit_test(keys_make_open_needless_and_exclude_it),
        cmocka_unit_test(proxy_or_public_url_wants_open),
        cmocka_unit_test(body_memory_above_the_budget_is_wrong),
        cmocka_unit_test(check_config_reads_all_and_runs_nothing),
        cmocka_unit_test(help_fits_a_screen_and_names_each_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
