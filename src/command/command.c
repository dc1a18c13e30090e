#include "command/command.h"
#include <stddef.h>

const struct mr_program_command mr_commands[] = {
    {"pipe", mr_pipe_main, "standard input through stages to standard output"},
    {"keygen", mr_keygen_main, "make a key pair of age, or show public keys"},
    {"api-key", mr_api_key_main, "make an API key for the file of --api-keys"},
    {"signing-key", mr_signing_key_main, "make a key for the file of --signing-keys"},
    {"sign", mr_sign_main, "sign the address of an image"},
    {"store", mr_store_main, "check a data directory that no server uses"},
    {"health", mr_health_main, "ask a running server whether it lives"},
    {.name = NULL},
};
