/* command.h -- what `millrace` does beside serving: `millrace pipe`, `millrace keygen`, `millrace api-key`, `millrace
 * signing-key`, `millrace sign`, `millrace store`, `millrace health`. Each runs on the main thread and returns the exit
 * status of the program: 0 done, 1 failed, 2 the arguments are wrong. What they have to say goes to standard error, one
 * line that begins with "millrace: pipe: ", "millrace: keygen: ", ... */
#ifndef MR_COMMAND_COMMAND_H
#define MR_COMMAND_COMMAND_H

#include "base/program.h"

/* For a program's table of commands: ends with a row whose name is NULL. */
extern const struct mr_program_command mr_commands[];

/* Standard input through stages to standard output, on all cores. A failure ends the process from inside. */
mr_program_main mr_pipe_main;
/* Make a key pair of age, or show the public keys of a file. */
mr_program_main mr_keygen_main;
/* Make an API key and its line for the file of --api-keys. */
mr_program_main mr_api_key_main;
/* Make a key and its line for the file of --signing-keys. */
mr_program_main mr_signing_key_main;
/* Sign an address with the first key of such a file. */
mr_program_main mr_sign_main;
/* `millrace store check DATA`: findings and their sum on standard output; 3 when there is damage. */
mr_program_main mr_store_main;
/* `millrace health`: ask the server that has these options whether it lives, or takes new requests (--ready). */
mr_program_main mr_health_main;

#endif
