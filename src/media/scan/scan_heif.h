/* scan_heif.h -- private to the scan of HEIF and AVIF: the items of a file and what is said of them (scan_heif.c), and
 * whether the picture that they make is whole (scan_heif_item.c). */
#ifndef MR_MEDIA_SCAN_HEIF_H
#define MR_MEDIA_SCAN_HEIF_H

#include "media/scan/scan_coded.h"

enum {
    MR_HEIF_ITEMS_MAX = 2048,
    MR_HEIF_PROPERTIES_MAX = 1024,
    MR_HEIF_EXTENTS_MAX = 32, /* of one item: libheif's own bound */
};

#define MR_HEIF_TYPE(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

struct mr_heif_box {
    uint32_t type;
    struct mr_view body;
};

struct mr_heif_item {
    uint32_t id, type;
    const uint8_t *location; /* its entry in iloc, behind the id; NULL: none */
    const uint8_t *said;     /* its list of properties in ipma; NULL: none */
    uint8_t said_count;
    bool said_wide;  /* each in 16 bits, not 8 */
    uint8_t checked; /* bits of a sample, once it has been read; 0: not yet */
    uint16_t alpha;  /* index of the item with its transparency, plus 1; 0: it has none */
};

struct mr_heif {
    struct mr_scan *scan;
    struct mr_view file;
    struct mr_fault *fault;

    /* The bodies of boxes that may stand once; NULL: not seen. */
    struct mr_view meta, pitm, iinf, iloc, iprp, ipco, idat, iref;
    uint32_t primary;                                                      /* the id of the item that is shown */
    uint8_t iloc_version, offset_size, length_size, base_size, index_size; /* of iloc's fields, bytes */

    uint32_t item_count, property_count;
    uint32_t found;   /* index of the item that was asked for last: the next is mostly behind it */
    uint64_t fetched; /* bytes of items that a decoder copies */
    struct mr_heif_item items[MR_HEIF_ITEMS_MAX];
    struct mr_heif_box properties[MR_HEIF_PROPERTIES_MAX];
};

int mr_heif_damaged(struct mr_heif *heif, const char *what);
int mr_heif_unsupported(struct mr_heif *heif, const char *what);

/* Numbers one behind the other; past the end they are 0, and `short_of` tells. */
struct mr_heif_reader {
    struct mr_view view;
    size_t at;
    bool short_of;
};
uint64_t mr_heif_take(struct mr_heif_reader *reader, size_t width);

/* The box at *at of a list, which moves behind it. */
int mr_heif_next_box(struct mr_heif *heif, struct mr_view list, size_t *at, struct mr_heif_box *out);
/* One reference of iref (ISO/IEC 14496-12, 8.11.12). `ids` stands at the first of `count`. */
struct mr_heif_reference {
    uint32_t type, from;
    size_t count, id_size;
    struct mr_heif_reader ids;
};
/* The one at *at of iref (0: the first). False: there are no more, or *err. */
bool mr_heif_next_reference(struct mr_heif *heif, size_t *at, struct mr_heif_reference *out, int *err);

/* The item of that id, or NULL. */
struct mr_heif_item *mr_heif_find(struct mr_heif *heif, uint32_t id);
/* Its bytes, behind the `count` parts that *out has. A decoder will copy them. */
int mr_heif_fetch(struct mr_heif *heif, const struct mr_heif_item *item, struct mr_chain *out);

/* The size of the picture that is shown, into the scan. */
int mr_heif_measure(struct mr_heif *heif);
/* The rest of what is known of it, into the scan: MR_OK when a decoder will find every pixel, and not one more. */
int mr_heif_check(struct mr_heif *heif);

#endif
