#define _GNU_SOURCE 1 /* pipe2, O_DIRECT */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macros.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A directory of our own; the log file in it; what was read from it. */
static char directory[64], path[96], moved[96];
static char content[8 << 20];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/millrace-test-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", directory);
    snprintf(moved, sizeof(moved), "%s/log.1", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    mr_log_stop();
    unlink(path);
    unlink(moved);
    return rmdir(directory);
}

static const char *content_of(const char *name)
{
    FILE *file = fopen(name, "re");
    assert_non_null(file);
    size_t len = fread(content, 1, sizeof(content) - 1, file);
    fclose(file);
    content[len] = '\0';
    return content;
}

static void start(enum mr_log_level level, enum mr_log_format format)
{
    assert_int_equal(mr_log_start(level, format, path), 0);
}

/* Stop, and return what was written, without the time that each line begins with. */
static const char *logged_line(void)
{
    mr_log_stop();
    const char *line = content_of(path);
    const char *level = strstr(line, "level");
    assert_non_null(level);
    return level;
}

static void logfmt_quotes_only_what_needs_it(void **state)
{
    (void)state;
    struct mr_log_line line;
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_log_begin(&line, MR_LOG_INFO, "listening");
    mr_log_text(&line, "url", "http://127.0.0.1:8080");
    mr_log_text(&line, "skipped", NULL);
    mr_log_text(&line, "empty", "");
    mr_log_text(&line, "spaced", "a b");
    mr_log_text(&line, "equals", "a=b");
    mr_log_slice(&line, "quoted", MR_SLICE("say \"hi\\\""));
    mr_log_int(&line, "count", -5);
    mr_log_seconds(&line, "took", 1234567890);
    mr_log_end(&line);
    assert_string_equal(logged_line(), "level=info msg=\"listening\" url=http://127.0.0.1:8080 empty=\"\" "
                                       "spaced=\"a b\" equals=\"a=b\" quoted=\"say \\\"hi\\\\\\\"\" count=-5 "
                                       "took=1.234567\n");
}

static void json_is_one_object_a_line(void **state)
{
    (void)state;
    struct mr_log_line line;
    start(MR_LOG_INFO, MR_LOG_JSON);
    mr_log_begin(&line, MR_LOG_ERROR, "no \"luck\"\n");
    mr_log_text(&line, "path", "/a");
    mr_log_int(&line, "status", 503);
    mr_log_seconds(&line, "took", 999);
    mr_log_end(&line);
    assert_string_equal(logged_line(),
                        "level\":\"error\",\"msg\":\"no \\\"luck\\\"\\n\",\"path\":\"/a\",\"status\":503,"
                        "\"took\":0.000000}\n");
    assert_memory_equal(content, "{\"time\":\"", 9);
}

static void time_is_now_in_utc(void **state)
{
    (void)state;
    char before[25], after[25];
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_clock_iso_date(before, mr_clock_wall());
    mr_log(MR_LOG_INFO, "x");
    mr_clock_iso_date(after, mr_clock_wall());
    mr_log_stop();
    const char *line = content_of(path);
    assert_memory_equal(line, "time=", 5);
    assert_true(strncmp(line + 5, before, 24) >= 0 && strncmp(line + 5, after, 24) <= 0);
}

static void client_cannot_forge_a_line(void **state)
{
    (void)state;
    struct mr_log_line line;
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_log_begin(&line, MR_LOG_INFO, "request");
    mr_log_text(&line, "path", "/\r\ntime=0 level=error msg=forged\t\x1b[2J\x7f");
    mr_log_end(&line);
    assert_string_equal(logged_line(), "level=info msg=\"request\" "
                                       "path=\"/\\r\\ntime=0 level=error msg=forged\\t\\u001b[2J\\u007f\"\n");
}

static void text_that_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xc3\xa9", "\xc3\xa9"},                             /* e with acute */
        {"\xf0\x9f\x8c\xbe", "\xf0\x9f\x8c\xbe"},             /* outside the basic plane */
        {"a\xff z", "a\\ufffd z"},                            /* never a byte of UTF-8 */
        {"\xc3", "\\ufffd"},                                  /* cut short */
        {"\xc3(", "\\ufffd("},                                /* no continuation */
        {"\xc0\xaf", "\\ufffd\\ufffd"},                       /* overlong slash */
        {"\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd"},            /* overlong slash in three bytes */
        {"\xf0\x80\x80\xaf", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* overlong slash in four bytes */
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            /* a surrogate */
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* above U+10FFFF */
        {"\xc2\x9b", "\\u009b"},                              /* the control CSI */
        {"\xe2\x80\xae", "\\u202e"},                          /* right-to-left override */
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        char expected[128];
        start(MR_LOG_INFO, MR_LOG_JSON);
        mr_log(MR_LOG_INFO, "%s", cases[i].in);
        snprintf(expected, sizeof(expected), "level\":\"info\",\"msg\":\"%s\"}\n", cases[i].out);
        assert_string_equal(logged_line(), expected);
        unlink(path);
    }
}

static void levels_below_are_not_written(void **state)
{
    (void)state;
    start(MR_LOG_WARN, MR_LOG_LOGFMT);
    assert_true(mr_log_enabled(MR_LOG_ERROR));
    assert_false(mr_log_enabled(MR_LOG_INFO));
    mr_log(MR_LOG_INFO, "unseen");
    mr_log(MR_LOG_WARN, "seen");
    mr_log_set_level(MR_LOG_DEBUG);
    mr_log(MR_LOG_DEBUG, "seen too");
    mr_log_stop();
    assert_null(strstr(content_of(path), "unseen"));
    assert_non_null(strstr(content, "level=warn msg=\"seen\""));
    assert_non_null(strstr(content, "level=debug msg=\"seen too\""));
}

static void long_value_leaves_room_for_the_next(void **state)
{
    (void)state;
    static char value[5000];
    struct mr_log_line line;
    memset(value, 'x', sizeof(value) - 1);
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_log_begin(&line, MR_LOG_INFO, "request");
    mr_log_text(&line, "path", value);
    mr_log_int(&line, "status", 200);
    mr_log_end(&line);
    assert_non_null(strstr(logged_line(), "xxx... status=200\n"));
}

/* Whatever is logged, a line keeps within its bound, ends in one newline and its strings and braces close. */
static void long_lines_are_cut_to_whole_json(void **state)
{
    (void)state;
    static char value[1500];
    srand(5);
    start(MR_LOG_INFO, MR_LOG_JSON);
    for (int round = 0; round < 500; round++) {
        struct mr_log_line line;
        mr_log_begin(&line, MR_LOG_INFO, "request");
        for (int field = 0; field < 6; field++) {
            size_t len = (size_t)rand() % sizeof(value);
            for (size_t i = 0; i < len; i++)
                value[i] = (char)(rand() % 3 == 0 ? rand() : "\"\\\n\x1bxyz "[rand() % 8]);
            mr_log_slice(&line, "field", (struct mr_slice){.at = value, .len = len});
            mr_log_int(&line, "number", rand());
        }
        mr_log_end(&line);
    }
    mr_log_stop();
    size_t lines = 0;
    const char *at = content_of(path);
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++) {
        bool in_string = false;
        assert_true(end - at < MR_LOG_LINE_MAX);
        assert_true(at[0] == '{' && end[-1] == '}');
        for (const char *c = at; c < end; c++) {
            assert_true((unsigned char)*c >= ' ');
            if (in_string && *c == '\\') {
                c++;
                assert_non_null(strchr("\"\\nrtu", *c));
            } else if (*c == '"') {
                in_string = !in_string;
            }
        }
        assert_false(in_string);
    }
    assert_int_equal(lines, 500);
    assert_string_equal(at, "");
}

enum { THREADS = 3, LINES = 2000 };

static void *log_many(void *context)
{
    for (int i = 0; i < LINES; i++) {
        struct mr_log_line line;
        mr_log_begin(&line, MR_LOG_INFO, "x");
        mr_log_int(&line, "thread", (int64_t)(intptr_t)context);
        mr_log_int(&line, "line", i);
        mr_log_end(&line);
    }
    return NULL;
}

static void lines_of_each_thread_arrive_whole_once_and_in_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int next[THREADS] = {0};
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mr_log_stop();
    assert_int_equal(mr_log_dropped(), 0);
    const char *at = content_of(path);
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        static const char before[] = "level=info msg=\"x\" thread=";
        assert_memory_equal(at + 30, before, sizeof(before) - 1);
        char *rest;
        long thread = strtol(at + 30 + sizeof(before) - 1, &rest, 10);
        assert_true(thread >= 0 && thread < THREADS);
        assert_memory_equal(rest, " line=", 6);
        assert_int_equal(strtol(rest + 6, &rest, 10), next[thread]++);
        assert_ptr_equal(rest, end);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
}

static void *stop(void *unused)
{
    (void)unused;
    mr_log_stop();
    return NULL;
}

/* The file is a pipe that nobody reads: its 64 KiB fill, then the logger's thread hangs in write. */
static void stuck_writer_costs_lines_and_not_time(void **state)
{
    (void)state;
    enum { LOGGED = 8000 };
    static char filler[1001];
    memset(filler, 'x', sizeof(filler) - 1);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    for (int i = 0; i < LOGGED; i++)
        mr_log(MR_LOG_INFO, "%s", filler); /* would hang here, were it waiting for the reader */
    uint64_t dropped = mr_log_dropped();
    assert_true(dropped > 0);

    pthread_t stopper;
    assert_int_equal(fcntl(reader, F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
    size_t len = 0;
    for (ssize_t got; (got = read(reader, content + len, sizeof(content) - 1 - len)) > 0;)
        len += (size_t)got;
    content[len] = '\0';
    pthread_join(stopper, NULL);
    close(reader);
    size_t lines = 0;
    for (const char *at = content; (at = strstr(at, "msg=\"xxx")) != NULL; at++)
        lines++;
    assert_int_equal(lines + dropped, LOGGED);
    assert_true(len < MR_LOG_PENDING_MAX + (128 << 10));
    char report[64];
    snprintf(report, sizeof(report), "level=warn msg=\"Log lines were dropped.\" dropped=%d\n", (int)dropped);
    assert_non_null(strstr(content, report));
}

static void lost_reader_counts_as_dropped(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL); /* must not matter */
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    close(reader);
    mr_log(MR_LOG_INFO, "to nobody");
    while (mr_log_dropped() == 0)
        sched_yield();
    mr_log_stop();
    assert_int_equal(mr_log_dropped(), 1);
}

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

static void rotated_file_is_opened_again(void **state)
{
    (void)state;
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_log(MR_LOG_INFO, "before");
    mr_log_flush();
    assert_int_equal(rename(path, moved), 0);
    mr_log_reopen();
    while (!exists(path))
        sched_yield();
    mr_log(MR_LOG_INFO, "after");
    mr_log_stop();
    assert_non_null(strstr(content_of(moved), "before"));
    assert_null(strstr(content, "after"));
    assert_non_null(strstr(content_of(path), "after"));
}

static void file_that_cannot_be_opened_again_is_kept(void **state)
{
    (void)state;
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    mr_log_reopen();
    while (strstr(content_of(moved), "cannot be opened again") == NULL)
        sched_yield();
    mr_log(MR_LOG_INFO, "after");
    mr_log_stop();
    rmdir(path);
    assert_non_null(strstr(content_of(moved), "msg=\"after\""));
}

static void *read_to_end(void *context)
{
    size_t len = 0;
    for (ssize_t got;
         (got = read(*(int *)context, content + len, MR_MIN((size_t)5000, sizeof(content) - 1 - len))) > 0;)
        len += (size_t)got;
    content[len] = '\0';
    return NULL;
}

/* Somebody made standard error non-blocking, and it is a pipe of 64 KiB: writes end short or not at all. */
static void non_blocking_standard_error_loses_nothing(void **state)
{
    (void)state;
    enum { LOGGED = 600 };
    int ends[2], saved = dup(STDERR_FILENO);
    pthread_t reader;
    static char filler[1001];
    memset(filler, 'x', sizeof(filler) - 1);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_int_equal(mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL), 0);
    for (int i = 0; i < LOGGED; i++)
        mr_log(MR_LOG_INFO, "%s", filler);
    assert_int_equal(pthread_create(&reader, NULL, read_to_end, &ends[0]), 0);
    mr_log_stop();
    dup2(saved, STDERR_FILENO); /* closes the pipe */
    close(saved);
    pthread_join(reader, NULL);
    close(ends[0]);
    assert_int_equal(mr_log_dropped(), 0);
    int lines = 0;
    for (const char *at = content, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++)
        assert_int_equal(end - at, strlen("time=2026-01-02T03:04:05.678Z level=info msg=\"\"") + sizeof(filler) - 1);
    assert_int_equal(lines, LOGGED);
}

/* Standard error becomes a pipe that is full and has no reader. */
static void fill_standard_error(int ends[2])
{
    static const char page[4096];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], page, sizeof(page)) > 0)
        continue;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
}

/* In a child, as it leaves a thread behind that hangs. Its status; a hang would be ended by SIGALRM. */
static int status_with_full_standard_error(void (*child)(void))
{
    int ends[2], status;
    pid_t pid = fork();
    if (pid == 0) {
        fill_standard_error(ends);
        alarm(100);
        child();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void stop_with_a_line(void)
{
    if (mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL) != 0)
        _exit(1);
    mr_log(MR_LOG_INFO, "without a reader");
    mr_log_stop();
    mr_log(MR_LOG_INFO, "nor that");
}

static void flush_with_a_line(void)
{
    if (mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL) != 0)
        _exit(1);
    mr_log(MR_LOG_INFO, "without a reader");
    mr_log_flush();
}

static void open_with_lines(void)
{
    if (mr_log_open(MR_LOG_INFO, MR_LOG_LOGFMT, NULL) != 0)
        _exit(1);
    for (int i = 0; i < 100; i++)
        mr_log(MR_LOG_INFO, "without a reader");
    _exit(mr_log_dropped() == 100 ? 0 : 2);
}

static void stop_and_flush_do_not_wait_for_ever_for_a_reader_who_has_stopped(void **state)
{
    (void)state;
    assert_int_equal(status_with_full_standard_error(stop_with_a_line), 0);
    assert_int_equal(status_with_full_standard_error(flush_with_a_line), 0);
}

static void opened_log_drops_what_finds_no_room_and_says_so_later(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(status_with_full_standard_error(open_with_lines), 0);
    fill_standard_error(ends);
    assert_int_equal(mr_log_open(MR_LOG_INFO, MR_LOG_LOGFMT, NULL), 0);
    mr_log(MR_LOG_INFO, "lost");
    for (int i = 0; i < 2; i++)
        assert_true(read(ends[0], content, 4096) == 4096);
    mr_log(MR_LOG_INFO, "there is room again");
    mr_log_stop();
    dup2(saved, STDERR_FILENO);
    close(saved);
    read_to_end(&ends[0]);
    close(ends[0]);
    const char *text = content; /* behind the zeros that filled it */
    while (*text == '\0')
        text++;
    assert_non_null(strstr(text, "there is room again"));
    assert_non_null(strstr(text, "dropped=1"));
    assert_null(strstr(text, "lost"));
}

static void opened_log_is_written_at_once_and_can_be_started_later(void **state)
{
    (void)state;
    assert_int_equal(mr_log_open(MR_LOG_INFO, MR_LOG_LOGFMT, path), 0);
    mr_log(MR_LOG_INFO, "first");
    assert_non_null(strstr(content_of(path), "msg=\"first\""));
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_log(MR_LOG_INFO, "second");
    mr_log_stop();
    const char *first = strstr(content_of(path), "first"), *second = strstr(content, "second");
    assert_true(first != NULL && second > first);
}

static void opened_log_that_is_rotated_is_opened_again(void **state)
{
    (void)state;
    assert_int_equal(mr_log_open(MR_LOG_INFO, MR_LOG_LOGFMT, path), 0);
    assert_int_equal(unlink(path), 0);
    mr_log_reopen();
    mr_log(MR_LOG_INFO, "again");
    mr_log_stop();
    assert_non_null(strstr(content_of(path), "msg=\"again\""));
}

static void dropped_lines_are_counted_where_the_caller_says(void **state)
{
    (void)state;
    static _Atomic uint64_t elsewhere = 5;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDERR_FILENO);
    mr_log_count_in(&elsewhere);
    dup2(full, STDERR_FILENO);
    assert_int_equal(mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL), 0);
    mr_log(MR_LOG_INFO, "lost");
    mr_log_stop();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(full);
    assert_int_equal(mr_log_dropped(), 6);
    assert_int_equal(elsewhere, 6);
    mr_log_count_in(NULL);
    assert_int_equal(mr_log_dropped(), 0);
}

/* More than one write to a pipe takes whole: else the lines of another writer could stand in the middle of ours. */
static void lines_to_a_pipe_are_written_in_pieces_that_stay_whole(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    char filler[300], piece[PIPE_BUF + 1];
    memset(filler, 'x', sizeof(filler));
    filler[sizeof(filler) - 1] = '\0';
    assert_int_equal(pipe2(ends, O_DIRECT), 0); /* a read returns what one write wrote */
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_int_equal(mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL), 0);
    for (int i = 0; i < 60; i++)
        mr_log(MR_LOG_INFO, "%s", filler);
    mr_log_stop();
    dup2(saved, STDERR_FILENO);
    close(saved);
    size_t total = 0;
    for (ssize_t got; (got = read(ends[0], piece, sizeof(piece))) > 0; total += (size_t)got)
        assert_int_equal(piece[got - 1], '\n');
    assert_true(total > 60 * sizeof(filler));
    close(ends[0]);
}

static void flush_writes_at_once(void **state)
{
    (void)state;
    start(MR_LOG_INFO, MR_LOG_LOGFMT);
    mr_log(MR_LOG_INFO, "now");
    mr_log_flush();
    assert_non_null(strstr(content_of(path), "msg=\"now\""));
}

static void file_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    char nowhere[128];
    snprintf(nowhere, sizeof(nowhere), "%s/no/such/file", directory);
    assert_int_equal(mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, nowhere), MR_EIO);
    assert_int_equal(errno, ENOENT);
    start(MR_LOG_INFO, MR_LOG_LOGFMT); /* and another try is free */
    mr_log_stop();
}

static void lines_outside_start_and_stop_go_to_standard_error(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dup2(file, STDERR_FILENO);
    mr_log(MR_LOG_ERROR, "early");
    assert_int_equal(mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL), 0);
    mr_log(MR_LOG_ERROR, "between");
    mr_log_reopen(); /* no effect */
    mr_log_stop();
    mr_log(MR_LOG_ERROR, "late");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(file);
    const char *early = strstr(content_of(path), "early"), *between = strstr(content, "between");
    assert_true(early != NULL && between > early && strstr(between, "late") != NULL);
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(logfmt_quotes_only_what_needs_it),
        with_directory(json_is_one_object_a_line),
        with_directory(time_is_now_in_utc),
        with_directory(client_cannot_forge_a_line),
        with_directory(text_that_is_not_utf8_is_replaced),
        with_directory(levels_below_are_not_written),
        with_directory(long_value_leaves_room_for_the_next),
        with_directory(long_lines_are_cut_to_whole_json),
        with_directory(lines_of_each_thread_arrive_whole_once_and_in_order),
        with_directory(stuck_writer_costs_lines_and_not_time),
        with_directory(lost_reader_counts_as_dropped),
        with_directory(rotated_file_is_opened_again),
        with_directory(file_that_cannot_be_opened_again_is_kept),
        with_directory(non_blocking_standard_error_loses_nothing),
        with_directory(flush_writes_at_once),
        with_directory(stop_and_flush_do_not_wait_for_ever_for_a_reader_who_has_stopped),
        with_directory(opened_log_drops_what_finds_no_room_and_says_so_later),
        with_directory(opened_log_is_written_at_once_and_can_be_started_later),
        with_directory(opened_log_that_is_rotated_is_opened_again),
        with_directory(dropped_lines_are_counted_where_the_caller_says),
        with_directory(lines_to_a_pipe_are_written_in_pieces_that_stay_whole),
        with_directory(file_that_cannot_be_opened_is_an_error),
        with_directory(lines_outside_start_and_stop_go_to_standard_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
