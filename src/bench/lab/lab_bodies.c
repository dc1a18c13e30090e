#include "bench/lab/lab_bodies.h"
#include "base/macros.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#define WIDTH     1732
#define HEIGHT    1155
#define DATA_SIZE ((size_t)MR_MIB)

/* ---- the picture ---- */

struct octave {
    int cell;      /* px */
    double weight; /* of the sum */
};

/* Large soft areas, smaller things, and grain: as a photograph has them. */
static const struct octave octaves[] = {{512, 110}, {128, 60}, {32, 32}, {8, 18}};
#define GRAIN 4

/* sum += weight * noise */
static int add_noise(VipsImage **sum, VipsImage *noise, double weight)
{
    VipsImage *weighted = NULL, *next = NULL;
    int failed = vips_linear1(noise, &weighted, weight, 0, NULL) || vips_add(*sum, weighted, &next, NULL);
    g_object_unref(noise);
    if (weighted != NULL)
        g_object_unref(weighted);
    if (!failed) {
        g_object_unref(*sum);
        *sum = next;
    }
    return failed;
}

static int make_band(VipsImage **band, int seed)
{
    VipsImage *noise;
    if (vips_black(band, WIDTH, HEIGHT, NULL))
        return -1;
    for (size_t i = 0; i < MR_ARRAY_SIZE(octaves); i++) {
        /* The colours share their shapes: real things are of one colour, more or less. */
        int same = i < 2 ? seed : 7;
        if (vips_perlin(&noise, WIDTH, HEIGHT, "cell_size", octaves[i].cell, "seed", same + (int)i, NULL) ||
            add_noise(band, noise, octaves[i].weight))
            return -1;
    }
    if (vips_gaussnoise(&noise, WIDTH, HEIGHT, "mean", 0.0, "sigma", 1.0, "seed", seed, NULL))
        return -1;
    return add_noise(band, noise, GRAIN);
}

static int save(VipsImage **bands, const char *path)
{
    VipsImage *joined = NULL, *lifted = NULL, *bytes = NULL;
    int failed = vips_bandjoin(bands, &joined, 3, NULL) || vips_linear1(joined, &lifted, 1, 118, NULL) ||
                 vips_cast(lifted, &bytes, VIPS_FORMAT_UCHAR, NULL) || vips_jpegsave(bytes, path, "Q", 90, NULL);
    VipsImage *all[] = {joined, lifted, bytes};
    for (size_t i = 0; i < MR_ARRAY_SIZE(all); i++)
        if (all[i] != NULL)
            g_object_unref(all[i]);
    return failed;
}

static int write_photo(const char *path, struct mr_fault *fault)
{
    VipsImage *bands[3] = {NULL, NULL, NULL};
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++)
        failed = make_band(&bands[i], 11 + i);
    if (!failed)
        failed = save(bands, path);
    for (int i = 0; i < 3; i++)
        if (bands[i] != NULL)
            g_object_unref(bands[i]);
    return failed ? mr_fault_set(fault, MR_EIO, "cannot write %s: %s", path, vips_error_buffer()) : MR_OK;
}

/* ---- the data ---- */

/* Words of a small language between bytes of none: neither text nor noise alone. */
static void fill(char *data, size_t len)
{
    uint64_t state = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
    for (size_t at = 0; at < len;) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char text[32];
        int size = state % 3 == 0 ? snprintf(text, sizeof(text), "%016llx", (unsigned long long)state * state)
                                  : snprintf(text, sizeof(text), "the %llu. row; ", (unsigned long long)(state % 97));
        size_t part = MR_MIN((size_t)size, len - at);
        memcpy(data + at, text, part);
        at += part;
    }
}

static int write_data(const char *path, struct mr_fault *fault)
{
    char *data = malloc(DATA_SIZE);
    FILE *file = fopen(path, "we");
    bool is_bad = data == NULL || file == NULL;
    if (!is_bad) {
        fill(data, DATA_SIZE);
        is_bad = fwrite(data, 1, DATA_SIZE, file) != DATA_SIZE;
    }
    if (file != NULL)
        is_bad |= fclose(file) != 0;
    free(data);
    return is_bad ? mr_fault_set(fault, MR_EIO, "cannot write %s: %s", path, strerror(errno)) : MR_OK;
}

int mr_lab_bodies_write(const char *directory, bool with_photo, struct mr_fault *fault)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/data.bin", directory);
    int err = write_data(path, fault);
    if (err != MR_OK || !with_photo)
        return err;
    snprintf(path, sizeof(path), "%s/photo.jpg", directory);
    return write_photo(path, fault);
}
