#include "command/pipe_arguments.h"
#include "base/assert.h"
#include "base/console.h"
#include "base/macros.h"
#include "workers/offload_options.h"
#include <stdarg.h>

enum own { IDENTITY, PASSPHRASE_FILE, WORKERS, MAX_EXPANSION, MAX_RATIO, MAX_PIXELS, QUIET, FORCE, HELP, OWN_COUNT };

/* The command's own; every other name is a stage's parameter. */
// clang-format off
static const struct mr_param_spec own[OWN_COUNT + 1] = {
    [IDENTITY] =        {.name = "identity", .type = MR_PARAM_TEXT, .max = 4095, .text = "file of keys to decrypt with, repeatable"},
    [PASSPHRASE_FILE] = {.name = "passphrase-file", .type = MR_PARAM_TEXT, .max = 4095, .text = "its first line is what to encrypt or decrypt with"},
    [WORKERS] =         {.name = "workers", .type = MR_PARAM_INT, .min = 1, .max = MR_WORKERS_MAX, .text = "threads that compute (as many as cores)"},
    [MAX_EXPANSION] =   {.name = "max-expansion", .type = MR_PARAM_SIZE, .text = "what gunzip and unzstd may write; 0: no bound [0]"},
    [MAX_RATIO] =       {.name = "max-expansion-ratio", .type = MR_PARAM_INT, .max = 1e9, .text = "the same, in times the input; 0: no bound [0]"},
    [MAX_PIXELS] =      {.name = "max-pixels", .type = MR_PARAM_INT, .min = 1, .max = 1e10, .text = "pixels of an image, in and out, all frames [100000000]"},
    [QUIET] =           {.name = "quiet", .type = MR_PARAM_BOOL, .text = "no progress on the terminal"},
    [FORCE] =           {.name = "force", .type = MR_PARAM_BOOL, .text = "write binary output even to a terminal"},
    [HELP] =            {.name = "help", .type = MR_PARAM_BOOL, .text = "print this and exit"},
    [OWN_COUNT] =       {.name = NULL},
};
// clang-format on

#define USAGE "usage: millrace pipe STAGE[/STAGE]... [--PARAMETER VALUE]... < INPUT > OUTPUT\n"

/* ---- complaints ---- */

enum mr_pipe_arguments_result mr_pipe_arguments_complain(const char *format, ...)
{
    fputs("millrace: pipe: ", mr_console());
    va_list values;
    va_start(values, format);
    vfprintf(mr_console(), format, values);
    va_end(values);
    fputs("\n" USAGE "millrace pipe --help says more.\n", mr_console());
    return MR_PIPE_WRONG;
}

/* ---- stages ---- */

static enum mr_pipe_arguments_result read_stages(struct mr_pipe_arguments *out, const char *text)
{
    out->stages = mr_slice_of(text);
    for (struct mr_slice rest = out->stages; rest.at != NULL;) {
        struct mr_slice name = mr_slice_cut(&rest, '/');
        enum mr_stage_id id = mr_stage_find(name);
        if (id == MR_STAGE_COUNT)
            return mr_pipe_arguments_complain("there is no stage \"%.*s\"", MR_SLICE_ARG(name));
        out->has[id] = true;
        out->last = id;
    }
    return MR_PIPE_RUN;
}

/* The parameter of any of the stages, or NULL. */
static const struct mr_param_spec *find_param(const struct mr_pipe_arguments *arguments, struct mr_slice name)
{
    const struct mr_param_spec *found = NULL;
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT && found == NULL; id++)
        if (arguments->has[id])
            found = mr_param_find(mr_stage_about(id).params, name);
    return found;
}

static bool is_repeatable(struct mr_slice name)
{
    for (const char *const *each = mr_stage_repeatable; *each != NULL; each++)
        if (mr_slice_is(name, *each))
            return true;
    return false;
}

static enum mr_pipe_arguments_result add_param(struct mr_pipe_arguments *out, struct mr_slice name,
                                               struct mr_slice value)
{
    for (size_t i = 0; i < out->param_count; i++)
        if (mr_slice_equal(out->params[i].name, name) && !is_repeatable(name))
            return mr_pipe_arguments_complain("--%.*s is given more than once", MR_SLICE_ARG(name));
    if (out->param_count == MR_PIPE_PARAMS_MAX)
        return mr_pipe_arguments_complain("more than %d parameters", MR_PIPE_PARAMS_MAX);
    out->params[out->param_count++] = (struct mr_pipe_param){.name = name, .value = value};
    return MR_PIPE_RUN;
}

/* ---- the command's own ---- */

static enum mr_pipe_arguments_result add_identity(struct mr_pipe_arguments *out, const char *path)
{
    if (out->identity_count == MR_PIPE_IDENTITIES_MAX)
        return mr_pipe_arguments_complain("more than %d times --identity", MR_PIPE_IDENTITIES_MAX);
    out->identities[out->identity_count++] = path;
    return MR_PIPE_RUN;
}

/* The value of a TEXT ends where its argument does, so that value->text is a string too. */
static enum mr_pipe_arguments_result store(struct mr_pipe_arguments *out, enum own option,
                                           const struct mr_param_value *value)
{
    switch (option) {
    case IDENTITY:
        return add_identity(out, value->text.at);
    case PASSPHRASE_FILE:
        out->passphrase_file = value->text.at;
        break;
    case WORKERS:
        out->workers = (unsigned)value->integer;
        break;
    case MAX_EXPANSION:
        out->max_expansion = (uint64_t)value->integer;
        break;
    case MAX_RATIO:
        out->max_expansion_ratio = (uint64_t)value->integer;
        break;
    case MAX_PIXELS:
        out->max_pixels = (uint64_t)value->integer;
        break;
    case QUIET:
        out->quiet = value->flag;
        break;
    case FORCE:
        out->force = value->flag;
        break;
    case HELP:
        return MR_PIPE_HELP;
    case OWN_COUNT:
        MR_UNREACHABLE();
    }
    return MR_PIPE_RUN;
}

static enum mr_pipe_arguments_result take(struct mr_pipe_arguments *out, const struct mr_param_spec *spec,
                                          struct mr_slice name, struct mr_slice value)
{
    struct mr_param_value parsed;
    if (mr_param_find(own, name) == NULL)
        return add_param(out, name, value);
    if (mr_param_parse(spec, value, &parsed, NULL) == MR_OK)
        return store(out, (enum own)(spec - own), &parsed);
    char allowed[160];
    mr_param_describe(spec, allowed, sizeof(allowed));
    return mr_pipe_arguments_complain("--%s must be %s", spec->name, allowed);
}

/* One argument, and the next one where that is its value: *at is moved past them. */
static enum mr_pipe_arguments_result read_one(struct mr_pipe_arguments *out, char *const **at)
{
    const char *argument = *(*at)++;
    struct mr_slice value = mr_slice_of(argument), name = mr_slice_cut(&value, '=');
    if (name.len < 3 || strncmp(argument, "--", 2) != 0)
        return mr_pipe_arguments_complain("%s: parameters are written --NAME VALUE", argument);
    name = (struct mr_slice){.at = name.at + 2, .len = name.len - 2};
    const struct mr_param_spec *spec = mr_param_find(own, name);
    if (spec == NULL)
        spec = find_param(out, name);
    if (spec == NULL)
        return mr_pipe_arguments_complain("--%.*s is not a parameter of %.*s", MR_SLICE_ARG(name),
                                          MR_SLICE_ARG(out->stages));
    if (value.at == NULL && spec->type == MR_PARAM_BOOL)
        value = MR_SLICE("1");
    else if (value.at == NULL && **at == NULL)
        return mr_pipe_arguments_complain("--%.*s needs a value", MR_SLICE_ARG(name));
    else if (value.at == NULL)
        value = mr_slice_of(*(*at)++);
    return take(out, spec, name, value);
}

/* What one argument alone cannot show, as far as the stages do not say it themselves. */
static enum mr_pipe_arguments_result check(const struct mr_pipe_arguments *arguments)
{
    bool decrypts = arguments->has[MR_STAGE_DECRYPT], encrypts = arguments->has[MR_STAGE_ENCRYPT];
    if (arguments->identity_count > 0 && !decrypts)
        return mr_pipe_arguments_complain("--identity is for decrypt");
    if (arguments->passphrase_file != NULL && !decrypts && !encrypts)
        return mr_pipe_arguments_complain("--passphrase-file is for encrypt and decrypt");
    if (decrypts && arguments->identity_count == 0 && arguments->passphrase_file == NULL)
        return mr_pipe_arguments_complain("decrypt needs --identity FILE or --passphrase-file FILE");
    return MR_PIPE_RUN;
}

enum mr_pipe_arguments_result mr_pipe_arguments_read(struct mr_pipe_arguments *out, int argc, char *const *argv)
{
    *out = (struct mr_pipe_arguments){.max_pixels = 100000000};
    if (argc < 2)
        return mr_pipe_arguments_complain("which stages?");
    if (strcmp(argv[1], "--help") == 0)
        return MR_PIPE_HELP;
    enum mr_pipe_arguments_result result = read_stages(out, argv[1]);
    char *const *at = argv + 2;
    while (result == MR_PIPE_RUN && *at != NULL)
        result = read_one(out, &at);
    return result == MR_PIPE_RUN ? check(out) : result;
}

/* ---- help ---- */

static void print_specs(const struct mr_param_spec *spec, const char *indent, FILE *out)
{
    for (; spec->name != NULL; spec++)
        fprintf(out, "%s--%-20s %s\n", indent, spec->name, spec->text);
}

void mr_pipe_arguments_help(FILE *out)
{
    fputs(USAGE "e.g.   millrace pipe image/gzip --w 300 < photo.jpg > small.jpg.gz\n\n", out);
    print_specs(own, "  ", out);
    fputs("\nStages and their parameters:\n", out);
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        struct mr_stage_about about = mr_stage_about(id);
        fprintf(out, "  %-10s %s\n", about.name, about.text);
        print_specs(about.params, "      ", out);
    }
    fputs("\nExit status: 0 done, 1 failed, 2 the arguments are wrong.\n", out);
}
