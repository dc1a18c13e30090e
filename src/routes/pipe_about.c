/* What is told of the route of pipe.c. */
#include "pipe/stages.h"
#include "routes/pipe.h"

const enum mr_error mr_pipe_errors[] = {MR_EPARAM,    MR_ECODING,  MR_EFORMAT,    MR_EBODY,   MR_EBUSY,
                                        MR_EBACKLOG,  MR_EEXPIRED, MR_ECANCELLED, MR_EBUDGET, MR_EMEMORY,
                                        MR_EDISK,     MR_ENOSPACE, MR_ESPILL,     MR_EFILES,  MR_ETIME,
                                        MR_ESHUTDOWN, MR_EIO,      MR_EINTERNAL,  MR_OK};
static const enum mr_error image_errors[] = {MR_ENOTIMAGE, MR_EDAMAGED, MR_EPIXELS, MR_EFRAMES, MR_EDIMENSION, MR_OK};
static const enum mr_error expansion_errors[] = {MR_EFORMAT, MR_ECORRUPT, MR_EEXPANSION, MR_OK};
static const enum mr_error decrypt_errors[] = {MR_EFORMAT, MR_ECORRUPT, MR_ENOKEY, MR_EKEYWORK, MR_OK};

#define EXAMPLES(...)                 \
    (const struct mr_about_example[]) \
    {                                 \
        __VA_ARGS__,                  \
        {                             \
            .text = NULL              \
        }                             \
    }

const struct mr_about_stage mr_pipe_about_stages[MR_STAGE_COUNT] = {
    [MR_STAGE_IMAGE] = {image_errors, NULL,
                        EXAMPLES({.text = "300 pixels wide, upright, sRGB, without metadata",
                                  .file = "photo.jpg",
                                  .target = "/pipe/image?w=300",
                                  .output = "small.jpg",
                                  .status = 200},
                                 {.text = "a square, cut to what is interesting, as WebP",
                                  .file = "photo.jpg",
                                  .target = "/pipe/image?w=200&h=200&fit=crop&crop=attention&fm=webp&q=70",
                                  .output = "square.webp",
                                  .status = 200})},
    [MR_STAGE_GZIP] = {NULL, NULL,
                       EXAMPLES({.text = "as small as it gets",
                                 .file = "letter.txt",
                                 .target = "/pipe/gzip?level=9",
                                 .output = "letter.txt.gz",
                                 .status = 200})},
    [MR_STAGE_GUNZIP] = {expansion_errors, NULL,
                         EXAMPLES({.text = "and back",
                                   .file = "letter.txt.gz",
                                   .target = "/pipe/gunzip",
                                   .output = "again.txt",
                                   .status = 200})},
    [MR_STAGE_ZSTD] = {NULL, NULL,
                       EXAMPLES({.text = "as zstd does it",
                                 .file = "letter.txt",
                                 .target = "/pipe/zstd",
                                 .output = "letter.txt.zst",
                                 .status = 200})},
    [MR_STAGE_UNZSTD] = {expansion_errors, NULL,
                         EXAMPLES({.text = "and back",
                                   .file = "letter.txt.zst",
                                   .target = "/pipe/unzstd",
                                   .output = "again.txt",
                                   .status = 200})},
    [MR_STAGE_ENCRYPT] = {NULL, "Age-Passphrase",
                          EXAMPLES({.text = "to a passphrase",
                                    .options = "-H 'Age-Passphrase: correct horse'",
                                    .file = "letter.txt",
                                    .target = "/pipe/encrypt",
                                    .output = "letter.txt.age",
                                    .status = 200})},
    [MR_STAGE_DECRYPT] = {decrypt_errors, "Age-Passphrase Age-Identity",
                          EXAMPLES({.text = "and back",
                                    .options = "-H 'Age-Passphrase: correct horse'",
                                    .file = "letter.txt.age",
                                    .target = "/pipe/decrypt",
                                    .output = "again.txt",
                                    .status = 200})},
};

static const struct mr_param_spec stages_path = {
    .name = "stages", .type = MR_PARAM_TEXT, .text = "names of stages with slashes between them, each once"};

const struct mr_route_about mr_pipe_about = {
    .group = "pipe",
    .text = "Send the body through several stages, which work at the same time",
    .path = &stages_path,
    .is_of_stages = true,
    .has_stage_params = true,
    .fields = "Prefer Want-Repr-Digest",
    .bodies = (const struct mr_about_content[]){{"*/*", {NULL}}, {.types = NULL}},
    .responses =
        (const struct mr_about_response[]){
            {200, "what the stages make of the body", {"*/*", {NULL}}, "Server-Timing Preference-Applied Repr-Digest"},
            {.status = 0}},
    .errors = {mr_pipe_errors, MR_ABOUT_ERRORS(MR_ENOTFOUND)},
    .examples = EXAMPLES({.text = "small, and compressed",
                          .file = "photo.jpg",
                          .target = "/pipe/image/gzip?w=300",
                          .output = "small.jpg.gz",
                          .status = 200}),
};
