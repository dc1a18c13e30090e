/* presets.h -- operations on images under a name, and the file of --presets with a line for each:
 *
 *      # name    operations: the query of an image address, with its escapes
 *      card      w=400&h=300&fit=crop&fm=webp
 *
 * Lines and comments are those of every file of keys (keys/key_file.h), but others may read it. A name has 1 to
 * MR_PRESET_NAME_MAX letters, digits, '-', '_' and '.', and occurs once. The operations of each line are checked when
 * the file is read: it is good as a whole or refused as a whole, and a fault has the number of the line. */
#ifndef MR_APP_PRESETS_H
#define MR_APP_PRESETS_H

#include "base/error.h"
#include "base/slice.h"
#include "keys/key_ring.h"
#include "media/image/image.h"

enum {
    MR_PRESETS_MAX = 256, /* of a file */
    MR_PRESET_NAME_MAX = 64,
};

struct mr_preset {
    char name[MR_PRESET_NAME_MAX + 1];
    struct mr_image_ops ops;
};

struct mr_presets {
    size_t count;
    struct mr_preset presets[MR_PRESETS_MAX];
};

/* Read the text of a file, which faults call `name`. MR_OK, also without any preset; or MR_EPARAM, and *out is not
 * complete. */
int mr_presets_parse(struct mr_presets *out, struct mr_slice text, const char *name, struct mr_fault *fault);
extern const struct mr_key_kind mr_preset_kind;

/* Find a preset of a ring: false, or a copy. Any thread. */
bool mr_presets_find(struct mr_key_ring *ring, struct mr_slice name, struct mr_preset *out);

#endif
