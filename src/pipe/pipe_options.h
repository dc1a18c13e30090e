/* pipe_options.h -- what a program can be told of streams through stages: --body-memory, --respond, --max-spill,
 * --max-expansion, --max-expansion-ratio, --max-zstd-window, --max-work-factor. */
#ifndef MR_PIPE_PIPE_OPTIONS_H
#define MR_PIPE_PIPE_OPTIONS_H

#include "base/option_tables.h"

/* When a response begins: as soon as there is enough of it, or when the whole request was read. */
enum mr_respond_mode { MR_RESPOND_STREAMING, MR_RESPOND_AFTER_BODY };

/* Sizes in bytes. */
struct mr_pipe_settings {
    uint64_t body_memory;        /* of a body that is collected: the rest of it goes to a file */
    int respond;                 /* enum mr_respond_mode */
    uint64_t max_spill;          /* of a response kept for a client that still sends; 0: none */
    uint64_t max_expansion;      /* of gunzip and unzstd; 0: none */
    int64_t max_expansion_ratio; /* the same, in times the input; 0: none */
    uint64_t max_zstd_window;    /* of unzstd: what a frame may ask for; 0: MR_UNZSTD_WINDOW */
    int64_t max_work_factor;     /* of decrypt: the binary logarithm of scrypt's N, of which it takes N KiB; 0:
                                    MR_AGE_WORK_FACTOR */
};

extern const struct mr_option mr_pipe_memory_options[]; /* --body-memory */
extern const struct mr_option mr_pipe_options[];        /* the others */

#endif
