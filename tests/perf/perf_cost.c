/* perf_cost -- what the image stage expects of a run, beside what the run takes.
 *
 *      perf_cost SMALL-FILE FILE QUERY    QUERY as in the URL: "w=300&fm=webp", without escapes
 *
 * Writes {"expected_ms": N, "cpu_ms": N, "expected_mib": N, "peak_mib": N} to standard output: CPU time of all threads,
 * and what the resident set grew by, of a run that is the first of its process but one, which had a small picture of
 * the same formats. script/bench cost runs it. */
#include "base/clock.h"
#include "media/image/image.h"
#include <glib.h>
#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct mr_image_ops ops;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "perf_cost: %s: %s\n", what, why);
    exit(1);
}

static void read_query(const char *query)
{
    struct mr_fault fault;
    struct mr_slice rest = mr_slice_of(query);
    mr_image_ops_init(&ops);
    while (rest.at != NULL && rest.len > 0) {
        struct mr_slice value = mr_slice_cut(&rest, '&');
        struct mr_slice name = mr_slice_cut(&value, '=');
        if (mr_image_ops_set(&ops, name, value, &fault) != MR_OK)
            die(query, fault.detail);
    }
}

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* MiB of "VmRSS:", "VmHWM:". */
static double memory_mib(const char *name)
{
    char *text, *at;
    if (!g_file_get_contents("/proc/self/status", &text, NULL, NULL) || (at = strstr(text, name)) == NULL)
        die("/proc/self/status", name);
    double mib = strtod(at + strlen(name), NULL) / 1024;
    g_free(text);
    return mib;
}

/* What the small image has left behind would serve the next one, and not be seen. */
static void give_back_memory(void)
{
    mallctl("arena." G_STRINGIFY(MALLCTL_ARENAS_ALL) ".purge", NULL, NULL, NULL, 0);
}

static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file == NULL || fputs("5", file) < 0 || fclose(file) != 0)
        die("/proc/self/clear_refs", "cannot be written");
}

static void run(const struct mr_image_limits *limits, const char *bytes, size_t len, bool is_small)
{
    struct mr_image_result result;
    struct mr_fault fault = {0};
    if (mr_image_run(&result, &ops, bytes, len, limits, NULL, &fault) == MR_OK)
        mr_image_result_free(&result);
    else if (!is_small) /* which may be too small for a rect */
        die("mr_image_run", fault.detail);
}

int main(int argc, char **argv)
{
    static const struct mr_image_limits limits = {.pixels = 400000000, .frames = 500};
    struct mr_image_info info;
    struct mr_fault fault = {0};
    gsize len, small_len;
    char *bytes, *small;
    if (argc != 4)
        die("usage", "perf_cost SMALL-FILE FILE QUERY");
    if (mr_image_setup() != MR_OK || !g_file_get_contents(argv[1], &small, &small_len, NULL) ||
        !g_file_get_contents(argv[2], &bytes, &len, NULL))
        die(argv[2], "cannot be read");
    read_query(argv[3]);
    if (mr_image_identify(&info, bytes, len, &limits, &fault) != MR_OK)
        die(argv[2], fault.detail);

    run(&limits, small, small_len, true);
    give_back_memory();
    forget_peak();
    double before_mib = memory_mib("VmRSS:"), began_ms = cpu_ms();
    run(&limits, bytes, len, false);
    printf("{\"expected_ms\": %.4f, \"cpu_ms\": %.4f, \"expected_mib\": %.3f, \"peak_mib\": %.3f}\n",
           (double)mr_image_cost_ns(&info, &ops) / MR_NS_PER_MS, cpu_ms() - began_ms,
           (double)mr_image_memory(&info, &ops) / 1048576, memory_mib("VmHWM:") - before_mib);
    mr_image_teardown();
    return 0;
}
