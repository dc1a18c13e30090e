/* command.h -- what `millrace` does beside serving: `millrace pipe` and `millrace keygen`. Each runs on the main thread
 * and returns the exit status of the program: 0 done, 1 failed, 2 the arguments are wrong. What they have to say goes
 * to standard error, one line that begins with "millrace: pipe: " or "millrace: keygen: ". */
#ifndef MR_COMMAND_COMMAND_H
#define MR_COMMAND_COMMAND_H

/* The command called argv[1], or NULL: there is none of that name. argv is then passed on from there. */
typedef int mr_command_main(int argc, char *const *argv);
mr_command_main *mr_command_find(int argc, char *const *argv);

/* Standard input through stages to standard output, on all cores. A failure ends the process from inside. */
int mr_pipe_main(int argc, char *const *argv);
/* Make a key pair of age, or show the public keys of a file. */
int mr_keygen_main(int argc, char *const *argv);

#endif
