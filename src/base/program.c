#include "base/program.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void write_usage(const struct mr_program *program, FILE *out)
{
    fprintf(out, "usage: %s COMMAND [options]\n\n", program->name);
    for (const struct mr_program_command *command = program->commands; command->name != NULL; command++)
        fprintf(out, "  %-14s %s\n", command->name, command->text);
    fprintf(out, "\n%s COMMAND --help says more.\n", program->name);
}

static int run_without_command(const struct mr_program *program, const char *word)
{
    bool is_help = word != NULL && strcmp(word, "--help") == 0;
    if (word != NULL && strcmp(word, "--version") == 0) {
        printf("%s %s\n", program->name, MILLRACE_VERSION);
        return 0;
    }
    write_usage(program, is_help ? stdout : stderr);
    return is_help ? 0 : 2;
}

int mr_program_run(const struct mr_program *program, int argc, char *const *argv, char *const *environment)
{
    const struct mr_program_command *command = program->commands;
    const char *word = argc > 1 ? argv[1] : NULL;
    while (word != NULL && command->name != NULL && strcmp(word, command->name) != 0)
        command++;
    if (word != NULL && command->name != NULL)
        return command->main(argc - 1, argv + 1, environment);
    return program->main != NULL ? program->main(argc, argv, environment) : run_without_command(program, word);
}
