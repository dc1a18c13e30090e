/* DESIGN: a JPEG (ITU-T T.81) is a row of marker segments; entropy-coded data follows each SOS and ends at the first FF
 * that is followed by neither 00 nor a restart marker. The walk goes from SOI to EOI, so that a file that was cut
 * anywhere is known as such in microseconds, and counts scans: a progressive image costs the decoder one pass over all
 * pixels for each, however few bytes it has.
 *
 * Phones write panoramas without an EOI, or with data of their own in its place. Once scans have named every
 * coefficient to its last bit, the image ends behind the last of them, whatever follows; whether that scan was cut, the
 * decoder finds. An arithmetic decoder does not: it reads zeros behind the end. There EOI has to be. */
#include "media/scan/scan.h"

#include "base/macros.h"

#include <string.h>

enum {
    SOF0 = 0xC0,
    SOF1 = 0xC1,
    SOF2 = 0xC2, /* progressive */
    DHT = 0xC4,
    JPG = 0xC8,
    SOF9 = 0xC9,
    SOF10 = 0xCA, /* progressive, arithmetic coding */
    DAC = 0xCC,
    SOF15 = 0xCF,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    APP1 = 0xE1,
    APP2 = 0xE2,
    APP14 = 0xEE,
    TEM = 0x01,
    END_OF_FILE = -1,

    SCANS_MAX = 100,   /* an honest encoder writes up to about 30 */
    SIDE_MAX = 65500,  /* libjpeg's own bound */
    BYTES_A_STEP = 64, /* that memchr goes over */

    ALL_BITS = 16,    /* more than a coefficient has */
    WARNED_TWICE = 2, /* libvips reads a head twice */
};

struct jpeg {
    struct mr_scan *out;
    struct mr_view file;
    struct mr_fault *fault;
    size_t at;
    uint8_t component_id[4];
    uint8_t bits_left[4][64]; /* of each component and coefficient: low bits that no scan has named yet */
    size_t coded_end;         /* of the last scan's data */
    bool is_progressive, is_arithmetic;
    bool has_exif, has_profile;
    bool has_other_colours; /* than YCbCr, or those of sRGB */
};

static int damaged(struct jpeg *jpeg, const char *what)
{
    return mr_fault_set(jpeg->fault, MR_EDAMAGED, "JPEG: %s.", what);
}

static int unsupported(struct jpeg *jpeg, const char *what)
{
    return mr_fault_set(jpeg->fault, MR_ENOTIMAGE, "JPEG: %s is not read here.", what);
}

/* The code of the next marker, and `at` behind it. Bytes in front of it that mean nothing are skipped, as libjpeg does.
 */
static int next_marker(struct jpeg *jpeg)
{
    bool stray = false;
    for (; mr_view_has(jpeg->file, jpeg->at, 2) && mr_scan_step(jpeg->out, 1); jpeg->at++) {
        const uint8_t *at = jpeg->file.at + jpeg->at;
        if (at[0] == 0xFF && at[1] != 0x00 && at[1] != 0xFF) {
            jpeg->out->warnings += stray && jpeg->out->info.scans == 0 ? WARNED_TWICE : 0;
            jpeg->at += 2;
            return at[1];
        }
        stray = stray || at[0] != 0xFF || at[1] == 0x00;
    }
    return END_OF_FILE;
}

/* Entropy-coded data: `at` moves to the FF of the marker that ends it. */
static void skip_coded_data(struct jpeg *jpeg)
{
    while (mr_view_has(jpeg->file, jpeg->at, 2) && mr_scan_step(jpeg->out, 1)) {
        const uint8_t *from = jpeg->file.at + jpeg->at;
        size_t left = (size_t)MR_MIN((jpeg->out->steps_max - jpeg->out->steps + 1) * BYTES_A_STEP,
                                     (uint64_t)(jpeg->file.len - jpeg->at - 1));
        const uint8_t *found = memchr(from, 0xFF, left);
        size_t passed = found != NULL ? (size_t)(found - from) : left;
        if (!mr_scan_step(jpeg->out, passed / BYTES_A_STEP) || found == NULL)
            break;
        jpeg->at += passed;
        if (found[1] == 0x00 || (found[1] >= RST0 && found[1] <= RST7))
            jpeg->at += 2;
        else if (found[1] == 0xFF)
            jpeg->at += 1;
        else
            return;
    }
    jpeg->at = jpeg->file.len;
}

/* Both colours have the resolution of brightness, or one whole part of it; and no names of components say RGB. */
static bool is_plain_frame(const uint8_t *components, uint8_t bands)
{
    uint8_t across = components[1] >> 4, along = components[1] & 15;
    bool is_plain = bands == 1 || bands == 3;
    for (size_t i = 0; i < bands; i++) {
        uint8_t factors = components[3 * i + 1];
        bool divides =
            factors >> 4 != 0 && (factors & 15) != 0 && across % (factors >> 4) == 0 && along % (factors & 15) == 0;
        is_plain = is_plain && divides;
    }
    if (bands == 3 && components[4] != components[7])
        return false;
    return is_plain && !(bands == 3 && components[0] == 'R' && components[3] == 'G' && components[6] == 'B');
}

static int read_frame_header(struct jpeg *jpeg, int marker, struct mr_view body)
{
    struct mr_image_info *info = &jpeg->out->info;
    if (marker != SOF0 && marker != SOF1 && marker != SOF2 && marker != SOF9 && marker != SOF10)
        return unsupported(jpeg, "the lossless or hierarchical process");
    if (info->bands != 0)
        return damaged(jpeg, "it has two frame headers");
    if (body.len < 6 || body.len != 6 + 3 * (size_t)body.at[5])
        return damaged(jpeg, "its frame header has a wrong length");
    if (body.at[0] != 8)
        return unsupported(jpeg, "a precision other than 8 bits");
    uint8_t bands = body.at[5];
    if (bands != 1 && bands != 3 && bands != 4)
        return unsupported(jpeg, "a number of components other than 1, 3 and 4");

    info->height = mr_read_be16(body.at + 1);
    info->width = mr_read_be16(body.at + 3);
    info->bands = bands;
    info->bits = 8;
    info->whole = marker == SOF2 || marker == SOF10;
    jpeg->is_progressive = info->whole;
    jpeg->is_arithmetic = marker == SOF9 || marker == SOF10;
    memset(jpeg->bits_left, ALL_BITS, sizeof(jpeg->bits_left));
    if (info->width == 0 || info->height == 0 || info->width > SIDE_MAX || info->height > SIDE_MAX)
        return damaged(jpeg, "its frame header has an impossible size");
    for (size_t i = 0; i < bands; i++) {
        jpeg->component_id[i] = body.at[6 + 3 * i];
        info->halves_colours = info->halves_colours || body.at[7 + 3 * i] != body.at[7];
    }
    info->plain = !jpeg->is_arithmetic && !jpeg->has_other_colours && is_plain_frame(body.at + 6, bands);
    return MR_OK;
}

/* Scans have named all that there is to the image. */
static bool is_complete(const struct jpeg *jpeg)
{
    static const uint8_t none[64];
    bool all = jpeg->out->info.scans > 0;
    for (size_t i = 0; i < jpeg->out->info.bands; i++)
        all = all && memcmp(jpeg->bits_left[i], none, sizeof(none)) == 0;
    return all;
}

/* spectrum: the last three bytes of a scan's header. A sequential scan has all coefficients to the last bit, whatever
 * they say (Samsung's firmware writes 0 where 63 is meant): libjpeg warns, and reads it so. */
static void name_coefficients(struct jpeg *jpeg, size_t component, const uint8_t *spectrum)
{
    for (unsigned k = 0; k < 64; k++)
        if (!jpeg->is_progressive)
            jpeg->bits_left[component][k] = 0;
        else if (k >= spectrum[0] && k <= spectrum[1])
            jpeg->bits_left[component][k] = spectrum[2] & 15;
}

static int read_scan_header(struct jpeg *jpeg, struct mr_view body)
{
    struct mr_image_info *info = &jpeg->out->info;
    if (info->bands == 0)
        return damaged(jpeg, "a scan stands before the frame header");
    if (body.len < 4 || body.at[0] < 1 || body.at[0] > info->bands || body.len != 4 + 2 * (size_t)body.at[0])
        return damaged(jpeg, "a scan header has a wrong length");
    const uint8_t *spectrum = body.at + body.len - 3;
    for (size_t i = 0; i < body.at[0]; i++) {
        bool found = false;
        for (size_t k = 0; k < info->bands; k++) {
            if (body.at[1 + 2 * i] != jpeg->component_id[k])
                continue;
            name_coefficients(jpeg, k, spectrum);
            found = true;
        }
        if (!found)
            return damaged(jpeg, "a scan names a component that the frame has not");
    }
    if (!jpeg->is_progressive && (spectrum[0] != 0 || spectrum[1] != 63 || spectrum[2] != 0))
        jpeg->out->warnings++;
    if (++info->scans > SCANS_MAX)
        return damaged(jpeg, "it has more than 100 scans");
    if (body.at[0] != info->bands)
        info->whole = true;
    return MR_OK;
}

/* Segments that say how colours are meant. Of those in more than one piece, and of what does not say YCbCr in so many
 * words, libvips and libjpeg are to judge. */
static void judge_colours(struct jpeg *jpeg, int marker, struct mr_view body)
{
    static const char profile[] = "ICC_PROFILE"; /* with its NUL */
    bool is_other = false;
    if (marker == APP2 && mr_view_has(body, 0, sizeof(profile)) && memcmp(body.at, profile, sizeof(profile)) == 0) {
        const size_t head = sizeof(profile) + 2; /* number, count */
        is_other = jpeg->has_profile || body.len < head || body.at[head - 2] != 1 || body.at[head - 1] != 1 ||
                   !mr_scan_is_srgb(mr_view_part(body, head, body.len - head));
        jpeg->has_profile = true;
    }
    if (marker == APP14 && mr_view_has(body, 0, 12) && memcmp(body.at, "Adobe", 5) == 0)
        is_other = body.at[11] != 1;
    jpeg->has_other_colours = jpeg->has_other_colours || is_other;
    jpeg->out->info.plain = jpeg->out->info.plain && !is_other;
}

static int read_segment(struct jpeg *jpeg, int marker)
{
    if (!mr_view_has(jpeg->file, jpeg->at, 2))
        return damaged(jpeg, "the file ends inside a segment");
    size_t len = mr_read_be16(jpeg->file.at + jpeg->at);
    if (len < 2 || !mr_view_has(jpeg->file, jpeg->at, len))
        return damaged(jpeg, len < 2 ? "a segment has a wrong length" : "the file ends inside a segment");
    struct mr_view body = mr_view_part(jpeg->file, jpeg->at + 2, len - 2);
    jpeg->at += len;

    if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC)
        return read_frame_header(jpeg, marker, body);
    if (marker == APP1 && !jpeg->has_exif && body.len > 6 && memcmp(body.at, "Exif\0", 6) == 0) {
        jpeg->has_exif = true; /* decoders take the first */
        jpeg->out->info.orientation = mr_scan_exif_orientation(jpeg->out, body);
    }
    judge_colours(jpeg, marker, body);
    if (marker == SOS) {
        int err = read_scan_header(jpeg, body);
        skip_coded_data(jpeg);
        jpeg->coded_end = jpeg->at;
        return err;
    }
    return MR_OK;
}

/* Is there something of each component? Some of its finest bits may be left out. */
static bool has_all_components(const struct jpeg *jpeg)
{
    bool all = jpeg->out->info.scans > 0;
    for (size_t i = 0; i < jpeg->out->info.bands; i++)
        all = all && memchr(jpeg->bits_left[i], ALL_BITS, 1) == NULL; /* the first: the mean of a block */
    return all;
}

static int walk_segments(struct jpeg *jpeg)
{
    for (;;) {
        int marker = next_marker(jpeg);
        if (marker == END_OF_FILE)
            return damaged(jpeg, "the file ends before the image does");
        if (marker == SOI)
            return damaged(jpeg, "a second image starts inside the first");
        if (marker == EOI)
            return has_all_components(jpeg) ? MR_OK : damaged(jpeg, "a component of the image is missing");
        if (marker == TEM || (marker >= RST0 && marker <= RST7))
            continue; /* these have no body */
        int err = read_segment(jpeg, marker);
        if (err != MR_OK)
            return err;
    }
}

int mr_scan_jpeg(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct jpeg jpeg = {.out = out, .file = file, .fault = fault, .at = 2};
    int err = walk_segments(&jpeg);
    if (err != MR_EDAMAGED || !is_complete(&jpeg) || jpeg.is_arithmetic || out->info.scans > SCANS_MAX)
        return err;
    MR_SCAN_MEND(out, jpeg.coded_end, "\xFF\xD9");
    return MR_OK;
}
