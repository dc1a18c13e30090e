/* object.h -- what is known of an object, beside its bytes: a plain struct that owns its texts.
 *
 * Texts are UTF-8, end in NUL and are never NULL. The store sets ID, rev, size and times, and its
 * caller the rest. A change is made to a copy (mr_object_copy), or by mr_object_patch(). One thread at a time. */
#ifndef MR_STORE_OBJECT_H
#define MR_STORE_OBJECT_H

#include "base/error.h"
#include "base/json.h"
#include "store/ulid.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_OBJECT_NAME_MAX   255                /* bytes */
#define MR_OBJECT_TYPE_MAX   255                /* two names of 127 (RFC 6838, section 4.2) and the slash */
#define MR_OBJECT_META_MAX   ((size_t)8 << 10)  /* of the text `meta` */
#define MR_OBJECT_TAGS_MAX   ((size_t)2 << 10)  /* of the text `tags` */
#define MR_OBJECT_PATCH_MAX  ((size_t)64 << 10) /* of the text of a patch */
#define MR_OBJECT_SHA256_LEN 32

struct mr_object {
    char id[MR_ULID_LEN + 1];
    uint64_t rev;                   /* 1 at first, and one more with each change */
    char *name;                     /* without '/' and controls; "": it has none */
    char *type;                     /* a media type in visible ASCII and spaces */
    uint64_t size;                  /* bytes of the payload, as it is read back */
    int64_t created_ms, changed_ms; /* since 1970, never below 0 */
    bool has_sha256;                /* of the payload */
    uint8_t sha256[MR_OBJECT_SHA256_LEN];
    bool has_focal;          /* what a crop of the picture keeps in view */
    double focal_x, focal_y; /* 0 to 1, from the left and the top; twelve digits are kept */
    bool is_image;           /* the bytes are a picture that the image stage reads */
    char *tags, *meta;       /* compact JSON: an array, an object */
};

/* Without ID, times and size; the texts are "", "application/octet-stream", "[]" and "{}". MR_OK or MR_EMEMORY; after
 * both mr_object_free() may be called. */
int mr_object_init(struct mr_object *object);
/* Make *to, which holds nothing yet, a copy of its own. MR_OK; MR_EMEMORY, and *to holds nothing. */
int mr_object_copy(struct mr_object *to, const struct mr_object *from);
/* Free the texts. *object is zeroed then, and may be freed again. */
void mr_object_free(struct mr_object *object);

/* Set the name, with '_' in place of each control. MR_EPARAM: it is longer than MR_OBJECT_NAME_MAX, is not UTF-8 or has
 * a '/'. MR_EMEMORY. The object is unchanged after a failure. */
int mr_object_set_name(struct mr_object *object, struct mr_slice name, struct mr_fault *fault);
/* Set the media type, whose syntax is not checked any further. MR_EPARAM: it is empty, longer than MR_OBJECT_TYPE_MAX,
 * or has other characters than visible ASCII and spaces. MR_EMEMORY. */
int mr_object_set_type(struct mr_object *object, struct mr_slice type, struct mr_fault *fault);

/* Apply a JSON merge patch (RFC 7396): name (text or null), meta (an object, which is merged, or null) and focal (the
 * same: x and y, from 0 to 1). MR_OK. MR_EREQUEST: it is not JSON (json_in.h). MR_EPARAM: a member is none of these,
 * which the fault names, or has a value that it cannot have. MR_EBODY: it is longer than MR_OBJECT_PATCH_MAX.
 * MR_EMEMORY. The object is unchanged after a failure. It takes up to a few milliseconds: not on a loop. */
int mr_object_patch(struct mr_object *object, struct mr_slice text, struct mr_fault *fault);

/* Write the members that a response shows into the JSON object that is open, from "id" to "digest". */
void mr_object_json(const struct mr_object *object, struct mr_json *json);

#endif
