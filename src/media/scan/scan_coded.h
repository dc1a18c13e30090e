/* scan_coded.h -- private to the scan of HEIF and AVIF: what a coded image says of itself, in the headers of its
 * bitstream. The decoder makes a picture of that size, whatever the container says.
 *
 * What is let through is one picture: every header in it states the same size, and no part of it says otherwise. Pure
 * functions; any thread. */
#ifndef MR_MEDIA_SCAN_CODED_H
#define MR_MEDIA_SCAN_CODED_H

#include "media/scan/scan.h"

/* The bytes that a decoder gets for an image, in pieces: its configuration's, then those of its extents. */
enum { MR_CHAIN_PARTS_MAX = 33 };
struct mr_chain {
    struct mr_view parts[MR_CHAIN_PARTS_MAX];
    size_t count;
    size_t part, at; /* the next byte */
};

struct mr_coded {
    uint32_t width, height; /* as shown */
    uint32_t frames;        /* passes over all pixels */
    uint8_t bits;           /* of one sample: 8, 10, 12 ... */
};

uint64_t mr_chain_left(const struct mr_chain *chain);
/* Copy the next `len` bytes, or as many as there are; returns how many. */
size_t mr_chain_read(struct mr_chain *chain, uint8_t *out, size_t len);
/* False: there are fewer. */
bool mr_chain_skip(struct mr_chain *chain, uint64_t len);

/* AV1: OBUs (AV1 specification, 5.3). */
int mr_scan_av1(struct mr_coded *out, struct mr_scan *scan, struct mr_chain *data, struct mr_fault *fault);
/* HEVC: `config` is the body of hvcC (ISO/IEC 14496-15, 8.3.3.1.2), `data` NAL units with their lengths. */
int mr_scan_hevc(struct mr_coded *out, struct mr_scan *scan, struct mr_view config, struct mr_chain *data,
                 struct mr_fault *fault);

#endif
