/* Any bytes as merge patches of one object, each behind a NUL:
 *  - one that is refused changes nothing, and its fault says why;
 *  - one that is taken changes nothing when it is applied once more;
 *  - what comes of it is written to ID.meta and read again. */
#include "base/assert.h"
#include "store/fs/meta.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_equal(const struct mr_object *a, const struct mr_object *b)
{
    MR_ASSERT(strcmp(a->name, b->name) == 0);
    MR_ASSERT(strcmp(a->meta, b->meta) == 0);
    MR_ASSERT(a->has_focal == b->has_focal && a->focal_x == b->focal_x && a->focal_y == b->focal_y);
    MR_ASSERT(a->rev == b->rev && a->size == b->size && strcmp(a->type, b->type) == 0 && strcmp(a->tags, b->tags) == 0);
}

static void check_patch(struct mr_object *object, struct mr_slice text)
{
    struct mr_object before;
    struct mr_fault fault = {.error = MR_OK};
    MR_ASSERT(mr_object_copy(&before, object) == MR_OK);
    int err = mr_object_patch(object, text, &fault);
    MR_ASSERT(err == (int)fault.error);
    MR_ASSERT(err == MR_OK || err == MR_EREQUEST || err == MR_EPARAM || err == MR_EBODY);
    if (err != MR_OK) {
        MR_ASSERT(fault.detail[0] != '\0' || fault.limit_name != NULL);
        check_equal(&before, object);
    }
    mr_object_free(&before);
    MR_ASSERT(mr_object_copy(&before, object) == MR_OK);
    MR_ASSERT(mr_object_patch(object, text, NULL) == err);
    check_equal(&before, object);
    mr_object_free(&before);
}

static void check_stored(struct mr_meta *meta)
{
    struct mr_meta again;
    char *bytes;
    size_t len;
    MR_ASSERT(mr_meta_encode(meta, &bytes, &len, NULL) == MR_OK);
    MR_ASSERT(mr_meta_decode(&again, NULL, (struct mr_slice){bytes, len}, NULL) == MR_OK);
    MR_ASSERT(strcmp(again.object.name, meta->object.name) == 0 && strcmp(again.object.meta, meta->object.meta) == 0);
    MR_ASSERT(again.object.has_focal == meta->object.has_focal);
    mr_meta_free(&again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_meta meta;
    struct mr_slice rest = {(const char *)data, size};
    MR_ASSERT(mr_meta_init(&meta) == MR_OK);
    mr_ulid_make(meta.object.id, 1796000000000);
    meta.object.rev = 1;
    while (rest.at != NULL)
        check_patch(&meta.object, mr_slice_cut(&rest, '\0'));
    check_stored(&meta);
    mr_meta_free(&meta);
    return 0;
}
