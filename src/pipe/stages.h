/* stages.h -- the stages that a pipe can be made of, in one table: what GET /pipe, the path of a request, the command
 * line and the metrics know of them. Constant; any thread. */
#ifndef MR_PIPE_STAGES_H
#define MR_PIPE_STAGES_H

#include "base/arena.h"
#include "base/slice.h"
#include "media/stage.h"

enum mr_stage_id {
    MR_STAGE_IMAGE,
    MR_STAGE_GZIP,
    MR_STAGE_GUNZIP,
    MR_STAGE_ZSTD,
    MR_STAGE_UNZSTD,
    MR_STAGE_ENCRYPT,
    MR_STAGE_DECRYPT,
    MR_STAGE_COUNT,
};

struct mr_stage_about {
    const char *name, *text, *kind;
    const struct mr_param_spec *params; /* ends with a row whose name is NULL */
    const struct mr_stage_ops *ops;     /* NULL: image, which takes the whole body (image_step.h) */
};
struct mr_stage_about mr_stage_about(enum mr_stage_id id);

/* The stage of that name, or MR_STAGE_COUNT. */
enum mr_stage_id mr_stage_find(struct mr_slice name);

/* What a file of this name is called behind these stages, with slashes between: "a.txt" behind gzip/encrypt is
 * "a.txt.gz.age". A name that is empty stays so. */
struct mr_slice mr_stage_rename(struct mr_slice name, struct mr_slice stages, struct mr_arena *arena);

/* Parameters that may be given more than once; ends with NULL. Is this one of them? */
extern const char *const mr_stage_repeatable[];
bool mr_stage_is_repeatable(struct mr_slice name);

#endif
