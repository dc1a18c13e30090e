/* program.h -- a program with commands: which there are, and which one the command line names. Each command's own
 * options are read by options.h.
 *
 *   millrace-bench load --rate=100 ...      the command "load", with argv from its name on
 *   millrace --workers=2                    no command: the program's own main, if it has one
 *
 * One thread. */
#ifndef MR_BASE_PROGRAM_H
#define MR_BASE_PROGRAM_H

/* Runs a command, whose name or path is argv[0]. Returns the exit status. */
typedef int mr_program_main(int argc, char *const *argv, char *const *environment);

struct mr_program_command {
    const char *name;
    mr_program_main *main;
    const char *text; /* one line for --help */
};

struct mr_program {
    const char *name;                          /* "millrace-bench" */
    const struct mr_program_command *commands; /* ends with a row whose name is NULL */
    /* Without a command. NULL: one is needed; then --help and --version are known here, and all else is wrong (2). */
    mr_program_main *main;
};

int mr_program_run(const struct mr_program *program, int argc, char *const *argv, char *const *environment);

#endif
