#define _GNU_SOURCE 1 /* memmem */
#include "bench/lab/lab_request.h"
#include "base/assert.h"
#include "base/macros.h"
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>
#include <zlib.h>

#define RECIPIENT   "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj" /* anybody's */
#define GZIP_WINDOW (15 + 16) /* of inflateInit2: the largest window, in gzip's format */
#define SAMPLE      64        /* bytes of what was sent that no ciphertext shows */

static const struct mr_lab_request requests[] = {
    [MR_LAB_LIGHT] = {"GET", "/version", NULL},
    [MR_LAB_FRESH] = {"GET", "/version", NULL},
    [MR_LAB_IMAGE] = {"POST", "/pipe/image?w=300", "photo"},
    [MR_LAB_GZIP] = {"POST", "/pipe/gzip", "data"},
    [MR_LAB_ENCRYPT] = {"POST", "/pipe/encrypt?recipient=" RECIPIENT, "data"},
};

/* How the responses of our own servers begin. */
static const struct mr_slice begins[] = {
    [MR_LAB_LIGHT] = MR_SLICE("{"),
    [MR_LAB_FRESH] = MR_SLICE("{"),
    [MR_LAB_IMAGE] = MR_SLICE("\xff\xd8\xff"),
    [MR_LAB_GZIP] = MR_SLICE("\x1f\x8b\x08"),
    [MR_LAB_ENCRYPT] = MR_SLICE("age-encryption.org/v1\n"),
};

const struct mr_lab_request *mr_lab_request_of(enum mr_lab_stream stream)
{
    return &requests[stream];
}

static int check_resized(struct mr_slice body, struct mr_fault *fault)
{
    VipsImage *image = vips_image_new_from_buffer(body.at, body.len, "", "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
    double average;
    if (image == NULL || vips_avg(image, &average, NULL) != 0) { /* the average needs all pixels */
        vips_error_clear();
        if (image != NULL)
            g_object_unref(image);
        return mr_fault_set(fault, MR_EIO, "the response is not a whole image");
    }
    int width = vips_image_get_width(image);
    g_object_unref(image);
    if (width != MR_LAB_WIDTH)
        return mr_fault_set(fault, MR_EIO, "the image is %d pixels wide and not %d", width, MR_LAB_WIDTH);
    return MR_OK;
}

/* One member that expands to `sent`, with nothing behind it. */
static bool holds(struct mr_slice gzip, struct mr_slice sent)
{
    z_stream z = {.next_in = (Bytef *)gzip.at, .avail_in = (uInt)gzip.len};
    char *out = malloc(sent.len + 1); /* one octet more shows that there is more */
    MR_ASSERT(out != NULL && inflateInit2(&z, GZIP_WINDOW) == Z_OK);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)(sent.len + 1);
    bool is_whole = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0;
    bool is_same = is_whole && mr_slice_equal((struct mr_slice){.at = out, .len = z.total_out}, sent);
    inflateEnd(&z);
    free(out);
    return is_same;
}

static int check_encrypted(struct mr_slice sent, struct mr_slice body, struct mr_fault *fault)
{
    if (body.len < sent.len)
        return mr_fault_set(fault, MR_EIO, "the response is %zu octets, fewer than the %zu to encrypt", body.len,
                            sent.len);
    if (memmem(body.at, body.len, sent.at, MR_MIN(sent.len, SAMPLE)) != NULL)
        return mr_fault_set(fault, MR_EIO, "the response is not encrypted");
    return MR_OK;
}

int mr_lab_request_check(enum mr_lab_stream stream, bool is_ours, struct mr_slice sent, struct mr_slice body,
                         struct mr_fault *fault)
{
    struct mr_slice begin = {.at = body.at, .len = MR_MIN(body.len, begins[stream].len)};
    if (is_ours && !mr_slice_equal(begin, begins[stream]))
        return mr_fault_set(fault, MR_EIO, "the response is something else");
    if (stream == MR_LAB_IMAGE)
        return check_resized(body, fault);
    if (stream == MR_LAB_GZIP && !holds(body, sent))
        return mr_fault_set(fault, MR_EIO, "the response is not what was sent, as gzip");
    if (stream == MR_LAB_ENCRYPT)
        return check_encrypted(sent, body, fault);
    return MR_OK;
}
