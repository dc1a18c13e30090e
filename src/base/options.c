/* DESIGN
 * Sources are read from the strongest to the weakest: command line, environment, file, defaults. Each value is checked,
 * also where a stronger source has named the option already, but stored only where none has: `named` remembers which
 * source that was. The file is read third because the first two may say which one it is. */
#include "base/options.h"
#include "base/assert.h"
#include "base/macros.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define OPTIONS_MAX 96
#define WHERE_MAX   512

enum source { NOWHERE, COMMAND_LINE, ENVIRONMENT, CONFIG_FILE, DEFAULT };

struct parser {
    const struct mr_options_program *program;
    char *config; /* the program's struct, as bytes */
    FILE *complaints;
    enum source source;    /* what is being read */
    char where[WHERE_MAX]; /* the same in words, for complaints */
    enum source named[OPTIONS_MAX];
    char *file; /* --config; owned */
    bool check_only;
};

/* Options that every program has, in the order of --help; one without an environment has those from --help on. */
enum { COMMON_CONFIG, COMMON_CHECK, COMMON_HELP, COMMON_VERSION, COMMON_COUNT };
static const struct mr_option common[] = {
    [COMMON_CONFIG] = {.spec = {.name = "config", .type = MR_PARAM_TEXT, .max = 4095}, .metavar = "FILE"},
    [COMMON_CHECK] = {.spec = {.name = "check-config",
                               .type = MR_PARAM_BOOL,
                               .text = "read options from FILE too; check the options and exit"}},
    [COMMON_HELP] = {.spec = {.name = "help", .type = MR_PARAM_BOOL}},
    [COMMON_VERSION] = {.spec = {.name = "version",
                                 .type = MR_PARAM_BOOL,
                                 .text = "print this and exit; print the version and exit"}},
    [COMMON_COUNT] = {.spec = {.name = NULL}},
};

/* The end of a complaint. A program that has its command line alone need not say that it came from there. */
static void end_complaint(const struct parser *parser)
{
    const char *hint = parser->program->hint;
    if (parser->program->env_prefix != NULL)
        fprintf(parser->complaints, " (%s)", parser->where);
    fprintf(parser->complaints, "\n%s", hint != NULL ? hint : "");
}

static bool complain(const struct parser *parser, struct mr_slice name, const char *format, ...) MR_PRINTF(3, 4);
static bool complain(const struct parser *parser, struct mr_slice name, const char *format, ...)
{
    fprintf(parser->complaints, "%s: --%.*s: ", parser->program->name, MR_SLICE_ARG(name));
    va_list arguments;
    va_start(arguments, format);
    vfprintf(parser->complaints, format, arguments);
    va_end(arguments);
    end_complaint(parser);
    return false;
}

void mr_options_complain(const struct mr_options_program *program, FILE *complaints, const char *format, ...)
{
    fprintf(complaints, "%s: ", program->name);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(complaints, format, arguments);
    va_end(arguments);
    fprintf(complaints, "\n%s", program->hint != NULL ? program->hint : "");
}

static const struct mr_option *find(const struct mr_option *options, struct mr_slice name)
{
    for (; options->spec.name != NULL; options++) {
        if (mr_slice_is(name, options->spec.name))
            return options;
    }
    return NULL;
}

static const struct mr_option *common_of(const struct mr_options_program *program)
{
    return program->env_prefix != NULL ? common : common + COMMON_HELP;
}

/* ---- Storing one value ------------------------------------------------------------------------------------------ */

static char *copy_text(struct mr_slice text)
{
    char *copy = strndup(text.at, text.len);
    MR_ASSERT(copy != NULL);
    return copy;
}

static void free_list(struct mr_option_list *list)
{
    while (list->count > 0)
        free(list->values[--list->count]);
}

static void store(void *field, const struct mr_option *option, const struct mr_param_value *value)
{
    switch (option->spec.type) {
    case MR_PARAM_BOOL:
        *(bool *)field = value->flag;
        return;
    case MR_PARAM_INT:
        *(int64_t *)field = value->integer;
        return;
    case MR_PARAM_NUMBER:
        *(double *)field = value->number;
        return;
    case MR_PARAM_SIZE:
    case MR_PARAM_TIME:
        *(uint64_t *)field = (uint64_t)value->integer;
        return;
    case MR_PARAM_CHOICE:
        *(int *)field = (int)value->integer;
        return;
    case MR_PARAM_TEXT:
        free(*(char **)field);
        *(char **)field = value->text.len > 0 ? copy_text(value->text) : NULL;
        return;
    }
    MR_UNREACHABLE();
}

static bool append(struct parser *parser, const struct mr_option *option, struct mr_slice text)
{
    struct mr_option_list *list = (void *)(parser->config + option->offset);
    if (list->count == MR_OPTION_VALUES_MAX)
        return complain(parser, mr_slice_of(option->spec.name), "more than %d values", MR_OPTION_VALUES_MAX);
    list->values[list->count++] = copy_text(text);
    return true;
}

/* Check one value, and store it unless a stronger source has named the option. */
static bool assign(struct parser *parser, const struct mr_option *option, struct mr_slice text)
{
    struct mr_param_value value;
    if (mr_param_parse(&option->spec, text, &value, NULL) != MR_OK) {
        char allowed[160];
        mr_param_describe(&option->spec, allowed, sizeof(allowed));
        return complain(parser, mr_slice_of(option->spec.name), "must be %s", allowed);
    }
    enum source *named = &parser->named[option - parser->program->options];
    if (*named != NOWHERE && *named != parser->source)
        return true;
    *named = parser->source;
    if (option->repeatable)
        return text.len == 0 || append(parser, option, text);
    store(parser->config + option->offset, option, &value);
    return true;
}

/* Outside the command line a repeatable option holds several values with spaces between them. */
static bool assign_words(struct parser *parser, const struct mr_option *option, struct mr_slice text)
{
    if (!option->repeatable)
        return assign(parser, option, text);
    while (text.at != NULL) {
        struct mr_slice word = mr_slice_trim(mr_slice_cut(&text, ' '));
        if (word.len > 0 && !assign(parser, option, word))
            return false;
    }
    return true;
}

/* ---- The command line ------------------------------------------------------------------------------------------- */

static bool name_file(struct parser *parser, struct mr_slice path)
{
    if (parser->file == NULL || parser->source == COMMAND_LINE) {
        free(parser->file);
        parser->file = copy_text(path);
    }
    return true;
}

/* One of the common options. *out becomes what the program is to do instead of running. */
static bool take_common(struct parser *parser, const struct mr_option *option, struct mr_slice value,
                        enum mr_options_result *out)
{
    if (option->spec.type == MR_PARAM_BOOL && !mr_slice_is(value, "1"))
        return complain(parser, mr_slice_of(option->spec.name), "takes no value");
    switch (option - common) {
    case COMMON_CONFIG:
        return name_file(parser, value);
    case COMMON_CHECK:
        parser->check_only = true;
        return true;
    case COMMON_HELP:
        *out = MR_OPTIONS_HELP;
        return true;
    case COMMON_VERSION:
        *out = MR_OPTIONS_VERSION;
        return true;
    default:
        MR_UNREACHABLE();
    }
}

/* The option of "--name" or, for one that is on or off, "--no-name", which becomes the value 0. */
static const struct mr_option *find_flag(const struct parser *parser, struct mr_slice name, struct mr_slice *value)
{
    const struct mr_option *option = find(parser->program->options, name);
    if (option == NULL)
        option = find(common_of(parser->program), name);
    if (option != NULL || name.len < 3 || memcmp(name.at, "no-", 3) != 0 || value->at != NULL)
        return option;
    name = (struct mr_slice){.at = name.at + 3, .len = name.len - 3};
    option = find(parser->program->options, name);
    if (option == NULL || option->spec.type != MR_PARAM_BOOL)
        return NULL;
    *value = MR_SLICE("0");
    return option;
}

/* False: there is one already. */
static bool assign_operand(const struct parser *parser, const struct mr_option *operand, const char *word)
{
    char **field = (void *)(parser->config + operand->offset);
    bool is_first = *field == NULL;
    if (is_first)
        *field = copy_text(mr_slice_of(word));
    return is_first;
}

/* A word that is no option. */
static int take_operand(struct parser *parser, const char *word)
{
    const struct mr_option *operand = parser->program->operand;
    bool is_operand = operand != NULL && word[0] != '-' && word[0] != '\0';
    if (is_operand && assign_operand(parser, operand, word))
        return 1;
    const char *why = is_operand ? "one word too many" : "not an option";
    fprintf(parser->complaints, "%s: %s: %s", parser->program->name, word, why);
    end_complaint(parser);
    return 0;
}

/* "-y", or an operand. */
static int take_word(struct parser *parser, const char *word)
{
    const struct mr_option *option = parser->program->options;
    bool is_letter = word[0] == '-' && word[1] != '\0' && word[2] == '\0';
    while (is_letter && option->spec.name != NULL && option->letter != word[1])
        option++;
    if (!is_letter || option->spec.name == NULL)
        return take_operand(parser, word);
    return assign(parser, option, MR_SLICE("1")) ? 1 : 0;
}

/* *value becomes the next argument if there is none behind the name. Returns how many arguments were taken; 0:
 * complained. */
static int read_value(const struct parser *parser, const struct mr_param_spec *spec, const char *metavar,
                      const char *next, struct mr_slice *value)
{
    if (value->at != NULL)
        return 1;
    if (spec->type == MR_PARAM_BOOL) {
        *value = MR_SLICE("1");
        return 1;
    }
    if (next == NULL)
        return complain(parser, mr_slice_of(spec->name), "needs a value: %s", metavar);
    *value = mr_slice_of(next);
    return 2;
}

static int take_further(struct parser *parser, struct mr_slice name, struct mr_slice value, const char *next)
{
    const struct mr_options_further *further = parser->program->further;
    const struct mr_param_spec *spec = further != NULL ? further->find(parser->config, name) : NULL;
    if (spec == NULL)
        return complain(parser, name, "no such option");
    int taken = read_value(parser, spec, spec->unit != NULL ? spec->unit : "VALUE", next, &value);
    const char *wrong = taken > 0 ? further->take(parser->config, name, value) : NULL;
    return wrong == NULL ? taken : complain(parser, name, "%s", wrong);
}

/* One argument, and the next one where it is the value. Returns how many were taken; 0: complained. */
static int take_argument(struct parser *parser, char *const *argv, enum mr_options_result *out)
{
    struct mr_slice value = mr_slice_of(argv[0]), name = mr_slice_cut(&value, '=');
    if (name.len < 3 || memcmp(name.at, "--", 2) != 0)
        return take_word(parser, argv[0]);
    name = (struct mr_slice){.at = name.at + 2, .len = name.len - 2};
    const struct mr_option *option = find_flag(parser, name, &value);
    if (option == NULL)
        return take_further(parser, name, value, argv[1]);
    int taken = read_value(parser, &option->spec, option->metavar, argv[1], &value);
    if (taken == 0)
        return 0;
    bool is_common = find(common, name) == option;
    bool done = is_common ? take_common(parser, option, value, out) : assign(parser, option, value);
    return done ? taken : 0;
}

/* Stops early at --help and --version. */
static bool read_command_line(struct parser *parser, int argc, char *const *argv, enum mr_options_result *out)
{
    parser->source = COMMAND_LINE;
    snprintf(parser->where, sizeof(parser->where), "from the command line");
    for (int i = 1; i < argc && *out == MR_OPTIONS_RUN;) {
        int taken = take_argument(parser, argv + i, out);
        if (taken == 0)
            return false;
        i += taken;
    }
    return true;
}

/* ---- The environment -------------------------------------------------------------------------------------------- */

/* Kubernetes puts such variables into every container beside a service called like the prefix: PREFIX_SERVICE_HOST,
 * PREFIX_SERVICE_PORT_HTTP, PREFIX_PORT=tcp://..., PREFIX_PORT_80_TCP_ADDR. They are not meant for us. */
static bool is_service_link(struct mr_slice name, struct mr_slice value)
{
    char text[128];
    snprintf(text, sizeof(text), "_%.*s", MR_SLICE_ARG(name));
    if (strstr(text, "_SERVICE_HOST") != NULL || strstr(text, "_SERVICE_PORT") != NULL)
        return true;
    for (const char *at = text; (at = strstr(at, "_PORT")) != NULL;) {
        at += strlen("_PORT");
        if (at[0] == '_' && isdigit((unsigned char)at[1]))
            return true;
        if (at[0] == '\0')
            return value.len > 0 && memchr(value.at, '/', value.len) != NULL;
    }
    return false;
}

/* "JOB_TIME" becomes "job-time"; false for a name that is no option's in upper case. */
static bool flag_name(struct mr_slice name, char *out, size_t size)
{
    if (name.len == 0 || name.len >= size)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!isupper((unsigned char)name.at[i]) && !isdigit((unsigned char)name.at[i]) && name.at[i] != '_')
            return false;
        int letter = name.at[i] == '_' ? '-' : tolower((unsigned char)name.at[i]);
        out[i] = (char)letter;
    }
    out[name.len] = '\0';
    return true;
}

/* One variable whose name, without prefix, is `name`. An empty one counts as not set, as compose files leave them. */
static bool take_variable(struct parser *parser, struct mr_slice name, struct mr_slice value)
{
    char flag[64];
    bool is_name = flag_name(name, flag, sizeof(flag));
    if (is_name && strcmp(flag, "config") == 0)
        return value.len == 0 || name_file(parser, value);
    const struct mr_option *option = is_name ? find(parser->program->options, mr_slice_of(flag)) : NULL;
    if (option != NULL)
        return value.len == 0 || assign_words(parser, option, value);
    return is_service_link(name, value) || complain(parser, is_name ? mr_slice_of(flag) : name, "no such option");
}

static bool read_environment(struct parser *parser, char *const *environment)
{
    parser->source = ENVIRONMENT;
    const char *prefix = parser->program->env_prefix;
    if (prefix == NULL)
        return true;
    size_t prefix_len = strlen(prefix);
    for (; *environment != NULL; environment++) {
        struct mr_slice value = mr_slice_of(*environment), name = mr_slice_cut(&value, '=');
        if (value.at == NULL || name.len <= prefix_len || memcmp(name.at, prefix, prefix_len) != 0 ||
            name.at[prefix_len] != '_')
            continue;
        snprintf(parser->where, sizeof(parser->where), "%.*s in the environment", MR_SLICE_ARG(name));
        name = (struct mr_slice){.at = name.at + prefix_len + 1, .len = name.len - prefix_len - 1};
        if (!take_variable(parser, name, value))
            return false;
    }
    return true;
}

/* ---- The file --------------------------------------------------------------------------------------------------- */

/* Without the comment: a '#' in front or behind a space, so that a value may hold one. */
static struct mr_slice without_comment(struct mr_slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.at[i] == '#' && (i == 0 || line.at[i - 1] == ' ' || line.at[i - 1] == '\t'))
            return (struct mr_slice){.at = line.at, .len = i};
    }
    return line;
}

static bool take_line(struct parser *parser, struct mr_slice line)
{
    struct mr_slice value = mr_slice_trim(without_comment(line));
    if (value.len == 0)
        return true;
    struct mr_slice name = mr_slice_trim(mr_slice_cut(&value, '='));
    value = mr_slice_trim(value);
    const struct mr_option *option = find(parser->program->options, name);
    if (option == NULL)
        return complain(parser, name, "no such option");
    if (value.len == 0)
        return complain(parser, name, "needs a value: %s = %s", option->spec.name,
                        option->metavar == NULL ? "true" : option->metavar);
    return assign_words(parser, option, value);
}

static bool read_file(struct parser *parser)
{
    if (parser->file == NULL)
        return true;
    FILE *file = fopen(parser->file, "re");
    if (file == NULL)
        return complain(parser, MR_SLICE("config"), "%s", strerror(errno));
    parser->source = CONFIG_FILE;
    char *line = NULL;
    size_t capacity = 0;
    bool good = true;
    for (int number = 1; good && getline(&line, &capacity, file) >= 0; number++) {
        snprintf(parser->where, sizeof(parser->where), "%s:%d", parser->file, number);
        struct mr_slice text = {.at = line, .len = strcspn(line, "\r\n")};
        good = take_line(parser, text);
    }
    if (good && ferror(file))
        good = complain(parser, MR_SLICE("config"), "cannot be read");
    free(line);
    fclose(file);
    return good;
}

/* ---- All together ----------------------------------------------------------------------------------------------- */

static void read_defaults(struct parser *parser)
{
    parser->source = DEFAULT;
    snprintf(parser->where, sizeof(parser->where), "default");
    for (const struct mr_option *option = parser->program->options; option->spec.name != NULL; option++) {
        bool good = option->default_value == NULL || assign_words(parser, option, mr_slice_of(option->default_value));
        MR_ASSERT(good);
    }
}

enum mr_options_result mr_options_parse(const struct mr_options_program *program, void *config, int argc,
                                        char *const *argv, char *const *environment, FILE *complaints)
{
    struct parser parser = {.program = program, .config = config, .complaints = complaints};
    enum mr_options_result result = MR_OPTIONS_RUN;
    size_t count = 0;
    while (program->options[count].spec.name != NULL)
        count++;
    MR_ASSERT(count <= OPTIONS_MAX);
    bool good = read_command_line(&parser, argc, argv, &result);
    if (good && result == MR_OPTIONS_RUN) {
        good = read_environment(&parser, environment) && read_file(&parser);
        if (good)
            read_defaults(&parser);
        result = parser.check_only ? MR_OPTIONS_CHECK : MR_OPTIONS_RUN;
    }
    free(parser.file);
    return good ? result : MR_OPTIONS_WRONG;
}

static void free_text(char **field)
{
    free(*field);
    *field = NULL;
}

void mr_options_free(const struct mr_options_program *program, void *config)
{
    if (program->operand != NULL)
        free_text((void *)((char *)config + program->operand->offset));
    for (const struct mr_option *option = program->options; option->spec.name != NULL; option++) {
        void *field = (char *)config + option->offset;
        if (option->repeatable) {
            free_list(field);
        } else if (option->spec.type == MR_PARAM_TEXT) {
            free_text(field);
        }
    }
}

/* "  --name METAVAR" */
static int left_column(const struct mr_option *option, char *out, size_t size)
{
    bool has_value = option->metavar != NULL;
    return snprintf(out, size, "  --%s%s%s", option->spec.name, has_value ? " " : "", has_value ? option->metavar : "");
}

static void print_rows(const struct mr_option *options, int width, FILE *out)
{
    int used = 0;
    for (const struct mr_option *option = options; option->spec.name != NULL; option++) {
        char left[128];
        int len = left_column(option, left, sizeof(left));
        if (option->spec.text == NULL) { /* it shares a line with the next one */
            fputs(left, out);
            used += len;
            continue;
        }
        fprintf(out, "%-*s  %s", MR_MAX(width - used, 0), left, option->spec.text);
        if (option->default_value != NULL)
            fprintf(out, " [%s]", option->default_value);
        fputc('\n', out);
        used = 0;
    }
}

void mr_options_help(const struct mr_options_program *program, FILE *out)
{
    int width = 0;
    for (const struct mr_option *option = program->options; option->spec.name != NULL; option++) {
        char left[128];
        int len = left_column(option, left, sizeof(left));
        width = MR_MAX(width, len);
    }
    fprintf(out, "%s\n", program->usage);
    print_rows(program->options, width, out);
    print_rows(common_of(program), width, out);
    if (program->env_prefix == NULL)
        return;
    fprintf(out, "Also %s_NAME=VALUE in the environment, and name = value in the file. The command line wins.\n",
            program->env_prefix);
}

int mr_options_answer(enum mr_options_result result, const char *name, void (*help)(FILE *out))
{
    switch (result) {
    case MR_OPTIONS_RUN:
        return MR_OPTIONS_GO_ON;
    case MR_OPTIONS_HELP:
        help(stdout);
        return 0;
    case MR_OPTIONS_VERSION:
        printf("%s %s\n", name, MILLRACE_VERSION);
        return 0;
    case MR_OPTIONS_CHECK:
        puts("ok");
        return 0;
    case MR_OPTIONS_WRONG:
        break;
    }
    return 2;
}
