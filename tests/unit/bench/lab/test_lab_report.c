/* The files of a report: all there, whole, and no name of a peer becomes markup or a path. */
#include "bench/lab/lab_report.h"
#include "bench/lab_fixture.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static struct mr_lab_result *result;
static char directory[64];

static int prepare(void **state)
{
    (void)state;
    result = lab_fixture();
    snprintf(directory, sizeof(directory), "/tmp/millrace-test-XXXXXX");
    return mkdtemp(directory) == NULL;
}

/* Remove what is there; returns how many files there were, and how many of them begin or end so. */
static unsigned empty_directory(const char *ending, unsigned *matching)
{
    unsigned count = 0;
    char path[400];
    DIR *dir = opendir(directory);
    struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        count++;
        *matching += len >= strlen(ending) && strcmp(entry->d_name + len - strlen(ending), ending) == 0;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    return count;
}

static int clean(void **state)
{
    (void)state;
    unsigned ignored = 0;
    empty_directory("", &ignored);
    mr_lab_result_destroy(&result);
    return rmdir(directory);
}

static char *content_of(const char *name)
{
    char path[400], *content;
    size_t len;
    int c;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *in = fopen(path, "r"), *out = open_memstream(&content, &len);
    assert_non_null(in);
    while ((c = fgetc(in)) != EOF)
        fputc(c, out);
    fclose(in);
    fclose(out);
    return content;
}

static void every_file_is_there_and_whole(void **state)
{
    (void)state;
    struct mr_fault fault;
    unsigned histograms = 0;
    assert_int_equal(mr_lab_report_write(result, directory, &fault), MR_OK);
    char *html = content_of("report.html"), *json = content_of("report.json"), *hgrm = content_of("light-workers.hgrm");
    assert_non_null(strstr(html, "</html>\n"));
    assert_non_null(strstr(json, "]\n}\n"));
    assert_non_null(strstr(hgrm, "#[Max"));
    free(html);
    free(json);
    free(hgrm);
    assert_int_equal(empty_directory(".hgrm", &histograms), 2 + 2 * result->model_count); /* nothing else is left */
    assert_int_equal(histograms, 2 * result->model_count);
}

static void names_of_peers_stay_names(void **state)
{
    (void)state;
    struct mr_fault fault;
    snprintf(result->models[5].name, sizeof(result->models[5].name), "../../up");
    snprintf(result->models[4].name, sizeof(result->models[4].name), "workers"); /* the same twice */
    assert_int_equal(mr_lab_report_write(result, directory, &fault), MR_OK);
    char *html = content_of("report.html");
    assert_null(strstr(html, "<script>alert"));
    assert_non_null(strstr(html, "\"\\u003cscript>alert('peer')\\u003c/script>\"")); /* in the JSON */
    assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;peer&#39;)&lt;/script&gt;"));
    free(html);
    free(content_of("light-.._.._up~5.hgrm"));
    free(content_of("light-workers~4.hgrm"));
    free(content_of("fresh-_script_alert__peer____script_~7.hgrm"));
}

static void a_directory_that_is_not_there_is_a_fault(void **state)
{
    (void)state;
    struct mr_fault fault;
    assert_int_equal(mr_lab_report_write(result, "/nonexistent", &fault), MR_EIO);
    assert_non_null(strstr(fault.detail, "/nonexistent/"));
}

static void a_lab_in_which_nothing_was_measured_still_has_a_report(void **state)
{
    (void)state;
    struct mr_fault fault;
    for (unsigned m = 0; m < result->model_count; m++)
        for (unsigned i = 0; i < FIXTURE_ROUNDS; i++)
            result->models[m].rounds[i].is_measured = false;
    assert_int_equal(mr_lab_report_write(result, directory, &fault), MR_OK);
    char *html = content_of("report.html"), *json = content_of("report.json");
    *strstr(html, "<script") = '\0'; /* words of the scripts */
    assert_null(strstr(html, "nan"));
    assert_null(strstr(html, "inf"));
    assert_null(strstr(json, "nan"));
    free(html);
    free(json);
}

static void the_table_obeys_no_name(void **state)
{
    (void)state;
    char *text;
    size_t len;
    char *name = result->models[result->model_count - 1].name; /* the peer's */
    strcpy(name, "a\x1b[2J");
    FILE *out = open_memstream(&text, &len);
    mr_lab_report_table(result, out);
    fclose(out);
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "\na?[2J "));
    assert_non_null(strstr(text, "441 times longer"));
    free(text);
}

#define test(name) cmocka_unit_test_setup_teardown(name, prepare, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(every_file_is_there_and_whole),
        test(names_of_peers_stay_names),
        test(a_directory_that_is_not_there_is_a_fault),
        test(a_lab_in_which_nothing_was_measured_still_has_a_report),
        test(the_table_obeys_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
