#include "command/pipe_arguments.h"
#include "base/assert.h"
#include "base/console.h"
#include "base/macros.h"
#include "media/codec/codec.h"
#include "workers/offload_options.h"

#define USAGE "usage: millrace pipe STAGE[/STAGE]... [--PARAMETER VALUE]... < INPUT > OUTPUT\n"
#define ROW(option, kind, low, high, meta, preset, field, words)                                           \
    {                                                                                                      \
        .spec = {.name = (option), .type = MR_PARAM_##kind, .min = (low), .max = (high), .text = (words)}, \
        .metavar = (meta), .default_value = (preset), .offset = offsetof(struct mr_pipe_arguments, field)  \
    }

/* The command's own; every other name is a stage's parameter. */
// clang-format off
static const struct mr_option options[] = {
    {.spec = {.name = "identity", .type = MR_PARAM_TEXT, .max = 4095, .text = "file of keys to decrypt with, repeatable"},
     .metavar = "FILE", .offset = offsetof(struct mr_pipe_arguments, identities), .repeatable = true},
    ROW("passphrase-file", TEXT, 0, 4095, "FILE", NULL, passphrase_file, "its first line is what to encrypt or decrypt with"),
    ROW("workers",         INT, 1, MR_WORKERS_MAX, "N", NULL, workers,   "threads that compute (as many as cores)"),
    ROW("max-expansion",   SIZE, 0, 0, "SIZE", "0", max_expansion,       "what gunzip and unzstd may write; 0: no bound"),
    ROW("max-expansion-ratio", INT, 0, 1e9, "N", "0", max_expansion_ratio, "the same, in times the input; 0: no bound"),
    ROW("max-zstd-window", SIZE, 1024, MR_UNZSTD_WINDOW_MAX, "SIZE", "128MiB", max_zstd_window, "memory that a zstd frame may ask for"),
    ROW("max-work-factor", INT, 1, 30, "N", "22", max_work_factor,       "of an age passphrase: it takes 2^N KiB of memory"),
    ROW("max-pixels",      INT, 1, 1e10, "N", "100000000", max_pixels,   "pixels of an image, in and out, all frames"),
    ROW("quiet",           BOOL, 0, 0, NULL, NULL, quiet,                "no progress on the terminal"),
    ROW("force",           BOOL, 0, 0, NULL, NULL, force,                "write binary output even to a terminal"),
    {.spec = {.name = NULL}},
};
// clang-format on

static const struct mr_option stages = {
    .spec = {.name = "STAGES", .type = MR_PARAM_TEXT, .text = "what to do"},
    .metavar = "STAGES",
    .offset = offsetof(struct mr_pipe_arguments, stages),
};

/* ---- parameters of stages ---- */

static const struct mr_param_spec *find_param(const void *config, struct mr_slice name)
{
    const struct mr_pipe_arguments *arguments = config;
    const struct mr_param_spec *found = NULL;
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT && found == NULL; id++)
        if (arguments->has[id])
            found = mr_param_find(mr_stage_about(id).params, name);
    return found;
}

static const char *add_param(void *config, struct mr_slice name, struct mr_slice value)
{
    struct mr_pipe_arguments *arguments = config;
    for (size_t i = 0; i < arguments->param_count; i++)
        if (mr_slice_equal(arguments->params[i].name, name) && !mr_stage_is_repeatable(name))
            return "it is given more than once";
    if (arguments->param_count == MR_PIPE_PARAMS_MAX)
        return "there are too many parameters";
    arguments->params[arguments->param_count++] = (struct mr_pipe_param){.name = name, .value = value};
    return NULL;
}

static const struct mr_options_further params = {.find = find_param, .take = add_param};

static const struct mr_options_program program = {
    .name = "millrace: pipe",
    .usage = USAGE "e.g.   millrace pipe image/gzip --w 300 < photo.jpg > small.jpg.gz\n",
    .options = options,
    .operand = &stages,
    .further = &params,
    .hint = USAGE "millrace pipe --help says more.\n",
};

/* ---- all of it ---- */

static bool complain(const char *text)
{
    mr_options_complain(&program, mr_console(), "%s", text);
    return false;
}

void mr_pipe_arguments_complain(const char *argument, const char *text)
{
    mr_options_complain(&program, mr_console(), "%s%s%s", argument != NULL ? argument : "",
                        argument != NULL ? ": " : "", text);
}

/* The stages stand in front, since the other options depend on them. */
static bool read_stages(struct mr_pipe_arguments *out, const char *text)
{
    for (struct mr_slice rest = mr_slice_of(text); rest.at != NULL;) {
        struct mr_slice name = mr_slice_cut(&rest, '/');
        enum mr_stage_id id = mr_stage_find(name);
        if (id == MR_STAGE_COUNT) {
            mr_options_complain(&program, mr_console(), "there is no stage \"%.*s\"", MR_SLICE_ARG(name));
            return false;
        }
        out->has[id] = true;
        out->last = id;
    }
    return true;
}

/* What one argument alone cannot show, as far as the stages do not say it themselves. */
static bool check(const struct mr_pipe_arguments *arguments)
{
    bool decrypts = arguments->has[MR_STAGE_DECRYPT], encrypts = arguments->has[MR_STAGE_ENCRYPT];
    if (arguments->stages == NULL)
        return complain("which stages?");
    if (arguments->identities.count > 0 && !decrypts)
        return complain("--identity is for decrypt");
    if (arguments->passphrase_file != NULL && !decrypts && !encrypts)
        return complain("--passphrase-file is for encrypt and decrypt");
    if (decrypts && arguments->identities.count == 0 && arguments->passphrase_file == NULL)
        return complain("decrypt needs --identity FILE or --passphrase-file FILE");
    return true;
}

enum mr_options_result mr_pipe_arguments_read(struct mr_pipe_arguments *out, int argc, char *const *argv)
{
    static char *const nothing[] = {NULL};
    *out = (struct mr_pipe_arguments){.stages = NULL};
    bool has_stages = argc > 1 && argv[1][0] != '-';
    if (has_stages && !read_stages(out, argv[1]))
        return MR_OPTIONS_WRONG;
    enum mr_options_result result = mr_options_parse(&program, out, argc, argv, nothing, mr_console());
    return result != MR_OPTIONS_RUN || check(out) ? result : MR_OPTIONS_WRONG;
}

void mr_pipe_arguments_free(struct mr_pipe_arguments *arguments)
{
    mr_options_free(&program, arguments);
}

/* ---- help ---- */

void mr_pipe_arguments_help(FILE *out)
{
    mr_options_help(&program, out);
    fputs("\nStages and their parameters:\n", out);
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        struct mr_stage_about about = mr_stage_about(id);
        fprintf(out, "  %-10s %s\n", about.name, about.text);
        for (const struct mr_param_spec *spec = about.params; spec->name != NULL; spec++)
            fprintf(out, "      --%-20s %s\n", spec->name, spec->text);
    }
    fputs("\nExit status: 0 done, 1 failed, 2 the arguments are wrong.\n", out);
}
