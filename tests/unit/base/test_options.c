#include "base/macros.h"
#include "base/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct config {
    struct mr_option_list listen;
    bool open, verify;
    int64_t workers;
    double ratio;
    uint64_t max_body, drain;
    int offload;
    char *log_file;
};

static const char *const offloads[] = {"workers", "libuv", "none", NULL};

#define FIELD(name) .offset = offsetof(struct config, name)
static const struct mr_option rows[] = {
    {.spec = {.name = "listen", .type = MR_PARAM_TEXT, .text = "where to listen"},
     .metavar = "HOST:PORT",
     .default_value = "127.0.0.1:8080",
     .repeatable = true,
     FIELD(listen)},
    {.spec = {.name = "open", .type = MR_PARAM_BOOL, .text = "let others in"}, FIELD(open)},
    {.spec = {.name = "verify", .type = MR_PARAM_BOOL, .text = "look twice"}, .default_value = "true", FIELD(verify)},
    {.spec = {.name = "workers", .type = MR_PARAM_INT, .min = 1, .max = 1024, .text = "threads that compute"},
     .metavar = "N",
     FIELD(workers)},
    {.spec = {.name = "ratio", .type = MR_PARAM_NUMBER, .max = 1, .text = "a share"},
     .metavar = "SHARE",
     .default_value = "0.5",
     FIELD(ratio)},
    {.spec = {.name = "max-body", .type = MR_PARAM_SIZE, .text = "largest body"},
     .metavar = "SIZE",
     .default_value = "1GiB",
     FIELD(max_body)},
    {.spec = {.name = "drain-timeout", .type = MR_PARAM_TIME, .text = "patience"},
     .metavar = "TIME",
     .default_value = "30s",
     FIELD(drain)},
    {.spec = {.name = "offload", .type = MR_PARAM_CHOICE, .choices = offloads, .text = "where jobs run"},
     .metavar = "WHERE",
     .default_value = "workers",
     FIELD(offload)},
    {.spec = {.name = "log-file", .type = MR_PARAM_TEXT, .max = 100, .text = "where lines go"},
     .metavar = "PATH",
     FIELD(log_file)},
    {.spec = {.name = NULL}},
};

static const struct mr_options_program program = {
    .name = "millrace", .env_prefix = "MILLRACE", .usage = "millrace: a test", .options = rows};

/* What one parse gave. */
static struct config config;
static char complaint[1000];

#define ARGUMENTS(...)               \
    (char *[])                       \
    {                                \
        "millrace", __VA_ARGS__ NULL \
    }

static enum mr_options_result parse(char *const *arguments, char *const *environment)
{
    static char *const nothing[] = {NULL};
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    memset(complaint, 0, sizeof(complaint));
    FILE *complaints = fmemopen(complaint, sizeof(complaint), "w");
    assert_non_null(complaints);
    enum mr_options_result result =
        mr_options_parse(&program, &config, count, arguments, environment == NULL ? nothing : environment, complaints);
    fclose(complaints);
    if (result != MR_OPTIONS_WRONG)
        assert_string_equal(complaint, "");
    return result;
}

static int forget(void **state)
{
    (void)state;
    mr_options_free(&program, &config);
    memset(&config, 0, sizeof(config));
    return 0;
}

/* A configuration file of our own. */
static char path[64];

static void write_config(const char *text)
{
    strcpy(path, "/tmp/millrace-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int forget_with_file(void **state)
{
    unlink(path);
    return forget(state);
}

static void defaults_fill_what_nobody_names(void **state)
{
    (void)state;
    assert_int_equal(parse(ARGUMENTS(), NULL), MR_OPTIONS_RUN);
    assert_int_equal(config.listen.count, 1);
    assert_string_equal(config.listen.values[0], "127.0.0.1:8080");
    assert_false(config.open);
    assert_true(config.verify);
    assert_int_equal(config.workers, 0); /* no default: left as it was */
    assert_true(config.ratio == 0.5);
    assert_int_equal(config.max_body, 1 << 30);
    assert_int_equal(config.drain, 30000000000);
    assert_int_equal(config.offload, 0);
    assert_null(config.log_file);
}

static void flags_take_a_value_in_two_forms(void **state)
{
    (void)state;
    char **arguments = ARGUMENTS("--workers", "4", "--offload=none", "--open", "--no-verify", "--log-file=/a=b",
                                 "--drain-timeout", "500ms", "--ratio", ".25", );
    assert_int_equal(parse(arguments, NULL), MR_OPTIONS_RUN);
    assert_int_equal(config.workers, 4);
    assert_int_equal(config.offload, 2);
    assert_true(config.open);
    assert_false(config.verify);
    assert_string_equal(config.log_file, "/a=b");
    assert_int_equal(config.drain, 500000000);
    assert_true(config.ratio == 0.25);
}

static void last_of_two_flags_counts_and_lists_collect(void **state)
{
    (void)state;
    char **arguments = ARGUMENTS("--workers=1", "--listen=:1", "--workers=2", "--listen", "unix:/a b", "--log-file=x",
                                 "--log-file=y", "--open", "--open=false", );
    assert_int_equal(parse(arguments, NULL), MR_OPTIONS_RUN);
    assert_int_equal(config.workers, 2);
    assert_int_equal(config.listen.count, 2);
    assert_string_equal(config.listen.values[0], ":1");
    assert_string_equal(config.listen.values[1], "unix:/a b");
    assert_string_equal(config.log_file, "y");
    assert_false(config.open);
}

static void command_line_stands_above_environment_above_file(void **state)
{
    (void)state;
    write_config("workers = 3\nmax-body = 3k\ndrain-timeout = 3\nlisten = :3\n");
    char *environment[] = {"MILLRACE_WORKERS=2", "MILLRACE_MAX_BODY=2k", "MILLRACE_LISTEN=:2 :22", NULL};
    assert_int_equal(parse(ARGUMENTS("--workers=1", "--config", path, ), environment), MR_OPTIONS_RUN);
    assert_int_equal(config.workers, 1);
    assert_int_equal(config.max_body, 2048);
    assert_int_equal(config.drain, 3000000000);
    assert_int_equal(config.listen.count, 2); /* the environment's two replace the file's one */
    assert_string_equal(config.listen.values[1], ":22");
}

static void file_has_comments_blanks_and_repeated_lines(void **state)
{
    (void)state;
    write_config("# a comment\n\n  workers=7   # cores\r\n\tlog-file = /a#b\nlisten = :1 :2\nlisten = :3\nopen = yes");
    assert_int_equal(parse(ARGUMENTS("--config", path, ), NULL), MR_OPTIONS_RUN);
    assert_int_equal(config.workers, 7);
    assert_string_equal(config.log_file, "/a#b");
    assert_int_equal(config.listen.count, 3);
    assert_true(config.open);
}

static void environment_may_name_the_file(void **state)
{
    (void)state;
    char variable[128];
    write_config("workers = 7\n");
    snprintf(variable, sizeof(variable), "MILLRACE_CONFIG=%s", path);
    assert_int_equal(parse(ARGUMENTS(), (char *[]){variable, NULL}), MR_OPTIONS_RUN);
    assert_int_equal(config.workers, 7);
    forget(NULL);
    assert_int_equal(parse(ARGUMENTS("--config=/dev/null", ), (char *[]){variable, NULL}), MR_OPTIONS_RUN);
    assert_int_equal(config.workers, 0);
}

static void wrong_on_command_line(char *const *arguments, const char *expected)
{
    assert_int_equal(parse(arguments, NULL), MR_OPTIONS_WRONG);
    assert_string_equal(complaint, expected);
    forget(NULL);
}

static void wrong_flag_names_itself(void **state)
{
    (void)state;
    wrong_on_command_line(ARGUMENTS("--workers", "0", ),
                          "millrace: --workers: must be an integer from 1 to 1024 (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--offload=gpu", ),
                          "millrace: --offload: must be one of workers, libuv, none (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--workers", ), "millrace: --workers: needs a value: N (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--wrokers=1", ), "millrace: --wrokers: no such option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--no-workers", ),
                          "millrace: --no-workers: no such option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--no-open=1", ), "millrace: --no-open: no such option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--help=no", ), "millrace: --help: takes no value (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("photo.jpg", ), "millrace: photo.jpg: not an option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("-w", ), "millrace: -w: not an option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--", ), "millrace: --: not an option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("", ), "millrace: : not an option (from the command line)\n");
    wrong_on_command_line(ARGUMENTS("--config=/no/file", ),
                          "millrace: --config: No such file or directory (from the command line)\n");
}

static void one_word_may_stand_among_the_options_as_operand(void **state)
{
    (void)state;
    static const struct mr_option operand = {.spec = {.name = "file", .type = MR_PARAM_TEXT}, FIELD(log_file)};
    static const struct mr_options_program with_operand = {
        .name = "millrace", .env_prefix = "MILLRACE", .usage = "", .options = rows + 1, .operand = &operand};
    static char *const nothing[] = {NULL};
    char **arguments = ARGUMENTS("--workers", "3", "photo.jpg", "--open", );
    assert_int_equal(mr_options_parse(&with_operand, &config, 5, arguments, nothing, stderr), MR_OPTIONS_RUN);
    assert_string_equal(config.log_file, "photo.jpg");
    assert_int_equal(config.workers, 3);
    assert_true(config.open);

    mr_options_free(&with_operand, &config);
    assert_null(config.log_file);
    FILE *complaints = fmemopen(complaint, sizeof(complaint), "w");
    assert_non_null(complaints);
    arguments = ARGUMENTS("one.jpg", "two.jpg", );
    assert_int_equal(mr_options_parse(&with_operand, &config, 3, arguments, nothing, complaints), MR_OPTIONS_WRONG);
    fclose(complaints);
    assert_string_equal(complaint, "millrace: two.jpg: one word too many (from the command line)\n");
}

/* Options that only the operand knows: "depth" of a number of stages. */
static int64_t depth;
static char further_text[64];

static const struct mr_param_spec *find_depth(const void *of, struct mr_slice name)
{
    static const struct mr_param_spec spec = {.name = "depth", .type = MR_PARAM_INT};
    return ((const struct config *)of)->log_file != NULL && mr_slice_is(name, "depth") ? &spec : NULL;
}

static const char *take_depth(void *of, struct mr_slice name, struct mr_slice value)
{
    (void)of;
    snprintf(further_text, sizeof(further_text), "%.*s=%.*s", MR_SLICE_ARG(name), MR_SLICE_ARG(value));
    return ++depth > 1 ? "once is enough" : NULL;
}

static void command_has_its_line_alone_and_options_of_its_operand(void **state)
{
    (void)state;
    static const struct mr_option lettered[] = {
        {.spec = {.name = "open", .type = MR_PARAM_BOOL}, FIELD(open), .letter = 'o'}, {.spec = {.name = NULL}}};
    static const struct mr_option operand = {.spec = {.name = "file", .type = MR_PARAM_TEXT}, FIELD(log_file)};
    static const struct mr_options_further further = {.find = find_depth, .take = take_depth};
    static const struct mr_options_program command = {.name = "millrace: dive",
                                                      .usage = "",
                                                      .options = lettered,
                                                      .operand = &operand,
                                                      .further = &further,
                                                      .hint = "usage\n"};
    static char *const nonsense[] = {"MILLRACE_NONSENSE=1", NULL};
    assert_int_equal(mr_options_parse(&command, &config, 5, ARGUMENTS("sea", "-o", "--depth", "7", ), nonsense, stderr),
                     MR_OPTIONS_RUN);
    assert_true(config.open);
    assert_string_equal(further_text, "depth=7");
    char *const *const wrong[] = {(char *[]){"dive", "--depth=1", NULL}, (char *[]){"dive", "sea", "--depth", NULL},
                                  (char *[]){"dive", "sea", "--depth=1", NULL}, (char *[]){"dive", "-x", NULL},
                                  (char *[]){"dive", "--config=x", NULL}};
    static const char *const why[] = {"--depth: no such option", "--depth: needs a value: VALUE",
                                      "--depth: once is enough", "-x: not an option", "--config: no such option"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(wrong); i++) {
        char expected[100];
        int count = 0;
        while (wrong[i][count] != NULL)
            count++;
        mr_options_free(&command, &config);
        memset(complaint, 0, sizeof(complaint));
        FILE *complaints = fmemopen(complaint, sizeof(complaint), "w");
        assert_non_null(complaints);
        assert_int_equal(mr_options_parse(&command, &config, count, wrong[i], nonsense, complaints), MR_OPTIONS_WRONG);
        fclose(complaints);
        snprintf(expected, sizeof(expected), "millrace: dive: %s\nusage\n", why[i]);
        assert_string_equal(complaint, expected);
    }
    mr_options_free(&command, &config);
}

static void wrong_variable(char *variable, const char *expected)
{
    assert_int_equal(parse(ARGUMENTS(), (char *[]){variable, NULL}), MR_OPTIONS_WRONG);
    assert_string_equal(complaint, expected);
    forget(NULL);
}

static void wrong_variable_names_itself(void **state)
{
    (void)state;
    wrong_variable("MILLRACE_WORKERS=many", "millrace: --workers: must be an integer from 1 to 1024 "
                                            "(MILLRACE_WORKERS in the environment)\n");
    wrong_variable("MILLRACE_WROKERS=1", "millrace: --wrokers: no such option (MILLRACE_WROKERS in the environment)\n");
    wrong_variable("MILLRACE_workers=1", "millrace: --workers: no such option (MILLRACE_workers in the environment)\n");
    wrong_variable("MILLRACE_=1", "millrace: --: no such option (MILLRACE_ in the environment)\n");
    wrong_variable("MILLRACE_PORT=80", "millrace: --port: no such option (MILLRACE_PORT in the environment)\n");
}

static void variable_is_checked_even_where_a_flag_stands_above(void **state)
{
    (void)state;
    char *environment[] = {"MILLRACE_WORKERS=many", NULL};
    assert_int_equal(parse(ARGUMENTS("--workers=1", ), environment), MR_OPTIONS_WRONG);
}

static void variables_of_others_are_passed_over(void **state)
{
    (void)state;
    char *environment[] = {"PATH=/bin",
                           "MILLRACES=1",
                           "MILLRACE=1",
                           "nonsense",
                           "MILLRACE_WORKERS=", /* as good as not set */
                           "MILLRACE_OPEN=",
                           "MILLRACE_SERVICE_HOST=10.0.0.1",
                           "MILLRACE_SERVICE_PORT_HTTP=80",
                           "MILLRACE_PORT=tcp://10.0.0.1:80",
                           "MILLRACE_PORT_80_TCP_ADDR=10.0.0.1",
                           "MILLRACE_PORTAL_PORT_80_TCP=tcp://10.0.0.2:80",
                           NULL};
    assert_int_equal(parse(ARGUMENTS(), environment), MR_OPTIONS_RUN);
    assert_false(config.open);
}

static void wrong_line(const char *text, const char *expected)
{
    char whole[256];
    write_config(text);
    assert_int_equal(parse(ARGUMENTS("--config", path, ), NULL), MR_OPTIONS_WRONG);
    snprintf(whole, sizeof(whole), "millrace: %s (%s:2)\n", expected, path);
    assert_string_equal(complaint, whole);
    forget_with_file(NULL);
}

static void wrong_line_of_the_file_names_itself(void **state)
{
    (void)state;
    wrong_line("# first\nworkers = many\n", "--workers: must be an integer from 1 to 1024");
    wrong_line("\nwrokers = 1\n", "--wrokers: no such option");
    wrong_line("\nhelp = 1\n", "--help: no such option");
    wrong_line("\nworkers\n", "--workers: needs a value: workers = N");
    wrong_line("\nopen =\n", "--open: needs a value: open = true");
}

static void too_many_values_are_refused(void **state)
{
    (void)state;
    char *arguments[MR_OPTION_VALUES_MAX + 3] = {"millrace"};
    for (size_t i = 0; i <= MR_OPTION_VALUES_MAX; i++)
        arguments[i + 1] = "--listen=:1";
    assert_int_equal(parse(arguments, NULL), MR_OPTIONS_WRONG);
    assert_string_equal(complaint, "millrace: --listen: more than 32 values (from the command line)\n");
}

static void help_version_and_check_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(parse(ARGUMENTS("--open", "--help", "--nonsense", ), NULL), MR_OPTIONS_HELP);
    assert_int_equal(parse(ARGUMENTS("--version", ), (char *[]){"MILLRACE_NONSENSE=1", NULL}), MR_OPTIONS_VERSION);
    forget(NULL);
    assert_int_equal(parse(ARGUMENTS("--check-config", "--workers=9", ), NULL), MR_OPTIONS_CHECK);
    assert_int_equal(config.workers, 9);
    assert_int_equal(parse(ARGUMENTS("--check-config", "--workers=0", ), NULL), MR_OPTIONS_WRONG);
}

static unsigned helps;

static void count_help(FILE *out)
{
    assert_ptr_equal(out, stdout);
    helps++;
}

static void only_a_program_that_runs_goes_on(void **state)
{
    (void)state;
    assert_int_equal(mr_options_answer(MR_OPTIONS_RUN, "millrace", count_help), MR_OPTIONS_GO_ON);
    assert_int_equal(mr_options_answer(MR_OPTIONS_WRONG, "millrace", count_help), 2);
    assert_int_equal(mr_options_answer(MR_OPTIONS_CHECK, "millrace", count_help), 0);
    assert_int_equal(mr_options_answer(MR_OPTIONS_VERSION, "millrace", count_help), 0);
    assert_int_equal(helps, 0);
    assert_int_equal(mr_options_answer(MR_OPTIONS_HELP, "millrace", count_help), 0);
    assert_int_equal(helps, 1);
}

static void help_has_a_line_for_each_option_but_those_that_share_one(void **state)
{
    (void)state;
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    mr_options_help(&program, out);
    fclose(out);
    assert_memory_equal(text, "millrace: a test\n  --listen HOST:PORT", 36);
    assert_non_null(strstr(text, "\n  --workers N           threads that compute\n"));
    assert_non_null(strstr(text, "\n  --drain-timeout TIME  patience [30s]\n"));
    assert_non_null(
        strstr(text, "\n  --config FILE  --check-config  read options from FILE too; check the options and exit\n"));
    assert_non_null(strstr(text, "\n  --help  --version     print this and exit; print the version and exit\n"));
    size_t lines = 0;
    for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++)
        assert_true(end - at <= 100);
    assert_int_equal(lines, 1 + MR_ARRAY_SIZE(rows) - 1 + 2 + 1);
}

#define option_test(test) cmocka_unit_test_teardown(test, forget)
#define file_test(test)   cmocka_unit_test_teardown(test, forget_with_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        option_test(defaults_fill_what_nobody_names),
        option_test(flags_take_a_value_in_two_forms),
        option_test(last_of_two_flags_counts_and_lists_collect),
        file_test(command_line_stands_above_environment_above_file),
        file_test(file_has_comments_blanks_and_repeated_lines),
        file_test(environment_may_name_the_file),
        option_test(wrong_flag_names_itself),
        option_test(command_has_its_line_alone_and_options_of_its_operand),
        option_test(one_word_may_stand_among_the_options_as_operand),
        option_test(wrong_variable_names_itself),
        option_test(variable_is_checked_even_where_a_flag_stands_above),
        option_test(variables_of_others_are_passed_over),
        option_test(wrong_line_of_the_file_names_itself),
        option_test(too_many_values_are_refused),
        option_test(help_version_and_check_are_told_apart),
        cmocka_unit_test(only_a_program_that_runs_goes_on),
        option_test(help_has_a_line_for_each_option_but_those_that_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
