/* perf_resize -- the floor that POST /pipe/image is measured against: the same calls of the image stage in a bare loop
 * on each of some threads, without HTTP, queue or loop.
 *
 *      perf_resize FILE QUERY THREADS SECONDS          QUERY as in the URL: "w=300&fm=webp", without escapes
 *      perf_resize --plain FILE QUERY THREADS SECONDS  what libvips alone takes: vips_thumbnail_buffer and its encoder
 *                                                      with our options, Orc switched on where libvips has it
 *      perf_resize --probe FILE w=WIDTH THREADS SECONDS  what a JPEG takes at the least (photo_probe.h)
 *
 * Writes {"images_per_s": N, "cpu_ms": N of the process, an image} to standard output. script/bench resize runs it. */
#include "base/clock.h"
#include "base/macros.h"
#include "media/image/image.h"
#include "photo_probe.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include <vips/vector.h> /* needs vips.h before it */

#define THREADS_MAX 64
#define WARMUP_NS   (MR_NS_PER_S / 2)

static struct {
    void *bytes;
    size_t len;
    struct mr_image_ops ops;
    void (*image)(void);
    uint64_t begins, ends; /* monotonic: images that begin in between count */
} run;

struct worker {
    pthread_t thread;
    double images_per_s;
    uint64_t images; /* with those of the warm-up */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "perf_resize: %s: %s\n", what, why);
    exit(1);
}

static void run_stage(void)
{
    static const struct mr_image_limits limits = {.pixels = 100000000, .frames = 100};
    struct mr_cancel cancel = {.stop_at = mr_clock_now() + 30 * MR_NS_PER_S}; /* looked at as in the server */
    struct mr_image_result result;
    struct mr_fault fault;

    if (mr_image_run(&result, &run.ops, run.bytes, run.len, &limits, &cancel, &fault) != MR_OK)
        die("mr_image_run", fault.detail);
    mr_image_result_free(&result);
}

static void run_plain(void)
{
    static const char *const encoders[MR_IMAGE_FORMAT_COUNT] = {
        [MR_IMAGE_JPEG] = ".jpg[Q=75,optimize_coding,strip]",
        [MR_IMAGE_PNG] = ".png[compression=6,strip]",
        [MR_IMAGE_WEBP] = ".webp[Q=79,effort=4,strip]",
        [MR_IMAGE_AVIF] = ".avif[Q=56,effort=4,bitdepth=8,strip]",
    };
    enum mr_image_format input = mr_image_sniff(run.bytes, run.len);
    const char *encoder = encoders[run.ops.format != MR_IMAGE_UNKNOWN ? run.ops.format : input];
    VipsImage *image;
    void *bytes;
    size_t len;

    if (encoder == NULL)
        die("--plain", "no such output");
    if (vips_thumbnail_buffer(run.bytes, run.len, &image, (int)run.ops.width, "height", VIPS_MAX_COORD, NULL) ||
        vips_image_write_to_buffer(image, encoder, &bytes, &len, NULL))
        die("libvips", vips_error_buffer());
    g_object_unref(image);
    g_free(bytes);
}

static void run_probe(void)
{
    unsigned long len = 0;
    free(probe_run(run.bytes, run.len, (uint32_t)run.ops.width, &len));
}

/* A rate to the end of the last image: no image counts in part. */
static void *loop(void *argument)
{
    struct worker *worker = argument;
    uint64_t warmup = 0, began, now;

    for (; (began = mr_clock_now()) < run.begins; warmup++)
        run.image();
    do {
        run.image();
        worker->images++;
    } while ((now = mr_clock_now()) < run.ends);
    worker->images_per_s = (double)worker->images / ((double)(now - began) / MR_NS_PER_S);
    worker->images += warmup;
    mr_image_thread_end();
    return NULL;
}

/* Of all threads: libvips computes on threads of its own. */
static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void read_file(const char *path)
{
    gsize len;
    char *bytes;
    if (!g_file_get_contents(path, &bytes, &len, NULL))
        die(path, "cannot be read");
    run.bytes = bytes;
    run.len = len;
}

static void read_query(const char *query)
{
    struct mr_fault fault;
    struct mr_slice rest = mr_slice_of(query);
    mr_image_ops_init(&run.ops);
    while (rest.at != NULL) {
        struct mr_slice value = mr_slice_cut(&rest, '&');
        struct mr_slice name = mr_slice_cut(&value, '=');
        if (mr_image_ops_set(&run.ops, name, value, &fault) != MR_OK)
            die(query, fault.detail);
    }
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS_MAX];
    bool is_plain = argc > 1 && strcmp(argv[1], "--plain") == 0, is_probe = argc > 1 && strcmp(argv[1], "--probe") == 0;
    char **arguments = argv + (is_plain || is_probe ? 2 : 1);
    if (argc - (int)(arguments - argv) != 4)
        die("usage", "perf_resize [--plain|--probe] FILE QUERY THREADS SECONDS");
    run.image = is_plain ? run_plain : is_probe ? run_probe : run_stage;
    if (mr_image_setup() != MR_OK)
        die("libvips", "cannot be started");
    if (is_plain)
        vips_vector_set_enabled(TRUE);
    read_file(arguments[0]);
    read_query(arguments[1]);
    int threads = MR_MIN(atoi(arguments[2]), THREADS_MAX);
    run.begins = mr_clock_now() + WARMUP_NS;
    run.ends = run.begins + (uint64_t)(atof(arguments[3]) * MR_NS_PER_S);

    double images_per_s = 0, images = 0, began_ms = cpu_ms();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, loop, &workers[i]) != 0)
            die("pthread_create", "no thread");
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        images_per_s += workers[i].images_per_s;
        images += (double)workers[i].images;
    }
    printf("{\"images_per_s\": %.3f, \"cpu_ms\": %.4f}\n", images_per_s, (cpu_ms() - began_ms) / images);
    g_free(run.bytes);
    mr_image_teardown();
    return 0;
}
