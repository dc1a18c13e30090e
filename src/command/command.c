#include "command/command.h"
#include "base/macros.h"
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    mr_command_main *main;
} commands[] = {{"pipe", mr_pipe_main}, {"keygen", mr_keygen_main}};

mr_command_main *mr_command_find(int argc, char *const *argv)
{
    for (size_t i = 0; argc > 1 && i < MR_ARRAY_SIZE(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].main;
    return NULL;
}
