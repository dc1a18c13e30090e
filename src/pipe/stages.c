#include "pipe/stages.h"
#include "base/assert.h"
#include "media/age/age.h"
#include "media/codec/codec.h"
#include "media/image/image.h"

/* By enum mr_stage_id; image is the one that is not made of pieces. */
static const struct mr_stage_ops *const ops[MR_STAGE_COUNT] = {
    [MR_STAGE_IMAGE] = NULL,
    [MR_STAGE_GZIP] = &mr_stage_gzip,
    [MR_STAGE_GUNZIP] = &mr_stage_gunzip,
    [MR_STAGE_ZSTD] = &mr_stage_zstd,
    [MR_STAGE_UNZSTD] = &mr_stage_unzstd,
    [MR_STAGE_ENCRYPT] = &mr_stage_encrypt,
    [MR_STAGE_DECRYPT] = &mr_stage_decrypt,
};

const char *const mr_stage_repeatable[] = {"recipient", NULL};

bool mr_stage_is_repeatable(struct mr_slice name)
{
    for (const char *const *each = mr_stage_repeatable; *each != NULL; each++)
        if (mr_slice_is(name, *each))
            return true;
    return false;
}

struct mr_stage_about mr_stage_about(enum mr_stage_id id)
{
    MR_ASSERT(id < MR_STAGE_COUNT);
    if (ops[id] == NULL)
        return (struct mr_stage_about){"image", "resize, cut, turn, adjust and convert an image", "whole-body",
                                       mr_image_params, NULL};
    return (struct mr_stage_about){ops[id]->name, ops[id]->text,
                                   ops[id]->kind == MR_STAGE_PARALLEL ? "chunked" : "sequential", ops[id]->params,
                                   ops[id]};
}

enum mr_stage_id mr_stage_find(struct mr_slice name)
{
    enum mr_stage_id id = 0;
    while (id < MR_STAGE_COUNT && !mr_slice_is(name, mr_stage_about(id).name))
        id++;
    return id;
}

static struct mr_slice rename_by(const struct mr_stage_ops *stage, struct mr_slice name, struct mr_arena *arena)
{
    size_t len = strlen(stage->suffix);
    if (!stage->is_undone)
        return mr_arena_printf(arena, "%.*s%s", MR_SLICE_ARG(name), stage->suffix);
    if (name.len > len && memcmp(name.at + name.len - len, stage->suffix, len) == 0)
        name.len -= len;
    return name;
}

/* Each stage may stand in a list once: one that is longer will be refused, and gets no long name before. */
struct mr_slice mr_stage_rename(struct mr_slice name, struct mr_slice stages, struct mr_arena *arena)
{
    for (unsigned i = 0; i < MR_STAGE_COUNT && name.len > 0 && stages.len > 0; i++) {
        enum mr_stage_id id = mr_stage_find(mr_slice_cut(&stages, '/'));
        if (id < MR_STAGE_COUNT && ops[id] != NULL && ops[id]->suffix != NULL)
            name = rename_by(ops[id], name, arena);
    }
    return name;
}
