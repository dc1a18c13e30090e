#include "base/assert.h"
#include "store/fs/meta_internal.h"
#include <stdlib.h>

int mr_meta_init(struct mr_meta *meta)
{
    *meta = (struct mr_meta){.segment_count = 0};
    return mr_object_init(&meta->object);
}

void mr_meta_free(struct mr_meta *meta)
{
    mr_object_free(&meta->object);
    free(meta->segments);
    free(meta->unknown);
    *meta = (struct mr_meta){.segment_count = 0};
}

static bool is_within_bounds(const struct mr_meta *meta)
{
    uint64_t plain = meta->payload.len;
    for (size_t i = 0; i < meta->segment_count; i++)
        plain += meta->segments[i].plain;
    return meta->segment_count <= MR_META_SEGMENTS_MAX && meta->private_part.len <= MR_META_PRIVATE_MAX &&
           meta->payload.len <= MR_META_PAYLOAD_MAX && (meta->segment_count == 0 || meta->payload.len == 0) &&
           plain == meta->object.size && meta->object.created_ms >= 0 && meta->object.changed_ms >= 0;
}

int mr_meta_encode(const struct mr_meta *meta, char **out, size_t *len, struct mr_fault *fault)
{
    char *head;
    size_t head_len;
    MR_ASSERT(is_within_bounds(meta));
    int err = mr_meta_head_write(meta, &head, &head_len, fault);
    if (err != MR_OK)
        return err;
    const struct mr_slice parts[MR_META_PARTS] = {{head, head_len}, meta->private_part, meta->payload};
    err = mr_meta_join(parts, out, len, fault);
    free(head);
    return err;
}

int mr_meta_decode(struct mr_meta *meta, const char *id, struct mr_slice bytes, struct mr_fault *fault)
{
    struct mr_slice parts[MR_META_PARTS];
    *meta = (struct mr_meta){.segment_count = 0};
    int err = mr_meta_cut(bytes, parts, fault);
    if (err != MR_OK)
        return err;
    if (mr_meta_init(meta) != MR_OK)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    meta->private_part = parts[1];
    meta->payload = parts[2];
    if (!mr_meta_usual_read(meta, parts[0]))
        err = mr_meta_head_read(meta, parts[0], fault);
    if (err == MR_OK && id != NULL && strcmp(id, meta->object.id) != 0)
        err = mr_meta_refuse(fault, "it is that of another object");
    if (err != MR_OK)
        mr_meta_free(meta);
    return err;
}
