/* pipe_arguments.h -- the command line of `millrace pipe`. */
#ifndef MR_COMMAND_PIPE_ARGUMENTS_H
#define MR_COMMAND_PIPE_ARGUMENTS_H

#include "base/slice.h"
#include "pipe/stages.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MR_PIPE_PARAMS_MAX     96
#define MR_PIPE_IDENTITIES_MAX 32 /* files */

struct mr_pipe_param {
    struct mr_slice name, value;
};

/* All texts are borrowed from argv. */
struct mr_pipe_arguments {
    struct mr_slice stages;             /* with slashes between; each name is a stage's */
    bool has[MR_STAGE_COUNT];           /* which of them there are */
    enum mr_stage_id last;              /* the one whose output is written */
    size_t param_count, identity_count; /* parameters of stages: not checked yet */
    struct mr_pipe_param params[MR_PIPE_PARAMS_MAX];
    const char *identities[MR_PIPE_IDENTITIES_MAX];
    const char *passphrase_file;                             /* or NULL */
    unsigned workers;                                        /* 0: as many as cores */
    uint64_t max_expansion, max_expansion_ratio, max_pixels; /* 0: no bound */
    bool quiet, force;
};

enum mr_pipe_arguments_result { MR_PIPE_RUN, MR_PIPE_HELP, MR_PIPE_WRONG };

/* argv[0] is the command. WRONG: a line on standard error names the argument. */
enum mr_pipe_arguments_result mr_pipe_arguments_read(struct mr_pipe_arguments *out, int argc, char *const *argv);
/* One line on standard error, "millrace: pipe: ...", and a hint. Returns WRONG. */
enum mr_pipe_arguments_result mr_pipe_arguments_complain(const char *format, ...) MR_PRINTF(1, 2);
/* --help: the options, the stages and their parameters. */
void mr_pipe_arguments_help(FILE *out);

#endif
