/* pipe_options.h -- what a program can be told of streams through stages: --body-memory, --max-spill, --max-expansion,
 * --max-expansion-ratio. */
#ifndef MR_PIPE_PIPE_OPTIONS_H
#define MR_PIPE_PIPE_OPTIONS_H

#include "base/option_tables.h"

/* Sizes in bytes. */
struct mr_pipe_settings {
    uint64_t body_memory;        /* of a body that is collected: the rest of it goes to a file */
    uint64_t max_spill;          /* of a response kept for a client that still sends; 0: none */
    uint64_t max_expansion;      /* of gunzip and unzstd; 0: none */
    int64_t max_expansion_ratio; /* the same, in times the input; 0: none */
};

extern const struct mr_option mr_pipe_memory_options[]; /* --body-memory */
extern const struct mr_option mr_pipe_options[];        /* the others */

#endif
