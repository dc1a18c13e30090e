/* scan.h -- private to the image stage: what a container says, read by our own bounded code before any library sees a
 * byte.
 *
 * One scanner a format. Each walks the whole container (a file that ends early is damaged, whatever a decoder would
 * make of the half it got) and allocates nothing. What a scanner lets through has: one size that holds everywhere,
 * every frame inside the canvas (of a GIF: or cut at its edges by our own decoder), every offset inside the file.
 *
 * Each counts its steps (mr_scan_step) and stops when the budget is used up: containers hold counts and offsets, with
 * which a few bytes could ask for work without end.
 *
 * A scanner fills *out as it goes: on failure it holds what was read until then. MR_OK, MR_EDAMAGED, or MR_ENOTIMAGE
 * for a kind of the format that is not read here. Pure functions; any thread. */
#ifndef MR_MEDIA_SCAN_H
#define MR_MEDIA_SCAN_H

#include "base/error.h"
#include "media/scan/identify.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of a container, or of a part of one. */
struct mr_view {
    const uint8_t *at;
    size_t len;
};

struct mr_scan {
    struct mr_image_info info;
    struct mr_image_mending mending;
    uint32_t warnings;   /* JPEG: how often libjpeg will warn of what hurts no pixel */
    uint64_t pixels_max; /* of one frame, of all tiles: where that may be more than the image has */
    uint64_t steps, steps_max;
};

/* Take `count` steps: one for each structure (box, chunk, marker, entry, value) that is read, and for each byte that is
 * looked at by itself. False: the budget is used up; return MR_EDAMAGED, mr_scan_image finds the words. */
static inline bool mr_scan_step(struct mr_scan *scan, uint64_t count)
{
    scan->steps += count;
    return scan->steps <= scan->steps_max;
}

/* The budget of a whole scan: no sound file needs more steps than it has bytes, but for a few. */
#define MR_SCAN_STEPS_MIN 4096
static inline uint64_t mr_scan_steps_max(size_t len)
{
    return MR_SCAN_STEPS_MIN + (uint64_t)len;
}

/* The file has all of its pixels in its first `len` bytes, and lacks what should stand behind them. */
#define MR_SCAN_MEND(scan, length, text) \
    ((scan)->mending = (struct mr_image_mending){.len = (length), .tail = (text), .tail_len = sizeof(text) - 1})

int mr_scan_jpeg(struct mr_scan *out, struct mr_view file, struct mr_fault *fault);
int mr_scan_png(struct mr_scan *out, struct mr_view file, struct mr_fault *fault);
int mr_scan_gif(struct mr_scan *out, struct mr_view file, struct mr_fault *fault);
int mr_scan_webp(struct mr_scan *out, struct mr_view file, struct mr_fault *fault);
/* page: the one to be decoded, 1 for the first; 0 is the first too. */
int mr_scan_tiff(struct mr_scan *out, struct mr_view file, int32_t page, struct mr_fault *fault);
int mr_scan_heif(struct mr_scan *out, struct mr_view file, struct mr_fault *fault);

/* The whole of mr_image_identify, with what only the run needs: also in *out, how many steps it took. */
int mr_scan_image(struct mr_scan *out, struct mr_view file, int32_t page, const struct mr_image_limits *limits,
                  struct mr_fault *fault);

/* The orientation that EXIF data (TIFF structure, with or without the "Exif\0\0" in front) asks for: 1..8, and 1 when
 * it says nothing or nonsense. Damaged EXIF damages no image. Its steps count among the scan's. */
uint8_t mr_scan_exif_orientation(struct mr_scan *scan, struct mr_view exif);

/* Does an ICC profile of RGB turn no level into another one than sRGB, so that leaving it out changes nothing? The work
 * is bounded; no step is taken. */
bool mr_scan_is_srgb(struct mr_view profile);

/* `count` bytes at `offset` lie inside the view. */
static inline bool mr_view_has(struct mr_view view, size_t offset, size_t count)
{
    return offset <= view.len && count <= view.len - offset;
}

/* A part of a view; the caller has checked that it lies inside. */
static inline struct mr_view mr_view_part(struct mr_view view, size_t offset, size_t count)
{
    return (struct mr_view){.at = view.at + offset, .len = count};
}

static inline uint32_t mr_read_be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t mr_read_be32(const uint8_t *at)
{
    return mr_read_be16(at) << 16 | mr_read_be16(at + 2);
}

static inline uint32_t mr_read_le16(const uint8_t *at)
{
    return (uint32_t)at[1] << 8 | at[0];
}

static inline uint32_t mr_read_le24(const uint8_t *at)
{
    return (uint32_t)at[2] << 16 | mr_read_le16(at);
}

static inline uint32_t mr_read_le32(const uint8_t *at)
{
    return mr_read_le16(at + 2) << 16 | mr_read_le16(at);
}

#endif
